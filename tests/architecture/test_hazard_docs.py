"""docs/hazards.md says what the contract kit plays."""

from __future__ import annotations

import runpy
from pathlib import Path


def test_the_page_is_what_make_docs_writes(root: Path) -> None:
    written = runpy.run_path(str(root / "docs" / "write_hazards.py"))["page"]()

    assert (root / "docs" / "hazards.md").read_text() == written
