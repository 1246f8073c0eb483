"""A vendor that asks to wait is no trouble: the run says so and the next one goes on."""

from __future__ import annotations

from crossdock.engine.pull import pull
from crossdock.sandbox import Fault


def test_a_run_that_the_vendor_lets_wait_has_not_failed(world):
    world.shop.order("1")
    world.shop.faults.append(Fault("status", path="/orders", status=429, headers={"Retry-After": "3600"}))

    waited = pull(world.bench, "shop", "orders")
    after = pull(world.bench, "shop", "orders")

    assert (waited.state, after.state, after.counts.new) == ("waiting", "done", 1)
    assert "429" in str(waited.error)


def test_other_trouble_has_failed(world):
    world.shop.faults.append(Fault("status", path="/orders", status=500, times=9))

    assert pull(world.bench, "shop", "orders").state == "failed"
