"""A connector without a system behind it: what is left is the engine's own cost.

``CROSSDOCK_NULL_WAIT`` is how long each delivery takes in seconds, ``CROSSDOCK_NULL_COUNT`` how many records there are,
``CROSSDOCK_NULL_STOCK`` the stock of each SKU.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import attrs

from crossdock import (
    Balance,
    Check,
    ConnectorInfo,
    Endpoint,
    Order,
    OrderLine,
    Page,
    Query,
    Receipt,
    Session,
    StreamInfo,
    hookimpl,
    setting,
)

COUNT = int(os.environ.get("CROSSDOCK_NULL_COUNT", "1000"))
WAIT = float(os.environ.get("CROSSDOCK_NULL_WAIT", "0"))
STOCK = int(os.environ.get("CROSSDOCK_NULL_STOCK", "5"))


@attrs.frozen(kw_only=True)
class Settings:
    """Nothing to set."""

    name: str = setting("Name", default="null")


@hookimpl
def connector_info() -> ConnectorInfo:
    """What it is."""
    return ConnectorInfo(
        name="null", title="Null", settings=Settings, endpoint=lambda settings: Endpoint(base_url="http://127.0.0.1:9"),
        streams={"orders": StreamInfo(), "balance": StreamInfo()},
    )  # fmt: skip


@hookimpl
def verify(session: Session[Settings]) -> Iterable[Check]:
    """Always green."""
    yield Check(name="Nothing", state="ok")


@hookimpl
def fetch_orders(session: Session[Settings], query: Query) -> Iterator[Page[Order]]:
    """COUNT orders of two lines."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    for start in range(0, COUNT, 100):
        orders = tuple(
            Order(
                key=str(number), number=str(number), status="processing", currency="EUR", total=Decimal("119.00"),
                total_tax=Decimal("19.00"), updated_at=at,
                lines=tuple(OrderLine(key=str(line), sku=f"P-{line}", quantity=Decimal(1), unit_price=Decimal(50),
                                      total=Decimal(50)) for line in range(2)),
            )
            for number in range(start, min(start + 100, COUNT))
        )  # fmt: skip
        yield Page(orders, str(start))


@hookimpl
def fetch_balance(session: Session[Settings], query: Query) -> Iterator[Page[Balance]]:
    """The stock of COUNT SKUs."""
    for start in range(0, COUNT, 100):
        numbers = range(start, min(start + 100, COUNT))
        yield Page(tuple(Balance(sku=f"P-{number + 1}", available=Decimal(STOCK)) for number in numbers), str(start))


@hookimpl
def push_order(session: Session[Settings], order: Order, key: str, known: Receipt | None) -> Receipt:
    """Done after WAIT seconds."""
    if WAIT:
        time.sleep(WAIT)
    return Receipt(external_id=key)


@hookimpl
def find_order(session: Session[Settings], key: str) -> Sequence[Receipt]:
    """Never there."""
    return []
