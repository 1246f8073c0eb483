"""The crash sweep: the work is killed at each of its durable steps, begun again, and has to end in the same way.

A scenario names systems (sandboxes, which live outside the killed process) and flows between them. It is done once
straight, while its steps are counted; then once for each step, killed there as by ``kill -9``. What every system holds,
the ledger, the bookmarks and what is parked have to be as after the straight run: no order lost, none twice.

    with Sweep(scenario, folder) as sweep:
        swept = sweep.run()
    assert swept.ok, swept.text()
"""

from __future__ import annotations

import base64
import contextlib
import inspect
import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import attrs
import msgspec

from crossdock.app import DATABASE_FILE, FIND_AFTER_VARIABLE, App
from crossdock.engine.route import check_flow
from crossdock.errors import CrossdockError
from crossdock.registry import LOCAL_PLUGIN, Registry
from crossdock.sandbox import serve
from crossdock.sandbox.place import Place
from crossdock.store import snapshot
from crossdock.store.store import Store
from crossdock.testing.holdings import Picture, changing, columns, differences, ledger
from crossdock.testing.scenario import Scenario as Scenario
from crossdock.testing.scenario import System as System
from crossdock.testing.scenario import check_loopback
from crossdock.testing.scenario import twin_of as twin_of
from crossdock.testing.turn import Ended, Home, Job, SharedClock, registry_of
from crossdock.vault import KEY_FILE, Vault, new_key

SECONDS = 60
"""How long one piece of work may take before it is said to hang."""
_SET_UP = timedelta(minutes=5)


@attrs.frozen
class Step:
    """A durable step, and what ended differently when the process was killed there; nothing when all was well.

    `waits` are effects that wait for a person afterwards, because their system cannot be asked whether it has them.
    """

    number: int
    name: str
    differences: tuple[str, ...] = ()
    waits: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing was lost and nothing done twice."""
        return not self.differences


@attrs.frozen
class Swept:
    """The result of a sweep: each step at which the work was killed, out of `count`.

    `chance` are the places, as ``system: place``, whose values differed between two turns in which nothing was killed:
    of them only how many there are was compared.
    """

    count: int
    steps: tuple[Step, ...]
    chance: tuple[str, ...] = ()

    @property
    def broken(self) -> tuple[Step, ...]:
        """The steps after which something was lost or done twice."""
        return tuple(step for step in self.steps if not step.ok)

    @property
    def ok(self) -> bool:
        """Whether the work may be killed at any of these steps."""
        return bool(self.steps) and not self.broken

    def text(self) -> str:
        """The broken steps and what differed, for a person."""
        if not self.steps:
            return "There was no step to be killed at."
        lines = [f"{len(self.steps)} of {self.count} steps tried, {len(self.broken)} broken."]
        for step in self.broken:
            lines.append(f"Killed at step {step.number} ({step.name}):")
            lines.extend(f"  {each}" for each in step.differences)
        return "\n".join(lines)


@attrs.frozen
class _Passed:
    """A step that a process passed: its number, what it is, and for a request the name that threads do not shift."""

    phase: int
    number: str
    name: str
    request: str = ""

    @property
    def at(self) -> str:
        """Where the tripwire ends a process that does the same again."""
        return self.request or self.number


class Sweep:
    """A scenario that is set up in `folder`, on SQLite there or on the PostgreSQL of `database_url`.

    Use as a context manager. The database is overwritten for each turn, so one that is in use is refused.
    """

    def __init__(
        self, scenario: Scenario, folder: Path, database_url: str = "", registry: Registry | None = None
    ) -> None:
        self.scenario = scenario
        self._home = folder
        self._url = database_url or f"sqlite:///{folder / DATABASE_FILE}"
        self._registry = registry
        self._stack = contextlib.ExitStack()
        self._stages: dict[str, _Stage] = {}
        self._done_straight: tuple[list[_Passed], Picture] | None = None
        self._known: set[str] = set(scenario.known)
        self._begin = datetime.now(UTC).replace(second=0, microsecond=0)
        self._clock: SharedClock
        self._snapshot: snapshot.Snapshot
        self._worker: _Worker

    def __enter__(self) -> Sweep:
        with self._stack:
            self._open()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def twins(self) -> dict[str, Any]:
        """The systems by name, as they are now."""
        return {name: stage.twin for name, stage in self._stages.items()}

    @property
    def names(self) -> list[str]:
        """What the durable steps are, the first one first; counted in a straight run."""
        return [step.name for step in self._straight()[0]]

    @property
    def straight(self) -> Picture:
        """What systems and ledger hold when nothing is killed."""
        return self._straight()[1]

    @property
    def phases(self) -> list[dict[int, str]]:
        """The steps of each phase: their numbers and names."""
        found: list[dict[int, str]] = [{} for _ in range(self._phases)]
        for number, step in enumerate(self._straight()[0], 1):
            found[step.phase][number] = step.name
        return found

    def run(
        self, only: Collection[int] | None = None, report: Callable[[Step, int], None] | None = None, *,
        together: bool = False,
    ) -> Swept:  # fmt: skip
        """Count the steps, then kill at each of them (or `only` at those); `report` is told each step and how many.

        With `together` one step of each phase is taken in one turn, which is done again one by one if it ends
        differently.

        Raises `CrossdockError` when the scenario cannot even be done straight.
        """
        passed, straight = self._straight()
        again = self._turn([""] * self._phases)[1]
        chance, known = changing(straight, again), self._known
        wanted = [number for number in range(1, len(passed) + 1) if only is None or number in only]
        steps = []
        for group in self._groups(wanted) if together else [[number] for number in wanted]:
            for step in self._tried(group, passed, lambda turn: differences(straight, turn, chance, known)):
                steps.append(step)
                if report is not None:
                    report(step, len(wanted))
        return Swept(len(passed), tuple(steps), tuple(f"{system}: {place}" for system, place in sorted(chance)))

    def _groups(self, wanted: Sequence[int]) -> list[list[int]]:
        """Of each phase one step, as long as there are some."""
        columns = [[number for number in wanted if number in phase] for phase in self.phases]
        return [[each for each in row if each is not None] for row in itertools.zip_longest(*columns)]

    # -- set-up ------------------------------------------------------------------------------------

    def _open(self) -> None:
        snapshot.refuse_used(self._url)
        self._clock = SharedClock(self._home / "clock")
        key = new_key()
        (self._home / KEY_FILE).write_text(key, encoding="utf-8")
        (self._home / LOCAL_PLUGIN).write_text(self.scenario.local, encoding="utf-8")
        for system in self.scenario.systems:
            stage = _Stage(system, self._clock)
            self._stack.enter_context(serve(stage))
            self._stages[system.name] = stage
        self._renew(self._begin)
        for stage in self._stages.values():
            self._known.update(*stage.columns().values())
        Store.open(self._url).close()
        self._stack.callback(snapshot.take(self._url).restore)
        self._set_up(Vault(base64.urlsafe_b64decode(key)))
        self._snapshot = snapshot.take(self._url)
        self._worker = self._stack.enter_context(_Worker(self._home, self._url, self.scenario))

    def _set_up(self, vault: Vault) -> None:
        with App(self._home, self._url, self._clock) as app:
            app.vault = vault
            app.registry = self._registry or registry_of(self._home, self.scenario.given)
            for name, stage in self._stages.items():
                settings = {**stage.twin.settings(stage.base_url), **stage.system.settings}
                check_loopback(app.registry.connector(stage.system.connector), settings)
                verified = app.save(name, stage.system.connector, settings)
                if not verified.green:
                    red = "; ".join(f"{each.name}: {each.detail}" for each in verified.checks if each.state == "fail")
                    raise CrossdockError(f"The sandbox of {stage.system.connector} is not green. {red}")
            for flow in self.scenario.flows:
                check_flow(app.bench, flow)
                app.store.config.save_flow(flow, app.clock.now())
            self.scenario.prepare(app)

    def _renew(self, at: datetime) -> None:
        """New systems, filled; at the same time in each turn, because some ids are made of it."""
        self._clock.set(at)
        for stage in self._stages.values():
            stage.renew()
        self.scenario.fill(self.twins)

    # -- turns -------------------------------------------------------------------------------------

    @property
    def _phases(self) -> int:
        return len(self.scenario.acts) + 1

    def _straight(self) -> tuple[list[_Passed], Picture]:
        """The steps, and how everything ends."""
        if self._done_straight is None:
            self._done_straight = self._turn(["0"] * self._phases)
        return self._done_straight

    def _tried(
        self, numbers: Sequence[int], passed: Sequence[_Passed], compare: Callable[[Picture], list[str]]
    ) -> list[Step]:
        """What came of killing at these steps, of different phases, in one turn."""
        steps = self._killed(numbers, passed, compare)
        if len(numbers) == 1 or all(step.ok for step in steps):
            return steps
        alone = [step for number in numbers for step in self._killed([number], passed, compare)]
        return steps if all(step.ok for step in alone) else alone

    def _killed(
        self, numbers: Sequence[int], passed: Sequence[_Passed], compare: Callable[[Picture], list[str]]
    ) -> list[Step]:
        plan = [""] * self._phases
        steps = {number: passed[number - 1] for number in numbers}
        for step in steps.values():
            plan[step.phase] = step.at
        try:
            reached, picture = self._turn(plan)
        except CrossdockError as error:
            return [Step(number, step.name, (str(error),)) for number, step in steps.items()]
        # Threads take turns by chance: what a process was killed at is what it said itself.
        told = {step.phase: step.name for step in reached}
        waits = tuple(line.name([line.key]) for line, _ in picture.open)
        found = tuple(compare(picture))
        return [
            Step(number, told.get(step.phase, f"not reached this time: {step.name}"), found, waits)
            for number, step in steps.items()
        ]

    def _turn(self, plan: Sequence[str]) -> tuple[list[_Passed], Picture]:
        """One turn from a fresh start, phase by phase: "" works, "0" counts, anything else kills there first."""
        self._snapshot.restore()
        self._renew(self._begin + _SET_UP)
        passed: list[_Passed] = []
        for phase, at in enumerate(plan):
            ended, steps = self._worker.work(at)
            passed.extend(_Passed(phase, *step) for step in steps)
            if at not in ("", "0") and ended.code:
                self._expect(ended, -9)
                self._quiet()
                self._clock.sleep(self.scenario.pause.total_seconds())
                self.scenario.resumed(self.twins)
                ended, _ = self._worker.work("")
            self._expect(ended, 0)
            if phase < len(self.scenario.acts):
                self.scenario.acts[phase](self.twins)
                # The next part comes as long after this one as after a kill: what is kept for minutes is old by then.
                self._clock.sleep(self.scenario.pause.total_seconds())
                self.scenario.resumed(self.twins)
        return passed, self._picture()

    def _expect(self, ended: Ended, code: int) -> None:
        if ended.code != code:
            how = "did not come to an end" if ended.code == -14 else f"ended with {ended.code}"
            raise CrossdockError(f"The work {how}. {ended.trouble}".strip())

    def _quiet(self) -> None:
        """Wait until what the killed process had already sent is answered."""
        for stage in self._stages.values():
            stage.quiet()

    def _picture(self) -> Picture:
        with App(self._home, self._url, self._clock) as app:
            lines, doubts = ledger(app)
        systems = {name: stage.columns() for name, stage in self._stages.items()}
        return Picture(lines, systems, doubts)


class _Stage(Place):
    """Where a system of the scenario stands."""

    def __init__(self, system: System, clock: SharedClock) -> None:
        super().__init__(system.name)
        self.system = system
        self._clock = clock

    def renew(self) -> None:
        """A new twin, filled."""
        takes = inspect.signature(self.system.make).parameters
        timed = "clock" in takes or any(each.kind is each.VAR_KEYWORD for each in takes.values())
        self.put(self.system.make(clock=self._clock.now) if timed else self.system.make())
        self.system.fill(self.twin)

    def columns(self) -> Mapping[str, Any]:
        """What the system holds."""
        with self.twin.lock:
            return columns(self.twin.state(), self.system.ignored)


class _Worker:
    """The process that forks the ones that work and are killed; see `crossdock.testing.turn`."""

    def __init__(self, home: Path, url: str, scenario: Scenario) -> None:
        self._home = home
        self._work = scenario.work
        self._errors = (home / "worker.txt").open("w+", encoding="utf-8")
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CROSSDOCK_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "crossdock.testing.turn"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._errors, env={**kept, FIND_AFTER_VARIABLE: "0", **scenario.environment},
        )  # fmt: skip
        self._say(Home(str(home), url, str(home / "clock"), [str(path) for path in scenario.paths],
                       dict(scenario.given)))  # fmt: skip

    def __enter__(self) -> _Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None  # noqa: S101  asked for above
        assert self._process.stdout is not None  # noqa: S101  asked for above
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(timeout=SECONDS)
        self._process.stdout.close()
        self._errors.close()

    def _say(self, what: msgspec.Struct) -> None:
        assert self._process.stdin is not None  # noqa: S101  asked for above
        with contextlib.suppress(BrokenPipeError):  # that it is gone is told by what it does not answer
            self._process.stdin.write(msgspec.json.encode(what) + b"\n")
            self._process.stdin.flush()

    def work(self, at: str) -> tuple[Ended, list[list[str]]]:
        """Do the work once, killed at step `at` ("0": counted, "": just done); how it ended, and the steps it named."""
        steps, trouble = self._home / "steps.txt", self._home / "trouble.txt"
        for file in (steps, trouble):
            file.unlink(missing_ok=True)
        self._say(Job(self._work, at, str(steps), SECONDS, str(trouble)))
        assert self._process.stdout is not None  # noqa: S101  asked for above
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise CrossdockError(f"The process that works could not be started. {self._errors.read()[-2000:]}")
        return msgspec.json.decode(line, type=Ended), _named(steps)


def _named(steps: Path) -> list[list[str]]:
    return [line.split("\t") for line in steps.read_text(encoding="utf-8").splitlines()] if steps.exists() else []
