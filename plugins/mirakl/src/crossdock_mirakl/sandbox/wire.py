"""Numbers and rows on the wire: money as JSON numbers, CSV files in the operator's delimiter, multipart uploads."""

from __future__ import annotations

import csv
import email
import email.policy
import io
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

import msgspec
from starlette.responses import Response

from crossdock_mirakl.sandbox.refusal import Refusal

JsonObject = dict[str, Any]

CENT = Decimal("0.01")
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer in which a `Decimal` is a number with exactly its digits."""
    return Response(_ENCODER.encode(value), status, dict(headers or {}), "application/json;charset=UTF-8")


def widened(value: Any, added: JsonObject) -> Any:
    """`value` with the fields `added` in every object."""
    if isinstance(value, list):
        return [widened(each, added) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: widened(each, added) for name, each in value.items()} | added


def json_body(body: bytes, content_type: str) -> JsonObject:
    """The object of a request, fractions as `Decimal`. Raises `Refusal` 415 or 400."""
    if "json" not in content_type:
        raise Refusal("Unsupported Media Type", 415)
    try:
        value = _DECODER.decode(body)
    except msgspec.DecodeError as error:
        raise Refusal("Malformed JSON in the body of the request") from error
    if not isinstance(value, dict):
        raise Refusal("The body of the request must be an object")
    return value


def cents(value: Decimal) -> Decimal:
    """Rounded to cents, half up."""
    return value.quantize(CENT, ROUND_HALF_UP)


def money(value: Any, name: str, *, least: Decimal = Decimal(0)) -> Decimal:
    """An amount of a request body. Raises `Refusal` for what is no number or is below `least`."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or value < least:
        raise Refusal(f"Invalid amount for the field : {name}", code="VALIDATION_ERROR", field=name)
    return Decimal(value)


def whole(value: Any, name: str, *, least: int = 0) -> int:
    """A count of a request body. Raises `Refusal`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise Refusal(f"Invalid quantity for the field : {name}", code="VALIDATION_ERROR", field=name)
    return value


def decimal_or_none(text: str) -> Decimal | None:
    """A number of a CSV cell, or None for text that is none."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def upload(body: bytes, content_type: str) -> bytes:
    """The part named ``file`` of a multipart request. Raises `Refusal` when there is none."""
    if not content_type.startswith("multipart/form-data"):
        raise Refusal("Unsupported Media Type", 415)
    whole_message = b"Content-Type: " + content_type.encode("latin-1") + b"\r\n\r\n" + body
    message = email.message_from_bytes(whole_message, policy=email.policy.HTTP)
    for part in message.iter_parts():
        if part.get_param("name", header="content-disposition") == "file":
            content = part.get_payload(decode=True)
            return content if isinstance(content, bytes) else b""
    raise Refusal("Required part 'file' is not present.")


def csv_rows(content: bytes, delimiter: str) -> list[dict[str, str]]:
    """The data lines of a file by column. Raises `ValueError` with a reason that concerns the whole file."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("The file is not encoded in UTF-8") from error
    lines = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]
    if not lines or "offer-sku" not in lines[0]:
        raise ValueError("The header line of the file has no column 'offer-sku'")
    return [dict(zip(lines[0], row + [""] * (len(lines[0]) - len(row)), strict=False)) for row in lines[1:]]


def csv_text(rows: Iterable[Sequence[str]], delimiter: str, *, quoted: bool = False) -> str:
    """Rows as a CSV file, every cell in quotes when `quoted`."""
    out = io.StringIO()
    writer = csv.writer(
        out, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
    )
    writer.writerows(rows)
    return out.getvalue()
