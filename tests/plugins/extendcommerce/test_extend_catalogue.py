"""Products, prices, stock and customers from the sandbox."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from connector_kit import HOME, opened

from crossdock import (
    ByKeys,
    Customer,
    OutcomeUnknownError,
    Page,
    Receipt,
    RecordError,
    Session,
    Since,
    UnsupportedError,
    evolve,
)
from crossdock_extendcommerce import plugin
from crossdock_extendcommerce.sandbox import ExtendSandbox, create
from crossdock_extendcommerce.settings import Settings


@pytest.fixture
def shop() -> ExtendSandbox:
    twin = create(automatic_webhooks=False, generous=True, page_size=10)
    twin.seed(25)
    return twin


@pytest.fixture
def session(shop: ExtendSandbox) -> Iterator[Session[Settings]]:
    with opened(shop) as found:
        yield found


def skus(pages: Any) -> list[str]:
    return [record.sku for page in pages for record in page.records]


def everything(shop: ExtendSandbox) -> set[str]:
    return {each["productNumber"] for each in shop.state()["products"]}


# -- products --------------------------------------------------------------------------------------


def test_each_product_comes_once_though_it_is_listed_per_warehouse(
    shop: ExtendSandbox, session: Session[Settings]
) -> None:
    found = skus(plugin.fetch_products(session, Since()))
    assert sorted(found) == sorted(everything(shop))


def test_a_scan_goes_on_from_every_cursor(session: Session[Settings], shop: ExtendSandbox) -> None:
    shop.seed_products([{"productNumber": f"X-{index:03}", "price": "1"} for index in range(60)])
    pages = list(plugin.fetch_products(session, Since()))
    assert [len(page.records) for page in pages] == [50, 35]
    assert skus(plugin.fetch_products(session, Since(pages[0].cursor))) == skus(pages[1:])


@pytest.mark.parametrize(("hours", "found"), [(25, ["BRAND-NEW"]), (1, [])])
def test_a_daily_full_scan_finds_what_the_change_filter_does_not_know(
    shop: ExtendSandbox, session: Session[Settings], hours: int, found: list[str]
) -> None:
    shop.new_product(productNumber="BRAND-NEW", price="1")
    now = datetime.now(UTC)
    # All others were created before the last full scan and its overlap.
    cursor = {"at": (now + timedelta(hours=1)).isoformat(), "full": (now - timedelta(hours=hours)).isoformat()}
    new = [sku for sku in skus(plugin.fetch_products(session, Since(json.dumps(cursor)))) if sku == "BRAND-NEW"]
    assert new == found


def test_a_changed_product_comes_again(shop: ExtendSandbox, session: Session[Settings]) -> None:
    *_, last = plugin.fetch_products(session, Since())
    shop.edit_product("SKU-00007", name="Nytt namn")
    names = {record.sku: record.name for page in plugin.fetch_products(session, Since(last.cursor))
             for record in page.records}  # fmt: skip
    assert names["SKU-00007"] == "Nytt namn"


def test_another_company_groups_products_are_left_out_unread(shop: ExtendSandbox) -> None:
    with opened(shop, company_group="OTHER") as session:
        (page,) = plugin.fetch_products(session, Since())
    assert (page.records, page.skipped, page.seen) == ((), {"another company group": 25}, 25)


def test_named_products_come_and_unknown_ones_are_left_out(session: Session[Settings]) -> None:
    (page,) = plugin.fetch_products(session, ByKeys(("SKU-00002", "NOPE")))
    assert skus([page]) == ["SKU-00002"]


# -- prices ----------------------------------------------------------------------------------------


def test_prices_come_ten_products_at_a_time_for_all(shop: ExtendSandbox, session: Session[Settings]) -> None:
    pages = list(plugin.fetch_prices(session, Since()))
    assert set(skus(pages)) == everything(shop)
    assert [page.seen for page in pages] == [10, 10, 5]
    assert skus(plugin.fetch_prices(session, Since(pages[0].cursor))) == skus(pages[1:])
    assert skus(plugin.fetch_prices(session, Since(pages[-1].cursor))) == skus(pages)


def test_a_tier_is_a_price_of_its_own(twin: ExtendSandbox) -> None:
    with opened(twin) as session:
        (page,) = plugin.fetch_prices(session, ByKeys(("HELM-BLK-M",)))
    assert [(each.from_quantity, each.amount, each.tax_rate) for each in page.records] == [
        (Decimal(1), Decimal(279), Decimal(25)), (Decimal(10), Decimal(249), Decimal(25)),
    ]  # fmt: skip


def test_prices_without_a_customer_are_unsupported_and_say_what_to_set(shop: ExtendSandbox) -> None:
    with opened(shop, price_customer_number="") as session, pytest.raises(UnsupportedError) as caught:
        list(plugin.fetch_prices(session, Since()))
    assert "price_customer_number" in caught.value.hint


# -- balance ---------------------------------------------------------------------------------------


def test_the_stock_of_every_product_comes(shop: ExtendSandbox, session: Session[Settings]) -> None:
    (page,) = plugin.fetch_balance(session, Since())
    assert (set(skus([page])), {each.warehouse for each in page.records}) == (everything(shop), {"HUVUD"})


def test_a_page_count_that_shrinks_while_it_is_read_loses_nothing(
    shop: ExtendSandbox, session: Session[Settings]
) -> None:
    shop.fault("status", path="pageNumber=3", status=400, body='{"Message": "Page does not exist"}')
    (page,) = plugin.fetch_balance(session, Since())
    assert set(skus([page])) == everything(shop)


def test_a_list_of_changes_that_never_settles_gives_way_to_all_stock(
    shop: ExtendSandbox, session: Session[Settings]
) -> None:
    for skipped in range(3):  # every second pass sees a page less
        shop.fault("status", path="modifiedDateFrom.*pageNumber=3", skip=skipped, status=400, body='{"Message": "No"}')
    cursor = json.dumps({"at": (datetime.now(UTC) - timedelta(days=1)).isoformat()})
    (page,) = plugin.fetch_balance(session, Since(cursor))
    assert set(skus([page])) == everything(shop)
    assert not any(fault.times for fault in shop.faults)


def test_only_changed_stock_comes_in_the_next_run(shop: ExtendSandbox, session: Session[Settings]) -> None:
    cursor = json.dumps({"at": (datetime.now(UTC) + timedelta(minutes=11)).isoformat()})
    (page,) = plugin.fetch_balance(session, Since(cursor))
    assert page.records == ()
    (page,) = plugin.fetch_balance(session, Since())
    shop.set_stock("SKU-00003", 77)
    (again,) = plugin.fetch_balance(session, Since(page.cursor))
    assert {each.sku: each.available for each in again.records}["SKU-00003"] == 77


@pytest.mark.parametrize(("warehouses", "expected"), [
    ("HUVUD", {"HUVUD"}), ("HUVUD,RETUR", {"HUVUD", "RETUR"}), ("", {"HUVUD", "RETUR"}),
])  # fmt: skip
def test_stock_is_read_from_the_chosen_warehouses(twin: ExtendSandbox, warehouses: str, expected: set[str]) -> None:
    with opened(twin, warehouses=warehouses) as session:
        (page,) = plugin.fetch_balance(session, Since())
    assert {each.warehouse for each in page.records} == expected


def test_named_stock_is_matched_exactly(session: Session[Settings]) -> None:
    pages: list[Page[Any]] = list(plugin.fetch_balance(session, ByKeys(("SKU-00001", "SKU-0000"))))
    assert skus(pages) == ["SKU-00001"]
    assert all(page.cursor is None for page in pages)


# -- customers -------------------------------------------------------------------------------------

NEW = Customer(key="9", name="Eva Ny", email="eva.ny@example.se", billing=HOME, shipping_address=HOME)


def customer_numbers(shop: ExtendSandbox) -> list[str]:
    return [each["customerNumber"] for each in shop.state()["customers"]]


def test_customers_are_read_with_their_addresses(session: Session[Settings]) -> None:
    (page,) = plugin.fetch_customers(session, Since())
    (found,) = page.records
    assert found.number == "K-4410"
    assert found.shipping_address is not None
    assert found.shipping_address.country == "SE"


def test_a_customer_is_made_once_and_then_updated(shop: ExtendSandbox, session: Session[Settings]) -> None:
    made = plugin.push_customer(session, NEW, "k", None)
    again = plugin.push_customer(session, evolve(NEW, phone="+46800"), "k", None)
    assert made == again
    assert len(customer_numbers(shop)) == 2


def test_a_known_customer_is_updated(shop: ExtendSandbox, session: Session[Settings]) -> None:
    plugin.push_customer(session, evolve(NEW, name="Eva Gift"), "k", Receipt(external_id="K-4410"))
    assert [each["name"] for each in shop.state()["customers"]] == ["Eva Gift"]


def test_a_customer_whose_answer_was_lost_is_found_again(shop: ExtendSandbox, session: Session[Settings]) -> None:
    shop.fault("cut_after", method="POST", path="Customers")
    with pytest.raises(OutcomeUnknownError):
        plugin.push_customer(session, NEW, "k", None)
    plugin.push_customer(session, NEW, "k", None)
    assert len(customer_numbers(shop)) == 2


def test_a_customer_who_cannot_be_told_apart_is_refused(session: Session[Settings]) -> None:
    with pytest.raises(RecordError, match="no e-mail address"):
        plugin.push_customer(session, evolve(NEW, email=""), "k", None)
