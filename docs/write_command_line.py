"""Writes docs/command-line.md from the commands themselves, which are the only place where they are described."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from crossdock.cli import main

PAGE = Path(__file__).with_name("command-line.md")

_INTRO = """\
# Command line

This page is written by `make docs` from the commands; do not edit it. `crossdock COMMAND --help` says the same.

Every command takes `--json` and then answers for machines. Exit codes: 0 fine, 1 something needs attention, 2 wrong
usage. `crossdock --project DIR` names the project folder; otherwise it is `CROSSDOCK_HOME`, or the nearest folder
upwards with a `crossdock.toml`, or the present one. Nothing is asked for when there is no terminal.

| variable | what it is |
|---|---|
| `CROSSDOCK_HOME` | the project folder |
| `CROSSDOCK_DATABASE_URL` | the database; otherwise SQLite, `crossdock.db` in the project folder |
| `CROSSDOCK_SECRET_KEY` | the key that secrets are kept with; otherwise the file `crossdock.key` there |
| `CROSSDOCK_PUBLIC_URL` | where vendors send webhooks to; otherwise `public_url` in `crossdock.toml` |
| `CROSSDOCK_LOG`, `CROSSDOCK_LOG_LEVEL` | what is written to standard error, see [observability.md](observability.md) |
| `CROSSDOCK_OTEL` | 1 for spans |
| `NO_COLOR` | when set, no colours |
"""
_COMMON = ("help", "as_json")


def page() -> str:
    """The whole page."""
    context = click.Context(main, info_name="crossdock")
    commands = [(path, command) for path, command in walk(main, context) if path]
    listed = [f"| [`crossdock {path}`](#{_anchor(path)}) | {_first(command)} |" for path, command in commands]
    return "\n".join((_INTRO, "| command | |\n|---|---|", *listed, "", *(_section(*each) for each in commands)))


def walk(group: click.Group, context: click.Context, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by its words; groups only when they do something by themselves."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        path = f"{before} {name}".strip()
        if not isinstance(command, click.Group):
            yield path, command
            continue
        if command.invoke_without_command:
            yield path, command
        yield from walk(command, click.Context(command, info_name=name, parent=context), path)


def _anchor(path: str) -> str:
    return f"crossdock-{path}".replace(" ", "-")


def _first(command: click.Command) -> str:
    return " ".join(inspect.cleandoc(command.help or "").split("\n\n")[0].split())


def _section(path: str, command: click.Command) -> str:
    usage = " ".join(("crossdock", path, *_pieces(command)))
    parts = [f"## crossdock {path}", f"```text\n{usage}\n```", *_paragraphs(command.help or "")]
    options = [each for each in command.params if isinstance(each, click.Option) and each.name not in _COMMON]
    if options:
        parts.append("\n".join(("| option | |", "|---|---|", *(_option(command, each) for each in options))))
    examples = _examples(command.epilog or "")
    if examples:
        parts.append(f"```sh\n{examples}\n```")
    return "\n\n".join(parts) + "\n"


def _pieces(command: click.Command) -> list[str]:
    context = click.Context(command)
    optional = any(isinstance(each, click.Option) and each.name not in _COMMON for each in command.params)
    arguments = [piece for each in command.params if isinstance(each, click.Argument)
                 for piece in each.get_usage_pieces(context)]  # fmt: skip
    return (["[OPTIONS]"] if optional else []) + arguments


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        lines = paragraph.replace("\b", "").split()
        yield textwrap.fill(" ".join(lines), width=120, break_long_words=False, break_on_hyphens=False)


def _option(command: click.Command, option: click.Option) -> str:
    names, text = option.get_help_record(click.Context(command)) or ("", "")
    return f"| `{_cell(names)}` | {_cell(' '.join(text.split()))} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _examples(epilog: str) -> str:
    text = epilog.replace("\b", "").partition("Examples:")[2].partition("\n\n")[0]
    lines = textwrap.dedent(text.strip("\n")).splitlines()
    # A remark stands after two or more spaces; a shell would take it for arguments.
    return "\n".join(re.sub(r"(?<=\S)\s{2,}(?=\S)", "  # ", line) for line in lines).strip()


if __name__ == "__main__":
    PAGE.write_text(page())
