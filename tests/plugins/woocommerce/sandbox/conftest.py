"""The recorded shop served over loopback, a client logged in to it, and a receiver for its webhooks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from woo_kit import RELAY, FrozenClock, Received, Receiver, connected, recorded_shop

from crossdock.sandbox import serve
from crossdock_woocommerce.sandbox import WooSandbox


@pytest.fixture(scope="session", autouse=True)
def relay() -> Iterator[None]:
    with serve(RELAY):
        yield


@pytest.fixture
def shop_clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def twin(shop_clock: FrozenClock) -> WooSandbox:
    """A shop that believes in TLS, with the products of the samples."""
    return recorded_shop(clock=shop_clock)


@pytest.fixture
def api(twin: WooSandbox) -> Iterator[httpx.Client]:
    with connected(twin) as client:
        yield client


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    inbox = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            inbox.received.append(Received({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(inbox.statuses.pop(0) if inbox.statuses else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            inbox.arrived.set()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    inbox.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield inbox
    server.shutdown()
    thread.join()
    server.server_close()
