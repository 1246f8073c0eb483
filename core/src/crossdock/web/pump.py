"""Works webhooks soon after they came in, beside the door that takes them in."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable

from crossdock.clock import monotonic
from crossdock.engine.bench import Bench
from crossdock.engine.inbound import work
from crossdock.errors import CrossdockError

_LOOK = 1.0  # seconds; what another process took in, and what waited for its time
_GATHER = 0.05  # a vendor that sends one webhook usually sends several
_AT_ONCE = 4


class Pump:
    """Works what waits, several connections side by side, each by one thread at a time; `done` is told of each turn."""

    def __init__(self, bench: Bench, done: Callable[[str], None] | None = None) -> None:
        self._bench = bench
        self._done = done
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._busy: dict[str, threading.Thread] = {}
        self._thread = threading.Thread(target=self._run, name="crossdock-pump", daemon=True)

    def wake(self) -> None:
        """Something came in."""
        self._wake.set()

    def start(self) -> None:
        """Work from now on."""
        self._thread.start()

    def stop(self, seconds: float = 4.0) -> None:
        """End at the next safe point; what is under way after `seconds` is left, and still waits afterwards."""
        self._stopping.set()
        self._wake.set()
        until = monotonic() + seconds
        for thread in (self._thread, *self._busy.values()):
            thread.join(timeout=max(until - monotonic(), 0))

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self._wake.wait(_LOOK):
                self._stopping.wait(_GATHER)
            self._wake.clear()
            if self._stopping.is_set():
                return
            try:
                self._turn()
            except CrossdockError as error:
                warnings.warn(f"Webhooks wait: {error}", RuntimeWarning, stacklevel=2)

    def _turn(self) -> None:
        self._busy = {name: thread for name, thread in self._busy.items() if thread.is_alive()}
        for name in sorted(self._bench.store.inbox.connections()):
            if name not in self._busy and len(self._busy) < _AT_ONCE:
                thread = threading.Thread(target=self._work, args=(name,), name=f"webhooks-{name}", daemon=True)
                self._busy[name] = thread
                thread.start()

    def _work(self, name: str) -> None:
        try:
            worked = work(self._bench, name)
        except CrossdockError as error:
            if not self._stopping.is_set():
                warnings.warn(f"The webhooks of {name} wait: {error}", RuntimeWarning, stacklevel=2)
            return
        if self._done and worked.ended:
            self._done(", ".join(fetch.note for fetch in worked.fetches if fetch.state != "later"))
        if worked.ended:
            self._wake.set()  # what came in meanwhile
