"""Daily work that keeps a project small: what is older than its retention is forgotten, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import attrs

from crossdock import retention
from crossdock.app import App
from crossdock.engine.erase import erase_old
from crossdock.errors import CrossdockError, LeaseLostError
from crossdock.retention import Retention

EVERY = timedelta(days=1)
"""How often a service does it."""

_LEASE = timedelta(minutes=5)
_NAME = "housekeeping"
_KINDS = {"notices": "alerts"}
"""Rows that are kept as long as those of another kind."""


@attrs.frozen(kw_only=True)
class Kept:
    """What housekeeping did: rows forgotten (with `dry_run`: that would be) by kind, and bytes of the database.

    `busy`: another process is at it, nothing was done. `free` bytes are inside the file and will be used again.
    """

    forgotten: dict[str, int]
    size: int
    free: int
    busy: bool = False
    stopped: bool = False


def retention_of(app: App) -> Retention:
    """How long this project keeps things."""
    return Retention.parse(app.store.preferences.get(retention.NAME))


def housekeep(app: App, *, dry_run: bool = False) -> Kept:
    """Forget what is older than the project's retention. One process at a time; stops at a safe point when told to."""
    if dry_run:
        return _done(app, _forget(app, lambda: not app.clock.stopping, dry_run=True))
    lease = app.store.leases.take(_NAME, app.owner, app.clock.now(), _LEASE)
    if lease is None:
        return _done(app, {}, busy=True)

    def going() -> bool:
        if app.clock.stopping:
            return False
        try:
            app.store.leases.check(lease, app.clock.now(), _LEASE)
        except LeaseLostError:
            return False
        return True

    try:
        return _done(app, _forget(app, going, dry_run=False))
    finally:
        app.store.leases.release(lease)


def housekeep_when_due(app: App) -> Kept | None:
    """`housekeep`, unless it was done within `EVERY` by whatever process; then `None`. Errors are raised."""
    now = app.clock.now()
    with app.store.transaction():
        app.store.database.serialize(_NAME)
        done = app.store.preferences.done_at(_NAME)
        if done is not None and now - done < EVERY:
            return None
        app.store.preferences.put(_NAME, {"begun": now.isoformat()}, now)
    return housekeep(app)


def _forget(app: App, going: Callable[[], bool], *, dry_run: bool) -> dict[str, int]:
    kept, now = retention_of(app), app.clock.now()
    counts: dict[str, int] = {}
    for kind in ("payloads", "exchanges", "runs", "attempts", "events", "inbox", "alerts", "notices"):
        span = getattr(kept, _KINDS.get(kind, kind))
        if span is not None and going():
            counts[kind] = app.store.forgetting.forget(kind, now - span, going, dry_run=dry_run)
    if kept.personal is not None and going():
        counts["personal"] = erase_old(app.store, now - kept.personal, now, going, dry_run=dry_run)
    return counts


def _done(app: App, forgotten: dict[str, int], *, busy: bool = False) -> Kept:
    size, free = app.store.forgetting.size()
    return Kept(forgotten=forgotten, size=size, free=free, busy=busy, stopped=app.clock.stopping)


def compact(app: App) -> int:
    """Give what is free inside the database back to the disk; answers its bytes afterwards.

    Raises `CrossdockError` with what to do when the database is in use.
    """
    try:
        app.store.forgetting.compact()
    except CrossdockError as error:
        raise type(error)(
            f"The database could not be written anew: {error}",
            hint="Stop what else works with it, check that the disk has room for a second copy, and try again.",
        ) from error
    return app.store.forgetting.size()[0]
