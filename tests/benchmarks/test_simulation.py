"""The laws that a simulated installation obeys, whatever its size."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.installation import DAY, HOUR, PEAK, Installation, Pace, Setup
from benchmarks.meter import Cost
from benchmarks.servers import Disk, Meter, Several, Single
from benchmarks.simulation import Simulation

ONE = Cost(cpu=0.004, server=0.002, trips=20, syncs=3, wal=4_000, locked=5)
UNITS = dict.fromkeys(
    ("turn", "first", "changed", "signal", "push", "effect", "request", "stock_changed", "stock_turn", "stock_effect"),
    ONE,
) | {"first": ONE * 0.1, "changed": ONE * 0.1, "stock_changed": ONE * 0.02, "stock_effect": ONE * 0.02}  # fmt: skip
PLAN = Installation(connections=50, orders=20_000)
ROOMY = Setup(processes=2, threads=16, sync=0.0005, trip=0.0002)


def run(plan=PLAN, setup=ROOMY, seconds=600.0, **how):
    return Simulation(plan, setup, UNITS, **how).run(seconds)


@settings(max_examples=15, deadline=None)
@given(
    connections=st.integers(1, 60), orders=st.integers(0, 60_000), processes=st.integers(1, 3),
    threads=st.integers(1, 8), seed=st.integers(0, 1_000), one_lock=st.booleans(),
)  # fmt: skip
def test_every_order_that_entered_left_or_is_somewhere(connections, orders, processes, threads, seed, one_lock):
    plan = Installation(connections=connections, orders=orders or 1)
    setup = Setup(processes=processes, threads=threads, one_lock=one_lock)

    found = run(plan, setup, 120.0, seed=seed, warm=30)

    assert found.entered == found.unread + found.ready + found.sending + found.delivered


@pytest.mark.parametrize(
    "setup", [ROOMY, Setup(threads=2, sync=0.02, trip=0.01, one_lock=True)], ids=["roomy", "scarce"]
)
def test_nothing_is_used_more_than_there_is(setup):
    found = run(attrs.evolve(PLAN, orders=100_000), setup, 300.0)

    assert all(0 <= share <= 1 + 1e-9 for share in found.used.values()), found.used


def test_the_same_seed_gives_the_same_day():
    assert run(seed=3, seconds=60.0) == run(seed=3, seconds=60.0)
    assert run(seed=3, seconds=60.0) != run(seed=4, seconds=60.0)


def test_turns_inside_are_arrivals_times_their_stay():
    found = run(seconds=1_200.0)

    assert found.in_system == pytest.approx(found.turns / found.seconds * found.turn_seconds, rel=0.05)


def test_more_than_can_be_done_is_said_to_grow():
    scarce = run(attrs.evolve(PLAN, orders=200_000), Setup(threads=1), 300.0)

    assert not scarce.stable
    assert run().stable


def test_a_day_brings_its_orders_and_the_peak_hour_its_share():
    hours = [PLAN.rate(hour * HOUR) * HOUR for hour in range(24)]

    assert sum(hours) == pytest.approx(PLAN.orders)
    assert hours[PEAK] == max(hours) == pytest.approx(PLAN.peak * PLAN.orders)
    assert attrs.evolve(PLAN, surge=5).rate(PEAK * HOUR) == pytest.approx(5 * hours[PEAK] / HOUR)
    assert PLAN.rate(DAY) == PLAN.rate(0)


def test_orders_of_shops_that_are_only_polled_wait_for_half_an_interval():
    silent = [attrs.evolve(kind, webhooks=0, every=600, latency=0.01) for kind in PLAN.kinds]
    plan = attrs.evolve(PLAN, kinds=silent, stock_every=DAY, erp_latency=0.01)

    assert run(plan, seconds=3_600.0).lag(0.5) == pytest.approx(300, rel=0.15)


def test_one_after_the_other_and_several_at_once():
    one, two = Single(), Several(2, 0.0)

    assert [one.serve(0, 2), one.serve(1, 2), one.serve(9, 2)] == [2, 4, 11]
    assert [two.serve(0, 2), two.serve(0, 2), two.serve(1, 2)] == [2, 2, 4]
    assert one.used(10) == pytest.approx(0.5)


def test_a_commit_takes_one_write_or_what_is_left_of_another_and_one():
    disk = Disk(0.01, random.Random(1), 0.0)

    rare = [disk.commit(at) - at for at in range(1, 100)]
    dense = [disk.commit(100 + at / 1_000) - (100 + at / 1_000) for at in range(20_000)]

    assert sum(rare) / len(rare) == pytest.approx(0.01, rel=0.02)
    assert all(0.0099 < took < 0.0201 for took in dense)
    assert disk.used(200) == pytest.approx(1 - 2.718 ** -(20_099 * 0.01 / 200), rel=0.01)


def test_a_budget_spaces_calls_and_books_nothing_beyond_patience():
    meter = Meter(Pace(calls=60, burst=2))

    assert [meter.reserve(0, 1, 30) for _ in range(4)] == [0, 0, 1, 2]
    assert meter.reserve(0, 100, 30) > 30
    assert meter.calls == 4
