"""The command line. Only click is imported here: each command's module is loaded when the command is used."""

from __future__ import annotations

import functools
import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click

from crossdock import __version__

JSON = "crossdock.json"
PROJECT = "crossdock.project"
EXIT_ATTENTION = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

# name -> (module:command, what it does); the order is the order of the help
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("crossdock.cli.demo:demo", "A full round trip between two sandboxes, proven at the end."),
    "init": ("crossdock.cli.init:init", "Make a project folder: configuration, key file, local plugin file."),
    "connectors": ("crossdock.cli.connectors:connectors", "Installed plugins, what they can do, broken ones and why."),
    "connection": ("crossdock.cli.connection:connection", "Accounts at external systems: add, verify, pause, remove."),
    "stream": ("crossdock.cli.stream:stream", "Switch streams of a connection on and off and set their schedule."),
    "flow": ("crossdock.cli.flow:flow", "What goes from one connection to another, planned first, then live."),
    "sync": ("crossdock.cli.sync:sync", "Fetch what changed."),
    "push": ("crossdock.cli.push:push", "Deliver what is ready."),
    "run": ("crossdock.cli.run:run", "Leave it running: schedules, webhooks, deliveries."),
    "worker": ("crossdock.cli.run:worker", "One more worker on the shared database."),
    "webhook": ("crossdock.cli.webhook:webhook", "Webhooks: addresses for vendors, what came in, and working it."),
    "status": ("crossdock.cli.status:status", "One screen: is anything stuck, and why?"),
    "effects": ("crossdock.cli.effects:effects", "Intended writes: list, show, approve, resolve, replay, discard."),
    "parked": ("crossdock.cli.parked:parked", "What needs a person, grouped by cause."),
    "gaps": ("crossdock.cli.gaps:gaps", "Unknown codes and how many records wait for them."),
    "stock": ("crossdock.cli.stock:stock", "What each channel shows of stock, how old that is, and what it waits for."),
    "map": ("crossdock.cli.map:map_", "Mapping tables: SKUs, carriers, statuses, warehouses, taxes."),
    "explain": ("crossdock.cli.explain:explain", "The story of one record: seen, mapped, sent, answered."),
    "reconcile": ("crossdock.cli.reconcile:reconcile", "Compare both sides of a flow: missing, extra, different."),
    "log": ("crossdock.cli.log:log", "Runs, requests and events."),
    "metrics": ("crossdock.cli.metrics:metrics", "Figures for Prometheus, as /metrics shows them."),
    "alerts": ("crossdock.cli.alerts:alerts", "What people are told of: open alerts, check, test."),
    "erase": ("crossdock.cli.erase:erase", "Erase what is stored about one person."),
    "doctor": ("crossdock.cli.doctor:doctor", "Check this installation and project."),
    "sandbox": ("crossdock.cli.sandbox:sandbox", "A system's twin on this machine, for trying without an account."),
    "simulate": ("crossdock.cli.simulate:simulate", "The project with sandboxes for systems, killed at every step."),
    "new-connector": ("crossdock.cli.new_connector:new_connector", "Write a connector that works: yours to change."),
    "apply": ("crossdock.cli.apply:apply", "Make the project what crossdock.toml says."),
    "export": ("crossdock.cli.export:export", "Write the project as configuration, without secrets."),
    "db": ("crossdock.cli.db:db", "The database: upgrade, check, prune, say that it was restored."),
}

EPILOG = """\b
Examples:
  crossdock init shop && cd shop
  crossdock connectors
  crossdock connection add shop -c woocommerce
  crossdock stream on shop orders
  crossdock flow add to-erp orders shop erp
  crossdock sync && crossdock status

Exit codes: 0 fine, 1 something needs attention, 2 wrong usage.
"""


class Commands(click.Group):
    """A group whose commands are imported when they are used, and which speaks to people when something fails."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, without importing any."""
        return [*COMMANDS, *sorted(super().list_commands(ctx))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = entry[0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands in the help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the command line and exit with its code; mistakes become sentences, never tracebacks."""
        standalone = extra.pop("standalone_mode", True)
        run: Callable[..., Any] = functools.partial(super().main, standalone_mode=False)
        if not standalone:
            return run(*args, **extra)
        self._json = False
        try:
            answer = run(*args, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(EXIT_USAGE)
        except click.ClickException as error:
            self._usage(error)
        except click.Abort as error:
            stopped = isinstance(error.__cause__ or error.__context__, KeyboardInterrupt)
            click.echo("Stopped." if stopped else "Aborted.", err=True)
            sys.exit(EXIT_INTERRUPTED if stopped else EXIT_ATTENTION)
        except OSError as error:
            if isinstance(error, ConnectionError | TimeoutError):
                raise  # no file: nobody expected it here
            self._no_file(error)
        except Exception as error:
            from crossdock.errors import CrossdockError

            if not isinstance(error, CrossdockError):
                raise
            self._failed(error)
        sys.exit(answer if isinstance(answer, int) and not isinstance(answer, bool) else 0)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command, remembering whether it was asked for JSON."""
        try:
            return super().invoke(ctx)
        finally:
            self._json = bool(ctx.meta.get(JSON))

    def _usage(self, error: click.ClickException) -> NoReturn:
        if self._json:
            _print_json(error.format_message(), "")
        else:
            error.show()
        sys.exit(error.exit_code)

    def _no_file(self, error: OSError) -> NoReturn:
        """A full disk, a folder that may not be written to: a person's matter, and no fault of ours."""
        where = f"{error.filename} cannot be used" if error.filename else "What there is to say cannot be written"
        text = f"{where}: {error.strerror or error}."
        if self._json and error.filename:
            _print_json(text, "")
        else:
            click.secho("Error: ", fg="red", nl=False, err=True)
            click.echo(text, err=True)
        sys.exit(EXIT_USAGE if error.filename else EXIT_ATTENTION)

    def _failed(self, error: Any) -> NoReturn:
        from crossdock.errors import SettingsError, UsageError

        if self._json:
            _print_json(str(error), error.hint)
        else:
            click.secho("Error: ", fg="red", nl=False, err=True)
            click.echo(str(error), err=True)
            if error.hint:
                click.echo(f"Hint:  {error.hint}", err=True)
        sys.exit(EXIT_USAGE if isinstance(error, SettingsError | UsageError) else EXIT_ATTENTION)


def _print_json(message: str, hint: str) -> None:
    import json

    click.echo(json.dumps({"error": message, "hint": hint}, ensure_ascii=False, indent=2))


@click.group(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="crossdock")
@click.option(
    "--project",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="The project folder; otherwise CROSSDOCK_HOME, or the nearest folder upwards with a crossdock.toml.",
)
@click.pass_context
def main(ctx: click.Context, project: Path | None) -> None:
    """Crossdock moves orders, products, prices, stock and shipments between systems; nothing lost, nothing twice."""
    if os.environ.get("NO_COLOR"):
        ctx.color = False
    ctx.meta[PROJECT] = project
