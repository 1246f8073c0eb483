"""``crossdock reconcile``: both sides of a flow, read again and compared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import click

from crossdock.app import App
from crossdock.cli import output
from crossdock.cli.context import app_from_context, need_flow, stoppable
from crossdock.cli.moments import parse_moment
from crossdock.cli.output import arrow, counted, emit, examples, json_option, mark, needs_attention, plural, table
from crossdock.engine.findings import Comparison
from crossdock.engine.heal import Healed
from crossdock.engine.heal import heal as heal_now
from crossdock.engine.reconcile import reconcile as compare
from crossdock.store.config import FlowRow

_SHOWN = 50


@click.command(
    epilog=examples(
        "crossdock reconcile to-erp",
        "crossdock reconcile to-erp --from 2026-11-01 --to 2026-12-01",
        "crossdock reconcile to-erp --from 7d --to 1h",
        "crossdock reconcile to-erp --from 2026-11-01 --heal && crossdock push to-erp",
    )
)  # fmt: skip
@click.argument("flow")
@click.option(
    "--from",
    "since",
    default="",
    metavar="TIME",
    help="Orders placed (shipments sent) from then on: a date or time (UTC), or 7d, 3h ago.",
)
@click.option("--to", "until", default="", metavar="TIME", help="Orders placed (shipments sent) before then.")
@click.option(
    "--heal",
    is_flag=True,
    help="Bind what is there already, and plan again what is missing or different; the next push delivers it.",
)
@json_option
def reconcile(flow: str, since: str, until: str, heal: bool, as_json: bool) -> None:
    """Compare both sides of a flow by reading both systems again: what is missing, extra, twice or different.

    Ids, counts, lines, quantities, totals and currencies of orders; stock and prices by SKU; shipments with the ledger.
    No bookmark moves and nothing is kept. Exit code 1 when the sides differ.
    """
    app = app_from_context()
    row = need_flow(app, flow)
    now = app.clock.now()
    window = {"since": parse_moment(since, now), "until": parse_moment(until, now)}
    with stoppable(app), output.progress(f"Comparing {row.source} and {row.target}") as report:
        result = compare(app.bench, row, **window, report=report)
        healed = heal_now(app.bench, row, result) if heal and not result.agrees else None
    emit(_data(result, healed), as_json, lambda: _lines(app, row, result, healed))
    if not result.agrees:
        needs_attention()


def _data(result: Comparison, healed: Healed | None) -> dict[str, Any]:
    return {
        **attrs.asdict(result), "agrees": result.agrees, "counts": result.counts(),
        "healed": None if healed is None else attrs.asdict(healed),
    }  # fmt: skip


def _lines(app: App, flow: FlowRow, result: Comparison, healed: Healed | None) -> Iterator[str]:
    del app
    window = "".join(
        f" {word} {at:%Y-%m-%d %H:%M} UTC" for word, at in (("from", result.since), ("to", result.until)) if at
    )
    yield f"{flow.name}: {result.stream}, {result.source} {arrow()} {result.against}{window}"
    yield f"Read: {result.source_count:,} in {result.source}, {result.target_count:,} in {result.against}"
    if result.left_out:
        yield "Left out: " + ", ".join(f"{number:,} ({reason})" for reason, number in sorted(result.left_out.items()))
    for note, number in result.notes.items():
        yield f"{mark('skip')} {note}" + (f" ({number:,})" if number > 1 else "")
    yield f"{mark('ok')} {result.matched:,} the same on both sides"
    if result.findings:
        yield f"{mark('fail')} {counted({k: v for k, v in result.counts().items() if k != 'matched'})}"
        yield table(
            [
                (each.kind, each.ref or each.key, each.number or each.external_id,
                 _difference(each.field, each.expected, each.found), each.reason)
                for each in result.findings[:_SHOWN]
            ],
            ("WHAT", result.source.upper(), result.against.upper(), "DIFFERENCE", "WHY"),
        )  # fmt: skip
        if len(result.findings) > _SHOWN:
            yield f"... and {len(result.findings) - _SHOWN:,} more (--json shows all)"
    if healed is not None:
        yield from _healed(flow, healed)
    elif result.of("missing", "different", "unbound"):
        yield f"Make it agree: crossdock reconcile {flow.name} --heal"


def _difference(field: str, expected: str, found: str) -> str:
    return f"{field}: {expected} {arrow()} {found}" if expected or found else field


def _healed(flow: FlowRow, healed: Healed) -> Iterator[str]:
    if healed.rebound:
        yield f"{mark('ok')} {plural(healed.rebound, 'binding')} corrected."
    following = f"crossdock push {flow.name}" if flow.mode == "live" else f"crossdock flow live {flow.name}"
    yield f"{mark('ok')} {plural(healed.planned, 'effect')} planned again." + (
        f" Next: {following}" if healed.planned else ""
    )
    for name, reason in healed.left[:_SHOWN]:
        yield f"{mark('warn')} {name} was left: {reason}"
