"""Reading lists that change while they are read, without losing a row.

`walk_feeds` is for systems that can list by change time: it always reads the *first* page of what is left (key-set
walking), so nothing that moves can slip past a page number; more rows in one tick of the vendor's clock than fit a page
are read by key with a seam check; the first import is cut at the ranks of the list and its parts are walked side by
side. `walk_windows` is for those that can filter by change time and count, and cannot sort: it reads windows of time
that fit one page. `offset_pages` is for lists that only have offsets, `settled_rows` for lists that only have page
numbers, `token_pages` for lists that hand out the next page's address or token. `ChangeLists` is the short way for an
API whose lists by change time all take the same query parameters.

A cursor is never ahead of what was handed out: restarting from it repeats at most the pages under way.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Any, Generic, TypeVar

import attrs
import msgspec

from crossdock.errors import ConnectorError, PluginError, TransientError, UnsupportedError
from crossdock.http.answer import Answer, Row, decode_row
from crossdock.mapping import required, utc
from crossdock.session import ByKeys, Check, Page, Query, Session, Since

R = TypeVar("R")
W = TypeVar("W")
T = TypeVar("T")

_PASSES = 6
_SETTLING = 10  # a pass is a few requests, and giving up leaves the whole list to the next run
_REREADS = 3
_UNREADABLE = (ConnectorError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError)
_BOUND_SLACK = timedelta(minutes=1)
_WORTH_WAITING_FOR = 0.012
"""A list that answers faster keeps one reader busy already; more of them only fight for the interpreter (measured)."""
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@attrs.frozen(kw_only=True)
class Reading:
    """One request of a walk: rows with ``lo <= change time < hi``, `limit` rows from `offset`.

    `by_key` asks for the order of keys instead of change times. `lo` and `hi` are aware UTC or `None` (open).
    """

    lo: datetime | None  #: change times from here on, inclusive; `None`: from the beginning
    hi: datetime | None  #: to before this; `None`: open
    limit: int  #: how many rows
    offset: int = 0  #: how many rows of the answer to leave out
    by_key: bool = False  #: sorted by key instead of by change time


@attrs.frozen(kw_only=True)
class ChangeFeed(Generic[W]):
    """A list that can be read by change time, oldest change first.

    `read` answers a `Reading`; it must turn the inclusive `lo` and exclusive `hi` into the vendor's own bounds.
    `decoder` types a row; `sketch` types just key and time, for rows that do not fit `decoder`. `total` reads the
    number of all rows from an answer, if the vendor says it; then a first import of more than `split_from` rows is
    walked in parts by `parallel` readers. `overlap` is re-read on every run for changes that were committed late.
    """

    read: Callable[[Reading], Answer]  #: asks the vendor
    decoder: msgspec.json.Decoder[W]  #: types a row
    sketch: msgspec.json.Decoder[Any]  #: types key and change time alone, for rows that `decoder` refuses
    key: Callable[[Any], str]  #: the key of a typed row
    moment: Callable[[Any], datetime]  #: its change time, aware
    page_size: int = attrs.field(default=100, validator=attrs.validators.ge(2))  #: rows in a page
    granularity: timedelta = timedelta(seconds=1)  #: the resolution of the vendor's change clock
    overlap: timedelta = timedelta(minutes=10)  #: how far each run reads back
    total: Callable[[Answer], int | None] | None = None  #: the vendor's own count, if it says one
    parallel: int = 4  #: readers of a first import
    split_from: int = 1000  #: rows from which a first import is read in parts


@attrs.frozen(slots=True)
class Batch(Generic[W]):
    """Rows to map, and the cursor that is safe once they are kept."""

    rows: list[Row[W]]  #: the rows, for `session.page`
    cursor: str  #: safe once they are kept


class _Part(msgspec.Struct, omit_defaults=True):
    lo: datetime | None = None
    hi: datetime | None = None


class _Progress(msgspec.Struct, omit_defaults=True):
    """What is still to be read: open parts, and the newest change time seen, where the next run starts."""

    top: datetime | None = None
    parts: list[_Part] = []


class _Cursor(msgspec.Struct):
    feeds: dict[str, _Progress]


_CURSOR: msgspec.json.Decoder[_Cursor] = msgspec.json.Decoder(_Cursor)


def walk_feeds(feeds: Mapping[str, ChangeFeed[W]], query: Since) -> Iterator[Batch[W]]:
    """Everything that changed in `feeds` since the query's cursor, in batches.

    Several feeds are read one after the other under one cursor (WooCommerce lists trashed orders apart from all
    others). Raises `PluginError` when a feed is not sorted by change time or ignores its bounds, and what `read`
    raises.
    """
    progress = _restore(query.cursor, feeds)
    for name, feed in feeds.items():
        begun = _begin(progress.feeds[name], feed, query)
        for rows, state in _laps(feed, begun, query.until):
            progress.feeds[name] = state
            yield Batch(rows, msgspec.json.encode(progress).decode())


def _restore(cursor: str | None, feeds: Mapping[str, ChangeFeed[W]]) -> _Cursor:
    try:
        found = _CURSOR.decode(cursor) if cursor else _Cursor({})
    except msgspec.MsgspecError as error:
        raise PluginError(f"The bookmark is not one of this connector's: {error}.", hint="Sync with --full.") from error
    return _Cursor({name: found.feeds.get(name, _Progress()) for name in feeds})


def _begin(state: _Progress, feed: ChangeFeed[Any], query: Since) -> _Progress:
    if state.parts:
        return state
    lo = state.top - feed.overlap if state.top else None
    if query.start is not None:
        lo = max(lo, query.start) if lo else query.start
    return _Progress(top=state.top, parts=[_Part(lo=lo, hi=query.until)])


def _laps(feed: ChangeFeed[W], state: _Progress, until: datetime | None) -> Iterator[tuple[list[Row[W]], _Progress]]:
    """A walk of more than a page ends at the time when it began; one more lap brings what changed meanwhile.

    It also finds out when the remote clock, which gave that end, is behind the change times.
    """
    top, end = yield from _walk(feed, state)
    if end is not None and (until is None or end < until):
        yield from _walk(feed, _Progress(top=top, parts=[_Part(lo=end, hi=until)]))


def _walk(
    feed: ChangeFeed[W], state: _Progress
) -> Generator[tuple[list[Row[W]], _Progress], None, tuple[datetime | None, datetime | None]]:
    """Walk the open parts and return the newest change time and where the walk ended (`None`: at the list's end).

    The first page is read here, so a quiet feed costs one request and no thread.
    """
    first = state.parts[0]
    page = _read(feed, Reading(lo=first.lo, hi=first.hi, limit=feed.page_size))
    clock = page.answer.date
    bound = clock + _BOUND_SLACK if clock else None
    # A remote clock that is behind its own change times is no bound: it would hold back what has just changed.
    if first.hi is None and bound is not None and (page.last is None or page.last < bound):
        first = _Part(lo=first.lo, hi=bound)
    parts = [first, *state.parts[1:]]
    cap = _cap(bound, parts)
    if len(parts) == 1:
        if not page.more:
            top = _top(state.top, page.last, cap)
            yield page.rows, _Progress(top=top)
            return top, None
        parts = _split(feed, first, page.answer)
    with _Walk(feed, parts, state.top, page, _Limits(cap, clock - _BOUND_SLACK if clock else None)) as walk:
        yield from walk
        return walk.top, parts[-1].hi


def _cap(bound: datetime | None, parts: Sequence[_Part]) -> datetime | None:
    """How far a newest change time counts: a row dated in the future, or edited while its page was being written,

    would move the start of the next run past rows that nobody has read.
    """
    ends = [part.hi for part in parts]
    known = [end for end in (bound, None if None in ends else max(end for end in ends if end)) if end]
    return min(known, default=None)


def _split(feed: ChangeFeed[W], part: _Part, answer: Answer) -> list[_Part]:
    """Cut a long first read at ranks of the list: the cuts may be off, the parts still cover the range without gap.

    A row that is edited meanwhile leaves its part for the end of the list and is read there: nothing is lost.
    """
    total = feed.total(answer) if feed.total else None
    if total is None or total < feed.split_from or feed.parallel < 2 or answer.seconds < _WORTH_WAITING_FOR:
        return [part]
    count = min(feed.parallel * 2, total // feed.page_size)
    ranks = [total * index // count for index in range(1, count)]

    def probe(rank: int) -> datetime | None:
        return _read(feed, Reading(lo=part.lo, hi=part.hi, limit=1, offset=rank)).last

    with ThreadPoolExecutor(feed.parallel) as pool:
        found = {_floor(cut, feed.granularity) for cut in pool.map(probe, ranks) if cut}
    cuts = sorted(cut for cut in found if (part.lo is None or cut > part.lo) and (part.hi is None or cut < part.hi))
    edges = [part.lo, *cuts, part.hi]
    return [_Part(lo=lo, hi=hi) for lo, hi in pairwise(edges)]


@attrs.frozen(slots=True)
class _Read(Generic[W]):
    """One page: its rows with their change times (`None`: unreadable), and whether the list goes on after it."""

    answer: Answer
    rows: list[Row[W]]
    times: list[datetime | None]
    more: bool

    @property
    def last(self) -> datetime | None:
        """The newest change time of a page in the order of change times."""
        return next((at for at in reversed(self.times) if at is not None), None)

    def before(self, hi: datetime | None) -> _Read[W]:
        """The part of the page below `hi`; a page with nothing below it is the end."""
        if hi is None or all(at is None or at < hi for at in self.times):
            return self
        kept = [(row, at) for row, at in zip(self.rows, self.times) if at is None or at < hi]
        times = [at for _, at in kept]
        return _Read(self.answer, [row for row, _ in kept], times, self.more and any(times))


@attrs.frozen(slots=True)
class _Limits:
    """`cap` is as far as a newest change time counts; from `hot` on a change may have happened during this walk."""

    cap: datetime | None
    hot: datetime | None


@attrs.frozen(slots=True)
class _Step(Generic[W]):
    """What a reader hands over: rows of a part, the newest change time seen, and its new `lo` (`None`: finished)."""

    part: int
    rows: list[Row[W]]
    last: datetime | None
    lo: datetime | None


class _Walk(Generic[W]):
    """Several parts walked side by side; batches and progress come out in the order in which they were read."""

    def __init__(
        self, feed: ChangeFeed[W], parts: Sequence[_Part], top: datetime | None, first: _Read[W], limits: _Limits
    ) -> None:
        self._feed = feed
        self._parts = dict(enumerate(parts))
        self._todo = list(enumerate(parts))
        self.top = top
        self._first = first
        self._limits = limits
        self._readers = max(1, min(feed.parallel, len(parts)))
        # Bounded: a slow store must not pile up pages in memory. Two a reader keep it busy.
        self._queue: queue.Queue[_Step[W] | BaseException | None] = queue.Queue(self._readers)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, name=f"walk-{index}", daemon=True) for index in range(self._readers)
        ]

    def __enter__(self) -> _Walk[W]:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            while thread.is_alive():
                self._drain()
                thread.join(0.01)

    def _drain(self) -> None:
        try:
            while True:
                self._queue.get_nowait()
        except queue.Empty:
            pass

    def __iter__(self) -> Iterator[tuple[list[Row[W]], _Progress]]:
        running = self._readers
        while running:
            item = self._queue.get()
            if item is None:
                running -= 1
                continue
            if isinstance(item, BaseException):
                raise item
            if item.lo is None:
                self._parts.pop(item.part)
            else:
                self._parts[item.part] = _Part(lo=item.lo, hi=self._parts[item.part].hi)
            self.top = _top(self.top, item.last, self._limits.cap)
            left = [part for _, part in sorted(self._parts.items())]
            yield item.rows, _Progress(top=self.top, parts=left)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                with self._lock:
                    if not self._todo:
                        break
                    index, part = self._todo.pop(0)
                known = self._first if index == 0 else None
                for rows, last, lo in _walk_part(self._feed, part, known, self._limits.hot):
                    self._put(_Step(index, rows, last, lo))
                    if self._stop.is_set():
                        return
            self._put(None)
        except BaseException as error:  # noqa: BLE001  handed to the consumer, which raises it
            self._put(error)

    def _put(self, item: Any) -> None:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=0.1)
                return
            except queue.Full:
                continue


def _walk_part(
    feed: ChangeFeed[W], part: _Part, known: _Read[W] | None, hot: datetime | None
) -> Iterator[tuple[list[Row[W]], datetime | None, datetime | None]]:
    """Rows of one part, the newest change time among them, and the `lo` to go on from (`None`: finished)."""
    lo = part.lo
    at_lo: set[tuple[str, int]] = set()  # rows with exactly this `lo` that were handed out already
    while True:
        page = known.before(part.hi) if known else _read(feed, Reading(lo=lo, hi=part.hi, limit=feed.page_size))
        known = None
        fresh = [row for row in page.rows if not (at_lo and _identity(feed, row) in at_lo)]
        if not page.more:
            yield fresh, page.last, None
            return
        start = _floor(lo, feed.granularity) if lo else _BEGINNING
        mark = _mark(feed, page, start, hot)
        if mark is None:
            if len(page.rows) < feed.page_size:  # the readable ones vanished while the page was made
                raise TransientError("The list changes faster than it can be read; the next run goes on from here.")
            raise PluginError("A whole page of rows has no readable change time, so the list cannot be walked on.")
        if mark > start:
            yield fresh, page.last, mark
            tail = [row for row, at in zip(page.rows, page.times) if at is None or at >= mark]
            lo, at_lo = mark, {_identity(feed, row) for row in tail}
            continue
        yield from ((tied, mark, lo) for tied in _tied(feed, mark, at_lo))
        lo, at_lo = mark + feed.granularity, set()
        if part.hi is not None and lo >= part.hi:
            yield [], None, None
            return
        yield [], None, lo


def _mark(feed: ChangeFeed[Any], page: _Read[Any], start: datetime, hot: datetime | None) -> datetime | None:
    """The tick from which to read on: the last row's, unless that row may have changed while the page was made.

    A vendor that looks up the keys of a page first and the rows afterwards shows such a row with a time far ahead of
    its place; going on from there would skip everything between. So a row that is newer than the walk, or far newer
    than the row before it, is not trusted. It comes again anyway.
    """
    times = [at for at in page.times if at is not None]
    if not times:
        return None
    mark = times[-1]
    if hot is not None and mark >= hot:
        mark = next((at for at in reversed(times) if at < hot), mark)
    if mark == times[-1] and len(times) > 1 and mark - times[-2] > feed.overlap / 2:
        mark = times[-2]
    return _floor(mark, feed.granularity)


def _tied(feed: ChangeFeed[W], tick: datetime, done: set[tuple[str, int]]) -> Iterator[list[Row[W]]]:
    """All rows of one tick of the vendor's clock, by key.

    Each page must contain the last row of the page before it; when it does not, a row left the tick and the rest
    moved up, so the tick is read again. The set can only shrink (a change gives a newer time), so this ends.
    """
    emitted = set(done)
    for _ in range(_PASSES):
        offset, seam = 0, ""
        while True:
            asked = Reading(lo=tick, hi=tick + feed.granularity, limit=feed.page_size, offset=offset, by_key=True)
            page = _read(feed, asked)
            keys = [_key(feed, row) for row in page.rows]
            if seam and seam not in keys:
                break
            fresh = [row for row in page.rows if _identity(feed, row) not in emitted]
            emitted.update(_identity(feed, row) for row in fresh)
            if fresh:
                yield fresh
            if not page.more or keys[-1] == seam:
                return
            seam = keys[-1]
            offset += len(keys) - 1
    raise TransientError("The list changes faster than it can be read; the next run goes on from here.")


def _read(feed: ChangeFeed[W], reading: Reading) -> _Read[W]:
    """One page, checked against what was asked for; what a change during the answer could explain is read again."""
    for _ in range(_REREADS):
        answer = feed.read(reading)
        rows = answer.rows(feed.decoder)
        times = [_moment(feed, row) for row in rows]
        problem = _problem(feed, reading, times)
        if not problem:
            # Vendors cap the page size or hide rows of a page: a short page is the end only if their count agrees.
            total = feed.total(answer) if feed.total and rows else None
            left = total is not None and total > reading.offset + len(rows)
            return _Read(answer, rows, times, left or len(rows) >= reading.limit)
    raise PluginError(f"{answer.url} {problem}")


def _problem(feed: ChangeFeed[Any], reading: Reading, times: Iterable[datetime | None]) -> str:
    lo = _floor(reading.lo, feed.granularity) if reading.lo else _BEGINNING
    previous = lo
    for at in times:
        if at is None:
            continue
        if at < lo or (reading.hi is not None and at >= reading.hi):
            return (
                f"answered a row changed at {at.isoformat()}, although times from {lo.isoformat()} to "
                f"{reading.hi.isoformat() if reading.hi else 'now'} were asked for: the filter is ignored or the time "
                "zones differ, and rows could be lost."
            )
        if not reading.by_key:
            if at < previous:
                return "is not sorted by change time, so rows could be lost."
            previous = at
    return ""


def _sketch(feed: ChangeFeed[Any], row: Row[Any]) -> Any:
    return row.value if row.value is not None else decode_row(row.raw, feed.sketch).value


def _key(feed: ChangeFeed[Any], row: Row[Any]) -> str:
    value = _sketch(feed, row)
    try:
        if value is not None:
            return feed.key(value)
    except _UNREADABLE:
        pass
    return f"unreadable-{hash(row.raw)}"


def _identity(feed: ChangeFeed[Any], row: Row[Any]) -> tuple[str, int]:
    """A row in one version: a second change within one tick has the same key and time but other bytes."""
    return _key(feed, row), hash(row.raw)


def _moment(feed: ChangeFeed[Any], row: Row[Any]) -> datetime | None:
    value = _sketch(feed, row)
    try:
        at = None if value is None else feed.moment(value)
    except _UNREADABLE:
        return None
    if at is not None and at.tzinfo is None:
        raise PluginError(f"The connector reads the change time {at.isoformat()} without a time zone.")
    return at


def _top(top: datetime | None, last: datetime | None, cap: datetime | None) -> datetime | None:
    if last is not None and cap is not None:
        last = min(last, cap)
    return top if last is None else last if top is None else max(top, last)


def _floor(at: datetime, step: timedelta) -> datetime:
    return at - (at - _BEGINNING) % step


def walk_windows(feed: ChangeFeed[W], query: Since) -> Iterator[Batch[W]]:
    """Everything that changed in a list that can be filtered by change time and cannot be sorted.

    One answer cannot move, so windows of time are read that fit one page, oldest first; `total` must tell how many rows
    a window has. More rows of one tick than fit a page are read by `settled_rows`. `read` may answer in any order,
    `by_key` is never asked for, and `offset` is a multiple of `limit`, for vendors who number their pages. It takes up
    to four times as many requests as there are pages. A row may be a tick outside the bounds, for vendors whose bounds
    are the other way round. Raises `PluginError` when they are ignored, and `TransientError` when the rows of one tick
    never settle.
    """
    if feed.total is None:
        raise ValueError("Windows are cut by the vendor's count, so the feed needs `total`.")
    top = _restore(query.cursor, {_WINDOWS: feed}).feeds[_WINDOWS].top
    start = _begin(_Progress(top=top), feed, query).parts[0]
    lo, ends, cap, begun = start.lo, [start.hi], start.hi, False
    while ends:
        reading = Reading(lo=lo, hi=ends[-1], limit=feed.page_size)
        page = _read_window(feed, reading)
        if not begun:
            begun, bound = True, page.answer.date and page.answer.date + _BOUND_SLACK
            cap = _cap(bound, [start])
            # What changes while a long list is read is left to the next run, or this one would never end.
            if page.more and start.hi is None and bound and all(at is None or at < bound for at in page.times):
                ends = [bound]
        if page.more:
            middle = _middle(feed, reading, page.times)
            if middle is not None:
                ends.append(middle)
                continue
            for rows in _crowd(feed, reading):
                yield Batch(rows, _windows_cursor(top))
            page = attrs.evolve(page, rows=[])
        top = _top(top, max((at for at in page.times if at), default=None), cap)
        yield Batch(page.rows, _windows_cursor(top))
        lo = ends.pop()


_WINDOWS = "windows"


def _windows_cursor(top: datetime | None) -> str:
    return msgspec.json.encode(_Cursor({_WINDOWS: _Progress(top=top)})).decode()


def _read_window(feed: ChangeFeed[W], reading: Reading) -> _Read[W]:
    """The page at the reading's offset, and whether the window has more rows than that."""
    near = attrs.evolve(
        reading,
        lo=reading.lo and reading.lo - feed.granularity,
        hi=reading.hi and reading.hi + feed.granularity,
        by_key=True,  # no order is promised, so none is checked
    )
    for _ in range(_REREADS):
        answer = feed.read(reading)
        rows = answer.rows(feed.decoder)
        times = [_moment(feed, row) for row in rows]
        problem = _problem(feed, near, times)
        if not problem:
            total = feed.total(answer) if feed.total else None
            if total is None:
                raise PluginError(f"{answer.url} does not say how many rows there are, so some could be lost.")
            return _Read(answer, rows, times, total > len(rows))
    raise PluginError(f"{answer.url} {problem}")


def _middle(feed: ChangeFeed[Any], reading: Reading, times: Iterable[datetime | None]) -> datetime | None:
    """A whole tick that cuts the window in two; `None` if it is one tick wide. It comes from rows, not from a clock."""

    def inside(tick: datetime) -> bool:
        return (reading.lo is None or tick > reading.lo) and (reading.hi is None or tick < reading.hi)

    ticks = sorted({tick for at in times if at and inside(tick := _floor(at, feed.granularity))})
    if ticks:
        return ticks[len(ticks) // 2]
    after = _floor(reading.lo, feed.granularity) + feed.granularity if reading.lo else None
    return after if after and inside(after) else None


def _crowd(feed: ChangeFeed[W], reading: Reading) -> list[list[Row[W]]]:
    """All rows of a window that cannot be cut, page by page; those that change meanwhile are in a later window."""

    def read(page: int) -> list[Row[W]]:
        return _read_window(feed, attrs.evolve(reading, offset=page * reading.limit)).rows

    return list(chunks(settled_rows(read, key=lambda row: row.raw.decode()), feed.page_size))


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """`items` in lists of at most `size`."""
    chunk: list[T] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def offset_pages(
    read: Callable[[int, int], Sequence[T]], key: Callable[[T], str], size: int = 100
) -> Iterator[list[T]]:
    """Pages of a list that only has offsets; each page overlaps the one before by one row. Repeats are left out.

    `read(offset, limit)` answers the rows, in an order in which rows that do not change keep their places relative to
    each other. A page that opens with another row than the last one of the page before it tells that the list moved:
    when it moved up, reading goes back until it meets what was read; when it moved down, something came in among the
    rows that were read, and the list is read once more. Raises `TransientError` when it never settles.
    """
    if size < 2:
        raise ValueError("Pages overlap by one row, so they must have two rows at least.")
    seen: set[str] = set()
    for _ in range(_PASSES):
        moved_down = yield from _offset_pass(read, key, size, seen)
        if not moved_down:
            return
    raise TransientError("The list changes faster than it can be read; the next run starts over.")


def _offset_pass(
    read: Callable[[int, int], Sequence[T]], key: Callable[[T], str], size: int, seen: set[str]
) -> Generator[list[T], None, bool]:
    """One pass over the list; returns whether something came in among the rows that were read already."""
    offset, seam, came_in = 0, "", False
    passed: set[str] = set()
    furthest = reads = 0
    while True:
        rows = read(offset, size)
        keys = [key(row) for row in rows]
        reads, furthest = reads + 1, max(furthest, offset // (size - 1))
        if reads > 10 * (furthest + _PASSES):
            raise TransientError("The list changes faster than it can be read; the next run starts over.")
        if offset and passed.isdisjoint(keys):
            offset, seam = max(0, offset - size + 1), ""
            continue
        came_in = came_in or (seam != "" and keys[0] != seam)
        passed.update(keys)
        fresh = [row for row, name in zip(rows, keys) if name not in seen]
        seen.update(keys)
        if fresh:
            yield fresh
        if len(rows) < size:
            return came_in
        seam = keys[-1]
        offset += size - 1


def settled_rows(
    read: Callable[[int], Sequence[T]], key: Callable[[T], str], *, first: int = 0, size: int | None = None
) -> list[T]:
    """All rows of a list that only has page numbers and an unknown order.

    `read(page)` answers the rows of a page, an empty list past the end. The list is read again until two passes show
    the same rows in the same places: then no row can have slipped past a page border unseen. When `size` (rows in a
    full page) is given, a first page that is shorter is the whole list. `key` must contain whatever tells two versions
    of a row apart. Raises `TransientError` when the list never settles.
    """
    known: dict[str, T] = {}
    before: list[list[str]] | None = None
    for _ in range(_SETTLING):
        shown: list[list[str]] = []
        while rows := read(first + len(shown)):
            named = [(key(row), row) for row in rows]
            known.update(named)
            shown.append([name for name, _ in named])
            if size is not None and len(shown) == 1 and len(rows) < size:
                return list(known.values())
        if shown == before:
            return list(known.values())
        before = shown
    raise TransientError("The list changes faster than it can be read; the next run starts over.")


def token_pages(
    read: Callable[[str | None], tuple[Sequence[T], str | None]],
) -> Iterator[tuple[Sequence[T], str | None]]:
    """Pages of a list that hands out the next page's token or address; a token that repeats is refused."""
    token: str | None = None
    used: set[str] = set()
    while True:
        rows, token = read(token)
        yield rows, token
        if not token:
            return
        if token in used:
            raise PluginError("The list handed out the same page token twice; reading it would never end.")
        used.add(token)


@attrs.frozen(kw_only=True)
class ChangeLists:
    """How an API lists what changed, said once for all of its lists; `pages` answers both kinds of query.

    `since`, `before`, `limit`, `offset` and `keys` are the vendor's query parameters; `by_time` and `by_key` are those
    that sort, oldest change or lowest key first. Beneath is `walk_feeds` with all that it promises: what is asked for
    by other means (an exclusive bound, local time, a path for each state) gets a `ChangeFeed` of its own.
    """

    since: str  #: the parameter for changes from a moment on, inclusive
    before: str  #: the parameter for changes before a moment, exclusive
    by_time: Mapping[str, str]  #: the parameters that sort by change time, oldest first
    by_key: Mapping[str, str]  #: the parameters that sort by key
    keys: str = ""  #: the parameter for keys, joined by commas; empty: rows cannot be asked for by key
    limit: str = "limit"  #: the parameter for the number of rows
    offset: str = "offset"  #: the parameter for the number of rows to leave out
    rows: str = ""  #: the field of an answer that holds the rows; empty: the answer is the list
    total: str = "X-Total-Count"  #: the header with the number of all rows; it does no harm if there is none
    changed: str = "changed"  #: the attribute of a row with its change time: text with an offset, or a `datetime`
    page_size: int = 100  #: rows in a page
    granularity: timedelta = timedelta(seconds=1)  #: the resolution of the vendor's change clock
    overlap: timedelta = timedelta(minutes=10)  #: how far each run reads back
    budget: str = ""  #: the budget that the requests belong to

    def pages(
        self,
        session: Session[Any],
        query: Query,
        path: str,
        row: type[W],
        to_record: Callable[[W], R | str],
        *,
        key: str = "id",
    ) -> Iterator[Page[R]]:
        """Pages of the list at `path`, whose rows are a `row` each and become records by `to_record`.

        `key` is the attribute of a row with its key. A row that does not fit `row` still has its place in the walk, and
        is a reject under its own key. Raises `PluginError` when rows come that nobody asked for.
        """
        feed = self._feed(session, path, row, key)
        if isinstance(query, ByKeys):
            batches = self._named(session, query, path, feed)
        else:
            batches = walk_feeds({path: feed}, query)
        for batch in batches:
            for each in batch.rows:
                if each.error is not None and not each.error.key and _sketch(feed, each) is not None:
                    each.error.key = _key(feed, each)
            yield session.page(batch.rows, to_record, cursor=batch.cursor or None, identify=feed.key)

    def check(self, session: Session[Any], path: str) -> Check:
        """A green step of verify named after the list at `path`, once it can be read; raises why it cannot."""
        count = self._count(self._get(session, path, {**self.by_time, self.limit: 1}))
        return Check(name=path.capitalize(), state="ok", detail="" if count is None else f"{count} in all")

    def _feed(self, session: Session[Any], path: str, row: type[W], key: str) -> ChangeFeed[W]:
        def read(reading: Reading) -> Answer:
            sorting = self.by_key if reading.by_key else self.by_time
            asked = {self.since: self._stamp(reading.lo), self.before: self._stamp(reading.hi), **sorting}
            return self._get(session, path, {**asked, self.limit: reading.limit, self.offset: reading.offset})

        shape: Any = row
        decoder, sketch = _decoders(shape, key, self.changed)
        return ChangeFeed(
            read=read,
            decoder=decoder,
            sketch=sketch,
            key=lambda each: str(getattr(each, key)),
            moment=self._moment,
            page_size=self.page_size,
            granularity=self.granularity,
            overlap=self.overlap,
            total=self._count,
        )

    def _named(self, session: Session[Any], query: ByKeys, path: str, feed: ChangeFeed[W]) -> Iterator[Batch[W]]:
        if not self.keys:
            raise UnsupportedError(f"The list {path} cannot be asked by key.", hint="Read what changed instead.")
        for keys in chunks(query.keys, self.page_size):
            answer = self._get(session, path, {self.keys: ",".join(keys), self.limit: self.page_size})
            rows = answer.rows(feed.decoder)
            strange = {_key(feed, each) for each in rows if _sketch(feed, each) is not None} - set(keys)
            if strange:  # some systems ignore a filter that they do not know, and answer everything
                raise PluginError(f"{answer.url} answered {len(strange)} rows that nobody asked for.")
            yield Batch(rows, "")

    def _get(self, session: Session[Any], path: str, asked: Mapping[str, Any]) -> Answer:
        answer = session.http.get(path, asked, budget=self.budget)
        if not self.rows:
            return answer
        within = getattr(answer.decode(_envelope(self.rows)), "rows")  # noqa: B009  its class is made at run time
        return attrs.evolve(answer, content=bytes(within))

    def _stamp(self, at: datetime | None) -> str | None:
        if at is None:
            return None
        precision = "seconds" if not self.granularity.microseconds else "microseconds"
        return at.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")

    def _moment(self, row: Any) -> datetime:
        value = getattr(row, self.changed)
        return value if isinstance(value, datetime) else required(utc(value, self.changed), self.changed)

    def _count(self, answer: Answer) -> int | None:
        count = answer.headers.get(self.total.lower(), "")
        return int(count) if count.isdecimal() else None


@cache
def _decoders(row: Any, key: str, changed: str) -> tuple[msgspec.json.Decoder[Any], msgspec.json.Decoder[Any]]:
    """Decoders of a row, and of just its key and change time under the names that they have on the wire."""
    names = {each.name: each.encode_name for each in msgspec.structs.fields(row)}
    for name in (key, changed):
        if name not in names:
            raise PluginError(f"{row.__name__} has no field {name!r}.", hint="Name its key and its change time.")
    # A row without a change time still has a key to be named by.
    fields = [
        (key, Any, msgspec.field(name=names[key])),
        (changed, Any, msgspec.field(name=names[changed], default=None)),
    ]
    return msgspec.json.Decoder(row), msgspec.json.Decoder(msgspec.defstruct("Sketch", fields))


@cache
def _envelope(name: str) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(msgspec.defstruct("Envelope", [("rows", msgspec.Raw, msgspec.field(name=name))]))
