"""Forgetting what is old and that nothing needs any more, in batches that keep nobody waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import attrs

from crossdock.errors import StoreError
from crossdock.store.database import Database, stamp

BATCH = 500
"""Rows that are looked at, and deleted, in one transaction."""

_OPEN = "state NOT IN ('done', 'superseded', 'discarded')"


@attrs.frozen
class _Kind:
    """Rows of `table` that are numbered in the order of their time; those that `forgettable` does not pick stay."""

    table: str
    time: str
    forgettable: str = "1 = 1"


_NUMBERED = {
    "exchanges": _Kind("exchange", "at"),
    # When a backup was restored decides what is asked for before it is sent, for ever.
    "events": _Kind("event", "at", "kind <> 'database restored'"),
    "attempts": _Kind(
        "attempt", "ended_at", f"NOT EXISTS (SELECT 1 FROM effect e WHERE e.id = attempt.effect AND e.{_OPEN})"
    ),
    "runs": _Kind("run", "started_at", "state <> 'running'"),
    # What waits or failed is not handled yet.
    "inbox": _Kind("inbox", "received_at", "state IN ('done', 'ignored', 'duplicate')"),
    "alerts": _Kind("alert", "since", "state = 'resolved'"),
    "notices": _Kind("notice", "made_at", "state <> 'waiting'"),
}
KINDS: tuple[str, ...] = ("payloads", *_NUMBERED)


class Forgetting:
    """Verbs that forget. `going` is asked before each batch; false ends the work, whole batches are kept."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def forget(self, kind: str, before: datetime, going: Callable[[], bool], *, dry_run: bool = False) -> int:
        """Forget what is older than `before` of one of `KINDS`; answers how many rows (with `dry_run`, would be)."""
        if kind == "payloads":
            return self._payloads(stamp(before), going, dry_run=dry_run)
        count = 0
        keep = self._newest_runs() if kind == "runs" else frozenset[int]()
        for ids in self._old(_NUMBERED[kind], stamp(before)):
            if not going():
                break
            count += self._delete(_NUMBERED[kind], [each for each in ids if each not in keep], dry_run=dry_run)
        return count

    def _old(self, kind: _Kind, before: str) -> Iterator[list[int]]:
        """Ids of rows that are old, batch by batch: later rows have higher ids, so the first young one ends it."""
        after = 0
        while True:
            rows = self._db.query(
                f"SELECT id, {kind.time} FROM {kind.table} WHERE id > ? ORDER BY id LIMIT ?", (after, BATCH)
            )
            old = [row[0] for row in rows if row[1] < before]
            if old:
                yield old
            if len(old) < len(rows) or not rows:
                return
            after = rows[-1][0]

    def _delete(self, kind: _Kind, ids: Sequence[int], *, dry_run: bool) -> int:
        condition, values = self._db.any_of("id", ids)
        where = f"FROM {kind.table} WHERE {condition} AND {kind.forgettable}"
        if dry_run:
            return int(self._db.query(f"SELECT count(*) {where}", (values,))[0][0])
        with self._db.transaction(durable=False) as db:
            return db.run(f"DELETE {where}", (values,))

    def _newest_runs(self) -> frozenset[int]:
        """The last run of each lane that ended: it says when a stream is due, and how it stands."""
        rows = self._db.query(
            "SELECT max(id) FROM run WHERE state <> 'running' GROUP BY kind, connection, stream, flow"
        )
        return frozenset(row[0] for row in rows)

    def _payloads(self, before: str, going: Callable[[], bool], *, dry_run: bool) -> int:
        """Vendors' bytes of records; not of those that a person may still have to look at."""
        after: tuple[Any, ...] = ("", "", "")
        count = 0
        while going():
            rows = self._db.query(
                "SELECT connection, stream, key, fetched_at FROM payload WHERE (connection, stream, key) > (?, ?, ?) "
                "ORDER BY connection, stream, key LIMIT ?",
                (*after, BATCH),
            )
            if not rows:
                break
            after = rows[-1][:3]
            count += self._drop_payloads([row[:3] for row in rows if row[3] < before], before, dry_run=dry_run)
        return count

    def _drop_payloads(self, keys: Sequence[tuple[Any, ...]], before: str, *, dry_run: bool) -> int:
        count = 0
        unneeded = (
            "FROM payload WHERE connection = ? AND stream = ? AND key = ? AND fetched_at < ? AND NOT EXISTS "
            "(SELECT 1 FROM effect e WHERE e.source = payload.connection AND e.stream = payload.stream "
            f"AND e.key = payload.key AND e.{_OPEN})"
        )
        with self._db.transaction(durable=False) as db:
            for key in keys:
                if dry_run:
                    count += int(db.query(f"SELECT count(*) {unneeded}", (*key, before))[0][0])
                else:
                    count += db.run(f"DELETE {unneeded}", (*key, before))
        return count

    # -- the file ----------------------------------------------------------------------------------

    def size(self) -> tuple[int, int]:
        """Bytes of the database, and how many of them are free inside it (of PostgreSQL unknown, 0)."""
        if self._db.dialect != "sqlite":
            return int(self._db.query("SELECT pg_database_size(current_database())")[0][0]), 0
        page, pages, free = (
            int(self._db.query(f"PRAGMA {name}")[0][0]) for name in ("page_size", "page_count", "freelist_count")
        )
        return page * pages, page * free

    def compact(self) -> None:
        """Write the database anew without what is free or was deleted; raises `StoreError` while others write.

        SQLite needs as much free disk for it as the file has. PostgreSQL keeps what others may still see.
        """
        self._db.run("VACUUM")
        if self._db.dialect == "sqlite":
            busy = self._db.query("PRAGMA wal_checkpoint(TRUNCATE)")[0][0]
            if busy:
                raise StoreError("another process is reading it")
