"""Records, payloads, bindings, bookmarks and parked payloads in the store, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from crossdock.errors import Gap, RecordError, StoreError
from crossdock.records import Order, fingerprint, to_document
from crossdock.store.records import Bound, Prepared

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def prepared(key, total="10.00", ref="", payload=b"", at=""):
    order = Order(key=key, number=ref, total=Decimal(total))
    document = to_document(order)
    return Prepared(key, order.ref, fingerprint(order, document), at, document.decode(), order, payload)


def keep(store, *rows, run=1, page=1):
    with store.transaction():
        store.records.keep("shop", "orders", rows, run, page, NOW)


def test_a_kept_record_comes_back_as_it_was(store):
    keep(store, prepared("1", "10.10", "N1", b"raw \x00 bytes"))

    stored = store.records.get("shop", "orders", "1")

    assert (stored.ref, stored.run, stored.page, stored.record.total) == ("N1", 1, 1, Decimal("10.10"))
    assert store.records.payload("shop", "orders", "1") == b"raw \x00 bytes"


@pytest.mark.parametrize("count", [3, 40], ids=["a few", "many"])
def test_keeping_a_record_again_replaces_it(store, count):
    keep(store, *(prepared(str(number), "1.00") for number in range(count)))

    keep(store, *(prepared(str(number), "2.00") for number in range(1, count)), run=2)

    totals = {key: each.record.total for key, each in store.records.get_many("shop", "orders", ["0", "1"]).items()}
    assert totals == {"0": Decimal("1.00"), "1": Decimal("2.00")}
    assert store.records.count("shop", "orders") == count


def test_many_rows_after_a_transaction_that_failed_are_kept(store):
    rows = [prepared(str(number)) for number in range(40)]
    with pytest.raises(ZeroDivisionError), store.transaction():
        store.records.keep("shop", "orders", rows, 1, 1, NOW)
        raise ZeroDivisionError

    keep(store, *rows[:30])

    assert store.records.count("shop", "orders") == 30


def test_known_answers_fingerprint_and_change_time_of_stored_keys_only(store):
    row = prepared("1", at="2026-03-01T10:00:00.000000Z")
    keep(store, row)

    known = store.records.known("shop", "orders", ["1", "2"])

    assert known == {"1": (row.fingerprint, "2026-03-01T10:00:00.000000Z")}


def test_no_keys_are_no_question(store):
    keep(store, prepared("1"))

    assert store.records.known("shop", "orders", []) == {}


def test_touching_moves_only_the_change_time(store):
    keep(store, prepared("1", at="2026-03-01T10:00:00.000000Z"))
    with store.transaction():
        store.records.touch("shop", "orders", [prepared("1", "99", at="2026-03-01T11:00:00.000000Z")])

    stored = store.records.get("shop", "orders", "1")

    assert (stored.updated_at, stored.record.total) == ("2026-03-01T11:00:00.000000Z", Decimal("10.00"))


def test_records_are_found_by_key_and_by_what_people_call_them(store):
    keep(store, prepared("1", ref="N1"), prepared("2", ref="1"))

    assert [each.key for each in store.records.search("orders", "1")] == ["1", "2"]
    assert [each.key for each in store.records.by_refs("shop", "orders", ["N1"])] == ["1"]


def test_pages_go_through_all_records_in_key_order(store):
    keep(store, *(prepared(f"{number:02}") for number in range(7)))

    pages = [[each.key for each in page] for page in store.records.pages("shop", "orders", 3)]

    assert pages == [["00", "01", "02"], ["03", "04", "05"], ["06"]]


def test_a_document_that_this_release_cannot_read_says_how_to_read_it_again(store):
    keep(store, prepared("1"))
    store.database.run("UPDATE record SET document = '{\"total\": []}'")

    with pytest.raises(RecordError, match="cannot be read") as raised:
        _ = store.records.get("shop", "orders", "1").record

    assert raised.value.hint.endswith("crossdock sync shop orders --key 1")


def test_a_binding_leads_both_ways_and_the_last_one_holds(store):
    with store.transaction():
        store.records.bind(Bound("shop", "orders", "1", "erp", "E1", ""), NOW)
        store.records.bind(Bound("shop", "orders", "1", "erp", "E2", "N2"), NOW)

    bound = Bound("shop", "orders", "1", "erp", "E2", "N2")
    assert store.records.bound("shop", "orders", ["1", "2"], "erp") == {"1": bound}
    assert store.records.origins("erp", "orders", ["E1", "E2"]) == {"E2": [bound]}


def test_a_forgotten_binding_is_gone(store):
    store.records.bind(Bound("shop", "orders", "1", "erp", "E1", ""), NOW)

    store.records.unbind("shop", "orders", "1", "erp")

    assert store.records.bound("shop", "orders", ["1"], "erp") == {}


def test_a_bookmark_is_kept_beside_the_switch_and_the_schedule(store):
    store.config.save_stream("shop", "orders", enabled=True, every=600, cron="")
    store.records.set_bookmark("shop", "orders", "c7", NOW)
    store.config.save_stream("shop", "orders", enabled=True, every=300, cron="")

    (row,) = store.config.streams("shop")

    assert (row.cursor, row.every, row.enabled) == ("c7", 300, True)
    assert store.records.bookmark("shop", "orders") == "c7"
    assert store.records.bookmark("shop", "products") is None


def test_a_payload_that_could_not_be_read_is_parked_with_all_that_is_known(store):
    error = RecordError("It has no 'total'.", key="7", path="lines[3].total", vendor_message="huh", payload=b"\x00{}")
    store.records.park("shop", "orders", [error], 3, NOW)

    (parked,) = store.records.parked("shop", "orders")

    assert (parked.key, parked.path, parked.vendor_message, parked.payload, parked.run) == (
        "7", "lines[3].total", "huh", b"\x00{}", 3,
    )  # fmt: skip


def test_parking_again_replaces_and_reading_it_unparks(store):
    store.records.park("shop", "orders", [RecordError("a", key="7"), RecordError("b", key="8")], 1, NOW)
    store.records.park("shop", "orders", [RecordError("c", key="7")], 2, NOW + timedelta(hours=1))
    assert {each.key: each.message for each in store.records.parked()} == {"7": "c", "8": "b"}

    store.records.unpark("shop", "orders", ["7"])

    assert [each.key for each in store.records.parked()] == ["8"]


def test_parking_one_key_twice_in_a_large_page_keeps_the_last(store):
    errors = [RecordError(f"error {number}", key=str(number % 25)) for number in range(30)]

    store.records.park("shop", "orders", errors, 1, NOW)

    assert len(store.records.parked()) == 25
    assert {each.key: each.message for each in store.records.parked()}["3"] == "error 28"


def test_records_with_the_same_trouble_have_the_same_cause(store):
    errors = [
        RecordError("'12,50' is no amount.", key="1", path="lines[0].total"),
        RecordError("'7,10' is no amount.", key="2", path="lines[12].total"),
        RecordError("unknown", key="3", gap=Gap("sku", "A")),
    ]
    store.records.park("shop", "orders", errors, 1, NOW)

    causes = {each.key: each.cause for each in store.records.parked()}

    assert causes["1"] == causes["2"]
    assert causes["3"] == "unknown sku A"


def test_text_that_a_database_cannot_keep_is_kept_readably(store):
    error = RecordError("a\x00b \udcff", key="k\x00", path="p\x00", vendor_message="\x00")

    store.records.park("shop", "orders", [error], 1, NOW)

    assert [each.message for each in store.records.parked()] == ["a\N{REPLACEMENT CHARACTER}b ?"]


def test_forgetting_a_connection_leaves_the_others_alone(store):
    keep(store, prepared("1", payload=b"x"))
    store.records.keep("other", "orders", [prepared("1", payload=b"x")], 1, 1, NOW)
    store.records.set_bookmark("shop", "orders", "c", NOW)
    store.records.bind(Bound("shop", "orders", "1", "erp", "E1", ""), NOW)

    with store.transaction():
        store.records.forget_connection("shop")

    assert (store.records.count("shop", "orders"), store.records.count("other", "orders")) == (0, 1)
    assert store.records.bookmark("shop", "orders") is None
    assert store.records.origins("erp", "orders", ["E1"]) == {}


def test_an_error_inside_a_transaction_leaves_the_store_usable(store):
    with pytest.raises(StoreError), store.transaction():
        store.records.set_bookmark("shop", "orders", "lost", NOW)
        store.database.run("INSERT INTO nowhere VALUES (1)")

    store.records.set_bookmark("shop", "products", "kept", NOW)

    assert store.records.bookmark("shop", "orders") is None
    assert store.records.bookmark("shop", "products") == "kept"
