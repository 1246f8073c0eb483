"""Connections: nothing is saved before it was seen to work, and secrets are never shown."""

from __future__ import annotations

import contextlib
import os
import pty

import click
import pytest
from plugin_kit import TOKEN

from crossdock.app import App
from crossdock.cli import settings


def test_a_connection_that_works_is_saved_and_active(crossdock):
    crossdock.connect("shop")

    (row,) = crossdock.json("connection", "list")
    assert (row["name"], row["connector"], row["state"]) == ("shop", "acme", "active")


def test_each_step_of_verify_is_shown(crossdock):
    result = crossdock.run(
        "connection", "add", "shop", "-c", "acme", "--set", f"url={crossdock.urls['shop']}", "--set", f"token={TOKEN}"
    )

    assert "✓ Address" in result.stdout
    assert "✓ Token" in result.stdout


def test_a_connection_that_fails_is_not_saved(crossdock):
    result = crossdock.run(
        "connection", "add", "shop", "-c", "acme", "--set", f"url={crossdock.urls['shop']}", "--set", "token=acme-no",
        code=1,
    )  # fmt: skip

    assert "✗" in result.stdout
    assert "Nothing was saved." in result.stdout
    assert crossdock.json("connection", "list") == []


def test_without_a_terminal_nothing_is_asked_and_everything_missing_is_named(crossdock):
    error = crossdock.run("connection", "add", "shop", "-c", "acme", code=2).stderr

    assert "Address (url) is missing. Where to find it: the browser." in error
    assert "Token (token) is missing. Where to find it: Acme > Settings > Tokens." in error


def test_a_setting_that_cannot_be_right_is_refused_before_any_call(crossdock):
    result = crossdock.run(
        "connection", "add", "shop", "-c", "acme", "--set", f"url={crossdock.urls['shop']}", "--set", "token=nope",
        "--set", "colour=red", code=2,
    )  # fmt: skip

    assert "A token begins with acme-." in result.stderr
    assert "There is no setting 'colour'" in result.stderr
    assert crossdock.shop.requests == []


def test_what_verify_found_to_choose_from_is_offered(crossdock):
    result = crossdock.run(
        "connection", "add", "shop", "-c", "acme", "--set", f"url={crossdock.urls['shop']}", "--set", f"token={TOKEN}"
    )

    assert "Warehouse can be one of MAIN, WEST: crossdock connection edit shop --set warehouse=VALUE" in result.stdout


def test_a_secret_is_neither_shown_nor_stored_in_the_clear(crossdock):
    crossdock.connect("shop")
    shown = crossdock.run("connection", "show", "shop").output + str(crossdock.json("connection", "show", "shop"))
    stored = b"".join(path.read_bytes() for path in crossdock.home.glob("crossdock.db*"))

    assert "***" in shown
    assert TOKEN not in shown
    assert TOKEN.encode() not in stored


@pytest.mark.parametrize("reference", ["env", "file"])
def test_a_secret_may_be_a_reference_that_stays_one(crossdock, monkeypatch, tmp_path, reference):
    monkeypatch.setenv("SHOP_TOKEN", TOKEN)
    (tmp_path / "token").write_text(TOKEN + "\n")
    value = "env:SHOP_TOKEN" if reference == "env" else f"file:{tmp_path / 'token'}"
    crossdock.run(
        "connection", "add", "shop", "-c", "acme", "--set", f"url={crossdock.urls['shop']}", "--set", f"token={value}"
    )
    crossdock.run("connection", "edit", "shop", "--set", "warehouse=MAIN")

    assert crossdock.json("connection", "show", "shop")["settings"]["token"] == value


def test_a_setting_can_be_read_from_a_file(crossdock, tmp_path):
    (tmp_path / "token").write_text(TOKEN + "\n")

    crossdock.run(
        "connection", "add", "shop", "-c", "acme", "--set", f"url={crossdock.urls['shop']}", "--set",
        f"token=@{tmp_path / 'token'}",
    )  # fmt: skip


def test_without_a_key_no_secret_is_taken(crossdock):
    (crossdock.home / "crossdock.key").unlink()
    result = crossdock.run(
        "connection", "add", "shop", "-c", "acme", "--set", f"url={crossdock.urls['shop']}", "--set", f"token={TOKEN}",
        code=2,
    )  # fmt: skip

    assert "no key" in result.stderr
    assert crossdock.shop.requests == []


def test_a_draft_is_kept_unverified_and_inactive(crossdock):
    answer = crossdock.json("connection", "add", "shop", "-c", "acme", "--draft")

    assert answer["state"] == "draft"
    assert crossdock.run("sync", "shop", "orders", code=1).stdout.startswith("✗")


def test_a_draft_becomes_active_when_verify_is_green(crossdock):
    crossdock.run(
        "connection", "add", "shop", "-c", "acme", "--draft", "--set", f"url={crossdock.urls['shop']}", "--set",
        f"token={TOKEN}",
    )  # fmt: skip

    assert crossdock.json("connection", "verify", "shop")["state"] == "active"


def test_an_edit_that_fails_changes_nothing(crossdock):
    crossdock.connect("shop")
    crossdock.run("connection", "edit", "shop", "--set", "token=acme-wrong", code=1)

    crossdock.run("connection", "verify", "shop")


def test_a_name_is_taken_once(crossdock):
    crossdock.connect("shop")

    error = crossdock.run("connection", "add", "shop", "-c", "acme", "--set", "url=x", code=2).stderr
    assert "There is a connection 'shop' already." in error


def test_a_paused_connection_is_not_used_until_it_is_resumed(crossdock):
    crossdock.connect("shop")
    crossdock.run("connection", "pause", "shop", "--reason", "moving house")
    asked = len(crossdock.shop.requests)

    assert "moving house" in crossdock.run("sync", "shop", "orders", code=1).stdout
    assert len(crossdock.shop.requests) == asked
    crossdock.run("connection", "resume", "shop")
    crossdock.run("sync", "shop", "orders")


def test_removing_needs_a_yes(crossdock):
    crossdock.connect("shop")

    crossdock.run("connection", "remove", "shop", code=2)
    crossdock.run("connection", "remove", "shop", "--yes")
    assert crossdock.json("connection", "list") == []


def test_a_connection_that_a_flow_uses_stays(crossdock):
    crossdock.connect()
    crossdock.run("flow", "add", "to-erp", "orders", "shop", "erp")

    assert "used by the flow to-erp" in crossdock.run("connection", "remove", "shop", "--yes", code=2).stderr


def test_the_settings_of_a_connector_are_explained(crossdock):
    fields = {each["name"]: each for each in crossdock.json("connection", "add", "x", "-c", "acme", "--settings")}

    assert fields["token"]["kind"] == "secret"
    assert fields["token"]["where"] == "Acme > Settings > Tokens"
    assert not fields["warehouse"]["required"]


def test_a_person_is_asked_again_until_an_answer_can_be_right(crossdock):
    answers = {"url": ["http://x"], "token": ["nope", "", "acme-1"]}
    values: dict[str, str] = {}
    with App(crossdock.home) as app, click.Context(click.Command("x")):
        settings.fill(app.registry.connector("acme"), values, lambda field: answers[field.name].pop(0))

    assert values == {"url": "http://x", "token": "acme-1"}


def test_at_a_terminal_a_person_is_asked_and_the_secret_is_not_shown(crossdock):
    master, slave = pty.openpty()
    asked = crossdock.start("connection", "add", "shop", "-c", "acme", stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    screen = b""
    answers = {b"Address: ": crossdock.urls["shop"], b"Token: ": TOKEN}
    with contextlib.suppress(OSError):  # Linux ends a terminal that nobody holds open with an error
        while text := os.read(master, 4096):
            screen += text
            for question in [each for each in answers if screen.endswith(each)]:
                os.write(master, f"{answers.pop(question)}\n".encode())
    os.close(master)

    assert asked.wait(timeout=30) == 0, screen
    assert b"Where to find it: Acme > Settings > Tokens" in screen
    assert TOKEN.encode() not in screen
