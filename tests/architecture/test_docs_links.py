"""What pages refer to exists: tests that prove a promise, other pages, decisions in their order."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(path for path in ROOT.glob("**/*.md") if not any(part.startswith(".") for part in path.parts))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        there = page.parent / path if path else page
        if not there.exists() or (anchor and anchor not in _headings(there)):
            broken.append(target)

    assert not broken


@cache
def _headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as its readers' programs make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}


def test_every_promise_names_tests_that_exist() -> None:
    text = (ROOT / "docs" / "promises.md").read_text()
    promises = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    missing = [
        f"{path}::{name}"
        for path, name in re.findall(r"`(tests/[\w/.]+\.py)::(\w+)`", text)
        if not (ROOT / path).is_file() or f"def {name}(" not in (ROOT / path).read_text()
    ]

    assert not missing
    assert not [each.splitlines()[0] for each in promises if "`tests/" not in each]


def test_decisions_are_numbered_without_gap_and_say_how_they_stand() -> None:
    pages = sorted((ROOT / "docs" / "adr").glob("*.md"))

    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for number, page in enumerate(pages, 1):
        first, _, rest = page.read_text().partition("\n")
        assert first.startswith(f"# {number}. ")
        assert re.match(r"\s*\*\*(Accepted|Replaced by|Rejected)", rest), page.name
