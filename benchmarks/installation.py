"""An installation to be simulated: who is connected, what happens in a day, and the machines it runs on."""

from __future__ import annotations

import bisect
import itertools
import math
import random
from collections.abc import Mapping, Sequence

import attrs

from benchmarks.meter import Cost

HOUR = 3600.0
DAY = 24 * HOUR

_SHAPE = (1, 1, 1, 1, 1, 2, 4, 7, 10, 12, 13, 13, 14, 13, 13, 13, 13, 14, 16, 18, 20, 17, 9, 4)
"""Orders by the hour of the day before the peak hour gets its share: nights are quiet, evenings busy."""
PEAK = _SHAPE.index(max(_SHAPE))


@attrs.frozen(kw_only=True)
class Pace:
    """What a vendor allows: `calls` a minute, at most `burst` at once."""

    calls: float = math.inf
    burst: int = 1


@attrs.frozen(kw_only=True)
class Kind:
    """A kind of sales channel: how often its orders are read, and what its API is like.

    `webhooks` is how many come for each order, `latency` seconds of an answer, `stock` the limit on stock batches.
    """

    name: str
    share: float
    every: float
    webhooks: int = 0
    latency: float = 0.3
    pace: Pace = Pace()
    stock: Pace = Pace()


CHANNELS = (
    Kind(name="woocommerce", share=0.5, every=HOUR, webhooks=3, latency=0.4),
    Kind(name="mirakl", share=0.25, every=900, latency=0.3, pace=Pace(calls=60, burst=20), stock=Pace(calls=1)),
    Kind(name="cdiscount", share=0.25, every=600, latency=0.3, pace=Pace(calls=120, burst=10)),
)
"""Connectors of this repository: their default schedules and the budgets that they state; the shares are assumed."""


@attrs.frozen(kw_only=True)
class Installation:
    """Merchants with one ERP and `channels` sales channels each; `orders` a day in all.

    `peak` is the share of a day's orders that comes in the peak hour, `surge` multiplies all hours. `spread` is the
    sigma of the log-normal sizes of merchants: 1.2 gives the largest hundredth a sixth of all orders. `lines` are
    pieces of different goods in an order, `changes` how often it changes after it was placed.
    """

    connections: int
    orders: float
    peak: float = 0.10
    surge: float = 1.0
    channels: int = 4
    spread: float = 1.2
    lines: int = 2
    changes: int = 2
    stock_every: float = 900.0
    stock_changes: int = 10
    shipments_every: float = HOUR
    erp_latency: float = 0.25
    erp_calls: int = 2
    erp_pace: Pace = Pace(calls=270, burst=30)
    kinds: Sequence[Kind] = CHANNELS

    @property
    def merchants(self) -> int:
        """How many there are; at least one."""
        return max(self.connections // (self.channels + 1), 1)

    def rate(self, at: float) -> float:
        """Orders a second at a second of the day."""
        hour = int(at % DAY // HOUR)
        rest = (1 - self.peak) * _SHAPE[hour] / (sum(_SHAPE) - _SHAPE[PEAK])
        return self.surge * self.orders * (self.peak if hour == PEAK else rest) / HOUR

    @property
    def fastest(self) -> float:
        """Orders a second in the busiest hour."""
        return max(self.rate(hour * HOUR) for hour in range(24))


@attrs.frozen(kw_only=True)
class Setup:
    """The machines: worker `processes` with `threads` each, the database's `cores`, and what lies between.

    `sessions` is how many connections to the database each process has.

    `trip` is the time of a statement on the wire, `sync` that of a commit on the disk, in seconds. `one_lock`: all
    changes of stock wait for each other; otherwise only those of one ERP do. `stock_rest` is how long a flow of stock
    rests after a batch, so that the next one carries more. `patience` is how long a thread waits for a vendor's budget
    before it puts the work off.
    """

    processes: int = 1
    threads: int = 8
    sessions: int = 1
    cores: int = 2
    trip: float = 0.0
    sync: float = 0.0005
    one_lock: bool = False
    stock_rest: float = 0.0
    patience: float = 30.0


Units = Mapping[str, Cost]


class Sizes:
    """Picks where an order is placed: merchants are large and small, their channels alike."""

    def __init__(self, plan: Installation, dice: random.Random) -> None:
        weights = [dice.lognormvariate(0, plan.spread) for _ in range(plan.merchants)]
        self._sums = list(itertools.accumulate(weights))
        self._channels = plan.channels
        self._dice = dice

    def pick(self) -> int:
        """The number of a channel."""
        merchant = bisect.bisect(self._sums, self._dice.random() * self._sums[-1])
        return merchant * self._channels + self._dice.randrange(self._channels)
