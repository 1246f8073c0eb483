"""Whether an order may be created now: its shop may have stopped it, or another flow may be creating it."""

from __future__ import annotations

from crossdock.engine.batch import AGAIN, Batches
from crossdock.engine.route import hold_anew, refusal
from crossdock.engine.settle import SEVERAL
from crossdock.engine.stock import lock_stock
from crossdock.store.ledger import Effect

_CREATES = "creates"
NOT_YET = ("draft", "pending", "on_hold")
"""Orders that went back to these states before they were sent may never be paid."""


class Creating(Batches):
    """What is looked at before an order is created."""

    def _left(self, effect: Effect) -> bool:
        """Whether an order that was never handed on does not take the flow any more; it waits to come back then."""
        flow, store = self.flow, self.bench.store
        with store.transaction():
            store.config.hold_pages()  # what brings it back is kept before this, or sees that nothing is wanted
            stored = store.records.get(effect.source, effect.stream, effect.key)
            why = refusal(self.bench, flow, stored.record) if stored else ""
            if why:
                lock_stock(self.bench, effect.target)
                text = f"It was never handed on and is left out now: {why}."
                store.effects.supersede(effect, text, self.number, self.bench.clock.now(), whole=True)
                hold_anew(self.bench, flow, [effect.key])
        if why:
            self._count("superseded")
        return bool(why)

    def _is_elsewhere(self, effect: Effect) -> bool:
        """Whether another flow between the same systems creates the order, or may have; then it is looked at again.

        Of two flows that look at the same time one goes on: who gives way does so before the other one looks.
        """
        flow, store = self.flow, self.bench.store
        twins = [each.name for each in store.config.flows_between(flow.source, flow.target, "orders")]
        if len(twins) < 2:
            return False
        twins.remove(flow.name)
        with store.transaction():
            store.database.serialize(_CREATES)
            now = self.bench.clock.now()
            if store.effects.maybe_there(twins, effect.key, SEVERAL):
                text = f"Another flow to {effect.target} has not yet said whether it is there."
                self._postpone([effect], now + AGAIN, text)
                return True
            if self._known(effect) is not None:
                self._postpone([effect], None, "Another flow created it meanwhile, so it is changed.")
                return True
        return False
