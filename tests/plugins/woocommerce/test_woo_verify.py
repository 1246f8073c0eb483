"""Verify proves the connection step by step; each red step says what to do, and nothing is changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from crossdock import Check, Session
from crossdock_woocommerce import plugin
from crossdock_woocommerce.settings import Settings

MAINTENANCE = "<!DOCTYPE html><html><head><title>Maintenance</title></head></html>"
JSON_403 = '{"code":"rest_forbidden","message":"Only authenticated users can access the REST API.","data":{}}'


def last(session: Session[Settings]) -> Check:
    return list(plugin.verify(session))[-1]


def facts(session: Session[Settings]) -> dict[str, object]:
    learnt: dict[str, object] = {}
    for check in plugin.verify(session):
        assert check.state != "fail", check
        learnt |= check.facts
    return learnt


@pytest.mark.parametrize("https", [True, False])
@pytest.mark.parametrize("subfolder", ["", "/shop"])
def test_a_good_shop_is_green_from_top_to_bottom(shops, https: bool, subfolder: str) -> None:
    checks = list(plugin.verify(shops(https=https, subfolder=subfolder).connect()))
    assert [(each.name, each.state) for each in checks] == [
        (name, "ok")
        for name in (
            "Address", "Login", "Version", "Read orders", "Write orders", "Shop settings", "Clock", "Extensions",
        )
    ]  # fmt: skip


def test_the_facts_say_how_the_shop_counts_money(shops) -> None:
    learnt = facts(shops(currency="JPY", prices_include_tax=False, round_at_subtotal=True).connect())
    assert (learnt["currency"], learnt["decimals"], learnt["prices_include_tax"]) == ("JPY", 2, False)
    assert (learnt["round_at_subtotal"], learnt["timezone"]) == (True, "Europe/Berlin")


@pytest.mark.parametrize(("version", "everywhere"), [("11.0.1", True), ("8.1.1", False)])
def test_whether_all_variations_come_in_one_list_is_found_out(shops, version: str, everywhere: bool) -> None:
    assert facts(shops(version=version).connect())["variations_endpoint"] is everywhere


@pytest.mark.parametrize(
    ("has", "found"),
    [("none", "note"), ("fulfillments", "fulfillments"), ("shipment-tracking", "shipment-tracking"), ("ast", "ast")],
)
def test_the_tracking_facility_is_found(shops, has: str, found: str) -> None:
    assert facts(shops(tracking=has).connect())["tracking"] == found


def test_a_chosen_tracking_facility_is_kept(shops) -> None:
    assert facts(shops(tracking="ast").connect(tracking="note"))["tracking"] == "note"


def test_fulfillments_that_are_switched_off_are_red_when_chosen(shops) -> None:
    assert "switched off" in last(shops().connect(tracking="fulfillments")).detail


def test_plain_permalinks_are_yellow_and_the_detour_is_remembered(shops) -> None:
    first, *rest = plugin.verify(shops(permalinks="plain").connect())
    assert (first.state, first.facts["route"]) == ("warn", "plain")
    assert "Permalinks" in first.hint
    assert {check.state for check in rest} == {"ok"}


def test_plain_permalinks_are_red_when_the_pretty_route_is_demanded(shops) -> None:
    check = last(shops(permalinks="plain").connect(route="pretty"))
    assert (check.name, check.state) == ("Address", "fail")


def test_a_byte_order_mark_is_yellow(shops) -> None:
    first, *rest = plugin.verify(shops(bom=True).connect())
    assert (first.state, {check.state for check in rest}) == ("warn", {"ok"})


def test_a_php_warning_in_the_answers_is_quoted(shops) -> None:
    check = last(shops(php_notice="<br />\n<b>Warning</b>: Undefined variable $x in x.php").connect())
    assert (check.name, check.state) == ("Address", "fail")
    assert "Undefined variable $x in x.php" in check.detail


def test_the_wrong_folder_is_red(shops) -> None:
    shop = shops(subfolder="/shop")
    check = last(shop.connect(url=f"{shop.url}/elsewhere"))
    assert (check.name, check.state) == ("Address", "fail")
    assert "404" in check.detail


def test_a_server_that_is_not_there_is_red(shops) -> None:
    check = last(shops().connect(url="http://127.0.0.1:9"))
    assert "cannot be reached" in check.detail
    assert check.hint


def test_a_redirect_names_the_address_to_configure(shops) -> None:
    shop = shops()
    target = "https://www.shop.example/de/wp-json/"
    shop.sandbox.fault("status", path="/wp-json/", status=301, headers={"Location": target}, times=9)
    check = last(shop.connect())
    assert "Set the shop address to https://www.shop.example/de;" in check.hint


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (403, "<!DOCTYPE html><html>Attention Required!</html>", "firewall"),
        (406, "<html>Not acceptable</html>", "firewall"),
        (403, JSON_403, "security plugin"),
        (503, MAINTENANCE, "verify again"),
        (500, "<!DOCTYPE html><html>critical error</html>", "error log"),
        (200, "<!DOCTYPE html><html>Front page</html>", "Permalinks"),
        (404, "<html>Not found</html>", "Permalinks"),
        (200, '{"namespaces": ["wp/v2"]}', "Activate WooCommerce"),
    ],
)
def test_whatever_answers_instead_of_the_api_is_told_apart(shops, status: int, body: str, words: str) -> None:
    shop = shops()
    headers = {"Content-Type": "text/html", "Retry-After": "600"} if body[:1] == "<" else {}
    shop.sandbox.fault("status", status=status, body=body, headers=headers, times=99)
    check = last(shop.connect())
    assert (check.name, check.state) == ("Address", "fail")
    assert words.lower() in check.hint.lower()


def test_an_unknown_key_is_red(shops) -> None:
    check = last(shops(https=True).connect(consumer_key="ck_other"))
    assert (check.name, check.state) == ("Login", "fail")
    assert "does not know the consumer key" in check.hint or "http" in check.hint


def test_a_wrong_secret_is_red(shops) -> None:
    check = last(shops(https=True).connect(consumer_secret="cs_wrong"))
    assert (check.name, check.detail) == ("Login", "Consumer secret is invalid.")
    assert "secret" in check.hint


def test_a_stripped_authorization_header_is_recognised(shops) -> None:
    check = last(shops(https=True, strip_authorization=True).connect())
    assert "strips the Authorization header" in check.detail
    assert "CGIPassAuth" in check.hint


def test_a_stripped_authorization_header_is_no_trouble_with_the_query_login(shops) -> None:
    facts(shops(https=True, strip_authorization=True).connect(auth="query"))


def test_basic_login_over_http_is_explained(shops) -> None:
    check = last(shops(https=False).connect(auth="basic"))
    assert "ignored over http" in check.hint


@pytest.mark.parametrize(("scope", "step"), [("read", "Write orders"), ("write", "Login")])
def test_a_key_without_read_or_write_is_red(shops, scope: str, step: str) -> None:
    check = last(shops(scope=scope).connect())
    assert (check.name, check.state) == (step, "fail")
    assert "Read/Write" in check.hint


def test_a_key_of_a_customer_is_red(shops) -> None:
    check = last(shops(role="customer").connect())
    assert (check.name, check.state) == ("Login", "fail")
    assert "shop manager" in check.hint


@pytest.mark.parametrize(("version", "state"), [("7.5.9", "fail"), ("7.6.0", "ok"), ("10.4.0", "ok")])
def test_versions_from_7_6_on_are_taken(shops, version: str, state: str) -> None:
    steps = {check.name: check for check in plugin.verify(shops(version=version).connect())}
    assert steps["Version"].state == state


def test_tax_rounding_at_subtotal_is_yellow(shops) -> None:
    steps = {check.name: check for check in plugin.verify(shops(round_at_subtotal=True).connect())}
    assert (steps["Shop settings"].state, "cent off" in steps["Shop settings"].detail) == ("warn", True)


def test_a_clock_that_is_off_is_yellow(shops) -> None:
    shop = shops(https=True, clock=lambda: datetime.now(UTC) + timedelta(minutes=5))
    steps = {check.name: check for check in plugin.verify(shop.connect())}
    assert steps["Clock"].state == "warn"


def test_a_clock_that_is_too_far_off_for_oauth_is_named(shops) -> None:
    shop = shops(https=False, clock=lambda: datetime.now(UTC) + timedelta(hours=1))
    check = last(shop.connect())
    assert (check.name, check.state) == ("Login", "fail")
    assert "clocks differ" in check.hint


def test_nothing_is_changed(shops) -> None:
    shop = shops(tracking="ast")
    shop.sandbox.seed(orders=3, products=3)
    before = shop.sandbox.state()
    facts(shop.connect())
    assert shop.sandbox.state() == before


def test_the_secret_is_in_no_text(shops) -> None:
    shop = shops(https=True, strip_authorization=True)
    session = shop.connect()
    secret = session.settings.consumer_secret.reveal()
    assert all(secret not in f"{check}" for check in plugin.verify(session))
