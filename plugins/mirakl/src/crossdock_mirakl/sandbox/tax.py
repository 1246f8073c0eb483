"""Taxes of an amount by country, and the two modes in which an operator tells prices (vendor page section 5)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs

from crossdock_mirakl.sandbox.wire import CENT, cents

INCLUDED, EXCLUDED = "TAX_INCLUDED", "TAX_EXCLUDED"
MODES = (INCLUDED, EXCLUDED)

# Code and rate in per cent of the taxes of a country; more than one where states and cities have their own.
RATES: Mapping[str, tuple[tuple[str, Decimal], ...]] = {
    "FRA": (("TVA20", Decimal("20.0")),),
    "DEU": (("VAT19", Decimal("19.0")),),
    "ESP": (("IVA21", Decimal("21.0")),),
    "ITA": (("IVA22", Decimal("22.0")),),
    "PRT": (("IVA23", Decimal("23.0")),),
    "BEL": (("TVA21", Decimal("21.0")),),
    "NLD": (("BTW21", Decimal("21.0")),),
    "SWE": (("MOMS25", Decimal("25.0")),),
    "USA": (("US_STATE", Decimal("6.25")), ("US_CITY", Decimal("2.0"))),
    "GBR": (("VAT20", Decimal("20.0")),),
    "CHE": (),
}


@attrs.frozen
class Taxes:
    """The taxes of one amount."""

    items: tuple[tuple[str, Decimal, Decimal], ...] = ()  # code, rate, amount

    @property
    def total(self) -> Decimal:
        """All of them together."""
        return sum((amount for _, _, amount in self.items), Decimal(0))

    def render(self, *, unit_amounts: bool = False) -> list[dict[str, Any]]:
        """The list of an order line."""
        more = {"origin_unit_amount": None} if unit_amounts else {}
        return [
            {"amount": amount, "code": code, "rate": rate, **more, "tax_calculation_rule": "PROPORTIONAL_TO_AMOUNT"}
            for code, rate, amount in self.items
        ]


def taxes_of(amount: Decimal, country: str, mode: str) -> Taxes:
    """The taxes inside `amount`, or on top of it in the other mode.

    Where a country has several, the first is a cent less than its rate gives: amounts are not to be computed anew.
    """
    rates = RATES.get(country, ())
    if not amount or not rates:
        return Taxes()
    base = 100 + sum(rate for _, rate in rates) if mode == INCLUDED else Decimal(100)
    items = [(code, rate, cents(amount * rate / base)) for code, rate in rates]
    if len(items) > 1 and items[0][2] > CENT:
        code, rate, value = items[0]
        items[0] = (code, rate, value - CENT)
    return Taxes(tuple(items))


def converted(amount: Decimal, taxes: Taxes, mode: str, platform_mode: str) -> Decimal:
    """`amount`, told in the mode of the platform, in the mode that was asked for."""
    if mode == platform_mode:
        return amount
    return amount + taxes.total if mode == INCLUDED else amount - taxes.total
