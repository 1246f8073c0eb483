"""Octopia's orders as our records: every sample, and what must hold for any amounts."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock import Order, RecordError, Secret, evolve
from crossdock.mapping import total_difference
from crossdock_cdiscount import wire
from crossdock_cdiscount.mapping import NOT_CHOSEN, NOT_COMPLETE, STATUSES, TOO_OLD, to_order
from crossdock_cdiscount.settings import Settings

SETTINGS = Settings(client_id="id", client_secret=Secret("s"), seller_id="98979")


def mapped(payload: Any, settings: Settings = SETTINGS) -> Order:
    order = to_order(wire.ORDER.decode(msgspec.json.encode(payload)), settings)
    assert isinstance(order, Order)
    return order


@pytest.fixture
def page(sample_bytes: Callable[[str], bytes]) -> Callable[[int], list[dict[str, Any]]]:
    """The orders of a page of the samples."""
    return lambda number: json.loads(sample_bytes(f"orders.page{number}.response.json"))["items"]


@pytest.fixture
def single(sample_bytes: Callable[[str], bytes]) -> dict[str, Any]:
    """The business order with two lines."""
    payload: dict[str, Any] = json.loads(sample_bytes("order.single.response.json"))
    return payload


# -- samples ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "index"), [(1, 0), (1, 1), (2, 0)])
def test_the_total_of_a_sample_is_what_its_parts_add_up_to(page, number, index):
    assert total_difference(mapped(page(number)[index])) == 0


def test_an_order_that_waits_needs_acceptance_and_has_no_shipping_address(page):
    order = mapped(page(1)[0])

    assert (order.status, order.needs_acceptance, order.shipping_address) == ("pending", True, None)


def test_amounts_are_what_the_buyer_paid_with_vat_inside(single):
    order = mapped(single)

    assert order.prices_include_tax
    assert order.total == Decimal("95.78")
    assert [(line.unit_price, line.total, line.tax) for line in order.lines] == [
        (Decimal("24.99"), Decimal("49.98"), Decimal("8.33")),
        (Decimal("39.9"), Decimal("39.9"), Decimal("6.65")),
    ]
    assert [(charge.kind, charge.total, charge.tax) for charge in order.charges] == [
        ("shipping", Decimal("5.9"), Decimal("0.98"))
    ]
    assert order.total_tax == Decimal("15.96")


def test_the_buyer_is_the_one_who_pays_with_the_companys_vat_number(single):
    buyer = mapped(single).customer

    assert (buyer.name, buyer.company, buyer.vat_number, buyer.email) == (
        "Ada Specimen", "SPECIMEN SARL", "FR00000000001", "x0a1b2c3@relay.example.test",
    )  # fmt: skip


def test_lines_of_one_address_share_it(single):
    order = mapped(single)

    assert order.shipping_address is not None
    assert order.shipping_address.street2 == "Bât. C"
    assert [line.ship_to for line in order.lines] == [None, None]


def test_a_line_that_the_customer_wants_cancelled_is_shown_and_still_counts(single):
    order = mapped(single)

    assert order.lines[1].status == "CancelRequest"
    assert order.extras["cancelRequested"] == [order.lines[1].key]


def test_service_fees_stand_beside_the_total(single):
    order = mapped(single)

    assert order.extras["serviceFees"] == [{"label": "Service fee", "amount": "0.99"}]
    assert total_difference(order) == 0


def test_a_pick_up_order_names_its_shop_and_its_parcel(page):
    order = mapped(page(2)[0])

    assert order.shipping_address is not None
    assert (order.shipping_address.company, order.extras["pickup"]["id"]) == ("RELAIS DE LA GARE", "012345")
    assert order.lines[0].extras["parcels"][0]["parcelNumber"] == "00000001"


def test_an_order_of_a_warehouse_is_a_third_partys(page):
    order = mapped(page(2)[1])

    assert (order.fulfilled_by, order.channel, order.currency) == ("third_party", "EXAMPLEPL", "PLN")


def test_the_sellers_own_price_is_kept_beside_the_buyers(page):
    order = mapped(page(2)[1])

    assert order.lines[0].unit_price == Decimal("49.9")
    assert order.lines[0].extras["offerPrice"] == {"unitSalesPrice": "11.5", "shippingCost": "2.0"}
    assert order.extras["totalPrice"] == {"offerPrice": "13.5", "sellingPrice": "58.8"}


@pytest.mark.parametrize("word", ["Vat", "Tax"])
def test_both_spellings_of_a_commission_give_one(single, word):
    single["lines"][0]["offerPrice"]["commission"] = {f"amountWith{word}": 7.44, f"amountWithout{word}": 6.2}

    commission = mapped(single).lines[0].extras["commission"]

    assert commission == {"amountWithVat": "7.44", "amountWithoutVat": "6.2"}


# -- addresses -------------------------------------------------------------------------------------


def test_a_line_that_goes_elsewhere_says_so(single):
    single["lines"][1]["shippingAddress"]["addressLine1"] = "3 place Fictive"

    order = mapped(single)

    assert order.shipping_address is not None
    assert order.shipping_address.street == "12 allée des Essais"
    assert order.lines[0].ship_to is None
    assert order.lines[1].ship_to is not None
    assert order.lines[1].ship_to.street == "3 place Fictive"


# -- which lines count -----------------------------------------------------------------------------


def test_of_a_mixed_order_only_the_sellers_lines_count(single):
    single["lines"][1]["offer"]["supplyMode"] = "Fulfillment"

    order = mapped(single)

    assert [line.sku for line in order.lines] == ["TOASTER-2S-RED"]
    assert (order.fulfilled_by, order.total, total_difference(order)) == ("seller", Decimal("55.88"), 0)
    assert order.extras["otherLines"][0]["supplyMode"] == "Fulfillment"


@pytest.mark.parametrize("status", ["Cancelled", "Refused", "Rejected"])
def test_a_line_that_was_called_off_is_not_to_be_shipped(single, status):
    single["lines"][1]["status"] = status

    order = mapped(single)

    assert [line.sku for line in order.lines] == ["TOASTER-2S-RED"]
    assert order.extras["otherLines"][0]["status"] == status


def test_a_cancelled_order_keeps_its_lines(single):
    single["status"] = "Cancelled"
    for line in single["lines"]:
        line["status"] = "Cancelled"

    assert len(mapped(single).lines) == 2


def test_a_line_without_supply_mode_parks_the_order(single):
    del single["lines"][0]["offer"]["supplyMode"]

    with pytest.raises(RecordError, match="missing_supply_mode") as caught:
        mapped(single)

    assert caught.value.path == "lines[0].offer.supplyMode"


def test_a_line_without_supply_mode_is_the_sellers_if_the_settings_say_so(single):
    del single["lines"][0]["offer"]["supplyMode"]

    assert len(mapped(single, evolve(SETTINGS, missing_supply_mode="Seller")).lines) == 2


# -- states ----------------------------------------------------------------------------------------


def test_only_what_is_to_be_shipped_or_was_shipped_is_taken_for_an_order_to_do():
    assert {word for word, status in STATUSES.items() if status == "processing"} == {"InPreparation"}


def test_a_state_that_nobody_knows_is_kept_as_it_is(single):
    single["status"] = "Teleported"

    assert (mapped(single).status, mapped(single).raw_status) == ("unknown", "Teleported")


def test_an_order_of_which_a_line_has_left_is_partially_shipped(single):
    single["lines"][0]["status"] = "Shipped"

    assert mapped(single).status == "partially_shipped"


def test_a_sale_that_is_not_complete_stays_out_unless_it_is_wanted(single):
    single["status"] = "Processing"
    order = wire.ORDER.decode(msgspec.json.encode(single))

    assert to_order(order, SETTINGS) == NOT_COMPLETE
    assert mapped(single, evolve(SETTINGS, import_processing=True)).status == "pending"


def test_what_waits_for_the_seller_has_to_be_accepted_within_the_hours_that_he_names(single):
    single |= {"status": "WaitingAcceptance", "purchasedAt": "2026-03-01T10:00:00Z"}
    within = evolve(SETTINGS, accept_within=48)

    assert mapped(single, within).accept_by == datetime(2026, 3, 3, 10, tzinfo=UTC)
    assert mapped(single).accept_by is mapped(single | {"status": "InPreparation"}, within).accept_by is None


def test_a_channel_that_was_not_chosen_stays_out(single):
    order = wire.ORDER.decode(msgspec.json.encode(single))

    assert to_order(order, evolve(SETTINGS, sales_channels=("OTHER",))) == NOT_CHOSEN


def test_an_order_before_the_order_start_stays_out(single):
    start = mapped(single).placed_at
    assert start is not None
    later = evolve(SETTINGS, order_start=start.replace(year=start.year + 1))

    assert to_order(wire.ORDER.decode(msgspec.json.encode(single)), later) == TOO_OLD


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"orderId": None}, "orderId"),
        ({"lines": []}, "lines"),
        ({"updatedAt": "yesterday"}, "updatedAt"),
        ({"purchasedAt": "2026-03-09T22:58:41"}, "purchasedAt"),
    ],
)
def test_what_cannot_be_read_names_its_field(single, change, path):
    with pytest.raises(RecordError) as caught:
        mapped({**single, **change})

    assert caught.value.path == path


def test_a_line_without_what_the_buyer_paid_is_refused(single):
    del single["lines"][0]["sellingPrice"]

    with pytest.raises(RecordError, match="unitSalesPrice is missing"):
        mapped(single)


# -- any amounts -----------------------------------------------------------------------------------

cents = st.integers(min_value=0, max_value=10**9).map(lambda value: Decimal(value).scaleb(-2))
lines = st.lists(
    st.tuples(st.integers(min_value=1, max_value=10**4), cents, cents, st.sampled_from(["Seller", "Fulfillment"])),
    min_size=1, max_size=6,
)  # fmt: skip
encode = msgspec.json.Encoder(decimal_format="number").encode


def order_of(rows: list[tuple[int, Decimal, Decimal, str]], per: str) -> bytes:
    """An order with these lines; its totals as the vendor adds them up."""
    made, total = [], Decimal(0)
    for index, (quantity, unit, shipping, mode) in enumerate(rows):
        stated = unit * quantity + shipping * (quantity if per == "unit" else 1)
        total += stated
        made.append({
            "orderLineId": f"l{index}", "quantity": quantity, "totalPrice": {"sellingPrice": stated},
            "sellingPrice": {"unitSalesPrice": unit, "shippingCost": shipping},
            "offer": {"sellerProductId": f"S{index}", "supplyMode": mode},
        })  # fmt: skip
    return encode({"orderId": "SCID1", "status": "InPreparation", "currencyCode": "EUR", "lines": made,
                   "totalPrice": {"sellingPrice": total}})  # fmt: skip


@given(rows=lines, per=st.sampled_from(["line", "unit"]))
def test_money_stays_exact_whatever_the_amounts(rows, per):
    order = to_order(wire.ORDER.decode(order_of(rows, per)), evolve(SETTINGS, shipping_per=per))

    assert isinstance(order, Order)
    assert total_difference(order) == 0
    ours = [row for row in rows if row[3] == "Seller"] or rows
    assert [(line.quantity, line.unit_price) for line in order.lines] == [(row[0], row[1]) for row in ours]


@given(rows=lines)
def test_no_line_is_lost_between_ours_and_the_others(rows):
    order = to_order(wire.ORDER.decode(order_of(rows, "line")), SETTINGS)

    assert isinstance(order, Order)
    keys = [line.key for line in order.lines] + [each["orderLineId"] for each in order.extras.get("otherLines", ())]
    assert sorted(keys) == sorted(f"l{index}" for index in range(len(rows)))


@given(value=st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner)))
def test_facts_that_the_model_does_not_know_survive_as_json(value):
    payload = json.loads(order_of([(1, Decimal(1), Decimal(0), "Seller")], "line"))

    order = mapped({**payload, "cancellationDetails": value})

    assert order.extras.get("cancellationDetails", value) == value
