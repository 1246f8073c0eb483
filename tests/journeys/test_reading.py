"""Reading a shop that does not hold still: the store holds exactly its orders, nothing missing, nothing twice."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from datetime import UTC, datetime, timedelta

import pytest
from kit import dice, ended, shop_orders

pytestmark = pytest.mark.slow

ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata")


@pytest.fixture
def reading(make):
    """A project that reads a shop; answers a maker that takes the shop's options."""

    def made(**options):
        world = make(options, connect=False)
        world.project.connect(shop=(world.shop, {}))
        return world

    return made


@pytest.mark.parametrize(("kind", "zone"), [*zip(("edit", "insert", "trash"), ZONES, strict=True)])
def test_orders_that_change_between_two_pages_are_neither_missed_nor_doubled(reading, kind, zone):
    world = reading(timezone=zone)
    world.shop.do("seed", orders=260, products=6, simple=True)
    world.shop.do("churn", kind=kind, count=25, every=1, times=4)
    world.sync()
    world.sync()

    assert world.project.orders() == shop_orders(world.shop)


def test_an_order_deleted_for_good_between_two_pages_hides_no_other(reading):
    world = reading()
    world.shop.do("seed", orders=260, products=6, simple=True)
    world.shop.do("churn", kind="delete", count=25, every=1, times=3)
    world.sync()
    world.sync()
    found = world.project.orders()

    assert {key: found.get(key) for key in shop_orders(world.shop)} == shop_orders(world.shop)


@pytest.mark.parametrize("zone", ZONES[1:])
def test_250_orders_of_one_second_are_all_read(reading, zone):
    world = reading(timezone=zone)
    world.shop.do("seed", orders=250, products=6, simple=True, same_second=True)
    world.sync()
    world.sync()

    assert world.project.orders() == shop_orders(world.shop)


def test_250_orders_of_one_second_are_read_although_all_of_them_change_meanwhile(reading):
    world = reading(timezone="America/New_York", version="9.0")
    world.shop.do("seed", orders=250, products=6, simple=True, same_second=True)
    world.shop.do("churn", kind="edit", count=100, every=1, times=5)
    world.sync()
    world.sync()

    assert world.project.orders() == shop_orders(world.shop)


def test_a_busy_shop_is_read_completely(reading):
    world = reading(timezone="Asia/Kolkata")
    world.shop.do("seed", orders=150, products=6, simple=True)
    world.shop.fault("slow", path="/orders", seconds=0.05, times=1000)
    for round_ in range(2):
        process = world.project.start("sync", "shop", "orders")
        busy = threading.Thread(target=_business, args=(world.shop, process, round_))
        busy.start()
        ended(("sync",), process).check(0)
        busy.join()
    world.sync()

    assert world.project.orders() == shop_orders(world.shop)


def _business(shop, process, seed):
    chance = dice(seed)
    ids = [each["id"] for each in shop.state()["orders"] if each["status"] != "trash"]
    while not _gone(process, 0.04):
        act = chance.choice(("edit", "edit", "insert", "trash", "touch"))
        key = chance.choice(ids)
        if act == "insert":
            ids.append(shop.do("insert_order")["id"])
        elif act == "trash" and len(ids) > 50:
            ids.remove(key)
            shop.do("trash", order_id=key)
        elif act == "edit":
            shop.do("edit_order", order_id=key, status=chance.choice(("completed", "on-hold", "processing")))
        else:
            shop.do("touch", ids=chance.sample(ids, 5))


def _gone(process, seconds):
    """Whether the process has ended, after waiting so long for it: a busy machine must not outpace its own reader."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    return process.poll() is not None


# The hours in which a wall clock lies, and shops that live by it: (zone, moment of the change in UTC).
CHANGES = [
    ("Europe/Berlin", datetime(2025, 10, 26, 1, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2025, 3, 30, 1, tzinfo=UTC)),
    ("America/New_York", datetime(2025, 11, 2, 6, tzinfo=UTC)),
    ("America/New_York", datetime(2025, 3, 9, 7, tzinfo=UTC)),
]


@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_orders_of_the_hour_of_a_time_change_are_read_with_their_right_times(reading, zone, change):
    world = reading(timezone=zone)
    world.shop.do("seed", orders=0, products=6)
    placed = {}
    for minutes in (-70, -45, -30, -1, 0, 15, 30, 59, 75):
        moment = change + timedelta(minutes=minutes)
        _set_clock(world.shop, moment)
        order = world.shop.do("insert_order")
        placed[str(order["id"])] = order["date_created_gmt"]
        if minutes in (-45, 0, 15, 30):
            world.sync()
        if minutes == 30:
            # What was placed in the first of two equal hours is edited in the second.
            world.shop.do("edit_order", order_id=int(next(iter(placed))), status="completed")
    world.sync()
    stored = dict(world.project.query("SELECT key, substr(placed_at, 1, 19) FROM orders"))

    assert world.project.orders() == shop_orders(world.shop)
    assert stored == placed


def _set_clock(shop, moment):
    now = datetime.fromisoformat(shop.do("advance", seconds=0)["now"])
    shop.do("advance", seconds=(moment - now).total_seconds())
