"""Which doors are open: the path tokens and sessions of all connections, known without asking the database."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import threading
from collections import Counter
from datetime import datetime

import attrs

from crossdock.app import App
from crossdock.clock import monotonic
from crossdock.engine.bench import Opened
from crossdock.errors import CrossdockError
from crossdock.store.config import ConnectionRow
from crossdock.store.database import unstamp
from crossdock.store.inbox import HookRow
from crossdock.webhooks import previous_token_of, token_of

RENEWED = 1.0
"""Seconds after which a change by another process is seen at the latest."""

_SOON = 0.1  # a token that is not known may be a new one: it is looked up, but wrong requests share their looks
_NOBODY = hashlib.sha256(b"").digest()


@attrs.frozen(eq=False)
class Found:
    """An open door. `opened` is `None` when the connection cannot be opened, for the reason `problem`."""

    name: str
    row: ConnectionRow
    hook: HookRow
    token: bytes
    previous: bytes
    previous_until: datetime | None
    opened: Opened | None
    problem: str = ""


class Doors:
    """Finds the door of a path; renewed by a thread of its own, so that no request waits for the database."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._known: dict[str, Found] = {}
        self._at = -1e9
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._renewal: asyncio.Task[None] | None = None
        self._refused: Counter[str] = Counter()
        self._confirmed: dict[str, str] = {}
        self._thread = threading.Thread(target=self._run, name="crossdock-doors", daemon=True)

    def start(self) -> None:
        """Learn all doors, and keep up to date from now on."""
        self.renew()
        self._thread.start()

    def stop(self) -> None:
        """Stop renewing and write what was counted."""
        self._stop.set()
        self._thread.join(timeout=5)
        self._tell()

    def refuse(self, found: Found) -> None:
        """Count a request with a wrong signature."""
        self._refused[found.name] += 1

    def confirm(self, found: Found) -> None:
        """The vendor was seen to use this door."""
        if found.hook.confirmed_at is None:
            self._confirmed[found.name] = found.hook.token

    async def find(self, name: str, token: str) -> tuple[Found, bool] | None:
        """The door of a path, and whether the token is the present one; `None` for every wrong path alike."""
        found = self._match(name, token)
        if found is None:
            if self._renewal is None or self._renewal.done():
                self._renewal = asyncio.get_running_loop().create_task(self._renew_soon())
            await asyncio.shield(self._renewal)
            found = self._match(name, token)
        return found

    async def _renew_soon(self) -> None:
        await asyncio.sleep(max(self._at + _SOON - monotonic(), 0))
        await asyncio.to_thread(self._try_renew)

    def _match(self, name: str, token: str) -> tuple[Found, bool] | None:
        """Takes as long for a connection that does not exist as for a wrong token."""
        given = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        found = self._known.get(name)
        present = hmac.compare_digest(given, found.token if found else _NOBODY)
        before = hmac.compare_digest(given, found.previous if found else _NOBODY)
        until = found.previous_until if found else None
        before = before and until is not None and self._app.clock.now() < until
        return (found, present) if found is not None and (present or before) else None

    # -- keeping up to date ------------------------------------------------------------------------

    def renew(self) -> None:
        """Read which doors there are, and open the connections behind new ones."""
        with self._lock:
            rows = {row.name: row for row in self._app.store.config.connections() if row.state != "draft"}
            known: dict[str, Found] = {}
            for hook in self._app.store.hooks.all():
                row = rows.get(hook.connection)
                if row is None:
                    continue
                before = self._known.get(row.name)
                same = before is not None and before.row == row and attrs.evolve(hook, refused=0) == before.hook
                known[row.name] = (
                    before if before is not None and same and not before.problem else self._open(row, hook)
                )
            self._known = known
            self._at = monotonic()

    def _open(self, row: ConnectionRow, hook: HookRow) -> Found:
        token, previous, opened, problem = _NOBODY, _NOBODY, None, ""
        try:
            token = hashlib.sha256(token_of(self._app, hook).encode()).digest()
            if hook.previous:
                previous = hashlib.sha256(previous_token_of(self._app, hook).encode()).digest()
            opened = self._app.open(row.name, paused=True)
        except CrossdockError as error:
            problem = str(error)
        return Found(
            row.name, row, attrs.evolve(hook, refused=0), token, previous, unstamp(hook.previous_until), opened, problem
        )

    def _run(self) -> None:
        while not self._stop.wait(RENEWED):
            self._tell()
            self._try_renew()

    def _try_renew(self) -> None:
        try:
            self.renew()
        except CrossdockError:
            # The doors that are known stay open; what comes in waits for the database, or is told to come again.
            self._at = monotonic()

    def _tell(self) -> None:
        refused, self._refused = self._refused, Counter()
        confirmed, self._confirmed = self._confirmed, {}
        if not refused and not confirmed:
            return
        try:
            self._app.store.hooks.seen(refused, confirmed, self._app.clock.now())
        except CrossdockError:
            self._refused.update(refused)
            self._confirmed = {**confirmed, **self._confirmed}
