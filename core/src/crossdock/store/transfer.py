"""A whole database in another place: from SQLite to PostgreSQL, back, or from server to server."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import attrs
import msgspec

from crossdock.errors import StoreError, UsageError
from crossdock.store import migrate
from crossdock.store.agenda import Agenda
from crossdock.store.database import Database, clean, stamp
from crossdock.store.leases import Leases, is_dead
from crossdock.store.snapshot import refuse_used

_BATCH = 500
_WHOLE = 1 << 128

Told = Callable[[str, int], None]
"""Called with a table's name and its number of rows when it is copied."""


@attrs.frozen(kw_only=True)
class _Table:
    """A table: its columns, which of them are its key, and whether it numbers its rows by itself."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    numbered: bool


def at_work(database: Database, now: datetime) -> list[str]:
    """Who works with a database, as far as that is known: living workers, and whoever has a lease that lasts."""
    found = {worker.owner for worker in Agenda(database).workers() if worker.alive(now)}
    found |= {owner for owner, until in Leases(database).held().values() if until > stamp(now) and not is_dead(owner)}
    return sorted(f"process {pid} on {place}" for place, pid, *_ in (f"{owner}/".split("/") for owner in found))


def refuse_work(database: Database, now: datetime) -> None:
    """Raises `UsageError` while anybody works with a database."""
    busy = at_work(database, now)
    if busy:
        raise UsageError(
            f"Something still works with the database: {', '.join(busy)}.",
            hint="Stop crossdock run, crossdock worker, and whatever calls sync and push. After a crash wait a minute.",
        )


def copy(source: Database, target: Database, now: datetime, told: Told | None = None) -> dict[str, int]:
    """Copy all rows of `source`, compare every one of them, and answer how many there are by table.

    All or nothing: when it fails, or is killed, the target has empty tables. Meanwhile nobody can write to the source.
    Raises `UsageError` when something works with the source, or the target has anything in it; `StoreError` when the
    target does not give back what it was given.
    """
    if source.url == target.url:
        raise UsageError("Source and target are the same database.", hint="Give the URL of an empty one.")
    refuse_used(target.url)
    migrate.ensure(target)
    tables = _tables()
    with source.transaction(), target.transaction():
        for database in (source, target):
            _freeze(database, tables)
        refuse_work(source, now)
        _refuse_rows(target, tables)
        counts = {}
        for table in tables:
            counts[table.name] = _copy(source, target, table)
            if told:
                told(table.name, counts[table.name])
        if target.dialect == "postgresql":
            for table in tables:
                _number_on(target, table)
    return counts


def _tables() -> list[_Table]:
    from crossdock.store.tables import metadata

    return [
        _Table(
            name=table.name, columns=tuple(column.name for column in table.columns),
            key=tuple(column.name for column in table.primary_key), numbered=table.autoincrement_column is not None,
        )
        for table in metadata.sorted_tables
    ]  # fmt: skip


def _freeze(database: Database, tables: Sequence[_Table]) -> None:
    """Nobody else writes until the transaction ends; of SQLite that is so anyway."""
    if database.dialect == "postgresql":
        database.run(f"LOCK TABLE {', '.join(table.name for table in tables)} IN EXCLUSIVE MODE")


def _refuse_rows(target: Database, tables: Sequence[_Table]) -> None:
    used = [table.name for table in tables if target.query(f"SELECT 1 FROM {table.name} LIMIT 1")]
    if used:
        raise UsageError(
            f"The target is not empty: it has rows of {', '.join(used)}. It is not touched.",
            hint="Give the URL of an empty database.",
        )


def _copy(source: Database, target: Database, table: _Table) -> int:
    given = _Sum()
    for rows in _batches(source, table):
        target.upsert(table.name, table.columns, table.key, rows)
        given.add(rows)
    kept = _Sum()
    for rows in _batches(target, table):
        kept.add(rows)
    if kept != given:
        raise StoreError(
            f"The copy of {table.name} differs from what was written ({kept.number:,} rows of {given.number:,}). "
            "Nothing was kept."
        )
    return given.number


def _batches(database: Database, table: _Table) -> Iterator[list[tuple[Any, ...]]]:
    """All rows, in the order of their key, without keeping all of them in memory."""
    names = ", ".join(f'"{column}"' for column in table.columns)
    keys = ", ".join(f'"{column}"' for column in table.key)
    places = [table.columns.index(column) for column in table.key]
    beyond, last = "", ()
    while rows := database.query(f"SELECT {names} FROM {table.name}{beyond} ORDER BY {keys} LIMIT {_BATCH}", last):
        last = tuple(rows[-1][place] for place in places)
        beyond = f" WHERE ({keys}) > ({', '.join('?' * len(table.key))})"
        # What an older release kept may have characters that PostgreSQL refuses.
        yield [tuple(clean(value) if isinstance(value, str) else value for value in row) for row in rows]


@attrs.define
class _Sum:
    """How many rows, and a sum over them that does not depend on their order: databases sort text differently."""

    number: int = 0
    total: int = 0

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """Take rows in."""
        for row in rows:
            digest = hashlib.blake2b(msgspec.json.encode(row), digest_size=16).digest()
            self.total = (self.total + int.from_bytes(digest)) % _WHOLE
        self.number += len(rows)


def _number_on(target: Database, table: _Table) -> None:
    """The next row gets a number that no copied row has."""
    if table.numbered:
        (column,) = table.key
        target.query(
            f"SELECT setval(pg_get_serial_sequence(?, ?), greatest(max({column}), 1), max({column}) IS NOT NULL) "
            f"FROM {table.name}",
            (table.name, column),
        )
