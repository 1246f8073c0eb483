"""Time as something that can be given: the real one, or a test's."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Now and waiting; `sleep` ends early when the work is being stopped."""

    def now(self) -> datetime:
        """The time, aware, in UTC."""

    def sleep(self, seconds: float) -> None:
        """Wait; raises nothing, also when stopped early."""

    @property
    def stopping(self) -> bool:
        """Whether the work should end at the next safe point."""


class SystemClock:
    """The machine's clock; `stop` wakes everybody who sleeps."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait `seconds`, less when stopped."""
        if seconds > 0:
            self._stop.wait(seconds)

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Ask everything that runs on this clock to end at its next safe point."""
        self._stop.set()


def monotonic() -> float:
    """Seconds for measuring durations."""
    return time.monotonic()
