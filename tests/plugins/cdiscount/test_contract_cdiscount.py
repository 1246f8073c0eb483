"""The contract of every connector, played against the Cdiscount sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from crossdock.testing import ConnectorContract


class TestContract(ConnectorContract):
    connector = "cdiscount"
    # Of a seller who validates orders himself; offers in small pages, so that something can move between two.
    sandbox_options: ClassVar[Mapping[str, Any]] = {"acceptance": True, "offers_page": 100}
    # Cancelling is off unless somebody switches it on, and Octopia takes a reason of its own list only.
    settings: ClassVar[Mapping[str, str]] = {"cancel": "yes", "cancel_reason": "seller-out-of-stock"}
