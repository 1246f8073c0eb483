"""What a command works with: the opened project, and a stop button."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import cast

import click

from crossdock import logs
from crossdock.app import CONFIG_FILE, DATABASE_FILE, HOME_VARIABLE, App
from crossdock.cli import PROJECT
from crossdock.errors import UsageError
from crossdock.store.config import FlowRow
from crossdock.store.store import Store
from crossdock.vault import KEY_FILE

_APP = "crossdock.app"


class Project(App):
    """A project as people meet it: in the wrong folder an empty database would say that all is well.

    A folder that was named is meant, also when it is empty: that is how a container begins.
    """

    def __init__(self, home: Path | None) -> None:
        super().__init__(home)
        self._named = home is not None or bool(os.environ.get(HOME_VARIABLE))

    @functools.cached_property
    def store(self) -> Store:
        """The database, migrated when safe; refused where nobody said that there is a project."""
        if (
            not self._named
            and not self.has_store
            and not any((self.home / name).is_file() for name in (CONFIG_FILE, KEY_FILE))
        ):
            raise UsageError(
                f"{self.home} is no project folder: it has neither {CONFIG_FILE} nor {DATABASE_FILE}.",
                hint="Go to the project, name it (crossdock --project DIR, or CROSSDOCK_HOME), or make one: "
                "crossdock init",
            )
        return Store.open(self.database_url)


def app_from_context(ctx: click.Context | None = None) -> App:
    """The project's `App`, opened once for a command line and closed when it ends."""
    ctx = ctx or click.get_current_context()
    app = ctx.meta.get(_APP)
    if app is None:
        logs.configure(service=False)
        root = ctx.find_root()
        app = root.with_resource(Project(root.meta.get(PROJECT)))
        ctx.meta[_APP] = app
    return cast(App, app)


def need_flow(app: App, name: str) -> FlowRow:
    """A stored flow; refuses one that does not exist."""
    row = app.store.config.flow(name)
    if row is None:
        known = ", ".join(each.name for each in app.store.config.flows()) or "none yet"
        raise UsageError(f"There is no flow {name!r}; there are: {known}.", hint="crossdock flow list")
    return row


def need_names(app: App, *, connection: str = "", flow: str = "") -> None:
    """Refuse names that nothing has: for a slip of the pen "there is nothing" would sound as if all were well."""
    if connection:
        app.row(connection)
    if flow:
        need_flow(app, flow)


@contextlib.contextmanager
def stoppable(app: App, say: Callable[[str], None] | None = None) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the work at its next safe point; a second Ctrl-C ends it at once."""
    say = say or functools.partial(click.echo, err=True)
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        if app.clock.stopping:
            raise KeyboardInterrupt
        app.clock.stop()  # before it is said: whoever reads it and signals again means it
        say("Stopping at the next safe point; once more to stop at once.")

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def confirm(yes: bool, as_json: bool, question: str) -> None:
    """Ask a person; without a terminal the answer has to be ``--yes``."""
    if yes:
        return
    if as_json or not sys.stdin.isatty():
        raise UsageError("This cannot be undone, and nobody is here to ask.", hint="Add --yes if it is meant.")
    click.confirm(question, abort=True, err=True)
