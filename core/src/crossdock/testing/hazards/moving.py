"""Hazards of lists that change while they are read, and of clocks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from crossdock.sandbox import Impossible, NotRehearsed
from crossdock.testing.hazards.hazard import Finding, NotApplicable, content, demand_rows, hazard, reads, several
from crossdock.testing.stage import Haul, Stage

_TURNS = 8
_TURN = timedelta(seconds=20)


def _together(*hauls: Haul) -> dict[str, Any]:
    """Records of several reads by key, those of later reads over those of earlier ones."""
    return {key: record for haul in hauls for key, record in haul.records.items()}


def _demand_newest(stage: Stage, records: Mapping[str, Any]) -> None:
    """Refuse records that lack a row, are of no row, or are older than the row is now, as a quiet read shows it."""
    demand_rows(stage.rehearsal.expected(stage.stream), records, " in this run and the next")
    quiet = stage.read().records
    stale = [key for key, record in quiet.items() if key in records and content(record) != content(records[key])]
    if stale:
        raise Finding(f"{len(stale)} rows were handed out as they were, and not again when changed: {several(stale)}.")


def _time_passes(stage: Stage) -> None:
    """A read takes its time: what happens in it happens at different moments."""
    with contextlib.suppress(NotRehearsed, Impossible):
        stage.rehearsal.set_clock(stage.rehearsal.now() + _TURN)
        stage.clock.set(stage.clock.now() + _TURN)


def _demand_pages(stage: Stage, answers: int) -> None:
    """Say so when nothing could happen between two answers, because there was one."""
    if stage.stream in stage.rehearsal.whole:
        raise NotApplicable("The whole stream comes in one answer, so nothing can move between two.")
    if answers < 2:
        rows, name = stage.rehearsal.rows, type(stage.rehearsal).__name__
        raise NotRehearsed(f"All {rows} rows came in one answer: {name} needs more `rows`, or names a `whole` stream.")


def _busy(stage: Stage, act: Callable[[list[str], int], None]) -> None:
    """Read while `act` (with all keys, oldest first, and 0, 1, …) happens after each answer; nothing may be lost."""
    keys = stage.add(stage.many)
    ever = set(stage.rehearsal.expected(stage.stream))

    def happens(turn: int) -> None:
        act(keys, turn)
        _time_passes(stage)
        ever.update(stage.rehearsal.expected(stage.stream))

    asked = len(stage.requests("GET"))
    with stage.between(happens, _TURNS):
        first = stage.read()
    _demand_pages(stage, len(stage.requests("GET")) - asked)
    _time_passes(stage)
    records = _together(first, stage.read(first.cursor))
    _demand_newest(stage, records)
    if invented := records.keys() - ever:
        raise Finding(f"{len(invented)} records are of no row that ever was there: {several(invented)}.")


@hazard(
    "rows-edited-between-pages", "bronze",
    "An order that is edited while a list is read moves in it, and an order that nobody touched is never fetched.",
    reads, each_stream=True,
)  # fmt: skip
def rows_edited(stage: Stage) -> None:
    """Edit a row that was read and one that was not, after each answer."""

    def act(keys: list[str], turn: int) -> None:
        stage.rehearsal.edit(stage.stream, keys[turn])
        stage.rehearsal.edit(stage.stream, keys[-1 - turn])

    _busy(stage, act)


@hazard(
    "rows-removed-between-pages", "bronze",
    "An order that is deleted while a list is read lets all others move up, and one of them is never fetched.",
    reads, each_stream=True,
)  # fmt: skip
def rows_removed(stage: Stage) -> None:
    """Delete rows that were read, after each answer."""
    _busy(stage, lambda keys, turn: stage.rehearsal.remove(stage.stream, keys[turn]))


@hazard(
    "rows-added-between-pages", "bronze",
    "An order that is placed while the list is read is in neither this run nor the next.",
    reads, each_stream=True,
)  # fmt: skip
def rows_added(stage: Stage) -> None:
    """Add rows after each answer."""
    _busy(stage, lambda keys, turn: _add_now(stage))


def _add_now(stage: Stage) -> None:
    stage.add_at([stage.rehearsal.now()])


def _tick(stage: Stage, moment: datetime) -> datetime:
    """The beginning of the vendor's tick that `moment` is in."""
    info = stage.info.streams.get(stage.stream)
    granularity = info.granularity if info else timedelta(seconds=1)
    beginning = datetime(1970, 1, 1, tzinfo=UTC)
    return moment - (moment - beginning) % granularity


@hazard(
    "many-rows-of-one-moment", "bronze",
    "An import gives hundreds of orders the same second, and those that do not fit the page are never fetched.",
    reads, each_stream=True,
)  # fmt: skip
def one_moment(stage: Stage) -> None:
    """More rows of one tick than fit two pages, between rows of other ticks."""
    moment = _tick(stage, stage.rehearsal.now() - timedelta(hours=1))
    before = [moment - timedelta(seconds=5 * index) for index in range(30, 0, -1)]
    after = [moment + timedelta(seconds=5 * index) for index in range(1, 31)]
    stage.add_at([*before, *[moment] * stage.many, *after])
    first = stage.read()
    demand_rows(stage.rehearsal.expected(stage.stream), _together(first))


@hazard(
    "same-moment-as-the-last-row", "bronze",
    "An order is placed in the very second in which the last run ended, and the next run starts after that second.",
    reads, each_stream=True,
)  # fmt: skip
def same_moment(stage: Stage) -> None:
    """A row that comes into the tick of the last one, after it was read."""
    moment = _tick(stage, stage.rehearsal.now() - timedelta(minutes=1))
    stage.add_at([moment - timedelta(minutes=5), moment])
    first = stage.read()
    stage.add_at([moment])
    demand_rows(stage.rehearsal.expected(stage.stream), _together(first, stage.read(first.cursor)), " in two runs")


@hazard(
    "committed-late", "silver",
    "A shop dates an order when its transaction begins and shows it when it ends: it appears behind the bookmark.",
    reads, each_stream=True,
)  # fmt: skip
def committed_late(stage: Stage) -> None:
    """A row that shows up with a change time twenty seconds before the newest one that was read."""
    now = stage.rehearsal.now()
    stage.add_at([now - timedelta(minutes=5), now])
    first = stage.read()
    stage.add_at([now - timedelta(seconds=20)])
    demand_rows(stage.rehearsal.expected(stage.stream), _together(first, stage.read(first.cursor)), " in two runs")


@hazard(
    "restart-from-any-page", "bronze",
    "A process is killed in the middle of a run, and the next one starts behind rows that were never kept.",
    reads, each_stream=True,
)  # fmt: skip
def restart(stage: Stage) -> None:
    """Stop after each page and go on from its cursor: together that must be everything."""
    stage.add(stage.many)
    expected = stage.rehearsal.expected(stage.stream)
    straight = stage.read()
    demand_rows(expected, _together(straight))
    if straight.cursor is None:
        raise Finding("No page has a cursor, so each run reads everything from the beginning.")
    for pages in range(1, len(straight.pages)):
        begun = stage.read(at_most=pages)
        when = f" when the run is stopped after page {pages} and goes on from its cursor"
        demand_rows(expected, _together(begun, stage.read(begun.cursor)), when)


@hazard(
    "quiet-second-run", "silver",
    "Each run reads the whole shop again: hours of work, and a vendor who blocks the account.",
    reads, each_stream=True,
)  # fmt: skip
def quiet(stage: Stage) -> None:
    """A second run over a system in which nothing happens must ask less than the first."""
    stage.add(stage.many)
    asked = _asked(stage)
    first = stage.read()
    begun = _asked(stage)
    second = stage.read(first.cursor)
    _demand_pages(stage, begun - asked)
    if _asked(stage) - begun >= begun - asked and len(second.records) >= len(first.records):
        raise Finding(f"The second run made as many requests as the first and read {len(second.records)} rows again.")


def _asked(stage: Stage) -> int:
    """How many requests there were so far, logins excepted: the first run may need one that the second does not."""
    grant = stage.info.endpoint(stage.session.settings).token
    login = urlsplit(grant.url).path if grant else None
    return sum(each["path"] != login for each in stage.requests())


def _shifted(stage: Stage, difference: timedelta) -> None:
    stage.rehearsal.set_clock(stage.clock.now() + difference)
    now = stage.rehearsal.now()
    stage.add_at([now - timedelta(minutes=10), now - timedelta(seconds=5)])
    hauls = [stage.read()]
    for _ in range(2):
        _add_now(stage)
        hauls.append(stage.read(hauls[-1].cursor))
    _add_now(stage)
    hauls.append(stage.read(hauls[-1].cursor))
    demand_rows(stage.rehearsal.expected(stage.stream), _together(*hauls), " in four runs")


@hazard(
    "remote-clock-behind", "silver",
    "The shop's clock is slow and ours is the bookmark: what is sold in the difference is never fetched.",
    reads, each_stream=True,
)  # fmt: skip
def clock_behind(stage: Stage) -> None:
    """Rows that are added between runs while the system's clock is forty minutes behind."""
    _shifted(stage, -timedelta(minutes=40))


@hazard(
    "remote-clock-ahead", "silver",
    "The shop's clock is fast and our clock is the upper bound: new orders stay invisible, or are passed over.",
    reads, each_stream=True,
)  # fmt: skip
def clock_ahead(stage: Stage) -> None:
    """Rows that are added between runs while the system's clock is forty minutes ahead."""
    _shifted(stage, timedelta(minutes=40))


@hazard(
    "hour-that-comes-twice", "silver",
    "When summer time ends, an hour comes twice; with local times an hour of orders is lost, once a year, at night.",
    reads, each_stream=True,
)  # fmt: skip
def twice(stage: Stage) -> None:
    """Read in the first and in the second of two hours that have the same local time in Europe, then in New York."""
    for midnight in (datetime(2025, 10, 26, 0, 0, tzinfo=UTC), datetime(2025, 11, 2, 5, 0, tzinfo=UTC)):
        hauls: list[Haul] = []
        for minutes in (50, 65, 110, 125):
            now = midnight + timedelta(minutes=minutes)
            stage.clock.set(now)
            stage.rehearsal.set_clock(now)
            stage.add_at([now - timedelta(seconds=2)])
            hauls.append(stage.read(hauls[-1].cursor if hauls else None))
        when = f" while summer time ended on {midnight:%d.%m.%Y}"
        demand_rows(stage.rehearsal.expected(stage.stream), _together(*hauls), when)


HAZARDS = (
    rows_edited, rows_removed, rows_added, one_moment, same_moment, restart, committed_late, quiet, clock_behind,
    clock_ahead, twice,
)  # fmt: skip
