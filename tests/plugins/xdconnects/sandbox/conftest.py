"""The sandbox served over loopback, a client logged in to it, and a receiver for its webhooks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from xdconnects_sandbox_kit import SWITCHBOARD, FrozenClock, Receiver, serving

from crossdock.sandbox import serve
from crossdock_xdconnects.sandbox import XdSandbox, create


@pytest.fixture(scope="session", autouse=True)
def switchboard() -> Iterator[None]:
    with serve(SWITCHBOARD):
        yield


@pytest.fixture
def supplier_clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def twin(supplier_clock: FrozenClock) -> XdSandbox:
    return create(clock=supplier_clock)


@pytest.fixture
def api(twin: XdSandbox) -> Iterator[httpx.Client]:
    with serving(twin) as client:
        yield client


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    inbox = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            inbox.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            inbox.headers.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(inbox.statuses.pop(0) if inbox.statuses else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            inbox.arrived.set()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    inbox.url = f"http://127.0.0.1:{server.server_port}/hooks/xd"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield inbox
    server.shutdown()
    thread.join()
    server.server_close()
