"""The contract of every connector, played against the Extend Commerce sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from crossdock.testing import ConnectorContract


class TestContract(ConnectorContract):
    connector = "extendcommerce"
    # The kit asks as fast as it can: that the limits are kept is the core's business, and tested there.
    sandbox_options: ClassVar[Mapping[str, Any]] = {"generous": True}
    exempt: ClassVar[Mapping[str, str]] = {
        "quiet-second-run:prices": (
            "Extend works them out for one customer, from price lists, discounts and campaigns, and lists "
            "no changes of them (docs/vendors/extendcommerce.md, sections 6 and 7.4). So each run reads all prices; by "
            "default that is once a day."
        )
    }
