"""The contract of every connector, played against the WooCommerce sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from crossdock.testing import ConnectorContract


class TestContract(ConnectorContract):
    connector = "woocommerce"
    # As nearly every shop: over http the shop takes OAuth alone, which refuses clocks that differ by 15 minutes.
    sandbox_options: ClassVar[Mapping[str, Any]] = {"https": True}
