"""Which parts of a record are about a person, and the record without them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from crossdock.records import Address, Customer, Order, Parcel, Shipment, evolve

MARK = "(erased)"
"""Stands where something about a person stood."""

STREAMS = ("orders", "customers", "shipments")
"""Streams whose records are about persons."""

_NOTE = "crossdock_erased"
_ADDRESS = ("name", "company", "street", "street2", "street3", "postcode", "city", "region", "phone", "email")
_PARTY = ("name", "company", "email", "phone", "vat_number")
_CUSTOMER = (*_PARTY, "organization_number")
_TELLING = ("name", "street", "phone", "email", "vat_number")
"""Fields whose values name one person, wherever they stand."""
_SHORTEST = 5


def is_erased(record: Any) -> bool:
    """Whether the record was stripped of everything about a person."""
    return _NOTE in record.extras


def without_person(record: Any, on: date) -> Any:
    """An order, customer or shipment without what is about a person; keys, goods, money, states and times stay.

    Free text goes as a whole: nobody can say what is in it. `on` is the day of erasing, which the record keeps.
    """
    note = {_NOTE: on.isoformat()}
    if isinstance(record, Order):
        return evolve(
            record,
            customer=evolve(_marked(record.customer, _PARTY), key=_key(record.customer.key)),
            billing=_address(record.billing),
            shipping_address=_address(record.shipping_address),
            lines=tuple(_line(line) for line in record.lines),
            refunds=tuple(_marked(refund, ("reason",)) for refund in record.refunds),
            note=_mark(record.note),
            extras=note,
        )
    if isinstance(record, Customer):
        return evolve(
            _marked(record, _CUSTOMER), billing=_address(record.billing),
            shipping_address=_address(record.shipping_address), extras=note,
        )  # fmt: skip
    if isinstance(record, Shipment):
        return evolve(
            _marked(record, ("tracking_number", "tracking_url")),
            parcels=tuple(Parcel(number=_mark(each.number), tracking_url=_mark(each.tracking_url))
                          for each in record.parcels),
            extras=note,
        )  # fmt: skip
    return record


def emails(record: Any) -> set[str]:
    """The e-mail addresses of whom an order or customer is about, in lower case."""
    return {each.email.casefold() for each in _parties(record) if each.email and each.email != MARK}


def telling(record: Any) -> set[str]:
    """Texts that name the person of an order or customer wherever they stand: names, streets, phones, addresses."""
    found = {str(getattr(each, name, "")) for each in _parties(record) for name in _TELLING}
    return {text for text in found if len(text) >= _SHORTEST and text != MARK}


def _parties(record: Any) -> Iterator[Any]:
    if isinstance(record, Order):
        yield record.customer
        yield from filter(None, (line.ship_to for line in record.lines))
    if isinstance(record, Customer):
        yield record
    if isinstance(record, Order | Customer):
        yield from filter(None, (record.billing, record.shipping_address))


def _line(line: Any) -> Any:
    return evolve(
        line,
        ship_to=_address(line.ship_to),
        decorations=tuple(_marked(each, ("artwork_url", "instructions")) for each in line.decorations),
        extras={},
    )


def _address(address: Address | None) -> Address | None:
    return _marked(address, _ADDRESS) if address else None


def _marked(value: Any, names: Iterable[str]) -> Any:
    """`value` with marks in those of its fields that are not empty."""
    return evolve(value, **{name: MARK for name in names if getattr(value, name)})


def _mark(text: str) -> str:
    return MARK if text else ""


def _key(key: str) -> str:
    """A customer's key at the vendor is a number like any other, unless it is an e-mail address."""
    return MARK if "@" in key else key
