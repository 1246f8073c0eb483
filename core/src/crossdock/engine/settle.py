"""Settling effects: what happens next after an answer, an error, or none; and what is under way meanwhile."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import attrs
import msgspec

from crossdock.engine.bench import HEARTBEAT, LEASE, Bench, Opened, Report, describe, pause_connection
from crossdock.engine.route import REPEATABLE, hold_anew
from crossdock.engine.stock import lock_stock
from crossdock.engine.translate import Tables
from crossdock.engine.turns import Turns
from crossdock.errors import (
    AccessError,
    ConnectorError,
    CrossdockError,
    Gap,
    OutcomeUnknownError,
    RecordError,
    StoreError,
    TransientError,
    asked_wait,
)
from crossdock.http.delivery import Marker
from crossdock.session import Receipt
from crossdock.store.config import FlowRow
from crossdock.store.database import unstamp
from crossdock.store.ledger import Effect
from crossdock.store.records import Bound, Prepared, cause_of

FIRST_BACKOFF = 5.0
_LONGEST_BACKOFF = 900.0
_LONGEST_FOR_STOCK = 120.0  # when a shop is back, it must not go on selling for long what there is no more
_ONCE_MORE = "It is sent once more later: an earlier answer was lost, and what was sent then may arrive after this."
_ENOUGH = 5  # transient errors in a row that tell of a system in trouble and not of a bad moment
BATCHED = ("product", "price", "balance")
SEVERAL = "exists several times"
GAPS = "gaps"
BINDINGS = "bindings"
_NEVER = datetime.max.replace(tzinfo=UTC)

Told = tuple[Effect, str, Receipt | None]


@attrs.define
class Delivered:
    """What a push did: effects by the state they ended in."""

    done: int = 0
    parked: int = 0
    in_doubt: int = 0
    postponed: int = 0
    submitted: int = 0
    awaiting: int = 0
    superseded: int = 0
    requests: int = 0

    def as_dict(self) -> dict[str, int]:
        """The counts for the journal and for people."""
        return attrs.asdict(self)


def recognise(bench: Bench, connection: str, rows: Sequence[Prepared]) -> None:
    """Orders read at a target that carry our key settle the doubt whether they are there.

    Runs inside the transaction of their page, alone with the stock of the target.
    """
    flows = {flow.name: flow for flow in bench.store.config.flows_into(connection, "orders")}
    doubtful = bench.store.effects.doubtful_orders(flows) if flows else {}
    if not doubtful:
        return
    for row in rows:
        effect = doubtful.get(row.record.references.get("external", ""))
        if effect is None:
            continue
        text, number = "It was read at the target after the answer had been lost.", row.record.number
        if bench.store.effects.found(effect.id, row.key, number, text, bench.clock.now()):
            bind(bench, Bound(effect.source, effect.stream, effect.key, connection, row.key, number), effect.sent)
            hold_anew(bench, flows[effect.flow], [effect.key])  # it may have changed while it was in doubt


UNBOUND = ("accept", "status")
"""Operations on what exists already: they make nothing that could be bound."""


def bind(bench: Bench, bound: Bound, part: str | None = None) -> None:
    """Keep where a record exists, and wake what waited to know it; inside a transaction.

    Shipments of an order may be read before the order's own answer is kept: they were set aside and go on now. What an
    order takes is held until the stock of the system that has it now is read anew; `part` says which of its states
    that system has (`None`: the present one).
    """
    store, now = bench.store, bench.clock.now()
    store.records.bind(bound, now)
    if bound.stream != "orders":
        return
    store.holds.settle(bound.source, bound.connection, bound.source_key, now, part)
    for stream in ("shipments", "statuses"):
        for flow in store.config.flows_between(bound.connection, bound.source, stream):
            store.database.serialize(BINDINGS)
            store.effects.wake(flow.name, bound.external_id, now)


def idempotency_key(effect: Effect) -> str:
    """The key under which a record is created on the target, the same for every attempt and every worker.

    It is the source connection and the record's key there, so it survives a flow that is renamed or made again.
    """
    return f"{effect.source}-{effect.key}"


class Settling:
    """What the deliveries of one push share: counts, leases, and the ways in which an effect can end."""

    def __init__(self, bench: Bench, flow: FlowRow, report: Report | None) -> None:
        self.bench = bench
        self.flow = flow
        self.report = report
        self.opened: Opened = bench.open(flow.writes_to)
        self.counts = Delivered()
        self.number = 0
        self.tables: Tables = {}
        self._slots = threading.Semaphore(self.opened.connector.info.push_concurrency)
        self.error: CrossdockError | None = None
        self.trouble = ""
        self._held_until: datetime | None = None
        self._troubles = 0
        # By effect and attempt: what another worker took may be claimed anew while the lost attempt still ends.
        self._under_way: dict[tuple[int, int], Marker] = {}
        self._lock = threading.Lock()
        self._catching_up = threading.Lock()
        self._turns = Turns()
        self._caught_up = datetime.min.replace(tzinfo=UTC)
        self._dice = random.Random()  # noqa: S311  jitter, not cryptography

    # -- what is under way -------------------------------------------------------------------------

    def _beat(self, stop: threading.Event) -> None:
        while not stop.wait(HEARTBEAT):
            with contextlib.suppress(StoreError):
                self._renew()
                self.bench.store.journal.lives(self.number, self.bench.clock.now())

    def _renew(self) -> None:
        """Extend the leases of what is under way, and with them the time until which it may be sent."""
        with self._lock:
            under_way = dict(self._under_way)
        if not under_way:
            return
        now = self.bench.clock.now()
        claimed: dict[int, int] = {}
        for number, attempts in under_way:
            claimed[number] = max(attempts, claimed.get(number, 0))
        renewed = self.bench.store.effects.renew(claimed, self.bench.owner, now, LEASE)
        kept = {(number, claimed[number]) for number in renewed}
        lost = {id(marker) for key, marker in under_way.items() if key not in kept}
        for marker in under_way.values():
            if id(marker) not in lost:
                marker.until = now + LEASE

    def _take(self, effects: Sequence[Effect]) -> None:
        with self._lock:
            for effect in effects:
                self._under_way[effect.id, effect.attempts] = Marker(unstamp(effect.lease_until))

    def _drop(self, effects: Sequence[Effect]) -> None:
        with self._lock:
            for effect in effects:
                self._under_way.pop((effect.id, effect.attempts), None)

    def _marker(self, effects: Sequence[Effect]) -> Marker:
        """One marker for effects that leave together; leases that are half over are renewed first."""
        with self._lock:
            until = min(self._under_way[effect.id, effect.attempts].until or _NEVER for effect in effects)
            marker = Marker(until)
            for effect in effects:
                self._under_way[effect.id, effect.attempts] = marker
        if until - self.bench.clock.now() < LEASE / 2:
            self._renew()
        return marker

    def _not_now(self, effects: Sequence[Effect]) -> bool:
        """Give effects back that were claimed before the push came to a stop."""
        if self.error is not None:
            self._postpone(effects, None, "The push ended before its turn.")
        elif self._held_until is not None:
            self._postpone(effects, self._held_until, "The target asked to wait, or was in trouble, before its turn.")
        else:
            return False
        return True

    # -- what is known -----------------------------------------------------------------------------

    def _fail(self, error: CrossdockError) -> None:
        with self._lock:
            self.error = self.error or error

    def _count(self, state: str, number: int = 1) -> None:
        with self._lock:
            setattr(self.counts, state, getattr(self.counts, state) + number)

    def _repeats(self, effect: Effect) -> bool:
        """Whether sending an effect twice is doing it once, so that a lost answer needs no question."""
        if effect.operation in REPEATABLE:
            return True
        if effect.operation != "order":
            return False
        return self.opened.connector.info.create_is_idempotent or self._known(effect) is not None

    def _known(self, effect: Effect) -> Receipt | None:
        bound = self.bench.store.records.bound(effect.source, effect.stream, [effect.key], effect.target)
        found = bound.get(effect.key)
        return Receipt(external_id=found.external_id, number=found.number) if found else None

    @property
    def _find_hook(self) -> str:
        return "find_shipment" if self.flow.stream == "shipments" else "find_order"

    def _quiet(self) -> timedelta:
        override = self.bench.find_after
        return self.opened.connector.info.find_after if override is None else override

    # -- settling ----------------------------------------------------------------------------------

    def _done(self, effect: Effect, receipt: Receipt, document: str | None, message: str = "") -> None:
        with self.bench.store.transaction():
            if effect.operation == "order":
                lock_stock(self.bench, effect.target)
            told = self._keep_done(effect, receipt, document, message, bound=effect.operation not in UNBOUND)
        self._troubles = 0
        self._tell_all([told])

    def _keep_done(self, effect: Effect, receipt: Receipt, document: str | None, message: str, *, bound: bool) -> Told:
        now = self.bench.clock.now()
        again = now + self._quiet() if self._may_arrive_late(effect) else None
        message = _ONCE_MORE if again else message or receipt.note
        self.bench.store.effects.done(
            effect, receipt.external_id, receipt.number, document, self.number, now, message, again
        )
        if bound:
            bind(
                self.bench,
                Bound(effect.source, effect.stream, effect.key, effect.target, receipt.external_id, receipt.number),
                effect.sent,
            )
            if effect.operation == "order":
                # It may have changed while it was sent: what it takes by now is held on.
                hold_anew(self.bench, self.flow, [effect.key])
        return effect, "done", receipt

    def _may_arrive_late(self, effect: Effect) -> bool:
        """Whether what was sent before got no answer: a slow system may still write it over the newer state."""
        if not effect.unconfirmed:
            return False
        if effect.operation == "balance":
            # While an import runs its own value counts as unconfirmed, too; more than that was sent by an earlier one.
            return effect.state == "sending" or Decimal(effect.unconfirmed) > Decimal(effect.sent)
        return effect.state == "sending" and effect.unconfirmed != effect.sent and self._repeats(effect)

    def _failed(self, effect: Effect, error: ConnectorError) -> None:
        """Settle by what has to happen next."""
        text = describe(error)
        if isinstance(error, AccessError):
            pause_connection(self.bench, self.flow.writes_to, error)
            self._fail(error)
            self._postpone([effect], None, text)
        elif isinstance(error, OutcomeUnknownError) and not self._repeats(effect):
            self._doubt(effect, text, forever=not self.opened.connector.can(self._find_hook))
        elif isinstance(error, OutcomeUnknownError | TransientError):
            self._wait_after([effect], effect, error)
        elif isinstance(error, RecordError):
            self._park(effect, cause_of(error), text, error.path, error.gap)
        else:
            self._park(effect, cause_of(error), text, "", None)

    def _wait_after(self, effects: Sequence[Effect], first: Effect, error: ConnectorError) -> None:
        """Postpone after passing trouble; what the vendor asked for, or trouble that lasts, holds the whole flow."""
        wait = self._backoff(first, error)
        until = self.bench.clock.now() + wait
        asked = asked_wait(error) is not None
        self.trouble = describe(error)
        self._postpone(effects, until, self.trouble, failed=not asked, lost=not asked)
        with self._lock:
            self._troubles += 1
            lasting = asked or self._troubles >= _ENOUGH
            if lasting:
                self._held_until = max(self._held_until, until) if self._held_until else until
        if lasting:
            with self.bench.store.transaction():
                self.bench.store.effects.hold(self.flow.name, until)

    def _backoff(self, effect: Effect, error: ConnectorError | None) -> timedelta:
        if (asked := asked_wait(error)) is not None:
            return asked + timedelta(seconds=self._dice.uniform(0, 1))
        longest = _LONGEST_FOR_STOCK if self.flow.stream == "balance" else _LONGEST_BACKOFF
        base = min(FIRST_BACKOFF * 2 ** min(effect.failures, 10), longest)
        return timedelta(seconds=base * self._dice.uniform(0.75, 1.25))

    def _postpone(
        self, effects: Sequence[Effect], until: datetime | None, message: str, cause: str = "", *, failed: bool = False,
        lost: bool = False,
    ) -> None:  # fmt: skip
        now = self.bench.clock.now()
        with self.bench.store.transaction():
            if self.flow.stream == "balance":
                lock_stock(self.bench, self.flow.source)
            for effect in sorted(effects, key=lambda effect: effect.key):
                self.bench.store.effects.ready_again(
                    effect, until, message, self.number, now, cause, failed=failed, lost=lost
                )
        self._count("postponed", len(effects))

    def _doubt(self, effect: Effect, message: str, *, wait: timedelta | None = None, forever: bool = False) -> None:
        now = self.bench.clock.now()
        until = None if forever else now + (self._quiet() if wait is None else wait)
        with self.bench.store.transaction():
            self.bench.store.effects.doubt(effect, until, message, self.number, now, failed=wait is not None)
        self._count("in_doubt")
        self._tell(effect, "in_doubt", None)

    def _park(self, effect: Effect, cause: str, message: str, path: str, gap: Gap | None) -> None:
        with self.bench.store.transaction():
            told = self._keep_parked(effect, cause, message, path, gap)
        self._tell_all([told])

    def _keep_parked(self, effect: Effect, cause: str, message: str, path: str, gap: Gap | None) -> Told:
        store, now = self.bench.store, self.bench.clock.now()
        number = None
        if gap is not None:
            store.database.serialize(GAPS)
            gap = self._at_source(effect, gap)
            mapped = store.gaps.target(self.flow.name, gap.kind, gap.value)
            if mapped is not None and mapped != self.tables.get(gap.kind, {}).get(gap.value):
                # It was closed while this one was on its way.
                self.tables = store.gaps.tables(self.flow.name)
                store.effects.ready_again(effect, None, message, self.number, now)
                return effect, "postponed", None
            number = store.gaps.open(self.flow.name, gap.kind, gap.value, now)
        parked = store.effects.park(effect, cause, message, path, number, self.number, now)
        return effect, "parked" if parked else "postponed", None

    def _at_source(self, effect: Effect, gap: Gap) -> Gap:
        """A gap names the code as the source writes it, although the connector saw what the tables made of it."""
        codes = [code for code, mapped in self.tables.get(gap.kind, {}).items() if mapped == gap.value]
        if len(codes) > 1:
            stored = self.bench.store.records.get(effect.source, effect.stream, effect.key)
            text = stored.document if stored else ""
            codes = [code for code in codes if msgspec.json.encode(code).decode() in text]
        return Gap(gap.kind, codes[0]) if codes else gap

    def _await(self, effect: Effect, message: str) -> None:
        now = self.bench.clock.now()
        with self.bench.store.transaction():
            self.bench.store.effects.await_approval(effect, message, self.number, now)
        self._count("awaiting")

    def _supersede(self, effect: Effect, message: str) -> None:
        now = self.bench.clock.now()
        with self.bench.store.transaction():
            self.bench.store.effects.supersede(effect, message, self.number, now)
        self._count("superseded")

    def _tell_all(self, told: Sequence[Told]) -> None:
        """Count what was settled and tell the observers, after the transaction."""
        for effect, state, receipt in told:
            self._count(state)
            if state in ("done", "parked"):
                self._tell(effect, state, receipt)

    def _tell(self, effect: Effect, state: str, receipt: Receipt | None) -> None:
        self.bench.ambient.tell("effect_settled", flow=effect.flow, key=effect.key, state=state, receipt=receipt)
