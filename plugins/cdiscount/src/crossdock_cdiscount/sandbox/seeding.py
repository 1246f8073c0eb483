"""What is there at the beginning: the same offers and orders each time, older than now."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from crossdock_cdiscount.sandbox.book import OrderBook
from crossdock_cdiscount.sandbox.channels import Channel
from crossdock_cdiscount.sandbox.clock import Clock
from crossdock_cdiscount.sandbox.offers import Offers
from crossdock_cdiscount.sandbox.orders import Order

APART = timedelta(minutes=7)
_STATUSES = ("InPreparation", "InPreparation", "InPreparation", "Shipped", "Delivered", "Refused", "Cancelled")


def seed_offers(offers: Offers, skus: Sequence[str]) -> None:
    """Every SKU on every channel, dearer by a tenth on those that are not the first."""
    for rank, sku in enumerate(skus):
        price = Decimal(1990 + 350 * rank) / 100
        for index, key in enumerate(offers.channels):
            offers.add(key, sku, price if index == 0 else price + Decimal(rank + 1) / 10, 20 + rank)


def seed_orders(book: OrderBook, offers: Offers, clock: Clock, skus: Sequence[str], count: int) -> None:
    """`count` orders that end now and lie `APART` from each other, in many states; the stock is left alone."""
    chance, stock = random.Random(7), dict(offers.stock)
    channels = list(offers.channels.values())
    for index in range(count):
        at = clock.now() - APART * (count - index)
        where = channels[0] if chance.random() < 0.8 else chance.choice(channels)
        order = book.place(
            where,
            _lines(chance, skus),
            supply_mode="Fulfillment" if chance.random() < 0.1 else "Seller",
            country=where.country,
            second_address=False,
            pickup=chance.random() < 0.2,
            business=chance.random() < 0.2,
            service_fee=Decimal("0.99") if chance.random() < 0.3 else Decimal(0),
            at=at,
        )
        if order.status == "InPreparation":
            _age(order, chance.choice(_STATUSES), where)
    for sku, quantity in stock.items():
        offers.set_stock(sku, quantity)


def _lines(chance: random.Random, skus: Sequence[str]) -> list[dict[str, Any]]:
    chosen = chance.sample(skus, k=min(len(skus), chance.choice((1, 1, 2, 3))))
    return [
        {"sku": sku, "quantity": chance.choice((1, 1, 2)), "shipping": "4.90" if first else "0"}
        for first, sku in zip((True, False, False), chosen)
    ]


def _age(order: Order, status: str, where: Channel) -> None:
    """Some minutes later the order is where it is now."""
    if status in ("Shipped", "Delivered"):
        parcel = {"parcelNumber": f"6A{order.id[-9:]}", "carrierName": "Colissimo", "trackingUrl": None}
        for line in order.lines:
            line.parcels.append(dict(parcel))
        order.move("Shipped", order.created + timedelta(minutes=4))
    if status != order.status:
        order.move(status, order.created + timedelta(minutes=5))
