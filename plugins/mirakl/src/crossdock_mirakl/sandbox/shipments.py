"""Shipments: several parcels of one order, where the operator allows them (vendor page section 7)."""

from __future__ import annotations

import random
import uuid
from datetime import datetime
from typing import Any

import attrs

from crossdock_mirakl.sandbox.clock import Clock, exact_date
from crossdock_mirakl.sandbox.order import Line, Order, Tracking, references
from crossdock_mirakl.sandbox.orders import OrderBook
from crossdock_mirakl.sandbox.platform import tracking
from crossdock_mirakl.sandbox.query import Query, seek_page
from crossdock_mirakl.sandbox.refusal import Refusal
from crossdock_mirakl.sandbox.wire import JsonObject

AT_ONCE = 1000
STATES = (
    "SHIPPING",
    "READY_FOR_PICK_UP",
    "SHIPMENT_PREPARED",
    "SHIPPED",
    "TO_COLLECT",
    "RECEIVED",
    "CANCELED",
    "CLOSED",
)


@attrs.frozen
class Packed:
    """So many pieces of a line in one shipment."""

    line: Line
    quantity: int
    package: str | None


@attrs.define
class Shipment:
    """One shipment of an order."""

    shipment_id: str
    order: Order
    packed: list[Packed]
    tracking: Tracking | None
    created: datetime
    warehouse: str | None
    invoice: str | None
    status: str = "SHIPPING"
    updated: datetime | None = None
    shipped: datetime | None = None


class Shipments:
    """The shipments of one shop."""

    def __init__(self, clock: Clock, book: OrderBook, *, seed: int) -> None:
        self.known: dict[str, Shipment] = {}
        self._clock = clock
        self._book = book
        self._random = random.Random(seed + 2)

    def _check_enabled(self) -> None:
        if not self._book.options.multi_shipment:
            raise Refusal("Multi-shipment is not enabled", 404)

    def create(self, body: JsonObject) -> JsonObject:
        """ST01: each shipment is taken or refused for itself, and a refusal names its order only."""
        self._check_enabled()
        success: list[JsonObject] = []
        errors: list[JsonObject] = []
        for row in _rows(body):
            try:
                success.append(self.view(self._create(row)))
            except Refusal as refusal:
                errors.append({"order_id": row.get("order_id"), "message": refusal.message})
        return {"shipment_success": success, "shipment_errors": errors}

    def _create(self, row: JsonObject) -> Shipment:
        order = self._book.orders.get(str(row.get("order_id")))
        if order is None:
            raise Refusal(f"No order with id '{row.get('order_id')}'.")
        if order.state != "SHIPPING":
            raise Refusal(f"The order status must be 'SHIPPING' but it is '{order.state}'.")
        given = row.get("tracking")
        known = tracking(given, self._book.options, url_field="tracking_url") if isinstance(given, dict) else None
        packed = self._packed(order, row.get("shipment_lines"))
        origin = row.get("shipping_from") or {}
        warehouse = (origin.get("warehouse") or {}).get("code")
        for each in packed:
            each.line.in_shipments += each.quantity
        key = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        made = Shipment(key, order, packed, known, self._clock.now(), warehouse, row.get("invoice_reference"))
        self.known[key] = made
        order.updated = self._clock.now()
        if row.get("shipped") is True:
            self._ship(made)
        return made

    def _packed(self, order: Order, rows: Any) -> list[Packed]:
        """The lines of a shipment, by line id or by SKU. Raises `Refusal`."""
        if not isinstance(rows, list) or not rows:
            raise Refusal("shipment_lines must not be empty.")
        packed: list[Packed] = []
        for row in rows:
            key, sku = row.get("order_line_id"), row.get("offer_sku")
            line = order.line(key) if key else next((each for each in order.lines if each.sku == sku), None)
            if line is None:
                raise Refusal(f"No order line with id '{key or sku}'.")
            quantity = row.get("quantity")
            taken = sum(each.quantity for each in packed if each.line is line)
            if isinstance(quantity, bool) or not isinstance(quantity, int) or quantity < 1:
                raise Refusal("Shipment quantity is invalid.")
            if quantity + taken > line.left_to_ship:
                raise Refusal("Shipment quantity is invalid.")
            packed.append(Packed(line, quantity, row.get("package_reference")))
        return packed

    def _ship(self, shipment: Shipment) -> None:
        now, order = self._clock.now(), shipment.order
        shipment.status, shipment.shipped = "SHIPPED", now
        for each in shipment.packed:
            each.line.shipped_quantity += each.quantity
            if each.line.shipped_quantity >= each.line.quantity:
                each.line.state, each.line.shipped = "SHIPPED", now
        if shipment.tracking is not None and order.tracking.carrier_name is None:
            order.tracking = shipment.tracking
        order.updated = now
        if all(each.state == "SHIPPED" for each in order.counting):
            self._book.shipped(order)

    def set_tracking(self, body: JsonObject) -> JsonObject:
        """ST23: another carrier or number, also after shipping."""

        def change(shipment: Shipment, row: JsonObject) -> None:
            given = row.get("tracking")
            if not isinstance(given, dict):
                raise Refusal("tracking is required.")
            shipment.tracking = tracking(given, self._book.options, url_field="tracking_url")

        return self._each(body, change)

    def ship(self, body: JsonObject) -> JsonObject:
        """ST24: shipments made before have left."""

        def change(shipment: Shipment, row: JsonObject) -> None:
            if shipment.status not in ("SHIPPING", "READY_FOR_PICK_UP", "SHIPMENT_PREPARED"):
                raise Refusal(f"The shipment status must be 'SHIPPING' but it is '{shipment.status}'.")
            self._ship(shipment)

        return self._each(body, change)

    def _each(self, body: JsonObject, change: Any) -> JsonObject:
        self._check_enabled()
        success: list[JsonObject] = []
        errors: list[JsonObject] = []
        for row in _rows(body):
            key = str(row.get("id"))
            try:
                if key not in self.known:
                    raise Refusal(f"No shipment with id '{key}'.")
                change(self.known[key], row)
                self.known[key].updated = self.known[key].order.updated = self._clock.now()
                success.append({"id": key})
            except Refusal as refusal:
                errors.append({"id": key, "message": refusal.message})
        return {"shipment_success": success, "shipment_errors": errors}

    def page(self, query: Query) -> JsonObject:
        """ST11: shipments by order, state and date of change."""
        self._check_enabled()

        def find(query: Query) -> list[Shipment]:
            orders, states = query.items("order_id"), query.items("shipment_state_code")
            since, until = query.date("last_updated_from"), query.date("last_updated_to")
            return [
                each
                for each in self.known.values()
                if (not orders or each.order.order_id in orders)
                and (not states or each.status in states)
                and (since is None or (each.updated or each.created) >= since)
                and (until is None or (each.updated or each.created) <= until)
            ]

        return seek_page(query, find, lambda each: f"{exact_date(each.created)} {each.shipment_id}", self.view)

    def items_to_ship(self, query: Query) -> JsonObject:
        """ST12: what is in no shipment yet, by order."""
        self._check_enabled()

        def find(query: Query) -> list[Order]:
            orders, centres = query.items("order_id"), query.items("fulfillment_center_code")
            since, until = query.date("shipping_date_from"), query.date("shipping_date_to")
            return [
                each
                for each in self._book.orders.values()
                if each.shipping_since is not None
                and any(line.left_to_ship for line in each.lines)
                and (not orders or each.order_id in orders)
                and (not centres or each.fulfilment in centres)
                and (since is None or each.shipping_since >= since)
                and (until is None or each.shipping_since <= until)
            ]

        return seek_page(query, find, lambda each: f"{exact_date(each.shipping_since)} {each.order_id}", _to_ship)

    def view(self, shipment: Shipment) -> JsonObject:
        """A shipment as ST01 and ST11 answer it."""
        return {
            "id": shipment.shipment_id,
            "order_id": shipment.order.order_id,
            "created_date": exact_date(shipment.created),
            "last_updated_date": exact_date(shipment.updated),
            "shipped_date": exact_date(shipment.shipped),
            "invoice_reference": shipment.invoice,
            "payment_details": None,
            "shipment_additional_information": None,
            "shipment_lines": [
                {
                    "offer_sku": each.line.sku,
                    "order_line_id": each.line.line_id,
                    "package_reference": each.package,
                    "quantity": each.quantity,
                }
                for each in shipment.packed
            ],
            "shipping_from": {
                "address": None,
                "warehouse": {"code": shipment.warehouse} if shipment.warehouse else None,
            },
            "status": shipment.status,
            "status_customer_debit": "NO_DEBIT",
            "tracking": _tracking_view(shipment.tracking),
        }

    def told(self) -> list[JsonObject]:
        """Every shipment for `state`."""
        return [self.view(each) for each in self.known.values()]


def _rows(body: JsonObject) -> list[JsonObject]:
    rows = body.get("shipments")
    if not isinstance(rows, list) or not 1 <= len(rows) <= AT_ONCE:
        raise Refusal(f"shipments must hold 1 to {AT_ONCE} elements", code="VALIDATION_ERROR", field="shipments")
    return [each if isinstance(each, dict) else {} for each in rows]


def _tracking_view(found: Tracking | None) -> JsonObject | None:
    """Of an unregistered carrier only the name and what belongs to it are shown."""
    if found is None:
        return None
    if found.carrier_code is None:
        values = attrs.asdict(found)
        return {name: values[name] for name in ("carrier_name", "tracking_number", "tracking_url")}
    return attrs.asdict(found) | {"milestones": [], "last_known_location": None, "validity_status": None}


def _to_ship(order: Order) -> JsonObject:
    return {
        "fulfillment": {"center": {"code": order.fulfilment}},
        "order_id": order.order_id,
        "references": references(order),
        "shipment_lines": [
            {
                "offer_sku": each.sku,
                "order_line_id": each.line_id,
                "package_reference": None,
                "product_title": each.title,
                "quantity": each.left_to_ship,
            }
            for each in order.lines
            if each.left_to_ship
        ],
        "shipping_address": order.addresses[1],
        "shipping_date": exact_date(order.shipping_since),
        "shipping_deadline": exact_date(order.deadline),
        "shipping_type_code": "STD",
        "shipping_type_standard_code": "CU_ADD-STD",
    }
