"""The hazard of a process that dies: the work is killed at its durable steps, begun again, and ends as undisturbed."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
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

MOST = 10
"""At how many steps the work is killed."""
_FEW = 3
_WORK = "crossdock.testing.turn:work_and_read"
_TELLING = re.compile(r"is about to leave|was answered|bookmark|remembered|memory")
"""Steps at which most is at stake: around a request that writes, and where a bookmark or the connector's memory moves."""


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
                self._try(lambda stream=stream, moments=moments: rehearsal.add(stream, moments))
                self.reads.append(stream)
        for stream in (*(["orders"] if self.subject.can("push_order") else []), *self.subject.batches):
            self._try(lambda stream=stream: self._bring(stream, rehearsal.make(stream, _FEW)))
        if self.subject.can("push_shipment"):
            self._try(lambda: self._ship([rehearsal.shipment() for _ in range(_FEW - 1)]))
        if not self.reads and not self.records:
            raise self._impossible[0] if self._impossible else NotRehearsed("The sandbox rehearses no stream of it.")

    def _try(self, act: Callable[[], Any]) -> None:
        try:
            act()
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
            paths=[Path(each) for each in _paths()], known=set(self._told()), resumed=lambda _: self._follow(),
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

    def _told(self) -> Iterator[str]:
        for records in (*self.records.values(), *self.changes.values()):
            for record in records:
                yield from (record.key, f"{ORIGIN}-{record.key}")
                for values in columns(msgspec.to_builtins(record)).values():
                    yield from values


def _id(order: Order) -> str:
    return f"O-{order.key}"


def _paths() -> list[str]:
    import sys

    return [each for each in sys.path if each]


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
            swept = sweep.run(chosen(sweep.names), lambda step, _: _demand_same(step, len(sweep.names)))
    return f"Killed at {len(swept.steps)} of {swept.count} steps."


def _demand_done(sweep: Sweep) -> None:
    """Refuse work that does not even come to its end when nobody disturbs it: then nothing could be compared."""
    undone = [line for line in sweep.straight.ledger if line.what.startswith("the effect ") and line.state != "done"]
    if undone:
        names = several(line.name([line.key]) for line in undone)
        raise Finding(f"Even when nothing is killed {names} ends as {undone[0].state}.")


def chosen(names: Sequence[str], most: int = MOST) -> set[int]:
    """The numbers of at most `most` steps, evenly spread: those where most is at stake, and then the others."""
    telling = [number for number, name in enumerate(names, 1) if _TELLING.search(name)]
    picked = _evenly(telling, most)
    others = [number for number in range(1, len(names) + 1) if number not in telling]
    return {*picked, *_evenly(others, most - len(picked))}


def _evenly(numbers: Sequence[int], most: int) -> list[int]:
    if len(numbers) <= most:
        return list(numbers)
    return [numbers[index * len(numbers) // most] for index in range(most)]


def _demand_same(step: Step, count: int) -> None:
    """Refuse a turn that ended differently; the first one will do."""
    if not step.ok:
        said = "; ".join(step.differences[:3])
        raise Finding(f"Killed at step {step.number} of {count} ({step.name}) and begun again: {said}.")


HAZARDS = (stopped,)
