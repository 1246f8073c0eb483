"""The effect ledger: every intended write on an external system, and what became of it.

::

    planned ──live──> ready ──claim──> sending ──settle──> done
       │                ▲  ▲              │ lost answer, crash, lease over
       └─> awaiting ────┘  └── absent ── in_doubt ── found ──> done
                                          │
    parked <── refused, unknown code ─────┘        submitted: the vendor's import job still runs

A newer state of the record changes `wanted` of the same row: older unsent states are never sent (coalescing), and a
change that arrives while *sending* makes the row ready again when it settles.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import attrs

from crossdock.store.database import clean, stamp
from crossdock.store.decisions import SETTLED, Decisions
from crossdock.store.ledger import COLUMNS, DRIFTED, RETOLD, Effect, Intent

EARLY = "raised too early"
"""The cause of stock that waits to be raised: its next value need not wait."""
_WAITS_FOR_ITSELF = f"effect.state = 'parked' OR (effect.state = 'ready' AND effect.cause = '{EARLY}')"
_SETTLED_TOGETHER = ("product", "price", "balance", "status")
"""Operations of which one transaction settles many, in the order of their keys."""
PUT_BACK, BACK_RETOLD = 3, 4
"""Like `DRIFTED` and `RETOLD`, but the target has only put goods back: it shows no less than it was told."""
_MOVED = f"drift IN ({DRIFTED}, {PUT_BACK})"
_LOWERS = " AND done <> '' AND CAST(wanted AS NUMERIC) < CAST(done AS NUMERIC)"


class Effects(Decisions):
    """Verbs on the ledger. Every settling verb checks that the row is still ours: owner and number of attempts."""

    def plan(
        self, flow: str, operation: str, source: str, target: str, stream: str, intents: Sequence[Intent], state: str,
        now: datetime,
    ) -> None:  # fmt: skip
        """Record intents; an intent that is already done, or under way unchanged, changes nothing.

        A row that is sending, in doubt or submitted keeps its state: it is looked at again when it settles. A record
        that returns to the state that was delivered asks for nothing, unless another state was tried since, or the
        target has changed by itself (`drifts`).
        """
        at = stamp(now)
        if operation in _SETTLED_TOGETHER:  # who settles them at the same time takes the rows in this order, too
            intents = sorted(intents, key=lambda each: each.key)
        self._db.many(
            "INSERT INTO effect (flow, operation, source, target, stream, key, ref, state, wanted, created_at, "
            "updated_at, unsent_since) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (flow, key, operation) DO UPDATE SET "
            "wanted = excluded.wanted, ref = excluded.ref, updated_at = excluded.updated_at, "
            f"unsent_since = CASE WHEN {SETTLED} THEN excluded.unsent_since ELSE effect.unsent_since END, "
            "state = CASE WHEN effect.state IN ('sending', 'in_doubt', 'submitted') THEN effect.state "
            "WHEN effect.done = excluded.wanted AND effect.sent = effect.done AND effect.drift = 0 THEN 'done' "
            "ELSE excluded.state END, "
            f"not_before = CASE WHEN {_WAITS_FOR_ITSELF} THEN '' ELSE effect.not_before END, "
            "gap = CASE WHEN effect.state = 'parked' THEN NULL ELSE effect.gap END, "
            f"cause = CASE WHEN {_WAITS_FOR_ITSELF} THEN '' ELSE effect.cause END, "
            "path = CASE WHEN effect.state = 'parked' THEN '' ELSE effect.path END, "
            "message = CASE WHEN effect.state = 'parked' THEN '' ELSE effect.message END, "
            "approval = '' WHERE effect.wanted <> excluded.wanted",
            [
                (flow, operation, source, target, stream, each.key, each.ref, state, each.wanted, at, at, at)
                for each in intents
            ],
        )

    def drifts(self, flow: str, keys: Sequence[str], sold: Container[str], state: str, now: datetime) -> None:
        """The target has changed by itself what it shows: it is told once more, also what it was told before.

        It may show less of those `keys` that it has `sold`; of the others it has only put goods back.
        """
        at = stamp(now)
        self._db.many(
            f"UPDATE effect SET drift = CASE WHEN ? = 1 OR drift IN ({DRIFTED}, {RETOLD}) THEN {DRIFTED} "
            f"ELSE {PUT_BACK} END, state = CASE WHEN state = 'done' THEN ? ELSE state END, "
            "updated_at = ?, unsent_since = CASE WHEN state = 'done' THEN ? ELSE unsent_since END, "
            "not_before = CASE WHEN state = 'done' THEN '' ELSE not_before END WHERE flow = ? AND key = ?",
            [(int(key in sold), state, at, at, flow, key) for key in sorted(keys)],
        )

    def tell_again(self, flow: str, state: str, now: datetime) -> int:
        """What was done in a flow is not known to be shown any more: it is told again, also what was told before."""
        at = stamp(now)
        return self._db.run(
            "UPDATE effect SET sent = CASE WHEN state IN ('sending', 'in_doubt', 'submitted') THEN sent ELSE '' END, "
            f"drift = CASE operation WHEN 'balance' THEN {DRIFTED} ELSE drift END, "
            "state = CASE WHEN state = 'done' THEN ? ELSE state END, updated_at = ?, "
            "unsent_since = CASE WHEN state = 'done' THEN ? ELSE unsent_since END "
            "WHERE flow = ?",
            (state, at, at, flow),
        )

    def wanted(self, flow: str, keys: Sequence[str]) -> dict[str, str]:
        """What the effects of the flow want, of those `keys` that have one."""
        condition, values = self._db.any_of("key", keys)
        rows = self._db.query(f"SELECT key, wanted FROM effect WHERE flow = ? AND {condition}", (flow, values))
        return {row[0]: row[1] for row in rows}

    def claim(
        self, flow: str, limit: int, owner: str, now: datetime, lease: timedelta, *, lower: bool = False,
        among: Sequence[int] = (),
    ) -> list[Effect]:  # fmt: skip
        """Take ready effects and mark them *sending*: once this is committed they may leave the house.

        `lower` takes only stock that becomes less than was delivered; `among` takes only some, by their ids.
        """
        at = stamp(now)
        ids, values = self._db.any_of("id", among)
        some = self._some(
            f"flow = ? AND state = 'ready' AND not_before <= ?{_LOWERS if lower else ''}"
            f"{f' AND {ids}' if among else ''}"
        )
        rows = self._db.query(
            "UPDATE effect SET state = 'sending', cause = '', sent = wanted, attempts = attempts + 1, owner = ?, "
            f"lease_until = ?, updated_at = ? WHERE {some} RETURNING {', '.join(COLUMNS)}",
            (owner, stamp(now + lease), at, flow, at, *([values] if among else []), limit),
        )
        return sorted((Effect(*row) for row in rows), key=lambda effect: effect.id)

    def claim_doubtful(self, flow: str, limit: int, owner: str, now: datetime, lease: timedelta) -> list[Effect]:
        """Take effects in doubt whose time to ask has come."""
        at = stamp(now)
        some = self._some("flow = ? AND state = 'in_doubt' AND not_before <= ? AND lease_until <= ?")
        rows = self._db.query(
            f"UPDATE effect SET owner = ?, lease_until = ? WHERE {some} RETURNING {', '.join(COLUMNS)}",
            (owner, stamp(now + lease), flow, at, at, limit),
        )
        return sorted((Effect(*row) for row in rows), key=lambda effect: effect.id)

    def _some(self, condition: str) -> str:
        if self._db.dialect == "postgresql":
            # As an array the sub-query runs exactly once; as a list the planner may run it again and exceed the limit.
            picked = f"SELECT id FROM effect WHERE {condition} ORDER BY id LIMIT ? FOR UPDATE SKIP LOCKED"
            return f"id = ANY(ARRAY({picked}))"
        return f"id IN (SELECT id FROM effect WHERE {condition} ORDER BY id LIMIT ?)"

    def _free(self, condition: str) -> str:
        """Rows that nobody is changing. Waiting for them with some in hand would be a deadlock on PostgreSQL.

        They are looked at again: leases are renewed and recovered over and over.
        """
        if self._db.dialect == "postgresql":
            return f"id = ANY(ARRAY(SELECT id FROM effect WHERE {condition} FOR UPDATE SKIP LOCKED))"
        return condition

    def renew(self, claimed: Mapping[int, int], owner: str, now: datetime, lease: timedelta) -> set[int]:
        """Extend the lease of `claimed` effects (id to attempts when claimed); answers which are still ours.

        One that somebody is changing at this moment is left out; there is time to renew it later.
        """
        condition, ids = self._db.any_of("id", list(claimed))
        free = self._free(f"owner = ? AND state IN ('sending', 'in_doubt') AND {condition}")
        rows = self._db.query(
            f"UPDATE effect SET lease_until = ? WHERE {free} RETURNING id, attempts",
            (stamp(now + lease), owner, ids),
        )
        return {row[0] for row in rows if claimed[row[0]] == row[1]}

    def owners(self, flow: str) -> set[str]:
        """Who has effects of a flow under way."""
        return {
            row[0]
            for row in self._db.query(
                "SELECT DISTINCT owner FROM effect WHERE flow = ? AND state IN ('sending', 'in_doubt') AND owner <> ''",
                (flow,),
            )
        }

    def recover(
        self, flow: str, dead: Sequence[str], now: datetime, quiet: timedelta, repeatable: Sequence[str]
    ) -> int:
        """Effects of a flow that were *sending* under a lease that is over, or by an owner that is dead.

        What may be repeated is ready again; everything else is in doubt, to be asked after `quiet`.
        """
        at = stamp(now)
        gone, owners = self._db.any_of("owner", dead)
        kinds, operations = self._db.any_of("operation", repeatable)
        over = f"flow = ? AND state = 'sending' AND (lease_until < ? OR {gone})"
        freed = self._db.run(
            "UPDATE effect SET state = 'ready', owner = '', lease_until = '', updated_at = ?, unconfirmed = "
            "CASE WHEN operation = 'balance' OR unconfirmed <> '' THEN unconfirmed ELSE sent END "
            f"WHERE {self._free(f'{over} AND {kinds}')}",
            (at, flow, at, owners, operations),
        )
        doubted = self._db.run(
            "UPDATE effect SET state = 'in_doubt', owner = '', lease_until = '', not_before = ?, updated_at = ?, "
            "message = 'The sending process ended before the answer was kept.' "
            f"WHERE {self._free(f'{over} AND NOT ({kinds})')}",
            (stamp(now + quiet), at, flow, at, owners, operations),
        )
        doubtful = self._free(f"flow = ? AND state = 'in_doubt' AND {gone}")
        self._db.run(f"UPDATE effect SET owner = '', lease_until = '' WHERE {doubtful}", (flow, owners))
        return freed + doubted

    def let_go(self, effect: Effect) -> None:
        """Give a claimed effect in doubt back, unchanged."""
        self._db.run(
            "UPDATE effect SET owner = '', lease_until = '' WHERE id = ? AND owner = ? AND attempts = ? "
            "AND state = 'in_doubt'",
            (effect.id, effect.owner, effect.attempts),
        )

    def hold(self, flow: str, until: datetime) -> None:
        """No effect of a flow that is ready leaves before `until`: the vendor said so, or is in trouble.

        One that is being changed at this moment may: the vendor says it once more then.
        """
        at = stamp(until)
        ready = self._free("flow = ? AND state = 'ready' AND not_before < ?")
        self._db.run(f"UPDATE effect SET not_before = ?, cause = '' WHERE {ready}", (at, flow, at))

    def wake(self, flow: str, ref: str, now: datetime) -> int:
        """Superseded effects of the records that `ref` names are ready again: what they waited for is known now."""
        return self._db.run(
            "UPDATE effect SET state = 'ready', message = '', not_before = '', updated_at = ?, unsent_since = ? "
            "WHERE flow = ? AND ref = ? AND state = 'superseded'",
            (stamp(now), stamp(now), flow, ref),
        )

    # -- settling ----------------------------------------------------------------------------------

    def send_stock(self, effects: Sequence[Effect], values: Mapping[str, Decimal]) -> list[Effect]:
        """What claimed effects of stock really send, by key: noted before it leaves, in case its answer is lost."""
        sending = []
        for effect in effects:
            value = values[effect.key]
            text, most = (
                format(each.normalize(), "f") for each in (value, max(value, Decimal(effect.unconfirmed or 0)))
            )
            sending.append((attrs.evolve(effect, sent=text, wanted=text), most))
        self._db.many(
            "UPDATE effect SET sent = ?, wanted = ?, unconfirmed = ?, "
            f"drift = CASE drift WHEN {DRIFTED} THEN {RETOLD} WHEN {PUT_BACK} THEN {BACK_RETOLD} ELSE drift END "
            "WHERE id = ? AND owner = ? AND attempts = ? AND state = 'sending'",
            [(each.sent, each.sent, most, each.id, each.owner, each.attempts) for each, most in sending],
        )
        return [each for each, _ in sending]

    def catch_up(self, effect: Effect) -> Effect:
        """A claimed effect as it is wanted by now: its record has changed before it was read to be sent.

        What was approved was the older state. Read the record after this, in the same transaction: no page can come
        between the two.
        """
        rows = self._db.query(
            "UPDATE effect SET sent = wanted WHERE id = ? AND owner = ? AND attempts = ? AND state = 'sending' "
            "RETURNING wanted, approval",
            (effect.id, effect.owner, effect.attempts),
        )
        return attrs.evolve(effect, sent=rows[0][0], wanted=rows[0][0], approval=rows[0][1]) if rows else effect

    def done(
        self, effect: Effect, external_id: str, number: str, document: str | None, run: int, now: datetime,
        message: str = "", again: datetime | None = None,
    ) -> bool:  # fmt: skip
        """It was done. False when the row was taken from us meanwhile; the caller still keeps the binding.

        With `again` it is sent once more then, unless a newer state is wanted or the target has changed by itself
        meanwhile: then it is sent at once.
        """
        at, message, later = stamp(now), clean(message), stamp(again) if again else ""
        state, same = "ready" if again else "done", f"wanted = sent AND NOT {_MOVED}"
        held = self._db.run(
            f"UPDATE effect SET state = CASE WHEN {same} THEN '{state}' ELSE 'ready' END, "
            "done = sent, external_id = ?, number = ?, sent_document = ?, message = ?, cause = '', path = '', "
            f"gap = NULL, owner = '', lease_until = '', not_before = CASE WHEN {same} THEN ? ELSE '' END, "
            f"drift = CASE WHEN {_MOVED} THEN drift ELSE 0 END, "
            "job = '', unconfirmed = '', failures = 0, updated_at = ?, unsent_since = ? "
            "WHERE id = ? AND sent = ? AND state IN ('sending', 'in_doubt', 'submitted')",
            (external_id, clean(number), document, message, later, at, at, effect.id, effect.sent),
        )
        self.note(effect.id, run, "done", message, now)
        return held == 1

    def found(self, effect: int, external_id: str, number: str, message: str, now: datetime) -> bool:
        """A comparison found it on the target: it is done, whatever it waited for. False while it is being sent.

        What is there is what was sent; a newer state that is wanted by now has yet to be told.
        """
        held = self._db.run(
            "UPDATE effect SET state = CASE WHEN sent IN ('', wanted) THEN 'done' ELSE 'ready' END, "
            "done = CASE sent WHEN '' THEN wanted ELSE sent END, sent = CASE sent WHEN '' THEN wanted ELSE sent END, "
            "external_id = ?, number = ?, "
            "message = ?, cause = '', path = '', gap = NULL, owner = '', lease_until = '', not_before = '', job = '', "
            "unconfirmed = '', failures = 0, drift = 0, updated_at = ? WHERE id = ? AND state <> 'sending'",
            (external_id, clean(number), message, stamp(now), effect),
        )
        if held:
            self.note(effect, 0, "done", message, now)
        return held == 1

    def submitted(
        self, effect: Effect, job: str, document: str | None, until: datetime, run: int, now: datetime
    ) -> None:
        """The vendor took `document` into an import job; ask from `until` on."""
        self._move(effect, "submitted", run, now, job=job, sent_document=document, not_before=stamp(until))

    def ask_later(self, effect: Effect, until: datetime, message: str, *, failed: bool = False) -> None:
        """The import job of a submitted effect still runs, or could not be asked because that `failed`."""
        self._db.run(
            "UPDATE effect SET not_before = ?, message = ?, failures = failures + ? "
            "WHERE id = ? AND job = ? AND state = 'submitted'",
            (stamp(until), clean(message), int(failed), effect.id, effect.job),
        )

    def ready_again(
        self, effect: Effect, until: datetime | None, message: str, run: int, now: datetime, cause: str = "", *,
        failed: bool = False, lost: bool = False,
    ) -> None:  # fmt: skip
        """It was not done and may be sent (again), not before `until`; `failed` when that was tried in vain.

        `lost` when it may have left without an answer: of stock that was noted before it left.
        """
        values = {"message": message, "not_before": stamp(until) if until else "", "cause": cause}
        if lost and effect.operation != "balance":
            values["unconfirmed"] = effect.unconfirmed or effect.sent
        self._move(effect, "ready", run, now, failed=failed, **values)

    def doubt(
        self, effect: Effect, until: datetime | None, message: str, run: int, now: datetime, *, failed: bool = False
    ) -> None:
        """The answer was lost; `failed` when it was asked for in vain. Without `until` only a person can decide."""
        far = "9999" if until is None else stamp(until)
        self._move(effect, "in_doubt", run, now, failed=failed, message=message, not_before=far)

    def park(
        self, effect: Effect, cause: str, message: str, path: str, gap: int | None, run: int, now: datetime
    ) -> bool:
        """A person or a mapping is needed. False when a newer state came meanwhile: nobody refused that, it is ready.

        What is in doubt stays parked all the same: it may be there already.
        """
        # It was refused: the target shows what it may have shown before.
        before = effect.unconfirmed
        self._move(effect, "parked", run, now, cause=cause, message=message, path=path, gap=gap, unconfirmed=before)
        return effect.state == "in_doubt" or not self._ready_if_newer(effect, "parked", run, now)

    def _ready_if_newer(self, effect: Effect, state: str, run: int, now: datetime) -> bool:
        """What was decided of an effect was not of a newer state that came meanwhile: that is ready."""
        newer = self._db.run(
            "UPDATE effect SET state = 'ready', cause = '', path = '', gap = NULL, not_before = '' "
            "WHERE id = ? AND attempts = ? AND sent = ? AND wanted <> sent AND state = ?",
            (effect.id, effect.attempts, effect.sent, state),
        )
        if newer:
            self.note(effect.id, run, "ready", "A newer state came meanwhile.", now)
        return newer > 0

    def await_approval(self, effect: Effect, message: str, run: int, now: datetime) -> None:
        """A person has to approve what would be sent."""
        self._move(effect, "awaiting", run, now, message=message)
        self._ready_if_newer(effect, "awaiting", run, now)

    def supersede(self, effect: Effect, message: str, run: int, now: datetime, *, whole: bool = False) -> None:
        """The record no longer asks for it; `whole` when its return to what was wanted asks for it again."""
        values = {"message": message, "wanted": ""} if whole else {"message": message}
        self._move(effect, "superseded", run, now, failed=False, **values)
        if effect.state == "sending" and not whole:
            self._ready_if_newer(effect, "superseded", run, now)

    def _move(
        self, effect: Effect, state: str, run: int, now: datetime, *, failed: bool = False, **values: Any
    ) -> None:  # fmt: skip
        columns = {"message": "", "owner": "", "lease_until": "", "failures": effect.failures + failed, **values}
        columns = {name: clean(value) if isinstance(value, str) else value for name, value in columns.items()}
        sets = ", ".join(f"{column} = ?" for column in columns)
        held = self._db.run(
            f"UPDATE effect SET state = ?, {sets}, updated_at = ? WHERE id = ? AND owner = ? AND attempts = ? "
            "AND state IN ('sending', 'in_doubt', 'submitted')",
            (state, *columns.values(), stamp(now), effect.id, effect.owner, effect.attempts),
        )
        if held:
            self.note(effect.id, run, state, str(columns["message"]), now)
