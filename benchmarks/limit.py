"""The limit: the fastest sync that Python can do with none of our promises.

Raw sockets, typed decoding of just the fields it keeps, `sqlite3` (or PostgreSQL by COPY), a transaction a page, a
cursor. No ties, seams, overlap, canonical record, fingerprint, effect, retries or limits; a row that does not fit ends
it. ``python -m benchmarks.limit URL DATABASE [READERS]``: DATABASE is a file or a ``postgresql://`` URL; several
READERS fetch pages side by side by their numbers, on a first sync only.
"""

from __future__ import annotations

import socket
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

_BEGINNING = "1970-01-01T00:00:00"
_LIST = "/wp-json/wc/v3/orders?orderby=modified&order=asc&per_page=100&dates_are_gmt=true"


class Line(msgspec.Struct, gc=False):
    """What is kept of a line."""

    id: int
    sku: str
    quantity: int
    total: str


class Billing(msgspec.Struct, gc=False):
    """What is kept of the customer."""

    email: str


class Order(msgspec.Struct, gc=False):
    """What is kept of an order."""

    id: int
    number: str
    status: str
    currency: str
    total: str
    total_tax: str
    date_created_gmt: str
    date_modified_gmt: str
    billing: Billing
    line_items: list[Line]


_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_ORDER = msgspec.json.Decoder(Order)


class Client:
    """One keep-alive connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host = parts.netloc
        self.socket = socket.create_connection((parts.hostname, parts.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.total = 0

    def get(self, target: str) -> bytearray:
        """The body of an answer; the number of all rows is in `total`."""
        self.socket.sendall(f"GET {target} HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode())
        data = self.socket.recv(65536)
        while b"\r\n\r\n" not in data:
            data += self.socket.recv(65536)
        head, _, start = data.partition(b"\r\n\r\n")
        fields = head.lower()
        self.total = int(fields.partition(b"x-wp-total: ")[2].partition(b"\r\n")[0])
        body = bytearray(int(fields.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        body[: len(start)] = start
        view, size = memoryview(body), len(start)
        while size < len(body):
            size += self.socket.recv_into(view[size:])
        return body


class Sqlite:
    """The smallest store."""

    def __init__(self, path: str) -> None:
        self.db = sqlite3.connect(path, isolation_level=None)
        for statement in (
            "PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL",
            "CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, number, status, currency, total, tax, created,"
            " modified, email, payload)",
            "CREATE TABLE IF NOT EXISTS lines (id INTEGER PRIMARY KEY, order_id, sku, quantity, total)",
            "CREATE TABLE IF NOT EXISTS cursor (id INTEGER PRIMARY KEY, value)",
        ):  # fmt: skip
            self.db.execute(statement)

    def cursor(self) -> str:
        """Where to go on."""
        row = self.db.execute("SELECT value FROM cursor").fetchone()
        return str(row[0]) if row else _BEGINNING

    def keep(self, orders: list[tuple[Any, ...]], lines: list[tuple[Any, ...]], cursor: str) -> None:
        """A page in one transaction."""
        self.db.execute("BEGIN")
        self.db.executemany(
            "INSERT INTO orders VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET status=excluded.status,"
            " total=excluded.total, tax=excluded.tax, modified=excluded.modified, email=excluded.email,"
            " payload=excluded.payload",
            orders,
        )
        self.db.executemany(
            "INSERT INTO lines VALUES (?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET sku=excluded.sku,"
            " quantity=excluded.quantity, total=excluded.total",
            lines,
        )
        self.db.execute("INSERT OR REPLACE INTO cursor VALUES (1, ?)", (cursor,))
        self.db.execute("COMMIT")

    def contents(self) -> tuple[int, int]:
        """How many orders there are, and the sum of their totals in cents."""
        row = self.db.execute("SELECT count(*), sum(CAST(round(total * 100) AS INTEGER)) FROM orders").fetchone()
        return row[0], row[1]


class Postgres:
    """The same by COPY into a temporary table and one upsert a page."""

    def __init__(self, url: str) -> None:
        import psycopg

        self.db = psycopg.connect(url, autocommit=True)
        for statement in (
            "SET client_min_messages = warning",
            "CREATE TABLE IF NOT EXISTS orders (id bigint PRIMARY KEY, number text, status text, currency text,"
            " total text, tax text, created text, modified text, email text, payload text)",
            "CREATE TABLE IF NOT EXISTS lines (id bigint PRIMARY KEY, order_id bigint, sku text, quantity int,"
            " total text)",
            "CREATE TABLE IF NOT EXISTS cursor (id int PRIMARY KEY, value text)",
            "CREATE TEMPORARY TABLE s_orders (LIKE orders)", "CREATE TEMPORARY TABLE s_lines (LIKE lines)",
        ):  # fmt: skip
            self.db.execute(statement)

    def cursor(self) -> str:
        """Where to go on."""
        row = self.db.execute("SELECT value FROM cursor").fetchone()
        return str(row[0]) if row else _BEGINNING

    def keep(self, orders: list[tuple[Any, ...]], lines: list[tuple[Any, ...]], cursor: str) -> None:
        """A page in one transaction."""
        with self.db.transaction():
            for table, rows in (("orders", orders), ("lines", lines)):
                with self.db.cursor().copy(f"COPY s_{table} FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row(row)
            self.db.execute(
                "INSERT INTO orders SELECT * FROM s_orders ON CONFLICT (id) DO UPDATE SET status=excluded.status,"
                " total=excluded.total, tax=excluded.tax, modified=excluded.modified, email=excluded.email,"
                " payload=excluded.payload"
            )
            self.db.execute(
                "INSERT INTO lines SELECT * FROM s_lines ON CONFLICT (id) DO UPDATE SET sku=excluded.sku,"
                " quantity=excluded.quantity, total=excluded.total"
            )
            self.db.execute("TRUNCATE s_orders, s_lines")
            self.db.execute(
                "INSERT INTO cursor VALUES (1, %s) ON CONFLICT (id) DO UPDATE SET value=excluded.value", (cursor,)
            )

    def contents(self) -> tuple[int, int]:
        """How many orders there are, and the sum of their totals in cents."""
        row = self.db.execute("SELECT count(*), sum((total::numeric * 100)::bigint)::bigint FROM orders").fetchone()
        assert row is not None
        return row[0], row[1]


def _after(url: str, cursor: str) -> Iterator[bytearray]:
    """Pages one after the other, each from the last change time of the one before."""
    client = Client(url)
    while True:
        body = client.get(f"{_LIST}&modified_after={quote(cursor)}")
        if len(body) > 2:
            yield body
        if client.total <= 100:
            return
        cursor = _ORDER.decode(_RAWS.decode(body)[-1]).date_modified_gmt


def _side_by_side(url: str, readers: int) -> Iterable[bytearray]:
    """Pages by their numbers; a row that changes meanwhile moves all behind it, which nobody notices here."""
    clients = [Client(url) for _ in range(readers)]
    first = clients[0].get(_LIST)
    pages = -(-clients[0].total // 100)
    yield first

    def read(number: int) -> bytearray:
        client = clients.pop()
        try:
            return client.get(f"{_LIST}&page={number}")
        finally:
            clients.append(client)

    with ThreadPoolExecutor(readers) as pool:
        # A window, not all at once: the pages read ahead are held in memory.
        ahead = [pool.submit(read, number) for number in range(2, min(2 + 2 * readers, pages + 1))]
        for number in range(2, pages + 1):
            body = ahead.pop(0).result()
            if number + 2 * readers <= pages:
                ahead.append(pool.submit(read, number + 2 * readers))
            yield body


def sync(url: str, store: Sqlite | Postgres, readers: int) -> int:
    """Read everything that changed since the cursor; answers how many orders."""
    cursor, count = store.cursor(), 0
    text = isinstance(store, Postgres)
    pages = _side_by_side(url, readers) if readers > 1 and cursor == _BEGINNING else _after(url, cursor)
    for body in pages:
        orders, lines = [], []
        for raw in _RAWS.decode(body):
            row = _ORDER.decode(raw)
            orders.append((
                row.id, row.number, row.status, row.currency, row.total, row.total_tax, row.date_created_gmt,
                row.date_modified_gmt, row.billing.email, bytes(raw).decode() if text else raw,
            ))  # fmt: skip
            lines += [(line.id, row.id, line.sku, line.quantity, line.total) for line in row.line_items]
        store.keep(orders, lines, max(cursor, row.date_modified_gmt))
        count += len(orders)
    return count


def main() -> None:
    """Sync once, or say what the store contains."""
    if sys.argv[1] == "--contents":
        database = sys.argv[2]
        store = Postgres(database) if database.startswith("postgres") else Sqlite(database)
        sys.stdout.write("{} {}\n".format(*store.contents()))
        return
    url, database = sys.argv[1:3]
    readers = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    store = Postgres(database) if database.startswith("postgres") else Sqlite(database)
    sys.stdout.write(f"{sync(url, store, readers)}\n")


if __name__ == "__main__":
    main()
