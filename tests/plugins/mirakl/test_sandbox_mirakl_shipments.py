"""Shipments in the Mirakl sandbox: several parcels, results inside a 201, operators without them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from mirakl_sandbox_kit import served

from crossdock_mirakl.sandbox import MiraklSandbox

TRACKING = {"carrier_code": "COLISSIMO", "tracking_number": "6A00000000001"}


pytestmark = pytest.mark.usefixtures("switchboard")


@pytest.fixture
def order(twin: MiraklSandbox) -> str:
    """Two of P-100 and one of P-101, to be shipped."""
    return twin.place_order([{"sku": "P-100", "quantity": 2}, {"sku": "P-101", "quantity": 1}], accepted=True)


def shipment(order: str, *lines: tuple[int, int], **more: Any) -> dict[str, Any]:
    rows = [{"order_line_id": f"{order}-{index}", "quantity": count} for index, count in lines]
    return {"order_id": order, "shipment_lines": rows, "shipped": True, "tracking": TRACKING, **more}


def ship(api: httpx.Client, *shipments: dict[str, Any]) -> httpx.Response:
    return api.post("/api/shipments", json={"shipments": list(shipments)})


def read(api: httpx.Client, order: str) -> dict[str, Any]:
    found: dict[str, Any] = api.get("/api/orders", params={"order_ids": order}).json()["orders"][0]
    return found


def test_an_order_is_shipped_once_all_its_pieces_are(api: httpx.Client, order: str) -> None:
    ship(api, shipment(order, (1, 1)))
    before = read(api, order)["order_state"]
    ship(api, shipment(order, (1, 1), (2, 1)))
    assert (before, read(api, order)["order_state"]) == ("SHIPPING", "SHIPPED")


def test_a_line_is_shipped_once_all_its_pieces_are(api: httpx.Client, order: str) -> None:
    ship(api, shipment(order, (1, 2)))
    assert [each["order_line_state"] for each in read(api, order)["order_lines"]] == ["SHIPPED", "SHIPPING"]


def test_201_says_processed_and_the_errors_are_inside(api: httpx.Client, order: str) -> None:
    answer = ship(api, shipment(order, (1, 3)), shipment(order, (2, 1)), shipment("0-A", (1, 1)))
    assert answer.status_code == 201
    assert [each["order_id"] for each in answer.json()["shipment_success"]] == [order]
    assert answer.json()["shipment_errors"] == [
        {"order_id": order, "message": "Shipment quantity is invalid."},
        {"order_id": "0-A", "message": "No order with id '0-A'."},
    ]


def test_what_was_shipped_cannot_be_shipped_again(api: httpx.Client, order: str) -> None:
    ship(api, shipment(order, (1, 2), (2, 1)))
    errors = ship(api, shipment(order, (1, 2), (2, 1))).json()["shipment_errors"]
    assert errors[0]["message"] == "The order status must be 'SHIPPING' but it is 'SHIPPED'."


@pytest.mark.parametrize(
    ("tracking", "words"),
    [
        ({"carrier_code": "NOPE", "tracking_number": "1"}, "NOPE"),
        ({"carrier_code": "MONDIALRELAY"}, "mandatory"),
        ({"tracking_number": "1"}, "carrier_name"),
    ],
)
def test_carriers_are_checked(api: httpx.Client, order: str, tracking: dict[str, str], words: str) -> None:
    errors = ship(api, shipment(order, (2, 1), tracking=tracking)).json()["shipment_errors"]
    assert words in errors[0]["message"]


def test_lines_can_be_named_by_sku(api: httpx.Client, order: str) -> None:
    row = {"order_id": order, "shipment_lines": [{"offer_sku": "P-101", "quantity": 1}]}
    assert ship(api, row).json()["shipment_success"][0]["shipment_lines"][0]["order_line_id"] == f"{order}-2"


def test_a_shipment_of_an_unregistered_carrier_shows_its_name_only(api: httpx.Client, order: str) -> None:
    mine = {"carrier_name": "Coursier Exemple", "tracking_number": "77", "tracking_url": "https://t.example.test/77"}
    made = ship(api, shipment(order, (2, 1), tracking=mine)).json()["shipment_success"][0]
    assert made["tracking"] == mine


def test_where_carriers_must_be_registered_another_is_refused() -> None:
    with served(alternative_carrier=False) as (twin, api):
        order = twin.place_order([{"sku": "P-100"}], accepted=True)
        answer = ship(api, shipment(order, (1, 1), tracking={"carrier_name": "Coursier"})).json()
        assert answer["shipment_errors"][0]["order_id"] == order


def test_a_shipment_made_before_is_shipped_later(api: httpx.Client, order: str) -> None:
    made = ship(api, shipment(order, (1, 2), (2, 1), shipped=False)).json()["shipment_success"][0]
    assert (made["status"], read(api, order)["order_state"]) == ("SHIPPING", "SHIPPING")
    answer = api.put("/api/shipments/ship", json={"shipments": [{"id": made["id"]}, {"id": "none"}]}).json()
    assert answer == {
        "shipment_success": [{"id": made["id"]}],
        "shipment_errors": [{"id": "none", "message": "No shipment with id 'none'."}],
    }
    assert read(api, order)["order_state"] == "SHIPPED"


def test_tracking_can_be_corrected(api: httpx.Client, order: str) -> None:
    made = ship(api, shipment(order, (1, 1))).json()["shipment_success"][0]
    row = {"id": made["id"], "tracking": {**TRACKING, "tracking_number": "6A00000000009"}}
    assert api.post("/api/shipments/tracking", json={"shipments": [row]}).json()["shipment_errors"] == []
    listed = api.get("/api/shipments", params={"order_id": order}).json()["data"]
    assert [each["tracking"]["tracking_number"] for each in listed] == ["6A00000000009"]


def test_the_list_is_filtered_by_order_state_and_date(api: httpx.Client, twin: MiraklSandbox, order: str) -> None:
    ship(api, shipment(order, (1, 1)))
    ship(api, shipment(order, (1, 1), shipped=False))
    count = lambda **params: len(api.get("/api/shipments", params=params).json()["data"])
    assert count(order_id=order) == 2
    assert count(order_id="0-A") == 0
    assert count(shipment_state_code="SHIPPED") == 1
    assert count(last_updated_from="2026-03-11T00:00:00Z") == 0


def test_items_to_ship_are_what_is_in_no_shipment(api: httpx.Client, twin: MiraklSandbox, order: str) -> None:
    waiting = twin.place_order([{"sku": "P-102"}])
    ship(api, shipment(order, (1, 1), shipped=False))
    (found,) = api.get("/api/shipments/items_to_ship").json()["data"]
    assert found["order_id"] == order != waiting
    assert [(each["offer_sku"], each["quantity"]) for each in found["shipment_lines"]] == [("P-100", 1), ("P-101", 1)]


def test_items_to_ship_are_paged_by_tokens_that_hold_the_query(api: httpx.Client, twin: MiraklSandbox) -> None:
    placed = []
    for _ in range(5):
        placed.append(twin.place_order([{"sku": "P-100"}], accepted=True))
        twin.advance(1)
    path, found, token = "/api/shipments/items_to_ship", [], None
    for _ in range(3):
        # With a token every other parameter is ignored: a limit beside it changes nothing.
        page = api.get(path, params={"page_token": token, "limit": 50} if token else {"limit": 2}).json()
        found.append([each["order_id"] for each in page["data"]])
        token = page["next_page_token"]
    assert found == [placed[:2], placed[2:4], placed[4:]]
    assert token is None


def test_a_previous_token_leads_back(api: httpx.Client, twin: MiraklSandbox) -> None:
    for _ in range(3):
        twin.place_order([{"sku": "P-100"}], accepted=True)
        twin.advance(1)
    path = "/api/shipments/items_to_ship"
    first = api.get(path, params={"limit": 2}).json()
    second = api.get(path, params={"page_token": first["next_page_token"]}).json()
    assert first["previous_page_token"] is None
    assert api.get(path, params={"page_token": second["previous_page_token"]}).json()["data"] == first["data"]


def test_a_row_that_leaves_between_two_pages_hides_none(api: httpx.Client, twin: MiraklSandbox) -> None:
    placed = []
    for _ in range(4):
        placed.append(twin.place_order([{"sku": "P-100"}], accepted=True))
        twin.advance(1)
    path = "/api/shipments/items_to_ship"
    first = api.get(path, params={"limit": 2}).json()
    twin.cancel(placed[1])
    second = api.get(path, params={"page_token": first["next_page_token"]}).json()
    assert [each["order_id"] for each in second["data"]] == placed[2:]


@pytest.mark.parametrize("count", [0, 1001])
def test_a_call_holds_1_to_1000_shipments(api: httpx.Client, count: int) -> None:
    assert ship(api, *[{"order_id": "0-A"}] * count).status_code == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/shipments"),
        ("GET", "/api/shipments"),
        ("GET", "/api/shipments/items_to_ship"),
        ("POST", "/api/shipments/tracking"),
        ("PUT", "/api/shipments/ship"),
    ],
)
def test_an_operator_without_shipments_answers_404_with_that_status_in_the_json(method: str, path: str) -> None:
    with served(multi_shipment=False) as (_, api):
        answer = api.request(method, path, **({} if method == "GET" else {"json": {"shipments": [{"id": "1"}]}}))
        assert (answer.status_code, answer.json()["status"]) == (404, 404)


def test_without_shipments_tracking_and_shipping_the_whole_order_still_work() -> None:
    with served(multi_shipment=False) as (twin, api):
        order = twin.place_order([{"sku": "P-100", "quantity": 2}], accepted=True)
        assert api.put(f"/api/orders/{order}/tracking", json=TRACKING).status_code == 204
        assert api.put(f"/api/orders/{order}/ship").status_code == 204
        assert twin.state()["orders"][0]["state"] == "SHIPPED"
        assert twin.state()["orders"][0]["tracking"]["tracking_number"] == "6A00000000001"
