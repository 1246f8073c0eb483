"""An order and its lines, and how the vendor shows them (vendor page section 5)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import attrs

from crossdock_mirakl.sandbox.clock import end_of_day, exact_date, seconds_date
from crossdock_mirakl.sandbox.tax import Taxes, converted, taxes_of
from crossdock_mirakl.sandbox.wire import JsonObject, cents

CHANNELS = {"FR": "Site France", "ES": "Site Espagne", "DE": "Site Allemagne", "PT": "Site Portugal"}
COMMISSION_RATE = Decimal("0.10")
COMMISSION_VAT = Decimal(20)
OUT = ("REFUSED", "CANCELED")  # lines in these states do not count (vendor page section 5)
STATES = (
    "STAGING",
    "WAITING_ACCEPTANCE",
    "WAITING_DEBIT",
    "WAITING_DEBIT_PAYMENT",
    "SHIPPING",
    "SHIPPED",
    "TO_COLLECT",
    "RECEIVED",
    "CLOSED",
    "REFUSED",
    "CANCELED",
)


@attrs.define
class Line:
    """A line of an order. `price` is the total of `quantity`, in the tax mode of the platform."""

    line_id: str
    index: int
    sku: str
    offer_id: int
    title: str
    product_sku: str
    quantity: int
    unit_price: Decimal
    price: Decimal
    shipping: Decimal
    fee: Decimal
    created: datetime
    state: str
    reason: tuple[str, str] | None = None
    in_shipments: int = 0
    shipped_quantity: int = 0
    debited: datetime | None = None
    shipped: datetime | None = None
    received: datetime | None = None
    refunds: list[JsonObject] = attrs.field(factory=list)
    cancelations: list[JsonObject] = attrs.field(factory=list)

    @property
    def counts(self) -> bool:
        """Whether it is neither refused nor cancelled."""
        return self.state not in OUT

    @property
    def left_to_ship(self) -> int:
        """How many pieces are in no shipment yet."""
        return self.quantity - self.in_shipments if self.state == "SHIPPING" else 0

    def refunded(self, name: str = "amount") -> Decimal:
        """How much was given back of the price (or of ``shipping_amount``)."""
        return sum((each[name] for each in self.refunds), Decimal(0))


@attrs.define
class Tracking:
    """Who carries an order or a shipment; see `carriers`."""

    carrier_code: str | None = None
    carrier_name: str | None = None
    carrier_standard_code: str | None = None
    tracking_number: str | None = None
    tracking_url: str | None = None


@attrs.define
class Order:
    """One order of the shop."""

    order_id: str
    commercial_id: str
    country: str
    currency: str
    fulfilment: str
    channel: str | None
    workflow: str
    created: datetime
    updated: datetime
    state: str
    lines: list[Line]
    buyer: JsonObject
    addresses: tuple[JsonObject, JsonObject]
    addresses_known: bool
    pickup_point: str | None = None
    fields: list[JsonObject] = attrs.field(factory=list)
    decided: datetime | None = None
    debited: datetime | None = None
    shipping_since: datetime | None = None
    transaction: str | None = None
    deadline: datetime | None = None
    customer_reference: str | None = None
    seller_reference: str | None = None
    tracking: Tracking = attrs.field(factory=Tracking)
    incident: bool = False
    history: list[str] = attrs.field(factory=list)

    @property
    def counting(self) -> list[Line]:
        """The lines that are neither refused nor cancelled."""
        return [each for each in self.lines if each.counts]

    @property
    def can_cancel(self) -> bool:
        """Until something was shipped."""
        early = ("WAITING_ACCEPTANCE", "WAITING_DEBIT", "WAITING_DEBIT_PAYMENT", "SHIPPING")
        return self.state in early and not any(each.in_shipments for each in self.lines)

    @property
    def fully_refunded(self) -> bool:
        """Whether everything paid for was given back."""
        counting = self.counting
        return bool(counting) and all(each.refunded() >= each.price for each in counting)

    def line(self, line_id: str) -> Line | None:
        """The line with this id."""
        return next((each for each in self.lines if each.line_id == line_id), None)

    def line_taxes(self, line: Line, platform_mode: str) -> tuple[Taxes, Taxes]:
        """The taxes of a line's price and of its shipping price."""
        return taxes_of(line.price, self.country, platform_mode), taxes_of(line.shipping, self.country, platform_mode)

    def move(self, state: str, now: datetime) -> None:
        """Go to `state` with every line that counts."""
        self.history.append(state)
        self.state, self.updated = state, now
        for each in self.counting:
            each.state = state
        if state == "SHIPPING":
            self.shipping_since, self.deadline, self.addresses_known = now, end_of_day(now, 2), True


def order_view(order: Order, mode: str, platform_mode: str, *, added_fields: bool = True) -> JsonObject:
    """An order as OR11 answers it, its amounts in the tax mode that is asked for."""
    lines = [_line_view(order, each, mode, platform_mode) for each in order.lines]
    counting = [shown for shown, line in zip(lines, order.lines, strict=True) if line.counts]
    price = sum((each["price"] for each in counting), Decimal(0))
    shipping = sum((each["shipping_price"] for each in counting), Decimal(0))
    fees = sum((fee["amount"] for each in counting for fee in each["fees"]), Decimal(0))
    known = order.addresses_known
    billing, delivery = order.addresses
    shown: JsonObject = {
        "acceptance_decision_date": seconds_date(order.decided),
        "can_cancel": order.can_cancel,
        "can_shop_ship": order.state == "SHIPPING",
        "channel": {"code": order.channel, "label": CHANNELS[order.channel]} if order.channel else None,
        "commercial_id": order.commercial_id,
        "created_date": seconds_date(order.created),
        "currency_iso_code": order.currency,
        "customer": {
            "billing_address": billing if known else None,
            **order.buyer,
            "shipping_address": delivery if known else None,
        },
        "customer_debited_date": exact_date(order.debited),
        "customer_directly_pays_seller": False,
        "customer_notification_email": f"notification+{order.commercial_id}@notification.mirakl.net" if known else None,
        "delivery_date": {"earliest": None, "latest": exact_date(order.deadline)},
        "discount_campaigns": [],
        "fulfillment": {"center": {"code": order.fulfilment}},
        "fully_refunded": order.fully_refunded,
        "has_customer_message": False,
        "has_incident": order.incident,
        "has_invoice": False,
        "invoice_details": None,
        "last_updated_date": seconds_date(order.updated),
        "leadtime_to_ship": 2,
        "order_additional_fields": order.fields,
        "order_id": order.order_id,
        "order_lines": lines,
        "order_refunds": [],
        "order_state": order.state,
        "order_state_reason_code": None,
        "order_state_reason_label": None,
        "order_tax_mode": mode,
        "order_taxes": [],
        "paymentType": "CB",
        "payment_type": "CB",
        "payment_duration": 0,
        "payment_workflow": order.workflow,
        "price": price,
        "promotions": {"applied_promotions": [], "total_deduced_amount": 0},
        "quote_id": None,
        "references": references(order),
        "shipping_carrier_code": order.tracking.carrier_code,
        "shipping_carrier_standard_code": order.tracking.carrier_standard_code,
        "shipping_company": order.tracking.carrier_name,
        "shipping_deadline": exact_date(order.deadline),
        "shipping_price": shipping,
        "shipping_pudo_id": order.pickup_point,
        "shipping_tracking": order.tracking.tracking_number,
        "shipping_tracking_url": order.tracking.tracking_url,
        "shipping_type_code": "STD",
        "shipping_type_label": "Livraison standard",
        "shipping_type_standard_code": "CU_ADD-STD",
        "shipping_zone_code": "FR1",
        "shipping_zone_label": "France métropolitaine",
        "total_commission": sum((each["total_commission"] for each in counting), Decimal(0)),
        "total_price": price + shipping + fees,
        "transaction_date": seconds_date(order.debited),
        "transaction_number": order.transaction,
    }
    return shown | {"field_added_later": "to be ignored"} if added_fields else shown


def references(order: Order) -> JsonObject:
    """The customer's and the seller's own numbers."""
    return {
        "order_reference_for_customer": order.customer_reference,
        "order_reference_for_seller": order.seller_reference,
    }


def _line_view(order: Order, line: Line, mode: str, platform_mode: str) -> JsonObject:
    taxes, shipping_taxes = order.line_taxes(line, platform_mode)
    price = converted(line.price, taxes, mode, platform_mode)
    shipping = converted(line.shipping, shipping_taxes, mode, platform_mode)
    unit = line.unit_price if mode == platform_mode or not line.quantity else cents(price / line.quantity)
    fee = cents(price * COMMISSION_RATE)
    vat = cents(fee * COMMISSION_VAT / 100)
    reason = line.reason or (None, None)
    return {
        "can_refund": line.state in ("SHIPPED", "TO_COLLECT", "RECEIVED"),
        "cancelations": line.cancelations,
        "category_code": "5410",
        "category_label": "Petit électroménager",
        "commission_fee": fee,
        "commission_rate_vat": COMMISSION_VAT,
        "commission_taxes": [{"amount": vat, "code": "TAXDEFAULT", "rate": COMMISSION_VAT}],
        "commission_vat": vat,
        "created_date": seconds_date(line.created),
        "debited_date": seconds_date(line.debited),
        "description": None,
        "eco_contributions": [],
        "fees": [{"code": "HANDLING", "amount": line.fee}] if line.fee else [],
        "last_updated_date": seconds_date(order.updated),
        "offer_id": line.offer_id,
        "offer_sku": line.sku,
        "offer_state_code": "11",
        "order_line_additional_fields": [],
        "order_line_id": line.line_id,
        "order_line_index": line.index,
        "order_line_state": line.state,
        "order_line_state_reason_code": reason[0],
        "order_line_state_reason_label": reason[1],
        "origin_unit_price": unit,
        "price": price,
        "price_additional_info": None,
        "price_unit": unit,
        "product_medias": [],
        "product_shop_sku": line.sku,
        "product_sku": line.product_sku,
        "product_title": line.title,
        "promotions": [],
        "quantity": line.quantity,
        "received_date": seconds_date(line.received),
        "refunds": line.refunds,
        "shipped_date": seconds_date(line.shipped),
        "shipping_from": {"address": None, "warehouse": None},
        "shipping_price": shipping,
        "shipping_price_additional_unit": None,
        "shipping_price_unit": None,
        "shipping_taxes": shipping_taxes.render(),
        "tax_legal_notice": None,
        "taxes": taxes.render(unit_amounts=True),
        "total_commission": fee + vat,
        "total_price": price + shipping + line.fee,
    }


def told(order: Order) -> dict[str, Any]:
    """An order for `state`: money as text."""
    return {
        "order_id": order.order_id,
        "state": order.state,
        "history": list(order.history),
        "country": order.country,
        "channel": order.channel,
        "fulfilment": order.fulfilment,
        "seller_reference": order.seller_reference,
        "customer_reference": order.customer_reference,
        "accepted": None if order.decided is None else bool(order.counting),
        "tracking": attrs.asdict(order.tracking),
        "price": str(sum((each.price for each in order.counting), Decimal(0))),
        "shipping_price": str(sum((each.shipping for each in order.counting), Decimal(0))),
        "lines": [
            {
                "line_id": each.line_id,
                "sku": each.sku,
                "quantity": each.quantity,
                "unit_price": str(each.unit_price),
                "price": str(each.price),
                "shipping_price": str(each.shipping),
                "state": each.state,
                "shipped": each.shipped_quantity,
                "refunded": str(each.refunded()),
                "refunds": [
                    {"id": item["id"], "amount": str(item["amount"]), "reason_code": item["reason_code"]}
                    for item in each.refunds
                ],
                "cancelations": [
                    {"id": item["id"], "amount": str(item["amount"]), "quantity": item["quantity"]}
                    for item in each.cancelations
                ],
            }
            for each in order.lines
        ],
    }
