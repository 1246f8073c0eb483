"""New connectors of every kind, written into folders and installed without an environment of their own."""

from __future__ import annotations

import ast
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from pathlib import Path

from crossdock.scaffold import AUTHS, PAGINGS, STREAMS, WEBHOOKS, WRITES, Choices

READS = (("orders",), STREAMS, ("balance",), ("products",), ("orders", "balance"))
WRITTEN = ((), WRITES, ("orders", "shipments"), ("balance",), ("products", "prices"))


def kinds() -> Iterator[Choices]:
    """Every way of logging in with every way of reading, and all else with each of them at least once."""
    for row, auth in enumerate(AUTHS):
        for column, paging in enumerate(PAGINGS):
            yield Choices(
                name=f"acme_{auth}_{paging.replace('-', '_')}",
                auth=auth,
                paging=paging,
                webhooks=tuple(WEBHOOKS)[(row + column // 2) % 3],
                streams=READS[(2 * row + column) % 5],
                writes=WRITTEN[(row + 2 * column) % 5],
            )


def install(folder: Path) -> Path:
    """Make the connector in `folder` one that is found from its `src`, as its pyproject.toml says."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = folder / "src" / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    entries = "".join(
        f"{name} = {target}\n" for name, target in project["entry-points"]["crossdock.connectors"].items()
    )
    (info / "entry_points.txt").write_text(f"[crossdock.connectors]\n{entries}")
    return folder / "src"


def environment(home: Path) -> Path:
    """The Python of a virtual environment that also sees what is installed here, so that nothing has to be fetched."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True, capture_output=True)
    (packages,) = home.glob("lib/python*/site-packages")
    ours = sysconfig.get_paths()["purelib"]
    (packages / "ours.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    return home / "bin" / "python"


def code_lines(module: Path) -> int:
    """The lines of a module that are neither empty nor a comment nor in a docstring."""
    text = module.read_text()
    documented: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            documented.update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return sum(
        1
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.strip().startswith("#") and number not in documented
    )
