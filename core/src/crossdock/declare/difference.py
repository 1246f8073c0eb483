"""What a file would change in a project, without changing it. Secrets are never shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import attrs

from crossdock.app import App, secret_names
from crossdock.configure import Wish, schedule_of
from crossdock.declare.document import ConnectionSpec, FlowSpec, Project, StreamSpec
from crossdock.errors import UsageError
from crossdock.preferences import PREFERENCES, flat
from crossdock.schedule import Schedule
from crossdock.store.config import ConnectionRow, FlowOptions, FlowRow, StreamRow
from crossdock.vault import is_reference, masked


@attrs.frozen(kw_only=True)
class Field:
    """A field that differs; empty text stands for "not there"."""

    name: str
    before: str
    after: str


@attrs.frozen(kw_only=True)
class Difference:
    """One thing to add, change or remove. `what` is ``connection``, ``stream``, ``flow``, ``mapping`` or ``table``."""

    action: Literal["add", "change", "remove"]
    what: str
    name: str
    fields: tuple[Field, ...] = ()


def differences(app: App, project: Project, *, prune: bool = False) -> list[Difference]:
    """What `apply` would do, in the order of the file's parts; removals only when `prune` is set.

    Raises `UsageError` for what cannot be applied at all.
    """
    found = [*_connections(app, project), *_streams(app, project), *_flows(app, project), *_mappings(app, project),
             *_preferences(app, project)]  # fmt: skip
    return found + (list(_removals(app, project)) if prune else [])


# -- connections -----------------------------------------------------------------------------------


def settings_of(app: App, spec: ConnectionSpec) -> dict[str, str]:
    """The settings to save: those of the file, and the stored secrets that it leaves out, sealed as they are."""
    row = app.store.config.connection(spec.name)
    kept = {} if row is None else {
        name: value for name, value in row.settings.items()
        if name in secret_names(app.connector(spec.connector, spec.python)) and name not in spec.settings
    }  # fmt: skip
    return {name: value for name, value in {**kept, **spec.settings}.items() if value}


def _connections(app: App, project: Project) -> Iterator[Difference]:
    for spec in project.connections.values():
        row = app.store.config.connection(spec.name)
        secrets = secret_names(app.connector(spec.connector, spec.python))
        before = {} if row is None else {name: value for name, value in row.settings.items() if value}
        where = _fields({"python": row.python if row else ""}, {"python": spec.python}, {}, {})
        fields = list(where) + list(
            _fields(masked(before, secrets), masked(settings_of(app, spec), secrets), before, spec.settings)
        )
        state = _state(row, spec)
        if row is None:
            head = [Field(name="connector", before="", after=spec.connector)]
            yield Difference(action="add", what="connection", name=spec.name, fields=(*head, *state, *fields))
        elif fields or state:
            yield Difference(action="change", what="connection", name=spec.name, fields=(*state, *fields))


def _state(row: ConnectionRow | None, spec: ConnectionSpec) -> list[Field]:
    if spec.draft:
        return [] if row and row.state == "draft" else [Field(name="draft", before="", after="yes")]
    return [Field(name="draft", before="yes", after="")] if row and row.state == "draft" else []


def _fields(
    before: Mapping[str, Any], after: Mapping[str, Any], stored: Mapping[str, str], asked: Mapping[str, str]
) -> Iterator[Field]:
    """Fields that differ as they are shown; a sealed secret that a reference replaces differs, too."""
    for name in sorted({*before, *after}):
        old, new = before.get(name, ""), after.get(name, "")
        replaced = name in asked and is_reference(asked[name]) and stored.get(name, "") != asked[name]
        if old != new or replaced:
            yield Field(name=name, before=str(old), after=str(new))


# -- streams and flows -----------------------------------------------------------------------------


def stream_row(app: App, connection: str, stream: str) -> StreamRow | None:
    """The stored stream."""
    return app.store.config.stream(connection, stream)


def wanted_schedule(app: App, project: Project, spec: StreamSpec) -> Schedule:
    """The schedule a stream is to have: as the file says, else as it is, else the default."""
    row = stream_row(app, spec.connection, spec.stream)
    if spec.schedule is not None:
        return spec.schedule
    if row is not None and (row.enabled or row.schedule.text):
        return row.schedule
    named = project.connections.get(spec.connection) or app.row(spec.connection)
    info = app.connector(named.connector, named.python).info
    return schedule_of(info, spec.stream, Wish(), None)


def _streams(app: App, project: Project) -> Iterator[Difference]:
    for spec in project.streams.values():
        row = stream_row(app, spec.connection, spec.stream)
        after = {"switch": "on" if spec.enabled else "off", "schedule": wanted_schedule(app, project, spec).text}
        configured = row is not None and bool(row.enabled or row.schedule.text)
        before = {} if row is None or not configured else {
            "switch": "on" if row.enabled else "off", "schedule": row.schedule.text
        }  # fmt: skip
        fields = tuple(_fields(before, after, {}, {}))
        if fields:
            action: Literal["add", "change"] = "change" if configured else "add"
            yield Difference(action=action, what="stream", name=f"{spec.connection} {spec.stream}", fields=fields)


def flow_fields(row: FlowRow | FlowSpec) -> dict[str, str]:
    """What a person sees of a flow."""
    shown = {"stream": row.stream, "source": row.source, "target": row.target, "mode": row.mode}
    default = attrs.asdict(FlowOptions())
    for name, value in attrs.asdict(row.options).items():
        if value != default[name]:
            shown[name] = ", ".join(value) if isinstance(value, list | tuple) else str(value)
    return shown


def _flows(app: App, project: Project) -> Iterator[Difference]:
    for spec in project.flows.values():
        row = app.store.config.flow(spec.name)
        if row is None:
            after = flow_fields(attrs.evolve(spec, mode=spec.mode or "plan"))
            yield Difference(action="add", what="flow", name=spec.name, fields=tuple(_fields({}, after, {}, {})))
            continue
        if (row.stream, row.source, row.target) != (spec.stream, spec.source, spec.target) and any(
            app.store.effects.counts(spec.name)
        ):
            raise UsageError(
                f"{project.file}: [flows.{spec.name}]: it has a ledger of what went from {row.source} to {row.target}, "
                "so its stream and ends cannot change.",
                hint=f"Give the new flow another name, or: crossdock flow remove {spec.name}",
            )
        after = flow_fields(attrs.evolve(spec, mode=spec.mode or row.mode))
        fields = tuple(_fields(flow_fields(row), after, {}, {}))
        if fields:
            yield Difference(action="change", what="flow", name=spec.name, fields=fields)


def _mappings(app: App, project: Project) -> Iterator[Difference]:
    stored = {(flow, kind, value): target for flow, kind, value, target in app.store.gaps.rows()}
    for key, target in project.mappings.items():
        if stored.get(key) != target:
            fields = (Field(name="target", before=stored.get(key, ""), after=target),)
            action: Literal["add", "change"] = "change" if key in stored else "add"
            yield Difference(action=action, what="mapping", name=" ".join(key), fields=fields)


def _preferences(app: App, project: Project) -> Iterator[Difference]:
    for name, table in project.preferences.items():
        stored = app.store.preferences.get(name)
        before = {key: _shown(value) for key, value in flat(stored).items()}
        after = {key: _shown(value) for key, value in flat(table).items()}
        fields = tuple(_fields(before, after, {}, {}))
        if fields:
            yield Difference(action="change" if stored else "add", what="table", name=name, fields=fields)


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


# -- removals --------------------------------------------------------------------------------------


def removed_mappings(app: App, project: Project) -> list[tuple[str, str, str]]:
    """Stored mapping rows that the file does not have."""
    return [row[:3] for row in app.store.gaps.rows() if row[:3] not in project.mappings]


def removed_flows(app: App, project: Project) -> list[str]:
    """Stored flows that the file does not have."""
    return [flow.name for flow in app.store.config.flows() if flow.name not in project.flows]


def removed_streams(app: App, project: Project) -> list[StreamRow]:
    """Streams that are on or scheduled and that the file does not have; those of removed connections go with them."""
    return [
        row for row in app.store.config.streams()
        if (row.enabled or row.schedule.text) and (row.connection, row.stream) not in project.streams
        and row.connection in project.connections
    ]  # fmt: skip


def removed_preferences(app: App, project: Project) -> list[str]:
    """What was decided for the whole project and that the file does not have."""
    return [name for name in PREFERENCES if name not in project.preferences and app.store.preferences.get(name)]


def removed_connections(app: App, project: Project) -> list[str]:
    """Stored connections that the file does not have."""
    return [row.name for row in app.store.config.connections() if row.name not in project.connections]


def _removals(app: App, project: Project) -> Iterator[Difference]:
    gone = removed_connections(app, project)
    for flow in project.flows.values():
        for end in (flow.source, flow.target):
            if end in gone:
                raise UsageError(
                    f"{project.file}: [flows.{flow.name}]: it uses the connection {end}, which the file does not have; "
                    "it cannot be pruned."
                )
    for key in removed_mappings(app, project):
        yield Difference(action="remove", what="mapping", name=" ".join(key))
    for name in removed_flows(app, project):
        yield Difference(action="remove", what="flow", name=name)
    for row in removed_streams(app, project):
        yield Difference(action="remove", what="stream", name=f"{row.connection} {row.stream}")
    for name in removed_preferences(app, project):
        yield Difference(action="remove", what="table", name=name)
    for name in gone:
        yield Difference(action="remove", what="connection", name=name)
