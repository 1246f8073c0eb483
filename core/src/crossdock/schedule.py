"""When a stream is read: every so often, or by a cron line in a time zone; never more often than the vendor allows."""

from __future__ import annotations

import difflib
import functools
import itertools
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, available_timezones

import attrs

from crossdock.connection import ConnectorInfo, StreamInfo
from crossdock.errors import UsageError

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_SPAN = re.compile(r"(\d+)\s*(s|min|m|h|d|w)")
_DEFAULTS = {"products": timedelta(days=1), "prices": timedelta(days=1), "balance": timedelta(minutes=15)}
_HOUR = timedelta(hours=1)
_QUIET = re.compile(r"(\d{1,2}:\d{2})\s*-\s*(\d{1,2}:\d{2})")
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
    """A cron line of five fields; fires when minute, hour, month and day match on the wall clock of a time zone.

    As in every cron, a day matches either field when both day fields are restricted. A line that names its hours fires
    once for each moment of the wall clock: when the clock is put back the first of the two, when it is put forward past
    the moment as much later. A line of all hours goes by time that passes, through both hours of that night.
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
                hint="minute hour day month weekday, for example '30 6 * * 1-5'.",
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

    def next(self, after: datetime, zone: tzinfo = UTC) -> datetime:
        """The first moment after `after`, in UTC."""
        found = self._next(after.astimezone(UTC), zone)
        if found is None:
            raise UsageError(f"The cron line {self.text!r} never comes true.")
        return found

    def _next(self, after: datetime, zone: tzinfo = UTC) -> datetime | None:
        # The day before counts, too: a moment that the clock was put forward past may come true on the next day.
        day = after.astimezone(zone).date() - timedelta(days=1)
        for _ in range(366 * 9):  # 29 February may be eight years away
            if self._on(day):
                found = next((moment for moment in self._moments(day, zone) if moment > after), None)
                if found is not None:
                    return found
            day += timedelta(days=1)
        return None

    def _moments(self, day: date, zone: tzinfo) -> Iterable[datetime]:
        """The moments of a day by the wall clock of a zone, in UTC, sorted."""
        begin, end = (datetime.combine(each, time(), zone) for each in (day, day + timedelta(days=1)))
        marks = itertools.product(sorted(self.hours), sorted(self.minutes))
        if begin.utcoffset() == end.utcoffset():
            midnight = begin.astimezone(UTC)
            return (midnight + timedelta(hours=hour, minutes=minute) for hour, minute in marks)
        walls = [datetime.combine(day, time(hour, minute), zone) for hour, minute in marks]
        again = [wall.replace(fold=1) for wall in walls] if len(self.hours) == 24 else []
        return sorted({wall.astimezone(UTC) for wall in (*walls, *again)})

    def _on(self, day: date) -> bool:
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
        days = (date(2026, 1, 1) + timedelta(days=number) for number in range(366 * 9))
        moments = itertools.chain.from_iterable(self._moments(day, UTC) for day in days if self._on(day))
        return itertools.islice(moments, count if len(self.hours) * len(self.minutes) > 1 else 60)


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


@functools.lru_cache(maxsize=4096)
def _parsed(text: str) -> Cron:
    return Cron.parse(text)


def zone_of(name: str) -> tzinfo:
    """The time zone of a name such as ``Europe/Berlin``, UTC without one; raises `UsageError`."""
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        near = difflib.get_close_matches(name, available_timezones(), n=3)
        hint = f"Did you mean {' or '.join(near)}?" if near else "Write it like Europe/Berlin."
        raise UsageError(f"There is no time zone {name!r}.", hint=hint) from None


def quiet_hours(text: str) -> tuple[time, time]:
    """Begin and end of quiet hours, ``22:00-06:00``; raises `UsageError`."""
    found = _QUIET.fullmatch(text.strip())
    try:
        begin, end = (time.fromisoformat(each.zfill(5)) for each in found.groups()) if found else (time(), time())
    except ValueError:
        begin = end = time()
    if begin == end:
        raise UsageError(f"{text!r} are no quiet hours.", hint="Write them like 22:00-06:00.")
    return begin, end


@attrs.frozen(kw_only=True)
class Schedule:
    """When a stream is read: `every` so many seconds, or by a `cron` line in `zone`.

    In the `quiet` hours of the zone it is not, but right after them. Up to `jitter` seconds are added by chance, so
    that many streams with one schedule do not call at the same second.
    """

    every: int | None = None
    cron: str = ""
    zone: str = ""
    quiet: str = ""
    jitter: int = 0

    def next(self, last: datetime, chance: float = 0.0) -> datetime:
        """When a stream that was last read at `last` is due again; `chance` from 0 to 1 is the part of the jitter."""
        zone = zone_of(self.zone)
        if self.cron:
            moment = _parsed(self.cron).next(last, zone)
        else:
            moment = last + timedelta(seconds=self.every or _HOUR.total_seconds())
        return self.awake(moment + timedelta(seconds=self.jitter * chance))

    def awake(self, moment: datetime) -> datetime:
        """`moment`, or the end of the quiet hours that it lies in; in UTC."""
        if not self.quiet:
            return moment.astimezone(UTC)
        begin, end = quiet_hours(self.quiet)
        local = moment.astimezone(zone_of(self.zone))
        overnight = begin > end
        late, early = local.time() >= begin, local.time() < end
        if not ((late or early) if overnight else (late and early)):
            return moment.astimezone(UTC)
        day = local.date() + timedelta(days=1 if overnight and late else 0)
        over = datetime.combine(day, end, local.tzinfo)
        # Where the clock is put back, the quiet hours may end twice; the second end is the one that counts for a
        # moment after the first.
        ends = (over.astimezone(UTC), over.replace(fold=1).astimezone(UTC))
        return next(each for each in (*ends, moment.astimezone(UTC)) if each >= moment)

    @property
    def text(self) -> str:
        """It for a person, such as ``every 10m, quiet 22:00-06:00 Europe/Berlin``; empty without a schedule."""
        if not (self.cron or self.every):
            return ""
        zone = self.zone or "UTC"
        parts = [f"cron {self.cron} {zone}" if self.cron else f"every {span_text(timedelta(seconds=self.every or 0))}"]
        if self.quiet:
            parts.append(f"quiet {self.quiet}" + ("" if self.cron else f" {zone}"))
        if self.jitter:
            parts.append(f"up to {span_text(timedelta(seconds=self.jitter))} later")
        return ", ".join(parts)


def default_every(info: ConnectorInfo, stream: str) -> timedelta:
    """How often a stream is read unless a person says otherwise.

    What the connector says (Cdiscount: orders every 10 minutes); else products and prices once a day, balance every 15
    minutes, everything else every hour. Never more often than the vendor allows.
    """
    known = info.streams.get(stream)
    return max((known and known.every) or _DEFAULTS.get(stream, _HOUR), minimum(info, stream))


def minimum(info: ConnectorInfo, stream: str) -> timedelta:
    """The shortest interval that the vendor allows."""
    return info.streams.get(stream, StreamInfo()).minimum


def check_schedule(info: ConnectorInfo, stream: str, schedule: Schedule) -> None:
    """Refuse a schedule that cannot be read or that asks more often than the vendor allows; raises `UsageError`."""
    zone_of(schedule.zone)
    if schedule.quiet:
        quiet_hours(schedule.quiet)
    every = timedelta(seconds=schedule.every) if schedule.every else None
    shortest = Cron.parse(schedule.cron).shortest() if schedule.cron else every
    least = minimum(info, stream)
    if shortest is not None and shortest < least:
        raise UsageError(
            f"{info.title} allows to read {stream} every {span_text(least)} at most, not every {span_text(shortest)}.",
            hint=f"Take --every {span_text(least)} or longer.",
        )
