"""The addresses of the vendor: the token endpoint, the API behind its gate, and what is common to every answer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import attrs
import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from crossdock_cdiscount.sandbox.call import Answer, Call, Handler, read_json
from crossdock_cdiscount.sandbox.gate import TokenRefusal
from crossdock_cdiscount.sandbox.problem import Problem, not_found, trace_id

if TYPE_CHECKING:
    from crossdock_cdiscount.sandbox.twin import CdiscountSandbox

PREFIX = "/seller/v2"
TOKEN_PATH = "/auth/realms/maas/protocol/openid-connect/token"
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head><body>Bad Gateway</body></html>"


@attrs.define
class Lost:
    """Calls whose answer the vendor's gateway loses after the work was done."""

    method: str
    path: str
    times: int

    def takes(self, method: str, path: str) -> bool:
        """Whether the call's answer is lost; a match is spent."""
        if self.times <= 0 or self.method not in ("*", method) or not re.search(self.path, path):
            return False
        self.times -= 1
        return True


class Api:
    """Answers requests from the state of a sandbox, and counts them by operation."""

    def __init__(self, twin: CdiscountSandbox) -> None:
        self.calls: Counter[str] = Counter()
        self.lost: list[Lost] = []
        self._twin = twin
        self._traces = 0

    def routes(self) -> Sequence[BaseRoute]:
        """The token endpoint and every address of the API."""
        table = self._table()
        return [
            Route(TOKEN_PATH, self._token, methods=["POST"]),
            *(self._route(method, path, handler) for (method, path), handler in table.items()),
            self._route(None, "/{rest:path}", _nowhere),
        ]

    def _table(self) -> Mapping[tuple[str, str], Handler]:
        twin = self._twin
        account, book, offers, packages = twin.account, twin.book, twin.offers, twin.packages
        package = "/offer-packages/{package}"
        return {
            ("GET", "/sellers"): account.seller,
            ("GET", "/sellers/subscriptions"): account.subscriptions,
            ("GET", "/sellers/addresses"): account.addresses,
            ("GET", "/sellers/indicators"): account.indicators,
            ("GET", "/sellers/delivery-modes"): account.delivery_modes,
            ("GET", "/carriers"): account.carriers,
            ("GET", "/orders"): book.page,
            ("GET", "/orders/count"): book.count,
            ("GET", "/orders/{order}"): book.get,
            ("POST", "/orders/{order}/approval-status"): book.approve,
            ("POST", "/orders/{order}/shipments"): twin.dispatch.ship,
            ("GET", "/cancellation-reasons"): twin.cancellations.reasons,
            ("POST", "/order-cancellation-requests"): twin.cancellations.ask,
            ("GET", "/order-cancellation-requests"): twin.cancellations.page,
            ("POST", "/order-partial-cancellation-requests"): twin.cancellations.ask_partly,
            ("GET", "/offers"): offers.page,
            ("GET", "/stocks"): offers.stocks,
            ("POST", "/offer-packages"): packages.create,
            ("GET", package): packages.status,
            ("PATCH", package): packages.ready,
            ("POST", f"{package}/offer-requests"): packages.fill,
            ("GET", f"{package}/offer-requests-results"): packages.results,
        }

    def _route(self, method: str | None, path: str, handler: Handler) -> Route:
        operation = f"{method or 'ANY'} {path}"

        async def answer(request: Request) -> Response:
            content = await request.body()
            with self._twin.lock:
                self.calls[operation] += 1
                made = self._respond(request, content, handler)
                if any(each.takes(request.method, request.url.path) for each in self.lost):
                    return Response(_BAD_GATEWAY, 502, self._dated(), "text/html")
                return made

        return Route(PREFIX + path, answer, methods=[method] if method else _METHODS)

    def _respond(self, request: Request, content: bytes, handler: Handler) -> Response:
        self._traces += 1
        try:
            language = self._twin.gate.check(request.headers)
            body = None
            if request.method in ("POST", "PATCH", "PUT"):
                body = read_json(content, request.headers.get("content-type", ""))
            url = request.url
            made = handler(
                Call(
                    request.path_params,
                    request.query_params,
                    request.headers,
                    body,
                    f"{url.scheme}://{url.netloc}{url.path}",
                    language,
                )
            )
            kind = "application/json; charset=utf-8"
        except Problem as problem:
            made = Answer(problem.body(trace_id(self._traces)), problem.status, problem.headers)
            kind = "application/problem+json; charset=utf-8"
        raw = b"" if made.value is None else msgspec.json.encode(made.value)
        if raw and self._twin.widened:
            raw = msgspec.json.encode(_widened(msgspec.json.decode(raw), self._twin.widened))
        return Response(raw, made.status, {**made.headers, **self._dated()}, kind if raw else None)

    async def _token(self, request: Request) -> Response:
        content = await request.body()
        kind = request.headers.get("content-type", "").split(";")[0]
        form = None
        if kind == "application/x-www-form-urlencoded":
            form = dict(parse_qsl(content.decode(errors="replace"), keep_blank_values=True))
        with self._twin.lock:
            self.calls["POST token"] += 1
            try:
                status, body, headers = 200, self._twin.gate.tokens.issue(form), {}
            except TokenRefusal as refusal:
                status, body, headers = refusal.status, refusal.body, refusal.headers
        headers = {**headers, **self._dated(), "Cache-Control": "no-store"}
        return Response(msgspec.json.encode(body), status, headers, "application/json")

    def _dated(self) -> dict[str, str]:
        return {"Date": format_datetime(self._twin.clock.now(), usegmt=True)}


def _widened(value: Any, added: dict[str, Any]) -> Any:
    """`value` with the fields `added` in every object."""
    if isinstance(value, list):
        return [_widened(each, added) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: _widened(each, added) for name, each in value.items()} | added


def _nowhere(call: Call) -> Answer:
    raise not_found("Resource")
