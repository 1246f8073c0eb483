"""Who gets in, how, and what the shop says to the others (vendor page section 1)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from sandbox_kit import FrozenClock, plug
from woo_kit import OAuth, connected, get, recorded_shop

from crossdock_woocommerce.sandbox import WooSandbox, create


@pytest.fixture
def plain(shop_clock: FrozenClock) -> WooSandbox:
    """A shop without TLS: OAuth only."""
    return recorded_shop(clock=shop_clock, https=False)


def oauth(shop: WooSandbox, **options: Any) -> OAuth:
    now = int(shop.shop.now().timestamp()) + options.pop("late", 0)
    key, secret = options.pop("key", shop.options.consumer_key), options.pop("secret", shop.options.consumer_secret)
    return OAuth(key, secret, now, **options)


@pytest.mark.parametrize("place", ["header", "query"])
@pytest.mark.parametrize("method", ["HMAC-SHA1", "HMAC-SHA256"])
@pytest.mark.parametrize("path", ["orders", "orders?status=any&search=Zo%C3%AB%20M&include[0]=1&include[1]=2"])
def test_oauth_works_in_each_place_with_each_method(place: str, method: str, path: str, plain: WooSandbox) -> None:
    with connected(plain, auth=oauth(plain, place=place, method=method)) as api:
        assert api.get(path).status_code == 200


def test_oauth_signs_no_body(plain: WooSandbox) -> None:
    with connected(plain, auth=oauth(plain)) as api:
        assert api.post("orders", json={"line_items": [{"product_id": 12}]}).status_code == 201


def test_oauth_works_over_tls_too(twin: WooSandbox) -> None:
    with connected(twin, auth=oauth(twin)) as api:
        assert api.get("orders").status_code == 200


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"secret": "cs_wrong"}, "Invalid signature - provided signature does not match."),
        ({"method": "HMAC-MD5"}, "Invalid signature - signature method is invalid."),
        ({"key": "ck_nobody"}, "Consumer key is invalid."),
        ({"late": -901}, "Invalid timestamp."),
        ({"late": 901}, "Invalid timestamp."),
    ],
)
def test_oauth_says_what_is_wrong(options: dict[str, Any], message: str, plain: WooSandbox) -> None:
    with connected(plain, auth=oauth(plain, **options)) as api:
        answer = api.get("orders")
    assert (answer.status_code, answer.json()["message"]) == (401, message)
    assert answer.json()["code"] == "woocommerce_rest_authentication_error"


def test_a_nonce_may_not_come_twice(plain: WooSandbox) -> None:
    with connected(plain, auth=oauth(plain, nonce="once")) as api:
        answers = [api.get("orders") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 401]
    assert answers[1].json()["message"] == "Invalid nonce - nonce has already been used."


@pytest.mark.parametrize(("https", "status"), [(True, 200), (False, 401)])
def test_keys_in_the_query_string_work_over_tls_only(https: bool, status: int) -> None:
    shop = recorded_shop(https=https, strip_authorization=True)
    keys = {"consumer_key": shop.options.consumer_key, "consumer_secret": shop.options.consumer_secret}
    with connected(shop, auth=None) as api:
        assert api.get("orders", params=keys).status_code == status


def test_keys_in_the_query_string_are_echoed_in_link(twin: WooSandbox) -> None:
    twin.seed(orders=3, products=0)
    keys = {"consumer_key": twin.options.consumer_key, "consumer_secret": twin.options.consumer_secret, "per_page": 1}
    with connected(twin, auth=None) as api:
        assert f"consumer_key={twin.options.consumer_key}" in api.get("orders", params=keys).headers["link"]


def test_a_trailing_newline_makes_the_secret_wrong(twin: WooSandbox) -> None:
    auth = httpx.BasicAuth(twin.options.consumer_key, f"{twin.options.consumer_secret}\n")
    with connected(twin, auth=auth) as api:
        assert api.get("orders").json()["message"] == "Consumer secret is invalid."


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({}, 200, None),
        ({"scope": "read"}, 401, "woocommerce_rest_authentication_error"),
        ({"role": "customer"}, 403, "woocommerce_rest_cannot_batch"),
    ],
)
def test_the_empty_batch_probes_the_right_to_write(options: dict[str, Any], status: int, code: str | None) -> None:
    with connected(recorded_shop(**options)) as api:
        answer = api.post("orders/batch", json={})
    assert answer.status_code == status
    assert (answer.json() == []) if code is None else (answer.json()["code"] == code)


def test_a_user_without_rights_is_told_403() -> None:
    with connected(recorded_shop(role="customer")) as api:
        answer = api.get("orders")
    assert (answer.status_code, answer.json()["code"]) == (403, "woocommerce_rest_cannot_view")


def test_nested_fields_of_system_status(api: httpx.Client) -> None:
    fields = "environment.version,settings.currency,settings.taxonomies"
    assert api.get("system_status", params={"_fields": fields}).json() == {
        "environment": {"version": "11.0.1"},
        "settings": {
            "currency": "EUR",
            "taxonomies": {"external": "external", "grouped": "grouped", "simple": "simple", "variable": "variable"},
        },
    }


def test_the_front_page_names_the_api_of_a_shop_in_a_folder() -> None:
    shop = recorded_shop(subfolder="/shop")
    with connected(shop) as api:
        link = get(f"{shop.home}/").headers["link"]
        assert link == f'<{shop.home}/wp-json/>; rel="https://api.w.org/"'
        assert api.get("orders").status_code == 200
        assert get(f"{shop.base_url}/wp-json/").status_code == 404


@pytest.fixture
def permalinks_off() -> WooSandbox:
    return recorded_shop(permalinks="plain")


def test_plain_permalinks_end_on_the_front_page(permalinks_off: WooSandbox) -> None:
    plug(permalinks_off)
    for path in ("/wp-json/wc/v3/orders", "/index.php/wp-json/wc/v3/orders"):
        moved = get(f"{permalinks_off.home}{path}")
        followed = get(f"{permalinks_off.home}{path}", follow_redirects=True)
        assert moved.status_code == 301
        assert (followed.status_code, followed.headers["content-type"]) == (200, "text/html; charset=UTF-8")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?rest_route=/wc/v3/orders", 401),
        ("?rest_route=/wc/v3/orders&_p=wp-json/wc/", 200),
    ],
)
def test_rest_route_takes_keys_only_with_the_magic_text(query: str, status: int, permalinks_off: WooSandbox) -> None:
    with connected(permalinks_off) as api:
        assert api.get(f"{permalinks_off.home}/{query}").status_code == status


def test_the_settings_connect_to_the_shop_that_gave_them(twin: WooSandbox, plain: WooSandbox) -> None:
    assert twin.settings("http://x")["auth"] == "basic"
    assert plain.settings("http://x") == {
        "url": "http://x",
        "consumer_key": plain.options.consumer_key,
        "consumer_secret": plain.options.consumer_secret,
        "webhook_secret": plain.options.webhook_secret,
    }


def test_v1_sees_no_orders_v2_does_and_v4_is_not_there(api: httpx.Client, twin: WooSandbox) -> None:
    twin.insert_order(line_items=[{"product_id": 12}])
    assert api.get("../v1/orders").json() == []
    assert len(api.get("../v2/orders").json()) == 1
    assert api.get("../v4/orders").json()["code"] == "rest_no_route"


@pytest.mark.parametrize(("version", "total"), [("11.0.1", 1), ("8.1.1", 0)])
def test_search_finds_transaction_ids_under_hpos_only(version: str, total: int) -> None:
    shop = recorded_shop(version=version)
    shop.insert_order(line_items=[{"product_id": 12}], transaction_id="TX-2026-0001")
    with connected(shop) as api:
        assert len(api.get("orders", params={"search": "tx-2026"}).json()) == total


# shipment tracking plugins

ITEM = {"tracking_provider": "Hermes", "tracking_number": "H 1", "date_shipped": "2026-11-22"}


@pytest.mark.parametrize(
    ("kind", "namespace"),
    [
        ("shipment-tracking", "wc-shipment-tracking/v3"),
        ("ast", "wc-ast/v3"),
    ],
)
def test_tracking_entries_are_kept_by_the_plugin_that_is_there(kind: str, namespace: str) -> None:
    shop = recorded_shop(tracking=kind)
    order = shop.insert_order(line_items=[{"product_id": 12}])["id"]
    with connected(shop) as api:
        base = f"{shop.home}/wp-json/{namespace}/orders/{order}/shipment-trackings"
        assert namespace in get(f"{shop.home}/wp-json/").json()["namespaces"]
        made = api.post(base, json=ITEM)
        assert made.status_code == 201
        assert made.json()["tracking_link"] == "https://tracking.hermesworld.com/?TrackID=H%201"
        assert api.get(base).json() == [made.json()]
        assert "Hermes" in get(f"{base}/providers").json()["Germany"]
        assert shop.state()["trackings"] == {str(order): [made.json()]}
        assert api.delete(f"{base}/{made.json()['tracking_id']}").status_code == 200
        assert api.get(base).json() == []


def test_ast_completes_the_order_and_replaces_when_asked() -> None:
    shop = recorded_shop(tracking="ast")
    order = shop.insert_order(line_items=[{"product_id": 12}], status="processing")["id"]
    with connected(shop) as api:
        base = f"{shop.home}/wp-json/wc-ast/v3/orders/{order}/shipment-trackings"
        api.post(base, json=ITEM)
        api.post(base, json={**ITEM, "tracking_number": "H2", "status_shipped": 1, "replace_tracking": 1})
        assert [each["tracking_number"] for each in api.get(base).json()] == ["H2"]
        assert api.get(f"orders/{order}").json()["status"] == "completed"


def test_fulfillments_are_not_there_when_the_feature_is_off() -> None:
    shop = recorded_shop(tracking="none")
    shop.insert_order(line_items=[{"product_id": 12}])
    with connected(shop) as api:
        assert api.get("orders/1148/fulfillments").json()["code"] == "rest_no_route"


def test_more_than_was_ordered_cannot_be_fulfilled(twin: WooSandbox, api: httpx.Client) -> None:
    line = twin.insert_order(line_items=[{"product_id": 12, "quantity": 2}])["line_items"][0]["id"]
    meta = [{"key": "_items", "value": [{"item_id": line, "qty": 3}]}]
    assert api.post("orders/1148/fulfillments", json={"status": "fulfilled", "meta_data": meta}).status_code == 400


def test_a_new_order_is_found_again_by_its_creation(
    twin: WooSandbox, api: httpx.Client, shop_clock: FrozenClock
) -> None:
    twin.insert_order(line_items=[{"product_id": 12}])
    since = (shop_clock() - timedelta(minutes=2)).strftime("%Y-%m-%dT%H:%M:%S")
    params = {"after": since, "dates_are_gmt": "true", "orderby": "id", "order": "desc", "_fields": "id,meta_data"}
    assert [row["id"] for row in api.get("orders", params=params).json()] == [1148]


def test_an_option_that_there_is_not_is_told_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"there is no option 'foo'; there are: consumer_key, .*, currency, "):
        create(foo=1)
