"""Erasing one person: found along records, bindings and shipments; what money and stock need stays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime

import attrs
import msgspec

from crossdock.engine.bench import Bench
from crossdock.errors import RecordError, UsageError
from crossdock.http.redact import Redactor
from crossdock.personal import MARK, STREAMS, emails, is_erased, telling, without_person
from crossdock.records import Customer, Order, from_document, to_document
from crossdock.store.ledger import Effect
from crossdock.store.persons import BATCH, PLACES, Key
from crossdock.store.records import Prepared, Stored
from crossdock.store.store import Store

TITLES = {
    "exchange": "requests in the log", "inbox": "webhooks", "parked": "parked payloads", "effect": "effects",
    "attempt": "tries of effects", "event": "events", "run": "runs", "alert": "alerts", "notice": "messages of alerts",
    "connection": "connections", "memory": "notes of connectors", "record": "other records",
    "payload": "other payloads",
}  # fmt: skip


@attrs.frozen(kw_only=True)
class Found:
    """What is known of a person: their records, what is not delivered of these yet, and how they are named."""

    records: tuple[Stored, ...]
    open: tuple[Effect, ...]
    names: frozenset[str]
    addresses: frozenset[str]

    def count(self, stream: str) -> int:
        """How many records of a stream."""
        return sum(1 for each in self.records if each.stream == stream)


@attrs.frozen(kw_only=True)
class Swept:
    """What was erased (or would be): records by stream, payloads, and by their titles the texts elsewhere."""

    records: dict[str, int]
    payloads: int
    texts: dict[str, int]


def find_person(bench: Bench, *, email: str = "", customer: str = "", connection: str = "") -> Found:
    """Everything of the person with this e-mail address, or of the customer with this key at `connection`.

    Records are found by the address in them, then along bindings (the copy of an order in another system) and to their
    shipments. Customer keys are not followed from orders: an ERP books many customers' orders on one.
    """
    if bool(email) == bool(customer):
        raise UsageError("Who? Give an e-mail address, or a customer's key.")
    addresses = {email.strip().casefold()} if email else set()
    found: dict[Key, Stored] = {}
    if customer:
        for each in _of_customer(bench.store, customer, connection):
            found[_key(each)] = each
            addresses |= emails(each.record) if each.stream == "customers" else set()
    for address in sorted(addresses):
        found.update({_key(each): each for each in _of_address(bench.store, address)})
    found.update({_key(each): each for each in _copies(bench.store, list(found.values()))})
    found.update({_key(each): each for each in _shipments(bench.store, list(found.values()))})
    records = tuple(each for _, each in sorted(found.items()))
    names = {text for each in records for text in telling(each.record)} | addresses | ({email.strip()} - {""})
    return Found(
        records=records, open=tuple(bench.store.persons.open_effects(list(found))), names=frozenset(names),
        addresses=frozenset(addresses | {text for text in names if "@" in text and text.casefold() in addresses}),
    )  # fmt: skip


def erase_person(bench: Bench, found: Found, *, dry_run: bool = False) -> Swept:
    """Erase what `find_person` found, and every other text that names the person.

    Raises `UsageError` while something of it waits to be delivered. Nothing is sent because of it: the records keep
    their fingerprints and the ledger what was delivered.
    """
    store, now = bench.store, bench.clock.now()
    if found.open and not dry_run:
        names = ", ".join(sorted({f"{each.flow} {each.ref} ({each.state})" for each in found.open})[:5])
        raise UsageError(
            f"{len(found.open)} of this person's records are not delivered yet: {names}.",
            hint="Deliver them (crossdock push) or give them up (crossdock effects discard ID), then erase.",
        )
    # The records last: if this is broken off, they still say how the person is named.
    texts = _sweep(store, found, dry_run=dry_run)
    payloads = _erase(store, found.records, now, dry_run=dry_run)
    records = {stream: found.count(stream) for stream in STREAMS if found.count(stream)}
    if not dry_run:
        told = ", ".join(f"{number} {stream}" for stream, number in records.items()) or "no records"
        with store.transaction():
            store.journal.event("person erased", "erasure", f"{told}, {sum(texts.values())} other texts", now)
    return Swept(records=records, payloads=payloads, texts=texts)


def erase_old(store: Store, before: datetime, now: datetime, going: Callable[[], bool], *, dry_run: bool) -> int:
    """Take the person out of delivered orders and their shipments that did not change since `before`."""
    count = 0
    for stream in ("orders", "shipments"):
        after = ("", "")
        while going() and (rows := store.persons.old(stream, before, after)):
            after = rows[-1].connection, rows[-1].key
            _erase(store, rows, now, dry_run=dry_run)
            count += len(rows)
            if len(rows) < BATCH:
                break
    return count


def keep_erased(store: Store, connection: str, stream: str, rows: Sequence[Prepared], parked: Sequence[RecordError],
                now: datetime) -> list[Prepared]:  # fmt: skip
    """A page as it may be kept: records that were erased come without the person, whatever the vendor still has.

    Their fingerprints are those of what was read, so that only a real change counts as one.
    """
    gone = store.records.erased(connection, stream, [*(row.key for row in rows), *(each.key for each in parked)])
    for error in parked:
        if error.key in gone:
            error.payload, error.vendor_message = b"", MARK
    return [
        attrs.evolve(row, document=_document(row.record, now.date()), payload=b"") if row.key in gone else row
        for row in rows
    ]


# -- finding ---------------------------------------------------------------------------------------


def _of_address(store: Store, address: str) -> Iterator[Stored]:
    for stream in ("orders", "customers"):
        for each in store.persons.mentioned(stream, address):
            if address in emails(each.record):
                yield each


def _of_customer(store: Store, customer: str, connection: str) -> Iterator[Stored]:
    quoted = msgspec.json.encode(customer).decode()
    found = [each for stream in ("orders", "customers") for each in store.persons.mentioned(stream, quoted, connection)
             if _customer_key(each) == customer]  # fmt: skip
    places = sorted({each.connection for each in found})
    if len(places) > 1:
        raise UsageError(
            f"There are customers {customer} at {' and '.join(places)}, who need not be the same person.",
            hint=f"Name the connection: --connection {places[0]}",
        )
    yield from found


def _customer_key(stored: Stored) -> str:
    record = stored.record
    return str(record.customer.key if isinstance(record, Order) else record.key if isinstance(record, Customer) else "")


def _copies(store: Store, found: Sequence[Stored]) -> Iterator[Stored]:
    """The same orders and customers in other systems, along the bindings in both directions."""
    for each in found:
        places = [(bound.connection, bound.external_id)
                  for bound in store.records.bindings_of(each.connection, each.stream, each.key)]  # fmt: skip
        origins = store.records.origins(each.connection, each.stream, [each.key]).get(each.key, [])
        places += [(bound.source, bound.source_key) for bound in origins]
        for connection, key in places:
            stored = store.records.get(connection, each.stream, key)
            if stored is not None:
                yield stored


def _shipments(store: Store, found: Sequence[Stored]) -> Iterator[Stored]:
    for each in found:
        if each.stream == "orders":
            yield from store.records.by_refs(each.connection, "shipments", [each.key])


def _key(stored: Stored) -> Key:
    return stored.connection, stored.stream, stored.key


# -- erasing ---------------------------------------------------------------------------------------


def _erase(store: Store, rows: Iterable[Stored], now: datetime, *, dry_run: bool) -> int:
    """Records, payloads and delivered documents; answers how many payloads."""
    payloads = 0
    for row in rows:
        if dry_run:
            payloads += bool(store.records.payload(*_key(row)))
            continue
        with store.transaction():
            record = row.record
            document = row.document if is_erased(record) else _document(record, now.date())
            payloads += store.persons.replace(_key(row), document, now)
            for effect, sent in store.persons.sent(_key(row)):
                store.persons.replace_sent(effect, _sent(row.stream, sent, now.date()))
    return payloads


def _document(record: object, on: date) -> str:
    return to_document(without_person(record, on)).decode()


def _sent(stream: str, document: str, on: date) -> str | None:
    """What was delivered, without the person; nothing when it can no longer be read."""
    try:
        return _document(from_document(stream, document), on)
    except (msgspec.MsgspecError, ValueError, TypeError):
        return None


def _sweep(store: Store, found: Found, *, dry_run: bool) -> dict[str, int]:
    """Texts elsewhere: what is kept for work only where the address stands, logs and the like by every name."""
    strict, wide = Redactor(found.addresses, mask=MARK), Redactor(found.names, mask=MARK)
    # Vendors write first and last name apart; a log loses nothing when a body goes that only looks like it.
    full = [words for name in found.names if len(words := name.split()) > 1 and "@" not in name]
    gone = {_key(each) for each in found.records}

    def strictly(text: str) -> bool:
        return strict.text(text) != text

    def widely(text: str) -> bool:
        return wide.text(text) != text or any(all(word in text for word in words) for words in full)

    counts: dict[str, int] = {}
    for place in PLACES:
        skip = gone if place.table in ("record", "payload") else ()
        names, mask = (strictly, strict.text) if place.kept else (widely, wide.text)
        number = store.persons.sweep(place, names, mask, MARK, skip=skip, dry_run=dry_run)
        if number:
            counts[TITLES[place.table]] = counts.get(TITLES[place.table], 0) + number
    return counts
