"""A connector to `depot.Depot` that does everything, plainly; installed as a plugin by `engine_kit`.

What a test wants to go wrong is scripted in the connection's settings: `broken` names a hook that raises a bug, `loses`
a stream whose pages lose a row.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import attrs

from crossdock import (
    Address,
    Balance,
    ByKeys,
    Check,
    ConnectorInfo,
    Customer,
    Endpoint,
    Gap,
    Order,
    OrderLine,
    Outcome,
    Page,
    Preview,
    Price,
    Receipt,
    RecordError,
    Refund,
    Secret,
    Shipment,
    StillRunning,
    header_auth,
    hookimpl,
    setting,
)

NAME = "depot"
OPTIONS = {}


@attrs.frozen(kw_only=True)
class Settings:
    url: str = setting("Address")
    token: Secret = setting("Token")
    order_start: datetime | None = setting("Order start", default=None)
    page_size: int = setting("Rows of a page", default=100)
    broken: str = setting("A hook that raises a bug", default="")
    loses: str = setting("A stream whose pages lose a row", default="")


def endpoint(settings):
    return Endpoint(base_url=settings.url, auth=header_auth("X-Token", settings.token), read_timeout=5.0)


@hookimpl
def connector_info():
    given = {"find_after": timedelta(seconds=10), "write_batch": 10, "push_concurrency": 2, **OPTIONS}
    return ConnectorInfo(name=NAME, title="Depot", settings=Settings, endpoint=endpoint, **given)


@hookimpl
def verify(session):
    session.http.get("/ping")
    yield Check(name="Token", state="ok")


def time(text):
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def bug(session, hook, key=""):
    if session.settings.broken in (hook, f"{hook} {key}"):
        raise KeyError("quantity")


def to_order(row):
    if row["total"] == "broken":
        raise RecordError("The total is no number.", path="total", key=row["id"])
    if row["status"] == "hidden":
        return "hidden in the depot"
    total = Decimal(row["total"])
    references = {"external": row["reference"]} if row.get("reference") else {}
    lines = tuple(
        to_line(key, line) for key, line in enumerate(row.get("lines") or [{"total": row["total"], **row}], 1)
    )
    return Order(
        key=row["id"], number="N" + row["id"], status=row["status"], raw_status=row["status"], currency="EUR",
        total=total, lines=lines, needs_acceptance=row.get("waits", False), fulfilled_by=row.get("by", "seller"),
        note=row.get("note", ""), references=references, placed_at=time(row.get("placed")),
        updated_at=time(row.get("changed")), accept_by=time(row.get("answer")), ship_by=time(row.get("leaves")),
        refunds=tuple(Refund(key=key, total=Decimal("1.00"), reason="broken") for key in row.get("refunds", ())),
    )  # fmt: skip


def to_line(key, row):
    total = Decimal(row.get("total", "0.00"))
    return OrderLine(
        key=str(key), sku=row.get("sku", "A"), quantity=Decimal(row.get("quantity", 1)), unit_price=total, total=total,
        status=row.get("state", ""), ship_to=Address(city=row["city"]) if "city" in row else None,
    )  # fmt: skip


def to_shipment(row):
    return Shipment(key=row["id"], order_key=row["order"], tracking_number=row["tracking"])


def to_balance(row):
    sku, _, warehouse = row["id"].partition("@")
    if row["count"] == "many":
        raise RecordError("The count is no number.", path="count", key=row["id"])
    return Balance(sku=sku, warehouse=warehouse, available=Decimal(row["count"]), as_of=time(row.get("changed")))


def to_price(row):
    return Price(sku=row["id"], amount=Decimal(row["amount"]), currency="EUR")


def to_customer(row):
    return Customer(key=row["id"], name=row["name"], email=row.get("email", ""))


def walk(session, stream, query, to_record):
    bug(session, f"fetch_{stream}")
    size = session.settings.page_size
    if isinstance(query, ByKeys):
        rows = session.http.get(f"/{stream}", {"ids": ",".join(query.keys)}).json()["rows"]
        yield page(session, stream, rows, to_record, None)
        return
    cursor = query.cursor or "0"
    while True:
        rows = session.http.get(f"/{stream}", {"since": cursor, "limit": size}).json()["rows"]
        if rows:
            cursor = str(rows[-1]["at"])
            yield page(session, stream, rows, to_record, cursor)
        if len(rows) < size:
            return


def page(session, stream, rows, to_record, cursor):
    records, rejects, skipped = [], [], {}
    for row in rows:
        try:
            made = to_record(row)
        except RecordError as error:
            error.payload = repr(row).encode()
            rejects.append(error)
            continue
        if isinstance(made, str):
            skipped[made] = skipped.get(made, 0) + 1
        else:
            records.append(made)
    if session.settings.loses == stream:
        records.pop()
    made = min((row["made"] for row in rows if "made" in row), default=None)
    return Page(tuple(records), cursor, tuple(rejects), skipped=skipped, seen=len(rows), read_at=time(made))


@hookimpl
def fetch_orders(session, query):
    yield from walk(session, "orders", query, to_order)


@hookimpl
def fetch_shipments(session, query):
    yield from walk(session, "shipments", query, to_shipment)


@hookimpl
def fetch_balance(session, query):
    yield from walk(session, "balance", query, to_balance)


@hookimpl
def fetch_prices(session, query):
    yield from walk(session, "prices", query, to_price)


@hookimpl
def fetch_customers(session, query):
    yield from walk(session, "customers", query, to_customer)


@hookimpl
def push_order(session, order, key, known):
    bug(session, "push_order before", order.key)
    lines = [{"sku": line.sku, "quantity": str(line.quantity)} for line in order.lines]
    body = {"reference": key, "total": str(order.total), "note": order.note, "sku": order.lines[0].sku,
            "status": order.status, "lines": lines}  # fmt: skip
    if known is not None:
        session.http.put(f"/orders/{known.external_id}", body)
        return known
    try:
        made = session.http.post("/orders", body, create=True).json()
    except RecordError as error:
        if error.vendor_message == "unknown sku":
            error.gap = Gap("sku", order.lines[0].sku)
        raise
    bug(session, "push_order after", order.key)
    return Receipt(external_id=made["id"], number="N" + made["id"])


@hookimpl
def find_order(session, key):
    rows = session.http.get("/orders", {"reference": key}).json()["rows"]
    return [Receipt(external_id=row["id"], number="N" + row["id"]) for row in rows]


@hookimpl
def preview_order(session, order, key):
    body = f"{key} {order.total} {order.note}"
    problems = ("The order has no money in it.",) if not order.total else ()
    return Preview(body=body, hash=f"hash of {body}", total=str(order.total), currency="EUR", problems=problems)


@hookimpl
def accept_order(session, known, decision):
    body = {"accept": decision.accept, "reason": decision.reason}
    session.http.request("POST", f"/orders/{known.external_id}/decision", json=body)
    return Receipt(external_id=known.external_id)


@hookimpl
def push_status(session, update, order, key):
    session.http.put(f"/orders/{order.key}/status", {"status": update.raw_status})
    return Receipt(external_id=order.key)


@hookimpl
def push_shipment(session, shipment, order, key):
    body = {"reference": key, "tracking": shipment.tracking_number}
    made = session.http.post(f"/orders/{order.key}/reports", body, create=True).json()
    return Receipt(external_id=made["id"])


@hookimpl
def find_shipment(session, shipment, order, key):
    rows = session.http.get(f"/orders/{order.key}/reports").json()["rows"]
    return [Receipt(external_id=row["id"]) for row in rows if row["tracking"] == shipment.tracking_number]


@hookimpl
def push_customer(session, customer, key, known):
    session.http.put(f"/customers/{key}", {"name": customer.name})
    return Receipt(external_id=key)


@hookimpl
def push_balance(session, balances):
    bug(session, "push_balance")
    rows = {balance.key: str(balance.available) for balance in balances}
    return outcomes(session.http.request("POST", "/published", json=rows).json())


@hookimpl
def push_prices(session, prices):
    rows = {price.key: str(price.amount) for price in prices}
    job = session.http.request("POST", "/imports", json=rows).json()["job"]
    return [Outcome(key=price.key, state="submitted", job=job) for price in prices]


@hookimpl
def check_job(session, job):
    answer = session.http.get(f"/imports/{job}").json()
    return outcomes(answer) if answer["finished"] else StillRunning(60)


def outcomes(answer):
    return [
        Outcome(key=row["key"], state=row["state"], message=row.get("message", ""),
                gap=Gap("sku", row["key"]) if row.get("gap") else None)
        for row in answer["rows"]
    ]  # fmt: skip
