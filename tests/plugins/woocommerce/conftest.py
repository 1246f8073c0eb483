"""A shop to work with: the sandbox over loopback, and sessions opened by hand."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest

from crossdock import Session
from crossdock.clock import SystemClock
from crossdock.http.client import Http
from crossdock.http.limits import MemoryLimiter
from crossdock.sandbox import serve
from crossdock.settings import build
from crossdock.testing.props import DictMemory
from crossdock_woocommerce.sandbox import WooSandbox
from crossdock_woocommerce.settings import INFO, Settings, endpoint

SAMPLES = Path(__file__).parent / "samples"


class QuickClock(SystemClock):
    """The real time; waiting takes none."""

    def sleep(self, seconds: float) -> None:
        """Do not wait."""


@attrs.frozen
class Shop:
    """A served sandbox and how to connect to it."""

    sandbox: WooSandbox
    url: str
    connect: Callable[..., Session[Settings]]

    @property
    def requests(self) -> list[dict[str, Any]]:
        """What the shop was asked so far."""
        return self.sandbox.requests

    def asked(self, method: str = "GET", path: str = "") -> list[dict[str, Any]]:
        """Requests of one kind."""
        return [each for each in self.requests if each["method"] == method and path in each["path"]]


def open_session(
    values: Mapping[str, str], facts: Mapping[str, Any] | None = None, memory: DictMemory | None = None
) -> Session[Settings]:
    """A connection as the engine would open it."""
    settings = build(Settings, values)
    http = Http(
        endpoint(settings), clock=QuickClock(), limiter=MemoryLimiter(), budgets=INFO.budgets,
        secrets=[settings.consumer_secret.reveal()],
    )  # fmt: skip
    return Session(
        connection="shop", settings=settings, http=http, clock=QuickClock(),
        log=logging.LoggerAdapter(logging.getLogger("woocommerce-test"), {}),
        memory=DictMemory() if memory is None else memory, facts=facts or {},
    )  # fmt: skip


@pytest.fixture
def shops() -> Iterator[Callable[..., Shop]]:
    """Opens shops with options of the sandbox."""
    with contextlib.ExitStack() as stack:

        def open_shop(**options: Any) -> Shop:
            sandbox = WooSandbox(**options)
            serving = stack.enter_context(serve(sandbox))

            def connect(
                facts: Mapping[str, Any] | None = None, memory: DictMemory | None = None, **values: str
            ) -> Session[Settings]:
                session = open_session({**sandbox.settings(serving.url), **values}, facts, memory)
                stack.callback(session.http.close)
                return session

            return Shop(sandbox, serving.url, connect)

        yield open_shop


@pytest.fixture
def offline() -> Callable[..., Session[Settings]]:
    """Opens connections for hooks that ask nothing of the shop."""

    def connect(**values: str) -> Session[Settings]:
        keys = {"url": "https://shop.example", "consumer_key": "ck_1", "consumer_secret": "cs_1"}
        return open_session({**keys, **values})

    return connect


@pytest.fixture
def sample() -> Callable[[str], Any]:
    """A recorded payload by name, decoded."""
    return lambda name: msgspec.json.decode((SAMPLES / f"{name}.json").read_bytes())


@pytest.fixture
def sample_bytes() -> Callable[[str], bytes]:
    """A recorded payload by name, as it came."""
    return lambda name: (SAMPLES / f"{name}.json").read_bytes()
