"""Webhooks: posted to the one URL that was given by mail, and tried again when nobody answers well."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import attrs
import msgspec

from crossdock_xdconnects.sandbox.clock import Clock
from crossdock_xdconnects.sandbox.messages import JsonObject

RETRY_AFTER = (timedelta(minutes=1), timedelta(minutes=5))  # then it is given up; the real rule is not known
_SECONDS_TO_ANSWER = 10.0


@attrs.define
class Delivery:
    """One body on its way to one address; `statuses` are the answers so far, 0 for none."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    due: datetime
    statuses: list[int] = attrs.field(factory=list)
    given_up: bool = False

    @property
    def arrived(self) -> bool:
        """Whether the last answer was a 2xx."""
        return bool(self.statuses) and 200 <= self.statuses[-1] < 300

    def told(self) -> JsonObject:
        """The delivery for the state; of the headers, which may be secret, only the names."""
        return {
            "url": self.url,
            "headers": sorted(self.headers),
            "body": msgspec.json.decode(self.body),
            "statuses": list(self.statuses),
            "delivered": self.arrived,
            "givenUp": self.given_up,
        }


class Postman:
    """Sends what is due, either for a caller who waits or from a thread of its own."""

    def __init__(self, clock: Clock, url: str, signing_secret: str = "") -> None:
        self.url = url
        self.signing_secret = signing_secret
        self.headers: Mapping[str, str] = {}
        self.deliveries: list[Delivery] = []
        self._clock = clock
        self._sending = threading.Lock()

    def post(self, body: JsonObject) -> None:
        """Put a body on its way; without a URL it goes nowhere."""
        if self.url:
            content = msgspec.json.encode(body)
            headers = {**self.headers, **self.signature(content)}
            self.deliveries.append(Delivery(self.url, headers, content, self._clock.now()))

    def signature(self, body: bytes) -> dict[str, str]:
        """The header that signs a body, if that was agreed: HMAC-SHA256 in hexadecimal digits."""
        if not self.signing_secret:
            return {}
        return {"X-Signature": hmac.new(self.signing_secret.encode(), body, hashlib.sha256).hexdigest()}

    def repeat_last(self) -> bool:
        """Put the last body on its way once more, byte for byte; false when there was none."""
        if not self.deliveries:
            return False
        last = self.deliveries[-1]
        self.deliveries.append(Delivery(last.url, last.headers, last.body, self._clock.now()))
        return True

    @property
    def pending(self) -> int:
        """How many bodies wait for their first or a further attempt."""
        return sum(not each.arrived and not each.given_up for each in self.deliveries)

    def send_due(self) -> None:
        """Send everything that is due, in order, and wait for the answers."""
        with self._sending:
            for delivery in [each for each in self.deliveries if not each.arrived and not each.given_up]:
                if delivery.due <= self._clock.now():
                    self._send(delivery)

    def send_soon(self) -> None:
        """Send everything that is due from another thread."""
        if self.pending:
            threading.Thread(target=self.send_due, name="sandbox-xdconnects-hooks", daemon=True).start()

    def _send(self, delivery: Delivery) -> None:
        delivery.statuses.append(_posted(delivery))
        tried = len(delivery.statuses)
        if delivery.arrived:
            return
        if tried > len(RETRY_AFTER):
            delivery.given_up = True
        else:
            delivery.due = self._clock.now() + RETRY_AFTER[tried - 1]


def _posted(delivery: Delivery) -> int:
    """The status that was answered; 0 when there was no answer. Proxies of the environment are not used."""
    parts = urlsplit(delivery.url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_SECONDS_TO_ANSWER)
    path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    try:
        connection.request("POST", path, delivery.body, {"Content-Type": "application/json", **delivery.headers})
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
    return answer.status
