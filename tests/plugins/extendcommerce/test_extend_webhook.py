"""Webhooks: who may send them and what they ask for."""

from __future__ import annotations

import json

import pytest
from extend_kit import SAMPLES

from crossdock import Changed, Secret, WebhookReply, WebhookRequest
from crossdock_extendcommerce.webhook import TRIGGERS, genuine, reply, signature

SIGNATURES = json.loads((SAMPLES / "webhook-signatures.json").read_bytes())
SECRET = Secret(SIGNATURES["secret"])


def post(body: bytes, signed: str | None = None, secret: Secret = SECRET) -> WebhookReply:
    header = signature(SECRET, body) if signed is None else signed
    return reply(WebhookRequest(method="POST", headers={"ms-signature": header}, query={}, body=body), secret)


def notice(*notifications: tuple[str, dict[str, object]]) -> bytes:
    listed = [{"Action": action, "Details": details} for action, details in notifications]
    return json.dumps({"Id": "1f", "Attempt": 1, "Notifications": listed}).encode()


def test_the_vendors_own_example_of_a_signature_holds() -> None:
    vector = SIGNATURES["vendor_vector"]
    assert genuine(Secret(vector["secret"]), vector["body"].encode(), vector["ms-signature"])
    assert genuine(Secret(vector["secret"]), vector["body"].encode(), vector["ms-signature"].lower())


@pytest.mark.parametrize(("name", "signed"), SIGNATURES["files"].items())
def test_every_recorded_webhook_is_genuine(name: str, signed: str) -> None:
    assert post((SAMPLES / name).read_bytes(), signed).status == 200


@pytest.mark.parametrize("signed", ["", "sha256=", "sha256=00", "sha256=ÄÖ"])
def test_a_forged_webhook_is_refused(signed: str) -> None:
    answer = post(notice(("OrderPicked", {"OrderNumber": "1"})), signed)
    assert (answer.status, answer.signals) == (401, ())


def test_a_changed_body_is_refused() -> None:
    body = notice(("OrderPicked", {"OrderNumber": "1"}))
    assert post(body.replace(b'"1"', b'"2"'), signature(SECRET, body)).status == 401


def test_without_a_secret_the_note_says_that_nothing_was_checked() -> None:
    answer = post(notice(("OrderPicked", {"OrderNumber": "1"})), "", Secret(""))
    assert answer.status == 200
    assert "no webhook secret" in answer.note


def test_the_address_check_gets_its_token_back() -> None:
    answer = reply(WebhookRequest(method="GET", headers={}, query={"echo": "tok-1"}, body=b""), SECRET)
    assert (answer.status, answer.body) == (200, "tok-1")


@pytest.mark.parametrize(("name", "signals"), [
    ("order-picked", [("orders", ("7004512",)), ("shipments", ("7004512",))]),
    ("order-reserved", [("orders", ("7004513",)), ("shipments", ("7004513",))]),
    ("order-cancelled", [("orders", ("7004514",)), ("shipments", ("7004514",))]),
    ("order-delivery-data-changed", [("orders", ("7004512",)), ("shipments", ("7004512",))]),
    ("available-balance-changed", [("balance", ("HELM-BLK-M", "BELL-RED-01"))]),
    ("product-created", [("products", ("BELL-BLU-01",))]),
    ("purchase-partially-delivered", [("balance", ())]),
    ("unknown-action", []),
])  # fmt: skip
def test_a_webhook_says_what_to_fetch_again(name: str, signals: list[tuple[str, tuple[str, ...]]]) -> None:
    answer = post((SAMPLES / f"webhook-{name}.json").read_bytes())
    assert [(each.stream, each.keys) for each in answer.signals] == signals


@pytest.mark.parametrize("action", TRIGGERS)
def test_every_trigger_of_the_vendor_is_known(action: str) -> None:
    assert "nothing is known" not in post(notice((action, {"OrderNumber": "1"}))).note


def test_an_unknown_action_is_taken_with_a_note() -> None:
    answer = post(notice(("SomethingNew", {})))
    assert (answer.status, answer.note) == (200, "nothing is known of SomethingNew")


def test_a_repeated_delivery_has_the_same_key() -> None:
    names = ("webhook-order-picked.json", "webhook-order-picked-retry.json")
    first, again = (post((SAMPLES / name).read_bytes()) for name in names)
    assert first.dedupe == again.dedupe != ""


def test_names_in_the_details_are_read_in_any_case() -> None:
    assert Changed(stream="orders", keys=("7",)) in post(notice(("OrderCreated", {"ordernumber": 7}))).signals


def test_a_notification_without_a_key_asks_for_the_whole_stream() -> None:
    answer = post(notice(("ProductChanged", {"ProductNumber": "A"}), ("ProductChanged", {})))
    assert answer.signals == (Changed(stream="products"),)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"Notifications": 1}', b"\xff"])
def test_a_signed_body_that_is_no_webhook_is_refused_but_never_with_410(body: bytes) -> None:
    assert post(body).status == 400
