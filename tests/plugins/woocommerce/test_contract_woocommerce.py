"""The contract of every connector, played against the WooCommerce sandbox: as shops are, and as some are besides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from crossdock.testing import HAZARDS, ConnectorContract, Subject, play

BY_NAME = {hazard.name: hazard for hazard in HAZARDS}
MOVING = (
    "rows-edited-between-pages", "rows-removed-between-pages", "many-rows-of-one-moment", "restart-from-any-page",
    "hour-that-comes-twice",
)  # fmt: skip
SHIPPING = ("shipment-arrives", "answer-to-a-shipment-lost", "asked-for-a-shipment")


class TestContract(ConnectorContract):
    connector = "woocommerce"
    # As nearly every shop: over http the shop takes OAuth alone, which refuses clocks that differ by 15 minutes.
    sandbox_options: ClassVar[Mapping[str, Any]] = {"https": True}


def seen(hazard: str, **options: Any) -> tuple[str, str]:
    result = play(BY_NAME[hazard], Subject.installed("woocommerce"), options=options)
    return result.state, result.seen


@pytest.mark.parametrize("hazard", MOVING)
def test_an_old_shop_whose_lists_have_no_order_within_a_second_loses_nothing(hazard: str) -> None:
    assert seen(hazard, https=True, version="8.1.1") == ("passed", "")


@pytest.mark.parametrize("hazard", SHIPPING)
@pytest.mark.parametrize("tracking", ["fulfillments", "shipment-tracking", "ast"])
def test_parcels_are_reported_once_whatever_the_shop_keeps_them_in(tracking: str, hazard: str) -> None:
    assert seen(hazard, https=True, tracking=tracking) == ("passed", "")


@pytest.mark.parametrize("hazard", ["wrong-credentials", "secret-comes-to-light", "refused-credentials"])
def test_a_shop_without_tls_is_signed_for(hazard: str) -> None:
    assert seen(hazard) == ("passed", "")
