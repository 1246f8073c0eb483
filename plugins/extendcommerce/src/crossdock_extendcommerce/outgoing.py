"""From our records to Extend Commerce's bodies: pure, and the only place that decides what a pushed order says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from hashlib import sha256

from crossdock import Address, Charge, Customer, Decoration, Gap, Order, OrderLine, RecordError
from crossdock.mapping import exponent, fail
from crossdock_extendcommerce import wire
from crossdock_extendcommerce.settings import PAYMENT_TYPES, Settings
from crossdock_extendcommerce.totals import ZERO, gross_total, split_tax, unit_price

KEY_LENGTH = 50
KEY_LABEL = "crossdock-key"
NUMBER_LABEL = "crossdock-order"
_DIGEST = 16


def external_number(key: str) -> str:
    """The idempotency key as it is kept in ``orderNumberExternal``: itself, or cut with a digest when it is long.

    The field's length is not documented for customer orders; 50 is that of the same field of purchase orders.
    """
    if len(key) <= KEY_LENGTH:
        return key
    digest = sha256(key.encode()).hexdigest()[:_DIGEST]
    return f"{key[: KEY_LENGTH - _DIGEST - 1]}-{digest}"


def from_order(order: Order, key: str, settings: Settings) -> wire.CustomerOrder:
    """The body of a new order, its rows adding up to the order's total to the smallest unit (see `totals`).

    Raises `RecordError` with the path of the field, and with a gap for an unknown payment or country.
    """
    currency = order.currency or settings.currency
    if not currency:
        fail("The order names no currency and the connection has none.", path="currency")
    rows = list(_numbered(_rows(order, currency, settings)))
    rest = order.total - gross_total(rows, currency)
    if rest:
        _check_rest(rest, rows, order, currency, settings)
        rows.append(_rounding(rest, currency, len(rows), settings))
    if not rows:
        fail("The order has no rows.", path="lines")
    return wire.CustomerOrder(order_header=_header(order, key, rows, settings), order_rows=rows)


def _header(order: Order, key: str, rows: list[wire.OrderRow], settings: Settings) -> wire.OrderHeader:
    shipped_to = _filled(order.shipping_address)
    to = shipped_to or _filled(order.billing)
    where, bill = ("shipping_address" if shipped_to else "billing"), _filled(order.billing)
    phone = (to.phone if to else "") or order.customer.phone or None
    email = (to.email if to else "") or order.customer.email or None
    short, placed = external_number(key), moment(order.placed_at)
    return wire.OrderHeader(
        order_type=settings.order_type,
        order_number_external=short,
        order_date=placed,
        customer_number=settings.customer_number,
        asked_delivery_date=moment(order.ship_by) or placed,
        partial_delivery=settings.partial_delivery,
        # With a freight row the price of freight is that row's; without one Extend must not add its own.
        freight_free=not any(row.supply_mode == "Freight" for row in rows),
        payment_type=_payment_type(order, settings),
        delivery_method=settings.delivery_method or None,
        your_reference=order.ref,
        delivery_address=_delivery_address(to, where) if to else None,
        invoice_address=_invoice_address(bill) if bill else None,
        deliery_phone_number=phone,
        advise_phone_number=phone,
        delivery_email=email,
        advise_email=email,
        invoice_email=(bill.email if bill else "") or email,
        notations=wire.Notations(notes=order.note) if order.note else None,
        external=wire.External(external_id=short, received_date=placed, free_text=order.ref),
        payment_transactions=_transactions(order),
        order_meta_data=[
            wire.MetaData(meta_data_label="source", meta_data_value="crossdock"),
            wire.MetaData(meta_data_label=KEY_LABEL, meta_data_value=key),
            wire.MetaData(meta_data_label=NUMBER_LABEL, meta_data_value=order.ref),
        ],
        sales_channel=(settings.sales_channel or order.channel)[:100] or None,
    )


# -- rows ------------------------------------------------------------------------------------------


def _rows(order: Order, currency: str, settings: Settings) -> Iterator[wire.OrderRow]:
    taxed: list[OrderLine | Charge] = [*order.lines, *order.charges]
    stated = any(each.tax or any(tax.amount for tax in each.taxes) for each in taxed)
    by_rate = not stated and (order.prices_include_tax or bool(order.total_tax))
    for index, line in enumerate(order.lines):
        row = _goods(line, f"lines[{index}]", order, currency, by_rate, settings)
        if row:
            yield row
    for index, charge in enumerate(order.charges):
        if charge.total:
            yield _charge(charge, index, order, currency, by_rate, settings)
    yield from _discounts(order, currency, settings)


def _goods(
    line: OrderLine, path: str, order: Order, currency: str, by_rate: bool, settings: Settings
) -> wire.OrderRow | None:
    if line.quantity <= 0:
        if line.quantity or line.total:
            fail(f"The quantity of {line.sku or line.name} is {line.quantity:f}.", path=f"{path}.quantity")
        return None
    if not line.sku:
        fail(f"The line {line.name or line.key!r} has no SKU, so Extend Commerce cannot know it.", path=f"{path}.sku")
    net, percent = split_tax(
        line.total, line.tax, line.taxes, includes_tax=order.prices_include_tax, currency=currency, by_rate=by_rate
    )
    notes = "\n".join(_decoration(each) for each in line.decorations)
    return wire.OrderRow(
        product=wire.RowProduct(product_number=line.sku),
        sales_data=wire.SalesData(
            quantity=line.quantity, unit=settings.unit, unit_price=unit_price(net, line.quantity),
            vat_percent=percent, currency=currency,
        ),
        notations=wire.Notations(notes=notes) if notes else None,
        warehouse=settings.warehouses[0] if settings.warehouses else None,
        external_row=wire.ExternalRow(external_row_id=line.key),
    )  # fmt: skip


def _decoration(decoration: Decoration) -> str:
    """A print as a note for the packer: Extend Commerce has no field for it."""
    size = f"{decoration.width:f} x {decoration.height:f} mm" if decoration.width and decoration.height else ""
    parts = (
        decoration.technique, decoration.position, size, "/".join(decoration.colours), decoration.artwork_url,
        decoration.instructions,
    )  # fmt: skip
    return "Print: " + ", ".join(part for part in parts if part)


def _charge(
    charge: Charge, index: int, order: Order, currency: str, by_rate: bool, settings: Settings
) -> wire.OrderRow:
    net, percent = split_tax(
        charge.total, charge.tax, charge.taxes, includes_tax=order.prices_include_tax, currency=currency,
        by_rate=by_rate,
    )  # fmt: skip
    mode, article, label = {
        "shipping": ("Freight", settings.freight_product, "freight_product"),
        "fee": ("Service", settings.fee_product, "fee_product"),
        "rounding": ("Round", settings.rounding_product, "rounding_product"),
    }[charge.kind]
    row_id = f"{charge.kind}:{charge.key or index}"
    return _article_row(mode, article, label, row_id, charge.name, net, percent, currency, settings)


def _discounts(order: Order, currency: str, settings: Settings) -> Iterator[wire.OrderRow]:
    """Vouchers that are not in the lines, as one row; it carries the VAT by which `total_tax` is below the lines'."""
    total = sum((each.amount for each in order.discounts if not each.in_lines), ZERO)
    if not total:
        return
    in_rows = sum((line.tax for line in order.lines), ZERO) + sum((charge.tax for charge in order.charges), ZERO)
    tax = min(order.total_tax - in_rows, ZERO) if order.total_tax else ZERO
    net, percent = split_tax(-total, tax, (), includes_tax=order.prices_include_tax, currency=currency)
    names = ", ".join(each.code for each in order.discounts if not each.in_lines and each.code)
    yield _article_row(
        "Discount", settings.discount_product, "discount_product", "discount", names, net, percent, currency, settings
    )


def _check_rest(rest: Decimal, rows: list[wire.OrderRow], order: Order, currency: str, settings: Settings) -> None:
    limit = max(settings.rounding_limit, 2 * len(rows) * Decimal(1).scaleb(-exponent(currency)))
    if abs(rest) > limit:
        raise RecordError(
            f"The rows of order {order.ref} add up to {order.total - rest:f} {currency}, but its total is "
            f"{order.total:f}: {abs(rest):f} is more than rounding.",
            path="total",
            hint="Find what is missing in the rows, or raise the connection's rounding limit.",
        )


def _rounding(rest: Decimal, currency: str, index: int, settings: Settings) -> wire.OrderRow:
    row = _article_row(
        "Round", settings.rounding_product, "rounding_product", "rounding", "", rest, ZERO, currency, settings
    )
    row.position = (index + 1) * 10
    return row


def _article_row(
    mode: str, article: str, label: str, row_id: str, name: str, net: Decimal, percent: Decimal, currency: str,
    settings: Settings,
) -> wire.OrderRow:  # fmt: skip
    if not article:
        raise RecordError(
            f"The order has a row of {net:f} {currency} for {name or row_id}, but the connection names no article "
            "for it.",
            path=label,
            hint=f"Set {label} to an article of Extend Commerce.",
        )
    return wire.OrderRow(
        product=wire.RowProduct(product_number=article),
        sales_data=wire.SalesData(
            quantity=Decimal(1), unit=settings.unit, unit_price=unit_price(net, Decimal(1)), vat_percent=percent,
            currency=currency,
        ),
        supply_mode=mode,
        external_row=wire.ExternalRow(external_row_id=row_id, free_text=name or None),
    )  # fmt: skip


def _numbered(rows: Iterator[wire.OrderRow]) -> Iterator[wire.OrderRow]:
    for index, row in enumerate(rows, 1):
        row.position = index * 10
        yield row


# -- header parts ----------------------------------------------------------------------------------


def _payment_type(order: Order, settings: Settings) -> str:
    method = order.payment.method
    if method in PAYMENT_TYPES:
        return method
    if settings.payment_type:
        return settings.payment_type
    raise RecordError(
        f"The payment {method or 'of the order, which names none,'} is no payment type of Extend Commerce.",
        path="payment.method",
        gap=Gap("payment", method),
    )


def _transactions(order: Order) -> list[wire.Transaction] | None:
    paid = order.payment
    if not paid.reference:
        return None
    return [
        wire.Transaction(
            payment_transaction_id=paid.reference,
            payment_provider=paid.title or paid.method or None,
            amount=f"{order.total:f}",
        )
    ]


def _delivery_address(to: Address, path: str) -> wire.Address:
    return wire.Address(
        name1=_needed(to.company or to.name, f"{path}.name"),
        name2=to.name if to.company and to.name else None,
        address1=_needed(to.street, f"{path}.street"),
        address2=to.street2 or None,
        address3=to.street3 or None,
        postal_code=to.postcode or None,
        city=_needed(to.city, f"{path}.city"),
        state=to.region or None,
        country_code=country(to.country, f"{path}.country"),
    )


def _invoice_address(to: Address) -> wire.Address:
    return wire.Address(
        name=_needed(to.company or to.name, "billing.name"),
        address1=_needed(to.street, "billing.street"),
        address2=to.street2 or None,
        address3=to.street3 or None,
        postal_code=to.postcode or None,
        city=_needed(to.city, "billing.city"),
        state=to.region or None,
        country_code=country(to.country, "billing.country"),
    )


def country(code: str, path: str) -> str:
    """A country as two letters in upper case; anything else is a gap."""
    if len(code) == 2 and code.isascii() and code.isalpha():
        return code.upper()
    raise RecordError(f"{code!r} is not a country of two letters.", path=path, gap=Gap("country", code))


def _filled(address: Address | None) -> Address | None:
    """The address, unless there is nothing in it that a parcel could be sent to."""
    return address if address is not None and (address.street or address.city or address.postcode) else None


def _needed(value: str, path: str) -> str:
    return value or fail(f"Extend Commerce needs {path}.", path=path)


def moment(at: datetime | None) -> str | None:
    """A time as the API reads it: ISO 8601 in UTC with its offset."""
    return at.strftime("%Y-%m-%dT%H:%M:%S+00:00") if at else None


# -- customers -------------------------------------------------------------------------------------


def from_customer(customer: Customer, settings: Settings) -> wire.Customer:
    """The body of a customer; `post_template` fills what is missing when it is created (vendor page section 7.5)."""
    to = _filled(customer.shipping_address) or _filled(customer.billing)
    if to is None:
        fail("Extend Commerce needs the address of a customer.", path="shipping_address")
    bill = _filled(customer.billing) or to
    name = customer.company or customer.name or customer.email
    return wire.Customer(
        post_template=settings.post_template or None,
        name=_needed(name, "name")[:180],
        organization_number=customer.organization_number or None,
        vat_number=customer.vat_number or None,
        invoice_email=customer.email or None,
        order_confirmation_email=customer.email or None,
        phone=customer.phone or None,
        customer_classification=wire.Classification(customer_type="Business" if customer.company else "Private"),
        customer_logistics_settings=wire.Logistics(
            customer_freight_agreement="standard", default_partial_delivery="Unknown"
        ),
        customer_invoice_address=wire.CustomerAddress(name=name, address=_place(bill, "billing")),
        customer_delivery_address=wire.CustomerAddress(address=_place(to, "shipping_address")),
    )


def _place(to: Address, path: str) -> wire.CustomerPlace:
    return wire.CustomerPlace(
        address1=_needed(to.street, f"{path}.street"),
        address2=to.street2 or None,
        address3=to.street3 or None,
        postal_code=_needed(to.postcode, f"{path}.postcode"),
        city=_needed(to.city, f"{path}.city"),
        state=to.region or None,
        country=country(to.country, f"{path}.country"),
    )
