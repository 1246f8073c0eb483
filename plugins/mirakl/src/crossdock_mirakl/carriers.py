"""Which carrier a shipment names at this operator (SH21; vendor page section 7)."""

from __future__ import annotations

import attrs

from crossdock import Gap, RecordError, Session, Shipment
from crossdock_mirakl import wire
from crossdock_mirakl.api import Platform, daily
from crossdock_mirakl.settings import Settings


@attrs.frozen(kw_only=True)
class Chosen:
    """A registered carrier by `code`, or any other by `name`; both empty: shipped without tracking."""

    code: str = ""
    name: str = ""


def carriers(session: Session[Settings]) -> list[wire.Carrier]:
    """The carriers that the operator registered, read once a day at most."""
    return daily(session, "carriers", "shipping/carriers", wire.CARRIERS, "carriers").carriers


def choose(session: Session[Settings], platform: Platform, shipment: Shipment) -> Chosen:
    """The carrier: exact code, then standard code, then label without regard to case, then an unregistered name.

    A mapping table has replaced the code before. Raises `RecordError` with the gap ``carrier`` when none of it fits.
    """
    words = [word for word in (shipment.carrier, shipment.carrier_name) if word] or [session.settings.carrier]
    if not any(words):
        return Chosen()
    known = carriers(session)
    for word in words:
        code = _registered(known, word)
        if code:
            return Chosen(code=code)
    if platform.own_carriers:
        return Chosen(name=shipment.carrier_name or words[0])
    raise RecordError(
        f"This operator does not know the carrier {words[0]!r} and allows no other.",
        path="carrier", gap=Gap("carrier", words[0]),
        hint=f"Map it to one of: {', '.join(sorted(each.code for each in known)) or 'none registered'}.",
    )  # fmt: skip


def _registered(known: list[wire.Carrier], word: str) -> str:
    for each in known:
        if each.code == word:
            return each.code
    for each in known:
        if each.standard_code == word:
            return each.code
    folded = word.casefold()
    return next((each.code for each in known if (each.label or "").casefold() == folded), "")
