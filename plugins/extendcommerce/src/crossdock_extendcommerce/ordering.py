"""Orders written to Extend Commerce: look up, create, change, cancel, so that one key makes one order.

The vendor does not refuse a repeated ``orderNumberExternal`` (vendor page section 12), so every create looks first, and
a create whose answer was lost is looked up before anything is sent again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from urllib.parse import quote

import msgspec

from crossdock import (
    AccessError,
    Answer,
    Gap,
    Order,
    OutcomeUnknownError,
    Receipt,
    RecordError,
    Session,
    TransientError,
    UnsupportedError,
    evolve,
)
from crossdock.mapping import text
from crossdock_extendcommerce import wire
from crossdock_extendcommerce.mapping import counted_rows, row_key
from crossdock_extendcommerce.outgoing import external_number, from_order
from crossdock_extendcommerce.reading import Detail, Listing
from crossdock_extendcommerce.settings import Settings
from crossdock_extendcommerce.totals import ZERO, amounts

# "From here no change is allowed" (vendor page sections 8 and 9).
FROZEN = {"Reserved", "PartiallyDelivered", "Terminated"}
FROZEN_ROWS = {"Reserved", "ReservedWithErros", "Picked"}
SHIPPED = {"PartiallyDelivered", "Terminated"}
GONE = {"cancelled", "deleted", "refunded", "failed"}

_DEADLOCK = re.compile("deadlock", re.IGNORECASE)


def find(session: Session[Settings], key: str) -> list[Receipt]:
    """All orders under `key`, cancelled ones too (their status says so).

    The filter may be ignored or match parts, so every row is compared.
    """
    wanted = external_number(key)
    rows = Listing(
        session, "CustomerOrders", {"orderNumberExternal": wanted}, wire.ORDER_ITEM, "orders"
    ).rows(lambda item: text(item.order_number))  # fmt: skip
    items = [row.value for row in rows if row.value and text(row.value.order_number_external) == wanted]
    found = {text(item.order_number): item for item in items if item.order_number}
    return [_receipt(number, item.order_status) for number, item in found.items()]


def push(session: Session[Settings], order: Order, key: str, known: Receipt | None) -> Receipt:
    """Create the order under `key`, or bring the one that exists up to date; see the module."""
    if known is None:
        found = find(session, key)
        living = [each for each in found if each.status != "Annulled"]
        if len(living) > 1:
            numbers = ", ".join(each.external_id for each in living)
            raise RecordError(
                f"Order {order.ref} exists {len(living)} times in Extend Commerce: {numbers}.",
                hint="Cancel all but one of them there, then replay.",
            )
        known = next(iter(living or found), None)
    if known is None:
        return _create(session, order, key)
    return _update(session, order, key, known)


def cancel(session: Session[Settings], known: Receipt, reason: str) -> Receipt:
    """Cancel an order that is not yet reserved; one that is cancelled already stays so."""
    existing = _detail(session, known.external_id)
    return _annul(session, known, existing, f" ({reason})" if reason else "")


def create(session: Session[Settings], path: str, body: msgspec.Raw, budget: str) -> Answer:
    """POST something that doing twice would make two of.

    A time-out that the vendor hides in a 400 leaves the outcome open; a deadlock was rolled back and does not.
    """
    try:
        return session.http.post(path, body, create=True, budget=budget, timeout=float(session.settings.write_timeout))
    except TransientError as error:
        if error.status == 400 and not _DEADLOCK.search(error.vendor_message):
            raise OutcomeUnknownError(
                error.message,
                hint="The write may have been done; it is looked up before resending.",
                status=400,
                vendor_message=error.vendor_message,
            ) from error
        raise


# -- create ----------------------------------------------------------------------------------------


def _create(session: Session[Settings], order: Order, key: str) -> Receipt:
    if order.status in GONE:
        raise RecordError(
            f"Order {order.ref} is {order.status} and was never sent to Extend Commerce, so there is nothing to do.",
            path="status",
        )
    if not session.settings.customer_number:
        raise UnsupportedError(
            "The connection does not say which customer webshop orders are booked on.",
            hint="Set customer_number to a customer of Extend Commerce.",
        )
    wanted = from_order(order, key, session.settings)
    try:
        answer = create(session, "CustomerOrders", wire.body(wanted), "orders")
    except RecordError as refused:
        _explain(session, order, refused)
        raise
    return _created(session, answer, key)


def _created(session: Session[Settings], answer: Answer, key: str) -> Receipt:
    try:
        header = answer.decode(wire.ORDER).order_header
    except (TransientError, RecordError):
        header = None  # it was accepted; its number is to be had by looking
    if header is not None and header.order_number:
        number = text(header.order_number)
        return _receipt(number, header.order_status)
    found = find(session, key)
    if len(found) == 1:
        return found[0]
    raise OutcomeUnknownError(
        f"Extend Commerce accepted the order without naming its number, and {len(found)} orders carry its key.",
        status=answer.status,
    )


def _explain(session: Session[Settings], order: Order, refused: RecordError) -> None:
    """Turn a refusal into a gap when the cause is an article that does not exist."""
    try:
        unknown = unknown_products(session, dict.fromkeys(line.sku for line in order.lines if line.quantity))
    except (AccessError, TransientError):
        return  # the user may not read products: the vendor's own words have to do
    if not unknown:
        return
    first = next(index for index, line in enumerate(order.lines) if line.sku == unknown[0])
    raise RecordError(
        f"Extend Commerce does not know {', '.join(unknown)} of order {order.ref}; it said: {refused.vendor_message}",
        path=f"lines[{first}].sku",
        gap=Gap("sku", unknown[0]),
        hint="Create the article in Extend Commerce, or map the SKU to one that exists.",
        status=refused.status,
        vendor_message=refused.vendor_message,
    ) from refused


def unknown_products(session: Session[Settings], numbers: Iterable[str]) -> list[str]:
    """Those of `numbers` that are no product; asked one by one, because service articles may not be listed."""
    detail = Detail(session=session, path="Products", decoder=wire.PRODUCT, budget="products")
    return [number for number in numbers if detail.maybe(number) is None]


# -- update and cancel -----------------------------------------------------------------------------


def _update(session: Session[Settings], order: Order, key: str, known: Receipt) -> Receipt:
    existing = _detail(session, known.external_id)
    status = _status(existing)
    receipt = _receipt(known.external_id, status)
    if order.status in GONE:
        if order.status == "refunded" and status in SHIPPED:
            return evolve(receipt, note="Refunded after it was shipped: book the return in Extend Commerce.")
        return _annul(session, known, existing, f" although it is {order.status} in the shop")
    if status == "Annulled":
        raise RecordError(
            f"Order {known.external_id} is cancelled in Extend Commerce, so order {order.ref} is not changed there.",
            path="status",
            hint="Cancel it in the shop too, or create it by hand.",
        )
    wanted = from_order(order, key, session.settings)
    if _content(wanted) == _content(existing) and _words(wanted) <= _words(existing):
        return receipt
    if _frozen(existing):
        raise RecordError(
            f"Order {known.external_id} is {_word(existing)} in Extend Commerce and can no longer be changed.",
            path="status",
            hint="Change it by hand in Extend Commerce, or undo the change in the shop.",
        )
    body = _changed(wanted, existing, known.external_id)
    session.http.put(
        _path(known.external_id), wire.body(body), budget="orders", timeout=float(session.settings.write_timeout)
    )
    return receipt


def _annul(session: Session[Settings], known: Receipt, existing: wire.CustomerOrder, why: str) -> Receipt:
    if _status(existing) != "Annulled":
        if _frozen(existing):
            raise RecordError(
                f"Order {known.external_id} is {_word(existing)} in Extend Commerce and cannot be cancelled{why}.",
                path="status",
                hint="Stop it in the warehouse, or let it come back as a return.",
            )
        try:
            session.http.delete(_path(known.external_id), budget="orders")
        except RecordError:
            # A deletion whose answer was lost is sent again, and refused because it was done.
            if _status(_detail(session, known.external_id)) != "Annulled":
                raise
    return _receipt(known.external_id, "Annulled")


def _changed(wanted: wire.CustomerOrder, existing: wire.CustomerOrder, number: str) -> wire.CustomerOrder:
    """The body that turns `existing` into `wanted`: rows keep position and warehouse, superfluous ones go inactive.

    A row that is taken out must carry its position *and its warehouse*, otherwise a new, cancelled row is added
    (vendor page section 7.1).
    """
    places = {row_key(row): row for row in existing.order_rows or () if row_key(row) and _active(row)}
    top = max((row.position or 0 for row in existing.order_rows or ()), default=0)
    rows: list[wire.OrderRow] = []
    for row in wanted.order_rows or ():
        place = places.pop(row_key(row), None)
        if place is not None and _number(place) == _number(row):
            row.position, row.sub_position = place.position, place.sub_position
            row.warehouse = place.warehouse or row.warehouse
        else:
            if place is not None:
                places[row_key(row)] = place
            top += 10
            row.position = top
        rows.append(row)
    kept = {(row.position, row.sub_position) for row in rows}
    gone = [row for row in existing.order_rows or () if _active(row) and (row.position, row.sub_position) not in kept]
    return wire.CustomerOrder(
        order_header=msgspec.structs.replace(wanted.order_header or wire.OrderHeader(), order_number=number),
        order_rows=[*rows, *map(_inactive, gone)],
    )


def _inactive(row: wire.OrderRow) -> wire.OrderRow:
    return wire.OrderRow(
        position=row.position,
        sub_position=row.sub_position,
        row_operation="Inactive",
        product=wire.RowProduct(product_number=_number(row)),
        sales_data=row.sales_data,
        supply_mode=row.supply_mode,
        warehouse=row.warehouse,
    )


def _content(order: wire.CustomerOrder) -> tuple[object, object]:
    """What counts as a change: the rows in money and quantity, and where the goods go."""
    rows: Counter[tuple[str, Decimal, Decimal, Decimal]] = Counter()
    for row in counted_rows(order):
        sold = row.sales_data or wire.SalesData()
        net, tax = amounts(row, sold.currency or "")
        rows[_number(row), sold.quantity or ZERO, net, tax] += 1
    to = order.order_header.delivery_address if order.order_header else None
    where = to and tuple(
        text(part).strip().casefold()
        for part in (to.name1, to.name2, to.address1, to.address2, to.postal_code, to.city, to.country_code)
    )
    return rows, where


def _words(order: wire.CustomerOrder) -> set[tuple[str, ...]]:
    """What is said in words: who pays, whom to call, what the customer and the printer want.

    More may be there, since people write into orders too.
    """
    header = order.order_header or wire.OrderHeader()
    bill = header.invoice_address or wire.Address()
    invoice = (bill.name, bill.address1, bill.address2, bill.postal_code, bill.city, bill.country_code)
    said: list[tuple[str, str, tuple[str | int | None, ...]]] = [
        ("note", "", (_notes(header.notations),)),
        ("phone", "", (header.deliery_phone_number,)),
        ("email", "", (header.delivery_email,)),
        ("invoice email", "", (header.invoice_email,)),
        ("invoice", "", invoice),
        *(("row", _number(row), (_notes(row.notations),)) for row in counted_rows(order)),
    ]
    plain = {(name, of, *(text(part).strip().casefold() for part in parts)) for name, of, parts in said}
    return {each for each in plain if any(each[2:])}


def _notes(notations: wire.Notations | None) -> str:
    return (notations.notes or "") if notations else ""


def _receipt(number: str, status: str | None) -> Receipt:
    return Receipt(external_id=number, number=number, status=status or "")


def _detail(session: Session[Settings], number: str) -> wire.CustomerOrder:
    return session.http.get(_path(number), budget="orders").decode(wire.ORDER)


def _path(number: str) -> str:
    return f"CustomerOrders/{quote(number, safe='')}"


def _status(order: wire.CustomerOrder) -> str:
    return (order.order_header.order_status or "") if order.order_header else ""


def _number(row: wire.OrderRow) -> str:
    return text(row.product.product_number) if row.product else ""


def _active(row: wire.OrderRow) -> bool:
    return row.order_row_status != "Annulled" and row.row_operation != "Inactive"


def _frozen(order: wire.CustomerOrder) -> bool:
    rows = order.order_rows or ()
    return _status(order) in FROZEN or any(row.order_row_status in FROZEN_ROWS for row in rows)


def _word(order: wire.CustomerOrder) -> str:
    return {"PartiallyDelivered": "partly delivered", "Terminated": "finished"}.get(_status(order), "reserved")
