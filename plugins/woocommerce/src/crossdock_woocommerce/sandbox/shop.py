"""The shop's state: options, clock, identifiers, documents, and the line to its webhooks."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import attrs

from crossdock_woocommerce.sandbox.shelf import Shelf
from crossdock_woocommerce.sandbox.wire import HOME, Json, php_json

__all__ = ["STATUSES", "SYMBOLS", "Options", "RefundRow", "Shop"]

STATUSES = {
    "pending": "Pending payment",
    "processing": "Processing",
    "on-hold": "On hold",
    "completed": "Completed",
    "cancelled": "Cancelled",
    "refunded": "Refunded",
    "failed": "Failed",
    "checkout-draft": "Draft",
}

SYMBOLS = {
    "EUR": ("&euro;", "€", "Euro"),
    "USD": ("&#36;", "$", "United States (US) dollar"),
    "GBP": ("&pound;", "£", "Pound sterling"),
    "CHF": ("&#67;&#72;&#70;", "CHF", "Swiss franc"),
    "PLN": ("&#122;&#322;", "zł", "Polish złoty"),
    "SEK": ("&#107;&#114;", "kr", "Swedish krona"),
    "JPY": ("&yen;", "¥", "Japanese yen"),
}
"""Currency code → HTML entity, plain sign, name."""


@attrs.frozen(kw_only=True)
class Options:
    """How the shop is set up. `https` is what the shop believes; the sandbox itself is served over http."""

    consumer_key: str = "ck_5e1f0c2d7b9a4468a1d3e7f90b2c4d6e8f1a3b5c"
    consumer_secret: str = "cs_9c8b7a6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f1a0b"
    scope: str = attrs.field(default="read_write", validator=attrs.validators.in_(("read_write", "read", "write")))
    role: str = attrs.field(default="shop_manager", validator=attrs.validators.in_(("shop_manager", "customer")))
    version: str = "11.0.1"
    wp_version: str = ""
    timezone: str = "Europe/Berlin"
    currency: str = "EUR"
    prices_include_tax: bool = True
    subfolder: str = ""
    permalinks: str = attrs.field(default="pretty", validator=attrs.validators.in_(("pretty", "plain")))
    strip_authorization: bool = False
    https: bool = False
    tracking: str = attrs.field(
        default="none", validator=attrs.validators.in_(("none", "fulfillments", "shipment-tracking", "ast"))
    )
    round_at_subtotal: bool = False
    php_notice: str = ""
    bom: bool = False
    custom_statuses: dict[str, str] = attrs.field(factory=dict)
    webhook_secret: str = "sandbox-webhook-secret"
    auto_deliver: bool = True
    webhook_delay: float = 0.05
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)


@attrs.define
class RefundRow:
    """A refund and the order it belongs to."""

    parent: int
    created: int
    view: Json


class Shop:
    """What the database of the shop holds."""

    def __init__(self, options: Options, home: Callable[[], str]) -> None:
        self.options = options
        self.home = home
        self.zone = ZoneInfo(options.timezone)
        self.random = random.Random(11)
        self.orders = Shelf()
        self.precise: dict[int, dict[int, tuple[Decimal, Decimal]]] = {}
        self.products: dict[int, Json] = {}
        self.children: dict[int, list[int]] = {}
        self.refunds: dict[int, RefundRow] = {}
        self.notes: dict[int, list[Json]] = {}
        self.trackings: dict[int, list[Json]] = {}
        self.customers: dict[int, Json] = {}
        self.coupons: dict[str, Json] = {
            "ten": {"id": 610, "code": "ten", "amount": "10.00", "discount_type": "percent"},
            "five": {"id": 611, "code": "five", "amount": "5.00", "discount_type": "fixed_cart"},
        }
        self.taxes: list[Json] = [
            _tax(1, "19.0000", "MwSt.", "standard", shipping=True),
            _tax(2, "7.0000", "MwSt. erm.", "reduced-rate", shipping=False),
        ]
        self.listener: Callable[[str, int], None] = lambda action, key: None
        self.quiet = 0
        self._counters = {"post": 9, "item": 0, "meta": 0, "item_meta": 0, "note": 0, "tracking": 0, "webhook": 0}
        self._offset = timedelta()
        self._frozen: datetime | None = None

    # time

    def now(self) -> datetime:
        """The shop's time: aware UTC, whole seconds, moved by `advance`."""
        moment = self._frozen if self._frozen is not None else self.options.clock() + self._offset
        return moment.astimezone(UTC).replace(microsecond=0)

    def advance(self, by: float) -> None:
        """Move the shop's clock forward."""
        self._offset += timedelta(seconds=by)

    def set_clock(self, now: datetime) -> None:
        """Set the shop's clock; it goes on running."""
        self._offset = now - self.options.clock()

    @contextlib.contextmanager
    def at(self, moment: datetime) -> Iterator[None]:
        """Do something as if it happened at `moment`, without telling webhooks."""
        before, self._frozen = self._frozen, moment
        try:
            with self.silence():
                yield
        finally:
            self._frozen = before

    @contextlib.contextmanager
    def silence(self) -> Iterator[None]:
        """Do something that webhooks are not told."""
        self.quiet += 1
        try:
            yield
        finally:
            self.quiet -= 1

    def stamp(self, document: Json, name: str, moment: datetime | None) -> None:
        """Write `moment` as site-local time and as naive UTC (``name_gmt``)."""
        if moment is None:
            document[name] = document[f"{name}_gmt"] = None
            return
        document[name] = moment.astimezone(self.zone).strftime("%Y-%m-%dT%H:%M:%S")
        document[f"{name}_gmt"] = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")

    def bound(self, text: str, *, gmt: bool) -> int:
        """A date parameter as seconds, with the shop's own reading (vendor page section 0.3, measured).

        Naive is shop-local time, or UTC with ``dates_are_gmt``. A time *with* an offset is right alone, but with
        ``dates_are_gmt`` it is turned into local time first and then taken for UTC: shifted by the offset.
        """
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            return int(moment.replace(tzinfo=UTC if gmt else self.zone).timestamp())
        if gmt:
            moment = moment.astimezone(self.zone).replace(tzinfo=UTC)
        return int(moment.timestamp())

    # identifiers

    def number(self, kind: str, floor: int = 0) -> int:
        """The next identifier of a kind. Orders, refunds and products share ``post``."""
        self._counters[kind] = max(self._counters[kind] + 1, floor)
        return self._counters[kind]

    def claim(self, kind: str, wanted: int) -> int:
        """Use identifier `wanted`; later ones come after it."""
        self._counters[kind] = max(self._counters[kind], wanted)
        return wanted

    # versions

    def since(self, version: str) -> bool:
        """Whether the shop runs this version of WooCommerce or a later one."""
        return _parts(self.options.version) >= _parts(version)

    @property
    def hpos(self) -> bool:
        """Order tables of their own (default for new shops since 8.2), else classic posts storage."""
        return self.since("8.2")

    @property
    def wp_version(self) -> str:
        """The version of WordPress underneath."""
        return self.options.wp_version or ("7.0.4" if self.since("11.0") else "6.4.10")

    # small things all modules need

    def emit(self, action: str, key: int) -> None:
        """Something happened that webhooks may listen for."""
        if not self.quiet:
            self.listener(action, key)

    def note(self, order_id: int, text: str, *, customer: bool = False) -> Json:
        """Write an order note. Notes change nothing else and tell no webhook (vendor page section 3, measured)."""
        note: Json = {"id": self.number("note"), "author": "WooCommerce"}
        self.stamp(note, "date_created", self.now())
        note |= {"note": text, "customer_note": customer}
        self.notes.setdefault(order_id, []).append(note)
        return note

    def meta(self, key: str, value: Any, *, kind: str = "meta") -> Json:
        """One entry of ``meta_data``; those of lines carry display texts too."""
        entry = {"id": self.number(kind), "key": key, "value": value}
        return entry if kind == "meta" else entry | {"display_key": key, "display_value": value}

    def statuses(self) -> dict[str, str]:
        """Order statuses with their names, those of plugins included."""
        return STATUSES | self.options.custom_statuses

    def rates(self, tax_class: str, country: str) -> list[Json]:
        """Tax rates of a class at a place; no country means the shop's own."""
        wanted = tax_class or "standard"
        return [rate for rate in self.taxes if rate["class"] == wanted and country in ("", rate["country"])]

    def publish(self, raw: bytes) -> bytes:
        """Stored bytes with the shop's real address in them."""
        return raw.replace(_ESCAPED_HOME, php_json(self.home())[1:-1])


_ESCAPED_HOME = php_json(HOME)[1:-1]


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _tax(key: int, rate: str, name: str, tax_class: str, *, shipping: bool) -> Json:
    return {
        "id": key,
        "country": "DE",
        "state": "",
        "postcode": "",
        "city": "",
        "rate": rate,
        "name": name,
        "priority": 1,
        "compound": False,
        "shipping": shipping,
        "order": key,
        "class": tax_class,
        "postcodes": [],
        "cities": [],
    }
