"""What the sandbox tests of all connectors share: one server, a clock that stands still, a receiver of webhooks."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import attrs
from starlette.types import ASGIApp, Receive, Scope, Send

from crossdock.sandbox import Sandbox

TLS = ssl.create_default_context()  # made once: it is most of the price of a client


class Switchboard(Sandbox):
    """One server for all tests, since starting and stopping one takes longer than most tests: it asks `current`."""

    current: ASGIApp

    def app(self) -> Any:
        async def ask(scope: Scope, receive: Receive, send: Send) -> None:
            await self.current(scope, receive, send)

        return ask


SWITCHBOARD = Switchboard()


def plug(sandbox: Sandbox) -> str:
    """Let `sandbox` answer at the switchboard until another one does, and give its address."""
    SWITCHBOARD.current, sandbox.base_url = sandbox.app(), SWITCHBOARD.base_url
    return sandbox.base_url


class FrozenClock:
    """Stands still at a moment until it is moved."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, seconds: float = 0, **parts: float) -> None:
        self.moment += timedelta(seconds=seconds, **parts)


@attrs.define
class Received:
    """One webhook that arrived; the names of its headers are in lower case."""

    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@attrs.define
class Receiver:
    """Where webhooks arrive: answers `statuses` one by one (200 when they run out), and the echo check."""

    url: str = ""
    echo: bool = True
    statuses: list[int] = attrs.field(factory=list)
    received: list[Received] = attrs.field(factory=list)
    arrived: threading.Event = attrs.field(factory=threading.Event)


@contextmanager
def receiving(inbox: Receiver) -> Iterator[Receiver]:
    """Serve `inbox` over loopback while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            token = parse_qs(urlsplit(self.path).query).get("echo", [""])[0]
            self._answer(200, token.encode() if inbox.echo else b"hello")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            inbox.received.append(Received({name.lower(): value for name, value in self.headers.items()}, body))
            self._answer(inbox.statuses.pop(0) if inbox.statuses else 200)
            inbox.arrived.set()

        def _answer(self, status: int, body: bytes = b"") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        inbox.url = f"http://127.0.0.1:{server.server_port}/hook"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield inbox
        finally:
            server.shutdown()
            thread.join()
