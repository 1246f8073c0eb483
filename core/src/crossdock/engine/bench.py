"""What the engine works with: store, plugins, clock, and opened connections."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Protocol

import attrs

from crossdock.clock import Clock
from crossdock.errors import AccessError, BusyError, ConnectorError, LeaseLostError, StoreError
from crossdock.registry import Ambient, Connector
from crossdock.session import Session
from crossdock.store.leases import Lease
from crossdock.store.store import Store

LEASE = timedelta(seconds=45)
"""How long work of somebody who fell silent is not touched; another machine goes on with it after that."""

HEARTBEAT = 10.0
_LOG = logging.getLogger("crossdock.runs")


@attrs.frozen(eq=False)
class Opened:
    """A connection that is open: its connector and the session for the hooks."""

    name: str
    connector: Connector
    session: Session[Any]
    close: Callable[[], None]
    flush: Callable[[], None]


class Opener(Protocol):
    """Opens connections by name; raises `UsageError` or `SettingsError` when one cannot be opened."""

    def __call__(self, name: str) -> Opened:
        """The opened connection."""


Report = Callable[[Mapping[str, int]], None]
"""Called with the running counts after every page or settled effect, for progress on a screen."""


@attrs.frozen(eq=False)
class Bench:
    """Everything a pull or push needs. `owner` names this process in leases and claims."""

    store: Store
    ambient: Ambient
    clock: Clock
    open: Opener
    owner: str
    find_after: timedelta | None = None
    """Overrides how long to wait after a lost answer before asking; `None` takes the connector's own."""


@contextlib.contextmanager
def working(bench: Bench, name: str) -> Iterator[Lease]:
    """Hold the lease `name` as long as the block runs; raises `BusyError` while somebody else has it."""
    lease = bench.store.leases.take(name, bench.owner, bench.clock.now(), LEASE)
    if lease is None:
        raise BusyError(f"Another worker is at {name} right now.", hint="Try again when it is done: crossdock status")
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(HEARTBEAT):
            try:
                bench.store.leases.check(lease, bench.clock.now(), LEASE)
            except LeaseLostError:
                return
            except StoreError:
                continue  # the database may be back before the lease is over

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        stop.set()
        bench.store.leases.release(lease)


def pause_connection(bench: Bench, connection: str, error: AccessError) -> None:
    """An access error pauses the connection once, with one alert; `verify` reopens it."""
    now = bench.clock.now()
    with bench.store.transaction():
        first = bench.store.config.set_state(connection, "paused", str(error), now, when=("active",))
        if first:
            bench.store.journal.event("connection paused", connection, str(error), now)
    if first:
        _LOG.error("connection %s paused: %s", connection, error)
        bench.ambient.tell("connection_paused", connection=connection, error=error)


def describe(error: ConnectorError) -> str:
    """The sentence of an error with the vendor's words, once."""
    text = str(error)
    if error.vendor_message and error.vendor_message not in text:
        return f"{text} The vendor says: {error.vendor_message}"
    return text
