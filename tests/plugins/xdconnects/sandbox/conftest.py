"""The sandbox served over loopback, and a client logged in to it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from sandbox_kit import FrozenClock
from xdconnects_sandbox_kit import NOW, serving

from crossdock_xdconnects.sandbox import XdSandbox, create


@pytest.fixture(scope="session", autouse=True)
def switchboard_runs(switchboard: None) -> None:
    """The server runs for all tests of this folder."""


@pytest.fixture
def supplier_clock() -> FrozenClock:
    return FrozenClock(NOW)


@pytest.fixture
def twin(supplier_clock: FrozenClock) -> XdSandbox:
    return create(clock=supplier_clock)


@pytest.fixture
def api(twin: XdSandbox) -> Iterator[httpx.Client]:
    with serving(twin) as client:
        yield client
