"""``crossdock effects``: the ledger of intended writes, and what people decide about them."""

from __future__ import annotations

import contextlib
import getpass
import json
from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import click
import msgspec

from crossdock.app import App
from crossdock.cli.context import app_from_context, confirm, need_flow
from crossdock.cli.options import MOST, Number
from crossdock.cli.output import ago, arrow, emit, examples, json_option, mark, needs_attention, plural, table
from crossdock.engine import decide
from crossdock.engine.approval import preview_of
from crossdock.errors import ConnectorError, CrossdockError, UsageError
from crossdock.session import Preview
from crossdock.store.ledger import OPEN, STATES, Effect

ATTENTION = ("parked", "in_doubt", "awaiting")
_MARKS = {"done": "ok", "parked": "fail", "in_doubt": "warn", "awaiting": "warn", "discarded": "skip"}

NUMBER = Number("E")
"""As the lists of effects and of what is parked show it: 17, or E17."""


@click.group()
def effects() -> None:
    """Intended writes: list, show, approve, resolve, replay, discard."""


def data_of(effect: Effect) -> dict[str, Any]:
    """An effect as JSON, without what only the engine needs."""
    hidden = ("wanted", "sent", "done", "owner", "lease_until", "approval")
    return attrs.asdict(effect, filter=lambda field, _: field.name not in hidden)


def one_of_states(states: Sequence[str]) -> tuple[str, ...]:
    """The states that were asked for; raises `UsageError` for a word that is none."""
    for state in states:
        if state not in STATES:
            raise UsageError(f"There is no state {state!r}; there are: {', '.join(STATES)}.")
    return tuple(states)


@effects.command(
    name="list",
    epilog=examples(
        "crossdock effects list", "crossdock effects list --state parked --flow to-erp", "crossdock effects list --all"
    ),
)
@click.option("--flow", default="", help="Only of this flow.")
@click.option("--state", "states", multiple=True, help="Only in this state; may be given several times.")
@click.option("--all", "everything", is_flag=True, help="Also those that are done or given up.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, MOST), help="The newest so many.")
@json_option
def list_(flow: str, states: tuple[str, ...], everything: bool, limit: int, as_json: bool) -> None:
    """List effects, newest first; without options those that are not done yet."""
    app = app_from_context()
    if flow:
        need_flow(app, flow)
    wanted = one_of_states(states) or (() if everything else OPEN)
    found = app.store.effects.find(flow=flow, states=wanted, limit=limit)
    emit([data_of(each) for each in found], as_json, lambda: _table(app, found, bool(wanted)))


def _table(app: App, found: list[Effect], narrowed: bool) -> str:
    if not found:
        return "There are no effects like that." if narrowed else "There are no effects."
    now = app.clock.now()
    return table(
        [
            (each.id, each.flow, each.operation, each.ref, each.state, each.attempts, ago(each.updated_at, now),
             each.message or each.number)
            for each in found
        ],
        ("ID", "FLOW", "WHAT", "RECORD", "STATE", "TRIES", "CHANGED", "MESSAGE"), right=(0, 5),
    )  # fmt: skip


@effects.command(epilog=examples("crossdock effects show 17", "crossdock effects show 17 --json"))
@click.argument("number", type=NUMBER)
@json_option
def show(number: int, as_json: bool) -> None:
    """Show one effect: every attempt, what was sent, and what would be sent now."""
    app = app_from_context()
    found = decide.effect(app.bench, number)
    sent = app.store.effects.sent_document(number)
    attempts = app.store.effects.attempts(number)
    would = _would(app, found)
    preview, trouble = _preview(app, found)
    data = {
        **data_of(found),
        "history": [{"at": at, "run": run, "state": state, "message": text} for at, run, state, text in attempts],
        "sent_document": json.loads(sent) if sent else None,
        "changes": would[0], "problem": would[1] or trouble, "preview": preview,
    }  # fmt: skip

    def lines() -> Iterator[str]:
        now = app.clock.now()
        way = f"{found.source} {arrow()} {found.target}"
        yield f"Effect {found.id}: {found.operation} {found.ref}, {way} ({found.flow})"
        yield f"State: {found.state}, {ago(found.updated_at, now)}" + (f". {found.message}" if found.message else "")
        if found.path:
            yield f"Field: {found.path}"
        if found.external_id:
            number = f", number {found.number}" if found.number not in ("", found.external_id) else ""
            yield f"There:  {found.external_id}{number}"
        yield "Attempts:" if attempts else "It was not tried yet."
        for at, run, state, text in attempts:
            yield f"  {at[:19]}Z  run {run}  {state}" + (f"  {text}" if text else "")
        if preview:
            yield f"What would be ordered now, for {preview.total} {preview.currency} (preview {preview.hash[:12]}):"
            yield from (f"  {line}" for line in _pretty(preview.body))
        elif would[0]:
            yield "What would be written now:"
        for change in would[0] if not preview else ():
            yield f"  {change['path']}: {_plain(change['before'])} {arrow()} {_plain(change['after'])}"
        problem = " ".join((would[1], trouble, *(preview.problems if preview else ()))).strip()
        if problem:
            yield f"It would not be sent: {problem}"

    emit(data, as_json, lines)


def _plain(value: Any) -> str:
    return "nothing" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _preview(app: App, found: Effect) -> tuple[Preview | None, str]:
    """What a binding order that waits for a person would be now, or why that cannot be said."""
    if found.state not in ("awaiting", "planned"):
        return None, ""
    try:
        return preview_of(app.bench, found), ""
    except (ConnectorError, CrossdockError) as error:
        return None, str(error)


def _pretty(body: str) -> list[str]:
    """A body for a person: JSON in lines, anything else as it is."""
    with contextlib.suppress(msgspec.DecodeError):
        body = msgspec.json.format(body, indent=2)
    return body.splitlines()


def _would(app: App, found: Effect) -> tuple[list[dict[str, Any]], str]:
    from crossdock.engine.planned import UNSENT, plan_of

    flow = app.store.config.flow(found.flow)
    if flow is None or found.state not in (*UNSENT, "parked"):
        return [], ""
    plan = plan_of(app.bench, flow, found)
    return [attrs.asdict(change) for change in plan.changes], plan.problem


# -- decisions -------------------------------------------------------------------------------------


@effects.command(epilog=examples("crossdock effects approve 17", "crossdock effects approve 17 18 19 --by anna"))
@click.argument("numbers", type=NUMBER, nargs=-1, required=True)
@click.option("--by", default="", metavar="NAME", help="Who approves; your login name unless given.")
@json_option
def approve(numbers: tuple[int, ...], by: str, as_json: bool) -> None:
    """Approve what effects would send, as it was shown; if that changes, they ask again.

    A rule of the project may want a second person's approval: then the effect waits on and says so, and the exit code
    is 1.
    """
    app = app_from_context()
    for number in numbers:
        decide.effect(app.bench, number)
    person = by.strip() or _login()
    done = [decide.approve(app.bench, number, person) for number in numbers]
    waiting = [each for each in done if each.state == "awaiting"]

    def lines() -> Iterator[str]:
        if len(waiting) < len(done):
            yield f"{mark('ok')} {plural(len(done) - len(waiting), 'effect')} approved. Next: crossdock push"
        for each in waiting:
            yield f"{mark('warn')} Effect {each.id} waits on: {each.message}"

    emit([data_of(each) for each in done], as_json, lines)
    if waiting:
        needs_attention()


def _login() -> str:
    """Who sits here; empty where the system has no name for it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""


@effects.command(
    epilog=examples("crossdock effects resolve 17 --external-id 4711", "crossdock effects resolve 17 --absent")
)
@click.argument("number", type=NUMBER)
@click.option("--external-id", default="", help="It was done: the id that the target gave it.")
@click.option("--absent", is_flag=True, help="It was not done; it is sent again.")
@json_option
def resolve(number: int, external_id: str, absent: bool, as_json: bool) -> None:
    """Say whether an effect in doubt was done, after looking at the target yourself."""
    if bool(external_id) == absent:
        raise click.UsageError("Say one of --external-id ID (it was done) or --absent (it was not).")
    app = app_from_context()
    found = decide.resolve(app.bench, number, external_id=external_id.strip(), absent=absent)
    emit(data_of(found), as_json, lambda: f"{mark('ok')} Effect {number} is {found.state} now.")


def _chosen(app: App, numbers: tuple[int, ...], flow: str, cause: str, states: tuple[str, ...]) -> list[int]:
    """Effects by number, or all of a flow or cause in `states`."""
    if numbers and (flow or cause):
        raise click.UsageError("Give numbers, or --flow and --cause, not both.")
    if numbers:
        for number in numbers:
            decide.effect(app.bench, number)
        return list(numbers)
    if not flow and not cause:
        raise click.UsageError("Which effects? Give numbers, or --flow or --cause for all parked ones of it.")
    if flow:
        need_flow(app, flow)
    return [each.id for each in app.store.effects.find(flow=flow, cause=cause, states=states, limit=1_000_000)]


@effects.command(epilog=examples("crossdock effects replay 17", "crossdock effects replay --flow to-erp"))
@click.argument("numbers", type=NUMBER, nargs=-1)
@click.option("--flow", default="", help="All parked effects of this flow.")
@click.option("--cause", default="", help="All parked effects of this cause; see: crossdock parked list")
@json_option
def replay(numbers: tuple[int, ...], flow: str, cause: str, as_json: bool) -> None:
    """Send parked effects again, or deliver one that is done once more."""
    app = app_from_context()
    chosen = _chosen(app, numbers, flow, cause, ("parked",))
    moved = decide.replay(app.bench, chosen)
    _told(moved, len(chosen), "ready to be sent again", "Next: crossdock push", as_json)


@effects.command(epilog=examples("crossdock effects discard 17 --reason 'was a test order'"))
@click.argument("numbers", type=NUMBER, nargs=-1)
@click.option("--flow", default="", help="All parked effects of this flow.")
@click.option("--cause", default="", help="All parked effects of this cause.")
@click.option("--reason", default="", help="Why; kept in the history.")
@click.option("--yes", is_flag=True, help="Do not ask when they are chosen by an option.")
@json_option
def discard(numbers: tuple[int, ...], flow: str, cause: str, reason: str, yes: bool, as_json: bool) -> None:
    """Give effects up; they come back only when their record changes."""
    app = app_from_context()
    chosen = _chosen(app, numbers, flow, cause, ("parked",))
    if not numbers and chosen:
        confirm(yes, as_json, f"Give up all {len(chosen)} of them?")
    moved = decide.discard(app.bench, chosen, reason)
    _told(moved, len(chosen), "given up", "", as_json)


def _told(moved: int, asked: int, what: str, following: str, as_json: bool) -> None:
    def lines() -> Iterator[str]:
        if moved or not asked:
            yield f"{mark('ok')} {plural(moved, 'effect')} {what}. {following if moved else ''}".rstrip()
        if moved < asked:
            yield f"{mark('warn')} {plural(asked - moved, 'effect')} left as it was: its state does not allow it."

    emit({"changed": moved, "left": asked - moved}, as_json, lines)
    if moved < asked:
        needs_attention()
