"""A project's own flows with sandboxes for systems, killed at their steps; the real ones are never touched."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import attrs
import pytest
from kit import COMMAND, environment

from crossdock.app import App
from crossdock.sandbox import serve
from crossdock.store.config import FlowRow
from crossdock.vault import new_key
from crossdock_extendcommerce.sandbox import create as make_erp
from crossdock_woocommerce.sandbox import WooSandbox

pytestmark = pytest.mark.slow

FORGETFUL = """
from pathlib import Path
from crossdock import evolve, hookimpl

SEEN = Path(__file__).with_name("seen")

@hookimpl
def transform_record(flow, record):
    '''A rule that remembers in a file what it did: done again, it does something else.'''
    if not hasattr(record, "lines"):
        return record
    before = SEEN.read_text().split() if SEEN.exists() else []
    SEEN.write_text(" ".join([*before, record.key]))
    return evolve(record, note="once more" if record.key in before else "")
"""


@attrs.frozen
class Real:
    """A project with real systems, as far as a simulation may know."""

    home: object
    shop: WooSandbox
    erp: object

    def run(self, *words, code=0):
        done = subprocess.run(
            [COMMAND, "simulate", *words, "--json"], cwd=self.home, env=environment(), capture_output=True, text=True,
            timeout=240,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    def untouched(self):
        """What must stay as it is: the database, and how often the systems were asked."""
        return (
            hashlib.sha256((self.home / "crossdock.db").read_bytes()).hexdigest(),
            len(self.shop.requests),
            len(self.erp.requests),
        )


@pytest.fixture
def real(tmp_path):
    """Orders of a shop go to an ERP."""
    (tmp_path / "crossdock.key").write_text(new_key())
    (tmp_path / "crossdock.toml").touch()
    shop, erp = WooSandbox(https=True), make_erp(generous=True, customers=("WEBSHOP",))
    with serve(shop) as shop_at, serve(erp) as erp_at:
        with App(tmp_path) as app:
            assert app.save("shop", "woocommerce", shop.settings(shop_at.url)).green
            assert app.save("erp", "extendcommerce", erp.settings(erp_at.url)).green
            app.store.config.save_flow(
                FlowRow(name="to-erp", stream="orders", source="shop", target="erp", mode="plan"), app.clock.now()
            )
        yield Real(tmp_path, shop, erp)


def numbers(listed, text):
    return [step["number"] for step in listed["steps"] if text in step["name"]]


def test_a_project_is_simulated_without_touching_anything_real(real):
    before = real.untouched()

    listed = real.run("--orders", "1")
    claimed = numbers(listed, "committed as sending")[0]
    swept = real.run("--orders", "1", "--crash", "--steps", f"{claimed}-{claimed + 3}")

    assert swept["ok"], swept
    assert swept["tried"] == 4
    assert all(place.startswith(("shop: ", "erp: ")) for place in swept["chance"])
    assert {step["number"] for step in swept["steps"]} == set(range(claimed, claimed + 4))
    assert real.untouched() == before


def test_a_rule_that_does_something_else_when_it_is_done_again_is_found(real):
    (real.home / "crossdock_local.py").write_text(FORGETFUL)

    listed = real.run("--orders", "1")
    answered = numbers(listed, "is about to leave")[0]
    swept = real.run("--orders", "1", "--crash", "--steps", str(answered), code=1)

    assert not swept["ok"]
    assert swept["steps"][0]["differences"]


def test_steps_that_do_not_exist_are_refused(real):
    assert "none of them is 9000" in real.run("--orders", "1", "--crash", "--steps", "9000", code=2)["error"]


def test_nothing_in_the_process_that_works_reaches_another_machine():
    script = """
import socket
from crossdock.testing.turn import stay_here
stay_here()
for host in ("192.0.2.1", "erp.example"):
    try:
        socket.create_connection((host, 9), timeout=1)
    except PermissionError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)

    assert done.stdout.splitlines() == [
        "A simulation does not reach 192.0.2.1.", "A simulation does not reach erp.example.",
    ]  # fmt: skip
