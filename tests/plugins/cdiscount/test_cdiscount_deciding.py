"""Accepting, refusing and cancelling orders: whole orders, once, and never against what was decided."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from crossdock import Decision, Receipt, RecordError, TransientError, UnsupportedError
from crossdock_cdiscount import plugin

YES, NO = Decision(accept=True), Decision(accept=False, reason="no stock")


@pytest.fixture
def waiting(shops):
    """An account with an order of two lines that waits for acceptance: shop, session, what is known of the order."""

    def wait(acceptance: bool = True, settings: dict[str, str] | None = None, **options):
        shop = shops(acceptance=acceptance, **{"auto_prepare": False, **options})
        key = shop.twin.place_order([{"sku": "P-100"}, {"sku": "P-101"}])
        return shop, shop.connect(**(settings or {})), Receipt(external_id=key, number="N-1")

    return wait


def status(shop) -> str:
    return str(shop.twin.state()["orders"][0]["status"])


# -- acceptance ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("decision", "word"), [(YES, "Accepted"), (NO, "Refused")])
def test_an_order_that_waits_is_decided(waiting, decision, word):
    shop, session, known = waiting()

    receipt = plugin.accept_order(session, known, decision)

    assert (status(shop), receipt.status, receipt.number) == (word, word, "N-1")


@pytest.mark.parametrize("decision", [YES, NO])
def test_deciding_twice_sends_once(waiting, decision):
    shop, session, known = waiting()
    plugin.accept_order(session, known, decision)

    again = plugin.accept_order(session, known, decision)

    assert again.status == status(shop)
    assert len(shop.asked("POST", "/approval-status")) == 1


def test_two_who_accept_at_the_same_moment_both_see_it_accepted(waiting):
    shop, session, known = waiting()
    shop.twin.fault("slow", method="POST", path="/approval-status", seconds=0.2, times=2)

    with ThreadPoolExecutor(2) as pool:
        receipts = list(pool.map(lambda _: plugin.accept_order(session, known, YES), range(2)))

    assert [receipt.status for receipt in receipts] == ["Accepted", "Accepted"]


def test_a_refusal_that_comes_a_moment_after_an_acceptance_is_told_so(waiting):
    shop, session, known = waiting()
    shop.twin.fault("slow", method="POST", path="/approval-status", seconds=0.2, times=2)

    def decide(decision: Decision) -> str:
        try:
            return plugin.accept_order(session, known, decision).status
        except RecordError as error:
            return error.message

    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(decide, (YES, NO)))

    assert status(shop) in told
    assert sum("but it is" in each for each in told) == 1


@pytest.mark.parametrize("state", ["Accepted", "InPreparation", "Shipped", "Delivered"])
def test_an_order_that_went_on_is_accepted_already(waiting, state):
    shop, session, known = waiting()
    shop.twin.set_status(known.external_id, state)

    assert plugin.accept_order(session, known, YES).status == state
    assert shop.asked("POST", "/approval-status") == []


@pytest.mark.parametrize(
    ("decision", "state"),
    [(YES, "Refused"), (YES, "Rejected"), (YES, "Cancelled"), (NO, "InPreparation"), (NO, "Shipped"), (YES, "Odd")],
)
def test_a_decision_against_what_was_decided_is_refused_in_a_sentence(waiting, decision, state):
    shop, session, known = waiting()
    shop.twin.set_status(known.external_id, state)

    with pytest.raises(RecordError, match=f"but it is {state} already"):
        plugin.accept_order(session, known, decision)


def test_an_order_that_does_not_wait_yet_is_asked_for_later(waiting):
    shop, session, known = waiting()
    shop.twin.set_status(known.external_id, "Processing")

    with pytest.raises(TransientError):
        plugin.accept_order(session, known, YES)


@pytest.mark.parametrize("accept", [True, False])
def test_octopia_knows_no_choice_per_line(waiting, accept):
    shop, session, known = waiting()
    line = shop.twin.state()["orders"][0]["lines"][0]["orderLineId"]

    with pytest.raises(RecordError, match="no choice per line"):
        plugin.accept_order(session, known, Decision(accept=accept, lines=(line,)))

    assert status(shop) == "WaitingAcceptance"


def test_naming_all_lines_is_the_whole_order(waiting):
    shop, session, known = waiting()
    lines = tuple(line["orderLineId"] for line in shop.twin.state()["orders"][0]["lines"])

    plugin.accept_order(session, known, Decision(accept=True, lines=lines))

    assert status(shop) == "Accepted"


def test_after_a_lost_answer_the_decision_is_found(waiting):
    shop, session, known = waiting()
    shop.twin.bad_gateway(path="/approval-status$")

    with pytest.raises(TransientError):
        plugin.accept_order(session, known, YES)

    assert plugin.accept_order(session, known, YES).status == "Accepted"
    assert len(shop.asked("POST", "/approval-status")) == 1


def test_an_order_of_a_channel_that_is_not_served_is_left_alone(waiting):
    shop, session, known = waiting(settings={"sales_channels": "EXAMPLEPL"})

    with pytest.raises(RecordError, match="does not serve"):
        plugin.accept_order(session, known, YES)

    assert status(shop) == "WaitingAcceptance"


# -- cancellation ----------------------------------------------------------------------------------

ON = {"cancel": "yes", "cancel_reason": "seller-out-of-stock"}


def requests(shop) -> list[dict]:
    return list(shop.twin.state()["cancellations"])


def test_cancelling_is_off_and_says_which_setting_it_is(waiting):
    shop, session, known = waiting(acceptance=False)

    with pytest.raises(UnsupportedError, match="setting cancel"):
        plugin.cancel_order(session, known, "gone")

    assert shop.requests == []


@pytest.mark.parametrize("reason", ["seller-wrong-price", "Erreur de prix", "ERREUR DE PRIX"])
def test_a_cancellation_is_asked_for_with_octopias_reason(waiting, reason):
    shop, session, known = waiting(acceptance=False, settings=ON)

    receipt = plugin.cancel_order(session, known, reason)

    (request,) = requests(shop)
    assert "seller-wrong-price" in str(request)
    assert "the marketplace decides" in receipt.note
    assert receipt.external_id == known.external_id


def test_another_reason_becomes_the_one_of_the_settings(waiting):
    shop, session, known = waiting(acceptance=False, settings=ON)

    plugin.cancel_order(session, known, "the dog ate it")

    assert "seller-out-of-stock" in str(requests(shop)[0])


def test_without_a_reason_that_octopia_knows_it_says_which_there_are(waiting):
    shop, session, known = waiting(acceptance=False, settings={"cancel": "yes"})

    with pytest.raises(RecordError, match=r"there are: .*seller-out-of-stock"):
        plugin.cancel_order(session, known, "the dog ate it")

    assert requests(shop) == []


def test_a_cancellation_is_asked_for_once(waiting):
    shop, session, known = waiting(acceptance=False, settings=ON)
    plugin.cancel_order(session, known, "gone")

    plugin.cancel_order(session, known, "gone")

    assert len(shop.asked("POST", "/order-cancellation-requests")) == 1


def test_the_field_that_sources_disagree_on_is_a_setting(waiting):
    shop, session, known = waiting(
        acceptance=False, settings={**ON, "cancel_field": "orderId"}, cancellation_key="orderId"
    )

    plugin.cancel_order(session, known, "gone")

    assert len(requests(shop)) == 1


def test_a_cancelled_order_is_cancelled(waiting):
    shop, session, known = waiting(acceptance=False, settings=ON)
    shop.twin.cancel(known.external_id)

    assert plugin.cancel_order(session, known, "gone").status == "Cancelled"
    assert requests(shop) == []


def test_a_shipped_order_can_no_longer_be_cancelled(waiting):
    shop, session, known = waiting(acceptance=False, settings=ON)
    shop.twin.set_status(known.external_id, "Shipped")

    with pytest.raises(RecordError, match="no longer"):
        plugin.cancel_order(session, known, "gone")
