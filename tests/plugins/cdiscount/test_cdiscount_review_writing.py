"""Parcels, stock and prices when Octopia is less kind than its sandbox: nothing twice, nothing forgotten."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import pytest
from cdiscount_kit import DictMemory, pulled

from crossdock import (
    AccessError,
    Balance,
    Outcome,
    Parcel,
    Price,
    Shipment,
    ShipmentLine,
    StillRunning,
    TransientError,
)
from crossdock_cdiscount import plugin

JSON = {"Content-Type": "application/json"}


def shipment(number: str, *lines: ShipmentLine, **changes: Any) -> Shipment:
    return Shipment(**{"key": "sh-1", "order_key": "erp-1", "carrier": "InPost", "parcels": (Parcel(number=number),),
                       "lines": lines, **changes})  # fmt: skip


@pytest.fixture
def sold(shops):
    """An order of two articles on a channel that takes several parcels: shop, session, order, its shipment lines."""
    shop = shops()
    shop.twin.place_order([{"sku": "P-100", "quantity": 2}, {"sku": "P-101"}], channel="EXAMPLEPL")
    session = shop.connect()
    (order,) = pulled(session)[0].values()
    return shop, session, order, [
        ShipmentLine(order_line=line.key, sku=line.sku, quantity=line.quantity) for line in order.lines
    ]  # fmt: skip


def parcels(shop) -> list[list[str]]:
    (order,) = shop.twin.state()["orders"]
    return [[parcel["parcelNumber"] for parcel in line["parcels"]] for line in order["lines"]]


# -- parcels ---------------------------------------------------------------------------------------


def test_two_shipments_that_left_in_one_parcel_are_both_reported(sold):
    shop, session, order, (first, second) = sold

    plugin.push_shipment(session, shipment("6A1", first), order, "k1")
    plugin.push_shipment(session, shipment("6A1", second, key="sh-2"), order, "k2")

    assert parcels(shop) == [["6A1"], ["6A1"]]


def test_a_shipment_is_not_found_in_the_parcel_of_another_line(sold):
    _, session, order, (first, second) = sold
    plugin.push_shipment(session, shipment("6A1", first), order, "k1")

    assert list(plugin.find_shipment(session, shipment("6A1", second, key="sh-2"), order, "k2")) == []
    assert len(list(plugin.find_shipment(session, shipment("6A1", first), order, "k1"))) == 1


@pytest.mark.parametrize("kept", ["6a 1-b", "6A1-B", " 6A 1-B "])
def test_a_parcel_number_is_known_however_octopia_writes_it(sold, kept):
    shop, session, order, (first, _) = sold
    shop.twin.bad_gateway()
    with pytest.raises(Exception, match="502"):
        plugin.push_shipment(session, shipment("6a1-B", first), order, "k1")
    shop.twin.book.orders[order.key].lines[0].parcels[0]["parcelNumber"] = kept
    shop.twin.touch(order.key)

    assert len(list(plugin.find_shipment(session, shipment("6a1-B", first), order, "k1"))) == 1


def test_a_line_of_which_nothing_left_is_not_reported_as_shipped(sold):
    shop, session, order, (first, second) = sold
    nothing = ShipmentLine(order_line=second.order_line, sku=second.sku, quantity=Decimal(0))

    plugin.push_shipment(session, shipment("6A1", first, nothing), order, "k1")

    assert parcels(shop) == [["6A1"], []]


def test_a_carrier_without_a_label_does_not_stop_all_parcels(sold):
    shop, session, order, _ = sold
    shop.twin.fault("status", path="/carriers$", status=200, headers=JSON,
                    body='[{"code":"X","label":null},{"code":"I","label":"InPost"}]')  # fmt: skip

    plugin.push_shipment(session, shipment("6A1"), order, "k1")

    assert parcels(shop) == [["6A1"], ["6A1"]]


# -- jobs ------------------------------------------------------------------------------------------


def balance(sku: str = "P-100", quantity: int = 7) -> Balance:
    return Balance(sku=sku, available=Decimal(quantity))


def submitted(session, *balances: Balance) -> str:
    (job,) = {outcome.job for outcome in plugin.push_balance(session, balances)}
    return job


def settled(session, job: str) -> dict[str, Outcome]:
    for _ in range(5):
        answer = plugin.check_job(session, job)
        if not isinstance(answer, StillRunning):
            return {outcome.key: outcome for outcome in answer}
    raise AssertionError("still running")


@pytest.mark.parametrize(
    "odd",
    [
        {"sellerExternalReference": "P-100", "integrationStatus": None},
        {"sellerExternalReference": "P-100", "integrationStatus": "Integrated", "results": "none"},
        {"integrationStatus": "Integrated"},
        ["P-100"],
    ],
)
def test_a_result_that_cannot_be_read_is_a_failure_of_its_own_offer_alone(shops, odd):
    shop = shops(channels=("CDISFR",))
    session = shop.connect()
    job = submitted(session, balance("P-100"), balance("P-101"))
    good = {"sellerExternalReference": "P-101", "integrationStatus": "Integrated"}
    shop.twin.fault("status", path="/offer-requests-results", status=200, body=json.dumps({"items": [odd, good]}),
                    headers=JSON)  # fmt: skip

    done = settled(session, job)

    assert (done["P-100"].state, done["P-101"].state) == ("rejected", "done")


def test_an_offer_with_two_results_is_done_only_when_both_are_good(shops):
    shop = shops(channels=("CDISFR",))
    session = shop.connect()
    job = submitted(session, balance("P-100"))
    rows = [{"sellerExternalReference": "P-100", "integrationStatus": each} for each in ("Rejected", "Integrated")]
    shop.twin.fault("status", path="/offer-requests-results", status=200, body=json.dumps({"items": rows}),
                    headers=JSON)  # fmt: skip

    assert settled(session, job)["P-100"].state == "rejected"


def test_a_package_without_a_state_is_asked_for_again(shops):
    shop = shops(channels=("CDISFR",))
    session = shop.connect()
    job = submitted(session, balance())
    shop.twin.fault("status", method="GET", path="/offer-packages/", status=200, body='{"state":null}', headers=JSON)

    assert isinstance(plugin.check_job(session, job), StillRunning)
    assert settled(session, job)["P-100"].state == "done"


@pytest.mark.parametrize("path", ["/offer-packages/[^/]+$", "/offer-requests-results"])
def test_what_is_not_there_yet_is_not_gone(shops, path):
    shop = shops(channels=("CDISFR",))
    session = shop.connect()
    job = submitted(session, balance())
    shop.twin.fault("status", method="GET", path=path, status=404, times=1)

    assert settled(session, job)["P-100"].state == "done"


def test_results_that_are_missing_for_long_are_gone(shops):
    shop = shops(channels=("CDISFR",))
    session = shop.connect()
    job = submitted(session, balance())
    shop.twin.advance(timedelta(hours=1).total_seconds())
    shop.twin.fault("status", method="GET", path="/offer-packages/[^/]+$", status=404, times=9)

    assert "gone" in settled(session, job)["P-100"].message


def test_a_job_whose_memory_was_lost_settles_nothing_as_done(shops):
    shop = shops(channels=("CDISFR",))
    job = submitted(shop.connect(), balance())

    assert settled(shop.connect(DictMemory()), job) == {}


def test_memory_of_another_version_spoils_only_its_own_outcome(shops):
    shop, memory = shops(channels=("CDISFR",)), DictMemory()
    session = shop.connect(memory)
    job = submitted(session, balance("P-100"), balance("P-101"))
    (table,) = [name for name in memory.tables if name.startswith("job ")]
    memory.tables[table]["P-100"] = '{"reference":"P-100"}'

    assert {key: outcome.state for key, outcome in settled(session, job).items()} == {"P-101": "done"}


def test_a_channel_that_was_closed_while_its_package_was_worked_off_does_not_stop_the_connection(shops):
    shop = shops(channels=("CDISFR", "EXAMPLEPL"))
    session = shop.connect()
    job = submitted(session, balance())
    first = uuid5(NAMESPACE_OID, "package 0")
    shop.twin.fault("status", method="GET", path=f"/offer-packages/{first}", status=403, times=9)

    done = settled(session, job)

    assert "CDISFR refused it: the channel is closed to us" in done["P-100"].message
    assert "Taken by EXAMPLEPL" in done["P-100"].message


def test_an_account_that_was_closed_leaves_its_jobs_as_they_are(shops):
    shop = shops(channels=("CDISFR",))
    session = shop.connect()
    job = submitted(session, balance())
    shop.twin.fault("status", path="/seller/", status=403, times=9)

    with pytest.raises(AccessError):
        plugin.check_job(session, job)


# -- packages --------------------------------------------------------------------------------------


def test_no_package_takes_effect_before_all_are_filled(shops):
    shop = shops(channels=("CDISFR", "EXAMPLEPL"))
    second = uuid5(NAMESPACE_OID, "package 1")
    shop.twin.fault("status", method="POST", path=f"/offer-packages/{second}/offer-requests", status=502)

    with pytest.raises(TransientError):
        list(plugin.push_balance(shop.connect(), [balance()]))

    assert [each["state"] for each in shop.twin.state()["packages"]] == ["WaitingForCompletion"] * 2


def test_a_channel_that_is_closed_to_us_stops_neither_the_others_nor_the_connection(shops):
    shop = shops(channels=("CDISFR", "EXAMPLEPL"))
    session = shop.connect()
    settled(session, submitted(session, balance()))
    shop.twin.fault("status", method="POST", path="/offer-packages$", status=403, body='{"title":"Forbidden"}', times=1)

    done = settled(session, submitted(session, balance(quantity=3)))

    assert done["P-100"].state == "rejected"
    assert "CDISFR refused it" in done["P-100"].message
    assert "Taken by EXAMPLEPL" in done["P-100"].message


def test_a_seller_who_is_not_linked_is_an_access_error(shops):
    session = shops().connect(seller_id="1")

    with pytest.raises(AccessError):
        list(plugin.push_balance(session, [balance()]))


@pytest.mark.parametrize("push", ["push_balance", "push_prices"])
def test_without_an_open_channel_one_sentence_says_so(shops, push):
    shop = shops(channels=("CDISFR",))
    shop.twin.end_subscription("CDISFR")
    record = balance() if push == "push_balance" else price()

    (outcome,) = getattr(plugin, push)(shop.connect(), [record])

    assert (outcome.state, outcome.gap) == ("rejected", None)
    assert "no open sales channel" in outcome.message


# -- prices ----------------------------------------------------------------------------------------


def price(amount: str = "12.50", **changes: Any) -> Price:
    return Price(**{"sku": "P-100", "amount": Decimal(amount), "currency": "EUR", "includes_tax": True, **changes})


def requests(shop) -> dict[str, Any]:
    return {each["salesChannelId"]: each["requests"][0]["price"] for each in shop.twin.state()["packages"]}


def test_a_price_without_a_currency_is_not_sent_to_channels_of_several(shops):
    shop = shops()

    (outcome,) = plugin.push_prices(shop.connect(), [price(currency="")])

    assert (outcome.state, outcome.path) == ("rejected", "currency")
    assert shop.twin.state()["packages"] == []


def test_a_price_without_a_currency_is_sent_where_only_one_is_taken(shops):
    shop = shops()

    list(plugin.push_prices(shop.connect(), [price(currency="", price_list="EXAMPLESE")]))

    assert requests(shop) == {"EXAMPLESE": {"price": Decimal("12.50")}}


def test_where_a_channels_currency_is_not_known_octopia_is_told_the_prices(shops):
    shop = shops(channels=("CDISFR", "EXAMPLESE"))
    body = json.dumps({"items": [{"salesChannelId": each, "status": "Active"} for each in ("CDISFR", "EXAMPLESE")]})
    shop.twin.fault("status", path="/sellers/subscriptions", status=200, body=body, times=9, headers=JSON)
    session = shop.connect()

    (sent,) = plugin.push_prices(session, [price()])
    (outcome,) = settled(session, sent.job).values()

    assert {each["currencyCode"] for each in requests(shop).values()} == {"EUR"}
    assert "EXAMPLESE refused it" in outcome.message
    assert shop.twin.state()["prices"]["EXAMPLESE"]["P-100"] != Decimal("12.50")
