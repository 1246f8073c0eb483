"""Reading orders: nothing is lost, whatever the order of the list and whatever changes meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from cdiscount_kit import NOW, balanced, pulled

from crossdock import ByKeys, PluginError, Since, TransientError
from crossdock_cdiscount import plugin, reading
from crossdock_cdiscount.reading import _Window
from crossdock_cdiscount.sandbox import CdiscountSandbox


def keys_of(twin: CdiscountSandbox) -> set[str]:
    return {str(order["orderId"]) for order in twin.state()["orders"]}


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of five, windows of at most fifteen: what a hundred times as many orders would do."""
    monkeypatch.setattr(reading, "PAGE", 5)
    monkeypatch.setattr(reading, "WINDOW", 15)


# -- nothing is lost -------------------------------------------------------------------------------


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("links", [False, True], ids=["without Link", "with Link"])
@pytest.mark.parametrize("sort", ["createdAt", "updatedAt", "scattered", "shuffled"])
def test_all_orders_are_read_in_whatever_order_they_are_listed(shops, sort, links):
    shop = shops(orders=70, order_sort=sort, order_links=links)

    orders, _ = pulled(shop.connect())

    assert orders.keys() == keys_of(shop.twin)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("sort", ["createdAt", "updatedAt", "scattered", "shuffled"])
def test_orders_that_change_while_they_are_read_push_no_other_out(shops, sort):
    shop = shops(orders=70, order_sort=sort)
    session = shop.connect()
    everyone = sorted(keys_of(shop.twin))
    touched, seen, cursor = iter(everyone), set(), None

    for page in plugin.fetch_orders(session, Since()):
        seen.update(order.key for order in page.records)
        cursor = page.cursor
        shop.twin.advance(1)
        for key in (next(touched, None), next(touched, None)):
            if key:
                shop.twin.touch(key)
    shop.twin.advance(600)
    later, _ = pulled(session, cursor)

    assert seen | later.keys() == set(everyone)


@pytest.mark.usefixtures("small")
def test_a_thousand_orders_of_one_second_are_read_page_by_page(shops):
    shop = shops(order_sort="shuffled")
    for _ in range(40):
        shop.twin.place_order([{"sku": "P-100"}])

    orders, _ = pulled(shop.connect())

    assert orders.keys() == keys_of(shop.twin)


@pytest.mark.usefixtures("small")
def test_restarting_from_any_cursor_brings_what_is_left(shops):
    shop = shops(orders=60)
    session = shop.connect()
    seen: set[str] = set()
    for page in list(plugin.fetch_orders(session, Since())):
        seen.update(order.key for order in page.records)
        rest, _ = pulled(session, page.cursor)
        assert seen | rest.keys() == keys_of(shop.twin)


def test_no_order_comes_twice_in_a_run(shops):
    shop = shops(orders=40, order_sort="shuffled")

    pages = list(plugin.fetch_orders(shop.connect(), Since()))

    keys = [order.key for page in pages for order in page.records]
    assert len(keys) == len(set(keys))
    assert all(balanced(page) for page in pages)


def test_windows_cover_their_time_without_a_gap():
    whole = _Window(NOW - timedelta(days=90), NOW)

    parts = whole.parts(7)

    assert (parts[0].lo, parts[-1].hi) == (whole.lo, whole.hi)
    assert all(before.hi == after.lo for before, after in pairwise(parts))


def test_windows_overlap_by_a_second_since_nobody_knows_whether_bounds_are_inclusive():
    asked = _Window(NOW, NOW + timedelta(minutes=1)).params

    assert asked == {"updatedAtMin": stamp(NOW - timedelta(seconds=1)),
                     "updatedAtMax": stamp(NOW + timedelta(minutes=1))}  # fmt: skip


# -- where a run starts and ends -------------------------------------------------------------------


def asked_since(shop) -> list[str]:
    return [each["query"].split("&")[0].replace("%3A", ":").partition("=")[2] for each in shop.asked("GET", "/orders")]


def test_the_first_run_goes_back_ninety_days(shops):
    shop = shops(orders=3)

    pulled(shop.connect())

    assert asked_since(shop) == [stamp(NOW - timedelta(days=90, seconds=1))]


def test_the_first_run_goes_back_to_the_order_start(shops):
    shop = shops(orders=3)

    pulled(shop.connect(order_start="2026-03-01"))

    assert asked_since(shop) == [stamp(datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC))]


def test_a_further_run_goes_back_an_hour(shops):
    shop = shops(orders=3)
    session = shop.connect()
    _, cursor = pulled(session)
    shop.twin.advance(600)
    shop.twin.place_order([{"sku": "P-100"}])
    shop.twin.requests.clear()

    pulled(session, cursor)

    assert asked_since(shop) == [stamp(NOW - timedelta(hours=1, seconds=1))]


def test_once_a_day_two_days_are_swept(shops):
    shop = shops(orders=3)
    session = shop.connect()
    _, cursor = pulled(session)
    shop.twin.advance(86400)
    shop.twin.place_order([{"sku": "P-100"}])
    shop.twin.requests.clear()

    _, swept = pulled(session, cursor)
    shop.twin.advance(600)
    shop.twin.place_order([{"sku": "P-100"}])
    pulled(session, swept)

    days = timedelta(days=1)
    assert asked_since(shop) == [
        stamp(NOW - days - timedelta(seconds=1)), stamp(NOW + days - timedelta(hours=1, seconds=1))
    ]  # fmt: skip


def test_both_ends_of_what_is_asked_for_are_fixed(shops):
    shop = shops(orders=3)

    pulled(shop.connect())

    assert all("updatedAtMin=" in each["query"] and "updatedAtMax=" in each["query"]
               for each in shop.asked("GET", "/orders"))  # fmt: skip


def test_a_quiet_run_costs_two_requests_and_moves_the_bookmark(shops):
    shop = shops(orders=3)
    session = shop.connect()
    _, cursor = pulled(session)
    shop.twin.advance(7000)
    _, cursor = pulled(session, cursor)
    shop.twin.requests.clear()

    _, after = pulled(session, cursor)

    assert len(shop.requests) == 2
    assert after is not None
    assert after >= (cursor or "")


def test_the_bookmark_follows_the_vendors_clock_and_not_ours(shops):
    shop = shops(orders=3)
    session = shop.connect()
    session.clock._now = lambda: NOW + timedelta(days=3)

    _, cursor = pulled(session)

    assert cursor is not None
    assert f'"read":"{stamp(NOW)}"' in cursor


def test_a_bookmark_of_another_connector_is_refused(shops):
    with pytest.raises(PluginError, match="bookmark"):
        pulled(shops().connect(), cursor="[17]")


# -- the count check -------------------------------------------------------------------------------


def miscounted(shop, count: int, times: int) -> None:
    shop.twin.fault("status", path=r"/orders/count", status=200, body=str(count), times=times,
                    headers={"Content-Type": "application/json"})  # fmt: skip


def test_a_count_that_differs_for_a_moment_is_read_again(shops):
    shop = shops(orders=8)
    miscounted(shop, 9, times=3)

    orders, cursor = pulled(shop.connect())

    assert len(orders) == 8
    assert cursor is not None


def test_a_count_that_keeps_differing_loses_nothing_and_holds_the_bookmark(shops):
    shop = shops(orders=8)
    miscounted(shop, 9, times=50)
    kept, cursors = set(), []

    with pytest.raises(TransientError, match="counts more orders than it lists"):
        for page in plugin.fetch_orders(shop.connect(), Since()):
            kept.update(order.key for order in page.records)
            cursors.append(page.cursor)

    assert kept == keys_of(shop.twin)
    assert cursors == [None]


def test_without_count_check_a_difference_is_only_logged(shops, caplog):
    shop = shops(orders=8)
    miscounted(shop, 9, times=50)

    orders, cursor = pulled(shop.connect(count_check="no"))

    assert len(orders) == 8
    assert cursor is not None
    assert "Octopia counts 9 orders" in caplog.text


def test_a_filter_that_is_ignored_is_noticed(shops):
    shop = shops(orders=8)
    body = '{"items":[{"orderId":"SCID1","updatedAt":"2020-01-01T00:00:00Z"}]}'
    shop.twin.fault("status", path=r"/orders\?", status=200, body=body, headers={"Content-Type": "application/json"})

    with pytest.raises(PluginError, match="filter is ignored"):
        pulled(shop.connect())


# -- channels, bad rows, single orders -------------------------------------------------------------


def test_only_chosen_channels_are_read(shops):
    shop = shops()
    for channel in ("CDISFR", "EXAMPLEPL", "EXAMPLESE"):
        shop.twin.place_order([{"sku": "P-100"}], channel=channel)

    one, _ = pulled(shop.connect(sales_channels="EXAMPLEPL"))
    two, _ = pulled(shop.connect(sales_channels="CDISFR, EXAMPLEPL"))
    everything, _ = pulled(shop.connect())

    assert [{order.channel for order in orders.values()} for orders in (one, two, everything)] == [
        {"EXAMPLEPL"}, {"CDISFR", "EXAMPLEPL"}, {"CDISFR", "EXAMPLEPL", "EXAMPLESE"},
    ]  # fmt: skip


def test_a_row_of_another_shape_is_rejected_by_its_order_id_and_the_others_go_on(shops):
    shop = shops(orders=1)
    body = '{"items":[{"orderId":"SCID7","lines":"none","updatedAt":"2026-03-10T11:00:00Z"}]}'
    shop.twin.fault("status", path=r"/orders\?", status=200, body=body, headers={"Content-Type": "application/json"})

    pages = list(plugin.fetch_orders(shop.connect(), Since()))

    assert [(reject.key, reject.path) for page in pages for reject in page.rejects] == [("SCID7", "lines")]


def test_orders_are_read_by_their_ids_and_unknown_ones_left_out(shops):
    shop = shops(orders=2)
    wanted = sorted(keys_of(shop.twin))

    pages = list(plugin.fetch_orders(shop.connect(), ByKeys((*wanted, "SCID404"))))

    assert sorted(order.key for page in pages for order in page.records) == wanted


def test_an_order_to_two_addresses_stays_readable(shops):
    shop = shops()
    shop.twin.place_order([{"sku": "P-100"}, {"sku": "P-101"}], second_address=True)

    orders, _ = pulled(shop.connect())
    (order,) = orders.values()

    assert order.lines[0].ship_to is None
    assert order.lines[1].ship_to is not None
    assert order.lines[1].ship_to != order.shipping_address
