"""What the tests of the sandbox share: a moment, a client that is logged in, samples, comparison of shapes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import httpx
from sandbox_kit import TLS, plug

from crossdock_cdiscount.sandbox import CdiscountSandbox, create

SAMPLES = Path(__file__).parent / "samples"
NOW = datetime(2026, 3, 9, 22, 59, 2, tzinfo=UTC)  # when the samples' orders were created


@attrs.frozen
class Account:
    """A seller's account: the sandbox, its settings, and a client with token, seller and language."""

    twin: CdiscountSandbox
    settings: dict[str, str]
    http: httpx.Client

    def token(self, **form: str) -> httpx.Response:
        """Ask for a token with the account's credentials, changed by `form`."""
        names = ("client_id", "client_secret")
        given = {"grant_type": "client_credentials"} | {name: self.settings[name] for name in names} | form
        return self.http.post(self.settings["token_url"], data={key: each for key, each in given.items() if each})

    def log_in(self) -> None:
        """Put a fresh token into the client."""
        self.http.headers["Authorization"] = f"Bearer {self.token().json()['access_token']}"

    def orders(self, **query: Any) -> list[dict[str, Any]]:
        """The items of GET /orders."""
        items: list[dict[str, Any]] = self.http.get("orders", params=query).raise_for_status().json()["items"]
        return items

    def order(self, order_id: str) -> dict[str, Any]:
        """GET /orders/{id}."""
        found: dict[str, Any] = self.http.get(f"orders/{order_id}").raise_for_status().json()
        return found


@contextmanager
def account(**options: Any) -> Iterator[Account]:
    """A sandbox made with `options`, asked over loopback while the block runs."""
    twin = create(**{"clock": lambda: NOW, **options})
    settings = twin.settings(plug(twin))
    headers = {"SellerId": settings["seller_id"], "Accept-Language": settings["language"]}
    with httpx.Client(base_url=settings["api_url"], headers=headers, verify=TLS) as http:
        made = Account(twin, settings, http)
        made.log_in()
        yield made


def sample(name: str) -> Any:
    """A sample without its note."""
    value = json.loads((SAMPLES / name).read_bytes())
    if isinstance(value, dict):
        value.pop("_note", None)
    return value


def differences(expected: Any, actual: Any, path: str = "$") -> Iterator[str]:
    """Where `actual` has other keys than `expected`, or a value of another kind; a null says nothing."""
    if expected is None or actual is None:
        return
    kinds = [(int, float) if type(each) in (int, float) else type(each) for each in (expected, actual)]
    if kinds[0] != kinds[1]:
        yield f"{path} is {actual!r}, not like {expected!r}"
    elif isinstance(expected, dict):
        yield from (f"{path}.{key}" for key in expected.keys() ^ actual.keys())
        for key in expected.keys() & actual.keys():
            yield from differences(expected[key], actual[key], f"{path}.{key}")
    elif isinstance(expected, list) and expected:
        for index, each in enumerate(actual):
            yield from differences(expected[0], each, f"{path}[{index}]")
