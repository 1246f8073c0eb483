"""The contract of every connector, played against the Extend Commerce sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from crossdock.testing import ConnectorContract


class TestContract(ConnectorContract):
    connector = "extendcommerce"
    # The kit asks as fast as it can: that the limits are kept is the core's business, and tested there.
    sandbox_options: ClassVar[Mapping[str, Any]] = {"generous": True}
