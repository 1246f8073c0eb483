"""Orders in the sandbox: their shape, how they are listed, and how they come to be shipped."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from cdiscount_sandbox_kit import Account, account, differences, sample

pytestmark = pytest.mark.usefixtures("switchboard")

ONE = [{"sku": "P-100"}]


@pytest.fixture
def seller() -> Iterator[Account]:
    with account(commission_words="vat") as made:
        yield made


def pages(seller: Account, size: int, **query: Any) -> list[list[str]]:
    """The order ids of each page, up to the first that is short."""
    found: list[list[str]] = []
    for index in itertools.count(1):
        found.append([each["orderId"] for each in seller.orders(pageIndex=index, pageSize=size, **query)])
        if len(found[-1]) < size:
            return found
    raise AssertionError


def test_an_order_has_the_shape_of_the_sample(seller: Account) -> None:
    lines = [{"sku": "P-100", "quantity": 2, "shipping": "5.90"}, {"sku": "P-101"}]
    order_id = seller.twin.place_order(lines, business=True, service_fee="0.99")
    assert not list(differences(sample("order.single.response.json"), seller.order(order_id)))


def test_a_page_has_the_shape_of_the_sample(seller: Account) -> None:
    seller.twin.place_order(ONE, pickup=True, service_fee="0.99")
    page = seller.http.get("orders", params={"pageSize": 2}).json()
    expected = sample("orders.page2.response.json")
    expected["items"][0]["serviceFees"] = [{"label": "Service fee", "amount": 0.99}]
    assert not list(differences(expected, page))


def test_money_is_that_of_the_sample(seller: Account) -> None:
    expected = sample("order.single.response.json")["lines"][0]
    order_id = seller.twin.place_order([{"sku": "P-100", "quantity": 2, "price": "24.99", "shipping": "5.90"}])
    line = seller.order(order_id)["lines"][0]
    assert line["totalPrice"] == expected["totalPrice"]
    assert line["sellingPrice"] == expected["sellingPrice"]


def test_a_channel_with_another_currency_has_two_prices(seller: Account) -> None:
    order_id = seller.twin.place_order([{"sku": "P-100", "price": "11.50", "shipping": 2}], channel="EXAMPLEPL")
    order = seller.order(order_id)
    assert order["currencyCode"] == "PLN"
    assert order["totalPrice"] == {"offerPrice": 13.5, "sellingPrice": 58.73}  # 50.03 + 8.70


def test_both_spellings_of_a_commission_occur() -> None:
    with account() as seller:
        orders = [seller.order(seller.twin.place_order(ONE)) for _ in range(2)]
    words = [set(order["lines"][0]["offerPrice"]["commission"]) for order in orders]
    assert {"amountWithVat", "amountWithoutVat", "rate"} in words
    assert {"amountWithTax", "amountWithoutTax", "rate"} in words


def test_the_supply_mode_is_on_the_offer_of_a_line(seller: Account) -> None:
    mixed = [{"sku": "P-100"}, {"sku": "P-101", "supply_mode": "Fulfillment"}]
    order = seller.order(seller.twin.place_order(mixed))
    assert "supplyMode" not in order
    assert [line["offer"]["supplyMode"] for line in order["lines"]] == ["Seller", "Fulfillment"]


def test_a_second_address_is_on_the_lines_after_the_first(seller: Account) -> None:
    order = seller.order(seller.twin.place_order([{"sku": "P-100"}, {"sku": "P-101"}], second_address=True))
    assert [line["shippingAddress"]["city"] for line in order["lines"]] == ["Toulouse", "Lyon"]


def test_an_order_takes_from_the_shared_stock(seller: Account) -> None:
    before = seller.twin.state()["stock"]["P-100"]
    seller.twin.place_order([{"sku": "P-100", "quantity": 3}], channel="EXAMPLESE")
    assert seller.twin.state()["stock"]["P-100"] == before - 3


def test_an_order_for_an_article_that_nobody_offers_is_possible(seller: Account) -> None:
    order = seller.order(seller.twin.place_order([{"sku": "UNKNOWN-1", "price": 5}]))
    assert order["lines"][0]["offer"]["sellerProductId"] == "UNKNOWN-1"


@pytest.mark.parametrize(
    "wrong", [{"channel": "NONE"}, {"lines": []}, {"supply_mode": "Postman"}, {"second_address": True}]
)
def test_an_order_that_cannot_be_is_refused(seller: Account, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"channel|line|supply_mode"):
        seller.twin.place_order(**{"lines": ONE, **wrong})


def test_an_approved_order_shows_its_addresses_only_in_preparation() -> None:
    with account(acceptance=True, auto_prepare=False) as seller:
        order_id = seller.twin.place_order(ONE)
        seen = [seller.order(order_id)]
        answer = seller.http.post(f"orders/{order_id}/approval-status", json=sample("approval-status.request.json"))
        seen.append(seller.order(order_id))
        seller.twin.prepare(order_id)
        seen.append(seller.order(order_id))
    assert answer.status_code == 204
    assert [each["status"] for each in seen] == ["WaitingAcceptance", "Accepted", "InPreparation"]
    assert [each["lines"][0]["shippingAddress"] is None for each in seen] == [True, True, False]


def test_an_approved_order_is_in_preparation_at_once_by_default() -> None:
    with account(acceptance=True) as seller:
        order_id = seller.twin.place_order(ONE)
        seller.http.post(f"orders/{order_id}/approval-status", json={"approval_status": "Accepted"})
        assert seller.order(order_id)["status"] == "InPreparation"


def test_a_refused_order_is_refused_with_all_its_lines() -> None:
    with account(acceptance=True) as seller:
        order_id = seller.twin.place_order([*ONE, {"sku": "P-101"}])
        seller.http.post(f"orders/{order_id}/approval-status", json={"approval_status": "Refused"})
        order = seller.order(order_id)
    assert {order["status"], *(line["status"] for line in order["lines"])} == {"Refused"}


def test_an_order_that_does_not_wait_cannot_be_approved(seller: Account) -> None:
    order_id = seller.twin.place_order(ONE)
    answer = seller.http.post(f"orders/{order_id}/approval-status", json={"approval_status": "Accepted"})
    assert answer.status_code == 409


@pytest.mark.parametrize("body", [{"approvalStatus": "Accepted"}, {"approval_status": "Maybe"}, {}, []])
def test_an_approval_is_in_snake_case_and_one_of_two_words(body: Any) -> None:
    with account(acceptance=True) as seller:
        order_id = seller.twin.place_order(ONE)
        assert seller.http.post(f"orders/{order_id}/approval-status", json=body).status_code == 400


def test_pages_have_no_total_and_end_in_an_empty_one() -> None:
    with account(orders=4) as seller:
        sizes = [len(page) for page in pages(seller, 2)]
        beyond = seller.http.get("orders", params={"pageIndex": 3, "pageSize": 2}).json()
    assert sizes == [2, 2, 0]
    assert beyond == sample("orders.page3-empty.response.json")


def test_pages_may_carry_a_link_to_the_next() -> None:
    with account(orders=3, order_links=True) as seller:
        first = seller.http.get("orders", params={"pageSize": 2, "updatedAtMin": "2026-03-01T00:00:00Z"})
        second = seller.http.get(first.links["next"]["url"])
    assert [len(each.json()["items"]) for each in (first, second)] == [2, 1]
    assert "next" not in second.links


@pytest.mark.parametrize("query", [{"pageSize": 101}, {"pageSize": 0}, {"pageIndex": 0}, {"pageIndex": "one"}])
def test_a_page_that_cannot_be_is_refused(seller: Account, query: dict[str, Any]) -> None:
    assert seller.http.get("orders", params=query).status_code == 400


def test_the_default_order_is_that_of_creation() -> None:
    with account(orders=30) as seller:
        created = [each["createdAt"] for each in seller.orders()]
    assert created == sorted(created)


def test_scattered_orders_are_in_no_order_and_all_there() -> None:
    with account(orders=30, order_sort="scattered") as seller:
        listed = list(itertools.chain(*pages(seller, 7)))
    assert sorted(listed) != listed
    assert Counter(listed) == Counter(sorted(set(listed)))
    assert len(listed) == 30


def test_shuffled_pages_repeat_some_orders_and_leave_out_others() -> None:
    with account(orders=30, order_sort="shuffled") as seller:
        listed, again = (list(itertools.chain(*pages(seller, 7))) for _ in range(2))
        count = seller.http.get("orders/count").json()
    assert listed == again
    assert len(set(listed)) < len(listed) == count == 30


def test_the_count_is_a_bare_integer_for_the_same_filter() -> None:
    with account(orders=40) as seller:
        query = {"status": "Shipped,Delivered", "salesChannelId": "CDISFR"}
        count = seller.http.get("orders/count", params=query)
        listed = seller.orders(**query)
    assert count.text == str(len(listed)) != "0"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"status": "InPreparation"}, [0, 1]),
        ({"status": "InPreparation,Cancelled"}, [0, 1, 2]),
        ({"salesChannelId": "EXAMPLEPL"}, [1]),
        ({"supplyMode": "Fulfillment"}, [1]),
        ({"shippingCountry": "DE"}, [2]),
        ({"businessOrder": "true"}, [0]),
        ({"createdAtMin": "2026-03-09T23:59:02Z"}, [1, 2]),
        ({"createdAtMax": "2026-03-09T22:59:02Z"}, [0]),
        ({"updatedAtMin": "2026-03-10T01:59:02Z"}, [0, 2]),
        ({"updatedAtMin": "2026-03-10T02:59:02+01:00"}, [0, 2]),
        ({"updatedAtMin": "2026-03-10T01:59:02"}, [0, 2]),
        ({"shippedAtMin": "2026-03-01T00:00:00Z"}, []),
        ({"nobodyKnows": "this"}, [0, 1, 2]),
    ],
)
def test_filters(seller: Account, query: dict[str, str], found: list[int]) -> None:
    twin = seller.twin
    placed = [twin.place_order(ONE, business=True)]
    twin.advance(3600)
    placed.append(twin.place_order(ONE, channel="EXAMPLEPL", supply_mode="Fulfillment"))
    twin.advance(3600)
    placed.append(twin.place_order(ONE, country="DE"))
    twin.advance(3600)
    twin.touch(placed[0])
    twin.cancel(placed[2])
    seller.log_in()
    assert [each["orderId"] for each in seller.orders(**query)] == [placed[index] for index in found]


def test_an_order_is_found_by_its_reference(seller: Account) -> None:
    orders = [seller.order(seller.twin.place_order(ONE)) for _ in range(2)]
    found = seller.orders(reference=orders[1]["reference"])
    assert [each["orderId"] for each in found] == [orders[1]["orderId"]]


def test_shipped_orders_are_found_by_when_they_were_shipped() -> None:
    with account(orders=40) as seller:
        listed = seller.orders(shippedAtMin="2026-03-01T00:00:00Z")
    assert {each["status"] for each in listed} == {"Shipped", "Delivered"}


@pytest.mark.parametrize(
    "query",
    [
        {"status": "Sold"},
        {"supplyMode": "Postman"},
        {"businessOrder": "yes"},
        {"updatedAtMin": "yesterday"},
        {"sort": "asc:updatedAt"},
    ],
)
def test_a_filter_that_cannot_be_is_refused(seller: Account, query: dict[str, str]) -> None:
    answer = seller.http.get("orders", params=query)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, list(query))


def test_a_sort_can_be_asked_for(seller: Account) -> None:
    first = seller.twin.place_order(ONE)
    seller.twin.advance(60)
    second = seller.twin.place_order(ONE)
    listed = seller.orders(sort="createdAt", desc="true")
    assert [each["orderId"] for each in listed] == [second, first]


def test_a_status_that_nobody_knows_can_be_seen_and_filtered(seller: Account) -> None:
    order_id = seller.twin.place_order(ONE)
    seller.twin.set_status(order_id, "OnTheMoon")
    assert [each["status"] for each in seller.orders(status="OnTheMoon")] == ["OnTheMoon"]


def test_touching_an_order_changes_nothing_but_its_time(seller: Account) -> None:
    order_id = seller.twin.place_order(ONE)
    before = seller.order(order_id)
    seller.twin.advance(90)
    seller.twin.touch(order_id)
    after = seller.order(order_id)
    assert {key for key in after if after[key] != before[key]} == {"updatedAt"}


def test_seeded_orders_are_in_many_states_and_leave_the_stock_alone() -> None:
    with account(orders=60) as seller, account(orders=0) as fresh:
        state = seller.twin.state()
        assert state["stock"] == fresh.twin.state()["stock"]
    assert {each["status"] for each in state["orders"]} == {
        "InPreparation",
        "Shipped",
        "Delivered",
        "Refused",
        "Cancelled",
    }
    assert {each["salesChannel"]["id"] for each in state["orders"]} == {"CDISFR", "EXAMPLEPL", "EXAMPLESE"}
