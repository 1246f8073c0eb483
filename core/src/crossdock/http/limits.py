"""Vendor limits: who may call now, and who has to wait."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Protocol

import attrs

from crossdock.connection import Budget

PATIENCE = timedelta(seconds=30)
"""How long a caller waits for a budget; a longer wait is the engine's business, as it frees the worker meanwhile."""


class Limiter(Protocol):
    """Keeps budgets; the store's limiter keeps them across workers and restarts."""

    def reserve(self, budget: Budget, now: datetime) -> timedelta:
        """Book one call and answer how long to wait before making it (zero: now).

        A wait longer than `PATIENCE` books nothing: the caller gives up and asks again later.
        """

    def hold(self, budget: str, until: datetime) -> None:
        """The vendor said to wait: no evenly paced call of this budget before `until`."""


@attrs.frozen
class Meter:
    """One budget's state in the generic cell rate algorithm: `next_at` is when an evenly paced caller would be due."""

    next_at: datetime | None = None

    def reserve(self, budget: Budget, now: datetime) -> tuple[Meter, timedelta]:
        """The state after booking one call, and the wait before it; a wait beyond `PATIENCE` books nothing."""
        step = budget.per / budget.calls
        due = max(self.next_at, now) if self.next_at else now
        wait = max(due - now - step * (budget.burst - 1), timedelta(0))
        return (self if wait > PATIENCE else Meter(due + step)), wait

    def hold(self, until: datetime) -> Meter:
        """The state after the vendor said to wait; it never allows a call sooner than before."""
        return Meter(max(self.next_at, until) if self.next_at else until)


class MemoryLimiter:
    """A limiter for one process: for verifying a connection that is not saved yet."""

    def __init__(self) -> None:
        self._meters: dict[str, Meter] = {}
        self._lock = threading.Lock()

    def reserve(self, budget: Budget, now: datetime) -> timedelta:
        """Book one call."""
        with self._lock:
            self._meters[budget.name], wait = self._meters.get(budget.name, Meter()).reserve(budget, now)
            return wait

    @property
    def next_calls(self) -> dict[str, datetime]:
        """When an evenly paced caller of each budget would be due."""
        with self._lock:
            return {name: meter.next_at for name, meter in self._meters.items() if meter.next_at is not None}

    def hold(self, budget: str, until: datetime) -> None:
        """No call before `until`."""
        with self._lock:
            self._meters[budget] = self._meters.get(budget, Meter()).hold(until)
