"""``GET /metrics``: figures for Prometheus."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from crossdock.app import App
from crossdock.errors import CrossdockError
from crossdock.metrics import CONTENT_TYPE, Metrics

_FORWARDED = ("x-forwarded-for", "x-forwarded-host", "forwarded", "via")
_HEADERS = {"x-content-type-options": "nosniff", "cache-control": "no-store"}


def route(app: App) -> Route:
    """The figures of a project; whoever comes through a proxy is told that there is nothing.

    They need no login, because a scraper is on this machine or in its network; a proxy before the door for webhooks has
    the whole world behind it.
    """
    figures: list[Metrics] = []

    async def metrics(request: Request) -> Response:
        if any(name in request.headers for name in _FORWARDED):
            return PlainTextResponse("Not Found", 404, _HEADERS)
        if not figures:
            figures.append(Metrics(app.store, app.clock))
        try:
            text = await asyncio.to_thread(figures[0].text)
        except CrossdockError:
            return PlainTextResponse("The database cannot be asked.", 503, _HEADERS)
        return Response(text, media_type=CONTENT_TYPE, headers=_HEADERS)

    return Route("/metrics", metrics, methods=["GET"])
