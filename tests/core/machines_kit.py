"""Several machines on one PostgreSQL: real workers, a server that is really restarted, and a network that can fail.

Each worker is a process with a machine's name of its own, so that no other one knows whether it is alive. Its way to
the database is a proxy of its own, and each request that it makes bears its name: the systems remember who asked for
what, and when.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import psycopg
import pytest
from depot import Depot
from engine_kit import DEPOT
from machines_network import Database, Network
from plugin_kit import install

from crossdock.app import App
from crossdock.configure import Wish, switch_stream
from crossdock.sandbox import serve
from crossdock.store.config import FlowRow
from crossdock.vault import new_key

ROUNDS = int(os.environ.get("CROSSDOCK_TORTURE_ROUNDS", "1"))
"""How often the storm breaks: once in the suite, many times with ``make torture``."""

LEASE = 5.0
"""Seconds; the real lease of 45 is used when `ROUNDS` is more than one."""

CALLS, PER = 20, 2.0
"""The vendor's limit for creating orders: so many in so many seconds, evenly paced."""

_NEVER = threading.Event()

_YARD = (
    DEPOT.replace("body, create=True)", 'body, create=True, budget="writes")')
    + f"""

import os

from crossdock import Budget, StreamInfo


def endpoint(settings):
    return Endpoint(
        base_url=settings.url, auth=header_auth("X-Token", settings.token), read_timeout=20.0,
        headers={{"X-Worker": os.environ.get("TORTURE_MACHINE", "")}},
    )


NAME = "yard"
OPTIONS.update(
    budgets=(Budget(name="writes", calls={CALLS}, per=timedelta(seconds={PER})),),
    streams={{"orders": StreamInfo(minimum=timedelta(0))}}, find_after=timedelta(seconds=0.5),
)
"""
)

assert 'budget="writes"' in _YARD  # or nothing would be limited

_MACHINE = """
import datetime, os, socket

name = os.environ.get("TORTURE_MACHINE")
if name:
    socket.gethostname = lambda: name
    from crossdock.engine import bench
    from crossdock.store import reach

    lease = float(os.environ["TORTURE_LEASE"])
    bench.LEASE, bench.HEARTBEAT = datetime.timedelta(seconds=lease), lease / 4.5
    reach.IDLE = lease / 1.5
"""


def until(
    true: Callable[[], Any], seconds: float = 30.0, why: str = "It did not come true.",
    tell: Callable[[], Any] = lambda: "",
) -> Any:  # fmt: skip
    """What `true` answers as soon as that is something; fails after a while, and says what `tell` answers."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, f"{why} {tell()}"
        _NEVER.wait(0.02)
    return found


# -- systems that remember who asked ---------------------------------------------------------------


@attrs.frozen
class Seen:
    """A request: which worker sent it, what it asked for, and from when to when it was there."""

    worker: str
    what: str
    begin: float
    end: float


class Yard(Depot):
    """A depot that knows its callers."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        super().__init__()

    def app(self) -> Any:
        """The application, watched."""
        inner = super().app()

        async def watched(scope: Any, receive: Any, send: Any) -> None:
            begin = time.monotonic()
            try:
                await inner(scope, receive, send)
            finally:
                if scope["type"] == "http":
                    worker = dict(scope["headers"]).get(b"x-worker", b"").decode()
                    since = b"since=" in scope["query_string"]
                    what = f"{scope['method']} {scope['path']}{' since' if since else ''}"
                    self.seen.append(Seen(worker, what, begin, time.monotonic()))

        return watched

    def creates(self) -> list[Seen]:
        """Orders that workers created."""
        return [each for each in self.seen if each.what == "POST /orders"]

    def overlaps(self, but: Sequence[str] = ()) -> list[tuple[Seen, Seen]]:
        """Reads of one stream by two workers at once; `but` are workers that were asleep meanwhile."""
        reads = sorted(
            (each for each in self.seen if each.what.endswith(" since") and each.worker not in but),
            key=lambda each: each.begin,
        )
        return [
            (first, second)
            for number, first in enumerate(reads)
            for second in reads[number + 1 :]
            if second.begin < first.end and first.worker != second.worker and first.what == second.what
        ]


def beyond(creates: Sequence[Seen], late: float = 0.5) -> list[int]:
    """How many requests came in each `PER` seconds that had more than the vendor allows.

    The vendor counts when a request arrives, the budget when it leaves: up to `late` seconds lie between.
    """
    times = sorted(each.begin for each in creates)
    most = CALLS * (PER + late) / PER + 1
    counts = [sum(begin <= each < begin + PER for each in times) for begin in times]
    return [count for count in counts if count > most]


# -- machines --------------------------------------------------------------------------------------


@attrs.define
class Machine:
    """A worker on a machine of its own."""

    name: str
    network: Network
    process: subprocess.Popen[bytes]
    log: Path
    lost: bool = False

    def lines(self) -> list[dict[str, Any]]:
        """What it wrote; its last line may still be on its way."""
        whole = self.log.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]

    def turns(self, name: str) -> list[dict[str, Any]]:
        """Its turns of a stream or flow."""
        return [line for line in self.lines() if line["event"] == "turn" and line["name"] == name]

    @property
    def begun(self) -> bool:
        """Whether it works: who does which turn is chance, and may be the same one each time."""
        return any(line["event"] == "started" for line in self.lines())

    def freeze(self) -> None:
        """It stands still, as a machine whose memory is moved."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on as if no time had passed."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Its power fails."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """It is asked to end; the exit code."""
        self.process.terminate()
        return self.process.wait(timeout=20)


@attrs.define
class Fleet:
    """A shop whose orders go to an ERP, and the machines that see to it."""

    folder: Path
    app: App
    database: Database
    url: str
    shop: Yard
    erp: Yard
    lease: float
    machines: list[Machine] = attrs.field(factory=list)
    placed: int = 0

    def start(self, *words: str, tree: Path | None = None) -> Machine:
        """One more machine; `tree` is the folder of another version of Crossdock."""
        name = f"machine{len(self.machines) + 1}"
        network = Network(self.database)
        path = os.pathsep.join(str(each) for each in (tree, self.folder / "site") if each)
        environment = {
            **os.environ, "PYTHONPATH": path, "CROSSDOCK_PLUGINS": "yard", "TORTURE_MACHINE": name,
            "TORTURE_LEASE": str(self.lease), "CROSSDOCK_DATABASE_URL": _through(self.url, network.port),
        }  # fmt: skip
        log = self.folder / f"{name}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "crossdock", "--project", str(self.app.home), *words, "--json"],
                env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
        machine = Machine(name, network, process, log)
        self.machines.append(machine)
        return machine

    def place(self, count: int = 1) -> None:
        """Buyers order."""
        for _ in range(count):
            self.placed += 1
            self.shop.order(f"{self.placed:05}")

    def delivered(self) -> bool:
        """Whether the ERP has all orders, and nothing is left to do."""
        return len(set(self.erp.references())) == self.placed and not self.open()

    def open(self) -> list[tuple[Any, ...]]:
        """Effects that are not done."""
        return self.query("SELECT ref, state, message, owner, lease_until FROM effect WHERE state <> 'done'")

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the database, read from outside."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(sql).fetchall()  # type: ignore[call-overload, no-any-return]

    def bookmark(self) -> int:
        """How far the shop's orders were read."""
        rows = self.query("SELECT cursor FROM stream WHERE connection = 'shop' AND stream = 'orders'")
        return int(rows[0][0] or 0) if rows else 0

    def close(self) -> None:
        """All machines end."""
        for machine in self.machines:
            machine.process.kill()
            machine.process.wait()
            machine.network.close()


def _through(url: str, port: int) -> str:
    """The same database, reached at a port."""
    return f"postgresql://postgres@127.0.0.1:{port}/{url.partition('?')[0].rpartition('/')[2]}"


@contextlib.contextmanager
def fleet(folder: Path, database: Database) -> Iterator[Fleet]:
    """A project without machines yet, on a database of its own."""
    site = install(folder / "site", "yard", _YARD)
    (site / "sitecustomize.py").write_text(_MACHINE)
    home = folder / "project"
    home.mkdir()
    (home / "crossdock.key").write_text(new_key())
    shop, erp = Yard(), Yard()
    url = database.create()
    with contextlib.ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.syspath_prepend(str(site))
        patch.setenv("CROSSDOCK_PLUGINS", "yard")
        patch.delitem(sys.modules, "yard_plugin", raising=False)
        first, second = stack.enter_context(serve(shop)), stack.enter_context(serve(erp))
        app = stack.enter_context(App(home, url))
        for name, served in (("shop", first), ("erp", second)):
            assert app.save(name, "yard", shop.settings(served.url)).green
        row = FlowRow(name="to-erp", stream="orders", source="shop", target="erp", mode="live")
        app.store.config.save_flow(row, app.clock.now())
        switch_stream(app, "shop", "orders", on=True, wish=Wish(every="1s"))
        made = Fleet(folder, app, database, url, shop, erp, LEASE if ROUNDS == 1 else 45.0)
        try:
            yield made
        finally:
            made.close()
