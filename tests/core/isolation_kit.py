"""Virtual environments out of nothing, and a connector that does whatever an order's note says.

An environment has its own `site-packages` before those of the tests, so Crossdock is there and everything else differs.
"""

from __future__ import annotations

import os
import sysconfig
import time
import venv
from collections.abc import Callable
from pathlib import Path

from plugin_kit import install

PROBE = """
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import attrs

from crossdock import (
    Budget, ByKeys, Check, ConnectorInfo, Endpoint, Gap, Order, Outcome, Page, Preview, Receipt, RecordError, Secret,
    StreamInfo, TransientError, header_auth, hookimpl, setting,
)


@attrs.frozen(kw_only=True)
class Settings:
    url: str = setting("Address")
    token: Secret = setting("Token", check=lambda text: None if text.startswith("acme-") else "It begins with acme-.")
    size: int = setting("Page size", default=2)
    tags: tuple[str, ...] = setting("Tags", default=("a", "b"))
    least: Decimal = setting("Least", default=Decimal("0.10"))


@hookimpl
def connector_info():
    return ConnectorInfo(
        name="probe", title="Probe", settings=Settings,
        endpoint=lambda settings: Endpoint(base_url=settings.url, auth=header_auth("X-Token", settings.token)),
        streams={"orders": StreamInfo(minimum=timedelta(minutes=7))}, find_after=timedelta(0),
        budgets=(Budget(name="orders", calls=1, per=timedelta(hours=1)),),
    )


@hookimpl
def verify(session):
    session.http.get("/ping")
    yield Check(name="Token", state="ok", facts={"warehouses": ["MAIN"]})


@hookimpl
def fetch_orders(session, query):
    answer = session.http.get("/orders", {"since": "0"}).json()["orders"]
    try:
        for at in range(0, len(answer), session.settings.size):
            part = answer[at : at + session.settings.size]
            bad = [RecordError("It is bad.", key=row["id"], path="total") for row in part if row["total"] == "bad"]
            good = tuple(
                Order(key=row["id"], total=Decimal(row["total"]), placed_at=session.clock.now(),
                      extras={"odd": object()} if row["total"] == "7.77" else {"n": [1, "x"]})
                for row in part if row["total"] != "bad"
            )
            yield Page(good, str(at), tuple(bad), tuple(b"raw" for _ in good), {}, len(part))
    finally:
        session.memory.put_many("probe", {"closed": "yes"})


@hookimpl
def find_order(session, key):
    found = session.http.get("/orders", params={"reference": key}).json()["orders"]
    return [Receipt(external_id=row["id"]) for row in found]


@hookimpl
def push_order(session, order, key, known):
    return globals()[order.note](session, order, key)


def create(session, order, key):
    body = {"reference": key, "total": str(order.total), "note": order.note}
    return Receipt(external_id=session.http.post("/orders", body, create=True).json()["id"])


def refuse(session, order, key):
    raise RecordError("Refused.", key="k", path="lines[0].sku", gap=Gap("sku", "A-1"), hint="Map it.", status=422,
                      vendor_message="no such sku", payload=b"\\xff\\x00", refused=True)


class Own(TransientError):
    pass


def own(session, order, key):
    raise Own("Later.", wait=timedelta(minutes=3))


def bug(session, order, key):
    return {}[session.settings.token.reveal()]


def catch(session, order, key):
    try:
        session.http.get("/nowhere")
    except RecordError as error:
        return Receipt(external_id=str(error.status), note=str(error))


def die(session, order, key):
    os.kill(os.getpid(), 9)


def create_and_die(session, order, key):
    create(session, order, key)
    die(session, order, key)


def hang(session, order, key):
    time.sleep(600)


def leave_somebody_behind(session, order, key):
    if os.fork() == 0:
        time.sleep(30)
        os._exit(0)
    os._exit(5)


def tell_and_exit(session, order, key):
    os.write(2, ("the token is " + session.settings.token.reveal() + "\\n").encode())
    os._exit(3)


def big(session, order, key):
    text = "x" * 1_000_000
    session.memory.put_many("big", {"text": text})
    return Receipt(external_id=str(session.memory.get_many("big", ["text"])["text"] == text), note=text)


def wait_for_stop(session, order, key):
    session.memory.put_many("probe", {"waiting": "yes"})
    while not session.clock.stopping:
        session.clock.sleep(0.05)
    return Receipt(external_id="stopped")


def rubbish(session, order, key):
    for each in range(3, 32):
        try:
            if os.fstat(each).st_mode & 0o170000 == 0o010000:
                os.write(each, b"Hello, this is no message. " * 40)
        except OSError:
            pass
    time.sleep(600)


def speak(session, order, key):
    print("printed " + session.settings.token.reveal(), flush=True)
    os.write(1, b"written to the standard output\\n")
    session.log.warning("logged %s of %s", order.key, session.settings.token.reveal())
    return Receipt(external_id="spoken")


def threads(session, order, key):
    with ThreadPoolExecutor(4) as pool:
        states = list(pool.map(lambda _: session.http.get("/ping").status, range(8)))
    return Receipt(external_id=str(sum(states)))


def remember(session, order, key):
    session.memory.put_many("seen", {order.key: key})
    kept = session.files.put("feed", b"\\x00\\x01" * 1000, {"etag": "7"})
    found = session.files.get("feed")
    session.http.redactor.add(["hidden-4712"])
    return Receipt(
        external_id="ok", number=session.connection, url=str(session.memory.get_many("seen", [order.key])),
        note=json.dumps([found.content == kept.content, dict(found.facts), session.files.kept_at("none"),
                         session.http.redactor.text("a hidden-4712 here"), dict(session.facts)]),
    )


def hurry(session, order, key):
    return Receipt(external_id=str(session.http.get("/ping", budget="orders").status))


def surroundings(session, order, key):
    return Receipt(external_id="here", note=json.dumps([sys.argv, dict(os.environ)]))


def strange(session, order, key):
    return Settings(url="", token=Secret(""))


def third_party(session, order, key):
    missing = getattr(session.hooks, "zz_nobody", None)
    return Receipt(external_id=str(missing), note=str(session.hooks.zz_print_areas(sku="A", areas=("x",))))
"""

COLOURLIB = {
    1: 'VERSION = 1\n\ndef parse(text):\n    return tuple(int(part) for part in text.split(","))\n',
    2: 'VERSION = 2\n\nclass Colour:\n    def __init__(self, *, text):\n        self.parts = text.split(",")\n',
}
"""Two releases of one library; nothing that works with one works with the other."""

COLOURED = """
import attrs

from crossdock import Check, ConnectorInfo, Endpoint, Order, Page, StreamInfo, hookimpl, setting
import colourlib


@attrs.frozen(kw_only=True)
class Settings:
    url: str = setting("Address")


@hookimpl
def connector_info():
    return ConnectorInfo(name="NAME", title="NAME", settings=Settings, streams={"orders": StreamInfo()},
                         endpoint=lambda settings: Endpoint(base_url=settings.url))


@hookimpl
def verify(session):
    yield Check(name="Library", state="ok", detail=str(colourlib.VERSION))


@hookimpl
def fetch_orders(session, query):
    yield Page((Order(key="1", note=str(READ)),), "1")
"""


def environment(folder: Path) -> Path:
    """A virtual environment that sees what the tests see; answers its interpreter."""
    venv.create(folder, symlinks=True, with_pip=False)
    see = f"import site; site.addsitedir({sysconfig.get_paths()['purelib']!r})\n"
    (packages(folder) / "tests.pth").write_text(see)
    return folder / "bin" / "python"


def packages(folder: Path) -> Path:
    """Where an environment has its libraries."""
    return next(folder.glob("lib/python*/site-packages"))


def add_connector(folder: Path, name: str, source: str, version: str = "1.0") -> None:
    """Install a connector into an environment."""
    install(packages(folder), name, source, version=version)


def children() -> dict[int, list[str]]:
    """The processes of isolated connectors that this process started, with their command lines."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            words = (entry / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if parent == os.getpid() and "crossdock.isolation.child" in words:
            found[int(entry.name)] = words
    return found


def eventually(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.01)
