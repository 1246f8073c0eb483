"""The project as a configuration file: without secrets, and such that applying it changes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import attrs

from crossdock.app import App, secret_names
from crossdock.configure import OPTIONS
from crossdock.errors import UsageError
from crossdock.preferences import PREFERENCES, flat
from crossdock.schedule import Schedule, span_text
from crossdock.store.config import ConnectionRow, FlowOptions, FlowRow, StreamRow
from crossdock.store.gaps import EVERY_FLOW
from crossdock.vault import is_reference
from crossdock.webhooks import base_of_project

_BARE = re.compile(r"[A-Za-z0-9_-]+")
HEAD = """\
# Written by: crossdock export
# Secrets are not in here: what is sealed stays in the database, references are kept. Put in force with: crossdock apply
"""


def export(app: App) -> str:
    """All connections, streams, flows and mapping rows as TOML."""
    streams: dict[str, list[StreamRow]] = {}
    for row in app.store.config.streams():
        if row.enabled or row.schedule.text:
            streams.setdefault(row.connection, []).append(row)
    base = base_of_project(app)
    parts = [HEAD, *([f"public_url = {_text(base)}"] if base else [])]
    parts += ["\n".join(_connection(app, row, streams.get(row.name, []))) for row in app.store.config.connections()]
    flows = app.store.config.flows()
    parts += ["\n".join(_flow(flow)) for flow in flows]
    names = {EVERY_FLOW, *(flow.name for flow in flows)}
    for flow, kind, value, target in app.store.gaps.rows():
        if flow in names:
            parts.append(
                f"[[mappings]]\nflow = {_text(flow)}\nkind = {_text(kind)}\nvalue = {_text(value)}\n"
                f"target = {_text(target)}"
            )
    parts += [text for name in PREFERENCES if (text := _preference(name, app.store.preferences.get(name)))]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _connection(app: App, row: ConnectionRow, streams: list[StreamRow]) -> Iterator[str]:
    yield f"[connections.{_key(row.name)}]"
    yield f"connector = {_text(row.connector)}"
    if row.python:
        yield f"python = {_text(row.python)}"
    if row.state == "draft":
        yield "draft = true"
    try:
        secrets = secret_names(app.connector_of(row))
    except UsageError:
        # Its plugin is gone: nobody can say which of its settings are secrets.
        yield "# The settings are left out, because the connector is not installed here."
        return
    for name, value in sorted(row.settings.items()):
        if name in secrets and value and not is_reference(value):
            yield f"# settings.{_key(name)} is sealed in the database"
        elif value:
            yield f"settings.{_key(name)} = {_text(value)}"
    for stream in streams:
        parts = [*_schedule(stream.schedule), *(() if stream.enabled else ("enabled = false",))]
        yield f"streams.{_key(stream.stream)} = {{{' ' if parts else ''}{', '.join(parts)}{' ' if parts else ''}}}"


def _schedule(schedule: Schedule) -> Iterator[str]:
    if schedule.cron:
        yield f"cron = {_text(schedule.cron)}"
    elif schedule.every:
        yield f"every = {_text(span_text(timedelta(seconds=schedule.every)))}"
    if schedule.zone:
        yield f"zone = {_text(schedule.zone)}"
    if schedule.quiet:
        yield f"quiet = {_text(schedule.quiet)}"
    if schedule.jitter:
        yield f"jitter = {_text(span_text(timedelta(seconds=schedule.jitter)))}"


def _flow(row: FlowRow) -> Iterator[str]:
    yield f"[flows.{_key(row.name)}]"
    for name in ("stream", "source", "target", "mode"):
        yield f"{name} = {_text(getattr(row, name))}"
    default = FlowOptions()
    for field in attrs.fields(FlowOptions):
        value = getattr(row.options, field.name)
        if field.name not in OPTIONS or value == getattr(default, field.name):
            continue
        if isinstance(value, tuple):
            shown = "[" + ", ".join(_text(each) for each in value) + "]"
        else:
            shown = str(value) if isinstance(value, int) else _text(value)
        yield f"options.{field.name} = {shown}"


def _preference(name: str, table: dict[str, Any]) -> str:
    lines = [f"{key} = {_value(value)}" for key, value in flat(table).items()]
    return "\n".join([f"[{name}]", *lines]) if lines else ""


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_value(each) for each in value)}]"
    return str(value) if isinstance(value, int) else _text(value)


def _text(value: str) -> str:
    """A TOML basic string: JSON's escapes are TOML's, except that DEL must be escaped, too."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)
