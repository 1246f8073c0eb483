"""Comparing both sides of a flow by reading both systems again, and healing what is missing or different."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import attrs
import pytest
from ops_kit import PLACED, Project, order

from crossdock import AccessError, Balance, CrossdockError, OrderLine, Price, Product, Shipment
from crossdock.engine.decide import add_mappings
from crossdock.engine.findings import Comparison, Finding
from crossdock.engine.heal import heal
from crossdock.engine.pull import pull
from crossdock.engine.push import push
from crossdock.engine.reconcile import reconcile, source_key
from crossdock.errors import UsageError
from crossdock.records import evolve


def told(result: Comparison) -> list[tuple[str, str, str, str, str]]:
    return [(each.kind, each.key, each.field, each.expected, each.found) for each in result.findings]


def only(result: Comparison) -> Finding:
    assert len(result.findings) == 1, result.findings
    return result.findings[0]


@pytest.fixture
def delivered(project: Project) -> Project:
    """Three orders that are on both sides."""
    project.shop.orders = {key: order(key) for key in ("1", "2", "3")}
    project.deliver(project.flow())
    return project


def compare(project: Project, name: str = "orders-flow", **window: object) -> Comparison:
    flow = project.app.store.config.flow(name)
    assert flow is not None
    return reconcile(project.app.bench, flow, **window)


def target_of(project: Project, key: str) -> str:
    return next(each.key for each in project.erp.orders.values() if each.references["external"] == f"shop-{key}")


def change_target(project: Project, key: str, **fields: object) -> None:
    there = target_of(project, key)
    project.erp.orders[there] = evolve(project.erp.orders[there], **fields)


# -- orders ----------------------------------------------------------------------------------------


def test_delivered_orders_are_the_same_on_both_sides(delivered: Project) -> None:
    result = compare(delivered)
    assert (result.matched, result.source_count, result.target_count, result.findings) == (3, 3, 3, [])


def test_it_keeps_nothing_and_moves_no_bookmark(delivered: Project) -> None:
    store = delivered.app.store
    delivered.shop.orders["9"] = order("9")
    with store.transaction():
        store.records.set_bookmark("shop", "orders", "before", PLACED)
    runs = len(store.journal.runs())
    compare(delivered)
    assert store.records.bookmark("shop", "orders") == "before"
    assert store.records.get("shop", "orders", "9") is None
    assert len(store.journal.runs()) == runs


def test_an_order_that_was_never_fetched_is_missing(delivered: Project) -> None:
    delivered.shop.orders["4"] = order("4")
    found = only(compare(delivered))
    assert (found.kind, found.key, found.ref) == ("missing", "4", "N4")
    assert "never fetched: crossdock sync shop orders --key 4" in found.reason


def test_an_order_that_is_parked_is_missing_with_the_vendors_words(project: Project) -> None:
    project.erp.unknown_skus = {"A-1"}
    project.shop.orders = {"1": order("1")}
    project.deliver(project.flow())
    assert only(compare(project)).reason == "It is parked: A-1 is unknown."


def test_an_order_deleted_on_the_target_is_missing_whatever_the_ledger_says(delivered: Project) -> None:
    there = target_of(delivered, "2")
    del delivered.erp.orders[there]
    found = only(compare(delivered))
    assert (found.kind, found.key, found.external_id) == ("missing", "2", there)
    assert "no longer shows" in found.reason


def test_an_order_under_our_key_that_the_source_does_not_know_is_extra(delivered: Project) -> None:
    delivered.erp.orders["77"] = order("77", references={"external": "shop-404"})
    assert told(compare(delivered)) == [("extra", "404", "", "", "")]


def test_orders_of_other_origin_are_not_extra(delivered: Project) -> None:
    delivered.erp.orders["77"] = order("77")
    delivered.erp.orders["78"] = order("78", references={"external": "market-9"})
    assert compare(delivered).agrees


def test_a_second_order_under_the_same_key_is_a_duplicate(delivered: Project) -> None:
    delivered.erp.orders["88"] = order("88", references={"external": "shop-1"})
    found = only(compare(delivered))
    assert (found.kind, found.key, found.found) == ("duplicate", "1", "2")
    assert "N88 (88)" in found.reason


def test_a_cancelled_twin_is_no_duplicate(delivered: Project) -> None:
    delivered.erp.orders["88"] = order("88", status="cancelled", references={"external": "shop-1"})
    assert compare(delivered).agrees


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"total": Decimal("9.99")}, ("total", "10.00", "9.99")),
        ({"currency": "SEK"}, ("currency", "EUR", "SEK")),
        ({"lines": ()}, ("lines", "1", "0")),
        ({"lines": (OrderLine(key="1", sku="A-1", quantity=Decimal(2)),)}, ("quantity", "1", "2")),
        ({"status": "cancelled"}, ("status", "processing", "cancelled")),
    ],
)
def test_what_differs_is_named_with_both_values(
    delivered: Project, fields: dict[str, object], expected: tuple[str, str, str]
) -> None:
    change_target(delivered, "2", **fields)
    assert told(compare(delivered)) == [("different", "2", *expected)]


def test_an_order_cancelled_at_the_source_must_be_cancelled_on_the_target(delivered: Project) -> None:
    delivered.shop.orders["1"] = order("1", status="cancelled")
    assert told(compare(delivered)) == [("different", "1", "status", "cancelled", "processing")]


def test_a_refund_after_delivery_is_no_difference(delivered: Project) -> None:
    delivered.shop.orders["1"] = order("1", status="refunded")
    change_target(delivered, "1", status="completed")
    assert compare(delivered).agrees


def test_a_cent_that_the_sources_own_lines_miss_is_no_difference(project: Project) -> None:
    off = evolve(order("1"), total=Decimal("10.01"))
    project.shop.orders = {"1": off}
    project.deliver(project.flow())
    change_target(project, "1", total=Decimal("10.00"))
    result = compare(project)
    assert result.agrees
    assert any("rounding" in note for note in result.notes)


def test_what_a_supplier_asks_is_not_compared_with_what_the_customer_pays(delivered: Project) -> None:
    supplier = delivered.app.registry.connector("dock")
    supplier.info = evolve(supplier.info, binding_orders=True)
    change_target(delivered, "1", total=Decimal("4.20"), currency="SEK")
    result = compare(delivered)
    assert (result.matched, result.findings) == (3, [])
    assert any("asks prices of its own" in note for note in result.notes)


def test_the_target_is_expected_to_have_what_tables_and_totals_policy_make(project: Project) -> None:
    project.shop.orders = {"1": evolve(order("1"), total=Decimal("12.00"))}
    project.deliver(project.flow(totals="line"))
    assert compare(project).agrees


def test_orders_that_do_not_take_the_flow_are_left_out_by_reason(delivered: Project) -> None:
    delivered.shop.orders["7"] = order("7", status="pending")
    delivered.shop.orders["8"] = order("8", fulfilled_by="third_party")
    result = compare(delivered)
    assert result.agrees
    assert result.left_out == {"status pending": 1, "fulfilled by a third party": 1}


def test_dates_bound_orders_by_when_they_were_placed(delivered: Project) -> None:
    delivered.shop.orders["4"] = order("4", placed=PLACED + timedelta(days=1))
    delivered.shop.orders["5"] = order("5", placed=PLACED + timedelta(days=2))
    window = {"since": PLACED + timedelta(days=1), "until": PLACED + timedelta(days=2)}
    result = compare(delivered, **window)
    assert told(result) == [("missing", "4", "", "", "")]
    assert result.left_out == {"outside the dates": 4}


def test_orders_that_came_from_the_target_are_not_expected_there(delivered: Project) -> None:
    delivered.shop.orders["6"] = order("6", references={"external": "erp-6"})
    result = compare(delivered)
    assert result.agrees
    assert result.left_out == {"it came from erp": 1}


def test_what_cannot_be_read_is_a_finding_of_its_own_and_nothing_else(delivered: Project) -> None:
    delivered.shop.unreadable["2"] = b"x"
    del delivered.shop.orders["2"]
    there = target_of(delivered, "3")
    delivered.erp.unreadable[there] = b"x"
    del delivered.erp.orders[there]
    result = compare(delivered)
    assert [(each.kind, each.key, each.external_id, each.field) for each in result.findings] == [
        ("unreadable", "2", "", "source"), ("unreadable", "", there, "target"),
    ]  # fmt: skip


def test_a_binding_that_leads_elsewhere_is_a_difference_and_can_be_healed(delivered: Project) -> None:
    there = target_of(delivered, "1")
    delivered.erp.orders["900"] = evolve(delivered.erp.orders.pop(there), key="900", number="T900")
    result = compare(delivered)
    assert told(result) == [("different", "1", "binding", there, "900")]
    flow = delivered.app.store.config.flow("orders-flow")
    assert flow is not None
    assert heal(delivered.app.bench, flow, result).rebound == 1
    assert compare(delivered).agrees


def test_an_access_error_pauses_the_connection_and_is_told(delivered: Project) -> None:
    delivered.erp.denied = True
    with pytest.raises(AccessError):
        compare(delivered)
    assert delivered.app.row("erp").state == "paused"


def test_stopping_gives_no_half_comparison(delivered: Project) -> None:
    delivered.app.clock.stop()
    with pytest.raises(CrossdockError, match="stopped before both sides were read"):
        compare(delivered)


def test_a_target_that_cannot_list_is_asked_for_each_order(project: Project) -> None:
    project.app.save("xd", "mute", {"system": "xd-system", "token": "good one"})
    project.shop.orders = {"1": order("1"), "2": order("2")}
    project.deliver(project.flow(target="xd"))
    project.shop.orders["3"] = order("3")
    result = compare(project)
    assert told(result) == [("missing", "3", "", "", "")]
    assert result.matched == 2
    assert any("only ids were compared" in note for note in result.notes)


def test_a_source_that_cannot_be_asked_is_told_in_a_sentence(project: Project) -> None:
    project.app.save("xd", "mute", {"system": "xd-system", "token": "good one"})
    flow = attrs.evolve(project.flow(), source="xd")
    with pytest.raises(UsageError, match="xd \\(Mute\\) cannot be asked for all its orders"):
        reconcile(project.app.bench, flow)


@pytest.mark.parametrize(
    ("reference", "key"), [("shop-1", "1"), ("shop-2-1", None), ("shop-2x", "2x"), ("other-1", None), ("shop", None)]
)
def test_the_longest_connection_name_owns_an_idempotency_key(reference: str, key: str | None) -> None:
    assert source_key(reference, "shop", ["shop", "shop-2", "erp"]) == key


# -- healing ---------------------------------------------------------------------------------------


def healed(project: Project, name: str = "orders-flow") -> Comparison:
    flow = project.app.store.config.flow(name)
    assert flow is not None
    heal(project.app.bench, flow, compare(project, name))
    push(project.app.bench, flow)
    return compare(project, name)


def test_healing_delivers_what_was_never_fetched(delivered: Project) -> None:
    delivered.shop.orders["4"] = order("4")
    assert healed(delivered).matched == 4


def test_healing_makes_a_deleted_order_again_once(delivered: Project) -> None:
    del delivered.erp.orders[target_of(delivered, "2")]
    assert healed(delivered).agrees
    assert len(delivered.erp.orders) == 3


def test_healing_sends_a_different_order_again(delivered: Project) -> None:
    change_target(delivered, "2", total=Decimal("1.00"))
    assert healed(delivered).agrees


def test_healing_leaves_extra_and_double_orders_to_a_person(delivered: Project) -> None:
    delivered.erp.orders["77"] = order("77", references={"external": "shop-404"})
    flow = delivered.app.store.config.flow("orders-flow")
    assert flow is not None
    result = heal(delivered.app.bench, flow, compare(delivered))
    assert (result.planned, result.left) == (0, [("404", "it is extra: a person decides in erp")])


def test_healing_leaves_what_waits_for_a_mapping(project: Project) -> None:
    project.erp.unknown_skus = {"A-1"}
    project.shop.orders = {"1": order("1")}
    flow = project.flow()
    project.deliver(flow)
    result = heal(project.app.bench, flow, compare(project))
    assert result.planned == 0
    assert result.left == [("N1", "unknown sku A-1: crossdock map add")]


def test_healing_a_flow_in_plan_mode_only_plans(project: Project) -> None:
    project.shop.orders = {"1": order("1")}
    flow = project.flow(mode="plan")
    assert heal(project.app.bench, flow, compare(project)).planned == 1
    assert project.app.store.effects.counts() == {("orders-flow", "planned"): 1}


# -- other streams ---------------------------------------------------------------------------------


def test_stock_is_compared_with_what_the_flow_would_publish(project: Project) -> None:
    project.erp.balance = {
        "A@1": Balance(sku="A", warehouse="1", available=Decimal(7)),
        "A@2": Balance(sku="A", warehouse="2", available=Decimal(5)),
        "B@1": Balance(sku="B", warehouse="1", available=Decimal(1)),
        "C@1": Balance(sku="C", warehouse="1", available=Decimal(9)),
    }
    flow = project.flow("balance", source="erp", target="shop", buffer=2)
    add_mappings(project.app.bench, [(flow.name, "sku", "C", "C-shop")])
    project.deliver(flow)
    assert compare(project, flow.name).matched == 3
    project.shop.balance["A"] = Balance(sku="A", available=Decimal(3))
    del project.shop.balance["B"]
    result = compare(project, flow.name)
    assert told(result) == [("different", "A", "available", "10", "3"), ("missing", "B", "", "", "")]
    assert healed(project, flow.name).agrees


def test_stock_that_the_source_no_longer_has_is_extra(project: Project) -> None:
    project.erp.balance = {key: Balance(sku=key, available=Decimal(1)) for key in ("A", "B")}
    project.shop.balance = {"Z": Balance(sku="Z", available=Decimal(1))}
    flow = project.flow("balance", source="erp", target="shop")
    project.deliver(flow)
    del project.erp.balance["B"]
    assert told(compare(project, flow.name)) == [("extra", "B", "", "", "")]


def test_prices_are_compared_across_tax_modes(project: Project) -> None:
    net = Price(sku="A", amount=Decimal("10.00"), currency="EUR", tax_rate=Decimal(19))
    project.erp.prices = {net.key: net}
    flow = project.flow("prices", source="erp", target="shop")
    project.deliver(flow)
    gross = evolve(net, amount=Decimal("11.90"), includes_tax=True)
    project.shop.prices = {gross.key: gross}
    assert compare(project, flow.name).agrees
    project.shop.prices = {gross.key: evolve(gross, amount=Decimal("12.90"))}
    assert told(compare(project, flow.name)) == [("different", net.key, "amount", "10.00", "10.84")]


def test_a_price_without_a_list_is_that_of_all_lists_without_one_of_their_own(project: Project) -> None:
    general = Price(sku="A", amount=Decimal("10.00"), currency="EUR")
    own = evolve(general, amount=Decimal("12.00"), price_list="DE")
    project.erp.prices = {each.key: each for each in (general, own)}
    flow = project.flow("prices", source="erp", target="shop")
    project.deliver(flow)
    shown = [evolve(general, price_list=name) for name in ("FR", "ES")]
    foreign = evolve(general, price_list="SE", amount=Decimal("115.00"), currency="SEK")
    project.shop.prices = {each.key: each for each in (*shown, own, foreign)}
    assert compare(project, flow.name).agrees
    changed = evolve(shown[1], amount=Decimal("9.00"))
    project.shop.prices[changed.key] = changed
    assert told(compare(project, flow.name)) == [("different", general.key, "amount", "10.00", "9.00")]


def test_products_are_compared_by_sku(project: Project) -> None:
    project.erp.products = {"1": Product(key="1", sku="A", name="Cup"), "2": Product(key="2", sku="B", name="Pot")}
    flow = project.flow("products", source="erp", target="shop")
    project.deliver(flow)
    project.shop.products = {"9": Product(key="9", sku="A", name="Mug")}
    assert told(compare(project, flow.name)) == [
        ("different", "1", "name", "Cup", "Mug"), ("missing", "2", "", "", ""),
    ]  # fmt: skip


def test_shipments_are_compared_with_the_ledger(delivered: Project) -> None:
    there = target_of(delivered, "1")
    delivered.erp.shipments = {
        "s1": Shipment(key="s1", order_key=there, tracking_number="TN1"),
        "s2": Shipment(key="s2", order_key="999", tracking_number="TN2"),
    }
    flow = delivered.flow("shipments", source="erp", target="shop", name="back")
    assert told(compare(delivered, "back")) == [("missing", "s1", "", "", "")]
    delivered.deliver(flow)
    result = compare(delivered, "back")
    assert (result.against, result.matched, result.findings) == ("effect ledger", 1, [])
    assert result.left_out == {"its order did not come from shop": 1}
    delivered.erp.shipments["s1"] = Shipment(key="s1", order_key=there, tracking_number="TN9")
    assert told(compare(delivered, "back"))[0][:3] == ("different", "s1", "content")


def test_dates_are_refused_where_there_are_none(project: Project) -> None:
    flow = project.flow("prices", source="erp", target="shop")
    with pytest.raises(UsageError, match="has no dates"):
        reconcile(project.app.bench, flow, since=PLACED)


def test_a_record_that_changed_after_the_fetch_is_healed_with_its_newest_state(delivered: Project) -> None:
    pull(delivered.app.bench, "shop", "orders")
    delivered.shop.orders["1"] = evolve(order("1", total="22.00"), updated_at=PLACED + timedelta(hours=1))
    assert told(compare(delivered)) == [("different", "1", "total", "22.00", "10.00")]
    assert healed(delivered).agrees
