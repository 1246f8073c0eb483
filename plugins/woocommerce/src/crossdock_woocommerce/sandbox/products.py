"""Products and variations: prices, stock, and the silent 200s of both (vendor page sections 0 and 6)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from crossdock_woocommerce.sandbox import schema
from crossdock_woocommerce.sandbox.product_views import (
    full_name,
    keeper,
    on_sale,
    options_of,
    product_view,
    variation_view,
    variations,
    view,
)
from crossdock_woocommerce.sandbox.shop import Shop
from crossdock_woocommerce.sandbox.totals import decimal
from crossdock_woocommerce.sandbox.wire import ApiError, Json, invalid_id

__all__ = [
    "TYPES",
    "add",
    "change_stock",
    "create",
    "delete",
    "find",
    "find_sku",
    "full_name",
    "keeper",
    "merge_meta",
    "product_schema",
    "product_view",
    "refresh",
    "touch",
    "update",
    "variation_view",
    "view",
    "whole_number",
]

TYPES = ("simple", "grouped", "external", "variable")


def product_schema(shop: Shop) -> schema.Schema:
    """Checks of a single product or variation that is written; unknown fields and ``inventory_delta`` are free."""
    text = (
        "name",
        "slug",
        "sku",
        "regular_price",
        "sale_price",
        "description",
        "short_description",
        "weight",
        "tax_class",
        "purchase_note",
    )
    rules: dict[str, schema.Rule] = dict.fromkeys(text, schema.string)
    if shop.since("9.2"):
        rules["global_unique_id"] = schema.string
    return rules | {
        "type": schema.one_of(*TYPES),
        "status": schema.one_of("draft", "pending", "private", "publish", "future", "auto-draft", "trash"),
        "manage_stock": schema.boolean,
        "stock_quantity": schema.integer(),
        "stock_status": schema.one_of("instock", "outofstock", "onbackorder"),
        "backorders": schema.one_of("no", "notify", "yes"),
        "tax_status": schema.one_of("taxable", "shipping", "none"),
        "catalog_visibility": schema.one_of("visible", "catalog", "search", "hidden"),
        "meta_data": schema.array,
        "attributes": schema.array,
        "categories": schema.array,
        "menu_order": schema.integer(),
        "virtual": schema.boolean,
        "downloadable": schema.boolean,
        "featured": schema.boolean,
    }


def price_text(value: Any) -> str:
    """What the shop stores for a price: a comma is a thousands mark, words vanish, true is 1 (measured)."""
    text = "1" if value is True else "" if value is False or value is None else str(value)
    return re.sub(r"\.(?![^.]+$)|[^0-9.-]", "", text)


def whole_number(value: Any) -> int:
    """What PHP's ``intval`` makes of a stock figure that nobody checked: 2.5 is 2, ``"abc"`` is 0 (measured)."""
    found = re.match(r"\s*[+-]?\d+(\.\d+)?", str(int(value) if isinstance(value, bool) else value))
    return int(float(found.group())) if found else 0


def find_sku(shop: Shop, sku: str) -> Json | None:
    """The product or variation with this SKU that is not in the bin."""
    return next((p for p in shop.products.values() if p["sku"] == sku and p["status"] != "trash"), None)


def add(shop: Shop, fields: Json, *, parent_id: int = 0, product_id: int = 0) -> Json:
    """Put a product (or, with `parent_id`, a variation) into the catalogue without asking anybody."""
    key = shop.claim("post", product_id) if product_id else shop.number("post")
    kind = "variation" if parent_id else str(fields.get("type") or "simple")
    product = _blank(key, kind, "" if parent_id else str(fields.get("name") or "Product"), parent_id)
    shop.stamp(product, "date_created", shop.now())
    shop.stamp(product, "date_modified", shop.now())
    _set(shop, product, {"manage_stock": False} | fields)
    shop.products[key] = product
    if kind == "variation":
        parent = shop.products[product["parent_id"]]
        product["slug"] = f"{parent['slug']}-{re.sub(r'[^a-z0-9]+', '-', options_of(product).lower())}"
        shop.children.setdefault(parent["id"], []).append(key)
        refresh(shop, parent)
    refresh(shop, product)
    return product


def _blank(key: int, kind: str, name: str, parent: int) -> Json:
    return {
        "id": key,
        "name": name,
        "slug": re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-"),
        "type": kind,
        "status": "publish",
        "featured": False,
        "catalog_visibility": "visible",
        "description": "",
        "short_description": "",
        "sku": "",
        "price": "",
        "regular_price": "",
        "sale_price": "",
        "date_on_sale_from": None,
        "date_on_sale_from_gmt": None,
        "date_on_sale_to": None,
        "date_on_sale_to_gmt": None,
        "total_sales": 0,
        "virtual": False,
        "downloadable": False,
        "tax_status": "taxable",
        "tax_class": "",
        "manage_stock": False,
        "stock_quantity": None,
        "stock_status": "instock",
        "backorders": "no",
        "weight": "",
        "dimensions": {"length": "", "width": "", "height": ""},
        "parent_id": parent,
        "purchase_note": "",
        "categories": [],
        "attributes": [],
        "meta_data": [],
        "menu_order": 0,
        "global_unique_id": "",
    }


def create(shop: Shop, body: Json, parent_id: int = 0) -> Json:
    """A new product, or variation of `parent_id`, as the API makes it.

    Raises:
        ApiError: 400 ``product_invalid_sku`` for a SKU in use, 404 for an unknown parent.
    """
    if parent_id:
        _parent(shop, parent_id)
    _check_sku(shop, body, 0)
    product = add(shop, body, parent_id=parent_id)
    shop.emit("woocommerce_new_product_variation" if parent_id else "woocommerce_new_product", product["id"])
    return product


def _parent(shop: Shop, parent_id: int) -> Json:
    parent = shop.products.get(parent_id)
    if parent is None or parent["type"] == "variation":
        raise invalid_id("product")
    return parent


def find(shop: Shop, product_id: int, parent_id: int = 0, status: int = 404) -> Json:
    """A product, or a variation of `parent_id`; otherwise an error with the asked status."""
    product = shop.products.get(product_id)
    if parent_id:
        if product is None or product["parent_id"] != parent_id:
            raise invalid_id("product_variation", status)
    elif product is None:
        raise invalid_id("product", status)
    return product


def _refuse_variation(product: Json, parent_id: int) -> None:
    if product["type"] == "variation" and not parent_id:
        text = (
            "To manipulate product variations you should use the "
            "/products/&lt;product_id&gt;/variations/&lt;id&gt; endpoint."
        )
        raise ApiError("woocommerce_rest_invalid_product_id", text, 404)


def update(shop: Shop, product_id: int, body: Json, parent_id: int = 0) -> Json:
    """Change a product or variation. Anything ignored is ignored without a word."""
    product = find(shop, product_id, parent_id, 400)
    _refuse_variation(product, parent_id)
    _check_sku(shop, body, product_id)
    _set(shop, product, body)
    touch(shop, product)
    return product


def delete(shop: Shop, product_id: int, parent_id: int = 0, *, force: bool = False) -> Json:
    """Put a product into the bin, or with `force` remove it with its variations; gives what it was."""
    product = find(shop, product_id, parent_id)
    _refuse_variation(product, parent_id)
    if not force:
        if product["status"] == "trash":
            raise ApiError("woocommerce_rest_already_trashed", "The product has already been deleted.", 410)
        product["status"] = "trash"
        shop.stamp(product, "date_modified", shop.now())
        shop.emit("woocommerce_trash_product", product_id)
        return view(shop, product)
    shown = view(shop, product)
    shop.products.pop(product_id)
    for child in shop.children.pop(product_id, []):
        shop.products.pop(child)
    if product_id in shop.children.get(product["parent_id"], []):
        shop.children[product["parent_id"]].remove(product_id)
    shop.emit("woocommerce_delete_product", product_id)
    return shown


def touch(shop: Shop, product: Json) -> None:
    """Bump ``date_modified`` of a product, for a variation also its parent's (measured), and tell the webhooks."""
    refresh(shop, product)
    shop.stamp(product, "date_modified", shop.now())
    parent = shop.products.get(product["parent_id"]) if product["type"] == "variation" else None
    if parent is not None:
        shop.stamp(parent, "date_modified", shop.now())
        refresh(shop, parent)
    kind = "woocommerce_update_product_variation" if parent else "woocommerce_update_product"
    shop.emit(kind, product["id"])


def _check_sku(shop: Shop, body: Json, own_id: int) -> None:
    sku = body.get("sku")
    other = find_sku(shop, sku) if sku else None
    if other is not None and other["id"] != own_id:
        data = {"resource_id": other["id"], "unique_sku": f"{sku}-1"}
        raise ApiError("product_invalid_sku", "Invalid or duplicated SKU.", 400, data)


_PLAIN = (
    "name",
    "slug",
    "status",
    "featured",
    "catalog_visibility",
    "description",
    "short_description",
    "sku",
    "virtual",
    "downloadable",
    "tax_status",
    "tax_class",
    "weight",
    "dimensions",
    "purchase_note",
    "categories",
    "menu_order",
    "backorders",
    "total_sales",
)


def _set(shop: Shop, product: Json, body: Json) -> None:
    for name in _PLAIN:
        if body.get(name) is not None:
            product[name] = body[name]
    if shop.since("9.2") and body.get("global_unique_id") is not None:
        product["global_unique_id"] = body["global_unique_id"]
    if body.get("type") in TYPES and product["type"] != "variation":
        product["type"] = body["type"]
    if body.get("attributes") is not None:
        product["attributes"] = [_attribute(product, each) for each in body["attributes"]]
    _set_prices(shop, product, body)
    _set_stock(shop, product, body)
    merge_meta(shop, product["meta_data"], body.get("meta_data") or [])


def _attribute(product: Json, given: Json) -> Json:
    name = str(given.get("name", ""))
    if product["type"] == "variation":
        return {"id": given.get("id", 0), "name": name, "slug": name.lower(), "option": given.get("option", "")}
    plain = {"position": 0, "visible": False, "variation": False, "options": []}
    kept = {key: given.get(key, value) for key, value in plain.items()}
    return {"id": given.get("id", 0), "name": name, "slug": name} | kept


def _set_prices(shop: Shop, product: Json, body: Json) -> None:
    if product["type"] == "variable":
        return  # measured: a price on a variable parent is ignored
    for name in ("regular_price", "sale_price"):
        if body.get(name) is not None:
            product[name] = price_text(body[name])
    for name in ("date_on_sale_from", "date_on_sale_to"):
        if name in body or f"{name}_gmt" in body:
            gmt = body.get(f"{name}_gmt")
            text = gmt or body.get(name)
            bound = shop.bound(str(text), gmt=bool(gmt)) if text else None
            shop.stamp(product, name, None if bound is None else datetime.fromtimestamp(bound, UTC))
    sale, regular = product["sale_price"], product["regular_price"]
    if sale and (not regular or decimal(sale) >= decimal(regular)):
        product["sale_price"] = ""  # measured: dropped without an error


def _set_stock(shop: Shop, product: Json, body: Json) -> None:
    if isinstance(body.get("manage_stock"), bool):
        product["manage_stock"] = body["manage_stock"]
    if not product["manage_stock"]:
        product["stock_quantity"] = None
        if body.get("stock_status") is not None:
            product["stock_status"] = body["stock_status"]
        return
    if body.get("stock_quantity") is not None:
        product["stock_quantity"] = whole_number(body["stock_quantity"])
    elif body.get("inventory_delta") is not None:
        product["stock_quantity"] = (product["stock_quantity"] or 0) + whole_number(body["inventory_delta"])
    if product["stock_quantity"] is None:
        product["stock_quantity"] = 0


def merge_meta(shop: Shop, target: list[Json], given: list[Json], *, kind: str = "meta") -> None:
    """Apply ``meta_data`` as the shop does: a known id or key is changed, a null value deletes, others are added."""
    for entry in given:
        known = next((m for m in target if m["id"] == entry.get("id")), None)
        if known is None:
            known = next((m for m in target if m["key"] == entry.get("key")), None)
        if known is None:
            if entry.get("value") is not None and entry.get("key"):
                target.append(shop.meta(entry["key"], entry["value"], kind=kind))
        elif entry.get("value") is None:
            target.remove(known)
        else:
            known["value"] = entry["value"]
            known["key"] = entry.get("key", known["key"])
            if "display_value" in known:
                known |= {"display_key": known["key"], "display_value": known["value"]}


def refresh(shop: Shop, product: Json) -> None:
    """Work out the effective price and the stock status again."""
    if product["type"] == "variable":
        prices = sorted((v["price"] for v in variations(shop, product) if v["price"]), key=decimal)
        product["price"] = prices[0] if prices else ""
    else:
        product["price"] = product["sale_price"] if on_sale(shop, product) else product["regular_price"]
    if product["manage_stock"] and product["stock_quantity"] is not None:
        empty = {"no": "outofstock"}.get(product["backorders"], "onbackorder")
        product["stock_status"] = "instock" if product["stock_quantity"] > 0 else empty


def change_stock(shop: Shop, product: Json, delta: int) -> tuple[int, int] | None:
    """Add `delta` to the figure that counts; gives the figure before and after, None where none is managed."""
    counted = keeper(shop, product)
    if counted is None:
        return None
    before = counted["stock_quantity"] or 0
    counted["stock_quantity"] = before + delta
    touch(shop, counted)
    if counted is not product:
        touch(shop, product)
    return before, before + delta
