"""How the ordering API says no or warns: a message with severity, code, text and the field it is about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

JsonObject: TypeAlias = dict[str, Any]


def message(code: str, text: str, field: str = "", severity: str = "error") -> JsonObject:
    """One entry of ``messages``; `field` is left out when it is empty."""
    made = {"severity": severity, "code": code, "text": text}
    return made | {"field": field} if field else made


class Refusal(Exception):
    """A request refused with an HTTP status of its own and the body ``{"status": "rejected", "messages": [...]}``."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.body: JsonObject = {"status": "rejected", "messages": [message(code, text)]}


class Findings:
    """What a check found, each with the path of its field inside the order."""

    def __init__(self) -> None:
        self.found: list[JsonObject] = []
        self._path: list[str] = []

    def add(self, code: str, text: str, field: str = "") -> None:
        """Refuse the order because of `field` under the present path."""
        self.found.append(message(code, text, ".".join([*self._path, *([field] if field else [])])))

    @contextmanager
    def at(self, step: str) -> Iterator[None]:
        """What is added inside belongs to `step`, as in ``lines[0]``."""
        self._path.append(step)
        try:
            yield
        finally:
            self._path.pop()


def widened(value: Any, added: JsonObject) -> Any:
    """`value` with the fields `added` in every object."""
    if isinstance(value, list):
        return [widened(each, added) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: widened(each, added) for name, each in value.items()} | added
