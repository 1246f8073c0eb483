"""Octopia's sales channels and an ERP: orders in, acceptance by stock, parcels back; each once, whatever happens."""

from __future__ import annotations

import contextlib
from typing import Any

import attrs
import pytest
from kit import cents, dice, ended, erp_orders, poll
from stand import Stand, System, Trade, flow

pytestmark = pytest.mark.slow

SKUS = ["CUP-1", "CUP-2", "CUP-3"]
SYSTEMS = {
    "erp": System("extendcommerce", {"generous": True}),
    "octopia": System("cdiscount", {"skus": SKUS}, {"calls_per_minute": "6000"}),
}
FLOWS = (
    flow("to-erp", "orders", "octopia", "erp") + flow("tracking", "shipments", "erp", "octopia")
    + flow("accept", "acceptance", "octopia", "erp")
)  # fmt: skip


@pytest.fixture(scope="module")
def stand(template, nursery, tmp_path_factory):
    """A project whose orders are accepted by the ERP's stock and go there, and whose shipments go back."""
    return Stand.build(template, tmp_path_factory.mktemp("octopia") / "project", nursery, SYSTEMS, FLOWS)


@pytest.fixture
def make(stand, nursery, tmp_path):
    """Makes the one trade of a test, with options of Octopia's twin."""
    with contextlib.ExitStack() as stack:
        yield lambda **octopia: begin(stack, stand, nursery, tmp_path / "project", **octopia)


def begin(stack, stand, nursery, home, **octopia):
    """A trade with articles in the ERP."""
    trade = stack.enter_context(stand.trade(home, nursery, octopia=octopia))
    trade.erp.do("seed_products", products=[
        {"productNumber": sku, "name": sku, "price": "10.00", "stock": {"HUVUD": 100}} for sku in SKUS
    ])  # fmt: skip
    return trade


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


# -- a day with everything in it -------------------------------------------------------------------------


@attrs.frozen
class Past:
    """What a system knew at the end of the day."""

    kept: dict[str, Any]

    def state(self):
        """Everything it knew."""
        return self.kept


@attrs.define
class Day:
    """What was ordered, and what the commands said."""

    trade: Trade
    orders: dict[str, str]
    parked: list[dict[str, str]]
    gaps: list[dict[str, str]]
    logs: dict[str, list[dict[str, str]]] = attrs.field(factory=dict)
    freed: int = 0
    told: list[str] = attrs.field(factory=list)
    rewrites: list[str] = attrs.field(factory=list)


def buy(trade):
    """Orders of all kinds, on two sales channels; ids by kind."""
    cups = ("CUP-1", "CUP-2")
    mixed = [{"sku": "CUP-1"}, {"sku": "CUP-2", "supply_mode": "Fulfillment"}]
    return {
        "label": place(trade, *cups, channel="EXAMPLEPL"),
        "lost": place(trade, "CUP-3", business=True),
        "odd carrier": place(trade, "CUP-1"),
        "odd carrier too": place(trade, "CUP-2", channel="EXAMPLEPL"),
        "in parts": place(trade, *cups),
        "in parts elsewhere": place(trade, *cups, channel="EXAMPLEPL"),
        "mixed": trade.octopia.do("place_order", lines=mixed),
        "warehouse": place(trade, "CUP-3", supply_mode="Fulfillment"),
        "two addresses": place(trade, *cups, second_address=True),
    }


def pick(trade, orders):
    """The warehouse packs all that arrived, some of it in two parcels."""
    label(trade, orders["label"], "JJD0001", forwarder="dhl")
    label(trade, orders["lost"], "LOST-1")
    label(trade, orders["odd carrier"], "ODD-1", forwarder="Budbee")
    label(trade, orders["odd carrier too"], "ODD-2", forwarder="Budbee")
    label(trade, orders["mixed"], "MIXED-1")
    for position, number in (("10", "FIRST"), ("20", "SECOND")):
        for kind in ("in parts", "in parts elsewhere"):
            label(trade, orders[kind], number, quantities={position: 1})


@pytest.fixture(scope="module")
def day(stand, nursery, tmp_path_factory):
    """Orders come in, answers are lost, the warehouse packs, one carrier is unknown, and it all is done once more."""
    with contextlib.ExitStack() as stack:
        trade = begin(stack, stand, nursery, tmp_path_factory.mktemp("day") / "project")
        orders = buy(trade)
        trade.erp.fault("cut_after", method="POST", path="CustomerOrders$", times=3)
        trade.sync("octopia", "orders")
        trade.push("to-erp", wait=8, code=1)
        parked = trade.project.json("parked", "list", code=1)["effects"]
        pick(trade, orders)
        trade.sync("erp", "shipments")
        trade.octopia.do("bad_gateway", path=f"/orders/{orders['lost']}/shipments$")
        trade.push("tracking", wait=8, code=1)
        made = Day(trade, orders, parked, trade.project.json("gaps", "list", code=None))
        made.freed = trade.project.json("map", "add", "tracking", "carrier", "Budbee", "Colis Privé")["freed"]
        trade.push("tracking")
        done = trade.project.json("effects", "list", "--flow", "tracking", "--state", "done")
        made.told = [each["message"] for each in done]
        logs = {name: twin.requests() for name, twin in trade.twins.items()}
        trade.octopia.reset()
        trade.erp.reset()
        trade.sync("octopia", "orders")
        trade.sync("erp", "shipments")
        trade.project.run("push", code=1)
        made.rewrites = [each for name in logs for each in trade.twins[name].writes() if not each.endswith("/token")]
        made.logs = logs
        # Others need the ports.
        made.trade = Trade(trade.project, {name: Past(twin.state()) for name, twin in trade.twins.items()})
    return made


def posts(day, system, path):
    """How often something was posted on that day."""
    return sum(each["method"] == "POST" and each["path"].endswith(path) for each in day.logs[system])


def test_orders_of_two_channels_are_in_the_erp_once_each_although_answers_are_lost(day):
    kinds = day.orders.keys() - {"mixed", "warehouse", "two addresses"}
    expected = {f"octopia-{day.orders[kind]}": sold(day.trade)[f"octopia-{day.orders[kind]}"] for kind in kinds}
    found = erp_orders(day.trade.erp)

    assert {key: found.get(key) for key in expected} == expected
    assert len(day.trade.erp.state()["orders"]) == len(kinds) + 1
    assert posts(day, "erp", "/CustomerOrders") == len(kinds) + 1


def test_money_of_a_foreign_channel_is_booked_in_the_buyers_currency(day):
    booked = {
        (each["orderHeader"]["salesChannel"], row["salesData"]["currency"])
        for each in day.trade.erp.state()["orders"] for row in each["orderRows"]
    }  # fmt: skip
    assert booked == {("CDISFR", "EUR"), ("EXAMPLEPL", "PLN")}


def test_lines_of_octopias_warehouse_are_neither_handed_on_nor_shipped(day):
    rows = [each["product"]["productNumber"] for each in in_erp(day.trade, day.orders["mixed"])["orderRows"]]

    assert rows == ["CUP-1"]
    assert numbers(day.trade, day.orders["mixed"]) == [["MIXED-1"], []]
    assert f"octopia-{day.orders['warehouse']}" not in erp_orders(day.trade.erp)
    assert numbers(day.trade, day.orders["warehouse"]) == [[]]


def test_an_order_to_two_addresses_is_parked_with_a_sentence_and_nothing_of_it_is_in_the_erp(day):
    (parked,) = day.parked

    assert parked["key"] == day.orders["two addresses"]
    assert parked["message"] == "Its lines go to 2 different addresses, and erp takes one address for an order."
    assert f"octopia-{parked['key']}" not in erp_orders(day.trade.erp)


def test_a_label_in_the_warehouse_puts_carrier_number_and_tracking_address_on_the_order(day):
    followed = "https://www.dhl.com/global-en/home/tracking.html?tracking-id=JJD0001"

    assert parcels(day.trade, day.orders["label"]) == [[("DHL", "JJD0001", followed)]] * 2
    assert order(day.trade, day.orders["label"])["status"] == "Shipped"


def test_cdiscount_gets_one_parcel_for_the_order_and_another_channel_gets_each(day):
    # Both shipments leave at the same moment: which of them is the one is chance.
    ((sent,), again) = numbers(day.trade, day.orders["in parts"])
    left = "SECOND" if sent == "FIRST" else "FIRST"

    assert again == [sent]
    assert day.told.count(f"Cdiscount takes one parcel per order ({sent}); not sent: {left}.") == 1
    assert numbers(day.trade, day.orders["in parts elsewhere"]) == [["FIRST"], ["SECOND"]]


def test_an_unknown_carrier_is_one_gap_and_one_mapping_sends_all_that_waited(day):
    (gap,) = day.gaps
    carriers = [parcels(day.trade, day.orders[kind])[0][0][0] for kind in ("odd carrier", "odd carrier too")]

    assert (gap["kind"], gap["value"], gap["waiting"], day.freed) == ("carrier", "Budbee", 2, 2)
    assert carriers == ["Colis Privé", "Colis Privé"]


def test_a_parcel_that_was_registered_although_the_answer_was_502_is_not_sent_again(day):
    assert numbers(day.trade, day.orders["lost"]) == [["LOST-1"]]
    assert posts(day, "octopia", f"/orders/{day.orders['lost']}/shipments") == 1


def test_at_the_end_of_the_day_only_what_needs_a_person_is_left_and_another_run_writes_nowhere(day):
    assert day.trade.project.effects() == {"done": 16, "parked": 1}
    assert day.rewrites == []


# -- orders that wait for the seller ---------------------------------------------------------------------


def test_orders_are_accepted_by_the_stock_and_go_on_and_what_cannot_be_sold_waits_for_a_person(make):
    trade = make(acceptance=True)
    trade.erp.do("set_stock", number="CUP-1", quantity=2)
    trade.sync("erp", "balance")
    keys = [place(trade, "CUP-1", "CUP-2"), place(trade, "CUP-1", channel="EXAMPLEPL"), place(trade, "CUP-1")]
    trade.sync("octopia", "orders")
    trade.octopia.do("bad_gateway", path="/approval-status$")
    trade.project.run("push", "--wait", "5", code=1)
    assert trade.erp.state()["orders"] == []

    hand_on(trade)
    (waiting,) = trade.project.json("effects", "list", "--state", "awaiting", code=None)
    states = {key: order(trade, key)["status"] for key in keys}
    accepted = {f"octopia-{key}" for key, state in states.items() if state == "InPreparation"}

    assert sorted(states.values()) == ["InPreparation", "InPreparation", "WaitingAcceptance"]
    assert erp_orders(trade.erp).keys() == accepted
    assert "1 of CUP-1 are ordered and 0 are free" in waiting["message"]
    assert len(trade.octopia.requests("POST", "/approval-status")) == 2


# -- a list that cannot be relied on, and a token that ends ----------------------------------------------


def test_a_shuffled_list_loses_no_order_although_orders_change_while_it_is_read(make):
    trade, chance = make(order_sort="shuffled", orders=130), dice(5)
    trade.octopia.fault("slow", path="/orders", seconds=0.03, times=10_000)
    keys = [each["orderId"] for each in trade.octopia.state()["orders"]]
    running = trade.project.start("sync", "octopia", "orders")
    poll(lambda: trade.octopia.requests("GET", "/orders"))
    for key in chance.sample(keys, 25):
        trade.octopia.do("touch", order_id=key)
        place(trade, "CUP-1")
    assert running.poll() is None
    ended(("sync",), running).check(None)
    trade.octopia.reset()
    trade.sync("octopia", "orders")

    expected = {each["orderId"]: each["status"] for each in trade.octopia.state()["orders"]}
    assert {key: status for key, (status, _) in trade.project.orders("octopia").items()} == expected
    assert len(expected) == 155


def test_the_token_is_fetched_once_for_many_commands_and_once_more_when_it_ends_in_mid_run(make):
    trade = make(orders=60)
    for stream in ("balance", "orders"):
        trade.sync("octopia", stream)
    assert trade.octopia.state()["tokens"] == 1

    trade.octopia.reset()
    trade.octopia.fault("slow", path="/orders", seconds=0.1, times=10_000)
    running = trade.project.start("sync", "octopia", "orders", "--full")
    poll(lambda: trade.octopia.requests("GET", "/orders"))
    trade.octopia.do("expire_tokens")
    ended(("sync",), running).check(0)

    assert trade.octopia.state()["tokens"] == 2
    assert trade.project.orders("octopia").keys() == {each["orderId"] for each in trade.octopia.state()["orders"]}


# -- settings that cannot work ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"client_secret": "wrong"}, "Invalid client or Invalid client credentials"),
        ({"seller_id": "4711"}, "The Seller ID is not linked to this client ID"),
        ({"sales_channels": "CDISFR,NOWHERE"}, "The seller has no sales channel NOWHERE. There are: CDISFR"),
    ],
)
def test_an_account_that_cannot_be_worked_with_is_not_saved_and_one_sentence_says_why(
    nursery, template, tmp_path, settings, said
):
    project = template.copy(tmp_path / "project")
    with nursery.twin("cdiscount") as octopia:
        done = project.run(*project.adding("octopia", octopia, **settings), code=1)

    assert sentences(done).count(said) == 1
    assert project.query("SELECT name FROM connection") == []
