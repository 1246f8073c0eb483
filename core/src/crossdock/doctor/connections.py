"""Connections: their connectors, secrets, keys and budgets, and the places that alerts go to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from crossdock.alerts.settings import NAME as ALERTS
from crossdock.app import App, secret_names
from crossdock.connection import Budget
from crossdock.errors import CrossdockError
from crossdock.preferences import flat
from crossdock.session import Check
from crossdock.store.config import ConnectionRow
from crossdock.store.database import unstamp
from crossdock.store.journal import StoredLimiter
from crossdock.store.memory import StoredMemory
from crossdock.store.store import Store
from crossdock.vault import SealedTokens, Vault, is_reference, sealed_with

_LONG = timedelta(minutes=15)


def checks(app: App, store: Store, vault: Vault | None) -> Iterator[Check]:
    """What keeps connections from working."""
    for row in store.config.connections():
        yield _connection(app, row, vault)
        yield from _budgets(app, store, row)
    yield from _keys(app, store, vault)
    yield from _alerts(store, vault)


def _connection(app: App, row: ConnectionRow, vault: Vault | None) -> Check:
    name = f"Connection {row.name}"
    try:
        connector = app.connector_of(row)
    except CrossdockError as error:
        return Check(name=name, state="fail", detail=str(error), hint=error.hint)
    if vault is not None:
        try:
            app.reveal(row)
        except CrossdockError as error:
            return Check(name=name, state="fail", detail=str(error),
                         hint=error.hint or f"crossdock connection edit {row.name}")  # fmt: skip
    elif any(row.settings.get(field) and not is_reference(row.settings[field]) for field in secret_names(connector)):
        return Check(name=name, state="fail", detail="its secrets cannot be read without the key", hint="See Key.")
    if row.state == "active":
        return Check(name=name, state="ok", detail=connector.info.title + _isolated(app, row))
    if row.state == "draft":
        return Check(name=name, state="warn", detail="it is a draft and does nothing",
                     hint=f"crossdock connection verify {row.name}")  # fmt: skip
    reason = f": {row.reason}" if row.reason else ""
    return Check(name=name, state="warn", detail=f"it is {row.state}{reason}",
                 hint=f"Repair it, then: crossdock connection verify {row.name}")  # fmt: skip


def _isolated(app: App, row: ConnectionRow) -> str:
    """Where an isolated connection's connector runs, with the versions there."""
    if not row.python:
        return ""
    found = app.isolation.described(row.python, row.connector)
    where = f"{found.python} (Python {found.version}, {found.found.distribution} {found.found.version})"
    return f", isolated in {where}"


def _budgets(app: App, store: Store, row: ConnectionRow) -> Iterator[Check]:
    """Budgets that are used up for longer than they are meant to be; once a day is once a day."""
    now = app.clock.now()
    try:
        known = {each.name: each for each in app.connector_of(row).info.budgets}
    except CrossdockError:
        return
    for name, text in sorted(StoredLimiter(store.database, row.name).next_calls().items()):
        due = unstamp(text)
        if due is not None and _exhausted(known.get(name), due, now):
            yield Check(
                name=f"Budget {row.name} {name}", state="warn",
                detail=f"the vendor's limit is used up: no call before {due:%Y-%m-%d %H:%M} UTC",
                hint="Nothing to do if it is rare. Else read less often: crossdock stream schedule; or is another "
                     "program using the same account?",
            )  # fmt: skip


def _exhausted(budget: Budget | None, due: datetime, now: datetime) -> bool:
    if budget is None:
        return due > now + _LONG
    wait = due - now - budget.per / budget.calls * (budget.burst - 1)
    return wait > max(_LONG, budget.per / budget.calls + timedelta(seconds=1))


def _keys(app: App, store: Store, vault: Vault | None) -> Iterator[Check]:
    """What is sealed with another key than the one here: two processes with different keys, or a key that was lost."""
    if vault is None or not vault.ready:
        return
    sealed: dict[str, list[str]] = {}
    for row in store.config.connections():
        for value in row.settings.values():
            sealed.setdefault(sealed_with(value), []).append(f"a secret of {row.name}")
        token = SealedTokens(vault, StoredMemory(store.database, row.name), row.name).sealed_with()
        sealed.setdefault(token, []).append(f"the access token of {row.name}")
    for hook in store.hooks.all():
        sealed.setdefault(sealed_with(hook.token), []).append(f"the webhook address of {hook.connection}")
    for other in sorted(sealed.keys() - {"", vault.id}):
        yield Check(
            name=f"Key {other}", state="fail",
            detail=f"{', '.join(sorted(set(sealed[other])))}: sealed with this key, not with {vault.id}, the one here",
            hint="All processes of a project need the same key. Give the right one to each, or enter the secrets "
                 "again: crossdock connection edit",
        )  # fmt: skip


def _alerts(store: Store, vault: Vault | None) -> Iterator[Check]:
    table: Mapping[str, Any] = store.preferences.get(ALERTS)
    for key, value in flat(table).items():
        if vault is None or not isinstance(value, str) or not is_reference(value):
            continue
        try:
            vault.reveal("[alerts]", key, value)
        except CrossdockError as error:
            yield Check(name=f"Alerts {key}", state="fail", detail=str(error),
                        hint="Set it where the runner starts; until then nobody is told of anything.")  # fmt: skip
