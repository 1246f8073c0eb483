"""What the tests of the Mirakl sandbox share: a clock, one server for all sandboxes, a client, comparison of shapes."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from crossdock.sandbox import Sandbox, serve
from crossdock_mirakl.sandbox import MiraklSandbox, create

SAMPLES = Path(__file__).parent / "samples"
KEY = "sandbox-shop-key"
TLS = ssl.create_default_context()  # made once: it is most of the price of a client
STOCK = "/api/offers/stock/imports"
PRICES = "/api/offers/pricing/imports"


class FrozenClock:
    """Stands still at a moment of the samples until it is moved."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 10, 6, 20, 54, 118_000, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, **parts: float) -> None:
        self.moment += timedelta(**parts)


class Switchboard(Sandbox):
    """One server for all tests of a file, since starting and stopping one takes longer than most tests."""

    current: ASGIApp

    def app(self) -> Any:
        async def ask(scope: Scope, receive: Receive, send: Send) -> None:
            await self.current(scope, receive, send)

        return ask


SWITCHBOARD = Switchboard()


@contextmanager
def switchboard() -> Iterator[None]:
    """The server runs while the block does."""
    with serve(SWITCHBOARD):
        yield


@contextmanager
def served(**options: Any) -> Iterator[tuple[MiraklSandbox, httpx.Client]]:
    """A sandbox with these options, and a client with its key, while the block runs."""
    sandbox = create(**{"clock": FrozenClock(), **options})
    SWITCHBOARD.current = sandbox.app()
    sandbox.base_url = SWITCHBOARD.base_url
    with httpx.Client(base_url=sandbox.base_url, headers={"Authorization": KEY}, verify=TLS) as client:
        yield sandbox, client


def sample(name: str) -> Any:
    return json.loads((SAMPLES / name).read_bytes())


def upload(client: httpx.Client, path: str, text: str) -> httpx.Response:
    return client.post(path, files={"file": ("import.csv", text.encode(), "text/csv")})


def differences(expected: Any, actual: Any, path: str = "$") -> Iterator[str]:
    """Where `actual` lacks a key of `expected`, has a key that it has not, or a value of another kind."""
    if expected is None or actual is None:
        return
    if isinstance(expected, list):
        if not isinstance(actual, list):
            yield f"{path} is no list"
        elif expected:
            for index, each in enumerate(actual):
                yield from differences(expected[min(index, len(expected) - 1)], each, f"{path}[{index}]")
    elif isinstance(expected, dict):
        if not isinstance(actual, dict):
            yield f"{path} is no object"
            return
        yield from (f"{path}.{name} is missing" for name in expected.keys() - actual.keys())
        yield from (f"{path}.{name} is not documented" for name in actual.keys() - expected.keys())
        for name in expected.keys() & actual.keys():
            yield from differences(expected[name], actual[name], f"{path}.{name}")
    elif _kind(expected) is not _kind(actual):
        yield f"{path} is {type(actual).__name__}, not {type(expected).__name__}"


def _kind(value: Any) -> type:
    return int if type(value) is float else type(value)
