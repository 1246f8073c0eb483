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

import msgspec
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

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

_METHODS = ("POST", "GET", "HEAD")
_SAFE = {"x-content-type-options": "nosniff", "cache-control": "no-store"}
_OURS = {**_SAFE, "x-crossdock": "door"}


class _Refusal(Exception):
    """A request that is answered without asking a connector."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def create(app: App, arrived: Callable[[], None] | None = None) -> Starlette:
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

    made = Starlette(
        routes=[
            Route("/hooks/{connection}/{token}", door),
            *health.routes(app, lambda: door.writer.alive),
            metrics.route(app),
        ],
        lifespan=lifespan,
    )
    made.router.redirect_slashes = False
    return made


def _nothing() -> None:
    return None


class Door:
    """Takes webhooks in; an ASGI application for one route."""

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
        path = scope["path_params"]
        found = await self.doors.find(path["connection"], path["token"])
        if found is None:
            response: Response = PlainTextResponse("Not Found", 404)
        else:
            try:
                response = await self._take(*found, scope, receive)
            except _Refusal as refusal:
                headers = {**_OURS, "connection": "close"}
                if refusal.status == 405:
                    headers["allow"] = ", ".join(_METHODS)
                response = PlainTextResponse(refusal.text, refusal.status, headers)
        await response(scope, receive, send)

    async def _take(self, found: Found, present: bool, scope: Scope, receive: Receive) -> Response:
        method = scope["method"]
        if method not in _METHODS:
            raise _Refusal(405, "Method Not Allowed")
        headers = _headers(scope)
        trial = headers.pop(TEST, "") != ""
        body = await _body(headers, receive)
        request = WebhookRequest(
            method="GET" if method == "HEAD" else method, headers=headers, body=body,
            query=dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
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
        return PlainTextResponse(reply.body, reply.status, _OURS)

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
        name, text = raw.decode("latin-1").lower(), value.decode("latin-1")
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
