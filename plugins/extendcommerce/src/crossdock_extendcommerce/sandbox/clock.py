"""Time at the vendor: a clock that tests can move, and dates the way the vendor writes and reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from zlib import crc32
from zoneinfo import ZoneInfo

from crossdock.sandbox import VendorClock
from crossdock_extendcommerce.sandbox.refusal import Refusal

STOCKHOLM = ZoneInfo("Europe/Stockholm")

# Fraction digits seen live run from none to seven (vendor page section 5); zeros are padded, the moment stays exact.
_DIGITS = (0, 0, 3, 0, 7, 0, 2, 1)


class Clock(VendorClock):
    """The vendor's clock, with the precision of an SQL Server ``datetime`` (1/300 s)."""

    def coarse(self, exact: datetime) -> datetime:
        """Rounded as the vendor's database rounds (…0, …3, …7 milliseconds)."""
        milliseconds = round(round(exact.microsecond * 300 / 1_000_000) * 1000 / 300)
        return exact.replace(microsecond=0) + timedelta(milliseconds=milliseconds)


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
