"""Orders in the sandbox: what is accepted and refused, the life cycle, stock, and the vendor's traps."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from extend_kit import sample
from sandbox_kit import FrozenClock

from crossdock_extendcommerce.sandbox import ExtendSandbox


@pytest.fixture
def full() -> dict[str, Any]:
    order: dict[str, Any] = sample("order-create-full.request.json")
    return order


@pytest.fixture
def number(api: httpx.Client, full: dict[str, Any]) -> str:
    return str(api.post("CustomerOrders", json=full).json()["orderHeader"]["orderNumber"])


def detail(api: httpx.Client, number: str) -> Any:
    answer = api.get(f"CustomerOrders/{number}")
    assert answer.status_code == 200
    return answer.json()


def rows(api: httpx.Client, number: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = detail(api, number)["orderRows"]
    return found


def available(api: httpx.Client, product: str = "HELM-BLK-M", warehouse: str = "HUVUD") -> tuple[int, int]:
    query = {"productNumber": product, "warehouse": warehouse}
    row = api.get("ProductAvailability", params=query).json()["productAvailabilityList"][0]
    return row["physicalBalance"], row["availableBalanceNow"]


def row_of(position: int, product: str, **more: Any) -> dict[str, Any]:
    sales = {"quantity": 1, "unit": "ST"}
    return {"position": position, "product": {"productNumber": product}, "salesData": sales, **more}


def test_what_was_posted_is_echoed(api: httpx.Client, full: dict[str, Any], number: str) -> None:
    header = detail(api, number)["orderHeader"]
    posted = full["orderHeader"]
    assert {name: header[name] for name in posted} == posted


def test_a_field_the_model_does_not_know_is_dropped_without_a_word(api: httpx.Client, full: dict[str, Any]) -> None:
    full["orderHeader"]["deliveryPhoneNumber"] = "+46700000009"
    answer = api.post("CustomerOrders", json=full)
    assert answer.status_code == 200
    assert "deliveryPhoneNumber" not in answer.json()["orderHeader"]


def test_a_minimal_order_is_completed_from_customer_and_price_list(api: httpx.Client) -> None:
    order = api.post("CustomerOrders", json=sample("order-create-minimal.request.json")).json()
    row = order["orderRows"][0]
    assert order["orderHeader"]["deliveryAddress"]["city"] == "Jönköping"
    assert order["orderHeader"]["invoiceAddress"]["name"] == "Kund K-4410"
    assert (row["position"], row["salesData"]["unitPrice"], row["product"]["productName"]) == (
        10,
        39.2,
        "Ringklocka röd",
    )


def test_a_stated_price_is_taken_as_it_is(api: httpx.Client, full: dict[str, Any]) -> None:
    full["orderRows"][0]["salesData"]["unitPrice"] = 0.01
    assert api.post("CustomerOrders", json=full).json()["orderRows"][0]["salesData"]["unitPrice"] == 0.01


def test_the_total_excludes_vat(api: httpx.Client, number: str) -> None:
    assert detail(api, number)["orderHeader"]["totalPrice"] == 1015.2


def test_rows_without_position_are_numbered_in_tens(api: httpx.Client, full: dict[str, Any]) -> None:
    for row in full["orderRows"]:
        del row["position"]
    order = api.post("CustomerOrders", json=full).json()
    assert [row["position"] for row in order["orderRows"]] == [10, 20, 30]


@pytest.mark.parametrize(
    ("setting", "stated", "expected"),
    [
        ("No", True, True),
        ("No", None, False),
        ("Yes", False, False),
        ("Unknown", None, True),
    ],
)
def test_partial_delivery_is_the_callers_then_the_customers_then_the_clients(
    api: httpx.Client, twin: ExtendSandbox, full: dict[str, Any], setting: str, stated: bool | None, expected: bool
) -> None:
    twin.seed_customer("K-4410", partial_delivery=setting)
    full["orderHeader"]["partialDelivery"] = stated
    assert api.post("CustomerOrders", json=full).json()["orderHeader"]["partialDelivery"] is expected


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("orderHeader", "customerNumber"), "K-0", "Customer K-0 does not exist."),
        (("orderHeader", "customerNumber"), None, "Customer None does not exist."),
        (("orderHeader", "orderType"), "Webshop", "orderType has no value Webshop."),
        (("orderHeader", "reviewReasonNotes"), "x" * 501, "reviewReasonNotes is longer than 500 characters."),
        (("orderHeader", "deliveryAddress", "city"), "", "deliveryAddress.city is required."),
        (("orderHeader", "deliveryAddress", "countryCode"), "SWE", "countryCode must have two letters."),
        (("orderHeader", "servicePoint", "deliveryLocationId"), None, "servicePoint.deliveryLocationId is required."),
        (("orderHeader", "external"), None, "externalRow needs orderHeader.external."),
        (("orderHeader", "askedDeliveryDate"), "soon", "The request is invalid."),
        (("orderRows",), [], "orderRows is required."),
        (("orderRows", 0, "product", "productNumber"), "BELL-XYZ", "Product BELL-XYZ does not exist."),
        (("orderRows", 0, "warehouse"), "NORR", "Warehouse NORR does not exist."),
        (("orderRows", 0, "salesData", "unit"), "LASS", "Unit LASS does not exist."),
        (("orderRows", 0, "salesData", "quantity"), "many", "The request is invalid."),
        (("orderRows", 1, "position"), 10, "Position 10 occurs more than once."),
    ],
)
def test_a_wrong_order_is_refused_with_a_message(
    api: httpx.Client, twin: ExtendSandbox, full: dict[str, Any], path: tuple[Any, ...], value: Any, message: str
) -> None:
    part: Any = full
    for each in path[:-1]:
        part = part[each]
    part[path[-1]] = value
    answer = api.post("CustomerOrders", json=full)
    assert answer.status_code == 400
    assert answer.json()["Message"].startswith("Error creating order: ")
    assert answer.json()["Message"].endswith(message)
    assert twin.state()["orders"] == []


def test_trap_a_repeated_external_number_makes_a_second_order(api: httpx.Client, full: dict[str, Any]) -> None:
    numbers = [api.post("CustomerOrders", json=full).json()["orderHeader"]["orderNumber"] for _ in range(2)]
    found = api.get("CustomerOrders", params={"orderNumberExternal": "WEB-100232"}).json()
    assert len(set(numbers)) == 2
    assert [each["orderNumber"] for each in found] == numbers


def test_any_review_note_puts_the_order_in_the_review_queue(api: httpx.Client, full: dict[str, Any]) -> None:
    full["orderHeader"]["reviewReasonNotes"] = "Is this address right?"
    assert api.post("CustomerOrders", json=full).json()["orderHeader"]["orderStatus"] == "PendingForReview"


def test_an_order_takes_from_what_is_available(api: httpx.Client) -> None:
    assert available(api) == (14, 14)
    api.post("CustomerOrders", json=sample("order-create-full.request.json"))
    assert available(api) == (14, 11)
    assert available(api, "BELL-RED-01") == (0, -2)


def test_group_c_sees_less(api: httpx.Client) -> None:
    row = api.get("ProductAvailability", params={"productNumber": "HELM-BLK-M"}).json()["productAvailabilityList"][0]
    assert (row["availableBalanceNow"], row["availableBalanceNowB"], row["availableBalanceNowC"]) == (14, 14, 9)


def test_a_promise_stores_nothing(api: httpx.Client, twin: ExtendSandbox, full: dict[str, Any]) -> None:
    answer = api.post("CustomerOrderATP", json=full).json()
    assert (answer["orderHeader"]["orderNumber"], answer["orderHeader"]["orderStatus"]) == (None, "Created")
    assert [row["availableBalance"] for row in answer["orderRows"]] == [14, 0, None]
    assert (twin.state()["orders"], available(api)) == ([], (14, 14))


def test_a_change_keeps_what_it_does_not_name(api: httpx.Client, full: dict[str, Any], number: str) -> None:
    api.put(f"CustomerOrders/{number}", json={"orderHeader": {"yourReference": "Ture", "deliveryEmail": None}})
    header = detail(api, number)["orderHeader"]
    assert (header["yourReference"], header["deliveryEmail"]) == ("Ture", "eva@lindqvist.example")
    assert len(rows(api, number)) == 3


def test_a_new_row_is_added_at_the_end(api: httpx.Client, number: str) -> None:
    row = row_of(0, "HELM-BLK-M", warehouse="RETUR")
    api.put(f"CustomerOrders/{number}", json={"orderHeader": {}, "orderRows": [row]})
    added = rows(api, number)[-1]
    assert (added["position"], added["orderRowStatus"], added["warehouse"]) == (40, "Incoming", "RETUR")
    assert available(api, warehouse="RETUR") == (3, 2)


def test_a_changed_quantity_moves_the_availability_and_keeps_the_price(api: httpx.Client, full: dict[str, Any]) -> None:
    full["orderRows"][0]["salesData"]["unitPrice"] = 250
    number = api.post("CustomerOrders", json=full).json()["orderHeader"]["orderNumber"]
    row = row_of(10, "HELM-BLK-M", warehouse="HUVUD") | {"salesData": {"quantity": 5, "unit": "ST"}}
    api.put(f"CustomerOrders/{number}", json={"orderHeader": {}, "orderRows": [row]})
    changed = rows(api, number)[0]
    assert (changed["salesData"]["quantity"], changed["salesData"]["unitPrice"]) == (5.0, 250.0)
    assert available(api) == (14, 9)


def test_one_row_is_cancelled_with_its_warehouse(api: httpx.Client, number: str) -> None:
    answer = api.put(f"CustomerOrders/{number}", json=sample("order-cancel-one-row.request.json"))
    found = rows(api, number)
    assert answer.status_code == 200
    assert [(row["position"], row["rowOperation"], row["orderRowStatus"]) for row in found] == [
        (10, "Active", "Incoming"),
        (20, "Inactive", "Annulled"),
        (30, "Active", "Incoming"),
    ]
    assert available(api, "BELL-RED-01") == (0, 0)
    assert detail(api, number)["orderHeader"]["totalPrice"] == 936.8


def test_trap_cancelling_a_row_without_its_warehouse_adds_a_cancelled_row(api: httpx.Client, number: str) -> None:
    request = sample("order-cancel-one-row.request.json")
    del request["orderRows"][0]["warehouse"]
    api.put(f"CustomerOrders/{number}", json=request)
    assert [(row["position"], row["rowOperation"]) for row in rows(api, number)] == [
        (10, "Active"),
        (20, "Active"),
        (30, "Active"),
        (40, "Inactive"),
    ]
    assert available(api, "BELL-RED-01") == (0, -2)


def test_an_order_with_all_rows_cancelled_is_annulled(api: httpx.Client) -> None:
    number = api.post("CustomerOrders", json=sample("order-create-minimal.request.json")).json()["orderHeader"][
        "orderNumber"
    ]
    row = row_of(10, "BELL-RED-01", warehouse="HUVUD", rowOperation="Inactive")
    api.put(f"CustomerOrders/{number}", json={"orderHeader": {}, "orderRows": [row]})
    assert detail(api, number)["orderHeader"]["orderStatus"] == "Annulled"


def test_a_refused_change_changes_nothing(api: httpx.Client, number: str) -> None:
    before = detail(api, number)
    body = {"orderHeader": {"yourReference": "Ture"}, "orderRows": [row_of(40, "BELL-XYZ")]}
    answer = api.put(f"CustomerOrders/{number}", json=body)
    assert answer.json() == {"Message": "Error updating order: Product BELL-XYZ does not exist."}
    assert detail(api, number) == before


def test_delete_annuls_and_the_order_can_still_be_read(api: httpx.Client, number: str) -> None:
    assert api.delete(f"CustomerOrders/{number}").status_code == 200
    assert detail(api, number)["orderHeader"]["orderStatus"] == "Annulled"
    assert available(api) == (14, 14)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_unknown_order_is_a_404(api: httpx.Client, method: str) -> None:
    body = None if method != "PUT" else {"orderHeader": {}}
    assert api.request(method, "CustomerOrders/1", json=body).status_code == 404


def test_a_reserved_order_is_frozen(api: httpx.Client, twin: ExtendSandbox, number: str) -> None:
    twin.reserve(number)
    answers = [api.put(f"CustomerOrders/{number}", json={"orderHeader": {}}), api.delete(f"CustomerOrders/{number}")]
    assert [each.status_code for each in answers] == [400, 400]
    assert detail(api, number)["orderHeader"]["orderStatus"] == "Reserved"


def test_an_order_lives_from_incoming_to_terminated(api: httpx.Client, twin: ExtendSandbox, number: str) -> None:
    seen = [detail(api, number)["orderHeader"]["orderStatus"]]
    for step in (
        lambda: twin.reserve(number),
        lambda: twin.pick(number, rows=[20]),
        lambda: twin.pick(number),
    ):
        step()
        seen.append(detail(api, number)["orderHeader"]["orderStatus"])
    assert seen == ["Incoming", "Reserved", "PartiallyDelivered", "Terminated"]


def test_a_partial_pick_splits_the_row(api: httpx.Client, twin: ExtendSandbox, number: str) -> None:
    twin.pick(number, quantities={10: 2})
    twin.pick(number, quantities={10: 1})
    helmets = [row for row in rows(api, number) if row["position"] == 10]
    assert [(row["subPosition"], row["orderRowStatus"], row["salesData"]["quantity"]) for row in helmets] == [
        (0, "Picked", 2.0),
        (1, "Picked", 1.0),
    ]
    assert helmets[0]["shipmentNumber"] != helmets[1]["shipmentNumber"]


def test_picking_moves_the_goods_and_not_the_promise(api: httpx.Client, twin: ExtendSandbox, number: str) -> None:
    twin.pick(number, quantities={10: 2})
    assert available(api) == (12, 11)


def test_a_shipment_carries_parcels_and_forwarder(api: httpx.Client, twin: ExtendSandbox, number: str) -> None:
    twin.pick(number, parcels=["A1", "A2"], forwarder="PostNord")
    shipment = detail(api, number)["orderHeader"]["shipments"][0]
    assert (shipment["packages"], shipment["numberPackages"], shipment["forwarder"]) == (["A1", "A2"], 2, "PostNord")
    assert {row["shipmentNumber"] for row in rows(api, number)} == {shipment["shipmentNumber"], None}


def test_each_warehouse_makes_a_shipment_of_its_own(
    api: httpx.Client, twin: ExtendSandbox, full: dict[str, Any]
) -> None:
    full["orderRows"][1] |= {"product": {"productNumber": "HELM-BLK-M"}, "warehouse": "RETUR"}
    number = api.post("CustomerOrders", json=full).json()["orderHeader"]["orderNumber"]
    twin.pick(number)
    assert len(detail(api, number)["orderHeader"]["shipments"]) == 2


def test_an_order_to_be_delivered_whole_is_not_split(
    api: httpx.Client, twin: ExtendSandbox, full: dict[str, Any]
) -> None:
    full["orderHeader"]["partialDelivery"] = False
    number = api.post("CustomerOrders", json=full).json()["orderHeader"]["orderNumber"]
    with pytest.raises(ValueError, match="must be delivered whole"):
        twin.pick(number, quantities={10: 1})
    assert detail(api, number)["orderHeader"]["orderStatus"] == "Incoming"


def test_more_than_is_open_can_not_be_picked(twin: ExtendSandbox, number: str) -> None:
    with pytest.raises(ValueError, match="3 open at position 10, not 4"):
        twin.pick(number, quantities={10: 4})


def test_all_orders_ship_half_and_then_the_rest(api: httpx.Client, twin: ExtendSandbox, number: str) -> None:
    statuses = []
    for _ in range(2):
        assert twin.pick_all(partial=True) == [number]
        statuses.append(detail(api, number)["orderHeader"]["orderStatus"])
    assert statuses == ["PartiallyDelivered", "Terminated"]
    assert twin.pick_all() == []


def test_an_order_on_hold_is_not_picked(twin: ExtendSandbox, number: str) -> None:
    twin.set_status(number, "OnHoldPayment")
    assert twin.pick_all() == []


def test_terminating_gives_up_what_has_not_shipped(api: httpx.Client, twin: ExtendSandbox, number: str) -> None:
    twin.pick(number, quantities={10: 2})
    twin.terminate(number)
    assert [row["orderRowStatus"] for row in rows(api, number)] == ["Picked", "Annulled", "Annulled", "Picked"]
    assert available(api) == (12, 12)


def test_a_reserved_order_can_be_annulled_by_the_vendor(api: httpx.Client, twin: ExtendSandbox, number: str) -> None:
    twin.reserve(number)
    twin.annul(number)
    assert detail(api, number)["orderHeader"]["orderStatus"] == "Annulled"
    assert available(api) == (14, 14)


def test_a_status_nobody_knows_can_be_shown(api: httpx.Client, twin: ExtendSandbox, number: str) -> None:
    twin.set_status(number, "SomethingNew", "RowNew")
    found = api.get("CustomerOrders", params={"orderNumber": number}).json()[0]
    assert (found["orderStatus"], rows(api, number)[0]["orderRowStatus"]) == ("SomethingNew", "RowNew")


def test_a_listed_order_may_lose_its_detail(api: httpx.Client, twin: ExtendSandbox, number: str) -> None:
    twin.lose_details("CustomerOrders", number)
    answers = [api.get(f"CustomerOrders/{number}") for _ in range(2)]
    assert answers[0].json() == {"Message": "Error getting customer order: There is no row at position 0."}
    assert answers[1].status_code == 200


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"orderStatus": "Incoming"}, 1),
        ({"orderStatus": "Reserved"}, 0),
        ({"customerNumber": "K-4410"}, 1),
        ({"productNumber": "BELL-RED-01"}, 1),
        ({"warehouse": "RETUR"}, 0),
        ({"deliveryCountryCode": "SE"}, 1),
        ({"orderDateTo": "2026-09-15T00:00:00"}, 0),
        ({"askedDeliveryDate": "2026-09-18T00:00:00"}, 1),
        ({"createDateFrom": "2030-01-01T00:00:00"}, 1),
    ],
)
@pytest.mark.usefixtures("number")
def test_the_order_list_is_filtered(api: httpx.Client, query: dict[str, str], count: int) -> None:
    since = {"modifiedDateFrom": "2026-09-01T00:00:00"}
    assert len(api.get("CustomerOrders", params=since | query).json()) == count


def test_a_change_moves_the_change_date(
    api: httpx.Client, twin: ExtendSandbox, vendor_clock: FrozenClock, number: str
) -> None:
    vendor_clock.advance(hours=1)
    twin.reserve(number)
    later = {"modifiedDateFrom": "2026-09-15T07:00:00"}
    assert [each["orderNumber"] for each in api.get("CustomerOrders", params=later).json()] == [number]


def test_the_state_holds_whole_orders(api: httpx.Client, twin: ExtendSandbox, number: str) -> None:
    state = twin.state()["orders"][0]
    assert (state["orderNumber"], state["orderNumberExternal"], state["orderStatus"]) == (
        number,
        "WEB-100232",
        "Incoming",
    )
    assert {name: state[name] for name in ("orderHeader", "orderRows")} == detail(api, number)


def test_an_order_whose_answer_was_lost_is_found_by_its_external_number(
    api: httpx.Client, twin: ExtendSandbox, full: dict[str, Any]
) -> None:
    twin.fault("cut_after", method="POST", path="CustomerOrders")
    with pytest.raises(httpx.TransportError):
        api.post("CustomerOrders", json=full)
    assert len(api.get("CustomerOrders", params={"orderNumberExternal": "WEB-100232"}).json()) == 1
