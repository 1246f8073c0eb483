"""Writes docs/hooks.md from the hook specifications, which are the only place where hooks are described."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from described import example, filled, prose, signature, typed

import crossdock
from crossdock import records
from crossdock.hookspecs import AMBIENT_HOOKS, ARGUMENTS, CONNECTOR_HOOKS, AmbientSpec, ConnectorSpec

PAGE = Path(__file__).with_name("hooks.md")

_INTRO = """\
# Hooks

This page is written by `make docs` from `crossdock.hookspecs`; do not edit it.

A *connector* is a module with plain functions, marked with `hookimpl`, that is named in the entry-point group
`crossdock.connectors`. [Pages for authors](author/acme.md) build one. It implements the hooks that its system can do
and leaves the others out; `crossdock connectors` shows which, read from the code. All hooks are synchronous; they take
their arguments without defaults, may leave out arguments that they do not need, and never answer `None`.

What a connector raises tells the engine what to do next ([errors](author/errors.md)):

| error | what happens |
|---|---|
| `TransientError` | tried again later, after `wait` when the vendor said so |
| `RecordError` | this one record is parked; with `gap`, until the unknown code has a counterpart |
| `AccessError` | the connection is paused, once, with one alert; a green verify reopens it |
| `UnsupportedError` | parked: the system does not offer this |
| `OutcomeUnknownError` | in doubt: `find_order` or `find_shipment` is asked before anything is sent again |
| anything else | a fault of the plugin, reported under its name |

An *ambient plugin* (entry-point group `crossdock.plugins`, or the file `crossdock_local.py` beside the configuration)
watches, changes or forbids; see the second half of this page, and [ambient.md](ambient.md). What happens when hooks
change is in [versions.md](versions.md).
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
    return filled(" · ".join(f"[{name}](#{name})" for name in names)) + "\n"


def _section(hook: Callable[..., Any]) -> str:
    text, shown = example(inspect.getdoc(hook) or "")
    parts = [f"### {hook.__name__}", f"```python\n{signature(hook)}: ...\n```", prose(text), _table(hook)]
    if shown:
        parts += ["Example:", f"```python\n{shown}\n```"]
    return "\n\n".join(filter(None, parts)) + "\n"


def _table(hook: Callable[..., Any]) -> str:
    """Each argument, and what is to be answered, with links to what they are."""
    found = inspect.signature(hook)
    rows = [
        f"| `{name}` | {typed(str(each.annotation), _links())} | {argument(hook.__name__, name)} |"
        for name, each in found.parameters.items()
        if name != "self"
    ]
    answer = found.return_annotation
    if answer != "None":
        rows.append(f"| answer | {typed(str(answer), _links())} | {_ANSWERS[_kind(str(answer))]} |")
    return "\n".join(("| | type | what it is |", "|---|---|---|", *rows)) if rows else ""


def argument(hook: str, name: str) -> str:
    """What an argument of a hook is."""
    return ARGUMENTS.get(f"{hook}.{name}") or ARGUMENTS[name]


def _kind(answer: str) -> str:
    return next(kind for kind in _ANSWERS if re.search(rf"\b{kind}\b", answer))


_ANSWERS = {
    "StillRunning": "an outcome for each item of the job when it is finished, else when to ask again",
    "Outcome": "one for each item, by its key; an item without an outcome is parked",
    "Page": "pages, made one after the other; each is kept before the next is asked for",
    "Sequence": "all that are there; an empty list when there is none",
    "Receipt": "proof of the write, with the external id",
    "Check": "one for each proven step",
    "Preview": "what would be sent, its hash, its price and what is wrong with it",
    "WebhookReply": "the HTTP answer, and what to fetch again",
    "WebhookState": "the registration as it is now",
    "ConnectorInfo": "always the same value",
    "Record": "the record, changed or not; of the same kind",
    "str": "an empty text, or the reason",
}
"""What an answer is, by the first of these words in its type."""


def _links() -> dict[str, str]:
    links = {name: f"reference.md#{name.lower()}" for name in crossdock.__all__ if name not in ("Any", "__version__")}
    kinds = {name: f"records.md#{name.lower()}" for name in links if hasattr(records, name) and name != "evolve"}
    return {**links, **kinds, "Record": "records.md"}


if __name__ == "__main__":
    PAGE.write_text(page())
