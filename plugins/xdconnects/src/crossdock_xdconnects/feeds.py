"""Getting feeds: rarely, by links that are secrets, never without a last good file.

Asking for a feed twice within five minutes gives an error at XD, whoever asks (vendor page section 2). So the attempt
is booked durably before it is made, a file that was kept within that time is used as it is, and what is no whole feed
never replaces the last good file.
"""

from __future__ import annotations

import hashlib
import weakref
from datetime import datetime, time, timedelta
from urllib.parse import urlsplit

import attrs
import msgspec

from crossdock import AccessError, RecordError, Session, StoredFile, TransientError, UnsupportedError
from crossdock.mapping import utc
from crossdock_xdconnects.settings import FEEDS, RARELY, Feed, Settings, link
from crossdock_xdconnects.tables import ZONE, NoFeedError, Table, WebPageError, later_reading, plain, read

READ_TIMEOUT = 90.0
OLD = timedelta(hours=48)
"""A feed that XD has not renewed for so long is stale."""

_TOO_OFTEN = "XD answers so when it is asked more than once in five minutes, by whatever program of the account."
_BROKEN = "It is asked for again after five minutes. If it stays so, write to onlineclients@xdconnects.com."
_ENDINGS = ("json", "xml", "txt")
_HOUR = timedelta(hours=1)
_STOCK = ("stock_feed", "all_data_feed")


@attrs.frozen(eq=False)
class Loaded:
    """A feed as it is known: its table, and when its file was got.

    `gone` are items of the stock that were in it once and are no more. `link` stands for the link it came by.
    """

    feed: Feed
    table: Table
    kept_at: datetime
    link: str
    gone: tuple[str, ...] = ()

    @property
    def as_of(self) -> datetime:
        """The moment that the feed shows: XD's time of making it, else (or if that is to come) when it was got."""
        return min(_made(self.table, self.kept_at) or self.kept_at, self.kept_at)

    def is_old(self, now: datetime) -> bool:
        """Whether XD has not renewed it for 48 hours."""
        return now - self.as_of > OLD


# Parsing takes a second for a large feed and an order asks for five: each session keeps what it parsed last.
_PARSED: weakref.WeakKeyDictionary[Session[Settings], dict[str, tuple[str, Loaded]]] = weakref.WeakKeyDictionary()


def choose(settings: Settings, *names: str) -> str:
    """The first of these feeds that has a link; raises `UnsupportedError` naming the settings when none has."""
    found = next((name for name in names if link(settings, name)), None)
    if found is None:
        raise UnsupportedError(
            f"There is no link to a {FEEDS[names[0]].title}.",
            hint=f"Set {' or '.join(names)}; XD sends links on request: onlineclients@xdconnects.com",
        )
    return found


def newest(session: Session[Settings], name: str) -> Loaded:
    """The feed as XD has it now; what was got within the last five minutes counts as now.

    Raises `TransientError` when it may not be asked yet or came broken (the last good file stays), and `AccessError`
    when the link does not work or the currency is not the account's.
    """
    return _feed(session, name, RARELY)


def known(session: Session[Settings], name: str) -> Loaded:
    """The feed for looking things up: the last good file while XD has hardly renewed it, or when no other is to be had.

    Raises what `newest` raises when there is no last good file.
    """
    try:
        return _feed(session, name, max(FEEDS[name].renewed, RARELY))
    except TransientError:
        found = last_good(session, name)
        if found is None:
            raise
        return found


def last_good(session: Session[Settings], name: str) -> Loaded | None:
    """The feed as it was last got by its present link, however old; `None` when it never was."""
    kept = _kept(session, name)
    return _parsed(session, name, kept) if kept else None


def _feed(session: Session[Settings], name: str, patience: timedelta) -> Loaded:
    kept_at = session.files.kept_at(name)
    if kept_at is not None and session.clock.now() - kept_at < patience:
        kept = _kept(session, name)
        found = _parsed(session, name, kept) if kept else None
        if kept and found and _is_of_today(FEEDS[name], kept, session.clock.now()):
            _in_the_accounts_currency(session, FEEDS[name], found.table)  # that may have been set anew since
            return found
    return _fetched(session, name)


def _is_of_today(feed: Feed, kept: StoredFile, now: datetime) -> bool:
    """Whether a daily feed is no older than XD's last renewal, or was asked for within the hour."""
    if feed.hour is None or now - kept.kept_at < _HOUR:
        return True
    here = now.astimezone(ZONE)
    due = datetime.combine(here.date(), time(feed.hour), ZONE)
    due = due if due <= here else due - timedelta(days=1)
    return (utc(kept.facts.get("created", ""), "created") or kept.kept_at) >= due


def _kept(session: Session[Settings], name: str) -> StoredFile | None:
    """The last good file, unless it came from another link."""
    kept = session.files.get(name)
    return kept if kept and kept.facts.get("link") == _digest(session, name) else None


def _parsed(session: Session[Settings], name: str, kept: StoredFile) -> Loaded | None:
    """What a kept file holds; `None` when it was kept by a version that was content with less."""
    version = f"{kept.kept_at.isoformat()} {kept.facts.get('link')}"
    tables = _PARSED.setdefault(session, {})
    if name not in tables or tables[name][0] != version:
        try:
            table = read(kept.content)
            _has_columns(table, FEEDS[name])
        except NoFeedError:
            return None
        tables[name] = version, Loaded(FEEDS[name], table, kept.kept_at, kept.facts.get("link", ""), _gone(kept))
    return tables[name][1]


def _gone(kept: StoredFile) -> tuple[str, ...]:
    return msgspec.json.decode(kept.facts.get("gone", "[]"), type=tuple[str, ...])


def _fetched(session: Session[Settings], name: str) -> Loaded:
    feed, address = FEEDS[name], link(session.settings, name).reveal()
    _hide(session, address)
    try:
        answer = session.http.request(
            "GET", address, anonymous=True, attempts=1, timeout=READ_TIMEOUT, budget=name, headers={"Accept": "*/*"}
        )
    except RecordError as error:
        raise _refused_link(feed, error.status) from error
    except TransientError as error:
        error.message = f"The {feed.title} could not be read: {error.message}"
        raise
    before = _kept(session, name)
    table = _checked(session, feed, answer.content, address, before)
    facts = {"link": _digest(session, name), "rows": str(len(table.rows))}
    made = _made(table, session.clock.now())
    if made:
        facts["created"] = made.isoformat()
    gone = _vanished(session, name, table, before)
    if gone:
        facts["gone"] = msgspec.json.encode(gone).decode()
    kept = session.files.put(name, answer.content, facts)
    loaded = Loaded(feed, table, kept.kept_at, facts["link"], gone)
    _PARSED.setdefault(session, {})[name] = f"{kept.kept_at.isoformat()} {facts['link']}", loaded
    return loaded


def _vanished(session: Session[Settings], name: str, table: Table, before: StoredFile | None) -> tuple[str, ...]:
    """Items whose stock was told before and is not any more: there is nothing of them to sell."""
    if before is None or name not in _STOCK:
        return ()
    last = _parsed(session, name, before)
    known = (*(row.text("ItemCode") for row in (last.table.rows if last else ())), *_gone(before))
    return tuple(dict.fromkeys(code for code in known if code and not table.of_item(code)))


def _refused_link(feed: Feed, status: int | None) -> AccessError:
    return AccessError(
        f"XD does not know the link of the {feed.title} (any more): it answered {status}.",
        hint=f"Ask onlineclients@xdconnects.com for a new link and enter it as {feed.name}.", status=status,
    )  # fmt: skip


def _checked(session: Session[Settings], feed: Feed, content: bytes, address: str, before: StoredFile | None) -> Table:
    """The table of what came, refused when it cannot be the whole feed of this account."""
    ending = urlsplit(address).path.rpartition(".")[2].lower()
    try:
        table = read(content, ending if ending in _ENDINGS else "")
        _has_columns(table, feed)
        if before and session.clock.now() - before.kept_at < OLD:
            _shrunk(table, int(before.facts.get("rows", "0")))
            _went_back(_made(table, session.clock.now()), before)
        table.created  # noqa: B018  raises when it is no time
    except NoFeedError as error:
        raise TransientError(
            f"What XD sent as the {feed.title} is not used: {error}. The last good file stays.",
            hint=_TOO_OFTEN if isinstance(error, WebPageError) else _BROKEN,
        ) from error  # fmt: skip
    _in_the_accounts_currency(session, feed, table)
    return table


def _in_the_accounts_currency(session: Session[Settings], feed: Feed, table: Table) -> None:
    if table.currency and table.currency != session.settings.currency:
        raise AccessError(
            f"The {feed.title} is in {table.currency}, the account in {session.settings.currency}.",
            hint="Check that the link belongs to this account, and the currency in the settings.",
        )


def _has_columns(table: Table, feed: Feed) -> None:
    there = {plain(column) for column in table.columns}
    missing = [column for column in feed.columns if plain(column) not in there]
    if missing:
        raise NoFeedError(f"it has no column {' and no '.join(missing)}, so it is an error message or another feed")


def _shrunk(table: Table, before: int) -> None:
    # After two days without a better one the shorter feed is believed.
    if len(table.rows) * 2 < before:
        raise NoFeedError(f"it has {len(table.rows)} rows, the last good one had {before}")


def _made(table: Table, got_at: datetime) -> datetime | None:
    """When XD made a feed that was got at `got_at`."""
    return later_reading(table.created, got_at) if table.created else None


def _went_back(made: datetime | None, before: StoredFile) -> None:
    last = utc(before.facts.get("created", ""), "created")
    if last and last - _HOUR > before.kept_at:
        return  # it said to be of the future, which says nothing of what came after it
    if last and made and made < last:
        raise NoFeedError("it is older than the one that is kept")


def _hide(session: Session[Settings], address: str) -> None:
    """Mask also what can appear of a link without the rest: the address up to its query, and the token in its path."""
    parts = urlsplit(address)
    pieces = [piece for piece in parts.path.split("/")[:-1] if len(piece) >= 8 and piece.lower() != "download"]
    session.http.redactor.add([address.partition("?")[0], *pieces])


def _digest(session: Session[Settings], name: str) -> str:
    return hashlib.sha256(link(session.settings, name).reveal().encode()).hexdigest()[:16]
