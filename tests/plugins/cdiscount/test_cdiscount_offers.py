"""Reading offers: products and stock once per SKU, prices once per channel."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from cdiscount_kit import balanced

from crossdock import ByKeys, Since
from crossdock_cdiscount import offers, plugin


def records(pages) -> list:
    found = list(pages)
    assert all(balanced(page) for page in found)
    return [record for page in found for record in page.records]


def listed(shop, channel: str, *items: dict) -> None:
    """What GET /offers of a channel answers once."""
    shop.twin.fault("status", path=rf"/offers\?.*salesChannelId={channel}", status=200, times=1,
                    body=json.dumps({"items": list(items)}), headers={"Content-Type": "application/json"})  # fmt: skip


def test_the_samples_offers_are_read(shops, sample_bytes):
    shop = shops(channels=("CDISFR",))
    listed(shop, "CDISFR", *json.loads(sample_bytes("offers.response.json"))["items"])

    found = records(plugin.fetch_prices(shop.connect(), Since()))

    assert [(each.sku, each.amount, each.price_list, each.includes_tax) for each in found] == [
        ("KETTLE-17-BLK", Decimal("38.5"), "CDISFR", True), ("TOASTER-2S-RED", Decimal("24.99"), "CDISFR", True),
    ]  # fmt: skip


@pytest.mark.parametrize("limit", [3, 8, 1000])
def test_pages_of_offers_are_followed_to_the_end(shops, monkeypatch, limit):
    monkeypatch.setattr(offers, "_LIMIT", limit)
    shop = shops(channels=("CDISFR",))

    found = records(plugin.fetch_products(shop.connect(), Since()))

    assert {each.sku for each in found} == set(shop.twin.skus)
    assert len(found) == len(shop.twin.skus)


def test_every_field_that_is_read_is_asked_for(shops):
    shop = shops(channels=("CDISFR",))

    records(plugin.fetch_products(shop.connect(), Since()))

    assert "fields=" in shop.asked("GET", "/offers")[0]["query"]


def test_prices_come_once_per_channel(shops):
    shop = shops()

    found = records(plugin.fetch_prices(shop.connect(), ByKeys(("P-100",))))

    assert [(each.price_list, each.currency) for each in found] == [
        ("CDISFR", "EUR"), ("EXAMPLEPL", "EUR"), ("EXAMPLESE", "SEK"),
    ]  # fmt: skip


def test_products_come_once_per_sku_with_the_state_on_each_channel(shops):
    shop = shops()

    found = records(plugin.fetch_products(shop.connect(), Since()))

    assert len(found) == len({each.sku for each in found}) == len(shop.twin.skus)
    assert set(found[0].extras["offerStates"]) == {"CDISFR", "EXAMPLEPL", "EXAMPLESE"}


def test_stock_comes_once_per_sku(shops):
    shop = shops()

    found = records(plugin.fetch_balance(shop.connect(warehouse="LYON"), Since()))

    assert {each.sku: each.available for each in found} == shop.twin.state()["stock"]
    assert {each.warehouse for each in found} == {"LYON"}


def test_stock_that_differs_between_channels_is_the_lowest_and_shows_all(shops):
    shop = shops(channels=("CDISFR", "EXAMPLEPL"))
    listed(shop, "CDISFR", {"sellerExternalReference": "P-100", "quantity": 9})
    listed(shop, "EXAMPLEPL", {"sellerExternalReference": "P-100", "quantity": 4})

    (found,) = records(plugin.fetch_balance(shop.connect(), Since()))

    assert found.available == 4
    assert found.extras["channels"] == {"CDISFR": "9", "EXAMPLEPL": "4"}


def test_only_chosen_channels_are_asked(shops):
    shop = shops()

    records(plugin.fetch_balance(shop.connect(sales_channels="EXAMPLEPL"), Since()))

    assert all("salesChannelId=EXAMPLEPL" in each["query"] for each in shop.asked("GET", "/offers"))


def test_named_skus_alone_are_read(shops):
    shop = shops()

    found = records(plugin.fetch_balance(shop.connect(), ByKeys(("P-103", "P-101", "NOPE"))))

    assert {each.sku for each in found} == {"P-101", "P-103"}


@pytest.mark.parametrize("hook", [plugin.fetch_products, plugin.fetch_prices, plugin.fetch_balance])
def test_an_offer_without_reference_is_rejected_and_the_others_go_on(shops, hook):
    shop = shops(channels=("CDISFR",))
    listed(shop, "CDISFR", {"quantity": 1, "facialPrice": {"price": 1}},
           {"sellerExternalReference": "P-1", "quantity": 1, "facialPrice": {"price": 1}})  # fmt: skip

    pages = list(hook(shop.connect(), Since()))

    assert [len(page.rejects) for page in pages] == [1]
    assert [record.sku for page in pages for record in page.records] == ["P-1"]


def test_an_offer_without_quantity_says_nothing_of_stock(shops):
    shop = shops(channels=("CDISFR",))
    listed(shop, "CDISFR", {"sellerExternalReference": "P-1"})

    (page,) = plugin.fetch_balance(shop.connect(), Since())

    assert page.skipped == {"offer without a quantity": 1}


def test_a_closed_channel_is_left_out_of_all(shops):
    shop = shops()
    shop.twin.end_subscription("EXAMPLESE")

    found = records(plugin.fetch_prices(shop.connect(), ByKeys(("P-100",))))

    assert {each.price_list for each in found} == {"CDISFR", "EXAMPLEPL"}
