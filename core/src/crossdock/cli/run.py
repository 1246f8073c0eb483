"""``crossdock run`` and ``crossdock worker``: what is left running."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs
import click

from crossdock import logs
from crossdock.app import App
from crossdock.caretaker import Caretaker
from crossdock.cli import EXIT_INTERRUPTED
from crossdock.cli.context import app_from_context, stoppable
from crossdock.cli.output import examples, json_option, mark, needs_attention
from crossdock.clock import monotonic
from crossdock.errors import CrossdockError
from crossdock.lines import Lines
from crossdock.runner.chosen import dispatcher
from crossdock.runner.embedded import THREADS, Embedded
from crossdock.runner.supervisor import Supervisor
from crossdock.runner.turns import Turn
from crossdock.store.database import stamp

if TYPE_CHECKING:
    from crossdock.web.serving import Serving

_GONE = timedelta(days=1)
_PATIENCE = 8.0  # seconds that turns under way have for their safe point; supervisors kill after ten
_MARKS = {"done": "ok", "failed": "fail", "waiting": "skip", "stopped": "skip"}

WORKERS = click.option(
    "--workers", type=click.IntRange(1, 64), default=THREADS, show_default=True,
    help="How many streams, flows and webhooks are worked side by side.",
)  # fmt: skip


@attrs.define
class _Log:
    """One line for each turn, from any thread; people read it, or machines with `as_json`."""

    app: App
    as_json: bool
    lines: Lines = attrs.field(factory=lambda: Lines(_put))

    def turn(self, turn: Turn) -> None:
        """A turn ended."""
        lane = turn.lane
        if self.as_json:
            self.line({
                "event": "turn", "kind": lane.kind, "connection": lane.connection, "name": lane.name,
                "state": turn.state, "text": turn.text, "hint": turn.hint, "run": turn.run, "seconds": turn.seconds,
                "needs_attention": turn.needs_attention,
            })  # fmt: skip
            return
        sign = mark("warn" if turn.needs_attention and turn.state != "failed" else _MARKS[turn.state])
        hint = f" ({turn.hint})" if turn.hint and turn.needs_attention else ""
        self.say(f"{sign} {lane.text}: {turn.text}{hint}  ({turn.seconds:.2f} s)")

    def say(self, text: str) -> None:
        """A sentence for people."""
        self.lines.write(f"{self.app.clock.now():%H:%M:%S} {text}")

    def line(self, values: dict[str, Any]) -> None:
        """A line for machines."""
        import msgspec

        self.lines.write(msgspec.json.encode({"at": stamp(self.app.clock.now()), **values}).decode())


def _put(text: str) -> None:
    # A reader of our output (a script, a test) must get each line when it is written.
    click.echo(" ".join(text.split("\n")))
    sys.stdout.flush()


def _warn(text: str) -> None:
    """Say something on standard error without waiting for its reader."""
    Lines(lambda line: click.echo(line, err=True)).write(text)


@click.command(
    epilog=examples(
        "crossdock run",
        "crossdock run --host 0.0.0.0 --port 8080",
        "crossdock run --no-web --workers 4",
    )
)
@WORKERS
@click.option("--no-web", is_flag=True, help="No door for webhooks.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="The port; 0: a free one.")
@click.option("--proxy", default="", metavar="ADDRESS", help="Believe this proxy's X-Forwarded-For about who called.")
@json_option
def run(workers: int, no_web: bool, host: str, port: int, proxy: str, as_json: bool) -> None:
    """Run everything: read streams by their schedules, take webhooks in, deliver what is ready.

    One line for each turn. Ctrl-C or SIGTERM stops at the next safe points, within ten seconds; once more stops at
    once. Killed or stopped, it goes on from where it was. Several may run on one database.
    """
    app = app_from_context()
    log = _Log(app, as_json)
    runner = _runner(app, workers, log, "run")
    serving = None if no_web else _serving(app, runner, host, port, proxy)
    with _at_once(), stoppable(app, _warn), _cared_for(app):
        if serving is not None:
            serving.start()
        runner.start()
        _started(log, workers, serving.url if serving is not None else "")
        broken = _until_stopped(app, runner, workers)
        _stop(app, runner, log, serving)
    if broken:
        needs_attention()


@click.command(epilog=examples("crossdock worker", "crossdock worker --workers 16"))
@WORKERS
@json_option
def worker(workers: int, as_json: bool) -> None:
    """Work beside a `crossdock run`, on this machine or another one: the same database, no door for webhooks.

    Ctrl-C or SIGTERM stops at the next safe points; once more stops at once.
    """
    app = app_from_context()
    log = _Log(app, as_json)
    runner = _runner(app, workers, log, "worker")
    with _at_once(), stoppable(app, _warn), _cared_for(app):
        runner.start()
        _started(log, workers, "")
        broken = _until_stopped(app, runner, workers)
        _stop(app, runner, log, None)
    if broken:
        needs_attention()


def _runner(app: App, workers: int, log: _Log, kind: str) -> Embedded:
    return dispatcher(app.store.database)(app.bench, workers, log.turn, kind, lambda: _daily(app))


def _daily(app: App) -> None:
    """What else is old the caretaker forgets."""
    app.store.agenda.forget_workers(app.clock.now() - _GONE)
    app.sweep()


@contextlib.contextmanager
def _cared_for(app: App) -> Iterator[None]:
    """The log of a service, and what it does beside its work: alerts, and forgetting what is old."""
    logs.configure(service=True)
    if sys.stderr.isatty():
        # Whoever sits here reads how turns end in our own lines.
        logging.getLogger(logs.RUNS).disabled = True
    caretaker = Caretaker(app)
    caretaker.start()
    try:
        yield
    finally:
        caretaker.stop()


def _serving(app: App, runner: Embedded, host: str, port: int, proxy: str) -> Serving:
    """The door for webhooks, ready to be started."""
    from crossdock.web.door import create
    from crossdock.web.serving import Serving

    return Serving(create(app, runner.wake), host, port, proxy)


def _started(log: _Log, workers: int, url: str) -> None:
    if log.as_json:
        log.line({"event": "started", "url": url or None, "workers": workers})
        return
    log.say(f"Runs with {workers} workers" + (f"; webhooks are taken in at {url}/hooks/" if url else "") + ".")


def _until_stopped(app: App, runner: Embedded, workers: int) -> bool:
    """Wait, keep a supervisor informed, see to webhooks that stopped coming; true when the runner ended by itself."""
    from crossdock.webhooks import Mender

    mender = Mender(app)
    supervisor = Supervisor.found(os.environ)
    supervisor.ready(f"Runs with {workers} workers.")
    while not app.clock.stopping and runner.alive:
        supervisor.lives(runner.quiet)
        mender.look()
        app.clock.sleep(0.2)
    supervisor.stopping()
    return not app.clock.stopping


def _stop(app: App, runner: Embedded, log: _Log, serving: Serving | None) -> None:
    app.clock.stop()
    begun = monotonic()
    closing = threading.Thread(target=serving.stop if serving is not None else _nothing, daemon=True)
    closing.start()
    left = runner.stop(_PATIENCE)
    closing.join(timeout=max(begun + _PATIENCE - monotonic(), 0))
    if log.as_json:
        log.line({"event": "stopped", "left": left})
    elif left:
        log.say(f"Stopped; {', '.join(left)} did not come to a safe point and will be taken up again.")
    else:
        log.say(f"Stopped ({monotonic() - begun:.1f} s).")
    taken = log.lines.close() and logs.settle()
    if left or not taken:
        # Their threads would keep the process: what they were at is found by whoever works it next, as after a crash.
        _leave(0, flush=taken)


def _nothing() -> None:
    return None


@contextlib.contextmanager
def _at_once() -> Iterator[None]:
    """A second signal ends the process without waiting for anything."""
    try:
        yield
    except KeyboardInterrupt:
        _leave(EXIT_INTERRUPTED, flush=False)


def _leave(code: int, *, flush: bool = True) -> None:
    if flush:
        with contextlib.suppress(OSError, CrossdockError):
            sys.stdout.flush()
            sys.stderr.flush()
    os._exit(code)
