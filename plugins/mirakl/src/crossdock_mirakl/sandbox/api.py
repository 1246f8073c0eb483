"""The vendor's operations by path, and what is common to every answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import attrs
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from crossdock_mirakl.sandbox import platform
from crossdock_mirakl.sandbox.clock import parsed_date, seconds_date
from crossdock_mirakl.sandbox.imports import Job
from crossdock_mirakl.sandbox.offer import Product, export_view
from crossdock_mirakl.sandbox.query import Query, offset_page, seek_page
from crossdock_mirakl.sandbox.refusal import Refusal
from crossdock_mirakl.sandbox.wire import JsonObject, csv_text, json_answer, json_body, upload, widened

if TYPE_CHECKING:
    from crossdock_mirakl.sandbox.shop import Shop
    from crossdock_mirakl.sandbox.twin import MiraklSandbox

EXPORT_TYPES = ("application/json", "text/csv")
_CSV = "text/csv;charset=UTF-8"


@attrs.frozen
class Call:
    """One request past the gate."""

    shop: Shop
    query: Query
    path: Mapping[str, str]
    url: str
    root: str
    content_type: str
    body: bytes

    @property
    def json(self) -> JsonObject:
        """The object of the body. Raises `Refusal`."""
        return json_body(self.body, self.content_type)


@attrs.frozen
class Answer:
    """What an operation answers: JSON, or text of another kind."""

    value: Any = None
    status: int = 200
    headers: Mapping[str, str] = attrs.field(factory=dict)
    text: str | None = None


Operation = Callable[[Call], Answer]
_DONE = Answer(status=204)


class Api:
    """Answers the vendor's operations from the state of a sandbox."""

    def __init__(self, twin: MiraklSandbox) -> None:
        self._twin = twin

    def routes(self) -> list[BaseRoute]:
        """A route for each operation, and one for the addresses that are none."""
        found: list[BaseRoute] = [
            Route(path, self._endpoint(code, operation), methods=[method])
            for code, method, path, operation in self._table()
        ]
        files = Route("/export-files/{tracking_id}", self._endpoint("FILE", self._file, public=True))
        every = ["GET", "POST", "PUT", "DELETE", "PATCH"]
        return [*found, files, Route("/api/{rest:path}", self._endpoint("", _nowhere), methods=every)]

    def _endpoint(self, code: str, operation: Operation, *, public: bool = False) -> Any:
        async def endpoint(request: Request) -> Response:
            body = await request.body()
            with self._twin.lock:
                return self._answer(code, operation, request, body, public=public)

        return endpoint

    def _answer(self, code: str, operation: Operation, request: Request, body: bytes, *, public: bool) -> Response:
        twin, query = self._twin, Query(request.query_params.multi_items())
        date = {"date": format_datetime(twin.clock.now(), usegmt=True)}
        try:
            if public:
                shop_id = twin.door.default_shop
            else:
                twin.door.check(request.headers.get("authorization", ""), request.method)
                shop_id = twin.door.shop(query)
            twin.meter.spend(code, shop_id, query)
            root = str(request.base_url).rstrip("/")
            call = Call(
                twin.shops[shop_id], query, request.path_params, root + request.url.path, root,
                request.headers.get("content-type", ""), body,
            )  # fmt: skip
            answer = operation(call)
        except Refusal as refusal:
            return json_answer(refusal.body, refusal.status, {**date, **refusal.headers})
        headers = {**date, **answer.headers}
        if answer.text is not None:
            return Response(answer.text, answer.status, headers, _CSV)
        if answer.status == 204:
            return Response(None, 204, headers)
        value = widened(answer.value, twin.widened) if twin.widened else answer.value
        return json_answer(value, answer.status, headers)

    def _table(self) -> list[tuple[str, str, str, Operation]]:
        """Code, HTTP method, path and what answers."""
        orders, order, offers, shipments = "/api/orders", "/api/orders/{order_id}", "/api/offers", "/api/shipments"
        stock, pricing = f"{offers}/stock/imports", f"{offers}/pricing/imports"
        return [
            ("A01", "GET", "/api/account", self._account),
            ("PC01", "GET", "/api/platform/configuration", lambda c: Answer(platform.configuration(self._options(c)))),
            ("V01", "GET", "/api/version", lambda c: Answer({"version": "3.460.0"})),
            ("CH11", "GET", "/api/channels", lambda c: Answer(platform.channels(c.shop.offers.terms.channels))),
            ("SH21", "GET", "/api/shipping/carriers", lambda c: Answer({"carriers": list(platform.CARRIERS)})),
            ("RE01", "GET", "/api/reasons", lambda c: Answer(_counted("reasons", list(platform.REASONS)))),
            ("OR11", "GET", orders, self._orders),
            ("OR04", "PUT", orders, lambda c: Answer(c.shop.book.set_references(c.json))),
            ("OR13", "POST", f"{orders}/async-export", self._export_orders),
            ("OR14", "GET", f"{orders}/async-export/status/{{tracking_id}}", lambda c: self._export_status(c, "OR13")),
            ("OR28", "PUT", f"{orders}/refund", lambda c: Answer(c.shop.adjustments.refund(c.json))),
            ("OR30", "PUT", f"{orders}/cancel", lambda c: Answer(c.shop.adjustments.cancel(c.json))),
            ("OR21", "PUT", f"{order}/accept", self._accept),
            ("OR23", "PUT", f"{order}/tracking", self._track),
            ("OR24", "PUT", f"{order}/ship", self._ship),
            ("OR29", "PUT", f"{order}/cancel", self._cancel),
            ("ST01", "POST", shipments, lambda c: Answer(c.shop.shipments.create(c.json), 201)),
            ("ST11", "GET", shipments, lambda c: Answer(c.shop.shipments.page(c.query))),
            ("ST12", "GET", f"{shipments}/items_to_ship", lambda c: Answer(c.shop.shipments.items_to_ship(c.query))),
            ("ST23", "POST", f"{shipments}/tracking", lambda c: Answer(c.shop.shipments.set_tracking(c.json))),
            ("ST24", "PUT", f"{shipments}/ship", lambda c: Answer(c.shop.shipments.ship(c.json))),
            ("OF21", "GET", offers, self._offers),
            ("OF24", "POST", offers, self._import_offers),
            ("OF02", "GET", f"{offers}/imports/{{import_id}}", self._offer_import),
            ("OF03", "GET", f"{offers}/imports/{{import_id}}/error_report", self._offer_report),
            ("OF52", "POST", f"{offers}/export/async", self._export_offers),
            ("OF53", "GET", f"{offers}/export/async/status/{{tracking_id}}", lambda c: self._export_status(c, "OF52")),
            ("STO01", "POST", stock, self._import_stock),
            ("STO02", "GET", f"{stock}/{{import_id}}/status", self._stock_status),
            ("STO03", "GET", f"{stock}/{{import_id}}/error_report", lambda c: self._report(c, "STO01")),
            ("PRI01", "POST", pricing, self._import_prices),
            ("PRI02", "GET", pricing, self._price_imports),
            ("PRI03", "GET", f"{pricing}/{{import_id}}/error_report", lambda c: self._report(c, "PRI01")),
            ("OF22", "GET", f"{offers}/{{offer}}", lambda c: Answer(self._view_offer(c))),
            ("P31", "GET", "/api/products", self._products),
        ]

    def _options(self, call: Call) -> platform.Options:
        return call.shop.book.options

    def _account(self, call: Call) -> Answer:
        shop = call.shop
        counts = len(shop.offers.alive()), len(shop.book.orders)
        created = seconds_date(shop.created)
        return Answer(
            platform.account(shop.shop_id, shop.name, shop.state, created, shop.offers.terms.channels, counts)
        )

    # Orders

    def _orders(self, call: Call) -> Answer:
        book, mode = call.shop.book, call.query.text("order_tax_mode")
        found = book.search(call.query)
        page, headers = offset_page(call.query, found, call.url)
        return Answer({"orders": [book.view(each, mode) for each in page], "total_count": len(found)}, headers=headers)

    def _accept(self, call: Call) -> Answer:
        call.shop.book.accept(call.path["order_id"], call.json)
        return _DONE

    def _track(self, call: Call) -> Answer:
        call.shop.book.track(call.path["order_id"], call.json)
        return _DONE

    def _ship(self, call: Call) -> Answer:
        call.shop.book.ship(call.path["order_id"])
        return _DONE

    def _cancel(self, call: Call) -> Answer:
        call.shop.book.cancel(call.path["order_id"])
        return _DONE

    def _export_orders(self, call: Call) -> Answer:
        request, book = call.json, call.shop.book
        if not (request.get("start_date") or request.get("start_update_date")):
            raise Refusal("A date range is required: start_date or start_update_date")
        export = call.shop.exports.start("OR13", request, lambda: book.export(request), one_at_a_time=True)
        return Answer({"tracking_id": export.tracking_id})

    def _export_status(self, call: Call, operation: str) -> Answer:
        files = f"{call.root}/export-files"
        return Answer(call.shop.exports.status(operation, call.path["tracking_id"], files))

    def _file(self, call: Call) -> Answer:
        """OR15 and OF54: the address is all that is needed, no key."""
        key, index = call.path["tracking_id"], call.query.whole("file", 0, least=0)
        shop = next((each for each in self._twin.shops.values() if key in each.exports.known), call.shop)
        export, rows = shop.exports.file(key, index)
        if export.operation == "OF52" and export.request.get("export_type") == "text/csv":
            return Answer(text=_offer_table(rows, self._options(call).separator))
        return Answer(rows)

    # Offers

    def _offers(self, call: Call) -> Answer:
        offers, channel = call.shop.offers, call.query.text("pricing_channel_code")
        found = offers.search(call.query)
        page, headers = offset_page(call.query, found, call.url)
        return Answer(
            {"offers": [offers.view(each, channel) for each in page], "total_count": len(found)}, headers=headers
        )

    def _view_offer(self, call: Call) -> JsonObject:
        return call.shop.offers.view(call.shop.offers.get(call.path["offer"]))

    def _import_offers(self, call: Call) -> Answer:
        items, offers = call.json.get("offers"), call.shop.offers
        if not isinstance(items, list) or not items or not all(isinstance(each, dict) for each in items):
            raise Refusal("offers must not be empty", code="VALIDATION_ERROR", field="offers")
        job = call.shop.imports.start("OF24", call.body, lambda: offers.import_offers(items, self._twin.products))
        location = {"location": f"{call.root}/api/offers/imports/{job.import_id}"}
        return Answer({"import_id": int(job.import_id)}, 201, location)

    def _offer_import(self, call: Call) -> Answer:
        imports = call.shop.imports
        job = imports.ask(imports.get("OF24", call.path["import_id"]))
        return Answer(imports.offer_status(job, len(_sent_offers(job))))

    def _offer_report(self, call: Call) -> Answer:
        imports, columns = call.shop.imports, ("shop_sku", "product_id", "product_id_type", "price", "quantity")
        job = imports.get("OF24", call.path["import_id"])
        sent = _sent_offers(job)
        rows = [
            [
                *(str(sent[each.number - 1].get(name, "")) for name in columns),
                str(each.number),
                each.error,
            ]
            for each in imports.reported(job)
        ]
        head = ["sku", "product-id", "product-id-type", "price", "quantity", "error-line", "error-message"]
        return Answer(text=csv_text([head, *rows], imports.delimiter, quoted=True))

    def _import_stock(self, call: Call) -> Answer:
        content, imports = upload(call.body, call.content_type), call.shop.imports
        job = imports.start_file("STO01", content, call.shop.offers.import_stock)
        return Answer({"import_id": job.import_id}, 201, {"location": f"{call.url}/{job.import_id}/status"})

    def _stock_status(self, call: Call) -> Answer:
        imports = call.shop.imports
        return Answer(imports.stock_status(imports.ask(imports.get("STO01", call.path["import_id"]))))

    def _import_prices(self, call: Call) -> Answer:
        content, imports = upload(call.body, call.content_type), call.shop.imports
        job = imports.start_file("PRI01", content, call.shop.offers.import_prices)
        both = {"import_id": job.import_id, "importId": job.import_id}
        return Answer(both, 201, {"location": f"{call.url}?import_id={job.import_id}"})

    def _price_imports(self, call: Call) -> Answer:
        imports = call.shop.imports

        def find(query: Query) -> list[Job]:
            wanted, states = query.items("import_id"), query.items("status")
            since, until = query.date("start_date"), query.date("end_date")
            return [
                each
                for each in imports.jobs.values()
                if each.operation == "PRI01"
                and (not wanted or each.import_id in wanted)
                and (not states or each.status in states)
                and (since is None or each.created >= since)
                and (until is None or each.created <= until)
            ]

        return Answer(
            seek_page(
                call.query, find, lambda each: f"{each.created.isoformat()} {each.import_id}",
                lambda each: imports.price_status(imports.ask(each)), descending=True,
            )
        )  # fmt: skip

    def _report(self, call: Call, operation: str) -> Answer:
        imports = call.shop.imports
        return Answer(text=imports.report(imports.get(operation, call.path["import_id"])))

    def _export_offers(self, call: Call) -> Answer:
        request, shop, clock = call.json, call.shop, self._twin.clock
        if request.get("export_type", EXPORT_TYPES[1]) not in EXPORT_TYPES:
            raise Refusal("Invalid value for the field : export_type", code="VALIDATION_ERROR", field="export_type")
        text = request.get("last_request_date")
        since = parsed_date(str(text), "last_request_date") if text else None
        inactive = bool(request.get("include_inactive_offers")) or since is not None

        def made() -> list[JsonObject]:
            now, terms = clock.now(), shop.offers.terms
            return [
                export_view(each, now, list(terms.channels), terms.currency, (shop.shop_id, shop.name))
                | shop.offers.bent.get(each.sku, {})
                for each in shop.offers.known.values()
                if (each.updated >= since if since else not each.deleted)
                and (inactive or each.deleted or not each.inactivity(now))
            ]

        kept = {**request, "export_type": request.get("export_type", EXPORT_TYPES[1])}
        return Answer({"tracking_id": shop.exports.start("OF52", kept, made, one_at_a_time=False).tracking_id})

    def _products(self, call: Call) -> Answer:
        wanted = call.query.items("product_references")
        if not wanted:
            raise Refusal("Required parameter 'product_references' is not present")
        found = [_product(each, kind) for text in wanted for kind, each in self._referenced(text)]
        return Answer(_counted("products", found))

    def _referenced(self, text: str) -> list[tuple[str, Product]]:
        kind, bar, key = text.partition("|")
        if not bar:
            raise Refusal("Invalid value for the parameter : product_references")
        known: Mapping[str, Callable[[Product], str]] = {"EAN": lambda p: p.ean, "SHOP_SKU": lambda p: p.sku}
        read = known.get(kind)
        return [(kind, each) for each in self._twin.products if read is not None and read(each) == key]


def _nowhere(call: Call) -> Answer:
    raise Refusal("Not Found", 404)


def _counted(name: str, rows: list[JsonObject]) -> JsonObject:
    return {name: rows, "total_count": len(rows)}


def _sent_offers(job: Job) -> list[JsonObject]:
    """The offers of a body of OF24; it was read once before."""
    offers: list[JsonObject] = json_body(job.content, "application/json")["offers"]
    return offers


def _product(product: Product, kind: str) -> JsonObject:
    return {
        "category_code": product.category,
        "category_label": product.category_label,
        "product_id": product.ean if kind == "EAN" else product.sku,
        "product_id_type": kind,
        "product_sku": product.sku,
        "product_title": product.title,
    }


def _offer_table(rows: list[Any], separator: str) -> str:
    """The CSV file of an export of offers, with the columns that describe its only price."""
    names = (
        "offer_id",
        "product_sku",
        "quantity",
        "state_code",
        "shop_id",
        "shop_name",
        "active",
        "deleted",
        "shop_sku",
    )
    head = [*(each.replace("_", "-") for each in names), "price", "date-created", "last-updated"]
    table = [
        [
            *(_cell(row[name]) for name in names),
            str(row["prices"][0].get("discount_price", row["prices"][0]["origin_price"])),
            row["date_created"],
            row["last_updated"],
        ]
        for row in rows
    ]
    return csv_text([head, *table], separator)


def _cell(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
