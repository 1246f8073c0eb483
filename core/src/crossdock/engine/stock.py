"""What can be sold: the stock that was read, less what is kept back and what orders under way will take.

Promise 6: published = available - buffer - sold and not yet handed on. The parts are kept in one transaction each, so
whatever order in which stock, orders and deliveries arrive, no quantity is counted as free twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from crossdock.engine.bench import Bench
from crossdock.records import ZERO, Balance, Order
from crossdock.store.config import FlowRow
from crossdock.store.database import unstamp
from crossdock.store.holds import SOLD, WAITING, HeldOrder
from crossdock.store.ledger import Intent
from crossdock.store.records import Prepared

DEAD = ("cancelled", "failed", "deleted", "refunded")
_TAKING = ("on_hold", "processing", "partially_shipped")
"""Orders in these states will take goods, whether or not the flow hands them on already. A pending order takes none
(half of them are never paid) unless it waits for the seller to accept it."""


def published_stock(bench: Bench, flow: FlowRow, skus: Sequence[str]) -> dict[str, Balance]:
    """What a flow publishes for SKUs: the stored stock of its warehouses, less holds and buffer, never below zero.

    Read from the store at the moment it is needed, so an older snapshot cannot overwrite a newer one.
    """
    balances = (stored.record for stored in bench.store.records.by_refs(flow.source, "balance", skus))
    return stock_of(flow, balances, bench.store.holds.of(flow.source, skus))


def stock_of(flow: FlowRow, balances: Iterable[Balance], held: Mapping[str, Decimal]) -> dict[str, Balance]:
    """What a flow makes of its source's stock, by SKU (see `published_stock`)."""
    buffer = Decimal(flow.options.buffer)
    return {
        sku: Balance(sku=sku, available=max(each.available - held.get(sku, ZERO) - buffer, ZERO), as_of=each.as_of)
        for sku, each in added_up(flow, balances).items()
    }


def added_up(flow: FlowRow, balances: Iterable[Balance]) -> dict[str, Balance]:
    """Stock by SKU, of the flow's warehouses together."""
    found: dict[str, Balance] = {}
    for balance in balances:
        if flow.options.warehouses and balance.warehouse not in flow.options.warehouses:
            continue
        before = found.get(balance.sku)
        as_of = max(filter(None, (balance.as_of, before.as_of if before else None)), default=None)
        available = balance.available + (before.available if before else ZERO)
        found[balance.sku] = Balance(sku=balance.sku, available=available, as_of=as_of)
    return found


# -- holds -----------------------------------------------------------------------------------------


def hold_orders(bench: Bench, flow: FlowRow, rows: Sequence[Prepared], admitted: Collection[str]) -> None:
    """Hold what the orders of a page take from the stock behind `flow`, and plan what is published less (or more).

    `admitted` are the keys that the flow hands on. Runs inside the transaction that keeps the page. Without a flow that
    publishes the target's stock or accepts orders against it, nothing is held.
    """
    if not bench.store.config.stock_matters(flow.target):
        return
    bound = bench.store.records.bound(flow.source, "orders", [row.key for row in rows], flow.target)
    names = bench.store.gaps.tables(flow.name).get("sku", {})
    held = [_held(row.record, row.key in admitted, names) for row in rows if row.key not in bound]
    if held:
        republish(bench, flow.target, bench.store.holds.keep(flow.source, flow.target, held))


def _held(order: Order, admitted: bool, names: Mapping[str, str]) -> HeldOrder:
    quantities: dict[str, Decimal] = {}
    taking = admitted or order.needs_acceptance or order.status in _TAKING
    if taking and order.fulfilled_by == "seller" and order.status not in DEAD:
        for line in order.lines:
            if line.sku and line.quantity > 0 and line.status not in DEAD:
                sku = names.get(line.sku, line.sku)
                quantities[sku] = quantities.get(sku, ZERO) + line.quantity
    return HeldOrder(order.key, WAITING if order.needs_acceptance else SOLD, quantities)


def settle_order(bench: Bench, source: str, target: str, key: str, now: datetime) -> None:
    """An order was handed on: what it takes is held until the target's stock is read anew."""
    bench.store.holds.settle(source, target, key, now)


def release_orders(bench: Bench, source: str, target: str, keys: Sequence[str]) -> None:
    """Orders are given up; inside a transaction."""
    republish(bench, target, bench.store.holds.release(source, target, keys))


def stock_was_read(bench: Bench, connection: str, started: datetime, skus: Sequence[str] | None = None) -> None:
    """Stock of `connection` was read from `started` on: it shows the orders that were handed on before."""
    republish(bench, connection, bench.store.holds.expire(connection, started, skus))


# -- publishing ------------------------------------------------------------------------------------


def stock_intents(bench: Bench, flow: FlowRow, skus: Sequence[str]) -> list[Intent]:
    """What a stock flow wants to be written for SKUs."""
    return [
        Intent(sku, sku, format(stock.available.normalize(), "f"))
        for sku, stock in sorted(published_stock(bench, flow, skus).items())
    ]


def republish(bench: Bench, source: str, skus: Collection[str]) -> None:
    """Plan the stock of SKUs in every flow that publishes it; inside a transaction."""
    if not skus:
        return
    effects = bench.store.effects
    for flow in bench.store.config.flows_of(source, "balance"):
        some = sorted(sku for sku in skus if not flow.options.skus or sku in flow.options.skus)
        wanted = effects.wanted(flow.name, some)
        intents = [each for each in stock_intents(bench, flow, some) if wanted.get(each.key) != each.wanted]
        if intents:
            state = "planned" if flow.mode != "live" else "ready"
            effects.plan(flow.name, "balance", flow.source, flow.target, "balance", intents, state, bench.clock.now())


def behind(bench: Bench, stock: str, moment: datetime, but: str = "") -> list[str]:
    """Why stock of `stock` must not be raised yet: each channel whose orders were not read since `moment`.

    Empty when the orders of all channels that sell this stock were read completely by a run that began later.
    """
    reasons = []
    for flow in bench.store.config.flows_into(stock, "orders"):
        if flow.source == but:
            continue
        if flow.mode == "paused":
            reasons.append(f"the flow {flow.name} is paused, so orders of {flow.source} are not known")
            continue
        read_at = unstamp(bench.store.records.read_at(flow.source, "orders"))
        if read_at is None or read_at < moment:
            reasons.append(f"the orders of {flow.source} have not been read since")
    return reasons


def read_moments(bench: Bench, connection: str, skus: Sequence[str]) -> dict[str, datetime]:
    """When the stock of SKUs was last read, by our clock."""
    whole = bench.store.records.read_at(connection, "balance") or ""
    found: dict[str, str] = {}
    for stored in bench.store.records.by_refs(connection, "balance", skus):
        found[stored.ref] = max(found.get(stored.ref, ""), stored.seen_at, whole)
    return {sku: moment for sku, text in found.items() if (moment := unstamp(text)) is not None}
