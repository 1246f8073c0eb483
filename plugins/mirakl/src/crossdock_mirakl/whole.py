"""Operators without several shipments an order: tracking (OR23), then the whole order as shipped (OR24).

A part cannot be reported there. It is remembered and held in a sentence; the shipment that completes the order reports
all of it, and the held parts are then done when they are tried again.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from crossdock import Order, Receipt, RecordError, Session, Shipment
from crossdock.mapping import text
from crossdock_mirakl import wire
from crossdock_mirakl.api import Platform, existing_order, put
from crossdock_mirakl.carriers import choose
from crossdock_mirakl.deciding import receipt
from crossdock_mirakl.mapping import DEAD, GONE, ZERO
from crossdock_mirakl.settings import Settings


class _Held(msgspec.Struct):
    """A part that was shipped and could not be reported: pieces by line, and its parcels' numbers."""

    lines: dict[str, Decimal] = {}
    numbers: list[str] = []


_PARTS = msgspec.json.Decoder(dict[str, _Held])


def ship_whole(
    session: Session[Settings], platform: Platform, shipment: Shipment, order: Order, asked: Mapping[str, Decimal]
) -> Receipt:
    """Report the order as shipped once all of it is; raises `RecordError` for a part of it."""
    numbers = _numbers(shipment)
    parts = _remember(session, order.key, shipment.key, _Held(dict(asked), numbers))
    if not (shipment.completes_order or _complete(order, parts)):
        return _held(session, order, numbers)
    every = list(dict.fromkeys(number for part in parts.values() for number in part.numbers))
    chosen = numbers[:1] or every[:1]
    try:
        _track(session, platform, shipment, order, chosen)
        put(session, f"orders/{order.key}/ship")
    except RecordError as error:
        if error.gap is not None:
            raise
        # OR24 sent twice answers an opaque 400 (vendor page section 11): the order's state decides.
        row = existing_order(session, order.key)
        check_state(row, error)
        session.memory.forget("parts", [order.key])
        return receipt(row, "" if text(row.shipping_tracking) in every else _unsent(every))
    session.memory.forget("parts", [order.key])
    note = _unsent([number for number in every if number not in chosen])
    return Receipt(external_id=order.key, number=order.number, status="SHIPPED", note=note)


def check_state(row: wire.Order, error: RecordError) -> None:
    """After a refusal: nothing when the order was shipped before, else the reason in a sentence, raised.

    It is a refusal like `error`: or the engine would take the 201 for an acceptance, and ask and send for ever.
    """
    if row.order_state in GONE:
        return
    if row.order_state in DEAD:
        raise RecordError(f"The order {row.order_id} is {row.order_state}; Mirakl takes no shipment for it.",
                          key=row.order_id, hint="Get the goods back, or ask the operator.",
                          refused=error.refused)  # fmt: skip
    if row.order_state != "SHIPPING":
        raise RecordError(
            f"The order {row.order_id} is {row.order_state}; Mirakl takes shipments from SHIPPING on.",
            key=row.order_id, hint="Wait until the order is accepted and paid, then try again.", refused=error.refused,
        )  # fmt: skip
    raise error


def _held(session: Session[Settings], order: Order, numbers: list[str]) -> Receipt:
    """A part: held, unless the order was reported as shipped meanwhile."""
    row = existing_order(session, order.key)
    if row.order_state in GONE:
        session.memory.forget("parts", [order.key])
        return receipt(row, "" if text(row.shipping_tracking) in numbers else _unsent(numbers))
    raise RecordError(
        f"This operator takes whole orders only, and this shipment is a part of the order {order.key}: "
        "it is held until the rest is shipped.",
        key=order.key, path="lines",
        hint="Nothing to do now. When the last part is reported, try this one again: it is then done.",
    )  # fmt: skip


def _numbers(shipment: Shipment) -> list[str]:
    found = [parcel.number for parcel in shipment.parcels if parcel.number]
    return found or ([shipment.tracking_number] if shipment.tracking_number else [])


def _unsent(numbers: list[str]) -> str:
    return f"Mirakl takes one number an order here; not sent: {', '.join(numbers)}." if numbers else ""


def held_by_others(session: Session[Settings], shipment: Shipment, order: Order) -> dict[str, Decimal]:
    """What other shipments of the order hold, by line."""
    found: dict[str, Decimal] = {}
    for key, part in _parts(session, order.key).items():
        for line, quantity in part.lines.items() if key != shipment.key else ():
            found[line] = found.get(line, ZERO) + quantity
    return found


def _parts(session: Session[Settings], order: str) -> dict[str, _Held]:
    kept = session.memory.get_many("parts", [order]).get(order)
    try:
        return _PARTS.decode(kept) if kept else {}
    except msgspec.MsgspecError:  # of another version: the parts come again when they are replayed
        return {}


def _remember(session: Session[Settings], order: str, key: str, part: _Held) -> dict[str, _Held]:
    parts = _parts(session, order)
    parts[key] = part
    session.memory.put_many("parts", {order: msgspec.json.encode(parts).decode()})
    return parts


def _complete(order: Order, parts: Mapping[str, _Held]) -> bool:
    def shipped(line: str) -> Decimal:
        return sum((part.lines.get(line, ZERO) for part in parts.values()), ZERO)

    return all(shipped(line.key) >= line.quantity for line in order.lines)


def _track(
    session: Session[Settings], platform: Platform, shipment: Shipment, order: Order, numbers: list[str]
) -> None:
    """The carrier and one number (OR23): one that works as a link is better than several that do not."""
    carrier = choose(session, platform, shipment)
    body: dict[str, str] = {}
    if carrier.code:
        body["carrier_code"] = carrier.code
    elif carrier.name:
        body["carrier_name"] = carrier.name
        url = next((each.tracking_url for each in shipment.parcels if each.tracking_url), shipment.tracking_url)
        if url:
            body["carrier_url"] = url
    if numbers:
        body["tracking_number"] = numbers[0]
    if body:
        put(session, f"orders/{order.key}/tracking", body)
