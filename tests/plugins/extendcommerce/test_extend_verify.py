"""Verify names what is wrong and stores nothing."""

from __future__ import annotations

import pytest
from connector_kit import opened

from crossdock import Check
from crossdock.errors import SettingsError, TransientError
from crossdock.settings import build
from crossdock_extendcommerce import plugin
from crossdock_extendcommerce.sandbox import ExtendSandbox, create
from crossdock_extendcommerce.settings import Settings


def checks(twin: ExtendSandbox, **changes: str) -> dict[str, Check]:
    with opened(twin, **changes) as session:
        return {each.name: each for each in plugin.verify(session)}


def states(found: dict[str, Check]) -> dict[str, str]:
    return {name: check.state for name, check in found.items()}


def test_a_working_connection_is_green_and_stores_nothing(twin: ExtendSandbox) -> None:
    before = twin.state()
    found = checks(twin)
    assert set(states(found).values()) == {"ok"}
    assert found["Read stock"].facts == {"warehouses": ["HUVUD", "RETUR"]}
    assert twin.state() == before


@pytest.mark.parametrize(("changes", "word"), [
    ({"password": "wrong"}, "password"),
    ({"client": "NOBODY"}, "client"),
    ({"auth_header": "Authorization"}, "login header"),
])  # fmt: skip
def test_a_wrong_login_stops_at_the_first_step_and_says_what_to_check(
    twin: ExtendSandbox, changes: dict[str, str], word: str
) -> None:
    found = checks(twin, **changes)
    assert states(found) == {"Address, login and client": "fail"}
    assert word in found["Address, login and client"].hint


@pytest.mark.parametrize(("accepted", "sent"), [
    ("Authorization", "Authorization"), ("Authorization", "both"), ("ExtendBasicAuthorization", "both"),
])  # fmt: skip
def test_each_login_header_works_where_it_is_accepted(accepted: str, sent: str) -> None:
    assert checks(create(auth_header=accepted), auth_header=sent)["Address, login and client"].state == "ok"


def test_a_user_who_may_only_read_is_told_that_writing_is_missing() -> None:
    twin = create(read_only=True)
    twin.seed(1)
    found = checks(twin)
    assert (found["Read orders"].state, found["Read stock"].state, found["Write orders"].state) == ("ok", "ok", "fail")
    assert "credentials" in found["Write orders"].hint


def test_a_user_who_may_not_read_orders_is_told_so(twin: ExtendSandbox) -> None:
    twin.fault("status", path="CustomerOrders\\?", status=403)
    found = checks(twin)
    assert (found["Read orders"].state, found["Write orders"].state) == ("fail", "ok")


def test_an_unknown_customer_is_not_taken_for_a_missing_right(twin: ExtendSandbox) -> None:
    found = checks(twin, customer_number="K-0")["Write orders"]
    assert found.state == "fail"
    assert "customer number" in found.hint


@pytest.mark.parametrize(("changes", "name"), [
    ({"customer_number": ""}, "Write orders"), ({"price_customer_number": ""}, "Prices"),
    ({"webhook_secret": ""}, "Webhooks"), ({"warehouses": ""}, "Warehouse"), ({"warehouses": "NOWHERE"}, "Read stock"),
    ({"freight_product": ""}, "Articles"),
])  # fmt: skip
def test_what_is_not_set_is_a_warning(twin: ExtendSandbox, changes: dict[str, str], name: str) -> None:
    found = checks(twin, **changes)
    assert found[name].state == "warn"
    assert found[name].hint


def test_an_article_that_does_not_exist_is_found(twin: ExtendSandbox) -> None:
    assert checks(twin, freight_product="NOPE")["Article for shipping"].state == "fail"


def test_no_product_to_ask_about_is_a_warning() -> None:
    assert checks(create())["Write orders"].state == "warn"


def test_an_html_page_instead_of_the_api_is_a_wrong_address(twin: ExtendSandbox) -> None:
    twin.fault("html", path="Countries")
    assert states(checks(twin)) == {"Address, login and client": "fail"}


def test_a_server_that_is_not_there_is_passing_trouble(twin: ExtendSandbox) -> None:
    with opened(twin, api_url="http://127.0.0.1:9/RESTAPI") as session, pytest.raises(TransientError):
        list(plugin.verify(session))


@pytest.mark.parametrize("address", ["server.example/RESTAPI", "https://server.example/RESTAPI/v1_0/DEMO", "ftp://x/y"])
def test_an_address_that_cannot_be_right_is_refused_at_once(address: str) -> None:
    with pytest.raises(SettingsError) as caught:
        build(Settings, {"api_url": address, "client": "D", "username": "u", "password": "p"})
    assert set(caught.value.problems) == {"api_url"}


@pytest.mark.parametrize(
    "name", ["calls_per_minute", "connect_timeout", "read_timeout", "write_timeout", "history_days"]
)
@pytest.mark.parametrize("value", ["0", "-1"])
def test_numbers_that_leave_no_time_and_no_call_are_refused(name: str, value: str) -> None:
    given = {"api_url": "https://x.example/RESTAPI", "client": "X", "username": "u", "password": "p", name: value}
    with pytest.raises(SettingsError, match=rf"\({name}\) must be a whole number from 1 to "):
        build(Settings, given)


def test_a_sandbox_without_limits_can_be_connected_to() -> None:
    build(Settings, create(generous=True).settings("http://127.0.0.1:1"))
