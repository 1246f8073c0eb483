"""Accepting, refusing, cancelling, and the seller's references: each may be asked for twice."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from mirakl_kit import Operator

from crossdock import Decision, Order, OutcomeUnknownError, Receipt, RecordError, StatusUpdate, TransientError, evolve
from crossdock_mirakl import plugin

TWO = [{"sku": "P-100", "quantity": 1}, {"sku": "P-101", "quantity": 2}]
ACCEPT, REFUSE = Decision(accept=True), Decision(accept=False)


def known(key: str) -> Receipt:
    return Receipt(external_id=key)


def states(operator: Operator, key: str) -> list[str]:
    return [line["order_line_state"] for line in operator.stored(key)["order_lines"]]


@pytest.fixture
def waiting(operator: Operator) -> str:
    return operator.sandbox.place_order(TWO)


# -- acceptance --------------------------------------------------------------------------------------


def test_an_order_is_accepted_with_all_its_lines(operator: Operator, waiting: str) -> None:
    receipt = plugin.accept_order(operator.session, known(waiting), ACCEPT)
    assert receipt.status == "WAITING_DEBIT"
    assert states(operator, waiting) == ["SHIPPING", "SHIPPING"]


def test_an_order_is_refused_with_all_its_lines(operator: Operator, waiting: str) -> None:
    assert plugin.accept_order(operator.session, known(waiting), REFUSE).status == "REFUSED"
    assert operator.stored(waiting)["order_state"] == "REFUSED"


def test_lines_that_are_not_named_get_the_opposite(operator: Operator, waiting: str) -> None:
    plugin.accept_order(operator.session, known(waiting), Decision(accept=False, lines=(f"{waiting}-2",)))
    assert states(operator, waiting) == ["SHIPPING", "REFUSED"]


@pytest.mark.parametrize("decision", [ACCEPT, REFUSE])
def test_deciding_twice_sends_once(operator: Operator, waiting: str, decision: Decision) -> None:
    plugin.accept_order(operator.session, known(waiting), decision)
    again = plugin.accept_order(operator.session, known(waiting), decision)
    assert again.status == operator.stored(waiting)["order_state"]
    assert len(operator.asked("PUT", "/accept")) == 1


def test_a_lost_answer_is_cleared_up_by_reading(operator: Operator, waiting: str) -> None:
    operator.sandbox.fault("cut_after", method="PUT", path="/accept")
    receipt = plugin.accept_order(operator.session, known(waiting), ACCEPT)
    assert receipt.status == "SHIPPING"
    assert len(operator.asked("PUT", "/accept")) == 2


@pytest.mark.parametrize(("first", "second", "words"), [
    (REFUSE, ACCEPT, "was refused already"), (ACCEPT, REFUSE, "was accepted already"),
])  # fmt: skip
def test_a_contradiction_is_refused_in_a_sentence(
    operator: Operator, waiting: str, first: Decision, second: Decision, words: str
) -> None:
    plugin.accept_order(operator.session, known(waiting), first)
    with pytest.raises(RecordError, match=words):
        plugin.accept_order(operator.session, known(waiting), second)


def test_a_cancelled_order_cannot_be_accepted(operator: Operator, waiting: str) -> None:
    operator.sandbox.cancel(waiting)
    with pytest.raises(RecordError, match="was cancelled"):
        plugin.accept_order(operator.session, known(waiting), ACCEPT)


def test_a_cancelled_order_need_not_be_refused(operator: Operator, waiting: str) -> None:
    operator.sandbox.cancel(waiting)
    assert plugin.accept_order(operator.session, known(waiting), REFUSE).status == "CANCELED"


def test_an_order_that_the_operator_still_checks_is_tried_later(operator: Operator) -> None:
    key = operator.sandbox.place_order(TWO, staging=True)
    with pytest.raises(TransientError, match="still checks"):
        plugin.accept_order(operator.session, known(key), ACCEPT)


def test_an_order_of_a_third_party_is_not_decided_here(operator: Operator) -> None:
    key = operator.sandbox.place_order(TWO, fulfilment="FBM-01")
    with pytest.raises(RecordError, match="FBM-01"):
        plugin.accept_order(operator.session, known(key), ACCEPT)


def test_an_operator_that_takes_no_parts_says_so(operators: Callable[..., Operator]) -> None:
    operator = operators(partial_acceptance=False)
    key = operator.sandbox.place_order(TWO)
    with pytest.raises(RecordError, match="400"):
        plugin.accept_order(operator.session, known(key), Decision(accept=True, lines=(f"{key}-1",)))
    assert states(operator, key) == ["WAITING_ACCEPTANCE"] * 2


def test_a_line_that_does_not_exist_is_named(operator: Operator, waiting: str) -> None:
    with pytest.raises(RecordError, match="no line 7"):
        plugin.accept_order(operator.session, known(waiting), Decision(accept=True, lines=("7",)))


def test_an_order_that_does_not_exist_is_named(operator: Operator) -> None:
    with pytest.raises(RecordError, match="no order 1-A"):
        plugin.accept_order(operator.session, known("1-A"), ACCEPT)


# -- cancelling --------------------------------------------------------------------------------------


@pytest.fixture
def accepted(operator: Operator) -> str:
    return operator.sandbox.place_order(TWO, accepted=True)


def test_an_order_is_cancelled_once(operator: Operator, accepted: str) -> None:
    plugin.cancel_order(operator.session, known(accepted), "34")
    again = plugin.cancel_order(operator.session, known(accepted), "34")
    assert (operator.stored(accepted)["order_state"], again.status) == ("CANCELED", "CANCELED")
    assert len(operator.asked("PUT", "/cancel")) == 1


def test_a_shipped_order_is_not_cancelled(operator: Operator, accepted: str) -> None:
    operator.session.http.put(f"orders/{accepted}/ship")
    with pytest.raises(RecordError, match="cannot be cancelled"):
        plugin.cancel_order(operator.session, known(accepted), "34")


def _not_as_a_whole(operator: Operator, key: str) -> None:
    """The order is answered as one that the shop cannot cancel as a whole, only by its lines."""
    body = {"orders": [{**operator.stored(key), "can_cancel": False}], "total_count": 1}
    operator.sandbox.fault("status", method="GET", path="order_ids", status=200, body=json.dumps(body))


def test_where_the_whole_order_cannot_be_cancelled_its_lines_are(operator: Operator, accepted: str) -> None:
    _not_as_a_whole(operator, accepted)
    plugin.cancel_order(operator.session, known(accepted), "Cancelled by the client prior to shipping")
    assert states(operator, accepted) == ["CANCELED", "CANCELED"]
    assert [each["path"] for each in operator.asked("PUT")] == ["/api/orders/cancel"]


def test_a_lost_answer_to_a_cancellation_of_lines_is_cleared_up_by_reading(operator: Operator, accepted: str) -> None:
    _not_as_a_whole(operator, accepted)
    operator.sandbox.fault("cut_after", method="PUT", path="orders/cancel")
    assert plugin.cancel_order(operator.session, known(accepted), "34").status == "CANCELED"
    assert len(operator.asked("PUT")) == 1


def test_a_cancellation_that_was_not_done_stays_unknown(operator: Operator, accepted: str) -> None:
    _not_as_a_whole(operator, accepted)
    operator.sandbox.fault("cut_before", method="PUT", path="orders/cancel")
    with pytest.raises(OutcomeUnknownError):
        plugin.cancel_order(operator.session, known(accepted), "34")


# -- the seller's references -------------------------------------------------------------------------


def _news(*orders: Order) -> list[StatusUpdate]:
    """The ERP has made orders ERP-1, ERP-2, ... of these."""
    return [
        StatusUpdate(key=f"market-{order.key}", update=evolve(order, number=f"ERP-{number}"), order=order)
        for number, order in enumerate(orders, 1)
    ]


def test_the_other_systems_numbers_become_the_sellers_references_in_one_call(operator: Operator, accepted: str) -> None:
    operator.sandbox.place_order(TWO)
    orders = operator.orders()[0]
    operator.sandbox.requests.clear()

    outcomes = list(plugin.push_statuses(operator.session, _news(*orders)))

    assert [(each.state, each.external_id) for each in outcomes] == [("done", order.key) for order in orders]
    assert len(outcomes) == 2
    shown = [operator.stored(order.key)["references"]["order_reference_for_seller"] for order in orders]
    assert shown == ["ERP-1", "ERP-2"]
    assert len(operator.asked("PUT")) == 1


def test_a_reference_that_stands_already_is_not_sent(operator: Operator, accepted: str) -> None:
    order = evolve(operator.orders()[0][0], references={"seller": "ERP-1"})

    (outcome,) = plugin.push_statuses(operator.session, _news(order))

    assert (outcome.state, outcome.external_id, operator.asked("PUT")) == ("done", accepted, [])


def test_a_refused_reference_is_told_although_the_answer_is_200_and_the_others_stand(
    operator: Operator, accepted: str
) -> None:
    operator.sandbox.place_order(TWO)
    first, second = operator.orders()[0]
    refused = {"order_id": first.key, "errors": [{"code": "TOO_LONG", "message": "at most 100"}]}
    operator.sandbox.fault("status", method="PUT", status=200, body=json.dumps({"updated_orders": [refused]}))

    outcomes = list(plugin.push_statuses(operator.session, _news(first, second)))

    assert [each.state for each in outcomes] == ["rejected", "done"]
    assert outcomes[0].message.endswith(f"as reference of the order {first.key}: TOO_LONG: at most 100")
    assert outcomes[0].path == "references.order_reference_for_seller"
