"""What XD tells of an order, by webhook or in the answer of a status request, and what it changes (section 5.1)."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from crossdock import OrderStatus, RecordError, Session
from crossdock.mapping import decimal, utc
from crossdock_xdconnects import ledger
from crossdock_xdconnects.settings import Settings
from crossdock_xdconnects.tables import ZONE, later_reading
from crossdock_xdconnects.wire import NewsPart, Wire, bare, pick_list, pick_text

# Vendor page section 5.1: forward only, except to the side.
_FORWARD = (
    "sent", "received", "accepted", "artwork_required", "proof_waiting", "proof_approved", "in_production",
    "partially_shipped", "shipped", "delivered", "invoiced",
)  # fmt: skip
_RANK = {status: rank for rank, status in enumerate(_FORWARD)}
_SIDE = ("on_hold", "rejected", "cancelled")
ENDED = frozenset(("rejected", "cancelled"))
SHIPPED = frozenset(("shipped", "delivered", "invoiced"))
OPEN = frozenset(_FORWARD[:-3]) | {"on_hold", "shipped"}

CANONICAL: Mapping[str, OrderStatus] = {
    "sent": "pending", "received": "pending", "accepted": "processing", "artwork_required": "on_hold",
    "proof_waiting": "on_hold", "proof_approved": "processing", "in_production": "processing",
    "partially_shipped": "partially_shipped", "shipped": "shipped", "delivered": "completed", "invoiced": "completed",
    "on_hold": "on_hold", "rejected": "failed", "cancelled": "cancelled",
}  # fmt: skip

# Two who take news at once would each forget the other's shipments.
_TELLING = threading.Lock()


def names(value: Any, part: NewsPart) -> tuple[str, str]:
    """XD's number and our reference of the order that news are about."""
    return pick_text(value, part.order_number), pick_text(value, part.reference)


def tell(session: Session[Settings], contract: Wire, order: ledger.Sent, value: Any) -> str:
    """Take news of an order into the memory; answers a sentence on what they changed."""
    now = session.clock.now()
    with _TELLING:
        before = ledger.state(session, order)
        after, note = applied(before, value, contract, order, now)
        changed = msgspec.structs.replace(after, heard_at=before.heard_at) != before
        after = msgspec.structs.replace(after, changed_at=now if changed else before.changed_at)
        ledger.keep_state(session, order, after)
    return note


def applied(
    before: ledger.State, value: Any, contract: Wire, order: ledger.Sent, now: datetime
) -> tuple[ledger.State, str]:
    """The state after these news, and a sentence; an unknown word is kept and changes no status.

    Of news that are older than what is known only shipments and progress count.
    """
    part = contract.file.news
    word = pick_text(value, part.status)
    told_at = _moment(pick_text(value, part.date), now)
    late = bool(before.told_at and told_at and told_at < before.told_at)
    shipments = _shipments(before, value, part, order)
    status, note = _moved(before, contract.words.get(bare(word), ""), word, bool(shipments), late=late)
    moved = status != before.status
    after = msgspec.structs.replace(
        before, status=status, heard_at=now, shipments=shipments,
        furthest=max(before.furthest, status, key=lambda each: _RANK.get(each, -1)),
    )  # fmt: skip
    if late:
        return after, note
    return msgspec.structs.replace(
        after, word=word or before.word, told_at=told_at or before.told_at,
        message=pick_text(value, part.message) or ("" if moved else before.message),
        proof_status=pick_text(value, part.proof_status) or before.proof_status,
        proof_url=pick_text(value, part.proof_url) or before.proof_url,
    ), note  # fmt: skip


def _moved(before: ledger.State, status: str, word: str, shipped: bool, *, late: bool) -> tuple[str, str]:
    """The status after a word, and a sentence.

    Dates are not needed to tell which step is further; they decide about words to the side and what follows those.
    """
    furthest = _RANK.get(before.furthest or before.status, 0)
    if status == "cancelled_unless_shipped":
        gone = shipped or furthest >= _RANK["partially_shipped"]
        status = before.status if gone else "cancelled"
    if not status:
        return before.status, f"The status {word!r} is not known and changes nothing." if word else "No status."
    if status == before.status:
        return status, f"It is {status}."
    if late and (status in _SIDE or before.status in _SIDE):
        return before.status, f"{word!r} is older news than {before.status} and changes nothing."
    if status in _SIDE and not (status == "on_hold" and before.status in ENDED | SHIPPED):
        return status, f"It is {status} now."
    if status in _SIDE or before.status in ENDED or _RANK[status] < furthest:
        return before.status, f"{word!r} is behind {before.status} and changes nothing."
    return status, f"It is {status} now."


def _shipments(before: ledger.State, value: Any, part: NewsPart, order: ledger.Sent) -> tuple[ledger.Parcels, ...]:
    """All shipments known after these news.

    Shipped pieces count what has left so far, so a new shipment holds what earlier ones do not account for. Several
    new ones at once cannot be told apart by pieces: the first holds them.
    """
    known = {each.key: each for each in before.shipments}
    for at, row in enumerate(pick_list(value, part.shipments), 1):
        if not isinstance(row, dict):
            continue
        number = pick_text(row, part.tracking_number)
        key = number or pick_text(row, part.tracking_url) or f"{pick_text(row, part.shipped_date)}#{at}"
        lines = (known[key].lines if key in known else {}) or _pieces(known, value, part, order)
        known[key] = ledger.Parcels(
            key=key, carrier=pick_text(row, part.carrier), tracking_number=number,
            tracking_url=pick_text(row, part.tracking_url), shipped_date=pick_text(row, part.shipped_date),
            parcels=_count(pick_text(row, part.parcels)), lines=lines,
        )  # fmt: skip
    return tuple(known.values())


def _pieces(known: Mapping[str, ledger.Parcels], value: Any, part: NewsPart, order: ledger.Sent) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    numbers = {str(line.number) for line in order.lines}
    for row in pick_list(value, part.lines):
        number = pick_text(row, part.line_number)
        if number not in numbers:  # XD may count them in its own way
            number = _line_of(order, pick_text(row, part.line_item), found)
        so_far = sum((each.lines.get(number, Decimal(0)) for each in known.values()), Decimal(0))
        left = _amount(pick_text(row, part.line_shipped)) - so_far
        if number and left > 0:
            found[number] = left
    return found


def _line_of(order: ledger.Sent, item: str, taken: Mapping[str, Decimal]) -> str:
    lines = [str(line.number) for line in order.lines if line.sku.casefold() == item.casefold()]
    return next((number for number in lines if number not in taken), "")


def _moment(text: str, now: datetime) -> datetime | None:
    try:
        told = utc(text, "date", ZONE)
    except RecordError:
        return None  # news with a strange date are news all the same
    return min(later_reading(told, now), now) if told else None  # by a date in the future all later news would be old


def _amount(text: str) -> Decimal:
    try:
        return decimal(text, "quantity")
    except RecordError:
        return Decimal(0)


def _count(text: str) -> int:
    return max(int(min(_amount(text), Decimal(999))), 1)
