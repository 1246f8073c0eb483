"""One order as the vendor keeps it, and how it is written on the wire (vendor page section 7.1)."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from zlib import crc32

import attrs

from crossdock_extendcommerce.sandbox.clock import STOCKHOLM, wire_date
from crossdock_extendcommerce.sandbox.fields import (
    DELIVERY_ADDRESS,
    GOODS,
    INVOICE_ADDRESS,
    PRODUCT,
    SALES_DATA,
    STOCKED,
    JsonObject,
)
from crossdock_extendcommerce.sandbox.stock import Place

FROZEN = frozenset(("Reserved", "PartiallyDelivered", "Terminated", "Annulled"))
CLOSED_ROWS = frozenset(("Picked", "Annulled"))
_ROW_NUMBERS = ("quantity", "unitPrice", "vatPercent", "unitExplicitCost", "listPrice")


@attrs.define
class Order:
    """An order: the header as posted and completed, rows and shipments as on the wire."""

    number: str | None
    status: str
    ordered: datetime
    asked: datetime
    header: JsonObject
    rows: list[JsonObject]
    changed: datetime | None = None
    shipments: list[JsonObject] = attrs.field(factory=list)

    @property
    def external(self) -> str:
        """The caller's own number, empty when there is none."""
        return str(self.header.get("orderNumberExternal") or "")

    @property
    def frozen(self) -> bool:
        """Whether the warehouse has it: from here no change is allowed (vendor page section 8)."""
        return self.status in FROZEN or any(row["orderRowStatus"] in ("Reserved", "Picked") for row in self.rows)

    @property
    def total(self) -> float:
        """The price of the active rows excluding VAT."""
        return float(sum((quantity(row) * price(row) for row in self.rows if is_active(row)), Decimal(0)))


def quantity(row: JsonObject) -> Decimal:
    """The ordered quantity of a row."""
    return Decimal(str(row["salesData"]["quantity"]))


def price(row: JsonObject) -> Decimal:
    """The unit price of a row, excluding VAT."""
    return Decimal(str(row["salesData"]["unitPrice"] or 0))


def is_active(row: JsonObject) -> bool:
    """Whether the row still counts."""
    return bool(row["rowOperation"] == "Active" and row["orderRowStatus"] != "Annulled")


def is_goods(row: JsonObject) -> bool:
    """Whether the row is something to ship; freight, discounts and the like are rows too."""
    return row["supplyMode"] in GOODS


def is_open(row: JsonObject) -> bool:
    """Whether the row is goods still to be shipped."""
    return is_goods(row) and is_active(row) and row["orderRowStatus"] not in CLOSED_ROWS


def holdings(rows: Iterable[JsonObject]) -> dict[Place, Decimal]:
    """What the open rows promise, by product and warehouse."""
    held: dict[Place, Decimal] = {}
    for row in rows:
        if is_open(row) and row["supplyMode"] in STOCKED and row["warehouse"]:
            place = (row["product"]["productNumber"], row["warehouse"])
            held[place] = held.get(place, Decimal(0)) + quantity(row)
    return held


def row_id(number: str | None, position: int, sub: int) -> str:
    """The row's guid, the same each time."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{number}:{position}:{sub}"))


def delivery_dates(asked: datetime) -> JsonObject:
    """Shipped at 15:00 the day before the asked day, expected at 16:00 on it, Swedish time: as in the samples."""
    day = asked.astimezone(STOCKHOLM).replace(hour=0, minute=0, second=0, microsecond=0)
    return {
        "shipDate": wire_date((day - timedelta(days=1)).replace(hour=15)),
        "expectedDeliveryDate": wire_date(day.replace(hour=16)),
    }


def sales_data(given: JsonObject) -> JsonObject:
    """A salesData with every field, numbers as numbers."""
    whole: JsonObject = dict.fromkeys(SALES_DATA) | given
    for name in _ROW_NUMBERS:
        if whole[name] is not None:
            whole[name] = float(whole[name])
    return whole


def delivery_data(sales: JsonObject) -> JsonObject:
    """The deliveryData of a row: the same as ordered, without a list price, also while nothing has shipped."""
    return {**sales, "listPrice": None}


def product_part(given: JsonObject, name: str) -> JsonObject:
    """The product part of a row, named from the catalogue when the caller gave no name."""
    part = dict.fromkeys(PRODUCT) | {key: value for key, value in given.items() if value is not None}
    part["productName"] = part["productName"] or name
    part["productNotes"] = part["productNotes"] or ""
    return part


def render(order: Order, *, added_fields: bool) -> JsonObject:
    """The CustomerOrder as answered."""
    header = order.header
    shown: JsonObject = {
        "orderNumber": order.number,
        "orderType": header.get("orderType") or "Normal",
        "orderNumberExternal": header.get("orderNumberExternal") or "",
        "orderNumberEndCustomer": header.get("orderNumberEndCustomer"),
        "orderDate": wire_date(order.ordered, f"ordered{order.number}"),
        "orderStatus": order.status,
        "customerNumber": header["customerNumber"],
        "askedDeliveryDate": wire_date(order.asked),
        "partialDelivery": header["partialDelivery"],
        "freightFree": bool(header.get("freightFree")),
        "paymentType": header.get("paymentType"),
        "deliveryMethod": header.get("deliveryMethod"),
        "deliveryAddress": dict.fromkeys(DELIVERY_ADDRESS) | header["deliveryAddress"],
        "invoiceAddress": dict.fromkeys(INVOICE_ADDRESS) | header["invoiceAddress"],
        "shipments": order.shipments,
        "external": header.get("external"),
        "salesChannel": header.get("salesChannel"),
        "customerInvoices": [],
        "totalPrice": order.total,
        "changeDate": _change_date(order),
        "slaDate": None,
    }
    shown |= {name: value for name, value in header.items() if name not in shown}
    if added_fields:
        shown["aFieldAddedLater"] = "ignore me"
    return {"orderHeader": shown, "orderRows": order.rows}


def list_row(order: Order, customer_name: str) -> JsonObject:
    """The CustomerOrderListItem."""
    return {
        "orderNumber": order.number,
        "orderNumberExternal": order.external,
        "orderType": order.header.get("orderType") or "Normal",
        "orderStatus": order.status,
        "orderDate": wire_date(order.ordered, f"ordered{order.number}"),
        "askedDeliveryDate": wire_date(order.asked),
        "slaDate": None,
        "customerNumber": order.header["customerNumber"],
        "customerName": customer_name,
        "totalPrice": order.total,
        "changeDate": _change_date(order, offset=crc32((order.number or "").encode()) % 3 > 0),
    }


def _change_date(order: Order, *, offset: bool = True) -> str | None:
    return None if order.changed is None else wire_date(order.changed, f"changed{order.number}", offset=offset)
