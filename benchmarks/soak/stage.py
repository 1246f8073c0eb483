"""What a soak is played on: six systems, a project that connects them, and the workers that see to it."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import attrs

from benchmarks.soak.clock import LEASE, FastClock, now
from crossdock.app import App
from crossdock.cli.demo_all import sellable
from crossdock.cli.init import make_project
from crossdock.cli.sandbox import make
from crossdock.configure import Wish, switch_stream
from crossdock.engine.decide import switch_flow
from crossdock.engine.route import check_flow
from crossdock.sandbox import serve
from crossdock.store.config import FlowOptions, FlowRow
from crossdock.webhooks import door, path_of, register

SHOP, MARKET, OCTOPIA, ERP, PRINTS, SUPPLIER = "shop", "market", "octopia", "erp", "prints", "supplier"
SELLING = (SHOP, MARKET, OCTOPIA)
SUPPLY = 40
"""Pieces of the scarce article, which only the marketplaces sell."""

ROOT = Path(__file__).resolve().parents[2]
_FIND_AFTER = 5.0  # real seconds: a system whose process is slow today may still be at it
_STREAMS = {
    **{(name, "orders"): "1m" for name in (SHOP, MARKET, PRINTS)}, (OCTOPIA, "orders"): "5m",
    (ERP, "orders"): "2m", (ERP, "shipments"): "1m", (ERP, "balance"): "1m", (ERP, "prices"): "5m",
    (SUPPLIER, "orders"): "1m", (SUPPLIER, "shipments"): "1m",
}  # fmt: skip


class Stage:
    """The systems, in this process, and a project that knows them."""

    def __init__(self, stack: contextlib.ExitStack, home: Path, database: str, port: int) -> None:
        self.home, self.database, self.port = home, database, port
        os.environ["CROSSDOCK_FIND_AFTER"] = str(_FIND_AFTER * FastClock().speed)
        list(make_project(home))
        self._stack = stack
        self.app = stack.enter_context(App(home, database, FastClock()))
        self.twins: dict[str, Any] = {}
        self.urls: dict[str, str] = {}
        self._build()

    def _build(self) -> None:
        shop = self._enter(SHOP, "woocommerce", https=True, tracking="shipment-tracking", clock=now)
        shop.seed(orders=0, products=12, seed=1, simple=True)
        self.skus = _articles(shop)
        self.scarce, self.others = self.skus[0], self.skus[1:]
        erp = self._enter(ERP, "extendcommerce", generous=True, customers=("WEBSHOP",), clock=now)
        warehouse = erp.settings("")["warehouses"]
        erp.seed_products([
            {"productNumber": sku, "name": f"Article {sku}", "vatPercent": 20, "price": "10.00", "currency": "EUR",
             "stock": {warehouse: SUPPLY if sku == self.scarce else 5000}} for sku in self.skus
        ])  # fmt: skip
        self._enter(MARKET, "mirakl", skus=self.skus, clock=now)
        self._enter(OCTOPIA, "cdiscount", skus=self.skus, acceptance=True, clock=now)
        prints = self._enter(PRINTS, "woocommerce", https=True, tracking="shipment-tracking", clock=now)
        prints.seed(orders=0, products=3, seed=1, simple=True)
        goods = _articles(prints)
        self.goods = goods[0]
        self._enter(SUPPLIER, "xdconnects", skus=goods, clock=now).change_stock(self.goods, 1_000_000)

    def _enter(self, name: str, connector: str, **options: Any) -> Any:
        twin = make(self.app.registry.connector(connector), (), **options)
        self.urls[name] = self._stack.enter_context(serve(twin)).url
        self.twins[name] = twin
        return twin

    def __getattr__(self, name: str) -> Any:
        """The system of that name."""
        twins = self.__dict__.get("twins", {})
        if name in twins:
            return twins[name]
        raise AttributeError(name)

    def connect(self) -> None:
        """Save the connections, switch streams on and flows live."""
        connectors = {SHOP: "woocommerce", PRINTS: "woocommerce", MARKET: "mirakl", OCTOPIA: "cdiscount",
                      ERP: "extendcommerce", SUPPLIER: "xdconnects"}  # fmt: skip
        more = {SHOP: {"manage_stock": "yes"}, MARKET: {"partner": "no"}, SUPPLIER: {"live_ordering": "yes"}}
        for name, connector in connectors.items():
            values = {**self.twins[name].settings(self.urls[name]), **more.get(name, {})}
            verified = self.app.save(name, connector, values)
            if not verified.green:
                raise RuntimeError(f"{name} is not green: {verified.checks}")
        for stream in ("products", "prices", "balance"):
            from crossdock.engine.pull import pull

            pull(self.app.bench, SUPPLIER, stream)
        pull(self.app.bench, ERP, "balance")
        for (connection, stream), every in _STREAMS.items():
            switch_stream(self.app, connection, stream, on=True, wish=Wish(every=every))
        for row in self._flows():
            check_flow(self.app.bench, row)
            self.app.store.config.save_flow(row, self.app.clock.now())
            switch_flow(self.app.bench, row.name, "live")

    def _flows(self) -> list[FlowRow]:
        refuse, rule, plain = FlowOptions(on_shortage="refuse"), FlowOptions(approve_up_to="100000"), FlowOptions()
        flows = [
            *((f"orders-{name}", "orders", name, ERP, plain) for name in SELLING),
            *((f"parcels-{name}", "shipments", ERP, name, plain) for name in SELLING),
            *((f"stock-{name}", "balance", ERP, name, plain) for name in SELLING),
            *((f"prices-{name}", "prices", ERP, name, plain) for name in SELLING),
            *((f"accept-{name}", "acceptance", name, ERP, refuse) for name in (MARKET, OCTOPIA)),
            ("numbers-market", "statuses", ERP, MARKET, plain),
            ("orders-prints", "orders", PRINTS, SUPPLIER, rule),
            ("parcels-prints", "shipments", SUPPLIER, PRINTS, plain),
            ("news-prints", "statuses", SUPPLIER, PRINTS, plain),
        ]
        return [
            FlowRow(
                name=name, stream=stream, source=source, target=target, mode="plan", options=options or FlowOptions()
            )
            for name, stream, source, target, options in flows
        ]

    def open_doors(self) -> None:
        """Tell the systems where their webhooks go; somebody has to listen there already."""
        base = f"http://127.0.0.1:{self.port}"
        for name in (SHOP, PRINTS):
            register(self.app, name, base)
        self.supplier.set_webhook(base + path_of(self.app, door(self.app, SUPPLIER)))
        self.erp.add_webhook(base + path_of(self.app, door(self.app, ERP)))

    def reopen_doors(self) -> None:
        """A shop gives up on an address that was away for long; its people switch it on again."""
        for name in (SHOP, PRINTS):
            for hook in list(self.twins[name].webhooks.hooks):
                self.twins[name].webhooks.update(hook, {"status": "active"})


def _articles(shop: Any) -> list[str]:
    state = shop.state()
    return [each["sku"] for each in (*state["products"], *state["variations"]) if sellable(each)]


@attrs.define
class Worker:
    """A process that works."""

    words: tuple[str, ...]
    process: subprocess.Popen[bytes]
    began: float
    memory: list[float] = attrs.field(factory=list)
    frozen_until: float = 0.0

    def weigh(self) -> None:
        """Note how much memory it has, in megabytes."""
        with contextlib.suppress(OSError, IndexError, StopIteration):
            lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
            self.memory.append(int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024)


class Crew:
    """The workers, some of which are killed or fall asleep, and are replaced; the last one is left alone."""

    def __init__(self, stage: Stage, several: bool, dice: random.Random) -> None:
        self._stage = stage
        self._dice = dice
        self._several = several
        self._lock = threading.RLock()
        self.kills = self.naps = 0
        self.growth: list[tuple[float, float, float]] = []
        self.workers = [self._start("run", "--host", "127.0.0.1", "--port", str(stage.port))]
        if several:
            self.workers += [self._start("worker", "--workers", "4") for _ in range(2)]

    def _start(self, *words: str) -> Worker:
        log = (self._stage.home / "workers.log").open("ab")
        command = [sys.executable, "-m", "benchmarks.soak.worker", "--project", str(self._stage.home), *words, "--json"]
        environment = {**os.environ, "CROSSDOCK_DATABASE_URL": self._stage.database}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        return Worker(words, process, time.monotonic())

    def harm(self) -> None:
        """Kill one, or let it fall asleep for longer than a lease."""
        with self._lock:
            self._harm(self._dice.choice(self.workers[:-1] if self._several else self.workers))

    def _harm(self, chosen: Worker) -> None:
        if chosen.frozen_until or chosen.process.poll() is not None:
            return
        if self._several and self._dice.random() < 0.3:
            chosen.process.send_signal(signal.SIGSTOP)
            chosen.frozen_until = time.monotonic() + LEASE * self._dice.uniform(0.3, 1.8)
            self.naps += 1
            return
        self._remember(chosen)
        chosen.process.kill()
        chosen.process.wait()
        self.kills += 1

    def look_after(self) -> None:
        """Wake those that have slept enough and replace those that ended."""
        with self._lock:
            self._look_after()

    def _look_after(self) -> None:
        for place, worker in enumerate(self.workers):
            if worker.frozen_until and time.monotonic() > worker.frozen_until:
                worker.process.send_signal(signal.SIGCONT)
                worker.frozen_until = 0.0
            if worker.process.poll() is not None:
                self.workers[place] = self._start(*worker.words)

    def weigh(self) -> None:
        """Note everybody's memory."""
        for worker in self.workers:
            worker.weigh()

    def _remember(self, worker: Worker) -> None:
        if len(worker.memory) > 2:
            self.growth.append((time.monotonic() - worker.began, worker.memory[1], worker.memory[-1]))

    def wake(self) -> None:
        """Nobody sleeps any longer."""
        for worker in self.workers:
            worker.process.send_signal(signal.SIGCONT)
            worker.frozen_until = 0.0

    def stop(self) -> list[int]:
        """End them all as a person would; their exit codes."""
        self.wake()
        for worker in self.workers:
            self._remember(worker)
            worker.process.terminate()
        return [worker.process.wait(timeout=30) for worker in self.workers]

    def kill(self) -> None:
        """End them all at once."""
        for worker in self.workers:
            worker.process.kill()
            worker.process.wait()
