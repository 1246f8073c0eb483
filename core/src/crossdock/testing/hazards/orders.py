"""Hazards of orders that are written: lost answers, repeats, refusals, changes, previews."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from crossdock.engine.bench import describe
from crossdock.errors import ConnectorError, OutcomeUnknownError, RecordError, UnsupportedError
from crossdock.http.delivery import Marker, delivery
from crossdock.records import Order, evolve
from crossdock.sandbox import Impossible
from crossdock.session import Receipt
from crossdock.store.ledger import Effect
from crossdock.testing.hazards.hazard import Finding, NotApplicable, attribute, hazard, needs, several
from crossdock.testing.project import ORIGIN, open_project
from crossdock.testing.stage import Stage

_MOST_WRITES = 6
_READS = ("GET", "HEAD", "OPTIONS")


def order(stage: Stage) -> Order:
    """An order that the system takes."""
    made: Order = stage.rehearsal.make("orders", 1)[0]
    return made


def key_of(record: Any) -> str:
    """The idempotency key that the engine gives to a record of the origin."""
    return f"{ORIGIN}-{record.key}"


def push(stage: Stage, record: Order, known: Receipt | None = None) -> Receipt:
    """Hand an order to the connector, as the engine does."""
    return stage.push(record, key_of(record), known)


def writes(stage: Stage, act: Callable[[], Any]) -> list[tuple[str, int]]:
    """The requests that change something while `act` runs: method, and the how-manieth of that method it is."""
    before = len(stage.requests())
    act()
    methods = [each["method"] for each in stage.requests()[before:] if each["method"] not in _READS]
    return [(method, methods[:index].count(method)) for index, method in enumerate(methods)][:_MOST_WRITES]


@contextlib.contextmanager
def lost(stage: Stage, kind: str, write: tuple[str, int]) -> Iterator[None]:
    """While the block runs, the answer to one write is lost, before or after the work was done."""
    fault = stage.sandbox.fault(kind, method=write[0], skip=write[1])
    try:
        yield
    finally:
        fault.times = 0


def _exists(stage: Stage, record: Order) -> int:
    return len(stage.rehearsal.created("orders", key_of(record)))


def demand_settled(effects: list[Effect], there: int, can_ask: bool, what: str, when: str) -> None:
    """Refuse an effect that did not come to exactly one thing there, or to a person where nobody can be asked."""
    if len(effects) != 1:
        raise Finding(f"{what} made {len(effects)} effects{when}.")
    effect = effects[0]
    if effect.state == "in_doubt" and not can_ask and there <= 1:
        return
    if there != 1:
        raise Finding(f"{what} exists {there} times there{when}; the ledger says {effect.state}: {effect.message}")
    if effect.state != "done":
        raise Finding(f"{what} is {effect.state}{when}: {effect.message}")


def _can_be_asked(stage: Stage) -> bool:
    if not stage.subject.can("find_order"):
        return False
    try:
        stage.connector.find_order(stage.session, f"{ORIGIN}-nothing")
    except UnsupportedError:
        return False
    return True


@hazard(
    "answer-to-an-order-lost", "bronze",
    "The ERP took the order and its answer was lost; it is sent again, and the customer gets everything twice.",
    needs("push_order"),
)  # fmt: skip
def order_lost(stage: Stage) -> None:
    """The real engine delivers orders while each write is cut off in turn: in the end each order exists once."""
    can_ask = _can_be_asked(stage)
    with open_project(stage) as project:
        first = order(stage)
        effects: list[Effect] = []
        all_writes = writes(stage, lambda: effects.extend(project.deliver("orders", first)))
        demand_settled(effects, _exists(stage, first), can_ask, f"Order {first.key}", "")
        for kind in ("cut_after", "cut_before"):
            for write in all_writes:
                made = order(stage)
                with lost(stage, kind, write):
                    effects = project.deliver("orders", made)
                where = f" when write {all_writes.index(write) + 1} is cut off ({kind})"
                demand_settled(effects, _exists(stage, made), can_ask, f"Order {made.key}", where)


@hazard(
    "create-repeated-blindly", "bronze",
    "A client repeats a request on its own when the answer is late, and nobody knows of the second order.",
    needs("push_order"),
)  # fmt: skip
def repeated(stage: Stage) -> None:
    """When an answer is lost, one call of the hook makes at most one order, and does not say that it failed."""
    for write in writes(stage, lambda: push(stage, order(stage))):
        made, marker = order(stage), Marker()
        token = delivery.set(marker)
        try:
            with lost(stage, "cut_after", write):
                push(stage, made)
        except OutcomeUnknownError:
            known = True
        except ConnectorError:
            known = marker.accepted
        else:
            known = True
        finally:
            delivery.reset(token)
        there = _exists(stage, made)
        if there > 1:
            raise Finding(f"One call made {there} orders when the answer to its {write[0]} was lost.")
        if there and not known and not stage.info.create_is_idempotent:
            raise Finding("The order exists, and the error says that it may be sent again; say create=True.")


@hazard(
    "same-key-twice", "bronze",
    "Two workers, or one that was restored from a backup, send the same order, and it is delivered twice.",
    needs("push_order"),
)  # fmt: skip
def same_key(stage: Stage) -> None:
    """A connector that calls its creates idempotent makes one order of two calls with one key."""
    if not stage.info.create_is_idempotent:
        raise NotApplicable("Its ConnectorInfo does not call creates idempotent, so the engine asks before it repeats.")
    made = order(stage)
    receipts = [push(stage, made), push(stage, made)]
    if (there := _exists(stage, made)) != 1:
        raise Finding(f"Two calls with the key {key_of(made)} made {there} orders.")
    if receipts[0].external_id != receipts[1].external_id:
        raise Finding(f"Two calls answered {receipts[0].external_id} and {receipts[1].external_id} for one order.")


@hazard(
    "asked-for-an-order", "bronze",
    "After a lost answer the wrong order is found, or none although it is there, and it is sent again or never.",
    needs("push_order", "find_order"),
)  # fmt: skip
def asked(stage: Stage) -> None:
    """`find_order` answers none, one or several as it is there, by the whole key, and knows what others did."""
    if not _can_be_asked(stage):
        raise NotApplicable("The system cannot be asked, as the connector says (UnsupportedError).")
    first = order(stage)
    longer = evolve(order(stage), key=f"{first.key}1")
    _demand_found(stage, longer, [], "before it was sent")
    push(stage, longer)
    _demand_found(stage, first, [], f"when there is only one under {key_of(longer)}")
    push(stage, first)
    stage.forget()
    _demand_found(stage, first, stage.rehearsal.created("orders", key_of(first)), "when it was sent once")
    with contextlib.suppress(Impossible):
        stage.rehearsal.double(key_of(first))
        _demand_found(stage, first, stage.rehearsal.created("orders", key_of(first)), "when somebody copied it")


def _demand_found(stage: Stage, record: Order, truth: Any, when: str) -> None:
    found = [each.external_id for each in stage.connector.find_order(stage.session, key_of(record))]
    if sorted(found) != sorted(truth):
        there, said = several(truth) or "none", several(found) or "none"
        raise Finding(f"Asked for {key_of(record)} {when} it found {said}, and there is {there}.")


def demand_written(stage: Stage, stream: str, key: str, record: Any, when: str = "") -> None:
    """Refuse what the system has of a record, where it is not what the record says."""
    fields = stage.rehearsal.written(stream, key)
    if not fields:
        raise Finding(f"Nothing of {record.key} is there{when}.")
    wanted = {path: attribute(record, path) for path in fields}
    wrong = [
        f"{path} is {fields[path]!r} instead of {wanted[path]!r}" for path in fields if fields[path] != wanted[path]
    ]
    if wrong:
        raise Finding(f"What the system has of {record.key} is something else{when}: {'; '.join(wrong[:3])}.")


@hazard(
    "order-arrives-exact", "bronze",
    "A total is rounded on its way into the ERP, and the invoice differs from what the customer paid.",
    needs("push_order"),
)  # fmt: skip
def arrives(stage: Stage) -> None:
    """What the system has of a new order is what the order says, to the last digit, under the receipt's id."""
    for made in stage.rehearsal.make("orders", 3):
        receipt = push(stage, made)
        ids = stage.rehearsal.created("orders", key_of(made))
        if receipt.external_id not in ids:
            raise Finding(
                f"The receipt says {receipt.external_id}, and under the key there is {several(ids) or 'none'}."
            )
        demand_written(stage, "orders", receipt.external_id, made)


@hazard(
    "known-order-is-updated", "bronze",
    "The customer changes the address, and instead of a changed order there are two.",
    needs("push_order"),
)  # fmt: skip
def updated(stage: Stage) -> None:
    """An order that is known is changed, and no second one is made."""
    made = order(stage)
    changed = stage.rehearsal.change(made)
    receipt = push(stage, made)
    again = push(stage, changed, receipt)
    if (there := _exists(stage, made)) != 1:
        raise Finding(f"There are {there} orders after a change.")
    if again.external_id != receipt.external_id:
        raise Finding(f"The change was answered with {again.external_id} instead of {receipt.external_id}.")
    demand_written(stage, "orders", receipt.external_id, changed, " after a change")


@hazard(
    "order-refused", "bronze",
    "The ERP refuses an order, and it counts as delivered, or stops all others, or nobody can read why.",
    needs("push_order"),
)  # fmt: skip
def refused(stage: Stage) -> None:
    """A refused order is a `RecordError` with the vendor's words, and the next one is taken."""
    bad, words = stage.rehearsal.refused("orders")
    error = demand_record_error(lambda: push(stage, bad), "An order that the system refuses")
    if words.casefold() not in describe(error).casefold():
        raise Finding(f"The system said {words!r}, and a person reads: {describe(error)}")
    if _exists(stage, bad):
        raise Finding("It was refused, and it exists there.")
    good = order(stage)
    push(stage, good)
    if _exists(stage, good) != 1:
        raise Finding("The order after a refused one did not arrive.")


def demand_record_error(act: Callable[[], Any], what: str) -> RecordError:
    """The `RecordError` that `act` ends with; raises `Finding` when it ends otherwise."""
    try:
        answer = act()
    except RecordError as error:
        return error
    except ConnectorError as error:
        raise Finding(f"{what} became {type(error).__name__} instead of RecordError: {error}") from error
    raise Finding(f"{what} was answered as if it were done: {answer!r:.200}")


@hazard(
    "order-of-an-unknown-product", "silver",
    "A product is missing in the ERP, and each of its orders has to be opened and mended by hand.",
    needs("push_order"),
)  # fmt: skip
def unknown(stage: Stage) -> None:
    """A SKU that the system does not have is a gap with that SKU, and nothing is left behind there."""
    made = stage.rehearsal.strange(order(stage))
    error = demand_record_error(lambda: push(stage, made), "An order of an unknown product")
    sku = made.lines[0].sku
    if error.gap is None or (error.gap.kind, error.gap.value) != ("sku", sku):
        raise Finding(f"The error has no gap for the SKU {sku}, but {error.gap}: {error}")
    if _exists(stage, made):
        raise Finding("An order was made there without its product.")


@hazard(
    "preview-is-what-is-sent", "bronze",
    "A person approves one order, and another one is sent that takes effect at once.",
    needs("preview_order"),
)  # fmt: skip
def preview(stage: Stage) -> None:
    """A preview writes nothing, is the same each time, is another one for another order, and is what is sent."""
    made, other = order(stage), order(stage)
    previews: list[Any] = []

    def look() -> None:
        asked = (made, made, other)
        previews.extend(stage.connector.preview_order(stage.session, each, key_of(each)) for each in asked)

    written = writes(stage, look)
    if _exists(stage, made):
        raise Finding(f"A preview made an order ({several(method for method, _ in written)}).")
    first, again, another = previews
    if not first.hash or (first.hash, first.body) != (again.hash, again.body):
        raise Finding(f"Two previews of one order differ: {first.hash!r} and {again.hash!r}.")
    if first.hash == another.hash:
        raise Finding("Two different orders have the same preview.")
    if first.problems:
        raise Finding(f"The preview of an order that the system takes finds: {' '.join(first.problems)}")
    asked = len(stage.exchanges)
    push(stage, made)
    bodies = [each.request_body for each in stage.exchanges[asked:] if each.method not in _READS]
    if bodies and first.body and not any(_same(first.body, body) for body in bodies):
        raise Finding(f"Shown was {first.body:.120}, and sent was {bodies[-1]:.120}")


def _same(shown: str, sent: str) -> bool:
    """Whether what was sent is what was shown; long bodies are recorded in part."""
    return "".join(shown.split()).startswith("".join(sent.split())) and bool(sent.strip())


def _placed(stage: Stage) -> Receipt:
    """An order that can be cancelled: one that was sent there, or one of the system's own."""
    if stage.subject.can("push_order"):
        return push(stage, order(stage))
    own = stage.rehearsal.waiting_order()
    return Receipt(external_id=own.key, number=own.number)


@hazard(
    "cancelled-order", "silver",
    "An order is cancelled here and delivered there, because nobody noticed that it could not be cancelled any more.",
    needs("cancel_order"),
)  # fmt: skip
def cancelled(stage: Stage) -> None:
    """A cancelled order is cancelled there; twice does no harm; one that has left is a `RecordError`."""
    known = _placed(stage)
    stage.connector.cancel_order(stage.session, known, "The customer wants it no more.")
    if not stage.rehearsal.cancelled(known.external_id):
        raise Finding(f"The order {known.external_id} was answered as cancelled, and is not.")
    with contextlib.suppress(RecordError):
        stage.connector.cancel_order(stage.session, known, "The customer wants it no more.")
    gone = _placed(stage)
    with contextlib.suppress(Impossible):
        stage.rehearsal.finish(gone.external_id)
        demand_record_error(
            lambda: stage.connector.cancel_order(stage.session, gone, "Too late."), "Cancelling an order that has left"
        )


HAZARDS = (order_lost, repeated, same_key, asked, arrives, updated, refused, unknown, preview, cancelled)
