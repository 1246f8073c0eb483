"""Who is told of what, as ``[alerts]`` in the configuration says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal, cast
from urllib.parse import urlsplit

import attrs

from crossdock.errors import SettingsError, UsageError
from crossdock.schedule import parse_span
from crossdock.vault import is_reference

NAME = "alerts"
KINDS = ("paused", "parked", "doubt", "approval", "deadline", "late", "stuck", "webhooks", "worker")
"""What is told of: see docs/observability.md."""

Security = Literal["starttls", "tls", "none"]
_PORTS: Mapping[str, int] = {"starttls": 587, "tls": 465, "none": 25}
_LOCAL = ("localhost", "127.0.0.1", "::1")


@attrs.frozen(kw_only=True)
class MailSettings:
    """Messages by e-mail; `password` is a reference, `ca` a file of certificates to trust instead of the system's."""

    to: tuple[str, ...]
    sender: str
    host: str
    port: int
    security: Security = "starttls"
    user: str = ""
    password: str = ""
    ca: str = ""


@attrs.frozen(kw_only=True)
class HookSettings:
    """Messages as JSON to an address; it may be a reference, because such an address often is a secret."""

    url: str
    token: str = ""


@attrs.frozen(kw_only=True)
class AlertSettings:
    """`after`: how long trouble that may pass by itself lasts before it is told. `repeat`: how often what goes on is.

    `deadline`: how long before a marketplace's deadline. `mute`: kinds that nobody wants to hear of.
    """

    after: timedelta = timedelta(minutes=30)
    repeat: timedelta = timedelta(days=1)
    deadline: timedelta = timedelta(hours=4)
    mute: tuple[str, ...] = ()
    email: MailSettings | None = None
    webhook: HookSettings | None = None

    @property
    def channels(self) -> tuple[str, ...]:
        """By which ways messages go."""
        return tuple(name for name in ("email", "webhook") if getattr(self, name) is not None)

    @classmethod
    def parse(cls, table: Mapping[str, Any]) -> AlertSettings:
        """What a table ``[alerts]`` says; raises `SettingsError` with each problem by its key."""
        reader = _Reader()
        made = reader.alerts(table)
        if reader.problems:
            text = "; ".join(f"{key}: {problem}" for key, problem in reader.problems.items())
            raise SettingsError(f"[alerts] cannot be used: {text}.", problems=reader.problems)
        return made


class _Reader:
    """Reads one table, collecting problems."""

    def __init__(self) -> None:
        self.problems: dict[str, str] = {}

    def alerts(self, table: Mapping[str, Any]) -> AlertSettings:
        self._only("", table, ("after", "repeat", "deadline", "mute", "email", "webhook"))
        default = AlertSettings()
        mute = self._list("mute", table)
        for kind in mute:
            if kind not in KINDS:
                self.problems["mute"] = f"there is no kind {kind!r}; there are: {', '.join(KINDS)}"
        return AlertSettings(
            after=self._span("after", table, default.after), repeat=self._span("repeat", table, default.repeat),
            deadline=self._span("deadline", table, default.deadline), mute=mute, email=self._mail(table.get("email")),
            webhook=self._hook(table.get("webhook")),
        )  # fmt: skip

    def _mail(self, table: Any) -> MailSettings | None:
        if table is None:
            return None
        if not isinstance(table, Mapping):
            self.problems["email"] = "it must be a table, [alerts.email]"
            return None
        self._only("email.", table, ("to", "from", "host", "port", "security", "user", "password", "ca"))
        to = self._list("email.to", table)
        if not to or not all("@" in each for each in to):
            self.problems["email.to"] = 'it must be a list of addresses, such as ["ops@example.com"]'
        security = self._text("email.security", table) or "starttls"
        if security not in _PORTS:
            self.problems["email.security"] = f"it must be one of {', '.join(_PORTS)}"
        port = table.get("port", _PORTS.get(security, 587))
        if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65536:
            self.problems["email.port"] = "it must be a number from 1 to 65535"
            port = 0
        host = self._text("email.host", table, needed=True)
        user, password = self._text("email.user", table), self._secret("email.password", table)
        if user and security == "none" and host not in _LOCAL:
            self.problems["email.security"] = "a password is not sent without TLS"
        return MailSettings(
            to=to, sender=self._text("email.from", table, needed=True), host=host, port=port,
            security=cast(Security, security), user=user, password=password, ca=self._text("email.ca", table),
        )  # fmt: skip

    def _hook(self, table: Any) -> HookSettings | None:
        if table is None:
            return None
        if not isinstance(table, Mapping):
            self.problems["webhook"] = "it must be a table, [alerts.webhook]"
            return None
        self._only("webhook.", table, ("url", "token"))
        url = self._text("webhook.url", table, needed=True)
        if url and not is_reference(url):
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                self.problems["webhook.url"] = "it must begin with https://, or name its place: env:VARIABLE, file:PATH"
            elif parts.scheme == "http" and parts.hostname not in _LOCAL:
                self.problems["webhook.url"] = "it must begin with https:// unless it is on this machine"
        return HookSettings(url=url, token=self._secret("webhook.token", table))

    # -- values ------------------------------------------------------------------------------------

    def _only(self, before: str, table: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
        for key in table:
            if key not in allowed:
                self.problems[f"{before}{key}"] = f"there is no such key; there are: {', '.join(allowed)}"

    def _text(self, key: str, table: Mapping[str, Any], *, needed: bool = False) -> str:
        value: object = table.get(key.rpartition(".")[2], "")
        if not isinstance(value, str):
            self.problems[key] = "it must be text, in quotes"
            return ""
        if needed and not value:
            self.problems[key] = "it is missing"
        return value

    def _secret(self, key: str, table: Mapping[str, Any]) -> str:
        value = self._text(key, table)
        if value and not is_reference(value):
            self.problems[key] = "a secret does not belong in a file: name its place, env:VARIABLE or file:PATH"
        return value

    def _list(self, key: str, table: Mapping[str, Any]) -> tuple[str, ...]:
        value = table.get(key.rpartition(".")[2], [])
        if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
            self.problems[key] = "it must be a list of texts"
            return ()
        return tuple(value)

    def _span(self, key: str, table: Mapping[str, Any], default: timedelta) -> timedelta:
        if key not in table:
            return default
        try:
            return parse_span(table[key] if isinstance(table[key], str) else "")
        except UsageError:
            self.problems[key] = 'it must be a duration, such as "30m" or "4h"'
            return default
