"""Follows the tutorial as a reader does: writes its blocks into the files that they name, types its commands.

The first line of a block of Python names its file, with ", all of it" or ", instead of what has the same names". Text
after commands is what the last of them shows; "…" stands for anything.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# ([\w./]+), (all of it|instead of what has the same names)\n")
PORT = "8801"


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """The page's blocks: language and text."""
    yield from _BLOCK.findall(page.read_text())


@attrs.define
class Reader:
    """Somebody with an environment and a folder, who has read so far."""

    python: Path
    here: Path
    connector: Path
    shown: str = ""
    port: str = ""
    served: list[subprocess.Popen[str]] = attrs.field(factory=list)

    def read(self, language: str, text: str) -> None:
        """Do what a block says."""
        named = _FILE.match(text)
        if language == "sh":
            for line in text.splitlines():
                self._type(line)
        elif language == "text":
            self._compare(text)
        elif named is not None:
            path, code = self.connector / named[1], text[named.end() :]
            path.write_text(code if named[2] == "all of it" else replaced(path.read_text(), code))

    def _type(self, line: str) -> None:
        name, *words = shlex.split(line.replace(PORT, self.port or PORT))
        if name == "cd":
            self.here /= words[0]
        elif (name, *words[:1]) == ("crossdock", "sandbox"):
            self._serve(words)
        elif name == "pip":
            self._run([sys.executable, "-m", "pip", "--python", str(self.python), "--no-input", *words])
        else:
            module = {"pytest": ["pytest", "-p", "no:cacheprovider"], "crossdock": ["crossdock"]}[name]
            self._run([str(self.python), "-m", *module, *words], wrong="--exitfirst" in words)

    def _run(self, command: list[str], *, wrong: bool = False) -> None:
        done = subprocess.run(
            command, cwd=self.here, env=_environment(), capture_output=True, text=True, stdin=subprocess.DEVNULL,
            check=False,
        )  # fmt: skip
        self.shown = done.stdout + done.stderr
        assert (done.returncode != 0) == wrong, f"{command}\n{self.shown}"

    def _serve(self, words: list[str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = str(free.getsockname()[1])
        words = [self.port if word == PORT else word for word in words]
        process = subprocess.Popen(
            [str(self.python), "-m", "crossdock", *words], cwd=self.here, env=_environment(), text=True,
            stdout=subprocess.PIPE,
        )  # fmt: skip
        self.served.append(process)
        assert process.stdout is not None
        assert process.stdout.readline()

    def _compare(self, text: str) -> None:
        for line in text.splitlines():
            pattern = ".*".join(re.escape(part) for part in line.split("…"))
            assert re.search(f"^{pattern}$", self.shown, re.MULTILINE), f"{line}\nis not in\n{self.shown}"

    def stop(self) -> None:
        """Stop what is being served."""
        for process in self.served:
            process.kill()
            process.communicate()


def _environment() -> dict[str, str]:
    """Without what would change the story: a project of ours, a network, colours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CROSSDOCK_", "PYTHONPATH"))}
    # pip reads the last one upside down: 0 means without an environment to build in, which would have to be fetched.
    return {**kept, "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "NO_COLOR": "1", "PYTHONUTF8": "1"}


def replaced(source: str, code: str) -> str:
    """`source` with the functions, methods and constants of `code` in the place of those with the same names."""
    for name, text in _parts(code).items():
        places = _places(ast.parse(source).body)
        assert name in places, f"There is no {name} to be replaced."
        first, last = places[name]
        lines = source.splitlines()
        source = "\n".join([*lines[: first - 1], text, *lines[last:]]) + "\n"
    return source


def _parts(code: str) -> dict[str, str]:
    lines = code.splitlines()
    return {name: "\n".join(lines[first - 1 : last]) for name, (first, last) in _places(ast.parse(code).body).items()}


def _places(body: list[ast.stmt], within: str = "") -> dict[str, tuple[int, int]]:
    """Name to first and last line; methods have their class's name before theirs."""
    found: dict[str, tuple[int, int]] = {}
    for node in body:
        last = node.end_lineno or node.lineno
        if isinstance(node, ast.ClassDef):
            found |= _places(node.body, f"{node.name}.")
        elif isinstance(node, ast.FunctionDef):
            found[within + node.name] = (min(each.lineno for each in (node, *node.decorator_list)), last)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and not within:
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            found[ast.unparse(target)] = (node.lineno, last)
    return found
