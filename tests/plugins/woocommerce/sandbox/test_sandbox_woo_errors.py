"""Each recorded error is provoked again and must have the recorded status and body."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from sandbox_kit import FrozenClock
from woo_kit import CREATED, at_home, connected, recorded_order_body, recorded_shop, sample

from crossdock_woocommerce.sandbox import WooSandbox

RECORDED = {each["what"]: each for each in sample("errors")}
NOTICE = (
    "<br />\n<b>Warning</b>:  Undefined variable $x in <b>/var/www/html/wp-content/plugins/x/x.php</b> "
    "on line <b>12</b><br />\n"
)


def body(**content: Any) -> dict[str, Any]:
    return {"json": content}


REQUESTS: dict[str, dict[str, Any]] = {
    "read-only key writing": body(),
    "broken JSON": {"content": b'{"status":', "headers": {"content-type": "application/json"}},
    "price as a number": body(name="x", regular_price=9.99),
    "duplicate SKU": body(name="x", sku="SIM-0001"),
    "fractional stock": body(stock_quantity=2.5),
    "variation through /products/ID": body(stock_quantity=2),
    "batch above 100": body(update=[{"id": 40}] * 101),
    "line without product": body(line_items=[{"quantity": 1}]),
    "unknown coupon (leaves a draft order behind)": body(
        line_items=[{"product_id": 12}], coupon_lines=[{"code": "nope"}]
    ),
    "bad e-mail": body(billing={"email": "nobody"}),
    "refund above the rest": body(amount="999.00", api_refund=False),
    "refund through a gateway that cannot": body(amount="1.00"),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "right key, basic auth over plain http (ignored by the server)": {"https": False},
    "read-only key writing": {"scope": "read"},
    "write-only key reading": {"scope": "write"},
    "PHP warning printed before the JSON": {"php_notice": NOTICE},
    "BOM before the JSON": {"bom": True},
}
CREDENTIALS: dict[str, Callable[[WooSandbox], Any]] = {
    "no credentials": lambda shop: None,
    "unknown consumer key over https": lambda shop: httpx.BasicAuth("ck_nobody", shop.options.consumer_secret),
    "wrong consumer secret over https": lambda shop: httpx.BasicAuth(shop.options.consumer_key, "cs_wrong"),
}
FILLED = {
    "PHP warning printed before the JSON": 513,
    "BOM before the JSON": 513,
    "page beyond the end (products)": 0,
}


def ask(what: str) -> tuple[httpx.Response, WooSandbox]:
    """Provoke one recorded error in a shop of its own."""
    recorded = RECORDED[what]
    method, _, url = recorded["request"].partition(" ")
    shop = recorded_shop(**{"clock": FrozenClock(CREATED)} | OPTIONS.get(what, {}))
    prepare(what, shop)
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    credentials = {"auth": CREDENTIALS[what](shop)} if what in CREDENTIALS else {}
    with connected(shop, **credentials) as api:
        home = shop.base_url
        if "1148/refunds" in target:
            assert api.post("orders", json=recorded_order_body()).status_code == 201
        return api.request(method, f"{home}{target}", **REQUESTS.get(what, {})), shop


def prepare(what: str, shop: WooSandbox) -> None:
    if FILLED.get(what):
        shop.seed(orders=FILLED[what], products=0, simple=True)
    for number in range(5):
        shop.webhooks.create({"topic": "order.created", "delivery_url": f"https://listener.example/{number}"})
    if what == "PHP fatal error":
        shop.fatal_error()
    if what.startswith("maintenance"):
        shop.maintenance()


@pytest.mark.parametrize("what", RECORDED)
def test_a_recorded_error_is_answered_with_the_recorded_status_and_type(what: str) -> None:
    answer, _ = ask(what)
    recorded = RECORDED[what]
    assert answer.status_code == recorded["status"]
    assert answer.headers["content-type"] == recorded["headers"]["Content-Type"]


JSON_BODIES = [what for what, each in RECORDED.items() if each["body"].startswith("{")]


@pytest.mark.parametrize("what", JSON_BODIES)
def test_a_recorded_error_has_the_recorded_body(what: str) -> None:
    answer, shop = ask(what)
    expected, actual = json.loads(RECORDED[what]["body"]), answer.json()
    if "new_draft_order_id" in answer.text:
        draft = actual["data"].pop("new_draft_order_id")
        expected["data"].pop("new_draft_order_id")
        assert shop.shop.orders.load(draft)["status"] == "auto-draft"
    assert actual == expected


@pytest.mark.parametrize("what", [what for what, each in RECORDED.items() if "X-Robots-Tag" in each["headers"]])
def test_a_recorded_error_has_the_recorded_headers(what: str) -> None:
    answer, shop = ask(what)
    recorded = at_home(RECORDED[what]["headers"], shop.home)
    recorded["Link"] = recorded["Link"].replace("http://shop.example", shop.home)
    if "products" in RECORDED[what]["request"]:
        for name in ("X-WP-Total", "X-WP-TotalPages"):
            recorded.pop(name, None)
        recorded["Link"] = recorded["Link"].replace("page=4", "page=1")
    for name, value in recorded.items():
        assert answer.headers[name] == value, name
    assert ("allow" in answer.headers) == ("Allow" in recorded)
    assert ("cache-control" in answer.headers) == ("Cache-Control" in recorded)


@pytest.mark.parametrize("what", ["PHP warning printed before the JSON", "BOM before the JSON"])
def test_text_before_the_json_is_the_recorded_text(what: str) -> None:
    answer, _ = ask(what)
    recorded = RECORDED[what]["body"].encode()
    prefix, _, rest = answer.content.partition(b"[")
    assert prefix == recorded.partition(b"[")[0]
    assert list(json.loads(b"[" + rest)[0]) == ["id"]


def test_maintenance_asks_to_come_back() -> None:
    answer, _ = ask("maintenance mode while plugins update")
    assert answer.headers["retry-after"] == "600"
