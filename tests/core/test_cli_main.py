"""The command line as a whole: quick, helpful, and never a traceback for a person's mistake."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys

import click
import pytest
from cli_kit import process
from click.testing import CliRunner

import crossdock
from crossdock.cli import COMMANDS, main


def leaves(command, words):
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from leaves(inner, [*words, name])
    else:
        yield words


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples_and_json(name):
    for words in leaves(main.get_command(click.Context(main), name), [name]):
        help_text = CliRunner().invoke(main, [*words, "--help"], prog_name="crossdock").stdout

        assert f"crossdock {' '.join(words)}" in help_text.partition("Examples:")[2]
        assert "--json" in help_text


def test_the_version_costs_little():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = process("--version")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)

    assert done.stdout.strip().endswith(crossdock.__version__)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.3  # 0.15 on a quiet machine


def test_the_command_line_imports_nothing_of_a_command_that_is_not_used():
    script = "import sys, crossdock.cli; print([m for m in sys.modules if m.startswith('crossdock.')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "['crossdock.cli']"


def test_it_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "crossdock", "--help"], capture_output=True, text=True, check=True)

    assert "Usage: crossdock" in done.stdout


def test_a_mistake_is_a_sentence_with_a_hint_on_stderr(crossdock):
    result = crossdock.run("connection", "show", "nope", code=2)

    assert result.stdout == ""
    assert "There is no connection 'nope'" in result.stderr
    assert "Hint:" in result.stderr


def test_a_mistake_is_json_when_json_was_asked_for(crossdock):
    answer = crossdock.json("connection", "show", "nope", code=2)

    assert answer.keys() == {"error", "hint"}


def test_wrong_options_are_json_too_when_json_was_asked_for(crossdock):
    result = crossdock.run("flow", "add", "x", "--json", code=2)

    assert "Missing argument" in json.loads(result.stdout)["error"]


def test_an_unknown_command_is_wrong_usage():
    assert process("nope", code=2).stderr.endswith("No such command 'nope'.\n")


def test_a_database_that_cannot_be_opened_is_told(crossdock, monkeypatch):
    monkeypatch.setenv("CROSSDOCK_DATABASE_URL", "sqlite:////no/such/folder/x.db")

    result = crossdock.run("status", code=1)

    assert "/no/such/folder" in result.stderr
    assert "Hint:" in result.stderr


def test_a_reader_that_goes_away_is_no_trouble(crossdock):
    command = f"{sys.executable} -m crossdock --help | head -1; {sys.executable} -m crossdock connectors --json | true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602  a pipe is meant

    assert done.stderr == ""


def test_the_project_can_be_named(crossdock, tmp_path, monkeypatch):
    crossdock.connect("shop")
    monkeypatch.delenv("CROSSDOCK_HOME")

    assert "shop" in crossdock.run("--project", str(crossdock.home), "connection", "list").stdout


def test_a_first_command_makes_the_database(tmp_path):
    process("status", environment={"CROSSDOCK_HOME": str(tmp_path)})

    assert (tmp_path / "crossdock.db").is_file()


@pytest.mark.parametrize("words", [(), ("--json",)], ids=["for a person", "for a machine"])
def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path, words):
    (tmp_path / "file").touch()

    result = CliRunner().invoke(main, ["init", str(tmp_path / "file" / "shop"), *words], prog_name="crossdock")

    said = json.loads(result.stdout)["error"] if words else result.stderr.removeprefix("Error: ").strip()
    assert (said, result.exit_code) == (f"{tmp_path / 'file' / 'shop'} cannot be used: Not a directory.", 2)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("words", [(), ("--json",)], ids=["for a person", "for a machine"])
def test_a_full_disk_is_a_sentence(words):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "crossdock", "connectors", *words], stdout=full, stderr=subprocess.PIPE, text=True,
            check=False,
        )  # fmt: skip

    assert done.stderr == "Error: What there is to say cannot be written: No space left on device.\n"
    assert done.returncode == 1
