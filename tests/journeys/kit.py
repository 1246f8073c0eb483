"""What journeys are made of: a project driven by the installed command, and systems in a process of their own."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import httpx

COMMAND = str(Path(sys.executable).parent / "crossdock")
ADMITTED = ("processing", "completed")
FIND_AFTER = "0.2"
SHOP = {"https": True}
ERP = {"generous": True}
_HIDDEN = ("checkout-draft", "auto-draft")
_TIMEOUT = 90


def poll(answer: Callable[[], Any], seconds: float = 20.0) -> Any:
    """What `answer` says as soon as it says anything; fails when it does not in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = answer()
        if found:
            return found
        time.sleep(0.008)
    raise AssertionError("It did not happen in time.")


# -- systems ---------------------------------------------------------------------------------------


@attrs.define
class Twin:
    """A sandbox in another process, controlled by its own door."""

    connector: str
    url: str
    settings: dict[str, str]
    _client: httpx.Client = attrs.field(factory=lambda: httpx.Client(timeout=30, trust_env=False))

    def _answer(self, response: httpx.Response) -> Any:
        assert response.status_code == 200, f"{response.url}: {response.status_code} {response.text[:500]}"
        return response.json()

    def state(self) -> dict[str, Any]:
        """Everything the system knows."""
        return self._answer(self._client.get(f"{self.url}/_sandbox/state"))

    def do(self, action: str, **arguments: Any) -> Any:
        """Let the system's people do something."""
        return self._answer(self._client.post(f"{self.url}/_sandbox/do/{action}", json=arguments))

    def fault(self, kind: str, **details: Any) -> None:
        """Plan a fault."""
        self._answer(self._client.post(f"{self.url}/_sandbox/faults", json={"kind": kind, **details}))

    def requests(self, method: str = "", path: str = "") -> list[dict[str, Any]]:
        """What the system was asked since `reset`."""
        log = self._answer(self._client.get(f"{self.url}/_sandbox/requests"))
        return [each for each in log if each["method"] == (method or each["method"]) and path in each["path"]]

    def writes(self) -> list[str]:
        """Method and path of every write since `reset`; a question asked by POST is none."""
        return [
            f"{each['method']} {each['path']}"
            for each in self.requests()
            if each["method"] != "GET" and not each["path"].endswith(("CustomerOrderATP", "orders/batch"))
        ]

    def reset(self) -> None:
        """Forget faults and requests."""
        self._answer(self._client.post(f"{self.url}/_sandbox/reset"))

    def close(self) -> None:
        """Let go of the door."""
        self._client.close()


class Nursery:
    """The process in which the systems live; see `nursery`."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("nursery.py")
        self._process = subprocess.Popen(
            [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=environment(),
        )  # fmt: skip

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer
        return answer

    @contextlib.contextmanager
    def twin(self, connector: str, port: int = 0, **options: Any) -> Iterator[Twin]:
        """A new, empty system, on a free port unless one is given."""
        made = self._ask({"start": connector, "port": port, "options": options})
        twin = Twin(connector, made["url"], made["settings"])
        try:
            yield twin
        finally:
            twin.close()
            self._ask({"stop": made["port"]})

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=20)
        assert self._process.stdout is not None
        self._process.stdout.close()


# -- the project -----------------------------------------------------------------------------------


def environment(**more: str) -> dict[str, str]:
    """An environment without anything of the developer's own Crossdock."""
    # With byte code a command starts in half the time.
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("CROSSDOCK_") and name not in ("PYTHONDONTWRITEBYTECODE", "PYTHONWARNINGS")
    }
    return {**kept, "NO_COLOR": "1", "PYTHONUTF8": "1", **more}


@attrs.frozen
class Done:
    """A command that has ended."""

    words: tuple[str, ...]
    code: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        """Everything it said."""
        return f"{self.stdout}\n{self.stderr}"

    def check(self, code: int | None) -> Done:
        """Itself, if it ended with `code` (any with `None`) and without showing its entrails."""
        assert "Traceback" not in self.text, f"{self.words}\n{self.text}"
        assert code in (None, self.code), f"{self.words}: exit {self.code}\n{self.text}"
        return self


@attrs.define
class Project:
    """A project folder, made by ``crossdock init``, and commands in it."""

    home: Path
    variables: dict[str, str]

    def start(self, *words: str, **more: str) -> subprocess.Popen[str]:
        """A command that runs."""
        return subprocess.Popen(
            [COMMAND, *words], cwd=self.home, env=environment(**self.variables, **more), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, *words: str, code: int | None = 0, **more: str) -> Done:
        """A command that has ended with `code` (any with `None`)."""
        return ended(words, self.start(*words, **more)).check(code)

    def json(self, *words: str, code: int | None = 0) -> Any:
        """What a command answers as JSON."""
        return json.loads(self.run(*words, "--json", code=code).stdout)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the project's database, read from outside."""
        url = self.variables.get("CROSSDOCK_DATABASE_URL", "")
        if url:
            import psycopg

            with psycopg.connect(url) as connection:
                return connection.execute(sql).fetchall()  # type: ignore[call-overload, no-any-return]
        with contextlib.closing(sqlite3.connect(self.home / "crossdock.db", timeout=10)) as connection:
            return connection.execute(sql).fetchall()

    def new_minute(self) -> None:
        """Let the vendors' budgets be fresh, as after a minute of waiting."""
        url = self.variables.get("CROSSDOCK_DATABASE_URL", "")
        if url:
            import psycopg

            with psycopg.connect(url) as connection:
                connection.execute("DELETE FROM meter")
            return
        with contextlib.closing(sqlite3.connect(self.home / "crossdock.db", timeout=10)) as connection:
            connection.execute("DELETE FROM meter")
            connection.commit()

    def due(self) -> None:
        """Let what waits for its time be due, as after some minutes; what waits for a person still waits."""
        with contextlib.closing(sqlite3.connect(self.home / "crossdock.db", timeout=10)) as connection:
            # An effect in doubt that only a person can decide has a time that never comes.
            connection.execute("UPDATE effect SET not_before = '' WHERE not_before < '9'")
            connection.commit()

    def adding(self, name: str, twin: Twin, **settings: str) -> tuple[str, ...]:
        """The words that add a connection to `twin`."""
        values = {**twin.settings, **settings}
        pairs = [word for key, value in values.items() for word in ("--set", f"{key}={value}")]
        return ("connection", "add", name, "-c", twin.connector, *pairs)

    def connect(self, **systems: tuple[Twin, Mapping[str, str]]) -> None:
        """Add connections, side by side."""
        commands = [self.adding(name, twin, **settings) for name, (twin, settings) in systems.items()]
        running = [(words, self.start(*words)) for words in commands]
        for words, process in running:
            ended(words, process).check(0)

    def orders(self, connection: str = "shop") -> dict[str, tuple[str, Decimal]]:
        """Raw status and total of every order in the view ``orders``."""
        rows = self.query(f"SELECT key, raw_status, total FROM orders WHERE connection = '{connection}' ORDER BY key")
        found = {row[0]: (row[1], cents(row[2])) for row in rows}
        assert len(found) == len(rows)
        return found

    def effects(self) -> Counter[str]:
        """How many effects are in which state."""
        return Counter(dict(self.query("SELECT state, COUNT(*) FROM effect GROUP BY state")))


def ended(words: tuple[str, ...], process: subprocess.Popen[str]) -> Done:
    """The result of a running command."""
    try:
        stdout, stderr = process.communicate(timeout=_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        stdout, stderr = process.communicate()
        raise AssertionError(f"{words} did not end: {stdout}\n{stderr}") from None
    return Done(words, process.returncode, stdout, stderr)


def kill_after(process: subprocess.Popen[str], twin: Twin, requests: int, seconds: float) -> bool:
    """kill -9 `seconds` after `twin` got that many further requests; false when the process ended before that."""
    before = len(twin.requests())
    poll(lambda: process.poll() is not None or len(twin.requests()) >= before + requests, _TIMEOUT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


class Template:
    """A project as ``crossdock init`` makes it, database included; copied, because that is faster than made again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        made = Project(folder, {})
        folder.mkdir()
        made.run("init")
        made.run("status")

    def copy(self, home: Path, **variables: str) -> Project:
        """A new project."""
        return self.copy_of(self._folder, home, **variables)

    @staticmethod
    def copy_of(folder: Path, home: Path, **variables: str) -> Project:
        """A copy of the project in `folder`."""
        shutil.copytree(folder, home)
        return Project(home, {"CROSSDOCK_FIND_AFTER": FIND_AFTER, **variables})

    def trading(self, home: Path, nursery: Nursery) -> TradingTemplate:
        """A template whose project trades already: orders go from ``shop`` to ``erp``, shipments back."""
        project = self.copy(home)
        with nursery.twin("woocommerce", free_port(), **SHOP) as shop, nursery.twin(
            "extendcommerce", free_port(), **ERP
        ) as erp:  # fmt: skip
            project.connect(shop=(shop, {}), erp=(erp, {}))
            World(project, shop, erp).trade()
            return TradingTemplate(home, urlsplit(shop.url).port or 0, urlsplit(erp.url).port or 0)


@attrs.frozen
class TradingTemplate:
    """A project to be copied, and the ports at which it expects its systems: connecting them is the slow part."""

    folder: Path
    shop_port: int
    erp_port: int

    @contextlib.contextmanager
    def world(self, home: Path, nursery: Nursery) -> Iterator[World]:
        """A copy with new, empty systems; one at a time."""
        project = Template.copy_of(self.folder, home)
        with nursery.twin("woocommerce", self.shop_port, **SHOP) as shop, nursery.twin(
            "extendcommerce", self.erp_port, **ERP
        ) as erp:  # fmt: skip
            yield World(project, shop, erp)


def free_port() -> int:
    """A free port that no outgoing connection is given by chance while nobody listens there."""
    while True:
        port = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), contextlib.closing(socket.create_server(("127.0.0.1", port))):
            return port


# -- both sides ------------------------------------------------------------------------------------


@attrs.frozen
class World:
    """A shop, an ERP, and a project between them."""

    project: Project
    shop: Twin
    erp: Twin

    def fill(self, orders: int = 10, products: int = 6, seed: int = 1, **more: Any) -> None:
        """Orders and products in the shop, and the same products in the ERP."""
        self.shop.do("seed", orders=orders, products=products, seed=seed, **more)
        self.erp.do("seed_products", products=[
            {"productNumber": sku, "name": sku, "price": "10.00", "stock": {"HUVUD": 100_000}}
            for sku in skus(self.shop)
        ])  # fmt: skip

    def link(self, name: str = "to-erp") -> None:
        """A live flow of orders from the shop to the ERP, if it is not there already."""
        if not self.project.query(f"SELECT name FROM flow WHERE name = '{name}'"):
            self.project.run("flow", "add", name, "orders", "shop", "erp", "--live")

    def trade(self) -> None:
        """Orders go from the shop to the ERP, shipments back, and both are switched on."""
        self.link()
        self.project.run("flow", "add", "tracking", "shipments", "erp", "shop", "--live")
        self.project.run("stream", "on", "shop", "orders")
        self.project.run("stream", "on", "erp", "shipments")

    def sync(self, connection: str = "shop", stream: str = "orders", *, code: int | None = 0) -> Any:
        """Read one stream; what was counted."""
        (answer,) = self.project.json("sync", connection, stream, code=code)
        return answer["counts"]

    def push(self, flow: str = "", *, wait: float = 0, code: int | None = 0) -> Any:
        """Deliver; what became of each flow."""
        return self.project.json("push", *([flow] if flow else []), "--wait", str(wait), code=code)

    def settle(self) -> None:
        """Read and deliver until nothing is left to do."""
        self.sync()
        for _ in range(6):
            self.project.new_minute()
            self.push(wait=8, code=None)
            if not set(self.project.effects()) - {"done", "superseded"}:
                return
        raise AssertionError(self.project.effects())


def skus(shop: Twin) -> list[str]:
    """What the shop sells."""
    state = shop.state()
    return sorted(each["sku"] for each in (*state["products"], *state["variations"]) if each["sku"])


def shop_orders(shop: Twin) -> dict[str, tuple[str, Decimal]]:
    """Status and total of all orders that somebody placed."""
    return {
        str(each["id"]): (each["status"], cents(each["total"]))
        for each in shop.state()["orders"]
        if each["status"] not in _HIDDEN
    }


def admitted(shop: Twin) -> dict[str, Decimal]:
    """Totals of the shop's orders that have to be in the ERP, under the number that they have there."""
    return {f"shop-{key}": total for key, (status, total) in shop_orders(shop).items() if status in ADMITTED}


def erp_orders(erp: Twin) -> dict[str, Decimal]:
    """Totals of the ERP's living orders under the shop's number; fails when there are two of one."""
    living = [each for each in erp.state()["orders"] if each["orderStatus"] != "Annulled"]
    twice = {name: n for name, n in Counter(each["orderNumberExternal"] for each in living).items() if n > 1}
    assert not twice, f"more than once: {twice}"
    return {each["orderNumberExternal"]: gross(each) for each in living}


def gross(order: Mapping[str, Any]) -> Decimal:
    """What an order of the ERP costs with VAT, each row rounded; a row that shipped in parts is one row."""
    rows: dict[tuple[Any, ...], Decimal] = {}
    for row in order["orderRows"]:
        sold = row["salesData"]
        if row["rowOperation"] == "Active":
            key = (row["position"], sold["unitPrice"], sold["vatPercent"])
            rows[key] = rows.get(key, Decimal(0)) + Decimal(str(sold["quantity"]))
    total = Decimal(0)
    for (_, price, percent), quantity in rows.items():
        net = cents(quantity * Decimal(str(price)))
        total += net + cents(net * Decimal(str(percent or 0)) / 100)
    return total


def cents(amount: Any) -> Decimal:
    """An amount in whole cents."""
    return Decimal(str(amount)).quantize(Decimal("0.01"), ROUND_HALF_UP)


def dice(seed: int) -> random.Random:
    """Chance that repeats itself."""
    return random.Random(seed)
