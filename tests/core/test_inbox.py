"""Doors and what came in through them, as the store keeps it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import attrs
import pytest

from crossdock import Changed
from crossdock.store.database import stamp
from crossdock.store.inbox import Arrival, HookRow

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORDER = (Changed(stream="orders", keys=("1",)),)


def arrival(dedupe="", *, connection="shop", **fields):
    given = {"signals": ORDER, "received_at": stamp(AT), **fields}
    return Arrival(connection=connection, method="POST", headers="{}", query="{}", body=b"{}", dedupe=dedupe, **given)


def states(store):
    return [row.state for row in store.inbox.rows()][::-1]


def test_what_is_kept_comes_back_as_it_was(store):
    kept = arrival("a", note="said", signals=(Changed(stream="orders", keys=("1", "2")), Changed(stream="balance")))

    assert store.inbox.keep([kept]) == ["new"]

    (row,) = store.inbox.rows()
    assert (row.body, row.signals, row.note, row.state) == (kept.body, kept.signals, "said", "new")
    assert store.inbox.get(row.id) == row


def test_a_repeat_is_kept_as_a_duplicate_without_its_body(store):
    store.inbox.keep([arrival("a")])

    assert store.inbox.keep([arrival("a")]) == ["duplicate"]
    assert [row.body for row in store.inbox.rows()] == [b"", b"{}"]


def test_repeats_within_one_batch_are_seen(store):
    assert store.inbox.keep([arrival("a"), arrival("b"), arrival("a")]) == ["new", "new", "duplicate"]


def test_the_same_key_of_another_connection_is_no_repeat(store):
    store.inbox.keep([arrival("a")])

    assert store.inbox.keep([arrival("a", connection="erp")]) == ["new"]


def test_without_a_key_nothing_is_a_repeat(store):
    assert store.inbox.keep([arrival(), arrival()]) == ["new", "new"]


@pytest.mark.parametrize("state", ["failed", "ignored"])
def test_what_failed_or_was_ignored_gets_another_chance(store, state):
    store.inbox.keep([arrival("a")])
    store.inbox.settle([(store.inbox.rows()[0].id, state, "")], AT)

    assert store.inbox.keep([arrival("a")]) == ["new"]


def test_the_same_failure_again_adds_no_row(store):
    store.inbox.keep([arrival("broken 1", state="failed")])

    assert store.inbox.keep([arrival("broken 1", state="failed")]) == ["duplicate"]
    assert states(store) == ["failed"]


@pytest.mark.parametrize("key", ["k" * 5000, "with \0 in it"], ids=["long", "nul"])
def test_any_key_can_be_kept_and_recognised(store, key):
    store.inbox.keep([arrival(key)])

    assert store.inbox.keep([arrival(key)]) == ["duplicate"]


def test_only_what_waits_is_settled(store):
    store.inbox.keep([arrival("a")])
    (row,) = store.inbox.rows()
    store.inbox.end(row.id, "done", "by hand", AT)

    store.inbox.settle([(row.id, "failed", "too late")], AT)

    assert store.inbox.get(row.id).note == "by hand"


def test_counts_are_by_connection(store):
    store.inbox.keep([arrival("a"), arrival("b"), arrival("c", connection="erp", state="failed")])

    assert store.inbox.connections() == {"shop": 2}
    assert store.inbox.open() == {("shop", "new"): (2, stamp(AT)), ("erp", "failed"): (1, stamp(AT))}
    assert store.inbox.last() == {"shop": stamp(AT), "erp": stamp(AT)}


def test_a_door_is_changed_without_losing_its_count(store):
    store.hooks.save(HookRow(connection="shop", token="one"))
    store.hooks.seen({"shop": 3}, {"shop": "one"}, AT)

    store.hooks.save(attrs.evolve(store.hooks.get("shop"), token="two", refused=0))

    assert store.hooks.all() == [HookRow(connection="shop", token="two", refused=3, confirmed_at=stamp(AT))]


def test_a_door_is_confirmed_once(store):
    store.hooks.save(HookRow(connection="shop", token="one"))
    store.hooks.seen({}, {"shop": "one"}, AT)

    store.hooks.seen({}, {"shop": "one"}, AT + timedelta(hours=1))

    assert store.hooks.get("shop").confirmed_at == stamp(AT)


def test_a_door_whose_token_changed_meanwhile_is_not_confirmed(store):
    store.hooks.save(HookRow(connection="shop", token="two"))

    store.hooks.seen({}, {"shop": "one"}, AT)

    assert store.hooks.get("shop").confirmed_at is None
