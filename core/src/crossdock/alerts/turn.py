"""One look at what needs a person, and the messages that follow from it: by one process at a time, told once."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs
import msgspec

from crossdock.alerts.channels import Channel, Message, channel
from crossdock.alerts.settings import NAME, AlertSettings
from crossdock.alerts.troubles import Trouble, troubles
from crossdock.app import App
from crossdock.errors import CrossdockError, SettingsError
from crossdock.store.alerts import AlertRow, NoticeRow
from crossdock.store.database import stamp, unstamp

_LEASE = timedelta(minutes=3)
_WAITS = tuple(timedelta(minutes=each) for each in (1, 2, 5, 15, 60))
_GIVEN_UP = timedelta(days=3)
WHAT = ("raised", "still", "resolved")


@attrs.define
class Turned:
    """What a look found: alerts by what became of them, messages sent and not taken; `busy`: another process looks."""

    changes: dict[str, list[AlertRow]] = attrs.field(factory=lambda: {what: [] for what in WHAT})
    sent: int = 0
    failed: list[str] = attrs.field(factory=list)
    busy: bool = False


def settings_of(app: App) -> AlertSettings:
    """Who is told of what in this project; raises `SettingsError`."""
    return AlertSettings.parse(app.store.preferences.get(NAME))


def look(app: App) -> Turned:
    """Compare what needs a person with what was told, and send the messages that wait.

    A message is sent again when the process ends between sending it and noting that; it carries the same id then.
    """
    turned = Turned()
    lease = app.store.leases.take(NAME, app.owner, app.clock.now(), _LEASE)
    if lease is None:
        turned.busy = True
        return turned
    try:
        settings = settings_of(app)
        now = app.clock.now()
        found = troubles(app.store, settings, now)
        with app.store.transaction():
            app.store.leases.check(lease, now, _LEASE)
            _compare(app, settings, found, now, turned.changes)
        _tell_plugins(app, turned.changes)
        for notice in app.store.alerts.waiting(app.clock.now()):
            if app.clock.stopping:
                break
            with app.store.transaction():
                app.store.leases.check(lease, app.clock.now(), _LEASE)
            _deliver(app, settings, notice, turned)
    finally:
        app.store.leases.release(lease)
    return turned


def try_channels(app: App) -> dict[str, str]:
    """Send a test by every way; answers what went wrong by each, empty for nothing."""
    settings, now = settings_of(app), app.clock.now()
    message = Message(id=f"crossdock-test-{now:%Y%m%d%H%M%S%f}", project=app.home.name, at=now, alerts={})
    answers = {}
    for name in settings.channels:
        try:
            channel(app, getattr(settings, name))(message)
            answers[name] = ""
        except CrossdockError as error:
            answers[name] = str(error)
    return answers


# -- comparing -------------------------------------------------------------------------------------


def _compare(
    app: App, settings: AlertSettings, found: Sequence[Trouble], now: datetime, changes: dict[str, list[AlertRow]]
) -> None:
    alerts = app.store.alerts
    current = {(each.kind, each.subject): each for each in alerts.current()}
    present = {(each.kind, each.subject): each for each in found}
    for name, trouble in present.items():
        row = current.get(name) or alerts.watch(*name, trouble.text, trouble.hint, trouble.since or now)
        if (row.text, row.hint) != (trouble.text, trouble.hint):
            alerts.say(row.id, trouble.text, trouble.hint)
            row = attrs.evolve(row, text=trouble.text, hint=trouble.hint)
        if row.state == "watched":
            if _lasts(app, settings, trouble, row, now):
                alerts.open(row.id, now)
                app.store.journal.event("alert raised", row.subject, row.text, now)
                changes["raised"].append(row)
        elif now - (unstamp(row.told_at) or now) >= settings.repeat:
            alerts.told(row.id, now)
            changes["still"].append(row)
    for name, row in current.items():
        if name not in present:
            alerts.resolve(row.id, now)
            if row.state == "open":
                app.store.journal.event("alert over", row.subject, row.text, now)
                changes["resolved"].append(row)
    if any(changes.values()) and settings.channels:
        body = {what: [_told(each) for each in rows] for what, rows in changes.items()}
        alerts.post(settings.channels, body, now)


def _lasts(app: App, settings: AlertSettings, trouble: Trouble, row: AlertRow, now: datetime) -> bool:
    """Whether people are told now: what may pass by itself, or comes and goes, has to last first."""
    since = unstamp(row.since) or now
    passing = trouble.passing or app.store.alerts.was_over_since(row.kind, row.subject, now - settings.after)
    return not passing or now - since >= settings.after


def _told(row: AlertRow) -> dict[str, str]:
    return {"kind": row.kind, "subject": row.subject, "text": row.text, "hint": row.hint, "since": row.since}


def _tell_plugins(app: App, changes: Mapping[str, Sequence[AlertRow]]) -> None:
    for what, rows in changes.items():
        for row in rows:
            app.registry.ambient.tell("alert_changed", kind=row.kind, subject=row.subject, text=row.text, state=what)


# -- delivering ------------------------------------------------------------------------------------


def _deliver(app: App, settings: AlertSettings, notice: NoticeRow, turned: Turned) -> None:
    alerts, now = app.store.alerts, app.clock.now()
    try:
        _way(app, settings, notice.channel)(_message(app, notice))
    except CrossdockError as error:
        turned.failed.append(f"{notice.channel}: {error}")
        made = unstamp(notice.made_at) or now
        wait = None if now - made > _GIVEN_UP else _WAITS[min(notice.tries, len(_WAITS) - 1)]
        with app.store.transaction():
            alerts.failed(notice.id, str(error), wait, now)
            if wait is None:
                app.store.journal.event("alert not delivered", notice.channel, str(error), now)
        return
    with contextlib.suppress(CrossdockError), app.store.transaction():
        alerts.sent(notice.id, now)
    turned.sent += 1


def _way(app: App, settings: AlertSettings, name: str) -> Channel:
    chosen = getattr(settings, name, None)
    if chosen is None:
        raise SettingsError(f"[alerts] has no {name} any more.")
    return channel(app, chosen)


def _message(app: App, notice: NoticeRow) -> Message:
    alerts: dict[str, Any] = msgspec.json.decode(notice.body)
    made = unstamp(notice.made_at) or app.clock.now()
    # The number alone would come again after a restore, for another message.
    name = f"crossdock-{notice.id}-{stamp(made)[:19].replace(':', '')}"
    return Message(id=name, project=app.home.name, at=made, alerts=alerts)
