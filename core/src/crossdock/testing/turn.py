"""The processes that a crash sweep kills: one that has everything loaded, and a fork of it for each piece of work.

The loaded one reads one JSON object a line and answers one. The first line says where the project is, every other one
asks for a piece of work, at the end of which it answers how the fork ended: 0, minus the signal that killed it, or 1
with what went wrong. Nothing is ever done in the loaded process itself, so it has neither threads nor an open database
when it forks.
"""

from __future__ import annotations

import importlib
import mmap
import operator
import os
import signal
import struct
import sys
import traceback
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from crossdock import tripwire
from crossdock.admission import CONNECTORS, Found
from crossdock.app import App
from crossdock.clock import SystemClock
from crossdock.engine import inbound
from crossdock.engine.decide import approve
from crossdock.engine.pull import pull
from crossdock.engine.push import push
from crossdock.errors import asked_wait
from crossdock.http import client as client  # loaded before the fork, because it takes time
from crossdock.registry import LOCAL_PLUGIN, Registry
from crossdock.store import watched as watched  # loaded before the fork, because it takes time
from crossdock.store.config import FlowRow
from crossdock.store.database import unstamp
from crossdock.testing.importing import load

_ROUNDS = 12
_TRIES = 5
_LEAVING = ("socket.connect", "socket.sendto", "socket.getaddrinfo")


class Home(msgspec.Struct):
    """Where the work is done: the project folder, its database, the clock's file, and what is on the path.

    `given` are connectors that are not installed, as name and module, or path of its file; with any, only those are
    loaded.
    """

    folder: str
    database: str
    clock: str
    paths: list[str]
    given: dict[str, str]


class Job(msgspec.Struct):
    """A piece of work: a function as ``module:name`` that takes an `App`, and the step at which it is killed.

    `at` is what `crossdock.tripwire` takes: "0" counts the steps into the file `steps`; "" works without a tripwire.
    """

    work: str
    at: str
    steps: str
    seconds: int
    trouble: str


class Ended(msgspec.Struct):
    """How a piece of work ended."""

    code: int
    trouble: str = ""


class SharedClock(SystemClock):
    """Runs like the real time, but a wait is over at once: all processes that share its file are set forward."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        if not file.exists():
            file.write_bytes(struct.pack("d", 0.0))
        with file.open("r+b") as opened:
            self._ahead = mmap.mmap(opened.fileno(), 8)

    def now(self) -> datetime:
        """The time."""
        (ahead,) = struct.unpack("d", self._ahead[:])
        return datetime.now(UTC) + timedelta(seconds=ahead)

    def sleep(self, seconds: float) -> None:
        """Set the clock forward by `seconds`."""
        if seconds > 0 and not self.stopping:
            (ahead,) = struct.unpack("d", self._ahead[:])
            self._ahead[:] = struct.pack("d", ahead + seconds)

    def set(self, now: datetime) -> None:
        """From now on it is `now`, and the clock goes on running."""
        self._ahead[:] = struct.pack("d", (now - datetime.now(UTC)).total_seconds())


# -- what is done in a turn ------------------------------------------------------------------------


def work(app: App) -> None:
    """Work the webhooks that wait, read what flows want and deliver what is due, until nothing is left to do."""
    reading = True
    for _ in range(_ROUNDS):
        inbound.work(app.bench)
        flows = app.store.config.flows()
        for connection, stream in _streams(flows) if reading else ():
            _read(app, connection, stream)
        done = [_push(app, flow) for flow in flows if flow.mode == "live"]
        written = {flow.writes_to for flow, moved, _ in done if moved}
        waiting = {flow.stream: unstamp(at) for flow, _, at in done if at}
        # What was written may come back as news, and stock is decided by orders that are read anew.
        reading = bool(written & {flow.source for flow in flows}) or bool({"balance", "acceptance"} & set(waiting))
        if not reading and not waiting:
            return
        moments = [at for at in waiting.values() if at is not None]
        if moments and not written:
            app.clock.sleep((min(moments) - app.clock.now()).total_seconds())


def work_and_read(app: App) -> None:
    """Do all the `work`, approve what is shown for approval, and then read every stream that is read on a schedule."""
    work(app)
    for _ in range(_TRIES):
        shown = app.store.effects.find(states=("awaiting",), limit=100)
        for effect in shown:
            approve(app.bench, effect.id)
        if not shown:
            break
        work(app)
    for row in app.store.config.streams():
        if row.enabled:
            _read(app, row.connection, row.stream)


def _streams(flows: Sequence[FlowRow]) -> list[tuple[str, str]]:
    """What flows read; stock before orders, because it is raised when the orders were read after it."""
    streams = dict.fromkeys((flow.source, flow.reads) for flow in flows if flow.mode == "live")
    return sorted(streams, key=lambda each: each[1] != "balance")


def _push(app: App, flow: FlowRow) -> tuple[FlowRow, bool, str | None]:
    """Deliver what is due; whether anything came to an end, and when more is due."""
    pushed = push(app.bench, flow)
    if pushed.error is not None:
        raise pushed.error
    counts = pushed.counts.as_dict()
    return flow, any(counts[name] for name in counts if name not in ("postponed", "requests")), pushed.next_at


def _read(app: App, connection: str, stream: str) -> None:
    """Read a stream, as soon as its vendor allows."""
    for _ in range(_TRIES):
        pulled = pull(app.bench, connection, stream)
        if pulled.state != "waiting":
            break
        wait = asked_wait(pulled.error)
        app.clock.sleep(wait.total_seconds() if wait else 60.0)
    if pulled.error is not None:
        raise pulled.error


# -- the processes ---------------------------------------------------------------------------------


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    return host in ("localhost", "::1") or host.startswith("127.")


def stay_here(but: str = "") -> None:
    """From now on nothing of Python in this process reaches another machine `but` this one, whatever a plugin does."""

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _LEAVING:
            return
        address = arguments[0] if event == "socket.getaddrinfo" else arguments[1]
        host = address[0] if isinstance(address, tuple) else address if event == "socket.getaddrinfo" else None
        name = host.decode() if isinstance(host, bytes) else host
        if isinstance(name, str) and name not in ("", but) and not is_loopback(name):
            raise PermissionError(f"A simulation does not reach {name}.")

    sys.addaudithook(refuse)


def registry_of(folder: Path, given: Mapping[str, str]) -> Registry:
    """The plugins of the folder and the environment; with any connectors `given` (name to module) none but those."""
    found = {}
    for name, target in given.items():
        known = Found(name=name, distribution=name, version="0", group=CONNECTORS, target=target)
        found[known] = _given(name, target)
    return Registry(folder / LOCAL_PLUGIN, found or None)


def _given(name: str, target: str) -> Any:
    """What ``module``, ``module:attribute`` or the path of a module's file names."""
    if target.endswith(".py"):
        return load(f"given_{name}", target)
    module, _, attribute = target.partition(":")
    loaded = importlib.import_module(module)
    return operator.attrgetter(attribute)(loaded) if attribute else loaded


def main() -> None:
    """Load everything once, and fork for each job until nobody asks any more."""
    home = msgspec.json.decode(sys.stdin.buffer.readline(), type=Home)
    stay_here(urlsplit(home.database).hostname or "")
    sys.path[:0] = home.paths
    registry = registry_of(Path(home.folder), home.given)
    for line in sys.stdin.buffer:
        job = msgspec.json.decode(line, type=Job)
        module, _, name = job.work.partition(":")
        importlib.import_module(module)
        child = os.fork()
        if not child:
            _child(home, job, registry, name)
        _, status = os.waitpid(child, 0)
        trouble = Path(job.trouble)
        said = trouble.read_text(encoding="utf-8") if trouble.exists() else ""
        sys.stdout.buffer.write(msgspec.json.encode(Ended(os.waitstatus_to_exitcode(status), said)) + b"\n")
        sys.stdout.buffer.flush()


def _child(home: Home, job: Job, registry: Registry, name: str) -> None:
    """Do one piece of work and end; a work that hangs is ended by an alarm."""
    code = 1
    try:
        signal.alarm(job.seconds)
        if job.at:
            os.environ[tripwire.AT_VARIABLE] = job.at
            os.environ[tripwire.STEPS_VARIABLE] = job.steps
        function = getattr(sys.modules[job.work.partition(":")[0]], name)
        with App(Path(home.folder), home.database, SharedClock(Path(home.clock))) as app:
            app.registry = registry
            function(app)
        code = 0
    except BaseException:  # noqa: BLE001  told to whoever asked; the process ends here
        Path(job.trouble).write_text(traceback.format_exc(limit=-6), encoding="utf-8")
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
