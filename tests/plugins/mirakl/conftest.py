"""Operators to work with: sandboxes over loopback, and sessions opened by hand."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from mirakl_kit import Operator, open_session
from mirakl_sandbox_kit import served
from sandbox_kit import plug

from crossdock_mirakl.sandbox import MiraklSandbox, create


@pytest.fixture
def operators(switchboard: None) -> Iterator[Callable[..., Operator]]:
    """Opens an operator: options of the sandbox, and settings of the connection by the name `connect`."""
    with contextlib.ExitStack() as stack:

        def open_operator(connect: dict[str, Any] | None = None, **options: Any) -> Operator:
            sandbox = create(**options)
            session = open_session(sandbox, plug(sandbox), **(connect or {}))
            stack.callback(session.http.close)
            return Operator(sandbox, session)

        yield open_operator


@pytest.fixture
def operator(operators: Callable[..., Operator]) -> Operator:
    """An operator with all features on."""
    return operators()


# -- the sandbox alone ---------------------------------------------------------------------------------


@pytest.fixture
def twin_and_api(switchboard: None) -> Iterator[tuple[MiraklSandbox, httpx.Client]]:
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
