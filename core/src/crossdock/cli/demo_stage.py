"""What the demos have in common: sandboxes, connections, flows, and saying what happens."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs

from crossdock.app import App
from crossdock.cli.output import check_lines, counted
from crossdock.clock import SystemClock
from crossdock.engine.bench import Report
from crossdock.engine.pull import pull
from crossdock.engine.push import Pushed, push
from crossdock.engine.route import check_flow
from crossdock.errors import CrossdockError
from crossdock.sandbox import Sandbox, serve
from crossdock.store.config import FlowRow

PATIENCE = timedelta(seconds=60)
_RESTLESS = ("ready", "sending", "in_doubt", "parked", "submitted", "planned", "awaiting")

Step = tuple[str, Callable[[Report], None]]


@attrs.define
class Side:
    """A system of the demo: the connection's name, its connector, its twin and where that is served."""

    name: str
    connector: str
    twin: Any
    url: str
    settings: dict[str, str] = attrs.field(factory=dict)


class Stage:
    """Systems and flows of a demo; every step works through the same code as the commands."""

    def __init__(
        self, app: App, stack: contextlib.ExitStack, say: Callable[[str], None], patience: timedelta = PATIENCE
    ) -> None:
        self.app = app
        self.say = say
        self.sides: dict[str, Side] = {}
        self.faults = 0
        self.rewrites = 0
        self._stack = stack
        self._patience = patience

    def enter(self, name: str, connector: str, settings: dict[str, str] | None = None, **options: Any) -> Any:
        """Serve the twin of `connector` for the connection `name`; answers the twin."""
        from crossdock.cli.sandbox import make

        twin = make(self.app.registry.connector(connector), (), **options)
        url = self._stack.enter_context(serve(twin)).url
        self.sides[name] = Side(name, connector, twin, url, settings or {})
        return twin

    def connect(self, report: Report) -> None:
        """Save a connection to each system, verified."""
        for side in self.sides.values():
            self.say(f"   {side.name} at {side.url}")
            verified = self.app.save(
                side.name, side.connector, {**side.twin.settings(side.url), **side.settings},
                on_check=lambda check: self.say("\n".join(f"     {line}" for line in check_lines(check))),
            )  # fmt: skip
            if not verified.green:
                raise CrossdockError(f"The connection {side.name} is not green.")

    def plan(self, flows: Sequence[FlowRow]) -> None:
        """Add flows."""
        for flow in flows:
            check_flow(self.app.bench, flow)
            self.app.store.config.save_flow(flow, self.app.clock.now())
            self.say(f"   {flow.name}: {flow.stream} of {flow.source} to {flow.target}")

    def spoil(self, sandbox: Sandbox, kind: str, **details: Any) -> None:
        """Break answers of a system on purpose."""
        sandbox.fault(kind, **details)
        self.faults += int(details.get("times", 1))

    def sync(self, connection: str, stream: str, report: Report) -> None:
        """Read a stream; an error ends the demo."""
        found = pull(self.app.bench, connection, stream, report=report)
        if found.error is not None:
            raise found.error
        counts = {name: value for name, value in found.counts.as_dict().items() if name not in ("pages", "requests")}
        self.say(f"   sync {connection} {stream}: {counted(counts) or 'nothing new'}")

    def push(self, name: str, report: Report) -> Pushed:
        """Deliver a flow; an error ends the demo."""
        flow = self.app.store.config.flow(name)
        if flow is None:
            raise CrossdockError(f"The flow {name} is gone.")
        found = push(self.app.bench, flow, patience=self._patience, report=report)
        if found.error is not None:
            raise found.error
        self.say(f"   push {name}: {counted(found.counts.as_dict()) or 'nothing to do'}")
        return found

    def writes(self) -> int:
        """How many writing requests all systems got."""
        return sum(each["method"] != "GET" for side in self.sides.values() for each in side.twin.requests)

    def calm(self) -> dict[str, Any]:
        """Whether nothing is left to do."""
        left = {key: number for key, number in self.app.store.effects.counts().items() if key[1] in _RESTLESS}
        wrong = [f"{flow}: {number} {state}" for (flow, state), number in sorted(left.items())]
        found = self.app.store.effects.find(states=_RESTLESS, limit=5)
        wrong.extend(f"{each.flow} {each.key}: {each.message}" for each in found)
        return check(
            not wrong and not self.rewrites, "a second run wrote nothing, and nothing waits for anybody", wrong
        )

    def verdict(self, checks: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The demo's result."""
        return {
            "agrees": all(each["ok"] for each in checks),
            "checks": list(checks),
            "faults": self.faults,
            "requests": sum(len(side.twin.requests) for side in self.sides.values()),
        }


def check(ok: bool, text: str, wrong: list[str]) -> dict[str, Any]:
    """One line of the proof, with at most five examples of what is wrong."""
    return {"ok": ok, "text": text, "examples": wrong[:5], "wrong": len(wrong)}


class DemoClock(SystemClock):
    """The real time, but a wait is over at once: the clock is set forward instead. The twins go by it as well."""

    def __init__(self) -> None:
        super().__init__()
        self._ahead = timedelta(0)

    def now(self) -> datetime:
        """The time of the demo."""
        return super().now() + self._ahead

    def sleep(self, seconds: float) -> None:
        """Wait no longer than a moment, and set the clock forward by the rest."""
        short = min(seconds, 0.05)
        super().sleep(short)
        self._ahead += timedelta(seconds=max(seconds - short, 0))
