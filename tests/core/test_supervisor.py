"""A supervisor learns that the runner works, still works, and stops."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from crossdock.clock import monotonic
from crossdock.runner.supervisor import Supervisor


@attrs.define
class Listener:
    """The other end of the socket."""

    door: socket.socket
    address: str

    def next(self) -> dict[str, str]:
        """What is said next."""
        return dict(line.split("=", 1) for line in self.door.recv(4096).decode().splitlines())


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest) -> Iterator[Listener]:
    """A socket with a name in the filesystem, or without."""
    with tempfile.TemporaryDirectory(prefix="xd-") as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        address = str(Path(folder) / "notify") if request.param == "path" else f"@xd-{os.getpid()}-{monotonic()}"
        door.bind(address.replace("@", "\0", 1))
        door.settimeout(20)
        yield Listener(door, address)


def test_it_is_told_in_its_own_words(listener: Listener) -> None:
    supervisor = Supervisor.found({"NOTIFY_SOCKET": listener.address})

    supervisor.ready("Runs.")
    supervisor.stopping()

    assert listener.next() == {"READY": "1", "STATUS": "Runs."}
    assert listener.next()["STOPPING"] == "1"


def test_a_sign_of_life_is_sent_when_it_is_due_and_work_goes_on(listener: Listener) -> None:
    due = monotonic() - 11
    supervisor = Supervisor(Supervisor.found({"NOTIFY_SOCKET": listener.address}).address, every=10, said=due)
    listener.door.setblocking(False)

    supervisor.lives(quiet=11)
    with pytest.raises(BlockingIOError):
        listener.next()

    supervisor.lives(quiet=1)
    assert listener.next() == {"WATCHDOG": "1"}

    supervisor.lives(quiet=1)
    with pytest.raises(BlockingIOError):
        listener.next()


def test_signs_of_life_come_twice_as_often_as_they_have_to() -> None:
    assert Supervisor.found({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(os.getpid())}).every == 10


@pytest.mark.parametrize("environment", [
    {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "1"}, {},
])  # fmt: skip
def test_who_wants_no_sign_of_life_gets_none(environment: dict[str, str]) -> None:
    assert Supervisor.found(environment).every == 0


def test_children_do_not_inherit_it() -> None:
    environment = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": str(os.getpid()), "HOME": "/"}

    Supervisor.found(environment)

    assert environment == {"HOME": "/"}


def test_nobody_who_listens_is_no_trouble() -> None:
    Supervisor.found({"NOTIFY_SOCKET": "/no/such/socket"}).ready("Runs.")
    Supervisor().stopping()


@pytest.mark.slow
def test_a_runner_tells_that_it_is_ready_lives_and_stops(crossdock, listener, monkeypatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", listener.address)
    monkeypatch.setenv("WATCHDOG_USEC", "600000")
    running = crossdock.start("run", "--no-web")
    try:
        assert listener.next() == {"READY": "1", "STATUS": "Runs with 8 workers."}
        assert listener.next() == {"WATCHDOG": "1"}
        running.send_signal(signal.SIGTERM)
        said = listener.next()
        while said == {"WATCHDOG": "1"}:
            said = listener.next()
        assert said["STOPPING"] == "1"
        assert running.wait(timeout=10) == 0
    finally:
        running.kill()
        running.communicate()
