"""The order book: what comes in is checked, counted and binding at once (vendor page section 5)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from itertools import count

import attrs

from crossdock_xdconnects.sandbox.catalogue import Catalogue, cents
from crossdock_xdconnects.sandbox.checks import faults, wanted_day
from crossdock_xdconnects.sandbox.clock import Clock, local_text
from crossdock_xdconnects.sandbox.messages import JsonObject, Refusal, message
from crossdock_xdconnects.sandbox.totals import Totals, totals_of

_LEAD_DAYS = {"blank": 1, "print": 5, "sample": 2}
_FREIGHT = Decimal("12.50")


@attrs.define
class Line:
    """One line: what was ordered and what has left. `status` is in the supplier's words."""

    number: int
    item: str
    quantity: int
    expected: date
    shipped: int = 0
    status: str = "received"

    @property
    def open(self) -> int:
        """Pieces that have not left."""
        return self.quantity - self.shipped


@attrs.define
class Order:
    """One order that was taken; `body` is the ``order`` part of the request as it came."""

    number: str
    reference: str
    kind: str
    body: JsonObject
    customer: JsonObject
    idempotency_key: str
    totals: Totals
    lines: list[Line]
    status: str
    changed: str
    messages: list[JsonObject]
    note: str = ""
    proof: JsonObject = attrs.field(factory=dict)
    shipments: list[JsonObject] = attrs.field(factory=list)
    history: list[str] = attrs.field(factory=list)

    def receipt(self) -> JsonObject:
        """The answer to the request that made the order."""
        lines = [
            {"lineNumber": each.number, "status": each.status, "expectedShipDate": each.expected.isoformat()}
            for each in self.lines
        ]
        return {
            "orderNumber": self.number,
            "reference": self.reference,
            "status": self.status,
            "messages": self.messages,
            "totals": self.totals.told(),
            "lines": lines,
        }

    def told(self) -> JsonObject:
        """The answer of the status call: the receipt as it is now, with what webhooks tell."""
        lines = [
            line | {"itemCode": each.item, "quantityShipped": each.shipped}
            for line, each in zip(self.receipt()["lines"], self.lines, strict=True)
        ]
        told = self.receipt() | {"statusDate": self.changed, "message": self.note, "lines": lines}
        return told | ({"proof": self.proof} if self.proof else {}) | {"shipments": self.shipments}

    def state(self) -> JsonObject:
        """Everything about the order, for a test to compare with."""
        return self.told() | {
            "orderType": self.kind,
            "idempotencyKey": self.idempotency_key,
            "history": self.history,
            "order": self.body,
            "customer": self.customer,
        }


class OrderBook:
    """The orders of one account, by number."""

    def __init__(
        self,
        clock: Clock,
        catalogue: Catalogue,
        account: tuple[str, str],
        *,
        duplicate_check: bool,
        before_change: Callable[[], None],
    ) -> None:
        self.orders: dict[str, Order] = {}
        self.refused: list[JsonObject] = []
        self.duplicate_check = duplicate_check
        self._clock = clock
        self._catalogue = catalogue
        self._account = account
        self._before_change = before_change
        self._numbers = count(990_001)

    def place(self, body: JsonObject, idempotency_key: str) -> JsonObject:
        """Take an order, or refuse it inside a 200. Raises `Refusal` for a bad body (400) or a duplicate (409)."""
        order, customer = body.get("order"), body.get("customer")
        if not isinstance(order, dict) or not isinstance(customer, dict):
            raise Refusal(400, "MALFORMED", "The body is an object with customer and order")
        reference = str(order.get("reference") or "")
        if not reference:
            raise Refusal(400, "REFERENCE_MISSING", "order.reference is required")
        self._unrepeated(reference, idempotency_key)
        found = self._strangers(customer) + faults(self._catalogue, order, self._clock.today())
        if found:
            answer = {"orderNumber": None, "reference": reference, "status": "rejected", "messages": found}
            self.refused.append(answer)
            return answer
        return self._take(order, customer, reference, idempotency_key).receipt()

    def get(self, number: str) -> Order:
        """The order with the supplier's number. Raises `Refusal` (404)."""
        if number not in self.orders:
            raise Refusal(404, "UNKNOWN_ORDER", f"There is no order {number}")
        return self.orders[number]

    def by_reference(self, reference: str) -> Order:
        """The first order with the customer's reference. Raises `Refusal` (404)."""
        for order in self.orders.values():
            if order.reference == reference:
                return order
        raise Refusal(404, "UNKNOWN_ORDER", f"There is no order with reference {reference}")

    def _unrepeated(self, reference: str, idempotency_key: str) -> None:
        for order in self.orders.values() if self.duplicate_check else ():
            if order.reference == reference or (idempotency_key and order.idempotency_key == idempotency_key):
                text = f"An order with reference {order.reference} exists: {order.number}"
                raise Refusal(409, "DUPLICATE_REFERENCE", text)

    def _strangers(self, customer: JsonObject) -> list[JsonObject]:
        given = customer.get("accountCode"), customer.get("accountNumber")
        if given == self._account:
            return []
        return [message("ACCOUNT_UNKNOWN", "accountCode and accountNumber are not those of this login", "customer")]

    def _take(self, order: JsonObject, customer: JsonObject, reference: str, idempotency_key: str) -> Order:
        kind = str(order["orderType"])
        freight = cents(_FREIGHT * self._catalogue.rate)
        totals = totals_of(self._catalogue, kind, order["lines"], freight)
        messages = self._price_warnings(order)
        lines = []
        self._before_change()
        for each in order["lines"]:
            item = self._catalogue.get(each["itemCode"])
            arrives = item.ready(each["quantity"])
            ready = self._clock.working_day(_LEAD_DAYS[kind])
            item.take(each["quantity"])
            lines.append(Line(each["lineNumber"], item.code, each["quantity"], max(ready, arrives or ready)))
        last = max(line.expected for line in lines)
        wanted = wanted_day(order.get("requestedDeliveryDate"))
        if wanted and wanted < last:
            text = f"Requested date moved to {last.isoformat()}"
            messages.append(message("DATE_MOVED", text, "requestedDeliveryDate", "warning"))
        taken = Order(
            number=f"SO{next(self._numbers)}",
            reference=reference,
            kind=kind,
            body=order,
            customer=customer,
            idempotency_key=idempotency_key,
            totals=totals,
            lines=lines,
            status="received",
            changed=local_text(self._clock.now()),
            messages=messages,
            history=["received"],
        )
        self.orders[taken.number] = taken
        return taken

    def _price_warnings(self, order: JsonObject) -> list[JsonObject]:
        """A price that is not the supplier's is only told: the order is taken at the supplier's."""
        warnings = []
        for index, line in enumerate(order["lines"]):
            price = self._catalogue.get(line["itemCode"]).unit(line["quantity"])
            expected = line.get("expectedUnitPriceNet")
            if expected is not None and expected != price:
                text = f"The price of {line['itemCode']} is {price}, not {expected}"
                warnings.append(message("PRICE_DIFFERS", text, f"lines[{index}].expectedUnitPriceNet", "warning"))
        return warnings
