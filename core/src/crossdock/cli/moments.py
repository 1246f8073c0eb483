"""Moments that a person types: a date, a time, or how long ago."""

from __future__ import annotations

from datetime import datetime

from crossdock.errors import UsageError
from crossdock.schedule import parse_span
from crossdock.settings import parse_time


def parse_moment(text: str, now: datetime) -> datetime | None:
    """Aware UTC from ``2026-01-31``, ``2026-01-31T12:00:00Z`` or, before `now`, ``7d``; none from an empty text.

    A text without an offset is UTC. Raises `UsageError`.
    """
    if not text:
        return None
    try:
        return parse_time(text)
    except ValueError:
        pass
    try:
        return now - parse_span(text)
    except UsageError as error:
        raise UsageError(
            f"{text!r} is no date or time.",
            hint="Write a date (2026-01-31), a time (2026-01-31T12:00:00Z), or how long ago (7d, 3h).",
        ) from error
