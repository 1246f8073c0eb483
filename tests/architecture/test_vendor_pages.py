"""Facts about vendors are cited by section, and each section that is cited exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = {
    "woocommerce": "WooCommerce",
    "mirakl": "Mirakl",
    "cdiscount": "Octopia",
    "xdconnects": "XD Connects",
    "extendcommerce": "Extend Commerce",
}

NUMBER = r"\d+(?:\.\d+)?"
LIST = rf"(?P<list>{NUMBER}(?:(?:, | and | to ){NUMBER})*)"
NAMED = re.compile(rf"(?P<page>vendor|{'|'.join(PAGES.values())}) page sections? {LIST}", re.IGNORECASE)
SHORT = re.compile(rf"\(sections? {LIST}(?:, measured)?\)")


def _text(path: Path) -> str:
    """A file with its comments and docstrings joined over the ends of lines."""
    return re.sub(r"\s*\n\s*#?\s*", " ", path.read_text())


def _cited() -> Iterator[tuple[str, str, str]]:
    """File, page and section number of every citation."""
    titles = {title.lower(): name for name, title in PAGES.items()}
    for path in sorted(
        (*ROOT.glob("core/src/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py"), *ROOT.glob("tests/**/*.py"))
    ):
        if path == Path(__file__):
            continue
        where = str(path.relative_to(ROOT))
        own = next((name for name in PAGES if f"plugins/{name}/" in where), "")
        text = _text(path)
        matches = [*NAMED.finditer(text), *(SHORT.finditer(text) if own else ())]
        for match in matches:
            page = titles.get((match.groupdict().get("page") or "").lower(), own)
            for number in re.findall(NUMBER, match["list"]):
                yield where, page, number


CITED = list(_cited())


def _sections(page: str) -> set[str]:
    """The numbers under which a page has something: its headings, and the numbered points of a section."""
    found, section = set(), ""
    for line in (ROOT / "docs" / "vendors" / f"{page}.md").read_text().splitlines():
        if heading := re.match(rf"##+ ({NUMBER})\.? ", line):
            section = heading[1]
            found.add(section)
        elif point := re.match(r"(\d+)\. ", line):
            found.add(f"{section}.{point[1]}")
    return found


@pytest.mark.parametrize("page", PAGES)
def test_every_section_that_is_cited_exists(page: str) -> None:
    sections = _sections(page)
    cited = [(where, number) for where, name, number in CITED if name == page]

    assert cited
    assert not [(where, number) for where, number in cited if number not in sections]


def test_a_citation_outside_a_connector_names_the_vendor() -> None:
    assert not [where for where, page, _ in CITED if not page]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_says_how_sure_its_facts_are(page: str) -> None:
    text = (ROOT / "docs" / "vendors" / f"{page}.md").read_text()
    legend, _, facts = text.partition("\n## ")
    marks = {mark for found in re.findall(r"\[([A-Z](?:, [A-Z])*)[\],]", facts) for mark in found.split(", ")}

    assert marks
    assert marks <= set(re.findall(r"\*\*\[([A-Z])\]\*\*", legend))
    assert re.search(r"^## .*[Nn]ot (?:verified|known)", text, re.MULTILINE)
