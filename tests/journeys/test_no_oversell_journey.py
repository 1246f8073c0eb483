"""One stock sold in a shop and in two marketplaces at once: no piece is promised twice, whatever breaks in between."""

from __future__ import annotations

from collections import Counter

import pytest
from kit import Project, dice, ended, kill_after
from stand import Stand, System, flow

pytestmark = pytest.mark.slow

SCARCE, PLENTY = "SIM-0001", "SIM-0002"
STOCK = {SCARCE: 4, PLENTY: 50}
ORDERS = 4
"""How many orders for a scarce piece come in while commands are killed."""
CHANNELS = ("shop", "market", "octopia")
MARKETS = ("market", "octopia")
SYSTEMS = {
    "erp": System("extendcommerce", {"generous": True}),
    "market": System("mirakl", {"skus": list(STOCK)}, {"partner": "no"}),
    "octopia": System("cdiscount", {"skus": list(STOCK), "acceptance": True, "polls": 0}, {"calls_per_minute": "6000"}),
    "shop": System("woocommerce", {"https": True}, {"manage_stock": "yes"}),
}


def flows(on_shortage):
    """Orders to the ERP, its stock to all channels, and marketplaces that accept by it."""
    refuse = f'options.on_shortage = "{on_shortage}"'
    return "".join([
        *(flow(f"orders-{name}", "orders", name, "erp") for name in CHANNELS),
        *(flow(f"stock-{name}", "balance", "erp", name) for name in CHANNELS),
        *(flow(f"accept-{name}", "acceptance", name, "erp", refuse) for name in MARKETS),
    ])  # fmt: skip


@pytest.fixture(scope="module")
def stand(template, nursery, tmp_path_factory):
    """An ERP whose stock is sold in three channels, everything switched on."""
    made = Stand.build(template, tmp_path_factory.mktemp("channels") / "project", nursery, SYSTEMS, flows("hold"))
    words = [("stream", "on", *each) for each in [("erp", "balance"), *((name, "orders") for name in CHANNELS)]]
    running = [Project(made.folder, {}).start(*each) for each in words]
    for each, process in zip(words, running, strict=True):
        ended(each, process).check(0)
    return made


@pytest.fixture
def trade(stand, nursery, tmp_path):
    """All four, with the same articles and with the ERP's stock read and shown everywhere."""
    with stand.trade(tmp_path / "project", nursery) as made:
        made.erp.do("seed_products", products=[
            {"productNumber": sku, "name": sku, "price": "10.00", "currency": "EUR", "vatPercent": 20,
             "stock": {"HUVUD": quantity}} for sku, quantity in STOCK.items()
        ])  # fmt: skip
        made.shop.do("seed", orders=0, products=len(STOCK), simple=True)
        yield made


# -- what people and time do -----------------------------------------------------------------------


WHERE = {
    "first_name": "Zoë", "last_name": "Müller", "address_1": "Große Gasse 3", "city": "Köln", "postcode": "50667",
    "country": "DE", "email": "zoe@example.com",
}  # fmt: skip
BUYER = {"billing": WHERE, "shipping": WHERE, "payment_method": "bacs"}


def buy(trade, channel, scarce=0, plenty=0, **more):
    """Somebody buys so many pieces of the scarce and of the plentiful article."""
    wanted = {SCARCE: scarce, PLENTY: plenty}
    lines = [{"sku": sku, "quantity": quantity} for sku, quantity in wanted.items() if quantity]
    if channel == "shop":
        ids = {each["sku"]: each["id"] for each in trade.shop.state()["products"]}
        items = [{"product_id": ids[line["sku"]], "quantity": line["quantity"]} for line in lines]
        return trade.shop.do("insert_order", status="processing", line_items=items, **BUYER)["id"]
    return trade.twins[channel].do("place_order", lines=lines, **more)


def turn(trade):
    """Some minutes later everything is read, and some minutes later delivered; imports have come to their end."""
    trade.later()
    trade.project.run("sync", code=None)
    push(trade)


def settle(trade):
    """Until nothing is under way: what was accepted is in the ERP, and every channel has heard of it."""
    for _ in range(8):
        turn(trade)
        if calm(trade):
            return
    raise AssertionError(trade.project.query("SELECT flow, ref, state, message FROM effect WHERE state <> 'done'"))


def calm(trade):
    """Whether nothing waits for its time, and nothing that was sold is missing in the ERP."""
    resting = {"done", "superseded", "awaiting"}
    handed_on = {each["orderNumberExternal"] for each in trade.erp.state()["orders"]}
    return not set(trade.project.effects()) - resting and sold(trade) <= handed_on


def sold(trade):
    """The orders that the seller has to deliver, as the ERP names them."""
    found = {f"shop-{each['id']}" for each in trade.shop.state()["orders"]}
    found |= {f"market-{each['order_id']}" for each in trade.market.state()["orders"] if each["state"] == "SHIPPING"}
    return found | {
        f"octopia-{each['orderId']}"
        for each in trade.octopia.state()["orders"]
        if each["status"] == "InPreparation"
    }  # fmt: skip


def push(trade):
    """Some minutes later everything is delivered."""
    trade.later()
    trade.market.do("finish_imports")
    trade.project.run("push", code=None)


def in_erp(trade):
    """How many pieces of each article the ERP's orders take; fails when an order is there twice."""
    orders = trade.erp.state()["orders"]
    names = Counter(each["orderNumberExternal"] for each in orders)
    assert set(names.values()) <= {1}, names
    sold = Counter()
    for order in orders:
        for row in order["orderRows"]:
            sold[row["product"]["productNumber"]] += int(row["salesData"]["quantity"])
    return {sku: sold[sku] for sku in STOCK}


def shown(trade):
    """What each channel offers of each article."""
    trade.market.do("finish_imports")
    products = {each["sku"]: each["stock_quantity"] for each in trade.shop.state()["products"]}
    return {"shop": products} | {name: trade.twins[name].state()["stock"] for name in MARKETS}


def undecided(trade):
    """How many pieces of each article the marketplaces' orders want that nobody has decided on."""
    waiting = Counter()
    for order in trade.market.state()["orders"]:
        for line in order["lines"] if order["state"] == "WAITING_ACCEPTANCE" else ():
            waiting[line["sku"]] += int(line["quantity"])
    for order in trade.octopia.state()["orders"]:
        for line in order["lines"] if order["status"] == "WaitingAcceptance" else ():
            waiting[line["offer"]["sellerProductId"]] += int(line["quantity"])
    return {sku: waiting[sku] for sku in STOCK}


def free(trade):
    """What can still be sold: the ERP's stock without what nobody has decided on."""
    there = {each["productNumber"]: int(each["availableBalanceNow"]) for each in trade.erp.state()["availability"]}
    return {sku: max(there[sku] - waiting, 0) for sku, waiting in undecided(trade).items()}


def decided(trade):
    """Whether a decision on every order of the marketplaces is made."""
    sql = "SELECT COUNT(*) FROM effect WHERE operation = 'accept' AND state <> 'done'"
    return trade.project.query(sql) == [(0,)]


# -- one stock, three channels ---------------------------------------------------------------------


def kill_commands(trade, chance, kills):
    """Commands are killed again and again, while buyers in the marketplaces want more than there is."""
    for twin in trade.twins.values():
        twin.fault("slow", seconds=0.02, times=100_000)
    killed = 0
    for number in range(kills * 4):
        if killed == kills:
            break
        if number < ORDERS:
            buy(trade, chance.choice(MARKETS), scarce=1, plenty=number % 2)
        trade.later()
        process = trade.project.start(("sync", "push")[number % 2])
        twin = trade.twins[chance.choice(sorted(trade.twins))]
        killed += kill_after(process, twin, chance.randrange(1, 4), chance.uniform(0, 0.04))
    assert killed == kills
    for twin in trade.twins.values():
        twin.reset()


def test_commands_that_are_killed_sell_the_last_pieces_once_and_show_what_is_free(trade):
    chance = dice(1)
    buy(trade, "shop", scarce=1, plenty=3)
    buy(trade, "market", scarce=1)
    buy(trade, "octopia", scarce=1)
    kill_commands(trade, chance, kills=3)
    settle(trade)
    waiting = trade.project.json("effects", "list", "--state", "awaiting", code=None)

    assert in_erp(trade)[SCARCE] == STOCK[SCARCE]
    assert undecided(trade)[SCARCE] == len(waiting) == 3 + ORDERS - STOCK[SCARCE]
    assert {each["orderNumberExternal"] for each in trade.erp.state()["orders"]} == sold(trade)
    assert shown(trade) == dict.fromkeys(CHANNELS, free(trade))


def test_no_order_is_decided_on_before_the_stock_was_read(trade):
    buy(trade, "market", scarce=1)
    trade.sync("market", "orders")
    said = trade.push("accept-market")
    assert said["counts"]["postponed"] == 1
    assert undecided(trade)[SCARCE] == 1

    trade.sync("erp", "balance")
    trade.push("accept-market")
    assert undecided(trade)[SCARCE] == 0


def test_two_processes_that_decide_at_once_promise_the_last_piece_once(trade):
    (trade.project.home / "refuse.toml").write_text(flows("refuse"), encoding="utf-8")
    trade.project.run("apply", "refuse.toml", "--yes")
    trade.erp.do("set_stock", number=SCARCE, quantity=1)
    for name in MARKETS:
        buy(trade, name, scarce=1)
    trade.project.run("sync")
    for name, path in (("market", "/accept"), ("octopia", "/approval-status")):
        trade.twins[name].fault("slow", path=path, seconds=0.3)
    while not decided(trade):
        trade.later()
        running = [(("push", f"accept-{name}"), trade.project.start("push", f"accept-{name}")) for name in MARKETS]
        for words, process in running:
            ended(words, process).check(0)
    settle(trade)

    assert undecided(trade)[SCARCE] == 0
    assert in_erp(trade)[SCARCE] == len(sold(trade)) == 1
    assert shown(trade) == dict.fromkeys(CHANNELS, free(trade))


def test_less_is_shown_at_once_and_more_only_after_the_orders_of_all_channels_were_read(trade):
    settle(trade)
    assert shown(trade) == dict.fromkeys(CHANNELS, STOCK)

    # The marketplace's orders cannot be read for a while, and there the goods sell well.
    trade.market.fault("status", path=r"/api/orders\?", status=429, headers={"Retry-After": "900"}, times=1000)
    buy(trade, "shop", scarce=1)
    trade.sync("shop", "orders")
    push(trade)
    push(trade)
    assert {name: each[SCARCE] for name, each in shown(trade).items()} == dict.fromkeys(CHANNELS, 3)

    trade.erp.do("set_stock", number=SCARCE, quantity=9)
    buy(trade, "market", scarce=3, accepted=True)
    trade.sync("erp", "balance")
    push(trade)
    said = trade.project.query("SELECT message FROM effect WHERE flow = 'stock-octopia' AND ref = 'SIM-0001'")
    assert {name: each[SCARCE] for name, each in shown(trade).items()} == {"shop": 3, "market": 0, "octopia": 3}
    assert "the orders of market have not been read since" in said[0][0]

    trade.market.reset()
    settle(trade)
    assert in_erp(trade)[SCARCE] == 4
    assert free(trade)[SCARCE] == 9 - 4
    assert shown(trade) == dict.fromkeys(CHANNELS, free(trade))
