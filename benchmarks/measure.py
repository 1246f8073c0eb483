"""Measuring child processes: wall time, CPU seconds and peak memory, as medians of interleaved repeats."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Measured(NamedTuple):
    """One run of a command: seconds of wall time and of CPU (user and system), peak memory in MB, its output."""

    wall: float
    cpu: float
    memory: float
    output: str


def run(command: Sequence[str], *, folder: Path | None = None, env: Mapping[str, str] | None = None) -> Measured:
    """Run a command to its end; raises `RuntimeError` with its words when it fails.

    CPU is that of the process and of the children it waited for. A child counts its parent's memory until it starts its
    program, so this process stays small: it imports nothing but the standard library.
    """
    started = time.perf_counter()
    with subprocess.Popen(
        command, cwd=folder, env={**os.environ, **(env or {})}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        output = process.stdout.read().decode(errors="replace")
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{output}")
    return Measured(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output)


def median(runs: Iterable[Measured]) -> Measured:
    """The median of each figure."""
    kept = list(runs)
    return Measured(
        statistics.median(each.wall for each in kept),
        statistics.median(each.cpu for each in kept),
        statistics.median(each.memory for each in kept),
        kept[-1].output,
    )


def interleaved(jobs: Mapping[str, Callable[[], Measured]], repeats: int) -> dict[str, Measured]:
    """The medians of all jobs, run in turns, so that a busy neighbour hits all of them alike."""
    runs: dict[str, list[Measured]] = {name: [] for name in jobs}
    for turn in range(repeats):
        for name, job in jobs.items():
            runs[name].append(job())
            note(f"  {name} {turn + 1}/{repeats}: {runs[name][-1].cpu:.2f} s CPU, {runs[name][-1].wall:.2f} s")
    return {name: median(each) for name, each in runs.items()}


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table as Markdown."""
    shown = [[_text(cell) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(columns, *shown)]
    lines = [columns, ["-" * width for width in widths], *shown]
    print(f"\n## {title}\n")
    for line in lines:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |")
    sys.stdout.flush()


def _text(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:.2f}" if abs(cell) < 100 else f"{cell:,.0f}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


def note(text: str) -> None:
    """Tell a person who watches what is going on."""
    if sys.stderr.isatty() or os.environ.get("CROSSDOCK_BENCH_VERBOSE"):
        print(text, file=sys.stderr, flush=True)
