"""Reading Octopia's list of orders so that none is lost.

The list has page numbers, no total and no order that can be relied on (vendor page sections 3 and 6), so a row could
slip past a page border while orders change. Two things prevent it. The list is read in windows of change time that end
in the past: a change takes an order out of its window and into a later one, so a window can only shrink. And each
window is compared with `/orders/count` on the same filter: when the count is the same before and after, the window was
the same all the while, and as many different orders as it counts are all of them. The list is read to its end all the
same, so a count that is too low loses nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import attrs
import msgspec

from crossdock import Answer, ByKeys, PluginError, RecordError, Row, Session, Since, TransientError, evolve
from crossdock.mapping import text, utc
from crossdock.paging import chunks
from crossdock_cdiscount import wire
from crossdock_cdiscount.settings import API, Settings

OVERLAP = timedelta(minutes=60)
SWEEP = timedelta(days=2)
SWEEP_EVERY = timedelta(days=1)
HISTORY = timedelta(days=90)
PAGE = 100
WINDOW = 3 * PAGE
"""More orders than that are read in smaller windows: the fewer pages, the rarer is a change while they are read."""
_PARTS = 24
_PASSES = 6
_DETAILS = 50
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)
_NEVER = datetime.min.replace(tzinfo=UTC)
_NEXT = re.compile(r"<([^>]*)>\s*;[^,]*\brel\s*=\s*\"?next\b", re.IGNORECASE)

Rows = list[Row[wire.Order]]


class _Mark(msgspec.Struct, omit_defaults=True):
    """The bookmark: everything up to `read` was read, and the last sweep ended at `swept`."""

    read: datetime | None = None
    swept: datetime | None = None


_MARK = msgspec.json.Decoder(_Mark)


def next_query(answer: Answer) -> str | None:
    """The query of the next page's address in the ``Link`` header; `None` at the end of the list.

    Only the query is taken: the address may name another host, and the credentials stay with ours.
    """
    found = _NEXT.search(answer.headers.get("link", ""))
    return urlsplit(found[1]).query if found else None


def listed(answer: Answer, decoder: msgspec.json.Decoder[Any]) -> list[Row[Any]]:
    """The rows of a page, one by one; an answer without `items` has none."""
    return answer.rows(decoder, answer.decode(wire.LISTED).items)


# -- by keys ---------------------------------------------------------------------------------------


def named(session: Session[Settings], query: ByKeys) -> Iterator[Rows]:
    """The orders with these ids; one that does not exist is left out, one that is refused is a reject."""
    for keys in chunks(query.keys, _DETAILS):
        rows: Rows = []
        for key in keys:
            try:
                answer = session.http.get(address(key), budget=API)
            except RecordError as error:
                if error.status != 404:
                    error.key = key
                    rows.append(Row(b"", None, error))
                continue
            rows += evolve(answer, content=b"[" + answer.content.removeprefix(b"\xef\xbb\xbf") + b"]").rows(wire.ORDER)
        yield [_named(row) for row in rows]


def address(key: str) -> str:
    """The path of an order; nothing in its id can lead elsewhere."""
    return f"orders/{quote(key, safe='')}"


# -- by change time --------------------------------------------------------------------------------


def changed(session: Session[Settings], query: Since) -> Iterator[tuple[Rows, str | None]]:
    """Orders that changed since the query's cursor, oldest windows first, and the cursor after each.

    The first run goes back 90 days or to the order start, each further one an hour, once a day two days (vendor page
    section 6). Raises `TransientError` at the end when Octopia's count and its list kept differing somewhere: what was
    read is handed out, and the cursor stays before the first such place.
    """
    mark = _restored(query.cursor)
    lo, sweeps = _begin(session, query, mark)
    reader = _Reader(session)
    seen, clock = reader.count(_Window(lo, None))
    hi = _end(session, clock, mark)
    hi = min(hi, query.until) if query.until else hi
    if hi <= lo:
        return
    held = False
    for rows, upto, complete in reader.walk(_Window(lo, hi), known=seen):
        held = held or not complete
        if not held:
            mark = _Mark(read=max(upto, mark.read) if mark.read else upto, swept=mark.swept)
            if upto == hi and sweeps:
                mark.swept = hi
        if rows or upto == hi:
            yield rows, _written(mark) if mark.read else None
    if held:
        raise TransientError(
            "Octopia counts more orders than it lists. What it listed was kept, and the next run goes on before them.",
            hint="If it lasts, set count_check to no: then such a difference is only logged.",
        )


def _restored(cursor: str | None) -> _Mark:
    try:
        return _MARK.decode(cursor) if cursor else _Mark()
    except msgspec.MsgspecError as error:
        raise PluginError(f"The bookmark is not one of this connector's: {error}.", hint="Sync with --full.") from error


def _written(mark: _Mark) -> str:
    return msgspec.json.encode(mark).decode()


def _end(session: Session[Settings], clock: datetime | None, mark: _Mark) -> datetime:
    """Octopia's clock: with ours ahead of it, changes between the two would never be read.

    A clock of theirs that ran ahead for a moment would do the same, so beyond the overlap ours counts.
    """
    now = session.clock.now()
    hi = clock or now
    if hi > now + OVERLAP:
        session.log.warning("Octopia's clock says %s, ours %s: orders are read up to ours.", stamp(hi), stamp(now))
        hi = now
    if mark.read and hi < mark.read - OVERLAP:
        raise TransientError(
            f"Orders were read up to {stamp(mark.read)} already, and now is {stamp(hi)}: a clock was wrong.",
            hint="Correct this machine's clock. If it was the clock then that was wrong, sync the orders with --full.",
        )
    return hi


def _begin(session: Session[Settings], query: Since, mark: _Mark) -> tuple[datetime, bool]:
    """Where to start, and whether this run counts as the daily sweep."""
    now = session.clock.now()
    start = query.start or session.settings.order_start
    if mark.read is None:
        return start or now - HISTORY, True
    sweeps = mark.swept is None or now - mark.swept >= SWEEP_EVERY
    lo = mark.read - OVERLAP
    if sweeps:
        lo = min(lo, now - SWEEP)
    return max(lo, start) if start else lo, sweeps


@attrs.frozen
class _Window:
    """Change times from `lo` up to `hi` (`None`: open)."""

    lo: datetime
    hi: datetime | None

    @property
    def params(self) -> dict[str, str]:
        """The filter. Whether the vendor's bounds are inclusive is not known: a second more on one side covers both."""
        bounds = {"updatedAtMin": stamp(self.lo - _SECOND)}
        return bounds | {"updatedAtMax": stamp(self.hi)} if self.hi else bounds

    @property
    def wide(self) -> bool:
        """Whether it can be split."""
        return self.hi is not None and self.hi - self.lo > 4 * _SECOND

    def parts(self, count: int) -> list[_Window]:
        """At most `count` (and 24) windows of whole seconds that cover this one without a gap."""
        assert self.hi is not None  # noqa: S101  only closed windows are split
        step = max((self.hi - self.lo) / min(count, _PARTS), 2 * _SECOND)
        step = timedelta(seconds=-(-step // _SECOND))
        edges = [self.lo]
        while edges[-1] + step < self.hi:
            edges.append(edges[-1] + step)
        return [_Window(lo, hi) for lo, hi in zip(edges, [*edges[1:], self.hi])]


@attrs.define
class _Reader:
    """Reads windows; remembers which versions of orders the window before ended with."""

    session: Session[Settings]
    _before: frozenset[tuple[str, bytes]] = frozenset()

    def walk(self, window: _Window, known: int) -> Iterator[tuple[Rows, datetime, bool]]:
        """Rows, the end of their window, and whether they are all of it; oldest windows first."""
        todo = [(window, known if known == 0 else None)]
        while todo:
            part, count = todo.pop()
            if count is None:
                count, _ = self.count(part)
            if count > WINDOW and part.wide:
                todo.extend((each, None) for each in reversed(part.parts(-(-count * 3 // (WINDOW * 2)) + 1)))
                continue
            found, complete = self._read(part, count)
            if not complete and count > PAGE and part.wide:
                # Pages that leave rows out again and again: what fits into one page has no borders to slip past.
                todo.extend((each, None) for each in reversed(part.parts(2)))
                continue
            if not complete and not self.session.settings.count_check:
                self.session.log.warning("Octopia counts %d orders up to %s and lists %d.", count, part.hi, len(found))
                complete = True
            assert part.hi is not None  # noqa: S101  only closed windows are walked
            yield self._fresh(found), part.hi, complete

    def count(self, window: _Window) -> tuple[int, datetime | None]:
        """How many orders changed in the window, and the vendor's clock."""
        answer = self.session.http.get("orders/count", self._filter(window), budget=API)
        return answer.decode(wire.COUNT), answer.date

    def _read(self, window: _Window, count: int) -> tuple[list[_Found], bool]:
        """All orders of the window: read again until list and count agree."""
        found: dict[str, _Found] = {}
        current: set[str] = set()
        for attempt in range(_PASSES):
            unread = not current
            # Pages of another size have other borders.
            asked = self._pass(window, count, PAGE - attempt, found, current)
            whole = len(current) >= count
            if unread and asked == 1 and whole:  # one answer shows one moment
                break
            after, _ = self.count(window)
            if after == count and whole:
                break
            if after != count:  # orders left the window, so what is in it has to be met anew
                count, current = after, set()
        else:
            return list(found.values()), False
        if len(current) > count:
            self.session.log.warning("Octopia counts %d orders up to %s and lists %d.", count, window.hi, len(current))
        return list(found.values()), True

    def _pass(
        self, window: _Window, count: int, size: int, found: dict[str, _Found], current: set[str]
    ) -> int:  # fmt: skip
        """Read pages to the end of the list; answers how many.

        A page that is not full is the last one only if no order is missing: Octopia may make smaller ones than asked.
        """
        number, before = 0, b""
        while number <= max(count, len(current)):
            number += 1
            params = {**self._filter(window), "pageIndex": number, "pageSize": size}
            answer = self.session.http.get("orders", params, budget=API)
            rows = [_Found.of(row) for row in listed(answer, wire.ORDER)]
            self._check(window, rows)
            # The newest version of an order wins, whichever page showed it.
            for row in rows:
                if row.key not in found or row.at >= found[row.key].at:
                    found[row.key] = row
                current.add(row.key)
            last = bool(answer.headers.get("link")) or (len(rows) < size and len(current) >= count)
            if not rows or answer.content == before or (last and next_query(answer) is None):
                break
            before = answer.content
        return number

    def _check(self, window: _Window, rows: list[_Found]) -> None:
        # One odd row must not stop all others, and a filter that is ignored now and then only costs time.
        if rows and all(_NEVER < row.at < window.lo - _DAY for row in rows):
            raise PluginError(
                f"Octopia listed the order {rows[0].key}, changed at {stamp(rows[0].at)}, where changes since "
                f"{stamp(window.lo)} were asked for: its filter is ignored, and orders could be lost."
            )

    def _filter(self, window: _Window) -> Mapping[str, str]:
        channels = self.session.settings.sales_channels
        # With several, all are read and the others left out: whether the filter takes a list is not known.
        return {**window.params, **({"salesChannelId": channels[0]} if len(channels) == 1 else {})}

    def _fresh(self, found: list[_Found]) -> Rows:
        """Without the versions that the window before ended with: neighbours share a second."""
        fresh = [each for each in found if (each.key, each.row.raw) not in self._before]
        self._before = frozenset((each.key, each.row.raw) for each in found)
        return [_named(each.row) for each in sorted(fresh, key=lambda each: each.at)]


@attrs.frozen
class _Found:
    """A row with its order's id and change time, also when the rest of it does not fit."""

    row: Row[wire.Order]
    key: str
    at: datetime

    @classmethod
    def of(cls, row: Row[wire.Order]) -> _Found:
        """The row, named; one without an id is told apart by its bytes."""
        sketch = _sketch(row)
        return cls(row, text(sketch.order_id) or row.raw.hex(), _time(sketch.updated_at) or _NEVER)


def _sketch(row: Row[wire.Order]) -> wire.OrderSketch:
    if row.value is not None:
        return wire.OrderSketch(row.value.order_id, row.value.updated_at)
    try:
        return wire.ORDER_SKETCH.decode(row.raw)
    except msgspec.MsgspecError:
        return wire.OrderSketch()


def _named(row: Row[wire.Order]) -> Row[wire.Order]:
    if row.error is not None and not row.error.key:
        row.error.key = text(_sketch(row).order_id)
    return row


def _time(value: str | None) -> datetime | None:
    try:
        return utc(value, "updatedAt", UTC)
    except RecordError:
        return None


def stamp(at: datetime) -> str:
    """A moment as Octopia's filters take it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
