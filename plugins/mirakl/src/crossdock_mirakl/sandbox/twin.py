"""The Mirakl twin: its state, and what the operator, the buyers and the shop's own people do in it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from starlette.routing import BaseRoute

from crossdock.sandbox import Sandbox
from crossdock_mirakl.sandbox.api import Api
from crossdock_mirakl.sandbox.clock import Clock, exact_date
from crossdock_mirakl.sandbox.gate import Door, Meter
from crossdock_mirakl.sandbox.imports import FATES, ORDERS
from crossdock_mirakl.sandbox.offer import Offer, Price, Product
from crossdock_mirakl.sandbox.offers import Terms
from crossdock_mirakl.sandbox.order import Order, told
from crossdock_mirakl.sandbox.platform import Options
from crossdock_mirakl.sandbox.rehearsal import OperatorRehearsal
from crossdock_mirakl.sandbox.shop import Shop
from crossdock_mirakl.sandbox.wire import JsonObject

TITLES = ("Bouilloire 1,7 l noire", "Grille-pain 2 fentes rouge", "Lampe de bureau", "Mug vert", "Horloge murale")
COUNTRIES = ("FRA", "FRA", "ESP", "DEU", "BEL")


class MiraklSandbox(Sandbox):
    """A twin of one operator's instance with one shop, or two. See `create` for the options."""

    name = "mirakl"
    logs = ("imports",)  # the same values may come twice

    def __init__(
        self,
        *,
        options: Options,
        terms: Terms,
        api_key: str,
        shop_id: int,
        default_shop_id: int,
        read_only: bool,
        strict_limits: bool,
        limits: Mapping[str, int],
        skus: Iterable[str],
        orders: int,
        clock: Callable[[], datetime] | None,
        seed: int,
    ) -> None:
        super().__init__()
        self.clock = Clock(clock)
        names = {shop_id: "Exemple Commerce", default_shop_id: "Exemple Commerce"}
        if default_shop_id != shop_id:
            names[default_shop_id] = "Autre Boutique"
        self.shops = {key: Shop(key, name, self.clock, options, terms, seed=seed) for key, name in names.items()}
        self.shop = self.shops[shop_id]
        self.options = options
        self.products: list[Product] = []
        self.widened: JsonObject = {}
        """Fields that no page documents, in every object that is answered."""
        self.door = Door(api_key, self.shops, default_shop_id, read_only=read_only)
        self.meter = Meter(self.clock, limits, strict=strict_limits)
        self._random = random.Random(seed)
        for index, sku in enumerate(skus):
            self.add_offer(sku, f"{19 + index * 7}.90", 40 + index * 5)
        self.seed_orders(orders)

    def routes(self) -> Sequence[BaseRoute]:
        """The vendor's paths."""
        return Api(self).routes()

    def settings(self, base_url: str) -> dict[str, str]:
        """The settings of a working connection."""
        return {"base_url": base_url, "api_key": self.door.api_key, "shop_id": str(self.shop.shop_id)}

    def state(self) -> dict[str, Any]:
        """Orders, shipments, offers and imports of the connected shop, and counts of calls; money is text."""
        shop = self.shop
        return {
            "orders": [told(each) for each in shop.book.orders.values()],
            "shipments": shop.shipments.told(),
            "offers": {each.sku: _offer_told(each) for each in shop.offers.alive()},
            "stock": {each.sku: each.quantity for each in shop.offers.alive()},
            "prices": {each.sku: str(each.default_price.origin) for each in shop.offers.alive()},
            "deleted": [each.sku for each in shop.offers.known.values() if each.deleted],
            "imports": shop.imports.told(),
            "calls": dict(self.meter.calls),
        }

    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """Everything under ``POST /_sandbox/do/``; each is a method of this class too."""
        return {
            action.__name__: action
            for action in (
                self.place_order, self.seed_orders, self.release, self.accept, self.debit, self.cancel, self.receive,
                self.refund_line, self.touch, self.open_incident, self.add_offer, self.set_offer, self.set_price,
                self.set_import_fate, self.set_export_fate, self.fail_lines, self.report_order, self.finish_imports,
                self.set_shop_state, self.advance,
            )
        }  # fmt: skip

    def rehearsal(self) -> OperatorRehearsal:
        """How the contract kit makes things happen here."""
        return OperatorRehearsal(self)

    # Buyers and the operator

    def place_order(
        self,
        lines: Sequence[Mapping[str, Any]],
        country: str = "FRA",
        fulfilment: str = "DEFAULT",
        channel: str | None = None,
        accepted: bool = False,
        staging: bool = False,
        shipping: str | float = "4.90",
        company: str = "",
        pickup_point: str | None = None,
        customer_reference: str | None = None,
        fields: Sequence[JsonObject] = (),
    ) -> str:
        """A buyer orders; returns the order id.

        A line has sku, quantity and may have price (of one piece, in the tax mode of the platform; the offer's own
        unless given) and fee. `country` is alpha-3. A `fulfilment` other than DEFAULT is a third party's. With
        `accepted` the shop has accepted it already, with `staging` the operator still checks it. A `company` makes
        it a business order, a `pickup_point` sends it there; `fields` are order_additional_fields.
        """
        with self.lock:
            book = self.shop.book
            order = book.place(
                lines, country=country, fulfilment=fulfilment, channel=channel, shipping=shipping, staging=staging,
                company=company, pickup_point=pickup_point, customer_reference=customer_reference, fields=fields,
            )  # fmt: skip
            if accepted and order.state == "WAITING_ACCEPTANCE":
                book.accept_all(order)
            return order.order_id

    def seed_orders(self, count: int) -> list[str]:
        """`count` orders of one to three lines of the offers, a tenth of a second apart, some already accepted."""
        placed = []
        for _ in range(count):
            offers = self.shop.offers.alive()
            chosen = self._random.sample(offers, min(len(offers), self._random.randint(1, 3)))
            lines = [{"sku": each.sku, "quantity": self._random.randint(1, 2)} for each in chosen]
            country, accepted = self._random.choice(COUNTRIES), self._random.random() < 0.3
            placed.append(self.place_order(lines, country, accepted=accepted))
            self.clock.advance(0.1)
        return placed

    def release(self, order_id: str) -> str:
        """The operator has checked a staging order; returns its new state."""
        with self.lock:
            order = self._order(order_id)
            if order.state != "STAGING":
                raise ValueError(f"Order {order_id} is in state {order.state}, not in STAGING.")
            self.shop.book.release(order)
            return order.state

    def accept(self, order_id: str) -> str:
        """Somebody accepts every line in the back office; returns the new state."""
        with self.lock:
            order = self._order(order_id)
            if order.state != "WAITING_ACCEPTANCE":
                raise ValueError(f"Order {order_id} is in state {order.state}, not in WAITING_ACCEPTANCE.")
            self.shop.book.accept_all(order)
            return order.state

    def debit(self, order_id: str) -> str:
        """The buyer's money comes: the order goes to SHIPPING, with addresses."""
        with self.lock:
            order = self._order(order_id)
            self.shop.book.debit(order)
            return order.state

    def cancel(self, order_id: str) -> str:
        """The operator cancels the whole order, whatever its state."""
        with self.lock:
            order = self._order(order_id)
            order.move("CANCELED", self.clock.now())
            return order.state

    def receive(self, order_id: str) -> str:
        """The buyer has received it. Raises `ValueError` for an order that was not shipped."""
        with self.lock:
            order = self._order(order_id)
            if order.state not in ("SHIPPED", "TO_COLLECT"):
                raise ValueError(f"Order {order_id} is in state {order.state} and cannot be received.")
            order.move("RECEIVED", self.clock.now())
            for line in order.counting:
                line.received = self.clock.now()
            return order.state

    def refund_line(self, order_id: str, line_id: str, amount: str | float, reason: str = "15") -> str:
        """The operator gives `amount` of a line back; returns the refund's id."""
        with self.lock:
            order = self._order(order_id)
            line = order.line(line_id)
            if line is None:
                raise ValueError(f"Order {order_id} has no line {line_id}.")
            value = Decimal(str(amount))
            self.shop.adjustments.give_back(order, line, value, reason, "REFUNDED")
            return str(line.refunds[-1]["id"])

    def touch(self, order_id: str) -> str | None:
        """Something of no importance changes, and with it the date of change; returns that date."""
        with self.lock:
            order = self._order(order_id)
            order.updated = self.clock.now()
            return exact_date(order.updated)

    def open_incident(self, order_id: str) -> bool:
        """The buyer complains: ``has_incident`` is true from now on."""
        with self.lock:
            order = self._order(order_id)
            order.incident, order.updated = True, self.clock.now()
            return order.incident

    # The shop's people

    def add_offer(
        self,
        sku: str,
        price: str | float,
        quantity: int,
        ean: str | None = None,
        title: str | None = None,
        description: str | None = None,
    ) -> int:
        """Somebody puts an offer on sale, with a product of its own in the catalogue; returns the offer's id."""
        with self.lock:
            number = len(self.products)
            product = Product(
                f"MKP{41_827 + number:015d}", title or f"{TITLES[number % len(TITLES)]} {number + 1}",
                ean or _ean(370_000_000_000 + number),
            )  # fmt: skip
            self.products.append(product)
            offer = self.shop.offers.add(sku, product, Decimal(str(price)), quantity)
            offer.fields["description"] = description
            return offer.offer_id

    def set_offer(self, sku: str, quantity: int | None = None, **fields: Any) -> None:
        """Somebody edits an offer in the back office: its quantity, or fields such as description."""
        with self.lock:
            offer = self._offer(sku)
            unknown = fields.keys() - offer.fields.keys()
            if unknown:
                raise ValueError(f"An offer has no {', '.join(sorted(unknown))}.")
            offer.fields |= fields
            offer.quantity = offer.quantity if quantity is None else quantity
            self.shop.offers.touch(offer)

    def set_price(
        self, sku: str, price: str | float, channel: str | None = None, discount: str | float | None = None
    ) -> None:
        """Somebody sets the price of an offer, or that of one channel, and leaves the others."""
        with self.lock:
            offer = self._offer(sku)
            here = (channel,) if channel else ()
            others = tuple(each for each in offer.prices if each.channels != here)
            lower = None if discount is None else Decimal(str(discount))
            made = Price(Decimal(str(price)), discount=lower, channels=here)
            offer.prices = (*others, made) if channel else (made, *others)
            self.shop.offers.touch(offer)

    # Jobs and the clock

    def set_import_fate(self, fate: str, times: int = 1) -> None:
        """The next `times` imports end COMPLETE or FAILED, or are STUCK and run for ever."""
        if fate not in FATES:
            raise ValueError(f"A fate is one of {', '.join(FATES)}, not {fate}.")
        with self.lock:
            self.shop.imports.fates.extend([fate] * times)

    def set_export_fate(self, fate: str, times: int = 1) -> None:
        """The next `times` exports end COMPLETED, FAILED or CANCELLED."""
        if fate not in ("COMPLETED", "FAILED", "CANCELLED"):
            raise ValueError(f"A fate is one of COMPLETED, FAILED, CANCELLED, not {fate}.")
        with self.lock:
            self.shop.exports.fates.extend([fate] * times)

    def fail_lines(self, sku: str, reason: str | None = "The offer is being moderated") -> None:
        """From now on lines of imports with `sku` are in error for this `reason`; with None no longer."""
        with self.lock:
            self.shop.offers.bad_skus.pop(sku, None)
            if reason:
                self.shop.offers.bad_skus[sku] = reason

    def report_order(self, order: str) -> None:
        """Error reports list their lines ``sorted`` by number or ``shuffled``."""
        if order not in ORDERS:
            raise ValueError(f"An order is one of {', '.join(ORDERS)}, not {order}.")
        with self.lock:
            self.shop.imports.report_order = order

    def finish_imports(self) -> list[str]:
        """Let every import under way end now, except those that are stuck; returns their ids."""
        with self.lock:
            ended = [each for each in self.shop.imports.jobs.values() if each.pending and each.fate != "STUCK"]
            for job in ended:
                self.shop.imports.finish(job)
            return [each.import_id for each in ended]

    def set_shop_state(self, state: str) -> None:
        """The shop becomes OPEN, CLOSE, SUSPENDED or TERMINATED."""
        with self.lock:
            self.shop.state = state

    def advance(self, seconds: float) -> str | None:
        """Move the operator's clock ahead and return its new time."""
        with self.lock:
            return exact_date(self.clock.advance(seconds))

    def _order(self, order_id: str) -> Order:
        order = self.shop.book.orders.get(order_id)
        if order is None:
            raise ValueError(f"There is no order {order_id}.")
        return order

    def _offer(self, sku: str) -> Offer:
        offer = self.shop.offers.find(sku)
        if offer is None:
            raise ValueError(f"There is no offer with the SKU {sku}.")
        return offer


def _offer_told(offer: Offer) -> dict[str, Any]:
    return {
        "offer_id": offer.offer_id,
        "ean": offer.product.ean,
        "title": offer.product.title,
        "quantity": offer.quantity,
        "warehouses": dict(offer.warehouses),
        "description": offer.fields["description"],
        "leadtime_to_ship": offer.fields["leadtime_to_ship"],
        "prices": [
            {
                "price": str(each.origin),
                "discount": None if each.discount is None else str(each.discount),
                "channels": list(each.channels),
                "ranges": [[threshold, str(amount)] for threshold, amount in each.ranges],
            }
            for each in offer.prices
        ],
    }


def _ean(digits: int) -> str:
    """Twelve digits with their check digit."""
    text = f"{digits:012d}"
    odd, even = sum(map(int, text[::2])), sum(map(int, text[1::2]))
    return f"{text}{-(odd + 3 * even) % 10}"
