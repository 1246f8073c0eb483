"""What needs a person now, as the store knows it: the same for every process, and after a restart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

import attrs

from crossdock.alerts.settings import AlertSettings
from crossdock.overview import DUE_WORDS, STUCK_AFTER, deadlines, due_again
from crossdock.store.config import FlowRow
from crossdock.store.database import unstamp
from crossdock.store.store import Store

_GAP = re.compile(r"unknown (\w+) ")
_GRACE = timedelta(minutes=10)


@attrs.frozen(kw_only=True)
class Trouble:
    """One thing that needs a person; all records with one cause are one. `passing`: it may be over by itself."""

    kind: str
    subject: str
    text: str
    hint: str = ""
    since: datetime | None = None
    passing: bool = False


def troubles(store: Store, settings: AlertSettings, now: datetime) -> list[Trouble]:
    """Everything that needs a person at `now`, without what is muted. Texts name causes, never persons."""
    found = [
        *_paused(store), *_parked(store), *_flows(store, settings, now), *_late(store, now), *_webhooks(store, now),
        *_silent(store), *_workers(store, now),
    ]  # fmt: skip
    return [each for each in found if each.kind not in settings.mute]


def _paused(store: Store) -> Iterator[Trouble]:
    for row in store.config.connections():
        if row.state == "paused":
            yield Trouble(
                kind="paused", subject=row.name,
                text=f"The connection {row.name} is paused{': ' if row.reason else '.'}{row.reason}",
                hint=f"crossdock connection verify {row.name}",
            )  # fmt: skip


def _parked(store: Store) -> Iterator[Trouble]:
    counts: dict[str, int] = {}
    for flow, cause, number, _ in store.effects.parked_groups():
        # A thousand unknown codes of one kind are one message, too.
        gap = _GAP.match(cause)
        subject = f"{flow}: unknown {gap[1]}" if gap else f"{flow}: {cause}"
        counts[subject] = counts.get(subject, 0) + number
    for (connection, stream, cause), number in store.figures.parked_causes().items():
        counts[f"{connection} {stream}: {cause}"] = number
    for subject, number in counts.items():
        hint = "crossdock gaps list" if ": unknown " in subject else "crossdock parked list"
        are = "1 record is" if number == 1 else f"{number:,} records are"
        yield Trouble(kind="parked", subject=subject, text=f"{are} parked. {subject}", hint=hint)


def _flows(store: Store, settings: AlertSettings, now: datetime) -> Iterator[Trouble]:
    counts = store.effects.counts()
    for flow in store.config.flows():
        if flow.mode == "paused":
            continue
        doubts = store.figures.waiting_for_a_person(flow.name) if counts.get((flow.name, "in_doubt")) else 0
        if doubts:
            yield Trouble(
                kind="doubt", subject=flow.name,
                text=f"{flow.name}: {doubts:,} may or may not have been done, and {flow.writes_to} cannot be asked.",
                hint="crossdock effects list --state in_doubt",
            )  # fmt: skip
        waiting = counts.get((flow.name, "awaiting"), 0)
        if waiting:
            yield Trouble(kind="approval", subject=flow.name, text=f"{flow.name}: {waiting:,} wait for an approval.",
                          hint="crossdock effects list --state awaiting")  # fmt: skip
        yield from _deadlines(store, flow, now + settings.deadline, now)
        yield from _stuck(store, flow, counts.get((flow.name, "ready"), 0), now)


def _deadlines(store: Store, flow: FlowRow, before: datetime, now: datetime) -> Iterator[Trouble]:
    urgent = deadlines(store, flow, before)
    if not urgent:
        return
    until = unstamp(urgent[0].until) or now
    orders = "1 order has" if len(urgent) == 1 else f"{len(urgent):,} orders have"
    first = f"{urgent[0].ref} {'was due' if until < now else 'is due'} {until:%Y-%m-%d %H:%M} UTC"
    yield Trouble(
        kind="deadline", subject=flow.name,
        text=f"{flow.name}: {orders} to be {DUE_WORDS[flow.stream]}; {first}.",
        hint=f"crossdock effects list --flow {flow.name}",
    )  # fmt: skip


def _stuck(store: Store, flow: FlowRow, ready: int, now: datetime) -> Iterator[Trouble]:
    since = unstamp(store.effects.oldest(flow.name)) if ready and flow.mode == "live" else None
    if since is not None and now - since > STUCK_AFTER:
        yield Trouble(
            kind="stuck", subject=flow.name,
            text=f"{flow.name}: {ready:,} wait to be sent to {flow.writes_to}, the oldest since "
                 f"{since:%Y-%m-%d %H:%M} UTC.",
            hint=f"crossdock status; crossdock log --connection {flow.writes_to} --failed", passing=True,
        )  # fmt: skip


def _late(store: Store, now: datetime) -> Iterator[Trouble]:
    for each in store.figures.streams():
        since = due_again(each)
        if not each.active or since is None:
            continue
        # One whole turn may be missed: a restart, a slow vendor.
        if now - since > max(timedelta(seconds=each.row.every or 0), _GRACE):
            name = f"{each.row.connection} {each.row.stream}"
            text = f"{name} should have been read at {since:%Y-%m-%d %H:%M} UTC."
            hint = f"crossdock sync {name}"
            yield Trouble(kind="late", subject=name, text=text, hint=hint, since=since, passing=True)


def _webhooks(store: Store, now: datetime) -> Iterator[Trouble]:
    for (name, state), (number, since) in store.inbox.open().items():
        oldest = unstamp(since)
        if state == "failed":
            yield Trouble(kind="webhooks", subject=f"{name} failed", text=f"{name}: {number:,} webhooks failed.",
                          hint="crossdock webhook list --each --state failed")  # fmt: skip
        elif oldest is not None and now - oldest > STUCK_AFTER:
            yield Trouble(
                kind="webhooks", subject=f"{name} waiting",
                text=f"{name}: {number:,} webhooks wait since {oldest:%Y-%m-%d %H:%M} UTC.",
                hint="crossdock webhook work", since=oldest, passing=True,
            )  # fmt: skip


def _silent(store: Store) -> Iterator[Trouble]:
    for each in store.announcements.dead():
        yield Trouble(
            kind="webhooks", subject=f"{each.connection} {each.stream} silent",
            text=f"{each.connection}: webhooks about {each.stream} do not come any more; it is read by its schedule.",
            hint=f"crossdock webhook list --connection {each.connection}", since=unstamp(each.dead_at),
        )  # fmt: skip


def _workers(store: Store, now: datetime) -> Iterator[Trouble]:
    """Runners that ended without saying so, and whose place on their machine nobody took."""
    rows = store.agenda.workers()
    living = {(row.machine, row.kind) for row in rows if row.alive(now)}
    gone = {(row.machine, row.kind): row for row in rows if (row.machine, row.kind) not in living}
    for (machine, kind), row in gone.items():
        since = unstamp(row.seen_at)
        yield Trouble(
            kind="worker", subject=f"{kind} on {machine}",
            text=f"crossdock {kind} on {machine} was last seen {row.seen_at[:16]} UTC and did not say that it ends.",
            hint=f"crossdock {kind}", since=since, passing=True,
        )  # fmt: skip
