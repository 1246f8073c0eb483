"""The WooCommerce connector: one hook a function, the work in the modules beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from crossdock import (
    Balance,
    Check,
    ConnectorInfo,
    Order,
    Outcome,
    Page,
    Price,
    Product,
    Query,
    Receipt,
    Session,
    Shipment,
    WebhookReply,
    WebhookRequest,
    WebhookState,
    hookimpl,
)
from crossdock_woocommerce import (
    articles,
    catalogue,
    orders,
    placing,
    progress,
    shipments,
    stocking,
    verifying,
    webhook,
)
from crossdock_woocommerce.settings import INFO, Settings


@hookimpl
def connector_info() -> ConnectorInfo:
    """What the connector is."""
    return INFO


@hookimpl
def verify(session: Session[Settings]) -> Iterable[Check]:
    """Prove the connection step by step."""
    return verifying.verify(session)


@hookimpl
def fetch_orders(session: Session[Settings], query: Query) -> Iterator[Page[Order]]:
    """Read orders, deleted ones too."""
    return orders.fetch(session, query)


@hookimpl
def push_order(session: Session[Settings], order: Order, key: str, known: Receipt | None) -> Receipt:
    """Create an order or bring its status up to date."""
    return placing.push_order(session, order, key, known)


@hookimpl
def find_order(session: Session[Settings], key: str) -> Sequence[Receipt]:
    """Find the orders made under `key`."""
    return placing.find_order(session, key)


@hookimpl
def cancel_order(session: Session[Settings], known: Receipt, reason: str) -> Receipt:
    """Cancel an order."""
    return placing.cancel_order(session, known, reason)


@hookimpl
def push_status(session: Session[Settings], update: Order, order: Order, key: str) -> Receipt:
    """Show how far an order is elsewhere."""
    return progress.push_status(session, update, order, key)


@hookimpl
def push_shipment(session: Session[Settings], shipment: Shipment, order: Order, key: str) -> Receipt:
    """Report parcel numbers and complete the order."""
    return shipments.push_shipment(session, shipment, order, key)


@hookimpl
def find_shipment(session: Session[Settings], shipment: Shipment, order: Order, key: str) -> Sequence[Receipt]:
    """Find the report of a shipment."""
    return shipments.find_shipment(session, shipment, order, key)


@hookimpl
def fetch_products(session: Session[Settings], query: Query) -> Iterator[Page[Product]]:
    """Read products with their variations."""
    return catalogue.fetch_products(session, query)


@hookimpl
def fetch_prices(session: Session[Settings], query: Query) -> Iterator[Page[Price]]:
    """Read prices by SKU."""
    return catalogue.fetch_prices(session, query)


@hookimpl
def fetch_balance(session: Session[Settings], query: Query) -> Iterator[Page[Balance]]:
    """Read stock by SKU."""
    return catalogue.fetch_balance(session, query)


@hookimpl
def push_products(session: Session[Settings], products: Sequence[Product]) -> Iterable[Outcome]:
    """Create or update products by SKU."""
    return articles.push_products(session, products)


@hookimpl
def push_prices(session: Session[Settings], prices: Sequence[Price]) -> Iterable[Outcome]:
    """Set prices by SKU."""
    return stocking.push_prices(session, prices)


@hookimpl
def push_balance(session: Session[Settings], balances: Sequence[Balance]) -> Iterable[Outcome]:
    """Set stock by SKU."""
    return stocking.push_balance(session, balances)


@hookimpl
def handle_webhook(session: Session[Settings], request: WebhookRequest) -> WebhookReply:
    """Check a delivery and say what to read again."""
    return webhook.handle_webhook(session, request)


@hookimpl
def register_webhook(session: Session[Settings], url: str, secret: str) -> WebhookState:
    """Register or repair the webhooks."""
    return webhook.register_webhook(session, url, secret)
