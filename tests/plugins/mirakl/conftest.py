"""Operators to work with: sandboxes over loopback behind one server, and sessions opened by hand."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from mirakl_kit import Operator, open_session
from mirakl_sandbox_kit import served, switchboard
from starlette.types import ASGIApp, Receive, Scope, Send

from crossdock.sandbox import Sandbox, Serving, serve
from crossdock_mirakl.sandbox import MiraklSandbox, create


class _Door(Sandbox):
    """One server for all tests: starting and stopping one takes longer than most of them."""

    current: ASGIApp

    def app(self) -> Any:
        async def ask(scope: Scope, receive: Receive, send: Send) -> None:
            await self.current(scope, receive, send)

        return ask


_DOOR = _Door()


@pytest.fixture(scope="session")
def door() -> Iterator[Serving]:
    """The server."""
    with serve(_DOOR) as serving:
        yield serving


@pytest.fixture
def operators(door: Serving) -> Iterator[Callable[..., Operator]]:
    """Opens an operator: options of the sandbox, and settings of the connection by the name `connect`."""
    with contextlib.ExitStack() as stack:

        def open_operator(connect: dict[str, Any] | None = None, **options: Any) -> Operator:
            sandbox = create(**options)
            sandbox.base_url = door.url
            _DOOR.current = sandbox.app()
            session = open_session(sandbox, door.url, **(connect or {}))
            stack.callback(session.http.close)
            return Operator(sandbox, session)

        yield open_operator


@pytest.fixture
def operator(operators: Callable[..., Operator]) -> Operator:
    """An operator with all features on."""
    return operators()


# -- the sandbox alone ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[None]:
    """The server of the tests that ask sandboxes without a connector."""
    with switchboard():
        yield


@pytest.fixture
def twin_and_api(server: None) -> Iterator[tuple[MiraklSandbox, httpx.Client]]:
    """A sandbox, and a client that is logged in to it."""
    with served() as found:
        yield found


@pytest.fixture
def twin(twin_and_api: tuple[MiraklSandbox, httpx.Client]) -> MiraklSandbox:
    """The sandbox."""
    return twin_and_api[0]


@pytest.fixture
def api(twin_and_api: tuple[MiraklSandbox, httpx.Client]) -> httpx.Client:
    """Its client."""
    return twin_and_api[1]
