"""Asking Mirakl on behalf of one shop, and what is read once a day at most."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Any, TypeVar

import attrs
import msgspec

from crossdock import Answer, ConnectorError, RecordError, Session, StoredFile, TransientError, Upload, evolve
from crossdock.mapping import text
from crossdock_mirakl import shopwire, wire
from crossdock_mirakl.settings import Settings

T = TypeVar("T")

DAY = timedelta(days=1)
PAGE = 100
_MOMENTS, _MOMENT = 20, 0.25
LIMIT = 100
"""Lists in a parameter hold at most so many entries (vendor page section 4)."""


def shop_id(session: Session[Settings]) -> str | None:
    """The shop to ask for: as set, else as verify found it; without one the user's default shop answers, silently."""
    return session.settings.shop_id or text(session.facts.get("shop_id")) or None


def get(session: Session[Settings], path: str, budget: str = "", **params: Any) -> Answer:
    """Read, for this shop."""
    return session.http.get(path, {**params, "shop_id": shop_id(session)}, budget=budget)


def put(session: Session[Settings], path: str, body: Any = None, budget: str = "") -> Answer:
    """Write what may be written twice, for this shop."""
    content = None if body is None else wire.encode(body)
    headers = {} if body is None else {"Content-Type": "application/json"}
    return session.http.request("PUT", path, {"shop_id": shop_id(session)}, content=content, headers=headers,
                                budget=budget)  # fmt: skip


def create(session: Session[Settings], method: str, path: str, body: Any) -> Answer:
    """Write what must not be written twice: a lost answer raises `OutcomeUnknownError`."""
    return session.http.request(
        method, path, {"shop_id": shop_id(session)}, content=wire.encode(body), create=True,
        headers={"Content-Type": "application/json"},
    )  # fmt: skip


def upload(session: Session[Settings], path: str, name: str, content: bytes, budget: str) -> str:
    """Send a file to be imported and answer the import's id. A lost answer is passing trouble: values are absolute."""
    file = Upload(field="file", name=name, content=content, media_type="text/csv")
    answer = session.http.post(path, upload=file, params={"shop_id": shop_id(session)}, budget=budget)
    made = text(answer.decode(shopwire.IMPORT_MADE).import_id)
    if not made:
        raise TransientError(f"{answer.url} accepted the file without naming its import.")
    return made


def read_order(session: Session[Settings], key: str) -> wire.Order | None:
    """One order as it is now: OR11 by id, because OR12 is deprecated (vendor page section 4)."""
    answer = get(session, "orders", "reads", order_ids=key, max=PAGE)
    for row in evolve(answer, content=bytes(answer.decode(wire.ORDERS).orders)).rows(wire.ORDER):
        if row.error is not None:
            raise row.error
        if row.value is not None and row.value.order_id == key:
            return row.value
    return None


def existing_order(session: Session[Settings], key: str) -> wire.Order:
    """One order as it is now; raises `RecordError` when there is none."""
    found = read_order(session, key)
    if found is None:
        raise RecordError(f"Mirakl has no order {key} for this shop.", key=key,
                          hint="Check the shop id of the connection.")  # fmt: skip
    return found


# -- read once a day ---------------------------------------------------------------------------------


def daily(
    session: Session[Settings], name: str, path: str, decoder: msgspec.json.Decoder[T], budget: str = ""
) -> T:  # fmt: skip
    """A document that is read once a day at most, kept in between; an old one serves when a new one is not to be had.

    Only the fields of our own types are kept. Another host or shop is another document.
    """
    # As set: what verify read of the default shop serves from then on, when that shop is named in each request.
    whose = f"{session.settings.address} {session.settings.shop_id}".strip()
    ours = _kept(session, name, whose)
    if ours is not None and session.clock.now() - ours.kept_at < DAY:
        with contextlib.suppress(msgspec.MsgspecError):  # of another version: it is read anew
            return decoder.decode(ours.content)
    try:
        found = get(session, path, budget).decode(decoder)
    except (TransientError, RecordError) as error:
        # Another thread or worker may have today's call under way: its answer is kept in a moment.
        for _ in range(_MOMENTS if ours is None and isinstance(error, TransientError) else 0):
            session.clock.sleep(_MOMENT)
            ours = _kept(session, name, whose)
            if ours is not None:
                break
        if ours is None:
            raise
        return decoder.decode(ours.content)
    session.files.put(name, wire.encode(found), {"of": whose})
    return found


def _kept(session: Session[Settings], name: str, whose: str) -> StoredFile | None:
    kept = session.files.get(name)
    return kept if kept is not None and kept.facts.get("of") == whose else None


@attrs.frozen(kw_only=True)
class Platform:
    """What the operator switched on, as far as it matters here (vendor page section 1)."""

    known: bool = True
    prices_include_tax: bool = True
    multi_shipment: bool | None = None
    own_carriers: bool = True
    decimals: int = 2
    delimiter: str = ";"
    volume_pricing: bool = True
    channel_pricing: bool = True
    scheduled_pricing: bool = False
    acceptance: str = ""
    early_addresses: bool | None = None


def platform(session: Session[Settings]) -> Platform:
    """The operator's configuration (PC01), read once a day; careful guesses when the key may not read it."""
    try:
        found = daily(session, "platform", "platform/configuration", shopwire.PLATFORM)
    except ConnectorError as error:
        if error.status not in (403, 404):
            raise
        return Platform(known=False)
    return features(found)


def features(found: shopwire.Platform) -> Platform:
    """The configuration in our words; what is not said is allowed, and the operator's refusal then tells."""
    given, decimals = found.features, text(found.features.offer_prices_decimals)
    return Platform(
        prices_include_tax=given.order_tax_mode != "TAX_EXCLUDED",
        multi_shipment=given.shipment.multi_shipment,
        own_carriers=not given.disable_seller_alternative_carrier,
        decimals=int(decimals) if decimals.isdecimal() else 2,
        delimiter="," if given.operator_csv_delimiter == "COMMA" else ";",
        volume_pricing=given.pricing.volume_pricing is not False,
        channel_pricing=given.pricing.channel_pricing != "DISABLED",
        scheduled_pricing=bool(given.pricing.scheduled_pricing),
        acceptance=given.order_workflows.order_acceptance or "",
        early_addresses=given.order_workflows.shipping_and_billing_details_before_acceptance,
    )
