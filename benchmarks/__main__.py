"""Measure Crossdock against the limit of Python and a plain script: ``python -m benchmarks [ROW …]``.

Without names all rows are measured. Compare ratios within one run only: the machine is never the same twice.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from benchmarks.contestants import (
    BIN,
    ROOT,
    WORK,
    Crossdock,
    Databases,
    Limit,
    Plain,
    Shop,
    environment,
    shop,
)
from benchmarks.measure import Measured, interleaved, note, run, table


class Contestant(Protocol):
    """Something that syncs a shop."""

    name: str

    def prepare(self, shop: Shop) -> None:
        """Begin from nothing."""

    def sync(self) -> Measured:
        """Sync once."""

    def contents(self) -> tuple[int, int]:
        """Orders and the sum of their totals in cents."""


def _first_sync(contestant: Contestant, source: Shop) -> Measured:
    """A sync from nothing; what was stored is compared with the shop."""
    contestant.prepare(source)
    measured = contestant.sync()
    expected = source.ask()
    found = contestant.contents()
    if found != (expected["orders"], expected["total"]):
        raise RuntimeError(f"{contestant.name} stored {found}, the shop has {expected['orders'], expected['total']}.")
    return measured


def _first_syncs(contestants: list[Contestant], count: int, repeats: int, latency: float = 0) -> dict[str, Measured]:
    note(f"{count} orders, {latency} ms")
    with shop(count, latency) as source:
        jobs = {each.name: (lambda each=each: _first_sync(each, source)) for each in contestants}
        return interleaved(jobs, repeats)


def _slopes(contestants: list[Contestant], sizes: tuple[int, int], repeats: int) -> Mapping[str, tuple[float, ...]]:
    """CPU in microseconds for a further order, CPU of the smaller sync, peak memory of both."""
    small, large = (_first_syncs(contestants, size, repeats) for size in sizes)
    return {
        name: (
            (large[name].cpu - small[name].cpu) / (sizes[1] - sizes[0]) * 1e6,
            small[name].cpu,
            large[name].cpu,
            small[name].memory,
            large[name].memory,
        )
        for name in small
    }


def full(options: argparse.Namespace) -> None:
    """Rows 1 and 2: a first sync of many orders, CPU for a further order and peak memory."""
    found = _slopes([Limit("limit"), Plain(), Crossdock("crossdock")], options.sizes, options.repeats)
    _show_slopes("1, 2: first sync, everything on (SQLite)", options.sizes, found)


def postgres(options: argparse.Namespace) -> None:
    """Row 10: the same into PostgreSQL, the client's CPU only."""
    databases = Databases()
    try:

        class FreshLimit(Limit):
            def prepare(self, shop: Shop) -> None:
                self.database = databases.new()
                super().prepare(shop)

        class FreshCrossdock(Crossdock):
            def prepare(self, shop: Shop) -> None:
                self.env = {"CROSSDOCK_DATABASE_URL": databases.new()}
                super().prepare(shop)

        found = _slopes([FreshLimit("limit"), FreshCrossdock("crossdock-pg")], options.sizes, options.repeats)
    finally:
        databases.close()
    _show_slopes("10: first sync into PostgreSQL, the client's CPU", options.sizes, found)


def _show_slopes(title: str, sizes: tuple[int, int], found: Mapping[str, tuple[float, ...]]) -> None:
    limit = found["limit"][0]
    small, large = (f"{size:,}" for size in sizes)
    table(
        title,
        ["", "us a further order", "x limit", f"CPU s {small}", f"CPU s {large}", f"MB {small}", f"MB {large}"],
        [(name, each[0], each[0] / limit, *each[1:]) for name, each in found.items()],
    )


def again(options: argparse.Namespace) -> None:
    """Row 3: a second sync with nothing and with 50 orders changed."""
    contestants: list[Contestant] = [Limit("limit"), Plain(), Crossdock("crossdock")]
    requests: dict[str, int] = {}
    with shop(10_000) as source:
        for contestant in contestants:
            _first_sync(contestant, source)

        def job(contestant: Contestant, edit: str) -> Callable[[], Measured]:
            def sync() -> Measured:
                # Edits one turn apart must not share a second: the shop's clock, and the limit's cursor, are that coarse.
                time.sleep(1.1)
                source.ask(edit)
                measured = contestant.sync()
                requests[f"{contestant.name}, {edit or 'nothing'}"] = source.ask()["requests"]
                return measured

            return sync

        # Every turn changes the orders anew for each contestant, so each one gets the others' changes too: it is
        # brought up to date before it is measured.
        jobs: dict[str, Callable[[], Measured]] = {}
        for edit in ("", "edit=50"):
            for contestant in contestants:
                measured = job(contestant, edit)
                jobs[f"{contestant.name}, {edit or 'nothing'}"] = lambda each=contestant, measured=measured: (
                    each.sync(),
                    measured(),
                )[1]
        found = interleaved(jobs, options.repeats)
    table(
        "3: second sync",
        ["", "requests", "CPU s", "wall s"],
        [(name.replace("edit=50", "50 changed"), requests[name], each.cpu, each.wall) for name, each in found.items()],
    )


def start(options: argparse.Namespace) -> None:
    """Row 4: the start of the program, and what importing a plugin adds to it."""
    plugins = sorted(path.name for path in ROOT.glob("plugins/*/src/*"))
    jobs = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "crossdock --version": [str(BIN / "crossdock"), "--version"],
        "crossdock --help": [str(BIN / "crossdock"), "--help"],
        "import crossdock": [sys.executable, "-c", "import crossdock"],
        **{f"import {name}.plugin": [sys.executable, "-c", f"import {name}.plugin"] for name in plugins},
    }
    found = interleaved(
        {name: (lambda command=command: run(command)) for name, command in jobs.items()}, options.repeats * 3
    )
    bare = found["python -c pass"].cpu
    table(
        "4: start",
        ["", "CPU ms", "more than python", "MB"],
        [(name, each.cpu * 1000, (each.cpu - bare) * 1000, each.memory) for name, each in found.items()],
    )


def latency(options: argparse.Namespace) -> None:
    """Row 5: a shop that answers in 50 ms."""
    contestants: list[Contestant] = [
        Limit("limit, 4 readers", 4), Limit("limit, 16 readers", 16), Plain(), Crossdock("crossdock"),
    ]  # fmt: skip
    found = _first_syncs(contestants, 10_000, options.repeats, 50)
    best = 10_000 / found["limit, 4 readers"].wall
    table(
        "5: 10,000 orders from a shop that answers in 50 ms",
        ["", "records/s", "of the limit with 4 readers", "wall s", "CPU s"],
        [(name, 10_000 / each.wall, 10_000 / each.wall / best, each.wall, each.cpu) for name, each in found.items()],
    )


def killed(options: argparse.Namespace) -> None:
    """Row 6: rows that are read a second time after kill -9 in the middle."""
    rows = []
    contestant = Crossdock("crossdock-killed")
    for turn in range(options.repeats):
        with shop(10_000, 5) as source:
            contestant.prepare(source)
            with subprocess.Popen(
                contestant.command("sync", "shop", "orders"), cwd=contestant.folder, stdout=subprocess.DEVNULL
            ) as process:
                while source.ask("peek=1")["rows"] < 3000 * (turn % 2 + 1) and process.poll() is None:
                    time.sleep(0.005)
                os.kill(process.pid, signal.SIGKILL)
            before = source.ask()["rows"]
            # Its lease is not given back by a process that was killed: the next one waits until it ends.
            started = time.perf_counter()
            contestant.run("sync", "shop", "orders")
            wall = time.perf_counter() - started
            seen = source.ask()
            if contestant.contents() != (seen["orders"], seen["total"]):
                raise RuntimeError("Orders were lost.")
            rows.append((turn + 1, before, seen["rows"], before + seen["rows"] - 10_000, wall))
    table("6: kill -9 and again", ["turn", "rows before", "rows after", "read again", "wall s after"], rows)


def deliver(options: argparse.Namespace) -> None:
    """Row 7: delivering 1,000 effects to a destination that answers at once, and in 50 ms."""
    rows = []
    for wait in (0, 50):
        for turn in range(options.repeats):
            project = Crossdock("crossdock-push", flow=False)
            with shop(1000) as source, shop(0, wait) as target:
                project.prepare(source)
                project.add("erp", target.url)
                project.run(
                    "flow",
                    "add",
                    "to-erp",
                    "orders",
                    "shop",
                    "erp",
                    "--statuses",
                    "processing,completed,on_hold",
                    "--live",
                )
                project.run("sync", "shop", "orders")
                target.ask()
                measured = project.run("push", "to-erp")
                seen = target.ask()
                if seen["made"] != 1000:
                    raise RuntimeError(f"{seen['made']} orders were made of 1,000: {measured.output}")
                busy = seen["requests"] * wait / 1000 / (measured.wall * max(seen["most"], 1))
                rows.append((wait, turn + 1, measured.cpu, measured.wall, seen["requests"], seen["most"], busy))
    table(
        "7: delivering 1,000 orders (CPU includes the connector and HTTP)",
        ["ms an answer", "turn", "CPU ms an effect", "wall s", "requests", "most at once", "how busy it was kept"],
        rows,
    )


def stock(options: argparse.Namespace) -> None:
    """Row 8: 1,000 stock values to a vendor that takes batches; and the same values again."""
    project = Crossdock("crossdock-stock", flow=False)
    rows = []
    with shop(0) as source, shop(0) as target:
        project.prepare(source)
        project.add("outlet", target.url)
        project.run("flow", "add", "stock", "balance", "shop", "outlet", "--live")
        for what in ("first, ids unknown", "1,000 changed", "nothing changed", "1,000 changed again"):
            if "changed" in what and not what.startswith("nothing"):
                source.ask("restock=1000")
            project.run("sync", "shop", "balance")
            target.ask()
            measured = project.run("push", "stock")
            seen, wanted = target.ask(), source.ask()["stock"]
            rows.append((what, seen["requests"], measured.cpu, measured.wall, seen["stock"] == wanted))
    table("8: pushing stock", ["", "requests", "CPU s", "wall s", "both sides equal"], rows)


ROWS: Mapping[str, Callable[[argparse.Namespace], None]] = {
    "full": full,
    "again": again,
    "start": start,
    "latency": latency,
    "killed": killed,
    "deliver": deliver,
    "stock": stock,
    "postgres": postgres,
}


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; all by default")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="10,000 orders at most, one repeat")
    options = parser.parse_args()
    unknown = set(options.rows) - set(ROWS)
    if unknown:
        parser.error(f"there is no row {', '.join(sorted(unknown))}")
    options.sizes = (2_000, 10_000) if options.quick else (10_000, 100_000)
    if options.quick:
        options.repeats = 1
    WORK.mkdir(parents=True, exist_ok=True)
    print(environment())
    for name in options.rows or ROWS:
        ROWS[name](options)


if __name__ == "__main__":
    main()
