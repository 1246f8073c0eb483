"""The HTTP clients of a connection."""

from __future__ import annotations

import contextlib
import functools
import ssl
import threading
from collections.abc import Iterator
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from crossdock.connection import Endpoint

_KEEP_ALIVE = 20.0


@functools.cache
def _ssl_context() -> ssl.SSLContext:
    # One context for all connections: making one costs 20 to 60 ms, a client with it 0.1 ms (measured).
    return ssl.create_default_context()


class Clients:
    """As many clients as the endpoint allows requests at once; each serves one request at a time.

    One client for all threads would be simpler, but its pool closes connections that another thread is using
    (a known defect of httpcore 1.0.9; measured: with 8 threads on 4 connections 2 % of the requests failed with
    "Bad file descriptor", and a few hung until their timeout). To a create that means an unknown outcome.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._slots = threading.BoundedSemaphore(endpoint.concurrency)
        self._free: dict[bool, list[httpx.Client]] = {True: [], False: []}
        self._closed = False

    @contextlib.contextmanager
    def one(self, patience: float, *, secure: bool) -> Iterator[httpx.Client]:
        """A client for one request, over TLS or not.

        Raises `httpx.PoolTimeout` when none is free within `patience` seconds.
        """
        if not self._slots.acquire(timeout=patience):
            raise httpx.PoolTimeout("all connections are in use")
        try:
            # The one that was used last: its connection is the most likely to be alive still.
            client = self._taken(secure) or _made(secure)
            try:
                yield client
            finally:
                self._free[secure].append(client)
                if self._closed:
                    self.close()
        finally:
            self._slots.release()

    def close(self) -> None:
        """Close the connections; those in use when their requests end."""
        self._closed = True
        while client := self._taken(True) or self._taken(False):
            client.close()

    def _taken(self, secure: bool) -> httpx.Client | None:
        try:
            return self._free[secure].pop()
        except IndexError:
            return None


def _made(secure: bool) -> httpx.Client:
    return httpx.Client(
        verify=_ssl_context() if secure else False,
        follow_redirects=False,
        trust_env=secure,
        limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=_KEEP_ALIVE),
        # Cookies are never kept: Extend begins to answer 400 after hundreds of pages with them
        # (Extend Commerce page section 1), and no API here needs them.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
    )
