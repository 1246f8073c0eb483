"""Marketplace orders are accepted by the stock behind them, each piece once; on both databases."""

from __future__ import annotations

import threading

import attrs
import pytest

from crossdock.engine import decide
from crossdock.engine.bench import LEASE
from crossdock.engine.push import push
from crossdock.engine.route import check_flow
from crossdock.errors import UsageError
from crossdock.store.store import Store


@pytest.fixture
def orders(world):
    """The flow that hands the shop's orders on to the ERP."""
    return world.flow()


@pytest.fixture
def flow(world, orders):
    """The flow that lets the shop accept its orders by the stock of the ERP."""
    return world.flow("acceptance")


def waiting(depot, key, quantity=1, sku="A", **fields):
    depot.order(key, status="pending", waits=True, lines=[{"sku": sku, "quantity": quantity}], **fields)


def count(world, **counts):
    world.erp.stock(**counts)
    world.pull("erp", "balance")


def message(world, flow, key=""):
    return world.effect(flow, key).message


# -- what is accepted ----------------------------------------------------------------------------------


def test_an_order_is_accepted_once_when_there_is_enough(world, flow):
    count(world, A=3)
    waiting(world.shop, "1", 3)
    world.deliver(flow)
    world.deliver(flow)

    assert (world.shop.decisions, world.states(flow)) == ([("1", True)], {"1": "done"})


def test_nothing_is_accepted_in_plan_mode(world, orders):
    flow = world.flow("acceptance", mode="plan")
    count(world, A=3)
    waiting(world.shop, "1")
    world.pull()

    with pytest.raises(UsageError, match="plan mode"):
        world.push(flow)

    assert (world.shop.decisions, world.states(flow)) == ([], {"1": "planned"})


def test_what_was_planned_is_accepted_when_the_flow_goes_live(world, orders):
    flow = world.flow("acceptance", mode="plan")
    count(world, A=3)
    waiting(world.shop, "1")
    world.pull()
    live, _ = decide.switch_flow(world.bench, flow.name, "live")

    world.push(live)

    assert world.shop.decisions == [("1", True)]


def test_an_order_that_does_not_wait_is_not_accepted(world, flow):
    count(world, A=3)
    world.shop.order("1")
    world.deliver(flow)

    assert (world.shop.decisions, world.states(flow)) == ([], {})


def test_it_goes_on_to_the_erp_only_after_it_was_accepted(world, flow, orders):
    count(world, A=3)
    waiting(world.shop, "1", 2)
    world.pull()
    assert world.states(orders) == {}
    world.push(flow)
    world.pull()

    world.push(orders)

    assert world.erp.references() == ["shop-1"]


def test_the_buffer_is_not_for_sale(world, orders):
    flow = world.flow("acceptance", buffer=2)
    count(world, A=3)
    waiting(world.shop, "1", 2)
    world.deliver(flow)

    assert (world.shop.decisions, message(world, flow)) == (
        [], "Not enough can be sold: 2 of A are ordered and 1 are free.",
    )  # fmt: skip


def test_only_the_flows_warehouses_count(world, orders):
    flow = world.flow("acceptance", warehouses=("west",))
    world.erp.put("balance", "A@west", count="1")
    world.erp.put("balance", "A@east", count="9")
    world.pull("erp", "balance")
    waiting(world.shop, "1", 2)
    world.deliver(flow)

    assert world.states(flow) == {"1": "awaiting"}


def test_lines_are_looked_up_under_the_names_of_the_erp(world, flow):
    decide.add_mappings(world.bench, [("*", "sku", "A-red", "A")])
    count(world, A=1)
    waiting(world.shop, "1", sku="A-red")
    world.deliver(flow)

    assert world.shop.decisions == [("1", True)]


# -- shortage ------------------------------------------------------------------------------------------


def test_a_shortage_is_left_to_a_person(world, flow):
    count(world, A=1)
    waiting(world.shop, "1", 2)
    world.deliver(flow)

    assert (world.shop.decisions, world.states(flow)) == ([], {"1": "awaiting"})


def test_or_refused_where_that_was_chosen(world, orders):
    flow = world.flow("acceptance", on_shortage="refuse")
    count(world, A=1)
    waiting(world.shop, "1", 2)
    world.deliver(flow)

    assert (world.shop.decisions, world.states(flow)) == ([("1", False)], {"1": "done"})
    assert message(world, flow) == "Not enough can be sold: 2 of A are ordered and 1 are free."


@pytest.mark.parametrize(
    ("sku", "words"), [("X", "erp has no stock of X"), ("", "the line 1 has no SKU")], ids=["unknown", "none"]
)
def test_goods_that_the_stock_does_not_know_are_left_to_a_person(world, flow, sku, words):
    count(world, A=1)
    waiting(world.shop, "1", sku=sku)
    world.deliver(flow)

    assert (world.shop.decisions, message(world, flow)) == ([], f"Not enough can be sold: {words}.")


def test_what_was_left_to_a_person_is_accepted_when_there_is_enough(world, flow):
    count(world, A=1)
    waiting(world.shop, "1", 2)
    world.deliver(flow)

    world.push(flow)
    before = list(world.shop.decisions)
    count(world, A=5)
    world.push(flow)

    assert (before, world.shop.decisions, world.states(flow)) == ([], [("1", True)], {"1": "done"})


def test_of_several_that_were_left_the_oldest_gets_what_arrives(world, flow):
    count(world, A=0)
    for key in ("1", "2", "3"):
        waiting(world.shop, key)
    world.deliver(flow)

    count(world, A=2)
    world.push(flow)

    assert (world.shop.decisions, world.states(flow)["3"]) == ([("1", True), ("2", True)], "awaiting")


def test_a_person_accepts_despite_the_shortage(world, flow):
    count(world, A=1)
    waiting(world.shop, "1", 2)
    world.deliver(flow)

    decide.approve(world.bench, world.effect(flow).id)
    world.push(flow)

    assert (world.shop.decisions, world.states(flow)) == ([("1", True)], {"1": "done"})


def test_what_is_decided_elsewhere_is_given_up(world, flow):
    count(world, A=1)
    waiting(world.shop, "1", 2)
    world.deliver(flow)
    world.shop.order("1", status="processing", waits=False)

    world.deliver(flow)

    assert (world.shop.decisions, world.states(flow)) == ([], {"1": "superseded"})
    assert message(world, flow) == "It does not wait to be accepted any more: it is processing."


def test_what_the_marketplace_refuses_is_parked_with_its_words(world, flow):
    count(world, A=1)
    waiting(world.shop, "1")
    world.shop.unknown = {"1"}
    world.deliver(flow)

    assert (world.states(flow), "decided already" in message(world, flow)) == ({"1": "parked"}, True)


# -- the last piece ------------------------------------------------------------------------------------


def test_of_two_orders_for_the_last_piece_one_is_accepted(world, flow):
    count(world, A=1)
    waiting(world.shop, "1")
    waiting(world.shop, "2")
    world.deliver(flow)

    assert len(world.shop.decisions) == 1
    assert sorted(world.states(flow).values()) == ["awaiting", "done"]


def test_also_where_no_flow_hands_the_orders_on(world):
    flow = world.flow("acceptance")
    count(world, A=1)
    waiting(world.shop, "1")
    waiting(world.shop, "2")
    world.deliver(flow)

    assert sorted(world.states(flow).values()) == ["awaiting", "done"]


def test_also_where_the_flow_that_hands_them_on_is_paused(world, orders, flow):
    decide.switch_flow(world.bench, orders.name, "paused")
    count(world, A=1)
    waiting(world.shop, "1")
    waiting(world.shop, "2")
    world.deliver(flow)

    assert sorted(world.states(flow).values()) == ["awaiting", "done"]


def test_orders_hold_their_goods_while_accepting_them_is_paused(world):
    flow = world.flow("acceptance")
    stock = world.flow("balance", "erp", "shop")
    count(world, A=5)
    decide.switch_flow(world.bench, flow.name, "paused")
    waiting(world.shop, "1", 2)
    world.pull()

    assert world.effect(stock).wanted == "3"


@pytest.fixture
def both(world, flow, market):
    """A second marketplace that accepts by the same stock."""
    world.flow(source="market")
    return world.flow("acceptance", "market")


def test_also_in_two_channels(world, flow, both, market):
    count(world, A=1)
    waiting(world.shop, "1")
    waiting(market, "1")
    for name in ("shop", "market"):
        world.pull(name)
    world.push(flow)
    world.push(both)

    assert len(world.shop.decisions + market.decisions) == 1


def test_also_when_two_processes_decide_at_once(world, flow, both, market, database_url):
    count(world, **{f"S{number}": 1 for number in range(20)})
    for number in range(20):
        waiting(world.shop, f"{number}", sku=f"S{number}")
        waiting(market, f"{number}", sku=f"S{number}")
    for name in ("shop", "market", "shop"):
        world.pull(name)
    other = Store.open(database_url)
    bench = attrs.evolve(world.bench, store=other, owner="another")
    thread = threading.Thread(target=push, args=(bench, both))
    thread.start()
    world.push(flow)
    thread.join()
    other.close()

    accepted = sorted(int(key) for key, _ in world.shop.decisions + market.decisions)
    assert accepted == list(range(20))


def test_a_sale_that_needs_no_acceptance_comes_first(world, flow):
    count(world, A=1)
    waiting(world.shop, "1")
    world.shop.order("2")
    world.deliver(flow)

    assert world.states(flow) == {"1": "awaiting"}


def test_an_accepted_order_is_counted_until_the_stock_shows_it(world, flow, orders):
    count(world, A=1)
    waiting(world.shop, "1")
    world.deliver(flow)
    world.pull()
    world.push(orders)
    waiting(world.shop, "2")
    world.deliver(flow)
    assert world.states(flow)["2"] == "awaiting"

    count(world, A=1)  # another one has come, and the first has left
    world.deliver(flow)

    assert world.states(flow)["2"] == "done"


def test_it_counts_in_what_is_published_before_and_after(world, flow):
    stock = world.flow("balance", "erp", "shop")
    count(world, A=5)
    waiting(world.shop, "1", 2)
    world.pull()
    assert world.effect(stock).wanted == "3"

    world.push(flow)

    assert world.effect(stock).wanted == "3"


# -- lost answers --------------------------------------------------------------------------------------


def test_an_answer_that_is_lost_leads_to_the_same_decision_again(world, orders):
    """Although the stock has fallen meanwhile: it was promised."""
    flow = world.flow("acceptance", on_shortage="refuse")
    count(world, A=1)
    waiting(world.shop, "1")
    world.shop.fault("cut_after", method="POST", path="decision", times=4)
    world.deliver(flow)
    assert world.states(flow) == {"1": "ready"}
    count(world, A=0)
    world.later(minutes=1)

    world.push(flow)

    assert (world.shop.decisions, world.states(flow)) == ([("1", True)] * 5, {"1": "done"})


def test_a_worker_that_died_while_it_accepted_is_followed_by_another(world, flow):
    count(world, A=1)
    waiting(world.shop, "1")
    world.pull()
    world.store.effects.claim(flow.name, 1, "gone/1/1", world.clock.now(), LEASE)
    world.later(seconds=61)

    world.push(flow)

    assert world.shop.decisions == [("1", True)]


# -- other channels ------------------------------------------------------------------------------------


def test_it_waits_until_the_orders_of_the_other_channels_were_read(world, flow, both, market):
    count(world, A=1)
    world.pull("market")
    waiting(world.shop, "1")
    world.pull()
    world.connect("market", broken="fetch_orders")
    world.push(flow)
    assert (world.shop.decisions, message(world, flow)) == (
        [], "It is decided later: the orders of market have not been read since.",
    )  # fmt: skip
    world.connect("market")
    world.later(minutes=2)

    world.push(flow)

    assert world.shop.decisions == [("1", True)]


def test_it_reads_them_itself_and_counts_what_they_sold(world, flow, both, market):
    count(world, A=1)
    world.pull("market")
    waiting(world.shop, "1")
    world.pull()
    market.order("7")

    world.push(flow)

    assert (world.shop.decisions, world.states(flow)) == ([], {"1": "awaiting"})


def test_what_waited_for_stock_is_not_accepted_by_what_another_channel_sold_meanwhile(world, flow, both, market):
    world.pull("market")
    count(world, A=1)
    waiting(world.shop, "1", 2)
    world.deliver(flow)
    assert world.states(flow) == {"1": "awaiting"}
    world.pull("market")
    world.later(hours=1)
    market.order("7")
    count(world, A=2)

    world.push(flow)

    assert (world.shop.decisions, world.states(flow)) == ([], {"1": "awaiting"})


def test_an_order_is_decided_though_its_stock_is_read_more_often_than_a_channels_orders(world, flow, both, market):
    count(world, A=5)
    waiting(world.shop, "1", 2)
    world.pull("shop")
    world.pull("market")
    count(world, A=5)
    world.connect("market", broken="fetch_orders")

    world.push(flow)

    assert world.shop.decisions == [("1", True)]


def test_what_a_person_approved_waits_for_nobody(world, flow, both, market):
    world.pull("market")
    count(world, A=1)
    waiting(world.shop, "1", 2)
    world.deliver(flow)
    decide.approve(world.bench, world.effect(flow).id)
    world.connect("market", broken="fetch_orders")

    world.push(flow)

    assert world.shop.decisions == [("1", True)]


# -- flows that cannot work ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"), [({"on_shortage": "beg"}, "on_shortage is hold or refuse"), ({"buffer": -1}, "negative")]
)
def test_options_that_mean_nothing_are_refused(world, flow, options, words):
    with pytest.raises(UsageError, match=words):
        check_flow(world.bench, attrs.evolve(flow, options=attrs.evolve(flow.options, **options)))


def test_a_flow_of_acceptance_that_works_is_taken(world, flow):
    check_flow(world.bench, flow)
