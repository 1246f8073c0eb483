"""Sessions opened by hand on a served sandbox, and orders to send."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sandbox_kit import plug

from crossdock import Address, Budget, Charge, Order, OrderLine, Party, Payment, Session, Tax, evolve
from crossdock.clock import SystemClock
from crossdock.http.client import Http
from crossdock.http.limits import MemoryLimiter
from crossdock.settings import build
from crossdock_extendcommerce.sandbox import ExtendSandbox
from crossdock_extendcommerce.settings import INFO, Settings, endpoint


class QuickClock(SystemClock):
    """The real time; waiting takes none."""

    def sleep(self, seconds: float) -> None:
        """Do not wait."""


class DictMemory:
    """A connection's memory that lasts as long as the test."""

    def get_many(self, table: str, keys: Iterable[str]) -> dict[str, str]:
        return {}

    def put_many(self, table: str, values: Mapping[str, str]) -> None: ...

    def forget(self, table: str, keys: Iterable[str]) -> None: ...


@contextmanager
def opened(sandbox: ExtendSandbox, **changes: str) -> Iterator[Session[Settings]]:
    """A session on `sandbox`, with the settings of a working connection and `changes`."""
    values = {**sandbox.settings(plug(sandbox)), **changes}
    settings = build(Settings, {name: value for name, value in values.items() if value})
    clock = QuickClock()
    # The real budgets' names without their pace: waiting is tested in the core.
    budgets = [evolve(each, calls=10**6, burst=10**6) for each in INFO.budgets]
    assert all(isinstance(each, Budget) for each in budgets)
    http = Http(
        evolve(endpoint(settings), budgets=()), clock=clock, limiter=MemoryLimiter(), budgets=budgets,
        secrets=[settings.password.reveal()], seed=1,
    )  # fmt: skip
    log = logging.LoggerAdapter(logging.getLogger("test"), {})
    try:
        yield Session(connection="extend", settings=settings, http=http, clock=clock, log=log, memory=DictMemory())
    finally:
        http.close()


HOME = Address(name="Eva Lindqvist", street="Hamngatan 12", postcode="55321", city="Jönköping", country="SE")


def order(**changes: Any) -> Order:
    """A webshop order of three helmets and freight, net prices, 25 % VAT."""
    vat = (Tax(rate=Decimal(25), amount=Decimal("224.40")),)
    values: dict[str, Any] = {
        "key": "1042",
        "number": "WC-1042",
        "status": "processing",
        "placed_at": datetime(2026, 9, 15, 6, 0, tzinfo=UTC),
        "currency": "SEK",
        "customer": Party(name="Eva Lindqvist", email="eva@lindqvist.example", phone="+46700000001"),
        "billing": HOME,
        "shipping_address": HOME,
        "lines": (
            OrderLine(
                key="li-1", sku="HELM-BLK-M", name="Hjälm", quantity=Decimal(3), unit_price=Decimal("299.20"),
                total=Decimal("897.60"), tax=Decimal("224.40"), taxes=vat,
            ),
        ),
        "charges": (
            Charge(key="s-1", kind="shipping", name="Frakt", total=Decimal("39.20"), tax=Decimal("9.80"),
                   taxes=(Tax(rate=Decimal(25), amount=Decimal("9.80")),)),
        ),
        "total": Decimal("1171.00"),
        "total_tax": Decimal("234.20"),
        "payment": Payment(method="KlarnaPrepaid", reference="kl-0f3a", paid=True),
    }  # fmt: skip
    return Order(**{**values, **changes})
