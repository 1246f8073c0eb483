"""The counter of the seller in a rehearsal: what other systems bring here, and what became of it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from crossdock import Balance, Order, OrderLine, Price, Shipment, evolve
from crossdock.sandbox import Rehearsal
from crossdock_cdiscount.sandbox.channels import CDISCOUNT
from crossdock_cdiscount.sandbox.orders import Order as Placed

if TYPE_CHECKING:
    from crossdock_cdiscount.sandbox.twin import CdiscountSandbox

__all__ = ["Counter", "amount"]

_GOODS = tuple(f"GOOD-{number}" for number in range(1, 25))
_CLOSED = "GOOD-CLOSED"
_REASON = "The category is closed to this seller"
_PACKAGES = 9  # more than a job has


def amount(number: int) -> Decimal:
    """Another amount for each number, with ten cents and with one."""
    return Decimal(f"{number}.{number % 90 + 10}")


class Counter(Rehearsal):
    """Prices and stock from elsewhere, decisions on orders, and parcels."""

    def __init__(self, twin: CdiscountSandbox) -> None:
        self.twin = twin
        self._numbers = itertools.count(1)

    def next(self) -> int:
        """A number that nothing else has."""
        return next(self._numbers)

    def good(self, number: int) -> str:
        """The SKU of one of the offers that have been there for long, on every channel."""
        if _CLOSED not in self.twin.offers.stock:
            with self.twin.clock.at(self.twin.clock.now() - timedelta(days=30)):
                for index, sku in enumerate((*_GOODS, _CLOSED), 1):
                    self.twin.add_offer(sku, str(amount(index)), 1000)
        return _GOODS[number % len(_GOODS)]

    def place(self, channel: str = CDISCOUNT) -> Placed:
        """A buyer orders something; no two orders cost the same."""
        number = self.next()
        line = {
            "sku": self.good(number), "quantity": number % 3 + 1, "price": str(amount(number)), "shipping": "4.90"
        }  # fmt: skip
        return self.twin.book.known(self.twin.place_order([line], channel))

    # -- what is written

    def make(self, stream: str, count: int) -> Sequence[Any]:
        """Prices or stock of some offers in turn; every other price is for all channels that take euros."""
        with self.twin.lock:
            return [self._made(stream) for _ in range(count)]

    def _made(self, stream: str) -> Price | Balance:
        number = self.next()
        sku = self.good(number)
        if stream == "balance":
            return Balance(sku=sku, available=Decimal(3000 + number))
        return Price(
            sku=sku, amount=Decimal(f"{3000 + number}.19"), currency="EUR", includes_tax=True,
            price_list=CDISCOUNT if number % 2 else "",
        )  # fmt: skip

    def refused(self, stream: str) -> tuple[Any, str]:
        """Octopia integrates the package and refuses one of the offers in it."""
        with self.twin.lock:
            self.twin.refuse_offer(_CLOSED, _REASON)
            return evolve(self._made(stream), sku=_CLOSED), _REASON

    def written(self, stream: str, key: str) -> Mapping[str, Any]:
        """What the offer has; a price without a list is that of Cdiscount, too."""
        with self.twin.lock:
            if stream == "balance":
                return {"available": Decimal(self.twin.offers.stock[key])} if key in self.twin.offers.stock else {}
            sku, channel = key.split("|")[:2]
            offer = self.twin.offers.listed.get((channel or CDISCOUNT, sku))
            return {} if offer is None else {"amount": offer.price}

    def finish_jobs(self) -> None:
        """Octopia works off the packages."""
        with self.twin.lock:
            for package in self.twin.packages.packages.values():
                if package.state == "IntegrationPending":
                    self.twin.packages.integrate(package)

    def fail_job(self) -> str:
        """The next packages are Rejected as a whole; no more is said of it."""
        self.twin.reject_next_package(_PACKAGES)
        return "rejected"

    # -- orders of the marketplace

    def waiting_order(self) -> Order:
        """A buyer has ordered, and the seller has chosen to validate orders himself."""
        with self.twin.lock:
            order = self.place()
            if order.status != "WaitingAcceptance":
                self.twin.set_status(order.id, "WaitingAcceptance")
            return _read(order)

    def decided(self, key: str) -> bool | None:
        """By its status."""
        status = self.twin.book.known(key).status
        return None if status == "WaitingAcceptance" else status not in ("Refused", "Rejected", "Cancelled")

    def cancelled(self, external_id: str) -> bool:
        """Whether it is, once the marketplace has decided on what was asked for."""
        with self.twin.lock:
            for request in list(self.twin.cancellations.requests.values()):
                if request.order.id == external_id and request.status == "Pending":
                    self.twin.decide_cancellation(request.id)
            return self.twin.book.known(external_id).status == "Cancelled"

    def finish(self, external_id: str) -> None:
        """The parcel arrives."""
        with self.twin.lock:
            self.twin.set_status(external_id, "Shipped")
            self.twin.deliver(external_id)

    def shipment(self) -> tuple[Order, Shipment]:
        """A buyer has paid, and the goods have left."""
        with self.twin.lock:
            placed = self.place()
            if placed.status != "InPreparation":
                self.twin.prepare(placed.id)
            order, number = _read(placed), self.next()
        parcel = Shipment(
            key=f"P{number}", number=f"LS-{number}", order_key=order.key, carrier="Colissimo",
            tracking_number=f"8R{number:09}FR", shipped_at=self.twin.clock.now(), completes_order=True,
        )  # fmt: skip
        return order, parcel

    def reported(self, key: str) -> Sequence[str]:
        """The parcels of the order's only line."""
        with self.twin.lock:
            return [str(each["parcelNumber"]) for line in self.twin.book.known(key).lines for each in line.parcels]


def _read(order: Placed) -> Order:
    """The order as it is read here, as far as its parcels and decisions go."""
    lines = tuple(
        OrderLine(
            key=each.id, sku=each.sku, quantity=Decimal(each.quantity), unit_price=each.selling_price,
            total=each.selling_price * each.quantity,
        )
        for each in order.lines
    )  # fmt: skip
    total = sum((each.selling_total for each in order.lines), Decimal(0))
    return Order(
        key=order.id, number=order.reference, channel=order.channel.id, raw_status=order.status,
        currency=order.channel.currency, lines=lines, total=total,
        needs_acceptance=order.status == "WaitingAcceptance",
    )  # fmt: skip
