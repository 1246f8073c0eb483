"""Query parameters, and the vendor's two styles of paging (vendor page section 4)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, urlencode

from crossdock_mirakl.sandbox.clock import parsed_date
from crossdock_mirakl.sandbox.refusal import Refusal
from crossdock_mirakl.sandbox.wire import JsonObject

T = TypeVar("T")
LIST_LIMIT = 100
PAGE_LIMIT = 100
_TRUTH = {"true": True, "false": False}


class Query:
    """The parameters of one request, read by name and kind; each reader raises `Refusal` for what does not fit."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self.pairs = tuple((name, value) for name, value in pairs if value != "")

    def text(self, name: str) -> str | None:
        """The value of a parameter; the last one counts."""
        return dict(self.pairs).get(name)

    def items(self, name: str) -> list[str]:
        """A list, with commas or by repetition: at most 100 entries (vendor page section 4)."""
        found = [each for key, value in self.pairs if key == name for each in value.split(",") if each]
        if len(found) > LIST_LIMIT:
            raise Refusal(f"The limit of {LIST_LIMIT} is exceeded for the parameter : {name}")
        return found

    def flag(self, name: str) -> bool | None:
        """``true`` or ``false``."""
        text = self.text(name)
        if text is None:
            return None
        if text not in _TRUTH:
            raise Refusal(f"Invalid value for the parameter : {name}")
        return _TRUTH[text]

    def date(self, name: str) -> datetime | None:
        """A moment in UTC."""
        text = self.text(name)
        return None if text is None else parsed_date(text, name)

    def whole(self, name: str, default: int, *, least: int, most: int | None = None) -> int:
        """A whole number between `least` and `most`."""
        text = self.text(name) or str(default)
        if not text.isascii() or not text.isdigit() or int(text) < least or (most is not None and int(text) > most):
            raise Refusal(f"Invalid value for the parameter : {name}")
        return int(text)

    def choice(self, name: str, allowed: Sequence[str]) -> str | None:
        """One of a few words."""
        text = self.text(name)
        if text is not None and text not in allowed:
            raise Refusal(f"Invalid value for the parameter : {name}")
        return text

    def ordered(self, rows: Sequence[T], keys: dict[str, Callable[[T], Any]]) -> list[T]:
        """`rows` sorted by ``sort`` (the first of `keys` by default) and ``order``."""
        sort = self.choice("sort", list(keys)) or next(iter(keys))
        return sorted(rows, key=keys[sort], reverse=self.choice("order", ("asc", "desc")) == "desc")


def offset_page(query: Query, rows: Sequence[T], url: str) -> tuple[Sequence[T], dict[str, str]]:
    """The page that ``max`` and ``offset`` name, and its ``Link`` header, in whose URLs lists keep their commas."""
    size = query.whole("max", 10, least=1, most=PAGE_LIMIT)
    offset = query.whole("offset", 0, least=0)
    links = []
    if offset:
        links.append((max(0, offset - size), "previous"))
    if offset + size < len(rows):
        links.append((offset + size, "next"))
    texts = [f'<{_at(query, url, size, start)}>; rel="{rel}"' for start, rel in links]
    return rows[offset : offset + size], {"link": ", ".join(texts)} if texts else {}


def _at(query: Query, url: str, size: int, offset: int) -> str:
    kept = [pair for pair in query.pairs if pair[0] not in ("max", "offset")]
    pairs = [*kept, ("max", str(size)), ("offset", str(offset))]
    return f"{url}?" + "&".join(f"{name}={quote(value, safe=',')}" for name, value in pairs)


def seek_page(
    query: Query,
    find: Callable[[Query], Sequence[T]],
    key: Callable[[T], str],
    row: Callable[[T], Any],
    *,
    descending: bool = False,
) -> JsonObject:
    """``data`` with its two tokens, sorted by `key`. With ``page_token`` every other parameter is ignored.

    A token holds the query that it continues and the key of a row, so rows that come or go shift no page.
    """
    token = query.text("page_token")
    side, edge = "", ""
    if token is not None:
        query, side, edge = _opened(token)
    size = query.whole("limit", 10, least=1, most=PAGE_LIMIT)
    rows = sorted(find(query), key=key, reverse=descending)
    earlier = [each for each in rows if (key(each) > edge if descending else key(each) < edge)]
    start = 0
    if side == "after":
        start = len(earlier) + any(key(each) == edge for each in rows)
    elif side == "before":
        start = max(0, len(earlier) - size)
    chosen = rows[start : start + size]
    return {
        "data": [row(each) for each in chosen],
        "next_page_token": _token(query, "after", key(chosen[-1])) if start + size < len(rows) else None,
        "previous_page_token": _token(query, "before", key(chosen[0])) if start and chosen else None,
    }


def _token(query: Query, side: str, edge: str) -> str:
    pairs = [*query.pairs, (f"~{side}", edge)]
    return base64.urlsafe_b64encode(urlencode(pairs).encode()).decode()


def _opened(token: str) -> tuple[Query, str, str]:
    try:
        pairs = parse_qsl(base64.urlsafe_b64decode(token.encode()).decode(), keep_blank_values=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal("Invalid value for the parameter : page_token") from error
    if not pairs or not pairs[-1][0].startswith("~"):
        raise Refusal("Invalid value for the parameter : page_token")
    side, edge = pairs[-1]
    return Query(pairs[:-1]), side[1:], edge
