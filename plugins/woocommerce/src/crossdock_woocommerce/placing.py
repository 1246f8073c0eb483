"""Writing orders without ever making one twice (section 5).

WooCommerce has no idempotency key and no filter on meta data. So the key goes into the order's meta data, the time
before sending is remembered, and after a lost answer the orders made since are listed and their meta data compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from crossdock import Address, Charge, Gap, Order, OrderLine, Receipt, RecordError, Session
from crossdock.mapping import round_money
from crossdock.paging import offset_pages
from crossdock_woocommerce import offers, wire
from crossdock_woocommerce.api import api, created
from crossdock_woocommerce.mapping import KEY_META
from crossdock_woocommerce.orders import naive
from crossdock_woocommerce.settings import Settings
from crossdock_woocommerce.stocking import Place, Refusal, look_up

# Wide enough for clocks that differ; the list is short, since only ids and meta data are asked for.
_MARGIN = timedelta(hours=1)
_WINDOW = timedelta(days=3)
_SENT = "sent"

# "refunded" is left out: setting it makes a refund record although no money moves (section 4).
_SLUGS: Mapping[str, str] = {
    "draft": "pending",
    "pending": "pending",
    "on_hold": "on-hold",
    "processing": "processing",
    "partially_shipped": "processing",
    "shipped": "completed",
    "completed": "completed",
    "cancelled": "cancelled",
    "deleted": "cancelled",
    "failed": "failed",
}
_DEAD = frozenset(("cancelled", "deleted", "failed", "refunded"))
FINAL = frozenset(("completed", "cancelled", "refunded", "trash"))


# -- creating and updating ---------------------------------------------------------------------------


def push_order(session: Session[Settings], order: Order, key: str, known: Receipt | None) -> Receipt:
    """Create the order, or bring a known one up to date."""
    if known is not None:
        return _update(session, order, known)
    body = from_order(order, key, _places(session, order))
    if not session.memory.get_many(_SENT, [key]):  # the first time counts: that try may have arrived
        session.memory.put_many(_SENT, {key: session.clock.now().isoformat()})
    made = created(api(session).post("orders", body, create=True), wire.ORDER)
    return receipt(session, made.id, made.number, made.status, note=_differences(order, made))


def _places(session: Session[Settings], order: Order) -> dict[str, Place]:
    """The product of each SKU, asked afresh: WooCommerce accepts a line with an unknown SKU or id (section 0.8)."""
    for index, line in enumerate(order.lines):
        if not line.sku:
            raise RecordError(f"Line {line.key} has no SKU.", path=f"lines[{index}].sku")
        if line.quantity != line.quantity.to_integral_value():
            raise RecordError(
                f"WooCommerce takes whole quantities; line {line.key} has {line.quantity}.",
                path=f"lines[{index}].quantity",
            )
    found = look_up(session, (line.sku for line in order.lines))
    places: dict[str, Place] = {}
    for sku, place in found.items():
        if isinstance(place, Refusal):
            raise RecordError(str(place), path="lines.sku", gap=place.gap)
        if place.kind in offers.CONTAINERS:
            raise RecordError(f"{sku} is a {place.kind} product; order one of its variations.", path="lines.sku")
        places[sku] = place
    return places


def _differences(order: Order, made: wire.Order) -> str:
    """What the shop stored otherwise: it works out taxes by its own rates."""
    notes = []
    total = Decimal(str(made.total or 0))
    if total != order.total:
        notes.append(f"The shop states a total of {total}, the order {order.total}.")
    asked, kept = sorted(line.sku for line in order.lines), sorted(str(line.sku or "") for line in made.line_items)
    if asked != kept:
        notes.append(f"The shop stored the SKUs {kept} instead of {asked}.")
    return " ".join(notes)


def _update(session: Session[Settings], order: Order, known: Receipt) -> Receipt:
    """Bring status, addresses, note and payment reference up to date, and refuse what a person has to change.

    Only what differs is sent: a PUT that changes nothing would come back as a change.
    """
    shop = api(session)
    now = shop.get(f"orders/{known.external_id}").decode(wire.ORDER)
    dead, done = order.status in _DEAD, now.status in FINAL
    body: dict[str, Any] = {} if dead or done else _moved(order, now)
    note = ""
    slug = _SLUGS.get(order.status)
    if order.status == "refunded" and now.status == "completed":
        note = "Refunded after it was completed: make the refund in the shop, where the money is."
    elif slug and slug != now.status and done:
        note = f"The order is {now.status} in the shop and was not reopened."
    elif slug and slug != now.status:
        body["status"] = slug
    if order.payment.reference and order.payment.reference != str(now.transaction_id or ""):
        body["transaction_id"] = order.payment.reference
    if body:
        now = shop.put(f"orders/{known.external_id}", body).decode(wire.ORDER)
        if body.get("status", now.status) != now.status:
            raise RecordError(f"The shop kept the status {now.status} instead of {body['status']}.", path="status")
    _check_person(order, now)
    return receipt(session, now.id, now.number, now.status, note=note)


def _check_person(order: Order, now: wire.Order) -> None:
    """Raise a `RecordError` for what only a person can do: the ledger must not take it for done."""
    if order.status in _DEAD:
        ended = ("cancelled", "refunded", "trash", "failed", *(["completed"] if order.status == "refunded" else []))
        if now.status not in ended:
            raise RecordError(
                f"Order {now.number} is {now.status} in the shop although it is {order.status} where it came from.",
                path="status",
                hint="Stop it in the shop, or make the refund there, where the money is; then replay this.",
            )
    elif now.status not in FINAL and (difference := _other_goods(order, now)):
        raise RecordError(
            f"Order {now.number} has other goods in the shop than it should have: {difference}.",
            path="lines",
            hint="Change its lines in the shop, then replay this.",
        )


def _moved(order: Order, now: wire.Order) -> dict[str, Any]:
    """Addresses and note, as far as the shop has others."""
    body: dict[str, Any] = {}
    for name, address, there, email in (
        ("billing", order.billing, now.billing, order.customer.email),
        ("shipping", order.shipping_address, now.shipping, ""),
    ):
        wanted = _contact(address, email) if address else {}
        if any(str(getattr(there, field, "") or "") != value for field, value in wanted.items()):
            body[name] = wanted
    if order.note and order.note != (now.customer_note or ""):
        body["customer_note"] = order.note
    return body


def _other_goods(order: Order, now: wire.Order) -> str:
    """How the goods differ; empty when they are the same, or when the shop does not say what its lines are."""
    wanted, there = Counter[str](), Counter[str]()
    for line in order.lines:
        wanted[line.sku.casefold()] += int(line.quantity)
    for row in now.line_items:
        there[str(row.sku or "").casefold()] += int(Decimal(str(row.quantity or 0)))
    if there[""]:
        return ""
    skus = sorted({line.sku for line in order.lines} | {str(row.sku) for row in now.line_items}, key=str.casefold)
    other = {sku for sku in skus if wanted[sku.casefold()] != there[sku.casefold()]}
    return ", ".join(f"{there[sku.casefold()]} instead of {wanted[sku.casefold()]} of {sku}" for sku in sorted(other))


def cancel_order(session: Session[Settings], known: Receipt, reason: str) -> Receipt:
    """Cancel an order and tell why in a private note; a completed or refunded one is a `RecordError`."""
    shop = api(session)
    now = shop.get(f"orders/{known.external_id}").decode(wire.ORDER)
    if now.status in ("completed", "refunded"):
        raise RecordError(f"Order {now.number} is {now.status} and can no longer be cancelled.", path="status")
    if now.status not in ("cancelled", "trash"):
        if reason:
            shop.post(f"orders/{now.id}/notes", {"note": f"Cancelled: {reason}", "customer_note": False}, safe=True)
        now = shop.put(f"orders/{now.id}", {"status": "cancelled"}).decode(wire.ORDER)
    return receipt(session, now.id, now.number, now.status)


def receipt(session: Session[Settings], number: int, name: str | int | None, status: str, note: str = "") -> Receipt:
    """The receipt of an order, with the page a shop manager opens it on."""
    return Receipt(
        external_id=str(number), number=str(name or number), status=status, note=note,
        url=f"{session.settings.address}/wp-admin/post.php?post={number}&action=edit",
    )  # fmt: skip


# -- finding -----------------------------------------------------------------------------------------


def find_order(session: Session[Settings], key: str) -> Sequence[Receipt]:
    """All orders whose meta data hold `key`, of those made since it was sent (or in the last three days)."""
    sent = session.memory.get_many(_SENT, [key]).get(key)
    since = datetime.fromisoformat(sent) - _MARGIN if sent else session.clock.now() - _WINDOW
    return [
        receipt(session, row.id, row.number, row.status)
        for row in _recent(session, since)
        if any(each.key == KEY_META and each.value == key for each in row.meta_data)
    ]


def _recent(session: Session[Settings], since: datetime) -> Iterator[wire.OrderMark]:
    # "any" leaves out the trash and checkout drafts, also when they are named beside it (section 3, measured).
    for status in ("any", "trash", "checkout-draft"):

        def read(offset: int, limit: int, status: str = status) -> list[wire.OrderMark]:
            return api(session).get("orders", {
                "after": naive(since), "dates_are_gmt": "true", "orderby": "id", "order": "desc", "status": status,
                "per_page": limit, "offset": offset, "_fields": "id,number,status,meta_data",
            }).decode(wire.MARKS)  # fmt: skip

        try:
            for page in offset_pages(read, lambda row: str(row.id)):
                yield from page
        except RecordError:
            if status != "checkout-draft":  # shops without block checkout refuse the word
                raise


# -- the body ----------------------------------------------------------------------------------------


def from_order(order: Order, key: str, places: Mapping[str, Place]) -> dict[str, Any]:
    """The order as WooCommerce wants it.

    Coupons are not sent, because one that the shop does not know leaves a draft order behind (section 0.8): what they
    took off is in the lines, and a discount outside the lines becomes a negative fee without tax.
    """
    slug = _slug(order)
    body: dict[str, Any] = {
        "status": "processing" if slug == "pending" and order.payment.paid else slug,
        "currency": order.currency,
        "customer_note": order.note,
        "payment_method": order.payment.method,
        "payment_method_title": order.payment.title,
        "transaction_id": order.payment.reference,
        "line_items": [_line(line, order, places[line.sku]) for line in order.lines],
        "shipping_lines": [_shipping(each, order) for each in order.charges if each.kind == "shipping"],
        "fee_lines": [*(_fee(each, order) for each in order.charges if each.kind != "shipping"), *_rebates(order)],
        "meta_data": [
            {"key": KEY_META, "value": key},
            {"key": "_external_id", "value": order.key},
            {"key": "_external_number", "value": order.ref},
        ],
    }
    if order.billing or order.customer.email:
        body["billing"] = _contact(order.billing or Address(), order.customer.email)
    if order.shipping_address:
        body["shipping"] = _contact(order.shipping_address, "")
    return {name: value for name, value in body.items() if value not in ("", [])}


def _slug(order: Order) -> str:
    """The status to create the order with; a `RecordError` for one that cannot be created."""
    if order.status == "refunded":
        raise RecordError("A refunded order is not created in the shop: there is nothing to deliver.", path="status")
    known = _SLUGS.get(order.status) or (order.raw_status if order.raw_status in _SLUGS.values() else "")
    if not known:
        raise RecordError(
            f"The order's status {order.raw_status!r} means nothing to WooCommerce.", path="status",
            gap=Gap("status", order.raw_status),
        )  # fmt: skip
    return known


def _line(line: OrderLine, order: Order, place: Place) -> dict[str, Any]:
    total = _net(line.total, line.tax, order)
    subtotal = line.total + line.discount
    if order.prices_include_tax and line.total:
        subtotal = round_money(subtotal * total / line.total, order.currency)
    made: dict[str, Any] = {
        "product_id": place.parent or place.id,
        "quantity": int(line.quantity),
        "subtotal": format(subtotal, "f"),
        "total": format(total, "f"),
    }
    if place.parent:
        made["variation_id"] = place.id
    if line.name:
        made["name"] = line.name
    meta = line.extras.get("meta_data")
    if isinstance(meta, Mapping):
        made["meta_data"] = [{"key": name, "value": value} for name, value in meta.items()]
    return made


def _net(amount: Decimal, tax: Decimal, order: Order) -> Decimal:
    return amount - tax if order.prices_include_tax else amount


def _shipping(charge: Charge, order: Order) -> dict[str, Any]:
    return {
        "method_id": charge.code or "flat_rate",
        "method_title": charge.name or "Shipping",
        "total": format(_net(charge.total, charge.tax, order), "f"),
    }


def _fee(charge: Charge, order: Order) -> dict[str, Any]:
    return {
        "name": charge.name or charge.code or "Fee",
        "total": format(_net(charge.total, charge.tax, order), "f"),
        "tax_status": "taxable" if charge.tax else "none",
    }


def _rebates(order: Order) -> Iterator[dict[str, Any]]:
    for each in order.discounts:
        if not each.in_lines:
            yield {"name": each.code or "Discount", "total": format(-each.amount, "f"), "tax_status": "none"}


def _contact(address: Address, email: str) -> dict[str, Any]:
    first, _, last = address.name.rpartition(" ")
    fields = {
        "first_name": first or last, "last_name": last if first else "", "company": address.company,
        "address_1": address.street, "address_2": ", ".join(filter(None, (address.street2, address.street3))),
        "city": address.city, "state": address.region, "postcode": address.postcode, "country": address.country,
        "phone": address.phone, "email": address.email or email,
    }  # fmt: skip
    return {name: value for name, value in fields.items() if value}
