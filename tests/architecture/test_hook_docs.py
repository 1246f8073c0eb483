"""docs/hooks.md says what the hook specifications say."""

from __future__ import annotations

import runpy
from pathlib import Path

from crossdock.hookspecs import AMBIENT_HOOKS, CONNECTOR_HOOKS, AmbientSpec, ConnectorSpec


def test_the_page_is_what_make_docs_writes(root: Path) -> None:
    written = runpy.run_path(str(root / "docs" / "write_hooks.py"))["page"]()

    assert (root / "docs" / "hooks.md").read_text() == written


def test_every_hook_is_described_with_an_example() -> None:
    specs = [(ConnectorSpec, name) for name in CONNECTOR_HOOKS] + [(AmbientSpec, name) for name in AMBIENT_HOOKS]
    texts = {name: getattr(spec, name).__doc__ or "" for spec, name in specs}

    assert not [name for name, text in texts.items() if "Example::" not in text]


def test_examples_implement_the_hook_they_are_shown_under() -> None:
    for spec, names in ((ConnectorSpec, CONNECTOR_HOOKS), (AmbientSpec, AMBIENT_HOOKS)):
        for name in names:
            assert f"def {name}(" in getattr(spec, name).__doc__
