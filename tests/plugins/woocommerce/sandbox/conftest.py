"""The recorded shop served over loopback, and a client logged in to it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from sandbox_kit import FrozenClock
from woo_kit import CREATED, connected, recorded_shop

from crossdock_woocommerce.sandbox import WooSandbox


@pytest.fixture(scope="session", autouse=True)
def switchboard_runs(switchboard: None) -> None:
    """The server runs for all tests of this folder."""


@pytest.fixture
def shop_clock() -> FrozenClock:
    return FrozenClock(CREATED)


@pytest.fixture
def twin(shop_clock: FrozenClock) -> WooSandbox:
    """A shop that believes in TLS, with the products of the samples."""
    return recorded_shop(clock=shop_clock)


@pytest.fixture
def api(twin: WooSandbox) -> Iterator[httpx.Client]:
    with connected(twin) as client:
        yield client
