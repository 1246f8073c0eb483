"""The sandbox served over loopback, with a clock that the tests move."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from xd_kit import FrozenClock, Store, opened

from crossdock import Session
from crossdock_xdconnects.sandbox import XdSandbox, create
from crossdock_xdconnects.settings import Settings


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def store(clock: FrozenClock) -> Store:
    return Store(clock)


@pytest.fixture
def xd(switchboard: None, clock: FrozenClock) -> XdSandbox:
    """A supplier that counts how often its feeds are fetched."""
    return create(strict_limits=True, clock=clock.now)


@pytest.fixture
def session(xd: XdSandbox, store: Store) -> Iterator[Session[Settings]]:
    with opened(xd, store) as made:
        yield made
