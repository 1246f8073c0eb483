"""Verify: what each step finds, what it says to do, and that it writes nothing."""

from __future__ import annotations

import json

import pytest

from crossdock import Check, SettingsError
from crossdock.settings import build
from crossdock_cdiscount import plugin
from crossdock_cdiscount.settings import Settings, endpoint


def steps(shop, **values: str) -> dict[str, Check]:
    return {check.name: check for check in plugin.verify(shop.connect(**values))}


def test_a_working_account_has_no_red_step(shops):
    found = steps(shops(orders=3), sales_channels="CDISFR")

    assert {name: check.state for name, check in found.items()} == dict.fromkeys(
        ("Token", "Seller", "Sales channels", "Orders", "Offers", "Carriers"), "ok"
    )


def test_nothing_is_written(shops):
    shop = shops()

    steps(shop)

    assert {each["method"] for each in shop.requests if "/seller/v2" in each["path"]} == {"GET"}


def test_the_channels_can_be_chosen_from_what_verify_found(shops):
    found = steps(shops(channels=("CDISFR", "EXAMPLEPL")))

    assert found["Sales channels"].facts == {"sales_channels": ["CDISFR", "EXAMPLEPL"]}


def test_taking_all_channels_warns_of_double_orders(shops):
    check = steps(shops())["Sales channels"]

    assert check.state == "warn"
    assert "orders come twice" in check.hint


def test_all_of_one_channel_is_no_reason_to_warn(shops):
    assert steps(shops(channels=("CDISFR",)))["Sales channels"].state == "ok"


def test_unknown_channels_fail_with_the_list(shops):
    check = steps(shops(), sales_channels="CDISFR,RAKUTEN")["Sales channels"]

    assert check.state == "fail"
    assert "no sales channel RAKUTEN" in check.detail
    assert "CDISFR" in check.detail
    assert "EXAMPLEPL" in check.detail


def test_a_chosen_channel_whose_subscription_ended_warns(shops):
    shop = shops()
    shop.twin.end_subscription("EXAMPLEPL")

    assert steps(shop, sales_channels="EXAMPLEPL")["Sales channels"].state == "warn"


@pytest.mark.parametrize("values", [{"client_secret": "wrong"}, {"client_id": "nobody"}])
def test_wrong_credentials_name_the_ways_to_get_right_ones(shops, values):
    found = steps(shops(), **values)

    assert [check.state for check in found.values()] == ["fail"]
    assert "three ways" in found["Token"].hint


def test_a_seller_who_is_not_linked_is_told_how_to_link(shops):
    check = steps(shops(), seller_id="1")["Seller"]

    assert check.state == "fail"
    assert "not linked" in check.hint
    assert "(trace " in check.detail


def test_another_login_is_another_account(shops):
    check = steps(shops(), login="somebody-else")["Seller"]

    assert check.state == "fail"
    assert "sandbox-seller, not somebody-else" in check.detail


def test_no_login_is_no_reason_to_fail(shops):
    assert steps(shops(), login="")["Seller"].state == "ok"


def test_the_login_is_sent_nowhere(shops):
    shop = shops(login="only-for-comparing")

    steps(shop)

    assert "only-for-comparing" not in json.dumps(shop.requests)


def answered(shop, path: str, value: object) -> None:
    shop.twin.fault("status", path=path, status=200, body=json.dumps(value), times=9,
                    headers={"Content-Type": "application/json"})  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ({"id": 98979, "login": "sandbox-seller"}, "ok"),
        ({"seller": {"id": "98979", "login": "SANDBOX-SELLER"}}, "ok"),
        ({"items": [{"sellerId": 5}, {"sellerId": 98979, "sellerLogin": "sandbox-seller"}]}, "ok"),
        ({"id": 4}, "fail"),
        ({"id": 98979, "login": "sandbox-seller", "state": "Closed"}, "fail"),
        ({"id": 98979}, "warn"),
        ({"shopName": "Somebody"}, "warn"),
        ([], "warn"),
    ],
)
def test_a_seller_is_compared_under_whatever_names_it_comes(shops, answer, state):
    shop = shops()
    answered(shop, "/sellers$", answer)

    assert steps(shop)["Seller"].state == state


@pytest.mark.parametrize(
    "answer",
    [
        [{"salesChannelId": "CDISFR", "status": "Active"}],
        {"items": [{"salesChannel": {"id": "CDISFR", "name": "Cdiscount"}}]},
        [{"salesChannel": "CDISFR"}],
    ],
)
def test_channels_are_found_under_whatever_names_they_come(shops, answer):
    shop = shops()
    answered(shop, "/subscriptions$", answer)

    assert steps(shop)["Sales channels"].facts == {"sales_channels": ["CDISFR"]}


def test_a_seller_without_channels_fails(shops):
    shop = shops()
    answered(shop, "/subscriptions$", {"items": []})

    assert steps(shop)["Sales channels"].state == "fail"


def test_a_count_that_is_no_number_fails_since_orders_could_be_lost(shops):
    shop = shops()
    answered(shop, "/orders/count", {"count": 4})

    assert steps(shop)["Orders"].state == "fail"


def test_carriers_that_cannot_be_read_only_warn(shops):
    shop = shops()
    shop.twin.fault("status", path="/carriers", status=404)

    assert steps(shop)["Carriers"].state == "warn"


# -- settings --------------------------------------------------------------------------------------

GIVEN = {"client_id": "id", "client_secret": "s", "seller_id": "98979"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seller_id", "my-shop"), ("language", "de-DE"), ("api_url", "octopia"), ("token_url", "ftp://auth"),
        ("calls_per_minute", "0"), ("client_secret", "https://onetimesecret.com/secret/x"), ("shipping_per", "box"),
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused(name, value):
    with pytest.raises(SettingsError) as caught:
        build(Settings, {**GIVEN, name: value})

    assert list(caught.value.problems) == [name]


def test_each_call_names_seller_and_language():
    headers = endpoint(build(Settings, {**GIVEN, "language": "es-ES"})).headers

    assert headers == {"SellerId": "98979", "Accept-Language": "es-ES"}


def test_tokens_stay_below_five_hundred_an_hour():
    token = endpoint(build(Settings, GIVEN)).token

    assert token is not None
    assert token.budget is not None
    assert token.budget.calls + token.budget.burst <= 500
    assert token.budget.per.total_seconds() == 3600


def test_orders_are_read_every_ten_minutes_by_default():
    assert plugin.connector_info().streams["orders"].every.total_seconds() == 600
