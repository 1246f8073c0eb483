"""Proving a connection step by step: token, seller, channels, then the lists that are read; nothing is written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from crossdock import AccessError, Check, ConnectorError, RecordError, Session
from crossdock_cdiscount import guesses, offers, wire
from crossdock_cdiscount.channels import Channel, subscribed
from crossdock_cdiscount.reading import listed
from crossdock_cdiscount.settings import API, Settings
from crossdock_cdiscount.shipments import labels

_WAYS = (
    "The access can be given in three ways (see the README): your own API credentials, an aggregator of Octopia's "
    "list, or another aggregator's client ID that you link to your account."
)
_DAY = timedelta(days=1)


def checks(session: Session[Settings]) -> Iterator[Check]:
    """Token and seller, sales channels, orders, offers, carriers."""
    try:
        seller = session.http.get("sellers", budget=API).json()
    except (AccessError, RecordError) as error:
        yield _refused(error)
        return
    yield Check(name="Token", state="ok", detail="Client ID and client secret are good, and the seller can be read.")
    yield _seller(session.settings, seller)
    channels: dict[str, Channel] = {}
    try:
        channels = subscribed(session)
    except (AccessError, RecordError) as error:
        yield _failed("Sales channels", error)
    else:
        yield _channels(session.settings, channels)
    yield _orders(session)
    wanted = session.settings.sales_channels or tuple(channels)
    # One that does not exist was said to be so; asking for its offers would only make another error of it.
    names = [each for each in wanted if not channels or (each in channels and channels[each].open)]
    if names:
        yield _offers(session, names[0])
    yield _carriers(session)


def _refused(error: ConnectorError) -> Check:
    if error.status == 403:
        return Check(
            name="Seller", state="fail", detail=error.message,
            hint=f"The Seller ID is not linked to this client ID, or it is not yours. {_WAYS}",
        )  # fmt: skip
    if error.status == 404:
        return Check(name="Token", state="fail", detail=error.message, hint="Check the API address.")
    if isinstance(error, AccessError):
        return Check(name="Token", state="fail", detail=error.message, hint=f"{error.hint.rstrip('.')}. {_WAYS}")
    return Check(
        name="Seller", state="fail", detail=error.message, hint="Check the Seller ID, the language and the API address."
    )


def _failed(name: str, error: ConnectorError, state: str = "fail") -> Check:
    hint = error.hint or "If it lasts, ask Octopia's support and name the trace."
    return Check(name=name, state=state, detail=error.message, hint=hint)


def _seller(settings: Settings, answer: Any) -> Check:
    """Whether the seller that the token opens is the one of the settings."""
    rows = list(guesses.rows(answer))
    row = next((each for each in rows if guesses.found(each, guesses.SELLER_ID) == settings.seller_id), None)
    row = row or (rows[0] if rows else {})
    number, login = guesses.found(row, guesses.SELLER_ID), guesses.found(row, guesses.SELLER_LOGIN)
    state, name = guesses.found(row, guesses.SELLER_STATE), guesses.found(row, guesses.SELLER_NAME)
    shown = ", ".join(
        each for each in (name, number and f"Seller ID {number}", login and f"login {login}", state) if each
    )
    if number and number != settings.seller_id:
        return Check(
            name="Seller", state="fail", detail=f"The credentials open the seller {number}, not {settings.seller_id}.",
            hint="Correct seller_id, or take the credentials of the other account.",
        )  # fmt: skip
    if login and settings.login and login.casefold() != settings.login.casefold():
        return Check(
            name="Seller", state="fail", detail=f"The seller's login is {login}, not {settings.login}.",
            hint="Correct login or leave it empty; if it is right, this is another account's Seller ID.",
        )  # fmt: skip
    if state.casefold() in guesses.CLOSED:
        return Check(name="Seller", state="fail", detail=f"The account is {state} ({shown}).",
                     hint="Ask Octopia to open it again.")  # fmt: skip
    if not number or (settings.login and not login):
        return Check(
            name="Seller", state="warn", detail=f"Octopia does not say which seller this is ({shown or 'no name'}).",
            hint="Seller ID and login could not be compared; check them in the portal.",
        )  # fmt: skip
    return Check(name="Seller", state="ok", detail=shown)


def _channels(settings: Settings, channels: dict[str, Channel]) -> Check:
    """Which channels there are, and whether the chosen ones are among them."""
    name, facts = "Sales channels", {"sales_channels": list(channels)}
    listed_ = ", ".join(_shown(channel) for channel in channels.values())
    if not channels:
        return Check(name=name, state="fail", detail="The seller has no sales channel.", facts=facts,
                     hint="Subscribe to one in the Octopia portal.")  # fmt: skip
    unknown = [each for each in settings.sales_channels if each not in channels]
    if unknown:
        return Check(
            name=name, state="fail", facts=facts,
            detail=f"The seller has no sales channel {', '.join(unknown)}. There are: {listed_}.",
            hint="Correct sales_channels; ids are written as they stand here.",
        )  # fmt: skip
    closed = [each for each in settings.sales_channels if not channels[each].open]
    if closed:
        return Check(
            name=name, state="warn", facts=facts, detail=f"Not open: {', '.join(closed)}. There are: {listed_}.",
            hint="Take them out of sales_channels, or open the subscription again.",
        )  # fmt: skip
    if not settings.sales_channels and len(channels) > 1:
        return Check(
            name=name, state="warn", facts=facts, detail=f"All are taken: {listed_}.",
            hint="If this seller is connected a second time, or one of these channels also by a connector of its own, "
            "its orders come twice: then choose the channels in sales_channels.",
        )  # fmt: skip
    return Check(name=name, state="ok", facts=facts, detail=f"There are: {listed_}.")


def _shown(channel: Channel) -> str:
    about = ", ".join(each for each in (channel.name, channel.currency, "" if channel.open else channel.state) if each)
    return f"{channel.id} ({about})" if about else channel.id


def _orders(session: Session[Settings]) -> Check:
    """Whether orders can be counted and listed: the count is what proves that none was lost."""
    since = (session.clock.now() - _DAY).strftime("%Y-%m-%dT%H:%M:%SZ")
    try:
        count = session.http.get("orders/count", {"updatedAtMin": since}, budget=API).decode(wire.COUNT)
        session.http.get("orders", {"updatedAtMin": since, "pageIndex": 1, "pageSize": 1}, budget=API).decode(
            wire.LISTED
        )
    except (AccessError, RecordError) as error:
        return _failed("Orders", error)
    return Check(name="Orders", state="ok", detail=f"{count} orders changed in the last 24 hours.")


def _offers(session: Session[Settings], channel: str) -> Check:
    params = {"salesChannelId": channel, "limit": 1, "fields": guesses.OFFER_FIELDS}
    try:
        answer = session.http.get("offers", params, budget=API, headers={"SalesChannelId": channel})
        rows = listed(answer, wire.OFFER)
    except (AccessError, RecordError) as error:
        return _failed("Offers", error, "warn")
    broken = next((row.error for row in rows if row.error), None)
    unnamed = any(row.value and not offers.sku_of(row.value) for row in rows)
    if broken or unnamed:
        return Check(
            name="Offers", state="warn", detail=str(broken or "An offer comes without its reference."),
            hint="Products, prices and stock may not be read well; orders and shipments are not touched by it.",
        )  # fmt: skip
    return Check(name="Offers", state="ok", detail=f"Offers on {channel} can be read.")


def _carriers(session: Session[Settings]) -> Check:
    try:
        known = labels(session)
    except (AccessError, RecordError) as error:
        return _failed("Carriers", error, "warn")
    names = sorted(known.values())
    few = ", ".join(names[:8])
    return Check(name="Carriers", state="ok", detail=f"{len(names)} carriers: {few}, …", facts={"carriers": names})
