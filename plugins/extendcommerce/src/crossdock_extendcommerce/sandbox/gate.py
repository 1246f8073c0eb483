"""What stands before every method: login, client, cookies, rate limits (vendor page sections 1 and 3)."""

from __future__ import annotations

import base64
import binascii
import hmac
import uuid
from collections.abc import Iterable, Mapping

from crossdock_extendcommerce.sandbox.clock import Clock
from crossdock_extendcommerce.sandbox.refusal import Refusal, not_found

COOKIE = "ASP.NET_SessionId"
LIMITS: Mapping[str, int] = {"low": 60, "standard": 300, "high": 3000, "none": 1_000_000}
GENEROUS: Mapping[str, int] = dict.fromkeys(LIMITS, 1_000_000)
HEADER_NAMES = ("ExtendBasicAuthorization", "Authorization")


class Login:
    """Checks user, password and client of a request."""

    def __init__(self, client: str, username: str, password: str, headers: Iterable[str], *, read_only: bool) -> None:
        self.client = client
        self.username = username
        self.password = password
        self.read_only = read_only
        self._headers = tuple(headers)

    def check(self, headers: Mapping[str, str], client: str, method: str) -> None:
        """Raises `Refusal`: 401 for a wrong login, 404 for another client, 403 for a method not granted.

        Users have their rights per method (vendor page section 1); which status a missing right gets is not
        written down, and 403 is this sandbox's reading.
        """
        if not any(self._valid(headers.get(name, "")) for name in self._headers):
            raise Refusal("Authorization has been denied for this request.", 401)
        if client != self.client:
            raise not_found()
        if self.read_only and method != "GET":
            raise Refusal("The user has no permission to use this method.", 403)

    def _valid(self, value: str) -> bool:
        scheme, _, coded = value.partition(" ")
        try:
            given = base64.b64decode(coded.strip(), validate=True)
        except (binascii.Error, ValueError):
            return False
        return scheme.lower() == "basic" and hmac.compare_digest(given, f"{self.username}:{self.password}".encode())


class Cookies:
    """Hands out a session cookie and grows tired of it: sent back too often it turns every answer into a 400."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._seen: dict[str, int] = {}

    def check(self, cookies: Mapping[str, str]) -> None:
        """Raises `Refusal` once the cookie came back more than the limit allows."""
        session = cookies.get(COOKIE)
        if session is None:
            return
        self._seen[session] = self._seen.get(session, 0) + 1
        if self._seen[session] > self._limit:
            raise Refusal("Bad Request")

    def fresh(self, cookies: Mapping[str, str]) -> dict[str, str]:
        """The Set-Cookie header for a request that brought none."""
        return {} if COOKIE in cookies else {"set-cookie": f"{COOKIE}={uuid.uuid4().hex}; path=/; HttpOnly"}


class Meter:
    """Counts calls per resource family in windows of one clock minute; the limit is that of the method's group."""

    def __init__(self, clock: Clock, limits: Mapping[str, int], *, enforce: bool, retry_after: bool) -> None:
        self._clock = clock
        self._limits = {**LIMITS, **limits}
        self._enforce = enforce
        self._retry_after = retry_after
        self._spent: dict[str, tuple[int, int]] = {}

    @property
    def standard(self) -> int:
        """The limit of the Standard group."""
        return self._limits["standard"]

    def spend(self, family: str, group: str) -> tuple[bool, dict[str, str]]:
        """Whether the call may go on, and the rate headers of its answer."""
        now = int(self._clock.now().timestamp())
        window, limit = now // 60, self._limits[group]
        began, spent = self._spent.get(family, (window, 0))
        spent = spent + 1 if began == window else 1
        self._spent[family] = (window, spent)
        reset = (window + 1) * 60
        headers = {
            "x-ratelimit-limit": str(limit),
            "x-ratelimit-remaining": str(max(0, limit - spent)),
            "x-ratelimit-reset": str(reset),
        }
        allowed = spent <= limit or not self._enforce
        if not allowed and self._retry_after:
            headers["retry-after"] = str(reset - now)
        return allowed, headers
