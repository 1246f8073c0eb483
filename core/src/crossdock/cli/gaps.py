"""``crossdock gaps``: unknown codes and how many records wait for them."""

from __future__ import annotations

import attrs
import click

from crossdock.cli.context import app_from_context, need_names
from crossdock.cli.output import ago, emit, examples, json_option, needs_attention, table


@click.group()
def gaps() -> None:
    """Unknown codes and how many records wait for them."""


@gaps.command(name="list", epilog=examples("crossdock gaps list", "crossdock gaps list --all"))
@click.option("--flow", default="", help="Only of this flow.")
@click.option("--all", "everything", is_flag=True, help="Also closed ones.")
@json_option
def list_(flow: str, everything: bool, as_json: bool) -> None:
    """List gaps, those with most waiting records first. Exit code 1 while one is open."""
    app = app_from_context()
    found = [gap for gap in app.store.gaps.list(all_states=everything) if not flow or gap.flow == flow]
    if not found:
        need_names(app, flow=flow)
    now = app.clock.now()

    def text() -> str:
        if not found:
            return "There are no gaps."
        rows = [
            (each.flow, each.kind, each.value, each.waiting, each.state, ago(each.opened_at, now)) for each in found
        ]
        first = next((gap for gap in found if gap.state == "open"), None)
        shown = table(rows, ("FLOW", "KIND", "VALUE", "WAITING", "STATE", "SINCE"), right=(3,))
        return shown + (
            f"\nClose one: crossdock map add {first.flow} {first.kind} {first.value} TARGET" if first else ""
        )

    emit([attrs.asdict(gap) for gap in found], as_json, text)
    if any(gap.state == "open" for gap in found):
        needs_attention()
