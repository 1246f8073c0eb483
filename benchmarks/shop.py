"""A very fast local WooCommerce shop for benchmarks: ``python -m benchmarks.shop COUNT [--latency-ms 50]``.

It answers what a sync asks: orders by change time and by id, orders in the trash, products by SKU, stock batches. The
orders have the recorded shape and 3.4 kB; their bytes are made when they are asked for, so 100,000 need little memory.
The first line on standard output is its address. ``GET /_bench`` answers what it saw since it was asked last, and what
a store must contain after a sync; ``/_bench?edit=50`` changes 50 orders first.
"""

from __future__ import annotations

import argparse
import asyncio
import bisect
import calendar
import re
import sys
import time
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

_STATUSES = (b"processing", b"completed", b"on-hold", b"completed", b"processing")
_SPAN = 60 * 86400
_FIRST_ID = 1000
_PRODUCTS = 2000


def _template() -> dict[str, Any]:
    """One order in the recorded shape; ``@name@`` stands for a text and ``@#name@`` for a number that varies."""
    contact = {
        "first_name": "Jörg", "last_name": "O'Neil-Šimek", "company": "ACME GmbH", "address_1": "Hauptstr. @house@",
        "address_2": "Hinterhaus", "city": "Berlin", "state": "DE-BE", "postcode": "10115", "country": "DE",
        "email": "customer@house@(at)example.com", "phone": "+49 30 1234567",
    }  # fmt: skip
    shipping = {key: value for key, value in contact.items() if key != "email"} | {"phone": "+49 30 7654321"}
    meta = [{"id": 19156, "key": "_reduced_stock", "value": "2", "display_key": "_reduced_stock", "display_value": "2"}]

    def line(place: int, quantity: Any, net: str, tax: str) -> dict[str, Any]:
        return {
            "id": f"@#line{place}@", "name": f"Product @sku{place}@", "product_id": 14, "variation_id": 0,
            "quantity": quantity, "tax_class": "", "subtotal": net, "subtotal_tax": tax, "total": net, "total_tax": tax,
            "taxes": [{"id": 1, "total": tax, "subtotal": tax}], "meta_data": meta, "sku": f"@sku{place}@",
            "global_unique_id": "", "price": 20.0, "parent_name": None,
            "image": {"id": 77, "src": "https://shop.example/wp-content/uploads/2026/03/product-photo.jpg"},
        }  # fmt: skip

    return {
        "id": "@#id@", "parent_id": 0, "status": "@status@", "currency": "EUR", "version": "11.0.1",
        "prices_include_tax": True, "date_created": "@created_local@", "date_modified": "@modified_local@",
        "discount_total": "0.00", "discount_tax": "0.00", "shipping_total": "4.12", "shipping_tax": "0.78",
        "cart_tax": "@cart_tax@", "total": "@total@", "total_tax": "@total_tax@", "customer_id": "@#house@",
        "order_key": "wc_order_Ixdgi15eZz9M3", "billing": contact, "shipping": shipping, "payment_method": "bacs",
        "payment_method_title": "Direct bank transfer", "transaction_id": "", "customer_ip_address": "",
        "customer_user_agent": "", "created_via": "checkout", "customer_note": "@note@", "date_completed": None,
        "date_paid": "@created_local@", "cart_hash": "", "number": "@id@", "meta_data": [
            {"id": 2150, "key": "_external_ref", "value": "PO-@id@"},
            {"id": 2151, "key": "_wc_order_attribution_source_type", "value": "typein"},
            {"id": 2152, "key": "gift", "value": {"wrap": True, "card": "Alles Gute für Zoë, herzliche Grüße"}}],
        "line_items": [line(0, "@#quantity@", "@net@", "@tax@"), line(1, 1, "40.00", "7.60")],
        "tax_lines": [{"id": 2511, "rate_code": "DE-MWST.-1", "rate_id": 1, "label": "MwSt.", "compound": False,
                       "tax_total": "@cart_tax@", "shipping_tax_total": "0.78", "rate_percent": 19, "meta_data": []}],
        "shipping_lines": [{"id": 2508, "method_title": "DHL Paket", "method_id": "flat_rate", "instance_id": "",
                            "total": "4.12", "total_tax": "0.78", "taxes": [{"id": 1, "total": "0.78", "subtotal": ""}],
                            "tax_status": "taxable", "meta_data": []}],
        "fee_lines": [], "coupon_lines": [], "refunds": [],
        "payment_url": "https://shop.example/checkout/order-pay/@id@/?pay_for_order=true&key=wc_order_Ixdgi15eZz9M3",
        "is_editable": False, "needs_payment": False, "needs_processing": True, "date_created_gmt": "@created@",
        "date_modified_gmt": "@modified@", "date_completed_gmt": None, "date_paid_gmt": "@created@",
        "currency_symbol": "€",
        "_links": {"self": [{"href": "https://shop.example/wp-json/wc/v3/orders/@id@",
                             "targetHints": {"allow": ["GET", "POST", "PUT", "PATCH", "DELETE"]}}],
                   "collection": [{"href": "https://shop.example/wp-json/wc/v3/orders"}]},
    }  # fmt: skip


def _prepare() -> tuple[bytes, list[bytes]]:
    """The template for ``%`` formatting, and the names of the values in their order."""
    text = msgspec.json.encode(_template()).replace(b"%", b"%%")
    names: list[bytes] = []

    def place(found: re.Match[bytes]) -> bytes:
        names.append(found.group(1) or found.group(2))
        return b"%b"

    return re.sub(rb'"@#([a-z0-9_]+)@"|@([a-z0-9_]+)@', place, text).replace(b"(at)", b"@"), names


def _money(cents: int) -> bytes:
    return b"%d.%02d" % divmod(cents, 100)


def _time(at: int) -> bytes:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)).encode()


def _amounts(index: int) -> tuple[int, int, int, int]:
    """Quantity of the first line, its net amount and tax, and the order's total, in cents."""
    quantity = index % 5 + 1
    net = quantity * (1000 + index % 900)
    tax = (net * 19 + 50) // 100
    return quantity, net, tax, net + tax + 4000 + 760 + 412 + 78


class Shop:
    """The shop's state: when each order and product changed last, what was written, and what was asked."""

    def __init__(self, count: int, latency: float) -> None:
        self.latency = latency
        end = int(time.time()) - 3600
        self.created = [end - _SPAN + _SPAN * index // max(count, 1) for index in range(count)]
        self.edits: dict[int, tuple[int, int]] = {}
        self.by_time = [(at, index) for index, at in enumerate(self.created)]
        self.stock = dict.fromkeys(range(1, _PRODUCTS + 1), 0)
        self.stocked = [end - _SPAN + index for index in range(_PRODUCTS)]
        self.made: list[dict[str, Any]] = []
        self.busy = 0
        self._forget()
        self._text, self._names = _prepare()

    def _forget(self) -> None:
        self.requests = self.most = self.rows = 0

    def order(self, index: int) -> bytes:
        """The JSON of one order."""
        created = self.created[index]
        modified, revision = self.edits.get(index, (created, 0))
        quantity, net, tax, total = _amounts(index)
        number = b"%d" % (_FIRST_ID + index)
        values = {
            b"id": number, b"status": _STATUSES[index % 5], b"house": b"%d" % (index % 5000),
            b"created": _time(created), b"created_local": _time(created + 3600),
            b"note": b"Edited %d times" % revision if revision else b"", b"quantity": b"%d" % quantity,
            b"net": _money(net), b"tax": _money(tax), b"cart_tax": _money(tax + 760),
            b"total_tax": _money(tax + 760 + 78), b"total": _money(total), b"line0": b"%d" % (index * 2 + 1),
            b"line1": b"%d" % (index * 2 + 2), b"sku0": b"P-%d" % (index % _PRODUCTS + 1),
            b"sku1": b"P-%d" % (index * 7 % _PRODUCTS + 1),
        }  # fmt: skip
        if revision:
            values[b"modified"], values[b"modified_local"] = _time(modified), _time(modified + 3600)
        else:
            values[b"modified"], values[b"modified_local"] = values[b"created"], values[b"created_local"]
        return self._text % tuple([values[name] for name in self._names])

    def edit(self, count: int) -> None:
        """Change the first `count` orders now."""
        now = int(time.time())
        for index in range(count):
            self.edits[index] = (now - count + index, self.edits.get(index, (0, 0))[1] + 1)
        at = [self.edits[index][0] if index in self.edits else created for index, created in enumerate(self.created)]
        self.by_time = sorted(zip(at, range(len(at))))

    def restock(self, count: int) -> None:
        """Sell and buy: the first `count` products get another stock now."""
        now = int(time.time())
        for index in range(count):
            self.stock[index + 1] += index % 50 + 1
            self.stocked[index] = now - count + index

    def orders(self, query: dict[str, str]) -> tuple[bytes, int]:
        """A page of orders as JSON, and how many there are in all."""
        if query.get("status") == "trash":
            return b"[]", 0
        rows = self.by_time
        if "include" in query:
            wanted = {int(each) - _FIRST_ID for each in query["include"].split(",")}
            rows = [row for row in rows if row[1] in wanted]
        page, total = _page(rows, query)
        self.rows += len(page)
        return b"[" + b",".join([self.order(index) for index in page]) + b"]", total

    def products(self, query: dict[str, str]) -> tuple[bytes, int]:
        """A page of products as JSON, and how many there are in all."""
        if "sku" in query:
            numbers = [int(sku[2:]) for sku in query["sku"].split(",") if sku]
            page, total = _page([(0, number - 1) for number in numbers if number in self.stock], query)
        elif query.get("status") == "trash":
            return b"[]", 0
        else:
            page, total = _page(sorted((at, index) for index, at in enumerate(self.stocked)), query)
        return msgspec.json.encode([self._product(index + 1) for index in page]), total

    def _product(self, number: int) -> dict[str, Any]:
        at = _time(self.stocked[number - 1]).decode()
        return {
            "id": number, "sku": f"P-{number}", "type": "simple", "parent_id": 0, "name": f"Product {number}",
            "status": "publish", "manage_stock": True, "stock_quantity": self.stock[number],
            "stock_status": "instock", "backorders": "no", "price": "10.00", "regular_price": "10.00", "sale_price": "",
            "date_modified_gmt": at, "date_created_gmt": "2026-01-01T00:00:00", "variations": [],
        }  # fmt: skip

    def make(self, body: dict[str, Any]) -> bytes:
        """Take an order and answer it as the shop stored it."""
        lines = [
            {**line, "id": place, "sku": f"P-{line['product_id']}", "total_tax": "0.00", "taxes": [], "price": 1.0}
            for place, line in enumerate(body.get("line_items", []), 1)
        ]
        number = 5_000_000 + len(self.made)
        total = sum(float(each["total"]) for part in ("line_items", "shipping_lines", "fee_lines")
                    for each in body.get(part, []))  # fmt: skip
        now = _time(int(time.time())).decode()
        order = {
            **body, "id": number, "number": str(number), "total": f"{total:.2f}", "total_tax": "0.00",
            "line_items": lines, "date_created_gmt": now, "date_modified_gmt": now, "tax_lines": [], "coupon_lines": [],
            "refunds": [], "meta_data": [{"id": 1, **each} for each in body.get("meta_data", [])],
        }  # fmt: skip
        self.made.append(order)
        return msgspec.json.encode(order)

    def restocked(self, body: dict[str, list[dict[str, Any]]]) -> bytes:
        """Store the stock of a batch and answer the products."""
        rows = body.get("update", [])
        self.stock.update({row["id"]: row["stock_quantity"] for row in rows})
        return msgspec.json.encode({"update": [self._product(row["id"]) for row in rows]})

    def seen(self) -> dict[str, Any]:
        """What happened since this was asked last, and what there is to compare with."""
        state = {
            "requests": self.requests,
            "most": self.most,
            "rows": self.rows,
            "orders": len(self.created),
            "total": sum(_amounts(index)[3] for index in range(len(self.created))),
            "stock": sum(self.stock.values()),
            "made": len(self.made),
        }
        self._forget()
        return state

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers of one request."""
        url = urlsplit(target)
        query = dict(parse_qsl(url.query))
        path = url.path.rpartition("/wc/v3/")[2]
        if url.path == "/_bench":
            if "edit" in query:
                self.edit(int(query["edit"]))
            if "restock" in query:
                self.restock(int(query["restock"]))
            return 200, msgspec.json.encode(self.seen() if "peek" not in query else {"rows": self.rows}), {}
        if method == "POST" and path == "orders":
            return 201, self.make(msgspec.json.decode(body)), {}
        if method == "POST" and path == "products/batch":
            return 200, self.restocked(msgspec.json.decode(body)), {}
        if path in ("orders", "products"):
            text, total = self.orders(query) if path == "orders" else self.products(query)
            pages = -(-total // int(query.get("per_page", 10)))
            return 200, text, {"X-WP-Total": str(total), "X-WP-TotalPages": str(pages)}
        fixed = _FIXED.get(path)
        if fixed is not None:
            return 200, fixed, {}
        if url.path.rstrip("/").endswith("/wp-json"):
            return 200, _INDEX, {}
        return 404, b'{"code":"rest_no_route","message":"No route was found.","data":{"status":404}}', {}


def _page(rows: list[tuple[int, int]], query: dict[str, str]) -> tuple[list[int], int]:
    """The second parts of the rows of a page, and how many rows there are; `rows` are sorted by their time."""
    lo, hi = 0, len(rows)
    if "modified_after" in query:
        lo = bisect.bisect_left(rows, (_seconds(query["modified_after"]) + 1,))
    if "modified_before" in query:
        hi = bisect.bisect_left(rows, (_seconds(query["modified_before"]),))
    if query.get("orderby", "date") != "modified":
        rows, lo, hi = sorted(rows[lo:hi], key=lambda row: row[1]), 0, hi - lo
    if query.get("order", "desc") == "desc":
        rows, lo, hi = rows[lo:hi][::-1], 0, hi - lo
    size = int(query.get("per_page", 10))
    start = int(query["offset"]) if "offset" in query else (int(query.get("page", 1)) - 1) * size
    return [index for _, index in rows[lo + start : min(lo + start + size, hi)]], hi - lo


_INDEX = (
    b'{"name":"Bench","url":"http://shop","home":"http://shop","gmt_offset":"1","timezone_string":"Europe/Berlin",'
    b'"namespaces":["wp/v2","wc/v3"],"authentication":[]}'
)
_FIXED = {
    "orders/batch": b"[]",
    "system_status": (
        b'{"environment":{"version":"11.0.1","wp_version":"7.0.4"},"settings":{"currency":"EUR",'
        b'"number_of_decimals":2,"taxonomies":{}}}'
    ),
    "settings/tax": (
        b'[{"id":"woocommerce_prices_include_tax","value":"yes"},'
        b'{"id":"woocommerce_tax_round_at_subtotal","value":"no"}]'
    ),
}


def _seconds(text: str) -> int:
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))


class _Protocol(asyncio.Protocol):
    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.buffer = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while True:
            head, found, rest = self.buffer.partition(b"\r\n\r\n")
            if not found:
                return
            lines = head.decode("latin-1").split("\r\n")
            length = next((int(line[15:]) for line in lines if line.lower().startswith("content-length:")), 0)
            if len(rest) < length:
                return
            self.buffer = rest[length:]
            method, target, _ = lines[0].split(" ", 2)
            work = (method, target, rest[:length])
            if target.startswith("/_bench"):
                self._reply(*work)
                continue
            shop = self.shop
            shop.requests += 1
            shop.busy += 1
            shop.most = max(shop.most, shop.busy)
            if shop.latency:
                asyncio.get_running_loop().call_later(shop.latency, self._reply, *work)
            else:
                self._reply(*work)

    def _reply(self, method: str, target: str, body: bytes) -> None:
        status, content, headers = self.shop.answer(method, target, body)
        if not target.startswith("/_bench"):
            self.shop.busy -= 1
        fields = {"Date": formatdate(usegmt=True), "Content-Type": "application/json; charset=UTF-8", **headers,
                  "Content-Length": str(len(content))}  # fmt: skip
        head = f"HTTP/1.1 {status} OK\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.transport.write(head.encode() + b"\r\n" + content)


async def _serve(shop: Shop, port: int) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Protocol(shop), "127.0.0.1", port)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--latency-ms", type=float, default=0)
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    asyncio.run(_serve(Shop(given.count, given.latency_ms / 1000), given.port))


if __name__ == "__main__":
    main()
