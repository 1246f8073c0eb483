"""The ERP's stock and prices go to a shop, a marketplace and all of Octopia's channels; what is refused has a name."""

from __future__ import annotations

from decimal import Decimal

import pytest
from kit import SHOP, poll
from stand import Stand, System, flow

pytestmark = pytest.mark.slow

SYSTEMS = {
    "erp": System(
        "extendcommerce", {"generous": True, "warehouses": ["HUVUD", "BUTIK"]}, {"warehouses": "HUVUD,BUTIK"}
    ),
    "shop": System("woocommerce", SHOP, {"manage_stock": "yes"}),
    "market": System("mirakl", {"skus": []}, {"partner": "no"}),
    "octopia": System("cdiscount", {"skus": [], "polls": 0}, {"calls_per_minute": "6000"}),
}
SELLING = ("shop", "market", "octopia")
OPTIONS = {"market": "options.buffer = 2", "octopia": 'options.buffer = 3\noptions.warehouses = ["HUVUD"]'}
FLOWS = "".join(flow(f"stock-{name}", "balance", "erp", name, OPTIONS.get(name, "")) for name in SELLING) + "".join(
    flow(f"prices-{name}", "prices", "erp", name) for name in SELLING
)
CHANNELS = ("CDISFR", "EXAMPLEPL", "EXAMPLESE")


@pytest.fixture(scope="module")
def stand(template, nursery, tmp_path_factory):
    """A project that publishes the ERP's stock and prices in three places."""
    return Stand.build(template, tmp_path_factory.mktemp("everywhere") / "project", nursery, SYSTEMS, FLOWS)


@pytest.fixture
def trade(stand, nursery, tmp_path):
    """Four articles that are sold everywhere."""
    with stand.trade(tmp_path / "project", nursery) as made:
        made.shop.do("seed", orders=0, products=5, simple=True)
        for index, sku in enumerate(sold(made)):
            made.market.do("add_offer", sku=sku, price="5.00", quantity=0)
            made.octopia.do("add_offer", sku=sku, quantity=0)
            stock = {"HUVUD": 10 + index, "BUTIK": 5}
            article = {
                "productNumber": sku,
                "name": sku,
                "vatPercent": 20,
                "currency": "EUR",
                "price": f"{8 + index}.00",
            }
            made.erp.do("seed_products", products=[{**article, "stock": stock}])
        yield made


def on_shelf(trade):
    """The shop's simple products: a variable one is sold by its variations."""
    return [each for each in trade.shop.state()["products"] if each["type"] == "simple"]


def sold(trade):
    """The SKUs."""
    return sorted(each["sku"] for each in on_shelf(trade))


def deliver(trade, stream="", **how):
    """Read a stream of the ERP if one is named, and deliver what is due, as far as it goes at once."""
    if stream:
        trade.sync("erp", stream)
    trade.later()
    trade.project.run("push", code=None, **how)


def confirm(trade):
    """The marketplaces work off what they took; somebody asks for it later."""
    trade.market.do("finish_imports")
    deliver(trade)


def shown(trade):
    """The quantities that buyers see, by system."""
    shop = {each["sku"]: each["stock_quantity"] for each in on_shelf(trade)}
    return {"shop": shop, "market": trade.market.state()["stock"], "octopia": trade.octopia.state()["stock"]}


def wanted(trade, first=10):
    """What they should see: the warehouses of each flow together, less its buffer."""
    skus = sold(trade)
    return {
        "shop": {sku: first + index + 5 for index, sku in enumerate(skus)},
        "market": {sku: first + index + 5 - 2 for index, sku in enumerate(skus)},
        "octopia": {sku: first + index - 3 for index, sku in enumerate(skus)},
    }


def writes(trade):
    """What was written anywhere since `forget`; a question for a token is none."""
    return [each for twin in trade.twins.values() for each in twin.writes() if not each.endswith("/token")]


def parked(trade):
    """What was refused, by flow and SKU."""
    rows = trade.project.query("SELECT flow, ref, message FROM effect WHERE state = 'parked'")
    return {(flow, ref): message for flow, ref, message in rows}


def replay(trade):
    """A person has mended it and says so."""
    trade.project.run("parked", "replay", "--all")
    deliver(trade)
    confirm(trade)


# -- the same everywhere ---------------------------------------------------------------------------------


def test_stock_reaches_every_channel_with_its_buffer_and_warehouses_and_the_same_again_costs_no_write(trade):
    deliver(trade, "balance")
    # Told to all three; but two of them have only taken it in.
    assert trade.project.effects() == {"done": 4, "submitted": 8}

    confirm(trade)
    assert trade.project.effects() == {"done": 12}
    assert shown(trade) == wanted(trade)

    for twin in trade.twins.values():
        twin.reset()
    deliver(trade, "balance")
    assert writes(trade) == []


def test_prices_reach_every_channel_that_takes_their_currency_with_tax_where_buyers_see_it(trade):
    deliver(trade, "prices")
    confirm(trade)
    gross = {sku: (8 + index) * Decimal("1.2") for index, sku in enumerate(sold(trade))}
    octopia = trade.octopia.state()["prices"]

    assert {each["sku"]: Decimal(each["regular_price"]) for each in on_shelf(trade)} == gross
    assert {sku: Decimal(price) for sku, price in trade.market.state()["prices"].items()} == gross
    assert {sku: Decimal(str(price)) for sku, price in octopia["CDISFR"].items()} == gross
    assert octopia["EXAMPLEPL"] == octopia["CDISFR"]
    assert {float(price) for price in octopia["EXAMPLESE"].values()} == {10.0}
    assert trade.project.effects() == {"done": 12}

    for twin in trade.twins.values():
        twin.reset()
    deliver(trade, "prices")
    assert writes(trade) == []


# -- refused ---------------------------------------------------------------------------------------------


def test_refused_lines_stay_with_their_skus_and_arrive_when_the_refusal_is_lifted(trade):
    first, second, *_, fourth = sold(trade)
    trade.market.do("report_order", order="shuffled")
    trade.market.do("fail_lines", sku=first, reason="The offer is being moderated")
    trade.market.do("fail_lines", sku=fourth, reason="The offer is blocked")
    trade.octopia.do("refuse_offer", sku=second, message="Not allowed here", channel="EXAMPLEPL")
    deliver(trade, "balance")
    confirm(trade)

    assert parked(trade) == {
        ("stock-market", first): "The offer is being moderated",
        ("stock-market", fourth): "The offer is blocked",
        ("stock-octopia", second): "EXAMPLEPL refused it: 8000 Not allowed here. Taken by CDISFR, EXAMPLESE.",
    }
    assert trade.project.effects() == {"done": 9, "parked": 3}

    for sku in (first, fourth):
        trade.market.do("fail_lines", sku=sku, reason=None)
    trade.octopia.do("allow_offer", sku=second, channel="EXAMPLEPL")
    replay(trade)
    assert trade.project.effects() == {"done": 12}
    assert shown(trade) == wanted(trade)


def test_a_rejected_package_and_a_failed_file_are_said_of_each_sku_and_arrive_when_they_are_replayed(trade):
    trade.market.do("set_import_fate", fate="FAILED")
    trade.octopia.do("reject_next_package")
    deliver(trade, "balance")
    confirm(trade)
    told = parked(trade)

    assert told.keys() == {(f"stock-{name}", sku) for name in ("market", "octopia") for sku in sold(trade)}
    assert {told["stock-market", sku] for sku in sold(trade)} == {
        "Mirakl could not work off the file: no reason was given."
    }
    assert {told["stock-octopia", sku] for sku in sold(trade)} == {
        "CDISFR refused it: the whole package was rejected. Taken by EXAMPLEPL, EXAMPLESE."
    }

    replay(trade)
    assert trade.project.effects() == {"done": 12}
    assert shown(trade) == wanted(trade)


# -- killed ----------------------------------------------------------------------------------------------


def test_a_process_killed_between_submission_and_confirmation_is_followed_by_a_question_not_by_a_repetition(trade):
    trade.sync("erp", "balance")
    trade.later()
    running = [trade.project.start("push", f"stock-{name}", "--wait", "60") for name in ("market", "octopia")]
    poll(lambda: trade.project.effects()["submitted"] == 8)
    for process in running:
        process.kill()
        process.communicate()
    assert shown(trade)["market"] == dict.fromkeys(sold(trade), 0)

    confirm(trade)
    assert trade.project.effects() == {"done": 12}
    assert shown(trade) == wanted(trade)
    assert len(trade.market.state()["imports"]) == 1
    assert sorted(each["salesChannelId"] for each in trade.octopia.state()["packages"]) == sorted(CHANNELS)
