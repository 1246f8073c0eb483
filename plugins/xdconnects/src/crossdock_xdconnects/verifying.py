"""Proving a connection step by step; never with an order."""

from __future__ import annotations

import re
from collections.abc import Iterator

from crossdock import AccessError, Check, ConnectorError, RecordError, Session, TransientError
from crossdock_xdconnects import feeds, ledger, ordering, wire
from crossdock_xdconnects.settings import FEEDS, Settings, link

_WHO_NEEDS = {
    "products_feed": "products and previews of orders", "prices_feed": "prices and previews of orders",
    "print_data_feed": "printed orders", "print_prices_feed": "printed orders",
    "stock_feed": "stock and previews of orders",
}  # fmt: skip
_INSTEAD = ("products_feed", "prices_feed", "stock_feed")


def checks(session: Session[Settings]) -> Iterator[Check]:
    """The six values, the mapping file, each feed, ordering, and what people must not forget."""
    yield _values(session.settings)
    contract = None
    try:
        contract = wire.load(session.settings.wire_file)
    except RecordError as error:
        yield Check(name="Mapping file", state="fail", detail=str(error), hint=error.hint)
    else:
        yield _file(contract)
    yield from _feeds(session)
    yield _ordering(session, contract)
    yield _live(session)
    yield from _silent(session)


def _values(settings: Settings) -> Check:
    name = "The six values"
    needed = ("api_token", "security_code", "customer_account_code", "customer_account_number", "company_name")
    missing = [each for each in needed if not getattr(settings, each)]
    if missing:
        return Check(name=name, state="warn", detail=f"Missing: {', '.join(missing)}; without them nothing is ordered.",
                     hint="They are in XD's mail; token and code behind links that open once.")  # fmt: skip
    if not re.fullmatch(r"[Cc]\d{3,10}", settings.customer_account_number):
        return Check(name=name, state="warn",
                     detail=f"The account number {settings.customer_account_number!r} does not look like C00000.",
                     hint="Compare it with XD's mail.")  # fmt: skip
    return Check(name=name, state="ok", detail="All six are set and have the right form.")


def _file(contract: wire.Wire) -> Check:
    name, version = "Mapping file", contract.file.version
    if contract.file.confirmed_by_vendor_document:
        return Check(name=name, state="ok", detail=f"{contract.name}, version {version}, is without mistakes.")
    return Check(
        name=name, state="warn",
        detail=f"{contract.name}, version {version}, is a proposal: XD's format is not public.",
        hint="Fill a copy from XD's document, set wire_file to it and confirmed_by_vendor_document in it to true.",
    )  # fmt: skip


def _feeds(session: Session[Settings]) -> Iterator[Check]:
    settings = session.settings
    for name, feed in FEEDS.items():
        if link(settings, name):
            yield _feed(session, name)
        elif name in _WHO_NEEDS and not (name in _INSTEAD and settings.all_data_feed):
            yield Check(
                name=feed.title.capitalize(), state="warn", detail=f"No link; it is needed for {_WHO_NEEDS[name]}.",
                hint=f"Ask onlineclients@xdconnects.com for it and set {name}.",
            )  # fmt: skip


def _feed(session: Session[Settings], name: str) -> Check:
    title = FEEDS[name].title.capitalize()
    try:
        loaded = feeds.newest(session, name)
    except TransientError as error:
        found = feeds.last_good(session, name)
        if found is None:
            return Check(name=title, state="fail", detail=str(error),
                         hint=error.hint or "Verify again in five minutes.")  # fmt: skip
        loaded = found
    except AccessError as error:
        return Check(name=title, state="fail", detail=str(error), hint=error.hint)
    detail = f"{len(loaded.table.rows)} rows, made {loaded.as_of:%Y-%m-%d %H:%M} UTC."
    if loaded.is_old(session.clock.now()):
        return Check(name=title, state="warn", detail=f"{detail} That is more than 48 hours ago.",
                     hint="Ask onlineclients@xdconnects.com whether the link is still served.")  # fmt: skip
    return Check(name=title, state="ok", detail=detail)


def _ordering(session: Session[Settings], contract: wire.Wire | None) -> Check:
    name = "Ordering"
    if not session.settings.base_url:
        return Check(name=name, state="warn", detail="base_url is empty, so orders cannot be sent.",
                     hint="Set it from XD's document on the ordering API.")  # fmt: skip
    if contract is None or contract.ping is None:
        return Check(
            name=name, state="warn", detail="It cannot be checked without ordering.",
            hint="If XD's document names a harmless request, put it into the mapping file as ping.",
        )  # fmt: skip
    try:
        status = ordering.ping(session, contract)
    except ConnectorError as error:
        return Check(name=name, state="fail", detail=str(error), hint=error.hint or "Try again later.")
    if status >= 400:
        return Check(name=name, state="fail", detail=f"The ping was answered with {status}.",
                     hint="Check base_url and the path of ping in the mapping file.")  # fmt: skip
    return Check(name=name, state="ok", detail="XD answered, and accepts the credentials.")


def _live(session: Session[Settings]) -> Check:
    name, settings = "Live ordering", session.settings
    if not settings.live_ordering:
        return Check(name=name, state="ok", detail="Off: orders are checked and previewed, never sent.")
    if settings.environment == "production" and not ledger.all_sent(session):
        return Check(
            name=name, state="warn", detail="On, and the next order will be the first one in production.",
            hint="Tell your contact at XD before the first order; XD must have confirmed the activation.",
        )  # fmt: skip
    return Check(name=name, state="ok", detail=f"On, in {settings.environment}: orders take effect at once.")


def _silent(session: Session[Settings]) -> Iterator[Check]:
    silent = [
        order.number for order in ledger.all_sent(session)
        if ordering.is_silent(session, order, ledger.state(session, order))
    ]  # fmt: skip
    if silent:
        yield Check(
            name="Silent orders", state="warn",
            detail=f"No news for {session.settings.silent_days} days of: {', '.join(silent[:10])}.",
            hint="Ask XD's back office; check that XD has the webhook address.",
        )  # fmt: skip
