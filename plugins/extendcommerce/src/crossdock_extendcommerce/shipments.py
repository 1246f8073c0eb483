"""What was shipped of an order, read from its picked rows and its parcel lists (vendor page section 9)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import msgspec

from crossdock import Parcel, RecordError, Row, Shipment, ShipmentLine, evolve
from crossdock.mapping import required, text, utc
from crossdock_extendcommerce import wire
from crossdock_extendcommerce.mapping import charge_kind, row_key

# The API gives no tracking address for customer orders (vendor page section 9), so it is built from the forwarder.
# The first word that occurs in the forwarder's name wins.
TRACKING: Mapping[str, str] = {
    "dhl": "https://www.dhl.com/global-en/home/tracking.html?tracking-id={number}",
    "postnord": "https://tracking.postnord.com/en/tracking?id={number}",
    "schenker": "https://www.dbschenker.com/app/tracking-public/?refNumber={number}",
    "ups": "https://www.ups.com/track?tracknum={number}",
    "gls": "https://gls-group.com/track/{number}",
    "dpd": "https://tracking.dpd.de/status/en_US/parcel/{number}",
    "fedex": "https://www.fedex.com/fedextrack/?trknbr={number}",
    "bring": "https://tracking.bring.com/tracking/{number}",
    "budbee": "https://tracking.budbee.com/{number}",
}
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

# An order in one of these states has never been picked; anything else may have been, also words we do not know.
UNSHIPPED = frozenset(("Created", "Incoming", "Draft", "DraftAllocation", "Subscription", "PendingForReview"))


def tracking_table(configured: tuple[str, ...]) -> dict[str, str]:
    """Templates by forwarder in lower case, the configured ``Forwarder=https://…{number}`` first."""
    own = (each.partition("=") for each in configured)
    return {name.strip().casefold(): url.strip() for name, _, url in own if url} | dict(TRACKING)


def tracking_url(forwarder: str, number: str, table: Mapping[str, str]) -> str:
    """The address to follow a parcel, or nothing for a forwarder that the table does not know."""
    name = forwarder.casefold()
    words = set(name.replace("-", " ").split())
    # Short names must be words of their own: "ups" is also in "Groups".
    template = next((url for word, url in table.items() if word in words or (len(word) > 3 and word in name)), "")
    return template.replace("{number}", quote(number, safe="")) if template and number else ""


def to_shipments(order: wire.CustomerOrder, table: Mapping[str, str]) -> tuple[list[Shipment], list[RecordError]]:
    """One `Shipment` per shipment number, oldest first; the newest completes the order when nothing is open.

    Beside them the errors of those that cannot be read, each with its key: then none completes the order.

    A picked row without a shipment number (delivered by the supplier) is a shipment of its own, so that what was
    reported once never changes.
    """
    header = order.order_header or wire.OrderHeader()
    number = text(required(header.order_number, "orderHeader.orderNumber"))
    goods = [row for row in order.order_rows or () if charge_kind(row) is None and row.row_operation != "Inactive"]
    open_rows = [row for row in goods if row.order_row_status not in ("Picked", "Annulled")]
    parcels = {text(each.shipment_number): each for each in header.shipments or ()}
    groups: dict[str, list[wire.OrderRow]] = {}
    for row in goods:
        if row.order_row_status == "Picked":
            groups.setdefault(_group(row), []).append(row)
    changed = utc(header.change_date, "orderHeader.changeDate", wire.ZONE)
    found: list[Shipment] = []
    broken: list[RecordError] = []
    for group, rows in groups.items():
        try:
            found.append(_shipment(number, group, rows, parcels.get(group, wire.HeaderShipment()), changed, table))
        except RecordError as error:
            error.key = _key(number, group)
            broken.append(error)
    found.sort(key=lambda each: (each.shipped_at or _LONG_AGO, each.key))
    if found and not open_rows and not broken:
        found[-1] = evolve(found[-1], completes_order=True)
    return found, broken


def unreadable(row: Row[Any]) -> list[Row[Any]]:
    """The shipments of an order that cannot be read, each as a reject under its own key; the order's when it has none.

    What is parked under the key of a shipment is forgotten once that is read.
    """
    error = row.error or RecordError("The order is empty.")
    try:
        header = wire.SHIPPED.decode(row.raw).order_header or wire.ShippedHeader()
    except msgspec.MsgspecError:
        return [row]
    keys = [_key(text(header.order_number), text(each.shipment_number)) for each in header.shipments or ()]
    return [Row(row.raw, None, _of(error, key)) for key in keys] or [row]


def _of(error: RecordError, key: str) -> RecordError:
    """The same refusal of another record."""
    return RecordError(
        error.message, key=key, path=error.path, hint=error.hint, status=error.status,
        vendor_message=error.vendor_message,
    )  # fmt: skip


def _key(number: str, group: str) -> str:
    return f"{number}/{group}"


def _group(row: wire.OrderRow) -> str:
    return text(row.shipment_number) or "row-" + (text(row.order_row_id) or f"{row.position}.{row.sub_position or 0}")


def _shipment(
    number: str, group: str, rows: list[wire.OrderRow], parcels: wire.HeaderShipment, changed: datetime | None,
    table: Mapping[str, str],
) -> Shipment:  # fmt: skip
    forwarder = parcels.forwarder or ""
    packages = [text(each) for each in parcels.packages or () if each]
    tracked = tuple(Parcel(number=each, tracking_url=tracking_url(forwarder, each, table)) for each in packages)
    shipped = parcels.pick_date or parcels.create_date
    return Shipment(
        key=_key(number, group),
        order_key=number,
        number=group if parcels.shipment_number else "",
        carrier=forwarder,
        carrier_name=forwarder,
        tracking_number=tracked[0].number if tracked else "",
        tracking_url=tracked[0].tracking_url if tracked else "",
        parcels=tracked,
        lines=tuple(_lines(rows)),
        shipped_at=utc(shipped, "orderHeader.shipments.pickDate", wire.ZONE) or changed,
        extras={"deliveryMethod": parcels.delivery_method} if parcels.delivery_method else {},
        updated_at=changed,
    )


def _lines(rows: list[wire.OrderRow]) -> Iterator[ShipmentLine]:
    """Quantities per source line and article: a line that left in two rows of one shipment is one."""
    sums: dict[tuple[str, str], Decimal] = {}
    for row in rows:
        delivered = row.delivery_data.quantity if row.delivery_data else None
        quantity = delivered if delivered is not None else row.sales_data.quantity if row.sales_data else None
        key = (row_key(row), text(row.product.product_number) if row.product else "")
        sums[key] = sums.get(key, Decimal(0)) + (quantity or Decimal(0))
    for (line, sku), quantity in sums.items():
        yield ShipmentLine(order_line=line, sku=sku, quantity=quantity)
