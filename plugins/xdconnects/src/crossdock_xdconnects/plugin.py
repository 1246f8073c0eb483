"""The XD Connects connector's hooks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from crossdock import (
    Balance,
    Check,
    ConnectorInfo,
    Order,
    Page,
    Preview,
    Price,
    Product,
    Query,
    Receipt,
    Session,
    Shipment,
    WebhookReply,
    WebhookRequest,
    hookimpl,
)
from crossdock_xdconnects import catalogue, ordering, orders, verifying, webhook
from crossdock_xdconnects.settings import INFO, Settings


@hookimpl
def connector_info() -> ConnectorInfo:
    """What the connector is."""
    return INFO


@hookimpl
def verify(session: Session[Settings]) -> Iterable[Check]:
    """Values, mapping file, feeds; never orders."""
    return verifying.checks(session)


@hookimpl
def fetch_products(session: Session[Settings], query: Query) -> Iterator[Page[Product]]:
    """Models with their items."""
    return catalogue.products(session, query)


@hookimpl
def fetch_prices(session: Session[Settings], query: Query) -> Iterator[Page[Price]]:
    """Net and list prices, six tiers an item."""
    return catalogue.prices(session, query)


@hookimpl
def fetch_balance(session: Session[Settings], query: Query) -> Iterator[Page[Balance]]:
    """Stock and the next arrivals."""
    return catalogue.balances(session, query)


@hookimpl
def preview_order(session: Session[Settings], order: Order, key: str) -> Preview:
    """Every check, the price, and the exact body."""
    return ordering.preview(session, order, key)


@hookimpl
def push_order(session: Session[Settings], order: Order, key: str, known: Receipt | None) -> Receipt:
    """Send an order once."""
    return ordering.push(session, order, key, known)


@hookimpl
def find_order(session: Session[Settings], key: str) -> Sequence[Receipt]:
    """The order under `key`, if XD can be asked."""
    return ordering.find(session, key)


@hookimpl
def cancel_order(session: Session[Settings], known: Receipt, reason: str) -> Receipt:
    """A mail to XD's back office, since there is no other way."""
    return ordering.cancel(session, known, reason)


@hookimpl
def fetch_orders(session: Session[Settings], query: Query) -> Iterator[Page[Order]]:
    """Our own purchase orders."""
    return orders.orders(session, query)


@hookimpl
def fetch_shipments(session: Session[Settings], query: Query) -> Iterator[Page[Shipment]]:
    """What left of our purchase orders."""
    return orders.shipments(session, query)


@hookimpl
def handle_webhook(session: Session[Settings], request: WebhookRequest) -> WebhookReply:
    """Take XD's news of an order."""
    return webhook.reply(session, request)
