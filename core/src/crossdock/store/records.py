"""Records and their payloads, bindings, bookmarks and what could not be read."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import attrs
import msgspec

from crossdock.errors import RecordError
from crossdock.records import from_document
from crossdock.store.database import Database, clean, stamp

_COLUMNS = ("connection", "stream", "key", "ref", "fingerprint", "updated_at", "seen_at", "run", "page", "document")
_KEY = ("connection", "stream", "key")


@attrs.frozen(slots=True)
class Prepared:
    """A record ready to be kept. `updated_at` is a stamp or empty."""

    key: str
    ref: str
    fingerprint: str
    updated_at: str
    document: str
    record: Any
    payload: bytes = b""


@attrs.frozen(slots=True)
class Stored:
    """A record as the store has it."""

    connection: str
    stream: str
    key: str
    ref: str
    fingerprint: str
    updated_at: str
    seen_at: str
    run: int
    page: int
    document: str

    @functools.cached_property
    def record(self) -> Any:
        """The canonical record; raises `RecordError` when this release cannot read the stored document."""
        try:
            return from_document(self.stream, self.document)
        except (msgspec.MsgspecError, ValueError, TypeError) as error:
            raise RecordError(
                f"The stored {self.stream} record {self.key} cannot be read: {error}.", key=self.key,
                hint=f"Read it again: crossdock sync {self.connection} {self.stream} --key {self.key}",
            ) from error  # fmt: skip

    def prepared(self) -> Prepared:
        """The stored record as a fetched one, to be routed again; raises `RecordError` as `record` does."""
        return Prepared(self.key, self.ref, self.fingerprint, self.updated_at, self.document, self.record)


@attrs.frozen(slots=True)
class Bound:
    """Where a record of `source` exists on `connection`."""

    source: str
    stream: str
    source_key: str
    connection: str
    external_id: str
    number: str


@attrs.frozen(slots=True)
class ParkedRecord:
    """A payload that could not be read as a record."""

    id: int
    connection: str
    stream: str
    key: str
    cause: str
    message: str
    path: str
    vendor_message: str
    payload: bytes
    run: int
    parked_at: str


class Records:
    """Verbs on records; the caller holds the transaction where several belong together."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def known(self, connection: str, stream: str, keys: Sequence[str]) -> dict[str, tuple[str, str]]:
        """Fingerprint and change time of those `keys` that are stored."""
        condition, values = self._db.any_of("key", keys)
        rows = self._db.query(
            f"SELECT key, fingerprint, updated_at FROM record WHERE connection = ? AND stream = ? AND {condition}",
            (connection, stream, values),
        )
        return {key: (fingerprint, updated_at) for key, fingerprint, updated_at in rows}

    def keep(self, connection: str, stream: str, rows: Sequence[Prepared], run: int, page: int, now: datetime) -> None:
        """Insert or replace records and payloads."""
        at = stamp(now)
        self._db.upsert(
            "record", _COLUMNS, _KEY,
            [
                (connection, stream, row.key, row.ref, row.fingerprint, row.updated_at, at, run, page, row.document)
                for row in rows
            ],
        )  # fmt: skip
        payloads = [(connection, stream, row.key, row.payload, at) for row in rows if row.payload]
        if payloads:
            self._db.upsert("payload", (*_KEY, "body", "fetched_at"), _KEY, payloads)

    def touch(self, connection: str, stream: str, rows: Sequence[Prepared]) -> None:
        """Note the newer change time of records whose content is unchanged."""
        self._db.many(
            "UPDATE record SET updated_at = ? WHERE connection = ? AND stream = ? AND key = ?",
            [(row.updated_at, connection, stream, row.key) for row in rows],
        )

    def seen(self, connection: str, stream: str, keys: Sequence[str], now: datetime) -> None:
        """Note that records were read again, unchanged or not."""
        condition, values = self._db.any_of("key", keys)
        self._db.run(
            f"UPDATE record SET seen_at = ? WHERE connection = ? AND stream = ? AND {condition}",
            (stamp(now), connection, stream, values),
        )

    def get(self, connection: str, stream: str, key: str) -> Stored | None:
        """One stored record."""
        rows = self._db.query(
            f"SELECT {', '.join(_COLUMNS)} FROM record WHERE connection = ? AND stream = ? AND key = ?",
            (connection, stream, key),
        )
        return Stored(*rows[0]) if rows else None

    def get_many(self, connection: str, stream: str, keys: Sequence[str]) -> dict[str, Stored]:
        """Stored records by key."""
        condition, values = self._db.any_of("key", keys)
        rows = self._db.query(
            f"SELECT {', '.join(_COLUMNS)} FROM record WHERE connection = ? AND stream = ? AND {condition}",
            (connection, stream, values),
        )
        return {row[2]: Stored(*row) for row in rows}

    def by_refs(self, connection: str, stream: str, refs: Sequence[str]) -> list[Stored]:
        """Stored records by what a person or another stream calls them."""
        condition, values = self._db.any_of("ref", refs)
        rows = self._db.query(
            f"SELECT {', '.join(_COLUMNS)} FROM record WHERE connection = ? AND stream = ? AND {condition} "
            "ORDER BY key",
            (connection, stream, values),
        )
        return [Stored(*row) for row in rows]

    def search(self, stream: str, text: str) -> list[Stored]:
        """Records of any connection whose key or ref is `text`."""
        rows = self._db.query(
            f"SELECT {', '.join(_COLUMNS)} FROM record WHERE stream = ? AND (key = ? OR ref = ?) "
            "ORDER BY connection, key",
            (stream, text, text),
        )
        return [Stored(*row) for row in rows]

    def pages(self, connection: str, stream: str, size: int = 500) -> Iterator[list[Stored]]:
        """All records of a stream in key order."""
        after = ""
        while True:
            rows = self._db.query(
                f"SELECT {', '.join(_COLUMNS)} FROM record WHERE connection = ? AND stream = ? AND key > ? "
                "ORDER BY key LIMIT ?",
                (connection, stream, after, size),
            )
            if not rows:
                return
            yield [Stored(*row) for row in rows]
            after = rows[-1][2]

    def count(self, connection: str, stream: str) -> int:
        """How many records of a stream are stored."""
        rows = self._db.query("SELECT count(*) FROM record WHERE connection = ? AND stream = ?", (connection, stream))
        return int(rows[0][0])

    def payload(self, connection: str, stream: str, key: str) -> bytes:
        """The vendor's bytes of a record; empty when retention deleted them."""
        rows = self._db.query(
            "SELECT body FROM payload WHERE connection = ? AND stream = ? AND key = ?", (connection, stream, key)
        )
        return bytes(rows[0][0]) if rows else b""

    # -- bindings ----------------------------------------------------------------------------------

    def bind(self, bound: Bound, now: datetime) -> None:
        """Remember where a record exists on another system."""
        self._db.upsert(
            "binding",
            ("source", "stream", "source_key", "connection", "external_id", "number", "created_at"),
            ("source", "stream", "source_key", "connection"),
            [(*map(clean, attrs.astuple(bound)), stamp(now))],
        )

    def unbind(self, source: str, stream: str, source_key: str, connection: str) -> None:
        """Forget a binding."""
        self._db.run(
            "DELETE FROM binding WHERE source = ? AND stream = ? AND source_key = ? AND connection = ?",
            (source, stream, source_key, connection),
        )

    def bound(self, source: str, stream: str, keys: Sequence[str], connection: str) -> dict[str, Bound]:
        """Bindings of records of `source` on `connection`, by source key."""
        condition, values = self._db.any_of("source_key", keys)
        rows = self._db.query(
            "SELECT source, stream, source_key, connection, external_id, number FROM binding "
            f"WHERE source = ? AND stream = ? AND connection = ? AND {condition}",
            (source, stream, connection, values),
        )
        return {row[2]: Bound(*row) for row in rows}

    def origins(self, connection: str, stream: str, external_ids: Sequence[str]) -> dict[str, list[Bound]]:
        """Which records of other systems became `external_ids` on `connection`."""
        condition, values = self._db.any_of("external_id", external_ids)
        rows = self._db.query(
            "SELECT source, stream, source_key, connection, external_id, number FROM binding "
            f"WHERE connection = ? AND stream = ? AND {condition}",
            (connection, stream, values),
        )
        found: dict[str, list[Bound]] = {}
        for row in rows:
            found.setdefault(row[4], []).append(Bound(*row))
        return found

    def called(self, stream: str, text: str) -> list[Bound]:
        """Bindings whose id or number on the other system is `text`."""
        rows = self._db.query(
            "SELECT source, stream, source_key, connection, external_id, number FROM binding "
            "WHERE stream = ? AND (external_id = ? OR number = ?) ORDER BY source, source_key",
            (stream, text, text),
        )
        return [Bound(*row) for row in rows]

    def bindings_of(self, source: str, stream: str, key: str) -> list[Bound]:
        """Where one record exists on other systems."""
        rows = self._db.query(
            "SELECT source, stream, source_key, connection, external_id, number FROM binding "
            "WHERE source = ? AND stream = ? AND source_key = ? ORDER BY connection",
            (source, stream, key),
        )
        return [Bound(*row) for row in rows]

    # -- bookmarks ---------------------------------------------------------------------------------

    def bookmark(self, connection: str, stream: str) -> str | None:
        """The cursor to go on from."""
        rows = self._db.query("SELECT cursor FROM stream WHERE connection = ? AND stream = ?", (connection, stream))
        return rows[0][0] if rows else None

    def set_bookmark(self, connection: str, stream: str, cursor: str | None, now: datetime) -> None:
        """Move the bookmark."""
        self._db.upsert(
            "stream", ("connection", "stream", "cursor", "synced_at"), ("connection", "stream"),
            [(connection, stream, cursor, stamp(now))],
        )  # fmt: skip

    def read_at(self, connection: str, stream: str) -> str | None:
        """When the last run began that read everything that had changed in a stream; a stamp of our clock."""
        rows = self._db.query("SELECT read_at FROM stream WHERE connection = ? AND stream = ?", (connection, stream))
        return rows[0][0] if rows else None

    def set_read(self, connection: str, stream: str, started: datetime) -> None:
        """A run that began at `started` has read everything that had changed."""
        self._db.upsert(
            "stream", ("connection", "stream", "read_at"), ("connection", "stream"),
            [(connection, stream, stamp(started))],
        )  # fmt: skip

    # -- parked payloads ---------------------------------------------------------------------------

    def park(self, connection: str, stream: str, errors: Sequence[RecordError], run: int, now: datetime) -> None:
        """Park payloads that could not be read; of several with one key the last one stays."""
        at = stamp(now)
        unique = {clean(error.key): error for error in errors}
        self._db.upsert(
            "parked",
            (*_KEY, "cause", "message", "path", "vendor_message", "payload", "run", "parked_at"),
            ("connection", "stream", "key"),
            [
                (connection, stream, key, *map(clean, (cause_of(error), str(error), error.path, error.vendor_message)),
                 error.payload, run, at)
                for key, error in unique.items()
            ],
        )  # fmt: skip

    def unpark(self, connection: str, stream: str, keys: Sequence[str]) -> int:
        """Forget parked payloads, because they were read since or a person says so."""
        condition, values = self._db.any_of("key", keys)
        return self._db.run(
            f"DELETE FROM parked WHERE connection = ? AND stream = ? AND {condition}", (connection, stream, values)
        )

    def parked(self, connection: str = "", stream: str = "") -> list[ParkedRecord]:
        """Parked payloads, newest first."""
        rows = self._db.query(
            "SELECT id, connection, stream, key, cause, message, path, vendor_message, payload, run, parked_at "
            "FROM parked WHERE (connection = ? OR ? = '') AND (stream = ? OR ? = '') ORDER BY id DESC",
            (connection, connection, stream, stream),
        )
        return [ParkedRecord(*(*row[:8], bytes(row[8]), *row[9:])) for row in rows]

    def any_parked(self, connection: str, stream: str) -> bool:
        """Whether anything of a stream is parked."""
        return bool(
            self._db.query("SELECT 1 FROM parked WHERE connection = ? AND stream = ? LIMIT 1", (connection, stream))
        )

    # -- erased persons ----------------------------------------------------------------------------

    def any_erased(self, connection: str, stream: str) -> bool:
        """Whether a record of the stream was erased."""
        return bool(
            self._db.query("SELECT 1 FROM erased WHERE connection = ? AND stream = ? LIMIT 1", (connection, stream))
        )

    def erased(self, connection: str, stream: str, keys: Sequence[str]) -> set[str]:
        """Which of those records were erased."""
        condition, values = self._db.any_of("key", keys)
        rows = self._db.query(
            f"SELECT key FROM erased WHERE connection = ? AND stream = ? AND {condition}", (connection, stream, values)
        )
        return {row[0] for row in rows}

    # -- connections -------------------------------------------------------------------------------

    def forget_connection(self, connection: str) -> bool:
        """Delete all records, payloads, bookmarks and memories of a connection; answers whether any of it was bound."""
        for table in (
            "record", "payload", "stream", "parked", "memory", "meter", "exchange", "file", "hold", "inbox", "hook",
            "erased", "announcement", "unannounced",
        ):  # fmt: skip
            self._db.run(f"DELETE FROM {table} WHERE connection = ?", (connection,))
        self._db.run("DELETE FROM hold WHERE target = ?", (connection,))
        return bool(self._db.run("DELETE FROM binding WHERE source = ? OR connection = ?", (connection, connection)))


def cause_of(error: Exception) -> str:
    """What a group of parked records has in common: the gap, or the message without the parts that differ."""
    import re

    gap = getattr(error, "gap", None)
    if gap is not None:
        return f"unknown {gap.kind} {gap.value}"
    path = re.sub(r"\[\d+\]", "[…]", getattr(error, "path", ""))
    text = re.sub(r"'[^']*'|\"[^\"]*\"|\d+", "…", str(error))
    return (f"{path}: {text}" if path and path not in text else text)[:200]
