"""Verify: one step after the other, each red one with a remedy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from mirakl_kit import KEY, Operator, json_sample, open_session

from crossdock import AccessError, Check, Outgoing, RecordError, SettingsError, Since, TransientError
from crossdock.settings import build
from crossdock_mirakl import plugin
from crossdock_mirakl.settings import INFO, Settings, endpoint

ACCOUNT = json_sample("a01-account.response.json")


def checks(operator: Operator) -> dict[str, Check]:
    return {check.name: check for check in plugin.verify(operator.session)}


def facts(found: dict[str, Check]) -> dict[str, Any]:
    return {name: value for check in found.values() for name, value in check.facts.items()}


def account(operator: Operator, **changes: Any) -> None:
    """The next A01 answers the recorded account with changes."""
    body = msgspec.json.encode({**ACCOUNT, **changes}).decode()
    operator.sandbox.fault("status", path="/api/account", status=200, body=body)


def test_a_working_connection_is_green_and_learns_its_facts(operator: Operator) -> None:
    found = checks(operator)
    assert {check.state for check in found.values()} == {"ok"}
    learnt = facts(found)
    assert learnt["shop_id"] == "2417"
    assert (learnt["tax_mode"], learnt["order_acceptance"], learnt["multi_shipment"]) == (
        "TAX_INCLUDED", "NOT_AUTOMATIC", True,
    )  # fmt: skip
    assert (learnt["decimals"], learnt["delimiter"], learnt["alternative_carrier"]) == (2, ";", True)
    assert learnt["addresses_before_acceptance"] is False
    assert learnt["channels"] == ["FR", "ES"]
    assert "COLISSIMO" in learnt["carriers"]
    assert learnt["cancel_reasons"] == ["34"]


def test_verify_writes_nothing(operator: Operator) -> None:
    checks(operator)
    assert {each["method"] for each in operator.sandbox.requests} == {"GET"}


def test_the_account_is_read_once_a_day(operators: Callable[..., Operator]) -> None:
    operator = operators(strict_limits=True, connect={"paced": True})
    checks(operator)
    operator.sandbox.advance(3600)
    assert checks(operator)["Shop"].state == "ok"
    assert len(operator.asked("GET", "/api/account")) == 1
    operator.sandbox.advance(86400)
    assert checks(operator)["Shop"].state == "ok"
    assert len(operator.asked("GET", "/api/account")) == 2


def test_bank_details_are_not_kept(operator: Operator) -> None:
    account(operator, payment_info={"iban": "FR7600000000000000000000000"})
    checks(operator)
    kept = operator.session.files.get("account")
    assert kept is not None
    assert b"FR76" not in kept.content


@pytest.mark.parametrize(("changes", "state", "words"), [
    ({"shop_state": "CLOSE"}, "warn", "CLOSE"), ({"shop_state": "SUSPENDED"}, "warn", "SUSPENDED"),
    ({"kyc": {"status": "PENDING_APPROVAL"}}, "warn", "PENDING_APPROVAL"), ({"shop_id": 99}, "fail", "99 answered"),
    ({"kyc": None}, "ok", "OPEN"),
])  # fmt: skip
def test_the_shop_is_judged_by_its_account(operator: Operator, changes: dict[str, Any], state: str, words: str) -> None:
    account(operator, **changes)
    check = checks(operator)["Shop"]
    assert check.state == state
    assert words in check.detail
    assert bool(check.hint) == (state != "ok")


@pytest.mark.parametrize(("path", "status", "step", "state", "words"), [
    ("version", 404, "Host name", "fail", "address"), ("version", 302, "Host name", "fail", "redirects"),
    ("version", 503, "Host name", "fail", "later"), ("platform/configuration", 401, "API key", "fail", "Generate"),
    ("platform/configuration", 403, "API key", "warn", "administrator"),
    ("platform/configuration", 503, "API key", "fail", "later"),
    ("platform/configuration", 400, "API key", "fail", "shop id"),
    ("api/account", 503, "Shop", "warn", "tomorrow"), ("api/account", 404, "Shop", "fail", "shop id"),
    ("api/orders", 403, "Read orders", "fail", "administrator"), ("api/orders", 503, "Read orders", "fail", "later"),
    ("shipping/carriers", 403, "Carriers and reasons", "warn", "administrator"),
])  # fmt: skip
def test_each_trouble_has_a_step_and_a_remedy(
    operator: Operator, path: str, status: int, step: str, state: str, words: str
) -> None:
    headers = {"location": "https://elsewhere.example"} if status == 302 else {}
    operator.sandbox.fault("status", path=path, status=status, headers=headers, times=9)
    found = checks(operator)
    assert found[step].state == state
    assert words in found[step].hint
    assert (list(found)[-1] == step) == (state == "fail" or step == "Carriers and reasons")


def test_a_page_instead_of_json_is_red(operator: Operator) -> None:
    operator.sandbox.fault("html", path="platform/configuration")
    assert checks(operator)["API key"].state == "fail"


def test_a_key_that_may_not_read_the_configuration_still_works(operator: Operator) -> None:
    operator.sandbox.fault("status", path="platform/configuration", status=403, times=9)
    found = checks(operator)
    assert found["Operator"].state == "warn"
    assert found["Read orders"].state == "ok"


def test_a_wrong_key_is_red_and_named_without_being_shown(operators: Callable[..., Operator]) -> None:
    operator = operators(connect={"api_key": "not-the-key"})
    found = checks(operator)
    assert found["API key"].state == "fail"
    assert "not-the-key" not in repr(found)


def test_a_channel_that_the_shop_has_not_is_red(operators: Callable[..., Operator]) -> None:
    check = checks(operators(connect={"channels": "FR,UK"}))["Shop"]
    assert (check.state, "UK" in check.detail) == ("fail", True)


def test_an_unknown_default_carrier_is_yellow(operators: Callable[..., Operator]) -> None:
    assert checks(operators(connect={"carrier": "PIGEON"}))["Carriers and reasons"].state == "warn"


# -- which shop --------------------------------------------------------------------------------------


def test_the_shop_that_verify_found_is_asked_for_from_then_on(operators: Callable[..., Operator]) -> None:
    operator = operators(default_shop_id=99, connect={"shop_id": ""})
    found = checks(operator)
    assert facts(found)["shop_id"] == "99"
    session = open_session(operator.sandbox, operator.sandbox.base_url, shop_id="", facts=facts(found))
    list(plugin.fetch_orders(session, Since()))
    assert all("shop_id=99" in each["query"] for each in operator.sandbox.requests[-2:])
    session.http.close()


# -- settings and errors -----------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "value"), [
    ("base_url", "operator.mirakl.net"), ("base_url", "https://operator.mirakl.net/mmp/shop"),
    ("api_key", "Bearer abc"), ("api_key", "two words"), ("shop_id", "my-shop"),
])  # fmt: skip
def test_settings_that_cannot_work_are_refused(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        build(Settings, {"base_url": "https://o.mirakl.net", "api_key": "k", name: value})
    assert list(caught.value.problems) == [name]


@pytest.mark.parametrize(
    "typed", ["https://o.example", "https://o.example/", "https://o.example/api", "https://o.example/api/"]
)
def test_the_host_may_be_typed_in_several_ways(typed: str) -> None:
    settings = build(Settings, {"base_url": typed, "api_key": "k"})
    assert endpoint(settings).base_url == "https://o.example/api"


def test_the_key_goes_raw_into_its_header(operator: Operator) -> None:
    auth = operator.session.http.endpoint.auth
    assert auth is not None
    assert auth(Outgoing("GET", "https://o.example", (), {})).headers["Authorization"] == KEY


def test_the_key_is_in_no_message_and_no_memory(operators: Callable[..., Operator]) -> None:
    operator = operators(connect={"api_key": KEY})
    operator.sandbox.fault("status", status=400, body=f'{{"status":400,"message":"Bad key {KEY}"}}', times=9)
    with pytest.raises(RecordError) as caught:
        operator.orders()
    assert KEY not in f"{caught.value} {caught.value.vendor_message} {caught.value.hint}"
    assert KEY not in repr(operator.session)


@pytest.mark.parametrize(("case", "kind"), [
    (401, AccessError), (403, AccessError), (400, RecordError), (429, TransientError), (503, TransientError),
])  # fmt: skip
def test_recorded_errors_are_judged(operator: Operator, case: int, kind: type[Exception]) -> None:
    found = next(each for each in json_sample("errors.json")["cases"] if each["http"] == case)
    body = found.get("body_text") or msgspec.json.encode(found["body"]).decode()
    operator.sandbox.fault("status", status=case, headers=found.get("headers", {}), body=body, times=9)
    with pytest.raises(kind):
        operator.orders()


def test_sellers_have_no_webhooks_and_orders_are_born_at_the_operator() -> None:
    assert INFO.webhooks == "none"
    assert not hasattr(plugin, "handle_webhook")
    assert not hasattr(plugin, "push_order")


def test_a_time_out_without_time_is_refused() -> None:
    with pytest.raises(SettingsError, match="must be a whole number from 1 to 3600"):
        build(Settings, {"base_url": "https://operator.example", "api_key": KEY, "read_timeout": "0"})
