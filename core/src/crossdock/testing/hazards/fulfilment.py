"""Hazards of orders that exist in the system: shipments that are reported, and marketplace orders that are accepted."""

from __future__ import annotations

from crossdock.errors import ConnectorError, UnsupportedError
from crossdock.records import Order, Shipment
from crossdock.session import Decision, Receipt
from crossdock.store.ledger import Effect
from crossdock.testing.hazards.hazard import Finding, NotApplicable, hazard, needs
from crossdock.testing.hazards.orders import demand_settled, key_of, lost, writes
from crossdock.testing.project import open_project
from crossdock.testing.stage import Stage


def _report(stage: Stage, order: Order, shipment: Shipment) -> Receipt:
    return stage.connector.push_shipment(stage.session, shipment, order, key_of(shipment))


def _times(stage: Stage, order: Order, shipment: Shipment) -> int:
    return list(stage.rehearsal.reported(order.key)).count(shipment.tracking_number)


@hazard(
    "shipment-arrives", "bronze",
    "The parcel is on its way, and the customer asks where it is, because the number never came to the shop.",
    needs("push_shipment"),
)  # fmt: skip
def arrives(stage: Stage) -> None:
    """A shipment is reported on its own order, with its tracking number, once."""
    (first, parcel), (other, _) = stage.rehearsal.shipment(), stage.rehearsal.shipment()
    _report(stage, first, parcel)
    if (there := _times(stage, first, parcel)) != 1:
        raise Finding(f"The parcel {parcel.tracking_number} was reported {there} times on its order {first.key}.")
    if _times(stage, other, parcel):
        raise Finding(f"The parcel of order {first.key} was reported on {other.key}.")


@hazard(
    "answer-to-a-shipment-lost", "bronze",
    "The shop took the parcel number, its answer was lost, and the customer gets two mails of two parcels.",
    needs("push_shipment"),
)  # fmt: skip
def shipment_lost(stage: Stage) -> None:
    """The real engine reports shipments while each write is cut off in turn: each is there once."""
    can_ask = stage.subject.can("find_shipment")
    with open_project(stage) as project:
        order, parcel = stage.rehearsal.shipment()
        effects: list[Effect] = []
        all_writes = writes(stage, lambda: effects.extend(project.ship(order, parcel)))
        there = _times(stage, order, parcel)
        demand_settled(effects, there, can_ask, f"Parcel {parcel.tracking_number}", "")
        for kind in ("cut_after", "cut_before"):
            for write in all_writes:
                order, parcel = stage.rehearsal.shipment()
                with lost(stage, kind, write):
                    effects = project.ship(order, parcel)
                where = f" when write {all_writes.index(write) + 1} is cut off ({kind})"
                there = _times(stage, order, parcel)
                demand_settled(effects, there, can_ask, f"Parcel {parcel.tracking_number}", where)


@hazard(
    "asked-for-a-shipment", "bronze",
    "After a lost answer another parcel is taken for this one, and it is never reported.",
    needs("push_shipment", "find_shipment"),
)  # fmt: skip
def asked(stage: Stage) -> None:
    """`find_shipment` finds nothing before the shipment was reported and one report afterwards, on its own order."""
    (order, parcel), (other, second) = stage.rehearsal.shipment(), stage.rehearsal.shipment()
    _demand_found(stage, order, parcel, 0, "before it was reported")
    _report(stage, other, second)
    _demand_found(stage, order, parcel, 0, "when only one of another order was reported")
    _report(stage, order, parcel)
    stage.forget()
    _demand_found(stage, order, parcel, 1, "when it was reported once")


def _demand_found(stage: Stage, order: Order, parcel: Shipment, wanted: int, when: str) -> None:
    try:
        found = stage.connector.find_shipment(stage.session, parcel, order, key_of(parcel))
    except UnsupportedError as error:
        raise NotApplicable(str(error)) from error
    if len(found) != wanted:
        raise Finding(f"Asked for {parcel.tracking_number} {when} it found {len(found)} instead of {wanted}.")


def _decide(stage: Stage, order: Order, *, accept: bool) -> None:
    known = Receipt(external_id=order.key, number=order.number)
    decision = Decision(accept=accept, reason="" if accept else "It is out of stock.")
    stage.connector.accept_order(stage.session, known, decision)


@hazard(
    "order-accepted-or-refused", "bronze",
    "An order is promised that cannot be delivered, or one expires that could have been.",
    needs("accept_order"),
)  # fmt: skip
def decided(stage: Stage) -> None:
    """An accepted order is accepted there, a refused one refused, others are left alone."""
    yes, no, other = (stage.rehearsal.waiting_order() for _ in range(3))
    _decide(stage, yes, accept=True)
    _decide(stage, no, accept=False)
    for order, wanted in ((yes, True), (no, False), (other, None)):
        said = stage.rehearsal.decided(order.key)
        if said is not wanted:
            names = {True: "accepted", False: "refused", None: "undecided"}
            raise Finding(f"The order {order.key} is {names[said]} there instead of {names[wanted]}.")


@hazard(
    "acceptance-repeated", "silver",
    "The answer to an acceptance was lost, the next try is an error, and a person looks for what is wrong.",
    needs("accept_order"),
)  # fmt: skip
def accepted_again(stage: Stage) -> None:
    """Accepting is repeated after a lost answer, and the second time does no harm."""
    for write in writes(stage, lambda: _decide(stage, stage.rehearsal.waiting_order(), accept=True)):
        order = stage.rehearsal.waiting_order()
        try:
            with lost(stage, "cut_after", write):
                _decide(stage, order, accept=True)
        except ConnectorError:
            _again(stage, order)
        if stage.rehearsal.decided(order.key) is not True:
            raise Finding(f"The order {order.key} is not accepted after its answer was lost.")
        _again(stage, order)


def _again(stage: Stage, order: Order) -> None:
    try:
        _decide(stage, order, accept=True)
    except ConnectorError as error:
        raise Finding(f"Accepting {order.key} a second time became {type(error).__name__}: {error}") from error


HAZARDS = (arrives, shipment_lost, asked, decided, accepted_again)
