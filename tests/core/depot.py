"""A system that can be shop and ERP at once: orders, shipments, stock, prices, customers, and import jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from crossdock.sandbox import Sandbox, json_response

TOKEN = "depot-token-0815"
STREAMS = ("orders", "shipments", "balance", "prices", "customers")


class Depot(Sandbox):
    """Rows of a stream change in sequence (`at`), as a feed. `unknown` are the SKUs that it refuses."""

    name = "depot"

    def __init__(self) -> None:
        super().__init__()
        self.begin()

    def begin(self) -> None:
        """Forget everything: a new test."""
        self.faults.clear()
        self.requests.clear()
        self.token = TOKEN
        self.rows: dict[str, dict[str, dict[str, Any]]] = {stream: {} for stream in STREAMS}
        self.reports: list[dict[str, Any]] = []
        self.published: dict[str, str] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.unknown: set[str] = set()
        self.decisions: list[tuple[str, bool]] = []
        self._sequence = 0

    @property
    def orders(self) -> dict[str, dict[str, Any]]:
        """The orders by id."""
        return self.rows["orders"]

    def put(self, stream: str, key: str, **fields: Any) -> None:
        """Somebody makes or changes a row."""
        with self.lock:
            self._sequence += 1
            self.rows[stream][key] = {**self.rows[stream].get(key, {}), **fields, "id": key, "at": self._sequence}

    def order(self, key: str, total: str = "10.00", status: str = "processing", **fields: Any) -> None:
        """Somebody places or changes an order."""
        self.put("orders", key, total=total, status=status, **fields)

    def stock(self, **counts: int | str) -> None:
        """Somebody counts stock: how many of each SKU there are."""
        for sku, count in counts.items():
            self.put("balance", sku, count=str(count))

    def references(self) -> list[str]:
        """The keys under which orders were created here, sorted, twins included."""
        return sorted(row["reference"] for row in self.orders.values() if "reference" in row)

    def writes(self, path: str = "") -> list[str]:
        """Writing requests that arrived, as ``POST /orders``."""
        return [f"{each['method']} {each['path']}" for each in self.requests
                if each["method"] != "GET" and path in each["path"]]  # fmt: skip

    def finish(self, job: str, **states: str) -> None:
        """An import job ends; `states` are what became of keys, everything else is done."""
        with self.lock:
            self.jobs[job]["finished"] = True
            self.jobs[job]["rows"] = [
                {"key": key, "state": states.get(key, "done")}
                for key in self.jobs[job]["given"]
                if states.get(key) != "missing"
            ]

    def routes(self) -> Sequence[BaseRoute]:
        """The paths."""
        routes: list[tuple[str, str, Callable[..., Any]]] = [
            ("/ping", "GET", lambda request, body: {}),
            ("/orders", "POST", self._create),
            ("/orders/{id}", "PUT", self._change),
            ("/orders/{id}/decision", "POST", self._decide),
            ("/orders/{id}/status", "PUT", self._status),
            ("/orders/{id}/reports", "GET", self._reports),
            ("/orders/{id}/reports", "POST", self._report),
            ("/customers/{id}", "PUT", self._customer),
            ("/statuses", "PUT", self._statuses),
            ("/published", "POST", self._publish),
            ("/imports", "POST", self._submit),
            ("/imports/{id}", "GET", lambda request, body: self.jobs[request.path_params["id"]]),
            ("/{stream}", "GET", self._list),
        ]
        return [Route(path, self._answering(work), methods=[method]) for path, method, work in routes]

    def state(self) -> dict[str, Any]:
        """Everything."""
        return {"rows": self.rows, "reports": self.reports, "published": self.published, "jobs": self.jobs,
                "decisions": self.decisions}  # fmt: skip

    def settings(self, base_url: str) -> dict[str, str]:
        """Settings of a working connection."""
        return {"url": base_url, "token": TOKEN}

    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """What people do here."""
        return {"order": self._act}

    def _act(self, **fields: Any) -> dict[str, Any]:
        self.order(**fields)
        return {}

    def _answering(self, work: Callable[[Request, Any], Any]) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            if request.headers.get("x-token") != self.token:
                return json_response({"message": "bad token"}, 401)
            try:
                raw = await request.body()
            except ClientDisconnect:  # who asked was killed: nobody reads this
                return json_response({}, 400)
            with self.lock:
                found = work(request, msgspec.json.decode(raw) if raw else None)
            return found if isinstance(found, Response) else json_response(found)

        return answer

    def _list(self, request: Request, body: Any) -> Any:
        asked = request.query_params
        rows = sorted(self.rows[request.path_params["stream"]].values(), key=lambda row: row["at"])
        if "ids" in asked:
            return {"rows": [row for row in rows if row["id"] in asked["ids"].split(",")]}
        if "reference" in asked:
            return {"rows": [row for row in rows if row.get("reference") == asked["reference"]]}
        return {"rows": [row for row in rows if row["at"] > int(asked["since"])][: int(asked["limit"])]}

    def _create(self, request: Request, body: Any) -> Any:
        if body["sku"] in self.unknown:
            return json_response({"message": "unknown sku"}, 422)
        key = str(1000 + len(self.orders))
        self.order(key, **body)
        return {"id": key}

    def _change(self, request: Request, body: Any) -> Any:
        self.order(request.path_params["id"], **body)
        return {}

    def _decide(self, request: Request, body: Any) -> Any:
        key = request.path_params["id"]
        if key in self.unknown:
            return json_response({"message": "it is decided already"}, 422)
        self.decisions.append((key, body["accept"]))
        self.order(key, waits=False, status="processing" if body["accept"] else "cancelled")
        return {}

    def _status(self, request: Request, body: Any) -> Any:
        self.put("orders", request.path_params["id"], shown=body["status"])
        return {}

    def _statuses(self, request: Request, body: Any) -> Any:
        rows = []
        for key, status in body.items():
            if key in self.unknown:
                rows.append({"key": key, "state": "rejected", "message": "it is closed"})
            else:
                self.put("orders", key, shown=status)
                rows.append({"key": key, "state": "done"})
        return {"rows": rows}

    def _reports(self, request: Request, body: Any) -> Any:
        return {"rows": [row for row in self.reports if row["order"] == request.path_params["id"]]}

    def _report(self, request: Request, body: Any) -> Any:
        row = {"id": f"R{len(self.reports)}", "order": request.path_params["id"], **body}
        self.reports.append(row)
        return row

    def _customer(self, request: Request, body: Any) -> Any:
        self.put("customers", request.path_params["id"], **body)
        return {}

    def _publish(self, request: Request, body: Any) -> Any:
        if "POISON" in body:
            return json_response({"message": "the batch holds poison"}, 400)
        rows = []
        for key, count in body.items():
            if key in self.unknown:
                rows.append({"key": key, "state": "rejected", "message": "unknown sku", "gap": True})
            elif key == "REFUSED":
                rows.append({"key": key, "state": "rejected", "message": "not with us"})
            elif key != "SILENT":
                self.published[key] = count
                rows.append({"key": key, "state": "done"})
        return {"rows": rows}

    def _submit(self, request: Request, body: Any) -> Any:
        job = f"J{len(self.jobs) + 1}"
        self.jobs[job] = {"finished": False, "given": body}
        return {"job": job}
