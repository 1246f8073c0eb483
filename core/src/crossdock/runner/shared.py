"""Several processes on one PostgreSQL database, on this machine and others: what one hears, it tells the rest."""

from __future__ import annotations

import threading
from typing import Any

from crossdock.clock import monotonic
from crossdock.errors import StoreError
from crossdock.runner.embedded import Embedded
from crossdock.store.channel import listening, tell

_LISTEN = 1.0  # seconds at a time, so that stopping is noticed
_AGAIN = 2.0  # before a connection that broke is made anew; meanwhile the tick finds everything


class Shared(Embedded):
    """Works what is due beside others.

    Each process looks for itself, and the lanes' leases keep them apart: those of a worker that died are taken over.
    News that this process has no thread for goes to the others as a NOTIFY, as do wishes of commands: whoever is free
    begins at once. A word that is lost costs the time to the next tick.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._news = False
        self._hearing = threading.Thread(target=self._hear, name="crossdock-ears", daemon=True)

    def wake(self) -> None:
        """As `Embedded.wake`."""
        self._news = True
        super().wake()

    def start(self) -> None:
        """Work from now on."""
        super().start()
        self._hearing.start()

    def stop(self, seconds: float) -> list[str]:
        """As `Embedded.stop`."""
        begun = monotonic()
        left = super().stop(seconds)
        if self._hearing.ident is not None:
            self._hearing.join(timeout=max(begun + seconds - monotonic(), 0))
        return left

    def _hand_out(self) -> None:
        super()._hand_out()
        news, self._news = self._news, False
        if news and self._due:
            tell(self._bench.store.database, self._bench.owner)

    def _hear(self) -> None:
        while not self._stopping:
            try:
                with listening(self._bench.store.database.url) as heard:
                    super().wake()  # what was said while nobody listened
                    while not self._stopping:
                        if any(who != self._bench.owner for who in heard(_LISTEN)):
                            super().wake()
            except StoreError:
                self._bench.clock.sleep(_AGAIN)  # the runner asks the same database, and has told it
