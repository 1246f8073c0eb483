"""A crowd that sends webhooks, in a process of its own: ``python -m benchmarks.load``, told by JSON on standard input.

It is as light as a client in Python can be, because it shares the machine with the door: bytes are made beforehand, and
an answer is read just as far as its status and length.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import sys
import time
from typing import Any

import attrs

from benchmarks.shop import Shop


@attrs.frozen(kw_only=True)
class Load:
    """What to send: `count` webhooks from the number `first` on, over `connections` kept alive."""

    host: str
    port: int
    path: str
    secret: str
    connections: int
    count: int
    first: int = 0


def requests_of(load: Load) -> list[bytes]:
    """Whole requests as WooCommerce sends them: an order of 3.4 kB, signed, each one once."""
    shop = Shop(load.first + load.count, 0)
    made = []
    for number in range(load.first, load.first + load.count):
        body = shop.order(number)
        proof = base64.b64encode(hmac.new(load.secret.encode(), body, hashlib.sha256).digest()).decode()
        head = (
            f"POST {load.path} HTTP/1.1\r\nHost: {load.host}:{load.port}\r\nUser-Agent: WooCommerce/11.0.1 Hookshot\r\n"
            f"Accept: */*\r\nContent-Type: application/json\r\nX-WC-Webhook-Source: https://shop.example/\r\n"
            f"X-WC-Webhook-Topic: order.updated\r\nX-WC-Webhook-Resource: order\r\nX-WC-Webhook-Event: updated\r\n"
            f"X-WC-Webhook-Signature: {proof}\r\nX-WC-Webhook-ID: 17\r\nX-WC-Webhook-Delivery-ID: {number:032x}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        made.append(head.encode() + body)
    return made


class _Crowd:
    """All connections together: what is left to send, and what came back."""

    def __init__(self, load: Load) -> None:
        self.requests = requests_of(load)
        self.first = load.first
        self.next = 0
        self.times: list[float] = []
        self.answered: list[int] = []
        self.statuses: dict[str, int] = {}
        self.open = load.connections
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def closed(self) -> None:
        """A connection has nothing more to do, or was cut."""
        self.open -= 1
        if not self.open:
            self.done.set_result(None)


class _Client(asyncio.Protocol):
    def __init__(self, crowd: _Crowd) -> None:
        self.crowd = crowd
        self.number = -1
        self.sent_at = 0.0
        self.buffer = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._send()

    def _send(self) -> None:
        crowd = self.crowd
        if crowd.next >= len(crowd.requests):
            self.transport.close()
            return
        self.number = crowd.next
        crowd.next += 1
        self.sent_at = time.perf_counter()
        self.transport.write(crowd.requests[self.number])

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        at = self.buffer.find(b"content-length: ") + 16
        length = int(self.buffer[at : self.buffer.find(b"\r", at)])
        if len(self.buffer) < end + 4 + length:
            return
        crowd = self.crowd
        crowd.times.append(time.perf_counter() - self.sent_at)
        status = self.buffer[9:12].decode()
        crowd.statuses[status] = crowd.statuses.get(status, 0) + 1
        if status == "200":
            crowd.answered.append(crowd.first + self.number)
        self.buffer = b""
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        self.crowd.closed()


async def send(load: Load) -> dict[str, Any]:
    """Send all of it; answers how long it took, the statuses, latencies in seconds and which ones were answered."""
    crowd, loop = _Crowd(load), asyncio.get_running_loop()
    print("ready", flush=True)
    sys.stdin.readline()
    begun, used = time.perf_counter(), time.process_time()
    for _ in range(load.connections):
        await loop.create_connection(lambda: _Client(crowd), load.host, load.port)
    await crowd.done
    return {
        "seconds": time.perf_counter() - begun, "statuses": crowd.statuses, "times": sorted(crowd.times),
        "answered": crowd.answered, "cpu": time.process_time() - used,
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(asyncio.run(send(Load(**json.loads(sys.stdin.readline()))))))
