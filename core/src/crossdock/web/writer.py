"""Group commit: webhooks of requests that come in together are kept in one transaction, and answered after it.

What one turn of the event loop took in is handed over together, and what comes in while a transaction is under way
gathers for the next one. Handed over one by one, two threads would fight for the interpreter at each webhook: that
took half as much again of the CPU.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from crossdock.errors import CrossdockError
from crossdock.store.inbox import Arrival, Inbox

AT_ONCE = 256

_Job = tuple[Arrival, "asyncio.Future[None]"]


class Writer:
    """Keeps webhooks from a thread of its own; `arrived` is called after each commit."""

    def __init__(self, inbox: Inbox, arrived: Callable[[], None]) -> None:
        self._inbox = inbox
        self._arrived = arrived
        self._turn: list[_Job] = []
        self._queue: list[_Job] = []
        self._state = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="crossdock-inbox", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether webhooks can be kept."""
        return self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """How many webhooks wait for the next transaction."""
        return len(self._queue) + len(self._turn)

    def start(self) -> None:
        """Keep webhooks from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Keep what waits, then end."""
        with self._state:
            self._stopping = True
            self._state.notify()
        self._thread.join(timeout=10)

    async def keep(self, arrival: Arrival) -> None:
        """Returns when the webhook is safe on the disk; raises `StoreError` when it cannot be kept."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        if not self._turn:
            loop.call_soon(self._hand_over)
        self._turn.append((arrival, future))
        await future

    def _hand_over(self) -> None:
        turn, self._turn = self._turn, []
        with self._state:
            self._queue += turn
            self._state.notify()

    def _run(self) -> None:
        while True:
            with self._state:
                while not self._queue and not self._stopping:
                    self._state.wait()
                jobs, self._queue = self._queue[:AT_ONCE], self._queue[AT_ONCE:]
            if not jobs:
                return
            answered = self._keep(jobs)
            loop = jobs[0][1].get_loop()
            loop.call_soon_threadsafe(_answer, answered)

    def _keep(self, jobs: list[_Job]) -> list[tuple[asyncio.Future[None], BaseException | None]]:
        try:
            self._inbox.keep([arrival for arrival, _ in jobs])
        except Exception as error:  # noqa: BLE001  whoever waits has to be told, whatever it is
            if len(jobs) > 1 and isinstance(error, CrossdockError):
                # One that the database refuses must not take the others with it.
                return [answer for job in jobs for answer in self._keep([job])]
            return [(future, error) for _, future in jobs]
        self._arrived()
        return [(future, None) for _, future in jobs]


def _answer(answers: list[tuple[asyncio.Future[None], BaseException | None]]) -> None:
    for future, error in answers:
        if future.done():  # the client hung up
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
