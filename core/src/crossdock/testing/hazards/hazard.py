"""What a hazard is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import attrs

from crossdock.records import fingerprint, to_document
from crossdock.testing.stage import Stage, Subject

Level = Literal["bronze", "silver", "gold"]
LEVELS: tuple[Level, ...] = ("bronze", "silver", "gold")

ACCEPTED = "accepted-by-the-registry"
"""The hazard that a connector fails which cannot be used at all."""


class Finding(AssertionError):
    """The hazard did harm; the text says what was seen."""


class NotApplicable(Exception):
    """The hazard cannot meet this connector; the text says why."""


@attrs.frozen(kw_only=True)
class Hazard:
    """Something that goes wrong in real life, and a check that a connector survives it.

    `harm` is one sentence on what becomes of data or people. `applies` answers "" or why the hazard cannot meet a
    connector. `check` raises `Finding` when the harm was done, and may answer how far it went. With `each_stream` it is
    played for every stream that the sandbox rehearses, with `each_batch` for each of products, prices and stock that
    the connector writes.
    """

    name: str
    level: Level
    harm: str
    check: Callable[[Stage], str | None]
    applies: Callable[[Subject], str]
    each_stream: bool = False
    each_batch: bool = False


Check = Callable[[Stage], str | None]


def hazard(
    name: str, level: Level, harm: str, applies: Callable[[Subject], str], *, each_stream: bool = False,
    each_batch: bool = False,
) -> Callable[[Check], Hazard]:  # fmt: skip
    """Make a `Hazard` of a check."""

    def made(check: Check) -> Hazard:
        return Hazard(
            name=name, level=level, harm=harm, check=check, applies=applies, each_stream=each_stream,
            each_batch=each_batch,
        )  # fmt: skip

    return made


def reads(subject: Subject) -> str:
    """Hazards of reading."""
    return "" if subject.reads else "The connector reads no stream."


def needs(*hooks: str) -> Callable[[Subject], str]:
    """Hazards of what a connector with all of these hooks does."""

    def applies(subject: Subject) -> str:
        missing = [hook for hook in hooks if not subject.can(hook)]
        return f"The connector has no {missing[0]}." if missing else ""

    return applies


def writes_batches(subject: Subject) -> str:
    """Hazards of products, prices and stock that are written."""
    return "" if subject.batches else "The connector writes neither products nor prices nor stock."


def always(subject: Subject) -> str:
    """Hazards that every connector can meet."""
    return ""


def several(keys: Iterable[str], limit: int = 5) -> str:
    """Keys for a sentence."""
    named = sorted(keys, key=lambda key: (len(key), key))
    return ", ".join(named[:limit]) + (f" and {len(named) - limit} more" if len(named) > limit else "")


def demand_rows(truth: Iterable[str], records: Mapping[str, Any], when: str = "") -> None:
    """Refuse records that lack a row of the truth."""
    keys = list(truth)
    missing = [key for key in keys if key not in records]
    if missing:
        raise Finding(f"{len(missing)} of {len(keys)} rows were never handed out{when}: {several(missing)}.")


def demand_values(truth: Mapping[str, Mapping[str, Any]], records: Mapping[str, Any], when: str = "") -> None:
    """Refuse records that lack a row of the truth, or tell something else of it."""
    demand_rows(truth, records, when)
    wrong = [text for key, fields in truth.items() for text in differences(key, fields, records[key])]
    if wrong:
        raise Finding(f"{len(wrong)} values are not what the system says{when}: {'; '.join(wrong[:3])}.")


def content(record: Any) -> str:
    """A fingerprint of what counts as content of a record."""
    return fingerprint(record, to_document(record))


def differences(key: str, fields: Mapping[str, Any], record: Any) -> list[str]:
    """What a record says otherwise than the truth."""
    found = []
    for path, value in fields.items():
        read = attribute(record, path)
        # A Decimal compares by value: 12.3 and 12.30 are the same amount. A float never is one.
        if read != value or type(read) is float:
            found.append(f"{path} of {key} is {read!r} instead of {value!r}")
    return found


def attribute(record: Any, path: str) -> Any:
    """The value at a path such as ``lines.0.sku``; raises `Finding` when there is none."""
    value = record
    for name in path.split("."):
        try:
            if isinstance(value, Mapping):
                value = value[name]
            elif name.isdigit():
                value = value[int(name)]
            else:
                value = getattr(value, name)
        except (LookupError, AttributeError) as error:
            raise Finding(f"The record {record.key} has nothing at {path!r}.") from error
    return value
