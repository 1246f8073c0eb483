"""A depot that sends webhooks, a door for them, and requests as a vendor makes them."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
from engine_kit import DEPOT
from plugin_kit import install

from crossdock import webhooks
from crossdock.app import App

SECRET = "what-the-depot-signs-with"

_SETTING = '    loses: str = setting("A stream whose pages lose a row", default="")\n'
_HOOKS = """

import hashlib
import hmac

import msgspec

from crossdock import Changed, StreamInfo, WebhookReply, WebhookState

OPTIONS["webhooks"] = "registers"
OPTIONS["streams"] = {
    "customers": StreamInfo(queries=frozenset(("since",)), minimum=timedelta(minutes=5)),
    "orders": StreamInfo(minimum=timedelta(minutes=1)),
}


@hookimpl
def handle_webhook(session, request):
    if request.method == "GET":
        return WebhookReply(status=200, body=request.query.get("echo", ""))
    proof = hmac.new(session.settings.webhook_secret.reveal().encode(), request.body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(proof, request.headers.get("x-depot-signature", "")):
        return WebhookReply(status=401, note="forged")
    body = msgspec.json.decode(request.body)
    bug(session, "handle_webhook")
    changed = tuple(Changed(stream=stream, keys=tuple(keys)) for stream, keys in body["changed"].items())
    note = request.headers["x-crossdock-peer"] if body.get("peer") else ""
    return WebhookReply(status=200, signals=changed, dedupe=body.get("id", ""), note=note)


@hookimpl
def register_webhook(session, url, secret):
    bug(session, "register_webhook")
    session.memory.put_many("registered", {"url": url, "secret": "yes" if secret else "no"})
    return WebhookState(external_id="hook-1", active="inactive" not in url, note="as asked")
"""


def install_hooked(folder: Path) -> Path:
    """Put a depot connector that takes webhooks into `folder`."""
    source = DEPOT.replace(_SETTING, _SETTING + '    webhook_secret: Secret = setting("Secret", default=Secret(""))\n')
    assert source != DEPOT
    return install(folder, "depot", source + _HOOKS, version="1.2", module="hooked_depot_plugin")


def body_of(number: str = "", peer: bool = False, **changed: Any) -> bytes:
    """A body of the depot's: `changed` are streams and keys, `number` is the webhook's id."""
    return json.dumps({"id": number, "peer": peer, "changed": changed}).encode()


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    """Headers of a genuine webhook."""
    return {"X-Depot-Signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


@attrs.frozen
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes


@attrs.frozen
class Vendor:
    """Somebody who sends webhooks to one connection's address."""

    url: str
    path: str

    def post(self, body: bytes, headers: dict[str, str] | None = None, *, method: str = "POST", query: str = "",
             path: str = "") -> Answer:  # fmt: skip
        """One request on a connection of its own; signed unless `headers` say otherwise."""
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        try:
            connection.request(method, (path or self.path) + query, body, signed(body) if headers is None else headers)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def changed(self, number: str = "", **changed: Any) -> int:
        """Say that records changed; answers the status."""
        return self.post(body_of(number, **changed)).status

    def raw(self, *parts: bytes) -> bytes:
        """Send bytes as they are, and answer all that comes back until the other side closes."""
        address = urlsplit(self.url)
        with socket.create_connection((address.hostname, address.port), timeout=10) as line:
            for part in parts:
                line.sendall(part)
            received = b""
            while chunk := line.recv(65536):
                received += chunk
            return received


def path_of(app: App, connection: str = "shop") -> str:
    """The present secret path of a connection."""
    return webhooks.path_of(app, webhooks.door(app, connection))
