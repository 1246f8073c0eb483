"""What the vendor's own people do to an order: reserve, pick, terminate (vendor page section 9)."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from crossdock_extendcommerce.sandbox.catalogue import Catalogue
from crossdock_extendcommerce.sandbox.clock import Clock, wire_date
from crossdock_extendcommerce.sandbox.fields import STOCKED, JsonObject
from crossdock_extendcommerce.sandbox.order import (
    Order,
    delivery_data,
    is_active,
    is_goods,
    is_open,
    quantity,
    row_id,
)
from crossdock_extendcommerce.sandbox.orders import OrderBook
from crossdock_extendcommerce.sandbox.refusal import Refusal
from crossdock_extendcommerce.sandbox.stock import Emit, Stock

_PICKABLE = frozenset(("Incoming", "Reserved", "PartiallyDelivered"))


class Warehouse:
    """Reserves and ships orders, with stock, shipments, parcels and hooks."""

    def __init__(self, clock: Clock, stock: Stock, catalogue: Catalogue, book: OrderBook, emit: Emit) -> None:
        self._clock = clock
        self._stock = stock
        self._catalogue = catalogue
        self._book = book
        self._emit = emit
        self._shipments = itertools.count(880001)
        self._parcels = itertools.count(1)

    def open_orders(self) -> list[Order]:
        """The orders with goods to ship that nobody holds up."""
        return [
            order
            for order in self._book.orders.values()
            if order.status in _PICKABLE and any(is_open(row) for row in order.rows)
        ]

    def reserve(self, number: str) -> Order:
        """Send the open rows to the warehouse: the order is frozen from now on. Raises `ValueError`."""
        order = self._pickable(number)
        rows = [row for row in order.rows if is_open(row) and row["orderRowStatus"] != "Reserved"]
        if not rows:
            return order
        for row in rows:
            row["orderRowStatus"] = "Reserved"
        if order.status == "Incoming":
            order.status = "Reserved"
        self._book.stamp(order, rows)
        self._notify("OrderReserved", order, rows)
        return order

    def pick(
        self,
        number: str,
        rows: Sequence[int] | None,
        quantities: Mapping[int, Decimal] | None,
        parcels: Sequence[str] | None,
        forwarder: str,
    ) -> Order:
        """Ship these quantities by position (or these positions, or everything) and reserve first what is not.

        Raises `ValueError` for more than is open, or for a part of an order that must be delivered whole.
        """
        order = self._pickable(number)
        wanted = self._wanted(order, rows, quantities)
        takes = _takes(order, wanted)
        whole = sum(wanted.values()) == sum(_open_by_position(order).values())
        if not whole and not order.header["partialDelivery"]:
            raise ValueError(f"Order {number} must be delivered whole: its partialDelivery is false.")
        self.reserve(number)
        picked = [self._ship_row(order, row, take) for row, take in takes]
        self._make_shipments(order, picked, parcels, forwarder)
        for row in order.rows:
            if is_active(row) and not is_goods(row):
                row["orderRowStatus"] = "Picked"
        order.rows.sort(key=lambda row: (row["position"], row["subPosition"]))
        order.status = "Terminated" if whole else "PartiallyDelivered"
        self._book.stamp(order, order.rows)
        self._notify("OrderPicked", order, picked)
        if not whole:
            self._emit("OrderDeliveryDataChanged", [{"OrderNumber": order.number}])
        self._stock.settle()
        return order

    def half(self, order: Order) -> dict[int, Decimal]:
        """About half of an order, by position; everything where it can not be halved or must go whole."""
        everything = _open_by_position(order)
        if not order.header["partialDelivery"] or order.status == "PartiallyDelivered":
            return everything
        halves = {position: each // 2 for position, each in everything.items() if each // 2 > 0}
        return halves or dict(itertools.islice(everything.items(), (len(everything) + 1) // 2))

    def terminate(self, number: str) -> Order:
        """Close the order; what has not shipped is given up. Raises `ValueError`."""
        order = self._known(number)
        before = copy.deepcopy(order.rows)
        for row in order.rows:
            if is_open(row):
                row["rowOperation"], row["orderRowStatus"] = "Inactive", "Annulled"
        self._book.hold(before, order.rows)
        order.status = "Terminated"
        self._book.stamp(order, order.rows)
        self._stock.settle()
        return order

    def annul(self, number: str) -> Order:
        """Cancel the complete order, also a reserved one. Raises `ValueError` once something has shipped."""
        order = self._known(number)
        if order.shipments or order.status in ("Terminated", "Annulled"):
            raise ValueError(f"Order {number} is {order.status} and can not be annulled.")
        self._book.annul(order)
        return order

    def set_status(self, number: str, status: str, row_status: str | None) -> Order:
        """Put an order and its open rows in any status, also one no client knows yet. Raises `ValueError`."""
        order = self._known(number)
        order.status = status
        rows = [row for row in order.rows if is_active(row) and row["orderRowStatus"] != "Picked"]
        for row in rows:
            row["orderRowStatus"] = row_status or status
        self._book.stamp(order, rows)
        return order

    def _known(self, number: str) -> Order:
        try:
            return self._book.get(number)
        except Refusal:
            raise ValueError(f"There is no order {number}.") from None

    def _pickable(self, number: str) -> Order:
        order = self._known(number)
        if order.status not in _PICKABLE:
            raise ValueError(f"Order {number} is {order.status} and can not be picked.")
        return order

    def _wanted(
        self, order: Order, rows: Sequence[int] | None, quantities: Mapping[int, Decimal] | None
    ) -> dict[int, Decimal]:
        everything = _open_by_position(order)
        if quantities is None:
            positions = list(everything) if rows is None else rows
            wanted = {position: everything.get(position, Decimal(0)) for position in positions}
        else:
            wanted = dict(quantities)
        for position, each in wanted.items():
            if not 0 < each <= everything.get(position, Decimal(0)):
                there = f"{everything.get(position, Decimal(0)).normalize():f}"
                raise ValueError(f"Order {order.number} has {there} open at position {position}, not {each}.")
        if not wanted:
            raise ValueError(f"Order {order.number} has nothing to pick.")
        return wanted

    def _ship_row(self, order: Order, row: JsonObject, take: Decimal) -> JsonObject:
        """Mark `take` of the row as shipped; what is left goes on as a new row with the next subPosition."""
        left = quantity(row) - take
        product, place = row["product"]["productNumber"], row["warehouse"]
        if row["supplyMode"] in STOCKED and place:
            self._stock.change(product, place, physical=-take, ordered=-take)
        if left:
            rest = copy.deepcopy(row)
            rest["subPosition"] = 1 + max(
                each["subPosition"] for each in order.rows if each["position"] == row["position"]
            )
            _set_quantity(rest, left)
            rest["orderRowStatus"] = "Incoming"
            rest["orderRowId"] = row_id(order.number, rest["position"], rest["subPosition"])
            rest["allocationStatus"] = self._stock.allocation(product, place) if place else "Purchase"
            order.rows.append(rest)
            _set_quantity(row, take)
        row["orderRowStatus"], row["allocationStatus"] = "Picked", "Delivered"
        return row

    def _make_shipments(
        self, order: Order, picked: Sequence[JsonObject], parcels: Sequence[str] | None, forwarder: str
    ) -> None:
        """One shipment per warehouse; parcel numbers given go to the first, others get one each."""
        now = self._clock.now()
        left = None if parcels is None else list(parcels)
        for place in dict.fromkeys(row["warehouse"] for row in picked):
            number = f"S-{next(self._shipments)}"
            packages = left if left is not None else [f"SANDBOX{next(self._parcels):010d}SE"]
            left = None
            weight = Decimal(0)
            for row in (each for each in picked if each["warehouse"] == place):
                row["shipmentNumber"] = number
                product = self._catalogue.get(row["product"]["productNumber"])
                weight += quantity(row) * Decimal(str(product.weight))
            order.shipments.append(
                {
                    "shipmentNumber": number,
                    "shipmentReference": order.header.get("shipmentReference") or order.external,
                    "createDate": wire_date(now, number),
                    "packages": packages,
                    "numberPackages": len(packages),
                    "transportWeight": float(weight),
                    "transportVolume": 0.0,
                    "pickDate": wire_date(now),
                    "forwarder": forwarder,
                    "deliveryMethod": order.header.get("deliveryMethod"),
                }
            )

    def _notify(self, trigger: str, order: Order, rows: Iterable[JsonObject]) -> None:
        places = dict.fromkeys(row["warehouse"] for row in rows)
        self._emit(trigger, [{"OrderNumber": order.number, "Warehouse": place} for place in places])


def _open_by_position(order: Order) -> dict[int, Decimal]:
    found: dict[int, Decimal] = {}
    for row in order.rows:
        if is_open(row):
            found[row["position"]] = found.get(row["position"], Decimal(0)) + quantity(row)
    return found


def _takes(order: Order, wanted: Mapping[int, Decimal]) -> list[tuple[JsonObject, Decimal]]:
    left = dict(wanted)
    takes: list[tuple[JsonObject, Decimal]] = []
    for row in order.rows:
        take = min(left.get(row["position"], Decimal(0)), quantity(row)) if is_open(row) else Decimal(0)
        if take > 0:
            left[row["position"]] -= take
            takes.append((row, take))
    return takes


def _set_quantity(row: JsonObject, amount: Decimal) -> None:
    row["salesData"] = {**row["salesData"], "quantity": float(amount)}
    row["deliveryData"] = delivery_data(row["salesData"])
