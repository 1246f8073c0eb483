"""The rows of a whole database, to put it back to exactly that state as often as wanted."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from crossdock.errors import UsageError
from crossdock.store.database import Database, connect, sqlite_path

_TABLES = (
    "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema() "
    "AND table_name IN (SELECT tablename FROM pg_tables WHERE schemaname = current_schema()) "
    "ORDER BY table_name, ordinal_position"
)
_KEPT = ("connection", "flow", "record", "effect")


@attrs.frozen
class Snapshot:
    """A database as it was: of SQLite its file, of PostgreSQL its rows by table and column."""

    url: str
    content: bytes
    columns: Mapping[str, Sequence[str]]
    rows: Mapping[str, Sequence[tuple[Any, ...]]]

    def restore(self) -> None:
        """Put it back; nobody may be connected to it (SQLite) or work in it (PostgreSQL)."""
        if self.content:
            path = sqlite_path(self.url)
            for more in ("-wal", "-shm"):
                Path(path + more).unlink(missing_ok=True)
            Path(path).write_bytes(self.content)
            return
        with contextlib.closing(connect(self.url)) as database, database.transaction():
            database.run(f"TRUNCATE {', '.join(self.columns)} RESTART IDENTITY")
            for table, rows in self.rows.items():
                names = ", ".join(f'"{column}"' for column in self.columns[table])
                marks = ", ".join("?" * len(self.columns[table]))
                database.many(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)
                if "id" in self.columns[table] and rows:
                    database.query(
                        "SELECT setval(pg_get_serial_sequence(?, 'id'), (SELECT max(id) FROM " + table + "))", (table,)
                    )


def take(url: str) -> Snapshot:
    """The database of `url` as it is; nobody may be connected to it, or of SQLite a part would be missing."""
    with contextlib.closing(connect(url)) as database:
        if database.dialect == "sqlite":
            database.query("PRAGMA wal_checkpoint(TRUNCATE)")
            return Snapshot(url, Path(sqlite_path(url)).read_bytes(), {}, {})
        columns: dict[str, list[str]] = {}
        for table, column in database.query(_TABLES):
            columns.setdefault(table, []).append(column)
        return Snapshot(url, b"", columns, {table: _rows(database, table, names) for table, names in columns.items()})


def _rows(database: Database, table: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    names = ", ".join(f'"{column}"' for column in columns)
    return database.query(f"SELECT {names} FROM {table}")


def refuse_used(url: str) -> None:
    """Raises `UsageError` when anybody keeps anything in the database of `url`; an empty schema is fine."""
    with contextlib.closing(connect(url)) as database:
        there = _there(database)
        used = [table for table in _KEPT if table in there and database.query(f"SELECT 1 FROM {table} LIMIT 1")]
        foreign = there - {"alembic_version"} if "alembic_version" not in there else set()
    if used or foreign:
        raise UsageError(
            "The database is in use: everything in it would be overwritten, so it is not touched.",
            hint="Give the URL of an empty database.",
        )


def _there(database: Database) -> set[str]:
    if database.dialect == "sqlite":
        return {row[0] for row in database.query("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return {row[0] for row in database.query("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")}
