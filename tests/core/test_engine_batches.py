"""Delivering many values in one call: stock, prices, and imports that a vendor works off later; on both databases."""

from __future__ import annotations

import json
from datetime import timedelta

import attrs
import pytest
from depot import TOKEN
from runner_kit import until

from crossdock.engine import decide
from crossdock.engine.route import check_flow
from crossdock.errors import AccessError, PluginError, UsageError

HOUR = timedelta(hours=1)


def stock(world, **options):
    return world.flow("balance", "erp", "shop", **options)


def prices(world, **options):
    return world.flow("prices", "erp", "shop", **options)


# -- stock ---------------------------------------------------------------------------------------------


def test_stock_is_the_sum_of_the_warehouses_less_the_buffer(world):
    flow = stock(world, buffer=2)
    for key, count in (("A@1", "5"), ("A@2", "4"), ("B@1", "1")):
        world.erp.put("balance", key, count=count)

    world.deliver(flow)

    assert world.shop.published == {"A": "7", "B": "0"}


def test_only_the_flows_warehouses_and_skus_count(world):
    flow = stock(world, warehouses=("1",), skus=("A",))
    for key, count in (("A@1", "5"), ("A@2", "4"), ("B@1", "1")):
        world.erp.put("balance", key, count=count)

    world.deliver(flow)

    assert world.shop.published == {"A": "5"}


def test_a_change_in_one_warehouse_publishes_the_new_sum(world):
    flow = stock(world)
    world.erp.put("balance", "A@1", count="5")
    world.erp.put("balance", "A@2", count="4")
    world.deliver(flow)
    world.erp.put("balance", "A@2", count="1")

    world.deliver(flow)

    assert world.shop.published == {"A": "6"}


def test_the_same_values_again_are_no_request(world):
    flow = stock(world)
    for number in range(25):
        world.erp.put("balance", f"S{number}", count="5", changed="2026-03-01T10:00:00Z")
    world.deliver(flow)
    world.shop.requests.clear()
    for number in range(25):
        world.erp.put("balance", f"S{number}", count="5.0", changed="2026-03-01T11:00:00Z")

    world.deliver(flow)

    assert world.shop.requests == []


def test_many_values_go_in_few_requests(world):
    flow = stock(world)
    for number in range(25):
        world.erp.put("balance", f"S{number}", count="5")

    pushed = world.deliver(flow)

    assert (pushed.counts.done, len(world.shop.writes())) == (25, 3)


def test_what_is_published_is_what_is_known_when_it_leaves(world):
    flow = stock(world)
    for count in ("5", "4", "3"):
        world.erp.put("balance", "A", count=count)
        world.pull("erp", "balance")

    world.push(flow)

    assert (world.shop.published, len(world.shop.writes())) == ({"A": "3"}, 1)


def test_stock_does_not_flow_both_ways(world):
    stock(world)

    with pytest.raises(UsageError, match="both ways at once"):
        check_flow(world.bench, attrs.evolve(stock(world), name="back", source="shop", target="erp"))


# -- trouble with one of many --------------------------------------------------------------------------


def test_poison_in_a_batch_is_isolated(world):
    flow = stock(world)
    for sku in ("A", "POISON", "B"):
        world.erp.put("balance", sku, count="5")

    world.deliver(flow)

    assert world.states(flow) == {"A": "done", "B": "done", "POISON": "parked"}
    assert "poison" in world.effect(flow, "POISON").message


def test_what_is_refused_is_parked_with_the_vendors_words(world):
    flow = stock(world)
    for sku in ("A", "REFUSED"):
        world.erp.put("balance", sku, count="5")

    pushed = world.deliver(flow)

    assert world.states(flow) == {"A": "done", "REFUSED": "parked"}
    assert world.effect(flow, "REFUSED").message == "not with us"
    assert (pushed.counts.done, pushed.counts.parked) == (1, 1)


def test_what_gets_no_outcome_is_parked(world):
    flow = stock(world)
    for sku in ("A", "SILENT"):
        world.erp.put("balance", sku, count="5")

    world.deliver(flow)

    assert world.states(flow) == {"A": "done", "SILENT": "parked"}
    assert world.effect(flow, "SILENT").cause == "no outcome"


def test_an_unknown_sku_is_a_gap_and_goes_on_when_it_is_mapped(world):
    flow = stock(world)
    world.shop.unknown = {"A"}
    world.erp.put("balance", "A", count="5")
    world.deliver(flow)
    assert [(gap.value, gap.waiting) for gap in world.store.gaps.list()] == [("A", 1)]

    decide.add_mappings(world.bench, [("balance", "sku", "A", "A-100")])
    world.push(flow)

    assert (world.shop.published, world.states(flow)) == ({"A-100": "5"}, {"A": "done"})


def test_an_article_that_a_mapping_makes_the_namesake_of_another_is_parked(world):
    flow = stock(world)
    decide.add_mappings(world.bench, [("balance", "sku", "B", "A")])
    for sku, count in (("A", "5"), ("B", "7")):
        world.erp.put("balance", sku, count=count)

    world.deliver(flow)

    assert (world.shop.published, world.states(flow)) == ({"A": "5"}, {"A": "done", "B": "parked"})
    assert world.effect(flow, "B").message == (
        "With the mapping tables B and A are both A, so one would replace the other."
    )


def test_an_outcome_that_means_nothing_is_parked(world):
    world.local("""
from crossdock import Outcome, hookimpl

@hookimpl(wrapper=True)
def push_balance(session, balances):
    yield
    return [Outcome(key=balance.key, state="ok") for balance in balances]
""")
    flow = stock(world)
    world.erp.put("balance", "A", count="5")

    world.deliver(flow)

    assert "the state 'ok'" in world.effect(flow).message


def test_a_business_rule_that_breaks_for_one_stops_only_that_one(world):
    world.local("""
from crossdock import hookimpl

@hookimpl
def transform_record(flow, record):
    return 1 / 0 if record.sku == "B" else record
""")
    flow = stock(world)
    for sku in "ABC":
        world.erp.put("balance", sku, count="5")

    pushed = world.deliver(flow)
    world.push(flow)

    assert isinstance(pushed.error, PluginError)
    assert world.states(flow) == {"A": "done", "B": "parked", "C": "done"}


# -- trouble with all ----------------------------------------------------------------------------------


def test_a_batch_that_has_to_wait_stays_one_batch(world):
    flow = stock(world)
    for number in range(10):
        world.erp.put("balance", f"S{number}", count="5")
    world.shop.fault("status", method="POST", path="/published", status=429, headers={"retry-after": "60"}, times=4)
    world.deliver(flow)
    assert len(set(world.states(flow).values())) == 1
    world.shop.requests.clear()
    world.shop.faults.clear()
    world.later(minutes=2)

    world.push(flow)

    assert len(world.shop.writes()) == 1


def test_a_lost_answer_is_sent_again_because_values_are_absolute(world):
    flow = stock(world)
    world.erp.put("balance", "A", count="5")
    world.shop.fault("cut_after", method="POST", path="/published", times=4)
    world.deliver(flow)
    assert world.states(flow) == {"A": "ready"}

    world.push(flow, patience=timedelta(minutes=1))

    assert world.states(flow) == {"A": "done"}


def test_a_value_whose_answer_was_lost_may_arrive_late_and_does_not_stay(world):
    flow = stock(world)
    world.erp.put("balance", "A", count="9")
    world.shop.fault("cut_before", method="POST", path="/published", times=4)
    world.deliver(flow)
    world.shop.faults.clear()
    world.erp.put("balance", "A", count="5")
    world.later(minutes=1)
    world.deliver(flow)
    world.shop.published["A"] = "9"  # only now the shop gets to what it was sent first
    world.later(minutes=5)

    world.push(flow)

    assert world.shop.published == {"A": "5"}
    assert world.states(flow) == {"A": "done"}


def test_access_that_breaks_pauses_and_loses_nothing(world):
    flow = stock(world)
    for number in range(30):
        world.erp.put("balance", f"S{number}", count="5")
    world.pull("erp", "balance")
    world.shop.token = "changed"

    pushed = world.push(flow)

    assert isinstance(pushed.error, AccessError)
    assert set(world.states(flow).values()) == {"ready"}


def test_a_connector_that_breaks_parks_the_batch_and_is_named(world):
    world.connect("shop", broken="push_balance")
    flow = stock(world)
    world.erp.put("balance", "A", count="5")

    pushed = world.deliver(flow)

    assert "depot 1.2 broke in push_balance" in str(pushed.error)
    assert world.states(flow) == {"A": "parked"}


def test_what_a_dead_worker_was_publishing_is_published_again(world):
    flow = stock(world)
    world.erp.put("balance", "A", count="5")
    world.pull("erp", "balance")
    with world.store.transaction():
        world.store.effects.claim(flow.name, 9, "elsewhere/1/1", world.clock.now(), timedelta(minutes=1))
    world.later(minutes=2)

    world.push(flow)

    assert world.shop.published == {"A": "5"}


# -- imports that take their time ----------------------------------------------------------------------


@pytest.fixture
def submitted(world):
    """A flow with prices that the vendor took into an import job."""
    flow = prices(world)
    for sku in "AB":
        world.erp.put("prices", sku, amount="5.00")
    world.deliver(flow)
    return flow


def keyed(world, **by_sku):
    """States of the report by the keys that were handed in."""
    return {key: by_sku[key.partition("|")[0]] for key in world.shop.jobs["J1"]["given"]
            if key.partition("|")[0] in by_sku}  # fmt: skip


def test_an_import_is_submitted_once_and_asked_for_later(world, submitted):
    world.push(submitted)

    assert set(world.states(submitted).values()) == {"submitted"}
    assert world.shop.writes() == ["POST /imports"]


def test_a_finished_import_settles_what_it_held(world, submitted):
    world.shop.finish("J1", **keyed(world, B="rejected"))
    world.later(minutes=1)

    world.push(submitted)

    assert sorted(world.states(submitted).values()) == ["done", "parked"]


def test_an_import_that_still_runs_is_asked_again(world, submitted):
    world.later(minutes=1)
    world.push(submitted)
    world.shop.finish("J1")

    pushed = world.push(submitted, patience=timedelta(minutes=2))

    assert (pushed.counts.done, world.shop.writes()) == (2, ["POST /imports"])


def test_what_the_report_does_not_name_is_parked(world, submitted):
    world.shop.finish("J1", **keyed(world, A="missing"))
    world.later(minutes=1)

    world.push(submitted)

    assert sorted(effect.cause for effect in world.effects(submitted)) == ["", "no outcome"]


def test_a_report_that_says_our_credentials_back_is_kept_without_them(world, submitted):
    rows = [{"key": key, "state": "rejected", "message": f"sent with {TOKEN}"} for key in keyed(world, A=1, B=1)]
    report = json.dumps({"finished": True, "rows": rows})
    world.shop.fault("status", method="GET", path="/imports", status=200, body=report)
    world.later(minutes=1)

    world.push(submitted)

    assert {TOKEN in effect.message for effect in world.effects(submitted)} == {False}
    assert {"sent with" in effect.message for effect in world.effects(submitted)} == {True}


def test_the_report_is_read_by_the_keys_that_were_handed_in(world):
    flow = prices(world)
    decide.add_mappings(world.bench, [("prices", "sku", "A", "A-100")])
    world.erp.put("prices", "A", amount="5.00")
    world.deliver(flow)
    decide.add_mappings(world.bench, [("prices", "sku", "A", "A-200")])
    world.shop.finish("J1")
    world.later(minutes=1)

    world.push(flow)

    assert list(world.states(flow).values()) == ["done"]


def test_stock_of_an_import_whose_answer_was_lost_may_take_effect_last_and_does_not_stay(world):
    world.connect("shop", "depot-importing")
    flow = stock(world)
    world.erp.put("balance", "A", count="9")
    world.shop.fault("cut_after", method="POST", path="/imports", times=4)
    world.deliver(flow)
    lost = list(world.shop.jobs)
    assert lost
    world.shop.faults.clear()
    world.erp.put("balance", "A", count="5")
    world.later(minutes=1)
    world.deliver(flow)
    (job,) = world.shop.jobs.keys() - set(lost)
    assert world.shop.jobs[job]["given"] == {"A": "5"}
    world.shop.finish(job)
    world.later(minutes=1)
    world.push(flow)  # only now the shop works the lost import off: it shows nine
    world.later(minutes=5)

    world.push(flow)

    later = list(world.shop.jobs)[-1]
    assert (later not in {job, *lost}, world.shop.jobs[later]["given"]) == (True, {"A": "5"})
    world.shop.finish(later)
    world.later(minutes=1)
    world.push(flow)
    assert world.states(flow) == {"A": "done"}


def test_stock_of_an_import_that_was_given_up_may_take_effect_last_and_does_not_stay(world):
    world.connect("shop", "depot-importing")
    flow = stock(world)
    world.erp.put("balance", "A", count="9")
    world.deliver(flow)
    world.erp.put("balance", "A", count="5")
    world.pull("erp", "balance")
    world.later(hours=6)
    world.shop.fault("status", method="GET", path="/imports", status=404)
    world.push(flow)  # nobody tells of the import any more, so the newer value is sent
    assert world.shop.jobs["J2"]["given"] == {"A": "5"}
    world.shop.finish("J2")
    world.later(minutes=1)
    world.push(flow)
    world.later(minutes=5)

    world.push(flow)

    assert list(world.shop.jobs) == ["J1", "J2", "J3"]
    assert world.shop.jobs["J3"]["given"] == {"A": "5"}


def test_stock_of_an_import_that_is_confirmed_is_not_sent_again(world):
    world.connect("shop", "depot-importing")
    flow = stock(world)
    world.erp.put("balance", "A", count="9")
    world.deliver(flow)
    world.shop.finish("J1")
    world.later(minutes=1)
    world.push(flow)
    world.later(minutes=5)

    world.push(flow)

    assert (world.states(flow), list(world.shop.jobs)) == ({"A": "done"}, ["J1"])


@pytest.mark.parametrize("status", [503, 429, 401])
def test_trouble_while_asking_submits_nothing_again(world, submitted, status):
    world.shop.fault("status", method="GET", path="/imports", status=status, times=9)
    world.later(minutes=1)

    world.push(submitted)

    assert set(world.states(submitted).values()) == {"submitted"}
    assert world.shop.writes() == ["POST /imports"]


def test_a_job_that_is_not_known_any_more_is_left_to_a_person(world, submitted):
    world.shop.fault("status", method="GET", path="/imports", status=404)
    world.later(minutes=1)

    world.push(submitted)

    assert set(world.states(submitted).values()) == {"parked"}


def test_a_change_while_the_import_runs_is_sent_although_the_older_value_is_refused(world, submitted):
    world.erp.put("prices", "A", amount="6.00")
    world.pull("erp", "prices")
    world.shop.finish("J1", **keyed(world, A="rejected"))
    world.later(minutes=1)

    world.push(submitted)

    assert sorted(world.states(submitted).values()) == ["done", "submitted"]


def test_a_change_while_the_import_runs_is_sent_when_it_is_over(world, submitted):
    world.erp.put("prices", "A", amount="6.00")
    world.pull("erp", "prices")
    assert set(world.states(submitted).values()) == {"submitted"}
    world.shop.finish("J1")
    world.later(minutes=1)

    world.push(submitted)

    assert sorted(world.states(submitted).values()) == ["done", "submitted"]
    assert list(world.shop.jobs["J2"]["given"].values()) == ["6.00"]


# -- flows that cannot work ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stream": "weather"}, "no stream 'weather'"),
        ({"target": "erp"}, "from one connection to another"),
        ({"stream": "products"}, "cannot be asked for products"),
        ({"options": {"totals": "guess"}}, "keep, line or hold"),
        ({"options": {"buffer": -1}}, "cannot be negative"),
        ({"options": {"approve_above": "much"}}, "'much' is no amount"),
    ],
)
def test_a_flow_that_cannot_work_is_refused_with_the_reason(world, change, words):
    flow = stock(world)
    options = attrs.evolve(flow.options, **change.get("options", {}))

    with pytest.raises(UsageError, match=words):
        check_flow(world.bench, attrs.evolve(flow, **{**change, "options": options}))


def test_a_flow_that_works_is_accepted(world):
    check_flow(world.bench, stock(world))


# -- what another worker took meanwhile ----------------------------------------------------------------


def test_what_another_worker_took_and_gave_back_is_claimed_anew_and_nothing_breaks(world):
    flow = stock(world)
    world.erp.stock(**{f"SKU-{number:03}": number for number in range(100)})
    world.pull("erp", "balance")
    taken = []

    def take(method, path):
        if path == "/published" and not taken:
            until(lambda: world.store.effects.counts(flow.name).get((flow.name, "sending"), 0) > 10)
            taken.append(world.store.effects.recover(flow.name, [], world.clock.now() + HOUR, HOUR, ("balance",)))

    world.shop.between = take
    pushed = world.push(flow)
    world.shop.between = None
    world.later(hours=1)
    world.push(flow)

    assert taken[0] > 10
    assert pushed.state == "done"
    assert world.shop.published == {f"SKU-{number:03}": str(number) for number in range(100)}
    assert set(world.states(flow).values()) == {"done"}
