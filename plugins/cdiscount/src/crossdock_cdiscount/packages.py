"""Offer packages: how stock and prices are written, one package of type Update per sales channel (section 8).

A package is created, filled with at most 100 requests a call, and set Ready; Octopia works it off later and keeps the
results for three days. An Update names absolute values, so a package that never became Ready, or that was sent twice,
does no harm. A package that is Integrated may still hold refused offers: each result is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import attrs
import msgspec

from crossdock import (
    AccessError,
    Gap,
    Outcome,
    PluginError,
    RecordError,
    Row,
    Session,
    StillRunning,
    TransientError,
)
from crossdock.mapping import text
from crossdock.paging import chunks, token_pages
from crossdock_cdiscount import offers, wire
from crossdock_cdiscount.channels import subscribed
from crossdock_cdiscount.reading import listed, next_query
from crossdock_cdiscount.settings import API, Settings

_CALL = 100
_LIMIT = 1000
_WAIT = 60.0
_KEPT = timedelta(days=3)
_PATIENCE = timedelta(hours=6)
"""A package that is not worked off after so long is given up: newer stock of its SKUs waits for it."""
_READ = timedelta(hours=1)
_FRESH = timedelta(minutes=15)
"""Until then a package that is not found is not there yet; later it is gone."""
_JOBS = "jobs"
_FILLING = "WaitingForCompletion"
_INTEGRATED = "Integrated"
_REJECTED = "Rejected"
_GONE = "gone"
_CLOSED = "closed"
_FINAL = (_INTEGRATED, _REJECTED, _GONE, _CLOSED)
_LOST = "its results are gone (they are kept for three days), so nobody knows whether it was taken"
_SHUT = "the channel is closed to us (403), so nobody knows whether it was taken"


@attrs.frozen
class Item:
    """One offer to change: `body` without its reference, on each of `channels`. `note` goes with the outcome."""

    key: str
    sku: str
    body: Mapping[str, Any]
    channels: tuple[str, ...]
    note: str = ""


class _Job(msgspec.Struct):
    """What an outcome carries as its job: the packages by channel; the items are in the memory's table `name`."""

    name: str
    at: datetime
    packages: dict[str, str]


class _Kept(msgspec.Struct, omit_defaults=True):
    """An item of a job: its reference, the channels that decide, and what was refused before anything was sent."""

    sku: str
    channels: list[str]
    refused: dict[str, str] = {}
    note: str = ""


_JOB = msgspec.json.Decoder(_Job)
_KEPT_ITEM = msgspec.json.Decoder(_Kept)


# -- sending ---------------------------------------------------------------------------------------


def submit(session: Session[Settings], items: Sequence[Item]) -> Iterator[Outcome]:
    """Send the items in one package per channel; outcomes are submitted, or rejected when no channel takes the item.

    Raises `TransientError` when a package could not be filled: nothing of it takes effect, and all may be sent again.
    """
    kept: dict[str, _Kept] = {item.key: _Kept(item.sku, [], note=item.note) for item in items}
    packages: dict[str, str] = {}
    filled: dict[str, tuple[str, dict[str, str]]] = {}
    for channel in dict.fromkeys(channel for item in items for channel in item.channels):
        filled[channel] = _filled(session, channel, [item for item in items if channel in item.channels])
    # None takes effect before all are filled: what fails until here is sent again as a whole.
    for channel, (package, results) in filled.items():
        refusal = _finish(session, package, channel) if package else ""
        for key, said in results.items():
            if said or refusal:
                kept[key].refused[channel] = said or refusal
            else:
                kept[key].channels.append(channel)
        if package and not refusal:
            packages[channel] = package
    yield from _submitted(session, items, kept, packages)


def _filled(session: Session[Settings], channel: str, wanted: Sequence[Item]) -> tuple[str, dict[str, str]]:
    """The channel's package (empty when it would hold nothing), and by key why an item is not in it, if it is not.

    Items without an offer on the channel are left out.
    """
    try:
        there = offers.known(session, channel, (item.sku for item in wanted))
        bodies = {item.key: {"sellerExternalReference": item.sku, **item.body} for item in wanted if item.sku in there}
        package, refused = _send(session, channel, bodies) if bodies else ("", {})
    except AccessError as error:
        # The seller's subscriptions could be read a moment ago: it is this channel that is closed to us.
        if error.status != 403:
            raise
        return "", dict.fromkeys((item.key for item in wanted), error.message)
    return package, {key: refused.get(key, "") for key in bodies}


def _submitted(
    session: Session[Settings], items: Sequence[Item], kept: Mapping[str, _Kept], packages: dict[str, str]
) -> Iterator[Outcome]:
    job = _Job(uuid4().hex[:12], session.clock.now(), packages)
    sent = {key: each for key, each in kept.items() if each.channels}
    if sent:
        _tidy(session)
        rows = {key: msgspec.json.encode(each).decode() for key, each in sent.items()}
        session.memory.put_many(_table(job.name), rows)
        session.memory.put_many(_JOBS, {job.name: (job.at + _KEPT + _KEPT).isoformat()})
    words = msgspec.json.encode(job).decode()
    for item in items:
        if item.key in sent:
            yield Outcome(key=item.key, state="submitted", job=words)
        elif kept[item.key].refused:
            yield Outcome(key=item.key, state="rejected", message=_refusals(kept[item.key].refused))
        else:
            where = ", ".join(item.channels)
            yield Outcome(
                key=item.key, state="rejected", path="sku", gap=Gap("sku", item.sku),
                message=f"There is no offer {item.sku} on {where}: make the offer in Octopia first, then it can be "
                "updated.",
            )  # fmt: skip


def _send(session: Session[Settings], channel: str, bodies: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """The package's id (empty when it would hold nothing), and what was refused at once, by key."""
    headers = {"SalesChannelId": channel}
    try:
        # A package that was created and lost stays unfinished for ever, which does nothing.
        answer = session.http.post("offer-packages", {"packageType": "Update"}, headers=headers, budget=API, safe=True)
    except RecordError as error:
        return "", dict.fromkeys(bodies, str(error))
    address = answer.headers.get("content-location") or answer.headers.get("location") or ""
    package = address.rstrip("/").rpartition("/")[2]
    if not package:
        raise PluginError("Octopia made an offer package without a Content-Location header that names it.")
    refused: dict[str, str] = {}
    for chunk in chunks(bodies.items(), _CALL):
        _fill(session, f"offer-packages/{package}/offer-requests", headers, chunk, refused)
    return "" if len(refused) == len(bodies) else package, refused


def _fill(
    session: Session[Settings], path: str, headers: Mapping[str, str], chunk: Sequence[tuple[str, Any]],
    refused: dict[str, str],
) -> None:  # fmt: skip
    """Add requests; a call that is refused is halved until the item is found that is to blame.

    Never repeated in the same package: the same reference twice, and both are rejected. What fails in passing leaves
    the package unfinished.
    """
    try:
        session.http.post(path, wire.body([body for _, body in chunk]), headers=headers, budget=API)
    except RecordError as error:
        if len(chunk) == 1:
            refused[chunk[0][0]] = str(error)
            return
        middle = len(chunk) // 2
        _fill(session, path, headers, chunk[:middle], refused)
        _fill(session, path, headers, chunk[middle:], refused)


def _finish(session: Session[Settings], package: str, channel: str) -> str:
    """Set a package Ready; answers why Octopia refused that, if it did."""
    headers = {"SalesChannelId": channel}
    try:
        session.http.request("PATCH", f"offer-packages/{package}", json={"state": "Ready"}, headers=headers, budget=API)
    except (RecordError, TransientError) as error:
        # Its answer may be lost on the way, and the second time the package is no longer to be changed.
        if _state(session, package, channel) in ("", _FILLING, _GONE, _CLOSED):
            if isinstance(error, TransientError):
                raise
            return error.message
    return ""


def _state(session: Session[Settings], package: str, channel: str) -> str:
    """The state of a package; `_GONE` for one that Octopia no longer keeps, `_CLOSED` on a channel that was closed."""
    try:
        answer = session.http.get(f"offer-packages/{package}", headers={"SalesChannelId": channel}, budget=API)
    except RecordError as error:
        if error.status not in (404, 410):
            raise
        return _GONE
    except AccessError as error:
        if error.status != 403:
            raise
        subscribed(session)  # when the whole account is closed to us, this says so
        return _CLOSED
    return answer.decode(wire.PACKAGE).state or ""


def _table(name: str) -> str:
    return f"job {name}"


def _tidy(session: Session[Settings]) -> None:
    """Forget jobs that were read, and those whose results are long gone."""
    now = session.clock.now()
    old = [name for name, until in session.memory.items(_JOBS).items() if datetime.fromisoformat(until) < now]
    for name in old:
        session.memory.forget(_table(name), session.memory.items(_table(name)))
    session.memory.forget(_JOBS, old)


# -- asking ----------------------------------------------------------------------------------------


def check(session: Session[Settings], job: str) -> Iterable[Outcome] | StillRunning:
    """The outcomes of a job when all its packages are final; a SKU is done when each of its channels took it."""
    try:
        sent = _JOB.decode(job)
    except msgspec.MsgspecError as error:
        raise RecordError(f"The job {job[:60]!r} is none of this connector's.") from error
    states = {channel: _state(session, package, channel) for channel, package in sent.packages.items()}
    age = session.clock.now() - sent.at
    overdue, fresh = age >= _PATIENCE, age < _FRESH
    if not overdue and any(state not in _FINAL or (fresh and state == _GONE) for state in states.values()):
        return StillRunning(_WAIT)
    results: dict[str, _Results] = {}
    for channel, state in states.items():
        found = _results(session, channel, sent.packages[channel], state, fresh=fresh)
        if found is None and not overdue:
            return StillRunning(_WAIT)
        results[channel] = found or _Results({}, "Octopia has not worked the package off in six hours")
    session.memory.put_many(_JOBS, {sent.name: (session.clock.now() + _READ).isoformat()})
    return _joined(session, sent, results)


@attrs.frozen
class _Results:
    """What became of the references of a package: empty text means taken. `whole` refuses all of them."""

    refusals: Mapping[str, str]
    whole: str = ""

    def of(self, sku: str) -> str:
        """Why `sku` was not taken; empty when it was."""
        if self.whole:
            said = self.refusals.get(sku)
            return f"{self.whole}: {said}" if said else self.whole
        return self.refusals.get(sku, "the results of the package do not name it")


def _results(
    session: Session[Settings], channel: str, package: str, state: str, *, fresh: bool
) -> _Results | None:  # fmt: skip
    """The results of a package; `None` while they are being written, or when it never became final."""
    if state not in (_INTEGRATED, _REJECTED):
        return _Results({}, _LOST if state == _GONE else _SHUT) if state in (_GONE, _CLOSED) else None
    whole = "the whole package was rejected" if state == _REJECTED else ""
    try:
        told: dict[str, str] = {}
        for sku, said in _rows(session, channel, package):
            told[sku] = told.get(sku) or said  # named twice, one refusal counts
        return _Results(told, whole)
    except RecordError as error:
        if error.status not in (404, 409, 410):
            raise
        return None if error.status == 409 or fresh else _Results({}, whole or _LOST)


def _rows(session: Session[Settings], channel: str, package: str) -> Iterator[tuple[str, str]]:
    path, headers = f"offer-packages/{package}/offer-requests-results", {"SalesChannelId": channel}

    def read(query: str | None) -> tuple[list[tuple[str, str]], str | None]:
        params = {"limit": str(_LIMIT), **offers.parameters(query)}
        answer = session.http.get(path, params, headers=headers, budget=API)
        return [_told(row) for row in listed(answer, wire.RESULT)], next_query(answer)

    for rows, _ in token_pages(read):
        yield from rows


def _told(row: Row[wire.Result]) -> tuple[str, str]:
    """The reference of a result and why it was refused; one that cannot be read is a refusal of its own offer only."""
    if row.value is not None:
        return text(row.value.seller_external_reference), _refusal(row.value)
    try:
        sketch = wire.RESULT_SKETCH.decode(row.raw)
    except msgspec.MsgspecError:
        sketch = wire.ResultSketch()
    return text(sketch.seller_external_reference), f"its result cannot be read ({row.error})"


def _refusal(result: wire.Result) -> str:
    if result.integration_status == "Integrated":
        return ""
    said = "; ".join(f"{text(each.result_code)} {each.message or ''}".strip() for each in result.results or ())
    if result.integration_status == "Duplicated":
        return f"the reference was in the package twice, which refuses both{f' ({said})' if said else ''}"
    return said or f"it was {result.integration_status or 'not integrated'} without a reason"


def _joined(session: Session[Settings], sent: _Job, results: Mapping[str, _Results]) -> Iterator[Outcome]:
    refused_skus: dict[str, list[str]] = {}
    for key, row in session.memory.items(_table(sent.name)).items():
        try:
            kept = _KEPT_ITEM.decode(row)
        except msgspec.MsgspecError:
            continue  # of another version; what has no outcome is left to a person
        said = {channel: results[channel].of(kept.sku) for channel in kept.channels}
        refused = kept.refused | {channel: why for channel, why in said.items() if why}
        for channel in refused:
            refused_skus.setdefault(channel, []).append(kept.sku)
        if refused:
            taken = ", ".join(channel for channel, why in said.items() if not why)
            message = _refusals(refused) + (f" Taken by {taken}." if taken else "")
            yield Outcome(key=key, state="rejected", message=message)
        else:
            yield Outcome(key=key, state="done", external_id=kept.sku, message=kept.note)
    for channel, skus in refused_skus.items():
        offers.forget(session, channel, skus)


def _refusals(refused: Mapping[str, str]) -> str:
    return " ".join(f"{channel} refused it: {why.rstrip('.')}." for channel, why in refused.items())
