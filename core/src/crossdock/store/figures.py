"""Figures for machines: few queries, each over an index or a small table, whatever the number of records."""

from __future__ import annotations

from datetime import datetime

import attrs

from crossdock.store.config import Config, StreamRow
from crossdock.store.database import Database, stamp


@attrs.frozen(kw_only=True)
class StreamFigure:
    """A stream with the moment that its last complete read shows; `active` when it is on and its connection works."""

    row: StreamRow
    read_at: str | None
    active: bool


@attrs.frozen(kw_only=True)
class RunFigure:
    """How many runs ended so within a bucket (seconds, empty for longer ones), and how long they took together."""

    kind: str
    connection: str
    stream: str
    flow: str
    state: str
    bucket: str
    number: int
    milliseconds: int


@attrs.frozen(kw_only=True)
class Deadline:
    """An order that is not delivered, accepted or decided, and the stamp by which its marketplace wants that."""

    flow: str
    stream: str
    ref: str
    until: str


class Figures:
    """Questions about how the whole project stands."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def connections(self) -> list[tuple[str, str, str]]:
        """Connections: name, connector, state."""
        rows = self._db.query("SELECT name, connector, state FROM connection ORDER BY name")
        return [(row[0], row[1], row[2]) for row in rows]

    def streams(self) -> list[StreamFigure]:
        """Streams that are on or were read."""
        working = {name for name, _, state in self.connections() if state == "active"}
        read = {(row[0], row[1]): row[2] for row in self._db.query("SELECT connection, stream, read_at FROM stream")}
        return [
            StreamFigure(
                row=row, read_at=read.get((row.connection, row.stream)),
                active=row.enabled and row.connection in working,
            )
            for row in Config(self._db).streams()
        ]  # fmt: skip

    def budgets(self) -> list[tuple[str, str, str]]:
        """When each budget allows the next call: connection, budget, stamp or empty."""
        rows = self._db.query("SELECT connection, budget, next_at FROM meter ORDER BY connection, budget")
        return [(row[0], row[1], row[2]) for row in rows]

    def parked(self) -> dict[tuple[str, str], int]:
        """Payloads that could not be read, by connection and stream."""
        rows = self._db.query("SELECT connection, stream, count(*) FROM parked GROUP BY connection, stream")
        return {(row[0], row[1]): int(row[2]) for row in rows}

    def parked_causes(self) -> dict[tuple[str, str, str], int]:
        """Payloads that could not be read, by connection, stream and cause."""
        rows = self._db.query(
            "SELECT connection, stream, cause, count(*) FROM parked GROUP BY connection, stream, cause "
            "ORDER BY connection, stream, cause"
        )
        return {(row[0], row[1], row[2]): int(row[3]) for row in rows}

    def gaps(self) -> dict[tuple[str, str], int]:
        """Open gaps by flow and kind."""
        rows = self._db.query("SELECT flow, kind, count(*) FROM gap WHERE state = 'open' GROUP BY flow, kind")
        return {(row[0], row[1]): int(row[2]) for row in rows}

    def runs(self) -> list[RunFigure]:
        """All runs that ever ended, counted."""
        rows = self._db.query(
            "SELECT kind, connection, stream, flow, state, bucket, number, milliseconds FROM tally "
            "ORDER BY kind, connection, stream, flow, state, bucket"
        )
        return [RunFigure(kind=row[0], connection=row[1], stream=row[2], flow=row[3], state=row[4], bucket=row[5],
                          number=int(row[6]), milliseconds=int(row[7])) for row in rows]  # fmt: skip

    def deadlines(self, flow: str, stream: str, before: datetime) -> list[Deadline]:
        """Orders of a flow that are still under way and whose deadline is before a time, the most urgent first.

        Of a flow of acceptance that is the time to accept, of one of orders the time to ship.
        """
        field = "accept_by" if stream == "acceptance" else "ship_by"
        until = (
            f"json_extract(r.document, '$.{field}')" if self._db.dialect == "sqlite"
            else f"(r.document::jsonb ->> '{field}')"
        )  # fmt: skip
        # CROSS JOIN: SQLite then keeps this order, few effects first and their records by key.
        rows = self._db.query(
            f"SELECT e.ref, {until} AS until FROM effect e CROSS JOIN record r WHERE e.flow = ? AND e.state IN "
            "('awaiting', 'ready', 'sending', 'in_doubt', 'parked') AND r.connection = e.source "
            f"AND r.stream = e.stream AND r.key = e.key AND {until} < ? ORDER BY until, e.id",
            (flow, stamp(before)),
        )
        return [Deadline(flow=flow, stream=stream, ref=row[0], until=row[1]) for row in rows]

    def waiting_for_a_person(self, flow: str) -> int:
        """Effects in doubt that no question can settle."""
        rows = self._db.query(
            "SELECT count(*) FROM effect WHERE flow = ? AND state = 'in_doubt' AND not_before = '9999'", (flow,)
        )
        return int(rows[0][0])

    def alerts(self) -> dict[str, int]:
        """Open alerts by kind."""
        rows = self._db.query("SELECT kind, count(*) FROM alert WHERE state = 'open' GROUP BY kind")
        return {row[0]: int(row[1]) for row in rows}
