"""Reading orders in the Mirakl sandbox: pages, windows of dates, filters, money and dates as the vendor writes them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest
from mirakl_sandbox_kit import served

from crossdock_mirakl.sandbox import MiraklSandbox

ORDERS = "/api/orders"
LINE = [{"sku": "P-100", "quantity": 1, "price": "39.90"}]


pytestmark = pytest.mark.usefixtures("switchboard")


def ids(answer: httpx.Response) -> list[str]:
    return [each["order_id"] for each in answer.json()["orders"]]


def only(api: httpx.Client, **params: Any) -> dict[str, Any]:
    (found,) = msgspec.json.Decoder(float_hook=Decimal).decode(api.get(ORDERS, params=params).content)["orders"]
    return dict(found)


def apart(twin: MiraklSandbox, count: int, seconds: float = 60, **order: Any) -> list[str]:
    placed = []
    for _ in range(count):
        placed.append(twin.place_order(LINE, **order))
        twin.advance(seconds)
    return placed


# Pages


def test_a_page_holds_ten_unless_asked(api: httpx.Client, twin: MiraklSandbox) -> None:
    apart(twin, 12)
    answer = api.get(ORDERS)
    assert (len(ids(answer)), answer.json()["total_count"]) == (10, 12)


def test_the_links_lead_through_all_pages(api: httpx.Client, twin: MiraklSandbox) -> None:
    placed = apart(twin, 5)
    found, answer = [], api.get(ORDERS, params={"max": 2})
    while True:
        found.append(ids(answer))
        if "next" not in answer.links:
            break
        answer = api.get(answer.links["next"]["url"])
    assert found == [placed[:2], placed[2:4], placed[4:]]


def test_the_link_has_commas_inside_its_url(api: httpx.Client, twin: MiraklSandbox) -> None:
    apart(twin, 3)
    params = {"order_state_codes": "WAITING_ACCEPTANCE,SHIPPING", "max": "1", "offset": "1"}
    link = api.get(ORDERS, params=params).headers["Link"]
    url = f"{twin.base_url}/api/orders?order_state_codes=WAITING_ACCEPTANCE,SHIPPING&max=1&offset="
    assert link == f'<{url}0>; rel="previous", <{url}2>; rel="next"'


@pytest.mark.parametrize(
    "params", [{"max": "101"}, {"max": "0"}, {"offset": "-1"}, {"max": "x"}, {"sort": "dateUpdated"}]
)
def test_pages_beyond_the_rules_are_refused(api: httpx.Client, params: dict[str, str]) -> None:
    assert api.get(ORDERS, params=params).status_code == 400


def test_the_newest_can_come_first(api: httpx.Client, twin: MiraklSandbox) -> None:
    placed = apart(twin, 3)
    assert ids(api.get(ORDERS, params={"sort": "dateCreated", "order": "desc"})) == placed[::-1]


def test_orders_of_one_moment_are_sorted_by_id(api: httpx.Client, twin: MiraklSandbox) -> None:
    placed = apart(twin, 4, seconds=0)
    assert ids(api.get(ORDERS)) == placed


@pytest.mark.parametrize("name", ["order_ids", "order_references_for_seller", "channel_codes", "order_state_codes"])
def test_a_list_holds_100_entries_at_most(api: httpx.Client, name: str) -> None:
    answer = api.get(ORDERS, params={name: ",".join(["SHIPPING"] * 101)})
    message = f"The limit of 100 is exceeded for the parameter : {name}"
    assert answer.json() == {"status": 400, "message": message}


# Filters


def test_orders_are_found_by_id(api: httpx.Client, twin: MiraklSandbox) -> None:
    placed = apart(twin, 4)
    assert ids(api.get(ORDERS, params={"order_ids": f"{placed[3]},{placed[1]},0-A"})) == [placed[1], placed[3]]


def test_a_window_of_changes_reaches_back_a_little_further_than_asked(api: httpx.Client, twin: MiraklSandbox) -> None:
    placed = apart(twin, 12, seconds=60)  # 06:20:54, then a minute apart
    since = {"start_update_date": "2026-03-10T06:30:00Z"}
    assert ids(api.get(ORDERS, params=since)) == placed[5:]


def test_a_window_of_changes_ends_where_asked(api: httpx.Client, twin: MiraklSandbox) -> None:
    placed = apart(twin, 3)
    assert ids(api.get(ORDERS, params={"end_update_date": "2026-03-10T06:22:00Z"})) == placed[:2]


def test_a_changed_order_comes_into_the_window(api: httpx.Client, twin: MiraklSandbox) -> None:
    placed = apart(twin, 2)
    twin.advance(3600)
    twin.touch(placed[0])
    assert ids(api.get(ORDERS, params={"start_update_date": "2026-03-10T07:20:00Z"})) == placed[:1]


def test_a_window_of_creation_is_exact(api: httpx.Client, twin: MiraklSandbox) -> None:
    placed = apart(twin, 4)
    window = {"start_date": "2026-03-10T06:21:54Z", "end_date": "2026-03-10T06:23:00Z"}
    assert ids(api.get(ORDERS, params=window)) == placed[1:3]


@pytest.mark.parametrize("text", ["yesterday", "2026-03-10T06:21:54 01:00"])
def test_a_date_that_is_none_is_refused(api: httpx.Client, text: str) -> None:
    assert api.get(ORDERS, params={"start_date": text}).status_code == 400


def test_orders_are_filtered_by_what_they_are(api: httpx.Client, twin: MiraklSandbox) -> None:
    plain = twin.place_order(LINE)
    shipping = twin.place_order(LINE, accepted=True, channel="ES", fulfilment="OPERATOR-1", customer_reference="WEB-1")
    twin.open_incident(plain)
    api.put(ORDERS, json={"orders": [{"order_id": plain, "references": {"order_reference_for_seller": "ERP-7"}}]})
    for params, expected in (
        ({"order_state_codes": "SHIPPING,SHIPPED"}, [shipping]),
        ({"channel_codes": "ES"}, [shipping]),
        ({"only_null_channel": "true", "channel_codes": "ES"}, [plain]),
        ({"customer_debited": "true"}, [shipping]),
        ({"customer_debited": "false"}, [plain]),
        ({"has_incident": "true"}, [plain]),
        ({"fulfillment_center_code": "OPERATOR-1"}, [shipping]),
        ({"order_references_for_customer": "WEB-1"}, [shipping]),
        ({"order_references_for_seller": "ERP-7,ERP-8"}, [plain]),
        ({"payment_workflow": "PAY_ON_SHIPMENT"}, []),
    ):
        assert ids(api.get(ORDERS, params=params)) == expected, params


def test_a_state_that_is_none_is_refused(api: httpx.Client) -> None:
    assert api.get(ORDERS, params={"order_state_codes": "OPEN"}).status_code == 400


# What an order says


def test_addresses_are_null_until_the_order_may_be_shipped(api: httpx.Client, twin: MiraklSandbox) -> None:
    order = twin.place_order(LINE)
    before = only(api, order_ids=order)["customer"]
    twin.accept(order)
    after = only(api, order_ids=order)["customer"]
    assert (before["billing_address"], before["shipping_address"]) == (None, None)
    assert after["shipping_address"]["country_iso_code"] == "FRA"


def test_operators_may_tell_addresses_before() -> None:
    with served(addresses_before_acceptance=True) as (twin, api):
        twin.place_order(LINE, country="ESP")
        assert only(api)["customer"]["billing_address"]["country"] == "Espagne"


def test_totals_leave_refused_lines_out_and_take_fees_in(api: httpx.Client, twin: MiraklSandbox) -> None:
    order = twin.place_order(
        [{"sku": "P-100", "quantity": 2, "price": "24.99", "fee": "0.50"}, {"sku": "P-101", "price": "10.00"}]
    )
    rows = [{"id": f"{order}-1", "accepted": True}, {"id": f"{order}-2", "accepted": False}]
    api.put(f"{ORDERS}/{order}/accept", json={"order_lines": rows})
    found = only(api)
    assert found["price"] == Decimal("49.98")
    assert found["total_price"] == Decimal("55.38")  # and 4.90 of shipping, 0.50 of fees
    assert found["order_lines"][1]["price"] == Decimal("10.00")


def test_taxes_are_inside_the_price_of_a_platform_that_includes_them(api: httpx.Client, twin: MiraklSandbox) -> None:
    twin.place_order(LINE)
    (tax,) = only(api)["order_lines"][0]["taxes"]
    assert (tax["code"], tax["rate"], tax["amount"]) == ("TVA20", Decimal("20.0"), Decimal("6.65"))


def test_taxes_come_on_top_where_prices_exclude_them() -> None:
    with served(tax_mode="TAX_EXCLUDED") as (twin, api):
        twin.place_order([{"sku": "P-100", "quantity": 2, "price": "12.00"}], country="USA", shipping="6.00")
        line = only(api)["order_lines"][0]
        taxes = {each["code"]: each["amount"] for each in line["taxes"]}
        assert line["price"] == 24
        # The rate would give 1.50: amounts are to be taken as told.
        assert taxes == {"US_STATE": Decimal("1.49"), "US_CITY": Decimal("0.48")}


def test_prices_can_be_asked_for_in_the_other_mode(api: httpx.Client, twin: MiraklSandbox) -> None:
    twin.place_order(LINE, shipping="4.90")
    found = only(api, order_tax_mode="TAX_EXCLUDED")
    assert (found["order_tax_mode"], found["price"]) == ("TAX_EXCLUDED", Decimal("33.25"))
    assert found["shipping_price"] == Decimal("4.08")


def test_some_dates_have_milliseconds_and_some_have_not(api: httpx.Client, twin: MiraklSandbox) -> None:
    twin.place_order(LINE, accepted=True)
    found = only(api)
    assert found["transaction_date"] == "2026-03-10T06:20:54Z"
    assert found["customer_debited_date"] == "2026-03-10T06:20:54.118Z"


def test_deadlines_end_with_the_day_of_the_operator(api: httpx.Client, twin: MiraklSandbox) -> None:
    twin.place_order(LINE, accepted=True)
    assert only(api)["shipping_deadline"] == "2026-03-12T22:59:59.999Z"


def test_orders_of_companies_and_for_pick_up_points_say_so(api: httpx.Client, twin: MiraklSandbox) -> None:
    fields = [{"code": "gift-wrap", "type": "BOOLEAN", "value": "true"}]
    twin.place_order(LINE, accepted=True, company="SPECIMEN SARL", pickup_point="FR-012345", fields=fields)
    found = only(api)
    assert found["customer"]["organization"]["name"] == "SPECIMEN SARL"
    assert found["shipping_pudo_id"] == "FR-012345"
    assert found["order_additional_fields"] == fields


def test_a_field_that_nobody_documents_can_be_left_out() -> None:
    with served(added_fields=False) as (twin, api):
        twin.place_order(LINE)
        assert "field_added_later" not in only(api)


def test_ordering_takes_from_the_offer(twin: MiraklSandbox) -> None:
    before = twin.state()["stock"]["P-100"]
    twin.place_order([{"sku": "P-100", "quantity": 3}])
    assert twin.state()["stock"]["P-100"] == before - 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"lines": []},
        {"lines": LINE, "country": "XXX"},
        {"lines": LINE, "channel": "XX"},
        {"lines": [{"sku": "UNKNOWN"}]},
    ],
    ids=["no lines", "country", "channel", "no price"],
)
def test_orders_that_cannot_be_placed(twin: MiraklSandbox, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        twin.place_order(**wrong)


# Exports


def test_an_export_is_pending_and_then_in_files(api: httpx.Client, twin: MiraklSandbox) -> None:
    placed = apart(twin, 3)
    request = {"start_update_date": "2026-03-01T00:00:00Z", "items_per_chunk": 2}
    key = api.post(f"{ORDERS}/async-export", json=request).json()["tracking_id"]
    first, second = (api.get(f"{ORDERS}/async-export/status/{key}").json() for _ in range(2))
    assert (first["status"], second["status"]) == ("PENDING", "COMPLETED")
    files = [httpx.get(url).json() for url in second["urls"]]
    assert [[each["order_id"] for each in rows] for rows in files] == [placed[:2], placed[2:]]


def test_an_export_is_filtered_as_asked(api: httpx.Client, twin: MiraklSandbox) -> None:
    twin.place_order(LINE)
    shipping = twin.place_order(LINE, accepted=True)
    request = {"start_date": "2026-03-01T00:00:00Z", "order_state_codes": ["SHIPPING", "SHIPPED"]}
    key = api.post(f"{ORDERS}/async-export", json=request).json()["tracking_id"]
    url = [api.get(f"{ORDERS}/async-export/status/{key}").json() for _ in range(2)][1]["urls"][0]
    assert [each["order_id"] for each in httpx.get(url).json()] == [shipping]


def test_an_export_needs_a_range_of_dates(api: httpx.Client) -> None:
    assert api.post(f"{ORDERS}/async-export", json={}).status_code == 400


def test_only_one_export_runs_at_a_time_and_a_duplicate_is_the_same(api: httpx.Client) -> None:
    requests = [{"start_date": f"2026-03-0{day}T00:00:00Z"} for day in (1, 1, 2)]
    answers = [api.post(f"{ORDERS}/async-export", json=each) for each in requests]
    assert answers[0].json() == answers[1].json()
    assert answers[2].status_code == 400


@pytest.mark.parametrize("fate", ["FAILED", "CANCELLED"])
def test_an_export_can_go_wrong(api: httpx.Client, twin: MiraklSandbox, fate: str) -> None:
    twin.set_export_fate(fate)
    request = {"start_date": "2026-03-01T00:00:00Z"}
    key = api.post(f"{ORDERS}/async-export", json=request).json()["tracking_id"]
    status = [api.get(f"{ORDERS}/async-export/status/{key}").json() for _ in range(2)][1]
    assert status["status"] == fate
    assert "urls" not in status
