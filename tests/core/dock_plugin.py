"""A scripted connector: two systems in this process, whose records a test sets by hand.

It is loaded like any other plugin, through a dist-info folder (see `ops_kit`); only its "system" is a dictionary.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs

from crossdock import (
    AccessError,
    Balance,
    ByKeys,
    Check,
    ConnectorInfo,
    Endpoint,
    Gap,
    Order,
    Outcome,
    Page,
    Price,
    Product,
    Query,
    Receipt,
    RecordError,
    Secret,
    Session,
    Shipment,
    StreamInfo,
    evolve,
    hookimpl,
    setting,
)


@attrs.define
class System:
    """What one system holds, and how it misbehaves."""

    orders: dict[str, Order] = attrs.field(factory=dict)
    balance: dict[str, Balance] = attrs.field(factory=dict)
    prices: dict[str, Price] = attrs.field(factory=dict)
    products: dict[str, Product] = attrs.field(factory=dict)
    shipments: dict[str, Shipment] = attrs.field(factory=dict)
    unreadable: dict[str, bytes] = attrs.field(factory=dict)
    unknown_skus: set[str] = attrs.field(factory=set)
    reported: list[str] = attrs.field(factory=list)
    denied: bool = False
    reads: int = 0
    next_id: int = 5000


WORLD: dict[str, System] = {}


@attrs.frozen(kw_only=True)
class Settings:
    system: str = setting("System")
    token: Secret = setting("Token", where="on paper")
    spare: Secret | None = setting("Second token", default=None)
    note: str = setting("Note", default="")
    depth: int = setting("Depth", default=3)
    flag: bool = setting("Flag", default=False)
    channels: tuple[str, ...] = setting("Channels", default=())
    order_start: datetime | None = setting("Order start", default=None)


def system(session: Session[Settings]) -> System:
    found = WORLD.setdefault(session.settings.system, System())
    if found.denied:
        raise AccessError("The token was revoked.", hint="Make a new one.")
    return found


@hookimpl
def connector_info() -> ConnectorInfo:
    return ConnectorInfo(
        name="dock", title="Dock", settings=Settings, endpoint=lambda settings: Endpoint(base_url="http://127.0.0.1:9"),
        streams={"orders": StreamInfo(minimum=timedelta(minutes=5))}, find_after=timedelta(0),
        sandbox="dock_sandbox:create",
    )  # fmt: skip


@hookimpl
def verify(session: Session[Settings]) -> Iterable[Check]:
    system(session)
    good = session.settings.token.reveal().startswith("good")
    yield Check(name="Token", state="ok" if good else "fail", hint="" if good else "Use a good one.")


def _pages(session: Session[Settings], stream: str, query: Query) -> Iterator[Page[Any]]:
    held = system(session)
    held.reads += 1
    rows: dict[str, Any] = getattr(held, stream)
    rejects = tuple(
        RecordError(f"The total of {key} is no number.", key=key, path="total", payload=b'{"total": "%b"}' % text)
        for key, text in held.unreadable.items()
        if stream == "orders" and (not isinstance(query, ByKeys) or key in query.keys)
    )  # fmt: skip
    if isinstance(query, ByKeys):
        found = [row for row in rows.values() if {row.key, row.ref} & set(query.keys)]
    else:
        found = list(rows.values())
    yield Page(
        tuple(found), None if isinstance(query, ByKeys) else "1", rejects, tuple(b'{"as": "sent"}' for _ in found)
    )


@hookimpl
def fetch_orders(session: Session[Settings], query: Query) -> Iterator[Page[Order]]:
    return _pages(session, "orders", query)


@hookimpl
def fetch_balance(session: Session[Settings], query: Query) -> Iterator[Page[Balance]]:
    return _pages(session, "balance", query)


@hookimpl
def fetch_prices(session: Session[Settings], query: Query) -> Iterator[Page[Price]]:
    return _pages(session, "prices", query)


@hookimpl
def fetch_products(session: Session[Settings], query: Query) -> Iterator[Page[Product]]:
    return _pages(session, "products", query)


@hookimpl
def fetch_shipments(session: Session[Settings], query: Query) -> Iterator[Page[Shipment]]:
    return _pages(session, "shipments", query)


@hookimpl
def push_order(session: Session[Settings], order: Order, key: str, known: Receipt | None) -> Receipt:
    held = system(session)
    for index, line in enumerate(order.lines):
        if line.sku in held.unknown_skus:
            raise RecordError(f"{line.sku} is unknown.", path=f"lines[{index}].sku", gap=Gap("sku", line.sku))
    if known is None:
        held.next_id += 1
        known = Receipt(external_id=str(held.next_id), number=f"T{held.next_id}")
    held.orders[known.external_id] = evolve(
        order, key=known.external_id, number=known.number, references={"external": key}
    )
    return known


@hookimpl
def find_order(session: Session[Settings], key: str) -> Sequence[Receipt]:
    return [
        Receipt(external_id=order.key, number=order.number)
        for order in system(session).orders.values()
        if order.references.get("external") == key
    ]


@hookimpl
def push_balance(session: Session[Settings], balances: Sequence[Balance]) -> Iterable[Outcome]:
    held = system(session)
    for balance in balances:
        held.balance[balance.key] = balance
        yield Outcome(key=balance.key, state="done")


@hookimpl
def push_prices(session: Session[Settings], prices: Sequence[Price]) -> Iterable[Outcome]:
    held = system(session)
    for price in prices:
        held.prices[price.key] = price
        yield Outcome(key=price.key, state="done")


@hookimpl
def push_products(session: Session[Settings], products: Sequence[Product]) -> Iterable[Outcome]:
    held = system(session)
    for product in products:
        held.products[product.key] = product
        yield Outcome(key=product.key, state="done")


@hookimpl
def push_shipment(session: Session[Settings], shipment: Shipment, order: Order, key: str) -> Receipt:
    system(session).reported.append(f"{order.key} {shipment.tracking_number}")
    return Receipt(external_id=f"report-{shipment.key}")


@hookimpl
def find_shipment(session: Session[Settings], shipment: Shipment, order: Order, key: str) -> Sequence[Receipt]:
    return []
