"""Sees connections that a plugin opens beside the HTTP session that it was given."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from functools import cache
from typing import Any

from crossdock.connection import Outgoing
from crossdock.http.answer import Answer
from crossdock.http.client import Http

_EVENTS = ("socket.connect", "socket.getaddrinfo")
_here = threading.local()
_watched: dict[int, list[str]] = {}


class WatchedHttp(Http):
    """The HTTP session of the core; whatever connects while it sends is its own."""

    def _send(self, signed: Outgoing, timeout: float | None, *, create: bool) -> Answer:
        _here.sends = True
        try:
            return super()._send(signed, timeout, create=create)
        finally:
            _here.sends = False


@contextlib.contextmanager
def watching(port: int) -> Iterator[list[str]]:
    """The addresses to which something else connects while the block runs: anywhere from this thread, or to `port`."""
    _listen()
    seen: list[str] = []
    _watched[port] = seen
    _here.seen = seen
    try:
        yield seen
    finally:
        _here.seen = None
        del _watched[port]


@cache
def _listen() -> None:
    # Cannot be taken away again; it looks at two kinds of event only.
    sys.addaudithook(_heard)


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _EVENTS or getattr(_here, "sends", False):
        return
    address = arguments[1] if event == "socket.connect" else arguments[:2]
    if not isinstance(address, tuple) or len(address) < 2:
        return
    mine = getattr(_here, "seen", None)
    seen = mine if mine is not None else _watched.get(address[1] if isinstance(address[1], int) else -1)
    if seen is not None:
        seen.append(f"{address[0]}:{address[1]}")
