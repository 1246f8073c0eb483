"""Reporting shipments: ST01 where the operator allows several shipments an order, else OR23 and OR24.

Mirakl knows one tracking number a shipment (vendor page section 7), so a shipment of ours with several parcels becomes
several of theirs. Nothing tells in which parcel a piece is; the pieces are dealt out evenly, always in the same way, so
that after a failure only what is missing is sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import attrs

from crossdock import Order, OutcomeUnknownError, Parcel, Receipt, RecordError, Session, Shipment
from crossdock.mapping import text
from crossdock_mirakl import wire
from crossdock_mirakl.api import DAY, PAGE, Platform, create, existing_order, get, platform, read_order
from crossdock_mirakl.carriers import Chosen, choose
from crossdock_mirakl.deciding import receipt
from crossdock_mirakl.mapping import GONE, ZERO
from crossdock_mirakl.settings import Settings
from crossdock_mirakl.whole import check_state, held_by_others, ship_whole

Quantities = dict[str, Decimal]
_WHOLE = "whole orders"


@attrs.frozen
class _Part:
    """One shipment of Mirakl's: a parcel, what is in it, and the reference by which it is recognised."""

    parcel: Parcel
    lines: Quantities
    reference: str


def push(session: Session[Settings], shipment: Shipment, order: Order, key: str) -> Receipt:
    """Report what is missing of the shipment; answers at once when all of it is there.

    The order is read again only when Mirakl refuses something, because OR11 may be asked rarely.
    """
    _check(order)
    found = platform(session)
    if _whole_only(session, found):
        return _whole(session, found, shipment, order)
    there = _existing(session, order.key)
    parts = _parts(shipment, _asked(shipment, order, _of_others(shipment, key, there)), key)
    missing = [part for part in parts if _found(part, there) is None]
    done = [same for part in parts if (same := _found(part, there)) is not None]
    _check_open(order, missing, there)
    carrier = choose(session, found, shipment) if missing else Chosen()
    for part in missing:
        try:
            done.append(_create(session, order, part, carrier, shipment))
        except RecordError as error:
            if error.status == 404 and not done:
                # The feature is off although the configuration did not say so (vendor page section 7).
                session.memory.put_many("operator", {_WHOLE: session.clock.now().isoformat()})
                return _whole(session, found, shipment, order)
            row = read_order(session, order.key)
            if row is None:
                raise
            check_state(row, error)
            return receipt(row, _too_late(missing))
    return _receipt(order, done, _note(parts, shipment))


def _receipt(order: Order, done: Sequence[wire.Shipment], note: str = "") -> Receipt:
    """The ids of Mirakl's shipments, and the state of the last of them."""
    ids = ", ".join(text(each.id) for each in done) or order.key
    status = done[-1].status if done else order.raw_status
    return Receipt(external_id=ids, number=order.number, status=status, note=note)


def _whole_only(session: Session[Settings], found: Platform) -> bool:
    """Whether the operator takes no parts: by its configuration, or as was found within the last day."""
    if found.multi_shipment is False:
        return True
    since = session.memory.get_many("operator", [_WHOLE]).get(_WHOLE)
    return since is not None and session.clock.now() - datetime.fromisoformat(since) < DAY


def _whole(session: Session[Settings], found: Platform, shipment: Shipment, order: Order) -> Receipt:
    asked = _asked(shipment, order, held_by_others(session, shipment, order))
    return ship_whole(session, found, shipment, order, asked)


def _too_late(missing: Sequence[_Part]) -> str:
    numbers = ", ".join(part.parcel.number for part in missing if part.parcel.number)
    return f"The order was reported as shipped before; not sent: {numbers or 'nothing'}."


def find(session: Session[Settings], shipment: Shipment, order: Order, key: str) -> Sequence[Receipt]:
    """The report of this shipment when all of it is there; else nothing, and pushing adds the rest."""
    if _whole_only(session, platform(session)):
        row = existing_order(session, order.key)
        return [receipt(row)] if row.order_state in GONE else []
    there = _existing(session, order.key)
    parts = _parts(shipment, _asked(shipment, order, _of_others(shipment, key, there)), key)
    done = [same for part in parts if (same := _found(part, there)) is not None]
    return [_receipt(order, done)] if parts and len(done) == len(parts) else []


def _check(order: Order) -> None:
    if order.fulfilled_by != "seller":
        center = order.extras.get("fulfillment_center") or "a third party"
        raise RecordError(
            f"The order {order.key} is fulfilled by {center}, which reports its shipments itself.", key=order.key,
            hint="Do not ship it; discard this shipment.",
        )  # fmt: skip


# -- what is shipped ---------------------------------------------------------------------------------


def _asked(shipment: Shipment, order: Order, others: Quantities) -> Quantities:
    """Quantities by Mirakl's line: by the line's key, else dealt out among the lines of the SKU. No lines: all.

    Of several lines of a SKU those come first that `others` (shipments of the same order) left open.
    """
    if not shipment.lines:
        return {line.key: line.quantity for line in order.lines}
    room = {line.key: line.quantity for line in order.lines}
    free = {line: max(quantity - others.get(line, ZERO), ZERO) for line, quantity in room.items()}
    found: Quantities = {}
    for index, part in enumerate(shipment.lines):
        left = part.quantity
        if left != left.to_integral_value():
            raise RecordError(f"Mirakl ships whole pieces, not {left}.", path=f"lines[{index}].quantity")
        named = [line.key for line in order.lines if line.key == part.order_line]
        lines = named or [line.key for line in order.lines if part.sku and line.sku == part.sku]
        for line, limit in [*((line, free) for line in lines), *((line, room) for line in lines)]:
            taken = min(left, limit[line], room[line])
            if taken > 0:
                found[line] = found.get(line, ZERO) + taken
                room[line] -= taken
                free[line] -= taken
                left -= taken
        if left > 0:
            raise RecordError(
                f"The order {order.key} has not so much of {part.sku or part.order_line}: {left} too many.",
                key=order.key, path=f"lines[{index}]",
            )  # fmt: skip
    return found


def _parcels(shipment: Shipment) -> list[Parcel]:
    numbered = [parcel for parcel in shipment.parcels if parcel.number]
    return numbered or [Parcel(number=shipment.tracking_number, tracking_url=shipment.tracking_url)]


def _parts(shipment: Shipment, asked: Quantities, key: str) -> list[_Part]:
    """The shipment as Mirakl's shipments: whole pieces in parcels, in order and as evenly as they go.

    With more parcels than pieces the numbers that are left over go into the last one's reference.
    """
    parcels = _parcels(shipment)
    pieces = int(sum(asked.values(), ZERO))
    used = parcels[: max(pieces, 1)]
    mark = shipment.number or key
    bounds = [pieces * index // len(used) for index in range(len(used) + 1)]
    spread = [line for line, quantity in asked.items() for _ in range(int(quantity))]
    parts = []
    for parcel, (low, high) in zip(used, pairwise(bounds)):
        lines: Quantities = {}
        for line in spread[low:high]:
            lines[line] = lines.get(line, ZERO) + 1
        parts.append(_Part(parcel, lines, mark))
    rest = ", ".join(parcel.number for parcel in parcels[len(used) :])
    if rest:
        parts[-1] = attrs.evolve(parts[-1], reference=f"{mark} + {rest}")
    return [part for part in parts if part.lines]


def _note(parts: Sequence[_Part], shipment: Shipment) -> str:
    rest = len(_parcels(shipment)) - len(parts)
    return f"{rest} parcels more than pieces: their numbers are in the package reference." if rest > 0 else ""


# -- what is there -----------------------------------------------------------------------------------


def _existing(session: Session[Settings], order: str) -> list[wire.Shipment]:
    """The order's shipments (ST11) that count."""
    found: list[wire.Shipment] = []
    token: str | None = None
    while True:
        asked: dict[str, Any] = {"page_token": token} if token else {"order_id": order, "limit": PAGE}
        page = get(session, "shipments", "reads", **asked).decode(wire.SHIPMENTS)
        found += [each for each in page.data if text(each.order_id) == order and each.status != "CANCELED"]
        if not page.next_page_token or page.next_page_token == token:
            return found
        token = page.next_page_token


def _found(part: _Part, there: Sequence[wire.Shipment]) -> wire.Shipment | None:
    """The shipment with this parcel, these lines and our reference; without the reference it was made by hand.

    The reference alone does not do: systems give the number of a consignment to more than one shipment.
    """
    for each in there:
        number = text(each.tracking.tracking_number) if each.tracking else ""
        if number != part.parcel.number or _quantities([each]) != part.lines:
            continue
        if number or part.reference in {line.package_reference for line in each.shipment_lines or ()}:
            return each
    return None


def _quantities(there: Sequence[wire.Shipment]) -> Quantities:
    found: Quantities = {}
    for each in there:
        for line in each.shipment_lines or ():
            name = text(line.order_line_id)
            found[name] = found.get(name, ZERO) + (line.quantity or ZERO)
    return found


def _of_others(shipment: Shipment, key: str, there: Sequence[wire.Shipment]) -> Quantities:
    """What other shipments than this one hold already."""
    mark = shipment.number or key
    numbers = {parcel.number for parcel in _parcels(shipment)}

    def ours(each: wire.Shipment) -> bool:
        number = text(each.tracking.tracking_number) if each.tracking else ""
        references = {line.package_reference or "" for line in each.shipment_lines or ()}
        return number in numbers and any(one == mark or one.startswith(f"{mark} + ") for one in references)

    return _quantities([each for each in there if not ours(each)])


def _check_open(order: Order, missing: Sequence[_Part], there: Sequence[wire.Shipment]) -> None:
    """Mirakl names only the order when a line is shipped twice, so we look first."""
    shipped = _quantities(there)
    ordered = {line.key: line.quantity for line in order.lines}
    for part in missing:
        for name, quantity in part.lines.items():
            shipped[name] = shipped.get(name, ZERO) + quantity
            if shipped[name] > ordered.get(name, ZERO):
                raise RecordError(
                    f"Line {name} of the order {order.key} would be shipped {shipped[name]} times, "
                    f"but {ordered.get(name, ZERO)} are ordered.",
                    key=order.key, path="lines",
                    hint="It was reported before, by hand or with another parcel number: correct the number in the "
                    "operator's back office if need be, and discard this shipment.",
                )  # fmt: skip


# -- ST01 --------------------------------------------------------------------------------------------


def _create(
    session: Session[Settings], order: Order, part: _Part, carrier: Chosen, shipment: Shipment
) -> wire.Shipment:  # fmt: skip
    """One shipment in one call, because errors name the order and not which of its shipments."""
    answer = create(session, "POST", "shipments", {"shipments": [_body(order, part, carrier, shipment)]})
    made = answer.decode(wire.SHIPMENTS_MADE)
    if made.shipment_errors:
        said = " ".join(each.message or "without a message" for each in made.shipment_errors)
        raise RecordError(f"Mirakl refused the shipment of the order {order.key}: {said}", key=order.key, refused=True)
    if not made.shipment_success:
        raise OutcomeUnknownError(f"{answer.url} answered neither a shipment nor an error.")
    return made.shipment_success[0]


def _body(order: Order, part: _Part, carrier: Chosen, shipment: Shipment) -> dict[str, Any]:
    body: dict[str, Any] = {
        "order_id": order.key,
        "shipped": True,
        "shipment_lines": [
            {"order_line_id": line, "quantity": int(quantity), "package_reference": part.reference}
            for line, quantity in part.lines.items()
        ],
    }
    tracking = dict(_tracking(part, carrier, shipment))
    if tracking:
        body["tracking"] = tracking
    return body


def _tracking(part: _Part, carrier: Chosen, shipment: Shipment) -> Iterator[tuple[str, str]]:
    if part.parcel.number:
        yield "tracking_number", part.parcel.number
    if carrier.code:
        yield "carrier_code", carrier.code
    elif carrier.name:
        yield "carrier_name", carrier.name
        url = part.parcel.tracking_url or shipment.tracking_url
        if url:
            yield "tracking_url", url
