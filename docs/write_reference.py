"""Writes docs/reference.md: every class and function that a connector may import, except hooks and records.

What is said there is what the source says: docstrings, signatures, and the comments at fields.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from described import example, fields, filled, methods, prose, public, signature, table

import crossdock
from crossdock import clock, mapping, paging, records, sandbox
from crossdock.http.client import Http
from crossdock.sandbox import faults

HERE = Path(__file__).parent
PAGE = HERE / "reference.md"
AUTHOR = HERE / "author"

_INTRO = """\
# The public face

This page is written by `make docs` from the source; do not edit it.

A connector may import what is named here, and [the records](records.md), from `crossdock`, `crossdock.mapping`,
`crossdock.paging` and `crossdock.sandbox`. Everything else is private and may change in any release. Importing
`crossdock` loads neither the HTTP client nor the database, so a connector's import stays cheap.

"Shown in" names the pages whose code uses it; that code is run by the tests.
"""

_GROUPS = {
    "What a connector says of itself": (
        "ConnectorInfo StreamInfo Budget Endpoint Rule Auth Outgoing ClientCredentials header_auth basic_auth "
        "query_auth setting Secret SPEC_VERSION"
    ),
    "What a hook gets": (
        "Session Http Clock Memory Files StoredFile Answer Row Upload Query Since ByKeys Decision StatusUpdate "
        "WebhookRequest"
    ),
    "What a hook answers": "Page Receipt Outcome StillRunning Check Preview WebhookReply Changed WebhookState",
    "What a hook raises": (
        "TransientError RecordError Gap AccessError UnsupportedError OutcomeUnknownError SettingsError PluginError "
        "ConnectorError CrossdockError"
    ),
    "Records and marks": "Record evolve hookimpl hookspec deprecated",
}
"""The names of `crossdock`, and two that only come with a session."""

_MODULES = {
    "Mapping: `crossdock.mapping`": mapping,
    "Reading lists: `crossdock.paging`": paging,
    "Sandboxes: `crossdock.sandbox`": sandbox,
}

_SAID = {
    "Auth": "Signs or completes a request: a function from `Outgoing` to `Outgoing`. It is called anew for every "
    "attempt, so nonces and timestamps are fresh.",
    "Query": "What is asked for: `Since` or `ByKeys`.",
    "Record": "Any of [the six records](records.md).",
    "SPEC_VERSION": f"The version of the hooks that this core has: {crossdock.SPEC_VERSION}.",
    "hookimpl": "Marks a function as the implementation of the hook of its name. Ambient plugins may use "
    "`@hookimpl(wrapper=True)` and `@hookimpl(optionalhook=True)`; connectors use it plain.",
    "hookspec": "Marks a hook of your own, for `add_hookspecs`.",
}
"""What is no class or function and so has no docstring."""


def entries() -> Iterator[tuple[str, str, Any]]:
    """Everything that has an entry: group, name and value."""
    for group, names in _GROUPS.items():
        for name in names.split():
            yield group, name, {"Http": Http, "Clock": clock.Clock}.get(name) or getattr(crossdock, name)
    for group, module in _MODULES.items():
        for name, value in _public(module):
            yield group, name, value


def _public(module: ModuleType) -> Iterator[tuple[str, Any]]:
    named = getattr(module, "__all__", None)
    yield from ((name, getattr(module, name)) for name in named) if named else public(module)


def page() -> str:
    """The whole page."""
    parts, group = [_INTRO], ""
    links = _links()
    for heading, name, value in entries():
        if heading != group:
            group = heading
            parts.append(f"## {heading}\n")
            module = _MODULES.get(heading)
            if module is not None:
                parts.append(_introduction(module))
            names = [each for head, each, _ in entries() if head == heading]
            parts.append(filled(" · ".join(f"[{each}](#{each.lower()})" for each in names)) + "\n")
        parts.append(_entry(name, value, links))
    return "\n".join(parts)


def _introduction(module: ModuleType) -> str:
    text, _, control = (inspect.getdoc(module) or "").partition("::\n")
    if not control:
        return prose(text) + "\n"
    return f"{prose(text)}:\n\n```text\n{inspect.cleandoc(control)}\n```\n"


def _links() -> dict[str, str]:
    ours = {name: f"#{name.lower()}" for _, name, _ in entries()}
    kinds = {name: f"records.md#{name.lower()}" for name in crossdock.__all__ if hasattr(records, name)}
    return {**kinds, **ours}


def _entry(name: str, value: Any, links: dict[str, str]) -> str:
    parts = [f"### {name}"]
    if name in _SAID:
        parts.append(filled(_SAID[name]))
    elif inspect.isclass(value):
        parts += _class(value, links)
    else:
        text, shown = example(inspect.getdoc(value) or "")
        parts += [f"```python\n{signature(value, name)}\n```", prose(text)]
        parts += [f"```python\n{shown}\n```"] if shown else []
    pages = shown_in(name)
    if pages:
        parts.append("Shown in: " + ", ".join(f"[{title}](author/{file})" for file, title in pages) + ".")
    return "\n\n".join(parts) + "\n"


def _class(kind: type[Any], links: dict[str, str]) -> Iterator[str]:
    if issubclass(kind, Exception):
        yield f"```python\n{signature(kind.__init__, kind.__name__).removeprefix('def ').removesuffix(' -> None')}\n```"
    elif not hasattr(kind, "__attrs_attrs__") and not getattr(kind, "_is_protocol", False) and "__init__" in vars(kind):
        made = signature(kind.__init__, kind.__name__).removeprefix("def ").removesuffix(" -> None")
        yield from () if kind is Http else (f"```python\n{made}\n```",)
    yield prose(inspect.getdoc(kind) or "")
    if kind is faults.Fault:
        yield prose((inspect.getdoc(faults) or "").partition("\n\n")[2])
    if not issubclass(kind, Exception) and fields(kind):
        yield table(kind, links)
    for name, function, is_property in methods(kind):
        if name == "close":  # the core's business
            continue
        head = f"{name}" if is_property else signature(function, name).removeprefix("def ")
        yield f"```python\n{head}\n```"
        yield prose(inspect.getdoc(function) or "")


# -- where something is shown ------------------------------------------------------------------------


def shown_in(name: str) -> list[tuple[str, str]]:
    """The pages for authors whose code uses `name`: file and title."""
    return [(file, title) for file, title, names in _pages() if name in names]


@cache
def _pages() -> list[tuple[str, str, frozenset[str]]]:
    found = []
    for path in sorted(AUTHOR.glob("*.md")):
        text = path.read_text()
        code = re.findall(r"^```python\n# .*?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        names = frozenset(name for block in code for name in _used(ast.parse(textwrap.dedent(block))))
        found.append((path.name, text.partition("\n")[0].removeprefix("# "), names))
    return found


def _used(tree: ast.Module) -> Iterator[str]:
    """Names that code uses, and not only imports; what is asked of `session.http` counts for its class."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
            yield {"http": "Http", "clock": "Clock", "memory": "Memory", "files": "Files"}.get(node.attr, "")


if __name__ == "__main__":
    PAGE.write_text(page())
