"""Running a command and weighing it: wall time, CPU of the process and its children, peak memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

import attrs


@attrs.frozen
class Weight:
    """What a command cost: seconds of wall time and CPU, megabytes of peak memory, its output."""

    wall: float
    cpu: float
    memory: float
    output: str = ""


def weigh(command: Sequence[str], *, cwd: str | None = None, env: Mapping[str, str] | None = None) -> Weight:
    """Run a command to its end; raises when it fails."""
    started = time.monotonic()
    process = subprocess.Popen(
        command, cwd=cwd, env={**os.environ, **(env or {})}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    output, errors = process.stdout.read(), process.stderr.read()  # type: ignore[union-attr]
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    if os.waitstatus_to_exitcode(status) != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{output}{errors}")
    return Weight(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output)


def least(weights: Sequence[Weight]) -> Weight:
    """The weight with the least CPU: neighbours on the machine can only add to it."""
    return min(weights, key=lambda weight: weight.cpu)


def median(values: Sequence[float]) -> float:
    """The middle."""
    return statistics.median(values)


def interleaved(times: int, *works: Callable[[], Weight]) -> list[list[Weight]]:
    """Run several works in turn, so that a slow minute of the machine hits all of them."""
    found: list[list[Weight]] = [[] for _ in works]
    for _ in range(times):
        for place, work in enumerate(works):
            found[place].append(work())
    return found
