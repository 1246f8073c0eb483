"""``crossdock demo``: a full round trip between two sandboxes, proven by reading both."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from crossdock import logs
from crossdock.app import FIND_AFTER_VARIABLE, App
from crossdock.cli.context import stoppable
from crossdock.cli.output import emit, examples, json_option, mark, needs_attention, plural, progress
from crossdock.errors import CrossdockError, UsageError

ORDERS = 300
ORDERS_OF_ALL = 30


@click.command(
    epilog=examples("crossdock demo", "crossdock demo --all", "crossdock demo --keep my-demo", "crossdock demo --serve")
)
@click.option("--orders", type=click.IntRange(1, 20_000), help="How many orders the shop has (300; with --all 30).")
@click.option("--seed", default=1, help="Another seed gives another shop.")
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Keep the project there.")
@click.option("--all", "everything", is_flag=True, help="All five connectors: marketplaces, prints, every channel.")
@click.option("--serve", "stay", is_flag=True, help="Leave the sandboxes running until Ctrl-C, to look around.")
@json_option
def demo(orders: int | None, seed: int, everything: bool, keep: Path | None, stay: bool, as_json: bool) -> None:
    """Carry a shop's orders into an ERP and products, prices, stock and shipments back, over real HTTP.

    Starts a WooCommerce and an Extend Commerce sandbox on loopback ports, connects them as a person would, breaks a few
    answers on purpose, and proves the result by reading both sandboxes. Exit code 1 when they do not agree. With --all
    there are six: two shops, marketplaces of Mirakl and Octopia, XD Connects, and the ERP behind them.
    """
    with contextlib.ExitStack() as stack:
        home = _folder(stack, keep or (Path("crossdock-demo") if stay else None))
        stack.enter_context(_quick_questions())
        from crossdock.cli.demo_all import Everything
        from crossdock.cli.demo_stage import DemoClock
        from crossdock.cli.demo_steps import Demo

        logs.configure(service=False)  # as for every other command, whose project is opened for it
        clock = DemoClock() if everything else None
        app = stack.enter_context(App(home, f"sqlite:///{home / 'crossdock.db'}", clock))
        stack.enter_context(stoppable(app))
        say = (lambda text: None) if as_json else click.echo
        kind, usual = (Everything, ORDERS_OF_ALL) if everything else (Demo, ORDERS)
        steps = kind(app, stack, orders=orders or usual, seed=seed, say=say)
        started = time.monotonic()
        summary = _play(steps, as_json)
        summary["seconds"] = round(time.monotonic() - started, 1)
        emit(summary, as_json, lambda: _lines(summary, home if keep or stay else None))
        if stay:
            urls = ", ".join(f"{side.name} {side.url}" for side in steps.sides.values())
            click.echo(f"The sandboxes go on until Ctrl-C: {urls}", err=True)
            click.echo(f"Look around in another terminal: cd {home} && crossdock status", err=True)
            while not app.clock.stopping:
                app.clock.sleep(0.5)
        if not summary["agrees"]:
            needs_attention()


def _folder(stack: contextlib.ExitStack, keep: Path | None) -> Path:
    from crossdock.cli.init import make_project

    if keep is None:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="crossdock-demo-")))
    else:
        home = keep.resolve()
        if home.exists() and any(home.iterdir()):
            raise UsageError(f"The folder {keep} is not empty.", hint="Name a new one with --keep DIR.")
        home.mkdir(parents=True, exist_ok=True)
    list(make_project(home))
    return home


@contextlib.contextmanager
def _quick_questions() -> Iterator[None]:
    """The sandboxes finish a request at once, so a lost answer can be asked after without the usual wait."""
    before = os.environ.get(FIND_AFTER_VARIABLE)
    os.environ[FIND_AFTER_VARIABLE] = "0.2"
    try:
        yield
    finally:
        if before is None:
            del os.environ[FIND_AFTER_VARIABLE]
        else:
            os.environ[FIND_AFTER_VARIABLE] = before


def _play(steps: Any, as_json: bool) -> dict[str, Any]:
    for number, (title, step) in enumerate(steps.all(), 1):
        if not as_json:
            click.echo(f"\n{click.style(f'{number}. {title}', bold=True)}")
        with progress(title) as report:
            try:
                step(report)
            except CrossdockError as error:
                error.message = f"The demo stopped at “{title}”: {error.message}"
                raise
    found: dict[str, Any] = steps.prove()
    return found


def _lines(summary: dict[str, Any], kept: Path | None) -> list[str]:
    lines = ["", click.style("What the sandboxes say now", bold=True)]
    for check in summary["checks"]:
        lines.append(f"  {mark('ok' if check['ok'] else 'fail')} {check['text']}")
        lines += [f"      {each}" for each in check["examples"]]
    good = summary["agrees"]
    verdict = "Nothing lost, nothing sent twice." if good else "The sides do not agree."
    cost = f"{plural(summary['requests'], 'request')}, {plural(summary['faults'], 'answer')} broken on purpose"
    verdict = click.style(verdict, fg="green" if good else "red", bold=True)
    lines += ["", f"{verdict} {summary['seconds']} s, {cost}."]
    if kept is not None:
        lines.append(f"The project is in {kept}: try crossdock --project {kept} status")
    return lines
