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
from crossdock.http.answer import Row

if TYPE_CHECKING:  # importing the HTTP client costs 100 ms and more; a plugin's import must stay cheap
    from crossdock.http.client import Http

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

    content: bytes
    kept_at: datetime
    facts: Mapping[str, str] = attrs.field(factory=dict)


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

    records: tuple[R_co, ...]
    cursor: str | None = None
    rejects: tuple[RecordError, ...] = ()
    payloads: tuple[bytes, ...] = ()
    skipped: Mapping[str, int] = attrs.field(factory=dict)
    seen: int | None = None
    read_at: datetime | None = None


@attrs.frozen
class Since:
    """Everything that changed since `cursor` (`None`: from the beginning).

    `until` bounds the read, `start` is the connection's *Order start*: older records may be left out as skipped.
    """

    cursor: str | None = None
    until: datetime | None = None
    start: datetime | None = None


@attrs.frozen
class ByKeys:
    """Just these records."""

    keys: tuple[str, ...]


Query = Since | ByKeys


@attrs.frozen(kw_only=True)
class Receipt:
    """Proof of a write: the external id, and the number and address that a person knows it by.

    `status` is the vendor's word for its state there, `job` an import job that still runs.
    """

    external_id: str
    number: str = ""
    url: str = ""
    status: str = ""
    note: str = ""
    job: str = ""


@attrs.frozen(kw_only=True)
class Outcome:
    """What became of one item of a batch write.

    `key` is the item's key as it was handed in. ``done`` means stored as asked, ``rejected`` that the vendor or a check
    refused it (`message`, `gap`), ``submitted`` that `job` decides later.
    """

    key: str
    state: str
    external_id: str = ""
    message: str = ""
    path: str = ""
    gap: Gap | None = None
    job: str = ""


@attrs.frozen
class StillRunning:
    """An import job is not finished; ask again after `wait` seconds."""

    wait: float = 60.0


@attrs.frozen(kw_only=True)
class Check:
    """One proven step of verify. A red step has a `hint` that says what to do; `facts` are what was learnt."""

    name: str
    state: str
    detail: str = ""
    hint: str = ""
    facts: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Preview:
    """What a binding order would be: `body` exactly as it would be sent, `hash` of it, price, problems found."""

    body: str
    hash: str
    total: str = ""
    currency: str = ""
    problems: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Decision:
    """Accept or refuse lines of a marketplace order; empty `lines` means all."""

    accept: bool
    lines: tuple[str, ...] = ()
    reason: str = ""


@attrs.frozen(kw_only=True)
class WebhookRequest:
    """A webhook as it came: method, headers (names in lower case), query and the exact body bytes."""

    method: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes


@attrs.frozen(kw_only=True)
class Changed:
    """These keys of a stream may have changed: fetch them again. Empty `keys` asks for a normal fetch."""

    stream: str
    keys: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class WebhookReply:
    """The answer to a webhook: HTTP `status` and `body`, what to fetch again, and a key to de-duplicate on."""

    status: int
    signals: tuple[Changed, ...] = ()
    body: str = ""
    dedupe: str = ""
    note: str = ""


@attrs.frozen(kw_only=True)
class WebhookState:
    """A registration at the vendor."""

    external_id: str
    active: bool
    note: str = ""


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

    connection: str
    settings: S
    http: Http
    clock: Clock
    log: logging.LoggerAdapter[logging.Logger]
    memory: Memory
    files: Files = attrs.field(factory=lambda: HeldFiles())
    """The connection's files; kept in memory only where nothing is saved (verifying what is not saved yet)."""
    hooks: Any = None
    """The hooks that third parties added (see `AmbientSpec.add_hookspecs`), to be called by name."""
    facts: Mapping[str, Any] = attrs.field(factory=dict)
    """What the last green verify learnt."""

    def page(
        self,
        rows: Sequence[Row[W]],
        to_record: Callable[[W], R | str],
        *,
        cursor: str | None = None,
        identify: Callable[[W], str] | None = None,
        read_at: datetime | None = None,
    ) -> Page[R]:
        """Map the rows of one page; a row that fails becomes a reject, all others go on.

        `to_record` answers the record, or a text: the reason why this row is left out on purpose. `identify` gives the
        key of a row for naming it when mapping fails. `read_at`: see `Page`.
        """
        records: list[R] = []
        payloads: list[bytes] = []
        rejects: list[RecordError] = []
        skipped: dict[str, int] = {}
        for row in rows:
            if row.error is not None or row.value is None:
                rejects.append(_named(row.error or RecordError("The payload is empty."), row.raw))
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


def _reject(error: RecordError, row: Row[W], identify: Callable[[W], str] | None) -> RecordError:
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
