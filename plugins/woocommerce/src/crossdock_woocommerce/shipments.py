"""Reporting shipments by whichever facility the shop has (section 8), so that twice is once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from crossdock import Order, Parcel, Receipt, RecordError, Session, Shipment
from crossdock_woocommerce import wire
from crossdock_woocommerce.api import Api, api, created
from crossdock_woocommerce.mapping import KEY_META
from crossdock_woocommerce.placing import FINAL, receipt
from crossdock_woocommerce.settings import Settings
from crossdock_woocommerce.verifying import find_tracking

_TRACKINGS = {
    "shipment-tracking": "/wc-shipment-tracking/v3/orders/{}/shipment-trackings",
    "ast": "/wc-ast/v3/orders/{}/shipment-trackings",
}


@attrs.frozen
class _Trace:
    """What is there of a shipment: an id at the vendor, the text that names parcels, and our key where it is kept."""

    id: str
    text: str
    key: str = ""


def push_shipment(session: Session[Settings], shipment: Shipment, order: Order, key: str) -> Receipt:
    """Write what is missing of the shipment, then complete the order if it is the last one.

    The parcel numbers go first, because the customer's mail leaves with the status (section 8).
    """
    shop = api(session)
    facility = _facility(session, shop, shipment)
    traces = list(_traces(shop, facility, order.key))
    ids = [trace.id for trace in traces if _tells(trace, shipment, key)]
    if facility in _TRACKINGS:
        known = {trace.text for trace in traces}
        missing = [parcel for parcel in _parcels(shipment) if parcel.number not in known]
        ids += [_track(shop, facility, shipment, parcel, order.key) for parcel in missing]
    elif not _found(traces, shipment) and facility == "fulfillments":
        ours = next((trace.id for trace in traces if trace.key == key), "")
        ids.append(_fulfil(shop, shipment, order, key, ours))
    elif not _found(traces, shipment):
        ids.append(_note(shop, shipment, order))
    status = _complete(shop, shipment, order.key)
    return attrs.evolve(
        receipt(session, int(order.key), order.number, status), external_id=", ".join(dict.fromkeys(ids)) or order.key,
        note=facility,
    )  # fmt: skip


def find_shipment(session: Session[Settings], shipment: Shipment, order: Order, key: str) -> Sequence[Receipt]:
    """The report of this shipment when all of it is there, the status too; else nothing, and pushing adds the rest."""
    shop = api(session)
    facility = _facility(session, shop, shipment)
    traces = list(_traces(shop, facility, order.key))
    if not _found(traces, shipment):
        return []
    status = shop.get(f"orders/{order.key}", {"_fields": "id,status"}).decode(wire.MARK).status
    if shipment.completes_order and status not in FINAL:
        return []
    ids = [trace.id for trace in traces if _tells(trace, shipment, key)]
    found = receipt(session, int(order.key), order.number, status)
    return [attrs.evolve(found, external_id=", ".join(ids), note=facility)]


def _facility(session: Session[Settings], shop: Api, shipment: Shipment) -> str:
    if not _parcels(shipment):
        return "note"  # every other facility wants a number
    chosen = session.settings.tracking
    if chosen == "auto":
        chosen = str(session.facts.get("tracking") or "")
    return chosen or find_tracking(shop, shop.get("/").json().get("namespaces", ()))


def _parcels(shipment: Shipment) -> list[Parcel]:
    numbered = [parcel for parcel in shipment.parcels if parcel.number]
    if numbered or not shipment.tracking_number:
        return numbered
    return [Parcel(number=shipment.tracking_number, tracking_url=shipment.tracking_url)]


# -- what is there -----------------------------------------------------------------------------------


def _traces(shop: Api, facility: str, order: str) -> Iterator[_Trace]:
    if facility in _TRACKINGS:
        for tracking in shop.get(_TRACKINGS[facility].format(order)).decode(wire.TRACKINGS):
            yield _Trace(tracking.tracking_id, tracking.tracking_number)
    elif facility == "fulfillments":
        for done in shop.get(f"orders/{order}/fulfillments").decode(wire.FULFILLMENTS):
            meta = {each.key: str(each.value) for each in done.meta_data}
            texts = [meta[name] for name in (KEY_META, "_tracking_number") if name in meta]
            yield _Trace(str(done.id), " ".join(texts), meta.get(KEY_META, ""))
    else:
        for note in shop.get(f"orders/{order}/notes", {"type": "customer"}).decode(wire.NOTES):
            yield _Trace(str(note.id), note.note)


def _marks(shipment: Shipment) -> list[str]:
    """What must be readable in the shop for the shipment to be reported."""
    return [parcel.number for parcel in _parcels(shipment)] or [shipment.number or shipment.key]


def _tells(trace: _Trace, shipment: Shipment, key: str) -> bool:
    return any(_mentions(trace.text, mark) for mark in (key, *_marks(shipment)))


def _found(traces: Sequence[_Trace], shipment: Shipment) -> bool:
    # Our key alone does not do: a number may have been corrected, or a parcel added, since it was written.
    text = "\n".join(trace.text for trace in traces)
    return all(_mentions(text, mark) for mark in _marks(shipment))


def _mentions(text: str, mark: str) -> bool:
    # As a whole: parcel 12 is not reported because parcel 123 is.
    return bool(mark) and re.search(rf"(?<!\w){re.escape(mark)}(?!\w)", text) is not None


# -- writing -----------------------------------------------------------------------------------------


def _track(shop: Api, facility: str, shipment: Shipment, parcel: Parcel, order: str) -> str:
    body: dict[str, Any] = {"tracking_number": parcel.number}
    url, name = parcel.tracking_url or shipment.tracking_url, shipment.carrier_name or shipment.carrier
    if url:
        body |= {"custom_tracking_provider": name or "Parcel service", "custom_tracking_link": url}
    else:
        body["tracking_provider"] = shipment.carrier or shipment.carrier_name
    if shipment.shipped_at:
        body["date_shipped"] = shipment.shipped_at.date().isoformat()
    made = created(shop.post(_TRACKINGS[facility].format(order), body, create=True), wire.TRACKING)
    return made.tracking_id or parcel.number


def _fulfil(shop: Api, shipment: Shipment, order: Order, key: str, ours: str) -> str:
    """A new fulfillment, or the one that is `ours` already with what it says by now."""
    parcels = _parcels(shipment)
    meta = {
        "_items": _items(shipment, order),
        "_tracking_number": " ".join(parcel.number for parcel in parcels),
        "_shipment_provider": shipment.carrier or shipment.carrier_name,
        "_tracking_url": parcels[0].tracking_url or shipment.tracking_url,
        KEY_META: key,
    }
    body = {
        "status": "fulfilled", "is_fulfilled": True,
        "meta_data": [{"key": name, "value": value} for name, value in meta.items() if value],
    }  # fmt: skip
    address = f"orders/{order.key}/fulfillments"
    if ours:
        shop.put(f"{address}/{ours}", body)
        return ours
    made = created(shop.post(address, body, create=True), wire.FULFILLMENT)
    return str(made.id)


def _items(shipment: Shipment, order: Order) -> list[dict[str, int]]:
    """Order lines and quantities in the shipment; all of them when it does not say."""
    by_sku = {line.sku: line.key for line in order.lines if line.sku}
    keys = {line.key for line in order.lines}
    if not shipment.lines:
        return [{"item_id": int(line.key), "qty": int(line.quantity)} for line in order.lines]
    items = []
    for index, line in enumerate(shipment.lines):
        item = line.order_line if line.order_line in keys else by_sku.get(line.sku)
        if item is None:
            raise RecordError(f"The order has no line for {line.sku or line.order_line!r}.", path=f"lines[{index}]")
        items.append({"item_id": int(item), "qty": int(line.quantity)})
    return items


def _note(shop: Api, shipment: Shipment, order: Order) -> str:
    """A note that is mailed to the customer."""
    carrier = shipment.carrier_name or shipment.carrier
    by = f" with {carrier}" if carrier else ""
    parcels = _parcels(shipment)
    if parcels:
        told = [f"{each.number} {each.tracking_url or shipment.tracking_url}".strip() for each in parcels]
        text = f"Your order was shipped{by}. Tracking: {', '.join(told)}"
    else:
        text = f"Your order was shipped{by}. Shipment: {shipment.number or shipment.key}"
    body = {"note": text, "customer_note": True}
    return str(created(shop.post(f"orders/{order.key}/notes", body, create=True), wire.NOTE).id)


def _complete(shop: Api, shipment: Shipment, order: str) -> str:
    status = shop.get(f"orders/{order}", {"_fields": "id,status"}).decode(wire.MARK).status
    if not shipment.completes_order or status in FINAL:
        return status
    kept = shop.put(f"orders/{order}", {"status": "completed"}).decode(wire.MARK).status
    if kept != "completed":
        raise RecordError(f"The shop kept the status {kept} instead of completed.", path="completes_order")
    return kept
