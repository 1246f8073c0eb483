"""What shops and operators do to orders in the Mirakl sandbox: accept, ship, cancel, give money back."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from mirakl_sandbox_kit import sample, served

from crossdock_mirakl.sandbox import MiraklSandbox

ORDERS = "/api/orders"
LINES = [{"sku": "P-100", "quantity": 2, "price": "19.50"}, {"sku": "P-101", "quantity": 1, "price": "39.90"}]


pytestmark = pytest.mark.usefixtures("switchboard")


def decide(api: httpx.Client, order: str, *accepted: bool) -> httpx.Response:
    rows = [{"id": f"{order}-{index}", "accepted": each} for index, each in enumerate(accepted, 1)]
    return api.put(f"{ORDERS}/{order}/accept", json={"order_lines": rows})


def read(api: httpx.Client, order: str) -> dict[str, Any]:
    found: dict[str, Any] = api.get(ORDERS, params={"order_ids": order}).json()["orders"][0]
    return found


def code(answer: httpx.Response) -> str:
    return str(answer.json()["errors"][0]["code"])


# Accepting, with OR21


def test_an_accepted_order_is_debited_and_to_be_shipped(api: httpx.Client, twin: MiraklSandbox) -> None:
    order = twin.place_order(LINES)
    answer = decide(api, order, True, True)
    assert (answer.status_code, answer.content) == (204, b"")
    assert twin.state()["orders"][0]["history"] == ["WAITING_ACCEPTANCE", "WAITING_DEBIT_PAYMENT", "SHIPPING"]


def test_the_money_can_be_waited_for() -> None:
    with served(automatic_debit=False) as (twin, api):
        order = twin.place_order(LINES)
        decide(api, order, True, True)
        waiting = read(api, order)
        assert (waiting["order_state"], waiting["customer_debited_date"]) == ("WAITING_DEBIT_PAYMENT", None)
        assert twin.debit(order) == "SHIPPING"
        assert read(api, order)["customer"]["shipping_address"]["city"] == "Toulouse"


def test_refused_and_accepted_lines_mix_in_one_order(api: httpx.Client, twin: MiraklSandbox) -> None:
    order = twin.place_order(LINES)
    decide(api, order, True, False)
    found = read(api, order)
    assert found["order_state"] == "SHIPPING"
    assert [each["order_line_state"] for each in found["order_lines"]] == ["SHIPPING", "REFUSED"]
    assert twin.state()["orders"][0]["accepted"] is True


def test_an_order_without_an_accepted_line_is_refused(api: httpx.Client, twin: MiraklSandbox) -> None:
    order = twin.place_order(LINES)
    decide(api, order, False, False)
    assert read(api, order)["order_state"] == "REFUSED"
    assert twin.state()["orders"][0]["accepted"] is False


def test_accepting_twice_is_an_invalid_state(api: httpx.Client, twin: MiraklSandbox) -> None:
    order = twin.place_order(LINES)
    decide(api, order, True, True)
    answer = decide(api, order, True, True)
    assert (answer.status_code, code(answer)) == (400, "ORDER_INVALID_STATE")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("1", True)], "ORDER_LINE_ACCEPTANCE_DECISION_MISSING"),
        ([("1", True), ("1", True), ("2", True)], "ORDER_LINE_DUPLICATE_ID"),
        ([("1", True), ("2", True), ("3", True)], "ORDER_LINE_NOT_FOUND"),
        ([("1", True), None], "ORDER_LINE_NULL_ELEMENT"),
        ([("1", "yes"), ("2", True)], "VALIDATION_ERROR"),
        ([], "VALIDATION_ERROR"),
    ],
)
def test_a_decision_that_is_not_whole_changes_nothing(
    api: httpx.Client, twin: MiraklSandbox, rows: list[Any], expected: str
) -> None:
    order = twin.place_order(LINES)
    body = [None if each is None else {"id": f"{order}-{each[0]}", "accepted": each[1]} for each in rows]
    answer = api.put(f"{ORDERS}/{order}/accept", json={"order_lines": body})
    assert code(answer) == expected
    assert read(api, order)["order_state"] == "WAITING_ACCEPTANCE"


def test_an_order_that_does_not_exist(api: httpx.Client) -> None:
    answer = decide(api, "0-A", True)
    assert (answer.status_code, code(answer)) == (404, "ORDER_NOT_FOUND")


def test_what_somebody_else_fulfils_is_not_for_the_shop_to_accept(api: httpx.Client, twin: MiraklSandbox) -> None:
    order = twin.place_order(LINES, fulfilment="OPERATOR-1")
    assert code(decide(api, order, True, True)) == "ORDER_FULFILLED_UNAUTHORIZED"


def test_operators_may_want_all_or_nothing() -> None:
    with served(partial_acceptance=False) as (twin, api):
        order = twin.place_order(LINES)
        assert code(decide(api, order, True, False)) == "ORDER_PARTIAL_ACCEPTANCE_DISABLED"
        assert decide(api, order, False, False).status_code == 204


def test_without_acceptance_orders_are_to_be_shipped_at_once() -> None:
    with served(acceptance=False) as (twin, api):
        found = read(api, twin.place_order(LINES))
        assert (found["order_state"], found["acceptance_decision_date"]) == ("SHIPPING", None)
        assert found["can_shop_ship"] is True


def test_a_staging_order_waits_for_the_operator(api: httpx.Client, twin: MiraklSandbox) -> None:
    order = twin.place_order(LINES, staging=True)
    assert read(api, order)["order_state"] == "STAGING"
    assert code(decide(api, order, True, True)) == "ORDER_INVALID_STATE"
    assert twin.release(order) == "WAITING_ACCEPTANCE"


def test_an_order_paid_on_shipment_is_shipped_before_the_money_comes() -> None:
    with served(workflow="PAY_ON_SHIPMENT") as (twin, api):
        order = twin.place_order(LINES, accepted=True)
        shipping = read(api, order)
        api.put(f"{ORDERS}/{order}/ship")
        assert (shipping["order_state"], shipping["customer_debited_date"]) == ("SHIPPING", None)
        assert read(api, order)["customer_debited_date"] is not None


# Shipping the whole order with OR23 and OR24, own numbers with OR04


def test_a_registered_carrier_brings_its_name_and_address(api: httpx.Client, twin: MiraklSandbox) -> None:
    order = twin.place_order(LINES, accepted=True)
    body = sample("or23-tracking.registered.request.json") | {"carrier_url": "https://ignored.example.test"}
    assert api.put(f"{ORDERS}/{order}/tracking", json=body).status_code == 204
    found = read(api, order)
    assert (found["shipping_carrier_code"], found["shipping_company"]) == ("COLISSIMO", "Colissimo")
    assert found["shipping_tracking_url"] == "https://tracking.example.test/colissimo?n=6A00000000001"


def test_an_unregistered_carrier_is_named(api: httpx.Client, twin: MiraklSandbox) -> None:
    order = twin.place_order(LINES, accepted=True)
    api.put(f"{ORDERS}/{order}/tracking", json=sample("or23-tracking.unregistered.request.json"))
    found = read(api, order)
    assert (found["shipping_carrier_code"], found["shipping_company"]) == (None, "Coursier Exemple")
    assert found["shipping_tracking_url"] == "https://tracking.example.test/?n=77"


@pytest.mark.parametrize(
    "body", [{"carrier_code": "NOPE"}, {"carrier_code": "MONDIALRELAY"}, {"tracking_number": "1"}, {}]
)
def test_tracking_without_a_proper_carrier_is_refused(
    api: httpx.Client, twin: MiraklSandbox, body: dict[str, str]
) -> None:
    order = twin.place_order(LINES, accepted=True)
    assert api.put(f"{ORDERS}/{order}/tracking", json=body).status_code == 400


def test_shipping_twice_is_a_400_that_says_nothing(api: httpx.Client, twin: MiraklSandbox) -> None:
    order = twin.place_order(LINES, accepted=True)
    first, second = (api.put(f"{ORDERS}/{order}/ship") for _ in range(2))
    assert first.status_code == 204
    assert (second.status_code, second.json()) == (400, {"status": 400, "message": "Bad Request"})


def test_an_order_that_was_not_accepted_cannot_be_shipped(api: httpx.Client, twin: MiraklSandbox) -> None:
    assert api.put(f"{ORDERS}/{twin.place_order(LINES)}/ship").status_code == 400


def test_own_numbers_are_set_and_unknown_orders_are_errors_of_their_own(api: httpx.Client, twin: MiraklSandbox) -> None:
    order = twin.place_order(LINES)
    rows = [{"order_id": each, "references": {"order_reference_for_seller": "ERP-1"}} for each in (order, "0-A")]
    known, unknown = api.put(ORDERS, json={"orders": rows}).json()["updated_orders"]
    assert known["updated"] == {"references": {"order_reference_for_seller": "ERP-1"}}
    assert unknown["errors"][0]["code"] == "ORDER_NOT_FOUND"
    assert twin.state()["orders"][0]["seller_reference"] == "ERP-1"


def test_own_numbers_are_set_for_100_orders_at_most(api: httpx.Client) -> None:
    assert api.put(ORDERS, json={"orders": [{"order_id": "0-A"}] * 101}).status_code == 400


def test_a_body_must_be_json(api: httpx.Client) -> None:
    assert api.put(ORDERS, content=b"{", headers={"Content-Type": "application/json"}).status_code == 400
    assert api.put(ORDERS, content=b"{}", headers={"Content-Type": "text/plain"}).status_code == 415


# Cancelling, with OR29 and OR30


def cancelation(order: str, line: int, **more: Any) -> dict[str, Any]:
    row = sample("or30-cancel.request.json")["cancelations"][0]
    return {"cancelations": [row | {"order_line_id": f"{order}-{line}"} | more]}


def test_a_whole_order_is_cancelled_until_something_was_shipped(api: httpx.Client, twin: MiraklSandbox) -> None:
    early, late = (twin.place_order(LINES, accepted=True) for _ in range(2))
    api.put(f"{ORDERS}/{late}/ship")
    assert [api.put(f"{ORDERS}/{each}/cancel").status_code for each in (early, late)] == [204, 400]
    assert read(api, early)["order_state"] == "CANCELED"


def test_a_cancelled_line_leaves_the_others(api: httpx.Client, twin: MiraklSandbox) -> None:
    order = twin.place_order(LINES, accepted=True)
    answer = api.put(f"{ORDERS}/cancel", json=cancelation(order, 2)).json()
    found = read(api, order)
    assert answer["cancelations"][0]["cancelation_id"] == found["order_lines"][1]["cancelations"][0]["id"]
    assert (found["order_state"], found["price"]) == ("SHIPPING", 39.0)
    assert found["order_lines"][1]["order_line_state"] == "CANCELED"


def test_some_pieces_of_a_line_can_be_cancelled(api: httpx.Client, twin: MiraklSandbox) -> None:
    order = twin.place_order(LINES, accepted=True)
    body = cancelation(order, 1, quantity=1, amount=19.5, taxes=[{"code": "TVA20", "amount": 3.25}])
    assert api.put(f"{ORDERS}/cancel", json=body).status_code == 200
    line = read(api, order)["order_lines"][0]
    assert (line["order_line_state"], line["quantity"], line["price"]) == ("SHIPPING", 1, 19.5)


def test_an_order_of_which_all_lines_are_cancelled_is_cancelled(api: httpx.Client, twin: MiraklSandbox) -> None:
    order = twin.place_order(LINES[1:], accepted=True)
    api.put(f"{ORDERS}/cancel", json=cancelation(order, 1))
    assert read(api, order)["order_state"] == "CANCELED"


@pytest.mark.parametrize(
    "more", [{"quantity": 2}, {"amount": 40}, {"reason_code": "15"}, {"reason_code": "?"}, {"taxes": []}]
)
def test_a_cancelation_that_does_not_fit_is_refused(
    api: httpx.Client, twin: MiraklSandbox, more: dict[str, Any]
) -> None:
    order = twin.place_order(LINES, accepted=True)
    assert api.put(f"{ORDERS}/cancel", json=cancelation(order, 2, **more)).status_code == 400


# Giving money back, with OR28


def refund(order: str, **more: Any) -> dict[str, Any]:
    body = sample("or28-refund.request.json")
    body["refunds"][0] |= {"order_line_id": f"{order}-1"} | more
    return dict(body)


@pytest.fixture
def shipped(api: httpx.Client, twin: MiraklSandbox) -> str:
    order = twin.place_order(LINES, accepted=True)
    api.put(f"{ORDERS}/{order}/ship")
    return order


def test_a_refund_is_on_the_line_and_waits_for_payment(api: httpx.Client, shipped: str) -> None:
    given = api.put(f"{ORDERS}/refund", json=refund(shipped)).json()["refunds"][0]
    (found,) = read(api, shipped)["order_lines"][0]["refunds"]
    assert (found["id"], found["order_refund_id"]) == (given["refund_id"], given["order_refund_id"])
    assert (found["amount"], found["refund_state"]) == (19.5, "WAITING_REFUND_PAYMENT")


def test_no_more_is_given_back_than_was_paid(api: httpx.Client, shipped: str) -> None:
    answers = [api.put(f"{ORDERS}/refund", json=refund(shipped)).status_code for _ in range(3)]
    assert answers == [200, 200, 400]


def test_an_order_is_fully_refunded_once_every_line_is(api: httpx.Client, twin: MiraklSandbox, shipped: str) -> None:
    twin.refund_line(shipped, f"{shipped}-1", "39.00")
    before = read(api, shipped)["fully_refunded"]
    twin.refund_line(shipped, f"{shipped}-2", "39.90")
    assert (before, read(api, shipped)["fully_refunded"]) == (False, True)


@pytest.mark.parametrize(
    "more",
    [
        {"amount": 0},
        {"amount": -1},
        {"amount": "19.50"},
        {"reason_code": "34"},
        {"reason_code": "21"},
        {"taxes": []},
        {"taxes": [{"code": "OTHER", "amount": 1}]},
        {"currency_iso_code": "USD"},
        {"shipping_amount": 5},
    ],
)
def test_a_refund_that_does_not_fit_is_refused(api: httpx.Client, shipped: str, more: dict[str, Any]) -> None:
    assert api.put(f"{ORDERS}/refund", json=refund(shipped, **more)).status_code == 400
    assert read(api, shipped)["order_lines"][0]["refunds"] == []


@pytest.mark.parametrize(("allowed", "status"), [(False, 400), (True, 200)])
def test_only_some_operators_refund_before_shipping(allowed: bool, status: int) -> None:
    with served(refund_while_shipping=allowed) as (twin, api):
        order = twin.place_order(LINES, accepted=True)
        assert api.put(f"{ORDERS}/refund", json=refund(order)).status_code == status


# What happens by itself


def test_operators_cancel_and_buyers_receive(api: httpx.Client, twin: MiraklSandbox, shipped: str) -> None:
    other = twin.place_order(LINES)
    assert twin.cancel(other) == "CANCELED"
    assert twin.receive(shipped) == "RECEIVED"
    assert read(api, shipped)["order_lines"][0]["received_date"] is not None


@pytest.mark.parametrize("action", ["receive", "release", "debit", "touch"])
def test_what_cannot_happen_is_told(twin: MiraklSandbox, action: str) -> None:
    with pytest.raises(ValueError, match="order 0-A"):
        getattr(twin, action)("0-A")


@pytest.mark.parametrize("action", ["receive", "release", "debit", "accept"])
def test_what_cannot_happen_in_this_state_is_told(twin: MiraklSandbox, action: str) -> None:
    order = twin.place_order(LINES)
    twin.cancel(order)
    with pytest.raises(ValueError, match="CANCELED"):
        getattr(twin, action)(order)
