"""Pure helpers between a vendor's payload and the records: every failure names the field.

They are strict where money or time is concerned and lenient where vendors are sloppy: `""` and `None` are "nothing",
numbers may come as text. None of them does I/O or reads a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, NoReturn, TypeVar

from crossdock.errors import Gap, RecordError
from crossdock.records import ZERO, Charge, Order, evolve

T = TypeVar("T")

# ISO 4217: currencies whose smallest unit is not a hundredth.
_EXPONENTS = {
    **dict.fromkeys(
        (
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ),
        0,
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
}


def fail(message: str, *, path: str = "", key: str = "", gap: Gap | None = None) -> NoReturn:
    """Raise a `RecordError` for the field at `path`."""
    raise RecordError(message, path=path, key=key, gap=gap)


_LARGEST = 20  # digits before the point: beyond that sums and roundings fail, and no shop has such an amount
_SMALLEST = -100  # zeros after the point: 1E-999999999 is short to write and a gigabyte to print


def decimal(value: object, path: str) -> Decimal:
    """A number or numeric text as `Decimal`; "nothing" is 0; a float goes through its shortest text.

    What is not finite, or has more than 20 digits before the point or 100 after it, is refused.
    """
    if value.__class__ is str:
        if not value:
            return ZERO
        try:
            parsed = Decimal(value)
        except InvalidOperation:
            fail(f"{path} is not a number: {value!r}.", path=path)
    elif value.__class__ is Decimal:
        parsed = value
    elif value is None:
        return ZERO
    elif isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        fail(f"{path} is not a number: {value!r}.", path=path)
    else:
        parsed = Decimal(str(value))
    if not parsed.is_finite():
        fail(f"{path} is not a finite number: {value!r}.", path=path)
    if not _SMALLEST < parsed.adjusted() < _LARGEST:
        fail(f"{path} is no plausible number: {value!r}.", path=path)
    return parsed


def maybe_decimal(value: object, path: str) -> Decimal | None:
    """Like `decimal`, but "nothing" stays `None`."""
    return None if value is None or value == "" else decimal(value, path)


_NEVER = ("0000-", "0001-")


def utc(value: str | None, path: str, zone: tzinfo | None = None) -> datetime | None:
    """An ISO 8601 text as aware UTC time. Without an offset it is read in `zone`; without `zone` it is refused.

    More than six fraction digits are cut (Extend Commerce sends up to seven). The years 0 and 1 are "nothing": that is
    how databases and .NET write a time that was never set.
    """
    if not value or value.startswith(_NEVER):
        return None
    text = value
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        head, dot, tail = text.partition(".")
        digits = len(tail) - len(tail.lstrip("0123456789"))
        try:
            parsed = datetime.fromisoformat(f"{head}.{tail[:digits][:6].ljust(6, '0')}{tail[digits:]}" if dot else text)
        except ValueError:
            fail(f"{path} is not a time: {value!r}.", path=path)
    if parsed.tzinfo is None:
        if zone is None:
            fail(f"{path} has no time zone: {value!r}.", path=path)
        parsed = parsed.replace(tzinfo=zone)
    try:
        return parsed.astimezone(UTC)
    except OverflowError:
        fail(f"{path} is no plausible time: {value!r}.", path=path)


def one_of(table: Mapping[str, T], word: str, otherwise: T) -> T:
    """The normalised value for a vendor's word; an unknown word never crashes and becomes `otherwise`."""
    return table.get(word, otherwise)


def required(value: T | None, path: str) -> T:
    """`value`, refused when it is missing or empty."""
    if value is None or value == "":
        fail(f"{path} is missing.", path=path)
    return value


def exponent(currency: str) -> int:
    """How many decimals the smallest unit of `currency` has (ISO 4217)."""
    return _EXPONENTS.get(currency, 2)


def round_money(value: Decimal, currency: str) -> Decimal:
    """`value` in whole minor units of `currency`, halves away from zero."""
    return value.quantize(Decimal(1).scaleb(-exponent(currency)), ROUND_HALF_UP)


def total_difference(order: Order) -> Decimal:
    """Stated total minus what the parts add up to, in the order's tax mode, in whole minor units.

    Zero when the document balances. WooCommerce with "round tax at subtotal level" is off by a cent in every second
    order (WooCommerce page section 4, measured), so a difference is no reason to refuse an order.
    """
    return round_money(_difference(order), order.currency)


def _difference(order: Order) -> Decimal:
    parts = sum((line.total for line in order.lines), ZERO) + sum((charge.total for charge in order.charges), ZERO)
    if not order.prices_include_tax:
        parts += order.total_tax
    parts -= sum((each.amount for each in order.discounts if not each.in_lines), ZERO)
    return order.total - parts


def with_rounding_line(order: Order) -> Order:
    """The order with its difference as one explicit rounding charge, so that it balances; unchanged if it does.

    The charge is the exact difference: half a minor unit, rounded, would leave another half.
    """
    if not total_difference(order):
        return order
    charge = Charge(key="rounding", kind="rounding", name="Rounding", total=_difference(order))
    return evolve(order, charges=(*order.charges, charge))


def text(value: Any) -> str:
    """Any scalar as text, "nothing" as empty text; identifiers stay text whatever JSON type they came in."""
    return "" if value is None else str(value)
