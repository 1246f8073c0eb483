"""kill -9 again and again: afterwards both sides hold exactly the shop's orders, each once and to the cent."""

from __future__ import annotations

import pytest
from kit import admitted, dice, erp_orders, kill_after, shop_orders

pytestmark = pytest.mark.slow


def kill_readers(world, seed, kills):
    """Orders come in and change while the reading process is killed again and again."""
    chance, killed = dice(seed), 0
    world.shop.fault("slow", path="/orders", seconds=0.03, times=100_000)
    for _ in range(kills * 3):
        if killed == kills:
            break
        world.shop.do("insert_order")
        world.shop.do("touch", ids=chance.sample([int(key) for key in shop_orders(world.shop)], 10))
        process = world.project.start("sync", "shop", "orders")
        killed += kill_after(process, world.shop, chance.randrange(1, 5), chance.uniform(0, 0.08))
    assert killed == kills
    world.shop.reset()


def kill_deliverers(world, seed, kills):
    """The delivering process is killed again and again, while requests are under way and answers are not kept yet."""
    chance, killed = dice(seed), 0
    world.erp.fault("slow", path="CustomerOrders", seconds=0.02, times=100_000)
    for _ in range(kills * 3):
        if killed == kills:
            break
        world.project.new_minute()
        process = world.project.start("push", "to-erp")
        killed += kill_after(process, world.erp, chance.randrange(1, 9), chance.uniform(0, 0.05))
    assert killed == kills
    world.erp.reset()


def check(world):
    """Both systems, the store, and what the connector reads back from the ERP say the same."""
    world.settle()
    world.project.new_minute()
    world.sync("erp", "orders")
    names = {each["orderNumber"]: each["orderNumberExternal"] for each in world.erp.state()["orders"]}
    read_back = {names[key]: total for key, (_, total) in world.project.orders("erp").items()}

    assert world.project.orders() == shop_orders(world.shop)
    assert erp_orders(world.erp) == admitted(world.shop)
    assert len(names) == len(admitted(world.shop))
    assert read_back == admitted(world.shop)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_killed_reader_misses_nothing_and_keeps_nothing_twice(world, seed):
    world.shop.do("seed", orders=220, simple=True, seed=seed)
    kill_readers(world, seed, 8)
    world.sync()

    assert world.project.orders() == shop_orders(world.shop)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_killed_deliverer_delivers_everything_once(world, seed):
    world.fill(orders=48, seed=seed)
    world.sync()
    kill_deliverers(world, seed, 8)
    check(world)


def test_killed_processes_lose_nothing_on_postgresql(make, postgres):
    world = make(CROSSDOCK_DATABASE_URL=postgres)
    world.fill(orders=32, seed=3)
    world.link()
    kill_readers(world, 3, 4)
    world.sync()
    kill_deliverers(world, 3, 4)
    check(world)
