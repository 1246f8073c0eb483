"""Feed files as tables: JSON, XML or tab text, told apart by their content; columns by name.

XD renames and adds columns from version to version ("MainImage Neutral" became "MainImageNeutral"), so names are
compared without spaces and case, and columns nobody knows are kept (vendor page sections 2 and 2.1). Whatever is no
whole feed raises `NoFeedError` with one sentence.
"""

from __future__ import annotations

import csv
import functools
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from xml.parsers import expat
from zoneinfo import ZoneInfo

import msgspec

from crossdock import RecordError
from crossdock.mapping import utc

ZONE = ZoneInfo("Europe/Amsterdam")
"""Times in feeds have no offset and are Amsterdam's (vendor page section 2)."""

_YES = frozenset(("true", "yes", "1", "y"))
_ROWS: msgspec.json.Decoder[Any] = msgspec.json.Decoder(float_hook=str)  # the digits as written
_HTML = re.compile(r"\s*(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL)


class NoFeedError(Exception):
    """What came is no whole, usable feed; the text is the reason, as the end of a sentence."""


class WebPageError(NoFeedError):
    """A web page came instead: XD's error for those who ask too often, or for a link that is no longer served."""


class Line(Mapping[str, str]):
    """One row: a mapping of the columns' own names, and `get` that forgives spaces and case; values are text."""

    __slots__ = ("_names", "_values")

    def __init__(self, names: Mapping[str, int], values: Sequence[str]) -> None:
        self._names = names
        self._values = values

    def __getitem__(self, name: str) -> str:
        return self._values[self._names[plain(name)]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def text(self, name: str) -> str:
        """The value of a column without surrounding space; empty when there is no such column or nothing in it."""
        at = self._names.get(plain(name))
        return self._values[at].strip() if at is not None else ""

    def yes(self, name: str) -> bool:
        """Whether a True/empty column says True."""
        return self.text(name).lower() in _YES


class Table:
    """A whole feed: its rows, and what all rows share."""

    def __init__(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        self.columns = tuple(columns)
        names = {plain(column): at for at, column in reversed(list(enumerate(columns)))}
        # A feed repeats itself: brands, codes, nothing. Each text is held once.
        shared: dict[str, str] = {}
        self.rows = [Line(names, tuple([shared.setdefault(value, value) for value in row])) for row in rows]

    @functools.cached_property
    def created(self) -> datetime | None:
        """When XD made the feed, in UTC; `None` when it does not say."""
        stamp = next((row.text("FeedCreatedDateTime") for row in self.rows), "")
        try:
            return utc(stamp, "FeedCreatedDateTime", ZONE)
        except RecordError as error:
            raise NoFeedError(f"its FeedCreatedDateTime {stamp!r} is no time") from error

    @functools.cached_property
    def currency(self) -> str:
        """The currency of its prices; empty when it has none."""
        return next((row.text("Currency") for row in self.rows), "")

    @functools.cached_property
    def _by_item(self) -> dict[str, list[Line]]:
        found: dict[str, list[Line]] = {}
        for row in self.rows:
            found.setdefault(row.text("ItemCode").casefold(), []).append(row)
        return found

    def of_item(self, code: str) -> list[Line]:
        """The rows of an item; codes are compared without case."""
        return self._by_item.get(code.strip().casefold(), [])

    def document(self, row: Line) -> bytes:
        """A row as the JSON object of what it holds, under the columns' own names."""
        return msgspec.json.encode({column: row.text(column) for column in self.columns if row.text(column)})


def later_reading(moment: datetime, until: datetime) -> datetime:
    """Of a time of the hour that comes twice a year the second one, unless that is after `until`.

    Texts without an offset do not tell them apart, and read as the first.
    """
    second = moment.astimezone(ZONE).replace(fold=1).astimezone(UTC)
    return max(moment, second) if second <= until else moment


def plain(column: str) -> str:
    """A column's name for comparing: without spaces and case."""
    return "".join(column.split()).lower()


def read(content: bytes, expected: str = "") -> Table:
    """The table in a feed's bytes; `expected` is the link's file ending, if it is one that tells the format."""
    text = _decoded(content)
    start = text.lstrip()[:1]
    if not start:
        raise NoFeedError("it is empty")
    if start == "<" and (expected in ("json", "txt") or _HTML.match(text)):
        raise WebPageError("it is a web page or an error document")
    table = _xml(text) if start == "<" else _json(text) if start in "[{" else _tabbed(text)
    if not table.rows:
        raise NoFeedError("it has no rows")
    _same_throughout(table, "Currency")
    _same_throughout(table, "FeedCreatedDateTime")
    return table


def _decoded(content: bytes) -> str:
    if content[:2] == b"PK":
        raise NoFeedError("it is an Excel or ZIP file; ask XD for the link of the JSON, XML or txt file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NoFeedError("it is not UTF-8 text") from error


def _same_throughout(table: Table, column: str) -> None:
    found = sorted({row.text(column) for row in table.rows})
    if len(found) > 1:
        raise NoFeedError(f"its rows have different values of {column}: {', '.join(found[:3])}")


# -- JSON ------------------------------------------------------------------------------------------


def _json(text: str) -> Table:
    try:
        value = _ROWS.decode(text)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise NoFeedError("its JSON is cut off or broken") from error
    if isinstance(value, dict):
        value = next((each for each in value.values() if isinstance(each, list)), None)
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise NoFeedError("its JSON is no list of rows")
    return _of_objects(
        [{name: each if each.__class__ is str else _scalar(each) for name, each in row.items()} for row in value]
    )


def _of_objects(rows: list[dict[str, str]]) -> Table:
    columns: dict[str, None] = {}
    for row in rows:
        if not row.keys() <= columns.keys():
            columns |= dict.fromkeys(row)
    return Table(tuple(columns), ([row.get(column, "") for column in columns] for row in rows))


def _scalar(value: Any) -> str:
    match value:
        case None:
            return ""
        case list():
            return ", ".join(map(_scalar, value))
        case dict():
            return msgspec.json.encode(value).decode()
    return str(value)


# -- tab text --------------------------------------------------------------------------------------


def _tabbed(text: str) -> Table:
    if not text.endswith(("\n", "\r")):
        raise NoFeedError("it does not end with a line break, so it is cut off")
    try:
        lines = [line for line in csv.reader(io.StringIO(text, newline=""), delimiter="\t") if any(line)]
    except csv.Error as error:
        raise NoFeedError(f"its quotes do not match ({error})") from error
    heading, rows = [name.strip() for name in lines[0]], lines[1:]
    if len(heading) < 2:
        raise NoFeedError("its first line names no columns")
    for number, row in enumerate(rows, 2):
        if len(row) > len(heading):
            raise NoFeedError(f"row {number} has {len(row)} values for {len(heading)} columns")
        row.extend([""] * (len(heading) - len(row)))
    return Table(heading, rows)


# -- XML -------------------------------------------------------------------------------------------


class _Collector:
    """Collects the elements that hold only text; whatever holds such elements is a row."""

    def __init__(self) -> None:
        self.rows: list[dict[str, str]] = []
        self._open: list[dict[str, str] | None] = []
        self._text: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if self._open and self._open[-1] is None:
            self._open[-1] = {}
        self._open.append(None)
        self._text.clear()

    def end(self, name: str) -> None:
        fields = self._open.pop()
        if fields is None and self._open and self._open[-1] is not None:
            self._open[-1][name] = "".join(self._text)
        elif fields:
            self.rows.append(fields)
        self._text.clear()

    def text(self, part: str) -> None:
        self._text.append(part)


def _xml(text: str) -> Table:
    collector = _Collector()
    # The encoding is given, since the text is decoded already whatever its declaration says.
    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler = collector.start
    parser.EndElementHandler = collector.end
    parser.CharacterDataHandler = collector.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
        raise NoFeedError(f"its XML is cut off or broken ({error})") from error
    return _of_objects(collector.rows)


def _refuse_doctype(name: str, system: str | None, public: str | None, internal: bool) -> None:
    # Entities of a document type are how XML reads files and fills the memory; a feed has none.
    raise NoFeedError("its XML has a document type, which a feed has no use for")
