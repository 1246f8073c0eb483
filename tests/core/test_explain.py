"""The story of one record, told from the store alone."""

from __future__ import annotations

import pytest
from ops_kit import Project, order

from crossdock import Shipment
from crossdock.engine.decide import add_mappings
from crossdock.engine.explain import Story, explain
from crossdock.engine.pull import pull
from crossdock.engine.push import push
from crossdock.errors import UsageError


def story(project: Project, name: str, kind: str = "order") -> Story:
    found = explain(project.app.bench, kind, name)
    assert len(found) == 1
    return found[0]


@pytest.fixture
def delivered(project: Project) -> Project:
    project.shop.orders = {"1042": order("1042", number="WC-7")}
    project.deliver(project.flow())
    return project


@pytest.mark.parametrize(
    "name", ["WC-7", "1042", "shop-WC-7", "shop-1042", "SHOP-1042", "#1042", "T5001", "5001", "erp-5001"]
)
def test_a_person_may_name_an_order_in_many_ways(delivered: Project, name: str) -> None:
    told = story(delivered, name)
    assert (told.connection, told.key, told.ref) == ("shop", "1042", "WC-7")


def test_what_was_never_seen_is_told_with_what_to_do(delivered: Project) -> None:
    with pytest.raises(UsageError, match=r"never seen order '99'; it knows 1 orders") as caught:
        explain(delivered.app.bench, "order", "99")
    assert "crossdock sync" in caught.value.hint


def test_it_tells_when_the_record_was_seen_and_on_which_page_of_which_run(delivered: Project) -> None:
    kept = story(delivered, "1042").kept
    assert kept is not None
    assert (kept["run"], kept["page"]) == (1, 1)
    assert len(kept["fingerprint"]) == 32


def test_it_tells_every_attempt_and_where_the_record_went(project: Project) -> None:
    project.erp.unknown_skus = {"A-1"}
    project.shop.orders = {"1": order("1")}
    flow = project.flow()
    project.deliver(flow)
    add_mappings(project.app.bench, [(flow.name, "sku", "A-1", "100")])
    push(project.app.bench, flow)
    told = story(project, "1")
    effect = told.flows[0].effect
    assert effect is not None
    assert [(each.state, each.message) for each in effect.history] == [("parked", "A-1 is unknown."), ("done", "")]
    assert told.bindings == ({"connection": "erp", "external_id": "5001", "number": "T5001"},)
    assert told.next_step == ""


def test_it_tells_which_mappings_were_applied(delivered: Project) -> None:
    add_mappings(delivered.app.bench, [("orders-flow", "sku", "A-1", "100"), ("*", "sku", "B-1", "200")])
    applied = story(delivered, "1042").flows[0].applied
    assert [(each.kind, each.value, each.target) for each in applied] == [("sku", "A-1", "100")]


def test_a_gap_is_told_with_the_command_that_closes_it(project: Project) -> None:
    project.erp.unknown_skus = {"A-1"}
    project.shop.orders = {"1": order("1")}
    project.deliver(project.flow())
    told = story(project, "1")
    assert [(each.kind, each.value) for each in told.flows[0].gaps] == [("sku", "A-1")]
    assert told.next_step == "crossdock map add orders-flow sku A-1 TARGET"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"status": "pending"}, "status pending"), ({"fulfilled_by": "third_party"}, "fulfilled by a third party")],
)
def test_a_flow_that_is_not_taken_has_its_reason(project: Project, fields: dict[str, str], reason: str) -> None:
    project.shop.orders = {"1": order("1", **fields)}
    project.deliver(project.flow())
    flow = story(project, "1").flows[0]
    assert (flow.refused, flow.effect) == (reason, None)


def test_a_cancelled_order_that_was_handed_on_is_told_on(delivered: Project) -> None:
    delivered.shop.orders["1042"] = order("1042", number="WC-7", status="cancelled")
    pull(delivered.app.bench, "shop", "orders")
    assert story(delivered, "1042").flows[0].refused == (
        "status cancelled; erp is told, because it was handed on before"
    )


def test_an_order_that_came_from_the_target_is_not_sent_back(delivered: Project) -> None:
    delivered.flow(source="erp", target="shop", name="back")
    pull(delivered.app.bench, "erp", "orders")
    told = next(each for each in explain(delivered.app.bench, "order", "T5001") if each.connection == "erp")
    assert told.flows[0].refused == "it came from shop"
    assert told.origins == ({"connection": "shop", "key": "1042"},)


def test_a_payload_that_could_not_be_read_has_a_story_too(project: Project) -> None:
    project.shop.unreadable["13"] = b"x"
    pull(project.app.bench, "shop", "orders")
    told = story(project, "13")
    assert told.kept is None
    assert told.parked is not None
    assert told.parked["path"] == "total"
    assert told.payload == b'{"total": "x"}'
    assert told.next_step.endswith("crossdock parked replay --connection shop --key 13")


def test_what_was_shipped_of_an_order_belongs_to_its_story(delivered: Project) -> None:
    delivered.erp.shipments = {"s1": Shipment(key="s1", order_key="5001", tracking_number="TN1")}
    delivered.deliver(delivered.flow("shipments", source="erp", target="shop", name="back"))
    (shipment,) = story(delivered, "1042").shipments
    assert shipment.summary["tracking_number"] == "TN1"
    effect = shipment.flows[0].effect
    assert effect is not None
    assert (effect.state, effect.external_id) == ("done", "report-s1")
    assert story(delivered, "s1", "shipment").key == "s1"


def test_a_record_that_no_flow_takes_says_so(project: Project) -> None:
    project.shop.orders = {"1": order("1")}
    pull(project.app.bench, "shop", "orders")
    assert story(project, "1").next_step.startswith("No flow takes orders of shop")


def test_the_payload_is_the_vendors_bytes(delivered: Project) -> None:
    assert story(delivered, "1042").payload == b'{"as": "sent"}'
