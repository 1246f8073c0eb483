"""Two different persons approve an order above a limit before it is handed on.

``CROSSDOCK_FOUR_EYES_ABOVE`` is the limit in the order's own currency; without it nothing is held.
"""

from __future__ import annotations

import os
from decimal import Decimal, InvalidOperation

from crossdock import Order, Record, SettingsError, hookimpl

LIMIT_VARIABLE = "CROSSDOCK_FOUR_EYES_ABOVE"


def limit() -> Decimal | None:
    """The limit, or `None` when none is set; raises `SettingsError` for what is no amount."""
    text = os.environ.get(LIMIT_VARIABLE, "").strip()
    if not text:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        # Not ignored: a limit that nobody can read must not let everything pass.
        raise SettingsError(f"{LIMIT_VARIABLE} is {text!r}, which is no amount.", hint="Write it like 1000.00")
    return amount


def is_large(record: Record) -> bool:
    """Whether a record is an order that two persons have to see."""
    above = limit()
    return above is not None and isinstance(record, Order) and record.total > above


@hookimpl
def needs_approval(record: Record) -> str:
    """Hold a large order until it is approved."""
    if not is_large(record):
        return ""
    return f"More than {limit()}: two different persons have to approve it."


@hookimpl
def approve_effect(record: Record, by: str, earlier: tuple[str, ...]) -> str:
    """One approval of a large order is not enough, and neither are two by the same person."""
    if not is_large(record) or {by, *earlier} - {by}:
        return ""
    return "a second person has to approve it as well"
