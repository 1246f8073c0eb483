"""Proving a connection step by step, without storing anything at the vendor."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from crossdock import AccessError, Answer, Check, RecordError, Session, TransientError, evolve
from crossdock.mapping import text
from crossdock_extendcommerce import wire
from crossdock_extendcommerce.ordering import unknown_products
from crossdock_extendcommerce.reading import stamp
from crossdock_extendcommerce.settings import Settings

_ARTICLES = {
    "freight_product": "shipping", "rounding_product": "rounding", "fee_product": "fees",
    "discount_product": "vouchers",
}  # fmt: skip
_ASK = "Ask Extend for credentials that include this method; users are permissioned per method."


def checks(session: Session[Settings]) -> Iterator[Check]:
    """Login, read rights, write rights (by an availability question that stores nothing), then what is not set."""
    login = _login(session)
    yield login
    if login.state == "fail":
        return
    yield _orders(session)
    stock, product, warehouse = _stock(session)
    yield stock
    yield _write(session, product, warehouse)
    yield from _articles(session)
    yield from _gaps(session.settings)


def _login(session: Session[Settings]) -> Check:
    name = "Address, login and client"
    answer = session.http.request("GET", "Countries", budget="lookups", raw=True)
    if answer.status == 200:
        try:
            count = len(answer.rows(wire.ORDER_ITEM))
        except TransientError as error:
            return Check(name=name, state="fail", detail=error.message, hint="Check the API address.")
        return Check(name=name, state="ok", detail=f"{count} countries can be read.")
    hints = {
        401: "Check user name, password and login header.",
        403: _ASK,
        404: "Check the API address (it ends with /RESTAPI) and the client's short name.",
        429: "The vendor's call limit is used up; try again in a minute.",
    }
    hint = "Correct the API address." if answer.status < 400 else "Try again later." if answer.status >= 500 else ""
    return _failed(name, answer, hints.get(answer.status, hint or "Check the API address."))


def _orders(session: Session[Settings]) -> Check:
    since = stamp(session.clock.now())
    answer = session.http.request(
        "GET", "CustomerOrders", {"modifiedDateFrom": since, "pageCount": 1, "pageOffset": 0}, budget="orders", raw=True
    )
    return _right("Read orders", answer)


def _stock(session: Session[Settings]) -> tuple[Check, str, str]:
    """Whether stock can be read; the warehouses seen; a product and its warehouse to ask about."""
    answer = session.http.request("GET", "ProductAvailability", {"pageNumber": 1}, budget="availability", raw=True)
    check = _right("Read stock", answer)
    if check.state != "ok":
        return check, "", ""
    try:
        listed = bytes(answer.decode(wire.WRAPPED).product_availability_list)
        rows = evolve(answer, content=listed).rows(wire.AVAILABILITY)
    except (TransientError, RecordError) as error:
        return Check(name="Read stock", state="fail", detail=error.message, hint="Check the API address."), "", ""
    found = [row.value for row in rows if row.value]
    warehouses = sorted({text(each.warehouse) for each in found if each.warehouse})
    chosen = session.settings.warehouses
    missing = [each for each in chosen if each not in warehouses]
    facts = {"warehouses": warehouses}
    near = [each for each in found if not chosen or text(each.warehouse) in chosen]
    one = (near or found or [wire.Availability()])[0]
    if missing and found:
        return (
            Check(name="Read stock", state="warn", detail=f"No stock was seen in {', '.join(missing)}.", facts=facts,
                  hint="Check the warehouses' short names; only the first hundred products were looked at."),
            text(one.product_number), text(one.warehouse),
        )  # fmt: skip
    detail = f"Warehouses: {', '.join(warehouses)}." if warehouses else "No stock is listed yet."
    return (
        Check(name="Read stock", state="ok", detail=detail, facts=facts),
        text(one.product_number),
        text(one.warehouse),
    )


def _write(session: Session[Settings], product: str, warehouse: str) -> Check:
    name, settings = "Write orders", session.settings
    if not settings.customer_number:
        return Check(
            name=name, state="warn", detail="Not tested: no customer number is set, so orders cannot be sent.",
            hint="Set customer_number to the customer that webshop orders are booked on.",
        )  # fmt: skip
    if not product:
        return Check(
            name=name, state="warn", detail="Not tested: there is no product to ask about.",
            hint="Verify again when there is stock.",
        )  # fmt: skip
    question = wire.CustomerOrder(
        order_header=wire.OrderHeader(
            order_type=settings.order_type, customer_number=settings.customer_number, freight_free=True,
            partial_delivery=False, asked_delivery_date=stamp(session.clock.now()) + "+00:00",
        ),
        order_rows=[
            wire.OrderRow(
                product=wire.RowProduct(product_number=product),
                sales_data=wire.SalesData(quantity=Decimal(1), unit=settings.unit),
                warehouse=warehouse or None,
            )
        ],
    )  # fmt: skip
    answer = session.http.request(
        "POST", "CustomerOrderATP", json=wire.body(question), budget="atp", raw=True, attempts=1
    )
    if answer.status == 400:
        return _failed(
            name, answer, "You may write, but a default is refused: check customer number, unit, order type."
        )
    return _right(name, answer, "An availability question was answered; nothing was stored.")


def _articles(session: Session[Settings]) -> Iterator[Check]:
    for field, what in _ARTICLES.items():
        article = getattr(session.settings, field)
        try:
            unknown = unknown_products(session, [article] if article else [])
        except AccessError:
            yield Check(
                name="Read products", state="warn", detail="The user may not read products; articles are not checked.",
                hint=_ASK,
            )  # fmt: skip
            return
        if unknown:
            yield Check(
                name=f"Article for {what}", state="fail", detail=f"There is no product {article!r}.",
                hint=f"Correct {field}.",
            )  # fmt: skip


def _gaps(settings: Settings) -> Iterator[Check]:
    unset = [what for field, what in _ARTICLES.items() if not getattr(settings, field)]
    if unset:
        yield Check(
            name="Articles", state="warn", detail=f"No article is set for {', '.join(unset)}.",
            hint="Orders with such rows will be parked until it is.",
        )  # fmt: skip
    if not settings.warehouses:
        yield Check(
            name="Warehouse", state="warn", detail="No warehouse is set: all are read, and Extend chooses for orders.",
            hint="Name the warehouse that the shop sells from.",
        )  # fmt: skip
    if not settings.price_customer_number:
        yield Check(
            name="Prices", state="warn", detail="No customer for prices is set, so prices cannot be read.",
            hint="Set price_customer_number if prices are wanted.",
        )  # fmt: skip
    if not settings.webhook_secret:
        yield Check(
            name="Webhooks", state="warn", detail="No webhook secret is set, so forged webhooks are not recognised.",
            hint="Enter the Secret of the webhook's form in Extend Commerce.",
        )  # fmt: skip


def _right(name: str, answer: Answer, detail: str = "") -> Check:
    if answer.status == 200:
        return Check(name=name, state="ok", detail=detail)
    return _failed(name, answer, _ASK if answer.status in (401, 403) else "Try again; if it lasts, ask Extend.")


def _failed(name: str, answer: Answer, hint: str) -> Check:
    said = answer.content[:200].decode("utf-8", "replace").strip()
    return Check(name=name, state="fail", detail=f"Answered {answer.status}: {said or 'without a message'}", hint=hint)
