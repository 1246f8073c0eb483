"""Time at the vendor: a clock that tests can move, and dates the way the vendor writes and reads them (section 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from crossdock_mirakl.sandbox.refusal import Refusal

OPERATOR_ZONE = ZoneInfo("Europe/Paris")


class Clock:
    """The operator's clock: aware UTC in whole milliseconds."""

    def __init__(self, source: Callable[[], datetime] | None = None) -> None:
        self._source = source or (lambda: datetime.now(UTC))
        self._ahead = timedelta()
        self._held: datetime | None = None

    def now(self) -> datetime:
        """The moment now, in UTC."""
        exact = self._held if self._held is not None else self._source().astimezone(UTC) + self._ahead
        return exact.replace(microsecond=exact.microsecond // 1000 * 1000)

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
