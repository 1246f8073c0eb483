"""Faults a sandbox can be told to show: the bad days of a real system, on demand.

A fault is matched by method and path and spent a counted number of times. Kinds:

=============  ===============================================================================
``status``     answer `status` with `headers` and `body` and do no work
``html``       answer 200 with an HTML page instead of JSON, doing no work
``truncate``   do the work, then send half of the body under the full Content-Length and cut
``slow``       wait `seconds`, then do the work and answer normally
``cut_before`` close the connection before any work is done
``cut_after``  do the work, then close the connection without a byte of answer
``prefix``     do the work and put `body` before the JSON (a byte order mark, a PHP warning)
=============  ===============================================================================
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Any

import attrs
from starlette.types import ASGIApp, Message, Receive, Scope, Send

KINDS = ("status", "html", "truncate", "slow", "cut_before", "cut_after", "prefix")

_HTML = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body>Front page</body></html>"


@attrs.define
class Fault:
    """One fault: `kind` on requests whose method and path match, `times` times after `skip` matches."""

    kind: str = attrs.field(validator=attrs.validators.in_(KINDS))  #: one of `KINDS`
    method: str = "*"  #: of the requests that it meets; `*`: any
    path: str = ".*"  #: a regular expression, searched in path and query
    times: int = 1  #: how many requests it meets
    skip: int = 0  #: how many it lets pass before
    status: int = 500  #: for `status`
    headers: dict[str, str] = attrs.field(factory=dict)  #: of the answer
    body: str = ""  #: of the answer
    seconds: float = 0.0  #: for `slow`

    def matches(self, method: str, path: str) -> bool:
        """Whether this fault applies to the request; a match is counted, also while skipping."""
        if self.times <= 0 or self.method not in ("*", method) or not re.search(self.path, path):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


class FaultMiddleware:
    """Outermost ASGI layer of a sandbox: spends the planned faults and keeps the request log.

    `between` is called with method and path (query included) for each answer that the system made.
    """

    def __init__(
        self,
        app: ASGIApp,
        faults: list[Fault],
        log: list[dict[str, Any]],
        between: Callable[[str, str], None] = lambda method, path: None,
    ) -> None:
        self._system = app
        self._happens = between
        self.faults = faults
        self.log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/_sandbox"):
            await self._system(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        query = scope["query_string"].decode("latin-1")
        entry: dict[str, Any] = {"method": method, "path": path, "query": query, "status": None, "fault": None}
        self.log.append(entry)
        target = f"{path}?{query}" if query else path
        fault = next((each for each in self.faults if each.matches(method, target)), None)
        if fault is None:
            await self.app(scope, receive, _noting(send, entry))
            return
        entry["fault"] = fault.kind
        await self._suffer(fault, scope, receive, send, entry)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The system; what happens between two answers happens before this one leaves, so that nobody has to wait."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                query = scope["query_string"].decode("latin-1")
                self._happens(scope["method"], f"{scope['path']}?{query}" if query else scope["path"])
            await send(message)

        await self._system(scope, receive, sending)

    async def _suffer(self, fault: Fault, scope: Scope, receive: Receive, send: Send, entry: dict[str, Any]) -> None:
        if fault.kind == "cut_before":
            _cut(send)
        elif fault.kind == "slow":
            whole = await _whole(receive)
            await asyncio.sleep(fault.seconds)
            await self.app(scope, whole, _noting(send, entry))
        elif fault.kind == "status":
            entry["status"] = fault.status
            await _answer(send, fault.status, fault.headers, fault.body.encode())
        elif fault.kind == "html":
            entry["status"] = 200
            await _answer(send, 200, {"content-type": "text/html"}, _HTML)
        else:
            status, headers, body = await _collect(self.app, scope, receive)
            entry["status"] = status
            if fault.kind == "cut_after":
                _cut(send)
            elif fault.kind == "prefix":
                await _answer(send, status, headers, fault.body.encode() + body)
            else:
                await _answer(send, status, headers, body, keep=len(body) // 2)
                _cut(send)


def dated(app: ASGIApp) -> ASGIApp:
    """`app` with a ``Date`` header on every answer that has none."""

    async def dating(scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", []))
                if all(name.lower() != b"date" for name, _ in headers):
                    headers.append((b"date", formatdate(usegmt=True).encode()))
                message = {**message, "headers": headers}
            await send(message)

        await app(scope, receive, sending)

    return dating


async def _whole(receive: Receive) -> Receive:
    """The request as it came: a caller who gave up waiting does not undo the work."""
    messages: list[Message] = []
    while not messages or messages[-1].get("more_body"):
        messages.append(await receive())

    async def replay() -> Message:
        return messages.pop(0) if messages else await receive()

    return replay


def _noting(send: Send, entry: dict[str, Any]) -> Send:
    async def noting(message: Message) -> None:
        if message["type"] == "http.response.start":
            entry["status"] = message["status"]
        await send(message)

    return noting


def _cut(send: Send) -> None:
    """Abort the TCP connection under uvicorn: `send` is a method of the object that holds the transport."""
    cycle: Any = getattr(send, "__self__", None)
    cycle.transport.abort()
    cycle.disconnected = True


async def _answer(send: Send, status: int, headers: Mapping[str, str], body: bytes, keep: int | None = None) -> None:
    named = {k.lower(): v for k, v in headers.items()}
    kept = {"date": formatdate(usegmt=True)} | named | {"content-length": str(len(body))}
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(k.encode("latin-1"), v.encode("latin-1")) for k, v in kept.items()],
        }
    )
    await send(
        {"type": "http.response.body", "body": body if keep is None else body[:keep], "more_body": keep is not None}
    )
    if keep is not None:
        await asyncio.sleep(0.01)  # let the half body reach the socket before the connection is cut


async def _collect(app: ASGIApp, scope: Scope, receive: Receive) -> tuple[int, dict[str, str], bytes]:
    status = 500
    headers: dict[str, str] = {}
    parts: list[bytes] = []

    async def collecting(message: Message) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status = message["status"]
            headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in message.get("headers", [])}
        else:
            parts.append(message.get("body", b""))

    await app(scope, receive, collecting)
    return status, headers, b"".join(parts)
