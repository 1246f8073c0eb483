"""Reading loses nothing: not while the shop changes, not on shared hosts, not behind plain permalinks."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossdock import AccessError, ByKeys, PluginError, Session, Since, TransientError
from crossdock.paging import Reading
from crossdock_woocommerce import orders, plugin
from crossdock_woocommerce.sandbox.products import find_sku
from crossdock_woocommerce.settings import Settings

D = Decimal

FACTS = {"currency": "EUR", "decimals": 2, "prices_include_tax": True, "variations_endpoint": True}


def read(session: Session[Settings], cursor: str | None = None, hook=plugin.fetch_orders, **query):
    """All records of a run by key, and its last cursor."""
    pages = list(hook(session, Since(cursor=cursor, **query)))
    for page in pages:
        assert page.seen == len(page.records) + len(page.rejects) + sum(page.skipped.values())
    return {record.key: record for page in pages for record in page.records}, pages[-1].cursor if pages else None


def ids(shop) -> set[str]:
    return {str(row["id"]) for row in shop.sandbox.state()["orders"]}


# -- orders ------------------------------------------------------------------------------------------


def test_the_first_run_reads_every_order(shops) -> None:
    shop = shops()
    shop.sandbox.seed(orders=250, products=5, simple=True)
    found, _ = read(shop.connect())
    assert found.keys() == ids(shop)


def test_a_first_import_reads_in_parallel_and_misses_nothing(shops) -> None:
    shop = shops()
    shop.sandbox.seed(orders=1200, products=5, simple=True)
    found, _ = read(shop.connect())
    assert found.keys() == ids(shop)


def test_many_orders_in_one_second_are_all_read(shops) -> None:
    shop = shops()
    shop.sandbox.seed(orders=230, products=5, simple=True, same_second=True)
    found, _ = read(shop.connect())
    assert found.keys() == ids(shop)


@pytest.mark.parametrize("version", ["8.1.1", "11.0.1"])
def test_orders_that_change_while_reading_are_not_missed(shops, version: str) -> None:
    shop = shops(version=version)
    shop.sandbox.seed(orders=400, products=5, simple=True)
    shop.sandbox.churn(kind="edit", count=10, every=1, times=3)
    found, _ = read(shop.connect())
    assert found.keys() == ids(shop)


def test_the_next_run_reads_what_changed(shops) -> None:
    shop = shops()
    shop.sandbox.seed(orders=30, products=5, simple=True)
    session = shop.connect()
    found, cursor = read(session)
    chosen = min(found)
    shop.sandbox.edit_order(int(chosen), customer_note="changed")
    again, _ = read(session, cursor)
    assert again[chosen].note == "changed"


def test_a_trashed_order_comes_as_deleted(shops) -> None:
    shop = shops()
    shop.sandbox.seed(orders=3, products=5)
    session = shop.connect()
    found, cursor = read(session)
    shop.sandbox.trash(int(min(found)))
    again, _ = read(session, cursor)
    assert (again[min(found)].status, again[min(found)].raw_status) == ("deleted", "trash")


def test_orders_before_the_order_start_stay_out(shops) -> None:
    shop = shops()
    shop.sandbox.seed(orders=10, products=5, spread_seconds=86400)
    session = shop.connect()
    found, _ = read(session)
    placed = sorted(record.placed_at for record in found.values())
    kept, _ = read(session, start=placed[5])
    assert sorted(record.placed_at for record in kept.values()) == placed[5:]


def test_the_order_start_of_the_settings_holds_for_single_orders_too(shops) -> None:
    shop = shops()
    shop.sandbox.seed(orders=1, products=5)
    session = shop.connect(order_start="2999-01-01")
    page = next(iter(plugin.fetch_orders(session, ByKeys(tuple(ids(shop))))))
    assert (page.records, page.skipped) == ((), {"before order start": 1})


def test_single_orders_are_read_by_id_also_from_the_trash(shops) -> None:
    shop = shops()
    shop.sandbox.seed(orders=4, products=5)
    first, second, *_ = sorted(ids(shop))
    shop.sandbox.trash(int(first))
    pages = list(plugin.fetch_orders(shop.connect(), ByKeys((first, second, "999999", "no-id"))))
    assert sorted((r.key, r.status == "deleted") for page in pages for r in page.records) == [
        (first, True), (second, False),
    ]  # fmt: skip


def test_a_shop_that_ignores_the_filter_is_not_believed(shops) -> None:
    shop = shops()
    shop.sandbox.seed(orders=2, products=5)
    shop.sandbox.fault("status", path="include=", status=200, body='[{"id": 4711}]')
    with pytest.raises(PluginError, match="nobody asked for"):
        list(plugin.fetch_orders(shop.connect(), ByKeys(("1",))))


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_weak_host_is_asked_for_smaller_pages(shops, status: int) -> None:
    shop = shops()
    shop.sandbox.seed(orders=120, products=5, simple=True)
    shop.sandbox.fault("status", path="per_page=100", times=99, status=status)
    found, _ = read(shop.connect())
    assert found.keys() == ids(shop)
    assert any("per_page=50" in each["query"] for each in shop.requests)


def test_a_connection_cut_in_the_middle_is_repeated(shops) -> None:
    shop = shops()
    shop.sandbox.seed(orders=120, products=5, simple=True)
    shop.sandbox.fault("truncate", path="/orders")
    shop.sandbox.fault("cut_after", path="/orders", skip=1)
    found, _ = read(shop.connect())
    assert found.keys() == ids(shop)


def test_one_unreadable_order_does_not_stop_the_others(shops) -> None:
    shop = shops()
    shop.sandbox.seed(orders=3, products=5)
    session = shop.connect()
    rows = session.http.get("wp-json/wc/v3/orders").json()
    rows.sort(key=lambda row: row["date_modified_gmt"])
    rows[0]["total"] = "12,50"
    shop.sandbox.fault("status", path="status=any", status=200, body=json.dumps(rows))
    pages = list(plugin.fetch_orders(session, Since()))
    assert [error.key for page in pages for error in page.rejects] == [str(rows[0]["id"])]
    assert sum(len(page.records) for page in pages) == 2


@pytest.mark.parametrize(
    ("hook", "field", "key"),
    [(plugin.fetch_prices, "price", "SIM-0001|||EUR|1"), (plugin.fetch_balance, "stock_quantity", "SIM-0001@Main")],
)
def test_an_unreadable_price_or_stock_is_parked_under_the_key_of_its_record(shops, hook, field: str, key: str) -> None:
    shop = shops()
    shop.sandbox.seed(orders=0, products=2)
    find_sku(shop.sandbox.shop, "SIM-0001")[field] = "on request"
    pages = list(hook(shop.connect(facts=FACTS, warehouse="Main"), Since()))
    assert [error.key for page in pages for error in page.rejects] == [key]


def test_a_page_of_html_is_no_empty_list(shops) -> None:
    shop = shops()
    shop.sandbox.fault("html", path="/orders", times=99)
    with pytest.raises(TransientError, match="HTML page"):
        list(plugin.fetch_orders(shop.connect(), Since()))


def test_a_byte_order_mark_does_no_harm(shops) -> None:
    shop = shops(bom=True)
    shop.sandbox.seed(orders=3, products=5)
    assert read(shop.connect())[0].keys() == ids(shop)


def test_maintenance_is_waited_for_a_minute_and_not_ten(shops) -> None:
    shop = shops()
    shop.sandbox.maintenance(times=99)
    with pytest.raises(TransientError) as caught:
        list(plugin.fetch_orders(shop.connect(), Since()))
    assert caught.value.wait == timedelta(seconds=60)


def test_a_firewall_page_is_an_access_error_that_names_the_remedy(shops) -> None:
    shop = shops()
    page = "<!DOCTYPE html><html><head><title>Just a moment…</title></head></html>"
    shop.sandbox.fault("status", path="/orders", status=403, body=page)
    with pytest.raises(AccessError) as caught:
        list(plugin.fetch_orders(shop.connect(), Since()))
    assert "firewall" in caught.value.hint.lower()


@pytest.mark.parametrize("https", [True, False])
def test_plain_permalinks_work_by_the_detour(shops, https: bool) -> None:
    shop = shops(permalinks="plain", subfolder="/shop", https=https)
    shop.sandbox.seed(orders=5, products=5)
    assert read(shop.connect(facts={"route": "plain"}))[0].keys() == ids(shop)


def test_a_shop_in_utc_minus_times_reads_the_same(shops) -> None:
    shop = shops(timezone="America/Los_Angeles")
    shop.sandbox.seed(orders=110, products=5, simple=True)
    session = shop.connect()
    found, cursor = read(session)
    shop.sandbox.edit_order(int(min(found)), customer_note="changed")
    assert found.keys() == ids(shop)
    assert min(found) in read(session, cursor)[0]


@given(st.datetimes(timezones=st.timezones()).filter(lambda at: 1971 < at.year < 2900))
def test_bounds_are_whole_seconds_that_leave_nothing_out(at) -> None:
    params = orders.list_params(Reading(lo=at, hi=at, limit=100), "any")
    assert str(params["modified_after"]) < orders.naive(at) <= str(params["modified_before"])
    assert len(str(params["modified_after"])) == len("2026-11-22T03:40:00")


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(0, 260), seconds=st.sampled_from((0, 2, 600)), seed=st.integers(0, 99))
def test_any_shop_is_read_whole(shops, count: int, seconds: int, seed: int) -> None:
    shop = shops()
    shop.sandbox.seed(orders=count, products=5, simple=True, spread_seconds=seconds, seed=seed)
    assert read(shop.connect())[0].keys() == ids(shop)


# -- products, prices, stock -------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["8.1.1", "11.0.1"])
def test_products_come_with_all_their_variations(shops, version: str) -> None:
    shop = shops(version=version)
    shop.sandbox.seed(orders=0, products=12)
    found, _ = read(shop.connect(facts={**FACTS, "variations_endpoint": version > "9"}), hook=plugin.fetch_products)
    assert sorted(len(each.variants) for each in found.values()) == [0] * 8 + [3] * 4


def test_variations_of_a_page_are_read_in_one_list_where_the_shop_has_it(shops) -> None:
    shop = shops()
    shop.sandbox.seed(orders=0, products=12)
    read(shop.connect(facts=FACTS), hook=plugin.fetch_products)
    assert [each["path"] for each in shop.asked(path="variations")] == ["/wp-json/wc/v3/variations"]


def test_prices_are_those_of_what_can_be_bought(shops) -> None:
    shop = shops()
    shop.sandbox.seed(orders=0, products=12)
    found, _ = read(shop.connect(facts=FACTS), hook=plugin.fetch_prices)
    assert len(found) == 8 + 4 * 3
    assert all(price.includes_tax and price.currency == "EUR" for price in found.values())


def test_a_shop_that_was_never_verified_is_asked_for_currency_and_tax_mode(shops) -> None:
    shop = shops(prices_include_tax=False, currency="SEK")
    shop.sandbox.seed(orders=0, products=2)
    found, _ = read(shop.connect(), hook=plugin.fetch_prices)
    assert {(price.currency, price.includes_tax) for price in found.values()} == {("SEK", False)}


def test_balances_are_read_by_sku_simple_and_variation_alike(shops) -> None:
    shop = shops()
    shop.sandbox.seed(orders=0, products=12)
    session = shop.connect(facts=FACTS, warehouse="Main")
    everything, _ = read(session, hook=plugin.fetch_balance)
    skus = tuple(balance.sku for balance in everything.values())
    (page,) = plugin.fetch_balance(session, ByKeys((*skus, "UNKNOWN", "with,comma")))
    assert {(b.sku, b.available) for b in page.records} == {(b.sku, b.available) for b in everything.values()}
    assert {balance.warehouse for balance in page.records} == {"Main"}


def test_a_sale_in_the_shop_is_seen_in_the_next_run(shops) -> None:
    shop = shops()
    shop.sandbox.seed(orders=0, products=6)
    session = shop.connect(facts=FACTS)
    before, cursor = read(session, hook=plugin.fetch_balance)
    sku = next(sku for sku in before if sku.startswith("VAR-0003"))
    shop.sandbox.sell(sku, 2)
    after, _ = read(session, cursor, hook=plugin.fetch_balance)
    assert after[sku].available == before[sku].available - D(2)
