"""One soak: the storm, the calm after it, and the summary."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.soak.proof import check, compare, missing, restless
from benchmarks.soak.stage import Crew, Stage
from benchmarks.soak.world import World
from crossdock.configure import ask_for
from crossdock.errors import CrossdockError

_HARM = (3.0, 9.0)  # real seconds between two blows to the workers
_WEIGH = 5.0
_SHOWN = 6
_ENDS = {"ready": "put off and tried again", "in_doubt": "in doubt"}
_SHARES = (("median", 0.5), ("p95", 0.95), ("worst", 1.0))


class Soak:
    """Systems, workers, and the world around them."""

    def __init__(self, stack: contextlib.ExitStack, home: Path, database: str, port: int, dice: random.Random) -> None:
        self.stage = Stage(stack, home, database, port)
        self.stage.connect()
        self.world = World(self.stage, dice)
        self._dice = dice
        self.crew = Crew(self.stage, not database.startswith("sqlite"), dice)
        stack.callback(self.crew.kill)
        self._begun = time.monotonic()
        self._settled = 0.0
        self._calm, self._over = threading.Event(), threading.Event()
        self._greet()

    def _greet(self) -> None:
        """Wait until the door is open, and tell the systems where it is."""
        deadline = time.monotonic() + 60
        while True:
            try:
                self.stage.open_doors()
                return
            except (CrossdockError, ValueError, OSError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.3)

    def run(self, seconds: float, tick: float) -> None:
        """The storm."""
        self.stage.shop.between = self.world.between
        self._begun = told = person = time.monotonic()
        until = self._begun + seconds
        for beside in (self._watch, self._harm):
            threading.Thread(target=beside, daemon=True).start()
        while (now := time.monotonic()) < until:
            self.world.tick()
            if now > person:
                self.world.person()
                person = now + 4
            if now > told + 60:
                told = now
                print(f"{(now - self._begun) / 60:.0f} min: {self._line()}", flush=True)
            time.sleep(tick)
        self._calm.set()

    def _watch(self) -> None:
        """Beside everything else, because systems may keep us waiting: wake and replace workers, see what arrives."""
        weigh = time.monotonic()
        while not self._over.is_set():
            self.crew.look_after()
            self.world.look()
            if time.monotonic() > weigh:
                self.crew.weigh()
                weigh = time.monotonic() + _WEIGH
            self._over.wait(0.1)

    def _harm(self) -> None:
        while not self._calm.wait(self._dice.uniform(*_HARM)):
            self.crew.harm()
            self.stage.reopen_doors()

    def _line(self) -> str:
        counts = self.world.counts
        return (f"{counts['orders placed']} orders placed, {len(self.world.arrived)} in the ERP, "
                f"{self.crew.kills} kills, {sum(self.world.faults.values())} faults")  # fmt: skip

    # -- the calm ----------------------------------------------------------------------------------

    def finish(self, patience: float) -> int:
        """Let it settle, compare, tell; the exit code."""
        begun = time.monotonic()
        self.world.peace()
        self.crew.wake()
        self.stage.reopen_doors()
        calm = self._settle(begun + patience)
        self._settled = time.monotonic() - begun
        self._over.set()
        self.crew.weigh()
        codes = self.crew.stop()
        checks = check(self.stage)
        compared = compare(self.stage)
        wrong = self._tell(checks, compared, calm, codes)
        return 1 if wrong else 0

    def _settle(self, deadline: float) -> bool:
        """Until nothing is under way any more; false when that takes too long.

        What is still to be shipped leaves when all changes have arrived, and then everything settles once more.
        """
        return self._rests(deadline, lambda: 0) and self._rests(deadline, self._send_off)

    def _send_off(self) -> int:
        return self.world.pick() + self.world.supplier_works(rests=0.5)

    def _rests(self, deadline: float, works: Callable[[], int]) -> bool:
        quiet = 0
        replayed = told = time.monotonic()
        while time.monotonic() < deadline:
            again = time.monotonic() > replayed + 5
            self.world.person(replays=again)
            replayed = time.monotonic() if again else replayed
            quiet = quiet + 1 if not works() and not restless(self.stage) and not missing(self.stage) else 0
            if quiet == 2 and self._all_read():
                return True
            quiet = min(quiet, 1)
            if time.monotonic() > told + 20:
                told = time.monotonic()
                print(f"settling: {'; '.join([*restless(self.stage), *sorted(missing(self.stage))][:4])}", flush=True)
            time.sleep(0.7)
        return False

    def _all_read(self) -> bool:
        """Everything is read once more, and nothing new comes of it; stock and prices last."""
        before = self._read_at()
        for row in self.stage.app.store.config.streams():
            if row.enabled:
                with contextlib.suppress(CrossdockError):
                    ask_for(self.stage.app, row.connection, row.stream)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            after = self._read_at()
            if all(after[name] > moment for name, moment in before.items()):
                time.sleep(1.5)
                return not restless(self.stage) and not missing(self.stage)
            time.sleep(0.3)
        return False

    def _read_at(self) -> dict[tuple[str, str], str]:
        rows = self.stage.app.store.config.streams()
        return {(row.connection, row.stream): row.read_at or "" for row in rows if row.enabled}

    # -- the summary -------------------------------------------------------------------------------

    def _tell(self, checks: Any, compared: Any, calm: bool, codes: list[int]) -> bool:
        query = self.stage.app.store.database.query
        lags = sorted(self.world.arrived.values())
        runs = query("SELECT kind, state, count(*) FROM run GROUP BY kind, state ORDER BY kind, state")
        states = query("SELECT state, count(*) FROM effect GROUP BY state ORDER BY state")
        attempts = query("SELECT state, count(*) FROM attempt GROUP BY state ORDER BY state")
        hooks = query("SELECT state, count(*) FROM inbox GROUP BY state ORDER BY state")
        requests = {name: len(twin.requests) for name, twin in self.stage.twins.items()}
        met = sum(1 for twin in self.stage.twins.values() for each in twin.requests if each["fault"])
        lines = [
            ("soaked", f"{(time.monotonic() - self._begun) / 60:.1f} min, settled after {self._settled:.0f} s"),
            ("world", _list(self.world.counts)),
            ("faults planned", f"{_list(self.world.faults)}; {met:,} answers broken"),
            ("workers", f"{self.crew.kills} killed, {self.crew.naps} frozen; exit codes at the end {codes}"),
            ("requests", _list(requests)),
            ("runs", ", ".join(f"{number:,} {kind} {state}" for kind, state, number in runs)),
            ("effects", ", ".join(f"{number:,} {state}" for state, number in states)),
            ("attempts", ", ".join(f"{number:,} {_ENDS.get(state, state)}" for state, number in attempts)),
            ("webhooks", ", ".join(f"{number:,} {state}" for state, number in hooks) or "none"),
            (
                "lag to the ERP",
                f"median {_at(lags, 0.5):.1f} s, p95 {_at(lags, 0.95):.1f} s, worst {_at(lags, 1):.1f} s",
            ),
            ("memory", self._memory()),
        ]
        print()
        for name, text in lines:
            print(f"{name:>15}  {text}")
        wrong = [] if calm else ["it did not come to rest in time"]
        print()
        for text, against in checks:
            wrong += _say(text, against)
        for name, (matched, against) in compared.items():
            wrong += _say(f"reconcile {name}: {matched:,} the same on both sides", against)
        print(f"\n{'Both sides agree.' if not wrong else f'{len(wrong)} things are wrong: ' + wrong[0]}", flush=True)
        return bool(wrong)

    def _memory(self) -> str:
        longest = sorted(self.crew.growth, reverse=True)[:3]
        return "; ".join(f"{first:.0f} to {last:.0f} MB in {age:.0f} s" for age, first, last in longest)


def _say(text: str, against: list[str]) -> list[str]:
    print(f"{'[ok]' if not against else '[x] '} {text}")
    for each in against[:_SHOWN]:
        print(f"       {each}")
    if len(against) > _SHOWN:
        print(f"       and {len(against) - _SHOWN} more")
    return [f"{text}: {each}" for each in against]


def _list(counts: Any) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in sorted(counts.items()) if number)


def _at(values: list[float], share: float) -> float:
    return values[min(int(len(values) * share), len(values) - 1)] if values else 0.0
