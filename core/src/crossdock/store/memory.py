"""The durable memory of a connection, and its last good files."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

import msgspec

from crossdock.session import Memory, StoredFile
from crossdock.store.database import Database, stamp


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

    def items(self, table: str) -> dict[str, str]:
        """Everything that is known in `table`."""
        rows = self._db.query(
            "SELECT key, value FROM memory WHERE connection = ? AND name = ? ORDER BY key", (self._connection, table)
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


class StoredFiles:
    """`crossdock.session.Files` in the store, compressed."""

    def __init__(self, database: Database, connection: str, now: Callable[[], datetime]) -> None:
        self._db = database
        self._connection = connection
        self._now = now

    def get(self, name: str) -> StoredFile | None:
        """The file kept under `name`, or `None`."""
        rows = self._db.query(
            "SELECT content, facts, kept_at FROM file WHERE connection = ? AND name = ?", (self._connection, name)
        )
        if not rows:
            return None
        content, facts, kept_at = rows[0]
        known = msgspec.json.decode(facts, type=dict[str, str])
        return StoredFile(content=zlib.decompress(content), facts=known, kept_at=datetime.fromisoformat(kept_at))

    def put(self, name: str, content: bytes, facts: Mapping[str, str] | None = None) -> StoredFile:
        """Keep a file; one that was kept under `name` before is replaced."""
        return self.take_over(name, StoredFile(content=content, facts=dict(facts or {}), kept_at=self._now()))

    def take_over(self, name: str, kept: StoredFile) -> StoredFile:
        """Keep a file as of the time at which it was kept elsewhere."""
        row = (
            self._connection, name, zlib.compress(kept.content, 3), msgspec.json.encode(kept.facts).decode(),
            stamp(kept.kept_at),
        )  # fmt: skip
        with self._db.transaction() as db:
            db.upsert("file", ("connection", "name", "content", "facts", "kept_at"), ("connection", "name"), [row])
        return kept

    def kept_at(self, name: str) -> datetime | None:
        """When the file was kept, without reading it."""
        rows = self._db.query("SELECT kept_at FROM file WHERE connection = ? AND name = ?", (self._connection, name))
        return datetime.fromisoformat(rows[0][0]) if rows else None


class ScratchMemory:
    """A memory for verifying: it knows what the connection knows, and what is added to it is forgotten."""

    def __init__(self, known: Memory) -> None:
        self._known = known
        self._values: dict[tuple[str, str], str | None] = {}

    def get_many(self, table: str, keys: Iterable[str]) -> dict[str, str]:
        """The values that are known of `keys`."""
        wanted = list(keys)
        return self._over(table, self._known.get_many(table, wanted), set(wanted))

    def items(self, table: str) -> dict[str, str]:
        """Everything that is known in `table`."""
        return self._over(table, self._known.items(table), {key for name, key in self._values if name == table})

    def _over(self, table: str, found: dict[str, str], keys: set[str]) -> dict[str, str]:
        newer = {key: self._values[table, key] for key in keys if (table, key) in self._values}
        return {key: value for key, value in sorted({**found, **newer}.items()) if value is not None}

    def put_many(self, table: str, values: Mapping[str, str]) -> None:
        """Remember, as long as this lasts."""
        self._values.update({(table, key): value for key, value in values.items()})

    def forget(self, table: str, keys: Iterable[str]) -> None:
        """Forget, as long as this lasts."""
        self._values.update({(table, key): None for key in keys})
