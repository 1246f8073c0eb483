"""What tests of the contract kit share."""

from __future__ import annotations

import sys

import pytest
from stall_connectors import HERE, RIGHT, connector

from crossdock.testing import Subject

sys.path.insert(0, str(HERE / "wrong"))


@pytest.fixture(scope="session")
def right() -> Subject:
    """The right connector to the stall."""
    return connector(RIGHT.read_text(), "right_stall")
