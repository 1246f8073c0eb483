"""What stands before every operation: the key, the role, the shop, the call frequency (sections 2 and 3)."""

from __future__ import annotations

import hmac
import math
from collections.abc import Collection, Mapping

from crossdock_mirakl.sandbox.clock import Clock
from crossdock_mirakl.sandbox.query import Query
from crossdock_mirakl.sandbox.refusal import Refusal

# Least seconds between two calls of an operation, of the vendor's "maximum usage" (vendor page section 3).
LIMITS: Mapping[str, int] = {
    "A01": 86_400,
    "SH21": 86_400,
    "CH11": 86_400,
    "OR04": 60,
    "OR11": 60,
    "OR13": 300,
    "OR14": 2,
    "ST12": 300,
    "OF02": 60,
    "OF03": 60,
    "OF24": 60,
    "OF52": 60,
    "OF53": 10,
    "STO01": 60,
    "STO02": 15,
    "STO03": 60,
    "PRI01": 60,
    "PRI02": 60,
    "PRI03": 60,
}


class Door:
    """Checks the key of a request and says which shop answers."""

    def __init__(self, api_key: str, shops: Collection[int], default_shop: int, *, read_only: bool) -> None:
        self.api_key = api_key
        self.default_shop = default_shop
        self._shops = shops
        self._read_only = read_only

    def check(self, authorization: str, method: str) -> None:
        """Raises `Refusal`: 401 for another key or a ``Bearer`` before it, 403 for a write without the role."""
        if not hmac.compare_digest(authorization.encode(), self.api_key.encode()):
            raise Refusal("Unauthorized", 401)
        if self._read_only and method != "GET":
            raise Refusal("Forbidden", 403)

    def shop(self, query: Query) -> int:
        """The shop that ``shop_id`` names; without it the default shop of the key's user, silently."""
        text = query.text("shop_id")
        if text is None:
            return self.default_shop
        if not text.isascii() or not text.isdigit():
            raise Refusal("Invalid value for the parameter : shop_id")
        if int(text) not in self._shops:
            raise Refusal(f"You do not have access to the shop {text}", 403)
        return int(text)


class Meter:
    """Counts calls by operation, and refuses those that come too often when it is strict."""

    def __init__(self, clock: Clock, limits: Mapping[str, int], *, strict: bool) -> None:
        self.calls: dict[str, int] = {}
        self._clock = clock
        self._limits = {**LIMITS, **limits}
        self._strict = strict
        self._free_at: dict[tuple[str, int], float] = {}

    def spend(self, operation: str, shop: int, query: Query) -> None:
        """Count a call. Raises `Refusal` 429 with ``Retry-After``; a further page of a list counts as the same call."""
        self.calls[operation] = self.calls.get(operation, 0) + 1
        further = query.text("page_token") is not None or query.text("offset") not in (None, "0")
        if not self._strict or further or operation not in self._limits:
            return
        now, free = self._clock.now().timestamp(), self._free_at.get((operation, shop), 0.0)
        if now < free:
            raise Refusal("Too many requests", 429, headers={"retry-after": str(math.ceil(free - now))})
        self._free_at[operation, shop] = now + self._limits[operation]
