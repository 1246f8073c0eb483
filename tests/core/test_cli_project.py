"""A project folder, and the plugins that are installed."""

from __future__ import annotations

import stat

import pytest
from plugin_kit import ACME, install


def test_a_project_gets_a_key_that_only_its_owner_can_read(crossdock):
    key = crossdock.home / "crossdock.key"

    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_making_a_project_again_overwrites_nothing(crossdock):
    before = {path.name: path.read_bytes() for path in crossdock.home.iterdir() if path.is_file()}
    answer = crossdock.json("init", str(crossdock.home))

    assert {path.name: path.read_bytes() for path in crossdock.home.iterdir() if path.is_file()} == before
    assert set(answer["files"].values()) == {"kept"}


def test_key_and_database_stay_out_of_version_control(crossdock, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / ".gitignore").write_text("mine")
    crossdock.run("init", str(tmp_path / "other"))

    assert (tmp_path / "other" / ".gitignore").read_text().splitlines()[:3] == ["mine", "crossdock.key", "crossdock.db"]


def test_the_local_plugin_of_a_new_project_loads(crossdock):
    assert "crossdock_local" in crossdock.run("connectors").stdout


def test_connectors_are_listed_for_machines(crossdock):
    (acme,) = crossdock.json("connectors")

    assert acme.keys() == {
        "name", "title", "version", "distribution", "spec", "hooks", "level", "problem", "python", "connections",
        "notices",
    }  # fmt: skip
    assert (acme["name"], acme["version"], acme["distribution"], acme["spec"]) == ("acme", "1.0", "acme", 1)
    assert set(acme["hooks"]) == {
        "connector_info", "verify", "fetch_orders", "push_order", "find_order", "fetch_balance", "push_balance",
    }  # fmt: skip


def test_a_connector_shows_the_level_that_it_ships(crossdock, tmp_path):
    (tmp_path / "site" / "contract.json").write_text('{"level": "gold"}')

    assert crossdock.json("connectors")[0]["level"] == "gold"


def test_the_matrix_shows_what_is_implemented(crossdock):
    lines = crossdock.run("connectors").stdout.splitlines()

    assert next(line for line in lines if line.startswith("push_order")).split() == ["push_order", "✓"]
    assert next(line for line in lines if line.startswith("push_shipment")).split() == ["push_shipment"]


def test_a_broken_plugin_is_named_with_version_and_cause_and_stops_nothing(crossdock, tmp_path, monkeypatch):
    install(tmp_path / "site", "broken", "import no_such_module", version="2.3")
    monkeypatch.setenv("CROSSDOCK_PLUGINS", "acme,broken")
    rows = {row["name"]: row for row in crossdock.json("connectors", code=1)}

    assert rows["acme"]["problem"] == ""
    assert rows["broken"]["version"] == "2.3"
    assert "no_such_module" in rows["broken"]["problem"]
    assert "broken 2.3 (broken): it cannot be imported" in crossdock.run("connectors", code=1).stdout


def test_a_plugin_built_for_another_core_is_told(crossdock, tmp_path, monkeypatch):
    source = ACME.replace('name="acme", title', 'name="future", spec=99, title')
    install(tmp_path / "site", "future", source, version="9.0")
    monkeypatch.setenv("CROSSDOCK_PLUGINS", "future")
    (row,) = crossdock.json("connectors", code=1)

    assert "version 99 of the hooks" in row["problem"]


@pytest.mark.parametrize("command", ["status", "push", "sync", "run", "doctor"])
def test_in_a_folder_that_is_no_project_nothing_sounds_as_if_all_were_well(crossdock, tmp_path, monkeypatch, command):
    monkeypatch.delenv("CROSSDOCK_HOME", raising=False)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)

    result = crossdock.run(command, code=None)

    assert f"{folder} is no project folder: it has neither crossdock.toml nor crossdock.db." in result.output
    assert result.exit_code == (1 if command == "doctor" else 2)
    assert list(folder.iterdir()) == []


def test_an_empty_folder_that_is_named_is_meant(crossdock, tmp_path, monkeypatch):
    (tmp_path / "volume").mkdir()
    monkeypatch.setenv("CROSSDOCK_HOME", str(tmp_path / "volume"))

    assert "No connections yet" in crossdock.run("status").stdout


def test_a_new_project_needs_no_database_yet(crossdock, tmp_path):
    crossdock.run("init", str(tmp_path / "other"))

    assert "No connections yet" in crossdock.run("--project", str(tmp_path / "other"), "status").stdout
