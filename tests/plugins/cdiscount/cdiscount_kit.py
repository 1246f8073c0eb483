"""An account to work with: the sandbox over loopback, and sessions opened by hand."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest
from sandbox_kit import plug

from crossdock import Order, Page, Session, Since, evolve
from crossdock.clock import SystemClock
from crossdock.http.client import Http
from crossdock.http.limits import MemoryLimiter
from crossdock.settings import build
from crossdock.testing.props import DictMemory
from crossdock_cdiscount import plugin
from crossdock_cdiscount.sandbox import CdiscountSandbox, create
from crossdock_cdiscount.settings import INFO, Settings, endpoint

SAMPLES = Path(__file__).parent / "samples"
NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


class TwinClock(SystemClock):
    """The sandbox's time; waiting takes none."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__()
        self._now = now

    def now(self) -> datetime:
        """The sandbox's time."""
        return self._now()

    def sleep(self, seconds: float) -> None:
        """Do not wait."""


@attrs.frozen
class Shop:
    """A served sandbox and how to connect to it."""

    twin: CdiscountSandbox
    connect: Callable[..., Session[Settings]]

    @property
    def requests(self) -> list[dict[str, Any]]:
        """What the sandbox was asked so far."""
        return self.twin.requests

    def asked(self, method: str, path: str) -> list[dict[str, Any]]:
        """Requests of one kind; `path` is how their path ends."""
        return [each for each in self.requests if each["method"] == method and each["path"].endswith(path)]


def pulled(session: Session[Settings], cursor: str | None = None, **query: Any) -> tuple[dict[str, Order], str | None]:
    """Orders by key as a run would keep them, and the cursor it ends with."""
    orders: dict[str, Order] = {}
    for page in plugin.fetch_orders(session, Since(cursor, **query)):
        assert balanced(page)
        orders.update({order.key: order for order in page.records})
        cursor = page.cursor or cursor
    return orders, cursor


def balanced(page: Page[Any]) -> bool:
    """Whether every row of the page ended somewhere."""
    return len(page.records) + len(page.rejects) + sum(page.skipped.values()) == page.seen


@pytest.fixture
def shops(switchboard: None) -> Iterator[Callable[..., Shop]]:
    """Opens accounts with options of the sandbox; its clock stands still until it is advanced."""
    with contextlib.ExitStack() as stack:

        def open_shop(**options: Any) -> Shop:
            twin = create(**{"clock": lambda: NOW, **options})
            plug(twin)
            clock = TwinClock(lambda: twin.clock.now())

            def connect(memory: DictMemory | None = None, **values: str) -> Session[Settings]:
                given = {**twin.settings(twin.base_url), **values}
                settings = build(Settings, {name: value for name, value in given.items() if value})
                made = endpoint(settings)
                # The real budgets' names without their pace: waiting is tested in the core.
                free = [evolve(each, calls=10**6, burst=10**6) for each in INFO.budgets]
                token = evolve(made.token, budget=next(each for each in free if each.name == "token"))
                http = Http(
                    evolve(made, budgets=(), token=token), clock=clock, limiter=MemoryLimiter(), budgets=free,
                    secrets=[settings.client_secret.reveal()], seed=1,
                )  # fmt: skip
                stack.callback(http.close)
                return Session(
                    connection="cdiscount", settings=settings, http=http, clock=clock,
                    log=logging.LoggerAdapter(logging.getLogger("cdiscount-test"), {}),
                    memory=DictMemory() if memory is None else memory,
                )  # fmt: skip

            return Shop(twin, connect)

        yield open_shop


@pytest.fixture
def sample_bytes() -> Callable[[str], bytes]:
    """A sample as it would come."""
    return lambda name: (SAMPLES / name).read_bytes()
