"""What counts as a difference between two turns of a crash sweep, and what is left to chance."""

from __future__ import annotations

import pytest

from crossdock.testing.holdings import Line, Picture, columns, differences

KNOWN = {"shop-1", "shop-2", "A", "B", "1.00", "2.00"}


def picture(*orders, ledger=(), open_=()):
    """An ERP with orders, each as number, reference, SKU and time."""
    state = {"orders": [{"number": n, "reference": r, "sku": s, "at": at} for n, r, s, at in orders]}
    return Picture(ledger, {"erp": columns(state)}, open_)


STRAIGHT = picture(("1000", "shop-1", "A", "2026-03-01T10:00:00Z"), ("1001", "shop-2", "B", "2026-03-01T10:00:01Z"))


def found(*orders):
    return differences(STRAIGHT, picture(*orders), (), KNOWN)


def test_numbers_given_out_in_another_order_and_at_another_time_are_no_difference():
    assert not found(("1001", "shop-1", "A", "2026-03-01T11:00"), ("1000", "shop-2", "B", "2026-03-01T12:00"))


def test_other_numbers_are_no_difference():
    assert not found(("1007", "shop-1", "A", "2026-03-01"), ("1009", "shop-2", "B", "2026-03-01"))


@pytest.mark.parametrize(
    ("orders", "said"),
    [
        ((("1000", "shop-1", "A", ""),), "erp: orders[].reference lacks: shop-2"),
        ((("1000", "shop-1", "A", ""), ("1001", "shop-2", "B", ""), ("1002", "shop-2", "B", "")),
         "erp: orders[].reference has too much: shop-2"),
        ((("1000", "shop-1", "A", ""), ("1001", "shop-1", "B", "")), "erp: orders[].reference lacks: shop-2"),
        ((("1000", "shop-1", "A", ""), ("1001", "shop-2", "A", "")), "erp: orders[].sku has too much: A"),
        ((("1000", "shop-1", "A", ""), ("1000", "shop-2", "B", "")), "erp: orders[].number lacks: 1001"),
    ],
    ids=["lost", "twice", "one twice and one lost", "other goods", "one number twice"],
)  # fmt: skip
def test_what_is_lost_doubled_or_changed_is_a_difference(orders, said):
    assert said in found(*orders)


def test_a_record_of_which_nobody_knew_before_may_take_anothers_place_in_the_ledger():
    one = Line("the effect shipment erp-{} of parcels", "S1", "done")
    other = Line("the effect shipment erp-{} of parcels", "S2", "done")

    assert not differences(picture(ledger=[one]), picture(ledger=[other]), (), KNOWN)


def test_an_effect_that_ended_otherwise_is_a_difference():
    done = Line("the effect order shop-{} of orders", "A", "done")
    ready = Line("the effect order shop-{} of orders", "A", "ready")

    assert differences(picture(ledger=[done]), picture(ledger=[ready]), (), KNOWN) == [
        "the effect order shop-A of orders is ready instead of done"
    ]


def test_what_is_left_to_a_person_may_be_missing_but_not_doubled():
    line = Line("the effect order shop-{} of orders", "2", "in_doubt")
    left = [(line, "erp")]

    assert not differences(STRAIGHT, picture(("1003", "shop-1", "A", "2026-03-01"), open_=left), (), KNOWN)
    twice = picture(("1000", "shop-1", "A", ""), ("1001", "shop-1", "A", ""), open_=left)
    assert "erp: orders[].reference has too much: shop-1" in differences(STRAIGHT, twice, (), KNOWN)
