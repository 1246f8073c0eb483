"""How the contract kit makes things happen in the shop: rows of its lists, odd ones, webhooks, the clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from crossdock import WebhookRequest
from crossdock_woocommerce.sandbox import orders, products
from crossdock_woocommerce.sandbox.counter import Counter
from crossdock_woocommerce.sandbox.products import find_sku
from crossdock_woocommerce.sandbox.wire import Json

__all__ = ["ShopRehearsal"]

# One row in so many is a variation, which lists of products show below its parent only.
_VARIATION_EVERY = 30
_TOPICS = {"orders": "order.updated"}


class ShopRehearsal(Counter):
    """Orders, and products with their prices and stock; what is written here is the `Counter`'s."""

    streams = ("orders", "products", "prices", "balance")
    rows = 210

    # -- rows

    def add(self, stream: str, moments: Sequence[datetime]) -> list[str]:
        """Customers buy, or somebody puts articles into the catalogue; no two cost the same."""
        with self.sandbox.lock:
            make = self._order if stream == "orders" else self._article
            return [self._key(stream, make(stream, moment)) for moment in moments]

    def _order(self, stream: str, moment: datetime) -> Json:
        goods = self.goods()
        number = self.next()
        with self.shop.at(moment):
            return orders.create(self.shop, self.basket(goods[number % len(goods)], number), via="checkout")

    def _article(self, stream: str, moment: datetime) -> Json:
        number = self.next()
        with self.shop.at(moment):
            if number % _VARIATION_EVERY:
                return products.add(self.shop, self.article(number))
            parent = products.add(self.shop, {"type": "variable", "name": f"Shirt {number}", "sku": f"ART-{number}-P"})
            child = products.add(self.shop, self.article(number), parent_id=parent["id"])
            return parent if stream == "products" else child

    def _key(self, stream: str, row: Json) -> str:
        if stream == "prices":
            return f"{row['sku']}|||{self.shop.options.currency}|1"
        return str(row["sku"] if stream == "balance" else row["id"])

    def edit(self, stream: str, key: str) -> None:
        """Somebody changes a note, a name, a price or a figure."""
        with self.sandbox.lock:
            number = self.next()
            if stream == "orders":
                orders.update(self.shop, int(key), {"customer_note": f"Please ring {number} times"})
                return
            row = self._row(stream, key)
            changes: Json = {"name": f"{row['name']} {number}", "regular_price": f"{number}.05"}
            body = changes if stream != "balance" else {"stock_quantity": number}
            products.update(self.shop, row["id"], body, row["parent_id"])

    def remove(self, stream: str, key: str) -> None:
        """Somebody deletes the row for good, of which nobody is told."""
        with self.sandbox.lock:
            if stream == "orders":
                orders.delete(self.shop, int(key), force=True)
                return
            row = self._row(stream, key)
            products.delete(self.shop, row["id"], row["parent_id"], force=True)

    def expected(self, stream: str) -> Mapping[str, Mapping[str, Any]]:
        """What the database says, in its own text."""
        with self.sandbox.lock:
            if stream == "orders":
                return {str(order["id"]): _order_truth(order) for order in self.shop.orders.documents()}
            return {self._key(stream, row): self._truth(stream, row) for row in self._listed(stream)}

    def _listed(self, stream: str) -> list[Json]:
        rows = list(self.shop.products.values())
        if stream == "products":
            return [row for row in rows if row["type"] != "variation"]
        sold = [row for row in rows if row["type"] != "variable" and row["price"]]
        return sold if stream == "prices" else [row for row in sold if row["manage_stock"]]

    def _truth(self, stream: str, row: Json) -> Mapping[str, Any]:
        if stream == "prices":
            currency, taxed = self.shop.options.currency, self.shop.options.prices_include_tax
            return {"amount": Decimal(row["price"]), "currency": currency, "includes_tax": taxed, "sku": row["sku"]}
        if stream == "balance":
            return {"available": Decimal(row["stock_quantity"]), "sku": row["sku"]}
        children = [self.shop.products[each]["sku"] for each in self.shop.children.get(row["id"], ())]
        truth = {"sku": row["sku"], "name": row["name"], "updated_at": _moment(row["date_modified_gmt"])}
        return truth | {f"variants.{index}.sku": sku for index, sku in enumerate(children)}

    def _row(self, stream: str, key: str) -> Json:
        row = self.shop.products.get(int(key)) if stream == "products" else find_sku(self.shop, key.partition("|")[0])
        if row is None:
            raise LookupError(f"The shop has no {key}.")
        return row

    # -- rows as nobody wants them

    def spoil(self, stream: str, key: str) -> str:
        """A plugin has filtered words into a field that holds a number."""
        field, word = {
            "orders": ("total", "on request"), "products": ("weight", "heavy"),
            "prices": ("price", "on request"), "balance": ("stock_quantity", "some"),
        }[stream]  # fmt: skip
        self._write(stream, key, {field: word})
        return field

    def new_word(self, stream: str, key: str) -> str:
        """A plugin has brought a status, a type of product, a tax class, a way to order what is sold out."""
        field = {"orders": "status", "products": "type", "prices": "tax_class", "balance": "backorders"}[stream]
        self._write(stream, key, {field: "quarantined"})
        return "quarantined"

    def _write(self, stream: str, key: str, fields: Json) -> None:
        """Into the database, past everything that checks."""
        with self.sandbox.lock:
            if stream == "orders":
                self.shop.orders.save(self.shop.orders.load(int(key)) | fields)
            else:
                self._row(stream, key).update(fields)

    def added_field(self) -> None:
        """An update of the shop, or a plugin."""
        self.sandbox.added = {"loyalty": {"points": 3, "tier": None}}

    # -- webhooks and secrets

    def set_secret(self, name: str, value: str) -> None:
        """Somebody makes a new key, or types another secret into the webhook."""
        if name == "consumer_secret":
            self.sandbox.change_secret(value)
        else:
            self.sandbox.webhook_secret = value

    def webhook(self, stream: str, key: str) -> WebhookRequest:
        """What the shop sends of an order or a product that was changed."""
        with self.sandbox.lock:
            topic = _TOPICS.get(stream, "product.updated")
            row = int(key) if stream == "orders" else int(self._row(stream, key)["id"])
            headers, body = self.sandbox.webhooks.delivery(topic, self.sandbox.webhook_secret, row)
        return _request(headers, body)

    def sign(self, body: bytes) -> WebhookRequest:
        """A delivery of an order, with this body."""
        return _request(*self.sandbox.webhooks.signed(_TOPICS["orders"], self.sandbox.webhook_secret, body))

    # -- time

    def now(self) -> datetime:
        """The shop's clock, in whole seconds."""
        return self.shop.now()

    def set_clock(self, now: datetime) -> None:
        """Somebody sets the shop's clock."""
        self.shop.set_clock(now)


def _order_truth(order: Json) -> Mapping[str, Any]:
    line = order["line_items"][0]
    return {
        "total": Decimal(order["total"]), "total_tax": Decimal(order["total_tax"]), "currency": order["currency"],
        "raw_status": order["status"], "placed_at": _moment(order["date_created_gmt"]), "lines.0.sku": line["sku"],
        "lines.0.total": Decimal(line["total"]), "lines.0.quantity": Decimal(line["quantity"]),
        "note": order["customer_note"],
    }  # fmt: skip


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _request(headers: Mapping[str, str], body: bytes) -> WebhookRequest:
    return WebhookRequest(
        method="POST", headers={name.lower(): value for name, value in headers.items()}, query={}, body=body
    )
