"""The database is lost and an older backup is put in its place: the ERP knows orders that the database does not."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest
from kit import admitted, erp_orders

pytestmark = pytest.mark.slow


def copy(source, target):
    """What ``.backup`` and ``.restore`` of sqlite3 do."""
    with contextlib.closing(sqlite3.connect(source)) as rows, contextlib.closing(sqlite3.connect(target)) as kept:
        rows.backup(kept)


@pytest.mark.parametrize("read", [True, False], ids=["read before the backup", "read after the backup"])
def test_orders_delivered_since_the_backup_exist_once(world, read):
    database, backup = world.project.home / "crossdock.db", world.project.home / "backup.db"
    world.fill(orders=16)
    world.link()
    if read:
        world.sync()
    copy(database, backup)
    world.settle()
    assert len(erp_orders(world.erp)) >= 10
    copy(backup, database)
    world.erp.reset()
    world.project.run("db", "restored")

    assert read == bool(world.project.effects())
    world.settle()

    assert world.erp.writes() == []
    assert len(world.erp.state()["orders"]) == len(admitted(world.shop))
    assert erp_orders(world.erp) == admitted(world.shop)
    assert world.project.json("reconcile", "to-erp")["agrees"]
    assert world.project.query("SELECT count(*) FROM binding WHERE stream = 'orders'") == [(len(admitted(world.shop)),)]


def test_a_comparison_finds_what_the_database_forgot_and_heals_it_without_sending(world):
    database, backup = world.project.home / "crossdock.db", world.project.home / "backup.db"
    world.fill(orders=16)
    world.link()
    copy(database, backup)
    world.settle()
    copy(backup, database)
    world.erp.reset()

    found = world.project.json("reconcile", "to-erp", code=1)
    assert (found["counts"]["unbound"], found["agrees"]) == (len(admitted(world.shop)), False)
    world.project.run("reconcile", "to-erp", "--heal", code=1)
    world.settle()

    assert world.erp.writes() == []
    assert world.project.json("reconcile", "to-erp")["agrees"]
