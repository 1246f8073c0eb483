"""Writes docs/hooks.md from the hook specifications, which are the only place where hooks are described."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from crossdock.hookspecs import AMBIENT_HOOKS, CONNECTOR_HOOKS, AmbientSpec, ConnectorSpec

PAGE = Path(__file__).with_name("hooks.md")

_INTRO = """\
# Hooks

This page is written by `make docs` from `crossdock.hookspecs`; do not edit it.

A *connector* is a module with plain functions, marked with `hookimpl`, that is named in the entry-point group
`crossdock.connectors`. It implements the hooks that its system can do and leaves the others out; `crossdock connectors`
shows which, read from the code. All hooks are synchronous; they take their arguments without defaults, may leave out
arguments that they do not need, and never answer `None`.

What a connector raises tells the engine what to do next:

| error | what happens |
|---|---|
| `TransientError` | tried again later, after `wait` when the vendor said so |
| `RecordError` | this one record is parked; with `gap`, until the unknown code has a counterpart |
| `AccessError` | the connection is paused, once, with one alert; a green verify reopens it |
| `UnsupportedError` | parked: the system does not offer this |
| `OutcomeUnknownError` | in doubt: `find_order` or `find_shipment` is asked before anything is sent again |
| anything else | a fault of the plugin, reported under its name |

An *ambient plugin* (entry-point group `crossdock.plugins`, or the file `crossdock_local.py` beside the configuration)
watches, changes or forbids; see the second half of this page.
"""


def page() -> str:
    """The whole page."""
    return "\n".join(
        (
            _INTRO,
            "## Hooks of a connector\n",
            _contents(CONNECTOR_HOOKS),
            *(_section(getattr(ConnectorSpec, name)) for name in CONNECTOR_HOOKS),
            "## Hooks of ambient plugins\n",
            _contents(AMBIENT_HOOKS),
            *(_section(getattr(AmbientSpec, name)) for name in AMBIENT_HOOKS),
        )
    )


def _contents(names: tuple[str, ...]) -> str:
    links = " · ".join(f"[{name}](#{name})" for name in names)
    return textwrap.fill(links, width=120, break_long_words=False, break_on_hyphens=False) + "\n"


def _section(hook: Callable[..., Any]) -> str:
    text, _, example = inspect.getdoc(hook).partition("\nExample::\n")
    parts = [f"### {hook.__name__}", f"```python\n{_signature(hook)}\n```", _markdown(text.strip())]
    if example.strip():
        parts += ["Example:", f"```python\n{textwrap.dedent(example.strip(chr(10))).rstrip()}\n```"]
    return "\n\n".join(parts) + "\n"


def _signature(hook: Callable[..., Any]) -> str:
    found = inspect.signature(hook)
    parameters = [f"{name}: {each.annotation}" for name, each in found.parameters.items() if name != "self"]
    one_line = f"def {hook.__name__}({', '.join(parameters)}) -> {found.return_annotation}: ..."
    if len(one_line) <= 100:
        return one_line
    return "\n".join(
        (f"def {hook.__name__}(", *(f"    {each}," for each in parameters), f") -> {found.return_annotation}: ...")
    )


def _markdown(text: str) -> str:
    """Docstrings mark code with one or two backticks; Markdown is content with one."""
    return re.sub(r"``([^`]+)``", r"`\1`", "\n".join(_lines(text)).rstrip())


def _lines(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        yield from textwrap.wrap(" ".join(paragraph.split()), width=120, break_long_words=False)
        yield ""


if __name__ == "__main__":
    PAGE.write_text(page())
