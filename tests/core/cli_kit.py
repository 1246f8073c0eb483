"""A project, two Acme systems and a command line, for tests of commands."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
from click.testing import CliRunner, Result
from plugin_kit import ACME, TOKEN, Acme, install

from crossdock.cli import main
from crossdock.sandbox import serve


@attrs.define
class Shell:
    """Runs `crossdock` in this process, as if typed in the project's folder without a terminal."""

    home: Path
    site: Path
    shop: Acme
    erp: Acme
    urls: Mapping[str, str]

    def run(self, *words: str, code: int | None = 0) -> Result:
        """The result of a command; its exit code has to be `code`, unless that is `None`."""
        result = CliRunner().invoke(main, list(words), prog_name="crossdock")
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert code in (None, result.exit_code), f"{words}: exit {result.exit_code}\n{result.output}"
        return result

    def json(self, *words: str, code: int | None = 0) -> Any:
        """What a command answers as JSON."""
        return json.loads(self.run(*words, "--json", code=code).stdout)

    def connect(self, *names: str) -> None:
        """Add working connections: ``shop``, ``erp``."""
        for name in names or ("shop", "erp"):
            self.run(
                "connection", "add", name, "-c", "acme", "--set", f"url={self.urls[name]}", "--set", f"token={TOKEN}"
            )

    def start(self, *words: str, **streams: Any) -> subprocess.Popen[bytes]:
        """A real process of a command, not waited for; `streams` are as `Popen` takes them."""
        environment = {**os.environ, "PYTHONPATH": str(self.site)}
        return subprocess.Popen(
            [sys.executable, "-m", "crossdock", *words], env=environment, **{"stderr": subprocess.PIPE, **streams}
        )


Systems = Mapping[str, tuple[Acme, str]]


@contextlib.contextmanager
def systems() -> Iterator[Systems]:
    """Two Acme systems being served, by connection name, with their addresses."""
    shop, erp = Acme(), Acme()
    with serve(shop) as first, serve(erp) as second:
        yield {"shop": (shop, first.url), "erp": (erp, second.url)}


@contextlib.contextmanager
def shell(folder: Path, environment: Any, served: Systems, migrated: Path) -> Iterator[Shell]:
    """A new project in `folder` with a copy of the database `migrated`, and its systems emptied.

    `environment` is pytest's monkeypatch.
    """
    site = install(folder / "site", "acme", ACME)
    home = folder / "project"
    environment.syspath_prepend(str(site))
    environment.setenv("CROSSDOCK_PLUGINS", "acme")
    environment.setenv("CROSSDOCK_HOME", str(home))
    for name in ("CROSSDOCK_DATABASE_URL", "CROSSDOCK_SECRET_KEY", "CROSSDOCK_FIND_AFTER"):
        environment.delenv(name, raising=False)
    environment.delitem(sys.modules, "acme_plugin", raising=False)
    for system, _ in served.values():
        system.empty()
    urls = {name: url for name, (_, url) in served.items()}
    shell = Shell(home, site, served["shop"][0], served["erp"][0], urls)
    shell.run("init", str(home))
    shutil.copy(migrated, home)
    yield shell
    sys.modules.pop("acme_plugin", None)
    sys.modules.pop("crossdock_local", None)


def process(*words: str, environment: Mapping[str, str] | None = None, code: int | None = 0) -> Any:
    """A real process of the installed command."""
    command = Path(sys.executable).parent / "crossdock"
    done = subprocess.run(
        [str(command), *words], env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert code in (None, done.returncode), f"{words}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done
