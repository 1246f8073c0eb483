"""What the tests of this plugin share: a clock, a receiver of webhooks, a client, one server for all sandboxes."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from crossdock.sandbox import Sandbox

SAMPLES = Path(__file__).parent / "samples"


class FrozenClock:
    """Stands still at a moment of the samples until it is moved."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 9, 15, 6, 14, 3, 500_000, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, **parts: float) -> None:
        self.moment += timedelta(**parts)


@attrs.define
class Received:
    """One webhook that arrived."""

    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@attrs.define
class Receiver:
    """Where webhooks arrive: answers `statuses` one by one (200 when they run out) and the echo check."""

    url: str = ""
    echo: bool = True
    statuses: list[int] = attrs.field(factory=list)
    received: list[Received] = attrs.field(factory=list)

    @property
    def notifications(self) -> list[tuple[str, dict[str, Any]]]:
        return [(each["Action"], each["Details"]) for got in self.received for each in got.json["Notifications"]]


class Switchboard(Sandbox):
    """One server for all tests, since starting and stopping one takes longer than most tests: it asks `current`."""

    current: ASGIApp

    def app(self) -> Any:
        async def ask(scope: Scope, receive: Receive, send: Send) -> None:
            await self.current(scope, receive, send)

        return ask


SWITCHBOARD = Switchboard()
TLS = ssl.create_default_context()  # made once: it is most of the price of a client


@contextmanager
def serving(sandbox: Sandbox) -> Iterator[str]:
    """Let `sandbox` answer over loopback while the block runs, and give its address."""
    SWITCHBOARD.current = sandbox.app()
    sandbox.base_url = SWITCHBOARD.base_url
    yield sandbox.base_url


def login(user: str = "api-user", password: str = "api-password") -> str:  # noqa: S107
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def connect(url: str, **options: Any) -> httpx.Client:
    headers = {"ExtendBasicAuthorization": login(), "Accept": "application/json"}
    return httpx.Client(base_url=f"{url}/RESTAPI/v1_0/APIDEMO/", headers=headers, verify=TLS, **options)


def sample(name: str) -> Any:
    value = json.loads((SAMPLES / name).read_bytes())
    if isinstance(value, dict):
        value.pop("_comment", None)
    return value
