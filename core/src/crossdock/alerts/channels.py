"""By which ways messages reach people: e-mail, and JSON to an address."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

import attrs

from crossdock.alerts.settings import NAME, HookSettings, MailSettings
from crossdock.app import App
from crossdock.connection import Endpoint
from crossdock.errors import CrossdockError, TransientError
from crossdock.http.limits import MemoryLimiter
from crossdock.http.redact import Redactor

PATIENCE = 20.0
"""Seconds to wait for a mail server or an address, at each step."""

_SHOWN = 30
_TITLES = {"raised": "Needs attention", "still": "Still needs attention", "resolved": "Over"}


@attrs.frozen(kw_only=True)
class Message:
    """What people are told: alerts by what became of them (``raised``, ``still``, ``resolved``).

    Its `id` is the same however often it is sent.
    """

    id: str
    project: str
    at: datetime
    alerts: Mapping[str, Sequence[Mapping[str, str]]]

    @property
    def title(self) -> str:
        """One line."""
        parts = [f"{len(found)} {_WORDS[what]}" for what, found in self.alerts.items() if found]
        return f"Crossdock {self.project}: {', '.join(parts) or 'a test'}"

    @property
    def text(self) -> str:
        """All of it, for a person."""
        lines = [self.title, ""]
        for what, found in self.alerts.items():
            if not found:
                continue
            lines.append(f"{_TITLES[what]}:")
            for each in found[:_SHOWN]:
                lines.append(f"  - {each['text']}")
                lines += [f"    {each['hint']}"] if each["hint"] and what != "resolved" else []
            lines += [f"  - and {len(found) - _SHOWN} more: crossdock alerts"] if len(found) > _SHOWN else []
            lines.append("")
        if not any(self.alerts.values()):
            lines += ["This is a test. Alerts will arrive here.", ""]
        return "\n".join(lines)


_WORDS = {"raised": "new", "still": "going on", "resolved": "over"}
Channel = Callable[[Message], None]
"""Delivers one message; raises `CrossdockError` when it was not taken."""


def channel(app: App, settings: MailSettings | HookSettings) -> Channel:
    """The way that `settings` describe, its secrets read now; raises `SettingsError` when one cannot be had."""
    if isinstance(settings, MailSettings):
        password = app.vault.reveal(NAME, "email.password", settings.password) if settings.password else ""
        return lambda message: _mail(settings, password, message)
    url = app.vault.reveal(NAME, "webhook.url", settings.url)
    token = app.vault.reveal(NAME, "webhook.token", settings.token) if settings.token else ""
    return lambda message: _post(app, url, token, message)


def _mail(settings: MailSettings, password: str, message: Message) -> None:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = message.title, settings.sender, ", ".join(settings.to)
    mail["Date"] = format_datetime(message.at)
    mail["Message-ID"] = f"<{message.id}@{settings.sender.rpartition('@')[2].strip('> ') or 'crossdock'}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text)
    mask = Redactor([password] if password else [])
    try:
        with _server(settings) as server:
            if settings.user:
                server.login(settings.user, password)
            server.send_message(mail)
    except (OSError, smtplib.SMTPException) as error:
        said = mask.text(str(error)) or type(error).__name__
        raise TransientError(
            f"The mail server {settings.host} did not take the message: {said}", hint="crossdock alerts test"
        ) from None


def _server(settings: MailSettings) -> smtplib.SMTP:
    context = ssl.create_default_context(cafile=settings.ca or None)
    if settings.security == "tls":
        return smtplib.SMTP_SSL(settings.host, settings.port, timeout=PATIENCE, context=context)
    server = smtplib.SMTP(settings.host, settings.port, timeout=PATIENCE)
    if settings.security == "starttls":
        try:
            server.starttls(context=context)
        except BaseException:
            server.close()
            raise
    return server


def _post(app: App, url: str, token: str, message: Message) -> None:
    from crossdock.http.client import Http

    headers = {"Authorization": f"Bearer {token}"} if token else {}
    http = Http(
        Endpoint(base_url=url, headers=headers, read_timeout=PATIENCE, connect_timeout=PATIENCE),
        clock=app.clock, limiter=MemoryLimiter(), secrets=[each for each in (url, token) if each],
    )  # fmt: skip
    alerts = [{**each, "state": what} for what, found in message.alerts.items() for each in found]
    body: dict[str, Any] = {
        "id": message.id, "project": message.project, "at": message.at.isoformat(), "title": message.title,
        "text": message.text, "alerts": alerts,
    }  # fmt: skip
    try:
        # Tried again later by the same id, so one attempt is enough here.
        http.request("POST", "", json=body, headers={"Idempotency-Key": message.id}, attempts=1)
    except CrossdockError as error:
        raise TransientError(f"The address for alerts did not take the message: {error}") from None
    finally:
        http.close()
