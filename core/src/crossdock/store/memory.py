"""The durable memory of a connection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from crossdock.store.database import Database


class StoredMemory:
    """`crossdock.session.Memory` in the store."""

    def __init__(self, database: Database, connection: str) -> None:
        self._db = database
        self._connection = connection

    def get_many(self, table: str, keys: Iterable[str]) -> dict[str, str]:
        """The values that are known of `keys`."""
        condition, values = self._db.any_of("key", list(keys))
        rows = self._db.query(
            f"SELECT key, value FROM memory WHERE connection = ? AND name = ? AND {condition}",
            (self._connection, table, values),
        )
        return {row[0]: row[1] for row in rows}

    def put_many(self, table: str, values: Mapping[str, str]) -> None:
        """Remember."""
        with self._db.transaction() as db:
            db.upsert(
                "memory", ("connection", "name", "key", "value"), ("connection", "name", "key"),
                [(self._connection, table, key, value) for key, value in sorted(values.items())],
            )  # fmt: skip

    def forget(self, table: str, keys: Iterable[str]) -> None:
        """Forget."""
        condition, values = self._db.any_of("key", list(keys))
        with self._db.transaction() as db:
            db.run(
                f"DELETE FROM memory WHERE connection = ? AND name = ? AND {condition}",
                (self._connection, table, values),
            )
