"""The contract of every connector, played against the Cdiscount sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from crossdock.testing import HAZARDS, ConnectorContract, Subject, play

BY_NAME = {hazard.name: hazard for hazard in HAZARDS}


class TestContract(ConnectorContract):
    connector = "cdiscount"
    # Of a seller who validates orders himself; offers in small pages, so that something can move between two.
    sandbox_options: ClassVar[Mapping[str, Any]] = {"acceptance": True, "offers_page": 100}
    # Cancelling is off unless somebody switches it on, and Octopia takes a reason of its own list only.
    settings: ClassVar[Mapping[str, str]] = {"cancel": "yes", "cancel_reason": "seller-out-of-stock"}


@pytest.mark.parametrize("hazard", ["rows-edited-between-pages", "rows-added-between-pages"])
def test_a_list_of_orders_in_no_order_at_all_loses_nothing(hazard: str) -> None:
    result = play(
        BY_NAME[hazard], Subject.installed("cdiscount"), options={"order_sort": "scattered", "offers_page": 100}
    )

    assert (result.state, result.seen) == ("passed", "")
