"""An order whose create was in doubt, and which is then read at the target under our key, is known to be there."""

from __future__ import annotations

import pytest

from crossdock.engine import decide
from crossdock.sandbox import Fault


def test_an_order_in_doubt_that_is_read_at_the_target_is_done(world):
    world.connect("erp", "depot-mute")
    flow = world.flow()
    world.shop.order("1")
    world.erp.faults.append(Fault("cut_after", method="POST", path="/orders"))
    world.deliver(flow)
    assert world.states(flow) == {"1": "in_doubt"}

    world.pull("erp")

    (order,) = world.erp.orders.values()
    effect = world.effect(flow)
    assert (effect.state, effect.external_id) == ("done", order["id"])
    assert world.erp.references() == ["shop-1"]


def test_an_order_of_another_key_settles_nothing(world):
    world.connect("erp", "depot-mute")
    flow = world.flow()
    world.shop.order("1")
    world.erp.faults.append(Fault("cut_before", method="POST", path="/orders"))
    world.deliver(flow)
    world.erp.order("77", reference="shop-11")

    world.pull("erp")

    assert world.states(flow) == {"1": "in_doubt"}


@pytest.mark.parametrize("change", [{"status": "cancelled"}, {"note": "to the back door"}], ids=["cancelled", "edited"])
def test_what_changed_while_it_was_in_doubt_is_told_then(world, change):
    world.connect("erp", "depot-mute")
    flow = world.flow()
    world.shop.order("1")
    world.erp.faults.append(Fault("cut_after", method="POST", path="/orders"))
    world.deliver(flow)
    world.shop.order("1", **change)
    world.pull()

    world.pull("erp")
    world.push(flow)

    (order,) = world.erp.orders.values()
    assert {name: order[name] for name in change} == change
    assert world.states(flow) == {"1": "done"}


@pytest.mark.parametrize("known_by", ["reading", "a person"])
def test_goods_that_were_added_while_it_was_in_doubt_are_held_on(world, known_by):
    world.connect("erp", "depot-mute")
    flow = world.flow()
    world.flow("balance", "erp", "shop")
    world.shop.order("1", lines=[{"sku": "A", "quantity": 1}])
    world.erp.faults.append(Fault("cut_after", method="POST", path="/orders"))
    world.deliver(flow)
    world.shop.order("1", lines=[{"sku": "A", "quantity": 4}])
    world.pull()

    if known_by == "reading":
        world.pull("erp")
    else:
        decide.resolve(world.bench, world.effect(flow).id, external_id="1000")
    world.erp.stock(A=9)
    world.pull("erp", "balance")

    assert world.store.holds.of("erp", ["A"])["A"] >= 3
