"""After a restore from a backup the targets know more than the store: they are asked before anything is made there."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import attrs

from crossdock.engine.bench import Bench
from crossdock.engine.route import OPERATIONS, REPEATABLE
from crossdock.engine.stock import lock_stock
from crossdock.store.database import stamp, unstamp
from crossdock.store.ledger import OPEN, Effect

ABSENT = "A person says it was not done."
# The clocks of two systems differ, and some write times without their zone.
_MARGIN = timedelta(days=1)
_TOLD_AGAIN = ("product", "price", "balance", "customer")


@attrs.frozen
class Restored:
    """What marking a restore means: since when, and how many open effects of each flow will be asked for."""

    at: datetime
    asked: dict[str, int]


def mark_restored(bench: Bench) -> Restored:
    """Remember that the database was restored from a backup just now.

    From then on a push asks the target for every order and shipment that is older than this moment and has no binding,
    also for those that are read and planned only later: what is there is bound and done, and only what is absent is
    sent. Products, prices, stock and customers are told again: what their targets were told since the backup is not
    known, so what was told before it is not taken for what they show. Saying it twice does no harm.
    """
    now, store = bench.clock.now(), bench.store
    asked = {}
    for flow in store.config.flows():
        if OPERATIONS[flow.stream] not in REPEATABLE:
            waiting = sum(number for (_, state), number in store.effects.counts(flow.name).items() if state in OPEN)
            asked.update({flow.name: waiting} if waiting else {})
    with store.transaction():
        lock_stock(bench)
        store.journal.mark_restored(now)
        for flow in store.config.flows():
            if OPERATIONS[flow.stream] in _TOLD_AGAIN:
                store.effects.tell_again(flow.name, flow.entry, now)
    return Restored(now, asked)


def may_be_there(bench: Bench, restored: datetime, effect: Effect, record: Any) -> bool:
    """Whether a record without a binding may have been delivered before the restore, and nobody said since it was not.

    Nothing can have been delivered before it existed; a record without times counts from when it was planned.
    """
    times = (getattr(record, name, None) for name in ("placed_at", "shipped_at", "updated_at"))
    begun = min(filter(None, times), default=unstamp(effect.created_at))
    if begun is not None and begun >= restored + _MARGIN:
        return False
    history = bench.store.effects.attempts(effect.id)
    return not any(at >= stamp(restored) and message == ABSENT for at, _, _, message in history)
