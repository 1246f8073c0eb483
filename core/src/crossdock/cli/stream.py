"""``crossdock stream``: switch streams on and off and say how often they are read."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import attrs
import click

from crossdock.app import App
from crossdock.cli.context import app_from_context
from crossdock.cli.output import ago, emit, examples, json_option, mark, plural, table
from crossdock.configure import Wish, ask_for, switch_stream
from crossdock.errors import UsageError
from crossdock.records import STREAMS
from crossdock.schedule import zone_of
from crossdock.store.config import ConnectionRow, StreamRow
from crossdock.store.database import stamp, unstamp

_MARKS = {"done": "ok", "failed": "fail"}

_OPTIONS = (
    click.option("--every", default="", metavar="SPAN", help="How often: 90s, 10m, 1h30m, 1d."),
    click.option("--cron", default="", metavar="LINE", help="When, as a cron line in the zone: '30 6 * * 1-5'."),
    click.option("--zone", default="", metavar="NAME", help="Of cron line and quiet hours: Europe/Berlin; else UTC."),
    click.option("--quiet", default="", metavar="HOURS", help="Not at night: 22:00-06:00; - takes them away."),
    click.option("--jitter", default="", metavar="SPAN", help="Up to this much later, by chance: 30s; - for none."),
)


def schedule_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say when a stream is read; the command gets them as one `Wish`."""

    @functools.wraps(command)
    def wrapped(*args: Any, **given: Any) -> Any:
        wish = Wish(**{each.name: given.pop(each.name) for each in attrs.fields(Wish)})
        return command(*args, wish=wish, **given)

    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


@click.group()
def stream() -> None:
    """Switch streams of a connection on and off and set their schedule.

    Nothing is read before a stream is switched on.
    """


@stream.command(
    epilog=examples("crossdock stream on shop orders", "crossdock stream on shop products --cron '0 3 * * *'")
)
@click.argument("connection")
@click.argument("stream")
@schedule_options
@json_option
def on(connection: str, stream: str, wish: Wish, as_json: bool) -> None:
    """Switch a stream on.

    Without a schedule it keeps its own or takes the default: orders as the connector says or every hour, balance every
    15 minutes, products and prices once a day.
    """
    app = app_from_context()
    changed = switch_stream(app, connection, stream, on=True, wish=wish)
    state = app.row(connection).state
    note = "" if state == "active" else f" The connection is {state}: crossdock connection verify {connection}"
    emit(_data(changed), as_json, lambda: f"{mark('ok')} {_sentence(changed)}{note}")


@stream.command(epilog=examples("crossdock stream off shop orders"))
@click.argument("connection")
@click.argument("stream")
@json_option
def off(connection: str, stream: str, as_json: bool) -> None:
    """Switch a stream off; what was read and its bookmark stay."""
    changed = switch_stream(app_from_context(), connection, stream, on=False)
    emit(_data(changed), as_json, lambda: f"{mark('ok')} {_sentence(changed)}")


@stream.command(
    epilog=examples(
        "crossdock stream schedule shop orders --every 10m --jitter 30s",
        "crossdock stream schedule shop prices --cron '0 4 * * *' --zone Europe/Berlin",
        "crossdock stream schedule erp balance --quiet 22:00-06:00 --zone Europe/Berlin",
    )
)
@click.argument("connection")
@click.argument("stream")
@schedule_options
@json_option
def schedule(connection: str, stream: str, wish: Wish, as_json: bool) -> None:
    """Set when a stream is read; the switch, and what is not named, stay as they are.

    Times of a cron line and of quiet hours are those of the zone's wall clock, also when it is put forward or back.
    """
    if wish == Wish():
        raise UsageError(
            "Say what to set: --every or --cron, --zone, --quiet or --jitter.",
            hint="crossdock stream list shows what is in force.",
        )
    changed = switch_stream(app_from_context(), connection, stream, on=None, wish=wish)
    emit(_data(changed), as_json, lambda: f"{mark('ok')} {_sentence(changed)}")


@stream.command("list", epilog=examples("crossdock stream list", "crossdock stream list shop --json"))
@click.argument("connection", required=False)
@json_option
def list_(connection: str | None, as_json: bool) -> None:
    """List the streams that can be read, switched on or not."""
    app = app_from_context()
    rows = [app.row(connection)] if connection else app.store.config.connections()
    known = {(row.connection, row.stream): row for row in app.store.config.streams()}
    found = [
        known.get((row.name, each)) or StreamRow(connection=row.name, stream=each, enabled=False)
        for row in rows
        for each in STREAMS
        if (row.name, each) in known or _offers(app, row, each)
    ]
    now = app.clock.now()

    def lines() -> str:
        return table(
            [
                (row.connection, row.stream, "on" if row.enabled else "off", row.schedule.text,
                 ago(row.synced_at, now), _next(row, now), app.store.records.count(row.connection, row.stream))
                for row in found
            ],
            ("CONNECTION", "STREAM", "", "SCHEDULE", "READ", "NEXT", "RECORDS"), right=(6,),
        ) or "No connections yet: crossdock connection add NAME -c CONNECTOR"  # fmt: skip

    emit([_data(row) for row in found], as_json, lines)


@stream.command(epilog=examples("crossdock stream show shop orders"))
@click.argument("connection")
@click.argument("stream")
@json_option
def show(connection: str, stream: str, as_json: bool) -> None:
    """Show a stream: its schedule, its next turns, and what happened at its last ones."""
    app = app_from_context()
    row = find_stream(app, connection, stream)
    now = app.clock.now()
    turns = list(_turns(row, now))
    runs = app.store.journal.runs(connection=connection, stream=stream, limit=5)

    def lines() -> Iterator[str]:
        yield _sentence(row)
        if row.requested > row.done:
            yield "It was asked for and is read as soon as it can be."
        if row.held_until > stamp(now):
            why = (
                f"After {plural(row.failures, 'failure')} in a row" if row.failures else "Because its vendor wants that"
            )
            yield f"{why} it rests, and is read again {ago(row.held_until, now)}."
        if turns:
            zone = row.zone or "UTC"
            shown = (each.astimezone(zone_of(row.zone)) for each in turns)
            yield f"Next turns ({zone}): " + ", ".join(f"{each:%Y-%m-%d %H:%M:%S}" for each in shown)
        for run in runs:
            sign = mark(_MARKS.get(run.state, "warn"))
            yield f"{sign} run {run.id}, {ago(run.started_at, now)}: {run.state} {run.message}".rstrip()

    emit({**_data(row), "next_turns": [stamp(each) for each in turns], "runs": [attrs.asdict(run) for run in runs]},
         as_json, lines)  # fmt: skip


@stream.command(epilog=examples("crossdock stream now shop orders"))
@click.argument("connection")
@click.argument("stream")
@json_option
def now(connection: str, stream: str, as_json: bool) -> None:
    """Let the runner read a stream now, beside its schedule and also in quiet hours or while it rests after trouble.

    If it is being read at this moment, it is read once more. Without a runner: crossdock sync
    """
    app = app_from_context()
    number = ask_for(app, connection, stream)
    alive = any(worker.alive(app.clock.now()) for worker in app.store.agenda.workers())
    note = "" if alive else f" But nobody runs the schedules: crossdock run, or crossdock sync {connection} {stream}"
    emit({"connection": connection, "stream": stream, "request": number, "runner": alive}, as_json,
         lambda: f"{mark('ok' if alive else 'warn')} {stream} of {connection} is read next.{note}")  # fmt: skip


def find_stream(app: App, connection: str, stream: str) -> StreamRow:
    """A stream that was ever switched on or read; raises `UsageError` when there is none."""
    app.row(connection)
    row = app.store.config.stream(connection, stream)
    if row is None:
        raise UsageError(
            f"The stream {stream} of {connection} was never switched on.",
            hint=f"crossdock stream on {connection} {stream}",
        )
    return row


def _turns(row: StreamRow, now: datetime) -> Iterator[datetime]:
    """The next three turns, as far as the schedule alone decides."""
    if row.next_at is None:
        return
    moment = max(unstamp(row.next_at) or now, now, row.schedule.awake(now))
    for _ in range(3):
        yield moment
        moment = row.schedule.next(moment)


def _next(row: StreamRow, now: datetime) -> str:
    if row.next_at is None:
        return ""
    due = max(row.next_at, row.held_until)
    return ago(due, now) if due > stamp(now) else "now"


def _offers(app: App, row: ConnectionRow, stream: str) -> bool:
    try:
        return app.connector_of(row).can(f"fetch_{stream}")
    except UsageError:
        return False


def _data(row: StreamRow) -> dict[str, Any]:
    return {
        "connection": row.connection, "stream": row.stream, "enabled": row.enabled, "every": row.every,
        "cron": row.cron, "zone": row.zone, "quiet": row.quiet, "jitter": row.jitter, "schedule": row.schedule.text,
        "synced_at": row.synced_at, "next_at": row.next_at, "held_until": row.held_until, "failures": row.failures,
        "wanted": row.requested > row.done,
    }  # fmt: skip


def _sentence(row: StreamRow) -> str:
    when = row.schedule.text
    return f"{row.stream} of {row.connection} is {'on' if row.enabled else 'off'}" + (f", {when}." if when else ".")
