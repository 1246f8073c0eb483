"""A parked record of a project as a bundle: redacted, and tried at once whether it fails again in the same way."""

from __future__ import annotations

import platform
import re
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import attrs
import msgspec

from crossdock.app import App, secret_names
from crossdock.errors import CrossdockError, SettingsError, UsageError
from crossdock.http.recorded import Recorded
from crossdock.http.redact import Redactor
from crossdock.registry import Connector
from crossdock.settings import build, fields_of
from crossdock.store.config import FlowRow
from crossdock.store.ledger import Effect
from crossdock.store.records import ParkedRecord, Stored
from crossdock.testing.bundle import Binding, Bundle, Delivery, Failure, Known, Place
from crossdock.testing.personal import Fakes
from crossdock.testing.reproduce import Again, of_effect, of_row, reproduce

_EXCHANGES = 2000
_MOST = 30
_BEGINNING = 30
_REFUSED = 400
_CUT = 4096  # the exchange log keeps no more of a body
_PREFIX = re.compile(r"[a-z]{1,4}_")
_SECRETIVE = re.compile(r"key|secret|token|password")
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def of_payload(app: App, row: ParkedRecord, keep: Collection[str] = ()) -> Bundle:
    """The bundle of a payload that could not be read; `keep` are kinds of personal data that stay."""
    payload = row.payload.decode("utf-8", "replace")
    # A number alone stands in every page; the payload's own beginning only in the one in which it came.
    log = _log(app, row.connection, lambda url, body, answer: payload[:_BEGINNING] in answer, "", row.parked_at)
    bundle = Bundle(
        id=f"R{row.id}", at=row.parked_at, versions=_versions(app, [row.connection]),
        connections=[_place(app, row.connection)], connection=row.connection, stream=row.stream, key=row.key,
        payload=payload, log=log, failure=of_row(row),
    )  # fmt: skip
    bundle = _redacted(app, bundle, keep)
    for envelope in _envelopes(bundle):
        again = _tried(app, bundle, (), _Answers(bundle, envelope))
        if again is not None and again.failure is not None and again.failure.same(bundle.failure):
            return msgspec.structs.replace(
                bundle, exchanges=list(again.asked), reproduced=True, failure=_completed(bundle.failure, again)
            )
    return bundle


def of_refused(app: App, effect: Effect, keep: Collection[str] = ()) -> Bundle:
    """The bundle of an effect that was refused; `keep` are kinds of personal data that stay."""
    flow = app.store.config.flow(effect.flow)
    if flow is None:
        raise UsageError(f"The flow {effect.flow} of the effect {effect.id} is gone.")
    stored = app.store.records.get(effect.source, effect.stream, effect.key)
    if stored is None:
        raise UsageError(
            f"The record {effect.key} of the effect {effect.id} is no longer in the store.",
            hint=f"crossdock sync {effect.source} {effect.stream} --key {effect.key}",
        )
    names = {effect.key, effect.ref, f"{effect.source}-{effect.key}", *_skus(stored)}
    wanted = re.compile("|".join(rf"(?<![\w-]){re.escape(each)}(?![\w-])" for each in sorted(names) if each))
    attempts = app.store.effects.attempts(effect.id)
    since = attempts[-2][0] if len(attempts) > 1 else ""
    log = _log(
        app, effect.target, lambda url, body, answer: bool(wanted.search(f"{url} {body}")), since, effect.updated_at
    )
    places = [effect.source] if effect.source == effect.target else [effect.source, effect.target]
    records, bindings = _context(app, flow, effect, stored)
    rows = [(kind, value, to) for kind, table in app.store.gaps.tables(flow.name).items()
            for value, to in table.items()]  # fmt: skip
    bundle = Bundle(
        id=f"E{effect.id}", at=effect.updated_at, versions=_versions(app, places),
        connections=[_place(app, each) for each in places], connection=effect.source, stream=effect.stream,
        key=effect.key, records=records, bindings=bindings, mapping=rows, log=log, failure=of_effect(effect),
        delivery=Delivery(
            flow=flow.name, stream=flow.stream, source=flow.source, target=flow.target, operation=effect.operation,
            options=attrs.asdict(flow.options),
        ),
    )  # fmt: skip
    bundle = _redacted(app, bundle, keep)
    again = _tried(app, bundle, tuple(bundle.log), _nothing)
    if again is None or again.failure is None or not again.failure.same(bundle.failure):
        return msgspec.structs.replace(bundle, exchanges=bundle.log)
    return msgspec.structs.replace(
        bundle, exchanges=list(again.asked), reproduced=True, failure=_completed(bundle.failure, again)
    )


def _nothing(asked: Recorded) -> Recorded | None:
    del asked
    return None


def _tried(app: App, bundle: Bundle, recorded: tuple[Recorded, ...], otherwise: Any) -> Again | None:
    try:
        return reproduce(bundle, app.registry, recorded=recorded, otherwise=otherwise)
    except (CrossdockError, ValueError, KeyError):  # what cannot be tried here is still told
        return None


def _completed(failure: Failure, again: Again) -> Failure:
    """The class of the error and the vendor's words, which the ledger keeps within the sentence only."""
    found = again.failure or failure
    return msgspec.structs.replace(
        failure, error=found.error, vendor_message=failure.vendor_message or found.vendor_message
    )


# -- what belongs to it --------------------------------------------------------------------------------


def _versions(app: App, places: Sequence[str]) -> dict[str, str]:
    found = {"crossdock": version("crossdock"), "python": platform.python_version()}
    for name in places:
        plugin = app.connector_of(app.row(name)).found
        found[plugin.distribution] = plugin.version
    return found


def _place(app: App, name: str) -> Place:
    row = app.row(name)
    connector = app.connector_of(row)
    return Place(
        name=name, connector=row.connector, settings=_settings(app, connector, app.reveal(row)), facts=dict(row.facts)
    )


def _settings(app: App, connector: Connector, values: Mapping[str, str]) -> dict[str, str]:
    """Settings with a canary in the place of each secret, of a form that the connector accepts."""
    found = dict(values)
    for name in sorted(_hidden(connector)):
        if not found.get(name):
            continue
        for canary in _canaries(name, found[name]):
            try:
                build(connector.info.settings, {**found, name: canary})
            except SettingsError:
                continue
            found[name] = canary
            break
        else:
            found[name] = f"canary-{name}"
    return found


def _hidden(connector: Connector) -> set[str]:
    """Secrets, and what is called like one: the half of a pair of keys that the vendor does not keep secret."""
    return secret_names(connector) | {
        each.name for each in fields_of(connector.info.settings) if each.kind == "text" and _SECRETIVE.search(each.name)
    }


def _canaries(name: str, value: str) -> Iterator[str]:
    """What could stand for a secret: said plainly, with the vendor's prefix, as long as it was, as an address."""
    plain = f"canary-{name.replace('_', '-')}"
    yield plain
    prefix = _PREFIX.match(value)
    if prefix:
        yield prefix[0] + plain
    yield "".join(secrets.choice(_LETTERS) for _ in value)
    yield f"https://canary.example/{plain}"


def _skus(stored: Stored) -> set[str]:
    document = msgspec.json.decode(stored.document)
    return {line.get("sku", "") for line in document.get("lines", [])} | {document.get("sku", "")} - {""}


def _context(app: App, flow: FlowRow, effect: Effect, stored: Stored) -> tuple[list[Known], list[Binding]]:
    """The record itself, the order that a shipment or a status is about, and where they exist."""
    records, found = app.store.records, [stored]
    bindings = []
    document = msgspec.json.decode(stored.document)
    key = document.get("order_key", "") if effect.stream == "shipments" else effect.key
    if flow.stream in ("shipments", "statuses"):
        for bound in records.origins(effect.source, "orders", [key]).get(key, []):
            if bound.source == effect.target:
                bindings.append(bound)
                order = records.get(bound.source, "orders", bound.source_key)
                found += [order] if order is not None else []
    bindings += records.bound(effect.source, effect.stream, [effect.key], effect.target).values()
    if effect.stream == "balance":
        found = records.by_refs(effect.source, "balance", [effect.ref or effect.key]) or found
    known = [
        Known(connection=each.connection, stream=each.stream, key=each.key, document=msgspec.json.decode(each.document))
        for each in found
    ]
    return known, [Binding(**attrs.asdict(each)) for each in bindings]


def _log(app: App, connection: str, belongs: Callable[[str, str, str], bool], since: str, until: str) -> list[Recorded]:
    """The last exchanges of a connection whose address, request and answer belong to the record, oldest first."""
    rows = [
        row for row in app.store.journal.exchanges(connection, limit=_EXCHANGES)
        if since < row["at"] <= until and belongs(row["url"], row["request_body"], row["response_body"])
    ][:_MOST]  # fmt: skip
    return [
        Recorded(
            method=row["method"], url=row["url"], body=row["request_body"], status=row["status"] or 0,
            answer=row["response_body"],
        )
        for row in reversed(rows)
    ]  # fmt: skip


# -- the answer in which a payload came ----------------------------------------------------------------


class _Answers:
    """Answers to a read: the payload in an envelope at first, an empty envelope to whatever is asked further."""

    def __init__(self, bundle: Bundle, envelope: tuple[str, str]) -> None:
        self._payload = bundle.payload
        self._before, self._after = envelope
        self._given = False

    def __call__(self, asked: Recorded) -> Recorded | None:
        """The answer."""
        if asked.writes and not asked.body:
            return None
        row, self._given = "" if self._given else self._payload, True
        return msgspec.structs.replace(asked, status=200, answer=f"{self._before}{row}{self._after}")


def _envelopes(bundle: Bundle) -> Iterator[tuple[str, str]]:
    """What may have stood before and after the payload in the vendor's answer: as the log has it, then the usual."""
    beginning = bundle.payload.lstrip()[:_BEGINNING]
    first = beginning.split(":", 1)[0]
    for exchange in bundle.log:
        for start in (beginning, first):
            before, found, rest = exchange.answer.partition(start)
            if found and len(before) < _CUT // 2 and not before.rstrip().endswith(":"):
                if rest and len(exchange.answer) < _CUT and exchange.answer.count(first) == 1:
                    yield before, exchange.answer[len(before) + len(bundle.payload) :]
                yield before, _closed(before)
    yield "[", "]"
    stream = bundle.stream
    for name in (stream, "items", "data", "results"):
        yield f'{{"{name}":[', '],"total_count":1,"totalCount":1}'
    yield "", ""


def _closed(before: str) -> str:
    """The brackets that close what is open at the end of a text."""
    pairs = {"[": "]", "{": "}"}
    left: list[str] = []
    for char in re.sub(r'"(?:[^"\\]|\\.)*"', "", before):
        if char in pairs:
            left.append(pairs[char])
        elif left and char == left[-1]:
            left.pop()
    return "".join(reversed(left))


# -- redacting -----------------------------------------------------------------------------------------


def _redacted(app: App, bundle: Bundle, keep: Collection[str]) -> Bundle:
    """Without personal data, and without a secret of any connection in whatever shape."""
    fakes = Fakes(keep)
    fakes.learn([each.document for each in bundle.records])
    fakes.learn([each.settings for each in bundle.connections])
    fakes.learn_text(bundle.payload)
    for each in bundle.log:
        fakes.learn_text(each.body)
        if each.status < _REFUSED:  # the words of a refusal are what the bundle is for
            fakes.learn_text(each.answer)
    exchanges = [
        msgspec.structs.replace(
            each, url=fakes.text(each.url), body=fakes.body(each.body), answer=fakes.body(each.answer)
        )
        for each in bundle.log
    ]
    failure = msgspec.structs.replace(
        bundle.failure,
        message=fakes.text(bundle.failure.message),
        vendor_message=fakes.text(bundle.failure.vendor_message),
    )
    redacted = msgspec.structs.replace(
        bundle,
        payload=fakes.body(bundle.payload),
        records=[msgspec.structs.replace(each, document=fakes.document(each.document)) for each in bundle.records],
        connections=[
            msgspec.structs.replace(each, settings=fakes.document(each.settings), facts=fakes.document(each.facts))
            for each in bundle.connections
        ],
        log=exchanges,
        failure=failure,
        redacted=sorted(fakes.replaced),
    )
    masked = Redactor(_secrets(app, bundle)).text(msgspec.json.encode(redacted).decode())
    return msgspec.json.decode(masked, type=Bundle)


def _secrets(app: App, bundle: Bundle) -> Iterator[str]:
    for place in bundle.connections:
        row = app.row(place.name)
        revealed = app.reveal(row)
        yield from (revealed[name] for name in _hidden(app.connector_of(row)) if revealed.get(name))
