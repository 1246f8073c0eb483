"""Delivering effects: claim, send, settle; and ask before anything is sent a second time."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import attrs
import msgspec

from crossdock.engine.bench import HEARTBEAT, LEASE, Bench, Opened, Report, describe, pause_connection
from crossdock.engine.route import DEAD, REPEATABLE, published_stock
from crossdock.engine.translate import Tables, translate
from crossdock.errors import (
    AccessError,
    ConnectorError,
    CrossdockError,
    Gap,
    OutcomeUnknownError,
    RecordError,
    StoreError,
    TransientError,
    UnsupportedError,
    UsageError,
)
from crossdock.http.client import Marker, delivery
from crossdock.records import Order, Shipment, from_document, to_document
from crossdock.session import Outcome, Receipt, StillRunning
from crossdock.store.config import FlowRow
from crossdock.store.database import unstamp
from crossdock.store.effects import Effect
from crossdock.store.leases import is_dead
from crossdock.store.records import Bound, Stored, cause_of

_FIRST_BACKOFF = 5.0
_LONGEST_BACKOFF = 3600.0
_ENOUGH = 5  # transient errors in a row that tell of a system in trouble and not of a bad moment
BATCHED = ("product", "price", "balance")
SEVERAL = "exists several times"
GAPS = "gaps"
_BINDINGS = "bindings"


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
    if flow.options.dry_run:
        raise UsageError(
            f"The flow {flow.name} runs dry, nothing is sent.", hint=f"Switch dry_run off in the flow {flow.name}."
        )
    return _Push(bench, flow, report).run(patience)


def idempotency_key(effect: Effect) -> str:
    """The key under which a record is created on the target, the same for every attempt and every worker.

    It is the source connection and the record's key there, so it survives a flow that is renamed or made again.
    """
    return f"{effect.source}-{effect.key}"


def bind(bench: Bench, bound: Bound) -> None:
    """Keep where a record exists, and wake what waited to know it; inside a transaction.

    Shipments of an order may be read before the order's own answer is kept: they were set aside and go on now.
    """
    store, now = bench.store, bench.clock.now()
    store.records.bind(bound, now)
    if bound.stream != "orders":
        return
    for flow in store.config.flows():
        if flow.stream == "shipments" and flow.source == bound.connection and flow.target == bound.source:
            store.database.serialize(_BINDINGS)
            store.effects.wake(flow.name, bound.external_id, now)


_Told = tuple[Effect, str, Receipt | None]


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
        self._slots = threading.Semaphore(self.opened.connector.info.push_concurrency)
        self.error: CrossdockError | None = None
        self._held_until: datetime | None = None
        self._troubles = 0
        self._under_way: dict[int, tuple[int, Marker]] = {}
        self._lock = threading.Lock()
        self._dice = random.Random()  # noqa: S311  jitter, not cryptography

    # -- the loop ----------------------------------------------------------------------------------

    def run(self, patience: timedelta) -> Pushed:
        bench, flow, store = self.bench, self.flow, self.bench.store
        self.number = store.journal.begin("push", bench.clock.now(), connection=flow.target, flow=flow.name)
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
                if due is None or due > deadline or not store.config.is_live(flow.name):
                    break
                bench.clock.sleep(max((due - bench.clock.now()).total_seconds(), 0.01))
            else:
                state = "stopped"
        except CrossdockError as error:
            self.error, state = error, "failed"
        except BaseException as broken:
            with contextlib.suppress(StoreError):
                text = f"It was broken off: {type(broken).__name__}: {broken}"
                store.journal.end(self.number, "failed", self.counts.as_dict(), text, bench.clock.now())
            raise
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
            with contextlib.suppress(StoreError):
                self._renew()

    def _renew(self) -> None:
        """Extend the leases of what is under way, and with them the time until which it may be sent."""
        with self._lock:
            under_way = dict(self._under_way)
        if not under_way:
            return
        now = self.bench.clock.now()
        claimed = {number: attempts for number, (attempts, _) in under_way.items()}
        for number in self.bench.store.effects.renew(claimed, self.bench.owner, now, LEASE):
            under_way[number][1].until = now + LEASE

    def _take(self, effects: Sequence[Effect]) -> None:
        with self._lock:
            for effect in effects:
                self._under_way[effect.id] = (effect.attempts, Marker(unstamp(effect.lease_until)))

    def _drop(self, effects: Sequence[Effect]) -> None:
        with self._lock:
            for effect in effects:
                self._under_way.pop(effect.id, None)

    def _marker(self, effects: Sequence[Effect]) -> Marker:
        """The marker of effects that leave together; leases that are half over are renewed first."""
        now = self.bench.clock.now()
        markers = [self._under_way[effect.id][1] for effect in effects]
        if any(marker.until is not None and marker.until - now < LEASE / 2 for marker in markers):
            self._renew()
        if len(markers) == 1:
            return markers[0]
        return Marker(min((marker.until for marker in markers if marker.until is not None), default=None))

    def _recover(self) -> None:
        """What dead or silent workers left behind as *sending*."""
        effects, name = self.bench.store.effects, self.flow.name
        dead = [owner for owner in effects.owners(name) if is_dead(owner)]
        repeatable = (*REPEATABLE, "order") if self.opened.connector.info.create_is_idempotent else REPEATABLE
        with self.bench.store.transaction():
            effects.recover(name, dead, self.bench.clock.now(), self._quiet(), repeatable)

    def _repeats(self, effect: Effect) -> bool:
        """Whether sending an effect twice is doing it once, so that a lost answer needs no question."""
        if effect.operation in REPEATABLE:
            return True
        if effect.operation != "order":
            return False
        return self.opened.connector.info.create_is_idempotent or self._known(effect) is not None

    def _quiet(self) -> timedelta:
        override = self.bench.find_after
        return self.opened.connector.info.find_after if override is None else override

    def _round(self) -> None:
        """Everything that is due now: jobs, doubts, then what is ready."""
        self.tables = self.bench.store.gaps.tables(self.flow.name)
        self._held_until = None
        self._ask_jobs()
        info = self.opened.connector.info
        # More threads than slots: while one keeps what came back, another one sends.
        with ThreadPoolExecutor(info.push_concurrency * 2, thread_name_prefix=f"push-{self.flow.name}") as pool:
            running: set[Future[None]] = set()
            for effect in self._claim_doubts():
                running.add(pool.submit(self._guarded, self._resolve, effect))
            more = True
            while running or more:
                # Twice the slots: the next ones are claimed while the present ones wait for the vendor.
                if more and len(running) < info.push_concurrency * 3:
                    jobs = self._claim_jobs(info.push_concurrency)
                    more = bool(jobs)
                    running |= {pool.submit(self._guarded, *job) for job in jobs}
                if not running:
                    break
                if not more or len(running) >= info.push_concurrency * 3:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    for each in done:
                        each.result()
                    if self.report:
                        self.report(self.counts.as_dict())
                if self.error is not None or self._held_until is not None or self.bench.clock.stopping:
                    more = False

    def _claim_jobs(self, count: int) -> list[tuple[Any, ...]]:
        bench, batch = self.bench, self.opened.connector.info.write_batch
        batched = self._batched
        with bench.store.transaction():
            if not bench.store.config.is_live(self.flow.name):
                return []
            claimed = bench.store.effects.claim(
                self.flow.name, batch if batched else count, bench.owner, bench.clock.now(), LEASE
            )
        if not claimed:
            return []
        self._take(claimed)
        return [(self._deliver_batch, claimed)] if batched else [(self._deliver, effect) for effect in claimed]

    @property
    def _batched(self) -> bool:
        return self.flow.stream in ("products", "prices", "balance")

    def _claim_doubts(self) -> list[Effect]:
        with self.bench.store.transaction():
            claimed = self.bench.store.effects.claim_doubtful(
                self.flow.name, 200, self.bench.owner, self.bench.clock.now(), LEASE
            )
        self._take(claimed)
        return claimed

    def _guarded(self, work: Any, item: Any) -> None:
        try:
            work(item)
        except CrossdockError as error:
            self._fail(error)
        finally:
            self._drop(item if isinstance(item, list) else [item])

    def _fail(self, error: CrossdockError) -> None:
        with self._lock:
            self.error = self.error or error

    def _count(self, state: str, number: int = 1) -> None:
        with self._lock:
            setattr(self.counts, state, getattr(self.counts, state) + number)

    # -- one record at a time ----------------------------------------------------------------------

    def _deliver(self, effect: Effect) -> None:
        """Send one claimed effect and settle it, whatever happens."""
        if self._not_now([effect]):
            return
        marker = self._marker([effect])
        token = delivery.set(marker)
        try:
            self._send(effect)
        except ConnectorError as error:
            if marker.accepted and not isinstance(error, OutcomeUnknownError):
                error = OutcomeUnknownError(f"It was accepted, but the answer could not be used: {error}")
            self._failed(effect, error)
        except CrossdockError as error:
            # A connector that breaks may have sent already: then the ledger asks before it sends again.
            if marker.wrote and not self._repeats(effect):
                self._doubt(effect, str(error), forever=not self.opened.connector.can(self._find_hook))
            else:
                self._park(effect, cause_of(error), str(error), "", None)
            raise
        finally:
            delivery.reset(token)

    def _not_now(self, effects: Sequence[Effect]) -> bool:
        """Give effects back that were claimed before the push came to a stop."""
        if self.error is not None:
            self._postpone(effects, None, "The push ended before its turn.")
        elif self._held_until is not None:
            self._postpone(effects, self._held_until, "The target asked to wait, or was in trouble, before its turn.")
        else:
            return False
        return True

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
            with self._slots:
                receipt = connector.push_order(session, record, key, known)
        elif isinstance(record, Shipment):
            order = self._order_of(effect, record)
            if order is None:
                return
            with self._slots:
                receipt = connector.push_shipment(session, record, order, key)
        else:
            with self._slots:
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
            self._set_aside(effect, shipment)
            return None
        stored = records.get(effect.target, "orders", bound.source_key)
        if stored is None:
            raise RecordError(
                f"The order {bound.source_key} of {effect.target} is not in the store.",
                hint=f"crossdock sync {effect.target} orders --key {bound.source_key}",
            )
        order: Order = stored.record
        return order

    def _set_aside(self, effect: Effect, shipment: Shipment) -> None:
        """A shipment of an order that is not known to come from the target; `bind` wakes it when it turns out to."""
        store, now = self.bench.store, self.bench.clock.now()
        with store.transaction():
            store.database.serialize(_BINDINGS)
            origins = store.records.origins(effect.source, "orders", [shipment.order_key])
            known = any(bound.source == effect.target for bounds in origins.values() for bound in bounds)
            if known and effect.state == "sending":
                store.effects.ready_again(effect, None, "Its order became known.", self.number, now)
            else:
                text = f"Its order {shipment.order_key} did not come from {effect.target}."
                store.effects.supersede(effect, text, self.number, now)
        self._count("postponed" if known else "superseded")

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
        if self.error is not None or self._held_until is not None:
            self.bench.store.effects.let_go(effect)
            return
        if self._repeats(effect):
            self._postpone([effect], None, "Doing it twice is doing it once, so it is sent again.")
            return
        if not self.opened.connector.can(self._find_hook):
            self._doubt(effect, f"{effect.target} cannot be asked; a person decides.", forever=True)
            return
        try:
            found = self._find(effect)
        except AccessError as error:
            self.bench.store.effects.let_go(effect)
            pause_connection(self.bench, self.flow.target, error)
            self._fail(error)
            return
        except ConnectorError as error:
            self._doubt(effect, f"It could not be asked for: {describe(error)}", wait=self._backoff(effect, error))
            return
        except CrossdockError:
            self.bench.store.effects.let_go(effect)
            raise
        if found is None:
            return
        if not found:
            self._postpone([effect], None, "It was looked for and is not there, so it is sent again.")
        elif len(found) == 1:
            self._done(effect, found[0], None, "It was found after the answer had been lost.")
        else:
            ids = ", ".join(receipt.number or receipt.external_id for receipt in found)
            self._park(effect, SEVERAL, f"{effect.target} has it {len(found)} times: {ids}.", "", None)

    def _find(self, effect: Effect) -> Sequence[Receipt] | None:
        key, session, connector = idempotency_key(effect), self.opened.session, self.opened.connector
        if self.flow.stream != "shipments":
            return connector.find_order(session, key)
        shipment = self._record(effect)
        order = self._order_of(effect, shipment) if shipment is not None else None
        return None if order is None else connector.find_shipment(session, shipment, order, key)

    # -- many records at a time --------------------------------------------------------------------

    def _deliver_batch(self, claimed: list[Effect]) -> None:
        """Send claimed effects of one kind in one call; a batch that fails as a whole is taken apart."""
        if self._not_now(claimed):
            return
        items = self._items(claimed)
        if not items:
            return
        token = delivery.set(self._marker([effect for effect, _ in items]))
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
            self._failed_batch([effect for effect, _ in items], error)
            return
        except CrossdockError as error:
            for effect, _ in items:
                self._park(effect, cause_of(error), str(error), "", None)
            self._fail(error)
            return
        finally:
            delivery.reset(token)
        self._settle_batch(items, outcomes)

    def _failed_batch(self, effects: Sequence[Effect], error: ConnectorError) -> None:
        """Settle what failed together so that it stays together: a batch that waits is one batch again."""
        if isinstance(error, UnsupportedError):
            for effect in effects:
                self._failed(effect, error)
        elif isinstance(error, AccessError):
            pause_connection(self.bench, self.flow.target, error)
            self._fail(error)
            self._postpone(effects, None, describe(error))
        else:
            self._wait_after(effects, max(effects, key=lambda effect: effect.attempts), error)

    def _items(self, claimed: Sequence[Effect]) -> list[tuple[Effect, Any]]:
        store, flow = self.bench.store, self.flow
        if flow.stream == "balance":
            current: dict[str, Any] = dict(published_stock(self.bench, flow, [effect.key for effect in claimed]))
        else:
            found = store.records.get_many(flow.source, flow.stream, [effect.key for effect in claimed])
            current = dict(found)
        items = []
        for effect in claimed:
            record = current.get(effect.key)
            if record is None:
                self._supersede(effect, "Its record is no longer in the store.")
                continue
            try:
                record = record.record if isinstance(record, Stored) else record
                items.append((effect, translate(self.bench, flow, self.tables, record)))
            except ConnectorError as error:
                self._failed(effect, error)
            except CrossdockError as error:
                self._park(effect, cause_of(error), str(error), "", None)
                self._fail(error)
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
        told: list[_Told] = []
        with self.bench.store.transaction():
            for effect, record in items:
                outcome = by_key.get(record.key)
                if outcome is None:
                    text = f"{self.opened.connector.name} answered no outcome for it."
                    told.append(self._keep_parked(effect, "no outcome", text, "", None))
                else:
                    told.append(self._keep_outcome(effect, to_document(record).decode(), outcome))
        self._troubles = 0
        self._tell_all(told)

    def _keep_outcome(self, effect: Effect, document: str | None, outcome: Outcome) -> _Told:
        now = self.bench.clock.now()
        if outcome.state == "done":
            receipt = Receipt(external_id=outcome.external_id or effect.key, note=outcome.message)
            bound = bool(outcome.external_id) and effect.operation == "product"
            return self._keep_done(effect, receipt, document, outcome.message, bound=bound)
        if outcome.state == "submitted" and outcome.job:
            until = now + timedelta(seconds=30)
            self.bench.store.effects.submitted(effect, outcome.job, document, until, self.number, now)
            return effect, "submitted", None
        if outcome.state == "rejected":
            error = RecordError(outcome.message or "The vendor refused it.", path=outcome.path, gap=outcome.gap)
            return self._keep_parked(effect, cause_of(error), describe(error), error.path, error.gap)
        text = f"{self.opened.connector.name} answered the state {outcome.state!r} with the job {outcome.job!r} for it."
        return self._keep_parked(effect, "unusable outcome", text, "", None)

    def _ask_jobs(self) -> None:
        """Import jobs of the vendor whose time to be asked has come."""
        effects = self.bench.store.effects
        for job, submitted in effects.jobs(self.flow.name, self.bench.clock.now()).items():
            try:
                answer = self.opened.connector.check_job(self.opened.session, job)
            except (RecordError, UnsupportedError) as error:
                for effect in submitted:
                    self._park(effect, cause_of(error), describe(error), "", None)
                continue
            except ConnectorError as error:
                # The job itself may be fine: what was submitted is asked for later and not submitted again.
                wait = self._backoff(submitted[0], error)
                if isinstance(error, AccessError):
                    pause_connection(self.bench, self.flow.target, error)
                    self._fail(error)
                self._ask_later(submitted, wait, describe(error))
                continue
            except CrossdockError as error:
                self._ask_later(submitted, timedelta(seconds=_FIRST_BACKOFF * 12), str(error))
                self._fail(error)
                continue
            if isinstance(answer, StillRunning):
                self._ask_later(submitted, timedelta(seconds=answer.wait), "")
            else:
                self._settle_job(job, submitted, answer)

    def _ask_later(self, submitted: Sequence[Effect], wait: timedelta, message: str) -> None:
        until = self.bench.clock.now() + wait
        with self.bench.store.transaction():
            for effect in submitted:
                self.bench.store.effects.ask_later(effect, until, message)

    def _settle_job(self, job: str, submitted: Sequence[Effect], outcomes: Sequence[Outcome]) -> None:
        by_key = {outcome.key: outcome for outcome in outcomes}
        told: list[_Told] = []
        with self.bench.store.transaction():
            for effect in submitted:
                document = self.bench.store.effects.sent_document(effect.id)
                # The report names the key that was handed in: the mapping tables may have made another of ours.
                key = from_document(effect.stream, document).key if document else effect.key
                outcome = by_key.get(key)
                if outcome is None:
                    text = f"The report of job {job} does not name it."
                    told.append(self._keep_parked(effect, "no outcome", text, "", None))
                else:
                    told.append(self._keep_outcome(effect, document, outcome))
        self._tell_all(told)

    # -- settling ----------------------------------------------------------------------------------

    def _done(self, effect: Effect, receipt: Receipt, document: str | None, message: str = "") -> None:
        with self.bench.store.transaction():
            told = self._keep_done(effect, receipt, document, message, bound=True)
        self._troubles = 0
        self._tell_all([told])

    def _keep_done(self, effect: Effect, receipt: Receipt, document: str | None, message: str, *, bound: bool) -> _Told:
        now = self.bench.clock.now()
        self.bench.store.effects.done(
            effect, receipt.external_id, receipt.number, document, self.number, now, message or receipt.note
        )
        if bound:
            bind(
                self.bench,
                Bound(effect.source, effect.stream, effect.key, effect.target, receipt.external_id, receipt.number),
            )
        return effect, "done", receipt

    def _failed(self, effect: Effect, error: ConnectorError) -> None:
        """Settle by what has to happen next."""
        text = describe(error)
        if isinstance(error, AccessError):
            pause_connection(self.bench, self.flow.target, error)
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
        self._postpone(effects, until, describe(error))
        with self._lock:
            self._troubles += 1
            lasting = self._troubles >= _ENOUGH or (isinstance(error, TransientError) and error.wait is not None)
            if lasting:
                self._held_until = max(self._held_until, until) if self._held_until else until
        if lasting:
            with self.bench.store.transaction():
                self.bench.store.effects.hold(self.flow.name, until)

    def _backoff(self, effect: Effect, error: ConnectorError | None) -> timedelta:
        if isinstance(error, TransientError) and error.wait is not None:
            return error.wait + timedelta(seconds=self._dice.uniform(0, 1))
        base = min(_FIRST_BACKOFF * 2 ** min(max(effect.attempts - 1, 0), 10), _LONGEST_BACKOFF)
        return timedelta(seconds=base * self._dice.uniform(0.75, 1.25))

    def _postpone(self, effects: Sequence[Effect], until: datetime | None, message: str) -> None:
        now = self.bench.clock.now()
        with self.bench.store.transaction():
            for effect in effects:
                self.bench.store.effects.ready_again(effect, until, message, self.number, now)
        self._count("postponed", len(effects))

    def _doubt(self, effect: Effect, message: str, *, wait: timedelta | None = None, forever: bool = False) -> None:
        now = self.bench.clock.now()
        until = None if forever else now + (self._quiet() if wait is None else wait)
        with self.bench.store.transaction():
            self.bench.store.effects.doubt(effect, until, message, self.number, now)
        self._count("in_doubt")
        self._tell(effect, "in_doubt", None)

    def _park(self, effect: Effect, cause: str, message: str, path: str, gap: Gap | None) -> None:
        with self.bench.store.transaction():
            told = self._keep_parked(effect, cause, message, path, gap)
        self._tell_all([told])

    def _keep_parked(self, effect: Effect, cause: str, message: str, path: str, gap: Gap | None) -> _Told:
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
        store.effects.park(effect, cause, message, path, number, self.number, now)
        return effect, "parked", None

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

    def _tell_all(self, told: Sequence[_Told]) -> None:
        """Count what was settled and tell the observers, after the transaction."""
        for effect, state, receipt in told:
            self._count(state)
            if state in ("done", "parked"):
                self._tell(effect, state, receipt)

    def _tell(self, effect: Effect, state: str, receipt: Receipt | None) -> None:
        self.bench.ambient.tell("effect_settled", flow=effect.flow, key=effect.key, state=state, receipt=receipt)
