"""Reading offers: products and stock once per SKU, prices once per channel."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from cdiscount_kit import balanced

from crossdock import ByKeys, PluginError, Since
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

    assert sum(len(page.rejects) for page in pages) == 1
    assert [record.sku for page in pages for record in page.records] == ["P-1"]


def test_an_offer_without_quantity_says_nothing_of_stock(shops):
    shop = shops(channels=("CDISFR",))
    listed(shop, "CDISFR", {"sellerExternalReference": "P-1"})

    pages = plugin.fetch_balance(shop.connect(), Since())

    assert [page.skipped for page in pages if page.skipped] == [{"offer without a quantity": 1}]


@pytest.mark.parametrize(
    ("hook", "key"),
    [
        (plugin.fetch_products, "P-103"), (plugin.fetch_prices, "P-103|CDISFR||EUR|1"),
        (plugin.fetch_balance, "P-103@LYON"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("field", ["quantity", "sellerExternalReference"])
def test_an_unreadable_offer_is_parked_under_the_key_of_its_record(shops, hook, key, field):
    shop = shops(channels=("CDISFR",))
    shop.twin.offers.bent["P-103"] = {field: {"of": "another shape"}}

    rejects = [error for page in hook(shop.connect(warehouse="LYON"), Since()) for error in page.rejects]

    expected = key if field == "quantity" else f"unnamed-{rejects[0].key[8:]}"
    assert [(each.key, each.path) for each in rejects] == [(expected, field)]


# -- what changed since the last run


def run(hook, session, cursor: str | None = None) -> tuple[set[str], str | None]:
    """The SKUs of a run, and its bookmark."""
    found = list(hook(session, Since(cursor)))
    return {record.sku for page in found for record in page.records}, found[-1].cursor


HOOKS = (plugin.fetch_products, plugin.fetch_prices, plugin.fetch_balance)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_later_run_reads_what_changed_since(shops, hook):
    shop = shops()
    session = shop.connect()
    shop.twin.advance(2 * 3600)
    skus, cursor = run(hook, session)
    shop.twin.advance(2 * 3600)
    shop.twin.offers.set_stock("P-102", 3)

    assert skus == set(shop.twin.skus)
    assert run(hook, session, cursor)[0] == {"P-102"}


@pytest.mark.parametrize("hook", HOOKS)
def test_what_changed_while_a_run_was_reading_is_in_the_next_one(shops, hook):
    shop = shops()
    session = shop.connect()
    shop.twin.advance(2 * 3600)
    asked = []

    def sell(method: str, path: str) -> None:
        asked.append(path)
        if "/offers?" in path and sum("/offers?" in each for each in asked) == 3:
            shop.twin.offers.set_stock("P-105", 1)

    shop.twin.between = sell
    _, cursor = run(hook, session)
    shop.twin.between = None

    assert "P-105" in run(hook, session, cursor)[0]


def test_an_article_that_changed_on_one_channel_is_read_on_all(shops):
    shop = shops()
    session = shop.connect()
    shop.twin.advance(2 * 3600)
    _, cursor = run(plugin.fetch_products, session)
    shop.twin.advance(2 * 3600)
    offer = shop.twin.offers.listed["EXAMPLESE", "P-104"]
    offer.condition, offer.updated = "Refurbished", shop.twin.clock.now()

    (product,) = records(plugin.fetch_products(session, Since(cursor)))

    assert set(product.extras["offerStates"]) == {"CDISFR", "EXAMPLEPL", "EXAMPLESE"}


@pytest.mark.parametrize("hook", HOOKS)
def test_when_very_many_changed_all_are_read(shops, monkeypatch, hook):
    monkeypatch.setattr(offers, "FEW", 2)
    shop = shops()
    session = shop.connect()
    _, cursor = run(hook, session)
    shop.twin.advance(2 * 3600)
    for sku in ("P-101", "P-102", "P-103"):
        shop.twin.offers.set_stock(sku, 3)

    assert run(hook, session, cursor)[0] >= {"P-101", "P-102", "P-103"}


@pytest.mark.parametrize("hook", HOOKS)
def test_once_a_day_all_offers_are_read_again(shops, hook):
    shop = shops()
    session = shop.connect()
    shop.twin.advance(2 * 3600)
    _, cursor = run(hook, session)
    shop.twin.advance(23 * 3600)
    quiet, cursor = run(hook, session, cursor)
    shop.twin.advance(3600)

    assert quiet == set()
    assert run(hook, session, cursor)[0] == set(shop.twin.skus)


@pytest.mark.parametrize("hook", HOOKS)
def test_on_a_channel_that_is_new_everything_is_news(shops, hook):
    shop = shops()
    _, cursor = run(hook, shop.connect(sales_channels="CDISFR"))
    shop.twin.advance(2 * 3600)

    assert run(hook, shop.connect(), cursor)[0] == set(shop.twin.skus)


@pytest.mark.parametrize("hook", HOOKS)
def test_named_skus_move_no_bookmark(shops, hook):
    shop = shops()

    assert [page.cursor for page in hook(shop.connect(), ByKeys(("P-100",))) if page.cursor] == []


def test_a_bookmark_of_another_connector_is_refused(shops):
    with pytest.raises(PluginError, match="not one of this connector's"):
        list(plugin.fetch_prices(shops().connect(), Since("17")))


def test_a_closed_channel_is_left_out_of_all(shops):
    shop = shops()
    shop.twin.end_subscription("EXAMPLESE")

    found = records(plugin.fetch_prices(shop.connect(), ByKeys(("P-100",))))

    assert {each.price_list for each in found} == {"CDISFR", "EXAMPLEPL"}
