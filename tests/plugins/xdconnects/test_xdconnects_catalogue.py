"""Feeds become products, prices and stock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xd_kit import SAMPLES, Store, opened

from crossdock import ByKeys, Incoming, RecordError, Session, Since
from crossdock_xdconnects import plugin
from crossdock_xdconnects.mapping import tiers, to_balance, to_price, to_product
from crossdock_xdconnects.sandbox import XdSandbox, create
from crossdock_xdconnects.settings import Settings
from crossdock_xdconnects.tables import Line, read

Fetch = Callable[[Session[Settings], Any], Any]


def row(item: str, name: str) -> Line:
    return read((SAMPLES / name).read_bytes()).of_item(item)[0]


def line(**cells: str) -> Line:
    return read(("\t".join(("ItemCode", *cells)) + "\n" + "\t".join(("A", *cells.values())) + "\n").encode()).rows[0]


def test_a_model_is_a_product_and_its_items_are_variants(session: Session[Settings]) -> None:
    (page,) = plugin.fetch_products(session, ByKeys(("p990",)))
    (product,) = page.records
    assert (product.key, product.name, product.sku) == ("P990", "Demo bottle", "")
    assert [each.sku for each in product.variants] == ["P990.001", "P990.005", "P990.003"]
    assert product.variants[0].attributes == {"color": "black"}


def test_the_recorded_product_has_its_weight_in_kilograms_and_its_codes() -> None:
    product = to_product([row("P990.001", "feed-Xindao.V6.Products-en-gb.json")])
    assert (product.weight, product.height) == (Decimal("0.31"), Decimal("25.0"))
    assert (product.customs_code, product.country_of_origin, product.brand) == ("96170000", "CN", "XD Collection")
    assert product.categories == ("Drinkware", "Bottles")
    assert len(product.image_urls) == 2
    assert product.variants[0].gtin == "8710000000017"
    assert product.updated_at == datetime(2026, 9, 1, 9, 0, tzinfo=UTC)
    assert product.extras["PVC free"] == "True"


def test_each_tier_is_a_price_with_the_list_price_beside_it(session: Session[Settings]) -> None:
    (page,) = plugin.fetch_prices(session, ByKeys(("P990.001",)))
    assert [(int(each.from_quantity), str(each.amount), str(each.list_price)) for each in page.records] == [
        (1, "9.90", "14.90"), (25, "9.60", "14.40"), (50, "9.30", "13.90"), (100, "9.00", "13.40"),
        (250, "8.70", "12.90"), (500, "8.40", "12.40"),
    ]  # fmt: skip
    assert {(each.currency, each.includes_tax) for each in page.records} == {("EUR", False)}


def test_an_item_with_a_non_standard_discount_has_one_price() -> None:
    found = row("P991.003", "feed-Xindao.V2.ProductPrices-en-gb.txt")
    (tier,) = tiers(found)
    price = to_price(found, tier, "EUR")
    assert (price.amount, price.from_quantity, price.extras) == (50, 1, {"NonStandardDiscount": True})


@pytest.mark.parametrize("cells", [
    {"Qty1": "25", "ItemPriceNet_Qty1": "2", "Qty2": "10", "ItemPriceNet_Qty2": "1"},
    {"Qty1": "1", "ItemPriceNet_Qty1": "-2"}, {"Qty1": "1", "ItemPriceNet_Qty1": "call us"},
])  # fmt: skip
def test_tiers_that_cannot_be_right_are_refused(cells: dict[str, str]) -> None:
    with pytest.raises(RecordError):
        list(tiers(line(**cells)))


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=6, unique=True), st.integers(1, 10**6))
def test_money_of_a_tier_is_exact(quantities: list[int], cents: int) -> None:
    cells: dict[str, str] = {}
    for number, quantity in enumerate(sorted(quantities), 1):
        cells |= {f"Qty{number}": str(quantity), f"ItemPriceNet_Qty{number}": f"{Decimal(cents) / 100:.2f}"}
    found = line(**cells)
    prices = [to_price(found, each, "EUR") for each in tiers(found)]
    assert [int(each.from_quantity) for each in prices] == sorted(quantities)
    assert {each.amount for each in prices} == {Decimal(cents) / 100}


def test_stock_has_its_arrivals_and_the_feeds_time(session: Session[Settings]) -> None:
    (page,) = plugin.fetch_balance(session, ByKeys(("P990.001",)))
    (balance,) = page.records
    assert balance.available == 812
    assert balance.incoming == (
        Incoming(quantity=Decimal(2016), expected_at=datetime(2026, 10, 5, tzinfo=UTC)),
        Incoming(quantity=Decimal(1008), expected_at=datetime(2026, 11, 20, tzinfo=UTC)),
    )
    assert balance.as_of == datetime(2026, 9, 15, 10, 0, tzinfo=UTC)


def test_stock_below_nothing_is_none() -> None:
    now = datetime(2026, 9, 15, tzinfo=UTC)
    assert to_balance(line(CurrentStock="-3"), now).available == 0


def test_a_stock_that_is_no_number_is_refused() -> None:
    with pytest.raises(RecordError, match="CurrentStock"):
        to_balance(line(CurrentStock="many"), datetime(2026, 9, 15, tzinfo=UTC))


@pytest.mark.parametrize("fetch", [plugin.fetch_products, plugin.fetch_prices, plugin.fetch_balance])
@pytest.mark.parametrize("feed_format", ["txt", "json", "xml"])
def test_all_formats_give_the_same_records(switchboard: None, store: Store, fetch: Fetch, feed_format: str) -> None:
    found = []
    for each in (feed_format, "txt"):
        with opened(create(feed_format=each, clock=store.clock.now), Store(store.clock)) as session:
            found.append([record for page in fetch(session, Since()) for record in page.records])
    assert found[0] == found[1]
    assert len(found[0]) >= 7


@pytest.mark.parametrize("fetch", [plugin.fetch_products, plugin.fetch_prices, plugin.fetch_balance])
def test_an_unchanged_feed_is_an_empty_page_with_the_same_bookmark(session: Session[Settings], fetch: Fetch) -> None:
    cursor = list(fetch(session, Since()))[-1].cursor
    (page,) = fetch(session, Since(cursor))
    assert (page.records, page.cursor) == ((), cursor)


def test_a_feed_that_was_made_anew_is_read_whole(xd: XdSandbox, session: Session[Settings]) -> None:
    (first,) = plugin.fetch_balance(session, Since())
    session.clock.sleep(900)
    (again,) = plugin.fetch_balance(session, Since(first.cursor))
    assert len(again.records) == len(first.records)
    assert again.cursor != first.cursor


def test_a_large_feed_comes_in_pages_and_only_the_last_one_moves_the_bookmark(switchboard: None, store: Store) -> None:
    many = create(skus=[f"X{number:05d}" for number in range(2500)], clock=store.clock.now)
    with opened(many, store) as session:
        pages = list(plugin.fetch_balance(session, Since()))
    assert [len(page.records) for page in pages] == [1000, 1000, 500]
    assert [page.cursor is None for page in pages] == [True, True, False]


def test_a_row_that_cannot_be_read_parks_itself_alone(xd: XdSandbox, session: Session[Settings]) -> None:
    xd.catalogue.get("P990.001").tiers = (1, 25, 25, 100, 250, 500)
    pages = list(plugin.fetch_prices(session, Since()))
    (reject,) = [each for page in pages for each in page.rejects]
    assert (reject.key, reject.path) == ("P990.001|||EUR|1", "Qty3")
    for page in pages:
        assert page.seen == len(page.records) + len(page.rejects) + sum(page.skipped.values())


def test_an_item_that_does_not_exist_is_left_out(session: Session[Settings]) -> None:
    (page,) = plugin.fetch_balance(session, ByKeys(("NOPE",)))
    assert page.records == ()
