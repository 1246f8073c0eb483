"""What is published: the stock that was read, less the buffer and what sold orders will take; on both databases.

The ERP's stock is sold by a shop and by a market. Nothing is delivered to the ERP unless a test says so.
"""

from __future__ import annotations

import threading
from decimal import Decimal

import attrs
import pytest

from crossdock.configure import remove_flow
from crossdock.engine import decide
from crossdock.engine.pull import pull
from crossdock.engine.route import route_stored
from crossdock.store.config import FlowRow
from crossdock.store.store import Store

DURING = """
from crossdock import hookimpl

work = []

@hookimpl
def {signature}:
    while {condition} and work:
        work.pop()()
"""


@attrs.frozen
class Sale:
    """The flows of one stock that two channels sell, and verbs on them."""

    world: object
    orders: object
    others: object
    shop: object
    market: object

    def read(self, *names):
        for name in names or ("shop", "market"):
            self.world.pull(name)

    def count(self, **counts):
        """The ERP counts its stock, and it is read."""
        self.world.erp.stock(**counts)
        self.world.pull("erp", "balance")

    def publish(self):
        """What the shop and the market show after a push of what is planned."""
        pushed = [self.world.push(flow) for flow in (self.shop, self.market)]
        assert [each.error for each in pushed] == [None, None]
        return self.shown()

    def shown(self, sku="A"):
        return self.world.shop.published.get(sku), self.world.others["market"].published.get(sku)

    def planned(self, sku="A"):
        """What the ledger wants the shop to show."""
        return self.world.effect(self.shop, sku).wanted

    def held(self, sku="A"):
        return self.world.store.holds.of("erp", [sku]).get(sku, Decimal(0))


@pytest.fixture
def sale(world, market):
    return Sale(
        world, world.flow(), world.flow(source="market"), world.flow("balance", "erp", "shop"),
        world.flow("balance", "erp", "market"),
    )  # fmt: skip


@pytest.fixture
def ten(sale):
    """Ten pieces of A are in stock, and both channels show it."""
    sale.count(A=10)
    sale.read()
    assert sale.publish() == ("10", "10")
    return sale


# -- what orders take ----------------------------------------------------------------------------------


def test_an_order_that_is_read_lowers_what_every_channel_shows(ten, world):
    world.shop.order("1", quantity=3)
    ten.read("shop")

    assert ten.publish() == ("7", "7")


def test_it_is_planned_in_the_transaction_that_keeps_the_order(ten, world):
    world.shop.order("1", quantity=3)
    pulled = world.pull()

    assert (pulled.counts.new, ten.planned(), ten.held()) == (1, "7", 3)


def test_the_buffer_comes_on_top(world, sale):
    tight = attrs.evolve(sale.shop, options=attrs.evolve(sale.shop.options, buffer=2))
    world.store.config.save_flow(tight, world.clock.now())
    world.shop.order("1", quantity=3)
    sale.read()
    sale.count(A=10)
    sale.read()

    world.push(tight)

    assert world.shop.published == {"A": "5"}


def test_more_than_there_is_shows_nothing_and_not_less(ten, world):
    world.shop.order("1", quantity=30)
    ten.read()

    assert ten.publish() == ("0", "0")


def test_the_stock_of_the_flows_warehouses_is_reduced(world, market, sale):
    west = attrs.evolve(sale.shop, options=attrs.evolve(sale.shop.options, warehouses=("west",)))
    world.store.config.save_flow(west, world.clock.now())
    world.erp.put("balance", "A@west", count="5")
    world.erp.put("balance", "A@east", count="9")
    world.shop.order("1", quantity=2)
    sale.read()
    world.pull("erp", "balance")
    sale.read()

    world.push(west)
    world.push(sale.market)

    assert (world.shop.published["A"], market.published["A"]) == ("3", "12")


@pytest.mark.parametrize("status", ["cancelled", "failed", "refunded", "deleted", "pending"])
def test_an_order_that_takes_nothing_holds_nothing(ten, world, status):
    world.shop.order("1", quantity=3, status=status)
    ten.read()

    assert (ten.planned(), ten.held()) == ("10", 0)


@pytest.mark.parametrize("status", ["processing", "on_hold", "completed", "shipped", "partially_shipped"])
def test_an_order_that_takes_goods_holds_them(ten, world, status):
    world.shop.order("1", quantity=3, status=status)
    ten.read()

    assert ten.planned() == "7"


def test_an_order_that_a_third_party_fulfils_holds_nothing(ten, world):
    world.shop.order("1", quantity=3, by="third_party")
    ten.read()

    assert ten.held() == 0


def test_an_order_that_waits_to_be_accepted_holds_what_it_would_take(ten, world):
    world.shop.order("1", quantity=3, status="pending", waits=True)
    ten.read()

    assert ten.planned() == "7"


def test_a_cancellation_gives_the_goods_back(ten, world):
    world.shop.order("1", quantity=3)
    ten.read()
    assert ten.publish() == ("7", "7")
    world.shop.order("1", quantity=3, status="cancelled")
    ten.read()

    assert ten.publish() == ("10", "10")


def test_a_line_that_is_refused_holds_nothing(ten, world):
    world.shop.order("1", lines=[{"sku": "A", "quantity": 2}, {"sku": "A", "quantity": 1, "state": "cancelled"}])
    ten.read()

    assert ten.held() == 2


def test_lines_that_change_hold_what_they_are_now(ten, world):
    ten.count(A=10, B=10)
    world.shop.order("1", lines=[{"sku": "A", "quantity": 2}, {"sku": "B", "quantity": 3}])
    ten.read()
    world.shop.order("1", lines=[{"sku": "A", "quantity": 5}])
    ten.read()

    assert (ten.held("A"), ten.held("B")) == (5, 0)
    assert (ten.planned("A"), ten.planned("B")) == ("5", "10")


def test_an_order_that_came_from_the_erp_itself_holds_nothing(ten, world):
    world.flow("orders", "erp", "shop")
    world.erp.order("E1", quantity=2)
    world.pull("erp")
    world.push(world.store.config.flow("orders of erp"))

    ten.read("shop")

    assert world.shop.references() == ["erp-E1"]
    assert ten.held() == 0


def test_an_order_in_a_flow_that_only_plans_holds_its_goods(ten, world):
    decide.switch_flow(world.bench, "orders", "plan")
    world.shop.order("1", quantity=3)
    ten.read()

    assert ten.planned() == "7"


def test_an_order_in_a_paused_flow_holds_its_goods(ten, world):
    decide.switch_flow(world.bench, "orders", "paused")
    world.shop.order("1", quantity=3)
    ten.read("shop")

    assert ten.publish() == ("7", "7")


# -- how the other system calls it ---------------------------------------------------------------------


def test_goods_are_held_under_the_name_that_the_erp_gives_them(ten, world):
    decide.add_mappings(world.bench, [("orders", "sku", "A-red", "A")])
    world.shop.order("1", sku="A-red", quantity=3)
    ten.read()

    assert (ten.planned(), ten.held("A-red")) == ("7", 0)


def test_a_mapping_that_comes_later_holds_what_was_ordered_before(ten, world):
    world.shop.order("1", sku="A-red", quantity=3)
    ten.read()
    assert ten.planned() == "10"

    decide.add_mappings(world.bench, [("*", "sku", "A-red", "A")])

    assert (ten.planned(), ten.held("A-red")) == ("7", 0)


def test_a_mapping_that_is_removed_lets_the_goods_go(ten, world):
    decide.add_mappings(world.bench, [("orders", "sku", "A-red", "A")])
    world.shop.order("1", sku="A-red", quantity=3)
    ten.read()

    decide.remove_mapping(world.bench, "orders", "sku", "A-red")

    assert (ten.planned(), ten.held("A-red")) == ("10", 3)


def test_a_business_rule_that_changes_goods_is_followed(ten, world):
    world.local("""
from crossdock import evolve, hookimpl

@hookimpl
def transform_record(flow, record):
    if flow != "orders":
        return None
    return evolve(record, lines=tuple(evolve(line, sku="A", quantity=2 * line.quantity) for line in record.lines))
""")
    world.shop.order("1", sku="PAIR", quantity=2)
    ten.read()

    assert ten.planned() == "6"


# -- handed on -----------------------------------------------------------------------------------------


def test_an_order_that_was_handed_on_is_held_until_stock_is_read_anew(ten, world):
    world.shop.order("1", quantity=3)
    ten.read()
    world.push(ten.orders)
    assert (ten.planned(), ten.held()) == ("7", 3)

    ten.count(A=7)

    assert (ten.planned(), ten.held()) == ("7", 0)


def test_it_is_released_also_when_the_stock_that_is_read_is_unchanged(ten, world):
    world.shop.order("1", quantity=3)
    ten.read()
    world.push(ten.orders)

    world.pull("erp", "balance")  # three more have come meanwhile: it is ten again
    ten.read()

    assert (ten.held(), ten.publish()) == (0, ("10", "10"))


def test_stock_that_was_read_while_it_was_handed_on_does_not_release_it(ten, world):
    world.shop.order("1", quantity=3)
    ten.read()
    world.erp.stock(A=10)
    world.local(DURING.format(signature="page_kept(connection, stream, counts)", condition="stream == 'balance'"))
    import crossdock_local

    crossdock_local.work.append(lambda: world.push(ten.orders))

    world.pull("erp", "balance", full=True)

    assert (world.states(ten.orders), ten.held()) == ({"1": "done"}, 3)


@pytest.mark.parametrize("fault", ["cut_after", "refused"])
def test_an_order_in_doubt_or_parked_keeps_its_goods(ten, world, fault):
    world.shop.order("1", quantity=3, sku="A")
    ten.read()
    if fault == "cut_after":
        world.erp.fault("cut_after", method="POST", path="/orders")
    else:
        world.erp.unknown = {"A"}
    world.push(ten.orders)

    world.pull("erp", "balance", full=True)

    assert world.states(ten.orders)["1"] in ("in_doubt", "parked")
    assert (ten.planned(), ten.held()) == ("7", 3)


def test_an_order_that_was_found_after_a_lost_answer_is_released_by_the_next_stock(ten, world):
    world.shop.order("1", quantity=3)
    ten.read()
    world.erp.fault("cut_after", method="POST", path="/orders")
    world.push(ten.orders)
    world.later(seconds=11)
    world.push(ten.orders)
    assert ten.held() == 3

    ten.count(A=7)

    assert ten.held() == 0


def test_what_a_person_says_was_done_is_released_by_the_next_stock(ten, world):
    world.shop.order("1", quantity=3)
    ten.read()
    world.erp.fault("cut_before", method="POST", path="/orders")
    world.push(ten.orders)
    decide.resolve(world.bench, world.effect(ten.orders).id, external_id="77")
    assert ten.held() == 3

    ten.count(A=7)

    assert ten.held() == 0


def test_reading_stock_by_key_releases_only_that(ten, world):
    ten.count(A=10, B=5)
    world.shop.order("1", lines=[{"sku": "A", "quantity": 1}, {"sku": "B", "quantity": 1}])
    ten.read()
    world.push(ten.orders)

    world.pull("erp", "balance", keys=["B"])

    assert (ten.held("A"), ten.held("B")) == (1, 0)


def test_reading_one_warehouse_by_key_releases_nothing(sale, world):
    world.erp.put("balance", "A@west", count="5")
    world.erp.put("balance", "A@east", count="5")
    world.pull("erp", "balance")
    world.shop.order("1", quantity=3)
    sale.read()
    world.push(sale.orders)

    world.pull("erp", "balance", keys=["A@west"])
    assert sale.held() == 3
    world.pull("erp", "balance", keys=["A@west", "A@east"])

    assert sale.held() == 0


def test_a_run_that_breaks_off_between_two_warehouses_releases_nothing(sale, world):
    world.connect("erp", page_size="1")
    world.erp.put("balance", "A@west", count="5")
    world.erp.put("balance", "A@east", count="5")
    world.pull("erp", "balance")
    world.shop.order("1", quantity=3)
    sale.read()
    world.push(sale.orders)
    world.erp.put("balance", "A@west", count="5")
    world.erp.put("balance", "A@east", count="2")
    world.erp.fault("status", path="/balance", status=503, skip=1, times=4)

    with pytest.raises(Exception, match="503"):
        world.pull("erp", "balance")

    assert (sale.planned(), sale.held()) == ("7", 3)


@pytest.mark.parametrize("older", ["12", "10"], ids=["another number", "the same number"])
def test_an_older_answer_than_the_stored_one_releases_nothing(sale, world, older):
    world.erp.put("balance", "A", count="10", changed="2026-03-01T11:00:00Z")
    world.pull("erp", "balance")
    world.shop.order("1", quantity=3)
    sale.read()
    world.push(sale.orders)
    world.erp.put("balance", "A", count=older, changed="2026-03-01T10:00:00Z")

    world.pull("erp", "balance")

    assert (sale.planned(), sale.held()) == ("7", 3)


def test_stock_that_cannot_be_read_as_a_record_releases_nothing(ten, world):
    world.shop.order("1", quantity=3)
    ten.read()
    world.push(ten.orders)
    world.erp.stock(A="many")
    world.pull("erp", "balance")

    assert (ten.planned(), ten.held()) == ("7", 3)


# -- changes of what was handed on ---------------------------------------------------------------------


@pytest.fixture
def handed(ten, world):
    """An order of three of ten pieces that the ERP has, and shows in its stock."""
    world.shop.order("1", quantity=3)
    ten.read()
    world.push(ten.orders)
    ten.count(A=7)
    assert ten.planned() == "7"
    return ten


def test_more_of_an_order_that_was_handed_on_is_held_until_the_stock_shows_it(handed, world):
    world.shop.order("1", quantity=5)
    handed.read()
    assert handed.planned() == "5"
    handed.count(A=7)
    assert handed.planned() == "5"
    world.push(handed.orders)
    assert handed.planned() == "5"

    handed.count(A=5)

    assert (handed.planned(), handed.held()) == ("5", 0)


def test_a_change_of_anything_else_holds_nothing(handed, world):
    world.shop.order("1", quantity=3, note="ring twice")
    handed.read()

    assert (handed.planned(), handed.held()) == ("7", 0)


def test_a_change_that_is_taken_back_holds_nothing(handed, world):
    world.shop.order("1", quantity=5)
    handed.read()
    world.shop.order("1", quantity=3)
    handed.read()

    assert (handed.planned(), handed.held()) == ("7", 0)


def test_what_is_added_while_the_order_is_sent_stays_held(ten, world):
    world.shop.order("1", quantity=1)
    ten.read()
    world.local("""
from crossdock import hookimpl

work = []

@hookimpl(wrapper=True)
def push_order(session, order, key, known):
    receipt = yield
    while work:
        work.pop()()
    return receipt
""")
    import crossdock_local

    def change():
        world.shop.order("1", quantity=4)
        world.pull()

    crossdock_local.work.append(change)
    world.erp.fault("status", method="PUT", path="/orders", status=503, times=10)
    world.push(ten.orders)
    ten.count(A=9)
    assert (world.states(ten.orders), ten.planned()) == ({"1": "ready"}, "6")
    world.erp.faults.clear()
    world.later(minutes=5)
    world.push(ten.orders)
    ten.count(A=6)

    assert (world.states(ten.orders), ten.planned(), ten.held()) == ({"1": "done"}, "6", 0)


# -- given up ------------------------------------------------------------------------------------------


def test_a_discarded_order_holds_nothing(ten, world):
    world.shop.order("1", quantity=3)
    ten.read()

    decide.discard(world.bench, [world.effect(ten.orders).id], "a test order")

    assert (ten.planned(), ten.held()) == ("10", 0)


def test_it_holds_nothing_either_when_it_is_read_again_without_a_change_of_substance(ten, world):
    world.shop.order("1", quantity=3)
    ten.read()
    decide.discard(world.bench, [world.effect(ten.orders).id], "a test order")
    world.shop.order("1", quantity=3, status="partially_shipped")
    ten.read()
    route_stored(world.bench, ten.orders)
    route_stored(world.bench, ten.shop)

    assert (world.states(ten.orders), ten.held()) == ({"1": "discarded"}, 0)


def test_it_holds_again_when_it_changes_or_is_delivered_after_all(ten, world):
    world.shop.order("1", quantity=3)
    ten.read()
    number = world.effect(ten.orders).id
    decide.discard(world.bench, [number], "a test order")

    decide.replay(world.bench, [number])
    assert ten.planned() == "7"
    decide.discard(world.bench, [number], "a test order")
    world.shop.order("1", quantity=4)
    ten.read()

    assert ten.planned() == "6"


def test_orders_of_a_flow_that_is_removed_hold_nothing(ten, world):
    world.shop.order("1", quantity=3)
    ten.read()

    remove_flow(world.app, "orders")

    assert (ten.planned(), ten.held()) == ("10", 0)


def test_goods_are_forgotten_with_either_connection(ten, world):
    world.shop.order("1", quantity=3)
    ten.read()

    with world.store.transaction():
        world.store.records.forget_connection("erp")

    assert ten.held() == 0


# -- flows that come later -----------------------------------------------------------------------------


def test_a_flow_that_is_added_later_holds_what_is_under_way(world):
    orders = world.flow()
    world.erp.stock(A=10)
    for key, status in (("1", "processing"), ("2", "cancelled"), ("3", "completed")):
        world.shop.order(key, quantity=2, status=status)
    world.pull("erp", "balance")
    world.pull()
    assert world.states(orders) == {"1": "ready", "3": "ready"}

    flow = world.flow("balance", "erp", "shop")

    assert world.effect(flow).wanted == "6"


def test_it_holds_nothing_of_what_was_handed_on_before(world):
    orders = world.flow()
    world.shop.order("1", quantity=2)
    world.deliver(orders)
    world.erp.stock(A=8)
    world.pull("erp", "balance")

    flow = world.flow("balance", "erp", "shop")

    assert world.effect(flow).wanted == "8"


def test_nothing_is_held_where_no_stock_is_published(world):
    world.flow()
    world.shop.order("1", quantity=2)
    world.pull()

    assert world.store.holds.keys("shop", "erp") == []


# -- side by side --------------------------------------------------------------------------------------


def test_channels_that_are_read_side_by_side_lose_none_of_their_orders(ten, world, database_url):
    ten.count(**{f"S{number}": 100 for number in range(30)})
    for number in range(30):
        for channel in (world.shop, world.others["market"]):
            channel.order(f"{number}", lines=[{"sku": f"S{(number * 7 + step) % 30}"} for step in range(3)])
    for name in ("shop", "market"):
        world.connect(name, page_size="3")
    other = Store.open(database_url)
    bench = attrs.evolve(world.bench, store=other, owner="another")
    errors = []

    def read(bench, *what):
        errors.append(pull(bench, *what).error)

    threads = [
        threading.Thread(target=read, args=(bench, "market", "orders")),
        threading.Thread(target=read, args=(world.bench, "shop", "orders")),
    ]
    for thread in threads:
        thread.start()
    world.pull("erp", "balance", full=True)
    for thread in threads:
        thread.join()
    other.close()

    assert errors == [None, None]
    wanted = {effect.key: effect.wanted for effect in world.effects(ten.shop) if effect.key != "A"}
    assert wanted == {f"S{number}": "94" for number in range(30)}


def test_stock_from_a_feed_that_was_made_before_the_order_was_handed_on_does_not_release_it(ten, world):
    made = world.clock.now().isoformat()
    world.shop.order("1")
    ten.read("shop")
    world.push(ten.orders)

    world.erp.put("balance", "A", count="10", made=made)
    world.pull("erp", "balance")

    assert ten.held() == 1


def test_stock_from_a_feed_that_was_made_after_it_releases_it(ten, world):
    world.shop.order("1")
    ten.read("shop")
    world.push(ten.orders)

    world.erp.put("balance", "A", count="9", made=world.clock.now().isoformat())
    world.pull("erp", "balance")

    assert ten.held() == 0


# -- two flows to one system ----------------------------------------------------------------------------


@pytest.fixture
def halves(world):
    """Two flows of the shop's orders to the ERP: each takes the orders that name it."""
    world.local("""
from crossdock import Order, hookimpl

@hookimpl
def route_record(flow, record):
    return "not mine" if isinstance(record, Order) and record.note != flow else None
""")
    world.flow("balance", "erp", "shop")
    made = []
    for name in ("a", "z"):
        made.append(FlowRow(name=name, stream="orders", source="shop", target="erp", mode="live"))
        world.store.config.save_flow(made[-1], world.clock.now())
    return made


def test_what_one_flow_holds_the_other_does_not_let_go(world, halves):
    for key, name in (("1", "a"), ("2", "z")):
        world.shop.order(key, status="completed", note=name, lines=[{"sku": "A", "quantity": 2}])

    world.pull()

    assert world.store.holds.of("erp", ["A"]) == {"A": 4}


def test_what_is_added_to_an_order_of_one_flow_is_held_also_when_the_other_looks_at_it(world, halves):
    for key, name in (("1", "a"), ("2", "z")):
        world.shop.order(key, note=name, lines=[{"sku": "A", "quantity": 2}])
    for flow in halves:
        world.deliver(flow)
    world.erp.stock(A=6)
    world.pull("erp", "balance")
    assert world.store.holds.of("erp", ["A"]) == {}

    for key, name in (("1", "a"), ("2", "z")):
        world.shop.order(key, note=name, lines=[{"sku": "A", "quantity": 3}])
    world.pull()

    assert world.store.holds.of("erp", ["A"]) == {"A": 2}


@pytest.mark.parametrize("given_up", ["the change", "the flow"])
def test_what_was_handed_on_is_held_until_stock_is_read_whatever_is_given_up_after_it(world, given_up):
    flow = world.flow()
    world.flow("balance", "erp", "shop")
    world.shop.order("1", lines=[{"sku": "A", "quantity": 1}])
    world.deliver(flow)
    world.shop.order("1", lines=[{"sku": "A", "quantity": 5}])
    world.pull()

    if given_up == "the change":
        decide.discard(world.bench, [world.effect(flow).id], "")
    else:
        remove_flow(world.app, flow.name)

    assert world.store.holds.of("erp", ["A"]) == {"A": 1}
    world.pull("erp", "balance")
    assert world.store.holds.of("erp", ["A"]) == {}
