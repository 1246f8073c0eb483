"""The ERP does the work and the answer does not arrive: there is exactly one order afterwards."""

from __future__ import annotations

import pytest
from kit import admitted, erp_orders

pytestmark = pytest.mark.slow
CREATE = {"method": "POST", "path": "CustomerOrders$"}


@pytest.mark.parametrize(
    ("kind", "details"),
    [
        ("cut_after", {}),
        ("truncate", {}),
        ("prefix", {"body": "<br />Warning: something<br />"}),
        ("html", {}),
        ("status", {"status": 500}),
        ("status", {"status": 502, "body": "<html>Bad gateway</html>"}),
        ("cut_before", {}),
    ],
)
def test_an_order_whose_answer_is_lost_exists_once(world, kind, details):
    world.fill(orders=6)
    world.erp.fault(kind, **CREATE, **details, times=3)
    world.settle()

    assert erp_orders(world.erp) == admitted(world.shop)
    assert len(world.erp.state()["orders"]) == len(admitted(world.shop))


def test_an_answer_that_comes_too_late_makes_no_second_order(make):
    # Asking too early is the danger: the order is not there yet, although it will be.
    world = make(erp_settings={"read_timeout": "1", "write_timeout": "1"}, CROSSDOCK_FIND_AFTER="1.5")
    world.fill(orders=6)
    world.link()
    world.erp.fault("slow", **CREATE, seconds=1.6, times=2)
    world.settle()

    assert len(world.erp.state()["orders"]) == len(admitted(world.shop))
    assert erp_orders(world.erp) == admitted(world.shop)


def test_a_lost_answer_is_asked_for_before_anything_is_sent_again(world):
    world.fill(orders=6)
    world.sync()
    world.erp.fault("cut_after", **CREATE, times=100)
    world.push(wait=5, code=None)

    assert len(world.erp.requests("POST", "CustomerOrders")) == len(admitted(world.shop))


def test_a_shop_that_loses_the_answers_to_shipments_reports_each_once(world):
    world.fill(orders=6)
    world.settle()
    world.erp.do("pick_all")
    world.sync("erp", "shipments")
    world.shop.fault("cut_after", method="POST", path="/notes", times=3)
    world.push("tracking", wait=8, code=None)
    told = [note["note"] for notes in world.shop.state()["notes"].values() for note in notes if note["customer_note"]]

    assert len(told) == len(set(told))
    assert len([text for text in told if "was shipped" in text]) == len(admitted(world.shop))
