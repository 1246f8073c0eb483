"""An address that stays while the twin behind it is replaced: for tests that begin anew again and again."""

from __future__ import annotations

import contextlib
import time
from typing import Any
from urllib.request import ProxyHandler, build_opener

from starlette.requests import ClientDisconnect

from crossdock.sandbox import Sandbox

_LONGEST = 60.0
_DIRECT = build_opener(ProxyHandler({}))


class Place(Sandbox):
    """Serve it like any sandbox; it answers as the twin that stands there."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.twin: Any = None
        self._answers: Any = None
        self._busy = 0

    def put(self, twin: Any) -> None:
        """From now on `twin` answers."""
        twin.base_url = self.base_url
        self.twin, self._answers = twin, twin.app()

    def app(self) -> Any:
        """The application of whichever twin is there."""

        async def answer(scope: Any, receive: Any, send: Any) -> None:
            self._busy += 1
            try:
                with contextlib.suppress(ClientDisconnect):  # who asked was killed: nobody reads this
                    await self._answers(scope, receive, send)
            finally:
                self._busy -= 1

        return answer

    def quiet(self) -> None:
        """Return when everything is answered that was sent before."""
        # Questions of our own: what came before the first one was read with it, and is being answered at the second.
        for _ in range(2):
            with _DIRECT.open(f"{self.base_url}/_sandbox/requests", timeout=_LONGEST):
                pass
        deadline = time.monotonic() + _LONGEST
        while self._busy and time.monotonic() < deadline:
            time.sleep(0.001)
