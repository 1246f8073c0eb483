"""Reading orders: nothing is lost while the list moves, and nothing is asked more often than allowed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest
from mirakl_kit import Operator, open_session

from crossdock import ByKeys, Order, Page, PluginError, Since, TransientError
from crossdock_mirakl import orders, plugin

ONE = [{"sku": "P-100", "quantity": 1}]


def keys(found: list[Order]) -> list[str]:
    return [order.key for order in found]


def questions(operator: Operator) -> list[dict[str, list[str]]]:
    return [parse_qs(each["query"]) for each in operator.asked("GET", "/api/orders")]


def test_every_page_is_read_and_each_order_comes_once(operator: Operator) -> None:
    placed = operator.sandbox.seed_orders(230)
    found, cursor, pages = operator.orders()
    assert sorted(keys(found)) == sorted(placed)
    assert cursor is not None
    assert sum(page.seen or 0 for page in pages) == 230


def test_the_window_is_fixed_at_both_ends_and_sorted_by_creation(operator: Operator) -> None:
    operator.sandbox.seed_orders(120)
    _, cursor, _ = operator.orders()
    operator.orders(cursor)
    asked = questions(operator)
    assert {each["end_update_date"][0] for each in asked[:2]} == {asked[0]["end_update_date"][0]}
    assert all((each["sort"], each["order"]) == (["dateCreated"], ["asc"]) for each in asked)
    assert "start_update_date" in asked[-1]


def test_the_next_run_brings_only_what_changed_and_overlaps(operator: Operator) -> None:
    old, young = operator.sandbox.place_order(ONE), operator.sandbox.place_order(ONE)
    _, cursor, _ = operator.orders()
    operator.sandbox.advance(3600)
    _, cursor, _ = operator.orders(cursor)
    operator.sandbox.advance(3600)
    operator.sandbox.touch(old)
    found, _, _ = operator.orders(cursor)
    assert keys(found) == [old]
    assert young != old


def test_the_bookmark_comes_only_after_the_last_page(operator: Operator) -> None:
    operator.sandbox.seed_orders(150)
    _, _, pages = operator.orders()
    with_rows = [page for page in pages if page.records]
    assert [page.cursor for page in with_rows] == [None, None]
    assert len([page for page in pages if page.cursor]) == 1


def test_orders_that_change_between_two_pages_are_not_lost(operator: Operator) -> None:
    placed = operator.sandbox.seed_orders(330)
    operator.sandbox.advance(2)
    seen: set[str] = set()
    cursor = None
    for index, page in enumerate(plugin.fetch_orders(operator.session, Since())):
        seen.update(order.key for order in page.records)
        cursor = page.cursor or cursor
        operator.sandbox.advance(1)
        for key in placed[index * 20 : index * 20 + 15]:  # they leave the window, and the rest moves up
            operator.sandbox.touch(key)
    operator.sandbox.advance(1)
    again, _, _ = operator.orders(cursor)
    assert seen | set(keys(again)) == set(placed)


def answering(operator: Operator, times: int, change: Callable[[dict[str, Any]], None]) -> None:
    """The next lists of orders are answered `times` times as they stand now, but for a change."""
    body = operator.session.http.get("orders", {"max": 100}).json()
    change(body)
    text = json.dumps(body)
    operator.sandbox.fault("status", method="GET", path="sort=dateCreated", times=times, status=200, body=text)


def test_a_count_that_differs_from_the_rows_is_read_again_until_it_agrees(operator: Operator) -> None:
    placed = operator.sandbox.seed_orders(30)
    answering(operator, 1, lambda body: body["orders"].pop(7))
    found, cursor, _ = operator.orders()
    assert sorted(keys(found)) == sorted(placed)
    assert cursor is not None


def test_a_count_that_never_agrees_leaves_the_bookmark_where_it_was(operator: Operator) -> None:
    operator.sandbox.seed_orders(5)
    answering(operator, 50, lambda body: body["orders"].pop(2))
    pages: list[Page[Order]] = []
    with pytest.raises(TransientError, match="counts 5 orders"):
        pages.extend(plugin.fetch_orders(operator.session, Since()))
    assert not any(page.cursor for page in pages)


def test_a_long_history_is_cut_into_windows_with_bookmarks_of_their_own(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "SPLIT", 40)
    monkeypatch.setattr(orders, "SHORTEST", orders._SECOND)
    placed = []
    for _ in range(20):
        placed += operator.sandbox.seed_orders(8)
        operator.sandbox.advance(600)
    found, _, pages = operator.orders()
    assert set(keys(found)) == set(placed)  # some come twice: Mirakl takes some minutes off each window's start
    assert len([page for page in pages if page.cursor]) > 2


def test_a_first_import_goes_on_at_the_last_bookmark(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "SPLIT", 40)
    placed = []
    for _ in range(20):
        placed += operator.sandbox.seed_orders(8)
        operator.sandbox.advance(600)
    seen: list[str] = []
    cursor = None
    for page in plugin.fetch_orders(operator.session, Since()):
        seen += [order.key for order in page.records]
        cursor = page.cursor or cursor
        if cursor:
            break  # the worker died here
    rest, _, _ = operator.orders(cursor)
    assert 0 < len(seen) < len(placed)
    assert set(seen) | set(keys(rest)) == set(placed)


@pytest.mark.parametrize("off", [-600, -60, 60, 600])
def test_clocks_that_differ_lose_nothing(operators: Callable[..., Operator], off: float) -> None:
    operator = operators(connect={"off": off})
    first = operator.sandbox.place_order(ONE)
    found, cursor, _ = operator.orders()
    assert keys(found) == [first]
    operator.sandbox.advance(2)
    second = operator.sandbox.place_order(ONE)
    assert second in keys(operator.orders(cursor)[0])


def test_named_orders_are_asked_for_a_hundred_at_a_time(operator: Operator) -> None:
    placed = operator.sandbox.seed_orders(130)
    pages = list(plugin.fetch_orders(operator.session, ByKeys((*placed, "nowhere-A"))))
    assert sorted(order.key for page in pages for order in page.records) == sorted(placed)
    assert [len(each["order_ids"][0].split(",")) for each in questions(operator)] == [100, 31]


def test_an_order_that_no_window_showed_is_caught_by_the_items_to_ship(operator: Operator) -> None:
    lost = operator.sandbox.place_order(ONE, accepted=True)
    operator.sandbox.advance(3600)
    late = Since(json.dumps({"until": operator.session.clock.now().isoformat()}))
    first = [order.key for page in plugin.fetch_orders(operator.session, late) for order in page.records]
    operator.sandbox.advance(3600)
    second = [order.key for page in plugin.fetch_orders(operator.session, late) for order in page.records]
    assert (first, second) == ([lost], [])


def test_the_second_net_never_breaks_a_run(operator: Operator) -> None:
    placed = operator.sandbox.place_order(ONE, accepted=True)
    operator.sandbox.fault("status", path="items_to_ship", status=403)
    found, cursor, _ = operator.orders()
    assert (keys(found), bool(cursor)) == ([placed], True)


def test_a_staging_order_comes_when_the_operator_has_checked_it(operator: Operator) -> None:
    key = operator.sandbox.place_order(ONE, staging=True)
    _, cursor, pages = operator.orders()
    assert pages[0].skipped == {"still checked by the operator": 1}
    operator.sandbox.release(key)
    found, _, _ = operator.orders(cursor)
    assert [(order.key, order.needs_acceptance) for order in found] == [(key, True)]


def test_orders_before_the_order_start_stay_out(operators: Callable[..., Operator]) -> None:
    operator = operators(connect={"order_start": "2100-01-01"})
    operator.sandbox.place_order(ONE)
    assert operator.orders()[0] == []


def test_one_unreadable_order_does_not_stop_the_others(operator: Operator) -> None:
    good, bad = operator.sandbox.place_order(ONE), operator.sandbox.place_order(ONE)
    answering(operator, 1, lambda body: body["orders"][1].update(total_price="?"))
    found, cursor, pages = operator.orders()
    assert keys(found) == [good]
    assert [error.key for page in pages for error in page.rejects] == [bad]
    assert cursor is not None


def test_only_the_chosen_channels_are_asked_for(operators: Callable[..., Operator]) -> None:
    operator = operators(connect={"channels": "ES"})
    spanish = operator.sandbox.place_order(ONE, channel="ES")
    operator.sandbox.place_order(ONE, channel="FR")
    assert keys(operator.orders()[0]) == [spanish]


def test_a_foreign_bookmark_is_refused(operator: Operator) -> None:
    with pytest.raises(PluginError, match="bookmark"):
        operator.orders('{"feeds":1}')


# -- how often ---------------------------------------------------------------------------------------


@pytest.fixture
def paced(operator: Operator) -> Iterator[Callable[[str], Operator]]:
    """The same operator with the real call frequencies."""
    opened: list[Any] = []

    def connect(partner: str) -> Operator:
        session = open_session(operator.sandbox, operator.sandbox.base_url, paced=True, partner=partner)
        opened.append(session)
        return Operator(operator.sandbox, session)

    yield connect
    for session in opened:
        session.http.close()


@pytest.mark.parametrize(("partner", "minutes"), [("yes", 15), ("no", 1)])
def test_the_list_is_begun_as_often_as_the_vendor_allows(
    paced: Callable[[str], Operator], partner: str, minutes: int
) -> None:
    operator = paced(partner)
    operator.sandbox.seed_orders(150)  # two pages are one listing
    _, cursor, _ = operator.orders()
    operator.sandbox.advance(minutes * 60 - 40)
    with pytest.raises(TransientError, match="orders"):
        operator.orders(cursor)
    operator.sandbox.advance(40)
    operator.orders(cursor)


def test_a_run_keeps_the_limits_of_a_strict_operator(operators: Callable[..., Operator]) -> None:
    operator = operators(connect={"paced": True}, strict_limits=True)
    placed = operator.sandbox.seed_orders(250)
    found, _, _ = operator.orders()
    assert len(found) == len(placed)
    assert not [each for each in operator.sandbox.requests if each["status"] == 429]


def test_times_are_sent_in_utc(operators: Callable[..., Operator]) -> None:
    operator = operators(connect={"order_start": "2026-01-31T12:00:00+02:00"})
    operator.orders()
    assert questions(operator)[0]["start_update_date"] == ["2026-01-31T10:00:00Z"]
    assert datetime.fromisoformat(questions(operator)[0]["end_update_date"][0]).tzinfo == UTC
