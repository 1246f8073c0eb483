"""A project's configuration as a scenario: sandboxes in the place of its systems, filled with something to do."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from crossdock.app import App
from crossdock.errors import UsageError
from crossdock.registry import LOCAL_PLUGIN, Connector
from crossdock.settings import fields_of
from crossdock.store.config import FlowRow
from crossdock.testing.scenario import Scenario, System, Twins, twin_of

_PLUGINS = "CROSSDOCK_PLUGINS"
_SKUS = ("SIM-A", "SIM-B", "SIM-C")
_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "woocommerce": {"https": True, "tracking": "shipment-tracking"},
    "extendcommerce": {"generous": True, "customers": ("WEBSHOP",)},
}
"""How the sandboxes of our own connectors are made, so that there is something to do in them."""


def scenario_of(app: App, orders: int) -> Scenario:
    """The flows of a project between sandboxes, with `orders` in each system that sells.

    Nothing of the project's own settings is taken but switches and choices: neither addresses nor credentials. Raises
    `UsageError` when there is no flow, or a connector ships no sandbox.
    """
    flows = [attrs.evolve(flow, mode="live") for flow in app.store.config.flows() if flow.mode != "paused"]
    if not flows:
        raise UsageError("There is no flow that could be simulated.", hint="crossdock flow add")
    names = dict.fromkeys(name for flow in flows for name in (flow.source, flow.target))
    skus = _skus(app, names)
    systems = [_system(app, name, flows, skus) for name in names]
    local = app.home / LOCAL_PLUGIN
    mapping = [row for row in app.store.gaps.rows() if row[0] in ("*", *(flow.name for flow in flows))]
    reads = {(flow.source, flow.reads) for flow in flows}

    def prepare(simulated: App) -> None:
        for connection, stream in sorted(reads):
            simulated.store.config.save_stream(connection, stream, enabled=True, every=3600, cron="")
        simulated.store.gaps.add(mapping)

    return Scenario(
        systems=systems, flows=flows, fill=lambda twins: _fill(app, twins, flows, skus, orders), prepare=prepare,
        acts=_acts(app, flows), local=local.read_text(encoding="utf-8") if local.is_file() else "",
        environment={_PLUGINS: os.environ[_PLUGINS]} if _PLUGINS in os.environ else {},
    )  # fmt: skip


def _connector(app: App, name: str) -> Connector:
    return app.registry.connector(app.row(name).connector)


def _system(app: App, name: str, flows: Sequence[FlowRow], skus: Sequence[str]) -> System:
    connector = _connector(app, name)
    accepts = any(flow.stream == "acceptance" and flow.source == name for flow in flows)
    options = dict(_OPTIONS.get(connector.name, {"skus": tuple(skus), "acceptance": accepts}))
    make = twin_of(connector, **options)
    return System(
        name=name,
        connector=connector.name,
        make=make,
        settings=_switches(app, name),
        ignored=make().logs,
    )


def _switches(app: App, name: str) -> dict[str, str]:
    """Of a connection's settings what says how to work, and not where or as whom."""
    connector = _connector(app, name)
    ours = twin_of(connector, **_OPTIONS.get(connector.name, {}))().settings("http://127.0.0.1")
    stored = app.row(name).settings
    return {
        each.name: stored[each.name]
        for each in fields_of(connector.info.settings)
        if (each.kind == "yes/no" or each.choices) and each.name in stored and each.name not in ours
    }


def _skus(app: App, names: Mapping[str, None]) -> tuple[str, ...]:
    """What is sold: a shop's own articles, where there is a shop that makes some."""
    for name in names:
        connector = _connector(app, name)
        if connector.name == "woocommerce":
            shop = twin_of(connector)()
            shop.seed(orders=0, products=4, seed=1, simple=True)
            state = shop.state()
            return tuple(sorted(each["sku"] for each in (*state["products"], *state["variations"]) if each["sku"]))
    return _SKUS


# -- filling -------------------------------------------------------------------------------------------


def _fill(app: App, twins: Twins, flows: Sequence[FlowRow], skus: Sequence[str], orders: int) -> None:
    for name, twin in twins.items():
        sells = any(flow.source == name and flow.reads == "orders" for flow in flows)
        accepts = any(flow.source == name and flow.stream == "acceptance" for flow in flows)
        fill = _FILLS.get(_connector(app, name).name, _seed)
        fill(twin, skus, orders if sells else 0, accepts)


def _shop(twin: Any, skus: Sequence[str], orders: int, accepts: bool) -> None:
    del skus, accepts
    # Half as many again: some of a shop's orders are neither paid nor sent.
    twin.seed(orders=orders + orders // 2, products=4, seed=1, simple=True)


def _erp(twin: Any, skus: Sequence[str], orders: int, accepts: bool) -> None:
    del orders, accepts
    warehouse = twin.settings("")["warehouses"]
    twin.seed_products([
        {"productNumber": sku, "name": sku, "price": "10.00", "currency": "EUR", "vatPercent": 20,
         "stock": {warehouse: 1000}}
        for sku in skus
    ])  # fmt: skip


def _mirakl(twin: Any, skus: Sequence[str], orders: int, accepts: bool) -> None:
    for sku in itertools.islice(itertools.cycle(skus), orders):
        twin.place_order([{"sku": sku, "quantity": 1}], accepted=not accepts)


def _octopia(twin: Any, skus: Sequence[str], orders: int, accepts: bool) -> None:
    del accepts
    for sku in itertools.islice(itertools.cycle(skus), orders):
        twin.place_order([{"sku": sku, "quantity": 1}])


def _seed(twin: Any, skus: Sequence[str], orders: int, accepts: bool) -> None:
    """Any other sandbox: its own action ``seed``, with a number if it takes one."""
    del skus, accepts
    seed = twin.actions().get("seed")
    if seed is None:
        return
    import inspect

    known = inspect.signature(seed).parameters
    seed(**{name: max(orders, 1) for name in ("orders", "count") if name in known})


_FILLS: Mapping[str, Callable[[Any, Sequence[str], int, bool], None]] = {
    "woocommerce": _shop, "extendcommerce": _erp, "mirakl": _mirakl, "cdiscount": _octopia,
}  # fmt: skip


def _acts(app: App, flows: Sequence[FlowRow]) -> list[Callable[[Twins], Any]]:
    """Where parcels come back, the warehouse packs once the orders are there."""
    shipping = [flow.source for flow in flows if flow.stream == "shipments"]
    packing = [name for name in dict.fromkeys(shipping) if _connector(app, name).name == "extendcommerce"]
    return [lambda twins: [twins[name].pick_all() for name in packing]] if packing else []
