"""The test class that plays every hazard, and the fixtures that it has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import pytest

from crossdock.sandbox import Sandbox
from crossdock.session import Session
from crossdock.testing import report
from crossdock.testing.golden import Golden
from crossdock.testing.hazards import HAZARDS
from crossdock.testing.hazards.hazard import Hazard
from crossdock.testing.playing import Result, excuse, play
from crossdock.testing.props import StageClock
from crossdock.testing.stage import Stage, Subject, open_stage

PROPERTY = "crossdock"
"""Under this name a test's report carries its hazard's result to the plugin, also from the processes of xdist."""
REPORT = "--crossdock-report"
UPDATE_GOLDEN = "--crossdock-update-golden"
_AGAIN = f"Write it again: pytest {REPORT}"
_NAMES = frozenset(hazard.name for hazard in HAZARDS)


@cache
def _installed(name: str) -> Subject:
    return Subject.installed(name)


class ConnectorFixtures:
    """Fixtures for tests of a connector: inherit, and name the connector.

    `connector` is its entry point's name; `plugin` its module instead, where it is not installed. `sandbox_options` go
    to the function that makes the sandbox, `settings` over the settings that the sandbox gives.
    """

    connector: ClassVar[str] = ""
    plugin: ClassVar[Any] = None
    sandbox_options: ClassVar[Mapping[str, Any]] = {}
    settings: ClassVar[Mapping[str, str]] = {}

    @pytest.fixture
    def subject(self) -> Subject:
        """The connector to be proven."""
        if not self.connector:
            pytest.fail(f'{type(self).__name__} does not name its connector: connector = "acme"')
        return Subject.of(self.plugin, self.connector) if self.plugin is not None else _installed(self.connector)

    @pytest.fixture
    def stage(self, subject: Subject) -> Iterator[Stage]:
        """A fresh sandbox, served over loopback, and sessions to it."""
        with open_stage(subject, options=self.sandbox_options, values=self.settings) as made:
            yield made

    @pytest.fixture
    def sandbox(self, stage: Stage) -> Sandbox:
        """The stage's sandbox; plan faults with ``sandbox.fault("status", status=503)``."""
        return stage.sandbox

    @pytest.fixture
    def session(self, stage: Stage) -> Session[Any]:
        """A session to the stage's sandbox."""
        return stage.session

    @pytest.fixture
    def clock(self, stage: Stage) -> StageClock:
        """The session's clock: ``clock.set(moment)`` moves it, waiting takes no time."""
        return stage.clock

    @pytest.fixture
    def golden(self, request: pytest.FixtureRequest) -> Golden:
        """``golden("order", value)`` compares with ``golden/order.json`` beside the test."""
        return Golden(Path(request.path).parent, update=request.config.getoption(UPDATE_GOLDEN))


class ConnectorContract(ConnectorFixtures):
    """Plays every hazard against a connector, one test each.

    `exempt` maps a hazard's name to the reason why this connector need not survive it, as users will read it;
    ``quiet-second-run:balance`` excuses one stream and no other. It is played all the same: an exemption that is no
    longer needed fails.

    Once ``pytest --crossdock-report`` has written ``contract.json`` beside the plugin, what it says is compared with
    what comes of each hazard, so that what ships is never out of date.
    """

    exempt: ClassVar[Mapping[str, str]] = {}

    @pytest.mark.parametrize("hazard", HAZARDS, ids=[hazard.name for hazard in HAZARDS])
    def test_hazard(
        self, hazard: Hazard, subject: Subject, record_property: Any, request: pytest.FixtureRequest
    ) -> None:
        """The connector survives the hazard, and the report that ships says what came of it."""
        played = play(hazard, subject, options=self.sandbox_options, values=self.settings)
        result, needless = excuse(played, self.exempt)
        told = _told(subject, result)
        record_property(PROPERTY, told)
        if needless:
            seen = _ended(played, needless[0])
            pytest.fail(f"The exemption of {needless[0]} is no longer needed: {seen}", pytrace=False)
        if result.state == "failed":
            pytest.fail(result.text, pytrace=False)
        self._compare(hazard, told, request)
        if result.state != "passed":
            pytest.skip(f"{result.state}: {result.seen}")

    def test_report_is_of_this_version_and_these_hazards(
        self, subject: Subject, request: pytest.FixtureRequest
    ) -> None:
        """The report that ships, if there is one, is of this connector and all hazards, and its level follows."""
        found = _report(_folder(subject), request)
        wrong = found and report.outdated(found, subject.found.name, subject.found.version)
        if wrong:
            pytest.fail(f"{report.FILE} is out of date: {wrong}. {_AGAIN}", pytrace=False)

    def _compare(self, hazard: Hazard, told: Mapping[str, str], request: pytest.FixtureRequest) -> None:
        found = _report(told["folder"], request)
        now = report.entry(hazard, report.Line(hazard=hazard.name, result=told["result"], reason=told["reason"]))
        if found is not None and found["hazards"].get(hazard.name) != now:
            said = found["hazards"].get(hazard.name, "nothing")
            pytest.fail(f"{report.FILE} says {said} of {hazard.name}, and it is {now}. {_AGAIN}", pytrace=False)

    def test_exemptions_name_hazards_and_say_why(self) -> None:
        """Each exemption is of a hazard that there is, with a reason."""
        unknown = sorted(name for name in self.exempt if name.partition(":")[0] not in _NAMES)
        silent = sorted(name for name, reason in self.exempt.items() if not reason.strip())
        if unknown:
            pytest.fail(f"There is no hazard {', '.join(unknown)}; see docs/hazards.md.", pytrace=False)
        if silent:
            pytest.fail(f"The exemption of {', '.join(silent)} gives no reason.", pytrace=False)


def _ended(result: Result, exemption: str) -> str:
    stream = exemption.partition(":")[2]
    if stream and stream not in result.parts:
        return f"it was not played for {stream}."
    state, seen = result.parts[stream] if stream else (result.state, result.seen)
    return "it passed." if state == "passed" else f"it is not applicable. {seen}"


def _folder(subject: Subject) -> str:
    source = getattr(subject.plugin, "__file__", None)
    return str(Path(source).parent) if source else ""


def _report(folder: str, request: pytest.FixtureRequest) -> dict[str, Any] | None:
    """The report that ships, unless it is about to be written."""
    return None if not folder or request.config.getoption(REPORT) else report.shipped(Path(folder))


def _told(subject: Subject, result: Result) -> dict[str, str]:
    return {
        "connector": subject.found.name,
        "version": subject.found.version,
        "folder": _folder(subject),
        "hazard": result.hazard.name,
        "result": result.state,
        "reason": result.seen if result.state != "passed" else "",
    }
