"""Is this installation and project sound? Each check answers what is wrong and what to do."""

from __future__ import annotations

import os
import platform
import stat
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from crossdock.app import App, secret_names
from crossdock.errors import CrossdockError, SettingsError
from crossdock.registry import Registry
from crossdock.schedule import default_every
from crossdock.session import Check
from crossdock.store import migrate
from crossdock.store.config import ConnectionRow, StreamRow
from crossdock.store.database import unstamp
from crossdock.store.leases import is_dead
from crossdock.store.store import Store
from crossdock.vault import KEY_FILE, KEY_VARIABLE, Vault, is_reference

OLDEST_PYTHON = (3, 11)
# A stream is late when it has missed its turn by this much.
_GRACE = timedelta(minutes=15)
_AHEAD = timedelta(minutes=2)


def diagnose(app: App) -> Iterator[Check]:
    """The checks, in the order in which one depends on the other; reads only, and asks no external system."""
    yield _python()
    yield from _plugins(app)
    vault, check = _key(app)
    yield check
    try:
        store = app.store
    except CrossdockError as error:
        yield Check(name="Database", state="fail", detail=str(error), hint=error.hint or "crossdock db check")
        return
    yield from _database(store)
    yield _clock(app, store)
    yield from _connections(app, store, vault)
    yield from _streams(app, store)
    yield from _webhooks(app, store)
    yield from _leases(app, store)
    yield from _work(store)


def _python() -> Check:
    text = f"Python {platform.python_version()}"
    if sys.version_info < OLDEST_PYTHON:
        return Check(name="Python", state="fail", detail=text, hint="Crossdock needs Python 3.11 or later.")
    return Check(name="Python", state="ok", detail=text)


def _plugins(app: App) -> Iterator[Check]:
    registry: Registry = app.registry
    for failure in registry.failures:
        found = failure.found
        yield Check(
            name=f"Plugin {found.name}", state="fail", detail=f"{found.distribution} {found.version}: {failure.cause}",
            hint=f"Repair or uninstall {found.distribution}, or switch it off: CROSSDOCK_DISABLED={found.name}",
        )  # fmt: skip
    for notice in registry.notices:
        found = notice.found
        yield Check(
            name=f"Plugin {found.name}", state="warn", detail=f"{found.distribution} {found.version}: {notice.text}",
            hint=f"It works until then. Is there a newer {found.distribution}?",
        )  # fmt: skip
    names = ", ".join(f"{each.name} {each.found.version}" for _, each in sorted(registry.connectors.items()))
    if names:
        yield Check(name="Connectors", state="ok", detail=names)
    else:
        yield Check(name="Connectors", state="warn", detail="none is installed", hint="pip install crossdock-NAME")
    if registry.ambient_plugins:
        ambient = ", ".join(f"{each.name} {each.version}" for each in registry.ambient_plugins)
        yield Check(name="Ambient plugins", state="ok", detail=ambient)


# -- key and database ------------------------------------------------------------------------------


def _key(app: App) -> tuple[Vault | None, Check]:
    try:
        vault = app.vault
    except SettingsError as error:
        return None, Check(name="Key", state="fail", detail=str(error), hint=error.hint)
    if os.environ.get(KEY_VARIABLE):
        return vault, Check(name="Key", state="ok", detail=f"from {KEY_VARIABLE}")
    path = app.home / KEY_FILE
    if not vault.ready:
        return vault, Check(
            name="Key", state="warn", detail="there is none, so no secret can be kept",
            hint=f"crossdock init makes one; or set {KEY_VARIABLE}.",
        )  # fmt: skip
    open_to_others = _open_to_others(path)
    if open_to_others:
        return vault, Check(name="Key", state="warn", detail=open_to_others, hint=f"chmod 600 {path}")
    return vault, Check(name="Key", state="ok", detail=f"{path.name}, readable by its owner only")


def _open_to_others(path: Path) -> str:
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "posix" and mode & 0o077:
        return f"other people on this machine may read {path.name} (mode {mode:o})"
    return ""


def _database(store: Store) -> Iterator[Check]:
    database = store.database
    version = migrate.current(database)
    kind = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}.get(database.dialect, database.dialect)
    if version != migrate.HEAD:
        yield Check(name="Database", state="fail", detail=f"{kind}, version {version}, not {migrate.HEAD}",
                    hint="crossdock db upgrade")  # fmt: skip
    else:
        yield Check(name="Database", state="ok", detail=f"{kind}, version {version}")
    found = migrate.integrity(database)
    if found == "ok":
        yield Check(name="Integrity", state="ok")
    else:
        yield Check(name="Integrity", state="fail", detail=found,
                    hint="Stop everything, keep a copy of the file, and restore the last backup.")  # fmt: skip


def _clock(app: App, store: Store) -> Check:
    """Nothing that is remembered can be from the future, unless a clock is or was wrong."""
    now = app.clock.now()
    moments = [unstamp(run.started_at) for run in store.journal.runs(limit=1)]
    moments += [unstamp(row.verified_at) for row in store.config.connections()]
    latest: datetime = max((each for each in moments if each), default=now)
    if latest > now + _AHEAD:
        return Check(
            name="Clock", state="fail",
            detail=f"it is {now:%Y-%m-%d %H:%M:%S} UTC here, but the store knows of {latest:%Y-%m-%d %H:%M:%S} UTC",
            hint="Set this machine's clock (NTP); waiting times and leases depend on it.",
        )  # fmt: skip
    return Check(name="Clock", state="ok", detail=f"{now:%Y-%m-%d %H:%M:%S} UTC")


# -- connections, streams, work --------------------------------------------------------------------


def _connections(app: App, store: Store, vault: Vault | None) -> Iterator[Check]:
    for row in store.config.connections():
        name = f"Connection {row.name}"
        try:
            connector = app.connector_of(row)
        except CrossdockError as error:
            yield Check(name=name, state="fail", detail=str(error), hint=error.hint)
            continue
        if vault is not None:
            try:
                app.reveal(row)
            except CrossdockError as error:
                yield Check(name=name, state="fail", detail=str(error),
                            hint=error.hint or f"crossdock connection edit {row.name}")  # fmt: skip
                continue
        elif any(
            row.settings.get(field) and not is_reference(row.settings[field]) for field in secret_names(connector)
        ):
            yield Check(name=name, state="fail", detail="its secrets cannot be read without the key", hint="See Key.")
            continue
        if row.state == "active":
            yield Check(name=name, state="ok", detail=connector.info.title + _isolated(app, row))
        elif row.state == "draft":
            yield Check(name=name, state="warn", detail="it is a draft and does nothing",
                        hint=f"crossdock connection verify {row.name}")  # fmt: skip
        else:
            reason = f": {row.reason}" if row.reason else ""
            yield Check(name=name, state="warn", detail=f"it is {row.state}{reason}",
                        hint=f"Repair it, then: crossdock connection verify {row.name}")  # fmt: skip


def _isolated(app: App, row: ConnectionRow) -> str:
    """Where an isolated connection's connector runs, with the versions there."""
    if not row.python:
        return ""
    found = app.isolation.described(row.python, row.connector)
    where = f"{found.python} (Python {found.version}, {found.found.distribution} {found.found.version})"
    return f", isolated in {where}"


def _streams(app: App, store: Store) -> Iterator[Check]:
    now = app.clock.now()
    states = {row.name: row for row in store.config.connections()}
    for row in store.config.streams():
        connection = states.get(row.connection)
        if not row.enabled or connection is None or connection.state != "active":
            continue
        name = f"Stream {row.connection} {row.stream}"
        command = f"crossdock sync {row.connection} {row.stream}"
        runs = store.journal.runs(connection=row.connection, stream=row.stream, limit=50)
        last = next((unstamp(run.ended_at) for run in runs if run.state == "done"), None)
        failed = runs[0].message if runs and runs[0].state == "failed" else ""
        said = f"; the last try said: {failed}" if failed else ""
        if last is None:
            yield Check(name=name, state="warn", detail=f"it is on and was never read{said}", hint=command)
            continue
        read = f"last read at {last:%Y-%m-%d %H:%M} UTC"
        if now > _due(app, row, connection, last) + _GRACE:
            yield Check(name=name, state="warn", detail=f"it is on and was {read}{said}",
                        hint=f"Is crossdock run running? Or: {command}")  # fmt: skip
        else:
            yield Check(name=name, state="ok", detail=read)


def _due(app: App, row: StreamRow, connection: ConnectionRow, last: datetime) -> datetime:
    if row.every is None and not row.cron:
        try:
            info = app.connector_of(connection).info
        except CrossdockError:
            return last
        return last + default_every(info, row.stream)
    return row.schedule.next(last)


def _webhooks(app: App, store: Store) -> Iterator[Check]:
    now = app.clock.now()
    counts = store.inbox.open()
    for hook in store.hooks.all():
        waiting, since = counts.get((hook.connection, "new"), (0, ""))
        failed, _ = counts.get((hook.connection, "failed"), (0, ""))
        oldest = unstamp(since)
        problems = []
        if oldest and now - oldest > _GRACE:
            problems.append((f"{waiting:,} wait since {oldest:%Y-%m-%d %H:%M} UTC", "crossdock webhook work"))
        if failed:
            problems.append((f"{failed:,} failed", "crossdock webhook list --each --state failed"))
        if hook.refused:
            problems.append((f"{hook.refused:,} had a wrong signature",
                             f"Is the webhook secret of {hook.connection} the same as at the vendor's?"))  # fmt: skip
        if hook.confirmed_at is None:
            problems.append(("the vendor never used the address", f"crossdock webhook test {hook.connection}"))
        name = f"Webhooks {hook.connection}"
        if problems:
            yield Check(name=name, state="warn", detail="; ".join(text for text, _ in problems),
                        hint=problems[0][1])  # fmt: skip
        else:
            yield Check(name=name, state="ok", detail=f"{waiting:,} waiting")


def _leases(app: App, store: Store) -> Iterator[Check]:
    now = app.clock.now()
    for name, (owner, until) in store.leases.held().items():
        end = unstamp(until)
        if is_dead(owner) or (end is not None and end < now):
            yield Check(
                name=f"Lease {name}", state="warn", detail="its worker ended without giving it back",
                hint="Nothing to do: the next run takes it over. If it comes back, look for workers that are killed.",
            )  # fmt: skip


def _work(store: Store) -> Iterator[Check]:
    counts: dict[str, int] = {}
    for (_, state), number in store.effects.counts().items():
        counts[state] = counts.get(state, 0) + number
    unread, gaps = len(store.records.parked()), len(store.gaps.list())
    problems = (
        (counts.get("in_doubt", 0), "In doubt", "whose answer was lost",
         "crossdock push asks the targets; then: crossdock effects list --state in_doubt"),
        (counts.get("parked", 0), "Parked effects", "refused", "crossdock parked list"),
        (unread, "Parked payloads", "could not be read", "crossdock parked list"),
        (gaps, "Gaps", "unknown and open", "crossdock gaps list"),
        (counts.get("awaiting", 0), "Approvals", "waiting for a person",
         "crossdock effects list --state awaiting"),
    )  # fmt: skip
    for number, name, what, hint in problems:
        if number:
            yield Check(name=name, state="warn", detail=f"{number:,} {what}", hint=hint)
    if not any(number for number, *_ in problems):
        yield Check(name="Work", state="ok", detail="nothing is parked, in doubt or waiting for a person")
