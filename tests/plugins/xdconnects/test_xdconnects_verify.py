"""Verify proves what can be proven without an order, and says what to do about the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from xd_kit import KEY, Store, opened, order, values, wire_file

from crossdock import Check
from crossdock.errors import SettingsError
from crossdock.settings import build
from crossdock_xdconnects import plugin
from crossdock_xdconnects.sandbox import XdSandbox
from crossdock_xdconnects.settings import REGIONS, Settings, mailbox


def checks(xd: XdSandbox, store: Store, **changes: str) -> dict[str, Check]:
    with opened(xd, store, **changes) as session:
        return {check.name: check for check in plugin.verify(session)}


def test_a_working_connection_has_no_red_step_and_orders_nothing(xd: XdSandbox, store: Store) -> None:
    found = checks(xd, store, live_ordering="no")
    assert {name: check.state for name, check in found.items()} == {
        "The six values": "ok", "Mapping file": "warn", "Products feed": "ok", "Prices feed": "ok",
        "Print data feed": "ok", "Print prices feed": "ok", "Stock feed": "ok", "All data feed": "ok",
        "Ordering": "warn", "Live ordering": "ok",
    }  # fmt: skip
    assert {each.method for each in store.exchanges} == {"GET"}


def test_verifying_twice_asks_for_no_feed_twice(xd: XdSandbox, store: Store) -> None:
    checks(xd, store)
    asked = len(store.exchanges)
    found = checks(xd, store)
    assert len(store.exchanges) == asked
    assert found["Stock feed"].state == "ok"


@pytest.mark.parametrize(("changes", "name", "word"), [
    ({"api_token": ""}, "The six values", "api_token"),
    ({"customer_account_number": "12"}, "The six values", "C00000"),
    ({"prices_feed": "", "all_data_feed": ""}, "Prices feed", "No link"),
    ({"print_data_feed": ""}, "Print data feed", "No link"),
    ({"base_url": ""}, "Ordering", "base_url"),
    ({}, "Ordering", "cannot be checked without ordering"),
    ({}, "Mapping file", "proposal"),
    ({"environment": "production"}, "Live ordering", "first one in production"),
])  # fmt: skip
def test_what_is_open_is_a_warning_that_says_what_to_do(
    xd: XdSandbox, store: Store, changes: dict[str, str], name: str, word: str
) -> None:
    check = checks(xd, store, **changes)[name]
    assert check.state == "warn"
    assert word in check.detail
    assert check.hint


@pytest.mark.parametrize(("trouble", "name", "word"), [
    (lambda xd: xd.break_feed("Stock", "error_document"), "Stock feed", "web page"),
    (lambda xd: xd.break_feed("ProductPrices", "mixed_currency"), "Prices feed", "Currency"),
    (lambda xd: xd.fault("status", path="Stock", status=404), "Stock feed", "does not know the link"),
    (lambda xd: xd.fault("status", path="Stock", status=500), "Stock feed", "could not be read"),
])  # fmt: skip
def test_a_feed_that_cannot_be_used_is_red(xd: XdSandbox, store: Store, trouble: Any, name: str, word: str) -> None:
    trouble(xd)
    check = checks(xd, store)[name]
    assert check.state == "fail"
    assert word in check.detail
    assert check.hint


def test_a_feed_of_another_currency_is_red(xd: XdSandbox, store: Store) -> None:
    assert checks(xd, store, currency="DKK")["Prices feed"].state == "fail"


def test_a_feed_that_was_got_before_the_currency_was_changed_is_red_too(xd: XdSandbox, store: Store) -> None:
    assert checks(xd, store)["Prices feed"].state == "ok"
    assert checks(xd, store, currency="DKK")["Prices feed"].state == "fail"


def test_a_feed_that_is_not_renewed_is_a_warning(xd: XdSandbox, store: Store) -> None:
    xd.break_feed("Stock", "stale")
    check = checks(xd, store)["Stock feed"]
    assert (check.state, "48 hours" in check.detail) == ("warn", True)


def test_a_broken_mapping_file_is_red(xd: XdSandbox, store: Store, tmp_path: Path) -> None:
    path = tmp_path / "wire.json"
    path.write_text('{"version": 5}')
    check = checks(xd, store, wire_file=str(path))["Mapping file"]
    assert (check.state, "version" in check.detail) == ("fail", True)


@pytest.mark.parametrize(("changes", "path", "state"), [
    ({}, "/orders?reference=none", "fail"), ({"api_token": "wrong-token-here"}, "/orders", "fail"),
])  # fmt: skip
def test_a_ping_is_asked_if_the_mapping_file_has_one(
    xd: XdSandbox, store: Store, tmp_path: Path, changes: dict[str, str], path: str, state: str
) -> None:
    wire = wire_file(tmp_path, ping={"path": path})
    assert checks(xd, store, wire_file=wire, **changes)["Ordering"].state == state


def test_a_ping_that_is_answered_is_green(xd: XdSandbox, store: Store, tmp_path: Path) -> None:
    with opened(xd, store) as session:
        plugin.preview_order(session, order(), KEY)
        plugin.push_order(session, order(), KEY, None)
    wire = wire_file(tmp_path, ping={"path": "/orders", "query": {"reference": KEY}})
    assert checks(xd, store, wire_file=wire)["Ordering"].state == "ok"


def test_silent_orders_are_named(xd: XdSandbox, store: Store) -> None:
    with opened(xd, store) as session:
        plugin.preview_order(session, order(), KEY)
        number = plugin.push_order(session, order(), KEY, None).external_id
    store.clock.advance(days=6)
    assert number in checks(xd, store)["Silent orders"].detail


# -- settings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "value", "word"), [
    ("api_token", "https://eu.onetimesecret.com/secret/EXAMPLE1", "open the link once"),
    ("security_code", "https://eu.onetimesecret.com/secret/EXAMPLE2", "open the link once"),
    ("api_token", "https://elsewhere.example/secret/1", "not the secret itself"),
    ("currency", "kr", "three capitals"),
    ("base_url", "http://xd.example/api", "https://"),
    ("stock_feed", "http://feeds.example/Feeds/Download/x/y.json", "https:// address"),
    ("stock_feed", "P990", "https:// address"),
    ("region", "moon", "must be one of"),
    ("environment", "live", "must be one of"),
])  # fmt: skip
def test_a_value_that_cannot_be_right_is_refused_at_once(xd: XdSandbox, name: str, value: str, word: str) -> None:
    with pytest.raises(SettingsError) as caught:
        build(Settings, {**values(xd), name: value})
    assert set(caught.value.problems) == {name}
    assert word in caught.value.problems[name]


def test_every_region_has_a_mailbox(xd: XdSandbox) -> None:
    for region, (address, countries) in REGIONS.items():
        assert mailbox(build(Settings, {**values(xd), "region": region})) == address
        for country in countries:
            assert mailbox(build(Settings, {"currency": "EUR"}), country) == address
    assert mailbox(build(Settings, {"currency": "EUR"}), "US") == ""
