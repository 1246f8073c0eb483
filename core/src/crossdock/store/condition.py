"""How a database is doing: what its program is, where its file lies, how full it is. Reads only."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from pathlib import Path

import attrs

from crossdock.errors import StoreError
from crossdock.store.database import Database, sqlite_path


@attrs.frozen(kw_only=True)
class SqliteCondition:
    """A SQLite database: version of the library, file, how it keeps its journal, sizes in bytes."""

    library: tuple[int, ...]
    path: Path
    journal: str
    size: int
    free: int
    log: int


@attrs.frozen(kw_only=True)
class PostgresCondition:
    """A PostgreSQL database: version of the server, its settings that matter, who is connected, and its clock.

    `settings` are by name. `connections` counts those to the whole server.
    """

    version: int
    settings: dict[str, str]
    size: int
    read_only: bool
    connections: int
    now: datetime


_SETTINGS = ("server_encoding", "fsync", "full_page_writes", "max_connections")


def sqlite_condition(database: Database) -> SqliteCondition:
    """How a SQLite database is doing."""
    path = Path(sqlite_path(database.url))

    def pragma(name: str) -> str:
        return str(database.query(f"PRAGMA {name}")[0][0])

    size = int(pragma("page_size"))
    log = Path(f"{path}-wal")
    return SqliteCondition(
        library=sqlite3.sqlite_version_info, path=path, journal=pragma("journal_mode"),
        size=size * int(pragma("page_count")), free=size * int(pragma("freelist_count")),
        log=log.stat().st_size if log.is_file() else 0,
    )  # fmt: skip


def postgres_condition(database: Database) -> PostgresCondition:
    """How a PostgreSQL database is doing."""
    (version, size, read_only, connections, now), = database.query(
        "SELECT current_setting('server_version_num')::int, pg_database_size(current_database()), "
        "pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on', "
        "(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'), clock_timestamp()"
    )  # fmt: skip
    settings = {name: str(database.query("SELECT current_setting(?)", (name,))[0][0]) for name in _SETTINGS}
    return PostgresCondition(
        version=int(version), settings=settings, size=int(size), read_only=bool(read_only),
        connections=int(connections), now=now,
    )  # fmt: skip


def writable(database: Database) -> str:
    """Empty when the database takes writes, else what it says; nothing is left behind."""
    try:
        with database.transaction(durable=False) as db:
            db.run("UPDATE alembic_version SET version_num = version_num")
    except StoreError as error:
        return str(error)
    return ""
