"""What systems and ledger hold after all the work, in a form in which two turns can be compared.

A system is compared column by column: the values that stand at one place of its state, such as
``orders[].reference``, with how often each of them stands there. A lost order is a value too few, a doubled one a value
too many. Which record gets which of a system's own numbers is left to chance, because several are sent at once: of
values that nobody knew before the work, how often each of them stands there makes no difference, and of numbers not
even which ones they are; but how many different ones there are, and how many in all.
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
_NUMBER = re.compile(r"(?!\d+\.\d+$).*\d{4}")
_SHOWN = 4
_MANY = 1_000_000

Columns = Mapping[str, Counter[str]]


@attrs.frozen
class Line:
    """Something that the store holds: what it is, with ``{}`` in the place of the record's `key`, and how it is."""

    what: str
    key: str
    state: str

    def name(self, known: Collection[str]) -> str:
        """What it is, for a person; a key that nobody knew before the work is left to chance."""
        return self.what.replace("{}", self.key if self.key in known else "<new>")


@attrs.frozen
class Picture:
    """The ledger; each system, column by column; and the effects that only a person can settle: line and target."""

    ledger: Sequence[Line]
    systems: Mapping[str, Columns]
    open: Sequence[tuple[Line, str]]


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
        text = _masked(str(value))
        yield place, _DIGITS.sub("#", text) if " " in text else text


def ledger(app: App) -> tuple[list[Line], list[tuple[Line, str]]]:
    """What the store holds; and of the effects there those that only a person can settle, with their targets."""
    lines: list[Line] = []
    doubts: list[tuple[Line, str]] = []
    store = app.store
    for effect in store.effects.find(limit=_MANY):
        state = effect.state if effect.done == effect.wanted or not effect.done else f"{effect.state}, outdated"
        line = Line(f"the effect {effect.operation} {effect.source}-{{}} of {effect.flow}", effect.key, state)
        lines.append(line)
        if effect.state == "in_doubt" and effect.not_before.startswith("9999"):
            doubts.append((line, effect.target))
        bound = store.records.bound(effect.source, effect.stream, [effect.key], effect.target)
        lines += [
            Line(f"the binding of {each.stream} {each.source}-{{}} to {each.connection}", effect.key, "there")
            for each in bound.values()
        ]
    for row in store.config.streams():
        place = f"{row.connection} {row.stream}"
        lines.append(Line(f"the bookmark of {place}", "", _place_of(row.cursor)))
        for page in store.records.pages(row.connection, row.stream):
            lines += [Line(f"the record {place} {{}}", each.key, "kept") for each in page]
    lines += [
        Line(f"the payload {each.connection} {each.stream} {{}}", each.key, f"parked: {each.cause}")
        for each in store.records.parked()
    ]
    lines += [
        Line(f"the webhooks of {connection} that are {state}", "", str(number))
        for (connection, state), (number, _) in store.inbox.open().items()
    ]
    lines += [Line(f"the gap {each.kind} of {each.flow}: {{}}", each.value, "open") for each in store.gaps.list()]
    return lines, doubts


def _place_of(cursor: str | None) -> str:
    """Where a bookmark stands; one that tells a time has rows of the last moments beside it, as they happened to be."""
    masked = _masked(cursor or "nowhere")
    return "at a time" if masked != (cursor or "nowhere") else masked


def _masked(text: str) -> str:
    return _RANDOM.sub("<id>", _TIME.sub("<time>", text))


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
    said = list(_ledger(straight, other, known))
    left = {target for _, target in other.open}
    for name, columns in straight.systems.items():
        for place in sorted({*columns, *other.systems[name]}):
            here, there = other.systems[name].get(place, Counter()), columns.get(place, Counter())
            if (name, place) in chance:
                here, there = Counter({"values": here.total()}), Counter({"values": there.total()})
            said.extend(f"{name}: {text}" for text in _column(place, here, there, known, less=name in left))
    return said


def _ledger(straight: Picture, other: Picture, known: Collection[str]) -> Iterator[str]:
    """Lines that differ, but for those of records that are left to a person."""
    left = {(line.key, line.what.split(" of ")[0].split()[-1]) for line, _ in other.open}
    here, there = (
        Counter(
            (line.name(known), line.state)
            for line in picture.ledger
            if not any(line.key == key and source in line.what for key, source in left)
        )
        for picture in (other, straight)
    )
    extra, lacking = here - there, there - here
    instead = dict(extra.keys())
    for (name, state), number in sorted(lacking.items()):
        times = f" ({number} of them)" if number > 1 else ""
        yield f"{name} is {instead.pop(name, 'missing')} instead of {state}{times}"
    for name, state in sorted(instead.items()):
        yield f"{name} is {state} and should not be"


def _column(
    place: str, here: Counter[str], there: Counter[str], known: Collection[str], *, less: bool
) -> Iterator[str]:
    if _agree(here, there, known, less=less):
        return
    extra, lacking = here - there, Counter[str]() if less else there - here
    for counter, word in ((lacking, "lacks"), (extra, "has too much")):
        values = sorted(counter.elements())
        if values:
            more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
            yield f"{place} {word}: {', '.join(values[:_SHOWN])}{more}"


def _agree(here: Counter[str], there: Counter[str], known: Collection[str], *, less: bool) -> bool:
    """Whether known values stand as often, and as many new ones: words the same, numbers whichever."""
    (told, words, numbers, total), wanted = _shape(here, known), _shape(there, known)
    if less:
        return told <= wanted[0] and words <= wanted[1] and numbers <= wanted[2] and total <= wanted[3]
    return (told, words, numbers, total) == wanted


def _shape(values: Counter[str], known: Collection[str]) -> tuple[Counter[str], set[str], int, int]:
    new = {value for value in values if value not in known}
    numbers = {value for value in new if _NUMBER.match(value)}
    told = Counter({value: count for value, count in values.items() if value not in new})
    return told, new - numbers, len(numbers), values.total()
