"""The feed door: secret links, one fetch in five minutes, renewal by the supplier's timetable, and broken files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import attrs

from crossdock_xdconnects.sandbox.catalogue import Catalogue
from crossdock_xdconnects.sandbox.clock import AMSTERDAM, Clock
from crossdock_xdconnects.sandbox.formats import MEDIA_TYPES, rendered
from crossdock_xdconnects.sandbox.rows import LANGUAGES, Row, Rows

TOO_OFTEN = b"<!doctype html><html><body>Too many requests for this feed</body></html>\n"
NO_FEED = b"<!doctype html><html><body>The feed is not available</body></html>\n"
FETCH_EVERY = timedelta(seconds=300)
BREAKAGES = (
    "cut", "mixed_currency", "mixed_created", "empty", "few_rows", "no_rows", "error_document", "stale", "redirect",
)  # fmt: skip

_NAME = re.compile(r"Xindao\.V(?P<version>\d+)\.(?P<feed>\w+)-(?P<language>[a-z]{2}-[a-z]{2})-(?P<account>\w+)\.(\w+)")
_HOUR, _QUARTER = timedelta(hours=1), timedelta(minutes=15)

Write: TypeAlias = Callable[[Rows], Iterator[Row]]


@attrs.frozen
class Feed:
    """One feed: its version, how often it is renewed (None: daily at `hour`), whether its text is quoted."""

    version: str
    write: Write
    every: timedelta | None = None
    hour: int = 0
    quoted: bool = False

    def renewed(self, now: datetime) -> datetime:
        """When the feed was last renewed, in UTC."""
        midnight = now.astimezone(AMSTERDAM).replace(hour=0, minute=0, second=0)
        if self.every is None:
            today = midnight + timedelta(hours=self.hour)
            return (today if today <= now else today - timedelta(days=1)).astimezone(UTC)
        start = midnight.astimezone(UTC)
        return start + (now - start) // self.every * self.every


FEEDS = {
    "Products": Feed("6", Rows.products, _HOUR, quoted=True),
    "ProductPrices": Feed("2", Rows.product_prices),
    "PrintData": Feed("2", Rows.print_data, hour=2),
    "PrintPrices": Feed("2", Rows.print_prices),
    "Stock": Feed("2", Rows.stock, _QUARTER),
    "AllData": Feed("5", Rows.all_data, _QUARTER, quoted=True),
}


@attrs.frozen
class Answer:
    """What a fetch gets: always status 200 but for a redirect, also for an error."""

    body: bytes
    media_type: str
    operation: str
    location: str = ""


@attrs.define
class Breakage:
    """A fault of the supplier's own, for `times` fetches (0: until it is repaired)."""

    kind: str
    times: int = 0


class FeedDoor:
    """Answers the feed links of one account."""

    def __init__(
        self,
        clock: Clock,
        catalogue: Catalogue,
        *,
        token: str,
        account: str,
        strict_limits: bool,
        scheduled: bool,
        added_columns: bool,
    ) -> None:
        self.broken: dict[str, Breakage] = {}
        self.bent: dict[str, Row] = {}
        """Item code to columns that somebody broke."""
        self.added: Row = {}
        """Columns that every feed has from now on."""
        self._clock = clock
        self._catalogue = catalogue
        self._token = token
        self._account = account
        self._strict = strict_limits
        self._scheduled = scheduled
        self._added_columns = added_columns
        self._fetched: dict[str, datetime] = {}
        self._published: dict[tuple[str, str], tuple[datetime, list[Row]]] = {}
        self.publish()

    def path(self, feed: str, language: str, extension: str) -> str:
        """The secret path of a feed."""
        name = f"Xindao.V{FEEDS[feed].version}.{feed}-{language}-{self._account}.{extension}"
        return f"/Feeds/Download/{self._token}/{name}"

    def answer(self, token: str, name: str, *, head: bool) -> Answer:
        """The file, or an error document with status 200. A HEAD is not counted by the five-minute rule."""
        match = _NAME.fullmatch(name)
        feed = match["feed"] if match else ""
        if not match or token != self._token or match["account"] != self._account or not self._sold(match):
            return Answer(NO_FEED, "text/html", "feed:unknown")
        operation = f"{'feed_head' if head else 'feed'}:{feed}"
        if not head and self._too_early(name):
            return Answer(TOO_OFTEN, "text/html", f"feed_too_often:{feed}")
        breakage = self.broken.get(feed)
        if breakage and not head:
            self._spend(feed, breakage)
        kind = breakage.kind if breakage else ""
        if kind == "error_document":
            return Answer(NO_FEED, "text/html", operation)
        location = "/Feeds/Expired" if kind == "redirect" else ""
        extension = match[5]
        return Answer(self._file(feed, match["language"], extension, kind), MEDIA_TYPES[extension], operation, location)

    def publish(self) -> None:
        """Renew the feeds whose time has come; called before anything changes, so that a change waits for the next."""
        for feed, language in ((feed, language) for feed in FEEDS for language in LANGUAGES) if self._scheduled else ():
            moment = FEEDS[feed].renewed(self._clock.now())
            if (feed, language) not in self._published or self._published[feed, language][0] < moment:
                self._published[feed, language] = moment, self._rows(feed, language, moment)

    def break_feed(self, feed: str, kind: str, times: int) -> None:
        """Let fetches of `feed` suffer `kind`; an empty kind repairs it. Raises `ValueError`."""
        if feed not in FEEDS:
            raise ValueError(f"There is no feed {feed}; there are {', '.join(FEEDS)}.")
        if kind not in (*BREAKAGES, ""):
            raise ValueError(f"A feed can not break by {kind}; it can by {', '.join(BREAKAGES)}.")
        if kind == "mixed_currency" and feed in ("Products", "PrintData", "Stock"):
            raise ValueError(f"{feed} has no currency.")
        self.broken.pop(feed, None)
        if kind:
            self.broken[feed] = Breakage(kind, times)

    def _sold(self, match: re.Match[str]) -> bool:
        feed = FEEDS.get(match["feed"])
        known = feed is not None and feed.version == match["version"]
        return known and match["language"] in LANGUAGES and match[5] in MEDIA_TYPES

    def _too_early(self, name: str) -> bool:
        now, before = self._clock.now(), self._fetched.get(name)
        self._fetched[name] = now
        return self._strict and before is not None and now - before < FETCH_EVERY

    def _spend(self, feed: str, breakage: Breakage) -> None:
        if breakage.times == 1:
            del self.broken[feed]
        breakage.times -= 1

    def _rows(self, feed: str, language: str, created: datetime) -> list[Row]:
        written = FEEDS[feed].write(Rows(self._catalogue, created, language, added_columns=self._added_columns))
        return [row | self._bent(row) | self.added for row in written]

    def _bent(self, row: Row) -> Row:
        bent = self.bent.get(str(row.get("ItemCode")), {})
        return {name: value for name, value in bent.items() if name in row}

    def _file(self, feed: str, language: str, extension: str, kind: str) -> bytes:
        self.publish()
        if self._scheduled:
            rows = [dict(row) for row in self._published[feed, language][1]]
        else:
            rows = self._rows(feed, language, self._clock.now())
        columns = list(rows[0])
        body = rendered(columns, _damaged(rows, kind), extension, quoted=FEEDS[feed].quoted)
        if kind == "empty":
            return b""
        return _cut(body) if kind == "cut" else body


def _damaged(rows: list[Row], kind: str) -> Sequence[Row]:
    if kind == "few_rows":
        return rows[:1]
    if kind == "no_rows":
        return []
    if kind == "mixed_currency":
        rows[-1]["Currency"] = "USD" if rows[-1]["Currency"] != "USD" else "GBP"
    if kind == "mixed_created":
        rows[-1]["FeedCreatedDateTime"] = _earlier(rows[-1], timedelta(days=1))
    if kind == "stale":
        for row in rows:
            row["FeedCreatedDateTime"] = _earlier(row, timedelta(days=3))
    return rows


def _earlier(row: Row, by: timedelta) -> str:
    return (datetime.fromisoformat(str(row["FeedCreatedDateTime"])) - by).isoformat()


def _cut(body: bytes) -> bytes:
    """The first half, ending within a line."""
    return body[: len(body) // 2].rstrip(b"\r\n")
