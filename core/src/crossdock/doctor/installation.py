"""What is installed: Python, plugins, time zones, the project folder and its key."""

from __future__ import annotations

import os
import platform
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from crossdock.app import App
from crossdock.errors import SettingsError
from crossdock.session import Check
from crossdock.vault import KEY_FILE, KEY_VARIABLE, Vault

OLDEST_PYTHON = (3, 11)
_SAMPLE_ZONE = "Europe/Berlin"


def checks(app: App) -> Iterator[Check]:
    """Python, plugins, time zones, and the project folder."""
    yield _python()
    yield from _plugins(app)
    yield _zones()
    yield _folder(app.home)


def _python() -> Check:
    text = f"Python {platform.python_version()}"
    if sys.version_info < OLDEST_PYTHON:
        return Check(name="Python", state="fail", detail=text, hint="Crossdock needs Python 3.11 or later.")
    return Check(name="Python", state="ok", detail=text)


def _plugins(app: App) -> Iterator[Check]:
    registry = app.registry
    for failure in registry.failures:
        found = failure.found
        yield Check(
            name=f"Plugin {found.name}", state="fail", detail=f"{found.distribution} {found.version}: {failure.cause}",
            hint=f"Repair or uninstall {found.distribution}, or switch it off: CROSSDOCK_DISABLED={found.name}",
        )  # fmt: skip
    for notice in registry.notices:
        found = notice.found
        yield Check(
            name=f"Plugin {found.name}", state="warn", detail=f"{found.distribution} {found.version}: {notice.text}",
            hint=f"It works until then. Is there a newer {found.distribution}?",
        )  # fmt: skip
    names = ", ".join(f"{each.name} {each.found.version}" for _, each in sorted(registry.connectors.items()))
    if names:
        yield Check(name="Connectors", state="ok", detail=names)
    else:
        yield Check(name="Connectors", state="warn", detail="none is installed", hint="pip install crossdock-NAME")
    if registry.ambient_plugins:
        ambient = ", ".join(f"{each.name} {each.version}" for each in registry.ambient_plugins)
        yield Check(name="Ambient plugins", state="ok", detail=ambient)


def _zones() -> Check:
    try:
        ZoneInfo(_SAMPLE_ZONE)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        return Check(
            name="Time zones", state="fail", detail=f"there is no data about {_SAMPLE_ZONE}: {error}",
            hint="pip install tzdata; if PYTHONTZPATH is set, it has to name a folder with zones, or nothing.",
        )  # fmt: skip
    return Check(name="Time zones", state="ok")


def _folder(home: Path) -> Check:
    """Nothing is left behind. Whoever is root may write anywhere, so permissions alone would not tell."""
    name = "Project folder"
    if not home.is_dir():
        return Check(name=name, state="fail", detail=f"{home} is no folder", hint=f"crossdock init {home}")
    try:
        with tempfile.TemporaryFile(dir=home) as file:
            file.write(b"x")
    except OSError as error:
        # A folder that cannot be written is how it should be when the database is elsewhere.
        return Check(name=name, state="ok", detail=f"{home}, which cannot be written: {error.strerror}")
    return Check(name=name, state="ok", detail=str(home))


def key(app: App) -> tuple[Vault | None, Check]:
    """The keeper of secrets, unless its key is damaged, and how its key is."""
    try:
        vault = app.vault
    except SettingsError as error:
        return None, Check(name="Key", state="fail", detail=str(error), hint=error.hint)
    path = app.home / KEY_FILE
    if os.environ.get(KEY_VARIABLE):
        return vault, Check(name="Key", state="ok", detail=f"{vault.id}, from {KEY_VARIABLE}")
    if not vault.ready:
        return vault, Check(
            name="Key", state="warn", detail="there is none, so no secret can be kept",
            hint=f"crossdock init makes one; or set {KEY_VARIABLE}.",
        )  # fmt: skip
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "posix" and mode & 0o077:
        return vault, Check(
            name="Key", state="warn", detail=f"other people on this machine may read {path.name} (mode {mode:o})",
            hint=f"chmod 600 {path}",
        )  # fmt: skip
    return vault, Check(name="Key", state="ok", detail=f"{vault.id}, in {path.name}, readable by its owner only")
