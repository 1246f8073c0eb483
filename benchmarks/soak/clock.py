"""A clock that runs faster than the real one, the same in all processes of a soak.

Vendors allow some calls once in minutes. On a fast clock a soak of twenty minutes sees many such spans; what has to do
with machines and not with vendors (leases, heartbeats, timeouts of HTTP) keeps its real length.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta

from crossdock import clock
from crossdock.engine import bench
from crossdock.store import reach

VARIABLE = "SOAK_CLOCK"
LEASE = 6.0
"""Real seconds: shorter than the product's own, so that many leases end while the soak lasts."""


class FastClock(clock.SystemClock):
    """Real time times `speed`, counted from `epoch` (real seconds since 1970)."""

    def __init__(self) -> None:
        super().__init__()
        self.epoch, self.speed = settings()

    def now(self) -> datetime:
        """The time of the soak."""
        return now()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        super().sleep(seconds / self.speed)


def settings() -> tuple[float, float]:
    """Since when the clock is fast, and how fast."""
    epoch, _, speed = os.environ[VARIABLE].partition(":")
    return float(epoch), float(speed)


def now() -> datetime:
    """The time of the soak, for its systems."""
    epoch, speed = settings()
    return datetime.fromtimestamp(epoch + (time.time() - epoch) * speed, UTC)


def set_up(speed: float) -> None:
    """Begin: this process and those that it starts go by the fast clock from now on."""
    os.environ[VARIABLE] = f"{time.time()}:{speed}"
    install()


def install() -> None:
    """Let this process go by the fast clock; before the engine is imported any further."""
    _, speed = settings()
    bench.LEASE = timedelta(seconds=LEASE * speed)
    bench.HEARTBEAT = LEASE / 4.5
    reach.IDLE = LEASE / 1.5
    clock.SystemClock = FastClock  # type: ignore[misc]
