"""What is there for every seller: channels, carriers, delivery modes, reasons, and where buyers live.

Only the id CDISFR is verified (vendor page section 7); the two other channels are invented.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, TypeAlias

import attrs

Json: TypeAlias = dict[str, Any]

CDISCOUNT = "CDISFR"
SELLER = 98979


@attrs.frozen
class Channel:
    """A sales channel.

    The seller submits prices in `submission`, the buyer pays in `currency`; `rate` is one to the other. `vat` is in
    per cent.
    """

    id: str
    name: str
    submission: str
    currency: str
    country: str
    vat: Decimal
    rate: Decimal

    def selling(self, amount: Decimal) -> Decimal:
        """What the buyer pays for an `amount` of the seller's."""
        return cents(amount * self.rate)


_KNOWN = (
    Channel(CDISCOUNT, "Cdiscount", "EUR", "EUR", "FR", Decimal(20), Decimal(1)),
    Channel("EXAMPLEPL", "Example channel PL", "EUR", "PLN", "PL", Decimal(23), Decimal("4.35")),
    Channel("EXAMPLESE", "Example channel SE", "SEK", "SEK", "SE", Decimal(25), Decimal(1)),
)
CHANNELS: Mapping[str, Channel] = {each.id: each for each in _KNOWN}


def channel(key: str) -> Channel:
    """The channel `key`; one that nobody knows sells in France for euros."""
    return CHANNELS.get(key) or Channel(key, f"Channel {key}", "EUR", "EUR", "FR", Decimal(20), Decimal(1))


def cents(amount: Decimal) -> Decimal:
    """`amount` rounded to two places, halves away from zero."""
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


# Codes are not unique (vendor page section 4, measured); the labels after the first seven are invented.
CARRIERS: tuple[tuple[str, str], ...] = (
    ("pcc", "La Poste"),
    ("pcc", "Colissimo"),
    ("pcc", "Chronopost"),
    ("dhldp", "DHL"),
    ("dhldp", "Deutsche Post"),
    ("mondialrelay", "Mondial Relay"),
    ("default", "autre"),
    ("ups", "UPS"),
    ("fedex", "FedEx"),
    ("fedex", "TNT"),
    ("gls", "GLS"),
    ("dpd", "DPD"),
    ("colisprive", "Colis Privé"),
    ("relaiscolis", "Relais Colis"),
    ("geodis", "Geodis"),
    ("postnord", "PostNord"),
    ("inpost", "InPost"),
)

DELIVERY_MODES: Mapping[str, tuple[str, int]] = {"TRK": ("Suivi", 3), "REG": ("Recommandé", 4)}

REASONS: Mapping[str, Mapping[str, str]] = {
    "seller-out-of-stock": {"fr": "Rupture de stock", "en": "Out of stock", "es": "Sin existencias"},
    "seller-wrong-price": {"fr": "Erreur de prix", "en": "Wrong price", "es": "Precio erróneo"},
    "seller-cannot-deliver": {"fr": "Livraison impossible", "en": "Cannot deliver", "es": "Entrega imposible"},
}
LANGUAGES = ("fr-FR", "en-US", "es-ES")

_PLACES: Mapping[str, tuple[tuple[str, str, str], tuple[str, str, str]]] = {
    "FR": (("12 allée des Essais", "31000", "Toulouse"), ("3 place Fictive", "69001", "Lyon")),
    "PL": (("ul. Przykładowa 1", "00-001", "Warszawa"), ("ul. Próbna 2", "30-001", "Kraków")),
    "SE": (("Provvägen 1", "111 20", "Stockholm"), ("Exempelgatan 2", "411 01", "Göteborg")),
    "DE": (("Musterstraße 1", "10115", "Berlin"), ("Probeweg 2", "20095", "Hamburg")),
}
_ELSEWHERE = (("1 Example Street", "1000", "Sampleton"), ("2 Specimen Road", "2000", "Testford"))


def billing_address(country: str, business: bool) -> Json:
    """Where the invoice goes; on a business order with a company and its VAT number."""
    street, postcode, city = _PLACES.get(country, _ELSEWHERE)[0]
    address: Json = {
        "civility": "Mme",
        "firstName": "Ada",
        "lastName": "Specimen",
        "companyName": "SPECIMEN SARL" if business else None,
        "addressLine1": street,
        "addressLine2": None,
        "addressLine3": None,
        "postalCode": postcode,
        "city": city,
        "stateOrRegion": None,
        "countryCode": country,
    }
    return address | ({"companyVatNumber": f"{country}00000000001"} if business else {})


def shipping_address(country: str, *, second: bool = False, pickup: bool = False) -> Json:
    """Where a line goes: home, somewhere else, or a pick-up point."""
    street, postcode, city = _PLACES.get(country, _ELSEWHERE)[1 if second else 0]
    return {
        "civility": None if pickup else "Mme",
        "firstName": "Grace" if second else "Ada",
        "lastName": "Specimen",
        "companyName": None,
        "pickupName": "RELAIS DE LA GARE" if pickup else None,
        "pickupId": "012345" if pickup else None,
        "addressLine1": street,
        "addressLine2": None if pickup else "Bât. C",
        "addressLine3": None,
        "postalCode": postcode,
        "city": city,
        "stateOrRegion": None,
        "countryCode": country,
        "phone": "+33600000000",
        "email": "x0a1b2c3@relay.example.test",
    }
