"""What the one who makes the goods says of an order can be read in the shop, once, and changes it only when told to."""

from __future__ import annotations

import pytest

from crossdock import ByKeys, Order, RecordError, evolve
from crossdock_woocommerce import plugin

UPDATE = Order(key="XD-9", number="XD-9", status="processing", raw_status="proof_waiting")
KEY = "xd-XD-9"


@pytest.fixture
def desk(shops):
    """A shop with one processing order: its session, the order, and what its staff sees."""
    shop = shops()
    shop.sandbox.seed(orders=0, products=3)
    shop.sandbox.insert_order(status="processing", line_items=[{"sku": "SIM-0001", "quantity": 2}])
    session = shop.connect()
    number = str(shop.sandbox.state()["orders"][0]["id"])
    (page,) = [page for page in plugin.fetch_orders(session, ByKeys((number,))) if page.records]
    shop.requests.clear()
    return shop, session, page.records[0]


def notes(shop) -> list[str]:
    (found,) = shop.sandbox.state()["notes"].values()
    return [note["note"] for note in found if KEY in note["note"]]


def status(shop) -> str:
    return shop.sandbox.state()["orders"][0]["status"]


def test_news_becomes_a_private_note_with_the_proof(desk):
    shop, session, order = desk

    plugin.push_status(session, evolve(UPDATE, extras={"proof_url": "https://proof.example/9?a=1&b=2"}), order, KEY)

    assert notes(shop) == [f"Order XD-9 is proof waiting. Proof: https://proof.example/9?a=1&b=2 ({KEY})"]
    assert not any(note["customer_note"] for rows in shop.sandbox.state()["notes"].values() for note in rows)


def test_the_same_news_is_told_once(desk):
    shop, session, order = desk

    plugin.push_status(session, UPDATE, order, KEY)
    plugin.push_status(session, UPDATE, order, KEY)

    assert len(notes(shop)) == 1


def test_a_state_that_comes_back_is_news_again(desk):
    shop, session, order = desk

    for word in ("on_hold", "in_production", "on_hold"):
        plugin.push_status(session, evolve(UPDATE, raw_status=word), order, KEY)

    assert [note.split(".")[0] for note in notes(shop)] == [
        "Order XD-9 is on hold", "Order XD-9 is in production", "Order XD-9 is on hold",
    ]  # fmt: skip


def test_a_rejection_elsewhere_does_not_cancel_the_customers_order(desk):
    shop, session, order = desk

    plugin.push_status(session, evolve(UPDATE, status="cancelled", raw_status="rejected"), order, KEY)

    assert status(shop) == "processing"


def test_a_mapped_status_is_set(desk):
    shop, session, order = desk

    receipt = plugin.push_status(session, evolve(UPDATE, raw_status="wc-on-hold"), order, KEY)

    assert (receipt.status, status(shop)) == ("on-hold", "on-hold")


def test_a_completed_order_is_not_reopened(desk):
    shop, session, order = desk
    session.http.put(f"/wp-json/wc/v3/orders/{order.key}", {"status": "completed"})

    plugin.push_status(session, evolve(UPDATE, raw_status="wc-on-hold"), order, KEY)

    assert status(shop) == "completed"


def test_a_mapped_status_that_the_shop_does_not_know_is_refused_with_a_sentence(desk):
    _, session, order = desk

    with pytest.raises(RecordError, match="status"):
        plugin.push_status(session, evolve(UPDATE, raw_status="wc-in-production"), order, KEY)
