"""Delivering orders and shipments: exactly once, whatever happens on the way; on both databases."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import attrs
import pytest

from crossdock.engine import decide
from crossdock.engine import push as engine_push
from crossdock.engine.push import push
from crossdock.errors import AccessError, PluginError, TransientError, UsageError
from crossdock.store.config import FlowRow
from crossdock.store.store import Store


def silent(world, flow):
    """Another worker claims what is ready and is never heard of again."""
    with world.store.transaction():
        assert world.store.effects.claim(flow.name, 9, "elsewhere", world.clock.now(), timedelta(seconds=60))


# -- create and update ---------------------------------------------------------------------------------


def test_an_order_is_created_under_its_key(world):
    flow = world.flow()
    world.shop.order("1", total="12.50", note="quick")

    pushed = world.deliver(flow)

    assert (pushed.state, pushed.counts.done) == ("done", 1)
    assert [(row["reference"], row["total"], row["note"]) for row in world.erp.orders.values()] == [
        ("shop-1", "12.50", "quick")
    ]


def test_its_receipt_is_kept_and_bound(world):
    flow = world.flow()
    world.shop.order("1")
    world.deliver(flow)

    effect = world.effect(flow)

    assert (effect.state, effect.external_id, effect.number) == ("done", "1000", "N1000")
    assert world.store.records.origins("erp", "orders", ["1000"])["1000"][0].source_key == "1"
    assert [state for _, _, state, _ in world.store.effects.attempts(effect.id)] == ["done"]


def test_a_change_updates_the_same_order(world):
    flow = world.flow()
    world.shop.order("1", total="10.00")
    world.deliver(flow)
    world.shop.order("1", total="11.00")

    world.deliver(flow)

    assert world.erp.writes() == ["POST /orders", "PUT /orders/1000"]
    assert world.erp.orders["1000"]["total"] == "11.00"


def test_older_unsent_states_are_never_sent(world):
    flow = world.flow()
    for total in ("10.00", "11.00", "12.00"):
        world.shop.order("1", total=total)
        world.pull()

    world.push(flow)

    assert (world.erp.writes(), world.erp.orders["1000"]["total"]) == (["POST /orders"], "12.00")


def test_a_change_that_means_nothing_to_the_target_is_not_sent(world):
    flow = world.flow()
    world.shop.order("1", status="processing")
    world.deliver(flow)
    world.shop.order("1", status="completed")

    world.deliver(flow)

    assert world.erp.writes() == ["POST /orders"]


def test_an_order_that_was_cancelled_before_it_was_sent_is_not_sent(world):
    flow = world.flow()
    world.shop.order("1")
    world.pull()
    world.shop.order("1", status="cancelled")

    world.deliver(flow)

    assert (world.erp.writes(), world.states(flow)) == ([], {"1": "superseded"})


def test_an_order_that_was_cancelled_afterwards_is_told(world):
    flow = world.flow()
    world.shop.order("1")
    world.deliver(flow)
    world.shop.order("1", status="cancelled")

    world.deliver(flow)

    assert world.erp.orders["1000"]["status"] == "cancelled"


def test_an_order_that_never_was_in_the_flow_and_is_cancelled_stays_out(world):
    flow = world.flow()
    world.shop.order("1", status="cancelled")

    world.deliver(flow)

    assert world.states(flow) == {}


def test_delivering_again_sends_nothing(world):
    flow = world.flow()
    world.shop.order("1")
    world.deliver(flow)
    world.erp.requests.clear()

    world.push(flow)

    assert world.erp.requests == []


def test_order_is_kept_for_each_record_while_several_are_delivered_side_by_side(world):
    flow = world.flow()
    for number in range(12):
        world.shop.order(str(number), total="1.00")
    world.deliver(flow)
    for total in ("2.00", "3.00"):
        for number in range(12):
            world.shop.order(str(number), total=total)
        world.deliver(flow)

    totals = {row["reference"]: row["total"] for row in world.erp.orders.values()}
    assert totals == {f"shop-{number}": "3.00" for number in range(12)}


# -- lost answers --------------------------------------------------------------------------------------


def test_a_lost_answer_leads_to_exactly_one_order(world):
    flow = world.flow()
    world.shop.order("1")
    world.erp.fault("cut_after", method="POST", path="/orders")

    first = world.deliver(flow)
    assert (first.counts.in_doubt, world.states(flow)) == (1, {"1": "in_doubt"})
    world.later(seconds=11)
    second = world.push(flow)

    assert (second.counts.done, world.states(flow)) == (1, {"1": "done"})
    assert world.erp.references() == ["shop-1"]
    assert world.erp.writes() == ["POST /orders"]


def test_what_did_not_arrive_is_sent_again_after_it_was_looked_for(world):
    flow = world.flow()
    world.shop.order("1")
    world.erp.fault("cut_before", method="POST", path="/orders")
    world.deliver(flow)
    world.later(seconds=11)

    world.push(flow)

    asked = [f"{each['method']} {each['path']}" for each in world.erp.requests]
    assert asked == ["POST /orders", "GET /orders", "POST /orders"]
    assert world.erp.references() == ["shop-1"]


def test_nothing_in_doubt_is_sent_or_asked_before_the_quiet_time(world):
    flow = world.flow()
    world.shop.order("1")
    world.erp.fault("cut_after", method="POST", path="/orders")
    world.deliver(flow)
    world.erp.requests.clear()

    pushed = world.push(flow)

    assert (world.erp.requests, pushed.next_at is not None) == ([], True)


@pytest.mark.parametrize("kind", ["truncate", "html"])
def test_an_unusable_answer_to_a_create_is_looked_up(world, kind):
    flow = world.flow()
    world.shop.order("1")
    world.erp.fault(kind, method="POST", path="/orders")
    world.deliver(flow)
    assert world.states(flow) == {"1": "in_doubt"}
    world.later(seconds=11)

    world.push(flow)

    assert (world.states(flow), world.erp.references()) == ({"1": "done"}, ["shop-1"])


@pytest.mark.parametrize("status", [500, 502, 504])
def test_an_error_of_the_server_on_a_create_leaves_it_in_doubt(world, status):
    flow = world.flow()
    world.shop.order("1")
    world.erp.fault("status", method="POST", path="/orders", status=status)

    world.deliver(flow)

    assert world.states(flow) == {"1": "in_doubt"}


def test_a_lost_answer_to_an_update_is_no_doubt(world):
    flow = world.flow()
    world.shop.order("1", total="1.00")
    world.deliver(flow)
    world.shop.order("1", total="2.00")
    world.erp.fault("cut_after", method="PUT", path="/orders", times=4)

    world.deliver(flow)
    assert world.states(flow) == {"1": "ready"}
    world.later(minutes=1)
    world.push(flow)

    assert (world.states(flow), world.erp.orders["1000"]["total"]) == ({"1": "done"}, "2.00")


def test_a_change_while_in_doubt_waits_and_then_updates(world):
    flow = world.flow()
    world.shop.order("1", total="1.00")
    world.erp.fault("cut_after", method="POST", path="/orders")
    world.deliver(flow)
    world.shop.order("1", total="2.00")
    world.pull()
    assert world.states(flow) == {"1": "in_doubt"}
    world.later(seconds=11)

    world.push(flow)

    assert world.erp.references() == ["shop-1"]
    assert world.erp.orders["1000"]["total"] == "2.00"


def test_patience_stays_for_what_waits_for_its_time(world):
    flow = world.flow()
    world.shop.order("1")
    world.erp.fault("cut_after", method="POST", path="/orders")
    world.pull()

    pushed = world.push(flow, patience=timedelta(minutes=1))

    assert (pushed.counts.in_doubt, pushed.counts.done) == (1, 1)


def test_what_exists_several_times_is_left_to_a_person(world):
    flow = world.flow()
    world.shop.order("1")
    world.erp.fault("cut_after", method="POST", path="/orders")
    world.deliver(flow)
    world.erp.order("77", reference="shop-1")
    world.later(seconds=11)

    world.push(flow)

    effect = world.effect(flow)
    assert (effect.state, effect.cause) == ("parked", "exists several times")
    assert "N1000, N77" in effect.message


def test_replaying_it_looks_again_and_sends_nothing(world):
    flow = world.flow()
    world.shop.order("1")
    world.erp.fault("cut_after", method="POST", path="/orders")
    world.deliver(flow)
    world.erp.order("77", reference="shop-1")
    world.later(seconds=11)
    world.push(flow)
    del world.erp.orders["77"]

    decide.replay(world.bench, [world.effect(flow).id])
    world.push(flow)

    assert (world.states(flow), world.erp.writes()) == ({"1": "done"}, ["POST /orders"])


def test_a_question_that_fails_is_asked_again_later(world):
    flow = world.flow()
    world.shop.order("1")
    world.erp.fault("cut_after", method="POST", path="/orders")
    world.deliver(flow)
    world.erp.fault("status", method="GET", path="/orders", status=503, times=4)
    world.later(seconds=11)
    world.push(flow)
    assert world.states(flow) == {"1": "in_doubt"}

    world.later(minutes=1)
    world.push(flow)

    assert (world.states(flow), world.erp.references()) == ({"1": "done"}, ["shop-1"])


def test_access_that_breaks_while_asking_pauses_and_leaves_the_doubt(world):
    flow = world.flow()
    world.shop.order("1")
    world.erp.fault("cut_after", method="POST", path="/orders")
    world.deliver(flow)
    world.erp.token = "changed"
    world.later(seconds=11)

    pushed = world.push(flow)

    assert isinstance(pushed.error, AccessError)
    assert (world.states(flow), world.app.row("erp").state) == ({"1": "in_doubt"}, "paused")


@pytest.mark.parametrize("killed", [False, True], ids=["no answer", "killed"])
def test_a_change_whose_answer_was_lost_may_arrive_late_and_does_not_stay(world, killed):
    flow = world.flow()
    world.shop.order("1")
    world.deliver(flow)
    world.shop.order("1", note="new")
    if killed:
        world.pull()
        silent(world, flow)
        world.later(minutes=2)
        world.push(flow)
        assert world.states(flow) == {"1": "in_doubt"}
    else:
        world.erp.fault("cut_before", method="PUT", path="/orders", times=4)
        world.deliver(flow)
        world.erp.faults.clear()
    world.shop.order("1", status="cancelled")
    world.later(minutes=10)
    world.deliver(flow)
    assert world.erp.orders["1000"]["status"] == "cancelled"
    world.erp.order("1000", note="new", status="processing")  # only now the ERP gets to what it was sent first
    world.later(minutes=5)

    world.push(flow)

    assert world.erp.orders["1000"]["status"] == "cancelled"
    assert world.states(flow) == {"1": "done"}


# -- systems that cannot be asked ----------------------------------------------------------------------


@pytest.fixture
def doubtful(world):
    """An effect in doubt at a target that cannot be asked, and its flow."""
    world.connect("erp", "depot-mute")
    flow = world.flow()
    world.shop.order("1")
    world.erp.fault("cut_after", method="POST", path="/orders")
    world.deliver(flow)
    return flow


def test_a_target_that_cannot_be_asked_leaves_it_to_a_person(world, doubtful):
    world.later(days=9)

    pushed = world.push(doubtful)

    assert (world.states(doubtful), pushed.next_at) == ({"1": "in_doubt"}, None)
    assert world.erp.writes() == ["POST /orders"]


def test_a_person_says_that_it_was_done(world, doubtful):
    effect = decide.resolve(world.bench, world.effect(doubtful).id, external_id="1000")
    world.shop.order("1", total="5.00")
    world.deliver(doubtful)

    assert effect.state == "done"
    assert world.erp.writes() == ["POST /orders", "PUT /orders/1000"]


def test_a_person_says_that_it_was_not_done(world, doubtful):
    world.erp.orders.clear()

    effect = decide.resolve(world.bench, world.effect(doubtful).id, absent=True)
    world.push(doubtful)

    assert effect.state == "ready"
    assert world.erp.references() == ["shop-1"]


def test_a_person_has_to_say_one_of_both(world, doubtful):
    with pytest.raises(UsageError, match="either under which id"):
        decide.resolve(world.bench, world.effect(doubtful).id)


def test_what_is_in_doubt_is_neither_replayed_nor_given_up(world, doubtful):
    number = world.effect(doubtful).id
    with pytest.raises(UsageError, match="not known"):
        decide.replay(world.bench, [number])
    with pytest.raises(UsageError, match="not known"):
        decide.discard(world.bench, [number], "")


def test_only_a_doubt_can_be_resolved(world):
    flow = world.flow()
    world.shop.order("1")
    world.pull()

    with pytest.raises(UsageError, match="not in doubt"):
        decide.resolve(world.bench, world.effect(flow).id, absent=True)


def test_where_a_key_makes_one_order_only_a_lost_answer_is_sent_again(world):
    world.connect("erp", "depot-idempotent")
    flow = world.flow()
    world.shop.order("1")
    world.erp.fault("cut_before", method="POST", path="/orders")
    world.deliver(flow)
    assert world.states(flow) == {"1": "ready"}
    world.later(minutes=1)

    world.push(flow)

    assert world.erp.writes() == ["POST /orders", "POST /orders"]


# -- postponed -----------------------------------------------------------------------------------------


def test_a_vendor_that_asks_to_wait_is_waited_for(world):
    flow = world.flow()
    world.shop.order("1")
    world.erp.fault("status", method="POST", path="/orders", status=429, headers={"retry-after": "120"})
    world.deliver(flow)
    world.later(seconds=119)
    world.push(flow)
    assert world.states(flow) == {"1": "ready"}

    world.later(seconds=3)
    world.push(flow)

    assert world.states(flow) == {"1": "done"}


def test_and_with_it_everything_else_of_the_flow(world):
    flow = world.flow()
    for number in range(20):
        world.shop.order(str(number))
    world.erp.fault("status", method="POST", path="/orders", status=429, headers={"retry-after": "120"}, times=99)

    world.deliver(flow)
    world.push(flow)

    assert len(world.erp.requests) <= 4
    assert set(world.states(flow).values()) == {"ready"}


def test_a_target_that_is_down_is_left_alone_for_a_while(world):
    world.connect("erp", "depot-idempotent")
    flow = world.flow()
    for number in range(40):
        world.shop.order(str(number))
    world.erp.fault("status", method="POST", path="/orders", status=503, times=999)

    world.deliver(flow)
    world.push(flow)

    assert len(world.erp.requests) <= 10


def test_and_delivered_to_when_it_is_back(world):
    world.connect("erp", "depot-idempotent")
    flow = world.flow()
    for number in range(40):
        world.shop.order(str(number))
    world.erp.fault("status", method="POST", path="/orders", status=503, times=7)
    world.deliver(flow)

    world.push(flow, patience=timedelta(minutes=5))

    assert len(world.erp.references()) == 40


def test_a_failure_after_many_deliveries_waits_as_long_as_a_first_one(world):
    flow = world.flow("balance", "erp", "shop")
    for number in range(12):
        world.erp.stock(A=100 - number)
        world.pull("erp", "balance")
        world.push(flow)
    world.erp.stock(A=1)
    world.shop.fault("status", path="/published", status=503, times=999)
    world.pull("erp", "balance")

    failed = world.push(flow)

    assert world.effect(flow).attempts == 13
    assert datetime.fromisoformat(failed.next_at) - world.clock.now() < timedelta(seconds=10)


def test_what_the_vendor_asked_to_wait_for_is_no_failure(world):
    flow = world.flow("balance", "erp", "shop")
    world.erp.stock(A=1)
    world.pull("erp", "balance")
    world.shop.fault("status", path="/published", status=429, headers={"retry-after": "60"}, times=999)
    for _ in range(6):
        world.push(flow)
        world.later(minutes=5)
    world.shop.faults.clear()
    world.shop.fault("status", path="/published", status=503, times=999)

    failed = world.push(flow)

    assert datetime.fromisoformat(failed.next_at) - world.clock.now() < timedelta(seconds=10)


@pytest.mark.parametrize(("stream", "longest"), [("balance", 150), ("prices", 1125)])
def test_a_system_that_was_away_for_long_is_tried_soon_enough(world, stream, longest):
    flow = world.flow(stream, "erp", "shop")
    world.erp.stock(A=1)
    world.erp.put("prices", "A", amount="5.00")
    world.shop.fault("status", path="/published", status=503, times=999)
    world.pull("erp", stream)
    for _ in range(12):
        failed = world.push(flow)
        world.later(hours=1)

    assert datetime.fromisoformat(failed.next_at) - world.clock.now() < timedelta(seconds=longest) - timedelta(hours=1)


def test_waits_grow_with_each_failed_attempt(world):
    flow = world.flow()
    world.shop.order("1")
    world.deliver(flow)
    world.shop.order("1", total="2.00")
    world.erp.fault("status", method="PUT", path="/orders", status=503, times=999)
    world.pull()
    waits = []
    for _ in range(4):
        before = world.clock.now()
        due = attrs.asdict(world.push(flow))["next_at"]
        waits.append(due)
        world.later(hours=1)
        assert due > before.isoformat()

    assert len(set(waits)) == 4


def test_access_that_breaks_pauses_the_target_and_loses_nothing(world):
    flow = world.flow()
    for number in range(8):
        world.shop.order(str(number))
    world.pull()
    world.erp.token = "changed"

    pushed = world.push(flow)
    assert (pushed.state, world.app.row("erp").state) == ("failed", "paused")
    assert set(world.states(flow).values()) == {"ready"}
    with pytest.raises(UsageError, match="erp is paused"):
        world.push(flow)
    world.erp.token = "depot-token-0815"
    world.app.verify("erp")
    world.push(flow)

    assert len(world.erp.references()) == 8


def test_a_paused_target_is_told_of_once(world):
    flow = world.flow()
    for number in range(8):
        world.shop.order(str(number))
    world.pull()
    world.erp.token = "changed"

    world.push(flow)

    assert [kind for _, kind, _, _ in world.store.journal.events("erp")].count("connection paused") == 1


# -- parked --------------------------------------------------------------------------------------------


def test_an_unknown_code_is_one_gap_that_holds_all_its_orders(world):
    flow = world.flow()
    world.erp.unknown = {"X"}
    for key, sku in (("1", "X"), ("2", "X"), ("3", "A")):
        world.shop.order(key, sku=sku)

    world.deliver(flow)

    assert world.states(flow) == {"1": "parked", "2": "parked", "3": "done"}
    assert [(gap.kind, gap.value, gap.waiting) for gap in world.store.gaps.list()] == [("sku", "X", 2)]


def test_closing_the_gap_drives_them_all_again(world):
    flow = world.flow()
    world.erp.unknown = {"X"}
    for key in "12":
        world.shop.order(key, sku="X")
    world.deliver(flow)

    freed = decide.add_mappings(world.bench, [("*", "sku", "X", "A-1")])
    world.push(flow)

    assert freed == 2
    assert {row["sku"] for row in world.erp.orders.values()} == {"A-1"}
    assert world.store.gaps.list() == []


def test_a_gap_closes_by_itself_when_the_target_has_learnt_the_code(world):
    flow = world.flow()
    world.erp.unknown = {"X"}
    world.shop.order("1", sku="X")
    world.deliver(flow)
    world.erp.unknown = set()

    decide.replay_group(world.bench, flow.name, world.store.effects.parked_groups()[0][1])
    world.push(flow)

    assert world.states(flow) == {"1": "done"}
    assert world.store.gaps.list() == []


def test_a_gap_names_the_code_as_the_source_writes_it(world):
    flow = world.flow()
    world.erp.unknown = {"WRONG"}
    decide.add_mappings(world.bench, [("orders", "sku", "X", "WRONG")])
    world.shop.order("1", sku="X")
    world.deliver(flow)
    assert [gap.value for gap in world.store.gaps.list()] == ["X"]

    decide.add_mappings(world.bench, [("orders", "sku", "X", "RIGHT")])
    world.push(flow)

    assert [row["sku"] for row in world.erp.orders.values()] == ["RIGHT"]


def test_a_gap_that_is_closed_while_its_order_is_on_the_way_does_not_hold_it(world, database_url):
    world.local("""
from crossdock import hookimpl
from crossdock.store.config import FlowRow
from crossdock.store.store import Store
from pathlib import Path

@hookimpl(wrapper=True)
def push_order(session, order, key, known):
    if order.lines[0].sku == "X":
        store = Store.open(Path(__file__).with_name("url").read_text())
        store.gaps.add([("*", "sku", "X", "A-1")])
        store.close()
    return (yield)
""")
    (world.app.home / "url").write_text(database_url)
    flow = world.flow()
    world.erp.unknown = {"X"}
    world.shop.order("1", sku="X")

    world.deliver(flow)

    assert world.states(flow) == {"1": "done"}


def test_what_the_vendor_refuses_is_parked_with_its_words_and_can_be_replayed(world):
    flow = world.flow()
    world.shop.order("1")
    world.erp.fault("status", method="POST", path="/orders", status=400, body='{"message": "no such street"}')
    world.deliver(flow)
    effect = world.effect(flow)
    assert effect.state == "parked"
    assert "no such street" in effect.message

    decide.replay_group(world.bench, flow.name, effect.cause)
    world.push(flow)

    assert world.states(flow) == {"1": "done"}


def test_what_is_given_up_comes_back_only_with_a_change(world):
    flow = world.flow()
    world.shop.order("1")
    world.pull()
    decide.discard(world.bench, [world.effect(flow).id], "spam")
    world.push(flow)
    assert (world.erp.writes(), world.effect(flow).message) == ([], "spam")

    world.shop.order("1", total="3.00")
    world.deliver(flow)

    assert world.states(flow) == {"1": "done"}


def test_an_order_that_does_not_add_up_is_held_where_the_flow_says_so(world):
    world.local("""
from crossdock import hookimpl
from decimal import Decimal
import msgspec

@hookimpl
def transform_record(flow, record):
    return msgspec.structs.replace(record, total=record.total + Decimal("0.01")) if flow == "orders" else None
""")
    flow = world.flow(totals="hold")
    world.shop.order("1")

    world.deliver(flow)

    assert "differ from its total by" in world.effect(flow).message
    assert world.states(flow) == {"1": "parked"}


@pytest.mark.parametrize(("status", "held"), [("on_hold", {"A": 1}), ("pending", {})])
def test_an_order_that_is_stopped_in_its_shop_before_it_was_sent_waits_to_come_back(world, status, held):
    flow = world.flow()
    world.flow("balance", "erp", "shop")
    world.erp.unknown.add("A")
    world.shop.order("1")
    world.deliver(flow)
    assert world.states(flow) == {"1": "parked"}
    world.shop.order("1", status=status)
    world.pull()
    world.erp.unknown.clear()
    decide.replay(world.bench, [effect.id for effect in world.effects(flow) if effect.state == "parked"])

    world.push(flow)
    assert (world.erp.references(), world.states(flow)) == ([], {"1": "superseded"})
    assert world.store.holds.of("erp", ["A"]) == held

    world.shop.order("1")
    world.deliver(flow)
    assert (world.erp.references(), world.states(flow)) == (["shop-1"], {"1": "done"})


# -- connectors and rules that break -------------------------------------------------------------------


def test_a_connector_that_breaks_before_it_sent_anything_is_named_and_its_record_parked(world):
    world.connect("erp", broken="push_order before 1")
    flow = world.flow()
    world.shop.order("1")
    world.shop.order("2")

    pushed = world.deliver(flow)
    world.push(flow)

    assert isinstance(pushed.error, PluginError)
    assert "depot 1.2 broke in push_order: KeyError" in str(pushed.error)
    assert world.states(flow) == {"1": "parked", "2": "done"}


def test_a_connector_that_breaks_after_it_sent_leads_to_exactly_one_order(world):
    world.connect("erp", broken="push_order after 1")
    flow = world.flow()
    world.shop.order("1")
    world.deliver(flow)
    assert world.states(flow) == {"1": "in_doubt"}
    world.later(seconds=11)

    world.push(flow)

    assert (world.states(flow), world.erp.references()) == ({"1": "done"}, ["shop-1"])


def test_a_business_rule_that_breaks_parks_the_record(world):
    world.local("from crossdock import hookimpl\n@hookimpl\ndef transform_record(flow, record):\n    return 1 / 0\n")
    flow = world.flow()
    world.shop.order("1")

    pushed = world.deliver(flow)

    assert "transform_record: ZeroDivisionError" in str(pushed.error)
    assert world.states(flow) == {"1": "parked"}


def test_without_the_file_of_rules_nothing_is_read_planned_or_sent(world):
    flow = world.flow()
    world.shop.order("1")
    world.pull()
    world.shop.order("2")
    world.local("def (")

    with pytest.raises(PluginError, match="crossdock_local may hold rules"):
        world.pull()
    assert "crossdock_local may hold rules" in str(world.push(flow).error)
    assert (world.states(flow), world.erp.references()) == ({"1": "ready"}, [])
    world.local("")
    world.deliver(flow)
    assert sorted(world.erp.references()) == ["shop-1", "shop-2"]


def test_a_business_rule_that_answers_something_else_is_refused(world):
    world.local("from crossdock import hookimpl\n@hookimpl\ndef transform_record(flow, record):\n    return 'x'\n")
    flow = world.flow()
    world.shop.order("1")

    pushed = world.deliver(flow)

    assert "answered a str for a Order" in str(pushed.error)


def test_a_business_rule_changes_what_is_delivered(world):
    world.local("""
from crossdock import hookimpl
import msgspec

@hookimpl
def transform_record(flow, record):
    return msgspec.structs.replace(record, note="Handle with care")
""")
    flow = world.flow()
    world.shop.order("1")

    world.deliver(flow)

    assert world.erp.orders["1000"]["note"] == "Handle with care"


# -- plan, approval, binding orders --------------------------------------------------------------------


def test_a_flow_in_plan_mode_sends_nothing_and_going_live_releases_it(world):
    flow = world.flow(mode="plan")
    world.shop.order("1")
    world.pull()
    with pytest.raises(UsageError, match="plan mode, nothing is sent"):
        world.push(flow)
    assert world.states(flow) == {"1": "planned"}

    live, moved = decide.switch_flow(world.bench, flow.name, "live")
    world.push(live)

    assert (moved, world.erp.references()) == (1, ["shop-1"])


def test_a_dry_flow_sends_nothing(world):
    flow = world.flow(dry_run=True)

    with pytest.raises(UsageError, match="runs dry"):
        world.push(flow)


def test_a_flow_that_is_switched_off_meanwhile_sends_nothing_more(world):
    flow = world.flow()
    for number in range(30):
        world.shop.order(str(number))
    world.pull()
    sent = []

    def report(counts):
        if not sent:
            sent.append(1)
            decide.switch_flow(world.bench, flow.name, "paused")

    world.push(flow, report=report)

    assert len(world.erp.references()) < 10
    assert set(world.states(flow).values()) == {"done", "planned"}


def test_what_becomes_ready_again_in_a_paused_flow_stays(world):
    flow = world.flow()
    world.shop.order("1")
    world.pull()
    world.store.config.save_flow(attrs.evolve(flow, mode="paused"), world.clock.now())

    world.push(flow, patience=timedelta(minutes=5))

    assert (world.erp.writes(), world.states(flow)) == ([], {"1": "ready"})


def test_orders_above_the_limit_wait_for_a_person(world):
    flow = world.flow(approve_above="100")
    world.shop.order("1", total="100.00")
    world.shop.order("2", total="100.01")
    world.deliver(flow)
    assert world.states(flow) == {"1": "done", "2": "awaiting"}

    decide.approve(world.bench, world.effect(flow, "2").id)
    world.push(flow)

    assert world.states(flow)["2"] == "done"


def test_a_binding_order_is_sent_only_as_it_was_approved(world):
    world.connect("erp", "depot-binding")
    flow = world.flow()
    world.shop.order("1", total="5.00")
    world.deliver(flow)
    assert (world.erp.writes(), world.states(flow)) == ([], {"1": "awaiting"})

    decide.approve(world.bench, world.effect(flow).id)
    world.push(flow)

    assert world.erp.references() == ["shop-1"]


def test_a_binding_order_that_changed_after_the_approval_waits_again(world):
    world.connect("erp", "depot-binding")
    flow = world.flow()
    world.shop.order("1", total="5.00")
    world.deliver(flow)
    decide.approve(world.bench, world.effect(flow).id)
    world.shop.order("1", total="500.00")

    world.deliver(flow)

    assert (world.erp.writes(), world.states(flow)) == ([], {"1": "awaiting"})


def test_a_binding_order_whose_preview_finds_problems_is_parked(world):
    world.connect("erp", "depot-binding")
    flow = world.flow()
    world.shop.order("1", total="0")

    world.deliver(flow)

    assert world.effect(flow).message == "The order has no money in it."


def test_only_what_waits_can_be_approved(world):
    flow = world.flow()
    world.shop.order("1")
    world.deliver(flow)

    with pytest.raises(UsageError, match="nothing to approve"):
        decide.approve(world.bench, world.effect(flow).id)


@pytest.mark.parametrize(
    ("connector", "options", "changed"),
    [
        ("depot", {"approve_above": "5"}, {}),
        ("depot-binding", {}, {}),
        ("depot", {"totals": "hold"}, {"total": "0.00"}),
        ("depot", {}, {"lines": [{"city": "Aachen", "total": "5.00"}, {"city": "Bonn", "total": "5.00"}]}),
    ],
    ids=["above the limit", "binding", "totals that differ", "two addresses"],
)
def test_a_cancellation_waits_for_nobody(world, connector, options, changed):
    world.connect("erp", connector)
    flow = world.flow(**options)
    world.shop.order("1", lines=[{"city": "Aachen", "total": "10.00"}])
    world.deliver(flow)
    if world.states(flow) == {"1": "awaiting"}:
        decide.approve(world.bench, world.effect(flow).id)
        world.push(flow)
    assert world.erp.references() == ["shop-1"]

    world.shop.order("1", **{"status": "cancelled", **changed})
    world.deliver(flow)

    assert (world.erp.orders["1000"]["status"], world.states(flow)) == ("cancelled", {"1": "done"})


# -- records that change before they are read to be sent -------------------------------------------------


@pytest.fixture
def between(monkeypatch):
    """What happens after the next claim, before its record is read; and then, after it was read."""
    steps = []
    take, translate = engine_push._Push._take, engine_push.translate

    def taking(self, effects):
        if effects and steps:
            steps.pop(0)()
        take(self, effects)

    def translating(*args):
        if steps:
            steps.pop(0)()
        return translate(*args)

    monkeypatch.setattr(engine_push._Push, "_take", taking)
    monkeypatch.setattr(engine_push, "translate", translating)
    return steps


def changes(world, **fields):
    def change():
        world.shop.order("1", **fields)
        world.pull()

    return change


def test_an_order_that_went_back_while_it_was_sent_ends_as_it_is(world, between):
    flow = world.flow()
    world.shop.order("1")
    world.deliver(flow)
    world.shop.order("1", note="new")
    world.pull()
    between.extend([changes(world, status="cancelled"), changes(world, status="processing")])

    world.push(flow)

    order = world.erp.orders["1000"]
    assert not between
    assert (order["status"], order["note"], world.states(flow)) == ("processing", "new", {"1": "done"})


def test_what_changed_before_it_was_read_is_sent_once(world, between):
    flow = world.flow()
    world.shop.order("1")
    world.pull()
    between.extend([changes(world, note="new"), lambda: None])

    world.push(flow)

    assert (world.erp.writes(), world.erp.orders["1000"]["note"]) == (["POST /orders"], "new")


def test_an_approval_does_not_cover_what_the_order_became_after_its_effect_was_claimed(world, between):
    flow = world.flow(approve_above="5")
    world.shop.order("1", total="10.00")
    world.deliver(flow)
    decide.approve(world.bench, world.effect(flow).id)
    between.extend([changes(world, total="9999.00"), lambda: None])

    world.push(flow)

    assert (world.erp.writes(), world.states(flow)) == ([], {"1": "awaiting"})


def test_an_order_that_is_revived_while_its_effect_is_given_up_is_sent(world, between):
    flow = world.flow()
    world.shop.order("1")
    world.pull()
    world.shop.order("1", status="cancelled")
    world.pull()
    between.extend([lambda: None, changes(world, status="processing")])

    world.push(flow)

    assert (world.erp.references(), world.states(flow)) == (["shop-1"], {"1": "done"})


def test_what_a_person_is_asked_for_is_what_the_order_is_by_then(world, between):
    flow = world.flow(approve_above="5")
    world.shop.order("1", total="10.00")
    world.pull()
    between.extend([lambda: None, changes(world, total="9999.00")])

    world.push(flow)

    assert world.states(flow) == {"1": "awaiting"}
    assert world.effect(flow).message.startswith("9999.00")


# -- echo ----------------------------------------------------------------------------------------------


def test_what_came_from_a_system_is_not_sent_back_to_it(world):
    there, back = world.flow(), world.flow(source="erp", target="shop")
    world.shop.order("1")
    world.deliver(there)

    world.deliver(back)

    assert (world.states(back), list(world.shop.orders)) == ({}, ["1"])


def test_and_what_was_born_there_goes_the_other_way_once(world):
    there, back = world.flow(), world.flow(source="erp", target="shop")
    world.erp.order("E1")
    world.deliver(back)

    world.deliver(there)

    assert world.states(there) == {}
    assert world.shop.references() == ["erp-E1"]


def test_not_even_while_the_answer_to_its_create_is_lost(world):
    there, back = world.flow(), world.flow(source="erp", target="shop")
    world.shop.order("1")
    world.erp.fault("cut_after", method="POST", path="/orders")
    world.deliver(there)

    world.deliver(back)

    assert (world.states(back), list(world.shop.orders)) == ({}, ["1"])


# -- shipments -----------------------------------------------------------------------------------------


def test_a_shipment_is_reported_on_the_order_it_belongs_to(world):
    orders, shipments = world.flow(), world.flow("shipments", "erp", "shop")
    world.shop.order("1")
    world.deliver(orders)
    world.erp.put("shipments", "S1", order="1000", tracking="T1")

    world.deliver(shipments)

    assert [(row["order"], row["tracking"]) for row in world.shop.reports] == [("1", "T1")]


def test_a_shipment_of_somebody_elses_order_is_set_aside(world):
    shipments = world.flow("shipments", "erp", "shop")
    world.erp.put("shipments", "S1", order="4711", tracking="T1")

    world.deliver(shipments)

    assert (world.states(shipments), world.shop.reports) == ({"S1": "superseded"}, [])


@pytest.mark.parametrize("fault", ["", "cut_after"])
def test_a_shipment_that_comes_before_its_order_is_known_follows_it(world, fault):
    orders, shipments = world.flow(), world.flow("shipments", "erp", "shop")
    world.shop.order("1")
    world.pull()
    world.erp.put("shipments", "S1", order="1000", tracking="T1")
    world.deliver(shipments)
    assert world.states(shipments) == {"S1": "superseded"}
    if fault:
        world.erp.fault(fault, method="POST", path="/orders")

    world.push(orders, patience=timedelta(minutes=1))
    world.push(shipments)

    assert [row["tracking"] for row in world.shop.reports] == ["T1"]


def test_also_when_a_person_says_under_which_id_the_order_exists(world):
    world.connect("erp", "depot-mute")
    orders, shipments = world.flow(), world.flow("shipments", "erp", "shop")
    world.shop.order("1")
    world.erp.fault("cut_after", method="POST", path="/orders")
    world.deliver(orders)
    world.erp.put("shipments", "S1", order="1000", tracking="T1")
    world.deliver(shipments)

    decide.resolve(world.bench, world.effect(orders).id, external_id="1000")
    world.push(shipments)

    assert [row["tracking"] for row in world.shop.reports] == ["T1"]


def test_a_lost_answer_to_a_shipment_leads_to_one_report(world):
    orders, shipments = world.flow(), world.flow("shipments", "erp", "shop")
    world.shop.order("1")
    world.deliver(orders)
    world.erp.put("shipments", "S1", order="1000", tracking="T1")
    world.shop.fault("cut_after", method="POST", path="/reports")
    world.deliver(shipments)
    world.later(seconds=11)

    world.push(shipments)

    assert world.states(shipments) == {"S1": "done"}
    assert len(world.shop.reports) == 1


def test_so_does_one_to_the_changed_report_of_a_known_shipment(world):
    orders, shipments = world.flow(), world.flow("shipments", "erp", "shop")
    world.shop.order("1")
    world.deliver(orders)
    world.erp.put("shipments", "S1", order="1000", tracking="T1")
    world.deliver(shipments)
    world.erp.put("shipments", "S1", order="1000", tracking="T2")
    world.shop.fault("cut_after", method="POST", path="/reports")
    world.deliver(shipments)
    world.later(seconds=11)

    world.push(shipments)

    assert [row["tracking"] for row in world.shop.reports] == ["T1", "T2"]


# -- workers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("second", ["another process", "another thread"])
def test_two_workers_on_one_flow_deliver_each_order_once(world, database_url, second):
    flow = world.flow()
    for number in range(30):
        world.shop.order(str(number))
    world.pull()
    other, bench = Store.open(database_url), world.bench
    if second == "another process":
        bench = attrs.evolve(bench, store=other, owner="elsewhere/1/1")
    threads = [threading.Thread(target=push, args=(each, flow)) for each in (world.bench, bench)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    other.close()

    assert world.erp.references() == sorted(f"shop-{number}" for number in range(30))
    assert set(world.states(flow).values()) == {"done"}


SLEEPS = """
from crossdock import hookimpl

@hookimpl(wrapper=True)
def push_order(session, order, key, known):
    session.clock.sleep(120)
    return (yield)

@hookimpl(wrapper=True)
def push_balance(session, balances):
    session.clock.sleep(120)
    return (yield)
"""


def test_a_worker_that_slept_past_its_lease_sends_nothing(world):
    world.local(SLEEPS)
    flow = world.flow()
    world.shop.order("1")
    world.pull()

    pushed = world.push(flow)

    assert world.erp.writes() == []
    assert (pushed.counts.postponed, "lease on this effect ended" in world.effect(flow).message) == (1, True)


def test_nor_does_it_overwrite_newer_stock(world):
    world.local(SLEEPS)
    flow = world.flow("balance", "erp", "shop")
    world.erp.put("balance", "A", count="5")

    world.deliver(flow)

    assert (world.shop.published, world.states(flow)) == ({}, {"A": "ready"})


def test_what_a_dead_worker_was_sending_is_looked_for_first(world):
    flow = world.flow()
    world.shop.order("1")
    world.pull()
    with world.store.transaction():
        world.store.effects.claim(flow.name, 1, "elsewhere/1/1", world.clock.now(), timedelta(minutes=1))
    world.erp.order("77", reference="shop-1")
    world.later(minutes=2)

    world.push(flow, patience=timedelta(minutes=1))

    assert (world.erp.writes(), world.effect(flow).external_id) == ([], "77")


def test_a_push_does_not_wait_for_another_workers_lease(world):
    flow = world.flow()
    world.shop.order("1")
    world.pull()
    with world.store.transaction():
        world.store.effects.claim(flow.name, 1, "elsewhere/1/1", world.clock.now(), timedelta(minutes=1))

    pushed = world.push(flow)

    assert pushed.next_at is not None
    assert world.states(flow) == {"1": "sending"}


def test_a_push_that_is_asked_to_stop_ends_and_loses_nothing(world):
    flow = world.flow()
    for number in range(30):
        world.shop.order(str(number))
    world.pull()

    pushed = world.push(flow, report=lambda counts: world.clock.stop())

    assert pushed.state == "stopped"
    assert set(world.states(flow).values()) == {"done", "ready"}


def test_an_order_whose_record_is_gone_is_not_sent(world):
    flow = world.flow()
    world.shop.order("1")
    world.pull()
    world.store.database.run("DELETE FROM record")

    world.push(flow)

    assert world.states(flow) == {"1": "superseded"}


def test_customers_are_created_and_updated(world):
    flow = world.flow("customers")
    world.shop.put("customers", "C1", name="Ada")
    world.deliver(flow)
    world.shop.put("customers", "C1", name="Ada L.")

    world.deliver(flow)

    assert world.erp.rows["customers"]["shop-C1"]["name"] == "Ada L."


def test_transient_errors_are_errors_of_the_vendor_and_not_of_the_run(world):
    flow = world.flow()
    world.shop.order("1")
    world.erp.fault("status", method="POST", path="/orders", status=429)

    pushed = world.deliver(flow)

    assert (pushed.state, pushed.error, pushed.counts.postponed) == ("done", None, 1)
    assert issubclass(TransientError, Exception)


def test_an_order_that_somebody_entered_by_hand_is_bound_to_it(world):
    flow = world.flow()
    world.erp.unknown.add("A")
    world.shop.order("1")
    world.deliver(flow)
    world.erp.order("by-hand")

    decide.resolve(world.bench, world.effect(flow).id, external_id="by-hand")

    (bound,) = world.store.records.bindings_of("shop", "orders", "1")
    assert (world.states(flow), bound.external_id) == ({"1": "done"}, "by-hand")


def test_an_order_that_is_parked_cannot_be_called_absent(world):
    flow = world.flow()
    world.erp.unknown.add("A")
    world.shop.order("1")
    world.deliver(flow)

    with pytest.raises(UsageError, match="not in doubt"):
        decide.resolve(world.bench, world.effect(flow).id, absent=True)


def test_shipments_of_one_order_go_one_after_the_other(world):
    orders, flow = world.flow(), world.flow("shipments", "erp", "shop")
    world.shop.order("1")
    world.deliver(orders)
    (order,) = world.erp.orders
    for number in range(6):
        world.erp.put("shipments", f"S{number}", order=order, tracking=f"T{number}")

    world.deliver(flow)

    assert [each["tracking"] for each in world.shop.reports] == [f"T{number}" for number in range(6)]


# -- two flows that hand on the same order ---------------------------------------------------------------


@pytest.fixture
def twice(world):
    """Two flows from the shop to the ERP that both take each order; the first one's create has lost its answer."""
    flows = [world.flow(), FlowRow(name="second", stream="orders", source="shop", target="erp", mode="live")]
    world.store.config.save_flow(flows[1], world.clock.now())
    world.shop.order("1")
    world.erp.fault("cut_after", method="POST", path="/orders")
    world.deliver(flows[0])
    assert world.states(flows[0]) == {"1": "in_doubt"}
    return flows


def test_what_one_flow_is_in_doubt_about_another_does_not_create(world, twice):
    world.push(twice[1])
    assert world.erp.references() == ["shop-1"]
    world.later(minutes=2)

    for flow in twice:
        world.push(flow)

    assert world.erp.references() == ["shop-1"]
    assert [world.states(flow) for flow in twice] == [{"1": "done"}, {"1": "done"}]


def test_two_flows_that_send_at_the_same_time_create_one_order(world):
    flows = [world.flow(), FlowRow(name="second", stream="orders", source="shop", target="erp", mode="live")]
    world.store.config.save_flow(flows[1], world.clock.now())
    for number in range(8):
        world.shop.order(str(number))
    world.pull()
    world.erp.fault("slow", method="POST", path="/orders", times=100, seconds=0.05)

    threads = [threading.Thread(target=world.push, args=[flow]) for flow in flows]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    world.later(minutes=2)
    for flow in flows:
        world.push(flow)

    assert world.erp.references() == sorted(f"shop-{number}" for number in range(8))
    assert {state for flow in flows for state in world.states(flow).values()} == {"done"}


def test_what_a_person_replays_is_sent_also_when_its_order_changed_and_went_back(world):
    flow = world.flow()
    world.shop.order("1")
    world.deliver(flow)
    world.erp.order("1000", note="changed there")
    decide.replay(world.bench, [world.effect(flow).id])
    for note in ("other", ""):
        world.shop.order("1", note=note)
        world.pull()

    world.push(flow)

    assert world.erp.orders["1000"]["note"] == ""


def test_a_push_says_why_something_was_put_off(world):
    flow = world.flow("balance", "erp", "shop")
    world.erp.stock(A=5)
    world.shop.fault("status", method="POST", status=503, times=9)

    pushed = world.deliver(flow)

    assert (pushed.counts.postponed, "503" in pushed.trouble) == (1, True)


def test_a_line_that_is_cancelled_is_told(world):
    flow = world.flow()
    world.shop.order("1", lines=[{"sku": "A"}, {"sku": "B"}])
    world.deliver(flow)
    world.shop.order("1", lines=[{"sku": "A"}, {"sku": "B", "state": "cancelled"}])

    world.deliver(flow)

    assert world.erp.writes() == ["POST /orders", "PUT /orders/1000"]
