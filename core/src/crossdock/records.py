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

    name: str = ""  #: the person
    company: str = ""  #: the company
    street: str = ""  #: street and number
    street2: str = ""  #: what does not fit the first line
    street3: str = ""  #: and the second
    postcode: str = ""  #: as the country writes it
    city: str = ""  #: the town
    region: str = ""  #: state or province, as the source system writes it
    country: str = ""  #: ISO 3166-1 alpha-2, such as `SE`
    phone: str = ""  #: as it was given
    email: str = ""  #: of whoever receives here


class Party(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who buys; `key` is empty for a guest."""

    key: str = ""  #: the customer's key in the source system; empty for a guest
    name: str = ""  #: the person
    company: str = ""  #: the company
    email: str = ""  #: where the buyer is written to
    phone: str = ""  #: as it was given
    vat_number: str = ""  #: the VAT identification number, with its country


class Tax(Value, frozen=True, kw_only=True, omit_defaults=True):
    """One tax of a line or a document: `rate` in percent (19 means 19 %), `amount` in the document's currency."""

    AMOUNTS = _Fields("amount")
    MAYBE_AMOUNTS = _Fields("rate")

    code: str = ""  #: the source system's code; the mapping table `tax` renames it
    name: str = ""  #: as a person reads it
    rate: Decimal | None = None  #: in percent: 19 means 19 %; `None`: not known
    amount: Decimal = ZERO  #: the tax itself, in the document's currency


class Decoration(Value, frozen=True, kw_only=True, omit_defaults=True):
    """A print on promotional goods; sizes in millimetres."""

    MAYBE_AMOUNTS = _Fields("width", "height")

    technique: str = ""  #: how it is applied, in the supplier's code
    position: str = ""  #: where on the article, in the supplier's code
    width: Decimal | None = None  #: of the print, in mm; `None`: not known
    height: Decimal | None = None  #: of the print, in mm; `None`: not known
    colours: tuple[str, ...] = ()  #: one entry for each colour of the print
    artwork_url: str = ""  #: where the supplier fetches the file to print
    instructions: str = ""  #: for the printer, in plain words


class OrderLine(Value, frozen=True, kw_only=True, omit_defaults=True):
    """Goods of an order. `total` is after `discount`, for the whole line, in the order's tax mode."""

    AMOUNTS = _Fields("quantity", "unit_price", "discount", "total", "tax")

    key: str  #: unique in the order; shipments and decisions name it
    sku: str = ""  #: the article; the mapping table `sku` renames it
    gtin: str = ""  #: EAN, UPC or ISBN, as text
    name: str = ""  #: as the buyer saw it
    quantity: Decimal = ZERO  #: pieces ordered
    unit_price: Decimal = ZERO  #: of one piece before `discount`, in the order's tax mode
    discount: Decimal = ZERO  #: for the whole line, positive
    total: Decimal = ZERO  #: `quantity` x `unit_price` - `discount`, in the order's tax mode
    tax: Decimal = ZERO  #: of the whole line, in both tax modes
    taxes: tuple[Tax, ...] = ()  #: `tax` by rate, where the system says it
    status: str = ""  #: the vendor's word for this line, where lines have one
    ship_to: Address | None = None  #: where this line goes when that differs from the order
    decorations: tuple[Decoration, ...] = ()  #: prints on this line's goods
    extras: Mapping[str, Any] = {}  #: what else the vendor says of the line


class Charge(Value, frozen=True, kw_only=True, omit_defaults=True):
    """A shipping line or a fee (`total` may be negative). `kind` is ``shipping``, ``fee`` or ``rounding``."""

    AMOUNTS = _Fields("total", "tax")

    key: str = ""  #: the source system's key of the charge
    #: what it is; `rounding` is made by `with_rounding_line` alone
    kind: Literal["shipping", "fee", "rounding"] = "fee"
    code: str = ""  #: the source system's code; the mapping table `shipping` renames it for shipping
    name: str = ""  #: as the buyer saw it
    total: Decimal = ZERO  #: in the order's tax mode; negative for a rebate
    tax: Decimal = ZERO  #: of the charge, in both tax modes
    taxes: tuple[Tax, ...] = ()  #: `tax` by rate


class Discount(Value, frozen=True, kw_only=True, omit_defaults=True):
    """A voucher or campaign; `in_lines` says that the lines' totals already contain it."""

    AMOUNTS = _Fields("amount")

    code: str = ""  #: the voucher's code or the campaign's name
    amount: Decimal = ZERO  #: positive, in the order's tax mode
    in_lines: bool = True  #: whether the lines' totals contain it already; if not, it is taken off the sum


class RefundLine(Value, frozen=True, kw_only=True, omit_defaults=True):
    """What was given back of one order line; positive numbers."""

    AMOUNTS = _Fields("quantity", "total")

    line_key: str = ""  #: `key` of the order line
    sku: str = ""  #: the article
    quantity: Decimal = ZERO  #: pieces given back, positive
    total: Decimal = ZERO  #: money given back for them, positive


class Refund(Value, frozen=True, kw_only=True, omit_defaults=True):
    """Money given back: `total` positive and including tax."""

    AMOUNTS = _Fields("total", "tax")
    MOMENTS = _Fields("refunded_at")

    key: str  #: unique in the order
    total: Decimal = ZERO  #: given back, positive, with tax
    tax: Decimal = ZERO  #: the tax in `total`, positive
    reason: str = ""  #: as somebody wrote it
    refunded_at: datetime | None = None  #: when
    lines: tuple[RefundLine, ...] = ()  #: what was given back, where the system says it


class Payment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How it was paid; `method` is the vendor's code, `reference` the payment provider's id."""

    method: str = ""  #: the vendor's code; the mapping table `payment` renames it
    title: str = ""  #: as the buyer saw it
    reference: str = ""  #: the payment provider's id of the transaction
    paid: bool = False  #: whether the money is there


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

    key: str  #: the vendor's stable id; not the number that people see, if that is another one
    number: str = ""  #: what people call it
    channel: str = ""  #: where it was sold, when one connection has several channels
    status: OrderStatus = "unknown"  #: how far it is, in one of the words of `OrderStatus`
    raw_status: str = ""  #: the vendor's own word; the mapping table `status` renames it
    placed_at: datetime | None = None  #: when the buyer ordered
    paid_at: datetime | None = None  #: when the money came
    currency: str = ""  #: ISO 4217, of every amount in the document
    prices_include_tax: bool = False  #: the tax mode of lines, charges and discounts
    customer: Party = Party()  #: who buys
    billing: Address | None = None  #: where the invoice goes
    shipping_address: Address | None = None  #: where the goods go
    lines: tuple[OrderLine, ...] = ()  #: the goods
    charges: tuple[Charge, ...] = ()  #: shipping, fees, rounding
    discounts: tuple[Discount, ...] = ()  #: vouchers and campaigns
    taxes: tuple[Tax, ...] = ()  #: sums by rate, for the whole document
    refunds: tuple[Refund, ...] = ()  #: what was given back
    total: Decimal = ZERO  #: what the buyer pays, tax included, before refunds
    total_tax: Decimal = ZERO  #: all tax in `total`
    discount_total: Decimal = ZERO  #: what the source system calls the sum of discounts, for information
    payment: Payment = Payment()  #: how it was paid
    #: who ships; orders that a third party ships are not handed on
    fulfilled_by: Literal["seller", "third_party"] = "seller"
    needs_acceptance: bool = False  #: whether the marketplace waits for the seller's word
    note: str = ""  #: the buyer's words
    #: other systems' identifiers; `external` is the idempotency key, if Crossdock made the order
    references: Mapping[str, str] = {}
    accept_by: datetime | None = None  #: the seller's word has to come before
    ship_by: datetime | None = None  #: the goods have to leave before
    extras: Mapping[str, Any] = {}  #: what else the vendor says
    updated_at: datetime | None = None  #: the vendor's change time

    @property
    def ref(self) -> str:
        """What a person calls this order."""
        return self.number or self.key


class Variant(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A sellable variation of a product."""

    key: str  #: the vendor's stable id of the variation
    sku: str = ""  #: what is ordered
    gtin: str = ""  #: EAN, UPC or ISBN, as text
    name: str = ""  #: as a buyer reads it
    attributes: Mapping[str, str] = {}  #: what makes it differ: `{"Colour": "red"}`
    image_url: str = ""  #: its own picture
    enabled: bool = True  #: whether it can be bought
    extras: Mapping[str, Any] = {}  #: what else the vendor says


class Product(Value, frozen=True, kw_only=True, omit_defaults=True):
    """Product master data; a product with `variants` is itself not sellable. Weight in kg, sizes in cm."""

    MAYBE_AMOUNTS = _Fields("weight", "length", "width", "height")
    MOMENTS = _Fields("updated_at")

    stream: ClassVar[str] = "products"
    volatile: ClassVar[tuple[str, ...]] = ("updated_at",)

    key: str  #: the vendor's stable id
    sku: str = ""  #: what is ordered, when there are no variants; the mapping table `sku` renames it
    gtin: str = ""  #: EAN, UPC or ISBN, as text
    name: str = ""  #: as a buyer reads it
    description: str = ""  #: plain text or HTML, as the vendor holds it
    brand: str = ""  #: the maker's name
    categories: tuple[str, ...] = ()  #: names, or paths such as `Office > Pens`
    image_urls: tuple[str, ...] = ()  #: pictures, the main one first
    enabled: bool = True  #: whether it can be bought
    type: str = "simple"  #: the vendor's word for the kind of product
    unit: str = ""  #: what is counted: piece, box; the vendor's word
    weight: Decimal | None = None  #: in kg
    length: Decimal | None = None  #: in cm
    width: Decimal | None = None  #: in cm
    height: Decimal | None = None  #: in cm
    country_of_origin: str = ""  #: ISO 3166-1 alpha-2
    customs_code: str = ""  #: the customs tariff number
    tax_class: str = ""  #: the vendor's code
    variants: tuple[Variant, ...] = ()  #: the variations that are sold instead of it
    extras: Mapping[str, Any] = {}  #: what else the vendor says
    updated_at: datetime | None = None  #: the vendor's change time

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

    sku: str  #: the article; the mapping table `sku` renames it
    amount: Decimal = ZERO  #: of one piece, in `currency`
    currency: str = ""  #: ISO 4217
    includes_tax: bool = False  #: the tax mode of `amount` and `list_price`
    from_quantity: Decimal = ONE  #: from how many pieces on
    customer: str = ""  #: for this customer only; empty: for everybody
    price_list: str = ""  #: of this list; empty: the only one
    list_price: Decimal | None = None  #: the crossed-out price before a reduction; `None`: there is none
    tax_rate: Decimal | None = None  #: in percent; `None`: not known
    valid_from: datetime | None = None  #: from this moment on; `None`: already
    valid_until: datetime | None = None  #: until this moment; `None`: for good
    extras: Mapping[str, Any] = {}  #: what else the vendor says
    updated_at: datetime | None = None  #: the vendor's change time

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

    quantity: Decimal = ZERO  #: pieces
    expected_at: datetime | None = None  #: when they should arrive; `None`: not known


class Balance(Value, frozen=True, kw_only=True, omit_defaults=True):
    """The stock that can be sold of one SKU in one warehouse, as read at `as_of`. Never money."""

    AMOUNTS = _Fields("available")
    MAYBE_AMOUNTS = _Fields("physical")
    MOMENTS = _Fields("as_of", "updated_at")

    stream: ClassVar[str] = "balance"
    volatile: ClassVar[tuple[str, ...]] = ("as_of", "updated_at")

    sku: str  #: the article; the mapping table `sku` renames it
    warehouse: str = ""  #: the vendor's code; the mapping table `warehouse` renames it; empty: there is one
    available: Decimal = ZERO  #: pieces that can be sold now
    physical: Decimal | None = None  #: pieces on the shelf, reserved ones too; `None`: not known
    incoming: tuple[Incoming, ...] = ()  #: goods on their way in
    extras: Mapping[str, Any] = {}  #: what else the vendor says
    as_of: datetime | None = None  #: the moment that `available` shows; `None`: when it was read
    updated_at: datetime | None = None  #: the vendor's change time

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

    number: str = ""  #: the parcel's number
    tracking_url: str = ""  #: where its way is shown


class ShipmentLine(Value, frozen=True, kw_only=True, omit_defaults=True):
    """What of an order line is in the shipment. `order_line` is the line's key in the *source* order when known."""

    AMOUNTS = _Fields("quantity")

    order_line: str = ""  #: `key` of the line in the source order, when known
    sku: str = ""  #: the article; the mapping table `sku` renames it
    quantity: Decimal = ZERO  #: pieces in this shipment


class Shipment(Value, frozen=True, kw_only=True, omit_defaults=True):
    """Goods that left; `order_key` is the order's key in the system that shipped."""

    MOMENTS = _Fields("shipped_at", "updated_at")

    stream: ClassVar[str] = "shipments"
    volatile: ClassVar[tuple[str, ...]] = ("updated_at",)

    key: str  #: the vendor's stable id of the shipment
    order_key: str = ""  #: the order's key in the system that shipped
    number: str = ""  #: what people call it
    carrier: str = ""  #: the carrier's code; the mapping table `carrier` renames it
    carrier_name: str = ""  #: as a person reads it
    tracking_number: str = ""  #: the parcel's number, or the first one's
    tracking_url: str = ""  #: where its way is shown
    parcels: tuple[Parcel, ...] = ()  #: all parcels, when there are several
    lines: tuple[ShipmentLine, ...] = ()  #: what is in it; empty: the system does not say
    shipped_at: datetime | None = None  #: when it left
    completes_order: bool = False  #: whether nothing more follows for this order
    extras: Mapping[str, Any] = {}  #: what else the vendor says
    updated_at: datetime | None = None  #: the vendor's change time

    @property
    def ref(self) -> str:
        """The key of the order it belongs to."""
        return self.order_key


class Customer(Value, frozen=True, kw_only=True, omit_defaults=True):
    """Customer master data."""

    MOMENTS = _Fields("updated_at")

    stream: ClassVar[str] = "customers"
    volatile: ClassVar[tuple[str, ...]] = ("updated_at",)

    key: str  #: the vendor's stable id
    number: str = ""  #: what people call it
    name: str = ""  #: the person
    company: str = ""  #: the company
    email: str = ""  #: where it is written to
    phone: str = ""  #: as it was given
    vat_number: str = ""  #: the VAT identification number, with its country
    organization_number: str = ""  #: the number in the company register
    billing: Address | None = None  #: where invoices go
    shipping_address: Address | None = None  #: where goods go
    group: str = ""  #: the vendor's group or price class
    extras: Mapping[str, Any] = {}  #: what else the vendor says
    updated_at: datetime | None = None  #: the vendor's change time

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


def asked_by(stream: str, key: str) -> tuple[str, ...]:
    """What to ask a stream for by key, to have the record with this key read again: of prices and stock also the SKU.

    That is what `ByKeys` of these streams takes; a key that a system does not know does no harm.
    """
    if stream == "prices":
        return tuple(dict.fromkeys((key, key.rsplit("|", 4)[0])))
    if stream == "balance":
        return tuple(dict.fromkeys((key, key.rpartition("@")[0] or key)))
    return (key,)


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
