"""A very fast local WooCommerce shop for benchmarks: ``python -m benchmarks.shop COUNT [--latency-ms 50]``.

It answers what a sync asks: orders by change time and by id, orders in the trash, products by SKU, stock batches. Orders
have the recorded shape and 3.4 kB; their text is made when they are asked for, so 100,000 of them need little memory.
The first line on standard output is its address.
"""

from __future__ import annotations

import argparse
import asyncio
import bisect
import sys
import time
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

_STATUSES = ("processing", "completed", "on-hold", "completed", "processing")
_SPAN = 60 * 86400


def _template() -> dict[str, Any]:
    """One order in the recorded shape, with the parts that vary left empty."""
    contact = {
        "first_name": "Jörg", "last_name": "O'Neil-Šimek", "company": "ACME GmbH", "address_1": "Hauptstr. 12a",
        "address_2": "Hinterhaus", "city": "Berlin", "state": "DE-BE", "postcode": "10115", "country": "DE",
        "email": "joerg@example.com", "phone": "+49 30 1234567",
    }  # fmt: skip
    meta = [{"id": 19156, "key": "_reduced_stock", "value": "2", "display_key": "_reduced_stock", "display_value": "2"}]

    def line(index: int, sku: str, quantity: int, net: str, tax: str) -> dict[str, Any]:
        return {
            "id": index, "name": f"Product {sku}", "product_id": 14, "variation_id": 0, "quantity": quantity,
            "tax_class": "", "subtotal": net, "subtotal_tax": tax, "total": net, "total_tax": tax,
            "taxes": [{"id": 1, "total": tax, "subtotal": tax}], "meta_data": meta, "sku": sku, "global_unique_id": "",
            "price": 20.0, "image": {"id": "", "src": ""}, "parent_name": None,
        }  # fmt: skip

    return {
        "id": 0, "parent_id": 0, "status": "processing", "currency": "EUR", "version": "11.0.1",
        "prices_include_tax": True, "date_created": "", "date_modified": "", "discount_total": "0.00",
        "discount_tax": "0.00", "shipping_total": "4.12", "shipping_tax": "0.78", "cart_tax": "19.00",
        "total": "123.90", "total_tax": "19.78", "customer_id": 0, "order_key": "wc_order_Ixdgi15eZz9M3",
        "billing": contact, "shipping": {**contact, "phone": "+49 30 7654321"}, "payment_method": "bacs",
        "payment_method_title": "Direct bank transfer", "transaction_id": "", "customer_ip_address": "",
        "customer_user_agent": "", "created_via": "checkout", "customer_note": "", "date_completed": None,
        "date_paid": "2026-10-01T05:10:23", "cart_hash": "", "number": "", "meta_data": [
            {"id": 2150, "key": "_external_ref", "value": "PO-4711"}],
        "line_items": [line(2505, "SIM-0005", 3, "60.00", "11.40"), line(2506, "SIM-0003", 1, "40.00", "7.60")],
        "tax_lines": [{"id": 2511, "rate_code": "DE-MWST.-1", "rate_id": 1, "label": "MwSt.", "compound": False,
                       "tax_total": "19.00", "shipping_tax_total": "0.78", "rate_percent": 19, "meta_data": []}],
        "shipping_lines": [{"id": 2508, "method_title": "DHL Paket", "method_id": "flat_rate", "instance_id": "",
                            "total": "4.12", "total_tax": "0.78", "taxes": [{"id": 1, "total": "0.78", "subtotal": ""}],
                            "tax_status": "taxable", "meta_data": []}],
        "fee_lines": [], "coupon_lines": [], "refunds": [],
        "payment_url": "https://shop.example/checkout/order-pay/1148/?pay_for_order=true&key=wc_order_Ixdgi15eZz9M3",
        "is_editable": False, "needs_payment": False, "needs_processing": True, "date_created_gmt": "",
        "date_modified_gmt": "", "date_completed_gmt": None, "date_paid_gmt": "2026-10-01T03:10:23",
        "currency_symbol": "€",
        "_links": {"self": [{"href": "https://shop.example/wp-json/wc/v3/orders/1148",
                             "targetHints": {"allow": ["GET", "POST", "PUT", "PATCH", "DELETE"]}}],
                   "collection": [{"href": "https://shop.example/wp-json/wc/v3/orders"}]},
    }  # fmt: skip


class Shop:
    """The shop's state: when each order changed last, and its revision."""

    def __init__(self, count: int, latency: float) -> None:
        self.latency = latency
        end = int(time.time()) - 3600
        self.changed = [end - _SPAN + _SPAN * index // max(count, 1) for index in range(count)]
        self.revision = [0] * count
        self.by_time = [(at, index) for index, at in enumerate(self.changed)]
        self.stock: dict[int, int] = {}
        self.requests = self.busy = self.most = 0
        marked = _template() | {"id": "@id@", "number": "@number@", "status": "@status@", "date_created": "@local@",
                                "date_created_gmt": "@gmt@", "date_modified": "@local@", "date_modified_gmt": "@gmt@",
                                "customer_note": "@note@"}  # fmt: skip
        self._parts = msgspec.json.encode(marked).decode().split("@")

    def order(self, index: int) -> str:
        """The JSON of one order."""
        at = datetime.fromtimestamp(self.changed[index], UTC)
        values = {
            "id": str(1000 + index), "number": str(1000 + index), "status": _STATUSES[index % 5],
            "local": (at + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S"), "gmt": at.strftime("%Y-%m-%dT%H:%M:%S"),
            "note": f"Edited {self.revision[index]} times" if self.revision[index] else "",
        }  # fmt: skip
        text = "".join(values.get(part, part) if place % 2 else part for place, part in enumerate(self._parts))
        return text.replace(f'"id":"{1000 + index}"', f'"id":{1000 + index}', 1)

    def edit(self, count: int) -> None:
        """Change the first `count` orders now."""
        now = int(time.time())
        for index in range(count):
            self.changed[index], self.revision[index] = now - count + index, self.revision[index] + 1
        self.by_time = sorted((at, index) for index, at in enumerate(self.changed))

    def orders(self, query: dict[str, str]) -> tuple[str, int]:
        """A page of orders as JSON, and how many there are in all."""
        if query.get("status") == "trash":
            return "[]", 0
        rows: Any = self.by_time
        if "include" in query:
            wanted = {int(each) - 1000 for each in query["include"].split(",")}
            rows = [row for row in rows if row[1] in wanted]
        lo = bisect.bisect_left(rows, (_seconds(query["modified_after"]) + 1,)) if "modified_after" in query else 0
        hi = bisect.bisect_left(rows, (_seconds(query["modified_before"]),)) if "modified_before" in query else len(rows)
        size = int(query.get("per_page", 10))
        start = int(query["offset"]) if "offset" in query else (int(query.get("page", 1)) - 1) * size
        if query.get("orderby", "date") in ("id", "include") and (lo, hi) != (0, len(rows)):
            rows, lo, hi = sorted(rows[lo:hi], key=lambda row: row[1]), 0, hi - lo
        page = rows[lo + start : min(lo + start + size, hi)]
        return f"[{','.join(self.order(index) for _, index in page)}]", hi - lo

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, str, dict[str, str]]:
        """Status, body and headers of one request."""
        url = urlsplit(target)
        query = dict(parse_qsl(url.query))
        path = url.path.rpartition("/wc/v3/")[2]
        if url.path == "/_bench":
            if "edit" in query:
                self.edit(int(query["edit"]))
            state = {"requests": self.requests, "most": self.most, "stock": len(self.stock)}
            self.requests = self.most = 0
            return 200, msgspec.json.encode(state).decode(), {}
        if path == "orders":
            text, total = self.orders(query)
            size = int(query.get("per_page", 10))
            return 200, text, {"X-WP-Total": str(total), "X-WP-TotalPages": str(-(-total // size))}
        if path == "orders/batch":
            return 200, "[]", {}
        if path == "products/batch":
            return 200, self._batch(msgspec.json.decode(body)), {}
        if path == "products":
            return 200, self._products(query), {"X-WP-Total": "1"}
        if path == "system_status":
            return 200, _SYSTEM, {}
        if path == "settings/tax":
            return 200, _TAX, {}
        if url.path.rstrip("/").endswith("/wp-json"):
            return 200, _INDEX, {}
        return 404, '{"code":"rest_no_route","message":"No route was found.","data":{"status":404}}', {}

    def _batch(self, body: dict[str, list[dict[str, Any]]]) -> str:
        rows = body["update"]
        self.stock.update({row["id"]: row["stock_quantity"] for row in rows})
        return msgspec.json.encode({"update": [self._product(row["id"]) for row in rows]}).decode()

    def _products(self, query: dict[str, str]) -> str:
        ids = [int(sku[2:]) for sku in query.get("sku", "").split(",") if sku]
        return msgspec.json.encode([self._product(each) for each in ids]).decode()

    def _product(self, number: int) -> dict[str, Any]:
        return {
            "id": number, "sku": f"P-{number}", "type": "simple", "parent_id": 0, "name": f"Product {number}",
            "status": "publish", "manage_stock": True, "stock_quantity": self.stock.get(number, 0),
            "stock_status": "instock", "backorders": "no", "price": "10.00", "regular_price": "10.00", "sale_price": "",
            "date_modified_gmt": "2026-10-01T00:00:00", "date_created_gmt": "2026-10-01T00:00:00", "variations": [],
        }  # fmt: skip


_INDEX = (
    '{"name":"Bench","url":"http://shop","home":"http://shop","gmt_offset":"1","timezone_string":"Europe/Berlin",'
    '"namespaces":["wp/v2","wc/v3"],"authentication":[]}'
)
_SYSTEM = (
    '{"environment":{"version":"11.0.1","wp_version":"7.0.4"},"settings":{"currency":"EUR","number_of_decimals":2,'
    '"taxonomies":{}}}'
)
_TAX = '[{"id":"woocommerce_prices_include_tax","value":"yes"},{"id":"woocommerce_tax_round_at_subtotal","value":"no"}]'


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text.rstrip("Z") + "+00:00").timestamp())


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
            shop = self.shop
            if not target.startswith("/_bench"):
                shop.requests += 1
                shop.busy += 1
                shop.most = max(shop.most, shop.busy)
            work = (method, target, rest[:length])
            if shop.latency and not target.startswith("/_bench"):
                asyncio.get_running_loop().call_later(shop.latency, self._reply, *work)
            else:
                self._reply(*work)

    def _reply(self, method: str, target: str, body: bytes) -> None:
        status, text, headers = self.shop.answer(method, target, body)
        if not target.startswith("/_bench"):
            self.shop.busy -= 1
        content = text.encode()
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
