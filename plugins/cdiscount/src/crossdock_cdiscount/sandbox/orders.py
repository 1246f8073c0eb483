"""One order as the marketplace keeps it, and how it is written on the wire (vendor page section 5)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

import attrs
import msgspec

from crossdock_cdiscount.sandbox.channels import SELLER, Channel, Json, billing_address, cents
from crossdock_cdiscount.sandbox.clock import wire_date

STATUSES = (
    "Processing",
    "WaitingAcceptance",
    "Accepted",
    "InPreparation",
    "Shipped",
    "Delivered",
    "Refused",
    "Rejected",
    "Cancelled",
)
SUPPLY_MODES = ("Seller", "Fulfillment", "Xdock")
CANCEL_REQUEST = "CancelRequest"
COMMISSION_PERCENT = Decimal(12)
_WITH_VAT = Decimal("1.2")
_ENDED = ("Refused", "Rejected", "Cancelled")


@attrs.define
class Line:
    """A line. `offer_…` is the seller's money, `selling_…` the buyer's; `tax_words` is how its commission is spelt."""

    id: str
    sku: str
    title: str
    gtin: str
    quantity: int
    offer_price: Decimal
    offer_shipping: Decimal
    selling_price: Decimal
    selling_shipping: Decimal
    supply_mode: str
    offer_id: str
    address: Json
    tax_words: tuple[str, str]
    status: str
    parcels: list[Json] = attrs.field(factory=list)
    events: list[Json] = attrs.field(factory=list)

    @property
    def offer_total(self) -> Decimal:
        """The seller's price of the line, with shipping."""
        return self.offer_price * self.quantity + self.offer_shipping

    @property
    def selling_total(self) -> Decimal:
        """The buyer's price of the line, with shipping."""
        return self.selling_price * self.quantity + self.selling_shipping

    @property
    def is_sellers(self) -> bool:
        """Whether the seller ships it, and not a warehouse of the marketplace."""
        return self.supply_mode == "Seller"


@attrs.define
class Order:
    """An order; `prepared` since when its shipping addresses are shown."""

    id: str
    reference: str
    channel: Channel
    business: bool
    created: datetime
    updated: datetime
    status: str
    country: str
    lines: list[Line]
    service_fee: Decimal = Decimal(0)
    prepared: bool = False
    shipped: datetime | None = None
    cancellation: Json | None = None
    events: list[Json] = attrs.field(factory=list)
    bent: Json = attrs.field(factory=dict)
    """Fields that somebody broke, as they are answered."""
    raw: msgspec.Raw | None = None

    @property
    def deadline(self) -> datetime:
        """Until when it has to be shipped."""
        return (self.created + timedelta(days=2)).replace(hour=22, minute=59, second=59)

    def move(self, status: str, now: datetime, lines: Iterable[Line] | None = None) -> None:
        """Put the order in `status`, and its lines (all by default) that are not settled already."""
        self.status = status
        self.events.append({"status": status, "date": wire_date(now)})
        settled = ("Cancelled",) if status in _ENDED else ("Cancelled", CANCEL_REQUEST)
        for line in self.lines if lines is None else lines:
            if line.status not in (*settled, status):
                line.status = status
                line.events.append({"status": status, "date": wire_date(now)})
        if status == "InPreparation":
            self.prepared = True
        if status == "Shipped":
            self.shipped = now
        self.stamp(now)

    def stamp(self, now: datetime) -> None:
        """The order changed at `now`."""
        self.updated = max(self.updated, now)
        self.raw = None

    def encoded(self) -> msgspec.Raw:
        """The order as JSON, made once for each change."""
        if self.raw is None:
            self.raw = msgspec.Raw(msgspec.json.encode(render(self) | self.bent))
        return self.raw


def render(order: Order) -> Json:
    """The order as answered, with a number for each amount of money."""
    return {
        "orderId": order.id,
        "reference": order.reference,
        "businessOrder": order.business,
        "salesChannel": {"id": order.channel.id, "name": order.channel.name},
        "seller": {"id": SELLER},
        "customer": {"reference": "c0ffee00-anon"},
        "purchasedAt": wire_date(order.created - timedelta(seconds=21)),
        "createdAt": wire_date(order.created),
        "updatedAt": wire_date(order.updated),
        "shippedAtMax": wire_date(order.deadline),
        "status": order.status,
        "payment": {"method": "Card"},
        "currencyCode": order.channel.currency,
        "billingAddress": billing_address(order.country, order.business),
        "totalPrice": {
            "offerPrice": number(sum((line.offer_total for line in order.lines), Decimal(0))),
            "sellingPrice": number(sum((line.selling_total for line in order.lines), Decimal(0))),
        },
        "lines": [_line(order, line) for line in order.lines],
        "serviceFees": [{"label": "Service fee", "amount": number(order.service_fee)}] if order.service_fee else [],
        "statusEvents": order.events,
        "cancellationDetails": order.cancellation,
    }


def number(amount: Decimal) -> float:
    """`amount` as a JSON number."""
    return float(amount)


def _line(order: Order, line: Line) -> Json:
    vat = order.channel.vat
    return {
        "orderLineId": line.id,
        "status": line.status,
        "quantity": line.quantity,
        "totalPrice": {"offerPrice": number(line.offer_total), "sellingPrice": number(line.selling_total)},
        "offerPrice": {
            "unitSalesPrice": number(line.offer_price),
            "shippingCost": number(line.offer_shipping),
            "commission": _commission(line),
            "taxes": _taxes(line.offer_price * line.quantity, line.offer_shipping, vat),
        },
        "sellingPrice": {
            "unitSalesPrice": number(line.selling_price),
            "shippingCost": number(line.selling_shipping),
            "taxes": _taxes(line.selling_price * line.quantity, line.selling_shipping, vat),
        },
        "offer": {
            "id": line.offer_id,
            "sellerProductId": line.sku,
            "supplyMode": line.supply_mode,
            "productId": f"AUC{line.gtin}",
            "productTitle": line.title,
            "productGtin": line.gtin,
            "condition": "New",
        },
        "delivery": {
            "mode": "TRK",
            "promisedAtMin": wire_date(order.deadline + timedelta(days=1)),
            "promisedAtMax": wire_date(order.deadline + timedelta(days=5)),
            "shippedAtMax": wire_date(order.deadline),
        },
        "shippingAddress": line.address if order.prepared else None,
        "parcels": line.parcels,
        "productAttributes": [],
        "statusEvents": line.events,
    }


def _commission(line: Line) -> Json:
    without = cents(line.offer_price * line.quantity * COMMISSION_PERCENT / 100)
    with_name, without_name = line.tax_words
    return {
        with_name: number(cents(without * _WITH_VAT)),
        without_name: number(without),
        "rate": number(COMMISSION_PERCENT),
    }


def _taxes(price: Decimal, shipping: Decimal, vat: Decimal) -> list[Json]:
    """The VAT that is inside the two amounts."""
    return [
        {"code": "VAT", "target": target, "amount": number(cents(amount * vat / (100 + vat))), "rate": number(vat)}
        for target, amount in (("Price", price), ("ShippingCost", shipping))
    ]
