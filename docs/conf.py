"""The documentation site: the project's Markdown pages as they are, with a contents, a search and checked links.

The site's root is the project's root, so that a link between pages is the same in the repository and in the site. What
the contents are is written in docs/index.md alone: its lists of links, section by section.
"""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

import crossdock

ROOT = Path(__file__).parents[1]

# -- what is shown -----------------------------------------------------------------------------------

project = "Crossdock"
author = copyright = "The Crossdock authors"
version = release = crossdock.__version__

extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = ["*.md", "docs/**.md", "core/README.md", "plugins/*/README.md", "examples/**.md"]
exclude_patterns = [".*", "build", "tests", "benchmarks", "requirements", "plugins/*/src", "core/src", "**/.*"]

# -- links: a link that leads nowhere fails the build -------------------------------------------------

nitpicky = True
myst_heading_anchors = 6
linkcheck_ignore = [r"https?://[^/]*\.(example|test|invalid)\b", r"https?://(localhost|127\.0\.0\.1)\b"]
linkcheck_timeout = 20

# -- how it looks ------------------------------------------------------------------------------------

html_theme = "furo"
html_title = "Crossdock"
html_static_path = ["site"]
html_css_files = ["site.css"]
html_extra_path = ["site/start"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_copyright = False
html_last_updated_fmt = None
smartquotes = False
pygments_style = "friendly"
pygments_dark_style = "native"

# -- the contents ------------------------------------------------------------------------------------

NUMBERED = "0001-"
"""A link to the first of numbered pages stands for all of them."""


def contents(text: str) -> list[tuple[str, dict[str, str]]]:
    """The sections of docs/index.md with the pages that their lists link to.

    Pages are paths below the project's root, each with what its link calls it (empty: what it calls itself).
    """
    found = []
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        heading, _, body = section.partition("\n")
        pages: dict[str, str] = {}
        for title, link in re.findall(r"^\* \[([^]]+)\]\(([^)#]+)\.md\)", body, re.MULTILINE):
            pages.update(_pages(title, link))
        found.append((heading, pages))
    return found


def _pages(title: str, link: str) -> dict[str, str]:
    path = (ROOT / "docs" / link).resolve().relative_to(ROOT)
    if not path.name.startswith(NUMBERED):
        return {path.as_posix(): title}
    numbered = sorted(ROOT.glob(f"{path.parent.as_posix()}/*.md"))
    return {each.relative_to(ROOT).with_suffix("").as_posix(): "" for each in numbered}


def _tree(heading: str, pages: dict[str, str]) -> str:
    entries = (f"{title} </{path}>" if title else f"/{path}" for path, title in pages.items())
    return "\n".join(("```{toctree}", ":hidden:", f":caption: {heading}", "", *entries, "```"))


def _with_contents(app: Sphinx, page: str, source: list[str]) -> None:
    if page == root_doc:
        source[0] += "\n" + "\n\n".join(_tree(*section) for section in contents(source[0])) + "\n"


def _contents_again(*_: object) -> list[str]:
    """The contents depend on which pages there are, so they are read in every build."""
    return [root_doc]


def setup(app: Sphinx) -> None:
    """Take part in the build."""
    app.connect("env-get-outdated", _contents_again)
    app.connect("source-read", _with_contents)
