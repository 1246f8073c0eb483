"""What the engine and the HTTP session tell each other of one delivery."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime

from crossdock import tripwire
from crossdock.connection import Outgoing
from crossdock.errors import TransientError


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
    wire = tripwire.armed()
    if wire is not None:
        wire.step(lambda: f"{request.method} {mask(request.url)} is about to leave")


def answered(request: Outgoing, mask: Callable[[str], str], status: int) -> None:
    """A write was answered, and nothing of the answer is kept yet."""
    wire = tripwire.armed()
    if wire is not None:
        wire.step(lambda: f"{request.method} {mask(request.url)} was answered {status}, and nothing of it is kept yet")
