"""What runs: clocks, workers and their leases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from crossdock import __version__
from crossdock.app import App
from crossdock.session import Check
from crossdock.store.agenda import WorkerRow
from crossdock.store.condition import postgres_condition
from crossdock.store.database import unstamp
from crossdock.store.leases import is_dead
from crossdock.store.store import Store

_AHEAD = timedelta(minutes=2)
_LATELY = timedelta(days=1)
_CLOCK = "Set this machine's clock (NTP); waiting times and leases depend on it."


def checks(app: App, store: Store) -> Iterator[Check]:
    """Clocks, workers, leases."""
    yield _clock(app, store)
    yield from _vendors_clocks(app, store)
    yield from _workers(app, store)
    yield from _leases(app, store)


def _clock(app: App, store: Store) -> Check:
    """Nothing that is remembered can be from the future, unless a clock is or was wrong."""
    now = app.clock.now()
    here = f"it is {now:%Y-%m-%d %H:%M:%S} UTC here"
    if store.database.dialect == "postgresql":
        at_server = postgres_condition(store.database).now
        if abs(at_server - app.clock.now()) > _AHEAD:
            there = f"{at_server:%Y-%m-%d %H:%M:%S} UTC at the database"
            return Check(name="Clock", state="fail", detail=f"{here}, but {there}",
                         hint=f"One of the two is wrong. {_CLOCK}")  # fmt: skip
    for worker in store.agenda.workers():
        seen = unstamp(worker.seen_at)
        if seen is not None and seen > now + _AHEAD:
            there = f"{seen:%Y-%m-%d %H:%M:%S} UTC at the worker on {worker.machine}"
            return Check(name="Clock", state="fail", detail=f"{here}, but {there}",
                         hint=f"One of the two is wrong. {_CLOCK}")  # fmt: skip
    moments = [unstamp(run.started_at) for run in store.journal.runs(limit=1)]
    moments += [unstamp(row.verified_at) for row in store.config.connections()]
    latest: datetime = max((each for each in moments if each), default=now)
    if latest > now + _AHEAD:
        return Check(name="Clock", state="fail", hint=_CLOCK,
                     detail=f"{here}, but the store knows of {latest:%Y-%m-%d %H:%M:%S} UTC")  # fmt: skip
    return Check(name="Clock", state="ok", detail=f"{now:%Y-%m-%d %H:%M:%S} UTC")


def _vendors_clocks(app: App, store: Store) -> Iterator[Check]:
    """What the dates of the last day's answers say."""
    now = app.clock.now()
    for connection, (ahead, at) in sorted(store.journal.clocks().items()):
        seen = unstamp(at)
        if abs(ahead) > _AHEAD and seen is not None and seen > now - _LATELY:
            way = "ahead of" if ahead > timedelta(0) else "behind"
            said = f"its answers are dated {abs(ahead)} {way} this machine"
            yield Check(
                name=f"Clock {connection}", state="warn", detail=said,
                hint="If other connections say the same, set this machine's clock (NTP). Else the vendor's is wrong.",
            )  # fmt: skip


def _workers(app: App, store: Store) -> Iterator[Check]:
    now = app.clock.now()
    workers = store.agenda.workers()
    living = [worker for worker in workers if worker.alive(now)]
    for worker in workers:
        if worker not in living:
            yield Check(
                name=f"Worker {_place(worker)}", state="warn",
                detail=f"it ended without saying so; seen last at {unstamp(worker.seen_at):%Y-%m-%d %H:%M} UTC",
                hint="What it was at goes on elsewhere. If this comes back, look for what kills it.",
            )  # fmt: skip
    versions = sorted({worker.version for worker in living} | ({__version__} if living else set()))
    if len(versions) > 1:
        yield Check(
            name="Versions", state="warn",
            detail=f"{', '.join(f'{_place(each)} is {each.version}' for each in living)}; this is {__version__}",
            hint="Restart the older ones, when an upgrade is under way; see docs/deploy.md.",
        )  # fmt: skip
    if living:
        yield Check(name="Workers", state="ok", detail=", ".join(_place(worker) for worker in living))
    elif workers:
        yield Check(name="Workers", state="warn", detail="none of them runs, so nothing is read or delivered by itself",
                    hint="crossdock run")  # fmt: skip
    else:
        yield Check(name="Workers", state="ok", detail="none: what calls crossdock sync and push decides when")


def _place(worker: WorkerRow) -> str:
    pid = worker.owner.partition("/")[2].partition("/")[0]
    return f"{worker.kind} on {worker.machine}" + (f" ({pid})" if pid else "")


def _leases(app: App, store: Store) -> Iterator[Check]:
    now = app.clock.now()
    for name, (owner, until) in store.leases.held().items():
        end = unstamp(until)
        if is_dead(owner) or (end is not None and end < now):
            yield Check(
                name=f"Lease {name}", state="warn", detail="its worker ended without giving it back",
                hint="Nothing to do: the next run takes it over. If it comes back, look for workers that are killed.",
            )  # fmt: skip
