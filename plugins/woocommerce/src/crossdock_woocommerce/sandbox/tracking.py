"""Where tracking numbers go: order fulfillments, and the Shipment Tracking and AST plugins (vendor page section 8)."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import quote

from crossdock_woocommerce.sandbox import orders, products, schema
from crossdock_woocommerce.sandbox.shop import Shop
from crossdock_woocommerce.sandbox.wire import ApiError, Json, invalid_id

__all__ = [
    "PROVIDERS",
    "add_fulfillment",
    "add_tracking",
    "drop_fulfillment",
    "drop_tracking",
    "edit_fulfillment",
    "find_fulfillment",
    "list_fulfillments",
    "look_up",
    "tracking_schema",
]

PROVIDERS: dict[str, dict[str, str]] = {
    "Germany": {
        "DHL Intraship (DE)": "https://www.dhl.de/de/privatkunden/pakete-empfangen/verfolgen.html?piececode=%1$s",
        "Hermes": "https://tracking.hermesworld.com/?TrackID=%1$s",
        "DPD.de": "https://tracking.dpd.de/parcelstatus?query=%1$s",
    },
    "United States": {
        "USPS": "https://tools.usps.com/go/TrackConfirmAction_input?qtc_tLabels1=%1$s",
        "UPS": "https://www.ups.com/track?tracknum=%1$s",
        "Fedex": "https://www.fedex.com/apps/fedextrack/?tracknumbers=%1$s",
    },
}

tracking_schema: schema.Schema = {
    "tracking_number": schema.string,
    "tracking_provider": schema.string,
    "custom_tracking_provider": schema.string,
    "custom_tracking_link": schema.string,
}


def _order(shop: Shop, order_id: int) -> Json:
    if order_id not in shop.orders:
        raise invalid_id("shop_order")
    return shop.orders.load(order_id)


def _set_meta(shop: Shop, order: Json, key: str, value: Any) -> None:
    orders.update(shop, order["id"], {"meta_data": [{"key": key, "value": value}]})


# order fulfillments (core since 10.1, behind a feature flag)


def add_fulfillment(shop: Shop, order_id: int, body: Json) -> Json:
    """A new fulfillment; the order's status does not change, its ``_fulfillment_status`` does (measured)."""
    order = _order(shop, order_id)
    done = bool(body.get("is_fulfilled")) or body.get("status") == "fulfilled"
    stamp = shop.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    entry: Json = {
        "id": shop.number("tracking"),
        "entity_type": "WC_Order",
        "entity_id": str(order_id),
        "status": body.get("status") or ("fulfilled" if done else "unfulfilled"),
        "is_fulfilled": done,
        "date_updated": stamp,
        "date_deleted": None,
        "meta_data": [],
    }
    products.merge_meta(shop, entry["meta_data"], body.get("meta_data") or [])
    _check_items(shop, order, entry)
    if done:
        entry["meta_data"].append(shop.meta("_date_fulfilled", stamp))
    shop.trackings.setdefault(order_id, []).append(entry)
    _set_meta(shop, order, "_fulfillment_status", _coverage(shop, order))
    return entry


def _items(entry: Json) -> dict[int, int]:
    value = next((meta["value"] for meta in entry["meta_data"] if meta["key"] == "_items"), None) or []
    return {int(each["item_id"]): int(each["qty"]) for each in value}


def _fulfilled(shop: Shop, order_id: int) -> dict[int, int]:
    counts: dict[int, int] = {}
    for entry in shop.trackings.get(order_id, []):
        for key, quantity in _items(entry).items():
            counts[key] = counts.get(key, 0) + quantity
    return counts


def _check_items(shop: Shop, order: Json, entry: Json) -> None:
    items = _items(entry)
    if not items:
        raise ApiError("woocommerce_rest_missing_items", "The fulfillment should contain at least one item.", 400)
    ordered = {line["id"]: line["quantity"] for line in order["line_items"]}
    before = _fulfilled(shop, order["id"])
    for key, quantity in items.items():
        if quantity <= 0 or quantity + before.get(key, 0) > ordered.get(key, 0):
            raise ApiError("woocommerce_rest_invalid_item", f"Invalid item or quantity for item {key}.", 400)


def _coverage(shop: Shop, order: Json) -> str:
    counts = _fulfilled(shop, order["id"])
    if not counts:
        return "no_fulfillments"
    whole = all(counts.get(line["id"], 0) >= line["quantity"] for line in order["line_items"])
    return "fulfilled" if whole else "partially_fulfilled"


def _stored(entry: Json) -> Json:
    """As the list shows it: ``is_fulfilled`` is ``"1"`` there, and ``true`` in the answer to POST (measured)."""
    return entry | {"is_fulfilled": "1" if entry["is_fulfilled"] else "0"}


def list_fulfillments(shop: Shop, order_id: int) -> list[Json]:
    """All fulfillments of an order."""
    _order(shop, order_id)
    return [_stored(entry) for entry in shop.trackings.get(order_id, [])]


def find_fulfillment(shop: Shop, order_id: int, key: int) -> Json:
    """One fulfillment as stored; 404 when there is none."""
    _order(shop, order_id)
    for entry in shop.trackings.get(order_id, []):
        if entry["id"] == key:
            return entry
    raise invalid_id("fulfillment")


def edit_fulfillment(shop: Shop, order_id: int, key: int, body: Json) -> Json:
    """Change a fulfillment's status or meta data."""
    entry = find_fulfillment(shop, order_id, key)
    products.merge_meta(shop, entry["meta_data"], body.get("meta_data") or [])
    if body.get("status"):
        entry["status"] = body["status"]
        entry["is_fulfilled"] = body["status"] == "fulfilled"
    entry["date_updated"] = shop.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    order = _order(shop, order_id)
    _set_meta(shop, order, "_fulfillment_status", _coverage(shop, order))
    return entry


def drop_fulfillment(shop: Shop, order_id: int, key: int) -> Json:
    """Remove a fulfillment."""
    entry = find_fulfillment(shop, order_id, key)
    shop.trackings[order_id].remove(entry)
    order = _order(shop, order_id)
    _set_meta(shop, order, "_fulfillment_status", _coverage(shop, order))
    return entry


def look_up(shop: Shop, order_id: int, number: str) -> Json:
    """``/lookup``: what is known about a tracking number."""
    shown = {"tracking_number": number, "shipment_provider": "", "tracking_url": ""}
    for entry in shop.trackings.get(order_id, []):
        meta = {each["key"]: each["value"] for each in entry["meta_data"]}
        if meta.get("_tracking_number") == number:
            shown["shipment_provider"] = meta.get("_shipment_provider", "")
            shown["tracking_url"] = meta.get("_tracking_url", "")
    return shown


# Shipment Tracking and Advanced Shipment Tracking


def add_tracking(shop: Shop, order_id: int, body: Json) -> Json:
    """A tracking entry of one of the two plugins; AST knows ``status_shipped`` and ``replace_tracking`` too."""
    order = _order(shop, order_id)
    number = body["tracking_number"]
    provider = body.get("custom_tracking_provider") or body.get("tracking_provider") or ""
    template = body.get("custom_tracking_link") or next(
        (names[provider] for names in PROVIDERS.values() if provider in names), ""
    )
    when = body.get("date_shipped") or shop.now().astimezone(shop.zone).date().isoformat()
    digest = hashlib.md5(f"{provider}-{number}-{shop.number('tracking')}".encode(), usedforsecurity=False)
    entry = {
        "tracking_id": digest.hexdigest(),
        "tracking_provider": provider,
        "tracking_link": template.replace("%1$s", quote(number)),
        "tracking_number": number,
        "date_shipped": when,
    }
    entries = shop.trackings.setdefault(order_id, [])
    ast = shop.options.tracking == "ast"
    if ast and str(body.get("replace_tracking", "0")) == "1":
        entries.clear()
    entries.append(entry)
    _set_meta(shop, order, "_wc_shipment_tracking_items", entries)
    if ast and str(body.get("status_shipped", "0")) == "1":
        orders.update(shop, order_id, {"status": "completed"})
    return entry


def trackings(shop: Shop, order_id: int) -> list[Json]:
    """All tracking entries of an order."""
    _order(shop, order_id)
    return shop.trackings.get(order_id, [])


def find_tracking(shop: Shop, order_id: int, key: str) -> Json:
    """One tracking entry, 404 when there is none."""
    for entry in trackings(shop, order_id):
        if entry["tracking_id"] == key:
            return entry
    text = "Invalid shipment tracking ID."
    raise ApiError("woocommerce_rest_order_shipment_tracking_invalid_id", text, 404)


def drop_tracking(shop: Shop, order_id: int, key: str) -> Json:
    """Remove a tracking entry."""
    entry = find_tracking(shop, order_id, key)
    shop.trackings[order_id].remove(entry)
    _set_meta(shop, _order(shop, order_id), "_wc_shipment_tracking_items", shop.trackings[order_id])
    return entry
