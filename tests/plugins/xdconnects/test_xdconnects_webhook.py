"""News of orders: who is believed, what they change, and what comes of them in the streams."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xd_kit import ASKING, KEY, SAMPLES, Store, line, opened, order, wire_file

from crossdock import (
    ByKeys,
    Changed,
    Order,
    OutcomeUnknownError,
    Session,
    Shipment,
    Since,
    WebhookReply,
    WebhookRequest,
)
from crossdock_xdconnects import ledger, news, plugin, wire
from crossdock_xdconnects.sandbox import XdSandbox
from crossdock_xdconnects.settings import Settings

JSON = {"content-type": "application/json"}


def hook(session: Session[Settings], body: Any, headers: Mapping[str, str] = JSON) -> WebhookReply:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return plugin.handle_webhook(session, WebhookRequest(method="POST", headers=headers, query={}, body=content))


def send(session: Session[Settings], wanted: Order | None = None) -> str:
    wanted = wanted or order()
    assert plugin.preview_order(session, wanted, KEY).problems == ()
    return plugin.push_order(session, wanted, KEY, None).external_id


def read(session: Session[Settings]) -> Order:
    (page,) = plugin.fetch_orders(session, Since())
    (found,) = page.records
    return found


def shipments(session: Session[Settings]) -> list[Shipment]:
    return [record for page in plugin.fetch_shipments(session, Since()) for record in page.records]


def named(sample: str, number: str) -> dict[str, Any]:
    """A recorded webhook, about our order."""
    return {**json.loads((SAMPLES / sample).read_bytes()), "orderNumber": number, "reference": KEY}


def test_a_webhook_says_which_order_to_fetch_again(session: Session[Settings]) -> None:
    number = send(session)
    reply = hook(session, named("webhook-proof-ready.json", number))
    assert reply.status == 200
    assert reply.signals == (Changed(stream="orders", keys=(number,)), Changed(stream="shipments", keys=(number,)))
    assert read(session).extras["proof_url"] == "https://proofs.example/SO990001.pdf"
    assert (read(session).raw_status, read(session).status) == ("proof_waiting", "on_hold")


def test_the_same_body_has_the_same_mark(session: Session[Settings]) -> None:
    number = send(session)
    bodies = [named("webhook-proof-ready.json", number)] * 2 + [named("webhook-shipped.json", number)]
    first, second, other = (hook(session, each).dedupe for each in bodies)
    assert first == second != other


@pytest.mark.parametrize("body", [
    {"orderNumber": "SO111111", "reference": "NOT-OURS-1", "status": "Cancelled"},
    {"orderNumber": "SO111111", "reference": KEY, "status": "Cancelled"},
    {"orderNumber": "NUMBER", "reference": "NOT-OURS-1", "status": "Cancelled"},
    {"orderNumber": "NUMBER", "status": "Cancelled"}, {"reference": KEY, "status": "Cancelled"}, {},
])  # fmt: skip
def test_what_is_not_about_an_order_of_ours_changes_nothing(session: Session[Settings], body: dict[str, str]) -> None:
    number = send(session)
    before = read(session)
    reply = hook(session, {name: number if value == "NUMBER" else value for name, value in body.items()})
    assert (reply.status, reply.signals) == (200, ())
    assert read(session) == before


def test_an_unknown_word_is_shown_and_changes_no_status(session: Session[Settings]) -> None:
    number = send(session)
    reply = hook(session, named("webhook-unknown-status.json", number))
    assert "not known" in reply.note
    assert (read(session).raw_status, read(session).extras["word"]) == ("received", "Wachten op inkt")


def test_a_missing_artwork_holds_the_order_and_says_why(session: Session[Settings]) -> None:
    hook(session, named("webhook-artwork-required.json", send(session)))
    assert (read(session).raw_status, read(session).status) == ("artwork_required", "on_hold")
    assert read(session).extras["message"] == "Logo resolution too low"


def test_a_shipment_has_carrier_number_link_and_pieces(session: Session[Settings]) -> None:
    number = send(session, order(line(quantity=100)))
    hook(session, named("webhook-shipped.json", number))
    (found,) = shipments(session)
    assert (found.order_key, found.key) == (number, f"{number}/DEMO123456")
    assert (found.carrier, found.tracking_number) == ("DemoPost", "DEMO123456")
    assert found.tracking_url == "https://track.example/DEMO123456"
    assert found.shipped_at == datetime(2026, 10, 5, tzinfo=UTC)
    assert [(each.order_line, each.sku, each.quantity) for each in found.lines] == [("li-P990.001", "P990.001", 100)]
    assert (found.completes_order, found.extras) == (True, {"parcels": 2})


def test_a_second_shipment_holds_what_the_first_did_not(xd: XdSandbox, session: Session[Settings]) -> None:
    number = send(session, order(line(quantity=101)))
    hook(session, xd.ship(number, partial=True))
    hook(session, xd.ship(number))
    first, second = shipments(session)
    assert [each.quantity for each in (*first.lines, *second.lines)] == [51, 50]
    assert (first.completes_order, second.completes_order) == (False, True)


def test_a_webhook_stands_in_for_an_answer_that_was_lost(xd: XdSandbox, session: Session[Settings]) -> None:
    plugin.preview_order(session, order(), KEY)
    xd.fault("cut_after", path="/api/orders")
    with pytest.raises(OutcomeUnknownError):
        plugin.push_order(session, order(), KEY, None)
    (taken,) = xd.state()["orders"]
    hook(session, xd.accept(taken["orderNumber"]))
    assert [each.external_id for each in plugin.find_order(session, KEY)] == [taken["orderNumber"]]
    assert read(session).raw_status == "accepted"


# -- who sent it -------------------------------------------------------------------------------------

BODY = b'{"orderNumber": "x"}'
SIGNED = hmac.new(b"signing-secret", BODY, hashlib.sha256)


@pytest.mark.parametrize(("changes", "headers", "status"), [
    ({}, {}, 200),
    ({"webhook_header": "X-Hook", "webhook_header_secret": "opensesame"}, {"x-hook": "opensesame"}, 200),
    ({"webhook_header": "X-Hook", "webhook_header_secret": "opensesame"}, {"x-hook": "opensesamf"}, 403),
    ({"webhook_header": "X-Hook", "webhook_header_secret": "opensesame"}, {}, 403),
    ({"webhook_header": "X-Hook"}, {"x-hook": ""}, 403),
    ({"webhook_user": "xd", "webhook_password": "pässword"},
     {"authorization": "Basic " + base64.b64encode("xd:pässword".encode()).decode()}, 200),
    ({"webhook_user": "xd", "webhook_password": "password"}, {"authorization": "Basic eGQ6bm8="}, 403),
    ({"webhook_hmac_secret": "signing-secret"}, {"x-signature": SIGNED.hexdigest()}, 200),
    ({"webhook_hmac_secret": "signing-secret"}, {"x-signature": "sha256=" + SIGNED.hexdigest().upper()}, 200),
    ({"webhook_hmac_secret": "signing-secret"}, {"x-signature": base64.b64encode(SIGNED.digest()).decode()}, 200),
    ({"webhook_hmac_secret": "signing-secret", "webhook_hmac_header": "X-Sig"}, {"x-sig": SIGNED.hexdigest()}, 200),
    ({"webhook_hmac_secret": "signing-secret"}, {"x-signature": "0" * 64}, 403),
    ({"webhook_hmac_secret": "signing-secret"}, {}, 403),
    ({"webhook_ips": "192.0.2.7, 192.0.2.8"}, {"x-crossdock-peer": "192.0.2.8"}, 200),
    ({"webhook_ips": "192.0.2.7"}, {"x-crossdock-peer": "192.0.2.9", "x-forwarded-for": "192.0.2.7"}, 403),
    ({"webhook_ips": "192.0.2.7"}, {}, 403),
])  # fmt: skip
def test_a_sender_is_believed_only_if_everything_that_was_agreed_holds(
    xd: XdSandbox, store: Store, changes: dict[str, str], headers: dict[str, str], status: int
) -> None:
    with opened(xd, store, **changes) as session:
        assert hook(session, BODY, {**JSON, **headers}).status == status


@pytest.mark.parametrize(("body", "content_type", "status"), [
    (b"", "application/json", 400), (b"[]", "application/json", 400), (b"{", "application/json", 400),
    (b"\xff", "application/x-www-form-urlencoded", 400), (b"a=1&a.b=2", "application/x-www-form-urlencoded", 400),
    (b'{"a": "' + b"x" * 300_000 + b'"}', "application/json", 413),
])  # fmt: skip
def test_a_body_that_cannot_be_read_is_refused(
    session: Session[Settings], body: bytes, content_type: str, status: int
) -> None:
    assert hook(session, body, {"content-type": content_type}).status == status


def test_a_form_is_read_like_json(session: Session[Settings]) -> None:
    number = send(session)
    form = {"orderNumber": number, "reference": KEY, "status": "Shipped", "proof.url": "https://p.example/1",
            "shipments": '[{"carrier": "DemoPost", "trackingNumber": "T1"}]'}  # fmt: skip
    reply = hook(session, urlencode(form).encode(), {"content-type": "application/x-www-form-urlencoded"})
    assert reply.signals
    assert read(session).extras["proof_url"] == "https://p.example/1"
    assert [each.tracking_number for each in shipments(session)] == ["T1"]


def test_a_mapping_file_that_is_broken_just_now_asks_for_the_webhook_again(
    xd: XdSandbox, store: Store, tmp_path: Path
) -> None:
    with opened(xd, store, wire_file=str(tmp_path / "gone.json")) as session:
        assert hook(session, BODY).status == 503


# -- how states move ---------------------------------------------------------------------------------

CONTRACT = wire.load()
SENT = ledger.Sent(reference=KEY, number="SO1", sent_at=datetime(2026, 9, 15, tzinfo=UTC), document="{}")
WORDS = ["Received", "Confirmed", "Artwork required", "Waiting approval", "Proof approved", "In production",
         "Partially shipped", "Shipped", "Delivered", "Invoiced", "On hold", "Rejected", "Cancelled", "Nonsense",
         "Closed"]  # fmt: skip


def after(*words: str, dates: bool = False) -> ledger.State:
    now = datetime(2026, 9, 16, tzinfo=UTC)
    state = ledger.State(status="sent", changed_at=now, heard_at=now)
    for word in words:
        state, _ = news.applied(state, {"status": word}, CONTRACT, SENT, now)
    return state


@pytest.mark.parametrize(("words", "status"), [
    (["Received", "confirmed", "IN_PRODUCTION"], "in_production"),
    (["In production", "Confirmed"], "in_production"),
    (["In production", "on-hold", "In production"], "in_production"),
    (["In production", "On hold", "Confirmed"], "on_hold"),
    (["Shipped", "Cancelled"], "cancelled"),
    (["Cancelled", "In production"], "cancelled"),
    (["Shipped", "Artwork required"], "shipped"),
    (["Confirmed", "Nonsense"], "accepted"),
    (["Confirmed", "Closed"], "cancelled"),
])  # fmt: skip
def test_states_move_forward_or_to_the_side(words: list[str], status: str) -> None:
    assert after(*words).status == status


@given(st.lists(st.sampled_from(WORDS), max_size=8))
def test_whatever_comes_nothing_ever_moves_back(words: list[str]) -> None:
    order_of = list(news.CANONICAL)
    furthest = -1
    for count in range(len(words) + 1):
        state = after(*words[:count])
        if state.status in order_of[:11]:
            assert order_of.index(state.status) >= furthest
            furthest = order_of.index(state.status)


def test_older_news_change_no_status() -> None:
    now = datetime(2026, 9, 18, tzinfo=UTC)
    state = ledger.State(status="sent", changed_at=now, heard_at=now)
    for word, at in (("In production", "2026-09-17T10:00:00"), ("On hold", "2026-09-16T10:00:00")):
        state, note = news.applied(state, {"status": word, "statusDate": at}, CONTRACT, SENT, now)
    assert state.status == "in_production"
    assert "older" in note


def test_closed_after_shipping_is_no_cancellation() -> None:
    now = datetime(2026, 9, 18, tzinfo=UTC)
    state = after("Shipped")
    body = {"status": "closed", "shipments": [{"trackingNumber": "T"}]}
    assert news.applied(state, body, CONTRACT, SENT, now)[0].status == "shipped"


# -- the streams -------------------------------------------------------------------------------------


def test_our_orders_are_read_with_what_was_sent(session: Session[Settings]) -> None:
    number = send(session)
    found = read(session)
    assert (found.key, found.number, found.references) == (number, number, {"external": KEY})
    assert (found.currency, found.total, found.placed_at) == ("EUR", Decimal("465.00"), session.clock.now())
    assert [(each.sku, each.quantity, each.unit_price) for each in found.lines] == [
        ("P990.001", 50, Decimal("9.30")),
    ]  # fmt: skip
    assert found.extras["back_office"] == "benelux@xdconnects.com"


def test_an_order_that_is_finished_comes_only_when_it_changed(session: Session[Settings]) -> None:
    number = send(session)
    hook(session, {"orderNumber": number, "reference": KEY, "status": "Delivered"})
    session.clock.sleep(60)
    session.clock.sleep(2 * 3600)
    (page,) = plugin.fetch_orders(session, Since())
    session.clock.sleep(60)
    assert [each.records for each in plugin.fetch_orders(session, Since(page.cursor))] == [()]
    hook(session, {"orderNumber": number, "reference": KEY, "status": "Invoiced"})
    assert [each.key for each in next(iter(plugin.fetch_orders(session, Since(page.cursor)))).records] == [number]


def test_an_order_without_news_is_called_silent(session: Session[Settings]) -> None:
    send(session)
    session.clock.sleep(5 * 86400)
    assert "silent_since" not in read(session).extras
    session.clock.sleep(60)
    assert read(session).extras["silent_since"] == "2026-09-15"


def test_orders_are_read_by_number(session: Session[Settings]) -> None:
    number = send(session)
    (page,) = plugin.fetch_orders(session, ByKeys((number, "NOPE")))
    assert [each.key for each in page.records] == [number]


def test_older_orders_stay_out(session: Session[Settings]) -> None:
    send(session)
    (page,) = plugin.fetch_orders(session, Since(start=datetime(2026, 10, 1, tzinfo=UTC)))
    assert (page.records, page.skipped) == ((), {"before order start": 1})


def test_with_a_status_request_open_orders_are_asked_for(xd: XdSandbox, store: Store, tmp_path: Path) -> None:
    with opened(xd, store, wire_file=wire_file(tmp_path, **ASKING)) as session:
        number = send(session)
        xd.produce(number)
        assert read(session).raw_status == "in_production"
        xd.ship(number)
        assert [each.order_key for each in shipments(session)] == [number]
