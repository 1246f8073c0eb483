"""Writes docs/quality.md from the ``contract.json`` that each connector ships."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import attrs

from crossdock.testing import HAZARDS, Hazard
from crossdock.testing.hazards.hazard import LEVELS
from crossdock.testing.report import FILE

PAGE = Path(__file__).with_name("quality.md")
PLUGINS = PAGE.parent.parent / "plugins"

_INTRO = """\
# How well each connector is proven

This page is written by `make docs` from the `contract.json` of each connector; do not edit it.

The contract kit plays [hazards](hazards.md) against every connector and its sandbox: things that go wrong in real life.
`pytest --crossdock-report` writes what came of each into the connector's package, `crossdock connectors` shows the
level, and every run of the tests compares, so that a report that is out of date fails. A level is reached when every
hazard of it and of the levels below is *passed*, *not applicable* to this connector or its vendor, or *exempt*: then it
does harm, for the reason below. A sandbox is not the vendor: how sure we are of each system is told on its
[vendor page](vendors/woocommerce.md).
"""
_WORDS = {"not applicable": "–"}
_STATES = ("passed", "not applicable", "exempt", "not rehearsed", "failed")


@attrs.frozen
class Proof:
    """A connector's name, title and report; the report is `None` when it ships none."""

    name: str
    title: str
    report: Mapping[str, Any] | None

    def result(self, hazard: Hazard) -> str:
        """What came of a hazard."""
        found = self.report["hazards"].get(hazard.name) if self.report else None
        return str(found["result"]) if found else "not played"

    def reasons(self, state: str) -> Iterator[tuple[str, str]]:
        """The hazards in that state, with the reason of each."""
        for name, found in self.report["hazards"].items() if self.report else ():
            if found["result"] == state:
                yield name, found.get("reason", "")


def proofs(plugins: Path = PLUGINS) -> list[Proof]:
    """What each connector in the repository ships."""
    found = []
    for folder in sorted(path.parent for path in plugins.glob("*/pyproject.toml")):
        package = f"crossdock_{folder.name}"
        path = folder / "src" / package / FILE
        title = import_module(f"{package}.plugin").connector_info().title
        report = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
        found.append(Proof(folder.name, title, report))
    return found


def page(connectors: Sequence[Proof] | None = None) -> str:
    """The whole page."""
    shown = proofs() if connectors is None else connectors
    levels = ["\n".join(_level(level, shown)) for level in LEVELS]
    told = [text for text in map(_told, shown) if text]
    return "\n\n".join((_INTRO + "\n" + "\n".join(_summary(shown)), *levels, *told)) + "\n"


def _summary(shown: Sequence[Proof]) -> Iterator[str]:
    yield "| connector | version | level | " + " | ".join(_STATES) + " |"
    yield "|---|---|---|" + "---|" * len(_STATES)
    for each in shown:
        if each.report is None:
            yield f"| {each.title} | – | none: it ships no report | " + " | ".join("–" for _ in _STATES) + " |"
            continue
        counted = Counter(found["result"] for found in each.report["hazards"].values())
        numbers = " | ".join(str(counted[state]) for state in _STATES)
        yield f"| {each.title} | {each.report['version']} | **{each.report['level'] or 'none'}** | {numbers} |"


def _level(level: str, shown: Sequence[Proof]) -> Iterator[str]:
    yield f"## {level.capitalize()}\n"
    yield "| hazard | " + " | ".join(each.title for each in shown) + " |"
    yield "|---|" + "---|" * len(shown)
    for hazard in HAZARDS:
        if hazard.level == level:
            results = [each.result(hazard) for each in shown]
            yield f"| `{hazard.name}` | " + " | ".join(_WORDS.get(each, each) for each in results) + " |"


def _told(proof: Proof) -> str:
    """Why hazards do harm to a connector, or cannot meet it; those with the same reason together."""
    lines: list[str] = []
    for state in ("exempt", "not applicable", "not rehearsed"):
        together: dict[str, list[str]] = {}
        for name, reason in proof.reasons(state):
            together.setdefault(reason, []).append(f"`{name}`")
        lines += [f"* {state}: {', '.join(names)}. {reason}" for reason, names in together.items()]
    return "\n".join((f"## {proof.title}: why\n", *lines)) if lines else ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
