"""``crossdock stock``: what each channel shows, how old that is, and what a new value waits for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import click

from crossdock.app import App
from crossdock.cli.context import app_from_context
from crossdock.cli.options import MOST
from crossdock.cli.output import ago, emit, examples, json_option, mark, needs_attention, table
from crossdock.engine.shown import Shown, shown
from crossdock.errors import UsageError
from crossdock.overview import NEED_A_PERSON
from crossdock.store.config import FlowRow
from crossdock.store.ledger import OPEN

_MARKS = {"done": "ok", "planned": "skip", "none": "skip", "parked": "fail", "in_doubt": "fail", "awaiting": "fail"}


@click.group()
def stock() -> None:
    """What each channel shows of stock, how old that is, and what it waits for."""


@stock.command(
    name="list",
    epilog=examples(
        "crossdock stock list                    every channel, the first 50 SKUs of each",
        "crossdock stock list TSHIRT-RED         who holds it, and why more is not shown yet",
        "crossdock stock list --waiting          only what is not shown as it should be",
        "crossdock stock list --flow stock --json",
    ),
)
@click.argument("sku", required=False, default="")
@click.option("--flow", default="", help="Only of this flow.")
@click.option("--waiting", is_flag=True, help="Only what waits for something.")
@click.option(
    "--limit", default=50, show_default=True, type=click.IntRange(1, MOST), help="How many SKUs of each flow."
)
@json_option
def list_(sku: str, flow: str, waiting: bool, limit: int, as_json: bool) -> None:
    """List what channels show of stock; SKU is what the system whose stock it is calls it.

    SHOWN is what the channel confirmed last, FREE what it may show by what is known now. Exit code 1 when one needs a
    person.
    """
    app = app_from_context()
    rows = [each for one in _flows(app, flow) for each in _rows(app, one, sku, waiting, limit)]
    if sku and not rows:
        raise UsageError(f"No flow of stock knows the SKU {sku!r}.", hint="crossdock stock list")
    emit([attrs.asdict(each) for each in rows], as_json, lambda: _lines(app, rows, detailed=bool(sku)))
    if any(each.state in NEED_A_PERSON for each in rows):
        needs_attention()


def _flows(app: App, name: str) -> list[FlowRow]:
    found = [row for row in app.store.config.flows() if row.stream == "balance" and name in ("", row.name)]
    if name and not found:
        raise UsageError(f"There is no flow of stock {name!r}.", hint="crossdock flow list")
    return found


def _rows(app: App, flow: FlowRow, sku: str, waiting: bool, limit: int) -> list[Shown]:
    if sku:
        skus = [sku]
    else:
        states = OPEN if waiting else ()
        found = app.store.effects.find(flow=flow.name, states=states, limit=limit)
        skus = sorted({each.key for each in found})
    rows = list(shown(app.bench, flow, skus, why=bool(sku)))
    return [each for each in rows if not waiting or each.state != "done"]


def _lines(app: App, rows: list[Shown], *, detailed: bool) -> Iterator[str]:
    now = app.clock.now()
    if not rows:
        yield "Nothing waits." if app.store.config.flows() else "No flow publishes stock."
        return
    yield table(
        [(f"{mark(_MARKS.get(each.state, 'warn'))} {each.sku}", each.channel, each.published or "-", each.free,
          ago(each.as_of, now), ago(each.read_at, now), each.held, each.buffer, "" if detailed else each.waits)
         for each in rows],
        ("  SKU", "CHANNEL", "SHOWN", "FREE", "RIGHT", "READ", "HELD", "BUFFER", "" if detailed else "WAITS FOR"),
        right=(2, 3, 6, 7),
    )  # fmt: skip
    if not detailed:
        return
    for each in rows:
        yield ""
        yield f"{each.channel} ({each.flow}): {each.available} available, published {ago(each.published_at, now)}"
        yield from (f"  {_holder(holder)}" for holder in attrs.asdict(each)["held_by"])
        if each.waits:
            yield f"  {mark('warn')} {each.waits}"


def _holder(holder: dict[str, Any]) -> str:
    if holder["settled_at"]:
        why = "handed on; the next stock that is read shows it"
    else:
        why = "not handed on yet" if holder["state"] == "sold" else "waits to be accepted"
    return f"{holder['quantity']:f} held by order {holder['key']} of {holder['connection']}: {why}"
