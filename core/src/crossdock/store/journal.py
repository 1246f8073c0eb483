"""Runs, exchanges and events: what happened, for people."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs
import msgspec

from crossdock.connection import Budget
from crossdock.errors import StoreError
from crossdock.http.limits import Meter
from crossdock.store.database import Database, clean, stamp, unstamp

BUCKETS = (1, 5, 30, 120, 600, 3600)
"""Seconds by which runs are counted: those that took no longer."""

_COUNTED = "kind, connection, stream, flow, started_at"
_BUFFERED = 25
_RESTORED = "database restored"
_CLOCK = "vendor clock"
_AHEAD = timedelta(minutes=1)
_EXCHANGE = (
    "id", "at", "connection", "method", "url", "status", "milliseconds", "request_body", "response_body", "error",
)  # fmt: skip


@attrs.frozen(slots=True)
class RunRow:
    """One pull or push."""

    id: int
    kind: str
    connection: str
    stream: str
    flow: str
    state: str
    started_at: str
    ended_at: str | None
    counts: dict[str, Any]
    message: str


class Journal:
    """Verbs on runs and events."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def begin(self, kind: str, now: datetime, *, connection: str = "", stream: str = "", flow: str = "") -> int:
        """Start a run; answers its id."""
        with self._db.quick() as db:
            rows = db.query(
                "INSERT INTO run (kind, connection, stream, flow, state, started_at, alive_at) "
                "VALUES (?, ?, ?, ?, 'running', ?, ?) RETURNING id",
                (kind, connection, stream, flow, stamp(now), stamp(now)),
            )
        return int(rows[0][0])

    def progress(self, run: int, counts: Mapping[str, Any]) -> None:
        """Write a run's counts while it goes on."""
        self._db.run("UPDATE run SET counts = ? WHERE id = ?", (msgspec.json.encode(dict(counts)).decode(), run))

    def lives(self, run: int, now: datetime) -> None:
        """A run still goes on."""
        with self._db.transaction(durable=False) as db:
            db.run("UPDATE run SET alive_at = ? WHERE id = ?", (stamp(now), run))

    def end(self, run: int, state: str, counts: Mapping[str, Any], message: str, now: datetime) -> None:
        """Finish a run as ``done``, ``failed``, ``waiting`` or ``stopped``."""
        with self._db.transaction(durable=False) as db:
            rows = db.query(
                f"UPDATE run SET state = ?, ended_at = ?, counts = ?, message = ? WHERE id = ? RETURNING {_COUNTED}",
                (state, stamp(now), msgspec.json.encode(dict(counts)).decode(), clean(message), run),
            )
            self._count(rows, state, now)

    def bury(self, connection: str, stream: str, now: datetime) -> None:
        """Pulls of a stream that say they run, although nobody has the lease: their process ended before they did."""
        self._bury("kind = 'pull' AND connection = ? AND stream = ?", (connection, stream), now)

    def bury_silent(self, connection: str, flow: str, since: datetime, now: datetime) -> None:
        """Pushes of a flow into a connection that say they run, but were last heard of before `since`."""
        silent = "kind = 'push' AND connection = ? AND flow = ? AND alive_at < ?"
        self._bury(silent, (connection, flow, stamp(since)), now)

    def _bury(self, which: str, values: tuple[str, ...], now: datetime) -> None:
        with self._db.transaction(durable=False) as db:
            rows = db.query(
                "UPDATE run SET state = 'failed', ended_at = ?, message = 'The process ended before the run did.' "
                f"WHERE state = 'running' AND {which} RETURNING {_COUNTED}",
                (stamp(now), *values),
            )
            self._count(rows, "failed", now)

    def _count(self, ended: Sequence[tuple[Any, ...]], state: str, now: datetime) -> None:
        """Count runs that ended; the counts stay when the runs are forgotten."""
        for kind, connection, stream, flow, started_at in ended:
            seconds = max((now - datetime.fromisoformat(started_at)).total_seconds(), 0.0)
            bucket = next((str(limit) for limit in BUCKETS if seconds <= limit), "")
            self._db.run(
                "INSERT INTO tally (kind, connection, stream, flow, state, bucket, number, milliseconds) "
                "VALUES (?, ?, ?, ?, ?, ?, 1, ?) ON CONFLICT (kind, connection, stream, flow, state, bucket) "
                "DO UPDATE SET number = tally.number + 1, milliseconds = tally.milliseconds + excluded.milliseconds",
                (kind, connection, stream, flow, state, bucket, round(seconds * 1000)),
            )

    def runs(self, *, connection: str = "", stream: str = "", flow: str = "", limit: int = 20) -> list[RunRow]:
        """Runs, newest first."""
        rows = self._db.query(
            "SELECT id, kind, connection, stream, flow, state, started_at, ended_at, counts, message FROM run "
            "WHERE (connection = ? OR ? = '') AND (stream = ? OR ? = '') AND (flow = ? OR ? = '') "
            "ORDER BY id DESC LIMIT ?",
            (connection, connection, stream, stream, flow, flow, limit),
        )
        return [_run(row) for row in rows]

    def run(self, run: int) -> RunRow | None:
        """One run."""
        rows = self._db.query(
            "SELECT id, kind, connection, stream, flow, state, started_at, ended_at, counts, message FROM run "
            "WHERE id = ?",
            (run,),
        )
        return _run(rows[0]) if rows else None

    def event(self, kind: str, subject: str, text: str, now: datetime) -> None:
        """Write an event."""
        self._db.run(
            "INSERT INTO event (at, kind, subject, text) VALUES (?, ?, ?, ?)", (stamp(now), kind, subject, clean(text))
        )

    def events(self, subject: str = "", limit: int = 100) -> list[tuple[str, str, str, str]]:
        """Events, newest first: time, kind, subject, text."""
        rows = self._db.query(
            "SELECT at, kind, subject, text FROM event WHERE (subject = ? OR ? = '') ORDER BY id DESC LIMIT ?",
            (subject, subject, limit),
        )
        return [(row[0], row[1], row[2], row[3]) for row in rows]

    def mark_restored(self, now: datetime, what: str = "since the backup") -> None:
        """Remember that the targets may know more than the store, as after a restore from a backup."""
        self.event(_RESTORED, "database", f"What was delivered {what} is asked for before it is sent.", now)

    def restored(self) -> datetime | None:
        """When the store was last less than what its targets know: restored from a backup, or a connection removed."""
        rows = self._db.query("SELECT max(at) FROM event WHERE subject = 'database' AND kind = ?", (_RESTORED,))
        return unstamp(rows[0][0])

    def clocks(self) -> dict[str, tuple[timedelta, str]]:
        """Connections whose clock was seen to differ from ours: how far it was ahead, and when (a stamp)."""
        rows = self._db.query("SELECT connection, value FROM memory WHERE name = ? AND key = 'ahead'", (_CLOCK,))
        return {row[0]: (timedelta(seconds=int(row[1].split()[0])), row[1].split()[1]) for row in rows}

    def exchanges(self, connection: str = "", *, failed: bool = False, limit: int = 50) -> list[dict[str, Any]]:
        """The exchange log, newest first."""
        rows = self._db.query(
            f"SELECT {', '.join(_EXCHANGE)} FROM exchange WHERE (connection = ? OR ? = '') "
            "AND (? = 0 OR status IS NULL OR status >= 400) ORDER BY id DESC LIMIT ?",
            (connection, connection, int(failed), limit),
        )
        return [dict(zip(_EXCHANGE, row, strict=True)) for row in rows]

    def exchange(self, number: int) -> dict[str, Any] | None:
        """One exchange."""
        rows = self._db.query(f"SELECT {', '.join(_EXCHANGE)} FROM exchange WHERE id = ?", (number,))
        return dict(zip(_EXCHANGE, rows[0], strict=True)) if rows else None


class StoredExchanges:
    """The exchange log of one connection; writes in small groups, because a commit costs more than a row."""

    def __init__(self, database: Database, connection: str) -> None:
        self._db = database
        self._connection = connection
        self._lock = threading.Lock()
        self._rows: list[tuple[Any, ...]] = []
        self._ahead = timedelta(0)
        self._noted = timedelta(0)

    def keep(self, exchange: Any) -> None:
        """Keep one exchange; a failing log never stops work."""
        row = (
            stamp(exchange.at), self._connection, exchange.method, exchange.url, exchange.status,
            int(exchange.seconds * 1000), exchange.request_body, exchange.response_body, exchange.error,
        )  # fmt: skip
        with self._lock:
            self._ahead = exchange.ahead if exchange.ahead is not None else self._ahead
            self._rows.append(row)
            full = len(self._rows) >= _BUFFERED
        if full:
            self.flush()

    def flush(self) -> None:
        """Write what is buffered."""
        with self._lock:
            rows, self._rows = self._rows, []
        if not rows:
            return
        try:
            with self._db.transaction() as db:
                db.many(
                    "INSERT INTO exchange (at, connection, method, url, status, milliseconds, request_body, "
                    "response_body, error) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    [tuple(clean(value) if isinstance(value, str) else value for value in row) for row in rows],
                )
                self._note_clock(db, rows[-1][0])
        except StoreError:
            return

    def _note_clock(self, db: Database, at: str) -> None:
        """Remember a clock that is wrong, theirs or ours, when it gets wrong or changes; right ones cost nothing."""
        ahead = self._ahead
        if abs(ahead - self._noted) < _AHEAD:
            return
        db.upsert(
            "memory", ("connection", "name", "key", "value"), ("connection", "name", "key"),
            [(self._connection, _CLOCK, "ahead", f"{ahead.total_seconds():.0f} {at}")],
        )  # fmt: skip
        self._noted = ahead


def _run(row: tuple[Any, ...]) -> RunRow:
    return RunRow(*(*row[:8], msgspec.json.decode(row[8]), row[9]))


class StoredLimiter:
    """Budgets of one connection in the store: they hold across workers and restarts."""

    def __init__(self, database: Database, connection: str) -> None:
        self._db = database
        self._connection = connection

    def reserve(self, budget: Budget, now: datetime) -> timedelta:
        """Book one call and answer how long to wait before it; a wait that is too long books nothing."""
        with self._db.transaction() as db:
            meter, wait = self._load(db, budget.name).reserve(budget, now)
            self._save(db, budget.name, meter)
        return wait

    def hold(self, budget: str, until: datetime) -> None:
        """No call before `until`."""
        with self._db.transaction() as db:
            self._save(db, budget, self._load(db, budget).hold(until))

    def _load(self, db: Database, budget: str) -> Meter:
        lock = " FOR UPDATE" if db.dialect == "postgresql" else ""
        if lock:
            db.run(
                "INSERT INTO meter (connection, budget, next_at) VALUES (?, ?, '') ON CONFLICT DO NOTHING",
                (self._connection, budget),
            )
        rows = db.query(
            f"SELECT next_at FROM meter WHERE connection = ? AND budget = ?{lock}", (self._connection, budget)
        )
        return Meter(unstamp(rows[0][0]) if rows and rows[0][0] else None)

    def _save(self, db: Database, budget: str, meter: Meter) -> None:
        db.upsert(
            "meter", ("connection", "budget", "next_at"), ("connection", "budget"),
            [(self._connection, budget, stamp(meter.next_at) if meter.next_at else "")],
        )  # fmt: skip

    def next_calls(self) -> dict[str, str]:
        """When each budget allows the next call, as stamps."""
        rows = self._db.query("SELECT budget, next_at FROM meter WHERE connection = ?", (self._connection,))
        return {row[0]: row[1] for row in rows}
