"""Webhooks in the form of ASP.NET WebHooks: check the signature, name what changed (vendor page section 8).

Nothing in a webhook is taken as the truth: it only says what to fetch again. Three deliveries within five minutes are
all there are, and 410 would switch the hook off, so what is genuine is answered with 200.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping

import msgspec

from crossdock import Changed, Secret, WebhookReply, WebhookRequest
from crossdock_extendcommerce import wire

_ORDER = (("orders", "OrderNumber"), ("shipments", "OrderNumber"))
_BALANCE = (("balance", "ProductNumber"),)
_PURCHASE = (("balance", ""),)  # what comes in changes the stock; the hook names the purchase, not the products
_PRODUCT = (("products", "ProductNumber"),)
_CUSTOMER = (("customers", "CustomerNumber"),)

# All triggers of the vendor's set-up screen, and one misspelling of a vendor page: streams and the key's name.
TRIGGERS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "OrderCreated": _ORDER, "OrderReserved": _ORDER, "OrderPicked": _ORDER, "OrderCancelled": _ORDER,
    "OrderDeliveryDataChanged": _ORDER,
    "BalanceChanged": _BALANCE, "AvailableBalanceChanged": _BALANCE, "AvaiableBalanceChanged": _BALANCE,
    "PurchasePartiallyDelivered": _PURCHASE, "PurchaseDelivered": _PURCHASE, "PurchaseCancelled": _PURCHASE,
    "ProductCreated": _PRODUCT, "ProductChanged": _PRODUCT,
    "CustomerCreated": _CUSTOMER, "CustomerChanged": _CUSTOMER,
    "OfferCreated": (), "OfferChanged": (), "CustomerInvoiceCreated": (), "CustomerInvoiceChanged": (),
}  # fmt: skip


def signature(secret: Secret, body: bytes) -> str:
    """The value of ``ms-signature`` for `body`: HMAC-SHA256 in upper-case hex after ``sha256=``."""
    return "sha256=" + hmac.new(secret.reveal().encode(), body, hashlib.sha256).hexdigest().upper()


def genuine(secret: Secret, body: bytes, claimed: str) -> bool:
    """Whether `claimed` is the signature of `body`; compared in constant time, hex in any case."""
    return hmac.compare_digest(signature(secret, body).casefold().encode(), claimed.strip().casefold().encode())


def reply(request: WebhookRequest, secret: Secret) -> WebhookReply:
    """The answer to a webhook; without a configured `secret` signatures are not checked, which the note says."""
    if request.method == "GET":
        echo = request.query.get("echo", "")
        return WebhookReply(status=200, body=echo, note="address check" if echo else "nothing to do")
    if secret and not genuine(secret, request.body, request.headers.get("ms-signature", "")):
        return WebhookReply(status=401, note="The signature is missing or wrong.")
    try:
        hook = wire.HOOK.decode(request.body)
    except (msgspec.MsgspecError, ValueError):
        return WebhookReply(status=400, note="The body is not a webhook of Extend Commerce.")
    unknown = sorted({each.action for each in hook.notifications if each.action not in TRIGGERS})
    notes = [] if secret else ["not signed: the connection has no webhook secret"]
    notes += [f"nothing is known of {', '.join(unknown)}"] if unknown else []
    return WebhookReply(status=200, signals=tuple(_signals(hook.notifications)), dedupe=hook.id, note="; ".join(notes))


def _signals(notifications: Iterable[wire.Notification]) -> list[Changed]:
    """One signal per stream; a notification without a key asks for a normal fetch of the stream."""
    keys: dict[str, dict[str, None]] = {}
    whole: set[str] = set()
    for each in notifications:
        details = {name.casefold(): value for name, value in (each.details or {}).items()}
        for stream, name in TRIGGERS.get(each.action, ()):
            value = details.get(name.casefold())
            found = keys.setdefault(stream, {})
            if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
                found[str(value)] = None
            else:
                whole.add(stream)
    return [
        Changed(stream=stream, keys=() if stream in whole else tuple(found)) for stream, found in keys.items()
    ]  # fmt: skip
