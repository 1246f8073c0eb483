"""A database restored from a backup is older than its targets: what was delivered since is found, not made again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from crossdock.configure import remove_flow
from crossdock.engine import decide
from crossdock.engine.heal import heal
from crossdock.engine.reconcile import reconcile
from crossdock.engine.restore import mark_restored
from crossdock.errors import UsageError

PLACED = "2026-02-27T08:00:00+00:00"
_TABLES = ("record", "payload", "stream", "effect", "attempt", "binding", "memory", "run", "event", "gap", "parked")


class Backup:
    """The rows of a store at a moment."""

    def __init__(self, world) -> None:
        self._database = world.store.database
        self._rows = {table: self._database.query(f"SELECT * FROM {table}") for table in _TABLES}

    def restore(self) -> None:
        """Make the store what it was."""
        with self._database.transaction() as db:
            for table, rows in self._rows.items():
                db.run(f"DELETE FROM {table}")
                if rows:
                    db.many(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)


def place(world, *keys, **fields):
    for key in keys:
        world.shop.order(key, **{"placed": PLACED, **fields})


@pytest.fixture
def lost(world):
    """Three orders that are in the ERP, and a store that was restored to the moment before they were read."""
    flow = world.flow()
    backup = Backup(world)
    place(world, "1", "2", "3")
    world.deliver(flow)
    backup.restore()
    world.erp.requests.clear()
    return world


@pytest.fixture
def unsent(world):
    """The same, restored to the moment after they were read and before they were sent."""
    flow = world.flow()
    place(world, "1", "2", "3")
    world.pull()
    backup = Backup(world)
    world.push(flow)
    backup.restore()
    world.erp.requests.clear()
    return world


def there(world, key):
    return next(number for number, row in world.erp.orders.items() if row["reference"] == f"shop-{key}")


def flow_of(world, name="orders"):
    return world.store.config.flow(name)


THREE = ["shop-1", "shop-2", "shop-3"]


# -- delivering ----------------------------------------------------------------------------------------


def test_what_was_delivered_since_the_backup_is_found_and_not_made_again(unsent):
    mark_restored(unsent.bench)

    unsent.push(flow_of(unsent))

    assert (unsent.erp.references(), unsent.erp.writes()) == (THREE, [])
    assert unsent.states(flow_of(unsent)) == {"1": "done", "2": "done", "3": "done"}
    assert set(unsent.store.records.bound("shop", "orders", ["1", "2", "3"], "erp")) == {"1", "2", "3"}


def test_what_is_read_only_after_the_restore_is_found_too(lost):
    mark_restored(lost.bench)

    lost.deliver(flow_of(lost))

    assert (lost.erp.references(), lost.erp.writes()) == (THREE, [])
    assert lost.states(flow_of(lost)) == {"1": "done", "2": "done", "3": "done"}


def test_what_was_not_delivered_before_is_sent_after_the_target_was_asked(unsent):
    place(unsent, "4")
    mark_restored(unsent.bench)

    unsent.deliver(flow_of(unsent))

    assert unsent.erp.references() == [*THREE, "shop-4"]
    assert unsent.erp.writes() == ["POST /orders"]


@pytest.mark.parametrize("state", ["planned", "awaiting", "parked", "discarded", "in_doubt"])
def test_whatever_an_effect_waited_for_it_is_not_sent_twice(unsent, state):
    flow = flow_of(unsent)
    with unsent.store.transaction():
        ids = [effect.id for effect in unsent.effects(flow)]
        unsent.store.effects.set_state(ids, state, unsent.clock.now(), when=("ready",))
    mark_restored(unsent.bench)
    with unsent.store.transaction():
        unsent.store.effects.set_state(ids, "ready", unsent.clock.now(), when=(state,))

    unsent.push(flow)

    assert (unsent.erp.references(), unsent.erp.writes()) == (THREE, [])


def test_an_order_placed_after_the_restore_is_sent_without_a_question(lost):
    mark_restored(lost.bench)
    lost.deliver(flow_of(lost))
    lost.later(days=3)
    lost.erp.requests.clear()
    place(lost, "9", placed="2026-03-04T08:00:00+00:00")

    lost.deliver(flow_of(lost))

    assert [f"{each['method']} {each['path']}" for each in lost.erp.requests] == ["POST /orders"]


def test_a_store_that_was_never_restored_asks_nothing(world):
    flow = world.flow()
    place(world, "1")
    world.deliver(flow)

    assert [f"{each['method']} {each['path']}" for each in world.erp.requests] == ["POST /orders"]


def test_an_order_that_was_delivered_and_then_cancelled_is_cancelled_on_the_target(unsent):
    place(unsent, "2", status="cancelled")
    mark_restored(unsent.bench)

    unsent.deliver(flow_of(unsent))

    assert unsent.erp.references() == THREE
    assert [row["reference"] for row in unsent.erp.orders.values() if row["status"] == "cancelled"] == ["shop-2"]


def test_an_order_that_is_there_several_times_waits_for_a_person(unsent):
    unsent.erp.order("77", reference="shop-2")
    mark_restored(unsent.bench)

    unsent.deliver(flow_of(unsent))

    assert unsent.states(flow_of(unsent)) == {"1": "done", "2": "parked", "3": "done"}
    assert unsent.erp.writes() == []


def test_a_target_that_cannot_be_reached_is_asked_later_and_nothing_is_sent(unsent):
    unsent.erp.fault("status", path="/orders", status=503, times=100)
    mark_restored(unsent.bench)

    unsent.push(flow_of(unsent))

    assert unsent.erp.writes() == []
    assert set(unsent.states(flow_of(unsent)).values()) == {"ready"}


def test_a_target_that_cannot_be_asked_leaves_it_to_a_person_whose_word_counts(unsent):
    unsent.connect("erp", "depot-mute")
    mark_restored(unsent.bench)
    flow = flow_of(unsent)

    unsent.push(flow)
    assert (unsent.erp.writes(), set(unsent.states(flow).values())) == ([], {"in_doubt"})

    unsent.later(minutes=1)
    first, second, third = unsent.effects(flow)
    decide.resolve(unsent.bench, first.id, external_id=there(unsent, first.key))
    decide.resolve(unsent.bench, second.id, external_id=there(unsent, second.key))
    decide.resolve(unsent.bench, third.id, absent=True)
    unsent.push(flow)
    assert unsent.erp.writes() == ["POST /orders"]


def test_a_target_on_which_twice_is_once_needs_no_question(unsent):
    unsent.connect("erp", "depot-idempotent")
    unsent.erp.requests.clear()
    mark_restored(unsent.bench)

    unsent.push(flow_of(unsent))

    assert {each["method"] for each in unsent.erp.requests} == {"POST"}


def test_a_shipment_that_was_reported_since_the_backup_is_not_reported_again(world):
    orders, shipments = world.flow(), world.flow("shipments", "erp", "shop")
    place(world, "1")
    world.deliver(orders)
    backup = Backup(world)
    world.erp.put("shipments", "S1", order="1000", tracking="T1")
    world.deliver(shipments)
    backup.restore()
    mark_restored(world.bench)

    world.deliver(shipments)

    assert [each["tracking"] for each in world.shop.reports] == ["T1"]
    assert world.states(shipments) == {"S1": "done"}


def test_a_shipment_waits_for_the_binding_of_its_order_and_follows_it(world):
    orders, shipments = world.flow(), world.flow("shipments", "erp", "shop")
    backup = Backup(world)
    place(world, "1")
    world.deliver(orders)
    world.erp.put("shipments", "S1", order="1000", tracking="T1")
    world.deliver(shipments)
    backup.restore()
    mark_restored(world.bench)

    world.deliver(shipments)
    world.deliver(orders)
    world.push(shipments)

    assert [each["tracking"] for each in world.shop.reports] == ["T1"]
    assert (world.states(orders), world.states(shipments)) == ({"1": "done"}, {"S1": "done"})


def test_stock_that_is_again_as_it_was_told_before_the_backup_is_told_again(world):
    flow = world.flow("balance", "erp", "shop")
    world.erp.stock(A=5, B=5)
    world.deliver(flow)
    backup = Backup(world)
    world.erp.stock(A=9)
    world.deliver(flow)
    assert world.shop.published == {"A": "9", "B": "5"}
    backup.restore()
    world.erp.stock(A=5)
    mark_restored(world.bench)

    world.deliver(flow)

    assert world.shop.published == {"A": "5", "B": "5"}
    world.shop.requests.clear()
    world.deliver(flow)
    assert world.shop.writes() == []


def test_prices_are_told_again_also_when_they_changed_back_after_the_restore(world):
    flow = world.flow("prices", "erp", "shop")
    world.erp.put("prices", "A", amount="10.00")
    world.deliver(flow)
    world.shop.finish("J1")
    world.later(minutes=2)
    world.push(flow)
    assert world.effect(flow).state == "done"
    mark_restored(world.bench)
    for amount in ("12.00", "10.00"):
        world.erp.put("prices", "A", amount=amount)
        world.pull("erp", "prices")

    world.push(flow)

    assert world.shop.jobs["J2"]["given"] == {"A|||EUR|1": "10.00"}


@pytest.mark.parametrize("name", ["shop", "erp"])
def test_what_was_delivered_before_a_connection_was_removed_and_added_again_is_found(world, name):
    flow = world.flow()
    place(world, "1")
    world.deliver(flow)
    remove_flow(world.app, flow.name)
    world.app.remove(name)
    world.connect(name)
    place(world, "2")

    world.deliver(world.flow())

    assert world.erp.references() == ["shop-1", "shop-2"]


def test_it_says_how_many_will_be_asked_for(unsent):
    assert mark_restored(unsent.bench).asked == {"orders": 3}


def test_it_is_kept_in_the_log(unsent):
    mark_restored(unsent.bench)

    (event,) = unsent.store.journal.events("database")
    assert event[1] == "database restored"


# -- comparing and healing -----------------------------------------------------------------------------


def found(world):
    return [(each.kind, each.key, each.external_id) for each in reconcile(world.bench, flow_of(world)).findings]


def test_an_order_under_our_key_that_is_not_bound_is_a_finding_of_its_own(lost):
    result = reconcile(lost.bench, flow_of(lost))

    assert [(each.kind, each.key, each.external_id) for each in result.findings] == [
        ("unbound", key, there(lost, key)) for key in ("1", "2", "3")
    ]
    assert (result.agrees, result.matched) == (False, 0)


@pytest.mark.parametrize("state", ["planned", "awaiting", "ready", "in_doubt", "parked"])
def test_healing_binds_it_and_settles_it_without_sending_whatever_it_waited_for(unsent, state):
    flow = flow_of(unsent)
    with unsent.store.transaction():
        ids = [effect.id for effect in unsent.effects(flow)]
        unsent.store.effects.set_state(ids, state, unsent.clock.now(), when=("ready",))

    result = heal(unsent.bench, flow, reconcile(unsent.bench, flow))

    assert (result.rebound, result.planned, result.left) == (3, 0, [])
    assert unsent.states(flow) == {"1": "done", "2": "done", "3": "done"}
    assert found(unsent) == []
    unsent.push(flow)
    assert unsent.erp.writes() == []


def test_healing_knows_an_order_that_was_never_read_from_then_on(lost):
    flow = flow_of(lost)

    heal(lost.bench, flow, reconcile(lost.bench, flow))

    assert lost.states(flow) == {"1": "done", "2": "done", "3": "done"}
    assert (lost.effect(flow, "1").external_id, found(lost)) == (there(lost, "1"), [])
    place(lost, "1", total="12.00")
    lost.deliver(flow)
    assert lost.erp.writes() == [f"PUT /orders/{there(lost, '1')}"]


def test_healing_leaves_what_is_being_sent(unsent):
    flow = flow_of(unsent)
    comparison = reconcile(unsent.bench, flow)
    with unsent.store.transaction():
        unsent.store.effects.claim(flow.name, 1, "somebody", unsent.clock.now(), timedelta(minutes=1))

    result = heal(unsent.bench, flow, comparison)

    assert (unsent.states(flow)["1"], result.rebound, len(result.left)) == ("sending", 2, 1)
    assert unsent.store.records.bound("shop", "orders", ["1"], "erp") == {}


def test_healing_brings_up_to_date_what_changed_since_it_was_delivered(lost):
    flow = flow_of(lost)
    place(lost, "2", total="12.00")

    heal(lost.bench, flow, reconcile(lost.bench, flow))
    lost.push(flow)

    assert (lost.erp.references(), lost.erp.writes()) == (THREE, [f"PUT /orders/{there(lost, '2')}"])
    assert found(lost) == []


def test_healing_cancels_what_was_cancelled_since_it_was_delivered(lost):
    flow = flow_of(lost)
    place(lost, "2", status="cancelled")

    heal(lost.bench, flow, reconcile(lost.bench, flow))
    lost.push(flow)

    assert lost.erp.writes() == [f"PUT /orders/{there(lost, '2')}"]
    assert lost.erp.orders[there(lost, "2")]["status"] == "cancelled"
    assert found(lost) == []


def test_an_order_that_is_dead_on_both_sides_needs_no_binding(lost):
    place(lost, "2", status="cancelled")
    lost.erp.order(there(lost, "2"), status="cancelled")

    assert [key for _, key, _ in found(lost)] == ["1", "3"]


def test_an_order_there_twice_is_a_duplicate_and_is_left_to_a_person(lost):
    lost.erp.order("77", reference="shop-2")
    flow = flow_of(lost)

    result = heal(lost.bench, flow, reconcile(lost.bench, flow))

    assert ("N2", "it is duplicate: a person decides in erp") in result.left
    assert lost.store.records.bound("shop", "orders", ["2"], "erp") == {}


def test_a_paused_flow_is_not_healed(lost):
    flow = decide.switch_flow(lost.bench, "orders", "paused")[0]

    with pytest.raises(UsageError, match="is paused"):
        heal(lost.bench, flow, reconcile(lost.bench, flow))
