"""Orders: made, changed, binned (vendor page section 4)."""

from __future__ import annotations

import random
import string
from typing import Any

from crossdock_woocommerce.sandbox import products, refunds, schema
from crossdock_woocommerce.sandbox.lines import add_fee, add_line, add_shipping, edit_lines, precise_of, set_coupons
from crossdock_woocommerce.sandbox.shop import Shop
from crossdock_woocommerce.sandbox.status import enter_status, remember, settle_stock
from crossdock_woocommerce.sandbox.totals import Precise, calculate
from crossdock_woocommerce.sandbox.wire import HOME, ApiError, Json, invalid_id, link_self

__all__ = ["create", "delete", "order_schema", "touch", "update"]

_ADDRESS = (
    "first_name",
    "last_name",
    "company",
    "address_1",
    "address_2",
    "city",
    "state",
    "postcode",
    "country",
    "email",
    "phone",
)


def order_schema(shop: Shop) -> schema.Schema:
    """Checks of a single order that is written."""
    texts = ("customer_note", "payment_method", "payment_method_title", "transaction_id", "created_via", "currency")
    return dict.fromkeys(texts, schema.string) | {
        "status": schema.one_of("auto-draft", *shop.statuses()),
        "customer_id": schema.integer(),
        "billing": schema.address,
        "shipping": schema.address,
        "meta_data": schema.array,
        "line_items": schema.items(("name", "total", "subtotal", "tax_class", "sku"), ("quantity", "product_id")),
        "shipping_lines": schema.items(("method_title", "method_id", "total"), ()),
        "fee_lines": schema.items(("name", "total", "tax_class"), ()),
        "coupon_lines": schema.items(("code",), ()),
        "set_paid": schema.boolean,
    }


def create(shop: Shop, body: Json, *, via: str = "rest-api", order_id: int = 0) -> Json:
    """A new order from the body of a POST. Read-only fields are ignored; stock goes down as the status says.

    Raises:
        ApiError: 400 for a line without product, a nameless fee, an unknown customer, or an unknown coupon.
            The last leaves an ``auto-draft`` order behind (``data.new_draft_order_id``, measured).
    """
    order = _blank(shop, shop.claim("post", order_id) if order_id else shop.number("post"), via)
    precise: Precise = {}
    _set_fields(shop, order, body)
    for given in body.get("line_items") or []:
        add_line(shop, order, given, precise)
    for given in body.get("shipping_lines") or []:
        add_shipping(shop, order, given)
    for given in body.get("fee_lines") or []:
        add_fee(shop, order, given)
    calculate(shop, order, precise)
    set_coupons(shop, order, body.get("coupon_lines") or [], precise)
    calculate(shop, order, precise)
    shop.precise[order["id"]] = precise
    enter_status(shop, order, _status(shop, body.get("status"), "pending"))
    if body.get("set_paid") and order["status"] in ("pending", "on-hold", "failed", "cancelled"):
        enter_status(shop, order, "processing")
    if shop.options.tracking == "fulfillments" and order["status"] in ("processing", "completed"):
        order["meta_data"].append(shop.meta("_auto_fulfill_processed", "1"))
    remember(shop, order)
    shop.emit("woocommerce_new_order", order["id"])
    shop.emit("woocommerce_update_order", order["id"])
    return order


def _blank(shop: Shop, key: int, via: str) -> Json:
    letters = random.Random(key).choices(string.ascii_letters + string.digits, k=13)
    token = f"wc_order_{''.join(letters)}"
    order: Json = {
        "id": key,
        "parent_id": 0,
        "status": "auto-draft",
        "currency": shop.options.currency,
        "version": shop.options.version,
        "prices_include_tax": shop.options.prices_include_tax,
        "date_created": None,
        "date_modified": None,
        "discount_total": "0.00",
        "discount_tax": "0.00",
        "shipping_total": "0.00",
        "shipping_tax": "0.00",
        "cart_tax": "0.00",
        "total": "0.00",
        "total_tax": "0.00",
        "customer_id": 0,
        "order_key": token,
        "billing": dict.fromkeys(_ADDRESS, ""),
        "shipping": dict.fromkeys((name for name in _ADDRESS if name != "email"), ""),
        "payment_method": "",
        "payment_method_title": "",
        "transaction_id": "",
        "customer_ip_address": "",
        "customer_user_agent": "",
        "created_via": via,
        "customer_note": "",
        "date_completed": None,
        "date_paid": None,
        "cart_hash": "",
        "number": str(key),
        "meta_data": [],
        "line_items": [],
        "tax_lines": [],
        "shipping_lines": [],
        "fee_lines": [],
        "coupon_lines": [],
        "refunds": [],
        "payment_url": f"{HOME}/checkout/order-pay/{key}/?pay_for_order=true&key={token}",
        "is_editable": True,
        "needs_payment": True,
        "needs_processing": False,
        "date_created_gmt": None,
        "date_modified_gmt": None,
        "date_completed_gmt": None,
        "date_paid_gmt": None,
        "currency_symbol": "",
        "_links": link_self("orders", key),
    }
    if shop.since("11.0"):
        mails = f"{HOME}/wp-json/wc/v3/orders/{key}/actions/email_templates"
        order["_links"]["email_templates"] = [{"embeddable": True, "href": mails}]
    shop.stamp(order, "date_created", shop.now())
    shop.stamp(order, "date_modified", shop.now())
    return order


def _status(shop: Shop, given: Any, default: str) -> str:
    """A status as the shop stores it unchecked: ``wc-`` falls off, what it does not know becomes pending."""
    if given is None:
        return default
    status = str(given).removeprefix("wc-")
    known = status in shop.statuses() or status in ("auto-draft", "trash")
    return status if known else "pending"


_FIELDS = (
    "parent_id",
    "currency",
    "customer_note",
    "payment_method",
    "payment_method_title",
    "transaction_id",
)


def _set_fields(shop: Shop, order: Json, body: Json) -> None:
    for name in _FIELDS:
        if body.get(name) is not None:
            order[name] = body[name]
    if body.get("created_via") and shop.since("10.0"):
        order["created_via"] = body["created_via"]
    customer = body.get("customer_id")
    if customer is not None:
        if customer and customer not in shop.customers:
            raise ApiError("woocommerce_rest_invalid_customer_id", "Customer ID is invalid.", 400)
        order["customer_id"] = customer
    for name in ("billing", "shipping"):
        order[name] |= {key: value for key, value in (body.get(name) or {}).items() if key in order[name]}
    products.merge_meta(shop, order["meta_data"], body.get("meta_data") or [])


def update(shop: Shop, order_id: int, body: Json) -> Json:
    """Change an order; any PUT bumps ``date_modified``, also one that changes nothing (measured).

    Restoring from the bin tells no webhook; a checkout draft that becomes an order tells ``order.created`` again
    and no ``order.updated`` (vendor page sections 0.9 and 7, measured).
    """
    if order_id not in shop.orders:
        raise invalid_id("shop_order", 400)
    order = shop.orders.load(order_id)
    before = order["status"]
    precise = precise_of(shop, order)
    _set_fields(shop, order, body)
    if edit_lines(shop, order, body, precise):
        calculate(shop, order, precise)
        shop.precise[order_id] = precise
        settle_stock(shop, order, edited=True)
    status = _status(shop, body.get("status"), before)
    if status == "refunded" and before != "refunded":
        refunds.refund_rest(shop, order)
    enter_status(shop, order, status)
    if body.get("set_paid") and order["status"] in ("pending", "on-hold", "failed", "cancelled"):
        enter_status(shop, order, "processing")
    shop.stamp(order, "date_modified", shop.now())
    remember(shop, order)
    if before == "checkout-draft" and order["status"] != before:
        shop.emit("woocommerce_new_order", order_id)
    elif before != "trash":
        shop.emit("woocommerce_update_order", order_id)
    return order


def touch(shop: Shop, order_id: int) -> None:
    """Bump ``date_modified`` and nothing else."""
    order = shop.orders.load(order_id)
    shop.stamp(order, "date_modified", shop.now())
    shop.orders.save(order)
    shop.emit("woocommerce_update_order", order_id)


def delete(shop: Shop, order_id: int, *, force: bool = False) -> Json:
    """Bin an order (bumps ``date_modified``, tells ``order.deleted``), or with `force` remove it in silence."""
    if order_id not in shop.orders:
        raise invalid_id("shop_order")
    order = shop.orders.load(order_id)
    if force:
        shop.orders.remove(order_id)
        for key in [key for key, row in shop.refunds.items() if row.parent == order_id]:
            del shop.refunds[key]
        return order
    if order["status"] == "trash":
        raise ApiError("woocommerce_rest_already_trashed", "The shop_order has already been deleted.", 410)
    order["status"] = "trash"
    shop.stamp(order, "date_modified", shop.now())
    remember(shop, order)
    shop.emit("woocommerce_trash_order", order_id)
    return order
