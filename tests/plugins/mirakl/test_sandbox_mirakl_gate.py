"""What stands before every operation: the key, the role, the shop, the call frequency, the clock."""

from __future__ import annotations

import httpx
import pytest
from mirakl_sandbox_kit import KEY, STOCK, sample, served, upload

from crossdock_mirakl.sandbox import create

pytestmark = pytest.mark.usefixtures("switchboard")


@pytest.mark.parametrize("value", ["", "another-key", f"Bearer {KEY}"])
def test_only_the_raw_key_opens(api: httpx.Client, value: str) -> None:
    answer = api.get("/api/account", headers={"Authorization": value})
    assert (answer.status_code, answer.json()) == (401, {"status": 401, "message": "Unauthorized"})


@pytest.mark.parametrize("path", ["/api/nowhere", "/api/orders/90417001-A"])
def test_an_address_that_is_none_is_a_json_404(api: httpx.Client, path: str) -> None:
    assert api.get(path).json()["status"] == 404


def test_a_read_only_user_may_read_but_not_write() -> None:
    with served(read_only=True) as (_, api):
        assert api.get("/api/orders").status_code == 200
        assert upload(api, STOCK, "offer-sku;quantity\nP-100;1\n").status_code == 403


@pytest.mark.parametrize(("shop_id", "status"), [("2417", 200), ("9", 403), ("x", 400)])
def test_the_shop_must_be_one_of_the_user(api: httpx.Client, shop_id: str, status: int) -> None:
    assert api.get("/api/account", params={"shop_id": shop_id}).status_code == status


def test_without_a_shop_the_default_shop_answers_silently() -> None:
    with served(default_shop_id=2400) as (twin, api):
        twin.place_order([{"sku": "P-100"}])
        assert api.get("/api/orders").json()["total_count"] == 0
        assert api.get("/api/orders", params={"shop_id": "2417"}).json()["total_count"] == 1
        assert api.get("/api/account").json()["shop_id"] == 2400


def test_calls_are_free_unless_limits_are_strict(api: httpx.Client) -> None:
    assert [api.get("/api/orders").status_code for _ in range(5)] == [200] * 5


def test_a_strict_operator_answers_429_until_the_time_it_tells_has_passed() -> None:
    with served(strict_limits=True) as (twin, api):
        twin.seed_orders(12)
        assert api.get("/api/orders").status_code == 200
        refused = api.get("/api/orders")
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "60")
        assert refused.json() == sample("errors.json")["cases"][5]["body"]
        twin.advance(60)
        assert api.get("/api/orders").status_code == 200


def test_further_pages_of_a_list_are_the_same_call_to_a_strict_operator() -> None:
    with served(strict_limits=True) as (twin, api):
        twin.seed_orders(12)
        first = api.get("/api/orders")
        assert api.get(first.links["next"]["url"]).status_code == 200


def test_limits_can_be_those_of_an_external_partner() -> None:
    with served(strict_limits=True, limits={"OR11": 900}) as (_, api):
        api.get("/api/orders")
        assert api.get("/api/orders").headers["Retry-After"] == "900"


def test_answers_are_dated_by_the_clock_of_the_operator() -> None:
    with served() as (twin, api):
        twin.advance(3600)
        assert api.get("/api/version").headers["Date"] == "Tue, 10 Mar 2026 07:20:54 GMT"


def test_calls_are_counted_by_operation() -> None:
    with served() as (twin, api):
        api.get("/api/orders")
        api.get("/api/orders")
        api.get("/api/platform/configuration")
        assert twin.state()["calls"] == {"OR11": 2, "PC01": 1}


def test_the_settings_are_those_of_a_working_connection() -> None:
    with served() as (twin, _):
        settings = twin.settings(twin.base_url)
        headers = {"Authorization": settings["api_key"]}
        url = f"{settings['base_url']}/api/account?shop_id={settings['shop_id']}"
        assert httpx.get(url, headers=headers).json()["shop_id"] == 2417


def test_actions_are_behind_the_control_door(api: httpx.Client) -> None:
    order = {"lines": [{"sku": "P-100", "quantity": 1, "price": "9.90"}], "accepted": True}
    placed = api.post("/_sandbox/do/place_order", json=order).json()
    assert api.get("/_sandbox/state").json()["orders"][0]["order_id"] == placed


@pytest.mark.parametrize(
    "options",
    [{"tax_mode": "NET"}, {"workflow": "LATER"}, {"delimiter": "TAB"}, {"channel_pricing": "SOME"}, {"channels": "XX"}],
    ids=lambda options: next(iter(options)),
)
def test_an_option_that_is_none_is_named(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        create(**options)  # type: ignore[arg-type]


def test_the_same_options_make_the_same_sandbox() -> None:
    states = [create(orders=20, seed=7, clock=None).state()["orders"] for _ in range(2)]
    assert states[0] == states[1]
