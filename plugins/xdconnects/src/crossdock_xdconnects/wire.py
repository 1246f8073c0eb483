"""How orders look on the wire, as one file says that a person edits: the mapping file.

XD's ordering format is not public (vendor page section 5). Address, headers, body, where the answer holds what, and
which words mean which status therefore stand in a JSON file and nowhere in the code.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import attrs
import msgspec

from crossdock import RecordError
from crossdock_xdconnects.template import Compiler, Formats, Names, Render, Scope, TemplateError

DEFAULT = "xd_wire.v0.json"

# -- the names that templates may use ---------------------------------------------------------------

_PRINT: Names = dict.fromkeys(
    ("code", "position", "position_code", "width_mm", "height_mm", "colors", "full_color", "artwork_url",
     "instructions"), "value",
) | {"pms": "list"}  # fmt: skip
_LINE: Names = dict.fromkeys(("number", "key", "sku", "name", "quantity", "unit_price"), "value") | {"prints": [_PRINT]}
_SHARED: Names = {
    "settings": dict.fromkeys(
        ("customer_account_code", "customer_account_number", "company_name", "currency", "environment"), "value"
    ),
    "secret": dict.fromkeys(("api_token", "security_code"), "value"),
}
ORDER_NAMES: Names = {
    **_SHARED,
    "order": {
        **dict.fromkeys(("reference", "type", "shop_number", "requested_date", "remarks", "proof_required"), "value"),
        "proof_emails": "list",
        "contact": dict.fromkeys(("name", "email", "phone"), "value"),
        "lines": [_LINE],
    },
    "ship": dict.fromkeys(
        ("company", "name", "street", "street2", "street3", "postcode", "city", "region", "country", "phone", "email"),
        "value",
    ),
    "webhook": {"url": "value"},
}
SENT_NAMES: Names = {**_SHARED, "sent": dict.fromkeys(("number", "reference"), "value")}

# -- the file --------------------------------------------------------------------------------------


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the file: misspelt names are mistakes."""


class CallPart(_Part, frozen=True):
    """A request: method, path below the ordering address, and templates of what it carries."""

    path: str
    method: str = "GET"
    headers: dict[str, Any] = {}
    query: dict[str, Any] = {}
    body: Any = None
    timeout_seconds: float = 60


class LookupPart(_Part, frozen=True):
    """The request that finds an order by our reference; `orders` is where its answer lists them."""

    path: str
    query: dict[str, Any] = {}
    headers: dict[str, Any] = {}
    orders: str = ""


class AnswerPart(_Part, frozen=True):
    """Where the answer to a new order says what; paths are names and numbers with dots between them."""

    success_statuses: tuple[int, ...] = (200, 201, 202)
    success_words: tuple[str, ...] = ()
    refused_words: tuple[str, ...] = ()
    duplicate_statuses: tuple[int, ...] = (409,)
    duplicate_codes: tuple[str, ...] = ()
    order_number: str = "orderNumber"
    status: str = ""
    messages: str = ""
    message_text: str = "text"
    message_code: str = "code"
    message_field: str = "field"


class NewsPart(_Part, frozen=True):
    """Where a webhook, and the answer of a status request, says what."""

    order_number: str
    reference: str
    status: str
    date: str = ""
    message: str = ""
    proof_status: str = ""
    proof_url: str = ""
    lines: str = ""
    line_number: str = ""
    line_item: str = ""
    line_shipped: str = ""
    shipments: str = ""
    carrier: str = ""
    tracking_number: str = ""
    tracking_url: str = ""
    shipped_date: str = ""
    parcels: str = ""


class StatusWords(_Part, frozen=True):
    """The vendor's words for each neutral status (vendor page section 5.1)."""

    received: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()
    artwork_required: tuple[str, ...] = ()
    proof_waiting: tuple[str, ...] = ()
    proof_approved: tuple[str, ...] = ()
    in_production: tuple[str, ...] = ()
    partially_shipped: tuple[str, ...] = ()
    shipped: tuple[str, ...] = ()
    delivered: tuple[str, ...] = ()
    invoiced: tuple[str, ...] = ()
    on_hold: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    cancelled: tuple[str, ...] = ()
    cancelled_unless_shipped: tuple[str, ...] = ()


class WireFile(_Part, frozen=True):
    """The whole mapping file."""

    version: str
    create: CallPart
    answer: AnswerPart
    news: NewsPart
    status_words: StatusWords
    about: Any = None
    confirmed_by_vendor_document: bool = False
    formats: Formats = Formats()
    headers: dict[str, Any] = {}
    query: dict[str, Any] = {}
    status: CallPart | None = None
    lookup: LookupPart | None = None
    ping: CallPart | None = None


_FILE = msgspec.json.Decoder(WireFile)
_BODY = msgspec.json.Encoder(decimal_format="number").encode

# -- the file, ready for use -----------------------------------------------------------------------


@attrs.frozen
class Request:
    """A request as it will be sent."""

    method: str
    path: str
    headers: dict[str, str]
    query: dict[str, str]
    content: bytes
    timeout: float


@attrs.frozen
class Call:
    """A kind of request of the mapping file."""

    method: str
    timeout: float
    path: Render
    headers: Render
    query: Render
    body: Render | None

    def made(self, scope: Scope) -> Request:
        """The request for these values; equal values give equal bytes."""
        content = b"" if self.body is None else _BODY(self.body(scope))
        headers = dict(self.headers(scope))
        if content and not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "application/json"
        return Request(self.method, self.path(scope), headers, dict(self.query(scope)), content, self.timeout)


@attrs.frozen
class Wire:
    """A mapping file without mistakes."""

    name: str
    file: WireFile
    create: Call
    status: Call | None
    lookup: Call | None
    ping: Call | None
    words: dict[str, str]
    """The neutral status of each of the vendor's words, without spaces, case and strokes."""


def load(path: str = "") -> Wire:
    """The mapping file at `path` (empty: the one that comes with the connector).

    Raises `RecordError` with one sentence that names the path of a mistake.
    """
    name = path or DEFAULT
    try:
        content = Path(path).read_bytes() if path else files(__package__).joinpath(DEFAULT).read_bytes()
    except OSError as error:
        raise _mistake(name, "", f"it cannot be read ({error.strerror or error})") from error
    try:
        return _wire(name, _FILE.decode(content))
    except msgspec.ValidationError as error:
        text, _, at = str(error).partition(" - at `$")
        raise _mistake(name, at.rstrip("`").lstrip("."), text[:1].lower() + text[1:]) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _mistake(name, "", f"it is no JSON ({error})") from error
    except TemplateError as error:
        raise _mistake(name, error.at, str(error)) from error


def _mistake(name: str, at: str, text: str) -> RecordError:
    where = f" at {at}" if at else ""
    return RecordError(
        f"The mapping file {name} cannot be used: {text}{where}.", path=at,
        hint="Correct the file and check it with: crossdock connection verify NAME",
    )  # fmt: skip


def _wire(name: str, file: WireFile) -> Wire:
    compiler = Compiler(file.formats)
    if file.formats.decimal_sign not in (".", ","):
        raise TemplateError("formats.decimal_sign", "the decimal sign is . or ,")

    def call(part: CallPart, at: str, names: Names) -> Call:
        headers = {**file.headers, **part.headers}
        for each, value in headers.items():
            if not isinstance(value, str):
                raise TemplateError(f"{at}.headers.{each}", "a header is a text")
        query = {**file.query, **part.query}
        return Call(
            part.method.upper(), part.timeout_seconds, compiler.text(part.path, names, f"{at}.path", in_address=True),
            compiler.value(headers, names, f"{at}.headers"), compiler.value(query, names, f"{at}.query"),
            None if part.body is None else compiler.value(part.body, names, f"{at}.body"),
        )  # fmt: skip

    lookup = file.lookup
    asked = CallPart(path=lookup.path, query=lookup.query, headers=lookup.headers) if lookup else None
    if file.create.body is None:
        raise TemplateError("create.body", "there is no body")
    return Wire(
        name, file, call(file.create, "create", ORDER_NAMES),
        call(file.status, "status", SENT_NAMES) if file.status else None,
        call(asked, "lookup", SENT_NAMES) if asked else None,
        call(file.ping, "ping", _SHARED) if file.ping else None,
        _words(file.status_words),
    )  # fmt: skip


def _words(table: StatusWords) -> dict[str, str]:
    found: dict[str, str] = {}
    for status, words in msgspec.structs.asdict(table).items():
        for word in map(bare, words):
            if found.setdefault(word, status) != status:
                raise TemplateError(f"status_words.{status}", f"{word!r} means {found[word]} already")
    return found


# -- reading answers -------------------------------------------------------------------------------


def bare(word: str) -> str:
    """A status word for comparing: without spaces, strokes and case (vendor page section 5.1)."""
    return "".join(sign for sign in word.casefold() if sign not in " _-\t")


def pick(value: Any, path: str) -> Any:
    """What stands at `path` in an answer, for example ``lines.0.status``; `None` when there is nothing there."""
    if not path:
        return None
    for part in path.split("."):
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def pick_text(value: Any, path: str) -> str:
    """The single value at `path` as text; empty when there is none."""
    found = pick(value, path)
    return "" if found is None or isinstance(found, dict | list) else str(found).strip()


def pick_list(value: Any, path: str) -> list[Any]:
    """The list at `path`; a single thing counts as a list of one."""
    found = pick(value, path)
    if found is None or found == "":
        return []
    return found if isinstance(found, list) else [found]
