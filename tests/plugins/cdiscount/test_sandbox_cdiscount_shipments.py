"""Shipments and cancellations in the sandbox: what is taken, what is refused, and an answer that is lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from cdiscount_sandbox_kit import Account, account, sample

pytestmark = pytest.mark.usefixtures("switchboard")

TWO = [{"sku": "P-100"}, {"sku": "P-101"}]


@pytest.fixture
def seller() -> Iterator[Account]:
    with account() as made:
        yield made


def line_ids(seller: Account, order_id: str) -> list[str]:
    return [line["orderLineId"] for line in seller.order(order_id)["lines"]]


def parcel(*lines: str, **changed: Any) -> dict[str, Any]:
    """The parcel of the sample with these lines."""
    return {**sample("shipments.request.json")[0], "orderLineIds": list(lines), **changed}


def ship(seller: Account, order_id: str, *parcels: Any) -> httpx.Response:
    return seller.http.post(f"orders/{order_id}/shipments", json=list(parcels))


def statuses(seller: Account, order_id: str) -> list[str]:
    order = seller.order(order_id)
    return [order["status"], *(line["status"] for line in order["lines"])]


def test_one_parcel_ships_the_complete_order(seller: Account) -> None:
    order_id = seller.twin.place_order(TWO)
    answer = ship(seller, order_id, parcel(*line_ids(seller, order_id)))
    assert (answer.status_code, answer.content) == (201, b"")
    assert statuses(seller, order_id) == ["Shipped"] * 3
    kept = {key: each for key, each in sample("shipments.request.json")[0].items() if key != "orderLineIds"}
    assert [line["parcels"] for line in seller.order(order_id)["lines"]] == [[kept], [kept]]


def test_on_cdiscount_a_part_of_the_order_is_refused(seller: Account) -> None:
    order_id = seller.twin.place_order(TWO)
    answer = ship(seller, order_id, parcel(line_ids(seller, order_id)[0]))
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["[0].orderLineIds"])


def test_on_cdiscount_a_second_parcel_is_refused_and_nothing_is_kept(seller: Account) -> None:
    order_id = seller.twin.place_order(TWO)
    first, second = line_ids(seller, order_id)
    assert ship(seller, order_id, parcel(first), parcel(second, parcelNumber="2")).status_code == 422
    assert statuses(seller, order_id) == ["InPreparation"] * 3


def test_on_another_channel_an_order_may_go_in_several_parcels(seller: Account) -> None:
    order_id = seller.twin.place_order(TWO, channel="EXAMPLEPL")
    first, second = line_ids(seller, order_id)
    ship(seller, order_id, parcel(first), parcel(first, parcelNumber="2"))
    partly = statuses(seller, order_id)
    ship(seller, order_id, parcel(second))
    assert partly == ["InPreparation", "Shipped", "InPreparation"]
    assert statuses(seller, order_id) == ["Shipped"] * 3
    assert [len(line["parcels"]) for line in seller.order(order_id)["lines"]] == [2, 1]


def test_a_line_is_shipped_once(seller: Account) -> None:
    order_id = seller.twin.place_order(TWO, channel="EXAMPLEPL")
    first, _ = line_ids(seller, order_id)
    assert [ship(seller, order_id, parcel(first)).status_code for _ in range(2)] == [201, 422]


def test_a_shipped_order_is_not_shipped_again(seller: Account) -> None:
    order_id = seller.twin.place_order(TWO)
    body = parcel(*line_ids(seller, order_id))
    assert [ship(seller, order_id, body).status_code for _ in range(2)] == [201, 409]


def test_an_order_that_waits_for_acceptance_is_not_shipped() -> None:
    with account(acceptance=True) as seller:
        order_id = seller.twin.place_order(TWO)
        assert ship(seller, order_id, parcel(*line_ids(seller, order_id))).status_code == 409


def test_lines_of_the_warehouse_are_not_shipped_by_the_seller(seller: Account) -> None:
    order_id = seller.twin.place_order(TWO, supply_mode="Fulfillment")
    answer = ship(seller, order_id, parcel(*line_ids(seller, order_id)))
    assert (answer.status_code, "Fulfillment" in answer.text) == (422, True)


def test_a_mixed_order_is_shipped_when_the_warehouse_has_shipped_too(seller: Account) -> None:
    order_id = seller.twin.place_order([{"sku": "P-100"}, {"sku": "P-101", "supply_mode": "Fulfillment"}])
    ship(seller, order_id, parcel(line_ids(seller, order_id)[0]))
    partly = statuses(seller, order_id)
    seller.twin.warehouse_ships(order_id)
    assert partly == ["InPreparation", "Shipped", "InPreparation"]
    assert statuses(seller, order_id) == ["Shipped"] * 3


@pytest.mark.parametrize("sent", [True, False])
def test_a_line_that_the_customer_wants_cancelled_may_be_shipped_or_left_out(seller: Account, sent: bool) -> None:
    order_id = seller.twin.place_order(TWO)
    asked = seller.twin.customer_cancels(order_id, 1)
    before = statuses(seller, order_id)
    lines = [line for line in line_ids(seller, order_id) if sent or line != asked]
    assert ship(seller, order_id, parcel(*lines)).status_code == 201
    assert before == ["InPreparation", "InPreparation", "CancelRequest"]
    assert statuses(seller, order_id) == ["Shipped", "Shipped", "Shipped" if sent else "CancelRequest"]


@pytest.mark.parametrize(
    ("changed", "status", "field"),
    [
        ({"parcelNumber": ""}, 400, "[0].parcelNumber"),
        ({"carrierName": None}, 400, "[0].carrierName"),
        ({"carrierName": "pcc"}, 400, "[0].carrierName"),
        ({"trackingUrl": "tracking.example.test"}, 400, "[0].trackingUrl"),
        ({"orderLineIds": []}, 400, "[0].orderLineIds"),
        ({"orderLineIds": ["nobody's"]}, 422, "[0].orderLineIds"),
    ],
)
def test_a_parcel_that_cannot_be_is_refused(seller: Account, changed: dict[str, Any], status: int, field: str) -> None:
    order_id = seller.twin.place_order(TWO)
    answer = ship(seller, order_id, parcel(*line_ids(seller, order_id)) | changed)
    assert (answer.status_code, list(answer.json()["errors"])) == (status, [field])


@pytest.mark.parametrize("name", ["Colissimo", "autre", "A Carrier Of Ours"])
def test_a_carrier_is_a_label_or_free_text(seller: Account, name: str) -> None:
    order_id = seller.twin.place_order(TWO)
    body = parcel(*line_ids(seller, order_id), carrierName=name)
    del body["trackingUrl"]
    assert ship(seller, order_id, body).status_code == 201


def test_shipments_are_an_array(seller: Account) -> None:
    order_id = seller.twin.place_order(TWO)
    body = parcel(*line_ids(seller, order_id))
    assert seller.http.post(f"orders/{order_id}/shipments", json=body).status_code == 400


def test_a_502_may_hide_a_parcel_that_was_registered(seller: Account) -> None:
    order_id = seller.twin.place_order(TWO)
    body = parcel(*line_ids(seller, order_id))
    seller.twin.bad_gateway()
    answer = ship(seller, order_id, body)
    assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html; charset=utf-8")
    assert seller.order(order_id)["lines"][0]["parcels"][0]["parcelNumber"] == body["parcelNumber"]
    assert ship(seller, order_id, body).status_code == 409


def test_a_502_of_another_call_can_be_planned(seller: Account) -> None:
    seller.twin.bad_gateway(method="GET", path="/carriers$", times=2)
    assert [seller.http.get("carriers").status_code for _ in range(3)] == [502, 502, 200]


def test_a_shipped_order_is_delivered(seller: Account) -> None:
    order_id = seller.twin.place_order(TWO)
    with pytest.raises(ValueError, match="InPreparation"):
        seller.twin.deliver(order_id)
    ship(seller, order_id, parcel(*line_ids(seller, order_id)))
    seller.twin.deliver(order_id)
    assert statuses(seller, order_id) == ["Delivered"] * 3


def cancellation(seller: Account, order_id: str) -> httpx.Response:
    body = sample("cancellation-request.request.json") | {"orderSellerId": order_id}
    return seller.http.post("order-cancellation-requests", json=body)


def listed(seller: Account, order_id: str) -> list[str]:
    found = seller.http.get("order-cancellation-requests", params={"orderSellerId": order_id}).json()["items"]
    return [each["status"] for each in found]


def test_a_cancellation_is_decided_later(seller: Account) -> None:
    order_id = seller.twin.place_order(TWO)
    assert cancellation(seller, order_id).status_code == 201
    seen = [(listed(seller, order_id), seller.order(order_id)["status"]) for _ in range(2)]
    assert seen == [(["Pending"], "InPreparation"), (["Accepted"], "Cancelled")]


def test_a_cancellation_may_be_refused(seller: Account) -> None:
    order_id = seller.twin.place_order(TWO)
    seller.twin.decide_cancellation(cancellation(seller, order_id).json()["cancellationRequestId"], accepted=False)
    assert (listed(seller, order_id), seller.order(order_id)["status"]) == (["Refused"], "InPreparation")


def test_a_part_of_an_order_can_be_cancelled_and_the_rest_shipped(seller: Account) -> None:
    order_id = seller.twin.place_order(TWO)
    line = seller.order(order_id)["lines"][1]
    body = sample("partial-cancellation-request.request.json")
    row = body["lines"][0] | {"lineId": line["orderLineId"], "offerId": line["offer"]["id"]}
    made = seller.http.post(
        "order-partial-cancellation-requests", json=body | {"orderSellerId": order_id, "lines": [row]}
    )
    seller.twin.decide_cancellation(made.json()["cancellationRequestId"])
    ship(seller, order_id, parcel(line_ids(seller, order_id)[0]))
    assert statuses(seller, order_id) == ["Shipped", "Shipped", "Cancelled"]


def test_a_shipped_order_cannot_be_cancelled(seller: Account) -> None:
    order_id = seller.twin.place_order(TWO)
    ship(seller, order_id, parcel(*line_ids(seller, order_id)))
    assert cancellation(seller, order_id).status_code == 409


def test_the_body_of_a_cancellation_names_the_order_by_one_key() -> None:
    with account(cancellation_key="orderId") as seller:
        answer = cancellation(seller, seller.twin.place_order(TWO))
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["orderId"])


def test_a_reason_is_one_of_the_list(seller: Account) -> None:
    query = {"salesChannel": "CDISFR", "userType": "Seller", "orderStatus": "InPreparation"}
    answers = [
        seller.http.get("cancellation-reasons", params=query, headers={"Accept-Language": language}).json()["items"][0]
        for language in ("fr-FR", "en-US")
    ]
    body = {"orderSellerId": seller.twin.place_order(TWO), "reason": "no-wish", "shippingCostRefund": True}
    assert [each["label"] for each in answers] == ["Rupture de stock", "Out of stock"]
    assert answers[0]["code"] == sample("cancellation-request.request.json")["reason"]
    assert seller.http.post("order-cancellation-requests", json=body).status_code == 422
