"""What stands before every method: token, seller, language, limits (vendor page sections 2 and 3)."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from crossdock_cdiscount.sandbox.channels import LANGUAGES
from crossdock_cdiscount.sandbox.clock import Clock
from crossdock_cdiscount.sandbox.problem import Problem, invalid

TOKEN_SECONDS = 7200
TOKEN_CALLS = 500  # in an hour


class TokenRefusal(Exception):
    """The token endpoint says no: ``{error, error_description}``."""

    def __init__(self, status: int, error: str, description: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(description)
        self.status = status
        self.body = {"error": error, "error_description": description}
        self.headers = dict(headers or {})


class Window:
    """At most `limit` calls in `seconds`; without a limit it counts nothing."""

    def __init__(self, clock: Clock, limit: int | None, seconds: int) -> None:
        self._clock = clock
        self._limit = limit
        self._seconds = seconds
        self._calls: list[datetime] = []

    def wait(self) -> int:
        """Count a call; 0 when it may go on, otherwise the seconds until the next one may."""
        if self._limit is None:
            return 0
        now = self._clock.now()
        self._calls = [each for each in self._calls if each > now - timedelta(seconds=self._seconds)]
        if len(self._calls) >= self._limit:
            free = self._calls[0] + timedelta(seconds=self._seconds)
            return max(1, round((free - now).total_seconds()))
        self._calls.append(now)
        return 0


class Tokens:
    """Keycloak's token endpoint: client credentials for a token that lives two hours."""

    def __init__(self, clock: Clock, client_id: str, client_secret: str, *, strict: bool) -> None:
        self.client_id = client_id
        self.client_secret = client_secret
        self.issued = 0
        self._clock = clock
        self._window = Window(clock, TOKEN_CALLS if strict else None, 3600)
        self._expiry: dict[str, datetime] = {}

    def issue(self, form: Mapping[str, str] | None) -> dict[str, Any]:
        """The answer to a form (None: the body was no form). Raises `TokenRefusal`."""
        wait = self._window.wait()
        if wait:
            text = "Too many token requests; a token lives two hours."
            raise TokenRefusal(429, "too_many_requests", text, {"Retry-After": str(wait)})
        if not form or not form.get("grant_type"):
            raise TokenRefusal(400, "invalid_request", "Missing form parameter: grant_type")
        if form["grant_type"] != "client_credentials":
            raise TokenRefusal(400, "unsupported_grant_type", "Unsupported grant_type")
        if not (
            hmac.compare_digest(form.get("client_id", "").encode(), self.client_id.encode())
            and hmac.compare_digest(form.get("client_secret", "").encode(), self.client_secret.encode())
        ):
            raise TokenRefusal(401, "invalid_client", "Invalid client or Invalid client credentials")
        self.issued += 1
        token = sha256(f"{self.client_id} {self.issued}".encode()).hexdigest()
        self._expiry[token] = self._clock.now() + timedelta(seconds=TOKEN_SECONDS)
        return {
            "access_token": token,
            "expires_in": TOKEN_SECONDS,
            "token_type": "Bearer",
            "refresh_expires_in": 0,
            "not-before-policy": 0,
            "scope": "",
        }

    def check(self, authorization: str) -> None:
        """Raises `Problem` (401) for a token that is missing, unknown or too old."""
        scheme, _, token = authorization.partition(" ")
        expiry = self._expiry.get(token)
        if scheme.lower() != "bearer" or expiry is None or expiry <= self._clock.now():
            headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            raise Problem(401, "The access token is missing, expired or not valid.", headers=headers)

    def expire(self) -> int:
        """No issued token is valid any more; returns how many that were."""
        count = len(self._expiry)
        self._expiry.clear()
        return count


class Gate:
    """Lets a request through to the API, or not."""

    def __init__(self, clock: Clock, tokens: Tokens, seller_id: str, calls_per_minute: int | None) -> None:
        self.tokens = tokens
        self.seller_id = seller_id
        self._window = Window(clock, calls_per_minute, 60)

    def check(self, headers: Mapping[str, str]) -> str:
        """The language of the answer. Raises `Problem`: 401, 403, 429, 400 or 406, looked at in that order.

        That a seller who is not linked is a 403, and what becomes of another language, is this sandbox's reading.
        """
        self.tokens.check(headers.get("authorization", ""))
        seller = headers.get("sellerid", "")
        if seller != self.seller_id:
            what = (
                f"The seller {seller} is not linked to this client." if seller else "The SellerId header is required."
            )
            raise Problem(403, what)
        wait = self._window.wait()
        if wait:
            raise Problem(429, "Too many requests.", headers={"Retry-After": str(wait)})
        wanted = headers.get("accept-language", "").split(",")[0].split(";")[0].strip()
        if not wanted:
            raise invalid("Accept-Language", "The Accept-Language header is required.")
        if wanted not in LANGUAGES:
            raise Problem(406, f"Accept-Language is one of {', '.join(LANGUAGES)}, not {wanted}.")
        return wanted
