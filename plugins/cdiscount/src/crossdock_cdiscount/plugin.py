"""The Cdiscount (Octopia) connector's hooks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from crossdock import (
    Balance,
    ByKeys,
    Check,
    ConnectorInfo,
    Decision,
    Order,
    Outcome,
    Page,
    Price,
    Product,
    Query,
    Receipt,
    Session,
    Shipment,
    StillRunning,
    hookimpl,
)
from crossdock.mapping import text
from crossdock_cdiscount import deciding, offers, packages, reading, shipments, stocking, verifying, wire
from crossdock_cdiscount.mapping import to_order
from crossdock_cdiscount.settings import INFO, Settings


@hookimpl
def connector_info() -> ConnectorInfo:
    """What the connector is."""
    return INFO


@hookimpl
def verify(session: Session[Settings]) -> Iterable[Check]:
    """Token, seller, sales channels, orders, offers, carriers; writes nothing."""
    return verifying.checks(session)


@hookimpl
def fetch_orders(session: Session[Settings], query: Query) -> Iterator[Page[Order]]:
    """Orders that changed, or those named."""

    def record(order: wire.Order) -> Order | str:
        made = to_order(order, session.settings)
        if isinstance(made, Order) and made.status == "unknown":
            session.log.warning(
                "The order %s is in a state that is not known: %s.", made.key, made.raw_status or "none"
            )
        return made

    if isinstance(query, ByKeys):
        for rows in reading.named(session, query):
            yield session.page(rows, record, identify=_id)
        return
    for rows, cursor in reading.changed(session, query):
        yield session.page(rows, record, cursor=cursor, identify=_id)


@hookimpl
def accept_order(session: Session[Settings], known: Receipt, decision: Decision) -> Receipt:
    """Accept or refuse a whole order."""
    return deciding.accept(session, known, decision)


@hookimpl
def cancel_order(session: Session[Settings], known: Receipt, reason: str) -> Receipt:
    """Ask for a cancellation, if the settings allow it."""
    return deciding.cancel(session, known, reason)


@hookimpl
def push_shipment(session: Session[Settings], shipment: Shipment, order: Order, key: str) -> Receipt:
    """Report carrier, parcel number and tracking URL."""
    return shipments.push_shipment(session, shipment, order)


@hookimpl
def find_shipment(session: Session[Settings], shipment: Shipment, order: Order, key: str) -> Sequence[Receipt]:
    """The report of this shipment, if it is there."""
    return shipments.find_shipment(session, shipment, order)


@hookimpl
def fetch_products(session: Session[Settings], query: Query) -> Iterator[Page[Product]]:
    """One product per offered SKU."""
    return offers.products(session, query)


@hookimpl
def fetch_prices(session: Session[Settings], query: Query) -> Iterator[Page[Price]]:
    """One price per SKU and sales channel."""
    return offers.prices(session, query)


@hookimpl
def fetch_balance(session: Session[Settings], query: Query) -> Iterator[Page[Balance]]:
    """The stock of each offered SKU."""
    return offers.balances(session, query)


@hookimpl
def push_prices(session: Session[Settings], prices: Sequence[Price]) -> Iterable[Outcome]:
    """Set prices by offer packages."""
    return stocking.push_prices(session, prices)


@hookimpl
def push_balance(session: Session[Settings], balances: Sequence[Balance]) -> Iterable[Outcome]:
    """Set stock by offer packages."""
    return stocking.push_balance(session, balances)


@hookimpl
def check_job(session: Session[Settings], job: str) -> Iterable[Outcome] | StillRunning:
    """What became of offer packages."""
    return packages.check(session, job)


def _id(order: wire.Order) -> str:
    return text(order.order_id)
