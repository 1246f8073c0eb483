"""Feeds are asked for rarely, from any process, and never lose a last good file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from xd_kit import FrozenClock, Store, opened, values

from crossdock import AccessError, ByKeys, Page, Session, Since, TransientError, UnsupportedError
from crossdock_xdconnects import feeds, plugin
from crossdock_xdconnects.sandbox import XdSandbox
from crossdock_xdconnects.settings import Settings


def stock(session: Session[Settings], cursor: str | None = None) -> list[Page[Any]]:
    return list(plugin.fetch_balance(session, Since(cursor)))


def level(session: Session[Settings], sku: str = "P990.001") -> int:
    (page,) = plugin.fetch_balance(session, ByKeys((sku,)))
    return int(page.records[0].available)


def fetches(xd: XdSandbox) -> int:
    return sum(number for name, number in xd.state()["calls"].items() if "stock" in name.lower())


def test_a_feed_is_not_asked_for_twice_in_five_minutes(xd: XdSandbox, store: Store) -> None:
    with opened(xd, store) as session:
        first = stock(session)
        xd.change_stock("P990.001", 5)
        session.clock.sleep(299)
        assert stock(session)[0].records == first[0].records
    assert fetches(xd) == 1


def test_another_process_does_not_ask_either(xd: XdSandbox, store: Store) -> None:
    with opened(xd, store) as session:
        stock(session)
    store.clock.advance(seconds=200)
    with opened(xd, store) as session:
        stock(session)
    assert fetches(xd) == 1


def test_after_five_minutes_it_is_asked_for_again(xd: XdSandbox, session: Session[Settings]) -> None:
    stock(session)
    xd.change_stock("P990.001", 5)
    session.clock.sleep(301)
    stock(session)
    assert (fetches(xd), level(session)) == (2, 5)


def test_a_failed_attempt_counts_as_one(xd: XdSandbox, session: Session[Settings]) -> None:
    xd.fault("status", path="Stock", status=503)
    with pytest.raises(TransientError):
        stock(session)
    with pytest.raises(TransientError) as caught:
        stock(session)
    assert caught.value.wait is not None
    assert fetches(xd) == 0
    session.clock.sleep(301)
    assert stock(session)


@pytest.mark.parametrize("kind", ["cut", "mixed_currency", "mixed_created", "empty", "few_rows", "no_rows",
                                  "error_document"])  # fmt: skip
def test_a_broken_feed_is_refused_and_the_last_good_one_stays(
    xd: XdSandbox, session: Session[Settings], kind: str
) -> None:
    assert list(plugin.fetch_prices(session, Since()))
    xd.break_feed("ProductPrices", kind)
    session.clock.sleep(25 * 3600)
    with pytest.raises(TransientError, match="The last good file stays") as caught:
        list(plugin.fetch_prices(session, Since()))
    assert caught.value.wait is None  # a broken feed is trouble, not a vendor who asks to wait
    (page,) = plugin.fetch_prices(session, ByKeys(("P990.001",)))
    assert len(page.records) == 6


def test_a_shorter_feed_is_believed_when_two_days_brought_no_better_one(
    xd: XdSandbox, session: Session[Settings]
) -> None:
    stock(session)
    xd.break_feed("Stock", "few_rows")
    session.clock.sleep(49 * 3600)
    assert stock(session)


def test_a_redirect_is_not_followed(xd: XdSandbox, session: Session[Settings]) -> None:
    xd.break_feed("Stock", "redirect")
    with pytest.raises(AccessError, match="redirect"):
        stock(session)


def test_a_link_that_does_not_exist_any_more_is_said_to_be_so(xd: XdSandbox, session: Session[Settings]) -> None:
    xd.fault("status", path="Stock", status=404)
    with pytest.raises(AccessError, match="does not know the link of the stock feed"):
        stock(session)


def test_another_currency_than_the_accounts_is_refused(xd: XdSandbox, store: Store) -> None:
    with opened(xd, store, currency="DKK") as session, pytest.raises(AccessError, match="in EUR, the account in DKK"):
        list(plugin.fetch_prices(session, Since()))


def test_a_file_of_another_link_is_not_used(xd: XdSandbox, store: Store) -> None:
    with opened(xd, store) as session:
        stock(session)
    other = values(xd)["stock_feed"].replace("en-gb", "nl-nl")
    with opened(xd, store, stock_feed=other) as session, pytest.raises(TransientError, match="next call"):
        stock(session)


@pytest.mark.parametrize(("hook", "name"), [
    (plugin.fetch_products, "products_feed"), (plugin.fetch_prices, "prices_feed"),
    (plugin.fetch_balance, "stock_feed"),
])  # fmt: skip
def test_a_missing_link_is_named(
    xd: XdSandbox, store: Store, hook: Callable[[Session[Settings], Since], Any], name: str
) -> None:
    with opened(xd, store, all_data_feed="", **{name: ""}) as session, pytest.raises(UnsupportedError) as caught:
        list(hook(session, Since()))
    assert name in caught.value.hint


def test_the_combined_feed_stands_in_for_missing_ones(xd: XdSandbox, store: Store) -> None:
    with opened(xd, store, products_feed="", prices_feed="", stock_feed="") as session:
        assert level(session) == 812
        assert next(iter(plugin.fetch_prices(session, ByKeys(("P990.001",))))).records
        assert next(iter(plugin.fetch_products(session, ByKeys(("P990",))))).records


@pytest.mark.parametrize("trouble", [
    lambda xd: xd.fault("status", path="Stock", status=404),
    lambda xd: xd.fault("status", path="Stock", status=500),
    lambda xd: xd.fault("cut_before", path="Stock"),
    lambda xd: xd.fault("cut_after", path="Stock"),
    lambda xd: xd.break_feed("Stock", "redirect"),
    lambda xd: xd.break_feed("Stock", "error_document"),
    lambda xd: None,
])  # fmt: skip
@pytest.mark.parametrize("query", ["", "?customer=C00000"])
def test_a_link_is_shown_nowhere(
    xd: XdSandbox, store: Store, trouble: Callable[[XdSandbox], object], query: str
) -> None:
    link = values(xd)["stock_feed"] + query
    trouble(xd)
    said = ""
    with opened(xd, store, stock_feed=link) as session:
        try:
            stock(session)
        except (TransientError, AccessError) as error:
            said = f"{error} {error.hint} {error.vendor_message} {error.args}"
    assert store.exchanges
    for text in (
        said,
        repr(store.exchanges),
        repr(store.memory.tables),
        repr(store.files.items()["stock_feed"].facts) if store.files.items() else "",
    ):
        assert "sandbox-feed-token" not in text
        assert link not in text


def test_a_feed_of_the_hour_that_comes_twice_is_no_older_than_the_one_before_it(
    xd: XdSandbox, session: Session[Settings], clock: FrozenClock
) -> None:
    clock.moment = datetime(2026, 10, 25, 0, 50, tzinfo=UTC)  # ten minutes before clocks are set back to two
    feeds.newest(session, "stock_feed")
    clock.moment = datetime(2026, 10, 25, 1, 5, tzinfo=UTC)
    xd.change_stock("P990.001", 3)

    loaded = feeds.newest(session, "stock_feed")

    assert loaded.as_of == clock.now()
    assert loaded.table.of_item("P990.001")[0].text("CurrentStock") == "3"
