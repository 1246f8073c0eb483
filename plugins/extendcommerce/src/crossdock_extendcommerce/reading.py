"""Reading Extend Commerce's lists: two paging styles, and "list what changed, then fetch each" on top of them.

The vendor's advice is to list with the change date and then to fetch record by record (vendor page section 2). Nothing
says how a list is sorted, page counts drift and a page past the end is a 400, so a list is read until it is settled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import attrs
import msgspec

from crossdock import AccessError, Answer, PluginError, RecordError, Row, Session, Since, evolve
from crossdock.mapping import utc
from crossdock.paging import chunks, settled_rows
from crossdock_extendcommerce import wire
from crossdock_extendcommerce.settings import Settings

W = TypeVar("W")
V = TypeVar("V")
C = TypeVar("C")

OVERLAP = timedelta(minutes=10)
READERS = 4
DETAILS = 50
_PAGE = 100
# A change within the same tick as one that was read could carry the same time, so the newest are read again.
_SETTLING = timedelta(seconds=5)
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)


def stamp(at: datetime) -> str:
    """A query time as the API reads it: UTC without an offset (vendor page section 5)."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def cursor_of(query: Since, decoder: msgspec.json.Decoder[C], fresh: C) -> C:
    """The query's cursor, or `fresh` when there is none; raises `PluginError` for a foreign one."""
    if not query.cursor:
        return fresh
    try:
        return decoder.decode(query.cursor)
    except msgspec.MsgspecError as error:
        raise PluginError(f"The bookmark is not one of this connector's: {error}.", hint="Sync with --full.") from error


# -- lists -----------------------------------------------------------------------------------------


@attrs.define
class Listing(Generic[W]):
    """One list, page by page; `began` is the remote clock at its first answer."""

    session: Session[Settings]
    path: str
    params: Mapping[str, Any]
    decoder: msgspec.json.Decoder[W]
    budget: str
    began: datetime | None = None
    _last: int | None = None

    _first = 0

    def rows(self, key: Callable[[W], str]) -> list[Row[W]]:
        """All rows, settled; `key` identifies a row. Rows of another shape come with their error.

        Only what a row *is* goes into its key, not its state: a busy list would never settle otherwise, and a state
        that changes while it is read carries a newer change time and comes again in the next run.
        """
        page = self.page()
        return page if self.whole else self.settled(page, key)

    def page(self) -> list[Row[W]]:
        """The first page."""
        self._last = None
        return list(self._read(self._first))

    @property
    def whole(self) -> bool:
        """Whether the first page was the whole list."""
        return self._last == self._first

    def settled(self, page: list[Row[W]], key: Callable[[W], str]) -> list[Row[W]]:
        """All rows of a list of several pages, of which `page` is the first one."""
        known = [page]
        return settled_rows(
            lambda number: known.pop() if known and number == self._first else self._read(number),
            lambda row: key(row.value) if row.value else row.raw.hex(),
            first=self._first,
        )

    def _read(self, page: int) -> Sequence[Row[W]]:
        if self._last is not None and page > self._last:
            return []
        self._last = None
        answer = self._answer(page)
        if answer is None:
            return []
        if self.began is None:
            self.began = answer.date or self.session.clock.now()
        return self._rows_of(answer, page)

    def _answer(self, page: int) -> Answer | None:
        try:
            return self.session.http.get(self.path, {**self.params, **self._page(page)}, budget=self.budget)
        except RecordError as error:
            if error.status == 404:
                raise AccessError(
                    f"Extend Commerce does not know {self.path} of the client {self.session.settings.client!r}.",
                    hint="Check API address and client, then run: crossdock connection verify NAME",
                    status=404,
                ) from error
            if error.status == 400 and page > self._first:
                return None  # past the end (vendor page section 4)
            raise

    def _page(self, page: int) -> dict[str, Any]:
        return {"pageCount": _PAGE, "pageOffset": page}

    def _rows_of(self, answer: Answer, page: int) -> list[Row[W]]:
        rows = answer.rows(self.decoder)
        if len(rows) < _PAGE:
            self._last = page
        return rows


@attrs.define
class WrappedListing(Listing[W]):
    """A list in an object under `field` beside ``paginationInfo``, pages counted from 1."""

    field: str = ""
    _first = 1

    def _page(self, page: int) -> dict[str, Any]:
        return {"pageNumber": page}

    def _rows_of(self, answer: Answer, page: int) -> list[Row[W]]:
        found = answer.decode(wire.WRAPPED)
        raw: msgspec.Raw = getattr(found, self.field)
        pages = found.pagination_info.total_pages if found.pagination_info else None
        if pages is not None and page >= pages:
            self._last = page
        return answer.rows(self.decoder, raw)


@attrs.define
class DatedListing(Listing[W]):
    """The order list, cut by order date until each part is one page: what cannot be turned cannot lose a row.

    An order's date never changes, so no order moves from part to part while they are read. `start` is where orders
    are expected to begin, the oldest part is open all the same. Days of more than a page are settled like other lists.
    """

    start: datetime = _BEGINNING

    def rows(self, key: Callable[[W], str]) -> list[Row[W]]:
        """All rows; `key` identifies a row."""
        found: dict[str, Row[W]] = {}
        parts: list[tuple[datetime | None, datetime | None]] = [(None, None)]
        while parts:
            lo, hi = parts.pop()
            part = self._part(lo, hi)
            page = part.page()
            self.began = self.began or part.began
            cut = None if part.whole else self._cut(lo, hi)
            if cut is not None:
                parts += [(cut, hi), (lo, cut)]
                continue
            rows = page if part.whole else part.settled(page, key)
            found.update((key(row.value) if row.value else row.raw.hex(), row) for row in rows)
        return list(found.values())

    def _part(self, lo: datetime | None, hi: datetime | None) -> Listing[W]:
        # Whether the end counts, with or without its time of day, is not documented: a day more is always enough.
        bounds = {"orderDateFrom": stamp(lo) if lo else None, "orderDateTo": stamp(hi + _DAY) if hi else None}
        return Listing(self.session, self.path, {**self.params, **bounds}, self.decoder, self.budget)

    def _cut(self, lo: datetime | None, hi: datetime | None) -> datetime | None:
        """The midnight in the middle of a part, or `None` when it is a day."""
        first = (lo or self.start).replace(hour=0, minute=0, second=0, microsecond=0)
        days = ((hi or self.began or self.session.clock.now()) - first).days
        return first + timedelta(days=(days + 1) // 2) if days >= 1 + (hi is not None) else None


# -- single records --------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Detail(Generic[V]):
    """Where the full records are: ``path/number``."""

    session: Session[Settings]
    path: str
    decoder: msgspec.json.Decoder[V]
    budget: str

    def get(self, number: str) -> Row[V]:
        """One record; raises what the answer deserves."""
        answer = self.session.http.get(f"{self.path}/{quote(number, safe='')}", budget=self.budget)
        content = answer.content.removeprefix(b"\xef\xbb\xbf").strip()
        if content[:1] != b"{":
            answer.json()  # raises, unless it is JSON of another shape
        row = evolve(answer, content=b"[" + content + b"]").rows(self.decoder)[0]
        if row.error is not None:
            _named(row.error, number)
        return row

    def maybe(self, number: str) -> Row[V] | None:
        """One record, or `None` when there is none: a 404, or the 400 that some resources answer instead."""
        try:
            return self.get(number)
        except RecordError as error:
            if error.status == 404 or (error.status == 400 and "no row at position" in error.vendor_message):
                return None
            return Row(b"", None, _named(error, number))

    def listed(self, number: str, summary: bytes) -> Row[V]:
        """One record that was just listed; if it cannot be had, its summary as a reject (vendor page section 10.5)."""
        try:
            return self.get(number)
        except RecordError as error:
            return Row(summary, None, _named(error, number))

    def several(self, numbers: Sequence[str]) -> Iterator[list[Row[V]]]:
        """Those of `numbers` that exist, in batches, a few at a time."""
        for chunk in chunks(numbers, DETAILS):
            with ThreadPoolExecutor(READERS) as pool:
                yield [row for row in pool.map(self.maybe, chunk) if row is not None]


def named(rows: Sequence[Row[W]], sketch: msgspec.json.Decoder[V], key: Callable[[V], str]) -> None:
    """Give rows that cannot be read the key of their record, out of the few fields of `sketch`.

    What is parked under the record's key is forgotten once the record is read.
    """
    for row in rows:
        if row.error is not None:
            with suppress(msgspec.MsgspecError, ValueError):
                _named(row.error, key(sketch.decode(row.raw)))


def _named(error: RecordError, number: str) -> RecordError:
    error.key = error.key or number
    return error


# -- what changed ----------------------------------------------------------------------------------


class _Seen(msgspec.Struct, omit_defaults=True):
    """Where the next run starts, and what of its overlap was read already (number: change time)."""

    at: datetime
    done: dict[str, str] = {}


_SEEN = msgspec.json.Decoder(_Seen)


@attrs.frozen(kw_only=True)
class Changes(Generic[W, V]):
    """Records that are listed by change time and fetched one by one.

    `listing` makes the list of what changed since a time (`None`: everything); `floor` is where a first run starts;
    `leave` answers whether the list already says that the full record is not needed; such rows are handed out as they
    were listed.
    """

    listing: Callable[[datetime | None], Listing[W]]
    detail: Detail[V]
    number: Callable[[W], str]
    changed: Callable[[W], str | None]
    floor: datetime | None = None
    leave: Callable[[W], bool] = lambda _: False

    def walk(self, query: Since) -> Iterator[tuple[list[Row[W | V]], str]]:
        """Rows with the cursor that is safe once they are kept, oldest change first."""
        seen = cursor_of(query, _SEEN, _Seen(_BEGINNING))
        lo = max(seen.at - OVERLAP, self.floor or _BEGINNING) if query.cursor else self.floor
        listing = self.listing(lo)
        items, broken = self._sorted(listing, query.until)
        began = listing.began or self.detail.session.clock.now()
        end = min(began, query.until or began)
        todo = [each for each in items if not each.when or seen.done.get(each.number) != each.when]
        skipped = {each.number for each in items} - {each.number for each in todo}
        finished = [each for each in items if each.number in skipped]
        for batch in chunks(todo, DETAILS):
            finished += batch
            last = batch[-1] is todo[-1]
            at = end if last else max(min(batch[-1].at, end), min(seen.at, end))
            done = {each.number: each.when for each in finished if at - OVERLAP <= each.at < began - _SETTLING}
            yield [*broken, *self._rows(batch)], _cursor(at, done)
            broken = []
        if not todo:
            done = {each.number: each.when for each in finished if end - OVERLAP <= each.at < began - _SETTLING}
            yield broken, _cursor(end, done)

    def _sorted(self, listing: Listing[W], until: datetime | None) -> tuple[list[_Item[W]], list[Row[W | V]]]:
        """What was listed by change time, without changes after `until`; and the rows that name no record."""
        items: list[_Item[W]] = []
        broken: list[Row[W | V]] = []
        for row in listing.rows(self.number):
            number = self.number(row.value) if row.value is not None else ""
            if row.value is None or not number:
                broken.append(Row(row.raw, None, row.error or RecordError("A listed row names no number.")))
                continue
            when = self.changed(row.value) or ""
            # An unreadable time must not hide a record: it comes first, in every run.
            at = _moment(when)
            if until is None or at <= until:
                items.append(_Item(at, number, when, row.raw, row.value))
        return sorted(items, key=lambda item: (item.at, item.number)), broken

    def _rows(self, batch: Sequence[_Item[W]]) -> list[Row[W | V]]:
        wanted = [each for each in batch if not self.leave(each.value)]
        with ThreadPoolExecutor(READERS) as pool:
            found = pool.map(lambda each: self.detail.listed(each.number, each.raw), wanted)
            full = dict(zip((each.number for each in wanted), found, strict=True))
        rows: list[Row[W | V]] = []
        for each in batch:
            row: Row[Any] | None = full.get(each.number)
            rows.append(row or Row(each.raw, each.value))
        return rows


@attrs.frozen(slots=True)
class _Item(Generic[W]):
    at: datetime
    number: str
    when: str
    raw: bytes
    value: W


def _cursor(at: datetime, done: dict[str, str]) -> str:
    return msgspec.json.encode(_Seen(at, done)).decode()


def _moment(when: str) -> datetime:
    try:
        return utc(when, "changeDate", wire.ZONE) or _BEGINNING
    except RecordError:
        return _BEGINNING
