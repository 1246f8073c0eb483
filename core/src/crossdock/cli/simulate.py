"""``crossdock simulate``: the project's own flows between sandboxes, killed at every step."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import click

from crossdock.cli.context import app_from_context
from crossdock.cli.output import emit, examples, json_option, mark, needs_attention, plural, progress, table
from crossdock.errors import UsageError

_RANGE = re.compile(r"(\d+)(?:-(\d+))?")


@click.command(
    epilog=examples(
        "crossdock simulate", "crossdock simulate --crash", "crossdock simulate --crash --steps 14-20",
        "crossdock simulate --crash --database postgresql://user@localhost/empty --json",
    )
)  # fmt: skip
@click.option("--crash", is_flag=True, help="Kill the work at each step, begin it again, and compare how it ends.")
@click.option("--steps", metavar="A-B", help="Kill at these steps only; the numbers are those of the list.")
@click.option("--orders", type=click.IntRange(1, 100), default=2, show_default=True,
              help="How many orders each system that sells has.")  # fmt: skip
@click.option("--database", metavar="URL", help="An empty database to work in, instead of a SQLite file of its own.")
@json_option
def simulate(crash: bool, steps: str | None, orders: int, database: str | None, as_json: bool) -> None:
    """Try the project's connections and flows with sandboxes in the place of the systems.

    The real systems and the project's database are never touched: connections, flows, mapping tables and the local
    plugin file are copied into a database of its own, every address and credential is the sandbox's, and the process
    that works cannot connect to another machine. Without --crash the work is done once, and its durable steps are
    listed. With --crash it is killed at each of them as by kill -9 and begun again: what the systems hold, the ledger
    and the bookmarks have to be as if nothing had happened. About a second a step.

    Exit code 1 when a step ends differently.
    """
    if steps and not crash:
        raise click.UsageError("--steps is for --crash.")
    from crossdock.cli.simulate_systems import scenario_of
    from crossdock.testing.sweep import Step, Sweep

    app = app_from_context()
    scenario = scenario_of(app, orders)
    only = _numbers(steps) if steps else None
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="crossdock-simulate-"))
        report = stack.enter_context(progress("steps"))
        sweep = stack.enter_context(Sweep(scenario, Path(folder), database or "", app.registry))
        names = sweep.names
        if not crash:
            _list(names, as_json)
            return
        tried: list[Step] = []

        def told(step: Step, count: int) -> None:
            tried.append(step)
            report({"tried": len(tried), "of": count, "different": sum(not each.ok for each in tried)})

        swept = sweep.run(only, told)
    if not swept.steps:
        raise UsageError(f"There are {len(names)} steps, and none of them is {steps}.")
    emit(_data(swept), as_json, lambda: _lines(swept))
    if not swept.ok:
        needs_attention()


def _numbers(text: str) -> range:
    found = _RANGE.fullmatch(text.strip())
    if found is None:
        raise click.UsageError(f"{text!r} names no steps. Write --steps 14 or --steps 14-20.")
    return range(int(found[1]), int(found[2] or found[1]) + 1)


def _list(names: list[str], as_json: bool) -> None:
    data = {"count": len(names), "steps": [{"number": n, "name": name} for n, name in enumerate(names, 1)]}

    def lines() -> Iterator[str]:
        yield table([(n, name) for n, name in enumerate(names, 1)], ("STEP", "WHAT"), right=(0,))
        yield f"{plural(len(names), 'durable step')}. Next: crossdock simulate --crash"

    emit(data, as_json, lines)


def _data(swept: Any) -> dict[str, Any]:
    return {
        "ok": swept.ok, "count": swept.count, "tried": len(swept.steps), "different": len(swept.broken),
        "chance": list(swept.chance), "steps": [{**attrs.asdict(step), "ok": step.ok} for step in swept.steps],
    }  # fmt: skip


def _lines(swept: Any) -> Iterator[str]:
    rows = [
        (step.number, "ok" if step.ok and not step.waits else "asks a person" if step.ok else "DIFFERS", step.name)
        for step in swept.steps
    ]
    yield table(rows, ("KILLED AT", "AFTERWARDS", "WHAT"), right=(0,))
    for step in swept.broken:
        yield f"{mark('fail')} Killed at step {step.number} ({step.name}):"
        yield from (f"    {each}" for each in step.differences)
    if any(step.waits for step in swept.steps):
        yield "asks a person: the system cannot be asked whether it was done, so nothing is sent again by itself."
    if swept.chance:
        yield "Left to chance, because two undisturbed turns differ there; only how many values there are was compared:"
        yield from (f"    {each}" for each in swept.chance)
    if swept.ok:
        yield f"{mark('ok')} Killed at {plural(len(swept.steps), 'step')}: nothing lost, nothing done twice."
    else:
        yield f"{mark('fail')} {plural(len(swept.broken), 'step')} of {len(swept.steps)} ended differently."
