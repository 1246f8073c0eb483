"""Reading orders by windows of their update time, so that none is lost while the list moves.

OR11 cannot be sorted by update time (vendor page section 4). So both ends of a window are fixed, its pages overlap by
one row, the number of rows is compared with the stated total, and windows overlap. A long window is cut where the list
counts more than some thousand orders: each part has a bookmark of its own, so a first import goes on where it stopped.
What is to be shipped and was in no window is fetched by id (ST12), the second net.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import attrs
import msgspec

from crossdock import (
    ByKeys,
    ConnectorError,
    Order,
    Page,
    PluginError,
    Query,
    RecordError,
    Row,
    Session,
    Since,
    TransientError,
    evolve,
)
from crossdock.mapping import text, utc
from crossdock.paging import chunks, token_pages
from crossdock_mirakl import wire
from crossdock_mirakl.api import LIMIT, PAGE, get
from crossdock_mirakl.listing import Listed, counted
from crossdock_mirakl.mapping import to_order
from crossdock_mirakl.settings import Settings

OVERLAP = timedelta(minutes=15)
"""Read again on every run: changes that were committed late, and clocks that differ."""
SPLIT = 2000
"""A window that counts more orders is cut."""
SHORTEST = timedelta(minutes=1)
BACKLOG = timedelta(days=7)
"""How long ago an order may have become ready for shipping to be caught by the second net."""
_SECOND = timedelta(seconds=1)
_SKEW = timedelta(seconds=3)

Rows = list[Row[wire.Order]]


class Cursor(msgspec.Struct):
    """Everything that changed before `until` was read."""

    until: datetime


_CURSOR = msgspec.json.Decoder(Cursor)


def fetch(session: Session[Settings], query: Query) -> Iterator[Page[Order]]:
    """Orders that changed, oldest window first, or those named."""
    settings = session.settings
    start = (query.start if isinstance(query, Since) else None) or settings.order_start

    def record(row: wire.Order) -> Order | str:
        return to_order(row, start, settings.channels, settings.accept_within)

    def page(rows: Rows, cursor: str | None = None) -> Page[Order]:
        return session.page(rows, record, cursor=cursor, identify=lambda row: row.order_id)

    if isinstance(query, ByKeys):
        for rows in by_ids(session, query.keys):
            yield page(rows)
        return
    walk = _Walk(session, query, start)
    for rows, cursor in walk.windows():
        yield page(rows, cursor)
    if query.until is None:
        lost, waiting = _not_seen(session, walk.shipping)
        for rows in by_ids(session, lost):
            yield page(rows)
        _remember(session, waiting)
    if walk.uneven is not None:
        raise walk.uneven


def by_ids(session: Session[Settings], keys: Iterable[str]) -> Iterator[Rows]:
    """Orders by id, a hundred a request; what does not exist is left out."""
    for chunk in chunks(dict.fromkeys(keys), LIMIT):
        yield _rows(session, order_ids=",".join(chunk), max=PAGE).rows


# -- one page ----------------------------------------------------------------------------------------


def _rows(session: Session[Settings], budget: str = "reads", **params: object) -> Listed[wire.Order]:
    answer = get(session, "orders", budget, **params)
    found = answer.decode(wire.ORDERS)
    rows = evolve(answer, content=bytes(found.orders)).rows(wire.ORDER)
    for row in rows:
        if row.error is not None:
            row.error.key = _id(row)
    return Listed(rows, found.total_count, answer.date)


def _id(row: Row[wire.Order]) -> str:
    """The order's id, also of an order that does not fit its type."""
    if row.value is not None:
        return row.value.order_id
    try:
        return text(wire.ORDER_STAMP.decode(row.raw).order_id)
    except msgspec.MsgspecError:
        return ""


def _key(row: Row[wire.Order]) -> str:
    return _id(row) or f"unreadable-{hash(row.raw)}"


# -- windows of update times -------------------------------------------------------------------------


@attrs.frozen
class _Window:
    lo: datetime | None
    hi: datetime

    @property
    def params(self) -> dict[str, str | None]:
        return {"start_update_date": _stamp(self.lo) if self.lo else None, "end_update_date": _stamp(self.hi)}


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _floor(at: datetime) -> datetime:
    return at.replace(microsecond=0)


class _Uneven(TransientError):
    """A window lists fewer orders than it counts."""


class _Walk:
    """One run over the windows since a bookmark.

    `shipping` names the orders that were seen ready for shipping, `uneven` is the first window that did not add up: the
    later ones are read all the same, because new orders are in them, but no bookmark passes it.
    """

    def __init__(self, session: Session[Settings], query: Since, start: datetime | None) -> None:
        self._session = session
        now = _floor(session.clock.now()) + _SECOND  # what changed in this second is meant, too
        self._end = min(now, _floor(query.until)) if query.until else now
        self._bounded = query.until is not None
        self._lo = self._restore(query.cursor, start, self._end)
        self._compared = False
        self.uneven: _Uneven | None = None
        self._budget = "orders"  # the first request of a run is the one whose frequency is limited
        self.shipping: set[str] = set()

    @staticmethod
    def _restore(cursor: str | None, start: datetime | None, end: datetime) -> datetime | None:
        if not cursor:
            return _floor(start) if start else None
        try:
            until = _CURSOR.decode(cursor).until
        except msgspec.MsgspecError as error:
            raise PluginError(f"The bookmark is not one of Mirakl's: {error}.", hint="Sync with --full.") from error
        # A bookmark of a clock that was ahead must not silence the runs until that time has come.
        lo = min(until, end) - OVERLAP
        # An order placed before the start is left out anyway, and was last changed after it was placed.
        return max(lo, _floor(start)) if start else lo

    def windows(self) -> Iterator[tuple[Rows, str | None]]:
        """Rows page by page; the bookmark comes with an empty page once a window is complete."""
        lo, span = self._lo, None
        while lo is None or lo < self._end:
            hi = self._end if lo is None or span is None else min(lo + span, self._end)
            first = self._read(_Window(lo, hi), 0, PAGE)
            if hi == self._end and self._is_behind(first.date):
                continue
            if first.total and first.total > SPLIT:
                if lo is None:
                    lo = self._oldest(first.rows)
                    continue
                if hi - lo > SHORTEST:
                    share = (hi - lo) * SPLIT / (2 * first.total)
                    span = max(timedelta(seconds=int(share.total_seconds())), SHORTEST)
                    continue
            try:
                for rows in self._window(_Window(lo, hi), first):
                    yield rows, None
            except _Uneven as error:
                self.uneven = self.uneven or error
            if self.uneven is None:
                # The vendor's clock may be behind ours: what it dates before `hi` may still be to come.
                safe = min(hi, _floor(first.date)) if first.date else hi
                yield [], msgspec.json.encode(Cursor(safe)).decode()
            lo, span = hi, span * 2 if span else None

    def _is_behind(self, date: datetime | None) -> bool:
        """Whether our clock is behind the vendor's: then the end moves to theirs, or the newest orders came late.

        Asked once a run: an operator that answers slowly is ahead of the end each time, and no end would ever do.
        """
        if self._bounded or self._compared or date is None or date - self._end < _SKEW:
            return False
        self._end, self._compared = _floor(date) + _SECOND, True
        return True

    def _oldest(self, rows: Rows) -> datetime:
        """No update is older than the creation of the first order: the list is sorted by creation."""
        with contextlib.suppress(RecordError):
            placed = utc(rows[0].value.created_date, "created_date") if rows and rows[0].value else None
            if placed:
                return _floor(placed) - _SECOND
        return self._end - timedelta(days=3650)

    def _read(self, window: _Window, offset: int, limit: int) -> Listed[wire.Order]:
        channels = ",".join(self._session.settings.channels) or None
        found = _rows(self._session, self._budget, **window.params, channel_codes=channels, sort="dateCreated",
                      order="asc", max=limit, offset=offset)  # fmt: skip
        self._budget = "reads"
        self.shipping.update(
            row.value.order_id for row in found.rows if row.value and row.value.order_state == "SHIPPING"
        )
        return found

    def _window(self, window: _Window, first: Listed[wire.Order]) -> Iterator[Rows]:
        """All rows of a window. An order that changes meanwhile leaves it, and comes in a later one."""
        short = yield from counted(lambda offset, limit: self._read(window, offset, limit), _key, first)
        if short is not None:
            total, came = short
            raise _Uneven(
                f"Mirakl counts {total} orders that changed until {_stamp(window.hi)}, but lists {came}; "
                "the next run reads them again."
            )


# -- the second net ----------------------------------------------------------------------------------


def _not_seen(session: Session[Settings], shipping: set[str]) -> tuple[list[str], list[str] | None]:
    """Orders with items to ship (ST12) that were neither seen so in the windows nor caught before; and all of them.

    The latter are `None` when they could not be asked for.
    """
    since = _stamp(session.clock.now() - BACKLOG)

    def read(token: str | None) -> tuple[Sequence[wire.Shipment], str | None]:
        asked = {"page_token": token} if token else {"shipping_date_from": since, "limit": PAGE}
        answer = get(session, "shipments/items_to_ship", "reads" if token else "to_ship", **asked)
        page = answer.decode(wire.SHIPMENTS)
        return page.data, page.next_page_token

    try:
        waiting = [text(row.order_id) for rows, _ in token_pages(read) for row in rows]
    except ConnectorError as error:
        # The windows are complete; the net is looked at again in the next run.
        session.log.info("The items to ship were not compared: %s", error)
        return [], None
    caught = session.memory.get_many("to_ship", waiting)
    return [key for key in waiting if key and key not in shipping and key not in caught], waiting


def _remember(session: Session[Settings], waiting: Sequence[str] | None) -> None:
    """What is ready for shipping now was read: asked for again only when it left this list and came back."""
    if waiting is None:
        return
    known = session.memory.items("to_ship")
    session.memory.forget("to_ship", known.keys() - set(waiting))
    session.memory.put_many("to_ship", {key: "read" for key in waiting if key not in known})
