"""Feeds that are not what they seem: what must not be believed, and what must not be overlooked."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from xd_kit import Store, opened, order, values

from crossdock import ByKeys, RecordError, Session, Since, TransientError
from crossdock_xdconnects import plugin
from crossdock_xdconnects.mapping import tiers
from crossdock_xdconnects.sandbox import XdSandbox
from crossdock_xdconnects.settings import Settings
from crossdock_xdconnects.tables import Line, read


def levels(session: Session[Settings], cursor: str | None = None) -> dict[str, int]:
    pages = plugin.fetch_balance(session, Since(cursor))
    return {each.sku: int(each.available) for page in pages for each in page.records}


@pytest.mark.parametrize("body", [
    '[{"Message": "Too many requests for this feed"}]', '{"errors": [{"code": 429}]}',
    "<Error><Message>Too many requests</Message><Code>7</Code></Error>", "Error\tMessage\n7\tToo many requests\n",
])  # fmt: skip
def test_an_error_message_is_no_feed_also_when_there_is_none_yet(xd: XdSandbox, store: Store, body: str) -> None:
    link = values(xd)["stock_feed"]
    xd.fault("status", path="Stock", status=200, body=body)
    with opened(xd, store, stock_feed=link) as session, pytest.raises(TransientError, match="stock feed is not used"):
        levels(session)
    assert store.files.items() == {}


def test_the_link_of_another_feed_is_recognised(xd: XdSandbox, store: Store) -> None:
    link = values(xd)["stock_feed"]
    with opened(xd, store, prices_feed=link) as session, pytest.raises(TransientError, match="another feed"):
        list(plugin.fetch_prices(session, Since()))


def test_an_item_that_left_the_stock_feed_has_no_stock_any_more(xd: XdSandbox, session: Session[Settings]) -> None:
    first = levels(session)
    gone = xd.catalogue.items.pop("p990.001")
    session.clock.sleep(900)
    assert levels(session) == {**first, "P990.001": 0}
    session.clock.sleep(900)
    assert levels(session)["P990.001"] == 0
    (page,) = plugin.fetch_balance(session, ByKeys(("p990.001",)))
    assert [each.available for each in page.records] == [0]
    xd.catalogue.items["p990.001"] = gone
    session.clock.sleep(900)
    assert levels(session) == first


def test_a_feed_that_says_to_be_of_the_future_does_not_block_the_next(xd: XdSandbox, store: Store) -> None:
    with opened(xd, store) as session:
        levels(session)
        kept = store.files.items()["stock_feed"]
        content = kept.content.replace(b"2026-09-15T", b"2026-09-17T")
        store.files.put("stock_feed", content, {**kept.facts, "created": "2026-09-17T10:00:00+00:00"})
    with opened(xd, store) as session:
        (page,) = plugin.fetch_balance(session, ByKeys(("P990.001",)))
        assert page.records[0].as_of == store.clock.now()
        store.clock.advance(minutes=15)
        assert levels(session)


def test_prices_of_another_link_are_read_though_made_at_the_same_moment(xd: XdSandbox, store: Store) -> None:
    with opened(xd, store) as session:
        cursor = list(plugin.fetch_prices(session, Since()))[-1].cursor
    other = values(xd)["prices_feed"].replace("en-gb", "nl-nl")
    with opened(xd, Store(store.clock), prices_feed=other) as session:
        assert any(page.records for page in plugin.fetch_prices(session, Since(cursor)))


def test_an_order_after_midnight_is_priced_by_the_new_prices(xd: XdSandbox, session: Session[Settings]) -> None:
    session.clock.moment = datetime(2026, 9, 15, 21, 30, tzinfo=UTC)  # type: ignore[attr-defined]
    before = plugin.preview_order(session, order(), "shop-1")
    xd.change_price("P990.001", "11.11", tier=3)
    session.clock.sleep(3 * 3600)
    after = plugin.preview_order(session, order(), "shop-1")
    assert (Decimal(before.total), Decimal(after.total)) == (Decimal("465.00"), Decimal("555.50"))


def cells(**columns: str) -> Line:
    return read(("\t".join(("ItemCode", *columns)) + "\n" + "\t".join(("A", *columns.values())) + "\n").encode()).rows[
        0
    ]


def test_goods_are_not_given_away() -> None:
    with pytest.raises(RecordError, match="nothing or less"):
        list(tiers(cells(Qty1="1", ItemPriceNet_Qty1="0.00")))


def test_steps_of_nothing_are_no_steps() -> None:
    found = list(tiers(cells(Qty1="1", ItemPriceNet_Qty1="2", Qty2="0", ItemPriceNet_Qty2="0.00")))
    assert [each.net for each in found] == [2]
