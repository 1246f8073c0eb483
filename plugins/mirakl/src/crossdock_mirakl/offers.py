"""Reading the shop's offers: the list (OF21) for a few, the export (OF52, OF53, OF54) for many.

The list is meant for pages that people look at (vendor page section 3), so from some hundred offers on the export is
used: once a day in full, in between what changed. The full one is kept, because three streams and the price push need
it and only one a day is allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import msgspec

from crossdock import ByKeys, PluginError, Query, RecordError, Row, Session, TransientError, evolve
from crossdock.mapping import text
from crossdock.paging import chunks
from crossdock_mirakl import shopwire, wire
from crossdock_mirakl.api import DAY, PAGE, get, shop_id
from crossdock_mirakl.listing import Listed, counted
from crossdock_mirakl.settings import Settings

FEW = 300
"""Up to so many offers are listed, more are exported."""
_ONE_BY_ONE = 50
_OVERLAP = timedelta(minutes=5)
_FRESH = timedelta(minutes=1)
"""A full export that is younger needs no other for what changed since."""
_CATCH_UP = 2
_POLLS = 30
_FULL = "offers"

Rows = list[Row[shopwire.Offer]]


class Cursor(msgspec.Struct):
    """What changed until `at` was read."""

    at: datetime


_CURSOR = msgspec.json.Decoder(Cursor)
_ROWS = msgspec.json.Decoder(list[msgspec.Raw])


def pages(session: Session[Settings], query: Query) -> Iterator[tuple[Rows, str | None]]:
    """Offers that changed, or those with the named SKUs. A shop with few offers is read whole every time."""
    if isinstance(query, ByKeys):
        yield [row for sku in dict.fromkeys(query.keys) for row in _of_sku(session, sku)], None
        return
    since = _restore(query.cursor)
    if since is None:
        first = _listed(session, 0, PAGE)
        if first.total is not None and first.total <= FEW:
            for rows in _all_listed(session, first):
                yield rows, None
            return
        kept, since = _full(session)
        for rows in chunks(kept, 1000):
            yield rows, None
        if session.clock.now() - since < _FRESH:
            yield [], _cursor(since)
            return
    changed, at = _exported(session, since)
    for rows in chunks(changed, 1000):
        yield rows, None
    yield [], _cursor(at)


def _cursor(at: datetime) -> str:
    return msgspec.json.encode(Cursor(at)).decode()


def present(session: Session[Settings], skus: Iterable[str]) -> dict[str, shopwire.Offer]:
    """The offers with these SKUs as they stand now; what does not exist is left out."""
    wanted = set(skus)
    if len(wanted) <= _ONE_BY_ONE:
        rows: Iterable[Row[shopwire.Offer]] = [row for sku in sorted(wanted) for row in _of_sku(session, sku)]
    else:
        first = _listed(session, 0, PAGE)
        if first.total is not None and first.total <= FEW:
            rows = [row for page in _all_listed(session, first) for row in page]
        else:
            kept, since = _full(session)
            rows = list(kept)
            for _ in range(_CATCH_UP):  # an export that was asked for in an earlier run is as old as that
                if session.clock.now() - since < _FRESH:
                    break
                changed, since = _exported(session, since)
                rows = [*rows, *changed]
    found = {text(row.value.shop_sku): row.value for row in rows if row.value is not None}
    return {sku: offer for sku, offer in found.items() if sku in wanted and not offer.deleted}


def stamp(row: Row[shopwire.Offer]) -> tuple[str, str]:
    """SKU and currency of an offer, also of one that does not fit its type."""
    found: shopwire.Offer | shopwire.OfferStamp | None = row.value
    if found is None:
        try:
            found = shopwire.OFFER_STAMP.decode(row.raw)
        except msgspec.MsgspecError:
            return "", ""
    sku, currency = found.shop_sku, found.currency_iso_code
    return text(sku) if isinstance(sku, str | int) else "", currency if isinstance(currency, str) else ""


def _restore(cursor: str | None) -> datetime | None:
    try:
        return _CURSOR.decode(cursor).at if cursor else None
    except msgspec.MsgspecError as error:
        raise PluginError(f"The bookmark is not one of Mirakl's: {error}.", hint="Sync with --full.") from error


# -- the list (OF21) ---------------------------------------------------------------------------------


def _listed(session: Session[Settings], offset: int, limit: int) -> Listed[shopwire.Offer]:
    answer = get(session, "offers", "reads", max=limit, offset=offset, sort="productTitle", order="asc")
    found = answer.decode(shopwire.OFFERS)
    return Listed(evolve(answer, content=bytes(found.offers)).rows(shopwire.OFFER), found.total_count)


def _of_sku(session: Session[Settings], sku: str) -> Rows:
    answer = get(session, "offers", "reads", sku=sku, max=PAGE)
    rows = evolve(answer, content=bytes(answer.decode(shopwire.OFFERS).offers)).rows(shopwire.OFFER)
    return [row for row in rows if row.value is None or text(row.value.shop_sku) == sku]


def _key(row: Row[shopwire.Offer]) -> str:
    return text(row.value.offer_id) or text(row.value.shop_sku) if row.value else f"unreadable-{hash(row.raw)}"


def _all_listed(session: Session[Settings], first: Listed[shopwire.Offer]) -> Iterator[Rows]:
    short = yield from counted(lambda offset, limit: _listed(session, offset, limit), _key, first)
    if short is not None:
        total, came = short
        raise TransientError(f"Mirakl counts {total} offers, but lists {came}; the next run reads them again.")


# -- the export (OF52, OF53, OF54) -------------------------------------------------------------------


def _full(session: Session[Settings]) -> tuple[Rows, datetime]:
    """All offers as exported within the last day, and as of when."""
    kept, whose = session.files.get(_FULL), f"{session.settings.address} {shop_id(session) or ''}".strip()
    if kept is not None and kept.facts.get("of") == whose:
        at = datetime.fromisoformat(kept.facts["at"])
        if session.clock.now() - at < DAY:
            return _rows([kept.content]), at
    rows, at = _exported(session, None)
    content = b"[" + b",".join(row.raw for row in rows) + b"]"
    session.files.put(_FULL, content, {"of": whose, "at": at.isoformat()})
    return rows, at


def _exported(session: Session[Settings], since: datetime | None) -> tuple[Rows, datetime]:
    """What one export holds, and when it was asked for. One that still runs is waited for in the next run."""
    name = since.isoformat() if since else _FULL
    job, at = _job(session, name, since)
    for _ in range(_POLLS):
        try:
            status = get(session, f"offers/export/async/status/{job}", "offers_status").decode(shopwire.EXPORT_STATUS)
        except RecordError as error:  # it is gone; asked for anew, or it would be missed for half a day
            session.memory.forget("exports", [name])
            raise TransientError(f"Mirakl does not tell of its export of offers: {error}.") from error
        if status.status == "COMPLETED":
            files = [_file(session, url) for url in status.urls or ()]
            session.memory.forget("exports", [name])
            return _rows(files), at
        if status.status in ("FAILED", "CANCELLED"):
            session.memory.forget("exports", [name])
            said = (status.error or {}).get("detail") or status.status
            raise TransientError(f"Mirakl's export of offers failed: {said}.", wait=timedelta(minutes=5))
    raise TransientError("Mirakl still works on the export of offers.", wait=timedelta(minutes=1))


def _job(session: Session[Settings], name: str, since: datetime | None) -> tuple[str, datetime]:
    kept = session.memory.get_many("exports", [name]).get(name)
    if kept:
        job, _, stamp = kept.partition(" ")
        at = datetime.fromisoformat(stamp)
        if session.clock.now() - at < DAY / 2:
            return job, at
    at = session.clock.now().replace(microsecond=0)
    body: dict[str, object] = {
        "export_type": "application/json", "items_per_chunk": 10000, "megabytes_per_chunk": 50,
    }  # fmt: skip
    if since is None:
        body["include_inactive_offers"] = True
    else:  # inactive ones come anyway then, and asking for them fails
        body["last_request_date"] = (since - _OVERLAP).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
    answer = session.http.post(
        "offers/export/async", body, params={"shop_id": shop_id(session)},
        budget="offers_changed" if since else "offers_full",
    )  # fmt: skip
    if answer.date is not None:  # what changed by their clock is asked for by it
        at = min(at, answer.date)
    job = answer.decode(shopwire.EXPORT_MADE).tracking_id
    session.memory.forget("exports", session.memory.items("exports").keys() - {_FULL})
    session.memory.put_many("exports", {name: f"{job} {at.isoformat()}"})
    return job, at


def _file(session: Session[Settings], url: str) -> bytes:
    """A file of an export: on the operator's own server with the key, anywhere else without it."""
    own = urlsplit(url).netloc.lower() == urlsplit(session.settings.address).netloc.lower()
    return session.http.request("GET", url, anonymous=not own).content


def _rows(files: Iterable[bytes]) -> Rows:
    """The rows of all files, cut down to the fields that are used, so that a kept export stays small."""
    return [_row(bytes(raw)) for content in files for raw in _array(content)]


def _array(content: bytes) -> list[msgspec.Raw]:
    try:
        return _ROWS.decode(content)
    except msgspec.MsgspecError as error:
        raise TransientError(f"A file of Mirakl's export is no list of offers: {error}.") from error


def _row(raw: bytes) -> Row[shopwire.Offer]:
    try:
        offer = shopwire.OFFER.decode(raw)
    except (msgspec.MsgspecError, ValueError) as error:
        _, found, path = str(error).rpartition(" - at `$.")
        told = f"The offer does not have the documented shape: {error}."
        return Row(raw, None, RecordError(told, path=path.rstrip("`") if found else "", payload=raw))
    return Row(wire.encode(offer), offer)
