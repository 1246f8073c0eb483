"""``python -m benchmarks.scale``: how large an installation can be, from the costs that `benchmarks.costs` measured.

Without words it simulates the sizes of the table and shows what each needs. ``--connections N --orders N [--surge 5]
[--processes P --threads T --cores C]`` simulates one; ``--write`` renews the figures in docs/scale.md, together with
those of `benchmarks.real_run`.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

import attrs

from benchmarks.costs import load
from benchmarks.installation import Setup
from benchmarks.sizing import MOVES, SIZES, SYNC, TRIP, Answer, answer, day, span, tried


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
        show([tried(size, costs, attrs.evolve(base, **named)) if named else answer(size, costs, base)])
        return
    with ProcessPoolExecutor(2) as pool:
        answers = []
        for each in pool.map(functools.partial(answer, costs=costs, base=base), SIZES):
            show([each])
            answers.append(each)
    if given.write:
        from benchmarks.figures import sections, write

        write(sections(costs, answers, day(costs)))


if __name__ == "__main__":
    main()
