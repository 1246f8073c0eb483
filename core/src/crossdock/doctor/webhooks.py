"""Webhooks that wait, fail, do not come, or cannot come."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

from crossdock.app import App
from crossdock.errors import CrossdockError
from crossdock.overview import silence
from crossdock.session import Check
from crossdock.store.database import unstamp
from crossdock.store.inbox import HookRow
from crossdock.store.store import Store
from crossdock.vault import Vault
from crossdock.webhooks import token_of

_GRACE = timedelta(minutes=15)
_PRIVATE = ("localhost", ".localhost", ".local", ".internal", ".lan", ".home.arpa")


def checks(app: App, store: Store, vault: Vault | None) -> Iterator[Check]:
    """The doors of connections."""
    now = app.clock.now()
    counts = store.inbox.open()
    for hook in store.hooks.all():
        waiting, since = counts.get((hook.connection, "new"), (0, ""))
        failed, _ = counts.get((hook.connection, "failed"), (0, ""))
        oldest = unstamp(since)
        problems = []
        if vault is not None and vault.ready and (unreadable := _unreadable(app, hook)):
            problems.append((unreadable, f"crossdock webhook url {hook.connection} --rotate"))
        if oldest and now - oldest > _GRACE:
            problems.append((f"{waiting:,} wait since {oldest:%Y-%m-%d %H:%M} UTC", "crossdock webhook work"))
        if failed:
            problems.append((f"{failed:,} failed", "crossdock webhook list --each --state failed"))
        if hook.refused:
            problems.append((f"{hook.refused:,} had a wrong signature",
                             f"Is the webhook secret of {hook.connection} the same as at the vendor's?"))  # fmt: skip
        if stopped := silence(hook, store.announcements.dead(hook.connection)):
            problems.append((stopped, f"crossdock webhook register {hook.connection}"))
        if hook.confirmed_at is None:
            problems.append(("the vendor never used the address", f"crossdock webhook test {hook.connection}"))
        if hook.url and (wrong := unreachable(hook.url)):
            problems.append((wrong, f"Give a public one: crossdock webhook register {hook.connection} --base URL"))
        name = f"Webhooks {hook.connection}"
        if problems:
            yield Check(name=name, state="warn", detail="; ".join(text for text, _ in problems),
                        hint=problems[0][1])  # fmt: skip
        else:
            yield Check(name=name, state="ok", detail=f"{waiting:,} waiting")


def _unreadable(app: App, hook: HookRow) -> str:
    try:
        token_of(app, hook)
    except CrossdockError:
        return "its address cannot be read with this key"
    return ""


def unreachable(url: str) -> str:
    """Why no vendor can, or should, send webhooks to an address; empty when nothing speaks against it."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    try:
        private = not ipaddress.ip_address(host).is_global
    except ValueError:
        private = host.endswith(_PRIVATE) or "." not in host
    if private:
        return f"the vendor was told {parts.scheme}://{host}, which only this network can reach"
    return "the vendor was told an address without TLS (http), so others can read it" if parts.scheme != "https" else ""
