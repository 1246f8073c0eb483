"""What has to be done by a certain time goes before what has not; on both databases and a clock that the test moves."""

from __future__ import annotations

from datetime import timedelta

from runner_kit import turn_on, turner
from test_runner_lanes import came

from crossdock.configure import ask_for
from crossdock.store.database import stamp


def at(world, **span):
    return stamp(world.clock.now() + timedelta(**span))


def wait_for_an_answer(world, flow, **hours):
    for key, number in hours.items():
        answer = {"answer": at(world, hours=number)} if number else {}
        world.shop.order(key, status="pending", waits=True, lines=[{"sku": "A", "quantity": 1}], **answer)
    world.pull()


def test_orders_are_accepted_in_the_order_of_their_deadlines_and_those_without_one_last(world):
    flow = world.flow("acceptance")
    world.erp.stock(A=9)
    world.pull("erp", "balance")
    wait_for_an_answer(world, flow, a=0, b=30, c=2, d=10)

    world.push(flow)

    assert [key for key, _ in world.shop.decisions] == ["c", "d", "b", "a"]


def test_orders_are_handed_on_by_the_moment_at_which_they_have_to_leave(world):
    flow = world.flow()
    for key, days in (("1", 3), ("2", 1), ("3", 2)):
        world.shop.order(key, leaves=at(world, days=days), answer=at(world, days=9))
    world.shop.order("4")
    world.pull()

    keys = {effect.id: effect.key for effect in world.effects(flow)}
    assert [keys[each] for each in world.store.deadlines.order(flow.name, "orders", world.clock.now())] == list("231")


def test_a_flow_whose_deadline_ends_soon_goes_before_everything_else(world):
    world.flow()
    turn_on(world)
    worker = turner(world)
    worker.all()
    world.shop.order("1", leaves=at(world, hours=3))
    world.pull()
    ask_for(world.app, "shop", "orders")
    came(world, "7")

    assert worker.due() == ["flow orders", "shop orders", "webhooks of shop"]


def test_a_deadline_that_is_far_away_changes_nothing(world):
    world.flow()
    turn_on(world)
    worker = turner(world)
    worker.all()
    world.shop.order("1", leaves=at(world, hours=5))
    world.pull()
    ask_for(world.app, "shop", "orders")

    assert worker.due() == ["shop orders", "flow orders"]
