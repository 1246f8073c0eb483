"""Webhooks: XD's news of our orders. The token in the address is checked before they come here (section 5.2).

Unlike elsewhere a webhook is not only a hint here: unless the mapping file has a status request, it is the only way in
which news arrive. So they are kept in the connection's memory, and the streams are read from there.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from crossdock import Changed, RecordError, Secret, Session, WebhookReply, WebhookRequest
from crossdock_xdconnects import ledger, news, wire
from crossdock_xdconnects.settings import Settings

PEER = "x-crossdock-peer"
_LARGEST = 256 * 1024


def reply(session: Session[Settings], request: WebhookRequest) -> WebhookReply:
    """Check the sender, take the news of an order that we sent, and say what to fetch again."""
    refused = _refused(session.settings, request)
    if refused:
        return WebhookReply(status=403, note=refused)
    if len(request.body) > _LARGEST:
        return WebhookReply(status=413, note=f"The body has more than {_LARGEST} bytes.")
    value = _value(request)
    if not isinstance(value, dict):
        return WebhookReply(status=400, note="The body is neither a JSON object nor a form.")
    try:
        contract = wire.load(session.settings.wire_file)
    except RecordError as error:
        return WebhookReply(status=503, note=str(error))  # so that it is sent again when the file is right
    return _taken(session, contract, value, hashlib.sha256(request.body).hexdigest())


def _taken(session: Session[Settings], contract: wire.Wire, value: Any, digest: str) -> WebhookReply:
    number, reference = news.names(value, contract.file.news)
    order = ledger.sent(session, reference) if number and reference else None
    if order is not None and not order.number:
        # The answer to the order is on its way or was lost: this is one.
        order = msgspec.structs.replace(order, number=number)
        ledger.keep_sent(session, order)
    if order is None or not hmac.compare_digest(order.number.encode(), number.encode()):
        return WebhookReply(status=200, dedupe=digest, note="It is about no order that was sent from here; ignored.")
    note = news.tell(session, contract, order, value)
    signals = Changed(stream="orders", keys=(number,)), Changed(stream="shipments", keys=(number,))
    return WebhookReply(status=200, signals=signals, dedupe=digest, note=f"{number}: {note}")


# -- who sent it -----------------------------------------------------------------------------------


def _refused(settings: Settings, request: WebhookRequest) -> str:
    """Why the sender is not believed; empty when everything that is set holds."""
    if settings.webhook_ips and request.headers.get(PEER, "") not in settings.webhook_ips:
        return "It comes from an address that is not among webhook_ips."
    if settings.webhook_header:
        sent = request.headers.get(settings.webhook_header.lower(), "")
        if not _equal(sent, settings.webhook_header_secret):
            return f"The header {settings.webhook_header} is missing or wrong."
    if settings.webhook_user:
        pair = f"{settings.webhook_user}:{settings.webhook_password.reveal()}".encode()
        if not _equal(request.headers.get("authorization", ""), Secret(f"Basic {base64.b64encode(pair).decode()}")):
            return "User or password is missing or wrong."
    if settings.webhook_hmac_secret and not _signed(settings, request):
        return f"The signature in {settings.webhook_hmac_header} is missing or wrong."
    return ""


def _signed(settings: Settings, request: WebhookRequest) -> bool:
    """Whether the body is signed with HMAC-SHA256, as hexadecimal digits or base64, with or without ``sha256=``."""
    sent = request.headers.get(settings.webhook_hmac_header.lower(), "").removeprefix("sha256=").strip()
    digest = hmac.new(settings.webhook_hmac_secret.reveal().encode(), request.body, hashlib.sha256)
    base = base64.b64encode(digest.digest()).decode()
    return _equal(sent.lower(), Secret(digest.hexdigest())) | _equal(sent, Secret(base))


def _equal(sent: str, secret: Secret) -> bool:
    return bool(secret) and hmac.compare_digest(sent.encode(), secret.reveal().encode())


# -- what it says ----------------------------------------------------------------------------------


def _value(request: WebhookRequest) -> Any:
    try:
        if "form" in request.headers.get("content-type", "").lower():
            return _form(request.body)
        return msgspec.json.decode(request.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError):
        return None


def _form(body: bytes) -> Any:
    """A form as nested values: names with dots are paths, a value that is JSON is taken as such."""
    pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=500)
    if len(pairs) == 1 and pairs[0][1].lstrip()[:1] == "{":
        return msgspec.json.decode(pairs[0][1])
    made: dict[str, Any] = {}
    for name, text in pairs:
        inner = made
        *path, last = name.split(".")
        for part in path:
            deeper = inner.setdefault(part, {})
            if not isinstance(deeper, dict):
                return None
            inner = deeper
        inner[last] = msgspec.json.decode(text) if text.lstrip()[:1] in ("[", "{") else text
    return made
