"""Which orders that wait to be delivered or accepted have to be so soon, by what their marketplace said.

The moments stand in the records' documents, so a question costs a look at each record that waits: ask now and then.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from crossdock.store.database import Database, stamp

DATED = {"acceptance": ("accept_by",), "orders": ("accept_by", "ship_by")}
"""Streams of flows whose records have a moment by which it has to be done, and its names."""

_NEVER = "9999"


class Deadlines:
    """Questions about deadlines."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def order(self, flow: str, stream: str, now: datetime, limit: int = 1000) -> list[int]:
        """Effects of a flow that can be sent and have a deadline, by their ids, the soonest first."""
        if stream not in DATED:
            return []
        moment = self._moment(stream)
        rows = self._db.query(
            f"SELECT e.id FROM {_WAITING} AND {moment} < ? ORDER BY {moment}, e.id LIMIT ?",
            (flow, stamp(now), _NEVER, limit),
        )
        return [row[0] for row in rows]

    def end_before(self, flow: str, stream: str, now: datetime, moment: datetime) -> bool:
        """Whether a flow has an effect that can be sent and has to be before `moment`."""
        if stream not in DATED:
            return False
        rows = self._db.query(
            f"SELECT 1 FROM {_WAITING} AND {self._moment(stream)} < ? LIMIT 1", (flow, stamp(now), stamp(moment))
        )
        return bool(rows)

    def _moment(self, stream: str) -> str:
        return _earliest(self._db.dialect, DATED[stream])


_WAITING = (
    "effect e JOIN record r ON r.connection = e.source AND r.stream = e.stream AND r.key = e.key "
    "WHERE e.flow = ? AND e.state = 'ready' AND e.not_before <= ?"
)


def _earliest(dialect: str, names: Sequence[str]) -> str:
    """The first of some moments in a record's document; what is far ahead when it has none."""
    if dialect == "postgresql":
        found = [f"COALESCE(r.document::json ->> '{name}', '{_NEVER}')" for name in names]
        return f"LEAST({', '.join(found)})"
    found = [f"COALESCE(json_extract(r.document, '$.{name}'), '{_NEVER}')" for name in names]
    return found[0] if len(found) == 1 else f"MIN({', '.join(found)})"
