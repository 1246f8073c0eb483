"""Sending an order once, and never twice: it takes effect at once (vendor page section 5.3)."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from crossdock import (
    AccessError,
    Answer,
    ConnectorError,
    Order,
    OutcomeUnknownError,
    Preview,
    Receipt,
    RecordError,
    Session,
    TransientError,
    UnsupportedError,
)
from crossdock_xdconnects import ledger, mail, news, wire
from crossdock_xdconnects.previewing import Examined, examine
from crossdock_xdconnects.purchase import of_order, sent_scope, substance
from crossdock_xdconnects.settings import ORDERING, Settings

_DEAD = ("cancelled", "refunded", "failed", "deleted")
_WAIT = timedelta(minutes=1)
_LONGEST_ANSWER = timedelta(minutes=5)
# Of the thread that sends: when somebody else looks at the order meanwhile, that approves nothing.
_PREVIEWED: ContextVar[tuple[object, str, str]] = ContextVar("previewed", default=(None, "", ""))


class _DuplicateError(Exception):
    """XD says that it has an order with this reference already; the text is what it said."""


def preview(session: Session[Settings], order: Order, key: str) -> Preview:
    """What would be sent, its price, and what speaks against it; of an order that was sent, what would differ."""
    before = ledger.sent(session, key)
    if before is not None and before.number:
        wish = _wish(session, order, before)
        problems = (str(mail.request(session.settings, before, before.number, key, wish)),) if wish else ()
        return Preview(
            body=before.document, hash=before.hash, total=f"{before.total:f}", currency=before.currency,
            problems=problems,
        )  # fmt: skip
    examined = examine(session, order, key)
    _PREVIEWED.set((weakref.ref(session), key, examined.hash))
    return examined.preview(session)


def push(session: Session[Settings], order: Order, key: str, known: Receipt | None) -> Receipt:
    """Send an order that was previewed; an order that exists can only be changed by XD's back office.

    Raises `RecordError` with a mail to be sent when an order that exists would have to change.
    """
    before = ledger.sent(session, key)
    if known is not None or (before is not None and before.number):
        return _exists(session, order, key, known, before)
    examined = examine(session, order, key, ask_artwork=False)
    if examined.problems or examined.request is None or examined.contract is None:
        raise RecordError(" ".join(examined.problems) or "The order cannot be written.", gap=examined.gap)
    if _PREVIEWED.get() != (weakref.ref(session), key, examined.hash):
        raise TransientError("The order, or what XD says of it, changed since it was previewed; it is looked at again.")
    if not session.settings.live_ordering:
        raise RecordError(
            "Everything was done but the sending, because live_ordering is off in the connection.",
            hint="Orders take effect at once. When XD has confirmed the activation, set live_ordering and replay this.",
        )
    if before and before.under_way and session.clock.now() - before.sent_at < _LONGEST_ANSWER:
        raise TransientError(f"The order {key} is being sent by another worker just now.")
    return _send(session, order, key, examined, examined.request, examined.contract)


def find(session: Session[Settings], key: str) -> Sequence[Receipt]:
    """The order under our reference: as XD answered it once, else by the lookup of the mapping file.

    Raises `UnsupportedError` when the file has no lookup: then only XD's back office knows.
    """
    before = ledger.sent(session, key)
    if before is not None and before.number:
        return [_receipt(before.number, "")]
    contract = wire.load(session.settings.wire_file)
    if contract.lookup is None:
        raise UnsupportedError(
            f"XD cannot be asked for the reference {key}: the mapping file has no lookup.",
            hint="Ask XD's back office whether the order exists, then say so: crossdock effects resolve NUMBER",
        )
    return _looked_up(session, contract, contract.lookup, key, before)


def cancel(session: Session[Settings], known: Receipt, reason: str) -> Receipt:
    """Raises `RecordError` with a mail that asks XD to cancel; an order that XD ended already is answered."""
    order = next(iter(ledger.by_numbers(session, (known.external_id,))), None)
    if order is not None and ledger.state(session, order).status in news.ENDED:
        return _receipt(order.number, ledger.state(session, order).status)
    because = f" ({reason})" if reason else ""
    reference = order.reference if order else ""
    raise mail.request(
        session.settings, order, known.external_id, reference, [f"please cancel the whole order{because}"]
    )


# -- what exists -----------------------------------------------------------------------------------


def _exists(
    session: Session[Settings], order: Order, key: str, known: Receipt | None, before: ledger.Sent | None
) -> Receipt:
    number = known.external_id if known else before.number if before else ""
    if before is not None and not before.number:
        ledger.keep_sent(session, msgspec.structs.replace(before, number=number))  # a person found it out
    wish = _wish(session, order, before)
    if wish:
        raise mail.request(session.settings, before, number, key, wish)
    status = ledger.state(session, before).status if before else ""
    return _receipt(number, status, "It is at XD already and nothing of it changed.")


def _wish(session: Session[Settings], order: Order, before: ledger.Sent | None) -> list[str]:
    """What XD would have to change, in words; nothing when the order is at XD as it is wanted."""
    ended = before is not None and ledger.state(session, before).status in news.ENDED
    if order.status in _DEAD:
        return [] if ended else ["please cancel the whole order"]
    if before is None:
        return ["see the order; what was sent is not known here any more"]
    return mail.differences(before.wanted, substance(order))


# -- sending ---------------------------------------------------------------------------------------


def _send(
    session: Session[Settings], order: Order, key: str, examined: Examined, request: wire.Request, contract: wire.Wire
) -> Receipt:
    earlier, intent = ledger.sent(session, key), _intent(session, order, key, examined, request)
    ledger.forget_state(session, key)  # what was heard before can only be about one that XD refused
    ledger.keep_sent(session, intent)  # before the request: whatever happens, news of it will be known as ours
    try:
        answer = _ask(session, request, create=True)
        number, receipt = _answered(session, contract, answer)
    except _DuplicateError as duplicate:
        return _duplicate(session, contract, order, earlier, intent, str(duplicate))
    except OutcomeUnknownError:
        ledger.keep_sent(session, msgspec.structs.replace(ledger.sent(session, key) or intent, under_way=False))
        raise
    except ConnectorError:
        _not_made(session, key, earlier)
        raise
    order_sent, heard = msgspec.structs.replace(intent, number=number, under_way=False), ledger.sent(session, key)
    if heard is not None and heard.number not in ("", number):
        ledger.forget_state(session, key)  # late news of an order that XD had refused
    ledger.keep_sent(session, order_sent)
    news.tell(session, contract, order_sent, _value(answer))
    return receipt


def _not_made(session: Session[Settings], key: str, earlier: ledger.Sent | None) -> None:
    """The request made no order, so it is forgotten; unless news, or an earlier request, may mean one."""
    heard = ledger.sent(session, key)
    if heard is not None and heard.number and ledger.state(session, heard).status not in news.ENDED:
        return
    ledger.forget_sent(session, key)
    if earlier is not None:
        ledger.keep_sent(session, earlier)


def _duplicate(
    session: Session[Settings], contract: wire.Wire, order: Order, earlier: ledger.Sent | None, intent: ledger.Sent,
    said: str,
) -> Receipt:  # fmt: skip
    """The receipt of the order that XD has: as an earlier request wanted it, which may not be what is wanted now."""
    key, had = intent.reference, msgspec.structs.replace(earlier or intent, under_way=False)
    ledger.keep_sent(session, had)
    found = _looked_up(session, contract, contract.lookup, key, had) if contract.lookup is not None else []
    if len(found) != 1:
        raise OutcomeUnknownError(
            f"XD says that it has an order with the reference {key} already: {said or 'no more words'}",
            hint="Ask XD's back office for its number.", vendor_message=said,
        )  # fmt: skip
    if earlier is not None:
        return _exists(session, order, key, found[0], earlier)
    number = found[0].external_id
    return _receipt(number, "", "XD had an order with this reference already, sent from elsewhere: compare it.")


def _intent(
    session: Session[Settings], order: Order, key: str, examined: Examined, request: wire.Request
) -> ledger.Sent:
    purchase = of_order(order, key, examined.goods)
    return ledger.Sent(
        reference=key, sent_at=session.clock.now(), document=session.http.redactor.text(request.content.decode()),
        hash=examined.hash, wanted=substance(order), under_way=True,
        shop_number=purchase.shop_number, type=purchase.type, total=examined.total,
        currency=session.settings.currency, ship_to=purchase.ship_to,
        lines=tuple(
            ledger.SentLine(each.number, each.key, each.sku, each.name, each.quantity, each.unit_price)
            for each in examined.goods
        ),
    )  # fmt: skip


def _ask(session: Session[Settings], request: wire.Request, *, create: bool = False, attempts: int = 1) -> Answer:
    """Ask XD; the answer is judged here, because a refusal may come as a success and a duplicate as an error."""
    answer = session.http.request(
        request.method, request.path, request.query, content=request.content or None, headers=request.headers,
        timeout=request.timeout, budget=ORDERING, create=create, attempts=attempts, raw=True,
    )  # fmt: skip
    where = f"XD answered {answer.status}"
    if answer.status in (401, 403, 407):
        raise AccessError(f"{where}: the API token or the security code is not accepted.",
                          hint="Check the six values with XD's mail.", status=answer.status)  # fmt: skip
    if create and answer.status in (302, 303):  # many answer so when they have taken a form
        raise OutcomeUnknownError(f"{where}, a redirect that may follow an order that was taken.", status=answer.status)
    if 300 <= answer.status < 400:
        raise AccessError(f"{where}: the ordering address has moved.", hint="Correct base_url.", status=answer.status)
    if answer.status == 429:
        raise TransientError(f"{where}: too many requests.", wait=_wait(answer, session.clock.now()), status=429)
    if answer.status >= 500 or answer.status == 408:
        kind = OutcomeUnknownError if create else TransientError
        raise kind(f"{where} without saying what became of the request.", status=answer.status)
    return answer


def _wait(answer: Answer, now: datetime) -> timedelta:
    """How long XD asks to wait, in seconds or until a date; a minute when it does not say."""
    asked = answer.headers.get("retry-after", "").strip()
    if asked.isdecimal() and len(asked) < 9:
        return timedelta(seconds=min(int(asked), 86400))
    try:
        until = parsedate_to_datetime(asked)
    except ValueError:
        return _WAIT
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max(until - (answer.date or now), _WAIT), timedelta(days=1))


def _answered(session: Session[Settings], contract: wire.Wire, answer: Answer) -> tuple[str, Receipt]:
    """XD's number and the receipt, or the error that the answer stands for."""
    part, value = contract.file.answer, _value(answer)
    messages = [each for each in wire.pick_list(value, part.messages) if isinstance(each, dict | str)]
    said = session.http.redactor.text(" ".join(_sentence(each, part) for each in messages))[:600]
    listed = {wire.pick_text(each, part.message_code) for each in messages}
    if answer.status in part.duplicate_statuses or listed & set(part.duplicate_codes):
        raise _DuplicateError(said)
    word = wire.bare(wire.pick_text(value, part.status)) if part.status else ""
    refused = answer.status >= 400 or word in map(wire.bare, part.refused_words)
    if refused:
        nowhere = not said and answer.status in (404, 405, 410)
        raise RecordError(f"XD refused the order: {said or f'it answered {answer.status}'}",
                          hint="Check base_url, and method and path of create in the mapping file." if nowhere else "",
                          path=_first_field(messages, part), status=answer.status, vendor_message=said)  # fmt: skip
    number = wire.pick_text(value, part.order_number)
    good = answer.status in part.success_statuses and (
        not part.success_words or word in map(wire.bare, part.success_words)
    )
    if not good or not number:
        raise OutcomeUnknownError(
            f"XD answered {answer.status} {word!r} {'with the number ' + number if number else 'without a number'}, "
            "which the mapping file knows neither as a success nor as a refusal.",
            hint="Ask XD whether the order exists; add the word to success_words or refused_words.",
            vendor_message=said,
        )  # fmt: skip
    return number, _receipt(number, word, said)


def _looked_up(
    session: Session[Settings], contract: wire.Wire, call: wire.Call, key: str, before: ledger.Sent | None
) -> list[Receipt]:
    answer = _ask(session, call.made(sent_scope(session.settings, "", key)), attempts=3)
    if answer.status == 404 and isinstance(_value(answer), dict):
        return []
    if answer.status >= 400:
        raise TransientError(f"XD answered {answer.status} when it was asked for the reference {key}.")
    value, part = answer.json(), contract.file.news
    where = contract.file.lookup.orders if contract.file.lookup else ""
    rows = wire.pick(value, where) if where else value if isinstance(value, list) else [value]
    numbers = {number for number, reference in (news.names(row, part) for row in _list(rows)) if reference == key}
    if rows != [] and (not numbers or "" in numbers):
        # To believe that it is absent would send it a second time.
        raise UnsupportedError(
            f"XD's answer to the lookup of {key} is neither an empty list nor an order with reference and number.",
            hint="Compare lookup and news in the mapping file with XD's answer in crossdock log, and ask XD's back "
            "office whether the order exists: crossdock effects resolve NUMBER",
        )
    if before is not None and len(numbers) == 1:
        ledger.keep_sent(session, msgspec.structs.replace(before, number=next(iter(numbers))))
    return [_receipt(number, "") for number in sorted(numbers)]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def refresh(session: Session[Settings], contract: wire.Wire, order: ledger.Sent) -> None:
    """Ask how far an order is, by the status request of the mapping file; without one nothing happens."""
    if contract.status is None:
        return
    request = contract.status.made(sent_scope(session.settings, order.number, order.reference))
    answer = _ask(session, request, attempts=3)
    value = _value(answer) if answer.status < 400 else None
    if answer.status < 400 and not isinstance(value, dict | list):
        raise TransientError(f"XD did not answer with JSON when it was asked how far the order {order.number} is.")
    if value is not None and order.number == news.names(value, contract.file.news)[0]:
        news.tell(session, contract, order, value)


def ping(session: Session[Settings], contract: wire.Wire) -> int:
    """The status that the ping request of the mapping file gets; raises what refused credentials deserve."""
    assert contract.ping is not None  # noqa: S101  only called with one
    return _ask(session, contract.ping.made(sent_scope(session.settings, "", "")), attempts=2).status


def _value(answer: Answer) -> Any:
    try:
        return msgspec.json.decode(answer.content.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.MsgspecError, RecursionError):
        return None


def _sentence(message: Any, part: wire.AnswerPart) -> str:
    if isinstance(message, str):
        return message
    found = [wire.pick_text(message, path) for path in (part.message_code, part.message_text, part.message_field)]
    return f"{found[0]}: {found[1]}{' [' + found[2] + ']' if found[2] else ''}."


def _first_field(messages: Sequence[Any], part: wire.AnswerPart) -> str:
    return next((field for each in messages if (field := wire.pick_text(each, part.message_field))), "")


def _receipt(number: str, status: str, note: str = "") -> Receipt:
    return Receipt(external_id=number, number=number, status=status, note=note)


def is_silent(session: Session[Settings], order: ledger.Sent, state: ledger.State) -> bool:
    """Whether an order that is under way has had no news for `silent_days`."""
    limit = timedelta(days=session.settings.silent_days)
    return state.status in news.OPEN and session.clock.now() - state.heard_at > limit
