"""From Mirakl's orders to ours: recorded samples, and properties of every order."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mirakl_kit import sample

from crossdock import Order
from crossdock.mapping import total_difference
from crossdock.records import from_document, to_document
from crossdock_mirakl import countries, wire
from crossdock_mirakl.mapping import STATUSES, to_order

D = Decimal


def recorded(name: str) -> dict[str, Order]:
    rows = msgspec.json.decode(wire.ORDERS.decode(sample(name)).orders, type=list[msgspec.Raw])
    made = [to_order(wire.ORDER.decode(bytes(row))) for row in rows]
    return {order.key: order for order in made if isinstance(order, Order)}


PAGE1 = recorded("or11-orders.page1.response.json")
PAGE2 = recorded("or11-orders.page2.response.json")
NET = recorded("or11-orders.tax-excluded.response.json")
WAITING, SHIPPING = PAGE1["90417733-A"], PAGE1["90417790-A"]
SHIPPED, AMERICAN = PAGE2["90416004-A"], NET["US-55120-A"]


def order(state: str = "SHIPPING", **changes: Any) -> Order:
    made = to_order(row(state, **changes))
    assert isinstance(made, Order)
    return made


def row(state: str = "SHIPPING", **changes: Any) -> wire.Order:
    values: dict[str, Any] = {
        "order_id": "1-A", "order_state": state, "currency_iso_code": "EUR", "order_tax_mode": "TAX_INCLUDED",
        "price": 10, "shipping_price": 0, "total_price": 10, "created_date": "2026-03-09T08:00:00Z",
        "order_lines": [line("1-A-1", state)],
    }  # fmt: skip
    return wire.ORDER.decode(msgspec.json.encode({**values, **changes}))


def line(key: str, state: str = "SHIPPING", **changes: Any) -> dict[str, Any]:
    return {"order_line_id": key, "order_line_state": state, "offer_sku": "A", "quantity": 1, "price_unit": 10,
            "price": 10, "total_price": 10, **changes}  # fmt: skip


# -- recorded orders ---------------------------------------------------------------------------------


def test_an_order_that_waits_for_acceptance_needs_it_and_has_no_addresses_yet() -> None:
    assert (WAITING.status, WAITING.needs_acceptance, WAITING.payment.paid) == ("pending", True, False)
    assert (WAITING.billing, WAITING.shipping_address, WAITING.paid_at) == (None, None, None)


def test_a_refused_line_is_told_apart_and_counts_in_no_total() -> None:
    assert [each.key for each in SHIPPING.lines] == ["90417790-A-1", "90417790-A-2"]
    assert SHIPPING.total == D("95.78")
    assert total_difference(SHIPPING) == 0
    assert SHIPPING.extras["refused_or_cancelled_lines"][0]["offer_sku"] == "DISCONTINUED-9"


def test_a_paid_order_tells_who_what_when_and_until_when() -> None:
    assert SHIPPING.paid_at == datetime(2026, 3, 10, 6, 20, 54, 118000, tzinfo=UTC)
    assert SHIPPING.ship_by == datetime(2026, 3, 11, 22, 59, 59, 999000, tzinfo=UTC)
    assert SHIPPING.customer.email.endswith("@notification.mirakl.net")
    assert SHIPPING.references == {"commercial": "90417790", "customer": "WEB-118220", "seller": "ERP-SO-55218"}
    assert SHIPPING.shipping_address is not None
    assert (SHIPPING.shipping_address.country, SHIPPING.shipping_address.street3) == ("FR", "Code 0000, 2e étage")


def test_additional_fields_keep_their_shapes() -> None:
    assert SHIPPING.extras["additional_fields"] == {
        "gift-wrap": "true", "floor": "2", "delivery-options": ["STAIRS", "CALL"],
    }  # fmt: skip


def test_commissions_are_kept_beside_the_order_and_its_lines() -> None:
    assert SHIPPING.extras["total_commission"] == D("10.79")
    (tax,) = SHIPPING.lines[0].extras["commission_taxes"]
    assert tax == {"code": "TAXDEFAULT", "rate": D("20.0"), "amount": D("1.0")}


def test_a_refund_under_way_is_read_and_has_no_date_yet() -> None:
    (refund,) = SHIPPED.refunds
    assert (refund.key, refund.total, refund.tax, refund.refunded_at) == ("33017", D("19.5"), D("3.25"), None)
    assert refund.lines[0].line_key == "90416004-A-1"


def test_a_business_customer_a_pick_up_point_and_a_promotion_are_read() -> None:
    assert (SHIPPED.customer.company, SHIPPED.customer.vat_number) == ("SPECIMEN SARL", "FR00000000001")
    assert SHIPPED.extras["shipping_pudo_id"] == "FR-012345"
    assert [(each.code, each.amount, each.in_lines) for each in SHIPPED.discounts] == [("SPRING26", D("4.5"), True)]


def test_taxes_are_added_to_net_amounts_as_stated_and_never_recomputed() -> None:
    assert AMERICAN.prices_include_tax is False
    assert AMERICAN.total == D("24.00") + D("6.00") + D("1.49") + D("0.48") + D("0.37") + D("0.12")
    assert {(tax.code, tax.rate): tax.amount for tax in AMERICAN.taxes} == {
        ("US_STATE", D("6.25")): D("1.86"), ("US_CITY", D("2.0")): D("0.60"),
    }  # fmt: skip
    assert total_difference(AMERICAN) == 0


def test_an_empty_list_is_read() -> None:
    assert recorded("or11-orders.empty.response.json") == {}


def test_the_products_number_is_kept_and_no_gtin_is_made_up() -> None:
    assert (SHIPPING.lines[0].gtin, SHIPPING.lines[0].extras["product_sku"]) == ("", "MKP000000000052288")


# -- states ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "status"), STATUSES.items())
def test_every_documented_state_has_a_status(state: str, status: str) -> None:
    assert (order(state).status, order(state).raw_status) == (status, state)


def test_what_waits_for_the_seller_has_to_be_accepted_within_the_operators_hours() -> None:
    waiting, accepted = row("WAITING_ACCEPTANCE", created_date="2026-03-01T10:00:00Z"), row("SHIPPING")

    assert to_order(waiting, accept_within=120).accept_by == datetime(2026, 3, 6, 10, tzinfo=UTC)
    assert to_order(waiting).accept_by is to_order(accepted, accept_within=120).accept_by is None


def test_a_staging_order_is_left_out_with_a_reason() -> None:
    assert to_order(row("STAGING")) == "still checked by the operator"


def test_an_unknown_state_is_kept_as_it_is() -> None:
    assert (order("FROZEN").status, order("FROZEN").raw_status) == ("unknown", "FROZEN")


def test_an_order_of_which_some_lines_left_is_partially_shipped() -> None:
    lines = [line("1-A-1", "SHIPPED"), line("1-A-2", "SHIPPING")]
    assert order("SHIPPING", order_lines=lines, price=20, total_price=20).status == "partially_shipped"


def test_an_order_that_is_refunded_before_shipping_is_not_shipped() -> None:
    assert order("SHIPPING", fully_refunded=True).status == "refunded"


@pytest.mark.parametrize("total", [0, 10])
def test_a_cancelled_order_balances_whatever_total_it_states(total: int) -> None:
    cancelled = order("CANCELED", total_price=total, price=total)
    assert (len(cancelled.lines), total_difference(cancelled)) == (1, 0)


def test_an_order_that_a_third_party_ships_says_so_and_waits_for_nobody() -> None:
    made = order("WAITING_ACCEPTANCE", fulfillment={"center": {"code": "FBM-01"}})
    assert (made.fulfilled_by, made.needs_acceptance) == ("third_party", False)
    assert made.extras["fulfillment_center"] == "FBM-01"


def test_an_order_without_a_centre_is_the_sellers() -> None:
    assert order(fulfillment=None).fulfilled_by == "seller"


def test_old_orders_and_those_of_other_channels_are_left_out() -> None:
    start = datetime(2026, 4, 1, tzinfo=UTC)
    assert to_order(row(), start) == "before order start"
    assert to_order(row(channel={"code": "ES"}), None, ("FR",)) == "of another channel"


def test_a_partly_cancelled_line_is_of_the_pieces_that_its_price_is_of() -> None:
    stated = line("1-A-1", quantity=3, price=20, cancelations=[{"id": "c", "quantity": 1, "amount": 10}])
    assert order(order_lines=[stated], price=20, total_price=20).lines[0].quantity == 2


def test_order_level_taxes_are_the_orders_taxes() -> None:
    taxes = [{"code": "VAT", "rate": 20, "total_amount": 2.5}]
    made = order(order_tax_mode="TAX_EXCLUDED", order_taxes=taxes)
    assert (made.total_tax, made.total) == (D("2.5"), D("12.5"))


def test_a_fee_is_a_charge() -> None:
    made = order(order_lines=[line("1-A-1", fees=[{"code": "WEEE", "amount": 0.3}])], total_price=10.3)
    assert [(each.kind, each.code, each.total) for each in made.charges] == [("fee", "WEEE", D("0.3"))]
    assert total_difference(made) == 0


def test_numbers_in_additional_fields_are_no_floats() -> None:
    made = order(order_additional_fields=[{"code": "weight", "value": 1.1}])
    assert made.extras["additional_fields"] == {"weight": D("1.1")}


def test_a_country_without_a_known_code_stays_for_the_mapping_table() -> None:
    address = {"firstname": "A", "country": "Erewhon", "country_iso_code": "EWN"}
    made = order(customer={"shipping_address": address})
    assert made.shipping_address is not None
    assert made.shipping_address.country == "EWN"


def test_the_country_table_is_complete_and_unambiguous() -> None:
    assert len(countries.ALPHA2) == len(set(countries.ALPHA2.values())) == 250
    assert [countries.alpha2(code) for code in ("fra", "DEU", "GBR", "XKX")] == ["FR", "DE", "GB", "XK"]


# -- properties --------------------------------------------------------------------------------------

cents = st.integers(0, 10**9).map(lambda value: D(value) / 100)
rates = st.sampled_from([D("5.5"), D(20)])
tax = st.fixed_dictionaries({"code": st.sampled_from(["A", "B"]), "rate": rates, "amount": cents})
lines = st.lists(
    st.fixed_dictionaries({
        "order_line_state": st.sampled_from(["SHIPPING", "SHIPPED", "REFUSED", "CANCELED", "WHATEVER"]),
        "quantity": st.integers(1, 50), "price_unit": cents, "shipping_price": cents,
        "taxes": st.lists(tax, max_size=3), "shipping_taxes": st.lists(tax, max_size=2),
        "fees": st.lists(st.fixed_dictionaries({"code": st.just("F"), "amount": cents}), max_size=2),
    }), min_size=1, max_size=5,
)  # fmt: skip


def priced(given_lines: list[dict[str, Any]], mode: str) -> wire.Order:
    """An order as the vendor adds it up: only lines that count, fees in the total price."""
    made = [
        {**each, "order_line_id": f"1-A-{index}", "price": each["price_unit"] * each["quantity"]}
        for index, each in enumerate(given_lines)
    ]
    live = [each for each in made if each["order_line_state"] not in ("REFUSED", "CANCELED")]
    price, shipping = sum(each["price"] for each in live), sum(each["shipping_price"] for each in live)
    fees = sum(fee["amount"] for each in live for fee in each["fees"])
    body = {
        "order_id": "1-A", "order_state": "SHIPPING", "order_tax_mode": mode, "currency_iso_code": "EUR",
        "order_lines": made, "price": price, "shipping_price": shipping, "total_price": price + shipping + fees,
    }  # fmt: skip
    return wire.ORDER.decode(msgspec.json.Encoder(decimal_format="number").encode(body))


@settings(max_examples=60, deadline=None)
@given(lines, st.sampled_from(["TAX_INCLUDED", "TAX_EXCLUDED"]))
def test_money_is_exact_and_orders_balance_in_both_tax_modes(given_lines: list[dict[str, Any]], mode: str) -> None:
    made = to_order(priced(given_lines, mode))
    assert isinstance(made, Order)
    live = [each for each in given_lines if each["order_line_state"] not in ("REFUSED", "CANCELED")]
    assert total_difference(made) == 0
    assert made.total_tax == sum(tax["amount"] for each in live for tax in each["taxes"] + each["shipping_taxes"])
    assert sum(each.total for each in made.lines) == sum(each["price_unit"] * each["quantity"] for each in live)


@settings(max_examples=60, deadline=None)
@given(lines, st.sampled_from(["TAX_INCLUDED", "TAX_EXCLUDED"]))
def test_a_record_survives_being_stored(given_lines: list[dict[str, Any]], mode: str) -> None:
    made = to_order(priced(given_lines, mode))
    assert isinstance(made, Order)
    stored = from_document("orders", to_document(made))
    assert (stored.total, stored.total_tax) == (made.total, made.total_tax)
    assert to_document(stored) == to_document(made)


@settings(max_examples=60, deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=0, max_value=10**12, places=6))
def test_a_number_keeps_all_its_digits(value: Decimal) -> None:
    decoded = wire.ORDER.decode(f'{{"order_id": "1", "total_price": {value:f}}}'.encode())
    assert (decoded.total_price, type(decoded.total_price)) == (value, Decimal)
