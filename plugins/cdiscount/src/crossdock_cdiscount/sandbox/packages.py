"""Offer packages: three steps, results that come later and live three days (vendor page section 8)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import attrs

from crossdock_cdiscount.sandbox.call import Answer, Call
from crossdock_cdiscount.sandbox.channels import CDISCOUNT, DELIVERY_MODES, Channel, Json, cents
from crossdock_cdiscount.sandbox.clock import Clock
from crossdock_cdiscount.sandbox.offers import Offers, by_cursor
from crossdock_cdiscount.sandbox.problem import Problem, conflict, invalid, not_found

TYPES = ("Upsert", "Update", "Delete")
REQUESTS_PER_CALL = 100
REQUESTS_PER_PACKAGE = 50_000
REFERENCE_MAX = 50
RESULTS_LIVE = timedelta(days=3)
_NEEDED = ("product", "condition", "price", "quantity", "preparationTime", "deliveryModes")
_REFUSED = "8000"


class Refused(Exception):
    """One offer of a package is not integrated; the text says why."""


@attrs.define
class Package:
    """A package; `requests` as posted, `results` once it is final at `ended`."""

    id: str
    channel: Channel
    type: str
    state: str = "WaitingForCompletion"
    requests: list[Json] = attrs.field(factory=list)
    results: list[Json] = attrs.field(factory=list)
    polls: int = 0
    ended: datetime | None = None


class Packages:
    """Takes packages and integrates one when its state has been asked for `polls` times after Ready."""

    def __init__(self, clock: Clock, offers: Offers, polls: int) -> None:
        self.packages: dict[str, Package] = {}
        self.refusals: dict[tuple[str | None, str], str] = {}  # by channel (None: all) and reference
        self.reject = 0  # how many of the next packages are Rejected as a whole
        self._clock = clock
        self._offers = offers
        self._polls = polls

    def create(self, call: Call) -> Answer:
        """POST /offer-packages: the id is in Content-Location and nowhere else."""
        where, kind = self._channel(call), call.object().get("packageType")
        if kind not in TYPES:
            raise invalid("packageType", f"The packageType field is one of {', '.join(TYPES)}.")
        key = str(uuid5(NAMESPACE_OID, f"package {len(self.packages)}"))
        self.packages[key] = Package(key, where, str(kind))
        return Answer(status=201, headers={"Content-Location": f"/offer-packages/{key}"})

    def fill(self, call: Call) -> Answer:
        """POST /offer-packages/{id}/offer-requests: all of the call or, with a `Problem`, none."""
        package, rows = self._find(call), call.array()
        if package.state != "WaitingForCompletion":
            raise conflict(f"The package is in state {package.state}; offers are added before it is Ready.")
        if len(rows) > REQUESTS_PER_CALL:
            raise invalid("$", f"At most {REQUESTS_PER_CALL} offer requests are allowed in a call.")
        if len(package.requests) + len(rows) > REQUESTS_PER_PACKAGE:
            raise invalid("$", f"At most {REQUESTS_PER_PACKAGE} offer requests are allowed in a package.")
        for index, row in enumerate(rows):
            _check_shape(f"[{index}]", row)
        package.requests += rows
        return Answer(status=201)

    def ready(self, call: Call) -> Answer:
        """PATCH /offer-packages/{id}: the package is complete and waits for its integration."""
        package = self._find(call)
        if call.object().get("state") != "Ready":
            raise invalid("state", "The state field can only be set to Ready.")
        if package.state != "WaitingForCompletion" or not package.requests:
            raise conflict(f"The package is in state {package.state} with {len(package.requests)} offer requests.")
        package.state = "IntegrationPending"
        return Answer(status=204)

    def status(self, call: Call) -> Answer:
        """GET /offer-packages/{id}: being asked for is what moves a package on."""
        package = self._find(call)
        if package.state == "IntegrationPending":
            if package.polls >= self._polls:
                self.integrate(package)
            package.polls += 1
        return Answer({"packageType": package.type, "state": package.state})

    def results(self, call: Call) -> Answer:
        """GET /offer-packages/{id}/offer-requests-results: for three days, by cursor."""
        package = self._find(call)
        if package.ended is None:
            raise conflict(f"The package is in state {package.state} and has no results yet.")
        if self._clock.now() > package.ended + RESULTS_LIVE:
            raise Problem(404, "The results of this package are no longer available.")
        ranked = [(f"{index:06d}", row) for index, row in enumerate(package.results)]
        rows, headers = by_cursor(ranked, call, lambda each: each[0])
        return Answer({"itemsPerPage": len(rows), "items": [row for _, row in rows]}, headers=headers)

    def integrate(self, package: Package) -> None:
        """Decide on every offer of the package. A package can be Integrated and hold nothing but refused offers."""
        package.ended = self._clock.now()
        if self.reject:
            self.reject -= 1
            package.state = "Rejected"
            return
        package.state = "Integrated"
        times = Counter(row["sellerExternalReference"] for row in package.requests)
        for row in package.requests:
            reference, word, results = row["sellerExternalReference"], "Integrated", []
            try:
                if times[reference] > 1:
                    word = "Duplicated"
                else:
                    self._apply(package, row)
            except Refused as refused:
                word, results = "Rejected", [{"resultCode": _REFUSED, "message": str(refused)}]
            package.results.append(
                {"sellerExternalReference": reference, "integrationStatus": word, "results": results}
            )

    def _apply(self, package: Package, row: Mapping[str, Any]) -> None:
        sku, key, offers = row["sellerExternalReference"], package.channel.id, self._offers
        for where in (key, None):
            if (where, sku) in self.refusals:
                raise Refused(self.refusals[where, sku])
        offer = offers.listed.get((key, sku))
        if package.type == "Upsert":
            _check_upsert(row)
            if not offers.on_cdiscount(sku) and key != CDISCOUNT:
                raise Refused("The product is not live on Cdiscount.")
        elif offer is None:
            raise Refused("The offer does not exist on this channel.")
        if offer is not None and package.type == "Delete":
            offers.remove(key, sku)
            return
        _check_values(row, package.channel)
        if offer is None:
            offer = offers.add(key, sku, Decimal(0), None)
        self._change(sku, row, key)

    def _change(self, sku: str, row: Mapping[str, Any], key: str) -> None:
        """What a request does not name stays as it is."""
        offer, price, product = self._offers.listed[key, sku], row.get("price") or {}, row.get("product") or {}
        offer.price = cents(Decimal(price.get("price", offer.price)))
        if "originPrice" in price:
            offer.origin_price = None if price["originPrice"] is None else cents(Decimal(price["originPrice"]))
        offer.taxes = price.get("taxes", offer.taxes)
        offer.gtin = product.get("gtin") or offer.gtin
        offer.condition = row.get("condition", offer.condition)
        offer.preparation_time = row.get("preparationTime", offer.preparation_time)
        offer.delivery_modes = row.get("deliveryModes", offer.delivery_modes)
        offer.updated = self._clock.now()
        if "quantity" in row:
            self._offers.set_stock(sku, row["quantity"])

    def _channel(self, call: Call) -> Channel:
        key = call.headers.get("saleschannelid", "")
        if not key:
            raise invalid("SalesChannelId", "The SalesChannelId header is required.")
        if key not in self._offers.channels:
            raise invalid("SalesChannelId", f"The seller has no sales channel {key}.")
        return self._offers.channels[key]

    def _find(self, call: Call) -> Package:
        where, package = self._channel(call), self.packages.get(call.path["package"])
        if package is None or package.channel != where:
            raise not_found("Package")
        return package


def _check_shape(where: str, row: Mapping[str, Any]) -> None:
    """What is refused when it is posted: types and lengths."""
    reference = row.get("sellerExternalReference")
    if not isinstance(reference, str) or not 0 < len(reference) <= REFERENCE_MAX:
        text = f"The sellerExternalReference field is required and has at most {REFERENCE_MAX} characters."
        raise invalid(f"{where}.sellerExternalReference", text)
    if "quantity" in row and (not isinstance(row["quantity"], int) or isinstance(row["quantity"], bool)):
        raise invalid(f"{where}.quantity", "The JSON value could not be converted to a whole number.")
    price = row.get("price", {})
    if not isinstance(price, dict) or ("price" in row and not _is_number(price.get("price"))):
        raise invalid(f"{where}.price", "The JSON value could not be converted: an object with a price is expected.")
    if price.get("originPrice") is not None and not _is_number(price["originPrice"]):
        raise invalid(f"{where}.price.originPrice", "The JSON value could not be converted to a number.")
    if not isinstance(row.get("product", {}), dict):
        raise invalid(f"{where}.product", "The JSON value could not be converted: an object is expected.")
    modes = row.get("deliveryModes", [])
    if not isinstance(modes, list) or not all(isinstance(each, dict) for each in modes):
        raise invalid(f"{where}.deliveryModes", "The JSON value could not be converted: an array is expected.")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, Decimal)) and not isinstance(value, bool)


def _check_upsert(row: Mapping[str, Any]) -> None:
    missing = [name for name in _NEEDED if name not in row]
    if missing:
        raise Refused(f"A new offer needs {', '.join(missing)}.")
    if not (row["product"].get("gtin") or row["product"].get("reference")):
        raise Refused("A new offer needs product.gtin or product.reference.")


def _check_values(row: Mapping[str, Any], where: Channel) -> None:
    price = row.get("price") or {}
    if row.get("quantity", 0) < 0:
        raise Refused("The quantity is negative.")
    if "price" in price and price["price"] <= 0:
        raise Refused("The price is not positive.")
    currency = price.get("currencyCode")
    if currency is not None and currency != where.submission:
        raise Refused(f"Prices of {where.id} are submitted in {where.submission}, not in {currency}.")
    unknown = [mode.get("code") for mode in row.get("deliveryModes", []) if mode.get("code") not in DELIVERY_MODES]
    if unknown:
        raise Refused(f"The delivery mode {unknown[0]} is not one of the account's: {', '.join(DELIVERY_MODES)}.")
