"""One turn of a lane: do what is due, and say when it is due again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal

import attrs

from crossdock.clock import monotonic
from crossdock.connection import StreamInfo
from crossdock.engine.accept import look_again
from crossdock.engine.bench import Bench, describe, working
from crossdock.engine.inbound import Fetch, Worked, work
from crossdock.engine.pull import Pulled, pull
from crossdock.engine.push import Pushed, push
from crossdock.errors import (
    AccessError,
    BusyError,
    ConnectorError,
    CrossdockError,
    StoreError,
    TransientError,
    asked_wait,
)
from crossdock.overview import LASTING
from crossdock.runner.lanes import Lane
from crossdock.store.config import StreamRow
from crossdock.store.database import stamp, unstamp
from crossdock.store.leases import Lease

_FIRST_BACKOFF = 30.0
_LONGEST_BACKOFF = 3600.0
_BUSY = timedelta(seconds=1)
_UNUSABLE = timedelta(minutes=1)  # the connection cannot be opened: a person has to do something
_STILL = timedelta(seconds=5)  # nothing could be done although something is due: somebody else is at it

State = Literal["done", "failed", "waiting", "stopped", "busy", "nothing"]


@attrs.frozen(kw_only=True)
class Turn:
    """How a turn ended: ``nothing`` was due any more, or it was ``done``, ``failed``, ``stopped``, is ``waiting`` for
    the vendor, or somebody else was ``busy`` with it. `text` is a sentence, `rest` how long the lane is left alone.
    """

    lane: Lane
    state: State
    text: str = ""
    hint: str = ""
    run: int | None = None
    seconds: float = 0.0
    needs_attention: bool = False
    follows: bool = False
    """Whether something else may be due now because of it."""
    rest: timedelta | None = attrs.field(default=None, repr=False)


def take_turn(bench: Bench, lane: Lane) -> Turn:
    """Work a lane if it is still due and nobody else is at it. Whatever goes wrong is told in the answer."""
    begun = monotonic()
    try:
        with working(bench, lane.lease) as lease:
            turn = _KINDS[lane.kind](bench, lane, lease)
    except BusyError:
        return Turn(lane=lane, state="busy", rest=_BUSY)
    except CrossdockError as error:
        turn = Turn(lane=lane, state="failed", text=_sentence(error), hint=error.hint, rest=_STILL)
    return attrs.evolve(turn, seconds=round(monotonic() - begun, 3))


# -- reading ---------------------------------------------------------------------------------------


def _read(bench: Bench, lane: Lane, lease: Lease) -> Turn:
    row = bench.store.config.stream(lane.connection, lane.name)
    if row is None or not _is_due(bench, row):
        return Turn(lane=lane, state="nothing")
    try:
        least = _minimum(bench, row)
        if row.requested <= row.done and (later := _later(row, least, bench.clock.now())) is not None:
            bench.store.agenda.put_off(row.connection, row.stream, later)
            return Turn(lane=lane, state="nothing")
        pulled = pull(bench, row.connection, row.stream, lease=lease)
    except StoreError:
        raise
    except CrossdockError as error:
        return _read_failed(bench, lane, row, error, None)
    if isinstance(pulled.error, StoreError):
        raise pulled.error  # ours and not the vendor's: a lease that is lost, or the database; the stream is still due
    if pulled.error is not None:
        return _read_failed(bench, lane, row, pulled.error, pulled)
    if pulled.state == "done":
        bench.store.agenda.fulfilled(row.connection, row.stream, row.requested)
        _stock_came(bench, row)
    counts = {name: getattr(pulled.counts, name) for name in ("new", "changed", "parked")}
    told = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    return Turn(
        lane=lane, state="done" if pulled.state == "done" else "stopped", run=pulled.run,
        follows=pulled.counts.effects > 0 or row.stream == "balance",
        text=told or ("nothing new" if pulled.state == "done" else "stopped at a safe point"),
        needs_attention=pulled.counts.parked > 0,
    )  # fmt: skip


def _is_due(bench: Bench, row: StreamRow) -> bool:
    now = stamp(bench.clock.now())
    due = row.next_at is not None and row.next_at <= now
    return row.enabled and row.held_until <= now and (due or row.requested > row.done)


def _minimum(bench: Bench, row: StreamRow) -> timedelta:
    info = bench.open(row.connection).connector.info
    return info.streams.get(row.stream, StreamInfo()).minimum


def _later(row: StreamRow, least: timedelta, now: datetime) -> datetime | None:
    """When a stream that its schedule wants now may be read, if that is later: quiet hours, or it was read just now."""
    read_at = unstamp(row.read_at)
    moment = row.schedule.awake(max(now, read_at + least) if read_at else now)
    return moment if moment > now else None


def _stock_came(bench: Bench, row: StreamRow) -> None:
    """Orders that wait to be accepted for want of stock are looked at again."""
    if row.stream == "balance":
        for flow in bench.store.config.flows_into(row.connection, "acceptance"):
            if flow.mode == "live":
                look_again(bench, flow, bench.store.gaps.tables(flow.name))


def _read_failed(bench: Bench, lane: Lane, row: StreamRow, error: CrossdockError, pulled: Pulled | None) -> Turn:
    agenda, now = bench.store.agenda, bench.clock.now()
    wait = asked_wait(error)
    turn = Turn(
        lane=lane, state="failed" if wait is None else "waiting", text=_sentence(error), hint=error.hint,
        run=pulled.run if pulled else None,
    )  # fmt: skip
    if isinstance(error, AccessError):
        # The connection is paused: its streams are due again when it is verified.
        return attrs.evolve(turn, needs_attention=True)
    if wait is not None:
        agenda.rest_stream(row.connection, row.stream, now + wait, row.failures)
        return turn
    failures = row.failures + 1
    if not isinstance(error, TransientError):
        failures = max(failures, LASTING)  # it does not pass by itself
    agenda.rest_stream(row.connection, row.stream, now + _backoff(failures), failures)
    return attrs.evolve(turn, needs_attention=failures >= LASTING)


def _backoff(failures: int) -> timedelta:
    span = min(_FIRST_BACKOFF * 2.0 ** min(failures - 1, 20), _LONGEST_BACKOFF)
    return timedelta(seconds=span * random.uniform(0.75, 1.25))  # noqa: S311  spreads calls, keeps no secret


# -- delivering ------------------------------------------------------------------------------------


def _deliver(bench: Bench, lane: Lane, lease: Lease) -> Turn:
    flow = bench.store.config.flow(lane.name)
    if flow is None or flow.mode != "live" or flow.options.dry_run:
        return Turn(lane=lane, state="nothing")
    failures = bench.store.agenda.flow_failures(flow.name)
    try:
        pushed = push(bench, flow)
    except StoreError:
        raise
    except CrossdockError as error:
        return _deliver_failed(bench, lane, error, failures, None)
    if isinstance(pushed.error, StoreError):
        raise pushed.error
    if pushed.error is not None:
        return _deliver_failed(bench, lane, pushed.error, failures, pushed)
    if failures:
        bench.store.agenda.rest_flow(flow.name, None, 0)
    counts = {name: count for name, count in pushed.counts.as_dict().items() if count and name != "requests"}
    if not counts:
        soon = pushed.next_at is not None and pushed.next_at <= stamp(bench.clock.now())
        return Turn(lane=lane, state="nothing", rest=_STILL if soon else None)
    told = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items())
    return Turn(
        lane=lane, state="done" if pushed.state == "done" else "stopped", run=pushed.run, follows=True,
        text=f"{told}: {pushed.trouble}" if pushed.trouble else told,
        needs_attention=any(counts.get(name) for name in ("parked", "in_doubt", "awaiting")),
    )  # fmt: skip


def _deliver_failed(bench: Bench, lane: Lane, error: CrossdockError, failures: int, pushed: Pushed | None) -> Turn:
    turn = Turn(
        lane=lane, state="failed", text=_sentence(error), hint=error.hint, run=pushed.run if pushed else None,
        needs_attention=isinstance(error, AccessError) or failures + 1 >= LASTING,
    )  # fmt: skip
    if not isinstance(error, AccessError):
        bench.store.agenda.rest_flow(lane.name, bench.clock.now() + _backoff(failures + 1), failures + 1)
    return turn


# -- webhooks --------------------------------------------------------------------------------------


def _webhooks(bench: Bench, lane: Lane, lease: Lease) -> Turn:
    worked = work(bench, lane.connection)
    rest = _until(bench, worked)
    told = list(_told(worked))
    if not told:
        return Turn(lane=lane, state="nothing", rest=rest or _BUSY)
    return Turn(
        lane=lane, state="failed" if worked.failed else "done" if worked.ended else "waiting", text="; ".join(told),
        follows=True, needs_attention=worked.failed > 0, rest=rest,
    )  # fmt: skip


def _told(worked: Worked) -> Iterator[str]:
    yield from (f"{name} is {reason}" for name, reason in worked.held.items())
    # A fetch that only goes on waiting said so when it was tried.
    yield from (fetch.note for fetch in worked.fetches if fetch.state != "later" or fetch.runs)


def _until(bench: Bench, worked: Worked) -> timedelta | None:
    """How long webhooks that still wait are left alone; a new one is looked at all the same."""
    if not worked.later:
        return None
    now = bench.clock.now()
    if worked.held:
        return _UNUSABLE
    return min((_wait(fetch, now) for fetch in worked.fetches if fetch.state == "later"), default=_STILL)


def _wait(fetch: Fetch, now: datetime) -> timedelta:
    until = unstamp(fetch.until)
    return max(until - now, timedelta(0)) if until is not None else _BUSY


def _sentence(error: CrossdockError) -> str:
    return describe(error) if isinstance(error, ConnectorError) else str(error)


_KINDS = {"read": _read, "deliver": _deliver, "webhooks": _webhooks}
