"""One shop on the marketplace, with everything that belongs to it."""

from __future__ import annotations

from crossdock_mirakl.sandbox.adjustments import Adjustments
from crossdock_mirakl.sandbox.clock import Clock
from crossdock_mirakl.sandbox.exports import Exports
from crossdock_mirakl.sandbox.imports import Imports
from crossdock_mirakl.sandbox.offers import Offers, Terms
from crossdock_mirakl.sandbox.orders import OrderBook
from crossdock_mirakl.sandbox.platform import Options
from crossdock_mirakl.sandbox.shipments import Shipments


class Shop:
    """A shop: its offers, orders, shipments, imports and exports."""

    def __init__(self, shop_id: int, name: str, clock: Clock, options: Options, terms: Terms, *, seed: int) -> None:
        self.shop_id = shop_id
        self.name = name
        self.state = "OPEN"
        self.created = clock.now()
        self.offers = Offers(clock, terms)
        self.book = OrderBook(clock, self.offers, options)
        self.shipments = Shipments(clock, self.book, seed=seed)
        self.adjustments = Adjustments(clock, self.book, seed=seed)
        self.imports = Imports(clock, options.separator, shop_id=shop_id, seed=seed)
        self.exports = Exports(clock, seed=seed)
