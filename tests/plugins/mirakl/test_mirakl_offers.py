"""Reading offers as products, prices and stock: listed when few, exported when many."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from mirakl_kit import Operator, sample

from crossdock import Balance, ByKeys, Page, Price, Product, Since, TransientError
from crossdock.sandbox import Sandbox, serve
from crossdock_mirakl import catalogue, offers, plugin, shopwire

D = Decimal
NOW = datetime(2026, 3, 10, tzinfo=UTC)
MANY = tuple(f"S-{number:04d}" for number in range(330))


def recorded() -> list[shopwire.Offer]:
    found = shopwire.OFFERS.decode(sample("of21-offers.response.json")).offers
    return msgspec.json.decode(found, type=list[shopwire.Offer])


KETTLE, LAMP = recorded()


def records(pages: list[Page[Any]]) -> list[Any]:
    return [each for page in pages for each in page.records]


def bookmark(pages: list[Page[Any]]) -> str | None:
    return next((page.cursor for page in reversed(pages) if page.cursor), None)


# -- recorded offers ---------------------------------------------------------------------------------


def test_an_offer_is_a_product_with_its_ean() -> None:
    product = catalogue.to_product(KETTLE)
    assert isinstance(product, Product)
    assert (product.sku, product.gtin, product.enabled) == ("KETTLE-17-BLK", "3700000000012", True)
    assert product.extras["product_sku"] == "MKP000000000041827"


def test_an_inactive_offer_is_a_disabled_product() -> None:
    product = catalogue.to_product(LAMP)
    assert isinstance(product, Product)
    assert product.enabled is False


def test_a_discount_in_force_is_the_amount_and_the_original_the_list_price() -> None:
    prices = [each for each in catalogue.to_prices(KETTLE, True, NOW) if isinstance(each, Price)]
    assert [(each.price_list, each.amount, each.list_price) for each in prices] == [
        ("", D("39.9"), None), ("ES", D("42.9"), D("44.9")),
    ]  # fmt: skip
    assert prices[1].valid_until == datetime(2026, 3, 31, 22, tzinfo=UTC)


def test_a_discount_that_has_not_begun_is_kept_beside_the_price() -> None:
    *_, spanish = catalogue.to_prices(KETTLE, True, datetime(2026, 2, 1, tzinfo=UTC))
    assert isinstance(spanish, Price)
    assert (spanish.amount, spanish.list_price, spanish.extras["unit_discount_price"]) == (D("44.9"), None, D("42.9"))


def test_stock_is_told_by_warehouse_where_there_are_any() -> None:
    (balance,) = catalogue.to_balances(KETTLE, "", NOW)
    assert isinstance(balance, Balance)
    assert (balance.warehouse, balance.available, balance.as_of) == ("LYON", D(12), NOW)


def test_stock_of_other_warehouses_is_left_out_with_a_reason() -> None:
    assert list(catalogue.to_balances(KETTLE, "PARIS", NOW)) == ["in other warehouses"]


def test_a_deleted_offer_has_no_stock_and_no_price() -> None:
    gone = shopwire.Offer(shop_sku="A", deleted=True, quantity=D(5))
    (balance,) = catalogue.to_balances(gone, "", NOW)
    assert isinstance(balance, Balance)
    assert balance.available == 0
    assert list(catalogue.to_prices(gone, True, NOW)) == ["deleted"]


# -- few offers --------------------------------------------------------------------------------------


def test_a_few_offers_are_listed_every_time(operator: Operator) -> None:
    first = list(plugin.fetch_balance(operator.session, Since()))
    assert {each.sku: each.available for each in records(first)} == operator.sandbox.state()["stock"]
    assert (bookmark(first), operator.asked("POST")) == (None, [])


def test_pages_of_the_list_are_followed(operators: Callable[..., Operator]) -> None:
    operator = operators(skus=MANY[:250])
    assert len(records(list(plugin.fetch_products(operator.session, Since())))) == 250


def test_named_skus_are_asked_for_one_by_one(operator: Operator) -> None:
    pages = list(plugin.fetch_prices(operator.session, ByKeys(("P-101", "nothing"))))
    assert [each.sku for each in records(pages)] == ["P-101"]


# -- many offers -------------------------------------------------------------------------------------


@pytest.fixture
def large(operators: Callable[..., Operator]) -> Operator:
    return operators(skus=MANY)


def test_many_offers_are_exported(large: Operator) -> None:
    pages = list(plugin.fetch_balance(large.session, Since()))
    assert {each.sku: each.available for each in records(pages)} == large.sandbox.state()["stock"]
    assert bookmark(pages) is not None


def test_the_full_export_serves_all_streams_for_a_day(large: Operator) -> None:
    for fetch in (plugin.fetch_products, plugin.fetch_prices, plugin.fetch_balance):
        assert len({each.sku for each in records(list(fetch(large.session, Since())))}) == 330
        large.sandbox.advance(7200)
    assert len(large.asked("POST", "offers/export/async")) == 3  # one in full, two for what changed since


def test_the_next_export_holds_what_changed(large: Operator) -> None:
    large.sandbox.advance(3600)
    first = list(plugin.fetch_balance(large.session, Since()))
    large.sandbox.advance(3600)
    large.sandbox.set_offer("S-0007", quantity=1)
    later = list(plugin.fetch_balance(large.session, Since(bookmark(first))))
    assert [(each.sku, each.available) for each in records(later)] == [("S-0007", D(1))]


def test_an_export_that_still_runs_is_waited_for_in_the_next_run(
    large: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offers, "_POLLS", 1)
    with pytest.raises(TransientError, match="still works"):
        list(plugin.fetch_balance(large.session, Since()))
    monkeypatch.setattr(offers, "_POLLS", 30)
    assert len(records(list(plugin.fetch_balance(large.session, Since())))) == 330
    assert len(large.asked("POST", "offers/export/async")) == 1


def test_a_failed_export_is_started_anew(large: Operator) -> None:
    large.sandbox.set_export_fate("FAILED")
    with pytest.raises(TransientError, match="failed"):
        list(plugin.fetch_balance(large.session, Since()))
    assert len(records(list(plugin.fetch_balance(large.session, Since())))) == 330


def test_files_on_another_server_are_fetched_without_the_key(large: Operator) -> None:
    class Files(Sandbox):
        def app(self) -> Any:
            async def answer(scope: Any, receive: Any, send: Any) -> None:
                heard.append(dict(scope["headers"]))
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b'[{"shop_sku":"S-1","quantity":4}]'})

            return answer

    heard: list[dict[bytes, bytes]] = []
    with serve(Files()) as other:
        body = json.dumps({"status": "COMPLETED", "urls": [f"{other.url}/f?signature=1"]})
        large.sandbox.fault("status", method="GET", path="async/status", times=1, status=200, body=body)
        pages = list(plugin.fetch_balance(large.session, Since()))
    assert {each.sku for each in records(pages)} == {"S-1"}
    assert all(b"authorization" not in each for each in heard)


def test_a_row_that_cannot_be_read_does_not_stop_the_others(operator: Operator) -> None:
    body = '{"offers":[{"shop_sku":"A","quantity":"many"},{"shop_sku":"B","quantity":2}],"total_count":2}'
    operator.sandbox.fault("status", method="GET", path="/api/offers", status=200, body=body)
    pages = list(plugin.fetch_balance(operator.session, Since()))
    assert [each.sku for each in records(pages)] == ["B"]
    assert len(pages[0].rejects) == 1


@pytest.mark.parametrize("skus", [("S-1", "S-2"), MANY], ids=["listed", "exported"])
@pytest.mark.parametrize(
    ("hook", "key"), [("fetch_products", "S-2"), ("fetch_prices", "S-2|||EUR|1"), ("fetch_balance", "S-2")]
)
def test_an_unreadable_offer_is_parked_under_the_key_of_its_record(
    operators: Callable[..., Operator], skus: tuple[str, ...], hook: str, key: str
) -> None:
    operator = operators(skus=tuple(dict.fromkeys((*skus, "S-2"))))
    operator.sandbox.shop.offers.bent["S-2"] = {"quantity": "some"}
    pages = list(getattr(plugin, hook)(operator.session, Since()))
    (error,) = [each for page in pages for each in page.rejects]
    assert (error.key, error.path, b"S-2" in error.payload) == (key, "quantity", True)
