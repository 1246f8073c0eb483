"""Lines for whoever reads the output of a process that runs for years; nobody reading must not stop the work."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable

_KEPT = 1000  # lines that wait for a reader who is slow


class Lines:
    """Writes lines by `put`, in a thread of its own. What nobody takes is left out, and counted."""

    def __init__(self, put: Callable[[str], None]) -> None:
        self._put = put
        self._waiting: queue.Queue[str | None] = queue.Queue(_KEPT)
        self._left_out = 0
        self._thread = threading.Thread(target=self._run, name="crossdock-lines", daemon=True)
        self._thread.start()

    def write(self, text: str) -> None:
        """Let a line be written soon; never waits."""
        try:
            self._waiting.put_nowait(text)
        except queue.Full:
            self._left_out += 1

    def close(self, seconds: float = 1.0) -> bool:
        """Write what waits, but for no longer than this; false when the reader did not take it."""
        with contextlib.suppress(queue.Full):
            self._waiting.put(None, timeout=seconds)
        self._thread.join(timeout=seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (text := self._waiting.get()) is not None:
            with contextlib.suppress(OSError, ValueError):  # the reader is gone
                self._put(text)
                if self._left_out and self._waiting.empty():
                    left_out, self._left_out = self._left_out, 0
                    self._put(f"({left_out:,} lines were left out: nobody took them)")
