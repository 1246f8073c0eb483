"""Webhooks: subscriptions, the queue, and signed deliveries that are really sent (vendor page section 7)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import http.client
import string
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import attrs

from crossdock_woocommerce.sandbox import products, schema
from crossdock_woocommerce.sandbox.shop import Shop
from crossdock_woocommerce.sandbox.wire import ApiError, Json, invalid_id, link_self, php_json

__all__ = ["BREAKS", "SCHEMA", "Hook", "Webhooks"]

_HOOKS = {
    "order.created": ["woocommerce_new_order"],
    "order.updated": ["woocommerce_update_order", "woocommerce_order_refunded"],
    "order.deleted": ["wp_trash_post", "woocommerce_trash_order"],
    "order.restored": ["untrashed_post", "woocommerce_untrash_order"],
    "product.created": ["woocommerce_new_product", "woocommerce_new_product_variation"],
    "product.updated": ["woocommerce_update_product", "woocommerce_update_product_variation"],
    "product.deleted": ["wp_trash_post", "woocommerce_trash_product"],
    "product.restored": ["untrashed_post"],
    "product.published": ["woocommerce_publish_product"],
    "customer.created": ["user_register", "woocommerce_created_customer", "woocommerce_new_customer"],
    "customer.updated": ["profile_update", "woocommerce_update_customer"],
    "customer.deleted": ["delete_user"],
    "coupon.created": ["woocommerce_new_coupon"],
    "coupon.updated": ["woocommerce_update_coupon"],
    "coupon.deleted": ["wp_trash_post"],
    "coupon.restored": ["untrashed_post"],
}

SCHEMA: schema.Schema = {
    "name": schema.string,
    "topic": schema.string,
    "secret": schema.string,
    "delivery_url": schema.string,
    "status": schema.one_of("active", "paused", "disabled"),
}

BREAKS = ("", "rights", "stuck", "duplicate", "forged", "reversed")
"""How deliveries can be broken: the hook's user lost its rights, the queue stands still, each delivery is sent
twice, signatures are wrong, newest first."""

FAILURES = 5  # more than this many failures so far, and the next one disables: the 7th in a row (measured)
_TIMEOUT = 10.0


@attrs.define
class Hook:
    """One subscription."""

    id: int
    topic: str
    name: str
    delivery_url: str
    secret: str
    status: str = "active"
    failures: int = 0
    pinged: bool = False
    dates: Json = attrs.field(factory=dict)

    @property
    def actions(self) -> list[str]:
        """The shop's own events that this topic stands for."""
        return [self.topic.removeprefix("action.")] if self.topic.startswith("action.") else _HOOKS[self.topic]

    def view(self) -> Json:
        """The REST shape; the secret is never shown."""
        resource, _, event = self.topic.partition(".")
        return {
            "id": self.id,
            "name": self.name,
            "status": self.status,
            "topic": self.topic,
            "resource": resource,
            "event": event,
            "hooks": self.actions,
            "delivery_url": self.delivery_url,
            **self.dates,
            "_links": link_self("webhooks", self.id),
        }


class Webhooks:
    """The subscriptions of a shop and the queue of what they are still to be told."""

    def __init__(self, shop: Shop, lock: threading.RLock) -> None:
        self.shop = shop
        self.hooks: dict[int, Hook] = {}
        self.broken = ""
        self.log: list[Json] = []
        self._lock = lock
        self._sending = threading.Lock()
        self._queue: dict[tuple[int, str, int], str] = {}
        self._pings: list[int] = []
        self._starting = threading.Lock()
        self._running = False
        shop.listener = self.happened

    # subscriptions

    def create(self, body: Json) -> Json:
        """A new hook: always active, whatever status was asked; a ping is on its way."""
        _check(body)
        secret = body.get("secret") or "".join(self.shop.random.choices(string.ascii_letters + string.digits, k=50))
        hook = Hook(
            self.shop.number("webhook"), body["topic"], body.get("name") or "Webhook", body["delivery_url"], secret
        )
        self.shop.stamp(hook.dates, "date_created", self.shop.now())
        self.shop.stamp(hook.dates, "date_modified", self.shop.now())
        self.hooks[hook.id] = hook
        self._ping(hook)
        return hook.view()

    def update(self, hook_id: int, body: Json) -> Json:
        """Change a hook; making it active again empties its failure count."""
        hook = self.find(hook_id, 400)
        _check(body)
        for name in ("name", "topic", "delivery_url", "secret", "status"):
            if body.get(name):
                setattr(hook, name, body[name])
        if body.get("status") == "active":
            hook.failures = 0
        if body.get("delivery_url"):
            self._ping(hook)
        self.shop.stamp(hook.dates, "date_modified", self.shop.now())
        return hook.view()

    def delete(self, hook_id: int, *, force: bool) -> Json:
        """Remove a hook; without `force` the shop refuses with 501."""
        hook = self.find(hook_id)
        if not force:
            raise ApiError("woocommerce_rest_trash_not_supported", "Webhooks do not support trashing.", 501)
        del self.hooks[hook_id]
        return hook.view()

    def find(self, hook_id: int, status: int = 404) -> Hook:
        """The hook, or the shop's error."""
        if hook_id not in self.hooks:
            raise invalid_id("shop_webhook", status)
        return self.hooks[hook_id]

    # events

    def happened(self, action: str, key: int) -> None:
        """Queue deliveries of an event. The same hook and object already waiting gets no second one (measured)."""
        row = self.shop.orders.rows.get(key) if "order" in action else None
        if row is not None and row.status == "auto-draft":
            return
        for hook in self.hooks.values():
            if hook.status == "active" and action in hook.actions:
                self._queue.setdefault((hook.id, hook.topic, key), action)
                self._stir()

    def _ping(self, hook: Hook) -> None:
        hook.pinged = False
        self._pings.append(hook.id)
        self._stir()

    def _stir(self) -> None:
        if not self.shop.options.auto_deliver:
            return
        with self._starting:
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="sandbox-woocommerce-webhooks", daemon=True).start()

    def _run(self) -> None:
        while True:
            time.sleep(self.shop.options.webhook_delay)
            self.deliver()
            with self._starting:
                if not self._pings and (self.broken == "stuck" or not self._queue):
                    self._running = False
                    return

    def broken_by(self, kind: str) -> None:
        """Break deliveries in one of the ways of `BREAKS`, or mend them and send what waits."""
        self.broken = kind
        if self._queue:
            self._stir()

    @property
    def waiting(self) -> int:
        """How many deliveries are queued."""
        return len(self._queue)

    def deliver(self) -> int:
        """Send everything that waits, now; gives the number of deliveries. The shop stays usable meanwhile."""
        with self._sending:
            with self._lock:
                pings, self._pings = self._pings, []
                if self.broken == "stuck":
                    jobs = []
                else:
                    jobs = [key for key in self._queue for _ in range(2 if self.broken == "duplicate" else 1)]
                    self._queue.clear()
            if self.broken == "reversed":
                jobs.reverse()
            for hook_id in pings:
                self._send_ping(hook_id)
            sent = 0
            for hook_id, _, key in jobs:
                sent += self._send(hook_id, key)
            return sent

    def delivery(self, topic: str, secret: str, key: int) -> tuple[dict[str, str], bytes]:
        """Headers and body that a hook with this topic and secret is sent of a record."""
        hook = Hook(1, topic, "Webhook", "", secret)
        return self._signed(hook, self._payload(hook, key))

    def signed(self, topic: str, secret: str, body: bytes) -> tuple[dict[str, str], bytes]:
        """The same of a body that is given."""
        return self._signed(Hook(1, topic, "Webhook", "", secret), body)

    def _signed(self, hook: Hook, body: bytes) -> tuple[dict[str, str], bytes]:
        return self._agent() | self._headers(hook, body), body

    def _send_ping(self, hook_id: int) -> None:
        hook = self.hooks.get(hook_id)
        if hook is not None and not hook.pinged:
            body = f"webhook_id={hook_id}".encode()
            status = self._post(hook.delivery_url, body, {"Content-Type": "application/x-www-form-urlencoded"})
            hook.pinged = status == 200

    def _send(self, hook_id: int, key: int) -> bool:
        with self._lock:
            hook = self.hooks.get(hook_id)
            if hook is None or hook.status != "active":
                return False
            body = self._payload(hook, key)
            headers = self._headers(hook, body)
        if not hook.pinged:
            self._send_ping(hook_id)  # measured: comes again with every delivery until one was answered 200
        status = self._post(hook.delivery_url, body, headers)
        with self._lock:
            self.log.append({"webhook_id": hook.id, "topic": hook.topic, "id": key, "status": status})
            self._count(hook, ok=status is not None and 200 <= status <= 302)
        return True

    def _count(self, hook: Hook, *, ok: bool) -> None:
        if ok:
            hook.failures = 0
        elif hook.failures > FAILURES:
            hook.status = "disabled"
            self.shop.stamp(hook.dates, "date_modified", self.shop.now())
        else:
            hook.failures += 1

    def _payload(self, hook: Hook, key: int) -> bytes:
        """The body, made now and not when the event happened."""
        if self.broken == "rights":
            text = "Sorry, you cannot view this resource."
            return php_json({"code": "woocommerce_rest_cannot_view", "message": text, "data": {"status": 401}})
        if hook.topic.startswith("action."):
            return php_json({"action": hook.topic.removeprefix("action."), "arg": key})
        if hook.topic.endswith(".deleted"):
            return php_json({"id": key})
        return self.shop.publish(self._resource(hook, key))

    def _resource(self, hook: Hook, key: int) -> bytes:
        resource = hook.topic.partition(".")[0]
        if resource == "order" and key in self.shop.orders:
            return self.shop.orders.rows[key].raw
        if resource == "product" and key in self.shop.products:
            return php_json(products.view(self.shop, self.shop.products[key]))
        if resource == "customer" and key in self.shop.customers:
            return php_json(self.shop.customers[key])
        kind = {"order": "shop_order"}.get(resource, resource)
        return php_json(invalid_id(kind).body())

    def _headers(self, hook: Hook, body: bytes) -> dict[str, str]:
        resource, _, event = hook.topic.partition(".")
        secret = "forged" if self.broken == "forged" else html.unescape(hook.secret)
        made = hmac.new(secret.encode(), body, hashlib.sha256).digest()
        moment = int(self.shop.now().timestamp())
        delivery = hashlib.md5(f"{hook.id}:{moment}".encode(), usedforsecurity=False).hexdigest()
        return {
            "Content-Type": "application/json",
            "X-WC-Webhook-Source": f"{self.shop.home()}/",
            "X-WC-Webhook-Topic": hook.topic,
            "X-WC-Webhook-Resource": resource,
            "X-WC-Webhook-Event": event,
            "X-WC-Webhook-Signature": base64.b64encode(made).decode(),
            "X-WC-Webhook-ID": str(hook.id),
            "X-WC-Webhook-Delivery-ID": delivery,
        }

    def _agent(self) -> dict[str, str]:
        """What every request says of the shop."""
        agent = f"WooCommerce/{self.shop.options.version} Hookshot (WordPress/{self.shop.wp_version})"
        return {"User-Agent": agent, "Accept": "*/*", "Accept-Encoding": "deflate, gzip, br, zstd"}

    def _post(self, url: str, body: bytes, headers: dict[str, str]) -> int | None:
        """The status of the answer, None when there was none. Redirects are not followed."""
        parts = urlsplit(url)
        connect: Callable[..., http.client.HTTPConnection] = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        connection = connect(parts.hostname or "", parts.port, timeout=_TIMEOUT)
        try:
            connection.request("POST", target, body, self._agent() | headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()


def _check(body: Json) -> None:
    topic = body.get("topic")
    if topic is not None and topic not in _HOOKS and not topic.startswith(("action.woocommerce_", "action.wc_")):
        raise ApiError("woocommerce_rest_webhook_invalid_topic", "Webhook topic must be valid.", 400)
    url = body.get("delivery_url")
    if url is not None and not url.startswith(("http://", "https://")):
        text = "Webhook delivery URL must be a valid URL starting with http:// or https://."
        raise ApiError("woocommerce_rest_webhook_invalid_delivery_url", text, 400)
