"""A connector to systems that exist only in time: orders come as a schedule says, answers take as long as it says.

``CROSSDOCK_LIVE`` names a JSON file: ``latency`` in seconds, and for each connection the times at which orders are
placed. What was delivered, and how late, is in `LAGS`.
"""

from __future__ import annotations

import bisect
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import attrs
import msgspec

from crossdock import (
    Balance,
    Check,
    ConnectorInfo,
    Endpoint,
    Order,
    OrderLine,
    Outcome,
    Page,
    Query,
    Receipt,
    Session,
    StreamInfo,
    hookimpl,
    setting,
)

SKUS = 50


class Plan(msgspec.Struct):
    """What happens when."""

    latency: float
    lines: int
    orders: dict[str, list[float]]


PLAN = msgspec.json.decode(Path(os.environ["CROSSDOCK_LIVE"]).read_bytes(), type=Plan)
LAGS: list[float] = []
_reads = [0]


@attrs.frozen(kw_only=True)
class Settings:
    """Nothing to set."""

    name: str = setting("Name", default="live")


@hookimpl
def connector_info() -> ConnectorInfo:
    """What it is."""
    return ConnectorInfo(
        name="live", title="Live", settings=Settings, endpoint=lambda settings: Endpoint(base_url="http://127.0.0.1:9"),
        streams={"orders": StreamInfo(), "balance": StreamInfo()},
    )  # fmt: skip


@hookimpl
def verify(session: Session[Settings]) -> Iterable[Check]:
    """Always green."""
    yield Check(name="Nothing", state="ok")


@hookimpl
def fetch_orders(session: Session[Settings], query: Query) -> Iterator[Page[Order]]:
    """The orders that were placed since the cursor, which is their number."""
    times = PLAN.orders[session.connection]
    start, end = int(getattr(query, "cursor", None) or 0), bisect.bisect(times, time.time())
    time.sleep(2 * PLAN.latency)
    yield Page(tuple(_order(number, times[number]) for number in range(start, end)), str(end))


def _order(number: int, at: float) -> Order:
    placed = datetime.fromtimestamp(at, UTC)
    lines = tuple(
        OrderLine(key=str(line), sku=f"P-{(number * 7 + line) % SKUS}", quantity=Decimal(1), unit_price=Decimal(50),
                  total=Decimal(50))
        for line in range(PLAN.lines)
    )  # fmt: skip
    return Order(
        key=str(number), number=str(number), status="processing", currency="EUR", total=Decimal(50 * PLAN.lines),
        total_tax=Decimal(0), placed_at=placed, updated_at=placed, lines=lines,
    )  # fmt: skip


@hookimpl
def fetch_balance(session: Session[Settings], query: Query) -> Iterator[Page[Balance]]:
    """Ten of the SKUs have another stock each time."""
    _reads[0] += 1
    time.sleep(2 * PLAN.latency)
    yield Page(
        tuple(Balance(sku=f"P-{sku}", available=Decimal(1000 + (_reads[0] if sku < 10 else 0))) for sku in range(SKUS)),
        "all",
    )


@hookimpl
def push_order(session: Session[Settings], order: Order, key: str, known: Receipt | None) -> Receipt:
    """Takes as long as an answer, and notes how late the order is."""
    time.sleep(PLAN.latency)
    if order.placed_at:
        LAGS.append(time.time() - order.placed_at.timestamp())
    return Receipt(external_id=key)


@hookimpl
def find_order(session: Session[Settings], key: str) -> Sequence[Receipt]:
    """Never there."""
    return []


@hookimpl
def push_balance(session: Session[Settings], balances: Sequence[Balance]) -> Iterable[Outcome]:
    """Takes as long as an answer."""
    time.sleep(PLAN.latency)
    return [Outcome(key=each.key, state="done") for each in balances]
