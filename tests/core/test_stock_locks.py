"""Stock of one ERP is changed by one transaction at a time, and that of another goes on meanwhile (PostgreSQL)."""

from __future__ import annotations

import contextlib
import threading

import attrs
import pytest

from crossdock.engine.stock import lock_stock, lock_stocks
from crossdock.errors import StoreError
from crossdock.store.store import Store

pytestmark = pytest.mark.slow


@pytest.fixture
def server(postgres_server):
    """PostgreSQL alone: SQLite has one writer anyway."""
    return postgres_server


@pytest.fixture
def others(world, database_url):
    """Makes more workers on the same database; a lock that is taken is refused after a moment, not waited for."""
    world.flow("balance", "erp", "shop")
    world.flow("balance", "shop", "erp")
    with contextlib.ExitStack() as stack:

        def another(patience="100ms"):
            store = Store.open(database_url)
            stack.callback(store.close)
            store.database.run(f"SET lock_timeout = '{patience}'")
            return attrs.evolve(world.bench, store=store)

        yield another


def gets_past(bench, *connections):
    """Whether a worker may change the stock of connections (none: of all) now."""
    try:
        with bench.store.transaction():
            lock_stocks(bench, connections) if connections else lock_stock(bench)
    except StoreError as error:
        if "lock timeout" not in str(error):
            raise
        return False
    return True


def test_only_the_same_stock_waits(world, others):
    other = others()
    with world.store.transaction():
        lock_stock(world.bench, "erp")

        assert not gets_past(other, "erp")
        assert gets_past(other, "shop")


def test_a_decision_about_all_stock_waits_for_each_and_each_for_it(world, others):
    other = others()
    with world.store.transaction():
        lock_stock(world.bench, "erp")

        assert not gets_past(other)
    with world.store.transaction():
        lock_stock(world.bench)

        assert not gets_past(other, "erp")
        assert not gets_past(other, "shop")


def test_who_needs_several_waits_for_the_first_without_holding_the_next(world, others):
    patient, third = others("10s"), others()
    began, passed = threading.Event(), []

    def both():
        with patient.store.transaction():
            began.set()
            lock_stocks(patient, ["shop", "erp"])
            passed.append("both")

    with world.store.transaction():
        lock_stock(world.bench, "erp")
        thread = threading.Thread(target=both)
        thread.start()
        began.wait(10)
        _wait_until_blocked(third)

        assert gets_past(third, "shop")
        assert passed == []
    thread.join(10)
    assert passed == ["both"]


def _wait_until_blocked(bench):
    for _ in range(2_000):
        if bench.store.database.query("SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"):
            return
    raise AssertionError("nobody waits")
