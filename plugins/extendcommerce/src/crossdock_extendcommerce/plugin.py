"""The Extend Commerce connector's hooks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from crossdock import (
    Balance,
    ByKeys,
    Check,
    ConnectorInfo,
    Customer,
    Order,
    Page,
    Preview,
    Price,
    Product,
    Query,
    Receipt,
    RecordError,
    Row,
    Session,
    Shipment,
    WebhookReply,
    WebhookRequest,
    hookimpl,
)
from crossdock.mapping import text, utc
from crossdock_extendcommerce import catalogue, customers, ordering, verifying, webhook, wire
from crossdock_extendcommerce.mapping import to_customer, to_order
from crossdock_extendcommerce.outgoing import from_order
from crossdock_extendcommerce.reading import Changes, DatedListing, Detail, stamp
from crossdock_extendcommerce.settings import INFO, Settings
from crossdock_extendcommerce.shipments import UNSHIPPED, to_shipments, tracking_table, unreadable

_TOO_OLD = "before order start"
_NOT_SHIPPED = "nothing shipped"


@hookimpl
def connector_info() -> ConnectorInfo:
    """What the connector is."""
    return INFO


@hookimpl
def verify(session: Session[Settings]) -> Iterable[Check]:
    """Login, read rights, write rights, articles; stores nothing."""
    return verifying.checks(session)


@hookimpl
def fetch_orders(session: Session[Settings], query: Query) -> Iterator[Page[Order]]:
    """Orders that changed, or those named."""

    start = session.settings.order_start

    def record(listed: wire.CustomerOrder | wire.OrderItem) -> Order | str:
        if isinstance(listed, wire.OrderItem):
            return _TOO_OLD
        order = to_order(listed)
        return _TOO_OLD if start and order.placed_at and order.placed_at < start else order

    for rows, cursor in _orders(session, query, shipped_only=False):
        yield session.page(rows, record, cursor=cursor, identify=_order_number)


@hookimpl
def push_order(session: Session[Settings], order: Order, key: str, known: Receipt | None) -> Receipt:
    """Create or change an order."""
    return ordering.push(session, order, key, known)


@hookimpl
def find_order(session: Session[Settings], key: str) -> Sequence[Receipt]:
    """All orders under `key`."""
    return ordering.find(session, key)


@hookimpl
def preview_order(session: Session[Settings], order: Order, key: str) -> Preview:
    """The exact body of a new order."""
    try:
        body = bytes(wire.body(from_order(order, key, session.settings)))
    except RecordError as error:
        return Preview(body="", hash="", problems=(error.message,))
    return Preview(
        body=body.decode(), hash=hashlib.sha256(body).hexdigest(), total=f"{order.total:f}", currency=order.currency
    )


@hookimpl
def cancel_order(session: Session[Settings], known: Receipt, reason: str) -> Receipt:
    """Cancel an order that is not reserved yet."""
    return ordering.cancel(session, known, reason)


@hookimpl
def fetch_shipments(session: Session[Settings], query: Query) -> Iterator[Page[Shipment]]:
    """What was shipped of the orders that changed, or of those named."""
    table = tracking_table(session.settings.tracking_urls)
    for rows, cursor in _orders(session, query, shipped_only=True):
        shipped = [each for row in rows for each in _shipments(row, table)]
        yield session.page(shipped, lambda each: each, cursor=cursor)


@hookimpl
def fetch_products(session: Session[Settings], query: Query) -> Iterator[Page[Product]]:
    """Products that changed or are new, or those named."""
    for rows, cursor in catalogue.products(session, query):
        yield session.page(rows, lambda row: catalogue.product_of(session, row), cursor=cursor,
                           identify=lambda row: text(row.product_number))  # fmt: skip


@hookimpl
def fetch_prices(session: Session[Settings], query: Query) -> Iterator[Page[Price]]:
    """The best prices of the configured customer."""
    return catalogue.prices(session, query)


@hookimpl
def fetch_balance(session: Session[Settings], query: Query) -> Iterator[Page[Balance]]:
    """Stock per product and warehouse."""
    return catalogue.balances(session, query)


@hookimpl
def fetch_customers(session: Session[Settings], query: Query) -> Iterator[Page[Customer]]:
    """Customers that changed, or those named."""
    for rows, cursor in catalogue.customers(session, query):
        yield session.page(rows, to_customer, cursor=cursor, identify=lambda row: text(row.customer_number))


@hookimpl
def push_customer(session: Session[Settings], customer: Customer, key: str, known: Receipt | None) -> Receipt:
    """Create a customer, or update the one that exists."""
    return customers.push(session, customer, key, known)


@hookimpl
def handle_webhook(session: Session[Settings], request: WebhookRequest) -> WebhookReply:
    """Check the signature and say what to fetch again."""
    return webhook.reply(request, session.settings.webhook_secret)


# -- orders and shipments read the same list -------------------------------------------------------


def _orders(
    session: Session[Settings], query: Query, *, shipped_only: bool
) -> Iterator[tuple[list[Row[Any]], str | None]]:
    """Rows of `wire.CustomerOrder`, or of `wire.OrderItem` for orders that are left out."""
    settings = session.settings
    detail = Detail(session=session, path="CustomerOrders", decoder=wire.ORDER, budget="orders")
    if isinstance(query, ByKeys):
        # A shipment that could not be read is asked for again by its own key, which begins with the order's number.
        for rows in detail.several(list(dict.fromkeys(key.partition("/")[0] for key in query.keys))):
            yield list(rows), None
        return
    start = query.start or settings.order_start

    def leave(item: wire.OrderItem) -> bool:
        placed = utc(item.order_date, "orderDate", wire.ZONE)
        old = start is not None and placed is not None and placed < start
        return old or (shipped_only and item.order_status in UNSHIPPED)

    # Without a date the list times out (vendor page section 10.1).
    floor = start or session.clock.now() - timedelta(days=settings.history_days)
    changes = Changes(
        listing=lambda since: DatedListing(
            session, "CustomerOrders",
            {"modifiedDateFrom": stamp(since or floor), "companyGroup": settings.company_group or None},
            wire.ORDER_ITEM, "orders", start=floor,
        ),
        detail=detail, number=_order_number, changed=lambda item: item.change_date, floor=floor, leave=leave,
    )  # fmt: skip
    yield from changes.walk(query)


def _order_number(order: wire.CustomerOrder | wire.OrderItem) -> str:
    if isinstance(order, wire.OrderItem):
        return text(order.order_number)
    return text(order.order_header.order_number) if order.order_header else ""


def _shipments(row: Row[Any], table: dict[str, str]) -> list[Row[Any]]:
    """The shipments of one order as rows of a page, or why there is none."""
    if row.value is None:
        return unreadable(row)
    if isinstance(row.value, wire.OrderItem):
        return [Row(row.raw, _NOT_SHIPPED)]
    try:
        found, broken = to_shipments(row.value, table)
    except RecordError as error:
        return [Row(row.raw, None, error)]
    rows: list[Row[Any]] = [Row(row.raw, None, each) for each in broken]
    return [*rows, *(Row(row.raw, each) for each in found)] or [Row(row.raw, _NOT_SHIPPED)]
