"""The order book: how an order is placed and found, and the states it goes through (vendor page section 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_OID, uuid5
from zlib import crc32

from crossdock_cdiscount.sandbox.call import Answer, Call
from crossdock_cdiscount.sandbox.channels import Channel, Json, cents, shipping_address
from crossdock_cdiscount.sandbox.clock import Clock, wire_date
from crossdock_cdiscount.sandbox.offers import Offers
from crossdock_cdiscount.sandbox.orders import CANCEL_REQUEST, STATUSES, SUPPLY_MODES, Line, Order
from crossdock_cdiscount.sandbox.problem import conflict, invalid, not_found

PAGE_MAX = 100
ORDER_SORTS = ("createdAt", "updatedAt", "scattered", "shuffled")
TAX_WORDS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "vat": (("amountWithVat", "amountWithoutVat"),),
    "tax": (("amountWithTax", "amountWithoutTax"),),
    "both": (("amountWithVat", "amountWithoutVat"), ("amountWithTax", "amountWithoutTax")),
}
_EARLY = ("Processing", "WaitingAcceptance", "Accepted")
_CLOSED = ("Shipped", "Delivered", "Refused", "Rejected", "Cancelled")
Moment = Callable[[Order], datetime | None]
Test = Callable[[Order], bool]


class OrderBook:
    """All orders of the seller; methods that a `Call` reaches raise `Problem`, the others `ValueError`."""

    def __init__(
        self,
        clock: Clock,
        offers: Offers,
        *,
        order_sort: str,
        order_links: bool,
        acceptance: bool,
        auto_prepare: bool,
        commission_words: str,
    ) -> None:
        if order_sort not in ORDER_SORTS:
            raise ValueError(f"order_sort is one of {', '.join(ORDER_SORTS)}, not {order_sort}.")
        if commission_words not in TAX_WORDS:
            raise ValueError(f"commission_words is one of {', '.join(TAX_WORDS)}, not {commission_words}.")
        self.orders: dict[str, Order] = {}
        self._clock = clock
        self._offers = offers
        self._order_sort = order_sort
        self._order_links = order_links
        self._acceptance = acceptance
        self._auto_prepare = auto_prepare
        self._tax_words = TAX_WORDS[commission_words]

    def find(self, order_id: str) -> Order:
        """An order of a request. Raises `Problem` (404)."""
        if order_id not in self.orders:
            raise not_found("Order")
        return self.orders[order_id]

    def known(self, order_id: str) -> Order:
        """An order that people at the vendor speak of. Raises `ValueError`."""
        if order_id not in self.orders:
            raise ValueError(f"There is no order {order_id}.")
        return self.orders[order_id]

    # What buyers, the marketplace and its clock do

    def place(
        self,
        channel: Channel,
        lines: Iterable[Mapping[str, Any]],
        *,
        supply_mode: str,
        country: str,
        second_address: bool,
        pickup: bool,
        business: bool,
        service_fee: Decimal,
        at: datetime | None = None,
    ) -> Order:
        """A buyer orders; prices in `lines` are the seller's, what the buyer pays follows from the channel."""
        now, rank = at or self._clock.now(), len(self.orders) + 1
        order = Order(
            id=f"SCID01{now:%y%m%d}{rank:05d}",
            reference=f"{now:%y%m%d%H%M}{_letters(rank)}",
            channel=channel,
            business=business,
            created=now,
            updated=now,
            status="Processing",
            country=country,
            lines=[],
            service_fee=service_fee,
        )
        for index, asked in enumerate(lines):
            address = shipping_address(country, second=second_address and index > 0, pickup=pickup)
            order.lines.append(self._line(order, index, asked, supply_mode, address))
        if not order.lines or (second_address and len(order.lines) < 2):
            raise ValueError("An order needs a line, and a second address needs a second line.")
        self.orders[order.id] = order
        order.move("Processing", now)
        manual = self._acceptance and any(line.is_sellers for line in order.lines)
        order.move("WaitingAcceptance" if manual else "InPreparation", now)
        return order

    def _line(self, order: Order, index: int, asked: Mapping[str, Any], supply_mode: str, address: Json) -> Line:
        sku, quantity = str(asked["sku"]), int(asked.get("quantity", 1))
        offer = self._offers.listed.get((order.channel.id, sku)) or self._offers.unlisted(order.channel, sku)
        price = cents(Decimal(str(asked["price"])) if asked.get("price") is not None else offer.price)
        shipping = cents(Decimal(str(asked.get("shipping", 0))))
        mode = str(asked.get("supply_mode", supply_mode))
        if mode not in SUPPLY_MODES:
            raise ValueError(f"supply_mode is one of {', '.join(SUPPLY_MODES)}, not {mode}.")
        if mode == "Seller":
            self._offers.sell(sku, quantity)
        return Line(
            id=str(uuid5(NAMESPACE_OID, f"{order.id}:{index}")),
            sku=sku,
            title=offer.title,
            gtin=offer.gtin,
            quantity=quantity,
            offer_price=price,
            offer_shipping=shipping,
            selling_price=order.channel.selling(price),
            selling_shipping=order.channel.selling(shipping),
            supply_mode=mode,
            offer_id=offer.id,
            address=address,
            tax_words=self._tax_words[(len(self.orders) + index) % len(self._tax_words)],
            status="",
        )

    def prepare(self, order_id: str) -> Order:
        """The marketplace's controls are done: Accepted → InPreparation, and addresses are shown."""
        order = self.known(order_id)
        if order.status not in _EARLY:
            raise ValueError(f"Order {order_id} is {order.status} and cannot go to InPreparation.")
        order.move("InPreparation", self._clock.now())
        return order

    def set_status(self, order_id: str, status: str) -> Order:
        """Put an order and its lines in any status, known or not."""
        order = self.known(order_id)
        order.move(status, self._clock.now())
        return order

    def cancel(self, order: Order, lines: Iterable[Line] | None = None, reason: str = "marketplace") -> None:
        """Cancel these lines or all that are not shipped; with nothing left open the order is Cancelled."""
        now = self._clock.now()
        for line in order.lines if lines is None else lines:
            if line.status not in _CLOSED:
                line.status = "Cancelled"
                line.events.append({"status": "Cancelled", "date": wire_date(now)})
        if all(line.status == "Cancelled" for line in order.lines):
            order.cancellation = {"reason": reason, "cancelledAt": wire_date(now)}
            order.move("Cancelled", now)
        else:
            self.close(order, now)
        order.stamp(now)

    def close(self, order: Order, now: datetime) -> None:
        """Shipped once no line is left to ship; a line that the customer wants cancelled holds nothing up."""
        done = ("Shipped", "Cancelled", CANCEL_REQUEST)
        if any(line.status == "Shipped" for line in order.lines) and all(line.status in done for line in order.lines):
            order.move("Shipped", now, [])

    def customer_cancels(self, order_id: str, line: int | str) -> Line:
        """The customer asks to cancel a line, by its number from 0 or its id."""
        order = self.known(order_id)
        chosen = [each for index, each in enumerate(order.lines) if line in (index, each.id)]
        if not chosen or order.status not in (*_EARLY, "InPreparation"):
            raise ValueError(f"Order {order_id} ({order.status}) has no line {line} that can still be cancelled.")
        now = self._clock.now()
        chosen[0].status = CANCEL_REQUEST
        chosen[0].events.append({"status": CANCEL_REQUEST, "date": wire_date(now)})
        order.stamp(now)
        return chosen[0]

    # What a seller asks

    def page(self, call: Call) -> Answer:
        """GET /orders: pages from 1, no total, and a page behind the end is empty."""
        size, page = call.whole("pageSize", PAGE_MAX, PAGE_MAX), call.whole("pageIndex", 1)
        found = self._sorted(self._search(call), call)
        shown = found[(page - 1) * size : page * size]
        more = self._order_links and len(found) > page * size
        headers = call.link(pageIndex=page + 1, pageSize=size) if more else {}
        return Answer({"itemsPerPage": size, "items": [each.encoded() for each in shown]}, headers=headers)

    def count(self, call: Call) -> Answer:
        """GET /orders/count: a bare integer for the same filters."""
        return Answer(len(self._search(call)))

    def get(self, call: Call) -> Answer:
        """GET /orders/{id}."""
        return Answer(self.find(call.path["order"]).encoded())

    def approve(self, call: Call) -> Answer:
        """POST /orders/{id}/approval-status: the whole order, and only while it waits."""
        order, word = self.find(call.path["order"]), call.object().get("approval_status")
        if word not in ("Accepted", "Refused"):
            raise invalid("approval_status", "The approval_status field is required: Accepted or Refused.")
        if order.status != "WaitingAcceptance":
            raise conflict(f"Order {order.id} is in state {order.status}, not WaitingAcceptance.")
        now = self._clock.now()
        order.move(word, now)
        if word == "Accepted" and self._auto_prepare:
            order.move("InPreparation", now)
        return Answer(status=204)

    def _search(self, call: Call) -> list[Order]:
        query = call.query
        statuses, business = call.words("status"), call.flag("businessOrder")
        known = {*STATUSES, *(order.status for order in self.orders.values())}
        for each in statuses:
            if each not in known:
                raise invalid("status", f"The value '{each}' is not valid for status.")
        tests: list[Test] = []
        if query.get("reference"):
            tests.append(lambda order: order.reference == query["reference"])
        if query.get("salesChannelId"):
            tests.append(lambda order: order.channel.id == query["salesChannelId"])
        if business is not None:
            tests.append(lambda order: order.business is business)
        if statuses:
            tests.append(lambda order: order.status in statuses)
        if query.get("supplyMode"):
            if query["supplyMode"] not in SUPPLY_MODES:
                raise invalid("supplyMode", f"The value '{query['supplyMode']}' is not valid for supplyMode.")
            tests.append(lambda order: any(line.supply_mode == query["supplyMode"] for line in order.lines))
        if query.get("shippingCountry"):
            tests.append(lambda order: order.country == query["shippingCountry"])
        for name, moment in _MOMENTS.items():
            least, most = call.date(f"{name}Min"), call.date(f"{name}Max")
            if least or most:
                tests.append(_within(moment, least, most))
        return [order for order in self.orders.values() if all(test(order) for test in tests)]

    def _sorted(self, found: list[Order], call: Call) -> list[Order]:
        sort, descending = call.query.get("sort"), bool(call.flag("desc"))
        if sort is not None and sort not in _MOMENTS:
            raise invalid("sort", f"The value '{sort}' is not valid for sort.")
        if self._order_sort in ("shuffled", "scattered"):
            seed = sorted(
                (name, value)
                for name, value in call.query.items()
                if self._order_sort == "shuffled" or name not in ("pageIndex", "pageSize")
            )
            return sorted(found, key=lambda order: crc32(f"{seed}{order.id}".encode()))
        moment = _MOMENTS[sort or self._order_sort]
        return sorted(found, key=lambda order: (moment(order) or order.created, order.id), reverse=descending)


_MOMENTS: Mapping[str, Moment] = {
    "createdAt": lambda order: order.created,
    "updatedAt": lambda order: order.updated,
    "shippedAt": lambda order: order.shipped,
}


def _within(moment: Moment, least: datetime | None, most: datetime | None) -> Test:
    """Whether an order lies in a range that both ends belong to; without the moment it lies in none."""

    def test(order: Order) -> bool:
        at = moment(order)
        return at is not None and (least is None or at >= least) and (most is None or at <= most)

    return test


def _letters(rank: int) -> str:
    """Four letters that belong to `rank`."""
    return "".join(chr(65 + rank // 26**place % 26) for place in (3, 2, 1, 0))
