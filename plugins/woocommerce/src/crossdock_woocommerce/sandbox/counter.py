"""The counter of the shop in a rehearsal: what other systems bring here, and what became of it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from crossdock import (
    Address,
    Balance,
    Charge,
    Order,
    OrderLine,
    Party,
    Payment,
    Price,
    Product,
    Shipment,
    evolve,
)
from crossdock.sandbox import Impossible, Rehearsal
from crossdock_woocommerce.sandbox import orders, products
from crossdock_woocommerce.sandbox.products import find_sku
from crossdock_woocommerce.sandbox.wire import Json

if TYPE_CHECKING:
    from crossdock_woocommerce.sandbox import WooSandbox

__all__ = ["Counter"]

R = TypeVar("R")

KEY = "_crossdock_key"
_GOODS = 36
_VAT = Decimal("0.19")
_CENT = Decimal("0.01")
_HOME = Address(name="Zoë Müller", street="Große Gasse 3", postcode="50667", city="Köln", country="DE")
_STATUSES = {"processing": "processing", "completed": "completed", "cancelled": "cancelled"}


class Counter(Rehearsal):
    """Orders, products, prices and stock from elsewhere, and parcels for orders of the shop."""

    def __init__(self, sandbox: WooSandbox) -> None:
        self.sandbox = sandbox
        self.shop = sandbox.shop
        self._numbers = itertools.count(1)
        self._goods: list[Json] = []

    def next(self) -> int:
        """A number that nothing else has."""
        return next(self._numbers)

    # -- the shop's own

    def article(self, number: int) -> Json:
        """The fields of an article."""
        return {
            "name": f"Größe {number}", "sku": f"ART-{number}", "weight": "0.5", "manage_stock": True,
            "stock_quantity": 1000 + number, "regular_price": f"{number}.{number % 90 + 10}",
        }  # fmt: skip

    def goods(self) -> list[Json]:
        """Articles that have been there for long, some of them variations."""
        if not self._goods:
            with self.shop.at(self.shop.now() - timedelta(days=30)):
                parent = products.add(self.shop, {"type": "variable", "name": "Hoodie", "sku": "HOODIE"})
                for number in range(1, _GOODS + 1):
                    fields = self.article(number) | {"sku": f"GOOD-{number}"}
                    child = number % 12 == 0
                    self._goods.append(products.add(self.shop, fields, parent_id=parent["id"] if child else 0))
                products.add(self.shop, self.article(1) | {"sku": "UNCOUNTED", "manage_stock": False})
        return self._goods

    def basket(self, product: Json, number: int) -> Json:
        """An order's body, with an amount that no other order has."""
        total = f"{number}.{number % 90 + 10}"
        child = product["type"] == "variation"
        line = {"quantity": number % 3 + 1, "subtotal": total, "total": total}
        line |= {"product_id": product["parent_id"], "variation_id": product["id"]} if child else {
            "product_id": product["id"]
        }  # fmt: skip
        billing = {"first_name": "Zoë", "last_name": "Müller", "country": "DE", "email": f"buyer{number}@shop.example"}
        return {"status": "processing", "billing": billing, "line_items": [line]}

    # -- what is written

    def make(self, stream: str, count: int) -> Sequence[Any]:
        """Records of elsewhere, of the articles in turn."""
        with self.sandbox.lock:
            return [self._made(stream) for _ in range(count)]

    def _made(self, stream: str) -> Any:
        number, goods = self.next(), self.goods()
        # A product of elsewhere is an article that is sold by itself: a variation's name is its parent's.
        goods = goods if stream != "products" else [each for each in goods if each["type"] == "simple"]
        sku = goods[number % len(goods)]["sku"]
        if stream == "balance":
            return Balance(sku=sku, available=Decimal(3000 + number))
        if stream == "prices":
            taxed, currency = self.shop.options.prices_include_tax, self.shop.options.currency
            return Price(sku=sku, amount=Decimal(f"{3000 + number}.19"), currency=currency, includes_tax=taxed)
        if stream == "products":
            return Product(key=sku, sku=sku, name=f"Another name {number}", description=f"<p>Text {number}</p>")
        return self._placed(number, sku)

    def _placed(self, number: int, sku: str) -> Order:
        net = Decimal(f"{number}.{number % 90 + 10}")
        freight = Decimal("4.12")
        tax, freight_tax = ((each * _VAT).quantize(_CENT, "ROUND_HALF_UP") for each in (net, freight))
        line = OrderLine(key="1", sku=sku, quantity=Decimal(1), unit_price=net, total=net, tax=tax)
        return Order(
            key=f"E{number}x", number=f"E-{number}", status="processing", currency=self.shop.options.currency,
            customer=Party(name="Zoë Müller", email=f"buyer{number}@shop.example"), billing=_HOME,
            shipping_address=_HOME, lines=(line,), total=net + tax + freight + freight_tax, total_tax=tax + freight_tax,
            charges=(Charge(key="s", kind="shipping", name="DHL Paket", total=freight, tax=freight_tax),),
        )  # fmt: skip

    def change(self, record: R) -> R:
        """The money of the order has come, and it is finished; of the others what most systems take."""
        if isinstance(record, Order):
            return evolve(record, status="completed", payment=Payment(reference=f"tx-{record.key}", paid=True))
        return super().change(record)

    def refused(self, stream: str) -> tuple[Any, str]:
        """An address that is none, a text where no text may be, and what the shop would silently keep otherwise."""
        record = self.make(stream, 1)[0]
        if stream == "balance":
            return evolve(record, sku="UNCOUNTED"), "not managed"
        if stream == "prices":
            return evolve(record, sku="HOODIE"), "variable product"
        if stream == "products":
            return evolve(record, key="GOOD,1", sku="GOOD,1"), "comma"
        return evolve(record, customer=Party(name="Zoë", email="zoe at shop")), "Invalid email address"

    def created(self, stream: str, key: str) -> Sequence[str]:
        """By the key in the meta data, the bin included."""
        if stream != "orders":
            raise Impossible("The connector writes no customers.")
        with self.sandbox.lock:
            return [str(each["id"]) for each in self.shop.orders.documents() if _meta(each, KEY) == key]

    def written(self, stream: str, key: str) -> dict[str, Any]:
        """What the database has."""
        with self.sandbox.lock:
            if stream == "orders":
                return self._stored(int(key))
            row = find_sku(self.shop, key.partition("|")[0])
            if row is None:
                return {}
            if stream == "balance":
                return {"available": Decimal(row["stock_quantity"])}
            if stream == "prices":
                return {"amount": Decimal(row["price"])}
            return {"name": row["name"], "description": row["description"]}

    def _stored(self, order_id: int) -> dict[str, Any]:
        if order_id not in self.shop.orders:
            return {}
        order = self.shop.orders.load(order_id)
        line = order["line_items"][0]
        return {
            "total": Decimal(order["total"]), "total_tax": Decimal(order["total_tax"]), "currency": order["currency"],
            "status": _STATUSES.get(order["status"], order["status"]), "payment.reference": order["transaction_id"],
            "lines.0.sku": line["sku"], "lines.0.total": Decimal(line["total"]),
            "charges.0.total": Decimal(order["shipping_total"]), "customer.email": order["billing"]["email"],
        }  # fmt: skip

    def double(self, key: str) -> None:
        """Somebody copies the order with a plugin."""
        with self.sandbox.lock:
            first = self.shop.orders.load(int(self.created("orders", key)[0]))
            number = self.shop.number("post")
            self.shop.orders.save(first | {"id": number, "number": str(number)})

    def cancelled(self, external_id: str) -> bool:
        """By its status."""
        return self.shop.orders.rows[int(external_id)].status == "cancelled"

    def finish(self, external_id: str) -> None:
        """Somebody completes it."""
        with self.sandbox.lock:
            orders.update(self.shop, int(external_id), {"status": "completed"})

    # -- parcels

    def shipment(self) -> tuple[Order, Shipment]:
        """Somebody has bought, and the goods have left."""
        with self.sandbox.lock:
            number, goods = self.next(), self.goods()
            placed = orders.create(self.shop, self.basket(goods[number % len(goods)], number), via="checkout")
        key, line = str(placed["id"]), placed["line_items"][0]
        bought = OrderLine(
            key=str(line["id"]), sku=line["sku"], quantity=Decimal(line["quantity"]), total=Decimal(line["total"])
        )
        order = Order(
            key=key, number=placed["number"], status="processing", raw_status="processing",
            currency=placed["currency"], lines=(bought,), total=Decimal(placed["total"]),
        )  # fmt: skip
        parcel = Shipment(
            key=f"P{number}", order_key=key, carrier="DHL", tracking_number=f"JD{number:010}DE",
            shipped_at=self.shop.now(), completes_order=True,
        )  # fmt: skip
        return order, parcel

    def reported(self, key: str) -> Sequence[str]:
        """The numbers in trackings, fulfillments and notes that the customer got."""
        with self.sandbox.lock:
            texts = [str(each.get("tracking_number") or _meta(each, "_tracking_number") or "")
                     for each in self.shop.trackings.get(int(key), [])]  # fmt: skip
            texts += [note["note"] for note in self.shop.notes.get(int(key), []) if note["customer_note"]]
        return [word for text in texts for word in re.findall(r"\w+", text)]


def _meta(document: Json, key: str) -> Any:
    return next((each["value"] for each in document.get("meta_data", ()) if each["key"] == key), None)
