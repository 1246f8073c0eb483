"""Offers: one for each SKU and channel, with a price of its own and the stock that all channels share.

Shared stock and prices per channel: vendor page section 7. What an offer says: vendor page section 8.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import NAMESPACE_OID, uuid5

import attrs

from crossdock_cdiscount.sandbox.call import Answer, Call
from crossdock_cdiscount.sandbox.channels import CDISCOUNT, Channel, Json, cents, channel
from crossdock_cdiscount.sandbox.clock import Clock, wire_date
from crossdock_cdiscount.sandbox.problem import invalid

LIMIT_MAX = 1000
_SHORT = ("offerId", "sellerExternalReference", "offerState")  # what comes without `fields`
T = TypeVar("T")


@attrs.define
class Offer:
    """An offer of `sku` on one channel; `price` is the seller's, in the channel's submission currency."""

    id: str
    channel: Channel
    sku: str
    gtin: str
    title: str
    price: Decimal
    updated: datetime
    origin_price: Decimal | None = None
    condition: str = "New"
    preparation_time: int = 2
    delivery_modes: list[Json] = attrs.field(factory=list)
    taxes: list[Json] = attrs.field(factory=list)
    feedback: list[Json] = attrs.field(factory=list)


class Offers:
    """All offers of the seller, by channel and SKU, and the stock by SKU."""

    def __init__(self, clock: Clock, channels: Iterable[str], most: int = LIMIT_MAX) -> None:
        self.channels: Mapping[str, Channel] = {each: channel(each) for each in channels}
        self.listed: dict[tuple[str, str], Offer] = {}
        self.stock: dict[str, int] = {}
        self.bent: dict[str, Json] = {}  # SKU to fields that somebody broke, as they are answered
        self._most = most
        self._clock = clock

    def add(self, key: str, sku: str, price: Decimal, quantity: int | None, **details: Any) -> Offer:
        """Put `sku` on a channel; a `quantity` is the stock on every channel."""
        offer = self.unlisted(self.channels[key], sku)
        offer = attrs.evolve(offer, price=cents(price), **details)
        self.listed[key, sku] = offer
        self.set_stock(sku, self.stock.get(sku, 0) if quantity is None else quantity)
        return offer

    def unlisted(self, where: Channel, sku: str) -> Offer:
        """What an offer of `sku` would be, for orders and offers that nobody prepared."""
        return Offer(
            id=f"off-{uuid5(NAMESPACE_OID, f'{where.id} {sku}').hex[:12]}",
            channel=where,
            sku=sku,
            gtin=gtin_of(sku),
            title=f"Produit {sku}",
            price=Decimal("10.00"),
            updated=self._clock.now(),
            delivery_modes=[{"code": "TRK", "cost": 4.9, "additionalCost": 0.0}],
        )

    def set_stock(self, sku: str, quantity: int) -> None:
        """The stock of every channel."""
        self.stock[sku] = quantity
        for key in self.channels:
            if (key, sku) in self.listed:
                self.listed[key, sku].updated = self._clock.now()

    def sell(self, sku: str, quantity: int) -> None:
        """A buyer took `quantity`; more than there is leaves nothing."""
        if sku in self.stock:
            self.set_stock(sku, max(0, self.stock[sku] - quantity))

    def remove(self, key: str, sku: str) -> None:
        """Take an offer away from a channel."""
        del self.listed[key, sku]

    def on_cdiscount(self, sku: str) -> bool:
        """Whether the product is live on Cdiscount, which other channels demand (vendor page section 7)."""
        return CDISCOUNT not in self.channels or (CDISCOUNT, sku) in self.listed

    def page(self, call: Call) -> Answer:
        """GET /offers: one channel's, by reference, with a cursor in the ``Link`` header."""
        key = call.query.get("salesChannelId", "")
        if key not in self.channels:
            raise invalid("salesChannelId", "The salesChannelId field is required and names a channel of the seller.")
        names = {each.split(".")[0] for each in call.words("fields")} or set(_SHORT)
        if "salesChannelFeedback" in call.words("expand"):
            names.add("salesChannelFeedback")
        rows = sorted(self._search(key, call), key=lambda offer: offer.sku)
        items, headers = by_cursor(rows, call, lambda offer: offer.sku, self._most)
        shown = [{name: value for name, value in self.render(each).items() if name in names} for each in items]
        return Answer({"itemsPerPage": len(shown), "items": shown}, headers=headers)

    def stocks(self, call: Call) -> Answer:
        """GET /stocks: what the marketplace's warehouses hold, which is nothing here (vendor page section 10)."""
        skus = sorted(sku for sku in self.stock if sku in (call.words("sellerProductReference") or self.stock))
        items, headers = by_cursor(skus, call, str)
        shown = [{"sellerProductReference": sku, "quantities": {"Available": 0}} for sku in items]
        return Answer({"itemsPerPage": len(shown), "items": shown}, headers=headers)

    def render(self, offer: Offer) -> Json:
        """The offer with all that `fields` can ask for."""
        origin = {} if offer.origin_price is None else {"originPrice": float(offer.origin_price)}
        return {
            "offerId": offer.id,
            "sellerExternalReference": offer.sku,
            "product": {"gtin": offer.gtin, "reference": f"AUC{offer.gtin}"},
            "condition": offer.condition,
            "offerState": self.state(offer),
            "quantity": self.stock[offer.sku],
            "facialPrice": {"price": float(offer.price), **origin},
            "preparationTime": offer.preparation_time,
            "deliveryModes": offer.delivery_modes,
            "taxes": offer.taxes,
            "updatedAt": wire_date(offer.updated),
            "salesChannelFeedback": offer.feedback,
            **self.bent.get(offer.sku, {}),
        }

    def state(self, offer: Offer) -> str:
        """Quantity 0 takes an offer off sale (vendor page section 8)."""
        return "Active" if self.stock[offer.sku] else "Inactive"

    def _search(self, key: str, call: Call) -> Iterable[Offer]:
        since = call.date("updatedAtMin")
        tests: tuple[tuple[list[str], Callable[[Offer], str]], ...] = (
            (call.words("offerIds"), lambda offer: offer.id),
            (call.words("offerStates"), self.state),
            (call.words("gtins"), lambda offer: offer.gtin),
            (call.words("sellerExternalReferences"), lambda offer: offer.sku),
        )
        return (
            offer
            for offer in self.listed.values()
            if offer.channel.id == key
            and (since is None or offer.updated >= since)
            and all(not wanted or value(offer) in wanted for wanted, value in tests)
        )


def by_cursor(
    rows: list[T], call: Call, key: Callable[[T], str], most: int = LIMIT_MAX
) -> tuple[list[T], dict[str, str]]:
    """A page of `rows`, sorted by the unique `key`, and the header that leads to the next. Raises `Problem`.

    A page never has more than `most` rows, however many may be asked for.
    """
    limit, after = min(call.whole("limit", 100, LIMIT_MAX), most), call.query.get("cursor")
    if after is not None:
        try:
            last = base64.b64decode(after.encode(), altchars=b"-_", validate=True).decode()
        except (binascii.Error, ValueError) as error:
            raise invalid("cursor", "The cursor is not valid.") from error
        rows = [row for row in rows if key(row) > last]
    shown = rows[:limit]
    if len(rows) <= limit:
        return shown, {}
    return shown, call.link(limit=limit, cursor=base64.urlsafe_b64encode(key(shown[-1]).encode()).decode())


def gtin_of(sku: str) -> str:
    """A GTIN with a right check digit, always the same for a SKU."""
    digits = f"370{uuid5(NAMESPACE_OID, sku).int % 10**9:09d}"
    total = sum(int(digit) * (3 if index % 2 else 1) for index, digit in enumerate(digits))
    return f"{digits}{-total % 10}"
