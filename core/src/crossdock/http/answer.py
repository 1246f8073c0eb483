"""An HTTP answer with a body that is never trusted to be JSON."""

from __future__ import annotations

import email.utils
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

import attrs
import msgspec

from crossdock.errors import RecordError, TransientError

W = TypeVar("W")
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])


@attrs.frozen(slots=True)
class Row(Generic[W]):
    """One payload of a list: the bytes as they came, and the typed value or why there is none."""

    raw: bytes  #: the bytes as they came
    value: W | None = None  #: the typed value; `None`: it does not fit
    error: RecordError | None = None  #: why it does not fit


def decode_row(raw: bytes, decoder: msgspec.json.Decoder[W]) -> Row[W]:
    """The row for one payload; a payload that does not fit carries its error with the path of the bad field."""
    try:
        return Row(raw, decoder.decode(raw))
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
        text = str(error)
        _, found, path = text.rpartition(" - at `$")
        return Row(
            raw,
            None,
            RecordError(
                f"The payload does not have the documented shape: {text}.",
                path=path.rstrip("`").lstrip(".") if found else "",
                payload=raw,
            ),
        )


@attrs.frozen(slots=True)
class Answer:
    """Status, headers (names in lower case), body and the masked URL of one answer.

    `mask` takes secrets out of a text: errors quote bodies, and some systems quote the request in their answers.
    """

    status: int  #: the HTTP status
    headers: Mapping[str, str]  #: names in lower case
    content: bytes  #: the body's bytes
    url: str  #: the address, secrets masked
    mask: Callable[[str], str] = str  #: takes secrets out of a text
    seconds: float = 0.0  #: how long the answer took, body included

    @property
    def date(self) -> datetime | None:
        """The remote clock, from the ``Date`` header, in UTC."""
        return _http_date(self.headers.get("date", ""))

    def json(self) -> Any:
        """The body as plain values; raises `TransientError` when it is not JSON."""
        return self.decode(_ANY)

    def decode(self, decoder: msgspec.json.Decoder[W]) -> W:
        """The body through a typed decoder.

        Raises `TransientError` when the body is no JSON at all and `RecordError` when it is JSON of another shape.
        """
        body = self._body()
        try:
            return decoder.decode(body)
        except msgspec.ValidationError as error:
            text = str(error)
            _, found, path = text.rpartition(" - at `$")
            raise RecordError(
                f"The answer of {self.url} does not have the documented shape: {self.mask(text)}.",
                path=path.rstrip("`").lstrip(".") if found else "",
                status=self.status,
                payload=self.content[:4096],
            ) from error
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise self._not_json() from error

    def rows(self, decoder: msgspec.json.Decoder[W], within: msgspec.Raw | None = None) -> list[Row[W]]:
        """The body as a JSON array, row by row, so that one bad row does not spoil the page.

        `within` is the array when it is only a part of the body: a field typed as ``msgspec.Raw``; ``null`` is empty.
        """
        if within is not None and bytes(within) == b"null":
            return []
        try:
            raws = _RAWS.decode(self._body() if within is None else within)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise self._not_json() from error
        return [decode_row(bytes(raw), decoder) for raw in raws]

    def _body(self) -> bytes:
        # A byte order mark before the JSON is common on PHP hosts and harmless (WooCommerce page section 0.11).
        return self.content.removeprefix(b"\xef\xbb\xbf")

    def _not_json(self) -> TransientError:
        # Masked before it is cut: half a secret would not be recognised.
        start = self.mask(self._body()[:1000].decode("utf-8", "replace"))[:200].strip()
        if not start:
            what = "an empty body"
        elif start[:1] == "<":
            what = "an HTML page"
        elif start[:1] in "[{":
            what = "JSON that is cut off or broken"
        else:
            what = "text that is no JSON"
        return TransientError(
            f"{self.url} answered {self.status} with {what} where JSON was expected.",
            status=self.status,
            vendor_message=start,
            hint="Something between us and the API answered instead of it, or printed a warning into it: "
            "look at the quoted text, the address, a maintenance page, a firewall.",
        )


_ANY: msgspec.json.Decoder[Any] = msgspec.json.Decoder()


def _http_date(text: str) -> datetime | None:
    try:
        parsed = email.utils.parsedate_to_datetime(text)
        # Without a zone it is meant as GMT (RFC 9110 section 5.6.7), not as this machine's time.
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


_LONGEST = timedelta(days=7)
_MILLISECONDS_FROM = 10**11  # as seconds this is the year 5138, so such an epoch counts milliseconds
_EPOCH_FROM = 10**8  # a smaller number is not a moment but the seconds until then


def retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """How long the vendor asks to wait: ``Retry-After`` in seconds or as a date, or ``x-ratelimit-reset``.

    The latter counts only when ``x-ratelimit-remaining`` is 0 or missing, as an epoch in seconds or milliseconds or as
    seconds from now. Never more than a week: a longer wait is a mistake.
    """
    wait = _asked(headers.get("retry-after", "").strip(), now)
    if wait is None and headers.get("x-ratelimit-remaining", "0").strip() == "0":
        wait = _reset(headers.get("x-ratelimit-reset", "").strip(), now)
    return None if wait is None else min(max(wait, timedelta(0)), _LONGEST)


def _asked(text: str, now: datetime) -> timedelta | None:
    if _NUMBER.fullmatch(text):
        return timedelta(seconds=min(float(text), _LONGEST.total_seconds()))
    at = _http_date(text)
    return at - now if at else None


def _reset(text: str, now: datetime) -> timedelta | None:
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    if value < _EPOCH_FROM:
        return timedelta(seconds=value)
    seconds = value / 1000 if value >= _MILLISECONDS_FROM else value
    left = seconds - now.timestamp() + 1
    return timedelta(seconds=min(left, _LONGEST.total_seconds()))


_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?")
