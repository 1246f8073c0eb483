"""Hands lanes to a bounded number of threads of this process: all that one machine needs."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

from crossdock import __version__
from crossdock.clock import monotonic
from crossdock.engine.bench import Bench
from crossdock.errors import CrossdockError
from crossdock.runner.lanes import Lane, Lanes
from crossdock.runner.turns import Turn, take_turn
from crossdock.store.agenda import WorkerRow
from crossdock.store.database import stamp

THREADS = 8

_TICK = 0.5  # seconds: what other processes ask for, and what its time has come for, is seen after this at the latest
_SHARE = 10  # looking takes a tenth of the time at most: when thousands of lanes are due, a look is dear
_PAUSE = 5.0  # seconds: but a look that had to wait for the database is no reason to stand still
_GATHER = 0.03  # a vendor that sends one webhook usually sends several
_SEEN = 10.0
_CHORES = 24 * 3600.0
_FIRST_CHORES = 60.0
_AFTER_FAULT = timedelta(minutes=1)
_NOBODY = Lane(kind="read", connection="the database")


class Embedded:
    """Works what is due.

    `tell` is called, from any thread, after each turn that did something or failed; `daily` once a day.
    """

    def __init__(
        self, bench: Bench, threads: int = THREADS, tell: Callable[[Turn], None] | None = None, kind: str = "run",
        daily: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        self._bench = bench
        self._threads = threads
        self._tell = tell or _nothing
        self._kind = kind
        self._daily = daily or _idle
        self._started_at = stamp(bench.clock.now())
        self._lanes = Lanes(bench)
        self._due: list[Lane] = []
        self._busy: dict[str, Lane] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._look = True
        self._came = False
        self._stopping = False
        self._work: queue.SimpleQueue[Lane | None] = queue.SimpleQueue()
        self._pool = [
            threading.Thread(target=self._work_off, name=f"crossdock-lane-{number}", daemon=True)
            for number in range(threads)
        ]
        self._thread = threading.Thread(target=self._run, name="crossdock-runner", daemon=True)
        self._trouble = ""
        self._came_round = monotonic()

    @property
    def quiet(self) -> float:
        """Seconds since it last came round to looking for work; above a minute something holds it fast."""
        return monotonic() - self._came_round

    @property
    def busy(self) -> list[str]:
        """The lanes that are being worked, for a person."""
        with self._lock:
            return sorted(lane.text for lane in self._busy.values())

    @property
    def alive(self) -> bool:
        """Whether it works."""
        return self._thread.is_alive()

    def wake(self) -> None:
        """Something came in: look now, not only at the next tick."""
        self._came = True
        self._wake.set()

    def start(self) -> None:
        """Work from now on."""
        self._say_alive()
        self._thread.start()
        for thread in self._pool:
            thread.start()

    def stop(self, seconds: float) -> list[str]:
        """Begin nothing new and wait for what is under way, but not longer; answers the lanes that did not end.

        The bench's clock has to be stopped, or what is under way does not look for a safe point.
        """
        self._stopping = True
        self._wake.set()
        until = monotonic() + seconds
        if self._thread.ident is not None:
            self._thread.join(timeout=max(until - monotonic(), 0))
        for _ in self._pool:
            self._work.put(None)
        for thread in self._pool:
            if thread.ident is not None:
                thread.join(timeout=max(until - monotonic(), 0))
        with contextlib.suppress(CrossdockError):
            self._bench.store.agenda.gone(self._bench.owner)
        return self.busy

    # -- handing out -------------------------------------------------------------------------------

    def _run(self) -> None:
        seen = looked = soon = monotonic()
        chores = seen + _FIRST_CHORES - _CHORES
        while not self._stopping:
            self._came_round = monotonic()
            try:
                if monotonic() >= (soon if self._look or not self._due else looked + _TICK):
                    self._look, looked = False, monotonic()
                    self._due = self._lanes.due()
                    self._hand_out()
                    soon = looked + min(_SHARE * (monotonic() - looked), _PAUSE)
                else:
                    self._hand_out()
                if monotonic() - seen >= _SEEN:
                    seen = monotonic()
                    self._say_alive()
                if monotonic() - chores >= _CHORES:
                    chores = monotonic()
                    self._daily()
                self._trouble = ""
            except CrossdockError as error:
                self._away(error)
                self._due = []
            self._wake.wait(max(soon - monotonic(), 0) if self._look else _TICK)
            self._wake.clear()
            if self._came and not self._stopping:
                self._came, self._look = False, True
                self._bench.clock.sleep(_GATHER)

    def _away(self, error: CrossdockError) -> None:
        """The database is away: everything waits, and is told once, however its words change."""
        if not self._trouble:
            self._trouble = str(error)
            self._say(trouble(str(error), error.hint))

    def _hand_out(self) -> None:
        """Give the most urgent lanes to free threads."""
        with self._lock:
            left: list[Lane] = []
            shares = Shares(self._busy.values(), self._threads)
            for lane in self._due:
                if lane.lease in self._busy:
                    continue
                free = self._threads - len(self._busy)
                if free <= 0 or not self._may(lane, free) or not shares.take(lane):
                    left.append(lane)
                    continue
                self._busy[lane.lease] = lane
                self._work.put(lane)
            self._due = left

    def _may(self, lane: Lane, free: int) -> bool:
        """Reading leaves one thread free for what is urgent."""
        return lane.kind != "read" or lane.rank == 0 or free > 1 or self._threads == 1

    def _work_off(self) -> None:
        while (lane := self._work.get()) is not None:
            turn = self._take_turn(lane)
            with self._lock:
                del self._busy[lane.lease]
                self._lanes.worked(lane)
                if turn.rest is not None:
                    self._lanes.rest(lane, turn.rest)
                self._look = self._look or turn.follows
            self._wake.set()
            if turn.state not in ("busy", "nothing"):
                self._say(turn)

    def _say(self, turn: Turn) -> None:
        with contextlib.suppress(Exception):  # who listens may be gone, and the work goes on
            self._tell(turn)

    def _take_turn(self, lane: Lane) -> Turn:
        if self._stopping:
            return Turn(lane=lane, state="nothing")
        try:
            return take_turn(self._bench, lane)
        except Exception as error:  # noqa: BLE001  a fault of ours in one lane must not end the thread, nor spin
            return broken(lane, error)

    def _say_alive(self) -> None:
        self._bench.store.agenda.seen(worker_row(self._bench, self._kind, self._threads, self._started_at, self.busy))


class Shares:
    """What each connection has of `threads`: one slow system must not keep all others waiting.

    Its streams and its deliveries get half of them each at most, and together not all.
    """

    def __init__(self, busy: Iterable[Lane], threads: int) -> None:
        self._half = max(threads // 2, 1)
        self._most = max(min(self._half + 1, threads - 1), 1)
        self._taken = Counter((lane.connection, lane.kind) for lane in busy)

    def take(self, lane: Lane) -> bool:
        """Give one more to a lane, if its connection's share is not taken."""
        if lane.kind == "webhooks":
            return True
        of = {kind: self._taken[lane.connection, kind] for kind in ("read", "deliver")}
        if of[lane.kind] >= self._half or sum(of.values()) >= self._most:
            return False
        self._taken[lane.connection, lane.kind] += 1
        return True


def trouble(text: str, hint: str) -> Turn:
    """What is told when the database is the matter, and no lane."""
    return Turn(lane=_NOBODY, state="failed", text=text, hint=hint, needs_attention=True)


def broken(lane: Lane, error: BaseException) -> Turn:
    """A turn that ended by a fault in Crossdock itself."""
    text = f"It was broken off: {type(error).__name__}: {error}"
    return Turn(lane=lane, state="failed", text=text, needs_attention=True, rest=_AFTER_FAULT)


def worker_row(bench: Bench, kind: str, threads: int, started_at: str, busy: Sequence[str]) -> WorkerRow:
    """This process as a worker, seen now."""
    return WorkerRow(
        owner=bench.owner, machine=socket.gethostname(), kind=kind, version=__version__, threads=threads,
        busy=list(busy), started_at=started_at, seen_at=stamp(bench.clock.now()),
    )  # fmt: skip


def _nothing(turn: Turn) -> None:
    return None


def _idle() -> None:
    return None
