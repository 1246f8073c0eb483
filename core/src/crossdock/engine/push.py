"""Delivering effects: claim, send, settle; and ask before anything is sent a second time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from typing import Any

import attrs

from crossdock.engine.accept import ENOUGH, decide, look_again
from crossdock.engine.approval import why_it_waits
from crossdock.engine.batch import AGAIN
from crossdock.engine.bench import LEASE, Bench, Report, describe, pause_connection
from crossdock.engine.creating import NOT_YET, Creating
from crossdock.engine.restore import may_be_there
from crossdock.engine.route import REPEATABLE
from crossdock.engine.runs import break_off, end_run
from crossdock.engine.settle import SEVERAL, Delivered, bind, idempotency_key
from crossdock.engine.stock import lock_stock
from crossdock.engine.substance import DEAD
from crossdock.engine.translate import check_one_address, translate
from crossdock.errors import (
    AccessError,
    ConnectorError,
    CrossdockError,
    OutcomeUnknownError,
    RecordError,
    UnsupportedError,
    UsageError,
)
from crossdock.http.delivery import delivery
from crossdock.records import Order, Shipment, to_document
from crossdock.session import Receipt
from crossdock.store.config import FlowRow
from crossdock.store.database import unstamp
from crossdock.store.leases import is_dead
from crossdock.store.ledger import Effect
from crossdock.store.records import Bound, Stored, cause_of
from crossdock.trace import about, carried, know, span


@attrs.frozen
class Pushed:
    """The result of a push. `trouble` is why something was put off, if that was for trouble that passes."""

    run: int
    flow: str
    state: str
    counts: Delivered
    error: CrossdockError | None = None
    next_at: str | None = None
    trouble: str = ""


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
    with about(flow=flow.name, stream=flow.stream, connection=flow.writes_to):
        return _Push(bench, flow, report).run(patience)


class _Push(Creating):
    """One run over one flow."""

    _restored: datetime | None = None

    # -- the loop ----------------------------------------------------------------------------------

    def run(self, patience: timedelta) -> Pushed:
        bench, flow, store = self.bench, self.flow, self.bench.store
        begun = bench.clock.now()
        store.journal.bury_silent(flow.writes_to, flow.name, begun - LEASE, begun)
        self.number = store.journal.begin("push", begun, connection=flow.writes_to, flow=flow.name)
        know(run=self.number)
        calls = self.opened.session.http.count
        stop = threading.Event()
        threading.Thread(target=self._beat, args=(stop,), name="heartbeat", daemon=True).start()
        deadline = begun + patience
        state = "done"
        try:
            bench.ambient.require()  # here and not at each record, which would park them all
            while not bench.clock.stopping:
                self._recover()
                with span("push"):
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
            break_off(bench, "push", self.number, self.counts.as_dict(), broken)
            raise
        finally:
            stop.set()
        self.counts.requests = self.opened.session.http.count - calls
        store.gaps.close_idle(flow.name, bench.clock.now())
        end_run(bench, self.opened, "push", self.number, state, self.counts.as_dict(), self.error)
        return Pushed(self.number, flow.name, state, self.counts, self.error, self._next(), self.trouble)

    def _next(self) -> str | None:
        due = self.bench.store.effects.next_due(self.flow.name)
        if due is None or due.startswith("9999"):
            return None
        return due or "1970-01-01T00:00:00.000000Z"

    def _recover(self) -> None:
        """What dead or silent workers left behind as *sending*."""
        effects, name = self.bench.store.effects, self.flow.name
        dead = [owner for owner in effects.owners(name) if is_dead(owner)]
        repeatable = (*REPEATABLE, "order") if self.opened.connector.info.create_is_idempotent else REPEATABLE
        with self.bench.store.transaction():
            effects.recover(name, dead, self.bench.clock.now(), self._quiet(), repeatable)

    def _round(self) -> None:
        """Everything that is due now: jobs, doubts, then what is ready."""
        self.tables = self.bench.store.gaps.tables(self.flow.name)
        self._held_until = None
        self._restored = self.bench.store.journal.restored()
        self._ask_jobs()
        if self.flow.stream == "acceptance":
            look_again(self.bench, self.flow, self.tables)
        info = self.opened.connector.info
        # More threads than slots: while one keeps what came back, another one sends.
        with ThreadPoolExecutor(info.push_concurrency * 2, thread_name_prefix=f"push-{self.flow.name}") as pool:
            running: set[Future[None]] = set()
            for effect in self._claim_doubts():
                running.add(pool.submit(carried(self._guarded), self._resolve, effect))
            more = True
            while running or more:
                # Twice the slots: the next ones are claimed while the present ones wait for the vendor.
                if more and len(running) < info.push_concurrency * 3:
                    jobs = self._claim_jobs(info.push_concurrency)
                    more = bool(jobs)
                    running |= {pool.submit(carried(self._guarded), *job) for job in jobs}
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
        if self._batched:
            claimed = self._claim(self._batch_size)
            return [(self._deliver_batch, claimed)] if claimed else []
        claimed = self._claim(count)
        self._turns.enter(claimed)
        return [(self._deliver, effect) for effect in claimed]

    def _claim_doubts(self) -> list[Effect]:
        with self.bench.store.transaction():
            claimed = self.bench.store.effects.claim_doubtful(
                self.flow.name, 200, self.bench.owner, self.bench.clock.now(), LEASE
            )
        self._take(claimed)
        return claimed

    def _guarded(self, work: Any, item: Any) -> None:
        try:
            with span("deliver", effects=len(item) if isinstance(item, list) else 1):
                work(item)
        except CrossdockError as error:
            self._fail(error)
        finally:
            self._drop(item if isinstance(item, list) else [item])

    # -- one record at a time ----------------------------------------------------------------------

    def _deliver(self, effect: Effect) -> None:
        """Send one claimed effect in its turn and settle it, whatever happens."""
        with self._turns.of(effect):
            if not self._not_now([effect]):
                self._deliver_now(effect)

    def _deliver_now(self, effect: Effect) -> None:
        marker = self._marker([effect])
        token = delivery.set(marker)
        try:
            (effect,), found = self._current([effect])
            self._send(effect, found.get(effect.key))
        except ConnectorError as error:
            refused = isinstance(error, RecordError) and error.refused
            if marker.accepted and not refused and not isinstance(error, OutcomeUnknownError):
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

    def _send(self, effect: Effect, stored: Stored | None) -> None:
        record = self._translated(effect, stored)
        if record is None or self._is_there(effect, record):
            return
        key, session, connector = idempotency_key(effect), self.opened.session, self.opened.connector
        known = self._known(effect)
        if effect.operation == "accept":
            self._decide(effect, record)
            return
        if effect.operation == "status":
            order = self._order_of(effect, record.key)
            if order is None:
                return
            with self._slots:
                receipt = connector.push_status(session, record, order, key)
        elif isinstance(record, Order):
            dead = record.status in DEAD
            if dead and known is None:
                self._supersede(effect, f"It is {record.status} and was never handed on.")
                return
            if known is None and not dead and record.status in NOT_YET and self._left(effect):
                return
            # That an order is dead is told whatever else is wrong with it: goods may be on their way.
            if not dead:
                check_one_address(record, effect.target)
                if self._waits_for_approval(effect, record, key) or (known is None and self._is_elsewhere(effect)):
                    return
            with self._slots:
                receipt = connector.push_order(session, record, key, known)
        elif isinstance(record, Shipment):
            order = self._order_of(effect, record.order_key)
            if order is None:
                return
            with self._slots:
                receipt = connector.push_shipment(session, record, order, key)
        else:
            with self._slots:
                receipt = connector.push_customer(session, record, key, known)
        self._done(effect, receipt, to_document(record).decode())

    def _translated(self, effect: Effect, stored: Stored | None) -> Any:
        """The effect's record as the target gets it; `None` when the effect was settled here."""
        if stored is None:
            self._supersede(effect, "Its record is no longer in the store.")
            return None
        return translate(self.bench, self.flow, self.tables, stored.record)

    def _decide(self, effect: Effect, order: Order) -> None:
        """Accept an order that waits for it, refuse it, or leave it to a person."""
        if not order.needs_acceptance:
            self._supersede(effect, f"It does not wait to be accepted any more: it is {order.raw_status}.")
            return
        approved = effect.approval == effect.wanted
        behind = "" if approved else self._behind(self._known_since(effect), but=effect.source)
        if not approved and not self.bench.store.records.read_at(self.flow.target, "balance"):
            # Nothing is known yet: to decide by that would refuse what can be delivered.
            behind = f"the stock of {self.flow.target} has never been read completely"
        if behind:
            self._postpone([effect], self.bench.clock.now() + AGAIN, f"It is decided later: {behind}.")
            return
        decision, reason = decide(self.bench, self.flow, order, approved=approved)
        if decision is None:
            self._await(effect, reason)
            return
        known = Receipt(external_id=order.key, number=order.number)
        with self._slots:
            receipt = self.opened.connector.accept_order(self.opened.session, known, decision)
        self._done(effect, receipt, to_document(order).decode(), reason or "Accepted.")

    def _known_since(self, effect: Effect) -> datetime:
        """From when on all sales have to be known: since the order came, or since the goods did that it waited for.

        They may have been sold elsewhere in between. Readings of its stock after that do not count: where these are
        more frequent than those of a channel's orders, it would never be decided.
        """
        came = unstamp(self.bench.store.effects.noted_at(effect.id, ENOUGH)) or unstamp(effect.created_at)
        return came or self.bench.clock.now()

    def _waits_for_approval(self, effect: Effect, order: Order, key: str) -> bool:
        reason = why_it_waits(self.bench, self.flow, self.opened, effect, order, key, self.number)
        if reason:
            self._await(effect, reason)
        return bool(reason)

    # -- asking ------------------------------------------------------------------------------------

    def _resolve(self, effect: Effect) -> None:
        """An effect in doubt: ask the target; absent means it may be sent, present means it is done."""
        if self.error is not None or self._held_until is not None:
            self.bench.store.effects.let_go(effect)
            return
        if self._repeats(effect):
            self._postpone([effect], None, "Doing it twice is doing it once, so it is sent again.", lost=True)
            return
        if not self.opened.connector.can(self._find_hook):
            self._doubt(effect, f"{effect.target} cannot be asked; a person decides.", forever=True)
            return
        try:
            found = self._find(effect)
        except AccessError as error:
            self.bench.store.effects.let_go(effect)
            pause_connection(self.bench, self.flow.writes_to, error)
            self._fail(error)
            return
        except ConnectorError as error:
            never = isinstance(error, UnsupportedError)  # asking again would get the same answer; a person decides
            wait = None if never else self._backoff(effect, error)
            self._doubt(effect, f"It could not be asked for: {describe(error)}", wait=wait, forever=never)
            return
        except CrossdockError:
            self.bench.store.effects.let_go(effect)
            raise
        if found is None:
            return
        if not found:
            self._postpone([effect], None, "It was looked for and is not there, so it is sent again.")
        else:
            self._settle_found(effect, found, "It was found after the answer had been lost.")

    def _is_there(self, effect: Effect, record: Any) -> bool:
        """Whether the target has what a restored store does not know to be delivered; then it is settled here."""
        if self._restored is None or effect.operation in REPEATABLE or self._known(effect) is not None:
            return False
        dead = isinstance(record, Order) and record.status in DEAD
        if (self._repeats(effect) and not dead) or not may_be_there(self.bench, self._restored, effect, record):
            return False
        if not self.opened.connector.can(self._find_hook):
            text = f"{effect.target} cannot be asked whether it was delivered before the restore; a person decides."
            self._doubt(effect, text, forever=True)
            return True
        try:
            with self._slots:
                found = self._find(effect)
        except UnsupportedError as error:
            self._doubt(effect, f"It could not be asked for: {describe(error)}", forever=True)
            return True
        if not found:
            return found is None
        if dead and len(found) == 1:
            # What the target does not know yet is that it is cancelled.
            bound = found[0].external_id, found[0].number
            with self.bench.store.transaction():
                lock_stock(self.bench, effect.target)
                bind(self.bench, Bound(effect.source, effect.stream, effect.key, effect.target, *bound))
            return False
        self._settle_found(effect, found, "It was there already when the database had been restored.")
        return True

    def _settle_found(self, effect: Effect, found: Sequence[Receipt], message: str) -> None:
        if len(found) == 1:
            self._done(effect, found[0], None, message)
        else:
            ids = ", ".join(receipt.number or receipt.external_id for receipt in found)
            self._park(effect, SEVERAL, f"{effect.target} has it {len(found)} times: {ids}.", "", None)

    def _find(self, effect: Effect) -> Sequence[Receipt] | None:
        key, session, connector = idempotency_key(effect), self.opened.session, self.opened.connector
        if self.flow.stream != "shipments":
            return connector.find_order(session, key)
        stored = self.bench.store.records.get(effect.source, effect.stream, effect.key)
        shipment = self._translated(effect, stored)
        order = self._order_of(effect, shipment.order_key) if shipment is not None else None
        return None if order is None else connector.find_shipment(session, shipment, order, key)
