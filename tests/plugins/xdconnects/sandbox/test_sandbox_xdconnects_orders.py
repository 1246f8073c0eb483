"""Orders in the sandbox: who may send them, what is refused and how, what they cost, what they take."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sandbox_kit import FrozenClock
from xdconnects_sandbox_kit import codes, order, placed, sample, serving

from crossdock_xdconnects.sandbox import XdSandbox, create

LASER = {
    "printCode": "Demo Laser 1",
    "printPosition": "item front",
    "printPositionCode": "A1",
    "widthMM": 38,
    "heightMM": 20,
    "nrOfColors": 1,
    "artworkUrl": "https://files.example/logo.pdf",
}
PAD = LASER | {"printCode": "Demo Pad", "printPosition": "item back", "printPositionCode": "A2", "widthMM": 25}
FREIGHT = Decimal("12.50")


def totals(client: httpx.Client, body: dict[str, Any]) -> dict[str, Decimal]:
    answer = client.post("orders", json=body)
    told: dict[str, Decimal] = json.loads(answer.content, parse_float=Decimal)["totals"]
    return told


@pytest.mark.parametrize("name", ["blank", "print", "sample"])
def test_an_order_like_the_sample_is_taken(api: httpx.Client, name: str) -> None:
    body = order(name)
    if name == "sample":
        del body["order"]["requestedDeliveryDate"]  # the item arrives later
    assert placed(api, body)["orderNumber"] == "SO990001"


def test_an_answer_has_the_fields_of_the_sample(api: httpx.Client) -> None:
    body = order("print")
    body["order"]["requestedDeliveryDate"] = "2026-09-16"
    told, expected = placed(api, body), sample("order-accepted.response.json")
    assert [*told] == [*expected]
    for name in ("messages", "lines"):
        assert told[name][0].keys() == expected[name][0].keys()
    assert {name: type(value) for name, value in told["totals"].items()} == dict.fromkeys(expected["totals"], float)


def test_money_is_written_as_numbers_with_two_decimals(api: httpx.Client) -> None:
    assert b'"items":465.00,' in api.post("orders", json=order()).content


@pytest.mark.parametrize(
    "headers",
    [{"Authorization": "Bearer wrong"}, {"Authorization": "sandbox-api-token"}, {"X-Security-Code": "wrong"}],
)
def test_a_wrong_token_or_code_is_a_401(twin: XdSandbox, api: httpx.Client, headers: dict[str, str]) -> None:
    answers = [api.post("orders", json=order(), headers=headers), api.get("orders/SO990001", headers=headers)]
    assert [each.status_code for each in answers] == [401, 401]
    assert twin.state()["orders"] == []


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"{}", "application/json", 400),
        (b'{"order": {}, "customer": {}}', "application/json", 400),
        (b"{}", "text/plain", 415),
    ],
)
def test_a_body_that_is_no_order_is_refused(api: httpx.Client, content: bytes, kind: str, status: int) -> None:
    answer = api.post("orders", content=content, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["status"]) == (status, "rejected")


def test_a_repeated_reference_is_the_409_of_the_sample(twin: XdSandbox, api: httpx.Client) -> None:
    placed(api, order("print"))
    answer = api.post("orders", json=order("print", quantity=60))
    assert answer.status_code == 409
    assert answer.json() == sample("order-duplicate.409.response.json")
    assert len(twin.state()["orders"]) == 1


def test_a_repeated_idempotency_key_is_a_409(api: httpx.Client) -> None:
    again = order()
    again["order"]["reference"] = "DR-2026-0009"
    statuses = [
        api.post("orders", json=each, headers={"Idempotency-Key": "k"}).status_code for each in (order(), again)
    ]
    assert statuses == [200, 409]


def test_without_the_check_a_repeated_order_is_made_twice() -> None:
    with serving(twin := create(duplicate_check=False)) as client:
        numbers = [placed(client, order())["orderNumber"] for _ in range(2)]
        found = client.get("orders", params={"reference": "DR-2026-0001"}).json()
    assert numbers == ["SO990001", "SO990002"]
    assert found["orderNumber"] == "SO990001"
    assert len(twin.state()["orders"]) == 2


def test_a_refused_reference_may_be_used_again(api: httpx.Client) -> None:
    codes(api, order(itemCode="NOPE"))
    placed(api, order())


def test_a_refusal_inside_200_is_that_of_the_sample(api: httpx.Client) -> None:
    body = order("print", itemCode="P990.005")
    body["order"]["lines"][0]["prints"].pop()
    assert api.post("orders", json=body).json() == sample("order-rejected-inside-200.response.json")


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"itemCode": "P990.002"}, "UNKNOWN_ITEM", "itemCode"),
        ({"quantity": 0}, "QUANTITY_INVALID", "quantity"),
        ({"quantity": "50"}, "QUANTITY_INVALID", "quantity"),
        ({"quantity": 1.5}, "QUANTITY_INVALID", "quantity"),
        ({"itemCode": "P993.001", "quantity": 49}, "BELOW_MOQ", "quantity"),
        ({"itemCode": "P990.003", "quantity": 241}, "INSUFFICIENT_STOCK", "itemCode"),
        ({"lineNumber": None}, "LINE_NUMBER_INVALID", "lineNumber"),
        ({"prints": [LASER]}, "BLANK_PRINT_MIXED", "prints"),
    ],
)
def test_a_line_is_refused(api: httpx.Client, changes: dict[str, Any], code: str, field: str) -> None:
    assert codes(api, order(**changes)) == [(code, f"lines[0].{field}")]


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"printCode": "Demo Transfer OS"}, "PRINT_CODE_NOT_ALLOWED", "printCode"),
        ({"printPosition": "lid"}, "PRINT_POSITION_UNKNOWN", "printPosition"),
        ({"printPositionCode": "A2"}, "PRINT_POSITION_UNKNOWN", "printPosition"),
        ({"widthMM": 41}, "PRINT_SIZE_EXCEEDED", "widthMM"),
        ({"heightMM": 61}, "PRINT_SIZE_EXCEEDED", "heightMM"),
        ({"widthMM": None}, "PRINT_SIZE_INVALID", "widthMM"),
        ({"nrOfColors": 2}, "TOO_MANY_COLORS", "nrOfColors"),
        ({"nrOfColors": None}, "COLORS_INVALID", "nrOfColors"),
        ({"pmsColors": ["PMS 1", "PMS 2"]}, "PMS_COUNT", "pmsColors"),
        ({"pmsColors": "PMS 1"}, "PMS_INVALID", "pmsColors"),
        ({"fullColor": True}, "FULL_COLOR_NOT_ALLOWED", "fullColor"),
        ({"artworkUrl": ""}, "ARTWORK_MISSING", "artworkUrl"),
    ],
)
def test_a_print_is_refused(api: httpx.Client, changes: dict[str, Any], code: str, field: str) -> None:
    assert codes(api, order("print", prints=[LASER | changes])) == [(code, f"lines[0].prints[0].{field}")]


def test_where_ink_is_mixed_the_colours_are_named(api: httpx.Client) -> None:
    assert codes(api, order("print", prints=[PAD])) == [("PMS_COUNT", "lines[0].prints[0].pmsColors")]
    placed(api, order("print", prints=[PAD | {"pmsColors": ["PMS 186 C"]}]))


def test_a_position_is_named_by_its_code_or_its_name(api: httpx.Client) -> None:
    for index, left_out in enumerate(("printPosition", "printPositionCode")):
        body = order("print", prints=[{name: value for name, value in LASER.items() if name != left_out}])
        body["order"]["reference"] = f"DR-{index}"
        placed(api, body)


def test_a_position_is_printed_once(api: httpx.Client) -> None:
    assert {code for code, _ in codes(api, order("print", prints=[LASER, LASER]))} == {"PRINT_POSITION_TWICE"}


def test_a_repeat_needs_no_artwork(api: httpx.Client) -> None:
    placed(api, order("print", prints=[LASER | {"artworkUrl": "", "repeatOfOrder": "SO900000"}]))


def test_a_print_order_has_no_blank_line(api: httpx.Client) -> None:
    body = order("print")
    body["order"]["lines"].append({"lineNumber": 2, "itemCode": "990001", "quantity": 1})
    assert codes(api, body) == [("BLANK_PRINT_MIXED", "lines[1].prints")]


def test_printing_has_a_smallest_quantity_of_its_own(api: httpx.Client) -> None:
    sleeve = LASER | {"printCode": "Demo Digital FC", "printPosition": "left sleeve", "printPositionCode": "B3"}
    body = order("print", itemCode="T9900.002.M", quantity=49, prints=[sleeve | {"fullColor": True}])
    assert codes(api, body) == [("BELOW_PRINT_MOQ", "lines[0].prints[0].printCode")]


def test_a_sample_has_five_pieces_and_no_smallest_quantity(api: httpx.Client) -> None:
    assert codes(api, order("sample", itemCode="P990.001", quantity=6)) == [("SAMPLE_TOO_LARGE", "lines[0].quantity")]
    placed(api, order("sample", itemCode="P993.001", quantity=1))


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        (lambda body: body["order"].update(currency="DKK"), "CURRENCY_MISMATCH", "currency"),
        (lambda body: body["order"].update(orderType="printed"), "ORDER_TYPE_UNKNOWN", "orderType"),
        (lambda body: body["order"].update(lines=[]), "LINES_MISSING", "lines"),
        (
            lambda body: body["order"].update(requestedDeliveryDate="2/10/2026"),
            "DATE_INVALID",
            "requestedDeliveryDate",
        ),
        (
            lambda body: body["order"]["shippingAddress"].update(city=" "),
            "ADDRESS_INCOMPLETE",
            "shippingAddress.city",
        ),
        (
            lambda body: body["order"]["shippingAddress"].update(countryCode="Danmark"),
            "COUNTRY_INVALID",
            "shippingAddress.countryCode",
        ),
        (lambda body: body["customer"].update(accountNumber="C00001"), "ACCOUNT_UNKNOWN", "customer"),
    ],
)
def test_an_order_is_refused(
    api: httpx.Client, change: Callable[[dict[str, Any]], None], code: str, field: str
) -> None:
    body = order()
    change(body)
    assert codes(api, body) == [(code, field)]


def test_an_item_is_not_sold_everywhere(api: httpx.Client) -> None:
    body = order(itemCode="P992.010")
    body["order"]["shippingAddress"]["countryCode"] = "NO"
    assert codes(api, body) == [("COUNTRY_RESTRICTED", "lines[0].itemCode")]


def test_every_reason_is_told_at_once(api: httpx.Client) -> None:
    body = order(quantity=0)
    body["order"]["currency"] = "DKK"
    body["order"]["lines"].append({"lineNumber": 1, "itemCode": "NOPE", "quantity": 1})
    assert [code for code, _ in codes(api, body)] == [
        "CURRENCY_MISMATCH", "LINE_NUMBER_INVALID", "QUANTITY_INVALID", "LINE_NUMBER_INVALID", "UNKNOWN_ITEM",
    ]  # fmt: skip


def test_codes_are_found_in_any_case(api: httpx.Client) -> None:
    placed(api, order("print", itemCode="p990.001", prints=[LASER | {"printCode": "demo laser 1"}]))


def test_items_are_priced_by_tier(api: httpx.Client) -> None:
    assert totals(api, order(quantity=249))["items"] == 249 * Decimal("9.00")


def test_a_blank_order_costs_items_and_freight(api: httpx.Client) -> None:
    told = totals(api, order(quantity=10))
    assert (told["net"], told["vat"], told["gross"]) == (99 + FREIGHT, 0, 99 + FREIGHT)


def test_print_costs_set_up_and_each_piece_at_its_tier(api: httpx.Client) -> None:
    told = totals(api, order("print"))  # 100 pieces: laser flat, pad in two colours
    assert told["setup"] == 30 + 80
    assert told["print"] == 100 * (Decimal("0.86") + Decimal("0.77"))
    assert told["smallOrder"] == 0
    assert told["net"] == 100 * Decimal("9.00") + told["print"] + told["setup"] + FREIGHT


@pytest.mark.parametrize(("quantity", "charge"), [(49, 15), (50, 0)])
def test_a_small_print_order_costs_a_charge(api: httpx.Client, quantity: int, charge: int) -> None:
    body = order("print", quantity=quantity, prints=[PAD | {"pmsColors": ["PMS 186 C"]}])
    assert totals(api, body)["smallOrder"] == charge


@pytest.mark.parametrize(("width", "price"), [(49, "1.03"), (50, "1.55"), (119, "1.55"), (120, "2.24"), (280, "2.24")])
def test_area_prices_have_their_limits_in_the_higher_range(api: httpx.Client, width: int, price: str) -> None:
    chest = LASER | {"printCode": "Demo Transfer OS", "printPosition": "chest", "printPositionCode": "B1"}
    prints = [chest | {"widthMM": width, "heightMM": 50, "nrOfColors": 1}]
    body = order("print", itemCode="T9900.002.M", quantity=100, prints=prints)
    assert totals(api, body)["print"] == 100 * Decimal(price)


def test_a_printed_sample_costs_the_sample_price_of_each_print(api: httpx.Client) -> None:
    body = order("sample", itemCode="P990.001", prints=[LASER])
    told = totals(api, body)
    assert (told["items"], told["print"], told["setup"]) == (Decimal("9.90"), 30, 0)


def test_another_price_is_a_warning_and_the_own_price_counts(api: httpx.Client) -> None:
    told = placed(api, order(expectedUnitPriceNet=9.0))
    assert [each["code"] for each in told["messages"]] == ["PRICE_DIFFERS"]
    assert told["messages"][0]["severity"] == "warning"
    assert told["totals"]["items"] == 465.0


def test_the_right_price_is_no_warning(api: httpx.Client) -> None:
    assert placed(api, order(expectedUnitPriceNet=9.3))["messages"] == []


@pytest.mark.parametrize(("name", "day"), [("blank", "2026-09-16"), ("print", "2026-09-22")])
def test_goods_leave_after_so_many_working_days(api: httpx.Client, name: str, day: str) -> None:
    assert placed(api, order(name))["lines"][0]["expectedShipDate"] == day


def test_a_date_too_early_is_moved_with_a_warning(api: httpx.Client) -> None:
    body = order("print")
    body["order"]["requestedDeliveryDate"] = "2026-09-18"
    assert placed(api, body)["messages"] == [
        {
            "severity": "warning",
            "code": "DATE_MOVED",
            "text": "Requested date moved to 2026-09-22",
            "field": "requestedDeliveryDate",
        }
    ]


def test_an_order_takes_its_pieces_at_once_and_what_arrives_later(twin: XdSandbox, api: httpx.Client) -> None:
    body = order(quantity=1000)
    body["order"]["requestedDeliveryDate"] = "2026-10-05"
    told = placed(api, body)
    state = twin.state()
    assert state["stock"]["P990.001"] == 0
    assert state["arrivals"]["P990.001"][0]["quantity"] == 2016 - 188
    assert told["lines"][0]["expectedShipDate"] == "2026-10-05"


def test_what_arrives_after_the_requested_date_does_not_count(api: httpx.Client) -> None:
    body = order(quantity=1000)
    body["order"]["requestedDeliveryDate"] = "2026-10-04"
    assert codes(api, body) == [("INSUFFICIENT_STOCK", "lines[0].itemCode")]


def test_two_lines_share_one_stock(api: httpx.Client) -> None:
    body = order(itemCode="P990.003", quantity=150)
    body["order"]["lines"].append({"lineNumber": 2, "itemCode": "P990.003", "quantity": 91})
    assert codes(api, body) == [("INSUFFICIENT_STOCK", "lines[1].itemCode")]


def test_an_order_can_be_asked_for_by_number_and_reference(api: httpx.Client) -> None:
    receipt = placed(api, order())
    by_number = api.get("orders/SO990001").json()
    assert by_number == api.get("orders", params={"reference": "DR-2026-0001"}).json()
    assert {name: by_number[name] for name in receipt if name != "lines"} == {
        name: value for name, value in receipt.items() if name != "lines"
    }


def test_an_unknown_order_is_a_404(api: httpx.Client) -> None:
    asked = [api.get("orders/SO1"), api.get("orders", params={"reference": "x"}), api.get("orders")]
    assert [each.status_code for each in asked] == [404, 404, 404]


def test_without_a_status_call_orders_can_not_be_asked_for() -> None:
    with serving(create(status_call=False)) as client:
        placed(client, order())
        asked = [client.get("orders/SO990001"), client.get("orders", params={"reference": "DR-2026-0001"})]
    assert [each.status_code for each in asked] == [404, 404]


def test_the_state_keeps_what_was_sent(twin: XdSandbox, api: httpx.Client) -> None:
    body = order("print")
    api.post("orders", json=body, headers={"Idempotency-Key": "DR-2026-0002"})
    kept = twin.state()["orders"][0]
    assert (kept["order"], kept["customer"]) == (body["order"], body["customer"])
    assert (kept["idempotencyKey"], kept["totals"]["items"]) == ("DR-2026-0002", "900.00")


def test_calls_are_counted_by_operation(twin: XdSandbox, api: httpx.Client) -> None:
    api.post("orders", json=order())
    api.get("orders/SO990001")
    api.get("orders", params={"reference": "x"})
    assert twin.state()["calls"] == {"create_order": 1, "get_order": 1, "find_order": 1}


def test_the_date_header_follows_the_clock(api: httpx.Client, supplier_clock: FrozenClock) -> None:
    supplier_clock.advance(60)
    assert api.get("orders/SO1").headers["date"] == "Tue, 15 Sep 2026 06:21:30 GMT"


@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [("logo.pdf", 200, "application/pdf"), ("logo.svg", 200, "image/svg+xml"), ("missing.pdf", 404, "text/plain")],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_artwork_can_be_had(twin: XdSandbox, api: httpx.Client, method: str, name: str, status: int, kind: str) -> None:
    answer = api.request(method, f"{twin.base_url}/artwork/{name}")
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (status, kind)
