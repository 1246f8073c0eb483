"""The contract of every connector, played against the XD Connects sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

import crossdock_xdconnects.sandbox
from crossdock.testing import HAZARDS, ConnectorContract, Subject, play

ASKING = str(Path(crossdock_xdconnects.sandbox.__file__).with_name("xd_wire.asking.json"))


class TestContract(ConnectorContract):
    connector = "xdconnects"
    # As can be agreed with XD; without it nothing but the address of a webhook is a secret.
    sandbox_options: ClassVar[Mapping[str, Any]] = {"signing_secret": "sandbox-signing-secret"}
    # Sending is a deliberate switch. With the mapping file orders can be asked for, as nearly all suppliers let one do.
    settings: ClassVar[Mapping[str, str]] = {"live_ordering": "yes", "wire_file": ASKING}
    exempt: ClassVar[Mapping[str, str]] = {
        "cancelled-order": (
            "XD cancels nothing through the API (docs/vendors/xdconnects.md, section 1, point 5): the connector "
            "answers with a mail to the back office, ready to be sent, and the order is not cancelled until XD says so."
        ),
        "quiet-second-run:orders": (
            "XD lists no orders, so each that is under way is asked for by its number (docs/vendors/xdconnects.md, "
            "sections 5 and 5.4)."
        ),
        "quiet-second-run:shipments": (
            "XD lists no orders, so each that is under way is asked for by its number (docs/vendors/xdconnects.md, "
            "sections 5 and 5.4)."
        ),
    }


BY_NAME = {hazard.name: hazard for hazard in HAZARDS}


@pytest.mark.parametrize(
    "hazard",
    [
        "answer-to-an-order-lost",
        "create-repeated-blindly",
        "asked-for-an-order",
        "order-refused",
        "webhook-taken",
        "webhook-forged",
        "webhook-altered",
        "webhook-repeated",
        "webhook-out-of-order",
    ],
)
def test_with_the_mapping_file_that_ships_where_nobody_can_ask_no_order_is_sent_twice(hazard: str) -> None:
    result = play(
        BY_NAME[hazard], Subject.installed("xdconnects"), options=TestContract.sandbox_options,
        values={"live_ordering": "yes"},
    )  # fmt: skip

    assert result.state in ("passed", "not applicable"), result.seen
