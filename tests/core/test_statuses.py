"""How far an order is at the system that does the work is shown where it came from; on both databases."""

from __future__ import annotations

import pytest

from crossdock.engine import batch, decide
from crossdock.engine.settle import bind
from crossdock.store.records import Bound


@pytest.fixture
def orders(world):
    """The flow that hands the shop's orders on to the ERP."""
    return world.flow()


@pytest.fixture
def flow(world, orders):
    """The flow that shows in the shop how far its orders are in the ERP."""
    return world.flow("statuses", "erp", "shop")


@pytest.fixture
def handed(world, orders, flow):
    """The shop's order 1 is order 1000 of the ERP, whose status was shown."""
    world.shop.order("1")
    world.deliver(orders)
    world.deliver(flow)
    world.shop.requests.clear()
    return flow


def shown(world, key="1"):
    return world.shop.orders[key].get("shown")


def test_a_status_is_shown_where_the_order_came_from(world, handed):
    world.erp.order("1000", status="shipped")

    world.deliver(handed)

    assert shown(world) == "shipped"


def test_each_change_is_shown_once(world, handed):
    for status in ("partially_shipped", "shipped"):
        world.erp.order("1000", status=status)
        world.deliver(handed)
        world.deliver(handed)

    assert world.shop.writes() == ["PUT /orders/1/status"] * 2


def test_what_is_no_news_is_not_shown(world, handed):
    world.erp.order("1000", note="the customer called", total="11.00")

    world.deliver(handed)

    assert world.shop.writes() == []


def test_of_several_changes_only_the_last_is_shown(world, handed):
    for status in ("partially_shipped", "shipped"):
        world.erp.order("1000", status=status)
        world.pull("erp")

    world.push(handed)

    assert (world.shop.writes(), shown(world)) == (["PUT /orders/1/status"], "shipped")


def test_the_status_is_translated_by_the_flows_table(world, handed):
    decide.add_mappings(world.bench, [(handed.name, "status", "shipped", "wc-completed")])
    world.erp.order("1000", status="shipped")

    world.deliver(handed)

    assert shown(world) == "wc-completed"


def test_only_the_flows_statuses_are_shown(world, orders):
    flow = world.flow("statuses", "erp", "shop", statuses=("shipped",))
    world.shop.order("1")
    world.deliver(orders)
    world.erp.order("1000", status="partially_shipped")
    world.deliver(flow)
    assert shown(world) is None
    world.erp.order("1000", status="shipped")

    world.deliver(flow)

    assert shown(world) == "shipped"


def test_an_order_of_the_erps_own_is_set_aside(world, flow):
    world.erp.order("77", status="shipped")

    world.deliver(flow)

    assert (world.states(flow), world.shop.writes()) == ({"77": "superseded"}, [])


def test_an_order_that_came_from_another_channel_makes_no_effect(world, flow, market):
    other = world.flow(source="market")
    market.order("5")
    world.deliver(other)

    world.deliver(flow)

    assert (world.states(flow), market.orders["5"].get("shown")) == ({}, None)


def test_what_was_set_aside_goes_on_when_its_order_turns_out_to_be_the_shops(world, flow):
    world.shop.order("1")
    world.pull()
    world.erp.order("77", status="shipped")
    world.deliver(flow)
    assert world.states(flow) == {"77": "superseded"}
    with world.store.transaction():
        bind(world.bench, Bound("shop", "orders", "1", "erp", "77", "N77"))

    world.push(flow)

    assert (shown(world), world.states(flow)) == ("shipped", {"77": "done"})


def test_a_status_that_is_read_before_the_answer_to_the_create_is_kept_is_not_lost(world, orders, flow):
    world.shop.order("1")
    world.erp.fault("cut_after", method="POST", path="/orders")
    world.deliver(orders)
    world.erp.order("1000", status="shipped")
    world.deliver(flow)
    world.later(seconds=11)
    world.push(orders)

    world.push(flow)

    assert shown(world) == "shipped"


def test_an_answer_that_is_lost_is_no_doubt(world, handed):
    world.erp.order("1000", status="shipped")
    world.shop.fault("cut_after", method="PUT", path="status", times=4)
    world.deliver(handed)
    assert world.states(handed) == {"1000": "ready"}
    world.later(minutes=1)

    world.push(handed)

    assert (shown(world), world.states(handed)) == ("shipped", {"1000": "done"})


def test_nothing_is_shown_in_plan_mode_and_the_last_state_when_it_goes_live(world, orders):
    flow = world.flow("statuses", "erp", "shop", mode="plan")
    world.shop.order("1")
    world.deliver(orders)
    for status in ("processing", "shipped"):
        world.erp.order("1000", status=status)
        world.pull("erp")
    assert world.shop.writes() == []
    live, _ = decide.switch_flow(world.bench, flow.name, "live")

    world.push(live)

    assert (shown(world), world.shop.writes()) == ("shipped", ["PUT /orders/1/status"])


def test_a_flow_that_is_added_later_shows_how_far_orders_are(world, orders):
    world.shop.order("1")
    world.deliver(orders)
    world.erp.order("1000", status="shipped")
    world.pull("erp")

    world.push(world.flow("statuses", "erp", "shop"))

    assert shown(world) == "shipped"


# -- many in one call ----------------------------------------------------------------------------------


@pytest.fixture
def listed(world, orders):
    """Three of the shop's orders are with the ERP, where something has happened; the shop takes many news at once."""
    world.connect("shop", "depot-listing")
    for key in ("1", "2", "3"):
        world.shop.order(key)
    world.deliver(orders)
    for key in world.erp.orders:
        world.erp.order(key, status="shipped")
    world.pull("erp")
    world.shop.requests.clear()
    return world.flow("statuses", "erp", "shop")


def test_the_statuses_of_many_orders_are_shown_in_one_call_where_the_target_takes_many(world, listed):
    world.push(listed)

    assert [shown(world, key) for key in "123"] == ["shipped"] * 3
    assert (world.shop.writes(), set(world.states(listed).values())) == (["PUT /statuses"], {"done"})


def test_the_next_news_of_one_order_of_many_is_sent_alone(world, listed):
    world.push(listed)
    world.erp.order("1001", status="completed")

    world.deliver(listed)

    assert (world.shop.writes(), sorted(shown(world, key) for key in "123")) == (
        ["PUT /statuses"] * 2, ["completed", "shipped", "shipped"],
    )  # fmt: skip


def test_no_more_are_sent_in_one_call_than_a_hook_is_promised(world, listed, monkeypatch):
    monkeypatch.setattr(batch, "STATUS_BATCH", 2)

    world.push(listed)

    assert (len(world.shop.writes()), set(world.states(listed).values())) == (2, {"done"})


def test_of_many_only_the_refused_one_is_parked(world, listed):
    world.shop.unknown = {"2"}

    world.push(listed)

    parked = [effect for effect in world.effects(listed) if effect.state == "parked"]
    assert [effect.message for effect in parked] == ["it is closed"]
    assert sorted(world.states(listed).values()) == ["done", "done", "parked"]


def test_a_lost_answer_to_many_is_no_doubt_and_they_stay_together(world, listed):
    world.shop.fault("cut_after", method="PUT", path="statuses", times=4)
    world.push(listed)
    assert set(world.states(listed).values()) == {"ready"}
    world.shop.requests.clear()
    world.later(minutes=1)

    world.push(listed)

    assert (world.shop.writes(), set(world.states(listed).values())) == (["PUT /statuses"], {"done"})


def test_an_order_of_the_erps_own_among_many_is_set_aside(world, listed):
    world.erp.order("77", status="shipped")

    world.deliver(listed)

    assert (world.states(listed)["77"], world.shop.writes()) == ("superseded", ["PUT /statuses"])


# -- one order, one address ----------------------------------------------------------------------------


def test_an_order_whose_lines_go_to_different_addresses_is_parked_with_a_sentence(world, orders):
    world.shop.order("1", lines=[{"sku": "A", "city": "Ghent"}, {"sku": "B", "city": "Delft"}])

    world.deliver(orders)

    effect = world.effect(orders)
    assert (effect.state, effect.path, world.erp.writes()) == ("parked", "lines.ship_to", [])
    assert effect.message == "Its lines go to 2 different addresses, and erp takes one address for an order."


def test_an_order_whose_lines_go_to_one_address_is_handed_on(world, orders):
    world.shop.order("1", lines=[{"sku": "A", "city": "Ghent"}, {"sku": "B", "city": "Ghent"}])

    world.deliver(orders)

    assert world.states(orders) == {"1": "done"}


def test_a_line_without_an_address_of_its_own_goes_where_the_order_goes(world, orders):
    world.shop.order("1", lines=[{"sku": "A", "city": "Ghent"}, {"sku": "B"}])

    world.deliver(orders)

    assert world.states(orders) == {"1": "parked"}
