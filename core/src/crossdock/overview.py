"""The state of a project in business terms: is anything stuck, why, and since when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import attrs

from crossdock.store.announcements import Announcement
from crossdock.store.config import ConnectionRow, FlowRow, StreamRow
from crossdock.store.database import stamp, unstamp
from crossdock.store.gaps import GapRow
from crossdock.store.inbox import HookRow
from crossdock.store.journal import StoredLimiter
from crossdock.store.store import Store

if TYPE_CHECKING:
    from crossdock.store.figures import Deadline, StreamFigure

STUCK_AFTER = timedelta(hours=1)
DEADLINE_NEAR = timedelta(hours=4)
LASTING = 3
"""Failures in a row after which passing trouble is told: before that it is tried again quietly."""

UNSENT = ("ready", "sending", "submitted", "in_doubt", "parked", "awaiting")
NEED_A_PERSON = ("parked", "in_doubt", "awaiting")


@attrs.frozen(kw_only=True)
class StreamHealth:
    """A stream that is on, or was read: its last run and when it may be read again. Times are stamps."""

    connection: str
    stream: str
    enabled: bool
    schedule: str
    every: int | None
    cron: str
    records: int
    last_state: str
    last_at: str | None
    last_message: str
    synced_at: str | None
    due_at: str | None
    overdue: bool
    failures: int = 0
    wanted: bool = False
    problem: str = ""


@attrs.frozen(kw_only=True)
class ConnectionHealth:
    """A connection: its state and when each budget allows the next call, if that is in the future."""

    name: str
    connector: str
    state: str
    reason: str
    verified_at: str | None
    next_calls: dict[str, str]
    problem: str = ""


@attrs.frozen(kw_only=True)
class FlowHealth:
    """A flow: effects by state, and when the oldest one that is not delivered was planned."""

    name: str
    stream: str
    source: str
    target: str
    mode: str
    counts: dict[str, int]
    oldest_unsent: str | None
    source_read_at: str | None
    shown_since: str | None = None
    """Of stock: what the target shows is no older than this."""
    urgent: int = 0
    """Orders under way whose deadline is near, or over."""
    deadline: str | None = None
    """The first of these deadlines."""
    put_off: str = ""
    """Why what is ready was tried in vain last."""
    problem: str = ""


@attrs.frozen(kw_only=True)
class WebhookHealth:
    """The webhooks of a connection: when one came last, how many wait (since when), failed, or were forged.

    `dead_at` is since when they are held to be dead, and `mended_at` when they were set up again since then.
    """

    connection: str
    last_at: str | None
    waiting: int
    waiting_since: str | None
    failed: int
    refused: int
    confirmed_at: str | None
    dead_at: str | None = None
    mended_at: str | None = None
    problem: str = ""


@attrs.frozen(kw_only=True)
class WorkerHealth:
    """A runner or worker: when it was seen last, what it was at, and whether it is `alive`."""

    machine: str
    kind: str
    version: str
    threads: int
    busy: list[str]
    started_at: str
    seen_at: str
    alive: bool


@attrs.frozen(kw_only=True)
class ParkedGroup:
    """Parked effects or payloads of one cause."""

    where: str
    cause: str
    count: int
    message: str


@attrs.frozen(kw_only=True)
class Overview:
    """Everything that one screen shows; `problems` says in sentences what needs a person."""

    at: str
    connections: list[ConnectionHealth]
    streams: list[StreamHealth]
    flows: list[FlowHealth]
    gaps: list[GapRow]
    parked: list[ParkedGroup]
    problems: list[str]
    webhooks: list[WebhookHealth] = attrs.field(factory=list)
    workers: list[WorkerHealth] = attrs.field(factory=list)


def overview(store: Store, now: datetime) -> Overview:
    """The state of the project at `now`."""
    rows = store.config.connections()
    states = {row.name: row.state for row in rows}
    connections = [_connection(store, row, now) for row in rows]
    streams = [_stream(store, row, states.get(row.connection, ""), now) for row in store.config.streams()]
    counts, failing = store.effects.counts(), store.agenda.failing_flows()
    flows = [_flow(store, row, counts, failing.get(row.name, 0), now) for row in store.config.flows()]
    gaps = store.gaps.list()
    parked = _parked(store)
    workers = _workers(store, now)
    webhooks = webhooks_health(store, now)
    problems = _problems(connections, streams, flows, gaps, parked)
    problems += [each.problem for each in webhooks if each.problem]
    if workers and not any(each.alive for each in workers):
        last = max(workers, key=lambda each: each.seen_at)
        problems.append(
            f"Nobody runs the schedules: {last.machine} was seen last, {last.seen_at[:16]} UTC: crossdock run"
        )
    return Overview(
        at=stamp(now), connections=connections, streams=streams, flows=flows, gaps=gaps, parked=parked,
        problems=problems, webhooks=webhooks, workers=workers,
    )  # fmt: skip


def _workers(store: Store, now: datetime) -> list[WorkerHealth]:
    """Those that run, or if there is none, the one that ended without saying so."""
    found = [
        WorkerHealth(
            machine=row.machine, kind=row.kind, version=row.version, threads=row.threads, busy=row.busy,
            started_at=row.started_at, seen_at=row.seen_at, alive=row.alive(now),
        )
        for row in store.agenda.workers()
    ]  # fmt: skip
    return [each for each in found if each.alive] or sorted(found, key=lambda each: each.seen_at)[-1:]


def _connection(store: Store, row: ConnectionRow, now: datetime) -> ConnectionHealth:
    calls = StoredLimiter(store.database, row.name).next_calls()
    at = stamp(now)
    reason = f": {row.reason}" if row.reason else ""
    return ConnectionHealth(
        name=row.name, connector=row.connector, state=row.state, reason=row.reason, verified_at=row.verified_at,
        next_calls={name: until for name, until in sorted(calls.items()) if until > at},
        problem=f"The connection {row.name} is paused{reason}" if row.state == "paused" else "",
    )  # fmt: skip


def _stream(store: Store, row: StreamRow, state: str, now: datetime) -> StreamHealth:
    runs = [
        run
        for run in store.journal.runs(connection=row.connection, stream=row.stream, limit=5)
        if run.state != "running"
    ]
    last = runs[0] if runs else None
    due = max(filter(None, (row.next_at, row.held_until)), default="") if row.enabled else ""
    due_at = unstamp(due)
    overdue = bool(state == "active" and due_at and now > due_at + _grace(row))
    problem = ""
    if state == "paused":
        pass  # the connection says why, once
    elif row.enabled and last is not None and last.state == "failed" and not 0 < row.failures < LASTING:
        problem = f"Reading {row.stream} of {row.connection} failed: {last.message}"
    elif overdue:
        problem = f"{row.stream} of {row.connection} should have been read at {due_at:%Y-%m-%d %H:%M} UTC."
    return StreamHealth(
        connection=row.connection, stream=row.stream, enabled=row.enabled, schedule=row.schedule.text,
        every=row.every, cron=row.cron, records=store.records.count(row.connection, row.stream),
        last_state=last.state if last else "", last_at=last.ended_at if last else None,
        last_message=last.message if last else "", synced_at=row.synced_at, due_at=due or None, overdue=overdue,
        failures=row.failures, wanted=row.requested > row.done, problem=problem,
    )  # fmt: skip


def due_again(stream: StreamFigure) -> datetime | None:
    """When a stream is to be read again after everything of it was read; `None` when it never was."""
    last = unstamp(stream.read_at)
    return stream.row.schedule.next(last) if last else None


def _grace(row: StreamRow) -> timedelta:
    # One whole turn may be missed (a restart, a slow vendor) before anybody is told.
    return max(timedelta(seconds=row.every or 0), timedelta(minutes=10))


def _flow(
    store: Store, row: FlowRow, counts: dict[tuple[str, str], int], failures: int, now: datetime
) -> FlowHealth:  # fmt: skip
    own = {state: number for (flow, state), number in sorted(counts.items()) if flow == row.name}
    oldest = store.effects.oldest(row.name)
    planned_at = unstamp(oldest)
    parts = [
        f"{own[state]} {state.replace('_', ' ')}" for state in NEED_A_PERSON if own.get(state) and state != "parked"
    ]
    stuck = own.get("ready") and row.mode == "live" and planned_at and now - planned_at > STUCK_AFTER
    if stuck:
        parts.append(f"the oldest of {own['ready']} ready has waited since {planned_at:%Y-%m-%d %H:%M} UTC")
    urgent = deadlines(store, row, now + DEADLINE_NEAR)
    if urgent:
        orders = "1 order has" if len(urgent) == 1 else f"{len(urgent)} orders have"
        parts.append(f"{orders} to be {DUE_WORDS[row.stream]}, {urgent[0].ref} by {urgent[0].until[:16]} UTC")
    if failures >= LASTING:
        last = next(iter(store.journal.runs(flow=row.name, limit=1)), None)
        parts.append(f"it failed {failures} times in a row: {last.message if last else ''}".rstrip(": "))
    source = next((each for each in store.config.streams(row.source) if each.stream == row.stream), None)
    read_at = store.records.read_at(row.source, row.reads)
    return FlowHealth(
        name=row.name, stream=row.stream, source=row.source, target=row.target, mode=row.mode, counts=own,
        oldest_unsent=oldest, source_read_at=source.synced_at if source else None,
        shown_since=shown_since(row, read_at, oldest), urgent=len(urgent),
        deadline=urgent[0].until if urgent else None,
        put_off=store.effects.put_off(row.name) if own.get("ready") else "",
        problem=f"The flow {row.name}: {', '.join(parts)}." if parts else "",
    )  # fmt: skip


DUE_WORDS = {"orders": "shipped, and not handed on yet", "acceptance": "accepted"}
"""What has to be done by the deadline of an order in a flow."""


def deadlines(store: Store, flow: FlowRow, before: datetime) -> list[Deadline]:
    """Orders of a live flow with a deadline before a time that are not delivered or decided; the first one first."""
    if flow.stream not in DUE_WORDS or flow.mode != "live":
        return []
    return store.figures.deadlines(flow.name, flow.stream, before)


def shown_since(flow: FlowRow, read_at: str | None, oldest_unsent: str | None) -> str | None:
    """Of a flow of stock: the moment that what the target shows is no older than; a stamp.

    That is when the stock was last read, unless something of it waits for longer.
    """
    if flow.stream != "balance" or flow.mode != "live" or not read_at:
        return None
    return min(read_at, oldest_unsent) if oldest_unsent else read_at


def webhooks_health(store: Store, now: datetime) -> list[WebhookHealth]:
    """How the webhooks of each connection with a door are."""
    states = {row.name: row.state for row in store.config.connections()}
    counts, last = store.inbox.open(), store.inbox.last()
    found = []
    for hook in store.hooks.all():
        name = hook.connection
        waiting, since = counts.get((name, "new"), (0, ""))
        failed, _ = counts.get((name, "failed"), (0, ""))
        oldest = unstamp(since)
        dead = store.announcements.dead(name)
        problem = silence(hook, dead)
        if failed:
            problem = f"{failed} {'webhook' if failed == 1 else 'webhooks'} of {name} failed: crossdock webhook list"
        elif oldest and now - oldest > STUCK_AFTER and states.get(name) == "active":
            problem = f"Webhooks of {name} have waited since {oldest:%Y-%m-%d %H:%M} UTC: crossdock webhook work"
        found.append(
            WebhookHealth(
                connection=name, last_at=last.get(name), waiting=waiting, waiting_since=since or None, failed=failed,
                refused=hook.refused, confirmed_at=hook.confirmed_at, problem=problem,
                dead_at=min((each.dead_at for each in dead if each.dead_at), default=None),
                mended_at=hook.tried_at if dead and not hook.try_note else None,
            )
        )  # fmt: skip
    return found


def silence(hook: HookRow, dead: Sequence[Announcement]) -> str:
    """What is to be done about webhooks that stopped coming; empty while they may come again by themselves."""
    if not dead or (hook.tries and not hook.try_note and not any(each.silent for each in dead)):
        return ""
    name = hook.connection
    what = f"Webhooks of {name} stopped coming: {' and '.join(each.stream for each in dead)} are found by reading only"
    if hook.try_note:
        return f"{what}, and they could not be registered again: {hook.try_note}"
    if not hook.external_id:
        return f"{what}. Enter the address at the vendor again: crossdock webhook url {name}"
    return f"{what}. Is the door reached? crossdock webhook test {name}"


def _parked(store: Store) -> list[ParkedGroup]:
    groups = [
        ParkedGroup(where=f"flow {flow}", cause=cause, count=count, message=message)
        for flow, cause, count, message in store.effects.parked_groups()
    ]
    payloads: dict[tuple[str, str], list[str]] = {}
    for row in store.records.parked():
        payloads.setdefault((f"{row.connection} {row.stream}", row.cause), []).append(row.message)
    groups += [
        ParkedGroup(where=where, cause=cause, count=len(messages), message=messages[0])
        for (where, cause), messages in payloads.items()
    ]
    return sorted(groups, key=lambda group: (-group.count, group.where, group.cause))


def _problems(
    connections: Sequence[ConnectionHealth], streams: Sequence[StreamHealth], flows: Sequence[FlowHealth],
    gaps: Sequence[GapRow], parked: Sequence[ParkedGroup],
) -> list[str]:  # fmt: skip
    found = [connection.problem for connection in connections]
    found += [stream.problem for stream in streams]
    found += [flow.problem for flow in flows]
    found = [problem for problem in found if problem]
    if gaps:
        waiting = sum(gap.waiting for gap in gaps)
        codes = "1 unknown code holds" if len(gaps) == 1 else f"{len(gaps)} unknown codes hold"
        found.append(f"{codes} {waiting} {'record' if waiting == 1 else 'records'}: crossdock gaps list")
    if parked:
        count = sum(group.count for group in parked)
        found.append(f"{count} {'record is' if count == 1 else 'records are'} parked: crossdock parked list")
    return found
