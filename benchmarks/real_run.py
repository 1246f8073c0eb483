"""``python -m benchmarks.real_run``: twenty connections for a minute, really and simulated, side by side.

One process with eight threads on PostgreSQL reads and delivers what `live_connector.py` makes up; the simulation gets
the same plan and the costs that `benchmarks.costs` measured. The difference says how far the simulation can be trusted.
"""

from __future__ import annotations

import heapq
import os
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import attrs
import msgspec

from benchmarks.__main__ import ROOT, WORK
from benchmarks.costs import Server, disk_sync, load
from benchmarks.installation import Installation, Kind, Setup
from benchmarks.lanes import Result, at_share
from benchmarks.meter import Cost, family_cpu
from benchmarks.simulation import Simulation
from benchmarks.units import GREEN
from crossdock.app import App
from crossdock.engine.pull import pull
from crossdock.engine.push import push
from crossdock.errors import UsageError
from crossdock.store.config import FlowRow

FILE = WORK / "real_run.json"
MERCHANTS, CHANNELS, THREADS = 4, 4, 8
RATE, EVERY, STOCK_EVERY, LATENCY, WARM, SECONDS = 6.0, 5.0, 20.0, 0.1, 10.0, 60.0
PULL, DELIVER, STOCK, BALANCE = range(4)


@attrs.define
class Seen:
    """What the real run did after its warm-up."""

    turns: int = 0
    stay: float = 0.0
    worker: float = 0.0
    database: float = 0.0
    lags: list[float] = attrs.field(factory=list)


class Dispatcher:
    """Lanes that are due, and the threads that work them: no lane twice at once, wishes meanwhile become one."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.state = threading.Condition()
        self.queue: list[tuple[int, float, tuple[int, int]]] = []
        self.queued: set[tuple[int, int]] = set()
        self.running: set[tuple[int, int]] = set()
        self.seen = Seen()
        self.counting = False
        self.stopping = False
        self.flows = {flow.name: flow for flow in app.store.config.flows()}

    def want(self, lane: tuple[int, int]) -> None:
        """Work a lane once, from now on."""
        with self.state:
            if lane not in self.queued:
                self.queued.add(lane)
                if lane not in self.running:
                    heapq.heappush(self.queue, (lane[0], time.time(), lane))
                    self.state.notify()

    def work(self) -> None:
        """What each thread does until the end."""
        while True:
            with self.state:
                while not self.queue and not self.stopping:
                    self.state.wait()
                if self.stopping:
                    return
                _, since, lane = heapq.heappop(self.queue)
                self.queued.discard(lane)
                self.running.add(lane)
            self._turn(*lane)
            with self.state:
                self.running.discard(lane)
                if self.counting:
                    self.seen.turns += 1
                    self.seen.stay += time.time() - since
                if lane in self.queued:
                    heapq.heappush(self.queue, (lane[0], time.time(), lane))
                    self.state.notify()

    def _turn(self, kind: int, place: int) -> None:
        bench, merchant = self.app.bench, place // CHANNELS
        if kind == PULL:
            try:
                pulled = pull(bench, f"c{place}", "orders")
            except UsageError:
                return  # a delivery of stock reads the same orders right now
            if pulled.counts.new:
                self.want((DELIVER, place))
                self._sold(merchant)
        elif kind == BALANCE:
            pull(bench, f"erp{place}", "balance")
            self._sold(place)
        else:
            push(bench, self.flows[f"{'orders' if kind == DELIVER else 'stock'}{place}"])
        if kind == STOCK:
            # It may have read the orders of other channels, because stock is raised only after that.
            for channel in range(merchant * CHANNELS, (merchant + 1) * CHANNELS):
                if self.app.store.effects.due(f"orders{channel}", self.app.clock.now()):
                    self.want((DELIVER, channel))

    def _sold(self, merchant: int) -> None:
        for channel in range(merchant * CHANNELS, (merchant + 1) * CHANNELS):
            self.want((STOCK, channel))


def plan_file(dice: random.Random, begin: float) -> Path:
    """When each order is placed."""
    orders: dict[str, list[float]] = {f"c{place}": [] for place in range(MERCHANTS * CHANNELS)}
    at = begin
    while at < begin + WARM + SECONDS + 30:
        at += dice.expovariate(RATE)
        orders[f"c{dice.randrange(MERCHANTS * CHANNELS)}"].append(at)
    path = WORK / "live.json"
    path.write_bytes(msgspec.json.encode({"latency": LATENCY, "lines": 2, "orders": orders}))
    return path


def connector() -> Any:
    """The connector, installed for this process."""
    plugins = Path(tempfile.mkdtemp(dir=WORK))
    info = plugins / "crossdock_live-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: crossdock-live\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[crossdock.connectors]\nlive = live_connector\n")
    sys.path[:0] = [str(plugins), str(ROOT / "benchmarks")]
    import live_connector  # type: ignore[import-not-found]

    return live_connector


def real(server: Server) -> Seen:
    """The real run."""
    begin = time.time() + 3
    os.environ["CROSSDOCK_LIVE"] = str(plan_file(random.Random(1), begin))
    module = connector()
    home = Path(tempfile.mkdtemp(dir=WORK))
    os.environ["CROSSDOCK_SECRET_KEY"] = "0" * 43 + "="
    with App(home, server.database("live")) as app:
        now = app.clock.now()
        names = [
            *(f"c{place}" for place in range(MERCHANTS * CHANNELS)),
            *(f"erp{place}" for place in range(MERCHANTS)),
        ]
        for name in names:
            app.keep(name, "live", {}, GREEN)
        for place in range(MERCHANTS * CHANNELS):
            channel, erp = f"c{place}", f"erp{place // CHANNELS}"
            for name, stream, source, target in (
                ("orders", "orders", channel, erp),
                ("stock", "balance", erp, channel),
            ):
                row = FlowRow(name=f"{name}{place}", stream=stream, source=source, target=target, mode="live")
                app.store.config.save_flow(row, now)
            app.store.config.save_stream(channel, "orders", enabled=True, every=None, cron="")
        for place in range(MERCHANTS):
            pull(app.bench, f"erp{place}", "balance")
        return _drive(app, module, server, begin)


def _drive(app: App, module: Any, server: Server, begin: float) -> Seen:
    dispatcher, dice = Dispatcher(app), random.Random(2)
    threads = [threading.Thread(target=dispatcher.work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    due = [(begin + dice.random() * EVERY, (PULL, place)) for place in range(MERCHANTS * CHANNELS)]
    due += [(begin + dice.random() * STOCK_EVERY, (BALANCE, place)) for place in range(MERCHANTS)]
    heapq.heapify(due)
    worker = database = 0.0
    while due[0][0] < begin + WARM + SECONDS:
        at, lane = heapq.heappop(due)
        time.sleep(max(at - time.time(), 0))
        if not dispatcher.counting and at > begin + WARM:
            dispatcher.counting = True
            worker, database, before = time.process_time(), family_cpu(server.postmaster), len(module.LAGS)
        dispatcher.want(lane)
        heapq.heappush(due, (at + (EVERY if lane[0] == PULL else STOCK_EVERY), lane))
    seen = dispatcher.seen
    seen.worker = time.process_time() - worker
    seen.database = family_cpu(server.postmaster) - database
    seen.lags = sorted(module.LAGS[before:])
    with dispatcher.state:
        dispatcher.counting, dispatcher.stopping = False, True
        dispatcher.state.notify_all()
    for thread in threads:
        thread.join()
    return seen


def simulated(sync: float) -> Result:
    """The same in the simulation; nothing goes over HTTP, so its cost is taken out."""
    units = dict(load().postgresql)
    request = units["request"]
    for name, requests in (("turn", 2), ("stock_turn", 1)):
        units[name] = units[name] - request * requests
    units["request"] = Cost()
    kind = Kind(name="live", share=1, every=EVERY, latency=LATENCY)
    plan = Installation(
        connections=MERCHANTS * (CHANNELS + 1), orders=RATE * 3600 / 0.1, channels=CHANNELS, spread=0.0, changes=0,
        stock_every=STOCK_EVERY, shipments_every=1e9, erp_latency=LATENCY, erp_calls=1, kinds=(kind,),
    )  # fmt: skip
    setup = Setup(processes=1, threads=THREADS, cores=2, sync=sync)
    return Simulation(plan, setup, units, warm=WARM).run(SECONDS)


def main() -> None:
    """Run, simulate, compare."""
    server = Server()
    sync = disk_sync()
    seen, model = real(server), simulated(sync)
    pairs = [
        ("turns a second", seen.turns / SECONDS, model.turns / SECONDS),
        ("orders delivered a second", len(seen.lags) / SECONDS, len(model.lags) / SECONDS),
        ("worker's CPU, share of a core", seen.worker / SECONDS, model.work.cpu / SECONDS),
        ("database's CPU, share of a core", seen.database / SECONDS, model.work.server / SECONDS),
        ("order lag p50, seconds", at_share(seen.lags, 0.5), model.lag(0.5)),
        ("order lag p95, seconds", at_share(seen.lags, 0.95), model.lag(0.95)),
        ("a turn with its wait, seconds", seen.stay / max(seen.turns, 1), model.turn_seconds),
    ]
    rows = [(name, f"{mine:.2f}", f"{its:.2f}", f"{its / mine - 1:+.0%}") for name, mine, its in pairs]
    FILE.write_bytes(msgspec.json.encode(rows))
    for row in rows:
        print("{:36} real {:>8}  simulated {:>8}  {:>6}".format(*row))


if __name__ == "__main__":
    main()
