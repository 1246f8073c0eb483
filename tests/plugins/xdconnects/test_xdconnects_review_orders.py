"""What would make a binding order leave twice, unapproved, or as something else than what is believed."""

from __future__ import annotations

import json
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from xd_kit import ASKING, KEY, Store, line, opened, order, printed, values, wire_file

from crossdock import (
    ConnectorError,
    Order,
    OutcomeUnknownError,
    Preview,
    Receipt,
    RecordError,
    Session,
    Since,
    TransientError,
    UnsupportedError,
    WebhookRequest,
    evolve,
)
from crossdock_xdconnects import ledger, plugin
from crossdock_xdconnects.sandbox import XdSandbox
from crossdock_xdconnects.settings import INFO, Settings


def preview(session: Session[Settings], wanted: Order | None = None) -> Preview:
    return plugin.preview_order(session, wanted or order(), KEY)


def send(session: Session[Settings], wanted: Order | None = None) -> Receipt:
    assert preview(session, wanted).problems == ()
    return plugin.push_order(session, wanted or order(), KEY, None)


def lose(xd: XdSandbox, session: Session[Settings], kind: str = "cut_after") -> None:
    """Send an order whose answer is lost, long enough ago to be asked about."""
    preview(session)
    xd.fault(kind, path="/api/orders")
    with pytest.raises(OutcomeUnknownError):
        plugin.push_order(session, order(), KEY, None)
    session.clock.sleep(600)


def hook(session: Session[Settings], **body: Any) -> None:
    content = json.dumps({"reference": KEY, **body}).encode()
    request = WebhookRequest(method="POST", headers={"content-type": "application/json"}, query={}, body=content)
    assert plugin.handle_webhook(session, request).status == 200


def sent(xd: XdSandbox) -> list[dict[str, Any]]:
    orders: list[dict[str, Any]] = xd.state()["orders"]
    return orders


# -- what an approval stands for ---------------------------------------------------------------------


def test_a_print_that_became_dearer_is_another_preview(xd: XdSandbox, session: Session[Settings]) -> None:
    first = preview(session, printed())
    rows = session.files.get("print_prices_feed")
    assert rows is not None
    heading, *cells = [each.split("\t") for each in rows.content.decode().splitlines()]
    at = heading.index("SetupNet")
    dearer = "\n".join("\t".join([*row[:at], "999", *row[at + 1 :]]) for row in cells)
    session.clock.sleep(1)
    session.files.put("print_prices_feed", f"{chr(9).join(heading)}\n{dearer}\n".encode(), rows.facts)
    second = preview(session, printed())
    assert (second.body, second.total) != (first.body, first.total)
    assert second.hash != first.hash


@pytest.mark.parametrize("changes", [{"environment": "production"}, {"base_url": "https://other.example/api"}])
def test_an_approval_for_one_place_is_none_for_another(xd: XdSandbox, store: Store, changes: dict[str, str]) -> None:
    with opened(xd, store) as session:
        first = preview(session)
    with opened(xd, store, **changes) as session:
        second = preview(session)
    assert second.body == first.body
    assert second.hash != first.hash


def test_a_mapping_file_that_sends_elsewhere_makes_another_preview(xd: XdSandbox, store: Store, tmp_path: Path) -> None:
    with opened(xd, store, wire_file=wire_file(tmp_path)) as session:
        first = preview(session)
        create = json.loads(Path(session.settings.wire_file).read_bytes())["create"]
        wire_file(tmp_path, create={**create, "path": "/orders/rush", "headers": {"X-Mode": "rush"}})
        second = preview(session)
    assert second.body == first.body
    assert second.hash != first.hash


def test_somebody_elses_look_at_a_changed_order_does_not_let_it_go(xd: XdSandbox, session: Session[Settings]) -> None:
    changed = order(line(quantity=60))
    preview(session)
    other = threading.Thread(target=lambda: preview(session, changed))
    other.start()
    other.join()
    with pytest.raises(TransientError, match="since it was previewed"):
        plugin.push_order(session, changed, KEY, None)
    assert sent(xd) == []


# -- twice -------------------------------------------------------------------------------------------


def test_a_lookup_that_is_not_understood_does_not_say_absent(xd: XdSandbox, store: Store, tmp_path: Path) -> None:
    lookup = {**ASKING["lookup"], "orders": "results"}  # the sandbox answers with the order itself
    with opened(xd, store, wire_file=wire_file(tmp_path, lookup=lookup)) as session:
        lose(xd, session)
        with pytest.raises(UnsupportedError, match="neither an empty list nor"):
            plugin.find_order(session, KEY)


@pytest.mark.parametrize("answer", [
    "{}", "null", '{"orders": []}', '[{"orderNumber": "SO1", "reference": "SHOP-1042"}]',
    '[{"orderNumber": "SO1", "reference": "shop-104"}]', '[{"reference": "shop-1042"}]', '["SO1"]',
])  # fmt: skip
def test_only_an_empty_list_or_a_404_of_the_api_means_absent(
    xd: XdSandbox, store: Store, tmp_path: Path, answer: str
) -> None:
    with opened(xd, store, wire_file=wire_file(tmp_path, **ASKING)) as session:
        xd.fault("status", path="/api/orders", status=200, body=answer)
        with pytest.raises(UnsupportedError):
            plugin.find_order(session, KEY)


def test_an_empty_list_means_absent(xd: XdSandbox, store: Store, tmp_path: Path) -> None:
    with opened(xd, store, wire_file=wire_file(tmp_path, **ASKING)) as session:
        xd.fault("status", path="/api/orders", status=200, body="[]")
        assert list(plugin.find_order(session, KEY)) == []


def test_a_web_servers_404_is_no_answer_to_a_lookup(xd: XdSandbox, store: Store, tmp_path: Path) -> None:
    with opened(xd, store, wire_file=wire_file(tmp_path, **ASKING)) as session:
        xd.fault("status", path="/api/orders", status=404, body="<html>No such page</html>")
        with pytest.raises(ConnectorError):
            plugin.find_order(session, KEY)


def test_an_order_may_be_taken_and_not_be_found_yet() -> None:
    assert INFO.find_after.total_seconds() >= 300


def test_an_order_that_another_worker_is_sending_is_not_sent_beside_it(
    xd: XdSandbox, session: Session[Settings]
) -> None:
    preview(session)
    ledger.keep_sent(session, ledger.Sent(reference=KEY, sent_at=session.clock.now(), document="{}", under_way=True))
    with pytest.raises(TransientError, match="another worker"):
        plugin.push_order(session, order(), KEY, None)
    session.clock.sleep(301)
    assert send(session).external_id
    assert len(sent(xd)) == 1


@pytest.mark.parametrize("status", [302, 303])
def test_a_redirect_after_sending_leaves_the_outcome_open(
    xd: XdSandbox, session: Session[Settings], status: int
) -> None:
    preview(session)
    xd.fault("status", path="/api/orders", status=status)
    with pytest.raises(OutcomeUnknownError):
        plugin.push_order(session, order(), KEY, None)


# -- something else than what is believed ------------------------------------------------------------


def test_a_duplicate_is_the_order_that_was_sent_first_and_not_the_changed_one(
    xd: XdSandbox, store: Store, tmp_path: Path
) -> None:
    with opened(xd, store, wire_file=wire_file(tmp_path, **ASKING)) as session:
        lose(xd, session)  # then a person says, wrongly, that it is absent, and the customer orders more
        with pytest.raises(RecordError, match=r"quantity: 60 \(was 50\)"):
            send(session, order(line(quantity=60)))
        (known,) = next(iter(plugin.fetch_orders(session, Since()))).records
    assert [each.quantity for each in known.lines] == [50]
    assert len(sent(xd)) == 1


def test_a_duplicate_that_is_as_wanted_is_done(xd: XdSandbox, store: Store, tmp_path: Path) -> None:
    with opened(xd, store, wire_file=wire_file(tmp_path, **ASKING)) as session:
        lose(xd, session)
        assert send(session).external_id == sent(xd)[0]["orderNumber"]


@pytest.mark.parametrize("status", [401, 429, 400])
def test_a_refusal_of_the_second_request_does_not_forget_the_first(
    xd: XdSandbox, session: Session[Settings], status: int
) -> None:
    lose(xd, session)
    number = sent(xd)[0]["orderNumber"]
    preview(session)
    xd.fault("status", path="/api/orders", status=status)
    with pytest.raises(ConnectorError):
        plugin.push_order(session, order(), KEY, None)
    hook(session, orderNumber=number, status="confirmed")
    assert [each.external_id for each in plugin.find_order(session, KEY)] == [number]


def test_news_of_a_refused_order_do_not_stick_to_the_one_that_is_taken(
    xd: XdSandbox, session: Session[Settings]
) -> None:
    preview(session)
    intent = ledger.Sent(reference=KEY, number="SO-OLD", sent_at=session.clock.now(), document="{}")
    ledger.keep_sent(session, intent)
    hook(session, orderNumber="SO-OLD", status="rejected")
    ledger.keep_sent(session, ledger.Sent(reference=KEY, sent_at=session.clock.now(), document="{}"))
    session.clock.sleep(600)
    number = send(session).external_id
    hook(session, orderNumber=number, status="in production")
    (known,) = next(iter(plugin.fetch_orders(session, Since()))).records
    assert known.raw_status == "in_production"


def test_an_answer_with_a_byte_order_mark_is_read(xd: XdSandbox, session: Session[Settings]) -> None:
    preview(session)
    body = '\ufeff{"orderNumber": "SO77", "status": "received"}'
    xd.fault("status", path="/api/orders", status=200, body=body)
    assert plugin.push_order(session, order(), KEY, None).external_id == "SO77"


def test_a_wrong_ordering_address_is_named(xd: XdSandbox, store: Store) -> None:
    base = values(xd)["base_url"]
    with opened(xd, store, base_url=base.replace("/api", "/nowhere")) as session, pytest.raises(RecordError) as caught:
        send(session)
    assert "base_url" in caught.value.hint or caught.value.vendor_message


def test_what_a_person_found_absent_is_sent_at_once(xd: XdSandbox, session: Session[Settings]) -> None:
    preview(session)
    xd.fault("cut_before", path="/api/orders")
    with pytest.raises(OutcomeUnknownError):
        plugin.push_order(session, order(), KEY, None)
    assert send(session).external_id
    assert len(sent(xd)) == 1


def test_what_the_products_feed_does_not_know_is_not_ordered(xd: XdSandbox, session: Session[Settings]) -> None:
    preview(session)
    kept = session.files.get("products_feed")
    assert kept is not None
    session.clock.sleep(1)
    session.files.put("products_feed", kept.content.replace(b"P990.001", b"P990.009"), kept.facts)
    assert "products feed does not know it" in " ".join(preview(session).problems)


def test_credentials_in_an_artworks_address_are_not_shown(session: Session[Settings]) -> None:
    wanted = printed()
    (good,) = wanted.lines[0].decorations
    bad = evolve(good, artwork_url="https://user:pa55word@files.example/logo.zip")
    wanted = evolve(wanted, lines=(evolve(wanted.lines[0], decorations=(bad,)),))
    (problem,) = [each for each in preview(session, wanted).problems if "artwork" in each]
    assert "pa55word" not in problem
    assert Decimal(preview(session).total) > 0
