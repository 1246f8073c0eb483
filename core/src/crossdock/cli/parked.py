"""``crossdock parked``: what needs a person: payloads that could not be read, and effects that were refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import click

from crossdock.app import App
from crossdock.cli.context import app_from_context, confirm, need_names, stoppable
from crossdock.cli.effects import data_of
from crossdock.cli.options import DIGITS
from crossdock.cli.output import ago, emit, examples, json_option, mark, needs_attention, plural, progress, table
from crossdock.engine import decide
from crossdock.errors import CrossdockError, UsageError
from crossdock.store.ledger import Effect
from crossdock.store.records import ParkedRecord

_MANY = 1_000_000
_SHOWN = 400


@click.group()
def parked() -> None:
    """What needs a person, grouped by cause.

    An id is R and a number for a payload that could not be read, E and a number for an effect that was refused.
    """


@attrs.frozen
class Chosen:
    """Parked payloads and parked effects."""

    records: tuple[ParkedRecord, ...]
    effects: tuple[Effect, ...]

    def __len__(self) -> int:
        return len(self.records) + len(self.effects)


def everything(app: App, *, connection: str = "", flow: str = "", cause: str = "", keys: Sequence[str] = ()) -> Chosen:
    """All that is parked and fits; raises `UsageError` for a connection or flow that there is not."""
    need_names(app, connection=connection, flow=flow)
    records = () if flow else tuple(
        row for row in app.store.records.parked(connection)
        if (not cause or row.cause == cause) and (not keys or row.key in keys)
    )  # fmt: skip
    effects = tuple(
        each for each in app.store.effects.find(flow=flow, states=("parked",), cause=cause, limit=_MANY)
        if (not connection or connection in (each.source, each.target)) and (not keys or each.key in keys)
    )  # fmt: skip
    return Chosen(records, effects)


def choose(app: App, ids: Sequence[str], *, connection: str, flow: str, cause: str, keys: Sequence[str], every: bool)\
        -> Chosen:  # fmt: skip
    """What a person named: ids, or everything that fits the options."""
    narrowed = bool(connection or flow or cause or keys)
    if ids and (narrowed or every):
        raise click.UsageError("Give ids, or options, not both.")
    if not ids:
        if not narrowed and not every:
            raise click.UsageError("Which ones? Give ids, --cause, --connection, --flow, --key or --all.")
        return everything(app, connection=connection, flow=flow, cause=cause, keys=keys)
    rows = {f"R{row.id}": row for row in app.store.records.parked()}
    records: list[ParkedRecord] = []
    effects: list[Effect] = []
    for each in ids:
        name = each.upper()
        if name in rows:
            records.append(rows[name])
            continue
        number = name.removeprefix("E")
        found = app.store.effects.get(int(number)) if number.isdecimal() and len(number) < DIGITS else None
        if found is None or found.state != "parked":
            raise UsageError(f"Nothing is parked as {each}.", hint="crossdock parked list --each")
        effects.append(found)
    return Chosen(tuple(records), tuple(effects))


def _filters(command: Any) -> Any:
    for option in (
        click.option("--connection", default="", help="Only of this connection."),
        click.option("--flow", default="", help="Only effects of this flow."),
        click.option("--cause", default="", help="Only of this cause, as the list shows it."),
        click.option("--key", "keys", multiple=True, help="Only this record; may be given several times."),
    ):
        command = option(command)
    return command


@parked.command(name="list", epilog=examples("crossdock parked list", "crossdock parked list --each --connection shop"))
@_filters
@click.option("--each", "apart", is_flag=True, help="One line each, instead of one for each cause.")
@json_option
def list_(connection: str, flow: str, cause: str, keys: tuple[str, ...], apart: bool, as_json: bool) -> None:
    """List what is parked, by cause. Exit code 1 while anything is parked."""
    app = app_from_context()
    found = everything(app, connection=connection, flow=flow, cause=cause, keys=keys)
    groups = grouped(found)
    data = {
        "count": len(found), "groups": groups,
        "records": [_record_data(row) for row in found.records],
        "effects": [{"id": f"E{each.id}", **{k: v for k, v in data_of(each).items() if k != "id"}}
                    for each in found.effects],
    }  # fmt: skip
    emit(data, as_json, lambda: _each(app, found) if apart else _by_cause(groups))
    if found:
        needs_attention()


def grouped(found: Chosen) -> list[dict[str, Any]]:
    """Groups with the same place and cause, the largest first."""
    groups: dict[tuple[str, str, str], dict[str, Any]] = {}
    entries = [
        *(("payload", f"{row.connection} {row.stream}", row.cause, row.message, f"R{row.id}", row.key)
          for row in found.records),
        *(("effect", each.flow, each.cause, each.message, f"E{each.id}", each.ref) for each in found.effects),
    ]  # fmt: skip
    for kind, place, cause, message, name, ref in entries:
        group = groups.setdefault(
            (kind, place, cause),
            {"kind": kind, "where": place, "cause": cause, "count": 0, "example": message, "ids": [], "records": []},
        )
        group["count"] += 1
        group["ids"].append(name)
        group["records"].append(ref)
    return sorted(groups.values(), key=lambda group: (-group["count"], group["where"], group["cause"]))


def _by_cause(groups: list[dict[str, Any]]) -> Iterator[str]:
    if not groups:
        yield "Nothing is parked."
        return
    yield table(
        [
            (group["count"], group["where"], group["cause"], _some(group["records"]), group["example"])
            for group in groups
        ],
        ("COUNT", "WHERE", "CAUSE", "RECORDS", "EXAMPLE"), right=(0,),
    )  # fmt: skip
    yield "Fix the cause, then: crossdock parked replay --cause CAUSE, or its ids (parked list --each)"


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")


def _each(app: App, found: Chosen) -> str:
    now = app.clock.now()
    rows = [
        *((f"R{row.id}", f"{row.connection} {row.stream}", row.key, row.path, ago(row.parked_at, now), row.message)
          for row in found.records),
        *((f"E{each.id}", each.flow, each.ref, each.path, ago(each.updated_at, now), each.message)
          for each in found.effects),
    ]  # fmt: skip
    return table(rows, ("ID", "WHERE", "RECORD", "FIELD", "SINCE", "MESSAGE")) or "Nothing is parked."


def _record_data(row: ParkedRecord) -> dict[str, Any]:
    return {
        "id": f"R{row.id}", "connection": row.connection, "stream": row.stream, "key": row.key, "cause": row.cause,
        "message": row.message, "path": row.path, "vendor_message": row.vendor_message, "run": row.run,
        "parked_at": row.parked_at,
    }  # fmt: skip


@parked.command(epilog=examples("crossdock parked show R3", "crossdock parked show E17 --json"))
@click.argument("name", metavar="ID")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show one parked payload with its bytes, or one parked effect."""
    app = app_from_context()
    found = choose(app, [name], connection="", flow="", cause="", keys=(), every=False)
    if found.effects:
        from crossdock.cli.effects import show as show_effect

        click.get_current_context().invoke(show_effect, number=found.effects[0].id, as_json=as_json)
        return
    row = found.records[0]
    body = row.payload.decode("utf-8", "replace")

    def lines() -> Iterator[str]:
        yield f"R{row.id}: {row.stream} {row.key} of {row.connection}, parked {ago(row.parked_at, app.clock.now())}"
        yield row.message
        if row.path:
            yield f"Field: {row.path}"
        if row.vendor_message:
            yield f"The vendor says: {row.vendor_message}"
        yield f"Payload ({len(row.payload):,} bytes):"
        yield body if len(body) <= _SHOWN * 10 else body[: _SHOWN * 10] + " ... (--json shows all)"

    emit({**_record_data(row), "payload": body}, as_json, lines)


@parked.command(
    epilog=examples(
        "crossdock parked replay R3 E17", "crossdock parked replay --cause 'unknown sku A-1'",
        "crossdock parked replay --all",
    )
)  # fmt: skip
@click.argument("ids", nargs=-1, metavar="[ID]...")
@_filters
@click.option("--all", "every", is_flag=True, help="Everything that is parked.")
@json_option
def replay(
    ids: tuple[str, ...], connection: str, flow: str, cause: str, keys: tuple[str, ...], every: bool, as_json: bool
) -> None:
    """Try again: payloads are fetched once more from their system, effects become ready to be sent."""
    app = app_from_context()
    chosen = choose(app, ids, connection=connection, flow=flow, cause=cause, keys=keys, every=every)
    with stoppable(app):
        read, failures = _read_again(app, chosen.records)
    moved = decide.replay(app.bench, [each.id for each in chosen.effects])
    still = {(row.connection, row.stream, row.key) for row in app.store.records.parked()}
    left = [row for row in chosen.records if (row.connection, row.stream, row.key) in still]
    data = {
        "fetched": read, "read": len(chosen.records) - len(left), "still_parked": len(left), "effects_ready": moved,
        "problems": failures,
    }  # fmt: skip

    def lines() -> Iterator[str]:
        if not chosen:
            yield "Nothing like that is parked."
        if chosen.records:
            sign = mark("warn" if left else "ok")
            yield f"{sign} {plural(len(chosen.records) - len(left), 'payload')} read, {len(left)} still parked."
        for row in left[:10]:
            yield f"  R{row.id} {row.connection} {row.stream} {row.key}: it could not be read again or is gone"
        if chosen.effects:
            yield f"{mark('ok')} {plural(moved, 'effect')} ready to be sent again. Next: crossdock push"
        yield from (f"{mark('fail')} {text}" for text in failures)

    emit(data, as_json, lines)
    if left or failures:
        needs_attention()


def _read_again(app: App, rows: Sequence[ParkedRecord]) -> tuple[int, list[str]]:
    """Fetch parked payloads by key, one request series a stream; answers how many rows came, and what went wrong."""
    from crossdock.engine.pull import pull
    from crossdock.records import asked_by

    groups: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        groups.setdefault((row.connection, row.stream), []).extend(asked_by(row.stream, row.key))
    seen, failures = 0, []
    for (connection, stream), keys in groups.items():
        try:
            with progress(f"{connection} {stream}") as report:
                pulled = pull(app.bench, connection, stream, keys=sorted(keys), report=report)
        except CrossdockError as error:
            failures.append(f"{connection} {stream}: {error}")
            continue
        seen += pulled.counts.seen
        if pulled.error is not None:
            failures.append(f"{connection} {stream}: {pulled.error}")
    return seen, failures


@parked.command(epilog=examples("crossdock parked discard R3 --reason 'test order'"))
@click.argument("ids", nargs=-1, metavar="[ID]...")
@_filters
@click.option("--all", "every", is_flag=True, help="Everything that is parked.")
@click.option("--reason", default="", help="Why; kept in the history.")
@click.option("--yes", is_flag=True, help="Do not ask when they are chosen by an option.")
@json_option
def discard(
    ids: tuple[str, ...], connection: str, flow: str, cause: str, keys: tuple[str, ...], every: bool, reason: str,
    yes: bool, as_json: bool,
) -> None:  # fmt: skip
    """Give up; a record that is fetched again and still unreadable is parked again."""
    app = app_from_context()
    chosen = choose(app, ids, connection=connection, flow=flow, cause=cause, keys=keys, every=every)
    if not ids and chosen:
        confirm(yes, as_json, f"Give up all {len(chosen)} of them?")
    now = app.clock.now()
    forgotten = 0
    with app.store.transaction():
        for row in chosen.records:
            forgotten += app.store.records.unpark(row.connection, row.stream, [row.key])
            app.store.journal.event("parked discarded", f"{row.connection} {row.stream} {row.key}", reason, now)
    given_up = decide.discard(app.bench, [each.id for each in chosen.effects], reason)
    emit({"payloads": forgotten, "effects": given_up}, as_json,
         lambda: f"{mark('ok')} {plural(forgotten, 'payload')} and {plural(given_up, 'effect')} given up.")  # fmt: skip


def _complete() -> None:
    """Writing a record into a file is in a module of its own."""
    from crossdock.cli import parked_export

    parked.add_command(parked_export.export)


_complete()
