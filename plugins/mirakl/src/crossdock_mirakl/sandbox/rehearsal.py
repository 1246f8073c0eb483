"""How the contract kit makes things happen at the operator: orders and offers, odd ones, the key, the clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from crossdock.sandbox import Impossible
from crossdock_mirakl.sandbox.counter import Counter, amount
from crossdock_mirakl.sandbox.offer import Offer
from crossdock_mirakl.sandbox.order import Order
from crossdock_mirakl.sandbox.wire import JsonObject

__all__ = ["OperatorRehearsal"]


class OperatorRehearsal(Counter):
    """Orders, and offers with their prices and stock; what is written here is the `Counter`'s."""

    streams = ("orders", "products", "prices", "balance")
    rows = 310  # so many offers are exported, of which there are changes; fewer are listed, all of them each time

    # -- rows

    def add(self, stream: str, moments: Sequence[datetime]) -> Sequence[str]:
        """Buyers order, or somebody puts offers on sale; no two cost the same."""
        with self.twin.lock:
            self.good(0)
            return [self._added(stream, moment) for moment in moments]

    def _added(self, stream: str, moment: datetime) -> str:
        with self.twin.clock.at(moment):
            if stream == "orders":
                order = self.place()
                if self.next() % 3 == 0:
                    self.shop.book.accept_all(order)
                return order.order_id
            number = self.next()
            sku = f"ART-{number}"
            self.twin.add_offer(sku, str(amount(number)), 1000 + number)
        return self._key(stream, sku)

    def _key(self, stream: str, sku: str) -> str:
        return f"{sku}|||{self.shop.offers.terms.currency}|1" if stream == "prices" else sku

    def edit(self, stream: str, key: str) -> None:
        """Somebody writes a reference, or changes a price, a quantity or a lead time."""
        with self.twin.lock:
            number = self.next()
            if stream == "orders":
                references = {"order_reference_for_seller": f"S-{number}"}
                self.shop.book.set_references({"orders": [{"order_id": key, "references": references}]})
            elif stream == "prices":
                self.twin.set_price(_sku(key), str(amount(number)))
            elif stream == "balance":
                self.twin.set_offer(key, quantity=2000 + number)
            else:
                self.twin.set_offer(key, leadtime_to_ship=number)

    def remove(self, stream: str, key: str) -> None:
        """Somebody deletes the offer."""
        if stream == "orders":
            raise Impossible(
                "An order is never deleted at Mirakl: it is refused, cancelled or closed, and stays listed."
            )
        with self.twin.lock:
            offer = self._offer(key)
            offer.deleted = True
            self.shop.offers.touch(offer)

    def expected(self, stream: str) -> Mapping[str, Mapping[str, Any]]:
        """What the operator has."""
        with self.twin.lock:
            if stream == "orders":
                return {key: _order_truth(order) for key, order in self.shop.book.orders.items()}
            return {self._key(stream, each.sku): self._offer_truth(stream, each) for each in self.shop.offers.alive()}

    def _offer_truth(self, stream: str, offer: Offer) -> Mapping[str, Any]:
        if stream == "prices":
            taxed = self.shop.book.options.tax_mode == "TAX_INCLUDED"
            currency = self.shop.offers.terms.currency
            return {"sku": offer.sku, "amount": offer.default_price.origin, "currency": currency, "includes_tax": taxed}
        if stream == "balance":
            return {"sku": offer.sku, "available": Decimal(offer.quantity)}
        return {"sku": offer.sku, "name": offer.product.title, "gtin": offer.product.ean, "enabled": True}

    def _offer(self, key: str) -> Offer:
        offer = self.shop.offers.find(_sku(key))
        if offer is None:
            raise LookupError(f"The shop has no offer {key}.")
        return offer

    # -- rows as nobody wants them

    def spoil(self, stream: str, key: str) -> str:
        """A word where a number belongs, or a list where a text does."""
        field, value = {
            "orders": ("total_price", "on request"), "products": ("product_title", ["Mug"]),
            "prices": ("price", "on request"), "balance": ("quantity", "some"),
        }[stream]  # fmt: skip
        bent: JsonObject = {field: value}
        with self.twin.lock:
            if stream == "orders":
                self.shop.book.bent[key] = bent
            else:
                self.shop.offers.bent[_sku(key)] = bent
        return field

    def new_word(self, stream: str, key: str) -> str:
        """The operator invents a state of orders, or of offers."""
        with self.twin.lock:
            if stream == "orders":
                self.shop.book.orders[key].state = "QUARANTINED"
            elif stream == "products":
                self._offer(key).state_code = "QUARANTINED"
            else:
                raise Impossible("Prices and stock of Mirakl have no word from a list but what is part of their key.")
        return "QUARANTINED"

    def added_field(self) -> None:
        """The next version of Mirakl."""
        self.twin.widened = {"field_of_next_year": {"points": 3, "tier": None}}

    # -- the key and the clock

    def set_secret(self, name: str, value: str) -> None:
        """Somebody generates a new key."""
        self.twin.door.api_key = value

    def now(self) -> datetime:
        """The operator's clock."""
        return self.twin.clock.now()

    def set_clock(self, now: datetime) -> None:
        """Somebody sets it."""
        self.twin.clock.set(now)


def _sku(key: str) -> str:
    return key.partition("|")[0]


def _order_truth(order: Order) -> Mapping[str, Any]:
    """In the tax mode of the operator, as orders are shown."""
    line = order.lines[0]
    total = sum((each.price + each.shipping + each.fee for each in order.counting), Decimal(0))
    return {
        "total": total, "currency": order.currency, "raw_status": order.state, "lines.0.sku": line.sku,
        "lines.0.total": line.price, "lines.0.quantity": Decimal(line.quantity),
        "placed_at": order.created.replace(microsecond=0), "updated_at": order.updated.replace(microsecond=0),
    }  # fmt: skip
