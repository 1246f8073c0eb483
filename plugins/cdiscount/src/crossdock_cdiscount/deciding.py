"""Accepting and refusing orders that wait for the seller, and asking for cancellations (vendor page section 5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from crossdock import Decision, Receipt, RecordError, Session, TransientError, UnsupportedError
from crossdock.mapping import text
from crossdock_cdiscount import guesses, wire
from crossdock_cdiscount.mapping import DEAD, GONE, ships
from crossdock_cdiscount.reading import address
from crossdock_cdiscount.settings import API, Settings

_WAITING = "WaitingAcceptance"
_TAKEN = frozenset(("Accepted", "InPreparation")) | GONE
_SOON = timedelta(minutes=10)


def order_of(session: Session[Settings], key: str) -> wire.Order:
    """The order as it is now; raises `RecordError` when there is none, or when its channel is not served."""
    order = session.http.get(address(key), budget=API).decode(wire.ORDER)
    channel = text(order.sales_channel.id) if order.sales_channel else ""
    chosen = session.settings.sales_channels
    if chosen and channel not in chosen:
        raise RecordError(f"The order {key} is of the sales channel {channel}, which this connection does not serve.")
    return order


# -- acceptance ------------------------------------------------------------------------------------


def accept(session: Session[Settings], known: Receipt, decision: Decision) -> Receipt:
    """Accept or refuse a whole order. Doing it again finds the decision made and sends nothing."""
    order = order_of(session, known.external_id)
    _check_whole(order, decision, session.settings)
    status = order.status or ""
    if status == _WAITING:
        status = _decide(session, known.external_id, "Accepted" if decision.accept else "Refused")
    if status == "Processing":
        raise TransientError(f"The order {known.external_id} does not wait for acceptance yet.", wait=_SOON)
    if status not in (_TAKEN if decision.accept else DEAD):
        asked = "accepted" if decision.accept else "refused"
        raise RecordError(
            f"The order {known.external_id} should be {asked}, but it is {status or 'in no state'} already.",
            path="status", hint="Decide in the Octopia portal what becomes of it.",
        )  # fmt: skip
    number = known.number or text(order.reference)
    return Receipt(external_id=known.external_id, number=number, status=status, note=decision.reason)


def _decide(session: Session[Settings], key: str, word: str) -> str:
    """Send the decision; answers the state that the order is in then, which somebody else may have decided."""
    try:
        # Not a create: a repetition reads the order first.
        session.http.post(f"{address(key)}/approval-status", {"approval_status": word}, budget=API)
    except RecordError as error:
        now = order_of(session, key).status or "" if error.status in (409, 422) else _WAITING
        if now == _WAITING:
            raise
        return now
    return word


def _check_whole(order: wire.Order, decision: Decision, settings: Settings) -> None:
    ours = {text(line.order_line_id) for line in order.lines or () if ships(line, settings)}
    if not ours:
        raise RecordError("No line of the order is shipped by the seller, so there is nothing to decide.", path="lines")
    left = ours.difference(decision.lines) if decision.lines else set()
    if left:
        what = "accepted" if decision.accept else "refused"
        raise RecordError(
            f"Octopia knows no choice per line: the order is accepted or refused as a whole, and {len(left)} of its "
            f"{len(ours)} lines would not be {what}.",
            path="lines", hint="Accept all of it, or refuse all of it.",
        )  # fmt: skip


# -- cancellation ----------------------------------------------------------------------------------


def cancel(session: Session[Settings], known: Receipt, reason: str) -> Receipt:
    """Ask for the cancellation of an order; the marketplace decides later, and the order's status tells.

    A request that exists is not made again.
    """
    settings = session.settings
    if not settings.cancel:
        raise UnsupportedError(
            "Cancellation requests are switched off for this connection (setting cancel).",
            hint="Set cancel to yes if the sales channel takes them; Cdiscount itself is said not to.",
        )
    order = order_of(session, known.external_id)
    status = order.status or ""
    number = known.number or text(order.reference)
    if status in DEAD:
        return Receipt(external_id=known.external_id, number=number, status=status)
    if status in GONE:
        raise RecordError(f"The order {known.external_id} is {status} and can no longer be cancelled.", path="status")
    note = "The cancellation was asked for before; the marketplace decides."
    if not _is_asked(session, known.external_id):
        body = {
            settings.cancel_field: known.external_id,
            "reason": _reason(session, order, reason),
            "shippingCostRefund": settings.cancel_shipping,
        }
        session.http.post("order-cancellation-requests", body, create=True, budget=API)
        note = "The cancellation was asked for; the marketplace decides."
    return Receipt(external_id=known.external_id, number=number, status=status, note=note)


def _is_asked(session: Session[Settings], key: str) -> bool:
    answer = session.http.get("order-cancellation-requests", {"orderSellerId": key, "pageIndex": 1, "pageSize": 100},
                              budget=API).json()  # fmt: skip
    # A filter that is ignored would answer other orders' requests.
    return any(guesses.found(row, guesses.ORDER_ID_OF_REQUEST) == key for row in guesses.rows(answer))


def _reason(session: Session[Settings], order: wire.Order, reason: str) -> str:
    """One of Octopia's codes: for the reason that was given, else the one of the settings."""
    channel = text(order.sales_channel.id) if order.sales_channel else ""
    params = {"salesChannel": channel, "userType": "Seller", "orderStatus": order.status}
    known = dict(_reasons(session.http.get("cancellation-reasons", params, budget=API).json()))
    for wanted in (reason, session.settings.cancel_reason):
        for code, label in known.items():
            if wanted and wanted.casefold() in (code.casefold(), label.casefold()):
                return code
    raise RecordError(
        f"Octopia has no cancellation reason {reason!r}; there are: {', '.join(known) or 'none for this order'}.",
        path="reason", hint="Give one of these codes, or set cancel_reason to the one for all others.",
    )  # fmt: skip


def _reasons(answer: Any) -> Iterator[tuple[str, str]]:
    for row in guesses.rows(answer):
        if isinstance(row, str):
            yield row, row
        elif isinstance(row, Mapping):
            code = guesses.found(row, guesses.REASON_CODE)
            yield code, guesses.found(row, guesses.REASON_LABEL) or code
