"""Octopia's payloads as typed shapes, under the vendor's names, in both directions (vendor page sections 5 and 8).

Everything is optional and unknown fields are ignored: no specification was at hand, and the sources differ in places.
Amounts are read from their text, so no float ever touches money.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

Text = str | int | None
"""An identifier; numbers are accepted and turned into text by the mapping."""

Amount = Decimal | None


class _Shape(msgspec.Struct, rename="camel", omit_defaults=True, gc=False):
    pass


# -- orders ----------------------------------------------------------------------------------------


class Channel(_Shape):
    id: Text = None
    name: str | None = None


class Customer(_Shape):
    reference: Text = None


class Address(_Shape):
    """A billing address, or a shipping address with pick-up point, phone and e-mail."""

    civility: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    company_name: str | None = None
    company_vat_number: Text = None
    pickup_name: str | None = None
    pickup_id: Text = None
    address_line1: str | None = None
    address_line2: str | None = None
    address_line3: str | None = None
    postal_code: Text = None
    city: str | None = None
    state_or_region: str | None = None
    country_code: str | None = None
    phone: Text = None
    email: str | None = None


class Totals(_Shape):
    offer_price: Amount = None
    selling_price: Amount = None


class Commission(_Shape):
    """Of a line; one client has seen ``…Tax`` where the others have ``…Vat`` (vendor page section 5)."""

    amount_with_vat: Amount = None
    amount_without_vat: Amount = None
    amount_with_tax: Amount = None
    amount_without_tax: Amount = None
    rate: Amount = None


class LineTax(_Shape):
    code: str | None = None
    target: str | None = None
    amount: Amount = None
    rate: Amount = None


class LinePrice(_Shape):
    unit_sales_price: Amount = None
    shipping_cost: Amount = None
    commission: Commission | None = None
    taxes: list[LineTax] | None = None


class SoldOffer(_Shape):
    id: Text = None
    seller_product_id: Text = None
    supply_mode: str | None = None
    product_id: Text = None
    product_title: str | None = None
    product_gtin: Text = None
    condition: str | None = None


class Delivery(_Shape):
    mode: str | None = None
    promised_at_min: str | None = None
    promised_at_max: str | None = None
    shipped_at_max: str | None = None


class Parcel(_Shape):
    parcel_number: Text = None
    carrier_name: str | None = None
    tracking_url: str | None = None


class Line(_Shape):
    order_line_id: Text = None
    status: str | None = None
    quantity: Amount = None
    total_price: Totals | None = None
    offer_price: LinePrice | None = None
    selling_price: LinePrice | None = None
    offer: SoldOffer | None = None
    delivery: Delivery | None = None
    shipping_address: Address | None = None
    parcels: list[Parcel] | None = None


class ServiceFee(_Shape):
    label: str | None = None
    amount: Amount = None


class PaidBy(_Shape):
    method: str | None = None


class Order(_Shape):
    order_id: Text = None
    reference: Text = None
    business_order: bool | None = None
    sales_channel: Channel | None = None
    customer: Customer | None = None
    purchased_at: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    shipped_at_max: str | None = None
    status: str | None = None
    payment: PaidBy | None = None
    currency_code: str | None = None
    billing_address: Address | None = None
    total_price: Totals | None = None
    lines: list[Line] | None = None
    service_fees: list[ServiceFee] | None = None
    cancellation_details: Any = None


class OrderSketch(_Shape):
    """Just enough of an order to name it, also when the rest does not fit."""

    order_id: Text = None
    updated_at: str | None = None


class Listed(_Shape):
    """A page of any list."""

    items: msgspec.Raw = msgspec.Raw(b"[]")


# -- offers ----------------------------------------------------------------------------------------


class OfferProduct(_Shape):
    gtin: Text = None
    reference: Text = None
    title: str | None = None


class OfferPrice(_Shape):
    price: Amount = None
    origin_price: Amount = None
    currency_code: str | None = None


class Offer(_Shape):
    offer_id: Text = None
    seller_external_reference: Text = None
    product: OfferProduct | None = None
    condition: str | None = None
    offer_state: str | None = None
    quantity: Amount = None
    facial_price: OfferPrice | None = None
    price: OfferPrice | None = None
    updated_at: str | None = None


class OfferSketch(_Shape):
    """Just enough of an offer to name it, also when the rest does not fit."""

    seller_external_reference: Text = None


class Package(_Shape):
    state: str | None = None


class Remark(_Shape):
    result_code: Text = None
    message: str | None = None


class Result(_Shape):
    seller_external_reference: Text = None
    integration_status: str | None = None
    results: list[Remark] | None = None


class ResultSketch(_Shape):
    """Just enough of a result to name its offer, also when the rest does not fit."""

    seller_external_reference: Text = None


class Carrier(_Shape):
    label: str | None = None


ORDER = msgspec.json.Decoder(Order)
ORDER_SKETCH = msgspec.json.Decoder(OrderSketch)
LISTED = msgspec.json.Decoder(Listed)
OFFER = msgspec.json.Decoder(Offer)
OFFER_SKETCH = msgspec.json.Decoder(OfferSketch)
PACKAGE = msgspec.json.Decoder(Package)
RESULT = msgspec.json.Decoder(Result)
RESULT_SKETCH = msgspec.json.Decoder(ResultSketch)
CARRIERS = msgspec.json.Decoder(list[Carrier])
COUNT = msgspec.json.Decoder(int)

_encode = msgspec.json.Encoder(decimal_format="number").encode


def body(value: Any) -> msgspec.Raw:
    """`value` as a request body with exact numbers."""
    return msgspec.Raw(_encode(value))
