"""The sandbox served over loopback, and a client logged in to it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from extend_kit import NOW, connect
from sandbox_kit import FrozenClock, plug

from crossdock_extendcommerce.sandbox import ExtendSandbox, create


@pytest.fixture(scope="session", autouse=True)
def switchboard_runs(switchboard: None) -> None:
    """The server runs for all tests of this folder."""


@pytest.fixture
def vendor_clock() -> FrozenClock:
    return FrozenClock(NOW)


@pytest.fixture
def twin(vendor_clock: FrozenClock) -> ExtendSandbox:
    """A sandbox with the products and the customer of the samples."""
    sandbox = create(clock=vendor_clock, automatic_webhooks=False)
    sandbox.seed_products(
        [
            {
                "productNumber": "HELM-BLK-M",
                "name": "Hjälm svart M",
                "price": "299.20",
                "cost": "151.5",
                "gtin": ["7300000000017", "7300000000024"],
                "stock": {"HUVUD": 14, "RETUR": 3},
                "weight": 0.35,
                "tiers": [{"fromQuantity": 1, "price": "279.00"}, {"fromQuantity": 10, "price": "249.00"}],
                "supplierAgreementNumber": 77,
                "manufacturer": "Demo Helm",
                "manufacturerProductNumber": "DH-100-M",
            },
            {"productNumber": "BELL-RED-01", "name": "Ringklocka röd", "price": "39.20", "stock": {"HUVUD": 0}},
        ]
    )
    return sandbox


@pytest.fixture
def api(twin: ExtendSandbox) -> Iterator[httpx.Client]:
    with connect(plug(twin)) as client:
        yield client
