"""Databases whose commits are steps of the tripwire, each named by what it changed.

They take the place of the plain ones only when a tripwire is armed (see `crossdock.tripwire`), so nothing of this costs
anything in daily work.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from crossdock.errors import StoreError
from crossdock.store.database import Database, Postgres, Sqlite
from crossdock.store.look import Look, look, told
from crossdock.tripwire import Tripwire

_WRITE = re.compile(r"\s*(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s+\"?(\w+)", re.IGNORECASE)


class _Watched(Database):
    """Every outermost commit, and every write outside a transaction, is a step."""

    def __init__(self, url: str, wire: Tripwire) -> None:
        self._wire = wire
        self._tables: dict[str, None] = {}
        self._seen: Look | None = None
        super().__init__(url)

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a statement."""
        with self._writing(sql) as told:
            rows = super().query(sql, params)
            told(len(rows))
        return rows

    def run(self, sql: str, params: Sequence[Any] = ()) -> int:
        """Execute a statement."""
        with self._writing(sql) as told:
            touched = super().run(sql, params)
            told(touched)
        return touched

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Execute a statement for each row."""
        with self._writing(sql) as told:
            super().many(sql, rows)
            told(len(rows))

    def upsert(self, table: str, columns: Sequence[str], key: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Insert or replace rows by key."""
        with self._writing(f"INSERT INTO {table}") as told:
            super().upsert(table, columns, key, rows)
            told(len(rows))

    @contextlib.contextmanager
    def _writing(self, sql: str) -> Iterator[Callable[[int], None]]:
        """A statement, which says how many rows it touched: what touched none is no step."""
        found = _WRITE.match(sql)
        if found is None:
            yield _unheard
            return
        touched: list[int] = []
        with self._lock:
            self._look_first()
            yield touched.append
            if any(touched):
                self._tables[found[1]] = None
            if not self._depth:
                self._passed()

    def _begin(self, durable: bool) -> None:
        self._look_first()
        super()._begin(durable)

    def _commit(self) -> None:
        super()._commit()
        self._passed()

    def _rollback(self) -> None:
        super()._rollback()
        self._tables.clear()

    def _look_first(self) -> None:
        if self._seen is None and self._wire.near and not self._depth:
            self._seen = self._looked()

    def _passed(self) -> None:
        """Count what was just committed, if that was anything."""
        if not self._tables:
            return
        tables, self._tables = self._tables, {}
        self._wire.step(lambda: self._name(list(tables)))
        if self._wire.at and self._wire.near:
            self._seen = self._looked()

    def _name(self, tables: Sequence[str]) -> str:
        before, self._seen = self._seen, self._looked()
        changes = told(before, self._seen) if before is not None and self._seen is not None else ""
        return changes or f"bookkeeping ({', '.join(tables)}) is committed"

    def _looked(self) -> Look | None:
        with contextlib.suppress(StoreError):  # there are no tables yet
            return look(super().query)
        return None


def _unheard(touched: int) -> None:
    """A question changes nothing."""


class WatchedSqlite(_Watched, Sqlite):
    """SQLite with a tripwire."""


class WatchedPostgres(_Watched, Postgres):
    """PostgreSQL with a tripwire."""


def watched(url: str, wire: Tripwire) -> Database:
    """The database of `url` with a tripwire."""
    return WatchedSqlite(url, wire) if url.startswith("sqlite") else WatchedPostgres(url, wire)
