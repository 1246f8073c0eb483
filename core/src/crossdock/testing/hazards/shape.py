"""Hazards of the plugin itself: what pluggy lets pass, prints, clients of its own, imports that cost and do things."""

from __future__ import annotations

import contextlib
import dis
import sys
from collections.abc import Iterator
from types import CodeType, ModuleType
from typing import Any
from urllib.parse import urlsplit

from crossdock.errors import CrossdockError
from crossdock.sandbox import Impossible, NotRehearsed
from crossdock.session import Since
from crossdock.testing.hazards.hazard import ACCEPTED, Finding, NotApplicable, always, hazard, several
from crossdock.testing.hazards.orders import order, push
from crossdock.testing.importing import imported
from crossdock.testing.stage import Stage, Subject
from crossdock.testing.watching import WatchedHttp, watching


@hazard(
    ACCEPTED, "bronze",
    "A hook is misspelt, asynchronous or badly signed, and is silently never called.",
    always,
)  # fmt: skip
def accepted(stage: Stage) -> None:
    """The registry lets the connector in, and everything that a person must know of it is said."""
    if not stage.info.title.strip():
        raise Finding("Its ConnectorInfo has no title.")
    strange = sorted(set(stage.info.streams) - set(stage.subject.reads))
    if strange:
        raise Finding(f"Its ConnectorInfo describes the stream {several(strange)}, which no hook of it reads.")


def _modules(plugin: Any) -> Iterator[ModuleType]:
    """The plugin's modules as far as they were imported, its sandbox excepted."""
    name = plugin.__name__
    package = name.rpartition(".")[0] or name
    for each, module in list(sys.modules.items()):
        mine = each == name or each.startswith(f"{package}.")
        if mine and isinstance(module, ModuleType) and "sandbox" not in each.split("."):
            yield module


def _codes(module: ModuleType) -> Iterator[CodeType]:
    """The code of the functions of a module, those of its classes and those within them included."""
    waiting: list[Any] = [each for each in vars(module).values() if getattr(each, "__module__", "") == module.__name__]
    while waiting:
        each = waiting.pop()
        if isinstance(each, CodeType):
            yield each
            waiting.extend(const for const in each.co_consts if isinstance(const, CodeType))
        elif isinstance(each, type):
            waiting.extend(getattr(part, "__func__", part) for part in vars(each).values())
        elif hasattr(each, "__code__"):
            waiting.append(each.__code__)


@hazard(
    "prints-something", "gold",
    "A line for debugging was left in, and the output that a program reads as JSON is none.",
    always,
)  # fmt: skip
def prints(stage: Stage) -> None:
    """No function of the plugin prints or asks on the terminal; it has `session.log`."""
    for module in _modules(stage.subject.plugin):
        for code in _codes(module):
            for step in dis.get_instructions(code):
                if step.opname in ("LOAD_GLOBAL", "LOAD_NAME") and step.argval in ("print", "input", "breakpoint"):
                    raise Finding(f"{code.co_name} in {module.__name__} calls {step.argval}().")


@hazard(
    "client-of-its-own", "bronze",
    "Requests go past retries, limits and the log of exchanges, and nobody can see what was sent.",
    always,
)  # fmt: skip
def own_client(stage: Stage) -> None:
    """Verify, every stream and an order: nothing is connected to but through `session.http`."""
    stage.client = WatchedHttp
    with watching(urlsplit(stage.url).port or 0) as seen:
        for stream in stage.subject.reads:
            with contextlib.suppress(CrossdockError):
                list(stage.pages(Since(None), stream))
        with contextlib.suppress(CrossdockError):
            list(stage.connector.verify(stage.session))
        with contextlib.suppress(CrossdockError, NotRehearsed, Impossible):
            if stage.subject.can("push_order"):
                push(stage, order(stage))
    if seen:
        raise Finding(f"It opened a connection to {several(set(seen))} without session.http.")


@hazard(
    "import-costs", "gold",
    "One plugin makes every start of the command slow, or asks its vendor, before anybody wanted anything of it.",
    always,
)  # fmt: skip
def import_costs(stage: Stage) -> None:
    """Imported in an interpreter of its own the plugin is quick, and writes, asks, prints and starts nothing."""
    plugin = stage.subject.plugin
    file = getattr(plugin, "__file__", "") or ""
    if not file:
        raise NotApplicable("It is no module of a file.")
    found = imported(plugin.__name__, file)
    if found.error:
        raise Finding(f"It cannot be imported alone: {found.error}")
    if found.effects:
        raise Finding(f"When it is imported, {'; '.join(found.effects[:3])}.")
    if not found.cheap:
        raise Finding(f"Its import takes {found.seconds * 1000:.0f} ms of the processor beyond the core.")


def _reads(subject: Subject) -> str:
    return "" if subject.reads else "The connector reads no stream."


@hazard(
    "every-stream-rehearsed", "gold",
    "One of the streams was never tried on a bad day, and the report does not show it.",
    _reads,
)  # fmt: skip
def every_stream(stage: Stage) -> None:
    """Every stream that the connector reads is one that its sandbox rehearses."""
    missing = [stream for stream in stage.subject.reads if stream not in stage.rehearsal.streams]
    if missing:
        raise NotRehearsed(f"The sandbox does not rehearse {several(missing)}.")


HAZARDS = (accepted, prints, own_client, import_costs, every_stream)
