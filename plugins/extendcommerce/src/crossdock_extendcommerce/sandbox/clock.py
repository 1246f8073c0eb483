"""Time at the vendor: a clock that tests can move, and dates the way the vendor writes and reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from zlib import crc32
from zoneinfo import ZoneInfo

from crossdock_extendcommerce.sandbox.refusal import Refusal

STOCKHOLM = ZoneInfo("Europe/Stockholm")

# Fraction digits seen live run from none to seven (vendor page section 5); zeros are padded, the moment stays exact.
_DIGITS = (0, 0, 3, 0, 7, 0, 2, 1)


class Clock:
    """The vendor's clock: aware UTC with the precision of an SQL Server ``datetime`` (1/300 s)."""

    def __init__(self, source: Callable[[], datetime] | None = None) -> None:
        self._source = source or (lambda: datetime.now(UTC))
        self._ahead = timedelta()
        self._held: datetime | None = None

    def now(self) -> datetime:
        """The moment now, in UTC, rounded as the vendor's database rounds (…0, …3, …7 milliseconds)."""
        exact = self._held if self._held is not None else self._source().astimezone(UTC) + self._ahead
        milliseconds = round(round(exact.microsecond * 300 / 1_000_000) * 1000 / 300)
        return exact.replace(microsecond=0) + timedelta(milliseconds=milliseconds)

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


def wire_date(moment: datetime, key: str = "", *, offset: bool = True) -> str:
    """`moment` in Swedish local time, with as many fraction digits as `key` happens to give.

    With ``offset=False`` the offset is left out, as some of the vendor's fields do (vendor page section 5).
    """
    local = moment.astimezone(STOCKHOLM)
    text = local.isoformat(timespec="seconds")
    fraction = f"{local.microsecond:06d}".rstrip("0") if local.microsecond else ""
    if key:
        fraction = fraction.ljust(_DIGITS[crc32(key.encode()) % len(_DIGITS)], "0")
    return f"{text[:19]}{'.' if fraction else ''}{fraction}{text[19:] if offset else ''}"


def query_date(text: str) -> datetime:
    """A date of a query as aware UTC; without an offset it is UTC (vendor page section 5).

    Raises `Refusal` for text that is no date, which includes an offset whose ``+`` was not escaped.
    """
    return _parse(text, UTC)


def body_date(value: object) -> datetime:
    """A date of a request body as aware UTC; without an offset it is Swedish local time. Raises `Refusal`."""
    return _parse(value if isinstance(value, str) else "", STOCKHOLM)


def _parse(text: str, zone: tzinfo) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refusal("The request is invalid.") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return moment.astimezone(UTC)
