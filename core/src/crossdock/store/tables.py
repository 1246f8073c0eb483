"""The schema, as SQLModel tables. Alembic compares the database with it; the store's SQL is tested against it.

Times are text in UTC (``2026-11-22T05:10:23.000000Z``): the same bytes in both databases, sortable, no driver in
between. Flags are small integers for the same reason.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMING)


class Table(SQLModel):
    """Base of all tables: one metadata of our own."""

    metadata = metadata


def _text(primary: bool = False, nullable: bool = False, default: str | None = None) -> Column[str]:
    return Column(Text, primary_key=primary, nullable=nullable, server_default=default)


def _number(nullable: bool = False, default: str | None = None) -> Column[int]:
    return Column(BigInteger, nullable=nullable, server_default=default)


def _id() -> Column[int]:
    # SQLite numbers rows by itself only for INTEGER primary keys.
    return Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)


class Connection(Table, table=True):
    """A configured account. `settings` is JSON, secrets in it encrypted or references; `python` isolates it."""

    name: str = Field(sa_column=_text(primary=True))
    connector: str = Field(sa_column=_text())
    settings: str = Field(sa_column=_text())
    state: str = Field(sa_column=_text())
    reason: str = Field(default="", sa_column=_text(default=""))
    facts: str = Field(default="{}", sa_column=_text(default="{}"))
    verified_at: str | None = Field(default=None, sa_column=_text(nullable=True))
    python: str = Field(default="", sa_column=_text(default=""))
    created_at: str = Field(sa_column=_text())
    updated_at: str = Field(sa_column=_text())


class Stream(Table, table=True):
    """A stream of a connection: whether it is on, its schedule, its next turn, and its bookmark.

    `next_at` is when the schedule wants it read: null never, empty at once. `held_until` is when it may be tried again
    after trouble. `requested` counts the wishes to read it now, `done` says up to which one that happened.
    """

    __table_args__ = (
        Index("ix_stream_next_at", "next_at"),
        Index(
            "ix_stream_requested", "connection",
            sqlite_where=text("requested > done"), postgresql_where=text("requested > done"),
        ),
    )  # fmt: skip
    connection: str = Field(sa_column=_text(primary=True))
    stream: str = Field(sa_column=_text(primary=True))
    enabled: int = Field(default=0, sa_column=_number(default="0"))
    every: int | None = Field(default=None, sa_column=_number(nullable=True))
    cron: str = Field(default="", sa_column=_text(default=""))
    zone: str = Field(default="", sa_column=_text(default=""))
    quiet: str = Field(default="", sa_column=_text(default=""))
    jitter: int = Field(default=0, sa_column=_number(default="0"))
    next_at: str | None = Field(default=None, sa_column=_text(nullable=True))
    held_until: str = Field(default="", sa_column=_text(default=""))
    failures: int = Field(default=0, sa_column=_number(default="0"))
    requested: int = Field(default=0, sa_column=_number(default="0"))
    done: int = Field(default=0, sa_column=_number(default="0"))
    cursor: str | None = Field(default=None, sa_column=_text(nullable=True))
    read_at: str | None = Field(default=None, sa_column=_text(nullable=True))
    synced_at: str | None = Field(default=None, sa_column=_text(nullable=True))


class Lease(Table, table=True):
    """Who works on what until when; `epoch` grows with every change of hands."""

    name: str = Field(sa_column=_text(primary=True))
    owner: str = Field(sa_column=_text())
    epoch: int = Field(sa_column=_number())
    until: str = Field(sa_column=_text())


class Worker(Table, table=True):
    """A process that works turns, as long as it runs; `busy` is JSON: the lanes that it is at."""

    owner: str = Field(sa_column=_text(primary=True))
    machine: str = Field(sa_column=_text())
    kind: str = Field(sa_column=_text())
    version: str = Field(sa_column=_text())
    threads: int = Field(sa_column=_number())
    busy: str = Field(default="[]", sa_column=_text(default="[]"))
    started_at: str = Field(sa_column=_text())
    seen_at: str = Field(sa_column=_text())


class Flow(Table, table=True):
    """Records of `stream` go from `source` to `target`; `options` is JSON. After trouble it rests till `held_until`."""

    __table_args__ = (Index("ix_flow_source", "source", "stream"), Index("ix_flow_target", "target", "stream"))
    name: str = Field(sa_column=_text(primary=True))
    stream: str = Field(sa_column=_text())
    source: str = Field(sa_column=_text())
    target: str = Field(sa_column=_text())
    mode: str = Field(sa_column=_text())
    options: str = Field(default="{}", sa_column=_text(default="{}"))
    held_until: str = Field(default="", sa_column=_text(default=""))
    failures: int = Field(default=0, sa_column=_number(default="0"))
    created_at: str = Field(sa_column=_text())


class Record(Table, table=True):
    """A canonical record; `ref` is what a person or another stream knows it by."""

    __table_args__ = (Index("ix_record_ref", "stream", "ref"),)
    connection: str = Field(sa_column=_text(primary=True))
    stream: str = Field(sa_column=_text(primary=True))
    key: str = Field(sa_column=_text(primary=True))
    ref: str = Field(sa_column=_text())
    fingerprint: str = Field(sa_column=_text())
    updated_at: str = Field(sa_column=_text())
    seen_at: str = Field(sa_column=_text())
    run: int = Field(sa_column=_number())
    page: int = Field(sa_column=_number())
    document: str = Field(sa_column=_text())


class Payload(Table, table=True):
    """The vendor's bytes of a record; kept apart because retention deletes them."""

    connection: str = Field(sa_column=_text(primary=True))
    stream: str = Field(sa_column=_text(primary=True))
    key: str = Field(sa_column=_text(primary=True))
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    fetched_at: str = Field(sa_column=_text())


class Effect(Table, table=True):
    """One intended write on an external system: outbox row and ledger in one."""

    __table_args__ = (
        UniqueConstraint("flow", "key", "operation", name="uq_effect_flow_key_operation"),
        Index("ix_effect_flow_state", "flow", "state", "not_before"),
        Index("ix_effect_source", "source", "stream", "key"),
        Index("ix_effect_gap", "gap"),
        Index(
            "ix_effect_superseded", "flow", "ref",
            sqlite_where=text("state = 'superseded'"), postgresql_where=text("state = 'superseded'"),
        ),
    )  # fmt: skip
    id: int | None = Field(default=None, sa_column=_id())
    flow: str = Field(sa_column=_text())
    operation: str = Field(sa_column=_text())
    source: str = Field(sa_column=_text())
    target: str = Field(sa_column=_text())
    stream: str = Field(sa_column=_text())
    key: str = Field(sa_column=_text())
    ref: str = Field(sa_column=_text())
    state: str = Field(sa_column=_text())
    wanted: str = Field(sa_column=_text())
    sent: str = Field(default="", sa_column=_text(default=""))
    done: str = Field(default="", sa_column=_text(default=""))
    attempts: int = Field(default=0, sa_column=_number(default="0"))
    failures: int = Field(default=0, sa_column=_number(default="0"))
    drift: int = Field(default=0, sa_column=_number(default="0"))
    not_before: str = Field(default="", sa_column=_text(default=""))
    owner: str = Field(default="", sa_column=_text(default=""))
    lease_until: str = Field(default="", sa_column=_text(default=""))
    gap: int | None = Field(default=None, sa_column=_number(nullable=True))
    cause: str = Field(default="", sa_column=_text(default=""))
    message: str = Field(default="", sa_column=_text(default=""))
    path: str = Field(default="", sa_column=_text(default=""))
    external_id: str = Field(default="", sa_column=_text(default=""))
    number: str = Field(default="", sa_column=_text(default=""))
    job: str = Field(default="", sa_column=_text(default=""))
    approval: str = Field(default="", sa_column=_text(default=""))
    sent_document: str | None = Field(default=None, sa_column=_text(nullable=True))
    unconfirmed: str = Field(default="", sa_column=_text(default=""))
    unsent_since: str = Field(default="", sa_column=_text(default=""))
    created_at: str = Field(sa_column=_text())
    updated_at: str = Field(sa_column=_text())


class Agreement(Table, table=True):
    """Somebody approved what an effect would send: `approval` is the hash of what they were shown."""

    effect: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    approval: str = Field(sa_column=_text(primary=True))
    person: str = Field(sa_column=_text(primary=True))
    at: str = Field(sa_column=_text())


class Attempt(Table, table=True):
    """One try to deliver an effect, and how it ended."""

    __table_args__ = (Index("ix_attempt_effect", "effect"),)
    id: int | None = Field(default=None, sa_column=_id())
    effect: int = Field(sa_column=_number())
    run: int = Field(sa_column=_number())
    ended_at: str = Field(sa_column=_text())
    state: str = Field(sa_column=_text())
    message: str = Field(default="", sa_column=_text(default=""))


class Binding(Table, table=True):
    """Our record's id on another system: source key and external id, per connection."""

    __table_args__ = (Index("ix_binding_external", "connection", "stream", "external_id"),)
    source: str = Field(sa_column=_text(primary=True))
    stream: str = Field(sa_column=_text(primary=True))
    source_key: str = Field(sa_column=_text(primary=True))
    connection: str = Field(sa_column=_text(primary=True))
    external_id: str = Field(sa_column=_text())
    number: str = Field(default="", sa_column=_text(default=""))
    created_at: str = Field(sa_column=_text())


class Mapping(Table, table=True):
    """A row of a mapping table of a flow (``*``: of every flow)."""

    flow: str = Field(sa_column=_text(primary=True))
    kind: str = Field(sa_column=_text(primary=True))
    value: str = Field(sa_column=_text(primary=True))
    target: str = Field(sa_column=_text())


class Gap(Table, table=True):
    """An unknown code that records wait for."""

    __table_args__ = (UniqueConstraint("flow", "kind", "value", name="uq_gap_flow_kind_value"),)
    id: int | None = Field(default=None, sa_column=_id())
    flow: str = Field(sa_column=_text())
    kind: str = Field(sa_column=_text())
    value: str = Field(sa_column=_text())
    state: str = Field(sa_column=_text())
    opened_at: str = Field(sa_column=_text())
    closed_at: str | None = Field(default=None, sa_column=_text(nullable=True))


class Parked(Table, table=True):
    """A payload that could not be read as a record."""

    __table_args__ = (UniqueConstraint("connection", "stream", "key", name="uq_parked_connection_stream_key"),)
    id: int | None = Field(default=None, sa_column=_id())
    connection: str = Field(sa_column=_text())
    stream: str = Field(sa_column=_text())
    key: str = Field(sa_column=_text())
    cause: str = Field(sa_column=_text())
    message: str = Field(sa_column=_text())
    path: str = Field(sa_column=_text())
    vendor_message: str = Field(sa_column=_text())
    payload: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    run: int = Field(sa_column=_number())
    parked_at: str = Field(sa_column=_text())


class Run(Table, table=True):
    """One pull or push from start to end, with its counts as JSON."""

    __table_args__ = (
        Index("ix_run_connection", "connection", "stream"),
        # Every turn asks for the run before it that was broken off; its past runs may be many thousand.
        Index(
            "ix_run_running", "connection", "stream",
            sqlite_where=text("state = 'running'"), postgresql_where=text("state = 'running'"),
        ),
    )  # fmt: skip
    id: int | None = Field(default=None, sa_column=_id())
    kind: str = Field(sa_column=_text())
    connection: str = Field(default="", sa_column=_text(default=""))
    stream: str = Field(default="", sa_column=_text(default=""))
    flow: str = Field(default="", sa_column=_text(default=""))
    state: str = Field(sa_column=_text())
    started_at: str = Field(sa_column=_text())
    alive_at: str = Field(default="", sa_column=_text(default=""))
    ended_at: str | None = Field(default=None, sa_column=_text(nullable=True))
    counts: str = Field(default="{}", sa_column=_text(default="{}"))
    message: str = Field(default="", sa_column=_text(default=""))


class Exchange(Table, table=True):
    """A request and its answer, secrets masked."""

    __table_args__ = (Index("ix_exchange_at", "connection", "at"),)
    id: int | None = Field(default=None, sa_column=_id())
    at: str = Field(sa_column=_text())
    connection: str = Field(sa_column=_text())
    method: str = Field(sa_column=_text())
    url: str = Field(sa_column=_text())
    status: int | None = Field(default=None, sa_column=_number(nullable=True))
    milliseconds: int = Field(sa_column=_number())
    request_body: str = Field(sa_column=_text())
    response_body: str = Field(sa_column=_text())
    error: str = Field(sa_column=_text())


class Meter(Table, table=True):
    """A vendor budget's state: when an evenly paced caller would be due."""

    connection: str = Field(sa_column=_text(primary=True))
    budget: str = Field(sa_column=_text(primary=True))
    next_at: str = Field(sa_column=_text())


class Memory(Table, table=True):
    """What a connector wants to remember of a connection."""

    connection: str = Field(sa_column=_text(primary=True))
    name: str = Field(sa_column=_text(primary=True))
    key: str = Field(sa_column=_text(primary=True))
    value: str = Field(sa_column=_text())


class File(Table, table=True):
    """The last good file that a connector keeps of a feed; `content` is compressed."""

    connection: str = Field(sa_column=_text(primary=True))
    name: str = Field(sa_column=_text(primary=True))
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    facts: str = Field(default="{}", sa_column=_text(default="{}"))
    kept_at: str = Field(sa_column=_text())


class Hold(Table, table=True):
    """Goods of an order that was sold by `connection` and that the stock of `target` does not show yet.

    `part` is empty for the order, and for what a change of it takes beyond that, the hash of the changed order.
    """

    __table_args__ = (Index("ix_hold_sku", "target", "sku"),)
    connection: str = Field(sa_column=_text(primary=True))
    target: str = Field(sa_column=_text(primary=True))
    key: str = Field(sa_column=_text(primary=True))
    sku: str = Field(sa_column=_text(primary=True))
    part: str = Field(default="", sa_column=_text(primary=True, default=""))
    quantity: str = Field(sa_column=_text())
    state: str = Field(sa_column=_text())
    settled_at: str | None = Field(default=None, sa_column=_text(nullable=True))


class Hook(Table, table=True):
    """The door of a connection for webhooks: its secret path token, sealed, and how far the vendor knows of it."""

    connection: str = Field(sa_column=_text(primary=True))
    token: str = Field(sa_column=_text())
    previous: str = Field(default="", sa_column=_text(default=""))
    previous_until: str | None = Field(default=None, sa_column=_text(nullable=True))
    sent_at: str | None = Field(default=None, sa_column=_text(nullable=True))
    confirmed_at: str | None = Field(default=None, sa_column=_text(nullable=True))
    url: str = Field(default="", sa_column=_text(default=""))
    external_id: str = Field(default="", sa_column=_text(default=""))
    refused: int = Field(default=0, sa_column=_number(default="0"))
    tries: int = Field(default=0, sa_column=_number(default="0"))
    tried_at: str | None = Field(default=None, sa_column=_text(nullable=True))
    try_note: str = Field(default="", sa_column=_text(default=""))


class Announcement(Table, table=True):
    """What webhooks told of a stream, and how many changes they should have told since."""

    connection: str = Field(sa_column=_text(primary=True))
    stream: str = Field(sa_column=_text(primary=True))
    told: int = Field(default=0, sa_column=_number(default="0"))
    late: int = Field(default=0, sa_column=_number(default="0"))
    heard: int = Field(default=0, sa_column=_number(default="0"))
    missed: int = Field(default=0, sa_column=_number(default="0"))
    runs: int = Field(default=0, sa_column=_number(default="0"))
    mark: int | None = Field(default=None, sa_column=_number(nullable=True))
    dead_at: str | None = Field(default=None, sa_column=_text(nullable=True))


class Unannounced(Table, table=True):
    """A change that reading found, and whose webhook has yet to come."""

    connection: str = Field(sa_column=_text(primary=True))
    stream: str = Field(sa_column=_text(primary=True))
    key: str = Field(sa_column=_text(primary=True))
    run: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    mark: int = Field(sa_column=_number())
    seen_at: str = Field(sa_column=_text())


class Inbox(Table, table=True):
    """A webhook that was taken in: kept before it is answered, worked on later."""

    __table_args__ = (
        Index("ix_inbox_state", "state", "id"),
        Index("ix_inbox_dedupe", "connection", "dedupe"),
        Index(
            "ix_inbox_new", "connection", "id",
            sqlite_where=text("state = 'new'"), postgresql_where=text("state = 'new'"),
        ),
    )  # fmt: skip
    id: int | None = Field(default=None, sa_column=_id())
    connection: str = Field(sa_column=_text())
    received_at: str = Field(sa_column=_text())
    method: str = Field(sa_column=_text())
    headers: str = Field(sa_column=_text())
    query: str = Field(sa_column=_text())
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    dedupe: str = Field(default="", sa_column=_text(default=""))
    signals: str = Field(default="[]", sa_column=_text(default="[]"))
    state: str = Field(sa_column=_text())
    note: str = Field(default="", sa_column=_text(default=""))
    done_at: str | None = Field(default=None, sa_column=_text(nullable=True))


class Event(Table, table=True):
    """Something a person should be able to read later: who changed what, pauses, decisions."""

    __table_args__ = (Index("ix_event_subject", "subject"),)
    id: int | None = Field(default=None, sa_column=_id())
    at: str = Field(sa_column=_text())
    kind: str = Field(sa_column=_text())
    subject: str = Field(sa_column=_text())
    text: str = Field(sa_column=_text())


class Preference(Table, table=True):
    """What the project decided for all its processes, by name, as JSON: retention, alerts."""

    name: str = Field(sa_column=_text(primary=True))
    value: str = Field(sa_column=_text())
    updated_at: str = Field(sa_column=_text())


class Tally(Table, table=True):
    """How many runs ended so, and how long they took together: counts that outlive the runs themselves.

    `bucket` is the number of whole seconds that such a run took at most, empty for longer ones.
    """

    kind: str = Field(sa_column=_text(primary=True))
    connection: str = Field(sa_column=_text(primary=True))
    stream: str = Field(sa_column=_text(primary=True))
    flow: str = Field(sa_column=_text(primary=True))
    state: str = Field(sa_column=_text(primary=True))
    bucket: str = Field(sa_column=_text(primary=True))
    number: int = Field(default=0, sa_column=_number(default="0"))
    milliseconds: int = Field(default=0, sa_column=_number(default="0"))


class Alert(Table, table=True):
    """Something that needs a person: watched until it lasts, then open until it is over."""

    __table_args__ = (
        Index(
            "ix_alert_current", "kind", "subject", unique=True,
            sqlite_where=text("state <> 'resolved'"), postgresql_where=text("state <> 'resolved'"),
        ),
    )  # fmt: skip
    id: int | None = Field(default=None, sa_column=_id())
    kind: str = Field(sa_column=_text())
    subject: str = Field(sa_column=_text())
    text: str = Field(sa_column=_text())
    hint: str = Field(default="", sa_column=_text(default=""))
    state: str = Field(sa_column=_text())
    since: str = Field(sa_column=_text())
    raised_at: str | None = Field(default=None, sa_column=_text(nullable=True))
    told_at: str | None = Field(default=None, sa_column=_text(nullable=True))
    resolved_at: str | None = Field(default=None, sa_column=_text(nullable=True))


class Notice(Table, table=True):
    """A message about alerts that one channel has to deliver."""

    __table_args__ = (Index("ix_notice_state", "state", "not_before"),)
    id: int | None = Field(default=None, sa_column=_id())
    channel: str = Field(sa_column=_text())
    body: str = Field(sa_column=_text())
    state: str = Field(sa_column=_text())
    tries: int = Field(default=0, sa_column=_number(default="0"))
    not_before: str = Field(default="", sa_column=_text(default=""))
    note: str = Field(default="", sa_column=_text(default=""))
    made_at: str = Field(sa_column=_text())
    ended_at: str | None = Field(default=None, sa_column=_text(nullable=True))


class Erased(Table, table=True):
    """A record whose personal data was erased: when it is read again, it is kept without them."""

    connection: str = Field(sa_column=_text(primary=True))
    stream: str = Field(sa_column=_text(primary=True))
    key: str = Field(sa_column=_text(primary=True))
    erased_at: str = Field(sa_column=_text())
