"""Orders sent to the sandbox: one key is one order, whatever the network and the vendor's database do."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from connector_kit import HOME, opened, order

from crossdock import (
    AccessError,
    ByKeys,
    Decoration,
    Order,
    OrderLine,
    OutcomeUnknownError,
    Payment,
    Receipt,
    RecordError,
    Session,
    TransientError,
    UnsupportedError,
    evolve,
)
from crossdock_extendcommerce import plugin
from crossdock_extendcommerce.sandbox import ExtendSandbox, create
from crossdock_extendcommerce.settings import Settings

KEY = "wc-to-extend:1042"


@pytest.fixture
def session(twin: ExtendSandbox) -> Iterator[Session[Settings]]:
    with opened(twin) as found:
        yield found


def numbers(twin: ExtendSandbox) -> list[str]:
    return [each["orderHeader"]["orderNumber"] for each in twin.state()["orders"]]


def rows(twin: ExtendSandbox) -> list[tuple[str, float, str]]:
    return [
        (row["product"]["productNumber"], row["salesData"]["quantity"], row["orderRowStatus"])
        for row in twin.state()["orders"][0]["orderRows"]
    ]


def pushed(session: Session[Settings]) -> Receipt:
    return plugin.push_order(session, order(), KEY, None)


def fewer(quantity: int) -> Decimal:
    return Decimal("299.20") * quantity


def changed(quantity: int = 2) -> Order:
    line = evolve(order().lines[0], quantity=Decimal(quantity), total=fewer(quantity), tax=fewer(quantity) / 4)
    return order(lines=(line,), total=fewer(quantity) * Decimal("1.25") + 49)


# -- create and find -------------------------------------------------------------------------------


def test_an_order_is_created_with_its_total_to_the_cent(twin: ExtendSandbox, session: Session[Settings]) -> None:
    receipt = pushed(session)
    (page,) = plugin.fetch_orders(session, ByKeys((receipt.external_id,)))
    assert (page.records[0].total, page.records[0].references["external"]) == (Decimal("1171.00"), KEY)


def test_the_same_key_twice_is_one_order(twin: ExtendSandbox, session: Session[Settings]) -> None:
    assert pushed(session) == pushed(session)
    assert len(numbers(twin)) == 1


def test_a_lost_answer_leaves_the_outcome_open_and_the_order_to_be_found(
    twin: ExtendSandbox, session: Session[Settings]
) -> None:
    twin.fault("cut_after", method="POST", path="CustomerOrders")
    with pytest.raises(OutcomeUnknownError):
        pushed(session)
    assert [each.external_id for each in plugin.find_order(session, KEY)] == numbers(twin)
    assert pushed(session).external_id == numbers(twin)[0]
    assert len(numbers(twin)) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_error_on_a_create_leaves_the_outcome_open(
    twin: ExtendSandbox, session: Session[Settings], status: int
) -> None:
    twin.fault("status", method="POST", path="CustomerOrders", status=status)
    with pytest.raises(OutcomeUnknownError):
        pushed(session)


def test_a_time_out_hidden_in_a_400_leaves_the_outcome_of_a_create_open(
    twin: ExtendSandbox, session: Session[Settings]
) -> None:
    twin.sql_timeout("CustomerOrders", method="POST")
    with pytest.raises(OutcomeUnknownError):
        pushed(session)


def test_a_deadlock_on_a_create_was_rolled_back_and_may_be_repeated(
    twin: ExtendSandbox, session: Session[Settings]
) -> None:
    twin.deadlock("CustomerOrders", method="POST")
    with pytest.raises(TransientError):
        pushed(session)
    assert plugin.find_order(session, KEY) == []


def test_an_answer_that_is_cut_off_still_gives_the_number(twin: ExtendSandbox, session: Session[Settings]) -> None:
    twin.fault("prefix", method="POST", path="CustomerOrders", body="<b>Notice</b>")
    assert pushed(session).external_id == numbers(twin)[0]


def test_find_compares_the_whole_key(twin: ExtendSandbox, session: Session[Settings]) -> None:
    pushed(session)
    assert plugin.find_order(session, KEY[:-1]) == []
    assert plugin.find_order(session, KEY + "0") == []


def test_a_long_key_is_found_again(twin: ExtendSandbox, session: Session[Settings]) -> None:
    key = "flow:" + "9" * 120
    receipt = plugin.push_order(session, order(), key, None)
    assert plugin.find_order(session, key) == [receipt]
    assert plugin.find_order(session, key + "9") == []


def test_several_orders_under_one_key_are_all_reported_and_not_added_to(
    twin: ExtendSandbox, session: Session[Settings]
) -> None:
    pushed(session)
    twin.book.create({"orderHeader": {"orderNumberExternal": KEY, "customerNumber": "K-4410",
                                      "askedDeliveryDate": "2026-09-18T00:00:00+02:00"},
                      "orderRows": [{"product": {"productNumber": "HELM-BLK-M"},
                                     "salesData": {"quantity": 1, "unit": "ST"}}]})  # fmt: skip
    assert len(plugin.find_order(session, KEY)) == 2
    with pytest.raises(RecordError, match="exists 2 times"):
        pushed(session)


def test_a_cancelled_order_is_found_with_its_status(twin: ExtendSandbox, session: Session[Settings]) -> None:
    twin.annul(pushed(session).external_id)
    assert [each.status for each in plugin.find_order(session, KEY)] == ["Annulled"]
    with pytest.raises(RecordError, match="is cancelled in Extend Commerce"):
        pushed(session)


def test_an_unknown_product_is_a_gap_with_the_vendors_words(twin: ExtendSandbox, session: Session[Settings]) -> None:
    extra = [OrderLine(key=sku, sku=sku, quantity=Decimal(1)) for sku in ("NOPE-1", "NOPE-2")]
    with pytest.raises(RecordError, match="does not know NOPE-1, NOPE-2") as caught:
        plugin.push_order(session, order(lines=(*order().lines, *extra)), KEY, None)
    assert caught.value.gap is not None
    assert (caught.value.gap.kind, caught.value.gap.value) == ("sku", "NOPE-1")
    assert caught.value.path == "lines[1].sku"
    assert caught.value.vendor_message in caught.value.message


def test_another_refusal_keeps_the_vendors_words(twin: ExtendSandbox) -> None:
    with opened(twin, unit="CRATE") as session, pytest.raises(RecordError) as caught:
        pushed(session)
    assert caught.value.gap is None
    assert "CRATE" in caught.value.vendor_message


def test_nothing_is_sent_without_a_customer_to_book_on(twin: ExtendSandbox) -> None:
    with opened(twin, customer_number="") as session, pytest.raises(UnsupportedError) as caught:
        pushed(session)
    assert "customer_number" in caught.value.hint


@pytest.mark.parametrize("status", ["cancelled", "deleted", "refunded", "failed"])
def test_an_order_that_was_cancelled_before_it_was_sent_is_not_created(
    twin: ExtendSandbox, session: Session[Settings], status: str
) -> None:
    with pytest.raises(RecordError, match="never sent"):
        plugin.push_order(session, order(status=status), KEY, None)
    assert numbers(twin) == []


def test_an_unknown_payment_is_a_gap_when_there_is_no_default(twin: ExtendSandbox) -> None:
    with opened(twin, payment_type="") as session, pytest.raises(RecordError) as caught:
        plugin.push_order(session, order(payment=Payment()), KEY, None)
    assert caught.value.gap is not None
    assert caught.value.gap.kind == "payment"


# -- update ----------------------------------------------------------------------------------------


def test_an_unchanged_order_is_not_written(twin: ExtendSandbox, session: Session[Settings]) -> None:
    receipt = pushed(session)
    plugin.push_order(session, order(status="completed"), KEY, receipt)
    assert [each["method"] for each in twin.requests].count("PUT") == 0


def test_a_changed_quantity_changes_its_row(twin: ExtendSandbox, session: Session[Settings]) -> None:
    receipt = pushed(session)
    plugin.push_order(session, changed(2), KEY, receipt)
    assert rows(twin) == [("HELM-BLK-M", 2, "Incoming"), ("FRAKT-01", 1, "Incoming")]


def test_a_row_that_is_gone_goes_inactive_and_a_new_one_is_added(
    twin: ExtendSandbox, session: Session[Settings]
) -> None:
    receipt = pushed(session)
    bell = OrderLine(key="li-2", sku="BELL-RED-01", quantity=Decimal(1), total=Decimal(40), tax=Decimal(10))
    sent = order(lines=(bell,), total=Decimal(99))
    plugin.push_order(session, sent, KEY, receipt)
    assert sorted(rows(twin)) == [
        ("BELL-RED-01", 1, "Incoming"), ("FRAKT-01", 1, "Incoming"), ("HELM-BLK-M", 3, "Annulled"),
    ]  # fmt: skip
    (page,) = plugin.fetch_orders(session, ByKeys((receipt.external_id,)))
    assert page.records[0].total == Decimal(99)


def test_a_new_address_is_written(twin: ExtendSandbox, session: Session[Settings]) -> None:
    receipt = pushed(session)
    plugin.push_order(session, order(shipping_address=evolve(HOME, city="Växjö")), KEY, receipt)
    assert twin.state()["orders"][0]["orderHeader"]["deliveryAddress"]["city"] == "Växjö"


@pytest.mark.parametrize(
    "fields",
    [
        {"note": "To the back door"},
        {"billing": evolve(HOME, street="Other street 9")},
        {"shipping_address": evolve(HOME, phone="+46 70 1234567")},
        {"lines": (evolve(order().lines[0], decorations=(Decoration(technique="embroidery", position="left"),)),)},
    ],
    ids=["note", "invoice address", "phone", "print"],
)
def test_what_is_said_in_words_is_written_too(
    twin: ExtendSandbox, session: Session[Settings], fields: dict[str, Any]
) -> None:
    receipt = pushed(session)
    before = twin.state()["orders"]
    plugin.push_order(session, order(**fields), KEY, receipt)
    assert twin.state()["orders"] != before
    twin.requests.clear()
    plugin.push_order(session, order(**fields), KEY, receipt)
    assert [each["method"] for each in twin.requests if each["method"] != "GET"] == []


def test_a_reserved_order_is_not_changed_and_says_so(twin: ExtendSandbox, session: Session[Settings]) -> None:
    receipt = pushed(session)
    twin.reserve(receipt.external_id)
    with pytest.raises(RecordError, match="is reserved in Extend Commerce and can no longer be changed"):
        plugin.push_order(session, changed(), KEY, receipt)
    assert [each["method"] for each in twin.requests].count("PUT") == 0


def test_a_shipped_order_that_only_changed_its_status_in_the_shop_is_fine(
    twin: ExtendSandbox, session: Session[Settings]
) -> None:
    receipt = pushed(session)
    twin.pick(receipt.external_id, quantities={10: 1})
    twin.pick(receipt.external_id)
    assert plugin.push_order(session, order(status="completed"), KEY, receipt).status == "Terminated"


# -- cancel ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["cancelled", "deleted", "refunded"])
def test_an_order_that_is_dead_in_the_shop_is_cancelled(
    twin: ExtendSandbox, session: Session[Settings], status: str
) -> None:
    receipt = pushed(session)
    assert plugin.push_order(session, order(status=status), KEY, receipt).status == "Annulled"
    assert twin.state()["orders"][0]["orderHeader"]["orderStatus"] == "Annulled"


def test_cancelling_twice_is_cancelling_once(twin: ExtendSandbox, session: Session[Settings]) -> None:
    receipt = pushed(session)
    assert plugin.cancel_order(session, receipt, "changed my mind") == plugin.cancel_order(session, receipt, "")
    assert [each["method"] for each in twin.requests].count("DELETE") == 1


def test_a_cancellation_whose_answer_was_lost_is_done(twin: ExtendSandbox, session: Session[Settings]) -> None:
    receipt = pushed(session)
    twin.fault("cut_after", method="DELETE")
    twin.fault("status", method="DELETE", status=400, body='{"Message": "Order is already cancelled."}')
    assert plugin.cancel_order(session, receipt, "").status == "Annulled"


def test_a_refused_cancellation_is_not_done(twin: ExtendSandbox, session: Session[Settings]) -> None:
    receipt = pushed(session)
    twin.fault("status", method="DELETE", status=400, body='{"Message": "No."}')
    with pytest.raises(RecordError):
        plugin.cancel_order(session, receipt, "")


def test_a_reserved_order_cannot_be_cancelled(twin: ExtendSandbox, session: Session[Settings]) -> None:
    receipt = pushed(session)
    twin.reserve(receipt.external_id)
    with pytest.raises(RecordError, match="cannot be cancelled although it is cancelled in the shop"):
        plugin.push_order(session, order(status="cancelled"), KEY, receipt)


def test_a_refund_after_shipping_changes_nothing_and_says_what_to_do(
    twin: ExtendSandbox, session: Session[Settings]
) -> None:
    receipt = pushed(session)
    twin.pick(receipt.external_id)
    assert "book the return" in plugin.push_order(session, order(status="refunded"), KEY, receipt).note


# -- preview and rights ----------------------------------------------------------------------------


def test_a_preview_sends_nothing_and_names_problems(twin: ExtendSandbox, session: Session[Settings]) -> None:
    good, bad = (plugin.preview_order(session, sent, KEY) for sent in (order(), order(total=Decimal(1))))
    assert good.hash == plugin.preview_order(session, order(), KEY).hash != ""
    assert "more than rounding" in bad.problems[0]
    assert twin.requests == []


def test_a_user_who_may_only_read_is_an_access_error() -> None:
    twin = create(read_only=True)
    twin.seed_products([{"productNumber": "HELM-BLK-M", "price": "299.20", "stock": {"HUVUD": 14}}])
    with opened(twin) as session, pytest.raises(AccessError):
        pushed(session)
