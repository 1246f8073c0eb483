"""The checks of an installation and a project."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from ops_kit import KEY, Project, order

from crossdock import Check
from crossdock.app import App
from crossdock.doctor import diagnose
from crossdock.engine.bench import pause_connection
from crossdock.engine.pull import pull
from crossdock.errors import AccessError
from crossdock.store.config import ConnectionRow


def checks(app: App) -> dict[str, Check]:
    return {check.name: check for check in diagnose(app)}


def state(project: Project, name: str) -> tuple[str, str]:
    check = checks(project.app)[name]
    return check.state, check.detail


def test_a_sound_project_is_all_ok(project: Project) -> None:
    found = checks(project.app)
    assert {check.state for check in found.values()} == {"ok"}
    assert set(found) >= {"Python", "Connectors", "Key", "Database", "Integrity", "Clock", "Connection shop", "Work"}


def test_a_broken_plugin_is_named_with_version_and_cause(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "site" / "rusty-2.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rusty\nVersion: 2.1\n")
    (info / "entry_points.txt").write_text("[crossdock.connectors]\nrusty = no_such_module\n")
    monkeypatch.setenv("CROSSDOCK_PLUGINS", "dock,mute,rusty")
    with App(project.home) as app:
        check = checks(app)["Plugin rusty"]
    assert check.state == "fail"
    assert check.detail.startswith("rusty 2.1: it cannot be imported: ModuleNotFoundError")


def test_a_key_file_that_others_may_read_is_a_warning(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CROSSDOCK_SECRET_KEY")
    path = project.home / "crossdock.key"
    path.write_text(KEY)
    for mode, expected in ((0o644, "warn"), (0o600, "ok")):
        os.chmod(path, mode)
        with App(project.home) as app:
            assert checks(app)["Key"].state == expected


def test_without_the_key_the_connections_that_need_it_fail(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CROSSDOCK_SECRET_KEY")
    with App(project.home) as app:
        found = checks(app)
    assert found["Key"].state == "warn"
    assert found["Connection shop"].state == "fail"


def test_a_damaged_key_fails_and_the_rest_is_still_told(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSDOCK_SECRET_KEY", "short")
    with App(project.home) as app:
        found = checks(app)
    assert (found["Key"].state, found["Connection shop"].state, found["Database"].state) == ("fail", "fail", "ok")


def test_a_database_that_cannot_be_opened_ends_the_checks_with_a_sentence(project: Project, tmp_path: Path) -> None:
    with App(project.home, f"sqlite:///{tmp_path}/none/x.db") as app:
        check = checks(app)["Database"]
    assert check.state == "fail"
    assert "does not exist" in check.detail


def test_paused_connections_and_drafts_are_warnings(project: Project) -> None:
    pause_connection(project.app.bench, "shop", AccessError("The token was revoked."))
    project.app.save("later", "dock", {}, draft=True)
    assert state(project, "Connection shop") == ("warn", "it is paused: The token was revoked.")
    assert state(project, "Connection later") == ("warn", "it is a draft and does nothing")


def test_a_secret_whose_reference_leads_nowhere_fails(project: Project) -> None:
    store, now = project.app.store, project.app.clock.now()
    row = ConnectionRow(name="odd", connector="dock", settings={"token": "env:NOT_SET_ANYWHERE"}, state="active")
    with store.transaction():
        store.config.save_connection(row, now)
    found, detail = state(project, "Connection odd")
    assert found == "fail"
    assert "NOT_SET_ANYWHERE, which is not set" in detail


def test_a_connection_whose_plugin_is_gone_fails(project: Project) -> None:
    store, now = project.app.store, project.app.clock.now()
    with store.transaction():
        store.config.save_connection(ConnectionRow(name="odd", connector="gone", settings={}, state="active"), now)
    assert state(project, "Connection odd")[0] == "fail"


def test_a_stream_that_is_on_and_not_read_is_a_warning(project: Project) -> None:
    store = project.app.store
    with store.transaction():
        store.config.save_stream("shop", "orders", enabled=True, every=600, cron="")
    assert state(project, "Stream shop orders") == ("warn", "it is on and was never read")
    pull(project.app.bench, "shop", "orders")
    assert state(project, "Stream shop orders")[0] == "ok"
    long_ago = project.app.clock.now() - timedelta(hours=5)
    run = store.journal.runs(limit=1)[0].id
    with store.transaction():
        store.journal.end(run, "done", {}, "", long_ago)
        store.records.set_bookmark("shop", "orders", "1", long_ago)
    assert state(project, "Stream shop orders")[0] == "warn"


def test_a_lease_of_a_worker_that_is_gone_is_a_warning(project: Project) -> None:
    store, now = project.app.store, project.app.clock.now()
    store.leases.take("pull:shop:orders", "elsewhere/1/1", now - timedelta(hours=1), timedelta(minutes=1))
    assert state(project, "Lease pull:shop:orders")[0] == "warn"


def test_what_waits_for_a_person_is_counted(project: Project) -> None:
    project.erp.unknown_skus = {"A-1"}
    project.shop.orders = {"1": order("1"), "2": order("2")}
    project.shop.unreadable["3"] = b"x"
    project.deliver(project.flow())
    assert state(project, "Parked effects") == ("warn", "2 refused")
    assert state(project, "Parked payloads") == ("warn", "1 could not be read")
    assert state(project, "Gaps") == ("warn", "1 unknown and open")


def test_a_store_that_knows_the_future_means_a_wrong_clock(project: Project) -> None:
    store = project.app.store
    store.journal.begin("pull", project.app.clock.now() + timedelta(days=1))
    assert state(project, "Clock")[0] == "fail"
