"""The pytest plugin: the kit's options, the levels at the end of a run, ``contract.json``, and bundles as tests.

It is loaded into every pytest of whoever has Crossdock installed, so it imports next to nothing until a contract was
played or a bundle was named.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from crossdock.testing import replay

if TYPE_CHECKING:
    from crossdock.testing.report import Line

_PROPERTY = "crossdock"
_PLAYED: pytest.StashKey[dict[str, list[dict[str, str]]]] = pytest.StashKey()
REPORT = "--crossdock-report"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The kit's options."""
    group = parser.getgroup("crossdock", "the contract kit of Crossdock")
    group.addoption(
        REPORT, action="store_true", help="write contract.json with the level beside each plugin that was proven"
    )
    group.addoption("--crossdock-update-golden", action="store_true", help="write golden files instead of comparing")
    replay.add_option(group)


def pytest_configure(config: pytest.Config) -> None:
    """Begin to collect results."""
    config.stash[_PLAYED] = {}
    config.pluginmanager.register(_Collector(config), "crossdock-collector")
    replay.configure(config)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A bundle that was named is a test."""
    return replay.collect(file_path, parent)


class _Collector:
    """Takes the results out of the tests' reports, wherever the tests ran."""

    def __init__(self, config: pytest.Config) -> None:
        self._played = config.stash[_PLAYED]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a test of the contract told."""
        if report.when != "call":
            return
        for name, value in report.user_properties:
            if name == _PROPERTY and isinstance(value, dict):
                self._played.setdefault(value["connector"], []).append(value)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say the level of each connector, and write the reports when asked."""
    for connector, told in sorted(config.stash[_PLAYED].items()):
        for text in _summary(connector, told, write=bool(config.getoption(REPORT))):
            terminalreporter.write_line(text)


def _summary(connector: str, told: list[dict[str, str]], *, write: bool) -> list[str]:
    from crossdock.testing import report

    lines = [report.Line(hazard=each["hazard"], result=each["result"], reason=each["reason"]) for each in told]
    if not report.complete(lines):
        said = [f"crossdock: {connector}: {len(lines)} hazards were played, not all, so there is no level."]
        return [*said, "crossdock: contract.json is not written."] if write else said
    made = report.report(connector, told[0]["version"], lines)
    said = [f"crossdock: {connector}: {made['level'] or 'no level'} ({_counts(lines)})"]
    if write and told[0]["folder"]:
        said.append(f"crossdock: wrote {report.write(Path(told[0]['folder']), made)}")
    return said


def _counts(lines: list[Line]) -> str:
    from collections import Counter

    counted = Counter(line.result for line in lines)
    return ", ".join(f"{counted[each]} {each}" for each in sorted(counted))
