"""Backups: taken while others write, whole or not there, and put back only where nobody works."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import stat
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from databases import CLIENTS, age
from ops_kit import Project, order

from crossdock.app import App
from crossdock.errors import StoreError, UsageError
from crossdock.store import migrate
from crossdock.store.agenda import WorkerRow
from crossdock.store.backup import back_up, put_back
from crossdock.store.database import connect, stamp
from crossdock.store.leases import whoami
from crossdock.store.store import Store

NOW = datetime(2026, 11, 22, 5, 10, tzinfo=UTC)


@pytest.fixture
def url(sqlite_files: Any) -> Iterator[str]:
    made = sqlite_files.migrated()
    yield made
    sqlite_files.drop(made)


def texts(url: str) -> list[str]:
    with contextlib.closing(connect(url)) as database:
        return [row[0] for row in database.query("SELECT text FROM event ORDER BY id")]


def write(url: str, text: str) -> None:
    with contextlib.closing(connect(url)) as database:
        Store(database).journal.event("kind", "subject", text, NOW)


def sqlite_url(path: Path) -> str:
    return f"sqlite:///{path}"


def test_a_backup_is_of_one_moment_while_others_write(url: str, tmp_path: Path) -> None:
    ended = threading.Event()
    begun = threading.Event()

    def trade() -> None:
        with contextlib.closing(connect(url)) as database:
            number = 0
            while not ended.is_set():
                number += 1
                with database.transaction():
                    for table in ("event", "event"):
                        database.run(f"INSERT INTO {table} (at, kind, subject, text) VALUES ('', '', '', ?)", (number,))
                begun.set()

    thread = threading.Thread(target=trade)
    thread.start()
    begun.wait(20)
    try:
        files = [back_up(url, tmp_path / f"{number}.backup").file for number in range(5)]
    finally:
        ended.set()
        thread.join()

    kept = [texts(sqlite_url(file)) for file in files]
    assert all(rows and rows[::2] == rows[1::2] for rows in kept)
    assert len(kept[0]) < len(texts(url))


def test_a_backup_is_one_file_that_only_its_owner_can_read(url: str, tmp_path: Path) -> None:
    write(url, "there")

    done = back_up(url, tmp_path / "x.backup")

    assert [each.name for each in tmp_path.iterdir()] == ["x.backup"]
    assert stat.S_IMODE(done.file.stat().st_mode) == 0o600
    assert (done.size, done.version) == (done.file.stat().st_size, migrate.HEAD)
    assert done.file.read_bytes()[18:20] == b"\x01\x01", "it needs no file beside it"


def test_a_backup_overwrites_nothing(url: str, tmp_path: Path) -> None:
    (tmp_path / "x.backup").write_text("precious")

    with pytest.raises(UsageError, match="not overwritten"):
        back_up(url, tmp_path / "x.backup")

    assert (tmp_path / "x.backup").read_text() == "precious"


@pytest.mark.parametrize("damaged", [b"no database at all", b""])
def test_a_database_that_cannot_be_read_leaves_no_backup(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / "x.db").write_bytes(damaged)

    with pytest.raises((StoreError, UsageError)):
        back_up(sqlite_url(tmp_path / "x.db"), tmp_path / "x.backup")

    assert not (tmp_path / "x.backup").exists()


def test_a_backup_that_is_put_back_is_what_was_there_and_the_rest_is_kept_aside(url: str, tmp_path: Path) -> None:
    write(url, "before")
    file = back_up(url, tmp_path / "x.backup").file
    write(url, "after")

    kept = put_back(url, file, NOW)

    assert texts(url) == ["before"]
    assert kept is not None
    assert texts(sqlite_url(kept)) == ["before", "after"]
    assert file.is_file()


def test_a_lost_or_broken_database_is_put_back_too(tmp_path: Path, url: str) -> None:
    write(url, "before")
    file = back_up(url, tmp_path / "x.backup").file

    assert put_back(sqlite_url(tmp_path / "lost.db"), file, NOW) is None
    assert texts(sqlite_url(tmp_path / "lost.db")) == ["before"]

    (tmp_path / "broken.db").write_bytes(b"\x55" * 100_000)
    put_back(sqlite_url(tmp_path / "broken.db"), file, NOW)
    assert texts(sqlite_url(tmp_path / "broken.db")) == ["before"]


def test_a_file_that_is_not_there_replaces_nothing(url: str, tmp_path: Path) -> None:
    write(url, "there")

    with pytest.raises(UsageError, match="There is no file"):
        put_back(url, tmp_path / "other.backup", NOW)

    assert texts(url) == ["there"]


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-40_000])


def from_the_future(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")


def of_another_program(file: Path) -> None:
    file.unlink()
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE x (y)")


@pytest.mark.parametrize(("spoil", "says"), [
    (cut, "damaged|no database"), (from_the_future, "version 9999"), (of_another_program, "no database of Crossdock"),
    (lambda file: file.write_text("text"), "no database of Crossdock"),
])  # fmt: skip
def test_a_file_that_is_no_whole_backup_replaces_nothing(url: str, tmp_path: Path, spoil: Any, says: str) -> None:
    write(url, "there")
    file = back_up(url, tmp_path / "x.backup").file
    spoil(file)

    with pytest.raises(UsageError, match=says):
        put_back(url, file, NOW)

    assert texts(url) == ["there"]


def test_nothing_is_put_back_under_somebody_who_works(url: str, tmp_path: Path) -> None:
    file = back_up(url, tmp_path / "x.backup").file
    with contextlib.closing(connect(url)) as database:
        Store(database).agenda.seen(WorkerRow(
            owner=whoami(), machine="here", kind="run", version="1", threads=1, busy=[], started_at=stamp(NOW),
            seen_at=stamp(NOW),
        ))  # fmt: skip

    with pytest.raises(UsageError, match="still works with the database"):
        put_back(url, file, NOW)


# -- as commands -----------------------------------------------------------------------------------


def answer(result: Any) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.slow
def test_a_backup_of_an_earlier_release_is_put_back_and_upgraded(project: Project, tmp_path: Path) -> None:
    old = sqlite_url(tmp_path / "old.db")
    Store.open(old).close()
    write(old, "before")
    age(old, migrate.KNOWN[0])
    file = back_up(old, tmp_path / "x.backup").file
    project.app.close()

    done = project.cli("db", "restore", str(file), "--yes")

    assert done.exit_code == 0, done.output
    assert "before" in texts(project.app.database_url)
    with contextlib.closing(connect(project.app.database_url)) as database:
        assert (migrate.current(database), migrate.differences(database)) == (migrate.HEAD, [])


def test_restoring_asks_the_target_before_anything_is_sent(project: Project, tmp_path: Path) -> None:
    project.shop.orders = {"1": order("1")}
    flow = project.flow()
    file = str(tmp_path / "x.backup")
    assert answer(project.cli("db", "backup", file, "--json"))["version"] == migrate.HEAD
    project.deliver(flow)
    project.app.close()

    refused = project.cli("db", "restore", file)
    assert (refused.exit_code, "Add --yes" in refused.output) == (2, True)
    restored = answer(project.cli("db", "restore", file, "--yes", "--json"))

    assert Path(restored["kept"]).is_file()
    with App(project.home) as app:
        assert app.store.journal.restored() is not None
        assert app.store.effects.counts() == {}


def test_a_copy_is_named_by_a_variable_so_that_no_password_is_on_the_command_line(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = project.cli("db", "copy", "--to", "env:NEW_DATABASE")
    assert (missing.exit_code, "NEW_DATABASE is not set" in missing.output) == (2, True)
    monkeypatch.setenv("NEW_DATABASE", sqlite_url(tmp_path / "new.db"))

    told = project.cli("db", "copy", "--to", "env:NEW_DATABASE")

    assert told.exit_code == 0
    assert "were copied and compared" in told.stdout
    assert (
        answer(project.cli("db", "copy", "--to", sqlite_url(tmp_path / "two.db"), "--json"))["rows"]["connection"] == 2
    )
    with App(project.home, sqlite_url(tmp_path / "new.db")) as app:
        assert [row.name for row in app.store.config.connections()] == ["erp", "shop"]
        assert app.reveal(app.row("shop"))["token"] == "good one"


# -- PostgreSQL ------------------------------------------------------------------------------------


def test_without_its_own_program_postgresql_is_not_backed_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(UsageError, match="pg_dump is not installed here"):
        back_up("postgresql://joe@127.0.0.1/x", tmp_path / "x.backup")

    assert not list(tmp_path.iterdir())


def test_a_password_is_not_among_the_arguments_of_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = tmp_path / "seen"
    program = tmp_path / "pg_dump"
    program.write_text(f'#!/bin/sh\necho "$@" > {seen}\necho "$PGPASSWORD" >> {seen}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    back_up("postgresql+psycopg://joe:pass-4711@db.example:5433/shop", tmp_path / "x.backup")

    arguments, password = seen.read_text().splitlines()
    assert "host=db.example" in arguments
    assert "pass-4711" not in arguments
    assert password == "pass-4711"


@pytest.mark.slow
def test_a_dump_is_put_back_as_it_was(postgres_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", CLIENTS, prepend=":")
    url = postgres_server.empty()
    Store.open(url).close()
    write(url, "before")
    file = back_up(url, tmp_path / "x.backup").file
    write(url, "after")

    put_back(url, file, NOW)

    assert texts(url) == ["before"]
    write(url, "again")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with contextlib.closing(connect(url)) as database:
        Store(database).leases.take("pull:shop:orders", whoami(), datetime.now(UTC), datetime.now(UTC) - NOW)
        with pytest.raises(UsageError, match="still works"):
            put_back(url, file, datetime.now(UTC))
    (tmp_path / "y.backup").write_text("no dump")
    with contextlib.closing(connect(url)) as database:
        database.run("DELETE FROM lease")
    with pytest.raises(StoreError, match="pg_restore failed"):
        put_back(url, tmp_path / "y.backup", NOW)
    assert texts(url) == ["before", "again"]
    postgres_server.drop(url)
