"""``crossdock webhook``: systems that say by themselves what changed."""

from __future__ import annotations

import base64
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import click

from crossdock import webhooks
from crossdock.app import App
from crossdock.cli.context import app_from_context
from crossdock.cli.output import ago, emit, examples, json_option, mark, needs_attention, plural, table
from crossdock.errors import CrossdockError
from crossdock.overview import WebhookHealth, webhooks_health
from crossdock.schedule import parse_span
from crossdock.store.inbox import HookRow

BASE = click.option("--base", default="", metavar="URL", help="The public address, like https://hooks.example.com")
_PATIENCE = 15.0


@click.group()
def webhook() -> None:
    """Webhooks: addresses for vendors, what came in, and working it.

    A webhook is a hint: what it names is fetched again. The public address comes from --base, CROSSDOCK_PUBLIC_URL or
    public_url in crossdock.toml.
    """


@webhook.command(
    epilog=examples(
        "crossdock webhook url shop --base https://hooks.example.com",
        "crossdock webhook url shop --copy",
        "crossdock webhook url shop --rotate --grace 2d    the old address is good for two more days",
    )
)
@click.argument("connection")
@BASE
@click.option("--rotate", is_flag=True, help="Make a new address; the old one stays good for a while.")
@click.option("--grace", default="7d", show_default=True, metavar="SPAN", help="With --rotate: for how long.")
@click.option("--copy", is_flag=True, help="Put it into the clipboard of the terminal, too.")
@json_option
def url(connection: str, base: str, rotate: bool, grace: str, copy: bool, as_json: bool) -> None:
    """Show the address to give to the vendor. It is a secret: who knows it can send webhooks."""
    app = app_from_context()
    connector = webhooks.takes_webhooks(app, connection)
    public = webhooks.public_base(app, base)
    span = _grace(grace) if rotate else webhooks.GRACE
    hook = webhooks.rotate(app, connection, span) if rotate else webhooks.door(app, connection)
    address = public + webhooks.path_of(app, hook)
    copied = copy and not as_json and _copy(address)
    until = webhooks.good_until(hook, app.clock.now())
    data = {
        "connection": connection, "url": address, "kind": connector.info.webhooks, "rotated": rotate,
        "old_url_good_until": hook.previous_until if until else None,
    }  # fmt: skip

    def lines() -> Iterator[str]:
        yield address
        if copy:
            where = "It is in the clipboard." if copied else "It was not copied: no terminal is here."
            yield f"{mark('ok' if copied else 'warn')} {where}"
        if until:
            yield f"The old address is good until {until:%Y-%m-%d %H:%M} UTC."
        if connector.can("register_webhook"):
            yield f"Next: crossdock webhook register {connection}"
        else:
            yield f"Next: give it to the vendor, then: crossdock webhook sent {connection}"

    emit(data, as_json, lines)


def _grace(text: str) -> timedelta:
    return timedelta() if text.strip() in ("0", "0s") else parse_span(text)


def _copy(text: str) -> bool:
    """Into the clipboard of the terminal by OSC 52, also through ssh; false when there is no terminal."""
    if not sys.stdout.isatty():
        return False
    sys.stdout.write(f"\x1b]52;c;{base64.b64encode(text.encode()).decode()}\x07")
    sys.stdout.flush()
    return True


@webhook.command(epilog=examples("crossdock webhook sent erp", "crossdock webhook sent erp --no"))
@click.argument("connection")
@click.option("--no", "undo", is_flag=True, help="It was not sent after all.")
@json_option
def sent(connection: str, undo: bool, as_json: bool) -> None:
    """Remember that the address was sent to the vendor, where a person there enters it."""
    app = app_from_context()
    hook = webhooks.tick(app, connection, sent=not undo)
    text = f"{connection}: the address {'is not' if undo else 'is'} sent to the vendor."
    emit(_hook_data(app, hook), as_json, lambda: f"{mark('ok')} {text}")


@webhook.command(epilog=examples("crossdock webhook confirmed erp", "crossdock webhook confirmed erp --no"))
@click.argument("connection")
@click.option("--no", "undo", is_flag=True, help="It is not confirmed after all.")
@json_option
def confirmed(connection: str, undo: bool, as_json: bool) -> None:
    """Remember that the vendor confirmed the address. The first genuine webhook does so by itself."""
    app = app_from_context()
    hook = webhooks.tick(app, connection, confirmed=not undo)
    text = f"{connection}: the vendor {'has not' if undo else 'has'} confirmed the address."
    emit(_hook_data(app, hook), as_json, lambda: f"{mark('ok')} {text}")


@webhook.command(epilog=examples("crossdock webhook register shop --base https://hooks.example.com"))
@click.argument("connection")
@BASE
@json_option
def register(connection: str, base: str, as_json: bool) -> None:
    """Register the address at the vendor, or repair the registration; doing it again is safe."""
    app = app_from_context()
    webhooks.takes_webhooks(app, connection)
    public = webhooks.public_base(app, base)
    state = webhooks.register(app, connection, public)
    data = {
        "connection": connection, "external_id": state.external_id, "active": state.active, "note": state.note,
        "base": public,
    }  # fmt: skip

    def lines() -> Iterator[str]:
        what = "is registered" if state.active else "is registered, but the vendor keeps it inactive"
        number = f" as {state.external_id}" if state.external_id else ""
        yield f"{mark('ok' if state.active else 'warn')} The address of {connection} at {public} {what}{number}."
        if state.note:
            yield f"  {state.note}"
        yield f"Next: crossdock webhook test {connection}"

    emit(data, as_json, lines)
    if not state.active:
        needs_attention()


# -- trying the door -------------------------------------------------------------------------------


@webhook.command(
    epilog=examples("crossdock webhook test shop", "crossdock webhook test shop --base http://127.0.0.1:8080")
)
@click.argument("connection")
@BASE
@json_option
def test(connection: str, base: str, as_json: bool) -> None:
    """Send an unsigned request to the connection's own address and say what came back; nothing is kept of it."""
    app = app_from_context()
    webhooks.takes_webhooks(app, connection)
    public = webhooks.public_base(app, base)
    address = public + webhooks.path_of(app, webhooks.door(app, connection))
    status, ours, trouble = _try(address)
    state, text, hint = _judge(connection, public, status, ours, trouble)
    data = {"connection": connection, "base": public, "status": status, "state": state, "detail": text, "hint": hint}
    emit(data, as_json, lambda: [f"{mark(state)} {text}", *([f"    {hint}"] if hint else [])])
    if state != "ok":
        needs_attention()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer: vendors do not follow them with a body."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Do not follow."""


def _try(address: str) -> tuple[int | None, bool, str]:
    """Status of an unsigned request, whether our door answered, and why there was no answer."""
    headers = {"Content-Type": "application/json", "X-Crossdock-Test": "1", "User-Agent": "Crossdock"}
    request = urllib.request.Request(address, b"{}", headers, method="POST")  # noqa: S310  http or https, checked
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=_PATIENCE) as answer:
            return answer.status, answer.headers.get("x-crossdock") == "door", ""
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get("x-crossdock") == "door", ""
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return None, False, str(getattr(reason, "strerror", None) or reason)


def _judge(connection: str, base: str, status: int | None, ours: bool, trouble: str) -> tuple[str, str, str]:
    """What an answer means: state, sentence, and what to do."""
    if status is None:
        return "fail", f"Nothing answers at {base}: {trouble}.", "Is it running? crossdock webhook serve"
    if not ours:
        hint = "Check the public address, and that the proxy passes /hooks/ on unchanged."
        if status == 404:
            return "fail", f"404: there is no door under this address at {base}.", hint
        return "fail", f"{status}: somebody else answers at {base}, not the door of this project.", hint
    if status in (401, 403):
        return "ok", f"{status}: the door is there, and takes nothing without a signature.", ""
    if status >= 500:
        return "fail", f"{status}: the connector broke, or webhooks cannot be kept.", "crossdock doctor"
    if status >= 400:
        return "ok", f"{status}: the door is there, and refuses what is no webhook.", ""
    return (
        "warn", f"{status}: the door is there, but takes requests without a signature.",
        f"Set a secret: crossdock connection edit {connection} --set webhook_secret=..., and the same at the vendor",
    )  # fmt: skip


# -- looking ---------------------------------------------------------------------------------------


@webhook.command("list", epilog=examples("crossdock webhook list", "crossdock webhook list --each --state failed"))
@click.option("--each", "apart", is_flag=True, help="One line for each webhook that came in, newest first.")
@click.option("--connection", default="", help="Only of this connection.")
@click.option("--state", default="", help="With --each: only new, done, ignored, duplicate or failed ones.")
@click.option("--limit", default=50, show_default=True, help="With --each: how many.")
@json_option
def list_(apart: bool, connection: str, state: str, limit: int, as_json: bool) -> None:
    """List connections that can be sent webhooks, how far each is, and whether webhooks still come.

    Exit code 1 when one failed, or when they stopped coming: what they told before is found by reading only.
    """
    from crossdock.cli.webhook_inbox import show_each

    app = app_from_context()
    if connection:
        app.row(connection)
    if apart or state:
        show_each(app, connection, state, limit, as_json)
        return
    rows = [each for each in _overview(app) if not connection or each["connection"] == connection]
    emit(rows, as_json, lambda: _lines(app, rows))
    if any(each["failed"] or each["problem"] for each in rows):
        needs_attention()


def _hook_data(app: App, hook: HookRow | None) -> dict[str, Any]:
    until = webhooks.good_until(hook, app.clock.now()) if hook else None
    return {
        "connection": hook.connection if hook else "", "url_known": hook is not None,
        "base": hook.url if hook else "", "sent_at": hook.sent_at if hook else None,
        "confirmed_at": hook.confirmed_at if hook else None, "external_id": hook.external_id if hook else "",
        "old_url_good_until": hook.previous_until if hook and until else None, "refused": hook.refused if hook else 0,
    }  # fmt: skip


def _overview(app: App) -> Iterator[dict[str, Any]]:
    hooks = {hook.connection: hook for hook in app.store.hooks.all()}
    counts, last = app.store.inbox.open(), app.store.inbox.last()
    health = {each.connection: each for each in webhooks_health(app.store, app.clock.now())}
    for row in app.store.config.connections():
        try:
            connector = app.connector_of(row)
        except CrossdockError:
            continue
        if not connector.can("handle_webhook"):
            continue
        yield {
            **_hook_data(app, hooks.get(row.name)), "connection": row.name, "kind": connector.info.webhooks,
            "last_received_at": last.get(row.name), "waiting": counts.get((row.name, "new"), (0, ""))[0],
            "failed": counts.get((row.name, "failed"), (0, ""))[0], **_health_data(health.get(row.name)),
        }  # fmt: skip


def _health_data(health: WebhookHealth | None) -> dict[str, Any]:
    return {
        "dead_at": health.dead_at if health else None, "mended_at": health.mended_at if health else None,
        "problem": health.problem if health else "",
    }  # fmt: skip


def _set_up_again(row: dict[str, Any], now: datetime) -> str:
    when = ago(row["mended_at"], now)
    return f"Webhooks of {row['connection']} stopped coming, and were set up again {when}: the next one proves it"


def _lines(app: App, rows: list[dict[str, Any]]) -> Iterator[str]:
    now = app.clock.now()
    if not rows:
        yield "No connection can be sent webhooks."
        return
    yield table(
        [
            (each["connection"], each["kind"], each["url_known"], ago(each["sent_at"], now),
             ago(each["confirmed_at"], now), ago(each["last_received_at"], now), ago(each["dead_at"], now),
             each["waiting"], each["failed"], each["refused"])
            for each in rows
        ],
        ("CONNECTION", "KIND", "URL", "SENT", "CONFIRMED", "LAST", "STOPPED", "WAITING", "FAILED", "REFUSED"),
        right=(7, 8, 9),
    )  # fmt: skip
    for each in rows:
        if each["dead_at"]:
            yield f"{mark('warn')} {each['problem'] or _set_up_again(each, now)}"
    failed = sum(each["failed"] for each in rows)
    if failed:
        yield f"{mark('warn')} {plural(failed, 'webhook')} failed: crossdock webhook list --each --state failed"


def _complete() -> None:
    """The commands about what came in are in a module of their own."""
    from crossdock.cli import webhook_inbox

    for command in (webhook_inbox.show, webhook_inbox.replay, webhook_inbox.work, webhook_inbox.serve):
        webhook.add_command(command)


_complete()
