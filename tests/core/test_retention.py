"""What is old is forgotten, and what anything still needs is not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from crossdock.errors import SettingsError
from crossdock.housekeeping import Kept, housekeep, housekeep_when_due
from crossdock.retention import Retention, days_text, parse_days
from crossdock.store import forgetting
from crossdock.store.inbox import Arrival


@pytest.fixture
def old(world):
    """A project with a year of history, and an order that was parked a year ago."""
    flow = world.flow("orders")
    world.shop.order("1")
    world.shop.order("2", sku="GONE")
    world.erp.unknown.add("GONE")
    world.deliver(flow)
    now = world.clock.now()
    with world.store.transaction():
        world.store.journal.event("note", "orders", "old", now)
        world.store.journal.mark_restored(now)
    arrivals = [
        Arrival(connection="shop", received_at=now.isoformat(), method="POST", headers="{}", query="{}", body=b"x",
                state=state, dedupe=state) for state in ("done", "failed")
    ]  # fmt: skip
    world.store.inbox.keep(arrivals)
    for key in ("1", "2"):
        world.store.database.upsert(
            "payload", ("connection", "stream", "key", "body", "fetched_at"), ("connection", "stream", "key"),
            [("shop", "orders", key, b"raw", now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))],
        )  # fmt: skip
    world.later(days=1000)
    world.pull()
    return world


def forgotten(world, **how) -> Kept:
    return housekeep(world.app, **how)


def test_what_is_old_is_forgotten(old):
    counts = forgotten(old).forgotten

    assert counts["exchanges"] > 0
    assert (counts["payloads"], counts["inbox"], counts["attempts"]) == (1, 1, 1)
    assert "old" not in {text for *_, text in old.store.journal.events()}


def test_a_dry_run_counts_the_same_and_forgets_nothing(old):
    would = forgotten(old, dry_run=True).forgotten

    assert forgotten(old, dry_run=True).forgotten == would
    assert forgotten(old).forgotten == would
    assert not any(forgotten(old, dry_run=True).forgotten.values())


def test_what_a_person_still_has_to_decide_keeps_its_payload_and_its_history(old):
    forgotten(old)

    parked = next(each for each in old.store.effects.find() if each.state == "parked")
    assert old.store.records.payload("shop", "orders", parked.key) == b"raw"
    assert old.store.effects.attempts(parked.id)
    assert [row.state for row in old.store.inbox.rows()] == ["failed"]


def test_the_ledger_the_bindings_and_the_records_stay(old):
    forgotten(old)

    assert {each.state for each in old.store.effects.find(states=("done", "parked"))} == {"done", "parked"}
    assert old.store.records.bindings_of("shop", "orders", "1")
    assert old.store.records.count("shop", "orders") == 2


def test_that_a_backup_was_restored_is_never_forgotten(old):
    restored = old.store.journal.restored()

    forgotten(old)

    assert old.store.journal.restored() == restored


def test_the_last_run_of_each_lane_stays_however_old(old):
    old.later(days=1000)
    forgotten(old)

    assert {(run.kind, run.flow or run.stream) for run in old.store.journal.runs()} == {
        ("pull", "orders"), ("push", "orders"),
    }  # fmt: skip


def test_a_run_that_has_not_ended_stays(old):
    number = old.store.journal.begin("pull", old.clock.now() - timedelta(days=500), connection="shop", stream="prices")

    old.store.forgetting.forget("runs", old.clock.now(), lambda: True)

    assert old.store.journal.run(number)


def test_a_project_decides_how_long_it_keeps_things(old):
    forever = dict.fromkeys(("payloads", "exchanges", "runs", "attempts", "events", "inbox", "alerts"), "forever")
    old.store.preferences.put("retention", forever, old.clock.now())

    assert forgotten(old).forgotten == {}


def test_it_goes_in_batches_and_stops_between_them(old, monkeypatch):
    monkeypatch.setattr(forgetting, "BATCH", 1)
    asked = []

    def going():
        asked.append(1)
        return len(asked) < 3

    count = old.store.forgetting.forget("exchanges", old.clock.now(), going)

    assert count == 2


def test_two_processes_do_not_prune_at_once(old):
    old.store.leases.take("housekeeping", "somebody else", old.clock.now(), timedelta(minutes=1))

    assert forgotten(old).busy


def test_a_service_does_it_once_a_day(old):
    first, second = housekeep_when_due(old.app), housekeep_when_due(old.app)
    old.later(days=1, minutes=1)

    assert (first is None, second, housekeep_when_due(old.app) is None) == (False, None, False)


@pytest.mark.parametrize(("text", "span"), [("90d", "90d"), ("2w", "14d"), ("1y", "365d"), ("forever", "forever")])
def test_times_are_written_in_days_weeks_and_years(text, span):
    assert days_text(parse_days(text)) == span


@pytest.mark.parametrize("table", [{"payloads": "soon"}, {"payloads": 90}, {"payloads": "0d"}, {"pictures": "1d"}])
def test_what_makes_no_sense_is_named_by_its_key(table):
    with pytest.raises(SettingsError) as refused:
        Retention.parse(table)

    assert set(refused.value.problems) == set(table)


# -- the commands ----------------------------------------------------------------------------------


def test_prune_says_what_it_forgot_and_how_large_the_database_is(crossdock):
    crossdock.connect()

    assert "Forgotten" in crossdock.run("db", "prune").stdout
    assert crossdock.json("db", "prune", "--compact")["free"] == 0


def test_erase_shows_what_it_found_and_asks(crossdock):
    assert "Nothing of this person" in crossdock.run("erase", "--email", "a@b.example", code=1).stdout
    crossdock.run("erase", code=2)
    crossdock.run("erase", "--email", "a@b.example", "--connection", "shop", code=2)


def test_erase_erases_what_it_showed(crossdock):
    crossdock.connect("shop")
    crossdock.shop.order("1", "broken", contact="ann@mail.example")
    crossdock.run("sync", "shop", "orders", code=1)

    crossdock.run("erase", "--email", "ann@mail.example", code=2)  # nobody is here to ask
    would = crossdock.json("erase", "--email", "ann@mail.example", "--dry-run")
    done = crossdock.json("erase", "--email", "ann@mail.example", "--yes")

    assert (would["erased"], done["erased"], done["compacted"]) == (False, True, True)
    assert done["texts"] == would["texts"]
    assert "ann@mail" not in crossdock.run("parked", "list", "--json", code=1).stdout
