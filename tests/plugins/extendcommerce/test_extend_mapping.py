"""Every recorded sample becomes the record it stands for."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from connector_kit import HOME, order
from extend_kit import SAMPLES
from hypothesis import given
from hypothesis import strategies as st
from test_extend_totals import CONNECTION

from crossdock import Address, Answer, Customer, Decoration, Incoming, Order, Payment, RecordError, evolve
from crossdock_extendcommerce import wire
from crossdock_extendcommerce.mapping import (
    STATUSES,
    to_balance,
    to_customer,
    to_order,
    to_price,
    to_product,
)
from crossdock_extendcommerce.outgoing import KEY_LENGTH, external_number, from_customer, from_order
from crossdock_extendcommerce.shipments import to_shipments, tracking_table, tracking_url

NOW = datetime(2026, 9, 16, 12, tzinfo=UTC)


def raw(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def wrapped(name: str, field: str, decoder: msgspec.json.Decoder[Any]) -> list[Any]:
    listed = getattr(wire.WRAPPED.decode(raw(name)), field)
    return [row.value for row in Answer(200, {}, bytes(listed), "").rows(decoder)]


def partly_delivered() -> wire.CustomerOrder:
    return wire.ORDER.decode(raw("order-detail-partially-delivered.response.json"))


# -- orders ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["order-create.response.json", "order-detail-partially-delivered.response.json"])
def test_an_order_costs_the_same_before_and_after_a_partial_delivery(name: str) -> None:
    read = to_order(wire.ORDER.decode(raw(name)))
    assert (read.total, read.total_tax, read.currency) == (Decimal("1269.00"), Decimal("253.80"), "SEK")


def test_the_parts_of_a_split_row_are_one_line() -> None:
    read = to_order(partly_delivered())
    assert [(line.sku, line.quantity) for line in read.lines] == [("HELM-BLK-M", 3), ("BELL-RED-01", 2)]


def test_freight_is_a_charge() -> None:
    assert [(each.kind, each.total) for each in to_order(partly_delivered()).charges] == [("shipping", Decimal("39.2"))]


def test_an_order_keeps_who_where_when_and_the_callers_number() -> None:
    read = to_order(partly_delivered())
    assert read.references == {"external": "WEB-100232", "end_customer": "PO-7781"}
    assert read.placed_at == datetime(2026, 9, 15, 6, 14, 3, 500_000, tzinfo=UTC)
    assert (read.status, read.raw_status, read.channel) == ("partially_shipped", "PartiallyDelivered", "ourshop-se")
    assert read.shipping_address == Address(
        name="Inköp", company="Lindqvist Cykel AB", street="Hamngatan 12", postcode="55321", city="Jönköping",
        country="SE",
    )  # fmt: skip


def test_an_answer_without_number_is_refused() -> None:
    with pytest.raises(RecordError, match="orderNumber is missing"):
        to_order(wire.ORDER.decode(raw("order-atp.response.json")))


@pytest.mark.parametrize("name", [
    "order-create-minimal.request.json", "order-create-full.request.json", "order-cancel-one-row.request.json",
])  # fmt: skip
def test_the_vendors_own_requests_have_our_shape(name: str) -> None:
    found = wire.ORDER.decode(raw(name))
    assert found.order_rows
    assert found.order_rows[0].product is not None


def test_a_cancelled_row_costs_nothing() -> None:
    found = partly_delivered()
    assert found.order_rows is not None
    found.order_rows[2].order_row_status = "Annulled"
    assert [line.sku for line in to_order(found).lines] == ["HELM-BLK-M"]


def test_a_cancelled_order_still_shows_what_it_was() -> None:
    found = partly_delivered()
    assert found.order_header is not None
    found.order_header.order_status = "Annulled"
    for row in found.order_rows or ():
        row.order_row_status = "Annulled"
    read = to_order(found)
    assert (read.status, read.total) == ("cancelled", Decimal("1269.00"))


@pytest.mark.parametrize(("word", "status"), [*STATUSES.items(), ("Subscription", "unknown"), ("Novelty", "unknown")])
def test_every_status_is_kept_beside_its_meaning(word: str, status: str) -> None:
    found = partly_delivered()
    assert found.order_header is not None
    found.order_header.order_status = word
    read = to_order(found)
    assert (read.status, read.raw_status) == (status, word)


def test_the_order_list_is_read_with_and_without_offset() -> None:
    items = [row.value for row in Answer(200, {}, raw("order-list.response.json"), "").rows(wire.ORDER_ITEM)]
    assert [item.change_date for item in items if item] == ["2026-09-16T14:02:11.107+02:00", "2026-09-16T06:31:00.963"]


def test_the_full_key_is_read_back_though_the_field_is_short() -> None:
    key = "flow-orders:" + "x" * 80
    body = from_order(order(), key, CONNECTION)
    assert body.order_header is not None
    body.order_header.order_number = "1"
    assert len(str(body.order_header.order_number_external)) <= KEY_LENGTH
    assert to_order(body).references["external"] == key


@given(st.text(min_size=1, max_size=200), st.text(min_size=1, max_size=200))
def test_different_keys_stay_different_when_cut(one: str, other: str) -> None:
    assert (external_number(one) == external_number(other)) == (one == other)
    assert len(external_number(one)) <= KEY_LENGTH


# -- orders on their way out -----------------------------------------------------------------------


def header(sent: Order, **settings: Any) -> wire.OrderHeader:
    found = from_order(sent, "key", evolve(CONNECTION, **settings)).order_header
    assert found is not None
    return found


def test_a_pushed_order_carries_key_number_and_our_mark() -> None:
    found = header(order())
    assert (found.order_number_external, found.your_reference) == ("key", "WC-1042")
    assert {each.meta_data_label: each.meta_data_value for each in found.order_meta_data or ()} == {
        "source": "crossdock", "crossdock-key": "key", "crossdock-order": "WC-1042",
    }  # fmt: skip


def test_each_row_carries_the_source_lines_key() -> None:
    rows = from_order(order(), "key", CONNECTION).order_rows or []
    assert [row.external_row and row.external_row.external_row_id for row in rows] == ["li-1", "shipping:s-1"]


def test_freight_is_free_only_without_a_freight_row() -> None:
    assert header(order()).freight_free is False
    assert header(order(charges=(), total=Decimal("1122.00"))).freight_free is True


def test_numbers_are_sent_as_json_numbers() -> None:
    sent = msgspec.json.decode(bytes(wire.body(from_order(order(), "key", CONNECTION))))
    assert sent["orderRows"][0]["salesData"] == {
        "quantity": 3, "unit": "ST", "unitPrice": 299.2, "vatPercent": 25, "currency": "SEK",
    }  # fmt: skip


@pytest.mark.parametrize(("method", "default", "sent"), [
    ("KlarnaPrepaid", "Billing", "KlarnaPrepaid"), ("swish", "Billing", "Billing"),
])  # fmt: skip
def test_a_payment_is_extends_own_or_the_default(method: str, default: str, sent: str) -> None:
    assert header(order(payment=Payment(method=method)), payment_type=default).payment_type == sent


def test_an_unknown_payment_is_a_gap() -> None:
    with pytest.raises(RecordError) as caught:
        header(order(payment=Payment(method="swish")))
    assert (caught.value.path, caught.value.gap and caught.value.gap.kind) == ("payment.method", "payment")


@pytest.mark.parametrize("country", ["Sverige", "SWE", "", "S1"])
def test_a_country_that_is_not_two_letters_is_a_gap(country: str) -> None:
    with pytest.raises(RecordError) as caught:
        header(order(shipping_address=evolve(HOME, country=country)))
    assert caught.value.path == "shipping_address.country"
    assert caught.value.gap is not None
    assert caught.value.gap.value == country


def test_goods_go_to_the_billing_address_when_there_is_no_other() -> None:
    sent = header(order(shipping_address=Address()))
    assert sent.delivery_address is not None
    assert sent.delivery_address.city == "Jönköping"


def test_a_line_without_sku_is_refused_by_its_place() -> None:
    sent = order()
    with pytest.raises(RecordError, match="has no SKU") as caught:
        header(evolve(sent, lines=(sent.lines[0], evolve(sent.lines[0], sku=""))))
    assert caught.value.path == "lines[1].sku"


def test_a_print_is_a_note_on_its_row() -> None:
    sent = order()
    mark = Decoration(technique="Screen", position="Front", width=Decimal(50), height=Decimal(30), colours=("PMS 1",))
    row = (from_order(evolve(sent, lines=(evolve(sent.lines[0], decorations=(mark,)),)), "k", CONNECTION)
           .order_rows or [])[0]  # fmt: skip
    assert row.notations is not None
    assert row.notations.notes == "Print: Screen, Front, 50 x 30 mm, PMS 1"


# -- shipments -------------------------------------------------------------------------------------


def test_a_partial_delivery_is_one_shipment_that_does_not_complete_the_order() -> None:
    ((shipment,), _) = to_shipments(partly_delivered(), tracking_table(()))
    assert (shipment.key, shipment.order_key, shipment.number) == ("7004512/S-880012", "7004512", "S-880012")
    assert [(line.sku, line.quantity) for line in shipment.lines] == [("HELM-BLK-M", 2), ("BELL-RED-01", 2)]
    assert [parcel.number for parcel in shipment.parcels] == ["DEMO0000000001SE", "DEMO0000000002SE"]
    assert shipment.shipped_at == datetime(2026, 9, 16, 12, 2, 11, tzinfo=UTC)
    assert not shipment.completes_order


def test_only_the_newest_shipment_completes_the_order() -> None:
    found = partly_delivered()
    assert found.order_rows is not None
    assert found.order_header is not None
    assert found.order_header.shipments is not None
    found.order_rows[1].order_row_status = "Picked"
    found.order_rows[1].shipment_number = "S-880013"
    later = msgspec.structs.replace(
        found.order_header.shipments[0], shipment_number="S-880013", pick_date="2026-09-18T10:00:00+02:00"
    )
    found.order_header.shipments.append(later)
    assert [(each.number, each.completes_order) for each in to_shipments(found, {})[0]] == [
        ("S-880012", False), ("S-880013", True),
    ]  # fmt: skip


def test_a_shipment_that_cannot_be_read_stops_no_other_and_keeps_the_order_open() -> None:
    found = partly_delivered()
    assert found.order_rows is not None
    assert found.order_header is not None
    assert found.order_header.shipments is not None
    found.order_rows[1].order_row_status = "Picked"
    found.order_rows[1].shipment_number = "S-880013"
    broken = msgspec.structs.replace(
        found.order_header.shipments[0], shipment_number="S-880013", pick_date="yesterday"
    )  # fmt: skip
    found.order_header.shipments.append(broken)
    shipments, errors = to_shipments(found, {})
    assert [(each.number, each.completes_order) for each in shipments] == [("S-880012", False)]
    assert [(each.key, each.path) for each in errors] == [("7004512/S-880013", "orderHeader.shipments.pickDate")]


def test_what_the_supplier_delivered_is_a_shipment_per_row() -> None:
    found = partly_delivered()
    for row in found.order_rows or ():
        row.shipment_number = None
    assert [each.key for each in to_shipments(found, {})[0]] == [
        "7004512/row-00000000-0000-4000-8000-000000000100", "7004512/row-00000000-0000-4000-8000-000000000200",
    ]  # fmt: skip


@pytest.mark.parametrize(("forwarder", "url"), [
    ("PostNord Sverige", "https://tracking.postnord.com/en/tracking?id=A1"),
    ("DB Schenker", "https://www.dbschenker.com/app/tracking-public/?refNumber=A1"),
    ("UPS", "https://www.ups.com/track?tracknum=A1"),
    ("DHL-Freight", "https://www.dhl.com/global-en/home/tracking.html?tracking-id=A1"),
    ("Groups & Co", ""),
    ("Own Van", "https://van.example/A1"),
])  # fmt: skip
def test_a_parcel_is_followed_at_its_forwarder(forwarder: str, url: str) -> None:
    assert tracking_url(forwarder, "A1", tracking_table(("own van=https://van.example/{number}",))) == url


# -- the rest --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("field", "available"), [("A", 13), ("B", 13), ("C", 8), ("physical", 14)])
def test_the_balance_is_the_configured_one(field: str, available: int) -> None:
    first = wrapped("product-availability.response.json", "product_availability_list", wire.AVAILABILITY)[0]
    read = to_balance(first, field, NOW)
    assert (read.key, read.available, read.as_of) == ("HELM-BLK-M@HUVUD", available, NOW)
    assert read.incoming == (Incoming(quantity=Decimal(50), expected_at=datetime(2026, 9, 21, 22, tzinfo=UTC)),)


def test_an_oversold_balance_stays_below_zero() -> None:
    second = wrapped("product-availability.response.json", "product_availability_list", wire.AVAILABILITY)[1]
    assert to_balance(second, "A", NOW).available == -2


def test_prices_are_net_and_tiered() -> None:
    items = wrapped("product-prices.response.json", "product_price_item_list", wire.PRICE)
    assert [(each.key, each.amount, each.includes_tax) for each in (to_price(item, "") for item in items)] == [
        ("HELM-BLK-M|||SEK|1", Decimal("279.0"), False), ("HELM-BLK-M|||SEK|10", Decimal("249.0"), False),
    ]  # fmt: skip


def test_a_product_is_measured_in_centimetres_and_kilograms() -> None:
    read = to_product(wire.PRODUCT.decode(raw("product-detail.response.json")))
    assert (read.length, read.weight, read.gtin) == (Decimal("30.0"), Decimal("0.35"), "7300000000017")
    assert (read.sku, read.enabled, read.type, read.customs_code) == ("HELM-BLK-M", True, "simple", "65061080")


def test_the_product_list_has_a_row_per_warehouse() -> None:
    rows = Answer(200, {}, raw("product-list.response.json"), "").rows(wire.PRODUCT_ITEM)
    assert [row.value and row.value.warehouse for row in rows] == ["HUVUD", "RETUR"]


def test_the_customer_list_names_number_and_change() -> None:
    (item,) = wrapped("customer-list.response.json", "customer_list", wire.CUSTOMER_ITEM)
    assert (item.customer_number, item.email2) == ("K-4410", "order@lindqvist.example")


def test_a_customer_survives_the_way_out_and_back() -> None:
    sent = Customer(key="9", company="Nya Kunden AB", email="o@nya.example", billing=HOME, shipping_address=HOME)
    body = from_customer(sent, evolve(CONNECTION, post_template="WEBB-B2B"))
    body.customer_number = "K-1"
    read = to_customer(body)
    assert (read.company, read.email, body.post_template) == ("Nya Kunden AB", "o@nya.example", "WEBB-B2B")
    assert read.shipping_address is not None
    assert read.shipping_address.city == "Jönköping"


def test_the_vendors_customer_request_has_our_shape() -> None:
    assert wire.CUSTOMER.decode(raw("customer-create.request.json")).name == "Nya Kunden AB"
