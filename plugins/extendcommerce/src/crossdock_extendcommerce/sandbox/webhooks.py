"""Webhooks: registered with the echo check, signed, really delivered, retried (vendor page section 8)."""

from __future__ import annotations

import collections
import hashlib
import hmac
import http.client
import threading
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import attrs
import msgspec

from crossdock_extendcommerce.sandbox.clock import Clock
from crossdock_extendcommerce.sandbox.fields import JsonObject

TRIGGERS = (
    "OrderPicked",
    "OrderReserved",
    "OrderCancelled",
    "BalanceChanged",
    "AvailableBalanceChanged",
    "OrderDeliveryDataChanged",
    "PurchasePartiallyDelivered",
    "PurchaseCancelled",
    "PurchaseDelivered",
    "ProductCreated",
    "ProductChanged",
    "OrderCreated",
    "CustomerCreated",
    "CustomerChanged",
    "OfferCreated",
    "OfferChanged",
    "CustomerInvoiceCreated",
    "CustomerInvoiceChanged",
)
RETRY_AFTER = (timedelta(minutes=1), timedelta(minutes=4))  # then it is given up
_SECONDS_TO_ANSWER = 10.0
_KEPT = 1000


def signature(body: bytes, secret: str) -> str:
    """The ``ms-signature`` header: HMAC-SHA256 over the exact bytes, in upper-case hex."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().upper()


@attrs.define
class Hook:
    """One registered webhook; `events` empty means every trigger, `warehouse` None means all."""

    url: str
    secret: str
    events: tuple[str, ...] = ()
    warehouse: str | None = None
    active: bool = True

    def wants(self, trigger: str) -> bool:
        """Whether the hook is for this trigger. A trigger nobody knows yet goes to everyone."""
        return self.active and (not self.events or trigger in self.events or trigger not in TRIGGERS)


@attrs.define
class Delivery:
    """One body on its way to one hook."""

    hook: Hook
    id: str
    notification_id: str
    notifications: list[JsonObject]
    due: datetime
    attempt: int = 1
    secret: str | None = None  # another secret than the hook's: a forgery

    def body(self) -> bytes:
        """The bytes of this attempt; `Id` stays and `Attempt` counts up."""
        return msgspec.json.encode(
            {
                "Id": self.id,
                "Attempt": self.attempt,
                "Properties": {"NotificationId": self.notification_id},
                "Notifications": self.notifications,
            }
        )


class Postman:
    """Holds the hooks and their deliveries, and sends what is due from a thread of its own."""

    def __init__(self, clock: Clock, *, automatic: bool = True) -> None:
        self.hooks: list[Hook] = []
        self.sent: collections.deque[JsonObject] = collections.deque(maxlen=_KEPT)
        self._clock = clock
        self._automatic = automatic
        self._waiting: list[Delivery] = []
        self._done: collections.deque[Delivery] = collections.deque(maxlen=_KEPT)
        self._state = threading.Condition()
        self._sending = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def pending(self) -> int:
        """How many deliveries wait, for the first time or for a retry."""
        with self._state:
            return len(self._waiting)

    def register(self, url: str, secret: str, events: Iterable[str], warehouse: str | None) -> Hook:
        """Register a hook after the echo check; a URL with ``noecho`` is not checked. Raises `ValueError`."""
        unknown = sorted(set(events) - set(TRIGGERS))
        if unknown:
            raise ValueError(f"There is no trigger {', '.join(unknown)}.")
        parts = urlsplit(url)
        if "noecho" not in parse_qs(parts.query, keep_blank_values=True):
            token = uuid.uuid4().hex
            query = f"{parts.query}&{urlencode({'echo': token})}" if parts.query else urlencode({"echo": token})
            status, answer = _exchange("GET", parts._replace(query=query).geturl(), b"", {})
            if status != 200 or answer.decode(errors="replace").strip() != token:
                raise ValueError(f"The webhook was not registered: {url} did not answer the echo token.")
        hook = Hook(url, secret, tuple(events), warehouse)
        self.hooks.append(hook)
        return hook

    def post(self, trigger: str, details: Sequence[JsonObject], *, forged: bool = False) -> int:
        """Put one body per hook that wants `trigger` on its way and return how many; none without details."""
        count = 0
        for hook in [each for each in self.hooks if each.wants(trigger)]:
            wanted = [each for each in details if hook.warehouse in (None, each.get("Warehouse", hook.warehouse))]
            if wanted:
                notifications = [{"Action": trigger, "Details": each} for each in wanted]
                due = self._clock.now()
                secret = uuid.uuid4().hex if forged else None
                self._add([Delivery(hook, uuid.uuid4().hex, str(uuid.uuid4()), notifications, due, secret=secret)])
                count += 1
        return count

    def repeat(self) -> int:
        """Send every delivery that has succeeded once more, with the same bytes."""
        with self._state:
            again = [attrs.evolve(each, due=self._clock.now()) for each in self._done if each.hook.active]
            self._done.clear()
        self._add(again)
        return len(again)

    def wake(self) -> None:
        """Let the thread look at the clock again."""
        with self._state:
            if self._automatic and self._waiting and (self._thread is None or not self._thread.is_alive()):
                self._thread = threading.Thread(target=self._run, name="sandbox-extendcommerce-hooks", daemon=True)
                self._thread.start()
            self._state.notify_all()

    def send_due(self) -> int:
        """Send everything that is due, in order, and return how many were accepted."""
        accepted = 0
        with self._sending:
            while (delivery := self._take()) is not None:
                accepted += self._send(delivery)
        return accepted

    def _add(self, deliveries: Iterable[Delivery]) -> None:
        with self._state:
            self._waiting.extend(deliveries)
        self.wake()

    def _take(self) -> Delivery | None:
        now = self._clock.now()
        with self._state:
            index = next((index for index, each in enumerate(self._waiting) if each.due <= now), None)
            return None if index is None else self._waiting.pop(index)

    def _send(self, delivery: Delivery) -> bool:
        hook, body = delivery.hook, delivery.body()
        if not hook.active:
            return False
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "ms-signature": signature(body, delivery.secret or hook.secret),
        }
        status = _exchange("POST", hook.url, body, headers)[0]
        self.sent.append(
            {
                "url": hook.url,
                "id": delivery.id,
                "attempt": delivery.attempt,
                "status": status,
                "actions": [each["Action"] for each in delivery.notifications],
                "body": body.decode(),
            }
        )
        if 200 <= status < 300:
            self._done.append(delivery)
            return True
        if status == 410:
            hook.active = False
        elif delivery.attempt <= len(RETRY_AFTER):
            due = self._clock.now() + RETRY_AFTER[delivery.attempt - 1]
            with self._state:
                self._waiting.append(attrs.evolve(delivery, attempt=delivery.attempt + 1, due=due))
        return False

    def _run(self) -> None:
        while True:
            self.send_due()
            with self._state:
                if not self._waiting:
                    self._thread = None
                    return
                wait = (min(each.due for each in self._waiting) - self._clock.now()).total_seconds()
                self._state.wait(min(max(wait, 0.01), 60.0))


def _exchange(method: str, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    """Status and body of one call; status 0 when there was no answer. Proxies of the environment are not used."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_SECONDS_TO_ANSWER)
    try:
        connection.request(method, f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()
