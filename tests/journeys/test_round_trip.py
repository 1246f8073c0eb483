"""The whole way and back: articles, prices and stock into the shop, orders out of it, shipments and statuses back."""

from __future__ import annotations

import base64

import httpx
import pytest
from kit import admitted, erp_orders, shop_orders

pytestmark = pytest.mark.slow

ARTICLES = [
    {"productNumber": "MUG-1", "name": "Mugg Ångström", "price": "79.20", "gtin": "7350000000011",
     "stock": {"HUVUD": 12}},
    {"productNumber": "MUG-2", "name": "Mugg Öland", "price": "129.00", "stock": {"HUVUD": 0}},
    {"productNumber": "CAP/3", "name": "Keps 50 % & mer", "price": "0.40", "stock": {"HUVUD": 3000}},
]  # fmt: skip


# -- from the ERP into the shop ----------------------------------------------------------------------


@pytest.fixture
def assortment(make):
    """An empty shop that gets products, prices and stock from the ERP."""
    world = make({"currency": "SEK", "prices_include_tax": False}, shop_settings={"manage_stock": "yes"})
    world.erp.do("seed_products", products=ARTICLES)
    for stream in ("products", "prices", "balance"):
        world.project.run("flow", "add", stream, stream, "erp", "shop", "--live")
        world.project.run("stream", "on", "erp", stream)
    return world


def transfer(world):
    """Read and deliver what is switched on."""
    world.project.new_minute()
    world.project.run("sync")
    world.project.run("push", "--wait", "3")


def shelf(shop):
    """What the shop sells: name, price and stock by SKU."""
    return {
        each["sku"]: (each["name"], each["regular_price"], each["stock_quantity"]) for each in shop.state()["products"]
    }


def test_articles_prices_and_stock_of_the_erp_arrive_in_the_shop(assortment):
    transfer(assortment)

    assert shelf(assortment.shop) == {
        "MUG-1": ("Mugg Ångström", "79.20", 12), "MUG-2": ("Mugg Öland", "129.00", 0),
        "CAP/3": ("Keps 50 % & mer", "0.40", 3000),
    }  # fmt: skip


def test_a_second_run_writes_nothing_and_a_changed_article_is_all_that_is_written(assortment):
    transfer(assortment)
    assortment.shop.reset()
    transfer(assortment)
    assert assortment.shop.writes() == []

    assortment.erp.do("edit_product", number="MUG-1", price="80.00")
    assortment.erp.do("set_stock", number="MUG-2", quantity=5)
    transfer(assortment)
    assert len(assortment.shop.writes()) <= 3
    assert shelf(assortment.shop)["MUG-1"] == ("Mugg Ångström", "80.00", 12)
    assert shelf(assortment.shop)["MUG-2"] == ("Mugg Öland", "129.00", 5)


# -- orders out, shipments back ------------------------------------------------------------------------


def buyer(**more):
    """The fields of an order without its lines."""
    where = {
        "first_name": "Zoë", "last_name": "Müller", "address_1": "Große Gasse 3", "city": "Köln", "postcode": "50667",
        "country": "DE", "email": "zoe@example.com",
    }  # fmt: skip
    return {"status": "processing", "billing": where, "shipping": where, "payment_method": "bacs", **more}


def sell(world, *quantities):
    """An order of the first products in these quantities; its id."""
    products = [each for each in world.shop.state()["products"] if each["type"] == "simple"]
    lines = [
        {"product_id": product["id"], "quantity": quantity}
        for product, quantity in zip(products, quantities, strict=False)
    ]
    return world.shop.do("insert_order", line_items=lines, **buyer())["id"]


def erp_order(world, key):
    """The ERP's order of the shop's order `key`."""
    (found,) = (each for each in world.erp.state()["orders"] if each["orderNumberExternal"] == f"shop-{key}")
    return found


def reported(world, key):
    """The texts in which the shop names parcels of an order."""
    state = world.shop.state()
    trackings = state["trackings"].get(str(key), [])
    notes = [each["note"] for each in state["notes"].get(str(key), []) if each["customer_note"]]
    return [str(each) for each in trackings] + notes


@pytest.mark.parametrize("tracking", ["none", "shipment-tracking", "ast", "fulfillments"])
def test_partial_shipments_come_back_with_their_parcels_and_the_last_completes_the_order(make, tracking):
    world = make({"tracking": tracking})
    world.trade()
    world.fill(orders=0)
    key = sell(world, 3, 2)
    transfer(world)
    number = erp_order(world, key)["orderNumber"]

    world.erp.do("pick", order_number=number, quantities={"10": 1}, parcels=["PARCEL-1"], forwarder="DHL")
    transfer(world)
    assert [("PARCEL-1" in text, "PARCEL-2" in text) for text in reported(world, key)] == [(True, False)]
    assert shop_orders(world.shop)[str(key)][0] == "processing"

    world.erp.do("pick", order_number=number, parcels=["PARCEL-2"], forwarder="DHL")
    transfer(world)
    texts = reported(world, key)
    assert sorted(name for text in texts for name in ("PARCEL-1", "PARCEL-2") if name in text) == [
        "PARCEL-1", "PARCEL-2",
    ]  # fmt: skip
    assert shop_orders(world.shop)[str(key)][0] == "completed"


def test_when_all_is_done_another_run_writes_nowhere(world):
    world.fill(orders=0)
    for quantity in (1, 2, 3):
        sell(world, quantity)
    transfer(world)
    world.erp.do("pick_all")
    transfer(world)
    assert {status for status, _ in shop_orders(world.shop).values()} == {"completed"}

    world.shop.reset()
    world.erp.reset()
    for _ in range(2):
        transfer(world)
    assert world.shop.writes() == []
    assert world.erp.writes() == []
    assert erp_orders(world.erp) == admitted(world.shop)


@pytest.mark.parametrize("how", ["cancelled", "trash", "refunded", "failed"])
def test_an_order_given_up_before_it_is_reserved_is_annulled(world, how):
    world.fill(orders=0)
    key, other = sell(world, 2), sell(world, 1)
    transfer(world)
    if how == "trash":
        world.shop.do("trash", order_id=key)
    else:
        world.shop.do("edit_order", order_id=key, status=how)
    transfer(world)

    assert erp_order(world, key)["orderStatus"] == "Annulled"
    assert erp_order(world, other)["orderStatus"] == "Incoming"


def test_an_order_cancelled_before_it_was_sent_is_never_sent(world):
    world.fill(orders=0)
    key = sell(world, 2)
    world.sync()
    world.shop.do("edit_order", order_id=key, status="cancelled")
    transfer(world)

    assert world.erp.state()["orders"] == []


def edit(world, key):
    """The customer wants five instead, at another address."""
    (order,) = (each for each in world.shop.state()["orders"] if each["id"] == key)
    line = order["line_items"][0]
    where = {**buyer()["shipping"], "address_1": "Neue Gasse 9"}
    world.shop.do("edit_order", order_id=key, line_items=[{"id": line["id"], "quantity": 5}], shipping=where)


def test_an_order_edited_before_it_is_reserved_is_changed_and_not_made_again(world):
    world.fill(orders=0)
    key = sell(world, 2, 1)
    transfer(world)
    edit(world, key)
    world.erp.reset()
    transfer(world)
    changed = erp_order(world, key)

    assert [each.split()[0] for each in world.erp.writes()] == ["PUT"]
    assert changed["orderHeader"]["deliveryAddress"]["address1"] == "Neue Gasse 9"
    assert erp_orders(world.erp) == admitted(world.shop)
    assert len(world.erp.state()["orders"]) == 1


def test_an_order_edited_after_it_was_reserved_waits_for_a_person_and_is_not_lost(world):
    world.fill(orders=0)
    key = sell(world, 2, 1)
    transfer(world)
    number = erp_order(world, key)["orderNumber"]
    world.erp.do("reserve", order_number=number)
    edit(world, key)
    world.sync()
    world.push(code=1)
    (parked,) = world.project.json("parked", "list", code=1)["effects"]

    assert number in parked["message"]
    assert "can no longer be changed" in parked["message"]
    assert world.project.orders() == shop_orders(world.shop)

    # Somebody changes it by hand in the ERP, and says so.
    world.project.run("effects", "discard", parked["id"].removeprefix("E"), "--reason", "Changed by hand.", code=None)
    world.erp.do("pick_all")
    transfer(world)
    assert shop_orders(world.shop)[str(key)][0] == "completed"


def test_an_edit_that_is_undone_after_the_order_was_reserved_needs_nobody(world):
    world.fill(orders=0)
    key = sell(world, 2)
    transfer(world)
    world.erp.do("reserve", order_number=erp_order(world, key)["orderNumber"])
    (order,) = (each for each in world.shop.state()["orders"] if each["id"] == key)
    edit(world, key)
    world.sync()
    world.push(code=1)
    world.shop.do(
        "edit_order", order_id=key, line_items=[{"id": order["line_items"][0]["id"], "quantity": 2}],
        shipping=order["shipping"],
    )  # fmt: skip
    transfer(world)

    assert world.project.json("parked", "list")["count"] == 0
    assert erp_orders(world.erp) == admitted(world.shop)


# -- echo ----------------------------------------------------------------------------------------------


def order_by_phone(world):
    """Somebody types an order into the ERP."""
    there = world.erp.settings
    header = {
        "customerNumber": there["customer_number"], "orderType": "Normal", "paymentType": "Billing",
        "orderNumberExternal": "PHONE-1",
        "deliveryAddress": {"name1": "Eva Store", "address1": "Weg 1", "city": "Wien", "postalCode": "1010",
                            "countryCode": "AT"},
    }  # fmt: skip
    price = {"quantity": 2, "unit": "ST", "unitPrice": 10, "vatPercent": 25, "currency": "EUR"}
    row = {"product": {"productNumber": "SIM-0001"}, "salesData": price}
    login = base64.b64encode(f"{there['username']}:{there['password']}".encode()).decode()
    answer = httpx.post(
        f"{there['api_url']}/v1_0/{there['client']}/CustomerOrders",
        json={"orderHeader": header, "orderRows": [row]},
        headers={"ExtendBasicAuthorization": f"Basic {login}"},
        trust_env=False,
    )
    assert answer.status_code in (200, 201), answer.text


def test_what_came_from_a_system_is_not_sent_back_to_it(make):
    world = make()
    world.fill(orders=6)
    world.link()
    statuses = "pending,processing,completed,on_hold"
    world.project.run("flow", "add", "to-shop", "orders", "erp", "shop", "--live", "--statuses", statuses)
    for connection in ("shop", "erp"):
        world.project.run("stream", "on", connection, "orders")
    order_by_phone(world)
    for _ in range(3):
        world.project.new_minute()
        world.project.run("sync", code=None)
        world.project.run("push", "--wait", "2", code=None)
    by_phone = [each for each in world.erp.state()["orders"] if each["orderNumberExternal"] == "PHONE-1"]
    copies = [order for order in world.shop.state()["orders"] if order["created_via"] == "rest-api"
              and any(meta["key"] == "_crossdock_key" for meta in order["meta_data"])]  # fmt: skip

    assert len(by_phone) == 1
    assert len(copies) == 1
    ours = {f"shop-{order['id']}" for order in copies}
    assert set(erp_orders(world.erp)) - {"PHONE-1"} == set(admitted(world.shop)) - ours
