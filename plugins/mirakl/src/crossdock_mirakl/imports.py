"""Stock (STO01) and prices (PRI01) as files that Mirakl works off later, and what became of them.

OF24 is never used: it resets every field that is not sent (vendor page section 8).
"""

from __future__ import annotations

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
    outcomes, good = [], []
    for balance in sorted(balances, key=lambda each: each.sku):
        if balance.available != balance.available.to_integral_value():
            message = f"Mirakl sells whole pieces, not {balance.available}."
            outcomes.append(Outcome(key=balance.key, state="rejected", message=message, path="available"))
        else:
            good.append(balance)
    if good:
        lines = [(each.sku, str(max(int(each.available), 0)), each.warehouse or session.settings.warehouse, "")
                 for each in good]  # fmt: skip
        content = _file(session, STOCK_COLUMNS, lines)
        spans = {each.key: _Span(line, line, each.sku) for line, each in enumerate(good, 1)}
        job = _submitted(session, "stock", content, spans)
        outcomes += [Outcome(key=each.key, state="submitted", job=job) for each in good]
    return outcomes


def _file(session: Session[Settings], columns: Sequence[str], lines: Iterable[Sequence[str]]) -> bytes:
    made = io.StringIO()
    writer = csv.writer(made, delimiter=platform(session).delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(lines)
    return made.getvalue().encode()


def _submitted(session: Session[Settings], kind: str, content: bytes, spans: Spans) -> str:
    """Send the file and remember which lines belong to which key; answers the job."""
    made = upload(session, _PATHS[kind], f"{kind}.csv", content, kind)
    now = session.clock.now()
    for old, at in session.memory.items("imports").items():
        if now - datetime.fromisoformat(at) > _KEPT:
            session.memory.forget(f"lines {old}", session.memory.items(f"lines {old}").keys())
            session.memory.forget("imports", [old])
    session.memory.put_many(
        f"lines {made}", {key: f"{each.first}-{each.last} {each.sku}" for key, each in spans.items()}
    )
    session.memory.put_many("imports", {made: now.isoformat()})
    return f"{kind}:{made}"


# -- prices ------------------------------------------------------------------------------------------


def push_prices(session: Session[Settings], prices: Sequence[Price]) -> Iterable[Outcome]:
    """One file with the complete price set of every offer: PRI01 deletes what is not in it.

    Prices that were not handed in are taken over from the offer, or from a set that is still being imported.
    """
    outcomes: list[Outcome] = []
    by_sku: dict[str, list[Price]] = {}
    for price in prices:
        by_sku.setdefault(price.sku, []).append(price)
    offers, under_way = present(session, by_sku), _under_way(session, by_sku)
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
        terms = Terms(platform=platform(session), currency=currency, channels=channels, now=now)
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
        job = _submitted(session, "prices", content, spans)
        _keep_under_way(session, job, sets)
        outcomes += [Outcome(key=key, state="submitted", job=job) for key in spans]
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
    kept = {sku: _SET.decode(value) for sku, value in session.memory.get_many("price sets", skus).items()}
    now = session.clock.now()
    return {sku: _ENTRIES.decode(each.entries) for sku, each in kept.items() if now - each.at < DAY}


def _keep_under_way(session: Session[Settings], job: str, sets: Mapping[str, list[Entry]]) -> None:
    now = session.clock.now()
    kept = {sku: _Set(job, now, msgspec.json.encode(entries)) for sku, entries in sets.items()}
    session.memory.put_many("price sets", {sku: msgspec.json.encode(each).decode() for sku, each in kept.items()})


def _settle_under_way(session: Session[Settings], job: str) -> None:
    kept = session.memory.items("price sets")
    session.memory.forget("price sets", [sku for sku, value in kept.items() if _SET.decode(value).job == job])


# -- what became of an import ------------------------------------------------------------------------


def check_job(session: Session[Settings], job: str) -> Iterable[Outcome] | StillRunning:
    """The outcome of each key of an import. COMPLETE with an error report is a partial failure, FAILED a whole one."""
    kind, _, made = job.partition(":")
    found = _status(session, kind, made)
    if found is None or found.status in ("WAITING", "RUNNING"):
        return StillRunning(60)
    if found.status not in ("COMPLETE", "FAILED"):
        session.log.warning("Mirakl's import %s is in the unknown state %r.", job, found.status)
        return StillRunning(300)
    spans = _spans(session, made)
    if not spans:
        raise RecordError(f"It is no longer known what the import {made} carried.", hint="Send it again.")
    outcomes = _outcomes(session, kind, made, found, spans)
    if kind == "prices":
        _settle_under_way(session, job)
    return outcomes


def _status(session: Session[Settings], kind: str, made: str) -> shopwire.Import | None:
    if kind == "stock":
        return get(session, f"{_PATHS[kind]}/{made}/status", "stock_status").decode(shopwire.IMPORT)
    answer = get(session, _PATHS[kind], "prices_status", import_id=made, limit=PAGE)
    found = next((each for each in answer.decode(shopwire.IMPORTS).data if text(each.import_id) == made), None)
    if found is None and _is_old(session, made):
        raise RecordError(f"Mirakl does not know the import {made}.", hint="Send it again.")
    return found


def _is_old(session: Session[Settings], made: str) -> bool:
    at = session.memory.get_many("imports", [made]).get(made)
    return at is not None and session.clock.now() - datetime.fromisoformat(at) > DAY


def _spans(session: Session[Settings], made: str) -> Spans:
    found: Spans = {}
    for key, value in session.memory.items(f"lines {made}").items():
        lines, _, sku = value.partition(" ")
        first, _, last = lines.partition("-")
        found[key] = _Span(int(first), int(last), sku)
    return found


def _outcomes(session: Session[Settings], kind: str, made: str, found: shopwire.Import, spans: Spans) -> list[Outcome]:
    if found.status == "FAILED":
        message = f"Mirakl could not work off the file: {found.reason_status or 'no reason was given'}."
        return [Outcome(key=key, state="rejected", message=message, external_id=made) for key in spans]
    errors = _errors(session, kind, made, found, spans)
    return [_outcome(key, span, errors, made) for key, span in spans.items()]


def _outcome(key: str, span: _Span, errors: Mapping[int, str], made: str) -> Outcome:
    message = next((errors[line] for line in range(span.first, span.last + 1) if line in errors), None)
    if message is None:
        return Outcome(key=key, state="done", external_id=made)
    gap = Gap("sku", span.sku) if _UNKNOWN_SKU.search(message) and span.sku in message else None
    return Outcome(key=key, state="rejected", message=message, external_id=made, gap=gap)


def _errors(
    session: Session[Settings], kind: str, made: str, found: shopwire.Import, spans: Spans
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
        kind_of = RecordError if _is_old(session, made) else TransientError
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
        return sum(bool(by_line.get(line - shift)) and by_line[line - shift] in said for line, said in report.items())

    beyond = any(line > max(by_line) for line in report)
    shift = 1 if beyond or hits(1) > hits(0) else 0
    return {line - shift: said for line, said in report.items()}
