"""``crossdock status``: one screen that says whether anything is stuck, and why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import click

from crossdock.cli.context import app_from_context
from crossdock.cli.output import (
    ago,
    arrow,
    counted,
    emit,
    examples,
    json_option,
    mark,
    needs_attention,
    plural,
    span,
    table,
)
from crossdock.overview import ConnectionHealth, FlowHealth, Overview, StreamHealth, overview
from crossdock.store.database import stamp

GROUPS_SHOWN = 5
_LONGEST = 70  # characters of a vendor's words
_MARKS = {"active": "ok", "paused": "fail", "draft": "skip"}


@click.command(epilog=examples("crossdock status", "crossdock status --json"))
@json_option
def status(as_json: bool) -> None:
    """Show the health of connections, streams and flows, and everything that needs a person.

    Ends with 1 when something does.
    """
    app = app_from_context()
    now = app.clock.now()
    view = overview(app.store, now)
    emit(view, as_json, lambda: _lines(view, now))
    if view.problems:
        needs_attention()


def _lines(view: Overview, now: datetime) -> Iterator[str]:
    if not view.connections:
        yield "No connections yet: crossdock connection add NAME -c CONNECTOR"
        return
    yield table(
        [(f"{mark(_MARKS.get(row.state, 'warn'))} {row.name}", row.connector, row.state, ago(row.verified_at, now),
          _next_calls(row, now)) for row in view.connections],
        ("  CONNECTION", "CONNECTOR", "STATE", "VERIFIED", "NEXT CALL ALLOWED"),
    )  # fmt: skip
    streams = [row for row in view.streams if row.enabled or row.last_at]
    if streams:
        yield ""
        yield table(
            [(f"{mark(_stream_mark(row))} {row.connection} {row.stream}", _schedule(row), ago(row.last_at, now),
              _due(row, now), row.records) for row in streams],
            ("  STREAM", "SCHEDULE", "READ", "DUE", "RECORDS"), right=(4,),
        )  # fmt: skip
    if view.flows:
        yield ""
        yield table(
            [(f"{mark(_flow_mark(row))} {row.name}", f"{row.stream} {row.source} {arrow()} {row.target}", row.mode,
              counted(row.counts), _lag(row, now)) for row in view.flows],
            ("  FLOW", "WHAT", "MODE", "EFFECTS", "OLDEST UNSENT"),
        )  # fmt: skip
        for row in view.flows:
            if row.put_off:
                words = row.put_off if len(row.put_off) <= _LONGEST else f"{row.put_off[:_LONGEST]}…"
                yield f"  {row.name} was put off: {words}"
    if view.webhooks:
        yield ""
        yield table(
            [(f"{mark('warn' if row.problem else 'ok' if row.confirmed_at else 'skip')} {row.connection}",
              ago(row.last_at, now), ago(row.confirmed_at, now), ago(row.dead_at, now), row.waiting, row.failed,
              row.refused) for row in view.webhooks],
            ("  WEBHOOKS OF", "LAST", "CONFIRMED", "STOPPED", "WAITING", "FAILED", "REFUSED"), right=(4, 5, 6),
        )  # fmt: skip
    if view.workers:
        yield ""
        yield table(
            [(f"{mark('ok' if row.alive else 'fail')} {row.machine}", row.kind, ago(row.started_at, now),
              ago(row.seen_at, now), ", ".join(row.busy) or "waits") for row in view.workers],
            ("  RUNS ON", "AS", "SINCE", "SEEN", "IS AT"),
        )  # fmt: skip
    yield ""
    yield from _attention(view)


def _next_calls(row: ConnectionHealth, now: datetime) -> str:
    return ", ".join(f"{name} {ago(until, now)}" for name, until in row.next_calls.items()) or "now"


def _stream_mark(row: StreamHealth) -> str:
    if not row.enabled:
        return "skip"
    return "fail" if row.last_state == "failed" else "warn" if row.problem or not row.last_at else "ok"


def _schedule(row: StreamHealth) -> str:
    return row.schedule if row.enabled else "off"


def _due(row: StreamHealth, now: datetime) -> str:
    if not row.enabled:
        return ""
    if row.wanted:
        return "asked for"
    if row.overdue and row.due_at:
        return f"overdue by {span((now - datetime.fromisoformat(row.due_at)).total_seconds())}"
    if row.due_at is None or row.due_at <= stamp(now):
        return "now"
    return ago(row.due_at, now)


def _flow_mark(row: FlowHealth) -> str:
    if row.counts.get("parked") or row.problem:
        return "warn"
    return "ok" if row.mode == "live" else "skip"


def _lag(row: FlowHealth, now: datetime) -> str:
    parts = [ago(row.oldest_unsent, now)] if row.oldest_unsent else []
    if row.shown_since:
        parts.append(f"shows stock of {ago(row.shown_since, now)}")
    if row.deadline:
        parts.append(f"{plural(row.urgent, 'deadline')}, the first {ago(row.deadline, now)}")
    return "; ".join(parts) or "-"


def _attention(view: Overview) -> Iterator[str]:
    if not view.problems:
        yield f"{mark('ok')} Nothing needs attention."
        return
    yield f"{mark('warn')} {plural(len(view.problems), 'thing needs', 'things need')} attention:"
    for problem in view.problems:
        yield f"  - {problem}"
    for group in view.parked[:GROUPS_SHOWN]:
        yield f"      {group.count:,} x {group.where}: {group.message or group.cause}"
    if len(view.parked) > GROUPS_SHOWN:
        yield f"      … and {len(view.parked) - GROUPS_SHOWN} more groups: crossdock parked list"
