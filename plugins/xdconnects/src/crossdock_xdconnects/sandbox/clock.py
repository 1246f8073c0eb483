"""Time at the supplier: a clock that tests can move, and dates without an offset, which are Amsterdam time."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from crossdock.sandbox import VendorClock

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
_SATURDAY = 5


class Clock(VendorClock):
    """The supplier's clock, in whole seconds."""

    def today(self) -> date:
        """The date in Amsterdam."""
        return self.now().astimezone(AMSTERDAM).date()

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
