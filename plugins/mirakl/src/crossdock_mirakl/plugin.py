"""The Mirakl connector's hooks. There are no webhooks for sellers (vendor page section 12): orders are polled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from crossdock import (
    Balance,
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
    RecordError,
    Row,
    Session,
    Shipment,
    StatusUpdate,
    StillRunning,
    hookimpl,
)
from crossdock_mirakl import catalogue, deciding, imports, offers, orders, shipments, shopwire, verifying
from crossdock_mirakl.api import platform
from crossdock_mirakl.settings import INFO, Settings

R = TypeVar("R")


@hookimpl
def connector_info() -> ConnectorInfo:
    """What the connector is."""
    return INFO


@hookimpl
def verify(session: Session[Settings]) -> Iterable[Check]:
    """Host, key, shop, orders, what the operator switched on; changes nothing."""
    return verifying.checks(session)


@hookimpl
def fetch_orders(session: Session[Settings], query: Query) -> Iterator[Page[Order]]:
    """Orders that changed, or those named."""
    return orders.fetch(session, query)


@hookimpl
def accept_order(session: Session[Settings], known: Receipt, decision: Decision) -> Receipt:
    """Accept or refuse the lines of an order that waits for it."""
    return deciding.accept(session, known, decision)


@hookimpl
def cancel_order(session: Session[Settings], known: Receipt, reason: str) -> Receipt:
    """Cancel an order of which nothing was shipped."""
    return deciding.cancel(session, known, reason)


@hookimpl
def push_statuses(session: Session[Settings], updates: Sequence[StatusUpdate]) -> Iterable[Outcome]:
    """Show the numbers of the other system's orders as the seller's references."""
    return deciding.set_references(session, updates)


@hookimpl
def push_shipment(session: Session[Settings], shipment: Shipment, order: Order, key: str) -> Receipt:
    """Report a shipment, or the whole order where the operator takes no parts."""
    return shipments.push(session, shipment, order, key)


@hookimpl
def find_shipment(session: Session[Settings], shipment: Shipment, order: Order, key: str) -> Sequence[Receipt]:
    """The report of this shipment, if all of it is there."""
    return shipments.find(session, shipment, order, key)


@hookimpl
def fetch_products(session: Session[Settings], query: Query) -> Iterator[Page[Product]]:
    """What the shop sells: its offers."""
    return _of_offers(session, query, lambda offer: [catalogue.to_product(offer)], lambda sku, _: sku)


@hookimpl
def fetch_prices(session: Session[Settings], query: Query) -> Iterator[Page[Price]]:
    """The prices of the offers by channel and tier."""
    inclusive, now = platform(session).prices_include_tax, session.clock.now()
    return _of_offers(
        session, query, lambda offer: catalogue.to_prices(offer, inclusive, now),
        lambda sku, currency: Price(sku=sku, amount=catalogue.ZERO, currency=currency).key,
    )  # fmt: skip


@hookimpl
def fetch_balance(session: Session[Settings], query: Query) -> Iterator[Page[Balance]]:
    """The quantities of the offers; never money."""
    now, warehouse = session.clock.now(), session.settings.warehouse
    return _of_offers(
        session, query, lambda offer: catalogue.to_balances(offer, warehouse, now),
        lambda sku, _: Balance(sku=sku, warehouse=warehouse, available=catalogue.ZERO).key,
    )  # fmt: skip


@hookimpl
def push_prices(session: Session[Settings], prices: Sequence[Price]) -> Iterable[Outcome]:
    """Hand in a price file."""
    return imports.push_prices(session, prices)


@hookimpl
def push_balance(session: Session[Settings], balances: Sequence[Balance]) -> Iterable[Outcome]:
    """Hand in a stock file."""
    return imports.push_balance(session, balances)


@hookimpl
def check_job(session: Session[Settings], job: str) -> Iterable[Outcome] | StillRunning:
    """What became of a stock or price file."""
    return imports.check_job(session, job)


def _of_offers(
    session: Session[Settings], query: Query, records: Callable[[shopwire.Offer], Iterable[R | str]],
    key: Callable[[str, str], str],
) -> Iterator[Page[R]]:  # fmt: skip
    """Pages with every record of every offer; one offer may be several records.

    `key` makes a record's key of SKU and currency: what is parked under it goes when the record can be read again.
    """
    for rows, cursor in offers.pages(session, query):
        made = [each for row in rows for each in _made(row, records, key)]
        yield session.page(made, lambda each: each, cursor=cursor)


def _made(
    row: Row[shopwire.Offer], records: Callable[[shopwire.Offer], Iterable[R | str]], key: Callable[[str, str], str]
) -> list[Row[Any]]:
    try:
        if row.value is None:
            raise row.error or RecordError("The payload is empty.")
        return [Row(row.raw, each) for each in records(row.value)]
    except RecordError as error:
        sku, currency = offers.stamp(row)
        error.key = key(sku, currency) if sku else ""
        return [Row(row.raw, None, error)]
