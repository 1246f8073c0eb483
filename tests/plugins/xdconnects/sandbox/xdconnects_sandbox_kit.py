"""What the tests of this sandbox share: a moment, a client for the ordering API, samples, read feeds."""

from __future__ import annotations

import copy
import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from sandbox_kit import TLS, plug

from crossdock_xdconnects.sandbox import XdSandbox

SAMPLES = Path(__file__).parents[1] / "samples"
NOW = datetime(2026, 9, 15, 6, 20, 30, tzinfo=UTC)  # a moment of the samples


@contextmanager
def serving(sandbox: XdSandbox) -> Iterator[httpx.Client]:
    """Let `sandbox` answer over loopback while the block runs; the client is logged in to the ordering API."""
    settings = sandbox.settings(plug(sandbox))
    headers = {"Authorization": f"Bearer {settings['api_token']}", "X-Security-Code": settings["security_code"]}
    with httpx.Client(base_url=settings["base_url"], headers=headers, verify=TLS) as client:
        yield client


def link(sandbox: XdSandbox, feed: str, extension: str = "txt", language: str = "en-gb") -> str:
    return sandbox.base_url + sandbox.feeds.path(feed, language, extension)


def fetch(sandbox: XdSandbox, feed: str, extension: str = "txt", language: str = "en-gb") -> httpx.Response:
    return httpx.get(link(sandbox, feed, extension, language), verify=TLS)


def table(content: bytes) -> list[dict[str, str]]:
    """A tab-separated feed as rows."""
    text = io.StringIO(content.decode("utf-8-sig"), newline="")
    return list(csv.DictReader(text, delimiter="\t"))


def sample(name: str) -> Any:
    return json.loads((SAMPLES / name).read_bytes())


def order(name: str = "blank", **changes: Any) -> dict[str, Any]:
    """A sample request in euro; `changes` are made in its first line."""
    body: dict[str, Any] = copy.deepcopy(sample(f"order-{name}.request.json"))
    body["order"]["currency"] = "EUR"
    body["order"]["lines"][0].pop("expectedUnitPriceNet")
    body["order"]["lines"][0] |= changes
    return body


def placed(client: httpx.Client, body: dict[str, Any]) -> dict[str, Any]:
    """The answer to an order that must be taken."""
    answer = client.post("orders", json=body)
    told: dict[str, Any] = answer.json()
    assert (answer.status_code, told["status"]) == (200, "received"), told
    return told


def codes(client: httpx.Client, body: dict[str, Any]) -> list[tuple[str, str]]:
    """Code and field of each reason to refuse an order that must be refused inside a 200."""
    answer = client.post("orders", json=body)
    told = answer.json()
    assert (answer.status_code, told["status"], told["orderNumber"]) == (200, "rejected", None), told
    return [(each["code"], each["field"]) for each in told["messages"]]
