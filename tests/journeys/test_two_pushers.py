"""Several processes at the same work: nothing is sent twice, nothing is left behind."""

from __future__ import annotations

import pytest
from kit import admitted, ended, erp_orders, shop_orders

pytestmark = pytest.mark.slow


@pytest.fixture(params=["sqlite", "postgresql"])
def shared(request, make):
    """A world on either database."""
    if request.param == "sqlite":
        return make()
    return make(CROSSDOCK_DATABASE_URL=request.getfixturevalue("postgres"))


def side_by_side(project, *words, count):
    """The same command `count` times at once."""
    running = [project.start(*words) for _ in range(count)]
    return [ended(words, each) for each in running]


def test_three_pushes_at_once_send_every_order_once(shared):
    shared.fill(orders=14)
    shared.link()
    shared.sync()
    shared.erp.fault("slow", path="CustomerOrders", seconds=0.05, times=10_000)
    for done in side_by_side(shared.project, "push", "to-erp", count=3):
        done.check(0)
    shared.settle()

    assert len(shared.erp.requests("POST", "CustomerOrders")) == len(admitted(shared.shop))
    assert erp_orders(shared.erp) == admitted(shared.shop)


def test_three_readers_at_once_keep_every_order_once(shared):
    shared.shop.do("seed", orders=120, simple=True)
    shared.shop.fault("slow", path="/orders", seconds=0.1, times=10_000)
    ends = side_by_side(shared.project, "sync", "shop", "orders", count=3)

    assert all("Another worker" in each.text for each in ends if each.code)
    assert not all(each.code for each in ends)
    assert shared.project.orders() == shop_orders(shared.shop)
