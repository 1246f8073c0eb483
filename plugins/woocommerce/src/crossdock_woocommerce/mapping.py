"""From WooCommerce's orders to ours and back. Pure.

Amounts of a WooCommerce order are net of tax; its `prices_include_tax` says only how prices were typed (section 4), so
our record is a net document and the flag is kept beside it. Totals are taken as stated and never recomputed: with
"round tax at subtotal level" they are a cent off the sum of their parts in every second order (measured).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from crossdock import Address, Charge, Discount, Order, OrderLine, OrderStatus, Party, Payment, Refund, Tax
from crossdock.mapping import decimal, fail, utc
from crossdock_woocommerce import wire
from crossdock_woocommerce.decorations import decorations

KEY_META = "_crossdock_key"

STATUSES: Mapping[str, OrderStatus] = {
    "pending": "pending",
    "on-hold": "on_hold",
    "processing": "processing",
    "completed": "completed",
    "cancelled": "cancelled",
    "refunded": "refunded",
    "failed": "failed",
    "trash": "deleted",
}
DRAFTS = frozenset(("checkout-draft", "auto-draft", "draft", "new"))

# Meta keys that hold another system's identifier of the order.
_REFERENCES = {KEY_META: "external", "_external_id": "external_id", "_external_ref": "external_ref"}
# Where the usual VAT number plugins keep it; not verified against the plugins.
_VAT_NUMBERS = ("_billing_vat_number", "_vat_number", "vat_number")

_PLAUSIBLE = 20  # digits
_MICRO = Decimal("0.000001")
_MILLION = Decimal(1000000)
_NO_RATE = ("", "", None)
_NOBODY = Party()
_NO_PRINTS: Mapping[str, str] = {}
_Rates = dict[int | str, tuple[str, str, Decimal | None]]


def amount(value: wire.Scalar, path: str) -> Decimal:
    """A money text as `Decimal`; nothing is zero."""
    if value.__class__ is str:
        try:
            made = Decimal(value)
        except InvalidOperation:
            pass
        else:
            if made.is_finite() and -_PLAUSIBLE < made.adjusted() < _PLAUSIBLE:
                return made
    # "", no number, or 1E999999999: the careful way decides.
    return decimal(value, path)


def moment(text: str | None, path: str) -> datetime | None:
    """A ``_gmt`` time, which is UTC without saying so."""
    if not text:
        return None
    if len(text) == 19:
        try:
            return datetime.fromisoformat(text + "+00:00")
        except ValueError:
            return utc(text, path, UTC)
    return utc(text, path, UTC)


def modified(row: wire.Stamp | wire.Order | wire.Product) -> datetime:
    """When the row changed last, in UTC."""
    at = moment(row.date_modified_gmt, "date_modified_gmt")
    if at is None:
        fail("date_modified_gmt is missing.", path="date_modified_gmt")
    return at


def to_order(row: wire.Order, start: datetime | None = None, prints: Mapping[str, str] = _NO_PRINTS) -> Order | str:
    """The order, or why it is left out: a draft of the checkout, or placed before `start`.

    `prints` says which meta keys of a line hold its prints (see `decorations`).
    """
    status = row.status
    if status in DRAFTS:
        return "checkout draft"
    placed = moment(row.date_created_gmt, "date_created_gmt")
    if start is not None and placed is not None and placed < start:
        return "before order start"
    rates: _Rates = {
        each.rate_id: (
            each.rate_code or "",
            each.label or "",
            None if each.rate_percent in (None, "") else amount(each.rate_percent, "tax_lines.rate_percent"),
        )
        for each in row.tax_lines
    }
    billing, shipping = row.billing, row.shipping
    paid = moment(row.date_paid_gmt, "date_paid_gmt")
    meta = {each.key: each.value for each in row.meta_data}
    return Order(
        key=str(row.id),
        number=str(row.number or row.id),
        channel=row.created_via or "",
        status=STATUSES.get(status, "unknown"),
        raw_status=status,
        placed_at=placed,
        paid_at=paid,
        currency=row.currency or "",
        customer=_NOBODY if billing is None else _party(billing, row.customer_id, meta),
        billing=None if billing is None else _address(billing),
        shipping_address=None if shipping is None else _address(shipping),
        lines=tuple([_line(each, rates, prints) for each in row.line_items]),
        charges=_charges(row, rates),
        discounts=tuple([
            Discount(code=each.code, amount=amount(each.discount, "coupon_lines.discount"))
            for each in row.coupon_lines
        ]),
        taxes=tuple([
            Tax(
                code=code, name=label, rate=rate,
                amount=amount(each.tax_total, "tax_lines.tax_total")
                + amount(each.shipping_tax_total, "tax_lines.shipping_tax_total"),
            )
            for each, (code, label, rate) in zip(row.tax_lines, rates.values())
        ]) if len(rates) == len(row.tax_lines) else _taxes_apart(row),
        refunds=tuple([
            Refund(
                key=str(each.id), total=abs(amount(each.total, "refunds.total")),
                tax=abs(amount(each.total_tax, "refunds.total_tax")), reason=each.reason or "",
            )
            for each in row.refunds
        ]),
        total=amount(row.total, "total"),
        total_tax=amount(row.total_tax, "total_tax"),
        discount_total=amount(row.discount_total, "discount_total"),
        payment=Payment(
            method=row.payment_method or "", title=row.payment_method_title or "",
            reference=str(row.transaction_id or ""), paid=paid is not None,
        ),
        note=row.customer_note or "",
        references={_REFERENCES[key]: str(meta[key]) for key in _REFERENCES if meta.get(key)},
        extras=_extras(row, meta),
        updated_at=moment(row.date_modified_gmt, "date_modified_gmt"),
    )  # fmt: skip


def _taxes_apart(row: wire.Order) -> tuple[Tax, ...]:
    """The taxes of an order that names a rate twice."""
    return tuple(
        Tax(code=each.rate_code or "", name=each.label or "",
            rate=None if each.rate_percent in (None, "") else amount(each.rate_percent, "tax_lines.rate_percent"),
            amount=amount(each.tax_total, "tax_lines.tax_total")
            + amount(each.shipping_tax_total, "tax_lines.shipping_tax_total"))
        for each in row.tax_lines
    )  # fmt: skip


def _line(row: wire.Line, rates: _Rates, prints: Mapping[str, str]) -> OrderLine:
    raw = row.quantity
    quantity = Decimal(raw) if raw.__class__ is int else decimal(raw, "line_items.quantity")
    subtotal, total = amount(row.subtotal, "line_items.subtotal"), amount(row.total, "line_items.total")
    extras: dict[str, Any] = {"product_id": row.product_id}
    if row.variation_id:
        extras["variation_id"] = row.variation_id
    if row.tax_class:
        extras["tax_class"] = row.tax_class
    if row.meta_data:
        # Names with an underscore are WooCommerce's own book-keeping, not what the customer chose.
        chosen = {each.key: each.value for each in row.meta_data if each.key[:1] != "_"}
        if chosen:
            extras["meta_data"] = chosen
    printed = decorations(row.meta_data, prints) if prints and row.meta_data else ()
    return OrderLine(
        key=str(row.id),
        decorations=printed,
        sku=str(row.sku or ""),
        gtin=str(row.global_unique_id or ""),
        name=row.name or "",
        quantity=quantity,
        unit_price=subtotal if raw == 1 else _unit_price(subtotal, quantity),
        discount=subtotal - total,
        total=total,
        tax=amount(row.total_tax, "line_items.total_tax"),
        taxes=_taxes(row.taxes, rates),
        extras=extras,
    )


def _unit_price(subtotal: Decimal, quantity: Decimal) -> Decimal:
    """The exact quotient, or six decimals of it; WooCommerce's own `price` is a float after discount."""
    if not quantity:
        return subtotal
    price = subtotal / quantity
    return price.quantize(_MICRO) if subtotal * _MILLION % quantity else price


def _taxes(rows: list[wire.LineTax], rates: _Rates) -> tuple[Tax, ...]:
    """The taxes of a line; an empty total says that the rate does not apply to it."""
    return tuple(
        [
            Tax(code=rate[0], name=rate[1], rate=rate[2], amount=amount(each.total, "taxes.total"))
            for each in rows
            if each.total and (rate := rates.get(each.id, _NO_RATE))
        ]
    )


def _charges(row: wire.Order, rates: _Rates) -> tuple[Charge, ...]:
    shipping = [
        Charge(
            key=str(each.id), kind="shipping", code=each.method_id or "", name=each.method_title or "",
            total=amount(each.total, "shipping_lines.total"),
            tax=amount(each.total_tax, "shipping_lines.total_tax"), taxes=_taxes(each.taxes, rates),
        )
        for each in row.shipping_lines
    ]  # fmt: skip
    fees = [
        Charge(
            key=str(each.id), name=each.name or "", total=amount(each.total, "fee_lines.total"),
            tax=amount(each.total_tax, "fee_lines.total_tax"), taxes=_taxes(each.taxes, rates),
        )
        for each in row.fee_lines
    ]  # fmt: skip
    return (*shipping, *fees)


def _address(row: wire.Contact) -> Address | None:
    """The address as it stands (a region may carry the country, ``DE-BE``), or `None` when nothing is filled in."""
    name = f"{row.first_name or ''} {row.last_name or ''}".strip()
    street, city, country = row.address_1 or "", row.city or "", row.country or ""
    if not (name or street or city or country or row.company or row.email or row.postcode or row.phone):
        return None
    return Address(
        name=name, company=row.company or "", street=street, street2=row.address_2 or "",
        postcode=str(row.postcode or ""), city=city, region=row.state or "", country=country,
        phone=str(row.phone or ""), email=row.email or "",
    )  # fmt: skip


def _party(billing: wire.Contact, customer: int | None, meta: Mapping[str, Any]) -> Party:
    return Party(
        key=str(customer) if customer else "",
        name=f"{billing.first_name or ''} {billing.last_name or ''}".strip(),
        company=billing.company or "",
        email=billing.email or "",
        phone=str(billing.phone or ""),
        vat_number=next((str(meta[key]) for key in _VAT_NUMBERS if meta.get(key)), ""),
    )


def _extras(row: wire.Order, meta: Mapping[str, Any]) -> dict[str, Any]:
    extras: dict[str, Any] = {"prices_include_tax": row.prices_include_tax}
    if row.parent_id:
        extras["parent_id"] = row.parent_id
    if row.date_completed_gmt:
        extras["date_completed_gmt"] = row.date_completed_gmt
    if meta:
        # Sorted: the shop answers meta data in changing order, which is no change of the order.
        extras["meta_data"] = dict(sorted(meta.items()))
    return extras
