"""The right connector to the stall; the wrong ones beside it differ from it by a few lines each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs
import msgspec

from crossdock import (
    Answer,
    ByKeys,
    Check,
    ConnectorInfo,
    Endpoint,
    Order,
    OrderLine,
    Page,
    Query,
    RecordError,
    Secret,
    Session,
    header_auth,
    hookimpl,
    setting,
)
from crossdock.paging import ChangeFeed, Reading, chunks, walk_feeds


@attrs.frozen(kw_only=True)
class Settings:
    url: str = setting("Address", help="The address of the shop, for example https://stall.example")
    token: Secret = setting("Token", help="The shop's secret", where="Stall > Settings > API")


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
