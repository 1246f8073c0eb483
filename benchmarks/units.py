"""One of each thing, weighed: turns, orders, effects, webhooks and stock values of a project in this process."""

from __future__ import annotations

import contextlib
import io
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.__main__ import ROOT, WORK, bench, shop
from benchmarks.meter import Cost, Meter
from crossdock.app import App, Verified
from crossdock.engine.inbound import work
from crossdock.engine.pull import pull
from crossdock.engine.push import push
from crossdock.session import Changed, Check
from crossdock.store.config import FlowRow
from crossdock.store.database import stamp
from crossdock.store.inbox import Arrival

ORDERS, TURNS, SKUS = 2_000, 100, 1_000
GREEN = Verified((Check(name="measured", state="ok"),))


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
        null.STOCK = 500
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
    null.COUNT, single = 1, Cost()
    for _ in range(30):
        null.STOCK -= 1
        pull(bench_of, "erp", "balance")
        single += meter.took(lambda: push(bench_of, stock)) / 30
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
