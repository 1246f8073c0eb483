"""A database is copied to another one of either kind, whole or not at all."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crossdock.errors import StoreError, UsageError
from crossdock.store import migrate
from crossdock.store.agenda import WorkerRow
from crossdock.store.database import Database, connect, stamp
from crossdock.store.leases import whoami
from crossdock.store.store import Store
from crossdock.store.tables import metadata
from crossdock.store.transfer import copy

NOW = datetime(2026, 11, 22, 5, 10, tzinfo=UTC)
WAYS = [("sqlite", "postgresql"), ("postgresql", "sqlite"), ("sqlite", "sqlite"), ("postgresql", "postgresql")]
ODD = ("", "*", "é", "Z", "a", "_", "日本", "'; --", "a\nb", "1.10", '"', "\\N", "\t")


@pytest.fixture(params=[
    pytest.param(way, id=" to ".join(way), marks=[pytest.mark.slow] if "postgresql" in way else []) for way in WAYS
])  # fmt: skip
def way(request: pytest.FixtureRequest) -> Iterator[tuple[Database, Database]]:
    """A database with the schema, and an empty one."""
    servers = [
        request.getfixturevalue("sqlite_files" if kind == "sqlite" else "postgres_server") for kind in request.param
    ]
    urls = [servers[0].migrated(), servers[1].empty()]
    with contextlib.closing(connect(urls[0])) as source, contextlib.closing(connect(urls[1])) as target:
        yield source, target
    for server, url in zip(servers, urls, strict=True):
        server.drop(url)


def value(column: Any, number: int, chance: random.Random) -> Any:
    """Something that a column can hold; texts come out of the databases in different orders."""
    if column.primary_key and column.type.python_type is int:
        return number * 3
    match column.type.python_type.__name__:
        case "int":
            return chance.choice([0, 1, 2**40, -7])
        case "bytes":
            return chance.choice([b"", b"\x00\xff\\x41", b"{}"])
        case _ if column.primary_key:
            return f"{chance.choice(ODD)}{number}{chance.choice(ODD)}"
        case _:
            return chance.choice([*ODD, None]) if column.nullable else f"{chance.choice(ODD)}-{number}"


def fill(database: Database, rows: int = 40) -> dict[str, int]:
    """Rows in every table, more in one of them than a batch has."""
    chance = random.Random(17)
    counts = {}
    with database.transaction():
        for table in metadata.sorted_tables:
            counts[table.name] = 1100 if table.name == "binding" else rows
            key = [column.name for column in table.primary_key]
            made = [tuple(value(column, number, chance) for column in table.columns)
                    for number in range(1, counts[table.name] + 1)]  # fmt: skip
            if table.name == "stream":
                made = [row[:2] + tuple(0 if type(each) is int else each for each in row[2:]) for row in made]
            database.upsert(table.name, [column.name for column in table.columns], key, made)
        database.run("DELETE FROM lease")
        database.run("DELETE FROM worker")
    return {**counts, "lease": 0, "worker": 0}


def content(database: Database) -> dict[str, set[Any]]:
    found = {}
    for table in metadata.sorted_tables:
        names = ", ".join(f'"{column.name}"' for column in table.columns)
        found[table.name] = set(database.query(f"SELECT {names} FROM {table.name}"))
    return found


def test_every_row_of_every_table_is_there_afterwards(way: tuple[Database, Database]) -> None:
    source, target = way
    counts = fill(source)

    assert copy(source, target, NOW) == counts

    assert content(target) == content(source)
    assert migrate.current(target) == migrate.HEAD


def test_new_rows_get_numbers_that_no_copied_row_has(way: tuple[Database, Database]) -> None:
    source, target = way
    fill(source, rows=3)
    copy(source, target, NOW)

    store = Store(target)

    assert store.journal.begin("pull", NOW) > max(row[0] for row in source.query("SELECT id FROM run"))
    store.journal.event("kind", "subject", "text", NOW)


def test_an_empty_database_can_be_copied_and_numbers_from_one(way: tuple[Database, Database]) -> None:
    source, target = way

    assert set(copy(source, target, NOW).values()) == {0}

    assert Store(target).journal.begin("pull", NOW) == 1


def test_what_fails_in_the_middle_leaves_nothing_and_can_be_repeated(way: tuple[Database, Database]) -> None:
    source, target = way
    fill(source, rows=3)

    def told(table: str, _: int) -> None:
        if table == "record":
            raise StoreError("The disk is full.")

    with pytest.raises(StoreError, match="disk"):
        copy(source, target, NOW, told)
    assert not any(content(target).values())

    copy(source, target, NOW)
    assert content(target) == content(source)


def test_a_target_with_anything_in_it_is_refused(way: tuple[Database, Database]) -> None:
    source, target = way
    fill(source, rows=1)
    migrate.ensure(target)
    Store(target).journal.event("kind", "subject", "text", NOW)

    with pytest.raises(UsageError, match="it has rows of event"):
        copy(source, target, NOW)

    assert sum(map(len, content(target).values())) == 1


def test_a_target_of_another_program_is_refused(way: tuple[Database, Database]) -> None:
    source, target = way
    target.run("CREATE TABLE invoices (number INTEGER)")

    with pytest.raises(UsageError, match="in use"):
        copy(source, target, NOW)


def test_what_somebody_works_with_is_not_copied(way: tuple[Database, Database]) -> None:
    source, target = way
    worker = WorkerRow(owner=whoami(), machine="here", kind="run", version="1", threads=1, busy=[],
                       started_at=stamp(NOW), seen_at=stamp(NOW))  # fmt: skip
    Store(source).agenda.seen(worker)

    with pytest.raises(UsageError, match=r"still works with the database: process \d+ on"):
        copy(source, target, NOW)

    Store(source).agenda.gone(whoami())
    Store(source).leases.take("pull:shop:orders", "elsewhere/7/1", NOW, timedelta(minutes=1))
    with pytest.raises(UsageError, match="process 7 on elsewhere"):
        copy(source, target, NOW)
    copy(source, target, NOW + timedelta(minutes=2))


def test_a_target_that_changes_what_it_is_given_is_not_trusted(sqlite_files: Any) -> None:
    urls = [sqlite_files.migrated() for _ in range(2)]
    with contextlib.closing(connect(urls[0])) as source, contextlib.closing(connect(urls[1])) as target:
        Store(source).journal.event("kind", "subject", "text", NOW)
        target.run("CREATE TRIGGER odd AFTER INSERT ON event BEGIN UPDATE event SET text = 'other'; END")

        with pytest.raises(StoreError, match="The copy of event differs"):
            copy(source, target, NOW)

        assert target.query("SELECT count(*) FROM event") == [(0,)]


def test_a_database_is_not_copied_to_itself(sqlite_files: Any) -> None:
    source = connect(sqlite_files.migrated())
    with contextlib.closing(source), pytest.raises(UsageError, match="the same database"):
        copy(source, source, NOW)
