"""Statements that are put together once and kept."""

from __future__ import annotations

import functools


@functools.cache
def percent(sql: str) -> str:
    """A statement with psycopg's placeholders."""
    return sql.replace("%", "%%").replace("?", "%s")


@functools.cache
def upsert_sql(table: str, columns: tuple[str, ...], key: tuple[str, ...]) -> str:
    """Insert a row, or replace the one with the same key."""
    names = ", ".join(f'"{column}"' for column in columns)
    return f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(columns))}) {_on_conflict(columns, key)}"


@functools.cache
def merge_sql(table: str, columns: tuple[str, ...], key: tuple[str, ...]) -> str:
    """The same with all rows of the staging table."""
    names = ", ".join(f'"{column}"' for column in columns)
    return f"INSERT INTO {table} ({names}) SELECT {names} FROM stage_{table} {_on_conflict(columns, key)}"


def _on_conflict(columns: tuple[str, ...], key: tuple[str, ...]) -> str:
    sets = ", ".join(f'"{column}" = excluded."{column}"' for column in columns if column not in key)
    keys = ", ".join(f'"{column}"' for column in key)
    return f"ON CONFLICT ({keys}) DO UPDATE SET {sets}" if sets else f"ON CONFLICT ({keys}) DO NOTHING"
