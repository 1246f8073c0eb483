"""The core installs alone, and each connector installs with nothing but the core: from wheels, as users get them."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import attrs
import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PLUGINS = sorted(path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml"))


@attrs.frozen
class Environment:
    """A virtual environment of its own, outside the project."""

    home: Path
    wheels: Path

    def run(self, command: str, *arguments: str | Path, cwd: Path | None = None) -> str:
        """The standard output of a command of the environment; fails the test when the command fails."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("CROSSDOCK_", "PYTHONPATH"))}
        result = subprocess.run(
            [self.home / "bin" / command, *arguments], cwd=cwd or self.home, env=clean, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert result.returncode == 0, f"{command} {arguments}: {result.stdout}{result.stderr}"
        return result.stdout

    def install(self, *names: str) -> None:
        """Install from our wheels, everything else in the pinned versions."""
        pins = ROOT / "requirements" / "runtime.txt"
        self.run("pip", "install", "--quiet", "--find-links", self.wheels, "--constraint", pins, *names)

    def remove_ours(self) -> None:
        """Uninstall every distribution of Crossdock."""
        self.run("pip", "uninstall", "--quiet", "--yes", *self.ours())

    def ours(self) -> list[str]:
        """The distributions of Crossdock that are installed."""
        installed = json.loads(self.run("pip", "list", "--format", "json"))
        return sorted(each["name"] for each in installed if each["name"].startswith("crossdock"))

    def hooks(self) -> dict[str, set[str]]:
        """The connectors that the command line knows, all of them usable, with the hooks that it says they have."""
        found = json.loads(self.run("crossdock", "connectors", "--json"))
        assert not [each for each in found if each["problem"]]
        return {each["name"]: set(each["hooks"]) for each in found}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel of the core and of each plugin."""
    target = tmp_path_factory.mktemp("wheels")
    for project in ("core", *(f"plugins/{name}" for name in PLUGINS)):
        build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(target)]
        subprocess.run(build, cwd=ROOT / project, check=True, capture_output=True)
    return target


@pytest.fixture(scope="module")
def environment(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A fresh environment without any distribution of Crossdock."""
    home = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", home], check=True, capture_output=True)
    return Environment(home, wheels)


@pytest.fixture
def empty(environment: Environment) -> Environment:
    """The environment with nothing of Crossdock in it."""
    if environment.ours():
        environment.remove_ours()
    return environment


def _written(plugin: str) -> set[str]:
    """The hooks that a connector's source code has, found without running it."""
    source = (ROOT / "plugins" / plugin / "src" / f"crossdock_{plugin}" / "plugin.py").read_text(encoding="utf-8")
    return {
        node.name
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and any("hookimpl" in ast.dump(each) for each in node.decorator_list)
    }


def _contents(wheels: Path, distribution: str) -> Sequence[str]:
    (wheel,) = wheels.glob(f"{distribution}-[0-9]*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_core_installs_alone_and_works_without_any_connector(empty: Environment, tmp_path: Path) -> None:
    empty.install("crossdock")

    assert empty.ours() == ["crossdock"]
    assert empty.hooks() == {}
    assert "0." in empty.run("crossdock", "--version")
    empty.run("crossdock", "init", tmp_path)
    empty.run("crossdock", "status", cwd=tmp_path)


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_connector_brings_the_core_and_nothing_else_of_ours(empty: Environment, plugin: str) -> None:
    empty.install(f"crossdock-{plugin}")

    assert empty.ours() == ["crossdock", f"crossdock-{plugin}"]
    assert empty.hooks() == {plugin: _written(plugin)}
    empty.run("python", "-c", f"from crossdock_{plugin}.sandbox import create; create()")


def test_all_connectors_together_can_do_what_each_says_in_its_code(empty: Environment) -> None:
    empty.install(*(f"crossdock-{name}" for name in PLUGINS))

    assert empty.hooks() == {name: _written(name) for name in PLUGINS}


@pytest.mark.parametrize("distribution", ["crossdock", *(f"crossdock_{name}" for name in PLUGINS)])
def test_a_wheel_is_whole_typed_licensed_and_free_of_tests(wheels: Path, distribution: str) -> None:
    names = _contents(wheels, distribution)
    (source,) = (*ROOT.glob(f"core/src/{distribution}"), *ROOT.glob(f"plugins/*/src/{distribution}"))
    files = {each.relative_to(source.parent).as_posix() for each in source.rglob("*") if each.is_file()}

    assert not {each for each in files if "__pycache__" not in each} - set(names)

    assert f"{distribution}/py.typed" in names
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    # The contract kit is for the tests of others, and a new connector gets tests.
    ours = [name for name in names if not name.startswith(("crossdock/testing/", "crossdock/scaffold/templates/"))]
    assert not [name for name in ours if "test" in name]
    assert not [name for name in names if name.endswith((".pyc", ".db"))]
