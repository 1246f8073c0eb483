"""Runners with threads, on the real clock: what comes is worked soon, nothing twice, and stopping is clean."""

from __future__ import annotations

from runner_kit import running, turn_on, until
from test_runner_lanes import came, reads

from crossdock.clock import monotonic
from crossdock.configure import ask_for
from crossdock.store.leases import whoami


def test_what_is_due_is_read_and_handed_on(world):
    world.flow()
    turn_on(world)
    world.shop.order("1")

    with running(world) as found:
        until(lambda: world.erp.references() == ["shop-1"])
        until(lambda: found.told("flow orders"))

    assert [turn.state for turn in found.told("shop orders")] == ["done"]
    assert found.told("shop orders")[0].text == "1 new"


def test_a_wish_in_this_process_is_seen_at_once_and_one_of_another_at_the_next_tick(world):
    turn_on(world)
    with running(world) as found:
        until(lambda: found.told("shop orders"))
        ask_for(found.app, "shop", "orders")
        found.runner.wake()
        until(lambda: len(found.told("shop orders")) == 2)
        ask_for(world.app, "shop", "orders")
        until(lambda: len(found.told("shop orders")) == 3)


def test_webhooks_that_come_in_are_worked(world):
    turn_on(world)
    world.flow()
    with running(world) as found:
        until(lambda: found.told("shop orders"))
        world.shop.order("7")
        came(world, "7")
        until(lambda: world.erp.references() == ["shop-7"])


def test_two_runners_read_each_stream_once(world):
    streams = ("orders", "balance", "prices", "shipments", "customers")
    world.shop.fault("slow", path="/", seconds=0.05, times=1000)
    for name in ("shop", "erp"):
        for stream in streams:
            turn_on(world, stream, name)

    with running(world, owner="here/1/1") as first, running(world, owner="there/2/2") as second:
        until(lambda: len({t.lane.text for t in (*first.turns, *second.turns) if t.state == "done"}) == 10)

    runs = world.store.journal.runs(limit=100)
    assert len(runs) == 10
    assert sorted(each["path"] for each in world.shop.requests) == sorted(f"/{stream}" for stream in streams)
    assert first.turns
    assert second.turns


def test_a_slow_system_leaves_threads_for_the_others(world):
    world.shop.fault("slow", path="/", seconds=4, times=4)
    for stream in ("orders", "balance", "prices", "shipments"):
        turn_on(world, stream)
    with running(world, threads=4) as found:
        until(lambda: len(world.shop.requests) == 2)
        turn_on(world, "orders", "erp")
        until(lambda: found.told("erp orders"))

        assert found.turns == found.told("erp orders")
        found.app.clock.stop()
        assert found.runner.stop(10) == []


def test_stopping_ends_a_long_read_at_its_next_page_and_the_next_runner_goes_on(world):
    world.connect("shop", page_size="1")
    turn_on(world)
    for number in range(30):
        world.shop.order(str(number))
    world.shop.fault("slow", path="/orders", seconds=0.05, times=1000)

    with running(world) as found:
        until(lambda: len(reads(world)) > 3)
    kept = world.store.records.count("shop", "orders")
    assert [turn.state for turn in found.turns] == ["stopped"]
    assert 0 < kept < 30
    world.shop.faults.clear()
    with running(world):
        until(lambda: world.store.records.count("shop", "orders") == 30)

    assert len(reads(world)) < 35


def test_what_does_not_come_to_a_safe_point_is_named_and_its_lease_is_free(world):
    turn_on(world)
    world.shop.fault("slow", path="/orders", seconds=1.0)
    with running(world) as found:
        until(lambda: reads(world))
        found.app.clock.stop()

        assert found.runner.stop(0.1) == ["shop orders"]
        assert world.store.leases.held() == {}
        until(lambda: not found.runner.busy)


def test_a_runner_says_that_it_lives_and_when_it_stopped(world):
    with running(world):
        (row,) = world.store.agenda.workers()
        assert (row.owner, row.kind, row.busy) == (whoami(), "run", [])

    assert world.store.agenda.workers() == []


def test_a_fault_of_ours_in_one_lane_stops_nothing_else(world):
    world.flow("balance", source="erp", target="shop")
    world.erp.stock(A=3)
    world.pull("erp", "balance")
    world.store.database.run("UPDATE flow SET options = ?", ("{",))

    with running(world, threads=1) as found:
        until(lambda: found.told("flow balance"))
        turn_on(world, "customers")
        until(lambda: found.told("shop customers"))

    (turn,) = found.told("flow balance")
    assert (turn.state, turn.needs_attention) == ("failed", True)
    assert "DecodeError" in turn.text


def test_a_database_that_is_of_no_use_is_told_once_and_waited_for(world):
    turn_on(world)
    with running(world) as found:
        until(lambda: found.told("shop orders"))
        world.store.database.run("ALTER TABLE inbox RENAME TO elsewhere")
        until(lambda: len(found.turns) == 2)
        begun = monotonic()
        until(lambda: monotonic() - begun > 1.2)
        assert [turn.lane.connection for turn in found.turns[1:]] == ["the database"]

        world.store.database.run("ALTER TABLE elsewhere RENAME TO inbox")
        ask_for(world.app, "shop", "orders")
        until(lambda: len(found.told("shop orders")) == 2)


def test_who_listens_may_be_gone_and_the_work_goes_on(world):
    turn_on(world)
    turn_on(world, "balance")
    turn_on(world, "prices")

    def gone(turn):
        raise BrokenPipeError

    with running(world, threads=1, tell=gone):
        until(lambda: len(world.shop.requests) == 3)
