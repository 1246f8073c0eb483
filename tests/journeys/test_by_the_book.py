"""The first hour of an integrator: two sandboxes, the commands that the output names, and nothing else."""

from __future__ import annotations

import contextlib
import json
import shlex
import signal

import pytest
from kit import Twin, World, admitted, erp_orders

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def sandbox(project, connector, *options):
    """``crossdock sandbox`` as a process; what it printed, and its twin."""
    process = project.start("sandbox", connector, "--json", *options)
    text = ""
    while not text.endswith("\n}\n"):
        line = process.stdout.readline()
        assert line, process.stderr.read()
        text += line
    told = json.loads(text)
    twin = Twin(connector, told["url"], told["settings"])
    try:
        yield twin, told
    finally:
        twin.close()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 0


def test_the_commands_that_are_shown_lead_to_delivered_orders(template, tmp_path):
    project = template.copy(tmp_path / "project")
    with (
        sandbox(project, "woocommerce", "--set", "https=true") as (shop, shop_told),
        sandbox(project, "extendcommerce", "--set", "generous=true") as (erp, erp_told),
    ):
        world = World(project, shop, erp)
        world.fill(orders=5)
        for told in (shop_told, erp_told):
            command, *words = shlex.split(told["command"])
            assert command == "crossdock"
            project.run(*words)
        project.run("stream", "on", "my-woocommerce", "orders")
        project.run("flow", "add", "to-erp", "orders", "my-woocommerce", "my-extendcommerce")
        project.run("sync")
        project.run("push")
        assert erp.state()["orders"] == []
        assert "Next: crossdock flow live to-erp" in project.run("flow", "show", "to-erp").stdout

        project.run("flow", "live", "to-erp")
        project.run("push")
        expected = {f"my-woocommerce-{key.removeprefix('shop-')}": total for key, total in admitted(shop).items()}
        assert erp_orders(erp) == expected
        assert "Nothing needs attention." in project.run("status").stdout
