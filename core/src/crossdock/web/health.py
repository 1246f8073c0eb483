"""Whether this process lives, and whether it can work: for whoever restarts it or sends it requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crossdock.app import App
from crossdock.errors import CrossdockError
from crossdock.store import migrate

PATIENCE = 3.0
"""Seconds in which the database has to answer."""

_HEADERS = {"x-content-type-options": "nosniff", "cache-control": "no-store"}


def routes(app: App, alive: Callable[[], bool]) -> Iterable[Route]:
    """``GET /healthz`` (does it live: `alive` says so) and ``GET /readyz`` (can it work, and if not, why)."""

    async def healthz(_: Request) -> Response:
        if alive():
            return JSONResponse({"status": "ok"}, headers=_HEADERS)
        return JSONResponse({"status": "webhooks cannot be kept"}, 503, headers=_HEADERS)

    async def readyz(_: Request) -> Response:
        try:
            reasons = await asyncio.wait_for(asyncio.to_thread(lambda: list(why_not_ready(app))), PATIENCE)
        except TimeoutError:
            reasons = ["the database does not answer"]
        status = {"status": "not ready" if reasons else "ready", "reasons": reasons}
        return JSONResponse(status, 503 if reasons else 200, headers=_HEADERS)

    return Route("/healthz", healthz, methods=["GET"]), Route("/readyz", readyz, methods=["GET"])


def why_not_ready(app: App) -> Iterator[str]:
    """Why this process cannot work now, in words that may be read by anybody; nothing when it can."""
    if app.clock.stopping:
        yield "it is stopping"
    try:
        version = migrate.current(app.store.database)
    except CrossdockError:
        yield "the database cannot be reached"
    else:
        if version != migrate.HEAD:
            yield f"the database has schema {version}, {migrate.HEAD} is needed"
    try:
        ready = app.vault.ready
    except CrossdockError:
        ready = False
    if not ready:
        yield "the key of the secrets is missing or wrong"
