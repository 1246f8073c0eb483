"""Reporting parcels: once, of the seller's lines only, in one parcel where the channel takes one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from cdiscount_kit import pulled

from crossdock import Gap, Order, OutcomeUnknownError, Parcel, RecordError, Shipment, ShipmentLine
from crossdock_cdiscount import plugin


def shipment(*numbers: str, **changes: Any) -> Shipment:
    values: dict[str, Any] = {
        "key": "sh-1", "order_key": "erp-1", "carrier": "colissimo",
        "parcels": tuple(Parcel(number=each, tracking_url=f"https://track.example/{each}") for each in numbers),
    }  # fmt: skip
    return Shipment(**{**values, **changes})


@pytest.fixture
def sold(shops):
    """Sells something and answers shop, session and the order as it was read."""

    def sell(*lines: dict[str, Any], settings: dict[str, str] | None = None, **options: Any):
        shop = shops()
        shop.twin.place_order(list(lines) or [{"sku": "P-100", "quantity": 2}, {"sku": "P-101"}], **options)
        session = shop.connect(**(settings or {}))
        orders, _ = pulled(session)
        shop.twin.requests.clear()
        return shop, session, next(iter(orders.values()))

    return sell


def ship(session, order: Order, sent: Shipment):
    return plugin.push_shipment(session, sent, order, "key-1")


def parcels(shop) -> list[list[str]]:
    (order,) = shop.twin.state()["orders"]
    return [[parcel["parcelNumber"] for parcel in line["parcels"]] for line in order["lines"]]


def statuses(shop) -> list[str]:
    (order,) = shop.twin.state()["orders"]
    return [order["status"], *(line["status"] for line in order["lines"])]


def test_a_parcel_arrives_with_carrier_number_and_address(sold):
    shop, session, order = sold()

    receipt = ship(session, order, shipment("6A1"))

    line = shop.twin.state()["orders"][0]["lines"][0]
    assert line["parcels"] == [
        {"parcelNumber": "6A1", "carrierName": "Colissimo", "trackingUrl": "https://track.example/6A1"}
    ]
    assert (receipt.external_id, receipt.number, receipt.status) == ("6A1", order.number, "Shipped")


def test_the_same_shipment_twice_is_one_parcel(sold):
    shop, session, order = sold()

    ship(session, order, shipment("6A1"))
    ship(session, order, shipment("6A1"))

    assert len(shop.asked("POST", "/shipments")) == 1


@pytest.mark.parametrize(("channel", "registered"), [("CDISFR", 1), ("EXAMPLEPL", 2)])
def test_two_shipments_of_an_order_at_the_same_moment_are_both_settled(sold, channel, registered):
    shop, session, order = sold(channel=channel)
    shop.twin.fault("slow", method="POST", path="/shipments", seconds=0.2, times=2)
    halves = [shipment(f"6A{index}", lines=(ShipmentLine(order_line=line.key, sku=line.sku, quantity=line.quantity),))
              for index, line in enumerate(order.lines)]  # fmt: skip

    with ThreadPoolExecutor(2) as pool:
        receipts = list(pool.map(lambda half: ship(session, order, half), halves))

    assert len({number for line in parcels(shop) for number in line}) == registered
    assert sum("not sent" in receipt.note for receipt in receipts) == 2 - registered
    assert statuses(shop)[0] == "Shipped"


def test_a_shipment_is_found_in_the_lines_parcels(sold):
    _, session, order = sold()
    before = plugin.find_shipment(session, shipment("6A1"), order, "key-1")

    ship(session, order, shipment("6A1"))

    (found,) = plugin.find_shipment(session, shipment("6A1"), order, "key-1")
    assert (list(before), found.external_id) == ([], "6A1")


def test_after_a_502_the_parcel_is_found_and_not_sent_again(sold):
    shop, session, order = sold()
    shop.twin.bad_gateway()

    with pytest.raises(OutcomeUnknownError):
        ship(session, order, shipment("6A1"))

    assert [each.external_id for each in plugin.find_shipment(session, shipment("6A1"), order, "k")] == ["6A1"]
    ship(session, order, shipment("6A1"))
    assert len(shop.asked("POST", "/shipments")) == 1
    assert parcels(shop) == [["6A1"], ["6A1"]]


def test_after_a_502_without_effect_it_is_sent_again(sold):
    shop, session, order = sold()
    shop.twin.fault("status", method="POST", path="/shipments", status=502)

    with pytest.raises(OutcomeUnknownError):
        ship(session, order, shipment("6A1"))

    assert list(plugin.find_shipment(session, shipment("6A1"), order, "k")) == []
    ship(session, order, shipment("6A1"))
    assert parcels(shop) == [["6A1"], ["6A1"]]


# -- one parcel ------------------------------------------------------------------------------------


def test_on_cdiscount_the_first_parcel_is_the_parcel_and_the_others_are_noted(sold):
    shop, session, order = sold()

    receipt = ship(session, order, shipment("A1", "A2", "A3"))

    assert parcels(shop) == [["A1"], ["A1"]]
    assert "one parcel per order" in receipt.note
    assert "not sent: A2, A3" in receipt.note


def test_on_cdiscount_a_second_shipment_is_noted_and_not_sent(sold):
    shop, session, order = sold()
    ship(session, order, shipment("A1"))

    receipt = ship(session, order, shipment("B1", key="sh-2"))

    assert parcels(shop) == [["A1"], ["A1"]]
    assert "(A1); not sent: B1" in receipt.note


def test_on_cdiscount_the_parcel_stands_for_the_complete_order(sold):
    shop, session, order = sold()

    ship(session, order, shipment("A1", lines=(ShipmentLine(sku="P-100", quantity=Decimal(2)),)))

    assert statuses(shop) == ["Shipped", "Shipped", "Shipped"]


def test_another_channel_takes_several_parcels(sold):
    shop, session, order = sold(channel="EXAMPLEPL")

    receipt = ship(session, order, shipment("A1", "A2", carrier="InPost"))

    assert parcels(shop) == [["A1", "A2"], ["A1", "A2"]]
    assert receipt.note == ""


def test_another_channel_takes_shipments_line_by_line(sold):
    shop, session, order = sold(channel="EXAMPLEPL")
    first, second = (ShipmentLine(order_line=line.key, sku=line.sku, quantity=line.quantity) for line in order.lines)

    ship(session, order, shipment("A1", lines=(first,)))
    between = statuses(shop)
    ship(session, order, shipment("B1", key="sh-2", lines=(second,)))

    assert between == ["InPreparation", "Shipped", "InPreparation"]
    assert parcels(shop) == [["A1"], ["B1"]]


def test_a_part_of_a_line_is_the_line_with_a_note(sold):
    shop, session, order = sold(channel="EXAMPLEPL")

    receipt = ship(session, order, shipment("A1", lines=(ShipmentLine(sku="P-100", quantity=Decimal(1)),)))

    assert parcels(shop) == [["A1"], []]
    assert "whole lines" in receipt.note


def test_the_rest_of_a_line_that_was_reported_whole_is_noted_and_not_sent(sold):
    shop, session, order = sold({"sku": "P-100", "quantity": 4}, {"sku": "P-101"}, channel="EXAMPLEPL")
    part = (ShipmentLine(sku="P-100", quantity=Decimal(2)),)

    ship(session, order, shipment("6A1", lines=part))
    receipt = ship(session, order, shipment("6A2", key="sh-2", lines=part))

    assert parcels(shop) == [["6A1"], []]
    assert "not sent: 6A2" in receipt.note


def test_the_rest_of_an_order_that_was_reported_whole_is_noted_and_not_sent(sold):
    shop, session, order = sold({"sku": "P-100", "quantity": 4}, channel="EXAMPLEPL")
    part = (ShipmentLine(sku="P-100", quantity=Decimal(2)),)

    ship(session, order, shipment("6A1", lines=part))
    receipt = ship(session, order, shipment("6A2", key="sh-2", lines=part))

    assert (parcels(shop), statuses(shop)[0]) == ([["6A1"]], "Shipped")
    assert "not sent: 6A2" in receipt.note


def test_the_same_article_on_two_lines_is_told_by_its_quantity(sold):
    shop, session, order = sold({"sku": "P-100"}, {"sku": "P-100"}, channel="EXAMPLEPL")

    ship(session, order, shipment("A1", lines=(ShipmentLine(sku="P-100", quantity=Decimal(2)),)))

    assert parcels(shop) == [["A1"], ["A1"]]


# -- what is not shipped ---------------------------------------------------------------------------


def test_a_line_of_a_warehouse_is_never_shipped_by_us(sold):
    shop, session, order = sold({"sku": "P-100"}, {"sku": "P-101", "supply_mode": "Fulfillment"})

    ship(session, order, shipment("A1"))

    assert parcels(shop) == [["A1"], []]


def test_a_line_of_a_warehouse_that_is_named_is_refused(sold):
    _, session, order = sold({"sku": "P-100"}, {"sku": "P-101", "supply_mode": "Xdock"})
    foreign = order.extras["otherLines"][0]["orderLineId"]

    with pytest.raises(RecordError, match="by a warehouse"):
        ship(session, order, shipment("A1", lines=(ShipmentLine(order_line=foreign, quantity=Decimal(1)),)))


def test_an_order_of_a_warehouse_is_refused(shops):
    shop = shops()
    shop.twin.place_order([{"sku": "P-100"}], supply_mode="Fulfillment")
    session = shop.connect()
    (order,) = pulled(session)[0].values()

    with pytest.raises(RecordError, match="No line of the order is left"):
        ship(session, order, shipment("A1"))


def test_a_warehouses_parcel_is_not_taken_for_ours(sold):
    shop, session, order = sold({"sku": "P-100"}, {"sku": "P-101", "supply_mode": "Fulfillment"})
    shop.twin.warehouse_ships(order.key)

    receipt = ship(session, order, shipment("A1"))

    assert receipt.external_id == "A1"
    assert parcels(shop)[0] == ["A1"]


def test_a_line_that_the_customer_wants_cancelled_stays_out_unless_named(sold):
    shop, session, order = sold()
    wanted = shop.twin.customer_cancels(order.key, 1)

    ship(session, order, shipment("A1"))

    assert parcels(shop) == [["A1"], []]
    assert wanted == order.lines[1].key


def test_a_line_that_the_customer_wants_cancelled_is_shipped_when_named(sold):
    shop, session, order = sold()
    wanted = shop.twin.customer_cancels(order.key, 1)

    ship(session, order, shipment("A1", lines=(ShipmentLine(order_line=wanted, quantity=Decimal(1)),)))

    assert parcels(shop) == [["A1"], ["A1"]]


@pytest.mark.parametrize("status", ["WaitingAcceptance", "Accepted", "Cancelled"])
def test_only_orders_in_preparation_are_shipped(sold, status):
    shop, session, order = sold()
    shop.twin.set_status(order.key, status)

    with pytest.raises(RecordError, match=f"is {status}; only orders in InPreparation"):
        ship(session, order, shipment("A1"))

    assert shop.asked("POST", "/shipments") == []


def test_a_shipment_without_number_is_refused(sold):
    _, session, order = sold()

    with pytest.raises(RecordError, match="no parcel number"):
        ship(session, order, shipment())


def test_an_unknown_article_is_refused_by_its_place(sold):
    _, session, order = sold()

    with pytest.raises(RecordError) as caught:
        ship(session, order, shipment("A1", lines=(ShipmentLine(sku="NOPE", quantity=Decimal(1)),)))

    assert caught.value.path == "lines[0]"


# -- carriers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["Mondial Relay", "MONDIAL RELAY", " mondial relay "])
def test_a_carrier_is_sent_as_octopias_label(sold, word):
    shop, session, order = sold()

    ship(session, order, shipment("A1", carrier=word))

    assert shop.twin.state()["orders"][0]["lines"][0]["parcels"][0]["carrierName"] == "Mondial Relay"


def test_a_mapped_carrier_wins_over_the_sources_name(sold):
    shop, session, order = sold()

    ship(session, order, shipment("A1", carrier="UPS", carrier_name="United Parcel Service"))

    assert shop.twin.state()["orders"][0]["lines"][0]["parcels"][0]["carrierName"] == "UPS"


def test_an_unknown_carrier_is_a_gap(sold):
    shop, session, order = sold()

    with pytest.raises(RecordError) as caught:
        ship(session, order, shipment("A1", carrier="bikes4u"))

    assert caught.value.gap == Gap("carrier", "bikes4u")
    assert shop.asked("POST", "/shipments") == []


def test_free_carrier_names_are_sent_if_the_settings_allow_it(sold):
    shop, session, order = sold(settings={"free_carriers": "yes"})

    ship(session, order, shipment("A1", carrier="bikes4u", carrier_name="Bikes for you"))

    assert shop.twin.state()["orders"][0]["lines"][0]["parcels"][0]["carrierName"] == "Bikes for you"


def test_the_list_of_carriers_is_remembered(sold):
    shop, session, order = sold()
    ship(session, order, shipment("A1"))
    shop.twin.place_order([{"sku": "P-102"}])
    other = next(each for each in pulled(session)[0].values() if each.key != order.key)

    ship(session, other, shipment("A2"))

    assert len(shop.asked("GET", "/carriers")) == 1
