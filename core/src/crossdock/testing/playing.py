"""Playing a hazard against a connector, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs

from crossdock.errors import CrossdockError
from crossdock.sandbox import Impossible, NotRehearsed
from crossdock.testing.hazards.hazard import ACCEPTED, Finding, Hazard, NotApplicable
from crossdock.testing.stage import Subject, open_stage

State = Literal["passed", "failed", "exempt", "not applicable", "not rehearsed"]
NEEDLESS: tuple[State, ...] = ("passed", "not applicable")
"""Nothing was done that needs to be excused."""


@attrs.frozen(kw_only=True)
class Result:
    """What came of one hazard: ``passed``, ``failed``, ``exempt``, ``not applicable`` or ``not rehearsed``.

    `seen` says why, and of some that passed how far they went; `parts` what came of each stream, if it was played for
    each of them.
    """

    hazard: Hazard
    state: State
    seen: str = ""
    parts: Mapping[str, tuple[State, str]] = attrs.field(factory=dict)

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


def excuse(result: Result, exempt: Mapping[str, str]) -> tuple[Result, list[str]]:
    """The result with its exemptions taken off, and those that are not needed.

    `exempt` maps hazards, or a stream of one (``quiet-second-run:balance``), to reasons. What is said of one stream
    excuses no other.
    """
    name = result.hazard.name
    if name in exempt:
        if result.state in NEEDLESS:
            return result, [name]
        return attrs.evolve(result, state="exempt", seen=exempt[name]), []
    reasons = {stream: exempt[f"{name}:{stream}"] for stream in result.parts if f"{name}:{stream}" in exempt}
    needless = [each for each in exempt if each.startswith(f"{name}:") and each.partition(":")[2] not in reasons]
    needless += [f"{name}:{stream}" for stream in reasons if result.parts[stream][0] in NEEDLESS]
    if needless or not reasons:
        return result, needless
    others = {stream: part for stream, part in result.parts.items() if stream not in reasons}
    rest = _together(result.hazard, others)
    if rest.state not in NEEDLESS:
        return rest, []
    return attrs.evolve(result, state="exempt", seen=" ".join(map(_said, reasons, reasons.values()))), []


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
            return Result(hazard=hazard, state=state, seen=" ".join(said), parts=found)
    passed = [_said(stream, seen) for stream, (state, seen) in found.items() if state == "passed"]
    if passed:
        return Result(hazard=hazard, state="passed", seen=" ".join(each for each in passed if each), parts=found)
    said = [_said(stream, seen) for stream, (_, seen) in found.items()]
    return Result(hazard=hazard, state="not applicable", seen=" ".join(said), parts=found)


def _said(stream: str, seen: str) -> str:
    return f"{stream}: {seen}" if stream and seen else seen
