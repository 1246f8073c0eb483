"""One request past the gate, and the answer to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import attrs

from crossdock_cdiscount.sandbox.clock import read_date
from crossdock_cdiscount.sandbox.problem import Problem, invalid


@attrs.frozen
class Answer:
    """A status, a JSON value (`None`: no body at all) and headers."""

    value: Any = None
    status: int = 200
    headers: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen
class Call:
    """The parts of a request. Every reader of a parameter raises a `Problem` (400) that names it."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    url: str
    language: str

    def words(self, name: str) -> list[str]:
        """A comma list; empty when the parameter is not there."""
        return [each.strip() for each in self.query.get(name, "").split(",") if each.strip()]

    def date(self, name: str) -> datetime | None:
        """A moment in UTC."""
        text = self.query.get(name)
        if not text:
            return None
        moment = read_date(text)
        if moment is None:
            raise invalid(name, f"The value '{text}' is not valid for {name}.")
        return moment

    def flag(self, name: str) -> bool | None:
        """``true`` or ``false``."""
        text = self.query.get(name)
        if not text:
            return None
        if text.lower() not in ("true", "false"):
            raise invalid(name, f"The value '{text}' is not valid for {name}.")
        return text.lower() == "true"

    def whole(self, name: str, default: int, most: int | None = None) -> int:
        """A number from 1 to `most`."""
        text = self.query.get(name, str(default))
        if not (text.isascii() and text.isdigit()) or int(text) < 1 or (most is not None and int(text) > most):
            raise invalid(name, f"The field {name} must be between 1 and {most or 2147483647}.")
        return int(text)

    def link(self, **changed: Any) -> dict[str, str]:
        """The ``Link`` header to this address with other parameters, rel="next"."""
        return {"Link": f'<{self.url}?{urlencode({**self.query, **changed}, safe=":,")}>; rel="next"'}

    def object(self) -> dict[str, Any]:
        """The body, which has to be a JSON object."""
        if not isinstance(self.body, dict):
            raise invalid("$", "The JSON value could not be converted: an object is expected.")
        return self.body

    def array(self) -> list[dict[str, Any]]:
        """The body, which has to be an array of objects, and not empty."""
        if not isinstance(self.body, list) or not self.body or not all(isinstance(each, dict) for each in self.body):
            raise invalid("$", "The JSON value could not be converted: an array of objects is expected.")
        return self.body


Handler = Callable[[Call], Answer]


def read_json(content: bytes, kind: str) -> Any:
    """A request's body with exact numbers. Raises `Problem`: 415 for another type, 400 for broken JSON."""
    if "json" not in kind:
        raise Problem(415, "The content type is not supported; send application/json.")
    try:
        return json.loads(content, parse_float=Decimal, parse_constant=_no_number)
    except ValueError as error:
        raise invalid("$", "The body is not valid JSON.") from error


def _no_number(text: str) -> Any:
    raise ValueError(text)
