"""The kit's own system, where records come from that are written to the connector under test.

It is a connector like any other, in a module, so that a process that is killed can load it, too. Its records stand in
a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import msgspec

from crossdock.connection import ConnectorInfo, Endpoint
from crossdock.hookspecs import hookimpl
from crossdock.records import Balance, Customer, Order, Price, Product, Shipment, from_document, to_document
from crossdock.session import Check, Page, Query, Session
from crossdock.settings import setting

ORIGIN = "origin"
"""Its connector and its connection."""
_DOCUMENTS = msgspec.json.Decoder(dict[str, list[msgspec.Raw]])


@attrs.frozen(kw_only=True)
class OriginSettings:
    """Where its records stand."""

    file: str = setting("File", help="The file with the records")


class Shelf:
    """The records of the origin by stream, in `file`."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.put({})

    def put(self, records: Mapping[str, Sequence[Any]]) -> None:
        """From now on there are these records and no others."""
        documents = {stream: [msgspec.Raw(to_document(each)) for each in them] for stream, them in records.items()}
        self.file.write_bytes(msgspec.json.encode(documents))

    def add(self, stream: str, records: Sequence[Any]) -> None:
        """There are more."""
        there = {name: list(_records(self.file, name)) for name in _DOCUMENTS.decode(self.file.read_bytes())}
        self.put({**there, stream: [*there.get(stream, ()), *records]})


def _records(file: Path, stream: str) -> tuple[Any, ...]:
    documents = _DOCUMENTS.decode(file.read_bytes()).get(stream, ())
    return tuple(from_document(stream, bytes(each)) for each in documents)


def _pages(session: Session[OriginSettings], stream: str) -> Iterator[Page[Any]]:
    records = _records(Path(session.settings.file), stream)
    yield Page(records, cursor="read", seen=len(records))


def _nowhere(_: OriginSettings) -> Endpoint:
    return Endpoint(base_url="http://127.0.0.1:9")


@hookimpl
def connector_info() -> ConnectorInfo:
    """It is never asked over HTTP."""
    return ConnectorInfo(name=ORIGIN, title="Origin", settings=OriginSettings, endpoint=_nowhere)


@hookimpl
def verify(session: Session[OriginSettings]) -> Sequence[Check]:
    """It is always there."""
    return [Check(name="Origin", state="ok")]


@hookimpl
def fetch_orders(session: Session[OriginSettings], query: Query) -> Iterator[Page[Order]]:
    """All orders."""
    return _pages(session, "orders")


@hookimpl
def fetch_shipments(session: Session[OriginSettings], query: Query) -> Iterator[Page[Shipment]]:
    """All shipments."""
    return _pages(session, "shipments")


@hookimpl
def fetch_products(session: Session[OriginSettings], query: Query) -> Iterator[Page[Product]]:
    """All products."""
    return _pages(session, "products")


@hookimpl
def fetch_prices(session: Session[OriginSettings], query: Query) -> Iterator[Page[Price]]:
    """All prices."""
    return _pages(session, "prices")


@hookimpl
def fetch_balance(session: Session[OriginSettings], query: Query) -> Iterator[Page[Balance]]:
    """All stock."""
    return _pages(session, "balance")


@hookimpl
def fetch_customers(session: Session[OriginSettings], query: Query) -> Iterator[Page[Customer]]:
    """All customers."""
    return _pages(session, "customers")
