"""Delivering effects: claim, send, settle; and ask before anything is sent a second time."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import attrs

from crossdock.engine.bench import HEARTBEAT, LEASE, Bench, Opened, Report, describe, pause_connection
from crossdock.engine.route import DEAD, REPEATABLE, published_stock
from crossdock.engine.translate import Tables, translate
from crossdock.errors import (
    AccessError,
    ConnectorError,
    CrossdockError,
    Gap,
    LeaseLostError,
    OutcomeUnknownError,
    RecordError,
    StoreError,
    TransientError,
    UnsupportedError,
    UsageError,
)
from crossdock.http.client import Marker, delivery
from crossdock.records import Order, Shipment, to_document
from crossdock.session import Outcome, Receipt, StillRunning
from crossdock.store.config import FlowRow
from crossdock.store.database import unstamp
from crossdock.store.effects import Effect
from crossdock.store.leases import is_dead
from crossdock.store.records import Bound, cause_of

_FIRST_BACKOFF = 5.0
_LONGEST_BACKOFF = 3600.0
BATCHED = ("product", "price", "balance")


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


@attrs.frozen
class Pushed:
    """The result of a push."""

    run: int
    flow: str
    state: str
    counts: Delivered
    error: CrossdockError | None = None
    next_at: str | None = None


def push(bench: Bench, flow: FlowRow, *, patience: timedelta = timedelta(0), report: Report | None = None) -> Pushed:
    """Deliver what is ready in a flow.

    `patience` is how long to stay for effects that wait for their time (back-off, in doubt); zero delivers what is due
    now. An access error pauses the target's connection and ends the push; nothing is lost.
    """
    if flow.mode != "live":
        raise UsageError(
            f"The flow {flow.name} is in {flow.mode} mode, nothing is sent.",
            hint=f"See what it would do: crossdock flow show {flow.name}; then: crossdock flow live {flow.name}",
        )
    return _Push(bench, flow, report).run(patience)


def idempotency_key(effect: Effect) -> str:
    """The key under which a record is created on the target, the same for every attempt and every worker.

    It is the source connection and the record's key there, so it survives a flow that is renamed or made again.
    """
    return f"{effect.source}-{effect.key}"


class _Push:
    """One run over one flow."""

    def __init__(self, bench: Bench, flow: FlowRow, report: Report | None) -> None:
        self.bench = bench
        self.flow = flow
        self.report = report
        self.opened: Opened = bench.open(flow.target)
        self.counts = Delivered()
        self.number = 0
        self.tables: Tables = {}
        self.error: CrossdockError | None = None
        self._lock = threading.Lock()
        self._dice = random.Random()  # noqa: S311  jitter, not cryptography

    # -- the loop ----------------------------------------------------------------------------------

    def run(self, patience: timedelta) -> Pushed:
        bench, flow, store = self.bench, self.flow, self.bench.store
        self.number = store.journal.begin("push", bench.clock.now(), connection=flow.target, flow=flow.name)
        self.tables = store.gaps.tables(flow.name)
        calls = self.opened.session.http.count
        stop = threading.Event()
        threading.Thread(target=self._beat, args=(stop,), name="heartbeat", daemon=True).start()
        deadline = bench.clock.now() + patience
        state = "done"
        try:
            while not bench.clock.stopping:
                self._recover()
                self._round()
                if self.error is not None:
                    state = "failed"
                    break
                due = unstamp(self._next())
                if due is None or due > deadline:
                    break
                bench.clock.sleep(max((due - bench.clock.now()).total_seconds(), 0.01))
            else:
                state = "stopped"
        except CrossdockError as error:
            self.error, state = error, "failed"
        finally:
            stop.set()
        self.counts.requests = self.opened.session.http.count - calls
        self.opened.flush()
        store.journal.end(self.number, state, self.counts.as_dict(), str(self.error or ""), bench.clock.now())
        return Pushed(self.number, flow.name, state, self.counts, self.error, self._next())

    def _next(self) -> str | None:
        due = self.bench.store.effects.next_due(self.flow.name)
        if due is None or due.startswith("9999"):
            return None
        return due or "1970-01-01T00:00:00.000000Z"

    def _beat(self, stop: threading.Event) -> None:
        while not stop.wait(HEARTBEAT):
            try:
                self.bench.store.effects.renew(self.bench.owner, self.bench.clock.now(), LEASE)
            except StoreError:
                return

    def _recover(self) -> None:
        """What dead or silent workers left behind as *sending*."""
        effects = self.bench.store.effects
        dead = [owner for owner in effects.owners() if is_dead(owner)]
        with self.bench.store.transaction():
            effects.recover(dead, self.bench.clock.now(), self._quiet(), REPEATABLE)

    def _quiet(self) -> timedelta:
        override = self.bench.find_after
        return self.opened.connector.info.find_after if override is None else override

    def _round(self) -> None:
        """Everything that is due now: jobs, doubts, then what is ready."""
        self._ask_jobs()
        info = self.opened.connector.info
        with ThreadPoolExecutor(info.push_concurrency, thread_name_prefix=f"push-{self.flow.name}") as pool:
            running: set[Future[None]] = set()
            for effect in self._claim_doubts():
                running.add(pool.submit(self._guarded, self._resolve, effect))
            more = True
            while running or more:
                # Twice the slots: the next ones are claimed while the present ones wait for the vendor.
                if more and len(running) < info.push_concurrency * 2:
                    jobs = self._claim_jobs(info.push_concurrency)
                    more = bool(jobs)
                    running |= {pool.submit(self._guarded, *job) for job in jobs}
                if not running:
                    break
                if not more or len(running) >= info.push_concurrency * 2:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    for each in done:
                        each.result()
                    if self.report:
                        self.report(self.counts.as_dict())
                if self.error is not None or self.bench.clock.stopping:
                    more = False

    def _claim_jobs(self, count: int) -> list[tuple[Any, ...]]:
        bench, batch = self.bench, self.opened.connector.info.write_batch
        batched = self._batched
        with bench.store.transaction():
            claimed = bench.store.effects.claim(
                self.flow.name, batch if batched else count, bench.owner, bench.clock.now(), LEASE
            )
        if not claimed:
            return []
        return [(self._deliver_batch, claimed)] if batched else [(self._deliver, effect) for effect in claimed]

    @property
    def _batched(self) -> bool:
        return self.flow.stream in ("products", "prices", "balance")

    def _claim_doubts(self) -> list[Effect]:
        with self.bench.store.transaction():
            return self.bench.store.effects.claim_doubtful(
                self.flow.name, 200, self.bench.owner, self.bench.clock.now(), LEASE
            )

    def _guarded(self, work: Any, item: Any) -> None:
        try:
            work(item)
        except LeaseLostError:
            return
        except CrossdockError as error:
            with self._lock:
                self.error = self.error or error

    def _count(self, state: str, number: int = 1) -> None:
        with self._lock:
            setattr(self.counts, state, getattr(self.counts, state) + number)

    # -- one record at a time ----------------------------------------------------------------------

    def _deliver(self, effect: Effect) -> None:
        """Send one claimed effect and settle it, whatever happens."""
        if self.error is not None:
            self._postpone(effect, None, "The push ended before its turn.")
            return
        marker = Marker(unstamp(effect.lease_until))
        token = delivery.set(marker)
        try:
            self._send(effect)
        except ConnectorError as error:
            if marker.accepted and not isinstance(error, OutcomeUnknownError):
                error = OutcomeUnknownError(f"It was accepted, but the answer could not be used: {error}")
            self._failed(effect, error)
        except CrossdockError as error:
            # A connector that breaks may have sent already: the ledger asks before it sends again.
            if marker.accepted or self.opened.connector.can(self._find_hook):
                self._doubt(effect, str(error))
            else:
                self._park(effect, cause_of(error), str(error), "", None)
            raise
        finally:
            delivery.reset(token)

    def _send(self, effect: Effect) -> None:
        record = self._record(effect)
        if record is None:
            return
        key, session, connector = idempotency_key(effect), self.opened.session, self.opened.connector
        known = self._known(effect)
        if isinstance(record, Order):
            if record.status in DEAD and known is None:
                self._supersede(effect, f"It is {record.status} and was never handed on.")
                return
            if self._waits_for_approval(effect, record, key):
                return
            receipt = connector.push_order(session, record, key, known)
        elif isinstance(record, Shipment):
            order = self._order_of(effect, record)
            if order is None:
                return
            receipt = connector.push_shipment(session, record, order, key)
        else:
            receipt = connector.push_customer(session, record, key, known)
        self._done(effect, receipt, to_document(record).decode())

    def _record(self, effect: Effect) -> Any:
        """The newest state of the effect's record, translated; `None` when the effect was settled here."""
        stored = self.bench.store.records.get(effect.source, effect.stream, effect.key)
        if stored is None:
            self._supersede(effect, "Its record is no longer in the store.")
            return None
        return translate(self.bench, self.flow, self.tables, stored.record)

    def _known(self, effect: Effect) -> Receipt | None:
        bound = self.bench.store.records.bound(effect.source, effect.stream, [effect.key], effect.target)
        found = bound.get(effect.key)
        return Receipt(external_id=found.external_id, number=found.number) if found else None

    def _order_of(self, effect: Effect, shipment: Shipment) -> Order | None:
        """The target's own order that a shipment belongs to, along the binding."""
        records = self.bench.store.records
        origins = records.origins(effect.source, "orders", [shipment.order_key]).get(shipment.order_key, [])
        bound = next((each for each in origins if each.source == effect.target), None)
        if bound is None:
            self._supersede(effect, f"Its order {shipment.order_key} did not come from {effect.target}.")
            return None
        stored = records.get(effect.target, "orders", bound.source_key)
        if stored is None:
            raise RecordError(
                f"The order {bound.source_key} of {effect.target} is not in the store.",
                hint=f"crossdock sync {effect.target} orders --key {bound.source_key}",
            )
        order: Order = stored.record
        return order

    def _waits_for_approval(self, effect: Effect, order: Order, key: str) -> bool:
        limit = self.flow.options.approve_above
        if self.opened.connector.info.binding_orders:
            preview = self.opened.connector.preview_order(self.opened.session, order, key)
            if preview.problems:
                raise RecordError(" ".join(preview.problems))
            if effect.approval == preview.hash:
                return False
            self._await(effect, f"Preview {preview.hash[:12]}: {preview.total} {preview.currency}.")
            return True
        if limit and order.total > Decimal(limit) and not effect.approval:
            self._await(effect, f"{order.total} {order.currency} is above {limit}.")
            return True
        return False

    # -- asking ------------------------------------------------------------------------------------

    @property
    def _find_hook(self) -> str:
        return "find_shipment" if self.flow.stream == "shipments" else "find_order"

    def _resolve(self, effect: Effect) -> None:
        """An effect in doubt: ask the target; absent means it may be sent, present means it is done."""
        if self.error is not None:
            return
        if not self.opened.connector.can(self._find_hook):
            self._doubt(effect, f"{effect.target} cannot be asked; a person decides.", forever=True)
            return
        if self._known(effect) is not None:
            self._postpone(effect, None, "It exists; the update sets absolute values and is sent again.")
            return
        try:
            found = self._find(effect)
        except AccessError as error:
            self._failed(effect, error)
            return
        except ConnectorError as error:
            self._doubt(effect, f"It could not be asked for: {describe(error)}", wait=self._backoff(effect, error))
            return
        if found is None:
            return
        if not found:
            self._postpone(effect, None, "It was looked for and is not there, so it is sent again.")
        elif len(found) == 1:
            self._done(effect, found[0], None, "It was found after the answer had been lost.")
            self._wake_shipments(found[0].external_id)
        else:
            ids = ", ".join(receipt.number or receipt.external_id for receipt in found)
            self._park(effect, "exists several times", f"{effect.target} has it {len(found)} times: {ids}.", "", None)

    def _find(self, effect: Effect) -> Sequence[Receipt] | None:
        key, session, connector = idempotency_key(effect), self.opened.session, self.opened.connector
        if self.flow.stream != "shipments":
            return connector.find_order(session, key)
        shipment = self._record(effect)
        order = self._order_of(effect, shipment) if shipment is not None else None
        return None if order is None else connector.find_shipment(session, shipment, order, key)

    def _wake_shipments(self, external_id: str) -> None:
        """Shipments that came before the binding was known."""
        store = self.bench.store
        for flow in store.config.flows():
            if flow.stream == "shipments" and flow.source == self.flow.target and flow.target == self.flow.source:
                waiting = store.effects.find(flow=flow.name, states=("superseded",), limit=100_000)
                ids = [each.id for each in waiting if each.ref == external_id]
                store.effects.set_state(ids, "ready", self.bench.clock.now(), when=("superseded",))

    # -- many records at a time --------------------------------------------------------------------

    def _deliver_batch(self, claimed: list[Effect]) -> None:
        """Send claimed effects of one kind in one call; a batch that fails as a whole is taken apart."""
        if self.error is not None:
            for effect in claimed:
                self._postpone(effect, None, "The push ended before its turn.")
            return
        items = self._items(claimed)
        if not items:
            return
        try:
            outcomes = self._push_many([record for _, record in items])
        except RecordError as error:
            if len(items) == 1:
                self._failed(items[0][0], error)
                return
            for effect, _ in items:
                self._deliver_batch([effect])
            return
        except ConnectorError as error:
            for effect, _ in items:
                self._failed(effect, error)
            return
        except CrossdockError as error:
            for effect, _ in items:
                self._park(effect, cause_of(error), str(error), "", None)
            raise
        self._settle_batch(items, outcomes)

    def _items(self, claimed: Sequence[Effect]) -> list[tuple[Effect, Any]]:
        store, flow = self.bench.store, self.flow
        if flow.stream == "balance":
            current: dict[str, Any] = dict(published_stock(self.bench, flow, [effect.key for effect in claimed]))
        else:
            found = store.records.get_many(flow.source, flow.stream, [effect.key for effect in claimed])
            current = {key: stored.record for key, stored in found.items()}
        items = []
        for effect in claimed:
            record = current.get(effect.key)
            if record is None:
                self._supersede(effect, "Its record is no longer in the store.")
                continue
            try:
                items.append((effect, translate(self.bench, flow, self.tables, record)))
            except ConnectorError as error:
                self._failed(effect, error)
        return items

    def _push_many(self, records: Sequence[Any]) -> list[Outcome]:
        connector, session = self.opened.connector, self.opened.session
        if self.flow.stream == "balance":
            return connector.push_balance(session, records)
        if self.flow.stream == "prices":
            return connector.push_prices(session, records)
        return connector.push_products(session, records)

    def _settle_batch(self, items: Sequence[tuple[Effect, Any]], outcomes: Sequence[Outcome]) -> None:
        by_key = {outcome.key: outcome for outcome in outcomes}
        with self.bench.store.transaction():
            for effect, record in items:
                outcome = by_key.get(record.key)
                if outcome is None:
                    self._park(
                        effect, "no outcome", f"{self.opened.connector.name} answered no outcome for it.", "", None
                    )
                else:
                    self._settle_outcome(effect, record, outcome)

    def _settle_outcome(self, effect: Effect, record: Any, outcome: Outcome) -> None:
        now = self.bench.clock.now()
        if outcome.state == "done":
            receipt = Receipt(external_id=outcome.external_id or effect.key, note=outcome.message)
            self._done(effect, receipt, to_document(record).decode() if record else None, outcome.message)
        elif outcome.state == "submitted":
            self.bench.store.effects.submitted(effect, outcome.job, now + timedelta(seconds=30), self.number, now)
            self._count("submitted")
        else:
            self._failed(effect, RecordError(outcome.message or "The vendor refused it.", path=outcome.path,
                                             gap=outcome.gap))  # fmt: skip

    def _ask_jobs(self) -> None:
        """Import jobs of the vendor whose time to be asked has come."""
        for job, effects in self.bench.store.effects.jobs(self.flow.name, self.bench.clock.now()).items():
            try:
                answer = self.opened.connector.check_job(self.opened.session, job)
            except ConnectorError as error:
                for effect in effects:
                    self._failed(effect, error)
                continue
            if isinstance(answer, StillRunning):
                now = self.bench.clock.now()
                for effect in effects:
                    until = now + timedelta(seconds=answer.wait)
                    self.bench.store.effects.submitted(effect, job, until, self.number, now)
                continue
            by_key = {outcome.key: outcome for outcome in answer}
            for effect in effects:
                outcome = by_key.get(effect.key)
                if outcome is None:
                    self._park(effect, "no outcome", f"The report of job {job} does not name it.", "", None)
                else:
                    self._settle_outcome(effect, None, outcome)

    # -- settling ----------------------------------------------------------------------------------

    def _done(self, effect: Effect, receipt: Receipt, document: str | None, message: str = "") -> None:
        store, now = self.bench.store, self.bench.clock.now()
        with store.transaction():
            store.effects.done(
                effect, receipt.external_id, receipt.number, document, self.number, now, message or receipt.note
            )
            if effect.operation not in BATCHED:
                store.records.bind(
                    Bound(effect.source, effect.stream, effect.key, effect.target, receipt.external_id, receipt.number),
                    now,
                )
        self._count("done")
        self._tell(effect, "done", receipt)

    def _failed(self, effect: Effect, error: ConnectorError) -> None:
        """Settle by what has to happen next."""
        text = describe(error)
        if isinstance(error, AccessError):
            pause_connection(self.bench, self.flow.target, error)
            self._postpone(effect, None, text)
            with self._lock:
                self.error = self.error or error
        elif isinstance(error, OutcomeUnknownError):
            info = self.opened.connector.info
            if info.create_is_idempotent or self._known(effect) is not None or effect.operation in REPEATABLE:
                self._postpone(effect, self._backoff(effect, None), text)
            else:
                self._doubt(effect, text, forever=not self.opened.connector.can(self._find_hook))
        elif isinstance(error, TransientError):
            self._postpone(effect, self._backoff(effect, error), text)
        elif isinstance(error, UnsupportedError):
            self._park(effect, cause_of(error), text, "", None)
        else:
            gap = error.gap if isinstance(error, RecordError) else None
            path = error.path if isinstance(error, RecordError) else ""
            self._park(effect, cause_of(error), text, path, gap)

    def _backoff(self, effect: Effect, error: ConnectorError | None) -> timedelta:
        if isinstance(error, TransientError) and error.wait is not None:
            return error.wait + timedelta(seconds=self._dice.uniform(0, 1))
        base = min(_FIRST_BACKOFF * 2 ** min(max(effect.attempts - 1, 0), 10), _LONGEST_BACKOFF)
        return timedelta(seconds=base * self._dice.uniform(0.75, 1.25))

    def _postpone(self, effect: Effect, wait: timedelta | None, message: str) -> None:
        now = self.bench.clock.now()
        with self.bench.store.transaction():
            self.bench.store.effects.ready_again(effect, _after(now, wait), message, self.number, now)
        self._count("postponed")

    def _doubt(self, effect: Effect, message: str, *, wait: timedelta | None = None, forever: bool = False) -> None:
        now = self.bench.clock.now()
        until = None if forever else now + (self._quiet() if wait is None else wait)
        with self.bench.store.transaction():
            self.bench.store.effects.doubt(effect, until, message, self.number, now)
        self._count("in_doubt")
        self._tell(effect, "in_doubt", None)

    def _park(self, effect: Effect, cause: str, message: str, path: str, gap: Gap | None) -> None:
        store, now = self.bench.store, self.bench.clock.now()
        with store.transaction():
            number = store.gaps.open(self.flow.name, gap.kind, gap.value, now) if gap else None
            store.effects.park(effect, cause, message, path, number, self.number, now)
        self._count("parked")
        self._tell(effect, "parked", None)

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

    def _tell(self, effect: Effect, state: str, receipt: Receipt | None) -> None:
        self.bench.ambient.tell("effect_settled", flow=effect.flow, key=effect.key, state=state, receipt=receipt)


def _after(now: datetime, wait: timedelta | None) -> datetime | None:
    return None if wait is None else now + wait
