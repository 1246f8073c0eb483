"""What people are told of: once, quiet about what passes, and told again when it is over."""

from __future__ import annotations

from datetime import timedelta

from alert_kit import decide, pause, told

from crossdock.overview import overview
from crossdock.store.agenda import WorkerRow
from crossdock.store.announcements import Announcement
from crossdock.store.database import stamp
from crossdock.store.inbox import Arrival


def test_a_paused_connection_is_told_at_once_and_only_once(world):
    pause(world)

    assert (told(world), told(world)) == ({"raised": ["paused shop"]}, {})


def test_when_it_is_over_that_is_told(world):
    pause(world)
    told(world)
    world.connect("shop")

    assert (told(world), told(world)) == ({"resolved": ["paused shop"]}, {})


def test_what_goes_on_is_told_again_after_a_day(world):
    pause(world)
    told(world)
    world.later(hours=23)
    before = told(world)
    world.later(hours=2)

    assert (before, told(world), told(world)) == ({}, {"still": ["paused shop"]}, {})


def test_a_thousand_records_with_one_cause_are_one_alert(world):
    flow = world.flow("orders")
    for number in range(30):
        world.shop.order(str(number), sku=f"GONE-{number}")
        world.erp.unknown.add(f"GONE-{number}")
        world.shop.order(f"x{number}", "broken")
    world.pull()
    world.push(flow)

    assert sorted(told(world)["raised"]) == [
        "parked orders: unknown sku", "parked shop orders: The total is no number.",
    ]  # fmt: skip
    assert {each.text[:20] for each in world.store.alerts.current()} == {"30 records are parke"}


def test_a_stream_that_is_late_is_told_only_when_that_lasts(world):
    world.pull()
    world.store.config.save_stream("shop", "orders", enabled=True, every=3600, cron="")
    world.later(minutes=130)  # an hour until it is due, and one turn may be missed
    decide(world, after="90m")
    first = told(world)
    world.later(minutes=30)
    second = told(world)

    assert (first, second) == ({}, {"raised": ["late shop orders"]})


def test_trouble_that_passes_is_never_told(world):
    decide(world, after="30m")
    flow = world.flow("orders")
    world.shop.order("1")
    world.pull()
    world.later(minutes=70)
    assert told(world) == {}  # stuck for an hour: watched
    world.push(flow)

    assert told(world) == {}
    assert world.store.alerts.newest(over=True) == []


def test_what_comes_and_goes_is_not_told_each_time(world):
    pause(world)
    told(world)
    world.connect("shop")
    told(world)
    pause(world)

    assert told(world) == {}
    world.later(minutes=40)
    assert told(world) == {"raised": ["paused shop"]}


def test_what_nobody_can_ask_for_and_approvals_need_a_person(world):
    world.connect("erp", "depot-mute")
    flow = world.flow("orders", approve_above="50")
    world.shop.order("1")
    world.shop.order("2", "99.00")
    world.erp.fault("cut_after", path="/orders", method="POST")
    world.deliver(flow)

    assert sorted(told(world)["raised"]) == ["approval orders", "doubt orders"]


def test_a_deadline_that_is_near_is_told_by_the_order_that_is_first(world):
    world.flow("orders")
    world.shop.order("1")
    world.pull()
    due = world.clock.now() + timedelta(hours=6)
    world.store.database.run(
        "UPDATE record SET document = replace(document, '\"currency\"', ?)",
        (f'"ship_by":"{due:%Y-%m-%dT%H:%M:%SZ}","currency"',),
    )
    decide(world, deadline="4h", mute=["stuck"])
    before = told(world)
    world.later(hours=3)

    assert (before, told(world)) == ({}, {"raised": ["deadline orders"]})
    assert "N1 is due" in world.store.alerts.newest()[0].text
    assert "1 order has to be shipped" in overview(world.store, world.clock.now()).flows[0].problem


def test_webhooks_that_failed_are_told(world):
    arrival = Arrival(connection="shop", received_at=world.clock.now().isoformat(), method="POST", headers="{}",
                      query="{}", body=b"x", state="failed")  # fmt: skip
    world.store.inbox.keep([arrival])

    assert told(world) == {"raised": ["webhooks shop failed"]}


def test_what_is_muted_is_not_told(world):
    decide(world, mute=["paused"])
    pause(world)

    assert told(world) == {}


def seen(world, owner, machine="north", kind="worker"):
    """A worker says that it lives."""
    at = stamp(world.clock.now())
    world.store.agenda.seen(
        WorkerRow(
            owner=owner, machine=machine, kind=kind, version="1", threads=1, busy=[], started_at=at, seen_at=at
        )
    )  # fmt: skip


def test_a_worker_that_vanished_is_told_when_that_lasts_and_until_one_takes_its_place(world):
    decide(world, after="10m")
    seen(world, "first")
    world.later(minutes=5)
    early = told(world)
    world.later(minutes=15)
    late = told(world)
    seen(world, "second")

    assert (early, late, told(world)) == (
        {},
        {"raised": ["worker worker on north"]},
        {"resolved": ["worker worker on north"]},
    )


def test_a_worker_that_said_that_it_ends_is_no_trouble(world):
    seen(world, "first")
    world.store.agenda.gone("first")
    world.later(hours=2)

    assert told(world) == {}


def test_webhooks_that_stopped_coming_are_told_until_one_comes(world):
    dead = Announcement(connection="shop", stream="orders", dead_at=stamp(world.clock.now()))
    world.store.announcements.save(dead)
    first = told(world)
    world.store.announcements.save(Announcement(connection="shop", stream="orders"))

    assert (first, told(world)) == (
        {"raised": ["webhooks shop orders silent"]}, {"resolved": ["webhooks shop orders silent"]},
    )  # fmt: skip
