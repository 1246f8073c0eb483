"""What stands before every method: login, client, rights, cookies, rate limits, paging."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from extend_kit import connect, login, sample
from sandbox_kit import TLS, FrozenClock, plug

from crossdock_extendcommerce.sandbox import ExtendSandbox, create

SINCE = {"modifiedDateFrom": "2026-09-01T00:00:00"}


@contextmanager
def served(**options: Any) -> Iterator[tuple[ExtendSandbox, httpx.Client]]:
    sandbox = create(**options)
    sandbox.seed(5)
    with connect(plug(sandbox)) as client:
        yield sandbox, client


def place_orders(client: httpx.Client, count: int) -> None:
    order = sample("order-create-minimal.request.json")
    order["orderRows"][0]["product"]["productNumber"] = "SKU-00001"
    for index in range(count):
        order["orderHeader"]["orderNumberExternal"] = f"WEB-{index}"
        assert client.post("CustomerOrders", json=order).status_code == 200


@pytest.mark.parametrize(
    ("option", "sent", "status"),
    [
        ("ExtendBasicAuthorization", "ExtendBasicAuthorization", 200),
        ("ExtendBasicAuthorization", "Authorization", 401),
        ("Authorization", "Authorization", 200),
        ("Authorization", "ExtendBasicAuthorization", 401),
        ("both", "Authorization", 200),
        ("both", "ExtendBasicAuthorization", 200),
    ],
)
def test_the_login_is_read_from_the_chosen_header(option: str, sent: str, status: int) -> None:
    url = plug(create(auth_header=option))
    answer = httpx.get(f"{url}/RESTAPI/v1_0/APIDEMO/Countries", headers={sent: login()}, verify=TLS)
    assert answer.status_code == status


@pytest.mark.parametrize("value", [login(password="wrong"), "Basic ???", "Bearer abc", ""])
def test_a_wrong_login_is_a_401(api: httpx.Client, value: str) -> None:
    assert api.get("Countries", headers={"ExtendBasicAuthorization": value}).status_code == 401


def test_another_client_in_the_path_is_a_404(api: httpx.Client) -> None:
    assert api.get(str(api.base_url).replace("APIDEMO", "OTHER") + "Countries").status_code == 404


def test_a_client_name_is_unescaped() -> None:
    url = plug(create(client="AB/C D"))
    headers = {"ExtendBasicAuthorization": login()}
    answer = httpx.get(f"{url}/RESTAPI/v1_0/AB%2FC%20D/Countries", headers=headers, verify=TLS)
    assert answer.status_code == 200


def test_a_read_only_user_may_not_even_ask_for_a_promise() -> None:
    with served(read_only=True) as (_, client):
        statuses = [client.get("Countries").status_code]
        order = sample("order-create-minimal.request.json")
        statuses += [client.post(path, json=order).status_code for path in ("CustomerOrders", "CustomerOrderATP")]
    assert statuses == [200, 403, 403]


def test_a_cookie_sent_back_too_often_turns_answers_into_400() -> None:
    with served(cookie_limit=3) as (_, client):
        assert [client.get("Countries").status_code for _ in range(5)] == [200, 200, 200, 200, 400]


def test_without_cookies_nothing_happens() -> None:
    with served(cookie_limit=3) as (_, client):
        statuses = []
        for _ in range(6):
            statuses.append(client.get("Countries").status_code)
            client.cookies.clear()
    assert statuses == [200] * 6


def test_every_answer_tells_the_rate_limit(api: httpx.Client, vendor_clock: FrozenClock) -> None:
    answer = api.get("CustomerOrders/1")
    reset = int(answer.headers["x-ratelimit-reset"])
    assert answer.status_code == 404
    assert (answer.headers["x-ratelimit-limit"], answer.headers["x-ratelimit-remaining"]) == ("300", "299")
    assert 0 < reset - vendor_clock().timestamp() <= 60


@pytest.mark.parametrize(("path", "limit"), [("CustomerOrderATP", "60"), ("Countries", "3000"), ("Products", "300")])
def test_methods_belong_to_rate_groups(api: httpx.Client, path: str, limit: str) -> None:
    answer = api.post(path, json={}) if path == "CustomerOrderATP" else api.get(path)
    assert answer.headers["x-ratelimit-limit"] == limit


def test_list_and_detail_share_one_limit_and_other_resources_do_not(vendor_clock: FrozenClock) -> None:
    with served(clock=vendor_clock, rate_limits={"standard": 2}) as (_, client):
        paths = ("Products", "Products/SKU-00001", "Products", "Customers")
        assert [client.get(path).status_code for path in paths] == [200, 200, 429, 200]


def test_over_the_limit_is_a_429_until_the_minute_is_over(vendor_clock: FrozenClock) -> None:
    with served(clock=vendor_clock, rate_limits={"standard": 1}) as (sandbox, client):
        client.get("Products")
        refused = client.get("Products")
        sandbox.advance(60)
        again = client.get("Products")
    assert (refused.status_code, again.status_code) == (429, 200)
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert "retry-after" not in refused.headers


def test_a_429_may_carry_retry_after(vendor_clock: FrozenClock) -> None:
    with served(clock=vendor_clock, rate_limits={"standard": 0}, retry_after=True) as (_, client):
        assert client.get("Products").headers["retry-after"] == "57"


def test_limits_that_are_not_enforced_are_still_told() -> None:
    with served(rate_limits={"standard": 1}, enforce_limits=False) as (_, client):
        answers = [client.get("Products") for _ in range(3)]
    assert [each.status_code for each in answers] == [200] * 3
    assert answers[-1].headers["x-ratelimit-remaining"] == "0"


def test_generous_limits_are_a_million() -> None:
    with served(generous=True) as (_, client):
        assert client.get("Products").headers["x-ratelimit-limit"] == "1000000"


def test_an_order_list_without_a_date_times_out(api: httpx.Client) -> None:
    answer = api.get("CustomerOrders", params={"customerNumber": "K-4410"})
    assert answer.status_code == 400
    assert "Timeout expired" in answer.json()["Message"]


@pytest.mark.parametrize(
    "query",
    [
        SINCE,
        {"orderDateFrom": "2026-09-01T00:00:00"},
        {"orderNumber": "1"},
        {"orderNumberExternal": "x"},
    ],
)
def test_an_order_list_with_a_date_or_a_number_answers(api: httpx.Client, query: dict[str, str]) -> None:
    assert api.get("CustomerOrders", params=query).json() == []


def test_the_bare_array_is_paged_from_zero_and_ends_in_a_400() -> None:
    with served() as (_, client):
        place_orders(client, 5)
        answers = [client.get("CustomerOrders", params={**SINCE, "pageCount": 2, "pageOffset": n}) for n in range(4)]
    assert [len(each.json()) for each in answers[:3]] == [2, 2, 1]
    assert answers[3].status_code == 400


def test_the_bare_array_may_end_in_an_empty_page() -> None:
    with served(past_end="empty") as (_, client):
        assert client.get("CustomerOrders", params={**SINCE, "pageOffset": 3}).json() == []


def test_the_other_lists_are_paged_from_one_and_end_in_a_400() -> None:
    with served(page_size=2) as (_, client):
        answers = [client.get("ProductAvailability", params={"pageNumber": n}) for n in range(1, 5)]
    assert [len(each.json()["productAvailabilityList"]) for each in answers[:3]] == [2, 2, 1]
    assert answers[0].json()["paginationInfo"] == {
        "currentPage": 1,
        "totalPages": 3,
        "pageSize": 2,
        "totalResources": 5,
        "message": None,
    }
    assert answers[3].status_code == 400


@pytest.mark.parametrize("query", [{"pageNumber": "0"}, {"pageNumber": "one"}])
def test_a_page_number_that_is_none_is_a_400(api: httpx.Client, query: dict[str, str]) -> None:
    assert api.get("Customers", params=query).status_code == 400


def test_a_query_date_without_offset_is_utc(api: httpx.Client) -> None:
    api.post("CustomerOrders", json=sample("order-create-minimal.request.json"))  # changed at 06:14:03.5 UTC

    def found(date: str) -> int:
        return len(api.get("CustomerOrders", params={"modifiedDateFrom": date}).json())

    assert [found("2026-09-15T06:14:03"), found("2026-09-15T06:14:04")] == [1, 0]
    assert [found("2026-09-15T08:14:03+02:00"), found("2026-09-15T06:14:04Z")] == [1, 0]


def test_a_plus_that_was_not_escaped_is_a_400(api: httpx.Client) -> None:
    assert api.get("CustomerOrders?modifiedDateFrom=2026-09-15T08:14:03+02:00").status_code == 400


def test_dates_come_in_swedish_time_with_any_number_of_digits_and_sometimes_no_offset() -> None:
    with served(generous=True) as (_, client):
        place_orders(client, 40)
        rows = client.get("CustomerOrders", params={"modifiedDateFrom": "2020-01-01T00:00:00"}).json()
    dates = [row["changeDate"] for row in rows]
    digits = {len(date[19:].split("+")[0].removeprefix(".")) for date in dates}
    assert 7 in digits
    assert min(digits) < 7
    assert {"+" in date for date in dates} == {True, False}


def test_every_nth_write_is_a_deadlock_that_did_nothing() -> None:
    with served(deadlock_every=2) as (sandbox, client):
        order = sample("order-create-minimal.request.json")
        order["orderRows"][0]["product"]["productNumber"] = "SKU-00001"
        answers = [client.post("CustomerOrders", json=order) for _ in range(4)]
    assert [each.status_code for each in answers] == [200, 400, 200, 400]
    assert "Rerun the transaction" in answers[1].json()["Message"]
    assert len(sandbox.state()["orders"]) == 2


def test_a_planned_time_out_hides_in_a_400(api: httpx.Client, twin: ExtendSandbox) -> None:
    twin.sql_timeout(path="Countries")
    answers = [api.get("Countries"), api.get("Countries")]
    assert [each.status_code for each in answers] == [400, 200]
    assert "Timeout expired" in answers[0].json()["Message"]


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"{}", "text/plain", 415),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(api: httpx.Client, content: bytes, kind: str, status: int) -> None:
    assert api.post("CustomerOrders", content=content, headers={"Content-Type": kind}).status_code == status


def test_settings_are_a_working_connection(twin: ExtendSandbox) -> None:
    settings = twin.settings(plug(twin))
    header = {"ExtendBasicAuthorization": login(settings["username"], settings["password"])}
    answer = httpx.get(f"{settings['api_url']}/v1_0/{settings['client']}/Countries", headers=header, verify=TLS)
    assert answer.status_code == 200


def test_actions_are_behind_the_control_door(twin: ExtendSandbox) -> None:
    url = plug(twin)
    answer = httpx.post(f"{url}/_sandbox/do/seed", json={"count": 3}, verify=TLS)
    state = httpx.get(f"{url}/_sandbox/state", verify=TLS).json()
    assert answer.json() == ["SKU-00001", "SKU-00002", "SKU-00003"]
    assert len(state["products"]) == 5
