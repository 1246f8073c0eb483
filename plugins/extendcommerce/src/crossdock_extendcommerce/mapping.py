"""From Extend Commerce's payloads to our records: pure. Freight, discount and rounding rows are charges, not goods."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Literal

from crossdock import (
    Address,
    Balance,
    Charge,
    Customer,
    Incoming,
    Order,
    OrderLine,
    OrderStatus,
    Party,
    Payment,
    Price,
    Product,
    Tax,
    Variant,
)
from crossdock.mapping import required, text, utc
from crossdock_extendcommerce import wire
from crossdock_extendcommerce.outgoing import KEY_LABEL, NUMBER_LABEL, external_number
from crossdock_extendcommerce.totals import ZERO, amounts, merged

# Vendor page sections 7.1 and 9; that Terminated means done and Annulled cancelled is a reading of theirs.
STATUSES: Mapping[str, OrderStatus] = {
    "Created": "pending", "Incoming": "processing", "IncomingWithErrors": "on_hold", "Reserved": "processing",
    "PartiallyDelivered": "partially_shipped", "Terminated": "completed", "Annulled": "cancelled",
    "OnHoldPayment": "on_hold", "OnHoldManual": "on_hold", "Pause": "on_hold", "PendingForReview": "on_hold",
    "Draft": "draft", "DraftAllocation": "draft",
}  # fmt: skip

# Rows of an order that are no goods (vendor page section 7.1, supplyMode).
CHARGES: Mapping[str, Literal["shipping", "fee", "rounding"]] = {
    "Freight": "shipping", "Discount": "fee", "PaymentPenalty": "fee", "PaymentDiscrepancy": "fee",
    "Round": "rounding",
}  # fmt: skip

_BALANCES = {
    "A": "available_balance_now",
    "B": "available_balance_now_b",
    "C": "available_balance_now_c",
    "physical": "physical_balance",
}
_CM_PER_M = Decimal(100)


# -- orders ----------------------------------------------------------------------------------------


def charge_kind(row: wire.OrderRow) -> Literal["shipping", "fee", "rounding"] | None:
    """What kind of charge a row is; `None` for goods. A service is goods unless we wrote it as a fee."""
    kind = CHARGES.get(row.supply_mode or "")
    if kind is None and row.supply_mode == "Service" and row_key(row).startswith("fee:"):
        return "fee"
    return kind


def row_key(row: wire.OrderRow) -> str:
    """The key of the source order's line that the row was made from, or nothing."""
    return text(row.external_row.external_row_id) if row.external_row else ""


def counted_rows(order: wire.CustomerOrder) -> list[wire.OrderRow]:
    """The rows that count: without cancelled ones, unless the whole order is cancelled; split rows put together."""
    rows = order.order_rows or []
    header = order.order_header
    if header is None or header.order_status != "Annulled":
        rows = [row for row in rows if row.order_row_status != "Annulled" and row.row_operation != "Inactive"]
    return merged(rows)


def to_order(order: wire.CustomerOrder) -> Order:
    """An `Order`; amounts are net, `total` is what `totals.gross_total` makes of the rows that count."""
    header = order.order_header or wire.OrderHeader()
    number = text(required(header.order_number, "orderHeader.orderNumber"))
    rows = counted_rows(order)
    currency = next((row.sales_data.currency for row in rows if row.sales_data and row.sales_data.currency), "")
    lines: list[OrderLine] = []
    charges: list[Charge] = []
    total = total_tax = ZERO
    for index, row in enumerate(rows):
        net, tax = amounts(row, currency)
        total += net + tax
        total_tax += tax
        kind = charge_kind(row)
        if kind is None:
            lines.append(_line(row, index, net, tax))
        else:
            charges.append(_charge(row, kind, net, tax))
    meta = {each.meta_data_label: each.meta_data_value for each in header.order_meta_data or ()}
    status = header.order_status or ""
    return Order(
        key=number,
        number=number,
        channel=header.sales_channel or "",
        status=STATUSES.get(status, "unknown"),
        raw_status=status,
        placed_at=utc(header.order_date, "orderHeader.orderDate", wire.ZONE),
        currency=currency,
        customer=Party(
            key=text(header.customer_number),
            name=_name(header.invoice_address) or _name(header.delivery_address),
            email=header.delivery_email or "",
            phone=text(header.deliery_phone_number),
        ),
        billing=_address(header.invoice_address),
        shipping_address=_address(header.delivery_address),
        lines=tuple(lines),
        charges=tuple(charges),
        total=total,
        total_tax=total_tax,
        payment=Payment(method=header.payment_type or "", reference=_transaction(header)),
        note=(header.notations.notes or "") if header.notations else "",
        references=_references(header, meta),
        ship_by=utc(header.asked_delivery_date, "orderHeader.askedDeliveryDate", wire.ZONE),
        extras=_extras(header),
        updated_at=utc(header.change_date, "orderHeader.changeDate", wire.ZONE),
    )


def _line(row: wire.OrderRow, index: int, net: Decimal, tax: Decimal) -> OrderLine:
    sold, product = row.sales_data or wire.SalesData(), row.product or wire.RowProduct()
    extras = {"warehouse": text(row.warehouse)} if row.warehouse else {}
    if sold.unit:
        extras["unit"] = sold.unit
    return OrderLine(
        key=row_key(row) or str(row.position or f"row-{index}"),
        sku=text(product.product_number),
        name=product.product_name or "",
        quantity=sold.quantity or ZERO,
        unit_price=sold.unit_price or ZERO,
        total=net,
        tax=tax,
        taxes=(Tax(rate=sold.vat_percent, amount=tax),) if sold.vat_percent is not None else (),
        status=row.order_row_status or "",
        extras=extras,
    )


def _charge(row: wire.OrderRow, kind: Literal["shipping", "fee", "rounding"], net: Decimal, tax: Decimal) -> Charge:
    sold, product = row.sales_data or wire.SalesData(), row.product or wire.RowProduct()
    return Charge(
        key=row_key(row) or str(row.position or ""),
        kind=kind,
        code=text(product.product_number),
        name=product.product_name or "",
        total=net,
        tax=tax,
        taxes=(Tax(rate=sold.vat_percent, amount=tax),) if sold.vat_percent is not None else (),
    )


def _references(header: wire.OrderHeader, meta: Mapping[str | None, str | None]) -> dict[str, str]:
    found: dict[str, str] = {}
    external = text(header.order_number_external)
    if external:
        key = meta.get(KEY_LABEL) or ""
        found["external"] = key if key and external_number(key) == external else external
    number = meta.get(NUMBER_LABEL) or (header.external.free_text if header.external else None)
    if number:
        found["number"] = number
    if header.order_number_end_customer:
        found["end_customer"] = text(header.order_number_end_customer)
    return found


def _extras(header: wire.OrderHeader) -> dict[str, str]:
    pairs = (("orderType", header.order_type), ("deliveryMethod", header.delivery_method))
    return {name: value for name, value in pairs if value}


def _transaction(header: wire.OrderHeader) -> str:
    return text(header.payment_transactions[0].payment_transaction_id) if header.payment_transactions else ""


def _name(address: wire.Address | None) -> str:
    return (address.name or address.name1 or "") if address else ""


def _address(address: wire.Address | None) -> Address | None:
    if address is None:
        return None
    company = address.name1 if address.name2 else None
    return Address(
        name=address.name2 or address.name1 or address.name or "",
        company=company or "",
        street=address.address1 or "",
        street2=address.address2 or "",
        street3=address.address3 or "",
        postcode=text(address.postal_code),
        city=address.city or "",
        region=address.state or "",
        country=(address.country_code or "").upper(),
    )


# -- balance, prices, products, customers ----------------------------------------------------------


def to_balance(item: wire.Availability, field: str, as_of: datetime) -> Balance:
    """A `Balance` with the configured kind of availability (A, B, C or physical); below zero when oversold."""
    available: Decimal | None = getattr(item, _BALANCES[field])
    arriving, quantity = item.next_receiving_date, item.quantity_on_next_receiving
    extras = {"blocked": f"{item.blocked_balance:f}"} if item.blocked_balance else {}
    return Balance(
        sku=text(required(item.product_number, "productNumber")),
        warehouse=text(item.warehouse),
        available=required(available, f"the balance of kind {field}"),
        physical=item.physical_balance,
        incoming=(
            (Incoming(quantity=quantity, expected_at=utc(arriving, "nextReceivingDate", wire.ZONE)),)
            if quantity and quantity > 0
            else ()
        ),
        extras=extras,
        as_of=as_of,
        updated_at=utc(item.change_date, "changeDate", wire.ZONE),
    )


def to_price(item: wire.PriceItem, currency: str) -> Price:
    """A `Price` of one tier, without VAT (the vendor's prices are net elsewhere; here it is not written)."""
    return Price(
        sku=text(required(item.product_number, "productNumber")),
        amount=required(item.price, "price"),
        currency=item.currency or currency,
        from_quantity=item.from_quantity or Decimal(1),
        list_price=item.list_price,
        tax_rate=item.vat_percent,
        extras={"salesUnit": item.sales_unit} if item.sales_unit else {},
    )


def to_product(product: wire.Product) -> Product:
    """A `Product`; measures come in metres and kilograms, which is what the vendor's example suggests."""
    number = text(required(product.product_number, "productNumber"))
    data = product.product_data or wire.ProductData()
    groups = data.product_groups_and_categories or wire.Groups()
    size = data.product_measurements or wire.Measurements()
    transport = data.product_transport_details or wire.TransportDetails()
    services = data.product_services or wire.Services()
    dates = data.product_dates or wire.Dates()
    gtin = text(data.gtin) or text(transport.ean).split(",")[0].strip()
    variants = tuple(_variant(each) for each in data.product_variants or ())
    return Product(
        key=number,
        sku=number,
        gtin=gtin,
        name=data.product_name or "",
        description=data.product_description or "",
        brand=data.manufacturer or "",
        categories=tuple(groups.product_categories or ()),
        image_urls=(data.media.image_url,) if data.media and data.media.image_url else (),
        enabled=data.enabled is not False and not data.annulled and data.product_visibility != "NonPublic",
        type="variable" if variants else "simple",
        unit=data.product_unit or "",
        weight=size.weight or None,
        length=_centimetres(size.length),
        width=_centimetres(size.width),
        height=_centimetres(size.height),
        country_of_origin=data.country_of_origin or "",
        customs_code=text(transport.customs_commodity_code),
        tax_class=text(groups.vat_category),
        variants=variants,
        extras={
            name: value
            for name, value in (
                ("supplyMode", services.supply_mode), ("productHandlings", services.product_handlings),
                ("companyGroup", groups.company_group), ("infoUrl", data.media.info_url if data.media else None),
                ("manufacturerProductNumber", text(data.manufacturer_product_number)),
            )
            if value
        },
        updated_at=utc(dates.changed_date, "productData.productDates.changedDate", wire.ZONE),
    )  # fmt: skip


def _variant(variant: wire.ProductVariant) -> Variant:
    number = text(required(variant.product_number, "productData.productVariants.productNumber"))
    attributes = {each.attribute_type or "": text(each.attribute_value) for each in variant.product_attributes or ()}
    return Variant(key=number, sku=number, attributes=attributes)


def _centimetres(metres: Decimal | None) -> Decimal | None:
    return metres * _CM_PER_M if metres else None


def to_customer(customer: wire.Customer) -> Customer:
    """A `Customer`."""
    number = text(required(customer.customer_number, "customerNumber"))
    kind = customer.customer_classification or wire.Classification()
    name = " ".join(part for part in (customer.name, customer.last_name) if part)
    bill, to = customer.customer_invoice_address, customer.customer_delivery_address
    return Customer(
        key=number,
        number=number,
        name=name,
        company=name if kind.customer_type in ("Business", "Reseller") else "",
        email=customer.order_confirmation_email or customer.invoice_email or "",
        phone=text(customer.phone),
        vat_number=text(customer.vat_number),
        organization_number=text(customer.organization_number),
        billing=_place(bill, name),
        shipping_address=_place(to, name),
        group=kind.company_group or "",
        extras={"customerType": kind.customer_type} if kind.customer_type else {},
        updated_at=utc(customer.change_date, "changeDate", wire.ZONE),
    )


def _place(address: wire.CustomerAddress | None, name: str) -> Address | None:
    if address is None or address.address is None:
        return None
    place = address.address
    return Address(
        name=address.name or name,
        street=place.address1 or "",
        street2=place.address2 or "",
        street3=place.address3 or "",
        postcode=text(place.postal_code),
        city=place.city or "",
        region=place.state or "",
        country=(place.country or "").upper(),
    )
