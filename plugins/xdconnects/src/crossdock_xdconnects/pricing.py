"""What an order costs by the feeds: tiers of items, and prints (vendor page section 2.2). Net, per account."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import attrs

from crossdock.mapping import decimal, maybe_decimal
from crossdock_xdconnects.mapping import tiers
from crossdock_xdconnects.tables import Line

ZERO = Decimal(0)
SMALL_ORDER_BELOW = 50
"""Smaller quantities pay the small order charge; seen in public code, not documented."""

_STEP = "printpricenet_"
_SQUARE = Decimal(100)  # square millimetres in a square centimetre


def unit_price(row: Line, quantity: Decimal) -> Decimal | None:
    """The net price per piece at `quantity`: of the largest tier that is reached; `None` below the first."""
    reached = [tier.net for tier in tiers(row) if tier.quantity <= quantity]
    return reached[-1] if reached else None


@attrs.frozen(kw_only=True)
class PrintCost:
    """What one print of one line costs."""

    setup: Decimal
    pieces: Decimal
    small_order: Decimal
    moq: Decimal

    @property
    def total(self) -> Decimal:
        """All of it."""
        return self.setup + self.pieces + self.small_order


def is_priced_by_color(rows: Sequence[Line]) -> bool:
    """Whether the prices of a print code differ by the number of colours."""
    return any(row.text("NrOfColors") for row in rows)


def print_row(rows: Sequence[Line], *, colors: int, full_color: bool, width: Decimal, height: Decimal) -> Line | None:
    """The price row of a print code for this many colours, or this area; `None` when there is none.

    A size on the limit of two ranges counts in the higher one. Sizes are in millimetres.
    """
    area = width * height / _SQUARE
    fitting = [row for row in rows if _has_colors(row, colors, full_color=full_color) and _holds(row, area)]
    return max(fitting, key=lambda row: (row.yes("FullColor") is full_color, _from(row)), default=None)


def _has_colors(row: Line, colors: int, *, full_color: bool) -> bool:
    number = row.text("NrOfColors")
    if full_color:
        return row.yes("FullColor") or not number
    return decimal(number, "NrOfColors") == colors if number else True


def _from(row: Line) -> Decimal:
    return decimal(row.text("PrintAreaFromCM2"), "PrintAreaFromCM2")


def _holds(row: Line, area: Decimal) -> bool:
    upto = maybe_decimal(row.text("PrintAreaToCM2"), "PrintAreaToCM2")
    return _from(row) <= area and (upto is None or upto == 0 or area <= upto)


def print_cost(row: Line, quantity: Decimal, *, sample: bool) -> PrintCost | None:
    """What a print costs at `quantity` by its price row; `None` when the row has no price for so few.

    The set-up is the total for the row's number of colours. A printed sample costs the price of a print sample alone.
    """
    moq = decimal(row.text("MOQPrintOrder"), "MOQPrintOrder")
    if sample:
        price = decimal(row.text("PrintSampleNet"), "PrintSampleNet")
        return PrintCost(setup=price, pieces=ZERO, small_order=ZERO, moq=ZERO)
    steps = sorted(
        (int(name.removeprefix(_STEP)), value)
        for name in row
        if name.startswith(_STEP) and name.removeprefix(_STEP).isdigit() and (value := row.text(name))
    )
    reached = [value for step, value in steps if step <= quantity]
    if not reached:
        return None
    small = decimal(row.text("SmallOrderChargeNet"), "SmallOrderChargeNet") if quantity < SMALL_ORDER_BELOW else ZERO
    return PrintCost(
        setup=decimal(row.text("SetupNet"), "SetupNet"), pieces=quantity * decimal(reached[-1], "PrintPriceNet"),
        small_order=small, moq=moq,
    )  # fmt: skip
