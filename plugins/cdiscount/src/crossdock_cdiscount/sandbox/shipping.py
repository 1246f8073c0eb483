"""Shipments: ``POST /orders/{id}/shipments`` and its conditions (vendor page section 5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from crossdock_cdiscount.sandbox.book import OrderBook
from crossdock_cdiscount.sandbox.call import Answer, Call
from crossdock_cdiscount.sandbox.channels import CARRIERS, CDISCOUNT, Json
from crossdock_cdiscount.sandbox.clock import Clock
from crossdock_cdiscount.sandbox.orders import CANCEL_REQUEST, Line, Order
from crossdock_cdiscount.sandbox.problem import conflict, invalid, unprocessable

_LABELS = frozenset(label.lower() for _, label in CARRIERS)
_CODES = frozenset(code.lower() for code, _ in CARRIERS) - _LABELS
_OPEN = ("InPreparation", CANCEL_REQUEST)


class Dispatch:
    """Takes the parcels of the seller, and those of the marketplace's own warehouse."""

    def __init__(self, clock: Clock, book: OrderBook) -> None:
        self._clock = clock
        self._book = book

    def ship(self, call: Call) -> Answer:
        """Register parcels: all of them or, with a `Problem`, none."""
        order, parcels = self._book.find(call.path["order"]), call.array()
        for index, parcel in enumerate(parcels):
            _check_shape(f"[{index}]", parcel)
        if order.status != "InPreparation":
            raise conflict(f"Order {order.id} is in state {order.status}, not InPreparation.")
        lines = {line.id: line for line in order.lines}
        for index, parcel in enumerate(parcels):
            _check_lines(f"[{index}].orderLineIds", parcel["orderLineIds"], lines)
        if order.channel.id == CDISCOUNT:
            _check_complete(order, parcels)
        self._register(
            order, [(parcel, [lines[key] for key in dict.fromkeys(parcel["orderLineIds"])]) for parcel in parcels]
        )
        return Answer(status=201)

    def warehouse_ships(self, order_id: str, carrier: str = "Colissimo") -> Order:
        """The marketplace's warehouse ships the lines that are its own. Raises `ValueError`."""
        order = self._book.known(order_id)
        lines = [line for line in order.lines if not line.is_sellers and line.status in _OPEN]
        if order.status != "InPreparation" or not lines:
            raise ValueError(f"Order {order_id} ({order.status}) has nothing that the warehouse could ship.")
        parcel = {"parcelNumber": f"FBO{order.id[-7:]}", "carrierName": carrier, "trackingUrl": None}
        self._register(order, [(parcel, lines)])
        return order

    def _register(self, order: Order, parcels: Iterable[tuple[Mapping[str, Any], list[Line]]]) -> None:
        now, shipped = self._clock.now(), []
        for parcel, lines in parcels:
            kept: Json = {
                "parcelNumber": parcel["parcelNumber"],
                "carrierName": parcel["carrierName"],
                "trackingUrl": parcel.get("trackingUrl"),
            }
            for line in lines:
                line.parcels.append(dict(kept))
                shipped.append(line)
        for line in shipped:
            line.status = "Shipped"
        order.stamp(now)
        self._book.close(order, now)


def _check_shape(where: str, parcel: Mapping[str, Any]) -> None:
    for name in ("parcelNumber", "carrierName"):
        if not isinstance(parcel.get(name), str) or not parcel[name].strip():
            raise invalid(f"{where}.{name}", f"The {name} field is required.")
    if parcel["carrierName"].lower() in _CODES:
        text = f"'{parcel['carrierName']}' is a code, and codes are not unique: send the label of the carrier."
        raise invalid(f"{where}.carrierName", text)
    url = parcel.get("trackingUrl")
    if url is not None and not (isinstance(url, str) and url.startswith(("http://", "https://"))):
        raise invalid(f"{where}.trackingUrl", "The trackingUrl field is not a valid URL.")
    keys = parcel.get("orderLineIds")
    if not isinstance(keys, list) or not keys or not all(isinstance(key, str) for key in keys):
        raise invalid(f"{where}.orderLineIds", "The orderLineIds field is required.")


def _check_lines(where: str, keys: Iterable[str], lines: Mapping[str, Line]) -> None:
    for key in keys:
        line = lines.get(key)
        if line is None:
            raise unprocessable(where, f"Line {key} does not belong to the order.")
        if not line.is_sellers:
            raise unprocessable(
                where, f"Line {key} has supply mode {line.supply_mode} and is not shipped by the seller."
            )
        if line.status not in _OPEN:
            raise unprocessable(where, f"Line {key} is in status {line.status} and cannot be shipped.")


def _check_complete(order: Order, parcels: list[Json]) -> None:
    """On Cdiscount one parcel is the complete order; a line that the customer wants cancelled may be left out."""
    if len(parcels) > 1:
        raise unprocessable("$", f"Orders of {CDISCOUNT} are shipped in one parcel; {len(parcels)} were sent.")
    needed = {line.id for line in order.lines if line.is_sellers and line.status == "InPreparation"}
    missing = sorted(needed - set(parcels[0]["orderLineIds"]))
    if missing:
        text = f"Orders of {CDISCOUNT} are shipped complete; these lines are missing: {', '.join(missing)}."
        raise unprocessable("[0].orderLineIds", text)
