"""The desk of the stall: what may be written to it, and what people do there then."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from crossdock import Balance, Customer, Order, OrderLine, Price, Shipment, WebhookRequest, evolve
from crossdock.sandbox import Rehearsal, Sandbox, json_response

WEBHOOK_SECRET = "stall-webhook-0815"
PRODUCTS = tuple(f"S-{number}" for number in range(1, 41))
LIMIT = Decimal(5000)


class Refused(Exception):
    """The desk refuses: status and body."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


class Desk(Sandbox):
    """Orders with references, shipments, decisions, stock at once, prices by import jobs, customers."""

    orders: dict[str, dict[str, Any]]

    def __init__(self) -> None:
        super().__init__()
        self.webhook_secret = WEBHOOK_SECRET
        self.forms: dict[str, dict[str, Any]] = {}
        self.parcels: dict[str, list[str]] = {}
        self.stock = dict.fromkeys(PRODUCTS, Decimal(1))
        self.prices = dict.fromkeys(PRODUCTS, Decimal("1.00"))
        self.jobs: dict[str, dict[str, Any]] = {}
        self.customers: dict[str, dict[str, Any]] = {}
        self.failing = ""

    def put(self, key: str, changed: datetime, **fields: Any) -> None:
        """Somebody places or changes an order."""
        raise NotImplementedError

    def now(self) -> datetime:
        """The shop's clock."""
        raise NotImplementedError

    def desk(self) -> Sequence[BaseRoute]:
        """The paths for writing."""
        paths: Mapping[str, Callable[[Request, Any], Any]] = {
            "POST /orders": self._create, "PUT /orders/{id}": self._change, "POST /orders/{id}/cancel": self._cancel,
            "POST /orders/{id}/accept": self._accept, "GET /orders/{id}/accept": self._decision,
            "POST /orders/{id}/shipments": self._ship, "GET /orders/{id}/shipments": self._shipped,
            "POST /stock": self._stock, "POST /prices": self._import, "GET /jobs/{id}": self._job,
            "PUT /customers/{id}": self._customer,
        }  # fmt: skip
        return [Route(each.split()[1], self._door(act), methods=[each.split()[0]]) for each, act in paths.items()]

    def answer(self, request: Request, value: Any, status: int = 200) -> Response:
        """An answer, if the token is right."""
        raise NotImplementedError

    def _door(self, act: Callable[[Request, Any], Any]) -> Callable[[Request], Any]:
        async def door(request: Request) -> Response:
            body = await request.body()
            if self.answer(request, {}).status_code != 200:
                return self.answer(request, {})
            try:
                with self.lock:
                    return self.answer(request, act(request, json.loads(body) if body else None))
            except Refused as refused:
                return json_response(refused.body, refused.status)

        return door

    # -- what the paths do

    def _create(self, request: Request, body: Any) -> Any:
        key = request.headers.get("idempotency-key")
        same = [each for each, form in self.forms.items() if key and form["reference"] == key]
        return {"id": same[0] if same else self.place(body)}

    def place(self, body: Any) -> str:
        """Somebody places an order of our products."""
        strange = [line["sku"] for line in body["lines"] if line["sku"] not in self.stock]
        if strange:
            raise Refused(422, {"code": "unknown_product", "sku": strange[0], "message": f"No product {strange[0]}."})
        if Decimal(body["total"]) > LIMIT:
            raise Refused(422, {"message": "The credit limit is exceeded."})
        number = str(len(self.orders) + 1)
        self.put(number, self.now(), total=body["total"])
        self.forms[number] = {**body, "state": "open", "accepted": None}
        return number

    def _form(self, request: Request) -> dict[str, Any]:
        form = self.forms.get(request.path_params["id"])
        if form is None:
            raise Refused(404, {"message": "There is no such order."})
        return form

    def _change(self, request: Request, body: Any) -> Any:
        self._form(request).update(body)
        self.put(request.path_params["id"], self.now(), total=body["total"])
        return {"id": request.path_params["id"]}

    def _cancel(self, request: Request, body: Any) -> Any:
        form = self._form(request)
        if form["state"] == "gone":
            raise Refused(409, {"message": "It has left the house."})
        form["state"] = "cancelled"
        return {}

    def _accept(self, request: Request, body: Any) -> Any:
        form = self._form(request)
        if form["accepted"] is not None:
            raise Refused(409, {"message": "It is decided already."})
        form["accepted"] = body["accepted"]
        return {}

    def _decision(self, request: Request, body: Any) -> Any:
        return {"accepted": self._form(request)["accepted"]}

    def _ship(self, request: Request, body: Any) -> Any:
        self._form(request)
        self.parcels.setdefault(request.path_params["id"], []).append(body["number"])
        return {"id": body["number"]}

    def _shipped(self, request: Request, body: Any) -> Any:
        return [{"number": each} for each in self.parcels.get(request.path_params["id"], [])]

    def _stock(self, request: Request, body: Any) -> Any:
        return [self._stored(self.stock, row["sku"], Decimal(row["quantity"])) for row in body]

    def _stored(self, shelf: dict[str, Decimal], sku: str, value: Decimal) -> dict[str, Any]:
        if sku not in shelf:
            return {"sku": sku, "error": "unknown_product"}
        if value > LIMIT:
            return {"sku": sku, "error": "That is more than the shelf holds."}
        shelf[sku] = value
        return {"sku": sku, "error": None}

    def _import(self, request: Request, body: Any) -> Any:
        job = f"J{len(self.jobs) + 1}"
        self.jobs[job] = {"state": "running", "rows": body, "items": [], "failing": self.failing}
        self.failing = ""
        return {"job": job}

    def _job(self, request: Request, body: Any) -> Any:
        job = self.jobs[request.path_params["id"]]
        return {"state": job["state"], "items": job["items"], "message": job["failing"]}

    def work_off(self) -> None:
        """The import jobs are done."""
        for job in self.jobs.values():
            if job["state"] == "running" and job["failing"]:
                job["state"] = "failed"
            elif job["state"] == "running":
                job["items"] = [self._stored(self.prices, row["sku"], Decimal(row["amount"])) for row in job["rows"]]
                job["state"] = "done"

    def _customer(self, request: Request, body: Any) -> Any:
        self.customers[request.path_params["id"]] = body
        return {"id": request.path_params["id"]}


class DeskRehearsal(Rehearsal):
    """What people do at the desk."""

    stall: Any
    made = 0

    def make(self, stream: str, count: int) -> Sequence[Any]:
        """Records of elsewhere."""
        return [self._made(stream) for _ in range(count)]

    def _made(self, stream: str) -> Any:
        DeskRehearsal.made += 1
        number, sku = DeskRehearsal.made, PRODUCTS[DeskRehearsal.made % len(PRODUCTS)]
        if stream == "balance":
            return Balance(sku=sku, available=Decimal(number % 900 + 2))
        if stream == "prices":
            return Price(sku=sku, amount=Decimal(f"{number % 900 + 2}.19"), currency="EUR")
        if stream == "customers":
            return Customer(key=f"K{number}", name=f"Customer {number}", email=f"k{number}@shop.example")
        total = Decimal(f"{number % 900}.{number % 9 + 1}{number % 8 + 1}")
        line = OrderLine(key="1", sku=sku, quantity=Decimal(1), unit_price=total, total=total)
        return Order(
            key=f"A{number}x", number=f"A{number}x", currency="EUR", lines=(line,), total=total, note="As usual"
        )

    def change(self, record: Any) -> Any:
        """Somebody changes it."""
        if isinstance(record, Order):
            return evolve(record, note="Ring twice")
        return evolve(record, name="Another name") if isinstance(record, Customer) else super().change(record)

    def refused(self, stream: str) -> tuple[Any, str]:
        """More than there may be."""
        record = self._made(stream)
        if stream == "balance":
            return evolve(record, available=LIMIT + 1), "more than the shelf holds"
        if stream == "prices":
            return evolve(record, amount=LIMIT + 1), "more than the shelf holds"
        return evolve(record, total=LIMIT + 1), "credit limit"

    def created(self, stream: str, key: str) -> Sequence[str]:
        """By reference."""
        if stream == "customers":
            return [each for each in self.stall.customers if each == key]
        return [each for each, form in self.stall.forms.items() if form["reference"] == key]

    def written(self, stream: str, key: str) -> Mapping[str, Any]:
        """What the shelves and forms say."""
        if stream == "balance":
            return {"available": self.stall.stock[key.partition("|")[0]]}
        if stream == "prices":
            return {"amount": self.stall.prices[key.partition("|")[0]]}
        if stream == "customers":
            return {"name": self.stall.customers[key]["name"]}
        form = self.stall.forms[key]
        return {"total": Decimal(form["total"]), "note": form["note"], "lines.0.sku": form["lines"][0]["sku"]}

    def double(self, key: str) -> None:
        """Somebody copies an order."""
        self.stall.place(dict(self.stall.forms[self.created("orders", key)[0]]))

    def cancelled(self, external_id: str) -> bool:
        """By its state."""
        return bool(self.stall.forms[external_id]["state"] == "cancelled")

    def finish(self, external_id: str) -> None:
        """It leaves."""
        self.stall.forms[external_id]["state"] = "gone"

    def waiting_order(self) -> Order:
        """A customer's order."""
        made = self._made("orders")
        lines = [{"sku": made.lines[0].sku}]
        key = self.stall.place({"reference": "", "lines": lines, "total": str(made.total), "note": ""})
        return evolve(made, key=key, number=key)

    def decided(self, key: str) -> bool | None:
        """By its form."""
        said: bool | None = self.stall.forms[key]["accepted"]
        return said

    def shipment(self) -> tuple[Order, Shipment]:
        """A parcel."""
        order = self.waiting_order()
        parcel = Shipment(
            key=f"P{order.key}", order_key=order.key, carrier="post", tracking_number=f"RR{order.key}NL",
            shipped_at=datetime(2026, 1, 2, tzinfo=UTC),
        )  # fmt: skip
        return order, parcel

    def reported(self, key: str) -> Sequence[str]:
        """By order."""
        return list(self.stall.parcels.get(key, []))

    def finish_jobs(self) -> None:
        """They are done."""
        self.stall.work_off()

    def fail_job(self) -> str:
        """The importer is out of order."""
        self.stall.failing = "The importer ran out of paper."
        return "out of paper"

    def set_secret(self, name: str, value: str) -> None:
        """Somebody changes it."""
        setattr(self.stall, name, value)

    def webhook(self, stream: str, key: str) -> WebhookRequest:
        """An order has changed."""
        return self.sign(json.dumps({"order": key, "changed": self.stall.orders[key]["changed"]}).encode())

    def sign(self, body: bytes) -> WebhookRequest:
        """HMAC in hexadecimal digits."""
        digest = hmac.new(self.stall.webhook_secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {"content-type": "application/json", "x-stall-signature": digest}
        return WebhookRequest(method="POST", headers=headers, query={}, body=body)
