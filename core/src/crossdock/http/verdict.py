"""From an HTTP answer to the error that says what happens next: the one table.

================================  ==========  =====================================================
answer                            class       why
================================  ==========  =====================================================
401, 403, 407                     access      credentials or rights; pause the connection
404, 410 on a read or write       record      this one thing does not exist
408, 425, 429, 502, 503, 504      transient   passing; honour Retry-After
500 and other 5xx                 transient   passing for reads
5xx or 408 on a *create*          unknown     the work may have been done
3xx                               access      the address is wrong; following would drop body or credentials
other 4xx                         record      the vendor refuses this record
================================  ==========  =====================================================

A connector's `Rule`s are looked at first, in their order.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from datetime import datetime

import msgspec

from crossdock.connection import Rule
from crossdock.errors import (
    AccessError,
    ConnectorError,
    OutcomeUnknownError,
    RecordError,
    TransientError,
    UnsupportedError,
)
from crossdock.http.answer import Answer, retry_after

_TRANSIENT = {408, 425, 429, 502, 503, 504}
_TAGS = re.compile(r"<(script|style).*?</\1>|<[^>]+>", re.DOTALL | re.IGNORECASE)
_WORDS = ("message", "Message", "error_description", "detail", "title", "error")


_FIELDS = 5


def vendor_message(body: bytes) -> str:
    """The vendor's own words in an error body, at most 300 characters: a message field, or the text of a page.

    Of a problem report (RFC 9457 as ASP.NET writes it) also the bad fields and the trace that the vendor's support
    asks for; of WordPress also the bad parameters (WooCommerce page section 2).
    """
    try:
        value = msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.MsgspecError, ValueError):
        value = None
    if isinstance(value, dict):
        for word in _WORDS:
            if isinstance(value.get(word), str) and value[word]:
                code = value.get("code")
                said = html.unescape(_TAGS.sub(" ", value[word])) + _bad_fields(value)
                return (f"{code}: {said}" if isinstance(code, str) and code else said)[:300] + _trace(value)
    plain = html.unescape(_TAGS.sub(" ", body[:4000].decode("utf-8", "replace")))
    return " ".join(plain.split())[:300]


def _bad_fields(problem: dict[str, object]) -> str:
    """The fields of a validation problem with what is said of each."""
    data = problem.get("data")
    fields = problem.get("errors") or (data.get("params") if isinstance(data, dict) else None)
    if not isinstance(fields, dict):
        return ""
    said = ((name, [text] if isinstance(text, str) else text) for name, text in list(fields.items())[:_FIELDS])
    several = ((name, texts) for name, texts in said if isinstance(texts, list))
    told = [f"{name}: {' '.join(each for each in texts if isinstance(each, str))}" for name, texts in several]
    return f" {'; '.join(told)}" if told else ""


def _trace(value: dict[str, object]) -> str:
    trace = value.get("traceId")
    return f" (trace {trace[:80]})" if isinstance(trace, str) and trace else ""


def judge(answer: Answer, rules: Sequence[Rule], *, creates: bool, now: datetime) -> ConnectorError | None:
    """The error for `answer`, or `None` when it is a success. `creates`: the request was a non-idempotent write."""
    if 200 <= answer.status < 300:
        return None
    said = vendor_message(answer.content)
    rule = next((each for each in rules if _applies(each, answer)), None)
    verdict = rule.verdict if rule else _default(answer.status, creates)
    message = (rule.message if rule else "") or _sentence(answer, said)
    hint = (rule.hint if rule else "") or _hint(answer, verdict)
    if verdict == "transient":
        return TransientError(
            message, wait=retry_after(answer.headers, now), hint=hint, status=answer.status, vendor_message=said
        )
    if verdict == "record":
        return RecordError(message, hint=hint, status=answer.status, vendor_message=said)
    kinds: dict[str, type[ConnectorError]] = {
        "access": AccessError, "unknown": OutcomeUnknownError, "unsupported": UnsupportedError,
    }  # fmt: skip
    return kinds[verdict](message, hint=hint, status=answer.status, vendor_message=said)


def _applies(rule: Rule, answer: Answer) -> bool:
    if rule.status and rule.status != answer.status:
        return False
    body = answer.content[:20000].decode("utf-8", "replace")
    return not rule.text or re.search(rule.text, body, re.IGNORECASE) is not None


def _default(status: int, creates: bool) -> str:
    if status in (401, 403, 407):
        return "access"
    if 300 <= status < 400:
        return "access"
    if status == 429:
        return "transient"  # refused before any work, also for a create
    if status >= 500 or status in _TRANSIENT:
        return "unknown" if creates else "transient"
    return "record"


def _sentence(answer: Answer, said: str) -> str:
    where = f"{answer.url} answered {answer.status}"
    if 300 <= answer.status < 400:
        return f"{where}: a redirect to {answer.headers.get('location', 'an unnamed address')}."
    return f"{where}: {said}" if said else f"{where} without a message."


def _hint(answer: Answer, verdict: str) -> str:
    if 300 <= answer.status < 400:
        return "Configure the address that the redirect names; redirects are not followed because they lose data."
    if verdict == "access":
        return "Check credentials and rights, then run: crossdock connection verify NAME"
    return ""
