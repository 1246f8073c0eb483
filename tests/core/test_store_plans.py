"""What a turn asks the database is answered by an index: it costs the same among ten thousand connections."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

import pytest

_SCAN = re.compile(r"^SCAN (\w+)")


@pytest.fixture
def server(sqlite_files):
    """SQLite alone: there the plan does not depend on how many rows there are."""
    return sqlite_files


def statements(world, work):
    """What SQLite is asked while `work` runs."""
    asked = []
    world.store.database._connection.set_trace_callback(asked.append)
    work()
    world.store.database._connection.set_trace_callback(None)
    return [text for text in asked if text.startswith(("SELECT", "INSERT", "UPDATE", "DELETE"))]


def scanned(world, texts):
    """The tables that statements read from end to end, with one statement each."""
    found = {}
    with closing(sqlite3.connect(world.store.database.path)) as database:
        for text in texts:
            for row in database.execute(f"EXPLAIN QUERY PLAN {text}"):
                scan = _SCAN.match(row[3])
                if scan and scan[1] != "json_each":
                    found[scan[1]] = text
    return found


def test_an_orders_way_reads_no_table_from_end_to_end(world):
    orders, stock, parcels = world.flow(), world.flow("balance", "erp", "shop"), world.flow("shipments", "erp", "shop")
    world.erp.stock(P1=9)

    def work():
        world.shop.order("1")
        world.pull("erp", "balance")
        world.deliver(orders)
        world.push(stock)
        world.deliver(parcels)

    asked = statements(world, work)

    assert len(asked) > 50
    assert scanned(world, asked) == {}


def test_a_run_that_was_broken_off_is_found_without_looking_at_those_before_it(world):
    asked = statements(world, world.pull)

    buried = next(text for text in asked if "The process ended before the run did." in text)
    with closing(sqlite3.connect(world.store.database.path)) as database:
        plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {buried}")]
    assert plan == ["SEARCH run USING INDEX ix_run_running (connection=? AND stream=?)"]
