"""What can be sold: the stock that was read, less what is kept back and what orders under way will take.

Promise 6: published = available - buffer - sold and not yet handed on. The parts are kept in one transaction each, so
whatever order in which stock, orders and deliveries arrive, no quantity is counted as free twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from crossdock.engine.bench import Bench
from crossdock.engine.substance import DEAD, order_substance
from crossdock.engine.translate import Tables, apply_tables, renamed
from crossdock.errors import CrossdockError
from crossdock.records import ZERO, Balance, Order, from_document
from crossdock.store.config import FlowRow
from crossdock.store.database import unstamp
from crossdock.store.holds import SOLD, WAITING, HeldOrder
from crossdock.store.ledger import Intent
from crossdock.store.records import Prepared
from crossdock.store.store import Store

_STOCK = "stock"
_TAKING = ("on_hold", "processing", "partially_shipped")
"""Orders in these states will take goods, whether or not the flow hands them on already. A pending order takes none
(half of them are never paid) unless it waits for the seller to accept it."""


def lock_stock(bench: Bench, connection: str = "") -> None:
    """Until the end of the transaction nobody else changes what is held or published of stock.

    Two who do it side by side would not see each other's goods. It comes before any effect is touched; with
    `connection` only its stock is locked, and only if that matters to anything: what belongs to another ERP goes on.
    Whoever needs several takes them with `lock_stocks`, or all.
    """
    store = bench.store
    store.config.steady()  # always in this order: flows, then all stock, then that of one connection
    if not connection:
        store.database.serialize(_STOCK)
    elif store.config.stock_matters(connection):
        store.database.share(_STOCK)
        store.database.serialize(f"{_STOCK} of {connection}")


def lock_stocks(bench: Bench, connections: Collection[str]) -> None:
    """The stock of several connections, always in the same order: two who take them crosswise would wait for ever."""
    for connection in sorted(connections):
        lock_stock(bench, connection)


def published_stock(bench: Bench, flow: FlowRow, skus: Sequence[str]) -> dict[str, Balance]:
    """What a flow publishes for SKUs: the stored stock of its warehouses, less holds and buffer, never below zero.

    Read from the store at the moment it is needed, so an older snapshot cannot overwrite a newer one.
    """
    balances = (stored.record for stored in bench.store.records.by_refs(flow.source, "balance", skus))
    held, buffers = bench.store.holds.of(flow.source, skus), bench.store.gaps.buffers(flow.name, skus)
    return stock_of(flow, balances, held, buffers)


def stock_of(
    flow: FlowRow, balances: Iterable[Balance], held: Mapping[str, Decimal], buffers: Mapping[str, Decimal]
) -> dict[str, Balance]:
    """What a flow makes of its source's stock, by SKU (see `published_stock`); `buffers` are those of single SKUs."""
    usual = Decimal(flow.options.buffer)

    def free(each: Balance) -> Decimal:
        return max(each.available - held.get(each.sku, ZERO) - buffers.get(each.sku, usual), ZERO)

    return {
        sku: Balance(sku=sku, available=free(each), as_of=each.as_of) for sku, each in added_up(flow, balances).items()
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
    store = bench.store
    if not rows or not store.config.stock_matters(flow.target):
        return
    lock_stock(bench, flow.target)
    rows = _own(bench, flow, rows, admitted)
    bound = store.records.bound(flow.source, "orders", [row.key for row in rows], flow.target)
    delivered = store.effects.delivered(flow.name, list(bound)) if bound else {}
    given_up = _given_up(bench, flow, rows)
    tables = store.gaps.tables(flow.name)
    held = []
    for row in rows:
        order = _as_target(bench, flow, tables, row.record)
        if row.key in bound:
            part = order_substance(row.record)
            held.append(HeldOrder(row.key, SOLD, _more(order, part, delivered.get(row.key)), part))
        elif row.key in given_up:
            held.append(HeldOrder(row.key, SOLD, {}))
        else:
            state = WAITING if order.needs_acceptance else SOLD
            held.append(HeldOrder(row.key, state, taken(order) if _takes(order, row.key in admitted) else {}))
    republish(bench, flow.target, store.holds.keep(flow.source, flow.target, held))


def _own(bench: Bench, flow: FlowRow, rows: Sequence[Prepared], admitted: Collection[str]) -> Sequence[Prepared]:
    """The orders without those that only another flow between the same two systems hands on: it says what they take."""
    others = [each.name for each in bench.store.config.flows_between(flow.source, flow.target, "orders")]
    if others in ([], [flow.name]):
        return rows
    keys = [row.key for row in rows if row.key not in admitted]
    ours = bench.store.effects.wanted(flow.name, keys)
    theirs = {key for name in others for key in bench.store.effects.wanted(name, keys)} - ours.keys()
    return [row for row in rows if row.key not in theirs]


def channel_drifts(bench: Bench, flow: FlowRow, rows: Sequence[Prepared], before: Mapping[str, Order]) -> None:
    """Orders are new or take other goods than `before`: their channel has changed by itself what it shows.

    A shop takes off what it sells and puts back what is cancelled, whatever becomes of it at the ERP. So it is told of
    those SKUs once more, even if that is what it was told last. Runs inside the transaction that keeps the page.
    """
    store = bench.store
    publishing = store.config.flows_between(flow.target, flow.source, "balance") if rows else ()
    if not publishing:
        return
    lock_stock(bench, flow.target)
    tables = store.gaps.tables(flow.name)
    skus, sold = set[str](), set[str]()
    for row in rows:
        if row.record.fulfilled_by == "seller":
            order, former = _as_target(bench, flow, tables, row.record), before.get(row.key)
            former = former and _as_target(bench, flow, tables, former)
            skus |= {line.sku for each in (order, former) if each for line in each.lines if line.sku}
            sold |= _sold(order, former)
    for each in publishing:
        store.effects.drifts(each.name, sorted(skus), sold, each.entry, bench.clock.now())


def goods_moved(order: Order, before: Order | None) -> bool:
    """Whether a channel may have taken off or put back goods of an order since `before`, though nobody else cares.

    It puts them back when the order waits for its payment again, and with a refund if a person says so.
    """
    return before is not None and (_off(order), order.refunds) != (_off(before), before.refunds)


def _sold(order: Order, before: Order | None) -> set[str]:
    """Of which SKUs a channel may have taken off more since `before`; of the others it has only put goods back."""
    if order.status in DEAD:
        return set()
    now, then = taken(order), _off(before) if before else {}
    if before is not None and order.status not in (before.status, "pending"):
        then = {}  # who takes goods off when is not the same everywhere
    return {sku for sku, quantity in now.items() if quantity > then.get(sku, ZERO)}


def _off(order: Order) -> dict[str, Decimal]:
    """What a channel has taken off its stock for an order."""
    return {} if order.status in (*DEAD, "draft", "pending") else taken(order)


def _given_up(bench: Bench, flow: FlowRow, rows: Sequence[Prepared]) -> set[str]:
    """Orders that a person discarded and that have not changed since."""
    effects = bench.store.effects
    discarded = effects.open_keys(flow.name, [row.key for row in rows], ("discarded",))
    if not discarded:
        return set()
    wanted = effects.wanted(flow.name, list(discarded))
    return {row.key for row in rows if wanted.get(row.key) == order_substance(row.record)}


def _as_target(bench: Bench, flow: FlowRow, tables: Tables, order: Order) -> Order:
    """The order with the target's SKUs; where a business rule breaks, delivering it will say so."""
    try:
        made: Order = renamed(bench, flow, tables, order)
    except CrossdockError:
        made = apply_tables(tables, order)
    return made


def _takes(order: Order, admitted: bool) -> bool:
    taking = admitted or order.needs_acceptance or order.status in _TAKING
    return taking and order.fulfilled_by == "seller" and order.status not in DEAD


def taken(order: Order) -> dict[str, Decimal]:
    """What an order takes, by SKU."""
    quantities: dict[str, Decimal] = {}
    for line in order.lines:
        if line.sku and line.quantity > 0 and line.status not in DEAD:
            quantities[line.sku] = quantities.get(line.sku, ZERO) + line.quantity
    return quantities


def _more(order: Order, substance: str, delivered: tuple[str, str | None] | None) -> dict[str, Decimal]:
    """What an order that was handed on takes beyond what the target knows of it."""
    done, document = delivered or ("", None)
    if done in ("", substance) or order.status in DEAD or order.fulfilled_by != "seller":
        return {}
    known = taken(from_document("orders", document)) if document else {}
    more = {sku: quantity - known.get(sku, ZERO) for sku, quantity in taken(order).items()}
    return {sku: quantity for sku, quantity in more.items() if quantity > 0}


def release_orders(bench: Bench, source: str, target: str, keys: Sequence[str] | None = None) -> None:
    """Orders (without `keys` all of `source`) are given up; inside a transaction."""
    lock_stock(bench, target)
    republish(bench, target, bench.store.holds.release(source, target, keys))


def stock_was_read(
    bench: Bench, connection: str, started: datetime, skus: Sequence[str] | None = None, but: Collection[str] = ()
) -> None:
    """Stock of `connection` was read from `started` on, but for some SKUs: it shows the orders handed on before."""
    lock_stock(bench, connection)
    republish(bench, connection, bench.store.holds.expire(connection, started, skus, but))


def unseen_sales(store: Store, flow: FlowRow) -> str:
    """Why a flow of stock shows what its target has sold as still there; empty when orders under way are taken off.

    They are known where they go from the channel to the system whose stock is shown, and nowhere else.
    """
    channel, stock = flow.target, flow.source
    takers = {each.target for each in store.config.flows()
              if each.source == channel and each.stream in ("orders", "acceptance")}  # fmt: skip
    if flow.stream != "balance" or stock in takers:
        return ""
    if takers:
        where = f"go to {' and '.join(sorted(takers))}, not to {stock}"
    elif store.config.flows_into(channel, "orders"):
        return ""  # it takes orders and sells nothing by itself
    else:
        where = f"do not go to {stock}"
    return f"Orders of {channel} {where}: what they take is not taken off before {stock} shows it."


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
            now = bench.clock.now()
            effects.plan(flow.name, "balance", flow.source, flow.target, "balance", intents, flow.entry, now)


def behind(bench: Bench, stock: str, moment: datetime, but: str = "") -> list[str]:
    """Why stock of `stock` must not be raised yet: each channel whose orders were not read since `moment`.

    Empty when the orders of all channels that sell this stock were read completely by a run that began later.
    """
    reasons = []
    for flow in bench.store.config.selling(stock):
        if flow.source == but:
            continue
        if flow.mode == "paused":
            reasons.append(f"the flow {flow.name} is paused, so orders of {flow.source} are not known")
            continue
        read_at = unstamp(bench.store.records.read_at(flow.source, "orders"))
        if read_at is None or read_at < moment:
            channel = bench.store.config.connection(flow.source)
            paused = f", and its connection is {channel.state}" if channel and channel.state != "active" else ""
            since = "never been read" if read_at is None else "not been read since"
            reasons.append(f"the orders of {flow.source} have {since}{paused}")
    return reasons


def read_moments(bench: Bench, connection: str, skus: Sequence[str]) -> dict[str, datetime]:
    """When the stock of SKUs was last read, by our clock."""
    whole = bench.store.records.read_at(connection, "balance") or ""
    found: dict[str, str] = {}
    for stored in bench.store.records.by_refs(connection, "balance", skus):
        found[stored.ref] = max(found.get(stored.ref, ""), stored.seen_at, whole)
    return {sku: moment for sku, text in found.items() if (moment := unstamp(text)) is not None}
