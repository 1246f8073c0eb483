"""Fixtures of the tests of new connectors."""

from __future__ import annotations

from pathlib import Path

import pytest
from scaffold_kit import kinds

from crossdock.scaffold import Choices, write


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Choices]]:
    """A connector of every kind: by name, its folder and what was chosen."""
    home = tmp_path_factory.mktemp("new")
    made = {}
    for choices in kinds():
        write(choices, home / choices.name)
        made[choices.name] = (home / choices.name, choices)
    return made
