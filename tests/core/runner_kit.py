"""What the tests of the runner share: lanes worked one by one on a scripted clock, and runners on the real one."""

from __future__ import annotations

import contextlib
import json
import queue
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import Any

import attrs
from cli_kit import Shell
from engine_kit import World

from crossdock.app import App
from crossdock.clock import monotonic
from crossdock.configure import Wish, switch_stream
from crossdock.runner.chosen import dispatcher
from crossdock.runner.embedded import Embedded
from crossdock.runner.lanes import Lanes
from crossdock.runner.turns import Turn, take_turn

_NEVER = threading.Event()


def until(true: Callable[[], Any], seconds: float = 20.0) -> Any:
    """What `true` answers as soon as that is something; fails after a while."""
    deadline = monotonic() + seconds
    while not (found := true()):
        assert monotonic() < deadline, "It did not come true."
        _NEVER.wait(0.005)
    return found


def turn_on(world: World, stream: str = "orders", connection: str = "shop", **wish: str) -> None:
    """Switch a stream on."""
    switch_stream(world.app, connection, stream, on=True, wish=Wish(**wish))


@attrs.define
class Turner:
    """Works lanes one after the other, the most urgent first."""

    world: World
    lanes: Lanes

    def due(self) -> list[str]:
        """What is due, in order."""
        return [lane.text for lane in self.lanes.due()]

    def turn(self) -> Turn:
        """Work the most urgent lane."""
        lane = self.lanes.due()[0]
        turn = take_turn(self.world.bench, lane)
        self.lanes.worked(lane)
        if turn.rest is not None:
            self.lanes.rest(lane, turn.rest)
        return turn

    def all(self) -> list[str]:
        """Work until nothing is due any more; answers what was worked, in order."""
        worked = []
        while self.due():
            assert len(worked) < 50, worked
            worked.append(self.turn().lane.text)
        return worked


def turner(world: World) -> Turner:
    """A worker without threads."""
    return Turner(world, Lanes(world.bench))


@attrs.define
class Running:
    """A runner on the real clock, and the turns it told of."""

    app: App
    runner: Embedded
    turns: list[Turn] = attrs.field(factory=list)

    def told(self, text: str) -> list[Turn]:
        """The turns of the lane that is called `text`."""
        return [turn for turn in self.turns if turn.lane.text == text]


@contextlib.contextmanager
def running(
    world: World, threads: int = 4, owner: str = "", tell: Callable[[Turn], None] | None = None
) -> Iterator[Running]:  # fmt: skip
    """A runner on the world's project; `owner` is the process that it says to be."""
    with App(world.app.home, world.app.database_url) as app:
        app.owner = owner or app.owner
        app.__dict__["registry"] = world.app.registry
        made: list[Turn] = []
        found = Running(app, dispatcher(app.store.database)(app.bench, threads, tell or made.append), made)
        found.runner.start()
        try:
            yield found
        finally:
            app.clock.stop()
            assert found.runner.stop(15) == []


# -- processes ---------------------------------------------------------------------------------------


@attrs.define
class Process:
    """A runner as a process, and the lines that it wrote."""

    process: subprocess.Popen[bytes]
    lines: list[dict[str, Any]] = attrs.field(factory=list)

    def turns(self, name: str) -> list[dict[str, Any]]:
        """Its turns of a stream or flow."""
        return [line for line in list(self.lines) if line["event"] == "turn" and line["name"] == name]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Stop it; answers after how many seconds it ended."""
        begun = monotonic()
        self.process.send_signal(number)
        self.process.wait(timeout=30)
        return monotonic() - begun


@contextlib.contextmanager
def process(crossdock: Shell, *words: str) -> Iterator[Process]:
    """A runner that has begun."""
    with crossdock.start(*words, "--json", stdout=subprocess.PIPE) as started:
        found, ready = Process(started), queue.SimpleQueue[None]()

        def read() -> None:
            for line in started.stdout:
                found.lines.append(json.loads(line))
                ready.put(None)

        reading = threading.Thread(target=read)
        reading.start()
        ready.get(timeout=20)
        try:
            yield found
        finally:
            started.kill()
            started.wait()
            reading.join()


def wired(crossdock: Shell) -> Shell:
    """A shop whose orders go to an ERP by themselves."""
    crossdock.connect()
    crossdock.run("stream", "on", "shop", "orders")
    crossdock.run("flow", "add", "to-erp", "orders", "shop", "erp")
    crossdock.run("flow", "live", "to-erp")
    return crossdock


def references(line: Shell) -> list[str]:
    """The keys under which the ERP has orders, twins included."""
    return sorted(row["reference"] for row in list(line.erp.orders.values()))
