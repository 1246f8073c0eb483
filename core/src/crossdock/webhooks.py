"""What people and vendors need of webhooks: addresses with secret tokens, registration, and working one again."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import tomllib
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import attrs
import msgspec

from crossdock.app import CONFIG_FILE, App
from crossdock.clock import monotonic
from crossdock.connection import ConnectorInfo
from crossdock.engine.inbound import forget_patience
from crossdock.errors import ConnectorError, CrossdockError, PluginError, UsageError
from crossdock.registry import Connector
from crossdock.session import Changed, WebhookReply, WebhookRequest, WebhookState
from crossdock.settings import fields_of
from crossdock.store.database import stamp, unstamp
from crossdock.store.inbox import HookRow, InboxRow

PUBLIC_URL_VARIABLE = "CROSSDOCK_PUBLIC_URL"
SECRET_SETTING = "webhook_secret"  # noqa: S105  the name of a setting
"""The setting in which connectors keep what their vendor signs webhooks with."""

GRACE = timedelta(days=7)
"""How long the token before a rotation stays good, unless said otherwise."""

_LOOK = 60.0
_FIRST_WAIT, _LONGEST_WAIT = timedelta(hours=1), timedelta(days=1)
_TOKEN = "webhook token"  # noqa: S105  what it is sealed as
SEALED = "webhook"
"""The field name under which headers and query with secrets in them are sealed."""


# -- addresses -------------------------------------------------------------------------------------


def takes_webhooks(app: App, name: str) -> Connector:
    """The connector of a connection that can be sent webhooks; raises `UsageError` when it cannot."""
    connector = app.connector_of(app.row(name))
    if not connector.can("handle_webhook"):
        raise UsageError(
            f"{name} ({connector.info.title}) takes no webhooks.",
            hint="Its streams are read on their schedule: crossdock stream list",
        )
    return connector


def door(app: App, name: str) -> HookRow:
    """The door of a connection, made when it has none; raises `UsageError` when it cannot be sent webhooks."""
    takes_webhooks(app, name)
    with app.store.transaction():
        app.store.database.serialize("hook")
        found = app.store.hooks.get(name)
        if found is None:
            found = HookRow(connection=name, token=_new_token(app, name))
            app.store.hooks.save(found)
            app.store.journal.event("webhook address made", name, "", app.clock.now())
    return found


def rotate(app: App, name: str, grace: timedelta = GRACE) -> HookRow:
    """A new token; the one before stays good for `grace`, so that nothing is lost until the vendor has the new one.

    Rotated again before anybody was told the new token, the one that the vendor still uses stays good.
    """
    with app.store.transaction():
        before, now = door(app, name), app.clock.now()
        untold = good_until(before, now) and not (before.sent_at or before.confirmed_at)
        after = HookRow(
            connection=name, token=_new_token(app, name), previous=before.previous if untold else before.token,
            previous_until=stamp(now + grace), external_id=before.external_id,
        )  # fmt: skip
        app.store.hooks.save(after)
        app.store.journal.event(
            "webhook address changed", name, f"the old one is good until {now + grace:%Y-%m-%d %H:%M}", now
        )
    return after


def _new_token(app: App, name: str) -> str:
    return app.vault.seal(name, _TOKEN, secrets.token_urlsafe(32))


def token_of(app: App, hook: HookRow) -> str:
    """The present token in the clear; for the address alone, never for logs."""
    return app.vault.reveal(hook.connection, _TOKEN, hook.token)


def previous_token_of(app: App, hook: HookRow) -> str:
    """The token before the rotation in the clear."""
    return app.vault.reveal(hook.connection, _TOKEN, hook.previous)


def path_of(app: App, hook: HookRow) -> str:
    """The secret path of a door."""
    return f"/hooks/{hook.connection}/{token_of(app, hook)}"


def public_base(app: App, given: str = "") -> str:
    """The address under which this installation can be reached: as given, from the environment, or from the project.

    Raises `UsageError` when there is none, or one that cannot be right.
    """
    places = (
        (given, "--base"), (os.environ.get(PUBLIC_URL_VARIABLE, ""), PUBLIC_URL_VARIABLE),
        (base_of_project(app), f"public_url in {CONFIG_FILE}"),
    )  # fmt: skip
    for text, place in places:
        if text:
            return check_base(text, place)
    raise UsageError(
        "The public address of this installation is not known.",
        hint=f"Give --base https://hooks.example.com, set {PUBLIC_URL_VARIABLE}, or write public_url in {CONFIG_FILE}.",
    )


def check_base(text: str, place: str) -> str:
    """A public address without a slash at the end; raises `UsageError` for what is none."""
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and parts.hostname and not parts.query and not parts.fragment
        good = good and parts.port != 0 and not parts.username and not parts.password
    except ValueError:
        good = False
    if not good:
        raise UsageError(f"{place}: {text!r} is no address.", hint="Write it like https://hooks.example.com")
    return text.rstrip("/")


def base_of_project(app: App) -> str:
    """The public address as the project's file has it; empty without one."""
    try:
        found = tomllib.loads((app.home / CONFIG_FILE).read_text(encoding="utf-8")).get("public_url", "")
    except (OSError, ValueError):
        return ""
    return found if isinstance(found, str) else ""


def tick(app: App, name: str, *, sent: bool | None = None, confirmed: bool | None = None, url: str = "") -> HookRow:
    """Remember what a person says: the address was sent to the vendor, and the vendor confirmed it; or not."""
    takes_webhooks(app, name)
    now = app.clock.now()
    with app.store.transaction():
        app.store.database.serialize("hook")
        changed = app.store.hooks.get(name)
        if changed is None:
            raise UsageError(f"{name} has no address for webhooks yet.", hint=f"crossdock webhook url {name}")
        if sent is not None:
            changed = attrs.evolve(changed, sent_at=stamp(now) if sent else None, url=url or changed.url)
        if confirmed is not None:
            changed = attrs.evolve(changed, confirmed_at=stamp(now) if confirmed else None)
        app.store.hooks.save(changed)
        if sent or confirmed:
            _set_up_again(app, name)
        text = ", ".join(
            f"{what}: {'yes' if value else 'no'}"
            for what, value in (("sent", sent), ("confirmed", confirmed))
            if value is not None
        )
        app.store.journal.event("webhook address", name, text, now)
    return changed


# -- registering -----------------------------------------------------------------------------------


def register(app: App, name: str, base: str) -> WebhookState:
    """Register the address at the vendor, signed with the connection's webhook secret (made when there is none).

    Raises `UsageError` when the vendor has no way to do so, and the vendor's `ConnectorError`.
    """
    connector = takes_webhooks(app, name)
    if not connector.can("register_webhook"):
        raise UsageError(
            f"{connector.info.title} has no way to register webhooks from outside.",
            hint=f"Send the address to the vendor: crossdock webhook url {name}, then: crossdock webhook sent {name}",
        )
    hook = door(app, name)
    secret = _secret(app, name, connector.info)
    session = app.open(name).session
    # What is sent to the vendor now must not be read in the exchange log.
    tokens = (token_of(app, hook), previous_token_of(app, hook) if hook.previous else "")
    session.http.redactor.add(filter(None, (*tokens, secret)))
    state = connector.register_webhook(session, base + path_of(app, hook), secret)
    if not isinstance(state, WebhookState):
        raise PluginError(f"The connector {connector.name} answered a {type(state).__name__}, not a WebhookState.")
    now = stamp(app.clock.now())
    with app.store.transaction():
        app.store.hooks.save(
            attrs.evolve(
                app.store.hooks.get(name) or hook, url=base, external_id=state.external_id, sent_at=now,
                confirmed_at=now if state.active else None,
            )
        )  # fmt: skip
        _set_up_again(app, name)
        text = f"{state.external_id}{'' if state.active else ', not active'}"
        app.store.journal.event("webhook registered", name, text, app.clock.now())
    return state


def _set_up_again(app: App, name: str) -> None:
    """Whether webhooks come is judged anew; dead ones are alive when the next one comes."""
    app.store.announcements.forget(name)
    hook = app.store.hooks.get(name)
    if hook is not None and app.store.announcements.dead(name):
        app.store.hooks.tried(name, max(hook.tries, 1), "", app.clock.now())


def mend(app: App) -> dict[str, str]:
    """Register webhooks again that stopped coming, where the vendor has a way to do so.

    Answers, for each connection that was tried, why that failed, or nothing. At once the first time, then when they
    are silent still: after an hour and twice as long each time, up to a day. It is cheap when nothing is to be done.
    """
    tried: dict[str, str] = {}
    for name in sorted({each.connection for each in app.store.announcements.dead()}):
        hook = _take_turn(app, name)
        if hook is None:
            continue
        tried[name] = ""
        try:
            register(app, name, hook.url)
        except (CrossdockError, ConnectorError) as error:
            tried[name] = str(error)
            app.store.hooks.tried(name, hook.tries, str(error), app.clock.now())
            app.store.journal.event("webhook not registered again", name, str(error), app.clock.now())
    return tried


class Mender:
    """Looks once a minute whether webhooks have to be registered again; a vendor that does not answer stops nothing."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._next = 0.0
        self._thread: threading.Thread | None = None

    def look(self) -> None:
        """Look, if it is time; returns at once."""
        if monotonic() < self._next or (self._thread is not None and self._thread.is_alive()):
            return
        self._next = monotonic() + _LOOK
        self._thread = threading.Thread(target=self._mend, name="crossdock-mender", daemon=True)
        self._thread.start()

    def _mend(self) -> None:
        with contextlib.suppress(CrossdockError):  # the database is taken: later, then
            mend(self._app)


def _take_turn(app: App, name: str) -> HookRow | None:
    """The door of a connection that has to be registered again now; nobody else gets it meanwhile."""
    now = app.clock.now()
    with app.store.transaction():
        app.store.database.serialize("hook")
        hook, row = app.store.hooks.get(name), app.store.config.connection(name)
        if hook is None or row is None or row.state != "active" or not hook.url or not hook.external_id:
            return None
        tried_at = unstamp(hook.tried_at)
        if hook.tries and tried_at is not None:
            silent = any(each.silent for each in app.store.announcements.dead(name))
            wait = min(_FIRST_WAIT * 2 ** (hook.tries - 1), _LONGEST_WAIT)
            if now < tried_at + wait or not (silent or hook.try_note):
                return None
        app.store.hooks.tried(name, hook.tries + 1, "registering was broken off", now)
    return app.store.hooks.get(name)


def _secret(app: App, name: str, info: ConnectorInfo) -> str:
    """The connection's webhook secret; a connector without such a setting gets an empty one."""
    if not any(field.name == SECRET_SETTING for field in fields_of(info.settings)):
        return ""
    row = app.row(name)
    known = app.reveal(row).get(SECRET_SETTING, "")
    if known:
        return known
    made = secrets.token_urlsafe(32)
    sealed = {**row.settings, SECRET_SETTING: app.vault.seal(name, SECRET_SETTING, made)}
    with app.store.transaction():
        # It opens nothing at the vendor's, so the connection stays as verified as it is.
        app.store.config.save_connection(attrs.evolve(row, settings=sealed), app.clock.now())
        app.store.journal.event("webhook secret made", name, "", app.clock.now())
    app.forget(name)
    return made


# -- asking the connector, and asking it again -----------------------------------------------------


def handle(connector: Connector, session: object, request: WebhookRequest) -> WebhookReply:
    """The connector's reply to a request; raises `PluginError` when it is none."""
    reply = connector.handle_webhook(session, request)  # type: ignore[arg-type]
    right = isinstance(reply, WebhookReply) and isinstance(reply.status, int) and 200 <= reply.status <= 599
    if not right or not all(isinstance(each, Changed) for each in reply.signals):
        raise PluginError(f"The connector {connector.name} answered no reply to a webhook, but {reply!r:.200}.")
    return reply


def whole(app: App, row: InboxRow) -> WebhookRequest:
    """A webhook as it came, also when it was sealed; raises `SettingsError` when the key is another one."""
    headers, query = row.headers, row.query
    if headers.startswith("enc:"):
        opened = msgspec.json.decode(app.vault.reveal(row.connection, SEALED, headers), type=dict[str, str])
        headers, query = opened["headers"], opened["query"]
    return WebhookRequest(method=row.method, headers=_decode(headers), query=_decode(query), body=row.body)


def _decode(text: str) -> dict[str, str]:
    return msgspec.json.decode(text, type=dict[str, str])


@attrs.frozen
class Replayed:
    """What became of a webhook that is to be worked again: ``new``, or why it cannot be."""

    id: int
    state: str
    note: str = ""


def replay(app: App, row: InboxRow) -> Replayed:
    """Ask the connector again what a webhook means, and let it wait to be worked at once.

    What the connector said on arrival holds when it cannot say it again.
    """
    signals, note = row.signals, "replayed"
    try:
        opened = app.open(row.connection, paused=True)
        reply = handle(opened.connector, opened.session, whole(app, row))
        if 200 <= reply.status < 300:
            signals = reply.signals or signals
        elif not signals:
            raise UsageError(
                f"The connector refuses it with {reply.status}: {reply.note or reply.body or 'no reason'}."
            )
    except (CrossdockError, ConnectorError, ValueError, KeyError) as error:
        if not signals:
            app.store.inbox.end(row.id, "failed", f"replayed: {error}", app.clock.now())
            return Replayed(row.id, "failed", str(error))
    if not signals:
        app.store.inbox.end(row.id, "ignored", "replayed: it names nothing to fetch", app.clock.now())
        return Replayed(row.id, "ignored", "It names nothing to fetch.")
    app.store.inbox.again(row.id, signals, note)
    forget_patience(app.bench, row.connection)
    return Replayed(row.id, "new")


def good_until(hook: HookRow, now: datetime) -> datetime | None:
    """Until when the token before a rotation is still taken."""
    until = unstamp(hook.previous_until)
    return until if until and until > now else None
