"""Time at the supplier: a clock that tests can move, and dates without an offset, which are Amsterdam time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
_SATURDAY = 5


class Clock:
    """The supplier's clock, in aware UTC and whole seconds."""

    def __init__(self, source: Callable[[], datetime] | None = None) -> None:
        self._source = source or (lambda: datetime.now(UTC))
        self._ahead = timedelta()

    def now(self) -> datetime:
        """The moment now, in UTC."""
        return (self._source().astimezone(UTC) + self._ahead).replace(microsecond=0)

    def today(self) -> date:
        """The date in Amsterdam."""
        return self.now().astimezone(AMSTERDAM).date()

    def advance(self, seconds: float) -> datetime:
        """Move the clock `seconds` ahead and return the new time."""
        self._ahead += timedelta(seconds=seconds)
        return self.now()

    def set(self, now: datetime) -> None:
        """Set the clock; it goes on running."""
        self._ahead = now - self._source().astimezone(UTC)

    def working_day(self, days: int) -> date:
        """The date `days` working days from today; Saturdays and Sundays do not count."""
        day = self.today()
        while days > 0 or day.weekday() >= _SATURDAY:
            day += timedelta(days=1)
            days -= day.weekday() < _SATURDAY
        return day


def local_text(moment: datetime) -> str:
    """`moment` as feeds and webhooks write it: Amsterdam time without an offset (vendor page section 2)."""
    return moment.astimezone(AMSTERDAM).strftime("%Y-%m-%dT%H:%M:%S")
