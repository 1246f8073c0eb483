"""What an operator that is slow, odd or in trouble could cost: lost orders, endless loops, wrong prices and stock."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from mirakl_kit import KEY, Operator, OperatorClock, json_sample

from crossdock import (
    Balance,
    Order,
    OutcomeUnknownError,
    Parcel,
    Price,
    RecordError,
    Shipment,
    ShipmentLine,
    Since,
    StillRunning,
    TransientError,
    evolve,
)
from crossdock_mirakl import offers, orders, plugin, wire
from crossdock_mirakl.mapping import to_order
from crossdock_mirakl.sandbox import api as sandbox_api
from crossdock_mirakl.sandbox import query

D = Decimal
ONE = [{"sku": "P-100", "quantity": 1}]
TWICE = [{"sku": "P-100", "quantity": 1}, {"sku": "P-100", "quantity": 1}]
MANY = tuple(f"S-{number:04d}" for number in range(330))
WHOLE = Shipment(key="S-1", number="S-1", carrier="COLISSIMO", tracking_number="6A1", completes_order=True)


def of(sku: str, quantity: int) -> ShipmentLine:
    return ShipmentLine(sku=sku, quantity=D(quantity))


def price(sku: str, amount: str, **changes: Any) -> Price:
    return Price(**{"sku": sku, "amount": D(amount), "currency": "EUR", "includes_tax": True, **changes})


def ready(operator: Operator, lines: list[dict[str, Any]]) -> Order:
    key = operator.sandbox.place_order(lines, accepted=True)
    return next(order for order in operator.orders()[0] if order.key == key)


def settled(operator: Operator, job: str) -> dict[str, str]:
    while isinstance(answer := plugin.check_job(operator.session, job), StillRunning):
        operator.sandbox.advance(answer.wait)
    return {each.key: each.state for each in answer}


# -- reading orders ----------------------------------------------------------------------------------


def test_an_operator_that_answers_slowly_is_read_to_the_end(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, calls, now = operator.sandbox.place_order(ONE), itertools.count(), OperatorClock.now

    def before_a_slow_answer(self: OperatorClock) -> datetime:
        assert next(calls) < 100, "asked for ever"
        moment = now(self)
        operator.sandbox.advance(6)
        return moment

    monkeypatch.setattr(OperatorClock, "now", before_a_slow_answer)
    found, cursor, _ = operator.orders()
    assert [order.key for order in found] == [key]
    assert cursor is not None


def test_windows_in_the_vendors_future_do_not_move_the_bookmark_there(
    operators: Callable[..., Operator], monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = operators(connect={"off": 4 * 3600}, update_delta=0)
    monkeypatch.setattr(orders, "SPLIT", 40)
    for _ in range(10):
        operator.sandbox.seed_orders(16)
        operator.sandbox.advance(60)
    _, cursor, _ = operator.orders()
    operator.sandbox.advance(60)
    young = operator.sandbox.place_order(ONE)
    operator.sandbox.advance(4 * 3600)
    assert young in [order.key for order in operator.orders(cursor)[0]]


def test_a_bookmark_of_a_clock_that_was_ahead_does_not_silence_the_runs(operator: Operator) -> None:
    key = operator.sandbox.place_order(ONE)
    ahead = json.dumps({"until": (operator.session.clock.now() + timedelta(days=1)).isoformat()})
    found, cursor, _ = operator.orders(ahead)
    assert [order.key for order in found] == [key]
    assert cursor is not None


def test_a_window_that_does_not_add_up_holds_the_bookmark_and_not_the_newer_orders(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "SPLIT", 40)
    placed = []
    for _ in range(20):
        placed += operator.sandbox.seed_orders(8)
        operator.sandbox.advance(600)
    page = query.offset_page

    def without_the_first(*asked: Any) -> Any:
        rows, headers = page(*asked)
        return [row for row in rows if getattr(row, "order_id", "") != placed[0]], headers

    monkeypatch.setattr(sandbox_api, "offset_page", without_the_first)
    seen: set[str] = set()
    cursors = []
    with pytest.raises(TransientError, match="counts"):
        for each in plugin.fetch_orders(operator.session, Since()):
            seen.update(order.key for order in each.records)
            cursors.append(each.cursor)
    assert placed[-1] in seen
    assert not any(cursors)


def test_an_unreadable_first_order_does_not_stop_a_first_import(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "SPLIT", 40)
    placed = operator.sandbox.seed_orders(50)
    body = operator.session.http.get("orders", {"max": 100}).json()
    body["orders"][0]["created_date"] = "never"
    operator.sandbox.fault("status", path="sort=dateCreated", status=200, body=json.dumps(body))
    assert {order.key for order in operator.orders()[0]} == set(placed)


def test_trouble_is_told_as_such_although_no_second_attempt_is_allowed(operators: Callable[..., Operator]) -> None:
    operator = operators(connect={"paced": True})
    operator.sandbox.fault("status", path="sort=dateCreated", status=503)
    with pytest.raises(TransientError, match="answered 503"):
        operator.orders()


# -- shipments ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["cancel", "", "open", "gone"])
def test_a_refusal_inside_a_201_is_a_refusal_whatever_the_sentence(operator: Operator, action: str) -> None:
    order = ready(operator, ONE)
    if action == "cancel":
        operator.sandbox.cancel(order.key)
    else:
        operator.sandbox.fault("status", method="POST", path="shipments", status=201, body=json.dumps(
            {"shipment_errors": [{"order_id": order.key, "message": "Shipment quantity is invalid."}]}
        ))  # fmt: skip
    if action == "open":
        waiting = {**operator.stored(order.key), "order_state": "WAITING_DEBIT_PAYMENT"}
        operator.sandbox.fault("status", path="order_ids", status=200, body=json.dumps({"orders": [waiting]}))
    if action == "gone":
        operator.sandbox.fault("status", path="order_ids", status=200, body='{"orders": []}')
    with pytest.raises(RecordError) as caught:
        plugin.push_shipment(operator.session, WHOLE, order, "erp-S-1")
    assert caught.value.refused  # else the engine takes the 201 for an acceptance, and asks and sends for ever


@pytest.mark.parametrize(("status", "error"), [
    (429, TransientError), (503, OutcomeUnknownError), (400, RecordError),
])  # fmt: skip
def test_an_error_answer_to_a_shipment_means_what_it_says(
    operator: Operator, status: int, error: type[Exception]
) -> None:
    order = ready(operator, ONE)
    operator.sandbox.fault("status", method="POST", path="shipments", status=status, headers={"retry-after": "7"})
    with pytest.raises(error) as caught:
        plugin.push_shipment(operator.session, WHOLE, order, "erp-S-1")
    assert type(caught.value) is error
    assert getattr(caught.value, "wait", None) == (timedelta(seconds=7) if status == 429 else None)


def test_a_feature_that_was_off_is_tried_again_the_next_day(operator: Operator) -> None:
    body = json.dumps({"status": 404, "message": "Multi-shipment is not enabled"})
    operator.sandbox.fault("status", method="POST", path="/api/shipments", status=404, body=body)
    plugin.push_shipment(operator.session, WHOLE, ready(operator, ONE), "erp-S-1")
    operator.sandbox.advance(86_401)
    plugin.push_shipment(operator.session, WHOLE, ready(operator, ONE), "erp-S-2")
    assert len(operator.sandbox.state()["shipments"]) == 1


@pytest.mark.parametrize("several", [True, False])
def test_two_lines_of_one_sku_are_shipped_one_after_the_other(
    operators: Callable[..., Operator], several: bool
) -> None:
    operator = operators(multi_shipment=several)
    order = ready(operator, TWICE)
    first = evolve(WHOLE, lines=(of("P-100", 1),), completes_order=False)
    second = evolve(first, key="S-2", number="S-2", tracking_number="6A2")
    if several:
        plugin.push_shipment(operator.session, first, order, "erp-S-1")
    else:
        with pytest.raises(RecordError, match="held"):
            plugin.push_shipment(operator.session, first, order, "erp-S-1")
    plugin.push_shipment(operator.session, second, order, "erp-S-2")
    assert operator.stored(order.key)["order_state"] == "SHIPPED"
    assert plugin.find_shipment(operator.session, second, order, "erp-S-2")


def test_two_shipments_under_one_consignment_number_are_both_sent(operator: Operator) -> None:
    order = ready(operator, [{"sku": "P-100", "quantity": 1}, {"sku": "P-101", "quantity": 1}])
    for key, sku in (("S-1", "P-100"), ("S-2", "P-101")):
        part = evolve(WHOLE, key=key, number="K-77", completes_order=False, lines=(of(sku, 1),))
        plugin.push_shipment(operator.session, part, order, f"erp-{key}")
    assert operator.stored(order.key)["order_state"] == "SHIPPED"


def test_a_list_of_carriers_that_fails_once_does_not_hold_shipments_for_a_day(
    operators: Callable[..., Operator],
) -> None:
    operator = operators(connect={"paced": True})
    order = ready(operator, ONE)
    operator.sandbox.fault("status", path="shipping/carriers", status=503)
    with pytest.raises(TransientError, match="answered 503"):
        plugin.push_shipment(operator.session, WHOLE, order, "erp-S-1")
    with pytest.raises(TransientError) as caught:
        plugin.push_shipment(operator.session, WHOLE, order, "erp-S-1")
    assert caught.value.wait is not None
    assert caught.value.wait <= timedelta(minutes=15)
    operator.sandbox.advance(15 * 60)
    plugin.push_shipment(operator.session, WHOLE, order, "erp-S-1")


def test_carriers_that_verify_read_are_not_asked_for_again_by_the_first_shipment(
    operators: Callable[..., Operator],
) -> None:
    operator = operators(connect={"shop_id": "", "paced": True})
    learnt = {name: value for check in plugin.verify(operator.session) for name, value in check.facts.items()}
    opened = evolve(operator.session, facts=learnt)
    assert learnt["shop_id"] == "2417"
    plugin.push_shipment(opened, WHOLE, ready(operator, ONE), "erp-S-1")
    assert len(operator.asked("GET", "shipping/carriers")) == 1


def test_parcels_are_found_again_after_the_other_line_was_shipped(operator: Operator) -> None:
    order = ready(operator, TWICE)
    first = evolve(WHOLE, parcels=(Parcel(number="A"),), lines=(of("P-100", 1),))
    second = evolve(first, key="S-2", number="S-2", parcels=(Parcel(number="B"),))
    plugin.push_shipment(operator.session, first, order, "erp-S-1")
    plugin.push_shipment(operator.session, second, order, "erp-S-2")
    assert plugin.find_shipment(operator.session, first, order, "erp-S-1")


# -- stock and prices --------------------------------------------------------------------------------


def submit(operator: Operator, *balances: Balance) -> str:
    return next(each.job for each in plugin.push_balance(operator.session, balances))


@pytest.mark.parametrize("kind", ["stock", "prices"])
def test_an_import_that_never_ends_is_given_up(operator: Operator, kind: str) -> None:
    operator.sandbox.set_import_fate("STUCK")
    job = submit(operator, Balance(sku="P-100", available=D(1)))
    if kind == "prices":
        operator.sandbox.set_import_fate("STUCK")
        job = next(each.job for each in plugin.push_prices(operator.session, [price("P-100", "5")]))
    for _ in range(3):
        assert isinstance(plugin.check_job(operator.session, job), StillRunning)
    operator.sandbox.advance(7 * 3600)
    with pytest.raises(RecordError, match="7 hours"):
        plugin.check_job(operator.session, job)


def test_a_price_import_of_which_nothing_is_remembered_is_not_asked_for_ever(operator: Operator) -> None:
    with pytest.raises(RecordError, match="no longer known"):
        plugin.check_job(operator.session, "prices:1b1b")


def report(operator: Operator, text: str, *balances: Balance) -> dict[str, str]:
    job = submit(operator, *balances)
    operator.sandbox.finish_imports()
    status = '{"status":"COMPLETE","has_error_report":true,"lines_in_error":1}'
    operator.sandbox.fault("status", path="/status", status=200, body=status)
    operator.sandbox.fault("status", path="error_report", status=200, body=text)
    return settled(operator, job)


def test_a_number_in_a_message_is_no_sku(operators: Callable[..., Operator]) -> None:
    operator = operators(skus=("1", "2", "3"))
    stock = [Balance(sku=sku, available=D(1)) for sku in ("1", "2", "3")]
    assert report(operator, "2;More than 100 pieces\n", *stock) == {"1": "done", "2": "rejected", "3": "done"}


def test_an_error_that_belongs_to_no_line_confirms_nothing(operator: Operator) -> None:
    stock = [Balance(sku=sku, available=D(1)) for sku in ("P-100", "P-101")]
    assert report(operator, "0;The column warehouse-code is not allowed\n", *stock) == {
        "P-100": "rejected", "P-101": "rejected",
    }  # fmt: skip


def test_of_two_stocks_for_one_sku_the_smaller_is_sent(operator: Operator) -> None:
    pair = [Balance(sku="P-100", available=D(9)), Balance(sku="P-100", available=D(2))]
    settled(operator, submit(operator, *pair))
    assert operator.sandbox.state()["stock"]["P-100"] == 2


def test_a_file_that_is_refused_is_refused_for_all_at_once(operator: Operator) -> None:
    operator.sandbox.fault("status", method="POST", path="stock/imports", status=400, times=9)
    stock = [Balance(sku=sku, available=D(1)) for sku in ("P-100", "P-101")]
    assert [each.state for each in plugin.push_balance(operator.session, stock)] == ["rejected", "rejected"]
    assert len(operator.asked("POST")) == 1


def test_without_the_operators_tax_mode_no_price_is_sent(operator: Operator) -> None:
    operator.sandbox.fault("status", path="platform/configuration", status=403, times=99)
    handed = [price(f"P-{number}", "5") for number in range(100, 106)]
    outcomes = list(plugin.push_prices(operator.session, handed))
    assert {(each.state, each.path) for each in outcomes} == {("rejected", "includes_tax")}
    assert len(operator.asked("GET", "platform/configuration")) == 1
    assert operator.asked("POST") == []


def test_an_export_that_was_asked_for_hours_ago_reverts_no_price(operators: Callable[..., Operator]) -> None:
    operator = operators(skus=MANY)
    session = operator.session
    _, since = offers._full(session)
    operator.sandbox.advance(3600)
    job, _ = offers._job(session, since.isoformat(), since)
    for _ in range(2):
        session.http.get(f"offers/export/async/status/{job}")
    operator.sandbox.advance(3600)
    operator.sandbox.set_price("S-0003", "99", channel="FR")
    pushed = list(plugin.push_prices(session, [price(sku, "5") for sku in MANY]))
    settled(operator, pushed[0].job)
    kept = {tuple(each["channels"]): each["price"] for each in operator.sandbox.state()["offers"]["S-0003"]["prices"]}
    assert kept == {(): "5", ("FR",): "99"}


def test_an_export_that_is_gone_is_asked_for_anew(operators: Callable[..., Operator]) -> None:
    operator = operators(skus=MANY)
    now = datetime.now(UTC).isoformat()
    operator.session.memory.put_many("exports", {"offers": f"gone {now}"})
    with pytest.raises(TransientError):
        list(plugin.fetch_products(operator.session, Since()))
    pages = list(plugin.fetch_products(operator.session, Since()))
    assert len({product.key for page in pages for product in page.records}) == len(MANY)


@pytest.mark.parametrize(("table", "key"), [("price sets", "P-100"), ("parts", "any")])
def test_what_another_version_remembered_breaks_nothing(operator: Operator, table: str, key: str) -> None:
    operator.session.memory.put_many(table, {key: '{"another":1}', "P-100": '["shape"]'})
    job = next(each.job for each in plugin.push_prices(operator.session, [price("P-100", "5")]))
    assert settled(operator, job) == {"P-100|||EUR|1": "done"}


# -- amounts -----------------------------------------------------------------------------------------


def test_an_order_without_a_stated_total_is_not_free_of_charge() -> None:
    body = json_sample("or11-orders.page1.response.json")["orders"][0]
    stated = to_order(wire.ORDER.decode(json.dumps(body)))
    del body["total_price"]
    made = to_order(wire.ORDER.decode(json.dumps(body)))
    assert isinstance(made, Order)
    assert isinstance(stated, Order)
    assert made.total > 0


def test_numbers_where_text_is_usual_do_not_park_an_order() -> None:
    body = json_sample("or11-orders.page1.response.json")["orders"][0]
    made = to_order(wire.ORDER.decode(json.dumps({**body, "shipping_pudo_id": 4711, "shipping_tracking": 12})))
    assert isinstance(made, Order)
    assert made.extras["shipping_pudo_id"] == 4711


def test_the_key_is_in_no_refusal(operator: Operator) -> None:
    order = ready(operator, ONE)
    body = json.dumps({"status": 400, "message": f"Bad key {KEY}"})
    operator.sandbox.fault("status", method="POST", path="shipments", status=400, body=body)
    with pytest.raises(RecordError) as caught:
        plugin.push_shipment(operator.session, WHOLE, order, "erp-S-1")
    assert KEY not in f"{caught.value} {caught.value.vendor_message}"
