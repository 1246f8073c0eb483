"""When a stream is read: every so often, or by a cron line in UTC; never more often than the vendor allows."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import attrs

from crossdock.connection import ConnectorInfo, StreamInfo
from crossdock.errors import UsageError

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_SPAN = re.compile(r"(\d+)\s*(s|min|m|h|d|w)")
_DEFAULTS = {"products": timedelta(days=1), "prices": timedelta(days=1), "balance": timedelta(minutes=15)}
_HOUR = timedelta(hours=1)
_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("day of the week", 0, 7))
_NAMES = {
    "month": ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    "day of the week": ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
}
_SHORTCUTS = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *"}


def parse_span(text: str) -> timedelta:
    """A duration as people write it: ``90s``, ``10m``, ``1h30m``, ``1d``; raises `UsageError`."""
    compact = text.strip().lower().replace(" ", "")
    parts = _SPAN.findall(compact)
    if not parts or "".join(number + unit for number, unit in parts) != compact:
        raise UsageError(f"{text!r} is no duration.", hint="Write it like 10m, 1h30m or 1d.")
    seconds = sum(int(number) * _UNITS[unit] for number, unit in parts)
    if not 0 < seconds <= 366 * 86400:
        raise UsageError(f"{text!r} is no usable duration: more than nothing and at most a year.")
    return timedelta(seconds=seconds)


def span_text(every: timedelta) -> str:
    """A duration the way `parse_span` reads it: ``15m``, ``1h``, ``1d``."""
    seconds = int(every.total_seconds())
    text = ""
    for unit in ("d", "h", "m", "s"):
        number, seconds = divmod(seconds, _UNITS[unit])
        text += f"{number}{unit}" if number else ""
    return text or "0s"


@attrs.frozen
class Cron:
    """A cron line of five fields in UTC; fires when minute, hour, month and day match.

    As in every cron, a day matches either field when both day fields are restricted.
    """

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool

    @classmethod
    def parse(cls, text: str) -> Cron:
        """The schedule of a cron line; raises `UsageError` naming the bad field."""
        line = _SHORTCUTS.get(text.strip().lower(), text.strip().lower())
        parts = line.split()
        if len(parts) != len(_FIELDS):
            raise UsageError(
                f"{text!r} is no cron line: it needs five fields.",
                hint="minute hour day month weekday, for example '30 6 * * 1-5'; times are UTC.",
            )
        minutes, hours, days, months, weekdays = (
            _numbers(part, *field) for part, field in zip(parts, _FIELDS, strict=True)
        )
        cron = cls(
            text.strip(), minutes, hours, days, months, frozenset(day % 7 for day in weekdays),
            parts[2].startswith("*"), parts[4].startswith("*"),
        )  # fmt: skip
        if cron._next(datetime(2000, 1, 1, tzinfo=UTC)) is None:
            raise UsageError(f"The cron line {text!r} never comes true.")
        return cron

    def next(self, after: datetime) -> datetime:
        """The first moment after `after`, in UTC."""
        found = self._next(after.astimezone(UTC))
        if found is None:
            raise UsageError(f"The cron line {self.text!r} never comes true.")
        return found

    def _next(self, after: datetime) -> datetime | None:
        start = after.replace(second=0, microsecond=0) + timedelta(minutes=1)
        day = start.replace(hour=0, minute=0)
        for _ in range(366 * 9):  # 29 February may be eight years away
            if self._on(day):
                for hour in sorted(self.hours):
                    for minute in sorted(self.minutes):
                        moment = day.replace(hour=hour, minute=minute)
                        if moment >= start:
                            return moment
            day += timedelta(days=1)
        return None

    def _on(self, day: datetime) -> bool:
        if day.month not in self.months:
            return False
        by_date, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        if self.any_day or self.any_weekday:
            return by_date and by_weekday
        return by_date or by_weekday

    def shortest(self) -> timedelta:
        """The shortest time between two of its moments."""
        return min(later - earlier for earlier, later in itertools.pairwise(self._some(1500)))

    def _some(self, count: int) -> Iterator[datetime]:
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        for _ in range(count if len(self.hours) * len(self.minutes) > 1 else 60):
            moment = self.next(moment)
            yield moment


def _numbers(text: str, name: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            start, end = low, high
        else:
            start = _number(first, name, low)
            end = _number(last, name, low) if dash else (high if step else start)
        if (step and (not step.isdigit() or int(step) == 0)) or not low <= start <= end <= high:
            raise UsageError(f"{part!r} is no {name} of a cron line: it goes from {low} to {high}.")
        found.update(range(start, end + 1, int(step or 1)))
    return frozenset(found)


def _number(text: str, name: str, low: int) -> int:
    names = _NAMES.get(name, [])
    if text in names:
        return names.index(text) + low
    if not text.isdigit():
        raise UsageError(f"{text!r} is no {name} of a cron line.")
    return int(text)


def default_every(info: ConnectorInfo, stream: str) -> timedelta:
    """How often a stream is read unless a person says otherwise.

    What the connector says (Cdiscount: orders every 10 minutes); else products and prices once a day, balance every 15
    minutes, everything else every hour. Never more often than the vendor allows.
    """
    known = info.streams.get(stream)
    said = known.every if known is not None and known.every != _HOUR else None
    return max(said or _DEFAULTS.get(stream, _HOUR), minimum(info, stream))


def minimum(info: ConnectorInfo, stream: str) -> timedelta:
    """The shortest interval that the vendor allows."""
    return info.streams.get(stream, StreamInfo()).minimum


def check_schedule(info: ConnectorInfo, stream: str, every: timedelta | None, cron: str) -> None:
    """Refuse a schedule that cannot be read or that asks more often than the vendor allows; raises `UsageError`."""
    shortest = Cron.parse(cron).shortest() if cron else every
    least = minimum(info, stream)
    if shortest is not None and shortest < least:
        raise UsageError(
            f"{info.title} allows to read {stream} every {span_text(least)} at most, not every {span_text(shortest)}.",
            hint=f"Take --every {span_text(least)} or longer.",
        )


def next_due(every: int | None, cron: str, last: datetime) -> datetime:
    """When a stream that was last read at `last` is due again; `every` in seconds."""
    if cron:
        return Cron.parse(cron).next(last)
    return last + timedelta(seconds=every or _HOUR.total_seconds())
