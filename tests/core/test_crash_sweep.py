"""Killed at each durable step and begun again, the work ends as if nothing had happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import attrs
import pytest
from depot import Depot
from engine_kit import BEGIN, VARIANTS

from crossdock.errors import CrossdockError, UsageError
from crossdock.session import Changed
from crossdock.store.config import FlowRow
from crossdock.store.database import stamp
from crossdock.store.inbox import Arrival
from crossdock.store.store import Store
from crossdock.testing.sweep import Scenario, Sweep, System

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
ORDERS = FlowRow(name="orders", stream="orders", source="shop", target="erp", mode="live")
PARCELS = FlowRow(name="parcels", stream="shipments", source="erp", target="shop", mode="live")
SEQUENCE = ("rows.orders.*.at",)
"""A depot counts its changes, those too that repeat themselves."""
STEP = """
import sys
from datetime import UTC, datetime
from crossdock.store.store import Store
store = Store.open(sys.argv[1])
for number in range(3):
    store.journal.event("step", str(number), "", datetime.now(UTC))
"""

REQUESTS = """
import os, sys
from crossdock import tripwire
wire = tripwire.arm()
for path in sys.argv[1:]:
    wire.step(lambda: "something is kept")
    wire.step(lambda: f"POST {path} is about to leave", f"POST {path} leaves")
"""


def sell(shop):
    """Two orders in a shop."""
    for number in range(2):
        shop.order(str(number), total=f"{number + 1}.00")


def ship(twins):
    """The ERP's people pack everything."""
    for key in sorted(twins["erp"].orders):
        twins["erp"].put("shipments", f"S{key}", order=key, tracking=f"T{key}")


def announce(app):
    """The shop has told of its orders."""
    now = app.clock.now()
    app.store.config.save_stream("shop", "orders", enabled=True, every=3600, cron="")
    app.store.inbox.keep([
        Arrival(connection="shop", received_at=stamp(now), method="POST", headers="{}", query="{}", body=b"",
                signals=(Changed(stream="orders", keys=(key,)),))
        for key in ("0", "1")
    ])  # fmt: skip


@pytest.fixture
def scenario(depot_site):
    """Two orders on their way from a shop to an ERP, a page each."""
    return Scenario(
        systems=(
            System(name="shop", connector="depot", make=Depot, fill=sell, settings={"page_size": "1"},
                   ignored=SEQUENCE),
            System(name="erp", connector="depot", make=Depot, ignored=SEQUENCE),
        ),
        flows=(ORDERS,), paths=(depot_site.folder, HERE), environment={"CROSSDOCK_PLUGINS": ",".join(VARIANTS)},
    )  # fmt: skip


@pytest.fixture
def single(scenario):
    """One order, so that no two deliveries go on at the same time: each step has its own number in every turn."""
    shop, erp = scenario.systems
    return attrs.evolve(scenario, systems=(attrs.evolve(shop, fill=lambda twin: twin.order("0")), erp))


@pytest.fixture
def sweep(tmp_path, depots):
    """Sweeps a scenario; just the steps whose names have one of `words` in them, or that come after `after`."""

    def run(scenario, database_url="", words=(), after=""):
        with Sweep(scenario, tmp_path, database_url, depots) as made:
            first = next((n for n, name in enumerate(made.names, 1) if after and after in name), 0)
            return made.run([
                number for number, name in enumerate(made.names, 1)
                if number >= first and (not words or any(word in name for word in words))
            ])  # fmt: skip

    return run


def with_target(scenario, connector):
    """The scenario with another ERP."""
    shop, erp = scenario.systems
    return attrs.evolve(scenario, systems=(shop, attrs.evolve(erp, connector=connector)))


def all_differences(swept):
    return [each for step in swept.broken for each in step.differences]


def test_orders_arrive_once_wherever_the_process_is_killed(sweep, scenario):
    swept = sweep(scenario)

    assert swept.ok, swept.text()
    assert len(swept.steps) == swept.count


def test_a_step_of_each_phase_is_tried_in_one_turn(tmp_path, single, depots):
    shipping = attrs.evolve(single, flows=(ORDERS, PARCELS), acts=(ship,))
    with Sweep(shipping, tmp_path, "", depots) as made:
        orders, parcels = (
            next(n for n, name in phase.items() if word in name and "was answered" in name)
            for phase, word in zip(made.phases, ("/orders", "/reports"), strict=True)
        )
        swept = made.run([orders, parcels], together=True)

    assert swept.ok, swept.text()
    assert [step.number for step in swept.steps] == [orders, parcels]
    assert ["/orders" in swept.steps[0].name, "/reports" in swept.steps[1].name] == [True, True]


def test_which_step_of_a_turn_it_was_is_found_out(tmp_path, single, depots):
    broken = attrs.evolve(single, acts=(lambda twins: None,), work="broken_engine:never_asks")
    with Sweep(broken, tmp_path, "", depots) as made:
        sent = next(n for n, name in made.phases[0].items() if "was answered" in name)
        swept = made.run([sent, max(made.phases[1])], together=True)

    assert [step.number for step in swept.broken] == [sent]


def test_places_that_two_undisturbed_turns_leave_to_chance_are_named(sweep, scenario):
    made = iter(range(100))

    class Moody(Depot):
        def __init__(self):
            super().__init__()
            self.mood = f"mood {'xyz'[next(made) % 3]}"

        def state(self):
            return {**super().state(), "mood": self.mood}

    shop, erp = scenario.systems
    swept = sweep(attrs.evolve(scenario, systems=(shop, attrs.evolve(erp, make=Moody))), words=("as sending",))

    assert swept.ok, swept.text()
    assert swept.chance == ("erp: mood",)


def test_they_do_so_on_postgresql(sweep, scenario, postgres_server):
    url = postgres_server.empty()
    try:
        swept = sweep(scenario, url)

        assert swept.ok, swept.text()
        assert len(swept.steps) == swept.count
    finally:
        postgres_server.drop(url)


def test_parcels_are_reported_once_wherever_the_process_is_killed(sweep, single):
    returning = attrs.evolve(single, flows=(ORDERS, PARCELS), acts=(ship,))

    swept = sweep(returning, words=("parcels", "reports", "shipments"), after="effects shipment")

    assert swept.ok, swept.text()
    assert any("/reports was answered" in step.name for step in swept.steps), swept.text()


def test_webhooks_are_worked_wherever_the_process_is_killed(sweep, scenario):
    swept = sweep(attrs.evolve(scenario, prepare=announce), words=("run 1", "webhooks", "kept"))

    assert swept.ok, swept.text()
    assert any("2 webhooks of shop committed as done" in step.name for step in swept.steps)


def test_where_a_system_cannot_be_asked_a_person_decides_and_nothing_is_there_twice(sweep, scenario):
    swept = sweep(with_target(scenario, "depot-mute"), words=("sending", "POST"))

    assert swept.ok, swept.text()
    assert any(step.waits for step in swept.steps)


def test_a_system_that_makes_one_of_one_key_needs_no_person(sweep, scenario):
    class OneOfOne(Depot):
        def _create(self, request, body):
            known = [row for row in self.orders.values() if row["reference"] == body["reference"]]
            return {"id": known[0]["id"]} if known else super()._create(request, body)

    shop, erp = with_target(scenario, "depot-idempotent").systems
    swept = sweep(
        attrs.evolve(scenario, systems=(shop, attrs.evolve(erp, make=OneOfOne))), words=("sending", "was answered")
    )

    assert swept.ok, swept.text()
    assert not any(step.waits for step in swept.steps)


def test_connectors_that_are_not_installed_are_given(tmp_path, scenario, monkeypatch, depot_site):
    monkeypatch.syspath_prepend(str(depot_site.folder))
    given = attrs.evolve(scenario, given={"depot": "depot_plugin"}, environment={"CROSSDOCK_PLUGINS": "none"})

    with Sweep(given, tmp_path) as made:
        claimed = next(n for n, name in enumerate(made.names, 1) if "committed as sending" in name)
        assert made.run([claimed]).ok


def test_an_engine_that_does_not_ask_after_a_crash_is_caught(sweep, scenario):
    swept = sweep(attrs.evolve(scenario, work="broken_engine:never_asks"), words=("was answered",))

    assert any("erp: rows.orders.*.reference has too much: shop-" in each for each in all_differences(swept))


def test_a_claim_that_is_committed_after_sending_is_caught(sweep, scenario):
    swept = sweep(attrs.evolve(scenario, work="broken_engine:claims_too_late"), words=("was answered",))

    assert any("erp: rows.orders.*.reference has too much: shop-" in each for each in all_differences(swept))


def test_a_bookmark_that_moves_before_its_page_is_caught(sweep, scenario):
    swept = sweep(attrs.evolve(scenario, work="broken_engine:moves_the_bookmark_first"), words=("bookmark",))

    assert "the record shop orders 0 is missing instead of kept" in all_differences(swept)
    assert "erp: rows.orders.*.reference lacks: shop-0" in all_differences(swept)


def test_a_scenario_that_breaks_by_itself_says_so(sweep, scenario):
    broken = attrs.evolve(scenario.systems[0], settings={"broken": "fetch_orders"})

    with pytest.raises(CrossdockError, match="KeyError"):
        sweep(attrs.evolve(scenario, systems=(broken, scenario.systems[1])))


def test_a_database_that_is_in_use_is_not_touched(sweep, scenario, database_url, tmp_path):
    with_something = Store.open(database_url)
    with_something.config.save_flow(ORDERS, BEGIN)
    with_something.close()

    with pytest.raises(UsageError, match="in use"):
        sweep(scenario, database_url)


def run_steps(*arguments, code=STEP, **variables):
    """Three commits in a process with a tripwire."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], env={**os.environ, **variables}, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip


def test_the_tripwire_kills_at_the_numbered_step(database_url):
    ended = run_steps(database_url, CROSSDOCK_CRASH_AT="2")

    store = Store.open(database_url)
    assert ended.returncode == -signal.SIGKILL
    assert len(store.journal.events()) == 2
    store.close()


def test_the_tripwire_counts_and_names_the_steps(database_url, tmp_path):
    file = tmp_path / "steps"

    ended = run_steps(database_url, CROSSDOCK_CRASH_AT="0", CROSSDOCK_CRASH_STEPS=str(file))

    assert ended.returncode == 0
    assert file.read_text().splitlines() == [f"{number}\t1 event written" for number in (1, 2, 3)]


def test_a_request_is_found_by_its_kind_whatever_comes_before_it(tmp_path):
    counted, killed = tmp_path / "counted", tmp_path / "killed"
    run_steps("/a", "/b", "/b", code=REQUESTS, CROSSDOCK_CRASH_AT="0", CROSSDOCK_CRASH_STEPS=str(counted))
    second = counted.read_text().splitlines()[-1].split("\t")[-1]

    ended = run_steps("/b", "/b", "/a", code=REQUESTS, CROSSDOCK_CRASH_AT=second, CROSSDOCK_CRASH_STEPS=str(killed))

    assert second == "POST /b leaves 2"
    assert ended.returncode == -signal.SIGKILL
    assert killed.read_text() == "4\tPOST /b is about to leave\tPOST /b leaves 2\n"


def test_a_process_is_killed_at_the_request_that_was_asked_for_though_threads_take_turns(sweep, scenario):
    swept = sweep(scenario, words=("is about to leave", "was answered"))

    ends = [step.name.partition("/orders")[2] for step in swept.steps]
    assert ends.count(" is about to leave") == 2
    assert len(ends) == 4


@pytest.mark.parametrize("text", ["soon", "POST /orders answered", "-1"])
def test_a_step_that_is_no_number_is_refused(database_url, text):
    ended = run_steps(database_url, CROSSDOCK_CRASH_AT=text)

    assert ended.returncode == 1
    assert f"CROSSDOCK_CRASH_AT is '{text}'." in ended.stderr
