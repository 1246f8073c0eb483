"""Finding and erasing what is about a person: records, and every text in which they are named."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from datetime import datetime
from typing import Any

import attrs

from crossdock.store.database import Database, stamp
from crossdock.store.ledger import COLUMNS, Effect
from crossdock.store.records import Stored

Key = tuple[str, str, str]
"""Connection, stream and key of a record."""

BATCH = 500
_RECORD = ("connection", "stream", "key", "ref", "fingerprint", "updated_at", "seen_at", "run", "page", "document")
_SETTLED = "('done', 'superseded', 'discarded')"


@attrs.frozen
class Place:
    """Where texts lie that may name a person: `whole` columns are emptied when they do, `parts` are masked.

    A `kept` place is what the engine works with: there only an address that is nobody else's counts as a name.
    """

    table: str
    id: tuple[str, ...]
    parts: tuple[str, ...]
    whole: tuple[str, ...] = ()
    kept: bool = False


PLACES = (
    Place("exchange", ("id",), ("url", "error"), ("request_body", "response_body")),
    Place("inbox", ("id",), ("headers", "query", "note"), ("body",)),
    Place("parked", ("id",), ("message", "cause"), ("vendor_message", "payload")),
    Place("effect", ("id",), ("message", "cause")),
    Place("attempt", ("id",), ("message",)),
    Place("event", ("id",), ("subject", "text")),
    Place("run", ("id",), ("message",)),
    Place("alert", ("id",), ("subject", "text")),
    Place("notice", ("id",), ("body", "note")),
    Place("connection", ("name",), ("reason",)),
    Place("effect", ("id",), ("sent_document",), kept=True),
    Place("memory", ("connection", "name", "key"), ("value",), kept=True),
    Place("record", ("connection", "stream", "key"), ("document",), kept=True),
    Place("payload", ("connection", "stream", "key"), (), ("body",), kept=True),
)


class Persons:
    """Verbs on personal data."""

    def __init__(self, database: Database) -> None:
        self._db = database

    # -- finding -----------------------------------------------------------------------------------

    def mentioned(self, stream: str, text: str, connection: str = "") -> Iterator[Stored]:
        """Records of a stream whose document contains `text`, whatever the case of its letters; scans them all."""
        pattern = "".join(f"\\{char}" if char in "\\%_" else char for char in text.lower())
        rows = self._db.query(
            f"SELECT {', '.join(_RECORD)} FROM record WHERE stream = ? AND (connection = ? OR ? = '') "
            "AND lower(document) LIKE ? ESCAPE '\\' ORDER BY connection, key",
            (stream, connection, connection, f"%{pattern}%"),
        )
        return (Stored(*row) for row in rows)

    def open_effects(self, keys: Sequence[Key]) -> list[Effect]:
        """Effects of records that are not settled: what they would send is still needed."""
        found = []
        for each in keys:
            rows = self._db.query(
                f"SELECT {', '.join(COLUMNS)} FROM effect WHERE source = ? AND stream = ? AND key = ? "
                f"AND state NOT IN {_SETTLED} ORDER BY id",
                each,
            )
            found += [Effect(*row) for row in rows]
        return found

    def old(self, stream: str, before: datetime, after: tuple[str, str]) -> list[Stored]:
        """Up to `BATCH` records that did not change since `before`, were not erased and have nothing to deliver.

        In the order of connection and key, from the one behind `after` on.
        """
        rows = self._db.query(
            f"SELECT {', '.join(_RECORD)} FROM record r WHERE stream = ? AND (connection, key) > (?, ?) "
            "AND (CASE WHEN updated_at = '' THEN seen_at ELSE updated_at END) < ? AND NOT EXISTS "
            "(SELECT 1 FROM erased x WHERE x.connection = r.connection AND x.stream = r.stream AND x.key = r.key) "
            "AND NOT EXISTS (SELECT 1 FROM effect e WHERE e.source = r.connection AND e.stream = r.stream "
            f"AND e.key = r.key AND e.state NOT IN {_SETTLED}) ORDER BY connection, key LIMIT ?",
            (stream, *after, stamp(before), BATCH),
        )
        return [Stored(*row) for row in rows]

    def sent(self, key: Key) -> list[tuple[int, str]]:
        """What was delivered of a record: ids of effects, and the documents."""
        rows = self._db.query(
            "SELECT id, sent_document FROM effect WHERE source = ? AND stream = ? AND key = ? "
            "AND sent_document IS NOT NULL",
            key,
        )
        return [(row[0], row[1]) for row in rows]

    # -- erasing -----------------------------------------------------------------------------------

    def replace(self, key: Key, document: str, now: datetime) -> int:
        """Keep a record without the person, and remember that it was erased; answers how many payloads went.

        Its fingerprint stays: read again unchanged, it is unchanged.
        """
        where = "WHERE connection = ? AND stream = ? AND key = ?"
        self._db.run(f"UPDATE record SET document = ? {where}", (document, *key))
        self._db.upsert(
            "erased", ("connection", "stream", "key", "erased_at"), ("connection", "stream", "key"),
            [(*key, stamp(now))],
        )  # fmt: skip
        return self._db.run(f"DELETE FROM payload {where}", key)

    def replace_sent(self, effect: int, document: str | None) -> None:
        """What was delivered, without the person."""
        self._db.run("UPDATE effect SET sent_document = ? WHERE id = ?", (document, effect))

    def sweep(
        self, place: Place, names: Callable[[str], bool], mask: Callable[[str], str], mark: str, *,
        skip: Container[tuple[Any, ...]] = (), dry_run: bool = False,
    ) -> int:  # fmt: skip
        """Mask or empty every text of a place that names a person; answers how many rows (`dry_run`: would be)."""
        columns = (*place.parts, *place.whole)
        after: tuple[Any, ...] | None = None
        count = 0
        while rows := self._rows(place, columns, after):
            after = rows[-1][: len(place.id)]
            for row in rows:
                if row[: len(place.id)] in skip:
                    continue
                changed = self._changed(place, row[len(place.id) :], names, mask, mark)
                if changed and not dry_run:
                    self._write(place, row[: len(place.id)], changed)
                count += bool(changed)
        return count

    def _rows(self, place: Place, columns: Sequence[str], after: tuple[Any, ...] | None) -> list[tuple[Any, ...]]:
        ids = ", ".join(place.id)
        beyond = f"WHERE ({ids}) > ({', '.join('?' * len(place.id))})" if after else ""
        return self._db.query(
            f"SELECT {ids}, {', '.join(columns)} FROM {place.table} {beyond} ORDER BY {ids} LIMIT ?",
            (*(after or ()), BATCH),
        )

    @staticmethod
    def _changed(
        place: Place, values: Sequence[Any], names: Callable[[str], bool], mask: Callable[[str], str], mark: str
    ) -> dict[str, Any]:
        """The columns of a row that name the person, as they are to be."""
        changed: dict[str, Any] = {}
        for column, value in zip((*place.parts, *place.whole), values, strict=True):
            text = bytes(value).decode("utf-8", "replace") if isinstance(value, bytes | memoryview) else value
            if not text:
                continue
            if column in place.parts:
                masked = mask(text)
                if masked != text:
                    changed[column] = masked
            elif names(text):
                changed[column] = mark if isinstance(value, str) else mark.encode()
        return changed

    def _write(self, place: Place, key: tuple[Any, ...], changed: dict[str, Any]) -> None:
        sets = ", ".join(f"{column} = ?" for column in changed)
        where = " AND ".join(f"{column} = ?" for column in place.id)
        with self._db.transaction() as db:
            db.run(f"UPDATE {place.table} SET {sets} WHERE {where}", (*changed.values(), *key))
