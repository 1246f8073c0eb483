"""Customers written to Extend Commerce: found by number or e-mail first, so that none is made twice."""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from crossdock import Customer, OutcomeUnknownError, Receipt, RecordError, Session, TransientError
from crossdock.mapping import text
from crossdock_extendcommerce import wire
from crossdock_extendcommerce.ordering import create
from crossdock_extendcommerce.outgoing import from_customer
from crossdock_extendcommerce.reading import WrappedListing
from crossdock_extendcommerce.settings import Settings


def push(session: Session[Settings], customer: Customer, key: str, known: Receipt | None) -> Receipt:
    """Create the customer, or update the one that is known or has this number or e-mail address.

    `key` is not stored: customers have no field for it, so number and e-mail are what tells them apart.
    """
    number = known.external_id if known else _find(session, customer)
    body = from_customer(customer, session.settings)
    if number:
        changed = msgspec.structs.replace(body, customer_number=number, post_template=None)
        session.http.put(
            f"Customers/{quote(number, safe='')}", wire.body(changed), budget="customers",
            timeout=float(session.settings.write_timeout),
        )  # fmt: skip
        return Receipt(external_id=number, number=number)
    answer = create(session, "Customers", wire.body(body), "customers")
    try:
        number = text(answer.decode(wire.CUSTOMER).customer_number)
    except (TransientError, RecordError):
        number = ""
    number = number or _find(session, customer)
    if not number:
        raise OutcomeUnknownError(
            f"Extend Commerce accepted customer {customer.ref} ({key}) without naming its number."
        )
    return Receipt(external_id=number, number=number)


def _find(session: Session[Settings], customer: Customer) -> str:
    """The number of the one customer with this number, else with this e-mail address; empty when there is none."""
    if customer.number and customer.number in _listed(session, {"customerNumber": customer.number}, customer):
        return customer.number
    if not customer.email:
        raise RecordError(
            f"Customer {customer.ref} has no e-mail address, so it cannot be told whether it exists already.",
            path="email",
        )
    found = _listed(session, {"email2": customer.email}, customer)
    if len(found) > 1:
        raise RecordError(
            f"{len(found)} customers of Extend Commerce have the e-mail address of customer {customer.ref}: "
            f"{', '.join(sorted(found))}.",
            path="email",
        )
    return found[0] if found else ""


def _listed(session: Session[Settings], params: dict[str, str], customer: Customer) -> list[str]:
    """The customers that really match: a filter may be ignored or match parts."""
    rows = WrappedListing(
        session, "Customers", params, wire.CUSTOMER_ITEM, "customers", field="customer_list"
    ).rows(lambda item: text(item.customer_number))  # fmt: skip
    email = customer.email.casefold()
    return [
        text(row.value.customer_number)
        for row in rows
        if row.value
        and (
            text(row.value.customer_number) == params["customerNumber"]
            if "customerNumber" in params
            else email in ((row.value.email2 or "").casefold(), (row.value.invoice_email or "").casefold())
        )
    ]
