"""Who is let in among the plugins, and why not: each refusal names the plugin, its version and the cause."""

from __future__ import annotations

import inspect
import re
from importlib.metadata import PackageNotFoundError, requires
from typing import Any

import attrs

from crossdock import __version__
from crossdock.connection import SPEC_VERSION, ConnectorInfo
from crossdock.hookspecs import CONNECTOR_HOOKS, PROJECT

CONNECTORS = "crossdock.connectors"
PLUGINS = "crossdock.plugins"


@attrs.frozen(kw_only=True)
class Found:
    """An installed plugin: entry-point name, distribution, version, and whether it is a connector."""

    name: str
    distribution: str
    version: str
    group: str
    target: str


@attrs.frozen(kw_only=True)
class PluginFailure:
    """A plugin that cannot be used, and why."""

    found: Found
    cause: str


@attrs.frozen(kw_only=True)
class PluginNotice:
    """A plugin that works, and uses what will go: what, since when, until when, and what takes its place."""

    found: Found
    text: str


HERE = f"Crossdock {__version__} with version {SPEC_VERSION} of the hooks"
_LACKING = (
    (r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'", "the field {1!r} of {0}"),
    (r"cannot import name '(\w+)' from 'crossdock[\w.]*'", "{0!r}"),
    (r"No module named '(crossdock\.[\w.]+)'", "the module {0}"),
)
_ARGUMENT = re.compile(r"Argument\(s\) \{(.+)\} are declared in the hookimpl but can not be found in the hookspec")


def lacking(found: Found, error: BaseException) -> str:
    """What a plugin uses that this core does not have, with both versions; empty when it broke otherwise."""
    for pattern, words in _LACKING:
        match = re.search(pattern, str(error))
        if match and isinstance(error, TypeError | ImportError):
            return f" It uses {words.format(*match.groups())}, which is not in {HERE}; {needed(found)}."
    return ""


def unknown_argument(found: Found, error: BaseException) -> str:
    """The refusal of a hook that takes what this core does not hand over; empty for other errors."""
    match = _ARGUMENT.search(str(error))
    if match is None:
        return ""
    hook = re.search(r"for hook '(\w+)'", str(error))
    name = hook[1] if hook else "a hook"
    return f"{name} takes {match[1]}, which {HERE} does not hand over; {needed(found)}."


def needed(found: Found) -> str:
    """Which core a plugin says that it needs."""
    try:
        wanted = [each for each in requires(found.distribution) or () if re.match(r"crossdock\b(?!-)", each)]
    except PackageNotFoundError:
        wanted = []
    said = f"needs {wanted[0]}" if wanted else "does not say which core it needs"
    return f"{found.distribution} {found.version} {said}"


class Refused(Exception):
    """A plugin that was looked at and must not be used; the text is the cause."""


def info_of(found: Found, plugin: Any) -> Any:
    """What a connector says of itself; raises `Refused` when that breaks."""
    try:
        return plugin.connector_info()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        text = f"connector_info failed: {type(error).__name__}: {error}"
        raise Refused(f"{text}.{lack}" if (lack := lacking(found, error)) else text) from error


def options_of(plugin: Any, name: str) -> dict[str, Any]:
    """How a function is marked as a hook; empty when it is not."""
    return getattr(getattr(plugin, name, None), f"{PROJECT}_impl", None) or {}


def marked(plugin: Any) -> list[str]:
    """The names that a plugin marks as hooks."""
    return [name for name in dir(plugin) if options_of(plugin, name)]


def problem_of(found: Found, plugin: Any) -> str:
    """Why a plugin must not be registered: each is a trap of pluggy that would bite at run time."""
    names = marked(plugin)
    connector = found.group == CONNECTORS
    if connector and "connector_info" not in names:
        return "it is no connector: connector_info is missing (is it marked with @hookimpl?)."
    for name in names:
        function = getattr(plugin, name)
        options = options_of(plugin, name)
        wraps = options.get("wrapper") or options.get("hookwrapper")
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            return f"{name} is asynchronous; hooks are plain functions."
        if connector and wraps:
            return f"{name} is a wrapper; connectors must not touch other connectors' calls."
        if connector and options.get("specname"):
            return f"{name} uses specname; a connector's hooks carry their own names."
        if not connector and name in CONNECTOR_HOOKS and not wraps:
            return f"{name} is a connector's hook; an ambient plugin may only wrap it."
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind is parameter.KEYWORD_ONLY:
                return f"{name} has the keyword-only parameter {parameter.name!r}, which no caller can fill."
            if parameter.default is not parameter.empty:
                return f"{name} gives {parameter.name!r} a default; the core fills all parameters."
    return ""


def info_problem(found: Found, info: Any) -> str:
    """Why a connector must not be used, by what it says of itself; empty when it may."""
    if not isinstance(info, ConnectorInfo):
        return f"connector_info answered {type(info).__name__} instead of a ConnectorInfo."
    if info.spec != SPEC_VERSION:
        return (
            f"it was built for version {info.spec} of the hooks, this core has version {SPEC_VERSION}; "
            f"install a {found.distribution} that fits, or another core. Here is {HERE}; {needed(found)}."
        )
    if info.name != found.name:
        return f"its entry point is called {found.name!r}, but its ConnectorInfo {info.name!r}."
    return ""
