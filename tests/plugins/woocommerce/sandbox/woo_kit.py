"""A raw client for the WooCommerce sandbox, the recorded samples, and the shop that they were recorded from."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import httpx
from sandbox_kit import TLS, FrozenClock, Received, Receiver, plug

from crossdock_woocommerce.sandbox import WooSandbox, create, products

SAMPLES = Path(__file__).parent.parent / "samples"
RECORDED_HOME = "https://shop.example"
CREATED = datetime(2026, 11, 22, 4, 10, 23, tzinfo=UTC)  # when the recorded order was made
TOPIC = "x-wc-webhook-topic"


def deliveries(receiver: Receiver) -> list[Received]:
    return [each for each in receiver.received if TOPIC in each.headers]


def pings(receiver: Receiver) -> list[Received]:
    return [each for each in receiver.received if TOPIC not in each.headers]


def topics(receiver: Receiver) -> list[str]:
    return [each.headers[TOPIC] for each in deliveries(receiver)]


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))


def at_home(value: Any, home: str) -> Any:
    """A recorded value as the shop at `home` would have said it."""
    return json.loads(json.dumps(value).replace(RECORDED_HOME, home))


def get(url: str, **options: Any) -> httpx.Response:
    """One GET with a client of its own."""
    return httpx.get(url, verify=TLS, **options)


@contextmanager
def connected(sandbox: WooSandbox, **client: Any) -> Iterator[httpx.Client]:
    """A client logged in with Basic; ``client.base_url`` ends in ``/wp-json/wc/v3/``."""
    options = sandbox.options
    auth = client.pop("auth", httpx.BasicAuth(options.consumer_key, options.consumer_secret))
    plug(sandbox)
    with httpx.Client(base_url=f"{sandbox.home}/wp-json/wc/v3/", auth=auth, timeout=10, verify=TLS, **client) as made:
        yield made


def recorded_shop(**options: Any) -> WooSandbox:
    """A shop with the products of the samples, a moment before the recorded order was made."""
    usual = {"https": True, "clock": FrozenClock(CREATED), "auto_deliver": False, "tracking": "fulfillments"}
    sandbox = create(**(usual | options))
    shop = sandbox.shop
    books, shirts = ({"id": key, "name": name, "slug": name.lower()} for key, name in ((18, "Books"), (16, "Shirts")))

    def simple(key: int, number: int, price: str, **fields: Any) -> None:
        products.add(
            shop,
            {
                "name": f"Simple product {number}",
                "sku": f"SIM-{number:04d}",
                "regular_price": price,
                "manage_stock": True,
                "stock_quantity": 100,
                "categories": [books],
                **fields,
            },
            product_id=key,
        )

    with shop.at(datetime(2026, 11, 22, 3, 43, 0, tzinfo=UTC)):
        simple(10, 1, "19.95")
        simple(12, 3, "9.99")
        simple(14, 5, "24.95", tax_class="reduced-rate", weight="0.5", description="<p>Product 5</p>\n")
        for key in (35, 40, 59, 65, 80):
            simple(key, key, "5.00")
    both = {"visible": True, "variation": True}
    with shop.at(datetime(2026, 11, 22, 3, 43, 7, tzinfo=UTC)):
        for key in (51, 66, 69, 81, 84):
            simple(key, key, "5.00", categories=[shirts])
        products.add(
            shop,
            {
                "type": "variable",
                "name": "Variable product 11",
                "sku": "VAR-0011",
                "categories": [shirts],
                "attributes": [
                    {"name": "Size", "options": ["S", "M", "L"], **both},
                    {"name": "Color", "options": ["Red", "Blue"], **both},
                ],
            },
            product_id=220,
        )
    with shop.at(datetime(2026, 11, 22, 3, 43, 12, tzinfo=UTC)):
        for key, size, price in ((340, "S", "18.01"), (341, "M", "33.33"), (342, "L", "39.57")):
            products.add(
                shop,
                {
                    "sku": f"VAR-0011-{size}-R",
                    "regular_price": price,
                    "manage_stock": True,
                    "stock_quantity": 50,
                    "attributes": [{"name": "Size", "option": size}, {"name": "Color", "option": "Red"}],
                },
                parent_id=220,
                product_id=key,
            )
    shop.claim("post", 1147)
    return sandbox


def recorded_order_body() -> dict[str, Any]:
    """The POST that made the recorded order."""
    made = sample("order-after-create")
    return {
        **{name: made[name] for name in ("billing", "shipping", "payment_method", "payment_method_title")},
        **{name: made[name] for name in ("transaction_id", "customer_note")},
        "set_paid": True,
        "line_items": [
            {"product_id": 14, "quantity": 3},
            {"product_id": 12, "quantity": 1},
            {
                "product_id": 220,
                "variation_id": 341,
                "quantity": 2,
                "meta_data": [{"key": "Engraving", "value": "Für Zoë ♥"}],
            },
        ],
        "shipping_lines": [{"method_id": "flat_rate", "method_title": "DHL Paket", "total": "4.12"}],
        "fee_lines": [{"name": "Gift wrap", "total": "2.00"}],
        "coupon_lines": [{"code": "ten"}],
        "meta_data": [
            {"key": "_external_ref", "value": "PO-4711"},
            {"key": "gift", "value": {"wrap": True, "card": "Alles Gute"}},
        ],
    }


def shape(value: Any) -> Any:
    """Keys and JSON types of a value; whole and broken numbers are one type, as PHP writes 10.0 as 10."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        shapes: list[Any] = []
        for each in map(shape, value):
            if each not in shapes:
                shapes.append(each)
        return shapes
    if isinstance(value, bool) or value is None:
        return type(value).__name__
    return "number" if isinstance(value, int | float) else type(value).__name__


_ASSIGNED = {"order_key", "payment_url", "related_ids"}
_NUMBERED = {"key", "tax_class", "rate_id", "method_id", "code"}  # an object with one of these is a line or meta data


def determined(value: Any, *, top: bool = True) -> Any:
    """`value` without what a shop numbers or draws by lot: inner identifiers, order keys, related products."""
    if isinstance(value, dict):
        return {
            key: determined(inner, top=False)
            for key, inner in value.items()
            if key not in _ASSIGNED and (top or key != "id" or not _NUMBERED & set(value))
        }
    if isinstance(value, list):
        return [determined(each, top=False) for each in value]
    return value


class OAuth(httpx.Auth):
    """OAuth 1.0a, one-legged, as RFC 5849 has it; `place` is ``query`` or ``header``."""

    def __init__(
        self, key: str, secret: str, now: int, *, method: str = "HMAC-SHA256", place: str = "header", nonce: str = ""
    ) -> None:
        self.key, self.secret, self.now, self.method, self.place, self.nonce = key, secret, now, method, place, nonce

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]
        protocol = {
            "oauth_consumer_key": self.key,
            "oauth_timestamp": str(self.now),
            "oauth_nonce": self.nonce or secrets.token_hex(8),
            "oauth_signature_method": self.method,
            "oauth_version": "1.0",
        }
        parts = urlsplit(str(request.url))
        pairs = parse_qsl(parts.query, keep_blank_values=True) + list(protocol.items())
        text = "&".join(sorted(f"{quote(k, safe='~')}={quote(v, safe='~')}" for k, v in pairs))
        url = f"{parts.scheme}://{parts.netloc}{parts.path}"
        base = f"{request.method}&{quote(url, safe='~')}&{quote(text, safe='~')}"
        digest = {"HMAC-SHA1": hashlib.sha1, "HMAC-SHA256": hashlib.sha256}.get(self.method, hashlib.md5)
        made = hmac.new(f"{quote(self.secret, safe='~')}&".encode(), base.encode(), digest).digest()
        protocol["oauth_signature"] = base64.b64encode(made).decode()
        if self.place == "header":
            fields = ", ".join(f'{k}="{quote(v, safe="~")}"' for k, v in protocol.items())
            request.headers["Authorization"] = f"OAuth {fields}"
        else:
            request.url = request.url.copy_merge_params(protocol)
        yield request


def signed(body: bytes, secret: str) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
