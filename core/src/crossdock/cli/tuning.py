"""Settings of the interpreter for work that makes many records; measured in benchmarks/."""

from __future__ import annotations

import gc
import sys


def for_many_records() -> None:
    """Collect garbage rarely and hand the interpreter over rarely; a fifth of the CPU of a first sync (measured).

    What is loaded by now lives as long as the process, and records hold no cycles. Reading threads wait for the network
    far longer than for the 50 ms after which the mapping thread gives way.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    sys.setswitchinterval(0.05)
