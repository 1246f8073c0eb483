"""``crossdock flow``: what goes from one connection to another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click

from crossdock.app import App
from crossdock.cli.context import app_from_context, confirm
from crossdock.cli.options import MOST
from crossdock.cli.output import ago, arrow, counted, emit, examples, json_option, mark, plural, table
from crossdock.configure import OPTIONS, SHORTAGES, TOTALS, add_flow, find_flow, options_for, remove_flow, words
from crossdock.engine.decide import switch_flow
from crossdock.engine.planned import Change, Planned, planned
from crossdock.engine.route import OPERATIONS, ORDER_STATUSES, check_flow
from crossdock.engine.stock import unseen_sales
from crossdock.store.config import FlowRow

SHOWN = 20
CHANGES_SHOWN = 12


@click.group()
def flow() -> None:
    """What goes from one connection to another: planned first, then live.

    A new flow is in plan mode: it records what it would write and sends nothing until it is switched live.
    """


@flow.command(
    epilog=examples(
        "crossdock flow add to-erp orders shop erp",
        "crossdock flow add to-erp orders shop erp --statuses processing,completed --totals hold --live",
        "crossdock flow add stock balance erp shop --warehouse MAIN --buffer 2",
        "crossdock flow add tracking shipments erp shop",
        "crossdock flow add accept acceptance marketplace erp --on-shortage hold",
        "crossdock flow add progress statuses supplier shop",
        "crossdock flow add to-supplier orders shop supplier --approve-up-to 250.00",
    )
)
@click.argument("name")
@click.argument("stream", type=click.Choice(list(OPERATIONS)))
@click.argument("source")
@click.argument("target")
@click.option("--statuses", multiple=True, help=f"Orders in these states enter; otherwise {', '.join(ORDER_STATUSES)}.")
@click.option("--warehouse", "warehouses", multiple=True, help="Whose stock is added up; otherwise all.")
@click.option("--sku", "skus", multiple=True, help="Only these SKUs.")
@click.option("--buffer", type=click.IntRange(0), default=0, help="Stock kept back for each SKU.")
@click.option(
    "--totals", type=click.Choice(TOTALS), default="keep", show_default=True,
    help="When an order's parts do not add up to its total: keep the total, book the difference as a line, or hold.",
)  # fmt: skip
@click.option("--approve-above", default="", metavar="AMOUNT", help="Orders above this wait for a person.")
@click.option(
    "--approve-up-to",
    default="",
    metavar="AMOUNT",
    help="Where orders are binding and all wait for a person: those that cost at most this need none.",
)
@click.option(
    "--on-shortage", type=click.Choice(SHORTAGES), default="hold", show_default=True,
    help="When there is not enough stock to accept an order: leave it to a person, or refuse it.",
)  # fmt: skip
@click.option("--live", is_flag=True, help="Deliver from the start instead of planning first.")
@json_option
def add(
    name: str, stream: str, source: str, target: str, statuses: tuple[str, ...], warehouses: tuple[str, ...],
    skus: tuple[str, ...], buffer: int, totals: str, approve_above: str, approve_up_to: str,
    on_shortage: str, live: bool, as_json: bool,
) -> None:  # fmt: skip
    """Let records of STREAM go from the connection SOURCE to the connection TARGET.

    What is stored of the source already is planned at once. Two streams are about orders that both sides know:
    acceptance lets a marketplace SOURCE accept orders by the stock of TARGET, and statuses shows in TARGET how far its
    orders are at SOURCE.
    """
    given = {"statuses": words(statuses), "warehouses": words(warehouses), "skus": words(skus), "buffer": buffer,
             "totals": totals, "approve_above": approve_above, "approve_up_to": approve_up_to,
             "on_shortage": on_shortage}  # fmt: skip
    options = options_for(stream, given)
    app = app_from_context()
    row = FlowRow(name=name, stream=stream, source=source, target=target, mode="plan", options=options)
    count = add_flow(app, row)
    if live:
        row, count = switch_flow(app.bench, name, "live")
    on = any(each.stream == row.reads and each.enabled for each in app.store.config.streams(source))

    def lines() -> Iterator[str]:
        if live:
            yield f"{mark('ok')} The flow {name} is live: {plural(count, 'effect')} ready."
            yield from _binding(app, row)
            yield "Next: crossdock push"
        else:
            yield f"{mark('ok')} The flow {name} is in plan mode: {plural(count, 'effect')} planned, nothing is sent."
            yield f"Next: crossdock flow show {name}, then: crossdock flow live {name}"
        yield from _unseen(app, row)
        if not on:
            yield f"{mark('warn')} {row.reads} of {source} is off: crossdock stream on {source} {row.reads}"

    emit({**_data(app, row), "effects": count}, as_json, lines)


def _data(app: App, row: FlowRow) -> dict[str, Any]:
    counts = {state: number for (_, state), number in sorted(app.store.effects.counts(row.name).items())}
    return {
        "name": row.name, "stream": row.stream, "source": row.source, "target": row.target, "mode": row.mode,
        "options": row.options, "counts": counts, "oldest_unsent": app.store.effects.oldest(row.name),
    }  # fmt: skip


@flow.command("list", epilog=examples("crossdock flow list", "crossdock flow list --json"))
@json_option
def list_(as_json: bool) -> None:
    """List flows with their effects by state."""
    app = app_from_context()
    data = [_data(app, row) for row in app.store.config.flows()]
    rows = [
        (each["name"], each["stream"], f"{each['source']} {arrow()} {each['target']}", each["mode"],
         counted(each["counts"]))
        for each in data
    ]  # fmt: skip
    empty = "No flows yet: crossdock flow add NAME STREAM SOURCE TARGET"
    emit(data, as_json, lambda: table(rows, ("NAME", "STREAM", "FROM AND TO", "MODE", "EFFECTS")) or empty)


@flow.command(epilog=examples("crossdock flow show to-erp", "crossdock flow show to-erp --limit 5 --json"))
@click.argument("name")
@click.option(
    "--limit", type=click.IntRange(1, MOST), default=SHOWN, show_default=True, help="How many effects to show."
)
@json_option
def show(name: str, limit: int, as_json: bool) -> None:
    """Show a flow and what it would write now, before and after."""
    app = app_from_context()
    row = find_flow(app, name)
    data = _data(app, row)
    found = planned(app.bench, row, limit)
    emit({**data, "planned": [_planned_data(each) for each in found]}, as_json, lambda: _show(app, row, data, found))


def _planned_data(plan: Planned) -> dict[str, Any]:
    effect = plan.effect
    return {
        "effect": effect.id, "key": effect.key, "ref": effect.ref, "state": effect.state, "summary": plan.summary,
        "problem": plan.problem, "before": plan.before, "after": plan.after, "changes": plan.changes,
    }  # fmt: skip


def _show(app: App, row: FlowRow, data: dict[str, Any], found: Sequence[Planned]) -> Iterator[str]:
    yield f"{row.name}: {row.stream} from {row.source} to {row.target}, {row.mode}"
    options = [
        f"{option[2:]} {_value(getattr(row.options, field))}"
        for field, (option, streams) in OPTIONS.items()
        if getattr(row.options, field) and row.stream in streams
    ]
    if options:
        yield f"Options: {', '.join(options)}"
    yield f"Effects: {counted(data['counts']) or 'none'}"
    if data["oldest_unsent"]:
        yield f"Oldest not delivered: planned {ago(data['oldest_unsent'], app.clock.now())}"
    if not found:
        return
    yield ""
    yield "What it would write now:" if row.mode != "live" else "What is on its way:"
    for plan in found:
        yield from plan_lines(plan)
    waiting = sum(data["counts"].get(state, 0) for state in ("planned", "awaiting", "ready"))
    if waiting > len(found):
        yield f"… and {waiting - len(found):,} more"
    if row.mode == "plan":
        yield f"Next: crossdock flow live {row.name}"


def _value(value: Any) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


def plan_lines(plan: Planned) -> Iterator[str]:
    """An effect in human form: new ones in one line, changed ones field by field."""
    effect = plan.effect
    title = click.style(f"{effect.operation} {effect.ref}", bold=True)
    if plan.problem:
        yield f"{mark('warn')} {title}  {plan.summary}"
        yield f"      {plan.problem}"
    elif plan.before is None:
        known = " (exists there, all fields are written)" if effect.done else ""
        yield f"{click.style('+', fg='green')} {title}  {plan.summary}{known}"
    elif not plan.changes:
        yield f"= {title}  {plan.summary}: as it was sent before"
    else:
        yield f"{click.style('~', fg='yellow')} {title}  {plan.summary}"
        for change in plan.changes[:CHANGES_SHOWN]:
            yield f"      {_change(change)}"
        if len(plan.changes) > CHANGES_SHOWN:
            yield f"      … and {len(plan.changes) - CHANGES_SHOWN} more fields (--json shows all)"


def _change(change: Change) -> str:
    if change.before is None:
        return f"{change.path}: {change.after} (new)"
    if change.after is None:
        return f"{change.path}: {change.before} (gone)"
    return f"{change.path}: {change.before} {arrow()} {change.after}"


def _binding(app: App, row: FlowRow) -> Iterator[str]:
    """What a person must know of a live flow whose target takes an order at its word."""
    if row.stream == "orders" and app.bench.open(row.target).connector.info.binding_orders:
        limit = row.options.approve_up_to
        which = f"those above {limit} wait" if limit else "each waits"
        yield f"{mark('warn')} Orders are binding at {row.target}: {which} for your approval."


def _unseen(app: App, row: FlowRow) -> Iterator[str]:
    """What a person must know of a flow of stock that cannot know what its channel has sold."""
    if text := unseen_sales(app.store, row):
        yield f"{mark('warn')} {text}"
        yield "  Is a flow of orders still to come? Otherwise keep some back: --buffer 2"


@flow.command(epilog=examples("crossdock flow live to-erp"))
@click.argument("name")
@json_option
def live(name: str, as_json: bool) -> None:
    """Let a flow deliver: what was planned is ready."""
    app = app_from_context()
    check_flow(app.bench, find_flow(app, name))
    row, count = switch_flow(app.bench, name, "live")

    def lines() -> Iterator[str]:
        yield f"{mark('ok')} The flow {name} is live: {plural(count, 'effect')} ready. Next: crossdock push {name}"
        yield from _binding(app, row)
        yield from _unseen(app, row)

    emit({**_data(app, row), "effects": count}, as_json, lines)


@flow.command(epilog=examples("crossdock flow plan to-erp"))
@click.argument("name")
@json_option
def plan(name: str, as_json: bool) -> None:
    """Back to plan mode: what is ready is only planned, nothing is sent."""
    _switch(name, "plan", "in plan mode", as_json)


@flow.command(epilog=examples("crossdock flow pause to-erp"))
@click.argument("name")
@json_option
def pause(name: str, as_json: bool) -> None:
    """Stop a flow: nothing is planned or sent; it catches up when it is switched on again."""
    _switch(name, "paused", "paused", as_json)


def _switch(name: str, mode: str, word: str, as_json: bool) -> None:
    app = app_from_context()
    row, count = switch_flow(app.bench, name, mode)
    held = f" {plural(count, 'effect')} held back." if count else ""
    emit({**_data(app, row), "effects": count}, as_json, lambda: f"{mark('ok')} The flow {name} is {word}.{held}")


@flow.command(epilog=examples("crossdock flow remove to-erp", "crossdock flow remove to-erp --yes"))
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def remove(name: str, yes: bool, as_json: bool) -> None:
    """Remove a flow with its effects; records and what they are called on the target stay known."""
    app = app_from_context()
    find_flow(app, name)
    counts = {state: number for (_, state), number in app.store.effects.counts(name).items()}
    confirm(yes, as_json, f"Remove the flow {name} with {counted(counts) or 'no'} effects?")
    remove_flow(app, name)
    emit({"name": name, "removed": True}, as_json, lambda: f"{mark('ok')} The flow {name} is removed.")
