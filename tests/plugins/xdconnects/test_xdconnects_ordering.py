"""Orders are previewed, sent once, and never changed; what is not answered is not sent again."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from xd_kit import (
    ASKING,
    KEY,
    Store,
    chest,
    digital,
    engraving,
    line,
    on_this_server,
    opened,
    order,
    padding,
    printed,
    wire_file,
)  # fmt: skip

from crossdock import (
    AccessError,
    Order,
    OutcomeUnknownError,
    Receipt,
    RecordError,
    Session,
    Since,
    TransientError,
    UnsupportedError,
    evolve,
)
from crossdock_xdconnects import plugin
from crossdock_xdconnects.sandbox import XdSandbox
from crossdock_xdconnects.settings import Settings


def send(session: Session[Settings], wanted: Any = None, known: Receipt | None = None) -> Receipt:
    wanted = wanted or order()
    preview = plugin.preview_order(session, wanted, KEY)
    assert preview.problems == ()
    return plugin.push_order(session, wanted, KEY, known)


def sent(xd: XdSandbox) -> list[dict[str, Any]]:
    return xd.state()["orders"]


def test_an_order_is_sent_with_our_reference_and_answered_with_the_suppliers_number(
    xd: XdSandbox, session: Session[Settings]
) -> None:
    receipt = send(session)
    (taken,) = sent(xd)
    assert taken["reference"] == KEY
    assert (receipt.external_id, receipt.status) == (taken["orderNumber"], "received")


def test_what_is_sent_is_byte_for_byte_what_was_previewed(
    xd: XdSandbox, session: Session[Settings], store: Store
) -> None:
    preview = plugin.preview_order(session, printed(), KEY)
    plugin.push_order(session, printed(), KEY, None)
    (posted,) = [each for each in store.exchanges if each.method == "POST"]
    assert posted.request_body == preview.body


@pytest.mark.parametrize("wanted", [
    pytest.param(order(), id="blank"),
    pytest.param(printed(), id="flat price"),
    pytest.param(printed(engraving(), padding("PMS 186 C", "PMS Black C")), id="two positions, two colours"),
    pytest.param(printed(padding(), quantity=30), id="small order charge"),
    pytest.param(order(line("T9900.002.M", 300, decorations=(chest("60", "100"),))), id="limit of two areas"),
    pytest.param(printed(digital(), sku="P992.010"), id="full colour"),
    pytest.param(order(line(quantity=2), extras={"order_type": "sample"}), id="sample"),
    pytest.param(order(line(quantity=1, decorations=(engraving(),), extras={"sample": True})), id="printed sample"),
])  # fmt: skip
def test_the_previewed_total_is_what_the_supplier_counts_before_freight(
    session: Session[Settings], store: Store, wanted: Order
) -> None:
    wanted = evolve(wanted, lines=tuple(on_this_server(each) for each in wanted.lines))
    preview = plugin.preview_order(session, wanted, KEY)
    assert preview.problems == ()
    plugin.push_order(session, wanted, KEY, None)
    (posted,) = [each for each in store.exchanges if each.method == "POST"]
    totals = json.loads(posted.response_body, parse_float=Decimal)["totals"]
    assert Decimal(preview.total) == totals["net"] - totals["freight"]


def test_without_live_ordering_everything_is_done_but_the_sending(xd: XdSandbox, store: Store) -> None:
    with opened(xd, store, live_ordering="no") as session, pytest.raises(RecordError, match="but the sending"):
        send(session)
    assert sent(xd) == []


def test_an_order_that_was_not_previewed_is_not_sent(xd: XdSandbox, session: Session[Settings]) -> None:
    with pytest.raises(TransientError, match="since it was previewed"):
        plugin.push_order(session, order(), KEY, None)
    assert sent(xd) == []


def test_an_order_that_changed_since_its_preview_is_not_sent(xd: XdSandbox, session: Session[Settings]) -> None:
    plugin.preview_order(session, order(), KEY)
    with pytest.raises(TransientError, match="since it was previewed"):
        plugin.push_order(session, order(line(quantity=60)), KEY, None)
    assert sent(xd) == []


def test_an_order_with_a_problem_is_not_sent(xd: XdSandbox, session: Session[Settings]) -> None:
    with pytest.raises(RecordError, match="no such item"):
        plugin.push_order(session, order(line("NOPE")), KEY, None)
    assert sent(xd) == []


def test_the_same_reference_is_never_sent_again(xd: XdSandbox, session: Session[Settings]) -> None:
    first = send(session)
    again = plugin.push_order(session, order(), KEY, None)
    assert again.external_id == first.external_id
    assert len(sent(xd)) == 1


# -- answers -----------------------------------------------------------------------------------------


def test_a_refusal_inside_a_success_parks_the_order_with_the_suppliers_words(
    xd: XdSandbox, session: Session[Settings]
) -> None:
    plugin.preview_order(session, order(), KEY)
    xd.change_stock("P990.001", 0)
    xd.catalogue.get("P990.001").arrivals.clear()
    with pytest.raises(RecordError, match="INSUFFICIENT_STOCK") as caught:
        plugin.push_order(session, order(), KEY, None)
    assert caught.value.path


def test_a_refused_order_may_be_sent_again(xd: XdSandbox, session: Session[Settings]) -> None:
    plugin.preview_order(session, order(), KEY)
    xd.change_stock("P990.001", 0)
    arrivals = xd.catalogue.get("P990.001").arrivals[:]
    xd.catalogue.get("P990.001").arrivals.clear()
    with pytest.raises(RecordError):
        plugin.push_order(session, order(), KEY, None)
    xd.change_stock("P990.001", 500)
    xd.catalogue.get("P990.001").arrivals.extend(arrivals)
    assert plugin.push_order(session, order(), KEY, None).external_id


@pytest.mark.parametrize(("kind", "details"), [
    ("cut_after", {}), ("status", {"status": 502}), ("status", {"status": 500}), ("html", {}), ("truncate", {}),
])  # fmt: skip
def test_a_lost_answer_leaves_the_outcome_open(
    xd: XdSandbox, session: Session[Settings], kind: str, details: dict[str, int]
) -> None:
    plugin.preview_order(session, order(), KEY)
    xd.fault(kind, path="/api/orders", **details)
    with pytest.raises(OutcomeUnknownError):
        plugin.push_order(session, order(), KEY, None)


def test_without_a_lookup_a_lost_answer_is_for_a_person(xd: XdSandbox, session: Session[Settings]) -> None:
    plugin.preview_order(session, order(), KEY)
    xd.fault("cut_after", path="/api/orders")
    with pytest.raises(OutcomeUnknownError):
        plugin.push_order(session, order(), KEY, None)
    with pytest.raises(UnsupportedError, match="no lookup") as caught:
        plugin.find_order(session, KEY)
    assert "effects resolve" in caught.value.hint


def test_with_a_lookup_a_lost_answer_is_found(xd: XdSandbox, store: Store, tmp_path: Path) -> None:
    with opened(xd, store, wire_file=wire_file(tmp_path, **ASKING)) as session:
        plugin.preview_order(session, order(), KEY)
        xd.fault("cut_after", path="/api/orders")
        with pytest.raises(OutcomeUnknownError):
            plugin.push_order(session, order(), KEY, None)
        assert [each.external_id for each in plugin.find_order(session, KEY)] == [sent(xd)[0]["orderNumber"]]
        assert len(next(iter(plugin.fetch_orders(session, Since()))).records) == 1


def test_a_lookup_that_finds_nothing_says_so(xd: XdSandbox, store: Store, tmp_path: Path) -> None:
    with opened(xd, store, wire_file=wire_file(tmp_path, **ASKING)) as session:
        assert list(plugin.find_order(session, KEY)) == []


def test_an_order_that_exists_at_the_supplier_is_found_instead_of_made_twice(
    xd: XdSandbox, store: Store, tmp_path: Path
) -> None:
    with opened(xd, store) as session:
        number = send(session).external_id
    store.memory.tables.pop("sent")  # another installation sent it
    with opened(xd, store, wire_file=wire_file(tmp_path, **ASKING)) as session:
        assert send(session).external_id == number
    assert len(sent(xd)) == 1


def test_a_duplicate_that_cannot_be_looked_up_leaves_the_outcome_open(xd: XdSandbox, store: Store) -> None:
    with opened(xd, store) as session:
        send(session)
        store.memory.tables.pop("sent")
        with pytest.raises(OutcomeUnknownError, match="already"):
            send(session)


def test_wrong_credentials_pause_the_connection(xd: XdSandbox, store: Store) -> None:
    with opened(xd, store, api_token="wrong-token-here") as session, pytest.raises(AccessError, match="API token"):
        send(session)


def test_too_many_requests_are_tried_again_later(xd: XdSandbox, session: Session[Settings]) -> None:
    plugin.preview_order(session, order(), KEY)
    xd.fault("status", path="/api/orders", status=429)
    with pytest.raises(TransientError):
        plugin.push_order(session, order(), KEY, None)
    assert plugin.push_order(session, order(), KEY, None).external_id


def test_a_word_that_is_neither_success_nor_refusal_leaves_the_outcome_open(
    xd: XdSandbox, store: Store, tmp_path: Path
) -> None:
    answer = {"success_words": ["yes"], "refused_words": ["no"], "order_number": "orderNumber", "status": "status"}
    path = wire_file(tmp_path, answer=answer)
    with opened(xd, store, wire_file=path) as session, pytest.raises(OutcomeUnknownError, match="neither as a success"):
        send(session)


# -- after sending -----------------------------------------------------------------------------------


def test_a_change_of_a_sent_order_is_a_mail_to_the_back_office(xd: XdSandbox, session: Session[Settings]) -> None:
    receipt = send(session)
    with pytest.raises(RecordError) as caught:
        plugin.push_order(session, order(line(quantity=60)), KEY, receipt)
    text = str(caught.value)
    assert "benelux@xdconnects.com" in text
    assert "Subject: " in text
    assert receipt.external_id in text
    assert KEY in text
    assert "lines[0].quantity: 60 (was 50)" in text
    assert len(sent(xd)) == 1


def test_the_preview_of_a_change_has_the_mail_as_its_problem(session: Session[Settings]) -> None:
    send(session)
    (problem,) = plugin.preview_order(session, order(line(quantity=60)), KEY).problems
    assert "lines[0].quantity: 60 (was 50)" in problem


def test_a_sent_order_without_a_change_is_left_alone(xd: XdSandbox, session: Session[Settings]) -> None:
    receipt = send(session)
    xd.change_price("P990.001", "1.00")
    session.clock.advance(hours=30)  # type: ignore[attr-defined]
    assert plugin.preview_order(session, order(), KEY).problems == ()
    assert plugin.push_order(session, order(), KEY, receipt).external_id == receipt.external_id


def test_a_cancelled_order_is_a_mail_as_well(session: Session[Settings]) -> None:
    receipt = send(session)
    with pytest.raises(RecordError, match="cancel the whole order"):
        plugin.push_order(session, order(status="cancelled"), KEY, receipt)
    with pytest.raises(RecordError, match=r"cancel the whole order \(wrong size\)"):
        plugin.cancel_order(session, receipt, "wrong size")


def test_without_a_region_the_delivery_country_chooses_the_back_office(xd: XdSandbox, store: Store) -> None:
    with opened(xd, store, region="") as session:
        receipt = send(session)
        with pytest.raises(RecordError, match=r"scandinavia@xdconnects\.com"):
            plugin.cancel_order(session, receipt, "")
