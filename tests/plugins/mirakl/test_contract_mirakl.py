"""The contract of every connector, played against the Mirakl sandbox."""

from __future__ import annotations

from crossdock.testing import ConnectorContract


class TestContract(ConnectorContract):
    connector = "mirakl"
