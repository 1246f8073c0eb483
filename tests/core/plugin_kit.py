"""An installed distribution out of nothing: a module and a real dist-info folder, for tests of loading and of commands.

`ACME` is a small connector, `Acme` the system it talks to.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from crossdock.sandbox import Sandbox, json_response

TOKEN = "acme-token-4711"


def install(
    folder: Path, name: str, source: str, *, version: str = "1.0", module: str = "", group: str = "crossdock.connectors"
) -> Path:
    """Put the distribution `name` with one entry point of that name into `folder`, and answer `folder`."""
    module = module or f"{name}_plugin"
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}\n")
    (folder / f"{module}.py").write_text(source)
    return folder


ACME = """
from datetime import datetime, timedelta
from decimal import Decimal

import attrs

from crossdock import (
    Balance, ByKeys, Check, ConnectorInfo, Endpoint, Order, OrderLine, Outcome, Page, Receipt, RecordError, Secret,
    StreamInfo, header_auth, hookimpl, setting,
)


@attrs.frozen(kw_only=True)
class Settings:
    url: str = setting("Address", where="the browser")
    token: Secret = setting("Token", help="Begins with acme-", where="Acme > Settings > Tokens",
                            check=lambda text: None if text.startswith("acme-") else "A token begins with acme-.")
    order_start: datetime | None = setting("Order start", default=None)
    warehouse: str = setting("Warehouse", default="", fact="warehouses")


def endpoint(settings):
    return Endpoint(base_url=settings.url, auth=header_auth("X-Token", settings.token))


@hookimpl
def connector_info():
    return ConnectorInfo(
        name="acme", title="Acme ERP", settings=Settings, endpoint=endpoint,
        streams={"orders": StreamInfo(minimum=timedelta(minutes=10))}, find_after=timedelta(0),
    )


@hookimpl
def verify(session):
    yield Check(name="Address", state="ok", detail=session.settings.url)
    session.http.get("/ping")
    yield Check(name="Token", state="ok", facts={"warehouses": ["MAIN", "WEST"]})


def to_order(row):
    if row["total"] == "broken":
        raise RecordError("The total is no number.", path="total", key=row["id"])
    total = Decimal(row["total"])
    line = OrderLine(key="1", sku="A-1", quantity=Decimal(1), unit_price=total, total=total)
    return Order(key=row["id"], number="N" + row["id"], status=row["status"], currency="EUR",
                 total=total + Decimal(row.get("surcharge", "0")),
                 lines=(line,), note=row.get("note", ""))


@hookimpl
def fetch_orders(session, query):
    if isinstance(query, ByKeys):
        answer = session.http.get("/orders", params={"ids": ",".join(query.keys)}).json()
    else:
        answer = session.http.get("/orders", params={"since": query.cursor or "0"}).json()
    records, rejects = [], []
    for row in answer["orders"]:
        try:
            records.append(to_order(row))
        except RecordError as error:
            rejects.append(error)
    yield Page(tuple(records), answer["next"], tuple(rejects), seen=len(answer["orders"]))


@hookimpl
def push_order(session, order, key, known):
    body = {"reference": key, "total": str(order.total), "note": order.note}
    if known is not None:
        session.http.put("/orders/" + known.external_id, json=body)
        return known
    made = session.http.post("/orders", json=body, create=True).json()
    return Receipt(external_id=made["id"], number="N" + made["id"])


@hookimpl
def find_order(session, key):
    found = session.http.get("/orders", params={"reference": key}).json()["orders"]
    return [Receipt(external_id=row["id"]) for row in found]


@hookimpl
def fetch_balance(session, query):
    rows = session.http.get("/stock").json()["stock"]
    yield Page(tuple(Balance(sku=sku, warehouse="MAIN", available=Decimal(count)) for sku, count in rows.items()), "1")


@hookimpl
def push_balance(session, balances):
    for balance in balances:
        session.http.put("/stock/" + balance.sku, json={"count": str(balance.available)})
        yield Outcome(key=balance.key, state="done", external_id=balance.sku)
"""


class Acme(Sandbox):
    """Acme's system: orders that change in sequence, and stock."""

    name = "acme"

    def __init__(self) -> None:
        super().__init__()
        self.empty()

    def empty(self) -> None:
        """As on its first day."""
        self.faults.clear()
        self.requests.clear()
        self.token = TOKEN
        self.orders: dict[str, dict[str, Any]] = {}
        self.stock: dict[str, str] = {}
        self._sequence = 0

    def order(self, key: str, total: str = "10.00", status: str = "processing", **more: str) -> None:
        """Somebody places or changes an order."""
        with self.lock:
            self._sequence += 1
            row = {"id": key, "total": total, "status": status, "at": self._sequence}
            self.orders[key] = {**self.orders.get(key, {}), **row, **more}

    def routes(self) -> Sequence[BaseRoute]:
        """Acme's paths."""
        return [
            Route("/ping", self._ping),
            Route("/orders", self._list),
            Route("/orders", self._create, methods=["POST"]),
            Route("/orders/{id}", self._change, methods=["PUT"]),
            Route("/stock", self._stock),
            Route("/stock/{sku}", self._set_stock, methods=["PUT"]),
        ]

    def state(self) -> dict[str, Any]:
        """Orders and stock."""
        return {"orders": self.orders, "stock": self.stock}

    def settings(self, base_url: str) -> dict[str, str]:
        """Settings of a working connection."""
        return {"url": base_url, "token": TOKEN}

    def _refusal(self, request: Request) -> Response | None:
        return None if request.headers.get("x-token") == self.token else json_response({"error": "bad token"}, 401)

    async def _ping(self, request: Request) -> Response:
        return self._refusal(request) or json_response({})

    async def _list(self, request: Request) -> Response:
        asked = request.query_params
        with self.lock:
            rows = sorted(self.orders.values(), key=lambda row: row["at"])
            if "ids" in asked:
                rows = [row for row in rows if row["id"] in asked["ids"].split(",")]
            if "reference" in asked:
                rows = [row for row in rows if row.get("reference") == asked["reference"]]
            rows = [row for row in rows if row["at"] > int(asked.get("since", "0"))]
            return self._refusal(request) or json_response({"orders": rows, "next": str(self._sequence)})

    async def _create(self, request: Request) -> Response:
        body = msgspec.json.decode(await request.body())
        with self.lock:
            key = str(len(self.orders) + 1)
            self.order(key, body["total"], reference=body["reference"], note=body["note"])
        return self._refusal(request) or json_response({"id": key})

    async def _change(self, request: Request) -> Response:
        body = msgspec.json.decode(await request.body())
        self.order(request.path_params["id"], body["total"], note=body["note"])
        return self._refusal(request) or json_response({})

    async def _stock(self, request: Request) -> Response:
        with self.lock:
            return self._refusal(request) or json_response({"stock": self.stock})

    async def _set_stock(self, request: Request) -> Response:
        body = msgspec.json.decode(await request.body())
        with self.lock:
            self.stock[request.path_params["sku"]] = body["count"]
        return self._refusal(request) or json_response({})
