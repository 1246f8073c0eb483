"""The canonical records: frozen values that every connector speaks.

Conventions, the same for all of them:

* money and quantities are `Decimal`, never float; a document's `currency` is an ISO 4217 code;
* times are aware and kept in UTC; naive times are refused;
* identifiers (keys, SKUs, numbers, GTINs) are text, also when they look like numbers;
* `key` identifies the record within its stream and connection;
* fields from `volatile` on do not count as a change (see `fingerprint`), so a touch without content is no change;
* what a vendor knows and the model does not goes into `extras`, JSON values only, under the vendor's own names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import Any, ClassVar, Literal

import attrs
import msgspec

ZERO = Decimal(0)
_UTC_OFFSET = timedelta(0)

OrderStatus = Literal[
    "draft", "pending", "on_hold", "processing", "partially_shipped", "shipped", "completed",
    "cancelled", "refunded", "failed", "deleted", "unknown",
]  # fmt: skip


def _decimal(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, Decimal):
        raise TypeError(f"{attribute.name} must be a Decimal, not {type(value).__name__} ({value!r})")
    if not value.is_finite():
        raise ValueError(f"{attribute.name} must be a finite amount, not {value}")


def _decimal_or_none(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is not None:
        _decimal(instance, attribute, value)


def _utc(value: datetime | None) -> datetime | None:
    if value is None or value.tzinfo is UTC:
        return value
    if value.tzinfo is None:
        raise ValueError(f"the time {value.isoformat()} has no time zone")
    return value.astimezone(UTC)


def money(default: Decimal = ZERO) -> Any:
    """A money or quantity field: `Decimal`, finite."""
    return attrs.field(default=default, validator=_decimal)


def maybe_money() -> Any:
    """A money or quantity field that may be unknown (`None`)."""
    return attrs.field(default=None, validator=_decimal_or_none)


def moment() -> Any:
    """A time field: aware, converted to UTC, or `None`."""
    return attrs.field(default=None, converter=_utc)


@attrs.frozen(kw_only=True, slots=True)
class Address:
    """A postal address as the source system holds it; `country` is ISO 3166-1 alpha-2."""

    name: str = ""
    company: str = ""
    street: str = ""
    street2: str = ""
    street3: str = ""
    postcode: str = ""
    city: str = ""
    region: str = ""
    country: str = ""
    phone: str = ""
    email: str = ""


@attrs.frozen(kw_only=True, slots=True)
class Party:
    """Who buys; `key` is empty for a guest."""

    key: str = ""
    name: str = ""
    company: str = ""
    email: str = ""
    phone: str = ""
    vat_number: str = ""


@attrs.frozen(kw_only=True, slots=True)
class Tax:
    """One tax of a line or a document: `rate` in percent (19 means 19 %), `amount` in the document's currency."""

    code: str = ""
    name: str = ""
    rate: Decimal | None = maybe_money()
    amount: Decimal = money()


@attrs.frozen(kw_only=True, slots=True)
class Decoration:
    """A print on promotional goods; sizes in millimetres."""

    technique: str = ""
    position: str = ""
    width: Decimal | None = maybe_money()
    height: Decimal | None = maybe_money()
    colours: tuple[str, ...] = ()
    artwork_url: str = ""
    instructions: str = ""


@attrs.frozen(kw_only=True, slots=True)
class OrderLine:
    """Goods of an order. `total` is after `discount`, for the whole line, in the order's tax mode."""

    key: str
    sku: str = ""
    gtin: str = ""
    name: str = ""
    quantity: Decimal = money()
    unit_price: Decimal = money()
    discount: Decimal = money()
    total: Decimal = money()
    tax: Decimal = money()
    taxes: tuple[Tax, ...] = ()
    status: str = ""
    ship_to: Address | None = None
    decorations: tuple[Decoration, ...] = ()
    extras: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True, slots=True)
class Charge:
    """A shipping line or a fee (`total` may be negative). `kind` is ``shipping``, ``fee`` or ``rounding``."""

    key: str = ""
    kind: Literal["shipping", "fee", "rounding"] = "fee"
    code: str = ""
    name: str = ""
    total: Decimal = money()
    tax: Decimal = money()
    taxes: tuple[Tax, ...] = ()


@attrs.frozen(kw_only=True, slots=True)
class Discount:
    """A voucher or campaign; `in_lines` says that the lines' totals already contain it."""

    code: str = ""
    amount: Decimal = money()
    in_lines: bool = True


@attrs.frozen(kw_only=True, slots=True)
class RefundLine:
    """What was given back of one order line; positive numbers."""

    line_key: str = ""
    sku: str = ""
    quantity: Decimal = money()
    total: Decimal = money()


@attrs.frozen(kw_only=True, slots=True)
class Refund:
    """Money given back: `total` positive and including tax."""

    key: str
    total: Decimal = money()
    tax: Decimal = money()
    reason: str = ""
    refunded_at: datetime | None = moment()
    lines: tuple[RefundLine, ...] = ()


@attrs.frozen(kw_only=True, slots=True)
class Payment:
    """How it was paid; `method` is the vendor's code, `reference` the payment provider's id."""

    method: str = ""
    title: str = ""
    reference: str = ""
    paid: bool = False


@attrs.frozen(kw_only=True, slots=True)
class Order:
    """A sales order.

    `prices_include_tax` is the tax mode of this document's amounts: if false, lines, shipping and fees are net and
    `total` = lines + shipping + fees + `total_tax` - discounts that are not in the lines; if true the tax is inside.
    `status` is normalised, `raw_status` the vendor's word. `references` holds other systems' identifiers of the order;
    ``references["external"]`` is the idempotency key under which Crossdock created it, if it did.
    """

    stream: ClassVar[str] = "orders"
    volatile: ClassVar[str] = "updated_at"

    key: str
    number: str = ""
    channel: str = ""
    status: OrderStatus = "unknown"
    raw_status: str = ""
    placed_at: datetime | None = moment()
    paid_at: datetime | None = moment()
    currency: str = ""
    prices_include_tax: bool = False
    customer: Party = Party()
    billing: Address | None = None
    shipping_address: Address | None = None
    lines: tuple[OrderLine, ...] = ()
    charges: tuple[Charge, ...] = ()
    discounts: tuple[Discount, ...] = ()
    taxes: tuple[Tax, ...] = ()
    refunds: tuple[Refund, ...] = ()
    total: Decimal = money()
    total_tax: Decimal = money()
    discount_total: Decimal = money()
    payment: Payment = Payment()
    fulfilled_by: Literal["seller", "third_party"] = "seller"
    note: str = ""
    references: Mapping[str, str] = attrs.field(factory=dict)
    accept_by: datetime | None = moment()
    ship_by: datetime | None = moment()
    extras: Mapping[str, Any] = attrs.field(factory=dict)
    updated_at: datetime | None = moment()

    @property
    def ref(self) -> str:
        """What a person calls this order."""
        return self.number or self.key


@attrs.frozen(kw_only=True, slots=True)
class Variant:
    """A sellable variation of a product."""

    key: str
    sku: str = ""
    gtin: str = ""
    name: str = ""
    attributes: Mapping[str, str] = attrs.field(factory=dict)
    image_url: str = ""
    enabled: bool = True
    extras: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True, slots=True)
class Product:
    """Product master data; a product with `variants` is itself not sellable. Weight in kg, sizes in cm."""

    stream: ClassVar[str] = "products"
    volatile: ClassVar[str] = "updated_at"

    key: str
    sku: str = ""
    gtin: str = ""
    name: str = ""
    description: str = ""
    brand: str = ""
    categories: tuple[str, ...] = ()
    image_urls: tuple[str, ...] = ()
    enabled: bool = True
    type: str = "simple"
    unit: str = ""
    weight: Decimal | None = maybe_money()
    length: Decimal | None = maybe_money()
    width: Decimal | None = maybe_money()
    height: Decimal | None = maybe_money()
    country_of_origin: str = ""
    customs_code: str = ""
    tax_class: str = ""
    variants: tuple[Variant, ...] = ()
    extras: Mapping[str, Any] = attrs.field(factory=dict)
    updated_at: datetime | None = moment()

    @property
    def ref(self) -> str:
        """What a person calls this product."""
        return self.sku or self.key


@attrs.frozen(kw_only=True, slots=True)
class Price:
    """The price of a SKU from a quantity on, for everybody or one customer or list. `includes_tax` is its tax mode."""

    stream: ClassVar[str] = "prices"
    volatile: ClassVar[str] = "updated_at"

    sku: str
    amount: Decimal = money()
    currency: str = ""
    includes_tax: bool = False
    from_quantity: Decimal = money(Decimal(1))
    customer: str = ""
    price_list: str = ""
    list_price: Decimal | None = maybe_money()
    tax_rate: Decimal | None = maybe_money()
    valid_from: datetime | None = moment()
    valid_until: datetime | None = moment()
    extras: Mapping[str, Any] = attrs.field(factory=dict)
    updated_at: datetime | None = moment()

    @property
    def key(self) -> str:
        """SKU, list, customer, currency and tier: what makes a price one price."""
        return "|".join((self.sku, self.price_list, self.customer, self.currency, format(self.from_quantity, "f")))

    @property
    def ref(self) -> str:
        """The SKU."""
        return self.sku


@attrs.frozen(kw_only=True, slots=True)
class Incoming:
    """Goods on their way in."""

    quantity: Decimal = money()
    expected_at: datetime | None = moment()


@attrs.frozen(kw_only=True, slots=True)
class Balance:
    """The stock that can be sold of one SKU in one warehouse, as read at `as_of`. Never money."""

    stream: ClassVar[str] = "balance"
    volatile: ClassVar[str] = "as_of"

    sku: str
    warehouse: str = ""
    available: Decimal = money()
    physical: Decimal | None = maybe_money()
    incoming: tuple[Incoming, ...] = ()
    extras: Mapping[str, Any] = attrs.field(factory=dict)
    as_of: datetime | None = moment()
    updated_at: datetime | None = moment()

    @property
    def key(self) -> str:
        """SKU and warehouse."""
        return f"{self.sku}@{self.warehouse}" if self.warehouse else self.sku

    @property
    def ref(self) -> str:
        """The SKU."""
        return self.sku


@attrs.frozen(kw_only=True, slots=True)
class Parcel:
    """One parcel of a shipment."""

    number: str = ""
    tracking_url: str = ""


@attrs.frozen(kw_only=True, slots=True)
class ShipmentLine:
    """What of an order line is in the shipment. `order_line` is the line's key in the *source* order when known."""

    order_line: str = ""
    sku: str = ""
    quantity: Decimal = money()


@attrs.frozen(kw_only=True, slots=True)
class Shipment:
    """Goods that left; `order_key` is the order's key in the system that shipped."""

    stream: ClassVar[str] = "shipments"
    volatile: ClassVar[str] = "updated_at"

    key: str
    order_key: str = ""
    number: str = ""
    carrier: str = ""
    carrier_name: str = ""
    tracking_number: str = ""
    tracking_url: str = ""
    parcels: tuple[Parcel, ...] = ()
    lines: tuple[ShipmentLine, ...] = ()
    shipped_at: datetime | None = moment()
    completes_order: bool = False
    extras: Mapping[str, Any] = attrs.field(factory=dict)
    updated_at: datetime | None = moment()

    @property
    def ref(self) -> str:
        """The key of the order it belongs to."""
        return self.order_key


@attrs.frozen(kw_only=True, slots=True)
class Customer:
    """Customer master data."""

    stream: ClassVar[str] = "customers"
    volatile: ClassVar[str] = "updated_at"

    key: str
    number: str = ""
    name: str = ""
    company: str = ""
    email: str = ""
    phone: str = ""
    vat_number: str = ""
    organization_number: str = ""
    billing: Address | None = None
    shipping_address: Address | None = None
    group: str = ""
    extras: Mapping[str, Any] = attrs.field(factory=dict)
    updated_at: datetime | None = moment()

    @property
    def ref(self) -> str:
        """What a person calls this customer."""
        return self.number or self.key


Record = Order | Product | Price | Balance | Shipment | Customer

RECORD_TYPES: Mapping[str, type[Any]] = {
    cls.stream: cls for cls in (Order, Product, Price, Balance, Shipment, Customer)
}
STREAMS: tuple[str, ...] = tuple(RECORD_TYPES)

_encode: Callable[[Any], bytes] = msgspec.json.Encoder(decimal_format="string").encode
_decoders: dict[str, Callable[[bytes | str], Any]] = {
    stream: msgspec.json.Decoder(cls).decode for stream, cls in RECORD_TYPES.items()
}
_cuts: dict[type[Any], bytes] = {cls: f',"{cls.volatile}":'.encode() for cls in RECORD_TYPES.values()}


def to_document(value: Record) -> bytes:
    """The record as JSON: decimals as text, times in UTC with ``Z``, fields in declaration order."""
    return _encode(value)


def from_document(stream: str, document: bytes | str) -> Any:
    """The record of `stream` that `to_document` wrote."""
    return _decoders[stream](document)


def fingerprint(cls: type[Any], document: bytes) -> str:
    """A hash of everything in `document` that counts as content.

    The volatile fields are declared last, so cutting the document at the first of them leaves the content; that costs
    a search from the end instead of a second encoding.
    """
    return blake2b(document[: document.rindex(_cuts[cls])], digest_size=16).hexdigest()
