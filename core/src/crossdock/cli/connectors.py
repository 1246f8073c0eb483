"""``crossdock connectors``: installed plugins, the hook matrix, and what is broken."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import click

from crossdock.admission import Found, PluginFailure, PluginNotice
from crossdock.app import App
from crossdock.cli.context import app_from_context
from crossdock.cli.output import emit, examples, json_option, mark, needs_attention, plural, table
from crossdock.errors import CrossdockError, UsageError
from crossdock.hookspecs import CONNECTOR_HOOKS
from crossdock.registry import Connector, Registry

LEVEL_FILE = "contract.json"


@attrs.frozen(kw_only=True)
class Listed:
    """A connector (or a broken plugin) as machines get it; `spec` is `None` when it is not known."""

    name: str
    title: str
    version: str
    distribution: str
    spec: int | None
    hooks: list[str]
    level: str
    problem: str
    python: str = ""
    """The interpreter that it runs in, for the connections that `connections` names; empty for this one."""
    connections: list[str] = attrs.field(factory=list)
    notices: list[str] = attrs.field(factory=list)
    """What it uses that will go."""


def listed(registry: Registry) -> list[Listed]:
    """All connectors by name, then everything that is broken."""
    usable = [
        attrs.evolve(_usable(each), notices=[said.text for said in registry.notices if said.found == each.found])
        for _, each in sorted(registry.connectors.items())
    ]
    return [*usable, *(_broken(failure) for failure in registry.failures)]


def _usable(connector: Connector) -> Listed:
    found, info = connector.found, connector.info
    return Listed(
        name=info.name, title=info.title, version=found.version, distribution=found.distribution, spec=info.spec,
        hooks=list(connector.hooks), level=level_of(found), problem="",
    )  # fmt: skip


def _broken(failure: PluginFailure) -> Listed:
    found = failure.found
    return Listed(
        name=found.name, title="", version=found.version, distribution=found.distribution, spec=None, hooks=[],
        level="", problem=failure.cause,
    )  # fmt: skip


def level_of(found: Found) -> str:
    """The level a connector reached in its contract suite: ``level`` in the `contract.json` that it ships."""
    module = sys.modules.get(found.target.partition(":")[0])
    source = getattr(module, "__file__", None)
    if not source:
        return ""
    try:
        answer: Any = json.loads((Path(source).parent / LEVEL_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    level = answer.get("level", "") if isinstance(answer, dict) else ""
    return level if isinstance(level, str) else ""


@click.command(epilog=examples("crossdock connectors", "crossdock connectors --json"))
@json_option
def connectors(as_json: bool) -> None:
    """Show installed plugins, what each can do, and broken ones with the cause.

    The matrix is read from the plugins' code. Ends with 1 when a plugin is broken; the others work all the same.
    """
    app = app_from_context()
    registry = app.registry
    rows = [*listed(registry), *_isolated(app)]
    emit([attrs.asdict(row) for row in rows], as_json, lambda: _lines(rows, registry.ambient_plugins, registry.notices))
    if any(row.problem for row in rows):
        needs_attention()


def _isolated(app: App) -> Iterator[Listed]:
    """Connectors that run in interpreters of their own, for the connections that name them."""
    used: dict[tuple[str, str], list[str]] = {}
    with contextlib.suppress(CrossdockError):  # what is installed can be told without a database
        for row in app.store.config.connections() if app.has_store else ():
            if row.python:
                used.setdefault((row.python, row.connector), []).append(row.name)
    for (python, name), connections in sorted(used.items()):
        try:
            made = _usable(app.connector(name, python))
        except UsageError as error:
            made = Listed(name=name, title="", version="", distribution="", spec=None, hooks=[], level="",
                          problem=str(error))  # fmt: skip
        yield attrs.evolve(made, python=python, connections=connections)


def _lines(
    rows: Sequence[Listed], ambient: Sequence[Found], notices: Sequence[PluginNotice]
) -> Iterator[str]:  # fmt: skip
    isolated = [row for row in rows if row.python and not row.problem]
    usable = [row for row in rows if not row.problem and not row.python]
    if usable:
        yield table(
            [(row.name, row.title, row.version, row.distribution, row.spec, row.level or "-") for row in usable],
            ("NAME", "TITLE", "VERSION", "DISTRIBUTION", "SPEC", "LEVEL"),
        )
        yield ""
        for part in range(0, len(usable), 6):
            yield from _matrix(usable[part : part + 6])
    else:
        yield "No connector is installed. For example: pip install crossdock-woocommerce"
    if isolated:
        yield "Isolated, each in an interpreter of its own:"
        for row in isolated:
            where = f"{row.python} for {', '.join(row.connections)}"
            yield f"  {row.name} {row.version} ({row.distribution}) in {where}"
        yield ""
    if ambient:
        yield "Ambient plugins: " + ", ".join(f"{each.name} ({each.distribution} {each.version})" for each in ambient)
    for notice in notices:
        found = notice.found
        yield f"{mark('warn')} {found.name} {found.version} ({found.distribution}) works, but {notice.text}"
    broken = [row for row in rows if row.problem]
    if broken:
        yield f"{mark('fail')} {plural(len(broken), 'plugin')} cannot be used:"
        for row in broken:
            which = f"{row.name} {row.version} ({row.distribution})" if row.distribution else row.name
            yield f"  {which}: {row.problem}"


def _matrix(rows: Sequence[Listed]) -> Iterator[str]:
    hooks = [hook for hook in CONNECTOR_HOOKS if hook != "connector_info"]
    yield table(
        [(hook, *(mark("ok") if hook in row.hooks else "" for row in rows)) for hook in hooks],
        ("HOOK", *(row.name for row in rows)),
    )
    yield ""
