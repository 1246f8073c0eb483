"""``crossdock doctor``: is this installation and project sound?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from crossdock.cli.context import app_from_context
from crossdock.cli.output import check_lines, emit, examples, json_option, mark, needs_attention, plural
from crossdock.doctor import diagnose


@click.command(epilog=examples("crossdock doctor", "crossdock doctor --json"))
@json_option
def doctor(as_json: bool) -> None:
    """Check this installation and project, and say what to do.

    No external system is asked. Exit code 1 unless all is ok.
    """
    app = app_from_context()
    found = list(diagnose(app))
    bad = [check for check in found if check.state != "ok"]
    data: dict[str, Any] = {
        "ok": not bad,
        "checks": [
            {"name": each.name, "state": each.state, "detail": each.detail, "hint": each.hint} for each in found
        ],
    }

    def lines() -> Iterator[str]:
        for check in found:
            yield from check_lines(check)
        yield f"{mark('warn')} {plural(len(bad), 'thing')} to look at." if bad else f"{mark('ok')} All is well."

    emit(data, as_json, lines)
    if bad:
        needs_attention()
