"""Lists that tell how many rows they have (vendor page section 4)."""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import datetime
from typing import Generic, TypeVar

import attrs

from crossdock import Row
from crossdock.paging import offset_pages
from crossdock_mirakl.api import PAGE

W = TypeVar("W")

_PASSES = 4


@attrs.frozen
class Listed(Generic[W]):
    """A page of such a list: its rows, how many there are in all, and when the operator said so."""

    rows: list[Row[W]]
    total: int | None
    date: datetime | None = None


def counted(
    read: Callable[[int, int], Listed[W]], key: Callable[[Row[W]], str], first: Listed[W]
) -> Generator[list[Row[W]], None, tuple[int, int] | None]:
    """Each row of a list once, `first` being its first page; read again while fewer rows come than it counts.

    Returns the total and how many rows came when they still differ in the end.
    """
    known: Listed[W] | None = first
    total: int | None = first.total

    def rows_of(offset: int, limit: int) -> list[Row[W]]:
        nonlocal known, total
        page = known if known is not None and offset == 0 else read(offset, limit)
        known, total = None, page.total
        return page.rows

    seen: set[str] = set()
    short: tuple[int, int] | None = None
    for _ in range(_PASSES):
        for rows in offset_pages(rows_of, key, PAGE):
            fresh = [row for row in rows if key(row) not in seen]
            seen.update(key(row) for row in fresh)
            if fresh:
                yield fresh
        if total is None or len(seen) >= total:
            return None
        short = total, len(seen)
    return short
