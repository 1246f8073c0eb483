"""Accepting marketplace orders by the stock that is free: each piece is promised once."""

from __future__ import annotations

import contextlib

from crossdock.engine.bench import Bench
from crossdock.engine.stock import added_up, lock_stock, republish, taken
from crossdock.engine.translate import Tables, translate
from crossdock.errors import ConnectorError
from crossdock.records import ZERO, Order
from crossdock.session import Decision
from crossdock.store.config import FlowRow
from crossdock.store.holds import SOLD, HeldOrder

ENOUGH = "There is enough stock by now."


def decide(bench: Bench, flow: FlowRow, order: Order, *, approved: bool) -> tuple[Decision | None, str]:
    """Whether `order` is accepted, and why not: without a decision a person has to make it.

    The order is accepted when the stock of the flow's target, less what other orders will take, suffices for all its
    lines, or when a person approved it; what was decided once stays decided. From the moment that this returns
    "accept", its goods count as sold: two workers that decide at once cannot promise the same piece.
    """
    store = bench.store
    with store.transaction():
        lock_stock(bench, flow.target)
        decided = store.holds.is_sold(flow.source, flow.target, order.key)
        short = [] if approved or decided else shortage(bench, flow, order)
        if not short:
            # Held here as well: without a flow that hands the order on nobody else would.
            touched = store.holds.keep(flow.source, flow.target, [HeldOrder(order.key, SOLD, taken(order))])
            store.holds.sell(flow.source, flow.target, order.key)
            republish(bench, flow.target, touched)
            return Decision(accept=True), ""
    reason = f"Not enough can be sold: {'; '.join(short)}."
    if flow.options.on_shortage == "refuse":
        return Decision(accept=False, reason="out of stock"), reason
    return None, reason


def look_again(bench: Bench, flow: FlowRow, tables: Tables) -> int:
    """Orders that were left to a person for want of stock, and for which there is enough by now, are decided again."""
    enough = []
    for effect in bench.store.effects.find(flow=flow.name, states=("awaiting",), limit=1000):
        stored = bench.store.records.get(effect.source, effect.stream, effect.key)
        with contextlib.suppress(ConnectorError):
            order = translate(bench, flow, tables, stored.record) if stored else None
            if order is not None and not shortage(bench, flow, order):
                enough.append(effect.id)
    with bench.store.transaction():
        return bench.store.effects.set_state(enough, "ready", bench.clock.now(), when=("awaiting",), message=ENOUGH)


def shortage(bench: Bench, flow: FlowRow, order: Order) -> list[str]:
    """What of an order cannot be delivered from stock, SKU by SKU; `order` speaks the target's SKUs."""
    wanted = taken(order)
    balances = (stored.record for stored in bench.store.records.by_refs(flow.target, "balance", list(wanted)))
    there = added_up(flow, balances)
    held = bench.store.holds.of(flow.target, list(wanted), sold_only=True, but=(flow.source, order.key))
    buffers = bench.store.gaps.buffers(flow.name, list(wanted))
    short = [f"the line {line.key} has no SKU" for line in order.lines if not line.sku and line.quantity > 0]
    for sku, quantity in sorted(wanted.items()):
        if sku not in there:
            short.append(f"{flow.target} has no stock of {sku}")
            continue
        free = there[sku].available - held.get(sku, ZERO) - buffers.get(sku, flow.options.buffer)
        if free < quantity:
            short.append(f"{quantity:f} of {sku} are ordered and {max(free, ZERO):f} are free")
    return short
