"""Lists: filters, paging headers, and rendering of pages (vendor page section 2, measured)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from crossdock_woocommerce.sandbox import products, schema
from crossdock_woocommerce.sandbox.shelf import Row, Window, seconds
from crossdock_woocommerce.sandbox.shop import Shop
from crossdock_woocommerce.sandbox.totals import decimal
from crossdock_woocommerce.sandbox.wire import Answer, Call, Json, cut_fields, php_json, query_text

__all__ = ["list_schema", "order_page", "page", "product_page", "show_order", "windows"]


def list_schema(shop: Shop, kind: str) -> schema.Schema:
    """Checks of a list's parameters. What is not named here is ignored, not refused (measured)."""
    rules: dict[str, schema.Rule] = {
        "page": schema.integer(minimum=1),
        "per_page": schema.integer(1, 100),
        "offset": schema.integer(),
        "order": schema.one_of("asc", "desc"),
        "include": schema.id_list,
        "exclude": schema.id_list,
        "after": schema.date_time,
        "before": schema.date_time,
        "dates_are_gmt": schema.boolean,
    }
    if shop.since("5.8"):
        rules |= {"modified_after": schema.date_time, "modified_before": schema.date_time}
    if kind == "orders":
        rules |= {
            "orderby": schema.one_of("date", "id", "include", "title", "slug", "modified"),
            "status": schema.many_of("any", "trash", "auto-draft", *shop.statuses()),
            "customer": schema.integer(),
            "product": schema.integer(),
            "dp": schema.integer(),
        }
        if shop.since("9.9"):
            rules["created_via"] = schema.strings
    elif kind == "products":
        more = ("price", "popularity", "rating", "menu_order")
        rules |= {
            "orderby": schema.one_of("date", "id", "include", "title", "slug", "modified", *more),
            "status": schema.one_of("any", "draft", "pending", "private", "publish", "future", "trash"),
            "type": schema.one_of(*products.TYPES),
            "stock_status": schema.one_of("instock", "outofstock", "onbackorder"),
            "parent": schema.id_list,
        }
    return rules


def page(
    call: Call,
    keys: Sequence[int],
    render: Callable[[int], Any],
    *,
    hides_totals: bool = False,
    echo: Json | None = None,
) -> Answer:
    """One page of `keys`, with totals and ``Link``. `render` gives a JSON value or its bytes.

    `hides_totals`: past the end the totals are 0, as orders do under HPOS. `echo` are defaults that the shop
    repeats in its links once a row was shown.
    """
    size = call.params.get("per_page", 10)
    number = call.params.get("page", 1)
    start = call.params["offset"] if call.params.get("offset") else (number - 1) * size
    chosen = call.shown = list(keys[start : start + size])
    total = 0 if hides_totals and not chosen and number > 1 else len(keys)
    pages = -(-total // size)
    headers = {"X-WP-Total": str(total), "X-WP-TotalPages": str(pages)}
    link = _links(call, number, pages, echo or {})
    if link:
        headers["Link"] = link
    return Answer(raw=_join(call, [render(key) for key in chosen]), headers=headers)


def _join(call: Call, shown: list[Any]) -> bytes:
    fields = str(call.query.get("_fields", ""))
    if fields:
        return php_json([cut_fields(msgspec.json.decode(e) if isinstance(e, bytes) else e, fields) for e in shown])
    return b"[" + b",".join(each if isinstance(each, bytes) else php_json(each) for each in shown) + b"]"


def _links(call: Call, number: int, pages: int, echo: Json) -> str:
    params = {name: call.params.get(name, value) for name, value in call.query.items()}
    params |= {name: value for name, value in echo.items() if name not in params}
    found = []
    for target, relation in ((min(number - 1, pages), "prev"), (number + 1, "next")):
        if (relation == "prev" and number > 1) or (relation == "next" and number < pages):
            joint = "&" if "?" in call.rest_url else "?"
            found.append(f'<{call.rest_url}{joint}{query_text(params | {"page": target})}>; rel="{relation}"')
    return ", ".join(found)


def windows(shop: Shop, params: Json) -> tuple[Window, Window]:
    """The bounds on modification and on creation."""
    gmt = bool(params.get("dates_are_gmt"))

    def bound(name: str) -> int | None:
        return shop.bound(params[name], gmt=gmt) if params.get(name) else None

    return Window(bound("modified_after"), bound("modified_before")), Window(bound("after"), bound("before"))


# orders


def order_page(shop: Shop, call: Call) -> Answer:
    """``GET /orders``."""
    params = call.params
    given = params.get("status") or ["any"]
    statuses = None if "any" in given else frozenset(given)
    modified, created = windows(shop, params)
    orderby, descending = params.get("orderby", "date"), params.get("order", "desc") == "desc"
    ids = shop.orders.select(statuses, modified, created, orderby, _order_filter(shop, params), descending=descending)
    if orderby == "include":
        wanted = [key for key in params.get("include", []) if key in set(ids)]
        ids = wanted if not descending else wanted[::-1]
    if orderby == "modified" and not shop.since("10.4"):
        ids = shop.orders.shuffle_ties(ids, params.get("page", 1))
    rows = ids[(params.get("page", 1) - 1) * params.get("per_page", 10) :][:1]
    echo: Json = {"status": given} | ({"dp": params.get("dp", 2), "context": "view"} if rows else {})
    return page(
        call,
        ids,
        lambda key: _render_order(shop, key, params),
        hides_totals=shop.hpos,
        echo=echo if shop.hpos or rows else {},
    )


def _order_filter(shop: Shop, params: Json) -> Callable[[Row], bool] | None:
    tests: list[Callable[[Row], bool]] = []
    if "include" in params:
        include = set(params["include"])
        tests.append(lambda row: row.id in include)
    if "exclude" in params:
        exclude = set(params["exclude"])
        tests.append(lambda row: row.id not in exclude)
    if "customer" in params:
        customer = params["customer"]
        tests.append(lambda row: row.customer == customer)
    if "created_via" in params and shop.since("9.9"):
        via = set(params["created_via"])
        tests.append(lambda row: row.via in via)
    if params.get("product"):
        product = params["product"]
        tests.append(
            lambda row: any(
                product in (line["product_id"], line["variation_id"]) for line in shop.orders.load(row.id)["line_items"]
            )
        )
    if params.get("search"):
        tests.append(lambda row: _found(shop, row, str(params["search"]).lower()))
    return (lambda row: all(test(row) for test in tests)) if tests else None


def _found(shop: Shop, row: Row, text: str) -> bool:
    """``search=``: id, addresses and e-mail; transaction_id under HPOS only, customer_note in posts storage only."""
    order = shop.orders.load(row.id)
    values = [str(row.id), *order["billing"].values(), *order["shipping"].values()]
    values.append(order["transaction_id"] if shop.hpos else order["customer_note"])
    return any(text in str(value).lower() for value in values)


def _render_order(shop: Shop, key: int, params: Json) -> Any:
    raw = shop.orders.rows[key].raw
    if params.get("dp", 2) == 2 and "include_meta" not in params and "exclude_meta" not in params:
        return raw
    return show_order(shop, shop.orders.load(key), params)


_AMOUNTS = ("discount_total", "discount_tax", "shipping_total", "shipping_tax", "cart_tax", "total", "total_tax")


def show_order(shop: Shop, order: Json, params: Json) -> Json:
    """An order with ``dp`` decimals and the asked meta data. More decimals show unrounded lines; sums then differ."""
    digits = params.get("dp", 2)
    if digits != 2:
        step = decimal(1).scaleb(-digits)
        precise = shop.precise.get(order["id"], {})
        for name in _AMOUNTS:
            order[name] = str(decimal(order[name]).quantize(step))
        for line in order["line_items"]:
            both = precise.get(line["id"]) or (decimal(line["subtotal"]), decimal(line["total"]))
            line["subtotal"], line["total"] = (str(each.quantize(step)) for each in both)
            for name in ("subtotal_tax", "total_tax"):
                line[name] = str(decimal(line[name]).quantize(step))
        for line in (*order["shipping_lines"], *order["fee_lines"]):
            for name in ("total", "total_tax"):
                line[name] = str(decimal(line[name]).quantize(step))
    if shop.since("7.0"):
        kept = schema.strings("", params["include_meta"]) if params.get("include_meta") else None
        left = schema.strings("", params.get("exclude_meta", ""))
        order["meta_data"] = [
            entry for entry in order["meta_data"] if (entry["key"] in kept if kept else entry["key"] not in left)
        ]
    return order


# products

_PRODUCT_KEYS: dict[str, Callable[[Json], Any]] = {
    "date": lambda p: (p["date_created_gmt"], p["id"]),
    "modified": lambda p: (p["date_modified_gmt"], p["id"]),
    "id": lambda p: p["id"],
    "title": lambda p: (p["name"], p["id"]),
    "slug": lambda p: (p["slug"], p["id"]),
    "price": lambda p: (decimal(p["price"] or 0), p["id"]),
    "popularity": lambda p: (p["total_sales"], p["id"]),
    "menu_order": lambda p: (p["menu_order"], p["id"]),
}


def product_page(shop: Shop, call: Call, *, parent: int | None = None, variations: bool = False) -> Answer:
    """``GET /products``, one parent's variations, or with `variations` those of the whole shop."""
    params = call.params
    only_variations = variations or parent is not None
    skus = [each.strip() for each in str(params.get("sku") or "").split(",") if each.strip()]
    gtins = schema.strings("", params["global_unique_id"]) if _knows_gtin(shop, params, only_variations) else []
    mixed = bool(skus or (gtins and shop.since("9.6")) or params.get("search_sku"))
    modified, created = windows(shop, params)
    plain = modified == Window() and created == Window()

    def kept(product: Json) -> bool:
        if only_variations:
            if product["type"] != "variation" or (parent is not None and product["parent_id"] != parent):
                return False
        elif product["type"] == "variation" and not mixed:
            return False
        if skus and product["sku"] not in skus:
            return False
        if gtins and product["global_unique_id"] not in gtins:
            return False
        if not _product_matches(product, params):
            return False
        return plain or (modified.holds(_moment(product, "modified")) and created.holds(_moment(product, "created")))

    found = [product for product in shop.products.values() if kept(product)]
    orderby = params.get("orderby", "date")
    found.sort(key=_PRODUCT_KEYS.get(orderby, _PRODUCT_KEYS["date"]), reverse=params.get("order", "desc") == "desc")
    keys = [product["id"] for product in found]
    if orderby == "include":
        keys = [key for key in params.get("include", []) if key in set(keys)]
    if orderby == "modified" and not shop.since("10.4"):
        number = params.get("page", 1)
        stamps = {p["id"]: p["date_modified_gmt"] for p in found}
        keys.sort(key=lambda key: (key * 7919 * number) % 1009)
        keys.sort(key=lambda key: stamps[key], reverse=params.get("order", "desc") == "desc")
    view = products.variation_view if only_variations else products.product_view
    return page(call, keys, lambda key: view(shop, shop.products[key]))


def _knows_gtin(shop: Shop, params: Json, variations: bool) -> bool:
    return bool(params.get("global_unique_id")) and shop.since("9.6" if variations else "9.2")


def _moment(product: Json, name: str) -> int:
    return seconds(product[f"date_{name}_gmt"])


def _product_matches(product: Json, params: Json) -> bool:
    status = params.get("status", "any")
    if (product["status"] == "trash") if status == "any" else (product["status"] != status):
        return False
    for name in ("type", "stock_status"):
        if params.get(name) and product[name] != params[name]:
            return False
    if "include" in params and product["id"] not in params["include"]:
        return False
    if product["id"] in params.get("exclude", ()):
        return False
    if "parent" in params and product["parent_id"] not in params["parent"]:
        return False
    if params.get("search") and str(params["search"]).lower() not in product["name"].lower():
        return False
    return not params.get("search_sku") or str(params["search_sku"]).lower() in product["sku"].lower()
