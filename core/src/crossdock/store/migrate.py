"""Brings a database to the version this release needs; Alembic is imported only when there is something to do."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Any

from crossdock.errors import StoreError
from crossdock.store.database import Database, sqlite_path

HEAD = "0009"
KNOWN = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009")
_ALONE = threading.Lock()
"""Alembic's `context` and `op` are one for the whole process, so two threads cannot migrate at once."""


def current(database: Database) -> str | None:
    """The database's version; `None` for an empty one."""
    if database.dialect == "sqlite":
        found = database.query("SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'")
    else:
        found = database.query("SELECT 1 WHERE to_regclass('alembic_version') IS NOT NULL")
    if not found:
        return None
    rows = database.query("SELECT version_num FROM alembic_version")
    return str(rows[0][0]) if rows else None


def ensure(database: Database) -> None:
    """Upgrade an empty or older database; refuse one from the future."""
    version = current(database)
    if version == HEAD:
        return
    if version is not None and version not in KNOWN:
        raise StoreError(
            f"The database has version {version}, which this Crossdock does not know (it knows up to {HEAD}).",
            hint="Upgrade Crossdock to the release that last used this database.",
        )
    upgrade(database)


def upgrade(database: Database) -> None:
    """Run all missing migrations. Two may do this at once: the second one waits and finds nothing to do."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    engine = create_engine(_sqlalchemy_url(database), poolclass=NullPool, **_arguments(database))
    try:
        with _ALONE, engine.connect() as connection:
            if database.dialect == "sqlite":
                connection.exec_driver_sql("PRAGMA busy_timeout=30000")
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.execute(text("SELECT pg_advisory_xact_lock(7236001)"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
    finally:
        engine.dispose()


def differences(database: Database) -> list[str]:
    """What distinguishes the database from the schema, as Alembic sees it; empty when they agree."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    from crossdock.store.tables import metadata

    engine = create_engine(_sqlalchemy_url(database), poolclass=NullPool)
    try:
        with engine.connect() as connection:
            return [str(each) for each in compare_metadata(MigrationContext.configure(connection), metadata)]
    finally:
        engine.dispose()


def _sqlalchemy_url(database: Database) -> Any:
    from sqlalchemy.engine import URL

    if database.dialect == "sqlite":
        path = sqlite_path(database.url)
        if path == ":memory:":
            raise StoreError("An in-memory database cannot be migrated; use a file.")
        return URL.create("sqlite", database=path)
    scheme, _, rest = database.url.partition("://")
    return f"postgresql+psycopg://{rest}" if "+" not in scheme else database.url


def _arguments(database: Database) -> dict[str, Any]:
    # Python's sqlite3 would begin transactions by itself, and not before DDL: a migration must be all or nothing.
    return {"connect_args": {"isolation_level": None}} if database.dialect == "sqlite" else {}


def integrity(database: Database) -> str:
    """``ok``, or what SQLite's own check found; PostgreSQL has no such check and is reported as ok."""
    if database.dialect != "sqlite":
        return "ok"
    with contextlib.suppress(StoreError):
        return "; ".join(str(row[0]) for row in database.query("PRAGMA quick_check"))
    return "the check itself failed"
