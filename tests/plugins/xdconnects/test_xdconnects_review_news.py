"""News that lie, come late or twice, and what they must not do to orders and shipments."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from xd_kit import ASKING, Store, line, opened, order, wire_file

from crossdock import Order, Session, Shipment, Since, TransientError, WebhookRequest
from crossdock_xdconnects import ledger, news, plugin, wire
from crossdock_xdconnects.sandbox import XdSandbox
from crossdock_xdconnects.settings import Settings

NOW = datetime(2026, 9, 20, 12, 0, tzinfo=UTC)
CONTRACT = wire.load()
SENT = ledger.Sent(reference="shop-1", number="SO1", sent_at=NOW, document="{}")


def after(*told: tuple[str, str] | dict[str, Any]) -> ledger.State:
    state = ledger.State(status="sent", changed_at=NOW, heard_at=NOW)
    for each in told:
        body = each if isinstance(each, dict) else {"status": each[0], "statusDate": each[1]}
        state, _ = news.applied(state, body, CONTRACT, SENT, NOW)
    return state


def send(session: Session[Settings], key: str = "shop-1", wanted: Order | None = None) -> str:
    assert plugin.preview_order(session, wanted or order(), key).problems == ()
    return plugin.push_order(session, wanted or order(), key, None).external_id


def hook(session: Session[Settings], number: str, key: str = "shop-1", **body: Any) -> None:
    content = json.dumps({"orderNumber": number, "reference": key, **body}).encode()
    request = WebhookRequest(method="POST", headers={"content-type": "application/json"}, query={}, body=content)
    assert plugin.handle_webhook(session, request).status == 200


def shipments(session: Session[Settings]) -> list[Shipment]:
    return [record for page in plugin.fetch_shipments(session, Since()) for record in page.records]


def parcel(number: str, **more: str) -> dict[str, str]:
    return {"carrier": "DemoPost", "trackingNumber": number, **more}


# -- states ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("told", "status"), [
    (("Shipped", "Closed"), "shipped"), (("Invoiced", "Closed"), "invoiced"), (("Partially shipped", "Closed"),
     "partially_shipped"), (("Cancelled", "On hold"), "cancelled"), (("Rejected", "On hold", "Confirmed"), "rejected"),
    (("Delivered", "On hold"), "delivered"), (("Shipped", "Backorder"), "shipped"),
])  # fmt: skip
def test_what_left_is_not_cancelled_and_what_ended_is_not_revived(told: tuple[str, ...], status: str) -> None:
    assert after(*({"status": word} for word in told)).status == status


def test_a_date_in_the_future_does_not_make_all_later_news_old() -> None:
    state = after(("Confirmed", "2099-01-01T00:00:00"), ("On hold", "2026-09-20T14:00:00"))
    assert state.status == "on_hold"


def test_a_further_step_counts_whatever_clock_stamped_it() -> None:
    assert after(("Confirmed", "2026-09-20T09:00:00Z"), ("Shipped", "2026-09-20T10:00:00")).status == "shipped"


def test_a_repeated_word_is_newer_than_a_late_hold() -> None:
    state = after(("Confirmed", "2026-09-19T10:00:00"), ("Confirmed", "2026-09-19T12:00:00"),
                  ("On hold", "2026-09-19T11:00:00"))  # fmt: skip
    assert state.status == "accepted"


def test_a_late_webhook_does_not_bring_an_old_proof_back() -> None:
    newer = {"status": "Waiting approval", "statusDate": "2026-09-19T12:00:00", "message": "second",
             "proof": {"status": "Waiting", "url": "https://proofs.example/2"}}  # fmt: skip
    older = {"status": "Waiting approval", "statusDate": "2026-09-19T10:00:00", "message": "first",
             "proof": {"status": "Waiting", "url": "https://proofs.example/1"}}  # fmt: skip
    state = after(newer, older)
    assert (state.proof_url, state.message) == ("https://proofs.example/2", "second")


# -- shipments ---------------------------------------------------------------------------------------


def test_a_strange_date_of_one_shipment_stops_no_other(session: Session[Settings]) -> None:
    for key, date in (("shop-1", "15/09/2026"), ("shop-2", "2026-09-15")):
        hook(session, send(session, key), key, status="Shipped", shipments=[parcel(f"T-{key}", shippedDate=date)])
    assert [(each.tracking_number, each.shipped_at) for each in shipments(session)] == [
        ("T-shop-1", None), ("T-shop-2", datetime(2026, 9, 15, tzinfo=UTC)),
    ]  # fmt: skip


def test_a_part_whose_pieces_are_not_known_does_not_pass_for_the_whole_order(session: Session[Settings]) -> None:
    number = send(session)
    hook(session, number, status="Partially shipped", shipments=[parcel("T1")])
    assert shipments(session) == []
    hook(session, number, status="Partially shipped", shipments=[parcel("T1")],
         lines=[{"lineNumber": 1, "quantityShipped": 20}])  # fmt: skip
    (found,) = shipments(session)
    assert [each.quantity for each in found.lines] == [20]
    assert not found.completes_order


def test_when_all_is_shipped_a_parcel_without_pieces_has_the_rest(session: Session[Settings]) -> None:
    number = send(session)
    hook(session, number, status="Partially shipped", shipments=[parcel("T1")],
         lines=[{"lineNumber": 1, "quantityShipped": 20}])  # fmt: skip
    hook(session, number, status="Shipped", shipments=[parcel("T1"), parcel("T2")])
    first, second = shipments(session)
    assert [each.quantity for each in (*first.lines, *second.lines)] == [20, 30]
    assert (first.completes_order, second.completes_order) == (False, True)


def test_parcels_that_left_together_are_one_shipment(session: Session[Settings]) -> None:
    number = send(session)
    hook(session, number, status="Shipped", shipments=[parcel("T1", parcels="2"), parcel("T2")],
         lines=[{"lineNumber": 1, "quantityShipped": 50}])  # fmt: skip
    (found,) = shipments(session)
    assert [each.number for each in found.parcels] == ["T1", "T2"]
    assert [each.quantity for each in found.lines] == [50]
    assert found.extras["parcels"] == 3


@pytest.mark.parametrize("numbers", [(10, 20), ("001", "002"), (None, None)])
def test_lines_that_the_supplier_counts_in_its_own_way_are_told_apart_by_item(
    session: Session[Settings], numbers: tuple[Any, Any]
) -> None:
    wanted = order(line(quantity=30, key="a"), line(quantity=20, key="b"))
    number = send(session, wanted=wanted)
    rows = [{"lineNumber": each, "itemCode": "p990.001", "quantityShipped": pieces}
            for each, pieces in zip(numbers, (30, 20), strict=True)]  # fmt: skip
    hook(session, number, status="Shipped", shipments=[parcel("T1")], lines=rows)
    (found,) = shipments(session)
    assert [(each.order_line, each.quantity) for each in found.lines] == [("a", Decimal(30)), ("b", Decimal(20))]


# -- reading what is kept ----------------------------------------------------------------------------


def test_news_that_another_clock_stamped_a_moment_ago_are_not_missed(session: Session[Settings]) -> None:
    number = send(session)
    hook(session, number, status="Confirmed")
    session.clock.sleep(300)
    cursor = next(iter(plugin.fetch_orders(session, Since()))).cursor
    session.clock.sleep(-240)  # the process that takes the webhook is four minutes behind
    hook(session, number, status="Delivered")
    session.clock.sleep(3600)
    (page,) = plugin.fetch_orders(session, Since(cursor))
    assert [each.raw_status for each in page.records] == ["delivered"]


@pytest.fixture
def asking(xd: XdSandbox, store: Store, tmp_path: Path) -> Callable[[], Any]:
    return lambda: opened(xd, store, wire_file=wire_file(tmp_path, **ASKING))


def test_an_order_that_the_supplier_cannot_answer_for_stops_no_other(xd: XdSandbox, asking: Callable[[], Any]) -> None:
    with asking() as session:
        bad, good = (send(session, key) for key in ("shop-1", "shop-2"))
        xd.produce(good)
        for _ in range(3):
            xd.fault("status", path=f"/api/orders/{bad}", status=500)
        (page,) = plugin.fetch_orders(session, Since())
    assert {each.key: each.raw_status for each in page.records} == {bad: "received", good: "in_production"}


def test_when_the_supplier_answers_for_none_the_reading_fails(xd: XdSandbox, asking: Callable[[], Any]) -> None:
    with asking() as session:
        for number in range(4):
            send(session, f"shop-{number}")
        for _ in range(12):
            xd.fault("status", path="/api/orders/", status=503)
        with pytest.raises(TransientError):
            list(plugin.fetch_orders(session, Since()))
