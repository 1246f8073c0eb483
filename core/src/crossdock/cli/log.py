"""``crossdock log``: requests and answers, runs, and events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import click

from crossdock.cli.context import app_from_context, need_names
from crossdock.cli.options import MOST, Number
from crossdock.cli.output import ago, counted, emit, examples, json_option, mark, table
from crossdock.errors import UsageError

_LIMIT = click.option(
    "--limit", default=50, show_default=True, type=click.IntRange(1, MOST), help="The newest so many."
)


@click.group(
    invoke_without_command=True,
    epilog=examples(
        "crossdock log", "crossdock log --connection shop --failed", "crossdock log --show 4711", "crossdock log runs",
        "crossdock log events",
    ),
)  # fmt: skip
@click.option("--connection", default="", help="Only of this connection.")
@click.option("--failed", is_flag=True, help="Only requests that were refused or got no answer.")
@click.option("--show", "number", type=Number(), metavar="ID", help="One request with its bodies.")
@_LIMIT
@json_option
@click.pass_context
def log(
    ctx: click.Context, connection: str, failed: bool, number: int | None, limit: int, as_json: bool
) -> None:  # fmt: skip
    """Requests and answers, newest first, secrets masked; or runs, or events."""
    if ctx.invoked_subcommand is not None:
        return
    app = app_from_context()
    if connection:
        app.row(connection)
    if number is not None:
        _show(number, as_json)
        return
    found = app.store.journal.exchanges(connection, failed=failed, limit=limit)
    now = app.clock.now()

    def text() -> str:
        rows = [
            (each["id"], ago(each["at"], now), each["connection"], each["method"], each["url"], each["status"] or "",
             f"{each['milliseconds']:,} ms", each["error"])
            for each in found
        ]  # fmt: skip
        headers = ("ID", "WHEN", "CONNECTION", "METHOD", "URL", "STATUS", "TOOK", "ERROR")
        return table(rows, headers, right=(0, 5, 6)) or "There were no requests like that."

    emit(found, as_json, text)


def _show(number: int, as_json: bool) -> None:
    found = app_from_context().store.journal.exchange(number)
    if found is None:
        raise UsageError(f"There is no request {number} in the log.", hint="crossdock log")

    def lines() -> Iterator[str]:
        yield f"{found['method']} {found['url']}"
        status = found["status"] or "none"
        yield f"{found['connection']}, {found['at'][:19]}Z, status {status}, {found['milliseconds']} ms"
        if found["error"]:
            yield f"{mark('fail')} {found['error']}"
        for name in ("request_body", "response_body"):
            if found[name]:
                yield f"{name.replace('_', ' ').capitalize()}:"
                yield found[name]

    emit(found, as_json, lines)


@log.command(epilog=examples("crossdock log runs", "crossdock log runs --connection shop --stream orders"))
@click.option("--connection", default="", help="Only of this connection.")
@click.option("--stream", default="", help="Only of this stream.")
@click.option("--flow", default="", help="Only of this flow.")
@_LIMIT
@json_option
def runs(connection: str, stream: str, flow: str, limit: int, as_json: bool) -> None:
    """Pulls and pushes, newest first, with where their rows ended."""
    app = app_from_context()
    found = app.store.journal.runs(connection=connection, stream=stream, flow=flow, limit=limit)
    if not found:  # what was removed since still has its runs
        need_names(app, connection=connection, flow=flow)
    now = app.clock.now()

    def text() -> str:
        rows = [
            (each.id, each.kind, each.flow or f"{each.connection} {each.stream}", each.state, ago(each.started_at, now),
             each.message or _counts(each.counts))
            for each in found
        ]  # fmt: skip
        return table(rows, ("RUN", "KIND", "WHAT", "STATE", "STARTED", "RESULT"), right=(0,)) or "There were no runs."

    emit([attrs.asdict(each) for each in found], as_json, text)


def _counts(counts: dict[str, Any]) -> str:
    told = {name: value for name, value in counts.items() if name not in ("pages", "requests")}
    return counted(told) or "nothing new"


@log.command(epilog=examples("crossdock log events", "crossdock log events --subject shop"))
@click.option("--subject", default="", help="Only about this connection, flow or effect.")
@_LIMIT
@json_option
def events(subject: str, limit: int, as_json: bool) -> None:
    """Who changed what, pauses and decisions, newest first."""
    app = app_from_context()
    found = app.store.journal.events(subject, limit)
    rows = [dict(zip(("at", "kind", "subject", "text"), each, strict=True)) for each in found]
    now = app.clock.now()
    emit(rows, as_json,
         lambda: table([(ago(at, now), kind, about, text) for at, kind, about, text in found],
                       ("WHEN", "WHAT", "ABOUT", "DETAIL")) or "There were no events.")  # fmt: skip
