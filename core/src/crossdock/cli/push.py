"""``crossdock push``: deliver what is ready."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import attrs
import click

from crossdock.app import App
from crossdock.cli import EXIT_INTERRUPTED
from crossdock.cli.context import app_from_context, stoppable
from crossdock.cli.output import ago, counted, emit, examples, json_option, mark, needs_attention, progress, show
from crossdock.cli.tuning import for_many_records
from crossdock.configure import find_flow
from crossdock.engine.bench import describe
from crossdock.engine.push import Pushed
from crossdock.engine.push import push as deliver
from crossdock.engine.settle import Delivered
from crossdock.errors import ConnectorError, CrossdockError
from crossdock.store.config import FlowRow

ORDER = ("orders", "shipments", "products", "balance", "prices", "customers")
"""Products before their stock and prices: what the target does not know yet cannot be priced."""

NEED_A_PERSON = ("parked", "in_doubt", "awaiting")
ASK = {
    "parked": "crossdock parked list", "in_doubt": "crossdock effects list --state in_doubt",
    "awaiting": "crossdock effects list --state awaiting",
}  # fmt: skip


@attrs.frozen(kw_only=True)
class Sent:
    """What became of one flow: counts of this push, and what is left in it by state."""

    flow: str
    state: str
    run: int | None = None
    counts: Delivered = attrs.field(factory=Delivered)
    left: dict[str, int] = attrs.field(factory=dict)
    next_at: str | None = None
    error: str = ""
    hint: str = ""
    trouble: str = ""

    @property
    def needs_attention(self) -> bool:
        """Whether a person has to look at it."""
        return self.state == "failed" or any(self.left.get(state) for state in NEED_A_PERSON)


def push_flow(app: App, flow: FlowRow, patience: timedelta) -> Sent:
    """Deliver what is ready in a flow; whatever stops it is told in the answer."""
    try:
        with progress(flow.name) as report:
            pushed = deliver(app.bench, flow, patience=patience, report=report)
    except CrossdockError as failed:
        pushed = Pushed(0, flow.name, "failed", Delivered(), failed)
    left = {name: number for (_, name), number in app.store.effects.counts(flow.name).items() if name != "done"}
    error = pushed.error
    return Sent(
        flow=flow.name, run=pushed.run or None, state=pushed.state, counts=pushed.counts, left=left,
        next_at=pushed.next_at, error=describe(error) if isinstance(error, ConnectorError) else str(error or ""),
        hint=error.hint if error else "", trouble=pushed.trouble,
    )  # fmt: skip


def live_flows(app: App) -> list[FlowRow]:
    """The flows that deliver, those of orders first, products before their stock and prices."""
    flows = [flow for flow in app.store.config.flows() if flow.mode == "live"]
    return sorted(flows, key=lambda flow: ORDER.index(flow.stream) if flow.stream in ORDER else len(ORDER))


@click.command(
    epilog=examples(
        "crossdock push                  all live flows",
        "crossdock push to-erp           one flow",
        "crossdock push --wait 60        stay up to a minute for what waits for its time",
    )
)
@click.argument("flow", required=False, default="")
@click.option(
    "--wait", type=click.FloatRange(0), default=0.0, metavar="SECONDS",
    help="Stay this long for effects that wait for their time: back-off, in doubt, import jobs.",
)  # fmt: skip
@json_option
@click.pass_context
def push(ctx: click.Context, flow: str, wait: float, as_json: bool) -> None:
    """Deliver what is ready in one flow, or in all live flows.

    Ends with 1 when a flow failed, or has effects that are parked, in doubt or waiting for approval.
    """
    app = app_from_context()
    flows = [find_flow(app, flow)] if flow else live_flows(app)
    if flow and flows[0].mode != "live":
        deliver(app.bench, flows[0])  # says why nothing is sent
    results: list[Sent] = []
    for_many_records()
    with stoppable(app):
        for each in flows:
            results.append(push_flow(app, each, timedelta(seconds=wait)))
            if not as_json:
                show(_lines(app, results[-1]))
            if app.clock.stopping:
                break
    emit([_data(each) for each in results], as_json, lambda: [] if results else ["No flow is live, nothing is sent."])
    if app.clock.stopping:
        ctx.exit(EXIT_INTERRUPTED)
    if any(each.needs_attention for each in results):
        needs_attention()


def _data(result: Sent) -> dict[str, Any]:
    return attrs.asdict(result)


def _lines(app: App, result: Sent) -> Sequence[str]:
    counts = result.counts.as_dict()
    requests = counted({"requests": counts.pop("requests")})
    state = "fail" if result.state == "failed" else "warn" if result.needs_attention else "ok"
    did = counted(counts) or ("nothing was sent" if result.state == "failed" else "nothing was due")
    lines = [f"{mark(state)} {result.flow.ljust(24)} {did}" + (f"  ({requests})" if requests else "")]
    if result.error or result.trouble:
        lines.append(f"    {result.error or result.trouble}")
    if result.hint:
        lines.append(f"    {result.hint}")
    lines += [
        f"    {result.left[name]:,} {name.replace('_', ' ')}: {ASK[name]}"
        for name in NEED_A_PERSON
        if result.left.get(name)
    ]
    if result.next_at and result.state == "done":
        lines.append(f"    more is due {ago(result.next_at, app.clock.now())}")
    return lines
