"""``crossdock explain``: the story of one record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import attrs
import click

from crossdock.app import App
from crossdock.cli.context import app_from_context
from crossdock.cli.output import ago, arrow, emit, examples, json_option, mark, needs_attention
from crossdock.engine.explain import SINGULAR, EffectStory, FlowStory, Story
from crossdock.engine.explain import explain as tell
from crossdock.errors import UsageError
from crossdock.records import to_document

_SIGNS = {"done": "ok", "parked": "fail", "in_doubt": "warn", "discarded": "skip", "superseded": "skip"}


@click.command(
    epilog=examples(
        "crossdock explain order WC-1042", "crossdock explain order 1042", "crossdock explain shipment 77 --json",
        "crossdock explain balance TSHIRT-RED", "crossdock explain order 1042 --payload",
    )
)  # fmt: skip
@click.argument("kind", type=click.Choice(tuple(SINGULAR)), metavar="KIND")
@click.argument("name")
@click.option("--payload", is_flag=True, help="Show the vendor's bytes, too.")
@click.option("--record", is_flag=True, help="Show the canonical document, too.")
@json_option
def explain(kind: str, name: str, payload: bool, record: bool, as_json: bool) -> None:
    """Tell the story of one record: seen, mapped, routed, sent, answered, and what to do next.

    KIND is order, shipment, product, price, balance or customer. NAME is its number, its key, its SKU, CONNECTION- and
    one of these, or the number that a target gave it. Exit code 1 when something has to be done.
    """
    if not name.strip():
        raise UsageError("The name is empty.", hint=f"crossdock explain {kind} NUMBER")
    app = app_from_context()
    stories = tell(app.bench, kind, name)
    data = [_data(story, payload=payload, record=record) for story in stories]
    emit(data, as_json, lambda: _stories(app, kind, stories, payload, record))
    if any(story.next_step for story in stories):
        needs_attention()


def _data(story: Story, *, payload: bool, record: bool) -> dict[str, Any]:
    found = attrs.asdict(story, filter=lambda field, _: field.name not in ("record", "payload"))
    if record:
        found["record"] = json.loads(to_document(story.record)) if story.record is not None else None
    if payload:
        found["payload"] = story.payload.decode("utf-8", "replace")
    return found


def _stories(app: App, kind: str, stories: list[Story], payload: bool, record: bool) -> Iterator[str]:
    if len(stories) > 1:
        yield f"{len(stories)} records answer to that name."
    for number, story in enumerate(stories):
        if number or len(stories) > 1:
            yield ""
        yield from _story(app, kind, story)
        if record and story.record is not None:
            yield "Canonical document:"
            yield json.dumps(json.loads(to_document(story.record)), indent=2, ensure_ascii=False)
        if payload:
            yield f"Payload ({len(story.payload):,} bytes):" if story.payload else "The payload is not kept any more."
            yield story.payload.decode("utf-8", "replace")


def _story(app: App, kind: str, story: Story, indent: str = "") -> Iterator[str]:
    now = app.clock.now()
    named = story.ref if story.ref == story.key else f"{story.ref} (key {story.key})"
    yield f"{indent}{kind.capitalize()} {named} of {story.connection}"
    if story.summary:
        yield f"{indent}  {_summary(story.summary)}"
    for origin in story.origins:
        yield f"{indent}  It came from {origin['connection']}, where it is {origin['key']}."
    if story.kept:
        kept = story.kept
        changed = f"; changed there {kept['changed_at_source'][:19]}Z" if kept["changed_at_source"] else ""
        yield (
            f"{indent}Seen    {ago(kept['at'], now)}, {_at(kept['at'])}, on page {kept['page']} of run {kept['run']}"
            f"{changed}"
        )
        yield f"{indent}        fingerprint {kept['fingerprint']}"
    elif story.parked is None:
        yield f"{indent}Seen    never; it is known from the ledger only"
    if story.parked:
        yield f"{indent}Parked  {mark('fail')} {ago(story.parked['at'], now)}: {story.parked['message']}"
        if story.parked["path"]:
            yield f"{indent}        field {story.parked['path']}"
        if story.parked["vendor_message"]:
            yield f"{indent}        the vendor says: {story.parked['vendor_message']}"
    for flow in story.flows:
        yield from _flow(flow, indent)
    for bound in story.bindings:
        number = f" (number {bound['number']})" if bound["number"] and bound["number"] != bound["external_id"] else ""
        yield f"{indent}There   {bound['connection']} knows it as {bound['external_id']}{number}"
    for shipment in story.shipments:
        yield from _story(app, "shipment", shipment, indent + "  ")
    if story.next_step:
        yield f"{indent}Next    {story.next_step}"


def _summary(summary: dict[str, Any]) -> str:
    if "total" not in summary:
        return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in summary.items())
    placed = f", placed {_at(summary['placed_at'])}" if summary["placed_at"] else ""
    status = summary["status"]
    raw = f" ({summary['raw_status']})" if summary["raw_status"] not in ("", status) else ""
    lines = "1 line" if summary["lines"] == 1 else f"{summary['lines']} lines"
    return f"{summary['total']} {summary['currency']}, {lines}, {status}{raw}{placed}"


def _at(text: str) -> str:
    return text[:19].replace("T", " ") + " UTC"


def _flow(flow: FlowStory, indent: str) -> Iterator[str]:
    way = f"{flow.flow} {arrow()} {flow.target}"
    if flow.stream == "acceptance":
        way = f"{flow.flow}, acceptance by the stock of {flow.target}"
    elif flow.stream == "statuses":
        way = f"{flow.flow}, status shown in {flow.target}"
    if flow.refused:
        yield f"{indent}Flow    {way}: not taken, {flow.refused}"
    else:
        yield f"{indent}Flow    {way} ({flow.mode}): taken"
    for each in flow.applied:
        yield f"{indent}        mapped {each.kind} {each.value} {arrow()} {each.target}"
    for each in flow.gaps:
        yield f"{indent}        {mark('warn')} gap: unknown {each.kind} {each.value}"
    if flow.effect:
        yield from _effect(flow.effect, indent)
    elif not flow.refused:
        yield f"{indent}        nothing was planned yet"


def _effect(effect: EffectStory, indent: str) -> Iterator[str]:
    said = f": {effect.message}" if effect.message else ""
    yield f"{indent}Effect  {mark(_SIGNS.get(effect.state, 'warn'))} {effect.id}, {effect.state}{said}"
    if effect.path:
        yield f"{indent}        field {effect.path}"
    if effect.not_before and effect.state in ("ready", "in_doubt", "submitted"):
        yield f"{indent}        not before {_at(effect.not_before)}"
    yield f"{indent}        {_at(effect.planned_at)}  planned"
    for each in effect.history:
        yield f"{indent}        {_at(each.at)}  {each.state}" + (f"  {each.message}" if each.message else "")
