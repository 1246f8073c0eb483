"""Customers (vendor page section 7.5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import attrs

from crossdock_extendcommerce.sandbox.clock import Clock, wire_date
from crossdock_extendcommerce.sandbox.fields import JsonObject
from crossdock_extendcommerce.sandbox.refusal import Refusal, during, not_found
from crossdock_extendcommerce.sandbox.stock import Emit

# What a template fills in when the caller left it out. The names are the sandbox's own.
TEMPLATES: Mapping[str, JsonObject] = {
    "WEBB-B2B": {
        "customerFinancialSettings": {"creditLimit": 20000, "defaultPaymentType": "Billing", "termsOfPayment": "30"},
        "customerClassification": {"customerType": "Business", "companyGroup": "DEMO"},
        "customerLogisticsSettings": {"customerFreightAgreement": "standard", "defaultPartialDelivery": "Unknown"},
    },
    "WEBB-B2C": {
        "customerFinancialSettings": {"creditLimit": 0, "defaultPaymentType": "CreditCard", "termsOfPayment": "0"},
        "customerClassification": {"customerType": "Private", "companyGroup": "DEMO"},
        "customerLogisticsSettings": {"customerFreightAgreement": "standard", "defaultPartialDelivery": "Unknown"},
    },
}
_EMPTY: JsonObject = dict.fromkeys(
    [
        "customerNumber",
        "postTemplate",
        "name",
        "lastName",
        "organizationNumber",
        "vatNumber",
        "vatRegistered",
        "invoiceEmail",
        "orderConfirmationEmail",
        "deliveryNoteEmail",
        "adviceToPhone",
        "phone",
        "homepage",
        "alfaSearch",
        "changeDate",
        "customerFinancialSettings",
        "customerClassification",
        "customerLogisticsSettings",
        "customerInvoiceAddress",
        "customerDeliveryAddress",
    ]
)
_LISTS = ("customerAdditionalDeliveryAddresses", "customerGroups", "customerContacts", "customerUsers")


@attrs.define
class Customer:
    """One customer: the vendor's model, when it changed, and its discount on every price in per cent."""

    model: JsonObject
    changed: datetime
    discount: Decimal = Decimal(0)

    @property
    def number(self) -> str:
        """The customer number."""
        return str(self.model["customerNumber"])

    @property
    def address(self) -> JsonObject:
        """The address goods go to."""
        return dict((self.model["customerDeliveryAddress"] or {}).get("address") or {})

    @property
    def partial_delivery(self) -> bool | None:
        """The customer's own setting; None leaves it to the client's."""
        setting = (self.model["customerLogisticsSettings"] or {}).get("defaultPartialDelivery")
        return {"Yes": True, "No": False}.get(setting or "")


class Customers:
    """The customers, by number."""

    def __init__(self, clock: Clock, emit: Emit) -> None:
        self.known: dict[str, Customer] = {}
        self._clock = clock
        self._emit = emit
        self._next = 10001

    def get(self, number: str | None) -> Customer:
        """The customer. Raises `Refusal` in the words of the order methods."""
        if number is None or number not in self.known:
            raise Refusal(f"Customer {number} does not exist.")
        return self.known[number]

    def seed(self, number: str, name: str | None, country: str, partial_delivery: str, discount: str) -> Customer:
        """A customer that has been there before."""
        place = {"address1": "Hamngatan 12", "postalCode": "55321", "city": "Jönköping", "country": country}
        model = {
            "customerNumber": number,
            "name": name or f"Kund {number}",
            "orderConfirmationEmail": "order@kund.example",
            "invoiceEmail": "faktura@kund.example",
            "phone": "+46360000000",
            "customerLogisticsSettings": {
                "customerFreightAgreement": "standard",
                "defaultPartialDelivery": partial_delivery,
            },
            "customerInvoiceAddress": {"name": name or f"Kund {number}", "address": place},
            "customerDeliveryAddress": {"address": place},
        }
        return self._store(_filled(model, TEMPLATES["WEBB-B2B"]), Decimal(str(discount)))

    def create(self, body: JsonObject) -> JsonObject:
        """POST: the new Customer. Raises `Refusal`."""
        with during("Error creating customer"):
            template = body.get("postTemplate")
            if template and template not in TEMPLATES:
                raise Refusal(f"Template {template} does not exist.")
            model = _filled(body, TEMPLATES.get(template or "", {}))
            _check(model)
            number = model.get("customerNumber")
            if number in self.known:
                raise Refusal(f"Customer {number} already exists.")
            if not number:
                model["customerNumber"] = f"K-{self._next}"
                self._next += 1
            customer = self._store(model)
        self._emit("CustomerCreated", [{"CustomerNumber": customer.number}])
        return self.render(customer)

    def update(self, number: str, body: JsonObject) -> JsonObject:
        """PUT: the changed Customer; what the body leaves out stays. Raises `Refusal`."""
        if number not in self.known:
            raise not_found()
        with during("Error updating customer"):
            customer = self.known[number]
            model = _filled({**body, "customerNumber": number}, customer.model)
            _check(model)
            self._store(model, customer.discount)
        self._emit("CustomerChanged", [{"CustomerNumber": number}])
        return self.render(self.known[number])

    def detail(self, number: str) -> JsonObject:
        """GET one. Raises `Refusal` (404)."""
        if number not in self.known:
            raise not_found()
        return self.render(self.known[number])

    def search(self, query: Mapping[str, str], since: datetime | None) -> list[Customer]:
        """The customers that the filters leave."""
        tests = [(column, exact, query[name]) for name, (column, exact) in _FILTERS.items() if query.get(name)]
        found = []
        for customer in self.known.values():
            row = self.list_row(customer) if tests else {}
            if since and customer.changed < since:
                continue
            if all(_fits(row.get(column), wanted, exact) for column, exact, wanted in tests):
                found.append(customer)
        return found

    def render(self, customer: Customer) -> JsonObject:
        """The Customer model as answered."""
        return {**customer.model, "changeDate": wire_date(customer.changed, customer.number)}

    def list_row(self, customer: Customer) -> JsonObject:
        """The CustomerListItem."""
        model = customer.model
        limit = (model["customerFinancialSettings"] or {}).get("creditLimit")
        return {
            "customerNumber": customer.number,
            "name": model["name"],
            "lastName": model["lastName"],
            "organizationNumber": model["organizationNumber"],
            "email2": model["orderConfirmationEmail"],
            "phoneNumber2": model["phone"],
            "deliveryAddress1": customer.address.get("address1"),
            "deliveryPostalCode": customer.address.get("postalCode"),
            "deliveryCity": customer.address.get("city"),
            "creditLimit": None if limit is None else str(limit),
            "creditLimitCurrency": "SEK",
            "changeDate": wire_date(customer.changed, customer.number),
            "invoiceEmail": model["invoiceEmail"],
        }

    def _store(self, model: JsonObject, discount: Decimal = Decimal(0)) -> Customer:
        customer = Customer({**_EMPTY, **{name: [] for name in _LISTS}, **model}, self._clock.now(), discount)
        self.known[customer.number] = customer
        return customer


_FILTERS: Mapping[str, tuple[str, bool]] = {
    "customernumber": ("customerNumber", True),
    "customernumbersearch": ("customerNumber", False),
    "name": ("name", False),
    "lastname": ("lastName", False),
    "organizationnumber": ("organizationNumber", True),
    "email2": ("email2", True),
    "phonenumber2": ("phoneNumber2", True),
    "deliveryaddress1": ("deliveryAddress1", False),
    "deliverypostalcode": ("deliveryPostalCode", True),
    "deliverycity": ("deliveryCity", False),
}


def _fits(value: Any, wanted: str, exact: bool) -> bool:
    compare: Callable[[str, str], bool] = str.__eq__ if exact else str.__contains__
    return compare(str(value or "").lower(), wanted.lower())


def _filled(given: Mapping[str, Any], base: Mapping[str, Any]) -> JsonObject:
    """`given` over `base`, objects inside likewise; null counts as not given."""
    merged = dict(base)
    for name, value in given.items():
        if isinstance(value, dict) and isinstance(base.get(name), dict):
            merged[name] = _filled(value, base[name])
        elif value is not None:
            merged[name] = value
    return merged


def _check(model: JsonObject) -> None:
    for name, longest in (("customerNumber", 100), ("name", 180)):
        if len(model.get(name) or "") > longest:
            raise Refusal(f"{name} is longer than {longest} characters.")
    if not model.get("name"):
        raise Refusal("name is required.")
    if not model.get("customerLogisticsSettings"):
        raise Refusal("customerLogisticsSettings is required.")
    address = (model.get("customerDeliveryAddress") or {}).get("address") or {}
    for name in ("address1", "postalCode", "city", "country"):
        if not address.get(name):
            raise Refusal(f"customerDeliveryAddress.address.{name} is required.")
