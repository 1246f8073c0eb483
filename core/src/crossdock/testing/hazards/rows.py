"""Hazards of what is in the rows: money, strange words, added fields, rows that cannot be read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from crossdock.records import to_document
from crossdock.sandbox import Impossible, NotRehearsed
from crossdock.testing.hazards.hazard import (
    Finding,
    NotApplicable,
    content,
    demand_rows,
    demand_values,
    hazard,
    reads,
    several,
)
from crossdock.testing.stage import Haul, Stage

_FEW = 12


@hazard(
    "values-are-exact", "bronze",
    "Amounts become floats on their way, and the ERP's total differs from the shop's by a cent.",
    reads, each_stream=True,
)  # fmt: skip
def exact(stage: Stage) -> None:
    """Every value of the truth, compared exactly; an amount with more digits than its neighbours' was a float."""
    stage.add(_FEW)
    haul = stage.read()
    demand_values(stage.rehearsal.expected(stage.stream), haul.records)
    for record in haul.records.values():
        for path, amount in _amounts(record, ""):
            if -amount.normalize().as_tuple().exponent > 10:  # type: ignore[operator]  # finite, as records demand
                raise Finding(f"{path} of {record.key} is {amount}: that was a float.")


def _amounts(value: Any, path: str) -> Iterator[tuple[str, Decimal]]:
    if isinstance(value, Decimal):
        yield path, value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _amounts(getattr(value, name), f"{path}.{name}".lstrip("."))
    elif isinstance(value, tuple):
        for index, each in enumerate(value):
            yield from _amounts(each, f"{path}.{index}")


def _demand_balance(haul: Haul) -> None:
    for number, page in enumerate(haul.pages, 1):
        out = len(page.records) + len(page.rejects) + sum(page.skipped.values())
        if page.seen is None:
            raise Finding(f"Page {number} does not say how many rows the vendor sent (seen).")
        if page.seen != out:
            raise Finding(f"Page {number} says that {page.seen} rows came, and {out} came out of it.")
        if page.payloads and len(page.payloads) != len(page.records):
            raise Finding(f"Page {number} has {len(page.records)} records and {len(page.payloads)} payloads.")


@hazard(
    "every-row-is-accounted-for", "bronze",
    "A row falls through a filter or an except, no log tells of it, and the order is missed weeks later.",
    reads, each_stream=True,
)  # fmt: skip
def balanced(stage: Stage) -> None:
    """Each page says how many rows came, and they are all records, rejects, or skipped with a reason."""
    stage.add(_FEW)
    haul = stage.read()
    _demand_balance(haul)
    demand_rows(stage.rehearsal.expected(stage.stream), haul.records)


@hazard(
    "one-bad-row", "bronze",
    "One order that cannot be read stops all that come after it, or disappears without a word.",
    reads, each_stream=True,
)  # fmt: skip
def one_bad_row(stage: Stage) -> None:
    """One row of twelve is broken: it is a reject with its key, payload and path, and all others are records."""
    keys = stage.add(_FEW)
    bad = keys[_FEW // 2]
    expected = [key for key in stage.rehearsal.expected(stage.stream) if key != bad]
    path = stage.rehearsal.spoil(stage.stream, bad)
    haul = stage.read()
    demand_rows(expected, haul.records, " beside a row that cannot be read")
    if bad in haul.records:
        raise Finding(f"The broken row {bad} was handed out as a record: {haul.records[bad]!r:.200}")
    _demand_balance(haul)
    mine = [error for error in haul.rejects if error.key == bad]
    if not mine:
        raise Finding(f"No reject names the broken row {bad}; rejects: {several(each.key for each in haul.rejects)}.")
    if not mine[0].payload:
        raise Finding(f"The reject of {bad} has no payload, so nobody can see what was wrong with it.")
    if path and not mine[0].path:
        raise Finding(f"The reject of {bad} does not name the field ({path}): {mine[0]}")


@hazard(
    "new-word", "silver",
    "A vendor invents a status overnight, and all orders that have it stop, or are taken for something else.",
    reads, each_stream=True,
)  # fmt: skip
def new_word(stage: Stage) -> None:
    """A row with an undocumented word is still a record, and the word is in it."""
    keys = stage.add(3)
    word = stage.rehearsal.new_word(stage.stream, keys[1])
    haul = stage.read()
    demand_rows(stage.rehearsal.expected(stage.stream), haul.records)
    if word not in to_document(haul.records[keys[1]]).decode():
        raise Finding(f"The record {keys[1]} does not keep the vendor's word {word!r}.")


@hazard(
    "added-fields", "silver",
    "A vendor adds a field, as every vendor reserves to do, and a strict parser refuses every row from then on.",
    reads, each_stream=True,
)  # fmt: skip
def added_fields(stage: Stage) -> None:
    """Rows with fields that nobody documented read as before."""
    stage.add(3)
    stage.rehearsal.added_field()
    demand_rows(stage.rehearsal.expected(stage.stream), stage.read().records, " once rows have an added field")


@hazard(
    "by-keys-as-in-the-list", "silver",
    "A webhook fetches an order in another shape than the hourly run does, and the two overwrite each other for ever.",
    reads, each_stream=True,
)  # fmt: skip
def by_keys(stage: Stage) -> None:
    """Records fetched by key are those of the list; a key that no longer exists does no harm."""
    info = stage.info.streams.get(stage.stream)
    if info is not None and "keys" not in info.queries:
        raise NotApplicable("It is not read by keys, as its ConnectorInfo says.")
    keys = stage.add(_FEW)
    listed = stage.read().records
    asked = _askable(stage, list(listed), listed)
    with contextlib.suppress(NotRehearsed, Impossible):
        stage.rehearsal.remove(stage.stream, keys[0])
    haul = stage.read_keys(asked)
    demand_rows(stage.rehearsal.expected(stage.stream), haul.records, " when asked for by key")
    known = {key: each for key, each in haul.records.items() if key in listed and key != keys[0]}
    other = [key for key, each in known.items() if content(each) != content(listed[key])]
    if other:
        said = _differences(listed[other[0]], haul.records[other[0]])
        raise Finding(f"By key, {several(other)} read otherwise than in the list: {said}.")
    _demand_balance(haul)


def _differences(listed: Any, fetched: Any) -> str:
    before, after = msgspec.structs.asdict(listed), msgspec.structs.asdict(fetched)
    said = [f"{name} is {after[name]!r} instead of {before[name]!r}" for name in before if before[name] != after[name]]
    return "; ".join(said)[:300]


def _askable(stage: Stage, keys: list[str], listed: dict[str, Any]) -> list[str]:
    """What `ByKeys` of the stream takes: order keys of shipments, SKUs of stock and prices, else records' keys."""
    field = {"shipments": "order_key", "balance": "sku", "prices": "sku"}.get(stage.stream)
    if field is None:
        return keys
    return list(dict.fromkeys(getattr(listed[key], field) for key in keys if key in listed))


HAZARDS = (exact, balanced, one_bad_row, new_word, added_fields, by_keys)
