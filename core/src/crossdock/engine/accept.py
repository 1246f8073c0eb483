"""Accepting marketplace orders by the stock that is free: each piece is promised once."""

from __future__ import annotations

from decimal import Decimal

from crossdock.engine.bench import Bench
from crossdock.engine.stock import added_up
from crossdock.records import ZERO, Order
from crossdock.session import Decision
from crossdock.store.config import FlowRow


def decide(bench: Bench, flow: FlowRow, order: Order, *, approved: bool) -> tuple[Decision | None, str]:
    """Whether `order` is accepted, and why not: without a decision a person has to make it.

    The order is accepted when the stock of the flow's target, less what other orders will take, suffices for all its
    lines, or when a person approved it. From the moment that this returns "accept", its goods count as sold: two
    workers that decide at once cannot promise the same piece.
    """
    store = bench.store
    with store.transaction():
        store.database.serialize(f"stock of {flow.target}")
        short = [] if approved else _short(bench, flow, order)
        if not short:
            store.holds.sell(flow.source, flow.target, order.key)
            return Decision(accept=True), ""
    reason = f"Not enough can be sold: {'; '.join(short)}."
    if flow.options.on_shortage == "refuse":
        return Decision(accept=False, reason="out of stock"), reason
    return None, reason


def _short(bench: Bench, flow: FlowRow, order: Order) -> list[str]:
    """What of an order cannot be delivered from stock, SKU by SKU; `order` speaks the target's SKUs."""
    wanted: dict[str, Decimal] = {}
    for line in order.lines:
        wanted[line.sku] = wanted.get(line.sku, ZERO) + line.quantity
    balances = (stored.record for stored in bench.store.records.by_refs(flow.target, "balance", list(wanted)))
    there = added_up(flow, balances)
    held = bench.store.holds.of(flow.target, list(wanted), sold_only=True, but=(flow.source, order.key))
    short = []
    for sku, quantity in sorted(wanted.items()):
        if sku not in there:
            short.append(f"{flow.target} has no stock of {sku or 'a line without SKU'}")
            continue
        free = there[sku].available - held.get(sku, ZERO) - flow.options.buffer
        if free < quantity:
            short.append(f"{quantity:f} of {sku} are ordered and {max(free, ZERO):f} are free")
    return short
