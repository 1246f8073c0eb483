"""An order is created once, whatever happens to the answer, and nothing is left behind when it cannot be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from crossdock import (
    Address,
    Charge,
    Discount,
    Gap,
    Order,
    OrderLine,
    OutcomeUnknownError,
    Party,
    Payment,
    Receipt,
    RecordError,
    Session,
    evolve,
)
from crossdock_woocommerce import mapping, placing, plugin, wire
from crossdock_woocommerce.settings import Settings
from crossdock_woocommerce.stocking import Place

D = Decimal

ORDER = Order(
    key="A-1", number="2026-1", status="processing", raw_status="new", currency="EUR",
    customer=Party(name="Zoë Ek", email="zoe@example.com"),
    billing=Address(name="Zoë Ek", street="Storgatan 1", postcode="11122", city="Stockholm", country="SE"),
    shipping_address=Address(name="Zoë Ek", street="Storgatan 1", postcode="11122", city="Stockholm", country="SE"),
    lines=(OrderLine(key="1", sku="SIM-0001", name="Simple", quantity=D(2), unit_price=D(10), discount=D(1),
                     total=D(19), extras={"meta_data": {"Engraving": "♥"}}),),
    charges=(Charge(kind="shipping", name="Post", total=D(4)), Charge(name="Wrap", total=D(2))),
    total=D(25), payment=Payment(method="card", title="Card", reference="TX-1", paid=True), note="Ring twice",
)  # fmt: skip


@pytest.fixture
def shop(shops):
    """A shop with products and no order."""
    opened = shops()
    opened.sandbox.seed(orders=0, products=6)
    return opened


@pytest.fixture
def session(shop) -> Session[Settings]:
    """A connection to it."""
    return shop.connect()


def orders(shop) -> list[dict]:
    """The shop's orders, in whatever state."""
    return shop.sandbox.state()["orders"]


def test_an_order_is_created_with_lines_addresses_and_charges(shop, session) -> None:
    made = plugin.push_order(session, ORDER, "key-1", None)
    (row,) = orders(shop)
    assert (made.external_id, made.status) == (str(row["id"]), "processing")
    assert [(line["sku"], line["quantity"], line["subtotal"], line["total"]) for line in row["line_items"]] == [
        ("SIM-0001", 2, "20.00", "19.00")
    ]
    assert row["billing"]["first_name"] == "Zoë"
    assert row["billing"]["email"] == "zoe@example.com"
    assert [(each["name"], each["total"]) for each in row["fee_lines"]] == [("Wrap", "2.00")]
    assert [(each["method_title"], each["total"]) for each in row["shipping_lines"]] == [("Post", "4.00")]


def test_the_key_and_the_source_are_in_the_meta_data(shop, session) -> None:
    plugin.push_order(session, ORDER, "key-1", None)
    meta = {each["key"]: each["value"] for each in orders(shop)[0]["meta_data"]}
    assert (meta["_crossdock_key"], meta["_external_id"], meta["_external_number"]) == ("key-1", "A-1", "2026-1")


def test_an_order_of_a_variation_names_product_and_variation(shop, session) -> None:
    found = (each for each in shop.sandbox.shop.products.values() if each["type"] == "variation")
    variation = min(found, key=lambda each: each["sku"])
    line = evolve(ORDER.lines[0], sku=variation["sku"])
    plugin.push_order(session, evolve(ORDER, lines=(line,)), "key-1", None)
    (made,) = orders(shop)[0]["line_items"]
    assert (made["product_id"], made["variation_id"]) == (variation["parent_id"], variation["id"])


def test_an_order_that_came_from_a_shop_can_be_written_to_a_shop(shop, session, sample_bytes) -> None:

    source = mapping.to_order(wire.ORDER.decode(sample_bytes("order-storefront-checkout")))
    assert isinstance(source, Order)
    lines = tuple(evolve(line, sku="SIM-0001") for line in source.lines)
    plugin.push_order(session, evolve(source, lines=lines), "key-1", None)
    assert orders(shop)[0]["status"] == "on-hold"


# -- refusals ----------------------------------------------------------------------------------------


def test_an_unknown_sku_is_a_gap_and_makes_no_order(shop, session) -> None:
    line = evolve(ORDER.lines[0], sku="NOPE")
    with pytest.raises(RecordError) as caught:
        plugin.push_order(session, evolve(ORDER, lines=(line,)), "key-1", None)
    assert (caught.value.gap, orders(shop)) == (Gap("sku", "NOPE"), [])


@pytest.mark.parametrize(
    "change",
    [{"sku": ""}, {"quantity": D("1.5")}, {"sku": "VAR-0003"}],
    ids=["no SKU", "fraction", "variable product"],
)
def test_a_line_that_the_shop_would_bend_is_refused(shop, session, change) -> None:
    line = evolve(ORDER.lines[0], **change)
    with pytest.raises(RecordError):
        plugin.push_order(session, evolve(ORDER, lines=(line,)), "key-1", None)
    assert orders(shop) == []


def test_an_unknown_status_is_a_gap(session) -> None:
    with pytest.raises(RecordError) as caught:
        plugin.push_order(session, evolve(ORDER, status="unknown", raw_status="odd"), "key-1", None)
    assert caught.value.gap == Gap("status", "odd")


def test_a_refunded_order_is_not_created(session) -> None:
    with pytest.raises(RecordError, match="refunded"):
        plugin.push_order(session, evolve(ORDER, status="refunded"), "key-1", None)


def test_coupons_are_not_sent_and_leave_no_draft_behind(shop, session) -> None:
    discounts = (Discount(code="nope", amount=D(1)), Discount(code="loyal", amount=D(3), in_lines=False))
    plugin.push_order(session, evolve(ORDER, discounts=discounts), "key-1", None)
    (row,) = orders(shop)
    assert row["coupon_lines"] == []
    assert ("loyal", "-3.00") in [(each["name"], each["total"]) for each in row["fee_lines"]]


def test_a_total_that_the_shop_works_out_otherwise_is_noted(session) -> None:
    made = plugin.push_order(session, evolve(ORDER, total=D("99.99")), "key-1", None)
    assert "99.99" in made.note


def test_gross_amounts_are_sent_net() -> None:
    line = OrderLine(key="1", sku="A", quantity=D(1), unit_price=D("11.90"), discount=D("1.19"), total=D("10.71"),
                     tax=D("1.71"))  # fmt: skip
    order = evolve(ORDER, prices_include_tax=True, lines=(line,), charges=())
    (sent,) = placing.from_order(order, "k", {"A": Place(1)})["line_items"]
    assert (sent["total"], sent["subtotal"]) == ("9.00", "10.00")


# -- lost answers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["cut_after", "truncate", "prefix"])
def test_after_a_lost_answer_the_order_is_found_by_its_key(shop, session, kind: str) -> None:
    body = {"body": "<b>Warning</b>: x"} if kind == "prefix" else {}
    shop.sandbox.fault(kind, method="POST", path="/orders", **body)
    with pytest.raises(OutcomeUnknownError):
        plugin.push_order(session, ORDER, "key-1", None)
    (row,) = orders(shop)
    assert [each.external_id for each in plugin.find_order(session, "key-1")] == [str(row["id"])]


def test_an_order_that_never_arrived_is_not_found(shop, session) -> None:
    shop.sandbox.fault("cut_before", method="POST", path="/orders")
    with pytest.raises(OutcomeUnknownError):
        plugin.push_order(session, ORDER, "key-1", None)
    assert plugin.find_order(session, "key-1") == []


@pytest.mark.parametrize("status", [500, 502, 504])
def test_an_error_while_creating_leaves_the_outcome_open(shop, session, status: int) -> None:
    shop.sandbox.fault("status", method="POST", path="/orders", status=status)
    with pytest.raises(OutcomeUnknownError):
        plugin.push_order(session, ORDER, "key-1", None)


def test_an_order_is_found_without_memory_and_in_the_trash(shop, session) -> None:
    made = plugin.push_order(session, ORDER, "key-1", None)
    shop.sandbox.trash(int(made.external_id))
    assert [each.external_id for each in plugin.find_order(shop.connect(), "key-1")] == [made.external_id]


def test_an_order_is_found_among_many_newer_ones(shop, session) -> None:
    made = plugin.push_order(session, ORDER, "key-1", None)
    shop.sandbox.seed(orders=250, products=0, simple=True, spread_seconds=600)
    assert [each.external_id for each in plugin.find_order(session, "key-1")] == [made.external_id]


def test_two_orders_under_one_key_are_both_told(shop, session) -> None:
    plugin.push_order(session, ORDER, "key-1", None)
    plugin.push_order(session, ORDER, "key-1", None)
    assert len(plugin.find_order(session, "key-1")) == 2


def test_the_first_time_of_sending_is_what_counts(session) -> None:
    long_ago = (datetime.now(UTC) - timedelta(days=30)).isoformat()
    session.memory.put_many("sent", {"key-1": long_ago})
    plugin.push_order(session, ORDER, "key-1", None)
    assert session.memory.get_many("sent", ["key-1"]) == {"key-1": long_ago}


def test_a_shop_without_block_checkout_refuses_the_draft_status_and_is_searched_all_the_same(shop, session) -> None:
    made = plugin.push_order(session, ORDER, "key-1", None)
    shop.sandbox.fault("status", path="checkout-draft", status=400, body='{"code":"rest_invalid_param"}')
    assert [each.external_id for each in plugin.find_order(session, "key-1")] == [made.external_id]


# -- known orders ------------------------------------------------------------------------------------


@pytest.fixture
def known(session) -> Receipt:
    """An order that is there already."""
    return plugin.push_order(session, ORDER, "key-1", None)


def test_the_status_of_a_known_order_is_brought_up_to_date(shop, session, known) -> None:
    made = plugin.push_order(session, evolve(ORDER, status="completed"), "key-1", known)
    assert (made.external_id, made.status, len(orders(shop))) == (known.external_id, "completed", 1)


def test_nothing_is_written_when_nothing_changed(shop, session, known) -> None:
    shop.requests.clear()
    plugin.push_order(session, ORDER, "key-1", known)
    assert {each["method"] for each in shop.requests} == {"GET"}


def test_a_completed_order_is_not_reopened(session, known) -> None:
    plugin.push_order(session, evolve(ORDER, status="completed"), "key-1", known)
    made = plugin.push_order(session, ORDER, "key-1", known)
    assert (made.status, "not reopened" in made.note) == ("completed", True)


def test_a_refund_is_left_to_the_shop_and_a_person_is_told(session, known) -> None:
    with pytest.raises(RecordError, match="processing in the shop although it is refunded"):
        plugin.push_order(session, evolve(ORDER, status="refunded"), "key-1", known)


def test_a_refund_after_it_was_completed_is_noted(session, known) -> None:
    plugin.push_order(session, evolve(ORDER, status="completed"), "key-1", known)
    made = plugin.push_order(session, evolve(ORDER, status="refunded"), "key-1", known)
    assert (made.status, "make the refund" in made.note) == ("completed", True)


def test_an_order_that_is_completed_is_not_called_cancelled(session, known) -> None:
    plugin.push_order(session, evolve(ORDER, status="completed"), "key-1", known)
    with pytest.raises(RecordError, match="completed in the shop although it is cancelled"):
        plugin.push_order(session, evolve(ORDER, status="cancelled"), "key-1", known)


@pytest.mark.parametrize(
    ("change", "path", "value"),
    [
        (
            {"shipping_address": evolve(ORDER.shipping_address, street="Ny gata 2")},
            ("shipping", "address_1"),
            "Ny gata 2",
        ),
        ({"billing": evolve(ORDER.billing, postcode="22233")}, ("billing", "postcode"), "22233"),
        ({"note": "Ring once"}, ("customer_note",), "Ring once"),
    ],
    ids=["shipping", "billing", "note"],
)
def test_where_a_known_order_goes_is_brought_up_to_date(shop, session, known, change, path, value) -> None:
    plugin.push_order(session, evolve(ORDER, **change), "key-1", known)
    (found,) = orders(shop)
    for name in path:
        found = found[name]
    assert found == value
    shop.requests.clear()
    plugin.push_order(session, evolve(ORDER, **change), "key-1", known)
    assert {each["method"] for each in shop.requests} == {"GET"}


def test_other_goods_in_a_known_order_are_for_a_person(shop, session, known) -> None:
    fewer = evolve(ORDER, lines=(evolve(ORDER.lines[0], quantity=D(1), total=D(9)),), total=D(15), note="Only one")
    with pytest.raises(RecordError, match="2 instead of 1 of SIM-0001"):
        plugin.push_order(session, fewer, "key-1", known)
    assert orders(shop)[0]["customer_note"] == "Only one"


def test_a_known_order_that_is_gone_is_a_record_error(shop, session, known) -> None:
    shop.sandbox.delete(int(known.external_id))
    with pytest.raises(RecordError):
        plugin.push_order(session, ORDER, "key-1", known)


def test_an_order_is_cancelled_once_with_its_reason(shop, session, known) -> None:
    plugin.cancel_order(session, known, "out of stock")
    shop.requests.clear()
    assert plugin.cancel_order(session, known, "out of stock").status == "cancelled"
    assert {each["method"] for each in shop.requests} == {"GET"}


def test_a_completed_order_cannot_be_cancelled(session, known) -> None:
    plugin.push_order(session, evolve(ORDER, status="completed"), "key-1", known)
    with pytest.raises(RecordError, match="can no longer be cancelled"):
        plugin.cancel_order(session, known, "")


@pytest.mark.parametrize("https", [True, False])
def test_orders_are_written_behind_plain_permalinks_too(shops, https: bool) -> None:
    shop = shops(permalinks="plain", https=https)
    shop.sandbox.seed(orders=0, products=3)
    session = shop.connect(facts={"route": "plain"})
    made = plugin.push_order(session, ORDER, "key-1", None)
    assert plugin.push_order(session, evolve(ORDER, status="completed"), "key-1", made).status == "completed"
