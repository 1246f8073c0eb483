"""The test class as an author uses it, in a pytest of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from catalogue import CATALOGUE
from stall_connectors import HERE, RIGHT

from crossdock.testing import HAZARDS
from crossdock.testing.playing import Result, State, excuse

pytest_plugins = ["pytester"]

OTHERS = 2  # tests of the class beside one for each hazard

FEW = ("rows-edited-between-pages", "rows-removed-between-pages", "new-word", "same-key-twice")
"""Enough hazards to see what comes of them; all of them take half a minute."""

ONLY = """
from crossdock.testing import hazards
hazards.HAZARDS = tuple(each for each in hazards.HAZARDS if each.name in {names!r})
"""

TEST = """
import sys
sys.path[:0] = [{stall!r}, {here!r}]
import acme
from crossdock.testing import ConnectorContract

class TestContract(ConnectorContract):
    connector = "stall"
    plugin = acme
    exempt = {exempt!r}
"""


@pytest.fixture
def author(pytester: pytest.Pytester):
    """Writes a connector and its test file, and runs pytest there."""

    def run(source: str, *arguments: str, exempt: dict[str, str] | None = None, few: bool = True) -> pytest.RunResult:
        if few:
            pytester.makeconftest(ONLY.format(names=FEW))
        (pytester.path / "acme.py").write_text(source)
        pytester.makepyfile(
            test_acme=TEST.format(stall=str(HERE), here=str(pytester.path), exempt=exempt or {}),
        )
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments)

    return run


def source(name: str) -> str:
    """A wrong connector's source."""
    return next(each for each in CATALOGUE if each.name == name).source(RIGHT.read_text())


@pytest.mark.slow
def test_the_right_connector_is_gold_and_ships_a_report_of_every_hazard(author, pytester: pytest.Pytester) -> None:
    result = author(RIGHT.read_text(), "--crossdock-report", "-v", few=False)

    result.assert_outcomes(passed=len(HAZARDS) + OTHERS - 1, skipped=1)  # its creates are not idempotent
    result.stdout.fnmatch_lines(
        [
            "*test_hazard[[]rows-edited-between-pages[]] PASSED*",
            f"crossdock: stall: gold (1 not applicable, {len(HAZARDS) - 1} passed)",
        ]
    )
    report = json.loads((pytester.path / "contract.json").read_text())
    assert (report["connector"], report["level"]) == ("stall", "gold")
    assert [*report["hazards"]] == [hazard.name for hazard in HAZARDS]


@pytest.mark.slow
def test_a_wrong_connector_is_told_hazard_harm_and_what_was_seen(author, pytester: pytest.Pytester) -> None:
    result = author(source("page-numbers"), "--crossdock-report", "-n", "2")

    result.assert_outcomes(passed=len(FEW) + OTHERS - 3, failed=2, skipped=1)
    result.stdout.fnmatch_lines(
        [
            "rows-edited-between-pages (bronze): An order that is edited while a list is read moves in it*",
            "failed: orders: 2 of 250 rows were never handed out in this run and the next: 101, 202.",
            "crossdock: stall: no level (2 failed*",
        ]
    )
    assert json.loads((pytester.path / "contract.json").read_text())["level"] == ""


@pytest.mark.slow
def test_an_exempt_hazard_is_played_and_its_reason_is_shipped(author, pytester: pytest.Pytester) -> None:
    reason = "The vendor has no status list at all."

    result = author(source("unknown-status-refused"), "--crossdock-report", exempt={"new-word": reason})

    result.assert_outcomes(passed=len(FEW) + OTHERS - 2, skipped=2)
    report = json.loads((pytester.path / "contract.json").read_text())
    assert report["level"] == "gold"
    assert report["hazards"]["new-word"] == {"level": "silver", "result": "exempt", "reason": reason}


@pytest.mark.slow
def test_an_exemption_that_is_no_longer_needed_or_that_is_of_nothing_fails(author) -> None:
    exempt = {"new-word": "Once it was so.", "no-such-hazard": "Who knows."}

    result = author(RIGHT.read_text(), "-k", "new-word or exemptions", exempt=exempt)

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines_random(
        ["*The exemption of new-word is no longer needed: it passed.", "*There is no hazard no-such-hazard*"]
    )


@pytest.mark.slow
def test_a_hazard_can_be_exempt_for_one_stream(author, pytester: pytest.Pytester) -> None:
    reason = "The vendor has no status list at all."

    result = author(source("unknown-status-refused"), "--crossdock-report", exempt={"new-word:orders": reason})

    result.assert_outcomes(passed=len(FEW) + OTHERS - 2, skipped=2)
    report = json.loads((pytester.path / "contract.json").read_text())
    assert report["hazards"]["new-word"] == {"level": "silver", "result": "exempt", "reason": f"orders: {reason}"}


@pytest.mark.slow
def test_an_exemption_of_a_stream_that_is_no_longer_needed_fails(author) -> None:
    result = author(RIGHT.read_text(), "-k", "new-word", exempt={"new-word:orders": "Once it was so."})

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*The exemption of new-word:orders is no longer needed: it passed."])


def played(**streams: State) -> Result:
    """What came of a hazard for each stream."""
    parts: dict[str, tuple[State, str]] = {stream: (state, f"{state} it is") for stream, state in streams.items()}
    return Result(hazard=HAZARDS[0], state="failed", seen="all of it", parts=parts)


def of(stream: str) -> str:
    """The name of an exemption of one stream."""
    return f"{HAZARDS[0].name}:{stream}"


def test_what_is_said_of_one_stream_excuses_no_other() -> None:
    result, needless = excuse(played(orders="failed", balance="failed"), {of("balance"): "No times."})

    assert (result.state, result.seen, needless) == ("failed", "orders: failed it is", [])


def test_the_other_streams_may_pass_beside_an_exempt_one() -> None:
    result, needless = excuse(played(orders="passed", balance="failed"), {of("balance"): "No times."})

    assert (result.state, result.seen, needless) == ("exempt", "balance: No times.", [])


def test_an_exempt_stream_does_not_stand_for_one_that_is_not_rehearsed() -> None:
    result, _ = excuse(played(orders="not rehearsed", balance="failed"), {of("balance"): "No times."})

    assert result.state == "not rehearsed"


def test_an_exemption_of_a_stream_that_is_not_played_is_not_needed() -> None:
    _, needless = excuse(played(orders="failed"), {of("prices"): "No times."})

    assert needless == [of("prices")]


@pytest.mark.slow
def test_a_part_of_the_hazards_gives_no_level_and_writes_nothing(author, pytester: pytest.Pytester) -> None:
    result = author(RIGHT.read_text(), "--crossdock-report", "-k", "new-word")

    result.stdout.fnmatch_lines(["crossdock: stall: 1 hazards were played, not all, so there is no level."])
    assert not Path(pytester.path / "contract.json").exists()


@pytest.mark.slow
def test_a_report_that_says_something_else_than_what_is_seen_fails(author, pytester: pytest.Pytester) -> None:
    hazards = {hazard.name: {"level": hazard.level, "result": "passed"} for hazard in HAZARDS}
    hazards["new-word"]["result"] = "failed"
    report = {"connector": "stall", "version": "0", "level": "gold", "hazards": hazards}
    (pytester.path / "contract.json").write_text(json.dumps(report))

    result = author(RIGHT.read_text(), "-k", "new-word or one-bad-row or report", few=False)

    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines_random(
        [
            "contract.json says *'failed'* of new-word, and it is *'passed'*. Write it again: *--crossdock-report",
            "contract.json is out of date: its level is 'gold' instead of 'bronze'. Write it again: *",
        ]
    )
