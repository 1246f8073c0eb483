"""Invented buyers with addresses of their countries."""

from __future__ import annotations

from collections.abc import Mapping

from crossdock_mirakl.sandbox.wire import JsonObject

NAMES = (("Ada", "Specimen"), ("Émile", "Démo"), ("Zoë", "Muster"), ("Iván", "Prueba"), ("Åsa", "Exempel"))

# The country's label in the language of the marketplace, a city, a postcode, a state, a locale. The label is free
# text (vendor page section 5): only the code names the country.
PLACES: Mapping[str, tuple[str, str, str, str | None, str]] = {
    "FRA": ("France", "Toulouse", "31000", None, "fr_FR"),
    "DEU": ("Allemagne", "Musterstadt", "01067", None, "de_DE"),
    "ESP": ("Espagne", "Zaragoza", "50001", None, "es_ES"),
    "ITA": ("Italie", "Torino", "10121", None, "it_IT"),
    "PRT": ("Portugal", "Coimbra", "3000-001", None, "pt_PT"),
    "BEL": ("Belgique", "Namur", "5000", None, "fr_BE"),
    "NLD": ("Pays-Bas", "Utrecht", "3511 AB", None, "nl_NL"),
    "SWE": ("Suède", "Uppsala", "753 20", None, "sv_SE"),
    "GBR": ("Royaume-Uni", "York", "YO1 7HH", None, "en_GB"),
    "CHE": ("Suisse", "Lausanne", "1003", None, "fr_CH"),
    "USA": ("États-Unis", "Boston", "02108", "MA", "en_US"),
}
CURRENCIES: Mapping[str, str] = {"USA": "USD", "GBR": "GBP", "CHE": "CHF", "SWE": "SEK"}


def buyer(number: int, country: str, company: str) -> JsonObject:
    """The customer of the order with this number, without addresses."""
    first, last = NAMES[number % len(NAMES)]
    found: JsonObject = {
        "civility": None,
        "customer_id": f"CUST-{800_000 + number}",
        "firstname": first,
        "lastname": last,
        "locale": PLACES[country][4],
    }
    if company:
        address = {"city": PLACES[country][1], "country_iso_code": country, "state": PLACES[country][3]}
        found["organization"] = {
            "organization_id": f"ORG-{number}",
            "name": company,
            "identification_number": f"{number:014d}",
            "tax_identification_number": f"FR{number:011d}",
            "address": {**address, "street_1": f"{number % 90 + 1} allée des Essais", "street_2": None}
            | {"zip_code": PLACES[country][2]},
        }
    return found


def addresses(number: int, country: str, company: str, pickup_point: str | None) -> tuple[JsonObject, JsonObject]:
    """The billing and the shipping address."""
    label, city, postcode, state, _ = PLACES[country]
    first, last = NAMES[number % len(NAMES)]
    billing: JsonObject = {
        "city": city,
        "civility": None,
        "company": company or None,
        "company_2": None,
        "country": label,
        "country_iso_code": country,
        "firstname": first,
        "lastname": last,
        "phone": None,
        "phone_secondary": None,
        "state": state,
        "street_1": f"{number % 90 + 1} allée des Essais",
        "street_2": None,
        "zip_code": postcode,
    }
    delivery = billing | {
        "additional_info": "Code 0000, 2e étage" if number % 2 else None,
        "phone": "+33 6 00 00 00 00",
        "street_2": "Bât. C" if number % 3 == 0 else None,
    }
    if pickup_point:
        delivery |= {"company": "RELAIS DE LA GARE", "street_1": "3 place Fictive", "street_2": None}
    return billing, delivery
