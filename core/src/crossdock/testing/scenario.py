"""What a crash sweep is done with: systems and how their twins are made, flows between them, and what people do."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs

from crossdock.app import App
from crossdock.errors import CrossdockError, UsageError
from crossdock.registry import Connector
from crossdock.settings import build
from crossdock.store.config import FlowRow
from crossdock.testing.turn import is_loopback

WORK = "crossdock.testing.turn:work"

Twins = Mapping[str, Any]


def _nothing(*_: Any) -> None:
    """Leave it as it is."""


@attrs.frozen(kw_only=True)
class System:
    """A system of a scenario: its connection's name, its connector, and how its twin is made.

    `make` makes an empty twin; it is given the clock of the scenario if it has a parameter `clock`. `fill` fills it,
    the same way each time. `settings` are added to what the twin says. `ignored` are places of its state that are not
    compared, as ``orders[].version``.
    """

    name: str
    connector: str
    make: Callable[..., Any]
    fill: Callable[[Any], Any] = _nothing
    settings: Mapping[str, str] = attrs.field(factory=dict)
    ignored: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Scenario:
    """What is done between the kills.

    `acts` are what people do in the systems (ship, pick) after all the work is done, each followed by the work again.
    `prepare` finishes the project: mapping rows, webhooks that wait. `work` names the function that works, as
    ``module:name``; it takes an `App` and has to come to the same end when it is begun again. `local` is the text of a
    local plugin file, `paths` are folders with plugins, and `environment` is added to that of the killed processes.
    `given` are connectors that are not installed, as name to module, or to the path of its file; with any, only those
    are loaded. `known` are values that were there before the work, besides those that the systems hold. `pause` passes
    between a kill and the next beginning, and `resumed` is called then.
    """

    systems: Sequence[System]
    flows: Sequence[FlowRow]
    fill: Callable[[Twins], Any] = _nothing
    acts: Sequence[Callable[[Twins], Any]] = ()
    prepare: Callable[[App], Any] = _nothing
    work: str = WORK
    local: str = ""
    paths: Sequence[Path] = ()
    given: Mapping[str, str] = attrs.field(factory=dict)
    environment: Mapping[str, str] = attrs.field(factory=dict)
    known: Collection[str] = ()
    pause: timedelta = timedelta(0)
    resumed: Callable[[Twins], Any] = _nothing


def twin_of(connector: Connector, **options: Any) -> Callable[..., Any]:
    """How the sandbox of a connector is made, with those of `options` that it has; for `System.make`.

    Raises `UsageError` when the connector ships none.
    """
    module, _, name = connector.info.sandbox.partition(":")
    if not name:
        raise UsageError(f"The connector {connector.name} ships no sandbox, so it cannot be tried.")
    create = getattr(importlib.import_module(module), name)
    known = inspect.signature(create).parameters
    open_ended = any(each.kind is each.VAR_KEYWORD for each in known.values())

    def make(**more: Any) -> Any:
        return create(**{name: value for name, value in {**options, **more}.items() if open_ended or name in known})

    return make


def check_loopback(connector: Connector, settings: Mapping[str, str]) -> None:
    """Raises `CrossdockError` when a connection with these settings would ask anything but this machine."""
    endpoint = connector.info.endpoint(build(connector.info.settings, settings))
    addresses = [endpoint.base_url, *([endpoint.token.url] if endpoint.token else []), *settings.values()]
    for each in addresses:
        if "://" in each and not is_loopback(urlsplit(each).hostname or ""):
            raise CrossdockError(
                f"The sandbox of {connector.name} would be asked at {urlsplit(each).hostname}, which is another system."
            )
