"""Working webhooks: many hints, few fetches, and each is told what became of it."""

from __future__ import annotations

import threading

import pytest
from engine_kit import world as open_world
from webhook_kit import SECRET

from crossdock import Changed, webhooks
from crossdock.configure import switch_stream
from crossdock.engine import inbound
from crossdock.engine.inbound import work
from crossdock.store.database import stamp
from crossdock.store.inbox import Arrival
from crossdock.web.pump import Pump


@pytest.fixture
def shop(tmp_path, database_url, hooked_site, hooked, servers):
    """A project whose shop sends webhooks about orders that are wanted."""
    with open_world(tmp_path, database_url, hooked_site, hooked, *servers) as made:
        made.connect("shop", webhook_secret=SECRET)
        switch_stream(made.app, "shop", "orders", on=True)
        made.shop.requests.clear()
        yield made


def came(world, *signals, connection="shop", body=b"{}", state="new"):
    """A webhook that was kept; answers its id."""
    arrival = Arrival(
        connection=connection, received_at=stamp(world.clock.now()), method="POST", headers="{}", query="{}",
        body=body, signals=signals, state=state,
    )  # fmt: skip
    world.store.inbox.keep([arrival])
    return world.store.inbox.rows(limit=1)[0].id


def orders(*keys):
    return Changed(stream="orders", keys=keys)


def state(world, number):
    return world.store.inbox.get(number).state


def note(world, number):
    return world.store.inbox.get(number).note


def fetches(world):
    return [each["path"] for each in world.shop.requests if each["method"] == "GET"]


# -- coalescing --------------------------------------------------------------------------------------


def test_a_burst_becomes_one_fetch(shop):
    for number in range(100):
        shop.shop.order(str(number % 40))
        came(shop, orders(str(number % 40)))

    worked = work(shop.bench)

    assert worked.done == 100
    assert len(fetches(shop)) == 1
    assert shop.store.records.count("shop", "orders") == 40


def test_each_webhook_is_told_the_run_that_fetched_its_record(shop):
    shop.shop.order("1")
    number = came(shop, orders("1"))

    (fetch,) = work(shop.bench).fetches

    run = shop.store.journal.run(fetch.runs[0])
    assert (run.kind, run.stream, run.counts["new"]) == ("pull", "orders", 1)
    assert note(shop, number) == f"orders: done in run {run.id}, 1 seen, 1 new"


def test_very_many_keys_are_asked_for_in_parts(shop, monkeypatch):
    monkeypatch.setattr(inbound, "KEYS_AT_ONCE", 3)
    came(shop, orders(*map(str, range(7))))

    assert len(work(shop.bench).fetches[0].runs) == 3


def test_a_hint_without_keys_is_a_normal_fetch(shop):
    shop.shop.order("1")
    came(shop, orders())

    work(shop.bench)

    assert shop.store.records.bookmark("shop", "orders") == "1"


def test_keys_and_a_normal_fetch_are_both_done(shop):
    shop.shop.order("1")
    numbers = [came(shop, orders("1")), came(shop, orders())]

    assert work(shop.bench).done == 2
    assert [state(shop, each) for each in numbers] == ["done", "done"]
    assert len(fetches(shop)) == 2


def test_a_stream_that_cannot_be_asked_by_keys_is_read_from_its_bookmark(shop):
    switch_stream(shop.app, "shop", "customers", on=True)
    shop.shop.put("customers", "7", name="Ida")
    came(shop, Changed(stream="customers", keys=("7",)), Changed(stream="customers", keys=("8",)))

    work(shop.bench)

    assert shop.store.records.bookmark("shop", "customers") == "1"


def test_a_record_that_is_fetched_goes_on_its_way(shop):
    flow = shop.flow()
    shop.shop.order("1")
    came(shop, orders("1"))

    work(shop.bench)

    assert shop.states(flow) == {"1": "ready"}


# -- what is not fetched -----------------------------------------------------------------------------


@pytest.mark.parametrize(("stream", "why"), [("shipments", "the stream is off"), ("products", "cannot read it")])
def test_what_nobody_wants_is_ignored_and_said(shop, stream, why):
    number = came(shop, Changed(stream=stream, keys=("1",)))

    assert work(shop.bench).ignored == 1
    assert state(shop, number) == "ignored"
    assert why in note(shop, number)
    assert fetches(shop) == []


def test_one_stream_that_is_off_does_not_hide_another(shop):
    shop.shop.order("1")
    number = came(shop, Changed(stream="shipments", keys=("1",)), orders("1"))

    work(shop.bench)

    assert state(shop, number) == "done"
    assert "shipments: ignored, the stream is off" in note(shop, number)


def test_a_paused_connection_lets_its_webhooks_wait(shop):
    number = came(shop, orders("1"))
    shop.store.config.set_state("shop", "paused", "by a person", shop.clock.now())

    worked = work(shop.bench)

    assert (worked.later, worked.held) == (1, {"shop": "paused: by a person"})
    assert state(shop, number) == "new"


def test_a_normal_fetch_keeps_the_interval_that_the_vendor_demands(shop):
    switch_stream(shop.app, "shop", "customers", on=True)
    came(shop, Changed(stream="customers"))
    work(shop.bench)
    number = came(shop, Changed(stream="customers"))

    assert work(shop.bench).later == 1
    assert "customers: again at 2026-03-01 12:05:00 UTC" in note(shop, number)
    shop.later(minutes=5)
    assert work(shop.bench).done == 1


# -- trouble -----------------------------------------------------------------------------------------


def test_passing_trouble_is_tried_again_later_and_not_before(shop):
    shop.shop.order("1")
    shop.shop.fault("status", path="/orders", status=503, times=100)
    number = came(shop, orders("1"))

    assert work(shop.bench).later == 1
    asked = len(fetches(shop))
    assert work(shop.bench).later == 1
    assert len(fetches(shop)) == asked
    assert state(shop, number) == "new"
    assert "503" in note(shop, number)

    shop.shop.faults.clear()
    shop.later(minutes=16)

    assert work(shop.bench).done == 1


def test_trouble_that_does_not_pass_is_left_to_a_person(shop):
    shop.shop.fault("status", path="/orders", status=503, times=10_000)
    number = came(shop, orders("1"))
    for _ in range(inbound.TRIES):
        shop.later(minutes=16)
        work(shop.bench)

    assert state(shop, number) == "failed"
    assert "failed in run" in note(shop, number)


def test_refused_credentials_pause_the_connection_and_lose_no_webhook(shop):
    shop.shop.order("1")
    number = came(shop, orders("1"))
    shop.shop.token = "changed"

    work(shop.bench)

    assert shop.store.config.connection("shop").state == "paused"
    assert state(shop, number) == "new"

    shop.connect("shop", webhook_secret=SECRET, token="changed")

    assert work(shop.bench).done == 1


def test_a_connector_that_breaks_fails_the_webhook_with_the_reason(shop):
    shop.connect("shop", webhook_secret=SECRET, broken="fetch_orders")
    number = came(shop, orders("1"))

    assert work(shop.bench).failed == 1
    assert "broke in fetch_orders" in note(shop, number)


def test_a_webhook_waits_only_for_the_stream_that_is_left(shop):
    switch_stream(shop.app, "shop", "balance", on=True)
    shop.shop.order("1")
    shop.shop.fault("status", path="/balance", status=503, times=100)
    number = came(shop, orders("1"), Changed(stream="balance", keys=("A",)))

    assert work(shop.bench).later == 1
    shop.shop.faults.clear()
    shop.later(minutes=16)
    shop.shop.requests.clear()

    assert work(shop.bench).done == 1
    assert fetches(shop) == ["/balance"]
    assert [line.partition(":")[0] for line in note(shop, number).splitlines()] == ["orders", "balance"]


def test_a_part_that_failed_is_not_forgotten_when_the_rest_succeeds(shop):
    switch_stream(shop.app, "shop", "balance", on=True)
    shop.connect("shop", webhook_secret=SECRET, broken="fetch_orders")
    shop.shop.fault("status", path="/balance", status=503, times=100)
    number = came(shop, orders("1"), Changed(stream="balance", keys=("A",)))
    work(shop.bench)
    shop.shop.faults.clear()
    shop.later(minutes=16)

    assert work(shop.bench).failed == 1
    assert state(shop, number) == "failed"


def test_while_somebody_else_reads_the_stream_a_webhook_waits(shop):
    number = came(shop, orders("1"))
    lease = shop.store.leases.take("pull:shop:orders", "somebody/1", shop.clock.now(), inbound.timedelta(minutes=1))

    assert work(shop.bench).later == 1
    shop.store.leases.release(lease)
    assert work(shop.bench).done == 1
    assert state(shop, number) == "done"


def test_one_connection_in_trouble_does_not_stop_another(shop):
    switch_stream(shop.app, "erp", "orders", on=True)
    shop.erp.order("1")
    shop.store.database.run("UPDATE connection SET connector = 'gone' WHERE name = 'shop'")
    numbers = [came(shop, orders("1")), came(shop, orders("1"), connection="erp")]
    shop.app.forget("shop")

    worked = work(shop.bench)

    assert [state(shop, each) for each in numbers] == ["new", "done"]
    assert "no connector 'gone'" in worked.held["shop"]


# -- again -------------------------------------------------------------------------------------------


def replayed(world, number):
    return webhooks.replay(world.app, world.store.inbox.get(number))


def test_a_failed_webhook_is_worked_again(shop):
    shop.connect("shop", webhook_secret=SECRET, broken="fetch_orders")
    number = came(shop, orders("1"))
    work(shop.bench)
    shop.connect("shop", webhook_secret=SECRET)

    assert replayed(shop, number).state == "new"
    assert work(shop.bench).done == 1
    assert note(shop, number).startswith("replayed\norders: done in run")


def test_a_replay_does_not_wait_for_the_time_after_trouble(shop):
    shop.shop.fault("status", path="/orders", status=503, times=100)
    number = came(shop, orders("1"))
    work(shop.bench)
    shop.shop.faults.clear()
    replayed(shop, number)

    assert work(shop.bench).done == 1


def test_what_its_connector_still_cannot_read_stays_failed(shop):
    number = came(shop, state="failed", body=b"unsigned")

    answer = replayed(shop, number)

    assert (answer.state, state(shop, number)) == ("failed", "failed")
    assert "refuses it with 401: forged" in answer.note


# -- by itself ---------------------------------------------------------------------------------------


def test_the_pump_works_what_comes_in(shop):
    done = threading.Event()
    pump = Pump(shop.bench, lambda _: done.set())
    pump.start()
    shop.shop.order("1")
    number = came(shop, orders("1"))
    pump.wake()
    try:
        assert done.wait(10)
    finally:
        shop.clock.stop()
        pump.stop()

    assert state(shop, number) == "done"


def test_the_pump_finds_what_another_process_took_in(shop):
    done = threading.Event()
    number = came(shop, orders("1"))
    pump = Pump(shop.bench, lambda _: done.set())
    pump.start()
    try:
        assert done.wait(10)
    finally:
        shop.clock.stop()
        pump.stop()

    assert state(shop, number) == "done"
