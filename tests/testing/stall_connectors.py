"""Connectors to the stall, made of their source: the right one and edited copies."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

from crossdock.testing import Subject

HERE = Path(__file__).parent
RIGHT = HERE / "wrong" / "right.py"


def connector(source: str, name: str) -> Subject:
    """The connector to the stall that `source` is."""
    module = ModuleType(name)
    module.__file__ = str(RIGHT)
    sys.modules[name] = module  # attrs and msgspec look up types there
    exec(compile(source, f"{name}.py", "exec"), module.__dict__)  # noqa: S102  the wrong ones are the right one, edited
    return Subject.of(module, "stall")
