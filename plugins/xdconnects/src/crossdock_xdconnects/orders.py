"""Our own purchase orders and their shipments as streams, from the memory: XD offers no list of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from crossdock import (
    Address,
    ByKeys,
    Order,
    OrderLine,
    Page,
    Parcel,
    Query,
    RecordError,
    Row,
    Session,
    Shipment,
    ShipmentLine,
    Since,
    TransientError,
)
from crossdock.mapping import utc
from crossdock_xdconnects import ledger, news, ordering, wire
from crossdock_xdconnects.settings import Settings, mailbox
from crossdock_xdconnects.tables import ZONE

_TOO_OLD = "before order start"
_NOT_SHIPPED = "nothing shipped"
_OVERLAP = timedelta(hours=1)
"""News are kept by other processes, whose clocks differ, and a moment after they were stamped."""
_ENOUGH = 3  # orders in a row without an answer: then it is XD that is in trouble, not they
_encode = msgspec.json.Encoder(decimal_format="string").encode

_Known = tuple[ledger.Sent, ledger.State]


def orders(session: Session[Settings], query: Query) -> Iterator[Page[Order]]:
    """The orders that were sent and changed, or are still under way; those named for `ByKeys` (XD's numbers)."""
    start = (query.start if isinstance(query, Since) else None) or session.settings.order_start

    def record(found: _Known) -> Order | str:
        order, state = found
        return _TOO_OLD if start and order.sent_at < start else to_order(session, order, state)

    rows, cursor = _rows(session, query)
    yield session.page(rows, record, cursor=cursor, identify=lambda found: found[0].number)


def shipments(session: Session[Settings], query: Query) -> Iterator[Page[Shipment]]:
    """What XD told to have left of these orders."""
    rows, cursor = _rows(session, query)
    parcels: list[Row[Any]] = []
    for row in rows:
        made = to_shipments(*row.value) if row.value else []
        parcels += [Row(row.raw, each) for each in made] or [Row(row.raw, _NOT_SHIPPED)]
    yield session.page(parcels, lambda each: each, cursor=cursor)


def _rows(session: Session[Settings], query: Query) -> tuple[list[Row[_Known]], str | None]:
    """Orders with their states, asked anew where the mapping file says how; and the bookmark."""
    if isinstance(query, ByKeys):
        chosen, since, cursor = ledger.by_numbers(session, query.keys), None, None
    else:
        # Whatever changes from this moment on comes again next time.
        since, cursor = utc(query.cursor, "cursor"), session.clock.now().isoformat()
        since, chosen = since and since - _OVERLAP, ledger.all_sent(session)
    contract = wire.load(session.settings.wire_file)
    _refresh(session, contract, chosen)
    rows = []
    for order in chosen:
        state = ledger.state(session, order)
        if since is None or state.changed_at >= since or state.status in news.OPEN:
            rows.append(Row(_encode({"order": order, "state": state}), (order, state)))
    return rows, cursor


def _refresh(session: Session[Settings], contract: wire.Wire, chosen: list[ledger.Sent]) -> None:
    """Ask how far open orders are. One that XD cannot answer for is asked last, and again next time: it stops no other.

    Raises `TransientError` when XD answers for none, or asks to wait.
    """
    if contract.status is None:
        return
    states = [(order, ledger.state(session, order)) for order in chosen]
    answered = failed = 0
    open_ones = [each for each in states if each[1].status in news.OPEN]
    for order, _ in sorted(open_ones, key=lambda each: each[1].heard_at, reverse=True):
        try:
            ordering.refresh(session, contract, order)
        except TransientError as error:
            failed += 1
            if error.wait is not None or (failed >= _ENOUGH and not answered):
                raise
            session.log.warning("XD does not say how far the order %s is: %s", order.number, error)
            if failed >= _ENOUGH:
                return
        else:
            answered, failed = answered + 1, 0


def to_order(session: Session[Settings], order: ledger.Sent, state: ledger.State) -> Order:
    """A purchase order as a record; `raw_status` is the neutral status, the vendor's last word is in the extras."""
    silent = ordering.is_silent(session, order, state)
    extras: dict[str, Any] = {
        "type": order.type, "shop_number": order.shop_number, "word": state.word, "message": state.message,
        "proof_status": state.proof_status, "proof_url": state.proof_url,
        "silent_since": state.heard_at.date().isoformat() if silent else "",
        "back_office": mailbox(session.settings, order.ship_to.country if order.ship_to else ""),
    }  # fmt: skip
    return Order(
        key=order.number, number=order.number, status=news.CANONICAL.get(state.status, "unknown"),
        raw_status=state.status, placed_at=order.sent_at, currency=order.currency,
        shipping_address=order.ship_to or Address(), total=order.total,
        lines=tuple(
            OrderLine(
                key=str(line.number), sku=line.sku, name=line.name, quantity=Decimal(line.quantity),
                unit_price=line.unit_price, total=line.unit_price * line.quantity,
            )
            for line in order.lines
        ),
        references={"external": order.reference},
        extras={name: value for name, value in extras.items() if value}, updated_at=state.changed_at,
    )  # fmt: skip


def to_shipments(order: ledger.Sent, state: ledger.State) -> list[Shipment]:
    """The shipments of an order; lines name the line of the source order.

    A shipment without lines would mean the whole order to a shop. So a parcel whose pieces nobody told goes with the
    shipment beside it; when all is shipped, the first such parcel has what is left.
    """
    whole = state.status in news.SHIPPED
    lines = {str(line.number): line for line in order.lines}
    told = _with_pieces(order, state.shipments, whole=whole)
    return [
        Shipment(
            key=f"{order.number}/{each.key}", order_key=order.number, number=each.tracking_number,
            carrier=each.carrier, carrier_name=each.carrier, tracking_number=each.tracking_number,
            tracking_url=each.tracking_url, shipped_at=_shipped_at(each.shipped_date),
            parcels=tuple(Parcel(number=one.tracking_number, tracking_url=one.tracking_url) for one in (each, *more)),
            lines=tuple(
                ShipmentLine(order_line=lines[number].key, sku=lines[number].sku, quantity=quantity)
                for number, quantity in each.lines.items() if number in lines
            ),
            completes_order=whole and at == len(told),
            extras={"parcels": sum(one.parcels for one in (each, *more))}, updated_at=state.changed_at,
        )
        for at, (each, more) in enumerate(told, 1)
    ]  # fmt: skip


def _with_pieces(
    order: ledger.Sent, shipments: tuple[ledger.Parcels, ...], *, whole: bool
) -> list[tuple[ledger.Parcels, tuple[ledger.Parcels, ...]]]:
    """Shipments whose pieces are known, each with the further ones that hold some of the same pieces."""
    found: list[tuple[ledger.Parcels, tuple[ledger.Parcels, ...]]] = []
    early: tuple[ledger.Parcels, ...] = ()
    left = _left(order, shipments) if whole else {}
    for each in shipments:
        if not each.lines and left:
            each, left = msgspec.structs.replace(each, lines=left), {}
        if each.lines:
            found.append((each, early))
            early = ()
        elif found:
            found[-1] = found[-1][0], (*found[-1][1], each)
        else:
            early = (*early, each)
    return found


def _left(order: ledger.Sent, shipments: tuple[ledger.Parcels, ...]) -> dict[str, Decimal]:
    """The pieces of each line that no shipment holds."""
    found = {}
    for line in order.lines:
        gone = sum((each.lines.get(str(line.number), Decimal(0)) for each in shipments), Decimal(0))
        if line.quantity > gone:
            found[str(line.number)] = line.quantity - gone
    return found


def _shipped_at(text: str) -> datetime | None:
    try:
        return utc(text, "shippedDate", UTC if len(text) == len("2026-01-31") else ZONE)
    except RecordError:
        return None  # the parcel left all the same
