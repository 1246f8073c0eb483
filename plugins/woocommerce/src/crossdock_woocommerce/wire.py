"""WooCommerce's payloads, typed as leniently as shops and their plugins are: money may be text or a number."""

from __future__ import annotations

from typing import Any

import msgspec

Scalar = str | int | float | None


class Meta(msgspec.Struct, gc=False):
    """A pair of meta data; the value may be any JSON."""

    key: str = ""
    value: Any = None


class Contact(msgspec.Struct, gc=False):
    """A billing or shipping address."""

    first_name: str | None = ""
    last_name: str | None = ""
    company: str | None = ""
    address_1: str | None = ""
    address_2: str | None = ""
    city: str | None = ""
    state: str | None = ""
    postcode: str | int | None = ""
    country: str | None = ""
    email: str | None = ""
    phone: str | int | None = ""


class LineTax(msgspec.Struct, gc=False):
    """Tax of a line by the id of its rate; `total` is "" when the rate does not apply."""

    id: int | str = 0
    total: Scalar = ""


class Line(msgspec.Struct, gc=False):
    """Goods: `subtotal` before and `total` after discount, both net of tax (section 4)."""

    id: int
    name: str | None = ""
    product_id: int | None = 0
    variation_id: int | None = 0
    quantity: int | float | str = 0
    tax_class: str | None = ""
    subtotal: Scalar = ""
    total: Scalar = ""
    total_tax: Scalar = ""
    taxes: list[LineTax] = []
    meta_data: list[Meta] = []
    sku: str | int | None = ""
    global_unique_id: str | int | None = ""


class ShippingLine(msgspec.Struct, gc=False):
    """A shipping method of an order."""

    id: int
    method_title: str | None = ""
    method_id: str | None = ""
    total: Scalar = ""
    total_tax: Scalar = ""
    taxes: list[LineTax] = []


class FeeLine(msgspec.Struct, gc=False):
    """A fee; negative when a plugin uses it as a discount."""

    id: int
    name: str | None = ""
    total: Scalar = ""
    total_tax: Scalar = ""
    taxes: list[LineTax] = []


class CouponLine(msgspec.Struct, gc=False):
    """A coupon; its discount is already in the lines' totals."""

    code: str = ""
    discount: Scalar = ""


class TaxLine(msgspec.Struct, gc=False):
    """A tax rate of the order with what it came to on goods and shipping."""

    rate_id: int | str = 0
    rate_code: str | None = ""
    label: str | None = ""
    rate_percent: Scalar = None
    tax_total: Scalar = ""
    shipping_tax_total: Scalar = ""


class RefundSummary(msgspec.Struct, gc=False):
    """What the order tells of a refund: `total` negative, tax included."""

    id: int
    reason: str | None = ""
    total: Scalar = ""
    total_tax: Scalar = ""


class Order(msgspec.Struct, gc=False):
    """An order; times ending in ``_gmt`` are naive UTC, all others shop-local and not used."""

    id: int
    status: str = ""
    number: str | int | None = ""
    currency: str | None = ""
    prices_include_tax: bool = False
    parent_id: int | None = 0
    customer_id: int | None = 0
    created_via: str | None = ""
    date_created_gmt: str | None = None
    date_modified_gmt: str | None = None
    date_paid_gmt: str | None = None
    date_completed_gmt: str | None = None
    discount_total: Scalar = ""
    total: Scalar = ""
    total_tax: Scalar = ""
    billing: Contact | None = None
    shipping: Contact | None = None
    payment_method: str | None = ""
    payment_method_title: str | None = ""
    transaction_id: str | int | None = ""
    customer_note: str | None = ""
    meta_data: list[Meta] = []
    line_items: list[Line] = []
    tax_lines: list[TaxLine] = []
    shipping_lines: list[ShippingLine] = []
    fee_lines: list[FeeLine] = []
    coupon_lines: list[CouponLine] = []
    refunds: list[RefundSummary] = []


class Stamp(msgspec.Struct, gc=False):
    """Just what walking a list needs, for rows that do not fit their type."""

    id: int | str
    date_modified_gmt: str | None = None


class OrderMark(msgspec.Struct, gc=False):
    """What finding one's own order again needs."""

    id: int
    number: str | int | None = ""
    status: str = ""
    meta_data: list[Meta] = []


class Named(msgspec.Struct, gc=False):
    """A category or brand."""

    name: str = ""


class Image(msgspec.Struct, gc=False):
    """A picture."""

    src: str | None = ""


class Attribute(msgspec.Struct, gc=False):
    """An attribute: products list `options`, variations have one `option`."""

    name: str = ""
    option: str | None = ""


class Dimensions(msgspec.Struct, gc=False):
    """Sizes in the shop's unit."""

    length: Scalar = ""
    width: Scalar = ""
    height: Scalar = ""


class Product(msgspec.Struct, gc=False):
    """A product or a variation; `manage_stock` is the text "parent" when a variation inherits its stock."""

    id: int
    name: str | None = ""
    type: str = "variation"
    status: str = "publish"
    parent_id: int | None = 0
    sku: str | int | None = ""
    global_unique_id: str | int | None = ""
    date_modified_gmt: str | None = None
    description: str | None = ""
    permalink: str | None = ""
    price: Scalar = ""
    regular_price: Scalar = ""
    sale_price: Scalar = ""
    on_sale: bool = False
    date_on_sale_from_gmt: str | None = None
    date_on_sale_to_gmt: str | None = None
    tax_class: str | None = ""
    manage_stock: bool | str = False
    stock_quantity: Scalar = None
    stock_status: str | None = ""
    backorders: str | None = "no"
    weight: Scalar = ""
    dimensions: Dimensions | None = None
    categories: list[Named] = []
    brands: list[Named] = []
    images: list[Image] = []
    image: Image | None = None
    attributes: list[Attribute] = []
    variations: list[int] = []


class Failure(msgspec.Struct, gc=False):
    """The error of one item in a batch's answer; `data` can be a bare number."""

    code: str = ""
    message: str = ""
    data: Any = None


class Stored(msgspec.Struct, gc=False):
    """What a write answered: the whole object, or an error in its place."""

    id: int = 0
    sku: str | int | None = ""
    regular_price: Scalar = None
    sale_price: Scalar = None
    manage_stock: bool | str = False
    stock_quantity: Scalar = None
    error: Failure | None = None


class Batch(msgspec.Struct, gc=False):
    """A batch's answer, in the order of what was sent."""

    create: list[Stored] = []
    update: list[Stored] = []


class Hook(msgspec.Struct, gc=False):
    """A webhook; its secret is never answered."""

    id: int
    topic: str = ""
    status: str = ""
    delivery_url: str = ""


class Note(msgspec.Struct, gc=False):
    """An order note."""

    id: int
    note: str = ""


class Tracking(msgspec.Struct, gc=False):
    """A tracking number of the Shipment Tracking plugins."""

    tracking_id: str = ""
    tracking_number: str = ""


class Fulfillment(msgspec.Struct, gc=False):
    """A fulfillment of core's Order Fulfillments."""

    id: int
    meta_data: list[Meta] = []


class Delivery(msgspec.Struct, gc=False):
    """A webhook's body, as far as it is needed."""

    id: int | None = None
    parent_id: int | None = 0
    status: str | None = ""
    type: str | None = ""
    sku: str | int | None = ""
    date_modified_gmt: str | None = ""


ORDER = msgspec.json.Decoder(Order)
STAMP = msgspec.json.Decoder(Stamp)
MARKS = msgspec.json.Decoder(list[OrderMark])
MARK = msgspec.json.Decoder(OrderMark)
PRODUCT = msgspec.json.Decoder(Product)
STORED = msgspec.json.Decoder(Stored)
BATCH = msgspec.json.Decoder(Batch)
HOOKS = msgspec.json.Decoder(list[Hook])
HOOK = msgspec.json.Decoder(Hook)
NOTES = msgspec.json.Decoder(list[Note])
NOTE = msgspec.json.Decoder(Note)
TRACKINGS = msgspec.json.Decoder(list[Tracking])
TRACKING = msgspec.json.Decoder(Tracking)
FULFILLMENTS = msgspec.json.Decoder(list[Fulfillment])
FULFILLMENT = msgspec.json.Decoder(Fulfillment)
DELIVERY = msgspec.json.Decoder(Delivery)
