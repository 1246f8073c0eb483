"""What is due, in which order, and when it is due again; on both databases and a clock that the test moves."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from runner_kit import turn_on, turner, until

from crossdock import Changed
from crossdock.configure import ask_for
from crossdock.engine.bench import working
from crossdock.errors import UsageError
from crossdock.overview import overview
from crossdock.runner.embedded import Shares
from crossdock.runner.lanes import Lane, Lanes
from crossdock.runner.turns import take_turn
from crossdock.store.database import stamp
from crossdock.store.inbox import Arrival
from crossdock.store.leases import is_dead, whoami


def reads(world, stream="orders", depot=None):
    return [each for each in (depot or world.shop).requests if each["path"] == f"/{stream}"]


def problems(world):
    return overview(world.store, world.clock.now()).problems


# -- schedules ---------------------------------------------------------------------------------------


def test_a_stream_that_is_switched_on_is_read_at_once_and_then_by_its_schedule(world):
    turn_on(world, every="10m")
    worker = turner(world)

    assert worker.all() == ["shop orders"]
    world.later(minutes=9, seconds=59)
    assert worker.due() == []
    world.later(seconds=1)
    assert worker.due() == ["shop orders"]


def test_what_is_off_or_paused_is_not_tried(world):
    turn_on(world)
    turn_on(world, connection="erp")
    world.store.config.save_stream("erp", "orders", enabled=False, every=600, cron="")
    world.store.config.set_state("shop", "paused", "by hand", world.clock.now())

    assert turner(world).due() == []


def test_what_was_missed_is_made_up_once(world):
    turn_on(world, every="10m")
    turn_on(world, "balance", every="10m")
    worker = turner(world)
    worker.all()

    world.later(days=3)

    assert worker.all() == ["shop orders", "shop balance"]


def test_quiet_hours_are_kept_also_after_a_stop(world):
    turn_on(world, every="10m", quiet="11:00-14:30")  # it is 12:00

    assert turner(world).all() == []
    assert world.store.config.stream("shop", "orders").next_at.startswith("2026-03-01T14:30:00")


def test_quiet_hours_that_are_said_later_hold_as_well(world):
    turn_on(world, every="10m")
    row = world.store.config.stream("shop", "orders")
    world.store.config.save_stream(
        "shop", "orders", enabled=True, every=row.every, cron="", quiet="11:00-14:30", next_at=row.next_at
    )

    assert [turner(world).turn().state, turner(world).due(), reads(world)] == ["nothing", [], []]


def test_what_was_read_by_hand_a_moment_ago_is_left_alone_as_long_as_its_vendor_wants(world):
    turn_on(world, every="10m")
    world.later(minutes=9, seconds=30)
    world.pull()
    world.store.agenda.put_off("shop", "orders", world.clock.now())
    worker = turner(world)

    assert (worker.turn().state, len(reads(world))) == ("nothing", 1)
    world.later(minutes=1)
    assert worker.turn().state == "done"


def test_reading_by_hand_moves_the_next_turn(world):
    turn_on(world, every="10m")
    world.later(minutes=5)
    begun = world.clock.now()

    world.pull()

    assert world.store.config.stream("shop", "orders").next_at > stamp(begun + timedelta(minutes=10))
    assert turner(world).due() == []


# -- the order ---------------------------------------------------------------------------------------


def came(world, *keys):
    world.store.inbox.keep([
        Arrival(connection="shop", received_at=stamp(world.clock.now()), method="POST", headers="{}", query="{}",
                body=b"", signals=(Changed(stream="orders", keys=keys),))
    ])  # fmt: skip


def test_wishes_and_webhooks_go_first_then_deliveries_then_reading_by_what_matters(world):
    world.flow()
    world.flow("prices", source="erp", target="shop")
    for stream in ("customers", "prices", "balance", "shipments", "orders"):
        turn_on(world, stream)
    turn_on(world, "prices", "erp")
    world.shop.order("1")
    world.erp.put("prices", "A", amount="2.00")
    world.pull()
    world.pull("erp", "prices")
    world.store.agenda.put_off("shop", "orders", world.clock.now())
    came(world, "7")
    ask_for(world.app, "erp", "prices")

    assert turner(world).due() == [
        "erp prices", "webhooks of shop", "flow orders", "flow prices", "shop orders", "shop shipments",
        "shop balance", "shop prices", "shop customers",
    ]  # fmt: skip


def test_orders_that_wait_to_be_accepted_are_decided_before_others_are_handed_on(world):
    world.flow()
    world.flow("acceptance")
    world.shop.order("1", waits=True)
    world.pull()

    assert turner(world).due() == ["flow acceptance", "flow orders"]


def test_who_waits_for_minutes_becomes_more_urgent_but_not_before_webhooks(world):
    turn_on(world, "customers")
    ticks = [0.0]
    lanes = Lanes(world.bench, lambda: ticks[0])
    assert [lane.text for lane in lanes.due()] == ["shop customers"]

    ticks[0] = 600.0
    turn_on(world, "orders")
    came(world, "7")

    assert [lane.text for lane in lanes.due()] == ["webhooks of shop", "shop customers", "shop orders"]


def test_webhooks_that_never_end_do_not_keep_deliveries_waiting_for_ever(world):
    """One worker, and a shop that sends the next webhook before those that came are worked."""
    ticks = [0.0]
    lanes = Lanes(world.bench, lambda: ticks[0])
    world.flow()
    turn_on(world)
    world.shop.order("1")
    world.pull()
    worked = []
    for number in range(60):
        came(world, str(number))
        lane = lanes.due()[0]
        worked.append(lane.text)
        ticks[0] += 15.0
        lanes.worked(lane)

    assert 1 <= worked.count("flow orders") <= 3
    assert worked[:8] == ["webhooks of shop"] * 8


def test_what_was_read_is_handed_on_at_once(world):
    world.flow()
    turn_on(world)
    world.shop.order("1")

    assert turner(world).all() == ["shop orders", "flow orders"]
    assert world.erp.references() == ["shop-1"]


def test_a_flow_that_plans_runs_dry_or_is_paused_is_not_due(world):
    world.flow("orders", mode="plan")
    world.flow("balance", source="erp", target="shop", dry_run=True)
    world.flow("customers", mode="paused")
    for stream, name in (("orders", "shop"), ("customers", "shop"), ("balance", "erp")):
        world.shop.order("1")
        world.shop.put("customers", "1", name="A")
        world.erp.stock(A=1)
        world.pull(name, stream)

    assert turner(world).due() == []


def test_orders_that_waited_for_stock_are_looked_at_when_it_arrives(world):
    flow = world.flow("acceptance")
    turn_on(world, "balance", "erp", every="10m")
    world.erp.stock(A=0)
    world.shop.order("1", waits=True)
    world.pull()
    worker = turner(world)
    worker.all()
    world.later(minutes=2)
    worker.all()
    assert world.states(flow) == {"1": "awaiting"}

    world.erp.stock(A=5)
    world.later(minutes=10)
    worker.all()

    assert world.shop.decisions == [("1", True)]


# -- wishes ------------------------------------------------------------------------------------------


def test_a_wish_is_fulfilled_once_and_beside_the_schedule(world):
    turn_on(world, every="10m")
    worker = turner(world)
    worker.all()

    ask_for(world.app, "shop", "orders")
    ask_for(world.app, "shop", "orders")

    assert worker.all() == ["shop orders"]


def test_a_wish_that_comes_while_the_stream_is_being_read_is_not_lost(world):
    turn_on(world)
    world.shop.fault("slow", path="/orders", seconds=0.3)
    worker = turner(world)
    reading = threading.Thread(target=worker.turn)
    reading.start()
    until(lambda: reads(world))

    ask_for(world.app, "shop", "orders")
    reading.join()

    assert worker.all() == ["shop orders"]
    assert len(reads(world)) == 2


def test_a_wish_goes_through_rest_and_quiet_hours(world):
    turn_on(world, every="10m", quiet="11:00-14:30")
    world.store.agenda.rest_stream("shop", "orders", world.clock.now() + timedelta(hours=1), 2)

    ask_for(world.app, "shop", "orders")

    assert turner(world).all() == ["shop orders"]


def test_nothing_can_be_wished_of_what_is_off_or_paused(world):
    with pytest.raises(UsageError, match="is off"):
        ask_for(world.app, "shop", "orders")
    world.store.config.set_state("shop", "paused", "by hand", world.clock.now())
    with pytest.raises(UsageError, match="is paused"):
        ask_for(world.app, "shop", "orders")


# -- trouble -----------------------------------------------------------------------------------------


def test_a_vendor_that_wants_a_pause_gets_it_and_nobody_is_told(world):
    turn_on(world, every="10m")
    world.shop.fault("status", path="/orders", status=429, headers={"Retry-After": "300"})
    worker = turner(world)

    assert worker.turn().state == "waiting"
    assert (worker.due(), problems(world)) == ([], [])
    world.later(minutes=5)
    assert worker.all() == ["shop orders"]


def test_passing_trouble_backs_off_and_is_quiet_until_it_lasts(world):
    turn_on(world, every="10m")
    world.shop.fault("status", path="/orders", status=503, times=1000)
    worker = turner(world)
    waited, told = [], []
    for _ in range(4):
        turn = worker.turn()
        told.append((turn.needs_attention, bool(problems(world))))
        begun = world.clock.now()
        while not worker.due():
            world.later(seconds=1)
        waited.append((world.clock.now() - begun).total_seconds())

    assert told == [(False, False), (False, False), (True, True), (True, True)]
    assert all(later > earlier for earlier, later in itertools.pairwise(waited))
    assert 20 < waited[0] < 40
    assert 150 < waited[3] < 310


def test_trouble_that_passed_is_forgotten(world):
    turn_on(world, every="10m")
    world.shop.fault("status", path="/orders", status=503, times=1000)
    worker = turner(world)
    assert worker.turn().state == "failed"
    world.shop.faults.clear()
    world.later(minutes=1)
    worker.all()

    row = world.store.config.stream("shop", "orders")
    assert (row.failures, row.held_until, problems(world)) == (0, "", [])


def test_a_refused_token_is_not_tried_again_before_the_connection_is_verified(world):
    turn_on(world)
    world.shop.token = "changed"
    worker = turner(world)

    assert worker.turn().needs_attention
    assert worker.due() == []
    world.shop.token = "depot-token-0815"
    assert world.app.verify("shop").green
    assert worker.all() == ["shop orders"]


def test_a_connector_that_breaks_rests_and_is_told_at_once(world):
    world.connect("shop", broken="fetch_orders")
    turn_on(world)
    worker = turner(world)

    turn = worker.turn()

    assert (turn.state, turn.needs_attention, worker.due()) == ("failed", True, [])
    assert any("failed" in problem for problem in problems(world))


def test_a_flow_whose_connector_breaks_rests(world):
    world.flow("balance", source="erp", target="shop")
    turn_on(world, "balance", "erp")
    world.connect("shop", broken="push_balance")
    world.erp.stock(A=3)
    worker = turner(world)

    assert worker.all() == ["erp balance", "flow balance"]


def test_what_rests_is_tried_at_once_when_a_person_looked_after_it(world):
    flow = world.flow("balance", source="erp", target="shop")
    turn_on(world, "balance", "erp")
    world.store.agenda.rest_stream("erp", "balance", world.clock.now() + timedelta(hours=1), 5)
    world.store.agenda.rest_flow(flow.name, world.clock.now() + timedelta(hours=1), 5)
    assert any("failed 5 times in a row" in problem for problem in problems(world))
    assert turner(world).due() == []

    assert world.app.verify("erp").green

    assert turner(world).due() == ["erp balance"]
    assert world.store.agenda.failing_flows() == {}


def test_a_connection_that_was_opened_anew_is_closed_by_the_daily_chores(world):
    world.pull()
    before = world.app.open("shop")
    world.connect("shop", page_size="3")

    world.app.sweep()
    world.pull()

    assert world.app.open("shop") is not before


def test_what_somebody_else_is_at_is_left_alone(world):
    turn_on(world)
    worker = turner(world)
    with working(world.bench, "pull:shop:orders"):
        assert worker.turn().state == "busy"
        assert worker.due() == []
    world.later(seconds=2)

    assert worker.all() == ["shop orders"]


def test_what_somebody_else_did_meanwhile_is_not_done_again(world):
    turn_on(world)
    (lane,) = turner(world).lanes.due()
    turner(world).all()

    assert (take_turn(world.bench, lane).state, len(reads(world))) == ("nothing", 1)


def test_what_a_dead_process_of_this_machine_was_sending_is_due_at_once(world):
    world.flow()
    world.shop.order("1")
    world.pull()
    gone = subprocess.run(
        [sys.executable, "-c", "from crossdock.store.leases import is_dead, whoami; print(whoami())"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    world.store.effects.claim("orders", 1, gone, world.clock.now(), timedelta(minutes=1))

    assert turner(world).due() == ["flow orders"]


def test_what_a_living_process_is_sending_is_not_due_before_its_lease_is_over(world):
    world.flow()
    world.shop.order("1")
    world.pull()
    world.store.effects.claim("orders", 1, whoami(), world.clock.now(), timedelta(minutes=1))

    assert turner(world).due() == []
    world.later(seconds=61)
    assert turner(world).due() == ["flow orders"]


def test_webhooks_that_wait_for_their_time_are_not_looked_at_until_then_unless_a_new_one_comes(world):
    turn_on(world)
    world.shop.fault("status", path="/orders", status=503, times=1000)
    came(world, "7")
    worker = turner(world)
    assert worker.due()[0] == "webhooks of shop"
    assert worker.turn().state == "waiting"
    assert "webhooks of shop" not in worker.due()

    came(world, "8")

    assert worker.due()[0] == "webhooks of shop"


# -- who works ---------------------------------------------------------------------------------------


def test_a_process_that_ended_is_dead_also_before_its_parent_asks_about_it():
    code = "from crossdock.store.leases import is_dead, whoami; print(whoami(), flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        owner = child.stdout.readline().decode().strip()
        assert not is_dead(owner)
        child.kill()
        until(lambda: is_dead(owner))


def many(kind, connection, count):
    return [Lane(kind=kind, connection=connection, name=str(number)) for number in range(count)]


@pytest.mark.parametrize(("threads", "reads", "deliveries"), [(1, 1, 0), (2, 1, 0), (4, 2, 1), (8, 4, 1), (64, 32, 1)])
def test_one_connection_never_gets_all_threads(threads, reads, deliveries):
    shares = Shares([], threads)

    assert sum(map(shares.take, many("read", "shop", 99))) == reads
    assert sum(map(shares.take, many("deliver", "shop", 99))) == deliveries
    assert all(map(shares.take, many("webhooks", "shop", 1) + many("deliver", "erp", 1)))


def test_deliveries_to_one_connection_get_half_of_the_threads():
    assert sum(map(Shares(many("deliver", "erp", 1), 8).take, many("deliver", "erp", 99))) == 3


def test_a_stream_that_takes_longer_to_read_than_its_interval_leaves_room_for_others(world):
    turn_on(world, every="1m")
    world.shop.between = lambda method, path: world.later(minutes=5)
    worker = turner(world)
    worker.turn()
    world.shop.between = None

    assert worker.due() == []
    world.later(minutes=1)
    assert worker.due() == ["shop orders"]


def test_much_of_one_kind_that_is_due_hides_no_other_kind(world, market):
    for name, stream in (("shop", "orders"), ("market", "orders"), ("erp", "balance")):
        turn_on(world, stream, name)
    world.later(hours=2)

    due = world.store.agenda.streams(world.clock.now(), ("orders", "balance"), limit=1)

    assert [each.stream for each in due] == ["orders", "balance"]
