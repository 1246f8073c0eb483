"""What a simulation keeps of lanes, processes and channels, and what it tells in the end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import attrs

from benchmarks.installation import Kind
from benchmarks.meter import Cost
from benchmarks.servers import Meter, Several, Single

WEBHOOK, DELIVERY, POLL, STOCK, PARCEL, REST = range(6)
"""Turns in the order of their urgency."""


@attrs.define(eq=False)
class Lane:
    """A stream or flow: its turns never overlap, and turns that are wanted meanwhile become one."""

    kind: int
    place: int
    work: Callable[[Lane, Process], None]
    waiting: int = 0
    queued: bool = False
    running: bool = False
    not_before: float = 0.0
    since: float = 0.0


@attrs.define(eq=False)
class Process:
    """A worker process."""

    python: Single
    sessions: Several
    idle: int
    taken: float = 0.0
    statements: deque[tuple[Cost, int, Callable[[], None]]] = attrs.field(factory=deque)
    asking: int = 0


@attrs.define(eq=False)
class Channel:
    """A sales channel: orders that were placed and not read yet, and those that were read and not delivered."""

    kind: Kind
    orders: Lane
    deliveries: Lane
    stock: Lane
    parcels: Lane
    stock_calls: Meter
    unread: list[float] = attrs.field(factory=list)
    changed: int = 0
    signals: int = 0
    ready: list[float] = attrs.field(factory=list)
    read_at: float = 0.0
    stock_since: float | None = None


@attrs.frozen(kw_only=True)
class Result:
    """What came out: shares of each resource in use, orders and turns counted, lags in seconds, sorted."""

    seconds: float
    used: dict[str, float]
    entered: int
    unread: int
    ready: int
    sending: int
    delivered: int
    lags: list[float]
    ages: list[float]
    turns: int
    in_system: float
    turn_seconds: float
    budgets: list[float]
    work: Cost
    queued: int
    requests: float
    kinds: dict[int, int]

    @property
    def stable(self) -> bool:
        """Whether it keeps up: turns do not queue for more than a minute's worth of work."""
        return self.queued < 60 * max(self.turns / self.seconds, 1)

    def lag(self, share: float) -> float:
        """The lag that `share` of all orders do not exceed; zero when none was delivered."""
        return at_share(self.lags, share)


def at_share(values: list[float], share: float) -> float:
    """The value that a share of sorted values does not exceed; zero for none."""
    return values[min(int(len(values) * share), len(values) - 1)] if values else 0.0
