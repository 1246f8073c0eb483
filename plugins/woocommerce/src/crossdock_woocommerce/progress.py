"""Showing on an order how far it is at whoever makes or sends the goods."""

from __future__ import annotations

import html

from crossdock import Order, Receipt, RecordError, Session
from crossdock_woocommerce import wire
from crossdock_woocommerce.api import Api, api, created
from crossdock_woocommerce.placing import FINAL, receipt
from crossdock_woocommerce.settings import Settings

_SLUG = "wc-"


def push_status(session: Session[Settings], update: Order, order: Order, key: str) -> Receipt:
    """Write a private note when there is news, and set the order's status when a mapping table names one.

    The other system's word never changes the shop's order by itself: a supplier that rejects an order has not spoken
    with the customer. A table of the kind "status" may say ``wc-on-hold`` (the shop's own name with its prefix); an
    order that is completed, cancelled or refunded stays so.
    """
    shop = api(session)
    _note(shop, _text(update, key), order.key, key)
    status = shop.get(f"orders/{order.key}", {"_fields": "id,status"}).decode(wire.MARK).status
    wanted = update.raw_status.removeprefix(_SLUG) if update.raw_status.startswith(_SLUG) else status
    if wanted != status and status not in FINAL:
        kept = shop.put(f"orders/{order.key}", {"status": wanted}).decode(wire.MARK).status
        if kept != wanted:
            raise RecordError(
                f"The shop kept the status {kept} instead of {wanted}.", path="raw_status",
                hint="Is there such a status in the shop? Correct the row: crossdock map list",
            )  # fmt: skip
        status = kept
    return receipt(session, int(order.key), order.number, status)


def _text(update: Order, key: str) -> str:
    word = update.raw_status.removeprefix(_SLUG) or update.status
    proof = str(update.extras.get("proof_url") or "")
    parts = [f"Order {update.number or update.key} is {word.replace('_', ' ')}."]
    if proof:
        parts.append(f"Proof: {proof}")
    return f"{' '.join(parts)} ({key})"


def _note(shop: Api, text: str, order: str, key: str) -> None:
    """Add the note unless it is the newest of ours already: news is told once, however often this is done."""
    notes = shop.get(f"orders/{order}/notes", {"type": "internal"}).decode(wire.NOTES)
    ours = [note for note in notes if note.note.rstrip().endswith(f"({key})")]
    newest = max(ours, key=lambda note: note.id, default=None)
    if newest is None or html.unescape(newest.note).strip() != text:
        created(shop.post(f"orders/{order}/notes", {"note": text, "customer_note": False}, create=True), wire.NOTE)
