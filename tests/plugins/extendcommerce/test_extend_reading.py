"""Orders and shipments read from the sandbox: nothing lost, nothing fetched in vain."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from connector_kit import opened
from sandbox_kit import FrozenClock

from crossdock import ByKeys, Order, Page, PluginError, Session, Since
from crossdock_extendcommerce import plugin
from crossdock_extendcommerce.sandbox import ExtendSandbox, create
from crossdock_extendcommerce.settings import Settings


@pytest.fixture
def clock() -> FrozenClock:
    """The vendor's clock, some minutes behind the real one, so that changes lie in the past but in the overlap."""
    return FrozenClock(datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=8))


@pytest.fixture
def shop(clock: FrozenClock) -> ExtendSandbox:
    twin = create(clock=clock, automatic_webhooks=False, generous=True)
    twin.seed(3)
    return twin


@pytest.fixture
def session(shop: ExtendSandbox) -> Iterator[Session[Settings]]:
    with opened(shop) as found:
        yield found


def place(shop: ExtendSandbox, clock: FrozenClock, count: int, **header: Any) -> list[str]:
    """`count` orders, one a second, a minute ago, and their numbers."""
    made = []
    for index in range(count):
        clock.advance(seconds=1)
        body = {
            "orderHeader": {"orderNumberExternal": f"W-{index}", "customerNumber": "K-4410",
                            "askedDeliveryDate": "2026-09-18T00:00:00+02:00", **header},
            "orderRows": [{"product": {"productNumber": "SKU-00001"}, "salesData": {"quantity": 4, "unit": "ST"}}],
        }  # fmt: skip
        made.append(str(shop.book.create(body).number))
    clock.advance(minutes=1)
    return made


def keys(pages: list[Page[Order]]) -> list[str]:
    return [record.key for page in pages for record in page.records]


def paths(shop: ExtendSandbox) -> list[str]:
    return [each["path"].rpartition("APIDEMO/")[2] for each in shop.requests]


def test_every_order_comes_oldest_change_first(
    shop: ExtendSandbox, clock: FrozenClock, session: Session[Settings]
) -> None:
    made = place(shop, clock, 120)
    pages = list(plugin.fetch_orders(session, Since()))
    assert keys(pages) == made
    assert [len(page.records) for page in pages] == [50, 50, 20]


def test_a_restart_from_any_cursor_loses_nothing(
    shop: ExtendSandbox, clock: FrozenClock, session: Session[Settings]
) -> None:
    made = place(shop, clock, 120)
    pages = list(plugin.fetch_orders(session, Since()))
    for index, page in enumerate(pages):
        again = keys(list(plugin.fetch_orders(session, Since(page.cursor))))
        assert set(keys(pages[: index + 1])) | set(again) == set(made)
        assert not set(again) & set(keys(pages[: index + 1]))


def test_a_quiet_list_costs_one_request(shop: ExtendSandbox, clock: FrozenClock, session: Session[Settings]) -> None:
    place(shop, clock, 30)
    *_, last = plugin.fetch_orders(session, Since())
    shop.requests.clear()
    (page,) = plugin.fetch_orders(session, Since(last.cursor))
    assert (page.records, paths(shop)) == ((), ["CustomerOrders"])


def test_a_changed_order_comes_again_and_only_it(
    shop: ExtendSandbox, clock: FrozenClock, session: Session[Settings]
) -> None:
    made = place(shop, clock, 30)
    *_, last = plugin.fetch_orders(session, Since())
    clock.advance(seconds=1)
    shop.reserve(made[7])
    (page,) = plugin.fetch_orders(session, Since(last.cursor))
    assert [(each.key, each.raw_status) for each in page.records] == [(made[7], "Reserved")]


def test_the_list_is_never_asked_without_a_date(
    shop: ExtendSandbox, clock: FrozenClock, session: Session[Settings]
) -> None:
    list(plugin.fetch_orders(session, Since()))
    assert all("modifiedDateFrom=" in each["query"] for each in shop.requests)


@pytest.mark.parametrize("past_end", ["error", "empty"])
def test_a_list_that_ends_at_a_page_border_ends(clock: FrozenClock, past_end: str) -> None:
    twin = create(clock=clock, automatic_webhooks=False, generous=True, past_end=past_end)
    twin.seed(1)
    made = place(twin, clock, 100)
    with opened(twin) as session:
        assert keys(list(plugin.fetch_orders(session, Since()))) == made


def test_a_long_list_is_cut_by_order_date_into_pages_that_cannot_turn(
    shop: ExtendSandbox, clock: FrozenClock, session: Session[Settings]
) -> None:
    made: list[str] = []
    for days in range(1, 41):
        day = (clock.moment - timedelta(days=days)).isoformat()
        made += place(shop, clock, 6, orderDate=day)
    assert keys(list(plugin.fetch_orders(session, Since()))) == made
    lists = [each["query"] for each in shop.requests if each["path"].endswith("/CustomerOrders")]
    assert not any("pageOffset=1" in query for query in lists)
    assert len(lists) < 40


def test_orders_that_change_while_they_are_listed_all_come(
    shop: ExtendSandbox, clock: FrozenClock, session: Session[Settings]
) -> None:
    made = place(shop, clock, 230)
    stop = threading.Event()

    def busy() -> None:
        for index in range(10**6):
            if stop.wait(0.001):
                return
            clock.advance(milliseconds=10)
            shop.set_status(made[index * 37 % 230], "OnHoldManual")

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        found = keys(list(plugin.fetch_orders(session, Since())))
    finally:
        stop.set()
        thread.join()
    assert set(found) == set(made)


def test_a_listed_order_without_details_is_a_reject_with_its_summary(
    shop: ExtendSandbox, clock: FrozenClock, session: Session[Settings]
) -> None:
    made = place(shop, clock, 3)
    shop.lose_details("CustomerOrders", made[1])
    (page,) = plugin.fetch_orders(session, Since())
    assert keys([page]) == [made[0], made[2]]
    (reject,) = page.rejects
    assert (reject.key, json.loads(reject.payload)["orderNumber"]) == (made[1], made[1])
    assert "no row at position 0" in reject.vendor_message
    assert page.seen == 3


def test_what_cannot_be_read_is_parked_under_the_key_of_its_record(
    shop: ExtendSandbox, clock: FrozenClock, session: Session[Settings]
) -> None:
    (number,) = place(shop, clock, 1)
    shop.book.get(number).rows[0]["salesData"]["vatPercent"] = "high"
    shop.customers.known["K-4410"].model["vatNumber"] = ["none"]
    shop.catalogue.products["SKU-00001"].weight = "heavy"
    shop.bent["SKU-00001"] = {"price": "on request", "availableBalanceNow": "some"}
    hooks = (plugin.fetch_orders, plugin.fetch_customers, plugin.fetch_products, plugin.fetch_prices,
             plugin.fetch_balance)  # fmt: skip

    parked = [[error.key for page in hook(session, Since()) for error in page.rejects] for hook in hooks]

    assert parked == [[number], ["K-4410"], ["SKU-00001"], ["SKU-00001|||SEK|1"], ["SKU-00001@HUVUD"]]


def test_a_deadlock_on_one_detail_is_repeated(
    shop: ExtendSandbox, clock: FrozenClock, session: Session[Settings]
) -> None:
    made = place(shop, clock, 3)
    shop.deadlock(f"CustomerOrders/{made[0]}")
    assert keys(list(plugin.fetch_orders(session, Since()))) == made


def test_orders_before_the_order_start_are_left_out_unread(
    shop: ExtendSandbox, clock: FrozenClock, session: Session[Settings]
) -> None:
    old = place(shop, clock, 2, orderDate="2020-01-01T10:00:00+01:00")
    new = place(shop, clock, 1)
    (page,) = plugin.fetch_orders(session, Since(start=datetime(2026, 1, 1, tzinfo=UTC)))
    assert (keys([page]), page.skipped, page.seen) == (new, {"before order start": 2}, 3)
    assert not any(number in path for path in paths(shop) for number in old)


def test_the_order_start_holds_for_named_orders_too(shop: ExtendSandbox, clock: FrozenClock) -> None:
    (old,) = place(shop, clock, 1, orderDate="2020-01-01T10:00:00+01:00")
    with opened(shop, order_start="2026-01-01") as session:
        (page,) = plugin.fetch_orders(session, ByKeys((old,)))
    assert (page.records, page.skipped) == ((), {"before order start": 1})


def test_what_changed_after_the_bound_is_left_to_the_next_run(
    shop: ExtendSandbox, clock: FrozenClock, session: Session[Settings]
) -> None:
    first = place(shop, clock, 2)
    bound = clock.moment
    second = place(shop, clock, 2)
    (page,) = plugin.fetch_orders(session, Since(until=bound))
    assert keys([page]) == first
    assert set(keys(list(plugin.fetch_orders(session, Since(page.cursor))))) >= set(second)


def test_named_orders_come_and_unknown_ones_are_left_out(
    shop: ExtendSandbox, clock: FrozenClock, session: Session[Settings]
) -> None:
    made = place(shop, clock, 3)
    (page,) = plugin.fetch_orders(session, ByKeys((made[2], "no/such order", made[0])))
    assert (keys([page]), page.rejects, page.cursor) == ([made[2], made[0]], (), None)


def test_a_foreign_bookmark_is_refused(session: Session[Settings]) -> None:
    with pytest.raises(PluginError, match="bookmark"):
        list(plugin.fetch_orders(session, Since("page=7")))


# -- shipments -------------------------------------------------------------------------------------


def test_what_was_shipped_is_read_and_what_was_not_is_not_even_fetched(
    shop: ExtendSandbox, clock: FrozenClock, session: Session[Settings]
) -> None:
    made = place(shop, clock, 2)
    shop.pick(made[0], quantities={10: 1}, parcels=["P1", "P2"], forwarder="PostNord")
    (page,) = plugin.fetch_shipments(session, Since())
    (shipment,) = page.records
    assert (shipment.order_key, shipment.carrier, shipment.completes_order) == (made[0], "PostNord", False)
    assert [(each.sku, each.quantity) for each in shipment.lines] == [("SKU-00001", 1)]
    assert [each.tracking_url for each in shipment.parcels] == [
        "https://tracking.postnord.com/en/tracking?id=P1", "https://tracking.postnord.com/en/tracking?id=P2",
    ]  # fmt: skip
    assert (page.skipped, page.seen) == ({"nothing shipped": 1}, 2)
    assert f"CustomerOrders/{made[1]}" not in paths(shop)


def test_a_second_delivery_completes_the_order_and_leaves_the_first_alone(
    shop: ExtendSandbox, clock: FrozenClock, session: Session[Settings]
) -> None:
    (number,) = place(shop, clock, 1)
    shop.pick(number, quantities={10: 1})
    (first,) = next(iter(plugin.fetch_shipments(session, ByKeys((number,))))).records
    clock.advance(hours=1)
    shop.pick(number)
    again, second = next(iter(plugin.fetch_shipments(session, ByKeys((number,))))).records
    assert (again.key, again.lines, again.completes_order) == (first.key, first.lines, False)
    assert (second.completes_order, [each.quantity for each in second.lines]) == (True, [3])
