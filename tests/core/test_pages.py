"""Pages of records: what becomes of rows that cannot be read."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from crossdock import Row, Session
from crossdock.http.answer import decode_row


class Article(msgspec.Struct):
    """A row whose key is not called id."""

    number: str
    count: int


class Label(msgspec.Struct):
    """What it is called, also one that is odd otherwise."""

    number: str


SKETCH = msgspec.json.Decoder(Label)


@pytest.fixture
def session() -> Session[Any]:
    nothing: Any = SimpleNamespace()
    return Session(connection="shop", settings=nothing, http=nothing, clock=nothing, log=nothing, memory=nothing)


def row(raw: bytes) -> Row[Article]:
    return decode_row(raw, msgspec.json.Decoder(Article))


def test_a_row_that_does_not_fit_is_named_by_what_its_sketch_shows(session):
    rows = [row(b'{"number": "A-1", "count": "many"}'), row(b'{"number": "A-2", "count": 2}')]

    page = session.page(rows, lambda each: each, identify=lambda each: each.number, sketch=SKETCH)

    assert [(reject.key, reject.path) for reject in page.rejects] == [("A-1", "count")]
    assert [record.number for record in page.records] == ["A-2"]


@pytest.mark.parametrize("raw", [b'{"count": "many"}', b"7"])
def test_a_row_that_has_no_key_at_all_is_a_reject_like_any_other(session, raw):
    page = session.page([row(raw)], lambda each: each, identify=lambda each: each.number, sketch=SKETCH)

    assert page.rejects[0].key.startswith("unnamed-")
    assert page.rejects[0].payload == raw


def test_without_a_sketch_a_row_is_named_by_its_id(session):
    page = session.page([row(b'{"id": 7}')], lambda each: each, identify=lambda each: each.number)

    assert page.rejects[0].key == "7"
