"""The figures of docs/scale.md: what was measured, simulated and compared, as tables."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor

import attrs
import msgspec

from benchmarks.__main__ import ROOT, WORK
from benchmarks.costs import UNITS, Costs
from benchmarks.installation import Installation, Setup, Units
from benchmarks.lanes import Result, at_share
from benchmarks.simulation import Simulation
from benchmarks.sizing import FULL, MOVES, SYNC, TOO_FULL, TRIP, Answer, Day, span

PAGE = ROOT / "docs" / "scale.md"
REAL = WORK / "real_run.json"
BEGIN, END = "<!-- figures: python -m benchmarks.scale --write -->", "<!-- end of figures -->"

CORE_HOUR, GIGABYTE_MONTH, CORE_MEMORY = 0.04, 0.10, 4.0
"""Assumed: euros of an hour of a core with its 4 GB of memory, and of a month of a gigabyte of disk."""
MONTH = 30


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
        f"A webhook at the door costs {costs.door['sqlite']['cpu'] * 1e6:.0f} us of its process. A worker's process "
        f"has {costs.memory['worker'] / 1e6:.0f} MB, each open connection adds {open_kb:.0f} kB, each row of one "
        f"that was not opened {idle_kb:.1f} kB. An order's way from webhook to delivery takes {alone * 1000:.1f} ms of "
        f"CPU (worker and server) alone and {many * 1000:.1f} ms among 10,000 connections and 20,000 runs. "
        "Asking once what is due takes "
        f"{costs.tick['postgresql']['1,000'] * 1000:.0f} ms of CPU among 1,000 connections and "
        f"{costs.tick['postgresql']['10,000'] * 1000:.0f} ms among 10,000. Durable commits a second by sessions: "
        + ", ".join(f"{sessions}: {rate:,.0f}" for sessions, rate in costs.commits.items())
        + f" (PostgreSQL from a wheel, fsync on, on the virtual disk of a shared machine; one sync took "
        f"{costs.sync['seconds'] * 1000:.1f} ms).", "", *disk,
    ]  # fmt: skip


def answers_table(answers: Sequence[Answer], costs: Costs, per_day: Day) -> list[str]:
    """Size, what it needs, and how late orders are."""
    head = ("connections", "orders a day", "first limit of 1 process x 8 threads, 2 database cores",
            "processes x threads",
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
            lags(result),
            span(at_share(result.ages, 0.95)), f"{busiest} {result.used[busiest]:.0%}",
            f"{cores * 24 * MONTH * CORE_HOUR + disk * GIGABYTE_MONTH:,.0f}",
        ))  # fmt: skip
    return table(head, rows)


def lags(result: Result) -> str:
    """How late orders are; whether they get later and later."""
    times = " / ".join(span(result.lag(share)) for share in (0.5, 0.95, 0.99))
    return times + ("" if result.stable else " and growing")


def disk_day(costs: Costs, plan: Installation, per_day: Day) -> float:
    """Bytes that a day adds in PostgreSQL, before anything is deleted."""
    disk = costs.disk["postgresql"]
    order = sum(disk[name] for name in ("record", "payload", "effect", "attempt", "binding"))
    scale = plan.orders * plan.surge / per_day.orders
    # Requests and turns follow the orders in part and the number of connections in part: the larger of the two.
    scale = max(scale, plan.connections / 200)
    return plan.orders * plan.surge * order + scale * (
        per_day.turns * disk["run"] + per_day.requests * disk["exchange"]
    )


def limits_table(answers: Sequence[Answer]) -> list[str]:
    """How much of each resource is in use on the setups of the answers."""
    names = list(MOVES)
    rows = []
    for each in answers:
        used = each.result.used
        budgets = each.result.budgets
        rows.append((
            f"{each.plan.connections:,} / {each.plan.orders * each.plan.surge:,.0f}",
            *(f"{used[name]:.0%}" for name in names),
            f"{budgets[-1]:.0%}; {sum(share > 0.8 for share in budgets):,} of {len(budgets):,}",
        ))  # fmt: skip
    return table(("connections / orders", *names, "budget of the largest ERP; ERPs above 80 %"), rows)


def turning_table(costs: Costs, usual: Setup) -> list[str]:
    """What a change does to 10,000 connections with a million orders a day."""
    third = -(-usual.processes // 3)
    fewer = {name: attrs.evolve(cost, syncs=cost.syncs * 0.4) for name, cost in costs.postgresql.items()}
    variants: list[tuple[str, Setup, Units]] = [
        ("as in the table above", usual, costs.postgresql),
        ("half as many processes", attrs.evolve(usual, processes=-(-usual.processes // 2)), costs.postgresql),
        ("one lock for the stock of all ERPs, as it was", attrs.evolve(usual, one_lock=True), costs.postgresql),
        ("a third of the processes, 4 connections and 3 times the threads each *",
         attrs.evolve(usual, processes=third, sessions=4, threads=usual.threads * 3), costs.postgresql),
        ("40 % of the commits wait for the disk *", usual, fewer),
        ("stock rests a minute after a batch *", attrs.evolve(usual, stock_rest=60), costs.postgresql),
        ("a thread waits 2 s for a budget, not 30 *", attrs.evolve(usual, patience=2), costs.postgresql),
        ("commits of 5 ms", attrs.evolve(usual, sync=0.005), costs.postgresql),
        ("statements of 1 ms on the wire", attrs.evolve(usual, trip=0.001), costs.postgresql),
    ]  # fmt: skip
    plan = Installation(connections=10_000, orders=1_000_000)
    with ProcessPoolExecutor(2) as pool:
        results = list(pool.map(functools.partial(_simulate, plan), [each[1:] for each in variants]))
    names = ("worker CPU", "worker threads", "worker's database connection", "stock lock", "database disk")
    rows = [
        (name, *(f"{result.used[each]:.0%}" for each in names), f"{result.turns / result.seconds:,.0f}", lags(result))
        for (name, _, _), result in zip(variants, results, strict=True)
    ]
    return table(("change", *names, "turns/s", "order lag p50 / p95 / p99"), rows)


def _simulate(plan: Installation, given: tuple[Setup, Units]) -> Result:
    setup, units = given
    return Simulation(plan, setup, units, warm=60).run(90)


def day_lines(per_day: Day) -> list[str]:
    """A day of 200 connections and 20,000 orders."""
    per, at = per_day.orders, (3, 8, 12, 16, 20, 23)
    hours = ", ".join(f"{hour}:00 {span(late)}" for hour, _, late in per_day.by_hour if hour in at)
    return [
        f"A whole day of 200 connections and {per:,.0f} orders, a fiftieth of the size in question: "
        f"{per_day.turns / per:.1f} turns and {per_day.requests / per:.1f} requests an order, "
        f"{per_day.cpu / per * 1000:.0f} ms of the workers' and {per_day.server / per * 1000:.0f} ms of the database's "
        f"CPU, {per_day.wal / per / 1000:.0f} kB of WAL. The lag that 95 % of the orders do not exceed, by the hour of "
        f"the day: {hours}.", "",
    ]  # fmt: skip


def real_lines() -> list[str]:
    """The simulation beside the real run."""
    rows = msgspec.json.decode(REAL.read_bytes(), type=list[tuple[str, str, str, str]])
    return table(("20 connections for a minute", "real", "simulated", "difference"), rows)


def write(text: Sequence[str]) -> None:
    """Put the figures between the marks of the page."""
    page = PAGE.read_text()
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    PAGE.write_text(f"{head}{BEGIN}\n\n" + "\n".join(text).rstrip() + f"\n\n{END}{tail}")


def _setup_of(answers: Sequence[Answer], connections: int, orders: float) -> Setup:
    plans = {(each.plan.connections, each.plan.orders * each.plan.surge): each.setup for each in answers}
    return plans[connections, orders]


def sections(costs: Costs, answers: Sequence[Answer], per_day: Day) -> list[str]:
    """The figures of the page."""
    moves = [f"* **{name}**: {how}." for name, how in MOVES.items()]
    return [
        f"Costs measured {costs.measured} on {costs.machine}, shared with other work. Assumed: a statement takes "
        f"{TRIP * 1000:.2f} ms on the wire, a commit {SYNC * 1000:.0f} ms on the disk; {CORE_HOUR} euros for an hour "
        f"of a core with {CORE_MEMORY:.0f} GB, {GIGABYTE_MONTH:.2f} euros for a month of a gigabyte.", "",
        "## What one of each costs", "", *costs_table(costs), *machine_lines(costs),
        "## What each size needs", "",
        f"Setups aim at {FULL:.0%} of each resource in the peak hour, and have more processes where more than "
        f"{TOO_FULL:.0%} came out. Memory is that of the workers when each process has opened every connection, and "
        "that of the database at the assumed "
        "gigabytes a core; one more core is for the door and the scheduler.", "",
        *answers_table(answers, costs, per_day), "The first limit, and what to turn:", "", *moves, "",
        "## How much of each is in use", "", *limits_table(answers), *day_lines(per_day),
        "## What turning does", "",
        "10,000 connections and a million orders a day. What has a star no setting does today.", "",
        *turning_table(costs, _setup_of(answers, 10_000, 1_000_000)),
        "## How far to trust it", "", *real_lines(),
    ]  # fmt: skip
