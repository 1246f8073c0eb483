"""The thin layer over both databases: transactions, threads, migrations, views."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from databases import age

from crossdock.errors import StoreError
from crossdock.records import (
    Address,
    Balance,
    Customer,
    Order,
    OrderLine,
    Party,
    Price,
    Product,
    Shipment,
    fingerprint,
    to_document,
)  # fmt: skip
from crossdock.store import migrate
from crossdock.store.database import Sqlite, clean, connect, stamp, unstamp
from crossdock.store.reach import reach
from crossdock.store.records import Prepared
from crossdock.store.store import Store

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def keep(store, record):
    document = to_document(record)
    at = stamp(record.updated_at) if record.updated_at else ""
    row = Prepared(record.key, record.ref, fingerprint(record, document), at, document.decode(), record)
    store.records.keep("shop", record.stream, [row], 1, 1, NOW)


def rows(store, sql):
    return [tuple(row) for row in store.database.query(sql)]


@pytest.mark.parametrize("content", [b"hello, this is no database" * 900, None], ids=["another file", "cut off"])
def test_a_damaged_file_is_told_to_be_restored(tmp_path, content):
    path = tmp_path / "crossdock.db"
    Store.open(f"sqlite:///{path}").close()
    path.write_bytes(content or path.read_bytes()[:20_000])

    with pytest.raises(StoreError, match="cannot be opened") as told:
        connect(f"sqlite:///{path}")

    assert "crossdock db restore FILE" in told.value.hint


def test_a_file_that_the_system_refuses_is_not_called_damaged(tmp_path):
    with pytest.raises(StoreError, match="cannot be opened") as told:
        connect(f"sqlite:///{tmp_path}")

    assert "writable" in told.value.hint


# -- transactions and threads --------------------------------------------------------------------------


def test_a_transaction_is_all_or_nothing(store):
    with pytest.raises(ZeroDivisionError), store.transaction():
        store.journal.event("a", "b", "c", NOW)
        with store.transaction():
            store.journal.event("a", "b", "c", NOW)
        raise ZeroDivisionError

    assert store.journal.events() == []


def test_another_threads_statement_waits_for_the_transaction_and_stays_out_of_it(store):
    inside, order = threading.Event(), []

    def other():
        inside.wait(5)
        store.journal.event("other", "", "", NOW)
        order.append("other")

    thread = threading.Thread(target=other)
    thread.start()
    with pytest.raises(ZeroDivisionError), store.transaction():
        store.journal.event("first", "", "", NOW)
        inside.set()
        thread.join(0.05)
        order.append("first")
        raise ZeroDivisionError
    thread.join(5)

    assert order == ["first", "other"]
    assert [kind for _, kind, _, _ in store.journal.events()] == ["other"]


def test_threads_reading_and_writing_at_once_lose_nothing(store):
    def work(number):
        for each in range(10):
            with store.transaction():
                store.journal.event("kind", f"{number}", f"{each}", NOW)
            store.journal.events()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(store.journal.events()) == 40


def test_two_connections_see_each_others_commits(store, database_url):
    other = Store.open(database_url)
    with store.transaction():
        store.journal.event("a", "b", "c", NOW)

    seen = other.journal.events()
    other.close()

    assert len(seen) == 1


def test_a_postgresql_server_that_dropped_us_is_connected_to_again(postgres_server):
    url = postgres_server.migrated()
    store, other = Store.open(url), connect(url)
    other.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND "
                "datname = current_database()")  # fmt: skip

    with pytest.raises(StoreError):
        store.journal.events()

    with store.transaction():
        store.journal.event("a", "b", "c", NOW)
    assert len(store.journal.events()) == 1
    store.close()
    other.close()
    postgres_server.drop(url)


IDLE = "SHOW idle_in_transaction_session_timeout"


@pytest.mark.slow
def test_a_session_that_stands_still_in_a_transaction_is_ended_unless_its_people_say_otherwise(postgres_server):
    url = postgres_server.empty()
    plain, told = connect(url), connect(f"{url}&options=-c%20idle_in_transaction_session_timeout%3D7s")
    assert (plain.query(IDLE), told.query(IDLE)) == ([("30s",)], [("7s",)])
    plain.close()
    told.close()
    postgres_server.drop(url)


@pytest.mark.slow
def test_a_connection_notices_that_its_server_is_gone_unless_the_address_says_otherwise(postgres_server):
    url = postgres_server.empty()
    asked = "keepalives_idle", "tcp_user_timeout"
    with reach(url) as plain, reach(f"{url}&keepalives_idle=99") as told:
        assert [plain.info.get_parameters()[name] for name in asked] == ["10", "30000"]
        assert [told.info.get_parameters()[name] for name in asked] == ["99", "30000"]
    postgres_server.drop(url)


def test_statements_hold_percent_signs(store):
    assert rows(store, "SELECT 'a%b'") == [("a%b",)]
    assert [tuple(row) for row in store.database.query("SELECT 'a%b' WHERE 1 = ?", (1,))] == [("a%b",)]


def test_an_address_of_no_database_is_refused():
    with pytest.raises(StoreError, match="begins with 'mysql'"):
        connect("mysql://root@localhost/x")


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StoreError, match="does not exist"):
        connect(f"sqlite:///{tmp_path}/missing/crossdock.db")


def test_a_server_that_is_not_there_is_named():
    with pytest.raises(StoreError, match="PostgreSQL at localhost/nothing cannot be reached"):
        connect("postgresql://nobody@localhost:1/nothing?connect_timeout=2")


def test_a_stamp_is_utc_and_comes_back():
    at = datetime.fromisoformat("2026-11-22T06:10:23+01:00")

    assert stamp(at) == "2026-11-22T05:10:23.000000Z"
    assert unstamp(stamp(at)) == at


def test_clean_text_is_left_alone():
    assert clean("Räksmörgås 🦐") == "Räksmörgås 🦐"


# -- migrations ----------------------------------------------------------------------------------------


def test_a_fresh_database_gets_the_schema_that_the_tables_describe(server):
    url = server.empty()
    store = Store.open(url)

    assert migrate.current(store.database) == migrate.HEAD
    assert migrate.differences(store.database) == []
    store.close()
    server.drop(url)


def test_opening_again_changes_nothing(store, database_url):
    store.journal.event("a", "b", "c", NOW)

    again = Store.open(database_url)

    assert len(again.journal.events()) == 1
    again.close()


def test_a_store_from_the_future_is_refused(store, database_url):
    store.database.run("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(StoreError, match="version 9999, which this Crossdock does not know") as raised:
        Store.open(database_url)

    assert "Upgrade Crossdock" in raised.value.hint


@pytest.mark.slow
@pytest.mark.parametrize("revision", migrate.KNOWN[:-1])
def test_a_database_of_an_earlier_release_becomes_one_of_this_with_what_it_holds(server, revision):
    url = server.empty()
    first = Store.open(url)
    keep(first, Order(key="1", status="processing", currency="EUR", total=Decimal(1)))
    run = first.journal.begin("push", NOW, connection="erp", flow="orders")
    first.close()
    age(url, revision)

    store = Store.open(url)

    assert migrate.differences(store.database) == []
    assert store.records.get("shop", "orders", "1").record.total == 1
    assert store.journal.run(run).state == "running"
    store.close()
    server.drop(url)


def test_two_processes_may_upgrade_at_once(server):
    url = server.empty()
    script = f"from crossdock.store.store import Store; Store.open({url!r}).close()"

    both = [subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE) for _ in range(2)]
    answers = [(each.communicate(timeout=60)[1], each.returncode) for each in both]

    assert answers == [(b"", 0), (b"", 0)]
    server.drop(url)


def test_an_upgrade_that_breaks_leaves_nothing_behind(server, monkeypatch):
    from crossdock.store import views

    url = server.empty()
    monkeypatch.setattr(views, "create_statements", lambda dialect: ["CREATE VIEW broken AS SELECT * FROM nowhere.at"])

    with pytest.raises(Exception, match="nowhere"):
        Store.open(url)

    database = connect(url)
    assert migrate.current(database) is None
    with pytest.raises(StoreError):
        database.query("SELECT * FROM record")
    database.close()
    server.drop(url)


def test_a_sound_database_is_called_sound(store):
    assert migrate.integrity(store.database) == "ok"


# -- views ---------------------------------------------------------------------------------------------


ORDER = Order(
    key="1", number="N1", status="processing", currency="EUR", total=Decimal("19.90"),
    placed_at=datetime(2026, 3, 1, 10, tzinfo=UTC), updated_at=datetime(2026, 3, 1, 11, tzinfo=UTC),
    customer=Party(email="a@example.org"), shipping_address=Address(country="SE"),
    lines=(OrderLine(key="l1", sku="A", quantity=Decimal(2), unit_price=Decimal("9.95"), total=Decimal("19.90")),
           OrderLine(key="l2", sku="B")),
)  # fmt: skip


def test_the_orders_view_has_the_promised_columns(store):
    keep(store, ORDER)

    (row,) = rows(store, "SELECT connection, key, number, status, currency, placed_at, updated_at FROM orders")

    assert row == ("shop", "1", "N1", "processing", "EUR", "2026-03-01T10:00:00Z", "2026-03-01T11:00:00.000000Z")


def test_the_total_of_an_order_is_a_number_also_when_it_is_zero(store):
    keep(store, ORDER)
    keep(store, Order(key="2"))

    assert rows(store, "SELECT sum(total) * 10 FROM orders") == [(199,)]
    assert rows(store, "SELECT key FROM orders WHERE total < 5") == [("2",)]


def test_what_an_order_does_not_say_is_empty_and_unknown_times_are_null(store):
    keep(store, Order(key="2"))

    (row,) = rows(store, "SELECT number, status, currency, customer_email, country, placed_at, updated_at FROM orders")

    assert row == ("", "unknown", "", "", None, None, None)


def test_the_lines_of_orders_are_rows(store):
    keep(store, ORDER)
    keep(store, Order(key="2"))

    found = rows(store, "SELECT order_key, order_number, line_key, sku, quantity, total FROM order_lines "
                        "ORDER BY line_key")  # fmt: skip

    assert [(*row[:4], float(row[4]), float(row[5])) for row in found] == [
        ("1", "N1", "l1", "A", 2.0, 19.9), ("1", "N1", "l2", "B", 0.0, 0.0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("record", "sql", "expected"),
    [
        (Product(key="1", sku="A", name="Cup"), "SELECT sku, name, type, weight FROM products",
         ("A", "Cup", "simple", None)),
        (Price(sku="A", amount=Decimal("1.5"), currency="EUR"),
         "SELECT sku, amount * 2, currency, from_quantity, list_price FROM prices", ("A", 3, "EUR", 1, None)),
        (Balance(sku="A", warehouse="W"), "SELECT key, sku, warehouse, available, physical FROM balances",
         ("A@W", "A", "W", 0, None)),
        (Shipment(key="1", order_key="O1", tracking_number="T"), "SELECT order_key, tracking_number FROM shipments",
         ("O1", "T")),
        (Customer(key="1", name="Ada"), "SELECT key, name, email FROM customers", ("1", "Ada", "")),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "stream") else "",
)  # fmt: skip
def test_the_other_streams_have_views_too(store, record, sql, expected):
    keep(store, record)

    assert rows(store, sql) == [expected]


def test_a_database_that_another_program_holds_says_so(tmp_path):
    with closing(Sqlite(f"sqlite:///{tmp_path / 'a.db'}")) as ours, closing(sqlite3.connect(ours.path)) as other:
        ours.run("CREATE TABLE a (b)")
        ours.run("PRAGMA busy_timeout=1")
        other.execute("BEGIN EXCLUSIVE")

        with pytest.raises(StoreError, match="database is locked") as told:
            ours.run("INSERT INTO a VALUES (1)")

    assert "another program kept others from writing to it" in told.value.hint
