"""Accepting, refusing and cancelling orders, and the seller's reference on them. Everything reads before it writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from crossdock import (
    Answer,
    Decision,
    Outcome,
    OutcomeUnknownError,
    Receipt,
    RecordError,
    Session,
    StatusUpdate,
    TransientError,
)
from crossdock.mapping import text
from crossdock_mirakl import wire
from crossdock_mirakl.api import create, daily, existing_order, put
from crossdock_mirakl.mapping import DEAD, GONE, ZERO, third_party, units
from crossdock_mirakl.settings import Settings


def receipt(row: wire.Order, note: str = "", status: str = "") -> Receipt:
    """What stands at Mirakl now; `status` is the state that a write has just led to."""
    return Receipt(external_id=row.order_id, number=row.order_id, status=status or row.order_state, note=note)


# -- acceptance (OR21) -------------------------------------------------------------------------------


def accept(session: Session[Settings], known: Receipt, decision: Decision) -> Receipt:
    """Decide on all lines at once, as Mirakl wants it; lines that are not named get the opposite.

    Repeatable: a decision that stands already is answered, a contradicting one refused in a sentence.
    """
    row = existing_order(session, known.external_id)
    wanted = _wanted(row, decision)
    if row.order_state == "STAGING":
        raise TransientError(f"The operator still checks the order {row.order_id}; it cannot be decided yet.")
    if row.order_state != "WAITING_ACCEPTANCE":
        return _decided(row, wanted)
    center = third_party(row)
    if center:
        raise RecordError(
            f"The order {row.order_id} is fulfilled by {center}, so the operator decides on it.", key=row.order_id
        )
    body = {"order_lines": [{"id": line, "accepted": yes} for line, yes in wanted.items()]}
    try:
        put(session, f"orders/{row.order_id}/accept", body)
    except RecordError:
        # A repeat after a lost answer finds another state (vendor page section 7): what stands there decides.
        row = existing_order(session, row.order_id)
        if row.order_state == "WAITING_ACCEPTANCE":
            raise
        return _decided(row, wanted)
    # Not read again: OR11 may be asked rarely, and the next run brings the order as it went on from there.
    return receipt(row, status="WAITING_DEBIT" if any(wanted.values()) else "REFUSED")


def _wanted(row: wire.Order, decision: Decision) -> dict[str, bool]:
    lines = [line.order_line_id for line in row.order_lines]
    unknown = [line for line in decision.lines if line not in lines]
    if unknown:
        raise RecordError(f"The order {row.order_id} has no line {', '.join(unknown)}.", key=row.order_id, path="lines")
    named = decision.lines or lines
    return {line: decision.accept == (line in named) for line in lines}


def _decided(row: wire.Order, wanted: dict[str, bool]) -> Receipt:
    """The receipt of a decision that was made before, when it is the wanted one."""
    refused = {line.order_line_id for line in row.order_lines if line.order_line_state == "REFUSED"}
    if row.order_state == "REFUSED":
        refused = set(wanted)
    if row.order_state == "CANCELED" and any(wanted.values()):
        raise RecordError(
            f"The order {row.order_id} was cancelled, so it cannot be accepted any more.", key=row.order_id,
            path="order_state",
        )  # fmt: skip
    wrong = [line for line, yes in wanted.items() if yes == (line in refused) and row.order_state != "CANCELED"]
    if wrong:
        was, asked = ("refused", "accepted") if wanted[wrong[0]] else ("accepted", "refused")
        raise RecordError(
            f"Line {', '.join(wrong)} of the order {row.order_id} was {was} already and cannot be {asked} any more.",
            key=row.order_id, path="order_lines",
            hint=f"The order is {row.order_state} at Mirakl; bring the other system in line with that.",
        )  # fmt: skip
    return receipt(row, "It was decided before.")


# -- cancelling (OR29, OR30) -------------------------------------------------------------------------


def cancel(session: Session[Settings], known: Receipt, reason: str) -> Receipt:
    """Cancel the whole order (OR29), or refuse it while it waits for acceptance, or cancel its open lines (OR30).

    Raises `RecordError` when something of it was shipped or the operator does not allow it.
    """
    row = existing_order(session, known.external_id)
    if row.order_state in DEAD:
        return receipt(row, "It was cancelled before.")
    if row.order_state == "WAITING_ACCEPTANCE" and not row.can_cancel:
        return accept(session, known, Decision(accept=False, reason=reason))
    gone = [line.order_line_id for line in row.order_lines if line.order_line_state in GONE]
    if row.order_state in GONE or gone:
        raise RecordError(
            f"The order {row.order_id} is {row.order_state} and partly or fully on its way; it cannot be cancelled.",
            key=row.order_id, hint="Refund it in the operator's back office.",
        )  # fmt: skip
    if row.can_cancel is not False:
        return _settled(session, row, lambda: put(session, f"orders/{row.order_id}/cancel"))
    body = _cancelations(row, _reason(session, reason))
    return _settled(session, row, lambda: create(session, "PUT", "orders/cancel", body))


def _settled(session: Session[Settings], row: wire.Order, write: Callable[[], Answer]) -> Receipt:
    """Write, and let the order's state tell whether it was done when the answer does not."""
    try:
        write()
    except (RecordError, OutcomeUnknownError):
        found = existing_order(session, row.order_id)
        if found.order_state not in DEAD:
            raise
        return receipt(found)
    return receipt(row, status="CANCELED")


def _cancelations(row: wire.Order, reason: str) -> dict[str, object]:
    """All open lines with their whole amounts; taxes are named because orders that have them require it."""
    return {
        "order_tax_mode": row.order_tax_mode or "TAX_INCLUDED",
        "cancelations": [
            {
                "order_line_id": line.order_line_id, "amount": line.price or ZERO, "quantity": int(units(line)),
                "shipping_amount": line.shipping_price or ZERO, "reason_code": reason,
                "currency_iso_code": row.currency_iso_code, "taxes": _taxes(line.taxes),
                "shipping_taxes": _taxes(line.shipping_taxes),
                "fees": [{"code": text(fee.code), "amount": fee.amount or ZERO} for fee in line.fees or ()],
            }
            for line in row.order_lines if line.order_line_state not in DEAD
        ],
    }  # fmt: skip


def _taxes(rows: Sequence[wire.Tax] | None) -> list[dict[str, object]]:
    return [{"code": text(tax.code), "amount": tax.amount or ZERO} for tax in rows or ()]


def reasons(session: Session[Settings]) -> dict[str, str]:
    """The operator's reasons for cancellations that a shop may use (RE01): labels by code."""
    found = daily(session, "reasons", "reasons", wire.REASONS, "reads")
    return {
        text(each.code): each.label or "" for each in found.reasons if each.is_shop_right and each.type == "CANCELATION"
    }


def _reason(session: Session[Settings], given: str) -> str:
    known = reasons(session)
    labels = {label.casefold(): code for code, label in known.items()}
    for word in (given, session.settings.cancel_reason):
        if word in known:
            return word
        if word.casefold() in labels:
            return labels[word.casefold()]
    if len(known) == 1:
        return next(iter(known))
    listed = ", ".join(f"{code} ({label})" for code, label in known.items())
    raise RecordError(
        f"{given or 'An empty text'!r} is no cancellation reason of this operator; there are: {listed or 'none'}.",
        path="reason", hint="Set the connection's cancellation reason to one of these codes.",
    )  # fmt: skip


# -- the seller's references (OR04) ------------------------------------------------------------------


def set_references(session: Session[Settings], updates: Sequence[StatusUpdate]) -> Iterator[Outcome]:
    """Show the other system's order numbers as the seller's references: visible marks that orders were taken over.

    One call for up to 100 orders, because there is one call a minute (vendor page section 3); what stands already is
    not sent.
    """
    wanted = {each.order.key: each.update.number or each.update.key for each in updates}
    news = {each.order.key for each in updates if each.order.references.get("seller") != wanted[each.order.key]}
    refused = _refused(session, {key: wanted[key] for key in news}) if news else {}
    for each in updates:
        key = each.order.key
        if key in refused:
            message = f"Mirakl did not take {wanted[key]} as reference of the order {key}: {refused[key]}"
            yield Outcome(key=each.key, state="rejected", message=message,
                          path="references.order_reference_for_seller")  # fmt: skip
        else:
            message = f"Reference {wanted[key]}." if key in news else ""
            yield Outcome(key=each.key, state="done", external_id=key, message=message)


def _refused(session: Session[Settings], wanted: Mapping[str, str]) -> dict[str, str]:
    """Why which orders did not get their references; the others have them."""
    rows = [{"order_id": key, "references": {"order_reference_for_seller": wanted[key]}} for key in sorted(wanted)]
    answer = put(session, "orders", {"orders": rows}, "references").decode(wire.PATCHED)
    return {
        text(each.order_id): " ".join(f"{error.code or ''}: {error.message or ''}".strip(": ") for error in each.errors)
        for each in answer.updated_orders
        if each.errors
    }
