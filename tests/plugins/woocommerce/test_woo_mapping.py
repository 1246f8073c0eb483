"""WooCommerce's orders, products, prices and stock become ours exactly, money to the last digit."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock import Order, Price, Product, RecordError, Row, Tax
from crossdock.mapping import total_difference
from crossdock.records import from_document, to_document
from crossdock_woocommerce import mapping, offers, wire
from crossdock_woocommerce.api import Shop

D = Decimal

SHOP = Shop(currency="EUR", decimals=2, prices_include_tax=True)
ORDERS = ("order-full", "order-after-create", "order-fully-refunded", "order-storefront-checkout")


@pytest.fixture
def full(sample_bytes) -> Order:
    made = mapping.to_order(wire.ORDER.decode(sample_bytes("order-full")))
    assert isinstance(made, Order)
    return made


def order_from(**fields) -> Order | str:
    row = {"id": 1, "status": "processing", "currency": "EUR", **fields}
    return mapping.to_order(wire.ORDER.decode(msgspec.json.encode(row)))


# -- recorded orders ---------------------------------------------------------------------------------


def test_the_totals_are_taken_as_the_shop_states_them(full: Order) -> None:
    assert (full.total, full.total_tax, full.discount_total) == (D("143.63"), D("16.59"), D("13.44"))


@pytest.mark.parametrize("name", ORDERS)
def test_a_recorded_order_balances_as_a_net_document(sample_bytes, name: str) -> None:
    made = mapping.to_order(wire.ORDER.decode(sample_bytes(name)))
    assert isinstance(made, Order)
    assert not made.prices_include_tax
    assert total_difference(made) == 0


@pytest.mark.parametrize("name", ORDERS)
def test_a_recorded_order_survives_the_store(sample_bytes, name: str) -> None:
    made = mapping.to_order(wire.ORDER.decode(sample_bytes(name)))
    assert from_document("orders", to_document(made)) == made


def test_how_prices_were_typed_is_kept_beside_it(full: Order) -> None:
    assert full.extras["prices_include_tax"] is True


def test_lines_carry_exact_unit_price_discount_and_total(full: Order) -> None:
    assert [(line.sku, line.quantity, line.unit_price, line.discount, line.total, line.tax) for line in full.lines] == [
        ("SIM-0005", D(3), D("23.316667"), D("6.99"), D("62.96"), D("4.41")),
        ("SIM-0003", D(1), D("8.39"), D("0.83"), D("7.56"), D("1.44")),
        ("VAR-0011-M-R", D(2), D("28.01"), D("5.62"), D("50.40"), D("9.58")),
    ]


def test_taxes_carry_their_rate(full: Order) -> None:
    assert full.taxes == (
        Tax(code="DE-MWST. ERM.-1", name="MwSt. erm.", rate=D(7), amount=D("4.41")),
        Tax(code="DE-MWST.-1", name="MwSt.", rate=D(19), amount=D("12.18")),
    )
    assert full.lines[0].taxes == (Tax(code="DE-MWST. ERM.-1", name="MwSt. erm.", rate=D(7), amount=D("4.41")),)


def test_shipping_and_fees_are_charges(full: Order) -> None:
    assert [(each.kind, each.code, each.name, each.total, each.tax) for each in full.charges] == [
        ("shipping", "flat_rate", "DHL Paket", D("4.12"), D("0.78")),
        ("fee", "", "Gift wrap", D("2.00"), D("0.38")),
    ]


def test_a_coupon_is_a_discount_that_the_lines_contain(full: Order) -> None:
    assert [(each.code, each.amount, each.in_lines) for each in full.discounts] == [("ten", D("13.43"), True)]


def test_a_refund_is_positive_and_includes_tax(full: Order) -> None:
    assert [(each.key, each.total, each.tax, each.reason) for each in full.refunds] == [
        ("1149", D("22.46"), D("1.47"), "1 of 3 damaged")
    ]


def test_what_the_customer_chose_is_kept_and_the_shops_book_keeping_is_not(full: Order) -> None:
    assert full.lines[2].extras["meta_data"] == {"size": "M", "color": "Red", "Engraving": "Für Zoë ♥"}
    assert "meta_data" not in full.lines[0].extras


def test_times_are_read_from_the_gmt_fields(full: Order) -> None:
    assert full.placed_at == datetime(2026, 11, 22, 4, 10, 23, tzinfo=UTC)
    assert full.updated_at == datetime(2026, 11, 22, 4, 10, 31, tzinfo=UTC)


def test_meta_data_is_kept_whole_and_another_systems_reference_is_named(full: Order) -> None:
    assert full.extras["meta_data"]["gift"] == {"wrap": True, "card": "Alles Gute"}
    assert full.references == {"external_ref": "PO-4711"}


def test_payment_addresses_and_note(full: Order) -> None:
    assert (full.payment.method, full.payment.reference, full.payment.paid) == ("bacs", "TX-2026-0001", True)
    assert full.customer.key == ""
    assert full.billing is not None
    assert (full.billing.name, full.billing.region, full.billing.country) == ("Jörg O'Neil-Šimek", "DE-BE", "DE")
    assert full.note == "Please ring twice — 2nd floor"


def test_an_order_of_a_guest_without_address_has_none(sample_bytes) -> None:
    made = mapping.to_order(wire.ORDER.decode(sample_bytes("order-fully-refunded")))
    assert isinstance(made, Order)
    assert (made.billing, made.shipping_address, made.status) == (None, None, "refunded")


# -- statuses and oddities ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "status"),
    [("on-hold", "on_hold"), ("completed", "completed"), ("trash", "deleted"), ("in-production", "unknown")],
)
def test_a_status_is_normalised_and_the_shops_word_kept(raw: str, status: str) -> None:
    made = order_from(status=raw)
    assert isinstance(made, Order)
    assert (made.status, made.raw_status) == (status, raw)


@pytest.mark.parametrize("raw", ["checkout-draft", "auto-draft"])
def test_a_draft_of_the_checkout_is_left_out(raw: str) -> None:
    assert order_from(status=raw) == "checkout draft"


def test_an_order_before_the_order_start_is_left_out() -> None:
    row = wire.Order(id=1, status="processing", date_created_gmt="2026-01-31T23:59:59")
    assert mapping.to_order(row, datetime(2026, 2, 1, tzinfo=UTC)) == "before order start"


def test_fractional_quantities_and_missing_skus_are_taken() -> None:
    made = order_from(line_items=[{"id": 5, "quantity": 2.5, "subtotal": "10.00", "total": "10.00", "sku": None}])
    assert isinstance(made, Order)
    assert (made.lines[0].quantity, made.lines[0].unit_price, made.lines[0].sku) == (D("2.5"), D(4), "")


def test_numbers_in_place_of_texts_are_taken_exactly() -> None:
    made = order_from(total=12.1, number=7, line_items=[{"id": 5, "quantity": "2", "subtotal": 3, "total": 3}])
    assert isinstance(made, Order)
    assert (made.total, made.number, made.lines[0].unit_price) == (D("12.1"), "7", D("1.5"))


@pytest.mark.parametrize("bad", ["12,50", "abc", "NaN"])
def test_money_that_is_no_number_is_refused(bad: str) -> None:
    with pytest.raises((RecordError, ValueError), match="total"):
        order_from(total=bad)


def test_a_rate_named_twice_keeps_both_taxes() -> None:
    row = {"rate_id": 1, "rate_code": "DE", "label": "MwSt.", "rate_percent": 19.5, "tax_total": "1.00"}
    made = order_from(tax_lines=[row, row])
    assert isinstance(made, Order)
    assert [(each.rate, each.amount) for each in made.taxes] == [(D("19.5"), D("1.00"))] * 2


def test_the_key_crossdock_created_it_under_is_a_reference() -> None:
    made = order_from(meta_data=[{"key": "_crossdock_key", "value": "k1"}, {"key": "_external_id", "value": 7}])
    assert isinstance(made, Order)
    assert made.references == {"external": "k1", "external_id": "7"}


def test_meta_data_in_another_order_is_no_change() -> None:
    meta = [{"key": "b", "value": 1}, {"key": "a", "value": 2}]
    first, second = order_from(meta_data=meta), order_from(meta_data=meta[::-1])
    assert isinstance(first, Order)
    assert isinstance(second, Order)
    assert to_document(first) == to_document(second)


cents = st.integers(-10_000_000, 10_000_000).map(lambda n: D(n) / 100)


@given(
    lines=st.lists(st.tuples(cents, cents, cents, st.integers(1, 9999)), max_size=5),
    shipping=cents, fee=cents, skew=st.sampled_from((D("-0.01"), D(0), D("0.01"))),
)  # fmt: skip
def test_no_cent_is_gained_or_lost(lines, shipping, fee, skew) -> None:
    tax = sum((each[2] for each in lines), D(0))
    total = sum((each[1] for each in lines), D(0)) + shipping + fee + tax + skew
    made = order_from(
        total=str(total), total_tax=str(tax),
        line_items=[
            {"id": i, "quantity": q, "subtotal": str(before), "total": str(after), "total_tax": str(t)}
            for i, (before, after, t, q) in enumerate(lines)
        ],
        shipping_lines=[{"id": 90, "total": str(shipping)}], fee_lines=[{"id": 91, "total": str(fee)}],
    )  # fmt: skip
    assert isinstance(made, Order)
    assert total_difference(made) == skew
    for line, (before, after, _, quantity) in zip(made.lines, lines, strict=True):
        assert line.total == after
        assert line.total + line.discount == before
        assert abs(line.unit_price * quantity - before) <= D("0.000001") * quantity


# -- products, prices, stock -------------------------------------------------------------------------


def product(sample_bytes, name: str) -> wire.Product:
    return wire.PRODUCT.decode(sample_bytes(name))


def variation(sample_bytes) -> Row[wire.Product]:
    raw = sample_bytes("variation")
    return Row(raw, wire.PRODUCT.decode(raw))


def test_a_variable_product_carries_its_variations(sample_bytes) -> None:
    made = offers.to_product(product(sample_bytes, "product-variable"), [variation(sample_bytes)], offers.Units())
    assert isinstance(made, Product)
    assert [(each.key, each.sku, dict(each.attributes)) for each in made.variants] == [
        ("341", "VAR-0011-M-R", {"Size": "M", "Color": "Red"})
    ]


def test_a_simple_products_weight_is_in_kg(sample_bytes) -> None:
    made = offers.to_product(product(sample_bytes, "product-simple"), [], offers.Units("g", "mm"))
    assert made.weight == D("0.0005")


def test_an_unknown_unit_leaves_the_weight_as_the_shop_wrote_it(sample_bytes) -> None:
    made = offers.to_product(product(sample_bytes, "product-simple"), [], offers.Units())
    assert (made.weight, made.extras["weight"]) == (None, "0.5")


@pytest.mark.parametrize("unit", ["kg", "g", "lbs", "oz"])
def test_a_weight_there_and_back_is_the_same(unit: str) -> None:
    there = offers.Units(weight=unit)
    assert there.from_kg(there.kg(D("12.5"))) == D("12.5")


def test_the_price_is_what_holds_now_in_the_shops_tax_mode(sample_bytes) -> None:
    made = offers.to_price(product(sample_bytes, "variation"), SHOP)
    assert isinstance(made, Price)
    assert (made.sku, made.amount, made.currency, made.includes_tax) == ("VAR-0011-M-R", D("33.33"), "EUR", True)


def test_a_running_sale_has_the_regular_price_as_list_price() -> None:
    row = wire.Product(id=1, sku="A", price="8.00", regular_price="10.00", sale_price="8.00", on_sale=True,
                       date_on_sale_to_gmt="2026-12-01T22:59:59")  # fmt: skip
    made = offers.to_price(row, SHOP)
    assert isinstance(made, Price)
    assert (made.amount, made.list_price) == (D("8.00"), D("10.00"))
    assert made.valid_until == datetime(2026, 12, 1, 22, 59, 59, tzinfo=UTC)


def test_a_planned_sale_is_not_the_price_yet() -> None:
    row = wire.Product(id=1, sku="A", price="10.00", regular_price="10.00", sale_price="8.00")
    made = offers.to_price(row, SHOP)
    assert isinstance(made, Price)
    assert (made.amount, made.list_price, made.extras["planned_sale"]["sale_price"]) == (D("10.00"), None, "8.00")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"type": "variable", "sku": "A", "price": "1"}, "sold through its variations"),
        ({"sku": "", "price": "1"}, "no SKU"),
        ({"sku": "A", "price": ""}, "no price"),
    ],
)
def test_what_has_no_price_of_its_own_says_why(fields, reason: str) -> None:
    assert offers.to_price(wire.Product(id=1, **fields), SHOP) == reason


def test_stock_that_is_not_managed_is_left_out() -> None:
    row = wire.Product(id=1, sku="A", manage_stock=False, stock_quantity=None)
    assert offers.to_balance(row, "", datetime(2026, 1, 1, tzinfo=UTC)) == "stock is not managed"


def test_a_variation_that_inherits_carries_its_parents_stock_and_says_so() -> None:
    row = wire.Product(id=1, parent_id=9, sku="A", manage_stock="parent", stock_quantity=-3)
    made = offers.to_balance(row, "Main", datetime(2026, 1, 1, tzinfo=UTC))
    assert not isinstance(made, str)
    assert (made.available, made.warehouse, made.extras["shared_with_parent"]) == (D(-3), "Main", "9")
