"""Refunds: negative lines, amounts including tax, and the gateway question (vendor page section 4)."""

from __future__ import annotations

from decimal import Decimal

from crossdock_woocommerce.sandbox import schema
from crossdock_woocommerce.sandbox.shop import RefundRow, Shop
from crossdock_woocommerce.sandbox.status import enter_status, remember, restock
from crossdock_woocommerce.sandbox.totals import decimal, money, php_number, tax_line
from crossdock_woocommerce.sandbox.wire import ApiError, Json, invalid_id, link_self

__all__ = ["SCHEMA", "create", "delete", "of_order", "refund_rest", "view"]

SCHEMA: schema.Schema = {
    "amount": schema.string,
    "reason": schema.string,
    "line_items": schema.array,
    "meta_data": schema.array,
    "api_refund": schema.boolean,
    "api_restock": schema.boolean,
}

_REFUNDING = ("stripe", "paypal", "ppcp-gateway", "woocommerce_payments")
"""Payment methods whose gateway can send money back."""


def _refused(message: str) -> ApiError:
    return ApiError("woocommerce_rest_cannot_create_order_refund", message, 500, bare=True)


def _remaining(order: Json) -> Decimal:
    return decimal(order["total"]) + sum((decimal(each["total"]) for each in order["refunds"]), Decimal(0))


def create(shop: Shop, order_id: int, body: Json) -> Json:
    """A refund from the body of a POST; ``api_refund`` is true unless said otherwise.

    Raises:
        ApiError: 500 with a bare integer as ``data`` for an amount above the rest, and for a gateway that cannot.
    """
    if order_id not in shop.orders:
        raise invalid_id("shop_order")
    order = shop.orders.load(order_id)
    given = body.get("line_items") or []
    if isinstance(given, dict):
        given = list(given.values())
    amount = decimal(body["amount"]) if body.get("amount") is not None else sum(map(_gross, given), Decimal(0))
    if amount < 0:
        text = "Refund amount must be greater than zero."
        raise ApiError("woocommerce_rest_invalid_order_refund", text, 400)
    if amount == 0 or amount > _remaining(order):
        raise _refused("Invalid refund amount.")
    through_gateway = body.get("api_refund", True)
    if through_gateway and order["payment_method"] not in _REFUNDING:
        known = "does not support automatic refunds" if order["payment_method"] else "does not exist"
        raise _refused(f"The payment gateway for this order {known}.")
    shown = _record(shop, order, amount, str(body.get("reason") or ""), given, paid=through_gateway)
    if body.get("api_restock", True):
        _restock(shop, order, given)
    if _remaining(order) == 0:
        enter_status(shop, order, "refunded")
    shop.note(order_id, 'Email "Refunded order" sent.')
    shop.stamp(order, "date_modified", shop.now())
    remember(shop, order)
    shop.emit("woocommerce_order_refunded", order_id)
    return shown


def refund_rest(shop: Shop, order: Json) -> None:
    """What ``PUT status=refunded`` does: a record for the rest, no money moves (measured)."""
    rest = _remaining(order)
    if rest > 0:
        _record(shop, order, rest, "Order fully refunded.", [], paid=False)


def _taxes(entry: Json) -> dict[int, Decimal]:
    given = entry.get("refund_tax") or []
    given = list(given.values()) if isinstance(given, dict) else given
    return {int(tax["id"]): decimal(tax["refund_total"]) for tax in given}


def _gross(entry: Json) -> Decimal:
    return decimal(entry.get("refund_total") or 0) + sum(_taxes(entry).values(), Decimal(0))


def _record(shop: Shop, order: Json, amount: Decimal, reason: str, given: list[Json], *, paid: bool) -> Json:
    key = shop.number("post")
    whole = amount == _remaining(order)
    shown: Json = {"id": key}
    shop.stamp(shown, "date_created", shop.now())
    shown |= {"amount": money(amount), "reason": reason, "refunded_by": 1, "refunded_payment": bool(paid)}
    shown["meta_data"] = [shop.meta("_refund_type", "full" if whole else "partial")] if shop.since("9.0") else []
    lines: dict[str, list[Json]] = {"line_items": [], "shipping_lines": [], "fee_lines": []}
    sums: dict[int, tuple[Decimal, Decimal]] = {}
    for entry in given:
        for kind, target in lines.items():
            source = next((line for line in order[kind] if line["id"] == int(entry["id"])), None)
            if source is not None:
                target.append(_negative(shop, kind, source, entry))
                for rate, tax in _taxes(entry).items():
                    cart, freight = sums.get(rate, (Decimal(0), Decimal(0)))
                    shipping = kind == "shipping_lines"
                    sums[rate] = (cart - (0 if shipping else tax), freight - (tax if shipping else 0))
    tax_lines = [tax_line(shop, shop.number("item"), rate, *both) for rate, both in sums.items()]
    shown |= {
        "line_items": lines["line_items"],
        "shipping_lines": lines["shipping_lines"],
        "tax_lines": tax_lines,
        "fee_lines": lines["fee_lines"],
    }
    up = f"orders/{order['id']}"
    shown["_links"] = link_self(f"{up}/refunds", key, up, ["GET", "DELETE"])
    shop.refunds[key] = RefundRow(order["id"], int(shop.now().timestamp()), shown)
    tax_total = sum((cart + freight for cart, freight in sums.values()), Decimal(0))
    order["refunds"].insert(
        0, {"id": key, "reason": reason, "total": money(-amount), "total_tax": money(tax_total or Decimal(0))}
    )
    return shown


def _negative(shop: Shop, kind: str, source: Json, entry: Json) -> Json:
    net, taxes = decimal(entry.get("refund_total") or 0), _taxes(entry)
    tax = sum(taxes.values(), Decimal(0))
    line = dict(source)
    line["id"] = shop.number("item")
    line["meta_data"] = [shop.meta("_refunded_item_id", str(source["id"]), kind="item_meta")]
    line["total"], line["total_tax"] = money(-net), money(-tax)
    both = kind == "line_items"
    line["taxes"] = [
        {"id": key, "total": money(-part), "subtotal": money(-part) if both else ""} for key, part in taxes.items()
    ]
    if both:
        quantity = int(entry.get("quantity") or 0)
        line |= {"quantity": -quantity, "subtotal": money(-net), "subtotal_tax": money(-tax)}
        line["price"] = php_number(net / quantity) if quantity else 0
    return line


def _restock(shop: Shop, order: Json, given: list[Json]) -> None:
    for entry in given:
        line = next((each for each in order["line_items"] if each["id"] == int(entry["id"])), None)
        back = int(entry.get("quantity") or 0)
        if line is not None and back and any(m["key"] == "_reduced_stock" for m in line["meta_data"]):
            restock(shop, order, line, back)
            done = next((m for m in line["meta_data"] if m["key"] == "_restock_refunded_items"), None)
            total = back + (int(done["value"]) if done else 0)
            line["meta_data"] = [m for m in line["meta_data"] if m is not done]
            line["meta_data"].append(shop.meta("_restock_refunded_items", str(total), kind="item_meta"))


def of_order(shop: Shop, order_id: int) -> list[int]:
    """Refunds of an order, newest first."""
    return sorted((key for key, row in shop.refunds.items() if row.parent == order_id), reverse=True)


def view(shop: Shop, key: int, *, parent: bool = False) -> Json:
    """A refund; the list of all refunds adds ``parent_id``."""
    shown = shop.refunds[key].view
    return {"id": key, "parent_id": shop.refunds[key].parent, **shown} if parent else shown


def delete(shop: Shop, order_id: int, key: int, *, force: bool) -> Json:
    """Remove a refund: the order's date stays and no webhook is told (vendor page section 3, measured)."""
    row = shop.refunds.get(key)
    if row is None or row.parent != order_id:
        raise invalid_id("shop_order_refund")
    if not force:
        text = "Refunds do not support trashing."
        raise ApiError("woocommerce_rest_trash_not_supported", text, 501)
    del shop.refunds[key]
    order = shop.orders.load(order_id)
    order["refunds"] = [each for each in order["refunds"] if each["id"] != key]
    shop.orders.save(order)
    return row.view
