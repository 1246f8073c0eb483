"""Filling the shop, selling in it, letting time pass, and how fast it answers."""

from __future__ import annotations

import time
from collections import Counter

import httpx
import pytest
from sandbox_kit import FrozenClock
from woo_kit import CREATED, connected, sample, shape

from crossdock_woocommerce.sandbox import WooSandbox, create


def test_the_same_seed_gives_the_same_shop() -> None:
    states = []
    for _ in range(2):
        shop = create(clock=FrozenClock(CREATED))
        shop.seed(orders=30, products=9, seed=7)
        states.append(shop.state())
    assert states[0] == states[1]


def test_seeded_orders_are_varied() -> None:
    shop = create()
    shop.seed(orders=120, products=12)
    orders = shop.state()["orders"]
    assert len({order["status"] for order in orders}) >= 6
    assert len({order["currency"] for order in orders}) >= 3
    for name in ("coupon_lines", "fee_lines", "shipping_lines", "refunds", "customer_note"):
        assert any(order[name] for order in orders), name
        assert not all(order[name] for order in orders), name
    assert {rate["rate_id"] for order in orders for rate in order["tax_lines"]} == {1, 2}
    assert {bool(order["customer_id"]) for order in orders} == {True, False}
    assert any(line["variation_id"] for order in orders for line in order["line_items"])
    assert Counter(bool(order["billing"]["email"]) for order in orders)[False] > 0


def test_seeded_products_are_managed_unmanaged_and_inheriting() -> None:
    shop = create()
    shop.seed(orders=0, products=12)
    state = shop.state()
    assert {row["manage_stock"] for row in state["products"]} == {True, False}
    assert {row["manage_stock"] for row in state["variations"]} == {True, "parent"}


@pytest.mark.parametrize("simple", [True, False])
def test_seeded_documents_have_the_recorded_keys(simple: bool) -> None:
    shop = create()
    shop.seed(orders=5, products=6, simple=simple)
    state = shop.state()
    assert {tuple(row) for row in state["orders"]} == {tuple(sample("order-full"))}
    assert {tuple(row) for row in state["products"]} == {tuple(sample("product-simple"))}
    assert {tuple(row) for row in state["variations"]} == {tuple(sample("variation"))}


def test_seeded_orders_can_share_one_second_or_be_spread() -> None:
    together, apart = create(), create()
    together.seed(orders=20, same_second=True, simple=True)
    apart.seed(orders=20, spread_seconds=2000, simple=True)
    assert len({row["date_modified_gmt"] for row in together.state()["orders"]}) == 1
    assert len({row["date_modified_gmt"] for row in apart.state()["orders"]}) == 20


def test_seeding_tells_no_webhook(twin: WooSandbox) -> None:
    twin.webhooks.create({"topic": "order.created", "delivery_url": "http://127.0.0.1:9/"})
    twin.seed(orders=3)
    assert twin.webhooks.waiting == 0


def test_a_sale_takes_goods_off_the_stock(twin: WooSandbox) -> None:
    order = twin.sell("VAR-0011-M-R", 2)
    assert (order["created_via"], order["status"]) == ("store-api", "processing")
    stock = {row["sku"]: row["stock_quantity"] for row in twin.state()["variations"]}
    assert stock["VAR-0011-M-R"] == 48


def test_a_sale_of_an_inheriting_variation_takes_from_the_parent() -> None:
    shop = create()
    shop.seed(orders=0, products=6)
    inheriting = next(row for row in shop.state()["variations"] if row["manage_stock"] == "parent")
    shop.sell(inheriting["sku"], 2)
    after = {row["id"]: row["stock_quantity"] for row in shop.state()["products"]}
    assert after[inheriting["parent_id"]] == inheriting["stock_quantity"] - 2


def test_selling_what_is_not_there_is_an_error(twin: WooSandbox) -> None:
    with pytest.raises(ValueError, match="no product with the SKU 'NOBODY'"):
        twin.sell("NOBODY")


def test_midnight_switches_scheduled_sales_and_deletes_stale_drafts(twin: WooSandbox, api: httpx.Client) -> None:
    draft = twin.checkout_draft()["id"]
    sent = {"regular_price": "10.00", "sale_price": "8.00", "date_on_sale_from_gmt": "2026-11-23T10:00:00"}
    assert api.put("products/40", json=sent).json()["price"] == "10.00"
    twin.advance(2 * 86_400)
    assert api.get("products/40").json()["price"] == "8.00"
    assert api.get(f"orders/{draft}").status_code == 404


def test_the_control_door_has_the_acts_and_the_state(api: httpx.Client, twin: WooSandbox) -> None:
    door = f"{twin.base_url}/_sandbox"
    made = api.post(f"{door}/do/seed", json={"orders": 4, "products": 3, "simple": True}).json()
    assert made["orders"] == 4
    state = api.get(f"{door}/state").json()
    assert len(state["orders"]) == 4
    assert state["orders"][0]["_links"]["self"][0]["href"].startswith(twin.home)
    assert shape(state["webhooks"]) == []


def test_customers_are_listed_and_found_by_address(api: httpx.Client) -> None:
    made = api.post("customers", json={"email": "eva@example.com", "first_name": "Eva"})
    assert made.status_code == 201
    found = api.get("customers", params={"email": "eva@example.com"}).json()
    assert [row["id"] for row in found] == [made.json()["id"]]
    assert api.post("customers", json={"email": "eva@example.com"}).json()["code"] == "registration-error-email-exists"


def test_a_disturbance_can_insert_orders_between_two_pages(twin: WooSandbox, api: httpx.Client) -> None:
    twin.churn("insert", count=3)
    counts = [api.get("orders").headers["x-wp-total"] for _ in range(3)]
    assert counts == ["0", "3", "3"]


def test_ten_thousand_orders_are_seeded_in_seconds_and_listed_in_milliseconds() -> None:
    shop = create(https=True)
    begun = time.process_time()
    shop.seed(orders=10_000, simple=True)
    seeded = time.process_time() - begun
    query = "per_page=100&orderby=modified&order=asc&status=any&modified_after=2020-01-01T00:00:00&dates_are_gmt=true"
    with connected(shop) as api:
        api.get(f"orders?{query}")
        begun = time.process_time()
        for _ in range(10):
            assert len(api.get(f"orders?{query}").content) > 100_000
        listed = (time.process_time() - begun) / 10
    assert seeded < 10
    assert listed < 0.05  # the server and the client of the test together; a shared machine leaves no finer bound
