"""News between processes on PostgreSQL: connections that hear it, and the word that there is something to look at."""

from __future__ import annotations

from typing import Any

from crossdock.store.database import Database

WAKE = "crossdock_wake"
"""The channel on which processes tell each other that something is due."""

_KEPT_ALIVE: dict[str, Any] = {
    "connect_timeout": 5, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
}  # fmt: skip
"""A server that is gone without a word is noticed after half a minute."""


def tell(database: Database) -> None:
    """Let whoever listens on this database look now; where nobody can listen it is seen at their next look."""
    if database.dialect == "postgresql":
        database.query(f"SELECT pg_notify('{WAKE}', '')")


async def listening(url: str) -> Any:
    """A connection for a thread with an event loop (psycopg's ``AsyncConnection``), to be used with ``async with``."""
    from psycopg import AsyncConnection

    return await AsyncConnection.connect(url.replace("+psycopg", "", 1), autocommit=True, **_KEPT_ALIVE)


def schema_of(database: Database) -> str:
    """The PostgreSQL schema in which our tables are."""
    return str(database.query("SELECT current_schema()")[0][0])
