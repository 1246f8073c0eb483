"""What a piece of work costs: CPU here and in the database server, round trips, waits for the disk, bytes of log."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from crossdock.app import App
from crossdock.store.database import Database, Postgres, Sqlite


@attrs.frozen
class Cost:
    """A unit of work: `cpu` and `server` in seconds, statements sent and answered, commits that wait for the disk,
    bytes of write-ahead log, and how many of the statements are sent under the lock of stock."""

    cpu: float = 0.0
    server: float = 0.0
    trips: float = 0.0
    syncs: float = 0.0
    wal: float = 0.0
    locked: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(mine + its for mine, its in zip(attrs.astuple(self), attrs.astuple(other))))

    def __sub__(self, other: Cost) -> Cost:
        return Cost(*(max(mine - its, 0.0) for mine, its in zip(attrs.astuple(self), attrs.astuple(other))))

    def __mul__(self, times: float) -> Cost:
        return Cost(*(mine * times for mine in attrs.astuple(self)))

    def __truediv__(self, count: float) -> Cost:
        return self * (1 / count)


def family_cpu(leader: int) -> float:
    """Seconds of CPU that a process, its living children and those it has buried have used."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            head, _, rest = path.read_text().rpartition(")")
        except OSError:
            continue
        fields = rest.split()
        number = int(head.split(" ", 1)[0])
        if number == leader:
            ticks += sum(int(each) for each in fields[11:15])
        elif int(fields[1]) == leader:
            ticks += sum(int(each) for each in fields[11:13])
    return ticks / 100


class Meter:
    """Weighs work on an open project; `postmaster` is the process number of its PostgreSQL server, if it has one."""

    def __init__(self, app: App, postmaster: int = 0) -> None:
        self.app = app
        self.postmaster = postmaster
        self._trips = self._syncs = self._locked = 0
        self._holds = False
        database = app.store.database
        if isinstance(database, Postgres):
            self._count_postgres(database)
        elif isinstance(database, Sqlite):
            self._count_sqlite(database)

    def __call__(self, work: Callable[[], Any], times: int = 1) -> Cost:
        """The cost of one of `times` calls."""
        return self.took(lambda: [work() for _ in range(times)]) / times

    def took(self, work: Callable[[], Any]) -> Cost:
        """The cost of one call."""
        wal, server = self._wal(), family_cpu(self.postmaster) if self.postmaster else 0.0
        self._trips = self._syncs = self._locked = 0
        started = time.process_time()
        work()
        cpu, trips, syncs, locked = time.process_time() - started, self._trips, self._syncs, self._locked
        server = family_cpu(self.postmaster) - server if self.postmaster else 0.0
        return Cost(cpu, server, trips, syncs, self._wal() - wal, locked)

    def _wal(self) -> float:
        database = self.app.store.database
        if isinstance(database, Postgres):
            return float(database.query("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")[0][0])
        return 0.0

    # A commit waits for the disk when it is durable and something was written. Both are told from the calls: counting
    # in the server would count other sessions, and the log of SQLite has no counter.

    def _count_sqlite(self, database: Any) -> None:
        commit = database._commit

        def committed() -> None:
            self._syncs += database._durable
            commit()

        database._commit = committed
        for name in ("run", "query", "many"):
            self._count_writes(database, name)

    def _count_postgres(self, database: Any) -> None:
        begin, commit = database._begin, database._commit
        durable = [True]

        def begun(wanted: bool) -> None:
            durable[0] = wanted
            self._sent()
            begin(wanted)

        def committed() -> None:
            self._sent()
            self._syncs += durable[0]
            self._holds = False
            commit()

        database._begin, database._commit = begun, committed
        for name in ("run", "query", "many"):
            self._count_writes(database, name)
        upsert = database.upsert

        def upserted(table: str, columns: Any, key: Any, rows: Any) -> None:
            self._sent(3 if len(rows) >= 20 else 0)
            upsert(table, columns, key, rows)

        database.upsert = upserted
        serialize = database.serialize

        def serialized(name: str) -> None:
            serialize(name)
            self._holds = self._holds or name.startswith("stock")

        database.serialize = serialized

    def _sent(self, statements: int = 1) -> None:
        self._trips += statements
        self._locked += statements * self._holds

    def _count_writes(self, database: Database, name: str) -> None:
        original = getattr(database, name)

        def counted(sql: str, *rest: Any) -> Any:
            self._sent()
            self._syncs += not database._depth and not database._quick and not sql.startswith("SELECT")
            return original(sql, *rest)

        setattr(database, name, counted)
