"""A new connector is whole, whatever was chosen: it compiles, reads like ours, is typed, and keeps its contract."""

from __future__ import annotations

import compileall
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from scaffold_kit import code_lines, install, kinds

from crossdock.hookspecs import CONNECTOR_HOOKS
from crossdock.scaffold import STREAMS, WRITES, Choices, write
from crossdock.testing import HAZARDS, Subject, play

NAMES = [choices.name for choices in kinds()]
# Each way of logging in, of reading, each kind of webhook, with and without writes.
PLAYED = [
    "acme_header_since",
    "acme_basic_token",
    "acme_query_next_link",
    "acme_oauth_file",
    "acme_signed_offset",
    "acme_basic_pages",
]
# The crash sweep takes as long as all other hazards together: one that only reads and one that writes everything.
SWEPT = {"acme_header_since", "acme_signed_offset"}
EXEMPT_WHERE_LISTS_ARE_WHOLE = {"restart-from-any-page", "quiet-second-run"}


def _run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    result = subprocess.run(
        [str(each) for each in command], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
    return result.stdout


def test_all_kinds_are_among_them():
    chosen = list(kinds())

    assert len(chosen) == 30
    for name in ("auth", "paging", "webhooks"):
        pairs = {(getattr(each, name), bool(each.writes)) for each in chosen}
        assert len(pairs) == 2 * len({value for value, _ in pairs}), f"{name} with and without writes"


def test_every_module_compiles(generated):
    for folder, _ in generated.values():
        assert compileall.compile_dir(str(folder), quiet=1)


def test_linter_and_formatter_have_nothing_to_say(generated):
    folders = [folder for folder, _ in generated.values()]

    _run(sys.executable, "-m", "ruff", "check", "--no-cache", *folders, cwd=folders[0])
    _run(sys.executable, "-m", "ruff", "format", "--no-cache", "--check", *folders, cwd=folders[0])


@pytest.mark.slow
def test_the_types_hold(generated, tmp_path):
    sources = [folder / "src" / choices.package for folder, choices in generated.values()]
    paths = os.pathsep.join(str(each.parent) for each in sources)

    _run(
        sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path, *sources,
        cwd=tmp_path, env={**os.environ, "MYPYPATH": paths},
    )  # fmt: skip


def test_nothing_is_left_to_be_filled_in(generated):
    unfinished = re.compile(r"\b(to-?do|fix-?me|NotImplementedError)\b|\{\{|\{%|\n\n\n\n", re.IGNORECASE)
    for folder, _ in generated.values():
        for path in folder.rglob("*"):
            if path.is_file() and path.suffix != ".pyc" and "workflows" not in path.parts:
                assert not unfinished.search(path.read_text()), path


def test_what_was_not_chosen_leaves_nothing_behind(tmp_path):
    write(Choices(name="acme"), tmp_path / "acme")

    names = {path.name for path in (tmp_path / "acme" / "src" / "crossdock_acme").iterdir()}
    assert names == {
        "__init__.py", "mapping.py", "plugin.py", "py.typed", "rehearsal.py", "sandbox.py", "settings.py", "wire.py"
    }  # fmt: skip
    assert not re.search(
        "webhook|parcel|token", (tmp_path / "acme" / "src" / "crossdock_acme" / "sandbox.py").read_text()
    )


def test_a_connector_that_only_reads_orders_is_sixty_lines(tmp_path):
    write(Choices(name="acme"), tmp_path / "acme")

    source = tmp_path / "acme" / "src" / "crossdock_acme"
    assert sum(code_lines(source / f"{name}.py") for name in ("plugin", "settings", "wire", "mapping")) <= 60


@pytest.mark.parametrize("name", ["x", "a_name_as_long_as_names_can_be"])
def test_short_and_long_names_are_formatted_as_well(name, tmp_path):
    everything = {"streams": STREAMS, "writes": WRITES, "auth": "signed", "webhooks": "registers"}
    write(Choices(name=name, title=name[:1] * 40, **everything), tmp_path)

    _run(sys.executable, "-m", "ruff", "check", "--no-cache", ".", cwd=tmp_path)
    _run(sys.executable, "-m", "ruff", "format", "--no-cache", "--check", ".", cwd=tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_it_does_what_was_chosen(name, generated, monkeypatch):
    folder, choices = generated[name]
    subject = _subject(folder, choices, monkeypatch)

    assert not subject.problem
    assert subject.reads == choices.streams
    written = {"orders": "push_order", "shipments": "push_shipment"}
    wanted = {written.get(each, f"push_{each}") for each in choices.writes}
    assert {hook for hook in CONNECTOR_HOOKS if hook.startswith("push_") and subject.can(hook)} == wanted
    assert subject.can("handle_webhook") == (choices.webhooks != "none")
    assert subject.can("register_webhook") == (choices.webhooks == "registers")


@pytest.mark.slow
@pytest.mark.parametrize("name", PLAYED)
def test_it_reaches_gold(name, generated, monkeypatch):
    folder, choices = generated[name]
    subject = _subject(folder, choices, monkeypatch)

    hazards = [each for each in HAZARDS if each.name != "stopped-at-every-step" or name in SWEPT]

    played = [play(hazard, subject) for hazard in hazards]

    failed = {result.hazard.name: result.seen for result in played if result.state in ("failed", "not rehearsed")}
    exempt = EXEMPT_WHERE_LISTS_ARE_WHOLE if choices.whole else set()
    assert failed.keys() == exempt, failed
    contract = (folder / "tests" / "test_contract.py").read_text()
    assert all(f'"{each}"' in contract for each in exempt)


def _subject(folder: Path, choices: Choices, monkeypatch: pytest.MonkeyPatch) -> Subject:
    monkeypatch.syspath_prepend(str(folder / "src"))
    return Subject.of(importlib.import_module(f"{choices.package}.plugin"), choices.name)


def test_it_is_found_by_its_entry_point(generated, monkeypatch, tmp_path):
    folder, choices = generated["acme_header_since"]
    source = install(folder)
    env = {**os.environ, "PYTHONPATH": str(source), "CROSSDOCK_HOME": str(tmp_path)}

    known = json.loads(_run(sys.executable, "-m", "crossdock", "connectors", "--json", cwd=tmp_path, env=env))

    assert [each["problem"] for each in known if each["name"] == choices.name] == [""]
