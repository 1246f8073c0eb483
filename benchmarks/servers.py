"""What simulated work waits for: one at a time, several at once, a disk that takes all who wait, a budget."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable
from typing import Any

import attrs

from benchmarks.installation import Pace


class Events:
    """Things that happen, in the order of their times."""

    def __init__(self, now: float) -> None:
        self.now = now
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0

    def at(self, time: float, what: Callable[..., None], *args: Any) -> None:
        """Let `what` happen at a time that is not over."""
        self._count += 1
        heapq.heappush(self._heap, (time, self._count, what, args))

    def run(self, until: float) -> None:
        """Let everything happen that happens before `until`."""
        heap = self._heap
        while heap and heap[0][0] < until:
            self.now, _, what, args = heapq.heappop(heap)
            what(*args)
        self.now = until


@attrs.define
class Single:
    """Serves one after the other in the order of their coming; `busy` seconds until `start` do not count."""

    start: float = 0.0
    free: float = 0.0
    busy: float = 0.0

    def serve(self, now: float, seconds: float) -> float:
        """When a job that comes now is done."""
        begin = max(now, self.free)
        self.free = begin + seconds
        self.busy += max(self.free - max(begin, self.start), 0.0)
        return self.free

    def used(self, until: float) -> float:
        """The share of the time since `start` in which it was busy."""
        # What is booked beyond `until` was not served yet; there may be a gap before it.
        return max(self.busy - max(self.free - max(until, self.start), 0.0), 0.0) / (until - self.start)


class Several:
    """Serves as many at once as it has cores."""

    def __init__(self, cores: int, start: float) -> None:
        self.cores = [Single(start) for _ in range(cores)]

    def serve(self, now: float, seconds: float) -> float:
        """When a job that comes now is done."""
        return min(self.cores, key=lambda core: core.free).serve(now, seconds)

    def used(self, until: float) -> float:
        """The share of all cores' time in which they were busy."""
        return sum(core.used(until) for core in self.cores) / len(self.cores)


class Disk:
    """Writes what waits for it together: who comes while it writes waits for the rest of that, and for the next write.

    Sessions commit in any order, so it is told by chance whether one meets a write: by the rate of commits so far.
    """

    def __init__(self, seconds: float, dice: random.Random, start: float) -> None:
        self.seconds = seconds
        self._dice = dice
        self._begin = start
        self._commits = 0

    def commit(self, now: float) -> float:
        """When a commit that comes now is on the disk."""
        self._commits += 1
        meets = self._dice.random() < self.used(now)
        return now + self.seconds * (1 + (self._dice.random() if meets else 0.0))

    def used(self, until: float) -> float:
        """The share of the time in which it writes: commits that come at random share their writes."""
        return 1 - math.exp(-self._commits * self.seconds / max(until - self._begin, self.seconds, 1e-9))


class Meter:
    """A vendor's budget, as the store keeps it: evenly paced, with a burst."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.step = 60 / pace.calls
        self.next = 0.0
        self.calls = 0

    def reserve(self, now: float, calls: int, patience: float) -> float:
        """How long to wait for `calls` calls; a wait beyond `patience` books nothing."""
        due = max(self.next, now)
        wait = max(due + self.step * (calls - self.pace.burst) - now, 0.0)
        if wait <= patience:
            self.next = due + self.step * calls
            self.calls += calls
        return wait
