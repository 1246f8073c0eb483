"""Simulated workers: turns that wait for a thread, and what one takes of processes, database and disk."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable

from benchmarks.installation import Setup
from benchmarks.lanes import REST, Lane, Process
from benchmarks.meter import Cost
from benchmarks.servers import Disk, Events, Several, Single


class Workers:
    """A setup at work from `start` on; what happens before `counted` is in no share and no mean."""

    def __init__(self, setup: Setup, locks: int, dice: random.Random, start: float, counted: float) -> None:
        self.setup, self.dice, self.counted = setup, dice, counted
        self.events = Events(start)
        self.processes = [
            Process(Single(counted), Several(setup.sessions, counted), setup.threads) for _ in range(setup.processes)
        ]  # fmt: skip
        self.cores, self.disk = Several(setup.cores, counted), Disk(setup.sync, dice, start)
        self.locks = [Single(counted) for _ in range(1 if setup.one_lock else locks)]
        self.queues: list[deque[Lane]] = [deque() for _ in range(REST + 1)]
        self.turns, self.work, self.requests = 0, Cost(), 0.0
        self.kinds = dict.fromkeys(range(REST + 1), 0)
        self._inside, self._changed, self._area, self._stay, self._done = 0, start, 0.0, 0.0, 0

    # -- turns -----------------------------------------------------------------------------------------

    def _want(self, lane: Lane, urgency: int | None = None) -> None:
        """Queue a turn of a lane, unless one is queued; one that runs is followed by another."""
        if lane.queued:
            return
        lane.queued = True
        if lane.running:
            return
        self._count(1)
        lane.since = self.events.now
        if lane.not_before > self.events.now:
            self.events.at(lane.not_before, self._enter, lane, urgency)
        else:
            self._enter(lane, urgency)

    def _enter(self, lane: Lane, urgency: int | None) -> None:
        self.queues[lane.kind if urgency is None else urgency].append(lane)
        self._hand_out()

    def _hand_out(self) -> None:
        """Give the most urgent turns to the processes with the most idle threads."""
        while True:
            process = max(self.processes, key=lambda each: each.idle)
            queue = next((each for each in self.queues if each), None)
            if not process.idle or queue is None:
                return
            lane = queue.popleft()
            if lane.running:  # its orders are being read by a turn of stock; it is wanted again when that ends
                self._count(-1)
                continue
            lane.queued, lane.running = False, True
            process.idle -= 1
            process.taken -= max(self.events.now - self.counted, 0.0)
            self.turns += self.events.now >= self.counted
            self.kinds[lane.kind] += self.events.now >= self.counted
            lane.work(lane, process)

    def _end(self, lane: Lane, process: Process) -> None:
        now = self.events.now
        process.idle += 1
        process.taken += max(now - self.counted, 0.0)
        self._count(-1)
        if now >= self.counted:
            self._stay += now - max(lane.since, self.counted)
            self._done += 1
        self._free(lane)
        self._hand_out()

    def _free(self, lane: Lane) -> None:
        """Nobody works at a lane any more; what was wanted meanwhile is wanted now."""
        lane.running = False
        if lane.queued:
            lane.queued = False
            self._want(lane)

    def _count(self, change: int) -> None:
        """Keep the area under the number of turns that wait or run."""
        now = self.events.now
        self._area += self._inside * max(now - max(self._changed, self.counted), 0.0)
        self._changed, self._inside = now, self._inside + change

    # -- what a turn costs -----------------------------------------------------------------------------

    def _spend(self, process: Process, cost: Cost, merchant: int, then: Callable[[], None]) -> None:
        """Python first, then the statements; `then` follows when both are done."""
        if self.events.now >= self.counted:
            self.work += cost
        self.events.at(process.python.serve(self.events.now, cost.cpu), self._ask, process, cost, merchant, then)

    def _ask(self, process: Process, cost: Cost, merchant: int, then: Callable[[], None]) -> None:
        process.statements.append((cost, merchant, then))
        if process.asking < self.setup.sessions:
            self._answer(process)

    def _answer(self, process: Process) -> None:
        """The statements before a lock, and those under it; each part begins when the one before has ended."""
        process.asking += 1
        cost, merchant, then = process.statements.popleft()
        began = self.events.now
        share = cost.locked / cost.trips if cost.trips else 0.0
        syncs = int(cost.syncs) + (self.dice.random() < cost.syncs % 1)
        at = self._served(began, cost, 1 - share, max(syncs - 1, 0) if share else syncs)
        if share:
            lock = self.locks[0 if self.setup.one_lock else merchant]
            self.events.at(at, self._lock, process, cost, share, lock, syncs, began, then)
        else:
            self._finish(process, began, at, then)

    def _lock(
        self, process: Process, cost: Cost, share: float, lock: Single, syncs: int, began: float,
        then: Callable[[], None],
    ) -> None:  # fmt: skip
        held = max(self.events.now, lock.free)
        at = self._served(self.events.now, cost, share, min(syncs, 1)) + held - self.events.now
        lock.serve(held, at - held)
        self._finish(process, began, at, then)

    def _served(self, now: float, cost: Cost, share: float, syncs: int) -> float:
        """When a share of statements that begin now is answered."""
        at = self.cores.serve(now, cost.server * share) + cost.trips * self.setup.trip * share
        for _ in range(syncs):
            at = self.disk.commit(at)
        return at

    def _finish(self, process: Process, began: float, at: float, then: Callable[[], None]) -> None:
        process.sessions.serve(began, at - began)
        self.events.at(at, self._answered, process, then)

    def _answered(self, process: Process, then: Callable[[], None]) -> None:
        process.asking -= 1
        if process.statements:
            self._answer(process)
        then()

    def _turn(
        self, lane: Lane, process: Process, merchant: int, cost: Cost, wait: float, then: Callable[[], None],
        requests: float = 2,
    ) -> None:  # fmt: skip
        """A turn with one pause for the vendor in the middle: half of the fixed cost before, the rest after it."""

        if self.events.now >= self.counted:
            self.requests += requests

        def after() -> None:
            then()
            self._end(lane, process)

        def answered() -> None:
            self._spend(process, cost * 0.5, merchant, after)

        def asked() -> None:
            self.events.at(self.events.now + wait, answered)

        self._spend(process, cost * 0.5, merchant, asked)
