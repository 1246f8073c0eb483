"""An order whose create was in doubt, and which is then read at the target under our key, is known to be there."""

from __future__ import annotations

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
