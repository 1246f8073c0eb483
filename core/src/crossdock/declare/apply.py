"""Putting a file in force: connections are verified before anything is saved, removals only when told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from crossdock.app import App, Verified
from crossdock.configure import add_flow, keep_stream, remove_flow
from crossdock.declare.difference import (
    Difference,
    removed_connections,
    removed_flows,
    removed_mappings,
    removed_preferences,
    removed_streams,
    settings_of,
    wanted_schedule,
)
from crossdock.declare.document import ConnectionSpec, FlowSpec, Project
from crossdock.engine.decide import add_mappings, remove_mapping, switch_flow
from crossdock.engine.route import check_flow, route_stored
from crossdock.errors import CrossdockError, UsageError
from crossdock.schedule import Schedule
from crossdock.session import Check
from crossdock.store.config import ConnectionRow, FlowRow
from crossdock.vault import is_reference

Told = Callable[[str, Check], None]
"""Called with a connection's name and each step of its verify."""


@attrs.frozen(kw_only=True)
class Applied:
    """What came of it. `red` are the connections whose verify was not green: then nothing at all was changed."""

    done: bool
    red: tuple[str, ...] = ()
    planned: int = 0
    freed: int = 0


def apply(
    app: App, project: Project, found: Sequence[Difference], *, prune: bool = False, on_check: Told | None = None
) -> Applied:
    """Do what `differences` answered for the same project and `prune`.

    Raises `UsageError` when a flow cannot work between its two connections; what was saved before that stays, and
    applying again goes on from there.
    """
    changed = {each.name for each in found if each.what == "connection" and each.action != "remove"}
    verified = _verify(app, project, changed, on_check)
    red = tuple(sorted(name for name, each in verified.items() if not each.green))
    if red:
        return Applied(done=False, red=red)
    if prune:
        _prune(app, project)
    for name in sorted(changed):
        spec = project.connections[name]
        app.keep(name, spec.connector, _revealed(app, spec, settings_of(app, spec)),
                 verified.get(name, Verified(())), draft=spec.draft, python=spec.python)  # fmt: skip
    _preferences(app, {each.name: project.preferences[each.name]
                       for each in found if each.what == "table" and each.action != "remove"})  # fmt: skip
    _streams(app, project, {each.name for each in found if each.what == "stream"})
    planned = sum(_flow(app, project.flows[each.name], project.file)
                  for each in found if each.what == "flow" and each.action != "remove")  # fmt: skip
    rows = [(*key, target) for key, target in project.mappings.items()]
    new = {each.name for each in found if each.what == "mapping" and each.action != "remove"}
    freed = add_mappings(app.bench, [row for row in rows if " ".join(row[:3]) in new]) if new else 0
    if prune:
        for name in removed_connections(app, project):
            app.remove(name)
    return Applied(done=True, planned=planned, freed=freed)


def _verify(app: App, project: Project, names: set[str], on_check: Told | None) -> dict[str, Verified]:
    """Verify every connection that is to be saved and is no draft; all of them, so that all faults are seen at once."""
    found: dict[str, Verified] = {}
    for name in sorted(names):
        spec = project.connections[name]
        if spec.draft:
            continue

        def told(check: Check, name: str = name) -> None:
            if on_check:
                on_check(name, check)

        try:
            found[name] = app.try_out(name, spec.connector, settings_of(app, spec), told, spec.python)
        except CrossdockError as error:
            check = Check(name="Settings", state="fail", detail=str(error), hint=error.hint)
            told(check)
            found[name] = Verified((check,))
    return found


def _revealed(app: App, spec: ConnectionSpec, values: Mapping[str, str]) -> dict[str, str]:
    """Stored secrets in the clear, references as they are: what `App.keep` seals again."""
    sealed = {key: value for key, value in values.items() if not is_reference(value)}
    row = ConnectionRow(
        name=spec.name, connector=spec.connector, settings=sealed, state="draft", python=spec.python
    )  # fmt: skip
    return {**values, **app.reveal(row)}


def _preferences(app: App, tables: Mapping[str, Mapping[str, Any]]) -> None:
    now = app.clock.now()
    for name, table in tables.items():
        with app.store.transaction():
            app.store.preferences.put(name, table, now)
            app.store.journal.event("project changed", name, "", now)


def _streams(app: App, project: Project, names: set[str]) -> None:
    for spec in project.streams.values():
        if f"{spec.connection} {spec.stream}" in names:
            keep_stream(app, spec.connection, spec.stream, spec.enabled, wanted_schedule(app, project, spec))


def _flow(app: App, spec: FlowSpec, file: str) -> int:
    """Add or change a flow; answers how many effects were planned."""
    before = app.store.config.flow(spec.name)
    mode = spec.mode or (before.mode if before else "plan")
    row = FlowRow(name=spec.name, stream=spec.stream, source=spec.source, target=spec.target,
                  mode=before.mode if before else "plan", options=spec.options)  # fmt: skip
    try:
        if before is None:
            planned = add_flow(app, row)
        elif (before.stream, before.source, before.target) != (row.stream, row.source, row.target):
            remove_flow(app, spec.name)
            planned = add_flow(app, attrs.evolve(row, mode="plan"))
        elif before.options != row.options:
            check_flow(app.bench, row)
            with app.store.transaction():
                app.store.config.save_flow(row, app.clock.now())
                app.store.journal.event("flow changed", row.name, "options", app.clock.now())
            planned = route_stored(app.bench, row) if row.mode != "paused" else 0
        else:
            planned = 0
        current = app.store.config.flow(spec.name)
        if current is not None and current.mode != mode:
            switch_flow(app.bench, spec.name, mode)
    except UsageError as error:
        raise UsageError(f"{file}: [flows.{spec.name}]: {error}", hint=error.hint) from error
    return planned


def _prune(app: App, project: Project) -> None:
    with app.store.transaction():
        for flow, kind, value in removed_mappings(app, project):
            remove_mapping(app.bench, flow, kind, value)
            app.store.journal.event("mapping removed", flow, f"{kind} {value}", app.clock.now())
    for name in removed_flows(app, project):
        remove_flow(app, name)
    _preferences(app, {name: {} for name in removed_preferences(app, project)})
    for row in removed_streams(app, project):
        keep_stream(app, row.connection, row.stream, False, Schedule())
