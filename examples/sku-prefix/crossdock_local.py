"""Article numbers that carry a prefix in the ERP and none in the shop.

Put this file beside `crossdock.toml`, and name your flows: towards the ERP the prefix is added, on the way back it is
taken off.
"""

from __future__ import annotations

from crossdock import Balance, Order, Price, Product, Record, Shipment, evolve, hookimpl

PREFIX = "ACME-"
TO_ERP = ("to-erp",)
"""Flows whose records get the prefix."""
FROM_ERP = ("stock", "prices", "tracking")
"""Flows whose records lose it."""


def with_prefix(sku: str) -> str:
    """The ERP's name of an article; doing it twice is doing it once."""
    return sku if not sku or sku.startswith(PREFIX) else PREFIX + sku


def without_prefix(sku: str) -> str:
    """The shop's name of an article."""
    return sku.removeprefix(PREFIX)


@hookimpl
def transform_record(flow: str, record: Record) -> Record | None:
    """Rename the articles of a record; `None` leaves it to the next plugin."""
    if flow in TO_ERP:
        rename = with_prefix
    elif flow in FROM_ERP:
        rename = without_prefix
    else:
        return None
    if isinstance(record, Order | Shipment):
        return evolve(record, lines=tuple(evolve(line, sku=rename(line.sku)) for line in record.lines))
    if isinstance(record, Balance | Price | Product):
        return evolve(record, sku=rename(record.sku))
    return None


@hookimpl
def route_record(flow: str, record: Record) -> str:
    """Articles without the prefix are the ERP's own affair: their stock and prices do not go to the shop."""
    if flow in FROM_ERP and isinstance(record, Balance | Price | Product) and not record.sku.startswith(PREFIX):
        return "not an article of the shop"
    return ""
