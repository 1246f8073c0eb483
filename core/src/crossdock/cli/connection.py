"""``crossdock connection``: accounts at external systems."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import click

from crossdock.app import App, Verified, check_name, secret_names
from crossdock.cli import settings
from crossdock.cli.context import app_from_context, confirm
from crossdock.cli.output import ago, emit, examples, json_option, mark, needs_attention, show_check, table
from crossdock.errors import UsageError
from crossdock.registry import Connector
from crossdock.store.config import ConnectionRow

SET = click.option(
    "--set", "pairs", multiple=True, metavar="NAME=VALUE",
    help="A setting; NAME=@FILE reads a file. Secrets may be references: env:VARIABLE or file:PATH.",
)  # fmt: skip


PYTHON = click.option(
    "--python", default="", metavar="PATH",
    help="Run the connector in this interpreter, with the libraries of its virtual environment.",
)  # fmt: skip


@click.group()
def connection() -> None:
    """Accounts at external systems: add, verify, pause, remove."""


@connection.command(
    epilog=examples(
        "crossdock connection add shop -c woocommerce",
        "crossdock connection add shop -c woocommerce --set url=https://shop.example \\",
        "    --set consumer_key=ck_1 --set consumer_secret=env:SHOP_SECRET",
        "crossdock connection add shop -c woocommerce --settings",
        "crossdock connection add shop -c woocommerce --python envs/shop/bin/python",
    )
)
@click.argument("name")
@click.option("-c", "--connector", required=True, help="Which kind of system; see: crossdock connectors")
@SET
@PYTHON
@click.option("--draft", is_flag=True, help="Keep it without verifying; a draft is inactive.")
@click.option("--settings", "only_settings", is_flag=True, help="Only show which settings the connector takes.")
@json_option
def add(
    name: str, connector: str, pairs: tuple[str, ...], python: str, draft: bool, only_settings: bool, as_json: bool
) -> None:  # fmt: skip
    """Add a connection: asks for what is missing, verifies each step, and saves only when all are green.

    Without a terminal nothing is asked; every setting comes from --set.
    """
    app = app_from_context()
    python = _seen_from_here(python)
    found = app.connector(connector, python)
    if only_settings:
        _show_fields(found, as_json)
        return
    check_name(name)
    if app.store.config.connection(name) is not None:
        raise UsageError(f"There is a connection {name!r} already.", hint=f"crossdock connection edit {name} --set ...")
    values = settings.parse_pairs(pairs)
    settings.check_given(found, values, complete=False)
    if not draft and settings.can_ask(as_json):
        settings.fill(found, values, settings.prompt)
    _save(app, name, found, values, python, draft, as_json)


@connection.command(
    epilog=examples(
        "crossdock connection edit shop --set consumer_secret=@new-secret.txt",
        "crossdock connection edit shop --unset warehouse",
        "crossdock connection edit shop --python envs/shop/bin/python",
        "crossdock connection edit shop --inline",
    )
)
@click.argument("name")
@SET
@click.option("--unset", multiple=True, metavar="NAME", help="Back to the default.")
@PYTHON
@click.option("--inline", is_flag=True, help="Run the connector in Crossdock's own process again.")
@click.option("--draft", is_flag=True, help="Keep it without verifying; the connection becomes inactive.")
@json_option
def edit(
    name: str, pairs: tuple[str, ...], unset: tuple[str, ...], python: str, inline: bool, draft: bool, as_json: bool
) -> None:  # fmt: skip
    """Change settings of a connection: verified again, and changed only when all steps are green."""
    app = app_from_context()
    row = app.row(name)
    if python and inline:
        raise UsageError("Give an interpreter (--python) or --inline, not both.")
    where = "" if inline else _seen_from_here(python) or row.python
    found = app.connector(row.connector, where)
    changed = settings.parse_pairs(pairs)
    dropped = {each.replace("-", "_"): "" for each in unset}
    if not changed and not dropped and where == row.python:
        raise UsageError("Nothing to change was named.", hint="Use --set NAME=VALUE or --unset NAME.")
    settings.check_given(found, {**changed, **dropped}, complete=False)
    secrets = secret_names(found)
    values = {**settings.editable(app, row, {**changed, **dropped}, secrets), **changed}
    _save(app, name, found, values, where, draft, as_json)


def _seen_from_here(python: str) -> str:
    """An interpreter as it is stored: a path that a person typed is seen from the folder they are in."""
    return os.path.abspath(Path(python).expanduser()) if python else ""


def _save(
    app: App, name: str, found: Connector, values: dict[str, str], python: str, draft: bool, as_json: bool
) -> None:  # fmt: skip
    settings.check_given(found, values, complete=not draft)
    settings.need_key(app, found, values)
    before = app.store.config.connection(name)
    verified = app.save(name, found.name, values, draft=draft, python=python, on_check=None if as_json else show_check)
    saved = draft or verified.green
    data = {"name": name, "connector": found.name, "saved": saved, "state": _state(app, name), **_checks(verified)}
    emit(data, as_json, lambda: _saved(name, found, values, verified, draft, before))
    if not saved:
        needs_attention()


def _state(app: App, name: str) -> str | None:
    row = app.store.config.connection(name)
    return row.state if row else None


def _checks(verified: Verified) -> dict[str, Any]:
    return {
        "green": verified.green,
        "checks": [attrs.asdict(check, filter=lambda field, _: field.name != "facts") for check in verified.checks],
    }


def _saved(
    name: str, found: Connector, values: dict[str, str], verified: Verified, draft: bool, before: ConnectionRow | None
) -> Iterator[str]:  # fmt: skip
    if draft:
        yield f"{mark('ok')} {name} is kept as a draft and does nothing yet. Next: crossdock connection verify {name}"
        return
    if not verified.green:
        yield f"{mark('fail')} {name} is as it was before." if before else f"{mark('fail')} Nothing was saved."
        return
    yield f"{mark('ok')} The connection {name} ({found.info.title}) is saved and active."
    yield from settings.choices_found(name, found, values, verified)
    if before is None:
        streams = [hook[6:] for hook in found.hooks if hook.startswith("fetch_")]
        yield f"Next: crossdock stream on {name} STREAM, where STREAM is one of {', '.join(streams) or 'none'}"


def _show_fields(found: Connector, as_json: bool) -> None:
    fields = settings.fields_data(found)

    def lines() -> str:
        rows = [
            (
                field["name"], field["kind"], "required" if field["required"] else _default(field["default"]),
                " ".join(filter(None, (f"{field['label']}.", field["help"] and f"{field['help']}.",
                                       field["where"] and f"Where: {field['where']}.",
                                       field["choices"] and f"One of {', '.join(field['choices'])}."))),
            )
            for field in fields
        ]  # fmt: skip
        return table(rows, ("SETTING", "KIND", "DEFAULT", "WHAT IT IS"))

    emit(fields, as_json, lines)


def _default(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None or value == () else str(value)


@connection.command("list", epilog=examples("crossdock connection list", "crossdock connection list --json"))
@json_option
def list_(as_json: bool) -> None:
    """List connections."""
    app = app_from_context()
    rows = app.store.config.connections()
    data = [
        {"name": row.name, "connector": row.connector, "state": row.state, "reason": row.reason,
         "verified_at": row.verified_at, "python": row.python}
        for row in rows
    ]  # fmt: skip
    now = app.clock.now()
    emit(
        data,
        as_json,
        lambda: (
            table(
                [(row.name, row.connector, row.state, ago(row.verified_at, now), row.reason) for row in rows],
                ("NAME", "CONNECTOR", "STATE", "VERIFIED", "REASON"),
            )
            or "No connections yet: crossdock connection add NAME -c CONNECTOR"
        ),
    )


@connection.command(epilog=examples("crossdock connection show shop"))
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show a connection with its settings; secrets are stars."""
    app = app_from_context()
    row = app.row(name)
    streams = [each.stream for each in app.store.config.streams(name) if each.enabled]
    flows = [flow.name for flow in app.store.config.flows() if name in (flow.source, flow.target)]
    data = {
        "name": row.name, "connector": row.connector, "state": row.state, "reason": row.reason,
        "verified_at": row.verified_at, "python": row.python, "runs_in": where_it_runs(app, row),
        "settings": settings.shown(app, row), "facts": dict(row.facts),
        "streams": streams, "flows": flows,
    }  # fmt: skip

    def lines() -> Iterator[str]:
        yield f"{row.name} ({row.connector}) is {row.state}" + (f": {row.reason}" if row.reason else "")
        yield f"Verified: {ago(row.verified_at, app.clock.now())}"
        yield f"Runs in: {where_it_runs(app, row)}"
        yield f"Streams on: {', '.join(streams) or 'none'}"
        yield f"Flows: {', '.join(flows) or 'none'}"
        yield ""
        yield table(sorted(settings.shown(app, row).items()), ("SETTING", "VALUE")) or "No settings."
        if row.facts:
            yield ""
            yield table(sorted(row.facts.items()), ("VERIFY LEARNT", "VALUE"))

    emit(data, as_json, lines)


def where_it_runs(app: App, row: ConnectionRow) -> str:
    """Where the connector of a connection runs, and in which version; why it cannot, if it cannot."""
    try:
        found = app.connector_of(row).found
        text = f"{found.distribution} {found.version}"
        if not row.python:
            return f"this process, {text}"
        there = app.isolation.described(row.python, row.connector)
        return f"a process of its own, {text} on Python {there.version}, {there.python}"
    except UsageError as error:
        return str(error)


@connection.command(epilog=examples("crossdock connection verify shop"))
@click.argument("name")
@json_option
def verify(name: str, as_json: bool) -> None:
    """Verify a connection step by step; green makes it active."""
    _verify(name, as_json)


@connection.command(epilog=examples("crossdock connection resume shop"))
@click.argument("name")
@json_option
def resume(name: str, as_json: bool) -> None:
    """Let a paused connection work again: it is verified first, and resumed only when all steps are green."""
    _verify(name, as_json)


def _verify(name: str, as_json: bool) -> None:
    app = app_from_context()
    row = app.row(name)
    connector = app.connector_of(row)
    settings.check_given(connector, settings.editable(app, row, {}, secret_names(connector)), complete=True)
    verified = app.verify(name, None if as_json else show_check)
    state = _state(app, name)
    data = {"name": name, "connector": row.connector, "state": state, **_checks(verified)}
    ending = f"{mark('ok')} {name} is active." if verified.green else f"{mark('fail')} {name} stays {state}."
    emit(data, as_json, lambda: ending)
    if not verified.green:
        needs_attention()


@connection.command(epilog=examples("crossdock connection pause shop --reason 'moves to a new server'"))
@click.argument("name")
@click.option("--reason", default="Paused by a person.", help="Shown wherever somebody asks why.")
@json_option
def pause(name: str, reason: str, as_json: bool) -> None:
    """Stop all work with a connection until it is resumed; nothing is lost meanwhile."""
    app = app_from_context()
    row = app.row(name)
    if row.state == "draft":
        raise UsageError(f"{name} is a draft; it does nothing that could be paused.")
    now = app.clock.now()
    with app.store.transaction():
        app.store.config.set_state(name, "paused", reason, now)
        app.store.journal.event("connection paused", name, reason, now)
    app.forget(name)
    emit(
        {"name": name, "state": "paused", "reason": reason},
        as_json,
        lambda: f"{mark('ok')} {name} is paused. Later: crossdock connection resume {name}",
    )


@connection.command(epilog=examples("crossdock connection remove shop", "crossdock connection remove shop --yes"))
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def remove(name: str, yes: bool, as_json: bool) -> None:
    """Remove a connection with everything that was fetched from it; refused while a flow uses it."""
    app = app_from_context()
    app.row(name)
    confirm(yes, as_json, f"Remove the connection {name} and everything that was fetched from it?")
    app.remove(name)
    emit({"name": name, "removed": True}, as_json, lambda: f"{mark('ok')} {name} is removed.")
