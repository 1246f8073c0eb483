"""What is the same wherever it runs, and what changes among many: rows, open connections, webhooks at the door."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
import subprocess
import time
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from benchmarks.__main__ import PYTHON, ROOT, shop
from benchmarks.meter import Meter, family_cpu
from benchmarks.units import GREEN, SKUS, TURNS, flow, null_connector, project, signals
from crossdock import webhooks
from crossdock.app import App
from crossdock.engine.pull import pull
from crossdock.engine.push import push
from crossdock.store.database import stamp

# -- an installation of many ---------------------------------------------------------------------------


def fill(app: App, connections: int) -> None:
    """Rows as of an installation of `connections`: four streams each, and two flows for each channel."""
    database, at = app.store.database, stamp(app.clock.now())
    later = stamp(app.clock.now() + timedelta(days=1))
    settings = "{" + ", ".join(f'"setting{number}": "{"x" * 40}"' for number in range(8)) + "}"
    names = [f"c{number}" for number in range(connections)]
    with database.transaction():
        database.upsert(
            "connection", ("name", "connector", "settings", "state", "created_at", "updated_at"), ("name",),
            [(name, "null", settings, "active", at, at) for name in names],
        )  # fmt: skip
        database.upsert(
            "stream", ("connection", "stream", "enabled", "synced_at", "next_at"), ("connection", "stream"),
            [(name, stream, 1, at, later) for name in names for stream in ("orders", "balance", "products", "prices")],
        )  # fmt: skip
        database.upsert(
            "flow", ("name", "stream", "source", "target", "mode", "created_at"), ("name",),
            [
                (f"{stream}_{name}", stream, *((name, names[-1]) if stream == "orders" else (names[-1], name)),
                 "live", at)
                for name in names[:-1] for stream in ("orders", "balance")
            ],
        )  # fmt: skip
    if database.dialect == "postgresql":
        database.run("ANALYZE")


def history(app: App, runs: int) -> None:
    """Runs of each stream of orders that ended long ago."""
    at = stamp(app.clock.now())
    with app.store.database.transaction():
        app.store.database.many(
            "INSERT INTO run (kind, connection, stream, state, started_at, ended_at) VALUES ('pull', ?, 'orders', "
            "'done', ?, ?)",
            [(name, at, at) for name in ("shop", "quiet") for _ in range(runs)],
        )
    if app.store.database.dialect == "postgresql":
        app.store.database.run("ANALYZE")


def large(database: str, postmaster: int) -> dict[str, float]:
    """CPU of worker and server for an empty turn, and for an order from its webhook to its delivery, among many."""
    found: dict[str, float] = {}
    null = null_connector()
    null.COUNT = SKUS
    with shop(1_000) as url, shop(1) as quiet, project(database, url) as app:
        meter = Meter(app, postmaster)
        app.keep("quiet", "woocommerce", {**app.reveal(app.row("shop")), "url": quiet}, GREEN)
        runner, orders, stock = app.bench, flow(app, "orders"), flow(app, "stock")
        pull(runner, "erp", "balance")
        pull(runner, "shop", "orders")
        push(runner, orders)
        push(runner, stock)

        def weigh(among: str) -> None:
            for what, work in (
                ("empty turn", lambda: meter(lambda: pull(runner, "quiet", "orders"), TURNS)),
                (
                    "webhook to delivery",
                    lambda: signals(app, meter, url) + meter.took(lambda: push(runner, orders)) / 50,
                ),
            ):
                cost = work()
                found[f"{what}, {among}"] = cost.cpu + cost.server

        weigh("alone")
        history(app, 10_000)
        weigh("after 10,000 runs of its own")
        for count in (1_000, 10_000):
            fill(app, count)
            weigh(f"among {count:,} connections")
    return found


def tick(database: str, postmaster: int) -> dict[str, float]:
    """CPU seconds, of worker and server, of asking once what is due, by the number of connections."""
    found = {}
    with shop(1) as url, project(database, url) as app:
        meter, agenda = Meter(app, postmaster), app.store.agenda
        for count in (1_000, 10_000):
            fill(app, count)

            def ask() -> None:
                now = app.clock.now()
                agenda.streams(now)
                agenda.flows(now)
                agenda.inboxes()

            cost = meter(ask, 10)
            found[f"{count:,}"] = cost.cpu + cost.server
    return found


def memory() -> dict[str, float]:
    """Bytes of a worker's process, and of each connection whose row is there, and that is open."""
    with shop(1) as url:
        told = subprocess.run(
            [PYTHON, "-W", "ignore", "-m", "benchmarks.costs", "--memory", url], cwd=ROOT, capture_output=True,
            text=True, check=True,
        )  # fmt: skip
    return msgspec.json.decode(told.stdout, type=dict[str, float])


def memory_here(url: str) -> dict[str, float]:
    """The same of this process, which should be fresh."""
    with project("", url) as app:
        pull(app.bench, "shop", "orders")
        values, base = app.reveal(app.row("shop")), resident()
        for number in range(300):
            app.keep(f"shop_{number}", "woocommerce", values, GREEN)
        rows = resident()
        for number in range(300):
            pull(app.bench, f"shop_{number}", "orders")
        return {"worker": base, "idle": max(rows - base, 0) / 300, "open": (resident() - rows) / 300}


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# -- webhooks ------------------------------------------------------------------------------------------


def door(database: str) -> dict[str, float]:
    """The door in a process of its own, 16 senders: CPU seconds of that process a webhook, and webhooks a second."""
    with shop(1) as url, project(database, url) as app:
        secret = "0123456789abcdef0123456789abcdef"
        app.keep("shop", "woocommerce", {**app.reveal(app.row("shop")), "webhook_secret": secret}, GREEN)
        path = webhooks.path_of(app, webhooks.door(app, "shop"))
        env = {**os.environ, "CROSSDOCK_HOME": str(app.home), "CROSSDOCK_DATABASE_URL": app.database_url}
        command = [PYTHON, "-W", "ignore", "-m", "crossdock", "webhook", "serve", "--no-work", "--json"]
        process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            said = ""
            while "url" not in said or not said.rstrip().endswith("}"):
                said += process.stdout.readline()
            base = urlsplit(msgspec.json.decode(said)["url"])
            sent = asyncio.run(_send(str(base.hostname), base.port or 0, path, secret, 10))  # it warms up
            before, started = family_cpu(process.pid), time.perf_counter()
            sent = asyncio.run(_send(str(base.hostname), base.port or 0, path, secret, 200))
            took = time.perf_counter() - started
            return {"cpu": (family_cpu(process.pid) - before) / sent, "rate": sent / took}
        finally:
            process.terminate()
            process.wait()


async def _send(host: str, port: int, path: str, secret: str, each: int) -> int:
    """Sixteen senders of `each` webhooks; answers how many were taken."""
    filler = "x" * 3_200

    async def sender(place: int) -> int:
        reader, writer = await asyncio.open_connection(host, port)
        taken = 0
        for number in range(each):
            body = msgspec.json.encode(
                {"id": place * 10_000 + number, "status": "processing", "date_modified_gmt": f"{each}", "note": filler}
            )
            proof = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
            writer.write(
                f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\nx-wc-webhook-topic: "
                f"order.updated\r\nx-wc-webhook-signature: {proof}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
                + body
            )
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length or 0))
            taken += head.startswith(b"http/1.1 2")
        writer.close()
        return taken

    return sum(await asyncio.gather(*(sender(place) for place in range(16))))
