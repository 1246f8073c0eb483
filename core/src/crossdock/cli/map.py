"""``crossdock map``: mapping tables, by hand and by CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from crossdock.app import App
from crossdock.cli.context import app_from_context, need_names
from crossdock.cli.output import emit, examples, json_option, mark, plural, table
from crossdock.engine.decide import add_mappings, remove_mapping
from crossdock.errors import UsageError
from crossdock.store.gaps import BUFFER, EVERY_FLOW, wrong_row

COLUMNS = ("flow", "kind", "value", "target")
Row = tuple[str, str, str, str]


@click.group(name="map")
def map_() -> None:
    """Mapping tables: SKUs, carriers, statuses, warehouses, taxes; and how much of a SKU is kept back.

    FLOW is a flow's name, or * for every flow; a flow's own row wins.
    A row that fills a gap sends on what waits for it.
    """


def problem_of(row: Sequence[str], flows: Mapping[str, str]) -> str:
    """Why a row cannot be a mapping; empty when it can. `flows` are names and streams."""
    flow, kind, value, target = row
    if flow != EVERY_FLOW and flow not in flows:
        return f"there is no flow {flow!r}; there are: {', '.join(flows) or 'none yet'}, and {EVERY_FLOW} for all"
    wrong = wrong_row(kind, target)
    if not wrong and (not value or not target):
        return "the value and the target must not be empty"
    if kind == BUFFER and flows.get(flow, "balance") not in ("balance", "acceptance"):
        return f"the flow {flow} is about {flows[flow]}, and only flows of balance and acceptance keep stock back"
    return wrong


def _flows(app: App) -> dict[str, str]:
    return {flow.name: flow.stream for flow in app.store.config.flows()}


@map_.command(
    epilog=examples(
        "crossdock map add to-erp sku TSHIRT-RED 100-17",
        "crossdock map add '*' country UK GB",
        "crossdock map add stock buffer TSHIRT-RED 3    keep 3 pieces of it back, whatever --buffer says",
    )
)
@click.argument("flow")
@click.argument("kind")
@click.argument("value")
@click.argument("target")
@json_option
def add(flow: str, kind: str, value: str, target: str, as_json: bool) -> None:
    """Add or replace a row: VALUE of the source becomes TARGET.

    The kind buffer says how many pieces of a SKU a flow of stock or acceptance keeps back, in place of its --buffer.
    """
    app = app_from_context()
    row = (flow, kind, value, target)
    problem = problem_of(row, _flows(app))
    if problem:
        raise UsageError(f"That is no mapping: {problem}.")
    _add(app, [row], as_json)


def _add(app: App, rows: Sequence[Row], as_json: bool) -> None:
    freed = add_mappings(app.bench, rows)
    added = plural(len(rows), "row")

    def lines() -> Iterator[str]:
        yield f"{mark('ok')} {added} added."
        if freed:
            yield f"{plural(freed, 'record')} waited for that and can go on. Next: crossdock push"

    emit({"added": len(rows), "freed": freed}, as_json, lines)


@map_.command(name="import", epilog=examples("crossdock map import skus.csv", "crossdock map export --output skus.csv"))
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def import_(file: Path, as_json: bool) -> None:
    """Add the rows of a CSV file with the columns flow, kind, value, target: all of them, or none when one is wrong."""
    app = app_from_context()
    rows, problems = read_rows(file, _flows(app))
    if problems:
        shown = problems[:20] + ([f"... and {len(problems) - 20} more"] if len(problems) > 20 else [])
        raise UsageError(
            f"{file.name} was not imported, {plural(len(problems), 'line')} cannot be used:\n  " + "\n  ".join(shown)
        )
    _add(app, rows, as_json)


def read_rows(file: Path, flows: Mapping[str, str]) -> tuple[list[Row], list[str]]:
    """The rows of a CSV file, and a sentence for every line that cannot be used."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read as UTF-8 text: {error}.") from error
    first = text.split("\n", 1)[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[Row] = []
    problems: list[str] = []
    seen: dict[tuple[str, str, str], int] = {}
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if sorted(header) != sorted(COLUMNS):
            return [], [f"line 1: the columns must be {', '.join(COLUMNS)}; they are {', '.join(header) or 'missing'}"]
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            number = reader.line_num
            if len(cells) != len(header):
                problems.append(f"line {number}: it has {len(cells)} columns instead of {len(header)}")
                continue
            named = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
            row: Row = (named["flow"], named["kind"], named["value"], named["target"])
            problem = problem_of(row, flows)
            if row[:3] in seen:
                problem = problem or f"it says again what line {seen[row[:3]]} says"
            if problem:
                problems.append(f"line {number}: {problem}")
            seen.setdefault(row[:3], number)
            rows.append(row)
    except csv.Error as error:
        problems.append(f"line {reader.line_num}: it is no CSV: {error}")
    return rows, problems


def _rows(flow: str, kind: str = "") -> list[Row]:
    app = app_from_context()
    rows = app.store.gaps.rows(flow, kind)
    if not rows and flow != EVERY_FLOW:
        need_names(app, flow=flow)
    return rows


@map_.command(name="list", epilog=examples("crossdock map list", "crossdock map list --flow to-erp --kind sku"))
@click.option("--flow", default="", help="Only of this flow.")
@click.option("--kind", default="", help="Only of this kind.")
@json_option
def list_(flow: str, kind: str, as_json: bool) -> None:
    """List the rows of the mapping tables."""
    rows = _rows(flow, kind)
    emit([dict(zip(COLUMNS, row, strict=True)) for row in rows], as_json,
         lambda: table(rows, ("FLOW", "KIND", "VALUE", "TARGET")) or "There are no mappings.")  # fmt: skip


@map_.command(epilog=examples("crossdock map remove to-erp sku TSHIRT-RED"))
@click.argument("flow")
@click.argument("kind")
@click.argument("value")
@json_option
def remove(flow: str, kind: str, value: str, as_json: bool) -> None:
    """Remove a row; what was sent with it stays as it is."""
    app = app_from_context()
    with app.store.transaction():
        removed = remove_mapping(app.bench, flow, kind, value)
        if removed:
            app.store.journal.event("mapping removed", flow, f"{kind} {value}", app.clock.now())
    if not removed:
        raise UsageError(f"There is no row {flow} {kind} {value}.", hint="crossdock map list")
    emit({"removed": removed}, as_json, lambda: f"{mark('ok')} Removed.")


@map_.command(epilog=examples("crossdock map export > maps.csv", "crossdock map export --output maps.csv"))
@click.option("--flow", default="", help="Only of this flow.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A file instead of the screen.")
@json_option
def export(flow: str, output: Path | None, as_json: bool) -> None:
    """Write the mapping tables as CSV, as import takes them."""
    rows = _rows(flow)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([COLUMNS, *rows])
    if output is None and not as_json:
        click.echo(text.getvalue(), nl=False)
        return
    if output is not None:
        output.write_text(text.getvalue(), encoding="utf-8")
    data: dict[str, Any] = {"rows": [dict(zip(COLUMNS, row, strict=True)) for row in rows]}
    emit(data, as_json, lambda: f"{mark('ok')} {plural(len(rows), 'row')} written to {output}.")
