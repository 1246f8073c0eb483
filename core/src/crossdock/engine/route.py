"""Which flows a record takes, and what each of them wants to be written."""

from __future__ import annotations

import contextlib
from collections.abc import Container, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from crossdock.engine.bench import Bench
from crossdock.engine.stock import channel_drifts, goods_moved, hold_orders, lock_stock, lock_stocks, stock_intents
from crossdock.engine.substance import order_substance, status_substance
from crossdock.errors import RecordError, UsageError
from crossdock.personal import is_erased
from crossdock.records import Balance, Order
from crossdock.store.config import FlowRow
from crossdock.store.ledger import Intent
from crossdock.store.records import Prepared, Stored

OPERATIONS = {
    "orders": "order", "products": "product", "prices": "price", "balance": "balance", "shipments": "shipment",
    "customers": "customer", "acceptance": "accept", "statuses": "status",
}  # fmt: skip
PUSH_HOOKS = {
    "orders": ["push_order"], "products": ["push_products"], "prices": ["push_prices"], "balance": ["push_balance"],
    "shipments": ["push_shipment"], "customers": ["push_customer"], "acceptance": ["accept_order"],
    "statuses": ["push_status", "push_statuses"],
}  # fmt: skip
"""What takes each stream: one of these hooks."""
REPEATABLE = ("product", "price", "balance", "customer", "accept", "status")
"""Operations that set absolute values: doing them twice is doing them once, so a lost answer needs no question."""

_NOTHING: Mapping[str, Order] = {}
ORDER_STATUSES = ("processing", "completed", "shipped", "partially_shipped")


def route(bench: Bench, flow: FlowRow, rows: Sequence[Prepared], before: Mapping[str, Order] = _NOTHING) -> int:
    """Write the intents of new and changed records of `flow`'s source into the ledger; answers how many.

    `before` are orders as they were, by key (see `orders_before`). Runs inside the transaction that keeps the page.
    """
    # A stored record that was erased has been delivered; that it looks different now is no change of it.
    rows = [row for row in rows if not is_erased(row.record)]
    if not rows:
        return 0
    if flow.stream == "balance":
        lock_stock(bench, flow.source)
    allowed = _without_echo(bench, flow, rows)
    wanted = bench.store.effects.wanted(flow.name, [_effect_key(row) for row in allowed])
    intents = _wanted(bench, flow, allowed, wanted)
    same = {each.key for each in intents if wanted.get(each.key) == each.wanted}
    if flow.stream == "orders":
        hold_orders(bench, flow, allowed, {each.key for each in intents})
        moved = [row for row in allowed if row.key not in same or goods_moved(row.record, before.get(row.key))]
        channel_drifts(bench, flow, moved, before)
    elif flow.stream == "acceptance" and not bench.store.config.flows_between(flow.source, flow.target, "orders"):
        hold_orders(bench, flow, allowed, ())  # nobody else does
        channel_drifts(bench, flow, allowed, before)
    intents = [each for each in intents if each.key not in same]
    if intents:
        bench.store.effects.plan(
            flow.name, OPERATIONS[flow.stream], flow.source, flow.writes_to, flow.reads, intents, flow.entry,
            bench.clock.now(),
        )  # fmt: skip
    return len(intents)


def orders_before(bench: Bench, connection: str, rows: Sequence[Prepared]) -> dict[str, Order]:
    """Orders as they are stored, by key, before a page takes their place; none where no stock is told.

    They say which goods a channel has put back by itself: a line that was taken out is in no order any more.
    """
    if not bench.store.config.flows_into(connection, "balance"):
        return {}
    found = bench.store.records.get_many(connection, "orders", [row.key for row in rows])
    return {row.key: row.record for row in _readable(found.values())}


def lock_targets(bench: Bench, connection: str, flows: Sequence[FlowRow]) -> None:
    """Before orders of a connection are routed: the stock of every system that they may take goods from.

    Its own stock too: among them may be orders that another system's flow made there and is in doubt about.
    """
    targets = {flow.target for flow in (*flows, *bench.store.config.paused_sales(connection))}
    lock_stocks(bench, targets | {connection})


def _wanted(bench: Bench, flow: FlowRow, rows: Sequence[Prepared], told: Container[str]) -> list[Intent]:
    match flow.stream:
        case "balance":
            return stock_intents(
                bench, flow, sorted({row.record.sku for row in rows if not refusal(bench, flow, row.record)})
            )
        case "acceptance":
            return _decisions(bench, flow, rows)
        case "statuses":
            return [
                Intent(row.key, row.key, status_substance(row.record))
                for row in _of_target(bench, flow, rows)
                if not refusal(bench, flow, row.record)
            ]
        case _:
            return _intents(bench, flow, rows, told)


def _decisions(bench: Bench, flow: FlowRow, rows: Sequence[Prepared]) -> list[Intent]:
    """Orders that wait for the seller; those that waited and are decided elsewhere by now settle themselves."""
    waiting = [row for row in rows if not refusal(bench, flow, row.record)]
    others = {row.key: row for row in rows if row.record.needs_acceptance is False}
    stale = bench.store.effects.open_keys(flow.name, list(others)) if others else ()
    return [Intent(row.key, row.ref, f"decide {order_substance(row.record)}") for row in waiting] + [
        Intent(key, others[key].ref, f"decided {others[key].record.raw_status}") for key in sorted(stale)
    ]


def _of_target(bench: Bench, flow: FlowRow, rows: Sequence[Prepared]) -> list[Prepared]:
    """Orders that came from the target, or may have: their binding may not be kept yet."""
    origins = bench.store.records.origins(flow.source, "orders", [row.key for row in rows])
    prefix = f"{flow.target}-"
    return [
        row
        for row in rows
        if any(each.source == flow.target for each in origins.get(row.key, ()))
        or (row.key not in origins and (not _mark(row.record) or _mark(row.record).startswith(prefix)))
    ]


def _without_echo(bench: Bench, flow: FlowRow, rows: Sequence[Prepared]) -> Sequence[Prepared]:
    """What came from the target is not sent back to it."""
    if flow.stream in ("shipments", "balance", "prices", "acceptance", "statuses"):
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
        if flow.stream == "acceptance" and not record.needs_acceptance:
            return "it does not wait to be accepted"
        if flow.stream == "statuses":
            if options.statuses and record.status not in options.statuses:
                return f"status {record.status}"
        elif flow.stream == "orders" and record.status not in (options.statuses or ORDER_STATUSES):
            return f"status {record.status}"
    elif options.skus and getattr(record, "sku", options.skus[0]) not in options.skus:
        return "sku not in the flow"
    return str(bench.ambient.ask("route_record", "", flow=flow.name, record=record))


def check_flow(bench: Bench, flow: FlowRow) -> None:
    """Refuse a flow that cannot work: unknown ends, a stream the source cannot read or the target cannot take."""
    if flow.stream not in OPERATIONS:
        raise UsageError(f"There is no stream {flow.stream!r}; there are: {', '.join(OPERATIONS)}.")
    if flow.source == flow.target:
        raise UsageError("A flow goes from one connection to another.")
    source, target = bench.open(flow.source), bench.open(flow.target)
    if not source.connector.can(f"fetch_{flow.reads}"):
        raise UsageError(f"{flow.source} ({source.connector.info.title}) cannot be asked for {flow.reads}.")
    hooks = PUSH_HOOKS[flow.stream]
    taker = source if flow.writes_to == flow.source else target
    if not any(taker.connector.can(hook) for hook in hooks):
        raise UsageError(
            f"{flow.writes_to} ({taker.connector.info.title}) cannot take {flow.stream}: "
            f"it has no {' and no '.join(hooks)}."
        )
    if flow.stream == "acceptance" and not target.connector.can("fetch_balance"):
        raise UsageError(
            f"{flow.target} ({target.connector.info.title}) cannot be asked for stock, which decides on acceptance.",
            hint="A flow of acceptance goes from the marketplace to the system whose stock is sold.",
        )
    _check_options(flow)
    if flow.options.approve_up_to and not target.connector.info.binding_orders:
        raise UsageError(
            f"Orders are not binding at {flow.target} ({target.connector.info.title}), so none waits to be approved "
            "up to an amount.",
            hint="Large orders wait for a person with --approve-above.",
        )
    _check_alone(bench, flow)
    if flow.stream in ("balance", "prices"):
        for other in bench.store.config.flows_between(flow.target, flow.source, flow.stream):
            raise UsageError(
                f"The flow {other.name} brings {flow.stream} from {flow.target} to {flow.source} already; both ways at "
                "once would send each value back and forth."
            )


def _check_alone(bench: Bench, flow: FlowRow) -> None:
    """Refuse a second flow of stock for the same SKUs of a target: each would write over what the other one wrote."""
    for other in bench.store.config.flows_between(flow.source, flow.target, "balance"):
        mine, theirs = set(flow.options.skus), set(other.options.skus)
        if flow.stream == "balance" and other.name != flow.name and (not mine or not theirs or mine & theirs):
            raise UsageError(
                f"The flow {other.name} publishes stock of {flow.source} in {flow.target} already; each would write "
                "over what the other one wrote.",
                hint=f"Change that one, or let each have SKUs of its own (--sku): crossdock flow show {other.name}",
            )


def _check_options(flow: FlowRow) -> None:
    options = flow.options
    if options.totals not in ("keep", "line", "hold"):
        raise UsageError(f"totals is keep, line or hold, not {options.totals!r}.")
    if options.buffer < 0:
        raise UsageError("The buffer is a quantity that is kept back; it cannot be negative.")
    if options.on_shortage not in ("hold", "refuse"):
        raise UsageError(f"on_shortage is hold or refuse, not {options.on_shortage!r}.")
    for amount in filter(None, (options.approve_above, options.approve_up_to)):
        try:
            good = Decimal(amount).is_finite()
        except ArithmeticError:
            good = False
        if not good:
            raise UsageError(f"{amount!r} is no amount up to which orders need no person's approval.")


def route_stored(bench: Bench, flow: FlowRow) -> int:
    """Route everything that is stored already, for a flow that is new or has changed; answers how many intents."""
    count = 0
    if flow.stream in ("balance", "acceptance"):
        _hold_again(bench, flow.source if flow.stream == "balance" else flow.target)
    for page in bench.store.records.pages(flow.source, flow.reads):
        with bench.store.transaction():
            bench.store.config.hold_pages()
            # Read again: a page that was kept meanwhile must not be overtaken by what was read before it.
            count += route(bench, flow, _current(bench, flow, page))
    return count


def _current(bench: Bench, flow: FlowRow, page: Sequence[Stored]) -> list[Prepared]:
    """The records of a page as they are now, inside the transaction; those that cannot be read are left out."""
    return _readable(bench.store.records.get_many(flow.source, flow.reads, [stored.key for stored in page]).values())


def _readable(found: Iterable[Stored]) -> list[Prepared]:
    rows = []
    for stored in found:
        with contextlib.suppress(RecordError):
            rows.append(stored.prepared())
    return rows


def hold_paused(bench: Bench, connection: str, rows: Sequence[Prepared], before: Mapping[str, Order]) -> None:
    """Hold what orders take whose flow is paused: they are sold all the same; inside the transaction of the page."""
    for flow in bench.store.config.paused_sales(connection):
        allowed = _without_echo(bench, flow, rows)
        admitted = {row.key for row in allowed if flow.stream == "orders" and not refusal(bench, flow, row.record)}
        hold_orders(bench, flow, allowed, admitted)
        channel_drifts(bench, flow, allowed, before)


def rename_holds(bench: Bench, flows: Iterable[FlowRow]) -> None:
    """The SKU tables of order flows have changed: what their orders hold is named anew; inside a transaction."""
    for flow in flows:
        hold_anew(bench, flow, bench.store.holds.keys(flow.source, flow.target))


def hold_anew(bench: Bench, flow: FlowRow, keys: Sequence[str]) -> None:
    """Hold what stored orders take as things are now; inside a transaction."""
    if not keys or not bench.store.config.stock_matters(flow.target):
        return
    found = bench.store.records.get_many(flow.source, "orders", keys).values()
    rows = _without_echo(bench, flow, _readable(found))
    hold_orders(bench, flow, rows, bench.store.effects.open_keys(flow.name, [row.key for row in rows]))


def _hold_again(bench: Bench, stock: str) -> None:
    """Hold what the orders under way take of a stock: nothing was noted before it mattered."""
    for flow in bench.store.config.flows_into(stock, "orders"):
        for page in bench.store.records.pages(flow.source, "orders"):
            with bench.store.transaction():
                bench.store.config.hold_pages()
                hold_anew(bench, flow, [stored.key for stored in page])
