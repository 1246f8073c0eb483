"""Wires store, plugins, secrets and engine together from one project folder."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from crossdock.clock import SystemClock
from crossdock.engine.bench import Bench, Opened
from crossdock.errors import CrossdockError, SettingsError, UsageError
from crossdock.http.limits import PATIENCE, Limiter, MemoryLimiter
from crossdock.http.tokens import TokenStore
from crossdock.registry import LOCAL_PLUGIN, Connector, Registry
from crossdock.session import Check, Files, HeldFiles, Memory, Session
from crossdock.settings import Secret, build, fields_of
from crossdock.settings import check_name as check_name
from crossdock.store.config import ConnectionRow
from crossdock.store.database import stamp, unstamp
from crossdock.store.journal import StoredExchanges, StoredLimiter
from crossdock.store.leases import whoami
from crossdock.store.memory import ScratchMemory, StoredFiles, StoredMemory
from crossdock.store.store import Store
from crossdock.vault import SealedTokens, Vault

if TYPE_CHECKING:  # most projects isolate nothing, and each start of the command would pay for it
    from crossdock.isolation.isolated import Isolation

HOME_VARIABLE = "CROSSDOCK_HOME"
DATABASE_VARIABLE = "CROSSDOCK_DATABASE_URL"
FIND_AFTER_VARIABLE = "CROSSDOCK_FIND_AFTER"
CONFIG_FILE = "crossdock.toml"
DATABASE_FILE = "crossdock.db"


def find_home() -> Path:
    """The project folder: ``CROSSDOCK_HOME``, else the nearest folder upwards with a ``crossdock.toml``, else here."""
    named = os.environ.get(HOME_VARIABLE)
    if named:
        return Path(named)
    here = Path.cwd()
    return next((each for each in (here, *here.parents) if (each / CONFIG_FILE).is_file()), here)


@attrs.frozen
class Verified:
    """The steps of a verify; green means that the connection may be saved and used."""

    checks: tuple[Check, ...]

    @property
    def green(self) -> bool:
        """Whether at least one step ran and none failed."""
        return bool(self.checks) and all(check.state != "fail" for check in self.checks)

    @property
    def facts(self) -> dict[str, Any]:
        """What the steps learnt."""
        return {name: value for check in self.checks for name, value in check.facts.items()}


class App:
    """One project: its folder, database, plugins and connections. Use as a context manager."""

    def __init__(self, home: Path | None = None, database_url: str = "", clock: SystemClock | None = None) -> None:
        self.home = (home or find_home()).resolve()
        self.database_url = (
            database_url or os.environ.get(DATABASE_VARIABLE, "") or f"sqlite:///{self.home / DATABASE_FILE}"
        )
        self.clock = clock or SystemClock()
        self.owner = whoami()
        self._opened: dict[str, tuple[ConnectionRow, Opened]] = {}
        self._retired: list[Opened] = []
        self._tried: dict[str, tuple[MemoryLimiter, HeldFiles]] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> App:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @functools.cached_property
    def store(self) -> Store:
        """The database, migrated when safe."""
        return Store.open(self.database_url)

    @property
    def has_store(self) -> bool:
        """Whether there is a database already; asking `store` makes one."""
        path = self.home / DATABASE_FILE
        return self.database_url != f"sqlite:///{path}" or path.is_file()

    @functools.cached_property
    def registry(self) -> Registry:
        """The installed plugins."""
        return Registry(self.home / LOCAL_PLUGIN)

    @functools.cached_property
    def isolation(self) -> Isolation:
        """The connectors that run in interpreters of their own."""
        from crossdock.isolation.isolated import Isolation

        return Isolation(self.home, lambda: self.registry)

    def connector(self, name: str, python: str = "") -> Connector:
        """A connector for looking at: of this environment, or of the one whose interpreter is `python`.

        Raises `UsageError` saying why it cannot be used.
        """
        if not python:
            return self.registry.connector(name)
        return self.isolation.connector(python, name)

    def connector_of(self, row: ConnectionRow) -> Connector:
        """The connector of a stored connection, for looking at."""
        return self.connector(row.connector, row.python)

    @functools.cached_property
    def vault(self) -> Vault:
        """The keeper of secrets."""
        return Vault.find(self.home)

    @functools.cached_property
    def bench(self) -> Bench:
        """What the engine works with."""
        override = os.environ.get(FIND_AFTER_VARIABLE, "")
        return Bench(
            store=self.store,
            ambient=self.registry.ambient,
            clock=self.clock,
            open=self.open,
            owner=self.owner,
            find_after=timedelta(seconds=float(override)) if override else None,
        )

    def close(self) -> None:
        """Close connections and database."""
        for opened in (*self._retired, *(opened for _, opened in self._opened.values())):
            opened.flush()
            opened.close()
        self._opened.clear()
        self._retired.clear()
        if "isolation" in self.__dict__:
            self.isolation.close()
        if "store" in self.__dict__:
            self.store.close()

    # -- connections -------------------------------------------------------------------------------

    def row(self, name: str) -> ConnectionRow:
        """A stored connection; raises `UsageError` when there is none."""
        row = self.store.config.connection(name)
        if row is None:
            known = ", ".join(each.name for each in self.store.config.connections()) or "none yet"
            raise UsageError(f"There is no connection {name!r}; there are: {known}.", hint="crossdock connection add")
        return row

    def open(self, name: str, *, paused: bool = False) -> Opened:
        """An active connection; raises `UsageError` when it is paused or a draft.

        It is opened once and opened anew when its settings, its facts or its state changed, whoever changed them.
        With `paused` a paused connection is opened, too: what it is sent is taken in, although nothing is fetched.
        """
        row = self.row(name)
        if row.state != "active" and not (paused and row.state == "paused"):
            reason = f": {row.reason}" if row.reason else ""
            raise UsageError(
                f"The connection {name} is {row.state}{reason}", hint=f"crossdock connection verify {name}"
            )
        with self._lock:
            before = self._opened.get(name)
            if before is not None and before[0] == row:
                return before[1]
            opened = self._open(row)
            self._opened[name] = row, opened
            if before is not None:
                # Somebody may be working with it; it is closed with the rest.
                self._retired.append(before[1])
        return opened

    def forget(self, name: str) -> None:
        """Drop an opened connection, because its settings or state changed; who works with it may finish."""
        with self._lock:
            before = self._opened.pop(name, None)
            if before is not None:
                self._retired.append(before[1])
        if before is not None:
            before[1].flush()

    def sweep(self) -> None:
        """Close connections that were opened anew since. Who still works with one may finish."""
        with self._lock:
            retired, self._retired = self._retired, []
        for opened in retired:
            opened.flush()
            opened.close()

    def _open(self, row: ConnectionRow) -> Opened:
        database = self.store.database
        return self._session(
            row, StoredLimiter(database, row.name), StoredMemory(database, row.name),
            StoredFiles(database, row.name, self.clock.now), StoredExchanges(database, row.name),
            SealedTokens(self.vault, StoredMemory(database, row.name), row.name),
        )  # fmt: skip

    def _session(
        self, row: ConnectionRow, limiter: Limiter, memory: Memory, files: Files, exchanges: StoredExchanges | None,
        tokens: TokenStore | None = None,
    ) -> Opened:  # fmt: skip
        revealed = self.reveal(row)
        with contextlib.ExitStack() as ending:
            if row.python:
                connector, end = self.isolation.opened(row.python, row.connector, row.name)
                ending.callback(end)
            else:
                connector = self.registry.connector(row.connector)
            return self._made(row, connector, revealed, limiter, memory, files, exchanges, tokens, ending)

    def _made(
        self, row: ConnectionRow, connector: Connector, revealed: Mapping[str, str], limiter: Limiter, memory: Memory,
        files: Files, exchanges: StoredExchanges | None, tokens: TokenStore | None, ending: contextlib.ExitStack,
    ) -> Opened:  # fmt: skip
        from crossdock.http.client import Http

        settings = build(connector.info.settings, revealed)
        secrets = [revealed[name] for name in secret_names(connector) if revealed.get(name)]
        secrets += [each.reveal() for each in attrs.astuple(settings, recurse=False) if isinstance(each, Secret)]
        http = Http(
            connector.info.endpoint(settings),
            clock=self.clock,
            limiter=limiter,
            budgets=connector.info.budgets,
            secrets=secrets,
            exchanges=exchanges,
            tokens=tokens,
        )
        log = logging.LoggerAdapter(logging.getLogger("crossdock"), {"connection": row.name})
        session = Session(
            connection=row.name, settings=settings, http=http, clock=self.clock, log=log, memory=memory,
            files=files, hooks=self.registry.hook, facts=dict(row.facts),
        )  # fmt: skip
        ending.callback(http.close)
        close = ending.pop_all().close
        return Opened(row.name, connector, session, close, exchanges.flush if exchanges else lambda: None)

    def reveal(self, row: ConnectionRow) -> dict[str, str]:
        """A connection's settings with secrets in the clear; never shown, logged or stored."""
        secrets = secret_names(self.connector_of(row))
        return {
            name: self.vault.reveal(row.name, name, value) if name in secrets else value
            for name, value in row.settings.items()
        }

    def verify_values(
        self, name: str, connector: str, values: Mapping[str, str], python: str = ""
    ) -> Iterator[Check]:  # fmt: skip
        """Verify settings that need not be saved; raises `SettingsError` when they cannot work at all."""
        row = ConnectionRow(name=name, connector=connector, settings=dict(values), state="draft", python=python)
        # A person who verifies is not made to wait for the budgets of the connection, but what is asked now counts.
        limiter = MemoryLimiter()
        known = self.store.config.connection(name) is not None
        if known:
            self._keep_rare(row, limiter)
        stored = StoredFiles(self.store.database, name, self.clock.now)
        held = HeldFiles(self.clock.now)
        memory = ScratchMemory(StoredMemory(self.store.database, name))
        self._tried[name] = limiter, held
        opened = self._session(row, limiter, memory, stored if known else held, None)
        mask = opened.session.http.redactor.text
        try:
            for check in opened.connector.verify(opened.session):
                # A step quotes what the system said, and a talkative one says our credentials back.
                yield attrs.evolve(check, name=mask(check.name), detail=mask(check.detail), hint=mask(check.hint))
        finally:
            opened.close()
            if known:
                # It was asked, whatever came of it.
                with self.store.transaction():
                    self._take_over(name)

    def _keep_rare(self, tried: ConnectionRow, limiter: MemoryLimiter) -> None:
        """What the vendor answers only once in a while is not asked for more often because a person verifies.

        Other secrets are other links or another account; nothing was asked with them yet.
        """
        connector = self.connector_of(tried)
        try:
            before, after = self.reveal(self.row(tried.name)), self.reveal(tried)
        except CrossdockError:
            return
        if any(before.get(secret, "") != after.get(secret, "") for secret in secret_names(connector)):
            return
        rare = {each.name for each in connector.info.budgets if each.per / each.calls > PATIENCE}
        for budget, due in StoredLimiter(self.store.database, tried.name).next_calls().items():
            if budget in rare and (at := unstamp(due)):
                limiter.hold(budget, at)

    def save(
        self, name: str, connector: str, values: Mapping[str, str], *, draft: bool = False, python: str = "",
        on_check: Callable[[Check], None] | None = None,
    ) -> Verified:  # fmt: skip
        """Verify and save a connection; an active one is saved only when verify is green.

        `values` are the settings as text; secrets are sealed before they are stored. A draft is saved unverified and
        inactive. With `python` the connector runs in that interpreter, not in this one.
        """
        check_name(name, [each.name for each in self.store.config.connections()])
        verified = Verified(()) if draft else self.try_out(name, connector, values, on_check, python)
        if draft or verified.green:
            self.keep(name, connector, values, verified, draft=draft, python=python)
        return verified

    def try_out(
        self, name: str, connector: str, values: Mapping[str, str], on_check: Callable[[Check], None] | None = None,
        python: str = "",
    ) -> Verified:  # fmt: skip
        """Verify settings and save nothing."""
        checks: list[Check] = []
        for check in self.verify_values(name, connector, values, python):
            checks.append(check)
            if on_check:
                on_check(check)
        return Verified(tuple(checks))

    def keep(
        self, name: str, connector: str, values: Mapping[str, str], verified: Verified, *, draft: bool = False,
        python: str = "",
    ) -> None:  # fmt: skip
        """Save a connection that `try_out` found green, or a draft."""
        check_name(name, [each.name for each in self.store.config.connections()])
        if not draft and not verified.green:
            raise SettingsError(f"The connection {name} is not green, so it is not saved.")
        now = self.clock.now()
        secrets = secret_names(self.connector(connector, python))
        sealed = {key: self.vault.seal(name, key, value) if key in secrets else value for key, value in values.items()}
        row = ConnectionRow(
            name=name, connector=connector, settings=sealed, state="draft" if draft else "active",
            facts=verified.facts, verified_at=None if draft else stamp(now), python=python,
        )  # fmt: skip
        with self.store.transaction():
            self.store.config.save_connection(row, now)
            self.store.journal.event("connection saved", name, row.state, now)
            self._take_over(name)
        self.forget(name)

    def _take_over(self, name: str) -> None:
        """What verifying asked for counts against the budgets, and the files that it read are kept."""
        if (tried := self._tried.pop(name, None)) is None:
            return
        limiter = StoredLimiter(self.store.database, name)
        for budget, due in tried[0].next_calls.items():
            limiter.hold(budget, due)
        files = StoredFiles(self.store.database, name, self.clock.now)
        for file, kept in tried[1].items().items():
            files.take_over(file, kept)

    def verify(self, name: str, on_check: Callable[[Check], None] | None = None) -> Verified:
        """Verify a stored connection: green makes it active, red leaves it as it is."""
        row = self.row(name)
        verified = self.try_out(name, row.connector, self.reveal(row), on_check, row.python)
        now = self.clock.now()
        if verified.green:
            renewed = attrs.evolve(row, state="active", reason="", facts=verified.facts, verified_at=stamp(now))
            with self.store.transaction():
                self.store.config.save_connection(renewed, now)
                self.store.journal.event("connection verified", name, "green", now)
                self.store.agenda.refreshed(name)
                self._take_over(name)
            self.forget(name)
        return verified

    def remove(self, name: str) -> None:
        """Remove a connection with its records; refused while a flow uses it."""
        self.row(name)
        users = [flow.name for flow in self.store.config.flows() if name in (flow.source, flow.target)]
        if users:
            flows = f"flow{'s' if users[1:] else ''} {', '.join(users)}"
            raise UsageError(f"The connection {name} is used by the {flows}.", hint="crossdock flow remove NAME")
        with self.store.transaction():
            if self.store.records.forget_connection(name):  # added again, its orders would be delivered again
                self.store.journal.mark_restored(self.clock.now(), f"before {name} was removed")
            self.store.config.remove_connection(name)
            self.store.journal.event("connection removed", name, "", self.clock.now())
        self.forget(name)


def secret_names(connector: Connector) -> set[str]:
    """The settings of a connector that are secrets."""
    return {field.name for field in fields_of(connector.info.settings) if field.secret}
