"""How the contract kit makes things happen at Extend Commerce: rows of its lists, odd ones, webhooks, the clock."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from crossdock import WebhookRequest
from crossdock.sandbox import Impossible
from crossdock_extendcommerce.sandbox.counter import Counter, order_values
from crossdock_extendcommerce.sandbox.fields import JsonObject
from crossdock_extendcommerce.sandbox.order import Order
from crossdock_extendcommerce.sandbox.webhooks import Delivery, Hook, signature

__all__ = ["ExtendRehearsal"]

# One product in so many is cheaper from ten pieces on, so that its price has two rows.
_TIERS_EVERY = 10
_TRIGGERS = {
    "orders": "OrderDeliveryDataChanged", "shipments": "OrderPicked", "products": "ProductChanged",
    "balance": "AvailableBalanceChanged", "customers": "CustomerChanged",
}  # fmt: skip


class ExtendRehearsal(Counter):
    """All six streams; what is written here is the `Counter`'s."""

    streams = ("orders", "shipments", "products", "prices", "balance", "customers")
    rows = 105

    # -- rows

    def add(self, stream: str, moments: Sequence[datetime]) -> list[str]:
        """Orders come in or leave the house, products and customers are registered."""
        with self.twin.lock:
            return [self._add(stream, moment) for moment in moments]

    def _add(self, stream: str, moment: datetime) -> str:
        number, twin = self.next(), self.twin
        with twin.clock.at(moment):
            if stream == "customers":
                name = f"C-{number:05d}"
                twin.customers.seed(name, f"Kund {number}", "SE", "Unknown", "0")
                return name
            if stream in ("orders", "shipments"):
                order = twin.book.create(self.body(number))
                if stream == "orders":
                    return str(order.number)
                twin.warehouse.pick(str(order.number), None, None, None, "PostNord")
                return _shipment_keys(order)[0]
            sku = f"ART-{number:05d}"
            seed: JsonObject = {
                "productNumber": sku, "name": f"Artikel {number}", "price": f"{number}.{number % 90 + 10}",
                "gtin": f"73{number:011d}", "stock": {twin.stock.default_warehouse: 1000 + number},
            }  # fmt: skip
            if number % _TIERS_EVERY == 0:
                seed["tiers"] = [{"fromQuantity": 10, "price": f"{number - 1}.05"}]
            twin.seed_products([seed])
        return self._key(stream, sku)

    def _key(self, stream: str, sku: str) -> str:
        if stream == "prices":
            return f"{sku}|||{self.twin.catalogue.products[sku].currency}|1"
        return f"{sku}@{self.twin.stock.default_warehouse}" if stream == "balance" else sku

    def edit(self, stream: str, key: str) -> None:
        """Somebody changes a note, adds a parcel, or changes a name, a price or a figure."""
        with self.twin.lock:
            number, name = self.next(), _number(stream, key)
            if stream == "orders":
                self.twin.book.update(name, {"orderHeader": {"notations": {"notes": f"Ring {number} times"}}})
            elif stream == "shipments":
                order = self.twin.book.get(name)
                order.shipments[0]["packages"].append(f"EXTRA{number:010d}SE")
                self.twin.book.stamp(order)
            elif stream == "customers":
                self.twin.customers.update(name, {"name": f"Kund med nummer {number}"})
            elif stream == "balance":
                self.twin.set_stock(name, 5000 + number)
            else:
                self.twin.edit_product(name, name=f"Artikel, ny {number}", price=f"{number}.05")

    def remove(self, stream: str, key: str) -> None:
        """Extend cleans up; what DELETE leaves is not known (vendor page section 12), so nothing is left."""
        name = _number(stream, key)
        with self.twin.lock:
            if stream in ("orders", "shipments"):
                self.twin.book.drop(name)
            elif stream == "customers":
                del self.twin.customers.known[name]
            else:
                del self.twin.catalogue.products[name]
                self.twin.stock.drop(name)

    def expected(self, stream: str) -> Mapping[str, Mapping[str, Any]]:
        """What the twin has, from its own state."""
        with self.twin.lock:
            orders = self.twin.book.orders
            if stream == "orders":
                return {key: order_values(order) for key, order in orders.items()}
            if stream == "shipments":
                return dict(pair for order in orders.values() for pair in _shipped(order))
            if stream == "customers":
                known = self.twin.customers.known.items()
                return {key: {"name": each.model["name"], "number": key} for key, each in known}
            if stream == "balance":
                place = self.twin.stock.default_warehouse
                rows = self.twin.stock.rows(warehouse=place)
                return {f"{row.product}@{place}": {"available": Decimal(row.available)} for row in rows}
            if stream == "prices":
                return dict(self._prices())
            return {
                each.number: {"name": each.name, "gtin": each.gtins[0]}
                for each in self.twin.catalogue.products.values() if each.listed
            }  # fmt: skip

    def _prices(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for each in self.twin.catalogue.products.values():
            if each.listed:
                first = self._key("prices", each.number)
                yield first, {"amount": each.price, "currency": each.currency, "tax_rate": each.vat_percent}
                for tier in each.tiers:
                    yield f"{first}0", {"amount": tier.price, "from_quantity": Decimal(tier.quantity)}

    # -- rows as nobody wants them

    def spoil(self, stream: str, key: str) -> str:
        """A word stands where a number or a date belongs."""
        name = _number(stream, key)
        with self.twin.lock:
            if stream == "orders":
                self.twin.book.get(name).rows[0]["salesData"]["vatPercent"] = "high"
                return "orderRows[0].salesData.vatPercent"
            if stream == "shipments":
                self.twin.book.get(name).shipments[0]["pickDate"] = "yesterday"
                return "orderHeader.shipments.pickDate"
            if stream == "customers":
                self.twin.customers.known[name].model["vatNumber"] = ["none"]
                return "vatNumber"
            if stream == "products":
                self.twin.catalogue.products[name].weight = "heavy"
                return "productData.productMeasurements.weight"
            field = "price" if stream == "prices" else "availableBalanceNow"
            self.twin.bent[name] = {field: "on request"}
            return field

    def new_word(self, stream: str, key: str) -> str:
        """Extend invents a status, a forwarder, a supply mode, a unit, a kind of customer."""
        name, word = _number(stream, key), "Quarantined"
        with self.twin.lock:
            if stream == "orders":
                self.twin.set_status(name, word)
            elif stream == "shipments":
                self.twin.book.get(name).shipments[0]["forwarder"] = word
            elif stream == "customers":
                self.twin.customers.update(name, {"customerClassification": {"customerType": word}})
            elif stream == "products":
                self.twin.catalogue.products[name].supply_mode = word
            elif stream == "prices":
                self.twin.catalogue.products[name].unit = word
            else:
                raise Impossible("A row of stock has numbers, times and codes, and no word of a list (section 7.2).")
        return word

    def added_field(self) -> None:
        """A new version of Extend Commerce."""
        self.twin.widened = {"sustainability": {"grade": "A", "score": 7.5}}

    # -- secrets and webhooks

    def set_secret(self, name: str, value: str) -> None:
        """Extend gives the API user another password; somebody types another secret into the webhook."""
        if name == "password":
            self.twin.login.password = value
        else:
            self.twin.webhook_secret = value

    def webhook(self, stream: str, key: str) -> WebhookRequest:
        """What is sent when an order, a product, its stock or a customer changes."""
        if stream not in _TRIGGERS:
            raise Impossible("Extend Commerce has no trigger for prices (section 8).")
        name = _number(stream, key)
        details: JsonObject = {"orders": {"OrderNumber": name}, "customers": {"CustomerNumber": name}}.get(
            "orders" if stream == "shipments" else stream, {"ProductNumber": name}
        )
        if stream == "balance":
            place = self.twin.stock.default_warehouse
            available = self.twin.stock.balance(name, place).available
            details |= {"Warehouse": place, "AvailableBalance": available}
        notifications = [{"Action": _TRIGGERS[stream], "Details": details}]
        hook = Hook("", self.twin.webhook_secret)
        sent = Delivery(hook, uuid.uuid4().hex, str(uuid.uuid4()), notifications, self.twin.clock.now())
        return self.sign(sent.body())

    def sign(self, body: bytes) -> WebhookRequest:
        """This body, with its signature."""
        signed = signature(body, self.twin.webhook_secret)
        headers = {"content-type": "application/json; charset=utf-8", "ms-signature": signed}
        return WebhookRequest(method="POST", headers=headers, query={}, body=body)

    # -- time

    def now(self) -> datetime:
        """Extend's clock."""
        return self.twin.clock.now()

    def set_clock(self, now: datetime) -> None:
        """Somebody sets Extend's clock."""
        self.twin.clock.set(now)


def _number(stream: str, key: str) -> str:
    """The vendor's number in a record's key."""
    return key.partition({"shipments": "/", "prices": "|", "balance": "@"}.get(stream, "\n"))[0]


def _shipment_keys(order: Order) -> list[str]:
    return [f"{order.number}/{each['shipmentNumber']}" for each in order.shipments]


def _shipped(order: Order) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key, shipment in zip(_shipment_keys(order), order.shipments, strict=True):
        row = next(each for each in order.rows if each["shipmentNumber"] == shipment["shipmentNumber"])
        yield key, {
            "order_key": order.number, "tracking_number": shipment["packages"][0], "carrier": shipment["forwarder"],
            "lines.0.sku": row["product"]["productNumber"],
            "lines.0.quantity": Decimal(str(row["deliveryData"]["quantity"])),
        }  # fmt: skip
