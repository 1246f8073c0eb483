"""How commands speak: JSON for machines, aligned text for people, progress on a terminal only."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NoReturn, TypeVar

import attrs
import click
import msgspec

from crossdock.cli import EXIT_ATTENTION, JSON
from crossdock.session import Check

F = TypeVar("F", bound=Callable[..., Any])
_GAP = "  "
_NOUNS = frozenset(("effects", "requests", "pages"))
_ASCII = {"ok": "ok", "fail": "x", "warn": "!", "skip": "-"}
_SIGNS = {"ok": "✓", "fail": "✗", "warn": "!", "skip": "-"}
_COLOURS = {"ok": "green", "fail": "red", "warn": "yellow", "skip": "bright_black"}


# -- JSON or text ----------------------------------------------------------------------------------


def json_option(command: F) -> F:
    """Adds ``--json``: the command gets `as_json`, and errors are reported as JSON, too."""

    def remember(ctx: click.Context, _: click.Parameter, value: bool) -> bool:
        if value:
            ctx.meta[JSON] = True
        return value

    option = click.option(
        "--json", "as_json", is_flag=True, is_eager=True, callback=remember, help="Answer as JSON, for machines."
    )
    return option(command)


def emit(data: Any, as_json: bool, render: Callable[[], str | Iterable[str]]) -> None:
    """Print `data` as JSON, or what `render` makes of it: one text or lines."""
    if as_json:
        click.echo(to_json(data))
        return
    show(render())


def show(text: str | Iterable[str]) -> None:
    """Print one text or lines."""
    for line in (text,) if isinstance(text, str) else text:
        click.echo(line)


def to_json(data: Any) -> str:
    """Readable JSON of records, counts and rows; money stays text, times are ISO 8601."""
    return json.dumps(data, ensure_ascii=False, indent=2, default=_plain)


def _plain(value: Any) -> Any:
    if attrs.has(type(value)):
        return {field.name: getattr(value, field.name) for field in attrs.fields(type(value))}
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value)


def needs_attention() -> NoReturn:
    """End the command with exit code 1: it worked, but something needs a person."""
    raise click.exceptions.Exit(EXIT_ATTENTION)


def examples(*lines: str) -> str:
    """The epilog of a command's help."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


# -- marks -----------------------------------------------------------------------------------------


def mark(state: str) -> str:
    """✓, ✗ or ! for ``ok``, ``fail`` and ``warn``, in ASCII where the terminal knows no more."""
    signs = _SIGNS if _can_write("✓✗") else _ASCII
    return click.style(signs.get(state, "-"), fg=_COLOURS.get(state))


def arrow() -> str:
    """An arrow between two ends."""
    return "→" if _can_write("→") else "->"


def _can_write(text: str) -> bool:
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def check_lines(check: Check) -> list[str]:
    """A step of verify as lines: mark, name, detail; what to do under it when it is not green."""
    lines = [f"{mark(check.state)} {check.name}" + (f": {check.detail}" if check.detail else "")]
    if check.hint and check.state != "ok":
        lines += textwrap.wrap(check.hint, max(screen_width() - 4, 40), initial_indent="    ", subsequent_indent="    ")
    return lines


def show_check(check: Check) -> None:
    """Print a step of verify as soon as it is known."""
    for line in check_lines(check):
        click.echo(line)


# -- tables ----------------------------------------------------------------------------------------


def screen_width() -> int:
    """The width to write for: the terminal's, between 80 and 120 columns; 120 where there is none."""
    return min(max(shutil.get_terminal_size((120, 24)).columns, 80), 120)


def table(rows: Iterable[Sequence[Any]], headers: Sequence[str], *, right: Iterable[int] = ()) -> str:
    """Rows under headers, aligned; the widest columns are wrapped until the line fits. `right` columns hold numbers."""
    cells = [[_cell(value) for value in row] for row in rows]
    if not cells:
        return ""
    widths = [max(_width(row[column]) for row in (list(headers), *cells)) for column in range(len(headers))]
    widths = _fit(widths, headers)
    at_right = set(right)
    lines = [_line([click.style(header, bold=True) for header in headers], widths, at_right)]
    for row in cells:
        lines += _wrapped(row, widths, at_right)
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return " ".join(str(value).split())


def _width(text: str) -> int:
    return len(click.unstyle(text))


def _fit(widths: Sequence[int], headers: Sequence[str]) -> list[int]:
    fitted = list(widths)
    smallest = [max(len(header), 12) for header in headers]
    while sum(fitted) + len(_GAP) * (len(fitted) - 1) > screen_width():
        shrinkable = [column for column, width in enumerate(fitted) if width > smallest[column]]
        if not shrinkable:
            break
        widest = max(shrinkable, key=lambda column: fitted[column])
        fitted[widest] -= 1
    return fitted


def _wrapped(row: Sequence[str], widths: Sequence[int], right: set[int]) -> list[str]:
    parts = [
        [text] if _width(text) <= width else textwrap.wrap(click.unstyle(text), width) or [""]
        for text, width in zip(row, widths, strict=True)
    ]
    height = max(len(part) for part in parts)
    return [
        _line([part[number] if number < len(part) else "" for part in parts], widths, right) for number in range(height)
    ]


def _line(cells: Sequence[str], widths: Sequence[int], right: set[int]) -> str:
    padded = []
    for column, (text, width) in enumerate(zip(cells, widths, strict=True)):
        space = " " * max(width - _width(text), 0)
        padded.append(space + text if column in right else text + space)
    return _GAP.join(padded).rstrip()


# -- times and counts ------------------------------------------------------------------------------


def span(seconds: float) -> str:
    """A duration for a person: ``40 s``, ``12 min``, ``3 h``, ``2 d``."""
    seconds = abs(seconds)
    for limit, size, unit in ((90, 1, "s"), (90 * 60, 60, "min"), (48 * 3600, 3600, "h")):
        if seconds < limit:
            return f"{round(seconds / size)} {unit}"
    return f"{round(seconds / 86400)} d"


def ago(at: str | datetime | None, now: datetime) -> str:
    """When something was, or will be, seen from `now`: ``5 min ago``, ``in 2 h``; `at` is a time or a stamp."""
    if not at:
        return "never"
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    seconds = (moment - now).total_seconds()
    if abs(seconds) < 1:
        return "now"
    return f"in {span(seconds)}" if seconds > 0 else f"{span(seconds)} ago"


def counted(counts: Mapping[str, Any]) -> str:
    """Counts as text, without those that are zero: ``3 new, 12 unchanged``."""
    parts = []
    for name, value in counts.items():
        if isinstance(value, Mapping):
            parts += [f"{number:,} {name} ({reason})" for reason, number in value.items() if number]
        elif value:
            noun = name[:-1] if value == 1 and name in _NOUNS else name
            parts.append(f"{value:,} {noun.replace('_', ' ')}")
    return ", ".join(parts)


def plural(number: int, one: str, many: str = "") -> str:
    """``1 effect``, ``2 effects``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


# -- progress --------------------------------------------------------------------------------------


@contextlib.contextmanager
def progress(label: str) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """A single live line on stderr while a person is watching; the value is a `Report` for the engine."""
    if not sys.stderr.isatty():
        yield lambda counts: None
        return
    shown = 0.0

    def report(counts: Mapping[str, Any]) -> None:
        nonlocal shown
        moment = time.monotonic()
        if moment - shown < 0.1:
            return
        shown = moment
        _live(f"{label}: {counted(counts) or 'starting'}")

    _live(f"{label} …" if _can_write("…") else f"{label} ...")
    try:
        yield report
    finally:
        _live("")


def _live(text: str) -> None:
    columns = shutil.get_terminal_size((80, 24)).columns
    click.echo(f"\r\x1b[K{text[: columns - 1]}", nl=False, err=True)
