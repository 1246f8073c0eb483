"""Filling a shop: the same seed gives the same catalogue and the same orders."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from decimal import Decimal

from crossdock_woocommerce.sandbox import orders, products, reference, refunds
from crossdock_woocommerce.sandbox.shop import Shop
from crossdock_woocommerce.sandbox.totals import decimal
from crossdock_woocommerce.sandbox.wire import HOME, Json

__all__ = ["catalogue", "order_body", "people", "simple_orders", "spread", "varied_orders"]

_PEOPLE = (
    ("Jörg", "O'Neil-Šimek", "ACME GmbH", "Hauptstr. 12a", "Berlin", "DE-BE", "10115", "DE"),
    ("Zoë", "Müller", "", "Große Gasse 3", "Köln", "DE-NW", "50667", "DE"),
    ("Łukasz", "Żak", "Żak i Synowie", "ul. Długa 7", "Kraków", "", "31-147", "PL"),
    ("Anna", "Schmid", "", "Bahnhofstrasse 1", "Zürich", "ZH", "8001", "CH"),
    ("Eva", "Store", "", "Weg 1", "Wien", "", "1010", "AT"),
    ("Jean", "Dupont", "", "5 rue de l'Église", "Lyon", "", "69001", "FR"),
)
_CATEGORIES = ((16, "Shirts", "shirts"), (17, "Tools", "tools"), (18, "Books", "books"))
_STATUSES = (
    *("processing",) * 8,
    *("completed",) * 6,
    *("on-hold",) * 3,
    "pending",
    "cancelled",
    "failed",
)
_PAYMENTS = (("bacs", "Direct bank transfer"), ("stripe", "Credit card"), ("cod", "Cash on delivery"))
TEMPLATES = 12


def catalogue(shop: Shop, count: int, seed: int) -> list[int]:
    """`count` products: two in three simple, the others variable with three variations each."""
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        number = sum(1 for p in shop.products.values() if p["type"] != "variation") + 1
        made.append(_variable(shop, number, rng) if number % 3 == 0 else _simple(shop, number, rng))
    return made


def _category(rng: random.Random) -> list[Json]:
    key, name, slug = rng.choice(_CATEGORIES)
    return [{"id": key, "name": name, "slug": slug}]


def _simple(shop: Shop, number: int, rng: random.Random) -> int:
    managed = number % 5 != 4
    regular = Decimal(rng.randrange(299, 19999)) / 100
    fields: Json = {
        "name": f"Simple product {number}" if number % 4 else f"Größe & Maß {number}",
        "sku": f"SIM-{number:04d}",
        "regular_price": str(regular),
        "description": f"<p>Product {number}</p>\n",
        "tax_class": "reduced-rate" if number % 5 == 0 else "",
        "categories": _category(rng),
        "weight": "0.5",
        "manage_stock": managed,
        "stock_quantity": 100 if managed else None,
        "global_unique_id": f"4006381{number:06d}" if number % 2 == 0 else "",
        "backorders": "notify" if number % 7 == 0 else "no",
    }
    if number % 8 == 1:
        fields["sale_price"] = str((regular * Decimal("0.8")).quantize(Decimal("0.01")))
    return int(products.add(shop, fields)["id"])


def _variable(shop: Shop, number: int, rng: random.Random) -> int:
    inheriting = number % 6 == 0
    sizes, colours = ["S", "M", "L"], ["Red", "Blue"]
    shared: Json = {"visible": True, "variation": True}
    parent = products.add(
        shop,
        {
            "type": "variable",
            "name": f"Variable product {number}",
            "sku": f"VAR-{number:04d}",
            "categories": _category(rng),
            "manage_stock": inheriting,
            "stock_quantity": 60 if inheriting else None,
            "attributes": [
                {"name": "Size", "options": sizes, **shared},
                {"name": "Color", "options": colours, **shared},
            ],
        },
    )
    for size in sizes:
        colour = rng.choice(colours)
        products.add(
            shop,
            {
                "sku": f"VAR-{number:04d}-{size}-{colour[0]}",
                "regular_price": str(Decimal(rng.randrange(999, 4999)) / 100),
                "manage_stock": not inheriting,
                "stock_quantity": None if inheriting else 50,
                "attributes": [{"name": "Size", "option": size}, {"name": "Color", "option": colour}],
            },
            parent_id=parent["id"],
        )
    return int(parent["id"])


def people(shop: Shop) -> None:
    """A few registered customers."""
    for first, last, company, street, city, state, postcode, country in _PEOPLE[:4]:
        where = {
            "first_name": first,
            "last_name": last,
            "company": company,
            "address_1": street,
            "city": city,
            "state": state,
            "postcode": postcode,
            "country": country,
        }
        email = f"customer{len(shop.customers) + 1}@example.com"
        names = {"email": email, "first_name": first, "last_name": last}
        reference.add_customer(shop, names | {"billing": where | {"email": email}, "shipping": where})


def order_body(shop: Shop, rng: random.Random, number: int) -> Json:
    """The body of an order of the varied kind: lines, coupon, fee, shipping, tax places, currencies, meta data."""
    first, last, company, street, city, state, postcode, country = rng.choice(_PEOPLE)
    where = {
        "first_name": first,
        "last_name": last,
        "company": company,
        "address_1": street,
        "city": city,
        "state": state,
        "postcode": postcode,
        "country": country,
        "phone": f"+49 30 {rng.randrange(10**6, 10**7)}",
    }
    shown = [p for p in shop.products.values() if p["type"] != "variable" and p["status"] == "publish"]
    buyable = [product for product in shown if product["price"]]
    method, title = rng.choice(_PAYMENTS)
    email = f"buyer{number}@example.com" if number % 9 else ""
    body: Json = {
        "status": rng.choice(_STATUSES),
        "billing": where | {"email": email},
        "shipping": where,
        "payment_method": method,
        "payment_method_title": title,
        "customer_id": rng.choice(list(shop.customers)) if shop.customers and number % 3 == 0 else 0,
        "line_items": [_line(product, rng) for product in rng.sample(buyable, min(len(buyable), rng.randrange(1, 4)))],
    }
    if number % 4 != 3:
        body["shipping_lines"] = [{"method_id": "flat_rate", "method_title": "DHL Paket", "total": "4.12"}]
    if number % 5 == 1:
        body["coupon_lines"] = [{"code": rng.choice(sorted(shop.coupons))}]
    if number % 6 == 2:
        body["fee_lines"] = [{"name": "Gift wrap", "total": "2.00"}]
    if number % 7 == 3:
        body["currency"] = rng.choice(("USD", "CHF", "PLN", "GBP"))
    if number % 4 == 1:
        body["customer_note"] = "Please ring twice — 2nd floor"
        gift = {"wrap": True, "card": "Alles Gute"}
        body["meta_data"] = [{"key": "_external_ref", "value": f"PO-{number}"}, {"key": "gift", "value": gift}]
    return body


def _line(product: Json, rng: random.Random) -> Json:
    line: Json = {"product_id": product["id"], "quantity": rng.randrange(1, 4)}
    if product["type"] == "variation" and rng.random() < 0.5:
        line["meta_data"] = [{"key": "Engraving", "value": "Für Zoë ♥"}]
    return line


def varied_orders(shop: Shop, moments: list[datetime], seed: int) -> list[int]:
    """One order of the varied kind per moment, made by the shop's own rules; some refunded, some with notes."""
    rng = random.Random(seed)
    made = []
    for moment in moments:
        with shop.at(moment):
            via = "checkout" if rng.random() < 0.6 else "rest-api"
            order = orders.create(shop, order_body(shop, rng, len(shop.orders) + 1), via=via)
            if order["status"] in ("processing", "completed") and rng.random() < 0.25:
                _refund(shop, order, rng)
            if rng.random() < 0.3:
                shop.note(order["id"], "Packed", customer=rng.random() < 0.5)
        made.append(int(order["id"]))
    return made


def _refund(shop: Shop, order: Json, rng: random.Random) -> None:
    kind = rng.choice(("line", "amount", "full"))
    body: Json = {"api_refund": False, "reason": {"line": "1 damaged", "amount": "Goodwill", "full": "all"}[kind]}
    line = order["line_items"][0]
    if kind == "line" and decimal(line["total"]) > 0:
        tax = [{"id": each["id"], "refund_total": each["total"]} for each in line["taxes"]]
        entry = {"id": line["id"], "quantity": line["quantity"], "refund_total": line["total"], "refund_tax": tax}
        body["line_items"] = [entry]
    elif kind == "amount":
        body["amount"] = str(min(Decimal("1.00"), decimal(order["total"])))
    else:
        body["amount"] = order["total"]
    refunds.create(shop, order["id"], body)


def simple_orders(shop: Shop, moments: list[datetime], seed: int) -> list[int]:
    """Many orders quickly: copies of a few orders that the shop's own rules made, with identifiers of their own."""
    rng = random.Random(seed)
    templates = [_template(shop, rng, number) for number in range(TEMPLATES)]
    return [_copy(shop, rng.choice(templates), moment) for moment in moments]


def _template(shop: Shop, rng: random.Random, number: int) -> Json:
    plain = {"status": "processing", "coupon_lines": [], "currency": shop.options.currency}
    body = order_body(shop, rng, number) | plain
    with shop.silence():
        order = orders.create(shop, body, via="checkout")
    shop.orders.remove(order["id"])
    shop.precise.pop(order["id"], None)
    shop.notes.pop(order["id"], None)
    return order


_LINES = ("line_items", "tax_lines", "shipping_lines", "fee_lines")


def _copy(shop: Shop, template: Json, moment: datetime) -> int:
    key = shop.number("post")
    token = f"wc_order_{key:013d}"
    order: Json = dict(template)
    order |= {
        "id": key,
        "number": str(key),
        "order_key": token,
        "payment_url": f"{HOME}/checkout/order-pay/{key}/?pay_for_order=true&key={token}",
        "_links": {
            name: [entry | {"href": str(entry["href"]).replace(f"/{template['id']}", f"/{key}")} for entry in entries]
            for name, entries in template["_links"].items()
        },
    }
    for kind in _LINES:
        order[kind] = [line | {"id": shop.number("item")} for line in template[kind]]
    for name in ("date_created", "date_modified", "date_paid"):
        shop.stamp(order, name, moment)
    shop.orders.save(order)
    return key


def spread(now: datetime, count: int, over: float, *, same_second: bool) -> list[datetime]:
    """`count` moments that end at `now`, evenly over `over` seconds, or all the same."""
    if same_second:
        return [now] * count
    step = over / max(count, 1)
    return [now - timedelta(seconds=int(over - step * (index + 1))) for index in range(count)]
