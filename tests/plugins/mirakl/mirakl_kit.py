"""Sessions opened by hand on a served operator, and what the tests of the connector share."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import msgspec

from crossdock import Order, Page, Session, Since, evolve
from crossdock.clock import SystemClock
from crossdock.http.client import Http
from crossdock.http.limits import MemoryLimiter
from crossdock.settings import build
from crossdock.testing.props import DictMemory
from crossdock_mirakl import plugin
from crossdock_mirakl.sandbox import MiraklSandbox
from crossdock_mirakl.settings import INFO, Settings, endpoint

SAMPLES = Path(__file__).parent / "samples"
KEY = "sandbox-shop-key"


class OperatorClock(SystemClock):
    """The operator's time, or one that is off by some seconds; waiting moves it on instead of taking any."""

    def __init__(self, sandbox: MiraklSandbox, off: float = 0) -> None:
        super().__init__()
        self._sandbox = sandbox
        self._off = timedelta(seconds=off)

    def now(self) -> datetime:
        """The sandbox's time."""
        return self._sandbox.clock.now() + self._off

    def sleep(self, seconds: float) -> None:
        """Move the sandbox's time on."""
        self._sandbox.advance(max(seconds, 0))


@attrs.frozen
class Operator:
    """A served sandbox and a connection to it."""

    sandbox: MiraklSandbox
    session: Session[Settings]

    def asked(self, method: str, path: str = "") -> list[dict[str, Any]]:
        """Requests of one kind so far."""
        return [each for each in self.sandbox.requests if each["method"] == method and path in each["path"]]

    def orders(self, cursor: str | None = None) -> tuple[list[Order], str | None, list[Page[Order]]]:
        """One run over the orders: records, the last bookmark, the pages."""
        pages = list(plugin.fetch_orders(self.session, Since(cursor)))
        last = next((page.cursor for page in reversed(pages) if page.cursor), None)
        return [order for page in pages for order in page.records], last, pages

    def stored(self, key: str) -> dict[str, Any]:
        """An order as the operator answers it."""
        answer = self.session.http.get("orders", {"order_ids": key, "shop_id": self.sandbox.shop.shop_id})
        found: dict[str, Any] = answer.json()["orders"][0]
        return found


def open_session(
    sandbox: MiraklSandbox,
    url: str,
    *,
    paced: bool = False,
    off: float = 0,
    facts: Mapping[str, Any] | None = None,
    **values: str,
) -> Session[Settings]:
    """A connection as the engine would open it; `paced` keeps the vendor's call frequencies, `off` is our clock's."""
    given = {**sandbox.settings(url), **values}
    settings = build(Settings, {name: value for name, value in given.items() if value})
    clock = OperatorClock(sandbox, off)
    end = endpoint(settings)
    budgets = list(INFO.budgets)
    if not paced:
        end = evolve(end, budgets=())
        budgets = [evolve(each, calls=10**6, per=timedelta(seconds=1), burst=10**6) for each in budgets]
    http = Http(end, clock=clock, limiter=MemoryLimiter(), budgets=budgets, secrets=[settings.api_key.reveal()], seed=1)
    return Session(
        connection="shop", settings=settings, http=http, clock=clock,
        log=logging.LoggerAdapter(logging.getLogger("mirakl-test"), {}), memory=DictMemory(), facts=facts or {},
    )  # fmt: skip


def sample(name: str) -> bytes:
    """A recorded payload."""
    return (SAMPLES / name).read_bytes()


def json_sample(name: str) -> Any:
    """A recorded payload, decoded."""
    return msgspec.json.decode(sample(name))
