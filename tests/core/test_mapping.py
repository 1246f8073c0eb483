"""From a vendor's sloppy values to strict ones: every failure names the field, and no time or cent moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossdock import Charge, Discount, Gap, Order, OrderLine, RecordError
from crossdock.mapping import (
    decimal,
    exponent,
    fail,
    maybe_decimal,
    one_of,
    required,
    round_money,
    text,
    total_difference,
    utc,
    with_rounding_line,
)

STOCKHOLM = ZoneInfo("Europe/Stockholm")

# -- numbers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("12.50", "12.50"),
        ("-0.01", "-0.01"),
        (" 7 ", "7"),
        ("1e3", "1E+3"),
        (12, "12"),
        (0.1, "0.1"),
        (19.99, "19.99"),
        (Decimal("5.0"), "5.0"),
        ("", "0"),
        (None, "0"),
    ],
)
def test_numbers_are_read_exactly_and_nothing_is_zero(value, expected):
    assert str(decimal(value, "total")) == expected


@pytest.mark.parametrize(
    "value", ["12,50", "12 kr", "abc", "NaN", "sNaN", "Infinity", "-inf", True, [], {}, float("nan"), float("inf")]
)
def test_what_is_no_number_is_refused_with_its_field(value):
    with pytest.raises(RecordError, match=r"line_items\[2\]\.total") as caught:
        decimal(value, "line_items[2].total")

    assert caught.value.path == "line_items[2].total"


@pytest.mark.parametrize("value", ["1e999999", "1" + "0" * 40, 10**30, 1e300])
def test_a_number_beyond_any_amount_is_refused_before_it_breaks_sums(value):
    with pytest.raises(RecordError, match="plausible"):
        decimal(value, "total")


@given(cents=st.integers(-(10**12), 10**12))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_a_float_of_a_vendor_becomes_the_amount_that_was_meant(cents):
    amount = Decimal(cents) / 100

    assert decimal(float(amount), "total") == amount


@pytest.mark.parametrize("nothing", ["", None])
def test_an_optional_number_may_be_missing(nothing):
    assert maybe_decimal(nothing, "weight") is None


def test_an_optional_number_that_is_zero_stays_zero():
    assert maybe_decimal("0", "weight") == 0


# -- times -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("digits", range(8))
@pytest.mark.parametrize("zone", ["Z", "+00:00", "+02:00", "-0530"])
def test_times_with_up_to_seven_fraction_digits_are_read(digits, zone):
    fraction = "1234567"[:digits]
    shown = f"2026-03-01T12:00:00{'.' if digits else ''}{fraction}{zone}"

    read = utc(shown, "updated")

    offset = {"+02:00": timedelta(hours=2), "-0530": timedelta(hours=-5, minutes=-30)}.get(zone, timedelta(0))
    micros = int(fraction[:6].ljust(6, "0"))
    assert read == datetime(2026, 3, 1, 12, 0, 0, micros, tzinfo=UTC) - offset
    assert read.tzinfo is UTC


@given(at=st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.timezones()))  # noqa: DTZ001
@settings(max_examples=200, deadline=None, derandomize=True)
def test_a_time_written_with_its_offset_is_the_same_moment(at):
    assert utc(at.isoformat(), "updated") == at.astimezone(UTC).replace(tzinfo=UTC) or at.utcoffset().microseconds


@pytest.mark.parametrize("shown", ["2026-03-01T12:00:00", "2026-03-01 12:00:00.1234567", "2026-03-01"])
def test_a_time_without_offset_is_refused_unless_its_zone_is_known(shown):
    with pytest.raises(RecordError, match="updated has no time zone"):
        utc(shown, "updated")

    assert utc(shown, "updated", STOCKHOLM).tzinfo is UTC


def test_a_time_in_a_known_zone_knows_summer_and_winter():
    assert utc("2026-01-15T12:00:00", "at", STOCKHOLM) == datetime(2026, 1, 15, 11, tzinfo=UTC)
    assert utc("2026-07-15T12:00:00", "at", STOCKHOLM) == datetime(2026, 7, 15, 10, tzinfo=UTC)


def test_an_offset_in_the_text_wins_over_the_known_zone():
    assert utc("2026-01-15T12:00:00Z", "at", STOCKHOLM) == datetime(2026, 1, 15, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "nothing", [None, "", "0001-01-01T00:00:00", "0001-01-01T00:00:00Z", "0000-00-00T00:00:00", "0000-00-00 00:00:00"]
)
def test_a_time_that_was_never_set_is_nothing(nothing):
    assert utc(nothing, "paid", STOCKHOLM) is None


@pytest.mark.parametrize(
    "shown",
    ["yesterday", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "12:00", "2026-03-01T12:00:00.x", "1767225600",
     "9999-12-31T23:59:59-10:00"],
)  # fmt: skip
def test_what_is_no_time_is_refused_with_its_field(shown):
    with pytest.raises(RecordError) as caught:
        utc(shown, "date_paid")

    assert caught.value.path == "date_paid"


# -- words -------------------------------------------------------------------------------------------


def test_an_unknown_word_becomes_the_fallback():
    assert one_of({"open": "processing"}, "open", "unknown") == "processing"
    assert one_of({"open": "processing"}, "quantum", "unknown") == "unknown"


@pytest.mark.parametrize("missing", [None, ""])
def test_a_missing_value_is_refused_with_its_field(missing):
    with pytest.raises(RecordError, match="sku is missing"):
        required(missing, "sku")


@pytest.mark.parametrize("present", ["x", 0, False])
def test_a_present_value_is_handed_on(present):
    assert required(present, "sku") == present


@pytest.mark.parametrize(("value", "expected"), [(None, ""), (5, "5"), ("A", "A"), ("", "")])
def test_identifiers_are_text_whatever_they_came_as(value, expected):
    assert text(value) == expected


def test_a_failure_carries_field_record_and_gap():
    with pytest.raises(RecordError) as caught:
        fail("No such SKU.", path="lines[0].sku", key="7", gap=Gap("sku", "MUG"))

    assert (caught.value.path, caught.value.key, caught.value.gap) == ("lines[0].sku", "7", Gap("sku", "MUG"))


# -- totals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("currency", "digits"), [("EUR", 2), ("JPY", 0), ("ISK", 0), ("KWD", 3), ("", 2), ("XYZ", 2)])
def test_the_smallest_unit_follows_the_currency(currency, digits):
    assert exponent(currency) == digits


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        ("1.005", "EUR", "1.01"),
        ("-1.005", "EUR", "-1.01"),
        ("1.004999", "EUR", "1.00"),
        ("10.5", "JPY", "11"),
        ("1.0005", "KWD", "1.001"),
    ],
)
def test_money_is_rounded_to_the_smallest_unit_halves_away_from_zero(amount, currency, expected):
    assert str(round_money(Decimal(amount), currency)) == expected


def order(total: str, *, gross: bool = False, tax: str = "0", currency: str = "EUR", **parts: tuple) -> Order:
    return Order(
        key="1", total=Decimal(total), total_tax=Decimal(tax), prices_include_tax=gross, currency=currency, **parts
    )


LINES = (OrderLine(key="1", total=Decimal("100.00"), tax=Decimal("19.00")),)
SHIPPING = (Charge(kind="shipping", total=Decimal("5.00"), tax=Decimal("0.95")),)


def test_net_parts_and_tax_make_the_total():
    assert total_difference(order("124.95", tax="19.95", lines=LINES, charges=SHIPPING)) == 0


def test_gross_parts_make_the_total_and_tax_is_inside():
    assert total_difference(order("105.00", gross=True, tax="16.76", lines=LINES, charges=SHIPPING)) == 0


@pytest.mark.parametrize("gross", [True, False])
def test_a_discount_that_is_not_in_the_lines_is_taken_off(gross):
    outside = (Discount(amount=Decimal("10.00"), in_lines=False),)
    inside = (Discount(amount=Decimal("10.00")),)

    assert total_difference(order("90.00", gross=gross, lines=LINES, discounts=outside)) == 0
    assert total_difference(order("100.00", gross=gross, lines=LINES, discounts=inside)) == 0


def test_a_fee_may_be_negative():
    fees = (Charge(total=Decimal("-3.00")),)

    assert total_difference(order("97.00", lines=LINES, charges=fees)) == 0


@pytest.mark.parametrize(
    ("total", "currency", "difference"),
    [
        ("100.01", "EUR", "0.01"),
        ("99.98", "EUR", "-0.02"),
        ("100.004", "EUR", "0.00"),
        ("101", "JPY", "1"),
        ("100.4", "JPY", "0"),
        ("100.001", "KWD", "0.001"),
    ],
)
def test_a_difference_is_stated_in_whole_smallest_units(total, currency, difference):
    assert str(total_difference(order(total, currency=currency, lines=LINES))) == difference


AMOUNTS = st.decimals(min_value=-(10**6), max_value=10**6, places=4)


@given(
    total=AMOUNTS, tax=AMOUNTS, lines=st.lists(AMOUNTS, max_size=5), charges=st.lists(AMOUNTS, max_size=3),
    off=st.lists(AMOUNTS, max_size=2), gross=st.booleans(), currency=st.sampled_from(["EUR", "JPY", "KWD"]),
)  # fmt: skip
@settings(max_examples=150, deadline=None, derandomize=True)
def test_a_rounding_line_makes_every_order_balance(total, tax, lines, charges, off, gross, currency):
    stated = order(
        str(total), gross=gross, tax=str(tax), currency=currency,
        lines=tuple(OrderLine(key=str(index), total=amount) for index, amount in enumerate(lines)),
        charges=tuple(Charge(total=amount) for amount in charges),
        discounts=tuple(Discount(amount=amount, in_lines=False) for amount in off),
    )  # fmt: skip

    balanced = with_rounding_line(stated)

    assert total_difference(balanced) == 0
    assert balanced.total == stated.total
    assert with_rounding_line(balanced) == balanced


def test_an_order_that_balances_gets_no_rounding_line():
    balanced = order("100.00", lines=LINES)

    assert with_rounding_line(balanced) is balanced
