"""The REST methods: a table of method and resource, both paging styles, and what is common to every answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote_to_bytes

import attrs
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from crossdock.sandbox import json_response
from crossdock_extendcommerce.sandbox.clock import query_date
from crossdock_extendcommerce.sandbox.fields import JsonObject, number
from crossdock_extendcommerce.sandbox.order import Order, render
from crossdock_extendcommerce.sandbox.orders import UNITS
from crossdock_extendcommerce.sandbox.refusal import DEADLOCK, NO_ROW, Refusal, during, not_found

if TYPE_CHECKING:
    from crossdock_extendcommerce.sandbox.twin import ExtendSandbox

T = TypeVar("T")
ADDED_FIELD = "aFieldAddedLater"
_PRICE_NUMBERS_MAX = 10
_COUNTRIES = {"SE": "Sverige", "DK": "Danmark", "NO": "Norge", "FI": "Finland", "DE": "Tyskland", "NL": "Nederländerna"}
_CURRENCIES = {"SEK": "Svensk krona", "DKK": "Dansk krona", "NOK": "Norsk krona", "EUR": "Euro"}
_NAMES = {
    "CustomerOrders": "customer order",
    "Products": "product",
    "Customers": "customer",
    "PurchaseOrders": "purchase order",
    "ReturnOrders": "return order",
}


@attrs.frozen
class Call:
    """One request past the gate: the id of the path, the query with lower-case names, the body."""

    key: str
    query: Mapping[str, str]
    many: Mapping[str, Sequence[str]]
    body: JsonObject


class Api:
    """Answers the vendor's methods from the state of a sandbox."""

    def __init__(self, twin: ExtendSandbox, *, page_size: int, deadlock_every: int, past_end: str) -> None:
        self.lost: dict[tuple[str, str], int] = {}  # (resource, id) whose detail still answers "no row" n times
        self._twin = twin
        self._page_size = page_size
        self._deadlock_every = deadlock_every
        self._past_end = past_end
        self._writes = 0
        self._methods = self._table()

    async def handle(self, request: Request) -> Response:
        """The one route: gate, method, answer; every answer carries the rate headers."""
        body = await request.body()
        with self._twin.lock:
            status, value, headers = self._answer(request, body)
            headers |= {"date": format_datetime(self._twin.clock.now().replace(microsecond=0), usegmt=True)}
            value = widened(value, self._twin.widened) if self._twin.widened else value
        return json_response(value, status, headers, "application/json; charset=utf-8")

    def _answer(self, request: Request, body: bytes) -> tuple[int, Any, dict[str, str]]:
        twin, path = self._twin, request.scope.get("raw_path") or request.url.path.encode()
        prefix = f"{twin.prefix}/v1_0/".encode()
        client, resource, *rest = [
            unquote_to_bytes(part).decode(errors="replace") for part in path[len(prefix) :].split(b"/")
        ] + ["", ""]
        key = "/".join(rest[:-2]) if len(rest) > 2 else ""
        group, method = self._methods.get((request.method, resource, bool(key)), ("none", None))
        allowed, headers = twin.meter.spend(resource, group)
        headers |= twin.cookies.fresh(request.cookies)
        try:
            twin.login.check(request.headers, client, request.method)
            twin.cookies.check(request.cookies)
            if not allowed:
                raise Refusal("Too many requests", 429)
            if method is None:
                raise not_found()
            call = _call(request, key, body)
            self._mishap(request.method, resource, key)
            return 200, method(call), headers
        except Refusal as refusal:
            return refusal.status, {"Message": refusal.message}, headers

    def _mishap(self, method: str, resource: str, key: str) -> None:
        """What goes wrong for no fault of the caller: deadlocks on writes, rows lost on details."""
        task = f"{'getting' if method == 'GET' else 'saving'} {_NAMES.get(resource, resource)}"
        if method == "GET" and self.lost.get((resource, key), 0) > 0:
            self.lost[resource, key] -= 1
            raise Refusal(f"Error {task}: {NO_ROW}")
        if method != "GET" and self._deadlock_every:
            self._writes += 1
            if self._writes % self._deadlock_every == 0:
                raise Refusal(f"Error {task}: {DEADLOCK}")

    def _table(self) -> dict[tuple[str, str, bool], tuple[str, Callable[[Call], Any]]]:
        """Group and method by HTTP method, resource and whether an id follows."""
        return {
            ("GET", "CustomerOrders", False): ("standard", self._orders),
            ("GET", "CustomerOrders", True): ("standard", lambda call: self._order(self._twin.book.get(call.key))),
            ("POST", "CustomerOrders", False): (
                "standard",
                lambda call: self._order(self._twin.book.create(call.body)),
            ),
            ("PUT", "CustomerOrders", True): ("standard", self._update_order),
            ("DELETE", "CustomerOrders", True): ("standard", self._delete_order),
            ("POST", "CustomerOrderATP", False): (
                "low",
                lambda call: self._order(self._twin.book.available_to_promise(call.body)),
            ),
            ("GET", "Products", False): ("standard", self._products),
            ("GET", "Products", True): ("standard", lambda call: self._added(self._twin.catalogue.detail(call.key))),
            ("POST", "Products", False): ("standard", lambda call: self._save_product(call, new=True)),
            ("PUT", "Products", False): ("standard", lambda call: self._save_product(call, new=False)),
            ("PUT", "Products", True): ("standard", lambda call: self._save_product(call, new=False)),
            ("DELETE", "Products", True): ("standard", self._delete_product),
            ("GET", "ProductAvailability", False): ("standard", self._availability),
            ("GET", "ProductPrices", False): ("standard", self._prices),
            ("GET", "Customers", False): ("standard", self._customers),
            ("GET", "Customers", True): ("standard", lambda call: self._twin.customers.detail(call.key)),
            ("POST", "Customers", False): ("standard", lambda call: self._twin.customers.create(call.body)),
            ("PUT", "Customers", True): ("standard", lambda call: self._twin.customers.update(call.key, call.body)),
            ("GET", "WarehouseStockLevels", False): ("standard", self._levels),
            ("POST", "WarehouseStockLevels", False): ("standard", lambda call: self._set_level(call, adjust=False)),
            ("PUT", "WarehouseStockLevels", False): ("standard", lambda call: self._set_level(call, adjust=True)),
            ("GET", "PurchaseOrders", False): (
                "standard",
                lambda call: self._numbered(
                    self._twin.inbounds.find_purchases(call.query), call, "purchaseOrderList", dict
                ),
            ),
            ("GET", "PurchaseOrders", True): ("standard", lambda call: self._twin.inbounds.purchase(call.key)),
            ("POST", "PurchaseOrders", False): (
                "standard",
                lambda call: self._twin.inbounds.create_purchase(call.body),
            ),
            ("PUT", "PurchaseOrders", True): ("standard", self._update_purchase),
            ("GET", "ReturnOrders", False): (
                "standard",
                lambda call: self._numbered(
                    self._twin.inbounds.find_returns(call.query), call, "returnOrderList", dict
                ),
            ),
            ("GET", "ReturnOrders", True): ("standard", lambda call: self._twin.inbounds.return_order(call.key)),
            ("POST", "ReturnOrders", False): ("standard", lambda call: self._twin.inbounds.create_return(call.body)),
            ("GET", "Countries", False): ("high", lambda call: _lookup("countryId", _COUNTRIES)),
            ("GET", "Currencies", False): ("high", lambda call: _lookup("currencyId", _CURRENCIES)),
            ("GET", "Currencies", True): ("high", self._currency),
            ("GET", "ProductUnits", False): ("high", lambda call: _lookup("unit", UNITS)),
        }

    def _order(self, order: Order) -> JsonObject:
        return render(order, added_fields=self._twin.added_fields)

    def _orders(self, call: Call) -> list[JsonObject]:
        book = self._twin.book
        return self._offset(book.search(call.query), call, book.list_row)

    def _update_order(self, call: Call) -> JsonObject:
        self._twin.book.update(call.key, call.body)
        return _success("Order updated")

    def _delete_order(self, call: Call) -> JsonObject:
        self._twin.book.delete(call.key)
        return _success("Order deleted")

    def _products(self, call: Call) -> list[JsonObject]:
        rows = self._twin.catalogue.search(call.query, _date(call, "modifieddatefrom"), _date(call, "modifieddateto"))
        return self._offset(rows, call, lambda row: self._twin.catalogue.list_row(*row))

    def _save_product(self, call: Call, *, new: bool) -> JsonObject:
        with during("Error saving product"):
            self._twin.save_product({**call.body, **({"productNumber": call.key} if call.key else {})}, new=new)
        return _success("Product created" if new else "Product updated")

    def _delete_product(self, call: Call) -> JsonObject:
        self._twin.annul_product(call.key)
        return _success("Product deleted")

    def _availability(self, call: Call) -> JsonObject:
        stock = self._twin.stock
        rows = stock.rows(
            call.query.get("productnumber") or None,
            call.query.get("warehouse") or None,
            _date(call, "modifieddatefrom"),
        )
        return self._numbered(rows, call, "productAvailabilityList", stock.availability)

    def _prices(self, call: Call) -> JsonObject:
        with during("Error getting product prices"):
            if not call.query.get("customernumber"):
                raise Refusal("customerNumber is required.")
            customer = self._twin.customers.get(call.query["customernumber"])
            numbers = call.many.get("productnumberlist")
            if numbers and len(numbers) > _PRICE_NUMBERS_MAX:
                raise Refusal(f"productNumberList may hold {_PRICE_NUMBERS_MAX} numbers at the most.")
        rows = self._twin.catalogue.prices(numbers, call.query.get("currency"), customer.discount)
        return self._numbered(rows, call, "productPriceItemList", dict)

    def _customers(self, call: Call) -> JsonObject:
        customers = self._twin.customers
        rows = customers.search(call.query, _date(call, "changedafterdate"))
        return self._numbered(rows, call, "customerList", customers.list_row)

    def _levels(self, call: Call) -> JsonObject:
        stock = self._twin.stock
        rows = stock.rows(call.query.get("productnumber") or None, call.query.get("warehouse") or None)
        return self._numbered(rows, call, "stockLevelItemList", stock.level)

    def _set_level(self, call: Call, *, adjust: bool) -> JsonObject:
        with during("Error saving stock level"):
            amount = number(call.body.get("balanceDifference" if adjust else "balance"))
            if amount is None:
                raise Refusal(f"{'balanceDifference' if adjust else 'balance'} is required.")
            place = str(call.body.get("productNumber")), str(call.body.get("warehouse"))
            self._twin.move_stock(*place, amount, adjust=adjust)
        return _success("Stock level updated")

    def _update_purchase(self, call: Call) -> JsonObject:
        self._twin.inbounds.update_purchase(call.key, call.body)
        return _success("Purchase order updated")

    def _currency(self, call: Call) -> JsonObject:
        if call.key not in _CURRENCIES:
            raise not_found()
        return {"currencyId": call.key, "name": _CURRENCIES[call.key]}

    def _added(self, value: JsonObject) -> JsonObject:
        return value | {ADDED_FIELD: "ignore me"} if self._twin.added_fields else value

    def _shown(self, value: JsonObject) -> JsonObject:
        return self._added(value) | self._twin.bent.get(str(value.get("productNumber")), {})

    def _offset(self, rows: Sequence[T], call: Call, row: Callable[[T], JsonObject]) -> list[JsonObject]:
        """The bare-array style: pageOffset counts pages from 0, and a page past the end is a 400."""
        size, page = _whole(call, "pagecount", 100, least=1), _whole(call, "pageoffset", 0, least=0)
        chosen = rows[page * size : (page + 1) * size]
        if page and not chosen and self._past_end == "error":
            raise Refusal("The requested page does not exist.")
        return [row(each) for each in chosen]

    def _numbered(self, rows: Sequence[T], call: Call, name: str, row: Callable[[T], JsonObject]) -> JsonObject:
        """The paginationInfo style: pageNumber counts from 1, and a page past the end is a 400."""
        size, page = self._page_size, _whole(call, "pagenumber", 1, least=1)
        pages = math.ceil(len(rows) / size)
        if page > max(1, pages):
            raise Refusal("The requested page does not exist.")
        return {
            name: [self._shown(row(each)) for each in rows[(page - 1) * size : page * size]],
            "paginationInfo": {
                "currentPage": page,
                "totalPages": pages,
                "pageSize": size,
                "totalResources": len(rows),
                "message": None,
            },
        }


def _call(request: Request, key: str, body: bytes) -> Call:
    """The request taken apart. Raises `Refusal` for a body that is no JSON object."""
    many: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        many.setdefault(name.lower(), []).append(value)
    parsed: Any = {}
    if request.method in ("POST", "PUT"):
        if "json" not in request.headers.get("content-type", ""):
            raise Refusal("The request entity's media type is not supported for this resource.", 415)
        try:
            parsed = msgspec.json.decode(body)
        except msgspec.DecodeError as error:
            raise Refusal("The request is invalid.") from error
        if not isinstance(parsed, dict):
            raise Refusal("The request is invalid.")
    return Call(key, {name: values[0] for name, values in many.items()}, many, parsed)


def _date(call: Call, name: str) -> datetime | None:
    return query_date(call.query[name]) if call.query.get(name) else None


def _whole(call: Call, name: str, default: int, *, least: int) -> int:
    text = call.query.get(name, str(default))
    if not text.isascii() or not text.isdigit() or int(text) < least:
        raise Refusal("The request is invalid.")
    return int(text)


def widened(value: Any, added: JsonObject) -> Any:
    """`value` with the fields `added` in every object."""
    if isinstance(value, list):
        return [widened(each, added) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: widened(each, added) for name, each in value.items()} | added


def _success(message: str) -> JsonObject:
    return {"Message": message, "Information": ""}


def _lookup(name: str, values: Mapping[str, str]) -> list[JsonObject]:
    """A look-up list. Only the field names of Countries are documented; the others follow them."""
    return [{name: key, "name": text} for key, text in values.items()]
