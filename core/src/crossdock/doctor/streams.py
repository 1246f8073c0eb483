"""Streams that are not read, and flows that bring nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from crossdock.app import App
from crossdock.engine.stock import unseen_sales
from crossdock.errors import CrossdockError
from crossdock.schedule import default_every
from crossdock.session import Check
from crossdock.store.config import ConnectionRow, FlowRow, StreamRow
from crossdock.store.database import unstamp
from crossdock.store.store import Store

# A stream is late when it has missed its turn by this much.
_GRACE = timedelta(minutes=15)
_LOOKED_AT = timedelta(days=7)


def checks(app: App, store: Store) -> Iterator[Check]:
    """Streams, then flows."""
    yield from _streams(app, store)
    for flow in store.config.flows():
        yield _flow(app, store, flow)


def _streams(app: App, store: Store) -> Iterator[Check]:
    now = app.clock.now()
    states = {row.name: row for row in store.config.connections()}
    for row in store.config.streams():
        connection = states.get(row.connection)
        if not row.enabled or connection is None or connection.state != "active":
            continue
        name = f"Stream {row.connection} {row.stream}"
        command = f"crossdock sync {row.connection} {row.stream}"
        runs = store.journal.runs(connection=row.connection, stream=row.stream, limit=50)
        last = next((unstamp(run.ended_at) for run in runs if run.state == "done"), None)
        failed = runs[0].message if runs and runs[0].state == "failed" else ""
        said = f"; the last try said: {failed}" if failed else ""
        if last is None:
            yield Check(name=name, state="warn", detail=f"it is on and was never read{said}", hint=command)
            continue
        read = f"last read at {last:%Y-%m-%d %H:%M} UTC"
        try:
            due = _due(app, row, connection, last)
        except CrossdockError as error:
            # A time zone that was known when the schedule was made, and is not here.
            repair = f"crossdock stream schedule {row.connection} {row.stream}"
            yield Check(name=name, state="fail", detail=str(error), hint=f"pip install tzdata, or: {repair}")
            continue
        if now > due + _GRACE:
            yield Check(name=name, state="warn", detail=f"it is on and was {read}{said}",
                        hint=f"Is crossdock run running? Or: {command}")  # fmt: skip
        else:
            yield Check(name=name, state="ok", detail=read)


def _due(app: App, row: StreamRow, connection: ConnectionRow, last: datetime) -> datetime:
    if row.every is None and not row.cron:
        try:
            info = app.connector_of(connection).info
        except CrossdockError:
            return last
        return last + default_every(info, row.stream)
    return row.schedule.next(last)


def _flow(app: App, store: Store, flow: FlowRow) -> Check:
    name = f"Flow {flow.name}"
    known = {row.name for row in store.config.connections()}
    missing = sorted({flow.source, flow.target} - known)
    if missing:
        return Check(name=name, state="fail", detail=f"there is no connection {' and no '.join(missing)} any more",
                     hint=f"crossdock connection add, or: crossdock flow remove {flow.name}")  # fmt: skip
    on = {(row.connection, row.stream) for row in store.config.streams() if row.enabled}
    if flow.mode == "paused":
        return Check(name=name, state="ok", detail="paused: it does nothing")
    if (flow.source, flow.reads) not in on:
        return Check(name=name, state="warn", detail=f"{flow.reads} of {flow.source} are off, so it brings nothing new",
                     hint=f"crossdock stream on {flow.source} {flow.reads}")  # fmt: skip
    since = _since(store, flow)
    if flow.mode == "plan" and since is not None and app.clock.now() - since > _LOOKED_AT:
        return Check(
            name=name, state="warn", detail=f"it only plans, since {since:%Y-%m-%d}, and sends nothing",
            hint=f"crossdock flow show {flow.name}, and if that is right: crossdock flow live {flow.name}",
        )  # fmt: skip
    if text := unseen_sales(store, flow):
        command = f"crossdock flow add NAME orders {flow.target} {flow.source}"
        detail = text[0].lower() + text[1:].rstrip(".")
        return Check(name=name, state="warn", detail=detail, hint=f"{command}, or keep some back with --buffer")
    return Check(name=name, state="ok", detail=flow.mode)


def _since(store: Store, flow: FlowRow) -> datetime | None:
    """When the flow got its mode."""
    return next(
        (unstamp(at) for at, kind, _, _ in store.journal.events(flow.name) if kind in ("flow added", "flow switched")),
        None,
    )
