"""Binding orders go when a person approved them as they were shown, or by the flow's rule up to an amount."""

from __future__ import annotations

import attrs
import pytest

from crossdock import Preview
from crossdock.engine import decide
from crossdock.engine.approval import _is_small
from crossdock.engine.route import check_flow
from crossdock.errors import UsageError
from crossdock.store.config import FlowOptions


@pytest.fixture
def binding(world):
    """A shop whose orders are binding where they go."""
    world.connect("erp", "depot-binding")
    return world


def history(world, flow, key=""):
    """The states and words of an effect's attempts."""
    return [(state, text) for _, _, state, text in world.store.effects.attempts(world.effect(flow, key).id)]


def test_the_rule_lets_small_orders_go_and_larger_ones_wait(binding):
    flow = binding.flow(approve_up_to="100")
    binding.shop.order("1", total="100.00")
    binding.shop.order("2", total="100.01")
    binding.deliver(flow)

    assert binding.states(flow) == {"1": "done", "2": "awaiting"}
    assert binding.erp.references() == ["shop-1"]


def test_the_history_names_the_rule_and_the_hash_that_it_approved(binding):
    flow = binding.flow(approve_up_to="100")
    binding.shop.order("1", total="5.00")
    binding.deliver(flow)

    (approved, done) = history(binding, flow)
    assert approved[0] == "approved"
    assert "up to 100: 5.00 EUR, preview hash of shop-1 5.00" in approved[1]
    assert done[0] == "done"


def test_the_history_names_what_a_person_approved(binding):
    flow = binding.flow()
    binding.shop.order("1", total="5.00")
    binding.deliver(flow)
    decide.approve(binding.bench, binding.effect(flow).id)

    assert ("approved", f"By a person: {binding.effect(flow).approval}") in history(binding, flow)


def test_problems_are_never_approved_by_the_rule(binding):
    flow = binding.flow(approve_up_to="100")
    binding.shop.order("1", total="0")
    binding.deliver(flow)

    assert (binding.states(flow), binding.erp.writes()) == ({"1": "parked"}, [])


@pytest.mark.parametrize(
    "preview",
    [
        Preview(body="", hash="h", total="", currency="EUR"),
        Preview(body="", hash="h", total="0.00", currency="EUR"),
        Preview(body="", hash="h", total="-1", currency="EUR"),
        Preview(body="", hash="h", total="NaN", currency="EUR"),
        Preview(body="", hash="", total="1.00", currency="EUR"),
    ],
)
def test_what_has_no_price_or_no_hash_is_for_a_person(preview):
    assert not _is_small(FlowOptions(approve_up_to="100"), preview)


def test_what_changed_since_it_was_shown_is_shown_again_instead_of_approved(binding):
    flow = binding.flow()
    binding.shop.order("1", total="5.00")
    binding.deliver(flow)
    number = binding.effect(flow).id
    with binding.store.transaction():  # as when the supplier's price changed: the record is the same
        binding.store.database.run("UPDATE effect SET message = 'Preview hash of old: 4.00 EUR.'")

    with pytest.raises(UsageError, match="not any more what was shown"):
        decide.approve(binding.bench, number)
    assert binding.effect(flow).state == "awaiting"
    assert decide.approve(binding.bench, number).state == "ready"


def test_the_rule_is_refused_where_orders_are_not_binding(world):
    flow = world.flow()
    options = attrs.evolve(flow.options, approve_up_to="100")

    with pytest.raises(UsageError, match="not binding at erp"):
        check_flow(world.bench, attrs.evolve(flow, options=options))
