"""Bad days of the systems: limits, errors, broken answers, poison records, unknown codes. All arrives all the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from kit import admitted, erp_orders, shop_orders

pytestmark = pytest.mark.slow

TROUBLES = {
    "429-seconds": {"kind": "status", "status": 429, "headers": {"retry-after": "1"}},
    "429-date": {"kind": "status", "status": 429, "headers": {"retry-after": "in two seconds"}},
    "429-bare": {"kind": "status", "status": 429},
    "500": {"kind": "status", "status": 500, "body": "<h1>Fatal error</h1>"},
    "503": {"kind": "status", "status": 503},
    "truncated": {"kind": "truncate"},
    "html": {"kind": "html"},
    "slow": {"kind": "slow", "seconds": 0.6},
    "cut": {"kind": "cut_before"},
}


@pytest.fixture(params=TROUBLES)
def trouble(request):
    """One kind of trouble, as the control door takes it."""
    made = dict(TROUBLES[request.param])
    if request.param == "429-date":
        soon = datetime.now(UTC) + timedelta(seconds=2)
        made["headers"] = {"retry-after": format_datetime(soon, usegmt=True)}
    return made


def test_passing_trouble_on_both_sides_loses_nothing_and_doubles_nothing(world, trouble):
    world.fill(orders=8)
    world.shop.fault(path="/wc/v3/orders", times=2, **trouble)
    world.erp.fault(path="CustomerOrders", times=3, **trouble)
    for _ in range(2):
        world.project.run("sync", "shop", "orders", code=None)
    world.settle()

    assert world.project.orders() == shop_orders(world.shop)
    assert erp_orders(world.erp) == admitted(world.shop)


@pytest.mark.parametrize("action", ["deadlock", "sql_timeout"])
def test_a_database_error_in_the_guise_of_a_wrong_request_parks_nothing(world, action):
    world.fill(orders=8)
    world.erp.do(action, path="CustomerOrders$", method="POST", times=3)
    world.settle()

    assert erp_orders(world.erp) == admitted(world.shop)


@pytest.mark.parametrize("trouble", [{"kind": "status", "status": 503}, {"kind": "html"}])
def test_a_system_that_stays_away_is_caught_up_with_when_it_is_back(world, trouble):
    world.fill(orders=8)
    world.sync()
    world.erp.fault(path="CustomerOrders", times=1000, **trouble)
    world.push(code=None)
    assert erp_orders(world.erp) == {}

    world.erp.reset()
    world.settle()
    assert erp_orders(world.erp) == admitted(world.shop)


POISONS = [
    ({"total": "abc"}, "total"),
    ({"total": "1E999999999"}, "total"),
    ({"total": "1E-999999999"}, "total"),
    ({"total": "NaN"}, "total"),
    ({"date_created_gmt": "yesterday"}, "date_created_gmt"),
    ({"date_modified_gmt": "yesterday"}, "date_modified_gmt"),
    ({"line_items": "none"}, "line_items"),
    ({"line_items": [{"id": 1, "quantity": "many", "total": "1.00"}]}, "line_items"),
    ({"billing": 7}, "billing"),
]


def test_poisoned_orders_are_parked_with_their_fields_the_others_pass_and_mended_ones_follow(world):
    world.fill(orders=24)
    expected = shop_orders(world.shop)
    chosen = [key for key, (status, _) in expected.items() if status in ("processing", "completed")]
    bad = dict(zip(chosen, POISONS, strict=False))
    for key, (fields, _) in bad.items():
        world.shop.do("mangle", order_id=int(key), fields=fields)
    counts = world.sync(code=1)
    found = {each["key"]: each["path"] for each in world.project.json("parked", "list", code=1)["records"]}

    assert len(bad) == len(POISONS)
    assert set(found) == set(bad)
    assert {key: path for key, (_, path) in bad.items() if path not in found[key]} == {}
    assert (counts["parked"], counts["seen"]) == (len(bad), len(expected))
    assert world.project.orders() == {key: value for key, value in expected.items() if key not in bad}

    for key in bad:
        world.shop.do("mend", order_id=int(key))
    world.settle()
    assert world.project.orders() == expected
    assert world.project.json("parked", "list")["count"] == 0
    assert erp_orders(world.erp) == admitted(world.shop)


def test_an_unknown_article_is_one_gap_and_one_mapping_sends_all_of_its_orders(world):
    world.shop.do("seed", orders=0, products=4)
    (unknown, known) = (each for each in world.shop.state()["products"] if each["sku"] in ("SIM-0001", "SIM-0002"))
    products = [{"productNumber": number, "name": number, "stock": {"HUVUD": 99}} for number in ("OURS-1", "SIM-0002")]
    world.erp.do("seed_products", products=products)
    for product in (unknown, unknown, unknown, known, known):
        world.shop.do("insert_order", line_items=[{"product_id": product["id"], "quantity": 2}], **_buyer())
    world.sync()
    world.push(code=1)
    (gap,) = world.project.json("gaps", "list", code=None)

    assert (gap["kind"], gap["value"], gap["waiting"]) == ("sku", "SIM-0001", 3)
    assert len(erp_orders(world.erp)) == 2

    assert world.project.json("map", "add", "to-erp", "sku", "SIM-0001", "OURS-1")["freed"] == 3
    world.project.new_minute()
    world.push()
    articles = [row["product"]["productNumber"] for each in world.erp.state()["orders"] for row in each["orderRows"]]
    assert erp_orders(world.erp) == admitted(world.shop)
    assert articles.count("OURS-1") == 3
    assert world.project.json("gaps", "list") == []


def _buyer():
    where = {
        "first_name": "Zoë", "last_name": "Müller", "address_1": "Große Gasse 3", "city": "Köln", "postcode": "50667",
        "country": "DE", "email": "zoe@example.com",
    }  # fmt: skip
    return {"status": "processing", "billing": where, "shipping": where, "payment_method": "bacs"}
