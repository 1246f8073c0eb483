"""Money given back and pieces cancelled, line by line: OR28 and OR30 (vendor page section 7)."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import attrs

from crossdock_mirakl.sandbox.clock import Clock, seconds_date
from crossdock_mirakl.sandbox.order import COMMISSION_RATE, COMMISSION_VAT, Line, Order
from crossdock_mirakl.sandbox.orders import OrderBook
from crossdock_mirakl.sandbox.platform import REASONS
from crossdock_mirakl.sandbox.refusal import Refusal
from crossdock_mirakl.sandbox.tax import MODES, Taxes
from crossdock_mirakl.sandbox.wire import JsonObject, cents, money, whole

_SHIPPED = ("SHIPPED", "TO_COLLECT", "RECEIVED")
_BEFORE_SHIPPING = ("WAITING_ACCEPTANCE", "WAITING_DEBIT", "WAITING_DEBIT_PAYMENT", "SHIPPING")


@attrs.frozen
class Wish:
    """One refund or cancelation that may be done."""

    order: Order
    line: Line
    amount: Decimal
    shipping_amount: Decimal
    quantity: int
    reason: str
    taxes: list[JsonObject]
    shipping_taxes: list[JsonObject]
    row: JsonObject


class Adjustments:
    """Refunds and cancelations on the orders of one shop."""

    def __init__(self, clock: Clock, book: OrderBook, *, seed: int) -> None:
        self._clock = clock
        self._book = book
        self._random = random.Random(seed + 3)
        self._next_refund = 33_017
        self._next_cancelation = 1_190

    def refund(self, body: JsonObject) -> JsonObject:
        """OR28: give money back; the whole call is refused if one refund is. Raises `Refusal`."""
        wishes = self._wishes(body, "refunds", "REFUND")
        for each in wishes:
            states = (*_SHIPPED, "SHIPPING") if self._book.options.refund_while_shipping else _SHIPPED
            if each.line.state not in states:
                raise Refusal(f"Order line '{each.line.line_id}' is in state {each.line.state} and cannot be refunded")
            if not each.amount and not each.shipping_amount:
                raise Refusal("The amount of a refund must be greater than 0", code="VALIDATION_ERROR", field="amount")
            left = each.line.shipping - each.line.refunded("shipping_amount")
            if each.amount > each.line.price - each.line.refunded() or each.shipping_amount > left:
                raise Refusal(f"The refund exceeds what is left of the order line '{each.line.line_id}'")
        return {"order_tax_mode": self._mode(body), "refunds": [self._give_back(each) for each in wishes]}

    def give_back(self, order: Order, line: Line, amount: Decimal, reason: str, state: str) -> JsonObject:
        """A refund that somebody of the operator makes in the back office."""
        taxes = _share(self._book, order, line, amount)
        wish = Wish(order, line, amount, Decimal(0), 0, reason, taxes, [], {})
        return self._give_back(wish, state)

    def _give_back(self, wish: Wish, state: str = "WAITING_REFUND_PAYMENT") -> JsonObject:
        key, self._next_refund = str(self._next_refund), self._next_refund + 1
        common = self._common(wish) | {"order_refund_id": str(uuid.UUID(int=self._random.getrandbits(128), version=4))}
        now = self._clock.now()
        fee = cents(wish.amount * COMMISSION_RATE)
        vat = cents(fee * COMMISSION_VAT / 100)
        wish.line.refunds.append(
            {"id": key, **common, "refund_state": state, "state": state, "created_date": seconds_date(now)}
            | {"commission_amount": fee, "commission_tax_amount": vat, "commission_total_amount": fee + vat}
            | {"commission_taxes": [{"amount": vat, "code": "TAXDEFAULT"}], "tax_legal_notice": None}
            | {"transaction_date": None, "transaction_number": None}
        )
        wish.order.updated = now
        return {
            "refund_id": key,
            "order_line_id": wish.line.line_id,
            **common,
            "currency_iso_code": wish.order.currency,
            "excluded_from_shipment": bool(wish.row.get("excluded_from_shipment", False)),
        }

    def cancel(self, body: JsonObject) -> JsonObject:
        """OR30: take pieces out of lines before they are shipped; a line without any is cancelled. Raises `Refusal`."""
        wishes = self._wishes(body, "cancelations", "CANCELATION")
        for each in wishes:
            if each.line.state not in _BEFORE_SHIPPING:
                raise Refusal(f"Order line '{each.line.line_id}' is in state {each.line.state} and cannot be canceled")
            if not 1 <= each.quantity <= each.line.quantity - each.line.in_shipments:
                raise Refusal("The quantity to cancel is invalid", code="VALIDATION_ERROR", field="quantity")
            if each.amount > each.line.price or each.shipping_amount > each.line.shipping:
                raise Refusal(f"The cancelation exceeds what is left of the order line '{each.line.line_id}'")
        return {"order_tax_mode": self._mode(body), "cancelations": [self._take_out(each) for each in wishes]}

    def _take_out(self, wish: Wish) -> JsonObject:
        key, self._next_cancelation = str(self._next_cancelation), self._next_cancelation + 1
        line, common, now = wish.line, self._common(wish), self._clock.now()
        line.cancelations.append({"id": key, **common, "created_date": seconds_date(now)})
        wish.order.updated = now
        if wish.quantity == line.quantity:
            line.state = "CANCELED"
        else:
            line.quantity -= wish.quantity
            line.price -= wish.amount
            line.shipping -= wish.shipping_amount
        if not wish.order.counting:
            wish.order.move("CANCELED", now)
        elif all(each.state == "SHIPPED" for each in wish.order.counting):
            self._book.shipped(wish.order)
        answer = {"cancelation_id": key, "order_line_id": line.line_id, **common}
        return answer | {"currency_iso_code": wish.order.currency}

    def _common(self, wish: Wish) -> JsonObject:
        return {
            "amount": wish.amount,
            "shipping_amount": wish.shipping_amount,
            "quantity": wish.quantity,
            "reason_code": wish.reason,
            "taxes": wish.taxes,
            "shipping_taxes": wish.shipping_taxes,
            "fees": list(wish.row.get("fees") or []),
            "eco_contributions": [],
        }

    def _mode(self, body: JsonObject) -> str:
        return str(body.get("order_tax_mode") or self._book.options.tax_mode)

    def _wishes(self, body: JsonObject, name: str, kind: str) -> list[Wish]:
        rows = body.get(name)
        if not isinstance(rows, list) or not rows:
            raise Refusal(f"{name} must not be empty", code="VALIDATION_ERROR", field=name)
        if self._mode(body) not in MODES:
            raise Refusal("Invalid value for the field : order_tax_mode", code="VALIDATION_ERROR")
        if self._mode(body) != self._book.options.tax_mode:
            raise Refusal("The order_tax_mode is not that of the platform", code="VALIDATION_ERROR")
        return [self._wish(each if isinstance(each, dict) else {}, kind) for each in rows]

    def _wish(self, row: JsonObject, kind: str) -> Wish:
        key = str(row.get("order_line_id"))
        found = ((order, line) for order in self._book.orders.values() if (line := order.line(key)))
        order, line = next(found, (None, None))
        if order is None or line is None:
            raise Refusal(f"Order line with identifier '{key}' not found", 404, code="ORDER_LINE_NOT_FOUND")
        reason = next((each for each in REASONS if each["code"] == row.get("reason_code")), None)
        if reason is None or reason["type"] != kind or not reason["is_shop_right"]:
            raise Refusal("Invalid value for the field : reason_code", code="VALIDATION_ERROR", field="reason_code")
        if row.get("currency_iso_code") not in (None, order.currency):
            raise Refusal("The currency is not that of the order", code="VALIDATION_ERROR", field="currency_iso_code")
        amount, shipping_amount = (
            money(row.get("amount"), "amount"),
            money(row.get("shipping_amount"), "shipping_amount"),
        )
        taxes, shipping_taxes = order.line_taxes(line, self._book.options.tax_mode)
        quantity = whole(row.get("quantity", 0 if kind == "REFUND" else None), "quantity")
        return Wish(
            order, line, amount, shipping_amount, quantity, str(row["reason_code"]),
            _taxes(row, "taxes", taxes, needed=bool(amount)),
            _taxes(row, "shipping_taxes", shipping_taxes, needed=bool(shipping_amount)), row,
        )  # fmt: skip


def _taxes(row: JsonObject, name: str, known: Taxes, *, needed: bool) -> list[JsonObject]:
    """The taxes of a refund with their rates; required when the order has taxes. Raises `Refusal`."""
    given: Sequence[Any] = row.get(name) or []
    rates = {code: rate for code, rate, _ in known.items}
    if needed and rates and not given:
        raise Refusal(f"{name} is required for an order with taxes", code="VALIDATION_ERROR", field=name)
    found = []
    for each in given:
        code = each.get("code") if isinstance(each, dict) else None
        if code not in rates:
            raise Refusal(f"The tax '{code}' is not one of the order line", code="VALIDATION_ERROR", field=name)
        found.append({"code": code, "amount": money(each.get("amount"), f"{name}.amount"), "rate": rates[code]})
    return found


def _share(book: OrderBook, order: Order, line: Line, amount: Decimal) -> list[JsonObject]:
    """The part of a line's taxes that goes with `amount`."""
    taxes, _ = order.line_taxes(line, book.options.tax_mode)
    return [
        {"code": code, "amount": cents(tax * amount / line.price) if line.price else tax, "rate": rate}
        for code, rate, tax in taxes.items
    ]
