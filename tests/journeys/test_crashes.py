"""kill -9 again and again: afterwards the ERP has exactly the shop's orders, each once and to the cent."""

from __future__ import annotations

import pytest
from kit import admitted, dice, erp_orders, kill_after, shop_orders

pytestmark = pytest.mark.slow


def rush(world, seed, kills):
    """Orders come in while the reading and the delivering process are killed `kills` times each."""
    chance = dice(seed)
    world.fill(orders=12, seed=seed)
    world.link()
    world.shop.fault("slow", path="/orders", seconds=0.03, times=100_000)
    world.erp.fault("slow", path="CustomerOrders", seconds=0.03, times=100_000)
    killed = {"sync": 0, "push": 0}
    for _ in range(kills * 3):
        for _ in range(3):
            world.shop.do("insert_order")
        world.project.new_minute()
        for command, system in (("sync", world.shop), ("push", world.erp)):
            if killed[command] < kills:
                process = world.project.start(command, *(("shop", "orders") if command == "sync" else ()))
                most = 3 if command == "sync" else 12
                killed[command] += kill_after(process, system, chance.randrange(1, most), chance.uniform(0, 0.06))
        if min(killed.values()) == kills:
            break
    assert killed == {"sync": kills, "push": kills}
    world.shop.reset()
    world.erp.reset()


def check(world):
    world.settle()
    world.sync("erp", "orders")
    read = {row[0]: row[1] for row in world.project.orders("erp").items()}
    numbers = {each["orderNumber"]: each["orderNumberExternal"] for each in world.erp.state()["orders"]}

    assert world.project.orders() == shop_orders(world.shop)
    assert erp_orders(world.erp) == admitted(world.shop)
    assert {numbers[key]: total for key, (_, total) in read.items()} == admitted(world.shop)


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_readers_and_deliverers_lose_nothing_and_deliver_nothing_twice(make, seed):
    world = make()
    rush(world, seed, 8)
    check(world)


def test_killed_processes_lose_nothing_on_postgresql(make, postgres):
    world = make(CROSSDOCK_DATABASE_URL=postgres)
    rush(world, 3, 4)
    check(world)
