"""Webhooks: checked, turned into hints to read again, and registered (section 7)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec

from crossdock import Changed, Secret, Session, SettingsError, WebhookReply, WebhookRequest, WebhookState
from crossdock.paging import offset_pages
from crossdock_woocommerce import wire
from crossdock_woocommerce.api import api
from crossdock_woocommerce.mapping import DRAFTS
from crossdock_woocommerce.offers import CONTAINERS
from crossdock_woocommerce.settings import Settings, check_webhook_secret

TOPICS = (
    "order.created", "order.updated", "order.deleted", "order.restored",
    "product.created", "product.updated", "product.deleted", "product.restored",
)  # fmt: skip
_STREAMS = {"order": ("orders",), "product": ("products", "prices", "balance")}


def handle_webhook(session: Session[Settings], request: WebhookRequest) -> WebhookReply:
    """What a delivery says to read again. Deliveries may come late, twice, out of order or not at all."""
    if _is_ping(request):
        # Unsigned, and repeated with every delivery until it is answered 200 once (measured).
        return WebhookReply(status=200, note="ping")
    if not signed(request, session.settings.webhook_secret):
        return WebhookReply(status=401, body="The signature is missing or wrong.", note="forged or wrong secret")
    topic = request.headers.get("x-wc-webhook-topic", "")
    streams = _STREAMS.get(topic.partition(".")[0])
    if streams is None:
        return WebhookReply(status=200, note=f"topic {topic or 'unknown'} is not used")
    try:
        body = wire.DELIVERY.decode(request.body)
    except (msgspec.MsgspecError, ValueError):
        body = wire.Delivery()
    if body.id is None:
        # The user behind the webhook lost its rights: the body is an error, validly signed (section 7).
        return WebhookReply(
            status=200, signals=tuple(Changed(stream=each) for each in streams), note="a body without an id"
        )
    if streams[0] == "orders" and body.status in DRAFTS:
        return WebhookReply(status=200, note="checkout draft")
    # Deletions carry no time, and one order can be deleted, restored and deleted again: they are never repeats.
    dedupe = f"{topic}:{body.id}:{body.date_modified_gmt}" if body.date_modified_gmt else ""
    signals = _product(body) if streams[0] == "products" else (Changed(stream="orders", keys=(str(body.id),)),)
    return WebhookReply(status=200, signals=signals, dedupe=dedupe)


def _is_ping(request: WebhookRequest) -> bool:
    kind = request.headers.get("content-type", "")
    return kind.startswith("application/x-www-form-urlencoded") and request.body.startswith(b"webhook_id=")


def signed(request: WebhookRequest, secret: Secret) -> bool:
    """Whether the body carries a signature made with `secret`: base64 of HMAC-SHA256 over the raw bytes."""
    if not secret:
        return False
    proof = base64.b64encode(hmac.new(secret.reveal().encode(), request.body, hashlib.sha256).digest())
    return hmac.compare_digest(proof, request.headers.get("x-wc-webhook-signature", "").encode())


def _product(body: wire.Delivery) -> tuple[Changed, ...]:
    """A variation comes as ``product.updated`` with a parent (measured): its product, and its own price and stock."""
    product = Changed(stream="products", keys=(str(body.parent_id or body.id),))
    if not body.sku or body.type in CONTAINERS:
        return (product,)
    keys = (str(body.sku),)
    return (product, Changed(stream="prices", keys=keys), Changed(stream="balance", keys=keys))


# -- registering -------------------------------------------------------------------------------------


def register_webhook(session: Session[Settings], url: str, secret: str) -> WebhookState:
    """One active webhook a topic for `url`, signed with `secret`; repairs what is there and removes doubles.

    WooCommerce disables a webhook for ever after its seventh failure in a row, so calling this regularly is right.
    """
    problem = check_webhook_secret(secret)
    if problem or not secret:
        raise SettingsError(problem or "A webhook needs a secret.", problems={"webhook_secret": problem or "missing"})
    shop = api(session)
    ours: dict[str, list[wire.Hook]] = {}
    for hook in _hooks(session):
        if hook.delivery_url == url:
            ours.setdefault(hook.topic, []).append(hook)
    ids: list[str] = []
    repaired = 0
    for topic in TOPICS:
        existing = sorted(ours.get(topic, []), key=lambda hook: hook.id)
        body: dict[str, Any] = {"name": f"Crossdock {topic}", "topic": topic, "delivery_url": url, "secret": secret}
        if existing:
            repaired += existing[0].status != "active"
            made = shop.put(f"webhooks/{existing[0].id}", {**body, "status": "active"}).decode(wire.HOOK)
        else:
            made = shop.post("webhooks", body, create=True).decode(wire.HOOK)
        for double in existing[1:]:
            shop.delete(f"webhooks/{double.id}", {"force": "true"})
        ids.append(str(made.id))
    return WebhookState(external_id=",".join(ids), active=True, note=" ".join(_notes(url, repaired)))


def _hooks(session: Session[Settings]) -> list[wire.Hook]:
    def read(offset: int, limit: int) -> list[wire.Hook]:
        asked: dict[str, str | int] = {"per_page": limit, "offset": offset, "orderby": "id", "order": "asc"}
        return api(session).get("webhooks", asked).decode(wire.HOOKS)

    return [hook for page in offset_pages(read, lambda hook: str(hook.id)) for hook in page]


def _notes(url: str, repaired: int) -> Iterator[str]:
    if repaired:
        yield f"{repaired} webhooks were switched off and are active again."
    parts = urlsplit(url)
    if parts.port not in (None, 80, 443, 8080) or parts.hostname in ("localhost", "127.0.0.1", "::1"):
        yield "WordPress delivers only to public addresses and to the ports 80, 443 and 8080."
