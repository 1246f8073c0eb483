"""Killing this process on purpose: its durable steps are numbered, and at a chosen one it dies as by ``kill -9``.

A durable step is a change that outlives the process: a commit of the store, and the moments just before and just after
a writing request leaves. ``CROSSDOCK_CRASH_AT=14`` ends the process at the fourteenth step; with 0 nothing ends, and
the steps are only counted. ``CROSSDOCK_CRASH_STEPS`` names a file that the steps are written to: all of them when they
are counted, else the one at which the process ended. Both are read when a database is opened. Without them nothing of
this is loaded into the way of a statement or a request.

Threads shift the numbers of steps from one run to the next. So each step around a request has a second name, which
stands last in its line of the file: ``CROSSDOCK_CRASH_AT="POST /orders answered 2"`` ends the process when the second
such request is answered, whatever happens in between.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from crossdock.errors import UsageError

AT_VARIABLE = "CROSSDOCK_CRASH_AT"
STEPS_VARIABLE = "CROSSDOCK_CRASH_STEPS"
_NEAR = 4
"""How many steps before the last one the state of the store is looked at, so that its change can be named."""


class Tripwire:
    """Counts the steps of this process, and ends it at step `at` (0: never) of all, or of those of one `kind`."""

    def __init__(self, at: int, steps: Path | None, kind: str = "") -> None:
        self.at = at
        self._kind = kind
        self._steps = steps
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def near(self) -> bool:
        """Whether one of the next steps of the store will need a name."""
        if self._steps is None or self._kind:
            return False
        return self.at == 0 or self._counts[""] >= self.at - _NEAR

    def step(self, name: Callable[[], str], kind: str = "") -> None:
        """Pass the next step, which may be one of a `kind`; `name` is asked only when it is written down."""
        with self._lock:
            self._counts.update({"", kind})
            last = self._kind in ("", kind) and self._counts[self._kind] == self.at
            if self._steps is not None and (last or not self.at):
                told = [str(self._counts[""]), " ".join(name().split())]
                if kind:
                    told.append(f"{kind} {self._counts[kind]}")
                with self._steps.open("a", encoding="utf-8") as file:
                    file.write("\t".join(told) + "\n")
            if last:
                os.kill(os.getpid(), signal.SIGKILL)


_armed: Tripwire | None = None


def arm() -> Tripwire | None:
    """The tripwire that the environment asks for, one for the whole process; `None` when it asks for none.

    Raises `UsageError` when the number of the step is none.
    """
    global _armed
    if _armed is None and (text := os.environ.get(AT_VARIABLE, "").strip()):
        kind, _, number = text.rpartition(" ")
        if not number.isdecimal():
            raise UsageError(
                f"{AT_VARIABLE} is {text!r}.",
                hint="It is the number of a step, or a kind of request and a number, like 'POST /orders answered 2'; "
                "0 only counts.",
            )
        steps = os.environ.get(STEPS_VARIABLE, "")
        _armed = Tripwire(int(number), Path(steps) if steps else None, kind.strip())
    return _armed


def armed() -> Tripwire | None:
    """The tripwire, if a database was opened with one."""
    return _armed
