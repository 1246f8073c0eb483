"""An order's life at the supplier, step by step, and the webhook body that tells each step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count

from crossdock_xdconnects.sandbox.clock import Clock, local_text
from crossdock_xdconnects.sandbox.messages import JsonObject, Refusal
from crossdock_xdconnects.sandbox.orders import Line, Order, OrderBook

# The words are as unsure as the rest of the ordering format; the samples mix capitals and spaces like this.
_ENDED = ("Rejected", "Cancelled", "Delivered")


class Life:
    """Moves orders on. Every method returns the webhook body of the change and raises `ValueError` if it can't be."""

    def __init__(self, clock: Clock, book: OrderBook) -> None:
        self._clock = clock
        self._book = book
        self._parcels = count(1)

    def step(self, number: str, status: str, note: str = "", *, shipped: bool = False) -> JsonObject:
        """Give the order and its lines that are open, or those that have `shipped`, another status."""
        order = self._going_on(number)
        if shipped and not any(line.shipped for line in order.lines):
            raise ValueError(f"Nothing of order {number} has shipped.")
        self._mark(order, status, note, [line for line in order.lines if bool(line.open) != shipped])
        return self._hook(order)

    def proof(self, number: str, status: str, proof_status: str, url: str | None = None) -> JsonObject:
        """Move the order's proof; `url` None keeps the one there is."""
        order = self._going_on(number)
        if url is None and not order.proof:
            raise ValueError(f"Order {number} has no proof yet.")
        order.proof = {"status": proof_status, "url": order.proof.get("url", "") if url is None else url}
        self._mark(order, status, "", order.lines)
        return self._hook(order) | {"proof": order.proof}

    def say(self, number: str, status: str) -> JsonObject:
        """Only a word, for the order as a whole: the body has no lines."""
        order = self._going_on(number)
        self._mark(order, status, "", [])
        return {name: value for name, value in self._hook(order).items() if name != "lines"}

    def ship(
        self,
        number: str,
        parcels: Sequence[Mapping[str, str]] | None,
        quantities: Mapping[int, int] | None,
        *,
        partial: bool,
    ) -> JsonObject:
        """Ship everything open, or `quantities` by line number, or with `partial` half of each line.

        Each of `parcels` (carrier, trackingNumber, trackingUrl, maybe parcels) becomes a shipment; without any there
        is one with invented tracking. The body tells these shipments only, and of lines all that has left so far.
        """
        order = self._going_on(number)
        for line, pieces in self._leaving(order, quantities, partial=partial):
            line.shipped += pieces
            line.status = "Partially shipped" if line.open else "Shipped"
        status = "Partially shipped" if any(line.open for line in order.lines) else "Shipped"
        self._mark(order, status, "", [])
        given = [self._parcel()] if parcels is None else parcels
        shipments = [
            {**each, "shippedDate": self._clock.today().isoformat(), "parcels": int(each.get("parcels", 1))}
            for each in given
        ]
        order.shipments += shipments
        return self._hook(order) | {"shipments": shipments}

    def _leaving(
        self, order: Order, quantities: Mapping[int, int] | None, *, partial: bool
    ) -> Iterator[tuple[Line, int]]:
        leaving = {
            line.number: line.open if not partial else (line.open + 1) // 2
            for line in order.lines
            if line.open
        }  # fmt: skip
        leaving = leaving if quantities is None else dict(quantities)
        lines = {line.number: line for line in order.lines}
        wrong = [n for n, pieces in leaving.items() if n not in lines or not 0 < pieces <= lines[n].open]
        if wrong or not leaving:
            raise ValueError(f"Order {order.number} has not that much to ship: {leaving}.")
        return ((lines[n], pieces) for n, pieces in leaving.items())

    def _parcel(self) -> dict[str, str]:
        tracking = f"DEMO{next(self._parcels):06d}"
        return {
            "carrier": "DemoPost",
            "trackingNumber": tracking,
            "trackingUrl": f"https://track.example/{tracking}",
        }

    def _going_on(self, number: str) -> Order:
        try:
            order = self._book.get(number)
        except Refusal as refusal:
            raise ValueError(f"{refusal}.") from None
        if order.status in _ENDED:
            raise ValueError(f"Order {number} is {order.status} and does not change any more.")
        return order

    def _mark(self, order: Order, status: str, note: str, lines: Sequence[Line]) -> None:
        order.status, order.note, order.changed = status, note, local_text(self._clock.now())
        order.history.append(status)
        for line in lines:
            line.status = status

    def _hook(self, order: Order) -> JsonObject:
        lines = [
            {"lineNumber": each.number, "itemCode": each.item, "status": each.status, "quantityShipped": each.shipped}
            for each in order.lines
        ]
        body: JsonObject = {
            "orderNumber": order.number,
            "reference": order.reference,
            "status": order.status,
            "statusDate": order.changed,
        }
        return body | ({"message": order.note} if order.note else {}) | {"lines": lines}
