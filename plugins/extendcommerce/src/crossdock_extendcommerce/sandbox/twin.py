"""The Extend Commerce twin: its options, its state, and what the vendor's own people do in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from starlette.routing import BaseRoute, Route

from crossdock.sandbox import Sandbox
from crossdock_extendcommerce.sandbox.api import Api
from crossdock_extendcommerce.sandbox.catalogue import Catalogue, Product
from crossdock_extendcommerce.sandbox.clock import Clock, wire_date
from crossdock_extendcommerce.sandbox.customers import Customers
from crossdock_extendcommerce.sandbox.fields import STOCKED, JsonObject
from crossdock_extendcommerce.sandbox.gate import GENEROUS, HEADER_NAMES, Cookies, Login, Meter
from crossdock_extendcommerce.sandbox.order import Order, render
from crossdock_extendcommerce.sandbox.orders import OrderBook
from crossdock_extendcommerce.sandbox.purchases import Inbounds
from crossdock_extendcommerce.sandbox.refusal import DEADLOCK, SQL_TIMEOUT, Refusal, not_found
from crossdock_extendcommerce.sandbox.rehearsal import ExtendRehearsal
from crossdock_extendcommerce.sandbox.stock import Stock
from crossdock_extendcommerce.sandbox.warehouse import Warehouse
from crossdock_extendcommerce.sandbox.webhooks import Postman

WAREHOUSES: Mapping[str, str] = {"HUVUD": "Huvudlager", "RETUR": "Returlager"}

# Articles an order row may name that are no goods. They are found by number but not listed among the products.
SERVICE_ARTICLES: Mapping[str, tuple[str, str]] = {
    "FRAKT-01": ("Frakt", "Freight"),
    "FR01": ("Frakt", "Freight"),
    "RABATT-01": ("Rabatt", "Discount"),
    "AVRUND-01": ("Öresavrundning", "Round"),
    "TJANST-01": ("Tjänst", "Service"),
}


class ExtendSandbox(Sandbox):
    """A twin of one client at Extend Commerce. Options are those of `create`."""

    name = "extendcommerce"

    def __init__(
        self,
        *,
        client: str,
        username: str,
        password: str,
        auth_header: str,
        read_only: bool,
        warehouses: Mapping[str, str] | Iterable[str],
        customers: Iterable[str],
        rate_limits: Mapping[str, int],
        enforce_limits: bool,
        generous: bool,
        retry_after: bool,
        prefix: str,
        clock: Callable[[], datetime] | None,
        deadlock_every: int,
        cookie_limit: int,
        page_size: int,
        past_end: str,
        added_fields: bool,
        partial_delivery: bool,
        webhook_secret: str,
        automatic_webhooks: bool,
    ) -> None:
        super().__init__()
        names = HEADER_NAMES if auth_header == "both" else (auth_header,)
        if not set(names) <= set(HEADER_NAMES):
            raise ValueError(f"auth_header is one of {', '.join(HEADER_NAMES)} and both, not {auth_header}.")
        places = warehouses if isinstance(warehouses, Mapping) else {each: each for each in warehouses}
        self.prefix = prefix
        self.added_fields = added_fields
        self.webhook_secret = webhook_secret
        self.bent: dict[str, JsonObject] = {}
        """By product number: fields that its rows of prices and availability show instead of what they have."""
        self.widened: JsonObject = {}
        """More fields that no page documents, in every object that is answered."""
        self.clock = Clock(clock)
        self.postman = Postman(self.clock, automatic=automatic_webhooks)
        self.login = Login(client, username, password, names, read_only=read_only)
        self.cookies = Cookies(cookie_limit)
        limits = GENEROUS if generous else rate_limits
        self.meter = Meter(self.clock, limits, enforce=enforce_limits, retry_after=retry_after)
        self.stock = Stock(self.clock, places, self._emit)
        self.catalogue = Catalogue(self.clock, self.stock)
        self.customers = Customers(self.clock, self._emit)
        self.book = OrderBook(
            self.clock, self.stock, self.catalogue, self.customers, self._emit, partial_delivery=partial_delivery
        )
        self.warehouse = Warehouse(self.clock, self.stock, self.catalogue, self.book, self._emit)
        self.inbounds = Inbounds(self.clock, self.stock, self.catalogue, self.book, self._emit)
        self.api = Api(self, page_size=page_size, deadlock_every=deadlock_every, past_end=past_end)
        for number, (name, mode) in SERVICE_ARTICLES.items():
            self.catalogue.add({"productNumber": number, "name": name, "supplyMode": mode}, listed=False)
        for number in customers:
            self.seed_customer(number)

    def routes(self) -> Sequence[BaseRoute]:
        """Every path of the vendor's API goes through one gate."""
        methods = ["GET", "POST", "PUT", "DELETE"]
        return [Route(f"{self.prefix}/v1_0/{{rest:path}}", self.api.handle, methods=methods)]

    def settings(self, base_url: str) -> dict[str, str]:
        """The settings of a working connection."""
        return {
            "api_url": base_url + self.prefix,
            "client": self.login.client,
            "username": self.login.username,
            "password": self.login.password,
            "webhook_secret": self.webhook_secret,
            "calls_per_minute": str(self.meter.standard),
            "customer_number": next(iter(self.customers.known), ""),
            "price_customer_number": next(iter(self.customers.known), ""),
            "warehouses": self.stock.default_warehouse,
            "payment_type": "AdvancePayment",
            "freight_product": "FRAKT-01",
            "fee_product": "TJANST-01",
            "discount_product": "RABATT-01",
            "rounding_product": "AVRUND-01",
        }

    def rehearsal(self) -> ExtendRehearsal:
        """How the contract kit makes things happen here."""
        return ExtendRehearsal(self)

    def state(self) -> dict[str, Any]:
        """Orders (CustomerOrder objects with their numbers and status beside), products, availability, …"""
        return {
            "orders": [self._order(each) for each in self.book.orders.values()],
            "products": [
                self.catalogue.detail(each.number) for each in self.catalogue.products.values() if each.listed
            ],
            "availability": [self.stock.availability(each) for each in self.stock.rows()],
            "customers": [self.customers.render(each) for each in self.customers.known.values()],
            "purchaseOrders": [each.model for each in self.inbounds.purchases.values()],
            "returnOrders": [each.model for each in self.inbounds.returns.values()],
            "webhooks": [
                {
                    "url": hook.url,
                    "events": list(hook.events),
                    "warehouse": hook.warehouse,
                    "active": hook.active,
                    "deliveries": [each for each in self.postman.sent if each["url"] == hook.url],
                }
                for hook in self.postman.hooks
            ],
        }

    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """Everything under ``POST /_sandbox/do/``; each is a method of this class too."""
        return {
            action.__name__: action
            for action in (
                self.seed_products,
                self.seed,
                self.seed_customer,
                self.new_product,
                self.edit_product,
                self.set_stock,
                self.reserve,
                self.pick,
                self.pick_all,
                self.terminate,
                self.annul,
                self.set_status,
                self.receive,
                self.receive_return,
                self.cancel_purchase,
                self.add_webhook,
                self.emit,
                self.deliver_webhooks,
                self.repeat_webhooks,
                self.lose_details,
                self.deadlock,
                self.sql_timeout,
                self.advance,
            )
        }

    # Products, stock and customers

    def seed_products(self, products: Iterable[Mapping[str, Any]]) -> list[str]:
        """Products that have been there before, without hooks; returns their numbers.

        Each has productNumber and may have name, price (excluding VAT), currency, vatPercent, gtin (text or list),
        stock ({warehouse: quantity}), unit, cost, supplyMode, description, tiers ([{fromQuantity, price}]),
        weight, imageUrl, manufacturer, manufacturerProductNumber, supplierAgreementNumber, enabled.
        """
        with self.lock:
            return [self._add_product(each, brand_new=False).number for each in products]

    def seed(self, count: int) -> list[str]:
        """`count` products SKU-00001 … with names, prices, GTINs and stock in the first warehouse."""
        place = self.stock.default_warehouse
        return self.seed_products(
            {
                "productNumber": f"SKU-{index:05d}",
                "name": f"Produkt {index}",
                "price": f"{10 + index % 90}.{index % 10}0",
                "gtin": _gtin(7_300_000_000_00 + index),
                "stock": {place: 10 + index % 40},
            }
            for index in range(1, count + 1)
        )

    def seed_customer(
        self,
        number: str,
        name: str | None = None,
        country: str = "SE",
        partial_delivery: str = "Unknown",
        discount: str = "0",
    ) -> JsonObject:
        """A customer that has been there before; `discount` is in per cent and lowers every price."""
        with self.lock:
            return self.customers.render(self.customers.seed(number, name, country, partial_delivery, discount))

    def new_product(self, **product: Any) -> JsonObject:
        """A product created just now: ProductCreated is raised, and the change filter does not know it yet."""
        with self.lock:
            number = self._add_product(product, brand_new=True).number
            self._emit("ProductCreated", [{"ProductNumber": number}])
            return self.catalogue.detail(number)

    def edit_product(
        self,
        number: str,
        name: str | None = None,
        price: str | float | None = None,
        description: str | None = None,
        enabled: bool | None = None,
    ) -> JsonObject:
        """Change a product; ProductChanged is raised."""
        with self.lock:
            product = self._product(number)
            product.name = name or product.name
            product.price = product.price if price is None else Decimal(str(price))
            product.description = product.description if description is None else description
            product.enabled = product.enabled if enabled is None else enabled
            self.catalogue.touch(product)
            self._emit("ProductChanged", [{"ProductNumber": number}])
            return self.catalogue.detail(number)

    def set_stock(self, number: str, quantity: float, warehouse: str | None = None) -> JsonObject:
        """Set the physical balance, as after a stock-taking."""
        with self.lock:
            self._product(number)
            place = warehouse or self.stock.default_warehouse
            self.move_stock(number, place, quantity, adjust=False)
            return self.stock.availability(self.stock.balance(number, place))

    # Orders and goods in

    def reserve(self, order_number: str) -> JsonObject:
        """Reserve an order: it is frozen from now on. OrderReserved is raised."""
        with self.lock:
            return self._order(self.warehouse.reserve(order_number))

    def pick(
        self,
        order_number: str,
        rows: Sequence[int] | None = None,
        quantities: Mapping[Any, Any] | None = None,
        parcels: Sequence[str] | None = None,
        forwarder: str = "DHL",
    ) -> JsonObject:
        """Ship everything, or these positions, or these quantities by position, in one shipment per warehouse."""
        amounts = None if quantities is None else {int(key): Decimal(str(each)) for key, each in quantities.items()}
        with self.lock:
            return self._order(self.warehouse.pick(order_number, rows, amounts, parcels, forwarder))

    def pick_all(self, partial: bool = False, forwarder: str = "DHL") -> list[str]:
        """Ship every open order and return the numbers.

        With `partial` an untouched order ships about half, where it may be split; a second call ships the rest.
        """
        with self.lock:
            orders = self.warehouse.open_orders()
            for order in orders:
                amounts = self.warehouse.half(order) if partial else None
                self.warehouse.pick(str(order.number), None, amounts, None, forwarder)
            return [str(order.number) for order in orders]

    def terminate(self, order_number: str) -> JsonObject:
        """Close an order; what has not shipped is given up."""
        with self.lock:
            return self._order(self.warehouse.terminate(order_number))

    def annul(self, order_number: str) -> JsonObject:
        """Cancel a complete order. OrderCancelled is raised."""
        with self.lock:
            return self._order(self.warehouse.annul(order_number))

    def set_status(self, order_number: str, status: str, row_status: str | None = None) -> JsonObject:
        """Put an order in any status: a hold (OnHoldPayment, IncomingWithErrors …) or one nobody knows yet."""
        with self.lock:
            return self._order(self.warehouse.set_status(order_number, status, row_status))

    def receive(self, purchase_number: str, quantities: Mapping[Any, Any] | None = None) -> JsonObject:
        """Goods of a purchase order come in: all, or these quantities by position."""
        amounts = None if quantities is None else {int(key): Decimal(str(each)) for key, each in quantities.items()}
        with self.lock:
            return self.inbounds.receive_purchase(purchase_number, amounts)

    def receive_return(self, return_number: str) -> JsonObject:
        """The goods of a return order come in."""
        with self.lock:
            return self.inbounds.receive_return(return_number)

    def cancel_purchase(self, purchase_number: str) -> JsonObject:
        """Cancel a purchase order. PurchaseCancelled is raised."""
        with self.lock:
            return self.inbounds.cancel_purchase(purchase_number)

    # Webhooks, mishaps and time

    def add_webhook(
        self, url: str, secret: str | None = None, events: Sequence[str] = (), warehouse: str | None = None
    ) -> dict[str, Any]:
        """Register a webhook (every trigger by default) after the echo check. Raises `ValueError`."""
        hook = self.postman.register(url, self.webhook_secret if secret is None else secret, events, warehouse)
        return {"url": hook.url, "events": list(hook.events), "active": hook.active}

    def emit(self, trigger: str, details: JsonObject | list[JsonObject], forged: bool = False) -> int:
        """Raise any trigger, also an unknown one, with one notification per details; signed wrongly if `forged`."""
        return self.postman.post(trigger, details if isinstance(details, list) else [details], forged=forged)

    def deliver_webhooks(self) -> dict[str, int]:
        """Send what is due and wait for it; through the control door only wake the sending thread."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return {"delivered": self.postman.send_due(), "pending": self.postman.pending}
        self.postman.wake()
        return {"delivered": 0, "pending": self.postman.pending}

    def repeat_webhooks(self) -> int:
        """Send every delivered body once more, unchanged, and return how many."""
        return self.postman.repeat()

    def lose_details(self, resource: str, number: str, times: int = 1) -> None:
        """Let the detail GET of a listed id answer "There is no row at position 0." this many times (quirk 5)."""
        self.api.lost[resource, number] = times

    def deadlock(self, path: str = ".*", method: str = "*", times: int = 1) -> None:
        """Answer the next calls with the deadlock that comes as a 400; nothing is done (quirk 7)."""
        self._refuse_next(f"Error getting order row list: {DEADLOCK}", path, method, times)

    def sql_timeout(self, path: str = ".*", method: str = "*", times: int = 1) -> None:
        """Answer the next calls with the SQL time-out that comes as a 400; nothing is done."""
        self._refuse_next(f"Error getting order row list: {SQL_TIMEOUT}", path, method, times)

    def advance(self, seconds: float) -> str:
        """Move the clock ahead: rate windows pass and webhook retries come due. Returns the new time."""
        now = self.clock.advance(seconds)
        self.postman.wake()
        return wire_date(now)

    # What the methods of the API share with the actions

    def move_stock(self, number: str, warehouse: str, amount: float, *, adjust: bool) -> None:
        """Set the physical balance to `amount`, or change it by that. Raises `Refusal`."""
        self.catalogue.get(number)
        self.stock.check_warehouse(warehouse)
        held = Decimal(0) if adjust else self.stock.balance(number, warehouse).physical
        self.stock.change(number, warehouse, physical=Decimal(str(amount)) - held)
        self.stock.settle()

    def save_product(self, body: JsonObject, *, new: bool) -> None:
        """POST or PUT Products with the vendor's Product model. Raises `Refusal`."""
        number, data = body.get("productNumber"), body.get("productData") or {}
        if not number or len(number) > 40 or not data.get("productName"):
            raise Refusal("productNumber (40 characters at the most) and productData.productName are required.")
        if new and number in self.catalogue.products:
            raise Refusal(f"Product {number} already exists.")
        if new:
            self._add_product({"productNumber": number}, brand_new=True)
        product = self.catalogue.get(number)
        _take_model(product, data, body.get("productPrices") or [])
        if not new:
            self.catalogue.touch(product)
        self._emit("ProductCreated" if new else "ProductChanged", [{"ProductNumber": number}])

    def annul_product(self, number: str) -> None:
        """DELETE Products: the product stays readable, annulled and not enabled. Raises `Refusal` (404)."""
        if number not in self.catalogue.products:
            raise not_found()
        product = self.catalogue.products[number]
        product.annulled, product.enabled = True, False
        self.catalogue.touch(product)
        self._emit("ProductChanged", [{"ProductNumber": number}])

    def _emit(self, trigger: str, details: list[JsonObject]) -> None:
        if self.postman.hooks and details:
            self.postman.post(trigger, details)

    def _order(self, order: Order) -> JsonObject:
        return {
            "orderNumber": order.number,
            "orderNumberExternal": order.external,
            "orderStatus": order.status,
            **render(order, added_fields=self.added_fields),
        }

    def _product(self, number: str) -> Product:
        if number not in self.catalogue.products:
            raise ValueError(f"There is no product {number}.")
        return self.catalogue.products[number]

    def _add_product(self, seed: Mapping[str, Any], *, brand_new: bool) -> Product:
        product = self.catalogue.add(seed, brand_new=brand_new)
        stock: Mapping[str, Any] = seed.get("stock") or {}
        if product.supply_mode in STOCKED:
            for place, amount in (stock or {self.stock.default_warehouse: 0}).items():
                self.stock.warehouses.setdefault(place, place)
                held = self.stock.balance(product.number, place).physical
                self.stock.change(product.number, place, physical=Decimal(str(amount)) - held)
            self.stock.settle(quietly=not brand_new)
        return product

    def _refuse_next(self, message: str, path: str, method: str, times: int) -> None:
        body = f'{{"Message":"{message}"}}'
        headers = {"content-type": "application/json; charset=utf-8"}
        self.fault("status", method=method, path=path, times=times, status=400, headers=headers, body=body)


def _take_model(product: Product, data: JsonObject, prices: list[JsonObject]) -> None:
    """Take over what the Product model says and the sandbox works with; the rest is echoed."""
    product.name = data["productName"]
    product.description = data.get("productDescription") or product.description
    product.unit = data.get("productUnit") or product.unit
    product.currency = data.get("currency") or product.currency
    product.cost = Decimal(str(data.get("cost") or product.cost))
    product.enabled = bool(data.get("enabled", product.enabled))
    product.supply_mode = (data.get("productServices") or {}).get("supplyMode") or product.supply_mode
    product.extra = product.extra | data
    for row in (row for price in prices for row in price.get("productPriceListRows") or []):
        product.price = Decimal(str(row["price"]))
        product.vat_percent = Decimal(str(row.get("vatPercent", product.vat_percent)))
        product.currency = row.get("currency") or product.currency
        break


def _gtin(base: int) -> str:
    digits = f"{base:012d}"
    total = sum(int(digit) * (3 if index % 2 else 1) for index, digit in enumerate(digits))
    return f"{digits}{-total % 10}"
