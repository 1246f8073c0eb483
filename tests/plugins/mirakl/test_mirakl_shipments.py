"""Reporting shipments both ways: several an order, or whole orders only."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from mirakl_kit import Operator, sample

from crossdock import Order, OutcomeUnknownError, Parcel, RecordError, Shipment, ShipmentLine, evolve
from crossdock_mirakl import plugin, wire

TWO = [{"sku": "P-100", "quantity": 2}, {"sku": "P-101", "quantity": 1}]
WHOLE = Shipment(key="S-1", number="S-1", carrier="COLISSIMO", tracking_number="6A1", completes_order=True)


def parcels(*numbers: str) -> tuple[Parcel, ...]:
    return tuple(Parcel(number=number) for number in numbers)


def of(sku: str, quantity: int) -> ShipmentLine:
    return ShipmentLine(sku=sku, quantity=Decimal(quantity))


def ready(operator: Operator, **options: Any) -> Order:
    """An order as the engine has it when the goods leave."""
    key = operator.sandbox.place_order(TWO, accepted=True, **options)
    return next(order for order in operator.orders()[0] if order.key == key)


def sent(operator: Operator) -> list[tuple[str, dict[str, int]]]:
    """Parcel and pieces by SKU of each shipment at the operator."""
    return [
        (each["tracking"]["tracking_number"], {line["offer_sku"]: line["quantity"] for line in each["shipment_lines"]})
        for each in operator.sandbox.state()["shipments"]
    ]


@pytest.fixture
def order(operator: Operator) -> Order:
    return ready(operator)


# -- several shipments an order ----------------------------------------------------------------------


def test_a_shipment_without_lines_is_the_whole_order(operator: Operator, order: Order) -> None:
    receipt = plugin.push_shipment(operator.session, WHOLE, order, "erp-S-1")
    assert sent(operator) == [("6A1", {"P-100": 2, "P-101": 1})]
    assert (operator.stored(order.key)["order_state"], receipt.status) == ("SHIPPED", "SHIPPED")


def test_a_part_is_reported_and_the_order_goes_on(operator: Operator, order: Order) -> None:
    part = evolve(WHOLE, lines=(of("P-100", 1),), completes_order=False)
    plugin.push_shipment(operator.session, part, order, "erp-S-1")
    assert sent(operator) == [("6A1", {"P-100": 1})]
    assert operator.stored(order.key)["order_state"] == "SHIPPING"


def test_each_parcel_becomes_a_shipment_with_its_share_of_the_pieces(operator: Operator, order: Order) -> None:
    plugin.push_shipment(operator.session, evolve(WHOLE, parcels=parcels("A", "B")), order, "erp-S-1")
    assert sent(operator) == [("A", {"P-100": 1}), ("B", {"P-100": 1, "P-101": 1})]


def test_parcels_without_a_piece_of_their_own_are_named_in_the_reference(operator: Operator, order: Order) -> None:
    shipment = evolve(WHOLE, parcels=parcels("A", "B", "C"), lines=(of("P-101", 1),))
    receipt = plugin.push_shipment(operator.session, shipment, order, "erp-S-1")
    (made,) = operator.sandbox.state()["shipments"]
    assert made["shipment_lines"][0]["package_reference"] == "S-1 + B, C"
    assert "2 parcels more than pieces" in receipt.note


def test_reporting_twice_makes_one(operator: Operator, order: Order) -> None:
    first = plugin.push_shipment(operator.session, WHOLE, order, "erp-S-1")
    again = plugin.push_shipment(operator.session, WHOLE, order, "erp-S-1")
    assert again.external_id == first.external_id
    assert len(operator.asked("POST", "/shipments")) == 1


def test_a_shipment_without_a_number_is_known_by_its_reference(operator: Operator, order: Order) -> None:
    bare = Shipment(key="S-1", completes_order=True)
    plugin.push_shipment(operator.session, bare, order, "erp-S-1")
    plugin.push_shipment(operator.session, bare, order, "erp-S-1")
    assert len(operator.sandbox.state()["shipments"]) == 1


def test_after_a_lost_answer_the_shipment_is_found(operator: Operator, order: Order) -> None:
    operator.sandbox.fault("cut_after", method="POST", path="/api/shipments")
    with pytest.raises(OutcomeUnknownError):
        plugin.push_shipment(operator.session, WHOLE, order, "erp-S-1")
    assert len(plugin.find_shipment(operator.session, WHOLE, order, "erp-S-1")) == 1


def test_after_a_request_that_never_arrived_nothing_is_found(operator: Operator, order: Order) -> None:
    operator.sandbox.fault("cut_before", method="POST", path="/api/shipments")
    with pytest.raises(OutcomeUnknownError):
        plugin.push_shipment(operator.session, WHOLE, order, "erp-S-1")
    assert plugin.find_shipment(operator.session, WHOLE, order, "erp-S-1") == []


def test_of_a_shipment_that_is_there_in_part_only_the_rest_is_sent(operator: Operator, order: Order) -> None:
    shipment = evolve(WHOLE, parcels=parcels("A", "B"))
    operator.sandbox.fault("cut_before", method="POST", path="/api/shipments", skip=1)
    with pytest.raises(OutcomeUnknownError):
        plugin.push_shipment(operator.session, shipment, order, "erp-S-1")
    assert plugin.find_shipment(operator.session, shipment, order, "erp-S-1") == []
    plugin.push_shipment(operator.session, shipment, order, "erp-S-1")
    assert sent(operator) == [("A", {"P-100": 1}), ("B", {"P-100": 1, "P-101": 1})]


def test_a_refusal_inside_a_201_is_a_refusal(operator: Operator, order: Order) -> None:
    body = sample("st01-shipments.partial-success.response.json").decode()
    operator.sandbox.fault("status", method="POST", status=201, body=body)
    with pytest.raises(RecordError, match="must be 'SHIPPING'"):
        plugin.push_shipment(operator.session, WHOLE, order, "erp-S-1")


def test_more_than_was_ordered_is_refused_before_it_is_sent(operator: Operator, order: Order) -> None:
    with pytest.raises(RecordError, match="not so much of P-101"):
        plugin.push_shipment(operator.session, evolve(WHOLE, lines=(of("P-101", 2),)), order, "erp-S-1")


def test_what_was_shipped_by_hand_is_not_shipped_again(operator: Operator, order: Order) -> None:
    plugin.push_shipment(operator.session, evolve(WHOLE, lines=(of("P-100", 2),)), order, "erp-S-1")
    other = evolve(WHOLE, key="S-2", number="S-2", tracking_number="6A2")
    with pytest.raises(RecordError, match=r"shipped 4 times, but 2"):
        plugin.push_shipment(operator.session, other, order, "erp-S-2")


def test_two_shipments_in_one_parcel_are_two(operator: Operator, order: Order) -> None:
    for number, sku, quantity in (("S-1", "P-100", 2), ("S-2", "P-101", 1)):
        part = evolve(WHOLE, key=number, number=number, lines=(of(sku, quantity),))
        plugin.push_shipment(operator.session, part, order, f"erp-{number}")
    assert sent(operator) == [("6A1", {"P-100": 2}), ("6A1", {"P-101": 1})]


@pytest.mark.parametrize(("accepted", "words"), [(True, "is CANCELED"), (False, "from SHIPPING on")])
def test_an_order_that_takes_no_shipment_says_why(operator: Operator, accepted: bool, words: str) -> None:
    key = operator.sandbox.place_order(TWO, accepted=accepted)
    order = operator.orders()[0][0]
    if accepted:
        operator.sandbox.cancel(key)
    with pytest.raises(RecordError, match=words):
        plugin.push_shipment(operator.session, WHOLE, order, "erp-S-1")


def test_an_order_of_a_third_party_is_not_shipped_here(operator: Operator) -> None:
    order = ready(operator, fulfilment="FBM-01")
    with pytest.raises(RecordError, match="FBM-01"):
        plugin.push_shipment(operator.session, WHOLE, order, "erp-S-1")
    assert operator.asked("POST") == []


def test_amounts_and_quantities_of_shipments_are_exact() -> None:
    page = wire.SHIPMENTS.decode(sample("st11-shipments.response.json"))
    assert [line.quantity for each in page.data for line in each.shipment_lines or ()] == [1, 1, 1]


# -- carriers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("carrier", "name", "told"), [
    ("COLISSIMO", "", "COLISSIMO"), ("DHL", "", "dhl-express"), ("", "mondial relay", "MONDIALRELAY"),
    ("x", "DHL express", "dhl-express"),
])  # fmt: skip
def test_a_carrier_is_found_by_code_standard_code_or_label(
    operator: Operator, order: Order, carrier: str, name: str, told: str
) -> None:
    plugin.push_shipment(operator.session, evolve(WHOLE, carrier=carrier, carrier_name=name), order, "erp-S-1")
    assert operator.sandbox.state()["shipments"][0]["tracking"]["carrier_code"] == told


def test_another_carrier_is_named_with_its_tracking_address(operator: Operator, order: Order) -> None:
    own = evolve(WHOLE, carrier="COURSIER", carrier_name="Coursier Exemple", tracking_url="https://c.example/77")
    plugin.push_shipment(operator.session, own, order, "erp-S-1")
    tracking = operator.sandbox.state()["shipments"][0]["tracking"]
    assert (tracking["carrier_name"], tracking["tracking_url"]) == ("Coursier Exemple", "https://c.example/77")


def test_where_no_other_carrier_is_allowed_it_is_a_gap(operators: Callable[..., Operator]) -> None:
    operator = operators(alternative_carrier=False)
    with pytest.raises(RecordError) as caught:
        plugin.push_shipment(operator.session, evolve(WHOLE, carrier="COURSIER"), ready(operator), "erp-S-1")
    assert caught.value.gap is not None
    assert (caught.value.gap.kind, caught.value.gap.value) == ("carrier", "COURSIER")
    assert "COLISSIMO" in caught.value.hint


def test_the_default_carrier_serves_shipments_that_name_none(operators: Callable[..., Operator]) -> None:
    operator = operators(connect={"carrier": "AUTRE"})
    plugin.push_shipment(operator.session, evolve(WHOLE, carrier=""), ready(operator), "erp-S-1")
    assert operator.sandbox.state()["shipments"][0]["tracking"]["carrier_code"] == "AUTRE"


def test_carriers_are_asked_for_once_a_day(operator: Operator) -> None:
    for number in ("S-1", "S-2"):
        plugin.push_shipment(operator.session, evolve(WHOLE, key=number, number=number), ready(operator), number)
    assert len(operator.asked("GET", "/shipping/carriers")) == 1


# -- whole orders only -------------------------------------------------------------------------------


@pytest.fixture
def plain(operators: Callable[..., Operator]) -> Operator:
    """An operator without several shipments an order."""
    return operators(multi_shipment=False)


PART_1 = evolve(WHOLE, lines=(of("P-100", 2),), completes_order=False)
PART_2 = evolve(WHOLE, key="S-2", number="S-2", tracking_number="6A2", lines=(of("P-101", 1),), completes_order=False)


def test_a_whole_order_gets_its_number_and_is_shipped(plain: Operator) -> None:
    order = ready(plain)
    receipt = plugin.push_shipment(plain.session, WHOLE, order, "erp-S-1")
    stored = plain.stored(order.key)
    assert (stored["order_state"], stored["shipping_tracking"]) == ("SHIPPED", "6A1")
    assert (receipt.status, receipt.note) == ("SHIPPED", "")


def test_a_part_is_held_in_a_sentence(plain: Operator) -> None:
    order = ready(plain)
    with pytest.raises(RecordError, match="whole orders only"):
        plugin.push_shipment(plain.session, PART_1, order, "erp-S-1")
    assert plain.stored(order.key)["order_state"] == "SHIPPING"


def test_the_part_that_completes_the_order_ships_it_and_the_held_one_is_done(plain: Operator) -> None:
    order = ready(plain)
    with pytest.raises(RecordError):
        plugin.push_shipment(plain.session, PART_1, order, "erp-S-1")
    receipt = plugin.push_shipment(plain.session, PART_2, order, "erp-S-2")
    held = plugin.push_shipment(plain.session, PART_1, order, "erp-S-1")
    assert plain.stored(order.key)["shipping_tracking"] == "6A2"
    assert "not sent: 6A1" in receipt.note
    assert held.status == "SHIPPED"


def test_the_word_that_an_order_is_complete_is_believed(plain: Operator) -> None:
    order = ready(plain)
    plugin.push_shipment(plain.session, evolve(PART_2, completes_order=True), order, "erp-S-2")
    assert plain.stored(order.key)["order_state"] == "SHIPPED"


def test_of_several_parcels_the_first_number_is_sent(plain: Operator) -> None:
    order = ready(plain)
    receipt = plugin.push_shipment(plain.session, evolve(WHOLE, parcels=parcels("A", "B")), order, "erp-S-1")
    assert plain.stored(order.key)["shipping_tracking"] == "A"
    assert "not sent: B" in receipt.note


@pytest.mark.parametrize("step", ["/tracking", "/ship"])
def test_a_lost_answer_is_cleared_up_by_the_orders_state(plain: Operator, step: str) -> None:
    order = ready(plain)
    plain.sandbox.fault("cut_after", method="PUT", path=step)
    receipt = plugin.push_shipment(plain.session, WHOLE, order, "erp-S-1")
    assert (plain.stored(order.key)["order_state"], receipt.status) == ("SHIPPED", "SHIPPED")
    assert len(plugin.find_shipment(plain.session, WHOLE, order, "erp-S-1")) == 1


def test_an_unknown_outcome_of_a_whole_order_is_told_by_its_state(plain: Operator) -> None:
    assert plugin.find_shipment(plain.session, WHOLE, ready(plain), "erp-S-1") == []


def test_a_feature_that_turns_out_to_be_off_is_remembered(operator: Operator) -> None:
    first, second = ready(operator), ready(operator)
    body = msgspec.json.encode({"status": 404, "message": "Multi-shipment is not enabled"}).decode()
    operator.sandbox.fault("status", method="POST", path="/api/shipments", status=404, body=body)
    plugin.push_shipment(operator.session, WHOLE, first, "erp-S-1")
    plugin.push_shipment(operator.session, WHOLE, second, "erp-S-2")
    assert [operator.stored(each.key)["order_state"] for each in (first, second)] == ["SHIPPED", "SHIPPED"]
    assert len(operator.asked("POST", "/api/shipments")) == 1
