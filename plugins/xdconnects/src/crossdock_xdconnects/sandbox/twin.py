"""The XD Connects twin: its doors, its state, and what the supplier's own people do in it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from crossdock.sandbox import Sandbox
from crossdock_xdconnects.sandbox.clock import Clock, local_text
from crossdock_xdconnects.sandbox.feeds import FEEDS, FeedDoor
from crossdock_xdconnects.sandbox.hooks import Postman
from crossdock_xdconnects.sandbox.life import Life
from crossdock_xdconnects.sandbox.messages import JsonObject, Refusal, widened
from crossdock_xdconnects.sandbox.orders import OrderBook
from crossdock_xdconnects.sandbox.rehearsal import SupplierRehearsal
from crossdock_xdconnects.sandbox.seeds import catalogue

LINKS = {
    "products_feed": "Products",
    "prices_feed": "ProductPrices",
    "print_data_feed": "PrintData",
    "print_prices_feed": "PrintPrices",
    "stock_feed": "Stock",
    "all_data_feed": "AllData",
}
_ARTWORK = {
    "logo.pdf": (b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n", "application/pdf"),
    "logo.svg": (b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>\n', "image/svg+xml"),
    "page.html": (b"<!doctype html><html><body>Please log in</body></html>\n", "text/html"),
}
_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number")


class XdSandbox(Sandbox):
    """A twin of one account at XD Connects. Options are those of `create`."""

    name = "xdconnects"

    def __init__(
        self,
        *,
        strict_limits: bool,
        status_call: bool,
        webhook_url: str,
        currency: str,
        skus: Sequence[str],
        duplicate_check: bool,
        scheduled_feeds: bool,
        feed_format: str,
        language: str,
        added_columns: bool,
        api_token: str,
        security_code: str,
        account_code: str,
        account_number: str,
        feed_token: str,
        signing_secret: str,
        clock: Callable[[], datetime] | None,
    ) -> None:
        super().__init__()
        self.clock = Clock(clock)
        self.catalogue = catalogue(self.clock.today(), currency, skus)
        self.feeds = FeedDoor(
            self.clock,
            self.catalogue,
            token=feed_token,
            account=account_number,
            strict_limits=strict_limits,
            scheduled=scheduled_feeds,
            added_columns=added_columns,
        )
        account = account_code, account_number
        self.book = OrderBook(
            self.clock, self.catalogue, account, duplicate_check=duplicate_check, before_change=self.feeds.publish
        )
        self.life = Life(self.clock, self.book)
        self.postman = Postman(self.clock, webhook_url, signing_secret)
        self.widened: JsonObject = {}
        """Fields that every object of the ordering API has from now on."""
        self.calls: Counter[str] = Counter()
        self._status_call = status_call
        self._credentials = api_token, security_code
        self._account = account
        self._form = language, feed_format

    # What is served

    def routes(self) -> Sequence[BaseRoute]:
        """The feed links, the ordering API under ``/api``, and some artwork."""
        return [
            Route("/Feeds/Download/{token}/{name}", self._feed),
            Route("/api/orders", self._orders, methods=["GET", "POST"]),
            Route("/api/orders/{number}", self._order),
            Route("/artwork/{name}", self._artwork),
        ]

    def settings(self, base_url: str) -> dict[str, str]:
        """The settings of a working connection; ``live_ordering`` is left to the connector."""
        links = {name: base_url + self.feeds.path(feed, *self._form) for name, feed in LINKS.items()}
        signed = {"webhook_hmac_secret": self.postman.signing_secret} if self.postman.signing_secret else {}
        return (
            links
            | signed
            | {
                "api_token": self._credentials[0],
                "security_code": self._credentials[1],
                "customer_account_code": self._account[0],
                "customer_account_number": self._account[1],
                "company_name": "Demo Reseller ApS",
                "currency": self.catalogue.currency,
                "environment": "test",
                "base_url": f"{base_url}/api",
                "region": "benelux",
            }
        )

    def state(self) -> dict[str, Any]:
        """Orders taken and refused, stock, prices and print prices, webhooks with their answers, counted calls."""
        items = self.catalogue.items.values()
        state = {
            "now": local_text(self.clock.now()),
            "currency": self.catalogue.currency,
            "orders": [each.state() for each in self.book.orders.values()],
            "refused": self.book.refused,
            "stock": {each.code: each.stock for each in items},
            "arrivals": {
                each.code: [{"date": a.day.isoformat(), "quantity": a.quantity} for a in each.arrivals]
                for each in items
            },
            "prices": {each.code: {str(n): net for n, net in zip(each.tiers, each.net, strict=True)} for each in items},
            "feeds": {feed: self.feeds.path(feed, *self._form) for feed in FEEDS},
            "broken_feeds": {feed: each.kind for feed, each in self.feeds.broken.items()},
            "webhook_url": self.postman.url,
            "webhooks": [each.told() for each in self.postman.deliveries],
            "calls": dict(self.calls),
        }
        plain: dict[str, Any] = msgspec.to_builtins(state)  # money as text, so that nobody compares binary fractions
        return plain

    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """Everything under ``POST /_sandbox/do/``; each is a method of this class too."""
        actions = (
            self.set_webhook, self.receive, self.accept, self.request_artwork, self.send_proof, self.approve_proof,
            self.print_, self.produce, self.ship, self.deliver, self.hold, self.reject, self.cancel, self.say,
            self.foreign_webhook, self.repeat_last_webhook, self.deliver_webhooks, self.change_stock,
            self.change_price, self.break_feed, self.switch_duplicate_check, self.switch_status_call, self.advance,
        )  # fmt: skip
        return {action.__name__: action for action in actions}

    def rehearsal(self) -> SupplierRehearsal:
        """How the contract kit makes things happen here."""
        return SupplierRehearsal(self)

    def change_credentials(self, **values: str) -> None:
        """The account has another ``api_token`` or ``security_code`` from now on."""
        token, code = self._credentials
        self._credentials = values.get("api_token", token), values.get("security_code", code)

    # What happens to an order; each step posts a webhook and returns its body

    def receive(self, order_number: str) -> JsonObject:
        """The order is registered."""
        return self._tell(lambda: self.life.step(order_number, "Received"))

    def accept(self, order_number: str) -> JsonObject:
        """The order is confirmed."""
        return self._tell(lambda: self.life.step(order_number, "Confirmed"))

    def request_artwork(self, order_number: str, message: str = "Logo resolution too low") -> JsonObject:
        """The artwork is missing or no good."""
        return self._tell(lambda: self.life.step(order_number, "Artwork required", message))

    def send_proof(self, order_number: str, url: str = "") -> JsonObject:
        """A proof waits for approval; without `url` its address is invented."""
        address = url or f"https://proofs.example/{order_number}.pdf"
        return self._tell(lambda: self.life.proof(order_number, "Waiting approval", "WaitingApproval", address))

    def approve_proof(self, order_number: str) -> JsonObject:
        """The proof was approved, by mail or on the supplier's site."""
        return self._tell(lambda: self.life.proof(order_number, "Proof approved", "Approved"))

    def produce(self, order_number: str) -> JsonObject:
        """Printing or picking has begun."""
        return self._tell(lambda: self.life.step(order_number, "In production"))

    def print_(self, order_number: str) -> JsonObject:
        """The same in the other word for it."""
        return self._tell(lambda: self.life.step(order_number, "Printing"))

    def ship(
        self,
        order_number: str,
        parcels: Sequence[Mapping[str, str]] | None = None,
        partial: bool = False,
        quantities: Mapping[Any, int] | None = None,
    ) -> JsonObject:
        """Ship the rest, half of it, or pieces by line number; `parcels` have carrier, trackingNumber, trackingUrl."""
        pieces = None if quantities is None else {int(number): each for number, each in quantities.items()}
        return self._tell(lambda: self.life.ship(order_number, parcels, pieces, partial=partial))

    def deliver(self, order_number: str) -> JsonObject:
        """The goods have arrived."""
        return self._tell(lambda: self.life.step(order_number, "Delivered", shipped=True))

    def hold(self, order_number: str, message: str = "") -> JsonObject:
        """The order is stopped for now."""
        return self._tell(lambda: self.life.step(order_number, "On hold", message))

    def reject(self, order_number: str, reason: str) -> JsonObject:
        """The order is refused after it was taken."""
        return self._tell(lambda: self.life.step(order_number, "Rejected", reason))

    def cancel(self, order_number: str, reason: str = "") -> JsonObject:
        """The back office cancels the order."""
        return self._tell(lambda: self.life.step(order_number, "Cancelled", reason))

    def say(self, order_number: str, status: str) -> JsonObject:
        """Any status word, also one that nobody knows."""
        return self._tell(lambda: self.life.say(order_number, status))

    # Webhooks

    def set_webhook(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        """The URL that was sent to the supplier by mail, with fixed headers if that was agreed; "" for none."""
        self.postman.url, self.postman.headers = url, dict(headers or {})

    def foreign_webhook(
        self, order_number: str = "SO111111", reference: str = "NOT-OURS-1", status: str = "Cancelled"
    ) -> JsonObject:
        """A webhook about an order that is not this account's; either number may be that of one that is."""
        numbers = {"orderNumber": order_number, "reference": reference}
        return self._tell(lambda: {**numbers, "status": status, "statusDate": local_text(self.clock.now())})

    def repeat_last_webhook(self) -> bool:
        """Post the last body once more, byte for byte; false when there was none."""
        repeated = self.postman.repeat_last()
        self._send()
        return repeated

    def deliver_webhooks(self) -> int:
        """Send what is due, retries too, and return how many still wait."""
        self._send()
        return self.postman.pending

    # Goods, feeds, switches, time

    def change_stock(self, item: str, qty: int) -> None:
        """Set what is in stock now."""
        with self.lock:
            self.feeds.publish()
            self.catalogue.get(item).stock = int(qty)

    def change_price(self, item: str, net: str | float, gross: str | float | None = None, tier: int = 1) -> None:
        """Set the price of an item's n-th tier; the gross price stays unless it is given. Raises `ValueError`."""
        with self.lock:
            self.feeds.publish()
            changed = self.catalogue.get(item)
            if not 1 <= tier <= len(changed.tiers):
                raise ValueError(f"{changed.code} has tiers 1 to {len(changed.tiers)}, not {tier}.")
            changed.net[tier - 1] = Decimal(str(net))
            changed.gross[tier - 1] = changed.gross[tier - 1] if gross is None else Decimal(str(gross))
            changed.price_modified = self.clock.now()

    def break_feed(self, feed: str, kind: str, times: int = 0) -> None:
        """Let a feed suffer one of `crossdock_xdconnects.sandbox.BREAKAGES` for `times` fetches; "" repairs it."""
        with self.lock:
            self.feeds.break_feed(feed, kind, times)

    def switch_duplicate_check(self, on: bool) -> None:
        """Whether a reference can be ordered only once."""
        self.book.duplicate_check = on

    def switch_status_call(self, on: bool) -> None:
        """Whether orders can be asked for."""
        self._status_call = on

    def advance(self, seconds: float) -> str:
        """Move the clock ahead and send the webhooks that come due; returns the new time in Amsterdam."""
        now = self.clock.advance(seconds)
        self._send()
        return local_text(now)

    # The doors

    async def _feed(self, request: Request) -> Response:
        with self.lock:
            answer = self.feeds.answer(
                request.path_params["token"], request.path_params["name"], head=request.method == "HEAD"
            )
            self.calls[answer.operation] += 1
            headers = {"location": answer.location} if answer.location else {}
            return self._answer(answer.body, 302 if answer.location else 200, answer.media_type, headers)

    async def _orders(self, request: Request) -> Response:
        body = await request.body()
        if request.method == "POST":
            return self._told("create_order", request, lambda: self._place(request, body))
        return self._told("find_order", request, lambda: self._found(request.query_params.get("reference", "")))

    async def _order(self, request: Request) -> Response:
        return self._told("get_order", request, lambda: self._read(request.path_params["number"]))

    async def _artwork(self, request: Request) -> Response:
        content, kind = _ARTWORK.get(request.path_params["name"], (b"Not found\n", "text/plain"))
        return self._answer(content, 200 if request.path_params["name"] in _ARTWORK else 404, kind)

    def _place(self, request: Request, body: bytes) -> JsonObject:
        if "json" not in request.headers.get("content-type", ""):
            raise Refusal(415, "NOT_JSON", "Content-Type is application/json")
        try:
            value = _DECODER.decode(body)
        except msgspec.DecodeError as error:
            raise Refusal(400, "MALFORMED", f"The body is no JSON: {error}") from error
        if not isinstance(value, dict):
            raise Refusal(400, "MALFORMED", "The body is an object with customer and order")
        return self.book.place(value, request.headers.get("idempotency-key", ""))

    def _read(self, number: str) -> JsonObject:
        self._asked()
        return self.book.get(number).told()

    def _found(self, reference: str) -> JsonObject:
        self._asked()
        return self.book.by_reference(reference).told()

    def _asked(self) -> None:
        if not self._status_call:
            raise Refusal(404, "NOT_FOUND", "There is no such address")

    def _told(self, operation: str, request: Request, method: Callable[[], JsonObject]) -> Response:
        with self.lock:
            self.calls[operation] += 1
            try:
                token, code = self._credentials
                given = request.headers.get("authorization"), request.headers.get("x-security-code")
                if given != (f"Bearer {token}", code):
                    raise Refusal(401, "UNAUTHORIZED", "API token or security code is wrong")
                return self._answer(_ENCODER.encode(widened(method(), self.widened) if self.widened else method()))
            except Refusal as refusal:
                return self._answer(_ENCODER.encode(refusal.body), refusal.status)

    def _answer(
        self, body: bytes, status: int = 200, kind: str = "application/json", headers: Mapping[str, str] | None = None
    ) -> Response:
        date = format_datetime(self.clock.now(), usegmt=True)
        return Response(body, status, {"date": date, **(headers or {})}, kind)

    def _tell(self, change: Callable[[], JsonObject]) -> JsonObject:
        """Make a change, post its webhook and return the body; the lock is not held while it is on its way."""
        with self.lock:
            body = change()
            self.postman.post(body)
        self._send()
        return body

    def _send(self) -> None:
        """Wait for the answers, unless this is the server's own thread: then its loop must go on answering."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self.postman.send_due()
        else:
            self.postman.send_soon()
