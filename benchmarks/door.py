"""``python -m benchmarks.door``: row 9 of the numbers that Crossdock has to reach: the door for webhooks.

One process takes webhooks in (``crossdock webhook serve --no-work`` on SQLite); a crowd in a process of its own sends
orders of 3.4 kB, signed as WooCommerce signs them. Both share the machine's cores, so what is found with many
connections is a lower bound. Then the door is killed in the middle, and what it had answered has to be in the inbox;
and a set of hostile requests has to be answered 4xx each.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from benchmarks.load import Load
from crossdock import webhooks
from crossdock.app import App
from crossdock.store.config import ConnectionRow
from crossdock.web.door import LARGEST

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "benchmarks" / ".work" / "door"
CROSSDOCK = str(Path(sys.executable).parent / "crossdock")
SECRET = "what-the-shop-signs-with"
HOST = "127.0.0.1"
COUNT = 6000


@attrs.frozen
class Serving:
    """A door that is open."""

    process: subprocess.Popen[str]
    port: int
    path: str

    def memory(self) -> float:
        """Its peak memory in megabytes."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024

    def cpu(self) -> float:
        """Seconds of CPU that it used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def prepare() -> str:
    """A project with one shop, whose streams nobody reads; answers the secret path of its door."""
    shutil.rmtree(HOME, ignore_errors=True)
    subprocess.run([CROSSDOCK, "init", str(HOME)], check=True, stdout=subprocess.DEVNULL)
    with App(HOME) as app:
        secrets = {"consumer_secret": "cs_12345", "webhook_secret": SECRET}
        sealed = {name: app.vault.seal("shop", name, value) for name, value in secrets.items()}
        settings = {"url": "https://shop.example", "consumer_key": "ck_1", **sealed}
        row = ConnectionRow(name="shop", connector="woocommerce", settings=settings, state="active")
        app.store.config.save_connection(row, app.clock.now())
        return webhooks.path_of(app, webhooks.door(app, "shop"))


@contextlib.contextmanager
def serving(path: str) -> Iterator[Serving]:
    """The door, open until the end of the block."""
    command = [CROSSDOCK, "webhook", "serve", "--no-work", "--json"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "CROSSDOCK_HOME": str(HOME)}
    )
    assert process.stdout is not None
    try:
        text = ""
        while not text.rstrip().endswith("}"):
            text += process.stdout.readline()
        yield Serving(process, int(json.loads(text)["url"].rpartition(":")[2]), path)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


class Crowd:
    """Somebody who is ready to send."""

    def __init__(self, door: Serving, connections: int, count: int, first: int) -> None:
        load = Load(
            host=HOST, port=door.port, path=door.path, secret=SECRET, connections=connections, count=count, first=first
        )
        command = [sys.executable, "-m", "benchmarks.load"]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._say(json.dumps(attrs.asdict(load)))
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == "ready"

    def _say(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def begin(self) -> None:
        """Send now."""
        self._say("go")

    def end(self) -> dict[str, Any]:
        """What came back, when all is sent or the door is gone."""
        assert self.process.stdout is not None
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        self.process.wait()
        return found


def rate(door: Serving, connections: int, count: int, first: int) -> None:
    """Send `count` webhooks and say how it went."""
    crowd = Crowd(door, connections, count, first)
    before = door.cpu()
    crowd.begin()
    found = crowd.end()
    times = found["times"]
    if found["statuses"] != {"200": count}:
        raise SystemExit(f"Not all were taken: {found['statuses']}")
    p50, p99 = (times[int(len(times) * part)] * 1000 for part in (0.5, 0.99))
    print(
        f"c={connections:<3} {count / found['seconds']:7,.0f} accepted/s  p50 {p50:5.1f} ms  p99 {p99:5.1f} ms  "
        f"door {(door.cpu() - before) / count * 1e6:4.0f} us CPU each, peak {door.memory():.0f} MB; "
        f"generator {found['cpu'] / count * 1e6:.0f} us each",
        flush=True,
    )


def kept() -> set[int]:
    """The numbers of the webhooks in the inbox."""
    with contextlib.closing(sqlite3.connect(HOME / "crossdock.db")) as database:
        rows = database.execute("SELECT dedupe FROM inbox WHERE state = 'new'").fetchall()
    return {int(row[0].split(":")[1]) - 1000 for row in rows}


def killed(path: str, first: int) -> None:
    """Kill the door with -9 in the middle of a load: what it had answered has to be there."""
    with serving(path) as door:
        crowd = Crowd(door, 16, COUNT, first)
        crowd.begin()
        time.sleep(0.5)
        door.process.kill()
        found = crowd.end()
    answered, there = set(found["answered"]), {number for number in kept() if number >= first}
    lost = answered - there
    print(f"kill -9: {len(answered):,} answered, {len(there):,} kept, {len(lost)} lost", flush=True)
    if lost or not 100 < len(answered) < COUNT:
        raise SystemExit("The door lost what it had answered, or was not killed in the middle.")


def hostile(door: Serving) -> None:
    """Requests that nobody honest sends: each is answered 4xx."""
    host = f"Host: {HOST}\r\n".encode()
    post = f"POST {door.path} HTTP/1.1\r\n".encode() + host
    wrong = door.path[:-1] + ("A" if door.path[-1] != "A" else "B")
    deep = b"[" * 100_000
    asked = {
        "wrong token": (f"POST {wrong} HTTP/1.1\r\n".encode() + host + b"Content-Length: 2\r\n\r\n{}", 404),
        "no such connection": (b"POST /hooks/none/x HTTP/1.1\r\n" + host + b"Content-Length: 2\r\n\r\n{}", 404),
        "another path": (b"GET /admin HTTP/1.1\r\n" + host + b"\r\n", 404),
        "another method": (post.replace(b"POST", b"DELETE") + b"\r\n", 405),
        "no signature": (post + b"Content-Length: 2\r\n\r\n{}", 401),
        "forged": (post + b"X-WC-Webhook-Signature: AAAA\r\nContent-Length: 2\r\n\r\n{}", 401),
        "forged and nested": (post + b"Content-Length: %d\r\n\r\n" % len(deep) + deep, 401),
        "said to be too large": (post + b"Content-Length: %d\r\n\r\n" % (32 * LARGEST), 413),
        "too large in pieces": (
            post + b"Transfer-Encoding: chunked\r\n\r\n" + b"10000\r\n" + b"x" * 65536 + b"\r\n"
            + (b"10000\r\n" + b"x" * 65536 + b"\r\n") * (LARGEST // 65536), 413,
        ),
        "two lengths": (post + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
        "length and pieces": (post + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", 400),
        "a negative length": (post + b"Content-Length: -1\r\n\r\n", 400),
        "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", 400),
        "an endless head": (post + b"X-A: " + b"a" * 300_000 + b"\r\n\r\n", 431),
    }  # fmt: skip
    before, found = door.memory(), {}
    for name, (sent, wanted) in asked.items():
        with socket.create_connection((HOST, door.port), timeout=15) as line:
            with contextlib.suppress(OSError):
                line.sendall(sent)
            with contextlib.suppress(OSError):
                found[name] = int(line.recv(65536)[9:12] or 0)
        if found.get(name) != wanted:
            raise SystemExit(f"Hostile ({name}): {found.get(name)} and not {wanted}.")
    print(f"hostile: {len(found)} of {len(found)} were answered 4xx, peak {before:.0f} to {door.memory():.0f} MB")


def main() -> None:
    """All of row 9."""
    path = prepare()
    with serving(path) as door:
        rate(door, 16, 1000, 0)
        for place, connections in enumerate((1, 16, 64, 16, 64)):
            rate(door, connections, COUNT if connections > 1 else COUNT // 3, 1000 + place * COUNT)
        hostile(door)
    killed(path, 10 * COUNT)


if __name__ == "__main__":
    main()
