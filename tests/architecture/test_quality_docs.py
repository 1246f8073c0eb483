"""docs/quality.md says what the connectors' reports say, and every connector ships one."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest


def test_the_page_is_what_make_docs_writes(root: Path) -> None:
    written = runpy.run_path(str(root / "docs" / "write_quality.py"))["page"]()

    assert (root / "docs" / "quality.md").read_text(encoding="utf-8") == written, "Write it again: make docs"


@pytest.mark.parametrize("name", ["cdiscount", "extendcommerce", "mirakl", "woocommerce", "xdconnects"])
def test_a_connector_ships_its_report_and_is_gold(root: Path, name: str) -> None:
    proofs = runpy.run_path(str(root / "docs" / "write_quality.py"))["proofs"]()

    assert {each.name: each.report["level"] for each in proofs if each.name == name and each.report} == {name: "gold"}
