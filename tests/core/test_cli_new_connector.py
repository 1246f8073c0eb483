"""``crossdock new-connector``: writes a connector, refuses in a sentence what cannot be, asks on a terminal only."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from crossdock.cli import main


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty folder, which commands are run in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _run(*words: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["new-connector", *words], prog_name="crossdock")
    assert result.exit_code == code, result.output
    return result


def test_what_was_written_and_what_comes_next_is_said():
    shown = _run("acme").output

    assert "src/crossdock_acme/plugin.py" in shown
    assert shown.split("Next:\n")[1].splitlines()[:3] == [
        "  cd crossdock-acme",
        '  pip install --editable ".[test]"',
        "  pytest --crossdock-report",
    ]


def test_machines_get_the_same():
    data = json.loads(_run("acme_shop", "--json").output)

    assert (data["distribution"], data["package"]) == ("crossdock-acme-shop", "crossdock_acme_shop")
    assert Path(data["directory"]) == Path.cwd() / "crossdock-acme-shop"
    assert all(Path(data["directory"], each).is_file() for each in data["files"])
    assert len(data["next"]) == 3


def test_every_choice_is_taken():
    _run(
        "acme", "--title", "Acme Nord", "--auth", "basic", "--paging", "token", "--webhooks", "signed",
        "--streams", "balance, orders", "--writes", "shipments", "--dir", "elsewhere",
    )  # fmt: skip

    package = Path("elsewhere", "src", "crossdock_acme")
    plugin = (package / "plugin.py").read_text()
    assert 'title="Acme Nord"' in plugin
    for hook in ("fetch_orders", "fetch_balance", "push_shipment", "handle_webhook"):
        assert f"def {hook}(" in plugin
    assert "basic_auth" in (package / "settings.py").read_text()
    assert "token_pages" in (package / "reading.py").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("class",), "is a word of Python"),
        (("match",), "is a word of Python"),
        (("Acme",), "cannot be the name of a connector"),
        (("acme-shop",), "such as acme or acme_shop"),
        (("a" * 31,), "cannot be the name of a connector"),
        (("local",), "a project's own plugin"),
        (("woocommerce",), "installed already"),
        (("acme", "--streams", "customers"), "There are: orders, products, balance"),
        (("acme", "--streams", ""), "reads one stream at least"),
        (("acme", "--writes", "orders,money"), "--writes cannot be 'money'"),
        (("acme", "--title", 'A "good" one'), "quotation mark"),
        (("acme", "--title", "a" * 41), "longer than 40"),
        (("acme", "--auth", "magic"), "is not one of"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(words, said, home):
    assert said in _run(*words, code=2).output
    assert not list(home.iterdir())


def test_a_folder_with_something_in_it_is_left_alone(home):
    (home / "crossdock-acme").mkdir()
    (home / "crossdock-acme" / "notes.txt").write_text("mine")

    assert "is not empty" in _run("acme", code=2).output
    assert [each.name for each in (home / "crossdock-acme").iterdir()] == ["notes.txt"]


def test_an_empty_folder_is_taken(home):
    (home / "crossdock-acme").mkdir()

    _run("acme")

    assert (home / "crossdock-acme" / "pyproject.toml").is_file()


def test_a_place_that_is_a_file_is_said(home):
    (home / "crossdock-acme").write_text("")

    assert "cannot be written" in _run("acme", code=2).output


@pytest.mark.slow
def test_what_is_missing_is_asked_for_on_a_terminal(home):
    master, slave = pty.openpty()
    asked = subprocess.Popen(
        [sys.executable, "-m", "crossdock", "new-connector", "acme", "--webhooks", "none"],
        stdin=slave, stdout=slave, stderr=slave,
    )  # fmt: skip
    os.close(slave)
    shown = ""
    for question, answer in (
        ("How do requests log in?", "basic"),
        ("How are lists read?", ""),
        ("What is read?", "products"),
        ("What is written?", ""),
    ):
        while not shown.rpartition(question)[1] or not shown.rstrip().endswith(":"):
            shown += os.read(master, 4096).decode()
        os.write(master, f"{answer}\n".encode())
        shown = ""
    assert asked.wait(timeout=30) == 0
    os.close(master)

    plugin = (home / "crossdock-acme" / "src" / "crossdock_acme" / "plugin.py").read_text()
    assert "def fetch_products(" in plugin
    assert "ChangeLists" in plugin
    assert "basic_auth" in (home / "crossdock-acme" / "src" / "crossdock_acme" / "settings.py").read_text()
