"""The sandbox of the scripted connector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from crossdock.sandbox import Sandbox, json_response


class DockSandbox(Sandbox):
    """Says hello."""

    name = "dock"

    def __init__(self, greeting: str, loud: bool) -> None:
        super().__init__()
        self.greeting = greeting
        self.loud = loud

    def routes(self) -> Sequence[BaseRoute]:
        return [Route("/hello", self._hello)]

    def state(self) -> dict[str, Any]:
        return {"greeting": self.greeting, "loud": self.loud}

    def settings(self, base_url: str) -> dict[str, str]:
        return {"system": base_url, "token": "good one"}

    async def _hello(self, request: Request) -> Response:
        return json_response({"say": self.greeting})


def create(greeting: str = "hello", *, loud: bool = False) -> DockSandbox:
    return DockSandbox(greeting, loud)
