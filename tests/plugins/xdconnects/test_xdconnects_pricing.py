"""Prices by tier, and prints by colours or area (vendor page section 2.2)."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xd_kit import SAMPLES

from crossdock_xdconnects.pricing import print_cost, print_row, unit_price
from crossdock_xdconnects.tables import Line, read

STEPS = (1, 50, 100, 250, 500, 1000, 2500, 5000, 10000)
PRICES = read((SAMPLES / "feed-Xindao.V2.PrintPrices-en-gb.txt").read_bytes())
BOTTLE = read((SAMPLES / "feed-Xindao.V2.ProductPrices-en-gb.txt").read_bytes()).of_item("P990.001")[0]
TIERS = {1: "9.90", 25: "9.60", 50: "9.30", 100: "9.00", 250: "8.70", 500: "8.40"}


def rows(code: str) -> list[Line]:
    return [row for row in PRICES.rows if row.text("PrintCode") == code]


def find(code: str, colors: int = 1, width: str = "10", height: str = "10") -> Line | None:
    return print_row(rows(code), colors=colors, full_color=False, width=Decimal(width), height=Decimal(height))


@given(st.integers(1, 100_000))
def test_the_price_of_a_piece_is_that_of_the_largest_tier_reached(quantity: int) -> None:
    expected = TIERS[max(tier for tier in TIERS if tier <= quantity)]
    assert unit_price(BOTTLE, Decimal(quantity)) == Decimal(expected)


def test_below_the_first_tier_there_is_no_price() -> None:
    assert unit_price(BOTTLE, Decimal(0)) is None


@given(st.integers(1, 100_000), st.sampled_from([1, 2]))
def test_a_print_is_set_up_plus_pieces_plus_the_charge_of_small_orders(quantity: int, colors: int) -> None:
    row = find("Demo Pad", colors)
    assert row is not None
    cost = print_cost(row, Decimal(quantity), sample=False)
    step = max(step for step in STEPS if step <= quantity)
    small = Decimal("15.00") if quantity < 50 else Decimal(0)
    assert cost is not None
    assert cost.total == Decimal(40 * colors) + quantity * Decimal(row.text(f"PrintPriceNet_{step}")) + small


@pytest.mark.parametrize(("width", "height", "start"), [
    ("10", "10", "0"), ("50", "50", "25"), ("49.9", "50", "0"), ("60", "100", "25"), ("60", "101", None),
])  # fmt: skip
def test_a_size_on_the_limit_of_two_areas_counts_in_the_higher_one(width: str, height: str, start: str | None) -> None:
    row = find("Demo Transfer OS", width=width, height=height)
    assert (row.text("PrintAreaFromCM2") if row else None) == start


@given(st.decimals("1", "77", places=1), st.decimals("1", "77", places=1))
def test_every_size_up_to_the_largest_area_has_exactly_one_price(width: Decimal, height: Decimal) -> None:
    row = find("Demo Transfer OS", width=str(width), height=str(height))
    assert row is not None
    assert Decimal(row.text("PrintAreaFromCM2")) <= width * height / 100 <= Decimal(row.text("PrintAreaToCM2"))


def test_colours_without_a_price_have_none() -> None:
    assert find("Demo Pad", colors=3) is None


def test_a_printed_sample_costs_the_price_of_a_print_sample_alone() -> None:
    row = find("Demo Pad", 2)
    assert row is not None
    cost = print_cost(row, Decimal(1), sample=True)
    assert cost is not None
    assert cost.total == Decimal("80.00")
