"""``crossdock stream``: switch streams on and off and say how often they are read."""

from __future__ import annotations

from typing import Any

import click

from crossdock.app import App
from crossdock.cli.context import app_from_context
from crossdock.cli.output import ago, emit, examples, json_option, mark, table
from crossdock.configure import schedule_text, switch_stream
from crossdock.errors import UsageError
from crossdock.records import STREAMS
from crossdock.store.config import StreamRow

EVERY = click.option("--every", default="", metavar="SPAN", help="How often: 90s, 10m, 1h30m, 1d.")
CRON = click.option("--cron", default="", metavar="LINE", help="When, as a cron line in UTC: '30 6 * * 1-5'.")


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
@EVERY
@CRON
@json_option
def on(connection: str, stream: str, every: str, cron: str, as_json: bool) -> None:
    """Switch a stream on.

    Without a schedule it keeps its own or takes the default: orders as the connector says or every hour, balance every
    15 minutes, products and prices once a day.
    """
    app = app_from_context()
    changed = switch_stream(app, connection, stream, on=True, every=every, cron=cron)
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
        "crossdock stream schedule shop orders --every 10m", "crossdock stream schedule shop prices --cron '0 4 * * *'"
    )
)
@click.argument("connection")
@click.argument("stream")
@EVERY
@CRON
@json_option
def schedule(connection: str, stream: str, every: str, cron: str, as_json: bool) -> None:
    """Set how often a stream is read; the switch stays as it is."""
    if not every and not cron:
        raise UsageError("Say how often: --every or --cron.", hint="crossdock stream list shows what is in force.")
    changed = switch_stream(app_from_context(), connection, stream, on=None, every=every, cron=cron)
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
        if (row.name, each) in known or _offers(app, row.connector, each)
    ]
    now = app.clock.now()

    def lines() -> str:
        return table(
            [
                (row.connection, row.stream, "on" if row.enabled else "off", schedule_text(row.every, row.cron),
                 ago(row.synced_at, now), app.store.records.count(row.connection, row.stream))
                for row in found
            ],
            ("CONNECTION", "STREAM", "", "SCHEDULE", "READ", "RECORDS"), right=(5,),
        ) or "No connections yet: crossdock connection add NAME -c CONNECTOR"  # fmt: skip

    emit([_data(row) for row in found], as_json, lines)


def _offers(app: App, connector: str, stream: str) -> bool:
    found = app.registry.connectors.get(connector)
    return found is not None and found.can(f"fetch_{stream}")


def _data(row: StreamRow) -> dict[str, Any]:
    return {
        "connection": row.connection, "stream": row.stream, "enabled": row.enabled, "every": row.every,
        "cron": row.cron, "synced_at": row.synced_at,
    }  # fmt: skip


def _sentence(row: StreamRow) -> str:
    when = schedule_text(row.every, row.cron)
    return f"{row.stream} of {row.connection} is {'on' if row.enabled else 'off'}" + (f", {when}." if when else ".")
