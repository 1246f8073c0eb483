"""The canonical records: what they refuse, what counts as a change, and what the store gives back."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossdock import Address, Balance, Charge, Order, OrderLine, Price, Product, Shipment, Tax
from crossdock.records import RECORD_TYPES, STREAMS, evolve, fingerprint, from_document, to_document

AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=4)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
TIMES = st.datetimes(
    datetime(1970, 1, 2),  # noqa: DTZ001
    datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5.5))]),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=4,
)


def of_type(annotation: Any) -> st.SearchStrategy[Any]:
    """A strategy for a field's annotation."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (types.UnionType, typing.Union):
        return st.one_of(*map(of_type, arguments))
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        return st.lists(of_type(arguments[0]), max_size=2).map(tuple)
    if origin is Mapping:
        return st.dictionaries(TEXTS, TEXTS if arguments[1] is str else JSON, max_size=2)
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return of_class(annotation)
    return {str: TEXTS, Decimal: AMOUNTS, datetime: TIMES, bool: st.booleans(), type(None): st.none()}[annotation]


def of_class(cls: type[Any]) -> st.SearchStrategy[Any]:
    """A strategy for all fields of a record class."""
    hints = typing.get_type_hints(cls)
    return st.builds(cls, **{name: of_type(hints[name]) for name in cls.__struct_fields__})


def mark(record: Any) -> str:
    return fingerprint(record, to_document(record))


quick = settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
classes = pytest.mark.parametrize("cls", RECORD_TYPES.values(), ids=lambda cls: cls.__name__)


@classes
@quick
@given(data=st.data())
def test_a_record_survives_the_way_to_the_store_and_back(cls, data):
    record = data.draw(of_class(cls))

    assert from_document(cls.stream, to_document(record)) == record


@classes
@quick
@given(data=st.data())
def test_a_document_is_the_same_each_time_it_is_written(cls, data):
    record = data.draw(of_class(cls))

    assert to_document(from_document(cls.stream, to_document(record))) == to_document(record)


@classes
@quick
@given(data=st.data())
def test_a_touch_without_content_is_no_change(cls, data):
    record = data.draw(of_class(cls))
    hints = typing.get_type_hints(cls)
    touched = evolve(record, **{name: data.draw(of_type(hints[name])) for name in cls.volatile})

    assert mark(touched) == mark(record)


@classes
@quick
@given(data=st.data())
def test_any_other_difference_is_a_change(cls, data):
    record = data.draw(of_class(cls))
    name = data.draw(st.sampled_from([name for name in cls.__struct_fields__ if name not in cls.volatile]))
    values = of_type(typing.get_type_hints(cls)[name]).filter(lambda value: value != getattr(record, name))
    other = evolve(record, **{name: data.draw(values)})

    assert mark(other) != mark(record)


@quick
@given(values=st.dictionaries(TEXTS, JSON, min_size=2, max_size=4))
def test_the_order_of_a_vendors_fields_is_no_change(values):
    backwards = dict(reversed(values.items()))

    assert mark(Order(key="1", extras=values)) == mark(Order(key="1", extras=backwards))


@pytest.mark.parametrize("planted", ['"updated_at":', ',"updated_at":null}', ',"as_of":'])
def test_a_text_that_looks_like_a_volatile_field_does_not_hide_content(planted):
    one = Order(key="1", note=planted, extras={"updated_at": "x", "a": 1})
    other = Order(key="1", note=planted, extras={"updated_at": "x", "a": 2})
    stock = Balance(sku=planted, available=Decimal(1)), Balance(sku=planted, available=Decimal(2))

    assert mark(one) != mark(other)
    assert mark(stock[0]) != mark(stock[1])


@classes
def test_volatile_fields_are_times_and_come_last(cls):
    hints = typing.get_type_hints(cls)

    assert cls.__struct_fields__[-len(cls.volatile) :] == cls.volatile
    assert {hints[name] for name in cls.volatile} == {datetime | None}


# -- refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("amount", [1.5, 1, "1.50", True, None])
def test_an_amount_that_is_no_decimal_is_refused(amount):
    with pytest.raises(TypeError, match="total must be a Decimal"):
        OrderLine(key="1", total=amount)


@pytest.mark.parametrize("amount", [Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("-Infinity")])
def test_an_amount_that_is_not_finite_is_refused(amount):
    with pytest.raises(ValueError, match="total must be a finite amount"):
        Order(key="1", total=amount)


def test_an_amount_that_may_be_unknown_is_checked_too():
    assert Tax().rate is None
    with pytest.raises(TypeError, match="rate must be a Decimal"):
        Tax(rate=19.0)
    with pytest.raises(ValueError, match="finite"):
        Tax(rate=Decimal("NaN"))


def parts_of(cls: type[Any]) -> Iterator[type[Any]]:
    """The record class and all classes of which its fields are made."""
    yield cls
    for annotation in typing.get_type_hints(cls).values():
        for inner in (annotation, *typing.get_args(annotation)):
            if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
                yield from parts_of(inner)


@pytest.mark.parametrize(
    "cls", dict.fromkeys(part for cls in RECORD_TYPES.values() for part in parts_of(cls)), ids=lambda cls: cls.__name__
)
def test_every_amount_and_every_time_of_a_class_is_checked(cls):
    hints = typing.get_type_hints(cls)
    needed = dict.fromkeys((field.name for field in msgspec.structs.fields(cls) if field.required), "x")
    for name in cls.__struct_fields__:
        accepted = {*typing.get_args(hints[name]), hints[name]}
        if Decimal in accepted:
            with pytest.raises(TypeError, match=f"{name} must be a Decimal"):
                cls(**needed, **{name: 1.5})
        elif datetime in accepted:
            with pytest.raises(ValueError, match=f"{name} has no time zone"):
                cls(**needed, **{name: datetime(2026, 3, 1)})  # noqa: DTZ001


def test_a_time_without_zone_is_refused():
    with pytest.raises(ValueError, match="no time zone"):
        Order(key="1", placed_at=datetime(2026, 3, 1, 12))  # noqa: DTZ001


@pytest.mark.parametrize("moment", ["2026-03-01T12:00:00Z", 1767225600, 1.5])
def test_a_time_that_is_no_datetime_is_refused(moment):
    with pytest.raises(TypeError, match="updated_at must be a datetime"):
        Order(key="1", updated_at=moment)


def test_a_time_is_kept_in_utc():
    order = Order(key="1", placed_at=datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2))))

    assert order.placed_at == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert order.placed_at.tzinfo is UTC


def test_evolving_a_record_checks_again():
    with pytest.raises(TypeError, match="total must be a Decimal"):
        evolve(Order(key="1"), total=1.5)


def test_records_are_frozen_and_have_no_room_for_other_fields():
    order = Order(key="1")

    with pytest.raises(AttributeError):
        order.key = "2"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        order.other = 1  # type: ignore[attr-defined]


def test_fields_are_given_by_name():
    with pytest.raises(TypeError):
        Order("1")  # type: ignore[misc]
    with pytest.raises(TypeError, match="key"):
        Order()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="colour"):
        Order(key="1", colour="red")  # type: ignore[call-arg]


def test_records_do_not_share_their_extras():
    assert Order(key="1").extras is not Order(key="2").extras


def test_equal_records_are_equal_and_shown_with_their_class():
    assert Address(city="Bern") == Address(city="Bern") != Address(city="Basel")
    assert repr(Charge(total=Decimal("1.50"))).startswith("Charge(")


# -- documents ---------------------------------------------------------------------------------------


def test_a_document_writes_amounts_as_text_and_times_with_z():
    plain = msgspec.json.decode(
        to_document(Order(key="1", total=Decimal("10.50"), placed_at=datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC)))
    )

    assert plain["total"] == "10.50"
    assert plain["placed_at"] == "2026-03-01T12:00:00.000005Z"


@pytest.mark.parametrize("amount", ["0.10", "1E+2", "-0", "0.000000000000000001", "12345678901234567890.123456789"])
def test_an_amount_keeps_every_digit(amount):
    stored = from_document("orders", to_document(Order(key="1", total=Decimal(amount))))

    assert stored.total.as_tuple() == Decimal(amount).as_tuple()


def test_a_document_of_an_older_release_without_newer_fields_can_be_read():
    assert from_document("orders", b'{"key":"7","total":"1.00"}') == Order(key="7", total=Decimal("1.00"))


def test_a_document_of_a_newer_release_with_more_fields_can_be_read():
    assert from_document("orders", b'{"key":"7","mood":"good"}') == Order(key="7")


# -- keys --------------------------------------------------------------------------------------------


def test_streams_are_named_by_their_record_classes():
    assert STREAMS == ("orders", "products", "prices", "balance", "shipments", "customers")


def test_a_price_is_one_price_by_sku_list_customer_currency_and_tier():
    base = Price(sku="A", amount=Decimal(1), currency="EUR")
    others = [
        evolve(base, sku="B"), evolve(base, price_list="vip"), evolve(base, customer="7"),
        evolve(base, currency="SEK"), evolve(base, from_quantity=Decimal(10)),
    ]  # fmt: skip

    assert len({base.key, *(other.key for other in others)}) == 6
    assert evolve(base, amount=Decimal(2)).key == base.key


@pytest.mark.parametrize("tier", ["10", "1E+1", "10.00"])
def test_a_price_tier_has_one_key_however_its_number_is_written(tier):
    assert Price(sku="A", from_quantity=Decimal(tier)).key == Price(sku="A", from_quantity=Decimal(10)).key


def test_a_balance_is_one_balance_by_sku_and_warehouse():
    assert Balance(sku="A").key == "A"
    assert Balance(sku="A", warehouse="north").key == "A@north"


def test_a_person_knows_records_by_number_sku_or_order():
    assert Order(key="7", number="WC-7").ref == "WC-7"
    assert Order(key="7").ref == "7"
    assert Product(key="7", sku="MUG").ref == "MUG"
    assert Shipment(key="7", order_key="9").ref == "9"
