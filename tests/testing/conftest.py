"""What tests of the contract kit share."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from crossdock.testing import Subject

HERE = Path(__file__).parent
RIGHT = HERE / "wrong" / "right.py"
# The connector names its sandbox as an installed one does, as "module:function".
sys.path[:0] = [str(HERE), str(HERE / "wrong")]


def connector(source: str, name: str) -> Subject:
    """The connector to the stall that `source` is."""
    module = ModuleType(name)
    module.__file__ = str(RIGHT)
    sys.modules[name] = module  # attrs and msgspec look up types there
    exec(compile(source, f"{name}.py", "exec"), module.__dict__)  # noqa: S102  the wrong ones are the right one, edited
    return Subject.of(module, "stall")


@pytest.fixture(scope="session")
def right() -> Subject:
    """The right connector to the stall."""
    return connector(RIGHT.read_text(), "right")
