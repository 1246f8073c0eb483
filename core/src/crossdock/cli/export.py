"""``crossdock export``: the project as a configuration file."""

from __future__ import annotations

from pathlib import Path

import click

from crossdock.cli.context import app_from_context
from crossdock.cli.output import emit, examples, json_option, mark
from crossdock.declare import export as written
from crossdock.errors import UsageError


@click.command(epilog=examples("crossdock export", "crossdock export --output crossdock.toml"))
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A file instead of the screen.")
@json_option
def export(output: Path | None, as_json: bool) -> None:
    """Write connections, streams, flows and mappings as crossdock apply takes them; without secrets."""
    text = written(app_from_context())
    if output is None and not as_json:
        click.echo(text, nl=False)
        return
    if output is not None:
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{output} cannot be written: {error.strerror}.") from error
    emit({"toml": text, "file": str(output) if output else None}, as_json, lambda: f"{mark('ok')} Written to {output}.")
