"""Whatever is broken in an installation is found, by name, with what to do."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
import zoneinfo
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import attrs
import pytest
from ops_kit import Project

from crossdock import Check, __version__
from crossdock.app import App
from crossdock.doctor import database as of_database
from crossdock.doctor import diagnose
from crossdock.doctor.webhooks import unreachable
from crossdock.engine.pull import pull
from crossdock.http.exchange import Exchange
from crossdock.store import migrate
from crossdock.store.agenda import WorkerRow
from crossdock.store.announcements import Announcement
from crossdock.store.condition import PostgresCondition, SqliteCondition
from crossdock.store.database import connect, stamp
from crossdock.store.inbox import HookRow
from crossdock.store.journal import StoredExchanges, StoredLimiter
from crossdock.vault import Vault

OTHER_KEY = "b3RoZXIga2V5LCB3aGljaCBpcyAzMiBieXRlcyBsb24="
OTHER = Vault(b"other key, which is 32 bytes lon")


def checks(app: App) -> dict[str, Check]:
    return {check.name: check for check in diagnose(app)}


def worker(project: Project, owner: str, version: str = __version__, **moved: int) -> None:
    at = stamp(project.app.clock.now() + timedelta(**moved))
    project.app.store.agenda.seen(WorkerRow(
        owner=owner, machine="next", kind="worker", version=version, threads=8, busy=[], started_at=at, seen_at=at,
    ))  # fmt: skip


def hook(project: Project, vault: Vault | None = None, **fields: str) -> None:
    token = (vault or project.app.vault).seal("shop", "webhook token", "t0ken")
    at = stamp(project.app.clock.now())
    with project.app.store.transaction():
        project.app.store.hooks.save(
            HookRow(**{"connection": "shop", "token": token, "confirmed_at": at, "sent_at": at, **fields})
        )


def stream_on(project: Project, zone: str = "") -> None:
    with project.app.store.transaction():
        project.app.store.config.save_stream("shop", "orders", enabled=True, every=600, cron="")
    pull(project.app.bench, "shop", "orders")
    if zone:
        project.app.store.database.run("UPDATE stream SET zone = ?, cron = '0 4 * * *', every = NULL", (zone,))


def stopped_coming(project: Project) -> None:
    hook(project)
    at = stamp(project.app.clock.now())
    with project.app.store.transaction():
        project.app.store.announcements.save(Announcement(connection="shop", stream="orders", missed=9, dead_at=at))


def not_registered_again(project: Project) -> None:
    stopped_coming(project)
    with project.app.store.transaction():
        project.app.store.hooks.tried("shop", 1, "The vendor said no.", project.app.clock.now())


def planned_long_ago(project: Project) -> None:
    stream_on(project)
    project.flow(mode="plan")
    project.app.store.database.run("UPDATE event SET at = ?", (stamp(project.app.clock.now() - timedelta(days=8)),))


def one_connection_gone(project: Project) -> None:
    project.flow()
    project.app.store.database.run("DELETE FROM connection WHERE name = 'erp'")


def sealed_elsewhere(project: Project) -> None:
    sealed = OTHER.seal("erp", "token", "good one")
    project.app.store.database.run(
        "UPDATE connection SET settings = ? WHERE name = 'erp'", (f'{{"system": "erp-system", "token": "{sealed}"}}',)
    )


def budget_used_up(project: Project) -> None:
    StoredLimiter(project.app.store.database, "shop").hold("orders", project.app.clock.now() + timedelta(hours=3))


def alerts_without_address(project: Project) -> None:
    with project.app.store.transaction():
        project.app.store.preferences.put("alerts", {"webhook": {"url": "env:NOT_SET"}}, project.app.clock.now())


def said(project: Project, ahead: timedelta | None) -> Exchange:
    return Exchange(at=project.app.clock.now(), method="GET", url="https://x", status=200, seconds=0.1, request_body="",
                    response_body="", error="", ahead=ahead)  # fmt: skip


def answered(project: Project, **ahead: int) -> None:
    log = StoredExchanges(project.app.store.database, "shop")
    log.keep(said(project, timedelta(**ahead)))
    log.flush()


@attrs.frozen
class Fault:
    """Something that is wrong, and what the doctor has to say of it."""

    name: str
    breaks: Callable[[Project], None]
    state: str
    says: str
    hint: str


FAULTS = [
    Fault("Clock shop", lambda p: answered(p, hours=1), "warn", "dated 1:00:00 ahead of", "NTP"),
    Fault("Clock shop", lambda p: answered(p, minutes=-9), "warn", "dated 0:09:00 behind", "NTP"),
    Fault("Clock", lambda p: worker(p, "next/1/1", hours=1), "fail", "UTC at the worker on next", "NTP"),
    Fault(
        "Worker worker on next (7)", lambda p: worker(p, "next/7/1", minutes=-5), "warn", "without saying so", "kills"
    ),
    Fault("Workers", lambda p: worker(p, "next/7/1", minutes=-5), "warn", "none of them runs", "crossdock run"),
    Fault("Versions", lambda p: worker(p, "next/7/1", "0.0.1"), "warn", "(7) is 0.0.1; this is", "Restart"),
    Fault("Stream shop orders", lambda p: stream_on(p, "Mars/Olympus"), "fail", "Mars/Olympus", "tzdata"),
    Fault("Flow orders-flow", lambda p: p.flow() and None, "warn", "orders of shop are off", "stream on shop orders"),
    Fault("Flow orders-flow", planned_long_ago, "warn", "it only plans, since 20", "crossdock flow live orders-flow"),
    Fault("Flow orders-flow", one_connection_gone, "fail", "there is no connection erp any more", "flow remove"),
    Fault("Webhooks shop", lambda p: hook(p, url="http://hooks.example.com"), "warn", "without TLS", "--base"),
    Fault("Webhooks shop", lambda p: hook(p, url="https://10.1.2.3"), "warn", "only this network", "--base"),
    Fault(
        "Webhooks shop",
        stopped_coming,
        "warn",
        "stopped coming: orders are found by reading only",
        "webhook register shop",
    ),
    Fault(
        "Webhooks shop",
        not_registered_again,
        "warn",
        "not be registered again: The vendor said no.",
        "webhook register shop",
    ),
    Fault("Webhooks shop", lambda p: hook(p, OTHER), "warn", "cannot be read with this key", "--rotate"),
    Fault(f"Key {OTHER.id}", lambda p: hook(p, OTHER), "fail", "the webhook address of shop", "the same key"),
    Fault(f"Key {OTHER.id}", sealed_elsewhere, "fail", "a secret of erp", "the same key"),
    Fault("Connection erp", sealed_elsewhere, "fail", f"sealed with key {OTHER.id}", "Restore the key"),
    Fault("Budget shop orders", budget_used_up, "warn", "no call before", "read less often"),
    Fault("Alerts webhook.url", alerts_without_address, "fail", "NOT_SET, which is not set", "nobody is told"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda each: f"{each.name}: {each.says}")
def test_what_is_broken_is_found_with_what_to_do(project: Project, fault: Fault) -> None:
    assert checks(project.app).get(fault.name, Check(name="", state="ok")).state == "ok"

    fault.breaks(project)

    found = checks(project.app)[fault.name]
    assert found.state == fault.state
    assert fault.says in found.detail
    assert fault.hint in " ".join(found.hint.split()).replace("Else read", "read")


def test_a_project_that_runs_is_all_ok(project: Project) -> None:
    stream_on(project)
    project.flow()
    hook(project, url="https://hooks.example.com")
    worker(project, project.app.owner)
    found = checks(project.app)
    assert {check.name: check.detail for check in found.values() if check.state != "ok"} == {}
    assert set(found) >= {
        "Time zones", "Project folder", "Disk", "Filesystem", "Library", "Journal", "Workers", "Flow orders-flow",
        "Webhooks shop",
    }  # fmt: skip


def test_a_vendors_clock_that_is_right_again_is_no_trouble(project: Project) -> None:
    log = StoredExchanges(project.app.store.database, "shop")
    for ahead, found in ((timedelta(hours=1), True), (None, True), (timedelta(seconds=-1), False)):
        log.keep(said(project, ahead))
        log.flush()
        assert ("Clock shop" in checks(project.app)) == found


def test_a_call_that_is_allowed_once_a_day_is_no_trouble_for_a_day(project: Project) -> None:
    StoredLimiter(project.app.store.database, "shop").hold("orders", project.app.clock.now() + timedelta(minutes=10))

    assert "Budget shop orders" not in checks(project.app)


def test_an_access_token_of_a_worker_with_another_key_is_found(project: Project) -> None:
    with project.app.store.transaction():
        project.app.store.database.run(
            "INSERT INTO memory (connection, name, key, value) VALUES ('erp', 'oauth token', 'value', ?)",
            (OTHER.seal("erp", "oauth token", "x"),),
        )

    assert "the access token of erp" in checks(project.app)[f"Key {OTHER.id}"].detail


def test_an_older_database_is_told_and_left_as_it_is(project: Project) -> None:
    project.app.store.database.run("UPDATE alembic_version SET version_num = '0001'")
    with App(project.home) as app:
        found = checks(app)
    assert (found["Database"].state, "Integrity" in found) == ("fail", False)
    assert "version 0001: upgrades up to" in found["Database"].detail
    with contextlib.closing(connect(project.app.database_url)) as database:
        assert migrate.current(database) == "0001"


def test_a_damaged_file_is_found(project: Project) -> None:
    project.app.close()
    path = project.home / "crossdock.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        (page,), (size,) = (
            database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ix_event_subject'").fetchone(),
            database.execute("PRAGMA page_size").fetchone(),
        )
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(path.read_bytes())
    content[(page - 1) * size : page * size] = b"\x55" * size
    path.write_bytes(content)

    with App(project.home) as app:
        assert checks(app)["Integrity"].state == "fail"


def test_a_key_file_that_cannot_be_read_fails_with_a_sentence(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CROSSDOCK_SECRET_KEY")
    # Whoever is root may read every file; not this one: no page of a process lies at its beginning.
    (project.home / "crossdock.key").symlink_to("/proc/self/mem")
    with App(project.home) as app:
        found = checks(app)["Key"]
    assert found.state == "fail"
    assert "cannot be read" in found.detail


def test_missing_data_about_time_zones_is_found(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in sys.modules if each.startswith("tzdata.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tzdata", None)
    zoneinfo.ZoneInfo.clear_cache()
    zoneinfo.reset_tzpath([])
    try:
        found = checks(project.app)["Time zones"]
    finally:
        zoneinfo.reset_tzpath()
    assert found.state == "fail"
    assert "tzdata" in found.hint


# -- disks, mounts and servers that no test can have -----------------------------------------------

SQLITE = SqliteCondition(
    library=(3, 45, 0), path=Path("/data/shop/crossdock.db"), journal="wal", size=10**9, free=0, log=0
)
POSTGRES_SETTINGS = {"server_encoding": "UTF8", "fsync": "on", "full_page_writes": "on", "max_connections": "100"}
MOUNTS = "/dev/sda1 / ext4 rw 0 0\nnas:/x /data/shop nfs4 rw 0 0\n/dev/sdb /data/shop/with\\040blank xfs rw 0 0\nproc\n"


@pytest.mark.parametrize(("free", "state"), [(2 * 10**9, "ok"), (9 * 10**8, "warn"), (4 * 10**7, "fail")])
def test_a_disk_is_full_before_it_has_no_byte_left(free: int, state: str) -> None:
    assert of_database.disk(SQLITE, free).state == state


@pytest.mark.parametrize(("path", "kind", "state"), [
    ("/x.db", "ext4", "ok"), ("/data/shop/x.db", "nfs4", "fail"), ("/data/shop/with blank/x.db", "xfs", "ok"),
    ("/data/shopping/x.db", "ext4", "ok"),
])  # fmt: skip
def test_a_file_on_a_network_is_found_by_its_mount(path: str, kind: str, state: str) -> None:
    assert of_database.filesystem(Path(path), MOUNTS) == kind
    assert of_database.place(Path(path), MOUNTS).state == state


@pytest.mark.parametrize(("changed", "name", "state"), [
    ({"journal": "delete"}, "Journal", "fail"), ({"log": 3 * 10**8}, "Journal", "warn"),
    ({"library": (3, 31, 1)}, "Library", "fail"), ({"free": 9 * 10**8}, "Free pages", "warn"),
])  # fmt: skip
def test_how_a_file_is_kept_is_judged(changed: dict[str, object], name: str, state: str) -> None:
    found = {check.name: check.state for check in of_database.sqlite(attrs.evolve(SQLITE, **changed))}
    assert found.pop(name) == state
    assert set(found.values()) <= {"ok"}


@pytest.mark.parametrize(("changed", "name", "state"), [
    ({"version": 120004}, "Server", "warn"), ({"read_only": True}, "Server role", "fail"),
    ({"settings": {**POSTGRES_SETTINGS, "fsync": "off"}}, "Durability", "fail"),
    ({"settings": {**POSTGRES_SETTINGS, "server_encoding": "LATIN1"}}, "Encoding", "fail"),
    ({"connections": 95}, "Server connections", "warn"),
])  # fmt: skip
def test_how_a_server_is_set_is_judged(
    project: Project, changed: dict[str, object], name: str, state: str
) -> None:  # fmt: skip
    sound = PostgresCondition(version=160002, settings=POSTGRES_SETTINGS, size=10**9, read_only=False, connections=9,
                              now=project.app.clock.now())  # fmt: skip
    assert {check.state for check in of_database.postgres(sound)} == {"ok"}
    found = {check.name: check.state for check in of_database.postgres(attrs.evolve(sound, **changed))}
    assert found.pop(name) == state
    assert set(found.values()) <= {"ok"}


@pytest.mark.parametrize(("url", "says"), [
    ("https://hooks.example.com", ""), ("http://hooks.example.com", "TLS"), ("https://127.0.0.1", "network"),
    ("https://box.local", "network"), ("https://[::1]", "network"), ("https://server", "network"),
    ("https://8.8.8.8", ""),
])  # fmt: skip
def test_an_address_is_judged_by_who_can_reach_it(url: str, says: str) -> None:
    assert says in unreachable(url)
    assert bool(says) == bool(unreachable(url))


@pytest.fixture
def on_postgres(project: Project, postgres_server: object) -> Iterator[App]:
    url = postgres_server.migrated()  # type: ignore[attr-defined]
    with App(project.home, url) as app:
        yield app
    postgres_server.drop(url)  # type: ignore[attr-defined]


@pytest.mark.slow
def test_a_real_server_is_asked_for_its_settings(on_postgres: App) -> None:
    found = checks(on_postgres)
    assert {name: check.state for name, check in found.items() if check.state != "ok"} == {"Durability": "fail"}
    assert found["Server"].detail.startswith("PostgreSQL 1")


@pytest.mark.slow
def test_a_clock_that_differs_from_the_servers_is_found(on_postgres: App) -> None:
    real = on_postgres.clock.now

    class Fast(type(on_postgres.clock)):  # type: ignore[misc]
        def now(self):
            return real() + timedelta(hours=1)

    on_postgres.clock = Fast()

    assert "UTC at the database" in checks(on_postgres)["Clock"].detail
