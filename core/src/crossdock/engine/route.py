"""Which flows a record takes, and what each of them wants to be written."""

from __future__ import annotations

import contextlib
from collections.abc import Container, Iterable, Sequence
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import msgspec

from crossdock.engine.bench import Bench
from crossdock.errors import RecordError, UsageError
from crossdock.records import ZERO, Balance, Order
from crossdock.store.config import FlowRow
from crossdock.store.ledger import Intent
from crossdock.store.records import Prepared, Stored

OPERATIONS = {
    "orders": "order", "products": "product", "prices": "price", "balance": "balance", "shipments": "shipment",
    "customers": "customer",
}  # fmt: skip
PUSH_HOOKS = {
    "orders": "push_order", "products": "push_products", "prices": "push_prices", "balance": "push_balance",
    "shipments": "push_shipment", "customers": "push_customer",
}  # fmt: skip
REPEATABLE = ("product", "price", "balance", "customer")
"""Operations that set absolute values: doing them twice is doing them once, so a lost answer needs no question."""

ORDER_STATUSES = ("processing", "completed", "shipped", "partially_shipped")
DEAD = ("cancelled", "failed", "deleted", "refunded")

_encode = msgspec.json.Encoder(decimal_format="string").encode


def order_substance(order: Order) -> str:
    """A hash of what another system needs to know of an order.

    A change of status that is only the echo of our own shipment report, or of a vendor's internal marks, is none.
    """
    lines = [
        (line.key, line.sku, line.quantity, line.unit_price, line.total, line.tax, line.ship_to, line.decorations)
        for line in order.lines
    ]
    charges = [(each.kind, each.code, each.total, each.tax) for each in order.charges]
    parts = (
        order.currency, order.total, order.total_tax, lines, charges, order.billing, order.shipping_address,
        order.note, order.status in DEAD,
    )  # fmt: skip
    return blake2b(_encode(parts), digest_size=16).hexdigest()


def route(bench: Bench, flow: FlowRow, rows: Sequence[Prepared]) -> int:
    """Write the intents of new and changed records of `flow`'s source into the ledger; answers how many.

    Runs inside the transaction that keeps the page.
    """
    if not rows:
        return 0
    allowed = _without_echo(bench, flow, rows)
    wanted = bench.store.effects.wanted(flow.name, [_effect_key(row) for row in allowed])
    stock = flow.stream == "balance"
    intents = _stock_intents(bench, flow, allowed) if stock else _intents(bench, flow, allowed, wanted)
    intents = [each for each in intents if wanted.get(each.key) != each.wanted]
    if intents:
        state = "planned" if flow.mode != "live" else "ready"
        bench.store.effects.plan(
            flow.name, OPERATIONS[flow.stream], flow.source, flow.target, flow.stream, intents, state, bench.clock.now()
        )
    return len(intents)


def _without_echo(bench: Bench, flow: FlowRow, rows: Sequence[Prepared]) -> Sequence[Prepared]:
    """What came from the target is not sent back to it."""
    if flow.stream in ("shipments", "balance", "prices"):
        return rows
    records = bench.store.records
    origins = records.origins(flow.source, flow.stream, [row.key for row in rows])
    # An order that we created carries our key. It may be read back before the answer to its create is kept, or when
    # that answer was lost: then there is no binding yet.
    prefix = f"{flow.target}-"
    marks = {row.key: _mark(row.record).removeprefix(prefix) for row in rows if _mark(row.record).startswith(prefix)}
    ours = records.known(flow.target, flow.stream, list(marks.values())) if marks else {}
    return [
        row
        for row in rows
        if marks.get(row.key) not in ours and not any(each.source == flow.target for each in origins.get(row.key, ()))
    ]


def _mark(record: Any) -> str:
    return record.references.get("external", "") if isinstance(record, Order) else ""


def _effect_key(row: Prepared) -> str:
    """Stock is published by SKU, not by warehouse."""
    return row.record.sku if isinstance(row.record, Balance) else row.key


def _intents(bench: Bench, flow: FlowRow, rows: Sequence[Prepared], told: Container[str]) -> list[Intent]:
    # An order that was handed on and then leaves the filter (cancelled, deleted) has to be told.
    return [
        Intent(row.key, row.ref, order_substance(row.record) if flow.stream == "orders" else row.fingerprint)
        for row in rows
        if row.key in told or not refusal(bench, flow, row.record)
    ]


def refusal(bench: Bench, flow: FlowRow, record: Any) -> str:
    """Why a record does not take the flow; empty when it does."""
    options = flow.options
    if isinstance(record, Order):
        if record.fulfilled_by != "seller":
            return "fulfilled by a third party"
        if record.status not in (options.statuses or ORDER_STATUSES):
            return f"status {record.status}"
    elif options.skus and getattr(record, "sku", options.skus[0]) not in options.skus:
        return "sku not in the flow"
    return str(bench.ambient.ask("route_record", "", flow=flow.name, record=record))


def _stock_intents(bench: Bench, flow: FlowRow, rows: Sequence[Prepared]) -> list[Intent]:
    skus = sorted({row.record.sku for row in rows if not refusal(bench, flow, row.record)})
    return [
        Intent(sku, sku, format(stock.available.normalize(), "f"))
        for sku, stock in published_stock(bench, flow, skus).items()
    ]


def published_stock(bench: Bench, flow: FlowRow, skus: Sequence[str]) -> dict[str, Balance]:
    """What a flow publishes for SKUs: the stored stock of its warehouses added up, less the buffer, never below zero.

    Read from the store at the moment it is needed, so an older snapshot cannot overwrite a newer one.
    """
    return stock_of(flow, (stored.record for stored in bench.store.records.by_refs(flow.source, "balance", skus)))


def stock_of(flow: FlowRow, balances: Iterable[Balance]) -> dict[str, Balance]:
    """What a flow makes of its source's stock, by SKU (see `published_stock`)."""
    found: dict[str, Balance] = {}
    options = flow.options
    for balance in balances:
        if options.warehouses and balance.warehouse not in options.warehouses:
            continue
        before = found.get(balance.sku)
        as_of = max(filter(None, (balance.as_of, before.as_of if before else None)), default=None)
        available = balance.available + (before.available if before else ZERO)
        found[balance.sku] = Balance(sku=balance.sku, available=available, as_of=as_of)
    return {
        sku: Balance(sku=sku, available=max(each.available - Decimal(options.buffer), ZERO), as_of=each.as_of)
        for sku, each in found.items()
    }


def check_flow(bench: Bench, flow: FlowRow) -> None:
    """Refuse a flow that cannot work: unknown ends, a stream the source cannot read or the target cannot take."""
    if flow.stream not in OPERATIONS:
        raise UsageError(f"There is no stream {flow.stream!r}; there are: {', '.join(OPERATIONS)}.")
    if flow.source == flow.target:
        raise UsageError("A flow goes from one connection to another.")
    source, target = bench.open(flow.source), bench.open(flow.target)
    if not source.connector.can(f"fetch_{flow.stream}"):
        raise UsageError(f"{flow.source} ({source.connector.info.title}) cannot be asked for {flow.stream}.")
    hook = PUSH_HOOKS[flow.stream]
    if not target.connector.can(hook):
        raise UsageError(f"{flow.target} ({target.connector.info.title}) cannot take {flow.stream}: it has no {hook}.")
    _check_options(flow)
    if flow.stream in ("balance", "prices"):
        for other in bench.store.config.flows_between(flow.target, flow.source, flow.stream):
            raise UsageError(
                f"The flow {other.name} brings {flow.stream} from {flow.target} to {flow.source} already; both ways at "
                "once would send each value back and forth."
            )


def _check_options(flow: FlowRow) -> None:
    options = flow.options
    if options.totals not in ("keep", "line", "hold"):
        raise UsageError(f"totals is keep, line or hold, not {options.totals!r}.")
    if options.buffer < 0:
        raise UsageError("The buffer is a quantity that is kept back; it cannot be negative.")
    if options.approve_above:
        try:
            good = Decimal(options.approve_above).is_finite()
        except ArithmeticError:
            good = False
        if not good:
            raise UsageError(f"{options.approve_above!r} is no amount above which orders are approved by a person.")


def route_stored(bench: Bench, flow: FlowRow) -> int:
    """Route everything that is stored already, for a flow that is new or has changed; answers how many intents."""
    count = 0
    for page in bench.store.records.pages(flow.source, flow.stream):
        with bench.store.transaction():
            bench.store.config.hold_pages()
            # Read again: a page that was kept meanwhile must not be overtaken by what was read before it.
            current = bench.store.records.get_many(flow.source, flow.stream, [stored.key for stored in page])
            rows = []
            for stored in current.values():
                with contextlib.suppress(RecordError):
                    rows.append(prepared(stored))
            count += route(bench, flow, rows)
    return count


def prepared(stored: Stored) -> Prepared:
    """A stored record as a fetched one, to be routed again."""
    return Prepared(stored.key, stored.ref, stored.fingerprint, stored.updated_at, stored.document, stored.record)
