"""OAuth 1.0a, one-legged, HMAC-SHA256: the only login WooCommerce takes over plain http (vendor page section 1)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterable
from urllib.parse import quote

import attrs

from crossdock import Auth, Outgoing, Secret

Pairs = Iterable[tuple[str, str]]

MARK = ("_p", "wp-json/wc/")
"""A parameter that nobody reads: it makes WooCommerce take a key although permalinks are plain (section 1)."""


def _escape(text: str) -> str:
    return quote(text, safe="-._~")


def signature(method: str, url: str, pairs: Pairs, secret: str) -> str:
    """The HMAC-SHA256 signature of RFC 5849 section 3.4 with an empty token; `url` has no query, `pairs` are decoded.

    Bracketed names such as ``include[0]`` end up encoded twice, as WooCommerce expects (measured). It differs from the
    RFC in two points that its own keys and parameters never touch: it sorts by the plain names and takes the secret
    as it stands.
    """
    ordered = sorted(pairs, key=lambda pair: pair[0].encode())
    normal = "&".join(f"{_escape(name)}={_escape(value)}" for name, value in ordered)
    base = "&".join((method.upper(), _escape(url), _escape(normal)))
    digest = hmac.new(f"{secret}&".encode(), base.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def oauth(
    key: str,
    secret: Secret,
    *,
    now: Callable[[], float] = time.time,
    nonce: Callable[[], str] = lambda: secrets.token_hex(16),
) -> Auth:
    """An `Auth` that signs each attempt anew: the shop refuses a nonce that comes twice within 15 minutes."""

    def sign(request: Outgoing) -> Outgoing:
        added = (
            ("oauth_consumer_key", key),
            ("oauth_nonce", nonce()),
            ("oauth_signature_method", "HMAC-SHA256"),
            ("oauth_timestamp", str(int(now()))),
        )
        proof = signature(request.method, request.url, (*request.params, *added), secret.reveal())
        return attrs.evolve(request, params=(*request.params, *added, ("oauth_signature", proof)))

    return sign


def spelled_out(auth: Auth) -> Auth:
    """`auth` for shops with plain permalinks too: `MARK` leaves with its slashes as they are.

    WooCommerce searches the raw request line for it, and the HTTP client would encode them.
    """

    def sign(request: Outgoing) -> Outgoing:
        signed = auth(request)
        if MARK not in signed.params:
            return signed
        query = "&".join(f"{_escape(name)}={quote(value, safe='/-._~')}" for name, value in signed.params)
        return attrs.evolve(signed, url=f"{signed.url}?{query}", params=())

    return sign
