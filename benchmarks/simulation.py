"""A discrete-event simulation of an installation: schedules, orders, webhooks, vendors, workers and the database.

A turn takes a worker's thread from beginning to end. Its Python runs one thread at a time (the interpreter lock of the
process), its statements one at a time for each of its connections to the database; the server's CPU and disk are shared
by all. While a vendor answers, only the thread waits. All times are seconds; the same seed gives the same day.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from benchmarks.installation import HOUR, PEAK, Installation, Pace, Setup, Sizes, Units
from benchmarks.lanes import DELIVERY, PARCEL, POLL, REST, STOCK, WEBHOOK, Channel, Lane, Process, Result
from benchmarks.meter import Cost
from benchmarks.servers import Meter
from benchmarks.workers import Workers

_CHUNK = 8  # effects that are under way together in one push
_BATCH = 100


class Simulation(Workers):
    """One installation on one setup, from a second of the day on; what happens in the first `warm` seconds is not
    counted in lags and shares."""

    def __init__(
        self, plan: Installation, setup: Setup, units: Units, *, seed: int = 1, start: float = PEAK * HOUR,
        warm: float = 300.0,
    ) -> None:  # fmt: skip
        super().__init__(setup, plan.merchants, random.Random(seed), start, start + warm)
        self.plan, self.units, self.begin = plan, units, start
        self.sizes = Sizes(plan, self.dice)
        self.channels = [self._channel(place) for place in range(plan.merchants * plan.channels)]
        self.erps = [Meter(plan.erp_pace) for _ in range(plan.merchants)]
        self.moments = [start - self.dice.random() * plan.stock_every for _ in range(plan.merchants)]
        self.entered = self.delivered = self.sending = 0
        self.lags: list[float] = []
        self.ages: list[float] = []
        self._schedule()

    def run(self, seconds: float) -> Result:
        """Let `seconds` pass and be counted, after the warm-up."""
        until = self.counted + seconds
        self.events.run(until)
        self._count(0)
        return self._result(until, seconds)

    # -- what happens of itself ------------------------------------------------------------------------

    def _channel(self, place: int) -> Channel:
        pick, kind = self.dice.random() * sum(each.share for each in self.plan.kinds), self.plan.kinds[-1]
        for each in self.plan.kinds:
            if pick < each.share:
                kind = each
                break
            pick -= each.share
        made = Channel(
            kind, Lane(POLL, place, self._read_orders), Lane(DELIVERY, place, self._deliver),
            Lane(STOCK, place, self._publish), Lane(PARCEL, place, self._report), Meter(kind.stock),
        )  # fmt: skip
        made.read_at = self.begin - self.dice.random() * min(kind.every, self.plan.stock_every)
        return made

    def _schedule(self) -> None:
        at, uniform = self.events.at, self.dice.random
        for channel in self.channels:
            at(self.begin + uniform() * channel.kind.every, self._due, channel.orders, channel.kind.every)
        for place in range(self.plan.merchants):
            balance, parcels = Lane(REST, place, self._read_stock), Lane(REST, place, self._read_parcels)
            at(self.begin + uniform() * self.plan.stock_every, self._due, balance, self.plan.stock_every)
            at(self.begin + uniform() * self.plan.shipments_every, self._due, parcels, self.plan.shipments_every)
        at(self.begin + self.dice.expovariate(self.plan.fastest), self._arrive)
        self._before()

    def _before(self) -> None:
        """Orders that were placed before the beginning and wait to be read."""
        since = min(channel.read_at for channel in self.channels)
        rate = self.plan.rate(self.begin)
        placed = since + self.dice.expovariate(rate)
        while placed < self.begin:
            channel = self.channels[self.sizes.pick()]
            if placed > channel.read_at and not channel.kind.webhooks:
                self.entered += 1
                channel.unread.append(placed)
                channel.changed += self.plan.changes
            placed += self.dice.expovariate(rate)

    def _due(self, lane: Lane, every: float) -> None:
        self._want(lane)
        self.events.at(self.events.now + every, self._due, lane, every)

    def _arrive(self) -> None:
        """Somebody buys; the rate is thinned from that of the busiest hour."""
        now, fastest = self.events.now, self.plan.fastest
        self.events.at(now + self.dice.expovariate(fastest), self._arrive)
        if self.dice.random() * fastest > self.plan.rate(now):
            return
        channel = self.channels[self.sizes.pick()]
        self.entered += 1
        channel.unread.append(now)
        channel.changed += self.plan.changes
        for number in range(channel.kind.webhooks):
            wait = 1.0 if number == 0 else self.dice.random() * 600
            self.events.at(now + wait, self._signal, channel)

    def _signal(self, channel: Channel) -> None:
        channel.signals += 1
        self._want(channel.orders, WEBHOOK)

    # -- kinds of turns --------------------------------------------------------------------------------

    def _read_orders(self, lane: Lane, process: Process) -> None:
        """By webhooks or by the schedule."""
        channel = self.channels[lane.place]
        cost, kept = self._read(channel)
        self._turn(lane, process, lane.place // self.plan.channels, cost, 2 * channel.kind.latency, kept)

    def _read(self, channel: Channel) -> tuple[Cost, Callable[[], None]]:
        """What it costs to read a channel now, and what follows: effects, and less stock for all channels."""
        units, merchant = self.units, channel.orders.place // self.plan.channels
        placed, channel.unread = channel.unread, []
        if channel.signals:
            cost = units["signal"] + units["changed"] * max(channel.signals - 1, 0)
        else:
            cost = units["turn"] + units["first"] * len(placed) + units["changed"] * channel.changed
        self.sending += len(placed)
        channel.signals = channel.changed = 0
        channel.read_at = self.events.now

        def kept() -> None:
            self.sending -= len(placed)
            channel.ready += placed
            if placed:
                self._want(channel.deliveries)
                self._sold(merchant, len(placed))

        return cost, kept

    def _sold(self, merchant: int, orders: int) -> None:
        for channel in self._of(merchant):
            channel.stock.waiting = min(channel.stock.waiting + orders * self.plan.lines, 1_000)
            self._want(channel.stock)

    def _of(self, merchant: int) -> list[Channel]:
        first = merchant * self.plan.channels
        return self.channels[first : first + self.plan.channels]

    def _deliver(self, lane: Lane, process: Process) -> None:
        """Orders to the ERP, some at a time, as its budget allows."""
        channel = self.channels[lane.place]
        merchant = lane.place // self.plan.channels
        meter, plan = self.erps[merchant], self.plan
        cost = self.units["effect"] + self.units["request"] * plan.erp_calls

        def more() -> None:
            some = channel.ready[:_CHUNK]
            if not some:
                self._end(lane, process)
                return
            wait = meter.reserve(self.events.now, plan.erp_calls * len(some), self.setup.patience)
            if wait > self.setup.patience:
                lane.not_before = self.events.now + wait
                self._want(lane)
                self._end(lane, process)
                return
            del channel.ready[: len(some)]
            self.sending += len(some)
            self.requests += plan.erp_calls * len(some) * (self.events.now >= self.counted)
            ends = self.events.now + wait + plan.erp_calls * plan.erp_latency * -(-len(some) // 4)

            def kept() -> None:
                self.events.at(max(ends, self.events.now), arrived, some)

            self._spend(process, cost * len(some), merchant, kept)

        def arrived(some: list[float]) -> None:
            now = self.events.now
            self.sending -= len(some)
            self.delivered += len(some)
            if now >= self.counted:
                self.lags += [now - placed for placed in some]
            more()

        self._spend(process, self.units["push"], merchant, more)

    def _read_stock(self, lane: Lane, process: Process) -> None:
        """The ERP's stock: what is raised waits until the orders of all channels were read."""
        plan, merchant = self.plan, lane.place
        cost = self.units["turn"] + self.units["stock_changed"] * plan.stock_changes
        began = self.events.now

        def kept() -> None:
            for channel in self._of(merchant):
                channel.stock.waiting = min(channel.stock.waiting + plan.stock_changes, 1_000)
                if channel.stock_since is None:
                    channel.stock_since = self.moments[merchant]
                self._want(channel.stock)
            self.moments[merchant] = began

        self._turn(lane, process, merchant, cost, 2 * plan.erp_latency, kept)

    def _publish(self, lane: Lane, process: Process) -> None:
        """Stock to a channel, in batches."""
        channel, values = self.channels[lane.place], lane.waiting
        merchant = lane.place // self.plan.channels
        now = self.events.now
        wait = channel.stock_calls.reserve(now, 1, self.setup.patience) if channel.kind.stock.calls < 1e9 else 0.0
        if wait > self.setup.patience:
            # Found in the store and put off: it costs a turn with nothing to deliver.
            lane.not_before = now + wait
            self._want(lane)
            self._turn(lane, process, merchant, self.units["push"], 0.0, lambda: None, 0)
            return
        lane.waiting = 0
        lane.not_before = now + self.setup.stock_rest
        since, channel.stock_since = channel.stock_since, None
        batches = max(-(-values // _BATCH), 1)
        cost = self.units["stock_turn"] + self.units["stock_effect"] * max(values - 1, 0)

        # What is raised waits until the orders of all channels were read since: this turn reads those that were not.
        behind = [] if since is None else [
            each for each in self._of(merchant) if each.read_at < self.moments[merchant] and not each.orders.running
        ]  # fmt: skip
        follow = []
        for each in behind:
            each.orders.running = True
            more, kept = self._read(each)
            cost, wait = cost + more, wait + 2 * each.kind.latency
            follow.append(kept)

        def shown() -> None:
            for each, kept in zip(behind, follow, strict=True):
                kept()
                self._free(each.orders)
            if since is not None and self.events.now >= self.counted:
                self.ages.append(self.events.now - since)

        requests = batches + 2 * len(behind)
        self._turn(lane, process, merchant, cost, wait + batches * channel.kind.latency, shown, requests)

    def _read_parcels(self, lane: Lane, process: Process) -> None:
        """The ERP ships as much as it gets."""
        plan, merchant = self.plan, lane.place
        count = round(self.plan.rate(self.events.now) / plan.merchants * plan.shipments_every)
        cost = self.units["turn"] + self.units["first"] * count

        def kept() -> None:
            for number, channel in enumerate(self._of(merchant)):
                channel.parcels.waiting += count // plan.channels + (number < count % plan.channels)
                if channel.parcels.waiting:
                    self._want(channel.parcels)

        self._turn(lane, process, merchant, cost, 2 * plan.erp_latency, kept)

    def _report(self, lane: Lane, process: Process) -> None:
        """Parcels to a channel, four at a time."""
        channel, count = self.channels[lane.place], lane.waiting
        merchant = lane.place // self.plan.channels
        lane.waiting = 0
        cost = self.units["push"] + (self.units["effect"] + self.units["request"]) * count
        pace: Pace = channel.kind.pace
        wait = max(count * channel.kind.latency / 4, (count - pace.burst) * 60 / pace.calls, 0.0)
        self._turn(lane, process, merchant, cost, wait, lambda: None, count)

    # -- the end ---------------------------------------------------------------------------------------

    def _result(self, until: float, seconds: float) -> Result:
        span, threads = until - self.counted, self.setup.threads
        used = {
            "worker CPU": max(each.python.used(until) for each in self.processes),
            "worker threads": max((each.taken / span + threads - each.idle) / threads for each in self.processes),
            "worker's database connection": max(each.sessions.used(until) for each in self.processes),
            "stock lock": max(each.used(until) for each in self.locks),
            "database CPU": self.cores.used(until),
            "database disk": self.disk.used(until),
        }
        return Result(
            seconds=seconds, used=used, entered=self.entered, unread=sum(len(each.unread) for each in self.channels),
            ready=sum(len(each.ready) for each in self.channels), sending=self.sending, delivered=self.delivered,
            lags=sorted(self.lags), ages=sorted(self.ages), turns=self.turns, in_system=self._area / seconds,
            turn_seconds=self._stay / max(self._done, 1),
            budgets=sorted(each.calls / (until - self.begin) * each.step for each in self.erps), work=self.work,
            requests=self.requests, queued=sum(len(each) for each in self.queues), kinds=self.kinds,
        )  # fmt: skip
