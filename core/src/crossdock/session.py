"""An opened connection as a hook gets it."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import attrs
import msgspec

from crossdock.clock import Clock
from crossdock.errors import ConnectorError, Gap, RecordError
from crossdock.http.answer import Row, decode_row

if TYPE_CHECKING:  # importing the HTTP client costs 100 ms and more; a plugin's import must stay cheap
    from crossdock.http.client import Http
    from crossdock.records import Order

S = TypeVar("S")
W = TypeVar("W")
R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")


class Memory(Protocol):
    """A small durable key-value memory of one connection: vendor ids by SKU, facts with an age. Never secrets."""

    def get_many(self, table: str, keys: Iterable[str]) -> dict[str, str]:
        """The values that are known of `keys`."""

    def put_many(self, table: str, values: Mapping[str, str]) -> None:
        """Remember; older values are replaced."""

    def forget(self, table: str, keys: Iterable[str]) -> None:
        """Forget what turned out to be wrong."""

    def items(self, table: str) -> dict[str, str]:
        """Everything that is known in `table`, in the order of the keys."""


@attrs.frozen(kw_only=True)
class StoredFile:
    """A file as it was kept: its bytes, when, and what is known of it beside (an ETag, a version)."""

    content: bytes  #: the bytes
    kept_at: datetime  #: when it was kept, UTC
    facts: Mapping[str, str] = attrs.field(factory=dict)  #: what was kept beside: an ETag, a version


class Files(Protocol):
    """The last good files of one connection, kept across workers and restarts: feeds that may be read rarely."""

    def get(self, name: str) -> StoredFile | None:
        """The file kept under `name`, or `None`."""

    def put(self, name: str, content: bytes, facts: Mapping[str, str] | None = None) -> StoredFile:
        """Keep a file; one that was kept under `name` before is replaced."""

    def kept_at(self, name: str) -> datetime | None:
        """When the file was kept, without reading it."""


@attrs.frozen(eq=False)
class Page(Generic[R_co]):
    """A page of records: the unit of transaction.

    `cursor` is where to restart so that nothing after this page is lost; `None` leaves the bookmark where it is.
    `payloads` are the vendor's bytes beside each record (or empty). `rejects` are payloads that could not be mapped.
    `skipped` counts rows left out on purpose, by reason. `seen` is how many rows the vendor sent: the engine refuses a
    page whose records, rejects and skipped rows do not add up to it. `read_at` is the moment that its rows show, if
    that is before this run: a feed that was made earlier, a kept file.
    """

    records: tuple[R_co, ...]  #: the records of this page
    cursor: str | None = None  #: where to restart; `None` leaves the bookmark where it is
    rejects: tuple[RecordError, ...] = ()  #: rows that could not be mapped, each a `RecordError`
    payloads: tuple[bytes, ...] = ()  #: the vendor's bytes beside each record, or empty
    #: reason to the number of rows that were left out on purpose
    skipped: Mapping[str, int] = attrs.field(factory=dict)
    seen: int | None = None  #: how many rows the vendor sent; `None`: not counted
    read_at: datetime | None = None  #: the moment that the rows show, if it is before this run


@attrs.frozen
class Since:
    """Everything that changed since `cursor` (`None`: from the beginning).

    `until` bounds the read, `start` is the connection's *Order start*: older records may be left out as skipped.
    """

    cursor: str | None = None  #: the bookmark; `None`: from the beginning
    until: datetime | None = None  #: the end of what is asked for; `None`: now
    start: datetime | None = None  #: the connection's *Order start*; `None`: there is none


@attrs.frozen
class ByKeys:
    """Just these records."""

    keys: tuple[str, ...]  #: keys of the records, or what the hook says: SKUs, order keys


Query = Since | ByKeys


@attrs.frozen(kw_only=True)
class Receipt:
    """Proof of a write: the external id, and the number and address that a person knows it by.

    `status` is the vendor's word for its state there, `job` an import job that still runs.
    """

    external_id: str  #: the record's key in this system, never empty
    number: str = ""  #: what people call it there
    url: str = ""  #: where a person sees it
    status: str = ""  #: the vendor's word for its state
    note: str = ""  #: a sentence for whoever reads the ledger
    job: str = ""  #: the import job that decides later; empty: done


@attrs.frozen(kw_only=True)
class Outcome:
    """What became of one item of a batch write.

    `key` is the item's key as it was handed in. ``done`` means stored as asked, ``rejected`` that the vendor or a check
    refused it (`message`, `gap`), ``submitted`` that `job` decides later.
    """

    key: str  #: the item's key as it was handed in
    state: str  #: `done`, `rejected` or `submitted`
    external_id: str = ""  #: the item's key in this system, if it has one
    message: str = ""  #: why it was rejected, in the vendor's words
    path: str = ""  #: the bad field
    gap: Gap | None = None  #: the unknown code, if that is why
    job: str = ""  #: for `submitted`: what `check_job` is asked with


@attrs.frozen(kw_only=True)
class StatusUpdate:
    """How far an order is at the system that does the work: one item of `push_statuses`."""

    key: str  #: the order's idempotency key; the item's `Outcome` carries it
    update: Order  #: the order as the system that does the work knows it
    order: Order  #: the order as this system knows it, as it was read from here


@attrs.frozen
class StillRunning:
    """An import job is not finished; ask again after `wait` seconds."""

    wait: float = 60.0  #: seconds until it is worth asking again


@attrs.frozen(kw_only=True)
class Check:
    """One proven step of verify. A red step has a `hint` that says what to do; `facts` are what was learnt."""

    name: str  #: what was proven, a word or two
    state: str  #: `ok`, `warn` or `fail`
    detail: str = ""  #: what was seen
    hint: str = ""  #: what to do, for `warn` and `fail`
    #: what was learnt; kept as `session.facts`, and offered as choices of settings
    facts: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Preview:
    """What a binding order would be: `body` exactly as it would be sent, `hash` of it, price, problems found."""

    body: str  #: exactly what would be sent
    hash: str  #: of everything that must not change between approval and sending
    total: str = ""  #: the price as text, for a person
    currency: str = ""  #: ISO 4217
    problems: tuple[str, ...] = ()  #: sentences; with any, the order cannot be approved
    gap: Gap | None = None  #: what a mapping table lacks, when that is one of the problems


@attrs.frozen(kw_only=True)
class Decision:
    """Accept or refuse lines of a marketplace order; empty `lines` means all."""

    accept: bool  #: `True` to accept, `False` to refuse
    lines: tuple[str, ...] = ()  #: keys of the order lines; empty: all
    reason: str = ""  #: why it is refused, a code of the marketplace or words


@attrs.frozen(kw_only=True)
class WebhookRequest:
    """A webhook as it came: method, headers (names in lower case), query and the exact body bytes."""

    method: str  #: the HTTP method
    headers: Mapping[str, str]  #: names in lower case
    query: Mapping[str, str]  #: query parameters without the token
    body: bytes  #: the exact bytes, for the signature


@attrs.frozen(kw_only=True)
class Changed:
    """These keys of a stream may have changed: fetch them again. Empty `keys` asks for a normal fetch."""

    stream: str  #: the stream to read again
    keys: tuple[str, ...] = ()  #: which records; empty: what changed since the bookmark


@attrs.frozen(kw_only=True)
class WebhookReply:
    """The answer to a webhook: HTTP `status` and `body`, what to fetch again, and a key to de-duplicate on."""

    status: int  #: HTTP status of the answer, 200 to 599; only 2xx is worked on
    signals: tuple[Changed, ...] = ()  #: what to fetch again
    body: str = ""  #: text of the answer, for a handshake
    dedupe: str = ""  #: two webhooks with the same text are one; empty: never the same
    note: str = ""  #: for the inbox, a word or two


@attrs.frozen(kw_only=True)
class WebhookState:
    """A registration at the vendor."""

    external_id: str  #: the registration's id at the vendor
    active: bool  #: whether the vendor delivers now
    note: str = ""  #: a sentence for a person


class HeldFiles:
    """`Files` that are gone with the process."""

    def __init__(self, now: Callable[[], datetime] | None = None) -> None:
        self._files: dict[str, StoredFile] = {}
        self._now = now or (lambda: datetime.now(UTC))

    def items(self) -> dict[str, StoredFile]:
        """All of them by name."""
        return dict(self._files)

    def get(self, name: str) -> StoredFile | None:
        """The file kept under `name`, or `None`."""
        return self._files.get(name)

    def put(self, name: str, content: bytes, facts: Mapping[str, str] | None = None) -> StoredFile:
        """Keep a file."""
        kept = StoredFile(content=content, kept_at=self._now(), facts=dict(facts or {}))
        self._files[name] = kept
        return kept

    def kept_at(self, name: str) -> datetime | None:
        """When the file was kept."""
        found = self._files.get(name)
        return found.kept_at if found else None


@attrs.frozen(eq=False, kw_only=True)
class Session(Generic[S]):
    """An opened connection: its name, settings, HTTP session, clock, log and memory."""

    connection: str  #: the connection's name
    settings: S  #: the connector's own settings class, filled
    http: Http  #: requests that are signed, paced, repeated and judged
    clock: Clock  #: `now()`, `sleep(seconds)`, `stopping`: never the machine's own
    log: logging.LoggerAdapter[logging.Logger]  #: a logger that names the connection; it masks nothing
    memory: Memory  #: what the connector remembers between runs
    #: the connection's files; kept in memory only where nothing is saved (verifying what is not saved yet)
    files: Files = attrs.field(factory=lambda: HeldFiles())
    hooks: Any = None  #: the hooks that third parties added (see `add_hookspecs`), to be called by name
    facts: Mapping[str, Any] = attrs.field(factory=dict)  #: what the last green verify learnt

    def page(
        self,
        rows: Sequence[Row[W]],
        to_record: Callable[[W], R | str],
        *,
        cursor: str | None = None,
        identify: Callable[[Any], str] | None = None,
        sketch: msgspec.json.Decoder[Any] | None = None,
        read_at: datetime | None = None,
    ) -> Page[R]:
        """Map the rows of one page; a row that fails becomes a reject, all others go on.

        `to_record` answers the record, or a text: the reason why this row is left out on purpose. `identify` gives the
        key of a row for naming it when mapping fails; `sketch` types what `identify` needs of a row that does not fit
        its type at all. Without it such a row is known by its ``id``, if it has one. `read_at`: see `Page`.
        """
        records: list[R] = []
        payloads: list[bytes] = []
        rejects: list[RecordError] = []
        skipped: dict[str, int] = {}
        for row in rows:
            if row.error is not None or row.value is None:
                error = row.error or RecordError("The payload is empty.")
                rejects.append(_reject(error, row if sketch is None else decode_row(row.raw, sketch), identify))
                continue
            try:
                made = to_record(row.value)
            except ConnectorError as error:
                if not isinstance(error, RecordError):
                    raise
                rejects.append(_reject(error, row, identify))
            except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as error:
                rejects.append(_reject(RecordError(f"It could not be mapped: {error}."), row, identify))
            else:
                if isinstance(made, str):
                    skipped[made] = skipped.get(made, 0) + 1
                else:
                    records.append(made)
                    payloads.append(row.raw)
        return Page(tuple(records), cursor, tuple(rejects), tuple(payloads), skipped, len(rows), read_at)


def _reject(error: RecordError, row: Row[Any], identify: Callable[[Any], str] | None) -> RecordError:
    if not error.key and identify is not None and row.value is not None:
        with contextlib.suppress(ConnectorError, ValueError, TypeError, LookupError, AttributeError):
            error.key = identify(row.value)
    return _named(error, row.raw)


def _named(error: RecordError, raw: bytes) -> RecordError:
    error.payload = error.payload or raw
    if not error.key:
        error.key = guess_key(raw) or "unnamed-" + hashlib.sha256(raw).hexdigest()[:12]
    return error


def guess_key(raw: bytes) -> str:
    """The ``id`` of a payload that does not fit its type, as text; empty when there is none."""
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return ""
    found = value.get("id") if isinstance(value, dict) else None
    return str(found) if isinstance(found, int | str) else ""
