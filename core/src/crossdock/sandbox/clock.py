"""The time at a vendor: a clock that tests can move."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta


class VendorClock:
    """A sandbox's own clock, in aware UTC: it runs like `source` (the real time), and tests move it.

    Vendors keep times as coarsely as their databases do, and two changes can get the same one: override `coarse`.
    """

    def __init__(self, source: Callable[[], datetime] | None = None) -> None:
        self._source = source or (lambda: datetime.now(UTC))
        self._ahead = timedelta()
        self._held: datetime | None = None

    def coarse(self, exact: datetime) -> datetime:
        """A moment as the vendor keeps it; whole seconds, unless it is overridden."""
        return exact.replace(microsecond=0)

    def now(self) -> datetime:
        """The moment now, in UTC, as the vendor keeps it."""
        return self.coarse(self._held if self._held is not None else self._source().astimezone(UTC) + self._ahead)

    def advance(self, seconds: float) -> datetime:
        """Move the clock `seconds` ahead and return the new time."""
        self._ahead += timedelta(seconds=seconds)
        return self.now()

    def set(self, now: datetime) -> None:
        """Set the clock; it goes on running."""
        self._ahead = now - self._source().astimezone(UTC)

    @contextmanager
    def at(self, moment: datetime) -> Iterator[None]:
        """What is done inside is done at `moment`."""
        self._held = moment.astimezone(UTC)
        try:
            yield
        finally:
            self._held = None
