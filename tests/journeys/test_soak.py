"""The soak in its short form: all connectors, faults, buyers who change their minds, and a runner that is killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from kit import environment

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def test_both_sides_of_every_flow_agree_after_vendors_misbehaved_and_runners_were_killed():
    words = ("--minutes", "0.2", "--speed", "60", "--settle", "150", "--seed", "3")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.soak", *words], cwd=ROOT, env=environment(),
        capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip

    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
    assert "Both sides agree." in done.stdout
