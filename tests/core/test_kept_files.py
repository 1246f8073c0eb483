"""The last good files of a connection, and what a connector remembers; on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from crossdock.session import HeldFiles
from crossdock.store.memory import StoredFiles, StoredMemory

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def now():
    """The time, which a test may move."""
    return [NOON]


@pytest.fixture
def files(store, now):
    """Opens the files of a connection."""
    return lambda connection="xd": StoredFiles(store.database, connection, lambda: now[0])


def test_a_file_comes_back_as_it_was_kept(files):
    content = bytes(range(256)) * 10

    files().put("stock.json", content, {"etag": '"v1"'})

    kept = files().get("stock.json")
    assert (kept.content, kept.facts, kept.kept_at) == (content, {"etag": '"v1"'}, NOON)


def test_a_file_that_was_never_kept_is_none(files):
    assert (files().get("stock.json"), files().kept_at("stock.json")) == (None, None)


def test_a_newer_file_takes_the_place_of_the_older_one(files, now):
    files().put("stock.json", b"old", {"etag": "1"})
    now[0] += timedelta(minutes=5)
    files().put("stock.json", b"new")

    kept = files().get("stock.json")
    assert (kept.content, dict(kept.facts), kept.kept_at) == (b"new", {}, NOON + timedelta(minutes=5))


def test_its_age_is_known_without_reading_it(files):
    files().put("stock.json", b"x")

    assert files().kept_at("stock.json") == NOON


def test_an_empty_file_is_a_file(files):
    files().put("stock.json", b"")

    assert files().get("stock.json").content == b""


def test_a_file_is_stored_compressed(files, store):
    files().put("stock.json", b'{"sku": "A", "count": 1}' * 10_000)

    ((size,),) = store.database.query("SELECT length(content) FROM file")
    assert size < 5_000


def test_each_connection_has_its_own_files(files):
    files("xd").put("stock.json", b"xd")
    files("other").put("stock.json", b"other")

    assert [files(name).get("stock.json").content for name in ("xd", "other")] == [b"xd", b"other"]


def test_files_and_memory_go_with_their_connection(files, store):
    for name in ("xd", "other"):
        files(name).put("stock.json", b"x")
        StoredMemory(store.database, name).put_many("ids", {"A": "1"})

    with store.transaction():
        store.records.forget_connection("xd")

    assert (files("xd").get("stock.json"), StoredMemory(store.database, "xd").items("ids")) == (None, {})
    assert (files("other").get("stock.json").content, StoredMemory(store.database, "other").items("ids")) == (
        b"x", {"A": "1"},
    )  # fmt: skip


def test_what_is_only_held_behaves_the_same():
    held = HeldFiles()
    assert (held.get("a"), held.kept_at("a")) == (None, None)

    kept = held.put("a", b"1", {"etag": "1"})

    assert (held.get("a"), held.kept_at("a"), dict(kept.facts)) == (kept, kept.kept_at, {"etag": "1"})


def test_a_connector_finds_its_files_again_after_a_restart(world):
    world.bench.open("shop").session.files.put("stock.json", b"x")
    world.app.forget("shop")

    assert world.bench.open("shop").session.files.get("stock.json").content == b"x"


def test_everything_that_is_known_in_a_table_comes_in_the_order_of_the_keys(store):
    memory = StoredMemory(store.database, "xd")
    memory.put_many("ids", {"b": "2", "a": "1", "c": "3"})
    memory.put_many("other", {"d": "4"})
    memory.forget("ids", ["c"])

    assert list(memory.items("ids").items()) == [("a", "1"), ("b", "2")]
