"""An operator's marketplace and an ERP: accepted by stock, handed on once, shipped in parcels, whatever goes wrong."""

from __future__ import annotations

import contextlib
from decimal import Decimal

import httpx
import pytest
from kit import Project, ended, erp_orders
from stand import Stand, System, flow

pytestmark = pytest.mark.slow

SKUS = ["MUG-1", "MUG-2", "CAP-1"]
PIECES = 20
FLOWS = "".join([
    flow("accept", "acceptance", "market", "erp"),
    flow("to-erp", "orders", "market", "erp"),
    flow("tracking", "shipments", "erp", "market"),
    flow("numbers", "statuses", "erp", "market"),
    flow("stock", "balance", "erp", "market"),
])  # fmt: skip
STREAMS = (("market", "orders"), ("erp", "orders"), ("erp", "shipments"), ("erp", "balance"))


@pytest.fixture(scope="module")
def stand(template, nursery, tmp_path_factory):
    """A project between an operator and the ERP, everything switched on."""
    systems = {"erp": System("extendcommerce", {"generous": True}), "market": System("mirakl", {"skus": SKUS})}
    made = Stand.build(template, tmp_path_factory.mktemp("mirakl") / "project", nursery, systems, FLOWS)
    words = [("stream", "on", *stream) for stream in STREAMS]
    running = [Project(made.folder, {}).start(*each) for each in words]
    for each, process in zip(words, running, strict=True):
        ended(each, process).check(0)
    return made


@pytest.fixture
def make(stand, nursery, tmp_path):
    """Makes the one trade of a test, with goods in the ERP and options of the operator."""
    with contextlib.ExitStack() as stack:

        def made(**market):
            trade = stack.enter_context(stand.trade(tmp_path / "project", nursery, market=market))
            trade.erp.do("seed_products", products=[
                {"productNumber": sku, "name": sku, "price": "10.00", "currency": "EUR", "vatPercent": 20,
                 "stock": {"HUVUD": PIECES}} for sku in SKUS
            ])  # fmt: skip
            return trade

        yield made


@pytest.fixture
def trade(make):
    """The usual marketplace."""
    return make()


# -- what people and time do -----------------------------------------------------------------------


def place(trade, quantities, **more):
    """A buyer orders these quantities; the order's id."""
    lines = [{"sku": sku, "quantity": quantity} for sku, quantity in quantities.items()]
    return trade.market.do("place_order", lines=lines, **more)


def read(trade, *, code=0):
    """Some minutes later everything is read."""
    trade.later()
    return trade.project.run("sync", code=code)


def deliver(trade, *words, code=0):
    """Some minutes later everything is delivered; a vendor's imports have come to their end."""
    trade.later()
    trade.market.do("finish_imports")
    return trade.project.run("push", *words, code=code)


def turn(trade, *, code=0):
    """Read and deliver."""
    read(trade)
    return deliver(trade, code=code)


def pick(trade, key, *parcels, **what):
    """The warehouse packs; without quantities by position all that is left."""
    trade.erp.do("pick", order_number=in_erp(trade, key)["orderNumber"], parcels=list(parcels), **what)


def at_market(trade, key):
    """An order as the operator has it."""
    (found,) = (each for each in trade.market.state()["orders"] if each["order_id"] == key)
    return found


def total(trade, key):
    """What a buyer pays."""
    order = at_market(trade, key)
    return Decimal(order["price"]) + Decimal(order["shipping_price"])


def in_erp(trade, key):
    """The ERP's order of the operator's order `key`."""
    (found,) = (each for each in trade.erp.state()["orders"] if each["orderNumberExternal"] == f"market-{key}")
    return found


def parcels(trade, key):
    """Tracking number and pieces of every shipment that the operator knows of an order."""
    return sorted(
        (each["tracking"]["tracking_number"], sum(line["quantity"] for line in each["shipment_lines"]))
        for each in trade.market.state()["shipments"]
        if each["order_id"] == key
    )


def stock(trade):
    """What the marketplace shows as soon as its imports have come to their end."""
    trade.market.do("finish_imports")
    return trade.market.state()["stock"]


def parked(trade):
    """What needs a person: its record, and why."""
    return dict(trade.project.query("SELECT ref, message FROM effect WHERE state = 'parked'"))


def met(twin):
    """The kinds of the faults that a request met."""
    return sorted(each["fault"] for each in twin.requests() if each["fault"])


# -- the whole way ---------------------------------------------------------------------------------


def test_an_order_is_accepted_handed_on_once_and_comes_back_with_every_parcel(trade):
    key = place(trade, {"MUG-1": 3, "CAP-1": 2})
    turn(trade)
    assert trade.project.query("SELECT country FROM orders") == [(None,)]
    assert (at_market(trade, key)["state"], trade.erp.state()["orders"]) == ("SHIPPING", [])

    trade.erp.fault("cut_after", method="POST", path="CustomerOrders$")
    read(trade)
    deliver(trade, "--wait", "5")
    assert erp_orders(trade.erp) == {f"market-{key}": total(trade, key)}
    assert (met(trade.erp), len(trade.erp.requests("POST", "CustomerOrders"))) == (["cut_after"], 1)
    assert in_erp(trade, key)["orderHeader"]["deliveryAddress"]["city"] == "Toulouse"

    pick(trade, key, "P-1", quantities={"10": 1})
    turn(trade)
    assert at_market(trade, key)["seller_reference"] == in_erp(trade, key)["orderNumber"]
    assert (at_market(trade, key)["state"], parcels(trade, key)) == ("SHIPPING", [("P-1", 1)])

    pick(trade, key, "P-2", "P-3")
    turn(trade)
    assert (at_market(trade, key)["state"], parcels(trade, key)) == ("SHIPPED", [("P-1", 1), ("P-2", 2), ("P-3", 2)])
    assert stock(trade) == {"MUG-1": PIECES - 3, "MUG-2": PIECES, "CAP-1": PIECES - 2}

    trade.market.reset()
    trade.erp.reset()
    turn(trade)
    assert trade.market.writes() + trade.erp.writes() == []


def test_an_operator_of_whole_orders_hears_of_the_order_when_all_of_it_is_shipped(make):
    trade = make(multi_shipment=False)
    key, other = place(trade, {"MUG-1": 3, "CAP-1": 2}, accepted=True), place(trade, {"MUG-2": 1}, accepted=True)
    turn(trade)
    pick(trade, key, "P-1", quantities={"10": 1})
    pick(trade, other, "P-9")
    turn(trade, code=1)
    (said,) = parked(trade).values()
    assert [at_market(trade, each)["state"] for each in (key, other)] == ["SHIPPING", "SHIPPED"]
    assert "held until the rest is shipped" in said

    pick(trade, key, "P-2", "P-3")
    turn(trade, code=1)
    assert (at_market(trade, key)["state"], at_market(trade, key)["tracking"]["tracking_number"]) == ("SHIPPED", "P-2")
    story = trade.project.run("explain", "order", key, code=None).text
    assert all(number in story for number in ("P-1", "P-3"))

    trade.market.reset()
    trade.project.run("effects", "replay", "--flow", "tracking")
    deliver(trade, "tracking")
    assert parked(trade) == {}
    assert trade.market.writes() == []


def test_only_what_the_seller_ships_is_handed_on_and_taken_from_the_stock(trade):
    theirs, ours = place(trade, {"MUG-2": 4}, fulfilment="OPERATOR-FC"), place(trade, {"MUG-1": 2, "CAP-1": 1})
    read(trade)
    # Somebody decides in the back office, line by line, before we do.
    answer = httpx.put(
        f"{trade.market.url}/api/orders/{ours}/accept",
        json={"order_lines": [{"id": f"{ours}-1", "accepted": True}, {"id": f"{ours}-2", "accepted": False}]},
        headers={"Authorization": trade.market.settings["api_key"]}, trust_env=False,
    )  # fmt: skip
    assert answer.is_success, answer.text
    turn(trade)
    turn(trade)
    goods = {row["product"]["productNumber"]: row["salesData"]["quantity"] for row in in_erp(trade, ours)["orderRows"]}
    kept, refused = at_market(trade, ours)["lines"]

    assert (kept["state"], refused["state"]) == ("SHIPPING", "REFUSED")
    assert {sku: goods.get(sku) for sku in SKUS} == {"MUG-1": 2, "MUG-2": None, "CAP-1": None}
    assert erp_orders(trade.erp) == {f"market-{ours}": Decimal(kept["price"]) + Decimal(kept["shipping_price"])}
    assert at_market(trade, theirs)["history"] == ["WAITING_ACCEPTANCE"]
    assert stock(trade) == {"MUG-1": PIECES - 2, "MUG-2": PIECES, "CAP-1": PIECES}


def test_orders_that_are_cancelled_after_they_were_handed_on_are_annulled_or_left_to_a_person(trade):
    free, reserved = place(trade, {"MUG-1": 3}, accepted=True), place(trade, {"MUG-2": 1}, accepted=True)
    turn(trade)
    number = in_erp(trade, reserved)["orderNumber"]
    trade.erp.do("reserve", order_number=number)
    for key in (free, reserved):
        trade.market.do("cancel", order_id=key)
    turn(trade, code=1)
    turn(trade, code=1)

    assert in_erp(trade, free)["orderStatus"] == "Annulled"
    assert [number in said for said in parked(trade).values()] == [True]
    assert stock(trade) == {"MUG-1": PIECES, "MUG-2": PIECES - 1, "CAP-1": PIECES}


# -- the vendor's bad days -------------------------------------------------------------------------


def test_what_became_of_a_file_of_stock_is_put_on_the_right_articles(trade):
    refused = {"MUG-1": "The offer is being moderated", "CAP-1": "The product was withdrawn"}
    for sku, reason in refused.items():
        trade.market.do("fail_lines", sku=sku, reason=reason)
    trade.market.do("report_order", order="shuffled")
    trade.market.do("set_import_fate", fate="FAILED")
    before = trade.market.state()["stock"]
    turn(trade)
    deliver(trade, "stock", code=1)
    assert {sku: "could not work off the file" in said for sku, said in parked(trade).items()} == dict.fromkeys(
        SKUS, True
    )

    trade.project.run("effects", "replay", "--flow", "stock")
    deliver(trade, "stock")
    deliver(trade, "stock", code=1)
    said = parked(trade)
    assert {sku: refused[sku] in said[sku] for sku in said} == dict.fromkeys(refused, True)
    assert trade.market.state()["stock"] == before | {"MUG-2": PIECES}


def test_a_marketplace_that_asks_to_wait_at_every_turn_gets_everything_once(trade):
    key = place(trade, {"MUG-1": 1}, accepted=True)
    for path in (r"/api/orders\?", "/stock/imports", r"/api/shipments\?"):
        trade.market.fault("status", path=path, status=429, headers={"Retry-After": "1"})
    for _ in range(3):
        trade.erp.do("pick_all")
        turn(trade)

    assert met(trade.market) == ["status"] * 3
    assert [pieces for _, pieces in parcels(trade, key)] == [1]
    assert stock(trade) == {"MUG-1": PIECES - 1, "MUG-2": PIECES, "CAP-1": PIECES}


def test_a_shipment_with_a_lost_answer_is_found_and_a_refused_one_waits_with_the_vendors_words(trade):
    keys = [place(trade, {sku: 1}, accepted=True) for sku in SKUS]
    turn(trade)
    for key in keys:
        pick(trade, key, f"P-{key}")
    said = '{"shipment_success": [], "shipment_errors": [{"order_id": "?", "message": "The warehouse is closed."}]}'
    ship = {"method": "POST", "path": r"/api/shipments\?"}
    trade.market.fault("cut_after", **ship)
    trade.market.fault("status", **ship, status=201, body=said, headers={"Content-Type": "application/json"})
    read(trade)
    deliver(trade, "tracking", "--wait", "5", code=1)
    assert met(trade.market) == ["cut_after", "status"]
    assert sorted(at_market(trade, key)["state"] for key in keys) == ["SHIPPED", "SHIPPED", "SHIPPING"]
    assert ["The warehouse is closed." in each for each in parked(trade).values()] == [True]

    trade.project.run("effects", "replay", "--flow", "tracking")
    deliver(trade, "tracking")
    assert {key: parcels(trade, key) for key in keys} == {key: [(f"P-{key}", 1)] for key in keys}
    assert len(trade.market.requests("POST", "/api/shipments")) == len(keys) + 1
