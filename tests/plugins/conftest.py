"""The server that all sandboxes answer at, and a receiver for their webhooks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sandbox_kit import SWITCHBOARD, Receiver, receiving

from crossdock.sandbox import serve


@pytest.fixture(scope="session")
def switchboard() -> Iterator[None]:
    with serve(SWITCHBOARD):
        yield


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(Receiver()) as inbox:
        yield inbox
