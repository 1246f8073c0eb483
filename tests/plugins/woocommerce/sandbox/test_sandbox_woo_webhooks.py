"""Webhooks are really delivered, signed, coalesced and given up (vendor page section 7)."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from sandbox_kit import FrozenClock, Receiver
from woo_kit import (
    TOPIC,
    connected,
    deliveries,
    pings,
    recorded_order_body,
    recorded_shop,
    sample,
    shape,
    signed,
    topics,
)

from crossdock_woocommerce.sandbox import WooSandbox

SECRET = "whsec-local"  # the one of the recordings
LINES = [{"product_id": 12, "quantity": 1}]


@pytest.fixture
def hooked(twin: WooSandbox, receiver: Receiver) -> WooSandbox:
    """The shop with the recorded subscriptions."""
    for topic in ("order.created", "order.updated", "product.updated", "order.deleted"):
        subscribe(twin, receiver, topic)
    twin.deliver_webhooks()
    receiver.received.clear()
    return twin


def subscribe(shop: WooSandbox, receiver: Receiver, topic: str) -> int:
    with connected(shop) as api:
        body = {"name": topic, "topic": topic, "delivery_url": receiver.url, "secret": SECRET}
        return int(api.post("webhooks", json=body).json()["id"])


def test_the_ping_is_a_form_without_any_signature(twin: WooSandbox, receiver: Receiver) -> None:
    hook = subscribe(twin, receiver, "order.created")
    twin.deliver_webhooks()
    recorded = sample("webhook-ping")["headers"]
    ping = receiver.received[0]
    assert ping.body == f"webhook_id={hook}".encode()
    assert ping.headers["content-type"] == recorded["Content-Type"]
    assert not any(name.startswith("x-wc") for name in ping.headers)


def test_a_ping_that_failed_comes_again_with_each_delivery_until_200(twin: WooSandbox, receiver: Receiver) -> None:
    receiver.statuses = [204, 500, 200, 200, 200]  # ping, ping, delivery, ping, delivery
    subscribe(twin, receiver, "order.created")
    twin.deliver_webhooks()
    for _ in range(3):
        twin.insert_order(line_items=LINES)
        twin.deliver_webhooks()
    assert (len(pings(receiver)), len(deliveries(receiver))) == (3, 3)


@pytest.mark.parametrize("name", ["order-created", "order-updated"])
def test_a_delivery_has_the_recorded_headers_and_a_valid_signature(
    name: str, hooked: WooSandbox, receiver: Receiver
) -> None:
    with connected(hooked) as api:
        api.post("orders", json=recorded_order_body())
    hooked.deliver_webhooks()
    recorded = sample(f"webhook-{name}")
    topic = recorded["headers"]["X-WC-Webhook-Topic"]
    got = next(each for each in deliveries(receiver) if each.headers[TOPIC] == topic)
    assert {header.lower() for header in recorded["headers"]} <= set(got.headers)
    for header in ("User-Agent", "Content-Type", "X-WC-Webhook-Resource", "X-WC-Webhook-Event"):
        assert got.headers[header.lower()] == recorded["headers"][header]
    assert got.headers["x-wc-webhook-source"] == f"{hooked.home}/"
    assert got.headers["x-wc-webhook-signature"] == signed(got.body, SECRET)
    assert len(got.body.replace(hooked.home.replace("/", "\\/").encode(), b"https:\\/\\/shop.example")) > 4000


def test_the_body_is_the_object_of_the_api(hooked: WooSandbox, receiver: Receiver) -> None:
    with connected(hooked) as api:
        api.post("orders", json=recorded_order_body())
        hooked.deliver_webhooks()
        told = next(got for got in deliveries(receiver) if got.headers[TOPIC] == "order.created")
        assert told.body == api.get("orders?include=1148").content[1:-1]


def test_a_new_order_tells_created_and_updated_and_each_product_sold(hooked: WooSandbox, receiver: Receiver) -> None:
    with connected(hooked) as api:
        api.post("orders", json=recorded_order_body())
    hooked.deliver_webhooks()
    assert sorted(topics(receiver)) == ["order.created", "order.updated", *["product.updated"] * 3]


def test_a_change_of_a_variation_tells_the_variation(hooked: WooSandbox, receiver: Receiver) -> None:
    hooked.set_stock("VAR-0011-M-R", 7)
    hooked.deliver_webhooks()
    told = deliveries(receiver)[0].json
    assert shape(told) == shape(sample("variation"))
    assert (told["id"], told["parent_id"], told["stock_quantity"]) == (341, 220, 7)


def test_a_product_update_has_the_recorded_shape(hooked: WooSandbox, receiver: Receiver) -> None:
    hooked.set_stock("SIM-0005", 97)
    hooked.deliver_webhooks()
    assert shape(deliveries(receiver)[0].json) == shape(json.loads(sample("webhook-product-updated")["body"]))


def test_binning_tells_deleted_with_the_identifier_alone(hooked: WooSandbox, receiver: Receiver) -> None:
    with hooked.shop.silence():
        order = hooked.insert_order(line_items=LINES)["id"]
    hooked.trash(order)
    hooked.deliver_webhooks()
    assert [(got.headers[TOPIC], got.json) for got in deliveries(receiver)] == [("order.deleted", {"id": order})]


@pytest.mark.parametrize(
    "act",
    [
        lambda api: api.delete("orders/1148", params={"force": "true"}),
        lambda api: api.put("orders/1149", json={"status": "processing"}),
        lambda api: api.delete("orders/1148/refunds/1150", params={"force": "true"}),
        lambda api: api.post("orders/1148/notes", json={"note": "Packed"}),
    ],
    ids=["permanent deletion", "restoring by PUT", "deleting a refund", "a note"],
)
def test_some_things_tell_nobody(act: Any, hooked: WooSandbox, receiver: Receiver) -> None:
    with hooked.shop.silence():
        hooked.insert_order(line_items=LINES, status="pending")
        hooked.insert_order(line_items=LINES, status="processing")
        hooked.trash(1149)
        hooked.refund(1148, "1.00")
    with connected(hooked) as api:
        assert act(api).is_success
    hooked.deliver_webhooks()
    assert [topic for topic in topics(receiver) if topic.startswith("order")] == []


def test_quick_updates_become_one_delivery_of_the_newest_state(hooked: WooSandbox, receiver: Receiver) -> None:
    with hooked.shop.silence():
        order = hooked.insert_order(line_items=LINES)["id"]
    for number in range(5):
        hooked.edit_order(order, customer_note=f"note {number}")
    hooked.deliver_webhooks()
    assert [got.json["customer_note"] for got in deliveries(receiver)] == ["note 4"]


def test_delivery_ids_are_not_unique_within_a_second(hooked: WooSandbox, receiver: Receiver) -> None:
    for _ in range(3):
        hooked.insert_order(line_items=LINES)
    hooked.deliver_webhooks()
    created = [got for got in deliveries(receiver) if got.headers[TOPIC] == "order.created"]
    assert len({got.json["id"] for got in created}) == 3
    assert len({got.headers["x-wc-webhook-delivery-id"] for got in created}) == 1


def test_a_hook_is_disabled_at_the_seventh_failure_in_a_row(twin: WooSandbox, receiver: Receiver) -> None:
    hook = subscribe(twin, receiver, "order.created")
    twin.deliver_webhooks()
    states = []
    with connected(twin) as api:
        for _ in range(7):
            receiver.statuses = [500]
            twin.insert_order(line_items=LINES)
            twin.deliver_webhooks()
            states.append(api.get(f"webhooks/{hook}").json()["status"])
        assert states == ["active"] * 6 + ["disabled"]
        twin.insert_order(line_items=LINES)
        assert twin.deliver_webhooks() == 0
        assert api.put(f"webhooks/{hook}", json={"status": "active"}).json()["status"] == "active"
    twin.insert_order(line_items=LINES)
    assert twin.deliver_webhooks() == 1


def test_a_success_empties_the_failure_count_and_302_is_one(twin: WooSandbox, receiver: Receiver) -> None:
    hook = subscribe(twin, receiver, "order.created")
    twin.deliver_webhooks()
    receiver.statuses = [500] * 6 + [302] + [500] * 6
    for _ in range(13):
        twin.insert_order(line_items=LINES)
        twin.deliver_webhooks()
    assert (twin.webhooks.hooks[hook].status, twin.webhooks.hooks[hook].failures) == ("active", 6)


def test_a_checkout_draft_is_told_and_told_as_created_again(hooked: WooSandbox, receiver: Receiver) -> None:
    order = hooked.checkout_draft()["id"]
    hooked.deliver_webhooks()
    draft = [(got.headers[TOPIC], got.json["status"]) for got in deliveries(receiver)]
    receiver.received.clear()
    hooked.place(order)
    hooked.deliver_webhooks()
    placed = [topic for topic in topics(receiver) if topic.startswith("order")]
    assert draft == [("order.created", "checkout-draft"), ("order.updated", "checkout-draft")]
    assert placed == ["order.created"]


def test_a_hook_without_secret_gets_one_that_is_never_shown(api: httpx.Client, twin: WooSandbox) -> None:
    body = {"topic": "order.created", "delivery_url": "http://127.0.0.1:9/", "status": "paused"}
    made = api.post("webhooks", json=body)
    assert (made.status_code, made.json()["status"]) == (201, "active")
    assert "secret" not in made.json()
    assert len(twin.webhooks.hooks[made.json()["id"]].secret) == 50


def test_the_secret_is_entity_decoded_before_it_signs(twin: WooSandbox, receiver: Receiver, api: httpx.Client) -> None:
    body = {"topic": "order.created", "delivery_url": receiver.url, "secret": "a&amp;b"}
    api.post("webhooks", json=body)
    twin.insert_order(line_items=LINES)
    twin.deliver_webhooks()
    got = deliveries(receiver)[0]
    assert got.headers["x-wc-webhook-signature"] == signed(got.body, "a&b")


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        ("rights", lambda got: [each.json["code"] for each in got] == ["woocommerce_rest_cannot_view"]),
        ("stuck", lambda got: got == []),
        ("duplicate", lambda got: len(got) == 2 and got[0].body == got[1].body),
        ("forged", lambda got: got[0].headers["x-wc-webhook-signature"] != signed(got[0].body, SECRET)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_deliveries_can_be_broken(kind: str, check: Any, twin: WooSandbox, receiver: Receiver) -> None:
    subscribe(twin, receiver, "order.created")
    twin.break_webhooks(kind)
    twin.insert_order(line_items=LINES)
    twin.deliver_webhooks()
    assert check(deliveries(receiver))


def test_deliveries_can_come_in_reverse(twin: WooSandbox, receiver: Receiver) -> None:
    subscribe(twin, receiver, "order.created")
    twin.break_webhooks("reversed")
    ids = [twin.insert_order(line_items=LINES)["id"] for _ in range(3)]
    twin.deliver_webhooks()
    assert [got.json["id"] for got in deliveries(receiver)] == ids[::-1]


def test_an_action_topic_tells_action_and_argument(twin: WooSandbox, receiver: Receiver) -> None:
    subscribe(twin, receiver, "action.woocommerce_order_refunded")
    order = twin.insert_order(line_items=LINES)["id"]
    twin.refund(order, "1.00")
    twin.deliver_webhooks()
    assert [got.json for got in deliveries(receiver)] == [{"action": "woocommerce_order_refunded", "arg": order}]


def test_deliveries_go_out_by_themselves_again_and_again(shop_clock: FrozenClock, receiver: Receiver) -> None:
    shop = recorded_shop(clock=shop_clock, auto_deliver=True, webhook_delay=0.0)
    subscribe(shop, receiver, "order.created")
    for count in range(3):
        assert receiver.arrived.wait(5)
        assert len(deliveries(receiver)) == count
        receiver.arrived.clear()
        shop.insert_order(line_items=LINES)


def test_what_waited_while_the_queue_stood_still_is_sent_when_it_is_mended(
    shop_clock: FrozenClock, receiver: Receiver
) -> None:
    shop = recorded_shop(clock=shop_clock, auto_deliver=True, webhook_delay=0.0)
    shop.break_webhooks("stuck")
    subscribe(shop, receiver, "order.created")
    order = shop.insert_order(line_items=LINES)["id"]
    assert receiver.arrived.wait(5)  # the ping, which does not queue
    receiver.arrived.clear()
    shop.break_webhooks("")
    assert receiver.arrived.wait(5)
    assert [got.json["id"] for got in deliveries(receiver)] == [order]


def test_a_receiver_may_ask_the_shop_while_it_is_told(hooked: WooSandbox, receiver: Receiver) -> None:
    with connected(hooked) as api:
        api.post(f"{hooked.base_url}/_sandbox/do/insert_order", json={"line_items": LINES})
        begun = api.post(f"{hooked.base_url}/_sandbox/do/deliver_webhooks").json()
        assert begun["waiting"] == 2
        assert api.get("orders").status_code == 200
    hooked.deliver_webhooks()  # waits for the one under way
    assert len(deliveries(receiver)) == 2


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"topic": "order.nonsense", "delivery_url": "https://x.example"}, "woocommerce_rest_webhook_invalid_topic"),
        ({"topic": "order.created", "delivery_url": "ftp://x"}, "woocommerce_rest_webhook_invalid_delivery_url"),
        ({"topic": "order.created"}, "rest_missing_callback_param"),
    ],
)
def test_bad_subscriptions_are_refused(body: dict[str, str], code: str, api: httpx.Client) -> None:
    answer = api.post("webhooks", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
