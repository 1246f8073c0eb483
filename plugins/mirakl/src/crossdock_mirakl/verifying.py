"""Proving a connection step by step; nothing is changed, and no call is made more often than the vendor allows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from crossdock import Answer, Check, ConnectorError, RecordError, Session, TransientError
from crossdock.mapping import text
from crossdock_mirakl import shopwire, wire
from crossdock_mirakl.api import Platform, daily, features, shop_id
from crossdock_mirakl.carriers import carriers
from crossdock_mirakl.deciding import reasons
from crossdock_mirakl.settings import Settings

_KEY = "Generate a new key in the back office (your name, top right > API Key), enter it and verify again."
_ROLE = "Generate the key with a user who may manage orders and offers (for example a shop administrator)."


def checks(session: Session[Settings]) -> Iterator[Check]:
    """Host, key, shop, orders, operator; stops at the first red step."""
    for step in _steps(session):
        yield step
        if step.state == "fail":
            return


def _steps(session: Session[Settings]) -> Iterator[Check]:
    yield _host(session)
    answer = session.http.request("GET", "platform/configuration", {"shop_id": shop_id(session)}, raw=True)
    key = _key(answer)
    yield key
    found = _platform(answer)
    shop = _shop(session)
    yield shop
    yield _orders(session, text(shop.facts.get("shop_id")))
    yield _operator(found)
    yield _lists(session)


def _said(answer: Answer) -> str:
    try:
        value = answer.json()
    except ConnectorError:
        return f"It answered {answer.status} with something that is no JSON."
    said = value.get("message") if isinstance(value, dict) else None
    return f"{answer.status}: {answer.mask(str(said))}" if said else f"It answered {answer.status}."


def _host(session: Session[Settings]) -> Check:
    """Whether a Mirakl answers at the host: V01, of which only the status counts (vendor page section 3)."""
    name = "Host name"
    answer = session.http.request("GET", "version", raw=True)
    if answer.status in (200, 204, 401, 403):
        return Check(name=name, state="ok", detail=f"{session.settings.address} answers.")
    failed = Check(name=name, state="fail", detail=f"{session.settings.address}: {_said(answer)}")
    if 300 <= answer.status < 400:
        where = answer.headers.get("location", "another address")
        return attrs.evolve(failed, hint=f"It redirects to {where}: enter that server as the host name.")
    if answer.status == 429 or answer.status >= 500:
        return attrs.evolve(failed, hint="The marketplace is busy or in maintenance; verify again later.")
    return attrs.evolve(
        failed, hint="Enter the address of the operator's back office up to the first slash, for example "
        "https://operator.mirakl.net.",
    )  # fmt: skip


def _key(answer: Answer) -> Check:
    """Whether the key is accepted, asked by PC01, for which no frequency is stated."""
    name = "API key"
    if answer.status == 200:
        try:
            answer.decode(shopwire.PLATFORM)
        except ConnectorError as error:
            return Check(name=name, state="fail", detail=str(error), hint=error.hint or "Check the host name.")
        return Check(name=name, state="ok", detail="The key is accepted.")
    if answer.status in (403, 404):
        return Check(name=name, state="warn", detail=f"The operator's configuration cannot be read. {_said(answer)}",
                     hint=f"It is guessed then. {_ROLE}")  # fmt: skip
    failed = Check(name=name, state="fail", detail=_said(answer))
    if answer.status == 401:
        return attrs.evolve(failed, detail="The key is not accepted.", hint=_KEY)
    if answer.status == 429 or answer.status >= 500:
        return attrs.evolve(failed, hint="The marketplace is busy or in maintenance; verify again later.")
    return attrs.evolve(failed, hint="Check the shop id; leave it empty to use the user's default shop.")


def _platform(answer: Answer) -> Platform:
    return features(answer.decode(shopwire.PLATFORM)) if answer.status == 200 else Platform(known=False)


def _shop(session: Session[Settings]) -> Check:
    """Which shop answers (A01, once a day at most)."""
    name = "Shop"
    try:
        account = daily(session, "account", "account", shopwire.ACCOUNT, "account")
    except TransientError as error:
        return Check(name=name, state="warn", detail=f"The shop could not be read: {error.message}",
                     hint="Mirakl allows it once a day; verify again tomorrow.")  # fmt: skip
    except RecordError as error:
        return Check(name=name, state="fail", detail=error.message, hint="Check the shop id and the key's user.")
    asked, answered = session.settings.shop_id, text(account.shop_id)
    kyc = (account.kyc.status if account.kyc else None) or ""
    facts: dict[str, Any] = {
        "shop_id": answered, "shop_name": account.shop_name or "", "shop_state": account.shop_state or "",
        "currency": account.currency_iso_code or "", "channels": account.channels or [], "model": account.model or "",
        "kyc": kyc,
    }  # fmt: skip
    check = Check(name=name, state="ok", detail=f"{account.shop_name} ({answered}), {account.shop_state}.", facts=facts)
    if asked and answered and asked != answered:
        return attrs.evolve(check, state="fail", detail=f"Shop {asked} was asked for, and {answered} answered.",
                            hint="Correct the shop id, or use a key of that shop's user.")  # fmt: skip
    unknown = [each for each in session.settings.channels if account.channels and each not in account.channels]
    if unknown:
        return attrs.evolve(
            check, state="fail", detail=f"The shop has no channel {', '.join(unknown)}.",
            hint=f"Choose among {', '.join(account.channels or [])}, or leave the channels empty.",
        )  # fmt: skip
    if account.shop_state != "OPEN":
        return attrs.evolve(check, state="warn", detail=f"{account.shop_name} ({answered}) is {account.shop_state}.",
                            hint="Open the shop in the back office, or ask the operator why it is closed.")  # fmt: skip
    if kyc and kyc != "APPROVED":
        return attrs.evolve(
            check, state="warn", detail=f"The operator has not approved the shop's identity yet (KYC {kyc}).",
            hint="Complete the documents in the back office; payouts wait for it.",
        )  # fmt: skip
    return check


def _orders(session: Session[Settings], shop: str) -> Check:
    """Whether orders may be read, by a search that finds at most one."""
    asked = {"max": 1, "order_state_codes": "WAITING_ACCEPTANCE", "shop_id": shop or shop_id(session)}
    answer = session.http.request("GET", "orders", asked, budget="reads", raw=True)
    if answer.status == 200:
        try:
            count = answer.decode(wire.ORDERS).total_count
        except ConnectorError as error:
            return Check(name="Read orders", state="fail", detail=str(error), hint=error.hint or "Check the host name.")
        return Check(name="Read orders", state="ok", detail=f"{count or 0} orders wait for acceptance.")
    hint = _ROLE if answer.status == 403 else "Check the shop id." if answer.status < 429 else "Verify again later."
    return Check(name="Read orders", state="fail", detail=_said(answer), hint=hint)


def _operator(found: Platform) -> Check:
    """What the operator switched on, as facts."""
    facts: dict[str, Any] = {
        "tax_mode": "TAX_INCLUDED" if found.prices_include_tax else "TAX_EXCLUDED",
        "order_acceptance": found.acceptance,
        "addresses_before_acceptance": found.early_addresses,
        "multi_shipment": found.multi_shipment,
        "alternative_carrier": found.own_carriers,
        "decimals": found.decimals,
        "delimiter": found.delimiter,
    }
    if not found.known:
        return Check(name="Operator", state="warn", detail="The operator's configuration is guessed.", facts=facts,
                     hint=_ROLE)  # fmt: skip
    taxes = "with" if found.prices_include_tax else "without"
    parts = "several shipments an order" if found.multi_shipment else "whole orders only"
    detail = f"Prices {taxes} tax, {found.decimals} decimals; {parts}; acceptance {found.acceptance or 'not told'}."
    return Check(name="Operator", state="ok", detail=detail, facts=facts)


def _lists(session: Session[Settings]) -> Check:
    """Carriers and cancellation reasons to choose from."""
    name, facts = "Carriers and reasons", {}
    try:
        facts["carriers"] = [each.code for each in carriers(session)]
        facts["cancel_reasons"] = list(reasons(session))
    except ConnectorError as error:
        return Check(name=name, state="warn", detail=f"They could not be read: {error.message}", facts=facts,
                     hint=_ROLE if error.status == 403 else "Verify again later.")  # fmt: skip
    settings = session.settings
    for label, chosen, known in (
        ("carrier", settings.carrier, facts["carriers"]),
        ("cancellation reason", settings.cancel_reason, facts["cancel_reasons"]),
    ):
        if chosen and chosen not in known:
            return Check(name=name, state="warn", detail=f"The operator has no {label} {chosen}.", facts=facts,
                         hint=f"Choose among: {', '.join(known) or 'none'}.")  # fmt: skip
    detail = f"Carriers: {len(facts['carriers'])}. Reasons to cancel: {len(facts['cancel_reasons'])}."
    return Check(name=name, state="ok", detail=detail, facts=facts)
