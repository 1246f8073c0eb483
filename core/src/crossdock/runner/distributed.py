"""Hands lanes to the workers of all machines, through jobs of pgqueuer in the same PostgreSQL database.

A job says "work this lane". What is right does not rest on it: a job that is lost, doubled or old changes nothing,
because a turn looks again and holds the lane's lease.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec

from crossdock.clock import monotonic
from crossdock.engine.bench import Bench
from crossdock.errors import CrossdockError, StoreError
from crossdock.runner.embedded import THREADS, Embedded, Shares, trouble
from crossdock.runner.lanes import WANTED, Lane
from crossdock.runner.turns import Turn
from crossdock.store.channel import WAKE, listening, schema_of
from crossdock.store.database import Database
from crossdock.store.leases import Lease

try:
    from pgqueuer.adapters.drivers.psycopg import PsycopgDriver
    from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
    from pgqueuer.domain.errors import RetryRequested
    from pgqueuer.domain.models import Job
    from pgqueuer.domain.settings import DBSettings, Durability
    from pgqueuer.domain.types import Channel, QueueEntrypoint
    from pgqueuer.qm import QueueManager
    from pgqueuer.queries import Queries
except ImportError as error:
    raise StoreError(
        "Workers that share a PostgreSQL database need a package that is not installed.",
        hint="pip install 'crossdock[postgres]'",
    ) from error

_SILENT = timedelta(seconds=10)
"""A job whose worker said nothing for so long goes to another one."""

_POLL = timedelta(seconds=5)  # jobs of the dead are not announced
_PLAN = "plan"
_PLANNING = timedelta(seconds=6)  # a planner that died on another machine is replaced after this
_RENEW = 2.0
_QUEUED = 500  # jobs at once; the rest of what is due is still due at the next look
_BACKOFF, _LONGEST_BACKOFF = 0.25, 10.0
_LASTED = 30.0  # a connection that was of use for so long was a good one
_LASTING = 3
_PREPARE = 7236002  # the advisory lock of whoever makes the tables

# It says with a stack what we say in a sentence.
logging.getLogger("pgqueuer").setLevel(logging.CRITICAL + 1)


def settings_of(schema: str) -> DBSettings:
    """Where pgqueuer keeps its things: a schema of their own beside ours, so that no migration of ours sees them.

    They are not kept across a crash of the server: what is due stands in our tables.
    """
    own = f"crossdock_{schema}"
    return DBSettings(prefix="", db_schema=own, channel=Channel(own), durability=Durability.volatile)


def _queries(driver: PsycopgDriver, settings: DBSettings) -> Queries:
    return Queries(
        driver, QueryBuilderEnvironment(settings), QueryQueueBuilder(settings), QuerySchedulerBuilder(settings)
    )


def prepare(database: Database) -> None:
    """Make pgqueuer's tables, or bring them to the installed release's version; doing it twice is doing it once."""
    asyncio.run(_prepare(database.url, settings_of(schema_of(database))))


async def _prepare(url: str, settings: DBSettings) -> None:
    async with await listening(url) as connection:
        queries = _queries(PsycopgDriver(connection), settings)
        await connection.execute("SELECT pg_advisory_lock(%s)", (_PREPARE,))
        if await queries.schema_is_installed():
            await queries.upgrade()
        else:
            await queries.install()


class Distributed(Embedded):
    """Works what is due, together with all processes on the same database.

    Each looks when something happens to it; one, who holds the lease ``plan``, also as time passes. What they find
    becomes jobs, one for a lane, and whoever has a free thread takes the most urgent.
    """

    def __init__(
        self, bench: Bench, threads: int = THREADS, tell: Callable[[Turn], None] | None = None, kind: str = "run",
        daily: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(bench, threads, tell, kind, daily)
        self._settings = settings_of(schema_of(bench.store.database))
        self._plan: Lease | None = None
        self._planned = -1e9
        self._futures: dict[str, asyncio.Future[Turn]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._manager: _Manager | None = None
        self._queries: Queries | None = None
        self._halt = asyncio.Event()
        self._queue = threading.Thread(target=self._take_jobs, name="crossdock-queue", daemon=True)

    def start(self) -> None:
        """Work from now on."""
        prepare(self._bench.store.database)
        super().start()
        self._queue.start()

    def stop(self, seconds: float) -> list[str]:
        """As `Embedded.stop`."""
        begun, loop = monotonic(), self._loop
        self._stopping = True
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended
                loop.call_soon_threadsafe(self._shut)
        if self._queue.ident is not None:
            self._queue.join(timeout=seconds)
        return super().stop(max(begun + seconds - monotonic(), 0.1))

    def _shut(self) -> None:
        self._halt.set()
        if self._manager is not None:
            self._manager.shutdown.set()

    # -- planning, in the runner's thread ----------------------------------------------------------

    def _look_up(self, asked: bool) -> list[Lane]:
        return super()._look_up(asked) if self._plans() or asked else []

    def _plans(self) -> bool:
        """Whether this process is the one that looks as time passes."""
        if monotonic() - self._planned >= _RENEW:
            self._planned = monotonic()
            bench = self._bench
            with contextlib.suppress(CrossdockError):
                if self._plan is not None:
                    plan, self._plan = self._plan, None
                    bench.store.leases.check(plan, bench.clock.now(), _PLANNING)
                    self._plan = plan
            self._plan = self._plan or bench.store.leases.take(_PLAN, bench.owner, bench.clock.now(), _PLANNING)
        return self._plan is not None

    def _hand_out(self) -> None:
        """Make jobs of what is due and not yet a job."""
        lanes, self._due = self._due, []
        loop = self._loop
        if lanes and loop is not None and self._queries is not None:
            with contextlib.suppress(Exception):  # the connection is gone: it is made again, and all is still due
                asyncio.run_coroutine_threadsafe(self._enqueue(self._queries, lanes), loop).result(timeout=10)

    async def _enqueue(self, queries: Queries, lanes: list[Lane]) -> None:
        table = self._settings.qualified.queue_table
        rows: Any = await queries.driver.fetch(
            f"SELECT dedupe_key, priority, payload, status = 'queued' AND execute_after > now() AS rests FROM {table}"
        )
        known = {row["dedupe_key"]: row["priority"] for row in rows}
        under_way = [_LANE.decode(row["payload"]) for row in rows if not row["rests"]]
        shares, room = Shares(under_way, self._threads), _QUEUED - len(under_way)
        found: list[Lane] = []
        for lane in lanes:
            if _key(lane) in known:
                if known[_key(lane)] < -lane.rank:
                    found.append(lane)
            elif len(found) < room and shares.take(lane):
                found.append(lane)
        if found:
            await queries.enqueue(
                [_entrypoint(lane) for lane in found], [msgspec.json.encode(lane) for lane in found],
                [-lane.rank for lane in found], dedupe_key=[_key(lane) for lane in found],
                on_conflict="update_priority",
            )  # fmt: skip

    # -- working, in a thread with an event loop ---------------------------------------------------

    def _take_jobs(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        """Take jobs until the runner stops; a connection that breaks is made again, later and later."""
        self._loop = asyncio.get_running_loop()
        failures = 0
        while not self._stopping:
            begun = monotonic()
            try:
                await self._connected()
            except Exception as error:  # noqa: BLE001  whatever it is, the worker goes on
                failures = failures + 1 if monotonic() - begun < _LASTED else 1
                if failures == _LASTING and not self._trouble:
                    # The database answers, but not to this: else the runner has told it already.
                    self._say(trouble(f"Jobs cannot be taken: {error}", "crossdock db upgrade"))
            self._drop()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._halt.wait(), min(_BACKOFF * 2.0**failures, _LONGEST_BACKOFF))

    async def _connected(self) -> None:
        url = self._bench.store.database.url
        async with await listening(url) as asking, await listening(url) as hearing:
            driver = _Driver(asking, hearing, self._drop)
            await driver.add_listener(WAKE, lambda _: self.wake())
            self._queries = _queries(driver, self._settings)
            self._manager = manager = _Manager(self._queries, self._settings.channel)
            manager.spare = self._spare
            for name in ("read", "other"):
                manager.entrypoint(name)(self._work_job)
            if self._stopping:
                return
            self.wake()  # what was due while nobody could make jobs of it
            try:
                await manager.run(
                    _POLL, batch_size=1, max_concurrent_tasks=max(self._threads, 2), heartbeat_timeout=_SILENT,
                    shutdown_on_listener_failure=True, log_aggregation_interval=timedelta(0),
                )  # fmt: skip
            finally:
                self._queries = self._manager = None

    def _spare(self) -> bool:
        """Whether a stream may be read: one thread is kept free for what is urgent."""
        return self._threads == 1 or len(self._futures) < self._threads - 1

    async def _work_job(self, job: Job) -> None:
        lane = _LANE.decode(job.payload or b"")
        if lane.lease in self._busy or lane.lease in self._futures:
            raise RetryRequested(timedelta(seconds=1))
        future: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        self._futures[lane.lease] = future
        with self._lock:
            self._busy[lane.lease] = lane
        self._work.put(lane)
        try:
            turn = await future
        finally:
            self._futures.pop(lane.lease, None)
        if turn.rest is not None and not (lane.kind == "webhooks" and turn.state == "busy"):
            # The job waits, and keeps others of its lane away. Whoever is at webhooks looks again when it ends.
            raise RetryRequested(turn.rest)

    def _ended(self, lane: Lane, turn: Turn) -> None:
        future, loop = self._futures.get(lane.lease), self._loop
        if future is not None and loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(_answer, future, turn)

    def _drop(self) -> None:
        """Wait for no turn any longer: its thread goes on, and nobody can be told how it ends."""
        for future in self._futures.values():
            future.cancel()


class _Manager(QueueManager):
    """A queue manager that leaves streams alone while no thread is to spare for them."""

    spare: Callable[[], bool]

    def entrypoints_below_capacity_limits(self) -> set[QueueEntrypoint]:
        found = set(self.entrypoint_registry)
        return found if self.spare() else found - {QueueEntrypoint("read")}


class _Driver(PsycopgDriver):
    """Two connections: who waits for news on one keeps it from everybody else, up to a second."""

    def __init__(self, asking: Any, hearing: Any, broke: Callable[[], None]) -> None:
        super().__init__(hearing)
        self._asking = PsycopgDriver(asking)
        self._broke = broke

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        with self._noticed():
            return await self._asking.fetch(query, *args)

    async def execute(self, query: str, *args: object) -> str:
        with self._noticed():
            return await self._asking.execute(query, *args)

    @contextlib.contextmanager
    def _noticed(self) -> Any:
        try:
            yield
        except Exception:
            if self._asking._connection.closed:
                self._broke()
            raise


def _answer(future: asyncio.Future[Turn], turn: Turn) -> None:
    if not future.done():
        future.set_result(turn)


def _entrypoint(lane: Lane) -> str:
    return "read" if lane.kind == "read" and lane.rank != WANTED else "other"


def _key(lane: Lane) -> str:
    """One job for each lane; of webhooks that came later, one more, because the first may wait for its time."""
    return f"{lane.lease} {lane.newest}" if lane.kind == "webhooks" else lane.lease


_LANE = msgspec.json.Decoder(Lane)
