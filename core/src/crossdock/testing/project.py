"""A project around a stage: the real engine delivers records of a system of ours to the connector's sandbox."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, get_args

from crossdock.admission import CONNECTORS, Found
from crossdock.app import DATABASE_FILE, App
from crossdock.engine.decide import approve
from crossdock.engine.pull import Pulled, pull
from crossdock.engine.push import push
from crossdock.engine.route import route_stored
from crossdock.engine.settle import bind
from crossdock.errors import ConnectorError, CrossdockError, PluginError
from crossdock.records import Order, OrderStatus, Shipment, evolve, fingerprint, to_document
from crossdock.registry import Registry
from crossdock.sandbox import Impossible, NotRehearsed
from crossdock.store.config import FlowOptions, FlowRow
from crossdock.store.ledger import Effect
from crossdock.store.records import Bound, Prepared
from crossdock.store.store import Store
from crossdock.testing import origin
from crossdock.testing.origin import ORIGIN as ORIGIN
from crossdock.testing.origin import Shelf
from crossdock.testing.stage import Stage, Subject
from crossdock.vault import KEY_FILE, new_key

SYSTEM = "system"
_ROUNDS = 12
_OPEN = ("ready", "sending", "in_doubt", "submitted", "awaiting")
_FOR_EVER = "9999"
_MAKING = threading.Lock()


class Project:
    """The connections ``origin`` and ``system`` (the sandbox) in one project, and flows between them."""

    def __init__(self, app: App, stage: Stage, shelf: Shelf) -> None:
        self.app = app
        self.stage = stage
        self.shelf = shelf

    def deliver(self, stream: str, *records: Any) -> list[Effect]:
        """Let `records` take a live flow to the system, until nothing can go on without a person; their effects.

        Orders that are shown for approval are approved.
        """
        self.shelf.add(stream, records)
        row = flow_of(stream)
        bench = self.app.bench
        bench.store.config.save_flow(row, self.app.clock.now())
        route_stored(bench, row)
        self.pull(stream, ORIGIN)
        for _ in range(_ROUNDS):
            pushed = push(bench, row)
            if pushed.error is not None and not isinstance(pushed.error, ConnectorError):
                raise pushed.error
            for effect in self.effects(row):
                if effect.state == "awaiting":
                    approve(bench, effect.id)
            if not any(each.state in _OPEN and not each.not_before.startswith(_FOR_EVER) for each in self.effects(row)):
                break
            self._later()
        keys = [record.key for record in records]
        return [effect for effect in self.effects(row) if effect.key in keys]

    def effects(self, flow: FlowRow) -> list[Effect]:
        """The flow's ledger, oldest first."""
        return self.app.store.effects.find(flow=flow.name, limit=1000)[::-1]

    def pull(self, stream: str, connection: str = SYSTEM) -> Pulled:
        """Read a stream, whatever comes of it."""
        return pull(self.app.bench, connection, stream)

    def knows(self, order: Order, external_id: str) -> None:
        """The system's `order` has become the order `external_id` of the origin."""
        know(self.app, order, external_id)

    def ship(self, order: Order, shipment: Shipment) -> list[Effect]:
        """Let the origin ship what became of the system's `order`; the effects of the shipment."""
        self.knows(order, f"O-{order.key}")
        return self.deliver("shipments", evolve(shipment, order_key=f"O-{order.key}"))

    def _later(self) -> None:
        """The time passes after which the engine asks again, here and there."""
        span = max(self.stage.info.find_after, timedelta(minutes=2)) + timedelta(seconds=1)
        with contextlib.suppress(NotRehearsed, Impossible):
            self.stage.rehearsal.set_clock(self.stage.rehearsal.now() + span)
        self.stage.clock.set(self.stage.clock.now() + span)


def flow_of(stream: str) -> FlowRow:
    """A live flow from the origin to the system; of orders it takes all, whatever their status."""
    options = FlowOptions(statuses=get_args(OrderStatus))
    return FlowRow(name=stream, stream=stream, source=ORIGIN, target=SYSTEM, mode="live", options=options)


def know(app: App, order: Order, external_id: str) -> None:
    """The system's `order` has become the order `external_id` of the origin."""
    store, now = app.store, app.clock.now()
    document = to_document(order)
    row = Prepared(order.key, order.ref, fingerprint(order, document), "", document.decode(), order)
    with store.transaction():
        store.records.keep(SYSTEM, "orders", [row], 0, 0, now)
        bind(app.bench, Bound(SYSTEM, "orders", order.key, ORIGIN, external_id, external_id))


def registry_with(subject: Subject) -> Registry:
    """The connector under test and the origin, and nothing else."""
    mine = Found(name=ORIGIN, distribution=ORIGIN, version="0", group=CONNECTORS, target=origin.__name__)
    return Registry(given={subject.found: subject.plugin, mine: origin})


def _empty_database() -> bytes:
    """A database of this release; making one takes far longer than copying it."""
    with _MAKING:  # migrations are not made for threads
        return _made_database()


@cache
def _made_database() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / DATABASE_FILE
        Store.open(f"sqlite:///{path}").close()
        return path.read_bytes()


@contextlib.contextmanager
def open_project(stage: Stage) -> Iterator[Project]:
    """A fresh project with the sandbox of `stage` as a connection; raises `PluginError` when it cannot be saved."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        (home / DATABASE_FILE).write_bytes(_empty_database())
        (home / KEY_FILE).write_text(new_key(), encoding="utf-8")
        shelf = Shelf(home / "records.json")
        with App(home, f"sqlite:///{home / DATABASE_FILE}", stage.clock) as app:
            app.__dict__["registry"] = registry_with(stage.subject)
            save(app, ORIGIN, ORIGIN, {"file": str(shelf.file)})
            save(app, SYSTEM, stage.subject.found.name, stage.values)
            yield Project(app, stage, shelf)


def save(app: App, name: str, connector: str, values: dict[str, str]) -> None:
    """Save a connection; raises `PluginError` when it is not green."""
    try:
        verified = app.save(name, connector, values)
    except CrossdockError as error:
        raise PluginError(f"The connection to its own sandbox cannot be saved: {error}") from error
    if not verified.green:
        red = "; ".join(f"{each.name}: {each.detail}" for each in verified.checks if each.state == "fail")
        raise PluginError(f"The connection to its own sandbox is not green: {red or 'verify has no step'}")
