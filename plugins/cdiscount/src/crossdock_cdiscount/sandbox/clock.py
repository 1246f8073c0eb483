"""Time at the vendor: a clock that tests can move, and dates as the API writes and reads them."""

from __future__ import annotations

from datetime import UTC, datetime

from crossdock.sandbox import VendorClock


class Clock(VendorClock):
    """The vendor's clock, in whole seconds, which is what its answers show."""


def wire_date(moment: datetime) -> str:
    """ISO 8601 in UTC with a Z (vendor page section 3)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_date(text: str) -> datetime | None:
    """A date of a query as aware UTC; without an offset it is UTC (vendor page section 3). None when it is no date."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).astimezone(UTC)
