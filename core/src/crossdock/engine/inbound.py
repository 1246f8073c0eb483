"""Working webhooks: many hints become few fetches, and each webhook is told what became of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import attrs
import msgspec

from crossdock.connection import StreamInfo
from crossdock.engine.bench import Bench, Opened, describe
from crossdock.engine.conscience import heard
from crossdock.engine.pull import Pulled, pull
from crossdock.errors import (
    AccessError,
    ConnectorError,
    CrossdockError,
    StoreError,
    TransientError,
    UsageError,
    asked_wait,
)
from crossdock.records import RECORD_TYPES
from crossdock.session import Changed
from crossdock.store.database import stamp, unstamp
from crossdock.store.inbox import Waiting
from crossdock.store.memory import StoredMemory

KEYS_AT_ONCE = 500
TRIES = 10
"""Passing trouble in a row after which webhooks are left to a person; by then an hour is over."""

_ROWS = 10_000
_FIRST_BACKOFF = 5.0
_LONGEST_BACKOFF = 900.0
_MEMORY = "crossdock webhooks"
# How a stream's line in a note goes on: a webhook that waited for a second stream remembers how the first one ended.
_DONE, _FAILED = ": done in ", ": failed in "


@attrs.frozen(kw_only=True)
class Fetch:
    """One stream that was asked for, and how that ended: ``done``, ``failed``, ``ignored`` or ``later``.

    `keys` is how many records were named; 0 means that the stream was read from its bookmark. `until` is when it is
    tried again, as a stamp.
    """

    connection: str
    stream: str
    keys: int
    state: str
    note: str
    webhooks: int = 0
    runs: tuple[int, ...] = ()
    until: str = ""


@attrs.define
class Worked:
    """What `work` did: webhooks by the state they ended in (`later`: they still wait), and the fetches."""

    done: int = 0
    ignored: int = 0
    failed: int = 0
    later: int = 0
    fetches: list[Fetch] = attrs.field(factory=list)
    held: dict[str, str] = attrs.field(factory=dict)
    """Connections whose webhooks wait because they are not active, and why."""

    @property
    def ended(self) -> int:
        """How many webhooks wait no more."""
        return self.done + self.ignored + self.failed


@attrs.define
class _Lane:
    """What several webhooks want of one stream: some keys, or a normal fetch."""

    keys: dict[str, None] = attrs.field(factory=dict)
    webhooks: int = 0


@attrs.define
class _Patience:
    """How often a stream could not be fetched in a row and why, until when it is left alone, and when it was read."""

    tries: int = 0
    until: str = ""
    read_at: str = ""
    why: str = ""


def work(bench: Bench, connection: str = "") -> Worked:
    """Fetch what the waiting webhooks (of one connection) name, and write what became of each.

    All that wait are worked together: one fetch by keys for each stream, or one normal fetch. A stream that is off is
    left alone; a connection that is not active lets its webhooks wait; passing trouble is tried again later.
    """
    worked = Worked()
    waiting = bench.store.inbox.connections()
    for name in [connection] if connection else sorted(waiting):
        if not waiting.get(name):
            continue
        row = bench.store.config.connection(name)
        if row is None or row.state != "active":
            worked.held[name] = f"{row.state}{': ' if row.reason else ''}{row.reason}" if row else "removed"
            worked.later += waiting[name]
            continue
        try:
            _Worker(bench, name, worked).run()
        except CrossdockError as error:
            worked.held[name] = str(error)
            worked.later += waiting[name]
        if bench.clock.stopping:
            break
    return worked


def forget_patience(bench: Bench, connection: str) -> None:
    """Try streams at once that are left alone because they could not be fetched."""
    memory = StoredMemory(bench.store.database, connection)
    for stream, text in memory.items(_MEMORY).items():
        known = msgspec.json.decode(text, type=_Patience)
        _remember(memory, stream, _Patience(read_at=known.read_at))


def _remember(memory: StoredMemory, stream: str, patience: _Patience) -> None:
    memory.put_many(_MEMORY, {stream: msgspec.json.encode(patience).decode()})


class _Worker:
    """The webhooks of one connection."""

    def __init__(self, bench: Bench, connection: str, worked: Worked) -> None:
        self.bench = bench
        self.connection = connection
        self.worked = worked
        self.opened: Opened = bench.open(connection)
        self.memory = StoredMemory(bench.store.database, connection)
        self.streams = {row.stream: row for row in bench.store.config.streams(connection)}
        self.patience = {
            stream: msgspec.json.decode(text, type=_Patience) for stream, text in self.memory.items(_MEMORY).items()
        }

    def run(self) -> None:
        """Work everything that waits now; what comes in meanwhile is for the next time."""
        rows = list(self._rows())
        heard(self.bench, self.connection, rows)
        lanes: dict[tuple[str, bool], _Lane] = {}
        for row in rows:
            for signal in row.signals:
                lane = lanes.setdefault(self._lane(signal), _Lane())
                lane.keys.update(dict.fromkeys(signal.keys))
                lane.webhooks += 1
        fetched: dict[tuple[str, bool], Fetch] = {}
        # Orders first: sold stock has to be known before stock is read.
        for name in sorted(lanes, key=lambda each: (each[0] != "orders", each)):
            fetched[name] = self._fetch(*name, lanes[name])
            self.worked.fetches.append(fetched[name])
        self._settle(rows, fetched)

    def _rows(self) -> Iterator[Waiting]:
        after = 0
        while rows := self.bench.store.inbox.waiting(self.connection, _ROWS, after):
            yield from rows
            after = rows[-1].id

    def _lane(self, signal: Changed) -> tuple[str, bool]:
        """The stream, and whether just the keys are fetched."""
        info = self.opened.connector.info.streams.get(signal.stream, StreamInfo())
        return signal.stream, bool(signal.keys) and "keys" in info.queries

    # -- fetching ----------------------------------------------------------------------------------

    def _fetch(self, stream: str, by_keys: bool, lane: _Lane) -> Fetch:
        keys = list(lane.keys) if by_keys else []
        fetch = Fetch(
            connection=self.connection, stream=stream, keys=len(keys), state="later", note="", webhooks=lane.webhooks
        )
        row = self.streams.get(stream)
        if stream not in RECORD_TYPES or not self.opened.connector.can(f"fetch_{stream}"):
            return attrs.evolve(fetch, state="ignored", note=f"{stream}: ignored, the connector cannot read it")
        if row is None or not row.enabled:
            return attrs.evolve(fetch, state="ignored", note=f"{stream}: ignored, the stream is off")
        until = self._not_before(stream, by_keys)
        if until is not None and until > self.bench.clock.now():
            why = self.patience.get(stream, _Patience()).why
            return self._later(fetch, until, why or "the vendor wants time between two reads")
        return self._pull(fetch, keys)

    def _not_before(self, stream: str, by_keys: bool) -> datetime | None:
        patience = self.patience.get(stream, _Patience())
        moments = [unstamp(patience.until)]
        if not by_keys:
            minimum = self.opened.connector.info.streams.get(stream, StreamInfo()).minimum
            last = max(patience.read_at, self.streams[stream].synced_at or "")
            read_at = unstamp(last)
            moments.append(read_at + minimum if read_at else None)
        return max((each for each in moments if each is not None), default=None)

    def _pull(self, fetch: Fetch, keys: Sequence[str]) -> Fetch:
        runs: list[int] = []
        notes: dict[str, int] = {"seen": 0, "new": 0, "changed": 0, "parked": 0}
        for at in range(0, len(keys), KEYS_AT_ONCE) if keys else (0,):
            if self.bench.clock.stopping:
                return attrs.evolve(fetch, runs=tuple(runs), note=f"{fetch.stream}: the work was stopped")
            begun = self.bench.clock.now()
            try:
                pulled = pull(self.bench, self.connection, fetch.stream, keys=keys[at : at + KEYS_AT_ONCE])
            except UsageError as error:
                # Somebody else is reading this stream, or the connection was just paused.
                return attrs.evolve(fetch, runs=tuple(runs), note=f"{fetch.stream}: {error}")
            runs.append(pulled.run)
            if pulled.state != "done":
                return self._failed(attrs.evolve(fetch, runs=tuple(runs)), pulled)
            for name in notes:
                notes[name] += getattr(pulled.counts, name)
            self._worked_again(fetch.stream, begun if not keys else None)
        counted = ", ".join(f"{number} {name}" for name, number in notes.items() if number or name == "seen")
        return attrs.evolve(
            fetch, state="done", runs=tuple(runs), note=f"{fetch.stream}{_DONE}{_runs(runs)}, {counted}"
        )

    def _worked_again(self, stream: str, read_at: datetime | None) -> None:
        before = self.patience.get(stream, _Patience())
        after = _Patience(read_at=stamp(read_at) if read_at else before.read_at)
        if after != before:
            self.patience[stream] = after
            _remember(self.memory, stream, after)

    def _failed(self, fetch: Fetch, pulled: Pulled) -> Fetch:
        """What follows from a fetch that did not succeed."""
        error = pulled.error
        if error is None:
            return attrs.evolve(fetch, note=f"{fetch.stream}: the work was stopped")
        text = describe(error) if isinstance(error, ConnectorError) else str(error)
        if isinstance(error, AccessError):
            return attrs.evolve(fetch, note=f"{fetch.stream}: {text}")
        passing = isinstance(error, TransientError | StoreError)
        tries = self.patience.get(fetch.stream, _Patience()).tries + 1
        if not passing or tries >= TRIES:
            self._worked_again(fetch.stream, None)
            return attrs.evolve(fetch, state="failed", note=f"{fetch.stream}{_FAILED}{_runs(fetch.runs)}: {text}")
        wait = timedelta(seconds=min(_FIRST_BACKOFF * 2 ** (tries - 1), _LONGEST_BACKOFF))
        wait = max(wait, asked_wait(error) or wait)
        until = self.bench.clock.now() + wait
        patience = attrs.evolve(self.patience.get(fetch.stream, _Patience()), tries=tries, until=stamp(until), why=text)
        self.patience[fetch.stream] = patience
        with contextlib.suppress(StoreError):
            _remember(self.memory, fetch.stream, patience)
        return self._later(fetch, until, text)

    def _later(self, fetch: Fetch, until: datetime, why: str) -> Fetch:
        return attrs.evolve(
            fetch, until=stamp(until), note=f"{fetch.stream}: again at {until:%Y-%m-%d %H:%M:%S} UTC, {why}"
        )

    # -- telling -----------------------------------------------------------------------------------

    def _settle(self, rows: Sequence[Waiting], fetched: dict[tuple[str, bool], Fetch]) -> None:
        ended: list[tuple[int, str, str]] = []
        left: list[tuple[int, Sequence[Changed], str]] = []
        for row in rows:
            answers = [(signal, fetched[self._lane(signal)]) for signal in row.signals]
            before = _kept(row.note, row.signals)
            notes = [*before, *dict.fromkeys(_line(fetch.note) for _, fetch in answers)]
            waits = [signal for signal, fetch in answers if fetch.state == "later"]
            if waits:
                note = "\n".join(notes)
                # A stream that waits is asked every second: nothing is written while nothing changes.
                if note != row.note or len(waits) != len(row.signals):
                    left.append((row.id, waits, note))
                self.worked.later += 1
                continue
            states = {fetch.state for _, fetch in answers}
            if "failed" in states or any(_FAILED in line for line in before):
                state = "failed"
            else:
                state = "done" if "done" in states or any(_DONE in line for line in before) else "ignored"
            setattr(self.worked, state, getattr(self.worked, state) + 1)
            ended.append((row.id, state, "\n".join(notes)))
        self.bench.store.inbox.settle(ended, self.bench.clock.now())
        self.bench.store.inbox.leave(left)


def _kept(note: str, signals: Sequence[Changed]) -> list[str]:
    """What was noted on arrival and of streams that an earlier turn ended with."""
    streams = tuple(f"{signal.stream}: " for signal in signals)
    return [line for line in note.splitlines() if not line.startswith(streams)]


def _line(text: str) -> str:
    return " ".join(text.split())


def _runs(runs: Sequence[int]) -> str:
    return f"run {runs[0]}" if len(runs) == 1 else f"runs {runs[0]} to {runs[-1]}" if runs else "no run"
