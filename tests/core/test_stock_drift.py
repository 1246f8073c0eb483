"""A channel changes by itself what it shows: it sells, and buyers cancel. It is told once more; on both databases."""

from __future__ import annotations

import pytest

from crossdock.engine import decide
from crossdock.engine.heal import heal
from crossdock.engine.reconcile import reconcile


@pytest.fixture
def orders(world):
    """The flow of the shop's orders to the ERP."""
    return world.flow()


@pytest.fixture
def flow(world, orders):
    """The flow of stock to the shop, which was told of 10 pieces of A and of B."""
    made = world.flow("balance", "erp", "shop")
    world.pull()
    count(world, A=10, B=10)
    world.pull()
    world.push(made)
    assert world.shop.published == {"A": "10", "B": "10"}
    world.shop.requests.clear()
    return made


def count(world, **counts):
    """The ERP counts, and it is read."""
    world.erp.stock(**counts)
    world.pull("erp", "balance")


def publish(world, flow):
    """What the shop is told, after its orders were read past the stock."""
    world.shop.published.clear()
    world.pull()
    world.push(flow)
    return dict(world.shop.published)


def sell(world, key="1", quantity=2, **fields):
    world.shop.order(key, lines=[{"sku": "A", "quantity": quantity}], **fields)


def test_what_was_sold_and_came_back_before_anything_was_sent_is_told_once_more(world, orders, flow):
    sell(world)
    world.deliver(orders)
    count(world, A=10)  # the ERP has taken the two pieces off, and two others came in

    assert publish(world, flow) == {"A": "10"}
    assert publish(world, flow) == {}


def test_an_order_that_is_cancelled_after_the_erp_has_it_is_told_though_the_erp_keeps_its_goods(world, orders, flow):
    sell(world)
    world.deliver(orders)
    count(world, A=8)
    assert publish(world, flow) == {"A": "8"}
    sell(world, status="cancelled")  # the shop puts two pieces back: it shows 10

    world.deliver(orders)

    assert publish(world, flow) == {"A": "8"}


def test_an_order_that_takes_more_is_told_though_the_stock_is_as_before(world, orders, flow):
    sell(world)
    world.deliver(orders)
    count(world, A=8)
    publish(world, flow)
    sell(world, quantity=3)
    world.deliver(orders)
    count(world, A=8)

    assert publish(world, flow) == {"A": "8"}


def test_goods_of_a_line_that_is_taken_out_are_told_though_the_erp_keeps_them(world, orders, flow):
    world.shop.order("1", lines=[{"sku": "A", "quantity": 2}, {"sku": "B", "quantity": 2}])
    world.deliver(orders)
    count(world, A=8, B=8)
    assert publish(world, flow) == {"A": "8", "B": "8"}
    sell(world, status="processing")  # the shop puts two pieces of B back: it shows ten

    world.deliver(orders)

    assert publish(world, flow)["B"] == "8"


def test_an_order_that_is_unpaid_again_is_told_because_its_goods_are_put_back(world, orders, flow):
    sell(world)
    world.deliver(orders)
    count(world, A=8)
    publish(world, flow)

    sell(world, status="pending")  # the shop puts two pieces back: it shows ten
    assert publish(world, flow) == {"A": "8"}

    sell(world, status="processing")  # and takes them off again: it shows six
    assert publish(world, flow) == {"A": "8"}


def test_a_refund_that_puts_goods_back_is_told(world, orders, flow):
    sell(world)
    world.deliver(orders)
    count(world, A=8)
    publish(world, flow)

    sell(world, refunds=["R1"])  # for one piece, which the shop puts back: it shows nine

    assert publish(world, flow) == {"A": "8"}
    assert publish(world, flow) == {}


def test_a_status_that_changes_no_goods_is_no_reason(world, orders, flow):
    sell(world)
    world.deliver(orders)
    count(world, A=8)
    publish(world, flow)

    sell(world, status="shipped")

    assert publish(world, flow) == {}


def test_an_order_that_is_not_handed_on_moves_the_stock_too(world, flow):
    sell(world, status="on_hold")
    world.pull()
    sell(world, status="cancelled")

    assert publish(world, flow) == {"A": "10"}


def test_a_paused_flow_of_orders_moves_the_stock_too(world, orders, flow):
    decide.switch_flow(world.bench, orders.name, "paused")
    sell(world)
    world.pull()
    sell(world, status="cancelled")
    world.pull()
    decide.switch_flow(world.bench, orders.name, "live")

    assert publish(world, flow) == {"A": "10"}


def test_only_the_channel_that_sold_is_told_what_is_as_before(world, orders, flow, market):
    world.flow(source="market")
    world.pull("market")
    count(world, A=10)
    world.pull()
    world.pull("market")
    other = world.flow("balance", "erp", "market")
    world.push(other)
    sell(world)
    world.deliver(orders)
    count(world, A=10)
    market.published.clear()

    world.pull("market")
    world.push(other)

    assert (publish(world, flow), market.published) == ({"A": "10"}, {})


def test_what_may_be_more_than_the_shop_shows_waits_until_all_orders_were_read(world, orders, flow):
    sell(world)
    world.deliver(orders)
    count(world, A=10)
    world.connect("shop", broken="fetch_orders")
    world.push(flow)
    assert world.shop.writes("published") == []
    world.connect("shop")
    world.later(minutes=2)

    world.push(flow)

    assert world.shop.writes("published") == ["POST /published"]


def test_goods_that_were_put_back_are_taken_off_again_though_another_channel_cannot_be_read(
    world, orders, flow, market
):
    world.flow(source="market")
    world.pull("market")
    sell(world)
    world.deliver(orders)
    count(world, A=8)
    world.pull("market")
    assert publish(world, flow) == {"A": "8"}
    count(world, A=8)
    world.connect("market", broken="fetch_orders")
    sell(world, status="cancelled")  # the shop puts two pieces back: it shows ten
    world.pull()
    world.shop.published.clear()

    world.push(flow)

    assert world.shop.published == {"A": "8"}


def test_that_nothing_is_left_is_told_at_once(world, orders, flow):
    count(world, A=0)
    assert publish(world, flow) == {"A": "0"}
    sell(world)
    world.deliver(orders)
    world.shop.published.clear()

    world.push(flow)

    assert world.shop.published == {"A": "0"}


def test_a_sale_while_a_value_is_under_way_is_not_lost(world, orders, flow, monkeypatch):
    connector = world.bench.open("shop").connector
    push_balance = connector.push_balance
    sold = []

    def selling(session, balances):
        outcomes = push_balance(session, balances)
        if not sold:
            sold.append(sell(world))
            world.deliver(orders)
            count(world, A=9)
        return outcomes

    monkeypatch.setattr(connector, "push_balance", selling)
    count(world, A=9)

    world.push(flow)

    assert (world.shop.published["A"], world.shop.writes("published")) == ("9", ["POST /published"] * 2)
    assert publish(world, flow) == {}


def test_stock_that_is_healed_waits_for_the_orders_that_may_have_taken_it(world, orders, flow):
    sell(world, quantity=4)  # the shop shows six, and nobody has read the order
    world.shop.stock(A=6, B=10)
    world.connect("shop", broken="fetch_orders")
    compared = reconcile(world.bench, flow)

    assert heal(world.bench, flow, compared).planned == 1
    world.push(flow)
    assert world.shop.writes("published") == []

    world.connect("shop")
    world.later(minutes=2)
    world.shop.published.clear()
    world.push(flow)
    assert world.shop.published == {"A": "6"}


def test_stock_that_a_person_sends_again_waits_for_the_orders_that_may_have_taken_it(world, orders, flow):
    sell(world, quantity=4)
    count(world, A=10)
    world.connect("shop", broken="fetch_orders")

    decide.replay(world.bench, [world.effect(flow, "A").id])
    world.push(flow)

    assert (world.shop.writes("published"), world.states(flow)["A"]) == ([], "ready")


def test_while_a_flow_of_stock_is_only_planned_nothing_is_told_and_afterwards_it_is(world, orders, flow):
    decide.switch_flow(world.bench, flow.name, "plan")
    sell(world)
    world.deliver(orders)
    count(world, A=10)
    world.pull()
    assert world.states(flow)["A"] == "planned"

    live, _ = decide.switch_flow(world.bench, flow.name, "live")

    assert publish(world, live) == {"A": "10"}
