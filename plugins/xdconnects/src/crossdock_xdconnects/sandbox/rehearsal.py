"""How the contract kit makes things happen at the supplier: feeds, orders that were sent, webhooks, the clock."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from crossdock import Address, Order, OrderLine, WebhookRequest, evolve
from crossdock.sandbox import Impossible, Rehearsal
from crossdock_xdconnects.sandbox.catalogue import Item, cents
from crossdock_xdconnects.sandbox.orders import Order as Taken

if TYPE_CHECKING:
    from crossdock_xdconnects.sandbox.twin import XdSandbox

__all__ = ["SupplierRehearsal"]

R = TypeVar("R")

_TIERS = (1, 25, 50, 100, 250, 500)
_GOODS = tuple(f"G990.{number:03d}" for number in range(1, 13))
_BLOCKED = "G990.099"
_REASON = "The item is held back for a recall"
_HOME = Address(
    name="Mette Demo", company="Demo Kunde ApS", street="Havnegade 1", postcode="8000", city="Aarhus C", country="DK",
    phone="+4500000001", email="mette@kunde.example",
)  # fmt: skip
_STEPS = ("Confirmed", "In production", "On hold", "Printing")


class SupplierRehearsal(Rehearsal):
    """The feeds, and the orders that were sent from here, which are all the orders that XD tells of."""

    streams = ("orders", "shipments", "products", "prices", "balance")
    whole = ("products", "prices", "balance")
    own = ("orders", "shipments")
    rows = 300  # every other one with six prices, which together are more than a page

    def __init__(self, twin: XdSandbox) -> None:
        self.twin = twin
        self._numbers = itertools.count(1)
        for index, code in enumerate((*_GOODS, _BLOCKED), 1):
            self._item(code, _TIERS, Decimal(f"{index}.{index + 10}"), 1_000_000)

    # -- rows of feeds

    def add(self, stream: str, moments: Sequence[datetime]) -> Sequence[str]:
        """The supplier takes articles into his range, each a model of its own; no two cost the same."""
        with self.twin.lock:
            return [self._key(stream, self._article(moment)) for moment in moments]

    def _article(self, moment: datetime) -> Item:
        number = next(self._numbers)
        tiers = _TIERS if number % 2 == 0 else _TIERS[:1]
        item = self._item(f"A{number:05d}.001", tiers, Decimal(f"{number}.{number % 90 + 10}"), 1000 + number)
        item.modified = item.price_modified = moment
        return item

    def _item(self, code: str, tiers: tuple[int, ...], price: Decimal, stock: int) -> Item:
        net = [cents(price - Decimal("0.01") * index) for index in range(len(tiers))]
        item = Item(
            code=code, model=code.partition(".")[0] if code not in (*_GOODS, _BLOCKED) else code.replace(".", "M"),
            name=f"Article {code}, red", tiers=tiers, net=net, gross=[each * 2 for each in net], stock=stock,
            ean="8710000000019", color="red", description=f"Article {code}.",
        )  # fmt: skip
        self.twin.feeds.publish()
        self.twin.catalogue.items[code.casefold()] = item
        return item

    def _key(self, stream: str, item: Item) -> str:
        if stream == "products":
            return item.model
        return f"{item.code}|||{self.twin.catalogue.currency}|{item.tiers[0]}" if stream == "prices" else item.code

    def edit(self, stream: str, key: str) -> None:
        """The supplier's people go on with an order, or change an article."""
        with self.twin.lock:
            number = next(self._numbers)
            if stream == "orders":
                self.twin.life.step(key, _STEPS[number % len(_STEPS)], f"Note {number}")
                return
            if stream == "shipments":
                raise Impossible("A shipment of XD does not change: what leaves later is another one.")
            item = self._found(stream, key)
            if stream == "balance":
                item.stock = 2000 + number
            else:
                item.net[0] = cents(Decimal(f"{5000 + number}.10"))
                item.name, item.modified = f"Article {number}, red", self.now()

    def remove(self, stream: str, key: str) -> None:
        """The article leaves the range."""
        if stream in self.own:
            raise Impossible("XD deletes no order; it is cancelled, and stays known.")
        with self.twin.lock:
            del self.twin.catalogue.items[self._found(stream, key).code.casefold()]

    def expected(self, stream: str) -> Mapping[str, Mapping[str, Any]]:
        """What the feeds were written from, and the orders that were sent here."""
        with self.twin.lock:
            items = list(self.twin.catalogue.items.values())
            if stream == "orders":
                return {each.number: _order_truth(each) for each in self.twin.book.orders.values()}
            if stream == "shipments":
                return {
                    f"{order.number}/{each['trackingNumber']}": {
                        "order_key": order.number, "tracking_number": each["trackingNumber"],
                        "carrier": each["carrier"], "lines.0.quantity": Decimal(order.lines[0].shipped),
                    }
                    for order in self.twin.book.orders.values() for each in order.shipments
                }  # fmt: skip
            if stream == "prices":
                return dict(truth for item in items for truth in self._prices(item))
            if stream == "balance":
                return {each.code: {"sku": each.code, "available": Decimal(each.stock)} for each in items}
            return {each.model: {"brand": each.brand, "customs_code": each.commodity} for each in items}

    def _prices(self, item: Item) -> list[tuple[str, Mapping[str, Any]]]:
        currency = self.twin.catalogue.currency
        return [
            (
                f"{item.code}|||{currency}|{start}",
                {"sku": item.code, "amount": net, "list_price": gross, "from_quantity": Decimal(start)},
            )
            for start, net, gross in zip(item.tiers, item.net, item.gross, strict=True)
        ]  # fmt: skip

    def _found(self, stream: str, key: str) -> Item:
        code = key.partition("|")[0]
        return next(
            each
            for each in self.twin.catalogue.items.values()
            if code == (each.model if stream == "products" else each.code)
        )

    # -- rows as nobody wants them

    def spoil(self, stream: str, key: str) -> str:
        """A word where a number belongs."""
        if stream in self.own:
            raise Impossible("Of orders the connector keeps what it sent and understood; there are no rows of XD's.")
        field = {"products": "ItemWeightNetGr", "prices": "ItemPriceNet_Qty1", "balance": "CurrentStock"}[stream]
        with self.twin.lock:
            self.twin.feeds.bent[self._found(stream, key).code] = {field: "on request"}
        return field

    def new_word(self, stream: str, key: str) -> str:
        """The supplier has a new word for the state of an order, another carrier, a new stage of an article's life."""
        if stream in ("prices", "balance"):
            raise Impossible("The feeds of prices and stock have no words from a list.")
        with self.twin.lock:
            if stream == "orders":
                self.twin.life.say(key, "Quarantined")
            elif stream == "shipments":
                self.twin.book.orders[key.partition("/")[0]].shipments[0]["carrier"] = "Quarantined"
            else:
                self._found(stream, key).life_cycle = "Quarantined"
        return "Quarantined"

    def added_field(self) -> None:
        """The next version of the feeds, and of the ordering API."""
        self.twin.feeds.added = {"AColumnOfNextYear": "3"}
        self.twin.widened = {"fieldOfNextYear": {"points": 3, "tier": None}}

    # -- orders

    def sent(self, stream: str, external_id: str) -> str:
        """XD's number of the order; a shipment of it leaves at once."""
        if stream == "orders":
            return external_id
        number = next(self._numbers)
        parcel = {"carrier": "DemoPost", "trackingNumber": f"DP{number:08d}", "trackingUrl": ""}
        self.twin.ship(external_id, [parcel])
        return f"{external_id}/{parcel['trackingNumber']}"

    def make(self, stream: str, count: int) -> Sequence[Any]:
        """Orders of blank goods at XD's own prices."""
        with self.twin.lock:
            return [self._ordered() for _ in range(count)]

    def _ordered(self) -> Order:
        number = next(self._numbers)
        item = self.twin.catalogue.get(_GOODS[number % len(_GOODS)])
        quantity = Decimal(number % 20 + 1)
        line = OrderLine(
            key=f"li-{number}", sku=item.code, name=item.name, quantity=quantity, unit_price=item.net[0],
            total=item.net[0] * quantity,
        )  # fmt: skip
        return Order(
            key=f"E{number}x", number=f"WC-{number}", status="processing", currency=self.twin.catalogue.currency,
            shipping_address=_HOME, lines=(line,), total=line.total, placed_at=self.now(),
        )  # fmt: skip

    def change(self, record: R) -> R:
        """Nothing of it changes through the API."""
        raise Impossible(
            "An order at XD takes effect at once, and the API changes none: the connector answers with a mail to the "
            "back office (docs/vendors/xdconnects.md, section 1, point 5)."
        )

    def refused(self, stream: str) -> tuple[Any, str]:
        """XD does not sell an article just now, of which the feeds say nothing."""
        with self.twin.lock:
            order = self._ordered()
            self.twin.catalogue.blocked[_BLOCKED] = _REASON
            line = evolve(order.lines[0], sku=_BLOCKED, unit_price=self.twin.catalogue.get(_BLOCKED).net[0])
            return evolve(order, lines=(line,)), _REASON

    def created(self, stream: str, key: str) -> Sequence[str]:
        """By our reference."""
        with self.twin.lock:
            return [number for number, each in self.twin.book.orders.items() if each.reference == key]

    def written(self, stream: str, key: str) -> Mapping[str, Any]:
        """The order as it came."""
        body = self.twin.book.orders[key].body
        line, there = body["lines"][0], body["shippingAddress"]
        return {
            "lines.0.sku": line["itemCode"], "lines.0.quantity": Decimal(line["quantity"]),
            "lines.0.unit_price": Decimal(line["expectedUnitPriceNet"]), "currency": body["currency"],
            "shipping_address.street": there["street"], "shipping_address.postcode": there["postalCode"],
            "shipping_address.country": there["countryCode"],
        }  # fmt: skip

    def double(self, key: str) -> None:
        """A reference is taken once."""
        raise Impossible("XD takes a reference once, and refuses it the second time (409).")

    def cancelled(self, external_id: str) -> bool:
        """By its status."""
        return self.twin.book.orders[external_id].status == "Cancelled"

    def finish(self, external_id: str) -> None:
        """Everything leaves."""
        self.twin.ship(external_id)

    # -- secrets and webhooks

    def set_secret(self, name: str, value: str) -> None:
        """The supplier sends new credentials."""
        if name == "webhook_hmac_secret":
            self.twin.postman.signing_secret = value
        elif name in ("api_token", "security_code"):
            self.twin.change_credentials(**{name: value})
        else:
            raise Impossible("XD makes the links of feeds, and they have no such characters.")

    def webhook(self, stream: str, key: str) -> WebhookRequest:
        """What XD posts of an order."""
        with self.twin.lock:
            told = self.twin.book.orders[key.partition("/")[0]].told()
        return self.sign(msgspec.json.encode(msgspec.to_builtins(told)))

    def sign(self, body: bytes) -> WebhookRequest:
        """Signed, if that was agreed."""
        headers = {"content-type": "application/json"}
        headers |= {name.lower(): value for name, value in self.twin.postman.signature(body).items()}
        return WebhookRequest(method="POST", headers=headers, query={}, body=body)

    # -- time

    def now(self) -> datetime:
        """The supplier's clock, in whole seconds."""
        return self.twin.clock.now()

    def set_clock(self, now: datetime) -> None:
        """Somebody sets it."""
        self.twin.clock.set(now)


def _order_truth(order: Taken) -> Mapping[str, Any]:
    line = order.body["lines"][0]
    quantity, price = Decimal(line["quantity"]), Decimal(line["expectedUnitPriceNet"])
    return {
        "number": order.number, "references.external": order.reference, "currency": order.body["currency"],
        "total": quantity * price, "lines.0.sku": line["itemCode"], "lines.0.quantity": quantity,
        "lines.0.unit_price": price,
    }  # fmt: skip
