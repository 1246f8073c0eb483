"""Whatever changes between any two requests, and wherever a run breaks off: the newest state of each order arrives."""

from __future__ import annotations

import random

import pytest
from cdiscount_kit import DictMemory

from crossdock import Order, Since, TransientError
from crossdock_cdiscount import plugin, reading


class _Broken(Exception):
    pass


@pytest.mark.parametrize("seed", range(6))
def test_the_newest_state_of_every_order_arrives(shops, monkeypatch, seed):
    dice = random.Random(seed)
    monkeypatch.setattr(reading, "PAGE", dice.choice([7, 9, 100]))
    monkeypatch.setattr(reading, "WINDOW", dice.choice([8, 20]))
    shop = shops(orders=30, order_sort=dice.choice(["createdAt", "updatedAt", "scattered", "shuffled"]),
                 order_links=dice.random() < 0.5)  # fmt: skip
    session, kept = shop.connect(DictMemory()), dict[str, Order]()
    ask, busy = session.http.get, dice.choice([0.1, 0.4])

    def get(*given, **named):
        if dice.random() < busy:
            shop.twin.advance(dice.choice([0, 0, 1, 2, 60]))
            keys = [str(each["orderId"]) for each in shop.twin.state()["orders"]]
            for key in dice.sample(keys, dice.randrange(4)):
                shop.twin.set_status(key, dice.choice(["Accepted", "InPreparation", "Shipped"]))
            if dice.random() < 0.2:
                shop.twin.place_order([{"sku": "P-100"}])
        if dice.random() < 0.02:
            raise _Broken
        return ask(*given, **named)

    cursor = None
    for run in range(8):
        if run == 5:
            busy = -1.0
        elif run > 0:
            shop.twin.advance(dice.choice([600, 600, 40 * 86400]))
        session.http.get = get if run < 5 else ask  # type: ignore[method-assign]
        try:
            for page in plugin.fetch_orders(session, Since(cursor)):
                for order in page.records:
                    old = kept.get(order.key)
                    if old is None or old.updated_at is None or old.updated_at <= order.updated_at:
                        kept[order.key] = order
                cursor = page.cursor or cursor
        except (_Broken, TransientError):
            continue

    there = {str(each["orderId"]): str(each["status"]) for each in shop.twin.state()["orders"]}
    assert {key: order.raw_status for key, order in kept.items()} == there
