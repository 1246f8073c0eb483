"""kill -9 of a delivering process, again and again: in the end the target holds exactly the source's orders."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from engine_kit import install_depots

pytestmark = pytest.mark.slow

PUSHER = Path(__file__).parent / "pusher.py"
KILLS = 15


@pytest.fixture
def start(world, tmp_path, database_url):
    """Starts a process that reads and delivers, and waits until it is about to."""
    site = install_depots(tmp_path / "site")
    environment = {**os.environ, "CROSSDOCK_PLUGINS": "depot", "CROSSDOCK_FIND_AFTER": "0.2"}
    environment.pop("CROSSDOCK_SECRET_KEY", None)

    def run():
        process = subprocess.Popen(
            [sys.executable, str(PUSHER), str(site), str(world.app.home), database_url],
            env=environment, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout.readline() == "ready\n"
        return process

    return run


def test_killed_at_any_moment_the_target_gets_each_order_once_in_its_newest_state(world, start):
    dice = random.Random(4711)
    flow = world.flow()
    world.connect("shop", page_size="7")
    world.erp.fault("slow", method="POST", path="/orders", times=10_000, seconds=0.03)
    newest = {}
    interrupted = 0
    for _ in range(KILLS):
        for number in range(20):
            key, total = str(dice.randrange(300)), f"{dice.randrange(1, 99)}.00"
            newest[key] = total
            world.shop.order(key, total=total, number=str(number))
        process = start()
        enough = len(world.erp.requests) + dice.randrange(1, 40)
        while len(world.erp.requests) < enough and process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.002)
        process.kill()
        process.wait()
        process.stdout.close()
        interrupted += bool({"sending", "in_doubt"} & set(world.states(flow).values()))
    process = start()

    assert process.communicate(timeout=120)[0] == "done done  \n"
    assert interrupted > KILLS / 2
    assert {row["reference"]: row["total"] for row in world.erp.orders.values()} == {
        f"shop-{key}": total for key, total in newest.items()
    }
    assert world.erp.references() == sorted(f"shop-{key}" for key in newest)
    assert set(world.states(flow).values()) == {"done"}
