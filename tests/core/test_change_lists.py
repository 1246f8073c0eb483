"""`ChangeLists`: an API whose lists by change time all take the same parameters, read without losing a row."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import msgspec
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from crossdock import (
    SPEC_VERSION,
    Budget,
    ByKeys,
    Check,
    ConnectorInfo,
    Endpoint,
    Page,
    PluginError,
    Product,
    RecordError,
    Since,
    TransientError,
    UnsupportedError,
    hookimpl,
)
from crossdock.paging import ChangeLists
from crossdock.sandbox import Sandbox, json_response
from crossdock.testing import Stage, Subject, open_stage

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LISTS = ChangeLists(
    since="from",
    before="to",
    by_time={"order": "time"},
    by_key={"order": "key"},
    keys="ids",
    page_size=5,
    budget="api",
    changed="at",
)


class Thing(msgspec.Struct, rename={"code": "Code", "at": "At"}):
    """A row under other names than on the wire."""

    code: str
    at: str
    count: int


class Shelf(Sandbox):
    """Things, listed by time or by key."""

    name = "shelf"

    def __init__(self) -> None:
        super().__init__()
        self.things: dict[str, dict[str, Any]] = {}
        self.wrapped = False
        self.obeys = True
        self.answered: dict[str, dict[str, Any]] = {}  # what a row is shown as, where that is something else

    def put(self, code: str, at: datetime, count: Any = 1) -> None:
        """Something was put there."""
        self.things[code] = {"Code": code, "At": at.isoformat().replace("+00:00", "Z"), "count": count}

    def routes(self) -> Sequence[BaseRoute]:
        """One list."""
        return [Route("/things", self._list)]

    def settings(self, base_url: str) -> dict[str, str]:
        """Its address."""
        return {"url": base_url}

    def state(self) -> dict[str, Any]:
        """All of it."""
        return self.things

    async def _list(self, request: Request) -> Response:
        asked = request.query_params
        rows = [row for row in self.things.values() if asked.get("from", "") <= row["At"] < asked.get("to", "~")]
        if "ids" in asked and self.obeys:
            rows = [row for row in rows if row["Code"] in asked["ids"].split(",")]
        rows.sort(key=lambda row: row["Code"] if asked.get("order") == "key" else row["At"])
        first = int(asked.get("offset", 0))
        rows = [self.answered.get(row["Code"], row) for row in rows]
        part = rows[first : first + int(asked["limit"])]
        return json_response({"things": part} if self.wrapped else part, headers={"X-Total-Count": str(len(rows))})


@attrs.frozen
class Settings:
    """Where the shelf is."""

    url: str


INFO = ConnectorInfo(
    name="shelf", title="Shelf", spec=SPEC_VERSION, settings=Settings, sandbox=f"{__name__}:Shelf",
    endpoint=lambda settings: Endpoint(base_url=settings.url),
    budgets=(Budget(name="api", calls=10, per=timedelta(seconds=1)),),
)  # fmt: skip


@hookimpl
def connector_info() -> ConnectorInfo:
    """What it is."""
    return INFO


def to_product(row: Thing) -> Product:
    """The record."""
    return Product(key=row.code, name=str(row.count))


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A shelf, and a session to it."""
    with open_stage(Subject.of(sys.modules[__name__], "shelf")) as made:
        yield made


@pytest.fixture
def shelf(stage: Stage) -> Shelf:
    """The shelf itself."""
    assert isinstance(stage.sandbox, Shelf)
    return stage.sandbox


def read(stage: Stage, query: Since | ByKeys, lists: ChangeLists = LISTS) -> list[Page[Product]]:
    """All pages."""
    return list(lists.pages(stage.session, query, "things", Thing, to_product, key="code"))


def keys(pages: list[Page[Product]]) -> list[str]:
    """The keys of all records."""
    return sorted(record.key for page in pages for record in page.records)


def test_what_changed_is_read_over_many_pages_and_ties(stage, shelf):
    for number in range(23):
        shelf.put(f"t{number:02}", NOON + timedelta(minutes=number // 8))

    pages = read(stage, Since(None))

    assert keys(pages) == sorted(shelf.things)
    assert len(pages) > 4
    assert sum(page.seen or 0 for page in pages) == sum(len(page.records) for page in pages)


def test_the_next_run_goes_on_from_the_cursor(stage, shelf):
    for number in range(12):
        shelf.put(f"t{number:02}", NOON + timedelta(hours=number))
    cursor = read(stage, Since(None))[-1].cursor
    shelf.put("t03", NOON + timedelta(hours=20), count=2)
    shelf.requests.clear()

    (page,) = read(stage, Since(cursor))

    assert {record.key for record in page.records} == {"t03", "t11"}  # t11 is in the overlap
    assert len(shelf.requests) == 1


def test_rows_are_read_by_their_keys_in_pieces_that_fit_a_page(stage, shelf):
    for number in range(9):
        shelf.put(f"t{number}", NOON)

    pages = read(stage, ByKeys((*(f"t{number}" for number in range(1, 8)), "gone")))

    assert keys(pages) == [f"t{number}" for number in range(1, 8)]
    assert [page.cursor for page in pages] == [None, None]


def test_rows_that_nobody_asked_for_are_refused(stage, shelf):
    shelf.obeys = False
    shelf.put("t1", NOON)
    shelf.put("t2", NOON)

    with pytest.raises(PluginError, match="1 rows that nobody asked for"):
        read(stage, ByKeys(("t1",)))


@pytest.mark.parametrize("query", [Since(None), ByKeys(("bad", "good"))])
def test_a_row_that_does_not_fit_is_a_reject_under_its_own_key(query, stage, shelf):
    shelf.put("good", NOON)
    shelf.put("bad", NOON, count="many")

    pages = read(stage, query)

    assert keys(pages) == ["good"]
    assert [(error.key, error.path) for page in pages for error in page.rejects] == [("bad", "count")]


def test_a_row_without_a_change_time_is_named_all_the_same(stage, shelf):
    shelf.put("good", NOON)
    shelf.put("bad", NOON)
    shelf.answered = {"bad": {"Code": "bad", "count": 1}}

    pages = read(stage, Since(None))

    assert [error.key for page in pages for error in page.rejects] == ["bad"]


def test_rows_may_be_a_field_of_the_answer(stage, shelf):
    shelf.wrapped = True
    for number in range(12):
        shelf.put(f"t{number:02}", NOON + timedelta(minutes=number))

    assert keys(read(stage, Since(None), attrs.evolve(LISTS, rows="things"))) == sorted(shelf.things)


def test_an_answer_without_that_field_is_no_empty_list(stage, shelf):
    with pytest.raises((RecordError, TransientError)):
        read(stage, Since(None), attrs.evolve(LISTS, rows="things"))


def test_lists_that_cannot_be_asked_by_key_say_so(stage):
    with pytest.raises(UnsupportedError, match="cannot be asked by key"):
        read(stage, ByKeys(("t1",)), attrs.evolve(LISTS, keys=""))


def test_a_finer_clock_is_asked_in_its_own_ticks(stage, shelf):
    shelf.put("t1", NOON)
    fine = attrs.evolve(LISTS, granularity=timedelta(milliseconds=1), overlap=timedelta(0))
    cursor = read(stage, Since(None), fine)[-1].cursor
    shelf.requests.clear()

    read(stage, Since(cursor), fine)

    assert "from=2026-03-01T12%3A00%3A00.000000Z" in shelf.requests[0]["query"]


def test_a_list_that_can_be_read_is_a_green_step_that_counts(stage, shelf):
    shelf.put("t1", NOON)

    assert LISTS.check(stage.session, "things") == Check(name="Things", state="ok", detail="1 in all")


def test_a_row_class_without_key_or_change_time_is_said_to_be_one(stage):
    with pytest.raises(PluginError, match="Thing has no field 'id'"):
        list(LISTS.pages(stage.session, Since(None), "things", Thing, to_product))
