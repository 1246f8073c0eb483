"""What the shop's own people, its customers and its clock do; a test's and the demo's levers."""

from __future__ import annotations

import functools
import random
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar, cast

import attrs
import msgspec

from crossdock_woocommerce.sandbox import orders, products, refunds, seeding
from crossdock_woocommerce.sandbox.reference import note_view
from crossdock_woocommerce.sandbox.shop import Shop
from crossdock_woocommerce.sandbox.webhooks import BREAKS, Webhooks
from crossdock_woocommerce.sandbox.wire import Json, php_json

__all__ = ["People"]

CHURN = ("edit", "insert", "trash", "delete")
DAY = 86_400  # seconds


@attrs.define
class _Churn:
    kind: str
    count: int
    every: int
    times: int
    lists: int = 0


Act = TypeVar("Act", bound=Callable[..., Any])


def _guarded(act: Act) -> Act:
    """Let the server's thread wait while the act is done."""

    @functools.wraps(act)
    def guarded(self: People, *args: Any, **kwargs: Any) -> Any:
        with self.lock:
            return act(self, *args, **kwargs)

    return cast("Act", guarded)


class People:
    """The acts. Each gives plain JSON, so that it can be asked for over HTTP as well."""

    shop: Shop
    webhooks: Webhooks
    lock: threading.RLock
    _churn: _Churn | None = None

    def acts(self) -> dict[str, Callable[..., Any]]:
        """All acts by name; over HTTP a delivery is begun and not waited for, as it may call back."""
        names = (
            "seed",
            "edit_order",
            "touch",
            "trash",
            "delete",
            "insert_order",
            "checkout_draft",
            "place",
            "refund",
            "sell",
            "set_stock",
            "set_price",
            "break_webhooks",
            "advance",
            "daily_job",
            "churn",
        )
        return {name: getattr(self, name) for name in names} | {"deliver_webhooks": self._begin_delivery}

    def state(self) -> dict[str, Any]:
        """Everything, in REST shapes."""
        shop = self.shop
        with self.lock:
            raw = [row.raw for _, row in sorted(shop.orders.rows.items())]
            everything = {
                "products": [products.view(shop, p) for p in shop.products.values() if p["type"] != "variation"],
                "variations": [products.view(shop, p) for p in shop.products.values() if p["type"] == "variation"],
                "trackings": {str(key): rows for key, rows in shop.trackings.items()},
                "notes": {str(key): [note_view(key, row) for row in rows] for key, rows in shop.notes.items()},
                "refunds": [refunds.view(shop, key, parent=True) for key in sorted(shop.refunds)],
                "customers": list(shop.customers.values()),
                "webhooks": [
                    hook.view() | {"failures": hook.failures, "pinged": hook.pinged}
                    for hook in self.webhooks.hooks.values()
                ],
                "deliveries": list(self.webhooks.log),
            }
            encoded = b'{"orders":[' + b",".join(raw) + b"]," + php_json(everything)[1:]
            decoded: dict[str, Any] = msgspec.json.decode(shop.publish(encoded))
            return decoded

    # filling

    @_guarded
    def seed(
        self,
        orders: int = 20,
        products: int = 12,
        seed: int = 1,
        spread_seconds: float = DAY,
        same_second: bool = False,
        simple: bool = False,
    ) -> Json:
        """Fill the shop; the same seed gives the same shop.

        `orders` end now and go back `spread_seconds`, or all bear this second. `simple` makes thousands in seconds
        from a few patterns; otherwise each order is made by the shop's own rules, with coupons, fees, refunds, notes.
        Webhooks are told nothing.
        """
        now = self.shop.now()
        with self.shop.at(now - timedelta(seconds=spread_seconds + 3600)):
            if not self.shop.customers:
                seeding.people(self.shop)
            seeding.catalogue(self.shop, products, seed)
        moments = seeding.spread(now, orders, spread_seconds, same_second=same_second)
        fill = seeding.simple_orders if simple else seeding.varied_orders
        made: list[int] = []
        if orders:
            with self.shop.at(now - timedelta(seconds=spread_seconds + 3600)):
                made = fill(self.shop, moments, seed)
        return {"orders": len(made), "products": products, "first": made[0] if made else None}

    # orders

    @_guarded
    def edit_order(self, order_id: int, **fields: Any) -> Json:
        """Somebody edits an order in the back office; unchecked, like an item of a batch."""
        return orders.update(self.shop, order_id, fields)

    @_guarded
    def touch(self, ids: Sequence[int]) -> Json:
        """Bump ``date_modified`` of these orders."""
        for order_id in ids:
            orders.touch(self.shop, order_id)
        return {"touched": len(ids)}

    @_guarded
    def trash(self, order_id: int) -> Json:
        """Put an order into the bin."""
        return orders.delete(self.shop, order_id)

    @_guarded
    def delete(self, order_id: int) -> Json:
        """Remove an order for good; nobody is told."""
        return orders.delete(self.shop, order_id, force=True)

    @_guarded
    def insert_order(self, **fields: Any) -> Json:
        """A customer buys; without fields, something or other."""
        body = fields if "line_items" in fields else self._something() | fields
        return orders.create(self.shop, body, via="checkout")

    def _something(self) -> Json:
        number = len(self.shop.orders) + 1
        body = seeding.order_body(self.shop, random.Random(number), number)
        return body | {"status": "processing", "coupon_lines": []}

    @_guarded
    def checkout_draft(self) -> Json:
        """Somebody has got to the block checkout and no further."""
        body = self._something() | {"status": "checkout-draft"}
        return orders.create(self.shop, body, via="store-api")

    @_guarded
    def place(self, order_id: int, status: str = "processing") -> Json:
        """The draft becomes an order."""
        return orders.update(self.shop, order_id, {"status": status})

    @_guarded
    def refund(self, order_id: int, amount: str, reason: str = "") -> Json:
        """Somebody refunds an amount by hand."""
        return refunds.create(self.shop, order_id, {"amount": amount, "reason": reason, "api_refund": False})

    # stock

    @_guarded
    def sell(self, sku: str, qty: int = 1) -> Json:
        """A sale in the storefront; takes the goods off the stock."""
        product = products.find_sku(self.shop, sku)
        if product is None:
            raise ValueError(f"The shop has no product with the SKU {sku!r}.")
        body = self._something() | {"line_items": [{"product_id": product["id"], "quantity": qty}]}
        return orders.create(self.shop, body, via="store-api")

    @_guarded
    def set_stock(self, sku: str, qty: int) -> Json:
        """Somebody counts and types the figure in; an unmanaged product becomes a managed one."""
        return self._edit_product(sku, {"manage_stock": True, "stock_quantity": qty})

    @_guarded
    def set_price(self, sku: str, regular: str, sale: str = "") -> Json:
        """Somebody changes a price."""
        return self._edit_product(sku, {"regular_price": regular, "sale_price": sale})

    def _edit_product(self, sku: str, body: Json) -> Json:
        product = products.find_sku(self.shop, sku)
        if product is None:
            raise ValueError(f"The shop has no product with the SKU {sku!r}.")
        parent = product["parent_id"] if product["type"] == "variation" else 0
        return products.view(self.shop, products.update(self.shop, product["id"], body, parent))

    # time and trouble

    def deliver_webhooks(self) -> int:
        """Send what waits and return when it has been sent; gives the number of deliveries."""
        return self.webhooks.deliver()

    def _begin_delivery(self) -> Json:
        waiting = self.webhooks.waiting
        threading.Thread(target=self.webhooks.deliver, daemon=True).start()
        return {"waiting": waiting}

    @_guarded
    def break_webhooks(self, kind: str = "") -> Json:
        """Deliveries go wrong in one of the ways of `BREAKS`; "" mends them."""
        if kind not in BREAKS:
            raise ValueError(f"Webhooks can be broken in these ways: {', '.join(filter(None, BREAKS))}.")
        self.webhooks.broken_by(kind)
        return {"broken": kind}

    @_guarded
    def advance(self, seconds: float) -> Json:
        """Time passes; at midnight of the shop the daily job runs."""
        before = self.shop.now().astimezone(self.shop.zone).date()
        self.shop.advance(seconds)
        if self.shop.now().astimezone(self.shop.zone).date() != before:
            self.daily_job()
        return {"now": self.shop.now().isoformat()}

    @_guarded
    def daily_job(self) -> Json:
        """Switch scheduled sales, and delete checkout drafts untouched for a day (vendor page section 4)."""
        switched = 0
        for product in list(self.shop.products.values()):
            price = product["price"]
            products.refresh(self.shop, product)
            if product["price"] != price and product["type"] != "variable":
                products.touch(self.shop, product)
                switched += 1
        limit = self.shop.now().timestamp() - DAY
        stale = [r.id for r in self.shop.orders.rows.values() if r.status == "checkout-draft" and r.modified < limit]
        for order_id in stale:
            orders.delete(self.shop, order_id, force=True)
        return {"switched": switched, "deleted": len(stale)}

    @_guarded
    def churn(self, kind: str = "edit", count: int = 10, every: int = 1, times: int = 1) -> Json:
        """Arm a disturbance between two pages: after each `every`-th answer of ``GET /orders``, `times` times.

        ``edit`` touches the first `count` orders just shown, ``trash`` and ``delete`` take them away, ``insert``
        makes `count` new ones. `times` 0 never stops; `count` 0 disarms.
        """
        if kind not in CHURN:
            raise ValueError(f"Orders can be disturbed in these ways: {', '.join(CHURN)}.")
        self._churn = _Churn(kind, count, every, times) if count else None
        return {"armed": bool(count)}

    def after_list(self, shown: Sequence[int]) -> None:
        """Called after each list of orders: carry out an armed disturbance."""
        churn = self._churn
        if churn is None:
            return
        churn.lists += 1
        if churn.lists % churn.every:
            return
        if churn.times == 1:
            self._churn = None
        churn.times -= 1 if churn.times > 1 else 0
        self._disturb(churn.kind, [key for key in shown if key in self.shop.orders][: churn.count], churn.count)

    def _disturb(self, kind: str, chosen: list[int], count: int) -> None:
        if kind == "insert":
            for _ in range(count):
                self.insert_order()
            return
        for order_id in chosen:
            if kind == "edit":
                orders.touch(self.shop, order_id)
            elif kind == "delete":
                orders.delete(self.shop, order_id, force=True)
            elif self.shop.orders.rows[order_id].status != "trash":
                orders.delete(self.shop, order_id)
