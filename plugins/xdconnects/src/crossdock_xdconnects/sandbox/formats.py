"""Feeds as JSON, XML and tab-separated text, with the habits of the published files (vendor page section 2)."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from xml.sax.saxutils import escape

import msgspec

from crossdock_xdconnects.sandbox.rows import Cell, Row

MEDIA_TYPES = {"json": "application/json", "xml": "application/xml", "txt": "text/plain"}
BOM = b"\xef\xbb\xbf"


def rendered(columns: Sequence[str], rows: Sequence[Row], extension: str, *, quoted: bool) -> bytes:
    """The whole file. `quoted` text files quote every field and begin with a byte order mark."""
    if extension == "json":
        return msgspec.json.format(msgspec.json.encode(rows), indent=2)
    if extension == "xml":
        return _xml(rows)
    return _text(columns, rows, quoted=quoted)


def _text(columns: Sequence[str], rows: Sequence[Row], *, quoted: bool) -> bytes:
    """CRLF after each line, quotes doubled; a quoted field may hold tabs and line breaks of its own."""
    out = io.StringIO(newline="")
    writer = csv.writer(
        out, delimiter="\t", lineterminator="\r\n", quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
    )
    writer.writerow(columns)
    writer.writerows([_plain(row[name]) for name in columns] for row in rows)
    return (BOM if quoted else b"") + out.getvalue().encode()


def _xml(rows: Sequence[Row]) -> bytes:
    """``<Product>`` elements whatever the feed; names lose their spaces, which XML does not allow."""
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<Products>"]
    for row in rows:
        cells = "".join(_element(name.replace(" ", ""), _plain(value)) for name, value in row.items())
        lines.append(f"<Product>{cells}</Product>")
    return "\n".join([*lines, "</Products>"]).encode()


def _element(name: str, value: str) -> str:
    return f"<{name}>{escape(value, {chr(13): '&#13;'})}</{name}>" if value else f"<{name} />"


def _plain(value: Cell) -> str:
    return "" if value is None else str(value)
