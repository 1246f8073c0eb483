"""``crossdock webhook``: what came in, and working it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import click
import msgspec

from crossdock import logs, webhooks
from crossdock.app import App
from crossdock.cli.context import app_from_context, stoppable
from crossdock.cli.options import Number
from crossdock.cli.output import ago, emit, examples, json_option, mark, needs_attention, plural, table
from crossdock.engine.inbound import Worked, forget_patience
from crossdock.engine.inbound import work as work_inbox
from crossdock.errors import UsageError
from crossdock.http.redact import Redactor
from crossdock.store.inbox import STATES, InboxRow

_SHOWN = 4000
_MARKS = {"new": "skip", "done": "ok", "ignored": "skip", "duplicate": "skip", "failed": "fail"}


def data_of(row: InboxRow) -> dict[str, Any]:
    """A webhook for machines, without what was sent."""
    return {
        "id": row.id, "connection": row.connection, "received_at": row.received_at, "method": row.method,
        "state": row.state, "note": row.note, "signals": list(row.signals), "dedupe": row.dedupe,
        "done_at": row.done_at, "bytes": len(row.body),
    }  # fmt: skip


def show_each(app: App, connection: str, state: str, limit: int, as_json: bool) -> None:
    """List webhooks that came in; raises `UsageError` for a state that there is not."""
    if state and state not in STATES:
        raise UsageError(f"There is no state {state!r}; there are: {', '.join(STATES)}.")
    rows = app.store.inbox.rows(connection=connection, state=state, limit=limit)
    now = app.clock.now()

    def lines() -> str:
        return table(
            [(row.id, f"{mark(_MARKS[row.state])} {row.state}", row.connection, ago(row.received_at, now), _named(row),
              row.note) for row in rows],
            ("ID", "STATE", "CONNECTION", "RECEIVED", "NAMES", "NOTE"), right=(0,),
        ) or "Nothing like that came in."  # fmt: skip

    emit([data_of(row) for row in rows], as_json, lines)
    if any(row.state == "failed" for row in rows):
        needs_attention()


def _named(row: InboxRow) -> str:
    parts = []
    for signal in row.signals:
        keys = ", ".join(signal.keys[:3]) + (" ..." if len(signal.keys) > 3 else "")
        parts.append(f"{signal.stream} {keys}".rstrip())
    return "; ".join(parts)


def _find(app: App, number: int) -> InboxRow:
    row = app.store.inbox.get(number)
    if row is None:
        raise UsageError(f"No webhook {number} came in.", hint="crossdock webhook list --each")
    return row


@click.command(epilog=examples("crossdock webhook show 17", "crossdock webhook show 17 --json"))
@click.argument("number", metavar="ID", type=Number())
@json_option
def show(number: int, as_json: bool) -> None:
    """Show one webhook: what was sent, what it named, and what became of it."""
    app = app_from_context()
    row = _find(app, number)
    sealed = row.headers.startswith("enc:")
    headers = {} if sealed else Redactor(()).headers(msgspec.json.decode(row.headers, type=dict[str, str]))
    query = {} if sealed else msgspec.json.decode(row.query, type=dict[str, str])
    body = row.body.decode("utf-8", "replace")

    def lines() -> Iterator[str]:
        came = ago(row.received_at, app.clock.now())
        yield f"Webhook {row.id} of {row.connection}, came {came}: {mark(_MARKS[row.state])} {row.state}"
        yield from row.note.splitlines()
        yield f"Names: {_named(row) or 'nothing'}"
        yield ""
        yield "Headers and query are sealed: they held a secret." if sealed else _pairs(headers, query)
        yield f"Body ({len(row.body):,} bytes):"
        yield body if len(body) <= _SHOWN else body[:_SHOWN] + " ... (--json shows all)"
        if row.state == "failed":
            yield f"Try again: crossdock webhook replay {row.id}"

    emit({**data_of(row), "headers": headers, "query": query, "sealed": sealed, "body": body}, as_json, lines)
    if row.state == "failed":
        needs_attention()


def _pairs(headers: Mapping[str, str], query: Mapping[str, str]) -> str:
    rows = [*headers.items(), *((f"?{name}", value) for name, value in query.items())]
    return table(rows, ("HEADER", "VALUE"))


@click.command(
    epilog=examples(
        "crossdock webhook replay 17 18", "crossdock webhook replay --failed",
        "crossdock webhook replay --failed --connection shop",
    )
)  # fmt: skip
@click.argument("ids", nargs=-1, type=Number(), metavar="[ID]...")
@click.option("--failed", is_flag=True, help="All that failed.")
@click.option("--connection", default="", help="With --failed: only of this connection.")
@json_option
def replay(ids: tuple[int, ...], failed: bool, connection: str, as_json: bool) -> None:
    """Work webhooks again, whatever became of them: the connector is asked anew what they mean."""
    app = app_from_context()
    if bool(ids) == failed or (connection and not failed):
        raise click.UsageError("Which ones? Give ids, or --failed, perhaps with --connection.")
    if connection:
        app.row(connection)
    limit = sys.maxsize // 2**32
    rows = app.store.inbox.rows(connection=connection, state="failed", limit=limit) if failed else [
        _find(app, number) for number in dict.fromkeys(ids)
    ]  # fmt: skip
    answers = {row.id: webhooks.replay(app, row) for row in rows}
    with stoppable(app):
        for name in sorted({row.connection for row in rows if answers[row.id].state == "new"}):
            work_inbox(app.bench, name)
    after = [_find(app, row.id) for row in rows]

    def lines() -> Iterator[str]:
        if not after:
            yield "Nothing failed."
        for row in after:
            yield f"{mark(_MARKS[row.state])} {row.id} {row.connection}: {row.state}. {' '.join(row.note.split())}"

    emit([data_of(row) for row in after], as_json, lines)
    if any(row.state in ("failed", "new") for row in after):
        needs_attention()


@click.command(epilog=examples("crossdock webhook work", "crossdock webhook work shop --now"))
@click.argument("connection", required=False, default="")
@click.option("--now", "at_once", is_flag=True, help="Also what waits for its time after trouble.")
@json_option
def work(connection: str, at_once: bool, as_json: bool) -> None:
    """Fetch what the waiting webhooks name. Exit code 1 when one failed or still waits."""
    app = app_from_context()
    names = [connection] if connection else sorted(app.store.inbox.connections())
    if connection:
        app.row(connection)
    for name in names if at_once else ():
        forget_patience(app.bench, name)
    with stoppable(app):
        worked = work_inbox(app.bench, connection)
    emit(worked, as_json, lambda: worked_lines(worked))
    if worked.failed or worked.later:
        needs_attention()


def worked_lines(worked: Worked) -> Iterator[str]:
    """What was worked, for a person."""
    if not worked.ended and not worked.later:
        yield "No webhook waits."
        return
    signs = {"done": "ok", "failed": "fail", "ignored": "skip", "later": "warn"}
    for fetch in worked.fetches:
        yield f"{mark(signs[fetch.state])} {fetch.connection} {fetch.note}  ({plural(fetch.webhooks, 'signal')})"
    for name, reason in sorted(worked.held.items()):
        yield f"{mark('warn')} {name} is {reason}: its webhooks wait"
    counts = ((worked.done, "done"), (worked.ignored, "ignored"), (worked.failed, "failed"), (worked.later, "waiting"))
    yield f"{plural(worked.ended + worked.later, 'webhook')}: " + ", ".join(f"{n:,} {what}" for n, what in counts if n)


@click.command(
    epilog=examples(
        "crossdock webhook serve --port 8080",
        "crossdock webhook serve --port 8080 --proxy 127.0.0.1    behind nginx on this machine",
    )
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port; a free one unless given.")
@click.option("--proxy", default="", metavar="ADDRESS", help="Believe this proxy's X-Forwarded-For about who called.")
@click.option("--no-work", is_flag=True, help="Only take webhooks in; another process works them.")
@json_option
def serve(host: str, port: int, proxy: str, no_work: bool, as_json: bool) -> None:
    """Take webhooks in, and work them within a second, until Ctrl-C or SIGTERM.

    Webhooks that stopped coming are registered again at vendors that have a way to do so.
    Put a web server with TLS before it, and give vendors the addresses of: crossdock webhook url
    """
    from crossdock.caretaker import Caretaker
    from crossdock.web.door import create
    from crossdock.web.pump import Pump
    from crossdock.web.serving import Serving

    app = app_from_context()
    logs.configure(service=True)
    pump, caretaker = Pump(app.bench), Caretaker(app)
    serving = Serving(create(app, pump.wake), host, port, proxy)
    with stoppable(app):
        serving.start()
        if not no_work:
            pump.start()
            caretaker.start()
        emit({"url": serving.url, "works": not no_work}, as_json,
             lambda: f"Webhooks are taken in at {serving.url}/hooks/ until Ctrl-C.")  # fmt: skip
        # A reader of our output (a script, a test) must get it before we begin to wait.
        sys.stdout.flush()
        mender = webhooks.Mender(app)
        while not app.clock.stopping and serving.alive:
            serving.wait(0.2)
            if not no_work:
                mender.look()
        broken = not app.clock.stopping
        serving.stop()
        if not no_work:
            app.clock.stop()
            pump.stop()
            caretaker.stop()
    if broken:
        needs_attention()
