"""How the vendor says no: ``application/problem+json`` with a ``traceId`` (vendor page section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from http import HTTPStatus
from typing import Any

_VALIDATION_TYPE = "https://tools.ietf.org/html/rfc7231#section-6.5.1"
_VALIDATION_TITLE = "One or more validation errors occurred."


class Problem(Exception):
    """A request that the vendor refuses. `errors` are messages by field."""

    def __init__(
        self,
        status: int,
        detail: str | None = None,
        errors: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail or f"{errors}")
        self.status = status
        self.detail = detail
        self.errors = dict(errors or {})
        self.headers = dict(headers or {})

    def body(self, trace: str) -> dict[str, Any]:
        """The answer's JSON; `trace` is what the vendor's support asks for."""
        validation = self.status == 400 and self.errors
        shown: dict[str, Any] = {
            "type": _VALIDATION_TYPE if validation else "about:blank",
            "title": _VALIDATION_TITLE if validation else HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            shown["errors"] = {field: [message] for field, message in self.errors.items()}
        return shown | {"traceId": trace}


def invalid(field: str, message: str) -> Problem:
    """400 that names a field, a header or a parameter."""
    return Problem(400, errors={field: message})


def unprocessable(field: str, message: str) -> Problem:
    """422: well written, and against a rule of the marketplace."""
    return Problem(422, errors={field: message})


def conflict(detail: str) -> Problem:
    """409: not in this state."""
    return Problem(409, detail)


def not_found(what: str) -> Problem:
    """404."""
    return Problem(404, f"{what} not found")


def trace_id(number: int) -> str:
    """The `number`-th trace id, in the form of a W3C traceparent."""
    digest = sha256(f"trace {number}".encode()).hexdigest()
    return f"00-{digest[:32]}-{digest[32:48]}-00"
