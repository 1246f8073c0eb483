"""Values arrive at an isolated connector, and from it, as what they were; rubbish is told from values."""

from __future__ import annotations

import contextlib
import inspect
import io
import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import attrs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossdock import connection, errors, session
from crossdock.errors import CrossdockError, Gap, OutcomeUnknownError, PluginError, RecordError, TransientError
from crossdock.hookspecs import CONNECTOR_HOOKS, ConnectorSpec
from crossdock.isolation import wire
from crossdock.isolation.wire import Pipe, PipeError, pack, pack_error, unpack
from crossdock.records import RECORD_TYPES, Address, Balance, Order, OrderLine, Tax
from crossdock.session import Check, Outcome, Page, Receipt, Since, StatusUpdate, StoredFile, WebhookReply
from crossdock.settings import Secret

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def travelled(value):
    """A value after its way through a frame."""
    return unpack(msgspec.msgpack.decode(msgspec.msgpack.encode(pack(value))))


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary(),
    st.decimals(allow_nan=False, allow_infinity=False), st.datetimes(timezones=st.just(UTC)), st.dates(),
    st.timedeltas(),
)  # fmt: skip
keys = st.one_of(st.text(), st.integers())
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.lists(inner, max_size=4).map(tuple), st.dictionaries(keys, inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=80, deadline=None)
@given(values)
def test_plain_values_keep_their_types(value):
    found = travelled(value)

    assert found == value
    assert type(found) is type(value)


ORDER = Order(
    key="1", total=Decimal("12.50"), placed_at=NOW, shipping_address=Address(name="Zoë 😀"),
    lines=(OrderLine(key="1", sku="A", taxes=(Tax(rate=Decimal("19.0")),), extras={"n": [1, None, {"x": "y"}]}),),
    references={"external": "k"},
)  # fmt: skip
SAMPLES = [
    ORDER, Balance(sku="A", available=Decimal(-3), as_of=NOW), Since("c", NOW, None), Receipt(external_id="7"),
    Outcome(key="k", state="rejected", gap=Gap("sku", "A")), Check(name="x", state="ok", facts={"zones": ["A", "B"]}),
    WebhookReply(status=200, signals=(session.Changed(stream="orders", keys=("1",)),)),
    StoredFile(content=b"\0\1", kept_at=NOW, facts={"etag": "7"}), Secret("hush"),
    connection.Outgoing("GET", "http://x", (("a", "1"), ("a", "2")), {"H": "v"}, b"body"), frozenset({"since"}),
    connection.Rule(status=422, text="sku", verdict="record"), time(12, 30), date(2026, 1, 2), timedelta(seconds=1.5),
    StatusUpdate(key="k", update=ORDER, order=ORDER),
]  # fmt: skip


@pytest.mark.parametrize("value", SAMPLES, ids=lambda value: type(value).__name__)
def test_the_cores_own_values_arrive_as_they_were(value):
    assert travelled(value) == value


def test_everything_that_hooks_take_and_answer_travels():
    travels = {*wire._CLASSES, *wire._STRUCTS, "Session", "ConnectorInfo", "Query"}
    told = " ".join(
        f"{each.return_annotation} {' '.join(str(one.annotation) for one in each.parameters.values())}"
        for each in (inspect.signature(getattr(ConnectorSpec, name)) for name in CONNECTOR_HOOKS)
    )

    names = {name for name in re.findall(r"\b[A-Z]\w+", told) if hasattr(session, name) or hasattr(connection, name)}
    assert names - travels <= {"Any", "Iterable", "Iterator", "Sequence", "Mapping"}
    assert {cls.__name__ for cls in RECORD_TYPES.values()} <= travels


def test_a_page_arrives_whole():
    bad = RecordError("Bad.", key="2", path="total", gap=Gap("sku", "A"), payload=b"\xff")
    page = Page((ORDER, ORDER), "c", (bad,), (b"1", b"\xff"), {"old": 3}, 6, NOW)

    found = travelled(page)

    assert attrs.asdict(attrs.evolve(found, rejects=()), recurse=False) == attrs.asdict(
        attrs.evolve(page, rejects=()), recurse=False
    )
    assert [vars(each) for each in found.rejects] == [vars(bad)]


KINDS = sorted(
    (each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, CrossdockError)),
    key=lambda each: each.__name__,
)


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_arrives_with_its_class_and_fields(kind):
    error = kind("It did not work.", hint="Try again.")

    found = travelled(error)

    assert type(found) is kind
    assert (str(found), vars(found)) == (str(error), vars(error))


def test_times_and_vendors_words_of_an_error_arrive():
    wait = TransientError("Later.", wait=timedelta(minutes=2), status=429, vendor_message="slow down")

    assert vars(travelled(wait)) == vars(wait)
    assert isinstance(travelled(OutcomeUnknownError("?")), OutcomeUnknownError)


def test_an_error_that_is_not_ours_arrives_as_a_builtin_or_with_its_name():
    class Odd(Exception):
        pass

    assert repr(unpack(pack_error(KeyError("x")))) == repr(KeyError("'x'"))
    assert repr(unpack(pack_error(Odd("y")))) == "RuntimeError('Odd: y')"


def test_what_does_not_travel_is_refused_by_name():
    with pytest.raises(PluginError, match=r"A builtins\.object cannot be handed"):
        pack({"a": [object()]})


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_rubbish_is_never_taken_for_more_than_a_frame(rubbish):
    pipe = Pipe(io.BytesIO(rubbish), -1)
    try:
        frame = pipe.read()
    except PipeError:
        return

    assert frame is None or isinstance(frame[0], str)


@settings(max_examples=100, deadline=None)
@given(st.recursive(st.one_of(st.none(), st.text(), st.integers(), st.binary()), lambda inner: st.one_of(
    st.lists(inner, max_size=3),
    st.fixed_dictionaries({"$": st.sampled_from(["page", "error", "decimal", "struct", "tuple", "Receipt", "?"]),
                           "v": inner}),
), max_leaves=8))  # fmt: skip
def test_values_that_nobody_packs_are_refused_and_nothing_worse(value):
    with contextlib.suppress(PipeError):
        unpack(value)


def test_an_error_is_nothing_that_can_be_run():
    for name in ("eval", "SystemExit", "KeyboardInterrupt", "open"):
        assert type(unpack({"$": "fault", "v": [name, "1"]})) is RuntimeError
