"""Offers and packages in the sandbox: three steps, and results that have to be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from cdiscount_sandbox_kit import Account, account, differences, sample

pytestmark = pytest.mark.usefixtures("switchboard")

CDISFR = {"SalesChannelId": "CDISFR"}
STOCK = [{"sellerExternalReference": "P-100", "quantity": 3}]


@pytest.fixture
def seller() -> Iterator[Account]:
    with account() as made:
        yield made


def package(seller: Account, kind: str, rows: list[dict[str, Any]], channel: str = "CDISFR") -> str:
    """A package that is Ready; returns its address."""
    headers = {"SalesChannelId": channel}
    made = seller.http.post("offer-packages", json={"packageType": kind}, headers=headers)
    where: str = made.headers["content-location"]
    assert seller.http.post(f"{where}/offer-requests", json=rows, headers=headers).status_code == 201
    assert seller.http.patch(where, json=sample("offer-package.ready.request.json"), headers=headers).status_code == 204
    return where


def integrate(
    seller: Account, kind: str, rows: list[dict[str, Any]], channel: str = "CDISFR"
) -> list[tuple[str, str, list[Any]]]:
    """Reference, integration status and results of each row, once the package is Integrated."""
    where, headers = package(seller, kind, rows, channel), {"SalesChannelId": channel}
    states = [seller.http.get(where, headers=headers).json()["state"] for _ in range(2)]
    assert states == ["IntegrationPending", "Integrated"]
    items = seller.http.get(f"{where}/offer-requests-results", headers=headers).json()["items"]
    return [(each["sellerExternalReference"], each["integrationStatus"], each["results"]) for each in items]


def words(rows: list[tuple[str, str, list[Any]]]) -> list[str]:
    return [word for _, word, _ in rows]


def upsert(sku: str = "NEW-1", **changed: Any) -> dict[str, Any]:
    row: dict[str, Any] = sample("offer-requests.upsert.request.json")[0]
    return row | {"sellerExternalReference": sku} | changed


def offers(seller: Account, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = seller.http.get("offers", params={"salesChannelId": "CDISFR", **query}).json()[
        "items"
    ]
    return found


def test_creating_a_package_answers_with_its_address_alone(seller: Account) -> None:
    expected = sample("offer-package.create.http.json")
    answer = seller.http.post("offer-packages", json=sample("offer-package.create.request.json"), headers=CDISFR)
    assert (answer.status_code, answer.content) == (expected["status"], b"")
    head, _, key = answer.headers["content-location"].rpartition("/")
    assert head == expected["headers"]["Content-Location"].rpartition("/")[0]
    assert len(key) == 36


def test_the_status_of_a_package_has_the_names_of_the_sample(seller: Account) -> None:
    where = package(seller, "Update", STOCK)
    seller.http.get(where, headers=CDISFR)
    assert seller.http.get(where, headers=CDISFR).json() == sample("offer-package.status.response.json")


def test_a_package_moves_on_when_it_is_asked_for(seller: Account) -> None:
    where = package(seller, "Update", STOCK)
    before = seller.twin.state()["stock"]["P-100"]
    seller.http.get(where, headers=CDISFR)
    pending = seller.twin.state()["stock"]["P-100"]
    seller.http.get(where, headers=CDISFR)
    assert (before, pending, seller.twin.state()["stock"]["P-100"]) == (20, 20, 3)


def test_results_have_the_names_of_the_sample(seller: Account) -> None:
    rows = [*STOCK, {"sellerExternalReference": "NONE", "quantity": 1}]
    where = package(seller, "Update", rows)
    for _ in range(2):
        seller.http.get(where, headers=CDISFR)
    body = seller.http.get(f"{where}/offer-requests-results", headers=CDISFR).json()
    expected = sample("offer-requests-results.response.json")
    expected["items"] = [expected["items"][1]]
    assert not list(differences(expected, body))


def test_an_integrated_package_may_hold_refused_offers(seller: Account) -> None:
    seller.twin.refuse_offer("P-101", "The price is too high.")
    rows = [*STOCK, {"sellerExternalReference": "P-101", "price": {"price": 900}}]
    refused = integrate(seller, "Update", rows)
    seller.twin.allow_offer("P-101")
    assert refused[1][1:] == ("Rejected", [{"resultCode": "8000", "message": "The price is too high."}])
    assert words(refused) == ["Integrated", "Rejected"]
    assert words(integrate(seller, "Update", rows)) == ["Integrated", "Integrated"]


def test_an_offer_may_be_refused_on_one_channel(seller: Account) -> None:
    seller.twin.refuse_offer("P-100", "Not here.", channel="EXAMPLEPL")
    found = [words(integrate(seller, "Update", STOCK, channel)) for channel in ("CDISFR", "EXAMPLEPL")]
    assert found == [["Integrated"], ["Rejected"]]


def test_a_package_may_be_rejected_as_a_whole(seller: Account) -> None:
    seller.twin.reject_next_package()
    where = package(seller, "Update", STOCK)
    states = [seller.http.get(where, headers=CDISFR).json()["state"] for _ in range(3)]
    assert states == ["IntegrationPending", "Rejected", "Rejected"]
    assert seller.http.get(f"{where}/offer-requests-results", headers=CDISFR).json()["items"] == []
    assert seller.twin.state()["stock"]["P-100"] == 20


def test_a_reference_that_comes_twice_is_integrated_neither_time(seller: Account) -> None:
    rows = [*STOCK, {"sellerExternalReference": "P-101", "quantity": 1}, {**STOCK[0], "quantity": 4}]
    assert words(integrate(seller, "Update", rows)) == ["Duplicated", "Integrated", "Duplicated"]
    assert (seller.twin.state()["stock"]["P-100"], seller.twin.state()["stock"]["P-101"]) == (20, 1)


def test_an_update_changes_what_it_names_and_nothing_else(seller: Account) -> None:
    def told() -> dict[tuple[str, str], dict[str, Any]]:
        names = ("salesChannelId", "sellerExternalReference")
        return {(each[names[0]], each[names[1]]): each for each in seller.twin.state()["offers"]}

    before = told()
    row = sample("offer-requests.update-price.request.json")[0] | {"sellerExternalReference": "P-100"}
    integrate(seller, "Update", [row])
    changed = {"facialPrice": {"price": 38.5, "originPrice": 44.9}}
    assert told() == before | {("CDISFR", "P-100"): before["CDISFR", "P-100"] | changed}


def test_prices_are_per_channel_and_stock_is_shared(seller: Account) -> None:
    integrate(seller, "Update", [{**STOCK[0], "price": {"price": 12.5}}], "EXAMPLEPL")
    state = seller.twin.state()
    assert (str(state["prices"]["CDISFR"]["P-100"]), str(state["prices"]["EXAMPLEPL"]["P-100"])) == ("19.90", "12.50")
    found = [offers(seller, salesChannelId=key, fields="quantity")[0] for key in ("CDISFR", "EXAMPLEPL")]
    assert found == [{"quantity": 3}] * 2


def test_quantity_0_takes_an_offer_off_sale(seller: Account) -> None:
    integrate(seller, "Update", [{"sellerExternalReference": "P-100", "quantity": 0}])
    found = offers(seller, offerStates="Inactive")
    assert [each["sellerExternalReference"] for each in found] == ["P-100"]


def test_a_first_offer_has_to_be_an_upsert(seller: Account) -> None:
    update = words(integrate(seller, "Update", [{"sellerExternalReference": "NEW-1", "quantity": 1}]))
    made = words(integrate(seller, "Upsert", [upsert()]))
    again = words(integrate(seller, "Update", [{"sellerExternalReference": "NEW-1", "quantity": 1}]))
    assert (update, made, again) == (["Rejected"], ["Integrated"], ["Integrated"])
    found = offers(seller, sellerExternalReferences="NEW-1", fields="product,quantity,condition,facialPrice")
    assert found == [
        {
            "product": {"gtin": "3700000000012", "reference": "AUC3700000000012"},
            "condition": "New",
            "quantity": 1,
            "facialPrice": {"price": 39.9, "originPrice": 44.9},
        }
    ]


def test_another_channel_wants_the_product_live_on_cdiscount(seller: Account) -> None:
    assert words(integrate(seller, "Upsert", [upsert()], "EXAMPLEPL")) == ["Rejected"]


@pytest.mark.parametrize(
    "changed",
    [
        {"product": {}},
        {"deliveryModes": [{"code": "PIGEON", "cost": 1, "additionalCost": 0}]},
        {"price": {"price": 0}},
        {"price": {"price": 5, "currencyCode": "SEK"}},
        {"quantity": -1},
    ],
)
def test_an_offer_that_cannot_be_is_refused_in_the_results(seller: Account, changed: dict[str, Any]) -> None:
    (refused,) = integrate(seller, "Upsert", [upsert(**changed)])
    assert refused[1] == "Rejected"
    assert ("CDISFR", "NEW-1") not in seller.twin.offers.listed


def test_a_deleted_offer_is_gone_from_its_channel(seller: Account) -> None:
    row = {"sellerExternalReference": "P-100"}
    found = [words(integrate(seller, "Delete", [row])) for _ in range(2)]
    left = [key for key, sku in seller.twin.offers.listed if sku == "P-100"]
    assert (found, left) == ([["Integrated"], ["Rejected"]], ["EXAMPLEPL", "EXAMPLESE"])


def test_results_live_three_days(seller: Account) -> None:
    where = package(seller, "Update", STOCK)
    for _ in range(2):
        seller.http.get(where, headers=CDISFR)
    statuses = []
    for seconds in (3 * 86_400, 1):
        seller.twin.advance(seconds)
        seller.log_in()
        statuses.append(seller.http.get(f"{where}/offer-requests-results", headers=CDISFR).status_code)
    assert statuses == [200, 404]


def test_results_come_after_the_integration(seller: Account) -> None:
    where = package(seller, "Update", STOCK)
    assert seller.http.get(f"{where}/offer-requests-results", headers=CDISFR).status_code == 409


def test_results_are_paged_by_a_cursor_in_the_link(seller: Account) -> None:
    rows = [{"sellerExternalReference": f"P-10{index}", "quantity": index} for index in range(5)]
    where = package(seller, "Update", rows)
    for _ in range(2):
        seller.http.get(where, headers=CDISFR)
    pages = [seller.http.get(f"{where}/offer-requests-results?limit=2", headers=CDISFR)]
    while "next" in pages[-1].links:
        pages.append(seller.http.get(pages[-1].links["next"]["url"], headers=CDISFR))
    found = [each["sellerExternalReference"] for page in pages for each in page.json()["items"]]
    assert (len(pages), found) == (3, [row["sellerExternalReference"] for row in rows])


@pytest.mark.parametrize("kind", ["update", "UPDATE", "Full", None])
def test_the_type_of_a_package_is_case_sensitive(seller: Account, kind: str | None) -> None:
    assert seller.http.post("offer-packages", json={"packageType": kind}, headers=CDISFR).status_code == 400


def test_a_channel_that_the_seller_does_not_have_is_refused(seller: Account) -> None:
    headers = {"SalesChannelId": "NONE"}
    assert seller.http.post("offer-packages", json={"packageType": "Update"}, headers=headers).status_code == 400


def test_a_package_belongs_to_its_channel(seller: Account) -> None:
    where = package(seller, "Update", STOCK)
    assert seller.http.get(where, headers={"SalesChannelId": "EXAMPLEPL"}).status_code == 404


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"quantity": 1}, "[0].sellerExternalReference"),
        ({"sellerExternalReference": "X" * 51}, "[0].sellerExternalReference"),
        ({"sellerExternalReference": "P-100", "quantity": "1"}, "[0].quantity"),
        ({"sellerExternalReference": "P-100", "quantity": 1.5}, "[0].quantity"),
        ({"sellerExternalReference": "P-100", "price": 5}, "[0].price"),
        ({"sellerExternalReference": "P-100", "price": {"price": "5"}}, "[0].price"),
        ({"sellerExternalReference": "P-100", "price": {}}, "[0].price"),
        ({"sellerExternalReference": "P-100", "price": {"price": 5, "originPrice": "9"}}, "[0].price.originPrice"),
        ({"sellerExternalReference": "P-100", "product": "3700000000012"}, "[0].product"),
        ({"sellerExternalReference": "P-100", "deliveryModes": ["TRK"]}, "[0].deliveryModes"),
    ],
)
def test_a_request_of_a_wrong_kind_is_refused_at_once(seller: Account, row: dict[str, Any], field: str) -> None:
    where = seller.http.post("offer-packages", json={"packageType": "Update"}, headers=CDISFR)
    answer = seller.http.post(f"{where.headers['content-location']}/offer-requests", json=[row], headers=CDISFR)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


def test_a_call_takes_100_requests(seller: Account) -> None:
    made = seller.http.post("offer-packages", json={"packageType": "Update"}, headers=CDISFR)
    where = f"{made.headers['content-location']}/offer-requests"
    rows = [{"sellerExternalReference": f"X-{index}", "quantity": 1} for index in range(101)]
    found = [seller.http.post(where, json=each, headers=CDISFR).status_code for each in (rows, rows[:100], rows[100:])]
    assert found == [400, 201, 201]


def test_a_package_is_ready_once_and_takes_nothing_more(seller: Account) -> None:
    where = package(seller, "Update", STOCK)
    again = seller.http.patch(where, json={"state": "Ready"}, headers=CDISFR)
    more = seller.http.post(f"{where}/offer-requests", json=STOCK, headers=CDISFR)
    assert (again.status_code, more.status_code) == (409, 409)


def test_a_package_without_requests_is_not_ready(seller: Account) -> None:
    made = seller.http.post("offer-packages", json={"packageType": "Update"}, headers=CDISFR)
    answer = seller.http.patch(made.headers["content-location"], json={"state": "Ready"}, headers=CDISFR)
    assert answer.status_code == 409


def test_without_fields_much_of_an_offer_is_missing(seller: Account) -> None:
    assert set(offers(seller)[0]) == {"offerId", "sellerExternalReference", "offerState"}


def test_with_fields_an_offer_has_the_names_of_the_sample(seller: Account) -> None:
    (expected, _) = sample("offers.response.json")["items"]
    (found,) = offers(seller, fields=",".join(expected), gtins=seller.twin.offers.listed["CDISFR", "P-100"].gtin)
    assert not list(differences(expected, found))


def test_feedback_comes_when_it_is_expanded(seller: Account) -> None:
    assert "salesChannelFeedback" in offers(seller, expand="salesChannelFeedback")[0]


def test_offers_are_paged_by_a_cursor_in_the_link(seller: Account) -> None:
    query = {"salesChannelId": "CDISFR", "limit": "4", "fields": "sellerExternalReference,quantity"}
    pages = [seller.http.get("offers", params=query)]
    while "next" in pages[-1].links:
        pages.append(seller.http.get(pages[-1].links["next"]["url"]))
    items = [each for page in pages for each in page.json()["items"]]
    assert (len(pages), len({each["sellerExternalReference"] for each in items})) == (2, 8)
    assert all("quantity" in each for each in items)


@pytest.mark.parametrize(
    "query", [{"limit": 1001}, {"limit": 0}, {"cursor": "§"}, {"salesChannelId": ""}, {"salesChannelId": "NONE"}]
)
def test_offers_that_cannot_be_asked_for_are_refused(seller: Account, query: dict[str, Any]) -> None:
    answer = seller.http.get("offers", params={"salesChannelId": "CDISFR", **query})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, list(query))


def test_offers_that_changed_are_found_by_date(seller: Account) -> None:
    seller.twin.advance(60)
    seller.twin.add_offer("NEW-9", price="9.90", quantity=2)
    found = offers(seller, updatedAtMin="2026-03-09T23:00:00Z")
    assert [each["sellerExternalReference"] for each in found] == ["NEW-9"]


def test_the_skus_of_the_other_sandboxes_can_be_shared() -> None:
    with account(skus=("A-1", "A-2"), channels=("CDISFR",)) as seller:
        state = seller.twin.state()
    assert (list(state["stock"]), list(state["prices"])) == (["A-1", "A-2"], ["CDISFR"])
