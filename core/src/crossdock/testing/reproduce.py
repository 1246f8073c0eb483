"""A parked record worked again, offline: in a project of its own that lasts a moment, by the engine itself.

The connections have the bundle's settings and are answered by what is recorded; nothing reaches a network.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import msgspec

from crossdock.app import DATABASE_FILE, App, secret_names
from crossdock.clock import SystemClock
from crossdock.connection import StreamInfo
from crossdock.engine.bench import Bench, Opened
from crossdock.engine.pull import pull
from crossdock.engine.push import push
from crossdock.engine.route import route_stored
from crossdock.errors import ConnectorError, CrossdockError, RecordError
from crossdock.http.recorded import Otherwise, Recorded, Tape, play
from crossdock.records import fingerprint, from_document, to_document
from crossdock.registry import LOCAL_PLUGIN, Registry
from crossdock.store import snapshot
from crossdock.store.config import ConnectionRow, FlowOptions, FlowRow
from crossdock.store.database import stamp
from crossdock.store.ledger import Effect, Intent
from crossdock.store.records import Bound, ParkedRecord, Prepared
from crossdock.store.store import Store
from crossdock.testing.bundle import Bundle, Failure, Known
from crossdock.vault import KEY_FILE, Vault, new_key


class StandingClock(SystemClock):
    """Stands at the moment of the failure; waiting sets it forward."""

    def __init__(self, at: datetime) -> None:
        super().__init__()
        self._now = at

    def now(self) -> datetime:
        """The time, a microsecond later with each look."""
        self._now += timedelta(microseconds=1)
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self._now += timedelta(seconds=max(seconds, 0))


@attrs.frozen
class Again:
    """How it went: the failure, if it failed, or how else it ended; and what was asked on the way.

    `changed` are writes that say something else than the recorded ones, so that nobody knows the answer to them:
    pairs of before and now.
    """

    failure: Failure | None
    state: str
    asked: tuple[Recorded, ...]
    changed: tuple[tuple[Recorded, Recorded], ...]
    unanswered: tuple[Recorded, ...]


def reproduce(
    bundle: Bundle, registry: Registry | None = None, *, recorded: tuple[Recorded, ...] | None = None,
    otherwise: Otherwise | None = None,
) -> Again:  # fmt: skip
    """Work the record of a bundle once more; `recorded` and `otherwise` answer instead of the bundle's exchanges.

    Raises `UsageError` when a connector of the bundle is not installed.
    """
    at = datetime.fromisoformat(bundle.at).astimezone(UTC)
    tape = Tape(bundle.exchanges if recorded is None else recorded, at, otherwise)
    with _project(bundle, registry, tape, at) as app:
        work = _read if bundle.delivery is None else _deliver
        failure, state = work(app, bundle)
    if tape.changed:
        failure, state = None, "changed"
    return Again(failure, state, tuple(tape.asked), tuple(tape.changed), tuple(tape.unanswered))


@contextlib.contextmanager
def _project(bundle: Bundle, registry: Registry | None, tape: Tape, at: datetime) -> Iterator[App]:
    with tempfile.TemporaryDirectory(prefix="crossdock-replay-") as folder:
        home = Path(folder)
        key = new_key()
        (home / KEY_FILE).write_text(key, encoding="utf-8")
        (home / DATABASE_FILE).write_bytes(_empty())
        with App(home, f"sqlite:///{home / DATABASE_FILE}", StandingClock(at)) as app:
            # The key is ours, whatever the environment has; and no rules of the project in which it is run.
            app.vault = Vault(base64.urlsafe_b64decode(key))
            app.registry = registry or Registry(home / LOCAL_PLUGIN)
            _furnish(app, bundle)
            for place in bundle.connections:
                play(app.open(place.name).session.http, tape)
            yield app


@functools.cache
def _empty() -> bytes:
    """A database with nothing in it: making one takes half a second."""
    with tempfile.TemporaryDirectory(prefix="crossdock-replay-") as folder:
        url = f"sqlite:///{folder}/{DATABASE_FILE}"
        Store.open(url).close()
        return snapshot.take(url).content


def _furnish(app: App, bundle: Bundle) -> None:
    """Put the connections, records, bindings and mapping rows of a bundle into the store."""
    now, store = app.clock.now(), app.store
    for place in bundle.connections:
        secret = secret_names(app.registry.connector(place.connector))
        settings = {
            name: app.vault.seal(place.name, name, value) if name in secret else value
            for name, value in place.settings.items()
        }
        row = ConnectionRow(
            name=place.name, connector=place.connector, settings=settings, state="active", facts=place.facts,
            verified_at=stamp(now),
        )  # fmt: skip
        store.config.save_connection(row, now)
    for known in bundle.records:
        store.records.keep(known.connection, known.stream, [prepared(known)], 0, 0, now)
        store.records.set_read(known.connection, known.stream, now)
    for each in bundle.bindings:
        store.records.bind(
            Bound(each.source, each.stream, each.source_key, each.connection, each.external_id, each.number), now
        )
    if bundle.delivery is not None:
        store.gaps.add([(bundle.delivery.flow, *row) for row in bundle.mapping])


def prepared(known: Known) -> Prepared:
    """A record of a bundle, ready to be kept."""
    document = msgspec.json.encode(known.document)
    record = from_document(known.stream, document)
    document = to_document(record)
    at = record.updated_at if hasattr(record, "updated_at") else None
    return Prepared(
        record.key, record.ref, fingerprint(record, document), stamp(at) if at else "", document.decode(), record
    )


# -- a payload that could not be read ------------------------------------------------------------------


def _read(app: App, bundle: Bundle) -> tuple[Failure | None, str]:
    info = app.registry.connector(bundle.connector).info.streams.get(bundle.stream, StreamInfo())
    named = "keys" in info.queries and not bundle.key.startswith("unnamed-")
    pulled = pull(app.bench, bundle.connection, bundle.stream, keys=(bundle.key,) if named else (), full=not named)
    if pulled.error is not None:
        return of_error(pulled.error), "failed"
    rows = app.store.records.parked(bundle.connection, bundle.stream)
    if rows:
        return of_row(rows[0]), "parked"
    if app.store.records.count(bundle.connection, bundle.stream):
        return None, "read"
    return None, "skipped" if pulled.counts.skipped else "nothing came"


def of_row(row: ParkedRecord) -> Failure:
    """The failure of a parked payload."""
    return Failure(
        error=RecordError.__name__, message=row.message, path=row.path, vendor_message=row.vendor_message,
        gap=gap_of(row.cause),
    )  # fmt: skip


def of_error(error: CrossdockError) -> Failure:
    """The failure of a whole read."""
    said = error.vendor_message if isinstance(error, ConnectorError) else ""
    return Failure(error=type(error).__name__, message=str(error), vendor_message=said)


def gap_of(cause: str) -> tuple[str, str] | None:
    """The unknown code that a cause names."""
    word, _, rest = cause.partition(" ")
    kind, _, value = rest.partition(" ")
    return (kind, value) if word == "unknown" and value else None


# -- an effect that was refused ------------------------------------------------------------------------


def _deliver(app: App, bundle: Bundle) -> tuple[Failure | None, str]:
    delivery = bundle.delivery
    assert delivery is not None  # noqa: S101  only called with one
    now, store = app.clock.now(), app.store
    flow = FlowRow(
        name=delivery.flow, stream=delivery.stream, source=delivery.source, target=delivery.target, mode="live",
        options=msgspec.convert(delivery.options, FlowOptions),
    )  # fmt: skip
    store.config.save_flow(flow, now)
    if not route_stored(app.bench, flow):
        # It left the flow's filter since it had been handed on, and is told all the same.
        row = prepared(next(each for each in bundle.records if each.connection == flow.source))
        intents = [Intent(row.key, row.ref, row.fingerprint)]
        store.effects.plan(
            flow.name, delivery.operation, flow.source, flow.writes_to, flow.reads, intents, "ready", now
        )
    errors: list[CrossdockError] = []
    pushed = push(_listening(app, errors), flow)
    effect = store.effects.find(flow=flow.name, key=bundle.key)[0]
    if effect.state == "parked":
        return of_effect(effect, errors[-1] if errors else None), "parked"
    if pushed.error is not None:
        return of_error(pushed.error), "failed"
    return None, effect.state


def of_effect(effect: Effect, error: CrossdockError | None = None) -> Failure:
    """The failure of a parked effect; `error` is what the connector raised."""
    said = error.vendor_message if isinstance(error, ConnectorError) else ""
    kind = type(error).__name__ if error is not None else RecordError.__name__
    return Failure(error=kind, message=effect.message, path=effect.path, vendor_message=said, gap=gap_of(effect.cause))


def _listening(app: App, errors: list[CrossdockError]) -> Bench:
    """A bench at which what a connector raises is noted: the ledger keeps its sentence, and not its class."""

    def opened(name: str) -> Opened:
        found = app.open(name)
        overheard: Any = _Overheard(found.connector, errors)
        return attrs.evolve(found, connector=overheard)

    return attrs.evolve(app.bench, open=opened)


class _Overheard:
    """A connector whose errors are noted on their way."""

    def __init__(self, connector: Any, errors: list[CrossdockError]) -> None:
        self._connector = connector
        self._errors = errors

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._connector, name)
        if not callable(found):
            return found

        def heard(*given: Any, **named: Any) -> Any:
            try:
                return found(*given, **named)
            except CrossdockError as error:
                self._errors.append(error)
                raise

        return heard
