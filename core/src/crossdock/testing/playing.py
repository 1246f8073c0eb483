"""Playing a hazard against a connector, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs

from crossdock.errors import CrossdockError
from crossdock.sandbox import Impossible, NotRehearsed
from crossdock.testing.hazards.hazard import ACCEPTED, Finding, Hazard, NotApplicable
from crossdock.testing.stage import Subject, open_stage

State = Literal["passed", "failed", "not applicable", "not rehearsed"]


@attrs.frozen(kw_only=True)
class Result:
    """What came of one hazard: ``passed``, ``failed``, ``not applicable`` or ``not rehearsed``; `seen` says why.

    Of some that passed it says how far they went.
    """

    hazard: Hazard
    state: State
    seen: str = ""

    @property
    def text(self) -> str:
        """The whole story for a person."""
        return f"{self.hazard.name} ({self.hazard.level}): {self.hazard.harm}\n{self.state}: {self.seen}"


def play(
    hazard: Hazard,
    subject: Subject,
    *,
    options: Mapping[str, Any] | None = None,
    values: Mapping[str, str] | None = None,
) -> Result:
    """Play `hazard` on a fresh sandbox (for each stream, if it is about streams) and tell what was seen.

    `options` go to the sandbox, `values` over the settings that it gives.
    """
    if subject.connector is None:
        return _refused(hazard, subject)
    reason = hazard.applies(subject)
    if reason:
        return Result(hazard=hazard, state="not applicable", seen=reason)
    if hazard.each_batch:
        return _together(hazard, {each: _one(hazard, subject, each, options, values) for each in subject.batches})
    if not hazard.each_stream:
        return _together(hazard, {"": _one(hazard, subject, "", options, values)})
    try:
        rehearsed = subject.sandbox(options).rehearsal().streams
    except NotRehearsed as missing:
        return Result(hazard=hazard, state="not rehearsed", seen=str(missing))
    streams = [stream for stream in subject.reads if stream in rehearsed]
    if not streams:
        seen = f"The sandbox rehearses none of the streams that are read ({', '.join(subject.reads)})."
        return Result(hazard=hazard, state="not rehearsed", seen=seen)
    return _together(hazard, {stream: _one(hazard, subject, stream, options, values) for stream in streams})


def _refused(hazard: Hazard, subject: Subject) -> Result:
    """What the registry does not let in is one fault, and not as many as there are hazards."""
    if hazard.name == ACCEPTED:
        return Result(hazard=hazard, state="failed", seen=f"The connector cannot be used: {subject.problem}")
    return Result(hazard=hazard, state="not rehearsed", seen=f"The connector cannot be used: see {ACCEPTED}.")


def _one(
    hazard: Hazard, subject: Subject, stream: str, options: Mapping[str, Any] | None, values: Mapping[str, str] | None
) -> tuple[State, str]:
    try:
        with open_stage(subject, stream, options=options, values=values) as stage:
            said = hazard.check(stage)
    except NotRehearsed as missing:
        return "not rehearsed", str(missing)
    except (NotApplicable, Impossible) as reason:
        return "not applicable", str(reason)
    except Finding as finding:
        return "failed", str(finding)
    except CrossdockError as error:
        return "failed", f"It ended with {type(error).__name__}: {error}"
    return "passed", said or ""


def _together(hazard: Hazard, found: Mapping[str, tuple[State, str]]) -> Result:
    """One result of several streams: the worst of them, with everything that was said of it."""
    for state in ("failed", "not rehearsed"):
        said = [_said(stream, seen) for stream, (each, seen) in found.items() if each == state]
        if said:
            return Result(hazard=hazard, state=state, seen=" ".join(said))
    passed = [_said(stream, seen) for stream, (state, seen) in found.items() if state == "passed"]
    if passed:
        return Result(hazard=hazard, state="passed", seen=" ".join(each for each in passed if each))
    said = [_said(stream, seen) for stream, (_, seen) in found.items()]
    return Result(hazard=hazard, state="not applicable", seen=" ".join(said))


def _said(stream: str, seen: str) -> str:
    return f"{stream}: {seen}" if stream and seen else seen
