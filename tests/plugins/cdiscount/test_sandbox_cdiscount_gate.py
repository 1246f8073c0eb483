"""What stands before every method of the sandbox: token, seller, language, limits, and the shape of a refusal."""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import httpx
import pytest
from cdiscount_sandbox_kit import NOW, Account, account, differences, sample

from crossdock_cdiscount.sandbox import create


@pytest.fixture
def seller(switchboard: None) -> Iterator[Account]:
    with account() as made:
        yield made


def test_the_token_answer_is_that_of_the_sample(seller: Account) -> None:
    assert not list(differences(sample("token.response.json"), seller.token().json()))


def test_each_token_is_another(seller: Account) -> None:
    assert len({seller.token().json()["access_token"] for _ in range(3)}) == 3


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "somebody"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": ""}, 400, "invalid_request"),
    ],
)
def test_a_token_is_refused_with_error_and_description(
    seller: Account, form: dict[str, str], status: int, error: str
) -> None:
    answer = seller.token(**form)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json().keys() == sample("token.error.response.json").keys()


def test_a_token_is_asked_for_by_form_and_not_by_json(seller: Account) -> None:
    form = sample("token.request.form.json")
    assert seller.http.post(seller.settings["token_url"], json=form).status_code == 400


def test_a_token_lives_two_hours(seller: Account) -> None:
    seller.twin.advance(7199)
    before = seller.http.get("sellers").status_code
    seller.twin.advance(1)
    assert (before, seller.http.get("sellers").status_code) == (200, 401)


def test_tokens_that_expire_at_once_are_401_until_there_is_a_new_one(seller: Account) -> None:
    gone = seller.twin.expire_tokens()
    refused = seller.http.get("orders")
    seller.log_in()
    assert (gone, refused.status_code, seller.http.get("orders").status_code) == (1, 401, 200)


@pytest.mark.usefixtures("switchboard")
def test_strict_limits_give_500_tokens_an_hour() -> None:
    with account(strict_limits=True) as seller:
        statuses = [seller.token().status_code for _ in range(499)]
        refused = seller.token()
        seller.twin.advance(3600)
        again = seller.token()
    assert set(statuses) == {200}
    assert (refused.status_code, refused.headers["retry-after"], again.status_code) == (429, "3600", 200)


@pytest.mark.usefixtures("switchboard")
def test_strict_limits_hold_for_the_api_too() -> None:
    with account(strict_limits=True, calls_per_minute=2) as seller:
        answers = [seller.http.get("carriers") for _ in range(3)]
        seller.twin.advance(60)
        again = seller.http.get("carriers")
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert (answers[2].headers["retry-after"], again.status_code) == ("60", 200)


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("Authorization", "Bearer invented", 401),
        ("Authorization", "Basic abc", 401),
        ("Authorization", "", 401),
        ("SellerId", "", 403),
        ("SellerId", "12345", 403),
        ("Accept-Language", "", 400),
        ("Accept-Language", "sv-SE", 406),
    ],
)
def test_a_header_that_is_missing_or_wrong_is_refused(seller: Account, header: str, value: str, status: int) -> None:
    assert seller.http.get("sellers", headers={header: value}).status_code == status


def test_a_refusal_is_problem_json_with_a_trace_of_its_own(seller: Account) -> None:
    answers = [seller.http.get("orders/none"), seller.http.get("sellers", headers={"SellerId": "1"})]
    assert {each.headers["content-type"] for each in answers} == {"application/problem+json; charset=utf-8"}
    assert len({each.json()["traceId"] for each in answers}) == 2


def test_a_refused_field_is_named_as_in_the_sample(seller: Account) -> None:
    case = sample("errors.json")["cases"][0]
    answer = seller.http.post("offer-packages", json={"packageType": "Update"})
    body = answer.json()
    assert answer.status_code == case["http"]
    assert {**body, "traceId": ""} == {**case["body"], "traceId": ""}


def test_an_unknown_address_is_a_404(seller: Account) -> None:
    assert seller.http.delete("orders").status_code == seller.http.get("webhooks").status_code == 404


@pytest.mark.parametrize(
    ("content", "kind", "status"), [(b"{", "application/json", 400), (b"{}", "text/plain", 415), (b"", "", 415)]
)
def test_a_body_that_is_no_json_is_refused(seller: Account, content: bytes, kind: str, status: int) -> None:
    order = seller.twin.place_order([{"sku": "P-100"}])
    answer = seller.http.post(f"orders/{order}/approval-status", content=content, headers={"Content-Type": kind})
    assert answer.status_code == status


def test_answers_are_dated_by_the_sandbox_clock(seller: Account) -> None:
    seller.twin.advance(86_400)
    seller.log_in()
    assert (parsedate_to_datetime(seller.http.get("sellers").headers["date"]) - NOW).total_seconds() == 86_400


def test_the_seller_is_named_by_id_and_login(seller: Account) -> None:
    body = seller.http.get("sellers").json()
    assert (str(body["id"]), body["login"]) == (seller.settings["seller_id"], seller.settings["login"])


def test_subscriptions_list_the_channels_with_their_currencies(seller: Account) -> None:
    seller.twin.end_subscription("EXAMPLESE")
    items = seller.http.get("sellers/subscriptions").json()["items"]
    names = ("salesChannelId", "submissionCurrency", "paymentCurrency", "status")
    assert [tuple(each[name] for name in names) for each in items] == [
        ("CDISFR", "EUR", "EUR", "Active"),
        ("EXAMPLEPL", "EUR", "PLN", "Active"),
        ("EXAMPLESE", "SEK", "SEK", "Inactive"),
    ]


def test_delivery_modes_are_those_of_the_sample(seller: Account) -> None:
    assert seller.http.get("sellers/delivery-modes").json() == sample("delivery-modes.response.json")


def test_carriers_are_a_bare_list_whose_codes_are_not_unique(seller: Account) -> None:
    carriers = seller.http.get("carriers").json()
    assert carriers[:7] == sample("carriers.response.json")
    assert len({each["code"] for each in carriers}) < len(carriers)


@pytest.mark.parametrize("path", ["sellers/addresses", "sellers/indicators", "stocks"])
def test_the_rest_of_the_account_can_be_read(seller: Account, path: str) -> None:
    assert seller.http.get(path).json()["items"]


def test_actions_and_calls_are_behind_the_control_door(seller: Account) -> None:
    base = seller.twin.base_url
    order = seller.http.post(f"{base}/_sandbox/do/place_order", json={"lines": [{"sku": "P-100"}]}).json()
    seller.http.get("orders")
    state = seller.http.get(f"{base}/_sandbox/state").json()
    assert [each["orderId"] for each in state["orders"]] == [order]
    assert state["calls"] == {"POST token": 1, "GET /orders": 1}


def test_every_action_is_a_method_of_the_same_name() -> None:
    twin = create()
    assert all(getattr(twin, name) == action for name, action in twin.actions().items())


def test_two_sandboxes_with_the_same_options_are_the_same() -> None:
    first, second = (create(orders=30, clock=lambda: NOW).state() for _ in range(2))
    assert first == second


def test_faults_of_the_base_work_here_too(seller: Account) -> None:
    seller.twin.fault("html", path="/orders")
    assert httpx.Response(200, content=seller.http.get("orders").content).text.startswith("<!DOCTYPE html>")
