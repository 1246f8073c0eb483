"""What systems and ledger hold after all the work, in a form in which two turns can be compared.

A system is compared column by column: the values that stand at one place of its state, such as
``orders[].reference``, with how often each of them stands there. A lost order is a value too few, a doubled one a value
too many. In which order a system gave out its own numbers makes no difference: of values that nobody knew before the
work, only which ones there are and how many in all have to agree.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import attrs
import msgspec

from crossdock.app import App

IGNORED = ("calls", "now", "requests", "deliveries", "webhooks")
"""Places of a sandbox's state that tell how often it was asked, and not what it holds."""
_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:?\d\d(?::?\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?")
_RANDOM = re.compile(r"\b(?:[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{24,})\b")
_GIVEN = re.compile(rf"\d+|{_RANDOM.pattern}")
_DIGITS = re.compile(r"\d+")
_SHOWN = 4
_MANY = 1_000_000

Columns = Mapping[str, Counter[str]]


@attrs.frozen
class Picture:
    """The ledger, line by line; each system, column by column; and the effects that only a person can settle."""

    ledger: Mapping[str, str]
    systems: Mapping[str, Columns]
    open: Mapping[str, str]


def columns(state: Any, ignored: Collection[str] = ()) -> dict[str, Counter[str]]:
    """The values of a system by their place; times, random ids, and numbers within sentences are masked."""
    found: dict[str, Counter[str]] = {}
    for place, value in _leaves(msgspec.to_builtins(state), "", frozenset((*IGNORED, *ignored))):
        found.setdefault(place, Counter())[value] += 1
    return found


def _leaves(value: Any, place: str, ignored: Collection[str]) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            there = f"{place}.{'*' if _GIVEN.fullmatch(str(name)) else name}".lstrip(".")
            if name not in ignored and there not in ignored:
                yield from _leaves(each, there, ignored)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for each in value:
            yield from _leaves(each, f"{place}[]", ignored)
    else:
        text = _RANDOM.sub("<id>", _TIME.sub("<time>", str(value)))
        yield place, _DIGITS.sub("#", text) if " " in text else text


def ledger(app: App) -> tuple[dict[str, str], dict[str, str]]:
    """What the store holds, by what names it; and of the effects there those that only a person can settle."""
    lines: dict[str, str] = {}
    doubts: dict[str, str] = {}
    store = app.store
    for effect in store.effects.find(limit=_MANY):
        name = f"the effect {effect.operation} {effect.source}-{effect.key} of {effect.flow}"
        lines[name] = effect.state if effect.done == effect.wanted or not effect.done else f"{effect.state}, outdated"
        if effect.state == "in_doubt" and effect.not_before.startswith("9999"):
            doubts[name] = effect.target
        for bound in store.records.bound(effect.source, effect.stream, [effect.key], effect.target).values():
            lines[f"the binding of {bound.stream} {bound.source}-{bound.source_key} to {bound.connection}"] = "there"
    for row in store.config.streams():
        cursor = _TIME.sub("<time>", row.cursor or "none")
        lines[f"the bookmark of {row.connection} {row.stream}"] = cursor
        for page in store.records.pages(row.connection, row.stream):
            lines.update({f"the record {row.connection} {row.stream} {each.key}": "kept" for each in page})
    for parked in store.records.parked():
        lines[f"the payload {parked.connection} {parked.stream} {parked.key}"] = f"parked: {parked.message}"
    for (connection, state), (number, _) in store.inbox.open().items():
        lines[f"webhooks of {connection} that are {state}"] = str(number)
    for gap in store.gaps.list():
        lines[f"the gap {gap.kind} {gap.value} of {gap.flow}"] = "open"
    return lines, doubts


def changing(one: Picture, two: Picture) -> set[tuple[str, str]]:
    """Columns that differ between two turns without any trouble: their values are left to chance."""
    return {
        (name, place)
        for name in one.systems
        for place in {*one.systems[name], *two.systems[name]}
        if one.systems[name].get(place) != two.systems[name].get(place)
    }


def differences(
    straight: Picture, other: Picture, chance: Collection[tuple[str, str]], known: Collection[str]
) -> list[str]:
    """How a turn ended differently from the straight one, in sentences; empty when it did not.

    `chance` are the columns whose values are left to chance: only how many there are is compared. `known` are the
    values that were there before the work.

    Where effects are left to a person, because their target cannot be asked, their lines may differ, and that target
    may hold less, but never more.
    """
    said = list(_ledger(straight.ledger, other))
    for name, columns in straight.systems.items():
        less = name in other.open.values()
        for place in sorted({*columns, *other.systems[name]}):
            here, there = other.systems[name].get(place, Counter()), columns.get(place, Counter())
            if (name, place) in chance:
                here, there = Counter({"values": here.total()}), Counter({"values": there.total()})
            said.extend(f"{name}: {text}" for text in _column(place, here, there, known, less=less))
    return said


def _ledger(straight: Mapping[str, str], other: Picture) -> Iterator[str]:
    for name in sorted({*straight, *other.ledger}):
        here, there = other.ledger.get(name, "missing"), straight.get(name, "missing")
        if here != there and not any(_same_record(name, each) for each in other.open):
            yield f"{name} is {here} instead of {there}"


def _same_record(line: str, effect: str) -> bool:
    key = effect.removeprefix("the effect ").split(" of ")[0].split(" ", 1)[1]
    return line == effect or (line.startswith("the binding ") and f" {key} to " in line)


def _column(
    place: str, here: Counter[str], there: Counter[str], known: Collection[str], *, less: bool
) -> Iterator[str]:
    extra, lacking = here - there, Counter[str]() if less else there - here
    changed = extra.keys() | lacking.keys()
    if here.keys() == there.keys() and extra.total() == lacking.total() and not changed & set(known):
        return
    for counter, word in ((lacking, "lacks"), (extra, "has too much")):
        values = sorted(counter.elements())
        if values:
            more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
            yield f"{place} {word}: {', '.join(values[:_SHOWN])}{more}"
