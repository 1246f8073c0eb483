"""Cancellation requests: asynchronous, so that a 2xx is not the decision (vendor page section 5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import attrs

from crossdock_cdiscount.sandbox.book import PAGE_MAX, OrderBook
from crossdock_cdiscount.sandbox.call import Answer, Call
from crossdock_cdiscount.sandbox.channels import REASONS, Json
from crossdock_cdiscount.sandbox.orders import Line, Order
from crossdock_cdiscount.sandbox.problem import conflict, invalid, unprocessable

_CANCELLABLE = ("Processing", "WaitingAcceptance", "Accepted", "InPreparation")
_CUSTOMER_REASONS = {"customer-request": {"fr": "Demande du client", "en": "Customer request", "es": "Petición"}}


@attrs.define
class Request:
    """A cancellation that was asked for; `lines` of them, each with reason and whether shipping is refunded."""

    id: str
    order: Order
    lines: list[tuple[Line, str, bool]]
    status: str = "Pending"
    polls: int = 0


class Cancellations:
    """All requests. One is decided when it is listed a second time, or by `decide`."""

    def __init__(self, book: OrderBook, key: str) -> None:
        self.requests: dict[str, Request] = {}
        self._book = book
        self._key = key

    def reasons(self, call: Call) -> Answer:
        """GET /cancellation-reasons: what `reason` may be, labelled in the language asked for."""
        if not call.query.get("salesChannel"):
            raise invalid("salesChannel", "The salesChannel field is required.")
        chosen: Mapping[str, Mapping[str, str]] = REASONS
        if call.query.get("userType", "Seller") != "Seller":
            chosen = _CUSTOMER_REASONS
        items = [{"code": code, "label": labels[call.language[:2]]} for code, labels in chosen.items()]
        return Answer({"itemsPerPage": len(items), "items": items})

    def ask(self, call: Call) -> Answer:
        """POST /order-cancellation-requests: every line that is left."""
        body = call.object()
        order = self._order(body)
        reason, refund = _reason("", body)
        left = [line for line in order.lines if line.status not in ("Cancelled", "Shipped")]
        return self._keep(order, [(line, reason, refund) for line in left])

    def ask_partly(self, call: Call) -> Answer:
        """POST /order-partial-cancellation-requests: some lines."""
        body = call.object()
        order, rows = self._order(body), body.get("lines")
        if not isinstance(rows, list) or not rows or not all(isinstance(each, dict) for each in rows):
            raise invalid("lines", "The lines field is required.")
        lines = []
        for index, row in enumerate(rows):
            found = [
                each for each in order.lines if (each.id, each.offer_id) == (row.get("lineId"), row.get("offerId"))
            ]
            if not found or found[0].status in ("Cancelled", "Shipped"):
                raise unprocessable(f"lines[{index}].lineId", "The order has no such line and offer to cancel.")
            lines.append((found[0], *_reason(f"lines[{index}].", row)))
        return self._keep(order, lines)

    def page(self, call: Call) -> Answer:
        """GET of the same path: the requests, newest last; being looked at is what moves them on."""
        size, page = call.whole("pageSize", PAGE_MAX, PAGE_MAX), call.whole("pageIndex", 1)
        found = [each for each in self.requests.values() if _matches(each, call.query)]
        shown = found[(page - 1) * size : page * size]
        for each in shown:
            each.polls += 1
            if each.polls > 1 and each.status == "Pending":
                self.decide(each.id)
        return Answer({"itemsPerPage": size, "items": [render(each) for each in shown]})

    def decide(self, request_id: str, accepted: bool = True) -> Request:
        """The marketplace decides. Raises `ValueError`."""
        request = self.requests.get(request_id)
        if request is None or request.status != "Pending":
            raise ValueError(f"There is no undecided cancellation request {request_id}.")
        request.status = "Accepted" if accepted else "Refused"
        if accepted:
            self._book.cancel(request.order, [line for line, _, _ in request.lines], request.lines[0][1])
        return request

    def _order(self, body: Mapping[str, Any]) -> Order:
        if not isinstance(body.get(self._key), str):
            raise invalid(self._key, f"The {self._key} field is required.")
        order = self._book.find(body[self._key])
        if order.status not in _CANCELLABLE:
            raise conflict(f"Order {order.id} is in state {order.status} and cannot be cancelled.")
        return order

    def _keep(self, order: Order, lines: list[tuple[Line, str, bool]]) -> Answer:
        key = str(uuid5(NAMESPACE_OID, f"cancellation {len(self.requests)}"))
        self.requests[key] = Request(key, order, lines)
        return Answer({"cancellationRequestId": key}, 201)


def render(request: Request) -> Json:
    """A request as answered."""
    return {
        "cancellationRequestId": request.id,
        "orderSellerId": request.order.id,
        "salesChannel": request.order.channel.id,
        "status": request.status,
        "lines": [
            {"lineId": line.id, "offerId": line.offer_id, "reason": reason, "shippingCostRefund": refund}
            for line, reason, refund in request.lines
        ],
    }


def _reason(where: str, row: Mapping[str, Any]) -> tuple[str, bool]:
    reason, refund = row.get("reason"), row.get("shippingCostRefund")
    if not isinstance(reason, str) or not isinstance(refund, bool):
        raise invalid(f"{where}reason", "The fields reason and shippingCostRefund are required.")
    if reason not in REASONS:
        raise unprocessable(f"{where}reason", f"'{reason}' is not one of {', '.join(REASONS)}.")
    return reason, refund


def _matches(request: Request, query: Mapping[str, str]) -> bool:
    lines = {line.id for line, _, _ in request.lines}
    offers = {line.offer_id for line, _, _ in request.lines}
    return all(
        not query.get(name) or query[name] in values
        for name, values in (
            ("orderSellerId", {request.order.id}),
            ("cancellationRequestId", {request.id}),
            ("salesChannel", {request.order.channel.id}),
            ("lineId", lines),
            ("offerId", offers),
        )
    )
