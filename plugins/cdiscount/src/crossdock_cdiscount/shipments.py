"""Reporting parcels, so that twice is once (vendor page section 5).

Octopia knows whole lines, no quantities, and on Cdiscount one parcel for a complete order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import attrs

from crossdock import Gap, Order, Parcel, Receipt, RecordError, Session, Shipment, ShipmentLine, evolve
from crossdock.mapping import text
from crossdock_cdiscount import wire
from crossdock_cdiscount.deciding import order_of
from crossdock_cdiscount.mapping import DEAD, GONE, ships
from crossdock_cdiscount.reading import address
from crossdock_cdiscount.settings import API, Settings

_CARRIERS = "carriers"
_OPEN = "InPreparation"


def push_shipment(session: Session[Settings], shipment: Shipment, order: Order) -> Receipt:
    """Report the parcels that Octopia does not have yet.

    The order is read first, since a parcel may be registered although the answer was a 502. Where an order has one
    parcel only, the others stand in the receipt's note.
    """
    before = order_of(session, order.key)
    try:
        return _reported(session, shipment, before)
    except RecordError as error:
        if error.status not in (409, 422):
            raise
        # Another shipment of the order may have been reported since it was read.
        now = order_of(session, order.key)
        if _registered(now, session.settings) == _registered(before, session.settings):
            raise
        return _reported(session, shipment, now)


def _reported(session: Session[Settings], shipment: Shipment, now: wire.Order) -> Receipt:
    parcels = _parcels(shipment)
    single = _is_single(session, now)
    there = _registered(now, session.settings)
    missing = [parcel for parcel in parcels if _plain(parcel.number) not in there]
    owed = () if missing or single else _owed(shipment, now, session.settings)
    if owed:
        shipment, missing = evolve(shipment, lines=owed), parcels
    if not missing or (single and there):
        return _receipt(shipment, now, there, single=single)
    if there and now.status in GONE:
        return _receipt(shipment, now, there, single=single, note=_late(missing, there))
    lines, note = _lines(shipment, now, session.settings, single=single)
    if not lines:
        return _receipt(shipment, now, there, single=single, note=_late(missing, there))
    carrier = carrier_label(session, shipment)
    body = [
        {
            "parcelNumber": parcel.number, "carrierName": carrier,
            **({"trackingUrl": parcel.tracking_url} if parcel.tracking_url else {}),
            "orderLineIds": lines,
        }
        for parcel in (missing[:1] if single else missing)
    ]  # fmt: skip
    session.http.post(f"{address(text(now.order_id))}/shipments", body, create=True, budget=API)
    sent = {**there, **{_plain(str(each["parcelNumber"])): str(each["parcelNumber"]) for each in body}}
    return _receipt(shipment, now, sent, single=single, status="Shipped", note=note)


def find_shipment(session: Session[Settings], shipment: Shipment, order: Order) -> Sequence[Receipt]:
    """The report of this shipment, looked for in the parcels of the order's lines; nothing while one is missing.

    Where an order has one parcel only, that this shipment's first parcel is there is all that can be asked for.
    """
    now = order_of(session, order.key)
    single = _is_single(session, now)
    there = _registered(now, session.settings)
    numbers = [_plain(parcel.number) for parcel in _parcels(shipment)]
    found = any(number in there for number in numbers) if single else all(number in there for number in numbers)
    if found and not single and _owed(shipment, now, session.settings):
        return []
    return [_receipt(shipment, now, there, single=single)] if found else []


# -- what is there ---------------------------------------------------------------------------------


def _parcels(shipment: Shipment) -> list[Parcel]:
    """The shipment's parcels, each number once, with the shipment's address where they have none."""
    named = {each.number: each for each in shipment.parcels if each.number}
    if not named and shipment.tracking_number:
        named = {shipment.tracking_number: Parcel(number=shipment.tracking_number)}
    if not named:
        raise RecordError(
            "The shipment has no parcel number, and Octopia takes no shipment without one.", path="tracking_number"
        )
    return [
        Parcel(number=each.number, tracking_url=each.tracking_url or shipment.tracking_url) for each in named.values()
    ]


def _is_single(session: Session[Settings], order: wire.Order) -> bool:
    channel = order.sales_channel or wire.Channel()
    return text(channel.id) in session.settings.one_parcel_channels


def _registered(order: wire.Order, settings: Settings) -> dict[str, str]:
    """The numbers of the parcels that the seller's lines have: a warehouse's parcels are not ours."""
    ours = (line for line in order.lines or () if ships(line, settings))
    return {number: shown for line in ours for number, shown in _numbers(line).items()}


def _numbers(line: wire.Line) -> dict[str, str]:
    shown = (text(parcel.parcel_number) for parcel in line.parcels or ())
    return {_plain(number): number for number in shown if number}


def _plain(number: str) -> str:
    """A parcel number however it is written: a marketplace may keep it without blanks or in capitals."""
    return "".join(number.split()).casefold()


def _owed(shipment: Shipment, order: wire.Order, settings: Settings) -> tuple[ShipmentLine, ...]:
    """Lines that the shipment names and that are still open, while its parcels stand on others only.

    Goods of two shipments may leave in one parcel: that its number is there does not tell that this line is reported.
    """
    if order.status != _OPEN:
        return ()
    numbers = {_plain(parcel.number) for parcel in _parcels(shipment)}
    lines = {text(line.order_line_id): line for line in order.lines or () if ships(line, settings)}
    carried, left = set[str](), set[str]()
    for key, line in lines.items():
        names = {key, text(line.offer.seller_product_id) if line.offer else ""}
        if numbers & _numbers(line).keys():
            carried |= names
        elif line.status not in DEAD | GONE:
            left |= names
    owed = left - carried - {""}
    return tuple(
        line for line in shipment.lines
        if line.quantity > 0 and (line.order_line if line.order_line in lines else line.sku) in owed
    )  # fmt: skip


def _receipt(
    shipment: Shipment, order: wire.Order, there: Mapping[str, str], *, single: bool, status: str = "", note: str = ""
) -> Receipt:  # fmt: skip
    numbers = [parcel.number for parcel in _parcels(shipment)]
    shown = [number for number in numbers if _plain(number) in there]
    left = [number for number in numbers if _plain(number) not in there]
    if left and single:
        kept = ", ".join(shown or sorted(there.values()))
        note = f"{note} {_channel(order)} takes one parcel per order ({kept}); not sent: {', '.join(left)}.".strip()
    return Receipt(
        external_id=", ".join(shown) or text(order.order_id), number=text(order.reference),
        status=status or order.status or "", note=note,
    )  # fmt: skip


def _late(missing: Sequence[Parcel], there: Mapping[str, str]) -> str:
    """Octopia knows whole lines: the rest of a line that was shipped in parts cannot be reported any more."""
    return (
        f"Its lines were reported whole, with {', '.join(sorted(there.values()))}; "
        f"not sent: {', '.join(each.number for each in missing)}."
    )


def _channel(order: wire.Order) -> str:
    channel = order.sales_channel or wire.Channel()
    return channel.name or text(channel.id)


# -- which lines -----------------------------------------------------------------------------------


@attrs.define
class _Open:
    """The lines that can be shipped now, by id."""

    lines: dict[str, wire.Line]
    foreign: set[str]
    gone: set[str]
    """Ids and SKUs of the seller's lines that were reported already."""

    @classmethod
    def of(cls, order: wire.Order, settings: Settings) -> _Open:
        if order.status != _OPEN:
            raise RecordError(
                f"The order {text(order.order_id)} is {order.status}; only orders in {_OPEN} can be shipped.",
                path="status",
            )
        lines = {text(line.order_line_id): line for line in order.lines or ()}
        ours = {key: line for key, line in lines.items() if ships(line, settings)}
        closed = DEAD | GONE
        gone = {key: line for key, line in ours.items() if line.status in GONE}
        skus = {text(line.offer.seller_product_id) for line in gone.values() if line.offer}
        still = {key: line for key, line in ours.items() if line.status not in closed}
        return cls(still, lines.keys() - ours.keys(), gone.keys() | skus)


def _lines(shipment: Shipment, order: wire.Order, settings: Settings, *, single: bool) -> tuple[list[str], str]:
    """The ids of the lines to report as shipped, and a note where that is more than was shipped."""
    open_ = _Open.of(order, settings)
    if not open_.lines:
        raise RecordError("No line of the order is left that the seller has to ship.", path="lines")
    shipped = _shipped(shipment, open_)
    wanted = shipped
    if single or not shipment.lines:
        # The one parcel stands for the order; a line that the customer wants cancelled goes along when it is named.
        asked = {key for key, line in open_.lines.items() if line.status == "CancelRequest"}
        rest = {key: line.quantity or Decimal(0) for key, line in open_.lines.items() if key not in asked}
        wanted = {**rest, **shipped} or {key: Decimal(0) for key in open_.lines}
    more = [
        key for key in wanted
        if shipment.lines and shipped.get(key, Decimal(0)) < (open_.lines[key].quantity or Decimal(0))
    ]  # fmt: skip
    note = f"Octopia ships whole lines: {len(more)} of them left only in part." if more else ""
    return [key for key in open_.lines if key in wanted], note


def _shipped(shipment: Shipment, open_: _Open) -> dict[str, Decimal]:
    """Quantities by line, for the lines that the shipment names."""
    by_sku: dict[str, list[str]] = {}
    for key, ordered in open_.lines.items():
        if ordered.offer and ordered.offer.seller_product_id:
            by_sku.setdefault(text(ordered.offer.seller_product_id), []).append(key)
    found: dict[str, Decimal] = {}
    counted = any(line.quantity > 0 for line in shipment.lines)
    for index, line in enumerate(shipment.lines):
        if counted and line.quantity <= 0:  # nothing of it left
            continue
        if line.order_line in open_.foreign:
            raise RecordError(
                f"The line {line.order_line} is shipped by a warehouse of Octopia's, not by the seller.",
                path=f"lines[{index}].order_line",
            )
        keys = [line.order_line] if line.order_line in open_.lines else by_sku.get(line.sku, [])
        if not keys and open_.gone & {line.order_line, line.sku}:
            continue
        if not keys:
            raise RecordError(
                f"The order has no open line of the seller's for {line.sku or line.order_line!r}.",
                path=f"lines[{index}]",
            )
        _spread(line.quantity, keys, open_, found)
    return found


def _spread(quantity: Decimal, keys: Sequence[str], open_: _Open, found: dict[str, Decimal]) -> None:
    """Give `quantity` to the lines of an article, one after the other; what is too much stays with the last."""
    for key in keys:
        room = (open_.lines[key].quantity or Decimal(0)) - found.get(key, Decimal(0))
        part = quantity if key == keys[-1] else min(quantity, max(room, Decimal(0)))
        if part > 0 or (key == keys[-1] and not any(each in found for each in keys)):
            found[key] = found.get(key, Decimal(0)) + part
        quantity -= part


# -- carriers --------------------------------------------------------------------------------------


def carrier_label(session: Session[Settings], shipment: Shipment) -> str:
    """The carrier as Octopia writes it: its label, since one code stands for several (vendor page section 4, measured).

    Raises `RecordError` with a gap for one that Octopia does not list, unless free names are allowed.
    """
    names = [name for name in (shipment.carrier, shipment.carrier_name) if name]
    if not names:
        raise RecordError("The shipment names no carrier.", path="carrier")
    folded = {name.casefold().strip(): name for name in names}
    known = session.memory.get_many(_CARRIERS, folded)
    if not known:
        known = dict(labels(session))
        session.memory.put_many(_CARRIERS, known)
    for name in folded:
        if name in known:
            return known[name]
    if session.settings.free_carriers:
        return shipment.carrier_name or shipment.carrier
    raise RecordError(
        f"Octopia lists no carrier {names[0]!r}.", path="carrier", gap=Gap("carrier", names[0]),
        hint="Map it to one of the labels of GET /carriers, or set free_carriers to yes.",
    )  # fmt: skip


def labels(session: Session[Settings]) -> Mapping[str, str]:
    """Octopia's carriers: their labels by label in lower case."""
    answer = session.http.get("carriers", budget=API)
    return {each.label.casefold().strip(): each.label for each in answer.decode(wire.CARRIERS) if each.label}
