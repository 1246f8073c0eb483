"""The counter of the operator in a rehearsal: what other systems bring here, and what became of it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from crossdock import Balance, Order, OrderLine, Price, Shipment, evolve
from crossdock.sandbox import Rehearsal
from crossdock_mirakl.sandbox.order import OUT
from crossdock_mirakl.sandbox.order import Order as Placed

if TYPE_CHECKING:
    from crossdock_mirakl.sandbox.twin import MiraklSandbox

__all__ = ["Counter", "amount"]

_GOODS = tuple(f"GOOD-{number}" for number in range(1, 25))
_MODERATED = "GOOD-MODERATED"
_REASON = "The offer is being moderated"


def amount(number: int) -> Decimal:
    """Another amount for each number, with ten cents and with one."""
    return Decimal(f"{number}.{number % 90 + 10}")


class Counter(Rehearsal):
    """Prices and stock from elsewhere, decisions on orders, and parcels."""

    def __init__(self, twin: MiraklSandbox) -> None:
        self.twin = twin
        self.shop = twin.shop
        self._numbers = itertools.count(1)

    def next(self) -> int:
        """A number that nothing else has."""
        return next(self._numbers)

    def good(self, number: int) -> str:
        """The SKU of one of the offers that have been there for long."""
        if self.shop.offers.find(_MODERATED) is None:
            with self.twin.clock.at(self.twin.clock.now() - timedelta(days=30)):
                for index, sku in enumerate((*_GOODS, _MODERATED), 1):
                    self.twin.add_offer(sku, str(amount(index)), 1000)
        return _GOODS[number % len(_GOODS)]

    def place(self, *, accepted: bool = False) -> Placed:
        """A buyer orders something; no two orders cost the same."""
        number = self.next()
        price = str(amount(number))
        line = {"sku": self.good(number), "quantity": number % 3 + 1, "price": price, "fee": "0.10"}
        return self.shop.book.orders[self.twin.place_order([line], shipping="4.90", accepted=accepted)]

    # -- what is written

    def make(self, stream: str, count: int) -> Sequence[Any]:
        """Prices or stock of some offers in turn."""
        with self.twin.lock:
            return [self._made(stream) for _ in range(count)]

    def _made(self, stream: str) -> Price | Balance:
        number = self.next()
        sku = self.good(number)
        if stream == "balance":
            return Balance(sku=sku, available=Decimal(3000 + number))
        taxed = self.shop.book.options.tax_mode == "TAX_INCLUDED"
        return Price(
            sku=sku, amount=Decimal(f"{3000 + number}.19"), currency=self.shop.offers.terms.currency, includes_tax=taxed
        )

    def refused(self, stream: str) -> tuple[Any, str]:
        """The operator moderates one of the offers and takes no lines of it meanwhile."""
        with self.twin.lock:
            self.twin.fail_lines(_MODERATED, _REASON)
            return evolve(self._made(stream), sku=_MODERATED), _REASON

    def written(self, stream: str, key: str) -> Mapping[str, Any]:
        """What the offer has."""
        with self.twin.lock:
            offer = self.shop.offers.find(key.partition("|")[0] if stream == "prices" else key)
            if offer is None:
                return {}
            if stream == "prices":
                return {"amount": offer.default_price.origin}
            return {"available": Decimal(offer.quantity)}

    def finish_jobs(self) -> None:
        """Mirakl works off the files."""
        self.twin.finish_imports()

    def fail_job(self) -> str:
        """The next file fails. Of stock Mirakl tells no reason (STO02), so what both have in common is the fact."""
        self.twin.set_import_fate("FAILED")
        return "could not work off the file"

    # -- orders of the operator

    def waiting_order(self) -> Order:
        """A buyer has ordered."""
        with self.twin.lock:
            return _read(self.place())

    def decided(self, key: str) -> bool | None:
        """By its lines."""
        with self.twin.lock:
            order = self.shop.book.orders[key]
            return None if order.decided is None else bool(order.counting)

    def cancelled(self, external_id: str) -> bool:
        """By its state."""
        return self.shop.book.orders[external_id].state in OUT

    def finish(self, external_id: str) -> None:
        """Somebody accepts the order in the back office and ships it."""
        with self.twin.lock:
            self.twin.accept(external_id)
            self.shop.book.ship(external_id)

    def shipment(self) -> tuple[Order, Shipment]:
        """A buyer has paid, and the goods have left."""
        with self.twin.lock:
            order = _read(self.place(accepted=True))
            number = self.next()
        parcel = Shipment(
            key=f"P{number}", number=f"LS-{number}", order_key=order.key, carrier="COLISSIMO",
            tracking_number=f"8R{number:09}FR", shipped_at=self.twin.clock.now(), completes_order=True,
        )  # fmt: skip
        return order, parcel

    def reported(self, key: str) -> Sequence[str]:
        """The numbers of the order's shipments; of an order that was shipped as a whole its own."""
        with self.twin.lock:
            of_order = [each for each in self.shop.shipments.known.values() if each.order.order_id == key]
            trackings = [each.tracking for each in of_order] or [self.shop.book.orders[key].tracking]
        return [each.tracking_number for each in trackings if each is not None and each.tracking_number]


def _read(order: Placed) -> Order:
    """The order as it is read here, as far as its parcels and decisions go."""
    lines = tuple(
        OrderLine(key=each.line_id, sku=each.sku, quantity=Decimal(each.quantity), total=each.price)
        for each in order.lines
    )
    return Order(
        key=order.order_id, number=order.order_id, raw_status=order.state, currency=order.currency, lines=lines,
        total=sum((each.total for each in lines), Decimal(0)), needs_acceptance=order.state == "WAITING_ACCEPTANCE",
    )  # fmt: skip
