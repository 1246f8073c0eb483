"""The seller's own data (vendor page section 4). Most names in these answers are guesses: nobody published them."""

from __future__ import annotations

from collections.abc import Iterable

from crossdock_cdiscount.sandbox.call import Answer, Call
from crossdock_cdiscount.sandbox.channels import CARRIERS, DELIVERY_MODES, SELLER, Channel, Json


class Account:
    """What the account says of itself."""

    def __init__(self, login: str, channels: Iterable[Channel]) -> None:
        self.login = login
        self.state = "Active"
        self.closed: set[str] = set()  # channels whose subscription has ended
        self._channels = tuple(channels)

    def seller(self, call: Call) -> Answer:
        """GET /sellers."""
        contact = {"firstName": "Ada", "lastName": "Specimen", "email": "seller@shop.example.test"}
        return Answer(
            {"id": SELLER, "login": self.login, "shopName": "Sandbox Shop", "contact": contact, "state": self.state}
        )

    def subscriptions(self, call: Call) -> Answer:
        """GET /sellers/subscriptions: the list of the seller's channels."""
        return _page(
            {
                "subscription": "Marketplace",
                "salesChannelId": each.id,
                "status": "Inactive" if each.id in self.closed else "Active",
                "submissionCurrency": each.submission,
                "paymentCurrency": each.currency,
            }
            for each in self._channels
        )

    def addresses(self, call: Call) -> Answer:
        """GET /sellers/addresses."""
        place = {"addressLine1": "12 allée des Essais", "postalCode": "31000", "city": "Toulouse", "countryCode": "FR"}
        return _page({"type": kind, **place} for kind in ("Headquarters", "Return"))

    def indicators(self, call: Call) -> Answer:
        """GET /sellers/indicators: rates in per cent."""
        rates = {"OrderAcceptance": 99.1, "Shipping": 97.4, "Deadline": 96.0, "Claims": 0.8, "Refunds": 0.3}
        return _page({"code": code, "rate": rate} for code, rate in rates.items())

    def delivery_modes(self, call: Call) -> Answer:
        """GET /sellers/delivery-modes, which is in snake case."""
        modes = [
            {
                "code": code,
                "name": name,
                "delivery_delay": days,
                "is_express_delivery": False,
                "more_than30_kg_product": False,
            }
            for code, (name, days) in DELIVERY_MODES.items()
        ]
        return Answer({"count": len(modes), "items": modes})

    def carriers(self, call: Call) -> Answer:
        """GET /carriers: a bare list."""
        return Answer([{"code": code, "label": label} for code, label in CARRIERS])


def _page(rows: Iterable[Json]) -> Answer:
    items = list(rows)
    return Answer({"itemsPerPage": len(items), "items": items})
