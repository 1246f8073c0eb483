"""Webhooks of the sandbox: the echo check, the signature, delivery, retries, and which action raises which trigger."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from extend_kit import SAMPLES, notifications, sample
from sandbox_kit import TLS, FrozenClock, Receiver, plug

from crossdock_extendcommerce.sandbox import TRIGGERS, ExtendSandbox, create, signature


@pytest.fixture
def number(twin: ExtendSandbox) -> str:
    return str(twin.book.create(sample("order-create-full.request.json")).number)


@pytest.fixture
def hooked(twin: ExtendSandbox, number: str, receiver: Receiver) -> ExtendSandbox:
    """The sandbox with an order, and a webhook for everything from now on."""
    twin.add_webhook(receiver.url)
    return twin


def test_the_vendors_signature_sample_reproduces() -> None:
    vector = sample("webhook-signatures.json")["vendor_vector"]
    assert signature(vector["body"].encode(), vector["secret"]) == vector["ms-signature"]


@pytest.mark.parametrize("name", sorted(sample("webhook-signatures.json")["files"]))
def test_every_signed_sample_reproduces(name: str) -> None:
    signed = sample("webhook-signatures.json")
    assert signature((SAMPLES / name).read_bytes(), signed["secret"]) == signed["files"][name]


def test_a_webhook_is_registered_after_the_echo(twin: ExtendSandbox, receiver: Receiver) -> None:
    assert twin.add_webhook(receiver.url, events=["OrderPicked"])["events"] == ["OrderPicked"]


def test_a_url_that_does_not_echo_is_not_registered(twin: ExtendSandbox, receiver: Receiver) -> None:
    receiver.echo = False
    with pytest.raises(ValueError, match="did not answer the echo token"):
        twin.add_webhook(receiver.url)
    assert twin.state()["webhooks"] == []


def test_noecho_skips_the_check(twin: ExtendSandbox, receiver: Receiver) -> None:
    receiver.echo = False
    assert twin.add_webhook(f"{receiver.url}?noecho")["active"] is True


def test_an_unknown_trigger_is_not_registered(twin: ExtendSandbox, receiver: Receiver) -> None:
    with pytest.raises(ValueError, match="no trigger OrderShipped"):
        twin.add_webhook(receiver.url, events=["OrderShipped"])


def test_a_delivery_is_signed_over_its_exact_bytes(hooked: ExtendSandbox, number: str, receiver: Receiver) -> None:
    hooked.reserve(number)
    hooked.deliver_webhooks()
    got = receiver.received[0]
    assert got.headers["ms-signature"] == signature(got.body, hooked.webhook_secret)


def test_a_body_has_the_shape_of_the_sample(hooked: ExtendSandbox, number: str, receiver: Receiver) -> None:
    hooked.reserve(number)
    hooked.deliver_webhooks()
    body, expected = receiver.received[0].json, json.loads((SAMPLES / "webhook-order-reserved.json").read_bytes())
    assert list(body) == list(expected)
    assert len(body["Id"]) == 32
    assert body["Attempt"] == 1
    assert len(body["Properties"]["NotificationId"]) == 36
    assert body["Notifications"] == [
        {"Action": "OrderReserved", "Details": {"OrderNumber": number, "Warehouse": "HUVUD"}}
    ]


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (lambda twin, number: twin.pick(number), {"OrderReserved", "OrderPicked", "BalanceChanged"}),
        (
            lambda twin, number: twin.pick(number, rows=[20]),
            {"OrderReserved", "OrderPicked", "BalanceChanged", "OrderDeliveryDataChanged"},
        ),
        (lambda twin, number: twin.annul(number), {"OrderCancelled", "AvailableBalanceChanged"}),
        (lambda twin, number: twin.set_stock("BELL-RED-01", 9), {"BalanceChanged", "AvailableBalanceChanged"}),
        (lambda twin, number: twin.new_product(productNumber="N", name="Ny"), {"ProductCreated"}),
        (lambda twin, number: twin.edit_product("BELL-RED-01", name="Ny"), {"ProductChanged"}),
        (
            lambda twin, number: twin.book.create(sample("order-create-minimal.request.json")),
            {"OrderCreated", "AvailableBalanceChanged"},
        ),
        (
            lambda twin, number: twin.book.update(number, {"orderHeader": {"askedDeliveryDate": "2026-10-01"}}),
            {"OrderDeliveryDataChanged"},
        ),
        (lambda twin, number: twin.customers.create(sample("customer-create.request.json")), {"CustomerCreated"}),
        (lambda twin, number: twin.customers.update("K-4410", {"phone": "1"}), {"CustomerChanged"}),
    ],
)
def test_what_happens_raises_its_triggers(
    hooked: ExtendSandbox, number: str, receiver: Receiver, act: Callable[[ExtendSandbox, str], Any], expected: set[str]
) -> None:
    act(hooked, number)
    hooked.deliver_webhooks()
    assert {action for action, _ in notifications(receiver)} == expected


def test_purchases_raise_their_triggers(hooked: ExtendSandbox, receiver: Receiver) -> None:
    for _ in range(2):
        hooked.inbounds.create_purchase(sample("purchase-order-create.request.json"))
    hooked.receive("RP-101", {10: 5})
    hooked.receive("RP-101")
    hooked.cancel_purchase("RP-102")
    hooked.deliver_webhooks()
    assert [each for each in notifications(receiver) if each[0].startswith("Purchase")] == [
        ("PurchasePartiallyDelivered", {"OrderNumber": "RP-101", "Warehouse": "HUVUD"}),
        ("PurchaseDelivered", {"OrderNumber": "RP-101", "Warehouse": "HUVUD"}),
        ("PurchaseCancelled", {"OrderNumber": "RP-102", "Warehouse": "HUVUD"}),
    ]


def test_one_body_holds_the_balances_of_a_whole_order(hooked: ExtendSandbox, number: str, receiver: Receiver) -> None:
    hooked.annul(number)
    hooked.deliver_webhooks()
    body = next(got.json for got in receiver.received if b"AvailableBalanceChanged" in got.body)
    assert [each["Details"] for each in body["Notifications"]] == [
        {"ProductNumber": "HELM-BLK-M", "Warehouse": "HUVUD", "AvailableBalance": 14},
        {"ProductNumber": "BELL-RED-01", "Warehouse": "HUVUD", "AvailableBalance": 0},
    ]


@pytest.mark.parametrize("trigger", [*TRIGGERS, "SomethingNew"])
def test_every_trigger_and_an_unknown_one_can_be_emitted(
    hooked: ExtendSandbox, receiver: Receiver, trigger: str
) -> None:
    hooked.emit(trigger, {"Foo": "bar"})
    hooked.deliver_webhooks()
    assert notifications(receiver) == [(trigger, {"Foo": "bar"})]


def test_there_are_eighteen_triggers() -> None:
    assert len(TRIGGERS) == 18


def test_only_chosen_events_of_the_chosen_warehouse_arrive(twin: ExtendSandbox, receiver: Receiver) -> None:
    twin.add_webhook(receiver.url, events=["BalanceChanged"], warehouse="RETUR")
    twin.set_stock("HELM-BLK-M", 20)
    twin.set_stock("HELM-BLK-M", 5, "RETUR")
    twin.deliver_webhooks()
    assert notifications(receiver) == [
        ("BalanceChanged", {"ProductNumber": "HELM-BLK-M", "Warehouse": "RETUR", "Balance": 5})
    ]


def test_a_failed_delivery_comes_again_after_one_and_then_four_minutes(
    hooked: ExtendSandbox, receiver: Receiver
) -> None:
    receiver.statuses = [500, 500, 500]
    hooked.emit("OrderPicked", {"OrderNumber": "1"})
    counts = []
    for seconds in (0, 59, 1, 239, 1, 3600):
        hooked.advance(seconds)
        hooked.deliver_webhooks()
        counts.append(len(receiver.received))
    assert counts == [1, 1, 2, 2, 3, 3]
    assert [got.json["Attempt"] for got in receiver.received] == [1, 2, 3]
    assert len({got.json["Id"] for got in receiver.received}) == 1


def test_a_dead_receiver_is_tried_again(twin: ExtendSandbox, receiver: Receiver) -> None:
    twin.add_webhook("http://127.0.0.1:9/hook?noecho")
    twin.emit("OrderPicked", {"OrderNumber": "1"})
    assert twin.deliver_webhooks() == {"delivered": 0, "pending": 1}


def test_gone_stops_the_hook(hooked: ExtendSandbox, receiver: Receiver) -> None:
    receiver.statuses = [410]
    for _ in range(2):
        hooked.emit("OrderPicked", {"OrderNumber": "1"})
    hooked.deliver_webhooks()
    assert hooked.emit("OrderPicked", {"OrderNumber": "2"}) == 0
    assert (len(receiver.received), hooked.state()["webhooks"][0]["active"]) == (1, False)


def test_a_delivery_can_be_repeated_unchanged(hooked: ExtendSandbox, receiver: Receiver) -> None:
    hooked.emit("OrderPicked", {"OrderNumber": "1"})
    hooked.deliver_webhooks()
    hooked.repeat_webhooks()
    hooked.deliver_webhooks()
    assert receiver.received[0].body == receiver.received[1].body


def test_a_forgery_carries_a_wrong_signature(hooked: ExtendSandbox, receiver: Receiver) -> None:
    hooked.emit("OrderPicked", {"OrderNumber": "1"}, forged=True)
    hooked.deliver_webhooks()
    got = receiver.received[0]
    assert got.headers["ms-signature"] != signature(got.body, hooked.webhook_secret)


def test_the_state_tells_what_was_sent(hooked: ExtendSandbox, receiver: Receiver) -> None:
    hooked.emit("OrderPicked", {"OrderNumber": "1"})
    hooked.deliver_webhooks()
    sent = hooked.state()["webhooks"][0]["deliveries"]
    assert [(each["attempt"], each["status"], each["actions"]) for each in sent] == [(1, 200, ["OrderPicked"])]


def test_a_thread_delivers_on_its_own(vendor_clock: FrozenClock, receiver: Receiver) -> None:
    sandbox = create(clock=vendor_clock)
    sandbox.seed(1)
    sandbox.add_webhook(receiver.url)
    httpx.post(f"{plug(sandbox)}/_sandbox/do/set_stock", json={"number": "SKU-00001", "quantity": 1}, verify=TLS)
    sandbox.deliver_webhooks()  # waits for what the thread has in hand
    assert {action for action, _ in notifications(receiver)} == {"BalanceChanged", "AvailableBalanceChanged"}
