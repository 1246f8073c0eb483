"""The limit: the fastest sync that Python can do with none of our promises.

Raw sockets, typed decoding of just the fields it keeps, `sqlite3` (or PostgreSQL by COPY), a transaction a page, a
cursor. Key-set walking without ties, seams, overlap, canonical record, fingerprint or effect.
``python -m benchmarks.limit URL DATABASE`` where DATABASE is a file or a ``postgresql://`` URL.
"""

from __future__ import annotations

import socket
import sqlite3
import sys
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec


class Line(msgspec.Struct):
    """What is kept of a line."""

    id: int
    sku: str
    name: str
    quantity: int
    total: str


class Billing(msgspec.Struct):
    """What is kept of the customer."""

    email: str
    country: str


class Order(msgspec.Struct):
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

    def get(self, target: str) -> bytes:
        """The body of an answer."""
        self.socket.sendall(f"GET {target} HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode())
        data = self.socket.recv(1 << 20)
        while b"\r\n\r\n" not in data:
            data += self.socket.recv(1 << 20)
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        parts, size = [body], len(body)
        while size < length:
            part = self.socket.recv(1 << 20)
            parts.append(part)
            size += len(part)
        return b"".join(parts)


class Sqlite:
    """The smallest store."""

    def __init__(self, path: str) -> None:
        self.db = sqlite3.connect(path, isolation_level=None)
        for statement in (
            "PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL",
            "CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, number, status, currency, total, tax, created,"
            " modified, email, country, payload)",
            "CREATE TABLE IF NOT EXISTS lines (id INTEGER PRIMARY KEY, order_id, sku, name, quantity, total)",
            "CREATE TABLE IF NOT EXISTS cursor (id INTEGER PRIMARY KEY, value)",
        ):  # fmt: skip
            self.db.execute(statement)

    def cursor(self) -> str:
        """Where to go on."""
        row = self.db.execute("SELECT value FROM cursor").fetchone()
        return str(row[0]) if row else "1970-01-01T00:00:00"

    def keep(self, orders: list[tuple[Any, ...]], lines: list[tuple[Any, ...]], cursor: str) -> None:
        """A page in one transaction."""
        self.db.execute("BEGIN")
        self.db.executemany(
            "INSERT INTO orders VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET status=excluded.status,"
            " total=excluded.total, tax=excluded.tax, modified=excluded.modified, payload=excluded.payload",
            orders,
        )
        self.db.executemany(
            "INSERT INTO lines VALUES (?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET quantity=excluded.quantity,"
            " total=excluded.total",
            lines,
        )
        self.db.execute("INSERT OR REPLACE INTO cursor VALUES (1, ?)", (cursor,))
        self.db.execute("COMMIT")


class Postgres:
    """The same by binary-free COPY and one upsert a page."""

    def __init__(self, url: str) -> None:
        import psycopg

        self.db = psycopg.connect(url, autocommit=True)
        for statement in (
            "CREATE TABLE IF NOT EXISTS orders (id bigint PRIMARY KEY, number text, status text, currency text,"
            " total text, tax text, created text, modified text, email text, country text, payload bytea)",
            "CREATE TABLE IF NOT EXISTS lines (id bigint, order_id bigint, sku text, name text, quantity int,"
            " total text, PRIMARY KEY (order_id, id))",
            "CREATE TABLE IF NOT EXISTS cursor (id int PRIMARY KEY, value text)",
            "CREATE TEMPORARY TABLE s_orders (LIKE orders)", "CREATE TEMPORARY TABLE s_lines (LIKE lines)",
        ):  # fmt: skip
            self.db.execute(statement)

    def cursor(self) -> str:
        """Where to go on."""
        row = self.db.execute("SELECT value FROM cursor").fetchone()
        return str(row[0]) if row else "1970-01-01T00:00:00"

    def keep(self, orders: list[tuple[Any, ...]], lines: list[tuple[Any, ...]], cursor: str) -> None:
        """A page in one transaction."""
        with self.db.transaction():
            for table, rows in (("orders", orders), ("lines", lines)):
                with self.db.cursor().copy(f"COPY s_{table} FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row(row)
            self.db.execute(
                "INSERT INTO orders SELECT * FROM s_orders ON CONFLICT (id) DO UPDATE SET status=excluded.status,"
                " total=excluded.total, tax=excluded.tax, modified=excluded.modified, payload=excluded.payload"
            )
            self.db.execute(
                "INSERT INTO lines SELECT * FROM s_lines ON CONFLICT (order_id, id) DO UPDATE SET"
                " quantity=excluded.quantity, total=excluded.total"
            )
            self.db.execute("TRUNCATE s_orders, s_lines")
            self.db.execute(
                "INSERT INTO cursor VALUES (1, %s) ON CONFLICT (id) DO UPDATE SET value=excluded.value", (cursor,)
            )


def sync(url: str, store: Sqlite | Postgres) -> int:
    """Read everything that changed since the cursor; answers how many orders."""
    client, cursor, count = Client(url), store.cursor(), 0
    while True:
        after = quote(cursor)
        body = client.get(
            f"/wp-json/wc/v3/orders?orderby=modified&order=asc&per_page=100&dates_are_gmt=true&modified_after={after}"
        )
        raws = _RAWS.decode(body)
        if not raws:
            return count
        orders, lines = [], []
        for raw in raws:
            row = _ORDER.decode(raw)
            orders.append((
                row.id, row.number, row.status, row.currency, row.total, row.total_tax, row.date_created_gmt,
                row.date_modified_gmt, row.billing.email, row.billing.country, bytes(raw),
            ))  # fmt: skip
            lines += [
                (row.id * 100 + place, row.id, line.sku, line.name, line.quantity, line.total)
                for place, line in enumerate(row.line_items)
            ]
        cursor = row.date_modified_gmt
        store.keep(orders, lines, cursor)
        count += len(raws)
        if len(raws) < 100:
            return count


def main() -> None:
    """Sync once."""
    url, database = sys.argv[1:3]
    store = Postgres(database) if database.startswith("postgres") else Sqlite(database)
    sys.stdout.write(f"{sync(url, store)}\n")


if __name__ == "__main__":
    main()
