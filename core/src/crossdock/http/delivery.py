"""What the engine and the HTTP session tell each other of one delivery."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime
from urllib.parse import urlsplit

from crossdock import tripwire
from crossdock.connection import Outgoing
from crossdock.errors import TransientError

_NUMBER = re.compile(r"[^/]*\d[^/]*")


class Marker:
    """What a delivery has to know of its requests.

    `until`: when its lease ends; later than that no write leaves. `wrote`: a write left the house. `accepted`: a create
    was answered with success.
    """

    def __init__(self, until: datetime | None = None) -> None:
        self.until = until
        self.wrote = False
        self.accepted = False


delivery: ContextVar[Marker | None] = ContextVar("delivery", default=None)
"""The delivery that the current thread works on; set by the engine around a push."""


def accepted() -> None:
    """A create was answered with success."""
    marker = delivery.get()
    if marker is not None:
        marker.accepted = True


def writes(now: datetime, request: Outgoing, mask: Callable[[str], str]) -> None:
    """A write is about to leave; raises `TransientError` when its lease is over.

    A worker that was stopped for longer than its lease must not send: another one asks and sends by now.
    """
    marker = delivery.get()
    if marker is not None:
        if marker.until is not None and now >= marker.until:
            raise TransientError("The lease on this effect ended before its request could be sent; nothing was sent.")
        marker.wrote = True
    _pass(request, mask, "is about to leave", "leaves")


def answered(request: Outgoing, mask: Callable[[str], str], status: int) -> None:
    """A write was answered, and nothing of the answer is kept yet."""
    _pass(request, mask, f"was answered {status}, and nothing of it is kept yet", "answered")


def _pass(request: Outgoing, mask: Callable[[str], str], what: str, kind: str) -> None:
    """A step of the tripwire, if there is one; requests are of one kind when only numbers in their paths differ."""
    wire = tripwire.armed()
    if wire is not None:
        url = mask(request.url)
        path = _NUMBER.sub("#", urlsplit(url).path)
        wire.step(lambda: f"{request.method} {url} {what}", f"{request.method} {path} {kind}")
