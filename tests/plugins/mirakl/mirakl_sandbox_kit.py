"""What the tests of the Mirakl sandbox share: a moment, a client, samples, comparison of shapes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from sandbox_kit import TLS, FrozenClock, plug

from crossdock_mirakl.sandbox import MiraklSandbox, create

SAMPLES = Path(__file__).parent / "samples"
KEY = "sandbox-shop-key"
NOW = datetime(2026, 3, 10, 6, 20, 54, 118_000, tzinfo=UTC)  # a moment of the samples
STOCK = "/api/offers/stock/imports"
PRICES = "/api/offers/pricing/imports"


@contextmanager
def served(**options: Any) -> Iterator[tuple[MiraklSandbox, httpx.Client]]:
    """A sandbox with these options, and a client with its key, while the block runs."""
    sandbox = create(**{"clock": FrozenClock(NOW), **options})
    with httpx.Client(base_url=plug(sandbox), headers={"Authorization": KEY}, verify=TLS) as client:
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
