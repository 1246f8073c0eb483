"""Prices and stock are stored as asked, or the outcome says what the shop did instead."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock import Balance, Gap, Outcome, Price, Product, Variant, evolve
from crossdock.settings import build
from crossdock_woocommerce import plugin, stocking
from crossdock_woocommerce.api import Shop
from crossdock_woocommerce.settings import Settings

D = Decimal

FACTS = {"currency": "EUR", "decimals": 2, "prices_include_tax": True, "variations_endpoint": True}
GROSS = Shop(currency="EUR", decimals=2, prices_include_tax=True)


@pytest.fixture
def shop(shops):
    """Twelve products: SIM-0004 without stock management, variations of VAR-0006 inheriting theirs."""
    opened = shops()
    opened.sandbox.seed(orders=0, products=12)
    return opened


def stored(shop, sku: str) -> dict:
    """A product or variation as the shop holds it."""
    return next(each for each in shop.sandbox.shop.products.values() if each["sku"] == sku)


def some(shop, prefix: str) -> str:
    """The SKU of the first variation whose SKU begins so."""
    found = (each["sku"] for each in shop.sandbox.shop.products.values() if each["type"] == "variation")
    return min(sku for sku in found if sku.startswith(prefix))


def push(shop, *records, memory=None, **values: str) -> list[Outcome]:
    session = shop.connect(facts=FACTS, memory=memory, **values)
    hook = plugin.push_balance if isinstance(records[0], Balance) else plugin.push_prices
    return list(hook(session, records))


def balance(sku: str, available: str | int, **fields) -> Balance:
    return Balance(sku=sku, available=D(available), **fields)


def price(sku: str, amount: str, **fields) -> Price:
    return Price(**{"sku": sku, "amount": D(amount), "currency": "EUR", "includes_tax": True, **fields})


# -- stock -------------------------------------------------------------------------------------------


def test_stock_of_products_and_variations_is_set(shop) -> None:
    variation = some(shop, "VAR-0003")
    outcomes = push(shop, balance("SIM-0001", 7), balance(variation, -2))
    assert [each.state for each in outcomes] == ["done", "done"]
    assert stored(shop, "SIM-0001")["stock_quantity"] == 7
    assert stored(shop, variation)["stock_quantity"] == -2


def test_outcomes_come_in_the_order_of_the_balances(shop) -> None:
    records = [balance("NOPE", 1), balance("SIM-0001", 1), balance("SIM-0002", "1.5"), balance("SIM-0005", 2)]
    assert [(each.key, each.state) for each in push(shop, *records)] == [
        ("NOPE", "rejected"), ("SIM-0001", "done"), ("SIM-0002", "rejected"), ("SIM-0005", "done"),
    ]  # fmt: skip


def test_an_unknown_sku_is_a_gap(shop) -> None:
    (outcome,) = push(shop, balance("NOPE", 1))
    assert outcome.gap == Gap("sku", "NOPE")


@pytest.mark.parametrize("sku", ["", "with,comma"])
def test_a_sku_that_cannot_be_looked_up_is_refused(shop, sku: str) -> None:
    (outcome,) = push(shop, balance(sku, 1))
    assert outcome.state == "rejected"


def test_stock_that_the_shop_does_not_manage_is_refused_with_the_remedy(shop) -> None:
    (outcome,) = push(shop, balance("SIM-0004", 5))
    assert outcome.state == "rejected"
    assert "Track stock quantity" in outcome.message


def test_stock_management_is_switched_on_when_the_connection_says_so(shop) -> None:
    (outcome,) = push(shop, balance("SIM-0004", 5), manage_stock="yes")
    assert outcome.state == "done"
    assert stored(shop, "SIM-0004")["stock_quantity"] == 5


def test_a_variation_that_inherits_its_stock_gets_its_own(shop) -> None:
    variation = some(shop, "VAR-0006")
    (outcome,) = push(shop, balance(variation, 5))
    assert outcome.state == "done"
    assert (stored(shop, variation)["manage_stock"], stored(shop, variation)["stock_quantity"]) == (True, 5)


def test_a_variable_product_that_keeps_the_stock_itself_takes_it(shop) -> None:
    (outcome,) = push(shop, balance("VAR-0006", 9))
    assert outcome.state == "done"
    assert stored(shop, "VAR-0006")["stock_quantity"] == 9


@pytest.mark.parametrize("bad", ["2.5", "0.001"])
def test_fractions_are_refused_before_they_are_cut(shop, bad: str) -> None:
    (outcome,) = push(shop, balance("SIM-0001", bad))
    assert (outcome.state, outcome.path) == ("rejected", "available")
    assert stored(shop, "SIM-0001")["stock_quantity"] == 100


def test_the_stock_of_another_warehouse_is_refused(shop) -> None:
    outcomes = push(shop, balance("SIM-0001", 1, warehouse="B"), balance("SIM-0002", 1, warehouse="A"), warehouse="A")
    assert [each.state for each in outcomes] == ["rejected", "done"]


def test_two_balances_for_one_sku_are_not_both_stored(shop) -> None:
    outcomes = push(shop, balance("SIM-0001", 1, warehouse="A"), balance("SIM-0001", 2, warehouse="B"))
    assert [each.state for each in outcomes] == ["done", "rejected"]


def test_a_second_push_asks_for_no_sku_again(shop, shops) -> None:
    session = shop.connect(facts=FACTS)
    list(plugin.push_balance(session, [balance("SIM-0001", 7)]))
    shop.requests.clear()
    list(plugin.push_balance(session, [balance("SIM-0001", 8)]))
    assert [(each["method"], each["path"]) for each in shop.requests] == [("POST", "/wp-json/wc/v3/products/batch")]


def test_a_thousand_known_skus_need_ten_requests(shops) -> None:
    shop = shops()
    for number in range(1000):
        product = {"id": 1000 + number, "sku": f"S-{number}", "manage_stock": True, "stock_quantity": 1}
        shop.sandbox.shop.products[1000 + number] = {**_template(shop), **product}
    session = shop.connect(facts=FACTS)
    session.memory.put_many("sku", {f"S-{number}": str(1000 + number) for number in range(1000)})
    outcomes = list(plugin.push_balance(session, [balance(f"S-{number}", number) for number in range(1000)]))
    assert {each.state for each in outcomes} == {"done"}
    assert len(shop.requests) == 10


def _template(shop) -> dict:
    if not shop.sandbox.shop.products:
        shop.sandbox.seed(orders=0, products=1)
    return next(iter(shop.sandbox.shop.products.values()))


def test_a_remembered_id_that_is_gone_is_asked_again(shop) -> None:
    session = shop.connect(facts=FACTS)
    session.memory.put_many("sku", {"SIM-0001": "999999", "SIM-0002": "999998/999999"})
    outcomes = list(plugin.push_balance(session, [balance("SIM-0001", 3), balance("SIM-0002", 4)]))
    assert [each.state for each in outcomes] == ["done", "done"]
    assert session.memory.get_many("sku", ["SIM-0001"]) == {"SIM-0001": str(stored(shop, "SIM-0001")["id"])}


def test_a_remembered_id_of_another_product_is_noticed(shop) -> None:
    session = shop.connect(facts=FACTS)
    session.memory.put_many("sku", {"SIM-0001": str(stored(shop, "SIM-0002")["id"])})
    (outcome,) = plugin.push_balance(session, [balance("SIM-0001", 3)])
    assert (outcome.state, stored(shop, "SIM-0001")["stock_quantity"]) == ("done", 3)


def test_an_error_of_one_item_leaves_the_others_done(shop) -> None:
    body = '{"update": [{"id": 1, "error": {"code": "some_code", "message": "Not today.", "data": 500}}]}'
    shop.sandbox.fault("status", method="POST", path="/batch", status=200, body=body)
    (outcome,) = push(shop, balance("SIM-0001", 3))
    assert (outcome.state, outcome.message) == ("rejected", "some_code: Not today.")


def test_a_lost_answer_is_simply_sent_again(shop) -> None:
    shop.sandbox.fault("cut_after", method="POST", path="/batch")
    (outcome,) = push(shop, balance("SIM-0001", 3))
    assert (outcome.state, stored(shop, "SIM-0001")["stock_quantity"]) == ("done", 3)


# -- prices ------------------------------------------------------------------------------------------


def test_a_price_is_sent_as_text_with_a_dot(shop) -> None:
    (outcome,) = push(shop, price("SIM-0002", "1250.5"))
    assert outcome.state == "done"
    assert stored(shop, "SIM-0002")["regular_price"] == "1250.50"


def test_a_price_with_a_list_price_is_a_sale(shop) -> None:
    until = datetime(2999, 12, 1, 12, tzinfo=UTC)
    (outcome,) = push(shop, price("SIM-0002", "8", list_price=D(10), valid_until=until))
    kept = stored(shop, "SIM-0002")
    assert outcome.state == "done"
    assert (kept["regular_price"], kept["sale_price"], kept["date_on_sale_to_gmt"]) == (
        "10.00", "8.00", "2999-12-01T12:00:00",
    )  # fmt: skip


def test_a_list_price_that_is_the_amount_itself_is_no_sale(shop) -> None:
    (outcome,) = push(shop, price("SIM-0002", "10", list_price=D(10)))

    assert outcome.state == "done"
    assert stored(shop, "SIM-0002")["regular_price"] == "10.00"
    assert stored(shop, "SIM-0002")["sale_price"] == ""


def test_a_price_without_list_price_ends_the_sale(shop) -> None:
    push(shop, price("SIM-0002", "8", list_price=D(10)))
    push(shop, price("SIM-0002", "9"))
    assert (stored(shop, "SIM-0002")["regular_price"], stored(shop, "SIM-0002")["sale_price"]) == ("9.00", "")


def test_a_sale_is_kept_when_the_connection_says_so(shop) -> None:
    push(shop, price("SIM-0002", "8", list_price=D(10)))
    push(shop, price("SIM-0002", "9"), keep_sales="yes")
    assert (stored(shop, "SIM-0002")["regular_price"], stored(shop, "SIM-0002")["sale_price"]) == ("9.00", "8.00")


def test_the_price_of_a_variable_product_is_refused(shop) -> None:
    (outcome,) = push(shop, price("VAR-0003", "8"))
    assert "variable product" in outcome.message


def test_the_price_of_a_variation_is_set(shop) -> None:
    variation = some(shop, "VAR-0003")
    (outcome,) = push(shop, price(variation, "8"))
    assert (outcome.state, stored(shop, variation)["regular_price"]) == ("done", "8.00")


@pytest.mark.parametrize(
    ("bad", "path"),
    [
        (price("A", "-1"), "amount"),
        (price("A", "12.999"), "amount"),
        (price("A", "10", list_price=D("9.99")), "amount"),
        (price("A", "1", list_price=D(-2)), "list_price"),
        (price("A", "10", from_quantity=D(5)), "from_quantity"),
        (price("A", "10", customer="C1"), "from_quantity"),
        (price("A", "10", currency="SEK"), "currency"),
        (price("A", "10", includes_tax=False), "includes_tax"),
        (price("A", "10", valid_from=datetime(2999, 1, 1, tzinfo=UTC)), "valid_from"),
        (price("", "10"), "sku"),
    ],
)
def test_what_the_shop_would_store_as_something_else_is_refused_before_sending(bad: Price, path: str) -> None:
    with pytest.raises(stocking.Refusal) as caught:
        stocking.price_item(bad, GROSS)
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"), [(False, True, "11.90"), (True, False, "8.40"), (True, True, "10.00")]
)
def test_a_price_is_brought_into_the_shops_tax_mode(ours: bool, theirs: bool, expected: str) -> None:
    shop = Shop(currency="EUR", decimals=2, prices_include_tax=theirs)
    item = stocking.price_item(price("A", "10", includes_tax=ours, tax_rate=D(19)), shop)
    assert item.body["regular_price"] == expected


@pytest.mark.parametrize("kept", ["999", "1", "12.5", "-1", ""])
def test_a_price_that_the_shop_stored_otherwise_is_rejected_with_both_values(shop, kept: str) -> None:
    number = stored(shop, "SIM-0002")["id"]
    row = f'{{"id": {number}, "sku": "SIM-0002", "regular_price": "{kept}", "sale_price": ""}}'
    shop.sandbox.fault("status", method="POST", path="/batch", status=200, body=f'{{"update": [{row}]}}')
    (outcome,) = push(shop, price("SIM-0002", "9.99"))
    assert outcome.state == "rejected"
    assert f"kept {kept or 'nothing'} instead of 9.99" in outcome.message


def test_no_value_that_a_batch_would_bend_is_ever_sent(sample) -> None:
    """The recorded table of what batches bend: none of these values can leave the connector."""
    for row in sample("batch-skips-validation")["rows"]:
        sent, saved = row["sent"], row["saved"]
        if "stock_quantity" in sent and sent["stock_quantity"] != "7":
            with pytest.raises((stocking.Refusal, ArithmeticError)):
                stocking.balance_item(balance("A", str(sent["stock_quantity"])), _settings())
        if isinstance(saved, dict) and "regular_price" in saved and sent["regular_price"] in ("9,99", "-1", True):
            with pytest.raises((stocking.Refusal, ArithmeticError)):
                stocking.price_item(price("A", str(sent["regular_price"])), GROSS)


def _settings() -> Settings:
    return build(Settings, {"url": "https://shop.example", "consumer_key": "ck_1", "consumer_secret": "cs_1"})


@given(st.decimals("0", "99999", places=2))
def test_every_price_in_cents_leaves_as_text_without_exponent_or_comma(amount: D) -> None:
    body = stocking.price_item(price("A", str(amount)), GROSS).body
    assert D(body["regular_price"]) == amount
    assert set(body["regular_price"]) <= set("0123456789.")


# -- products ----------------------------------------------------------------------------------------

NEW = Product(key="n", sku="NEW-1", name="New", description="<p>Text</p>", gtin="4006381333931", weight=D(2))
SHIRT = Product(
    key="s", sku="SHIRT", name="Shirt",
    variants=(
        Variant(key="a", sku="SHIRT-S", attributes={"Size": "S"}),
        Variant(key="b", sku="SHIRT-M", attributes={"Size": "M"}),
    ),
)  # fmt: skip


def push_products(shop, *products: Product) -> list[Outcome]:
    return list(plugin.push_products(shop.connect(facts=FACTS), products))


def test_a_product_is_created_once_and_then_updated(shop) -> None:
    (first,), (second,) = push_products(shop, NEW), push_products(shop, evolve(NEW, name="Newer"))
    assert (first.state, second.state, first.external_id) == ("done", "done", second.external_id)
    assert stored(shop, "NEW-1")["name"] == "Newer"


def test_a_variable_product_is_created_with_its_variations(shop) -> None:
    (outcome,) = push_products(shop, SHIRT)
    parent = stored(shop, "SHIRT")
    assert (outcome.state, outcome.external_id, parent["type"]) == ("done", str(parent["id"]), "variable")
    assert {stored(shop, sku)["parent_id"] for sku in ("SHIRT-S", "SHIRT-M")} == {parent["id"]}


def test_a_further_variant_is_added(shop) -> None:
    push_products(shop, SHIRT)
    more = (*SHIRT.variants, Variant(key="c", sku="SHIRT-L", attributes={"Size": "L"}))
    (outcome,) = push_products(shop, evolve(SHIRT, variants=more))
    assert outcome.state == "done"
    (size,) = stored(shop, "SHIRT")["attributes"]
    assert size["options"] == ["S", "M", "L"]


def test_a_lost_answer_to_a_create_makes_no_second_product(shop) -> None:
    shop.sandbox.fault("cut_after", method="POST", path="/products$")
    (outcome,) = push_products(shop, NEW)
    assert outcome.state == "done"
    assert len([each for each in shop.sandbox.shop.products.values() if each["sku"] == "NEW-1"]) == 1


def test_a_product_without_sku_is_refused(shop) -> None:
    (outcome,) = push_products(shop, Product(key="x", name="No SKU"))
    assert (outcome.state, outcome.path) == ("rejected", "sku")


def test_a_variant_that_belongs_to_another_product_is_refused(shop) -> None:
    stranger = Variant(key="z", sku=some(shop, "VAR-0003"), attributes={"Size": "S"})
    (outcome,) = push_products(shop, evolve(SHIRT, variants=(stranger,)))
    assert "another product" in outcome.message


def test_an_article_that_is_a_variation_in_the_shop_updates_the_variation(shop) -> None:
    variation = some(shop, "VAR-0003")
    name = stored(shop, variation)["name"]

    (outcome,) = push_products(shop, Product(key="1", sku=variation, name="Other", description="Wool"))

    assert outcome.state == "done"
    assert "Wool" in stored(shop, variation)["description"]
    assert stored(shop, variation)["name"] == name
