"""Time at the vendor: a clock that tests can move, and dates as the API writes and reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta


class Clock:
    """The vendor's clock: aware UTC in whole seconds, which is what its answers show."""

    def __init__(self, source: Callable[[], datetime] | None = None) -> None:
        self._source = source or (lambda: datetime.now(UTC))
        self._ahead = timedelta()
        self._held: datetime | None = None

    def now(self) -> datetime:
        """The moment now, in UTC."""
        exact = self._held if self._held is not None else self._source().astimezone(UTC) + self._ahead
        return exact.replace(microsecond=0)

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
