"""How the contract kit makes things happen at Octopia: orders and offers, odd ones, the secret, the clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from crossdock.sandbox import Impossible
from crossdock_cdiscount.sandbox.channels import CDISCOUNT, Json
from crossdock_cdiscount.sandbox.counter import Counter, amount
from crossdock_cdiscount.sandbox.offers import Offer
from crossdock_cdiscount.sandbox.orders import Order

__all__ = ["SellerRehearsal"]


class SellerRehearsal(Counter):
    """Orders, and offers on every channel with their prices and stock; what is written here is the `Counter`'s."""

    streams = ("orders", "products", "prices", "balance")
    rows = 250

    # -- rows

    def add(self, stream: str, moments: Sequence[datetime]) -> Sequence[str]:
        """Buyers order, or somebody puts articles on sale; no two cost the same."""
        with self.twin.lock:
            self.good(0)
            return [self._added(stream, moment) for moment in moments]

    def _added(self, stream: str, moment: datetime) -> str:
        with self.twin.clock.at(moment):
            if stream == "orders":
                return self._ordered()
            number = self.next()
            sku, price = f"ART-{number}", str(amount(number))
            # A price is that of one channel, an article is on all of them.
            self.twin.add_offer(sku, price, 1000 + number, CDISCOUNT if stream == "prices" else None)
        return self._key(stream, self.twin.offers.listed[CDISCOUNT, sku])

    def _ordered(self) -> str:
        channels = list(self.twin.offers.channels)
        number = self.next()
        order = self.place(channels[number % len(channels)])
        if number % 2 and order.status != "InPreparation":
            self.twin.prepare(order.id)
        return order.id

    def _key(self, stream: str, offer: Offer) -> str:
        if stream == "prices":
            return f"{offer.sku}|{offer.channel.id}||{offer.channel.submission}|1"
        return offer.sku

    def edit(self, stream: str, key: str) -> None:
        """A buyer wants to cancel, or somebody changes an article, a price or a quantity."""
        with self.twin.lock:
            number = self.next()
            if stream == "orders":
                self.twin.customer_cancels(key)
                return
            offer = self._offer(key)
            if stream == "balance":
                self.twin.offers.set_stock(offer.sku, 2000 + number)
            elif stream == "prices":
                offer.price = amount(number)
            else:
                offer.gtin = f"{number:013d}"
            offer.updated = self.twin.clock.now()

    def remove(self, stream: str, key: str) -> None:
        """Somebody takes the article off every channel."""
        if stream == "orders":
            raise Impossible("An order is never deleted at Octopia: it is refused or cancelled, and stays listed.")
        with self.twin.lock:
            sku = self._offer(key).sku
            for channel in self.twin.offers.channels:
                if (channel, sku) in self.twin.offers.listed:
                    self.twin.offers.remove(channel, sku)

    def expected(self, stream: str) -> Mapping[str, Mapping[str, Any]]:
        """What the marketplace has."""
        with self.twin.lock:
            if stream == "orders":
                return {key: _order_truth(order) for key, order in self.twin.book.orders.items()}
            offers = self.twin.offers.listed.values()
            shown = offers if stream == "prices" else [each for each in offers if each.channel.id == CDISCOUNT]
            return {self._key(stream, each): self._truth(stream, each) for each in shown}

    def _truth(self, stream: str, offer: Offer) -> Mapping[str, Any]:
        if stream == "prices":
            currency = offer.channel.submission
            return {"sku": offer.sku, "amount": offer.price, "currency": currency, "includes_tax": True}
        if stream == "balance":
            return {"sku": offer.sku, "available": Decimal(self.twin.offers.stock[offer.sku])}
        return {"sku": offer.sku, "gtin": offer.gtin, "enabled": self.twin.offers.stock[offer.sku] > 0}

    def _offer(self, key: str) -> Offer:
        return self.twin.offers.listed[CDISCOUNT, key.partition("|")[0]]

    # -- rows as nobody wants them

    def spoil(self, stream: str, key: str) -> str:
        """A word where an amount or an object belongs."""
        field = {"orders": "totalPrice", "products": "product", "prices": "facialPrice", "balance": "quantity"}[stream]
        self._bend(stream, key, {field: "on request"})
        return field

    def new_word(self, stream: str, key: str) -> str:
        """Octopia invents a status of orders, or a state of offers."""
        if stream == "balance":
            raise Impossible("The stock of an offer has no word from a list.")
        if stream == "orders":
            self.twin.set_status(key, "Quarantined")
        else:
            self._bend(stream, key, {"offerState": "Quarantined"})
        return "Quarantined"

    def _bend(self, stream: str, key: str, fields: Json) -> None:
        with self.twin.lock:
            if stream == "orders":
                order = self.twin.book.known(key)
                order.bent, order.raw = fields, None
            else:
                self.twin.offers.bent[self._offer(key).sku] = fields

    def added_field(self) -> None:
        """The next version of the API."""
        self.twin.widened = {"fieldOfNextYear": {"points": 3, "tier": None}}

    # -- the secret and the clock

    def set_secret(self, name: str, value: str) -> None:
        """Somebody makes new credentials."""
        self.twin.gate.tokens.client_secret = value

    def now(self) -> datetime:
        """Octopia's clock, in whole seconds."""
        return self.twin.clock.now()

    def set_clock(self, now: datetime) -> None:
        """Somebody sets it."""
        self.twin.clock.set(now)


def _order_truth(order: Order) -> Mapping[str, Any]:
    """What the buyer pays, in his currency."""
    line = order.lines[0]
    return {
        "total": sum((each.selling_total for each in order.lines), Decimal(0)), "currency": order.channel.currency,
        "raw_status": order.status, "channel": order.channel.id, "lines.0.sku": line.sku,
        "lines.0.total": line.selling_price * line.quantity, "lines.0.quantity": Decimal(line.quantity),
        "placed_at": order.created - timedelta(seconds=21), "updated_at": order.updated,
    }  # fmt: skip
