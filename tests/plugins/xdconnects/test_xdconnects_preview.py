"""A preview looks at everything before an order takes effect, and its hash stands for exactly one body."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sandbox_kit import SWITCHBOARD
from xd_kit import (
    HOME,
    KEY,
    Store,
    chest,
    digital,
    engraving,
    line,
    on_this_server,
    opened,
    order,
    padding,
    printed,
    wire_file,
)  # fmt: skip

from crossdock import Decoration, Order, OrderLine, Preview, Session, evolve
from crossdock.registry import Registry
from crossdock_xdconnects import plugin
from crossdock_xdconnects.sandbox import XdSandbox
from crossdock_xdconnects.settings import Settings


def preview(session: Session[Settings], wanted: Order) -> Preview:
    wanted = evolve(wanted, lines=tuple(on_this_server(each) for each in wanted.lines))
    return plugin.preview_order(session, wanted, KEY)


def decorated(sku: str, quantity: int, *decorations: Decoration) -> OrderLine:
    return line(sku, quantity, decorations=decorations)


GOOD = [
    pytest.param(order(), id="blank"),
    pytest.param(printed(), id="engraved"),
    pytest.param(printed(padding("PMS 186 C", "PMS Black C")), id="two colours"),
    pytest.param(order(decorated("P992.010", 50, digital())), id="full colour"),
    pytest.param(order(line("P990.005", 500)), id="arrives later"),
    pytest.param(order(line("p990.001")), id="code in small letters"),
    pytest.param(order(line(quantity=2), extras={"order_type": "sample"}), id="sample"),
    pytest.param(printed(engraving(position="a1")), id="position by its code"),
    pytest.param(printed(engraving(position="")), id="the default position"),
]

BAD: list[Any] = [
    (order(line("NOPE")), "Line 1 (NOPE): XD has no such item."),
    (order(line("")), "XD has no such item."),
    (order(line(quantity=0)), "the quantity 0 is no whole number of pieces."),
    (order(line(quantity="1.5")), "the quantity 1.5 is no whole number of pieces."),
    (order(line("P993.001", 20)), "at least 50 pieces must be ordered without print."),
    (order(line("P992.010"), shipping_address=evolve(HOME, country="NO")), "it must not be sold to NO."),
    (order(line("990001", 38)), "990001: 38 pieces are wanted, 37 are in stock or announced."),
    (order(line(quantity=9000)), "9000 pieces are wanted, 3836 are in stock or announced."),
    (order(line(quantity=3000), line(quantity=2000)), "5000 pieces are wanted"),
    (order(line("P990.005"), ship_by=datetime(2026, 9, 20, tzinfo=UTC)), "there only on 2026-10-05, later than asked"),
    (order(line(), decorated("P990.003", 50, engraving())), "never ordered together"),
    (order(line(extras={"sample": True}), line("P990.003")), "never ordered together"),
    (order(currency="DKK"), "The order is in DKK, the account at XD in EUR."),
    (order(shipping_address=None), "There is no delivery address."),
    (order(shipping_address=evolve(HOME, street="", city=" ")), "The delivery address has no street, city."),
    (order(shipping_address=evolve(HOME, name="", company="")), "The delivery address has no name."),
    (order(shipping_address=evolve(HOME, country="Denmark")), "no country (two letters)."),
    (order(line(ship_to=HOME)), "Lines go to different addresses"),
    (evolve(order(), lines=()), "The order has no lines."),
    (printed(engraving(technique="")), "names no print code"),
    (printed(engraving(technique="Demo Transfer OS")), "cannot be printed with Demo Transfer OS; possible are"),
    (printed(engraving(position="lid")), "Demo Laser 1 has no position 'lid'; possible are: item front (A1)."),
    (printed(engraving(width=Decimal(41))), "41 mm in width, the limit is 40 mm."),
    (printed(engraving(height=Decimal(61))), "61 mm in height, the limit is 60 mm."),
    (printed(engraving(width=None)), "has no width."),
    (printed(padding("1", "2", "3")), "has 3 colours, the limit is 2."),
    (printed(padding("")), "names no colours (PMS)."),
    (printed(padding("full colour")), "is not printed in full colour."),
    (order(decorated("P992.010", 20, digital())), "Demo Digital FC is printed on at least 50 pieces."),
    (order(decorated("T9900.002.M", 100, chest("281", "10"))), "281 mm in width, the limit is 280 mm."),
]


@pytest.mark.parametrize("wanted", GOOD)
def test_a_good_order_has_no_problem(session: Session[Settings], wanted: Order) -> None:
    found = preview(session, wanted)
    assert found.problems == ()
    assert found.hash
    assert Decimal(found.total) > 0


@pytest.mark.parametrize(("wanted", "sentence"), BAD)
def test_what_is_wrong_with_an_order_is_said(session: Session[Settings], wanted: Order, sentence: str) -> None:
    assert sentence in " ".join(preview(session, wanted).problems)


def test_an_item_that_is_not_sold_any_more_is_refused(xd: XdSandbox, session: Session[Settings]) -> None:
    xd.catalogue.get("P990.001").life_cycle = "discontinued"
    assert "not sold any more" in " ".join(preview(session, order()).problems)


def test_feeds_of_long_ago_are_nothing_to_order_by(xd: XdSandbox, session: Session[Settings]) -> None:
    assert preview(session, order()).problems == ()
    xd.break_feed("Stock", "error_document")
    session.clock.sleep(49 * 3600)
    assert "The stock feed is of 2026-09-15, too old to order by." in preview(session, order()).problems


# -- artwork -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("address", "sentence"), [
    ("", "has no artwork address"),
    ("http://files.example/logo.pdf", "must have a public address that starts with https://"),
    ("ftp://files.example/logo.pdf", "must have a public address"),
    ("https://files.example/logo.docx?sig=s3cr3t", "is no artwork file"),
    ("{server}/artwork/missing.pdf", "its server answered 404"),
    ("{server}/artwork/page", "its server answered 404"),
    ("http://127.0.0.1:9/logo.pdf", "cannot be reached"),
])  # fmt: skip
def test_an_artwork_that_the_supplier_could_not_fetch_is_refused(
    session: Session[Settings], address: str, sentence: str
) -> None:
    wanted = printed(engraving(artwork_url=address.format(server=SWITCHBOARD.base_url)))
    (problem,) = plugin.preview_order(session, wanted, KEY).problems
    assert sentence in problem
    assert "s3cr3t" not in problem


def test_a_log_in_page_is_no_artwork(xd: XdSandbox, session: Session[Settings]) -> None:
    xd.fault("html", path="/artwork/")
    (problem,) = plugin.preview_order(session, printed(), KEY).problems
    assert "web page" in problem or "cannot be" in problem


def test_an_artwork_store_that_refuses_head_is_asked_with_get(xd: XdSandbox, session: Session[Settings]) -> None:
    xd.fault("status", path="/artwork/", status=403, times=1)
    assert plugin.preview_order(session, printed(), KEY).problems == ()


def test_one_artwork_is_asked_for_once(session: Session[Settings], store: Store) -> None:
    preview(session, printed(engraving(), padding()))
    assert [each.method for each in store.exchanges if "/artwork/" in each.url] == ["HEAD"]


# -- settings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"base_url": ""}, "base_url is empty"),
    ({"api_token": "", "company_name": ""}, "Ordering needs api_token, company_name"),
    ({"environment": "production"}, "confirmed_by_vendor_document"),
    ({"print_data_feed": ""}, "There is no link to a print data feed."),
    ({"stock_feed": "", "all_data_feed": ""}, "There is no link to a stock feed."),
    ({"wire_file": "no/such/file.json"}, "The mapping file no/such/file.json cannot be used"),
])  # fmt: skip
def test_what_is_missing_to_order_at_all_is_said(
    xd: XdSandbox, store: Store, changes: dict[str, str], sentence: str
) -> None:
    with opened(xd, store, **changes) as session:
        assert sentence in " ".join(plugin.preview_order(session, printed(), KEY).problems)


@pytest.mark.parametrize(("tolerance", "price", "fine"), [
    ("", "99", True), ("5", "9.30", True), ("5", "9.76", True), ("5", "9.77", False), ("5", "8.83", False),
])  # fmt: skip
def test_prices_are_compared_within_the_tolerance(
    xd: XdSandbox, store: Store, tolerance: str, price: str, fine: bool
) -> None:
    with opened(xd, store, price_tolerance=tolerance) as session:
        wanted = order(line(unit_price=Decimal(price), total=Decimal(price) * 50))
        assert (plugin.preview_order(session, wanted, KEY).problems == ()) is fine


# -- the body and its hash ---------------------------------------------------------------------------


def test_the_same_order_has_the_same_body_at_any_time(session: Session[Settings]) -> None:
    first = preview(session, printed())
    session.clock.sleep(40)
    assert preview(session, printed()) == first


def test_the_body_says_what_the_vendor_page_proposes(session: Session[Settings]) -> None:
    wanted = evolve(printed(padding("PMS 186 C", "PMS Black C")), ship_by=datetime(2026, 10, 1, 22, 30, tzinfo=UTC))
    body = json.loads(preview(session, wanted).body)
    made = body["order"]
    assert body["customer"] == {
        "accountCode": "DEMO", "accountNumber": "C00000", "companyName": "Demo Reseller ApS",
    }  # fmt: skip
    assert (made["reference"], made["orderType"], made["requestedDeliveryDate"]) == (KEY, "print", "2026-10-02")
    assert made["shippingAddress"]["countryCode"] == "DK"
    (item,) = made["lines"]
    assert (item["itemCode"], item["quantity"], item["expectedUnitPriceNet"]) == ("P990.001", 100, 9.0)
    (printing,) = item["prints"]
    assert (printing["printPositionCode"], printing["nrOfColors"], printing["pmsColors"]) == (
        "A2", 2, ["PMS 186 C", "PMS Black C"],
    )  # fmt: skip


@pytest.mark.parametrize("changed", [
    order(line(quantity=51)), order(line("P990.003")), order(note="Please hurry"),
    order(shipping_address=evolve(HOME, street2="2nd floor")), order(line(), line("P990.003")),
    order(ship_by=datetime(2026, 10, 2, tzinfo=UTC)),
])  # fmt: skip
def test_any_change_that_the_supplier_would_see_changes_the_hash(session: Session[Settings], changed: Order) -> None:
    assert preview(session, changed).hash != preview(session, order()).hash


def test_a_price_that_the_supplier_changed_changes_the_hash(xd: XdSandbox, session: Session[Settings]) -> None:
    first = preview(session, order())
    xd.change_price("P990.001", "9.99", tier=3)
    session.clock.sleep(25 * 3600)
    assert preview(session, order()).hash != first.hash


def test_a_change_that_the_supplier_never_sees_keeps_the_hash(session: Session[Settings]) -> None:
    first = preview(session, order())
    assert preview(session, order(status="pending", total=Decimal(1))).hash == first.hash


def test_credentials_in_the_body_are_masked_in_the_preview_but_count_in_its_hash(
    xd: XdSandbox, store: Store, tmp_path: Path
) -> None:
    body = {"token": {"$": "secret.api_token"}, "reference": {"$": "order.reference"}}
    path = wire_file(tmp_path, create={"method": "POST", "path": "/orders", "body": body})
    with opened(xd, store, wire_file=path) as session:
        first = plugin.preview_order(session, order(), KEY)
    with opened(xd, store, wire_file=path, api_token="another-token-entirely") as session:
        second = plugin.preview_order(session, order(), KEY)
    assert "sandbox-api-token" not in first.body
    assert first.hash != second.hash


# -- print areas of other plugins --------------------------------------------------------------------

LOCAL = """
from decimal import Decimal
from crossdock import evolve, hookimpl

@hookimpl
def xdconnects_print_areas(connection, item, areas):
    assert connection == "xd"
    if item != "P990.001":
        return None
    return [evolve(area, max_width=Decimal(30)) for area in areas if area.position_code != "A2"]
"""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """All installed plugins, and one of the project that knows better where bottles can be printed."""
    path = tmp_path / "crossdock_local.py"
    path.write_text(LOCAL)
    made = Registry(path)
    assert made.failures == []
    return made


@pytest.mark.parametrize(("wanted", "sentence"), [
    (printed(engraving(width=Decimal(30))), ""),
    (printed(engraving(width=Decimal(31))), "31 mm in width, the limit is 30 mm."),
    (printed(padding()), "Demo Pad has no position 'A2'; possible are: none."),
    (printed(engraving(width=Decimal(31)), sku="P990.003"), ""),
])  # fmt: skip
def test_another_plugin_narrows_and_corrects_print_areas(
    xd: XdSandbox, store: Store, registry: Registry, wanted: Order, sentence: str
) -> None:
    with opened(xd, store, hooks=registry.hook) as session:
        problems = preview(session, wanted).problems
    assert (sentence in " ".join(problems)) if sentence else problems == ()
