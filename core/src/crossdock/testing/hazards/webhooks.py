"""Hazards of webhooks: forged, altered, repeated, out of order, garbage. A webhook is a hint, never the truth."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from datetime import timedelta

from crossdock.errors import CrossdockError
from crossdock.records import evolve
from crossdock.sandbox import Impossible, NotRehearsed
from crossdock.session import WebhookReply, WebhookRequest
from crossdock.testing.hazards.hazard import Finding, NotApplicable, hazard, needs
from crossdock.testing.stage import Stage

_PLAIN = ("accept", "accept-encoding", "connection", "content-length", "content-type", "host", "user-agent")
_receives = needs("handle_webhook")
_GARBAGE: Mapping[str, bytes] = {
    "an empty body": b"",
    "a list": b"[]",
    "null": b"null",
    "half an object": b'{"id": 17',
    "bytes that are no text": b"\x00\xff\xfe\x80",
    "an object of nothing known": b'{"zzz": {"a": [1, null, {"b": 1e400}]}}',
    "numbers without end": b'{"id": ' + b"9" * 5000 + b"}",
    "brackets without end": b"[" * 50_000,
    "two megabytes": b'{"id": "' + b"x" * 2_000_000 + b'"}',
}


def _row(stage: Stage) -> tuple[str, str, WebhookRequest]:
    """A stream of which the system sends webhooks, the key of a row there, and its webhook."""
    reason: Exception = NotRehearsed("The sandbox rehearses no stream.")
    for stream in stage.rehearsal.streams:
        try:
            stage.stream = stream
            key = stage.add(1)[0]
            return stream, key, stage.rehearsal.webhook(stream, key)
        except (NotRehearsed, Impossible) as missing:
            reason = missing if not isinstance(reason, NotRehearsed) or isinstance(missing, NotRehearsed) else reason
    raise reason


def _ask(stage: Stage, request: WebhookRequest, what: str) -> WebhookReply:
    try:
        return stage.connector.handle_webhook(stage.session, request)
    except CrossdockError as error:
        raise Finding(f"{what} ended with {type(error).__name__}: {error}") from error


def _demand_refused(reply: WebhookReply, what: str) -> None:
    if reply.signals or reply.status < 400:
        raise Finding(f"{what} was answered with {reply.status} and {len(reply.signals)} signals.")


def _demand_taken(reply: WebhookReply, stream: str, key: str, what: str) -> None:
    if not 200 <= reply.status < 300:
        raise Finding(f"{what} was answered with {reply.status}: {reply.note or reply.body}")
    if not any(each.stream == stream and (not each.keys or key in each.keys) for each in reply.signals):
        raise Finding(f"{what} does not ask for {stream} {key} to be fetched, but for {list(reply.signals)}.")


@hazard(
    "webhook-taken", "silver",
    "A genuine webhook is refused, or asks for nothing, and the vendor switches it off after some tries.",
    _receives,
)  # fmt: skip
def taken(stage: Stage) -> None:
    """A genuine webhook asks for its row to be fetched, in milliseconds: nothing is asked of the system meanwhile."""
    stream, key, request = _row(stage)
    asked = stage.session.http.count, len(stage.requests())
    _demand_taken(_ask(stage, request, "A genuine webhook"), stream, key, "A genuine webhook")
    if (stage.session.http.count, len(stage.requests())) != asked:
        raise Finding("It asked the system something before it answered; fetching comes later.")


@hazard(
    "webhook-forged", "bronze",
    "Anybody who knows the address can make us fetch, or believe what he writes.",
    _receives,
)  # fmt: skip
def forged(stage: Stage) -> None:
    """The same webhook without its credentials, and with other ones of the same shape, is refused."""
    _, _, request = _row(stage)
    plain = {name: value for name, value in request.headers.items() if name in _PLAIN}
    bare = evolve(request, headers=plain, query={})
    _demand_refused(_ask(stage, bare, "Without a signature it"), "Without a signature it")
    replies = [_ask(stage, each, "With a wrong signature it") for each in _turned(request)]
    if all(reply.status < 400 for reply in replies):
        raise Finding("With any header or parameter changed it is believed, so the signature is not compared.")
    for reply in replies:
        if reply.status >= 400 and reply.signals:
            raise Finding("With a wrong signature it was refused, and asks to fetch all the same.")


def _turned(request: WebhookRequest) -> Iterator[WebhookRequest]:
    """The request with one value of a header or the query changed in a character that matters, each in turn."""
    for name, value in request.headers.items():
        if name not in _PLAIN and value:
            yield evolve(request, headers={**request.headers, name: _other(value)})
    for name, value in request.query.items():
        if value:
            yield evolve(request, query={**request.query, name: _other(value)})


def _other(value: str) -> str:
    at = len(value) // 2
    return value[:at] + ("B" if value[at] not in "bB" else "C") + value[at + 1 :]


@hazard(
    "webhook-altered", "bronze",
    "A signature is checked against something else than the bytes that came, and the body says what somebody likes.",
    _receives,
)  # fmt: skip
def altered(stage: Stage) -> None:
    """Another body under a genuine signature is refused."""
    _, _, request = _row(stage)
    signed = stage.rehearsal.sign(request.body)
    other = stage.rehearsal.sign(request.body + b" ")
    if other.headers == signed.headers:
        raise NotApplicable("The vendor's proof is the same for every body: it is a token and no signature.")
    _demand_refused(_ask(stage, evolve(signed, body=other.body), "With another body it"), "With another body it")


def _edited(stage: Stage, stream: str, key: str) -> WebhookRequest:
    """The webhook of the next change of the row, some seconds later."""
    with contextlib.suppress(NotRehearsed, Impossible):
        stage.rehearsal.set_clock(stage.rehearsal.now() + timedelta(seconds=20))
    stage.rehearsal.edit(stream, key)
    return stage.rehearsal.webhook(stream, key)


@hazard(
    "webhook-repeated", "silver",
    "A webhook is sent again and counts as news, or the next change counts as a repeat and is never fetched.",
    _receives,
)  # fmt: skip
def replayed(stage: Stage) -> None:
    """The same webhook has the same answer and mark, the next change of the row another mark or none."""
    stream, key, request = _row(stage)
    first, again = (_ask(stage, request, "A webhook") for _ in range(2))
    if (first.status, first.signals, first.dedupe) != (again.status, again.signals, again.dedupe):
        raise Finding(f"The same webhook was answered otherwise the second time: {first} and {again}")
    later = _ask(stage, _edited(stage, stream, key), "The next webhook")
    _demand_taken(later, stream, key, "The next change")
    if first.dedupe and later.dedupe == first.dedupe:
        raise Finding(f"Two changes of {key} have one mark ({first.dedupe}), so the second is dropped as a repeat.")


@hazard(
    "webhook-out-of-order", "silver",
    "An older webhook comes after a newer one and is thrown away with what it was about.",
    _receives,
)  # fmt: skip
def reordered(stage: Stage) -> None:
    """Webhooks of two changes and of another row, last one first, each ask for their row."""
    stream, key, request = _row(stage)
    newer = _edited(stage, stream, key)
    stage.stream = stream
    other = stage.add(1)[0]
    requests = [(other, stage.rehearsal.webhook(stream, other)), (key, newer), (key, request)]
    for each, sent in requests:
        _demand_taken(
            _ask(stage, sent, f"The webhook of {each}"), stream, each, f"The webhook of {each}, out of order,"
        )


@hazard(
    "webhook-garbage", "silver",
    "A body that nobody expected breaks the door, and the webhooks behind it wait.",
    _receives,
)  # fmt: skip
def garbage(stage: Stage) -> None:
    """Garbage, unsigned or rightly signed, huge, or by another method, has an answer below 500 and breaks nothing."""
    stream, key, request = _row(stage)
    for name, body in _GARBAGE.items():
        _demand_answer(_ask(stage, evolve(request, body=body), f"With {name} it"), name)
        with contextlib.suppress(Impossible):
            _demand_answer(_ask(stage, stage.rehearsal.sign(body), f"With {name}, signed, it"), f"{name}, signed,")
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        reply = _ask(stage, evolve(request, method=method, headers={}, query={}, body=b""), f"A {method}")
        if reply.signals or reply.status >= 500:
            raise Finding(f"An empty {method} was answered with {reply.status} and {len(reply.signals)} signals.")
    _demand_taken(_ask(stage, request, "After garbage it"), stream, key, "After garbage a genuine webhook")


def _demand_answer(reply: WebhookReply, name: str) -> None:
    if not 200 <= reply.status < 500:
        raise Finding(f"{name[0].upper()}{name[1:]} was answered with {reply.status}.")


HAZARDS = (taken, forged, altered, replayed, reordered, garbage)
