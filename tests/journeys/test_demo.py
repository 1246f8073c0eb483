"""The demo is the first thing that anybody sees: it works from an installed command, and cleans up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow


def crossdock(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CROSSDOCK_")}
    return subprocess.run(
        [sys.executable, "-m", "crossdock", *words],
        cwd=folder, env={**inherited, "TMPDIR": str(folder / "scratch")}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "scratch").mkdir()
    return tmp_path


def test_the_demo_proves_that_both_sides_agree_although_answers_were_broken(folder: Path) -> None:
    result = crossdock(folder, "demo", "--orders", "12", "--json")

    told: dict[str, Any] = json.loads(result.stdout)
    assert result.returncode == 0, result.stderr
    assert told["agrees"]
    assert told["checks"]
    assert all(check["ok"] for check in told["checks"])
    assert told["faults"] > 0
    assert "push done" not in result.stderr  # a line of the log, between those of the demo


def test_the_demo_of_all_connectors_proves_that_all_sides_agree(folder: Path) -> None:
    result = crossdock(folder, "demo", "--all", "--orders", "6", "--json")

    told: dict[str, Any] = json.loads(result.stdout)
    assert result.returncode == 0, f"{told['checks']}\n{result.stderr}"
    assert all(check["ok"] for check in told["checks"])
    assert told["faults"] > 0


def test_the_demo_leaves_nothing_behind(folder: Path) -> None:
    crossdock(folder, "demo", "--orders", "2", "--json")

    assert sorted(path.name for path in folder.rglob("*")) == ["scratch"]


def test_a_demo_that_is_kept_is_a_project_to_look_around_in(folder: Path) -> None:
    crossdock(folder, "demo", "--orders", "2", "--json", "--keep", "kept")

    status = crossdock(folder / "kept", "status", "--json")

    assert {flow["mode"] for flow in json.loads(status.stdout)["flows"]} == {"live"}
