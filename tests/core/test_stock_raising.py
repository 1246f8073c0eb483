"""Stock is lowered at once, and raised when the orders of all channels were read past it; on both databases."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from crossdock.engine import decide
from crossdock.engine.push import push
from crossdock.engine.stock import behind
from crossdock.store.store import Store


@pytest.fixture
def flow(world):
    """The flow of stock to the shop; orders of shop and market go to the ERP, and were never read."""
    world.flow()
    return world.flow("balance", "erp", "shop")


@pytest.fixture
def market_flow(world, market):
    return world.flow(source="market")


def count(world, **counts):
    world.erp.stock(**counts)
    world.pull("erp", "balance")


def reads(depot):
    """How often the orders of a depot were asked for."""
    return sum(each["path"] == "/orders" for each in depot.requests)


def message(world, flow, key="A"):
    return world.effect(flow, key).message


# -- what waits ----------------------------------------------------------------------------------------


def test_the_first_value_waits_until_orders_were_read(world, flow):
    count(world, A=10)
    world.push(flow)
    assert (world.shop.published, world.states(flow)) == ({}, {"A": "ready"})

    world.pull()
    world.later(minutes=2)
    world.push(flow)

    assert world.shop.published == {"A": "10"}


def test_it_says_who_is_behind(world, flow, market_flow):
    world.pull("market")
    count(world, A=10)
    world.connect("market", broken="fetch_orders")

    world.push(flow)

    assert message(world, flow) == (
        "Stock is raised later: the orders of shop have never been read, and the orders of market have not been read "
        "since."
    )


def test_nothing_that_is_sold_out_waits(world, flow):
    count(world, A=0)

    world.push(flow)

    assert world.shop.published == {"A": "0"}


def test_stock_that_nobody_sells_by_orders_waits_for_nothing(world):
    flow = world.flow("balance", "erp", "shop")
    count(world, A=10)

    world.push(flow)

    assert world.shop.published == {"A": "10"}


@pytest.fixture
def ten(world, flow):
    """The shop shows ten pieces of A; its orders stream is read by hand only."""
    count(world, A=10)
    world.pull()
    world.push(flow)
    assert world.shop.published == {"A": "10"}
    world.shop.requests.clear()
    return flow


def test_less_goes_at_once(world, ten):
    world.shop.fault("status", method="GET", path="/orders", status=503, times=99)
    count(world, A=4)

    world.push(ten)

    assert (world.shop.published, reads(world.shop)) == ({"A": "4"}, 0)


def test_less_goes_at_once_while_more_of_another_waits(world, ten):
    count(world, A=10, B=5)
    world.shop.fault("status", method="GET", path="/orders", status=503, times=99)
    count(world, A=12, B=1)
    world.push(ten)
    count(world, A=11, B=0)

    world.push(ten)

    assert world.shop.published == {"A": "10", "B": "0"}


def test_what_becomes_less_goes_first(world, ten):
    count(world, **{f"0{number:02}": 5 for number in range(25)}, A=4)
    world.pull()
    shown = []
    world.shop.between = lambda method, path: shown.append(dict(world.shop.published)) if method == "POST" else None

    world.push(ten)

    # Two batches leave side by side; there are three.
    assert any(published["A"] == "4" for published in shown[:2])


def test_more_goes_after_orders_that_were_read_since(world, ten):
    count(world, A=12)
    world.shop.order("1", quantity=1)
    world.pull()
    world.shop.requests.clear()

    world.push(ten)

    assert (world.shop.published, reads(world.shop)) == ({"A": "11"}, 0)


def test_a_channel_whose_orders_are_only_accepted_here_counts_as_well(world, ten, market):
    world.flow("acceptance", source="market")
    world.pull("market")
    world.pull()
    market.order("7", status="pending", waits=True, quantity=1)
    count(world, A=12)

    world.push(ten)

    assert (world.shop.published, reads(market)) == ({"A": "11"}, 2)


def test_orders_that_were_read_before_the_stock_do_not_count(world, ten, market_flow):
    world.pull("market")
    world.pull()
    count(world, A=12)
    world.connect("shop", broken="fetch_orders")

    world.push(ten)

    assert world.shop.published == {"A": "10"}


def test_a_run_of_orders_that_broke_off_does_not_count(world, ten):
    count(world, A=12)
    world.connect("shop", page_size="1", broken="fetch_customers")
    world.shop.order("1", quantity=1)
    world.shop.order("2", quantity=1)
    world.shop.fault("status", method="GET", path="/orders", status=503, skip=1, times=99)
    with pytest.raises(Exception, match="503"):
        world.pull()

    world.push(ten)

    assert (world.shop.published, world.effect(ten).wanted) == ({"A": "10"}, "11")


def test_reading_single_orders_does_not_count(world, ten):
    count(world, A=12)
    world.shop.order("1")
    world.pull(keys=["1"])
    world.connect("shop", broken="fetch_orders")

    world.push(ten)

    assert world.shop.published == {"A": "10"}


def test_stock_that_was_read_again_unchanged_moves_the_moment(world, ten):
    world.shop.order("1", quantity=3)
    world.pull()
    world.push(ten)
    world.push(world.store.config.flow("orders"))
    world.pull()
    world.pull("erp", "balance", keys=["A"])
    assert world.effect(ten).wanted == "10"
    world.connect("shop", broken="fetch_orders")

    world.push(ten)

    assert world.shop.published == {"A": "7"}


# -- the push reads for itself -------------------------------------------------------------------------


def test_the_push_reads_the_orders_of_channels_that_are_read_at_all(world, ten, market, market_flow):
    world.pull("market")
    count(world, A=12)
    world.shop.order("1", quantity=1)
    market.order("1", quantity=2)

    world.push(ten)

    assert world.shop.published == {"A": "9"}


def test_it_reads_once_for_everything(world, ten):
    count(world, **{f"S{number}": 5 for number in range(40)})
    world.shop.requests.clear()

    world.push(ten)

    assert (len(world.shop.published), reads(world.shop)) == (41, 1)


def test_it_reads_a_channel_that_is_switched_on_and_was_never_read(world, flow):
    world.store.config.save_stream("shop", "orders", enabled=True, every=600, cron="")
    count(world, A=10)

    world.push(flow)

    assert world.shop.published == {"A": "10"}


def test_it_reads_no_channel_that_nobody_switched_on(world, flow):
    count(world, A=10)

    world.push(flow)

    assert (reads(world.shop), world.shop.published) == (0, {})


def test_it_tries_again_after_a_minute(world, ten):
    world.connect("shop", broken="fetch_orders")
    count(world, A=12)
    pushed = world.push(ten)
    assert pushed.next_at is not None
    world.connect("shop")
    assert world.push(ten).counts.done == 0
    world.later(seconds=61)

    world.push(ten)

    assert world.shop.published == {"A": "12"}


def test_orders_that_another_worker_is_reading_are_waited_for(world, ten):
    count(world, A=12)
    lease = world.store.leases.take("pull:shop:orders", "another", world.clock.now(), timedelta(minutes=5))
    assert lease is not None

    world.push(ten)

    assert (world.shop.published, message(world, ten)) == (
        {"A": "10"}, "Stock is raised later: the orders of shop have not been read since.",
    )  # fmt: skip


def test_a_paused_connection_holds_more_back_and_lets_less_go(world, ten, market, market_flow):
    world.pull("market")
    world.store.config.set_state("market", "paused", "the token is wrong", world.clock.now())
    count(world, A=12)
    world.pull()
    world.push(ten)
    assert (world.shop.published, message(world, ten)) == (
        {"A": "10"},
        "Stock is raised later: the orders of market have not been read since, and its connection is paused.",
    )

    count(world, A=3)
    world.push(ten)

    assert world.shop.published == {"A": "3"}


def test_a_paused_flow_of_orders_holds_more_back_and_lets_less_go(world, ten):
    decide.switch_flow(world.bench, "orders", "paused")
    count(world, A=12)
    world.push(ten)
    assert (world.shop.published, message(world, ten)) == (
        {"A": "10"}, "Stock is raised later: the flow orders is paused, so orders of shop are not known.",
    )  # fmt: skip

    count(world, A=3)
    world.push(ten)

    assert world.shop.published == {"A": "3"}


def test_what_waits_goes_when_the_flow_is_switched_on_again(world, ten):
    decide.switch_flow(world.bench, "orders", "paused")
    count(world, A=12)
    world.shop.order("1", quantity=2)
    world.push(ten)
    decide.switch_flow(world.bench, "orders", "live")
    world.later(minutes=2)

    world.push(ten)

    assert world.shop.published == {"A": "10"}


def test_nothing_is_behind_of_a_stock_that_no_orders_reduce(world):
    assert behind(world.bench, "erp", world.clock.now()) == []


# -- what is known to be shown -------------------------------------------------------------------------


def test_what_leaves_is_what_is_known_at_that_moment_and_the_ledger_says_so(world, ten):
    """Between the claim and the request the stock falls; what is raised afterwards is raised from there."""
    count(world, A=8)
    world.local("""
from crossdock import hookimpl

work = []

@hookimpl
def transform_record(flow, record):
    return None

@hookimpl(wrapper=True)
def push_balance(session, balances):
    while work:
        work.pop()()
    return (yield)
""")
    import crossdock_local

    crossdock_local.work.append(lambda: count(world, A=5))
    world.push(ten)

    effect = world.effect(ten)
    assert (world.shop.published, effect.done, effect.wanted, effect.state) == ({"A": "5"}, "5", "5", "done")


def test_an_older_snapshot_never_overwrites_a_newer_publication(world, ten, database_url):
    """A worker claims the old value and stands still; another one publishes the new one."""
    count(world, A=8)
    slow = world.store.effects.claim("balance", 10, "slow/1/1", world.clock.now(), timedelta(seconds=60))
    assert [each.wanted for each in slow] == ["8"]
    count(world, A=5)
    world.push(ten)
    assert world.shop.published == {"A": "10"}
    world.later(seconds=61)

    world.push(ten)

    assert (world.shop.published, world.states(ten)) == ({"A": "5"}, {"A": "done"})


def test_an_answer_that_is_older_than_what_is_stored_changes_nothing(world, flow):
    world.erp.put("balance", "A", count="5", changed="2026-03-01T11:00:00Z")
    world.pull("erp", "balance")
    world.pull()
    world.push(flow)
    world.erp.put("balance", "A", count="9", changed="2026-03-01T10:00:00Z")
    world.pull("erp", "balance")
    world.pull()

    world.push(flow)

    assert (world.shop.published, world.effect(flow).wanted) == ({"A": "5"}, "5")


def test_less_than_what_may_be_shown_since_an_answer_was_lost_goes_at_once(world, ten):
    count(world, A=20)
    world.pull()
    world.shop.fault("cut_after", method="POST", path="/published", times=9)
    world.push(ten)
    world.shop.faults.clear()
    assert (world.shop.published, world.states(ten)) == ({"A": "20"}, {"A": "ready"})
    world.shop.fault("status", method="GET", path="/orders", status=503, times=99)
    count(world, A=15)
    world.later(minutes=5)

    world.push(ten)

    assert (world.shop.published, world.effect(ten).unconfirmed) == ({"A": "15"}, "")


def test_what_was_refused_is_not_taken_for_shown(world, ten):
    world.shop.unknown = {"A"}
    count(world, A=20)
    world.pull()
    world.push(ten)
    world.shop.unknown = set()
    assert world.states(ten) == {"A": "parked"}
    world.connect("shop", broken="fetch_orders")
    count(world, A=15)

    world.push(ten)

    assert world.shop.published == {"A": "10"}


# -- imports that the vendor works off later -----------------------------------------------------------


@pytest.fixture
def importing(world):
    world.connect("shop", "depot-importing")
    world.flow()
    flow = world.flow("balance", "erp", "shop")
    count(world, A=10)
    world.pull()
    world.push(flow)
    assert world.states(flow) == {"A": "submitted"}
    return flow


def finish(world, flow, job, **states):
    world.shop.finish(job, **states)
    world.later(seconds=61)
    world.push(flow)


def test_an_import_counts_as_shown_only_when_it_is_confirmed(world, importing):
    assert world.effect(importing).done == ""

    finish(world, importing, "J1")

    assert (world.effect(importing).done, world.states(importing)) == ("10", {"A": "done"})


def test_more_waits_also_after_an_import_that_was_refused(world, importing):
    finish(world, importing, "J1", A="rejected")
    world.connect("shop", "depot-importing", broken="fetch_orders")
    count(world, A=12)

    world.push(importing)

    assert (list(world.shop.jobs), world.states(importing)) == (["J1"], {"A": "ready"})


def test_a_change_while_an_import_runs_is_judged_by_what_the_import_made(world, importing):
    count(world, A=12)
    world.connect("shop", "depot-importing", broken="fetch_orders")
    finish(world, importing, "J1")
    assert (list(world.shop.jobs), world.states(importing)) == (["J1"], {"A": "ready"})
    count(world, A=7)
    world.later(seconds=61)

    world.push(importing)

    assert world.shop.jobs["J2"]["given"] == {"A": "7"}


# -- two workers ---------------------------------------------------------------------------------------


def test_two_workers_publish_the_same_stock_once(world, ten, database_url):
    count(world, **{f"S{number}": 5 for number in range(20)})
    world.pull()
    other = Store.open(database_url)
    bench = attrs.evolve(world.bench, store=other, owner="another")

    first, second = push(bench, ten), world.push(ten)
    other.close()

    assert (first.counts.done, second.counts.done) == (20, 0)
