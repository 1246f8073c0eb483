"""A project with two depots, opened the way the product opens them, and a clock that the test moves."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from depot import Depot
from plugin_kit import install

from crossdock.app import App
from crossdock.clock import SystemClock
from crossdock.engine.bench import Bench
from crossdock.engine.pull import Pulled, pull
from crossdock.engine.push import Pushed, push
from crossdock.engine.route import route_stored
from crossdock.registry import Registry
from crossdock.sandbox import serve
from crossdock.store.config import FlowOptions, FlowRow
from crossdock.store.ledger import Effect
from crossdock.store.store import Store
from crossdock.vault import Vault, new_key

BEGIN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DEPOT = (Path(__file__).parent / "depot_connector.py").read_text()
VARIANTS = {
    "depot": "",
    # cannot be asked whether something was created
    "depot-mute": "\ndel find_order, find_shipment\n",
    # creates one thing for one key, however often it is asked to
    "depot-idempotent": "\nOPTIONS['create_is_idempotent'] = True\n",
    # an order takes effect at once
    "depot-binding": "\nOPTIONS['binding_orders'] = True\n",
    # has no orders to accept and shows no statuses
    "depot-bare": "\ndel accept_order, push_status\n",
    # shows the statuses of many orders in one call
    "depot-listing": """

del push_status

@hookimpl
def push_statuses(session, updates):
    bug(session, "push_statuses")
    rows = {each.order.key: each.update.raw_status for each in updates}
    keys = {each.order.key: each.key for each in updates}
    answer = session.http.put("/statuses", rows).json()
    return [Outcome(key=keys[row["key"]], state=row["state"], external_id=row["key"], message=row.get("message", ""))
            for row in answer["rows"]]
""",
    # publishes stock by import jobs
    "depot-importing": """

@hookimpl
def push_balance(session, balances):
    rows = {balance.key: str(balance.available) for balance in balances}
    job = session.http.request("POST", "/imports", json=rows).json()["job"]
    return [Outcome(key=balance.key, state="submitted", job=job) for balance in balances]
""",
}


class ScriptedClock(SystemClock):
    """Stands at `BEGIN` and goes a microsecond further with each look at it; sleeping moves it and takes no time."""

    def __init__(self) -> None:
        super().__init__()
        self._now = BEGIN
        self._guard = threading.Lock()

    def now(self) -> datetime:
        """The time."""
        with self._guard:
            self._now += timedelta(microseconds=1)
            return self._now

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        with self._guard:
            self._now += timedelta(seconds=max(seconds, 0))


def install_depots(folder: Path) -> Path:
    """Put the depot connector and its variants into `folder` as distributions."""
    for name, more in VARIANTS.items():
        source = DEPOT.replace('NAME = "depot"', f'NAME = "{name}"') + more
        install(folder, name, source, version="1.2", module=name.replace("-", "_") + "_plugin")
    return folder


@attrs.frozen
class Site:
    """A folder with the depots installed; on the path only while plugins are loaded, so that other tests see none."""

    folder: Path

    def load(self, local: Path | None = None) -> Registry:
        """A registry of just the depots, and of a local plugin file."""
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(str(self.folder))
            patch.setenv("CROSSDOCK_PLUGINS", ",".join(VARIANTS))
            return Registry(local)


@attrs.define
class World:
    """A shop and an ERP, each a depot with a connection of its name, in one project."""

    app: App
    clock: ScriptedClock
    shop: Depot
    erp: Depot
    urls: dict[str, str]
    site: Site
    others: dict[str, Depot] = attrs.field(factory=dict)

    @property
    def bench(self) -> Bench:
        """What the engine works with."""
        return self.app.bench

    @property
    def store(self) -> Store:
        """The store."""
        return self.app.store

    def connect(self, name: str, connector: str = "depot", **settings: str) -> None:
        """Add or change the connection ``shop``, ``erp`` or one that `join` added."""
        depot = {"shop": self.shop, "erp": self.erp, **self.others}[name]
        assert self.app.save(name, connector, {**depot.settings(self.urls[name]), **settings}).green

    def join(self, name: str, depot: Depot) -> Depot:
        """Add a connection to one more depot that is being served; it is empty then."""
        depot.begin()
        self.others[name], self.urls[name] = depot, depot.base_url
        self.connect(name)
        depot.requests.clear()
        return depot

    def flow(
        self, stream: str = "orders", source: str = "shop", target: str = "erp", mode: str = "live", **options: Any
    ) -> FlowRow:
        """Add or change the flow named after its stream (and source, when it goes the other way)."""
        usual = {"orders": "shop", "customers": "shop", "acceptance": "shop"}.get(stream, "erp")
        name = stream if source == usual else f"{stream} of {source}"
        if target not in ("shop", "erp"):
            name += f" for {target}"
        row = FlowRow(name=name, stream=stream, source=source, target=target, mode=mode, options=FlowOptions(**options))
        self.store.config.save_flow(row, self.clock.now())
        route_stored(self.bench, row)
        return row

    def pull(self, name: str = "shop", stream: str = "orders", **how: Any) -> Pulled:
        """Read a stream; an error is raised."""
        pulled = pull(self.bench, name, stream, **how)
        if pulled.error is not None:
            raise pulled.error
        return pulled

    def push(self, flow: FlowRow, **how: Any) -> Pushed:
        """Deliver what is due."""
        return push(self.bench, flow, **how)

    def deliver(self, flow: FlowRow) -> Pushed:
        """Read the flow's source and deliver what is due."""
        self.pull(flow.source, flow.reads)
        return self.push(flow)

    def later(self, **span: float) -> None:
        """Let time pass."""
        self.clock.sleep(timedelta(**span).total_seconds())

    def effects(self, flow: FlowRow) -> list[Effect]:
        """A flow's ledger, oldest first."""
        return self.store.effects.find(flow=flow.name, limit=10_000)[::-1]

    def states(self, flow: FlowRow) -> dict[str, str]:
        """The state of each key's effect."""
        return {effect.key: effect.state for effect in self.effects(flow)}

    def effect(self, flow: FlowRow, key: str = "") -> Effect:
        """The flow's one effect, or that of `key`."""
        found = [effect for effect in self.effects(flow) if not key or effect.key == key]
        assert len(found) == 1, found
        return found[0]

    def local(self, text: str) -> None:
        """Put a local plugin file beside the configuration."""
        path = self.app.home / "crossdock_local.py"
        path.write_text(text)
        self.app.__dict__["registry"] = self.site.load(path)
        self.app.__dict__.pop("bench", None)
        for name in ("shop", "erp", *self.others):
            self.app.forget(name)


@contextlib.contextmanager
def served() -> Iterator[tuple[Depot, Depot]]:
    """A shop and an ERP that answer requests."""
    shop, erp = Depot(), Depot()
    with serve(shop), serve(erp):
        yield shop, erp


@contextlib.contextmanager
def world(home: Path, database_url: str, site: Site, registry: Registry, shop: Depot, erp: Depot) -> Iterator[World]:
    """A project in `home` on `database_url`, with connections to `shop` and `erp`."""
    clock = ScriptedClock()
    shop.begin()
    erp.begin()
    with App(home, database_url, clock) as app:
        app.__dict__["registry"] = registry
        app.__dict__["vault"] = Vault.find(_with_key(home))
        made = World(app, clock, shop, erp, {"shop": shop.base_url, "erp": erp.base_url}, site)
        made.connect("shop")
        made.connect("erp")
        shop.requests.clear()
        erp.requests.clear()
        yield made
    sys.modules.pop("crossdock_local", None)


def _with_key(home: Path) -> Path:
    (home / "crossdock.key").write_text(new_key())
    return home
