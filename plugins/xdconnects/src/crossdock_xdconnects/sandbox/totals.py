"""What an order costs by the supplier's own count (vendor page section 2.2): net, without VAT, in whole cents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs

from crossdock_xdconnects.sandbox.catalogue import Catalogue, Item
from crossdock_xdconnects.sandbox.checks import area_of, place_of

SMALL_ORDER_BELOW = 50


@attrs.define
class Totals:
    """The sums of an order. `vat` is always nought: the accounts buy from abroad, and VAT is theirs to declare."""

    items: Decimal = Decimal("0.00")
    print: Decimal = Decimal("0.00")
    setup: Decimal = Decimal("0.00")
    smallOrder: Decimal = Decimal("0.00")  # noqa: N815
    freight: Decimal = Decimal("0.00")

    def told(self) -> dict[str, Decimal]:
        """``totals`` of the answer, with net, VAT and gross."""
        net = self.items + self.print + self.setup + self.smallOrder + self.freight
        return attrs.asdict(self) | {"net": net, "vat": Decimal("0.00"), "gross": net}


def totals_of(catalogue: Catalogue, kind: str, lines: Sequence[Mapping[str, Any]], freight: Decimal) -> Totals:
    """The sums for lines that were checked. A printed sample costs PrintSampleNet for each print, and no set-up."""
    totals = Totals(freight=freight)
    for line in lines:
        item, quantity = catalogue.get(line["itemCode"]), int(line["quantity"])
        totals.items += quantity * item.unit(quantity)
        for wanted in line.get("prints") or []:
            _add_print(totals, catalogue, item, quantity, wanted, sample=kind == "sample")
    return totals


def _add_print(
    totals: Totals, catalogue: Catalogue, item: Item, quantity: int, wanted: Mapping[str, Any], *, sample: bool
) -> None:
    place = place_of(item, wanted)
    code = place.code if place else ""
    price = catalogue.print_price(code, colors=wanted.get("nrOfColors"), area=area_of(wanted))
    if price is None:
        raise ValueError(f"{item.code} has no print price for {wanted.get('printCode')}.")
    if sample:
        totals.print += price.sample
        return
    totals.print += quantity * price.unit(quantity)
    totals.setup += price.setup
    totals.smallOrder += price.small_order if quantity < SMALL_ORDER_BELOW else 0
