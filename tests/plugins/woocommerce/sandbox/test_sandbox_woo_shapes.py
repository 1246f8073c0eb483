"""Every recorded answer is given again: same keys, same JSON types, and the same values where they are determined."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from sandbox_kit import FrozenClock
from woo_kit import (
    at_home,
    connected,
    determined,
    get,
    recorded_order_body,
    recorded_shop,
    sample,
    shape,
    signed,
)

from crossdock_woocommerce.sandbox import WooSandbox


@pytest.fixture
def order(api: httpx.Client) -> dict[str, Any]:
    """The recorded order, made again."""
    answer = api.post("orders", json=recorded_order_body())
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


@pytest.fixture
def refunded(api: httpx.Client, order: dict[str, Any], shop_clock: FrozenClock) -> dict[str, Any]:
    """The recorded order after the recorded refund."""
    shop_clock.advance(8)
    body = sample("refund-create-request")
    body["line_items"][0]["id"] = order["line_items"][0]["id"]
    answer = api.post(f"orders/{order['id']}/refunds", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def same(actual: Any, name: str, twin: WooSandbox) -> None:
    expected = at_home(sample(name), twin.home)
    assert shape(actual) == shape(expected)
    assert determined(actual) == determined(expected)


def test_a_created_order_has_the_recorded_totals_taxes_coupons_and_dates(
    order: dict[str, Any], twin: WooSandbox
) -> None:
    same(order, "order-after-create", twin)


def test_keys_of_an_order_come_in_the_recorded_sequence(order: dict[str, Any]) -> None:
    assert list(order) == list(sample("order-after-create"))


@pytest.mark.usefixtures("refunded")
def test_a_refunded_order_is_the_recorded_one(api: httpx.Client, twin: WooSandbox) -> None:
    actual, expected = api.get("orders/1148").json(), at_home(sample("order-full"), twin.home)
    assert shape(actual) == shape(expected)
    assert determined(actual) == determined(expected)


@pytest.mark.usefixtures("refunded")
def test_the_refund_is_the_recorded_one(api: httpx.Client, twin: WooSandbox) -> None:
    actual, expected = api.get("orders/1148/refunds").json(), at_home(sample("refund"), twin.home)
    old, new = sample("order-full")["line_items"][0]["id"], api.get("orders/1148").json()["line_items"][0]["id"]
    expected = json.loads(json.dumps(expected).replace(f'"{old}"', f'"{new}"'))
    assert shape(actual) == shape(expected)
    assert determined(actual) == determined(expected)


@pytest.mark.usefixtures("refunded")
def test_order_notes_have_the_recorded_shape_texts_and_sequence(api: httpx.Client, shop_clock: FrozenClock) -> None:
    shop_clock.advance(1)
    api.post("orders/1148/notes", json={"note": "Packed"})
    notes, recorded = api.get("orders/1148/notes").json(), sample("order-notes")
    assert shape(notes) == shape(recorded)
    assert [(n["note"], n["date_created"]) for n in notes] == [(n["note"], n["date_created"]) for n in recorded]


def test_an_order_refunded_in_full_by_amount_is_the_recorded_one(
    api: httpx.Client, twin: WooSandbox, shop_clock: FrozenClock
) -> None:
    twin.shop.claim("post", 1149)
    shop_clock.advance(18)
    body = {"status": "completed", "line_items": [{"product_id": 12, "quantity": 1}]}
    api.post("orders", json=body)
    api.post("orders/1150/refunds", json={"amount": "9.99", "reason": "all", "api_refund": False})
    same(api.get("orders/1150").json(), "order-fully-refunded", twin)


@pytest.mark.usefixtures("refunded")
def test_a_simple_product_is_the_recorded_one(api: httpx.Client, twin: WooSandbox) -> None:
    actual, expected = api.get("products/14").json(), at_home(sample("product-simple"), twin.home)
    expected["total_sales"] = actual["total_sales"]  # earlier sales of the recorded shop
    assert shape(actual) == shape(expected)
    assert determined(actual) == determined(expected)


@pytest.mark.usefixtures("order")
@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("products/220", "product-variable"),
        ("products/220/variations/341", "variation"),
        ("products?sku=VAR-0011-M-R", "variation-through-sku-search"),
    ],
)
def test_variable_products_and_variations_are_the_recorded_ones(
    path: str, name: str, api: httpx.Client, twin: WooSandbox
) -> None:
    same(api.get(path).json(), name, twin)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("settings/tax", "settings-tax"),
        ("taxes", "taxes"),
        ("data/currencies/current", "currency-current"),
        ("orders/statuses", "orders-statuses"),
    ],
)
def test_what_the_shop_says_about_itself_is_as_recorded(
    path: str, name: str, api: httpx.Client, twin: WooSandbox
) -> None:
    assert api.get(path).json() == at_home(sample(name), twin.home)


def test_system_status_has_the_recorded_keys_and_types(api: httpx.Client) -> None:
    expected = sample("system-status-part")
    fields = ",".join(expected)
    assert shape(api.get("system_status", params={"_fields": fields}).json()) == shape(expected)


@pytest.mark.usefixtures("api")
def test_the_index_is_open_to_all_and_has_the_recorded_keys(twin: WooSandbox) -> None:
    actual, expected = get(f"{twin.home}/wp-json/").json(), at_home(sample("wp-json-index-part"), twin.home)
    assert actual | {"routes": ""} == expected | {"routes": ""}


def test_a_page_in_the_middle_has_the_recorded_headers(twin: WooSandbox) -> None:
    twin.seed(orders=9, products=0, spread_seconds=9)
    recorded = sample("list-page-exchange")
    with connected(twin) as api:
        answer = api.get(recorded["request"].removeprefix("GET https://shop.example/wp-json/wc/v3/"))
    assert answer.status_code == recorded["status"]
    assert shape(answer.json()) == shape(json.loads(recorded["body"]))
    counted = {"X-WP-Total": "9", "X-WP-TotalPages": "5"}
    for name, value in at_home(recorded["headers"] | counted, twin.home).items():
        assert answer.headers[name] == value


def test_fulfillments_have_the_recorded_shape_and_flags(api: httpx.Client, order: dict[str, Any]) -> None:
    meta = [
        {"key": "_items", "value": [{"item_id": order["line_items"][0]["id"], "qty": 1}]},
        {"key": "_tracking_number", "value": "00340434161094000000"},
        {"key": "_shipment_provider", "value": "dhl"},
        {"key": "_tracking_url", "value": "https://example.com/t/00340434161094000000"},
    ]
    made = api.post("orders/1148/fulfillments", json={"status": "fulfilled", "is_fulfilled": True, "meta_data": meta})
    assert (made.status_code, made.json()["is_fulfilled"]) == (201, True)
    listed, recorded = api.get("orders/1148/fulfillments").json(), sample("fulfillments-list")
    assert shape(listed) == shape(recorded)
    assert listed[0]["is_fulfilled"] == "1"
    order = api.get("orders/1148").json()
    assert {m["key"]: m["value"] for m in order["meta_data"]}["_fulfillment_status"] == "partially_fulfilled"
    assert order["status"] == "processing"


def test_a_batch_with_bad_items_answers_each_for_itself(api: httpx.Client) -> None:
    recorded = sample("batch-partial-errors")["update"]
    sent = [{"id": 35, "stock_quantity": 5}, {"id": 99999999}, {"id": 341, "stock_quantity": 1}]
    good, missing, variation = api.post("products/batch", json={"update": sent}).json()["update"]
    assert (good["id"], good["stock_quantity"]) == (35, 5)
    assert missing == recorded[1]
    assert variation == recorded[2] | {"id": 341}


@pytest.mark.parametrize("row", sample("batch-skips-validation")["rows"], ids=lambda row: json.dumps(row["sent"]))
def test_a_batch_saves_unchecked_what_the_recorded_one_saved(row: dict[str, Any], api: httpx.Client) -> None:
    if row["endpoint"] == "orders/batch":
        api.post("orders", json={"status": "processing", "line_items": [{"product_id": 12}]})
        before, key = {}, 1148
    else:
        before, key = api.get("products/40").json(), 40
    saved = api.post(row["endpoint"], json={"update": [{"id": key, **row["sent"]}]}).json()["update"][0]
    wanted = before if row["saved"] == "unchanged" else row["saved"]
    assert {name: saved[name] for name in row["sent"]} == {name: wanted[name] for name in row["sent"]}
    if row.get("single_put", "").startswith("400"):
        single = api.put(f"{row['endpoint'].split('/')[0]}/{key}", json=row["sent"])
        assert (single.status_code, single.json()["code"]) == (400, "rest_invalid_param")


def test_webhooks_are_listed_as_recorded(api: httpx.Client, shop_clock: FrozenClock) -> None:
    for topic in ("order.deleted", "order.restored"):
        body = {"name": topic, "topic": topic, "delivery_url": "https://listener.example/hook", "secret": "whsec-local"}
        assert api.post("webhooks", json=body).status_code == 201
    listed, recorded = api.get("webhooks").json(), sample("webhooks-list")
    assert shape(listed) == shape(recorded)
    names = ("name", "status", "topic", "resource", "event", "hooks", "delivery_url")
    assert [[hook[n] for n in names] for hook in listed] == [[hook[n] for n in names] for hook in recorded]


@pytest.mark.parametrize("name", ["order-created", "order-updated", "order-deleted", "product-updated"])
def test_recorded_signatures_cover_the_raw_body(name: str) -> None:
    recorded = sample(f"webhook-{name}")
    raw = recorded["body"].encode()
    assert len(raw) == int(recorded["headers"]["Content-Length"])
    assert signed(raw, recorded["secret"]) == recorded["headers"]["X-WC-Webhook-Signature"]


def test_the_shop_writes_json_byte_for_byte_as_php_does(api: httpx.Client, order: dict[str, Any]) -> None:
    raw = api.get("orders/1148").content.decode()
    for part in (
        '"first_name":"J\\u00f6rg","last_name":"O\'Neil-\\u0160imek"',
        '"currency_symbol":"\\u20ac"',
        '"price":20.987539',
        "\\/wp-json\\/wc\\/v3\\/orders\\/1148",
    ):
        assert part in raw


def test_a_shop_on_the_old_version_has_no_late_fields_and_routes() -> None:
    old = recorded_shop(version="8.1.1")
    with connected(old) as api:
        api.post("orders", json=recorded_order_body())
        order = api.get("orders/1148").json()
        product, variation = api.get("products/14").json(), api.get("products/220/variations/341").json()
        late = ("variations", "refunds", "orders/statuses", "orders/1148/fulfillments")
        absent = [api.get(path).status_code for path in late]
    assert all("global_unique_id" not in each for each in (order["line_items"][0], product, variation))
    assert absent == [404, 404, 404, 404]
