"""Who is measured: Crossdock, the limit, and a plain script; each syncs a shop into a database of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import Measured, note, run

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "benchmarks" / ".work"
BIN = Path(sys.executable).parent
PLAIN = WORK / "plain"
_PLAIN_PACKAGE = "woocommerce==3.0.0"


class Shop:
    """The benchmark shop, running in a process of its own."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, query: str = "") -> dict[str, Any]:
        """What it saw since it was asked last."""
        with urllib.request.urlopen(f"{self.url}/_bench?{query}") as answer:
            found: dict[str, Any] = json.load(answer)
        return found


@contextlib.contextmanager
def shop(count: int, latency: float = 0) -> Iterator[Shop]:
    """A shop with `count` orders that waits `latency` milliseconds before each answer."""
    command = [sys.executable, "-m", "benchmarks.shop", str(count), "--latency-ms", str(latency)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Shop(process.stdout.readline().strip())
        finally:
            process.kill()


class Databases:
    """New PostgreSQL databases on a server that runs as long as this is open."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.postgres"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    def new(self) -> str:
        """The URL of a new database."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(file=self._process.stdin, flush=True)
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        """Stop the server; its data go."""
        self._process.communicate()


def fresh(name: str) -> Path:
    """An empty folder."""
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


class Limit:
    """`benchmarks.limit`, on a file or a PostgreSQL database."""

    def __init__(self, name: str, readers: int = 1, database: str = "") -> None:
        self.name = name
        self.readers = str(readers)
        self.database = database

    def prepare(self, shop: Shop) -> None:
        """Begin from nothing."""
        if not self.database:
            fresh(self.name)
        self._url = shop.url

    def sync(self) -> Measured:
        """Sync once."""
        return run([sys.executable, "-m", "benchmarks.limit", self._url, self._target, self.readers], folder=ROOT)

    def contents(self) -> tuple[int, int]:
        """Orders and the sum of their totals in cents."""
        count, total = run(
            [sys.executable, "-m", "benchmarks.limit", "--contents", self._target], folder=ROOT
        ).output.split()
        return int(count), int(total)

    @property
    def _target(self) -> str:
        return self.database or str(WORK / self.name / "limit.db")


class Plain:
    """`benchmarks/plain.py` with the official client, in an environment of its own."""

    name = "plain"

    def prepare(self, shop: Shop) -> None:
        """Begin from nothing; the environment is made once."""
        if not (PLAIN / "bin" / "python").exists():
            note(f"  installing {_PLAIN_PACKAGE}")
            run([sys.executable, "-m", "venv", str(PLAIN)])
            run([str(PLAIN / "bin" / "python"), "-m", "pip", "install", "--quiet", _PLAIN_PACKAGE])
        fresh("plain-data")
        self._url = shop.url

    def sync(self) -> Measured:
        """Sync once."""
        return run([str(PLAIN / "bin" / "python"), str(ROOT / "benchmarks" / "plain.py"), self._url, self._target])

    def contents(self) -> tuple[int, int]:
        """Orders and the sum of their totals in cents."""
        count, total = run(
            [sys.executable, "-m", "benchmarks.limit", "--contents", self._target], folder=ROOT
        ).output.split()
        return int(count), int(total)

    @property
    def _target(self) -> str:
        return str(WORK / "plain-data" / "plain.db")


class Crossdock:
    """The command line of Crossdock in a project of its own: what a person runs, with all promises on.

    The shop's orders go to a second connection by a flow that is in plan mode, so that each order makes an effect.
    """

    def __init__(self, name: str, database: str = "", *, flow: bool = True) -> None:
        self.name = name
        self.env = {"CROSSDOCK_DATABASE_URL": database} if database else {}
        self.flow = flow
        self.folder = WORK / name

    def command(self, *arguments: str) -> list[str]:
        """A command line."""
        return [str(BIN / "crossdock"), *arguments]

    def run(self, *arguments: str) -> Measured:
        """Run a command in the project."""
        return run(self.command(*arguments), folder=self.folder, env=self.env)

    def add(self, name: str, url: str) -> None:
        """Add a connection to a benchmark shop."""
        values = {"url": url, "consumer_key": "ck_bench", "consumer_secret": "cs_bench"}
        pairs = [part for key, value in values.items() for part in ("--set", f"{key}={value}")]
        self.run("connection", "add", name, "-c", "woocommerce", *pairs)

    def prepare(self, shop: Shop) -> None:
        """Begin from nothing: a project, the connections, the flow."""
        fresh(self.name)
        self.run("init", ".")
        self.add("shop", shop.url)
        if self.flow:
            self.add("erp", shop.url)
            self.run("flow", "add", "to-erp", "orders", "shop", "erp", "--statuses", "processing,completed,on_hold")
        shop.ask()

    def sync(self) -> Measured:
        """Sync the orders once."""
        return self.run("sync", "shop", "orders")

    def contents(self) -> tuple[int, int]:
        """Orders and the sum of their totals in cents, by the SQL view; with a flow, as many effects are asserted."""
        count, total, effects = json.loads(
            run(
                [sys.executable, "-m", "benchmarks.contents", self.env.get("CROSSDOCK_DATABASE_URL", self._file)],
                folder=ROOT,
            ).output
        )
        if self.flow and effects != count:
            raise RuntimeError(f"{count} orders made {effects} effects.")
        return count, total

    @property
    def _file(self) -> str:
        return str(self.folder / "crossdock.db")


def environment() -> str:
    """The machine in one line."""
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, load {load}"
