"""From a size to what it needs: how much of each resource is busy at once, and the machines on which none is full."""

from __future__ import annotations

import math

import attrs

from benchmarks.costs import Costs
from benchmarks.installation import HOUR, PEAK, Installation, Setup
from benchmarks.lanes import Result, at_share
from benchmarks.simulation import Simulation

TRIP, SYNC = 0.00025, 0.001
"""Assumed between worker and database, and of the database's disk: a network in one data centre, an attached SSD."""
FULL, TOO_FULL = 0.6, 0.85
"""The share of a resource that is planned to be used in the peak hour, and that from which on there have to be more."""
SIZES = (
    (100, 10_000, 1), (1_000, 100_000, 1), (10_000, 10_000, 1), (10_000, 100_000, 1), (10_000, 1_000_000, 1),
    (10_000, 1_000_000, 5), (50_000, 1_000_000, 1), (50_000, 5_000_000, 1),
)  # fmt: skip

MOVES = {
    "worker CPU": "more worker processes, one a core",
    "worker threads": "more threads a process",
    "worker's database connection": "more worker processes; in the product, more connections a process",
    "stock lock": "nothing: it is that of one ERP, whose stock is changed by one transaction at a time",
    "database CPU": "more cores for the database",
    "database disk": "a disk that syncs faster; fewer durable commits a turn in the product",
}


WORKERS = ("worker CPU", "worker threads", "worker's database connection")
"""What more worker processes relieve."""


@attrs.frozen(kw_only=True)
class Answer:
    """One size: what it uses of the smallest setup, what it was given, and how that went."""

    plan: Installation
    first: str
    first_share: float
    setup: Setup
    result: Result


def demand(plan: Installation, costs: Costs, setup: Setup, seconds: float = 30.0) -> dict[str, float]:
    """How many of each resource are busy at once in the peak hour when there are enough of all."""
    guess = max(int(plan.rate(PEAK * HOUR) * 0.3 + plan.connections / 2_000), 1)
    roomy = attrs.evolve(setup, processes=guess, threads=256, cores=max(guess, 4), sync=SYNC / 100)
    result = Simulation(plan, roomy, costs.postgresql, warm=30).run(seconds)
    work = result.work * (1 / seconds)
    # A commit that comes while the disk writes waits for the rest of that write, too: half of one more.
    taken = work.trips * setup.trip + work.server + work.syncs * setup.sync * 1.5
    return {
        "worker CPU": work.cpu,
        "worker threads": _threads(result, roomy),
        "worker's database connection": taken,
        "database CPU": work.server,
        # Sessions that commit together share a write: alone each waits for its own.
        "database disk": work.syncs * setup.sync,
    }


def _threads(result: Result, setup: Setup) -> float:
    return result.used["worker threads"] * setup.threads * setup.processes


def capacity(setup: Setup) -> dict[str, float]:
    """How many of each resource a setup has."""
    together = min(setup.processes, 16)
    return {
        "worker CPU": setup.processes, "worker threads": setup.processes * setup.threads,
        "worker's database connection": setup.processes,
        "database CPU": setup.cores, "database disk": (together + 1) / 2,
    }  # fmt: skip


def first_limit(needed: dict[str, float], setup: Setup) -> tuple[str, float]:
    """The resource that is used most, and to what share; more than 1 is more than there is."""
    has = capacity(setup)
    name = max(needed, key=lambda each: needed[each] / has[each])
    return name, needed[name] / has[name]


def sized(needed: dict[str, float], setup: Setup) -> Setup:
    """A setup in which nothing that a setting moves is used beyond `FULL`."""
    processes = max(math.ceil(max(needed["worker CPU"], needed["worker's database connection"]) / FULL), 1)
    threads = max(math.ceil(needed["worker threads"] / FULL / processes / 4) * 4, 4)
    return attrs.evolve(
        setup, processes=processes, threads=threads, cores=max(math.ceil(needed["database CPU"] / FULL), 1)
    )


def answer(size: tuple[int, float, float], costs: Costs, base: Setup, orders: float = 6_000) -> Answer:
    """Simulate one size on a setup that fits it, for as long as it takes for some thousand orders."""
    connections, daily, surge = size
    plan = Installation(connections=connections, orders=daily, surge=surge)
    needed = demand(plan, costs, base)
    name, share = first_limit(needed, base)
    setup, seconds = sized(needed, base), min(max(orders / plan.rate(PEAK * HOUR), 60.0), 2 * HOUR)
    for _ in range(3):
        result = Simulation(plan, setup, costs.postgresql, warm=min(seconds, 120)).run(seconds)
        if max(result.used[each] for each in WORKERS) < TOO_FULL and result.stable:
            break
        setup = attrs.evolve(setup, processes=math.ceil(setup.processes * 1.5))
    return Answer(plan=plan, first=name, first_share=share, setup=setup, result=result)


@attrs.frozen(kw_only=True)
class Day:
    """A whole day of a small part of an installation, for what adds up over a day."""

    turns: float
    requests: float
    orders: float
    cpu: float
    server: float
    wal: float
    by_hour: list[tuple[int, float, float]]


def day(costs: Costs, connections: int = 200, orders: float = 20_000) -> Day:
    """Twenty-four hours, hour by hour: lag and turns of each; a fiftieth of 10,000 connections and a million orders."""
    plan = Installation(connections=connections, orders=orders)
    setup = Setup(processes=1, threads=64, cores=2, trip=TRIP, sync=SYNC)
    simulation = Simulation(plan, setup, costs.postgresql, start=0.0, warm=0.0)
    by_hour, before = [], 0
    for hour in range(24):
        result = simulation.run((hour + 1) * HOUR)
        new = simulation.lags[before:]
        before = len(simulation.lags)
        by_hour.append((hour, at_share(sorted(new), 0.5), at_share(sorted(new), 0.95)))
    work = result.work
    return Day(
        turns=result.turns, requests=result.requests, orders=result.entered, cpu=work.cpu, server=work.server,
        wal=work.wal, by_hour=by_hour,
    )  # fmt: skip


def tried(size: tuple[int, float, float], costs: Costs, setup: Setup) -> Answer:
    """One size on a setup that was named."""
    plan = Installation(connections=size[0], orders=size[1], surge=size[2])
    name, share = first_limit(demand(plan, costs, setup), setup)
    seconds = min(max(12_000 / plan.rate(PEAK * HOUR), 240.0), 2 * HOUR)
    result = Simulation(plan, setup, costs.postgresql, warm=min(seconds, 300)).run(seconds)
    return Answer(plan=plan, first=name, first_share=share, setup=setup, result=result)


def span(seconds: float) -> str:
    """A time for people."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
