"""Requests and answers as the log keeps them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

import attrs

from crossdock.http.redact import Redactor

_BODY_KEPT = 4096


@attrs.frozen(kw_only=True)
class Exchange:
    """One request and its answer, secrets masked, bodies cut, for the exchange log.

    `ahead` is how far the other system's clock was ahead of ours, to about a second; `None` when it did not say.
    """

    at: datetime
    method: str
    url: str
    status: int | None
    seconds: float
    request_body: str
    response_body: str
    error: str
    ahead: timedelta | None = None


class ExchangeLog(Protocol):
    """Where exchanges go."""

    def keep(self, exchange: Exchange) -> None:
        """Keep one exchange; must not raise."""


def excerpt(body: bytes, mask: Redactor) -> str:
    """The beginning of a body, secrets masked."""
    # Mask before cutting: a secret cut in half would no longer be recognised. The margin bounds the work.
    return mask.text(body[: _BODY_KEPT * 2].decode("utf-8", "replace"))[:_BODY_KEPT]
