"""A small shop with an API as many vendors have it: the system that the right and the wrong connectors speak to.

Orders are listed by change time to the second; the shop also tells the change time in its own local time, as many do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any
from zoneinfo import ZoneInfo

from stall_desk import WEBHOOK_SECRET, Desk, DeskRehearsal
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from crossdock.sandbox import json_response

TOKEN = "stall-token-4711"
ZONE = ZoneInfo("Europe/Amsterdam")


def written(at: datetime) -> str:
    """A time as the shop writes it, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Stall(Desk):
    """Orders by id, oldest change first."""

    name = "stall"

    def __init__(self) -> None:
        super().__init__()
        self.token = TOKEN
        self.orders: dict[str, dict[str, Any]] = {}
        self.difference = timedelta(0)
        self.added: dict[str, Any] = {}

    def now(self) -> datetime:
        """The shop's clock."""
        return datetime.now(UTC) + self.difference

    def put(self, key: str, changed: datetime, **fields: Any) -> None:
        """Somebody places or changes an order."""
        with self.lock:
            row = self.orders.get(key, {"id": key, "status": "new", "currency": "EUR"})
            local = changed.astimezone(ZONE).strftime("%Y-%m-%dT%H:%M:%S")
            self.orders[key] = {**row, **fields, "changed": written(changed), "changed_local": local}

    def routes(self) -> Sequence[BaseRoute]:
        """The paths."""
        return [Route("/orders", self._list), Route("/ping", self._ping), *self.desk()]

    def state(self) -> dict[str, Any]:
        """The orders and what the desk has."""
        return {
            "orders": self.orders, "forms": self.forms, "stock": self.stock, "prices": self.prices,
            "parcels": self.parcels,
        }  # fmt: skip

    def settings(self, base_url: str) -> dict[str, str]:
        """Settings of a working connection."""
        return {"url": base_url, "token": TOKEN, "webhook_secret": WEBHOOK_SECRET}

    def rehearsal(self) -> StallRehearsal:
        """What can be made to happen."""
        return StallRehearsal(self)

    def answer(self, request: Request, value: Any, status: int = 200) -> Response:
        """An answer, if the token is right."""
        headers = {"date": format_datetime(self.now().replace(microsecond=0), usegmt=True)}
        if request.headers.get("x-token") != self.token:
            return json_response({"message": "bad token"}, 401, headers)
        return json_response(value, status, headers)

    async def _ping(self, request: Request) -> Response:
        return self.answer(request, {})

    async def _list(self, request: Request) -> Response:
        asked = request.query_params
        with self.lock:
            rows = [{**row, **self.added} for row in self.orders.values()]
        if "reference" in asked:
            # Whatever begins so, as many searches find it.
            found = {key: form["reference"] for key, form in self.forms.items()}
            found = {key: each for key, each in found.items() if each.startswith(asked["reference"])}
            return self.answer(request, [{"id": key, "reference": each} for key, each in found.items()])
        if "ids" in asked:
            return self.answer(request, [row for row in rows if row["id"] in asked["ids"].split(",")])
        field = "changed_local" if "local" in asked else "changed"
        lo, hi = asked.get("from", ""), asked.get("to", "~")
        rows = [row for row in rows if lo <= row[field] < hi]
        rows.sort(key=lambda row: (len(row["id"]), row["id"]) if asked.get("sort") == "id" else (0, row[field]))
        start, limit = int(asked.get("offset", "0")), int(asked.get("limit", "100"))
        return self.answer(request, rows[start : start + limit])


class StallRehearsal(DeskRehearsal):
    """What people do in the shop."""

    streams = ("orders",)

    def __init__(self, stall: Stall) -> None:
        self.stall = stall

    def add(self, stream: str, moments: Sequence[datetime]) -> list[str]:
        """Orders are placed; no two have the same total."""
        keys = []
        for moment in moments:
            number = len(self.stall.orders) + 1
            self.stall.put(str(number), moment, total=f"{number}.{number % 100:02}")
            keys.append(str(number))
        return keys

    def edit(self, stream: str, key: str) -> None:
        """Somebody gives a discount."""
        with self.stall.lock:
            total = Decimal(self.stall.orders[key]["total"]) - Decimal("0.07")
            self.stall.put(key, self.now(), total=str(total))

    def remove(self, stream: str, key: str) -> None:
        """Somebody deletes an order."""
        with self.stall.lock:
            del self.stall.orders[key]

    def expected(self, stream: str) -> Mapping[str, Mapping[str, Any]]:
        """What the orders say."""
        with self.stall.lock:
            rows = self.stall.orders.items()
            return {key: {"total": Decimal(row["total"]), "currency": "EUR"} for key, row in rows}

    def spoil(self, stream: str, key: str) -> str:
        """A total that is none."""
        self.stall.orders[key]["total"] = "on request"
        return "total"

    def new_word(self, stream: str, key: str) -> str:
        """A status that is not documented."""
        self.stall.orders[key]["status"] = "quarantined"
        return "quarantined"

    def added_field(self) -> None:
        """A field that is not documented."""
        self.stall.added = {"loyalty": {"points": 3, "tier": None}}

    def now(self) -> datetime:
        """The shop's clock."""
        return self.stall.now()

    def set_clock(self, now: datetime) -> None:
        """Somebody sets the shop's clock."""
        self.stall.difference = now - datetime.now(UTC)


def create() -> Stall:
    """A shop without orders."""
    return Stall()
