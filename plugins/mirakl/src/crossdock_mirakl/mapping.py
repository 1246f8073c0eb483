"""From Mirakl's orders to ours. Pure.

Amounts are taken as stated, rates too: recomputing either gives 20.99 % instead of 21 % (vendor page section 13).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from crossdock import (
    Address,
    Charge,
    Discount,
    Order,
    OrderLine,
    OrderStatus,
    Party,
    Payment,
    Refund,
    RefundLine,
    Tax,
)
from crossdock.mapping import text, utc
from crossdock_mirakl import wire
from crossdock_mirakl.countries import alpha2

ZERO = Decimal(0)

# Vendor page section 6.
STATUSES: Mapping[str, OrderStatus] = {
    "WAITING_ACCEPTANCE": "pending",
    "WAITING_DEBIT": "on_hold",  # accepted: its goods are sold, only the money is not there yet
    "WAITING_DEBIT_PAYMENT": "on_hold",
    "SHIPPING": "processing",
    "SHIPPED": "shipped",
    "TO_COLLECT": "shipped",
    "RECEIVED": "completed",
    "CLOSED": "completed",
    "REFUSED": "cancelled",
    "CANCELED": "cancelled",
}
DEAD = frozenset(("REFUSED", "CANCELED"))
GONE = frozenset(("SHIPPED", "TO_COLLECT", "RECEIVED", "CLOSED"))
SELLER = "DEFAULT"
_NOBODY = Party()


def to_order(
    row: wire.Order, start: datetime | None = None, channels: Sequence[str] = (), accept_within: int = 0
) -> Order | str:  # fmt: skip
    """The order, or why it is left out: still checked by the operator, too old, or of another channel.

    `accept_within` is how many hours the operator waits for the seller's word; 0 when nobody knows.
    """
    state = row.order_state
    if state == "STAGING":
        return "still checked by the operator"
    placed = utc(row.created_date, "created_date")
    if start is not None and placed is not None and placed < start:
        return "before order start"
    channel = (row.channel.code or "") if row.channel else ""
    if channels and channel not in channels:
        return "of another channel"
    dead = state in DEAD
    # Refused and cancelled lines do not count in the totals; of a dead order they are all there is to tell.
    rows = row.order_lines if dead else [line for line in row.order_lines if line.order_line_state not in DEAD]
    inclusive = row.order_tax_mode != "TAX_EXCLUDED"
    ours = third_party(row) == ""
    waits = ours and state == "WAITING_ACCEPTANCE"
    lines = tuple([_line(line) for line in rows])
    charges = _charges(row, rows, dead)
    taxes = _order_taxes(row, lines, charges)
    total_tax = sum([tax.amount for tax in taxes], ZERO)
    total = row.total_price or ZERO
    if dead or row.total_price is None:
        total = sum([line.total for line in lines], sum([charge.total for charge in charges], ZERO))
    customer, paid = row.customer, utc(row.customer_debited_date, "customer_debited_date")
    return Order(
        key=row.order_id,
        number=row.order_id,
        channel=channel,
        status=_status(row, rows),
        raw_status=state,
        placed_at=placed,
        paid_at=paid,
        currency=row.currency_iso_code or "",
        prices_include_tax=inclusive,
        customer=_NOBODY if customer is None else _party(customer, row.customer_notification_email or ""),
        billing=_address(customer.billing_address) if customer else None,
        shipping_address=_address(customer.shipping_address) if customer else None,
        lines=lines,
        charges=charges,
        discounts=_discounts(row),
        taxes=taxes,
        refunds=tuple([
            _refund(line, each, inclusive) for line in row.order_lines if line.refunds for each in line.refunds
        ]),
        total=total if inclusive else total + total_tax,
        total_tax=total_tax,
        discount_total=(row.promotions.total_deduced_amount or ZERO) if row.promotions else ZERO,
        payment=Payment(
            method=row.payment_type or row.payment_workflow or "", title=row.payment_workflow or "",
            reference=text(row.transaction_number), paid=paid is not None,
        ),
        fulfilled_by="seller" if ours else "third_party",
        needs_acceptance=waits,
        references=_references(row),
        accept_by=placed + timedelta(hours=accept_within) if waits and placed and accept_within else None,
        ship_by=utc(row.shipping_deadline, "shipping_deadline"),
        extras=_extras(row),
        updated_at=utc(row.last_updated_date, "last_updated_date"),
    )  # fmt: skip


def third_party(row: wire.Order) -> str:
    """The fulfilment centre that ships instead of the seller; empty when the seller does."""
    center = row.fulfillment.center if row.fulfillment else None
    code = (center.code if center else None) or SELLER
    return "" if code == SELLER else code


def _status(row: wire.Order, lines: Sequence[wire.Line]) -> OrderStatus:
    status = STATUSES.get(row.order_state, "unknown")
    if row.fully_refunded and status in ("processing", "shipped", "completed"):
        return "refunded"
    if status == "processing" and any(line.order_line_state in GONE for line in lines):
        return "partially_shipped"
    return status


# -- goods, charges and taxes ------------------------------------------------------------------------


def _line(row: wire.Line) -> OrderLine:
    taxes = _taxes(row.taxes)
    quantity, price, total = units(row), row.price_unit or ZERO, row.price or ZERO
    return OrderLine(
        key=row.order_line_id,
        sku=text(row.offer_sku),
        name=row.product_title or "",
        quantity=quantity,
        unit_price=price,
        discount=price * quantity - total,
        total=total,
        tax=sum([tax.amount for tax in taxes], ZERO),
        taxes=taxes,
        status=row.order_line_state,
        extras=_line_extras(row),
    )


def units(row: wire.Line) -> Decimal:
    """The quantity still ordered. A partly cancelled line may state the original one while its price is of the rest:

    then the price tells (no page says which of them Mirakl lowers).
    """
    quantity, cancelled = row.quantity or ZERO, sum([each.quantity or ZERO for each in row.cancelations or ()], ZERO)
    if cancelled and ZERO < cancelled < quantity and row.price == (row.price_unit or ZERO) * (quantity - cancelled):
        return quantity - cancelled
    return quantity


def _taxes(rows: list[wire.Tax] | None) -> tuple[Tax, ...]:
    if not rows:
        return ()
    return tuple([Tax(code=text(each.code), rate=each.rate, amount=each.amount or ZERO) for each in rows])


def _merged(taxes: Iterable[Tax]) -> tuple[Tax, ...]:
    """One tax for each code and rate."""
    sums: dict[tuple[str, Decimal | None], Decimal] = {}
    for tax in taxes:
        key = tax.code, tax.rate
        sums[key] = sums.get(key, ZERO) + tax.amount
    return tuple([Tax(code=code, rate=rate, amount=amount) for (code, rate), amount in sums.items()])


def _order_taxes(row: wire.Order, lines: Sequence[OrderLine], charges: Sequence[Charge]) -> tuple[Tax, ...]:
    """Taxes of goods and shipping; operators with order-level tax state them once for the whole order instead."""
    found = [tax for line in lines for tax in line.taxes]
    found += [tax for charge in charges for tax in charge.taxes]
    if found or not row.order_taxes:
        return _merged(found)
    return tuple([
        Tax(code=text(each.code), rate=each.rate,
            amount=(each.total_amount if each.total_amount is not None else each.amount) or ZERO)
        for each in row.order_taxes
    ])  # fmt: skip


def _charges(row: wire.Order, lines: Sequence[wire.Line], dead: bool) -> tuple[Charge, ...]:
    charges: list[Charge] = []
    shipping = row.shipping_price or ZERO
    if dead:
        shipping = sum([line.shipping_price or ZERO for line in lines], ZERO)
    taxes = _merged([tax for line in lines if line.shipping_taxes for tax in _taxes(line.shipping_taxes)])
    if shipping or taxes or row.shipping_type_code:
        charges.append(
            Charge(
                key="shipping", kind="shipping", code=row.shipping_type_code or "", name=row.shipping_type_label or "",
                total=shipping, tax=sum([tax.amount for tax in taxes], ZERO), taxes=taxes,
            )
        )  # fmt: skip
    charges += [
        Charge(key=f"{line.order_line_id}/{text(fee.code)}", code=text(fee.code), name=text(fee.code),
               total=fee.amount or ZERO)
        for line in lines if line.fees for fee in line.fees
    ]  # fmt: skip
    return tuple(charges)


def _discounts(row: wire.Order) -> tuple[Discount, ...]:
    """Promotions: the lines' prices contain them already."""
    applied = row.promotions.applied_promotions if row.promotions else None
    return tuple([Discount(code=text(each.id), amount=each.deduced_amount or ZERO) for each in applied or ()])


def _refund(line: wire.Line, row: wire.Change, inclusive: bool) -> Refund:
    """A refund of one line. `refunded_at` stays empty until the money went back."""
    goods, shipping = _taxes(row.taxes), _taxes(row.shipping_taxes)
    goods_tax, tax = (sum([each.amount for each in taxes], ZERO) for taxes in (goods, goods + shipping))
    amount, freight = row.amount or ZERO, row.shipping_amount or ZERO
    back = RefundLine(
        line_key=line.order_line_id, sku=text(line.offer_sku), quantity=row.quantity or ZERO,
        total=amount if inclusive else amount + goods_tax,
    )  # fmt: skip
    return Refund(
        key=text(row.id), total=amount + freight if inclusive else amount + freight + tax, tax=tax,
        reason=text(row.reason_code), refunded_at=utc(row.transaction_date, "refunds.transaction_date"), lines=(back,),
    )  # fmt: skip


# -- people ------------------------------------------------------------------------------------------


def _party(row: wire.Customer, email: str) -> Party:
    organization, shipping = row.organization or wire.Organization(), row.shipping_address or wire.Address()
    return Party(
        key=text(row.customer_id),
        name=f"{row.firstname or ''} {row.lastname or ''}".strip(),
        company=organization.name or (row.billing_address.company if row.billing_address else "") or "",
        email=email,
        phone=text(shipping.phone) or text(shipping.phone_secondary),
        vat_number=text(organization.tax_identification_number),
    )


def _address(row: wire.Address | None) -> Address | None:
    """The address; `None` while it is withheld (before acceptance or payment). Only the country's code is trusted."""
    if row is None:
        return None
    made = Address(
        name=f"{row.firstname or ''} {row.lastname or ''}".strip(),
        company=", ".join([part for part in (row.company, row.company_2) if part]),
        street=row.street_1 or "", street2=row.street_2 or "", street3=row.additional_info or "",
        postcode=text(row.zip_code), city=row.city or "", region=row.state or "",
        country=alpha2(row.country_iso_code) if row.country_iso_code else "",
        phone=text(row.phone) or text(row.phone_secondary),
    )  # fmt: skip
    return made if made.name or made.company or made.street or made.city else None


# -- what the model does not know --------------------------------------------------------------------


def _references(row: wire.Order) -> dict[str, str]:
    given = row.references or wire.References()
    named = {
        "commercial": row.commercial_id, "customer": given.order_reference_for_customer,
        "seller": given.order_reference_for_seller, "quote": row.quote_id,
    }  # fmt: skip
    return {name: text(value) for name, value in named.items() if value}


def _fields(rows: list[wire.Field] | None) -> dict[str, Any]:
    return {each.code: each.value for each in rows} if rows else {}


def _extras(row: wire.Order) -> dict[str, Any]:
    extras: dict[str, Any] = {
        "total_commission": row.total_commission,
        "payment_workflow": row.payment_workflow,
        "shipping_type_code": row.shipping_type_code,
        "shipping_type_standard_code": row.shipping_type_standard_code,
        "shipping_zone_code": row.shipping_zone_code,
        "shipping_pudo_id": row.shipping_pudo_id,
        "shipping_tracking": row.shipping_tracking,
        "delivery_date": row.delivery_date,
        "has_incident": row.has_incident,
        "can_cancel": row.can_cancel,
        "order_state_reason_code": row.order_state_reason_code,
        "customer_locale": row.customer.locale if row.customer else None,
        "fulfillment_center": third_party(row),
        "additional_fields": _fields(row.order_additional_fields),
    }
    if row.customer and row.customer.organization:
        extras["organization_number"] = text(row.customer.organization.identification_number)
    if row.order_state not in DEAD:
        dropped = [_dropped(line) for line in row.order_lines if line.order_line_state in DEAD]
        extras["refused_or_cancelled_lines"] = dropped
    return {name: value for name, value in extras.items() if value}


def _dropped(line: wire.Line) -> dict[str, Any]:
    return {
        "order_line_id": line.order_line_id, "offer_sku": text(line.offer_sku), "quantity": line.quantity,
        "order_line_state": line.order_line_state, "reason_code": line.order_line_state_reason_code or "",
    }  # fmt: skip


def _line_extras(row: wire.Line) -> dict[str, Any]:
    extras: dict[str, Any] = {
        "product_sku": text(row.product_sku),
        "offer_id": text(row.offer_id),
        "offer_state_code": text(row.offer_state_code),
        "category_code": text(row.category_code),
        "origin_unit_price": row.origin_unit_price if row.origin_unit_price != row.price_unit else None,
        "shipping_price": row.shipping_price,
        "commission_fee": row.commission_fee,
        "total_commission": row.total_commission,
        "eco_contributions": row.eco_contributions,
        "tax_legal_notice": row.tax_legal_notice,
        "additional_fields": _fields(row.order_line_additional_fields),
    }
    if row.commission_taxes:
        extras["commission_taxes"] = [
            {"code": text(each.code), "rate": each.rate, "amount": each.amount} for each in row.commission_taxes
        ]
    if row.cancelations:
        extras["cancelations"] = [
            {"id": text(each.id), "quantity": each.quantity, "amount": each.amount, "shipping_amount":
             each.shipping_amount, "reason_code": text(each.reason_code)}
            for each in row.cancelations
        ]  # fmt: skip
    return {name: value for name, value in extras.items() if value}
