"""``crossdock sandbox``: a system's twin on this machine."""

from __future__ import annotations

import importlib
import inspect
import json
import shlex
import sys
from collections.abc import Mapping
from typing import Any

import click

from crossdock.cli.context import app_from_context
from crossdock.cli.output import emit, examples, json_option
from crossdock.errors import UsageError
from crossdock.registry import Connector

_PLAIN = {"true": True, "false": False, "yes": True, "no": False}


@click.command(
    epilog=examples(
        "crossdock sandbox woocommerce", "crossdock sandbox woocommerce --port 8801 --set currency=SEK",
    )
)  # fmt: skip
@click.argument("connector")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port; a free one unless given.")
@click.option(
    "--set", "pairs", multiple=True, metavar="OPTION=VALUE",
    help="An option of this sandbox; a wrong one names them all.",
)  # fmt: skip
@json_option
def sandbox(connector: str, port: int, pairs: tuple[str, ...], as_json: bool) -> None:
    """Serve a system's twin until Ctrl-C, and show the command that connects to it."""
    found = app_from_context().registry.connector(connector)
    twin = make(found, pairs)
    from crossdock.sandbox import serve

    try:
        with serve(twin, port) as serving:
            settings = twin.settings(serving.url)
            data = {
                "connector": connector, "url": serving.url, "settings": settings, "actions": sorted(twin.actions()),
                "command": command_for(connector, settings),
            }  # fmt: skip
            emit(data, as_json, lambda: _told(found, data))
            # A reader of our output (a script, a test) must get it before we begin to wait.
            sys.stdout.flush()
            serving.wait()
    except KeyboardInterrupt:
        click.echo("Stopped.", err=True)
    except OSError as error:
        raise UsageError(
            f"Port {port} cannot be used: {error.strerror or error}.", hint="Take another one, or leave --port out."
        ) from error


def _told(found: Connector, data: Mapping[str, Any]) -> list[str]:
    lines = [
        f"{found.info.title} is served at {data['url']} until Ctrl-C.",
        "",
        "Connect to it:",
        f"  {data['command']}",
    ]
    lines += ["", f"Its state: {data['url']}/_sandbox/state"]
    if data["actions"]:
        lines.append(f"Make things happen: POST {data['url']}/_sandbox/do/ACTION with {', '.join(data['actions'])}")
        lines.append(f"What each of them takes: {data['url']}/_sandbox/do")
    return lines


def command_for(connector: str, settings: Mapping[str, str]) -> str:
    """The command line that adds a connection with these settings."""
    pairs = " ".join(f"--set {shlex.quote(f'{name}={value}')}" for name, value in settings.items() if value)
    return f"crossdock connection add my-{connector} -c {connector} {pairs}".rstrip()


def make(connector: Connector, pairs: tuple[str, ...], **given: Any) -> Any:
    """The connector's sandbox with these options; raises `UsageError` for an option that it does not take."""
    module, _, name = connector.info.sandbox.partition(":")
    if not name:
        raise UsageError(f"The connector {connector.name} ships no sandbox.", hint="crossdock connectors")
    try:
        create = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"The sandbox of {connector.name} cannot be loaded: {error}.",
            hint=f"This is a fault of the plugin {connector.found.distribution}.",
        ) from error
    parameters = inspect.signature(create).parameters
    open_ended = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    options: dict[str, Any] = dict(given)
    for pair in pairs:
        option, equals, text = pair.partition("=")
        option = option.strip().replace("-", "_")
        if not equals:
            raise UsageError(f"{pair!r} is no option.", hint="Write --set option=value.")
        if option not in parameters and not open_ended:
            raise UsageError(f"This sandbox has no option {option!r}; there are: {', '.join(parameters)}.")
        options[option] = value_of(text, parameters.get(option))
    try:
        return create(**options)
    except (TypeError, ValueError) as error:
        raise UsageError(f"The sandbox of {connector.name} does not take that: {error}.") from error


def value_of(text: str, parameter: inspect.Parameter | None) -> Any:
    """An option's value: text where the sandbox wants text, otherwise what it looks like."""
    default = parameter.default if parameter is not None else inspect.Parameter.empty
    if isinstance(default, str):
        return text
    if text.lower() in _PLAIN:
        return _PLAIN[text.lower()]
    try:
        return json.loads(text)
    except ValueError:
        return text
