"""The documentation site builds without a warning, and every page is found from its contents."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from author_kit import ROOT

CONF = ROOT / "docs" / "conf.py"


def _listed() -> list[str]:
    contents = runpy.run_path(str(CONF))["contents"]
    return [page for _, pages in contents((ROOT / "docs" / "index.md").read_text()) for page in pages]


def test_the_contents_list_every_page_once():
    pages = {
        path.relative_to(ROOT).with_suffix("").as_posix()
        for pattern in ("*.md", "docs/**/*.md", "core/README.md", "plugins/*/README.md", "examples/**/*.md")
        for path in ROOT.glob(pattern)
    }

    listed = _listed()

    assert sorted(listed) == sorted(set(listed))
    assert pages - set(listed) == {"docs/index"}, "List it in docs/index.md."
    assert set(listed) <= pages


def test_the_readme_leads_to_the_contents():
    assert "](docs/index.md)" in (ROOT / "README.md").read_text()


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_asks_nobody(tmp_path: Path) -> None:
    site = tmp_path / "site"
    command = [
        Path(sys.executable).parent / "sphinx-build", "-q", "--fail-on-warning", "--keep-going", "-c", ROOT / "docs",
        "--doctree-dir", tmp_path / "doctrees", "-b", "html", ROOT, site,
    ]  # fmt: skip

    result = subprocess.run(command, capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stdout + result.stderr
    front = (site / "docs" / "index.html").read_text()
    for page in _listed():
        html = (site / f"{page}.html").read_text()
        assert "<h1" in html
        # In the sidebar of the front page, so it is one click away.
        target = page.removeprefix("docs/") if page.startswith("docs/") else f"../{page}"
        assert f'href="{target}.html"' in front, page
        # What a browser would fetch by itself comes with the site.
        assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"(?:https?:)?//[^\"]+", html), page
    assert "docs/index.html" in (site / "index.html").read_text()
