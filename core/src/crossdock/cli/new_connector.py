"""``crossdock new-connector``: a plugin that installs and keeps its contract, for an author to change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from crossdock.cli.output import emit, examples, json_option, mark
from crossdock.cli.settings import can_ask
from crossdock.errors import UsageError
from crossdock.registry import taken_names
from crossdock.scaffold import AUTHS, PAGINGS, STREAMS, WEBHOOKS, WRITES, Choices, write


@click.command(
    "new-connector",
    epilog=examples(
        "crossdock new-connector acme",
        "crossdock new-connector acme --title 'Acme Shop' --auth basic --paging offset",
        "crossdock new-connector acme --streams orders,balance --writes shipments,balance --webhooks registers",
    ),
)
@click.argument("name")
@click.option("--title", default="", help="The system's name as people write it.")
@click.option("--auth", type=click.Choice(list(AUTHS)), help="How requests log in.")
@click.option("--paging", type=click.Choice(list(PAGINGS)), help="How lists are read.")
@click.option("--webhooks", type=click.Choice(list(WEBHOOKS)), help="Whether the system sends webhooks.")
@click.option("--streams", metavar="LIST", help=f"What is read, of {', '.join(STREAMS)}; by default orders.")
@click.option("--writes", metavar="LIST", help=f"What is written, of {', '.join(WRITES)}; by default nothing.")
@click.option("--dir", "folder", type=click.Path(path_type=Path), help="Where; by default crossdock-NAME, here.")
@json_option
def new_connector(
    name: str,
    title: str,
    auth: str | None,
    paging: str | None,
    webhooks: str | None,
    streams: str | None,
    writes: str | None,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Write a connector NAME: a small whole one, with a sandbox, tests and a page that says what to change.

    It speaks to a made-up system whose twin it brings, in the way that you choose: how requests log in, how lists are
    read, what is written. Without choices it reads orders by change time, with a key in a header. What is not given is
    asked for on a terminal.
    """
    Choices(name=name, title=title)  # a name that cannot be is said before anything is asked
    if name in taken_names():
        raise UsageError(
            f"There is a connector {name!r} installed already.", hint="Take another name, or uninstall that one."
        )
    asking = can_ask(as_json)
    choices = Choices(
        name=name,
        title=title,
        auth=auth or _asked("How do requests log in?", AUTHS, asking),
        paging=paging or _asked("How are lists read?", PAGINGS, asking),
        webhooks=webhooks or _asked("Does it send webhooks?", WEBHOOKS, asking),
        streams=_several(streams, "What is read?", STREAMS, "orders", asking),
        writes=_several(writes, "What is written?", WRITES, "none", asking),
    )
    target = folder or Path(choices.distribution)
    files = write(choices, target)
    commands = [f"cd {target}", 'pip install --editable ".[test]"', "pytest --crossdock-report"]
    data = {
        "name": name,
        "distribution": choices.distribution,
        "package": choices.package,
        "directory": str(target.resolve()),
        "files": [each.as_posix() for each in files],
        "next": commands,
    }
    emit(data, as_json, lambda: _told(choices, target, files, commands))


def _asked(question: str, offered: Mapping[str, str], asking: bool) -> str:
    """One of the words of `offered`; the first one where nobody can be asked."""
    first = next(iter(offered))
    if not asking:
        return first
    click.echo(question, err=True)
    for word, meaning in offered.items():
        click.echo(f"  {word:<10} {meaning}", err=True)
    chosen: str = click.prompt("Choose", type=click.Choice(list(offered)), default=first, show_choices=False, err=True)
    return chosen


def _several(given: str | None, question: str, offered: tuple[str, ...], default: str, asking: bool) -> tuple[str, ...]:
    if given is None and asking:
        given = click.prompt(f"{question} Of {', '.join(offered)}", default=default, err=True)
    words = tuple(word.strip() for word in (given if given is not None else default).split(",") if word.strip())
    return () if words == ("none",) else words


def _told(choices: Choices, target: Path, files: list[Path], commands: list[str]) -> Iterator[str]:
    yield f"The connector {choices.name} is in {target}:"
    for each in files:
        yield f"  {mark('ok')} {each.as_posix()}"
    yield ""
    yield "Next:"
    yield from (f"  {each}" for each in commands)
    yield ""
    yield f"What to change, and in which order, is in {target / 'README.md'}."
