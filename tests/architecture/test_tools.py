"""The tools that look at the code find nothing: style, format, types, layers."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("ruff", "check"), id="style"),
        pytest.param(("ruff", "format", "--check", "--diff"), id="format"),
        pytest.param(("mypy",), id="types"),
        pytest.param(("lint-imports", "--no-cache"), id="layers"),
    ],
)
def test_the_tool_finds_nothing(root: Path, command: tuple[str, ...]) -> None:
    tool, *arguments = command

    result = subprocess.run([BIN / tool, *arguments], cwd=root, capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stdout + result.stderr


def test_every_connector_is_under_the_rules_for_connectors(root: Path) -> None:
    settings = tomllib.loads((root / "pyproject.toml").read_text())["tool"]
    contracts = {each["id"]: each for each in settings["importlinter"]["contracts"]}
    packages = sorted(path.name for path in root.glob("plugins/*/src/*") if (path / "__init__.py").is_file())

    assert sorted(settings["importlinter"]["root_packages"]) == ["crossdock", *packages]
    assert sorted(contracts["public-face"]["source_modules"]) == packages
    assert sorted(contracts["independent-connectors"]["modules"]) == packages
    assert sorted(contracts["core-alone"]["forbidden_modules"]) == packages
    for library in ("pluggy", "httpx", "database", "click", "servers"):
        assert sorted(contracts[library]["source_modules"]) == ["crossdock", *packages]
    typed = ["core/src", *(f"plugins/{path.name}/src" for path in _plugins(root))]
    assert [each for each in sorted(settings["mypy"]["files"]) if not each.startswith("examples/")] == typed
    assert settings["uv"]["workspace"]["members"] == ["core", "plugins/*"]


def test_every_connector_is_laid_out_alike(root: Path) -> None:
    for plugin in _plugins(root):
        package = plugin / "src" / f"crossdock_{plugin.name}"
        entry_points = tomllib.loads((plugin / "pyproject.toml").read_text())["project"]["entry-points"]

        assert entry_points.pop("crossdock.connectors") == {plugin.name: f"{package.name}.plugin"}
        # A connector may bring hooks of its own for other plugins, under names that say whose they are.
        for name, module in entry_points.pop("crossdock.plugins", {}).items():
            assert name.startswith(f"{plugin.name}_")
            assert (package / f"{module.removeprefix(f'{package.name}.')}.py").is_file()
        assert entry_points == {}
        for name in ("plugin.py", "settings.py", "mapping.py", "py.typed"):
            assert (package / name).is_file(), f"{plugin.name} has no {name}"
        assert (package / "sandbox.py").is_file() or (package / "sandbox" / "__init__.py").is_file()


def _plugins(root: Path) -> list[Path]:
    return sorted(path.parent for path in root.glob("plugins/*/pyproject.toml"))
