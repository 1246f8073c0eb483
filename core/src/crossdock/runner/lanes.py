"""Which work is due, the most urgent first; the same whoever hands it out.

A *lane* is a stream to read, a flow to deliver, or the webhooks of a connection. Nothing here is remembered that must
not be forgotten: what is due stands in the store, and leases there keep two workers from one lane.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal

import attrs

from crossdock.clock import monotonic
from crossdock.engine.bench import Bench
from crossdock.engine.pull import pull_lease
from crossdock.store.agenda import DueFlow

DEADLINE, WANTED, WEBHOOKS, URGENT = -1, 0, 1, 3
_DELIVER = {
    "acceptance": 2, "orders": 3, "shipments": 4, "balance": 5, "statuses": 6, "products": 7, "prices": 8,
    "customers": 9,
}  # fmt: skip
"""Marketplaces give hours to accept an order; what was sold and sent goes before what may be sold."""
_READ = {"orders": 10, "shipments": 11, "balance": 12, "prices": 13, "products": 14, "customers": 15}
"""Orders first: sold stock has to be known before stock is read."""
_LAST = 16
_SOON = timedelta(hours=4)
"""What has to be accepted or sent off before this is over goes before everything else."""

_LONG = 5  # minutes
_DEADLINES = 30.0  # seconds; looking for deadlines reads the records that wait
_ORPHANS = 5.0  # seconds; looking for dead processes reads /proc


@attrs.frozen(kw_only=True)
class Lane:
    """One piece of work. `name` is the stream or flow; a smaller `rank` goes first."""

    kind: Literal["read", "deliver", "webhooks"]
    connection: str
    name: str = ""
    rank: int = attrs.field(default=_LAST, eq=False)
    newest: int = attrs.field(default=0, eq=False)
    """Of webhooks: the newest that waits."""

    @property
    def lease(self) -> str:
        """The name of the lease that whoever works the lane holds."""
        if self.kind == "read":
            return pull_lease(self.connection, self.name)
        return f"push:{self.name}" if self.kind == "deliver" else f"inbox:{self.connection}"

    @property
    def text(self) -> str:
        """The lane for a person."""
        if self.kind == "read":
            return f"{self.connection} {self.name}"
        return f"flow {self.name}" if self.kind == "deliver" else f"webhooks of {self.connection}"


@attrs.frozen
class _Rest:
    """A lane that is not looked at for a while; of webhooks only while no newer one came."""

    until: datetime
    newest: int


class Lanes:
    """What is due. One for each process."""

    def __init__(self, bench: Bench, ticks: Callable[[], float] = monotonic) -> None:
        self._bench = bench
        self._ticks = ticks
        self._rests: dict[str, _Rest] = {}
        self._since: dict[str, tuple[float, float]] = {}
        self._worked: dict[str, float] = {}
        self._orphans_at = -1e9
        self._pressed: dict[str, tuple[float, bool]] = {}

    def due(self) -> list[Lane]:
        """The lanes that are due now, the most urgent first; who waits for minutes becomes more urgent."""
        now, ticks = self._bench.clock.now(), self._ticks()
        found = {lane.lease: lane for lane in self._found(now, ticks) if not self._rests_now(lane, now)}
        self._rests = {name: rest for name, rest in self._rests.items() if rest.until > now}
        # Of lanes that came up together, each process begins with others.
        before = {name: self._since.get(name) or (ticks, random.random()) for name in found}  # noqa: S311
        self._worked = {name: self._worked.get(name, 0.0) for name in found}
        self._since = {name: (max(at, self._worked[name]), chance) for name, (at, chance) in before.items()}
        return sorted(found.values(), key=lambda lane: (self._rank(lane, ticks), *self._since[lane.lease]))

    def _found(self, now: datetime, ticks: float) -> list[Lane]:
        agenda = self._bench.store.agenda
        found = [
            Lane(kind="read", connection=each.connection, name=each.stream,
                 rank=WANTED if each.wanted else _READ.get(each.stream, _LAST))
            for each in agenda.streams(now, tuple(_READ))
        ]  # fmt: skip
        flows = agenda.flows(now)
        if ticks - self._orphans_at > _ORPHANS:
            self._orphans_at = ticks
            flows += agenda.orphaned(now)
        found += [
            Lane(
                kind="deliver", connection=each.connection, name=each.name,
                rank=DEADLINE if self._is_pressed(each, now, ticks) else _DELIVER.get(each.stream, _LAST),
            )
            for each in flows
        ]  # fmt: skip
        found += [
            Lane(kind="webhooks", connection=name, rank=WEBHOOKS, newest=newest)
            for name, newest in agenda.inboxes().items()
        ]
        return found

    def _is_pressed(self, flow: DueFlow, now: datetime, ticks: float) -> bool:
        asked_at, pressed = self._pressed.get(flow.name, (-1e9, False))
        if ticks - asked_at > _DEADLINES:
            pressed = self._bench.store.deadlines.end_before(flow.name, flow.stream, now, now + _SOON)
            self._pressed[flow.name] = ticks, pressed
        return pressed

    def _rank(self, lane: Lane, ticks: float) -> int:
        waited = int((ticks - self._since[lane.lease][0]) // 60)
        if lane.kind == "deliver" and waited >= _LONG:
            return min(lane.rank, WANTED)  # webhooks that never end would keep it waiting for ever
        return max(lane.rank - waited, min(lane.rank, URGENT))

    def _rests_now(self, lane: Lane, now: datetime) -> bool:
        rest = self._rests.get(lane.lease)
        return rest is not None and rest.until > now and lane.newest <= rest.newest

    def worked(self, lane: Lane) -> None:
        """A lane had its turn: if it is due all the same, it waits from now on and not since before."""
        self._worked[lane.lease] = self._ticks()

    def rest(self, lane: Lane, span: timedelta) -> None:
        """Leave a lane alone for a while: somebody else is at it, or it waits for its time."""
        self._rests[lane.lease] = _Rest(self._bench.clock.now() + span, lane.newest)
