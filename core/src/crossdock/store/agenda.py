"""What is to be done now: streams whose time has come or that are wanted, flows with something to deliver, webhooks.

Each question is answered by an index, whatever the number of records, effects and idle connections.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs
import msgspec

from crossdock.store.channel import tell
from crossdock.store.database import Database, clean, stamp
from crossdock.store.leases import is_dead

_ALIVE = timedelta(seconds=45)
_WORKER = ("owner", "machine", "kind", "version", "threads", "busy", "started_at", "seen_at")
_LANES: msgspec.json.Decoder[list[str]] = msgspec.json.Decoder(list[str])


@attrs.frozen
class DueStream:
    """A stream to read: since when its schedule wants that (a stamp, empty for "since ever"), or because it was asked.

    A stream that was asked for is `wanted` and comes once, also when its schedule wants it as well.
    """

    connection: str
    stream: str
    since: str
    wanted: bool


@attrs.frozen
class DueFlow:
    """A flow with effects that can be worked on."""

    name: str
    stream: str
    connection: str


@attrs.frozen(kw_only=True)
class WorkerRow:
    """A process that works turns; `busy` are the lanes it was at when it was seen last."""

    owner: str
    machine: str
    kind: str
    version: str
    threads: int
    busy: list[str]
    started_at: str
    seen_at: str

    def alive(self, now: datetime) -> bool:
        """Whether it runs, as far as that is known here: it was seen lately, and its process is not gone."""
        return self.seen_at > stamp(now - _ALIVE) and not is_dead(self.owner)


class Agenda:
    """Verbs on what is due, and on how turns ended."""

    def __init__(self, database: Database) -> None:
        self._db = database

    # -- what is due -------------------------------------------------------------------------------

    def streams(self, now: datetime, order: Sequence[str] = (), limit: int = 64) -> list[DueStream]:
        """Streams of active connections that were asked for, and of each kind up to `limit` that are due, oldest first.

        Kinds that are named in `order` come first, in that order. None is left out because there is much of another:
        what waits grows more urgent, and has to be seen for that.
        """
        at = stamp(now)
        ranks = "".join(f"WHEN '{stream}' THEN {rank} " for rank, stream in enumerate(order)) or "WHEN '' THEN 0 "
        rows = self._db.query(
            "SELECT due.connection, due.stream, due.next_at, 0 FROM (SELECT s.connection, s.stream, s.next_at, "
            "row_number() OVER (PARTITION BY s.stream ORDER BY s.next_at) AS place "
            "FROM stream s JOIN connection c ON c.name = s.connection "
            "WHERE s.next_at <= ? AND s.held_until <= ? AND s.requested <= s.done AND s.enabled = 1 "
            "AND c.state = 'active') AS due WHERE due.place <= ? "
            f"ORDER BY CASE due.stream {ranks}ELSE 99 END, due.next_at",
            (at, at, limit),
        )
        rows += self._db.query(
            "SELECT s.connection, s.stream, '', 1 FROM stream s JOIN connection c ON c.name = s.connection "
            "WHERE s.requested > s.done AND s.held_until <= ? AND s.enabled = 1 AND c.state = 'active'",
            (at,),
        )
        return [DueStream(row[0], row[1], row[2], bool(row[3])) for row in rows]

    def flows(self, now: datetime) -> list[DueFlow]:
        """Live flows to active connections with effects that can be sent, asked for or looked after."""
        at = stamp(now)
        rows = self._db.query(
            "SELECT f.name, f.stream, c.name FROM flow f "
            "JOIN connection c ON c.name = CASE WHEN f.stream = 'acceptance' THEN f.source ELSE f.target END "
            "WHERE f.mode = 'live' AND f.options NOT LIKE '%\"dry_run\":true%' AND f.held_until <= ? "
            "AND c.state = 'active' AND ("
            f"{_some('ready', 'not_before <= ?')} OR {_some('in_doubt', 'not_before <= ? AND e.lease_until <= ?')} "
            f"OR {_some('submitted', 'not_before <= ?')} OR {_some('sending', 'lease_until <= ?')})",
            (at, at, at, at, at, at),
        )
        return [DueFlow(*row) for row in rows]

    def orphaned(self, now: datetime) -> list[DueFlow]:
        """Live flows with effects that a dead process of this machine was sending, before their leases are over."""
        rows = self._db.query(
            "SELECT f.name, f.stream, f.source, f.target, e.owner FROM flow f JOIN effect e ON e.flow = f.name "
            "AND e.state = 'sending' AND e.lease_until > ? WHERE f.mode = 'live' "
            "GROUP BY f.name, f.stream, f.source, f.target, e.owner",
            (stamp(now),),
        )
        found = {
            row[0]: DueFlow(row[0], row[1], row[2] if row[1] == "acceptance" else row[3])
            for row in rows
            if is_dead(row[4])
        }
        return list(found.values())

    def inboxes(self) -> dict[str, int]:
        """Active connections whose webhooks wait, and the newest of them."""
        rows = self._db.query(
            "SELECT i.connection, max(i.id) FROM inbox i JOIN connection c ON c.name = i.connection "
            "WHERE i.state = 'new' AND c.state = 'active' GROUP BY i.connection"
        )
        return {row[0]: int(row[1]) for row in rows}

    def next_turn(self) -> str | None:
        """When the next stream is due by its schedule, as a stamp; `None` when none is."""
        rows = self._db.query("SELECT min(next_at) FROM stream WHERE next_at IS NOT NULL")
        return rows[0][0] if rows else None

    # -- how turns ended ---------------------------------------------------------------------------

    def ask(self, connection: str, stream: str) -> int:
        """Somebody wants a stream to be read now, also after trouble; answers the number of the wish, 0 for no stream.

        A wish that comes while the stream is being read stays: what the run does not see is read by one more.
        """
        rows = self._db.query(
            "UPDATE stream SET requested = requested + 1, held_until = '' WHERE connection = ? AND stream = ? "
            "AND enabled = 1 RETURNING requested",
            (connection, stream),
        )
        tell(self._db)
        return int(rows[0][0]) if rows else 0

    def fulfilled(self, connection: str, stream: str, revision: int) -> None:
        """A stream was read since the wish with the number `revision` was said."""
        with self._db.quick() as db:
            db.run(
                "UPDATE stream SET done = ? WHERE connection = ? AND stream = ? AND done < ?",
                (revision, connection, stream, revision),
            )

    def was_read(self, connection: str, stream: str, next_at: datetime) -> None:
        """A stream was read to the end: what trouble there was is over, and its next turn is known."""
        with self._db.quick() as db:
            db.run(
                "UPDATE stream SET failures = 0, held_until = '', next_at = ? "
                "WHERE connection = ? AND stream = ? AND next_at IS NOT NULL",
                (stamp(next_at), connection, stream),
            )

    def put_off(self, connection: str, stream: str, next_at: datetime) -> None:
        """The schedule wants a stream later: it is too early, or quiet hours."""
        with self._db.quick() as db:
            db.run(
                "UPDATE stream SET next_at = ? WHERE connection = ? AND stream = ? AND next_at IS NOT NULL",
                (stamp(next_at), connection, stream),
            )

    def rest_stream(self, connection: str, stream: str, until: datetime, failures: int) -> None:
        """A stream is left alone until a time, its schedule and wishes alike; `failures` in a row."""
        with self._db.quick() as db:
            db.run(
                "UPDATE stream SET held_until = ?, failures = ? WHERE connection = ? AND stream = ?",
                (stamp(until), failures, connection, stream),
            )

    def refreshed(self, connection: str) -> None:
        """A person looked after a connection: its streams, and flows from and to it, need not rest any longer."""
        self._db.run("UPDATE stream SET held_until = '', failures = 0 WHERE connection = ?", (connection,))
        self._db.run(
            "UPDATE flow SET held_until = '', failures = 0 WHERE source = ? OR target = ?", (connection, connection)
        )

    def failing_flows(self) -> dict[str, int]:
        """Flows that could not be delivered, and how often in a row."""
        return {row[0]: int(row[1]) for row in self._db.query("SELECT name, failures FROM flow WHERE failures > 0")}

    def flow_failures(self, flow: str) -> int:
        """How often delivering a flow failed in a row."""
        rows = self._db.query("SELECT failures FROM flow WHERE name = ?", (flow,))
        return int(rows[0][0]) if rows else 0

    def rest_flow(self, flow: str, until: datetime | None, failures: int) -> None:
        """A flow is left alone until a time; without one its trouble is over."""
        with self._db.quick() as db:
            db.run(
                "UPDATE flow SET held_until = ?, failures = ? WHERE name = ?",
                (stamp(until) if until else "", failures, flow),
            )

    # -- who works ---------------------------------------------------------------------------------

    def seen(self, worker: WorkerRow) -> None:
        """A worker lives."""
        values = [clean(each) if isinstance(each, str) else each for each in _values(worker)]
        with self._db.quick() as db:
            db.upsert("worker", _WORKER, ("owner",), [tuple(values)])

    def gone(self, owner: str) -> None:
        """A worker stopped: what it had taken is free."""
        with self._db.transaction() as db:
            db.run("DELETE FROM worker WHERE owner = ?", (owner,))
            db.run("UPDATE lease SET owner = '', until = '' WHERE owner = ?", (owner,))

    def workers(self) -> list[WorkerRow]:
        """Processes that work turns, and those that ended without saying so."""
        rows = self._db.query(f"SELECT {', '.join(_WORKER)} FROM worker ORDER BY started_at, owner")
        return [
            WorkerRow(**{**dict(zip(_WORKER, row, strict=True)), "busy": _LANES.decode(row[_WORKER.index("busy")])})
            for row in rows
        ]

    def forget_workers(self, before: datetime) -> None:
        """Forget workers that were not seen since a time."""
        self._db.run("DELETE FROM worker WHERE seen_at < ?", (stamp(before),))


def _some(state: str, condition: str) -> str:
    return f"EXISTS (SELECT 1 FROM effect e WHERE e.flow = f.name AND e.state = '{state}' AND e.{condition})"


def _values(worker: WorkerRow) -> list[Any]:
    values = attrs.asdict(worker)
    return [msgspec.json.encode(values[name]).decode() if name == "busy" else values[name] for name in _WORKER]
