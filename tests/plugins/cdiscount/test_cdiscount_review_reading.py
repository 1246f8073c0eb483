"""Orders that are lost or misread when Octopia is less kind than its sandbox: counts, clocks, odd rows, odd lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from cdiscount_kit import NOW, balanced, pulled

from crossdock import ByKeys, Order, RecordError, Secret, Since
from crossdock_cdiscount import plugin, reading, wire
from crossdock_cdiscount.mapping import to_order
from crossdock_cdiscount.settings import Settings

SETTINGS = Settings(client_id="id", client_secret=Secret("s"), seller_id="98979")
JSON = {"Content-Type": "application/json"}


def keys_of(shop) -> set[str]:
    return {str(order["orderId"]) for order in shop.twin.state()["orders"]}


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def answered(shop, path: str, body: str, times: int = 50, status: int = 200) -> None:
    shop.twin.fault("status", path=path, status=status, body=body, times=times, headers=JSON)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of five."""
    monkeypatch.setattr(reading, "PAGE", 5)


# -- counts and clocks -----------------------------------------------------------------------------


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("links", [False, True], ids=["without Link", "with Link"])
@pytest.mark.parametrize("count", [0, 3, 5, 9])
def test_a_count_that_is_too_low_ends_no_list(shops, count, links):
    shop = shops(orders=12, order_links=links)
    answered(shop, "/orders/count", str(count))

    orders, cursor = pulled(shop.connect())

    assert orders.keys() == keys_of(shop)
    assert cursor is not None


def test_a_vendors_clock_that_ran_ahead_for_a_moment_hides_no_order(shops):
    shop = shops(orders=2)
    session = shop.connect()
    session.clock._now = lambda: NOW
    shop.twin.advance(timedelta(days=10).total_seconds())
    _, cursor = pulled(session)
    shop.twin.advance(-timedelta(days=10).total_seconds() + 600)
    session.clock._now = lambda: NOW + timedelta(minutes=10)
    key = shop.twin.place_order([{"sku": "P-100"}])

    orders, _ = pulled(session, cursor)

    assert key in orders


def test_an_empty_list_may_be_null(shops):
    shop = shops()
    answered(shop, r"/orders\?", '{"itemsPerPage":100,"items":null}')

    orders, cursor = pulled(shop.connect())

    assert orders == {}
    assert cursor is not None


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("2026-03-10T11:00:00Z", "2026-03-10T11:00:00.5Z"),
        ("2026-03-10T11:00:00.4Z", "2026-03-10T11:00:00.45Z"),
        ("2026-03-10T11:00:01+02:00", "2026-03-10T11:00:00Z"),
    ],
)
def test_the_newest_version_of_an_order_wins_however_its_time_is_written(shops, older, newer):
    shop = shops()
    answered(shop, "/orders/count", "1")
    rows = [{"orderId": "SCID1", "updatedAt": at, "status": at} for at in (newer, older)]
    answered(shop, r"/orders\?", json.dumps({"items": rows}))

    read = [row for rows, _ in reading.changed(shop.connect(), Since()) for row in rows]

    assert [row.value.status for row in read if row.value] == [newer]


def test_one_row_with_an_odd_time_does_not_stop_the_others(shops):
    shop = shops()
    answered(shop, "/orders/count", "2")
    rows = [{"orderId": "SCID1", "updatedAt": "2020-01-01T00:00:00Z"}, {"orderId": "SCID2", "updatedAt": stamp(NOW)}]
    answered(shop, r"/orders\?", json.dumps({"items": rows}))

    read = [row for rows, _ in reading.changed(shop.connect(), Since()) for row in rows]

    assert {row.value.order_id for row in read if row.value} == {"SCID1", "SCID2"}


def test_a_state_that_nobody_knows_is_never_an_order_to_do_and_is_told(shops, caplog):
    shop = shops()
    key = shop.twin.place_order([{"sku": "P-100"}])
    shop.twin.set_status(key, "ReadyToGo")

    orders, _ = pulled(shop.connect())

    assert orders[key].status == "unknown"
    assert f"The order {key} is in a state that is not known: ReadyToGo." in caplog.text


# -- single orders ---------------------------------------------------------------------------------


def test_an_id_that_octopia_refuses_does_not_stop_the_others(shops):
    shop = shops(orders=2)
    wanted = sorted(keys_of(shop))
    answered(shop, "/orders/ODD", '{"title":"invented: no order id"}', status=400)

    (page,) = plugin.fetch_orders(shop.connect(), ByKeys((wanted[0], "ODD", wanted[1])))

    assert balanced(page)
    assert sorted(order.key for order in page.records) == wanted
    assert [reject.key for reject in page.rejects] == ["ODD"]


@pytest.mark.parametrize("key", ["../sellers", "count", "A/B", "A?b=c", "A B#"])
def test_an_id_is_never_taken_for_a_path(shops, key):
    shop = shops(orders=1)

    pages = list(plugin.fetch_orders(shop.connect(), ByKeys((key,))))

    assert [order for page in pages for order in page.records] == []
    assert all(each["path"].startswith("/seller/v2/orders/") and not each["query"]
               for each in shop.requests if each["method"] == "GET")  # fmt: skip


# -- what must not be shipped ----------------------------------------------------------------------


@pytest.fixture
def single(sample_bytes: Callable[[str], bytes]) -> dict[str, Any]:
    """An order in preparation with two lines of the seller's, whose second one is made a warehouse's."""
    payload: dict[str, Any] = json.loads(sample_bytes("order.single.response.json"))
    payload["status"] = "InPreparation"
    payload["lines"][1]["offer"]["supplyMode"] = "Fulfillment"
    payload["lines"][1]["status"] = "InPreparation"
    return payload


def mapped(payload: Any) -> Order:
    order = to_order(wire.ORDER.decode(msgspec.json.encode(payload)), SETTINGS)
    assert isinstance(order, Order)
    return order


@pytest.mark.parametrize(
    ("line", "status"),
    [("Cancelled", "cancelled"), ("Refused", "cancelled"), ("Shipped", "shipped"), ("Delivered", "completed"),
     ("InPreparation", "processing"), ("CancelRequest", "processing")],
)  # fmt: skip
def test_an_order_that_goes_on_for_a_warehouse_is_in_the_state_of_the_sellers_lines(single, line, status):
    single["lines"][0]["status"] = line

    assert mapped(single).status == status


def test_cancelled_lines_of_an_order_that_is_not_cancelled_yet_are_not_to_be_shipped(single):
    for line in single["lines"]:
        line["status"] = "Cancelled"
        line["offer"]["supplyMode"] = "Seller"

    assert mapped(single).status == "cancelled"


@pytest.mark.parametrize("quantity", [None, 0, -1])
def test_a_line_without_a_quantity_is_not_an_order_for_nothing(single, quantity):
    single["lines"][0]["quantity"] = quantity

    with pytest.raises(RecordError, match="quantity") as caught:
        mapped(single)

    assert caught.value.path == "lines[0].quantity"


def test_a_cancelled_line_may_be_of_nothing(single):
    single["lines"][1] |= {"quantity": 0, "status": "Cancelled"}

    assert [line.quantity for line in mapped(single).lines] == [Decimal(2)]


def test_an_order_without_a_currency_is_not_one_of_the_shops_own_currency(single):
    single["currencyCode"] = None

    with pytest.raises(RecordError, match="currencyCode is missing"):
        mapped(single)


def test_a_cancelled_order_is_told_whatever_is_missing(single):
    single |= {"status": "Cancelled", "currencyCode": None}
    single["lines"][0]["quantity"] = None

    assert mapped(single).status == "cancelled"


def test_a_supply_mode_that_nobody_knows_parks_the_order(single):
    single["lines"][0]["offer"]["supplyMode"] = "Dropship"

    with pytest.raises(RecordError, match="Dropship") as caught:
        mapped(single)

    assert caught.value.path == "lines[0].offer.supplyMode"


@pytest.mark.parametrize(("word", "by"), [("SELLER", "seller"), ("xDock", "third_party")])
def test_a_supply_mode_is_known_in_any_case(single, word, by):
    for line in single["lines"]:
        line["offer"]["supplyMode"] = word

    assert mapped(single).fulfilled_by == by
