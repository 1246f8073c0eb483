"""Mapping tables and the gaps in them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import attrs

from crossdock.store.database import Database, stamp

BUFFER = "buffer"
KINDS = ("sku", "carrier", "status", "payment", "shipping", "tax", "warehouse", "country", BUFFER)
"""What mapping tables are about. A row of the kind ``buffer`` maps no code: it is how much of a SKU is kept back."""

EVERY_FLOW = "*"


def wrong_row(kind: str, target: str) -> str:
    """Why there can be no row of a kind with this target; empty when there can."""
    if kind not in KINDS:
        return f"there is no kind {kind!r}; there are: {', '.join(KINDS)}"
    if kind != BUFFER or not target:
        return ""
    try:
        pieces = Decimal(target)
        good = pieces.is_finite() and pieces >= 0
    except ArithmeticError:
        good = False
    return "" if good else f"a buffer is how many pieces are kept back, not {target!r}"


@attrs.frozen(slots=True)
class GapRow:
    """An unknown code, with how many records wait for it."""

    id: int
    flow: str
    kind: str
    value: str
    state: str
    opened_at: str
    waiting: int


class Gaps:
    """Verbs on mapping tables and gaps."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def tables(self, flow: str) -> dict[str, dict[str, str]]:
        """The mapping tables of a flow; its own rows win over those of every flow."""
        rows = self._db.query(
            "SELECT flow, kind, value, target FROM mapping WHERE flow IN (?, ?) ORDER BY flow", (flow, EVERY_FLOW)
        )
        found: dict[str, dict[str, str]] = {}
        for owner, kind, value, target in sorted(rows, key=lambda row: row[0] != EVERY_FLOW):
            del owner
            found.setdefault(kind, {})[value] = target
        return found

    def buffers(self, flow: str, skus: Sequence[str]) -> dict[str, Decimal]:
        """How much of SKUs a flow keeps back, where a row says so; its own row wins over that of every flow."""
        condition, values = self._db.any_of("value", skus)
        rows = self._db.query(
            f"SELECT flow, value, target FROM mapping WHERE flow IN (?, ?) AND kind = ? AND {condition}",
            (flow, EVERY_FLOW, BUFFER, values),
        )
        own = sorted(rows, key=lambda row: row[0] != EVERY_FLOW)
        return {value: Decimal(target) for _, value, target in own}

    def rows(self, flow: str = "", kind: str = "") -> list[tuple[str, str, str, str]]:
        """Rows of mapping tables: flow, kind, value, target."""
        rows = self._db.query(
            "SELECT flow, kind, value, target FROM mapping WHERE (flow = ? OR ? = '') AND (kind = ? OR ? = '') "
            "ORDER BY flow, kind, value",
            (flow, flow, kind, kind),
        )
        return [(row[0], row[1], row[2], row[3]) for row in rows]

    def add(self, rows: Sequence[tuple[str, str, str, str]]) -> None:
        """Add or replace rows of mapping tables: flow, kind, value, target; of twins the last one holds."""
        unique = {row[:3]: row for row in rows}
        self._db.upsert("mapping", ("flow", "kind", "value", "target"), ("flow", "kind", "value"), [*unique.values()])

    def target(self, flow: str, kind: str, value: str) -> str | None:
        """What a flow's mapping tables make of a code, if they know it."""
        return self.tables(flow).get(kind, {}).get(value)

    def remove(self, flow: str, kind: str, value: str) -> int:
        """Remove a row."""
        return self._db.run("DELETE FROM mapping WHERE flow = ? AND kind = ? AND value = ?", (flow, kind, value))

    def open(self, flow: str, kind: str, value: str, now: datetime) -> int:
        """The id of the gap for an unknown code; a closed one opens again."""
        rows = self._db.query(
            "INSERT INTO gap (flow, kind, value, state, opened_at) VALUES (?, ?, ?, 'open', ?) "
            "ON CONFLICT (flow, kind, value) DO UPDATE SET state = 'open', closed_at = NULL RETURNING id",
            (flow, kind, value, stamp(now)),
        )
        return int(rows[0][0])

    def matching(self, flow: str, kind: str, value: str) -> list[int]:
        """Open gaps that a mapping row closes."""
        rows = self._db.query(
            "SELECT id FROM gap WHERE kind = ? AND value = ? AND state = 'open' AND (flow = ? OR ? = ?)",
            (kind, value, flow, flow, EVERY_FLOW),
        )
        return [int(row[0]) for row in rows]

    def close(self, gap: int, now: datetime) -> None:
        """A gap is closed."""
        self._db.run("UPDATE gap SET state = 'closed', closed_at = ? WHERE id = ?", (stamp(now), gap))

    def close_idle(self, flow: str, now: datetime) -> int:
        """Close gaps of a flow that nothing waits for any more: the target knows the code by now."""
        return self._db.run(
            "UPDATE gap SET state = 'closed', closed_at = ? WHERE flow = ? AND state = 'open' AND NOT EXISTS "
            "(SELECT 1 FROM effect WHERE effect.gap = gap.id AND effect.state = 'parked')",
            (stamp(now), flow),
        )

    def list(self, *, all_states: bool = False) -> list[GapRow]:
        """Gaps, those with most waiting records first."""
        rows = self._db.query(
            "SELECT g.id, g.flow, g.kind, g.value, g.state, g.opened_at, "
            "(SELECT count(*) FROM effect e WHERE e.gap = g.id AND e.state = 'parked') AS waiting "
            "FROM gap g WHERE g.state = 'open' OR ? = 1 ORDER BY waiting DESC, g.id",
            (int(all_states),),
        )
        return [GapRow(*row) for row in rows]
