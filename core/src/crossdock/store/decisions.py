"""What people and their rules decide about effects, and the history in which it stands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from crossdock.store.database import clean, stamp
from crossdock.store.ledger import Effect, Ledger

SETTLED = "effect.state IN ('done', 'superseded', 'discarded')"


class Decisions(Ledger):
    """Verbs of people on the ledger: each moves only what still is in a state that they were shown."""

    def note(self, effect: int, run: int, state: str, message: str, now: datetime) -> None:
        """Write an attempt into the effect's history."""
        self._db.run(
            "INSERT INTO attempt (effect, run, ended_at, state, message) VALUES (?, ?, ?, ?, ?)",
            (effect, run, stamp(now), state, message),
        )

    def set_state(
        self, ids: Sequence[int], state: str, now: datetime, *, when: Sequence[str], message: str = ""
    ) -> int:
        """Move effects by a person's decision, only from the states `when`.

        What was done and moves is not known to be shown any more: that its record returns to it does not settle it.
        """
        moved = 0
        for each in ids:
            marks = ", ".join("?" * len(when))
            touched = self._db.run(
                f"UPDATE effect SET state = ?, not_before = '', message = ?, gap = NULL, cause = '', path = '', "
                f"owner = '', lease_until = '', failures = 0, updated_at = ?, "
                f"sent = CASE state WHEN 'done' THEN '' ELSE sent END, "
                f"unsent_since = CASE WHEN {SETTLED} THEN ? ELSE unsent_since END WHERE id = ? AND state IN ({marks})",
                (state, message, stamp(now), stamp(now), each, *when),
            )
            if touched:
                self.note(each, 0, state, message, now)
            moved += touched
        return moved

    def agree(self, effect: int, approval: str, person: str, now: datetime) -> None:
        """Remember who approved what was shown."""
        self._db.upsert(
            "agreement", ("effect", "approval", "person", "at"), ("effect", "approval", "person"),
            [(effect, approval, person, stamp(now))],
        )  # fmt: skip

    def agreed(self, effect: int, approval: str) -> tuple[str, ...]:
        """Who approved what was shown, oldest first."""
        rows = self._db.query(
            "SELECT person FROM agreement WHERE effect = ? AND approval = ? ORDER BY at, person", (effect, approval)
        )
        return tuple(row[0] for row in rows)

    def approve(self, effect: int, approval: str, now: datetime, by: str = "a person") -> int:
        """Approve what would be sent; `approval` is the hash that was shown."""
        held = self._db.run(
            "UPDATE effect SET state = 'ready', approval = ?, not_before = '', updated_at = ? "
            "WHERE id = ? AND state IN ('awaiting', 'planned')",
            (approval, stamp(now), effect),
        )
        if held:
            self.note(effect, 0, "approved", f"By {by}: {approval}", now)
        return held

    def approve_by_rule(self, effect: Effect, approval: str, message: str, run: int, now: datetime) -> bool:
        """A rule approves what is being sent; false when it is not ours any more."""
        held = self._db.run(
            "UPDATE effect SET approval = ?, updated_at = ? WHERE id = ? AND owner = ? AND attempts = ? "
            "AND state = 'sending'",
            (approval, stamp(now), effect.id, effect.owner, effect.attempts),
        )
        if held:
            self.note(effect.id, run, "approved", message, now)
        return held == 1

    def show_anew(self, effect: int, message: str, now: datetime) -> None:
        """What waits for approval is something else now."""
        if self._db.run("UPDATE effect SET message = ? WHERE id = ? AND state = 'awaiting'", (clean(message), effect)):
            self.note(effect, 0, "awaiting", message, now)

    def release(self, flow: str, now: datetime) -> int:
        """A flow goes live: what was planned is ready."""
        return self._db.run(
            "UPDATE effect SET state = 'ready', updated_at = ? WHERE flow = ? AND state = 'planned'", (stamp(now), flow)
        )

    def withhold(self, flow: str, now: datetime) -> int:
        """A flow goes back to plan: what is ready is only planned."""
        return self._db.run(
            "UPDATE effect SET state = 'planned', updated_at = ? WHERE flow = ? AND state = 'ready'", (stamp(now), flow)
        )

    def free_gap(self, gap: int, now: datetime) -> int:
        """Everything that waited on a gap is ready again."""
        return self._db.run(
            "UPDATE effect SET state = 'ready', gap = NULL, cause = '', message = '', path = '', not_before = '', "
            "failures = 0, updated_at = ? WHERE gap = ? AND state = 'parked'",
            (stamp(now), gap),
        )

    def forget_flow(self, flow: str) -> None:
        """Delete a flow's ledger; only for flows that are removed."""
        for table in ("attempt", "agreement"):
            self._db.run(f"DELETE FROM {table} WHERE effect IN (SELECT id FROM effect WHERE flow = ?)", (flow,))
        self._db.run("DELETE FROM effect WHERE flow = ?", (flow,))
