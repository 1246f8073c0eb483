"""The code of the pages for authors: taken out of them, installed, and tried in a project of its own.

A block of code that belongs to a file says so in its first line, ``# crossdock_acme/plugin.py``; further blocks of the
same file end that line with ``, continued``.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
from click.testing import CliRunner, Result

from crossdock.cli import main

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "author"
_BLOCK = re.compile(r"^```(python|toml)\n# ([\w./]+)(, continued)?\n(.*?)^```", re.MULTILINE | re.DOTALL)


@attrs.frozen
class Block:
    """A piece of a file, as a page shows it."""

    page: str
    file: str
    continues: bool
    code: str


def blocks() -> Iterator[Block]:
    """All blocks that belong to files, page by page as the contents lists them."""
    listed = re.findall(r"\(author/(\w+)\.md\)", (ROOT / "docs" / "index.md").read_text())
    for page in dict.fromkeys(listed):
        for _, file, continues, code in _BLOCK.findall((PAGES / f"{page}.md").read_text()):
            yield Block(page, file, bool(continues), code)


def files() -> dict[str, str]:
    """The files that the blocks make."""
    made: dict[str, str] = {}
    for block in blocks():
        # What goes on inside a class is set off by one empty line, what begins anew by two.
        gap = "\n" if block.code.startswith(" ") else "\n\n"
        made[block.file] = made[block.file] + gap + block.code if block.continues else block.code
    return made


def write(folder: Path) -> Path:
    """Install the pages' connector into `folder`, as its own pyproject.toml says, and answer the folder."""
    written = files()
    project = tomllib.loads(written.pop("pyproject.toml"))["project"]
    for name, code in written.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    (folder / "crossdock_acme" / "py.typed").touch()
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    entries = project["entry-points"]["crossdock.connectors"].items()
    lines = "\n".join(f"{name} = {module}" for name, module in entries)
    (info / "entry_points.txt").write_text(f"[crossdock.connectors]\n{lines}\n")
    return folder


@attrs.frozen
class Project:
    """A project with two connections to Acmes, `shop` and `office`, and a command line."""

    shop: Any
    office: Any

    def run(self, *words: str, code: int | None = 0) -> Result:
        """The result of a command; its exit code has to be `code`, unless that is `None`."""
        result = CliRunner().invoke(main, list(words), prog_name="crossdock")
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert code in (None, result.exit_code), f"{words}: exit {result.exit_code}\n{result.output}"
        return result

    def json(self, *words: str, code: int | None = 0) -> Any:
        """What a command answers as JSON."""
        return json.loads(self.run(*words, "--json", code=code).stdout)

    def connect(self, name: str, *more: str, code: int | None = 0) -> Result:
        """Add a connection; `more` are settings that differ."""
        twin = {"shop": self.shop, "office": self.office}[name]
        pairs = [f"{key}={value}" for key, value in twin.settings(twin.base_url).items()]
        sets = [word for pair in (*pairs, *more) for word in ("--set", pair)]
        return self.run("connection", "add", name, "-c", "acme", *sets, code=code)
