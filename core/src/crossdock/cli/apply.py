"""``crossdock apply``: make the project what a file says."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import click

from crossdock.app import CONFIG_FILE, App
from crossdock.cli.context import app_from_context
from crossdock.cli.output import arrow, emit, examples, json_option, mark, needs_attention, plural, show_check
from crossdock.declare import Applied, Difference, Project, differences, read
from crossdock.declare import apply as put_in_force
from crossdock.errors import UsageError
from crossdock.session import Check

_SIGNS = {"add": ("+", "green"), "change": ("~", "yellow"), "remove": ("-", "red")}


@click.command(
    epilog=examples(
        "crossdock apply crossdock.toml", "crossdock apply crossdock.toml --dry-run",
        "crossdock apply crossdock.toml --yes --prune",
    )
)  # fmt: skip
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--prune", is_flag=True, help="Also remove what the file does not have.")
@click.option("--dry-run", is_flag=True, help="Only show the difference; exit code 1 when there is one.")
@json_option
def apply(file: Path | None, yes: bool, prune: bool, dry_run: bool, as_json: bool) -> None:
    """Show how FILE differs from the project, ask, and make the project what it says. Safe to repeat.

    FILE is the project's crossdock.toml unless given. Connections are verified before anything is saved.
    """
    app = app_from_context()
    project = _read(app, file or app.home / CONFIG_FILE)
    found = differences(app, project, prune=prune)
    data: dict[str, Any] = {"differences": [attrs.asdict(each) for each in found], "applied": False}
    if not as_json:
        for line in _lines(found):
            click.echo(line)
    if not found or dry_run:
        emit_json(data, as_json)
        if found:
            needs_attention()
        return
    _ask(yes, as_json, data, len(found))
    done = put_in_force(app, project, found, prune=prune, on_check=None if as_json else _Steps().show)
    emit({**data, "applied": done.done, "red": done.red, "planned": done.planned, "freed": done.freed}, as_json,
         lambda: _told(done, len(found)))  # fmt: skip
    if not done.done:
        needs_attention()


def emit_json(data: dict[str, Any], as_json: bool) -> None:
    """Print `data` only when JSON was asked for."""
    if as_json:
        emit(data, as_json, lambda: "")


def _read(app: App, path: Path) -> Project:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UsageError(f"There is no {path}.", hint="Name the file: crossdock apply FILE") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read as UTF-8 text: {error}.") from error
    known = {row.name: (row.connector, row.python) for row in app.store.config.connections()}
    return read(text, path.name, app.connector, known, [flow.name for flow in app.store.config.flows()])


def _lines(found: list[Difference]) -> Iterator[str]:
    if not found:
        yield "Nothing to change: the project is as the file says."
    for each in found:
        sign, colour = _SIGNS[each.action]
        yield click.style(f"{sign} {each.what} {each.name}", fg=colour)
        for field in each.fields:
            if each.action == "add":
                yield f"    {field.name} = {field.after}"
            else:
                yield f"    {field.name}: {field.before or 'nothing'} {arrow()} {field.after or 'nothing'}"


def _ask(yes: bool, as_json: bool, data: dict[str, Any], number: int) -> None:
    if yes:
        return
    if as_json or not sys.stdin.isatty():
        problem = "Nothing was changed: nobody is here to ask."
        if as_json:
            emit({**data, "error": problem, "hint": "Add --yes if the difference is meant."}, True, lambda: "")
            raise click.exceptions.Exit(2)
        raise UsageError(problem, hint="Add --yes if the difference is meant.")
    click.confirm(f"Apply {plural(number, 'difference')}?", abort=True, err=True)


class _Steps:
    """Shows the steps of verify under the name of their connection."""

    def __init__(self) -> None:
        self._name = ""

    def show(self, name: str, check: Check) -> None:
        """Print one step."""
        if name != self._name:
            click.echo(f"Verifying {name}")
            self._name = name
        show_check(check)


def _told(done: Applied, number: int) -> Iterator[str]:
    if not done.done:
        yield f"{mark('fail')} Nothing was changed: {', '.join(done.red)} could not be verified."
        return
    yield f"{mark('ok')} {plural(number, 'difference')} applied."
    if done.planned:
        yield f"{plural(done.planned, 'effect')} planned from what is stored already."
    if done.freed:
        yield f"{plural(done.freed, 'record')} waited for a mapping and can go on. Next: crossdock push"
