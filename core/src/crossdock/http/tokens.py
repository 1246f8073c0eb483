"""OAuth2 tokens of a connection: fetched once, shared by threads, processes and restarts, renewed in time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Protocol
from urllib.parse import urlencode

import attrs
import msgspec

from crossdock.clock import Clock
from crossdock.connection import ClientCredentials
from crossdock.errors import AccessError
from crossdock.http.answer import Answer

_SHORT_LIFE = 300.0
_RESERVE = 0.1
"""The share of a token's life in which it is no longer begun with: a request may take its time."""


@attrs.frozen(kw_only=True)
class Token:
    """An access token and when it should be renewed."""

    value: str
    renew_at: datetime
    origin: str = ""
    """A hash of the credentials that it was granted to: with other ones it is not used any more."""


class TokenStore(Protocol):
    """Keeps the token of a connection where other processes find it; never in the clear."""

    def load(self) -> Token | None:
        """The token that was kept last, if it can be read."""

    def save(self, token: Token) -> None:
        """Keep a token."""


class HeldToken:
    """A `TokenStore` that is gone with the process."""

    def __init__(self) -> None:
        self._token: Token | None = None

    def load(self) -> Token | None:
        """The token that was kept last."""
        return self._token

    def save(self, token: Token) -> None:
        """Keep a token."""
        self._token = token


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: float = _SHORT_LIFE


class Tokens:
    """The tokens of one connection; `ask` sends a form to the token address and answers a success, or raises."""

    def __init__(
        self, grant: ClientCredentials, store: TokenStore, clock: Clock, ask: Callable[[bytes], Answer],
        learn: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._grant = grant
        self._store = store
        self._clock = clock
        self._ask = ask
        self._learn = learn
        self._token: Token | None = None
        self._lock = threading.Lock()
        parts = (grant.url, grant.client_id, grant.client_secret.reveal(), grant.scope)
        self._origin = blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()

    def current(self) -> str:
        """A token that is good for now; raises the `ConnectorError` that the token address deserves."""
        token = self._token
        if token is not None and self._clock.now() < token.renew_at:
            return token.value
        with self._lock:  # one renewal at a time: the others wait for its result
            return self._usable(refused="")

    def renewed(self, refused: str) -> str:
        """A token other than the one that was just refused."""
        with self._lock:
            return self._usable(refused)

    def take(self, value: str, renew_at: datetime) -> None:
        """Go on with a token that was not asked for here."""
        self._keep(Token(value=value, renew_at=renew_at, origin=self._origin))

    def _usable(self, refused: str) -> str:
        now = self._clock.now()
        for known in (self._token, self._store.load()):
            if known and known.origin == self._origin and known.value != refused and now < known.renew_at:
                self._keep(known)
                return known.value
        token = self._fetched(now)
        self._keep(token)
        self._store.save(token)
        return token.value

    def _keep(self, token: Token) -> None:
        if self._token is None or self._token.value != token.value:
            self._learn(token.value)
        self._token = token

    def _fetched(self, now: datetime) -> Token:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._grant.client_id,
            "client_secret": self._grant.client_secret.reveal(),
        }
        if self._grant.scope:
            form["scope"] = self._grant.scope
        answer = self._ask(urlencode(form).encode())
        try:
            granted = msgspec.json.decode(answer.content, type=_Granted, strict=False)
        except (msgspec.MsgspecError, ValueError):
            granted = _Granted("")
        if not granted.access_token:
            raise AccessError(
                f"{self._grant.url} answered without an access token.", hint="Check the address of the token service."
            )
        life = timedelta(seconds=max(granted.expires_in, 0) * (1 - _RESERVE))
        return Token(value=granted.access_token, renew_at=now + life, origin=self._origin)
