"""The orders of a shop: how buyers place them, how they are found, and how they move (sections 5 to 7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from crossdock_mirakl.sandbox import buyers
from crossdock_mirakl.sandbox.clock import Clock
from crossdock_mirakl.sandbox.offers import Offers
from crossdock_mirakl.sandbox.order import CHANNELS, STATES, Line, Order, order_view, references
from crossdock_mirakl.sandbox.platform import Options, tracking
from crossdock_mirakl.sandbox.query import Query
from crossdock_mirakl.sandbox.refusal import Refusal
from crossdock_mirakl.sandbox.tax import MODES
from crossdock_mirakl.sandbox.wire import JsonObject, cents

FIRST_NUMBER = 90_417_001
REFUSED = ("SYSTEM_REFUSED", "Refusée")
WORKFLOWS = ("PAY_ON_ACCEPTANCE", "PAY_ON_SHIPMENT", "PAY_ON_DUE_DATE")
_REFERENCES_AT_ONCE = 100


class OrderBook:
    """The orders of one shop by id."""

    def __init__(self, clock: Clock, offers: Offers, options: Options) -> None:
        self.orders: dict[str, Order] = {}
        self.bent: dict[str, JsonObject] = {}  # order id to fields that somebody broke
        self.options = options
        self._clock = clock
        self._offers = offers
        self._next_number = FIRST_NUMBER

    def place(
        self,
        lines: Iterable[Mapping[str, Any]],
        *,
        country: str,
        fulfilment: str,
        channel: str | None,
        shipping: str | float,
        staging: bool,
        company: str,
        pickup_point: str | None,
        customer_reference: str | None,
        fields: Sequence[JsonObject],
    ) -> Order:
        """A new order; what was ordered is taken from the offers' quantities. Raises `ValueError`."""
        if country not in buyers.PLACES:
            raise ValueError(f"The sandbox has no buyer in {country}; there are {', '.join(buyers.PLACES)}.")
        if channel is not None and channel not in CHANNELS:
            raise ValueError(f"There is no channel {channel}; there are {', '.join(CHANNELS)}.")
        number, now = self._next_number, self._clock.now()
        self._next_number += 1
        key = f"{number}-A"
        made = [self._line(key, index, each, str(shipping)) for index, each in enumerate(lines, 1)]
        if not made:
            raise ValueError("An order has at least one line.")
        order = Order(
            order_id=key, commercial_id=str(number), country=country,
            currency=buyers.CURRENCIES.get(country, self._offers.terms.currency), fulfilment=fulfilment,
            channel=channel, workflow=self.options.workflow, created=now, updated=now, state="", lines=made,
            buyer=buyers.buyer(number, country, company), pickup_point=pickup_point,
            addresses=buyers.addresses(number, country, company, pickup_point),
            addresses_known=self.options.addresses_before_acceptance, customer_reference=customer_reference,
            fields=list(fields),
        )  # fmt: skip
        self.orders[key] = order
        if staging:
            order.move("STAGING", now)
        else:
            self.release(order)
        return order

    def _line(self, order_id: str, index: int, given: Mapping[str, Any], shipping: str) -> Line:
        sku, quantity = str(given["sku"]), int(given.get("quantity", 1))
        offer, now = self._offers.find(sku), self._clock.now()
        if given.get("price") is None and offer is None:
            raise ValueError(f"There is no offer with the SKU {sku!r}, so the line needs a price.")
        price = Decimal(str(given["price"])) if given.get("price") is not None else None
        if price is None:
            assert offer is not None  # noqa: S101
            price = offer.default_price.current(now)
        if offer is not None:
            offer.quantity = max(0, offer.quantity - quantity)
            self._offers.touch(offer)
        return Line(
            line_id=f"{order_id}-{index}", index=index, sku=sku, quantity=quantity, unit_price=price,
            offer_id=offer.offer_id if offer else 700_000 + index, price=cents(price * quantity),
            title=offer.product.title if offer else f"Article {sku}",
            product_sku=offer.product.sku if offer else "MKP000000000009911",
            shipping=Decimal(shipping) if index == 1 else Decimal("0.00"),
            fee=Decimal(str(given.get("fee", 0))), created=now, state="",
        )  # fmt: skip

    # Reading

    def get(self, order_id: str) -> Order:
        """Raises `Refusal` 404."""
        order = self.orders.get(order_id)
        if order is None:
            message = f"Order with identifier '{order_id}' not found"
            raise Refusal(message, 404, code="ORDER_NOT_FOUND", field="order_id")
        return order

    def view(self, order: Order, mode: str | None = None) -> JsonObject:
        """The order as OR11 shows it, in the platform's tax mode unless another is asked for."""
        platform = self.options.tax_mode
        shown = order_view(order, mode or platform, platform, added_fields=self.options.added_fields)
        return shown | self.bent.get(order.order_id, {})

    def search(self, query: Query) -> list[Order]:
        """OR11's filters; from ``start_update_date`` the vendor takes off some time (vendor page section 5)."""
        found = self._matching(query, repeated_centres=True)
        return query.ordered(found, {"dateCreated": lambda each: (each.created, each.order_id)})

    def _matching(self, query: Query, *, repeated_centres: bool) -> list[Order]:
        for name in query.items("order_state_codes"):
            if name not in STATES:
                raise Refusal("Invalid value for the parameter : order_state_codes")
        query.choice("order_tax_mode", MODES)
        delta = timedelta(seconds=self.options.update_delta)
        since, until = query.date("start_update_date"), query.date("end_update_date")
        begin, end = query.date("start_date"), query.date("end_date")
        no_channel, debited = query.flag("only_null_channel"), query.flag("customer_debited")
        lists: dict[str, Callable[[Order], str | None]] = {
            "order_ids": lambda order: order.order_id,
            "order_references_for_customer": lambda order: order.customer_reference,
            "order_references_for_seller": lambda order: order.seller_reference,
            "order_state_codes": lambda order: order.state,
            "payment_workflow": lambda order: order.workflow,
            "fulfillment_center_code" if repeated_centres else "fulfillment_center_codes": lambda o: o.fulfilment,
        }
        if not no_channel:
            lists["channel_codes"] = lambda order: order.channel
        wanted = {name: (set(query.items(name)), read) for name, read in lists.items()}
        incident = query.flag("has_incident")
        return [
            order
            for order in self.orders.values()
            if all(not values or read(order) in values for values, read in wanted.values())
            and (not no_channel or order.channel is None)
            and (since is None or order.updated >= since - delta)
            and (until is None or order.updated <= until)
            and (begin is None or order.created >= begin)
            and (end is None or order.created <= end)
            and (debited is None or (order.debited is not None) == debited)
            and (incident is None or order.incident == incident)
        ]

    def export(self, request: JsonObject) -> list[JsonObject]:
        """The orders of an export (OR13), whose filters have the names of OR11's except that of the centres."""
        pairs = [
            (name, text)
            for name, value in request.items()
            for text in ([str(each) for each in value] if isinstance(value, list) else [_text(value)])
        ]
        query = Query(pairs)
        rows = sorted(self._matching(query, repeated_centres=False), key=lambda each: (each.created, each.order_id))
        return [self.view(each, query.text("order_tax_mode")) for each in rows]

    # What the shop does

    def accept(self, order_id: str, body: JsonObject) -> None:
        """OR21: a decision for every line at once; see vendor page section 7 for the codes of its refusals."""
        order, rows = self.get(order_id), body.get("order_lines")
        if order.fulfilment != "DEFAULT":
            raise Refusal("The order is fulfilled by a third party", 403, code="ORDER_FULFILLED_UNAUTHORIZED")
        if order.state != "WAITING_ACCEPTANCE":
            raise _wrong_state(order, "WAITING_ACCEPTANCE")
        if not isinstance(rows, list) or not rows:
            raise Refusal("order_lines must not be empty", code="VALIDATION_ERROR", field="order_lines")
        decisions: dict[str, bool] = {}
        for row in rows:
            if not isinstance(row, dict):
                raise Refusal("An order line is null", code="ORDER_LINE_NULL_ELEMENT", field="order_lines")
            key, accepted = row.get("id"), row.get("accepted")
            if not isinstance(key, str) or not isinstance(accepted, bool):
                raise Refusal("id and accepted are required", code="VALIDATION_ERROR", field="order_lines")
            if order.line(key) is None:
                message = f"Order line with identifier '{key}' not found"
                raise Refusal(message, 404, code="ORDER_LINE_NOT_FOUND", field="order_lines.id")
            if key in decisions:
                raise Refusal(f"Order line '{key}' occurs twice", code="ORDER_LINE_DUPLICATE_ID", field="order_lines")
            decisions[key] = accepted
        for each in order.lines:
            if each.line_id not in decisions:
                message = f"The decision for the order line '{each.line_id}' is missing"
                raise Refusal(message, code="ORDER_LINE_ACCEPTANCE_DECISION_MISSING", field="order_lines")
        if not self.options.partial_acceptance and len(set(decisions.values())) > 1:
            raise Refusal("Partial acceptance is disabled", code="ORDER_PARTIAL_ACCEPTANCE_DISABLED")
        self._decide(order, decisions)

    def _decide(self, order: Order, decisions: Mapping[str, bool]) -> None:
        order.decided = self._clock.now()
        for line in order.lines:
            if not decisions[line.line_id]:
                line.state, line.reason = "REFUSED", REFUSED
        if not order.counting:
            order.move("REFUSED", self._clock.now())
        else:
            self.after_acceptance(order)

    def accept_all(self, order: Order) -> None:
        """Accept every line of an order that waits for it, as a person of the shop does in the back office."""
        self._decide(order, {each.line_id: True for each in order.lines})

    def track(self, order_id: str, body: JsonObject) -> None:
        """OR23."""
        order = self.get(order_id)
        if order.state not in ("SHIPPING", "SHIPPED", "TO_COLLECT"):
            raise _wrong_state(order, "SHIPPING")
        order.tracking = tracking(body, self.options, url_field="carrier_url")
        order.updated = self._clock.now()

    def ship(self, order_id: str) -> None:
        """OR24: the whole order has left. Twice is an opaque 400 (vendor page section 11)."""
        order = self.get(order_id)
        if order.state != "SHIPPING":
            raise Refusal("Bad Request")
        now = self._clock.now()
        for line in order.counting:
            line.in_shipments = line.shipped_quantity = line.quantity
            line.shipped = line.shipped or now
        self.shipped(order)

    def shipped(self, order: Order) -> None:
        """Everything has left: the order moves on, and is debited if that waits for shipping."""
        now = self._clock.now()
        order.move("SHIPPED", now)
        if order.debited is None and order.workflow == "PAY_ON_SHIPMENT":
            self._take_money(order)

    def cancel(self, order_id: str) -> None:
        """OR29: the whole order, before anything was shipped."""
        order = self.get(order_id)
        if not order.can_cancel:
            raise Refusal(f"Order with identifier '{order_id}' is in state {order.state} and cannot be canceled")
        order.move("CANCELED", self._clock.now())

    def set_references(self, body: JsonObject) -> JsonObject:
        """OR04: at most 100 orders; an unknown one is an error of its own."""
        rows = body.get("orders")
        if not isinstance(rows, list) or not rows or len(rows) > _REFERENCES_AT_ONCE:
            raise Refusal(f"orders must hold 1 to {_REFERENCES_AT_ONCE} elements", code="VALIDATION_ERROR")
        return {"updated_orders": [self._set_reference(each if isinstance(each, dict) else {}) for each in rows]}

    def _set_reference(self, row: JsonObject) -> JsonObject:
        key = str(row.get("order_id"))
        order, given = self.orders.get(key), row.get("references")
        if order is None:
            message = f"Order {key} could not be found"
            return {
                "order_id": key,
                "errors": [{"code": "ORDER_NOT_FOUND", "field": "order_id", "message": message}],
                "updated": None,
            }
        updated: JsonObject = {}
        if isinstance(given, dict) and "order_reference_for_seller" in given:
            order.seller_reference = given["order_reference_for_seller"]
            order.updated = self._clock.now()
            updated = {"references": {"order_reference_for_seller": references(order)["order_reference_for_seller"]}}
        return {"order_id": key, "errors": [], "updated": updated}

    # What happens by itself

    def release(self, order: Order) -> None:
        """The operator has checked the order: the shop may see to it."""
        if self.options.acceptance:
            order.move("WAITING_ACCEPTANCE", self._clock.now())
        else:
            self.after_acceptance(order)

    def after_acceptance(self, order: Order) -> None:
        """Wait for the buyer's money, unless it comes later or comes at once."""
        if order.workflow != "PAY_ON_ACCEPTANCE":
            order.move("SHIPPING", self._clock.now())
            return
        order.move("WAITING_DEBIT_PAYMENT", self._clock.now())
        if self.options.automatic_debit:
            self.debit(order)

    def debit(self, order: Order) -> None:
        """The buyer's money has come. Raises `ValueError` for an order that waits for none."""
        if order.state == "WAITING_DEBIT_PAYMENT":
            self._take_money(order)
            order.move("SHIPPING", self._clock.now())
        elif order.debited is None and order.workflow == "PAY_ON_DUE_DATE":
            self._take_money(order)
            order.updated = self._clock.now()
        else:
            raise ValueError(f"Order {order.order_id} is in state {order.state} and waits for no money.")

    def _take_money(self, order: Order) -> None:
        order.debited = self._clock.now()
        order.transaction = f"TR-00-{order.commercial_id}"
        for line in order.counting:
            line.debited = order.debited


def _wrong_state(order: Order, expected: str) -> Refusal:
    message = f"Order with identifier '{order.order_id}' is in state {order.state}; expected {expected}"
    return Refusal(message, code="ORDER_INVALID_STATE")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
