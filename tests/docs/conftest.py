"""Fixtures of the tests of pages."""

from __future__ import annotations

import importlib
import shutil
import sys

import pytest
from author_kit import Project, write
from click.testing import CliRunner

from crossdock.app import App
from crossdock.cli import main
from crossdock.sandbox import serve


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    """The folder with the connector that the pages for authors build."""
    return write(tmp_path_factory.mktemp("acme"))


@pytest.fixture
def installed(package, monkeypatch):
    """The pages' connector, installed; imports a module of it by name."""
    monkeypatch.syspath_prepend(str(package))
    monkeypatch.setenv("CROSSDOCK_PLUGINS", "acme")
    yield lambda name: importlib.import_module(f"crossdock_acme.{name}")
    for name in [name for name in sys.modules if name.partition(".")[0] == "crossdock_acme"]:
        del sys.modules[name]


@pytest.fixture(scope="session")
def blank(tmp_path_factory):
    """What ``crossdock init`` makes."""
    folder = tmp_path_factory.mktemp("blank") / "project"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSDOCK_PLUGINS", "none")
        patch.delenv("CROSSDOCK_DATABASE_URL", raising=False)
        result = CliRunner().invoke(main, ["init", str(folder)])
        patch.setenv("CROSSDOCK_HOME", str(folder))
        App().close()
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def project(installed, blank, tmp_path, monkeypatch):
    """A new project, and two Acmes that nothing is connected to yet."""
    for name in ("CROSSDOCK_DATABASE_URL", "CROSSDOCK_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CROSSDOCK_HOME", str(tmp_path / "project"))
    monkeypatch.setenv("CROSSDOCK_FIND_AFTER", "0")
    shutil.copytree(blank, tmp_path / "project")
    acme = installed("sandbox").Acme
    shop, office = acme(page=10), acme()
    with serve(shop), serve(office):
        yield Project(shop, office)
