"""Serving an application from a thread: bounded in time and number, and stopped cleanly."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from crossdock.errors import UsageError

SLOWEST_HEAD = 10.0
"""Seconds in which the head of a request has to arrive."""

LARGEST_HEAD = 64 * 1024
"""Bytes after which a head has to be whole."""

CONNECTIONS = 1000
_GRACEFUL = 5


_TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Impatient:
    """Closes connections that do not say what they want in time, or at length.

    uvicorn waits for the head of a request for ever, and with httptools it takes one of any length.
    """

    transport: asyncio.Transport
    _timer: asyncio.TimerHandle | None = None
    _head = 0

    def connection_made(self, transport: Any) -> None:
        """Wait for the first request, but not for long."""
        super().connection_made(transport)  # type: ignore[misc]
        self._arm()

    def data_received(self, data: bytes) -> None:
        """The head of a request is whole, or has to be soon."""
        super().data_received(data)  # type: ignore[misc]
        if self._answering():
            self._head = 0
            self._disarm()
            return
        if self._timer is None:
            self._arm()
        self._head += len(data)
        if self._head > LARGEST_HEAD and not self.transport.is_closing():
            self.transport.write(_TOO_LONG)
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing to wait for any more."""
        self._disarm()
        super().connection_lost(exc)  # type: ignore[misc]

    def _arm(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(SLOWEST_HEAD, self._close)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close(self) -> None:
        self._timer = None
        if not self._answering():
            self.transport.close()

    def _answering(self) -> bool:
        cycle = getattr(self, "cycle", None)
        return cycle is not None and not cycle.response_complete


class Serving:
    """An application being served; `proxies` are addresses whose word on who called is taken."""

    def __init__(self, app: ASGIApp, host: str, port: int, proxies: str = "") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family, backlog=2048)
        except OSError as error:
            raise UsageError(
                f"{host} port {port} cannot be used: {error.strerror or error}.", hint="Take another one: --port"
            ) from error
        # asyncio sees proto 0 on this socket and leaves Nagle on: 40 ms for each answer. Accepted sockets inherit this.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"
        protocol = type("ImpatientProtocol", (Impatient, AutoHTTPProtocol), {})
        self._server = uvicorn.Server(
            uvicorn.Config(
                app, http=protocol, ws="none", lifespan="on", log_config=None, access_log=False, server_header=False,
                proxy_headers=bool(proxies), forwarded_allow_ips=proxies or None, limit_concurrency=CONNECTIONS,
                timeout_graceful_shutdown=_GRACEFUL,
            )
        )  # fmt: skip
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="crossdock-web", daemon=True
        )

    @property
    def alive(self) -> bool:
        """Whether requests are answered."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Serve from now on; returns when requests are answered."""
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.002)
        if not self._server.started:
            raise UsageError("The server could not be started.", hint="crossdock doctor")

    def wait(self, seconds: float) -> None:
        """Wait until the server ends, but not longer."""
        self._thread.join(timeout=seconds)

    def stop(self) -> None:
        """Take no more requests, answer those under way, and close."""
        self._server.should_exit = True
        self._thread.join(timeout=_GRACEFUL + 3)
        self._socket.close()
