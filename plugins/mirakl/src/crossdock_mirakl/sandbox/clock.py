"""Time at the vendor: a clock that tests can move, and dates the way the vendor writes and reads them (section 5)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from crossdock.sandbox import VendorClock
from crossdock_mirakl.sandbox.refusal import Refusal

OPERATOR_ZONE = ZoneInfo("Europe/Paris")


class Clock(VendorClock):
    """The operator's clock, in whole milliseconds."""

    def coarse(self, exact: datetime) -> datetime:
        """Milliseconds."""
        return exact.replace(microsecond=exact.microsecond // 1000 * 1000)


def seconds_date(moment: datetime | None) -> str | None:
    """``2026-03-09T22:58:41Z``: most fields leave the milliseconds out, so a record's date may be before its change."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def exact_date(moment: datetime | None) -> str | None:
    """``2026-03-10T06:20:54.118Z``: some fields have milliseconds, even beside others without."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def end_of_day(moment: datetime, days: int) -> datetime:
    """The last millisecond of the operator's day `days` later: what deadlines are."""
    local = moment.astimezone(OPERATOR_ZONE) + timedelta(days=days)
    return local.replace(hour=23, minute=59, second=59, microsecond=999_000).astimezone(UTC)


def parsed_date(text: str, name: str) -> datetime:
    """A date of a request as aware UTC; without an offset it is UTC. Raises `Refusal` for text that is no date."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refusal(f"Invalid date for the parameter : {name}") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
