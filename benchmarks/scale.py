"""``python -m benchmarks.scale``: how large an installation can be, from the costs that `benchmarks.costs` measured.

Without words it simulates the sizes of the table and shows what each needs. ``--connections N --orders N [--surge 5]
[--processes P --threads T --cores C]`` simulates one; ``--write`` renews the figures in docs/scale.md, together with
those of `benchmarks.real_run`.
"""

from __future__ import annotations

import argparse
import functools
import math
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor

import attrs
import msgspec

from benchmarks.__main__ import ROOT, WORK
from benchmarks.costs import UNITS, Costs, load
from benchmarks.installation import HOUR, Installation, Setup
from benchmarks.simulation import Result, Simulation, at_share

PAGE = ROOT / "docs" / "scale.md"
REAL = WORK / "real_run.json"
BEGIN, END = "<!-- figures: python -m benchmarks.scale --write -->", "<!-- end of figures -->"

TRIP, SYNC = 0.00025, 0.001
"""Assumed between worker and database, and of the database's disk: a network in one data centre, an attached SSD."""
FULL = 0.6
"""The share of a resource that is planned to be used in the peak hour."""
CORE_HOUR, GIGABYTE_MONTH, CORE_MEMORY = 0.04, 0.10, 4.0
"""Assumed: euros of an hour of a core with its 4 GB of memory, and of a month of a gigabyte of disk."""
MONTH = 30

SIZES = (
    (100, 10_000, 1), (1_000, 100_000, 1), (10_000, 10_000, 1), (10_000, 100_000, 1), (10_000, 1_000_000, 1),
    (10_000, 1_000_000, 5), (50_000, 1_000_000, 1), (50_000, 5_000_000, 1),
)  # fmt: skip

MOVES = {
    "worker CPU": "more worker processes, one a core",
    "worker threads": "more threads a process",
    "worker's database connection": "more worker processes, or more connections a process",
    "stock lock": "a lock for each ERP in the product; until then fewer batches of stock",
    "database CPU": "more cores for the database",
    "database disk": "a disk that syncs faster; fewer durable commits a turn in the product",
}


@attrs.frozen(kw_only=True)
class Answer:
    """One size: what it uses of the smallest setup, what it was given, and how that went."""

    plan: Installation
    first: str
    first_share: float
    setup: Setup
    result: Result


def demand(plan: Installation, costs: Costs, setup: Setup, seconds: float = 60.0) -> dict[str, float]:
    """How many of each resource are busy at once in the peak hour when there are enough of all."""
    guess = max(int(plan.rate(20 * HOUR) * 0.3 + plan.connections / 2_000), 1)
    roomy = attrs.evolve(setup, processes=guess, threads=256, cores=max(guess, 4), one_lock=False, sync=SYNC / 100)
    result = Simulation(plan, roomy, costs.postgresql, warm=60).run(seconds)
    work = result.work * (1 / seconds)
    taken = (work.trips * setup.trip + work.server + work.syncs * setup.sync)
    share = work.locked / max(work.trips, 1e-9)
    locked = share * (work.trips * setup.trip + work.server) + setup.sync * work.locked / 22
    return {
        "worker CPU": work.cpu,
        "worker threads": _threads(result, roomy),
        "worker's database connection": taken,
        "stock lock": locked,
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
        "worker's database connection": setup.processes, "stock lock": 1.0 if setup.one_lock else math.inf,
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


def answer(size: tuple[int, float, float], costs: Costs, base: Setup, orders: float = 12_000) -> Answer:
    """Simulate one size on a setup that fits it, for as long as it takes for some thousand orders."""
    connections, daily, surge = size
    plan = Installation(connections=connections, orders=daily, surge=surge)
    needed = demand(plan, costs, base)
    name, share = first_limit(needed, base)
    setup = sized(needed, base)
    seconds = min(max(orders / plan.rate(20 * HOUR), 240.0), 2 * HOUR)
    result = Simulation(plan, setup, costs.postgresql, warm=min(seconds, 300)).run(seconds)
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
        result = simulation.run((hour + 1) * HOUR - simulation.events.now)
        new = simulation.lags[before:]
        before = len(simulation.lags)
        by_hour.append((hour, at_share(sorted(new), 0.5), at_share(sorted(new), 0.95)))
    work = result.work
    return Day(
        turns=result.turns, requests=result.requests, orders=result.entered, cpu=work.cpu, server=work.server,
        wal=work.wal, by_hour=by_hour,
    )  # fmt: skip


# -- telling -------------------------------------------------------------------------------------------


def span(seconds: float) -> str:
    """A time for people."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """A table in Markdown."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return [*lines, *("| " + " | ".join(str(each) for each in row) + " |" for row in rows), ""]


def costs_table(costs: Costs) -> list[str]:
    """What one of each costs."""
    def row(name: str, what: str) -> list[str]:
        lite, server = costs.sqlite[name], costs.postgresql[name]
        return [
            what, _ms(lite.cpu), _ms(server.cpu), _ms(server.server), f"{server.trips:.1f}", f"{server.syncs:.1f}",
            f"{server.locked:.1f}", f"{server.wal / 1000:.1f}",
        ]  # fmt: skip

    head = ("one", "SQLite: CPU ms", "PostgreSQL: worker's CPU ms", "server's CPU ms", "statements", "commits on disk",
            "statements under the stock lock", "WAL kB")  # fmt: skip
    return table(head, [row(name, what) for name, what in UNITS.items()])


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f}"


def machine_lines(costs: Costs) -> list[str]:
    """What else was measured."""
    among = costs.large
    alone, many = among["webhook to delivery, alone"], among["webhook to delivery, among 10,000 connections"]
    open_kb, idle_kb = costs.memory["open"] / 1000, costs.memory["idle"] / 1000
    disk = table(
        ("bytes on disk with indexes", "SQLite", "PostgreSQL"),
        [(name, f"{costs.disk['sqlite'][name]:,.0f}", f"{costs.disk['postgresql'][name]:,.0f}")
         for name in costs.disk["sqlite"]],
    )  # fmt: skip
    return [
        f"A webhook at the door costs {costs.door['sqlite']['cpu'] * 1e6:.0f} us of its process. A worker's process has "
        f"{costs.memory['worker'] / 1e6:.0f} MB, each open connection adds {open_kb:.0f} kB, each row of one that was not "
        f"opened {idle_kb:.1f} kB. An order's way from webhook to delivery takes {alone * 1000:.1f} ms of CPU (worker and "
        f"server) alone and {many * 1000:.1f} ms among 10,000 connections and 20,000 runs. Durable commits a second "
        "by sessions: "
        + ", ".join(f"{sessions}: {rate:,.0f}" for sessions, rate in costs.commits.items())
        + f" (PostgreSQL from a wheel, fsync on, on the virtual disk of a shared machine; one sync took "
        f"{costs.sync['seconds'] * 1000:.1f} ms).", "", *disk,
    ]  # fmt: skip


def answers_table(answers: Sequence[Answer], costs: Costs, per_day: Day) -> list[str]:
    """Size, what it needs, and how late orders are."""
    head = ("connections", "orders a day", "first limit of 1 process x 8 threads, 2 database cores", "processes x threads",
            "database cores", "memory GB", "disk GB a month", "turns/s", "order lag p50 / p95 / p99", "stock age p95",
            "busiest", "euros a month")  # fmt: skip
    rows = []
    for each in answers:
        plan, result, setup = each.plan, each.result, each.setup
        ram = setup.processes * (costs.memory["worker"] + plan.connections * costs.memory["open"]) / 1e9
        disk = disk_day(costs, plan, per_day) * MONTH / 1e9
        cores = setup.processes + setup.cores + 1
        busiest = max(result.used, key=lambda name: result.used[name])
        times = " x 5" if plan.surge > 1 else ""
        rows.append((
            f"{plan.connections:,}", f"{plan.orders:,.0f}{times}",
            f"{each.first} {each.first_share:.0%}", f"{setup.processes} x {setup.threads}", setup.cores,
            f"{ram:.1f} + {setup.cores * CORE_MEMORY:.0f}", f"{disk:,.0f}", f"{result.turns / result.seconds:,.0f}",
            " / ".join(span(result.lag(share)) for share in (0.5, 0.95, 0.99)) + ("" if result.stable else " and growing"),
            span(at_share(result.ages, 0.95)), f"{busiest} {result.used[busiest]:.0%}",
            f"{cores * 24 * MONTH * CORE_HOUR + disk * GIGABYTE_MONTH:,.0f}",
        ))  # fmt: skip
    return table(head, rows)


def disk_day(costs: Costs, plan: Installation, per_day: Day) -> float:
    """Bytes that a day adds in PostgreSQL, before anything is deleted."""
    disk = costs.disk["postgresql"]
    order = sum(disk[name] for name in ("record", "payload", "effect", "attempt", "binding"))
    scale = plan.orders * plan.surge / per_day.orders
    # Requests and turns follow the orders in part and the number of connections in part: the larger of the two.
    scale = max(scale, plan.connections / 200)
    return plan.orders * plan.surge * order + scale * (per_day.turns * disk["run"] + per_day.requests * disk["exchange"])


def limits_table(answers: Sequence[Answer]) -> list[str]:
    """How much of each resource is in use on the setups of the answers."""
    names = list(MOVES)
    rows = []
    for each in answers:
        used = each.result.used
        budgets = each.result.budgets
        rows.append((
            f"{each.plan.connections:,} / {each.plan.orders * each.plan.surge:,.0f}", *(f"{used[name]:.0%}" for name in names),
            f"{budgets[-1]:.0%}; {sum(share > 0.8 for share in budgets):,} of {len(budgets):,}",
        ))  # fmt: skip
    return table(("connections / orders", *names, "budget of the largest ERP; ERPs above 80 %"), rows)


def turning_table(costs: Costs, base: Setup) -> list[str]:
    """What each setting does for 10,000 connections with five million orders in the day, and for slower parts."""
    plan = Installation(connections=10_000, orders=1_000_000, surge=5)
    usual = sized(demand(plan, costs, base), base)
    variants: list[tuple[str, Setup]] = [
        ("as in the table above", usual),
        ("a lock for each ERP", attrs.evolve(usual, one_lock=False)),
        ("stock rests a minute after a batch", attrs.evolve(usual, stock_rest=60)),
        ("both", attrs.evolve(usual, one_lock=False, stock_rest=60)),
        ("both, and commits of 5 ms", attrs.evolve(usual, one_lock=False, stock_rest=60, sync=0.005)),
        ("both, and statements of 1 ms", attrs.evolve(usual, one_lock=False, stock_rest=60, trip=0.001)),
    ]
    with ProcessPoolExecutor(2) as pool:
        results = list(pool.map(functools.partial(_simulate, plan, costs), [setup for _, setup in variants]))
    rows = []
    for (name, _), result in zip(variants, results, strict=True):
        busiest = max(result.used, key=lambda each: result.used[each])
        rows.append((
            name, f"{result.used['stock lock']:.0%}", f"{result.used[busiest]:.0%} {busiest}",
            f"{result.turns / result.seconds:,.0f}",
            " / ".join(span(result.lag(share)) for share in (0.5, 0.95, 0.99)) + ("" if result.stable else " and growing"),
        ))  # fmt: skip
    return table(("change", "stock lock", "busiest", "turns/s", "order lag p50 / p95 / p99"), rows)


def _simulate(plan: Installation, costs: Costs, setup: Setup) -> Result:
    return Simulation(plan, setup, costs.postgresql, warm=120).run(120)


def day_lines(per_day: Day) -> list[str]:
    """A day of 200 connections and 20,000 orders."""
    hours = ", ".join(f"{hour}:00 {span(late)}" for hour, _, late in per_day.by_hour if hour in (3, 8, 12, 16, 20, 23))
    per = per_day.orders
    return [
        f"A whole day of 200 connections and {per:,.0f} orders, a fiftieth of the size in question: {per_day.turns / per:.1f} "
        f"turns and {per_day.requests / per:.1f} requests an order, {per_day.cpu / per * 1000:.0f} ms of the workers' and "
        f"{per_day.server / per * 1000:.0f} ms of the database's CPU, {per_day.wal / per / 1000:.0f} kB of WAL. The lag that "
        f"95 % of the orders do not exceed, by the hour of the day: {hours}.", "",
    ]  # fmt: skip


def real_lines() -> list[str]:
    """The simulation beside the real run."""
    rows = msgspec.json.decode(REAL.read_bytes(), type=list[tuple[str, str, str, str]])
    return table(("20 connections for a minute", "real", "simulated", "difference"), rows)


def show(answers: Sequence[Answer]) -> None:
    """What was found, for a terminal."""
    for each in answers:
        used = ", ".join(f"{name} {share:.0%}" for name, share in each.result.used.items())
        print(
            f"{each.plan.connections:,} connections, {each.plan.orders * each.plan.surge:,.0f} orders: first limit "
            f"{each.first} {each.first_share:.0%}, turn: {MOVES[each.first]}. With {each.setup.processes} x "
            f"{each.setup.threads} and {each.setup.cores} cores: {used}; lag p50 {span(each.result.lag(0.5))}, p95 "
            f"{span(each.result.lag(0.95))}, max {span(each.result.lag(1))}{'' if each.result.stable else ', growing'}",
            flush=True,
        )


def write(text: Sequence[str]) -> None:
    """Put the figures between the marks of the page."""
    page = PAGE.read_text()
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    PAGE.write_text(f"{head}{BEGIN}\n\n" + "\n".join(text).rstrip() + f"\n\n{END}{tail}")


def sections(costs: Costs, answers: Sequence[Answer], per_day: Day, base: Setup) -> list[str]:
    """The figures of the page."""
    moves = [f"* **{name}**: {how}." for name, how in MOVES.items()]
    return [
        f"Costs measured {costs.measured} on {costs.machine}, shared with other work. Assumed: a statement takes "
        f"{TRIP * 1000:.2f} ms on the wire, a commit {SYNC * 1000:.0f} ms on the disk; {CORE_HOUR} euros for an hour of a "
        f"core with {CORE_MEMORY:.0f} GB, {GIGABYTE_MONTH:.2f} euros for a month of a gigabyte.", "",
        "## What one of each costs", "", *costs_table(costs), *machine_lines(costs),
        "## What each size needs", "",
        f"Setups are chosen so that nothing a setting moves is used beyond {FULL:.0%} in the peak hour. Memory is that of "
        "the workers when each process has opened every connection, and that of the database at the assumed "
        "gigabytes a core; one more core is for the door and the scheduler.", "",
        *answers_table(answers, costs, per_day), "The first limit, and what to turn:", "", *moves, "",
        "## How much of each is in use", "", *limits_table(answers), *day_lines(per_day),
        "## What turning does", "", "10,000 connections and five million orders in a day:", "", *turning_table(costs, base),
        "## How far to trust it", "", *real_lines(),
    ]  # fmt: skip


def main() -> None:
    """Simulate the sizes that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, kind in (("connections", int), ("orders", float), ("surge", float), ("processes", int), ("threads", int),
                       ("cores", int)):  # fmt: skip
        parser.add_argument(f"--{name}", type=kind)
    parser.add_argument("--write", action="store_true", help="renew the figures of docs/scale.md")
    given = parser.parse_args()
    try:
        costs = load()
    except FileNotFoundError:
        sys.exit("The costs were not measured yet: python -m benchmarks.costs")
    base = Setup(processes=1, threads=8, cores=2, trip=TRIP, sync=SYNC)
    if given.connections:
        size = (given.connections, given.orders or given.connections * 100, given.surge or 1)
        named = {name: getattr(given, name) for name in ("processes", "threads", "cores") if getattr(given, name)}
        show([_on(size, costs, attrs.evolve(base, **named)) if named else answer(size, costs, base)])
        return
    with ProcessPoolExecutor(2) as pool:
        answers = list(pool.map(functools.partial(_answer, costs, base), SIZES))
    show(answers)
    if given.write:
        write(sections(costs, answers, day(costs), base))


def _answer(costs: Costs, base: Setup, size: tuple[int, float, float]) -> Answer:
    return answer(size, costs, base)


def _on(size: tuple[int, float, float], costs: Costs, setup: Setup) -> Answer:
    """One size on a setup that was named."""
    plan = Installation(connections=size[0], orders=size[1], surge=size[2])
    name, share = first_limit(demand(plan, costs, setup), setup)
    seconds = min(max(12_000 / plan.rate(20 * HOUR), 240.0), 2 * HOUR)
    result = Simulation(plan, setup, costs.postgresql, warm=min(seconds, 300)).run(seconds)
    return Answer(plan=plan, first=name, first_share=share, setup=setup, result=result)


if __name__ == "__main__":
    main()
