"""How the vendor says no: an HTTP status and ``{"status", "message"}``, sometimes with coded details (section 11)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Refusal(Exception):
    """A request the vendor refuses with `status`, `message` and, where it has codes, `errors`."""

    def __init__(
        self, message: str, status: int = 400, *, code: str = "", field: str = "", headers: Mapping[str, str] = {}
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.field = field
        self.headers = dict(headers)

    @property
    def body(self) -> dict[str, Any]:
        """The JSON of the answer; where the codes stand in it is this sandbox's reading (vendor page section 11)."""
        body: dict[str, Any] = {"status": self.status, "message": self.message}
        if self.code:
            body["errors"] = [{"code": self.code, "field": self.field or None, "message": self.message}]
        return body


def not_found(what: str, key: str) -> Refusal:
    """The answer to an id that is not there."""
    return Refusal(f"{what} with identifier '{key}' not found", 404)
