"""An effect as the ledger has it, and the questions to the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import attrs

from crossdock.store.database import Database, stamp

STATES = (
    "planned", "awaiting", "ready", "sending", "submitted", "in_doubt", "parked", "done", "discarded", "superseded",
)  # fmt: skip
OPEN = ("planned", "awaiting", "ready", "sending", "submitted", "in_doubt", "parked")

COLUMNS = (
    "id", "flow", "operation", "source", "target", "stream", "key", "ref", "state", "wanted", "sent", "done",
    "attempts", "not_before", "owner", "lease_until", "gap", "cause", "message", "path", "external_id", "number",
    "job", "approval", "created_at", "updated_at", "unconfirmed", "failures",
)  # fmt: skip
_WAITING = "flow = ? AND state IN ('ready', 'in_doubt', 'submitted', 'sending')"
# What somebody has under way is due when the lease is over.
_DUE = "CASE WHEN lease_until > not_before THEN lease_until ELSE not_before END"
_SELECT = f"SELECT {', '.join(COLUMNS)} FROM effect"
DRIFTED, RETOLD = 1, 2
"""The target has changed the stock that it shows by itself since it was told, or is being told since it has."""


@attrs.frozen(slots=True)
class Effect:
    """One row of the ledger; times are stamps."""

    id: int
    flow: str
    operation: str
    source: str
    target: str
    stream: str
    key: str
    ref: str
    state: str
    wanted: str
    sent: str
    done: str
    attempts: int
    not_before: str
    owner: str
    lease_until: str
    gap: int | None
    cause: str
    message: str
    path: str
    external_id: str
    number: str
    job: str
    approval: str
    created_at: str
    updated_at: str
    unconfirmed: str = ""
    """What was sent without an answer since `done`, so that the target may show it; of stock the most."""
    failures: int = 0
    """How often it failed since it was last done: what it waits grows with them, not with all attempts of its life."""


@attrs.frozen(slots=True)
class Intent:
    """A write that a record asks for."""

    key: str
    ref: str
    wanted: str


class Ledger:
    """Reads the effects."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def get(self, effect: int) -> Effect | None:
        """One effect."""
        rows = self._db.query(f"{_SELECT} WHERE id = ?", (effect,))
        return Effect(*rows[0]) if rows else None

    def sent_document(self, effect: int) -> str | None:
        """What was last delivered for it."""
        rows = self._db.query("SELECT sent_document FROM effect WHERE id = ?", (effect,))
        return rows[0][0] if rows else None

    def delivered(self, flow: str, keys: Sequence[str]) -> dict[str, tuple[str, str | None]]:
        """What was last delivered of those `keys` that have an effect: `done` and the document."""
        condition, values = self._db.any_of("key", keys)
        rows = self._db.query(
            f"SELECT key, done, sent_document FROM effect WHERE flow = ? AND {condition}", (flow, values)
        )
        return {row[0]: (row[1], row[2]) for row in rows}

    def attempts(self, effect: int) -> list[tuple[str, int, str, str]]:
        """The history of an effect: time, run, state, message."""
        return [
            (row[0], row[1], row[2], row[3])
            for row in self._db.query(
                "SELECT ended_at, run, state, message FROM attempt WHERE effect = ? ORDER BY id", (effect,)
            )
        ]

    def noted_at(self, effect: int, message: str) -> str | None:
        """When a message was last written into the history of an effect."""
        rows = self._db.query("SELECT max(ended_at) FROM attempt WHERE effect = ? AND message = ?", (effect, message))
        return rows[0][0] if rows else None

    def find(
        self, *, flow: str = "", states: Sequence[str] = (), key: str = "", source: str = "", stream: str = "",
        cause: str = "", limit: int = 100,
    ) -> list[Effect]:  # fmt: skip
        """Effects by any of these, newest first."""
        where, params = ["1 = 1"], []
        for column, value in (("flow", flow), ("key", key), ("source", source), ("stream", stream), ("cause", cause)):
            if value:
                where.append(f"{column} = ?")
                params.append(value)
        if states:
            where.append(f"state IN ({', '.join('?' * len(states))})")
            params.extend(states)
        rows = self._db.query(f"{_SELECT} WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?", (*params, limit))
        return [Effect(*row) for row in rows]

    def by_keys(self, flow: str, keys: Sequence[str]) -> dict[str, Effect]:
        """The effects of keys in a flow that writes one thing for each."""
        condition, values = self._db.any_of("key", keys)
        rows = self._db.query(f"{_SELECT} WHERE flow = ? AND {condition}", (flow, values))
        return {effect.key: effect for effect in (Effect(*row) for row in rows)}

    def delivered_at(self, effects: Sequence[int]) -> dict[int, str]:
        """When effects were delivered last."""
        condition, values = self._db.any_of("effect", effects)
        rows = self._db.query(
            f"SELECT effect, max(ended_at) FROM attempt WHERE {condition} AND state = 'done' GROUP BY effect", (values,)
        )
        return {row[0]: row[1] for row in rows}

    def open_keys(self, flow: str, keys: Sequence[str], states: Sequence[str] = OPEN) -> set[str]:
        """Those `keys` whose effect in the flow is in one of `states`."""
        condition, values = self._db.any_of("key", keys)
        marks = ", ".join("?" * len(states))
        rows = self._db.query(
            f"SELECT key FROM effect WHERE flow = ? AND state IN ({marks}) AND {condition}", (flow, *states, values)
        )
        return {row[0] for row in rows}

    def drifted(self, flow: str, keys: Sequence[str]) -> set[str]:
        """Those `keys` of which the target may show less than it was told, because it sold, and was not told anew."""
        condition, values = self._db.any_of("key", keys)
        rows = self._db.query(
            f"SELECT key FROM effect WHERE flow = ? AND drift IN ({DRIFTED}, {RETOLD}) AND {condition}", (flow, values)
        )
        return {row[0] for row in rows}

    def doubtful_orders(self, flows: Iterable[str]) -> dict[str, Effect]:
        """Orders of flows of which nobody knows whether their target has them, by their keys there."""
        found = [Effect(*row) for flow in flows
                 for row in self._db.query(f"{_SELECT} WHERE flow = ? AND state = 'in_doubt'", (flow,))]  # fmt: skip
        return {f"{effect.source}-{effect.key}": effect for effect in found if effect.operation == "order"}

    def maybe_there(self, flows: Sequence[str], key: str, cause: str) -> bool:
        """Whether one of `flows` is sending the record, does not know whether it did, or waits with `cause`."""
        condition, values = self._db.any_of("flow", flows)
        rows = self._db.query(
            f"SELECT 1 FROM effect WHERE {condition} AND key = ? "
            "AND (state IN ('sending', 'in_doubt') OR (state = 'parked' AND cause = ?)) LIMIT 1",
            (values, key, cause),
        )
        return bool(rows)

    def counts(self, flow: str = "") -> dict[tuple[str, str], int]:
        """How many effects each flow has in each state."""
        rows = self._db.query(
            "SELECT flow, state, count(*) FROM effect WHERE (flow = ? OR ? = '') GROUP BY flow, state", (flow, flow)
        )
        return {(row[0], row[1]): int(row[2]) for row in rows}

    def due(self, flow: str, now: datetime) -> int:
        """How many effects could be worked on now; those of a worker that fell silent too."""
        rows = self._db.query(f"SELECT count(*) FROM effect WHERE {_WAITING} AND {_DUE} <= ?", (flow, stamp(now)))
        return int(rows[0][0])

    def next_due(self, flow: str) -> str | None:
        """The stamp from which the next effect of a flow may be worked on; empty for now, `None` when none waits."""
        rows = self._db.query(f"SELECT min({_DUE}) FROM effect WHERE {_WAITING}", (flow,))
        return rows[0][0] if rows else None

    def oldest(self, flow: str) -> str | None:
        """Since when the oldest effect that is not delivered waits; what was delivered before it changed is over."""
        rows = self._db.query(
            "SELECT min(unsent_since) FROM effect WHERE flow = ? "
            "AND state IN ('ready', 'sending', 'submitted', 'in_doubt', 'parked')",
            (flow,),
        )
        return rows[0][0] if rows else None

    def put_off(self, flow: str) -> str:
        """Why what is ready in a flow was tried in vain last; empty when nothing was."""
        rows = self._db.query(
            "SELECT message FROM effect WHERE flow = ? AND state = 'ready' AND failures > 0 AND message <> '' "
            "ORDER BY updated_at DESC LIMIT 1",
            (flow,),
        )
        return str(rows[0][0]) if rows else ""

    def wrote_since(self, flow: str, since: datetime) -> bool:
        """Whether a flow wrote, or may have written, anything since a time."""
        rows = self._db.query(
            "SELECT 1 FROM effect WHERE flow = ? AND updated_at >= ? AND (attempts > 0 OR sent <> '') LIMIT 1",
            (flow, stamp(since)),
        )
        return bool(rows)

    def jobs(self, flow: str, now: datetime) -> dict[str, list[Effect]]:
        """Submitted effects whose job may be asked, by job."""
        rows = self._db.query(
            f"{_SELECT} WHERE flow = ? AND state = 'submitted' AND not_before <= ? ORDER BY id", (flow, stamp(now))
        )
        found: dict[str, list[Effect]] = {}
        for row in rows:
            effect = Effect(*row)
            found.setdefault(effect.job, []).append(effect)
        return found

    def parked_groups(self) -> list[tuple[str, str, int, str]]:
        """Parked effects by flow and cause: flow, cause, how many, one message."""
        rows = self._db.query(
            "SELECT flow, cause, count(*), min(message) FROM effect WHERE state = 'parked' "
            "GROUP BY flow, cause ORDER BY count(*) DESC, flow, cause"
        )
        return [(row[0], row[1], int(row[2]), row[3]) for row in rows]
