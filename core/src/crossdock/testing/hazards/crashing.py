"""The hazard of a process that dies: the work is killed at its durable steps, begun again, and ends as undisturbed."""

from __future__ import annotations

import contextlib
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from crossdock.app import FIND_AFTER_VARIABLE, App
from crossdock.engine.route import check_flow
from crossdock.records import Order, Shipment, evolve
from crossdock.sandbox import Impossible, NotRehearsed, Rehearsal
from crossdock.testing import origin
from crossdock.testing.copying import copies
from crossdock.testing.hazards.hazard import Finding, hazard, several
from crossdock.testing.holdings import columns
from crossdock.testing.origin import ORIGIN, Shelf
from crossdock.testing.project import SYSTEM, flow_of, know, registry_with, save
from crossdock.testing.scenario import Scenario, System, Twins
from crossdock.testing.stage import Stage, Subject
from crossdock.testing.sweep import Step, Sweep

MOST = 9
"""At how many steps of each of its two parts the work is killed."""
_FEW = 3
_WORK = "crossdock.testing.turn:work_and_read"
_TELLING = re.compile(rf"was answered|remembered|bookmark of {SYSTEM} ")
"""Steps at which most is at stake: a request was answered, the connector's memory or a bookmark has moved."""
_LEAVING = re.compile(r"is about to leave")
_ADDRESS = re.compile(r"https?://[^/\s]+")
_NUMBER = re.compile(r"[^/?&=\s]*\d[^/?&=\s]*")


def _moves(subject: Subject) -> str:
    written = [hook for hook in ("push_order", "push_shipment") if subject.can(hook)]
    return "" if subject.reads or subject.batches or written else "The connector neither reads nor writes a stream."


class _Performance:
    """What is in the system and what is brought to it: the same in each turn, made by the stage's own rehearsal."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.stage = stage
        self.subject = stage.subject
        self.shelf = Shelf(folder / "records.json")
        self.reads: list[str] = []
        self.records: dict[str, list[Any]] = {}
        self.changes: dict[str, list[Any]] = {}
        self.shipped: list[Order] = []
        self._impossible: list[Impossible] = []
        self._prepare()
        self._copy = copies(stage.sandbox, stage.rehearsal)
        self._people: Rehearsal = stage.rehearsal
        self._now: Callable[[], datetime] = stage.clock.now

    # -- what there is -----------------------------------------------------------------------------

    def _prepare(self) -> None:
        rehearsal = self.stage.rehearsal
        last = rehearsal.now() - timedelta(hours=1)
        for stream in self.subject.reads:
            if stream in rehearsal.streams:
                moments = [last - timedelta(seconds=7 * index) for index in reversed(range(_FEW))]
                self.reads.append(stream)
                with self._if_possible():
                    rehearsal.add(stream, moments)
        for stream in (*(["orders"] if self.subject.can("push_order") else []), *self.subject.batches):
            with self._if_possible():
                self._bring(stream, rehearsal.make(stream, _FEW))
        if self.subject.can("push_shipment"):
            with self._if_possible():
                self._ship([rehearsal.shipment() for _ in range(_FEW - 1)])
        if not self.reads and not self.records:
            raise self._impossible[0] if self._impossible else NotRehearsed("The sandbox rehearses no stream of it.")

    @contextlib.contextmanager
    def _if_possible(self) -> Iterator[None]:
        try:
            yield
        except Impossible as reason:
            self._impossible.append(reason)

    def _bring(self, stream: str, records: Sequence[Any]) -> None:
        self.records[stream] = list(records)
        with contextlib.suppress(NotRehearsed, Impossible):
            self.changes[stream] = [self.stage.rehearsal.change(records[0]), *records[1:]]

    def _ship(self, parcels: Sequence[tuple[Order, Shipment]]) -> None:
        self.shipped = [order for order, _ in parcels]
        self.records["shipments"] = [evolve(parcel, order_key=_id(order)) for order, parcel in parcels]

    # -- the scenario ------------------------------------------------------------------------------

    def scenario(self) -> Scenario:
        """The flows from the origin into the system, and what is read of it."""
        return Scenario(
            systems=[System(name=SYSTEM, connector=self.subject.found.name, make=self._twin,
                            settings=self.stage.given, ignored=self.stage.sandbox.logs)],
            flows=[], fill=lambda _: self.shelf.put(self.records), acts=[self._later], prepare=self._save,
            work=_WORK, given={ORIGIN: origin.__name__, self.subject.found.name: _target(self.subject)},
            # The connector's own time is waited for before it is asked, because its twin may need it, too.
            environment={FIND_AFTER_VARIABLE: ""}, pause=self.subject.info.find_after + timedelta(minutes=2),
            paths=[Path(each) for each in sys.path if each], known=set(self._told()), resumed=lambda _: self._follow(),
        )  # fmt: skip

    def _twin(self, clock: Callable[[], datetime]) -> Any:
        twin, self._people = self._copy()
        self._now = clock
        twin.between = self._finish
        self._follow()
        return twin

    def _follow(self) -> None:
        """The system's clock goes with that of the work."""
        with contextlib.suppress(NotRehearsed, Impossible):
            self._people.set_clock(self._now())

    def _finish(self, method: str, path: str) -> None:
        """Import jobs are worked off as soon as they were handed in."""
        del path
        if method != "GET":
            with contextlib.suppress(NotRehearsed, Impossible):
                self._people.finish_jobs()

    def _save(self, app: App) -> None:
        save(app, ORIGIN, ORIGIN, {"file": str(self.shelf.file)})
        for order in self.shipped:
            know(app, order, _id(order))
        for stream in self.records:
            check_flow(app.bench, flow_of(stream))
            app.store.config.save_flow(flow_of(stream), app.clock.now())
        for stream in self.reads:
            app.store.config.save_stream(SYSTEM, stream, enabled=True, every=3600, cron="")

    def _later(self, _: Twins) -> None:
        """When all is done, something new is placed, and something that was brought changes."""
        self.shelf.put({**self.records, **self.changes})
        for stream in self.reads:
            with contextlib.suppress(Impossible):
                self._people.add(stream, [self._people.now() - timedelta(seconds=1)])

    @property
    def keys(self) -> list[str]:
        """The idempotency keys of what is brought."""
        return [f"{ORIGIN}-{record.key}" for records in self.records.values() for record in records]

    def _told(self) -> Iterator[str]:
        for records in (*self.records.values(), *self.changes.values()):
            for record in records:
                yield from (record.key, f"{ORIGIN}-{record.key}")
                for values in columns(msgspec.to_builtins(record)).values():
                    yield from values


def _id(order: Order) -> str:
    return f"O-{order.key}"


def _target(subject: Subject) -> str:
    """Where another process finds the connector: its module, or that module's file."""
    if getattr(subject.plugin, "__spec__", None) is not None:
        return subject.found.target
    file = getattr(subject.plugin, "__file__", None)
    if not file:
        raise NotRehearsed("The connector is no module, so a process of its own cannot load it.")
    return str(file)


# -- the hazard --------------------------------------------------------------------------------------


@hazard(
    "stopped-at-every-step", "gold",
    "The power fails between two steps of the work; afterwards an order was never sent, or is sent twice.",
    _moves,
)  # fmt: skip
def stopped(stage: Stage) -> str:
    """Read and write in a process that is killed around each writing request and at other steps, and begin again."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        performance = _Performance(stage, Path(folder))
        home = Path(folder) / "project"
        home.mkdir()
        with Sweep(performance.scenario(), home, registry=registry_with(stage.subject)) as sweep:
            _demand_done(sweep)
            steps = {number for phase in sweep.phases for number in chosen(phase)}
            keys = performance.keys
            swept = sweep.run(steps, lambda step, _: _demand_same(step, len(sweep.names), keys), together=True)
    return f"Killed at {len(swept.steps)} of {swept.count} steps."


def _demand_done(sweep: Sweep) -> None:
    """Refuse work that does not even come to its end when nobody disturbs it: then nothing could be compared."""
    undone = [line for line in sweep.straight.ledger if line.what.startswith("the effect ") and line.state != "done"]
    if undone:
        names = several(line.name([line.key]) for line in undone)
        raise Finding(f"Even when nothing is killed {names} ends as {undone[0].state}.")


def chosen(steps: Mapping[int, str], most: int = MOST) -> set[int]:
    """The numbers of at most `most` of these steps.

    Of each kind at which most is at stake the first one, then the last one; of each kind of writing request the moment
    before it leaves; and then others. Kinds are names without their numbers. Of too many every so-manieth is taken.
    """
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    leaving: dict[str, int] = {}
    for number, name in steps.items():
        kind = _NUMBER.sub("#", _ADDRESS.sub("", name))
        if _TELLING.search(name):
            first.setdefault(kind, number)
            last[kind] = number
        elif _LEAVING.search(name):
            leaving.setdefault(kind, number)
    picked: set[int] = set()
    for numbers in (first.values(), last.values(), leaving.values(), steps):
        picked.update(_evenly([each for each in numbers if each not in picked], most - len(picked)))
    return picked


def _evenly(numbers: Sequence[int], most: int) -> list[int]:
    """At most `most` of `numbers`, from the middle of as many equal parts."""
    if len(numbers) <= most:
        return list(numbers)
    return [numbers[(2 * index + 1) * len(numbers) // (2 * most)] for index in range(most)]


def _demand_same(step: Step, count: int, keys: Sequence[str]) -> None:
    """Refuse a turn that ended differently; the first one will do. What names a record is told first."""
    if not step.ok:
        told = sorted(step.differences, key=lambda text: not any(key in text for key in keys))
        said = "; ".join(told[:3])
        raise Finding(f"Killed at step {step.number} of {count} ({step.name}) and begun again: {said}.")


HAZARDS = (stopped,)
