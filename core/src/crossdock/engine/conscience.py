"""Whether webhooks still come: changes that reading finds although a webhook should have told them are counted.

One such change is no proof: its webhook may be on its way, wait to be worked, or never come for something that we
changed ourselves. So each is judged only after a time of grace, and several in several runs are needed. Any webhook
about the stream takes all doubts back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import attrs

from crossdock.connection import StreamInfo
from crossdock.engine.bench import Bench, Opened
from crossdock.store.announcements import ENOUGH, Announcement, Unannounced
from crossdock.store.database import stamp, unstamp
from crossdock.store.inbox import Told, Waiting

GRACE = timedelta(minutes=10)
"""How long a webhook may take after its change was found: vendors queue them, and try again after minutes."""

RUNS = 2
"""Runs that found changes which nobody told, before webhooks are held to be dead; and `ENOUGH` such changes."""

_KEPT = 100  # of one run; more would prove no more

_CHANGED_BY = {
    "orders": ("orders", "acceptance", "statuses", "shipments"),
    "shipments": ("shipments", "orders"),
    "products": ("products", "prices", "balance"),
    "prices": ("prices", "products"),
    "balance": ("balance", "products", "orders", "acceptance", "shipments"),
    "customers": ("customers", "orders"),
}
"""Flows that, when they write to a system, change what is read there."""
_MADE_BY = {**_CHANGED_BY, "orders": ("orders",)}


class Vigil:
    """What one reading of a stream finds that webhooks should have told."""

    def __init__(self, bench: Bench, opened: Opened, stream: str) -> None:
        self._bench = bench
        self._connection = opened.name
        self._stream = stream
        self._found: dict[str, bool] = {}
        self._known = bench.store.announcements.get(opened.name, stream)
        self._since = unstamp(bench.store.records.read_at(opened.name, stream))
        hook = bench.store.hooks.get(opened.name)
        self._watches = hook is not None and hook.confirmed_at is not None
        # What changed before the vendor knew the address, or before it was read first, nobody could tell: there is a
        # mark when the stream was read since.
        self._counts = self._watches and self._known.mark is not None and _announced(opened, self._known)
        self._mark = bench.store.inbox.last_id() if self._watches else 0

    def saw(self, key: str, *, new: bool) -> None:
        """A record was read that is new or has changed."""
        if self._counts and len(self._found) < _KEPT:
            self._found[key] = new

    def end(self, run: int) -> None:
        """Everything that had changed was read; inside the transaction that notes that."""
        if not self._watches:
            return
        store, now = self._bench.store, stamp(self._bench.clock.now())
        if self._found:
            ours = self._ours()
            store.announcements.suspect([
                Unannounced(self._connection, self._stream, key, run, self._known.mark or 0, now)
                for key, new in sorted(self._found.items())
                if not ours[new]
            ])  # fmt: skip
        known = store.announcements.get(self._connection, self._stream)
        if known.mark != self._mark:
            store.announcements.save(attrs.evolve(known, mark=self._mark))

    def _ours(self) -> Mapping[bool, bool]:
        """Whether what is new (`True`) or has changed (`False`) may have been written by ourselves since last time."""
        since = (self._since or self._bench.clock.now()) - GRACE
        wrote = {
            flow.stream
            for flow in self._bench.store.config.flows()
            if flow.writes_to == self._connection and self._bench.store.effects.wrote_since(flow.name, since)
        }
        return {
            True: not wrote.isdisjoint(_MADE_BY.get(self._stream, ())),
            False: not wrote.isdisjoint(_CHANGED_BY.get(self._stream, ())),
        }


def _announced(opened: Opened, known: Announcement) -> bool:
    """Whether webhooks usually tell the changes of a stream: the connector says so, or it was seen often enough."""
    info = opened.connector.info
    if info.webhooks == "registers" and info.streams.get(known.stream, StreamInfo()).announced:
        return True
    return known.told >= ENOUGH and known.told > known.late


def judge(bench: Bench, connection: str) -> list[str]:
    """Judge the changes whose time of grace is over; answers the streams whose webhooks are dead from now on.

    It is cheap when there is nothing to judge, and called at the end of each reading.
    """
    store, now = bench.store, bench.clock.now()
    died: list[tuple[str, str]] = []
    if not store.announcements.any_before(connection, now - GRACE):
        return []
    with store.transaction():
        suspects = store.announcements.take(connection, now - GRACE)
        told = store.inbox.told(connection, min(each.mark for each in suspects)) if suspects else []
        for stream in sorted({each.stream for each in suspects}):
            missed = [each for each in suspects if each.stream == stream and not _was_told(each, told)]
            if not missed:
                continue
            known = store.announcements.get(connection, stream)
            runs = len({each.run for each in missed})
            after = attrs.evolve(known, missed=known.missed + len(missed), runs=known.runs + runs)
            if after.dead_at is None and after.missed >= ENOUGH and after.runs >= RUNS:
                after = attrs.evolve(after, dead_at=stamp(now))
                reason = f"{after.missed} changes of {stream} were found by reading, and no webhook told them"
                died.append((stream, reason))
                store.journal.event("webhooks stopped", connection, reason, now)
            store.announcements.save(after)
    for stream, reason in died:
        bench.ambient.tell("webhooks_stopped", connection=connection, stream=stream, reason=reason)
    return [stream for stream, _ in died]


def _was_told(suspect: Unannounced, told: Sequence[Told]) -> bool:
    """Whether a webhook named the change since the stream was read before, or any came about the stream afterwards."""
    for each in told:
        for signal in each.signals:
            if signal.stream != suspect.stream:
                continue
            named = each.id > suspect.mark and (not signal.keys or suspect.key in signal.keys)
            if named or each.received_at > suspect.seen_at:
                return True
    return False


def heard(bench: Bench, connection: str, rows: Sequence[Waiting]) -> None:
    """Webhooks came, told once for each: the streams that they name are alive, unless they waited since before."""
    named: dict[str, list[Waiting]] = {}
    for row in rows:
        for stream in {signal.stream for signal in row.signals}:
            named.setdefault(stream, []).append(row)
    store, now = bench.store, bench.clock.now()
    with store.transaction():
        for stream, told in sorted(named.items()):
            known = store.announcements.get(connection, stream)
            fresh = [row for row in told if row.id > known.heard and row.received_at > (known.dead_at or "")]
            if not fresh:
                continue
            late = known.late + min(known.missed, ENOUGH)
            store.announcements.save(
                attrs.evolve(
                    known, told=known.told + len(fresh), late=late, heard=fresh[-1].id, missed=0, runs=0, dead_at=None
                )
            )
            if known.dead_at is not None:
                store.journal.event("webhooks come again", connection, stream, now)
        hook = store.hooks.get(connection)
        if hook is not None and hook.tries and not store.announcements.dead(connection):
            store.hooks.tried(connection, 0, "", now)
