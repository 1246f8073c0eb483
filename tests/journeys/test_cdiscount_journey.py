"""Octopia's sales channels and an ERP: orders in, acceptance by stock, parcels back; each once, whatever happens."""

from __future__ import annotations

from decimal import Decimal

import pytest
from kit import cents, dice, ended, erp_orders, poll
from stand import Stand, System, flow

pytestmark = pytest.mark.slow

SKUS = ["CUP-1", "CUP-2", "CUP-3"]
SYSTEMS = {
    "erp": System("extendcommerce", {"generous": True}),
    "octopia": System("cdiscount", {"skus": SKUS}, {"calls_per_minute": "6000"}),
}
FLOWS = flow("to-erp", "orders", "octopia", "erp") + flow("tracking", "shipments", "erp", "octopia")
REGISTER = "/shipments"


@pytest.fixture(scope="module")
def stand(template, nursery, tmp_path_factory):
    """A project whose orders go from Octopia to the ERP, and shipments back."""
    return Stand.build(template, tmp_path_factory.mktemp("octopia") / "project", nursery, SYSTEMS, FLOWS)


@pytest.fixture
def make(stand, nursery, tmp_path):
    """Makes the one trade of a test, with options of Octopia's twin."""
    opened = []

    def made(**octopia):
        opened.append(stand.trade(tmp_path / "project", nursery, octopia=octopia))
        trade = opened[-1].__enter__()
        stocked = [{"productNumber": sku, "name": sku, "price": "10.00", "stock": {"HUVUD": 100}} for sku in SKUS]
        trade.erp.do("seed_products", products=stocked)
        return trade

    yield made
    for each in opened:
        each.__exit__(None, None, None)


@pytest.fixture
def trade(make):
    """An account whose orders need no acceptance."""
    return make()


def place(trade, *skus, **more):
    """An order of one piece of each; its id."""
    return trade.octopia.do("place_order", lines=[{"sku": sku, "shipping": "4.90"} for sku in skus], **more)


def order(trade, key):
    """An order as Octopia has it."""
    (found,) = (each for each in trade.octopia.state()["orders"] if each["orderId"] == key)
    return found


def sold(trade):
    """What Octopia's buyers pay, under the order's number in the ERP."""
    return {
        f"octopia-{each['orderId']}": cents(each["totalPrice"]["sellingPrice"])
        for each in trade.octopia.state()["orders"]
    }


def in_erp(trade, key):
    """The ERP's order of Octopia's order `key`."""
    (found,) = (each for each in trade.erp.state()["orders"] if each["orderNumberExternal"] == f"octopia-{key}")
    return found


def hand_on(trade):
    """Read the orders and bring them to the ERP."""
    trade.sync("octopia", "orders")
    return trade.push("to-erp")


def label(trade, key, *parcels, **how):
    """Somebody in the warehouse picks an order and prints its labels."""
    trade.erp.do("pick", order_number=in_erp(trade, key)["orderNumber"], parcels=list(parcels), **how)


def report(trade, **how):
    """Read what was shipped and tell Octopia."""
    trade.sync("erp", "shipments")
    return trade.push("tracking", **how)


def parcels(trade, key):
    """Carrier, number and address of the parcels of an order's lines, line by line."""
    return [
        [(each["carrierName"], each["parcelNumber"], each["trackingUrl"]) for each in line.get("parcels") or []]
        for line in order(trade, key)["lines"]
    ]


def numbers(trade, key):
    """The numbers alone."""
    return [[number for _, number, _ in line] for line in parcels(trade, key)]


def sentences(done):
    """What a command said, as one line."""
    return " ".join(done.text.split())


# -- orders in -----------------------------------------------------------------------------------------


def test_orders_of_two_channels_are_in_the_erp_once_each_although_answers_are_lost(trade):
    for channel in ("CDISFR", "EXAMPLEPL"):
        place(trade, "CUP-1", "CUP-2", channel=channel)
        place(trade, "CUP-3", channel=channel, business=True)
    trade.erp.fault("cut_after", method="POST", path="CustomerOrders$", times=3)
    trade.sync("octopia", "orders")
    trade.push("to-erp", wait=8)

    assert erp_orders(trade.erp) == sold(trade)
    assert len(trade.erp.state()["orders"]) == 4
    assert len(trade.erp.requests("POST", "CustomerOrders")) == 4


def test_orders_are_accepted_by_the_stock_and_go_on_and_what_cannot_be_sold_waits_for_a_person(make):
    trade = make(acceptance=True)
    trade.project.run("flow", "add", "accept", "acceptance", "octopia", "erp", "--live")
    trade.erp.do("set_stock", number="CUP-1", quantity=2)
    trade.sync("erp", "balance")
    keys = [place(trade, "CUP-1", "CUP-2"), place(trade, "CUP-1", channel="EXAMPLEPL"), place(trade, "CUP-1")]
    hand_on(trade)
    assert trade.erp.state()["orders"] == []

    trade.octopia.do("bad_gateway", path="/approval-status$")
    trade.push("accept", wait=5, code=1)
    hand_on(trade)
    states = [order(trade, key)["status"] for key in keys]
    (waiting,) = trade.project.json("effects", "list", "--state", "awaiting", code=None)

    assert states == ["InPreparation", "InPreparation", "WaitingAcceptance"]
    assert erp_orders(trade.erp).keys() == {f"octopia-{key}" for key in keys[:2]}
    assert "1 of CUP-1 are ordered and 0 are free" in waiting["message"]
    assert len(trade.octopia.requests("POST", "/approval-status")) == 2


def test_lines_of_octopias_warehouse_are_neither_handed_on_nor_shipped(trade):
    mixed = trade.octopia.do("place_order", lines=[{"sku": "CUP-1"}, {"sku": "CUP-2", "supply_mode": "Fulfillment"}])
    theirs = place(trade, "CUP-3", supply_mode="Fulfillment")
    hand_on(trade)
    rows = [each["product"]["productNumber"] for each in in_erp(trade, mixed)["orderRows"]]
    label(trade, mixed, "PARCEL-1")
    report(trade)

    assert rows == ["CUP-1"]
    assert numbers(trade, mixed) == [["PARCEL-1"], []]
    assert numbers(trade, theirs) == [[]]
    assert len(trade.erp.state()["orders"]) == 1


def test_an_order_to_two_addresses_is_parked_with_a_sentence_and_nothing_of_it_is_in_the_erp(trade):
    two = place(trade, "CUP-1", "CUP-2", second_address=True)
    one = place(trade, "CUP-1", "CUP-2")
    trade.sync("octopia", "orders")
    trade.push("to-erp", code=1)
    (parked,) = trade.project.json("parked", "list", code=1)["effects"]

    assert parked["key"] == two
    assert "Its lines go to 2 different addresses, and erp takes one address for an order." in parked["message"]
    assert erp_orders(trade.erp).keys() == {f"octopia-{one}"}


# -- parcels back --------------------------------------------------------------------------------------


def test_a_label_in_the_warehouse_puts_carrier_number_and_tracking_address_on_the_order(trade):
    key = place(trade, "CUP-1", "CUP-2", channel="EXAMPLEPL")
    hand_on(trade)
    label(trade, key, "JJD0001", forwarder="dhl")
    report(trade)

    followed = "https://www.dhl.com/global-en/home/tracking.html?tracking-id=JJD0001"
    assert parcels(trade, key) == [[("DHL", "JJD0001", followed)]] * 2
    assert order(trade, key)["status"] == "Shipped"


def test_cdiscount_gets_one_parcel_for_the_order_and_another_channel_gets_each(trade):
    cdiscount, other = place(trade, "CUP-1", "CUP-2"), place(trade, "CUP-1", "CUP-2", channel="EXAMPLEPL")
    hand_on(trade)
    for position, number in (("10", "FIRST"), ("20", "SECOND")):
        for key in (cdiscount, other):
            there = in_erp(trade, key)["orderNumber"]
            trade.erp.do("pick", order_number=there, quantities={position: 1}, parcels=[number])
        report(trade)
    told = [each["message"] for each in trade.project.json("effects", "list", "--flow", "tracking")]

    assert numbers(trade, cdiscount) == [["FIRST"], ["FIRST"]]
    assert numbers(trade, other) == [["FIRST"], ["SECOND"]]
    assert any("takes one parcel per order (FIRST); not sent: SECOND" in text for text in told)
    assert len(trade.octopia.requests("POST", REGISTER)) == 3


def test_an_unknown_carrier_is_one_gap_and_one_mapping_sends_all_that_waited(trade):
    keys = [place(trade, "CUP-1"), place(trade, "CUP-2", channel="EXAMPLEPL"), place(trade, "CUP-3")]
    hand_on(trade)
    for key, forwarder in zip(keys, ("Budbee", "Budbee", "DHL"), strict=True):
        label(trade, key, f"P-{key}", forwarder=forwarder)
    report(trade, code=1)
    (gap,) = trade.project.json("gaps", "list", code=None)

    assert (gap["kind"], gap["value"], gap["waiting"]) == ("carrier", "Budbee", 2)
    assert [order(trade, key)["status"] for key in keys] == ["InPreparation", "InPreparation", "Shipped"]

    assert trade.project.json("map", "add", "tracking", "carrier", "Budbee", "Colis Privé")["freed"] == 2
    trade.push("tracking")
    assert [line[0][0] for key in keys for line in parcels(trade, key)] == ["Colis Privé", "Colis Privé", "DHL"]
    assert trade.project.json("gaps", "list") == []


def test_a_parcel_that_was_registered_although_the_answer_was_502_is_not_sent_again(trade):
    keys = [place(trade, "CUP-1"), place(trade, "CUP-2", channel="EXAMPLEPL")]
    hand_on(trade)
    for key in keys:
        label(trade, key, f"P-{key}")
    trade.octopia.do("bad_gateway", times=2)
    report(trade, wait=8)

    assert trade.project.effects() == {"done": 4}
    assert [numbers(trade, key) for key in keys] == [[[f"P-{key}"]] for key in keys]
    assert len(trade.octopia.requests("POST", REGISTER)) == 2


def test_when_all_is_done_another_run_writes_nowhere(trade):
    key = place(trade, "CUP-1", "CUP-2")
    hand_on(trade)
    label(trade, key, "PARCEL-1")
    report(trade)
    for twin in trade.twins.values():
        twin.reset()
    hand_on(trade)
    report(trade)

    assert trade.erp.writes() == []
    assert [each for each in trade.octopia.writes() if "token" not in each] == []


# -- a list that cannot be relied on, and a token that ends ----------------------------------------------


def test_a_shuffled_list_loses_no_order_although_orders_change_while_it_is_read(make):
    trade, chance = make(order_sort="shuffled", orders=230), dice(5)
    trade.octopia.fault("slow", path="/orders", seconds=0.01, times=10_000)
    keys = [each["orderId"] for each in trade.octopia.state()["orders"]]
    running = trade.project.start("sync", "octopia", "orders")
    while running.poll() is None:
        trade.octopia.do("touch", order_id=chance.choice(keys))
        keys.append(place(trade, "CUP-1"))
    ended(("sync",), running).check(None)
    trade.octopia.reset()
    trade.sync("octopia", "orders")

    expected = {each["orderId"]: each["status"] for each in trade.octopia.state()["orders"]}
    assert {key: status for key, (status, _) in trade.project.orders("octopia").items()} == expected
    assert len(expected) > 230


def test_the_token_is_fetched_once_for_many_commands_and_once_more_when_it_ends_in_mid_run(make):
    trade = make(orders=120)
    trade.sync("octopia", "orders")
    trade.push("to-erp", code=None)
    trade.project.run("connection", "verify", "octopia")
    assert trade.octopia.state()["tokens"] == 1

    trade.octopia.reset()
    trade.octopia.fault("slow", path="/orders", seconds=0.1, times=10_000)
    running = trade.project.start("sync", "octopia", "orders", "--full")
    poll(lambda: len(trade.octopia.requests("GET", "/orders")) > 1)
    trade.octopia.do("expire_tokens")
    ended(("sync",), running).check(0)

    assert trade.octopia.state()["tokens"] == 2
    assert trade.project.orders("octopia").keys() == {each["orderId"] for each in trade.octopia.state()["orders"]}


# -- settings that cannot work ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        ({"client_secret": "wrong"}, 1, "Invalid client or Invalid client credentials"),
        ({"seller_id": "4711"}, 1, "The Seller ID is not linked to this client ID"),
        ({"login": "another"}, 1, "The seller's login is sandbox-seller, not another."),
        ({"sales_channels": "CDISFR,NOWHERE"}, 1, "The seller has no sales channel NOWHERE. There are: CDISFR"),
        ({"token_url": "http://127.0.0.1:9/token"}, 1, "cannot be reached"),
        ({"seller_id": "my shop"}, 2, "The Seller ID is a number"),
        ({"client_secret": ""}, 2, "Client secret"),
    ],
)
def test_an_account_that_cannot_be_worked_with_is_not_saved_and_one_sentence_says_why(
    nursery, template, tmp_path, settings, code, said
):
    project = template.copy(tmp_path / "project")
    with nursery.twin("cdiscount") as octopia:
        done = project.run(*project.adding("octopia", octopia, **settings), code=code)

    assert sentences(done).count(said) == 1
    assert project.query("SELECT name FROM connection") == []


def test_money_of_a_foreign_channel_is_what_the_buyer_paid(trade):
    key = place(trade, "CUP-1", channel="EXAMPLEPL")
    hand_on(trade)
    row = in_erp(trade, key)["orderRows"][0]["salesData"]

    assert row["currency"] == "PLN"
    assert erp_orders(trade.erp)[f"octopia-{key}"] == sold(trade)[f"octopia-{key}"] > Decimal(0)
