"""Settings of a connection as a person gives them: ``--set``, prompts, references, and what must be hidden."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from crossdock.app import App, Verified, secret_names
from crossdock.errors import SettingsError, UsageError
from crossdock.registry import Connector
from crossdock.settings import Secret, SettingField, build, fields_of
from crossdock.store.config import ConnectionRow
from crossdock.vault import KEY_VARIABLE, is_reference, masked

Ask = Callable[[SettingField], str]


def parse_pairs(pairs: Sequence[str]) -> dict[str, str]:
    """The settings of ``--set name=value``; ``name=@file`` reads a file, ``name=@@text`` is the text ``@text``."""
    values: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name:
            raise UsageError(f"{pair!r} is no setting.", hint="Write --set name=value.")
        if value.startswith("@@"):
            value = value[1:]
        elif value.startswith("@"):
            value = _read(name, Path(value[1:]))
        values[name] = value
    return values


def _read(name: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise UsageError(f"The setting {name} should come from {path}, which cannot be read: {reason}.") from error


def problems_of(connector: Connector, values: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with the settings that were given, by name; what is missing is no problem here."""
    plain = {name: value for name, value in values.items() if not _referred(connector, name, value)}
    try:
        build(connector.info.settings, plain)
    except SettingsError as error:
        return {name: problem for name, problem in error.problems.items() if name in plain}
    return {}


def _referred(connector: Connector, name: str, value: str) -> bool:
    return name in secret_names(connector) and is_reference(value)


def missing(connector: Connector, values: Mapping[str, str]) -> list[SettingField]:
    """Required settings that have no value."""
    return [field for field in fields_of(connector.info.settings) if field.required and not values.get(field.name)]


def check_given(connector: Connector, values: Mapping[str, str], *, complete: bool) -> None:
    """Refuse settings that cannot work before anything is called; raises `SettingsError` with one line a field."""
    problems = problems_of(connector, values)
    if complete:
        problems |= {field.name: describe(field) for field in missing(connector, values)}
    if problems:
        names = ", ".join(field.name for field in missing(connector, values)) if complete else ""
        raise SettingsError(
            next(iter(problems.values()))
            if len(problems) == 1
            else "\n  - ".join(("These settings cannot work:", *problems.values())),
            problems=problems,
            hint=f"Give them with --set name=value: {names}." if names else "",
        )


def describe(field: SettingField) -> str:
    """Which setting is missing, and where its value is found."""
    where = f" Where to find it: {field.where}." if field.where else ""
    return f"{field.label} ({field.name}) is missing.{where}"


def fill(connector: Connector, values: dict[str, str], ask: Ask) -> None:
    """Ask for every required setting that is missing; a value that cannot be right is asked for again."""
    for field in missing(connector, values):
        while True:
            answer = ask(field).strip()
            problem = problems_of(connector, {field.name: answer}).get(field.name) if answer else describe(field)
            if not problem:
                values[field.name] = answer
                break
            click.echo(f"  {problem}", err=True)


def prompt(field: SettingField) -> str:
    """Ask a person at the terminal; secrets are not shown while they are typed."""
    click.echo(err=True)
    for text in (field.help, f"Where to find it: {field.where}" if field.where else ""):
        if text:
            click.echo(click.style(f"  {text}", dim=True), err=True)
    choices = f" ({', '.join(field.choices)})" if field.choices else ""
    return str(
        click.prompt(f"{field.label}{choices}", hide_input=field.secret, default="", show_default=False, err=True)
    )


def can_ask(as_json: bool) -> bool:
    """Whether a person sits at a terminal."""
    return not as_json and sys.stdin.isatty()


def need_key(app: App, connector: Connector, values: Mapping[str, str]) -> None:
    """Refuse before any call when a secret is given and there is no key to keep it with; raises `SettingsError`."""
    secrets = any(values.get(name) and not is_reference(values[name]) for name in secret_names(connector))
    if secrets and not app.vault.ready:
        raise SettingsError(
            "There is no key to keep secrets with.",
            hint=f"Run crossdock init, set {KEY_VARIABLE}, or give secrets as references: env:VARIABLE or file:PATH.",
        )


def editable(
    app: App, row: ConnectionRow, replaced: Mapping[str, str], secrets: Collection[str]
) -> dict[str, str]:  # fmt: skip
    """The stored settings in the clear for verifying and saving again; references stay, `replaced` are left out."""
    return {
        name: app.vault.reveal(row.name, name, value) if name in secrets and not is_reference(value) else value
        for name, value in row.settings.items()
        if name not in replaced
    }


def shown(app: App, row: ConnectionRow) -> dict[str, str]:
    """The settings for showing: secrets as stars, also when the connector is not installed any more."""
    try:
        secrets = secret_names(app.connector_of(row))
    except UsageError:
        secrets = set(row.settings)
    return masked(row.settings, secrets)


def choices_found(
    name: str, connector: Connector, values: Mapping[str, str], verified: Verified
) -> Iterator[str]:  # fmt: skip
    """What verify found to choose from for optional settings that are empty: warehouses, sales channels."""
    for field in fields_of(connector.info.settings):
        found = verified.facts.get(field.fact) if field.fact else None
        if found and not values.get(field.name) and isinstance(found, list | tuple | dict):
            yield (
                f"{field.label} can be one of {', '.join(map(str, found))}: "
                f"crossdock connection edit {name} --set {field.name}=VALUE"
            )


def fields_data(connector: Connector) -> list[dict[str, Any]]:
    """The settings that a connector takes, for machines and for the help."""
    return [
        {
            "name": field.name, "kind": field.kind, "required": field.required, "label": field.label,
            "help": field.help, "where": field.where, "choices": list(field.choices),
            "within": field.within and list(field.within),
            "default": None if isinstance(field.default, Secret) else field.default,
        }
        for field in fields_of(connector.info.settings)
    ]  # fmt: skip
