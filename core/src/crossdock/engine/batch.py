"""Delivering many values in one call, and asking for the import jobs that vendors work off later."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from crossdock.engine.bench import LEASE, describe, pause_connection
from crossdock.engine.pull import read_channels
from crossdock.engine.settle import BINDINGS, FIRST_BACKOFF, Settling, Told, idempotency_key
from crossdock.engine.stock import behind, lock_stock, published_stock, read_moments
from crossdock.engine.substance import record_substance
from crossdock.engine.translate import translate
from crossdock.errors import (
    AccessError,
    ConnectorError,
    CrossdockError,
    RecordError,
    UnsupportedError,
    asked_wait,
)
from crossdock.hookspecs import STATUS_BATCH
from crossdock.http.delivery import delivery
from crossdock.records import Balance, Order, from_document, to_document
from crossdock.session import Outcome, Receipt, StatusUpdate, StillRunning
from crossdock.store.effects import EARLY
from crossdock.store.ledger import Effect
from crossdock.store.records import Stored, cause_of

AGAIN = timedelta(seconds=60)
"""When to look again whether the orders of all channels were read."""
_LOOK_AGAIN = 20  # claims after which stock that is lowered is looked for again: looking costs a scan
_DATED_AGAIN = timedelta(seconds=30)  # the same for orders with deadlines
_JUST_READ = "it was read anew just now"


def _key(effect: Effect) -> str:
    return effect.key


class Batches(Settling):
    """The deliveries of products, prices and stock, and of statuses where the target takes many at once."""

    _until_lower = 0
    _dated: Sequence[int] = ()
    _dated_at: datetime | None = None

    @property
    def _batched(self) -> bool:
        if self.flow.stream == "statuses":
            return self.opened.connector.can("push_statuses")
        return self.flow.stream in ("products", "prices", "balance")

    @property
    def _batch_size(self) -> int:
        return STATUS_BATCH if self.flow.stream == "statuses" else self.opened.connector.info.write_batch

    def _claim(self, count: int) -> list[Effect]:
        """Up to `count` effects to send now: what has a deadline first, the soonest before the others.

        Of stock what is lowered goes first. Both as it becomes known on the way, too.
        """
        bench, claimed = self.bench, list[Effect]()
        with bench.store.transaction():
            if not bench.store.config.is_live(self.flow.name):
                return []
            lower = self.flow.stream == "balance" and self._until_lower <= 0
            if lower:
                claimed = self._claimed(count, lower=True)
            if dated := self._next_dated(count):
                claimed = sorted(self._claimed(count, among=dated), key=lambda effect: dated.index(effect.id))
            if not claimed:
                self._until_lower = _LOOK_AGAIN if lower else self._until_lower - 1
                claimed = self._claimed(count, lower=False)
        self._take(claimed)
        return claimed

    def _next_dated(self, count: int) -> Sequence[int]:
        now = self.bench.clock.now()
        if self._dated_at is None or now - self._dated_at >= _DATED_AGAIN:
            self._dated_at = now
            self._dated = self.bench.store.deadlines.order(self.flow.name, self.flow.stream, now)
        dated, self._dated = self._dated[:count], self._dated[count:]
        return dated

    def _claimed(self, count: int, *, lower: bool = False, among: Sequence[int] = ()) -> list[Effect]:
        bench = self.bench
        return bench.store.effects.claim(
            self.flow.name, count, bench.owner, bench.clock.now(), LEASE, lower=lower, among=among
        )

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
            pause_connection(self.bench, self.flow.writes_to, error)
            self._fail(error)
            self._postpone(effects, None, describe(error))
        else:
            self._wait_after(effects, max(effects, key=lambda effect: effect.failures), error)

    def _current(self, claimed: Sequence[Effect]) -> tuple[list[Effect], dict[str, Any]]:
        """The records of claimed effects as they are now, and the effects, which say so.

        A record may have changed while its effect waited for its turn. The ledger has to know what is really sent:
        should the record go back to what was claimed, it would take that for delivered.
        """
        store, flow = self.bench.store, self.flow
        found = store.records.get_many(flow.source, flow.reads, [effect.key for effect in claimed])
        stale = {effect.key for effect in claimed if effect.key in found and self._is_stale(effect, found[effect.key])}
        if not stale:
            return list(claimed), dict(found)
        with store.transaction():
            # In the order of their keys: PostgreSQL would call a deadlock otherwise.
            newer = {each.id: store.effects.catch_up(each) for each in sorted(claimed, key=_key) if each.key in stale}
            found = {**found, **store.records.get_many(flow.source, flow.reads, sorted(stale))}
        return [newer.get(effect.id, effect) for effect in claimed], dict(found)

    @staticmethod
    def _is_stale(effect: Effect, stored: Stored) -> bool:
        try:
            now = record_substance(effect.operation, stored.record, stored.fingerprint)
        except RecordError:  # it cannot be read: whoever sends it says so
            return False
        return bool(now) and now != effect.sent

    def _items(self, claimed: Sequence[Effect]) -> list[tuple[Effect, Any]]:
        flow = self.flow
        claimed, current = self._stock(claimed) if flow.stream == "balance" else self._current(claimed)
        items = []
        taken: dict[str, Effect] = {}
        for effect in claimed:
            record = current.get(effect.key)
            if record is None:
                self._supersede(effect, "Its record is no longer in the store.")
                continue
            try:
                record = record.record if isinstance(record, Stored) else record
                made = translate(self.bench, flow, self.tables, record)
                self._check_alone(effect, made.key, taken)
                item = self._status_update(effect, made) if flow.stream == "statuses" else made
                if item is not None:
                    items.append((effect, item))
            except ConnectorError as error:
                self._failed(effect, error)
            except CrossdockError as error:
                self._park(effect, cause_of(error), str(error), "", None)
                self._fail(error)
        return items

    @staticmethod
    def _check_alone(effect: Effect, key: str, taken: dict[str, Effect]) -> None:
        """Refuse a record that a mapping makes another one's namesake: the outcome of one would count for both."""
        other = taken.setdefault(key, effect)
        if other is not effect:
            raise RecordError(
                f"With the mapping tables {effect.key} and {other.key} are both {key}, so one would replace the other.",
                path="sku", hint=f"crossdock map list --flow {effect.flow}",
            )  # fmt: skip

    def _status_update(self, effect: Effect, update: Order) -> StatusUpdate | None:
        order = self._order_of(effect, update.key)
        return None if order is None else StatusUpdate(key=idempotency_key(effect), update=update, order=order)

    def _order_of(self, effect: Effect, key: str) -> Order | None:
        """The target's own order that became `key` at the source, along the binding."""
        records = self.bench.store.records
        origins = records.origins(effect.source, "orders", [key]).get(key, [])
        bound = next((each for each in origins if each.source == effect.target), None)
        if bound is None:
            self._set_aside(effect, key)
            return None
        stored = records.get(effect.target, "orders", bound.source_key)
        if stored is None:
            raise RecordError(
                f"The order {bound.source_key} of {effect.target} is not in the store.",
                hint=f"crossdock sync {effect.target} orders --key {bound.source_key}",
            )
        order: Order = stored.record
        return order

    def _set_aside(self, effect: Effect, key: str) -> None:
        """News of an order that is not known to come from the target; `bind` wakes it when it turns out to."""
        store, now = self.bench.store, self.bench.clock.now()
        with store.transaction():
            store.database.serialize(BINDINGS)
            origins = store.records.origins(effect.source, "orders", [key])
            known = any(bound.source == effect.target for bounds in origins.values() for bound in bounds)
            if known and effect.state == "sending":
                store.effects.ready_again(effect, None, "Its order became known.", self.number, now)
            else:
                text = f"Its order {key} did not come from {effect.target}."
                store.effects.supersede(effect, text, self.number, now)
        self._count("postponed" if known else "superseded")

    def _stock(self, claimed: Sequence[Effect]) -> tuple[list[Effect], dict[str, Any]]:
        """Which of the claimed effects leave now, and with what; those that would raise stock too early are put back.

        What leaves is noted in the ledger before, as it is at this moment: what may be shown there is known then, also
        when the answer is lost.
        """
        bench, flow = self.bench, self.flow
        keys = [effect.key for effect in claimed]
        current, drifted = published_stock(bench, flow, keys), bench.store.effects.drifted(flow.name, keys)
        moments = read_moments(bench, flow.source, keys)
        raised = {moments[each.key] for each in claimed if each.key in moments and self._raises(each, current, drifted)}
        reasons = {moment: self._behind(moment) for moment in sorted(raised)}
        early: dict[str, list[Effect]] = {}
        leaving = []
        with bench.store.transaction():
            lock_stock(bench, flow.source)
            current, drifted = published_stock(bench, flow, keys), bench.store.effects.drifted(flow.name, keys)
            moments = read_moments(bench, flow.source, keys)
            for effect in claimed:
                moment = moments.get(effect.key)
                reason = reasons.get(moment, _JUST_READ) if moment and self._raises(effect, current, drifted) else ""
                if reason:
                    early.setdefault(reason, []).append(effect)
                else:
                    leaving.append(effect)
            known = [effect for effect in leaving if effect.key in current]
            stated = {
                each.key: each
                for each in bench.store.effects.send_stock(
                    known, {each.key: current[each.key].available for each in known}
                )
            }
        until = bench.clock.now() + AGAIN
        for reason, effects in early.items():
            self._postpone(effects, None if reason == _JUST_READ else until, f"Stock is raised later: {reason}.", EARLY)
        return [stated.get(effect.key, effect) for effect in leaving], dict(current)

    @staticmethod
    def _raises(effect: Effect, current: Mapping[str, Balance], drifted: Container[str]) -> bool:
        """Whether more would be shown than the target is known to show, or may show since an answer was lost.

        A target that has sold shows less than it was told: the same as it was told then may be more.
        """
        stock = current.get(effect.key)
        shown = max(Decimal(effect.done or 0), Decimal(effect.unconfirmed or 0))
        if stock is None or not stock.available:
            return False
        return stock.available >= shown if effect.key in drifted else stock.available > shown

    def _behind(self, moment: datetime, but: str = "") -> str:
        """Which channels' orders are not read as far as `moment`, after trying to read them; empty for none."""
        stock = self.flow.target if self.flow.stream == "acceptance" else self.flow.source
        if not behind(self.bench, stock, moment, but):
            return ""
        with self._catching_up:
            if moment > self._caught_up:
                self._caught_up = self.bench.clock.now()
                read_channels(self.bench, stock, moment, but)
        return ", and ".join(behind(self.bench, stock, moment, but))

    def _push_many(self, records: Sequence[Any]) -> list[Outcome]:
        connector, session = self.opened.connector, self.opened.session
        if self.flow.stream == "balance":
            return connector.push_balance(session, records)
        if self.flow.stream == "statuses":
            return connector.push_statuses(session, records)
        if self.flow.stream == "prices":
            return connector.push_prices(session, records)
        return connector.push_products(session, records)

    def _settle_batch(self, items: Sequence[tuple[Effect, Any]], outcomes: Sequence[Outcome]) -> None:
        by_key = {outcome.key: outcome for outcome in outcomes}
        told: list[Told] = []
        with self.bench.store.transaction():
            if self.flow.stream == "balance":
                lock_stock(self.bench, self.flow.source)
            # In the order of their keys: PostgreSQL would call a deadlock otherwise.
            for effect, record in sorted(items, key=lambda item: item[0].key):
                outcome = by_key.get(record.key)
                if outcome is None:
                    text = f"{self.opened.connector.name} answered no outcome for it."
                    told.append(self._keep_parked(effect, "no outcome", text, "", None))
                else:
                    sent = record.update if isinstance(record, StatusUpdate) else record
                    told.append(self._keep_outcome(effect, to_document(sent).decode(), outcome))
        self._troubles = 0
        self._tell_all(told)

    def _keep_outcome(self, effect: Effect, document: str | None, outcome: Outcome) -> Told:
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
                    pause_connection(self.bench, self.flow.writes_to, error)
                    self._fail(error)
                self._ask_later(submitted, wait, describe(error), failed=asked_wait(error) is None)
                continue
            except CrossdockError as error:
                self._ask_later(submitted, timedelta(seconds=FIRST_BACKOFF * 12), str(error))
                self._fail(error)
                continue
            if isinstance(answer, StillRunning):
                self._ask_later(submitted, timedelta(seconds=answer.wait), "")
            else:
                self._settle_job(job, submitted, answer)

    def _ask_later(
        self, submitted: Sequence[Effect], wait: timedelta, message: str, *, failed: bool = False
    ) -> None:  # fmt: skip
        until = self.bench.clock.now() + wait
        with self.bench.store.transaction():
            for effect in sorted(submitted, key=_key):
                self.bench.store.effects.ask_later(effect, until, message, failed=failed)

    def _settle_job(self, job: str, submitted: Sequence[Effect], outcomes: Sequence[Outcome]) -> None:
        by_key = {outcome.key: outcome for outcome in outcomes}
        told: list[Told] = []
        with self.bench.store.transaction():
            if self.flow.stream == "balance":
                lock_stock(self.bench, self.flow.source)
            for effect in sorted(submitted, key=_key):
                document = self.bench.store.effects.sent_document(effect.id)
                # The report names the key that was handed in: the mapping tables may have made another of ours.
                if effect.operation == "status":
                    key = idempotency_key(effect)
                else:
                    key = from_document(effect.stream, document).key if document else effect.key
                outcome = by_key.get(key)
                if outcome is None:
                    text = f"The report of job {job} does not name it."
                    told.append(self._keep_parked(effect, "no outcome", text, "", None))
                else:
                    told.append(self._keep_outcome(effect, document, outcome))
        self._tell_all(told)
