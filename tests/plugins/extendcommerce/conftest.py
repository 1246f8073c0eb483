"""The sandbox served over loopback, a client logged in to it, and a receiver for its webhooks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from extend_kit import SWITCHBOARD, FrozenClock, Received, Receiver, connect, serving

from crossdock.sandbox import serve
from crossdock_extendcommerce.sandbox import ExtendSandbox, create


@pytest.fixture(scope="session", autouse=True)
def switchboard() -> Iterator[None]:
    with serve(SWITCHBOARD):
        yield


@pytest.fixture
def vendor_clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def twin(vendor_clock: FrozenClock) -> ExtendSandbox:
    """A sandbox with the products and the customer of the samples."""
    sandbox = create(clock=vendor_clock, automatic_webhooks=False)
    sandbox.seed_products(
        [
            {
                "productNumber": "HELM-BLK-M",
                "name": "Hjälm svart M",
                "price": "299.20",
                "cost": "151.5",
                "gtin": ["7300000000017", "7300000000024"],
                "stock": {"HUVUD": 14, "RETUR": 3},
                "weight": 0.35,
                "tiers": [{"fromQuantity": 1, "price": "279.00"}, {"fromQuantity": 10, "price": "249.00"}],
                "supplierAgreementNumber": 77,
                "manufacturer": "Demo Helm",
                "manufacturerProductNumber": "DH-100-M",
            },
            {"productNumber": "BELL-RED-01", "name": "Ringklocka röd", "price": "39.20", "stock": {"HUVUD": 0}},
        ]
    )
    return sandbox


@pytest.fixture
def api(twin: ExtendSandbox) -> Iterator[httpx.Client]:
    with serving(twin) as url, connect(url) as client:
        yield client


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    inbox = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            token = parse_qs(urlsplit(self.path).query).get("echo", [""])[0]
            self._answer(200, token.encode() if inbox.echo else b"hello")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            inbox.received.append(Received({name.lower(): value for name, value in self.headers.items()}, body))
            self._answer(inbox.statuses.pop(0) if inbox.statuses else 200, b"")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    inbox.url = f"http://127.0.0.1:{server.server_port}/hooks/extend"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield inbox
    server.shutdown()
    thread.join()
    server.server_close()
