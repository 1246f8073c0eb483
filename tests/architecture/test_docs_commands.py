"""Every command that a page shows exists, takes what it is given, and is run by a test."""

from __future__ import annotations

import contextlib
import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import click
import pytest

from crossdock.cli import main
from crossdock.sandbox import serve
from crossdock_cdiscount import sandbox as cdiscount
from crossdock_extendcommerce import sandbox as extendcommerce
from crossdock_mirakl import sandbox as mirakl
from crossdock_woocommerce import sandbox as woocommerce
from crossdock_xdconnects import sandbox as xdconnects

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path.relative_to(ROOT)
    for pattern in ("*.md", "docs/**/*.md", "core/*.md", "plugins/*/*.md", "examples/**/*.md")
    for path in ROOT.glob(pattern)
)
# What else a page may show, and why it needs no test of its own.
OTHERS = {
    "cd": "moves within a page's story",
    "python3": "makes an environment of the reader's own",
    "envs/shop/bin/pip": "installs into an environment of the reader's own",
    "export": "sets a variable of the shell",
    "sqlite3": "a program of the reader's own",
    "pg_dump": "a program of the reader's own",
    "pg_restore": "a program of the reader's own",
    "sudo": "administers the reader's own machine",
    "docker": "a program of the reader's own",
    "pytest": "runs a bundle, as test_replay_journey does, or an author's own tests, as tests/scaffold does",
    "source": "enters the environment that make setup made",
    "pip": "its folders are checked here, and test_distributions installs them as wheels",
}


@attrs.frozen
class Shown:
    """A command that a page shows."""

    page: Path
    words: tuple[str, ...]

    @property
    def text(self) -> str:
        """The command as one would type it."""
        return shlex.join(self.words)


def _lines(page: Path) -> Iterator[str]:
    text = (ROOT / page).read_text()
    for block in re.findall(r"^```(?:sh|bash|console)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield from block.replace("\\\n", " ").splitlines()


def _shown() -> Iterator[Shown]:
    for page in PAGES:
        for line in _lines(page):
            for part in re.split(r"\s(?:&&|\|)\s", line.removeprefix("$ ")):
                words = tuple(shlex.split(part.partition(" > ")[0], comments=True))
                if words:
                    yield Shown(page, words)


SHOWN = list(_shown())
CROSSDOCK = [each for each in SHOWN if each.words[0] == "crossdock"]


def _find(words: tuple[str, ...]) -> tuple[click.Command, list[str], list[str]]:
    """The command that words name, its path, and what is left for it."""
    command: click.Command = main
    context = click.Context(main, info_name="crossdock")
    path: list[str] = []
    left = list(words)
    while isinstance(command, click.Group) and left and not left[0].startswith("-"):
        found = command.get_command(context, left[0])
        if found is None:
            break
        command, context = found, click.Context(found, info_name=left[0], parent=context)
        path.append(left.pop(0))
    return command, path, left


@pytest.mark.parametrize("shown", CROSSDOCK, ids=lambda each: f"{each.page}: {each.text}")
def test_a_command_takes_what_a_page_gives_it(shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for word in shown.words:
        if re.fullmatch(r"[\w-]+\.(csv|toml|txt)", word):
            Path(word).touch()

    command, path, left = _find(shown.words[1:])

    assert path or left, "A command without any word does nothing."
    with contextlib.suppress(click.exceptions.Exit):
        command.make_context(" ".join(("crossdock", *path)), left, parent=click.Context(main, info_name="crossdock"))


def test_commands_in_running_text_exist() -> None:
    unknown = []
    for page in PAGES:
        text = re.sub(r"^```.*?^```", "", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)
        for quoted in re.findall(r"`crossdock ([a-z][^`]*)`", text):
            command, path, left = _find(tuple(quoted.replace("…", "").split()))
            if not path or (isinstance(command, click.Group) and left and not left[0].startswith("-")):
                unknown.append(f"{page}: crossdock {quoted}")

    assert not unknown


def test_a_command_that_the_program_names_does_something() -> None:
    idle = []
    for path in sorted((ROOT / "core" / "src").rglob("*.py")):
        for named in re.findall(r": crossdock ([a-z][a-z-]*(?: [a-z-]+)*)\"", path.read_text()):
            command, _, left = _find(tuple(named.split()))
            if isinstance(command, click.Group) and not command.invoke_without_command and not left:
                idle.append(f"{path.name}: crossdock {named}")

    assert not idle


def test_every_other_command_is_a_known_one() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    for each in SHOWN:
        name, *rest = each.words
        if name == "make":
            assert {word for word in rest if "=" not in word} <= targets, f"{each.page}: {each.text}"
        elif name == "pip":
            assert all((ROOT / word / "pyproject.toml").is_file() for word in rest if word.startswith("./"))
        else:
            assert name == "crossdock" or name in OTHERS, f"{each.page}: {each.text}"


def test_every_command_is_run_by_a_test() -> None:
    walk = runpy.run_path(str(ROOT / "docs" / "write_command_line.py"))["walk"]
    tests = "\n".join(
        path.read_text() for path in sorted(ROOT.glob("tests/**/*.py")) if path.name != Path(__file__).name
    )
    readme = {" ".join(_find(each.words[1:])[1]) for each in CROSSDOCK if each.page == Path("README.md")}

    def is_run(path: str) -> bool:
        words = r"[\"',\s]+".join(map(re.escape, path.split()))
        return path in readme or re.search(rf"[(\[ ]\s*[\"'](?:crossdock[\"', ]+)?{words}[\"' ]", tests) is not None

    commands = [path for path, _ in walk(main, click.Context(main, info_name="crossdock")) if path]

    assert not [path for path in commands if not is_run(path)]


def test_the_page_of_commands_is_what_make_docs_writes() -> None:
    written = runpy.run_path(str(ROOT / "docs" / "write_command_line.py"))["page"]()

    assert (ROOT / "docs" / "command-line.md").read_text() == written


# -- the readme, as a newcomer types it ----------------------------------------------------------------


@contextlib.contextmanager
def _systems() -> Iterator[dict[str, dict[str, str]]]:
    """A shop and an ERP with the same articles, marketplaces and a supplier: connection name to settings."""
    shop, erp = woocommerce.create(), extendcommerce.create()
    shop.seed(orders=6, products=3, simple=True)
    state = shop.state()
    erp.seed_products(
        {"productNumber": each["sku"], "name": each["name"], "price": "10", "stock": {erp.stock.default_warehouse: 100}}
        for each in (*state["products"], *state["variations"])
    )
    others = {"market": mirakl.create(), "octopia": cdiscount.create(), "supplier": xdconnects.create()}
    with contextlib.ExitStack() as stack:
        yield {
            name: system.settings(stack.enter_context(serve(system)).url)
            for name, system in {"shop": shop, "erp": erp, **others}.items()
        }


@pytest.mark.slow
def test_the_readme_works_as_written(tmp_path: Path) -> None:
    """Only what is the reader's own differs: the accounts, and the number of an order that exists."""
    story = [each for each in CROSSDOCK if each.page == Path("README.md")]
    cleared = {name: value for name, value in os.environ.items() if not name.startswith("CROSSDOCK_")}
    home, connected = tmp_path, set()

    def crossdock(*words: str) -> str:
        result = subprocess.run(
            [sys.executable, "-m", "crossdock", *words], cwd=home, env=cleared, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        assert result.returncode == 0, f"{words}: exit {result.returncode}\n{result.stdout}{result.stderr}"
        return result.stdout

    def left_running(*words: str) -> None:
        """Started, and stopped as soon as it said that it runs."""
        with subprocess.Popen(
            [sys.executable, "-m", "crossdock", *words], cwd=home, env=cleared, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        ) as running:  # fmt: skip
            said = running.stdout.readline() if running.stdout else ""
            running.terminate()
            assert running.wait(timeout=20) == 0, said

    with _systems() as accounts:
        for each in story:
            words = list(each.words[1:])
            if words == ["run"]:
                left_running("run", "--port", "0")
                continue
            if words[:2] == ["connection", "add"]:
                name = words[2]
                if name in connected or "--settings" in words:
                    continue
                connected.add(name)
                words = words[:5] + [part for pair in accounts[name].items() for part in ("--set", "=".join(pair))]
            if words[:2] == ["explain", "order"]:
                effects = json.loads(crossdock("effects", "list", "--all", "--json"))
                words[2] = next(effect["key"] for effect in effects if effect["flow"] == "to-erp")
            if words[:2] == ["stock", "list"]:
                words[2] = json.loads(crossdock("stock", "list", "--json"))[0]["sku"]
            crossdock(*words)
            if words[0] == "init":
                home = tmp_path / words[1]

        assert connected == {"shop", "erp", "market", "octopia", "supplier"}
