"""What a hazard is played on: the connector, its sandbox served over loopback, and sessions to it."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

import attrs

from crossdock.admission import CONNECTORS, Found
from crossdock.clock import monotonic
from crossdock.connection import ConnectorInfo
from crossdock.errors import PluginError, UsageError
from crossdock.http.client import Http
from crossdock.http.exchange import Exchange
from crossdock.records import STREAMS
from crossdock.registry import Connector, Registry, find
from crossdock.sandbox import Impossible, NotRehearsed, Rehearsal, Sandbox, serve
from crossdock.session import ByKeys, HeldFiles, Page, Query, Receipt, Session, Since
from crossdock.settings import build, fields_of
from crossdock.testing.props import DictMemory, FreeLimiter, KeptExchanges, StageClock

_LAST_ANSWERS = 5.0
_SOME = 12


@attrs.frozen(eq=False)
class Subject:
    """A connector to be proven: found, loaded, and with `problem` if the registry refused it."""

    found: Found
    plugin: Any
    connector: Connector | None
    problem: str = ""

    @classmethod
    def installed(cls, name: str) -> Subject:
        """The connector of that entry point; raises `UsageError` when there is none."""
        try:
            found, plugin = find(name)
        except UsageError:
            raise
        except Exception as error:  # noqa: BLE001  whatever breaks at import is what we are here to tell
            found = Found(name=name, distribution=name, version="", group=CONNECTORS, target=name)
            return cls(found, None, None, f"it cannot be imported: {type(error).__name__}: {error}")
        return cls.loaded(found, plugin)

    @classmethod
    def of(cls, plugin: Any, name: str) -> Subject:
        """A connector that is not installed: its module and its name."""
        target = getattr(plugin, "__name__", name)
        return cls.loaded(Found(name=name, distribution=name, version="0", group=CONNECTORS, target=target), plugin)

    @classmethod
    def loaded(cls, found: Found, plugin: Any) -> Subject:
        """An imported plugin, passed through the registry's door."""
        registry = Registry(given={found: plugin})
        problem = next((failure.cause for failure in registry.failures), "")
        return cls(found, plugin, registry.connectors.get(found.name), problem)

    @property
    def info(self) -> ConnectorInfo:
        """What the connector says of itself; raises `PluginError` when it was refused."""
        return self.usable.info

    @property
    def usable(self) -> Connector:
        """The connector; raises `PluginError` when it was refused."""
        if self.connector is None:
            raise PluginError(f"The connector {self.found.name} cannot be used: {self.problem}")
        return self.connector

    def can(self, hook: str) -> bool:
        """Whether the connector is usable and has `hook`."""
        return self.connector is not None and self.connector.can(hook)

    @property
    def reads(self) -> tuple[str, ...]:
        """The streams that the connector reads."""
        return tuple(stream for stream in STREAMS if self.can(f"fetch_{stream}"))

    @property
    def batches(self) -> tuple[str, ...]:
        """The streams that the connector writes many values of at a time."""
        return tuple(stream for stream in ("products", "prices", "balance") if self.can(f"push_{stream}"))

    def sandbox(self, options: Mapping[str, Any] | None = None) -> Sandbox:
        """A new sandbox; raises `NotRehearsed` when the connector names none."""
        module, _, function = self.info.sandbox.partition(":")
        if not function:
            raise NotRehearsed("The connector names no sandbox in its ConnectorInfo.")
        made = getattr(import_module(module), function)(**(options or {}))
        if not isinstance(made, Sandbox):
            raise PluginError(f"{self.info.sandbox} answered a {type(made).__name__}, not a Sandbox.")
        return made


@attrs.define(eq=False)
class Haul:
    """What one read brought: pages as handed out, and records by key, the newest of twins."""

    pages: list[Page[Any]] = attrs.field(factory=list)
    records: dict[str, Any] = attrs.field(factory=dict)

    def take(self, page: Page[Any]) -> None:
        """Add a page."""
        self.pages.append(page)
        self.records.update({record.key: record for record in page.records})

    @property
    def cursor(self) -> str | None:
        """Where the next run starts."""
        return next((page.cursor for page in reversed(self.pages) if page.cursor is not None), None)

    @property
    def rejects(self) -> list[Any]:
        """Rows that could not be mapped."""
        return [error for page in self.pages for error in page.rejects]


class Stage:
    """One performance: a fresh sandbox, a clock, and as many sessions of the connector as a test opens.

    `stream` is the stream under test where a hazard is played for each of them. `patience` is how long sessions that
    are opened from now on wait for an answer, in seconds, if that is less than the connector says. `client` makes their
    HTTP sessions.
    """

    def __init__(self, subject: Subject, sandbox: Sandbox, url: str, stream: str, values: Mapping[str, str]) -> None:
        self.subject = subject
        self.connector = subject.usable
        self.info = subject.info
        self.sandbox = sandbox
        self.rehearsal: Rehearsal = sandbox.rehearsal()
        self.url = url
        self.stream = stream
        self.patience = 60.0
        self.client: type[Http] = Http
        self.clock = StageClock()
        self.memory = DictMemory()
        self.files = HeldFiles(self.clock.now)
        self._values = dict(values)
        self._exchanges = KeptExchanges()
        self._session: Session[Any] | None = None
        self._close = contextlib.ExitStack()
        self._trouble: list[BaseException] = []
        self._between = False
        self._ran: dict[str, datetime] = {}

    @property
    def exchanges(self) -> list[Exchange]:
        """Requests and answers as they are recorded for people, secrets masked."""
        return self._exchanges.kept

    @property
    def session(self) -> Session[Any]:
        """A session with the settings that the sandbox gives; the same one each time."""
        if self._session is None:
            self._session = self.connect()
        return self._session

    @property
    def values(self) -> dict[str, str]:
        """The settings of a working connection, as text."""
        return {**self.sandbox.settings(self.url), **self._values}

    @property
    def given(self) -> dict[str, str]:
        """The settings that go over those that the sandbox gives."""
        return dict(self._values)

    def plant(self, name: str, value: str) -> None:
        """Use another value for a setting from now on, also in sessions that are opened already."""
        self._values[name] = value
        self._session = None

    def forget(self) -> None:
        """From now on the connection is a new one: nothing is remembered, no file is kept."""
        self.memory = DictMemory()
        self.files = HeldFiles(self.clock.now)
        self._session = None

    def connect(self, **values: str) -> Session[Any]:
        """Open another session, with other settings if you like."""
        given = {**self.values, **values}
        settings = build(self.info.settings, given)
        endpoint = self.info.endpoint(settings)
        secrets = [given[field.name] for field in fields_of(self.info.settings) if field.secret and field.name in given]
        http = self.client(
            attrs.evolve(endpoint, read_timeout=min(endpoint.read_timeout, self.patience)),
            clock=self.clock,
            limiter=FreeLimiter(),
            budgets=self.info.budgets,
            secrets=secrets,
            exchanges=self._exchanges,
            seed=1,
        )
        self._close.callback(http.close)
        return Session(
            connection="contract",
            settings=settings,
            http=http,
            clock=self.clock,
            log=logging.LoggerAdapter(logging.getLogger("crossdock"), {"connection": "contract"}),
            memory=self.memory,
            files=self.files,
        )

    # -- reading

    def pages(self, query: Query, stream: str = "") -> Generator[Page[Any], None, None]:
        """Pages of the stream under test, or of `stream`."""
        return self.connector.fetch(stream or self.stream, self.session, query)

    def read(self, cursor: str | None = None, *, at_most: int | None = None) -> Haul:
        """Read what changed since `cursor`: everything, or `at_most` so many pages, as if killed after them.

        A run that goes on comes no sooner after the one before than the connector allows.
        """
        if cursor is not None:
            self._pass_minimum()
        try:
            return self._haul(Since(cursor), at_most)
        finally:
            self._ran[self.stream] = self.clock.now()

    def _pass_minimum(self) -> None:
        info, before = self.info.streams.get(self.stream), self._ran.get(self.stream)
        if info is None or before is None:
            return
        left = before + info.minimum - self.clock.now()
        if left > timedelta(0):
            with contextlib.suppress(NotRehearsed, Impossible):
                self.rehearsal.set_clock(self.rehearsal.now() + left)
            self.clock.set(self.clock.now() + left)

    def read_keys(self, keys: Iterable[str]) -> Haul:
        """Read just these records."""
        return self._haul(ByKeys(tuple(keys)), None)

    def _haul(self, query: Query, at_most: int | None) -> Haul:
        haul = Haul()
        with contextlib.closing(self.pages(query)) as pages:
            for page in pages:
                if not isinstance(page, Page):
                    raise PluginError(f"It answered a {type(page).__name__} instead of a Page.")
                haul.take(page)
                if at_most is not None and len(haul.pages) >= at_most:
                    break
        self.check()
        return haul

    # -- making things happen

    @contextlib.contextmanager
    def between(self, act: Callable[[int], None], times: int = 5, method: str = "GET") -> Iterator[None]:
        """While the block runs: `act` with 0, 1, … after each of the first `times` answers to `method`."""
        lock, done = threading.Lock(), 0

        def happens(asked: str, path: str) -> None:
            nonlocal done
            with lock:
                turn, done = done, done + (asked == method)
            if asked == method and turn < times:
                try:
                    act(turn)
                except BaseException as error:  # noqa: BLE001  told by `check`, in the thread of the test
                    self._trouble.append(error)

        self.sandbox.between, self._between = happens, True
        try:
            yield
        finally:
            self.sandbox.between, self._between = None, False
        self.check()

    def check(self) -> None:
        """Raise what went wrong between two answers, in the sandbox's own thread."""
        if self._trouble:
            raise self._trouble.pop(0)

    def add(self, count: int, *, until: datetime | None = None, apart: timedelta = timedelta(seconds=7)) -> list[str]:
        """Add rows `apart` from each other, the newest at `until` (an hour ago); their keys, oldest first."""
        last = until or self.rehearsal.now() - timedelta(hours=1)
        return self.add_at([last - apart * index for index in reversed(range(count))])

    def add_at(self, moments: Sequence[datetime]) -> list[str]:
        """Add rows that were last changed at `moments`."""
        if self.stream in self.rehearsal.own:
            return [self._sent_at(moment) for moment in moments]
        return list(self.rehearsal.add(self.stream, moments))

    @property
    def many(self) -> int:
        """More rows than fit two pages; of what the connector sends itself there are no lists, and some will do."""
        return _SOME if self.stream in self.rehearsal.own else self.rehearsal.rows

    def _sent_at(self, moment: datetime) -> str:
        """Send an order at `moment` of the system's clock; the key of the row that there is for it."""
        if self._between:
            raise Impossible("There is only what the connector sent itself, and while it reads it sends nothing.")
        now, difference = self.rehearsal.now(), self.clock.difference
        ahead = now - self.clock.now()
        self.rehearsal.set_clock(moment)
        self.clock.set(moment - ahead)
        try:
            order = self.rehearsal.make("orders", 1)[0]
            return self.rehearsal.sent(self.stream, self.push(order, f"own-{order.key}").external_id)
        finally:
            self.clock.difference = difference
            self.rehearsal.set_clock(self.clock.now() + ahead)

    def push(self, order: Any, key: str, known: Receipt | None = None) -> Receipt:
        """Hand an order to the connector, as the engine does: what takes effect at once was previewed before."""
        if self.info.binding_orders:
            self.connector.preview_order(self.session, order, key)
        return self.connector.push_order(self.session, order, key, known)

    def requests(self, method: str = "") -> list[dict[str, Any]]:
        """What the sandbox was asked so far."""
        return [each for each in self.sandbox.requests if method in ("", each["method"])]

    def close(self) -> None:
        """Close the sessions, once the sandbox is done with requests that nobody waited for."""
        self._close.close()
        deadline = monotonic() + _LAST_ANSWERS
        while monotonic() < deadline and any(_still_slow(each) for each in self.sandbox.requests):
            time.sleep(0.01)


def _still_slow(request: Mapping[str, Any]) -> bool:
    return request["fault"] == "slow" and request["status"] is None


@contextlib.contextmanager
def open_stage(
    subject: Subject,
    stream: str = "",
    *,
    options: Mapping[str, Any] | None = None,
    values: Mapping[str, str] | None = None,
) -> Iterator[Stage]:
    """A stage with a fresh sandbox (made with `options`) that is served while the block runs.

    `values` are settings that go over those that the sandbox gives.
    """
    sandbox = subject.sandbox(options)
    with serve(sandbox) as serving:
        stage = Stage(subject, sandbox, serving.url, stream, values or {})
        try:
            yield stage
        finally:
            stage.close()
