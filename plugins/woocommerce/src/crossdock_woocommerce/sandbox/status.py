"""An order's status and what follows from it: dates, stock, notes (vendor page section 4, measured)."""

from __future__ import annotations

from crossdock_woocommerce.sandbox import products
from crossdock_woocommerce.sandbox.shop import SYMBOLS, Shop
from crossdock_woocommerce.sandbox.totals import decimal
from crossdock_woocommerce.sandbox.wire import Json

__all__ = ["enter_status", "remember", "restock", "settle_stock"]

REDUCING = ("on-hold", "processing", "completed")
RESTORING = ("cancelled", "pending", "failed")
_MAILS = {
    "processing": ("New order", "Processing order"),
    "on-hold": ("New order", "Order on-hold"),
    "completed": ("Completed order",),
}


def remember(shop: Shop, order: Json) -> None:
    """Put an order on the shelf with its derived fields brought up to date."""
    status, symbol = order["status"], SYMBOLS.get(order["currency"])
    order["currency_symbol"] = symbol[1] if symbol else order["currency"]
    order["is_editable"] = status in ("pending", "on-hold", "auto-draft", "checkout-draft")
    order["needs_payment"] = status in ("pending", "failed") and decimal(order["total"]) > 0
    bought = (shop.products.get(line["variation_id"] or line["product_id"]) for line in order["line_items"])
    order["needs_processing"] = any(not product["virtual"] for product in bought if product is not None)
    order["meta_data"].sort(key=lambda entry: str(entry["key"]))
    shop.orders.save(order)


def enter_status(shop: Shop, order: Json, status: str) -> None:
    """Move an order to `status`, whatever it had: no transition is refused. Dates, stock and notes follow."""
    before = order["status"]
    order["status"] = status
    first = before in ("auto-draft", "checkout-draft")
    if status == before or status in ("auto-draft", "checkout-draft", "trash"):
        return
    if status in ("processing", "completed") and order["date_paid_gmt"] is None:
        shop.stamp(order, "date_paid", shop.now())
    if status == "completed":
        shop.stamp(order, "date_completed", shop.now())
    settle_stock(shop, order)
    if not (first and status == "pending"):
        names = shop.statuses()
        came = names.get("pending" if first else before, before)
        shop.note(order["id"], f"Order status changed from {came} to {names[status]}.")
    for mail in _MAILS.get(status, ()):
        if mail != "New order" or first or before in ("pending", "failed"):
            shop.note(order["id"], f'Email "{mail}" sent.')


def _reduced(line: Json) -> Json | None:
    return next((entry for entry in line["meta_data"] if entry["key"] == "_reduced_stock"), None)


def settle_stock(shop: Shop, order: Json, *, edited: bool = False) -> None:
    """Take the goods of an order off the stock, or put them back, as its status asks.

    on-hold, processing and completed reduce; cancelled, pending and failed restore; refunded leaves it as it is.
    Overselling is not refused. Edited lines are followed since 9.7 only (vendor page section 4).
    """
    if edited and not shop.since("9.7"):
        return
    if order["status"] in REDUCING:
        moved = [text for line in order["line_items"] if (text := _reduce(shop, line))]
        if moved:
            shop.note(order["id"], f"Stock levels reduced: {', '.join(moved)}")
    elif order["status"] in RESTORING:
        for line in order["line_items"]:
            restock(shop, order, line, None)


def _reduce(shop: Shop, line: Json) -> str:
    product = shop.products.get(line["variation_id"] or line["product_id"])
    entry = _reduced(line)
    wanted = int(line["quantity"]) - (int(entry["value"]) if entry else 0)
    if product is None or wanted == 0 or any(m["key"] == "_restock_refunded_items" for m in line["meta_data"]):
        return ""
    if entry is None:
        parent = shop.products.get(product["parent_id"], product)
        parent["total_sales"] += wanted
    change = products.change_stock(shop, product, -wanted)
    if change is None:
        return ""
    products.merge_meta(
        shop, line["meta_data"], [{"key": "_reduced_stock", "value": str(int(line["quantity"]))}], kind="item_meta"
    )
    return f"{line['name']} ({change[0]}&rarr;{change[1]})"


def restock(shop: Shop, order: Json, line: Json, quantity: int | None) -> None:
    """Put pieces of a line back on stock: `quantity` of them, or all that were taken."""
    entry = _reduced(line)
    product = shop.products.get(line["variation_id"] or line["product_id"])
    if entry is None or product is None:
        return
    taken = int(entry["value"])
    back = taken if quantity is None else min(quantity, taken)
    change = products.change_stock(shop, product, back)
    left = taken - back
    value = str(left) if left or quantity is not None else None
    products.merge_meta(shop, line["meta_data"], [{"key": "_reduced_stock", "value": value}], kind="item_meta")
    if change is not None:
        text = f"Item #{product['id']} stock increased from {change[0]} to {change[1]}."
        shop.note(order["id"], text)
