"""Lines of an order: products, shipping, fees, coupons; added, changed, removed (vendor page section 4)."""

from __future__ import annotations

from decimal import Decimal

from crossdock_woocommerce.sandbox import products
from crossdock_woocommerce.sandbox.shop import Shop
from crossdock_woocommerce.sandbox.status import remember, restock
from crossdock_woocommerce.sandbox.totals import Precise, apply_coupons, decimal, net_of
from crossdock_woocommerce.sandbox.wire import ApiError, Json

__all__ = ["add_fee", "add_line", "add_shipping", "edit_lines", "precise_of", "set_coupons"]


def _bought(shop: Shop, given: Json) -> Json | None:
    if not (given.get("product_id") or given.get("variation_id") or given.get("sku")):
        text = "Product ID or SKU is required."
        raise ApiError("woocommerce_rest_required_product_reference", text, 400)
    if given.get("sku"):
        found = products.find_sku(shop, str(given["sku"]))
        if found is not None:
            return found
    return shop.products.get(given.get("variation_id") or given.get("product_id") or 0)


def add_line(shop: Shop, order: Json, given: Json, precise: Precise) -> None:
    """A new line; a product that nobody knows gives a line without product (measured)."""
    product = _bought(shop, given)
    variation = product is not None and product["type"] == "variation"
    quantity = given.get("quantity", 1)
    quantity = quantity if isinstance(quantity, int | float) else products.whole_number(quantity)
    line: Json = {
        "id": shop.number("item"),
        "name": given.get("name") or (products.full_name(shop, product) if product else ""),
        "product_id": (product["parent_id"] if variation else product["id"]) if product else 0,
        "variation_id": product["id"] if product and variation else 0,
        "quantity": quantity,
        "tax_class": given.get("tax_class") or (product["tax_class"] if product else ""),
        "subtotal": "0.00",
        "subtotal_tax": "0.00",
        "total": "0.00",
        "total_tax": "0.00",
        "taxes": [],
        "meta_data": [],
        "sku": product["sku"] if product else None,
        "global_unique_id": product["global_unique_id"] if product else "",
        "price": 0,
        "image": {"id": 0 if variation else "", "src": ""},
        "parent_name": shop.products[product["parent_id"]]["name"] if product and variation else None,
    }
    if not shop.since("10.1"):
        del line["global_unique_id"]
    listed = net_of(shop, decimal(product["price"] or 0), product["tax_class"]) if product else Decimal(0)
    asked = decimal(quantity) * listed
    subtotal = decimal(given["subtotal"]) if given.get("subtotal") is not None else asked
    total = decimal(given["total"]) if given.get("total") is not None else subtotal
    if given.get("subtotal") is None and total > subtotal:
        subtotal = total
    precise[line["id"]] = (subtotal, total)
    for attribute in product["attributes"] if product and variation else []:
        entry = shop.meta(attribute["slug"], attribute["option"], kind="item_meta")
        line["meta_data"].append(entry | {"display_key": attribute["name"]})
    products.merge_meta(shop, line["meta_data"], given.get("meta_data") or [], kind="item_meta")
    order["line_items"].append(line)


def add_shipping(shop: Shop, order: Json, given: Json) -> None:
    if not given.get("method_id"):
        raise ApiError("woocommerce_rest_invalid_shipping_item", "Shipping method ID is required.", 400)
    line: Json = {
        "id": shop.number("item"),
        "method_title": given.get("method_title", ""),
        "method_id": given["method_id"],
        "instance_id": given.get("instance_id", ""),
        "total": str(given.get("total") or "0"),
        "total_tax": "0.00",
        "taxes": [],
        "tax_status": "taxable",
        "meta_data": [],
    }
    products.merge_meta(shop, line["meta_data"], given.get("meta_data") or [], kind="item_meta")
    order["shipping_lines"].append(line)


def add_fee(shop: Shop, order: Json, given: Json) -> None:
    if not given.get("name"):
        raise ApiError("woocommerce_rest_invalid_fee_item", "Fee name is required.", 400)
    order["fee_lines"].append(
        {
            "id": shop.number("item"),
            "name": given["name"],
            "tax_class": given.get("tax_class", ""),
            "tax_status": given.get("tax_status", "taxable"),
            "amount": "",
            "total": str(given.get("total") or "0"),
            "total_tax": "0.00",
            "taxes": [],
            "meta_data": [],
        }
    )


def set_coupons(shop: Shop, order: Json, given: list[Json], precise: Precise) -> None:
    if not given:
        return
    for entry in given:
        code = str(entry.get("code", "")).lower()
        if code not in shop.coupons:
            _leave_draft(shop, order, code)
        coupon = shop.coupons[code]
        amount = decimal(coupon["amount"])
        number = int(amount) if amount == int(amount) else float(amount)
        info = f'[{coupon["id"]},"{code}","{coupon["discount_type"]}",{number}]'
        order["coupon_lines"].append(
            {
                "id": shop.number("item"),
                "code": code,
                "discount": "0.00",
                "discount_tax": "0.00",
                "meta_data": [shop.meta("coupon_info", info, kind="item_meta")],
                "discount_type": coupon["discount_type"],
                "nominal_amount": number,
                "free_shipping": False,
            }
        )
    apply_coupons(shop, order, precise)


def _leave_draft(shop: Shop, order: Json, code: str) -> None:
    text = f"Coupon &quot;{code}&quot; cannot be applied because it does not exist."
    data: Json = {}
    if order["status"] == "auto-draft":
        remember(shop, order)
        data = {"new_draft_order_id": order["id"]}
    raise ApiError("woocommerce_rest_invalid_coupon", text, 400, data)


def precise_of(shop: Shop, order: Json) -> Precise:
    """The unrounded amounts of an order's lines; those known in cents only stand for themselves."""
    known = shop.precise.get(order["id"], {})
    return {
        line["id"]: known.get(line["id"]) or (decimal(line["subtotal"]), decimal(line["total"]))
        for line in order["line_items"]
    }


_KINDS = ("line_items", "shipping_lines", "fee_lines")


def edit_lines(shop: Shop, order: Json, body: Json, precise: Precise) -> bool:
    """Apply lines of a PUT: with ``id`` they change, ``quantity`` 0 removes, without ``id`` they are added."""
    for kind in _KINDS:
        for given in body.get(kind) or []:
            if given.get("id"):
                line = next((each for each in order[kind] if each["id"] == given["id"]), None)
                if line is None:
                    text = "Order item ID provided is not associated with order."
                    raise ApiError("woocommerce_rest_invalid_item_id", text, 400)
                _edit_line(shop, order, kind, line, given, precise)
            elif kind == "line_items":
                add_line(shop, order, given, precise)
            elif kind == "shipping_lines":
                add_shipping(shop, order, given)
            else:
                add_fee(shop, order, given)
    if body.get("coupon_lines"):
        order["coupon_lines"] = []
        set_coupons(shop, order, body["coupon_lines"], precise)
    return any(body.get(kind) for kind in (*_KINDS, "coupon_lines", "billing", "shipping"))


def _edit_line(shop: Shop, order: Json, kind: str, line: Json, given: Json, precise: Precise) -> None:
    gone = given.get("quantity") == 0 or any(
        name in given and given[name] is None for name in ("product_id", "method_id", "name")
    )
    if gone:
        if kind == "line_items":
            restock(shop, order, line, None)
            precise.pop(line["id"], None)
        order[kind].remove(line)
        return
    for name in ("name", "quantity", "tax_class", "method_title", "method_id"):
        if name in line and given.get(name) is not None:
            line[name] = given[name]
    if kind == "line_items":
        subtotal, total = precise[line["id"]]
        if given.get("subtotal") is not None:
            subtotal = decimal(given["subtotal"])
        if given.get("total") is not None:
            total = decimal(given["total"])
        precise[line["id"]] = (subtotal, total)
    elif given.get("total") is not None:
        line["total"] = str(given["total"])
    products.merge_meta(shop, line["meta_data"], given.get("meta_data") or [], kind="item_meta")
