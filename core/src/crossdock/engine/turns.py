"""Deliveries that must not overtake each other: one after the other, in the order in which they were claimed."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterable, Iterator

from crossdock.store.ledger import Effect


class Turns:
    """Shipments of one order, and decisions about the stock of a flow, each in its turn.

    Whoever is next must already run or run before those who wait, so work has to be handed out in the order of `enter`.
    """

    def __init__(self) -> None:
        self._queues: dict[str, deque[int]] = {}
        self._changed = threading.Condition()

    def enter(self, effects: Iterable[Effect]) -> None:
        """Effects that were claimed; each has to leave by `of`."""
        with self._changed:
            for effect in effects:
                queue = _queue(effect)
                if queue is not None:
                    self._queues.setdefault(queue, deque()).append(effect.id)

    @contextlib.contextmanager
    def of(self, effect: Effect) -> Iterator[None]:
        """Wait for the effect's turn; the next one's comes when the block ends."""
        queue = _queue(effect)
        if queue is None:
            yield
            return
        with self._changed:
            self._changed.wait_for(lambda: self._queues[queue][0] == effect.id)
        try:
            yield
        finally:
            with self._changed:
                self._queues[queue].popleft()
                if not self._queues[queue]:
                    del self._queues[queue]
                self._changed.notify_all()


def _queue(effect: Effect) -> str | None:
    if effect.operation == "shipment":
        return effect.ref  # the order's key
    return "" if effect.operation == "accept" else None
