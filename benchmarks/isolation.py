"""``python -m benchmarks.isolation``: what it costs to run a connector in an interpreter of its own.

The same connector, which has no system behind it, in this process and isolated; CPU is that of both processes together.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import sysconfig
import time
import venv
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from crossdock.app import App
from crossdock.engine.bench import Opened
from crossdock.records import Order
from crossdock.session import Since
from crossdock.vault import KEY_VARIABLE, new_key

WORK = Path(__file__).resolve().parent / ".work" / "isolation"
PAGES, CALLS = 100, 2_000
CONNECTOR = """
from decimal import Decimal

import attrs

from crossdock import Check, ConnectorInfo, Endpoint, Order, OrderLine, Page, Receipt, StreamInfo, hookimpl, setting

LINES = tuple(
    OrderLine(key=str(n), sku=f"SKU-{n}", name="An article", quantity=Decimal(2), unit_price=Decimal("9.99"),
              total=Decimal("19.98")) for n in range(3)
)
PAYLOAD = b"x" * 3000


@attrs.frozen(kw_only=True)
class Settings:
    name: str = setting("Name", default="echo")


@hookimpl
def connector_info():
    return ConnectorInfo(name="echo", title="Echo", settings=Settings, streams={"orders": StreamInfo()},
                         endpoint=lambda settings: Endpoint(base_url="http://127.0.0.1:9"))


@hookimpl
def verify(session):
    yield Check(name="Nothing", state="ok")


@hookimpl
def fetch_orders(session, query):
    for page in range(int(query.cursor)):
        records = tuple(
            Order(key=f"{page}-{n}", number=str(n), status="processing", currency="EUR", total=Decimal("59.94"),
                  lines=LINES) for n in range(100)
        )
        yield Page(records, str(page), (), (PAYLOAD,) * 100, {}, 100)


@hookimpl
def push_order(session, order, key, known):
    for _ in range(int(order.note or 0)):
        session.clock.now()
    return Receipt(external_id=key)
"""


def environment() -> tuple[Path, Path]:
    """A folder with the connector, and an interpreter that sees it and Crossdock."""
    shutil.rmtree(WORK, ignore_errors=True)
    site = WORK / "site"
    info = site / "echo-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: echo\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[crossdock.connectors]\necho = echo_connector\n")
    (site / "echo_connector.py").write_text(CONNECTOR)
    venv.create(WORK / "venv", symlinks=True, with_pip=False)
    (packages,) = WORK.glob("venv/lib/python*/site-packages")
    purelib = sysconfig.get_paths()["purelib"]
    (packages / "seen.pth").write_text(f"import site; site.addsitedir({purelib!r}); site.addsitedir({str(site)!r})\n")
    return site, WORK / "venv" / "bin" / "python"


def cpu() -> float:
    """Seconds of this process, and of those that it started and that have ended."""
    own, others = (resource.getrusage(each) for each in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime


def child_cpu() -> float:
    """Seconds of the isolated process while it runs."""
    ticks = os.sysconf("SC_CLK_TCK")
    return sum((int(fields[11]) + int(fields[12])) / ticks for fields, _ in children())


def children() -> Iterator[tuple[list[str], Path]]:
    """The isolated processes of this one: what the system says of each."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            words = (entry / "cmdline").read_text()
        except OSError:
            continue
        if int(fields[1]) == os.getpid() and "crossdock.isolation.child" in words:
            yield fields, entry


def timed(work: Callable[[], object], rounds: int = 5) -> tuple[float, float]:
    """Wall seconds (median) and CPU seconds (mean) of one round."""
    walls = []
    before = cpu() + child_cpu()
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        walls.append(time.perf_counter() - started)
    return statistics.median(walls), (cpu() + child_cpu() - before) / rounds


def push(opened: Opened, asks: int = 0) -> Callable[[], object]:
    """`CALLS` calls of a hook, or one that asks its session so often."""
    order = Order(key="1", note=str(asks or ""))
    count = 1 if asks else CALLS

    def work() -> None:
        for _ in range(count):
            opened.connector.push_order(opened.session, order, "k", None)

    return work


def side_by_side(opened: Opened) -> Callable[[], object]:
    """`CALLS` calls from four threads."""
    order = Order(key="1")

    def work() -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: opened.connector.push_order(opened.session, order, "k", None), range(CALLS)))

    return work


def pages(opened: Opened) -> Callable[[], object]:
    """`PAGES` pages of 100 orders."""
    return lambda: sum(1 for _ in opened.connector.fetch("orders", opened.session, Since(str(PAGES))))


def main() -> None:
    """Measure and print."""
    site, python = environment()
    import site as paths

    paths.addsitedir(str(site))
    os.environ[KEY_VARIABLE] = new_key()
    os.environ["CROSSDOCK_PLUGINS"] = "echo"
    with App(WORK) as app:
        assert app.save("near", "echo", {}).green
        assert app.save("far", "echo", {}, python=str(python)).green
        before, started = cpu(), time.perf_counter()
        with App(WORK) as other:
            other.open("far")
            took = time.perf_counter() - started
        print(f"start of the process: {took:.2f} s, {cpu() - before:.2f} s CPU with its end")
        near, far = app.open("near"), app.open("far")
        rows = (
            ("a call of a hook", push, CALLS), ("the same, four threads at once", side_by_side, CALLS),
            ("a question to the session", lambda each: push(each, CALLS), CALLS),
            ("a page of 100 orders", pages, PAGES),
        )  # fmt: skip
        for what, make, count in rows:
            found = [timed(make(each)) for each in (near, far)]
            shown = "  ".join(
                f"{name} {wall / count * 1e6:8.0f} us, {used / count * 1e6:8.0f} us CPU"
                for name, (wall, used) in zip(("inline", "isolated"), found, strict=True)
            )
            print(f"{what:34} {shown}")
        for _, entry in children():
            (resident,) = [line.split()[1] for line in (entry / "status").read_text().splitlines() if "VmRSS" in line]
            print(f"memory of the process: {int(resident) // 1024} MB")


if __name__ == "__main__":
    main()
