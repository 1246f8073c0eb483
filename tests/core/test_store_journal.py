"""Leases, budgets, memory, gaps, journal and exchange log in the store, on both databases."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest

from crossdock.connection import Budget
from crossdock.errors import LeaseLostError
from crossdock.http.exchange import Exchange
from crossdock.store.config import ConnectionRow, FlowOptions, FlowRow
from crossdock.store.database import connect
from crossdock.store.journal import StoredExchanges, StoredLimiter
from crossdock.store.leases import is_dead, whoami
from crossdock.store.memory import StoredMemory
from crossdock.store.store import Store

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


# -- leases --------------------------------------------------------------------------------------------


def test_a_lease_that_is_held_is_not_given_to_anybody_else(store):
    store.leases.take("lane", "host/one", NOW, MINUTE)

    assert store.leases.take("lane", "host/two", NOW, MINUTE) is None


def test_not_even_to_the_same_process_a_second_time(store):
    store.leases.take("lane", "host/one", NOW, MINUTE)

    assert store.leases.take("lane", "host/one", NOW, MINUTE) is None


def test_an_epoch_grows_with_every_change_of_hands(store):
    first = store.leases.take("lane", "host/one", NOW, MINUTE)
    store.leases.release(first)
    second = store.leases.take("lane", "host/two", NOW, MINUTE)
    third = store.leases.take("lane", "host/one", NOW + 2 * MINUTE, MINUTE)

    assert [lease.epoch for lease in (first, second, third)] == [1, 2, 3]


def test_who_lost_a_lease_is_told_before_anything_is_written(store):
    lost = store.leases.take("lane", "host/one", NOW, MINUTE)
    store.leases.take("lane", "host/two", NOW + 2 * MINUTE, MINUTE)

    with pytest.raises(LeaseLostError, match="took over lane"):
        store.leases.check(lost, NOW + 2 * MINUTE, MINUTE)


def test_who_lost_a_lease_cannot_give_it_back(store):
    lost = store.leases.take("lane", "host/one", NOW, MINUTE)
    store.leases.take("lane", "host/two", NOW + 2 * MINUTE, MINUTE)

    store.leases.release(lost)

    assert store.leases.held()["lane"][0] == "host/two"


def test_checking_a_lease_renews_it(store):
    lease = store.leases.take("lane", "host/one", NOW, MINUTE)

    store.leases.check(lease, NOW + 0.9 * MINUTE, MINUTE)

    assert store.leases.take("lane", "host/two", NOW + 1.5 * MINUTE, MINUTE) is None


def test_of_two_that_ask_at_once_one_gets_it(store, database_url):
    stores = [Store.open(database_url) for _ in range(4)]
    given = []
    threads = [
        threading.Thread(target=lambda each=each, name=name: given.append(each.leases.take("lane", name, NOW, MINUTE)))
        for name, each in zip("abcd", stores, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for each in stores:
        each.close()

    assert len([lease for lease in given if lease is not None]) == 1


def test_the_lease_of_a_dead_process_is_free_at_once(store):
    script = "from crossdock.store.leases import whoami; print(whoami())"
    dead = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    store.leases.take("lane", dead, NOW, MINUTE)

    assert is_dead(dead)
    assert store.leases.take("lane", "host/two", NOW, MINUTE) is not None


def test_a_living_process_is_not_dead_and_a_stranger_is_not_known_to_be():
    assert not is_dead(whoami())
    assert not is_dead("elsewhere-0-0/1/1")
    assert is_dead(whoami().rpartition("/")[0] + "/1")


# -- budgets -------------------------------------------------------------------------------------------


BUDGET = Budget(name="orders", calls=6, per=MINUTE, burst=2)


def test_a_budget_holds_across_connections_to_the_database(store, database_url):
    other = connect(database_url)
    one, two = StoredLimiter(store.database, "shop"), StoredLimiter(other, "shop")

    waits = [each.reserve(BUDGET, NOW).total_seconds() for each in (one, two, one, two)]
    other.close()

    assert waits == [0, 0, 10, 20]


def test_each_connection_has_its_own_budgets(store):
    StoredLimiter(store.database, "shop").reserve(Budget(name="x", calls=1, per=MINUTE), NOW)

    assert StoredLimiter(store.database, "other").reserve(Budget(name="x", calls=1, per=MINUTE), NOW) == timedelta(0)


def test_a_wait_that_is_too_long_books_nothing(store):
    daily, limiter = Budget(name="A01", calls=1, per=timedelta(days=1)), StoredLimiter(store.database, "shop")
    limiter.reserve(daily, NOW)

    waits = [limiter.reserve(daily, NOW + timedelta(hours=hour)) for hour in (1, 2, 23.9999)]

    assert [round(wait.total_seconds() / 3600, 1) for wait in waits] == [23, 22, 0]


def test_the_vendors_word_holds_for_every_worker_and_is_not_shortened(store):
    limiter = StoredLimiter(store.database, "shop")
    slow = Budget(name="orders", calls=1, per=timedelta(seconds=1))
    limiter.hold("orders", NOW + timedelta(seconds=20))
    limiter.hold("orders", NOW + timedelta(seconds=5))

    assert limiter.reserve(slow, NOW) == timedelta(seconds=20)
    assert limiter.next_calls() == {"orders": "2026-03-01T12:00:21.000000Z"}


def test_calls_booked_from_many_threads_are_all_counted(store, database_url):
    databases = [connect(database_url) for _ in range(3)]
    quick = Budget(name="q", calls=60, per=MINUTE, burst=1)
    waits = []

    def work(database):
        waits.extend(StoredLimiter(database, "shop").reserve(quick, NOW).total_seconds() for _ in range(5))

    threads = [threading.Thread(target=work, args=(database,)) for database in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for database in databases:
        database.close()

    assert sorted(waits) == list(range(15))


# -- memory --------------------------------------------------------------------------------------------


def test_what_a_connector_remembers_is_there_after_a_restart(store, database_url):
    StoredMemory(store.database, "shop").put_many("sku", {"A": "1", "B": "2"})
    StoredMemory(store.database, "shop").put_many("sku", {"B": "3"})
    again = Store.open(database_url)

    known = StoredMemory(again.database, "shop").get_many("sku", ["A", "B", "C"])
    again.close()

    assert known == {"A": "1", "B": "3"}


def test_memories_of_tables_and_connections_are_apart(store):
    shop, other = StoredMemory(store.database, "shop"), StoredMemory(store.database, "other")
    shop.put_many("sku", {"A": "1"})

    assert other.get_many("sku", ["A"]) == shop.get_many("gtin", ["A"]) == {}


def test_what_is_forgotten_is_gone(store):
    memory = StoredMemory(store.database, "shop")
    memory.put_many("sku", {str(number): "x" for number in range(50)})

    memory.forget("sku", [str(number) for number in range(49)])

    assert memory.get_many("sku", ["1", "49"]) == {"49": "x"}


# -- gaps ----------------------------------------------------------------------------------------------


def test_a_flows_own_mapping_wins_over_that_of_every_flow(store):
    store.gaps.add([("*", "sku", "A", "general"), ("orders", "sku", "A", "own"), ("*", "sku", "B", "general")])

    assert store.gaps.tables("orders") == {"sku": {"A": "own", "B": "general"}}
    assert store.gaps.tables("other") == {"sku": {"A": "general", "B": "general"}}


def test_of_mapping_rows_with_one_code_the_last_one_holds(store):
    store.gaps.add([("*", "sku", str(number % 20), str(number)) for number in range(40)])

    assert store.gaps.target("orders", "sku", "3") == "23"


def test_one_unknown_code_is_one_gap(store):
    numbers = {store.gaps.open("orders", "sku", "A", NOW) for _ in range(3)}

    assert len(numbers) == len(store.gaps.list()) == 1


def test_a_mapping_row_finds_the_gaps_it_fills(store):
    own, other = store.gaps.open("orders", "sku", "A", NOW), store.gaps.open("prices", "sku", "A", NOW)

    assert store.gaps.matching("orders", "sku", "A") == [own]
    assert sorted(store.gaps.matching("*", "sku", "A")) == [own, other]
    assert store.gaps.matching("*", "carrier", "A") == []


def test_a_closed_gap_opens_again_when_the_code_comes_back(store):
    gap = store.gaps.open("orders", "sku", "A", NOW)
    store.gaps.close(gap, NOW)
    assert store.gaps.list() == []

    assert store.gaps.open("orders", "sku", "A", NOW) == gap
    assert [row.state for row in store.gaps.list()] == ["open"]


# -- journal and exchange log --------------------------------------------------------------------------


def test_a_run_is_kept_with_its_counts(store):
    run = store.journal.begin("pull", NOW, connection="shop", stream="orders")
    store.journal.progress(run, {"seen": 1})
    store.journal.end(run, "done", {"seen": 2}, "a\x00b", NOW + MINUTE)

    kept = store.journal.run(run)

    assert (kept.state, kept.counts, kept.ended_at) == ("done", {"seen": 2}, "2026-03-01T12:01:00.000000Z")


def test_runs_are_listed_newest_first_and_by_what_they_worked_on(store):
    first = store.journal.begin("pull", NOW, connection="shop", stream="orders")
    second = store.journal.begin("push", NOW, connection="erp", flow="orders")

    assert [run.id for run in store.journal.runs()] == [second, first]
    assert [run.id for run in store.journal.runs(stream="orders")] == [first]
    assert store.journal.run(99) is None


def test_a_run_whose_process_ended_is_not_called_running_for_ever(store):
    run = store.journal.begin("pull", NOW, connection="shop", stream="orders")
    other = store.journal.begin("pull", NOW, connection="shop", stream="products")

    store.journal.bury("shop", "orders", NOW)

    assert [store.journal.run(each).state for each in (run, other)] == ["failed", "running"]


def test_a_delivery_that_fell_silent_is_not_called_running_for_ever(store):
    silent, lively = (store.journal.begin("push", NOW, connection="erp", flow="orders") for _ in range(2))
    other = store.journal.begin("push", NOW, connection="erp", flow="stock")
    store.journal.lives(lively, NOW + 2 * MINUTE)

    store.journal.bury_silent("erp", "orders", NOW + MINUTE, NOW + 3 * MINUTE)

    assert [store.journal.run(each).state for each in (silent, lively, other)] == ["failed", "running", "running"]


def exchange(number, status=200, error=""):
    return Exchange(
        at=NOW, method="GET", url=f"https://x/{number}", status=status, seconds=0.0123, request_body="\x00",
        response_body="\udcff", error=error,
    )  # fmt: skip


def test_exchanges_are_written_in_groups_and_found_newest_first(store):
    log = StoredExchanges(store.database, "shop")
    for number in range(30):
        log.keep(exchange(number))
    assert len(store.journal.exchanges()) == 25

    log.flush()

    found = store.journal.exchanges("shop")
    assert (len(found), found[0]["url"], found[0]["milliseconds"]) == (30, "https://x/29", 12)


def test_failed_exchanges_can_be_picked_out(store):
    log = StoredExchanges(store.database, "shop")
    for number, status in enumerate((200, 404, None)):
        log.keep(exchange(number, status))
    log.flush()

    assert [each["status"] for each in store.journal.exchanges(failed=True)] == [None, 404]


def test_a_log_that_cannot_be_written_stops_no_work(store):
    log = StoredExchanges(store.database, "shop")
    log.keep(exchange(1))
    store.close()

    log.flush()


# -- configuration -------------------------------------------------------------------------------------


def test_a_connection_comes_back_as_it_was_saved(store):
    row = ConnectionRow(name="shop", connector="depot", settings={"url": "x"}, state="active", facts={"a": [1]})
    store.config.save_connection(row, NOW)

    assert store.config.connection("shop") == row
    assert store.config.connection("other") is None


def test_a_state_changes_once(store):
    store.config.save_connection(ConnectionRow(name="shop", connector="d", settings={}, state="active"), NOW)

    changes = [store.config.set_state("shop", "paused", "why", NOW, when=("active",)) for _ in range(2)]

    assert changes == [True, False]


def test_a_flow_comes_back_as_it_was_saved(store):
    row = FlowRow(name="o", stream="orders", source="a", target="b", mode="live",
                  options=FlowOptions(statuses=("processing",), buffer=2))  # fmt: skip
    store.config.save_flow(row, NOW)

    assert store.config.flow("o") == row
    assert store.config.is_live("o")
    assert not store.config.is_live("none")


def test_paused_flows_take_no_records(store):
    for name, mode in (("a", "live"), ("b", "plan"), ("c", "paused")):
        store.config.save_flow(FlowRow(name=name, stream="orders", source="x", target="y", mode=mode), NOW)

    with store.transaction():
        assert [flow.name for flow in store.config.flows_of("x", "orders")] == ["a", "b"]
        assert store.config.flows_of("y", "orders") == []
