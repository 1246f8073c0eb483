"""What we sent to XD and what we heard of it since, in the connection's durable memory.

XD offers no list of orders, so this is where our purchase orders are read from. Tables: ``sent`` and ``state``, each by
reference; ``number`` from XD's order number to the reference.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from crossdock import Address, Session
from crossdock_xdconnects.settings import Settings


class SentLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line as it was sent."""

    number: int
    key: str
    sku: str
    name: str
    quantity: int
    unit_price: Decimal


class Sent(msgspec.Struct, frozen=True, omit_defaults=True):
    """An order that left; `number` is XD's and empty until XD answered.

    `document` is the body that was sent, secrets masked, `hash` stands for it; `wanted` is what the order asked for.
    `under_way`: somebody is waiting for the answer, or crashed meanwhile.
    """

    reference: str
    sent_at: datetime
    document: str
    hash: str = ""
    wanted: str = ""
    shop_number: str = ""
    number: str = ""
    type: str = ""
    total: Decimal = Decimal(0)
    currency: str = ""
    ship_to: Address | None = None
    lines: tuple[SentLine, ...] = ()
    under_way: bool = False


class Parcels(msgspec.Struct, frozen=True, omit_defaults=True):
    """A shipment that XD told of; `lines` are pieces by line number."""

    key: str
    carrier: str = ""
    tracking_number: str = ""
    tracking_url: str = ""
    shipped_date: str = ""
    parcels: int = 1
    lines: dict[str, Decimal] = {}


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far an order is. `status` is neutral, `word` the vendor's last word, whether it was understood or not."""

    status: str
    changed_at: datetime
    heard_at: datetime
    word: str = ""
    furthest: str = ""
    told_at: datetime | None = None
    message: str = ""
    proof_status: str = ""
    proof_url: str = ""
    shipments: tuple[Parcels, ...] = ()


_SENT = msgspec.json.Decoder(Sent)
_STATE = msgspec.json.Decoder(State)
_encode = msgspec.json.Encoder(decimal_format="string").encode


def sent(session: Session[Settings], reference: str) -> Sent | None:
    """What was sent under `reference`, or `None`."""
    found = session.memory.get_many("sent", [reference]).get(reference)
    return _SENT.decode(found) if found else None


def all_sent(session: Session[Settings]) -> list[Sent]:
    """Every order that XD gave a number, oldest first."""
    found = [_SENT.decode(each) for each in session.memory.items("sent").values()]
    return sorted((each for each in found if each.number), key=lambda each: (each.sent_at, each.reference))


def keep_sent(session: Session[Settings], order: Sent) -> None:
    """Keep what was sent, with the number if there is one."""
    session.memory.put_many("sent", {order.reference: _encode(order).decode()})
    if order.number:
        session.memory.put_many("number", {order.number: order.reference})


def forget_sent(session: Session[Settings], reference: str) -> None:
    """Forget an order that certainly did not come into being, and what was heard of it."""
    session.memory.forget("sent", [reference])
    forget_state(session, reference)


def by_numbers(session: Session[Settings], numbers: tuple[str, ...]) -> list[Sent]:
    """The orders of ours with these numbers of XD's."""
    references = session.memory.get_many("number", numbers).values()
    found = [sent(session, reference) for reference in references]
    return [each for each in found if each is not None and each.number in numbers]


def state(session: Session[Settings], order: Sent) -> State:
    """How far an order is; as it was when it was sent, when nothing was heard since."""
    found = session.memory.get_many("state", [order.reference]).get(order.reference)
    if found:
        return _STATE.decode(found)
    return State(status="sent", changed_at=order.sent_at, heard_at=order.sent_at)


def keep_state(session: Session[Settings], order: Sent, state: State) -> None:
    """Keep how far an order is."""
    session.memory.put_many("state", {order.reference: _encode(state).decode()})


def forget_state(session: Session[Settings], reference: str) -> None:
    """Forget what was heard of an order."""
    session.memory.forget("state", [reference])
