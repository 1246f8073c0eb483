"""One way to talk to SQLite and PostgreSQL, thin enough for the hot path.

SQL texts are written once with ``?`` and in the words both databases share. The driver is called directly: importing
SQLAlchemy alone costs 200 to 400 ms of CPU and doubles the price of a stored row (docs/adr/0003).
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from crossdock import tripwire
from crossdock.errors import StoreError
from crossdock.store.reach import driver, reach
from crossdock.store.refusals import refused, unopened
from crossdock.store.statements import merge_sql, percent, upsert_sql

_SMALL = 20  # below this many rows a COPY costs more than it saves on PostgreSQL


def stamp(at: datetime) -> str:
    """A time as the store keeps it: UTC, microseconds, ``Z``; sorts as text."""
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    return at.isoformat(timespec="microseconds")[:-6] + "Z"


def clean(text: str) -> str:
    """Text that both databases can keep: PostgreSQL refuses NUL, and lone surrogates cannot be encoded at all."""
    if "\0" in text:
        text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def unstamp(text: str | None) -> datetime | None:
    """The aware UTC time of a stamp."""
    return datetime.fromisoformat(text) if text else None


_PRAGMAS = (
    "page_size=8192",  # payloads of 3 kB pack better; takes effect when the file is made
    "journal_mode=WAL",
    "synchronous=FULL",
    "wal_autocheckpoint=4000",  # 32 MB: fewer checkpoints write each page fewer times (measured: 21 to 16 us an order)
    "cache_size=-16384",
)


class Database:
    """A connection to the database behind one lock; use `transaction` for everything that writes."""

    dialect = ""

    def __init__(self, url: str) -> None:
        self.url = url
        self._lock = threading.RLock()
        self._depth = 0
        self._quick = False

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a statement."""
        raise NotImplementedError

    def run(self, sql: str, params: Sequence[Any] = ()) -> int:
        """Execute a statement; answers the number of rows it touched."""
        raise NotImplementedError

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Execute a statement for each row."""
        raise NotImplementedError

    def upsert(self, table: str, columns: Sequence[str], key: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows, replacing those with the same key; the one fast path for many rows."""
        raise NotImplementedError

    def script(self, statements: Iterable[str]) -> None:
        """Execute statements one after the other."""
        for statement in statements:
            self.run(statement)

    def any_of(self, column: str, values: Sequence[str] | Sequence[int]) -> tuple[str, Any]:
        """A condition "column is one of values" and its single parameter."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the connection."""
        raise NotImplementedError

    @contextlib.contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[Database]:
        """All or nothing; nested blocks join the outer one. Other threads wait.

        Without `durable` a power cut (not a crash of ours) may take the last transactions back, whole and in order:
        enough for what can be fetched again, and it saves the wait for the disk.
        """
        with self._lock:
            if self._depth:
                yield self
                return
            self._begin(durable)
            self._depth = 1
            try:
                yield self
            except BaseException:
                self._depth = 0
                self._rollback()
                raise
            self._depth = 0
            try:
                self._commit()
            except BaseException:
                self._rollback()
                raise

    @contextlib.contextmanager
    def quick(self) -> Iterator[Database]:
        """Statements outside of transactions that a power cut may take back, as `transaction` without `durable`.

        For what is only true while its process lives, or is found again: leases, runs, when something is due.
        """
        with self._lock:
            before, self._quick = self._quick, True
            try:
                yield self
            finally:
                self._quick = before

    def serialize(self, name: str) -> None:
        """Until the end of this transaction, nobody else gets past the same call with the same `name`."""
        # SQLite has one writer at a time anyway.

    def share(self, name: str) -> None:
        """Until the end of this transaction, nobody gets past `serialize` of the same `name`; others may share."""

    def _begin(self, durable: bool) -> None:
        raise NotImplementedError

    def _commit(self) -> None:
        raise NotImplementedError

    def _rollback(self) -> None:
        raise NotImplementedError


class Sqlite(Database):
    """SQLite in WAL mode. `synchronous` is FULL: an effect that was committed as sending must survive a power cut."""

    dialect = "sqlite"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.path = sqlite_path(url)
        self._durable = True
        try:
            with contextlib.ExitStack() as opened:
                self._connection = sqlite3.connect(
                    self.path, timeout=30, isolation_level=None, check_same_thread=False, cached_statements=256
                )
                opened.callback(self._connection.close)
                for pragma in _PRAGMAS:
                    self._connection.execute(f"PRAGMA {pragma}")
                opened.pop_all()
        except sqlite3.Error as error:
            raise unopened(self.path, error) from error

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a statement."""
        with self._lock, _told():
            if not sql.startswith("SELECT"):
                self._harden(not self._quick)
            return self._connection.execute(sql, params).fetchall()

    def run(self, sql: str, params: Sequence[Any] = ()) -> int:
        """Execute a statement."""
        with self._lock, _told():
            self._harden(not self._quick)
            return self._connection.execute(sql, params).rowcount

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Execute a statement for each row."""
        with self._lock, _told():
            self._harden(not self._quick)
            self._connection.executemany(sql, rows)

    def upsert(self, table: str, columns: Sequence[str], key: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Insert or replace rows by key."""
        self.many(upsert_sql(table, tuple(columns), tuple(key)), rows)

    def any_of(self, column: str, values: Sequence[str] | Sequence[int]) -> tuple[str, Any]:
        """One parameter whatever the number of values: a JSON array."""
        return f"{column} IN (SELECT value FROM json_each(?))", msgspec.json.encode(list(values)).decode()

    def close(self) -> None:
        """Close the connection; an open write-ahead log is folded in."""
        with self._lock:
            self._connection.close()

    def _begin(self, durable: bool) -> None:
        with _told():
            self._harden(durable)
            self._connection.execute("BEGIN IMMEDIATE")

    def _harden(self, durable: bool) -> None:
        """Whether the next commit waits for the disk; inside a transaction that is decided."""
        if durable is not self._durable and not self._depth:
            self._connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._durable = durable

    def _commit(self) -> None:
        with _told():
            self._connection.execute("COMMIT")

    def _rollback(self) -> None:
        if self._connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")


class Postgres(Database):
    """PostgreSQL through psycopg 3. Many rows go by COPY into a temporary table and one upsert.

    A connection that broke (the server was restarted) is made anew for the next statement or transaction.
    """

    dialect = "postgresql"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._psycopg = driver()
        self._temporary: set[str] = set()
        self._closed = False
        self._soft = False
        self._connection = self._connect()

    def _connect(self) -> Any:
        try:
            return reach(self.url)
        except self._psycopg.Error as error:
            raise StoreError(
                f"PostgreSQL at {_place(self.url)} cannot be reached: {str(error).strip()}.",
                hint="Check CROSSDOCK_DATABASE_URL.",
            ) from error

    def _execute(self, sql: str, params: Sequence[Any]) -> Any:
        if not self._depth:
            self._revive()
            if not sql.startswith("SELECT"):
                self._soften()
        return self._connection.execute(percent(sql), params) if params else self._connection.execute(sql)

    def _soften(self) -> None:
        """Whether the next commit outside of a transaction waits for the disk."""
        if self._quick is not self._soft:
            self._connection.execute("SET synchronous_commit = off" if self._quick else "RESET synchronous_commit")
            self._soft = self._quick

    def _revive(self) -> None:
        if self._connection.closed and not self._closed:
            self._temporary.clear()
            self._soft = False
            self._connection = self._connect()

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a statement."""
        with self._lock, self._told():
            rows: list[tuple[Any, ...]] = self._execute(sql, params).fetchall()
            return rows

    def run(self, sql: str, params: Sequence[Any] = ()) -> int:
        """Execute a statement."""
        with self._lock, self._told():
            return int(self._execute(sql, params).rowcount)

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Execute a statement for each row, in one round trip."""
        if not rows:
            return
        if len(rows) == 1:
            # Not as a pipeline: a process that stood still before its end would keep its locks (see `reach.IDLE`).
            self.run(sql, rows[0])
            return
        with self._lock, self._told():
            if not self._depth:
                self._revive()
                self._soften()
            with self._connection.cursor() as cursor:
                cursor.executemany(percent(sql), rows)

    def upsert(self, table: str, columns: Sequence[str], key: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Insert or replace rows by key."""
        if len(rows) < _SMALL:
            self.many(upsert_sql(table, tuple(columns), tuple(key)), rows)
            return
        names = ", ".join(f'"{column}"' for column in columns)
        with self.transaction(), self._told():
            self._stage(table)
            with self._connection.cursor().copy(f"COPY stage_{table} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            self._connection.execute(merge_sql(table, tuple(columns), tuple(key)))
            self._connection.execute(f"TRUNCATE stage_{table}")

    def _stage(self, table: str) -> None:
        if table not in self._temporary:
            self._connection.execute(
                f"CREATE TEMPORARY TABLE IF NOT EXISTS stage_{table} (LIKE {table} INCLUDING DEFAULTS)"
            )
            self._temporary.add(table)

    def any_of(self, column: str, values: Sequence[str] | Sequence[int]) -> tuple[str, Any]:
        """One parameter whatever the number of values: an array."""
        return f"{column} = ANY(?)", list(values)

    def serialize(self, name: str) -> None:
        """An advisory lock that ends with the transaction."""
        self.query("SELECT pg_advisory_xact_lock(7236, hashtext(?))", (name,))

    def share(self, name: str) -> None:
        """A shared advisory lock that ends with the transaction."""
        self.query("SELECT pg_advisory_xact_lock_shared(7236, hashtext(?))", (name,))

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._closed = True
            self._connection.close()

    def _begin(self, durable: bool) -> None:
        with self._told():
            self._revive()
            if durable:
                self._connection.execute("BEGIN; SET LOCAL synchronous_commit TO DEFAULT" if self._soft else "BEGIN")
            else:
                self._connection.execute("BEGIN" if self._soft else "BEGIN; SET LOCAL synchronous_commit = off")

    def _commit(self) -> None:
        with self._told():
            self._connection.execute("COMMIT")

    def _rollback(self) -> None:
        with contextlib.suppress(self._psycopg.Error):
            self._connection.execute("ROLLBACK")
        # A temporary table that was made inside the block is gone with it.
        self._temporary.clear()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self._psycopg.Error as error:
            raise StoreError(f"The database refused: {str(error).strip()}") from error


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise refused(error) from error


def sqlite_path(url: str) -> str:
    """The file of a SQLite URL: ``sqlite:///relative.db``, ``sqlite:////absolute.db`` or ``sqlite://`` (memory)."""
    path = unquote(url.split("://", 1)[1])
    return path.removeprefix("/") if path else ":memory:"


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname or 'a local socket'}{parts.path}"


def connect(url: str) -> Database:
    """Open the database of `url` (``sqlite:///…`` or ``postgresql://…``)."""
    scheme = url.split(":", 1)[0].split("+", 1)[0]
    if (wire := tripwire.arm()) is not None:
        from crossdock.store.watched import watched

        return watched(url, wire)
    if scheme == "sqlite":
        path = sqlite_path(url)
        if path != ":memory:":
            parent = Path(path).parent
            if not parent.is_dir():
                raise StoreError(f"The folder {parent} of the database does not exist.", hint="crossdock init DIR")
        return Sqlite(url)
    if scheme in ("postgresql", "postgres"):
        return Postgres(url)
    raise StoreError(
        f"The database URL begins with {scheme!r}.", hint="Use sqlite:///file.db or postgresql://user@host/name."
    )
