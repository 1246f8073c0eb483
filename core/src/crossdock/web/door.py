"""The door: webhooks come in, are checked by their connector, kept, and only then answered.

``POST /hooks/<connection>/<token>`` (and GET and HEAD, with which vendors try an address); beside it ``/healthz``,
``/readyz`` and ``/metrics``.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import attrs
import msgspec
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from crossdock.app import App
from crossdock.errors import CrossdockError
from crossdock.http.redact import Redactor
from crossdock.session import WebhookReply, WebhookRequest
from crossdock.store.database import stamp
from crossdock.store.inbox import Arrival
from crossdock.web import health, metrics
from crossdock.web.doors import Doors, Found
from crossdock.web.writer import Writer
from crossdock.webhooks import SEALED, handle

LARGEST = 1024 * 1024
"""Bytes of the largest body that is taken."""

SLOWEST = 10.0
"""Seconds in which a body has to arrive."""

PEER = "x-crossdock-peer"
"""The header in which connectors find who called; what a client sends under this name is dropped."""

TEST = "x-crossdock-test"
"""A request of ours that only wants to know the answer: neither kept nor counted."""

HOOKS = "/hooks/"
"""Where the paths of doors begin."""

_METHODS = ("POST", "GET", "HEAD")
_OURS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"), (b"x-crossdock", b"door"))
_PLAIN = (b"content-type", b"text/plain; charset=utf-8")


class _Refusal(Exception):
    """A request that is answered without asking a connector."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def create(app: App, arrived: Callable[[], None] | None = None) -> ASGIApp:
    """The door of a project as an ASGI application; `arrived` is called, from a thread, after webhooks were kept.

    It opens and closes with the application's lifespan; the `App` has to stay open as long.
    """
    door = Door(app, arrived or _nothing)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await asyncio.to_thread(door.start)
        try:
            yield
        finally:
            await asyncio.to_thread(door.stop)

    others = Starlette(routes=[*health.routes(app, lambda: door.writer.alive), metrics.route(app)], lifespan=lifespan)
    others.router.redirect_slashes = False

    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        """Webhooks past all routing: it would cost a third of a webhook (docs/benchmarks.md, row 9)."""
        if scope["type"] == "http" and scope["path"].startswith(HOOKS):
            await door(scope, receive, send)
        else:
            await others(scope, receive, send)

    return front


def _nothing() -> None:
    return None


@attrs.frozen(slots=True)
class _Answer:
    """What is sent back; `more` are headers beside the length and the kind of the text."""

    status: int
    text: str
    more: tuple[tuple[bytes, bytes], ...] = ()

    async def __call__(self, send: Send) -> None:
        """Send it."""
        body = self.text.encode()
        headers = [(b"content-length", b"%d" % len(body)), _PLAIN, *self.more]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


_NOT_FOUND = _Answer(404, "Not Found")
"""As every path is answered that leads nowhere."""


class Door:
    """Takes webhooks in; an ASGI application for the paths below `HOOKS`."""

    def __init__(self, app: App, arrived: Callable[[], None]) -> None:
        self.app = app
        self.doors = Doors(app)
        self.writer = Writer(app.store.inbox, arrived)

    def start(self) -> None:
        """Be ready for requests."""
        self.doors.start()
        self.writer.start()

    def stop(self) -> None:
        """Keep what waits, then close."""
        self.writer.stop()
        self.doors.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        name, slash, token = scope["path"].removeprefix(HOOKS).partition("/")
        found = await self.doors.find(name, token) if slash else None
        if found is None:
            answer = _NOT_FOUND
        else:
            try:
                answer = await self._take(*found, scope, receive)
            except _Refusal as refusal:
                allow = ((b"allow", ", ".join(_METHODS).encode()),) if refusal.status == 405 else ()
                answer = _Answer(refusal.status, refusal.text, (*_OURS, (b"connection", b"close"), *allow))
        await answer(send)

    async def _take(self, found: Found, present: bool, scope: Scope, receive: Receive) -> _Answer:
        method, asked = scope["method"], scope["query_string"]
        if method not in _METHODS:
            raise _Refusal(405, "Method Not Allowed")
        headers = _headers(scope)
        trial = headers.pop(TEST, "") != ""
        body = await _body(headers, receive)
        request = WebhookRequest(
            method="GET" if method == "HEAD" else method, headers=headers, body=body,
            query=dict(parse_qsl(asked.decode("latin-1"), keep_blank_values=True)) if asked else {},
        )  # fmt: skip
        reply, problem = self._ask(found, request)
        if reply.status in (401, 403) and not trial:
            self.doors.refuse(found)
        good = 200 <= reply.status < 300
        if not trial and (problem or (good and (reply.signals or method == "POST"))):
            try:
                await self.writer.keep(self._arrival(found, request, reply, problem))
            except CrossdockError:
                raise _Refusal(503, "It could not be kept; send it again.") from None
        if good and present and not trial:
            self.doors.confirm(found)
        return _Answer(reply.status, reply.body, _OURS)

    def _ask(self, found: Found, request: WebhookRequest) -> tuple[WebhookReply, str]:
        """The connector's reply, and what is wrong with the connector when it gave none."""
        broken = WebhookReply(status=500, body="It could not be read; send it again.")
        if found.opened is None:
            return broken, found.problem
        try:
            return handle(found.opened.connector, found.opened.session, request), ""
        except CrossdockError as error:
            return broken, str(error)

    def _arrival(self, found: Found, request: WebhookRequest, reply: WebhookReply, problem: str) -> Arrival:
        headers, query, body = _json(request.headers), _json(request.query), request.body
        state, note, dedupe = "new" if reply.signals else "ignored", reply.note, reply.dedupe
        if problem:
            digest = hashlib.sha256(b"\0".join((request.method.encode(), query.encode(), body)))
            state, note, dedupe = "failed", problem, f"broken {digest.hexdigest()}"
        redactor = found.opened.session.http.redactor if found.opened else None
        # The body is kept as it came, like the payloads of records: credentials come in headers and addresses.
        if redactor is None or redactor.text(headers + query) != headers + query:
            headers, query = self._hide(found, redactor, headers, query)
        return Arrival(
            connection=found.name, received_at=stamp(self.app.clock.now()), method=request.method, headers=headers,
            query=query, body=body, dedupe=dedupe, signals=tuple(reply.signals), state=state,
            note=note or ("" if reply.signals else "it names nothing to fetch"),
        )  # fmt: skip

    def _hide(self, found: Found, redactor: Redactor | None, headers: str, query: str) -> tuple[str, str]:
        """Headers and query with a secret in them are sealed; without a key their secrets are masked."""
        with contextlib.suppress(CrossdockError):
            if self.app.vault.ready:
                return self.app.vault.seal(found.name, SEALED, _json({"headers": headers, "query": query})), "{}"
        return (redactor.text(headers), redactor.text(query)) if redactor else ("{}", "{}")


def _json(value: Mapping[str, str]) -> str:
    return msgspec.json.encode(value).decode()


def _headers(scope: Scope) -> dict[str, str]:
    """Headers by lower-case name, repeats joined, and who called."""
    headers: dict[str, str] = {}
    for raw, value in scope["headers"]:
        name, text = str(raw, "latin-1").lower(), str(value, "latin-1")
        headers[name] = f"{headers[name]}, {text}" if name in headers else text
    peer: Any = scope.get("client")
    headers[PEER] = peer[0] if peer else ""
    return headers


async def _body(headers: Mapping[str, str], receive: Receive) -> bytes:
    """The exact bytes of the body; raises `_Refusal` when it is too large, too slow, or broken off."""
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > LARGEST:
        raise _Refusal(413, "Content Too Large")
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(SLOWEST):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _Refusal(400, "The body was broken off.")
                chunks.append(message.get("body", b""))
                size += len(chunks[-1])
                if size > LARGEST:
                    raise _Refusal(413, "Content Too Large")
                if not message.get("more_body", False):
                    return b"".join(chunks)
    except TimeoutError:
        raise _Refusal(408, "The body took too long.") from None
