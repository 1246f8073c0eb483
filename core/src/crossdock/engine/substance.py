"""What of a record matters to another system: a change of anything else is no reason to write."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import msgspec

from crossdock.records import Order

DEAD = ("cancelled", "failed", "deleted", "refunded")
"""Orders in these states are not delivered any more."""

_encode = msgspec.json.Encoder(decimal_format="string").encode


def order_substance(order: Order) -> str:
    """A hash of what another system needs to know of an order.

    A change of status that is only the echo of our own shipment report, or of a vendor's internal marks, is none.
    """
    lines = [
        (line.key, line.sku, line.quantity, line.unit_price, line.total, line.tax, line.ship_to, line.decorations,
         *(["dead"] if line.status in DEAD else []))
        for line in order.lines
    ]  # fmt: skip
    charges = [(each.kind, each.code, each.total, each.tax) for each in order.charges]
    parts = (
        order.currency, order.total, order.total_tax, lines, charges, order.billing, order.shipping_address,
        order.note, order.status in DEAD,
    )  # fmt: skip
    return blake2b(_encode(parts), digest_size=16).hexdigest()


def record_substance(operation: str, record: Any, fingerprint: str) -> str:
    """What an effect wants that brings a record as it is; empty where that is not for the record alone to say."""
    if operation == "accept":
        return ""
    if operation == "status":
        return status_substance(record)
    return order_substance(record) if operation == "order" else fingerprint


def status_substance(order: Order) -> str:
    """A hash of how far an order is: what a flow of statuses reports."""
    parts = (order.status, order.raw_status, order.number, order.extras)
    return blake2b(_encode(parts), digest_size=16).hexdigest()
