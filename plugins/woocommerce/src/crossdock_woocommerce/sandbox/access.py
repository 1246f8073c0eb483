"""Who may ask: Basic, keys in the query string, OAuth 1.0a (vendor page section 1)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

from crossdock_woocommerce.sandbox.wire import ApiError, flat_query

__all__ = ["Gate"]

WINDOW = 15 * 60  # seconds, measured: the clock may differ this much either way
_NEEDED = ("oauth_consumer_key", "oauth_timestamp", "oauth_nonce", "oauth_signature", "oauth_signature_method")
_DIGESTS = {"HMAC-SHA1": hashlib.sha1, "HMAC-SHA256": hashlib.sha256}


def _refused(message: str, code: str = "woocommerce_rest_authentication_error") -> ApiError:
    return ApiError(code, message, 401)


def _quote(text: str) -> str:
    return quote(text, safe="~")


class Gate:
    """One API key and what it may do. `ssl` is what the shop believes, not what the socket is."""

    def __init__(self, key: str, secret: str, scope: str, *, ssl: bool) -> None:
        self.key = key
        self.secret = secret
        self.scope = scope
        self.ssl = ssl
        self._nonces: dict[int, set[str]] = {}

    def admits(self, method: str, url: str, query: Mapping[str, Any], headers: Mapping[str, str], now: int) -> bool:
        """Whether the request comes from the key's user; false means "nobody is logged in", which is no error.

        Raises:
            ApiError: 401 ``woocommerce_rest_authentication_error``, the key or its signature is not right.
        """
        authorization = headers.get("authorization", "")
        if self.ssl and self._basic(query, authorization):
            return True
        return self._oauth(method, url, query, authorization, now)

    def check_scope(self, method: str) -> None:
        """Raise 401 when the key may not read, or may not write."""
        needed = "read" if method in ("GET", "HEAD", "OPTIONS") else "write"
        if self.scope not in (needed, "read_write"):
            raise _refused(f"The API key provided does not have {needed} permissions.")

    def _basic(self, query: Mapping[str, Any], authorization: str) -> bool:
        key, secret = str(query.get("consumer_key", "")), str(query.get("consumer_secret", ""))
        if not (key and secret) and authorization[:6].lower() == "basic ":
            try:
                text = base64.b64decode(authorization[6:]).decode("utf-8", "replace")
            except binascii.Error:
                return False
            key, _, secret = text.partition(":")
        if not (key and secret) or key != self.key:
            return False
        if not hmac.compare_digest(secret.encode(), self.secret.encode()):
            raise _refused("Consumer secret is invalid.")
        return True

    def _oauth(self, method: str, url: str, query: Mapping[str, Any], authorization: str, now: int) -> bool:
        params = dict(query)
        if authorization[:6].lower() == "oauth ":
            params.update(
                (name, unquote(value)) for name, value in re.findall(r'(oauth_[a-z_]+)="([^"]*)"', authorization)
            )
        missing = [name for name in _NEEDED if not params.get(name)]
        if len(missing) == len(_NEEDED):
            return False
        if missing:
            plural = "s" if len(missing) > 1 else ""
            text = f"Missing OAuth parameter{plural} {', '.join(missing)}"
            raise _refused(text, "woocommerce_rest_authentication_missing_parameter")
        if params["oauth_consumer_key"] != self.key:
            raise _refused("Consumer key is invalid.")
        self._check_signature(method, url, params)
        self._check_time(str(params["oauth_timestamp"]), str(params["oauth_nonce"]), now)
        return True

    def _check_signature(self, method: str, url: str, params: dict[str, Any]) -> None:
        given = str(params.pop("oauth_signature"))
        digest = _DIGESTS.get(str(params["oauth_signature_method"]))
        if digest is None:
            raise _refused("Invalid signature - signature method is invalid.")
        ordered = {name: params[name] for name in sorted(params, key=lambda name: name.encode())}
        text = "&".join(f"{_quote(name)}={_quote(value)}" for name, value in flat_query(ordered))
        base = f"{method}&{_quote(url)}&{_quote(text)}"
        made = hmac.new(f"{self.secret}&".encode(), base.encode(), digest).digest()
        if not hmac.compare_digest(base64.b64encode(made), given.encode()):
            raise _refused("Invalid signature - provided signature does not match.")

    def _check_time(self, stamp: str, nonce: str, now: int) -> None:
        moment = int(stamp) if stamp.isdigit() else 0
        if abs(now - moment) > WINDOW:
            raise _refused("Invalid timestamp.")
        if any(nonce in used for used in self._nonces.values()):
            raise _refused("Invalid nonce - nonce has already been used.")
        self._nonces.setdefault(moment, set()).add(nonce)
        self._nonces = {when: used for when, used in self._nonces.items() if when >= now - WINDOW}
