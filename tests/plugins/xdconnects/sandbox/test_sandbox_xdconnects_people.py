"""What the supplier's people do in the sandbox, and the webhooks that tell it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sandbox_kit import TLS, Receiver
from xdconnects_sandbox_kit import order, placed, sample

from crossdock_xdconnects.sandbox import XdSandbox

NUMBER = "SO990001"


@pytest.fixture
def told(twin: XdSandbox, api: httpx.Client, receiver: Receiver) -> Receiver:
    """The receiver of everything about an order that was just placed."""
    placed(api, order("print"))
    twin.set_webhook(receiver.url)
    return receiver


@pytest.mark.parametrize(
    ("act", "name"),
    [
        (lambda twin: twin.request_artwork(NUMBER), "webhook-artwork-required.json"),
        (lambda twin: twin.send_proof(NUMBER, "https://proofs.example/SO990001.pdf"), "webhook-proof-ready.json"),
        (
            lambda twin: twin.ship(
                NUMBER,
                [
                    {
                        "carrier": "DemoPost",
                        "trackingNumber": "DEMO123456",
                        "trackingUrl": "https://track.example/DEMO123456",
                        "parcels": "2",
                    }
                ],
            ),
            "webhook-shipped.json",
        ),
        (lambda twin: twin.say(NUMBER, "Wachten op inkt"), "webhook-unknown-status.json"),
        (lambda twin: twin.foreign_webhook(), "webhook-foreign-order.json"),
    ],
)
def test_a_webhook_is_that_of_the_sample(
    twin: XdSandbox, told: Receiver, act: Callable[[XdSandbox], Any], name: str
) -> None:
    act(twin)
    body, expected = told.received[0].json, sample(name)
    assert {**body, "lines": None} == {
        **expected,
        "statusDate": "2026-09-15T08:20:30",
        "lines": None,
        **({"shipments": [each | {"shippedDate": "2026-09-15"} for each in expected.get("shipments", [])]}
           if "shipments" in expected else {}),
    }  # fmt: skip
    assert body.get("lines", expected.get("lines")) == expected.get("lines", body.get("lines"))


def test_every_step_is_told(twin: XdSandbox, told: Receiver) -> None:
    for act in (twin.receive, twin.accept, twin.request_artwork, twin.send_proof, twin.approve_proof, twin.produce):
        act(NUMBER)
    for act in (twin.print_, twin.hold, twin.ship, twin.deliver):
        act(NUMBER)
    assert [each.json["status"] for each in told.received] == [
        "Received", "Confirmed", "Artwork required", "Waiting approval", "Proof approved", "In production", "Printing",
        "On hold", "Shipped", "Delivered",
    ]  # fmt: skip
    assert twin.state()["orders"][0]["history"][0] == "received"


def test_a_rejection_tells_its_reason(twin: XdSandbox, told: Receiver) -> None:
    twin.reject(NUMBER, "Logo not ours to print")
    assert (told.received[0].json["status"], told.received[0].json["message"]) == ("Rejected", "Logo not ours to print")


def test_an_approved_proof_keeps_its_address(twin: XdSandbox, told: Receiver) -> None:
    twin.send_proof(NUMBER, "https://proofs.example/1.pdf")
    twin.approve_proof(NUMBER)
    assert told.received[1].json["proof"] == {"status": "Approved", "url": "https://proofs.example/1.pdf"}


def test_a_partial_shipment_tells_what_has_left_and_its_own_parcels(twin: XdSandbox, told: Receiver) -> None:
    twin.ship(NUMBER, partial=True)
    twin.ship(NUMBER)
    first, second = (each.json for each in told.received)
    assert (first["status"], second["status"]) == ("Partially shipped", "Shipped")
    assert [each["lines"][0]["quantityShipped"] for each in (first, second)] == [50, 100]
    assert [each["shipments"][0]["trackingNumber"] for each in (first, second)] == ["DEMO000001", "DEMO000002"]


def test_the_status_call_tells_all_shipments(twin: XdSandbox, api: httpx.Client, told: Receiver) -> None:
    twin.ship(NUMBER, quantities={"1": 30})
    twin.ship(NUMBER)
    now = api.get(f"orders/{NUMBER}").json()
    assert (now["status"], len(now["shipments"]), now["lines"][0]["quantityShipped"]) == ("Shipped", 2, 100)


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda twin: twin.accept("SO1"), "no order SO1"),
        (lambda twin: twin.approve_proof(NUMBER), "no proof"),
        (lambda twin: twin.deliver(NUMBER), "has shipped"),
        (lambda twin: twin.ship(NUMBER, quantities={1: 101}), "not that much"),
        (lambda twin: (twin.ship(NUMBER), twin.ship(NUMBER)), "not that much"),
        (lambda twin: (twin.cancel(NUMBER), twin.accept(NUMBER)), "does not change any more"),
        (lambda twin: twin.change_stock("NOPE", 1), "no item NOPE"),
        (lambda twin: twin.change_price("P991.003", 1, tier=2), "tiers 1 to 1"),
    ],
)
def test_what_can_not_be_is_an_error(
    twin: XdSandbox, told: Receiver, act: Callable[[XdSandbox], Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        act(twin)


def test_without_a_url_nothing_is_posted(twin: XdSandbox, api: httpx.Client) -> None:
    placed(api, order())
    twin.accept(NUMBER)
    assert twin.state()["webhooks"] == []


def test_fixed_headers_are_sent_and_only_their_names_kept(twin: XdSandbox, told: Receiver) -> None:
    twin.set_webhook(told.url, {"X-Agreed": "between us"})
    twin.accept(NUMBER)
    assert told.received[0].headers["x-agreed"] == "between us"
    assert told.received[0].headers["content-type"] == "application/json"
    assert twin.state()["webhooks"][0]["headers"] == ["X-Agreed"]


def test_the_state_keeps_body_and_answer(twin: XdSandbox, told: Receiver) -> None:
    twin.accept(NUMBER)
    kept = twin.state()["webhooks"][0]
    assert (kept["body"], kept["statuses"], kept["delivered"]) == (told.received[0].json, [200], True)


def test_a_failed_webhook_is_tried_again_after_one_and_five_minutes(twin: XdSandbox, told: Receiver) -> None:
    told.statuses = [500, 404, 503]
    twin.accept(NUMBER)
    seen = []
    for seconds in (59, 1, 299, 1, 900):
        twin.advance(seconds)
        seen.append(len(told.received))
    kept = twin.state()["webhooks"][0]
    assert seen == [1, 2, 2, 3, 3]
    assert {each.body for each in told.received} == {told.received[0].body}
    assert (kept["statuses"], kept["delivered"], kept["givenUp"]) == ([500, 404, 503], False, True)


def test_a_receiver_that_is_away_counts_as_no_answer(twin: XdSandbox, api: httpx.Client) -> None:
    placed(api, order())
    twin.set_webhook("http://127.0.0.1:1/hook")
    twin.accept(NUMBER)
    assert twin.state()["webhooks"][0]["statuses"] == [0]
    assert twin.deliver_webhooks() == 1


def test_a_repeat_has_the_same_bytes(twin: XdSandbox, told: Receiver) -> None:
    twin.accept(NUMBER)
    assert twin.repeat_last_webhook() is True
    assert told.received[0].body == told.received[1].body


def test_without_a_webhook_there_is_nothing_to_repeat(twin: XdSandbox) -> None:
    assert twin.repeat_last_webhook() is False


def test_a_foreign_webhook_may_mix_two_orders(twin: XdSandbox, told: Receiver) -> None:
    twin.foreign_webhook(order_number=NUMBER)
    assert (told.received[0].json["orderNumber"], told.received[0].json["reference"]) == (NUMBER, "NOT-OURS-1")
    assert twin.state()["orders"][0]["status"] == "received"


def test_actions_are_behind_the_control_door_and_do_not_wait_for_their_webhooks(
    twin: XdSandbox, told: Receiver
) -> None:
    answer = httpx.post(f"{twin.base_url}/_sandbox/do/accept", json={"order_number": NUMBER}, verify=TLS)
    assert told.arrived.wait(timeout=5)
    assert answer.json()["status"] == told.received[0].json["status"] == "Confirmed"


def test_the_state_is_behind_the_control_door(twin: XdSandbox, api: httpx.Client) -> None:
    placed(api, order())
    state = httpx.get(f"{twin.base_url}/_sandbox/state", verify=TLS).json()
    assert state == twin.state()


def test_switches_work_while_it_runs(twin: XdSandbox, api: httpx.Client) -> None:
    placed(api, order())
    twin.switch_duplicate_check(on=False)
    twin.switch_status_call(on=False)
    placed(api, order())
    assert api.get(f"orders/{NUMBER}").status_code == 404
