"""Connections to PostgreSQL that notice when the server is gone, and keep nobody waiting when we are."""

from __future__ import annotations

from typing import Any

from crossdock.errors import StoreError

ALIVE: dict[str, Any] = {
    "connect_timeout": 10, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}  # fmt: skip
"""A server that is gone without a word is noticed after half a minute; what the URL says of it goes before."""

IDLE = 30.0
"""Seconds between two statements of a transaction after which the server ends it: a machine that stands still in the
middle of one would keep what it locked, and all others with it. Shorter than a lease."""

_SERVER = (
    "SELECT set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false), "
    "set_config('tcp_keepalives_count', '3', false), set_config('tcp_user_timeout', '30s', false), "
    "CASE current_setting('idle_in_transaction_session_timeout') WHEN '0' "
    "THEN set_config('idle_in_transaction_session_timeout', %s, false) END"
)
"""The same for the server's end. Where its people gave transactions another patience, that holds."""


def driver() -> Any:
    """psycopg; raises `StoreError` where it is not installed."""
    try:
        import psycopg
    except ImportError as error:
        raise StoreError(
            "PostgreSQL needs a driver that is not installed.", hint="pip install 'crossdock[postgres]'"
        ) from error
    return psycopg


def reach(url: str) -> Any:
    """A psycopg connection in autocommit; raises `psycopg.Error` when there is none to be had."""
    from psycopg.conninfo import conninfo_to_dict

    wanted: dict[str, Any] = {**ALIVE, **conninfo_to_dict(url.replace("+psycopg", "", 1))}
    connection = driver().connect(**wanted, autocommit=True)
    try:
        connection.execute(_SERVER, [f"{round(IDLE * 1000)}ms"])
    except BaseException:
        connection.close()
        raise
    return connection
