"""The right connector to the stall; the wrong ones beside it differ from it by a few lines each."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs
import msgspec

from crossdock import (
    Answer,
    Balance,
    ByKeys,
    Changed,
    Check,
    ConnectorInfo,
    Customer,
    Decision,
    Endpoint,
    Gap,
    Order,
    OrderLine,
    Outcome,
    Page,
    Preview,
    Price,
    Query,
    Receipt,
    RecordError,
    Secret,
    Session,
    Shipment,
    StillRunning,
    WebhookReply,
    WebhookRequest,
    header_auth,
    hookimpl,
    setting,
)
from crossdock.paging import ChangeFeed, Reading, chunks, walk_feeds


@attrs.frozen(kw_only=True)
class Settings:
    url: str = setting("Address", help="The address of the shop, for example https://stall.example")
    token: Secret = setting("Token", help="The shop's secret", where="Stall > Settings > API")
    webhook_secret: Secret = setting("Webhook secret", help="What webhooks are signed with", default=Secret(""))


class Row(msgspec.Struct):
    id: str
    total: str
    currency: str
    status: str
    changed: str
    changed_local: str


class Sketch(msgspec.Struct):
    id: str
    changed: str
    changed_local: str


ROW = msgspec.json.Decoder(Row)
STATUSES = {"new": "pending", "paid": "processing", "sent": "shipped"}


def endpoint(settings: Settings) -> Endpoint:
    return Endpoint(base_url=settings.url, auth=header_auth("X-Token", settings.token))


@hookimpl
def connector_info() -> ConnectorInfo:
    return ConnectorInfo(name="stall", title="Stall", settings=Settings, endpoint=endpoint, sandbox="stall:create")


@hookimpl
def verify(session: Session[Settings]) -> Iterable[Check]:
    session.http.get("ping")
    yield Check(name="Token", state="ok")


def moment(row: Any) -> datetime:
    return datetime.fromisoformat(row.changed).astimezone(UTC)


def written(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def amount(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError:
        raise RecordError(f"The total {text!r} is no number.", path="total") from None


def to_order(row: Row) -> Order:
    total = amount(row.total)
    return Order(
        key=row.id, number=row.id, status=STATUSES.get(row.status, "unknown"), raw_status=row.status, total=total,
        currency=row.currency, lines=(OrderLine(key="1", quantity=Decimal(1), unit_price=total, total=total),),
        updated_at=moment(row),
    )  # fmt: skip


def feed(session: Session[Settings]) -> ChangeFeed[Row]:
    def read(reading: Reading) -> Answer:
        bounds = {"from": reading.lo, "to": reading.hi}
        asked = {name: written(at) for name, at in bounds.items() if at is not None}
        order = "id" if reading.by_key else "changed"
        return session.http.get("orders", {"sort": order, "offset": reading.offset, "limit": reading.limit, **asked})

    return ChangeFeed(
        read=read, decoder=ROW, sketch=msgspec.json.Decoder(Sketch), key=lambda row: row.id, moment=moment
    )


@hookimpl
def fetch_orders(session: Session[Settings], query: Query) -> Iterator[Page[Order]]:
    if isinstance(query, ByKeys):
        for keys in chunks(query.keys, 100):
            rows = session.http.get("orders", {"ids": ",".join(keys)}).rows(ROW)
            yield session.page(rows, to_order)
        return
    for batch in walk_feeds({"orders": feed(session)}, query):
        yield session.page(batch.rows, to_order, cursor=batch.cursor, identify=lambda row: row.id)


# -- writing -----------------------------------------------------------------------------------------


def from_order(order: Order, key: str) -> dict[str, Any]:
    lines = [{"sku": line.sku, "quantity": str(line.quantity)} for line in order.lines]
    return {"reference": key, "total": str(order.total), "note": order.note, "lines": lines}


@hookimpl
def push_order(session: Session[Settings], order: Order, key: str, known: Receipt | None) -> Receipt:
    body = from_order(order, key)
    if known:
        session.http.put(f"orders/{known.external_id}", body)
        return known
    try:
        answer = session.http.post("orders", body, create=True)
    except RecordError as error:
        raise named(error, order) from error
    return Receipt(external_id=answer.json()["id"])


def named(error: RecordError, order: Order) -> RecordError:
    strange = [line.sku for line in order.lines if error.vendor_message.endswith(f"No product {line.sku}.")]
    if not strange:
        return error
    return RecordError(error.message, path="lines.sku", gap=Gap("sku", strange[0]), vendor_message=error.vendor_message)


@hookimpl
def find_order(session: Session[Settings], key: str) -> Sequence[Receipt]:
    rows = session.http.get("orders", {"reference": key}).json()
    return [Receipt(external_id=row["id"]) for row in rows if row["reference"] == key]


@hookimpl
def preview_order(session: Session[Settings], order: Order, key: str) -> Preview:
    body = msgspec.json.encode(from_order(order, key))
    return Preview(body=body.decode(), hash=hashlib.sha256(body).hexdigest())


@hookimpl
def cancel_order(session: Session[Settings], known: Receipt, reason: str) -> Receipt:
    session.http.post(f"orders/{known.external_id}/cancel", {"reason": reason}, safe=True)
    return known


@hookimpl
def accept_order(session: Session[Settings], known: Receipt, decision: Decision) -> Receipt:
    said = session.http.get(f"orders/{known.external_id}/accept").json()
    if said["accepted"] is not decision.accept:
        session.http.post(f"orders/{known.external_id}/accept", {"accepted": decision.accept})
    return known


@hookimpl
def push_shipment(session: Session[Settings], shipment: Shipment, order: Order, key: str) -> Receipt:
    body = {"carrier": shipment.carrier, "number": shipment.tracking_number}
    answer = session.http.post(f"orders/{order.key}/shipments", body, create=True)
    return Receipt(external_id=answer.json()["id"])


@hookimpl
def find_shipment(session: Session[Settings], shipment: Shipment, order: Order, key: str) -> Sequence[Receipt]:
    rows = session.http.get(f"orders/{order.key}/shipments").json()
    return [Receipt(external_id=row["number"]) for row in rows if row["number"] == shipment.tracking_number]


def outcome(key: str, row: dict[str, Any]) -> Outcome:
    if row["error"] is None:
        return Outcome(key=key, state="done")
    gap = Gap("sku", row["sku"]) if row["error"] == "unknown_product" else None
    return Outcome(key=key, state="rejected", message=row["error"], gap=gap)


@hookimpl
def push_balance(session: Session[Settings], balances: Sequence[Balance]) -> Iterable[Outcome]:
    body = [{"sku": balance.sku, "quantity": str(balance.available)} for balance in balances]
    rows = session.http.post("stock", body, safe=True).json()
    return [outcome(balance.key, row) for balance, row in zip(balances, rows, strict=True)]


@hookimpl
def push_prices(session: Session[Settings], prices: Sequence[Price]) -> Iterable[Outcome]:
    keys = {price.sku: price.key for price in prices}
    body = [{"sku": price.sku, "amount": str(price.amount)} for price in prices]
    job = session.http.post("prices", body, safe=True).json()["job"]
    session.memory.put_many(f"job {job}", keys)
    return [Outcome(key=price.key, state="submitted", job=job) for price in prices]


@hookimpl
def check_job(session: Session[Settings], job: str) -> Iterable[Outcome] | StillRunning:
    said = session.http.get(f"jobs/{job}").json()
    if said["state"] == "running":
        return StillRunning(30)
    if said["state"] == "failed":
        raise RecordError(f"The import failed: {said['message']}")
    keys = session.memory.items(f"job {job}")
    return [outcome(keys[row["sku"]], row) for row in said["items"]]


@hookimpl
def push_customer(session: Session[Settings], customer: Customer, key: str, known: Receipt | None) -> Receipt:
    session.http.put(f"customers/{key}", {"name": customer.name, "email": customer.email})
    return Receipt(external_id=key)


# -- webhooks ----------------------------------------------------------------------------------------


class Event(msgspec.Struct):
    order: str
    changed: str


@hookimpl
def handle_webhook(session: Session[Settings], request: WebhookRequest) -> WebhookReply:
    secret = session.settings.webhook_secret.reveal().encode()
    digest = hmac.new(secret, request.body, hashlib.sha256).hexdigest()
    if not secret or not hmac.compare_digest(digest, request.headers.get("x-stall-signature", "")):
        return WebhookReply(status=401)
    try:
        event = msgspec.json.decode(request.body, type=Event)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return WebhookReply(status=400)
    changed = Changed(stream="orders", keys=(event.order,))
    return WebhookReply(status=200, signals=(changed,), dedupe=f"{event.order} {event.changed}")
