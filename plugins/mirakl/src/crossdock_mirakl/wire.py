"""Mirakl's payloads. Money is `Decimal` from the number's own text; nothing is required that is not used.

The vendor's own examples leave out fields it marks as required, adds enum values at any time and sends identifiers as
text or numbers (vendor page sections 1 and 5).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
Text = str | int | None
Amount = Decimal | None


class Tax(msgspec.Struct, gc=False):
    """A tax of a line; `rate` in percent. `total_amount` instead of `amount` on orders with order-level tax."""

    code: Text = ""
    rate: Amount = None
    amount: Amount = None
    total_amount: Amount = None


class Field(msgspec.Struct, gc=False):
    """An additional field; values are text or lists of text, also numbers and booleans."""

    code: str = ""
    value: Any = None


class Fee(msgspec.Struct, gc=False):
    """A fee on a line."""

    code: Text = ""
    amount: Amount = None


class Change(msgspec.Struct, gc=False):
    """A refund or a cancelation of a line."""

    id: Text = ""
    amount: Amount = None
    quantity: Amount = None
    reason_code: Text = ""
    refund_state: str | None = None
    shipping_amount: Amount = None
    taxes: list[Tax] | None = None
    shipping_taxes: list[Tax] | None = None
    created_date: str | None = None
    transaction_date: str | None = None


class Line(msgspec.Struct, gc=False):
    """An order line: `price` is the whole line without shipping."""

    order_line_id: str
    order_line_state: str = ""
    order_line_state_reason_code: str | None = None
    offer_sku: Text = ""
    offer_id: Text = ""
    offer_state_code: Text = ""
    product_sku: Text = ""
    product_title: str | None = ""
    category_code: Text = ""
    quantity: Amount = None
    price_unit: Amount = None
    origin_unit_price: Amount = None
    price: Amount = None
    shipping_price: Amount = None
    taxes: list[Tax] | None = None
    shipping_taxes: list[Tax] | None = None
    fees: list[Fee] | None = None
    commission_fee: Amount = None
    commission_taxes: list[Tax] | None = None
    total_commission: Amount = None
    eco_contributions: list[dict[str, Any]] | None = None
    cancelations: list[Change] | None = None
    refunds: list[Change] | None = None
    order_line_additional_fields: list[Field] | None = None
    tax_legal_notice: str | None = None


class Address(msgspec.Struct, gc=False):
    """A postal address; `country_iso_code` is alpha-3, `country` a label in any language."""

    firstname: str | None = ""
    lastname: str | None = ""
    company: str | None = ""
    company_2: str | None = ""
    street_1: str | None = ""
    street_2: str | None = ""
    zip_code: Text = ""
    city: str | None = ""
    state: str | None = ""
    country: str | None = ""
    country_iso_code: str | None = ""
    phone: Text = ""
    phone_secondary: Text = ""
    additional_info: str | None = ""


class Organization(msgspec.Struct, gc=False):
    """A business customer."""

    organization_id: Text = ""
    name: str | None = ""
    identification_number: Text = ""
    tax_identification_number: Text = ""


class Customer(msgspec.Struct, gc=False):
    """Who buys; both addresses may be missing until the order is accepted or paid."""

    customer_id: Text = ""
    firstname: str | None = ""
    lastname: str | None = ""
    locale: str | None = ""
    organization: Organization | None = None
    billing_address: Address | None = None
    shipping_address: Address | None = None


class Code(msgspec.Struct, gc=False):
    """Something with a code: a channel, a fulfilment centre, a warehouse."""

    code: str | None = None


class Fulfillment(msgspec.Struct, gc=False):
    """Who ships: the centre ``DEFAULT`` is the seller."""

    center: Code | None = None


class References(msgspec.Struct, gc=False):
    """Other systems' numbers of the order."""

    order_reference_for_customer: Text = None
    order_reference_for_seller: Text = None


class Promotion(msgspec.Struct, gc=False):
    """A promotion; its amount is in the lines' prices already."""

    id: Text = ""
    deduced_amount: Amount = None


class Promotions(msgspec.Struct, gc=False):
    """What promotions took off."""

    applied_promotions: list[Promotion] | None = None
    total_deduced_amount: Amount = None


class Order(msgspec.Struct, gc=False):
    """An order: the shop's part of a commercial order."""

    order_id: str
    commercial_id: Text = ""
    order_state: str = ""
    order_state_reason_code: str | None = None
    created_date: str | None = None
    last_updated_date: str | None = None
    can_cancel: bool | None = None
    channel: Code | None = None
    currency_iso_code: str | None = ""
    customer: Customer | None = None
    customer_debited_date: str | None = None
    customer_notification_email: str | None = ""
    delivery_date: dict[str, Any] | None = None
    fulfillment: Fulfillment | None = None
    fully_refunded: bool | None = None
    has_incident: bool | None = None
    order_additional_fields: list[Field] | None = None
    order_lines: list[Line] = []
    order_tax_mode: str | None = None
    order_taxes: list[Tax] | None = None
    payment_type: str | None = ""
    payment_workflow: str | None = ""
    price: Amount = None
    promotions: Promotions | None = None
    quote_id: Text = None
    references: References | None = None
    shipping_deadline: str | None = None
    shipping_price: Amount = None
    shipping_pudo_id: Text = None
    shipping_tracking: Text = None
    shipping_type_code: str | None = ""
    shipping_type_label: str | None = ""
    shipping_type_standard_code: str | None = ""
    shipping_zone_code: str | None = ""
    total_commission: Amount = None
    total_price: Amount = None
    transaction_number: Text = ""


class Orders(msgspec.Struct):
    """OR11, rows unread so that one bad order does not spoil a page."""

    orders: msgspec.Raw = msgspec.Raw(b"[]")
    total_count: int | None = None


class OrderStamp(msgspec.Struct, gc=False):
    """Just what names an order."""

    order_id: Text = ""


class ShippedLine(msgspec.Struct, gc=False):
    """What of a line is in a shipment."""

    order_line_id: Text = ""
    quantity: Amount = None
    package_reference: str | None = None


class Tracking(msgspec.Struct, gc=False):
    """The parcel of a shipment."""

    tracking_number: Text = ""


class Shipment(msgspec.Struct, gc=False):
    """A shipment of ST11, or an order of ST12, which has no id."""

    id: Text = ""
    order_id: Text = ""
    status: str = ""
    shipment_lines: list[ShippedLine] | None = None
    tracking: Tracking | None = None


class Shipments(msgspec.Struct):
    """A page of a seek list."""

    data: list[Shipment] = []
    next_page_token: str | None = None


class ShipmentError(msgspec.Struct, gc=False):
    """Why a shipment was refused."""

    order_id: Text = ""
    message: str | None = ""


class ShipmentsMade(msgspec.Struct):
    """ST01's answer: 201 says processed, not accepted."""

    shipment_success: list[Shipment] | None = None
    shipment_errors: list[ShipmentError] | None = None


class Carrier(msgspec.Struct, gc=False):
    """A carrier that the operator registered."""

    code: str
    label: str | None = ""
    standard_code: str | None = None


class Carriers(msgspec.Struct):
    """SH21."""

    carriers: list[Carrier] = []


class Reason(msgspec.Struct, gc=False):
    """A reason for refunds, cancelations and incidents."""

    code: Text = ""
    label: str | None = ""
    type: str | None = ""
    is_shop_right: bool | None = None


class Reasons(msgspec.Struct):
    """RE01."""

    reasons: list[Reason] = []


class PatchError(msgspec.Struct, gc=False):
    """Why one order of a batch was not changed."""

    code: str | None = ""
    message: str | None = ""


class Patched(msgspec.Struct, gc=False):
    """One order of OR04."""

    order_id: Text = ""
    errors: list[PatchError] | None = None


class PatchedOrders(msgspec.Struct):
    """OR04."""

    updated_orders: list[Patched] = []


def decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    """A decoder of a payload."""
    # Numbers in untyped places (additional fields) become Decimal as well: no amount is ever a float.
    return msgspec.json.Decoder(kind, float_hook=Decimal)


ORDER = decoder(Order)
ORDERS = decoder(Orders)
ORDER_STAMP = decoder(OrderStamp)
SHIPMENTS = decoder(Shipments)
SHIPMENTS_MADE = decoder(ShipmentsMade)
CARRIERS = decoder(Carriers)
REASONS = decoder(Reasons)
PATCHED = decoder(PatchedOrders)

encode = msgspec.json.Encoder(decimal_format="number").encode
"""Bodies for the vendor: amounts as numbers with exactly our digits."""
