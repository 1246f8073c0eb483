"""Levels, and the report that a connector ships: ``contract.json`` beside its plugin."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from crossdock.testing.hazards import HAZARDS
from crossdock.testing.hazards.hazard import LEVELS, Hazard

FILE = "contract.json"
_GOOD = ("passed", "exempt", "not applicable")


@attrs.frozen(kw_only=True)
class Line:
    """One hazard of the report: passed, failed, exempt, not applicable or not rehearsed, and why."""

    hazard: str
    result: str
    reason: str = ""


def level(results: Mapping[str, str]) -> str:
    """The highest level of which, as of all below it, every hazard passed, is exempt or is not applicable.

    Empty when not even bronze is reached: a hazard that was not played holds it back as well.
    """
    reached = ""
    for each in LEVELS:
        if any(results.get(hazard.name) not in _GOOD for hazard in HAZARDS if hazard.level == each):
            break
        reached = each
    return reached


def complete(lines: Sequence[Line]) -> bool:
    """Whether every hazard was played."""
    return {line.hazard for line in lines} >= {hazard.name for hazard in HAZARDS}


def report(connector: str, version: str, lines: Sequence[Line]) -> dict[str, Any]:
    """The report as JSON values; it has no date, so that it changes only when the results do."""
    by_name = {line.hazard: line for line in lines}
    results = {name: line.result for name, line in by_name.items()}
    hazards: dict[str, dict[str, str]] = {}
    for hazard in HAZARDS:
        hazards[hazard.name] = entry(hazard, by_name.get(hazard.name))
    return {"connector": connector, "version": version, "level": level(results), "hazards": hazards}


def entry(hazard: Hazard, line: Line | None) -> dict[str, str]:
    """What the report says of one hazard."""
    said = {"level": hazard.level, "result": line.result if line else "not played"}
    return {**said, "reason": line.reason} if line and line.reason and line.result != "failed" else said


def shipped(folder: Path) -> dict[str, Any] | None:
    """The report that lies in a plugin's folder, if there is one."""
    path = folder / FILE
    found: dict[str, Any] | None = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    return found


def outdated(found: Mapping[str, Any], connector: str, version: str) -> str:
    """Why a report that ships is not of this connector, this version and the kit's hazards; empty when it is."""
    results = {name: each["result"] for name, each in found["hazards"].items()}
    wanted = {"connector": connector, "version": version, "level": level(results)}
    wrong = [f"its {name} is {found.get(name)!r} instead of {value!r}" for name, value in wanted.items()
             if found.get(name) != value]  # fmt: skip
    strange = sorted(results.keys() ^ {hazard.name for hazard in HAZARDS})
    if strange:
        wrong.append(f"it has or lacks {', '.join(strange)}")
    return "; ".join(wrong)


def write(folder: Path, value: Mapping[str, Any]) -> Path:
    """Write the report into a plugin's folder."""
    path = folder / FILE
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path
