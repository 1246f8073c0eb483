"""A distribution has one version: what is installed says the same as the code."""

from __future__ import annotations

import importlib
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECTS = sorted((ROOT / "core" / "pyproject.toml", *ROOT.glob("plugins/*/pyproject.toml")))


@pytest.mark.parametrize("path", PROJECTS, ids=lambda path: path.parent.name)
def test_the_project_file_and_the_package_name_the_same_version(path: Path) -> None:
    project = tomllib.loads(path.read_text())["project"]

    assert importlib.import_module(project["name"].replace("-", "_")).__version__ == project["version"]


@pytest.mark.parametrize("path", PROJECTS, ids=lambda path: path.parent.name)
def test_the_version_is_stated_and_not_worked_out(path: Path) -> None:
    settings = tomllib.loads(path.read_text())

    assert "version" not in settings["project"].get("dynamic", [])
    assert "version" not in settings["tool"]["hatch"]
