"""``crossdock alerts``: who is told of what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import click

from crossdock.alerts.settings import AlertSettings
from crossdock.alerts.turn import look, settings_of, try_channels
from crossdock.app import App
from crossdock.cli.context import app_from_context
from crossdock.cli.output import ago, emit, examples, json_option, mark, needs_attention, plural, table
from crossdock.store.alerts import AlertRow

_NOBODY = "Nobody is told: describe [alerts.email] or [alerts.webhook] in crossdock.toml, then: crossdock apply"


@click.group(
    invoke_without_command=True,
    epilog=examples("crossdock alerts", "crossdock alerts --all", "crossdock alerts check", "crossdock alerts test"),
)
@click.option("--all", "over", is_flag=True, help="Also those that are over.")
@json_option
@click.pass_context
def alerts(ctx: click.Context, over: bool, as_json: bool) -> None:
    """Show open alerts, who is told, and messages that could not be delivered. Exit code 1 when there are any."""
    if ctx.invoked_subcommand is not None:
        return
    app = app_from_context()
    settings = settings_of(app)
    found, stuck = app.store.alerts.newest(over=over), app.store.alerts.undelivered()
    now = app.clock.now()

    def lines() -> Iterator[str]:
        yield from _who(settings)
        yield _table(app, found) if found else "No alert is open."
        for each in stuck:
            yield f"{mark('fail')} A message by {each.channel} of {ago(each.made_at, now)} is {each.state}: {each.note}"

    data: dict[str, Any] = {
        "channels": list(settings.channels), "alerts": [attrs.asdict(each) for each in found],
        "undelivered": [
            {"channel": each.channel, "state": each.state, "made_at": each.made_at, "tries": each.tries,
             "note": each.note} for each in stuck
        ],
    }  # fmt: skip
    emit(data, as_json, lines)
    if stuck or any(each.state == "open" for each in found):
        needs_attention()


def _who(settings: AlertSettings) -> Iterator[str]:
    if not settings.channels:
        yield _NOBODY
    if settings.email is not None:
        yield f"By e-mail to {', '.join(settings.email.to)}, through {settings.email.host}"
    if settings.webhook is not None:
        yield "By webhook"


def _table(app: App, found: list[AlertRow]) -> str:
    now = app.clock.now()
    return table(
        [(f"{mark('fail' if each.state == 'open' else 'ok')} {each.kind}", ago(each.since, now),
          ago(each.resolved_at, now) if each.resolved_at else "", each.text, each.hint) for each in found],
        ("  WHAT", "SINCE", "OVER", "TEXT", "WHAT TO DO"),
    )  # fmt: skip


@alerts.command(epilog=examples("crossdock alerts check"))
@json_option
def check(as_json: bool) -> None:
    """Look once at what needs a person, and send the messages that follow; a service does so every half minute.

    For projects that are run by cron: call it after sync and push. Exit code 1 when a message was not taken.
    """
    app = app_from_context()
    turned = look(app)
    changes = {what: [attrs.asdict(each) for each in rows] for what, rows in turned.changes.items()}

    def lines() -> Iterator[str]:
        if turned.busy:
            yield "Another process is looking right now."
            return
        for what, rows in turned.changes.items():
            for row in rows:
                yield f"{mark('ok' if what == 'resolved' else 'warn')} {what}: {row.text}"
        yield from (f"{mark('fail')} {each}" for each in turned.failed)
        if not any(turned.changes.values()):
            yield "Nothing new."
        if turned.sent:
            yield f"{plural(turned.sent, 'message')} sent."

    emit({**changes, "sent": turned.sent, "failed": turned.failed, "busy": turned.busy}, as_json, lines)
    if turned.failed:
        needs_attention()


@alerts.command(epilog=examples("crossdock alerts test"))
@json_option
def test(as_json: bool) -> None:
    """Send a test message by every way that is described, and say which arrived. Exit code 1 unless all did."""
    app = app_from_context()
    answers = try_channels(app)

    def lines() -> Iterator[str]:
        if not answers:
            yield _NOBODY
        for name, trouble in answers.items():
            yield f"{mark('fail' if trouble else 'ok')} {name}: {trouble or 'the message was taken'}"

    emit(answers, as_json, lines)
    if not answers or any(answers.values()):
        needs_attention()
