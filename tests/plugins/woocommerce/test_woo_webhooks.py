"""A webhook is a hint: checked to the byte, and never believed further than to read again."""

from __future__ import annotations

import base64
import hashlib
import hmac

import msgspec
import pytest

from crossdock import Changed, SettingsError, WebhookRequest
from crossdock_woocommerce import plugin
from crossdock_woocommerce.webhook import TOPICS

SECRET = "whsec-local"
URL = "https://listener.example/hook"


@pytest.fixture
def session(offline):
    """A connection that knows the secret of the recordings."""
    return offline(webhook_secret=SECRET)


@pytest.fixture
def recorded(sample):
    """A recorded delivery, byte for byte."""

    def delivery(name: str, **changes) -> WebhookRequest:
        row = sample(name)
        headers = {key.lower(): value for key, value in row["headers"].items()} | changes.pop("headers", {})
        body = changes.pop("body", row["body"].encode())
        return WebhookRequest(method="POST", headers=headers, query={}, body=body)

    return delivery


def signed(topic: str, body: bytes, secret: str = SECRET) -> WebhookRequest:
    """A delivery made by hand."""
    proof = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
    headers = {"content-type": "application/json", "x-wc-webhook-topic": topic, "x-wc-webhook-signature": proof}
    return WebhookRequest(method="POST", headers=headers, query={}, body=body)


@pytest.mark.parametrize(
    ("name", "stream", "key"),
    [
        ("webhook-order-created", "orders", "1148"),
        ("webhook-order-updated", "orders", "1148"),
        ("webhook-order-deleted", "orders", "1154"),
        ("webhook-product-updated", "products", "14"),
    ],
)
def test_a_recorded_delivery_says_what_to_read_again(session, recorded, name: str, stream: str, key: str) -> None:
    reply = plugin.handle_webhook(session, recorded(name))
    assert reply.status == 200
    assert reply.signals[0] == Changed(stream=stream, keys=(key,))


def test_a_product_asks_for_its_price_and_stock_too(session, recorded) -> None:
    reply = plugin.handle_webhook(session, recorded("webhook-product-updated"))
    assert reply.signals[1:] == (
        Changed(stream="prices", keys=("SIM-0005",)), Changed(stream="balance", keys=("SIM-0005",)),
    )  # fmt: skip


def test_a_variation_asks_for_its_parent(session) -> None:
    body = b'{"id":341,"parent_id":220,"type":"variation","sku":"VAR-0011-M-R","status":"publish"}'
    reply = plugin.handle_webhook(session, signed("product.updated", body))
    assert reply.signals == (
        Changed(stream="products", keys=("220",)), Changed(stream="prices", keys=("VAR-0011-M-R",)),
        Changed(stream="balance", keys=("VAR-0011-M-R",)),
    )  # fmt: skip


@pytest.mark.parametrize("index", [0, 20, -1])
def test_one_changed_byte_makes_it_a_forgery(session, recorded, index: int) -> None:
    body = bytearray(recorded("webhook-order-updated").body)
    body[index] ^= 1
    reply = plugin.handle_webhook(session, recorded("webhook-order-updated", body=bytes(body)))
    assert (reply.status, reply.signals) == (401, ())


@pytest.mark.parametrize("signature", ["", "Y803Jwb0", "ä"])
def test_a_wrong_or_missing_signature_is_refused(session, recorded, signature: str) -> None:
    request = recorded("webhook-order-updated", headers={"x-wc-webhook-signature": signature})
    assert plugin.handle_webhook(session, request).status == 401


def test_without_a_secret_nothing_is_believed(offline, recorded) -> None:
    assert plugin.handle_webhook(offline(), recorded("webhook-order-updated")).status == 401


def test_an_empty_secret_cannot_be_used_for_forging(offline) -> None:
    request = signed("order.updated", b'{"id":1}', secret="")
    assert plugin.handle_webhook(offline(), request).status == 401


def test_the_unsigned_ping_is_answered_200_and_does_nothing(session, recorded) -> None:
    reply = plugin.handle_webhook(session, recorded("webhook-ping"))
    assert (reply.status, reply.signals) == (200, ())


@pytest.mark.parametrize("body", [b'{"code":"woocommerce_rest_cannot_view"}', b"no json", b"[]", b'{"id":null}'])
def test_a_signed_body_without_an_id_asks_for_a_normal_fetch(session, body: bytes) -> None:
    reply = plugin.handle_webhook(session, signed("order.updated", body))
    assert (reply.status, reply.signals) == (200, (Changed(stream="orders"),))


@pytest.mark.parametrize("status", ["checkout-draft", "auto-draft"])
def test_drafts_of_the_checkout_are_dropped(session, status: str) -> None:
    reply = plugin.handle_webhook(session, signed("order.created", msgspec.json.encode({"id": 1, "status": status})))
    assert (reply.status, reply.signals) == (200, ())


def test_a_product_kept_as_a_draft_is_not_dropped(session) -> None:
    reply = plugin.handle_webhook(session, signed("product.updated", b'{"id":1,"status":"draft"}'))
    assert reply.signals == (Changed(stream="products", keys=("1",)),)


@pytest.mark.parametrize("topic", ["coupon.created", "action.woocommerce_order_refunded", ""])
def test_topics_that_are_not_used_are_accepted_and_ignored(session, topic: str) -> None:
    reply = plugin.handle_webhook(session, signed(topic, b'{"action":"x","arg":1}'))
    assert (reply.status, reply.signals) == (200, ())


def test_repeats_are_known_by_topic_id_and_time_and_not_by_delivery_id(session, recorded) -> None:
    reply = plugin.handle_webhook(session, recorded("webhook-order-updated", headers={"x-wc-webhook-delivery-id": "1"}))
    assert reply.dedupe == "order.updated:1148:2026-11-22T04:10:23"


def test_a_deletion_is_never_a_repeat(session, recorded) -> None:
    assert plugin.handle_webhook(session, recorded("webhook-order-deleted")).dedupe == ""


# -- registering -------------------------------------------------------------------------------------


@pytest.fixture
def shop(shops):
    """A shop that keeps its deliveries to itself."""
    return shops(auto_deliver=False)


def hooks(session) -> list[dict]:
    """The shop's webhooks."""
    return session.http.get("wp-json/wc/v3/webhooks", {"per_page": 100}).json()


def test_every_topic_is_registered_once(shop) -> None:
    session = shop.connect()
    state = plugin.register_webhook(session, URL, SECRET)
    assert state.active
    assert sorted(hook["topic"] for hook in hooks(session)) == sorted(TOPICS)


def test_registering_twice_makes_no_second(shop) -> None:
    session = shop.connect()
    first = plugin.register_webhook(session, URL, SECRET)
    second = plugin.register_webhook(session, URL, SECRET)
    assert (first.external_id, len(hooks(session))) == (second.external_id, len(TOPICS))


def test_a_webhook_that_was_switched_off_is_active_again(shop) -> None:
    session = shop.connect()
    first, *_ = plugin.register_webhook(session, URL, SECRET).external_id.split(",")
    session.http.put(f"wp-json/wc/v3/webhooks/{first}", {"status": "disabled"})
    state = plugin.register_webhook(session, URL, SECRET)
    assert "active again" in state.note
    assert {hook["status"] for hook in hooks(session)} == {"active"}


def test_doubles_are_removed_and_other_peoples_webhooks_left_alone(shop) -> None:
    session = shop.connect()
    for url in (URL, URL, "https://other.example/hook"):
        body = {"topic": "order.updated", "delivery_url": url, "secret": "x"}
        session.http.post("wp-json/wc/v3/webhooks", body, create=True)
    plugin.register_webhook(session, URL, SECRET)
    updated = [hook["delivery_url"] for hook in hooks(session) if hook["topic"] == "order.updated"]
    assert sorted(updated) == [URL, "https://other.example/hook"]


def test_an_address_that_wordpress_will_not_deliver_to_is_noted(shop) -> None:
    state = plugin.register_webhook(shop.connect(), "http://127.0.0.1:9999/hook", SECRET)
    assert "8080" in state.note


@pytest.mark.parametrize("secret", ["", "a<b"])
def test_a_secret_that_cannot_work_is_refused(shop, secret: str) -> None:
    with pytest.raises(SettingsError):
        plugin.register_webhook(shop.connect(), URL, secret)
