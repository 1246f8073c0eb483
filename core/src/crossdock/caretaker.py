"""What a service does beside its work: looks at what needs a person, and forgets what is old."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from crossdock.alerts.turn import look
from crossdock.app import App
from crossdock.clock import monotonic
from crossdock.errors import CrossdockError
from crossdock.housekeeping import housekeep_when_due

LOOK = 30.0
"""Seconds between two looks at what needs a person."""

_HOUSEKEEPING = 600.0  # seconds between two looks whether it is due
_LOG = logging.getLogger("crossdock.caretaker")


class Caretaker:
    """A thread of its own: a slow mail server keeps nobody waiting, and what breaks in it stops nothing else."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._stop = threading.Event()
        self._kept = -1e9
        self._said: dict[str, str] = {}
        self._thread = threading.Thread(target=self._run, name="crossdock-caretaker", daemon=True)

    def start(self) -> None:
        """Work from now on."""
        self._thread.start()

    def stop(self, seconds: float = 2.0) -> None:
        """End; a message that is being sent is not waited for longer, it is sent again later if need be."""
        self._stop.set()
        self._thread.join(timeout=seconds)

    def _run(self) -> None:
        while not self._stop.is_set() and not self._app.clock.stopping:
            self._guarded("alerts", self._look)
            if monotonic() - self._kept > _HOUSEKEEPING:
                self._kept = monotonic()
                self._guarded("housekeeping", self._keep)
            self._stop.wait(LOOK)

    def _look(self) -> str:
        turned = look(self._app)
        return "; ".join(turned.failed)

    def _keep(self) -> str:
        kept = housekeep_when_due(self._app)
        if kept is not None and not kept.busy:
            _LOG.info("housekeeping done", extra={"facts": {name: n for name, n in kept.forgotten.items() if n}})
        return ""

    def _guarded(self, what: str, do: Callable[[], str]) -> None:
        """Do it; trouble is logged once, and again only when it is another one."""
        try:
            trouble = do()
        except CrossdockError as error:
            trouble = str(error)
        except Exception as error:  # noqa: BLE001  whatever breaks here must not end the thread
            trouble = f"{type(error).__name__}: {error}"
        if trouble and trouble != self._said.get(what) and not self._stop.is_set():
            _LOG.warning("%s: %s", what, trouble)
        self._said[what] = trouble
