"""The Octopia twin: its options, its state, and what the marketplace, its buyers and its clock do in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from starlette.routing import BaseRoute

from crossdock.sandbox import Sandbox
from crossdock_cdiscount.sandbox import cancelling, orders
from crossdock_cdiscount.sandbox.account import Account
from crossdock_cdiscount.sandbox.api import PREFIX, TOKEN_PATH, Api, Lost
from crossdock_cdiscount.sandbox.book import OrderBook
from crossdock_cdiscount.sandbox.cancelling import Cancellations
from crossdock_cdiscount.sandbox.channels import CDISCOUNT, SELLER, Json
from crossdock_cdiscount.sandbox.clock import Clock, wire_date
from crossdock_cdiscount.sandbox.gate import Gate, Tokens
from crossdock_cdiscount.sandbox.offers import Offer, Offers
from crossdock_cdiscount.sandbox.packages import Packages
from crossdock_cdiscount.sandbox.rehearsal import SellerRehearsal
from crossdock_cdiscount.sandbox.seeding import seed_offers, seed_orders
from crossdock_cdiscount.sandbox.shipping import Dispatch


class CdiscountSandbox(Sandbox):
    """A twin of one seller's account at Octopia. Options are those of `create`."""

    name = "cdiscount"
    logs = ("packages", "tokens")  # the same values may come twice, and a token may be granted anew

    def __init__(
        self,
        *,
        order_sort: str,
        acceptance: bool,
        auto_prepare: bool,
        strict_limits: bool,
        calls_per_minute: int,
        skus: Iterable[str],
        channels: Iterable[str],
        orders: int,
        polls: int,
        offers_page: int,
        order_links: bool,
        commission_words: str,
        cancellation_key: str,
        client_id: str,
        client_secret: str,
        login: str,
        clock: Callable[[], datetime] | None,
    ) -> None:
        super().__init__()
        self.clock = Clock(clock)
        tokens = Tokens(self.clock, client_id, client_secret, strict=strict_limits)
        self.gate = Gate(self.clock, tokens, str(SELLER), calls_per_minute if strict_limits else None)
        self.offers = Offers(self.clock, channels, offers_page)
        self.account = Account(login, self.offers.channels.values())
        self.book = OrderBook(
            self.clock,
            self.offers,
            order_sort=order_sort,
            order_links=order_links,
            acceptance=acceptance,
            auto_prepare=auto_prepare,
            commission_words=commission_words,
        )
        self.dispatch = Dispatch(self.clock, self.book)
        self.cancellations = Cancellations(self.book, cancellation_key)
        self.packages = Packages(self.clock, self.offers, polls)
        self.api = Api(self)
        self.widened: Json = {}
        """Fields that no page documents, in every object that is answered."""
        self.skus = tuple(skus)
        seed_offers(self.offers, self.skus)
        seed_orders(self.book, self.offers, self.clock, self.skus, orders)

    def routes(self) -> Sequence[BaseRoute]:
        """The vendor's paths."""
        return self.api.routes()

    def settings(self, base_url: str) -> dict[str, str]:
        """The settings of a working connection."""
        return {
            "client_id": self.gate.tokens.client_id,
            "client_secret": self.gate.tokens.client_secret,
            "seller_id": self.gate.seller_id,
            "api_url": base_url + PREFIX,
            "token_url": base_url + TOKEN_PATH,
            "login": self.account.login,
            "sales_channels": "",
            "language": "fr-FR",
        }

    def state(self) -> dict[str, Any]:
        """Orders and cancellations as answered, offers with every field, stock and prices, packages, calls.

        ``stock`` is {sku: quantity}, ``prices`` {channel: {sku: amount}}, ``calls`` {operation: how many}, with
        operations such as ``GET /orders`` and ``POST token``.
        """
        prices: dict[str, dict[str, Decimal]] = {each: {} for each in self.offers.channels}
        for (key, sku), offer in self.offers.listed.items():
            prices[key][sku] = offer.price
        return {
            "orders": [self._order(each) for each in self.book.orders.values()],
            "offers": [self._offer(each) for each in self.offers.listed.values()],
            "stock": dict(self.offers.stock),
            "prices": prices,
            "packages": [
                {
                    "id": each.id,
                    "salesChannelId": each.channel.id,
                    "packageType": each.type,
                    "state": each.state,
                    "requests": each.requests,
                    "results": each.results,
                }
                for each in self.packages.packages.values()
            ],
            "cancellations": [cancelling.render(each) for each in self.cancellations.requests.values()],
            "tokens": self.gate.tokens.issued,
            "calls": dict(self.api.calls),
        }

    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """Everything under ``POST /_sandbox/do/``; each is a method of this class too."""
        return {
            action.__name__: action
            for action in (
                self.place_order,
                self.prepare,
                self.set_status,
                self.cancel,
                self.customer_cancels,
                self.decide_cancellation,
                self.warehouse_ships,
                self.deliver,
                self.touch,
                self.add_offer,
                self.refuse_offer,
                self.allow_offer,
                self.reject_next_package,
                self.end_subscription,
                self.expire_tokens,
                self.bad_gateway,
                self.advance,
            )
        }

    def rehearsal(self) -> SellerRehearsal:
        """How the contract kit makes things happen here."""
        return SellerRehearsal(self)

    # Orders

    def place_order(
        self,
        lines: Iterable[Mapping[str, Any]],
        channel: str = CDISCOUNT,
        supply_mode: str = "Seller",
        country: str | None = None,
        second_address: bool = False,
        pickup: bool = False,
        business: bool = False,
        service_fee: str | float = 0,
    ) -> str:
        """A buyer orders, which takes from the stock; returns the order id.

        A line has sku, and may have quantity (1), price (per unit with VAT, in the seller's money; by default the
        offer's), shipping (for the line, 0) and supply_mode. `country` is by default the channel's;
        `second_address` sends all lines but the first elsewhere. Raises `ValueError`.
        """
        with self.lock:
            if channel not in self.offers.channels:
                raise ValueError(f"The seller has no sales channel {channel}.")
            where = self.offers.channels[channel]
            order = self.book.place(
                where,
                lines,
                supply_mode=supply_mode,
                country=country or where.country,
                second_address=second_address,
                pickup=pickup,
                business=business,
                service_fee=Decimal(str(service_fee)),
            )
            return order.id

    def prepare(self, order_id: str) -> Json:
        """The marketplace's controls are done: the order is InPreparation."""
        with self.lock:
            return self._order(self.book.prepare(order_id))

    def set_status(self, order_id: str, status: str) -> Json:
        """Put an order and its lines in any status: Processing, Rejected, or one that nobody knows yet."""
        with self.lock:
            return self._order(self.book.set_status(order_id, status))

    def cancel(self, order_id: str) -> Json:
        """The marketplace cancels what has not been shipped."""
        with self.lock:
            order = self.book.known(order_id)
            self.book.cancel(order)
            return self._order(order)

    def customer_cancels(self, order_id: str, line: int | str = 0) -> str:
        """The customer asks to cancel a line, by its number from 0 or its id: it becomes CancelRequest.

        Returns the line's id. Raises `ValueError`.
        """
        with self.lock:
            return self.book.customer_cancels(order_id, line).id

    def decide_cancellation(self, request_id: str, accepted: bool = True) -> Json:
        """The marketplace decides on the seller's cancellation request before it is asked for again."""
        with self.lock:
            return cancelling.render(self.cancellations.decide(request_id, accepted))

    def warehouse_ships(self, order_id: str, carrier: str = "Colissimo") -> Json:
        """The marketplace's own warehouse ships the lines that are not the seller's."""
        with self.lock:
            return self._order(self.dispatch.warehouse_ships(order_id, carrier))

    def deliver(self, order_id: str) -> Json:
        """A shipped order arrives. Raises `ValueError` for another."""
        with self.lock:
            order = self.book.known(order_id)
            if order.status != "Shipped":
                raise ValueError(f"Order {order_id} is {order.status} and cannot be delivered.")
            return self._order(self.book.set_status(order_id, "Delivered"))

    def touch(self, order_id: str) -> str:
        """Nothing changes but updatedAt, which is now and is returned."""
        with self.lock:
            order = self.book.known(order_id)
            order.stamp(self.clock.now())
            return wire_date(order.updated)

    # Offers

    def add_offer(
        self, sku: str, price: str | float = 10, quantity: int | None = None, channel: str | None = None
    ) -> list[Json]:
        """Put a SKU on a channel (all by default); a `quantity` is the stock of every channel."""
        with self.lock:
            keys = list(self.offers.channels) if channel is None else [channel]
            return [self._offer(self.offers.add(key, sku, Decimal(str(price)), quantity)) for key in keys]

    def refuse_offer(self, sku: str, message: str, channel: str | None = None) -> None:
        """From now on packages are Integrated, but this reference in them is Rejected with `message`."""
        with self.lock:
            self.packages.refusals[channel, sku] = message

    def allow_offer(self, sku: str, channel: str | None = None) -> None:
        """Take back `refuse_offer`."""
        with self.lock:
            self.packages.refusals.pop((channel, sku), None)

    def reject_next_package(self, times: int = 1) -> None:
        """The next packages to be integrated are Rejected as a whole, without results."""
        with self.lock:
            self.packages.reject += times

    # The account, mishaps and time

    def end_subscription(self, channel: str) -> None:
        """The subscription of a channel is Inactive from now on."""
        with self.lock:
            self.account.closed.add(channel)

    def expire_tokens(self) -> int:
        """Every issued token becomes invalid at once; returns how many there were."""
        with self.lock:
            return self.gate.tokens.expire()

    def bad_gateway(self, method: str = "POST", path: str = "/shipments$", times: int = 1) -> None:
        """The next calls that match do their work and are answered with 502 and HTML (vendor page section 12)."""
        with self.lock:
            self.api.lost.append(Lost(method, path, times))

    def advance(self, seconds: float) -> str:
        """Move the clock ahead: tokens and results grow old. Returns the new time."""
        with self.lock:
            return wire_date(self.clock.advance(seconds))

    def _order(self, order: orders.Order) -> Json:
        return orders.render(order)

    def _offer(self, offer: Offer) -> Json:
        return {"salesChannelId": offer.channel.id, **self.offers.render(offer)}
