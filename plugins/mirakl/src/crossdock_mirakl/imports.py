"""Stock (STO01) and prices (PRI01) as files that Mirakl works off later, and what became of them.

OF24 is never used: it resets every field that is not sent (vendor page section 8).
"""

from __future__ import annotations

import contextlib
import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import attrs
import msgspec

from crossdock import Balance, Gap, Outcome, Price, RecordError, Session, StillRunning, TransientError
from crossdock.mapping import text
from crossdock_mirakl import pricing, shopwire
from crossdock_mirakl.api import DAY, PAGE, get, platform, shop_id, upload
from crossdock_mirakl.offers import present
from crossdock_mirakl.pricing import Entry, Terms
from crossdock_mirakl.settings import Settings

STOCK_COLUMNS = ("offer-sku", "quantity", "warehouse-code", "update-delete")
_PATHS = {"stock": "offers/stock/imports", "prices": "offers/pricing/imports"}
_KEPT = timedelta(days=7)
_PATIENCE = timedelta(hours=6)
"""An import that has not ended after so long is given up: newer stock of its SKUs waits for it."""
_UNKNOWN_SKU = re.compile(r"not (be )?found|does not exist|unknown", re.IGNORECASE)
_ENTRIES = msgspec.json.Decoder(list[Entry])


@attrs.frozen
class _Span:
    """The lines of the file, first to last, that belong to one offer."""

    first: int
    last: int
    sku: str


Spans = dict[str, _Span]
"""By the keys of prices or balances."""


# -- stock -------------------------------------------------------------------------------------------


def push_balance(session: Session[Settings], balances: Sequence[Balance]) -> Iterable[Outcome]:
    """One file with all of them; lines of one offer stand together. Stock below zero is sent as zero."""
    outcomes: list[Outcome] = []
    asked: dict[str, Balance] = {}
    for balance in sorted(balances, key=lambda each: each.sku):
        if balance.available != balance.available.to_integral_value():
            message = f"Mirakl sells whole pieces, not {balance.available}."
            outcomes.append(Outcome(key=balance.key, state="rejected", message=message, path="available"))
        elif balance.key not in asked or balance.available < asked[balance.key].available:
            # Two SKUs may be mapped to one: the smaller stock is what can surely be sold.
            asked[balance.key] = balance
    good = list(asked.values())
    if good:
        lines = [(each.sku, str(max(int(each.available), 0)), each.warehouse or session.settings.warehouse, "")
                 for each in good]  # fmt: skip
        content = _file(session, STOCK_COLUMNS, lines)
        spans = {each.key: _Span(line, line, each.sku) for line, each in enumerate(good, 1)}
        outcomes += _submitted(session, "stock", content, spans)
    return outcomes


def _file(session: Session[Settings], columns: Sequence[str], lines: Iterable[Sequence[str]]) -> bytes:
    made = io.StringIO()
    writer = csv.writer(made, delimiter=platform(session).delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(lines)
    return made.getvalue().encode()


def _submitted(session: Session[Settings], kind: str, content: bytes, spans: Spans) -> list[Outcome]:
    """Send the file and remember which lines belong to which key; answers the outcome of each key.

    A file that is refused is refused for all: one by one they would be files again, of which one a minute is allowed.
    """
    try:
        made = upload(session, _PATHS[kind], f"{kind}.csv", content, kind)
    except RecordError as error:
        return [Outcome(key=key, state="rejected", message=f"Mirakl refused the file: {error}") for key in spans]
    now = session.clock.now()
    for old, at in session.memory.items("imports").items():
        if now - datetime.fromisoformat(at) > _KEPT:
            session.memory.forget(f"lines {old}", session.memory.items(f"lines {old}").keys())
            session.memory.forget("imports", [old])
    session.memory.put_many(
        f"lines {made}", {key: f"{each.first}-{each.last} {each.sku}" for key, each in spans.items()}
    )
    session.memory.put_many("imports", {made: now.isoformat()})
    return [Outcome(key=key, state="submitted", job=f"{kind}:{made}") for key in spans]


# -- prices ------------------------------------------------------------------------------------------


def push_prices(session: Session[Settings], prices: Sequence[Price]) -> Iterable[Outcome]:
    """One file with the complete price set of every offer: PRI01 deletes what is not in it.

    Prices that were not handed in are taken over from the offer, or from a set that is still being imported.
    """
    outcomes: list[Outcome] = []
    by_sku: dict[str, list[Price]] = {}
    for price in prices:
        by_sku.setdefault(price.sku, []).append(price)
    # Asked before and after: an import that ends while the offers are read may be in neither of them.
    before, offers = _under_way(session, by_sku), present(session, by_sku)
    under_way = {**before, **_under_way(session, by_sku)}
    found = platform(session)
    channels = session.settings.channels or tuple(text(each) for each in session.facts.get("channels") or ())
    now = session.clock.now()
    lines: list[tuple[str, ...]] = []
    spans: Spans = {}
    sets: dict[str, list[Entry]] = {}
    for sku, given in by_sku.items():
        offer = offers.get(sku)
        if offer is None:
            outcomes += [_no_offer(price) for price in given]
            continue
        currency = offer.currency_iso_code or text(session.facts.get("currency"))
        terms = Terms(platform=found, currency=currency, channels=channels, now=now)
        good = _checked(given, terms, outcomes)
        try:
            entries = pricing.merged(under_way.get(sku) or pricing.standing(offer, now), [price for _, price in good])
        except RecordError as error:
            outcomes += [_rejected(key, error) for key, _ in good]
            continue
        if good:
            first = len(lines) + 1
            lines += pricing.rows(sku, entries)
            sets[sku] = entries
            spans.update({key: _Span(first, len(lines), sku) for key, _ in good})
    if lines:
        columns = pricing.used_columns(lines)
        named = [pricing.COLUMNS[index] for index in columns]
        content = _file(session, named, [[line[index] for index in columns] for line in lines])
        sent = _submitted(session, "prices", content, spans)
        if sent[0].job:
            _keep_under_way(session, sent[0].job, sets)
        outcomes += sent
    return outcomes


def _checked(given: Sequence[Price], terms: Terms, outcomes: list[Outcome]) -> list[tuple[str, Price]]:
    """The prices that can be sent, with their keys as handed in."""
    good = []
    for price in given:
        try:
            good.append((price.key, pricing.check(price, terms)))
        except RecordError as error:
            outcomes.append(_rejected(price.key, error))
    return good


def _rejected(key: str, error: RecordError) -> Outcome:
    return Outcome(key=key, state="rejected", message=error.message, path=error.path, gap=error.gap)


def _no_offer(price: Price) -> Outcome:
    message = f"The shop has no offer with the SKU {price.sku}."
    return Outcome(key=price.key, state="rejected", message=message, path="sku", gap=Gap("sku", price.sku))


class _Set(msgspec.Struct):
    """A price set that is being imported."""

    job: str
    at: datetime
    entries: bytes


_SET = msgspec.json.Decoder(_Set)


def _under_way(session: Session[Settings], skus: Iterable[str]) -> dict[str, list[Entry]]:
    """Sets that were sent and are not decided: the offers do not show them yet."""
    now, found = session.clock.now(), dict[str, list[Entry]]()
    for sku, value in session.memory.get_many("price sets", skus).items():
        with contextlib.suppress(msgspec.MsgspecError):  # of another version: the offer itself tells
            kept = _SET.decode(value)
            if now - kept.at < DAY:
                found[sku] = _ENTRIES.decode(kept.entries)
    return found


def _keep_under_way(session: Session[Settings], job: str, sets: Mapping[str, list[Entry]]) -> None:
    now = session.clock.now()
    kept = {sku: _Set(job, now, msgspec.json.encode(entries)) for sku, entries in sets.items()}
    session.memory.put_many("price sets", {sku: msgspec.json.encode(each).decode() for sku, each in kept.items()})


def _settle_under_way(session: Session[Settings], job: str) -> None:
    settled = []
    for sku, value in session.memory.items("price sets").items():
        with contextlib.suppress(msgspec.MsgspecError):
            if _SET.decode(value).job == job:
                settled.append(sku)
    session.memory.forget("price sets", settled)


# -- what became of an import ------------------------------------------------------------------------


def check_job(session: Session[Settings], job: str) -> Iterable[Outcome] | StillRunning:
    """The outcome of each key of an import. COMPLETE with an error report is a partial failure, FAILED a whole one.

    Raises `RecordError` when it does not end: what it carries is not sent anew as long as it is waited for.
    """
    kind, _, made = job.partition(":")
    spans, age = _spans(session, made), _age(session, made)
    if not spans or age is None:
        raise RecordError(f"It is no longer known what the import {made} carried.", hint="Send it again.")
    found = _status(session, kind, made)
    if found is None or found.status not in ("COMPLETE", "FAILED"):
        state = found.status if found else "not listed"
        if age > _PATIENCE:
            raise RecordError(
                f"Mirakl has not worked off the import {made} in {age // timedelta(hours=1)} hours: it is {state}.",
                hint="Look at it in the operator's back office; then send it again.",
            )
        if state not in ("WAITING", "RUNNING", "not listed"):
            session.log.warning("Mirakl's import %s is in the unknown state %r.", job, state)
            return StillRunning(300)
        return StillRunning(60)
    outcomes = _outcomes(session, kind, made, found, spans, late=age > _PATIENCE)
    if kind == "prices":
        _settle_under_way(session, job)
    return outcomes


def _status(session: Session[Settings], kind: str, made: str) -> shopwire.Import | None:
    if kind == "stock":
        return get(session, f"{_PATHS[kind]}/{made}/status", "stock_status").decode(shopwire.IMPORT)
    answer = get(session, _PATHS[kind], "prices_status", import_id=made, limit=PAGE)
    return next((each for each in answer.decode(shopwire.IMPORTS).data if text(each.import_id) == made), None)


def _age(session: Session[Settings], made: str) -> timedelta | None:
    at = session.memory.get_many("imports", [made]).get(made)
    return None if at is None else session.clock.now() - datetime.fromisoformat(at)


def _spans(session: Session[Settings], made: str) -> Spans:
    found: Spans = {}
    for key, value in session.memory.items(f"lines {made}").items():
        lines, _, sku = value.partition(" ")
        first, _, last = lines.partition("-")
        found[key] = _Span(int(first), int(last), sku)
    return found


def _outcomes(
    session: Session[Settings], kind: str, made: str, found: shopwire.Import, spans: Spans, *, late: bool
) -> list[Outcome]:
    if found.status == "FAILED":
        message = f"Mirakl could not work off the file: {found.reason_status or 'no reason was given'}."
        return [Outcome(key=key, state="rejected", message=message, external_id=made) for key in spans]
    errors = _errors(session, kind, made, found, spans, late=late)
    owned = {line for each in spans.values() for line in range(each.first, each.last + 1)}
    stray = next((said for line, said in sorted(errors.items()) if line not in owned), None)
    if stray is not None:
        # Whose it is nobody knows, so nothing of the file is confirmed.
        message = f"Mirakl's report names a line that the file does not have: {stray}"
        return [Outcome(key=key, state="rejected", message=message, external_id=made) for key in spans]
    return [_outcome(key, span, errors, made) for key, span in spans.items()]


def _outcome(key: str, span: _Span, errors: Mapping[int, str], made: str) -> Outcome:
    message = next((errors[line] for line in range(span.first, span.last + 1) if line in errors), None)
    if message is None:
        return Outcome(key=key, state="done", external_id=made)
    gap = Gap("sku", span.sku) if _UNKNOWN_SKU.search(message) and _names(message, span.sku) else None
    return Outcome(key=key, state="rejected", message=message, external_id=made, gap=gap)


def _names(message: str, sku: str) -> bool:
    """Whether a message names the SKU: as a word of its own, or "1" would be found in every number."""
    return re.search(rf"(?<![\w.-]){re.escape(sku)}(?![\w-])", message) is not None


def _errors(
    session: Session[Settings], kind: str, made: str, found: shopwire.Import, spans: Spans, *, late: bool
) -> dict[int, str]:  # fmt: skip
    """Messages by line of the file (the first below the header is 1), read from the report in whatever order."""
    if not found.has_error_report and not found.lines_in_error:
        return {}
    answer = session.http.get(
        f"{_PATHS[kind]}/{made}/error_report", {"shop_id": shop_id(session)}, budget=f"{kind}_report",
        headers={"Accept": "text/csv, */*"},
    )  # fmt: skip
    report: dict[int, str] = {}
    for line in answer.content.decode("utf-8-sig", "replace").splitlines():
        parts = re.match(r'"?(\d+)"?[;,\t](.*)', line)
        if parts:
            report[int(parts[1])] = parts[2].strip().strip('"') or "Mirakl gave no reason."
    if len(report) < (found.lines_in_error or 1):
        kind_of = RecordError if late else TransientError
        raise kind_of(
            f"Mirakl counts {found.lines_in_error or 'some'} lines in error in the import {made}, but its report names "
            f"{len(report)}."
        )
    return _without_header(report, spans)


def _without_header(report: dict[int, str], spans: Spans) -> dict[int, str]:
    """Lines are counted without the header, as in the vendor's sample, unless the messages name their SKUs one below.

    The documentation does not say it, and an error put on the neighbour would confirm what was refused.
    """
    by_line = {line: each.sku for each in spans.values() for line in range(each.first, each.last + 1)}

    def hits(shift: int) -> int:
        return sum(line - shift in by_line and _names(said, by_line[line - shift]) for line, said in report.items())

    beyond = any(line > max(by_line) for line in report)
    shift = 1 if beyond or hits(1) > hits(0) else 0
    return {line - shift: said for line, said in report.items()}
