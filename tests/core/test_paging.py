"""Reading lists that change while they are read: nothing is lost, whatever happens between two answers."""

from __future__ import annotations

import email.utils
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossdock import Answer, PluginError, Since, TransientError
from crossdock.paging import (
    Batch,
    ChangeFeed,
    Reading,
    chunks,
    offset_pages,
    settled_rows,
    token_pages,
    walk_feeds,
    walk_windows,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Wire(msgspec.Struct):
    id: int
    version: int
    at: str


class Sketch(msgspec.Struct):
    id: int
    at: str


@attrs.define
class Line:
    """A row as the remote keeps it; `poison` is how it is broken when it is shown."""

    key: int
    at: datetime
    version: int = 1
    poison: str = ""

    def shown(self) -> dict[str, Any] | str:
        at = self.at.isoformat()
        match self.poison:
            case "version":
                return {"id": self.key, "version": "one", "at": at, "real": self.version}
            case "time":
                return {"id": self.key, "version": self.version, "at": "yesterday"}
            case "all":
                return f"row {self.key} version {self.version}"
            case _:
                return {"id": self.key, "version": self.version, "at": at}


class Remote:
    """A list server with its own clock. Planned events happen before answers, or while one is being written."""

    def __init__(self, rows: Iterable[Line] = (), *, events: Iterable[Callable[[Remote], None]] = ()) -> None:
        self.rows = {row.key: row for row in rows}
        self.now = NOON
        self.skew: timedelta | None = timedelta(0)
        self.most = 10_000
        self.order: Callable[[Line], Any] | None = None  # a list that cannot be sorted has an order of its own
        self.hidden: set[int] = set()
        self.leaves_out_dropped = True  # a row dropped while its page is written is missing there
        self.events = list(events)
        self.during: list[Callable[[Remote], None]] = []
        self.readings: list[Reading] = []
        self.busy = self.busiest = 0
        self.meeting: threading.Barrier | None = None  # the next readings wait for each other, once
        self._lock = threading.Lock()

    def read(self, reading: Reading) -> Answer:
        with self._lock:
            self.busy += 1
            self.busiest = max(self.busiest, self.busy)
        meeting = self.meeting
        if meeting is not None and len(self.readings) > 5:
            meeting.wait(timeout=20)
            self.meeting = None
        with self._lock:
            self.busy -= 1
            return self._read(reading)

    def _read(self, reading: Reading) -> Answer:
        self.readings.append(reading)
        if self.events:
            self.events.pop(0)(self)
        found = [
            row
            for row in self.rows.values()
            if (reading.lo is None or row.at >= reading.lo) and (reading.hi is None or row.at < reading.hi)
        ]
        found.sort(key=self.order or ((lambda row: (row.key,)) if reading.by_key else (lambda row: (row.at, row.key))))
        page = found[reading.offset : reading.offset + min(reading.limit, self.most)]
        if self.during:
            self.during.pop(0)(self)
        shown = [self.rows.get(row.key, row).shown() for row in page if self._visible(row.key)]
        headers = {"x-total": str(len(found))}
        if self.skew is not None:
            headers["date"] = email.utils.format_datetime(self.now + self.skew, usegmt=True)
        return Answer(200, headers, msgspec.json.encode(shown), "https://shop.example/orders", seconds=1.0)

    def _visible(self, key: int) -> bool:
        return key not in self.hidden and (key in self.rows or not self.leaves_out_dropped)

    def edit(self, key: int) -> None:
        if key in self.rows:
            self.rows[key].version += 1
            self.rows[key].at = self.now

    def put(self, key: int) -> None:
        self.rows.setdefault(key, Line(key, self.now))

    def drop(self, key: int) -> None:
        self.rows.pop(key, None)


def feed_of(remote: Remote, **changes: Any) -> ChangeFeed[Wire]:
    values: dict[str, Any] = {
        "read": remote.read,
        "decoder": msgspec.json.Decoder(Wire),
        "sketch": msgspec.json.Decoder(Sketch),
        "key": lambda row: str(row.id),
        "moment": lambda row: datetime.fromisoformat(row.at),
        "page_size": 3,
        "split_from": 10_000,
    }
    return ChangeFeed(**(values | changes))


def counted(answer: Answer) -> int:
    return int(answer.headers["x-total"])


class Keeper:
    """What an engine does with batches: rows and cursor are kept together, later rows replace earlier ones."""

    def __init__(self, rows: dict[str, bytes] | None = None, cursor: str | None = None) -> None:
        self.rows = dict(rows or {})
        self.cursor = cursor
        self.history: list[tuple[dict[str, bytes], str | None]] = [(dict(self.rows), cursor)]

    def keep(self, batch: Batch[Wire]) -> None:
        for row in batch.rows:
            shown = msgspec.json.decode(row.raw)
            self.rows[str(shown["id"]) if isinstance(shown, dict) else shown.split()[1]] = row.raw
        self.cursor = batch.cursor
        self.history.append((dict(self.rows), self.cursor))

    def sync(
        self,
        feed: ChangeFeed[Wire],
        *,
        stop_after: int | None = None,
        start: datetime | None = None,
        windows: bool = False,
    ) -> None:
        query = Since(self.cursor, start=start)
        walk: Any = walk_windows(feed, query) if windows else walk_feeds({"live": feed}, query)
        try:
            for count, batch in enumerate(walk, 1):
                self.keep(batch)
                if count == stop_after:
                    return
        except TransientError:
            pass  # the next run goes on from the cursor
        finally:
            walk.close()

    def misses(self, remote: Remote) -> dict[str, tuple[Any, Any]]:
        """Rows whose newest version is not the one that was kept."""
        wanted = {str(row.key): msgspec.json.encode(row.shown()) for row in remote.rows.values()}
        return {key: (self.rows.get(key), raw) for key, raw in wanted.items() if self.rows.get(key) != raw}


def lines(*gaps: float) -> list[Line]:
    """Rows 1, 2, 3 … whose change times grow by `gaps` seconds and end an hour before now."""
    at = NOON - timedelta(hours=1) - timedelta(seconds=sum(gaps))
    rows = []
    for key, gap in enumerate(gaps, 1):
        at += timedelta(seconds=gap)
        rows.append(Line(key, at))
    return rows


def running_walks() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("walk-")]


# -- the property ------------------------------------------------------------------------------------

keys = st.integers(1, 30)
changes = st.tuples(st.sampled_from(["edit", "edit", "edit", "put", "drop", "tick"]), keys)


def _event(done: list[tuple[str, int]]) -> Callable[[Remote], None]:
    def happen(remote: Remote) -> None:
        for what, key in done:
            if what == "tick":
                remote.now += key * SECOND
            else:
                getattr(remote, what)(key)

    return happen


events = st.lists(st.lists(changes, max_size=3).map(_event), max_size=25)
gaps = st.lists(st.sampled_from([0, 0, 0, 1, 700, 90_000]), max_size=25)
# Two rows at most have no readable change time: a whole page of them is refused, as the field was probably renamed.
poisons = st.lists(st.tuples(keys, st.sampled_from(["version", "time", "all"])), max_size=2)
histories = st.tuples(gaps, poisons)
hostile = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    derandomize=True,
)


def remote_of(history: tuple[list[int], list[tuple[int, str]]]) -> Remote:
    remote = Remote(lines(*history[0]))
    for key, poison in history[1]:
        if key in remote.rows:
            remote.rows[key].poison = poison
    return remote


@hostile
@given(
    history=histories,
    before=events,
    during=events,
    parallel=st.sampled_from([1, 4]),
    split=st.sampled_from([4, 10_000]),
    skew=st.sampled_from([timedelta(0), timedelta(hours=3), timedelta(hours=-3), timedelta(seconds=-40), None]),
    stops=st.lists(st.integers(1, 6), max_size=4),
    with_total=st.booleans(),
)
def test_every_row_is_kept_in_its_newest_version_whatever_happens_between_and_during_answers(
    history, before, during, parallel, split, skew, stops, with_total
):
    remote = remote_of(history)
    remote.skew = skew
    remote.events, remote.during = before, during
    remote.leaves_out_dropped = with_total  # without the vendor's count a short page cannot be told from the end
    feed = feed_of(remote, parallel=parallel, split_from=split, total=counted if with_total else None)
    keeper = Keeper()

    for stop in stops:
        keeper.sync(feed, stop_after=stop)
    keeper.sync(feed)
    remote.events, remote.during = [], []
    remote.now += timedelta(minutes=2)
    for _ in range(3):
        keeper.sync(feed)

    assert keeper.misses(remote) == {}


@hostile
@given(history=histories, before=events, split=st.sampled_from([4, 10_000]))
def test_a_restart_from_any_cursor_that_was_handed_out_loses_nothing(history, before, split):
    remote = remote_of(history)
    remote.events = before
    feed = feed_of(remote, split_from=split, total=counted)
    straight = Keeper()
    straight.sync(feed)
    remote.events = []
    remote.now += timedelta(minutes=2)

    for rows, cursor in straight.history:
        again = Keeper(rows, cursor)
        again.sync(feed)
        again.sync(feed)
        assert again.misses(remote) == {}


# -- single hazards ----------------------------------------------------------------------------------


def test_250_rows_of_one_second_are_all_read_by_pages_of_100():
    remote = Remote([Line(key, NOON - timedelta(days=1)) for key in range(1, 251)])
    keeper = Keeper()

    keeper.sync(feed_of(remote, page_size=100))

    assert len(keeper.rows) == 250
    assert keeper.misses(remote) == {}


def test_ties_are_read_again_when_one_of_them_leaves_the_second_between_two_pages():
    remote = Remote([Line(key, NOON - timedelta(days=1)) for key in range(1, 10)])
    nothing = _event([])
    remote.events = [nothing, nothing, nothing, _event([("edit", 1), ("edit", 2)])]
    keeper = Keeper()

    keeper.sync(feed_of(remote))
    keeper.sync(feed_of(remote))

    assert keeper.misses(remote) == {}


def test_a_second_change_within_the_same_second_is_seen_in_the_same_run():
    remote = Remote(lines(5, 5, 5, 5, 5))
    remote.rows[3].version = 1

    def touch(remote: Remote) -> None:
        remote.rows[3].version = 2  # same key, same time, other content

    remote.events = [_event([]), touch]
    keeper = Keeper()

    keeper.sync(feed_of(remote))

    assert keeper.misses(remote) == {}


def test_a_row_edited_while_its_page_is_written_does_not_pull_the_walk_past_others():
    remote = Remote(lines(*[86_400] * 9))
    remote.now = NOON + timedelta(minutes=30)
    remote.during = [_event([("edit", 3)])]
    keeper = Keeper()

    keeper.sync(feed_of(remote))
    keeper.sync(feed_of(remote))

    assert keeper.misses(remote) == {}


def test_a_change_time_in_the_future_does_not_move_the_start_of_the_next_run():
    remote = Remote([*lines(1, 1), Line(99, NOON + timedelta(days=300))])
    keeper = Keeper()
    keeper.sync(feed_of(remote))
    remote.now += timedelta(hours=5)
    remote.edit(1)

    keeper.sync(feed_of(remote))

    assert keeper.misses(remote) == {}


def test_a_remote_clock_that_is_hours_behind_does_not_hold_back_what_just_changed():
    remote = Remote([Line(key, NOON - timedelta(minutes=key)) for key in range(1, 20)])
    remote.skew = timedelta(hours=-5)
    keeper = Keeper()

    keeper.sync(feed_of(remote))

    assert keeper.misses(remote) == {}


def test_a_vendor_that_caps_the_page_size_is_read_to_the_end_when_it_says_how_many_there_are():
    remote = Remote(lines(*[60] * 12))
    remote.most = 4
    keeper = Keeper()

    keeper.sync(feed_of(remote, page_size=100, total=counted))

    assert keeper.misses(remote) == {}


def test_ties_are_read_to_the_end_from_a_vendor_that_caps_the_page_size():
    remote = Remote(lines(*[0] * 30))
    remote.most = 4
    keeper = Keeper()

    keeper.sync(feed_of(remote, page_size=100, total=counted))

    assert keeper.misses(remote) == {}


def test_rows_that_the_vendor_hides_from_a_page_do_not_end_the_list():
    remote = Remote(lines(*[60] * 12))
    remote.hidden = {2, 5, 6}
    keeper = Keeper()

    keeper.sync(feed_of(remote, total=counted))

    assert set(keeper.rows) == {str(key) for key in range(1, 13) if key not in remote.hidden}


def test_a_quiet_feed_costs_one_request_and_no_thread():
    remote = Remote(lines(60, 60, 60, 60, 60))
    keeper = Keeper()
    keeper.sync(feed_of(remote, total=counted))
    remote.now += timedelta(hours=1)
    remote.readings.clear()

    keeper.sync(feed_of(remote, overlap=timedelta(minutes=1), total=counted))

    assert len(remote.readings) == 1


def test_a_page_that_ends_within_a_second_goes_on_with_that_second_and_repeats_nothing():
    remote = Remote(lines(60, 60, 60, 0, 0, 60, 60))
    seen: list[bytes] = []

    for batch in walk_feeds({"live": feed_of(remote)}, Since()):
        seen.extend(row.raw for row in batch.rows)

    assert len(seen) == len(set(seen)) == 7


def test_a_long_first_read_is_walked_in_parts_side_by_side():
    remote = Remote(lines(*[3600] * 40))
    remote.meeting = threading.Barrier(2)  # passes only when two requests are under way at once
    keeper = Keeper()

    keeper.sync(feed_of(remote, page_size=5, split_from=20, parallel=2, total=counted))

    assert remote.busiest == 2
    assert keeper.misses(remote) == {}


def test_a_long_first_read_of_rows_that_all_changed_in_one_second_needs_no_parts():
    remote = Remote(lines(*[0] * 40))
    keeper = Keeper()

    keeper.sync(feed_of(remote, page_size=5, split_from=20, total=counted))

    assert keeper.misses(remote) == {}


def test_stopping_in_the_middle_ends_all_readers():
    remote = Remote(lines(*[3600] * 60))
    walk = walk_feeds({"live": feed_of(remote, split_from=20, total=counted)}, Since())
    next(walk)

    walk.close()

    assert running_walks() == []


def test_an_error_of_one_reader_reaches_the_caller_and_ends_the_others():
    remote = Remote(lines(*[3600] * 60))

    def fail(remote: Remote) -> None:
        raise TransientError("The shop is away.")

    remote.events = [*[_event([])] * 20, fail]

    with pytest.raises(TransientError, match="away"):
        list(walk_feeds({"live": feed_of(remote, split_from=20, total=counted)}, Since()))
    assert running_walks() == []


def test_a_run_bounded_by_until_leaves_later_changes_for_the_next():
    remote = Remote(lines(60, 60, 60, 60, 60))
    until = remote.rows[4].at
    keeper = Keeper()

    for batch in walk_feeds({"live": feed_of(remote)}, Since(until=until)):
        keeper.keep(batch)
    bounded = set(keeper.rows)
    keeper.sync(feed_of(remote))

    assert bounded == {"1", "2", "3"}
    assert keeper.misses(remote) == {}


def test_order_start_keeps_older_changes_out_of_the_request():
    remote = Remote(lines(60, 60, 60, 60, 60))
    keeper = Keeper()

    keeper.sync(feed_of(remote), start=remote.rows[3].at)

    assert set(keeper.rows) == {"3", "4", "5"}


def test_a_whole_page_without_readable_change_times_is_refused():
    remote = Remote(lines(60, 60, 60, 60))
    for row in remote.rows.values():
        row.poison = "time"

    with pytest.raises(PluginError, match="no readable change time"):
        Keeper().sync(feed_of(remote))


def test_several_feeds_share_one_cursor():
    live, trash = Remote(lines(*[60] * 7)), Remote([Line(100 + row.key, row.at) for row in lines(*[60] * 5)])
    feeds = {"live": feed_of(live), "trash": feed_of(trash)}
    keeper = Keeper()
    for batch in walk_feeds(feeds, Since()):
        keeper.keep(batch)
    live.now = trash.now = NOON + timedelta(hours=1)
    live.edit(2)
    trash.edit(103)
    live.readings.clear()

    for batch in walk_feeds(feeds, Since(keeper.cursor)):
        keeper.keep(batch)

    assert keeper.misses(live) == keeper.misses(trash) == {}
    assert len(keeper.rows) == 12


def test_an_unsorted_list_is_refused():
    remote = Remote(lines(60, 60))
    remote.rows[1].at, remote.rows[2].at = remote.rows[2].at, remote.rows[1].at

    def by_id(reading: Reading) -> Answer:
        return remote.read(attrs.evolve(reading, by_key=True))

    with pytest.raises(PluginError, match="not sorted"):
        Keeper().sync(feed_of(remote, read=by_id))


@pytest.mark.parametrize("ignored", ["lo", "hi"])
def test_a_list_that_ignores_a_bound_is_refused(ignored):
    remote = Remote(lines(*[86_400] * 9))

    def deaf(reading: Reading) -> Answer:
        return remote.read(attrs.evolve(reading, **{ignored: None}))

    walk = walk_feeds({"live": feed_of(remote, read=deaf)}, Since(until=NOON - timedelta(days=3)))

    with pytest.raises(PluginError, match="filter is ignored"):
        list(walk)


def test_a_change_time_without_zone_is_refused():
    remote = Remote(lines(60))
    naive = feed_of(remote, moment=lambda row: datetime.fromisoformat(row.at).replace(tzinfo=None))

    with pytest.raises(PluginError, match="without a time zone"):
        Keeper().sync(naive)


@pytest.mark.parametrize("cursor", ["2026-01-01T00:00:00Z", '{"page": 3}', "[]", '{"feeds": {"live": {"top": 5}}}'])
def test_a_bookmark_of_another_kind_is_refused_with_what_to_do(cursor):
    with pytest.raises(PluginError, match="bookmark") as caught:
        Keeper(cursor=cursor).sync(feed_of(Remote()))

    assert "--full" in caught.value.hint


# -- lists that cannot be asked for changes ----------------------------------------------------------


class Shelf:
    """A list with offsets or page numbers; `plan[n]` happens before the n-th answer."""

    def __init__(self, rows: list[Any], plan: list[Callable[[list[Any]], None]], *, sort: bool) -> None:
        self.rows, self.plan, self.sort = rows, list(plan), sort
        self.asked = 0

    def offset(self, offset: int, limit: int) -> list[Any]:
        self.asked += 1
        if self.plan:
            self.plan.pop(0)(self.rows)
        if self.sort:
            self.rows.sort()
        return self.rows[offset : offset + limit]

    def page(self, number: int) -> list[Any]:
        return self.offset(number * 3, 3)


# -- lists that can be filtered by change time and cannot be sorted -----------------------------------

orders = st.sampled_from(
    [
        lambda row: -row.key,
        lambda row: (-row.at.timestamp(), row.key),
        lambda row: (row.at, row.key),
        lambda row: (row.key * 7919) % 31,
        lambda row: (row.version, row.key),
    ]
)


@hostile
@given(
    history=histories,
    order=orders,
    before=events,
    during=events,
    skew=st.sampled_from([timedelta(0), timedelta(hours=3), timedelta(hours=-3), timedelta(seconds=-40), None]),
    stops=st.lists(st.integers(1, 6), max_size=4),
)
def test_every_row_of_an_unsorted_list_is_kept_in_its_newest_version(history, order, before, during, skew, stops):
    remote = remote_of(history)
    remote.order, remote.skew = order, skew
    remote.events, remote.during = before, during
    feed = feed_of(remote, total=counted)
    keeper = Keeper()

    for stop in stops:
        keeper.sync(feed, stop_after=stop, windows=True)
    keeper.sync(feed, windows=True)
    remote.events, remote.during = [], []
    remote.now += timedelta(minutes=2)
    for _ in range(3):
        keeper.sync(feed, windows=True)

    assert keeper.misses(remote) == {}


@hostile
@given(history=histories, order=orders, before=events)
def test_a_restart_from_any_window_loses_nothing(history, order, before):
    remote = remote_of(history)
    remote.order, remote.events = order, before
    keeper = Keeper()
    keeper.sync(feed_of(remote, total=counted), windows=True)
    remote.events = []
    remote.now += timedelta(minutes=2)

    for rows, cursor in keeper.history:
        again = Keeper(rows, cursor)
        for _ in range(2):
            again.sync(feed_of(remote, total=counted), windows=True)
        assert again.misses(remote) == {}


def unsorted(rows: Iterable[Line]) -> Remote:
    """A list that shows the newest order first, whatever changed."""
    remote = Remote(rows)
    remote.order = lambda row: -row.key
    return remote


@pytest.mark.parametrize("gap", [0, 1, 60])
def test_windows_of_an_unsorted_list_cost_a_few_requests_a_page(gap):
    remote, keeper = unsorted(lines(*[gap] * 400)), Keeper()

    keeper.sync(feed_of(remote, page_size=20, total=counted), windows=True)

    assert keeper.misses(remote) == {}
    assert len(remote.readings) <= 4 * 20 + 10


def test_only_the_rows_of_one_tick_are_read_page_by_page():
    remote, keeper = unsorted(lines(*[60] * 30, *[0] * 10, *[60] * 30)), Keeper()

    keeper.sync(feed_of(remote, page_size=5, total=counted), windows=True)

    paged = [each for each in remote.readings if each.offset]
    assert keeper.misses(remote) == {}
    assert {each.hi - each.lo for each in paged if each.hi and each.lo} == {SECOND}


def test_a_quiet_unsorted_list_costs_one_request():
    remote, keeper = unsorted(lines(*[60] * 30)), Keeper()
    keeper.sync(feed_of(remote, total=counted, overlap=SECOND), windows=True)
    remote.readings.clear()

    keeper.sync(feed_of(remote, total=counted, overlap=SECOND), windows=True)

    assert len(remote.readings) == 1


def test_what_changes_while_an_unsorted_list_is_read_does_not_keep_the_run_from_ending():
    remote, keeper = unsorted(lines(*[60] * 12)), Keeper()

    def busy(remote: Remote) -> None:
        remote.now += timedelta(minutes=3)
        for key in range(100 + 9 * len(remote.readings), 109 + 9 * len(remote.readings)):
            remote.put(key)

    remote.events = [busy] * 500
    keeper.sync(feed_of(remote, total=counted), windows=True)

    assert remote.events


def test_a_change_time_in_the_future_does_not_move_the_start_of_the_next_windows():
    remote, keeper = unsorted([*lines(*[60] * 8), Line(99, NOON + timedelta(days=300))]), Keeper()
    keeper.sync(feed_of(remote, total=counted), windows=True)
    remote.now += timedelta(hours=5)
    remote.edit(1)

    keeper.sync(feed_of(remote, total=counted), windows=True)

    assert keeper.misses(remote) == {}


def test_an_unsorted_list_that_ignores_its_bounds_is_refused():
    remote = unsorted(lines(*[60] * 12))
    read = remote.read
    feed = feed_of(remote, total=counted, read=lambda each: read(attrs.evolve(each, lo=None, hi=None)))

    with pytest.raises(PluginError, match="filter is ignored"):
        list(walk_windows(feed, Since()))


def test_an_unsorted_list_without_a_count_is_refused():
    remote = unsorted(lines(60))

    with pytest.raises(ValueError, match="total"):
        list(walk_windows(feed_of(remote), Since()))
    with pytest.raises(PluginError, match="how many rows"):
        list(walk_windows(feed_of(remote, total=lambda _: None), Since()))


def _insert(value: int) -> Callable[[list[Any]], None]:
    return lambda rows: None if value in rows else rows.append(value)


def _remove(value: int) -> Callable[[list[Any]], None]:
    return lambda rows: rows.remove(value) if value in rows else None


moves = st.lists(
    st.one_of(st.just(lambda rows: None), st.integers(0, 40).map(_insert), st.integers(0, 40).map(_remove)), max_size=25
)


@hostile
@given(rows=st.sets(st.integers(0, 40), max_size=25), plan=moves, size=st.integers(2, 6))
def test_a_list_with_offsets_shows_every_row_that_was_there_all_the_time(rows, plan, size):
    shelf = Shelf(sorted(rows), plan, sort=True)
    stable = set(rows)
    for move in plan:
        left = list(stable)
        move(left)
        stable &= set(left)
    try:
        seen = [row for page in offset_pages(shelf.offset, str, size) for row in page]
    except TransientError:
        return  # it says so instead of answering a list with a hole

    assert stable <= set(seen)


def test_a_list_with_offsets_goes_back_and_not_over_when_a_row_is_removed():
    rows = list(range(0, 200, 2))
    # A row that was read already disappears before every second answer.
    plan = [_remove(index * 2) if index % 2 else (lambda rows: None) for index in range(20)]
    shelf = Shelf(rows, plan, sort=True)

    seen = [row for page in offset_pages(shelf.offset, str, 10) for row in page]

    assert set(shelf.rows) <= set(seen)
    assert len(seen) == len(set(seen))
    assert shelf.asked < 40


def test_a_row_that_comes_in_among_the_rows_that_were_read_is_seen_in_the_same_run():
    rows = list(range(0, 200, 2))
    shelf = Shelf(rows, [lambda rows: None] * 5 + [_insert(1)], sort=True)

    seen = [row for page in offset_pages(shelf.offset, str, 10) for row in page]

    assert set(shelf.rows) == set(seen)


def test_a_list_that_never_settles_is_said_to_be_transient():
    fresh = iter(range(10_000_000))

    def read(offset: int, limit: int) -> list[int]:
        return [next(fresh) for _ in range(limit)]

    with pytest.raises(TransientError, match="changes faster"):
        list(offset_pages(read, str, 10))


def test_pages_too_small_to_overlap_are_refused():
    with pytest.raises(ValueError, match="two rows"):
        list(offset_pages(lambda offset, limit: [], str, 1))
    with pytest.raises(ValueError, match="page_size"):
        feed_of(Remote(), page_size=1)


def _shift(value: int) -> Callable[[list[Any]], None]:
    """A change gives the row a new version and a new place, as vendors with an unknown order do."""

    def move(rows: list[Any]) -> None:
        if rows:
            key, version = rows.pop(value % len(rows))
            rows.insert((value * 7) % (len(rows) + 1), (key, version + 1))

    return move


shuffles = st.lists(
    st.one_of(
        st.just(lambda rows: None),
        st.integers(0, 400).map(_shift),
        st.integers(0, 40).map(lambda n: lambda rows: rows.pop(n % len(rows)) if rows else None),
        st.integers(100, 140).map(lambda n: lambda rows: rows.insert(n % (len(rows) + 1), (n, 0))),
    ),
    max_size=20,
)


@settings(hostile, max_examples=400)
@given(count=st.integers(0, 14), plan=shuffles)
def test_a_list_with_page_numbers_only_shows_every_row_that_stayed(count, plan):
    shelf = Shelf([(key, 0) for key in range(count)], plan, sort=False)
    try:
        seen = settled_rows(shelf.page, str)
    except TransientError:
        return
    stayed = {key for key, _ in shelf.rows if key < count}

    assert stayed <= {key for key, _ in seen}


def test_a_list_that_loses_a_row_in_each_of_several_passes_is_read_in_the_end():
    rows, losses = list(range(20)), 7

    def read(page: int) -> list[int]:
        nonlocal losses
        if page == 1 and losses:
            rows.pop(0)
            losses -= 1
        return rows[page * 3 : page * 3 + 3]

    assert set(settled_rows(read, str)) >= set(rows)


def test_a_list_with_page_numbers_only_is_shorter_than_a_page_and_read_once():
    shelf = Shelf([1, 2], [], sort=False)

    assert settled_rows(shelf.page, str, size=3) == [1, 2]
    assert shelf.asked == 1


def test_a_quiet_list_with_page_numbers_only_is_read_twice():
    shelf = Shelf([1, 2, 3, 4], [], sort=False)

    assert settled_rows(shelf.page, str) == [1, 2, 3, 4]
    assert shelf.asked == 6


def test_token_pages_end_without_a_token():
    pages = {None: ([1, 2], "b"), "b": ([3], "c"), "c": ([], None)}

    assert [list(rows) for rows, _ in token_pages(pages.__getitem__)] == [[1, 2], [3], []]


def test_a_page_token_that_repeats_is_refused():
    pages: dict[str | None, tuple[list[int], str | None]] = {None: ([1], "b"), "b": ([2], "c"), "c": ([3], "b")}

    with pytest.raises(PluginError, match="twice"):
        list(token_pages(pages.__getitem__))


def test_chunks_keep_order_and_leave_nothing_out():
    assert list(chunks(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
