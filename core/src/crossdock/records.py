"""The canonical records: frozen values that every connector speaks.

They are msgspec structs (docs/adr/0008); `evolve(record, field=value)` makes a changed copy.

Conventions, the same for all of them:

* money and quantities are `Decimal`, never float; a document's `currency` is an ISO 4217 code;
* times are aware and kept in UTC; naive times are refused;
* identifiers (keys, SKUs, numbers, GTINs) are text, also when they look like numbers;
* `key` identifies the record within its stream and connection;
* the `volatile` fields, declared last, do not count as a change (see `fingerprint`): a touch without content is none;
* what a vendor knows and the model does not goes into `extras`, JSON values only, under the vendor's own names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import blake2b
from operator import attrgetter
from typing import Any, ClassVar, Literal, TypeVar

import attrs
import msgspec

ZERO = Decimal(0)
ONE = Decimal(1)

OrderStatus = Literal[
    "draft", "pending", "on_hold", "processing", "partially_shipped", "shipped", "completed",
    "cancelled", "refunded", "failed", "deleted", "unknown",
]  # fmt: skip


T = TypeVar("T")


def evolve(value: T, **changes: Any) -> T:
    """A changed copy of a record, or of any other value of the public face."""
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.replace(value, **changes)
    return attrs.evolve(value, **changes)  # type: ignore[misc]


class _Fields:
    """Reads several fields of a value at once; called for every value that is made, so it is kept quick."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.read = attrgetter(*names) if len(names) > 1 else lambda value: (getattr(value, names[0]),)


class Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of records and their parts that hold money or times: they are checked when a value is made or read."""

    AMOUNTS: ClassVar[_Fields | None] = None
    MAYBE_AMOUNTS: ClassVar[_Fields | None] = None
    MOMENTS: ClassVar[_Fields | None] = None

    def __post_init__(self) -> None:
        """Refuse floats, infinite amounts and naive times; convert times to UTC."""
        if self.AMOUNTS is not None:
            for value in self.AMOUNTS.read(self):
                if value.__class__ is not Decimal or not value.is_finite():
                    self._refuse(self.AMOUNTS.names)
        if self.MAYBE_AMOUNTS is not None:
            for value in self.MAYBE_AMOUNTS.read(self):
                if value is not None and (value.__class__ is not Decimal or not value.is_finite()):
                    self._refuse(name for name in self.MAYBE_AMOUNTS.names if getattr(self, name) is not None)
        if self.MOMENTS is not None:
            for value in self.MOMENTS.read(self):
                if value is not None and getattr(value, "tzinfo", None) is not UTC:
                    self._to_utc(self.MOMENTS.names)

    def _refuse(self, names: Iterable[str]) -> None:
        for name in names:
            value = getattr(self, name)
            if not isinstance(value, Decimal):
                raise TypeError(f"{name} must be a Decimal, not {type(value).__name__} ({value!r})")
            if not value.is_finite():
                raise ValueError(f"{name} must be a finite amount, not {value}")

    def _to_utc(self, names: tuple[str, ...]) -> None:
        for name in names:
            value = getattr(self, name)
            if value is None:
                continue
            if not isinstance(value, datetime):
                raise TypeError(f"{name} must be a datetime, not {type(value).__name__} ({value!r})")
            if value.tzinfo is None:
                raise ValueError(f"{name} has no time zone: {value.isoformat()}")
            msgspec.structs.force_setattr(self, name, value.astimezone(UTC))


class Address(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
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


class Party(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who buys; `key` is empty for a guest."""

    key: str = ""
    name: str = ""
    company: str = ""
    email: str = ""
    phone: str = ""
    vat_number: str = ""


class Tax(Value, frozen=True, kw_only=True, omit_defaults=True):
    """One tax of a line or a document: `rate` in percent (19 means 19 %), `amount` in the document's currency."""

    AMOUNTS = _Fields("amount")
    MAYBE_AMOUNTS = _Fields("rate")

    code: str = ""
    name: str = ""
    rate: Decimal | None = None
    amount: Decimal = ZERO


class Decoration(Value, frozen=True, kw_only=True, omit_defaults=True):
    """A print on promotional goods; sizes in millimetres."""

    MAYBE_AMOUNTS = _Fields("width", "height")

    technique: str = ""
    position: str = ""
    width: Decimal | None = None
    height: Decimal | None = None
    colours: tuple[str, ...] = ()
    artwork_url: str = ""
    instructions: str = ""


class OrderLine(Value, frozen=True, kw_only=True, omit_defaults=True):
    """Goods of an order. `total` is after `discount`, for the whole line, in the order's tax mode."""

    AMOUNTS = _Fields("quantity", "unit_price", "discount", "total", "tax")

    key: str
    sku: str = ""
    gtin: str = ""
    name: str = ""
    quantity: Decimal = ZERO
    unit_price: Decimal = ZERO
    discount: Decimal = ZERO
    total: Decimal = ZERO
    tax: Decimal = ZERO
    taxes: tuple[Tax, ...] = ()
    status: str = ""
    ship_to: Address | None = None
    decorations: tuple[Decoration, ...] = ()
    extras: Mapping[str, Any] = {}


class Charge(Value, frozen=True, kw_only=True, omit_defaults=True):
    """A shipping line or a fee (`total` may be negative). `kind` is ``shipping``, ``fee`` or ``rounding``."""

    AMOUNTS = _Fields("total", "tax")

    key: str = ""
    kind: Literal["shipping", "fee", "rounding"] = "fee"
    code: str = ""
    name: str = ""
    total: Decimal = ZERO
    tax: Decimal = ZERO
    taxes: tuple[Tax, ...] = ()


class Discount(Value, frozen=True, kw_only=True, omit_defaults=True):
    """A voucher or campaign; `in_lines` says that the lines' totals already contain it."""

    AMOUNTS = _Fields("amount")

    code: str = ""
    amount: Decimal = ZERO
    in_lines: bool = True


class RefundLine(Value, frozen=True, kw_only=True, omit_defaults=True):
    """What was given back of one order line; positive numbers."""

    AMOUNTS = _Fields("quantity", "total")

    line_key: str = ""
    sku: str = ""
    quantity: Decimal = ZERO
    total: Decimal = ZERO


class Refund(Value, frozen=True, kw_only=True, omit_defaults=True):
    """Money given back: `total` positive and including tax."""

    AMOUNTS = _Fields("total", "tax")
    MOMENTS = _Fields("refunded_at")

    key: str
    total: Decimal = ZERO
    tax: Decimal = ZERO
    reason: str = ""
    refunded_at: datetime | None = None
    lines: tuple[RefundLine, ...] = ()


class Payment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How it was paid; `method` is the vendor's code, `reference` the payment provider's id."""

    method: str = ""
    title: str = ""
    reference: str = ""
    paid: bool = False


class Order(Value, frozen=True, kw_only=True, omit_defaults=True):
    """A sales order.

    `prices_include_tax` is the tax mode of this document's amounts: if false, lines, shipping and fees are net and
    `total` = lines + shipping + fees + `total_tax` - discounts that are not in the lines; if true the tax is inside.
    `status` is normalised, `raw_status` the vendor's word. `references` holds other systems' identifiers of the order;
    ``references["external"]`` is the idempotency key under which Crossdock created it, if it did. `needs_acceptance`:
    the marketplace waits until the seller accepts or refuses it (before `accept_by`, where that is known).
    """

    AMOUNTS = _Fields("total", "total_tax", "discount_total")
    MOMENTS = _Fields("placed_at", "paid_at", "accept_by", "ship_by", "updated_at")

    stream: ClassVar[str] = "orders"
    volatile: ClassVar[tuple[str, ...]] = ("updated_at",)

    key: str
    number: str = ""
    channel: str = ""
    status: OrderStatus = "unknown"
    raw_status: str = ""
    placed_at: datetime | None = None
    paid_at: datetime | None = None
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
    total: Decimal = ZERO
    total_tax: Decimal = ZERO
    discount_total: Decimal = ZERO
    payment: Payment = Payment()
    fulfilled_by: Literal["seller", "third_party"] = "seller"
    needs_acceptance: bool = False
    note: str = ""
    references: Mapping[str, str] = {}
    accept_by: datetime | None = None
    ship_by: datetime | None = None
    extras: Mapping[str, Any] = {}
    updated_at: datetime | None = None

    @property
    def ref(self) -> str:
        """What a person calls this order."""
        return self.number or self.key


class Variant(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A sellable variation of a product."""

    key: str
    sku: str = ""
    gtin: str = ""
    name: str = ""
    attributes: Mapping[str, str] = {}
    image_url: str = ""
    enabled: bool = True
    extras: Mapping[str, Any] = {}


class Product(Value, frozen=True, kw_only=True, omit_defaults=True):
    """Product master data; a product with `variants` is itself not sellable. Weight in kg, sizes in cm."""

    MAYBE_AMOUNTS = _Fields("weight", "length", "width", "height")
    MOMENTS = _Fields("updated_at")

    stream: ClassVar[str] = "products"
    volatile: ClassVar[tuple[str, ...]] = ("updated_at",)

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
    weight: Decimal | None = None
    length: Decimal | None = None
    width: Decimal | None = None
    height: Decimal | None = None
    country_of_origin: str = ""
    customs_code: str = ""
    tax_class: str = ""
    variants: tuple[Variant, ...] = ()
    extras: Mapping[str, Any] = {}
    updated_at: datetime | None = None

    @property
    def ref(self) -> str:
        """What a person calls this product."""
        return self.sku or self.key


class Price(Value, frozen=True, kw_only=True, omit_defaults=True):
    """The price of a SKU from a quantity on, for everybody or one customer or list. `includes_tax` is its tax mode."""

    AMOUNTS = _Fields("amount", "from_quantity")
    MAYBE_AMOUNTS = _Fields("list_price", "tax_rate")
    MOMENTS = _Fields("valid_from", "valid_until", "updated_at")

    stream: ClassVar[str] = "prices"
    volatile: ClassVar[tuple[str, ...]] = ("updated_at",)

    sku: str
    amount: Decimal = ZERO
    currency: str = ""
    includes_tax: bool = False
    from_quantity: Decimal = ONE
    customer: str = ""
    price_list: str = ""
    list_price: Decimal | None = None
    tax_rate: Decimal | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    extras: Mapping[str, Any] = {}
    updated_at: datetime | None = None

    @property
    def key(self) -> str:
        """SKU, list, customer, currency and tier: what makes a price one price."""
        return "|".join(
            (self.sku, self.price_list, self.customer, self.currency, format(self.from_quantity.normalize(), "f"))
        )

    @property
    def ref(self) -> str:
        """The SKU."""
        return self.sku


class Incoming(Value, frozen=True, kw_only=True, omit_defaults=True):
    """Goods on their way in."""

    AMOUNTS = _Fields("quantity")
    MOMENTS = _Fields("expected_at")

    quantity: Decimal = ZERO
    expected_at: datetime | None = None


class Balance(Value, frozen=True, kw_only=True, omit_defaults=True):
    """The stock that can be sold of one SKU in one warehouse, as read at `as_of`. Never money."""

    AMOUNTS = _Fields("available")
    MAYBE_AMOUNTS = _Fields("physical")
    MOMENTS = _Fields("as_of", "updated_at")

    stream: ClassVar[str] = "balance"
    volatile: ClassVar[tuple[str, ...]] = ("as_of", "updated_at")

    sku: str
    warehouse: str = ""
    available: Decimal = ZERO
    physical: Decimal | None = None
    incoming: tuple[Incoming, ...] = ()
    extras: Mapping[str, Any] = {}
    as_of: datetime | None = None
    updated_at: datetime | None = None

    @property
    def key(self) -> str:
        """SKU and warehouse."""
        return f"{self.sku}@{self.warehouse}" if self.warehouse else self.sku

    @property
    def ref(self) -> str:
        """The SKU."""
        return self.sku


class Parcel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One parcel of a shipment."""

    number: str = ""
    tracking_url: str = ""


class ShipmentLine(Value, frozen=True, kw_only=True, omit_defaults=True):
    """What of an order line is in the shipment. `order_line` is the line's key in the *source* order when known."""

    AMOUNTS = _Fields("quantity")

    order_line: str = ""
    sku: str = ""
    quantity: Decimal = ZERO


class Shipment(Value, frozen=True, kw_only=True, omit_defaults=True):
    """Goods that left; `order_key` is the order's key in the system that shipped."""

    MOMENTS = _Fields("shipped_at", "updated_at")

    stream: ClassVar[str] = "shipments"
    volatile: ClassVar[tuple[str, ...]] = ("updated_at",)

    key: str
    order_key: str = ""
    number: str = ""
    carrier: str = ""
    carrier_name: str = ""
    tracking_number: str = ""
    tracking_url: str = ""
    parcels: tuple[Parcel, ...] = ()
    lines: tuple[ShipmentLine, ...] = ()
    shipped_at: datetime | None = None
    completes_order: bool = False
    extras: Mapping[str, Any] = {}
    updated_at: datetime | None = None

    @property
    def ref(self) -> str:
        """The key of the order it belongs to."""
        return self.order_key


class Customer(Value, frozen=True, kw_only=True, omit_defaults=True):
    """Customer master data."""

    MOMENTS = _Fields("updated_at")

    stream: ClassVar[str] = "customers"
    volatile: ClassVar[tuple[str, ...]] = ("updated_at",)

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
    extras: Mapping[str, Any] = {}
    updated_at: datetime | None = None

    @property
    def ref(self) -> str:
        """What a person calls this customer."""
        return self.number or self.key


Record = Order | Product | Price | Balance | Shipment | Customer

RECORD_TYPES: Mapping[str, type[Any]] = {
    cls.stream: cls for cls in (Order, Product, Price, Balance, Shipment, Customer)
}
STREAMS: tuple[str, ...] = tuple(RECORD_TYPES)

_encode: Callable[[Any], bytes] = msgspec.json.Encoder(decimal_format="string", order="deterministic").encode
_decoders: dict[str, Callable[[bytes | str], Any]] = {
    stream: msgspec.json.Decoder(cls).decode for stream, cls in RECORD_TYPES.items()
}


def to_document(value: Record) -> bytes:
    """The record as JSON: decimals as text, times in UTC with ``Z``, fields in declaration order, defaults left out."""
    return _encode(value)


def from_document(stream: str, document: bytes | str) -> Any:
    """The record of `stream` that `to_document` wrote."""
    return _decoders[stream](document)


def fingerprint(value: Record, document: bytes) -> str:
    """A hash of everything in the record's `document` that counts as content.

    The volatile fields are declared last, so cutting the document where the first of them begins leaves the content;
    that costs a search from the end instead of a second encoding. Defaults are not in the document, so a release that
    adds a field changes no fingerprint.
    """
    for name in value.volatile:
        if getattr(value, name) is not None:
            end = document.rindex(b',"%b":' % name.encode())
            break
    else:
        end = len(document) - 1  # without the closing brace, as when it is cut
    return blake2b(document[:end], digest_size=16).hexdigest()
