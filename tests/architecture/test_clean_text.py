"""What is under version control can be shown to anybody, and works on anybody's machine."""

from __future__ import annotations

import re

import pytest

# The sandboxes' and samples' own keys: made up, and worth nothing anywhere.
MADE_UP = re.compile(r"[cC][kKsS]_(?:5e1f0c2d|9c8b7a6d|0{8}|1{8})")

RULES = {
    "a path of one machine": r"(?<![\w.:/])/(?:home|root|Users|work|opt|mnt|srv)/[\w.-]+",
    "where packages come from": r"https?://[^\s\"']*(?:/simple/|pypi|pythonhosted|artifactory|nexus)"
    r"|--(?:extra-)?index-url",
    "a key": r"-----BEGIN [A-Z ]*PRIVATE KEY|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_\w{30,}|\bxox[abprs]-\w{10,}"
    r"|\bc[ks]_[0-9a-f]{40}\b",
    "work that was left over": r"\b(?:TODO|FIXME|HACK)\b|#\s*XXX\b",
    "a merge that was left over": r"^(?:<{7} |>{7} |={7}$)",
    "an address of a person": r"[\w.+-]+@(?!(?:[\w-]+\.)*(?:example|test|invalid|localhost)\b)"
    r"(?!xdconnects\.com\b)"  # the supplier's back offices: departments, whom a person has to write to after a mistake
    r"(?!example\.(?:com|org|net)\b)[\w-]+\.(?:com|org|net|se|de|fr|nl|io|dev|eu)\b",
    "a page that is not part of the project": r"\b(?:design|style|peers|engines-deps|performance)\.md\b",
    "a number of somebody's tracker": r"(?<![\w&/])#\d{1,5}\b(?=[ ,.;)])|\b[Ii]ssue \d+\b",
}

# Lines that show what a rule forbids, because forbidding it is their business.
SHOWN = {("tests/architecture/test_clean_text.py", rule) for rule in RULES}
SHOWN |= {("Makefile", "where packages come from")}
# Offices of a supplier, not persons: whoever sent a wrong order has to write to them at once.
OFFICES = re.compile(r"[a-z-]+@xdconnects\.com")


@pytest.mark.parametrize("rule", RULES)
def test_no_file_contains(rule: str, committed: dict[str, str]) -> None:
    pattern = re.compile(RULES[rule], re.MULTILINE)

    found = [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]}"
        for name, text in committed.items()
        if (name, rule) not in SHOWN and not (rule == "a number of somebody's tracker" and "/samples/" in name)
        for match in pattern.finditer(text)
        if not MADE_UP.match(match[0]) and not OFFICES.fullmatch(match[0])
    ]

    assert not found, f"{rule}: {found}"


def test_text_files_end_with_a_line_end_and_have_none_of_another_system(committed: dict[str, str]) -> None:
    sources = {name: text for name, text in committed.items() if name.endswith((".py", ".toml", ".md", "Makefile"))}

    assert not [name for name, text in sources.items() if "\r" in text or (text and not text.endswith("\n"))]


def test_every_source_file_says_what_it_is_for(committed: dict[str, str]) -> None:
    def documented(text: str) -> bool:
        return not text.strip() or text.lstrip().startswith(('"""', 'r"""', "#!"))

    ours = {
        name: text for name, text in committed.items() if re.match(r"(core|plugins)/.*/src/.*\.py$", f"/{name}"[1:])
    }

    assert not [name for name, text in ours.items() if not documented(text)]


def test_no_lock_file_names_a_host(committed: dict[str, str]) -> None:
    pins = {name: text for name, text in committed.items() if name.startswith("requirements/")}

    assert pins
    assert not [name for name in committed if name.endswith("uv.lock")]
    for name, text in pins.items():
        unpinned = [line for line in text.splitlines() if not re.match(r"[a-z0-9-]+==[\w.]+( ; .*)?$", line)]
        assert not unpinned, f"{name}: {unpinned}"
