"""Parcel numbers reach the customer once, before the order is completed, by whichever facility the shop has."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import attrs
import pytest

from crossdock import ByKeys, Order, OutcomeUnknownError, Parcel, RecordError, Session, Shipment, ShipmentLine, evolve
from crossdock_woocommerce import plugin
from crossdock_woocommerce.settings import Settings

D = Decimal

SHIPMENT = Shipment(
    key="S-1", number="77", carrier="dhl", carrier_name="DHL", tracking_number="JJD 01-2",
    shipped_at=datetime(2026, 11, 22, 12, tzinfo=UTC), completes_order=True,
)  # fmt: skip
TWO = evolve(SHIPMENT, parcels=(Parcel(number="P1", tracking_url="https://t.example/P1"), Parcel(number="P12")))
FACILITIES = ("none", "fulfillments", "shipment-tracking", "ast")


@attrs.frozen
class Desk:
    """A shop with one processing order."""

    shop: object
    session: Session[Settings]
    order: Order

    def push(self, shipment: Shipment, key: str = "k"):
        return plugin.push_shipment(self.session, shipment, self.order, key)

    def find(self, shipment: Shipment, key: str = "k"):
        return list(plugin.find_shipment(self.session, shipment, self.order, key))

    @property
    def state(self) -> dict:
        return self.shop.sandbox.state()["orders"][0]

    @property
    def writes(self) -> list[str]:
        return [each["path"].rpartition("/")[2] for each in self.shop.requests if each["method"] == "POST"]


@pytest.fixture
def desk(shops):
    """Opens a desk at a shop with a facility."""

    def opened(tracking: str) -> Desk:
        shop = shops(tracking=tracking)
        shop.sandbox.seed(orders=0, products=3)
        shop.sandbox.insert_order(status="processing", line_items=[{"sku": "SIM-0001", "quantity": 2}])
        session = shop.connect(tracking="note" if tracking == "none" else tracking)
        number = str(shop.sandbox.state()["orders"][0]["id"])
        (page,) = [page for page in plugin.fetch_orders(session, ByKeys((number,))) if page.records]
        shop.requests.clear()
        return Desk(shop, session, page.records[0])

    return opened


@pytest.mark.parametrize("tracking", FACILITIES)
def test_a_shipment_is_reported_and_the_order_completed(desk, tracking: str) -> None:
    at = desk(tracking)
    assert at.push(SHIPMENT).status == "completed"
    assert at.state["status"] == "completed"


@pytest.mark.parametrize("tracking", FACILITIES)
@pytest.mark.parametrize("shipment", [SHIPMENT, TWO], ids=["one parcel", "two parcels"])
def test_reporting_twice_is_reporting_once(desk, tracking: str, shipment: Shipment) -> None:
    at = desk(tracking)
    first = at.push(shipment)
    written = list(at.writes)
    second = at.push(shipment)
    assert at.writes == written
    assert first.external_id == second.external_id


@pytest.mark.parametrize("tracking", FACILITIES)
@pytest.mark.parametrize("shipment", [SHIPMENT, TWO], ids=["one parcel", "two parcels"])
def test_a_report_is_found_when_all_of_it_is_there(desk, tracking: str, shipment: Shipment) -> None:
    at = desk(tracking)
    assert at.find(shipment) == []
    made = at.push(shipment)
    assert [each.external_id for each in at.find(shipment)] == [made.external_id]


@pytest.mark.parametrize("tracking", FACILITIES)
def test_a_lost_answer_is_found_and_then_completed(desk, tracking: str) -> None:
    at = desk(tracking)
    at.shop.sandbox.fault("cut_after", method="POST")
    with pytest.raises(OutcomeUnknownError):
        at.push(SHIPMENT)
    assert at.find(SHIPMENT) == []  # the status is still missing
    written = list(at.writes)
    at.push(SHIPMENT)
    assert (at.writes, at.state["status"]) == (written, "completed")


@pytest.mark.parametrize("tracking", FACILITIES)
def test_a_part_shipment_leaves_the_order_open(desk, tracking: str) -> None:
    at = desk(tracking)
    part = evolve(SHIPMENT, completes_order=False)
    at.push(part)
    assert (at.state["status"], len(at.find(part))) == ("processing", 1)


@pytest.mark.parametrize("tracking", ["shipment-tracking", "ast"])
def test_every_parcel_has_its_own_tracking(desk, tracking: str) -> None:
    at = desk(tracking)
    at.push(TWO)
    assert at.writes == ["shipment-trackings"] * 2


def test_the_parcel_number_goes_before_the_status(desk) -> None:
    at = desk("ast")
    at.push(SHIPMENT)
    assert [each["method"] for each in at.shop.requests if each["method"] != "GET"] == ["POST", "PUT"]


def test_a_parcel_whose_number_begins_another_is_not_taken_for_it(desk) -> None:
    at = desk("none")
    at.push(evolve(SHIPMENT, tracking_number="P12", completes_order=False))
    assert at.find(evolve(SHIPMENT, key="S-2", number="78", tracking_number="P1", completes_order=False)) == []


def test_the_customer_reads_carrier_number_and_link_in_the_note(desk) -> None:
    at = desk("none")
    at.push(TWO)
    notes = at.session.http.get(f"wp-json/wc/v3/orders/{at.order.key}/notes", {"type": "customer"}).json()
    assert [each["note"] for each in notes] == [
        "Your order was shipped with DHL. Tracking: P1 https://t.example/P1, P12"
    ]


@pytest.mark.parametrize("tracking", FACILITIES)
def test_a_shipment_without_parcel_number_is_a_note(desk, tracking: str) -> None:
    at = desk(tracking)
    bare = evolve(SHIPMENT, tracking_number="")
    at.push(bare)
    assert at.writes == ["notes"]
    assert len(at.find(bare)) == 1


def test_a_fulfillment_names_the_lines(desk) -> None:
    at = desk("fulfillments")
    at.push(evolve(SHIPMENT, lines=(ShipmentLine(sku="SIM-0001", quantity=D(1)),), completes_order=False))
    (done,) = at.session.http.get(f"wp-json/wc/v3/orders/{at.order.key}/fulfillments").json()
    meta = {each["key"]: each["value"] for each in done["meta_data"]}
    assert meta["_items"] == [{"item_id": int(at.order.lines[0].key), "qty": 1}]


@pytest.mark.parametrize("tracking", FACILITIES)
@pytest.mark.parametrize(
    "later", [evolve(SHIPMENT, tracking_number="NEW-3"), TWO], ids=["another number", "more parcels"]
)
def test_a_shipment_whose_parcels_change_is_reported_with_the_new_numbers(desk, tracking: str, later: Shipment) -> None:
    at = desk(tracking)
    at.push(SHIPMENT)
    assert at.find(later) == []
    at.push(later)
    assert len(at.find(later)) == 1
    written = [each["method"] for each in at.shop.requests if each["method"] != "GET"]
    at.push(later)
    assert [each["method"] for each in at.shop.requests if each["method"] != "GET"] == written


def test_a_fulfillment_is_corrected_and_not_made_twice(desk) -> None:
    at = desk("fulfillments")
    at.push(SHIPMENT)
    at.push(evolve(SHIPMENT, tracking_number="NEW-3"))
    (done,) = at.session.http.get(f"wp-json/wc/v3/orders/{at.order.key}/fulfillments").json()
    meta = {each["key"]: each["value"] for each in done["meta_data"]}
    assert (meta["_tracking_number"], meta["_items"][0]["qty"]) == ("NEW-3", 2)


def test_a_line_that_the_order_does_not_have_is_a_record_error(desk) -> None:
    at = desk("fulfillments")
    with pytest.raises(RecordError, match="no line for"):
        at.push(evolve(SHIPMENT, lines=(ShipmentLine(sku="NOPE", quantity=D(1)),)))


@pytest.mark.parametrize("tracking", FACILITIES)
def test_a_connection_that_was_never_verified_finds_the_facility_itself(desk, tracking: str) -> None:
    at = desk(tracking)
    unverified = evolve(at, session=at.shop.connect())
    assert unverified.push(SHIPMENT).note == ("note" if tracking == "none" else tracking)
