"""From Octopia's orders to our records: pure (vendor page section 5).

Only lines that the seller ships count. Amounts are what the buyer paid (`sellingPrice`), VAT included; what the seller
had submitted (`offerPrice`) stays in the extras.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec

from crossdock import Address, Charge, Order, OrderLine, OrderStatus, Party, Payment, Tax
from crossdock.mapping import decimal, fail, maybe_decimal, required, text, utc
from crossdock_cdiscount import guesses, wire
from crossdock_cdiscount.settings import Settings

ZERO = Decimal(0)
SELLER = "seller"
WAREHOUSES = frozenset(("fulfillment", "xdock"))

# A word that is not in the table stays "unknown" and so never becomes an order to be shipped: a state that was taken
# for new has really made shops ship refused orders (vendor page section 5).
STATUSES: Mapping[str, OrderStatus] = {
    "Processing": "pending", "WaitingAcceptance": "pending", "Accepted": "on_hold", "InPreparation": "processing",
    "Shipped": "shipped", "Delivered": "completed", "Refused": "cancelled", "Rejected": "cancelled",
    "Cancelled": "cancelled",
}  # fmt: skip
DEAD = frozenset(("Refused", "Rejected", "Cancelled"))
GONE = frozenset(("Shipped", "Delivered"))

NOT_CHOSEN = "sales channel not chosen"
NOT_COMPLETE = "sale not complete (Processing)"
TOO_OLD = "before order start"


def to_order(order: wire.Order, settings: Settings) -> Order | str:
    """The `Order`, or why it stays out. Raises `RecordError` for what cannot be read or decided."""
    channel = order.sales_channel or wire.Channel()
    if settings.sales_channels and text(channel.id) not in settings.sales_channels:
        return NOT_CHOSEN
    if order.status == "Processing" and not settings.import_processing:
        return NOT_COMPLETE
    placed = utc(order.purchased_at, "purchasedAt") or utc(order.created_at, "createdAt")
    if settings.order_start and placed and placed < settings.order_start:
        return TOO_OLD
    parts = _Parts.of(order, settings)
    shipping = _shared_address(parts.counted)
    home = _address(shipping)
    lines = tuple([_line(each, shipping) for each in parts.counted])
    charges = tuple([_shipping(each) for each in parts.counted if each.shipping or _sum(each.shipping_taxes)])
    tax = sum([each.tax for each in lines], ZERO) + sum([each.tax for each in charges], ZERO)
    billing = order.billing_address
    waits = order.status == "WaitingAcceptance" and parts.by_seller
    hours = settings.accept_within
    key = text(required(order.order_id, "orderId"))
    return Order(
        key=key,
        number=text(order.reference) or key,
        channel=text(channel.id),
        status=_status(order.status or "", parts.counted),
        raw_status=order.status or "",
        placed_at=placed,
        # What is cancelled must be told in any case; what is paid for must not be taken for another currency's.
        currency=(order.currency_code or "") if order.status in DEAD else required(order.currency_code, "currencyCode"),
        prices_include_tax=True,
        customer=_buyer(order, home),
        billing=_address(billing),
        shipping_address=home,
        lines=lines,
        charges=charges,
        total=_total(order, parts, lines, charges),
        total_tax=tax,
        payment=Payment(
            method=(order.payment.method or "") if order.payment else "",
            paid=order.status == "InPreparation" or order.status in GONE,
        ),
        fulfilled_by="seller" if parts.by_seller else "third_party",
        needs_acceptance=waits,
        accept_by=placed + timedelta(hours=hours) if waits and placed and hours else None,
        ship_by=utc(order.shipped_at_max, "shippedAtMax"),
        extras=_extras(order, parts, shipping),
        updated_at=utc(order.updated_at, "updatedAt"),
    )


# -- which lines count -----------------------------------------------------------------------------


class Part(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A line with its place in the payload, and its amounts: per unit, shipping and VAT for the whole line."""

    line: wire.Line
    index: int
    key: str
    quantity: Decimal
    unit: Decimal
    shipping: Decimal
    taxes: tuple[Tax, ...]
    shipping_taxes: tuple[Tax, ...]


class _Parts(msgspec.Struct, frozen=True, eq=False):
    """`counted` are the lines of the order, `others` those that somebody else ships or that were called off."""

    counted: tuple[Part, ...]
    others: tuple[Part, ...]
    by_seller: bool

    @classmethod
    def of(cls, order: wire.Order, settings: Settings) -> _Parts:
        parts = tuple([_part(line, index, settings) for index, line in enumerate(order.lines or ())])
        if not parts:
            fail("The order has no lines.", path="lines")
        ours = tuple([part for part in parts if ships(part.line, settings, part.index)])
        mine = ours or parts
        # In an order that goes on, a line that was called off is not to be shipped; a dead order keeps all its lines.
        alive = tuple([part for part in mine if part.line.status not in DEAD])
        counted = mine if order.status in DEAD or not alive else alive
        for part in counted:
            if part.quantity <= 0 and not {order.status, part.line.status} & DEAD:
                path = f"lines[{part.index}].quantity"
                fail(f"{path} is missing or not above zero.", path=path)
        others = tuple([part for part in parts if part not in counted]) if len(counted) < len(parts) else ()
        return cls(counted, others, bool(ours))


def ships(line: wire.Line, settings: Settings, index: int = 0) -> bool:
    """Whether the seller ships the line (vendor page section 5: the supply mode sits on the line's offer)."""
    mode = (line.offer.supply_mode or "") if line.offer else ""
    word, path = mode.casefold(), f"lines[{index}].offer.supplyMode"
    if word == SELLER or word in WAREHOUSES:
        return word == SELLER
    if mode:
        fail(
            f"{path} is {mode!r}, a word that is not known, so nobody knows who ships the line: look into the Octopia "
            "portal and handle the order there.",
            path=path,
        )
    if settings.missing_supply_mode == "park":
        fail(
            f"{path} is missing, so nobody knows whether the seller or a warehouse of Octopia's ships the line; the "
            "setting missing_supply_mode decides.",
            path=path,
        )
    return True


def _part(line: wire.Line, index: int, settings: Settings) -> Part:
    price = line.selling_price
    if price is None or price.unit_sales_price is None:
        path = f"lines[{index}].sellingPrice.unitSalesPrice"
        fail(f"{path} is missing.", path=path)
    quantity = decimal(line.quantity, "lines.quantity")
    shipping = decimal(price.shipping_cost, "lines.sellingPrice.shippingCost")
    goods: list[Tax] = []
    moving: list[Tax] = []
    for tax in price.taxes or ():
        # Eco taxes are part of the price and stay in the extras.
        if tax.code and tax.code.casefold() in guesses.VAT:
            made = Tax(
                code=tax.code,
                rate=maybe_decimal(tax.rate, "lines.sellingPrice.taxes.rate"),
                amount=decimal(tax.amount, "lines.sellingPrice.taxes.amount"),
            )
            to_shipping = tax.target is not None and tax.target.casefold().startswith(guesses.SHIPPING_TARGET)
            (moving if to_shipping else goods).append(made)
    return Part(
        line,
        index,
        text(required(line.order_line_id, "lines.orderLineId")),
        quantity,
        decimal(price.unit_sales_price, "lines.sellingPrice.unitSalesPrice"),
        shipping * quantity if settings.shipping_per == "unit" else shipping,
        tuple(goods),
        tuple(moving),
    )


def _status(status: str, parts: Sequence[Part]) -> OrderStatus:
    """An order may go on because of the lines that a warehouse ships: then the seller's own lines tell."""
    known = STATUSES.get(status, "unknown")
    if known != "processing":
        return known
    states = {part.line.status or "" for part in parts}
    if states <= DEAD:
        return "cancelled"
    if states <= GONE:
        return "completed" if states == {"Delivered"} else "shipped"
    return "partially_shipped" if states & GONE else known


# -- lines and amounts -----------------------------------------------------------------------------


def _line(part: Part, shared: wire.Address | None) -> OrderLine:
    line = part.line
    offer = line.offer or wire.SoldOffer()
    there = line.shipping_address
    return OrderLine(
        key=part.key,
        sku=text(offer.seller_product_id),
        gtin=text(offer.product_gtin),
        name=offer.product_title or "",
        quantity=part.quantity,
        unit_price=part.unit,
        total=part.unit * part.quantity,
        tax=_sum(part.taxes),
        taxes=part.taxes,
        status=line.status or "",
        ship_to=_address(there) if there is not None and there != shared else None,
        extras=_line_extras(line, offer),
    )


def _shipping(part: Part) -> Charge:
    delivery = part.line.delivery
    return Charge(
        key=f"{part.key}/shipping",
        kind="shipping",
        code=(delivery.mode or "") if delivery else "",
        name="Shipping",
        total=part.shipping,
        tax=_sum(part.shipping_taxes),
        taxes=part.shipping_taxes,
    )


def _sum(taxes: Sequence[Tax]) -> Decimal:
    return taxes[0].amount if len(taxes) == 1 else sum((tax.amount for tax in taxes), ZERO)


def _total(order: wire.Order, parts: _Parts, lines: Sequence[OrderLine], charges: Sequence[Charge]) -> Decimal:
    """What the order states when all its lines count, else what the lines that count state."""
    if not parts.others and order.total_price and order.total_price.selling_price is not None:
        return decimal(order.total_price.selling_price, "totalPrice.sellingPrice")
    stated = [each.line.total_price.selling_price if each.line.total_price else None for each in parts.counted]
    if None not in stated:
        return sum((decimal(each, "lines.totalPrice.sellingPrice") for each in stated), ZERO)
    return sum((each.total for each in lines), ZERO) + sum((each.total for each in charges), ZERO)


# -- people and places -----------------------------------------------------------------------------


def _shared_address(parts: Sequence[Part]) -> wire.Address | None:
    """The address that the lines share, or the first one when they do not; none before InPreparation."""
    return next((part.line.shipping_address for part in parts if part.line.shipping_address is not None), None)


def _address(address: wire.Address | None) -> Address | None:
    if address is None:
        return None
    return Address(
        name=_name(address),
        company=address.company_name or address.pickup_name or "",
        street=address.address_line1 or "",
        street2=address.address_line2 or "",
        street3=address.address_line3 or "",
        postcode=text(address.postal_code),
        city=address.city or "",
        region=address.state_or_region or "",
        country=(address.country_code or "").upper(),
        phone=text(address.phone),
        email=address.email or "",
    )


def _name(address: wire.Address) -> str:
    return f"{address.first_name or ''} {address.last_name or ''}".strip()


def _buyer(order: wire.Order, home: Address | None) -> Party:
    billing = order.billing_address or wire.Address()
    return Party(
        key=text(order.customer.reference) if order.customer else "",
        name=_name(billing) or (home.name if home else ""),
        company=billing.company_name or "",
        email=billing.email or (home.email if home else ""),
        phone=text(billing.phone) or (home.phone if home else ""),
        vat_number=text(billing.company_vat_number),
    )


# -- what the model does not know ------------------------------------------------------------------


def _extras(order: wire.Order, parts: _Parts, shipping: wire.Address | None) -> dict[str, Any]:
    """The vendor's own facts, under its names; amounts as text."""
    asked = [part.key for part in parts.counted if part.line.status == "CancelRequest"]
    extras: dict[str, Any] = {"totalPrice": plain(order.total_price)} if order.total_price else {}
    if order.sales_channel and order.sales_channel.name:
        extras["salesChannelName"] = order.sales_channel.name
    if order.business_order:
        extras["businessOrder"] = True
    if order.service_fees:
        extras["serviceFees"] = plain(order.service_fees)
    if asked:
        extras["cancelRequested"] = asked
    if shipping and shipping.civility:
        extras["civility"] = shipping.civility
    if shipping and (shipping.pickup_id or shipping.pickup_name):
        extras["pickup"] = {"id": text(shipping.pickup_id), "name": shipping.pickup_name or ""}
    if order.cancellation_details:
        extras["cancellationDetails"] = order.cancellation_details
    if parts.others:
        extras["otherLines"] = [_other(part) for part in parts.others]
    return extras


def _other(part: Part) -> dict[str, Any]:
    offer = part.line.offer or wire.SoldOffer()
    return {
        "orderLineId": part.key,
        "status": part.line.status or "",
        "supplyMode": offer.supply_mode or "",
        "quantity": str(part.quantity),
        "sellerProductId": text(offer.seller_product_id),
        "totalPrice": plain(part.line.total_price or wire.Totals()),
    }


def _line_extras(line: wire.Line, offer: wire.SoldOffer) -> dict[str, Any]:
    submitted = line.offer_price
    priced = [each for each in (submitted, line.selling_price) if each and each.commission]
    extras: dict[str, Any] = {
        "offer": {"id": text(offer.id), "productId": text(offer.product_id), "condition": offer.condition or "",
                  "supplyMode": offer.supply_mode or ""},
    }  # fmt: skip
    if submitted:
        extras["offerPrice"] = {
            "unitSalesPrice": text(submitted.unit_sales_price), "shippingCost": text(submitted.shipping_cost)
        }  # fmt: skip
    if priced and priced[0].commission:
        extras["commission"] = _commission(priced[0].commission)
    if line.delivery:
        extras["delivery"] = plain(line.delivery)
    if line.parcels:
        extras["parcels"] = plain(line.parcels)
    other = [
        tax for tax in (line.selling_price.taxes if line.selling_price else None) or ()
        if tax.code and tax.code.casefold() not in guesses.VAT
    ]  # fmt: skip
    if other:
        extras["otherTaxes"] = plain(other)
    return extras


def _commission(commission: wire.Commission) -> dict[str, str]:
    """Under one name, whichever of the two spellings came (vendor page section 5)."""
    gross = commission.amount_with_vat if commission.amount_with_vat is not None else commission.amount_with_tax
    net = commission.amount_without_vat if commission.amount_without_vat is not None else commission.amount_without_tax
    told = (("amountWithVat", gross), ("amountWithoutVat", net), ("rate", commission.rate))
    return {name: str(value) for name, value in told if value is not None}


def plain(value: Any) -> Any:
    """A part of a payload as plain values under the vendor's names: amounts as text, nothing that is missing."""
    return msgspec.to_builtins(value)
