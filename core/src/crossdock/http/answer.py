"""An HTTP answer with a body that is never trusted to be JSON."""

from __future__ import annotations

import email.utils
from collections.abc import Mapping
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

    raw: bytes
    value: W | None = None
    error: RecordError | None = None


def decode_row(raw: bytes, decoder: msgspec.json.Decoder[W]) -> Row[W]:
    """The row for one payload; a payload that does not fit carries its error with the path of the bad field."""
    try:
        return Row(raw, decoder.decode(raw))
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
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
    """Status, headers (names in lower case), body and the masked URL of one answer."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    url: str

    @property
    def date(self) -> datetime | None:
        """The remote clock, from the ``Date`` header, in UTC."""
        text = self.headers.get("date")
        if not text:
            return None
        try:
            return email.utils.parsedate_to_datetime(text).astimezone(UTC)
        except ValueError:
            return None

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
                f"The answer of {self.url} does not have the documented shape: {text}.",
                path=path.rstrip("`").lstrip(".") if found else "",
                status=self.status,
                payload=self.content[:4096],
            ) from error
        except (msgspec.MsgspecError, ValueError) as error:
            raise self._not_json() from error

    def rows(self, decoder: msgspec.json.Decoder[W]) -> list[Row[W]]:
        """The body as a JSON array, row by row, so that one bad row does not spoil the page."""
        try:
            raws = _RAWS.decode(self._body())
        except msgspec.MsgspecError as error:
            raise self._not_json() from error
        return [decode_row(bytes(raw), decoder) for raw in raws]

    def _body(self) -> bytes:
        # A byte order mark before the JSON is common on PHP hosts and harmless (WooCommerce page section 0.11).
        return self.content.removeprefix(b"\xef\xbb\xbf")

    def _not_json(self) -> TransientError:
        start = self._body()[:200].decode("utf-8", "replace").strip()
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


def retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """How long the vendor asks to wait: ``Retry-After`` in seconds or as a date, or ``x-ratelimit-reset`` (epoch)."""
    text = headers.get("retry-after", "").strip()
    if text:
        if text.isdigit():
            return timedelta(seconds=int(text))
        try:
            return max(email.utils.parsedate_to_datetime(text).astimezone(UTC) - now, timedelta(0))
        except ValueError:
            return None
    reset = headers.get("x-ratelimit-reset", "").strip()
    if reset.isdigit() and headers.get("x-ratelimit-remaining", "0").strip() == "0":
        return max(datetime.fromtimestamp(int(reset), UTC) - now + timedelta(seconds=1), timedelta(0))
    return None
