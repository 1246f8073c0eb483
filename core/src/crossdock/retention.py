"""How long things are kept: the defaults, and what a project decided instead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import attrs

from crossdock.errors import SettingsError

NAME = "retention"
FOREVER = "forever"
_UNITS = {"d": 1, "w": 7, "y": 365}
_SPAN = re.compile(r"(\d{1,4})\s*([dwy])")


def _days(days: int | None, doc: str) -> Any:
    return attrs.field(default=None if days is None else timedelta(days=days), metadata={"doc": doc})


@attrs.frozen(kw_only=True)
class Retention:
    """How long each kind of thing is kept; `None` is for ever."""

    payloads: timedelta | None = _days(90, "what vendors sent of each record, beside the record itself")
    exchanges: timedelta | None = _days(14, "requests and answers, with their bodies")
    runs: timedelta | None = _days(90, "pulls and pushes; the last one of each stream and flow stays")
    attempts: timedelta | None = _days(180, "tries of effects that are settled; those of open ones stay")
    events: timedelta | None = _days(730, "who changed what, pauses, decisions")
    inbox: timedelta | None = _days(30, "webhooks that were worked; those that wait or failed stay")
    alerts: timedelta | None = _days(90, "alerts that are over, and messages that were sent")
    personal: timedelta | None = _days(
        None, "names, addresses and contacts of customers in delivered orders and shipments"
    )

    @classmethod
    def parse(cls, table: Mapping[str, Any]) -> Retention:
        """What a table ``[retention]`` decides; raises `SettingsError` with each problem by its key."""
        problems: dict[str, str] = {}
        given: dict[str, timedelta | None] = {}
        names = tuple(field.name for field in attrs.fields(cls))
        for key, value in table.items():
            if key not in names:
                problems[key] = f"there is no such key; there are: {', '.join(names)}"
                continue
            try:
                given[key] = parse_days(value)
            except ValueError as error:
                problems[key] = str(error)
        if problems:
            text = "; ".join(f"{key}: {problem}" for key, problem in problems.items())
            raise SettingsError(f"[retention] cannot be used: {text}.", problems=problems)
        return cls(**given)


def parse_days(value: Any) -> timedelta | None:
    """A time to keep something: ``90d``, ``8w``, ``2y``, or ``forever``; raises `ValueError`."""
    text = value.strip().lower() if isinstance(value, str) else ""
    if text == FOREVER:
        return None
    match = _SPAN.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise ValueError('it must be days, weeks or years, such as "90d", "8w" or "2y", or "forever"')
    return timedelta(days=int(match[1]) * _UNITS[match[2]])


def days_text(kept: timedelta | None) -> str:
    """A time to keep something as `parse_days` reads it."""
    return FOREVER if kept is None else f"{kept.days}d"
