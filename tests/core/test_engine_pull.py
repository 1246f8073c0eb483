"""Reading a stream: nothing lost, nothing kept twice, every row in one bucket; on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from engine_kit import BEGIN

from crossdock.engine.pull import pull
from crossdock.errors import AccessError, LeaseLostError, PluginError, StoreError, TransientError, UsageError
from crossdock.store.store import Store


def buckets(pulled):
    counts = pulled.counts
    return counts.seen, counts.new, counts.changed, counts.unchanged, counts.parked, counts.skipped


def keys(world, stream="orders", name="shop"):
    return [stored.key for page in world.store.records.pages(name, stream) for stored in page]


# -- what is kept --------------------------------------------------------------------------------------


def test_each_row_seen_ends_in_one_bucket(world):
    world.shop.order("1")
    world.shop.order("2", total="broken")
    world.shop.order("3", status="hidden")

    pulled = world.pull()

    assert buckets(pulled) == (3, 1, 0, 0, 1, {"hidden in the depot": 1})
    assert pulled.counts.balanced
    assert keys(world) == ["1"]


def test_the_run_is_in_the_journal_with_its_counts(world):
    world.shop.order("1")

    pulled = world.pull()

    run = world.store.journal.run(pulled.run)
    assert (run.state, run.counts["new"], run.counts["requests"]) == ("done", 1, 1)


def test_the_second_reading_goes_on_from_the_bookmark(world):
    world.shop.order("1")
    world.pull()
    world.shop.order("2")

    assert buckets(world.pull()) == (1, 1, 0, 0, 0, {})


def test_what_did_not_change_makes_no_effect_and_is_not_written_again(world):
    flow = world.flow()
    world.shop.order("1")
    world.deliver(flow)
    before = world.store.records.get("shop", "orders", "1")

    pulled = world.pull(full=True)

    assert buckets(pulled) == (1, 0, 0, 1, 0, {})
    assert world.store.records.get("shop", "orders", "1") == before
    assert world.states(flow) == {"1": "done"}


def test_what_changed_is_kept_and_makes_an_effect(world):
    flow = world.flow()
    world.shop.order("1", total="10.00")
    world.deliver(flow)
    world.shop.order("1", total="12.00")

    assert buckets(world.pull()) == (1, 0, 1, 0, 0, {})
    assert world.store.records.get("shop", "orders", "1").record.total == Decimal("12.00")
    assert world.states(flow) == {"1": "ready"}


def test_a_touch_moves_the_change_time_and_is_no_change(world):
    flow = world.flow()
    world.shop.order("1", changed="2026-03-01T10:00:00Z")
    world.deliver(flow)
    world.shop.order("1", changed="2026-03-01T11:00:00Z")

    assert buckets(world.pull()) == (1, 0, 0, 1, 0, {})
    assert world.store.records.get("shop", "orders", "1").updated_at == "2026-03-01T11:00:00.000000Z"
    assert world.states(flow) == {"1": "done"}


def test_an_older_state_than_the_stored_one_is_left_out(world):
    world.shop.order("1", total="12.00", changed="2026-03-01T11:00:00Z")
    world.pull()
    world.shop.order("1", total="10.00", changed="2026-03-01T10:00:00Z")

    assert buckets(world.pull())[-1] == {"older than the stored one": 1}
    assert world.store.records.get("shop", "orders", "1").record.total == Decimal("12.00")


def test_a_clock_that_ran_ahead_and_was_put_right_hides_no_change(world):
    flow = world.flow()
    world.shop.order("1", changed="2026-03-01T13:00:00+00:00")
    world.pull()
    world.later(minutes=90)
    world.shop.order("1", status="cancelled", changed="2026-03-01T12:30:00+00:00")
    world.deliver(flow)

    assert (world.erp.orders, world.states(flow)) == ({}, {"1": "superseded"})


def test_an_older_reading_of_the_stock_is_left_out_too(world):
    world.erp.put("balance", "A", count="5", changed="2026-03-01T11:00:00Z")
    world.pull("erp", "balance")
    world.erp.put("balance", "A", count="9", changed="2026-03-01T10:00:00Z")

    assert buckets(world.pull("erp", "balance"))[-1] == {"older than the stored one": 1}


# -- pages ---------------------------------------------------------------------------------------------


FAILS_AT_3 = """
from crossdock import hookimpl

@hookimpl
def route_record(flow, record):
    if record.key == "3":
        raise ValueError("no such rule")
    return ""
"""


def test_a_page_that_breaks_leaves_record_effect_and_bookmark_as_they_were(world):
    world.connect("shop", page_size="2")
    flow = world.flow()
    for key in "1234":
        world.shop.order(key)
    world.local(FAILS_AT_3)

    with pytest.raises(PluginError, match="route_record: ValueError: no such rule"):
        world.pull()

    assert keys(world) == ["1", "2"]
    assert sorted(world.states(flow)) == ["1", "2"]
    assert world.store.records.bookmark("shop", "orders") == "2"


def test_and_the_next_reading_takes_it_up_there(world):
    world.connect("shop", page_size="2")
    flow = world.flow()
    for key in "1234":
        world.shop.order(key)
    world.local(FAILS_AT_3)
    with pytest.raises(PluginError):
        world.pull()
    world.local("")

    assert buckets(world.pull()) == (2, 2, 0, 0, 0, {})
    assert sorted(world.states(flow)) == ["1", "2", "3", "4"]


def test_a_reading_that_is_killed_between_two_pages_keeps_the_first(world):
    world.connect("shop", page_size="2")
    for key in "1234":
        world.shop.order(key)

    def report(counts):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.pull(report=report)

    assert keys(world) == ["1", "2"]
    assert [run.state for run in world.store.journal.runs()] == ["failed"]
    assert buckets(world.pull()) == (2, 2, 0, 0, 0, {})


def test_a_reading_that_is_asked_to_stop_ends_after_the_page(world):
    world.connect("shop", page_size="2")
    for key in "1234":
        world.shop.order(key)

    pulled = world.pull(report=lambda counts: world.clock.stop())

    assert (pulled.state, keys(world)) == ("stopped", ["1", "2"])


def test_trouble_in_the_middle_keeps_the_pages_before(world):
    world.connect("shop", page_size="2")
    for key in "1234":
        world.shop.order(key)
    world.shop.fault("status", status=400, path="/orders", skip=1, times=9)

    pulled = pull(world.bench, "shop", "orders")

    assert (pulled.state, keys(world)) == ("failed", ["1", "2"])
    assert pulled.counts.balanced


def test_a_connector_that_loses_a_row_fails_loudly_and_nothing_is_kept(world):
    world.shop.order("1")
    world.shop.order("2")
    world.connect("shop", loses="orders")

    with pytest.raises(PluginError, match="2 rows, but only 1 records, 0 rejects and 0 skipped"):
        world.pull()

    assert keys(world) == []
    assert world.store.records.bookmark("shop", "orders") is None
    assert world.store.journal.runs()[0].counts["seen"] == 0


def test_of_twins_in_a_page_the_newer_one_is_kept(world):
    world.local("""
from crossdock import Page, hookimpl
import attrs

@hookimpl(wrapper=True)
def fetch_orders(session, query):
    pages = yield
    return (attrs.evolve(page, records=page.records + page.records[:1], seen=page.seen + 1) for page in pages)
""")
    world.shop.order("1")
    world.shop.order("2")

    assert buckets(world.pull())[-1] == {"repeated in the page": 1}
    assert keys(world) == ["1", "2"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("attrs.evolve(page, payloads=(b'x',))", "2 records, but 1 payloads"),
        ("page.records", "answered a tuple, not a Page"),
        ("attrs.evolve(page, records=(Price(sku='A'),) * 2)", "answered a Price in the stream orders"),
        ("attrs.evolve(page, records=(Order(key=''),) * 2)", "without a key"),
    ],
)
def test_a_page_that_breaks_the_contract_is_a_fault_of_the_connector(world, change, words):
    world.local(f"""
from crossdock import Order, Price, hookimpl
import attrs

@hookimpl(wrapper=True)
def fetch_orders(session, query):
    pages = yield
    return ({change} for page in pages)
""")
    world.shop.order("1")
    world.shop.order("2")

    with pytest.raises(PluginError, match=words):
        world.pull()

    assert keys(world) == []


def test_a_record_that_cannot_be_kept_is_parked_and_stops_only_itself(world):
    world.local("""
from crossdock import Order, hookimpl
import attrs, msgspec

@hookimpl(wrapper=True)
def fetch_orders(session, query):
    pages = yield
    def strange(record):
        return msgspec.structs.replace(record, extras={"what": object()}) if record.key == "1" else record
    return (attrs.evolve(page, records=tuple(map(strange, page.records))) for page in pages)
""")
    world.shop.order("1")
    world.shop.order("2")

    assert buckets(world.pull())[:5] == (2, 1, 0, 0, 1)
    assert world.store.records.parked()[0].message.startswith("It cannot be kept")


def test_a_character_that_postgresql_cannot_keep_stops_nothing(world):
    world.shop.order("1", note="a\x00b")

    world.pull()

    assert world.store.records.get("shop", "orders", "1").record.note == "a\N{REPLACEMENT CHARACTER}b"
    assert world.store.database.query("SELECT note FROM orders") == [("a\N{REPLACEMENT CHARACTER}b",)]
    assert buckets(world.pull(full=True)) == (1, 0, 0, 1, 0, {})


# -- parked payloads -----------------------------------------------------------------------------------


def test_what_could_not_be_read_is_parked_with_payload_and_path(world):
    world.shop.order("1", total="broken")

    world.pull()

    (parked,) = world.store.records.parked("shop", "orders")
    assert (parked.key, parked.path, b"broken" in parked.payload) == ("1", "total", True)


def test_and_unparked_when_it_is_read_later(world):
    world.shop.order("1", total="broken")
    world.pull()
    world.shop.order("1", total="3.00")

    world.pull()

    assert world.store.records.parked() == []


def test_also_within_one_reading(world):
    world.connect("shop", page_size="1")
    world.shop.order("1", total="broken")

    def report(counts):
        if counts["pages"] == 1:
            world.shop.order("1", total="3.00")

    world.pull(report=report)

    assert world.store.records.parked() == []
    assert keys(world) == ["1"]


# -- what is asked for ---------------------------------------------------------------------------------


def test_orders_from_before_the_order_start_stay_out_however_they_are_asked_for(world):
    world.connect("shop", order_start="2026-02-01T00:00:00Z")
    world.shop.order("1", placed="2026-01-31T23:59:59Z")
    world.shop.order("2", placed="2026-02-01T00:00:00Z")

    assert buckets(world.pull())[-1] == {"before order start": 1}
    assert buckets(world.pull(keys=["1"]))[-1] == {"before order start": 1}
    assert keys(world) == ["2"]


def test_asking_for_keys_reads_just_these_and_leaves_the_bookmark(world):
    for key in "123":
        world.shop.order(key)

    assert buckets(world.pull(keys=["2"])) == (1, 1, 0, 0, 0, {})
    assert world.store.records.bookmark("shop", "orders") is None


def test_a_full_reading_starts_from_the_beginning(world):
    world.shop.order("1")
    world.pull()

    assert buckets(world.pull(full=True)) == (1, 0, 0, 1, 0, {})


def test_reading_since_a_time_leaves_a_bookmark_where_it_is(world):
    world.shop.order("1")
    world.pull()
    world.shop.order("2")

    world.pull(since=datetime(2026, 3, 1, tzinfo=UTC))

    assert world.store.records.bookmark("shop", "orders") == "1"


def test_reading_since_a_time_sets_the_first_bookmark(world):
    world.shop.order("1")

    world.pull(since=datetime(2026, 3, 1, tzinfo=UTC))

    assert world.store.records.bookmark("shop", "orders") == "1"


def test_a_dry_run_counts_and_keeps_nothing(world):
    flow = world.flow()
    world.shop.order("1", changed="2026-03-01T10:00:00Z")
    world.pull()
    world.shop.order("1", changed="2026-03-01T11:00:00Z")
    world.shop.order("2")
    world.shop.order("3", total="broken")

    assert buckets(world.pull(dry_run=True)) == (3, 1, 0, 1, 1, {})
    assert keys(world) == ["1"]
    assert world.store.records.get("shop", "orders", "1").updated_at == "2026-03-01T10:00:00.000000Z"
    assert world.store.records.parked() == []
    assert list(world.states(flow)) == ["1"]
    assert world.store.records.bookmark("shop", "orders") == "1"


def test_a_stream_that_the_connector_does_not_have_is_refused(world):
    with pytest.raises(UsageError, match="no stream 'products'"):
        world.pull(stream="products")


# -- leases --------------------------------------------------------------------------------------------


def test_a_stream_is_read_by_one_worker_at_a_time(world):
    world.store.leases.take("pull:shop:orders", "elsewhere/1/1", world.clock.now(), timedelta(minutes=1))

    with pytest.raises(UsageError, match="Another worker is at pull:shop:orders"):
        world.pull()


def test_a_worker_that_was_overtaken_writes_nothing_more(world, database_url):
    world.connect("shop", page_size="1")
    for key in "12":
        world.shop.order(key)
    other = Store.open(database_url)

    def report(counts):
        later = world.clock.now() + timedelta(minutes=2)
        other.leases.take("pull:shop:orders", "elsewhere/1/1", later, timedelta(minutes=1))

    with pytest.raises(LeaseLostError, match="took over"):
        world.pull(report=report)
    other.close()

    assert keys(world) == ["1"]
    assert world.store.records.bookmark("shop", "orders") == "1"


def test_the_lease_is_given_back_also_after_a_failure(world):
    world.shop.fault("status", status=400, path="/orders")
    pull(world.bench, "shop", "orders")

    assert world.store.leases.held() == {}


# -- trouble -------------------------------------------------------------------------------------------


def test_an_access_error_pauses_the_connection_once_with_one_alert(world):
    world.local("""
from crossdock import hookimpl
from pathlib import Path

@hookimpl
def connection_paused(connection, error):
    with Path(__file__).with_name("alerts").open("a") as file:
        file.write(connection + "\\n")
""")
    world.shop.token = "changed"

    with pytest.raises(AccessError):
        world.pull()
    with pytest.raises(UsageError, match="The connection shop is paused"):
        world.pull()

    assert (world.app.home / "alerts").read_text() == "shop\n"
    assert world.app.row("shop").state == "paused"


def test_verify_reopens_it(world):
    world.shop.order("1")
    world.shop.token = "changed"
    with pytest.raises(AccessError):
        world.pull()
    world.shop.token = "depot-token-0815"

    assert world.app.verify("shop").green
    assert buckets(world.pull())[0] == 1


def test_a_connection_that_another_process_paused_is_not_used_again(world, database_url):
    world.pull()
    other = Store.open(database_url)
    other.config.set_state("shop", "paused", "why", world.clock.now())
    other.close()

    with pytest.raises(UsageError, match="paused: why"):
        world.pull()


def test_passing_trouble_fails_the_run_and_pauses_nothing(world):
    world.shop.fault("status", status=503, path="/orders", times=9)

    with pytest.raises(TransientError):
        world.pull()

    assert world.app.row("shop").state == "active"
    assert world.store.journal.runs()[0].state == "failed"


@pytest.mark.parametrize("broken", ["fetch_orders", "sys.exit"])
def test_a_connector_that_breaks_is_named_with_its_version(world, broken):
    world.connect("shop", broken="fetch_orders")
    if broken == "sys.exit":
        world.local("from crossdock import hookimpl\nimport sys\n@hookimpl(wrapper=True)\n"
                    "def fetch_orders(session, query):\n    yield\n    sys.exit(3)\n")  # fmt: skip

    with pytest.raises(PluginError, match=r"The connector depot 1\.2 broke in fetch_orders"):
        world.pull()


def test_a_database_that_is_gone_is_said_so(world):
    world.shop.order("1")

    with pytest.raises(StoreError):
        world.pull(report=lambda counts: world.store.close())


# -- observers -----------------------------------------------------------------------------------------


def test_observers_hear_of_pages_and_parked_records(world):
    world.local("""
from crossdock import hookimpl
from pathlib import Path

def note(text):
    with Path(__file__).with_name("heard").open("a") as file:
        file.write(text + "\\n")

@hookimpl
def page_kept(connection, stream, counts):
    note(f"{connection} {stream} {counts['new']}")

@hookimpl
def record_parked(connection, error):
    note(f"{connection} {error.key}")
""")
    world.shop.order("1")
    world.shop.order("2", total="broken")

    world.pull()

    assert (world.app.home / "heard").read_text() == "shop 2\nshop orders 1\n"


def test_an_observer_that_breaks_stops_nothing(world):
    world.local("from crossdock import hookimpl\n@hookimpl\ndef page_kept(connection, stream, counts):\n    1 / 0\n")
    world.shop.order("1")

    with pytest.warns(RuntimeWarning, match="page_kept: division by zero"):
        world.pull()

    assert keys(world) == ["1"]


# -- flows ---------------------------------------------------------------------------------------------


def test_a_flow_that_is_made_while_a_stream_is_read_misses_nothing(world):
    world.connect("shop", page_size="1")
    for key in "123":
        world.shop.order(key)
    made = []

    def report(counts):
        if counts["pages"] == 1:
            made.append(world.flow())

    world.pull(report=report)

    assert sorted(world.states(made[0])) == ["1", "2", "3"]


def test_a_paused_flow_takes_nothing_and_catches_up_when_it_goes_on(world):
    from crossdock.engine.decide import switch_flow

    flow = world.flow(mode="paused")
    world.store.effects.forget_flow(flow.name)
    world.shop.order("1")
    world.pull()
    assert world.effects(flow) == []

    _, moved = switch_flow(world.bench, flow.name, "live")

    assert world.states(flow) == {"1": "ready"}
    assert moved == 0
    assert world.clock.now() > BEGIN
