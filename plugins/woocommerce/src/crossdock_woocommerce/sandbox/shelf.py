"""Orders on the shelf: encoded documents with sorted indexes, so that lists of 100 from 100,000 stay cheap."""

from __future__ import annotations

import bisect
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import attrs
import msgspec

from crossdock_woocommerce.sandbox.wire import Json, php_json

__all__ = ["HIDDEN", "Row", "Shelf", "Window", "seconds"]

HIDDEN = frozenset({"trash", "checkout-draft", "auto-draft"})
"""Statuses that ``status=any`` leaves out (vendor page section 3, measured)."""


def seconds(stamp: str) -> int:
    """A naive UTC time of a document as whole seconds."""
    return int(datetime.fromisoformat(stamp).replace(tzinfo=UTC).timestamp())


@attrs.define
class Row:
    """One order: its bytes as the shop sends them, and the columns that lists filter by."""

    id: int
    status: str
    created: int
    modified: int
    customer: int
    via: str
    raw: bytes


@attrs.frozen
class Window:
    """Exclusive bounds in whole seconds."""

    after: int | None = None
    before: int | None = None

    def holds(self, moment: int) -> bool:
        """Whether `moment` lies strictly inside."""
        return (self.after is None or moment > self.after) and (self.before is None or moment < self.before)

    def slice(self, index: Sequence[tuple[int, int]]) -> Sequence[tuple[int, int]]:
        """The part of a sorted index inside the window."""
        start = 0 if self.after is None else bisect.bisect_left(index, (self.after + 1, 0))
        stop = len(index) if self.before is None else bisect.bisect_left(index, (self.before, 0))
        return index[start:stop]


class Shelf:
    """All orders of the shop."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self._by_modified: list[tuple[int, int]] = []
        self._by_created: list[tuple[int, int]] = []
        self._by_id: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, order_id: int) -> bool:
        return order_id in self.rows

    def load(self, order_id: int) -> Json:
        """A copy of the order's document."""
        document: Json = msgspec.json.decode(self.rows[order_id].raw)
        return document

    def documents(self) -> Iterator[Json]:
        """Copies of all documents, oldest identifier first."""
        for order_id in sorted(self.rows):
            yield self.load(order_id)

    def save(self, order: Json) -> None:
        """Put a document on the shelf in place of what stood there."""
        self.remove(order["id"])
        row = Row(
            order["id"],
            order["status"],
            seconds(order["date_created_gmt"]),
            seconds(order["date_modified_gmt"]),
            order["customer_id"],
            order["created_via"],
            php_json(order),
        )
        self.rows[row.id] = row
        if row.status not in HIDDEN:
            bisect.insort(self._by_modified, (row.modified, row.id))
            bisect.insort(self._by_created, (row.created, row.id))
            bisect.insort(self._by_id, (row.id, row.id))

    def remove(self, order_id: int) -> None:
        """Take an order off the shelf, if it is there."""
        row = self.rows.pop(order_id, None)
        if row is None or row.status in HIDDEN:
            return
        for index, entry in (
            (self._by_modified, (row.modified, row.id)),
            (self._by_created, (row.created, row.id)),
            (self._by_id, (row.id, row.id)),
        ):
            del index[bisect.bisect_left(index, entry)]

    def select(
        self,
        statuses: frozenset[str] | None,
        modified: Window,
        created: Window,
        orderby: str,
        keep: Callable[[Row], bool] | None,
        *,
        descending: bool,
    ) -> list[int]:
        """Identifiers in order. `statuses` None is ``any``; `keep` is a further filter."""
        if statuses is None and keep is None:
            chosen = self._indexed(modified, created, orderby)
            if chosen is not None:
                ids = [order_id for _, order_id in chosen]
                return ids[::-1] if descending else ids
        rows = [
            row
            for row in self.rows.values()
            if (row.status not in HIDDEN if statuses is None else row.status in statuses)
            and modified.holds(row.modified)
            and created.holds(row.created)
            and (keep is None or keep(row))
        ]
        rows.sort(key=_KEYS.get(orderby, _KEYS["date"]), reverse=descending)
        return [row.id for row in rows]

    def _indexed(self, modified: Window, created: Window, orderby: str) -> Sequence[tuple[int, int]] | None:
        free = Window()
        if orderby == "modified" and created == free:
            return modified.slice(self._by_modified)
        if orderby == "date" and modified == free:
            return created.slice(self._by_created)
        if orderby == "id" and modified == free and created == free:
            return self._by_id
        return None

    def shuffle_ties(self, ids: list[int], salt: int) -> list[int]:
        """`ids` sorted by modification with ties in an order that depends on `salt`.

        Before 10.4 the database was free to answer each page with another order of equal seconds.
        """
        ranks: dict[int, int] = {}
        for order_id in ids:
            ranks.setdefault(self.rows[order_id].modified, len(ranks))
        return sorted(ids, key=lambda each: (ranks[self.rows[each].modified], zlib.crc32(f"{each}:{salt}".encode())))


_KEYS: dict[str, Callable[[Row], tuple[int, int]]] = {
    "date": lambda row: (row.created, row.id),
    "modified": lambda row: (row.modified, row.id),
    "id": lambda row: (row.id, row.id),
    "title": lambda row: (row.created, row.id),
    "slug": lambda row: (row.created, row.id),
}
